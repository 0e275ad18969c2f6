//! Zones as values, and the view of a zone that does not tell how wide its numbers are.

use std::fmt;

use super::{Scalar, Thresholds, constrain, elapse, included, map, set_zero};
use crate::time::{Clock, ClockFrom, Constraint};

/// What can be read from any zone.
pub trait ZoneView {
    fn clock_count(&self) -> usize;

    /// The tightest bound on `left - right` and whether it is strict; none if there is none.
    fn difference(&self, left: Clock, right: Clock) -> Option<(i64, bool)>;

    /// Least value of a clock (or its infimum).
    fn lower(&self, clock: Clock) -> i64 {
        self.difference(0, clock).map_or(0, |(bound, _)| -bound)
    }

    /// Greatest value of a clock (or its supremum).
    fn upper(&self, clock: Clock) -> Option<i64> {
        self.difference(clock, 0).map(|(bound, _)| bound)
    }

    /// A copy.
    fn to_zone(&self) -> Zone {
        let n = self.clock_count() + 1;
        let entry = |at: usize| match self.difference((at / n) as Clock, (at % n) as Clock) {
            Some((bound, strict)) => i64::encode(bound, strict),
            None => i64::INFINITY,
        };
        Zone { n, entries: (0..n * n).map(entry).collect() }
    }
}

/// A borrowed matrix.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T> {
    n: usize,
    entries: &'a [T],
}

impl<'a, T: Scalar> View<'a, T> {
    /// `entries` has `n * n` entries, clock 0 included.
    pub fn new(n: usize, entries: &'a [T]) -> Self {
        debug_assert_eq!(entries.len(), n * n);
        Self { n, entries }
    }
}

impl<T: Scalar> ZoneView for View<'_, T> {
    fn clock_count(&self) -> usize {
        self.n - 1
    }

    fn difference(&self, left: Clock, right: Clock) -> Option<(i64, bool)> {
        self.entries[usize::from(left) * self.n + usize::from(right)].decode()
    }
}

/// A zone that is not empty, closed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Zone {
    n: usize,
    entries: Vec<i64>,
}

impl Zone {
    /// Only the valuation with all clocks at zero.
    pub fn zero(clocks: usize) -> Self {
        let n = clocks + 1;
        let mut entries = vec![0; n * n];
        set_zero(&mut entries);
        Self { n, entries }
    }

    /// Every valuation.
    pub fn all(clocks: usize) -> Self {
        let mut zone = Self::zero(clocks);
        for (at, entry) in zone.entries.iter_mut().enumerate() {
            if at >= zone.n && at / zone.n != at % zone.n {
                *entry = i64::INFINITY;
            }
        }
        zone
    }

    /// Lets time pass.
    pub fn elapse(&mut self) {
        elapse(self.n, &mut self.entries);
    }

    /// Keeps what satisfies the constraint. False when nothing is left: the zone must not be used then.
    #[must_use]
    pub fn constrain(&mut self, constraint: &Constraint) -> bool {
        let bound = i64::encode(constraint.bound, constraint.strict);
        constrain(self.n, &mut self.entries, constraint.left.into(), constraint.right.into(), bound)
    }

    /// [`Zone::constrain`] by all of them.
    #[must_use]
    pub fn constrain_all(&mut self, constraints: &[Constraint]) -> bool {
        constraints.iter().all(|constraint| self.constrain(constraint))
    }

    /// The zone over the clocks of the target state.
    #[must_use]
    pub fn map(&self, clocks: &[ClockFrom]) -> Self {
        let n = clocks.len() + 1;
        let mut entries = vec![0; n * n];
        map(self.n, &self.entries, clocks, &mut entries);
        Self { n, entries }
    }

    /// Whether every valuation of this zone is one of the other.
    pub fn is_inside(&self, other: &Self) -> bool {
        self.n == other.n && included(&self.entries, &other.entries)
    }

    /// Keeps what lies in another zone, whose clock `i` is clock `at[i - 1]` here. False when nothing is left:
    /// the zone must not be used then.
    #[must_use]
    pub fn meet(&mut self, other: &Self, at: &[Clock]) -> bool {
        let place = |clock: usize| if clock == 0 { 0 } else { usize::from(at[clock - 1]) };
        (0..other.n * other.n).all(|entry| {
            let (i, j) = (entry / other.n, entry % other.n);
            let bound = other.entries[entry];
            i == j
                || bound == i64::INFINITY
                || constrain(self.n, &mut self.entries, place(i), place(j), bound)
        })
    }

    /// The least zone that holds both. True when that is more than it was.
    pub fn join(&mut self, other: &Self) -> bool {
        let mut grown = false;
        for (entry, more) in self.entries.iter_mut().zip(&other.entries) {
            grown |= more > entry;
            *entry = (*entry).max(*more);
        }
        grown
    }

    /// Gives up every bound on which this zone is larger than a smaller one was.
    pub fn widen(&mut self, smaller: &Self) {
        for (entry, less) in self.entries.iter_mut().zip(&smaller.entries) {
            if *less < *entry {
                *entry = i64::INFINITY;
            }
        }
        // Close again: what remains may bound what was given up.
        for k in 0..self.n {
            for i in 0..self.n {
                for j in 0..self.n {
                    let way = self.entries[i * self.n + k].plus(self.entries[k * self.n + j]);
                    let entry = &mut self.entries[i * self.n + j];
                    *entry = (*entry).min(way);
                }
            }
        }
    }

    /// Forgets what no comparison with these constants can tell: see [`Thresholds::extrapolate`].
    pub fn extrapolate(&mut self, lower: &[i64], upper: &[i64]) {
        Thresholds::new(lower, upper).extrapolate(&mut self.entries);
    }

    pub(crate) fn entries(&self) -> &[i64] {
        &self.entries
    }
}

impl ZoneView for Zone {
    fn clock_count(&self) -> usize {
        self.n - 1
    }

    fn difference(&self, left: Clock, right: Clock) -> Option<(i64, bool)> {
        View::new(self.n, &self.entries).difference(left, right)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = f.debug_set();
        for left in 0..self.n as Clock {
            for right in 0..self.n as Clock {
                if let Some((bound, strict)) = self.difference(left, right)
                    && left != right
                {
                    let sign = if strict { "<" } else { "<=" };
                    set.entry(&format_args!("{left}-{right}{sign}{bound}"));
                }
            }
        }
        set.finish()
    }
}
