//! What the tests have in common.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::thread::available_parallelism;

use idemcheck::check::judge::not_applicable;
use idemcheck::check::proof::{Attempted, EXPRESSIBLE, prove};
use idemcheck::check::property::Property;
use idemcheck::check::verdict::{PolicyResult, Verdict};
use idemcheck::check::{CheckError, Engine, Limits, Reductions, VerifyOptions, verify_with};
use idemcheck::model::Protocol;
use idemcheck::policy::Policy;
use idemcheck::policy::load::{LoadedPolicy, load};
use idemcheck::system::System;
use idemcheck::threads::on_threads;

/// A shipped policy that is about no target, with all that could be proved of it.
pub struct Shipped {
    pub source: LoadedPolicy,
    pub system: System,
    pub tried: Attempted,
}

impl Shipped {
    pub fn proved(&self) -> Vec<Property> {
        self.tried.proofs.iter().flat_map(|proof| proof.properties.clone()).collect()
    }
}

/// All of them, tried once.
pub fn shipped() -> &'static [Shipped] {
    static ALL: OnceLock<Vec<Shipped>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut loaded = load(&[PathBuf::from("policies")], None);
        assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
        loaded.policies.retain(|source| source.policy.remedy.is_none());
        let tried = of_each(&loaded.policies, |source| proved(&source.policy, &source.protocol));
        let each = loaded.policies.into_iter().zip(tried);
        each.map(|(source, (system, tried))| Shipped { source, system, tried }).collect()
    })
}

/// What comes of each, on all the threads that there are.
pub fn of_each<T: Sync, R: Send>(all: &[T], one: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let jobs = available_parallelism().map_or(1, usize::from);
    on_threads(jobs, all.len(), |index| one(&all[index]))
}

pub fn policy(name: &str) -> LoadedPolicy {
    one(name).source.clone()
}

pub fn one(name: &str) -> &'static Shipped {
    shipped().iter().find(|shipped| shipped.source.policy.name == name).expect("a shipped policy")
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
