//! Which way of judging fits a key.

use super::key::{Fault, Judgement, KeyHistory, Kind, NEVER, Op, Party};
use super::record::{Failure, InFlight, Terms};
use super::rule::Rule;
use super::search::Problem;
use super::{epoch, release};

/// Judges all that is known of one key.
///
/// Exact and in near-linear time where the key has one life; searched, within a limit, where leases end, receipts
/// expire, or different payloads release the key.
pub fn judge(history: &KeyHistory, terms: &Terms) -> Judgement {
    if let Err(fault) = at_once(history, terms) {
        return Judgement::Rejected(fault);
    }
    if has_one_life(history, terms) {
        let exact = match releasing(history, terms) {
            None => Some(epoch::judge(history, terms)),
            Some(Some(body)) => Some(release::judge(history, terms, body)),
            Some(None) => None,
        };
        match exact {
            Some(Ok(())) => return Judgement::Accepted,
            Some(Err(fault)) => return Judgement::Rejected(fault),
            None => {}
        }
    }
    searched(history, terms)
}

/// What needs no course to be wrong.
fn at_once(history: &KeyHistory, terms: &Terms) -> Result<(), Fault> {
    if terms.in_flight == InFlight::Wait
        && let Some(refused) = history.ops.iter().position(|op| op.kind == Kind::InFlight)
    {
        return Err(Fault::new(Rule::InFlightThoughWaiting, [Party::Op(refused)]));
    }
    Ok(())
}

/// No lease can end before the first result is there, and no time to live before the last moment that is known.
fn has_one_life(history: &KeyHistory, terms: &Terms) -> bool {
    let Some(first) = history.ops.iter().map(|op| op.start).min() else { return true };
    let known = |at: i64| (at != NEVER).then_some(at);
    let ends = history.ops.iter().filter_map(|op| known(op.end));
    let effects = history.effects.iter().map(|effect| effect.latest);
    let last = ends.chain(effects).chain(history.counts.iter().map(|count| count.end)).max();
    // A lease is of a claim without a result, and results are recorded before they are answered.
    let results = history.ops.iter().filter(|op| op.kind.is_final());
    let result = results.filter_map(|op| known(op.end)).min().or(last);
    [(terms.lease, result), (terms.ttl, last)].into_iter().all(|(span, last)| {
        let shortest = span.map_or(NEVER, |span| i64::try_from(span.min).unwrap_or(NEVER));
        last.is_none_or(|last| last < first.saturating_add(shortest))
    })
}

/// Whether attempts may have released the key, and the payload of all of them, if it is one.
fn releasing(history: &KeyHistory, terms: &Terms) -> Option<Option<u32>> {
    let may_release = |op: &Op| matches!(op.kind, Kind::Released | Kind::Unknown);
    (terms.failure == Failure::Release && history.ops.iter().any(may_release))
        .then(|| release::one_body(&history.ops))
}

fn searched(history: &KeyHistory, terms: &Terms) -> Judgement {
    let problem = match Problem::exact(history, terms) {
        Ok(problem) => problem,
        Err(unsuited) => return Judgement::Unknown(unsuited.0),
    };
    if problem.is_small() {
        return match problem.solve() {
            Some(true) => Judgement::Accepted,
            Some(false) => Judgement::Rejected(named(history, terms, problem.core(history))),
            None => Judgement::Unknown("the search came to its limit of steps"),
        };
    }
    let spans = [terms.lease, terms.ttl].into_iter().flatten();
    let gaps = spans.map(|span| i64::try_from(span.min).unwrap_or(NEVER)).flat_map(|min| [min / 2, min]);
    if [0].into_iter().chain(gaps).any(|gap| problem.clone().harder(gap).solve() == Some(true)) {
        return Judgement::Accepted;
    }
    let easier = problem.easier();
    if easier.solve() == Some(false) {
        return Judgement::Rejected(named(history, terms, easier.core(history)));
    }
    Judgement::Unknown("it has more requests than are searched, and no short cut decides it")
}

/// The rule that records break together which have no course, and of which each is needed.
fn named(history: &KeyHistory, terms: &Terms, mut core: Vec<Party>) -> Fault {
    let ops: Vec<&Op> = core
        .iter()
        .filter_map(|party| match party {
            Party::Op(index) => Some(&history.ops[*index]),
            _ => None,
        })
        .collect();
    let effects = core.len() > ops.len();
    let counted = history.counts.iter().map(|count| count.effects).max().unwrap_or(0);
    let several = counted > 1 || history.effects.len() > 1;
    let refused = |op: &&Op| op.kind == Kind::InFlight;
    let rule = match ops.as_slice() {
        _ if effects && several => Rule::SecondEffect,
        some if effects && some.iter().any(|op| op.kind == Kind::Success) => Rule::SuccessWithoutEffect,
        _ if effects => Rule::EffectOfNothing,
        [one] if one.kind == Kind::InFlight => {
            let sent = history.ops.iter().enumerate().filter(|(_, op)| claims(op));
            let first = sent.min_by_key(|(_, op)| op.start);
            let stuck = first.is_some_and(|(_, first)| first.start <= one.end) && terms.lease.is_some();
            core.extend(first.map(|(index, _)| Party::Op(index)));
            if stuck { Rule::InFlightAfterLease } else { Rule::InFlightOfNothing }
        }
        [one] if one.kind == Kind::Mismatch => Rule::MismatchOfNothing,
        [one] if one.kind.is_final() => Rule::ReplayOfNothing,
        some if some.iter().all(refused) && terms.lease.is_some() => Rule::InFlightAfterLease,
        [a, b] if a.kind.is_final() && b.kind.is_final() => {
            if a.body != b.body {
                Rule::AnsweredOtherPayload
            } else if a.answer != b.answer {
                Rule::AnswersDiffer
            } else {
                Rule::NewAnswerTwice
            }
        }
        [late, early] if refused(late) && early.kind.is_final() && late.start > early.end => {
            Rule::InFlightAfterAnswer
        }
        [a, b] if a.body == b.body && (a.kind == Kind::Mismatch || b.kind == Kind::Mismatch) => {
            if a.kind != Kind::Mismatch {
                core.swap(0, 1);
            }
            Rule::MismatchOfSamePayload
        }
        _ => Rule::NoPossibleRun,
    };
    Fault { rule, parties: core }
}

fn claims(op: &Op) -> bool {
    op.kind.is_final() || matches!(op.kind, Kind::Released | Kind::Unknown)
}
