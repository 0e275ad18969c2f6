//! Every vector, none skipped: a table or a field that is not known here fails the test.

use idemcheck::guard::{
    Direction, Event, Flap, FlapAlgorithm, Grouped, Guard, Lease, NomadMode, Pace, PatroniTimings,
    Population, PopulationGate, RatePolicy, RateRules, ScaleRate, SelectPolicy, Tumbling,
};
use idemcheck::source::duration;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    patroni: Vec<Patroni>,
    machine_health_check: Vec<MachineHealthCheck>,
    kured_lock: Vec<KuredLock>,
    flap: Vec<FlapVector>,
    nomad_restart: Vec<NomadRestart>,
    hpa: Vec<Hpa>,
    systemd: Vec<Systemd>,
    throttle: Vec<Throttle>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Timings {
    ttl: String,
    loop_wait: String,
    retry_timeout: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patroni {
    ttl: String,
    loop_wait: String,
    retry_timeout: String,
    adjusted: Option<Timings>,
    holds: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MachineHealthCheck {
    max_unhealthy: toml::Value,
    expected: u64,
    healthy: u64,
    allowed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KuredLock {
    age: String,
    ttl: String,
    expired: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, tag = "algorithm", rename_all = "lowercase")]
enum FlapVector {
    Icinga2 { checks: String, flapping: bool },
    Nagios { thresholds: [u32; 2], from_all_ok: String, flaps_at_check: usize },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NomadRestart {
    interval: String,
    attempts: u64,
    delay: String,
    mode: String,
    restarts_before_stop: Option<u64>,
    never_stops: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HpaPolicy {
    r#type: String,
    value: i64,
    period: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hpa {
    direction: String,
    policy: HpaPolicy,
    replicas: Vec<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Systemd {
    interval: String,
    burst: u64,
    restart_sec: String,
    runtime: String,
    trips: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Throttle {
    kind: String,
    window: String,
    events: i64,
    groups: i64,
    actions: usize,
}

fn vectors() -> Vectors {
    toml::from_str(include_str!("vectors.toml")).expect("every table and field is known")
}

fn ms(text: &str) -> i64 {
    duration::parse(text).unwrap_or_else(|why| panic!("{text}: {why:?}"))
}

fn seconds(text: &str) -> i64 {
    assert_eq!(ms(text) % 1000, 0, "{text}");
    ms(text) / 1000
}

/// 0 is well, whatever the letter for the rest.
fn states(checks: &str) -> Vec<u8> {
    checks.chars().map(|check| if check == 'O' { 0 } else { 2 }).collect()
}

#[test]
fn the_file_has_no_fewer_vectors_than_were_found() {
    let all = vectors();
    let counts = [
        all.patroni.len(),
        all.machine_health_check.len(),
        all.kured_lock.len(),
        all.flap.len(),
        all.nomad_restart.len(),
        all.hpa.len(),
        all.systemd.len(),
        all.throttle.len(),
    ];
    assert_eq!(counts, [3, 3, 2, 2, 2, 2, 4, 1]);
}

#[test]
fn patroni() {
    let timings = |ttl: &str, loop_wait: &str, retry_timeout: &str| PatroniTimings {
        ttl_s: seconds(ttl),
        loop_wait_s: seconds(loop_wait),
        retry_timeout_s: seconds(retry_timeout),
    };
    for vector in vectors().patroni {
        let declared = timings(&vector.ttl, &vector.loop_wait, &vector.retry_timeout);
        assert!(vector.adjusted.is_some() || vector.holds.is_some());
        if let Some(adjusted) = vector.adjusted {
            let adjusted = timings(&adjusted.ttl, &adjusted.loop_wait, &adjusted.retry_timeout);
            assert_eq!(declared.adjusted(), adjusted);
            assert!(adjusted.holds());
        }
        if let Some(holds) = vector.holds {
            assert_eq!(declared.holds(), holds);
        }
    }
}

#[test]
fn machine_health_check() {
    for vector in vectors().machine_health_check {
        let text = match &vector.max_unhealthy {
            toml::Value::String(text) => text.clone(),
            number => number.to_string(),
        };
        let mut gate = PopulationGate::machine_health_check(&text);
        let population = Population { total: vector.expected, healthy: vector.healthy };
        gate.tell(0, Event::Counted(population));
        assert_eq!(gate.ask(0).is_admitted(), vector.allowed, "{text} of {population:?}");
    }
}

#[test]
fn kured_lock() {
    for vector in vectors().kured_lock {
        let mut lock = Lease::kured(ms(&vector.ttl));
        let age = ms(&vector.age);
        assert_eq!(lock.is_expired(age), vector.expired);
        assert!(lock.admit(7).is_admitted());
        assert_eq!(lock.ask(7 + age).is_admitted(), vector.expired);
    }
}

#[test]
fn flap() {
    for vector in vectors().flap {
        match vector {
            FlapVector::Icinga2 { checks, flapping } => {
                let mut flap = Flap::icinga2();
                for state in states(&checks) {
                    flap.tell(0, Event::Observed { state });
                }
                assert_eq!(flap.is_flapping(), flapping);
            }
            FlapVector::Nagios { thresholds: [low, high], from_all_ok, flaps_at_check } => {
                let mut flap = Flap::new(FlapAlgorithm::Nagios, low, high);
                let flaps = states(&from_all_ok).iter().position(|state| {
                    flap.tell(0, Event::Observed { state: *state });
                    flap.is_flapping()
                });
                assert_eq!(flaps, Some(flaps_at_check - 1));
            }
        }
    }
}

/// The task fails as soon as it runs.
#[test]
fn nomad_restart() {
    for vector in vectors().nomad_restart {
        let (interval, delay) = (ms(&vector.interval), ms(&vector.delay));
        let mode = match vector.mode.as_str() {
            "fail" => NomadMode::Fail,
            "delay" => NomadMode::Delay,
            other => panic!("{other}"),
        };
        let mut guard = Tumbling::nomad(vector.attempts, interval, mode, 0);
        let (mut restarts, mut now, mut stopped) = (0, 0, false);
        while now < 20 * interval && !stopped {
            let answer = guard.admit(now);
            restarts += u64::from(answer.is_admitted());
            match answer.from_ms() {
                Some(from) => now = from,
                None => stopped = !answer.is_admitted(),
            }
            now += if answer.is_admitted() { delay } else { 0 };
        }
        assert!(vector.restarts_before_stop.is_some() || vector.never_stops.is_some());
        if let Some(before) = vector.restarts_before_stop {
            assert!(stopped && restarts == before, "{restarts}");
        }
        if let Some(never) = vector.never_stops {
            assert_eq!(!stopped, never);
            // The quota of every interval, and the restart that waited for its end.
            assert!(restarts >= 19 * (vector.attempts + 1), "{restarts}");
        }
    }
}

/// Steps at the earliest moment that the policy permits, and not a millisecond before.
#[test]
fn hpa() {
    for vector in vectors().hpa {
        let period_ms = ms(&vector.policy.period);
        let value = vector.policy.value;
        let policy = match vector.policy.r#type.as_str() {
            "percent" => RatePolicy::Percent { value, period_ms },
            "pods" => RatePolicy::Pods { value, period_ms },
            other => panic!("{other}"),
        };
        let rules = RateRules { select: SelectPolicy::Max, policies: vec![policy] };
        let off = RateRules { select: SelectPolicy::Disabled, policies: Vec::new() };
        let (direction, desired, mut rate) = match vector.direction.as_str() {
            "up" => (Direction::Up, 1_000_000, ScaleRate::new(rules, off)),
            "down" => (Direction::Down, 0, ScaleRate::new(off, rules)),
            other => panic!("{other}"),
        };
        let mut now = 0;
        for step in vector.replicas.windows(2) {
            rate.tell(now, Event::Recommended { current: step[0], desired });
            assert_eq!(rate.limit(now, direction), step[1]);
            assert!(rate.admit(now).is_admitted());
            assert_eq!(rate.ask(now + period_ms - 1).from_ms(), Some(now + period_ms));
            now += period_ms;
        }
    }
}

#[test]
fn systemd() {
    for vector in vectors().systemd {
        let mut guard = Tumbling::systemd(vector.burst, ms(&vector.interval));
        let spacing = ms(&vector.restart_sec) + ms(&vector.runtime);
        let starts: Vec<bool> =
            (0..20).map(|start| guard.admit(start * spacing).is_admitted()).take_while(|ok| *ok).collect();
        assert_eq!(starts.len() < 20, vector.trips, "{} {}", vector.burst, vector.runtime);
        assert_eq!(guard.is_dead(&Pace::spaced(spacing)), !vector.trips);
    }
}

/// All events at one moment, as their source sends them, and spread over the window.
#[test]
fn throttle() {
    for vector in vectors().throttle {
        assert_eq!(vector.kind, "once_within");
        let window = ms(&vector.window);
        for pace in [0, (window - 1) / vector.events] {
            let mut throttle = Grouped::once_within(window);
            let acted = |event: &i64| throttle.admit(&(event % vector.groups), event * pace).is_admitted();
            assert_eq!((0..vector.events).filter(acted).count(), vector.actions);
        }
    }
}
