//! What is proved of the shipped policies: a table that is kept.

use idemcheck::check::property::Property::{self, *};

use crate::support::{Shipped, of_each, one, search, shipped, violated};

const TABLE: &str = "tests/proofs/table.txt";

/// What must be proved, at least.
const SHOWN: &[(&str, &[Property])] = &[
    (
        "transactional-receipt",
        &[SingleExecution, NoLostEffect, ReplayFidelity, OwnerOnlyRecord, ReserveBeforeEffect],
    ),
    ("late-call-fenced", &[SingleExecution, NoStaleOverwrite]),
    ("kafka-rebalance-inbox", &[SingleExecution, EffectivelyOnce, NoLostMessage]),
    ("release-behind-native-key", &[SingleExecution]),
    // A lease, and a pause that it covers.
    ("lease-36s", &[SingleExecution, ClaimExclusive, OwnerOnlyRecord]),
];

#[test]
fn what_has_to_be_proved_is() {
    for (name, properties) in SHOWN {
        let proved = one(name).proved();
        for property in *properties {
            assert!(proved.contains(property), "{name}: {property} is not proved");
        }
    }
}

/// The line of a policy: everything that could be proved of it is proved, left open or violated.
fn line(shipped: &Shipped) -> String {
    let (policy, protocol) = (&shipped.source.policy, &shipped.source.protocol);
    let broken = violated(&search(policy, protocol, 5_000_000).unwrap());
    let list = |properties: &[Property]| -> String {
        properties.iter().map(|property| format!(" {property}")).collect()
    };
    let mut line = policy.name.clone();
    for proof in &shipped.tried.proofs {
        for property in &proof.properties {
            assert!(!broken.contains(property), "{}: {property} is proved, and violated", policy.name);
        }
        let how = if proof.timed { "proved with clocks" } else { "proved" };
        line.push_str(&format!("\n  {how}, {} pieces:{}", proof.pieces.len(), list(&proof.properties)));
    }
    // The checker has looked at every proof; what it refuses is a fault of the search.
    for (property, why) in &shipped.tried.unproved {
        assert!(!why.contains("please report"), "{}: {property}: {why}", policy.name);
    }
    let mut open: Vec<(&str, Vec<Property>)> = Vec::new();
    for (property, why) in shipped.tried.unproved.iter().filter(|(property, _)| !broken.contains(property)) {
        match open.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, properties)) => properties.push(*property),
            None => open.push((why, vec![*property])),
        }
    }
    for (why, properties) in open {
        line.push_str(&format!("\n  open:{}: {why}", list(&properties)));
    }
    if !broken.is_empty() {
        line.push_str(&format!("\n  violated:{}", list(&broken)));
    }
    line
}

#[test]
fn the_table_of_what_is_proved_is_as_it_was() {
    let lines = of_each(shipped(), line);
    let fresh = format!(
        "# What is proved of the shipped policies, made by a test: IDEMCHECK_UPDATE=1 cargo test --test proofs corpus\n\n{}\n",
        lines.join("\n")
    );
    let has = |word: &str, without: &str| {
        let of = |line: &&String| line.contains(word) && (without.is_empty() || !line.contains(without));
        lines.iter().filter(of).count()
    };
    println!(
        "{} policies: {} with something violated; of the others {} with a proof, {} of them of all that could be proved",
        lines.len(),
        has("\n  violated:", ""),
        has("\n  proved", "\n  violated:"),
        lines.iter().filter(|line| !line.contains("\n  open:") && !line.contains("\n  violated:")).count()
    );
    if std::env::var_os("IDEMCHECK_UPDATE").is_some() {
        std::fs::write(TABLE, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(TABLE).unwrap_or_default();
    assert!(kept == fresh, "{TABLE} is out of date: IDEMCHECK_UPDATE=1 cargo test --test proofs corpus");
}
