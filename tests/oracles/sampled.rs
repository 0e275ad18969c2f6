//! Sampled runs of random policies: each is allowed by the concrete semantics, and breaks only what the search
//! says can be broken.

use std::sync::atomic::{AtomicU32, Ordering};

use idemcheck::check::judge::broken_by;
use idemcheck::check::trace::retake;
use idemcheck::check::verdict::Verdict;
use idemcheck::check::{Engine, Reductions};
use idemcheck::simulate::{Around, Run, Stream};
use idemcheck::system::System;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::agree::ask;
use crate::cases::{Case, mutated_models, random_tables, runner};
use crate::remedies::remediations;

/// Runs of each policy.
const RUNS: u64 = 12;

/// How many violations were seen.
fn sample(case: &Case) -> Result<u32, TestCaseError> {
    let Ok(system) = System::new(&case.policy, &case.protocol) else { return Ok(0) };
    if system.loop_without_time().is_some() {
        return Ok(0);
    }
    let system = system.with_symmetry(false).in_milliseconds();
    let Ok(around) = Around::new(&case.policy, &system) else { return Ok(0) };
    let mut facts = 0;
    for number in 0..RUNS {
        let mut run = Run::new(&system, &around);
        run.log = Some(Vec::new());
        run.finish(&mut Stream::new(1, number, 0));
        let again = retake(&system, &run.log.take().unwrap_or_default());
        let again = again.map_err(|error| TestCaseError::fail(format!("run {number}: {error}")))?;
        prop_assert_eq!(again & !run.facts, 0);
        facts |= run.facts;
    }
    let Ok(result) = ask(case, Engine::Zones, Reductions::ALL) else { return Ok(0) };
    let mut seen = 0;
    for one in &result.properties {
        let broken = facts & broken_by(one.property) != 0;
        prop_assert!(!(broken && one.verdict == Verdict::Holds), "{} is seen broken", one.property);
        seen += u32::from(broken && one.verdict == Verdict::Violated);
    }
    Ok(seen)
}

fn all(cases: impl Strategy<Value = Case>, quick: u32, seen_least: u32) {
    let seen = AtomicU32::new(0);
    let found = runner(quick).run(&cases, |case| {
        seen.fetch_add(sample(&case)?, Ordering::Relaxed);
        Ok(())
    });
    if let Err(error) = found {
        panic!("{error}");
    }
    let seen = seen.into_inner();
    println!("{seen} violations were seen");
    assert!(seen >= seen_least, "only {seen} violations were seen: the runs show nothing");
}

#[test]
fn runs_of_random_tables_are_allowed() {
    all(random_tables(), 50, 5);
}

#[test]
fn runs_of_mutated_models_are_allowed() {
    all(mutated_models(), 30, 5);
}

#[test]
fn runs_of_remediations_are_allowed() {
    all(remediations(), 20, 1);
}
