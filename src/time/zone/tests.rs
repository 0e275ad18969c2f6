//! Every operation against valuations, point by point, and against a naive second implementation.

use std::iter;

use proptest::prelude::*;

use super::*;
use crate::time::NO_BOUND;

/// Valuations are in quarters: with up to three clocks, that meets every way in which the
/// fractions of the clocks can be ordered.
const UNIT: i64 = 4;

/// Bounds as pairs, none for infinity; closed by the plainest Floyd-Warshall.
#[derive(Clone, Debug, PartialEq)]
struct Naive {
    n: usize,
    bounds: Vec<Option<(i64, bool)>>,
}

impl Naive {
    fn all(n: usize) -> Self {
        let bound = |at: usize| (at / n == at % n || at < n).then_some((0, false));
        Self { n, bounds: (0..n * n).map(bound).collect() }
    }

    fn of<T: Scalar>(n: usize, zone: &[T]) -> Self {
        Self { n, bounds: zone.iter().map(|entry| entry.decode()).collect() }
    }

    /// `(b, strict)` is tighter than `(b, weak)`.
    fn tighter(a: Option<(i64, bool)>, b: Option<(i64, bool)>) -> Option<(i64, bool)> {
        match (a, b) {
            (Some(a), Some(b)) => Some(if (a.0, !a.1) <= (b.0, !b.1) { a } else { b }),
            (a, b) => a.or(b),
        }
    }

    fn limit(&mut self, i: usize, j: usize, bound: (i64, bool)) {
        let entry = &mut self.bounds[i * self.n + j];
        *entry = Self::tighter(*entry, Some(bound));
    }

    /// Gives whether there is a valuation.
    fn close(&mut self) -> bool {
        for k in 0..self.n {
            for i in 0..self.n {
                for j in 0..self.n {
                    if let (Some(a), Some(b)) = (self.bounds[i * self.n + k], self.bounds[k * self.n + j]) {
                        self.limit(i, j, (a.0 + b.0, a.1 || b.1));
                    }
                }
            }
        }
        (0..self.n).all(|i| self.bounds[i * self.n + i] == Some((0, false)))
    }

    /// In other units, so that quarters are whole numbers.
    fn scaled(&self) -> Self {
        let scale = |bound: &Option<(i64, bool)>| bound.map(|(bound, strict)| (UNIT * bound, strict));
        Self { n: self.n, bounds: self.bounds.iter().map(scale).collect() }
    }

    /// Whether the point, in units of this matrix, with the constant zero in front, is inside.
    fn contains(&self, point: &[i64]) -> bool {
        self.bounds.iter().enumerate().all(|(at, bound)| {
            let difference = point[at / self.n] - point[at % self.n];
            bound.is_none_or(|(bound, strict)| difference < bound || !strict && difference == bound)
        })
    }
}

fn encode<T: Scalar>(c: &Constraint) -> (usize, usize, T) {
    (c.left.into(), c.right.into(), T::encode(c.bound, c.strict))
}

/// The zone of these constraints, unless it is empty.
fn zone_of<T: Scalar>(n: usize, constraints: &[Constraint]) -> Option<Vec<T>> {
    let mut zone: Vec<T> = vec![T::INFINITY; n * n];
    for i in 0..n {
        (zone[i], zone[i * n + i]) = (T::ZERO, T::ZERO);
    }
    for constraint in constraints {
        let (i, j, bound) = encode(constraint);
        if !constrain(n, &mut zone, i, j, bound) {
            return None;
        }
    }
    Some(zone)
}

fn naive_of(n: usize, constraints: &[Constraint]) -> Naive {
    let mut naive = Naive::all(n);
    for c in constraints {
        naive.limit(c.left.into(), c.right.into(), (c.bound, c.strict));
    }
    naive
}

/// Clocks that are not far apart, and seldom bounded: the way that leaves most to extrapolation.
fn any_distance(n: usize, most: i64) -> impl Strategy<Value = Constraint> {
    (1..n as Clock, 0..n as Clock, 0..=most, any::<bool>())
        .prop_map(move |(left, right, bound, strict)| Constraint { left, right, bound, strict })
        .prop_filter("two clocks", |c| c.left != c.right)
}

fn any_constraint(n: usize, most: i64) -> impl Strategy<Value = Constraint> {
    (0..n as Clock, 1..n as Clock, -most..=most, any::<bool>()).prop_map(
        move |(left, step, bound, strict)| Constraint {
            left,
            right: (left + step) % n as Clock,
            bound,
            strict,
        },
    )
}

/// Clocks and the constant zero, the greatest constant, and constraints.
fn any_case(most_clocks: usize) -> impl Strategy<Value = (usize, i64, Vec<Constraint>)> {
    (2..=most_clocks + 1).prop_flat_map(|n| {
        let most = if n <= 3 { 3 } else { 1 };
        (Just(n), Just(most), prop::collection::vec(any_constraint(n, most), 0..2 * n))
    })
}

/// All points in which some zone with constants up to `most` may differ from another.
fn points(n: usize, most: i64) -> Vec<Vec<i64>> {
    let side = UNIT * (n as i64 * most + 1) + 1;
    let count = side.pow(n as u32 - 1);
    let point = |number: i64| {
        let digits = (0..n as u32 - 1).map(move |clock| number / side.pow(clock) % side);
        iter::once(0).chain(digits).collect()
    };
    (0..count).map(point).collect()
}

fn within(c: &Constraint, point: &[i64]) -> bool {
    let difference = point[usize::from(c.left)] - point[usize::from(c.right)];
    difference < UNIT * c.bound || !c.strict && difference == UNIT * c.bound
}

/// Lower and upper constants for extrapolation.
fn any_bounds(n: usize, most: i64) -> impl Strategy<Value = (Vec<i64>, Vec<i64>)> {
    let constants = move || prop::collection::vec(prop_oneof![1 => Just(NO_BOUND), 3 => 0..=most], n);
    (constants(), constants()).prop_map(|(mut lower, mut upper)| {
        (lower[0], upper[0]) = (0, 0);
        (lower, upper)
    })
}

/// Extra+LU as the paper writes it down, then closed.
fn extrapolate_as_printed(zone: &Naive, lower: &[i64], upper: &[i64]) -> Naive {
    let n = zone.n;
    let least = |clock: usize| -zone.bounds[clock].unwrap().0;
    let mut result = zone.clone();
    for (i, &lower) in lower.iter().enumerate() {
        for j in (0..n).filter(|&j| j != i) {
            let Some((bound, _)) = zone.bounds[i * n + j] else { continue };
            if bound > lower || least(i) > lower || least(j) > upper[j] && i != 0 {
                result.bounds[i * n + j] = None;
            } else if least(j) > upper[j] {
                // Not above any constant: at least zero, as every clock.
                result.bounds[j] = Some(if upper[j] == NO_BOUND { (0, false) } else { (-upper[j], true) });
            }
        }
    }
    assert!(result.close());
    result
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Emptiness, membership and closure of an intersection, and both widths.
    #[test]
    fn constrains((n, most, constraints) in any_case(3)) {
        let mut naive = naive_of(n, &constraints);
        let zone = zone_of::<i64>(n, &constraints);
        let narrow = zone_of::<i32>(n, &constraints);
        prop_assert_eq!(naive.close(), zone.is_some());
        prop_assert_eq!(zone.is_some(), narrow.is_some());
        let inside = points(n, most).into_iter().filter(|p| constraints.iter().all(|c| within(c, p)));
        let Some(zone) = zone else {
            prop_assert_eq!(inside.count(), 0);
            return Ok(());
        };
        prop_assert_eq!(&Naive::of(n, &zone), &naive);
        prop_assert_eq!(&Naive::of(n, &narrow.unwrap()), &naive);
        let scaled = naive.scaled();
        let count = points(n, most).iter().filter(|point| scaled.contains(point)).count();
        prop_assert_eq!(inside.count(), count);
        prop_assert!(count > 0);
    }

    /// The same at sizes where points can't be counted.
    #[test]
    fn constrains_many_clocks(
        (n, constraints) in (2_usize..9)
            .prop_flat_map(|n| (Just(n), prop::collection::vec(any_constraint(n, 40), 0..3 * n)))
    ) {
        let mut naive = naive_of(n, &constraints);
        let possible = naive.close();
        let zone = zone_of::<i64>(n, &constraints);
        prop_assert_eq!(zone.map(|zone| Naive::of(n, &zone)), possible.then_some(naive));
    }

    #[test]
    fn admits_what_constrain_keeps((n, _, constraints) in any_case(3)) {
        prop_assume!(!constraints.is_empty());
        let (last, others) = constraints.split_at(1);
        if let Some(zone) = zone_of::<i32>(n, others) {
            let (i, j, bound) = encode(&last[0]);
            let mut cut = zone.clone();
            prop_assert_eq!(admits(n, &zone, i, j, bound), constrain(n, &mut cut, i, j, bound));
        }
    }

    /// A point is reached by a delay within caps exactly if it is within them, and some moment
    /// before it was in the zone.
    #[test]
    fn elapses(
        (n, most, constraints) in any_case(2),
        caps in prop::collection::vec((0_i64..4, any::<bool>()), 0..3),
    ) {
        let Some(zone) = zone_of::<i32>(n, &constraints) else { return Ok(()) };
        let caps: Vec<Constraint> = caps.iter().zip(1..n as Clock)
            .map(|(&(bound, strict), left)| Constraint { left, right: 0, bound, strict })
            .collect();
        let coded: Vec<(Clock, i32)> = caps.iter().map(|c| (c.left, encode(c).2)).collect();
        let mut later = zone.clone();
        let possible = elapse_within(n, &mut later, &coded);
        let scaled = Naive::of(n, &zone).scaled();
        let mut any = false;
        let result = Naive::of(n, &later).scaled();
        for point in points(n, most) {
            // Twice the resolution: an open stretch of the way may hold no quarter.
            let fine = |entry: &Option<(i64, bool)>| entry.map(|(bound, strict)| (2 * bound, strict));
            let doubled = Naive { n, bounds: scaled.bounds.iter().map(fine).collect() };
            let least = point[1..].iter().min().unwrap();
            let reached = (0..=2 * least).any(|delay| {
                let then: Vec<i64> = iter::once(0).chain(point[1..].iter().map(|v| 2 * v - delay)).collect();
                doubled.contains(&then)
            });
            let expected = reached && caps.iter().all(|c| within(c, &point));
            any |= expected;
            prop_assert_eq!(possible && result.contains(&point), expected, "{:?}", point);
        }
        prop_assert_eq!(possible, any);
        if possible {
            let mut closed = result.clone();
            prop_assert!(closed.close());
            prop_assert_eq!(closed, result);
            // The slow way: check, delay, and one cap after the other.
            let mut slow = zone.clone();
            prop_assert!(coded.iter().all(|&(c, bound)| constrain(n, &mut slow, c.into(), 0, bound)));
            elapse(n, &mut slow);
            prop_assert!(coded.iter().all(|&(c, bound)| constrain(n, &mut slow, c.into(), 0, bound)));
            prop_assert_eq!(slow, later);
        }
    }

    /// A point is in the image exactly if some point of the zone maps to it.
    #[test]
    fn maps(
        (n, most, constraints) in any_case(3),
        sources in prop::collection::vec(0_u8..5, 0..4),
    ) {
        let Some(zone) = zone_of::<i32>(n, &constraints) else { return Ok(()) };
        let clocks: Vec<ClockFrom> = sources.iter()
            .map(|&s| if s == 0 { ClockFrom::Zero } else { ClockFrom::Old((s - 1) % (n as u8 - 1) + 1) })
            .collect();
        let m = clocks.len() + 1;
        let mut image = vec![0; m * m];
        map(n, &zone, &clocks, &mut image);
        let naive = Naive::of(m, &image);
        let mut closed = naive.clone();
        prop_assert!(closed.close());
        prop_assert_eq!(&closed, &naive);
        let (before, after) = (Naive::of(n, &zone).scaled(), naive.scaled());
        for point in points(m, most).iter().step_by(if m > 3 { 7 } else { 1 }) {
            let mut origin = before.clone();
            for (from, value) in clocks.iter().zip(&point[1..]) {
                let clock = if let ClockFrom::Old(old) = from { usize::from(*old) } else { 0 };
                origin.limit(clock, 0, (*value, false));
                origin.limit(0, clock, (-value, false));
            }
            prop_assert_eq!(after.contains(point), origin.close(), "{:?}", point);
        }
    }

    #[test]
    fn renames((n, most, constraints) in any_case(3), a in 1_usize..4, b in 1_usize..4, turn in 0_usize..3) {
        let Some(zone) = zone_of::<i32>(n, &constraints) else { return Ok(()) };
        let (a, b) = ((a - 1) % (n - 1) + 1, (b - 1) % (n - 1) + 1);
        let mut swapped = zone.clone();
        swap(n, &mut swapped, a, b);
        let order: Vec<Clock> = (0..n - 1).map(|c| ((c + turn) % (n - 1) + 1) as Clock).collect();
        let mut turned = zone.clone();
        permute(n, &zone, &order, &mut turned);
        let scaled = [&zone, &swapped, &turned].map(|zone| Naive::of(n, zone).scaled());
        for point in points(n, most) {
            let mut exchanged = point.clone();
            exchanged.swap(a, b);
            prop_assert_eq!(scaled[0].contains(&point), scaled[1].contains(&exchanged));
            let named: Vec<i64> =
                iter::once(0).chain(order.iter().map(|&old| point[usize::from(old)])).collect();
            prop_assert_eq!(scaled[0].contains(&point), scaled[2].contains(&named));
        }
    }

    /// Inclusion and equality are those of the points; the sum of the entries never misleads.
    #[test]
    fn includes(
        (n, most, first, second) in any_case(3).prop_flat_map(|(n, most, first)| {
            (Just(n), Just(most), Just(first), prop::collection::vec(any_constraint(n, most), 0..2 * n))
        })
    ) {
        let (Some(a), Some(b)) = (zone_of::<i32>(n, &first), zone_of::<i32>(n, &second)) else {
            return Ok(());
        };
        let both: Vec<Constraint> = first.iter().chain(&second).copied().collect();
        let (naive_a, naive_b) = (Naive::of(n, &a).scaled(), Naive::of(n, &b).scaled());
        let mut expected = [true; 2];
        for point in points(n, most) {
            let (in_a, in_b) = (naive_a.contains(&point), naive_b.contains(&point));
            expected[0] &= !in_a || in_b;
            expected[1] &= !in_b || in_a;
        }
        prop_assert_eq!(included(&a, &b), expected[0]);
        prop_assert_eq!(included(&b, &a), expected[1]);
        prop_assert_eq!(a == b, expected[0] && expected[1]);
        prop_assert!(!included(&a, &b) || no_greater(&a, &b));
        if let Some(cut) = zone_of::<i64>(n, &both) {
            let whole = zone_of::<i64>(n, &first).unwrap();
            prop_assert!(included(&cut, &whole));
            prop_assert!(no_greater(&cut, &whole));
        }
    }

    /// Every point of the extrapolated zone is simulated by a point of the zone: one that
    /// differs only in clocks above their lower constant, downwards, or above their upper constant, upwards.
    #[test]
    fn extrapolates_within_simulation(
        ((n, most, constraints), (lower, upper)) in any_case(3)
            .prop_flat_map(|case| (Just(case.clone()), any_bounds(case.0, case.1)))
    ) {
        let Some(zone) = zone_of::<i32>(n, &constraints) else { return Ok(()) };
        let mut extra = zone.clone();
        Thresholds::new(&lower, &upper).extrapolate(&mut extra);
        prop_assert!(included(&zone, &extra));
        let (before, after) = (Naive::of(n, &zone).scaled(), Naive::of(n, &extra).scaled());
        let scale = |constant: i64| if constant == NO_BOUND { -1 } else { UNIT * constant };
        for point in points(n, most).iter().filter(|p| after.contains(p)).step_by(if n > 3 { 5 } else { 1 }) {
            let mut better = before.clone();
            for clock in 1..n {
                let value = point[clock];
                if value > scale(lower[clock]) {
                    better.limit(0, clock, (-scale(lower[clock]), true));
                } else {
                    better.limit(0, clock, (-value, false));
                }
                if value <= scale(upper[clock]) {
                    better.limit(clock, 0, (value, false));
                }
            }
            prop_assert!(better.close(), "{:?} is not simulated", point);
        }
    }

    /// The quick closure is the closure; M is inside LU; widths agree.
    #[test]
    fn extrapolates_as_printed(
        (n, constraints, (lower, upper)) in (3_usize..8).prop_flat_map(|n| {
            let constraint = prop_oneof![2 => any_distance(n, 20), 1 => any_constraint(n, 20)];
            (Just(n), prop::collection::vec(constraint, 0..3 * n), any_bounds(n, 20))
        })
    ) {
        let Some(mut zone) = zone_of::<i64>(n, &constraints) else { return Ok(()) };
        let printed = extrapolate_as_printed(&Naive::of(n, &zone), &lower, &upper);
        let mut narrow = zone_of::<i32>(n, &constraints).unwrap();
        let greater: Vec<i64> = lower.iter().zip(&upper).map(|(l, u)| *l.max(u)).collect();
        let mut by_m = zone.clone();
        Thresholds::new(&lower, &upper).extrapolate(&mut zone);
        Thresholds::new(&lower, &upper).extrapolate(&mut narrow);
        Thresholds::new(&greater, &greater).extrapolate(&mut by_m);
        prop_assert_eq!(&Naive::of(n, &zone), &printed);
        prop_assert_eq!(&Naive::of(n, &narrow), &printed);
        prop_assert!(included(&by_m, &zone));
    }

    /// The owned form does what the slices do.
    #[test]
    fn owned_zones_agree((n, _, constraints) in any_case(3)) {
        let slice = zone_of::<i32>(n, &constraints);
        let mut zone = Zone::all(n - 1);
        prop_assert_eq!(zone.constrain_all(&constraints), slice.is_some());
        let Some(mut slice) = slice else { return Ok(()) };
        prop_assert_eq!(&View::new(n, &slice).to_zone(), &zone);
        let clocks = vec![ClockFrom::Zero; 1];
        prop_assert_eq!(zone.map(&clocks), Zone::zero(1));
        elapse(n, &mut slice);
        zone.elapse();
        prop_assert_eq!(&View::new(n, &slice).to_zone(), &zone);
        prop_assert!(zone.is_inside(&Zone::all(n - 1)));
    }
}

/// Clock 1 may be 2 ahead of clock 2, that one 2 ahead of clock 3; so clock 1 is at most 4 ahead of clock
/// 3, which is beyond its constant, but follows from what stays.
#[test]
fn forgotten_entries_come_back_by_way_of_others() {
    let ahead = |left, right| Constraint { left, right, bound: 2, strict: false };
    let mut zone = zone_of::<i32>(4, &[ahead(1, 2), ahead(2, 3)]).unwrap();
    let before = zone.clone();
    Thresholds::new(&[0, 3, 3, 3], &[0, 3, 3, 3]).extrapolate(&mut zone);
    assert_eq!(zone, before);
}

#[test]
fn constants_cover_comparisons() {
    let thresholds = Thresholds::<i32>::new(&[0, 5, NO_BOUND], &[0, NO_BOUND, 7]);
    assert!(thresholds.cover(&Constraint::at_least(1, 5)) && thresholds.cover(&Constraint::above(1, 4)));
    assert!(!thresholds.cover(&Constraint::at_least(1, 6)) && !thresholds.cover(&Constraint::at_least(2, 1)));
    assert!(thresholds.cover(&Constraint::at_least(2, 0)) && !thresholds.cover(&Constraint::above(2, 0)));
    assert!(thresholds.cover(&Constraint::at_most(2, 7)) && thresholds.cover(&Constraint::below(2, 3)));
    assert!(!thresholds.cover(&Constraint::at_most(2, 8)) && !thresholds.cover(&Constraint::at_most(1, 0)));
}

#[test]
fn bounds_are_read_off() {
    let constraints = [Constraint::at_least(1, 2), Constraint::below(1, 5), Constraint::above(2, 1)];
    let zone = zone_of::<i32>(3, &constraints).unwrap();
    let view = View::new(3, &zone);
    assert_eq!((view.lower(1), view.upper(1)), (2, Some(5)));
    assert_eq!((view.lower(2), view.upper(2)), (1, None));
    assert_eq!(view.difference(1, 2), Some((4, true)));
    assert_eq!(view.difference(2, 1), None);
    assert_eq!(format!("{:?}", Zone::zero(1)), "{0-1<=0, 1-0<=0}");
}

fn no_greater<T: Scalar>(a: &[T], b: &[T]) -> bool {
    weights(a).iter().zip(weights(b)).all(|(a, b)| *a <= b)
}
