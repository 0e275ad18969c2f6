//! The executor: goes through a model's table, state by state, on a real store.
//!
//! The table is the one that the checker explores ([`System::table`]), with the policy's choices made. What
//! the checker leaves to the adversary is here the world's: how long a call takes, who else is at the key.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::downstream::{Downstream, Found, Heard, Outgoing};
use super::pause::{Pauses, When};
use super::request::Request;
use super::watch::{Watch, Who};
use crate::model::{Answer, Operation, Outcome, Protocol, WriteKind};
use crate::policy::{Policy, TriggerKind};
use crate::store::decide::{Me, Rules};
use crate::store::memory::Memory;
use crate::store::operation::{Hold, Local, Retry};
use crate::store::{Key, Owner, Pages, Receipt, Response, SharedStore, Status, StoreError, Which};
use crate::system::System;
use crate::system::compile::Next;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// `respond.NAME`, with what is known of the result.
    Answer(Answer, Option<Response>),
    /// `end.NAME`: nobody gets an answer; a person should look.
    Ended,
    /// The receipt can't be read, or the attempt took longer than it may.
    GaveUp(String),
}

/// What one attempt is about.
#[derive(Clone, Debug)]
pub struct Asked {
    pub key: Key,
    pub fingerprint: Vec<u8>,
    pub request: Request,
    /// For logs: the same for all that one request leads to.
    pub correlation: String,
}

impl Asked {
    /// What logs say in the payload's place: eight hexadecimal digits of a SHA-256 that has the key in it, so
    /// that the same payload under another key is another one.
    fn payload(&self) -> String {
        let digest =
            Sha256::new().chain_update(self.key.as_str()).chain_update([0]).chain_update(&self.fingerprint);
        digest.finalize()[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What an attempt may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From its start to its answer. What takes longer is given up, as a crash would.
    pub attempt: Duration,
    /// Calls under way at a time, those of attempts that have ended, too: one more is told that nothing was sent.
    pub calls: usize,
    pub retry: Retry,
}

/// Attempts of one policy on one store.
#[derive(Clone)]
pub struct Machine {
    core: Arc<Core>,
    downstream: Arc<dyn Downstream>,
}

struct Core {
    system: System,
    policy: Policy,
    rules: Rules,
    store: SharedStore,
    /// Locks that other processes do not see.
    local_locks: SharedStore,
    watch: Arc<Watch>,
    pauses: Pauses,
    bounds: Bounds,
    /// Calls that may be under way, those that nobody waits for any more, too.
    calls: Arc<Semaphore>,
    keeps_requests: bool,
}

/// A claim that nobody has finished.
#[derive(Clone, Debug)]
pub struct Unfinished {
    pub key: Key,
    pub token: u64,
    /// How long its lease goes on, in milliseconds; None: it has none.
    pub left: Option<i64>,
    /// It says what was asked.
    pub told: bool,
}

/// Receipts that are held at a time while a list is gone through: each may have a request and an answer in it.
const PAGE: u32 = 20;

/// Why a policy can't be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotRun(pub String);

impl std::fmt::Display for CannotRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CannotRun {}

/// What a machine is made of, besides its policy.
pub struct Parts {
    pub store: SharedStore,
    pub downstream: Arc<dyn Downstream>,
    pub watch: Arc<Watch>,
    pub pauses: Pauses,
    pub bounds: Bounds,
    /// What was asked is kept in the claim, so that it can be asked again after a crash.
    pub keeps_requests: bool,
}

impl Machine {
    /// # Errors
    /// The policy is not asked for over HTTP, or its model does what only a broker, a target or the
    /// effect's own database could; or it counts on a clock that the store does not have.
    pub fn new(policy: &Policy, protocol: &Protocol, parts: Parts) -> Result<Machine, CannotRun> {
        let system = System::new(policy, protocol).map_err(|error| CannotRun(error.to_string()))?;
        runnable(policy, &system, parts.downstream.is_local())?;
        if !parts.store.keeps_time() {
            timed_by_workers(policy, parts.downstream.is_local())?;
        }
        parts.pauses.check(&system)?;
        let core = Core {
            rules: Rules::new(policy, system.is_swept()),
            policy: policy.clone(),
            system,
            store: parts.store,
            local_locks: Arc::new(Memory::new()),
            watch: parts.watch,
            pauses: parts.pauses,
            bounds: parts.bounds,
            calls: Arc::new(Semaphore::new(parts.bounds.calls)),
            keeps_requests: parts.keeps_requests,
        };
        Ok(Machine { core: Arc::new(core), downstream: parts.downstream })
    }

    /// The same machine before another downstream.
    pub fn before(&self, downstream: Arc<dyn Downstream>) -> Machine {
        Machine { core: self.core.clone(), downstream }
    }

    pub fn policy(&self) -> &Policy {
        &self.core.policy
    }

    pub fn store(&self) -> &SharedStore {
        &self.core.store
    }

    pub fn watch(&self) -> &Arc<Watch> {
        &self.core.watch
    }

    /// Clears away receipts of this policy that are over their TTL, at most `limit`; how many.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn clear_away(&self, limit: u32) -> Result<u64, StoreError> {
        self.core.store.sweep(Some(&self.core.policy.name), limit).await
    }

    /// Nothing expires by itself: the model sweeps.
    pub fn is_swept(&self) -> bool {
        self.core.rules.swept
    }

    /// Some state asks the downstream whether the effect exists.
    pub fn asks_for_effects(&self) -> bool {
        let used = self.core.system.used();
        used.iter().any(|at| matches!(self.core.system.table[*at].operation, Operation::Query { .. }))
    }

    /// The roles that run beside the attempts, each with the shortest time between two of its runs.
    pub fn roles(&self) -> Vec<(String, Duration)> {
        let every = |role: &crate::system::compile::RoleRow| self.ms(role.every);
        self.core.system.roles.iter().map(|role| (role.name.clone(), every(role))).collect()
    }

    /// Units of the system as time; at least a millisecond, so that no loop spins.
    fn ms(&self, units: i64) -> Duration {
        let ms = units.saturating_mul(self.core.system.times.unit_ms).max(1);
        Duration::from_millis(u64::try_from(ms).unwrap_or(1))
    }

    /// One attempt, from the model's start to its answer.
    pub async fn attempt(&self, asked: &Asked) -> Said {
        self.run(asked, self.core.system.first_state(), None).await
    }

    /// Goes on with a claim that somebody left, as long as it is the grant with this token; None: it is not any
    /// more, or does not say what was asked.
    pub async fn take_up(&self, key: &Key, token: u64, correlation: &str) -> Option<Said> {
        let seen = match self.core.store.read(key).await {
            Ok(seen) => seen,
            Err(error) => return Some(Said::GaveUp(error.to_string())),
        };
        let mine = |receipt: &Receipt| receipt.status == Status::InProgress && receipt.token == token;
        let receipt = seen.receipt.filter(mine)?;
        let asked = Asked {
            key: key.clone(),
            fingerprint: receipt.fingerprint,
            request: Request::from_bytes(&receipt.request)?,
            correlation: correlation.to_owned(),
        };
        Some(self.run(&asked, self.core.system.first_state(), Some(token)).await)
    }

    /// One run of a role.
    pub async fn role(&self, name: &str) -> Said {
        let Some(role) = self.core.system.roles.iter().find(|role| role.name == name) else {
            return Said::Ended;
        };
        let asked = Asked {
            key: Key::new(&[self.core.policy.name.as_str()]),
            fingerprint: Vec::new(),
            request: Request::default(),
            correlation: format!("role.{name}"),
        };
        self.run(&asked, usize::from(role.start), None).await
    }

    async fn run(&self, asked: &Asked, start: usize, only: Option<u64>) -> Said {
        let began = Instant::now();
        let walk = self.walk(asked, start, only);
        let said = match tokio::time::timeout(self.core.bounds.attempt, walk).await {
            Ok(said) => said,
            Err(_) => Said::GaveUp(format!("it took longer than {:?}", self.core.bounds.attempt)),
        };
        self.core.watch.answered(&asked.key, &asked.correlation, &said, began.elapsed());
        said
    }

    async fn walk(&self, asked: &Asked, start: usize, only: Option<u64>) -> Said {
        // Who can read the log can't say that a claim is his.
        let (owner, name) = match (Owner::random(), Owner::random()) {
            (Ok(owner), Ok(name)) => (owner, name),
            (Err(error), _) | (_, Err(error)) => {
                return Said::GaveUp(format!("no randomness for an owner id: {error}"));
            }
        };
        let me = Me {
            owner,
            fingerprint: asked.fingerprint.clone(),
            request: if self.core.keeps_requests { asked.request.to_bytes() } else { Vec::new() },
            token: 0,
            owns: false,
            known: None,
        };
        let mut attempt = Attempt {
            machine: self,
            correlation: &asked.correlation,
            name: name.to_string(),
            payload: asked.payload(),
            request: asked.request.clone(),
            hold: self.hold(asked.key.clone(), me.clone()).taking_up(only),
            lock: self.lock(&asked.key, me),
            held_since: None,
            loaded: None,
            executed: false,
            maybe: false,
        };
        self.core.watch.begins(attempt.who());
        attempt.walk(start).await
    }

    fn hold(&self, key: Key, me: Me) -> Hold {
        Hold::new(self.core.store.clone(), key, me, self.core.rules, self.core.bounds.retry)
    }

    fn lock(&self, key: &Key, me: Me) -> Option<Hold> {
        let lock = self.core.policy.lock.as_ref()?;
        let store = if lock.per_process { &self.core.local_locks } else { &self.core.store };
        let rules =
            Rules { lease: lock.lease, ttl: None, swept: false, client_clock: false, ..self.core.rules };
        // No policy can have this name.
        let key = Key::new(&["lock:", key.as_str()]);
        Some(Hold::new(store.clone(), key, Me { request: Vec::new(), ..me }, rules, self.core.bounds.retry))
    }

    /// The claims of this policy that nobody has finished: of crashed attempts, and of those under way.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        let mut out = Vec::new();
        let mut pages = Pages::new(self.core.store.as_ref(), Which::InProgress, PAGE);
        while let Some(page) = pages.next().await? {
            for (key, receipt) in page.receipts {
                let (true, Ok(receipt)) = (self.is_ours(&key), receipt) else { continue };
                let left = receipt.lease_until.map(|until| until.saturating_sub(page.now));
                // What was asked may be large: it is read again when its turn comes.
                let told = !receipt.request.is_empty();
                out.push(Unfinished { key, token: receipt.token, left, told });
            }
        }
        Ok(out)
    }

    /// How many claims of this policy are over their lease.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn abandoned(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        let mut pages = Pages::new(self.core.store.as_ref(), Which::Abandoned, PAGE);
        while let Some(page) = pages.next().await? {
            count += page.receipts.iter().filter(|(key, _)| self.is_ours(key)).count() as u64;
        }
        Ok(count)
    }

    /// A key of this policy.
    pub fn is_ours(&self, key: &Key) -> bool {
        key.parts().is_some_and(|parts| parts.first() == Some(&self.core.policy.name))
    }

    fn state_name(&self, at: usize) -> String {
        self.core.system.table.get(at).map(|row| row.name.clone()).unwrap_or_default()
    }
}

/// What the executor can do: all that a server which is asked over HTTP needs.
fn runnable(policy: &Policy, system: &System, local: bool) -> Result<(), CannotRun> {
    if policy.trigger.kind != TriggerKind::Http || !policy.members.is_empty() {
        let what = "only policies that are asked for over HTTP can be served: this one's trigger is another";
        return Err(CannotRun(what.to_owned()));
    }
    for row in &system.table {
        let (name, state) = (row.operation.name(), &row.name);
        let served = match &row.operation {
            Operation::Commit { writes, .. } if writes.contains(&WriteKind::Outbox) => false,
            Operation::NextRow { .. } | Operation::Publish | Operation::Mark => false,
            operation => !operation.uses_queue() && !operation.uses_target() && !operation.uses_guards(),
        };
        let person = matches!(row.operation, Operation::Approve | Operation::Page);
        if !served || person {
            let what = format!("the state `{state}` does `{name}`, which the server has no counterpart for");
            return Err(CannotRun(what));
        }
        let commits =
            matches!(&row.operation, Operation::Commit { writes, .. } if writes.contains(&WriteKind::Effect));
        if !local && (commits || row.operation == Operation::Load) {
            let what = format!(
                "the state `{state}` does `{name}` on the effect's own database, and the effect is behind \
                 another service; leave out --upstream, or choose a model with `downstream.call`"
            );
            return Err(CannotRun(what));
        }
    }
    Ok(())
}

/// Whether a policy says of its times what a store without a clock makes of them: they are judged by whoever
/// asks. What was verified of one that counts on the store's own clock is not true here.
fn timed_by_workers(policy: &Policy, local: bool) -> Result<(), CannotRun> {
    let cannot = |what: &str| Err(CannotRun(format!("this store has no clock of its own: {what}")));
    let store = policy.store.as_ref();
    if store.is_some_and(|store| !store.client_clock && (store.lease.is_some() || store.ttl.is_some())) {
        return cannot(
            "say so with `clock = \"client\"` in [store], and by how much clocks differ with `clock_skew` in \
             [faults], and verify the policy again",
        );
    }
    if policy.lock.as_ref().is_some_and(|lock| !lock.per_process && lock.lease.is_some()) {
        return cannot("the lease of a [lock] is the lock's own; choose a store that has a clock");
    }
    let native = policy.downstream.as_ref().and_then(|downstream| downstream.native_key);
    if local && native.is_some_and(|native| native.ttl.is_some()) {
        return cannot(
            "the ledger can't keep the `ttl` of a native_key; choose a store that has a clock, or --upstream",
        );
    }
    Ok(())
}

/// A moment, by two clocks: the steady one stands still while the machine is suspended, and the one on the wall
/// can be set back.
struct Since {
    steady: Instant,
    wall: SystemTime,
}

impl Since {
    fn now() -> Since {
        Since { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// The longer of both: a lease is rather taken for over than for held.
    fn elapsed(&self) -> Duration {
        self.steady.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

/// One attempt under way.
struct Attempt<'a> {
    machine: &'a Machine,
    correlation: &'a str,
    /// For logs: see [`Who`].
    name: String,
    payload: String,
    request: Request,
    hold: Hold,
    lock: Option<Hold>,
    /// When I claimed or renewed, on my own clocks.
    held_since: Option<Since>,
    /// How many effects `state.load` saw.
    loaded: Option<u64>,
    /// My call went well.
    executed: bool,
    /// Something was sent that may have had an effect, or may still have one.
    maybe: bool,
}

impl Attempt<'_> {
    fn who(&self) -> Who<'_> {
        let (attempt, payload) = (self.name.as_str(), self.payload.as_str());
        Who { key: &self.hold.key, correlation: self.correlation, attempt, payload }
    }

    async fn walk(&mut self, start: usize) -> Said {
        let machine = self.machine;
        let mut at = start;
        loop {
            let row = &machine.core.system.table[at];
            machine.core.pauses.at(When::Before, &row.name).await;
            let asked = Instant::now();
            let outcome = match self.operate(&row.operation, row.wait).await {
                Ok(outcome) => outcome,
                Err(broken) => return Said::GaveUp(broken.to_string()),
            };
            machine.core.watch.step(self.who(), asked, &row.name, &row.operation, outcome);
            self.count(&row.operation, outcome);
            machine.core.pauses.at(When::After, &row.name).await;
            let next = row.next[outcome as usize];
            match next {
                Next::State(state) => at = usize::from(state),
                Next::Resume => match self.recovery_point() {
                    Ok(state) => at = state,
                    Err(why) => return Said::GaveUp(why),
                },
                // Whatever the model calls it: nobody is told that it was not done where it may have been.
                Next::Respond(Answer::Error) if self.maybe => return Said::Answer(Answer::Unknown, None),
                Next::Respond(answer) => return Said::Answer(answer, self.hold.me.known.take()),
                Next::End => return Said::Ended,
                // Fail closed, where the model does not say what else to do.
                Next::Nowhere if self.maybe => return Said::Answer(Answer::Unknown, None),
                Next::Nowhere => return Said::Answer(Answer::Error, None),
            }
        }
    }

    /// Looks for second effects, beside the attempt's way: in the ledger, or by a claim that was lost meanwhile.
    fn count(&self, operation: &Operation, outcome: Outcome) {
        let core = &self.machine.core;
        let records = matches!(operation, Operation::Record { .. });
        if records && outcome == Outcome::Lost && self.executed {
            core.watch.duplicated(&self.hold.key, self.correlation);
        }
        let effect =
            matches!((operation, outcome), (Operation::Call { .. }, Outcome::Ok) | (_, Outcome::Committed));
        if effect && self.machine.downstream.is_local() {
            let (core, key) = (core.clone(), self.hold.key.clone());
            let correlation = self.correlation.to_owned();
            tokio::spawn(async move {
                if core.store.effects(&key).await.is_ok_and(|effects| effects.len() > 1) {
                    core.watch.duplicated(&key, &correlation);
                }
            });
        }
    }

    /// Where `resume` leads: the state named in the receipt, with what was known there.
    fn recovery_point(&mut self) -> Result<usize, String> {
        let system = &self.machine.core.system;
        let point = self.hold.seen.as_ref().and_then(|receipt| receipt.checkpoint.clone());
        let Some(point) = point else { return Ok(system.resume_state()) };
        let response = self.hold.seen.as_ref().and_then(|receipt| receipt.response.clone());
        self.hold.me.known = response;
        let at = system.table.iter().position(|row| row.name == point);
        at.ok_or_else(|| format!("the receipt resumes at `{point}`, which the model does not have"))
    }

    /// What comes of the state's operation.
    ///
    /// # Errors
    /// What no outcome stands for: a receipt that can't be read.
    async fn operate(&mut self, operation: &Operation, wait: Option<i64>) -> Result<Outcome, StoreError> {
        let asked = Since::now();
        let outcome = match operation {
            Operation::Wait(_) => {
                tokio::time::sleep(self.machine.ms(wait.unwrap_or(0))).await;
                return Ok(Outcome::Elapsed);
            }
            Operation::LeaseCheck => return Ok(self.lease_check()),
            Operation::Call { key, token } => return Ok(self.call(*key, *token).await),
            Operation::Query { token } => return Ok(self.query(*token).await),
            Operation::Load => self.load().await,
            Operation::Sweep => self.sweep().await,
            Operation::FindAbandoned => self.find_abandoned().await,
            Operation::Acquire | Operation::RenewLock | Operation::Unlock { .. } => {
                self.on_lock(operation).await
            }
            Operation::Commit { writes, if_unchanged, .. } => {
                let effect = writes.contains(&WriteKind::Effect);
                let local = effect.then(|| self.local(*if_unchanged)).flatten();
                let committed = self.on_receipt(operation, local.as_ref()).await;
                self.maybe |= effect && matches!(committed, Ok(Outcome::Committed | Outcome::Unknown));
                committed
            }
            _ => self.on_receipt(operation, None).await,
        };
        let outcome = outcome?;
        let grants = [Outcome::Inserted, Outcome::Taken, Outcome::Renewed, Outcome::Found, Outcome::Written];
        if grants.contains(&outcome) {
            // From before it was asked: the store's lease can't have begun earlier.
            self.held_since = Some(asked);
        }
        Ok(outcome)
    }

    async fn on_receipt(
        &mut self,
        operation: &Operation,
        local: Option<&Local>,
    ) -> Result<Outcome, StoreError> {
        let machine = self.machine;
        let name = |at: usize| machine.state_name(at);
        let found = self.hold.operate(operation, local, &name).await;
        self.known_failures(operation, found)
    }

    /// The outcomes that the model has for a store that gives no answer.
    fn known_failures(
        &self,
        operation: &Operation,
        found: Result<Outcome, StoreError>,
    ) -> Result<Outcome, StoreError> {
        let commits = matches!(operation, Operation::Commit { .. });
        let error = match found {
            Ok(outcome) => return Ok(outcome),
            Err(error) => error,
        };
        self.machine.core.watch.store_error(&self.hold.key, self.correlation, &error);
        match error {
            StoreError::Corrupt(_) => Err(error),
            _ if self.hold.gone => Err(error),
            StoreError::Unknown(_) if commits => Ok(Outcome::Unknown),
            StoreError::Aborted(_) if commits => Ok(Outcome::Aborted),
            _ => Ok(Outcome::Unavailable),
        }
    }

    async fn on_lock(&mut self, operation: &Operation) -> Result<Outcome, StoreError> {
        let name = |_: usize| String::new();
        let Some(lock) = &mut self.lock else { return Ok(Outcome::Unavailable) };
        let found = lock.operate(operation, None, &name).await;
        // As the checker has it: the lock's token is the attempt's where there are no claims.
        if found == Ok(Outcome::Acquired) && !self.machine.core.system.claims {
            self.hold.me.token = lock.me.token;
        }
        self.known_failures(operation, found)
    }

    fn lease_check(&mut self) -> Outcome {
        let lease = self.machine.core.rules.lease.and_then(|lease| u64::try_from(lease).ok());
        let held = self
            .held_since
            .as_ref()
            .is_some_and(|since| lease.is_none_or(|lease| since.elapsed() < Duration::from_millis(lease)));
        if self.hold.me.owns && held {
            return Outcome::Held;
        }
        self.hold.me.owns = false;
        Outcome::Expired
    }

    fn outgoing(&self, key: bool, token: bool) -> Outgoing {
        let native =
            self.machine.core.policy.downstream.as_ref().and_then(|downstream| downstream.native_key);
        Outgoing {
            operation: self.hold.key.clone(),
            fingerprint: self.hold.me.fingerprint.clone(),
            request: self.request.clone(),
            native: key && native.is_some(),
            token: if token { self.hold.me.token } else { 0 },
            grant: self.hold.me.token,
            correlation: self.correlation.to_owned(),
        }
    }

    async fn call(&mut self, key: bool, token: bool) -> Outcome {
        let outgoing = self.outgoing(key, token);
        let timeout = self.machine.core.policy.downstream.as_ref().and_then(|downstream| downstream.timeout);
        let timeout = timeout.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        self.machine.core.watch.called();
        let before = std::mem::replace(&mut self.maybe, true);
        // The call goes on though nobody waits for it: an effect that is cut in the middle helps no one.
        let downstream = self.machine.downstream.clone();
        let Ok(permit) = self.machine.core.calls.clone().try_acquire_owned() else {
            self.maybe = before;
            return Outcome::Error;
        };
        let call = tokio::spawn(async move {
            let heard = downstream.call(&outgoing).await;
            drop(permit);
            heard
        });
        let heard = match timeout {
            None => call.await.ok(),
            Some(timeout) => tokio::time::timeout(timeout, call).await.ok().and_then(Result::ok),
        };
        match heard {
            Some(Heard::Ok(response)) => {
                self.executed = true;
                self.hold.me.known = Some(response);
                Outcome::Ok
            }
            Some(Heard::Error(response)) => {
                self.maybe = before;
                self.hold.me.known = Some(response);
                Outcome::Error
            }
            Some(Heard::Timeout) | None => Outcome::Timeout,
        }
    }

    async fn query(&mut self, token: bool) -> Outcome {
        let outgoing = self.outgoing(false, token);
        match self.machine.downstream.query(&outgoing).await {
            Found::Applied(response) => {
                self.hold.me.known = Some(response);
                Outcome::Applied
            }
            Found::Absent => {
                self.maybe = false;
                Outcome::Absent
            }
            Found::Unknown => Outcome::Unknown,
        }
    }

    fn local(&self, if_unchanged: bool) -> Option<Local> {
        let entry = self.machine.downstream.local(&self.outgoing(false, false))?;
        Some(Local { entry, unchanged: self.loaded.filter(|_| if_unchanged) })
    }

    async fn load(&mut self) -> Result<Outcome, StoreError> {
        let effects = match self.machine.core.store.effects(&self.hold.key).await {
            Ok(effects) => effects,
            Err(error) => return self.known_failures(&Operation::Load, Err(error)),
        };
        self.loaded = Some(effects.len() as u64);
        Ok(match effects.last() {
            Some(effect) => {
                self.hold.me.known = Some(effect.response.clone());
                Outcome::Applied
            }
            None => Outcome::Absent,
        })
    }

    async fn sweep(&mut self) -> Result<Outcome, StoreError> {
        const BATCH: u32 = 500;
        match self.machine.clear_away(BATCH).await {
            Ok(0) => Ok(Outcome::None),
            Ok(_) => Ok(Outcome::Swept),
            Err(error) => self.known_failures(&Operation::Sweep, Err(error)),
        }
    }

    /// Any claim of this policy whose lease ran out; the attempt goes on with its operation.
    async fn find_abandoned(&mut self) -> Result<Outcome, StoreError> {
        let machine = self.machine;
        let mut pages = Pages::new(machine.core.store.as_ref(), Which::Abandoned, 50);
        loop {
            let page = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(Outcome::None),
                Err(error) => return self.known_failures(&Operation::FindAbandoned, Err(error)),
            };
            for (key, receipt) in page.receipts {
                let Ok(receipt) = receipt else { continue };
                let Some(request) = Request::from_bytes(&receipt.request) else { continue };
                if !machine.is_ours(&key) {
                    continue;
                }
                let mut hold = machine.hold(key, self.hold.me.clone());
                hold.adopt(&receipt);
                let found = hold.operate(&Operation::FindAbandoned, None, &|_| String::new()).await;
                if found != Ok(Outcome::None) {
                    self.hold = hold;
                    self.request = request;
                    return self.known_failures(&Operation::FindAbandoned, found);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::policy::load::load_texts;

    #[test]
    fn a_suspended_machine_does_not_keep_its_lease() {
        const HOUR: Duration = Duration::from_secs(3600);
        let suspended = Since { wall: SystemTime::now() - HOUR, ..Since::now() };
        assert!(suspended.elapsed() >= HOUR);
        let set_back = Since { wall: SystemTime::now() + HOUR, ..Since::now() };
        std::thread::sleep(Duration::from_millis(5));
        assert!((Duration::from_millis(5)..HOUR).contains(&set_back.elapsed()));
    }

    #[test]
    fn without_a_clock_only_what_counts_on_none_is_run() {
        let lease = include_str!("../../tests/serve/policies/lease.toml");
        let model = include_str!("../../models/receipt.toml");
        let clocked = |text: &str, local| {
            let loaded = load_texts((Path::new("p.toml"), text), (Path::new("m.toml"), model));
            assert!(!loaded.failed(), "{:#?}", loaded.diagnostics);
            timed_by_workers(&loaded.policies[0].policy, local).map_err(|CannotRun(why)| why)
        };
        let refused = |text: &str, local, told: &str| {
            let why = clocked(text, local).unwrap_err();
            assert!(why.contains(told), "{why}");
        };
        refused(lease, true, "`clock = \"client\"`");
        refused(&lease.replace("lease = \"1s\"\n", ""), true, "`clock = \"client\"`");
        let timed = lease.replace("[store]\n", "[store]\nclock = \"client\"\n");
        assert_eq!(clocked(&timed, true), Ok(()));
        let native = "[downstream]\nnative_key = { ttl = \"24h\", compares = true }\n";
        let native = timed.replace("[downstream]\n", native);
        refused(&native, true, "native_key");
        assert_eq!(clocked(&native, false), Ok(()));
    }
}
