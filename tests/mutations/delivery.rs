//! Mistakes with transactions, deliveries and the outbox.

use idemcheck::check::property::Property::*;
use idemcheck::model::{Operation, Outcome, StateId, Target, WriteKind};

use super::mutant::Mutant;
use super::operator::Operator;

pub const OPERATORS: &[Operator] = &[
    Operator::state(
        "receipt-not-in-commit",
        "the inbox row or the key is not part of the transaction",
        &[SingleExecution, EffectivelyOnce, ReserveBeforeEffect, NoLostEffect],
        |mutant, at| drop_write(mutant, at, WriteKind::Receipt),
    ),
    Operator::state(
        "row-not-in-commit",
        "the outbox row is not part of the transaction",
        &[OutboxAtomic],
        |mutant, at| drop_write(mutant, at, WriteKind::Outbox),
    ),
    Operator::state(
        "checkpoint-not-in-commit",
        "the recovery point is not part of the transaction",
        &[SingleExecution],
        |mutant, at| {
            drop_write(mutant, at, WriteKind::Checkpoint)?;
            let Operation::Commit { at, .. } = mutant.operation_mut(at) else { return None };
            *at = None;
            Some(())
        },
    ),
    Operator::state(
        "commit-split-effect-first",
        "two transactions: the effect, and then what should remember it",
        &[SingleExecution, EffectivelyOnce, ReserveBeforeEffect, OutboxAtomic],
        |mutant, at| split(mutant, at, true),
    ),
    Operator::state(
        "commit-split-effect-last",
        "two transactions: first what should remember the effect, and then the effect",
        &[NoLostEffect, NoLostMessage, OwnerOnlyRecord, OutboxAtomic],
        |mutant, at| split(mutant, at, false),
    ),
    Operator::state(
        "version-unchecked",
        "UPDATE … WHERE id = ?, without the version",
        &[SingleExecution],
        |mutant, at| match mutant.operation_mut(at) {
            Operation::Commit { if_unchanged, .. } => std::mem::replace(if_unchanged, false).then_some(()),
            _ => None,
        },
    ),
    Operator::state("ack-first", "automatic acknowledgement on delivery", &[NoLostMessage], |mutant, at| {
        let (Operation::Ack, start) = (mutant.operation(at), mutant.protocol.start) else { return None };
        if start == at {
            return None;
        }
        let (acked, lost) = (mutant.leads(at, Outcome::Acked)?, mutant.leads(at, Outcome::Lost)?);
        mutant.enter(at, &acked);
        let next = vec![(Outcome::Acked, Target::State(start)), (Outcome::Lost, lost)];
        mutant.protocol.start = mutant.add(at, Operation::Ack, next);
        Some(())
    }),
    Operator::state(
        "ack-dropped",
        "a branch that returns without acknowledging",
        &[NoStuckKey, SingleExecution, EffectivelyOnce],
        |mutant, at| match mutant.operation(at) {
            Operation::Ack => mutant.skip(at, Outcome::Acked),
            _ => None,
        },
    ),
    Operator::state(
        "nack-acks",
        "an exception handler that acknowledges, so that the queue stays empty",
        &[NoLostMessage],
        |mutant, at| {
            let Operation::Nack = mutant.operation(at) else { return None };
            let requeued = mutant.leads(at, Outcome::Requeued)?;
            mutant.protocol.states[at].next.retain(|(outcome, _)| *outcome != Outcome::Requeued);
            *mutant.operation_mut(at) = Operation::Ack;
            mutant.lead(at, Outcome::Acked, requeued)
        },
    ),
    Operator::promise(
        "extend-dropped",
        "the heartbeat was left out",
        &[SingleExecution, EffectivelyOnce],
        |mutant| {
            let extends = |at: &StateId| *mutant.operation(*at) == Operation::Extend;
            let all: Vec<StateId> = mutant.live().into_iter().filter(extends).collect();
            all.iter().try_for_each(|at| mutant.skip(*at, Outcome::Extended))?;
            (!all.is_empty()).then_some(())
        },
    ),
    Operator::state(
        "row-unclaimed",
        "SELECT of the outbox without FOR UPDATE SKIP LOCKED",
        &[EffectivelyOnce],
        |mutant, at| match mutant.operation_mut(at) {
            Operation::NextRow { claim } => std::mem::replace(claim, false).then_some(()),
            _ => None,
        },
    ),
    Operator::state("mark-first", "the row is marked, and then published", &[OutboxAtomic], |mutant, at| {
        let Operation::Publish = mutant.operation(at) else { return None };
        let mark = mutant.leads_to_state(at, Outcome::Ok)?;
        let Operation::Mark = mutant.operation(mark) else { return None };
        mutant.swap(at, Outcome::Ok, mark, Outcome::Marked)
    }),
    Operator::state("mark-dropped", "published rows are never marked", &[EffectivelyOnce], |mutant, at| {
        match mutant.operation(at) {
            Operation::Mark => mutant.skip(at, Outcome::Marked),
            _ => None,
        }
    }),
    Operator::state(
        "publish-unchecked",
        "fire and forget: the broker's answer is not looked at",
        &[OutboxAtomic],
        |mutant, at| match mutant.operation(at) {
            Operation::Publish => mutant.take_for(at, Outcome::Timeout, Outcome::Ok),
            _ => None,
        },
    ),
];

fn drop_write(mutant: &mut Mutant, at: StateId, kind: WriteKind) -> Option<()> {
    let writes = mutant.writes_mut(at)?;
    if !writes.contains(&kind) || writes.len() == 1 {
        return None;
    }
    writes.retain(|write| *write != kind);
    Some(())
}

/// The effect and the rest of a transaction become two.
fn split(mutant: &mut Mutant, at: StateId, effect_first: bool) -> Option<()> {
    let state = mutant.protocol.states[at].clone();
    let Operation::Commit { writes, at: point, if_unchanged } = state.operation else { return None };
    if !writes.contains(&WriteKind::Effect) || writes.len() == 1 {
        return None;
    }
    let rest = writes.into_iter().filter(|write| *write != WriteKind::Effect).collect();
    let effect = Operation::Commit { writes: vec![WriteKind::Effect], at: None, if_unchanged };
    let rest = Operation::Commit { writes: rest, at: point, if_unchanged: false };
    let (first, second) = if effect_first { (effect, rest) } else { (rest, effect) };
    let second = mutant.add(at, second, state.next);
    *mutant.operation_mut(at) = first;
    mutant.lead(at, Outcome::Committed, Target::State(second))
}
