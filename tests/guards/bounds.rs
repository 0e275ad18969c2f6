//! What is said of a guard without a run is true of every run, and some run reaches it.

use idemcheck::guard::{
    Anchor, Backoff, Breaker, BreakerRules, Calls, CooldownFromCompletion, CooldownFromStart, Edge, Event,
    Guard, InFlight, Judging, Lease, NomadMode, Pace, PopulationGate, PopulationRule, Portion, QuietReset,
    QuietResetRules, Quota, Rounding, Sliding, Tumbling,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn edge() -> impl Strategy<Value = Edge> {
    prop_oneof![Just(Edge::Reached), Just(Edge::Exceeded)]
}

/// A guard of any kind that heeds attempts and their ends, with what it is called.
fn guard() -> impl Strategy<Value = (&'static str, Box<dyn Guard>)> {
    let quota =
        || {
            (prop::option::weighted(0.9, 0_u64..5), 1_i64..25, edge())
                .prop_map(|(limit, span_ms, edge)| Quota { limit, span_ms, edge })
        };
    let boxed = |name: &'static str, guard: Box<dyn Guard>| (name, guard);
    prop_oneof![
        quota().prop_map(move |quota| boxed("tumbling", Box::new(Tumbling::new(quota)))),
        quota().prop_map(move |quota| boxed("tumbling stops", Box::new(Tumbling::new(quota).stopping()))),
        (1_u64..4, 1_i64..25).prop_map(move |(limit, span)| {
            boxed("tumbling defers", Box::new(Tumbling::nomad(limit, span, NomadMode::Delay, 0)))
        }),
        (quota(), 1_i64..5).prop_map(move |(quota, resolution)| {
            boxed("sliding", Box::new(Sliding::new(quota).with_resolution(resolution)))
        }),
        (0_i64..25, edge()).prop_map(move |(pause, edge)| boxed(
            "from start",
            Box::new(CooldownFromStart::new(pause, edge))
        )),
        (0_i64..25, edge()).prop_map(move |(pause, edge)| {
            boxed("from completion", Box::new(CooldownFromCompletion::new(pause, edge)))
        }),
        (prop::option::of(0_u64..4), 0_i64..25, edge(), (0_i64..6, 0_i64..12), any::<bool>()).prop_map(
            move |(attempts, quiet_ms, edge, (first_ms, max_ms), start)| {
                let anchor = if start { Anchor::Start } else { Anchor::Completion };
                let backoff = Backoff { first_ms, max_ms };
                let rules = QuietResetRules { attempts, quiet_ms, edge, backoff, anchor };
                boxed("quiet reset", Box::new(QuietReset::new(rules)))
            }
        ),
        (0_u64..4).prop_map(move |cap| {
            boxed("in flight", Box::new(InFlight::new(Portion::Count(cap), Rounding::Down)))
        }),
        prop::option::of(1_i64..25).prop_map(move |ttl| boxed("lease", Box::new(Lease::new(ttl)))),
        (1_u64..5, 0_u64..5, 0_i64..8).prop_map(move |(count, minimum_calls, span)| {
            let calls =
                if span == 0 { Calls::Last(count) } else { Calls::Within { span_ms: span, slice_ms: 0 } };
            let rules = BreakerRules {
                calls,
                failure_percent: 50,
                minimum_calls,
                judging: Judging::Failures,
                open_ms: 20,
                edge: Edge::Reached,
                trials: 1,
            };
            boxed("breaker", Box::new(Breaker::new(rules)))
        }),
    ]
}

/// Attempts at these moments; each admitted action fails and ends so much later, if it ends.
///
/// At one and the same moment, an attempt comes before an end.
fn run(guard: &mut dyn Guard, attempts: &[(i64, Option<i64>)]) -> (Vec<i64>, usize) {
    let mut ends: Vec<(i64, i64)> = Vec::new();
    let (mut admitted, mut refused) = (Vec::new(), 0);
    for (now, takes) in attempts {
        ends.sort_unstable();
        while let Some((end, began_ms)) = ends.first().copied().filter(|(end, _)| end < now) {
            ends.remove(0);
            guard.tell(end, Event::Failed);
            guard.tell(end, Event::Ended { began_ms });
        }
        if guard.admit(*now).is_admitted() {
            admitted.push(*now);
            ends.extend(takes.map(|takes| (now + takes, *now)));
        } else {
            refused += 1;
        }
    }
    (admitted, refused)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_run_exceeds_the_bound(
        (name, mut guard) in guard(),
        spacing in 0_i64..5,
        span in 0_i64..40,
        pauses in vec((0_i64..8, 0_i64..9), 0..60),
    ) {
        let mut now = 0;
        let attempts: Vec<(i64, Option<i64>)> = pauses.iter().map(|(pause, takes)| {
            now += spacing + pause;
            (now, Some(*takes))
        }).collect();
        let pace = Pace::spaced(spacing);
        let bound = guard.admissions_max(span, &pace);
        let (admitted, _) = run(&mut *guard, &attempts);
        for from in &admitted {
            let count = admitted.iter().filter(|at| (*from..=from + span).contains(at)).count() as u64;
            prop_assert!(bound.is_none_or(|bound| count <= bound), "{name}: {count} in {span}, not {bound:?}");
        }
    }

    #[test]
    fn a_dead_guard_refuses_nothing(
        (name, mut guard) in guard(),
        spacing in 0_i64..30,
        longest in prop::option::of(0_i64..30),
        most in prop::option::of(0_usize..8),
        pauses in vec((prop_oneof![2 => Just(0_i64), 1 => 0_i64..4], any::<prop::sample::Index>()), 0..40),
    ) {
        let pace = Pace {
            duration_ms_max: longest,
            attempts_max: most.map(|most| most as u64),
            ..Pace::spaced(spacing)
        };
        let mut now = 0;
        let attempts: Vec<(i64, Option<i64>)> = pauses.iter().take(most.unwrap_or(usize::MAX)).map(|(pause, takes)| {
            now += spacing + pause;
            (now, longest.map(|longest| takes.index(longest as usize + 1) as i64))
        }).collect();
        let dead = guard.is_dead(&pace);
        let (_, refused) = run(&mut *guard, &attempts);
        prop_assert!(!dead || refused == 0, "{name} is dead, and refused {refused}");
    }

    /// The densest run of the pace: every action takes as long as it can, none does what it is for.
    #[test]
    fn a_guard_that_is_not_dead_refuses_the_densest_run(
        (name, mut guard) in guard(),
        spacing in 0_i64..30,
        longest in prop::option::of(0_i64..30),
    ) {
        // How close results come is judged with caution, one may take long and the next not; and several at one
        // moment are not told between the attempts.
        let (spacing, longest) = if name == "breaker" { (spacing.max(1), Some(0)) } else { (spacing, longest) };
        let pace = Pace { duration_ms_max: longest, ..Pace::spaced(spacing) };
        let attempts: Vec<(i64, Option<i64>)> = (0..60).map(|index| (index * spacing, longest)).collect();
        let dead = guard.is_dead(&pace);
        let (_, refused) = run(&mut *guard, &attempts);
        prop_assert_eq!(dead, refused == 0, "{}", name);
    }

    /// Attempts at every moment, as many as are admitted. Spans are multiples of a hundred milliseconds, so that
    /// the millisecond by which an exceeded edge is late can be neglected, as it is in dense time.
    #[test]
    fn some_run_reaches_the_bound(
        limit in 1_u64..4, window in 1_i64..5, span in 1_i64..12, edge in edge(),
    ) {
        let (window, span) = (100 * window, 100 * span);
        let quota = Quota { limit: Some(limit), span_ms: window, edge };
        let rules = QuietResetRules {
            attempts: Some(limit), quiet_ms: window, edge, backoff: Backoff::NONE, anchor: Anchor::Start,
        };
        let greedy = |guard: &mut dyn Guard, from: i64| {
            let mut count = 0;
            let mut now = from;
            while now <= from + span {
                let answer = guard.admit(now);
                count += u64::from(answer.is_admitted());
                now = answer.from_ms().unwrap_or(now);
            }
            count
        };
        // The window opens with one, and the rest come at its very end.
        let mut late = Tumbling::new(quota);
        late.admit(0);
        let last = if edge == Edge::Reached { window - 1 } else { window };
        let best = greedy(&mut Tumbling::new(quota), 0).max(greedy(&mut late, last));
        prop_assert_eq!(late.admissions_max(span, &Pace::UNBOUNDED), Some(best));
        let reached = |mut guard: Box<dyn Guard>| {
            let best = greedy(&mut *guard, 0);
            guard.admissions_max(span, &Pace::UNBOUNDED) == Some(best)
        };
        prop_assert!(reached(Box::new(Sliding::new(quota))));
        prop_assert!(reached(Box::new(CooldownFromStart::new(window, edge))));
        prop_assert!(reached(Box::new(QuietReset::new(rules))));
    }
}

#[test]
fn a_tumbling_window_lets_almost_twice_its_quota_through() {
    let bound = |guard: &dyn Guard, span_ms: i64| guard.admissions_max(span_ms, &Pace::UNBOUNDED);
    assert_eq!(bound(&Tumbling::systemd(5, 10_000), 10_000), Some(9));
    assert_eq!(bound(&Sliding::erlang(5, 10), 10_000), Some(5));
    let reached = Quota { limit: Some(5), span_ms: 10_000, edge: Edge::Reached };
    assert_eq!(bound(&Tumbling::new(reached), 10_000), Some(10));
    // Where nothing takes any time, a restart at the very end of the interval is deferred to that moment.
    assert_eq!(bound(&Tumbling::nomad(2, 10_000, NomadMode::Delay, 0), 10_000), None);
    assert_eq!(bound(&InFlight::new(Portion::Count(1), Rounding::Down), 10_000), None);
    let pace = Pace::spaced(1_000);
    assert_eq!(InFlight::new(Portion::Count(1), Rounding::Down).admissions_max(10_000, &pace), Some(11));
}

#[test]
fn a_gate_that_is_open_to_any_fleet_is_dead() {
    let pace = Pace { population: Some(6), ..Pace::UNBOUNDED };
    for (low, high, dead) in [(0, 6, true), (0, 5, false), (1, 6, false)] {
        let gate = PopulationGate::new(PopulationRule::UnhealthyInRange { low, high });
        assert_eq!(gate.is_dead(&pace), dead, "{low} to {high}");
    }
}
