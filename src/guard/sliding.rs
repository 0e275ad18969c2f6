//! A window that ends now, at every moment.

use std::collections::VecDeque;

use super::{Answer, Edge, Guard, Pace, Quota};

/// At most N in any window: every admission is remembered until it is too old.
///
/// Erlang/OTP supervisors (`intensity`, `period`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sliding {
    quota: Quota,
    /// Moments are rounded down to multiples of this.
    resolution_ms: i64,
    stops: bool,
    stopped: bool,
    /// Rounded, oldest first, and no more than the quota.
    admitted_ms: VecDeque<i64>,
}

impl Sliding {
    pub fn new(quota: Quota) -> Self {
        Self { quota, resolution_ms: 1, stops: false, stopped: false, admitted_ms: VecDeque::new() }
    }

    /// The first refusal is the last answer: nothing is admitted from then on.
    pub fn stopping(self) -> Self {
        Self { stops: true, ..self }
    }

    /// The clock of the guard advances in steps of so many milliseconds.
    pub fn with_resolution(self, resolution_ms: i64) -> Self {
        Self { resolution_ms: resolution_ms.max(1), ..self }
    }

    /// `intensity` restarts in `period` seconds. A restart that is exactly a period old counts still, both
    /// moments being whole seconds; the one restart too many ends the supervisor.
    pub fn erlang(intensity: u64, period_s: i64) -> Self {
        let span_ms = period_s.saturating_mul(1000);
        Self::new(Quota { limit: Some(intensity), span_ms, edge: Edge::Exceeded })
            .with_resolution(1000)
            .stopping()
    }

    fn rounded(&self, ms: i64) -> i64 {
        ms.div_euclid(self.resolution_ms).saturating_mul(self.resolution_ms)
    }

    /// The first moment that rounds to `ms` or later.
    fn unrounded(&self, ms: i64) -> i64 {
        let down = self.rounded(ms);
        if down == ms { ms } else { down.saturating_add(self.resolution_ms) }
    }

    /// The shortest span, in true time, after which an admission may be forgotten.
    fn span_true(&self) -> (Edge, i64) {
        let Quota { span_ms, edge, .. } = self.quota;
        match edge {
            edge if self.resolution_ms == 1 => (edge, span_ms),
            Edge::Exceeded => (Edge::Exceeded, self.rounded(span_ms)),
            Edge::Reached => (Edge::Exceeded, self.unrounded(span_ms) - self.resolution_ms),
        }
    }
}

impl Guard for Sliding {
    fn ask(&self, now_ms: i64) -> Answer {
        let Some(limit) = self.quota.limit else { return Answer::Admitted };
        if self.stopped || limit == 0 {
            return Answer::Exhausted { from_ms: None };
        }
        let Quota { span_ms, edge, .. } = self.quota;
        let now = self.rounded(now_ms);
        let fresh = self.admitted_ms.iter().filter(|at| !edge.is_over(**at, now, span_ms)).count();
        if u64::try_from(fresh).unwrap_or(u64::MAX) < limit {
            return Answer::Admitted;
        }
        if self.stops {
            return Answer::Exhausted { from_ms: None };
        }
        // As many are remembered as may be: it is the oldest that must go.
        let oldest = self.admitted_ms.front().copied().unwrap_or(now);
        Answer::Limited { from_ms: Some(self.unrounded(edge.over_from(oldest, span_ms))) }
    }

    fn admit(&mut self, now_ms: i64) -> Answer {
        let answer = self.ask(now_ms);
        if answer.is_admitted() && self.quota.limit.is_some() {
            let Quota { span_ms, edge, .. } = self.quota;
            let now = self.rounded(now_ms);
            self.admitted_ms.retain(|at| !edge.is_over(*at, now, span_ms));
            self.admitted_ms.push_back(now);
        } else if !answer.is_admitted() {
            self.stopped |= self.stops;
        }
        answer
    }

    fn admissions_max(&self, span_ms: i64, pace: &Pace) -> Option<u64> {
        let (edge, period_ms) = self.span_true();
        let bound = match self.quota.limit {
            None => None,
            Some(0) => Some(0),
            // Bursts of N, each just after the one before is forgotten.
            Some(limit) => edge.most(span_ms, period_ms).map(|bursts| bursts * limit),
        };
        pace.cap(span_ms, bound)
    }

    fn is_dead(&self, pace: &Pace) -> bool {
        let Some(limit) = self.quota.limit else { return true };
        let burst_ms = i64::try_from(limit).unwrap_or(i64::MAX).saturating_mul(pace.spacing_ms);
        // Rounding can bring two moments closer, by almost one step of the clock.
        let trips = !self.quota.edge.is_over(0, self.rounded(burst_ms), self.quota.span_ms);
        limit > 0 && !(trips && pace.exceeds(limit))
    }
}
