//! Dense time: sets of clock valuations as difference-bound matrices.
//!
//! A zone over `n - 1` clocks is a flat row-major matrix of `n * n` entries: entry `(i, j)` bounds
//! `clock i - clock j`, and clock 0 is the constant zero. A matrix is *closed* when no entry can
//! be tightened by the others; every function here expects closed matrices that are not empty, and
//! leaves them so, unless it says otherwise. No function allocates
//! up to 31 clocks.
//!
//! [`Zone`] is the owned, convenient form for everything that is not the inner loop of the search.

mod owned;
mod scalar;
#[cfg(test)]
mod tests;

pub use owned::{View, Zone, ZoneView};
pub use scalar::Scalar;

use smallvec::SmallVec;

use super::{Clock, ClockFrom, Constraint};

/// Greatest constant that a system may have, in its own unit: 8,900 years of milliseconds.
pub const GREATEST_CONSTANT: i64 = 1 << 48;

/// Calls a function whose first argument is the size of a matrix. Most are small: each of those sizes has
/// its own copy, in which loops over a row have a known length.
macro_rules! sized {
    ($function:ident($n:expr, $($more:expr),*)) => {
        match $n {
            2 => $function(2, $($more),*),
            3 => $function(3, $($more),*),
            4 => $function(4, $($more),*),
            5 => $function(5, $($more),*),
            6 => $function(6, $($more),*),
            7 => $function(7, $($more),*),
            8 => $function(8, $($more),*),
            9 => $function(9, $($more),*),
            10 => $function(10, $($more),*),
            n => $function(n, $($more),*),
        }
    };
}

/// The zone that holds only the valuation with all clocks at zero.
pub fn set_zero<T: Scalar>(zone: &mut [T]) {
    zone.fill(T::ZERO);
}

/// Every valuation that a delay leads to.
pub fn elapse<T: Scalar>(n: usize, zone: &mut [T]) {
    for clock in 1..n {
        zone[clock * n] = T::INFINITY;
    }
}

/// Whether some valuation satisfies `clock i - clock j` within `bound`. Changes nothing.
#[inline]
pub fn admits<T: Scalar>(n: usize, zone: &[T], i: usize, j: usize, bound: T) -> bool {
    // A cycle i -> j -> i under `<= 0` is a contradiction, and in a closed matrix the only new one.
    bound.plus(zone[j * n + i]) >= T::ZERO
}

/// Keeps the valuations with `clock i - clock j` within `bound`. False when none is left: the
/// matrix must not be used then.
///
/// Only paths through the new edge can have become shorter, so closing again is O(n^2).
pub fn constrain<T: Scalar>(n: usize, zone: &mut [T], i: usize, j: usize, bound: T) -> bool {
    if bound >= zone[i * n + j] {
        return true;
    }
    if !admits(n, zone, i, j, bound) {
        return false;
    }
    sized!(shorten(n, zone, i, j, bound));
    true
}

/// Closes again with the way from `i` to `j`, which is shorter than before.
#[inline(always)]
fn shorten<T: Scalar>(n: usize, zone: &mut [T], i: usize, j: usize, bound: T) {
    let (before, rest) = zone[..n * n].split_at_mut(j * n);
    // Row j stays as it is: a way from j through the edge back to j is never shorter than zero.
    let (on, after) = rest.split_at_mut(n);
    for row in before.chunks_exact_mut(n).chain(after.chunks_exact_mut(n)) {
        let to_j = row[i].plus(bound);
        // When a clock reaches j no better than before, it reaches nothing behind j better either.
        if to_j < row[j] {
            via(row, to_j, on);
        }
    }
}

/// The zone over the clocks of the target state. `to` has `(clocks.len() + 1)^2` entries.
///
/// A clock that starts now equals the constant zero, so every entry is one of the old ones: picking
/// rows and columns of a closed matrix gives a closed matrix.
pub fn map<T: Scalar>(n: usize, from: &[T], clocks: &[ClockFrom], to: &mut [T]) {
    let old = |clock: ClockFrom| match clock {
        ClockFrom::Zero => 0,
        ClockFrom::Old(old) => old,
    };
    sized!(pick(clocks.len() + 1, n, from, clocks, old, to));
}

/// Renames clocks: clock `i` of `to` is clock `order[i - 1]` of `from`.
pub fn permute<T: Scalar>(n: usize, from: &[T], order: &[Clock], to: &mut [T]) {
    sized!(pick(order.len() + 1, n, from, order, |clock| clock, to));
}

/// Takes the constant zero and the clocks that these tell, in this order: `m` altogether.
#[inline(always)]
fn pick<T: Scalar, C: Copy>(
    m: usize,
    n: usize,
    from: &[T],
    clocks: &[C],
    old: impl Fn(C) -> Clock,
    to: &mut [T],
) {
    let clocks = &clocks[..m - 1];
    let row_of = |i: Clock| &from[usize::from(i) * n..][..n];
    let (first, rows) = to[..m * m].split_at_mut(m);
    pick_row(row_of(0), clocks, &old, first);
    for (&i, row) in clocks.iter().zip(rows.chunks_exact_mut(m)) {
        pick_row(row_of(old(i)), clocks, &old, row);
    }
}

#[inline(always)]
fn pick_row<T: Scalar, C: Copy>(from: &[T], clocks: &[C], old: &impl Fn(C) -> Clock, to: &mut [T]) {
    to[0] = from[0];
    for (entry, &clock) in to[1..].iter_mut().zip(clocks) {
        *entry = from[usize::from(old(clock))];
    }
}

/// Exchanges two clocks.
pub fn swap<T: Scalar>(n: usize, zone: &mut [T], a: usize, b: usize) {
    for k in 0..n {
        zone.swap(a * n + k, b * n + k);
    }
    for row in zone.chunks_exact_mut(n) {
        row.swap(a, b);
    }
}

/// Whether every valuation of `inner` is one of `outer`.
#[inline]
pub fn included<T: Scalar>(inner: &[T], outer: &[T]) -> bool {
    // Without a way out after each entry the compiler compares several at once.
    let all = |a: &[T], b: &[T]| a.iter().zip(b).fold(true, |all, (a, b)| all & (a <= b));
    let ((inner, inner_rest), (outer, outer_rest)) = (inner.as_chunks::<8>(), outer.as_chunks::<8>());
    inner.iter().zip(outer).all(|(inner, outer)| all(inner, outer)) && all(inner_rest, outer_rest)
}

/// Lets time pass while no clock exceeds its cap, `(clock, bound)` each. False when no valuation
/// was within the caps to begin with: the matrix must not be used then.
///
/// One pass does for all caps what [`constrain`] would do one by one: a shortest path enters clock 0
/// at most once, and only the entries into clock 0 are new.
pub fn elapse_within<T: Scalar>(n: usize, zone: &mut [T], caps: &[(Clock, T)]) -> bool {
    if caps.iter().any(|&(clock, bound)| !admits(n, zone, clock.into(), 0, bound)) {
        return false;
    }
    sized!(lift(n, zone, caps));
    true
}

/// The delay itself: see [`elapse_within`].
#[inline(always)]
fn lift<T: Scalar>(n: usize, zone: &mut [T], caps: &[(Clock, T)]) {
    let (first, rows) = zone[..n * n].split_at_mut(n);
    for row in rows.chunks_exact_mut(n) {
        let to_cap = |&(clock, bound): &(Clock, T)| row[usize::from(clock)].plus(bound);
        let highest = caps.iter().map(to_cap).min().unwrap_or(T::INFINITY);
        row[0] = T::INFINITY;
        via(row, highest, first);
    }
}

/// Shortens a row by the ways that go `there` first, and on as the other row says.
#[inline(always)]
fn via<T: Scalar>(row: &mut [T], there: T, on: &[T]) {
    if there == T::INFINITY {
        return;
    }
    for (entry, &on) in row.iter_mut().zip(on) {
        *entry = (*entry).min(there.plus(on));
    }
}

/// The constants that a state compares its clocks with, made ready for extrapolation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Thresholds<T> {
    /// An entry above this, in the row of the clock, is beyond its lower constant.
    too_high: Vec<T>,
    /// An entry below this, in row 0, puts the clock beyond its lower constant.
    past_lower: Vec<T>,
    /// An entry below this, in row 0, puts the clock beyond its upper constant.
    past_upper: Vec<T>,
}

impl<T: Scalar> Thresholds<T> {
    /// `lower[c]` and `upper[c]` are as in [`super::TimedSystem::bounds`].
    pub fn new(lower: &[i64], upper: &[i64]) -> Self {
        // No clock is below zero: a comparison with less than that says as little as none.
        let past = |constant: i64| if constant < 0 { T::INFINITY } else { T::encode(-constant, true) };
        let mut thresholds = Self {
            too_high: lower.iter().map(|&k| if k < 0 { T::LEAST } else { T::encode(k, false) }).collect(),
            past_lower: lower.iter().map(|&k| past(k)).collect(),
            past_upper: upper.iter().map(|&k| past(k)).collect(),
        };
        // The constant zero is beyond nothing.
        (thresholds.past_lower[0], thresholds.past_upper[0]) = (T::LEAST, T::LEAST);
        thresholds
    }

    /// Whether a comparison of a clock with a constant is among those that these constants cover.
    pub fn cover(&self, c: &Constraint) -> bool {
        if c.left == 0 {
            // `clock >= -bound`; every clock is at least zero.
            let trivial = c.bound > 0 || c.bound == 0 && !c.strict;
            trivial || c.right == 0 || T::encode(-c.bound, false) <= self.too_high[usize::from(c.right)]
        } else {
            c.bound < 0 || T::encode(-c.bound, true) >= self.past_upper[usize::from(c.left)]
        }
    }

    /// Extra+LU of Behrmann, Bouyer, Larsen and Pelánek (STTT 8, 2006): forgets what no comparison
    /// can tell. Sound for reachability where no constraint compares two clocks. Extra+M is this with
    /// both constants the greater of the two.
    ///
    /// A clock above its lower constant may be any amount above it unnoticed: nothing bounds
    /// it from above. Of a clock above its upper constant only that much need be known.
    ///
    /// Closing again is cheap, since raised entries only ever follow from entries left standing:
    /// a row that was given up stays so; a column that was given up is reached through clock 0 only;
    /// and row 0 stays closed, as a raised entry in it heads a column given up.
    pub fn extrapolate(&self, zone: &mut [T]) {
        sized!(forget(self.too_high.len(), self, zone));
    }
}

/// See [`Thresholds::extrapolate`].
#[inline(always)]
fn forget<T: Scalar>(n: usize, of: &Thresholds<T>, zone: &mut [T]) {
    let (first, rows) = zone[..n * n].split_at_mut(n);
    let (too_high, past_lower, past_upper) = (&of.too_high[..n], &of.past_lower[..n], &of.past_upper[..n]);
    let is_past = |thresholds: &[T], clock: usize| first[clock] < thresholds[clock];
    // A row in which nothing was raised stays closed: no way has become shorter than it was.
    let mut mixed: SmallVec<[usize; 32]> = SmallVec::new();
    for (i, row) in (1..).zip(rows.chunks_exact_mut(n)) {
        if is_past(past_lower, i) {
            row.fill(T::INFINITY);
        } else {
            let too_high = too_high[i];
            // That on the diagonal does not count.
            row[i] = T::INFINITY;
            let mut raised = false;
            for ((entry, &least), &past) in row.iter_mut().zip(&*first).zip(past_upper) {
                let new = if *entry > too_high || least < past { T::INFINITY } else { *entry };
                raised |= new != *entry;
                *entry = new;
            }
            if raised {
                mixed.push(i);
            }
        }
        row[i] = T::ZERO;
    }
    for k in 1..n {
        if is_past(past_lower, k) || is_past(past_upper, k) {
            continue;
        }
        for &i in mixed.iter().filter(|i| **i != k) {
            let (low, high) = rows.split_at_mut((i.max(k) - 1) * n);
            let other = &mut low[(i.min(k) - 1) * n..][..n];
            let (row, middle) = if i < k { (other, &mut high[..n]) } else { (&mut high[..n], other) };
            via(row, row[k], middle);
        }
    }
    for (entry, &past) in first.iter_mut().zip(past_upper).skip(1) {
        *entry = (*entry).max(past).min(T::ZERO);
    }
    for &i in &mixed {
        let row = &mut rows[(i - 1) * n..][..n];
        via(row, row[0], first);
    }
}

/// See [`weights`].
pub type Weights = [i64; 4];

/// Sums of entries, each of every fourth: of a zone inside another one none is the greater. Tells
/// most pairs apart without looking at the matrices.
#[inline]
pub fn weights<T: Scalar>(zone: &[T]) -> Weights {
    let mut sums = [0; 4];
    let chunks = zone.chunks_exact(4);
    for (sum, entry) in sums.iter_mut().zip(chunks.remainder()) {
        *sum += entry.weight();
    }
    for chunk in chunks {
        for (sum, entry) in sums.iter_mut().zip(chunk) {
            *sum += entry.weight();
        }
    }
    sums
}
