//! Pairs of a protocol and a policy, small and sound, and how many of them a run tries.

use std::fmt;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestRng, TestRunner};

use idemcheck::model::{Answer, Operation, Protocol, Target};
use idemcheck::policy::Policy;

use crate::policies::{self, PolicyGene};
use crate::{shown, tables};

/// What the engines are asked about.
#[derive(Clone)]
pub struct Case {
    pub protocol: Protocol,
    pub policy: Policy,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}\n{}", shown::model(&self.protocol), shown::policy(&self.policy, &self.protocol))
    }
}

impl Case {
    pub fn new(mut protocol: Protocol, gene: &PolicyGene) -> Case {
        tidy(&mut protocol);
        let policy = policies::policy(gene, &protocol);
        Case { protocol, policy }
    }
}

/// Tables made of nothing but chance.
pub fn random_tables() -> impl Strategy<Value = Case> {
    (tables::table(), policies::gene()).prop_map(|(protocol, gene)| Case::new(protocol, &gene))
}

/// Shipped models, most of them with a mistake or two.
pub fn mutated_models() -> impl Strategy<Value = Case> {
    (tables::mutated(), policies::gene()).prop_map(|(protocol, gene)| Case::new(protocol, &gene.modest()))
}

/// The same with workers that may stall for ever, and calls that end.
pub fn stalls() -> impl Strategy<Value = Case> {
    (tables::mutated(), policies::gene())
        .prop_map(|(protocol, gene)| Case::new(protocol, &gene.modest().stalling()))
}

/// Slow tables, and clients that give up on one attempt after the other: many that are alike but
/// for their clocks.
pub fn crowds() -> impl Strategy<Value = Case> {
    (tables::slow(), policies::gene(), 0..3_usize).prop_map(|(protocol, gene, crowd)| {
        let trigger = [(1, 0, 2), (2, 0, 1), (3, 0, 0)][crowd];
        Case::new(protocol, &gene.crowded(trigger))
    })
}

/// What the reader demands of a table: every state is reachable, and every path can end.
pub fn tidy(protocol: &mut Protocol) {
    loop {
        let ends = protocol.ends();
        let Some(stuck) = ends.iter().position(|ends| !ends) else { break };
        let last = protocol.states[stuck].next.last_mut().expect("every operation has an outcome");
        last.1 = Target::Respond(Answer::Error);
    }
    let reachable = protocol.reachable();
    let number = |old: usize| reachable[..old].iter().filter(|live| **live).count();
    let renumber = |target: &mut Target| {
        if let Target::State(state) = target {
            *state = number(*state);
        }
    };
    protocol.start = number(protocol.start);
    protocol.roles.iter_mut().for_each(|role| role.start = number(role.start));
    protocol.resume.iter_mut().for_each(|state| *state = number(*state));
    for state in &mut protocol.states {
        if let Operation::Checkpoint { at } | Operation::Commit { at: Some(at), .. } = &mut state.operation {
            // That of a state that goes may name one that goes, too.
            *at = number(*at);
        }
    }
    let mut live = reachable.iter();
    protocol.states.retain(|_| *live.next().expect("one entry per state"));
    protocol.states.iter_mut().flat_map(|state| &mut state.next).for_each(|(_, target)| renumber(target));
    let used: Vec<bool> = (0..protocol.choices.len())
        .map(|id| protocol.states.iter().flat_map(|s| &s.next).any(|(_, to)| *to == Target::Choice(id)))
        .collect();
    let number = |old: usize| used[..old].iter().filter(|used| **used).count();
    for (_, target) in protocol.states.iter_mut().flat_map(|state| &mut state.next) {
        if let Target::Choice(id) = target {
            *id = number(*id);
        }
    }
    let mut kept = used.iter();
    protocol.choices.retain(|_| *kept.next().expect("one entry per choice"));
    protocol.choices.iter_mut().flat_map(|choice| &mut choice.options).for_each(|(_, to)| renumber(to));
}

/// Whether some state does this.
pub fn does(protocol: &Protocol, test: impl Fn(&Operation) -> bool) -> bool {
    protocol.states.iter().any(|state| test(&state.operation))
}

/// How many cases to try where a quick run takes `quick`.
pub fn count(quick: u32) -> u32 {
    match std::env::var("IDEMCHECK_CASES") {
        Ok(text) => text.parse().expect("IDEMCHECK_CASES is a number"),
        Err(_) => quick,
    }
}

/// Timed states of integer time, beyond which a case is left out: few for many small cases in a short time.
pub fn ticks_max() -> usize {
    match std::env::var("IDEMCHECK_TICKS") {
        Ok(text) => text.parse().expect("IDEMCHECK_TICKS is a number"),
        Err(_) => 20_000,
    }
}

/// A runner that says how to run the same cases again. The quick run is always the same one.
pub fn runner(quick: u32) -> TestRunner {
    runner_of(count(quick))
}

/// The same, of so many cases.
pub fn runner_of(cases: u32) -> TestRunner {
    let given = std::env::var("IDEMCHECK_SEED").ok();
    let seed = match (&given, std::env::var_os("IDEMCHECK_CASES")) {
        (Some(text), _) => text.parse().expect("IDEMCHECK_SEED is a number"),
        (None, None) => 1,
        (None, Some(_)) => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(1, |since| since.as_nanos() as u64)
        }
    };
    println!("{cases} cases; again: IDEMCHECK_CASES={cases} IDEMCHECK_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let failures = "tests/oracles/failures.txt";
    let config = Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(failures))),
        max_shrink_iters: 3000,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Where values that no file holds would have their place.
pub fn nowhere() -> PathBuf {
    PathBuf::from("case.toml")
}
