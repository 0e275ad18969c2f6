//! One entry of a matrix: a bound with its strictness in a single integer.

use std::fmt::Debug;
use std::hash::Hash;

/// A bound `< b` is stored as `2b`, `<= b` as `2b + 1`: so the tighter bound is the smaller number.
///
/// How large may a finite bound get? Let `c` be the greatest constant of the system and `n` the
/// number of clocks. After extrapolation every entry left standing is at most `c`, so a closed entry,
/// the length of a path that visits each clock once, is at most `n c`. A guard joins two such paths
/// through clock 0 (`2n c + c`), the target's invariants add one constant (`2n c + 2c`), and a
/// sum adds two entries: `(4n + 4) c`. From below, no entry is under `-2c`. [`Scalar::fits`] is
/// that inequality: where it holds, sums never wrap.
pub trait Scalar: Copy + Ord + Hash + Debug + Send + Sync + 'static {
    /// No bound.
    const INFINITY: Self;
    /// Below every bound.
    const LEAST: Self;
    /// `<= 0`.
    const ZERO: Self;
    /// Largest finite bound that may be stored without regard to [`Scalar::fits`]: the sum of three
    /// still is finite.
    const CEILING: i64;

    /// The bound must be at most [`Scalar::CEILING`] either way.
    fn encode(bound: i64, strict: bool) -> Self;

    /// Bound and strictness; none for infinity.
    fn decode(self) -> Option<(i64, bool)>;

    /// The sum of two bounds: strict when either is. Infinity plus anything is infinity.
    fn plus(self, other: Self) -> Self;

    /// A number that never falls when the bound rises, and small enough for 65,536 of them to be added.
    fn weight(self) -> i64;

    /// The raw bits, for a hash.
    fn bits(self) -> u64;

    /// Whether systems with this greatest constant and this many clocks can't overflow.
    fn fits(greatest_constant: i64, clocks: usize) -> bool;
}

macro_rules! scalar {
    ($type:ty, $ceiling:expr, $weight:expr) => {
        impl Scalar for $type {
            const INFINITY: Self = <$type>::MAX;
            const LEAST: Self = <$type>::MIN;
            const ZERO: Self = 1;
            const CEILING: i64 = $ceiling;

            #[inline(always)]
            fn encode(bound: i64, strict: bool) -> Self {
                debug_assert!(bound.abs() <= Self::CEILING);
                2 * bound as $type + <$type>::from(!strict)
            }

            #[inline]
            fn decode(self) -> Option<(i64, bool)> {
                (self != Self::INFINITY).then_some((i64::from(self >> 1), self & 1 == 0))
            }

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                if self == Self::INFINITY || other == Self::INFINITY {
                    Self::INFINITY
                } else {
                    // Two weak bounds carry the weak bit twice, a weak and a strict one once too often.
                    self + other - ((self | other) & 1)
                }
            }

            #[inline(always)]
            fn weight(self) -> i64 {
                $weight(i64::from(self))
            }

            #[inline(always)]
            fn bits(self) -> u64 {
                i64::from(self) as u64
            }

            fn fits(greatest_constant: i64, clocks: usize) -> bool {
                let widest = (4 * clocks as i128 + 4) * i128::from(greatest_constant);
                (0..=Self::CEILING).contains(&greatest_constant) && 2 * widest + 8 < i128::from(<$type>::MAX)
            }
        }
    };
}

scalar!(i32, 1 << 28, |bits: i64| bits);
scalar!(i64, 1 << 60, |bits: i64| bits.clamp(-(1 << 45), 1 << 45));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_strict_when_a_part_is() {
        for (a, b) in [(3, 4), (-3, 7), (0, 0), (-5, -6)] {
            for (s, t) in [(false, false), (false, true), (true, false), (true, true)] {
                assert_eq!(i32::encode(a, s).plus(i32::encode(b, t)), i32::encode(a + b, s || t));
                assert_eq!(i64::encode(a, s).plus(i64::encode(b, t)).decode(), Some((a + b, s || t)));
            }
        }
        assert_eq!(i32::INFINITY.plus(i32::encode(-7, true)), i32::INFINITY);
        assert_eq!(i64::encode(-7, true).plus(i64::INFINITY), i64::INFINITY);
    }

    #[test]
    fn tighter_is_smaller() {
        assert!(i32::encode(3, true) < i32::encode(3, false));
        assert!(i32::encode(3, false) < i32::encode(4, true));
        assert!(i32::encode(1 << 28, false) < i32::INFINITY);
        assert_eq!(i32::ZERO, i32::encode(0, false));
    }

    #[test]
    fn three_ceilings_can_be_added() {
        let top = i64::encode(i64::CEILING, false);
        assert_eq!(top.plus(top).plus(top).decode(), Some((3 * i64::CEILING, false)));
        let top = i32::encode(i32::CEILING, false);
        assert_eq!(top.plus(top).plus(top).decode(), Some((3 * i32::CEILING, false)));
    }

    #[test]
    fn width_depends_on_constants_and_clocks() {
        assert!(i32::fits(1_000_000, 16));
        assert!(i32::fits(2_000_000, 100));
        assert!(!i32::fits(86_400_000, 16), "a day in milliseconds needs the wide form");
        assert!(i64::fits(1 << 48, 255));
        assert!(!i64::fits(1 << 60, 255));
        assert!(!i32::fits(-1, 1));
    }
}
