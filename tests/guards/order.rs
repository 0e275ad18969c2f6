//! Which guard allows more: by its numbers, and by its kind.

use idemcheck::guard::{CooldownFromStart, Edge, Guard, Quota, Sliding, Tumbling};
use proptest::collection::vec;
use proptest::prelude::*;

/// After each attempt, how many have been admitted.
fn totals(mut guard: impl Guard, attempts: &[i64]) -> Vec<usize> {
    let mut total = 0;
    let admit = |now: &i64| {
        total += usize::from(guard.admit(*now).is_admitted());
        total
    };
    attempts.iter().map(admit).collect()
}

/// The moments that are admitted.
fn admitted(mut guard: impl Guard, attempts: &[i64]) -> Vec<i64> {
    attempts.iter().copied().filter(|now| guard.admit(*now).is_admitted()).collect()
}

/// The most in any window, both ends included.
fn densest(admitted: &[i64], span: i64) -> usize {
    let within = |from: &i64| admitted.iter().filter(|at| (*from..=from + span).contains(at)).count();
    admitted.iter().map(within).max().unwrap_or(0)
}

fn at_least(more: &[usize], less: &[usize]) -> bool {
    more.iter().zip(less).all(|(more, less)| more >= less)
}

fn attempts() -> impl Strategy<Value = Vec<i64>> {
    vec(0_i64..7, 0..60).prop_map(|pauses| {
        let step = |now: &mut i64, pause: i64| {
            *now += pause;
            Some(*now)
        };
        pauses.into_iter().scan(0, step).collect()
    })
}

fn edge() -> impl Strategy<Value = Edge> {
    prop_oneof![Just(Edge::Reached), Just(Edge::Exceeded)]
}

fn quota(limit: u64, span_ms: i64, edge: Edge) -> Quota {
    Quota { limit: Some(limit), span_ms, edge }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// A window that tumbles allows whatever one that slides allows, and up to twice as much in some window.
    #[test]
    fn tumbling_allows_more_than_sliding(
        limit in 1_u64..5, span in 1_i64..25, edge in edge(), attempts in attempts(),
    ) {
        let quota = quota(limit, span, edge);
        let (tumbling, sliding) = (totals(Tumbling::new(quota), &attempts), totals(Sliding::new(quota), &attempts));
        prop_assert!(at_least(&tumbling, &sliding), "{:?} {:?}", tumbling, sliding);
        let quota = Quota { edge: Edge::Exceeded, ..quota };
        let limit = limit as usize;
        prop_assert!(densest(&admitted(Tumbling::new(quota), &attempts), span) < 2 * limit);
        prop_assert!(densest(&admitted(Sliding::new(quota), &attempts), span) <= limit);
    }

    #[test]
    fn a_higher_limit_allows_no_less(limit in 0_u64..5, span in 0_i64..25, edge in edge(), attempts in attempts()) {
        let [low, high] = [limit, limit + 1].map(|limit| quota(limit, span, edge));
        let [less, more] = [low, high].map(|quota| totals(Tumbling::new(quota), &attempts));
        prop_assert!(at_least(&more, &less));
        let [less, more] = [low, high].map(|quota| totals(Sliding::new(quota), &attempts));
        prop_assert!(at_least(&more, &less));
    }

    /// What slides allows no less when it forgets sooner, be it by one edge.
    #[test]
    fn a_shorter_memory_allows_no_less(limit in 1_u64..5, span in 1_i64..25, attempts in attempts()) {
        let spans = [(span, Edge::Exceeded), (span, Edge::Reached), (span - 1, Edge::Reached)];
        let windows = spans.map(|(span, edge)| totals(Sliding::new(quota(limit, span, edge)), &attempts));
        let pauses = spans.map(|(span, edge)| totals(CooldownFromStart::new(span, edge), &attempts));
        for [less, more, most] in [windows, pauses] {
            prop_assert!(at_least(&more, &less) && at_least(&most, &more));
        }
    }

    /// A cooldown is a window for one, of either kind.
    #[test]
    fn a_cooldown_is_a_window_for_one(span in 0_i64..25, edge in edge(), attempts in attempts()) {
        let pause = admitted(CooldownFromStart::new(span, edge), &attempts);
        prop_assert_eq!(&pause, &admitted(Sliding::new(quota(1, span, edge)), &attempts));
        prop_assert_eq!(&pause, &admitted(Tumbling::new(quota(1, span, edge)), &attempts));
    }
}

/// A window that forgets sooner may allow less, if it tumbles: its next one begins at another moment.
#[test]
fn a_shorter_tumbling_window_can_allow_less() {
    let attempts = [0, 10, 15, 16, 17];
    let admitted = |span| admitted(Tumbling::new(quota(2, span, Edge::Reached)), &attempts);
    assert_eq!(admitted(11), [0, 10, 15, 16]);
    assert_eq!(admitted(10), [0, 10, 15]);
}
