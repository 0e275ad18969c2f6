//! What a run samples from: what the policy declares in `[simulate]`, and where it says nothing, an assumption
//! that is told.

use std::collections::BTreeMap;

use crate::model::Operation;
use crate::policy::Policy;
use crate::policy::simulate::{Chance, Shape, Span};
use crate::source::duration::show;
use crate::system::System;

/// A chance, where the policy says nothing.
fn usual(chance: Chance) -> f64 {
    match chance {
        Chance::CallLost | Chance::BreaksOff | Chance::Redrive => 0.5,
        Chance::Stale | Chance::Denied => 0.1,
        _ => 0.01,
    }
}

/// Durations and chances of everything, for one system in milliseconds.
#[derive(Clone, Debug)]
pub struct Around {
    spans: BTreeMap<Span, Shape>,
    chances: BTreeMap<Chance, f64>,
    /// A run is looked at for so long.
    pub until: i64,
    /// What was not declared, and what was taken instead, in words.
    pub assumed: Vec<String>,
    /// What was declared, and is cut.
    pub cut: Vec<String>,
}

/// The shortest and the longest time that a run is looked at, where nobody says how long.
const UNTIL: (i64, i64) = (600_000, 86_400_000);

impl Around {
    /// # Errors
    /// Distributions that are wholly outside the bounds of the policy, with what is to be said of each.
    pub fn new(policy: &Policy, system: &System) -> Result<Around, Vec<(Span, String)>> {
        let declared = &policy.simulate;
        let until =
            declared.until.unwrap_or_else(|| (4 * system.longest() / 1_000 * 1_000).clamp(UNTIL.0, UNTIL.1));
        let mut out = Around {
            spans: BTreeMap::new(),
            chances: BTreeMap::new(),
            until,
            assumed: Vec::new(),
            cut: Vec::new(),
        };
        let mut outside = Vec::new();
        for span in Span::ALL.iter().copied() {
            let Some((low, high, what)) = bounds(span, policy, system) else { continue };
            let (shape, says) = match declared.spans.get(&span) {
                Some(shape) => (shape.clone(), None),
                None => {
                    let shape = assume(span, low, high);
                    let says = format!("{}: {}", span.name(), shape.says());
                    (shape, Some(says))
                }
            };
            let share = shape.share_within(low, high);
            let within = |what: &str| match high {
                Some(high) => format!("{what}, {} to {}", show(low), show(high)),
                None => format!("{what}, {} or more", show(low)),
            };
            if says.is_none() && share <= 0.0 {
                let message = format!(
                    "`simulate.durations.{}` ({}) is never within {}",
                    span.name(),
                    shape.says(),
                    within(what)
                );
                outside.push((span, message));
            } else if says.is_none() && share < 1.0 - 1e-9 {
                out.cut.push(format!(
                    "{}: {} is cut to {}; {} of it is within",
                    span.name(),
                    shape.says(),
                    within(what),
                    percent(share)
                ));
            }
            out.assumed.extend(says);
            out.spans.insert(span, shape);
        }
        for chance in Chance::ALL.iter().copied() {
            let value = declared.chances.get(&chance).copied();
            if value.is_none() && matters(chance, policy, system) {
                out.assumed.push(format!("chance of {}: {}", chance.name(), percent(usual(chance))));
            }
            out.chances.insert(chance, value.unwrap_or_else(|| usual(chance)));
        }
        if outside.is_empty() { Ok(out) } else { Err(outside) }
    }

    pub fn chance(&self, chance: Chance) -> f64 {
        self.chances.get(&chance).copied().unwrap_or(0.0)
    }

    /// A duration by its quantile, within bounds.
    pub fn span(&self, span: Span, u: f64, low: i64, high: Option<i64>) -> i64 {
        self.spans.get(&span).map_or(low, |shape| shape.within(u, low, high))
    }

    /// The mean of nothing is nothing: whether a span is always 0, so that no luck is needed for it.
    pub fn is_nothing(&self, span: Span) -> bool {
        self.spans.get(&span).is_none_or(|shape| *shape == Shape::Fixed(0))
    }
}

/// As people read it: `1%`, `0.1%`.
pub fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

fn exponential(ms: i64) -> Shape {
    Shape::Exponential { mean: ms }
}

/// What is taken where nothing is declared.
fn assume(span: Span, low: i64, high: Option<i64>) -> Shape {
    let up_to = |otherwise: i64| match high {
        Some(high) => Shape::Uniform(low, high),
        None => exponential(otherwise),
    };
    match span {
        Span::Arrival => exponential(100),
        Span::Work => exponential(5),
        Span::Stall => up_to(30_000),
        Span::Latency => up_to(200),
        Span::Late => up_to(10_000),
        Span::Patience => exponential(30_000),
        Span::Backoff => exponential(1_000),
        Span::Redelivery => exponential(5_000),
        Span::Redrive => exponential(60_000),
        Span::Restart | Span::Role => exponential(1_000),
        Span::Fault => exponential(300_000),
        Span::Recovery => exponential(120_000),
        Span::Repair => exponential(1_800_000),
        Span::Trigger => up_to(10_000),
        Span::Action => up_to(30_000),
        Span::Approval => exponential(300_000),
    }
}

/// What the policy declares of a span: the shortest, the longest, and what says so; none: the system has no
/// such thing.
fn bounds(span: Span, policy: &Policy, system: &System) -> Option<(i64, Option<i64>, &'static str)> {
    let free = |applies: bool| applies.then_some((0, None, "what the policy declares"));
    let t = &system.times;
    let rules = system.remedy.as_ref();
    let parts = || rules.into_iter().flat_map(|rules| &rules.parts);
    // Of several policies the widest.
    let widest = |of: &dyn Fn(&crate::system::remedy::Part) -> Option<i64>| {
        parts().map(of).try_fold(0, |most, one| Some(most.max(one?)))
    };
    let budget = policy.faults.clone();
    let calls = system
        .table
        .iter()
        .any(|row| matches!(row.operation, Operation::Call { .. } | Operation::Query { .. }));
    match span {
        Span::Arrival => free(rules.is_none()),
        Span::Work => free(true),
        Span::Stall => {
            let most = if rules.is_some() { widest(&|part| part.pause) } else { t.pause };
            Some((0, most, "`faults.pause`"))
        }
        Span::Latency => calls.then_some((t.latency_min, t.latency_max, "`downstream.latency`")),
        Span::Late => calls.then_some((0, t.land_at_most, "`downstream.timeout` and `late`")),
        Span::Patience => free(rules.is_none() && t.client_timeout.is_none()),
        Span::Backoff => free(rules.is_none()),
        Span::Redelivery => free(budget.redeliveries > 0),
        Span::Redrive => free(policy.queue.as_ref().is_some_and(|queue| queue.redrives > 0)),
        Span::Restart => free(
            rules.is_none() && (budget.restart || budget.late_requests > 0 || budget.duplicate_requests > 0),
        ),
        Span::Role => free(!system.roles.is_empty()),
        Span::Fault => free(rules.is_some()),
        Span::Recovery => free(rules.is_some_and(|rules| {
            use crate::policy::remedy::Fault;
            matches!(rules.fault, Fault::Transient | Fault::Flapping)
        })),
        Span::Repair => free(rules.is_some()),
        Span::Trigger => rules.map(|_| (0, widest(&|part| part.delay), "`trigger.delay`")),
        Span::Action => rules.map(|_| {
            let least = parts().map(|part| part.act_min).min().unwrap_or(0);
            (least, widest(&|part| part.act_max), "`target.duration`")
        }),
        Span::Approval => {
            let asks = system.table.iter().any(|row| row.operation == Operation::Approve);
            asks.then_some((0, None, "what the policy declares"))
        }
    }
}

/// Whether a chance is one that this system takes.
fn matters(chance: Chance, policy: &Policy, system: &System) -> bool {
    let faults = &policy.faults;
    let has = |test: fn(&Operation) -> bool| system.table.iter().any(|row| test(&row.operation));
    let calls = has(|op| matches!(op, Operation::Call { .. }));
    let acts = has(Operation::acts);
    match chance {
        Chance::Stall => true,
        Chance::Crash => faults.crashes > 0,
        Chance::LostRequest => faults.lost_requests > 0,
        Chance::LateRequest => faults.late_requests > 0,
        Chance::DuplicateRequest => faults.duplicate_requests > 0,
        Chance::LostResponse => faults.lost_responses > 0,
        Chance::Redelivery => faults.redeliveries > 0,
        Chance::Redrive => policy.queue.as_ref().is_some_and(|queue| queue.redrives > 0),
        Chance::AmbiguousAck => faults.ambiguous_acks > 0,
        Chance::Abort => faults.aborts > 0,
        Chance::StoreError => faults.store_errors > 0,
        Chance::Failover => faults.failovers > 0,
        Chance::LockLoss => faults.lock_losses > 0,
        Chance::CallError => calls && system.calls_fail(),
        Chance::CallHang | Chance::CallLost => calls,
        Chance::Unknown => {
            has(|op| matches!(op, Operation::Query { .. }))
                || system.remedy.iter().flat_map(|rules| &rules.parts).any(|part| part.unknown)
        }
        Chance::Stale => system.remedy.is_some(),
        Chance::ActionError => acts && system.acts_fail(),
        Chance::BreaksOff => acts && faults.crashes > 0,
        Chance::Denied => has(|op| *op == Operation::Approve),
    }
}
