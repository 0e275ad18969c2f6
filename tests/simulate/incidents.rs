//! The incidents of remediations: what the checker says can be broken is seen broken, where need be by splitting,
//! and what was fixed does not thrash, however many runs are sampled.

use std::path::PathBuf;

use idemcheck::check::judge::broken_by;
use idemcheck::check::property::Property;
use idemcheck::check::verdict::Verdict;
use idemcheck::policy::load::load;
use idemcheck::policy::simulate::{Chance, Shape, Span};
use idemcheck::simulate::many::sample;
use idemcheck::simulate::rare::{Guide, estimate};

use crate::allowed::may_break;
use crate::support::{Ready, options, runs};

fn remediations() -> impl Iterator<Item = Ready> {
    let loaded = load(&[PathBuf::from("policies/incidents")], None);
    loaded.policies.into_iter().filter(|source| source.policy.remedy.is_some()).map(Ready::of)
}

/// The same with surroundings in which what is unlikely comes more often.
fn hasty(ready: &Ready) -> Ready {
    let mut source = ready.source.clone();
    source.policy.simulate.spans.insert(Span::Trigger, Shape::Exponential { mean: 500 });
    source.policy.simulate.chances.insert(Chance::Unknown, 0.3);
    Ready::of(source)
}

#[test]
fn what_can_be_broken_is_seen_broken() {
    let (mut seen, mut split, mut raised, mut endless) = (0, 0, 0, 0);
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
            if rare.reached == 0 {
                // It takes a short delay as well: then with hasty triggers, and looks that often show nothing.
                let hasty = hasty(&ready);
                let tally = sample(&hasty.system, &hasty.around, &options(1, 2_000, 2));
                assert!(
                    tally.broken.contains_key(&property),
                    "{}: {property} was not seen: {rare:?}",
                    policy.path.display()
                );
                raised += 1;
            }
            split += 1;
        }
    }
    println!("{seen} seen, {split} by splitting, {endless} only without end");
    assert!(seen >= 20 && raised <= 1 && endless <= 12, "{seen}, {split}, {raised}, {endless}");
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
