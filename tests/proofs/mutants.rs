//! A proof is lost with what it rests on: no mutant is proved to have a property that it breaks.

use idemcheck::check::proof::prove;
use idemcheck::system::System;

use crate::mutations::mutant::Mutant;
use crate::mutations::operator::Operator;
use crate::mutations::{calls, claims, delivery, promises};
use crate::support::{Shipped, goals, of_each, search, shipped, violated};

/// How many mutants of a policy break something, and how many proofs are lost with them. One of so many is looked
/// at.
fn of_one(shipped: &Shipped, operators: &[&Operator], each: usize) -> (usize, usize) {
    let Shipped { source, tried, .. } = shipped;
    let original = Mutant { policy: source.policy.clone(), protocol: (*source.protocol).clone() };
    let (mut lost, mut mutants) = (0, 0);
    let all = operators.iter().flat_map(|operator| {
        operator.mutants(&original).into_iter().map(|(place, mutant)| (operator.name, place, mutant))
    });
    for (operator, place, mutant) in all.skip(source.policy.name.len() % each).step_by(each) {
        let Ok(system) = System::new(&mutant.policy, &mutant.protocol) else { continue };
        let Ok(result) = search(&mutant.policy, &mutant.protocol, 1_000) else { continue };
        let broken = violated(&result);
        if broken.is_empty() {
            continue;
        }
        mutants += 1;
        let what = format!("{operator} in {} {place}", source.policy.name);
        let goals = goals(&mutant.policy, &system);
        let names = [mutant.policy.name.as_str(), mutant.protocol.name.as_str()];
        let tried_again = prove(&system, names, &goals, &|| false);
        for (property, why) in &tried_again.unproved {
            assert!(!why.contains("please report"), "{what}: {property}: {why}");
        }
        for property in tried_again.proofs.iter().flat_map(|proof| &proof.properties) {
            assert!(!broken.contains(property), "{what}: {property} is proved, and broken");
        }
        let had = tried.proofs.iter().flat_map(|proof| &proof.properties);
        lost += had.filter(|property| broken.contains(property)).count();
    }
    (mutants, lost)
}

#[test]
fn what_a_mistake_breaks_is_proved_no_more() {
    // `IDEMCHECK_EACH=1` looks at all of them.
    let each = std::env::var("IDEMCHECK_EACH").map_or(10, |text| text.parse().expect("a number"));
    let all = [claims::OPERATORS, calls::OPERATORS, delivery::OPERATORS, promises::OPERATORS];
    let operators: Vec<&Operator> = all.into_iter().flatten().collect();
    // Most policies are of few models: those that show each model and store at its plainest will do.
    let folders = ["write-path", "receipt-store", "api-retry", "locks"];
    let plain = |shipped: &&Shipped| {
        let path = &shipped.source.policy.path;
        folders.iter().any(|folder| path.starts_with(format!("policies/{folder}")))
            && !shipped.tried.proofs.is_empty()
    };
    let some: Vec<&Shipped> = shipped().iter().filter(plain).collect();
    let counts = of_each(&some, |shipped| of_one(shipped, &operators, each));
    let (mutants, lost) = counts.into_iter().fold((0, 0), |(m, l), (n, k)| (m + n, l + k));
    println!("{mutants} mutants that break something, {lost} proofs lost");
    assert!(lost > 50, "only {lost} proofs lost");
}
