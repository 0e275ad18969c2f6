//! Random policies for a given protocol.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use idemcheck::model::graph::Uses;
use idemcheck::model::{Operation, Protocol, WaitFor};
use idemcheck::policy::{
    Downstream, Effect, Errors, Faults, Key, Lock, LogicalOperation, NativeKey, Policy, Queue, Replay,
    RoleScope, Store, SuppliedBy, Trigger, TriggerKind, TtlFrom,
};

use crate::cases::{does, nowhere};

/// What a policy is made from, whatever its protocol.
#[derive(Clone, Debug)]
pub struct PolicyGene {
    /// Requests, conflicting ones, retries of each.
    trigger: (u32, u32, u32),
    client: Times3,
    store: (Option<i64>, Option<i64>),
    facts: Vec<StoreFact>,
    staleness: Option<i64>,
    call: (i64, Times3),
    native: Option<Option<i64>>,
    flags: Flags,
    errors: Errors,
    key: KeyKind,
    faults: Vec<Fault>,
    restart: bool,
    skew: Option<i64>,
    pause: Option<i64>,
    queue: QueueGene,
    lock: (Option<i64>, Option<LockFact>),
    outbox_dedup: Option<i64>,
    roles: Vec<RoleScope>,
    choices: u64,
}

type Times3 = (Option<i64>, Option<i64>, Option<i64>);

#[derive(Clone, Debug)]
struct Flags {
    fencing: bool,
    fingerprint: bool,
    set: bool,
    replay: Replay,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum KeyKind {
    Sound,
    Splitting,
    Merging,
    Nobody,
}

/// Something that a store does not promise.
#[derive(Clone, Copy, Debug, PartialEq)]
enum StoreFact {
    StaleReads,
    Unconditional,
    PerProcess,
    ClientClock,
    Lag(i64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum LockFact {
    Session,
    PerProcess,
    DeadGrants,
    Pooled,
}

#[derive(Clone, Debug)]
struct QueueGene {
    notices: bool,
    dedup: Option<i64>,
    redrives: bool,
}

/// A fault that may happen once.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Crash,
    LostRequest,
    LostResponse,
    AmbiguousAck,
    Abort,
    Failover,
    StoreError,
    LockLoss,
    Duplicate,
    Late,
    Redelivery,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => Just(Fault::Crash),
        1 => Just(Fault::LostRequest),
        3 => Just(Fault::LostResponse),
        4 => Just(Fault::AmbiguousAck),
        2 => Just(Fault::Abort),
        5 => Just(Fault::Failover),
        3 => Just(Fault::StoreError),
        4 => Just(Fault::LockLoss),
        2 => Just(Fault::Duplicate),
        2 => Just(Fault::Late),
        4 => Just(Fault::Redelivery),
    ]
}

fn store_fact() -> impl Strategy<Value = StoreFact> {
    prop_oneof![
        4 => Just(StoreFact::StaleReads),
        3 => Just(StoreFact::Unconditional),
        1 => Just(StoreFact::PerProcess),
        3 => Just(StoreFact::ClientClock),
        3 => (1..=2_i64).prop_map(StoreFact::Lag),
    ]
}

fn lock_fact() -> impl Strategy<Value = LockFact> {
    select(vec![LockFact::Session, LockFact::PerProcess, LockFact::DeadGrants, LockFact::Pooled])
}

fn role_scope() -> impl Strategy<Value = RoleScope> {
    let replicas = prop_oneof![7 => Just(1_u32), 1 => Just(2)];
    let runs = prop_oneof![2 => Just(1_u32), 1 => Just(2)];
    (replicas, runs, 0..=2_i64).prop_map(|(replicas, runs, every)| RoleScope { replicas, runs, every })
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
    let replay =
        prop_oneof![4 => Just(Replay::Bytes), 1 => Just(Replay::Semantic), 1 => Just(Replay::Latest)];
    let flag = prop::bool::weighted;
    let flags = (any::<bool>(), any::<bool>(), flag(0.25), replay)
        .prop_map(|(fencing, fingerprint, set, replay)| Flags { fencing, fingerprint, set, replay });
    let ways = (
        (time(0.5), time(0.3), time(0.25)),
        (time(0.6), time(0.4)),
        (select(vec![0, 0, 1, 2]), (time(0.4), time(0.6), time(0.5))),
        weighted(0.6, time(0.6)),
    );
    let facts =
        prop_oneof![5 => vec(store_fact(), 0..=0), 3 => vec(store_fact(), 1), 1 => vec(store_fact(), 2)];
    let faults = (vec(fault(), 0..=3), flag(0.4), weighted(0.12, 1..=1_i64), time(0.4));
    let queue = (flag(0.5), weighted(0.25, 1..=3_i64), flag(0.15))
        .prop_map(|(notices, dedup, redrives)| QueueGene { notices, dedup, redrives });
    let delivery = (queue, (time(0.6), weighted(0.4, lock_fact())), time(0.3), vec(role_scope(), 2));
    let around = (facts, weighted(0.5, 1..=2_i64));
    (trigger, ways, flags, errors, key, faults, delivery, around, any::<u64>()).prop_map(
        |(trigger, ways, flags, errors, key, faults, delivery, around, choices)| {
            let (client, store, call, native) = ways;
            let (faults, restart, skew, pause) = faults;
            let (queue, lock, outbox_dedup, roles) = delivery;
            let (facts, staleness) = around;
            PolicyGene {
                trigger,
                client,
                store,
                facts,
                staleness,
                call,
                native,
                flags,
                errors,
                key,
                faults,
                restart,
                skew,
                pause,
                queue,
                lock,
                outbox_dedup,
                roles,
                choices,
            }
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
        self.pause = self.pause.filter(|_| self.client.0.is_none());
        self.facts.truncate(1);
        self.roles.iter_mut().for_each(|scope| scope.replicas = 1);
        // Clocks multiply, most of all where an attempt comes back; one case in eight keeps them all.
        if self.choices >> 44 & 7 != 0 {
            let most = if self.faults.contains(&Fault::Crash) && self.restart { 3 } else { 4 };
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
        times.extend([&mut self.staleness, &mut self.queue.dedup, &mut self.lock.0, &mut self.outbox_dedup]);
        times
    }

    /// The same without a bound on stalls; most with a crash, after which nobody comes back, and all
    /// with an end to what is late.
    pub fn stalling(mut self) -> PolicyGene {
        self.pause = None;
        self.restart &= self.choices >> 53 & 3 == 0;
        if self.choices >> 55 & 3 != 0 && !self.faults.contains(&Fault::Crash) {
            self.faults.push(Fault::Crash);
        }
        let (_, (_, timeout, late)) = &mut self.call;
        (*timeout, *late) = (timeout.or(Some(2)), late.or(Some(1)));
        self
    }

    /// The same with this trigger, clients that may give up at any moment, and few faults.
    pub fn crowded(mut self, trigger: (u32, u32, u32)) -> PolicyGene {
        self.trigger = trigger;
        self.client = (None, None, None);
        self.store.1 = None;
        self.call.1.2 = None;
        self.facts.truncate(1);
        let restart = self.restart;
        self.faults.retain(|fault| match fault {
            Fault::LostRequest | Fault::LostResponse | Fault::AmbiguousAck | Fault::Abort => false,
            Fault::Crash => restart,
            _ => true,
        });
        self.shorter()
    }

    fn allowed(&self, fault: Fault, uses: &Uses) -> bool {
        match fault {
            Fault::Failover => uses.store && !(uses.call && uses.commits_effect),
            Fault::StoreError => uses.store || uses.lock,
            Fault::LockLoss => uses.lock,
            Fault::Redelivery => uses.queue,
            Fault::Duplicate | Fault::Late => !uses.queue,
            _ => true,
        }
    }

    fn store(&self, loses_writes: bool, splits: bool) -> Store {
        let (lease, ttl) = self.store;
        let has = |fact| self.facts.contains(&fact);
        let lag = self.facts.iter().find_map(|fact| match fact {
            StoreFact::Lag(ms) => ttl.map(|_| *ms),
            _ => None,
        });
        let lags = loses_writes || has(StoreFact::StaleReads) || has(StoreFact::Unconditional);
        Store {
            kind: "postgres".to_owned(),
            lease: lease.map(|lease| ttl.map_or(lease, |ttl| ttl.min(lease))),
            ttl,
            ttl_from: if self.choices >> 40 & 1 == 0 { TtlFrom::Claim } else { TtlFrom::Record },
            ttl_lag: lag.unwrap_or(0),
            loses_writes,
            stale_reads: has(StoreFact::StaleReads),
            staleness: self.staleness.filter(|_| lags),
            conditional: !has(StoreFact::Unconditional),
            per_process: has(StoreFact::PerProcess) && splits,
            client_clock: has(StoreFact::ClientClock),
        }
    }
}

/// A policy that the reader would take for this protocol.
pub fn policy(gene: &PolicyGene, protocol: &Protocol) -> Policy {
    let calls = does(protocol, Operation::uses_downstream);
    let keyed = does(protocol, |op| matches!(op, Operation::Call { key: true, .. }));
    let tokens = does(protocol, |op| {
        matches!(op, Operation::Call { token: true, .. } | Operation::Query { token: true })
    });
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
    let choices: BTreeMap<String, String> = protocol
        .choices
        .iter()
        .map(|choice| (choice.name.clone(), choice.options[roll(choice.options.len())].0.clone()))
        .collect();
    let uses = protocol.uses(|name| choices.get(name).map(String::as_str));

    let (requests, conflicting, retries) = gene.trigger;
    let (timeout, backoff, within) = gene.client;
    let earliest = timeout.unwrap_or(0) + backoff.unwrap_or(0);
    let (latency_min, (latency_more, call_timeout, late)) = gene.call;
    // Many attempts, faults and clocks at once are more than integer time can count.
    let crowded = (requests + conflicting) * (retries + 1) + protocol.roles.len() as u32 > 2;
    let alone = requests + conflicting == 1;
    let pause = gene.pause.filter(|_| !crowded || alone);
    let late = late.filter(|_| !crowded);
    let faults: Vec<Fault> = gene
        .faults
        .iter()
        .copied()
        .filter(|fault| gene.allowed(*fault, &uses))
        .take(if crowded { 1 } else { 2 })
        .collect();
    let count = |fault: Fault| u32::from(faults.contains(&fault));
    let fields = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    // A role that looks for receipts needs attempts that share theirs.
    let splits = !protocol.roles.iter().any(|role| protocol.looks_at_receipts(role.start));
    let from = match gene.key {
        KeyKind::Splitting if splits => fields(&["tenant", "order", "nonce"]),
        KeyKind::Merging => fields(&["tenant"]),
        KeyKind::Nobody if splits => Vec::new(),
        _ => fields(&["tenant", "order"]),
    };
    let nobody = from.is_empty();
    let compares = [None, Some(true), Some(false)][(gene.choices >> 41) as usize % 3];
    let queue = uses.queue.then(|| Queue {
        visibility: timeout,
        dedup: gene.queue.dedup,
        duplicates: false,
        redrives: u32::from(gene.queue.redrives && !crowded),
        notices: gene.queue.notices,
    });
    let roles = protocol.roles.iter().zip(&gene.roles).map(|(_, scope)| *scope);
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
            fingerprint: if gene.flags.fingerprint && !nobody { fields(&["body"]) } else { Vec::new() },
            supplied_by: if nobody { SuppliedBy::Nobody } else { SuppliedBy::Client },
            replay: gene.flags.replay,
            from,
        },
        trigger: Trigger {
            kind: if queue.is_some() { TriggerKind::Queue } else { TriggerKind::Http },
            requests,
            conflicting,
            retries,
            timeout: timeout.filter(|_| queue.is_none()),
            backoff,
            within: within.map(|within| if retries > 0 { within.max(earliest) } else { within }),
            every: 0,
            delay: None,
            repeat: None,
            notifiers: 1,
            overlapping: 2,
        },
        store: does(protocol, Operation::uses_store).then(|| gene.store(count(Fault::Failover) > 0, splits)),
        downstream: calls.then(|| Downstream {
            // A shortest latency is declared together with a longest one.
            latency_min: if latency_more.is_some() { latency_min } else { 0 },
            latency_max: latency_more.map(|more| (latency_min + more - 1).max(1)),
            timeout: call_timeout.map(|timeout| timeout.max(latency_min)),
            late: late.filter(|_| call_timeout.is_some()),
            native_key: gene.native.filter(|_| keyed).map(|ttl| NativeKey { ttl, compares }),
            query: does(protocol, |op| matches!(op, Operation::Query { .. })),
            fencing: gene.flags.fencing && tokens,
            errors: gene.errors,
        }),
        queue,
        lock: uses.lock.then(|| Lock {
            lease: gene.lock.0,
            session: gene.lock.1 == Some(LockFact::Session),
            per_process: gene.lock.1 == Some(LockFact::PerProcess),
            dead_grants: gene.lock.1 == Some(LockFact::DeadGrants),
            pooled: gene.lock.1 == Some(LockFact::Pooled),
            per_target: false,
        }),
        outbox_dedup: gene.outbox_dedup.filter(|_| uses.publish),
        roles: roles.collect(),
        choices,
        waits,
        faults: Faults {
            crashes: count(Fault::Crash),
            restart: gene.restart,
            lost_requests: count(Fault::LostRequest),
            lost_responses: count(Fault::LostResponse),
            ambiguous_acks: count(Fault::AmbiguousAck),
            aborts: count(Fault::Abort),
            failovers: count(Fault::Failover),
            store_errors: count(Fault::StoreError),
            lock_losses: count(Fault::LockLoss),
            duplicate_requests: count(Fault::Duplicate),
            late_requests: count(Fault::Late),
            redeliveries: count(Fault::Redelivery),
            clock_skew: gene.skew.unwrap_or(0),
            pause,
        },
        expect: BTreeMap::new(),
        waivers: Vec::new(),
        remedy: None,
        silenced: BTreeMap::new(),
        http: idemcheck::policy::Http::default(),
        load: None,
        simulate: Default::default(),
        members: Vec::new(),
    }
}
