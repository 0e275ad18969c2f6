//! The same system with no bound on who comes and what goes wrong: what a proof for any number of
//! requests, attempts and crashes is about.
//!
//! An [`Open`] system has the step relation of its [`System`] and no other. A world of it is a part
//! of a larger one: a few of the clients, attempts and calls that are there, and all that they share.
//! What differs is only what is said of the rest:
//!
//! - There is always one more client of each kind that has sent nothing, and one more run of each role.
//! - A client that tries again can do so any number of times, and each declared fault happens any
//!   number of times. So do crashes, declared or not.
//! - Nothing is forgotten because nobody is there who could ask for it: somebody may be. What only one
//!   part or what is shared decides is forgotten as ever (`reduce`).
//!
//! That a step of a large world is one of each smaller world that holds its actor, with the same
//! change to whoever else is there, is what makes this sound; `tests/proofs` takes it apart.

use super::world::{
    Attempt, Budget, CLASS_CONFLICTING, CLASS_MAIN, CLASS_MERGED, CLASSES, Call, Client, Flight, Grip, Known,
    Phase, Receipt, Slot, Who, World,
};
use super::{Action, Actor, Draft, Guard, Label, Steps, System};
use crate::model::{Operation, WriteKind};
use crate::time::Constraint;

/// How much of a fault is left, always: more than one step takes.
const ALWAYS: u8 = 3;
/// How often a client may still try again, always; a step takes one.
const AGAIN: u8 = 2;

/// A system with no bound on who comes.
#[derive(Clone, Debug)]
pub struct Open {
    system: System,
    /// Clocks are kept; without them any timer may fire at any moment.
    timed: bool,
    /// The order of claims is kept where only `no-stale-overwrite` asks for it.
    order: bool,
    /// A token that is too old is like any other such one: nobody writes it into a receipt again.
    merges_old: bool,
    budget: Budget,
    /// One of each kind that may begin at any moment.
    supply: Vec<Client>,
}

/// Who takes a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mover {
    /// The store, or the lock's, by itself.
    Store,
    /// Somebody who has not been there before.
    Newcomer,
    /// A client, and the attempt that it waits for.
    Client(usize),
    Zombie(usize),
    Flight(usize),
}

/// A step: `world` is what comes of it, whose slots name clocks of the world before it.
#[derive(Clone, Debug)]
pub struct OpenStep {
    /// Which of the mover's steps it is; the same whoever else is there. One that sends can be two.
    pub number: usize,
    pub label: Label,
    pub guard: Guard,
    pub facts: u64,
    /// It changes what is shared, if only by something that looks the same, or its actor gains a claim or a lock.
    /// Of a step that does not, nobody else can tell.
    pub touches: bool,
    pub world: World,
}

impl World {
    /// Whether this world, which a step made of another one, differs from it in what is shared, or in who holds it.
    pub(super) fn touches(&self, before: &World) -> bool {
        let owners = |world: &World| world.live().filter(|(_, attempt)| attempt.owns).count();
        let holders = |world: &World| world.live().filter(|(_, attempt)| attempt.lock != Grip::None).count();
        self.keys != before.keys
            || self.locks != before.locks
            || self.rows != before.rows
            || self.past != before.past
            || (self.effects, self.lost, self.latest) != (before.effects, before.lost, before.latest)
            || (self.seen, self.fence, self.granted) != (before.seen, before.fence, before.granted)
            || (self.horizon, self.started) != (before.horizon, before.started)
            || owners(self) > owners(before)
            || holders(self) > holders(before)
    }
}

impl System {
    /// An attempt that crashes may be run again from its start.
    pub fn restarts(&self) -> bool {
        self.restart
    }

    /// What kinds of requests there are any number of: the declared ones.
    pub fn open_kinds(&self) -> Vec<&'static str> {
        let clients = || self.start.clients.iter();
        let kinds = [
            ("one payload", clients().all(|client| client.class == CLASS_MAIN)),
            ("also with another payload", clients().any(|client| client.class == CLASS_CONFLICTING)),
            ("also of another operation", clients().any(|client| client.class == CLASS_MERGED)),
        ];
        kinds.into_iter().filter_map(|(name, is)| is.then_some(name)).collect()
    }

    /// The declared faults, beside crashes, of which an open system has any number.
    pub fn open_faults(&self) -> Vec<&'static str> {
        let b = &self.start.budget;
        let all = [
            (b.lost_requests, "lost requests"),
            (b.lost_responses, "lost responses"),
            (b.ambiguous_acks, "ambiguous acks"),
            (b.aborts, "aborts"),
            (b.failovers, "failovers"),
            (b.store_errors, "store errors"),
            (b.lock_losses, "lock losses"),
            (b.duplicate_requests, "duplicated requests"),
            (b.late_requests, "late requests"),
            (b.redeliveries, "redeliveries"),
            (b.redrives, "redrives"),
        ];
        all.into_iter().filter_map(|(declared, name)| (declared > 0).then_some(name)).collect()
    }

    /// The same system with no bound on who comes.
    ///
    /// # Errors
    /// Why no number of parts can be told to stand for any number of them.
    pub fn open(&self, timed: bool, order: bool) -> Result<Open, &'static str> {
        if self.remedy.is_some() {
            return Err("proofs for any number of attempts are not made for targets");
        }
        if self.splits {
            return Err("every attempt has a key of its own, and keys are not counted without a bound");
        }
        if self.uses_outbox {
            return Err("the messages of an outbox are not counted without a bound");
        }
        let mut system = self.clone().with_symmetry(false);
        system.open = true;
        system.retries = 1;
        let mut supply: Vec<Client> = Vec::new();
        for client in &self.start.clients {
            let kind = |other: &Client| (other.class, other.role) == (client.class, client.role);
            if !supply.iter().any(kind) {
                supply.push(Client { retries: AGAIN, clock: Slot::NONE, name: 0, sent: 0, ..*client });
            }
        }
        let writes = |row: &super::compile::Row| matches!(&row.operation, Operation::Commit { writes, .. } if writes.contains(&WriteKind::Receipt));
        let merges_old = !(self.unfenced_records || self.keeps_past || self.table.iter().any(writes));
        let each = |declared: u8| if declared > 0 { ALWAYS } else { 0 };
        let b = &self.start.budget;
        let budget = Budget {
            crashes: ALWAYS,
            lost_requests: each(b.lost_requests),
            lost_responses: each(b.lost_responses),
            ambiguous_acks: each(b.ambiguous_acks),
            aborts: each(b.aborts),
            failovers: each(b.failovers),
            store_errors: each(b.store_errors),
            lock_losses: each(b.lock_losses),
            duplicate_requests: each(b.duplicate_requests),
            late_requests: each(b.late_requests),
            redeliveries: each(b.redeliveries),
            redrives: each(b.redrives),
        };
        Ok(Open { system, timed, order, merges_old, budget, supply })
    }
}

impl Open {
    /// The system whose steps these are.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// Clocks are kept.
    pub fn is_timed(&self) -> bool {
        self.timed
    }

    /// Nobody is there yet.
    pub fn start(&self) -> World {
        let mut world = self.system.start.clone();
        self.fill(&mut world);
        self.system.settle(&mut world);
        self.reduce(&mut world);
        world
    }

    /// The system with its declared scope that forgets no more than this one does: for tests that compare.
    pub fn bounded(&self, declared: &System) -> System {
        System { open: true, ..declared.clone().with_symmetry(false) }
    }

    /// A world of a bounded system as a part of a larger one: what has an end there has none here.
    pub fn cut(&self, world: &World) -> World {
        let mut world = world.clone();
        world.live_mut().for_each(|attempt| attempt.name = (0, 0));
        world.flights.iter_mut().for_each(|flight| flight.name = (0, 0));
        for client in &mut world.clients {
            client.name = 0;
            if client.phase != Phase::Done && !self.timed {
                client.retries = AGAIN;
            }
        }
        self.reduce(&mut world);
        world
    }

    /// Everybody who can take a step in this world.
    pub fn movers(&self, world: &World) -> Vec<Mover> {
        let mut out = vec![Mover::Store, Mover::Newcomer];
        out.extend((0..world.clients.len()).map(Mover::Client));
        out.extend((0..world.zombies.len()).map(Mover::Zombie));
        out.extend((0..world.flights.len()).map(Mover::Flight));
        out
    }

    /// Everything that this mover, or the adversary with it, can do, whether or not the clocks allow it.
    pub fn steps(&self, world: &World, mover: Mover, out: &mut dyn FnMut(OpenStep)) {
        self.steps_if(world, mover, &mut |_, _| true, out);
    }

    /// Of these the ones that are wanted, by their number and by what they bring to light.
    pub fn steps_if(
        &self,
        world: &World,
        mover: Mover,
        wanted: &mut dyn FnMut(usize, u64) -> bool,
        out: &mut dyn FnMut(OpenStep),
    ) {
        let mut before = world.clone();
        self.fill(&mut before);
        let mut number = 0;
        let mut emit = |label: Label, draft: &mut Draft| {
            number += 1;
            if !wanted(number - 1, draft.facts) {
                return;
            }
            let guard = std::mem::take(&mut draft.guard);
            let world = draft.world.clone();
            let (facts, touches) = (draft.facts, draft.touches);
            let step = OpenStep { number: number - 1, label, guard, facts, touches, world };
            self.finish(step, out);
        };
        let mut steps =
            Steps { system: &self.system, before: &before, out: &mut emit, stale: None, besides: None };
        match mover {
            Mover::Store => steps.store_faults(),
            Mover::Newcomer => {
                let first = world.clients.len();
                (first..first + self.supply.len()).for_each(|i| steps.client(i));
            }
            Mover::Client(index) => {
                steps.client(index);
                if before.clients[index].attempt.is_some() {
                    steps.attempt(Who::Client(index));
                }
            }
            Mover::Zombie(index) => steps.attempt(Who::Zombie(index)),
            Mover::Flight(index) => steps.late_flight(index),
        }
    }

    /// What the clocks must satisfy for time to pass.
    pub fn invariant(&self, world: &World, out: &mut Vec<Constraint>) {
        if self.timed {
            self.system.world_invariant(world, out);
        }
    }

    /// The constants that each clock is compared with.
    pub fn bounds(&self, world: &World, lower: &mut [i64], upper: &mut [i64]) {
        let mut filled = world.clone();
        self.fill(&mut filled);
        self.system.world_bounds(&filled, lower, upper);
    }

    /// Something is counted beyond what can be counted.
    pub fn overflows(&self, world: &World) -> bool {
        let most = super::world::EFFECTS_MAX;
        world.keys.len() != 1
            || !world.rows.is_empty()
            || self.system.counts_effects() && world.effects.iter().any(|count| *count >= most)
    }

    /// Whether an attempt with this token, or a call of this claim, is beyond harm: whatever happens,
    /// its token is too old for the resource and for the judge.
    pub fn is_old(&self, world: &World, token: u8) -> bool {
        self.merges_old
            && token != 0
            && token < world.seen
            && (!self.system.fencing || token < world.fence)
            && token != world.keys[0].receipt.token
    }

    /// Whether every number in this world means something here, and it is a piece of a world as
    /// [`Open::steps`] makes them.
    pub fn knows(&self, world: &World) -> bool {
        let states = self.system.table.len();
        let known = |known: Known| match known {
            Known::Nothing => true,
            Known::Failed { class } => usize::from(class) < CLASSES,
            // They are counted from 1.
            Known::Done { class, version } => usize::from(class) < CLASSES && version > 0,
        };
        let receipt = |r: &Receipt| {
            usize::from(r.class) < CLASSES
                && known(r.known)
                && known(r.first_answer)
                && usize::from(r.checkpoint) <= states
        };
        let attempt = |a: &Attempt| {
            let calls = |row: &super::compile::Row| {
                matches!(row.operation, Operation::Call { .. } | Operation::Query { .. })
            };
            usize::from(a.class) < CLASSES
                && (a.key, a.row, a.aim) == (0, 0, Default::default())
                && known(a.known)
                && self
                    .system
                    .table
                    .get(usize::from(a.at))
                    .is_some_and(|row| a.call == Call::None || calls(row))
                && !matches!(a.call, Call::Landed(landed) if !known(landed))
        };
        let client = |c: &Client| {
            usize::from(c.class) < CLASSES
                && usize::from(c.role) <= self.system.roles.len()
                && c.phase != Phase::Idle
                && c.retries <= 1
                && c.source == 0
                && c.attempt.as_ref().is_none_or(attempt)
        };
        let flight = |f: &Flight| usize::from(f.class) < CLASSES && f.key == 0;
        let mut most = 0;
        world.clone().each_token(|token| most = most.max(*token));
        world.keys.len() == 1
            && world.locks.len() == 1
            && world.rows.is_empty()
            && world.remedy.is_none()
            && world.budget == Budget::default()
            && world.lost == [0; CLASSES]
            && receipt(&world.keys[0].receipt)
            && usize::from(world.keys[0].native.class) < CLASSES
            && world.past.as_ref().is_none_or(|past| receipt(&past.receipt) && past.rows == 0)
            && world.clients.iter().all(client)
            && world.zombies.iter().all(attempt)
            && world.flights.iter().all(flight)
            // The next token is higher than all.
            && most == world.granted
            && most <= 16
    }

    fn forgets_tokens(&self) -> bool {
        !(self.system.unfenced_records || self.system.keeps_past)
    }

    /// Adds who may come, and what may go wrong.
    fn fill(&self, world: &mut World) {
        world.budget = self.budget;
        for client in world.clients.iter_mut().filter(|client| client.retries > 0) {
            client.retries = AGAIN;
        }
        // Two of each, so that there is one more when one comes.
        world.clients.extend(self.supply.iter().chain(&self.supply).copied());
    }

    /// Takes out again what is always there, and gives the step on.
    fn finish(&self, step: OpenStep, out: &mut dyn FnMut(OpenStep)) {
        // A client that has sent again may have come to its last attempt. Without clocks, one that has
        // more can do all that it could.
        if let (true, Action::Send(_) | Action::Publish, Actor::Client(index)) =
            (self.timed, step.label.action, step.label.actor)
        {
            let mut last = step.clone();
            if let Some(client) = last.world.clients.get_mut(usize::from(index)) {
                client.retries = 0;
            }
            self.system.settle(&mut last.world);
            self.reduce(&mut last.world);
            out(last);
        }
        let mut step = step;
        self.reduce(&mut step.world);
        out(step);
    }

    /// Drops who may come at any time, and what neither a part by itself nor what is shared
    /// makes a difference of.
    fn reduce(&self, world: &mut World) {
        world.budget = Budget::default();
        world.lost = Default::default();
        world.clients.retain(|client| client.phase != Phase::Idle);
        for client in &mut world.clients {
            client.retries = client.retries.min(1);
            // It only counts up.
            client.sent = 0;
        }
        for key in &mut world.keys {
            key.receipt.name = (0, 0);
        }
        if let Some(past) = &mut world.past {
            past.receipt.name = (0, 0);
        }
        if !self.system.counts_effects() {
            world.effects.iter_mut().for_each(|count| *count = (*count).min(1));
        }
        if !self.timed {
            world.each_place(|slot| *slot = Slot::NONE);
        }
        self.forget(world);
    }

    /// Forgets of tokens what [`System::settle`] forgets where it knows that nobody else is there.
    fn forget(&self, world: &mut World) {
        world.granted = 0;
        world.rank_tokens();
        if self.forgets_tokens() {
            if !self.order {
                world.seen = 0;
            }
            // Room for one that is lower than all others.
            world.each_token(|token| *token += u8::from(*token > 0));
            let ordered = self.order || self.system.fencing;
            let receipt = world.keys[0].receipt.token;
            let (seen, fence, fencing) = (world.seen, world.fence, self.system.fencing);
            let merges_old = self.merges_old;
            let rest = |token: u8| match token {
                0 => 0,
                _ if !ordered => 0,
                _ if merges_old && token < seen && (!fencing || token < fence) => 1,
                _ => token,
            };
            for attempt in world.live_mut().filter(|attempt| attempt.token != receipt) {
                let lands = self.system.may_land(attempt);
                attempt.token = if lands { rest(attempt.token) } else { 0 };
            }
            for flight in &mut world.flights {
                let kept = if flight.grant == receipt && ordered { flight.grant } else { rest(flight.grant) };
                flight.grant = kept;
                flight.token = if flight.token == 0 { 0 } else { kept };
            }
            world.rank_tokens();
        }
        let mut most = 0;
        world.each_token(|token| most = most.max(*token));
        // The next claim is newer than all.
        world.granted = most + 1;
    }
}
