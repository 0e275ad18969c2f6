//! Mistakes with the call, its outcome and the question whether it took effect.

use idemcheck::check::property::Property::*;
use idemcheck::model::{Answer, Operation, Outcome, RecordAs, StateId, Target};
use idemcheck::policy::TriggerKind;

use super::mutant::Mutant;
use super::operator::Operator;

pub const OPERATORS: &[Operator] = &[
    Operator::state(
        "key-unsent",
        "the downstream would deduplicate, and is sent no key",
        &[SingleExecution],
        |mutant, at| {
            mutant.policy.downstream.as_ref()?.native_key?;
            match mutant.operation_mut(at) {
                Operation::Call { key, .. } => std::mem::replace(key, false).then_some(()),
                _ => None,
            }
        },
    ),
    Operator::state(
        "token-unsent",
        "the resource checks tokens, and this call sends none",
        &[SingleExecution, NoStaleOverwrite],
        |mutant, at| {
            mutant.policy.downstream.as_ref().filter(|downstream| downstream.fencing)?;
            match mutant.operation_mut(at) {
                Operation::Call { token, .. } | Operation::Query { token } => {
                    std::mem::replace(token, false).then_some(())
                }
                _ => None,
            }
        },
    ),
    Operator::state(
        "query-skipped",
        "the new owner calls, or the old one gives up, without asking what happened",
        &[SingleExecution, NoStuckKey, ReplayFidelity],
        |mutant, at| match mutant.operation(at) {
            Operation::Query { .. } => mutant.skip(at, Outcome::Absent),
            _ => None,
        },
    ),
    Operator::state(
        "query-unknown-is-absent",
        "no answer is taken for `there is none`",
        &[SingleExecution],
        |mutant, at| match mutant.operation(at) {
            Operation::Query { .. } => mutant.take_for(at, Outcome::Unknown, Outcome::Absent),
            _ => None,
        },
    ),
    Operator::state(
        "query-absent-called",
        "`not there yet` is taken for `never`, and the call is made again",
        &[SingleExecution],
        |mutant, at| {
            let Operation::Query { .. } = mutant.operation(at) else { return None };
            let calls = |at: &StateId| matches!(mutant.operation(*at), Operation::Call { .. });
            let call = mutant.live().into_iter().find(calls)?;
            mutant.lead(at, Outcome::Absent, Target::State(call))
        },
    ),
    Operator::state(
        "timeout-released",
        "the claim is given back after a timeout, as if nothing had happened",
        &[SingleExecution],
        |mutant, at| release_on(mutant, at, Outcome::Timeout),
    ),
    Operator::state(
        "error-released",
        "the claim is given back after an error that may have come after the effect",
        &[SingleExecution],
        |mutant, at| release_on(mutant, at, Outcome::Error),
    ),
    Operator::state(
        "timeout-succeeds",
        "a call that timed out is taken for done",
        &[NoLostEffect, OwnerOnlyRecord, NoLostMessage],
        |mutant, at| match mutant.operation(at) {
            Operation::Call { .. } => mutant.take_for(at, Outcome::Timeout, Outcome::Ok),
            _ => None,
        },
    ),
    Operator::state(
        "error-succeeds",
        "the status of the answer is not looked at",
        &[NoLostEffect, OwnerOnlyRecord, NoLostMessage],
        |mutant, at| match mutant.operation(at) {
            Operation::Call { .. } => mutant.take_for(at, Outcome::Error, Outcome::Ok),
            _ => None,
        },
    ),
    Operator::state(
        "timeout-retried",
        "an HTTP client that repeats a call by itself",
        &[SingleExecution],
        |mutant, at| {
            let Operation::Call { .. } = mutant.operation(at) else { return None };
            let state = mutant.protocol.states[at].clone();
            let again = mutant.add(at, state.operation, state.next);
            mutant.lead(at, Outcome::Timeout, Target::State(again))
        },
    ),
    Operator::state(
        "timeout-recorded-failed",
        "a timeout is recorded, and answered, as a failure",
        &[ReplayFidelity, SingleExecution],
        |mutant, at| {
            let Operation::Call { .. } = mutant.operation(at) else { return None };
            let record = record_failure(mutant, at);
            mutant.lead(at, Outcome::Timeout, record)
        },
    ),
    Operator::state(
        "commit-unknown-is-done",
        "a commit whose acknowledgement was lost is taken for done",
        &[NoLostEffect, NoLostMessage],
        |mutant, at| match mutant.operation(at) {
            Operation::Commit { .. } => mutant.take_for(at, Outcome::Unknown, Outcome::Committed),
            _ => None,
        },
    )
    .given(|policy| policy.faults.ambiguous_acks = policy.faults.ambiguous_acks.max(1)),
    Operator::state(
        "commit-aborted-is-done",
        "a transaction that was rolled back is taken for done",
        &[NoLostEffect, NoLostMessage],
        |mutant, at| match mutant.operation(at) {
            Operation::Commit { .. } => mutant.take_for(at, Outcome::Aborted, Outcome::Committed),
            _ => None,
        },
    )
    .given(|policy| policy.faults.aborts = policy.faults.aborts.max(1)),
];

/// The attempt's claim is removed on this outcome, and the caller may try again.
fn release_on(mutant: &mut Mutant, at: StateId, outcome: Outcome) -> Option<()> {
    let Operation::Call { .. } = mutant.operation(at) else { return None };
    let releases = |at: StateId| matches!(mutant.operation(at), Operation::Release { .. });
    if !mutant.claims() || mutant.leads_to_state(at, outcome).is_some_and(releases) {
        return None;
    }
    let after = match mutant.policy.trigger.kind {
        TriggerKind::Queue => Target::End("redeliver".to_owned()),
        _ => Target::Respond(Answer::Error),
    };
    let next = vec![(Outcome::Released, after.clone()), (Outcome::Lost, after)];
    let release = mutant.add(at, Operation::Release { fenced: true }, next);
    mutant.lead(at, outcome, Target::State(release))
}

/// Records a failure where there is a claim, and answers it.
fn record_failure(mutant: &mut Mutant, at: StateId) -> Target {
    if !mutant.claims() {
        return Target::Respond(Answer::Failed);
    }
    let operation = Operation::Record { outcome: RecordAs::Failed, fenced: true, recognise_own: true };
    let next = vec![
        (Outcome::Recorded, Target::Respond(Answer::Failed)),
        (Outcome::Lost, Target::Respond(Answer::Unknown)),
    ];
    Target::State(mutant.add(at, operation, next))
}
