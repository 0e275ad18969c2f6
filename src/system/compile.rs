//! Policy × protocol → system: a flat table without choices, times in one unit.

use std::collections::BTreeSet;
use std::fmt;

use super::lean::Lean;
use super::remedy::{self, Rules};
use super::world::{
    Budget, CLASS_CONFLICTING, CLASS_MAIN, CLASS_MERGED, CLASSES, Client, FLIGHTS_MAX, Key, Known, LockState,
    Native, Phase, ROWS_MAX, Receipt, Slot, Status, World,
};
use crate::model::operation::WaitFor;
use crate::model::{Answer, Operation, Outcome, Protocol, RecordAs, State, StateId, Target, WriteKind};
use crate::policy::{Errors, Faults, Lock, Policy, Replay, RoleScope, SuppliedBy, TriggerKind, TtlFrom};

/// How many outcomes there are: the width of a row of the table.
const OUTCOMES: usize = Outcome::Unavailable as usize + 1;

/// Where an outcome leads, with the policy's choices made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    State(u8),
    Respond(Answer),
    End,
    /// The state of the last recovery point.
    Resume,
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
    /// How much longer than its TTL a receipt may be seen.
    pub ttl_lag: i64,
    /// How far a replica can lag.
    pub staleness: Option<i64>,
    /// How much the clock that judges leases may differ from the store's.
    pub skew: i64,
    /// The same for the holder's own look at it.
    pub holder_skew: i64,
    pub lock_lease: Option<i64>,
    pub dedup: Option<i64>,
    pub outbox_dedup: Option<i64>,
    waits: Vec<i64>,
    roles: Vec<i64>,
}

/// A role of the model with its share of the scope.
#[derive(Clone, Debug)]
pub struct RoleRow {
    pub name: String,
    pub start: u8,
    /// From the start of a run to the next one, at least.
    pub every: i64,
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
    /// Some transaction records an outcome, also where the claim is gone, under the token of an old one.
    pub(super) commits_receipts: bool,
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
    /// The requests are messages, the attempts deliveries.
    pub queue: bool,
    /// Some operation is of a delivery.
    pub(super) acknowledges: bool,
    /// Attempts have receipts of their own, and one key downstream.
    pub(super) native_shared: bool,
    /// The broker sees a consumer's connection break.
    pub(super) notices: bool,
    /// Deliveries after the first one, of a message that is taken back from the dead letters.
    pub(super) retries: u8,
    /// Counted from 1 in [`Client::role`].
    pub roles: Vec<RoleRow>,
    pub(super) resume: Option<u8>,
    /// Expired receipts go only when a sweeper deletes them.
    pub(super) swept: bool,
    pub(super) lock: Lock,
    pub uses_lock: bool,
    /// Messages are published.
    pub uses_outbox: bool,
    /// What the store held before its last writes matters: it can come back, or be read.
    pub(super) keeps_past: bool,
    pub(super) stale_reads: bool,
    /// Insert and take-over decide on the newest state.
    pub(super) conditional: bool,
    /// Effects are local writes, which a failover of the store can lose.
    pub(super) local_effects: bool,
    /// Some transaction asks whether the state is as it was loaded.
    pub(super) asks_version: bool,
    pub(super) replay: Replay,
    /// Where the policy is about a target.
    pub remedy: Option<Rules>,
    /// Interchangeable clients, attempts and calls are put into one order.
    pub symmetry: bool,
    /// Actions of an episode are counted, for the number in the report.
    pub counts: bool,
    /// See [`System::keeping_tokens`].
    pub(super) keeps_tokens: bool,
    /// Steps whose moment nobody can tell are one: see [`super::lean`].
    pub(super) lean: Lean,
    /// Nothing is forgotten because of who is there: see [`super::open`].
    pub(super) open: bool,
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
            CompileError::TooManyStates(count) => write!(f, "the model has {count} states, at most 127 fit"),
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
        let alone = [(policy, protocol)];
        let together: Vec<(&Policy, &Protocol)> =
            policy.members.iter().map(|(policy, protocol)| (policy, protocol.as_ref())).collect();
        let parts = if together.is_empty() { &alone[..] } else { &together[..] };
        let count = parts.iter().map(|(_, protocol)| protocol.states.len()).sum();
        if count > 127 {
            return Err(CompileError::TooManyStates(count));
        }
        let mut table = Vec::with_capacity(count);
        // Where each part begins its runs.
        let mut firsts = Vec::with_capacity(parts.len());
        for (policy, protocol) in parts {
            let offset = table.len();
            firsts.push(offset + protocol.start);
            for state in &protocol.states {
                let mut row = row(policy, protocol, state, offset)?;
                if parts.len() > 1 {
                    row.name = format!("{}/{}", policy.name, row.name);
                }
                table.push(row);
            }
        }
        let role_starts = protocol.roles.iter().map(|role| role.start);
        let starts: Vec<StateId> = firsts.iter().copied().chain(role_starts).chain(protocol.resume).collect();
        let used = reachable(&table, &starts);
        let any = |test: &dyn Fn(&Operation) -> bool| used.iter().any(|at| test(&table[*at].operation));
        let uses_store = any(&|op| op.uses_receipts());
        let claims =
            any(&|op| matches!(op, Operation::Insert { .. } | Operation::Write | Operation::TakeOver { .. }));
        let records = any(&|op| match op {
            Operation::Record { outcome, .. } => *outcome == RecordAs::Succeeded,
            Operation::Commit { writes, .. } => writes.contains(&WriteKind::Receipt),
            _ => false,
        });
        let calls = any(&|op| matches!(op, Operation::Call { .. }));
        let local_effects = !calls
            && any(
                &|op| matches!(op, Operation::Commit { writes, .. } if writes.contains(&WriteKind::Effect)),
            );
        let swept = any(&|op| *op == Operation::Sweep);
        let uses_lock = any(&|op| op.uses_lock());
        let uses_outbox = any(&|op| {
            *op == Operation::Publish
                || matches!(op, Operation::Commit { writes, .. } if writes.contains(&WriteKind::Outbox))
        });
        let acknowledges = any(&|op| op.uses_queue());
        let asks_version = any(&|op| matches!(op, Operation::Commit { if_unchanged: true, .. }));
        let holder_looks = any(&|op| matches!(op, Operation::LeaseCheck));

        let asks_latest = any(&|op| matches!(op, Operation::Query { .. } | Operation::Load))
            || policy.key.replay == Replay::Latest
            || policy.operation.effect.naturally_idempotent();
        let unfenced_records = any(&|op| matches!(op, Operation::Record { fenced: false, .. }));
        let commits_receipts =
            any(&|op| matches!(op, Operation::Commit { writes, .. } if writes.contains(&WriteKind::Receipt)));
        let lands = (0..count).map(|at| can_land(&table, at)).collect();
        let waits = used.iter().filter_map(|at| table[*at].wait).collect();
        let declared = parts.iter().zip(&firsts);
        let declared: Vec<_> = declared
            .filter_map(|((policy, _), first)| Some((*policy, policy.remedy.as_ref()?, *first as u8)))
            .collect();
        let mut remedy = Rules::new(&declared, policy.faults.pause);
        let times = Times::new(policy, waits, remedy.as_mut());
        let roles = protocol.roles.iter().zip(&times.roles).map(|(role, every)| RoleRow {
            name: role.name.clone(),
            start: role.start as u8,
            every: *every,
        });
        let roles: Vec<RoleRow> = roles.collect();
        for row in &mut table {
            row.wait = row.wait.map(|ms| ms / times.unit_ms);
        }
        let claimable_after = claimable_after(&table, protocol.start, &roles, &times);
        let store = policy.store.clone().unwrap_or_default();
        let per_process = policy.store.is_some() && store.per_process;
        let splits = remedy.is_none()
            && (policy.key.supplied_by == SuppliedBy::Nobody
                || !policy.splitting_fields().is_empty()
                || per_process);
        let failovers = policy.faults.failovers > 0 && store.loses_writes;
        let conditional = policy.store.is_none() || store.conditional;
        let merged = u32::from(!splits && remedy.is_none() && !policy.merging_fields().is_empty());
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
            restart_splits: splits && (per_process || policy.key.supplied_by != SuppliedBy::Client),
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
            commits_receipts,
            lands,
            idempotent_effect: policy.operation.effect.naturally_idempotent(),
            abandoned_claimable: claimable_after.is_some(),
            claimable_after: claimable_after.map(|(age, _)| age),
            claimable_by_ttl: claimable_after.is_some_and(|(_, by_ttl)| by_ttl),
            merged,
            symmetry: true,
            counts: true,
            keeps_tokens: false,
            clocks_most: match &remedy {
                Some(rules) => rules.clocks_most(),
                None => clocks_most(policy, splits),
            },
            lean: Lean::default(),
            open: false,
            acknowledges,
            native_shared: per_process && policy.splitting_fields().is_empty() && !policy.key.from.is_empty(),
            notices: policy.queue.as_ref().is_none_or(|queue| queue.notices),
            queue: policy.trigger.kind == TriggerKind::Queue,
            retries: policy.trigger.retries as u8,
            resume: protocol.resume.map(|state| state as u8),
            swept,
            lock: policy.lock.clone().unwrap_or_default(),
            uses_lock,
            uses_outbox,
            keeps_past: !splits && (failovers || store.stale_reads || !conditional),
            stale_reads: store.stale_reads,
            conditional,
            local_effects,
            asks_version,
            replay: policy.key.replay,
            start: match &remedy {
                Some(rules) => start_remedy(policy, rules),
                None => start_world(policy, splits, merged),
            },
            remedy,
            roles,
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

    /// The same system, in which tokens that no step will ask of are kept, for tests that compare: what is
    /// forgotten of them makes no difference.
    pub fn keeping_tokens(mut self) -> System {
        self.keeps_tokens = true;
        self
    }

    /// The same system without the counts that only a number in the report needs: with them, what
    /// repeats looks new until the counts are full.
    pub fn without_counts(mut self) -> System {
        self.counts = false;
        self
    }

    /// Where an attempt begins.
    pub fn first_state(&self) -> usize {
        usize::from(self.first)
    }

    /// Where `resume` leads while no recovery point is recorded.
    pub fn resume_state(&self) -> usize {
        usize::from(self.resume.unwrap_or(self.first))
    }

    /// Expired receipts go only when a sweeper deletes them.
    pub fn is_swept(&self) -> bool {
        self.swept
    }

    /// Where `resume` can lead.
    pub(super) fn resumable(&self) -> Vec<u8> {
        let points = self.table.iter().filter_map(|row| row.operation.recovery_point());
        [self.resume_state() as u8].into_iter().chain(points.map(|state| state as u8)).collect()
    }

    /// The states that some attempt can come to.
    pub fn used(&self) -> BTreeSet<StateId> {
        let roles = self.roles.iter().map(|role| role.start);
        let starts = [self.first].into_iter().chain(roles).chain(self.resume);
        reachable(&self.table, &starts.map(StateId::from).collect::<Vec<_>>())
    }

    pub(super) fn fresh_key(&self) -> Key {
        fresh_key()
    }
}

impl Times {
    fn new(policy: &Policy, waits: Vec<i64>, mut remedy: Option<&mut Rules>) -> Times {
        let store = policy.store.as_ref();
        let downstream = policy.downstream.as_ref();
        let call_timeout = downstream.and_then(|d| d.timeout);
        let late = downstream.and_then(|d| d.late);
        let queue = policy.queue.as_ref();
        let skew = policy.faults.clock_skew;
        let mut times = Times {
            ttl_lag: store.map_or(0, |s| s.ttl_lag),
            staleness: store.and_then(|s| s.staleness),
            skew: if store.is_some_and(|s| s.client_clock) { skew } else { 0 },
            holder_skew: skew,
            lock_lease: policy.lock.as_ref().and_then(|lock| lock.lease),
            outbox_dedup: policy.outbox_dedup,
            dedup: queue.and_then(|queue| queue.dedup),
            roles: policy.roles.iter().map(|RoleScope { every, .. }| *every).collect(),
            unit_ms: 1,
            lease: store.and_then(|s| s.lease),
            ttl: store.and_then(|s| s.ttl),
            // A message is delivered again as a client tries again.
            client_timeout: queue.map_or(policy.trigger.timeout, |queue| queue.visibility),
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
        if remedy.as_ref().is_some_and(|rules| rules.is_strict()) {
            unit = 1;
        }
        times.each(|ms| unit = greatest_common_divisor(unit, *ms));
        if let Some(rules) = &mut remedy {
            rules.each(|ms| unit = greatest_common_divisor(unit, *ms));
        }
        times.unit_ms = unit.max(1);
        times.each(|ms| *ms /= unit.max(1));
        if let Some(rules) = &mut remedy {
            rules.each(|ms| *ms /= unit.max(1));
        }
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
            &mut self.staleness,
            &mut self.lock_lease,
            &mut self.dedup,
            &mut self.outbox_dedup,
        ];
        options.into_iter().flatten().for_each(&mut f);
        f(&mut self.ttl_lag);
        f(&mut self.skew);
        f(&mut self.holder_skew);
        self.roles.iter_mut().for_each(&mut f);
        f(&mut self.backoff);
        f(&mut self.latency_min);
        self.waits.iter_mut().for_each(f);
    }

    /// The same times in units that are so much smaller.
    pub(super) fn scale(&mut self, factor: i64) {
        self.unit_ms /= factor;
        self.each(|time| *time *= factor);
    }

    /// How long the answer to a query can be on its way; none: for ever.
    pub(super) fn ask_at_most(&self) -> Option<i64> {
        self.call_timeout.into_iter().chain(self.latency_max).min()
    }

    pub(super) fn greatest(&self) -> i64 {
        let mut greatest = 0;
        self.clone().each(|time| greatest = greatest.max(*time));
        // The sums that guards use and `each` does not list.
        let sums = [
            self.client_timeout.unwrap_or(0) + self.backoff,
            self.ttl.unwrap_or(0) + self.ttl_lag + self.skew,
            self.lease.unwrap_or(0) + self.holder_skew,
        ];
        sums.into_iter().fold(greatest, i64::max)
    }
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// A state of a model as a row, in a table in which the model begins at `offset`.
fn row(policy: &Policy, protocol: &Protocol, state: &State, offset: usize) -> Result<Row, CompileError> {
    let mut next = [Next::Nowhere; OUTCOMES];
    for (outcome, target) in &state.next {
        next[*outcome as usize] = match resolve(policy, protocol, target)? {
            Next::State(state) => Next::State(state + offset as u8),
            other => other,
        };
    }
    let wait = match &state.operation {
        Operation::Wait(WaitFor::Fixed(ms)) => Some(*ms),
        Operation::Wait(WaitFor::Named(name)) => {
            let wait = policy.waits.get(name).copied();
            Some(wait.ok_or_else(|| CompileError::Undecided(name.clone()))?)
        }
        _ => None,
    };
    Ok(Row { name: state.name.clone(), operation: state.operation.clone(), wait, next })
}

fn resolve(policy: &Policy, protocol: &Protocol, target: &Target) -> Result<Next, CompileError> {
    Ok(match target {
        Target::State(state) => Next::State(*state as u8),
        Target::Respond(answer) => Next::Respond(*answer),
        Target::End(_) => Next::End,
        Target::Resume => Next::Resume,
        Target::Choice(id) => {
            let choice = &protocol.choices[*id];
            let undecided = || CompileError::Undecided(choice.name.clone());
            let wanted = policy.choices.get(&choice.name).ok_or_else(undecided)?;
            let option = choice.options.iter().find(|(name, _)| name == wanted).ok_or_else(undecided)?;
            resolve(policy, protocol, &option.1)?
        }
    })
}

fn reachable(table: &[Row], starts: &[StateId]) -> BTreeSet<StateId> {
    let mut seen: BTreeSet<StateId> = starts.iter().copied().collect();
    let mut todo = starts.to_vec();
    while let Some(at) = todo.pop() {
        todo.extend(table[at].operation.recovery_point().filter(|state| seen.insert(*state)));
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
    reachable(table, &[at]).iter().any(|at| match &table[*at].operation {
        Operation::Call { .. } | Operation::Query { token: true } => true,
        Operation::Commit { writes, .. } => writes.contains(&WriteKind::Effect),
        // It may lead anywhere.
        _ => table[*at].next.contains(&Next::Resume),
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
fn claimable_after(table: &[Row], start: StateId, roles: &[RoleRow], times: &Times) -> Option<(i64, bool)> {
    let gets_through = |left| gets_through(table, start, left, &mut BTreeSet::new());
    // Picking a claim up in order to give up is no way past it.
    let completes = |role: &&RoleRow| {
        reachable(table, &[role.start as usize]).iter().any(|at| {
            let found = table[*at].next[Outcome::Found as usize];
            table[*at].operation == Operation::FindAbandoned && matches!(found, Next::State(_) | Next::Resume)
        })
    };
    let sweeps = |role: &&RoleRow| {
        reachable(table, &[role.start as usize]).iter().any(|at| table[*at].operation == Operation::Sweep)
    };
    // A lagging store shows a claim beyond its TTL; a sweeper comes when it comes.
    let late = times.ttl_lag + times.skew + roles.iter().find(sweeps).map_or(0, |role| role.every);
    let by_role = || Some((times.lease? + times.skew + roles.iter().find(completes)?.every, false));
    if gets_through(Left::Claimed) {
        return Some((0, false));
    }
    let by_lease = times.lease.map(|lease| lease + times.skew).filter(|_| gets_through(Left::Expired));
    let by_ttl = || times.ttl.map(|ttl| ttl + late).filter(|_| gets_through(Left::Absent));
    by_lease.map(|age| (age, false)).or_else(by_role).or_else(|| by_ttl().map(|age| (age, true)))
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
            return matches!(row.next[Outcome::Taken as usize], Next::State(_) | Next::Resume);
        }
        Operation::Commit { writes, .. } if left != Left::Absent && writes.contains(&WriteKind::Receipt) => {
            vec![Outcome::Lost]
        }
        Operation::Write | Operation::Call { .. } | Operation::Commit { .. } => return true,
        Operation::Record { fenced: false, .. } | Operation::Release { fenced: false } => return true,
        Operation::Query { .. } => vec![Outcome::Absent, Outcome::Applied],
        Operation::Wait(_) => vec![Outcome::Elapsed],
        Operation::LeaseCheck => vec![Outcome::Expired],
        Operation::Acquire => vec![Outcome::Acquired],
        Operation::RenewLock => vec![Outcome::Renewed],
        Operation::Unlock { .. } => vec![Outcome::Released],
        Operation::Load => vec![Outcome::Absent, Outcome::Applied],
        Operation::Publish => vec![Outcome::Ok],
        Operation::Extend => vec![Outcome::Extended],
        Operation::Ack => vec![Outcome::Acked],
        Operation::Nack => vec![Outcome::Requeued],
        Operation::NextRow { .. } => vec![Outcome::Empty],
        Operation::Sweep | Operation::FindAbandoned => vec![Outcome::None],
        _ => vec![Outcome::Lost],
    };
    outcomes.into_iter().any(|outcome| match row.next[outcome as usize] {
        Next::State(state) => gets_through(table, state as StateId, left, seen),
        // It is taken over then, and goes on.
        Next::Resume => true,
        _ => false,
    })
}

/// The horizon; three clocks of each key, one of each client, two of each attempt, one of each flight.
fn clocks_most(policy: &Policy, splits: bool) -> usize {
    let trigger = &policy.trigger;
    let merged = u32::from(!policy.merging_fields().is_empty());
    let clients = (trigger.requests + trigger.conflicting + merged) as usize;
    let redrives = policy.queue.as_ref().map_or(0, |queue| queue.redrives) as usize;
    let more = (policy.faults.duplicate_requests + policy.faults.late_requests) as usize;
    let roles: usize = policy.roles.iter().map(|role| role.replicas as usize).sum();
    let attempts = clients * (trigger.retries as usize + 1) * (redrives + 1) + more + roles;
    let clients = clients + roles;
    // A restart may come with a key of its own, and takes one death each.
    let keys = if splits { attempts + policy.faults.crashes as usize } else { 1 };
    // The lock, what was there before, two of each message.
    let rest = 1 + 3 + 2 * ROWS_MAX;
    1 + 3 * keys + clients + 2 * attempts + FLIGHTS_MAX + rest
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
            checkpoint: 0,
            swept: false,
            was_recorded: false,
            first_answer: Known::Nothing,
            name: (0, 0),
        },
        native: Native { used: false, class: CLASS_MAIN, version: 0, clock: Slot::NONE },
    }
}

impl System {
    /// The system by what it can do alone: two that are the same text here behave the same. Names of states
    /// make no difference.
    pub fn behaviour(&self) -> String {
        let mut system = self.clone();
        system.name.clear();
        system.table.iter_mut().for_each(|row| row.name.clear());
        format!("{system:?}")
    }

    /// How many clients of each class there are.
    pub fn requests(&self) -> [u8; CLASSES] {
        let mut out = [0; CLASSES];
        let clients = self.start.clients.iter().filter(|client| client.role == 0);
        clients.for_each(|client| out[usize::from(client.class)] += 1);
        out
    }

    /// Names the requests of each class from where those of the one before end, if there are so many: so that
    /// two systems call their requests alike.
    pub fn with_names_for(mut self, most: [u8; CLASSES]) -> System {
        if self.remedy.is_some() {
            return self;
        }
        let mut next = [1, 1 + most[0], 1 + most[0] + most[1]];
        for client in self.start.clients.iter_mut().filter(|client| client.role == 0) {
            let name = &mut next[usize::from(client.class)];
            client.name = *name;
            *name += 1;
        }
        self
    }
}

/// The first name of an instance of a role, in [`Client::name`]; eight for each role.
pub const ROLE_NAMES: u8 = 64;

fn start_world(policy: &Policy, splits: bool, merged: u32) -> World {
    let trigger = &policy.trigger;
    let Faults { crashes, lost_requests, lost_responses, ambiguous_acks, aborts, .. } = policy.faults;
    let faults = &policy.faults;
    let mut clients = smallvec::SmallVec::new();
    let mut add = |class: u8, count: u32, retries: u32| {
        for _ in 0..count {
            clients.push(Client {
                class,
                role: 0,
                source: 0,
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
    for (index, RoleScope { replicas, runs, .. }) in policy.roles.iter().enumerate() {
        for replica in 0..*replicas {
            clients.push(Client {
                class: CLASS_MAIN,
                source: 0,
                role: index as u8 + 1,
                phase: Phase::Idle,
                retries: *runs as u8 - 1,
                clock: Slot::NONE,
                attempt: None,
                name: ROLE_NAMES + index as u8 * 8 + replica as u8,
                sent: 0,
            });
        }
    }
    let keys = if splits { smallvec::SmallVec::new() } else { smallvec::smallvec![fresh_key()] };
    World {
        budget: Budget {
            crashes: crashes as u8,
            lost_requests: lost_requests as u8,
            lost_responses: lost_responses as u8,
            ambiguous_acks: ambiguous_acks as u8,
            aborts: aborts as u8,
            failovers: faults.failovers as u8,
            store_errors: faults.store_errors as u8,
            lock_losses: faults.lock_losses as u8,
            duplicate_requests: faults.duplicate_requests as u8,
            late_requests: faults.late_requests as u8,
            redeliveries: faults.redeliveries as u8,
            redrives: policy.queue.as_ref().map_or(0, |queue| queue.redrives as u8),
        },
        locks: smallvec::smallvec![LockState::FREE],
        rows: smallvec::SmallVec::new(),
        past: None,
        remedy: None,
        lost: [0; CLASSES],
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

/// Every trigger ready, the target as it should be.
fn start_remedy(policy: &Policy, rules: &Rules) -> World {
    let mut world = start_world(policy, false, 0);
    let source = |(index, (part, target)): (usize, (u8, u8))| Client {
        class: CLASS_MAIN,
        role: 0,
        source: part << 4 | target,
        phase: Phase::Idle,
        retries: 0,
        // Of an alert it starts with the fault.
        clock: Slot::started(rules.is_due_at_start(part)),
        attempt: None,
        name: index as u8 + 1,
        sent: 0,
    };
    world.clients = rules.sources().into_iter().enumerate().map(source).collect();
    world.remedy = Some(Box::new(remedy::Remedy::new(rules)));
    if policy.lock.as_ref().is_some_and(|lock| lock.per_target) {
        world.locks.resize(rules.size(), LockState::FREE);
    }
    world
}
