//! The system, doing what a log tells.
//!
//! A state is a world, which attempt of the log each attempt in it is, and which records were met. One clock
//! is never reset: the time of the log. A record can be met while that clock is within its time, and no time
//! passes beyond that of a record that was not met.
//!
//! When an attempt was sent is not told. It is sent at the moment when it first does something: that it was
//! sent earlier, and stalled, allows nothing more (see [`System::for_logs`]). A second clock sees to it that no
//! time passes in between. Where a model begins with a wait, the sending is as early as that takes.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::model::{Operation, Outcome};
use crate::system::world::{CLASS_CONFLICTING, CLASS_MAIN, Class, Packed, Phase, World};
use crate::system::{Action, Actor, Step, System, facts};
use crate::time::{Clock, ClockFrom, Constraint, Edge, Guard, TimedSystem};

/// More attempts than this are not followed at a time.
pub const CONCURRENT_MAX: usize = 24;
/// Attempts that are looked at for one that comes before another.
const BACK: usize = 64;
/// More attempts than this have no number.
pub const ATTEMPTS_MAX: usize = 60_000;

/// One step that the log tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Into [`Run::attempts`].
    pub attempt: usize,
    /// Into the system's table.
    pub state: u8,
    pub outcome: Outcome,
    /// Its time in milliseconds: it happened within it.
    pub from: i64,
    pub to: i64,
    /// `from` is when the operation began, as far as clocks can be trusted: its call was not sent earlier, and
    /// nothing of it was written.
    pub began: bool,
    /// What the log says of its time, in milliseconds since the first of the run.
    pub shown: i64,
    /// Its file, by number, and its line, from 1.
    pub file: u32,
    pub line: u32,
}

/// One attempt of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// As the log calls it.
    pub name: String,
    pub class: Class,
    /// It was there at this time, though it may have no record.
    pub seen: i64,
    /// Its records, in order: into [`Run::records`].
    pub records: Vec<usize>,
}

/// All that is told of one key. Times count from the first of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    pub key: String,
    pub attempts: Vec<Attempt>,
    /// By the ends of their times.
    pub records: Vec<Record>,
}

/// See the module.
pub struct Told<'a> {
    pub system: &'a System,
    run: &'a Run,
    /// The first record of each attempt that has one, in order; with the earliest time at which one of this or a
    /// later entry can begin.
    firsts: Vec<(usize, usize, i64)>,
    /// Attempts without a record.
    silent: Vec<usize>,
    /// Of each attempt, one that is alike and comes first: see [`Told::order`].
    after: Vec<Option<usize>>,
    latest: i64,
}

/// A state of [`Told`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct At {
    packed: Packed,
    /// Of each live attempt, which of the log it is, from 1; 0: it has done what the log does not tell.
    names: SmallVec<[u16; 8]>,
    /// The first record that was not met.
    pub low: u32,
    /// Those after it that were.
    beyond: SmallVec<[u32; 4]>,
    /// Attempts without a record that were sent.
    sent: SmallVec<[u16; 2]>,
    /// The attempt that was just sent, from 1.
    pub urgent: u16,
}

/// Every record was met.
pub const ALL_MET: u64 = 1 << 63;
/// What the search can't hold it leaves out: then not everything that is possible was tried.
pub const LEFT_OUT: u64 = facts::FLIGHT_LIMIT | facts::FLIGHT_LEFT_OUT | CROWDED;
const CROWDED: u64 = 1 << 62;

impl<'a> Told<'a> {
    /// `system` is one [`System::for_logs`].
    pub fn new(system: &'a System, run: &'a Run) -> Told<'a> {
        let (firsts, silent, after) = (Vec::new(), Vec::new(), vec![None; run.attempts.len()]);
        let mut told = Told { system, run, firsts, silent, after, latest: 0 };
        for (index, attempt) in run.attempts.iter().enumerate() {
            match attempt.records.first() {
                Some(first) => told.firsts.push((*first, index, told.earliest(index))),
                None => told.silent.push(index),
            }
        }
        told.firsts.sort_unstable();
        let mut earliest = i64::MAX;
        for (_, _, begins) in told.firsts.iter_mut().rev() {
            earliest = earliest.min(*begins);
            *begins = earliest;
        }
        told.order();
        let seen = run.attempts.iter().map(|attempt| attempt.seen);
        told.latest = run.records.iter().map(|record| record.to).chain(seen).max().unwrap_or(0);
        told
    }

    /// Puts attempts that are alike into one order. Of two that have one record each, with the same state,
    /// outcome and payload, of which one's time neither begins nor ends later than the other's, that one comes
    /// first: in a run where it does not, the two can be exchanged. In a burst, most are such.
    fn order(&mut self) {
        if self.calls_first() || self.system.waits_first().is_some() || self.system.repeats() {
            return;
        }
        let mut alike: HashMap<(u8, Outcome, Class), Vec<usize>> = HashMap::new();
        for (first, attempt, _) in &self.firsts {
            let record = &self.run.records[*first];
            if self.run.attempts[*attempt].records.len() > 1 {
                continue;
            }
            let class = self.run.attempts[*attempt].class;
            let before = alike.entry((record.state, record.outcome, class)).or_default();
            let from = |attempt: usize| self.run.records[self.run.attempts[attempt].records[0]].from;
            // A look at a few is enough: whoever is left out is only not ordered.
            let earlier = before.iter().rev().take(BACK).find(|other| from(**other) <= record.from);
            self.after[*attempt] = earlier.copied();
            before.push(*attempt);
        }
    }

    /// An attempt's first step takes time of which the log tells the end only.
    fn calls_first(&self) -> bool {
        let first = &self.system.table[self.system.first_state()].operation;
        matches!(first, Operation::Call { .. } | Operation::Query { .. })
    }

    /// When an attempt can have begun, at the earliest.
    fn earliest(&self, attempt: usize) -> i64 {
        let attempt = &self.run.attempts[attempt];
        let Some(first) = attempt.records.first() else { return attempt.seen };
        let first = &self.run.records[*first];
        if let Some(wait) = self.system.waits_first() {
            return (first.from - wait).max(0);
        }
        if first.began || !self.calls_first() && !self.system.repeats() {
            return first.from;
        }
        // Nobody says how long an operation was repeated whose acknowledgement was lost.
        let most = self.system.call_at_most().filter(|_| !self.system.repeats());
        most.map_or(0, |most| (first.from - most).max(0))
    }

    /// The world of a state, with the names that [`name_of`] reads.
    pub fn world(&self, at: &At) -> World {
        let mut world = World::unpack(&at.packed);
        for (attempt, name) in world.live_mut().zip(&at.names) {
            attempt.name = name.to_le_bytes().into();
        }
        world
    }

    /// The clock of the log's time.
    pub fn now(&self, at: &At) -> Clock {
        self.system.clock_count(&at.packed) as Clock + 1
    }

    fn met(at: &At, record: usize) -> bool {
        record < at.low as usize || at.beyond.contains(&(record as u32))
    }

    /// The next record of an attempt.
    pub fn next_of(&self, at: &At, attempt: usize) -> Option<usize> {
        self.run.attempts[attempt].records.iter().copied().find(|record| !Self::met(at, *record))
    }

    fn meet(&self, at: &mut At, record: usize) {
        at.beyond.push(record as u32);
        at.beyond.sort_unstable();
        while at.beyond.first() == Some(&at.low) {
            at.beyond.remove(0);
            at.low += 1;
        }
    }

    fn edge(&self, from: &At, mut step: Step, then: impl FnOnce(&mut At, &mut World) -> u64) -> Edge<At, ()> {
        let now = self.now(from);
        let mut target = At { urgent: 0, ..from.clone() };
        let facts = then(&mut target, &mut step.world) | step.facts & LEFT_OUT;
        self.system.go_on(&mut step.world);
        let mut clocks = step.world.number_clocks();
        clocks.push(ClockFrom::Old(now));
        if target.urgent > 0 {
            clocks.push(ClockFrom::Zero);
        }
        target.packed = step.world.pack();
        target.names = step.world.live().map(|(_, attempt)| name_of(attempt.name)).collect();
        Edge { label: (), guard: step.guard, clocks, target, facts }
    }

    /// What a step is in the log, if it can be there: the record that it meets, or nothing.
    fn told(&self, at: &At, world: &World, step: &Step) -> Option<Option<usize>> {
        let Some(attempt) = world.acting(step.label.actor) else {
            let unseen = matches!(
                (step.label.actor, step.label.action),
                (Actor::Flight(_), Action::Land(_)) | (Actor::Store, Action::Failover | Action::LockLost)
            );
            return (unseen && at.urgent == 0).then_some(None);
        };
        let name = name_of(attempt.name);
        if at.urgent > 0 && at.urgent != name {
            return None;
        }
        let crash = matches!(step.label.action, Action::Crash { .. });
        if name == 0 {
            return crash.then_some(None);
        }
        match (step.label.action, self.next_of(at, usize::from(name) - 1)) {
            (Action::Crash { .. }, next) => (next.is_none() && at.urgent == 0).then_some(None),
            (Action::Operate { outcome }, Some(next)) => {
                let record = &self.run.records[next];
                (record.state == step.label.at && record.outcome == outcome).then_some(Some(next))
            }
            (Action::Operate { .. } | Action::Call | Action::AckLost { .. }, _) => Some(None),
            (Action::Land(_), _) => Some(None),
            _ => None,
        }
    }

    /// Sends attempts that have not begun: some of them, whenever that may matter.
    fn send(&self, at: &At, world: &World, steps: &[Step], out: &mut Vec<Edge<At, ()>>) {
        let until = self.run.records[at.low as usize].to;
        let from = self.firsts.partition_point(|(first, ..)| *first < at.low as usize);
        let soon = self.firsts[from..].iter().take_while(|(.., earliest)| *earliest <= until);
        let soon = soon.map(|(_, attempt, _)| *attempt).filter(|attempt| self.earliest(*attempt) <= until);
        let has_begun = |attempt: usize| {
            let first = self.run.attempts[attempt].records.first();
            let name = attempt as u16 + 1;
            first.is_some_and(|first| Self::met(at, *first))
                || at.names.contains(&name)
                || at.sent.contains(&name)
        };
        let comes = |attempt: &usize| !has_begun(*attempt) && self.after[*attempt].is_none_or(&has_begun);
        for attempt in soon.chain(self.silent.iter().copied()).filter(comes) {
            let class = self.run.attempts[attempt].class;
            let sends = |step: &&Step| match (step.label.actor, step.label.action) {
                (Actor::Client(index), Action::Send(_)) => {
                    let client = &world.clients[usize::from(index)];
                    client.phase == Phase::Idle && client.class == class
                }
                _ => false,
            };
            let Some(step) = steps.iter().find(sends) else { continue };
            let Actor::Client(index) = step.label.actor else { continue };
            let mut edge = self.edge(at, step.clone(), |target, world| {
                let name = attempt as u16 + 1;
                target.urgent = if self.system.waits_first().is_some() { 0 } else { name };
                if self.run.attempts[attempt].records.is_empty() {
                    target.sent.push(name);
                    target.sent.sort_unstable();
                }
                if let Some(attempt) = &mut world.clients[usize::from(index)].attempt {
                    attempt.name = name.to_le_bytes().into();
                }
                if world.live().count() > CONCURRENT_MAX { CROWDED } else { 0 }
            });
            edge.guard.push(Constraint::at_least(self.now(at), self.earliest(attempt)));
            if edge.facts & CROWDED != 0 {
                // What is left out leads nowhere.
                edge.target = at.clone();
                edge.clocks = (1..=self.now(at)).map(ClockFrom::Old).collect();
            }
            out.push(edge);
        }
    }
}

/// The number that an attempt's name stands for.
pub fn name_of(name: (u8, u8)) -> u16 {
    u16::from_le_bytes([name.0, name.1])
}

impl TimedSystem for Told<'_> {
    type State = At;
    type Label = ();

    fn initial(&self) -> Vec<At> {
        let packed = self.system.initial_world().pack();
        vec![At {
            packed,
            names: SmallVec::new(),
            low: 0,
            beyond: SmallVec::new(),
            sent: SmallVec::new(),
            urgent: 0,
        }]
    }

    fn clock_count(&self, at: &At) -> usize {
        usize::from(self.now(at)) + usize::from(at.urgent > 0)
    }

    fn invariant(&self, at: &At, out: &mut Vec<Constraint>) {
        self.system.invariant(&at.packed, out);
        let now = self.now(at);
        if let Some(next) = self.run.records.get(at.low as usize) {
            out.push(Constraint::at_most(now, next.to));
        }
        if at.urgent > 0 {
            out.push(Constraint::at_most(now + 1, 0));
        }
    }

    fn edges(&self, at: &At, out: &mut Vec<Edge<At, ()>>) {
        if at.low as usize >= self.run.records.len() {
            return;
        }
        let world = self.world(at);
        let mut steps = Vec::new();
        self.system.steps(&world, &mut steps);
        if at.urgent == 0 {
            self.send(at, &world, &steps, out);
        }
        let now = self.now(at);
        for step in steps {
            let Some(met) = self.told(at, &world, &step) else { continue };
            let (actor, action) = (step.label.actor, step.label.action);
            let name = world.acting(actor).map_or(0, |attempt| name_of(attempt.name));
            let mut guard = Guard::new();
            if let Some(met) = met {
                let record = &self.run.records[met];
                guard.push(Constraint::at_least(now, record.from));
                guard.push(Constraint::at_most(now, record.to));
            } else if matches!(action, Action::Call | Action::AckLost { .. })
                && let Some(next) = name.checked_sub(1).and_then(|a| self.next_of(at, usize::from(a)))
                && self.run.records[next].began
            {
                guard.push(Constraint::at_least(now, self.run.records[next].from));
            }
            let last = met.is_none() && matches!(action, Action::Operate { .. });
            let mut edge = self.edge(at, step, |target, world| {
                if last {
                    // It does nothing more.
                    let done = world.live_mut().find(|attempt| name_of(attempt.name) == name);
                    done.into_iter().for_each(|attempt| attempt.name = (0, 0));
                }
                let Some(met) = met else { return 0 };
                self.meet(target, met);
                if target.low as usize == self.run.records.len() { ALL_MET } else { 0 }
            });
            edge.guard.extend(guard);
            out.push(edge);
        }
    }

    fn bounds(&self, at: &At, lower: &mut [i64], upper: &mut [i64]) {
        let now = usize::from(self.now(at));
        self.system.bounds(&at.packed, &mut lower[..now], &mut upper[..now]);
        // The log's time is never forgotten: it is what people are told.
        (lower[now], upper[now]) = (self.greatest_constant(), self.greatest_constant());
        if at.urgent > 0 {
            (lower[now + 1], upper[now + 1]) = (crate::time::NO_BOUND, 0);
        }
    }

    fn greatest_constant(&self) -> i64 {
        self.system.greatest_constant().max(self.latest)
    }

    fn heap_size(&self, at: &At) -> usize {
        let spilled = |spilled: bool, bytes: usize| if spilled { bytes } else { 0 };
        self.system.heap_size(&at.packed)
            + spilled(at.names.spilled(), 2 * at.names.len())
            + spilled(at.beyond.spilled(), 4 * at.beyond.len())
            + spilled(at.sent.spilled(), 2 * at.sent.len())
    }

    fn clocks_max(&self) -> usize {
        // Of the world itself, of two clocks of each attempt and one of each call; the two of the log.
        let most = 24 + 2 * (CONCURRENT_MAX + 1) + crate::system::world::FLIGHTS_MAX + 2;
        most.min(Clock::MAX.into())
    }
}

/// The classes that payloads have, in the order in which they come.
pub const CLASSES: [Class; 2] = [CLASS_MAIN, CLASS_CONFLICTING];
