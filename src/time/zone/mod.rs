//! Dense time: sets of clock valuations as difference-bound matrices.
//!
//! A zone over `n - 1` clocks is a flat row-major matrix of `n * n` entries: entry `(i, j)` bounds
//! `clock i - clock j`, and clock 0 is the constant zero. A matrix is *closed* when no entry can
//! be tightened by the others; every function here expects closed matrices that are not empty, and
//! leaves them so, unless it says otherwise. No function allocates.
//!
//! [`Zone`] is the owned, convenient form for everything that is not the inner loop of the search.

mod owned;
mod scalar;
#[cfg(test)]
mod tests;

pub use owned::{View, Zone, ZoneView};
pub use scalar::Scalar;

use super::{Clock, ClockFrom, NO_BOUND};

/// Greatest constant that a system may have, in its own unit: 8,900 years of milliseconds.
pub const GREATEST_CONSTANT: i64 = 1 << 48;

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
    zone[i * n + j] = bound;
    for p in 0..n {
        let to_j = zone[p * n + i].plus(bound);
        // When p reaches j no better than before, it reaches nothing behind j better either.
        if p != i && to_j >= zone[p * n + j] {
            continue;
        }
        // Row p and row j are the same row only for p = j, which the cycle test above excludes:
        // a way from j through the edge back to j is never shorter than zero.
        for q in 0..n {
            let through = to_j.plus(zone[j * n + q]);
            if through < zone[p * n + q] {
                zone[p * n + q] = through;
            }
        }
    }
    true
}

/// The zone over the clocks of the target state. `to` has `(clocks.len() + 1)^2` entries.
///
/// A clock that starts now equals the constant zero, so every entry is one of the old ones: picking
/// rows and columns of a closed matrix gives a closed matrix.
pub fn map<T: Scalar>(n: usize, from: &[T], clocks: &[ClockFrom], to: &mut [T]) {
    let old = |clock: usize| match clock {
        0 => 0,
        clock => match clocks[clock - 1] {
            ClockFrom::Zero => 0,
            ClockFrom::Old(old) => usize::from(old),
        },
    };
    let m = clocks.len() + 1;
    for i in 0..m {
        let row = &from[old(i) * n..][..n];
        for (j, entry) in to[i * m..][..m].iter_mut().enumerate() {
            *entry = row[old(j)];
        }
    }
}

/// Renames clocks: clock `i` of `to` is clock `order[i - 1]` of `from`.
pub fn permute<T: Scalar>(n: usize, from: &[T], order: &[Clock], to: &mut [T]) {
    let old = |clock: usize| if clock == 0 { 0 } else { usize::from(order[clock - 1]) };
    for i in 0..n {
        let row = &from[old(i) * n..][..n];
        for (j, entry) in to[i * n..][..n].iter_mut().enumerate() {
            *entry = row[old(j)];
        }
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
    inner.iter().zip(outer).all(|(inner, outer)| inner <= outer)
}

/// Closes a matrix by all shortest paths, O(n^3). False when it has no valuation.
pub fn close<T: Scalar>(n: usize, zone: &mut [T]) -> bool {
    for via in 0..n {
        for i in 0..n {
            let there = zone[i * n + via];
            if there == T::INFINITY || i == via {
                continue;
            }
            for j in 0..n {
                let through = there.plus(zone[via * n + j]);
                if through < zone[i * n + j] {
                    zone[i * n + j] = through;
                }
            }
        }
    }
    (0..n).all(|i| zone[i * n + i] >= T::ZERO)
}

/// Extra+LU of Behrmann, Bouyer, Larsen and Pelánek (STTT 8, 2006): forgets what no comparison can
/// tell. `lower[c]` and `upper[c]` are as in [`super::TimedSystem::bounds`]. Sound for reachability
/// where no constraint compares two clocks. True when it changed the zone.
///
/// A clock above its lower constant may grow or shrink above it unnoticed, so nothing bounds it
/// from above; a clock above its upper constant need only be known to be above it. Extra+M is
/// this with both constants the greater of the two.
pub fn extrapolate<T: Scalar>(n: usize, zone: &mut [T], lower: &[i64], upper: &[i64]) -> bool {
    let mut changed = false;
    let (first, rows) = zone.split_at_mut(n);
    for (i, row) in (1..).zip(rows.chunks_exact_mut(n)) {
        let beyond_lower = is_beyond(first[i], lower[i]);
        for (j, entry) in row.iter_mut().enumerate() {
            if i == j || *entry == T::INFINITY {
                continue;
            }
            if beyond_lower || entry.above(lower[i]) || j != 0 && is_beyond(first[j], upper[j]) {
                *entry = T::INFINITY;
                changed = true;
            }
        }
    }
    // Last: the rows above are judged by the lower bounds as they were.
    for (j, entry) in first.iter_mut().enumerate().skip(1) {
        if is_beyond(*entry, upper[j]) {
            let relaxed = if upper[j] == NO_BOUND { T::ZERO } else { T::encode(-upper[j], true) };
            changed |= relaxed != *entry;
            *entry = relaxed;
        }
    }
    if changed {
        let possible = close(n, zone);
        debug_assert!(possible, "extrapolation only adds valuations");
    }
    changed
}

/// Whether a clock with this entry in row 0 is surely above the constant: `-entry > constant`.
#[inline(always)]
fn is_beyond<T: Scalar>(entry: T, constant: i64) -> bool {
    constant == NO_BOUND || !entry.above(-constant - 1)
}

/// Least value of a clock (or its infimum).
pub fn lower_bound<T: Scalar>(zone: &[T], clock: usize) -> i64 {
    zone[clock].decode().map_or(0, |(bound, _)| -bound)
}

/// Greatest value of a clock (or its supremum).
pub fn upper_bound<T: Scalar>(n: usize, zone: &[T], clock: usize) -> Option<i64> {
    zone[clock * n].decode().map(|(bound, _)| bound)
}

/// Sum of the entries: a zone inside another one never has the greater sum. Tells most pairs
/// apart without looking at the matrices.
#[inline]
pub fn weight<T: Scalar>(zone: &[T]) -> i64 {
    zone.iter().map(|entry| entry.weight()).sum()
}
