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

    /// The least moments that meet all that was demanded and have each second event of a pair later than the
    /// first by the same time, the least possible: what happens in between can happen again and again.
    /// None, too, once it is `over`.
    pub fn periodic(&self, pairs: &[(usize, usize)], over: impl Fn() -> bool) -> Option<Vec<i64>> {
        let demanded = self.raises.iter().enumerate().flat_map(|(later, raises)| {
            raises.iter().map(move |&(earlier, bound)| Raise {
                by: later,
                of: earlier,
                least: -bound,
                periods: 0,
            })
        });
        let apart = pairs.iter().flat_map(|&(first, second)| {
            let there = Raise { by: first, of: second, least: 0, periods: 1 };
            [there, Raise { by: second, of: first, least: 0, periods: -1 }]
        });
        let raises: Vec<Raise> = demanded.chain(apart).collect();
        let events = raises.iter().map(|raise| raise.by.max(raise.of) + 1).max()?;
        let mut period = 1;
        let tries = (0..PERIODS_MAX).take_while(|_| !over());
        for _ in tries {
            match Raise::all(&raises, events, period) {
                Ok(moments) => return Some(moments),
                // The period has to be longer, and no round is to be gone faster: else there is none.
                Err((least, periods)) if periods < 0 => period = ceiling(least, -periods),
                Err(_) => return None,
            }
        }
        None
    }

    /// The least moments of the first events, once they are known to be possible.
    pub fn least(&self, count: usize) -> Vec<i64> {
        (0..count).map(|event| self.least.get(event).copied().unwrap_or(0)).collect()
    }
}

/// How often a period is found to be too short before there is said to be none.
const PERIODS_MAX: usize = 100;

fn ceiling(a: i64, b: i64) -> i64 {
    a.div_euclid(b) + i64::from(a.rem_euclid(b) != 0)
}

/// `moments[of] >= moments[by] + least + periods * period`.
#[derive(Clone, Copy)]
struct Raise {
    by: usize,
    of: usize,
    least: i64,
    periods: i64,
}

impl Raise {
    /// The least moments of all events; or the sum of a cycle of raises, which go on for ever, or of a way
    /// that raises the start.
    fn all(raises: &[Raise], events: usize, period: i64) -> Result<Vec<i64>, (i64, i64)> {
        let mut moments = vec![0_i64; events];
        let mut last: Vec<Option<Raise>> = vec![None; events];
        loop {
            let mut raised = None;
            for raise in raises {
                // Beyond the numbers no run is real, which is seen when it is taken again.
                let apart = raise.periods.saturating_mul(period);
                let least = moments[raise.by].saturating_add(raise.least).saturating_add(apart);
                if moments[raise.of] < least {
                    moments[raise.of] = least;
                    last[raise.of] = Some(*raise);
                    raised = Some(raise.of);
                }
            }
            let Some(event) = raised else { return Ok(moments) };
            // The start is fixed: what raises it is as impossible as a cycle.
            let end = if last[0].is_some() { 0 } else { event };
            let (sum, cycle) = Raise::back(&last, end);
            if cycle || end == 0 {
                return Err(sum);
            }
        }
    }

    /// The sum of the raises that led here, or of the cycle among them.
    fn back(last: &[Option<Raise>], mut event: usize) -> ((i64, i64), bool) {
        let mut way: Vec<Raise> = Vec::new();
        let mut met = vec![None; last.len()];
        let sum = |way: &[Raise]| {
            way.iter().fold((0_i64, 0), |sum, r| (sum.0.saturating_add(r.least), sum.1 + r.periods))
        };
        while let Some(raise) = last[event] {
            if let Some(from) = met[event].replace(way.len()) {
                return (sum(&way[from..]), true);
            }
            way.push(raise);
            event = raise.by;
        }
        (sum(&way), false)
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

    /// Every period is tried, as one more demand.
    fn slow_period(
        count: usize,
        demands: &[(usize, usize, i64)],
        pairs: &[(usize, usize)],
    ) -> Option<Vec<i64>> {
        (1..200).find_map(|period| {
            let apart = pairs.iter().flat_map(|&(a, b)| [(b, a, period), (a, b, -period)]);
            slow(count, &demands.iter().copied().chain(apart).collect::<Vec<_>>())
        })
    }

    proptest! {
        #[test]
        fn finds_the_least_period(
            demands in prop::collection::vec((0..6_usize, 0..6_usize, -3..6_i64), 0..14),
            pairs in prop::collection::vec((0..6_usize, 0..6_usize), 1..4),
        ) {
            let mut moments = Moments::default();
            // What comes later in a run is later.
            let in_order = (1..6).map(|event| (event - 1, event, 0));
            let demands: Vec<_> = demands.into_iter().chain(in_order).collect();
            for &(later, earlier, bound) in &demands {
                moments.demand(later, earlier, bound);
            }
            prop_assert_eq!(moments.periodic(&pairs, || false), slow_period(6, &demands, &pairs));
        }

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
