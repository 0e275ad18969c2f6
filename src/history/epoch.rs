//! One key with one life: exact, in one pass.
//!
//! The key is absent, then claimed at a moment `c`, then done at a moment `d`, for good. The effect lies between
//! the two. Every answer rests on one moment of its interval: `in_flight` between `c` and `d`, `mismatch` from `c`
//! on, a final answer from `d` on. So only the least end and the greatest start of each kind matter, and `c` as early
//! and `d` as late as they can be explain whatever can be explained at all.
//!
//! Moments that are equal may have been in either order.

use rustc_hash::{FxHashMap, FxHashSet};

use super::key::{Fault, KeyHistory, Kind, Mark, Op, Party};
use super::record::Terms;
use super::rule::Rule;

/// Keeps the index with the least value.
fn least(best: &mut Option<(i64, usize)>, value: i64, index: usize) {
    if best.is_none_or(|(least, _)| value < least) {
        *best = Some((value, index));
    }
}

/// What is compared of final answers, and of whom they are: the same for all of them.
pub(super) fn one_answer(ops: &[Op], terms: &Terms) -> Result<Option<usize>, Fault> {
    let Some(first) = ops.iter().position(|op| op.kind.is_final()) else { return Ok(None) };
    let (mut new, model) = (None, ops[first]);
    for (index, op) in ops.iter().enumerate().skip(first) {
        if !op.kind.is_final() {
            continue;
        }
        let parties = [Party::Op(index), Party::Op(first)];
        if op.body != model.body {
            return Err(Fault::new(Rule::AnsweredOtherPayload, parties));
        }
        if op.answer != model.answer {
            return Err(Fault::new(Rule::AnswersDiffer, parties));
        }
        if terms.marked && op.mark == Mark::New {
            if let Some(other) = new {
                return Err(Fault::new(Rule::NewAnswerTwice, [Party::Op(index), Party::Op(other)]));
            }
            new = Some(index);
        }
    }
    Ok(Some(first))
}

/// The rule that an answer breaks where nothing can have come before it.
fn of_nothing(kind: Kind) -> Rule {
    match kind {
        Kind::InFlight => Rule::InFlightOfNothing,
        Kind::Mismatch => Rule::MismatchOfNothing,
        _ => Rule::ReplayOfNothing,
    }
}

/// Judges a key that is never released, taken over or forgotten.
pub(super) fn judge(history: &KeyHistory, terms: &Terms) -> Result<(), Fault> {
    let ops = history.ops.as_slice();
    let first = one_answer(ops, terms)?;
    let ledger = history.ledger()?;

    // The payload that owns the key, and the record that says so.
    let by_refusal = || ops.iter().position(|op| terms.in_flight_compares && op.kind == Kind::InFlight);
    let mut owner = first.or_else(by_refusal).map(|index| (ops[index].body, Party::Op(index)));
    if let Some((body, effect)) = ledger.body {
        match owner {
            Some((other, party)) if other != body => {
                return Err(Fault::new(Rule::EffectOfOtherPayload, [Party::Effect(effect), party]));
            }
            _ => owner = Some((body, Party::Effect(effect))),
        }
    }

    let mut answered = None; // the least end of all answers
    let mut done = None; // the least end of final answers
    let mut flying: Option<(i64, usize)> = None; // the greatest start of refusals in flight
    let mut claimed = None; // the least start of those who may have claimed
    let mut new = None; // who says that the result is its own
    let mut successes = false;
    let mut unknowns: FxHashMap<u32, (i64, usize)> = FxHashMap::default();
    for (index, op) in ops.iter().enumerate() {
        let owns = owner.is_none_or(|(body, _)| body == op.body);
        match op.kind {
            Kind::Success | Kind::Failure => {
                least(&mut done, op.end, index);
                least(&mut answered, op.end, index);
                successes |= op.kind == Kind::Success;
                if !terms.marked || op.mark != Mark::Replayed {
                    least(&mut claimed, op.start, index);
                }
                if terms.marked && op.mark == Mark::New {
                    new = Some((op.start, index));
                }
            }
            Kind::InFlight => {
                least(&mut answered, op.end, index);
                if flying.is_none_or(|(start, _)| op.start > start) {
                    flying = Some((op.start, index));
                }
                if terms.in_flight_compares && !owns {
                    let parties = [Party::Op(index)].into_iter().chain(owner.map(|(_, party)| party));
                    return Err(Fault::new(Rule::InFlightOfNothing, parties));
                }
            }
            Kind::Mismatch => {
                least(&mut answered, op.end, index);
                if let Some((body, party)) = owner
                    && body == op.body
                {
                    return Err(Fault::new(Rule::MismatchOfSamePayload, [Party::Op(index), party]));
                }
            }
            Kind::Unknown | Kind::Released if owner.is_none() => {
                let known = unknowns.entry(op.body).or_insert((op.start, index));
                if op.start < known.0 {
                    *known = (op.start, index);
                }
            }
            Kind::Unknown | Kind::Released if owns => least(&mut claimed, op.start, index),
            Kind::Unknown | Kind::Released => {}
        }
    }
    if owner.is_none() {
        // Any payload that was never refused as another one may own the key.
        let refused = |op: &&Op| op.kind == Kind::Mismatch;
        let refused: FxHashSet<u32> = ops.iter().filter(refused).map(|op| op.body).collect();
        for (body, (start, index)) in &unknowns {
            if !refused.contains(body) {
                least(&mut claimed, *start, *index);
            }
        }
        if claimed.is_none()
            && let Some((_, mismatch)) = answered
            && let Some((_, sender)) = unknowns.get(&ops[mismatch].body)
            && ops[mismatch].kind == Kind::Mismatch
        {
            let parties = [Party::Op(mismatch), Party::Op(*sender)];
            return Err(Fault::new(Rule::MismatchOfSamePayload, parties));
        }
    }
    let owner_op = new.or(claimed);

    // Somebody claimed before the first answer came.
    if let Some((end, index)) = answered {
        match owner_op {
            None => return Err(Fault::new(of_nothing(ops[index].kind), [Party::Op(index)])),
            Some((start, sender)) if start > end => {
                return Err(Fault::new(of_nothing(ops[index].kind), [Party::Op(index), Party::Op(sender)]));
            }
            Some(_) => {}
        }
    }
    // Whoever was refused as in flight was sent before the result was answered.
    if let (Some((start, refused)), Some((end, result))) = (flying, done)
        && start > end
    {
        return Err(Fault::new(Rule::InFlightAfterAnswer, [Party::Op(refused), Party::Op(result)]));
    }
    // The effect lies between the claim and the result.
    if !successes && ledger.any.is_none() {
        return Ok(());
    }
    let success = ops.iter().position(|op| op.kind == Kind::Success);
    if let Some(success) = success
        && history.has_no_effect(terms)
    {
        let count = (0..history.counts.len()).map(Party::Count).next_back();
        return Err(Fault::new(Rule::SuccessWithoutEffect, [Party::Op(success)].into_iter().chain(count)));
    }
    let Some((start, sender)) = owner_op else {
        return Err(Fault::new(Rule::EffectOfNothing, ledger.any));
    };
    let after = ledger.after.filter(|(at, _)| *at >= start).unwrap_or((start, Party::Op(sender)));
    let end = done.map(|(end, index)| (end, Party::Op(index)));
    let before = [ledger.before, end].into_iter().flatten().min_by_key(|(at, _)| *at);
    match before {
        Some((at, party)) if after.0 > at => Err(effect_fault(history, after.1, party)),
        _ => Ok(()),
    }
}

/// Which rule an effect breaks that must come after one record and before another.
pub(super) fn effect_fault(history: &KeyHistory, after: Party, before: Party) -> Fault {
    let rule = match (after, before) {
        (Party::Op(_), _) => Rule::EffectOfNothing,
        (Party::Effect(_), Party::Op(_)) => Rule::EffectAfterAnswer,
        (Party::Effect(_), _) => Rule::SecondEffect,
        (Party::Count(_), Party::Op(_)) => Rule::SuccessWithoutEffect,
        (Party::Count(_), _) => Rule::EffectVanished,
    };
    // Of a count that comes too late, the answer is what is wrong.
    let late_count = rule == Rule::SuccessWithoutEffect;
    if let (Party::Op(op), true) = (before, late_count)
        && history.ops[op].kind == Kind::Failure
    {
        return Fault::new(Rule::EffectAfterAnswer, [after, before]);
    }
    match rule {
        Rule::EffectOfNothing | Rule::SuccessWithoutEffect => Fault::new(rule, [before, after]),
        _ => Fault::new(rule, [after, before]),
    }
}
