//! The incidents of remediations: what the checker says can be broken is seen broken, where need be by splitting,
//! and what was fixed does not thrash, however many runs are sampled.

use std::path::PathBuf;

use idemcheck::check::judge::broken_by;
use idemcheck::check::property::Property;
use idemcheck::check::verdict::Verdict;
use idemcheck::policy::load::load;
use idemcheck::simulate::many::sample;
use idemcheck::simulate::rare::{Guide, estimate};

use crate::allowed::may_break;
use crate::support::{Ready, options, runs};

fn remediations() -> impl Iterator<Item = Ready> {
    let loaded = load(&[PathBuf::from("policies/incidents")], None);
    loaded.policies.into_iter().filter(|source| source.policy.remedy.is_some()).map(Ready::of)
}

#[test]
fn what_can_be_broken_is_seen_broken() {
    let (mut seen, mut split, mut endless) = (0, 0, 0);
    for ready in remediations() {
        let policy = &ready.source.policy;
        let expected: Vec<Property> = policy
            .expect
            .iter()
            .filter(|(_, verdict)| **verdict == Verdict::Violated)
            .map(|(property, _)| *property)
            .collect();
        if expected.is_empty() {
            continue;
        }
        let tally = sample(&ready.system, &ready.around, &options(1, 400, 2));
        for property in expected {
            if tally.broken.contains_key(&property) {
                seen += 1;
                continue;
            }
            let run = ready.counterexample(property).unwrap();
            if run.repeats_from.is_some() {
                // No sample has no end: it is seen to go on.
                endless += 1;
                continue;
            }
            let guide = Guide::of(&ready.system, &run, broken_by(property));
            let rare = estimate(&ready.system, &ready.around, &guide, property, &options(1, 1_500, 2));
            assert!(rare.reached > 0, "{}: {property} was not seen: {rare:?}", policy.path.display());
            split += 1;
        }
    }
    println!("{seen} seen, {split} by splitting, {endless} only without end");
    assert!(seen >= 20 && endless <= 12, "{seen} seen, {split} by splitting, {endless} only without end");
}

#[test]
fn what_was_fixed_does_not_thrash() {
    let mut count = 0;
    for ready in remediations() {
        let policy = &ready.source.policy;
        if !policy.path.to_string_lossy().contains("-fixed") {
            continue;
        }
        count += 1;
        let tally = sample(&ready.system, &ready.around, &options(2, runs(150), 2));
        for (property, (broken, first)) in &tally.broken {
            assert!(
                may_break(policy, &ready, *property),
                "{}: {property} in {broken} runs, first in {first}",
                policy.path.display()
            );
        }
        assert_eq!(tally.restless, 0, "{} still acts at the end", policy.path.display());
        let most = tally.actions.keys().max().copied().unwrap_or(0);
        println!("{}: {} runs, at most {most} actions of an episode", policy.path.display(), tally.runs);
        assert!(most <= 4, "{}: {most} actions of an episode", policy.path.display());
    }
    assert!(count >= 10, "{count}");
}
