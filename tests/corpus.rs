//! The shipped policies are tests: each is as its `[expect]` says, and together they show every
//! property broken and kept.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use idemcheck::check::property::Property;
use idemcheck::check::verdict::Verdict;
use idemcheck::check::{Engine, Limits, VerifyOptions, replay, verify};
use idemcheck::policy::load::load;

#[test]
fn every_policy_is_as_expected_and_every_property_is_shown_both_ways() {
    let loaded = load(&[PathBuf::from("policies")], None);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    assert!(loaded.policies.len() >= 24, "only {} policies", loaded.policies.len());
    let (cancel, mut broken, mut kept) = (AtomicBool::new(false), BTreeSet::new(), BTreeSet::new());
    for source in &loaded.policies {
        let options = VerifyOptions {
            engine: Engine::Zones,
            limits: Limits { states_max: Some(5_000_000), memory_max: None, time_max: None },
            // Waivers are not what this test is about.
            today: "2000-01-01",
            cancel: &cancel,
            progress: &|_| (),
        };
        let result = verify(&source.policy, &source.protocol, &options)
            .unwrap_or_else(|error| panic!("{}: {error}", source.policy.name));
        assert!(result.complete(), "{}: not complete", source.policy.name);
        for property in &result.properties {
            assert!(property.as_expected(), "{}: {property:?}", source.policy.name);
            match property.verdict {
                Verdict::Holds => kept.insert(property.property),
                Verdict::Violated => broken.insert(property.property),
                _ => false,
            };
            if let Some(run) = &property.counterexample {
                replay(&source.policy, &source.protocol, run)
                    .unwrap_or_else(|error| panic!("{}, {}: {error}", source.policy.name, property.property));
            }
        }
    }
    let all: BTreeSet<Property> = Property::ALL.into_iter().collect();
    assert_eq!(broken, all, "each property is broken by some policy");
    assert_eq!(kept, all, "each property holds in some policy");
}
