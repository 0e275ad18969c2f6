//! A circuit breaker: closed, open, half open.

use std::collections::VecDeque;

use super::{Answer, Edge, Event, Guard, Pace};

/// Which past calls are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// The last so many.
    Last(u64),
    /// Those of a span of time, kept in slices that are forgotten whole: a slice begins with the first event after
    /// the one before it is over, and is no longer than the span. A slice of 0 is every call for itself.
    Within { span_ms: i64, slice_ms: i64 },
}

/// After which calls the breaker looks at the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judging {
    /// A success can open it, too: the one that makes the minimum of calls full.
    EveryCall,
    Failures,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    pub calls: Calls,
    /// Opens at this rate of failures, or above.
    pub failure_percent: u64,
    /// Fewer calls are not judged at all.
    pub minimum_calls: u64,
    pub judging: Judging,
    /// How long it stays open, and whether that time is over when it is reached.
    pub open_ms: i64,
    pub edge: Edge,
    /// How many calls are let through half open, and judged together.
    pub trials: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Slice {
    since_ms: i64,
    calls: u64,
    failures: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        since_ms: i64,
    },
    /// Trials that have begun, and the results that came in.
    HalfOpen {
        begun: u64,
        results: Slice,
    },
}

/// Refuses everything for a while after too many failures, then tries.
///
/// It can't tell whose result it is told: half open, a late result of a call from before counts as a trial's,
/// as in the real ones; and a trial whose result never comes leaves it half open for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    rules: BreakerRules,
    state: State,
    slices: VecDeque<Slice>,
}

impl Breaker {
    pub fn new(rules: BreakerRules) -> Self {
        Self { rules, state: State::Closed, slices: VecDeque::new() }
    }

    /// The defaults of resilience4j: half of 100 calls, a minute, ten trials. The minute must be exceeded.
    pub fn resilience4j() -> Self {
        Self::new(BreakerRules {
            calls: Calls::Last(100),
            failure_percent: 50,
            minimum_calls: 100,
            judging: Judging::EveryCall,
            open_ms: 60_000,
            edge: Edge::Exceeded,
            trials: 10,
        })
    }

    /// The defaults of Polly: a tenth of at least 100 calls in 30 seconds, 5 seconds, one trial.
    pub fn polly() -> Self {
        Self::new(BreakerRules {
            calls: Calls::Within { span_ms: 30_000, slice_ms: 3_000 },
            failure_percent: 10,
            minimum_calls: 100,
            judging: Judging::Failures,
            open_ms: 5_000,
            edge: Edge::Reached,
            trials: 1,
        })
    }

    /// More calls than are remembered can't be asked for.
    fn minimum_calls(&self) -> u64 {
        match self.rules.calls {
            Calls::Last(count) => self.rules.minimum_calls.min(count),
            Calls::Within { .. } => self.rules.minimum_calls,
        }
    }

    fn is_too_many(&self, failures: u64, calls: u64) -> bool {
        u128::from(failures) * 100 >= u128::from(self.rules.failure_percent) * u128::from(calls)
    }

    fn remember(&mut self, now_ms: i64, failed: bool) {
        let fresh = Slice { since_ms: now_ms, ..Slice::default() };
        match self.rules.calls {
            Calls::Last(_) => self.slices.push_back(fresh),
            Calls::Within { span_ms, slice_ms } => {
                let last = self.slices.back();
                if last.is_none_or(|last| Edge::Reached.is_over(last.since_ms, now_ms, slice_ms)) {
                    self.slices.push_back(fresh);
                }
                self.slices.retain(|slice| !Edge::Reached.is_over(slice.since_ms, now_ms, span_ms));
            }
        }
        if let Some(last) = self.slices.back_mut() {
            last.calls += 1;
            last.failures += u64::from(failed);
        }
        if let Calls::Last(count) = self.rules.calls
            && self.slices.len() > usize::try_from(count).unwrap_or(usize::MAX)
        {
            self.slices.pop_front();
        }
    }

    fn called(&mut self, now_ms: i64, failed: bool) {
        match &mut self.state {
            State::Closed => {
                self.remember(now_ms, failed);
                let calls = self.slices.iter().map(|slice| slice.calls).sum();
                let failures = self.slices.iter().map(|slice| slice.failures).sum();
                let judged = (failed || self.rules.judging == Judging::EveryCall)
                    && calls >= self.minimum_calls().max(1);
                if judged && self.is_too_many(failures, calls) {
                    self.state = State::Open { since_ms: now_ms };
                }
            }
            // Only time ends an open breaker.
            State::Open { .. } => {}
            State::HalfOpen { results, .. } => {
                results.calls += 1;
                results.failures += u64::from(failed);
                let Slice { calls, failures, .. } = *results;
                // resilience4j does not wait for more results than its minimum of calls.
                if calls >= self.rules.trials.min(self.rules.minimum_calls.max(1)) {
                    self.state = if self.is_too_many(failures, calls) {
                        State::Open { since_ms: now_ms }
                    } else {
                        State::Closed
                    };
                    self.slices.clear();
                }
            }
        }
    }
}

impl Guard for Breaker {
    fn ask(&self, now_ms: i64) -> Answer {
        match self.state {
            State::Closed => Answer::Admitted,
            _ if self.rules.trials == 0 => Answer::Open { from_ms: None },
            State::Open { since_ms } => {
                let from = self.rules.edge.over_from(since_ms, self.rules.open_ms);
                if now_ms < from { Answer::Open { from_ms: Some(from) } } else { Answer::Admitted }
            }
            State::HalfOpen { begun, .. } if begun < self.rules.trials => Answer::Admitted,
            State::HalfOpen { .. } => Answer::Open { from_ms: None },
        }
    }

    fn admit(&mut self, now_ms: i64) -> Answer {
        let answer = self.ask(now_ms);
        if answer.is_admitted() {
            match &mut self.state {
                State::Closed => {}
                State::Open { .. } => self.state = State::HalfOpen { begun: 1, results: Slice::default() },
                State::HalfOpen { begun, .. } => *begun += 1,
            }
        }
        answer
    }

    fn tell(&mut self, now_ms: i64, event: Event) {
        match event {
            Event::Succeeded => self.called(now_ms, false),
            Event::Failed => self.called(now_ms, true),
            _ => {}
        }
    }

    /// While the actions succeed, a breaker bounds nothing.
    fn admissions_max(&self, span_ms: i64, pace: &Pace) -> Option<u64> {
        pace.cap(span_ms, None)
    }

    fn is_dead(&self, pace: &Pace) -> bool {
        if self.rules.failure_percent > 100 {
            return true;
        }
        let minimum = self.minimum_calls().max(1);
        // Whoever fills the minimum is refused nothing: it takes one more to meet the breaker open.
        let too_few = !pace.exceeds(minimum);
        let too_old = match self.rules.calls {
            Calls::Last(count) => count == 0,
            Calls::Within { span_ms, .. } => {
                // Results come as far apart as they like; it is the actions' pace that keeps them from coming
                // closer, unless they take longer one time than another.
                let together = i64::try_from(minimum - 1).unwrap_or(i64::MAX).saturating_mul(pace.spacing_ms);
                let steady_ms = together.saturating_sub(pace.duration_ms_max.unwrap_or(i64::MAX));
                Edge::Reached.is_over(0, steady_ms, span_ms)
            }
        };
        // Every result is in before the next attempt, and the time of an open breaker is over by then.
        let sequential = |most: i64| {
            most < pace.spacing_ms && self.rules.edge.is_over(0, pace.spacing_ms - most, self.rules.open_ms)
        };
        let too_short = self.rules.trials > 0 && pace.duration_ms_max.is_some_and(sequential);
        too_few || too_old || too_short
    }
}
