//! One key with one life, whose failed attempts free it again: exact, in N log N.
//!
//! All who may have claimed have the same payload. A failed attempt can have had the key at any moments of its
//! interval, an unknown one from when it was sent, the one that recorded the result from then on. One after the other
//! they can have had it at every moment that one of them covers, so that an answer is explained if its interval
//! meets what is covered.

use super::epoch::{effect_fault, one_answer};
use super::key::{Fault, KeyHistory, Kind, Mark, NEVER, Op, Party};
use super::record::Terms;
use super::rule::Rule;

/// The moments at which somebody can have had the key.
struct Covered<'a> {
    ops: &'a [Op],
    /// Failed attempts by their start, each with the one that ends last of those up to it.
    failed: Vec<(i64, usize)>,
    /// From then on, without a gap: the first who may have it as long as it likes.
    from: Option<(i64, usize)>,
}

impl Covered<'_> {
    fn new(ops: &[Op], from: Option<(i64, usize)>) -> Covered<'_> {
        let released = (0..ops.len()).filter(|index| ops[*index].kind == Kind::Released);
        let mut failed: Vec<(i64, usize)> = released.map(|index| (ops[index].start, index)).collect();
        failed.sort_unstable();
        for place in 1..failed.len() {
            let before = failed[place - 1].1;
            if ops[before].end > ops[failed[place].1].end {
                failed[place].1 = before;
            }
        }
        Covered { ops, failed, from }
    }

    /// The failed attempt that ends last of those sent by then.
    fn failed_by(&self, moment: i64) -> Option<usize> {
        let known = self.failed.partition_point(|(start, _)| *start <= moment);
        known.checked_sub(1).map(|last| self.failed[last].1)
    }

    fn meets(&self, start: i64, end: i64) -> bool {
        start <= end
            && (self.from.is_some_and(|(from, _)| from <= end)
                || self.failed_by(end).is_some_and(|index| self.ops[index].end >= start))
    }

    /// Whoever was sent first of those that may have had it.
    fn first(&self) -> Option<usize> {
        let failed = self.failed.first().map(|(start, index)| (*start, *index));
        [failed, self.from].into_iter().flatten().min().map(|(_, index)| index)
    }
}

/// The one payload of all who may have claimed. None: there are several, or nobody.
pub(super) fn one_body(ops: &[Op]) -> Option<u32> {
    let mut claims = ops.iter().filter(|op| !matches!(op.kind, Kind::InFlight | Kind::Mismatch));
    let body = claims.next()?.body;
    claims.all(|op| op.body == body).then_some(body)
}

/// Judges a key whose failed attempts released it.
pub(super) fn judge(history: &KeyHistory, terms: &Terms, body: u32) -> Result<(), Fault> {
    let ops = history.ops.as_slice();
    one_answer(ops, terms)?;
    let ledger = history.ledger()?;
    let least = |which: &dyn Fn(&Op) -> bool, moment: fn(&Op) -> i64| {
        let some = ops.iter().enumerate().filter(|(_, op)| which(op));
        some.map(|(index, op)| (moment(op), index)).min()
    };
    let done = least(&|op| op.kind.is_final(), |op| op.end);
    let unknown = least(&|op| op.kind == Kind::Unknown, |op| op.start);
    let new = least(&|op| op.kind.is_final() && terms.marked && op.mark == Mark::New, |op| op.start);
    let result =
        least(&|op| op.kind.is_final() && !(terms.marked && op.mark == Mark::Replayed), |op| op.start);
    let recorder = new.or([unknown, result].into_iter().flatten().min());
    if let Some((end, answer)) = done {
        match recorder {
            None => return Err(Fault::new(Rule::ReplayOfNothing, [Party::Op(answer)])),
            Some((start, sender)) if start > end => {
                let parties = [Party::Op(answer), Party::Op(sender)];
                return Err(Fault::new(Rule::ReplayOfNothing, parties));
            }
            Some(_) => {}
        }
    }
    let recorder = recorder.filter(|_| done.is_some());
    let covered = Covered::new(ops, [unknown, recorder].into_iter().flatten().min());
    let last = done.map_or(NEVER, |(end, _)| end);

    for (index, op) in ops.iter().enumerate() {
        let other = op.body != body;
        match op.kind {
            Kind::InFlight if op.start > last => {
                let answer = done.map(|(_, index)| Party::Op(index));
                let parties = [Party::Op(index)].into_iter().chain(answer);
                return Err(Fault::new(Rule::InFlightAfterAnswer, parties));
            }
            Kind::InFlight if other && terms.in_flight_compares => {
                let owner = covered.first().map(Party::Op);
                return Err(Fault::new(Rule::InFlightOfNothing, [Party::Op(index)].into_iter().chain(owner)));
            }
            Kind::InFlight if !covered.meets(op.start, op.end.min(last)) => {
                let parties = |why: usize| [Party::Op(index), Party::Op(why)];
                return Err(match (covered.failed_by(op.end), covered.first()) {
                    (Some(failed), _) => Fault::new(Rule::InFlightAfterFailure, parties(failed)),
                    (None, Some(first)) => Fault::new(Rule::InFlightOfNothing, parties(first)),
                    (None, None) => Fault::new(Rule::InFlightOfNothing, [Party::Op(index)]),
                });
            }
            Kind::Mismatch if !other => {
                let owner = done.map(|(_, index)| index).or(covered.first());
                let parties = [Party::Op(index)].into_iter().chain(owner.map(Party::Op));
                return Err(Fault::new(Rule::MismatchOfSamePayload, parties));
            }
            // From the recorder's claim on there is always an owner.
            Kind::Mismatch if !covered.meets(op.start, op.end) => {
                let why = covered.failed_by(op.end).or(covered.first()).map(Party::Op);
                return Err(Fault::new(Rule::MismatchOfNothing, [Party::Op(index)].into_iter().chain(why)));
            }
            _ => {}
        }
    }

    let success = ops.iter().position(|op| op.kind == Kind::Success);
    if let Some(success) = success
        && history.has_no_effect(terms)
    {
        let count = (0..history.counts.len()).map(Party::Count).next_back();
        return Err(Fault::new(Rule::SuccessWithoutEffect, [Party::Op(success)].into_iter().chain(count)));
    }
    if success.is_none() && ledger.any.is_none() {
        return Ok(());
    }
    if let Some((other, effect)) = ledger.body
        && other != body
    {
        let owner = covered.first().map(Party::Op);
        return Err(Fault::new(Rule::EffectOfOtherPayload, [Party::Effect(effect)].into_iter().chain(owner)));
    }
    let answer = done.map(|(end, index)| (end, Party::Op(index)));
    let before = [ledger.before, answer].into_iter().flatten().min_by_key(|(at, _)| *at);
    let (start, end) = (ledger.after.map_or(i64::MIN, |(at, _)| at), before.map_or(NEVER, |(at, _)| at));
    if covered.meets(start, end) {
        return Ok(());
    }
    Err(match (ledger.after, before, covered.first()) {
        (Some((_, after)), Some((_, before)), _) if start > end => effect_fault(history, after, before),
        (Some((_, after)), _, Some(_)) if covered.failed_by(end).is_some() => {
            let failed = covered.failed_by(end).map(Party::Op);
            Fault::new(Rule::EffectAfterAnswer, [after].into_iter().chain(failed))
        }
        (_, Some((_, before)), first) => {
            Fault::new(Rule::EffectOfNothing, [before].into_iter().chain(first.map(Party::Op)))
        }
        (_, None, first) => {
            Fault::new(Rule::EffectOfNothing, ledger.any.into_iter().chain(first.map(Party::Op)))
        }
    })
}
