//! Mistakes with the claim, the receipt and the lock.

use idemcheck::check::property::Property::*;
use idemcheck::model::{Answer, Operation, Outcome, RecordAs, StateId, Target, WaitFor};
use idemcheck::policy::Policy;

use super::mutant::Mutant;
use super::operator::Operator;

pub const OPERATORS: &[Operator] = &[
    Operator::state(
        "insert-split",
        "SELECT and then INSERT, without a unique constraint",
        &[SingleExecution, ClaimExclusive],
        |mutant, at| {
            let Operation::Insert { .. } = mutant.operation(at) else { return None };
            let inserted = mutant.leads(at, Outcome::Inserted)?;
            let write = mutant.add(at, Operation::Write, vec![(Outcome::Written, inserted)]);
            *mutant.operation_mut(at) = Operation::Read;
            mutant.protocol.states[at].next.retain(|(outcome, _)| *outcome != Outcome::Inserted);
            mutant.lead(at, Outcome::Absent, Target::State(write))
        },
    ),
    Operator::state(
        "insert-skipped",
        "a path that never claims: the check was forgotten",
        &[SingleExecution, ReserveBeforeEffect, NoLostEffect],
        |mutant, at| match mutant.operation(at) {
            Operation::Insert { .. } => mutant.skip(at, Outcome::Inserted),
            _ => None,
        },
    ),
    Operator::state(
        "look-skipped",
        "the receipt is not looked up first",
        &[SingleExecution, ReplayFidelity, OwnerOnlyRecord, NoStuckKey],
        |mutant, at| match mutant.operation(at) {
            Operation::Read => mutant.skip(at, Outcome::Absent),
            _ => None,
        },
    ),
    Operator::state(
        "load-skipped",
        "written without a look at the data",
        &[SingleExecution, NoStuckKey],
        |mutant, at| match mutant.operation(at) {
            Operation::Load => mutant.skip(at, Outcome::Absent),
            _ => None,
        },
    ),
    Operator::state(
        "conflict-ignored",
        "an existing claim is logged, and the handler goes on",
        &[SingleExecution],
        |mutant, at| as_if_absent(mutant, at, Outcome::InProgress),
    ),
    Operator::state(
        "receipt-ignored",
        "a recorded result is found, and the handler runs again",
        &[SingleExecution],
        |mutant, at| as_if_absent(mutant, at, Outcome::Succeeded),
    ),
    Operator::state(
        "expired-called",
        "an expired claim is run over without taking it over",
        &[SingleExecution, ReserveBeforeEffect, OwnerOnlyRecord],
        |mutant, at| as_if_absent(mutant, at, Outcome::Expired),
    ),
    Operator::state(
        "expired-refused",
        "nobody takes over what its owner abandoned",
        &[NoStuckKey, TruthfulConflict],
        |mutant, at| mutant.take_for(at, Outcome::Expired, Outcome::InProgress),
    ),
    Operator::state(
        "mismatch-replayed",
        "another payload under the same key gets the recorded answer",
        &[NoCrossPayload],
        |mutant, at| mutant.take_for(at, Outcome::Mismatch, Outcome::Succeeded),
    )
    .given(|policy| policy.trigger.conflicting = policy.trigger.conflicting.max(1)),
    Operator::state("conflict-told-mismatch", "422 where 409 is meant", &[TruthfulConflict], |mutant, at| {
        let Target::Respond(Answer::InFlight) = mutant.leads(at, Outcome::InProgress)? else {
            return None;
        };
        mutant.lead(at, Outcome::InProgress, Target::Respond(Answer::Mismatch))
    }),
    Operator::state(
        "answer-first",
        "success is answered on acceptance, and the work may never be done",
        &[NoLostEffect],
        |mutant, at| match mutant.operation(at) {
            Operation::Insert { .. } => mutant.lead(at, Outcome::Inserted, Target::Respond(Answer::Success)),
            _ => None,
        },
    ),
    Operator::state(
        "take-over-blind",
        "an expired claim is overwritten, not compared and set",
        &[SingleExecution, ClaimExclusive],
        |mutant, at| {
            let Operation::TakeOver { .. } = mutant.operation(at) else { return None };
            let taken = mutant.leads(at, Outcome::Taken)?;
            *mutant.operation_mut(at) = Operation::Write;
            mutant.protocol.states[at].next = vec![(Outcome::Written, taken)];
            Some(())
        },
    ),
    Operator::state(
        "lost-ignored",
        "the number of rows that a compare-and-set changed is not looked at",
        &[
            SingleExecution,
            ClaimExclusive,
            OwnerOnlyRecord,
            NoLostEffect,
            ReplayFidelity,
            ReserveBeforeEffect,
            TruthfulConflict,
            NoLostMessage,
        ],
        |mutant, at| {
            let good = match mutant.operation(at) {
                Operation::Record { .. } | Operation::Checkpoint { .. } => Outcome::Recorded,
                Operation::Renew | Operation::RenewLock => Outcome::Renewed,
                Operation::TakeOver { .. } => Outcome::Taken,
                Operation::Release { .. } | Operation::Unlock { .. } => Outcome::Released,
                Operation::Commit { .. } => Outcome::Committed,
                Operation::Ack => Outcome::Acked,
                Operation::Extend => Outcome::Extended,
                _ => return None,
            };
            mutant.take_for(at, Outcome::Lost, good)
        },
    ),
    Operator::state(
        "record-unfenced",
        "UPDATE … WHERE key = ?, without the owner or the token",
        &[OwnerOnlyRecord, NoStaleOverwrite, NoCrossPayload],
        |mutant, at| match mutant.operation_mut(at) {
            Operation::Record { fenced, .. } => drop_flag(fenced),
            _ => None,
        },
    ),
    Operator::state(
        "release-unfenced",
        "DELETE … WHERE key = ?, whoever's claim that is",
        &[OwnerOnlyRecord, SingleExecution],
        |mutant, at| match mutant.operation_mut(at) {
            Operation::Release { fenced } => drop_flag(fenced),
            _ => None,
        },
    ),
    Operator::state(
        "own-insert-forgotten",
        "an insert is repeated by the driver and meets itself",
        &[NoSelfConflict, NoStuckKey],
        |mutant, at| match mutant.operation_mut(at) {
            Operation::Insert { recognise_own } => drop_flag(recognise_own),
            _ => None,
        },
    )
    .given(one_lost_ack),
    Operator::state(
        "own-take-over-forgotten",
        "a takeover is repeated by the driver and meets itself",
        &[NoSelfConflict, NoStuckKey],
        |mutant, at| match mutant.operation_mut(at) {
            Operation::TakeOver { recognise_own } => drop_flag(recognise_own),
            _ => None,
        },
    )
    .given(one_lost_ack),
    Operator::state(
        "own-record-forgotten",
        "a record is repeated by the driver and takes itself for lost",
        &[NoSelfConflict, ReplayFidelity],
        |mutant, at| match mutant.operation_mut(at) {
            Operation::Record { recognise_own, .. } => drop_flag(recognise_own),
            _ => None,
        },
    )
    .given(one_lost_ack),
    Operator::state(
        "record-dropped",
        "a branch that returns without saving its result",
        &[NoLostEffect, SingleExecution, NoStuckKey, ReplayFidelity],
        |mutant, at| match mutant.operation(at) {
            Operation::Record { .. } => mutant.skip(at, Outcome::Recorded),
            _ => None,
        },
    ),
    Operator::state(
        "record-before-call",
        "the key is saved as done, and then the work is done",
        &[NoLostEffect, OwnerOnlyRecord, ReserveBeforeEffect, NoLostMessage],
        |mutant, at| {
            let Operation::Call { .. } = mutant.operation(at) else { return None };
            let record = mutant.leads_to_state(at, Outcome::Ok)?;
            let Operation::Record { outcome: RecordAs::Succeeded, .. } = mutant.operation(record) else {
                return None;
            };
            mutant.swap(at, Outcome::Ok, record, Outcome::Recorded)
        },
    ),
    Operator::state(
        "release-dropped",
        "an early return leaves the claim behind",
        &[NoStuckKey, TruthfulConflict],
        |mutant, at| match mutant.operation(at) {
            Operation::Release { .. } => mutant.skip(at, Outcome::Released),
            _ => None,
        },
    ),
    Operator::state(
        "renew-dropped",
        "a lease that nobody extends before the long part",
        &[SingleExecution, ClaimExclusive, NoStaleOverwrite],
        |mutant, at| match mutant.operation(at) {
            Operation::Renew => mutant.skip(at, Outcome::Renewed),
            _ => None,
        },
    ),
    Operator::state(
        "checkpoint-dropped",
        "a phase that leaves no note of being done",
        &[SingleExecution],
        |mutant, at| match mutant.operation(at) {
            Operation::Checkpoint { .. } => mutant.skip(at, Outcome::Recorded),
            _ => None,
        },
    ),
    Operator::state(
        "lease-unchecked",
        "the holder does not look at its clock before it acts",
        &[SingleExecution, ClaimExclusive, NoStaleOverwrite],
        |mutant, at| match mutant.operation(at) {
            Operation::LeaseCheck => mutant.skip(at, Outcome::Held),
            _ => None,
        },
    ),
    Operator::state(
        "store-fails-open",
        "the store is out of reach, and the handler goes on without it",
        &[ReserveBeforeEffect, SingleExecution],
        |mutant, at| {
            let good = match mutant.operation(at) {
                Operation::Insert { .. } => Outcome::Inserted,
                Operation::Read | Operation::Load => Outcome::Absent,
                Operation::TakeOver { .. } => Outcome::Taken,
                Operation::Acquire => Outcome::Acquired,
                _ => return None,
            };
            let to = mutant.leads(at, good)?;
            mutant.lead(at, Outcome::Unavailable, to)
        },
    )
    .given(|policy| policy.faults.store_errors = policy.faults.store_errors.max(1)),
    Operator::state(
        "role-dropped",
        "the completer, sweeper or relay is not deployed",
        &[NoStuckKey, OutboxAtomic],
        |mutant, at| {
            let role = mutant.protocol.roles.iter().position(|role| role.start == at)?;
            mutant.protocol.roles.remove(role);
            mutant.policy.roles.remove(role);
            // No file could have states that nothing leads to.
            let live = mutant.live();
            for at in (0..mutant.protocol.states.len()).filter(|at| !live.contains(at)) {
                *mutant.operation_mut(at) = Operation::Wait(WaitFor::Fixed(0));
                mutant.protocol.states[at].next = vec![(Outcome::Elapsed, Target::End("idle".to_owned()))];
            }
            Some(())
        },
    ),
    Operator::state(
        "wait-shortened",
        "asked before what is asked about can have settled",
        &[SingleExecution],
        |mutant, at| {
            let Operation::Wait(_) = mutant.operation(at) else { return None };
            let next = mutant.leads_to_state(at, Outcome::Elapsed)?;
            // A poll that is faster is no mistake.
            let Operation::Query { .. } = mutant.operation(next) else { return None };
            *mutant.operation_mut(at) = Operation::Wait(WaitFor::Fixed(0));
            Some(())
        },
    ),
    Operator::state(
        "lock-skipped",
        "a path that acts without the lock",
        &[SingleExecution, ClaimExclusive, NoStaleOverwrite],
        |mutant, at| match mutant.operation(at) {
            Operation::Acquire => mutant.skip(at, Outcome::Acquired),
            _ => None,
        },
    ),
    Operator::state(
        "lock-busy-ignored",
        "the answer of `SET NX` is not looked at",
        &[SingleExecution, ClaimExclusive, OwnerOnlyRecord],
        |mutant, at| mutant.take_for(at, Outcome::Busy, Outcome::Acquired),
    ),
    Operator::state(
        "lock-release-unfenced",
        "`DEL lock`, whoever holds it",
        &[OwnerOnlyRecord, ClaimExclusive],
        |mutant, at| match mutant.operation_mut(at) {
            Operation::Unlock { fenced } => drop_flag(fenced),
            _ => None,
        },
    ),
    Operator::state("lock-release-dropped", "an early return keeps the lock", &[NoStuckKey], |mutant, at| {
        match mutant.operation(at) {
            Operation::Unlock { .. } => mutant.skip(at, Outcome::Released),
            _ => None,
        }
    }),
    Operator::state(
        "lock-renew-dropped",
        "a lock that nobody extends before the long part",
        &[ClaimExclusive, NoStaleOverwrite, SingleExecution],
        |mutant, at| match mutant.operation(at) {
            Operation::RenewLock => mutant.skip(at, Outcome::Renewed),
            _ => None,
        },
    ),
];

/// What was found is taken for nothing.
fn as_if_absent(mutant: &mut Mutant, at: StateId, found: Outcome) -> Option<()> {
    let absent = match mutant.operation(at) {
        Operation::Insert { .. } => Outcome::Inserted,
        Operation::Read => Outcome::Absent,
        _ => return None,
    };
    mutant.take_for(at, found, absent)
}

/// The only fault that makes an attempt meet what it wrote itself.
fn one_lost_ack(policy: &mut Policy) {
    policy.faults.ambiguous_acks = policy.faults.ambiguous_acks.max(1);
}

fn drop_flag(flag: &mut bool) -> Option<()> {
    std::mem::replace(flag, false).then_some(())
}
