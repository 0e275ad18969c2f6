//! How much may change within a period: the policies of a HorizontalPodAutoscaler.

use super::{Answer, Edge, Event, Guard, Pace};

/// One policy: at most so much more, or less, than there was a period ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RatePolicy {
    Pods { value: i64, period_ms: i64 },
    Percent { value: i64, period_ms: i64 },
}

/// Which of several policies counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The one that permits the most.
    Max,
    /// The one that permits the least.
    Min,
    /// Never in this direction.
    Disabled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Up,
    Down,
}

/// The rules of one direction. Without policies, nothing is permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateRules {
    pub select: SelectPolicy,
    pub policies: Vec<RatePolicy>,
}

/// Limits each direction by what changed in the last period, in both directions.
///
/// A change counts for less than a period. A percentage is computed in floating point, as Kubernetes does: up
/// it rounds up, so that 10 % of 100 permits 111 (1.1 has no exact double), and down it rounds down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleRate {
    up: RateRules,
    down: RateRules,
    /// When, and by how many.
    added: Vec<(i64, i64)>,
    removed: Vec<(i64, i64)>,
    current: i64,
    desired: i64,
}

impl ScaleRate {
    pub fn new(up: RateRules, down: RateRules) -> Self {
        Self { up, down, added: Vec::new(), removed: Vec::new(), current: 0, desired: 0 }
    }

    /// How far the scale may go in this direction now, from what there is.
    pub fn limit(&self, now_ms: i64, direction: Direction) -> i64 {
        let rules = match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        };
        let proposed = rules.policies.iter().map(|policy| self.proposed(now_ms, direction, *policy));
        let limit = match (rules.select, direction) {
            (SelectPolicy::Disabled, _) => None,
            (SelectPolicy::Max, Direction::Up) | (SelectPolicy::Min, Direction::Down) => proposed.max(),
            (SelectPolicy::Min, Direction::Up) | (SelectPolicy::Max, Direction::Down) => proposed.min(),
        };
        // Earlier changes of the same period may have used up more than there is: never the other way.
        match direction {
            Direction::Up => limit.unwrap_or(self.current).max(self.current),
            Direction::Down => limit.unwrap_or(self.current).min(self.current),
        }
    }

    fn proposed(&self, now_ms: i64, direction: Direction, policy: RatePolicy) -> i64 {
        let (RatePolicy::Pods { period_ms, .. } | RatePolicy::Percent { period_ms, .. }) = policy;
        let within = |changes: &[(i64, i64)]| -> i64 {
            let fresh = changes.iter().filter(|(at, _)| !Edge::Reached.is_over(*at, now_ms, period_ms));
            fresh.map(|(_, change)| change).sum()
        };
        let start = self.current - within(&self.added) + within(&self.removed);
        match (policy, direction) {
            (RatePolicy::Pods { value, .. }, Direction::Up) => start.saturating_add(value),
            (RatePolicy::Pods { value, .. }, Direction::Down) => start.saturating_sub(value),
            (RatePolicy::Percent { value, .. }, Direction::Up) => {
                (start as f64 * (1.0 + value as f64 / 100.0)).ceil() as i64
            }
            (RatePolicy::Percent { value, .. }, Direction::Down) => {
                (start as f64 * (1.0 - value as f64 / 100.0)) as i64
            }
        }
    }

    /// Where the last recommendation leads now.
    pub fn target(&self, now_ms: i64) -> i64 {
        if self.desired >= self.current {
            self.desired.min(self.limit(now_ms, Direction::Up))
        } else {
            self.desired.max(self.limit(now_ms, Direction::Down))
        }
    }

    fn suppresses(&self, now_ms: i64) -> bool {
        self.current != self.desired && self.target(now_ms) == self.current
    }

    fn periods(&self) -> impl Iterator<Item = i64> {
        self.up.policies.iter().chain(&self.down.policies).map(|policy| match policy {
            RatePolicy::Pods { period_ms, .. } | RatePolicy::Percent { period_ms, .. } => *period_ms,
        })
    }
}

impl Guard for ScaleRate {
    fn ask(&self, now_ms: i64) -> Answer {
        if !self.suppresses(now_ms) {
            return Answer::Admitted;
        }
        // It changes only when some change is forgotten.
        let changes = self.added.iter().chain(&self.removed);
        let moments = changes.flat_map(|(at, _)| self.periods().map(|period| at.saturating_add(period)));
        let from_ms = moments.filter(|at| *at > now_ms && !self.suppresses(*at)).min();
        Answer::Limited { from_ms }
    }

    /// Scales to the target, as far as the limit goes.
    fn admit(&mut self, now_ms: i64) -> Answer {
        let answer = self.ask(now_ms);
        if answer.is_admitted() {
            let target = self.target(now_ms);
            let longest = self.periods().max().unwrap_or(0);
            for changes in [&mut self.added, &mut self.removed] {
                changes.retain(|(at, _)| !Edge::Reached.is_over(*at, now_ms, longest));
            }
            let change = target - self.current;
            if change > 0 {
                self.added.push((now_ms, change));
            } else if change < 0 {
                self.removed.push((now_ms, -change));
            }
            self.current = target;
        }
        answer
    }

    fn tell(&mut self, _now_ms: i64, event: Event) {
        if let Event::Recommended { current, desired } = event {
            (self.current, self.desired) = (current, desired);
        }
    }

    /// Bounds how far, not how often: one pod at a time is as many admissions as pods.
    fn admissions_max(&self, span_ms: i64, pace: &Pace) -> Option<u64> {
        pace.cap(span_ms, None)
    }

    /// It never refuses where it forgets every change before the next one, and permits some.
    fn is_dead(&self, pace: &Pace) -> bool {
        let forgets = self.periods().all(|period| Edge::Reached.is_over(0, pace.spacing_ms, period));
        let permits = |rules: &RateRules, direction: Direction| {
            let some = |policy: &RatePolicy| match policy {
                RatePolicy::Pods { value, .. } => *value > 0,
                // Up from nothing, a percentage is nothing.
                RatePolicy::Percent { value, .. } => *value > 0 && direction == Direction::Down,
            };
            rules.select != SelectPolicy::Disabled
                && !rules.policies.is_empty()
                && rules.policies.iter().all(some)
        };
        forgets && permits(&self.up, Direction::Up) && permits(&self.down, Direction::Down)
    }
}
