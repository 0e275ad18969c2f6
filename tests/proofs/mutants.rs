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
    for source in policies() {
        let (_, tried) = proved(&source.policy, &source.protocol);
        if tried.proofs.is_empty() {
            continue;
        }
        let original = Mutant { policy: source.policy.clone(), protocol: (*source.protocol).clone() };
        for operator in &operators {
            for (place, mutant) in operator.mutants(&original) {
                let Ok(system) = System::new(&mutant.policy, &mutant.protocol) else { continue };
                let Ok(result) = search(&mutant.policy, &mutant.protocol, 2_000) else { continue };
                let broken = violated(&result);
                if broken.is_empty() {
                    continue;
                }
                mutants += 1;
                let goals = goals(&mutant.policy, &system);
                let names = [mutant.policy.name.as_str(), mutant.protocol.name.as_str()];
                let tried_again = prove(&system, names, &goals, &|| false);
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
