//! Every sampled run is a run of the system, and shows nothing that the checker rules out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use idemcheck::check::judge::{broken_by, not_applicable};
use idemcheck::check::property::Property;
use idemcheck::check::trace::retake;
use idemcheck::check::verdict::Verdict;
use idemcheck::policy::Policy;
use idemcheck::policy::load::load;
use idemcheck::simulate::{Around, End, Run, Stream};
use idemcheck::system::System;

/// Runs of each policy.
fn runs(otherwise: u64) -> u64 {
    std::env::var("IDEMCHECK_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(otherwise)
}

/// What a policy is expected to break, by the test of the corpus.
fn broken(policy: &Policy) -> Vec<Property> {
    let broken = policy.expect.iter().filter(|(_, verdict)| **verdict == Verdict::Violated);
    broken.map(|(property, _)| *property).collect()
}

#[test]
fn every_run_of_the_corpus_is_allowed_and_contradicts_nothing() {
    let loaded = load(&[PathBuf::from("policies")], None);
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    for source in &loaded.policies {
        let policy = &source.policy;
        let system = System::new(policy, &source.protocol).unwrap().with_symmetry(false);
        let fine = system.in_milliseconds();
        let around = Around::new(policy, &fine).unwrap();
        let broken = broken(policy);
        let (mut seen, mut worst) = (0, 0);
        let begun = std::time::Instant::now();
        for number in 0..runs(60) {
            let mut run = Run::new(&fine, &around);
            run.log = Some(Vec::new());
            let end = run.finish(&mut Stream::new(7, number, 0));
            let log = run.log.take().unwrap();
            let facts = retake(&fine, &log)
                .unwrap_or_else(|error| panic!("{}, run {number}: {error}", policy.path.display()));
            assert_eq!(facts & !run.facts, 0, "{}", policy.name);
            for property in Property::ALL {
                let breaks = run.facts & broken_by(property) != 0;
                assert!(
                    !breaks
                        || broken.contains(&property)
                        || not_applicable(property, policy, &fine).is_some(),
                    "{}, run {number}: {property} is seen broken, and is said to hold",
                    policy.path.display()
                );
            }
            seen |= run.facts;
            worst = worst.max(run.steps);
            *ends
                .entry(match end {
                    End::Quiet => "quiet",
                    End::Time => "time",
                    End::Steps => "steps",
                    End::Stuck => "stuck",
                })
                .or_default() += 1;
        }
        if std::env::var_os("IDEMCHECK_SHOW").is_some() {
            let missed: Vec<_> =
                broken.iter().filter(|p| seen & broken_by(**p) == 0).map(|p| p.name()).collect();
            println!(
                "{:60} {:6.1}ms steps<={worst} missed {missed:?}",
                policy.path.display(),
                begun.elapsed().as_secs_f64() * 1e3
            );
        }
    }
    println!("{ends:?}");
}
