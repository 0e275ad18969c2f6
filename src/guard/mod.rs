//! Guards: what keeps a remediation from acting too often, as plain values.
//!
//! There is no one rate limit. Each kind here has the semantics of the systems that use it, down to
//! what happens at the very end of a window: a verdict can hang on one millisecond. A guard has no
//! clock and does no input or output; it is told the moment of everything that it is told.
//!
//! Moments and spans are milliseconds, and moments never go back.

mod breaker;
mod cooldown_from_completion;
mod cooldown_from_start;
mod edge;
mod flap;
mod grouped;
mod in_flight;
mod lease;
mod patroni;
mod population;
mod portion;
mod quiet_reset;
mod scale_rate;
mod sliding;
mod stabilization;
mod tumbling;

pub use breaker::{Breaker, BreakerRules, Calls, Judging};
pub use cooldown_from_completion::CooldownFromCompletion;
pub use cooldown_from_start::CooldownFromStart;
pub use edge::Edge;
pub use flap::{Flap, FlapAlgorithm};
pub use grouped::Grouped;
pub use in_flight::InFlight;
pub use lease::Lease;
pub use patroni::PatroniTimings;
pub use population::{PopulationGate, PopulationRule};
pub use portion::{BadPortion, Portion, Rounding};
pub use quiet_reset::{Anchor, Backoff, QuietReset, QuietResetRules};
pub use scale_rate::{Direction, RatePolicy, RateRules, ScaleRate, SelectPolicy};
pub use sliding::Sliding;
pub use stabilization::Stabilization;
pub use tumbling::{NomadMode, Tumbling};

/// What a guard says to an attempt that wants to act.
///
/// `from_ms` is the first moment at which the guard would admit if nothing else happened. None:
/// time alone does not change the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Act. The guard has counted it already: asking and counting are one step.
    Admitted,
    /// Too soon after something earlier.
    Cooling { from_ms: Option<i64> },
    /// As many act, or have acted, as may.
    Limited { from_ms: Option<i64> },
    /// A breaker is open, or has no trial left to give.
    Open { from_ms: Option<i64> },
    /// What is watched changes its state too often.
    Flapping,
    /// The attempts are used up. `from_ms` None: for good.
    Exhausted { from_ms: Option<i64> },
}

impl Answer {
    pub fn is_admitted(self) -> bool {
        self == Self::Admitted
    }

    /// The first moment at which the guard would admit, where time alone brings it.
    pub fn from_ms(self) -> Option<i64> {
        match self {
            Self::Admitted | Self::Flapping => None,
            Self::Cooling { from_ms }
            | Self::Limited { from_ms }
            | Self::Open { from_ms }
            | Self::Exhausted { from_ms } => from_ms,
        }
    }
}

/// What a guard is told. Each kind heeds what concerns it, and ignores the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The effect of the action that was admitted at `began_ms` is over, whatever its caller thinks.
    Ended { began_ms: i64 },
    /// An action did what it was for.
    Succeeded,
    /// An action did not. It may still be running.
    Failed,
    /// A look at the target: 0 is well, anything else is a state of its own (warning, critical).
    Observed { state: u8 },
    /// A count of the fleet.
    Counted(Population),
    /// A controller wants this many where there are now `current`.
    Recommended { current: i64, desired: i64 },
}

/// How many there are, and how many of them are well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Population {
    pub total: u64,
    pub healthy: u64,
}

impl Population {
    /// Those that are there and not well; what is missing counts as unhealthy.
    pub fn unhealthy(self) -> u64 {
        self.total.saturating_sub(self.healthy)
    }
}

/// What the surroundings of a guard do at the most: the ground on which it is judged without a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Two attempts are never closer than this: the delay, and the shortest run before the next failure.
    pub spacing_ms: i64,
    /// An action never takes longer. None: no bound.
    pub duration_ms_max: Option<i64>,
    /// The guard meets no more attempts than this in its life. None: no bound.
    pub attempts_max: Option<u64>,
    /// The size of the fleet. None: not known.
    pub population: Option<u64>,
}

impl Pace {
    /// Nothing is known: attempts come in any number at any moment.
    pub const UNBOUNDED: Pace =
        Pace { spacing_ms: 0, duration_ms_max: None, attempts_max: None, population: None };

    /// Attempts `spacing_ms` apart, and nothing else known.
    pub const fn spaced(spacing_ms: i64) -> Pace {
        Pace { spacing_ms, ..Self::UNBOUNDED }
    }

    /// The episode has more than `count` attempts.
    fn exceeds(&self, count: u64) -> bool {
        self.attempts_max.is_none_or(|most| most > count)
    }

    /// What the spacing and the number of attempts alone allow in `span_ms`, and `bound`, if lower.
    fn cap(&self, span_ms: i64, bound: Option<u64>) -> Option<u64> {
        let spaced = Edge::Reached.most(span_ms, self.spacing_ms);
        [bound, spaced, self.attempts_max].into_iter().flatten().min()
    }
}

/// One guard of a policy.
pub trait Guard: std::fmt::Debug {
    /// What the guard would say now. Changes nothing.
    fn ask(&self, now_ms: i64) -> Answer;

    /// An attempt wants to act now; if the guard admits it, it counts from this moment on.
    fn admit(&mut self, now_ms: i64) -> Answer;

    /// Something happened that the guard may care about.
    fn tell(&mut self, _now_ms: i64, _event: Event) {}

    /// At most so many admissions in any window of `span_ms`, both ends included, whatever the
    /// attempts within the pace do. None: no bound. Where the spacing is zero and actions take no time, the
    /// bound is the exact one of dense time; elsewhere it may be too high, and is never too low.
    fn admissions_max(&self, span_ms: i64, pace: &Pace) -> Option<u64>;

    /// No run within the pace makes the guard refuse anything: it is there, and does nothing.
    ///
    /// Where this can't be known, the answer is false.
    fn is_dead(&self, pace: &Pace) -> bool;
}

/// At most `limit` in a span, however the guard lays its spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// None: the guard is off. Zero: nothing is ever admitted.
    pub limit: Option<u64>,
    pub span_ms: i64,
    /// When what is exactly `span_ms` old is forgotten.
    pub edge: Edge,
}

/// Asks several guards in one step: all admit, or the first that refuses says why and none counts.
///
/// Only the guard that refused hears of it, as a guard that stops for good must.
pub fn admit_all(guards: &mut [&mut dyn Guard], now_ms: i64) -> Answer {
    match guards.iter_mut().find(|guard| !guard.ask(now_ms).is_admitted()) {
        Some(refusing) => refusing.admit(now_ms),
        None => {
            for guard in guards {
                guard.admit(now_ms);
            }
            Answer::Admitted
        }
    }
}
