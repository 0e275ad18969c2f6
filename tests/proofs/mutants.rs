//! A proof is lost with what it rests on: no mutant is proved to have a property that it breaks.

use idemcheck::check::proof::prove;
use idemcheck::system::System;

use crate::mutations::mutant::Mutant;
use crate::mutations::operator::Operator;
use crate::mutations::{calls, claims, delivery, promises};
use crate::support::{goals, policies, proved, search, violated};

#[test]
fn what_a_mistake_breaks_is_proved_no_more() {
    let all = [claims::OPERATORS, calls::OPERATORS, delivery::OPERATORS, promises::OPERATORS];
    let operators: Vec<&Operator> = all.into_iter().flatten().collect();
    let (mut lost, mut mutants) = (0, 0);
    // Most policies are of few models: those that show each model and store at its plainest will do.
    let folders = ["write-path", "receipt-store", "api-retry", "locks"];
    let plain =
        |path: &std::path::Path| folders.iter().any(|folder| path.starts_with(format!("policies/{folder}")));
    for source in policies().into_iter().filter(|source| plain(&source.policy.path)) {
        let (_, tried) = proved(&source.policy, &source.protocol);
        if tried.proofs.is_empty() {
            continue;
        }
        let original = Mutant { policy: source.policy.clone(), protocol: (*source.protocol).clone() };
        for operator in &operators {
            for (place, mutant) in operator.mutants(&original) {
                let Ok(system) = System::new(&mutant.policy, &mutant.protocol) else { continue };
                let Ok(result) = search(&mutant.policy, &mutant.protocol, 1_000) else { continue };
                let broken = violated(&result);
                if broken.is_empty() {
                    continue;
                }
                mutants += 1;
                let goals = goals(&mutant.policy, &system);
                let names = [mutant.policy.name.as_str(), mutant.protocol.name.as_str()];
                let tried_again = prove(&system, names, &goals, &|| false);
                for (property, why) in &tried_again.unproved {
                    let what = format!("{} in {} {place}", operator.name, source.policy.name);
                    assert!(!why.contains("please report"), "{what}: {property}: {why}");
                }
                for proof in &tried_again.proofs {
                    for property in &proof.properties {
                        let what = format!("{} in {} {place}", operator.name, source.policy.name);
                        assert!(!broken.contains(property), "{what}: {property} is proved, and broken");
                    }
                }
                let had = tried.proofs.iter().flat_map(|proof| &proof.properties);
                lost += had.filter(|property| broken.contains(property)).count();
            }
        }
    }
    println!("{mutants} mutants that break something, {lost} proofs lost");
    assert!(lost > 50, "only {lost} proofs lost");
}
