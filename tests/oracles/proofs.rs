//! What is proved for any number of attempts, no search of some number contradicts; and what is found to be
//! proved, the checker accepts.

use std::cell::Cell;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use idemcheck::check::judge::not_applicable;
use idemcheck::check::proof::{EXPRESSIBLE, prove_within};
use idemcheck::check::property::Property;
use idemcheck::check::verdict::Verdict;
use idemcheck::check::{Engine, Limits, Reductions, VerifyOptions, verify_with};
use idemcheck::policy::Policy;
use idemcheck::system::System;

use crate::cases::{self, Case};
use crate::walk::walks;

#[derive(Default)]
struct Tally {
    tried: Cell<u64>,
    /// Properties proved, and of these the ones with clocks.
    proved: Cell<u64>,
    timed: Cell<u64>,
    /// Worlds that walks through larger scopes came to.
    walked: Cell<u64>,
    /// Searches of a scope that came to their end.
    searched: Cell<u64>,
}

fn add(cell: &Cell<u64>, more: u64) {
    cell.set(cell.get() + more);
}

/// Small worlds of a search for a proof: as few as most proofs of small cases take, for many cases in a short
/// time. `IDEMCHECK_WORLDS=8000` is what users get.
fn worlds_max() -> usize {
    std::env::var("IDEMCHECK_WORLDS").map_or(600, |text| text.parse().expect("a number"))
}

/// Searches one scope for a violation of what is proved.
fn contradicts(case: &Case, policy: &Policy, proved: &[Property], tally: &Tally) -> Option<Property> {
    let cancel = AtomicBool::new(false);
    let options = VerifyOptions {
        engine: Engine::Zones,
        limits: Limits { states_max: Some(1_500), memory_max: None, time_max: None },
        properties: proved,
        fail_fast: &[],
        today: "2000-01-01",
        cancel: &cancel,
        progress: &|_| (),
    };
    let result = verify_with(policy, &case.protocol, &options, Reductions::ALL).ok()?;
    add(&tally.searched, u64::from(result.search.complete));
    // One that was seen and not told counts, too.
    let seen = |verdict: Verdict, reason: &str| {
        verdict == Verdict::Violated
            || verdict == Verdict::Inconclusive && reason.contains("a step breaks it")
    };
    let broken = result.properties.iter().find(|found| seen(found.verdict, &found.reason));
    broken.map(|found| found.property)
}

fn compare(case: &Case, tally: &Tally) -> Result<(), TestCaseError> {
    let Ok(system) = System::new(&case.policy, &case.protocol) else { return Ok(()) };
    if system.loop_without_time().is_some() {
        return Ok(());
    }
    let goals: Vec<Property> = EXPRESSIBLE
        .into_iter()
        .filter(|goal| not_applicable(*goal, &case.policy, &system).is_none())
        .collect();
    add(&tally.tried, 1);
    // Each of them alone takes other paths through the proof than all together: one does here. So it is with
    // the scope that is searched.
    let chance = format!("{:?}{:?}", case.policy, case.protocol).len();
    let alone = chance % goals.len().max(1);
    let mut proved: Vec<Property> = Vec::new();
    for goals in [&goals[..], goals.get(alone..=alone).unwrap_or_default()] {
        let tried = prove_within(worlds_max(), &system, ["random", "random"], goals, &|| false);
        // What the checker refuses is proved by nobody, but the search for it is at fault.
        for (property, why) in &tried.unproved {
            prop_assert!(!why.contains("please report"), "{property}: {why}");
        }
        for proof in &tried.proofs {
            add(&tally.timed, if proof.timed { proof.properties.len() as u64 } else { 0 });
            add(&tally.proved, proof.properties.len() as u64);
            let came_to = walks(&case.policy, &case.protocol, proof, (4, 40));
            add(&tally.walked, came_to.map_err(TestCaseError::fail)? as u64);
            proved.extend(proof.properties.iter().filter(|property| goals.contains(property)));
        }
    }
    if proved.is_empty() {
        return Ok(());
    }
    proved.sort_unstable();
    proved.dedup();
    let trigger = &case.policy.trigger;
    let declared = (trigger.requests, trigger.retries, case.policy.faults.crashes);
    let larger = [(2, 1, 1), (1, 2, 2), (2, 0, 2), (3, 0, 1), (4, 0, 1), (5, 0, 0)];
    for (requests, retries, crashes) in [declared, larger[chance % larger.len()]] {
        let mut policy = case.policy.clone();
        (policy.trigger.requests, policy.trigger.retries) = (requests, retries);
        policy.faults.crashes = crashes;
        let broken = contradicts(case, &policy, &proved, tally);
        prop_assert!(broken.is_none(), "{broken:?} is proved, and violated: {requests} {retries} {crashes}");
    }
    Ok(())
}

fn no_proof_is_contradicted(strategy: impl Strategy<Value = Case>, quick: u32) {
    let tally = Tally::default();
    cases::runner(quick).run(&strategy, |case| compare(&case, &tally)).unwrap();
    let Tally { tried, proved, timed, walked, searched } = tally;
    println!(
        "{} cases, {} properties proved ({} with clocks), {} worlds walked to, {} searches finished",
        tried.get(),
        proved.get(),
        timed.get(),
        walked.get(),
        searched.get()
    );
    assert!(proved.get() > 100, "only {} proved", proved.get());
}

#[test]
fn of_random_tables() {
    no_proof_is_contradicted(cases::random_tables(), 300);
}

#[test]
fn of_mutated_models() {
    no_proof_is_contradicted(cases::mutated_models(), 300);
}

#[test]
fn of_models_whose_workers_stall() {
    no_proof_is_contradicted(cases::stalls(), 200);
}
