//! Logs of actions against guards.

use idemcheck::history::actions::{Said, judge};
use idemcheck::history::book::{Acted, Place};
use idemcheck::history::record::{Action, ActionResult};
use idemcheck::history::rule::Rule;
use idemcheck::policy::load::load;
use idemcheck::policy::remedy::{Boundary, GuardKind, GuardRule, Remedy};

const S: i64 = 1_000_000_000;

fn remedy() -> Remedy {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/remediation/systemd-start-limit-60.toml");
    let mut loaded = load(&[path.into()], None);
    let mut remedy = loaded.policies.pop().unwrap().policy.remedy.unwrap();
    remedy.target.limit = None;
    remedy
}

fn with(kind: GuardKind, limit: u32, span_s: i64) -> Remedy {
    let mut remedy = remedy();
    let guard = GuardRule {
        kind,
        limit,
        span: span_s * 1000,
        edge: Boundary::Either,
        durable: true,
        ..remedy.guards[0].clone()
    };
    remedy.guards = vec![guard];
    remedy
}

/// Actions by start and end, in seconds.
fn log(times: &[(i64, i64)]) -> Vec<Acted> {
    let acted = |(index, (start, end)): (usize, &(i64, i64))| Acted {
        action: Action {
            target: "web".to_owned(),
            action: "restart".to_owned(),
            id: index.to_string(),
            start: start * S,
            end: Some(end * S),
            source: None,
            result: ActionResult::Succeeded,
        },
        uncertainty: 0,
        place: Place::default(),
    };
    times.iter().enumerate().map(acted).collect()
}

/// The rule and the actions of the only rejection; none: nothing is rejected.
fn rejected(log: &[Acted], remedy: &Remedy) -> Option<(Rule, Vec<usize>)> {
    let said = judge(log, Some(remedy), false);
    let mut all = said.into_values().flatten().filter_map(|said| match said {
        Said::Rejected { rule, actions, .. } => Some((rule, actions)),
        Said::Unknown { .. } => None,
    });
    let first = all.next();
    assert_eq!(all.next(), None);
    first
}

#[test]
fn a_cooldown_counts_from_the_start_or_the_end() {
    let twice = log(&[(0, 8), (12, 20)]);
    assert_eq!(rejected(&twice, &with(GuardKind::Cooldown, 1, 10)), None);
    let from_end = with(GuardKind::CooldownFromCompletion, 1, 10);
    assert_eq!(rejected(&twice, &from_end), Some((Rule::RefusedByGuard, vec![1, 0])));
    assert_eq!(rejected(&log(&[(0, 8), (18, 20)]), &from_end), None);
}

#[test]
fn windows_tumble_or_slide() {
    // Two just before the end of a window and two just after it: too many for one that slides.
    let burst = log(&[(0, 1), (58, 59), (62, 63), (64, 65)]);
    assert_eq!(rejected(&burst, &with(GuardKind::Tumbling, 2, 60)), None);
    let sliding = with(GuardKind::Sliding, 2, 60);
    assert_eq!(rejected(&burst, &sliding), Some((Rule::RefusedByGuard, vec![3, 2, 1])));
}

#[test]
fn both_readings_of_an_end_must_refuse() {
    let mut cooldown = with(GuardKind::Cooldown, 1, 10);
    let exact = log(&[(0, 1), (10, 11)]);
    assert_eq!(rejected(&exact, &cooldown), None);
    // A clock of whole milliseconds may be off by one; a second is too much.
    cooldown.guards[0].edge = Boundary::Exceeded;
    assert_eq!(rejected(&exact, &cooldown), None);
    assert!(rejected(&log(&[(0, 1), (9, 11)]), &cooldown).is_some());
}

#[test]
fn actions_on_one_target_do_not_overlap() {
    let overlapping = log(&[(0, 10), (5, 20)]);
    let many = with(GuardKind::InFlight, 2, 1);
    assert_eq!(rejected(&overlapping, &many), Some((Rule::OverlappingActions, vec![1, 0])));
    // Two clocks that may differ by more than that prove nothing.
    let mut unsure = overlapping;
    unsure[0].uncertainty = 3 * S;
    unsure[1].uncertainty = 3 * S;
    unsure[1].action.source = Some("other".to_owned());
    assert_eq!(rejected(&unsure, &many), None);
}

#[test]
fn the_fleet_shares_a_guard() {
    let mut two = log(&[(0, 10), (5, 20)]);
    two[1].action.target = "db".to_owned();
    let mut one = with(GuardKind::InFlight, 1, 1);
    one.guards[0].per_target = true;
    assert_eq!(rejected(&two, &one), None);
    one.guards[0].per_target = false;
    assert_eq!(rejected(&two, &one), Some((Rule::RefusedByGuard, vec![1, 0])));
}

#[test]
fn the_target_bounds_its_actions() {
    let mut bounded = with(GuardKind::InFlight, 8, 1);
    bounded.target.limit = Some((2, 60_000));
    assert_eq!(rejected(&log(&[(0, 1), (20, 21), (61, 62)]), &bounded), None);
    let thrash = log(&[(0, 1), (20, 21), (40, 41)]);
    assert_eq!(rejected(&thrash, &bounded), Some((Rule::TooManyActions, vec![2, 1, 0])));
}

#[test]
fn what_a_log_cannot_show_is_unknown_by_name() {
    for kind in [GuardKind::Population, GuardKind::Stabilization, GuardKind::Flap] {
        let remedy = with(kind, 1, 10);
        let said = judge(&log(&[(0, 1)]), Some(&remedy), false);
        let unknown = |said: &Said| matches!(said, Said::Unknown { guard: Some(name), .. } if *name == remedy.guards[0].name);
        assert!(said.values().flatten().any(unknown), "{said:?}");
    }
    // What a process counted is gone when it dies.
    let mut cooldown = with(GuardKind::Cooldown, 1, 10);
    cooldown.guards[0].durable = false;
    let hasty = log(&[(0, 1), (5, 6)]);
    assert!(rejected(&hasty, &cooldown).is_some());
    let said = judge(&hasty, Some(&cooldown), true);
    assert!(said.values().flatten().all(|said| matches!(said, Said::Unknown { .. })), "{said:?}");
}
