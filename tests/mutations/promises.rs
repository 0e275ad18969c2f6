//! Surroundings that promise less: shorter times, weaker stores, keys of the wrong fields.

use idemcheck::check::property::Property::*;
use idemcheck::model::Operation;
use idemcheck::policy::{Effect, Errors, Policy, SuppliedBy, TtlFrom};

use super::operator::Operator;

pub const OPERATORS: &[Operator] = &[
    Operator::promise(
        "lease-short",
        "a lease that was set without a look at the longest handler",
        &[SingleExecution, ClaimExclusive, NoStaleOverwrite, EffectivelyOnce],
        |mutant| {
            let handler = handler(&mutant.policy);
            shorten(&mut mutant.policy.store.as_mut()?.lease, handler)
        },
    ),
    Operator::promise(
        "lease-endless",
        "a claim that never expires by itself",
        &[NoStuckKey, OutboxAtomic],
        |mutant| mutant.policy.store.as_mut()?.lease.take().map(|_| ()),
    ),
    Operator::promise(
        "ttl-short",
        "receipts are kept shorter than clients try again",
        &[TtlCoversRetries, SingleExecution, ReplayFidelity],
        |mutant| {
            let horizon = mutant.policy.trigger.within;
            shorten(&mut mutant.policy.store.as_mut()?.ttl, horizon)
        },
    ),
    Operator::promise(
        "ttl-added",
        "a cleanup job deletes keys that were meant to be kept",
        &[TtlCoversRetries, SingleExecution, ReplayFidelity],
        |mutant| {
            if !mutant.does(|op| op.uses_receipts()) {
                return None;
            }
            let within = mutant.policy.trigger.within.unwrap_or(60_000);
            let store = mutant.policy.store.as_mut()?;
            store.ttl.is_none().then(|| store.ttl = Some((within / 2).max(1)))
        },
    ),
    Operator::promise(
        "ttl-from-claim",
        "the expiry is set with the claim, and not again with the record",
        &[TtlCoversRetries, SingleExecution],
        |mutant| {
            let store = mutant.policy.store.as_mut()?;
            store.ttl?;
            (std::mem::take(&mut store.ttl_from) == TtlFrom::Record).then_some(())
        },
    ),
    Operator::promise(
        "native-key-forgotten-early",
        "the downstream forgets keys sooner than callers try again",
        &[TtlCoversRetries, SingleExecution],
        |mutant| {
            let horizon = mutant.policy.trigger.within;
            let native = mutant.policy.downstream.as_mut()?.native_key.as_mut()?;
            native.ttl.get_or_insert(60_000);
            shorten(&mut native.ttl, horizon)
        },
    ),
    Operator::promise(
        "native-key-ignored",
        "the downstream takes the header and does nothing with it",
        &[SingleExecution],
        |mutant| mutant.policy.downstream.as_mut()?.native_key.take().map(|_| ()),
    ),
    Operator::promise(
        "native-key-blind",
        "the downstream gives a known key's result to any payload",
        &[NoCrossPayload],
        |mutant| {
            let native = mutant.policy.downstream.as_mut()?.native_key.as_mut()?;
            (native.compares.replace(false) != Some(false)).then_some(())
        },
    )
    .given(|policy| policy.trigger.conflicting = policy.trigger.conflicting.max(1)),
    Operator::promise(
        "fencing-off",
        "the resource takes the token and compares nothing",
        &[SingleExecution, NoStaleOverwrite],
        |mutant| {
            let downstream = mutant.policy.downstream.as_mut()?;
            std::mem::replace(&mut downstream.fencing, false).then_some(())
        },
    ),
    Operator::promise(
        "fingerprint-dropped",
        "payloads under one key are not compared",
        &[NoCrossPayload, NoFalseDedup],
        |mutant| {
            let fingerprint = &mut mutant.policy.key.fingerprint;
            (mutant.policy.store.is_some() && !fingerprint.is_empty()).then(|| fingerprint.clear())
        },
    )
    .given(|policy| policy.trigger.conflicting = policy.trigger.conflicting.max(1)),
    Operator::promise(
        "identity-field-left-out",
        "the tenant is not part of the key",
        &[NoFalseDedup, NoCrossPayload],
        |mutant| {
            let used = mutant.has_key();
            let (key, identity) = (&mut mutant.policy.key.from, &mutant.policy.operation.identity);
            let field = key.iter().position(|field| identity.contains(field))?;
            (used && key.len() > 1).then(|| drop(key.remove(field)))
        },
    ),
    Operator::promise(
        "per-attempt-field",
        "a timestamp, or a new UUID for each try, is part of the key",
        &[SingleExecution, EffectivelyOnce],
        |mutant| {
            let used = mutant.has_key();
            used.then(|| mutant.policy.key.from.push("sent_at".to_owned()))
        },
    ),
    Operator::promise("key-unsent-by-client", "the client sends no key", &[SingleExecution], |mutant| {
        let used = mutant.has_key();
        used.then(|| {
            mutant.policy.key.supplied_by = SuppliedBy::Nobody;
            mutant.policy.key.from.clear();
        })
    }),
    Operator::promise(
        "store-loses-writes",
        "a failover to a replica that lags",
        &[SingleExecution, NoLostEffect, OwnerOnlyRecord, EffectivelyOnce],
        |mutant| {
            let store = mutant.policy.store.as_mut()?;
            mutant.policy.faults.failovers = mutant.policy.faults.failovers.max(1);
            store.staleness.get_or_insert(LAG);
            (!std::mem::replace(&mut store.loses_writes, true)).then_some(())
        },
    ),
    Operator::promise(
        "stale-reads",
        "receipts are read from a replica",
        &[SingleExecution, TruthfulConflict, ReplayFidelity],
        |mutant| {
            let reads = mutant.does(|op| *op == Operation::Read);
            let store = mutant.policy.store.as_mut()?;
            store.staleness.get_or_insert(LAG);
            (reads && !std::mem::replace(&mut store.stale_reads, true)).then_some(())
        },
    ),
    Operator::promise(
        "insert-unconditional",
        "last write wins: the store has no conditional write",
        &[SingleExecution, ClaimExclusive],
        |mutant| {
            let claims = mutant.claims();
            let store = mutant.policy.store.as_mut()?;
            store.staleness.get_or_insert(LAG);
            (claims && std::mem::replace(&mut store.conditional, false)).then_some(())
        },
    ),
    Operator::promise(
        "store-per-process",
        "a map in memory, and two instances behind a load balancer",
        &[SingleExecution, EffectivelyOnce],
        |mutant| {
            let receipts = mutant.does(|op| op.uses_receipts());
            let store = mutant.policy.store.as_mut()?;
            (receipts && !std::mem::replace(&mut store.per_process, true)).then_some(())
        },
    ),
    Operator::promise(
        "clocks-differ",
        "leases are judged by the worker's own clock, and it is off by half a lease",
        &[SingleExecution, ClaimExclusive],
        |mutant| {
            let store = mutant.policy.store.as_mut()?;
            mutant.policy.faults.clock_skew = mutant.policy.faults.clock_skew.max(store.lease? / 2);
            (!std::mem::replace(&mut store.client_clock, true)).then_some(())
        },
    ),
    Operator::promise(
        "pause-unbounded",
        "a worker may stall for ever: nothing bounds a garbage collection",
        &[SingleExecution, ClaimExclusive, TtlCoversRetries, NoStaleOverwrite, EffectivelyOnce],
        |mutant| mutant.policy.faults.pause.take().map(|_| ()),
    ),
    Operator::promise(
        "late-unbounded",
        "a call that timed out may take effect at any later moment",
        &[SingleExecution, NoStaleOverwrite, EffectivelyOnce],
        |mutant| mutant.policy.downstream.as_mut()?.late.take().map(|_| ()),
    ),
    Operator::promise("timeout-unset", "an HTTP client without a timeout", &[NoStuckKey], |mutant| {
        let downstream = mutant.policy.downstream.as_mut()?;
        downstream.late = None;
        downstream.timeout.take().map(|_| ())
    }),
    Operator::promise(
        "errors-ambiguous",
        "a gateway in between turns timeouts into errors",
        &[SingleExecution, ReplayFidelity],
        |mutant| {
            let downstream = mutant.policy.downstream.as_mut()?;
            let before = std::mem::replace(&mut downstream.errors, Errors::Ambiguous);
            (before != Errors::Ambiguous).then_some(())
        },
    ),
    Operator::promise(
        "horizon-unbounded",
        "somebody replays old requests from a log",
        &[TtlCoversRetries, SingleExecution, EffectivelyOnce],
        |mutant| mutant.policy.trigger.within.take().map(|_| ()),
    ),
    Operator::promise(
        "effect-not-absolute",
        "`balance = 5` becomes `balance = balance + 5`",
        &[SingleExecution, EffectivelyOnce],
        |mutant| {
            let effect = &mut mutant.policy.operation.effect;
            effect.naturally_idempotent().then(|| *effect = Effect::Delta)
        },
    ),
    Operator::promise(
        "window-forgotten",
        "the queue drops no duplicates",
        &[SingleExecution, EffectivelyOnce],
        |mutant| mutant.policy.queue.as_mut()?.dedup.take().map(|_| ()),
    ),
    Operator::promise(
        "window-short",
        "the queue's deduplication window is shorter than producers try again",
        &[SingleExecution, EffectivelyOnce],
        |mutant| {
            let horizon = mutant.policy.trigger.within;
            shorten(&mut mutant.policy.queue.as_mut()?.dedup, horizon)
        },
    ),
    Operator::promise(
        "outbox-window-forgotten",
        "the broker of the outbox drops no duplicates",
        &[EffectivelyOnce],
        |mutant| mutant.policy.outbox_dedup.take().map(|_| ()),
    ),
    Operator::promise(
        "visibility-short",
        "a visibility timeout shorter than the handler",
        &[SingleExecution, EffectivelyOnce],
        |mutant| {
            let handler = handler(&mutant.policy);
            shorten(&mut mutant.policy.queue.as_mut()?.visibility, handler)
        },
    ),
    Operator::promise(
        "lock-lease-short",
        "a lock that ends before the work does",
        &[ClaimExclusive, SingleExecution, NoStaleOverwrite],
        |mutant| {
            let handler = handler(&mutant.policy);
            shorten(&mut mutant.policy.lock.as_mut()?.lease, handler)
        },
    ),
    Operator::promise("lock-endless", "a lock that does not end with its holder", &[NoStuckKey], |mutant| {
        let lock = mutant.policy.lock.as_mut()?;
        let ends = lock.session || lock.lease.is_some();
        (lock.session, lock.lease) = (false, None);
        ends.then_some(())
    }),
    Operator::promise(
        "lock-per-process",
        "a mutex, and two instances behind a load balancer",
        &[ClaimExclusive, SingleExecution],
        |mutant| {
            let lock = mutant.policy.lock.as_mut()?;
            (!std::mem::replace(&mut lock.per_process, true)).then_some(())
        },
    ),
    Operator::promise(
        "lock-grants-when-dead",
        "a grant that was waited for is not looked at again",
        &[ClaimExclusive, SingleExecution],
        |mutant| {
            let lock = mutant.policy.lock.as_mut()?;
            (!std::mem::replace(&mut lock.dead_grants, true)).then_some(())
        },
    ),
    Operator::promise(
        "lock-pooled",
        "a session lock behind a connection pooler",
        &[ClaimExclusive, OwnerOnlyRecord],
        |mutant| {
            let lock = mutant.policy.lock.as_mut()?;
            (!std::mem::replace(&mut lock.pooled, true)).then_some(())
        },
    ),
];

/// How far a replica lags, in milliseconds: longer than most clients wait for an answer. Without a
/// bound an attempt may look again and again for as long as receipts are kept.
const LAG: i64 = 60_000;

/// The longest that a handler works, as far as the policy says.
fn handler(policy: &Policy) -> Option<i64> {
    let downstream = policy.downstream.as_ref();
    let call = downstream.and_then(|downstream| downstream.timeout.or(downstream.latency_max));
    call.or(policy.faults.pause).filter(|ms| *ms > 0)
}

/// Half of what it is, and no more than half of what it should outlast.
fn shorten(time: &mut Option<i64>, below: Option<i64>) -> Option<()> {
    let now = (*time)?;
    let short = (below.unwrap_or(now).min(now) / 2).max(1);
    (short < now).then(|| *time = Some(short))
}
