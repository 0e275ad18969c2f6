//! Policies that are ready to be sampled.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use idemcheck::check::property::Property;
use idemcheck::check::verdict::{Counterexample, Verdict};
use idemcheck::check::{Engine, Limits, VerifyOptions, find};
use idemcheck::policy::LoadedPolicy;
use idemcheck::policy::load::{load, load_texts};
use idemcheck::simulate::Around;
use idemcheck::simulate::many::Options;
use idemcheck::system::System;

pub static NEVER: AtomicBool = AtomicBool::new(false);

pub struct Ready {
    pub source: LoadedPolicy,
    pub system: System,
    pub around: Around,
}

impl Ready {
    pub fn of(source: LoadedPolicy) -> Ready {
        let system = System::new(&source.policy, &source.protocol).unwrap();
        let system = system.with_symmetry(false).in_milliseconds();
        let around = Around::new(&source.policy, &system).unwrap();
        Ready { source, system, around }
    }

    pub fn shipped(path: &str) -> Ready {
        let mut loaded = load(&[PathBuf::from(path)], None);
        assert!(!loaded.failed(), "{:#?}", loaded.diagnostics);
        Ready::of(loaded.policies.pop().unwrap())
    }

    pub fn text(policy: &str, model: &str) -> Ready {
        let mut loaded = load_texts((Path::new("p.toml"), policy), (Path::new("m.toml"), model));
        assert!(!loaded.failed(), "{:#?}", loaded.diagnostics);
        Ready::of(loaded.policies.pop().unwrap())
    }

    /// The checker's run against a property.
    pub fn counterexample(&self, property: Property) -> Option<Counterexample> {
        let options = VerifyOptions {
            properties: &[property],
            fail_fast: &[],
            engine: Engine::Zones,
            limits: Limits { states_max: Some(5_000_000), memory_max: None, time_max: None },
            today: "",
            cancel: &NEVER,
            progress: &|_| (),
        };
        let mut result = find(&self.source.policy, &self.source.protocol, &options).unwrap();
        let found = result.properties.pop().unwrap();
        assert_eq!(found.property, property);
        found.counterexample.filter(|_| found.verdict == Verdict::Violated)
    }
}

pub fn options(seed: u64, runs: u64, threads: usize) -> Options<'static> {
    Options { seed, runs, threads, cancel: &NEVER, end: None, progress: &|_, _| () }
}

/// Runs of each policy, where a test samples many.
pub fn runs(otherwise: u64) -> u64 {
    std::env::var("IDEMCHECK_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(otherwise)
}
