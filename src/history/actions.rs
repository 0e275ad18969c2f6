//! Logs of remediation: could each action have been allowed?
//!
//! Guards are asked again, as [`crate::guard`] has them, with the actions that were taken. Their moments are nanoseconds
//! here. What is left open is read in favour of the log: both readings of the end of a span are tried, a clock of whole
//! milliseconds may be off by one, and an action whose end nobody knows was over at once.

use std::collections::BTreeMap;

use super::book::Acted;
use super::record::ActionResult;
use super::rule::Rule;
use crate::guard::{
    Anchor, Backoff, Breaker, BreakerRules, Calls, CooldownFromCompletion, CooldownFromStart, Edge, Event,
    Guard, InFlight, Judging, Portion, QuietReset, QuietResetRules, Quota, Rounding, Sliding, Tumbling,
};
use crate::policy::remedy::{Boundary, GuardKind, GuardRule, Remedy};

/// Actions of one log.
pub const ACTIONS_MAX: usize = 1_000_000;
/// Actions that are named with one that is refused.
const NAMED_MAX: usize = 8;
const MS: i64 = 1_000_000;

/// What is said of the actions on one target, or by one guard of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The actions are indices into the log: the one that is wrong, then those before it that make it so.
    Rejected { rule: Rule, guard: Option<String>, actions: Vec<usize> },
    /// By whom, and why.
    Unknown { guard: Option<String>, why: String },
}

/// What is said of a log, target by target; of guards of the whole fleet under the name of none.
pub fn judge(log: &[Acted], remedy: Option<&Remedy>, crashes: bool) -> BTreeMap<Option<String>, Vec<Said>> {
    let mut said: BTreeMap<Option<String>, Vec<Said>> = BTreeMap::new();
    let mut targets: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, acted) in log.iter().enumerate() {
        targets.entry(acted.action.target.as_str()).or_default().push(index);
    }
    for actions in targets.values_mut() {
        actions.sort_by_key(|index| log[*index].action.start);
    }
    for (target, actions) in &targets {
        let of_target = said.entry(Some((*target).to_owned())).or_default();
        of_target.extend(overlapping(log, actions));
        let Some(remedy) = remedy else {
            let why = "no policy with guards was given: `--policy`".to_owned();
            of_target.push(Said::Unknown { guard: None, why });
            continue;
        };
        if let Some((limit, per)) = remedy.target.limit {
            of_target.extend(too_many(log, actions, limit as usize, per.saturating_mul(MS)));
        }
        for rule in remedy.guards.iter().filter(|rule| rule.per_target) {
            of_target.extend(guarded(log, actions, rule, crashes));
        }
    }
    let mut all: Vec<usize> = (0..log.len()).collect();
    all.sort_by_key(|index| log[*index].action.start);
    for rule in remedy.iter().flat_map(|remedy| &remedy.guards).filter(|rule| !rule.per_target) {
        said.entry(None).or_default().extend(guarded(log, &all, rule, crashes));
    }
    said
}

/// How much later something may have been than its clock says, in comparison with something else.
fn slack(a: &Acted, b: &Acted) -> i64 {
    if a.action.source == b.action.source { 0 } else { a.uncertainty + b.uncertainty }
}

fn overlapping(log: &[Acted], actions: &[usize]) -> Option<Said> {
    let mut longest: Option<usize> = None;
    for index in actions.iter().copied() {
        let acted = &log[index];
        if let Some(before) = longest {
            let earlier = &log[before];
            let end = earlier.action.end.unwrap_or(earlier.action.start);
            if acted.action.start.saturating_add(slack(acted, earlier)) < end {
                let actions = vec![index, before];
                return Some(Said::Rejected { rule: Rule::OverlappingActions, guard: None, actions });
            }
        }
        let end = |index: usize| log[index].action.end.unwrap_or(log[index].action.start);
        if longest.is_none_or(|before| end(index) > end(before)) {
            longest = Some(index);
        }
    }
    None
}

fn too_many(log: &[Acted], actions: &[usize], limit: usize, per: i64) -> Option<Said> {
    actions.windows(limit + 1).find_map(|window| {
        let (first, last) = (&log[*window.first()?], &log[*window.last()?]);
        let apart = last.action.start - first.action.start + slack(first, last);
        (apart < per - MS).then(|| {
            let actions = window.iter().rev().copied().take(NAMED_MAX).collect();
            Said::Rejected { rule: Rule::TooManyActions, guard: None, actions }
        })
    })
}

/// The guard as a plain value, whose millisecond is a nanosecond; none: it needs to see more than a log of actions has.
fn plain(rule: &GuardRule, edge: Edge, shorter: i64) -> Option<Box<dyn Guard>> {
    let span = rule.span.saturating_mul(MS).saturating_sub(shorter).max(0);
    let limit = u64::from(rule.limit);
    let quota = Quota { limit: Some(limit), span_ms: span, edge };
    Some(match rule.kind {
        GuardKind::Cooldown => Box::new(CooldownFromStart::new(span, edge)),
        GuardKind::CooldownFromCompletion => Box::new(CooldownFromCompletion::new(span, edge)),
        GuardKind::Tumbling => Box::new(Tumbling::new(quota)),
        GuardKind::Sliding => Box::new(Sliding::new(quota)),
        GuardKind::QuietReset => Box::new(QuietReset::new(QuietResetRules {
            attempts: Some(limit),
            quiet_ms: span,
            edge,
            backoff: Backoff::NONE,
            anchor: Anchor::Start,
        })),
        GuardKind::InFlight => Box::new(InFlight::new(Portion::Count(limit), Rounding::Down)),
        GuardKind::Breaker => Box::new(Breaker::new(BreakerRules {
            calls: Calls::Last(u64::from(rule.minimum_calls)),
            failure_percent: u64::from(rule.failure_percent),
            minimum_calls: u64::from(rule.minimum_calls),
            judging: Judging::EveryCall,
            open_ms: span,
            edge,
            trials: u64::from(rule.trials),
        })),
        GuardKind::Population | GuardKind::Stabilization | GuardKind::Flap => return None,
    })
}

/// The first action that the guard refuses, by its place among the actions.
fn refused(log: &[Acted], actions: &[usize], mut guard: Box<dyn Guard>, heeds_ends: bool) -> Option<usize> {
    // What ends as something begins makes room for it; what takes no time ends after it began.
    let mut events: Vec<(i64, u8, usize)> = Vec::new();
    for (place, index) in actions.iter().copied().enumerate() {
        let acted = &log[index];
        // Between clocks, ends may have been earlier.
        let off = if heeds_ends { acted.uncertainty } else { 0 };
        let end = acted.action.end.map_or(acted.action.start, |end| (end - 2 * off).max(acted.action.start));
        events.push((acted.action.start, 1, place));
        events.push((end, if end > acted.action.start { 0 } else { 2 }, place));
    }
    events.sort_unstable();
    for (at, what, place) in events {
        let acted = &log[actions[place]].action;
        if what == 1 {
            if !guard.admit(at).is_admitted() {
                return Some(place);
            }
            continue;
        }
        guard.tell(at, Event::Ended { began_ms: acted.start });
        match acted.result {
            ActionResult::Succeeded => guard.tell(at, Event::Succeeded),
            ActionResult::Failed => guard.tell(at, Event::Failed),
            ActionResult::Unknown => {}
        }
    }
    None
}

fn guarded(log: &[Acted], actions: &[usize], rule: &GuardRule, crashes: bool) -> Option<Said> {
    let guard = Some(rule.name.clone());
    let unknown = |why: &str| Some(Said::Unknown { guard: guard.clone(), why: why.to_owned() });
    let edges: &[Edge] = match rule.edge {
        Boundary::Either => &[Edge::Reached, Edge::Exceeded],
        Boundary::Reached => &[Edge::Reached],
        Boundary::Exceeded => &[Edge::Exceeded],
    };
    let off = actions.iter().map(|index| log[*index].uncertainty).max().unwrap_or(0);
    let heeds_ends =
        matches!(rule.kind, GuardKind::CooldownFromCompletion | GuardKind::InFlight | GuardKind::Breaker);
    let mut latest: Option<usize> = None;
    for edge in edges {
        for shorter in [0, MS + 2 * off] {
            let Some(guard) = plain(rule, *edge, shorter) else {
                return unknown(
                    "it needs to see the target, and a log of actions does not say how that looked",
                );
            };
            match refused(log, actions, guard, heeds_ends) {
                None => return None,
                place => latest = latest.max(place),
            }
        }
    }
    let place = latest?;
    let results = actions[..place].iter().any(|index| log[*index].action.result == ActionResult::Unknown);
    if rule.kind == GuardKind::Breaker && results {
        return unknown("it goes by results, and not all of them are known");
    }
    if rule.kind == GuardKind::Tumbling && off > 0 {
        return unknown("where its windows begin depends on clocks that differ");
    }
    if !rule.durable && crashes {
        return unknown(
            "it refuses by what it counted before, and forgets that when its worker dies: `memory = \"durable\"`, or no `crashes`",
        );
    }
    let before = actions[..place].iter().rev().copied();
    let actions =
        [actions[place]].into_iter().chain(before).take(NAMED_MAX.min(rule.limit as usize + 1).max(2));
    Some(Said::Rejected { rule: Rule::RefusedByGuard, guard, actions: actions.collect() })
}
