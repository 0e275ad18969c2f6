//! Every operator on every policy, and what became of each mutant.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use idemcheck::check::property::Property;
use idemcheck::check::verdict::{PolicyResult, SearchStats, Verdict};
use idemcheck::check::{CheckError, Engine, Limits, Reductions, VerifyOptions, verify_with};
use idemcheck::policy::load::{LoadedPolicy, load};

use super::mutant::Mutant;
use super::operator::Operator;

/// Policies whose own search is larger than this are left out: their mutants are larger still.
const ZONES_MAX: u64 = 6_000;
/// How much larger than its policy's the search of a mutant may get.
const GROWTH_MAX: u64 = 3;

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// A property that held is violated.
    Killed(Vec<Property>),
    /// What the operator is against did not hold before.
    NothingToLose,
    /// The search takes the same course: in this scope nothing changed.
    Equivalent,
    /// A property that held has no meaning any more.
    Moot,
    /// A limit ended the search before anything broke.
    Unfinished,
    /// It goes round for ever in no time: it would not be checked.
    Refused,
    /// Something changed, and every property that held holds.
    Survived,
}

impl Fate {
    /// Its column in the table.
    fn column(&self) -> usize {
        match self {
            Fate::Killed(_) => 0,
            Fate::Survived => 1,
            Fate::Equivalent => 2,
            Fate::NothingToLose => 3,
            Fate::Moot => 4,
            Fate::Unfinished => 5,
            Fate::Refused => 6,
        }
    }
}

/// One mutant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trial {
    pub operator: &'static str,
    pub model: String,
    pub policy: String,
    /// The state that was changed; empty where it was a promise.
    pub place: String,
    pub fate: Fate,
}

/// All of them, and the names of the policies that are too large to be tried; both sorted.
pub fn trials(operators: &[&'static Operator]) -> (Vec<Trial>, Vec<String>) {
    let mut loaded = load(&[PathBuf::from("policies")], None);
    // The mistakes that people make in remediations are others: there are no operators for them yet.
    loaded.policies.retain(|source| source.policy.remedy.is_none());
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let (next, found) = (AtomicUsize::new(0), Mutex::new((Vec::new(), Vec::new())));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(source) = loaded.policies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let of_policy = of_policy(source, operators);
                    let (trials, left_out) = &mut *found.lock().unwrap();
                    match of_policy {
                        Some(of_policy) => trials.extend(of_policy),
                        None => left_out.push(source.policy.name.clone()),
                    }
                }
            });
        }
    });
    let (mut trials, mut left_out) = found.into_inner().unwrap();
    trials.sort();
    left_out.sort();
    (trials, left_out)
}

/// Every mutant of a policy; none: it is too large.
fn of_policy(source: &LoadedPolicy, operators: &[&'static Operator]) -> Option<Vec<Trial>> {
    let original = Mutant { policy: source.policy.clone(), protocol: (*source.protocol).clone() };
    let plain = check(&original, ZONES_MAX).filter(PolicyResult::complete)?;
    let mut trials = Vec::new();
    for operator in operators {
        let (mut original, mut before) = (original.clone(), None);
        let mut mutants = operator.mutants(&original);
        if let (Some(given), false) = (operator.given, mutants.is_empty()) {
            given(&mut original.policy);
            mutants = operator.mutants(&original);
            before = check(&original, ZONES_MAX).filter(PolicyResult::complete);
            if before.is_none() {
                continue;
            }
        }
        let before = before.as_ref().unwrap_or(&plain);
        for (place, mutant) in mutants {
            let fate = if at_stake(operator, before) {
                let most = before.search.stored * GROWTH_MAX + 1_000;
                fate(before, check(&mutant, most))
            } else {
                Fate::NothingToLose
            };
            let (model, policy) = (before.model.clone(), before.policy.clone());
            trials.push(Trial { operator: operator.name, model, policy, place, fate });
        }
    }
    Some(trials)
}

/// Whether the gravest thing that the mistake could do is not so already.
fn at_stake(operator: &Operator, before: &PolicyResult) -> bool {
    let applies = |property: &&Property| !is(before, **property, Verdict::NotApplicable);
    operator.against.iter().find(applies).is_some_and(|property| holds(before, *property))
}

fn check(subject: &Mutant, zones_max: u64) -> Option<PolicyResult> {
    let cancel = AtomicBool::new(false);
    let options = VerifyOptions {
        engine: Engine::Zones,
        limits: Limits { states_max: Some(zones_max), memory_max: None, time_max: None },
        today: "2000-01-01",
        cancel: &cancel,
        progress: &|_| (),
        properties: &[],
        fail_fast: &[],
    };
    // Where every state is explored for itself, the course of a search tells more of what is possible.
    let reductions = Reductions { surplus: false, ..Reductions::ALL };
    match verify_with(&subject.policy, &subject.protocol, &options, reductions) {
        Ok(result) => Some(result),
        Err(CheckError::LoopWithoutTime(_)) => None,
        // A run that can't be taken again, say, is a fault of the checker.
        Err(error) => panic!("{}: {error}", subject.policy.name),
    }
}

fn fate(before: &PolicyResult, after: Option<PolicyResult>) -> Fate {
    let Some(after) = after else { return Fate::Refused };
    let held: Vec<Property> = Property::ALL.into_iter().filter(|property| holds(before, *property)).collect();
    let now = |verdict| held.iter().copied().filter(|property| is(&after, *property, verdict)).collect();
    let killed: Vec<Property> = now(Verdict::Violated);
    let inconclusive: Vec<Property> = now(Verdict::Inconclusive);
    let moot: Vec<Property> = now(Verdict::NotApplicable);
    if !killed.is_empty() {
        Fate::Killed(killed)
    } else if !inconclusive.is_empty() {
        Fate::Unfinished
    } else if course(before) == course(&after) && moot.is_empty() {
        Fate::Equivalent
    } else if !moot.is_empty() {
        Fate::Moot
    } else {
        Fate::Survived
    }
}

fn is(result: &PolicyResult, property: Property, verdict: Verdict) -> bool {
    result.properties.iter().any(|of| of.property == property && of.verdict == verdict)
}

fn holds(result: &PolicyResult, property: Property) -> bool {
    is(result, property, Verdict::Holds)
}

/// The course of the search, and all that was found.
fn course(result: &PolicyResult) -> impl PartialEq {
    let numbers = |stats: &SearchStats| {
        let SearchStats { visited, stored, covered, transitions, states, depth, .. } = *stats;
        (visited, stored, covered, transitions, states, u64::from(depth))
    };
    let found = result.properties.iter().map(|of| (of.verdict, of.number.clone()));
    (numbers(&result.search), found.collect::<Vec<_>>())
}

/// How many mutants of each operator met which fate.
pub fn table(operators: &[&Operator], trials: &[Trial], left_out: &[String]) -> String {
    let columns = ["killed", "survived", "equivalent", "nothing to lose", "moot", "unfinished", "refused"]
        .map(str::len);
    let mut text = format!("too large: {}\n\n{:28}", left_out.join(", "), "operator");
    text += "killed survived equivalent nothing-to-lose moot unfinished refused  mistake\n";
    for operator in operators {
        let of_operator = || trials.iter().filter(|trial| trial.operator == operator.name);
        let mut line = format!("{:27}", operator.name);
        for (column, width) in columns.iter().enumerate() {
            let count = of_operator().filter(|trial| trial.fate.column() == column).count();
            line += &format!(" {count:>width$}");
        }
        text += &format!("{line}  {}\n", operator.mistake);
    }
    text
}

/// The mutants that survived, a line per operator and model.
pub fn survivors(trials: &[Trial]) -> String {
    let mut lines: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for trial in trials.iter().filter(|trial| trial.fate == Fate::Survived) {
        let place = if trial.place.is_empty() { String::new() } else { format!(":{}", trial.place) };
        let line = lines.entry((trial.operator, &trial.model)).or_default();
        line.push(format!("{}{place}", trial.policy));
    }
    let lines = lines.iter().map(|((operator, model), places)| {
        format!(
            "{operator} ({model})\n{}",
            places.iter().map(|place| format!("    {place}\n")).collect::<String>()
        )
    });
    lines.collect()
}
