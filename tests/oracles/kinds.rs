//! What a case has in it, so that a run can tell how often each was compared.

use idemcheck::model::{Operation, Protocol, Target, WriteKind};
use idemcheck::policy::{Policy, Replay, SuppliedBy};
use idemcheck::system::System;

use crate::cases::{Case, does};

/// The names of what the case has.
pub fn of(case: &Case) -> Vec<&'static str> {
    let Case { policy, protocol } = case;
    let every = operations(protocol).into_iter().chain(surroundings(policy));
    let roles = [("role", !policy.roles.is_empty()), ("resume", resumes(protocol))];
    let lean = System::new(policy, protocol).map(|system| system.leanness()).unwrap_or_default();
    every.chain(roles).chain(lean).filter_map(|(name, has)| has.then_some(name)).collect()
}

fn resumes(protocol: &Protocol) -> bool {
    protocol.states.iter().flat_map(|state| &state.next).any(|(_, target)| *target == Target::Resume)
}

fn operations(protocol: &Protocol) -> Vec<(&'static str, bool)> {
    let has = |test: fn(&Operation) -> bool| does(protocol, test);
    vec![
        ("checkpoint", has(|op| op.recovery_point().is_some())),
        ("sweeper", has(|op| *op == Operation::Sweep)),
        ("completer", has(|op| *op == Operation::FindAbandoned)),
        ("version", has(|op| matches!(op, Operation::Commit { if_unchanged: true, .. }))),
        (
            "outbox row",
            has(|op| matches!(op, Operation::Commit { writes, .. } if writes.contains(&WriteKind::Outbox))),
        ),
        ("publish", has(|op| *op == Operation::Publish)),
        ("extend", has(|op| *op == Operation::Extend)),
    ]
}

fn surroundings(policy: &Policy) -> Vec<(&'static str, bool)> {
    let (faults, store) = (&policy.faults, policy.store.clone().unwrap_or_default());
    let has_store = policy.store.is_some();
    let (queue, lock) = (policy.queue.as_ref(), policy.lock.as_ref());
    vec![
        ("queue", queue.is_some()),
        ("queue dedup", queue.is_some_and(|queue| queue.dedup.is_some())),
        ("redrive", queue.is_some_and(|queue| queue.redrives > 0)),
        ("lock", lock.is_some()),
        ("lock per target", lock.is_some_and(|l| l.per_target)),
        ("odd lock", lock.is_some_and(|l| l.session || l.per_process || l.dead_grants || l.pooled)),
        ("outbox dedup", policy.outbox_dedup.is_some()),
        ("failover", faults.failovers > 0),
        ("stale reads", has_store && store.stale_reads),
        ("unconditional", has_store && !store.conditional),
        ("per process", store.per_process),
        ("ttl lag", store.ttl_lag > 0),
        ("skew", faults.clock_skew > 0),
        ("client clock", store.client_clock && faults.clock_skew > 0),
        ("crash", faults.crashes > 0),
        ("ambiguous ack", faults.ambiguous_acks > 0),
        ("store error", faults.store_errors > 0),
        ("lock loss", faults.lock_losses > 0),
        ("duplicate", faults.duplicate_requests > 0),
        ("late request", faults.late_requests > 0),
        ("redelivery", faults.redeliveries > 0),
        ("other replay", policy.key.replay != Replay::Bytes),
        ("split keys", policy.key.supplied_by == SuppliedBy::Nobody || !policy.splitting_fields().is_empty()),
    ]
}
