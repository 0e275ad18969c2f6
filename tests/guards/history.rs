//! A guard keeps little; here its answer is found again from everything that ever happened.
//!
//! The references know the whole history and say only whether they would admit at a moment, and with
//! which kind of answer. From which moment on they would admit is found by trying one after another.

use idemcheck::guard::{
    Anchor, Answer, Backoff, Breaker, BreakerRules, Calls, CooldownFromCompletion, CooldownFromStart, Edge,
    Event, Flap, FlapAlgorithm, Guard, InFlight, Judging, Lease, Population, PopulationGate, PopulationRule,
    Portion, QuietReset, QuietResetRules, Quota, RatePolicy, RateRules, Rounding, ScaleRate, SelectPolicy,
    Sliding, Stabilization, Tumbling,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Longer than any span in these tests, and every sum of a few.
const HORIZON_MS: i64 = 200;

#[derive(Clone, Copy, Debug)]
enum Op {
    Ask,
    /// The end of one of the actions that were admitted, perhaps told twice.
    End(prop::sample::Index),
    Tell(Event),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Happened {
    Admitted,
    Refused,
    Told(Event),
}

/// Everything so far, oldest first.
#[derive(Default)]
struct History(Vec<(i64, Happened)>);

impl History {
    fn admitted(&self) -> Vec<i64> {
        self.0.iter().filter(|(_, what)| *what == Happened::Admitted).map(|(at, _)| *at).collect()
    }

    fn told(&self) -> impl DoubleEndedIterator<Item = (i64, Event)> {
        self.0.iter().filter_map(|(at, what)| match what {
            Happened::Told(event) => Some((*at, *event)),
            _ => None,
        })
    }

    /// Each admission, and when its end was told, if it was.
    fn runs(&self) -> Vec<(i64, Option<i64>)> {
        let run = |(index, began): (usize, i64)| {
            let end = Happened::Told(Event::Ended { began_ms: began });
            (began, self.0[index..].iter().find(|(_, what)| *what == end).map(|(at, _)| *at))
        };
        let admitted = self.0.iter().enumerate().filter(|(_, (_, what))| *what == Happened::Admitted);
        admitted.map(|(index, (at, _))| (index, *at)).map(run).collect()
    }
}

/// What a reference says: the kind of the answer, as a letter; `X` is for good.
type Kind = char;

fn kind(answer: Answer) -> Kind {
    match answer {
        Answer::Admitted => 'a',
        Answer::Cooling { .. } => 'c',
        Answer::Limited { .. } => 'l',
        Answer::Open { .. } => 'o',
        Answer::Flapping => 'f',
        Answer::Exhausted { from_ms: None } => 'X',
        Answer::Exhausted { from_ms: Some(_) } => 'x',
    }
}

fn over(edge: Edge, since: i64, now: i64, span: i64) -> bool {
    match edge {
        Edge::Reached => now - since >= span,
        Edge::Exceeded => now - since > span,
    }
}

/// Runs a guard through the steps, each some milliseconds after the one before.
fn agree(mut guard: impl Guard + Clone, steps: &[(i64, Op)], reference: impl Fn(&History, i64) -> Kind) {
    let mut history = History::default();
    let mut now = -3;
    for (pause, op) in steps {
        now += pause;
        match op {
            Op::Ask => {
                let expected = reference(&history, now);
                let from = (!['a', 'f', 'X'].contains(&expected))
                    .then(|| (now + 1..now + HORIZON_MS).find(|at| reference(&history, *at) == 'a'))
                    .flatten();
                let asked = guard.ask(now);
                assert_eq!((kind(asked), asked.from_ms()), (expected, from), "at {now}: {:?}", history.0);
                assert_eq!(guard.admit(now), asked, "asking and admitting differ");
                let what = if asked.is_admitted() { Happened::Admitted } else { Happened::Refused };
                history.0.push((now, what));
            }
            Op::End(which) => {
                let admitted = history.admitted();
                if !admitted.is_empty() {
                    let event = Event::Ended { began_ms: *which.get(&admitted) };
                    guard.tell(now, event);
                    history.0.push((now, Happened::Told(event)));
                }
            }
            Op::Tell(event) => {
                guard.tell(now, *event);
                history.0.push((now, Happened::Told(*event)));
            }
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Succeeded),
        Just(Event::Failed),
        (0_u8..3).prop_map(|state| Event::Observed { state }),
        (0_u64..7, 0_u64..7).prop_map(|(total, healthy)| Event::Counted(Population { total, healthy })),
        (0_i64..9, 0_i64..9).prop_map(|(current, desired)| Event::Recommended { current, desired }),
    ]
}

/// Mostly questions and ends.
fn steps() -> impl Strategy<Value = Vec<(i64, Op)>> {
    let op = prop_oneof![
        4 => Just(Op::Ask),
        3 => any::<prop::sample::Index>().prop_map(Op::End),
        1 => event().prop_map(Op::Tell),
    ];
    vec((0_i64..6, op), 0..40)
}

/// Questions among events of one sort.
fn steps_with(events: impl Strategy<Value = Event>) -> impl Strategy<Value = Vec<(i64, Op)>> {
    vec((0_i64..6, prop_oneof![2 => Just(Op::Ask), 3 => events.prop_map(Op::Tell)]), 0..60)
}

fn edge() -> impl Strategy<Value = Edge> {
    prop_oneof![Just(Edge::Reached), Just(Edge::Exceeded)]
}

fn quota() -> impl Strategy<Value = Quota> {
    (prop::option::weighted(0.9, 0_u64..5), 0_i64..25, edge()).prop_map(|(limit, span_ms, edge)| Quota {
        limit,
        span_ms,
        edge,
    })
}

/// Whether as many attempts as may have already acted in the window that is open now.
fn spent_tumbling(quota: Quota, opened: Option<i64>, counted: &[i64], now: i64) -> bool {
    let Some(limit) = quota.limit else { return false };
    let mut windows: Vec<(i64, u64)> = opened.map(|at| (at, 0)).into_iter().collect();
    for at in counted {
        match windows.last_mut() {
            Some((opened, used)) if !over(quota.edge, *opened, *at, quota.span_ms) => *used += 1,
            _ => windows.push((*at, 1)),
        }
    }
    windows
        .last()
        .is_some_and(|(opened, used)| *used >= limit && !over(quota.edge, *opened, now, quota.span_ms))
}

fn judge(rules: BreakerRules, failures: usize, calls: usize) -> bool {
    failures as f64 / calls as f64 >= rules.failure_percent as f64 / 100.0
}

/// Whether the results since the breaker closed last open it, now that one more came.
fn trips(rules: BreakerRules, results: &[(i64, bool)]) -> bool {
    let (now, failed) = *results.last().unwrap();
    let fresh: Vec<bool> = match rules.calls {
        Calls::Last(count) => results.iter().rev().take(count as usize).map(|(_, failed)| *failed).collect(),
        Calls::Within { span_ms, slice_ms } => {
            let mut begins = results[0].0;
            let mut dated = Vec::new();
            for (at, failed) in results {
                if at - begins >= slice_ms {
                    begins = *at;
                }
                dated.push((begins, *failed));
            }
            dated.into_iter().filter(|(begins, _)| now - begins < span_ms).map(|(_, failed)| failed).collect()
        }
    };
    let minimum = match rules.calls {
        Calls::Last(count) => rules.minimum_calls.min(count),
        Calls::Within { .. } => rules.minimum_calls,
    };
    (failed || rules.judging == Judging::EveryCall)
        && fresh.len() >= minimum.max(1) as usize
        && judge(rules, fresh.iter().filter(|failed| **failed).count(), fresh.len())
}

fn breaker_says(rules: BreakerRules, history: &History, now: i64) -> Kind {
    let mut closed: Vec<(i64, bool)> = Vec::new();
    let mut open: Option<i64> = None;
    let mut trials: Option<(u64, Vec<bool>)> = None;
    for (at, what) in &history.0 {
        match (what, &mut trials) {
            (Happened::Admitted, Some((begun, _))) => *begun += 1,
            (Happened::Admitted, None) if open.is_some() => {
                open = None;
                trials = Some((1, Vec::new()));
            }
            (Happened::Told(event @ (Event::Succeeded | Event::Failed)), state) => {
                let failed = *event == Event::Failed;
                if let Some((_, results)) = state {
                    results.push(failed);
                    let enough = rules.trials.min(rules.minimum_calls.max(1));
                    if results.len() as u64 >= enough {
                        let bad = results.iter().filter(|failed| **failed).count();
                        open = judge(rules, bad, results.len()).then_some(*at);
                        trials = None;
                        closed.clear();
                    }
                } else if open.is_none() {
                    closed.push((*at, failed));
                    open = trips(rules, &closed).then_some(*at);
                }
            }
            _ => {}
        }
    }
    let ok = match (open, trials) {
        (Some(since), _) => over(rules.edge, since, now, rules.open_ms),
        (None, Some((begun, _))) => begun < rules.trials,
        (None, None) => true,
    };
    if ok { 'a' } else { 'o' }
}

/// The percentage over the last 21 states, as Nagios and Icinga 2 go through them, and the verdicts after each.
fn flapping(algorithm: FlapAlgorithm, low: u32, high: u32, observed: &[u8]) -> bool {
    let mut states = vec![0_u8; 21];
    let mut flapping = false;
    for state in observed {
        states.push(*state);
        let last = &states[states.len() - 21..];
        let mut sum = 0.0;
        for (index, _) in last.windows(2).enumerate().filter(|(_, pair)| pair[0] != pair[1]) {
            sum += match algorithm {
                FlapAlgorithm::Icinga2 => 0.8 + (0.02 * index as f64),
                FlapAlgorithm::Nagios => ((index as f64) * (1.25 - 0.75)) / 19.0 + 0.75,
            };
        }
        let (low, high) = (f64::from(low), f64::from(high));
        match algorithm {
            FlapAlgorithm::Icinga2 => {
                let percent = 100.0 * sum / 20.0;
                flapping = if flapping { percent > low } else { percent > high };
            }
            FlapAlgorithm::Nagios => {
                let percent = sum * 100.0 / 20.0;
                if percent <= low {
                    flapping = false;
                } else if percent >= high {
                    flapping = true;
                }
            }
        }
    }
    flapping
}

fn fleet(history: &History) -> Option<Population> {
    history.told().rev().find_map(|(_, event)| match event {
        Event::Counted(population) => Some(population),
        _ => None,
    })
}

fn share(portion: Portion, total: u64, rounding: Rounding) -> u64 {
    match (portion, rounding) {
        (Portion::Count(count), _) => count,
        (Portion::Percent(percent), Rounding::Down) => (total as f64 * percent as f64 / 100.0).floor() as u64,
        (Portion::Percent(percent), Rounding::Up) => (total as f64 * percent as f64 / 100.0).ceil() as u64,
    }
}

fn portion() -> impl Strategy<Value = (Portion, Rounding)> {
    let portion = prop_oneof![(0_u64..5).prop_map(Portion::Count), (0_u64..=100).prop_map(Portion::Percent)];
    (portion, prop_oneof![Just(Rounding::Down), Just(Rounding::Up)])
}

fn counts() -> impl Strategy<Value = Event> {
    (0_u64..9, 0_u64..9).prop_map(|(total, healthy)| Event::Counted(Population { total, healthy }))
}

fn recommendations() -> impl Strategy<Value = Event> {
    (0_i64..9, 0_i64..9).prop_map(|(current, desired)| Event::Recommended { current, desired })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn tumbling(quota in quota(), opened in prop::option::of(-3_i64..5), steps in steps()) {
        let mut guard = Tumbling::new(quota);
        if let Some(opened) = opened {
            guard = guard.opened_at(opened);
        }
        agree(guard, &steps, |history, now| match quota.limit {
            Some(0) => 'X',
            _ if spent_tumbling(quota, opened, &history.admitted(), now) => 'l',
            _ => 'a',
        });
    }

    #[test]
    fn tumbling_that_stops(quota in quota(), steps in steps()) {
        agree(Tumbling::new(quota).stopping(), &steps, |history, now| {
            let refused = history.0.iter().any(|(_, what)| *what == Happened::Refused);
            let spent = spent_tumbling(quota, None, &history.admitted(), now);
            if refused || quota.limit == Some(0) || spent { 'X' } else { 'a' }
        });
    }

    #[test]
    fn sliding(quota in quota(), resolution in 1_i64..5, steps in steps()) {
        let guard = Sliding::new(quota).with_resolution(resolution);
        agree(guard, &steps, |history, now| {
            let rounded = |at: i64| at.div_euclid(resolution) * resolution;
            let young = |at: &&i64| !over(quota.edge, rounded(**at), rounded(now), quota.span_ms);
            let admitted = history.admitted();
            let count = admitted.iter().filter(young).count() as u64;
            match quota.limit {
                Some(0) => 'X',
                Some(limit) if count >= limit => 'l',
                _ => 'a',
            }
        });
    }

    #[test]
    fn cooldown_from_start(cooldown in 0_i64..25, edge in edge(), steps in steps()) {
        agree(CooldownFromStart::new(cooldown, edge), &steps, |history, now| {
            let fresh = history.admitted().iter().any(|at| !over(edge, *at, now, cooldown));
            if fresh { 'c' } else { 'a' }
        });
    }

    #[test]
    fn cooldown_from_completion(cooldown in 0_i64..25, edge in edge(), steps in steps()) {
        agree(CooldownFromCompletion::new(cooldown, edge), &steps, |history, now| {
            let busy = |(_, end): &(i64, Option<i64>)| end.is_none_or(|end| !over(edge, end, now, cooldown));
            if history.runs().iter().any(busy) { 'c' } else { 'a' }
        });
    }

    #[test]
    fn quiet_reset(
        attempts in prop::option::of(0_u64..5),
        quiet in 0_i64..30,
        edge in edge(),
        waits in (0_i64..6, 0_i64..20),
        anchor in prop_oneof![Just(Anchor::Start), Just(Anchor::Completion)],
        steps in steps(),
    ) {
        let backoff = Backoff { first_ms: waits.0, max_ms: waits.1 };
        let rules = QuietResetRules { attempts, quiet_ms: quiet, edge, backoff, anchor };
        agree(QuietReset::new(rules), &steps, |history, now| {
            let mut counted = 0;
            let mut since: Option<i64> = None;
            for (began, end) in history.runs() {
                counted = if since.is_some_and(|since| over(edge, since, began, quiet)) { 1 } else { counted + 1 };
                since = match (anchor, end) {
                    (Anchor::Start, _) => Some(began),
                    (Anchor::Completion, Some(end)) => Some(end),
                    (Anchor::Completion, None) if attempts == Some(0) => unreachable!("never admitted"),
                    (Anchor::Completion, None) => return 'c',
                };
            }
            let mut wait = waits.0;
            for _ in 1..counted {
                wait = (wait * 2).min(1_000);
            }
            match since {
                _ if attempts == Some(0) => 'X',
                None => 'a',
                Some(since) if over(edge, since, now, quiet) => 'a',
                Some(_) if attempts.is_some_and(|most| counted >= most) => 'x',
                Some(since) if now - since < wait.min(waits.1) => 'c',
                Some(_) => 'a',
            }
        });
    }

    #[test]
    fn in_flight(cap in portion(), steps in steps()) {
        agree(InFlight::new(cap.0, cap.1), &steps, |history, _| {
            let total = fleet(history).map_or(0, |population| population.total);
            let running = history.0.iter().fold(0_i64, |running, (_, what)| match what {
                Happened::Admitted => running + 1,
                Happened::Told(Event::Ended { .. }) => (running - 1).max(0),
                _ => running,
            });
            if (running as u64) < share(cap.0, total, cap.1) { 'a' } else { 'l' }
        });
    }

    #[test]
    fn population(rule in 0..3, cap in portion(), range in (0_u64..4, 0_u64..8), steps in steps_with(counts())) {
        let (portion, rounding) = cap;
        let rule = match rule {
            0 => PopulationRule::UnhealthyAtMost { most: portion, rounding },
            1 => PopulationRule::HealthyAtLeast { least: portion, rounding },
            _ => PopulationRule::UnhealthyInRange { low: range.0, high: range.1 },
        };
        agree(PopulationGate::new(rule), &steps, |history, _| {
            let Some(Population { total, healthy }) = fleet(history) else { return 'l' };
            let sick = total.max(healthy) - healthy;
            let ok = match rule {
                PopulationRule::UnhealthyAtMost { .. } => sick <= share(portion, total, rounding),
                PopulationRule::HealthyAtLeast { .. } => healthy >= share(portion, total, rounding),
                PopulationRule::UnhealthyInRange { low, high } => low <= sick && sick <= high,
            };
            if ok { 'a' } else { 'l' }
        });
    }

    #[test]
    fn lease(ttl in prop::option::of(1_i64..25), steps in steps()) {
        agree(Lease::new(ttl), &steps, |history, now| match history.runs().last() {
            Some((began, None)) if ttl.is_none_or(|ttl| now - began < ttl) => 'l',
            _ => 'a',
        });
    }

    #[test]
    fn flap(
        nagios in any::<bool>(),
        low in 0_u32..60,
        above in 0_u32..40,
        steps in steps_with((0_u8..3).prop_map(|state| Event::Observed { state })),
    ) {
        let algorithm = if nagios { FlapAlgorithm::Nagios } else { FlapAlgorithm::Icinga2 };
        let high = low + above;
        agree(Flap::new(algorithm, low, high), &steps, |history, _| {
            let observed: Vec<u8> = history.told().filter_map(|(_, event)| match event {
                Event::Observed { state } => Some(state),
                _ => None,
            }).collect();
            if flapping(algorithm, low, high, &observed) { 'f' } else { 'a' }
        });
    }

    #[test]
    fn breaker(
        calls in prop_oneof![
            (1_u64..6).prop_map(Calls::Last),
            (1_i64..30, 1_i64..8).prop_map(|(span_ms, slices)| Calls::Within { span_ms, slice_ms: span_ms / slices }),
        ],
        rates in (1_u64..=100, 0_u64..5, 1_u64..4),
        every in any::<bool>(),
        open in (0_i64..20, edge()),
        steps in steps_with(prop_oneof![Just(Event::Succeeded), Just(Event::Failed)]),
    ) {
        let rules = BreakerRules {
            calls,
            failure_percent: rates.0,
            minimum_calls: rates.1,
            judging: if every { Judging::EveryCall } else { Judging::Failures },
            open_ms: open.0,
            edge: open.1,
            trials: rates.2,
        };
        agree(Breaker::new(rules), &steps, |history, now| breaker_says(rules, history, now));
    }

    #[test]
    fn stabilization(up in 0_i64..25, down in 0_i64..25, steps in steps_with(recommendations())) {
        agree(Stabilization::new(up, down), &steps, |history, now| {
            let all: Vec<(i64, i64, i64)> = history.told().filter_map(|(at, event)| match event {
                Event::Recommended { current, desired } => Some((at, current, desired)),
                _ => None,
            }).collect();
            let Some((_, current, desired)) = all.last().copied() else { return 'a' };
            // As written in the KEP: the smallest of a window for up, the largest for down.
            let in_window = |window: i64| all.iter().filter(move |(at, ..)| at + window > now);
            let low = in_window(up).map(|(.., wanted)| *wanted).chain([desired]).min().unwrap();
            let high = in_window(down).map(|(.., wanted)| *wanted).chain([desired]).max().unwrap();
            let target = if current < low { low } else if current > high { high } else { current };
            if target == current && current != desired { 'c' } else { 'a' }
        });
    }

    /// Percentages that doubles have exactly.
    #[test]
    fn scale_rate(
        pods in (1_i64..4, 1_i64..25),
        percent in (prop_oneof![Just(50_i64), Just(100), Just(900)], 1_i64..25),
        min in any::<bool>(),
        pauses in vec((0_i64..6, 0_i64..20), 0..40),
    ) {
        let select = if min { SelectPolicy::Min } else { SelectPolicy::Max };
        let policies = vec![
            RatePolicy::Pods { value: pods.0, period_ms: pods.1 },
            RatePolicy::Percent { value: percent.0, period_ms: percent.1 },
        ];
        let rules = RateRules { select, policies };
        let mut guard = ScaleRate::new(rules.clone(), rules);
        let mut changes: Vec<(i64, i64)> = Vec::new();
        let (mut now, mut current) = (0, 5_i64);
        for (pause, desired) in pauses {
            now += pause;
            guard.tell(now, Event::Recommended { current, desired });
            let target = |at: i64| {
                let start = |period: i64| {
                    let recent = changes.iter().filter(|(since, _)| since + period > at);
                    current - recent.map(|(_, change)| change).sum::<i64>()
                };
                let (of_pods, of_percent) = (start(pods.1), start(percent.1));
                if desired >= current {
                    let both = [of_pods + pods.0, -(-of_percent * (100 + percent.0)).div_euclid(100)];
                    let limit = if min { both.iter().min() } else { both.iter().max() };
                    desired.min(*limit.unwrap().max(&current))
                } else {
                    // Towards zero, as a conversion to an integer goes.
                    let both = [of_pods - pods.0, of_percent * (100 - percent.0) / 100];
                    let limit = if min { both.iter().max() } else { both.iter().min() };
                    desired.max(*limit.unwrap().min(&current))
                }
            };
            let refused = |at: i64| target(at) == current && desired != current;
            let from = if refused(now) { (now..now + HORIZON_MS).find(|at| !refused(*at)) } else { None };
            let answer = guard.admit(now);
            prop_assert_eq!(answer.is_admitted(), !refused(now));
            prop_assert_eq!(answer.from_ms(), from);
            if answer.is_admitted() && target(now) != current {
                let next = target(now);
                changes.push((now, next - current));
                current = next;
            }
        }
    }

    /// A restart that is deferred acts at the end of the window, whoever asks meanwhile.
    #[test]
    fn tumbling_that_defers(limit in 1_u64..4, span in 1_i64..25, steps in vec(0_i64..6, 0..60)) {
        use idemcheck::guard::NomadMode;
        let quota = Quota { limit: Some(limit), span_ms: span, edge: Edge::Exceeded };
        let mut guard = Tumbling::nomad(limit, span, NomadMode::Delay, 0);
        let mut counted: Vec<i64> = Vec::new();
        let mut deferred: Option<i64> = None;
        let mut now = 0;
        for pause in steps {
            now += pause;
            let expected = match deferred {
                Some(at) if now < at => Answer::Cooling { from_ms: Some(at) },
                Some(_) => Answer::Admitted,
                None if spent_tumbling(quota, Some(0), &counted, now) => {
                    let end = (now..).find(|at| spent_tumbling(quota, Some(0), &counted, *at)
                        && !spent_tumbling(quota, Some(0), &counted, at + 1));
                    Answer::Cooling { from_ms: end }
                }
                None => Answer::Admitted,
            };
            prop_assert_eq!(guard.admit(now), expected);
            match (expected, deferred) {
                (Answer::Admitted, Some(_)) => deferred = None,
                (Answer::Admitted, None) => counted.push(now),
                (refused, None) => deferred = refused.from_ms(),
                _ => {}
            }
        }
    }
}
