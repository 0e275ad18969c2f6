//! Proofs for any number of attempts.

use std::path::PathBuf;
use std::time::Instant;

use idemcheck::check::judge::not_applicable;
use idemcheck::check::proof::{check, prove};
use idemcheck::check::property::Property;
use idemcheck::policy::load::load;
use idemcheck::system::System;

#[test]
fn scratch() {
    let loaded = load(&[PathBuf::from("policies")], None);
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut total = 0.0;
    for source in &loaded.policies {
        if source.policy.remedy.is_some() || !source.policy.name.contains(&only) {
            continue;
        }
        let system = System::new(&source.policy, &source.protocol).unwrap();
        let skip = [Property::NoStuckKey, Property::OutboxAtomic];
        let goals: Vec<Property> = Property::ALL
            .into_iter()
            .filter(|p| !skip.contains(p) && not_applicable(*p, &source.policy, &system).is_none())
            .filter(|p| source.policy.expect.get(p) != Some(&idemcheck::check::verdict::Verdict::Violated))
            .collect();
        let begun = Instant::now();
        let out = prove(&system, [&source.policy.name, &source.protocol.name], &goals, &|| false);
        let took = begun.elapsed().as_secs_f64();
        total += took;
        println!("{} {took:.3} {}", source.policy.name, out.worlds);
        for proof in &out.proofs {
            println!("   proved (timed {}) {:?} {}", proof.timed, proof.properties, proof.pieces.len());
            if std::env::var_os("CHECK").is_some() {
                let begun = Instant::now();
                println!("   {:?} {:?}", check(&system, proof), begun.elapsed());
            }
        }
        for (p, why) in &out.unproved {
            println!("   open {p}: {why}");
        }
    }
    println!("total {total}");
}
