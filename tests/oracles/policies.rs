//! Random policies for a given protocol.

use std::collections::BTreeMap;

use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use idemcheck::model::{Operation, Protocol, WaitFor};
use idemcheck::policy::{
    Downstream, Effect, Errors, Faults, Key, LogicalOperation, NativeKey, Policy, Replay, Store, SuppliedBy,
    Trigger, TriggerKind, TtlFrom,
};

use crate::cases::{does, nowhere};

/// What a policy is made from, whatever its protocol.
#[derive(Clone, Debug)]
pub struct PolicyGene {
    /// Requests, conflicting ones, retries of each.
    trigger: (u32, u32, u32),
    client: Times3,
    store: (Option<i64>, Option<i64>),
    call: (i64, Times3),
    native: Option<Option<i64>>,
    flags: Flags,
    errors: Errors,
    key: KeyKind,
    faults: [bool; 6],
    pause: Option<i64>,
    choices: u64,
}

type Times3 = (Option<i64>, Option<i64>, Option<i64>);

#[derive(Clone, Debug)]
struct Flags {
    fencing: bool,
    fingerprint: bool,
    set: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum KeyKind {
    Sound,
    Splitting,
    Merging,
    Nobody,
}

fn time(declared: f64) -> impl Strategy<Value = Option<i64>> {
    weighted(declared, prop_oneof![3 => 1..=2_i64, 2 => 3..=4_i64])
}

pub fn gene() -> impl Strategy<Value = PolicyGene> {
    let trigger = prop_oneof![
        2 => Just((1, 0, 0)),
        6 => Just((1, 0, 1)),
        // Two zombies that are alike.
        2 => Just((1, 0, 2)),
        5 => Just((2, 0, 0)),
        2 => Just((1, 1, 0)),
        1 => Just((2, 0, 1)),
        1 => Just((1, 1, 1)),
        1 => Just((2, 1, 0)),
    ];
    let errors = select(vec![Errors::Never, Errors::Definite, Errors::Ambiguous]);
    let key = prop_oneof![
        8 => Just(KeyKind::Sound),
        1 => Just(KeyKind::Splitting),
        2 => Just(KeyKind::Merging),
        1 => Just(KeyKind::Nobody),
    ];
    let flag = prop::bool::weighted;
    let flags = (any::<bool>(), any::<bool>(), flag(0.25)).prop_map(|(fencing, fingerprint, set)| Flags {
        fencing,
        fingerprint,
        set,
    });
    let faults = [flag(0.4), flag(0.1), flag(0.25), flag(0.25), flag(0.25), flag(0.4)];
    let ways = (
        (time(0.5), time(0.3), time(0.25)),
        (time(0.6), time(0.4)),
        (select(vec![0, 0, 1, 2]), (time(0.4), time(0.6), time(0.5))),
    );
    (trigger, ways, weighted(0.6, time(0.6)), flags, errors, key, faults, time(0.4), any::<u64>()).prop_map(
        |(trigger, (client, store, call), native, flags, errors, key, faults, pause, choices)| PolicyGene {
            trigger,
            client,
            store,
            call,
            native,
            flags,
            errors,
            key,
            faults,
            pause,
            choices,
        },
    )
}

impl PolicyGene {
    /// Two attempts at most, one fault, and fewer times: models of many states are large enough.
    pub fn modest(mut self) -> PolicyGene {
        let (requests, conflicting, retries) = self.trigger;
        self.trigger = match requests + conflicting {
            1 => (1, 0, retries.min(1)),
            _ => (2 - conflicting, conflicting, 0),
        };
        let first = self.faults[..5].iter().position(|fault| *fault);
        (0..5).filter(|fault| Some(*fault) != first).for_each(|fault| self.faults[fault] = false);
        self.pause = self.pause.filter(|_| self.client.0.is_none());
        // Clocks multiply, most of all where an attempt comes back; one case in eight keeps them all.
        if self.choices >> 44 & 7 != 0 {
            let most = if self.faults[0] && self.faults[5] { 3 } else { 4 };
            let first = (self.choices >> 47) as usize;
            let mut times = self.times();
            let count = times.len();
            times.rotate_left(first % count);
            times.into_iter().filter(|time| time.is_some()).skip(most).for_each(|time| *time = None);
        }
        self.shorter()
    }

    /// Most cases with short times only: what matters is which of two comes first.
    fn shorter(mut self) -> PolicyGene {
        if self.choices >> 51 & 3 != 0 {
            self.times().into_iter().flatten().for_each(|time| *time = (*time + 1) / 2);
        }
        self
    }

    /// All times that may be left undeclared.
    fn times(&mut self) -> Vec<&mut Option<i64>> {
        let (one, two, three) = &mut self.client;
        let (lease, ttl) = &mut self.store;
        let (_, (latency, timeout, late)) = &mut self.call;
        let mut times = vec![one, two, three, lease, ttl, latency, timeout, late, &mut self.pause];
        times.extend(&mut self.native);
        times
    }

    /// The same with this trigger, clients that may give up at any moment, and few faults.
    pub fn crowded(mut self, trigger: (u32, u32, u32)) -> PolicyGene {
        self.trigger = trigger;
        self.client = (None, None, None);
        self.store.1 = None;
        self.call.1.2 = None;
        for fault in [1, 2, 3, 4] {
            self.faults[fault] = false;
        }
        self.faults[0] &= self.faults[5];
        self.shorter()
    }
}

/// A policy that the reader would take for this protocol.
pub fn policy(gene: &PolicyGene, protocol: &Protocol) -> Policy {
    let calls = does(protocol, Operation::uses_downstream);
    let keyed = does(protocol, |op| matches!(op, Operation::Call { key: true, .. }));
    let tokens = does(protocol, |op| {
        matches!(op, Operation::Call { token: true, .. } | Operation::Query { token: true })
    });
    let (requests, conflicting, retries) = gene.trigger;
    let (timeout, backoff, within) = gene.client;
    let earliest = timeout.unwrap_or(0) + backoff.unwrap_or(0);
    let (lease, ttl) = gene.store;
    let (latency_min, (latency_more, call_timeout, late)) = gene.call;
    // Many attempts, faults and clocks at once are more than integer time can count.
    let crowded = (requests + conflicting) * (retries + 1) > 2;
    let alone = requests + conflicting == 1;
    let pause = gene.pause.filter(|_| !crowded || alone);
    let late = late.filter(|_| !crowded);
    let faults_most = if crowded { 1 } else { 2 };
    let count = |index: usize| {
        let before = gene.faults[..index].iter().filter(|fault| **fault).count();
        u32::from(gene.faults[index] && before < faults_most)
    };
    let fields = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let from = match gene.key {
        KeyKind::Sound => fields(&["tenant", "order"]),
        KeyKind::Splitting => fields(&["tenant", "order", "nonce"]),
        KeyKind::Merging => fields(&["tenant"]),
        KeyKind::Nobody => Vec::new(),
    };
    let nobody = gene.key == KeyKind::Nobody;
    let mut waits = BTreeMap::new();
    let mut dice = gene.choices;
    let mut roll = |sides: usize| {
        let face = dice % sides as u64;
        dice /= sides as u64;
        face as usize
    };
    for state in &protocol.states {
        if let Operation::Wait(WaitFor::Named(name)) = &state.operation {
            waits.insert(name.clone(), 1 + roll(3) as i64);
        }
    }
    let choices = protocol
        .choices
        .iter()
        .map(|choice| (choice.name.clone(), choice.options[roll(choice.options.len())].0.clone()));
    let compares = [None, Some(true), Some(false)][(gene.choices >> 41) as usize % 3];
    Policy {
        name: "case".to_owned(),
        summary: "A random case".to_owned(),
        path: nowhere(),
        model: protocol.name.clone(),
        operation: LogicalOperation {
            effect: if gene.flags.set { Effect::Set } else { Effect::Create },
            identity: fields(&["tenant", "order"]),
            stable: Vec::new(),
            severity: None,
        },
        key: Key {
            from,
            fingerprint: if gene.flags.fingerprint && !nobody { fields(&["body"]) } else { Vec::new() },
            supplied_by: if nobody { SuppliedBy::Nobody } else { SuppliedBy::Client },
            replay: Replay::Bytes,
        },
        trigger: Trigger {
            kind: TriggerKind::Http,
            requests,
            conflicting,
            retries,
            timeout,
            backoff,
            within: within.map(|within| if retries > 0 { within.max(earliest) } else { within }),
        },
        store: does(protocol, Operation::uses_store).then(|| Store {
            kind: "postgres".to_owned(),
            lease: lease.map(|lease| ttl.map_or(lease, |ttl| ttl.min(lease))),
            ttl,
            ttl_from: if gene.choices >> 40 & 1 == 0 { TtlFrom::Claim } else { TtlFrom::Record },
            conditional: true,
            ..Store::default()
        }),
        downstream: calls.then(|| Downstream {
            // A shortest latency is declared together with a longest one.
            latency_min: if latency_more.is_some() { latency_min } else { 0 },
            latency_max: latency_more.map(|more| latency_min + more - 1),
            timeout: call_timeout.map(|timeout| timeout.max(latency_min)),
            late: late.filter(|_| call_timeout.is_some()),
            native_key: gene.native.filter(|_| keyed).map(|ttl| NativeKey { ttl, compares }),
            query: does(protocol, |op| matches!(op, Operation::Query { .. })),
            fencing: gene.flags.fencing && tokens,
            errors: gene.errors,
        }),
        choices: choices.collect(),
        waits,
        faults: Faults {
            crashes: count(0),
            restart: gene.faults[5],
            lost_requests: count(1),
            lost_responses: count(2),
            ambiguous_acks: count(3),
            aborts: count(4),
            pause,
            ..Faults::default()
        },
        queue: None,
        lock: None,
        outbox_dedup: None,
        roles: Vec::new(),
        expect: BTreeMap::new(),
        waivers: Vec::new(),
    }
}
