//! Logs, judged: those of runs of the system are allowed, and of the others integer time says the same, with
//! attempts that are sent at any time and clients that are all there from the start.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::AtomicBool;

use idemcheck::check::Limits;
use idemcheck::conform::{Attempt, Record, Run, Verdict, judge, unfit};
use idemcheck::model::Outcome;
use idemcheck::policy::Policy;
use idemcheck::system::compile::Next;
use idemcheck::system::world::World;
use idemcheck::system::{Action, Actor, Step, System};
use idemcheck::time::ticks::{self, Values};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::cases::{Case, mutated_models, random_tables, runner};

/// Rolls from a number, as often as one likes.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// A world with names, and a whole number in each clock.
#[derive(Clone)]
struct Point {
    world: World,
    clocks: Values,
}

/// The system of a policy with so many attempts, each sent once by a client of its own.
fn system(policy: &Policy, case: &Case, attempts: (u32, u32)) -> Option<System> {
    let mut policy = policy.clone();
    let trigger = &mut policy.trigger;
    (trigger.requests, trigger.conflicting, trigger.retries) = (attempts.0, attempts.1, 0);
    let faults = &mut policy.faults;
    (faults.crashes, faults.restart, faults.lost_requests, faults.lost_responses) = (1, false, 0, 0);
    (faults.duplicate_requests, faults.late_requests, faults.redeliveries) = (0, 0, 0);
    let counts = [
        &mut faults.ambiguous_acks,
        &mut faults.aborts,
        &mut faults.failovers,
        &mut faults.store_errors,
        &mut faults.lock_losses,
    ];
    counts.into_iter().for_each(|count| *count = (*count).min(1));
    let system = System::new(&policy, &case.protocol).ok()?.with_symmetry(false);
    (unfit(&policy, &system).is_none() && system.merged == 0).then_some(system)
}

impl Point {
    fn start(system: &System) -> Point {
        let mut world = system.initial_world();
        let count = world.clock_count();
        Point { world, clocks: Values::from_elem(0, count) }
    }

    fn holds(&self, system: &System) -> bool {
        let mut invariant = Vec::new();
        system.world_invariant(&self.world, &mut invariant);
        ticks::allow(&invariant, &self.clocks)
    }

    fn tick(&self, system: &System) -> Option<Point> {
        let clocks = ticks::later(&self.clocks, 1, system.greatest() + 1);
        let later = Point { world: self.world.clone(), clocks };
        later.holds(system).then_some(later)
    }

    fn steps(&self, system: &System) -> Vec<Step> {
        let mut steps = Vec::new();
        system.steps(&self.world, &mut steps);
        steps.retain(|step| ticks::allow(&step.guard, &self.clocks));
        steps
    }

    fn after(&self, system: &System, step: &Step) -> Option<Point> {
        let mut world = step.world.clone();
        world.budget = system.initial_world().budget;
        let clocks = ticks::follow(&world.number_clocks(), &self.clocks);
        let after = Point { world, clocks };
        after.holds(system).then_some(after)
    }

    /// The attempt that takes a step: clients have one each.
    fn attempt(&self, step: &Step) -> Option<usize> {
        let name = match step.label.actor {
            Actor::Client(index) => Some(self.world.clients[usize::from(index)].name),
            actor => self.world.acting(actor).map(|attempt| attempt.name.0),
        };
        name.map(|name| usize::from(name) - 1)
    }
}

trait Greatest {
    fn greatest(&self) -> i64;
}

impl Greatest for System {
    fn greatest(&self) -> i64 {
        idemcheck::time::TimedSystem::greatest_constant(self)
    }
}

/// A run of the system with what a log would tell of it, in units.
fn walk(system: &System, attempts: (u32, u32), dice: &mut Dice) -> Run {
    let unit = system.times.unit_ms;
    let count = (attempts.0 + attempts.1) as usize;
    let mut run = Run { key: "key".to_owned(), ..Run::default() };
    let mut point = Point::start(system);
    let mut now = 0;
    // Of each attempt: when it was sent, when its operation began, the end of its last record.
    let (mut sent, mut began) = (vec![None; count], vec![0_i64; count]);
    let mut last = vec![0_i64; count];
    let mut records: Vec<Record> = Vec::new();
    for _ in 0..60 {
        let mut steps = point.steps(system);
        // What goes wrong, goes wrong seldom.
        steps.retain(|step| !matches!(step.label.action, Action::Crash { .. }) || dice.roll(8) == 0);
        if steps.is_empty() || dice.roll(3) == 0 {
            let Some(later) = point.tick(system) else {
                if steps.is_empty() {
                    break;
                }
                continue;
            };
            (point, now) = (later, now + 1);
            continue;
        }
        let step = steps.swap_remove(dice.roll(steps.len()));
        let Some(after) = point.after(system, &step) else { continue };
        if let Some(attempt) = point.attempt(&step) {
            if matches!(step.label.action, Action::Send(_)) {
                (sent[attempt], began[attempt]) = (Some(now), now);
            }
            if let Action::Operate { outcome } = step.label.action {
                let exact = dice.roll(2) == 0;
                let from = if exact { began[attempt] } else { now - dice.roll(2) as i64 };
                let to = (now + dice.roll(2) as i64).max(last[attempt]);
                last[attempt] = to;
                began[attempt] = now;
                records.push(Record {
                    attempt,
                    state: step.label.at,
                    outcome,
                    from: from.max(0) * unit,
                    to: to * unit,
                    began: exact,
                    shown: 0,
                    file: 0,
                    line: records.len() as u32 + 1,
                });
            }
        }
        point = after;
    }
    for (attempt, sent) in sent.into_iter().enumerate() {
        if dice.roll(4) == 0
            && let Some(last) = records.iter().rposition(|record| record.attempt == attempt)
        {
            records.remove(last);
        }
        let class = u8::from(attempt >= attempts.0 as usize);
        // Who was not sent is not in the log; here it is one that never comes.
        let seen = sent.unwrap_or(1_000_000) * unit;
        run.attempts.push(Attempt { name: format!("a{attempt}"), class, seen, records: Vec::new() });
    }
    run.records = records;
    index(&mut run);
    run
}

/// Puts the records into order, and says of each attempt which are its own.
fn index(run: &mut Run) {
    run.records.sort_by_key(|record| (record.to, record.line));
    run.attempts.iter_mut().for_each(|attempt| attempt.records.clear());
    for (index, record) in run.records.iter().enumerate() {
        run.attempts[record.attempt].records.push(index);
    }
}

/// One change that may make a log wrong.
fn mutate(system: &System, run: &mut Run, dice: &mut Dice) {
    let unit = system.times.unit_ms;
    let Some(at) = run.records.len().checked_sub(1).map(|most| dice.roll(most + 1)) else { return };
    match dice.roll(4) {
        0 => {
            let row = &system.table[usize::from(run.records[at].state)];
            let others: Vec<Outcome> =
                Outcome::ALL.into_iter().filter(|o| row.next[*o as usize] != Next::Nowhere).collect();
            run.records[at].outcome = others[dice.roll(others.len())];
        }
        1 => {
            let other = dice.roll(run.records.len());
            let (one, two) = (run.records[at].clone(), run.records[other].clone());
            (run.records[at].state, run.records[at].outcome) = (two.state, two.outcome);
            (run.records[other].state, run.records[other].outcome) = (one.state, one.outcome);
        }
        2 => {
            // Everything of this attempt from here on comes later.
            let by = (1 + dice.roll(6) as i64) * unit;
            let (attempt, from) = (run.records[at].attempt, run.records[at].to);
            for record in run.records.iter_mut().filter(|r| r.attempt == attempt && r.to >= from) {
                (record.from, record.to) = (record.from + by, record.to + by);
            }
        }
        _ => {
            let record = &mut run.records[at];
            (record.from, record.began) = (record.to, false);
        }
    }
    index(run);
}

/// A point with what of the log was met, and which attempts have done what it does not tell.
#[derive(Clone)]
struct Place {
    point: Point,
    met: Vec<usize>,
    spent: Vec<bool>,
}

/// How many records, from the first, can be met; none: there is too much to try.
fn tick_by_tick(system: &System, run: &Run, most: usize) -> Option<usize> {
    let unit = system.times.unit_ms;
    let count = run.attempts.len();
    let end = run.records.iter().map(|record| record.to / unit).max().unwrap_or(0);
    let low = |met: &[usize]| {
        let unmet = |a: usize| run.attempts[a].records.get(met[a]).copied();
        (0..count).filter_map(unmet).min().unwrap_or(run.records.len())
    };
    let start = Place { point: Point::start(system), met: vec![0; count], spent: vec![false; count] };
    let (mut here, mut best, mut places) = (vec![start], 0, 0);
    for now in 0..=end {
        let mut seen = HashSet::new();
        let mut later = Vec::new();
        while let Some(place) = here.pop() {
            let names: Vec<_> = place.point.world.live().map(|(_, attempt)| attempt.name.0).collect();
            let packed = place.point.world.pack();
            let clients: Vec<_> = place.point.world.clients.iter().map(|client| client.name).collect();
            let key =
                (packed, names, clients, place.point.clocks.clone(), place.met.clone(), place.spent.clone());
            if !seen.insert(key) {
                continue;
            }
            places += 1;
            if places > most {
                return None;
            }
            best = best.max(low(&place.met));
            if best == run.records.len() {
                return Some(best);
            }
            for step in place.point.steps(system) {
                let attempt = place.point.attempt(&step);
                let next = attempt.and_then(|a| run.attempts[a].records.get(place.met[a]));
                let next = next.map(|record| &run.records[*record]);
                let spent = attempt.is_some_and(|a| place.spent[a]);
                let (mut met, mut done) = (false, false);
                let possible = match (step.label.action, attempt) {
                    (Action::Send(_), Some(a)) => {
                        !run.attempts[a].records.is_empty() || now * unit >= run.attempts[a].seen
                    }
                    (Action::Operate { outcome }, Some(_)) => match next {
                        Some(record) => {
                            met = true;
                            record.state == step.label.at
                                && record.outcome == outcome
                                && (record.from..=record.to).contains(&(now * unit))
                        }
                        None => {
                            done = true;
                            !spent
                        }
                    },
                    (Action::Crash { .. }, _) => next.is_none(),
                    (Action::Call | Action::AckLost { .. }, _) => {
                        !spent && next.is_none_or(|record| !record.began || now * unit >= record.from)
                    }
                    (Action::Land(_) | Action::Failover | Action::LockLost, _) => true,
                    _ => false,
                };
                let Some(point) = possible.then(|| place.point.after(system, &step)).flatten() else {
                    continue;
                };
                let mut after = Place { point, ..place.clone() };
                if let Some(a) = attempt {
                    after.met[a] += usize::from(met);
                    after.spent[a] |= done;
                }
                here.push(after);
            }
            let late = (0..count).any(|a| {
                let next = run.attempts[a].records.get(place.met[a]);
                next.is_some_and(|next| run.records[*next].to <= now * unit)
            });
            if !late && let Some(point) = place.point.tick(system) {
                later.push(Place { point, ..place });
            }
        }
        here = later;
    }
    Some(best)
}

fn judged(system: &System, run: &Run) -> Result<Option<usize>, TestCaseError> {
    let limits = Limits { states_max: Some(30_000), memory_max: None, time_max: None };
    let judged = judge(system, run, &limits, &AtomicBool::new(false));
    let judged = judged.map_err(|error| TestCaseError::fail(format!("{error}")))?;
    Ok(match judged.verdict {
        Verdict::Allowed => Some(run.records.len()),
        Verdict::NotAllowed { at, .. } => Some(at),
        Verdict::Unknown { .. } => None,
    })
}

#[derive(Default)]
struct Tally {
    walks: u32,
    allowed: u32,
    refused: u32,
    left_out: u32,
    refused_at: BTreeSet<usize>,
}

fn compare(case: &Case, seed: u64, tally: &mut Tally) -> Result<(), TestCaseError> {
    let mut dice = Dice(seed);
    let attempts = [(1, 0), (2, 0), (1, 1), (3, 0), (2, 1), (4, 0)][dice.roll(6)];
    let attempts = if case.policy.faults.failovers > 0 { (attempts.0.min(2), 0) } else { attempts };
    let Some(system) = system(&case.policy, case, attempts) else { return Ok(()) };
    let logs = system.clone().for_logs();
    let run = walk(&system, attempts, &mut dice);
    match judged(&logs, &run)? {
        None => tally.left_out += 1,
        Some(met) => {
            prop_assert_eq!(met, run.records.len(), "a run of the system is refused: {:#?}", run);
            tally.walks += 1;
        }
    }
    for _ in 0..4 {
        let mut run = run.clone();
        for _ in 0..1 + dice.roll(2) {
            mutate(&system, &mut run, &mut dice);
        }
        let (Some(met), Some(expected)) = (judged(&logs, &run)?, tick_by_tick(&system, &run, 6_000)) else {
            tally.left_out += 1;
            continue;
        };
        prop_assert_eq!(met, expected, "{:#?}", run);
        if met == run.records.len() {
            tally.allowed += 1;
        } else {
            tally.refused += 1;
            tally.refused_at.insert(met);
        }
    }
    Ok(())
}

fn compare_all(cases: impl Strategy<Value = Case>, quick: u32, least: u32) {
    let tally = std::cell::RefCell::new(Tally::default());
    let found = runner(quick)
        .run(&(cases, any::<u64>()), |(case, seed)| compare(&case, seed, &mut tally.borrow_mut()));
    let tally = tally.borrow();
    let Tally { walks, allowed, refused, left_out, refused_at } = &*tally;
    println!("{walks} walks, {allowed} changed logs allowed, {refused} refused, {left_out} left out");
    found.unwrap();
    assert!(*walks >= least && *allowed >= least && *refused >= least && refused_at.len() > 3);
}

#[test]
fn logs_of_random_tables_are_judged_as_integer_time_does() {
    compare_all(random_tables(), 150, 25);
}

#[test]
fn logs_of_mutated_models_are_judged_as_integer_time_does() {
    compare_all(mutated_models(), 150, 40);
}
