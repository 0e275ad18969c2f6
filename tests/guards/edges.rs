//! What is exactly at an edge, in the words of the systems that have it.

use idemcheck::guard::{
    Anchor, Answer, Backoff, Breaker, BreakerRules, Calls, CooldownFromCompletion, CooldownFromStart, Edge,
    Event, Flap, FlapAlgorithm, Guard, InFlight, Judging, Pace, Portion, QuietReset, QuietResetRules, Quota,
    Rounding, Sliding, Stabilization, Tumbling, admit_all,
};
use idemcheck::guard::{
    Direction, Lease, PatroniTimings, Population, PopulationGate, RatePolicy, RateRules, ScaleRate,
    SelectPolicy,
};

fn starts(guard: &mut dyn Guard, moments: &[i64]) -> Vec<bool> {
    moments.iter().map(|now| guard.admit(*now).is_admitted()).collect()
}

/// Three starts of 20 s in a minute: the fourth comes at the end of the window exactly, and is in it.
#[test]
fn systemd_forgets_after_the_end_of_the_window() {
    let mut unit = Tumbling::systemd(3, 60_000);
    assert_eq!(starts(&mut unit, &[0, 20_000, 40_000, 60_000]), [true, true, true, false]);
    assert_eq!(unit.ask(60_000), Answer::Limited { from_ms: Some(60_001) });
    let mut unit = Tumbling::systemd(3, 60_000);
    assert_eq!(starts(&mut unit, &[0, 20_001, 40_002, 60_003]), [true; 4]);
    assert!(Tumbling::systemd(0, 60_000).is_dead(&Pace::UNBOUNDED));
    assert!(Tumbling::systemd(3, 0).is_dead(&Pace::UNBOUNDED));
}

/// Intensity 1, period 5: the clock has whole seconds, and both ends of the period count.
#[test]
fn erlang_counts_whole_seconds() {
    let restarts = |moments: [i64; 2]| starts(&mut Sliding::erlang(1, 5), &moments);
    assert_eq!(restarts([0, 5_999]), [true, false]);
    assert_eq!(restarts([0, 6_000]), [true, true]);
    // Barely more than the period, and forgotten all the same.
    assert_eq!(restarts([999, 6_000]), [true, true]);
    let mut supervisor = Sliding::erlang(0, 5);
    assert_eq!(supervisor.admit(0), Answer::Exhausted { from_ms: None });
}

#[test]
fn orchestrator_blocks_until_the_period_is_exceeded() {
    let mut block = CooldownFromStart::orchestrator(3_600);
    assert!(block.admit(0).is_admitted());
    assert_eq!(block.ask(3_600_000), Answer::Cooling { from_ms: Some(3_600_001) });
}

/// One try and `max_retry` more. At the end of the healthy period exactly, the count starts anew.
#[test]
fn cluster_api_forgets_at_the_end_of_the_period() {
    let mut control_plane = QuietReset::cluster_api(Some(2), 10, 100);
    assert_eq!(starts(&mut control_plane, &[0, 9, 10, 20]), [true, false, true, true]);
    assert_eq!(control_plane.ask(119), Answer::Exhausted { from_ms: Some(120) });
    assert_eq!(starts(&mut control_plane, &[120, 130, 140, 150]), [true, true, true, false]);
}

#[test]
fn crash_loops_wait_from_their_end() {
    let mut pod = QuietReset::crash_loop();
    let mut now = 0;
    for wait in [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000] {
        assert!(pod.admit(now).is_admitted());
        assert_eq!(pod.ask(now + 1), Answer::Cooling { from_ms: None });
        pod.tell(now + 1, Event::Ended { began_ms: now });
        assert_eq!(pod.ask(now + 1), Answer::Cooling { from_ms: Some(now + 1 + wait) });
        now += 1 + wait;
    }
    let ended = now - 300_000;
    assert!(pod.admit(ended + 600_001).is_admitted());
    pod.tell(ended + 600_001, Event::Ended { began_ms: ended + 600_001 });
    assert_eq!(pod.ask(ended + 600_001).from_ms(), Some(ended + 610_001));
}

fn results(breaker: &mut Breaker, now_ms: i64, failed: &[bool]) {
    for failed in failed {
        breaker.tell(now_ms, if *failed { Event::Failed } else { Event::Succeeded });
    }
}

#[test]
fn resilience4j_judges_every_hundredth_call_and_opens_late() {
    let mut breaker = Breaker::resilience4j();
    results(&mut breaker, 0, &[true; 99]);
    assert!(breaker.ask(0).is_admitted());
    // The hundredth succeeds, and opens it.
    results(&mut breaker, 0, &[false]);
    assert_eq!(breaker.ask(60_000), Answer::Open { from_ms: Some(60_001) });
    assert!((0..10).all(|_| breaker.admit(60_001).is_admitted()));
    assert_eq!(breaker.admit(60_001), Answer::Open { from_ms: None });
    // Half of the trials: still too many.
    results(&mut breaker, 60_001, &[true, true, true, true, true, false, false, false, false, false]);
    assert_eq!(breaker.ask(60_001), Answer::Open { from_ms: Some(120_002) });
    assert!((0..10).all(|_| breaker.admit(120_002).is_admitted()));
    results(&mut breaker, 120_002, &[true, true, true, true, false, false, false, false, false, false]);
    assert!(breaker.ask(120_002).is_admitted());
    assert!(Breaker::resilience4j().is_dead(&Pace { attempts_max: Some(99), ..Pace::UNBOUNDED }));
}

#[test]
fn polly_judges_failures_and_opens_in_time() {
    let mut breaker = Breaker::polly();
    results(&mut breaker, 0, &[true; 10]);
    results(&mut breaker, 0, &[false; 90]);
    assert!(breaker.ask(0).is_admitted());
    results(&mut breaker, 0, &[true]);
    assert_eq!(breaker.ask(4_999), Answer::Open { from_ms: Some(5_000) });
    assert!(breaker.admit(5_000).is_admitted());
    assert_eq!(breaker.admit(5_000), Answer::Open { from_ms: None });
    results(&mut breaker, 5_000, &[false]);
    assert!(breaker.admit(5_000).is_admitted());
    // Slices of 3 s are forgotten whole: a call at 2.9 s is gone at 30 s, with that of 0 s.
    let mut breaker = Breaker::polly();
    results(&mut breaker, 0, &[true]);
    results(&mut breaker, 2_900, &[true; 98]);
    results(&mut breaker, 30_000, &[true; 2]);
    assert!(breaker.ask(30_000).is_admitted());
    results(&mut breaker, 30_000, &[true; 98]);
    assert!(!breaker.ask(30_000).is_admitted());
}

#[test]
fn flap_detectors_need_some_checks() {
    assert_eq!(Flap::new(FlapAlgorithm::Nagios, 5, 20).checks_to_flap(), Some(4));
    assert_eq!(Flap::nagios().checks_to_flap(), Some(6));
    assert_eq!(Flap::icinga2().checks_to_flap(), Some(6));
    // All weights together are 99 %.
    let never = Flap::new(FlapAlgorithm::Icinga2, 25, 99);
    assert!(never.is_dead(&Pace::UNBOUNDED));
    assert!(!Flap::new(FlapAlgorithm::Nagios, 25, 100).is_dead(&Pace::UNBOUNDED));
    assert!(Flap::is_recorded(false, 0) && !Flap::is_recorded(false, 2));
}

/// How many of all pasts have a weighted sum exactly at the threshold, and how many of these the rounding of
/// doubles puts on the wrong side. An exact sum would not be what the real ones compute.
#[test]
fn the_rounding_of_doubles_decides_at_the_threshold() {
    let mut flap = [0_u32; 2];
    let mut at = [0_u32; 2];
    for past in 0..1_u32 << 20 {
        let changed = |age: u32| past >> age & 1 == 1;
        let ages = || (0..20).filter(|age| changed(*age));
        // In hundredths, and in 76ths.
        let icinga: u32 = ages().map(|age| 80 + 2 * age).sum();
        let nagios: u32 = ages().map(|age| 57 + 2 * age).sum();
        for (which, exact, algorithm) in [
            (0, icinga == 30 * 20, FlapAlgorithm::Icinga2),
            (1, 5 * nagios == 76 * 30, FlapAlgorithm::Nagios),
        ] {
            if !exact {
                continue;
            }
            let mut guard = Flap::new(algorithm, 0, 200);
            let mut state = 0;
            for age in 0..20 {
                state ^= u8::from(changed(age));
                guard.tell(0, Event::Observed { state });
            }
            at[which] += 1;
            flap[which] +=
                u32::from(if which == 0 { guard.percent() > 30.0 } else { guard.percent() < 30.0 });
        }
    }
    assert_eq!((at, flap), ([1_203, 1_242], [140, 3]));
}

#[test]
fn a_tenth_of_a_hundred_is_eleven() {
    let policy = RatePolicy::Percent { value: 10, period_ms: 60_000 };
    let rules = RateRules { select: SelectPolicy::Max, policies: vec![policy] };
    let mut rate = ScaleRate::new(rules.clone(), rules);
    rate.tell(0, Event::Recommended { current: 100, desired: 1_000 });
    assert_eq!(rate.limit(0, Direction::Up), 111);
    assert_eq!(rate.limit(0, Direction::Down), 90);
}

/// Down waits for the highest of five minutes, up for nothing.
#[test]
fn a_stabilization_window_holds_a_reversal_back() {
    let mut window = Stabilization::new(0, 300_000);
    window.tell(0, Event::Recommended { current: 5, desired: 9 });
    assert_eq!(window.target(0), 9);
    window.tell(15_000, Event::Recommended { current: 9, desired: 4 });
    assert_eq!(window.ask(15_000), Answer::Cooling { from_ms: Some(300_000) });
    assert_eq!(window.target(299_999), 9);
    assert_eq!(window.target(300_000), 4);
}

#[test]
fn a_holder_that_lost_its_lock_frees_no_one_elses() {
    let mut lock = Lease::kured(10);
    assert_eq!(starts(&mut lock, &[0, 9, 10]), [true, false, true]);
    lock.tell(11, Event::Ended { began_ms: 0 });
    assert_eq!(lock.ask(11), Answer::Limited { from_ms: Some(20) });
    lock.tell(12, Event::Ended { began_ms: 10 });
    assert!(lock.ask(12).is_admitted());
    let mut forever = Lease::kured(0);
    assert!(forever.admit(0).is_admitted());
    assert_eq!(forever.ask(i64::MAX), Answer::Limited { from_ms: None });
}

#[test]
fn a_budget_of_a_fleet_that_nobody_counted_is_nothing() {
    let mut budget = InFlight::new(Portion::Percent(20), Rounding::Up);
    assert_eq!(budget.admit(0), Answer::Limited { from_ms: None });
    budget.tell(0, Event::Counted(Population { total: 3, healthy: 3 }));
    assert_eq!(starts(&mut budget, &[0, 0]), [true, false]);
}

/// What one refuses, none of the others counts.
#[test]
fn guards_admit_together_or_not_at_all() {
    let quota = Quota { limit: Some(2), span_ms: 100, edge: Edge::Reached };
    let mut window = Sliding::new(quota);
    let mut pause = CooldownFromCompletion::new(10, Edge::Reached);
    let mut admit = |now: i64, ended: Option<i64>| {
        if let Some(began_ms) = ended {
            pause.tell(now, Event::Ended { began_ms });
        }
        admit_all(&mut [&mut window, &mut pause], now)
    };
    assert_eq!(admit(0, None), Answer::Admitted);
    assert_eq!(admit(5, None), Answer::Cooling { from_ms: None });
    assert_eq!(admit(7, Some(0)), Answer::Cooling { from_ms: Some(17) });
    assert_eq!(admit(17, None), Answer::Admitted);
    assert_eq!(admit(40, Some(17)), Answer::Limited { from_ms: Some(100) });
}

#[test]
fn minimums_and_waits_that_nothing_reaches_are_dead() {
    let rules = BreakerRules {
        calls: Calls::Within { span_ms: 100, slice_ms: 0 },
        failure_percent: 50,
        minimum_calls: 5,
        judging: Judging::Failures,
        open_ms: 60,
        edge: Edge::Reached,
        trials: 1,
    };
    let pace = |spacing_ms: i64| Pace { duration_ms_max: Some(0), ..Pace::spaced(spacing_ms) };
    assert!(Breaker::new(rules).is_dead(&pace(25)));
    assert!(!Breaker::new(rules).is_dead(&pace(24)));
    // It opens, and nobody comes before it would try again.
    assert!(Breaker::new(BreakerRules { open_ms: 24, ..rules }).is_dead(&pace(24)));
    let counter = QuietReset::new(QuietResetRules {
        attempts: Some(3),
        quiet_ms: 60,
        edge: Edge::Reached,
        backoff: Backoff::NONE,
        anchor: Anchor::Start,
    });
    // A fault that recurs more slowly than the counter forgets is acted upon for ever.
    assert!(counter.is_dead(&pace(60)));
    assert!(!counter.is_dead(&pace(59)));
}

/// Whoever comes at the very moment of the end may come before it.
#[test]
fn an_end_and_an_attempt_at_one_moment_can_come_in_either_order() {
    let guard = CooldownFromCompletion::new(0, Edge::Reached);
    let pace = |longest: i64| Pace { duration_ms_max: Some(longest), ..Pace::spaced(10) };
    assert!(!guard.is_dead(&pace(10)));
    assert!(guard.is_dead(&pace(9)));
}

/// 40 % of six machines are two in Cluster API, and leave three to be well in Medik8s.
#[test]
fn health_checks_round_in_different_directions() {
    let admits = |mut gate: PopulationGate, healthy: u64| {
        gate.tell(0, Event::Counted(Population { total: 6, healthy }));
        gate.ask(0).is_admitted()
    };
    assert!(admits(PopulationGate::machine_health_check("40%"), 4));
    assert!(!admits(PopulationGate::machine_health_check("40%"), 3));
    assert!(admits(PopulationGate::node_health_check(Portion::Percent(40)), 3));
    assert!(!admits(PopulationGate::node_health_check(Portion::Percent(40)), 2));
    // All of them may be sick: the gate is open whatever happens.
    assert!(PopulationGate::machine_health_check("100%").is_dead(&Pace::UNBOUNDED));
    assert!(!PopulationGate::machine_health_check("99%").is_dead(&Pace::UNBOUNDED));
}

/// The loop is shortened before the retry is.
#[test]
fn patroni_shortens_the_loop_first() {
    let timings = |loop_wait_s| PatroniTimings { ttl_s: 30, loop_wait_s, retry_timeout_s: 12 };
    assert_eq!(timings(10).adjusted(), timings(6));
    assert!(!timings(7).holds() && timings(6).holds());
}
