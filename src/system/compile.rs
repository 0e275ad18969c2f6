//! Policy × protocol → system: a flat table without choices, times in one unit.

use std::collections::BTreeSet;
use std::fmt;

use super::world::{
    Budget, CLASS_CONFLICTING, CLASS_MAIN, CLASS_MERGED, CLASSES, Call, Client, FLIGHTS_MAX, Key, Known,
    Native, Phase, Receipt, Slot, Status, World,
};
use crate::model::operation::WaitFor;
use crate::model::{Answer, Operation, Outcome, Protocol, RecordAs, StateId, Target, WriteKind};
use crate::policy::{Errors, Faults, Policy, SuppliedBy, TtlFrom};
use crate::time::NO_BOUND;

/// How many outcomes there are: the width of a row of the table.
const OUTCOMES: usize = Outcome::Elapsed as usize + 1;

/// Where an outcome leads, with the policy's choices made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    State(u8),
    Respond(Answer),
    End,
    /// Not an outcome of this operation.
    Nowhere,
}

/// One state of the model.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub operation: Operation,
    /// How long it waits, for a `wait`.
    pub wait: Option<i64>,
    /// By outcome.
    pub next: [Next; OUTCOMES],
}

/// All durations, in units of [`Times::unit_ms`].
#[derive(Clone, Debug)]
pub struct Times {
    /// Milliseconds in one unit: the greatest common divisor of all that was declared.
    pub unit_ms: i64,
    pub lease: Option<i64>,
    pub ttl: Option<i64>,
    pub client_timeout: Option<i64>,
    pub backoff: i64,
    pub within: Option<i64>,
    pub latency_min: i64,
    pub latency_max: Option<i64>,
    pub call_timeout: Option<i64>,
    /// A call lands at most this long after it was sent: timeout and `late` together.
    pub land_at_most: Option<i64>,
    pub native_ttl: Option<i64>,
    pub pause: Option<i64>,
    waits: Vec<i64>,
}

/// A policy and its protocol, ready to be explored.
#[derive(Clone, Debug)]
pub struct System {
    pub name: String,
    pub table: Vec<Row>,
    pub(super) first: u8,
    pub times: Times,
    pub(super) restart: bool,
    pub(super) errors: Errors,
    pub(super) native_key: bool,
    /// Whether the downstream compares payloads under a native key; none: it may or may not.
    pub(super) native_compares: Option<bool>,
    /// The TTL counts from the claim, not from the record.
    pub(super) ttl_from_claim: bool,
    /// A fingerprint always tells two merged operations apart.
    pub(super) tells_merged: bool,
    /// A restarted attempt computes its key anew.
    pub(super) restart_splits: bool,
    pub(super) fencing: bool,
    pub(super) compares_payload: bool,
    /// Every attempt has a key of its own.
    pub splits: bool,
    /// Any store operation at all.
    pub uses_store: bool,
    /// Any operation that writes a claim.
    pub claims: bool,
    /// Any operation that records a success.
    pub records: bool,
    /// Attempts look at their own lease clock.
    pub(super) holder_looks: bool,
    pub(super) idempotent_effect: bool,
    /// Some attempt may ask for the latest effect.
    pub(super) asks_latest: bool,
    /// Some record overwrites whatever is there, so that the age of a receipt shows.
    pub(super) unfenced_records: bool,
    /// States from which an attempt can still send an effect or show its token.
    pub(super) lands: Vec<bool>,
    /// A claim whose owner is gone can be taken, sooner or later.
    pub abandoned_claimable: bool,
    /// How old such a claim is when it can be taken, in units.
    pub claimable_after: Option<i64>,
    /// It is the end of the TTL, not of a lease, that makes it so.
    pub(super) claimable_by_ttl: bool,
    /// Requests of other operations that get the same key.
    pub merged: u32,
    /// Interchangeable clients, attempts and calls are put into one order.
    pub symmetry: bool,
    /// No state has more clocks than this.
    pub(super) clocks_most: usize,
    pub(super) start: World,
}

/// Why a policy cannot be made into a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompileError {
    /// A choice or wait that the model needs is not in the policy. The reader reports it with its
    /// place; this is for callers that skip the reader.
    Undecided(String),
    /// The model has more states than a byte can name.
    TooManyStates(usize),
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompileError::Undecided(name) => write!(f, "the policy does not decide `{name}`"),
            CompileError::TooManyStates(count) => write!(f, "the model has {count} states, at most 250 fit"),
        }
    }
}

impl std::error::Error for CompileError {}

impl System {
    /// Makes the system of a policy and its protocol.
    ///
    /// # Errors
    /// See [`CompileError`]; none occurs for a pair that came through the reader.
    pub fn new(policy: &Policy, protocol: &Protocol) -> Result<System, CompileError> {
        let count = protocol.states.len();
        if count > 250 {
            return Err(CompileError::TooManyStates(count));
        }
        let mut table = Vec::with_capacity(count);
        for state in &protocol.states {
            let mut next = [Next::Nowhere; OUTCOMES];
            for (outcome, target) in &state.next {
                next[*outcome as usize] = resolve(policy, protocol, target)?;
            }
            let wait = match &state.operation {
                Operation::Wait(WaitFor::Fixed(ms)) => Some(*ms),
                Operation::Wait(WaitFor::Named(name)) => {
                    let wait = policy.waits.get(name).copied();
                    Some(wait.ok_or_else(|| CompileError::Undecided(name.clone()))?)
                }
                _ => None,
            };
            table.push(Row { name: state.name.clone(), operation: state.operation.clone(), wait, next });
        }
        let used = reachable(&table, protocol.start);
        let any = |test: &dyn Fn(&Operation) -> bool| used.iter().any(|at| test(&table[*at].operation));
        let uses_store = any(&|op| {
            !matches!(op, Operation::Call { .. } | Operation::Query { .. } | Operation::Wait(_))
                && !matches!(op, Operation::Commit { writes } if !writes.contains(&WriteKind::Receipt))
        });
        let claims =
            any(&|op| matches!(op, Operation::Insert { .. } | Operation::Write | Operation::TakeOver { .. }));
        let records = any(&|op| match op {
            Operation::Record { outcome, .. } => *outcome == RecordAs::Succeeded,
            Operation::Commit { writes } => writes.contains(&WriteKind::Receipt),
            _ => false,
        });
        let holder_looks = any(&|op| matches!(op, Operation::LeaseCheck));

        let asks_latest = any(&|op| matches!(op, Operation::Query { .. }))
            || policy.operation.effect.naturally_idempotent();
        let unfenced_records = any(&|op| matches!(op, Operation::Record { fenced: false, .. }));
        let lands = (0..count).map(|at| can_land(&table, at)).collect();
        let waits = used.iter().filter_map(|at| table[*at].wait).collect();
        let times = Times::new(policy, waits);
        for row in &mut table {
            row.wait = row.wait.map(|ms| ms / times.unit_ms);
        }
        let claimable_after = claimable_after(&table, protocol.start, &times);
        let splits = policy.key.supplied_by == SuppliedBy::Nobody || !policy.splitting_fields().is_empty();
        let merged = u32::from(!splits && !policy.merging_fields().is_empty());
        let downstream = policy.downstream.as_ref();
        let mut system = System {
            name: policy.name.clone(),
            first: protocol.start as u8,
            restart: policy.faults.restart,
            errors: downstream.map_or(Errors::Never, |d| d.errors),
            native_compares: downstream.and_then(|d| d.native_key).and_then(|key| key.compares),
            ttl_from_claim: policy.store.as_ref().is_some_and(|s| s.ttl_from == TtlFrom::Claim),
            tells_merged: policy
                .merging_fields()
                .iter()
                .any(|f| policy.key.fingerprint.iter().any(|p| p == f)),
            restart_splits: splits && policy.key.supplied_by != SuppliedBy::Client,
            native_key: downstream.is_some_and(|d| d.native_key.is_some()),
            fencing: downstream.is_some_and(|d| d.fencing),
            compares_payload: !policy.key.fingerprint.is_empty(),
            splits,
            uses_store,
            claims,
            records,
            holder_looks,
            asks_latest,
            unfenced_records,
            lands,
            idempotent_effect: policy.operation.effect.naturally_idempotent(),
            abandoned_claimable: claimable_after.is_some(),
            claimable_after: claimable_after.map(|(age, _)| age),
            claimable_by_ttl: claimable_after.is_some_and(|(_, by_ttl)| by_ttl),
            merged,
            symmetry: true,
            clocks_most: clocks_most(policy, splits),
            start: start_world(policy, splits, merged),
            table,
            times,
        };
        let mut start = system.start.clone();
        system.settle(&mut start);
        system.start = start;
        Ok(system)
    }

    /// The same system with symmetry on or off.
    pub fn with_symmetry(mut self, symmetry: bool) -> System {
        self.symmetry = symmetry;
        self
    }

    pub(super) fn fresh_key(&self) -> Key {
        fresh_key()
    }

    /// Records the constants that each clock is compared with before its next reset.
    pub(super) fn world_bounds(&self, world: &World, lower: &mut [i64], upper: &mut [i64]) {
        lower.fill(NO_BOUND);
        upper.fill(NO_BOUND);
        lower[0] = 0;
        upper[0] = 0;
        let t = &self.times;
        let mut set = |slot: Slot, low: Option<i64>, up: Option<i64>| {
            if let Some(clock) = slot.clock() {
                lower[clock as usize] = low.unwrap_or(NO_BOUND);
                upper[clock as usize] = up.unwrap_or(NO_BOUND);
            }
        };
        set(world.horizon, None, t.within);
        for key in &world.keys {
            let both = match key.receipt.status {
                Status::InProgress if self.ttl_from_claim => t.lease,
                Status::InProgress => t.lease.max(t.ttl),
                _ => t.ttl,
            };
            set(key.receipt.clock, both, both);
            set(key.receipt.born, t.ttl, t.ttl);
            set(key.native.clock, t.native_ttl, None);
        }
        for client in &world.clients {
            let (low, up) = match client.phase {
                Phase::Between => (t.backoff, None),
                _ => (t.client_timeout.unwrap_or(0) + t.backoff, t.client_timeout),
            };
            let low = (client.retries > 0).then_some(low);
            set(client.clock, low, up);
        }
        for (_, attempt) in world.live() {
            let (low, up) = match attempt.call {
                Call::None => {
                    let wait = self.table[attempt.at as usize].wait;
                    (wait, wait.or(t.pause))
                }
                _ if self.asking(attempt) => (None, t.ask_at_most()),
                _ => {
                    let low = Some(t.latency_min).max(t.call_timeout);
                    (low, t.latency_max.max(t.call_timeout).max(t.land_at_most))
                }
            };
            set(attempt.clock, low, up);
            set(attempt.held, t.lease, t.lease);
        }
        for flight in &world.flights {
            set(flight.clock, None, t.land_at_most);
        }
    }
}

impl Times {
    fn new(policy: &Policy, waits: Vec<i64>) -> Times {
        let store = policy.store.as_ref();
        let downstream = policy.downstream.as_ref();
        let call_timeout = downstream.and_then(|d| d.timeout);
        let late = downstream.and_then(|d| d.late);
        let mut times = Times {
            unit_ms: 1,
            lease: store.and_then(|s| s.lease),
            ttl: store.and_then(|s| s.ttl),
            client_timeout: policy.trigger.timeout,
            backoff: policy.trigger.backoff.unwrap_or(0),
            within: policy.trigger.within,
            latency_min: downstream.map_or(0, |d| d.latency_min),
            latency_max: downstream.and_then(|d| d.latency_max),
            call_timeout,
            land_at_most: call_timeout.zip(late).map(|(timeout, late)| timeout + late),
            native_ttl: downstream.and_then(|d| d.native_key).and_then(|key| key.ttl),
            pause: policy.faults.pause,
            waits,
        };
        let mut unit = 0;
        times.each(|ms| unit = greatest_common_divisor(unit, *ms));
        times.unit_ms = unit.max(1);
        times.each(|ms| *ms /= unit.max(1));
        times
    }

    fn each(&mut self, mut f: impl FnMut(&mut i64)) {
        let options = [
            &mut self.lease,
            &mut self.ttl,
            &mut self.client_timeout,
            &mut self.within,
            &mut self.latency_max,
            &mut self.call_timeout,
            &mut self.land_at_most,
            &mut self.native_ttl,
            &mut self.pause,
        ];
        options.into_iter().flatten().for_each(&mut f);
        f(&mut self.backoff);
        f(&mut self.latency_min);
        self.waits.iter_mut().for_each(f);
    }

    /// How long the answer to a query can be on its way; none: for ever.
    pub(super) fn ask_at_most(&self) -> Option<i64> {
        self.call_timeout.into_iter().chain(self.latency_max).min()
    }

    pub(super) fn greatest(&self) -> i64 {
        let mut greatest = 0;
        self.clone().each(|time| greatest = greatest.max(*time));
        // The one sum that guards use and `each` does not list.
        greatest.max(self.client_timeout.unwrap_or(0) + self.backoff)
    }
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn resolve(policy: &Policy, protocol: &Protocol, target: &Target) -> Result<Next, CompileError> {
    Ok(match target {
        Target::State(state) => Next::State(*state as u8),
        Target::Respond(answer) => Next::Respond(*answer),
        Target::End(_) => Next::End,
        Target::Choice(id) => {
            let choice = &protocol.choices[*id];
            let undecided = || CompileError::Undecided(choice.name.clone());
            let wanted = policy.choices.get(&choice.name).ok_or_else(undecided)?;
            let option = choice.options.iter().find(|(name, _)| name == wanted).ok_or_else(undecided)?;
            resolve(policy, protocol, &option.1)?
        }
    })
}

fn reachable(table: &[Row], start: StateId) -> BTreeSet<StateId> {
    let mut seen = BTreeSet::from([start]);
    let mut todo = vec![start];
    while let Some(at) = todo.pop() {
        for next in &table[at].next {
            if let Next::State(state) = next
                && seen.insert(*state as StateId)
            {
                todo.push(*state as StateId);
            }
        }
    }
    seen
}

/// Whether an effect, or a token that the resource looks at, can come from this state or later.
fn can_land(table: &[Row], at: StateId) -> bool {
    reachable(table, at).iter().any(|at| match &table[*at].operation {
        Operation::Call { .. } | Operation::Query { token: true } => true,
        Operation::Commit { writes } => writes.contains(&WriteKind::Effect),
        _ => false,
    })
}

/// What a fresh attempt finds where an abandoned claim was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Claimed,
    Expired,
    Absent,
}

/// How old an abandoned claim is when a fresh attempt can get past it, and whether it is so because
/// its TTL ended; none: never.
fn claimable_after(table: &[Row], start: StateId, times: &Times) -> Option<(i64, bool)> {
    let gets_through = |left| gets_through(table, start, left, &mut BTreeSet::new());
    if gets_through(Left::Claimed) {
        return Some((0, false));
    }
    let by_lease = times.lease.filter(|_| gets_through(Left::Expired));
    let by_ttl = || times.ttl.filter(|_| gets_through(Left::Absent));
    by_lease.map(|age| (age, false)).or_else(|| by_ttl().map(|age| (age, true)))
}

fn gets_through(table: &[Row], at: StateId, left: Left, seen: &mut BTreeSet<StateId>) -> bool {
    if !seen.insert(at) {
        return false;
    }
    let look = match left {
        Left::Claimed => Outcome::InProgress,
        Left::Expired => Outcome::Expired,
        Left::Absent => Outcome::Absent,
    };
    let row = &table[at];
    let outcomes: Vec<Outcome> = match &row.operation {
        Operation::Insert { .. } if left == Left::Absent => return true,
        Operation::Insert { .. } | Operation::Read => vec![look],
        // Taking a claim over in order to give up is no way past it.
        Operation::TakeOver { .. } if left == Left::Expired => {
            return matches!(row.next[Outcome::Taken as usize], Next::State(_));
        }
        Operation::Commit { writes } if left != Left::Absent && writes.contains(&WriteKind::Receipt) => {
            vec![Outcome::Lost]
        }
        Operation::Write | Operation::Call { .. } | Operation::Commit { .. } => return true,
        Operation::Record { fenced: false, .. } | Operation::Release { fenced: false } => return true,
        Operation::Query { .. } => vec![Outcome::Absent, Outcome::Applied],
        Operation::Wait(_) => vec![Outcome::Elapsed],
        Operation::LeaseCheck => vec![Outcome::Expired],
        _ => vec![Outcome::Lost],
    };
    outcomes.into_iter().any(|outcome| match row.next[outcome as usize] {
        Next::State(state) => gets_through(table, state as StateId, left, seen),
        _ => false,
    })
}

/// The horizon; three clocks of each key, one of each client, two of each attempt, one of each flight.
fn clocks_most(policy: &Policy, splits: bool) -> usize {
    let trigger = &policy.trigger;
    let merged = u32::from(!policy.merging_fields().is_empty());
    let clients = (trigger.requests + trigger.conflicting + merged) as usize;
    let attempts = clients * (trigger.retries as usize + 1);
    // A restart may come with a key of its own, and takes one death each.
    let keys = if splits { attempts + policy.faults.crashes as usize } else { 1 };
    1 + 3 * keys + clients + 2 * attempts + FLIGHTS_MAX
}

fn fresh_key() -> Key {
    Key {
        receipt: Receipt {
            status: Status::Absent,
            class: CLASS_MAIN,
            token: 0,
            known: Known::Nothing,
            clock: Slot::NONE,
            born: Slot::NONE,
            was_recorded: false,
            first_answer: Known::Nothing,
            name: (0, 0),
        },
        native: Native { used: false, class: CLASS_MAIN, version: 0, clock: Slot::NONE },
    }
}

fn start_world(policy: &Policy, splits: bool, merged: u32) -> World {
    let trigger = &policy.trigger;
    let Faults { crashes, lost_requests, lost_responses, ambiguous_acks, aborts, .. } = policy.faults;
    let mut clients = smallvec::SmallVec::new();
    let mut add = |class: u8, count: u32, retries: u32| {
        for _ in 0..count {
            clients.push(Client {
                class,
                phase: Phase::Idle,
                retries: retries as u8,
                clock: Slot::NONE,
                attempt: None,
                name: clients.len() as u8 + 1,
                sent: 0,
            });
        }
    };
    add(CLASS_MAIN, trigger.requests, trigger.retries);
    add(CLASS_CONFLICTING, trigger.conflicting, trigger.retries);
    add(CLASS_MERGED, merged, 0);
    let keys = if splits { smallvec::SmallVec::new() } else { smallvec::smallvec![fresh_key()] };
    World {
        budget: Budget {
            crashes: crashes as u8,
            lost_requests: lost_requests as u8,
            lost_responses: lost_responses as u8,
            ambiguous_acks: ambiguous_acks as u8,
            aborts: aborts as u8,
        },
        horizon: Slot::NONE,
        started: false,
        keys,
        effects: [0; CLASSES],
        latest: [0; CLASSES],
        seen: 0,
        fence: 0,
        granted: 0,
        clients,
        zombies: smallvec::SmallVec::new(),
        flights: smallvec::SmallVec::new(),
    }
}
