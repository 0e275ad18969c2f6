//! A window that no change of direction comes through.

use std::collections::VecDeque;

use super::{Answer, Edge, Event, Guard, Pace};

/// Scales up no further than the lowest recommendation of the last window, and down no further than the
/// highest: a recommendation counts for less than a window, and must have held all along.
///
/// `stabilizationWindowSeconds` of a HorizontalPodAutoscaler. Says how far, not how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stabilization {
    up_ms: i64,
    down_ms: i64,
    current: i64,
    desired: i64,
    /// When, and how many; oldest first.
    recommended: VecDeque<(i64, i64)>,
}

impl Stabilization {
    /// `behavior.scaleUp` and `behavior.scaleDown`; Kubernetes takes 0 and 300 seconds where nothing is declared.
    pub fn new(up_ms: i64, down_ms: i64) -> Self {
        Self { up_ms, down_ms, current: 0, desired: 0, recommended: VecDeque::new() }
    }

    /// Where the last recommendation leads now.
    pub fn target(&self, now_ms: i64) -> i64 {
        let counting = |window_ms: i64| {
            let fresh = move |since: i64| !Edge::Reached.is_over(since, now_ms, window_ms);
            self.recommended.iter().filter(move |(at, _)| fresh(*at)).map(|(_, wanted)| *wanted)
        };
        let lowest = counting(self.up_ms).fold(self.desired, i64::min);
        let highest = counting(self.down_ms).fold(self.desired, i64::max);
        self.current.max(lowest).min(highest)
    }

    fn suppresses(&self, now_ms: i64) -> bool {
        self.current != self.desired && self.target(now_ms) == self.current
    }
}

impl Guard for Stabilization {
    fn ask(&self, now_ms: i64) -> Answer {
        if !self.suppresses(now_ms) {
            return Answer::Admitted;
        }
        // It changes only when some recommendation is forgotten.
        let windows = [self.up_ms, self.down_ms];
        let forgotten = |(at, _): &(i64, i64)| windows.map(|window| Edge::Reached.over_from(*at, window));
        let moments = self.recommended.iter().flat_map(forgotten);
        let from_ms = moments.filter(|at| *at > now_ms && !self.suppresses(*at)).min();
        Answer::Cooling { from_ms }
    }

    /// Does not scale by itself: the next recommendation says how many there are.
    fn admit(&mut self, now_ms: i64) -> Answer {
        self.ask(now_ms)
    }

    fn tell(&mut self, now_ms: i64, event: Event) {
        if let Event::Recommended { current, desired } = event {
            let longest = self.up_ms.max(self.down_ms);
            self.recommended.retain(|(at, _)| !Edge::Reached.is_over(*at, now_ms, longest));
            self.recommended.push_back((now_ms, desired));
            (self.current, self.desired) = (current, desired);
        }
    }

    fn admissions_max(&self, span_ms: i64, pace: &Pace) -> Option<u64> {
        pace.cap(span_ms, None)
    }

    /// Recommendations that are a window apart never meet.
    fn is_dead(&self, pace: &Pace) -> bool {
        let longest = self.up_ms.max(self.down_ms);
        Edge::Reached.is_over(0, pace.spacing_ms, longest) || !pace.exceeds(1)
    }
}
