//! What is proved of the shipped policies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use idemcheck::check::property::Property::{self, *};

use crate::support::{policies, proved, search, violated};

/// What must be proved, at least.
const SHOWN: &[(&str, &[Property])] = &[
    (
        "transactional-receipt",
        &[SingleExecution, NoLostEffect, ReplayFidelity, OwnerOnlyRecord, ReserveBeforeEffect],
    ),
    ("late-call-fenced", &[SingleExecution]),
    ("kafka-rebalance-inbox", &[SingleExecution, EffectivelyOnce, NoLostMessage]),
    ("release-behind-native-key", &[SingleExecution]),
];

#[test]
fn what_is_proved_holds_and_is_checked() {
    let mut lines = BTreeMap::new();
    let mut proving = Duration::ZERO;
    let only = std::env::var("IDEMCHECK_ONLY").unwrap_or_default();
    for source in policies().iter().filter(|source| source.policy.name.contains(&only)) {
        let (policy, protocol) = (&source.policy, &source.protocol);
        let began = Instant::now();
        let (_, tried) = proved(policy, protocol);
        let took = began.elapsed();
        proving += took;
        let broken = violated(&search(policy, protocol, 5_000_000).unwrap());
        let mut names = Vec::new();
        for proof in &tried.proofs {
            for property in &proof.properties {
                assert!(!broken.contains(property), "{}: {property} is proved, and violated", policy.name);
                names.push(format!("{property}{}", if proof.timed { " (timed)" } else { "" }));
            }
        }
        // The checker has looked at every proof; what it refuses is a fault of the search.
        for (property, why) in &tried.unproved {
            assert!(!why.contains("please report"), "{}: {property}: {why}", policy.name);
        }
        if std::env::var_os("IDEMCHECK_SHOW").is_some() {
            println!(
                "{} {took:?} worlds {} pieces {:?}",
                policy.name,
                tried.worlds,
                tried.proofs.iter().map(|p| (p.timed, p.pieces.len())).collect::<Vec<_>>()
            );
            println!("   proved {}", names.join(", "));
            for (property, why) in tried.unproved.iter().filter(|(p, _)| !broken.contains(p)) {
                println!("   open {property}: {why}");
            }
        }
        lines.insert(policy.name.clone(), names);
    }
    println!("proving took {proving:?}");
    for (name, properties) in SHOWN.iter().filter(|(name, _)| name.contains(&only)) {
        for property in *properties {
            let name_of = |line: &String| line.starts_with(property.name());
            assert!(lines[*name].iter().any(name_of), "{name}: {property} is not proved");
        }
    }
}
