//! A policy and its protocol as one timed system: the step relation that both engines explore.
//!
//! [`System::steps`] lists what can happen in a [`World`]; there is no other description of the
//! protocol's behaviour. [`compile`] makes the flat tables it reads; each component's part of a
//! step is in its own file: [`client`], [`worker`], [`store`], [`downstream`].

mod bounds;
mod client;
pub mod compile;
pub mod describe;
mod downstream;
pub mod facts;
mod lean;
mod lock;
mod logs;
mod loops;
pub mod open;
mod outbox;
mod queue;
pub mod remedy;
mod store;
mod worker;
pub mod world;

pub use compile::{CompileError, System};
pub use lean::Seen;
use world::{Attempt, Budget, Call, Key, Packed, Phase, Slot, Status, Who, World};

use crate::model::{Answer, Operation, Outcome};
use crate::time::{Constraint, Edge, Guard, Interchangeable, Surplus, TimedSystem, Timing};

/// Who takes a step. The index is into the world before the step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    Client(u8),
    /// The attempt that this client waits for.
    Attempt(u8),
    Zombie(u8),
    Flight(u8),
    /// The store, or the lock's.
    Store,
    /// An action that nobody waits for.
    Job(u8),
    /// What happens to a target by itself.
    Target(u8),
}

/// What happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// A client sends its next attempt, a broker delivers, a role begins a run.
    Send(Sending),
    /// A message is put into the queue.
    Publish,
    /// A message published again is dropped by the broker.
    Drop,
    /// An attempt does the operation of its state and sees the outcome.
    Operate { outcome: Outcome },
    /// The operation's write happens, the caller sees an error and will repeat it.
    AckLost { outcome: Outcome },
    /// The operation is done as far as its caller knows; the other side never hears of it.
    Unheard { outcome: Outcome },
    /// `outbox.next` with the outcome `message`: which row, counted from 1.
    Pick { row: u8 },
    /// An attempt that died is run again from the start.
    Restart,
    /// `downstream.call`, `downstream.query`: the request leaves.
    Call,
    /// An open call, or one nobody waits for, takes effect.
    Land(Landing),
    /// A worker dies; `restart`: its attempt is run again from the start; `noticed`: its client
    /// sees the connection break, else it waits for its timeout.
    Crash { restart: bool, noticed: bool },
    /// The store goes back to what it held before its last writes.
    Failover,
    /// The lock is taken from its holder.
    LockLost,
    /// An action under way ends, and nobody waits for it or nobody hears of it.
    Effect(remedy::Effected),
    /// A target fails, recovers, or is repaired.
    Happens(remedy::Event),
}

/// How an attempt gets on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sending {
    Arrives,
    /// It never arrives.
    Lost,
    /// It is on its way still.
    Late,
    /// It arrives, and a copy of it is on its way.
    Twice,
    /// A message is delivered though the last delivery is not over.
    Again,
    /// A message comes back from the dead letters.
    Redriven,
}

/// What becomes of a call that reaches the downstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Landing {
    Applied,
    /// The native key was known: the first result is given again.
    Deduplicated,
    /// The token was too old.
    Refused,
}

/// How an attempt ended with this step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Its answer reaches the client.
    Answered(Answer),
    /// Its answer is lost on the way: a fault.
    AnswerLost(Answer),
    /// The worker dies before it answers: a fault. The client may notice.
    Died { noticed: bool, restart: bool },
    /// Its answer comes after the client gave up.
    AnswerLate(Answer),
    /// Nobody listens any more.
    Unheard(Answer),
    /// `end.*`: no answer.
    Ended,
}

/// One step, as the search keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label {
    pub actor: Actor,
    pub action: Action,
    /// The state of the model in which an attempt acted.
    pub at: u8,
    pub ending: Option<Ending>,
    /// The clock, before the step, of a receipt whose owner this step takes away, for the time
    /// that its key stays stuck; `Some(0)` where that clock starts with this step or is not kept.
    pub orphans: Option<u8>,
}

impl Label {
    /// What goes wrong by itself: everything that has a budget, and a call that takes too long.
    pub fn is_fault(&self) -> bool {
        let sent_badly =
            |sending| matches!(sending, Sending::Lost | Sending::Late | Sending::Twice | Sending::Again);
        let action = match self.action {
            Action::Send(sending) => sent_badly(sending),
            Action::Operate { outcome } => outcome.is_fault(),
            Action::AckLost { .. }
            | Action::Unheard { .. }
            | Action::Crash { .. }
            | Action::Failover
            | Action::LockLost
            | Action::Happens(_)
            | Action::Effect(remedy::Effected::Unheard) => true,
            Action::Publish
            | Action::Drop
            | Action::Pick { .. }
            | Action::Restart
            | Action::Call
            | Action::Effect(_)
            | Action::Land(_) => false,
        };
        action || matches!(self.ending, Some(Ending::AnswerLost(_) | Ending::Died { .. }))
    }

    /// A fault, or something that only so many times can happen: absent from the endless part of
    /// a run in which faults have stopped.
    pub fn is_fault_or_send(&self) -> bool {
        self.is_fault()
            || matches!(self.action, Action::Send(_) | Action::Publish | Action::Drop | Action::Restart)
    }
}

/// One thing that can happen, in the unpacked world: the world after it, whose slots name clocks
/// of the world before it.
#[derive(Clone, Debug)]
pub struct Step {
    pub label: Label,
    pub guard: Guard,
    pub facts: u64,
    pub world: World,
}

/// Collects the steps out of one world.
struct Steps<'a> {
    system: &'a System,
    before: &'a World,
    out: &'a mut dyn Out,
    /// The true receipt, and what must hold for `before` to show another one.
    stale: Option<(world::Receipt, Guard)>,
    /// What must hold, too, for every step.
    besides: Option<Constraint>,
}

/// Takes the steps out of a world, one by one.
trait Out {
    /// Whether a step with this guard is of any use: asked once for each, before the rest of it is made.
    fn wants(&mut self, _guard: &Guard) -> bool {
        true
    }

    fn step(&mut self, label: Label, draft: &mut Draft);
}

impl<F: FnMut(Label, &mut Draft)> Out for F {
    fn step(&mut self, label: Label, draft: &mut Draft) {
        self(label, draft);
    }
}

/// Packs the worlds that steps lead to.
struct Edges<'a> {
    sorts: bool,
    possible: &'a mut dyn FnMut(&Guard) -> bool,
    bytes: Vec<u8>,
    out: &'a mut Vec<Edge<Packed, Label>>,
}

impl Out for Edges<'_> {
    fn wants(&mut self, guard: &Guard) -> bool {
        (self.possible)(guard)
    }

    fn step(&mut self, label: Label, draft: &mut Draft) {
        let (guard, world, facts) = (std::mem::take(&mut draft.guard), &mut draft.world, draft.facts);
        // The order comes first: the clocks are numbered along it.
        let target = if self.sorts { world.sort_and_pack(&mut self.bytes) } else { world.pack() };
        self.out.push(Edge { label, guard, clocks: world.number_clocks(), target, facts });
    }
}

/// A step in the making: the world that comes of it, what must hold for it, what it brings to light.
#[derive(Clone)]
struct Draft {
    world: World,
    guard: Guard,
    facts: u64,
    /// Whatever can come of it can come without it: see [`lean`].
    spent: bool,
    /// It makes a difference to others than its actor: see [`open`].
    touches: bool,
}

impl Draft {
    fn when(mut self, constraint: Option<Constraint>) -> Draft {
        if let Some(constraint) = constraint {
            self.guard.push(constraint);
        }
        self
    }

    fn fact(&mut self, bit: u64, holds: bool) {
        if holds {
            self.facts |= bit;
        }
    }
}

/// `slot >= bound`; nothing to check where the clock is not kept.
fn at_least(slot: Slot, bound: i64) -> Option<Constraint> {
    slot.clock().map(|clock| Constraint::at_least(clock, bound))
}

/// `slot <= bound`; nothing to check where the clock is not kept.
fn at_most(slot: Slot, bound: i64) -> Option<Constraint> {
    slot.clock().map(|clock| Constraint::at_most(clock, bound))
}

impl System {
    /// Everything that can happen in `world`, whether or not the clocks allow it now.
    pub fn steps(&self, world: &World, out: &mut Vec<Step>) {
        self.each_step(world, &mut |label, draft: &mut Draft| {
            let (guard, world) = (std::mem::take(&mut draft.guard), draft.world.clone());
            out.push(Step { label, guard, facts: draft.facts, world });
        });
    }

    /// The same for each at once, without a copy.
    fn each_step(&self, world: &World, out: &mut dyn Out) {
        let mut steps = Steps { system: self, before: world, out, stale: None, besides: None };
        steps.store_faults();
        for index in 0..world.clients.len() {
            steps.client(index);
        }
        for index in 0..world.clients.len() {
            if world.clients[index].attempt.is_some() {
                steps.attempt(Who::Client(index));
            }
        }
        for index in 0..world.zombies.len() {
            steps.attempt(Who::Zombie(index));
        }
        for index in 0..world.flights.len() {
            steps.late_flight(index);
        }
        if let Some(remedy) = &world.remedy {
            for index in 0..remedy.jobs.len() {
                steps.job(index);
            }
            steps.surroundings();
        }
    }

    /// The world every run begins with.
    pub fn initial_world(&self) -> World {
        let mut start = self.start.clone();
        start.number_clocks();
        start
    }

    /// The packed form in which interchangeable parts are in one order, if symmetry is on.
    pub fn canonical(&self, world: &World) -> Packed {
        let sorts = self.symmetry && !self.splits;
        if !sorts && self.counts {
            return world.pack();
        }
        let mut world = world.clone();
        if !self.counts {
            world.forget_counts();
        }
        if sorts { world.sort_and_pack(&mut Vec::new()) } else { world.pack() }
    }

    /// What the clocks must satisfy for time to pass in `world`.
    pub fn world_invariant(&self, world: &World, out: &mut Vec<Constraint>) {
        for (_, attempt) in world.live() {
            let (Some(clock), Some(bound)) = (attempt.clock.clock(), self.stay_at_most(attempt)) else {
                continue;
            };
            out.push(Constraint::at_most(clock, bound));
        }
        if let (Some(rules), Some(remedy)) = (&self.remedy, &world.remedy) {
            rules.due(world, remedy, out);
        }
        for job in world.remedy.iter().flat_map(|remedy| &remedy.jobs) {
            let most = self.act_most(job.part);
            if let (Some(clock), Some(most)) = (job.clock.clock(), most) {
                out.push(Constraint::at_most(clock, most));
            }
        }
    }

    /// How long an action of this part can be under way.
    fn act_most(&self, part: u8) -> Option<i64> {
        self.remedy.as_ref().and_then(|rules| rules.parts[usize::from(part)].act_max)
    }

    /// Some call can be answered with an error.
    pub fn calls_fail(&self) -> bool {
        self.errors != crate::policy::Errors::Never
    }

    /// An error says that the call had no effect.
    pub fn errors_prevent(&self) -> bool {
        self.errors == crate::policy::Errors::Definite
    }

    /// Some action can end with an error, at any moment.
    pub fn acts_fail(&self) -> bool {
        let mut parts = self.remedy.iter().flat_map(|rules| &rules.parts);
        parts.any(|part| part.errors != crate::policy::remedy::ActErrors::Never)
    }

    /// The shortest time that an action takes.
    fn act_min_least(&self) -> i64 {
        let parts = self.remedy.iter().flat_map(|rules| &rules.parts);
        parts.map(|part| part.act_min).min().unwrap_or(0)
    }

    /// How long an attempt can stay where it is.
    fn stay_at_most(&self, attempt: &Attempt) -> Option<i64> {
        match attempt.call {
            _ if attempt.down => None,
            Call::None => match (&self.table[attempt.at as usize], &self.remedy) {
                (compile::Row { wait: Some(wait), .. }, _) => Some(*wait),
                (compile::Row { operation: Operation::Approve, .. }, Some(rules)) => {
                    rules.parts[usize::from(attempt.aim.part)].approval
                }
                (_, Some(rules)) => rules.parts[usize::from(attempt.aim.part)].pause,
                _ => self.times.pause,
            },
            _ if self.table[attempt.at as usize].operation.acts() => {
                let rules = self.remedy.as_ref()?;
                let part = &rules.parts[usize::from(attempt.aim.part)];
                // What nobody hears of ends with the timeout.
                let effect = part.act_max.filter(|_| attempt.call == Call::Pending);
                part.timeout.into_iter().chain(effect).min()
            }
            _ if self.asking(attempt) => self.times.ask_at_most(),
            _ if self.lean.calls => None,
            _ => self.times.call_timeout,
        }
    }

    /// Whether the attempt's open call is a query: its answer is on the way.
    fn asking(&self, attempt: &Attempt) -> bool {
        let operation = &self.table[attempt.at as usize].operation;
        attempt.call != Call::None && matches!(operation, Operation::Query { .. })
    }

    /// Whether an attempt's clock is needed where it stands.
    fn needs_clock(&self, attempt: &Attempt) -> bool {
        match attempt.call {
            Call::None => self.stay_at_most(attempt).is_some(),
            _ if self.asking(attempt) => self.stay_at_most(attempt).is_some(),
            _ if self.table[attempt.at as usize].operation.acts() => {
                self.stay_at_most(attempt).is_some()
                    || self.act_most(attempt.aim.part).is_some()
                    || self.act_min_least() > 0
            }
            _ => {
                let t = &self.times;
                let ends = t.latency_max.is_some() && !self.lean.calls;
                t.latency_min > 0 || ends || t.call_timeout.is_some()
            }
        }
    }

    /// Some step looks at how many effects there are, beyond the first.
    fn counts_effects(&self) -> bool {
        self.asks_version || self.uses_outbox || self.keeps_past
    }

    /// Drops what no later step can look at: clocks, spent clients, tokens' absolute values.
    fn settle(&self, world: &mut World) {
        let redrives = self.queue && world.budget.redrives > 0;
        world.clients.retain(|c| {
            let dead_letter = redrives && c.role == 0 && c.phase != Phase::Done;
            self.remedy.is_some()
                || c.phase == Phase::Idle
                || c.retries > 0
                || c.attempt.is_some()
                || dead_letter
        });
        let rerun = self.restart && world.budget.crashes > 0 && world.live().next().is_some();
        let more = world.more_to_come() || rerun;
        let runs = |c: &world::Client| c.role > 0 && (c.phase == Phase::Idle || c.retries > 0);
        let alive =
            self.remedy.is_some() || more || world.live().next().is_some() || world.clients.iter().any(runs);
        let t = &self.times;
        let unsent = world.clients.iter().any(|c| c.role == 0 && c.phase == Phase::Idle);
        if !(more && t.within.is_some() || unsent && t.dedup.is_some()) {
            world.horizon = Slot::NONE;
        }
        for client in world.clients.iter_mut().filter(|_| self.remedy.is_none()) {
            // Also a last attempt's client gives up: its answer comes in time or not at all.
            let listens = client.attempt.is_some() && t.client_timeout.is_some();
            let dead_letter = redrives && client.phase == Phase::Waiting && t.client_timeout.is_some();
            if client.role > 0 {
                if client.retries == 0 || self.roles[client.role as usize - 1].every == 0 {
                    client.clock = Slot::NONE;
                }
                continue;
            }
            let needed = client.phase != Phase::Done && (listens || dead_letter)
                || client.retries > 0
                    && match client.phase {
                        Phase::Idle | Phase::Done => false,
                        Phase::Waiting => t.client_timeout.is_some() || t.backoff > 0,
                        Phase::Between => t.backoff > 0,
                    };
            if !needed {
                client.clock = Slot::NONE;
            }
        }
        for Key { receipt, native } in &mut world.keys {
            let kept = alive
                && match receipt.status {
                    Status::Absent => false,
                    Status::InProgress => t.lease.is_some() || (t.ttl.is_some() && !self.ttl_from_claim),
                    Status::Succeeded | Status::Failed => t.ttl.is_some() && !self.ttl_from_claim,
                };
            if !kept {
                receipt.clock = Slot::NONE;
            }
            if !alive || receipt.status == Status::Absent {
                receipt.born = Slot::NONE;
            }
            let keyed_flight = world.flights.iter().any(|f| f.keyed);
            if !native.used || t.native_ttl.is_none() || !(alive || keyed_flight) {
                native.clock = Slot::NONE;
            }
        }
        for lock in &mut world.locks {
            if !lock.held || t.lock_lease.is_none() || !alive {
                lock.clock = Slot::NONE;
            }
        }
        for row in &mut world.rows {
            if row.done {
                row.claimed = false;
            }
            if !row.claimed || t.lease.is_none() {
                row.clock = Slot::NONE;
            }
            if !alive {
                row.since = Slot::NONE;
            }
        }
        if !self.counts {
            world.forget_counts();
        }
        let past_matters = self.stale_reads || !self.conditional || world.budget.failovers > 0;
        // What was told, or published, can be undone when nobody is at work any more.
        let answered = |key: &Key| matches!(key.receipt.first_answer, world::Known::Done { .. });
        let told = self.local_effects
            && (world.keys.iter().any(answered) || world.rows.iter().any(|row| row.published));
        if !(alive || told) || !past_matters {
            world.past = None;
        }
        if !self.asks_latest {
            world.latest = [0; world::CLASSES];
            world.past.iter_mut().for_each(|past| past.latest = world.latest);
        }
        self.forget_tokens(world);
        self.forget_more(world);
        world.rank_tokens();
        world.rank_versions();
    }

    /// Forgets what no step will ask of a token. An attempt's token says whether the receipt is
    /// its own; beyond that, only the order of those that can still reach the resource matters, and
    /// of these the ones that came too late already are all alike. Not so where a transaction records an
    /// outcome: when the claim is gone, an old attempt brings its token back into the receipt, and only
    /// that attempt may find its own there.
    fn forget_tokens(&self, world: &mut World) {
        if self.unfenced_records || self.splits || self.keeps_past || self.keeps_tokens || self.open {
            return;
        }
        let receipt = world.keys[0].receipt.token;
        let (seen, fence) = (world.seen, world.fence);
        // Too old for good: whatever happens next makes no difference to it.
        let old = |token: u8| token != 0 && token < seen && (!self.fencing || token < fence);
        let mut owned = false;
        let (mut old_attempt, mut old_flight) = (u8::MAX, u8::MAX);
        let mut attempts: smallvec::SmallVec<[&mut Attempt; 12]> = world.live_mut().collect();
        let mut any_old = false;
        for attempt in &mut attempts {
            owned |= attempt.token == receipt;
            let lands = self.may_land(attempt);
            any_old |= lands && attempt.token != 0 && attempt.token < seen.max(fence);
            if attempt.token == receipt || attempt.token == 0 {
                continue;
            }
            if !lands {
                attempt.token = 0;
            } else if old(attempt.token) {
                old_attempt = old_attempt.min(attempt.token);
            }
        }
        for attempt in attempts {
            if attempt.token != receipt && old(attempt.token) && !self.commits_receipts {
                attempt.token = old_attempt;
            }
        }
        let flights = &mut world.flights;
        any_old |= flights.iter().any(|f| f.grant != 0 && f.grant < seen.max(fence));
        old_flight = flights.iter().map(|f| f.grant).filter(|t| old(*t)).fold(old_flight, u8::min);
        for flight in flights.iter_mut().filter(|f| old(f.grant)) {
            flight.grant = old_flight;
            flight.token = if flight.token == 0 { 0 } else { old_flight };
        }
        if !owned {
            world.keys[0].receipt.token = 0;
        }
        if !any_old {
            (world.seen, world.fence) = (0, 0);
        }
        world.forget_grants();
    }

    /// Whether an effect of this attempt, or its token, can still reach the resource.
    fn may_land(&self, attempt: &Attempt) -> bool {
        match attempt.call {
            Call::Pending => true,
            Call::None => self.lands[attempt.at as usize],
            Call::Landed(_) | Call::Refused => {
                self.table[attempt.at as usize].next.iter().any(|next| match next {
                    compile::Next::State(state) => self.lands[*state as usize],
                    compile::Next::Resume => true,
                    _ => false,
                })
            }
        }
    }
}

impl Steps<'_> {
    /// A draft that changes nothing yet.
    fn draft(&self) -> Draft {
        Draft { world: self.before.clone(), guard: Guard::new(), facts: 0, spent: false, touches: false }
    }

    fn emit(&mut self, actor: Actor, action: Action, at: u8, ending: Option<Ending>, mut draft: Draft) {
        if let Some(besides) = self.besides {
            draft.guard.push(besides);
        }
        if self.system.open {
            // Before anything is numbered anew.
            draft.touches = self.stale.is_some() || draft.world.touches(self.before);
        }
        let mut real = self.before.keys.first().map(|key| key.receipt);
        if let Some((receipt, guard)) = &self.stale {
            real = Some(*receipt);
            draft.guard.extend_from_slice(guard);
            let shown = &mut draft.world.keys[0].receipt;
            // Only a write goes to the newest state; a look leaves that as it is.
            if shown.token <= self.before.granted {
                let (was_recorded, first_answer) = (shown.was_recorded, shown.first_answer);
                *shown = world::Receipt { was_recorded, first_answer, ..*receipt };
            }
        }
        if self.system.keeps_past
            && let Some(real) = real
        {
            let now = &draft.world.keys[0].receipt;
            let rows = self.before.rows.len() as u8;
            let (stored, was_marked) = self.before.stored_rows();
            let same = |a: &world::Receipt, b: &world::Receipt| {
                // A clock that starts with this step is a write, too: a renewal.
                (a.status, a.token, a.known, a.checkpoint) == (b.status, b.token, b.known, b.checkpoint)
                    && a.clock != Slot::ZERO
            };
            let local = self.system.local_effects && draft.world.effects != self.before.effects
                || draft.world.stored_rows() != (stored, was_marked);
            if !same(now, &real) || local {
                let mut remembering = draft.clone();
                remembering.world.past = Some(Box::new(world::Past {
                    receipt: real,
                    effects: self.before.effects,
                    latest: self.before.latest,
                    rows,
                    marked: was_marked,
                    clock: Slot::started(self.system.times.staleness.is_some()),
                }));
                self.emit_one(actor, action, at, ending, &mut remembering);
            }
        }
        self.emit_one(actor, action, at, ending, &mut draft);
    }

    fn emit_one(&mut self, actor: Actor, action: Action, at: u8, ending: Option<Ending>, draft: &mut Draft) {
        if !self.out.wants(&draft.guard) {
            return;
        }
        let orphans = self.orphaned_clock(&draft.world);
        self.system.send_at_once(draft);
        self.system.settle(&mut draft.world);
        let dead = self.leaves_dead_key(&draft.world);
        if self.before.remedy.is_some() {
            let locked = self.leaves_dead_lock(&draft.world);
            draft.fact(facts::DEAD_LOCK, locked);
            let dropped = self.system.drops_a_fault(&draft.world);
            draft.fact(facts::DROPPED_FAULT, dropped);
            let half = self.system.leaves_half(&draft.world);
            draft.fact(facts::LEFT_HALF, half);
        }
        draft.fact(facts::DEAD_KEY, dead);
        let missing = self.misses_a_message(&draft.world);
        draft.fact(facts::MISSING_MESSAGE, missing);
        if draft.spent {
            draft.world = self.system.nowhere();
        }
        let label = Label { actor, action, at, ending, orphans };
        self.out.step(label, draft);
    }

    /// The clock of a claim that had a living owner before and has none now.
    fn orphaned_clock(&self, after: &World) -> Option<u8> {
        let owned = |world: &World, index: usize| {
            let token = world.keys[index].receipt.token;
            world.live().any(|(_, a)| a.key as usize == index && a.token == token && token != 0)
        };
        (0..self.before.keys.len()).find_map(|index| {
            let receipt = &after.keys[index].receipt;
            let orphaned = receipt.status == Status::InProgress && !owned(after, index);
            let was_owned = owned(self.before, index) || receipt.token > self.before.granted;
            // The clock that makes the claim claimable again: its lease's, or that of its TTL.
            let by_ttl = self.system.ttl_from_claim && self.system.claimable_by_ttl;
            let age = if by_ttl { receipt.born } else { receipt.clock };
            (orphaned && was_owned).then(|| age.clock().unwrap_or(0))
        })
    }

    /// The lock has no end, and whoever held it is gone.
    fn leaves_dead_lock(&self, after: &World) -> bool {
        let holds = |attempt: &Attempt| matches!(attempt.lock, world::Grip::Holds | world::Grip::Unaware);
        let live = |index| {
            let mut of = after.live().filter(move |(_, attempt)| after.lock_of(attempt.aim.target) == index);
            of.any(|(_, attempt)| !attempt.down && holds(attempt))
        };
        let dead = |index: usize| after.locks[index].held && !live(index);
        self.system.times.lock_lease.is_none() && (0..after.locks.len()).any(dead)
    }

    /// Nobody is at work, a claim is left, and the model has no way to take it.
    fn leaves_dead_key(&self, after: &World) -> bool {
        let claimed = || after.keys.iter().any(|k| k.receipt.status == Status::InProgress);
        let locked = after.locks.iter().any(|lock| lock.held) && self.system.times.lock_lease.is_none();
        after.live().all(|(_, attempt)| attempt.down)
            && (claimed() && !self.system.abandoned_claimable || locked)
    }
}

impl TimedSystem for System {
    type State = Packed;
    type Label = Label;

    fn initial(&self) -> Vec<Packed> {
        vec![self.canonical(&self.start)]
    }

    fn clock_count(&self, state: &Packed) -> usize {
        World::unpack(state).clock_count()
    }

    fn invariant(&self, state: &Packed, out: &mut Vec<Constraint>) {
        self.world_invariant(&World::unpack(state), out);
    }

    fn edges(&self, state: &Packed, out: &mut Vec<Edge<Packed, Label>>) {
        self.possible_edges(state, &mut |_| true, out);
    }

    fn possible_edges(
        &self,
        state: &Packed,
        possible: &mut dyn FnMut(&Guard) -> bool,
        out: &mut Vec<Edge<Packed, Label>>,
    ) {
        let sorts = self.symmetry && !self.splits;
        out.reserve(8);
        let bytes = Vec::with_capacity(128);
        self.each_step(&World::unpack(state), &mut Edges { sorts, possible, bytes, out });
    }

    fn bounds(&self, state: &Packed, lower: &mut [i64], upper: &mut [i64]) {
        self.world_bounds(&World::unpack(state), lower, upper);
    }

    fn interchangeable(&self, state: &Packed) -> Vec<Interchangeable> {
        if self.splits { Vec::new() } else { World::unpack(state).interchangeable() }
    }

    fn timing(&self, state: &Packed, out: &mut Timing) {
        let mut world = World::unpack(state);
        out.clear(world.clock_count());
        self.world_invariant(&world, &mut out.invariant);
        self.world_bounds(&world, &mut out.lower, &mut out.upper);
        if !self.splits {
            out.groups = world.interchangeable();
        }
    }

    /// What the adversary may still do, and effects beyond the first where nothing counts them.
    fn without_surplus(&self, state: &Packed) -> (Packed, Surplus) {
        let mut world = World::unpack(state);
        let left = world.budget;
        // Whether clocks are kept depends on these.
        let Budget { failovers, redrives, crashes, .. } = left;
        let crashes = if self.restart { crashes } else { 0 };
        world.budget = Budget { failovers, redrives, crashes, ..Budget::default() };
        let mut surplus = [0; 16];
        let more = [
            left.crashes - crashes,
            left.lost_requests,
            left.lost_responses,
            left.ambiguous_acks,
            left.aborts,
            left.store_errors,
            left.lock_losses,
            left.duplicate_requests,
            left.late_requests,
            left.redeliveries,
        ];
        surplus[..more.len()].copy_from_slice(&more);
        if !self.counts_effects() {
            for (surplus, effects) in surplus[more.len()..].iter_mut().zip(&mut world.effects) {
                *surplus = effects.saturating_sub(1);
                *effects -= *surplus;
            }
        }
        (world.pack(), surplus)
    }

    fn greatest_constant(&self) -> i64 {
        let remedy = self.remedy.as_ref().map_or(0, remedy::Rules::greatest);
        self.times.greatest().max(self.claimable_after.unwrap_or(0)).max(remedy)
    }

    fn clocks_max(&self) -> usize {
        self.clocks_most
    }

    fn heap_size(&self, state: &Packed) -> usize {
        state.heap_size()
    }
}

impl From<Who> for Actor {
    fn from(who: Who) -> Actor {
        match who {
            Who::Client(index) => Actor::Attempt(index as u8),
            Who::Zombie(index) => Actor::Zombie(index as u8),
        }
    }
}
