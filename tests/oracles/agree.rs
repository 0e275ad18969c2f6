//! The differential test itself.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use proptest::test_runner::{TestCaseError, TestRunner};

use idemcheck::check::property::Property;
use idemcheck::check::search::{Extrapolation, SearchOptions, Subsumption};
use idemcheck::check::verdict::{Number, PolicyResult, Verdict};
use idemcheck::check::{CheckError, Engine, Limits, Reductions, VerifyOptions, verify_with};
use idemcheck::system::{Seen, System, facts};

use crate::cases::{self, Case};
use crate::{kinds, reference, remedies, runs};

/// Zones, or timed states of the engine, beyond which it is left out.
const STATES_MAX: u64 = 90_000;

const ALL: Reductions = Reductions { lean_after: Some(0), ..Reductions::ALL };
const NONE: Reductions = Reductions {
    inclusion: false,
    lower_upper: false,
    symmetry: false,
    surplus: false,
    tokens: false,
    lean_after: None,
};
/// With everything, and with one thing off at a time.
const WAYS: [(&str, Reductions); 8] = [
    ("all reductions", ALL),
    ("lean off", Reductions { lean_after: None, ..ALL }),
    ("tokens kept", Reductions { tokens: false, ..ALL }),
    ("inclusion off", Reductions { inclusion: false, ..ALL }),
    ("one constant per clock", Reductions { lower_upper: false, ..ALL }),
    ("symmetry off", Reductions { symmetry: false, ..ALL }),
    ("surplus off", Reductions { surplus: false, ..ALL }),
    ("no reductions", NONE),
];

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Course {
    Agreed,
    /// A loop without time: no engine searches.
    Refused,
    /// More timed states than integer time is worth.
    TooLarge,
    /// An engine reached a limit.
    Limited,
}

static NEVER: AtomicBool = AtomicBool::new(false);

fn limits() -> Limits {
    Limits { states_max: Some(STATES_MAX), memory_max: None, time_max: None }
}

pub fn ask(case: &Case, engine: Engine, reductions: Reductions) -> Result<PolicyResult, CheckError> {
    // A run without end of a remediation can take long to make: then the case is one that a limit ended.
    let time_max = case.policy.remedy.as_ref().map(|_| Duration::from_secs(2));
    let options = VerifyOptions {
        properties: &[],
        fail_fast: &[],
        engine,
        limits: Limits { time_max, ..limits() },
        today: "2026-01-01",
        cancel: &NEVER,
        progress: &|_| (),
    };
    verify_with(&case.policy, &case.protocol, &options, reductions)
}

fn differ(what: &str, one: impl std::fmt::Debug, other: impl std::fmt::Debug) -> TestCaseError {
    TestCaseError::fail(format!("{what}:\n  {one:?}\n  {other:?}"))
}

/// Puts a case to every engine.
pub fn compare(case: &Case) -> Result<Course, TestCaseError> {
    let system = System::new(&case.policy, &case.protocol)
        .map_err(|error| TestCaseError::fail(format!("not compiled: {error}")))?;
    if let Some(states) = system.loop_without_time() {
        let expected = CheckError::LoopWithoutTime(states);
        for engine in [Engine::Zones, Engine::Stateright] {
            match ask(case, engine, ALL) {
                Err(error) if error == expected => {}
                other => return Err(differ("a loop without time", &expected, other)),
            }
        }
        return Ok(Course::Refused);
    }
    let Some(truth) = reference::tick_by_tick(&system, cases::ticks_max()) else {
        return Ok(Course::TooLarge);
    };
    if let Some(course) = explorations(&system, &truth)? {
        return Ok(course);
    }
    verdicts(case, &truth)
}

/// Facts with their fewest steps, numbers, and the very states reached.
fn explorations(system: &System, truth: &reference::Found) -> Result<Option<Course>, TestCaseError> {
    let limits = limits();
    // Those two change the system, and of its states others are reached.
    for (way, reductions) in WAYS.into_iter().filter(|(way, _)| !["lean off", "tokens kept"].contains(way)) {
        let options = SearchOptions {
            subsumption: if reductions.inclusion { Subsumption::Inclusion } else { Subsumption::Equality },
            extrapolation: if reductions.lower_upper { Extrapolation::Lu } else { Extrapolation::M },
            symmetry: reductions.symmetry,
            surplus: reductions.surplus,
            limits: &limits,
            ..SearchOptions::default()
        };
        let found = reference::by_zones(system, &options)
            .map_err(|error| TestCaseError::fail(format!("{way}: {error}")))?;
        let Some(found) = found else { return Ok(Some(Course::Limited)) };
        let bits = |f: &reference::Found| f.facts.iter().fold(0, |all, (bit, _)| all | 1 << bit);
        let known = Seen { facts: bits(truth), deaths: truth.stuck >= system.claimable_after };
        // As if nothing were seen yet, a half of what there is, or all of it.
        let half = Seen { facts: known.facts & 0x5555_5555, deaths: false };
        let every = [known, half, Seen::default()];
        let leans = match way {
            "all reductions" => &every[..],
            _ if reductions.lean_after.is_some() => &every[..1],
            _ => &[],
        };
        for &seen in leans {
            let lean = reference::by_zones(&system.lean(seen), &options)
                .map_err(|error| TestCaseError::fail(format!("{way}, lean: {error}")))?;
            let Some(lean) = lean else { return Ok(Some(Course::Limited)) };
            let stuck = if seen.deaths { truth.stuck } else { None };
            // Calls whose tokens are forgotten are alike: a third is left out sooner, and with it its effect.
            let more = bits(&lean) & !bits(truth) & facts::FLIGHT_LEFT_OUT;
            let effects = if more == 0 { lean.effects } else { lean.effects.max(truth.effects) };
            let found = (bits(&lean) & !more | seen.facts, effects, lean.stuck.max(stuck));
            if found != (bits(truth), truth.effects, truth.stuck) {
                let truth = (bits(truth), truth.effects, truth.stuck);
                return Err(differ(&format!("{way}, lean after {seen:?}: zones, ticks"), found, truth));
            }
        }
        // With a key for each attempt there is no normal form: clients just start in a fixed order.
        let comparable = !(system.splits && reductions.symmetry);
        if comparable && !found.stands_for(truth, reductions.inclusion && reductions.surplus) {
            let only = |one: &reference::Found, other: &reference::Found| {
                one.states.difference(&other.states).count()
            };
            let (zones, ticks) = (only(&found, truth), only(truth, &found));
            return Err(differ(&format!("{way}: states that only zones, only ticks reach"), zones, ticks));
        }
        if (&found.facts, found.effects, found.stuck) != (&truth.facts, truth.effects, truth.stuck) {
            let show = |f: &reference::Found| (f.facts.clone(), f.effects, f.stuck);
            return Err(differ(&format!("{way}: zones, ticks"), show(&found), show(truth)));
        }
    }
    Ok(None)
}

/// What people are told.
fn verdicts(case: &Case, truth: &reference::Found) -> Result<Course, TestCaseError> {
    let plain = Reductions { symmetry: false, ..ALL };
    let asked = WAYS.iter().take(7).map(|(way, reductions)| (*way, Engine::Zones, *reductions));
    let asked = asked.chain([("integer time", Engine::Stateright, plain)]);
    let mut first: Option<PolicyResult> = None;
    for (way, engine, reductions) in asked {
        let result =
            ask(case, engine, reductions).map_err(|error| TestCaseError::fail(format!("{way}: {error}")))?;
        if !result.complete() {
            return Ok(Course::Limited);
        }
        for property in &result.properties {
            // A system that keeps tokens says more of whose a receipt was, and a replay does not have them.
            if let Some(counterexample) = property.counterexample.as_ref().filter(|_| reductions.tokens) {
                // Most ways show the same run: it is altered where it comes from another search only.
                let altered = first.is_none() || engine == Engine::Stateright;
                let alone = || if altered { runs::stands_alone(case, counterexample) } else { Ok(()) };
                runs::replays(case, counterexample)
                    .and_then(|()| alone())
                    .map_err(|error| TestCaseError::fail(format!("{way}: {}: {error}", property.property)))?;
            }
        }
        if let Some(first) = &first {
            let verdicts = |result: &PolicyResult| {
                let each = result.properties.iter().map(|p| (p.property, p.verdict, p.number.clone()));
                each.collect::<Vec<_>>()
            };
            // What is said of a run depends on which of the shortest ones is shown.
            let of_a_run = |warning: &&String| !warning.starts_with("the run against");
            let unseen = |result: &PolicyResult| {
                let warnings: Vec<String> = result.warnings.iter().filter(of_a_run).cloned().collect();
                (result.untaken.clone(), warnings)
            };
            if unseen(&result) != unseen(first) {
                return Err(differ(way, unseen(first), unseen(&result)));
            }
            let both = verdicts(first).into_iter().zip(verdicts(&result));
            // An open number says less: `numbers` looks at whether it is true.
            let open = |number: &Option<Number>| number.as_ref().is_some_and(Number::is_open);
            type Said = (Property, Verdict, Option<Number>);
            let alike = |one: &Said, other: &Said| {
                let number = one.2 == other.2 || open(&one.2) || open(&other.2);
                (one.0, one.1) == (other.0, other.1) && number
            };
            let unlike: Vec<_> = both.filter(|(one, other)| !alike(one, other)).collect();
            if !unlike.is_empty() {
                return Err(differ(way, unlike, ""));
            }
            if engine == Engine::Zones {
                shortest(way, first, &result)?;
            }
        }
        first.get_or_insert(result);
    }
    let result = first.expect("some way was asked");
    numbers(&result, case, truth)?;
    Ok(Course::Agreed)
}

/// A run without end need not be the shortest; every other counterexample is.
fn shortest(way: &str, one: &PolicyResult, other: &PolicyResult) -> Result<(), TestCaseError> {
    for (one, other) in one.properties.iter().zip(&other.properties) {
        let steps = |result: &idemcheck::check::verdict::PropertyResult| {
            let run = result.counterexample.as_ref().filter(|run| run.repeats_from.is_none());
            run.map(|run| run.steps.len())
        };
        if steps(one) != steps(other) {
            return Err(differ(&format!("{way}: steps against {}", one.property), steps(one), steps(other)));
        }
    }
    Ok(())
}

/// The numbers that are printed are those of integer time.
fn numbers(result: &PolicyResult, case: &Case, truth: &reference::Found) -> Result<(), TestCaseError> {
    let unit = System::new(&case.policy, &case.protocol).map_or(1, |system| system.times.unit_ms);
    for property in &result.properties {
        let Some(number) = &property.number else { continue };
        let expected = match property.property {
            Property::SingleExecution => Some(truth.effects.into()),
            Property::NoStuckKey if property.verdict == Verdict::Violated => None,
            Property::NoStuckKey => Some(truth.stuck.unwrap_or(0) * unit),
            _ => continue,
        };
        let at_least = number.is_open() && number.exact < expected;
        if number.exact != expected && !at_least {
            return Err(differ(&number.name, number.exact, expected));
        }
    }
    Ok(())
}

fn try_all(what: &str, runner: TestRunner, cases: impl proptest::strategy::Strategy<Value = Case>) {
    let courses = Mutex::new(BTreeMap::<Course, u32>::new());
    let seen = Mutex::new(BTreeMap::<&str, u32>::new());
    let began = std::time::Instant::now();
    let mut runner = runner;
    let result = runner.run(&cases, |case| {
        let course = compare(&case)?;
        *courses.lock().unwrap().entry(course).or_default() += 1;
        let compared = kinds::of(&case).into_iter().filter(|_| course == Course::Agreed);
        compared.for_each(|kind| *seen.lock().unwrap().entry(kind).or_default() += 1);
        Ok(())
    });
    println!("{what}: {:?} in {:.1?}", courses.lock().unwrap(), began.elapsed());
    println!("{what}, compared with: {:?}", seen.lock().unwrap());
    if let Err(error) = result {
        panic!("{what}: {error}");
    }
}

#[test]
fn engines_agree_on_random_tables() {
    try_all("random tables", cases::runner(120), cases::random_tables());
}

#[test]
fn engines_agree_on_mutated_models() {
    try_all("mutated models", cases::runner(60), cases::mutated_models());
}

#[test]
fn engines_agree_on_remediations() {
    // Their runs without end take long to make: one for each eight of the others.
    try_all("remediations", cases::runner_of(cases::count(960) / 8), remedies::remediations());
}

#[test]
fn engines_agree_on_crowds() {
    try_all("crowds", cases::runner(60), cases::crowds());
}

#[test]
fn engines_agree_on_stalls_without_end() {
    try_all("stalls", cases::runner(40), cases::stalls());
}
