//! Difference constraints over the moments of a run's events, and their least solution.
//!
//! A shortest-path problem, solved as constraints come: the least moments only ever rise.

use std::collections::VecDeque;

/// Events are numbered from 0, which is the start of the run, at moment 0.
#[derive(Default)]
pub(super) struct Moments {
    least: Vec<i64>,
    /// For each event `e`, the events that are at least `least[e] - bound`.
    raises: Vec<Vec<(usize, i64)>>,
    /// Whose list each constraint is in, in the order in which they came.
    trail: Vec<usize>,
    /// Constraints that are met already, from the first on.
    met: usize,
}

impl Moments {
    /// A point to go back to.
    pub fn mark(&self) -> usize {
        self.trail.len()
    }

    /// `moments[later] - moments[earlier] <= bound`.
    pub fn demand(&mut self, later: usize, earlier: usize, bound: i64) {
        let events = self.least.len().max(later.max(earlier) + 1);
        self.least.resize(events, 0);
        self.raises.resize_with(events, Vec::new);
        self.raises[later].push((earlier, bound));
        self.trail.push(later);
    }

    /// Takes back what was demanded since the mark.
    pub fn back_to(&mut self, mark: usize) {
        for later in self.trail.drain(mark..) {
            self.raises[later].pop();
        }
        // Moments that were raised for what is gone are too high now.
        self.least.fill(0);
        self.met = 0;
    }

    /// Whether some moments meet all that was demanded.
    pub fn possible(&mut self) -> bool {
        // First in, first out: otherwise an event may be raised as often as there are ways to it.
        let mut pending: VecDeque<usize> = VecDeque::new();
        let mut waits = vec![false; self.least.len()];
        let mut raised = vec![0_usize; self.least.len()];
        for &event in &self.trail[self.met..] {
            if !std::mem::replace(&mut waits[event], true) {
                pending.push_back(event);
            }
        }
        while let Some(event) = pending.pop_front() {
            waits[event] = false;
            for &(other, bound) in &self.raises[event] {
                let least = self.least[event] - bound;
                if self.least[other] < least {
                    self.least[other] = least;
                    raised[other] += 1;
                    // Beyond that a cycle raises itself for ever.
                    if other == 0 || raised[other] > raised.len() {
                        return false;
                    }
                    if !std::mem::replace(&mut waits[other], true) {
                        pending.push_back(other);
                    }
                }
            }
        }
        self.met = self.trail.len();
        true
    }

    /// The least moments of the first events, once they are known to be possible.
    pub fn least(&self, count: usize) -> Vec<i64> {
        (0..count).map(|event| self.least.get(event).copied().unwrap_or(0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by going over all constraints until nothing changes.
    fn slow(count: usize, demands: &[(usize, usize, i64)]) -> Option<Vec<i64>> {
        let mut least = vec![0_i64; count];
        for _ in 0..=count {
            let before = least.clone();
            for &(later, earlier, bound) in demands {
                least[earlier] = least[earlier].max(least[later] - bound);
            }
            if least == before {
                return (least[0] == 0).then_some(least);
            }
        }
        None
    }

    proptest! {
        #[test]
        fn agrees_with_the_slow_way(
            demands in prop::collection::vec((0..6_usize, 0..6_usize, -3..6_i64), 0..14),
            cut in 0..14_usize,
        ) {
            let mut moments = Moments::default();
            let mut kept = Vec::new();
            for (index, &(later, earlier, bound)) in demands.iter().enumerate() {
                let mark = moments.mark();
                moments.demand(later, earlier, bound);
                kept.push((later, earlier, bound));
                let expected = slow(6, &kept);
                prop_assert_eq!(moments.possible(), expected.is_some());
                if expected.is_none() || index == cut {
                    moments.back_to(mark);
                    kept.pop();
                }
                prop_assert!(moments.possible());
                prop_assert_eq!(Some(moments.least(6)), slow(6, &kept));
            }
        }
    }
}
