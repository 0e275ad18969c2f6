//! What the tests have in common.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use idemcheck::check::judge::not_applicable;
use idemcheck::check::proof::{Attempted, EXPRESSIBLE, prove};
use idemcheck::check::property::Property;
use idemcheck::check::verdict::{PolicyResult, Verdict};
use idemcheck::check::{CheckError, Engine, Limits, Reductions, VerifyOptions, verify_with};
use idemcheck::model::Protocol;
use idemcheck::policy::Policy;
use idemcheck::policy::load::{LoadedPolicy, load};
use idemcheck::system::System;

/// The shipped policies that are about no target.
pub fn policies() -> Vec<LoadedPolicy> {
    let mut loaded = load(&[PathBuf::from("policies")], None);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.policies.retain(|source| source.policy.remedy.is_none());
    loaded.policies
}

pub fn policy(name: &str) -> LoadedPolicy {
    policies().into_iter().find(|source| source.policy.name == name).expect("a shipped policy")
}

/// Everything that could be proved of a policy, whether or not it holds.
pub fn goals(policy: &Policy, system: &System) -> Vec<Property> {
    EXPRESSIBLE.into_iter().filter(|goal| not_applicable(*goal, policy, system).is_none()).collect()
}

/// What is proved of all of that.
pub fn proved(policy: &Policy, protocol: &Protocol) -> (System, Attempted) {
    let system = System::new(policy, protocol).unwrap();
    let goals = goals(policy, &system);
    let tried = prove(&system, [&policy.name, &protocol.name], &goals, &|| false);
    (system, tried)
}

/// A search of the declared scope, up to so many zones.
pub fn search(policy: &Policy, protocol: &Protocol, zones: u64) -> Result<PolicyResult, CheckError> {
    let cancel = AtomicBool::new(false);
    let options = VerifyOptions {
        engine: Engine::Zones,
        limits: Limits { states_max: Some(zones), memory_max: None, time_max: None },
        properties: &EXPRESSIBLE,
        fail_fast: &[],
        today: "2000-01-01",
        cancel: &cancel,
        progress: &|_| (),
    };
    verify_with(policy, protocol, &options, Reductions::ALL)
}

pub fn violated(result: &PolicyResult) -> Vec<Property> {
    let broken = result.properties.iter().filter(|property| property.verdict == Verdict::Violated);
    broken.map(|property| property.property).collect()
}

/// Of so many, the one that a seed comes to next.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % count
    }
}
