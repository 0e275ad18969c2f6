//! The checker's own store beside each real one: the same operations at the same moments, the same
//! outcomes, the same receipt.
//!
//! A model text has every operation on a receipt as a state; the attempts of its system are put into any
//! state at will. What a real store answers has to be among what the checker allows at these clocks, and
//! what is then stored has to be what the checker's step leaves. The checker is the reference, too, by which
//! operations are drawn: whoever holds the claim, for it, does more with it. Time is whole units of an hour: that a
//! test takes a moment itself does not show, and at exactly the end of a lease both readings are allowed.

use std::cell::RefCell;
use std::fmt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use idemcheck::model::{OPERATIONS, Operation, Outcome, Protocol};
use idemcheck::policy::load::load_texts;
use idemcheck::store::decide::{Me, Rules};
use idemcheck::store::operation::{Hold, Retry};
use idemcheck::store::{Expected, Key, Owner, SharedStore, Status, Swap, Write};
use idemcheck::system::world::{self, Attempt, CLASS_MAIN, Slot, World};
use idemcheck::system::{Action, Actor, Sending, Step, System};
use idemcheck::time::TimedSystem;
use idemcheck::time::ticks::{Values, allow, follow, later};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use crate::contract::response;
use crate::place::{Kind, Place, runtime, server};

/// Every operation on a receipt, with its options.
const STATES: &[(&str, &str)] = &[
    ("store.insert", ""),
    ("store.insert", "recognise_own = true"),
    ("store.read", ""),
    ("store.write", ""),
    ("store.take_over", ""),
    ("store.take_over", "recognise_own = true"),
    ("store.renew", ""),
    ("store.record", "as = \"succeeded\""),
    ("store.record", "as = \"succeeded\"\nfenced = true"),
    ("store.record", "as = \"succeeded\"\nfenced = true\nrecognise_own = true"),
    ("store.record", "as = \"failed\""),
    ("store.record", "as = \"failed\"\nfenced = true"),
    ("store.release", ""),
    ("store.release", "fenced = true"),
    ("store.checkpoint", "at = \"s0\""),
    ("store.checkpoint", "at = \"s3\""),
    ("store.commit", "writes = [\"receipt\"]"),
    ("store.commit", "writes = [\"checkpoint\"]\nat = \"s2\""),
    ("store.find_abandoned", ""),
    ("store.sweep", ""),
];
const SWEEP: usize = STATES.len() - 1;
/// What only a holder of the claim does.
const HELD: std::ops::Range<usize> = 6..18;
/// Attempts on the one key; the last one brings another payload.
const ATTEMPTS: usize = 3;
const STEPS_MAX: usize = 40;

/// What a policy can say of its store.
#[derive(Clone, Copy, Debug)]
struct Terms {
    lease: Option<u8>,
    ttl: Option<u8>,
    from_record: bool,
    compares: bool,
    swept: bool,
}

/// Time passes, then an attempt does an operation.
#[derive(Clone, Copy, Debug)]
struct Turn {
    hours: i64,
    attempt: usize,
    state: usize,
}

fn states(terms: Terms) -> usize {
    if terms.swept { STATES.len() } else { SWEEP }
}

fn model_text(terms: Terms) -> String {
    let mut text =
        "model = \"all\"\ntitle = \"Every operation\"\nstart = \"s0\"\nresume = \"s0\"\n".to_owned();
    for (at, (name, options)) in STATES.iter().take(states(terms)).enumerate() {
        let next = if at + 1 < states(terms) { format!("s{}", at + 1) } else { "end".to_owned() };
        text += &format!("\n[state.s{at}]\ndo = \"{name}\"\n{options}\n");
        let spec = OPERATIONS.iter().find(|spec| spec.name == *name).unwrap();
        for outcome in spec.outcomes {
            text += &format!("{} = \"{next}\"\n", outcome.name());
        }
    }
    // Never come to: whoever is done stays an attempt.
    text += "\n[state.end]\ndo = \"store.checkpoint\"\nat = \"s0\"\nrecorded = \"respond.success\"\n\
             lost = \"resume\"\n";
    text
}

fn policy_text(terms: Terms) -> String {
    let hours = |name: &str, hours: Option<u8>| {
        hours.map_or_else(String::new, |hours| format!("{name} = \"{hours}h\"\n"))
    };
    format!(
        "policy = \"all\"\nsummary = \"Every operation\"\nmodel = \"all\"\n\
         [operation]\neffect = \"create\"\nidentity = [\"id\"]\n\
         [key]\nfrom = [\"id\"]\nsupplied_by = \"client\"\n{}\
         [trigger]\nrequests = 2\nconflicting = 1\nretries = 0\n\
         [store]\nkind = \"postgres\"\n{}{}ttl_from = \"{}\"\n\
         [faults]\ncrashes = 0\nlost_responses = 0\n",
        if terms.compares { "fingerprint = [\"body\"]\n" } else { "" },
        hours("lease", terms.lease),
        hours("ttl", terms.ttl),
        if terms.from_record { "record" } else { "claim" },
    )
}

/// The checker's side, in integer time.
#[derive(Clone)]
struct Checker {
    system: Arc<System>,
    world: World,
    clocks: Values,
}

impl Checker {
    fn new(terms: Terms) -> (Checker, Arc<Protocol>, Rules) {
        let (policy, model) = (policy_text(terms), model_text(terms));
        let loaded = load_texts((Path::new("p.toml"), &policy), (Path::new("m.toml"), &model));
        assert!(!loaded.failed(), "{:#?}\n{policy}\n{model}", loaded.diagnostics);
        let one = &loaded.policies[0];
        let system = System::new(&one.policy, &one.protocol).unwrap().with_symmetry(false);
        let rules = Rules::new(&one.policy, terms.swept);
        let mut world = system.initial_world();
        let clocks = std::iter::repeat_n(0, world.number_clocks().len()).collect();
        let mut checker = Checker { system: Arc::new(system), world, clocks };
        for client in 0..ATTEMPTS {
            let mut sent = checker.steps(|step| {
                step.label.actor == Actor::Client(client as u8)
                    && step.label.action == Action::Send(Sending::Arrives)
            });
            checker.take(sent.remove(0));
        }
        (checker, one.protocol.clone(), rules)
    }

    fn steps(&self, wanted: impl Fn(&Step) -> bool) -> Vec<Step> {
        let mut steps = Vec::new();
        self.system.steps(&self.world, &mut steps);
        steps.retain(|step| wanted(step) && allow(&step.guard, &self.clocks));
        steps
    }

    fn take(&mut self, step: Step) {
        self.world = step.world;
        let map = self.world.number_clocks();
        self.clocks = follow(&map, &self.clocks);
    }

    fn pass(&mut self, hours: i64) {
        let cap = self.system.greatest_constant() + 1;
        self.clocks = later(&self.clocks, hours, cap);
    }

    /// What an attempt's operation in a state may come to.
    fn allowed(&mut self, turn: Turn, protocol: &Protocol) -> Vec<Step> {
        let name = format!("s{}", turn.state);
        let at = protocol.states.iter().position(|one| one.name == name).unwrap();
        self.world.clients[turn.attempt].attempt.as_mut().unwrap().at = at as u8;
        self.steps(|step| {
            let operates = matches!(step.label.action, Action::Operate { .. });
            step.label.actor == Actor::Attempt(turn.attempt as u8) && operates
        })
    }

    fn attempt(&self, number: usize) -> &Attempt {
        self.world.clients[number].attempt.as_ref().unwrap()
    }

    fn value(&self, slot: Slot) -> Option<i64> {
        slot.clock().map(|clock| self.clocks[usize::from(clock) - 1])
    }
}

/// The checker alone: by it operations are drawn, and what can't be asked is left out when a case shrinks.
#[derive(Clone)]
struct Drawn {
    terms: Terms,
    checker: Checker,
    protocol: Arc<Protocol>,
    rules: Rules,
}

impl fmt::Debug for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.terms.fmt(f)
    }
}

struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Drawn;
    type Transition = Turn;

    fn init_state() -> BoxedStrategy<Drawn> {
        let drawn = |terms| {
            let (checker, protocol, rules) = Checker::new(terms);
            Drawn { terms, checker, protocol, rules }
        };
        terms().prop_map(drawn).boxed()
    }

    fn transitions(drawn: &Drawn) -> BoxedStrategy<Turn> {
        let hours = || prop_oneof![5 => Just(0), 3 => 1..3i64, 1 => 3..7i64];
        // Claims and looks more often: without a claim most operations come to nothing.
        let any = prop_oneof![2 => 0..7usize, 3 => 0..states(drawn.terms)];
        let turn = |(hours, attempt, state)| Turn { hours, attempt, state };
        let turns = (hours(), 0..ATTEMPTS, any).prop_map(turn).boxed();
        let holders: Vec<usize> = (0..ATTEMPTS).filter(|one| drawn.checker.attempt(*one).owns).collect();
        if holders.is_empty() {
            return turns;
        }
        let held = (hours(), prop::sample::select(holders), HELD).prop_map(turn);
        prop_oneof![3 => turns, 2 => held].boxed()
    }

    fn apply(mut drawn: Drawn, turn: &Turn) -> Drawn {
        if turn.hours > 0 {
            drawn.checker.pass(turn.hours);
        }
        // Where it may come to several things, the store decides later which; this is about what to ask.
        let first = drawn.checker.allowed(*turn, &drawn.protocol).into_iter().next();
        if let Some(step) = first {
            drawn.checker.take(step);
        }
        drawn
    }

    fn preconditions(drawn: &Drawn, turn: &Turn) -> bool {
        turn.state < states(drawn.terms)
    }
}

/// Where the cases of a test take place.
struct Bench {
    runtime: tokio::runtime::Runtime,
    place: Place,
    stores: [SharedStore; 2],
}

thread_local! {
    /// Of the test that runs on this thread: a case knows no more than its reference.
    static BENCH: RefCell<Option<Rc<Bench>>> = const { RefCell::new(None) };
}

struct OnStore;

impl StateMachineTest for OnStore {
    type SystemUnderTest = Pair;
    type Reference = Reference;

    fn init_test(drawn: &Drawn) -> Pair {
        Pair::new(drawn, BENCH.with_borrow(|bench| bench.clone().expect("a bench")))
    }

    fn apply(mut pair: Pair, _: &Drawn, turn: Turn) -> Pair {
        let bench = pair.bench.clone();
        if let Err(fault) = bench.runtime.block_on(pair.turn(turn)) {
            panic!("{turn:?}: {fault}");
        }
        pair
    }

    fn teardown(pair: Pair, _: Drawn) {
        // What is left does not slow down the next case.
        let swap = Swap::new(pair.key.clone(), Expected::Anything, Write::Delete);
        pair.bench.runtime.block_on(pair.bench.place.done(&swap));
    }
}

/// Both sides of one case.
struct Pair {
    terms: Terms,
    checker: Checker,
    protocol: Arc<Protocol>,
    bench: Rc<Bench>,
    key: Key,
    holds: Vec<Hold>,
}

static CASES: AtomicU32 = AtomicU32::new(0);

impl Pair {
    fn new(drawn: &Drawn, bench: Rc<Bench>) -> Pair {
        let Drawn { terms, checker, protocol, rules } = drawn.clone();
        let stores = &bench.stores;
        let key = Key::new(&["case", &CASES.fetch_add(1, Ordering::Relaxed).to_string()]);
        let holds = (0..ATTEMPTS).map(|number| {
            let me = Me {
                owner: Owner::random().unwrap(),
                fingerprint: vec![checker.attempt(number).class],
                request: b"asked".to_vec(),
                token: 0,
                owns: false,
                known: Some(response(&[number as u8])),
            };
            Hold::new(stores[number % stores.len()].clone(), key.clone(), me, rules, Retry::default())
        });
        let holds = holds.collect();
        Pair { terms, checker, protocol, bench, key, holds }
    }

    async fn turn(&mut self, turn: Turn) -> Result<(), String> {
        if turn.hours > 0 {
            self.bench.place.pass(turn.hours * self.checker.system.times.unit_ms).await;
            self.bench.place.renumber().await;
            self.checker.pass(turn.hours);
        }
        let allowed = self.checker.allowed(turn, &self.protocol);
        let at = usize::from(self.checker.attempt(turn.attempt).at);
        let operation = self.protocol.states[at].operation.clone();
        let real = self.operate(turn.attempt, &operation).await?;
        let outcomes: Vec<Outcome> = allowed.iter().map(outcome).collect();
        let mut faults = Vec::new();
        for step in allowed.into_iter().filter(|step| outcome(step) == real) {
            let before = (self.checker.world.clone(), self.checker.clocks.clone());
            self.checker.take(step);
            match self.differs(turn.attempt).await {
                None => return Ok(()),
                Some(fault) => faults.push(fault),
            }
            (self.checker.world, self.checker.clocks) = before;
        }
        Err(format!("{operation:?} came to {real:?}; the checker allows {outcomes:?}; {faults:?}"))
    }

    async fn operate(&mut self, attempt: usize, operation: &Operation) -> Result<Outcome, String> {
        if *operation == Operation::Sweep {
            let there = self.bench.place.read(&self.key).await.is_some();
            self.bench.place.store.sweep(None, 1000).await.map_err(|error| error.to_string())?;
            let gone = there && self.bench.place.read(&self.key).await.is_none();
            return Ok(if gone { Outcome::Swept } else { Outcome::None });
        }
        let protocol = self.protocol.clone();
        let name = move |state: usize| protocol.states[state].name.clone();
        let hold = &mut self.holds[attempt];
        let outcome = hold.operate(operation, None, &name).await.map_err(|error| error.to_string())?;
        if outcome == Outcome::Found {
            let receipt = hold.seen.clone().ok_or("nothing was found")?;
            hold.adopt(&receipt);
        }
        Ok(outcome)
    }

    /// In what the two sides differ now.
    async fn differs(&self, attempt: usize) -> Option<String> {
        let seen = self.bench.place.store.read(&self.key).await.unwrap();
        let gone = |at: Option<i64>| !self.terms.swept && at.is_some_and(|at| at <= seen.now);
        let real = seen.receipt.filter(|receipt| !gone(receipt.expires_at));
        let checked = self.checker.world.keys[0].receipt;
        // At exactly its end a receipt may be taken for either; beyond, it is gone.
        let times = &self.checker.system.times;
        let from_record = self.terms.from_record;
        let age = self.checker.value(if from_record { checked.clock } else { checked.born });
        let over = times.ttl.zip(age).is_some_and(|(ttl, age)| age >= ttl) && !self.terms.swept;
        let there = checked.status != world::Status::Absent && !over;
        let (mine, theirs) = (&self.holds[attempt].me, self.checker.attempt(attempt));
        if mine.owns != theirs.owns {
            return Some(format!("owns: {} and {}", mine.owns, theirs.owns));
        }
        let Some(real) = real else {
            return there.then(|| format!("no receipt, where the checker has {checked:?}"));
        };
        if !there {
            return Some(format!("{real:?}, where the checker has none"));
        }
        let status = match checked.status {
            world::Status::InProgress => Status::InProgress,
            world::Status::Succeeded => Status::Succeeded,
            _ => Status::Failed,
        };
        let owners: Vec<usize> = (0..ATTEMPTS)
            .filter(|number| checked.token != 0 && self.checker.attempt(*number).token == checked.token)
            .collect();
        let real_owners: Vec<usize> =
            (0..ATTEMPTS).filter(|number| self.holds[*number].me.owner == real.owner).collect();
        let checkpoint = checked.checkpoint.checked_sub(1);
        let checkpoint = checkpoint.map(|state| self.protocol.states[usize::from(state)].name.clone());
        // Hours until an end, by the real store and by the checker.
        let hour = times.unit_ms;
        let left = |at: Option<i64>| at.map(|at| (at - seen.now + hour / 2).div_euclid(hour));
        let lease = times.lease.filter(|_| status == Status::InProgress);
        let most = self.checker.system.greatest_constant();
        let expected = |end: Option<i64>, age: Option<i64>| end.zip(age.filter(|age| *age <= most));
        let agrees = |at: Option<i64>, end: Option<i64>, age: Option<i64>| {
            end.is_some() == at.is_some()
                && expected(end, age).is_none_or(|(end, age)| left(at) == Some(end - age))
        };
        let pairs = [
            ("status", real.status == status),
            ("owner", real_owners == owners),
            ("payload", real.fingerprint == [checked.class]),
            ("checkpoint", real.checkpoint == checkpoint),
            ("lease", agrees(real.lease_until, lease, self.checker.value(checked.clock))),
            ("ttl", agrees(real.expires_at, times.ttl, age)),
        ];
        let wrong: Vec<&str> = pairs.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect();
        (!wrong.is_empty()).then(|| {
            format!("{wrong:?} of {real:?} at {} by {real_owners:?}; the checker has {checked:?} by {owners:?} at {:?}",
                seen.now, self.checker.clocks)
        })
    }
}

fn outcome(step: &Step) -> Outcome {
    match step.label.action {
        Action::Operate { outcome } => outcome,
        _ => unreachable!("only operations are kept"),
    }
}

fn terms() -> impl Strategy<Value = Terms> {
    let hours = || prop_oneof![1 => Just(None), 4 => (1..4u8).prop_map(Some)];
    (hours(), hours(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(lease, longer, from_record, compares, swept)| {
            // The reader refuses a TTL that ends before the lease does.
            let ttl = longer.map(|longer| longer + lease.unwrap_or(0));
            // Without a TTL there is nothing to sweep, and nothing for it to count from.
            let (from_record, swept) = (from_record && ttl.is_some(), swept && ttl.is_some());
            Terms { lease, ttl, from_record, compares, swept }
        },
    )
}

/// Random operations on one kind of store, so many cases.
fn agree(kind: Kind, cases: u32) {
    if server(kind).is_none() {
        return;
    }
    let runtime = runtime();
    let (place, stores) = runtime.block_on(async {
        let place = Place::new(kind).await;
        let stores = [place.store.clone(), place.another().await];
        (place, stores)
    });
    let bench = Rc::new(Bench { runtime, place, stores });
    BENCH.set(Some(bench.clone()));
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let cases = Reference::sequential_strategy(1..STEPS_MAX);
    let result = TestRunner::new(config.clone()).run(&cases, |(drawn, turns, seen)| {
        OnStore::test_sequential(config.clone(), drawn, turns, seen);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    bench.runtime.block_on(bench.place.clear());
}

#[test]
fn memory_does_as_the_checker_does() {
    agree(Kind::Memory, 2000);
}

#[test]
fn sqlite_does_as_the_checker_does() {
    agree(Kind::Sqlite, 40);
}

#[test]
fn postgres_does_as_the_checker_does() {
    agree(Kind::Postgres, 60);
}

#[test]
fn redis_does_as_the_checker_does() {
    agree(Kind::Redis, 150);
}

#[test]
#[cfg(feature = "dynamodb")]
fn dynamodb_does_as_the_checker_does() {
    agree(Kind::DynamoDb, 60);
}

#[test]
fn every_operation_comes_up() {
    let (checker, protocol, _) =
        Checker::new(Terms { lease: Some(2), ttl: Some(3), from_record: true, compares: true, swept: true });
    assert_eq!(protocol.states.len(), STATES.len() + 1);
    assert_eq!(checker.system.times.unit_ms, 3_600_000);
    let classes: Vec<u8> = (0..ATTEMPTS).map(|number| checker.attempt(number).class).collect();
    assert_eq!(classes.iter().filter(|class| **class == CLASS_MAIN).count(), ATTEMPTS - 1);
}
