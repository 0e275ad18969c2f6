//! Workers: an attempt does the operation of its state, moves on, or dies.

use super::remedy::Aim;
use super::world::{Call, FLIGHTS_MAX, Flight, Grip, Phase, Slot, Who};
use super::{Action, Actor, Draft, Steps, at_least, at_most, facts};
use crate::model::{Operation, Outcome};
use crate::system::compile::Next;

/// The ways in which an attempt can die: run again or not, noticed by its client or not.
pub(super) const DEATHS: [(bool, bool); 4] = [(false, true), (false, false), (true, true), (true, false)];

impl Steps<'_> {
    /// Everything that the attempt, or the adversary with it, can do next.
    pub(super) fn attempt(&mut self, who: Who) {
        // Of zombies that are alike to the last clock, one is enough.
        if let Who::Zombie(index) = who
            && self.system.symmetry
            && !self.system.splits
            && index > 0
        {
            let (one, other) = (&self.before.zombies[index - 1], &self.before.zombies[index]);
            let clockless = !one.clock.present() && !one.held.present();
            if clockless && (super::world::Attempt { name: other.name, ..*one }) == *other {
                return;
            }
        }
        let attempt = *self.before.attempt(who);
        if attempt.down {
            return self.restart(who);
        }
        self.crash(who);
        if attempt.call != Call::None {
            return self.open_call(who);
        }
        self.operate(who);
    }

    /// What can come of the operation that the attempt stands at.
    pub(super) fn operate(&mut self, who: Who) {
        let attempt = *self.before.attempt(who);
        let system = self.system;
        let operation = &system.table[attempt.at as usize].operation;
        if self.before.budget.store_errors > 0 && operation.may_be_unavailable() {
            let mut draft = self.draft();
            draft.world.budget.store_errors -= 1;
            self.go(who, Outcome::Unavailable, draft);
        }
        let looks_back = match operation {
            Operation::Read => system.stale_reads,
            Operation::Insert { .. } | Operation::TakeOver { .. } => !system.conditional,
            _ => false,
        };
        if looks_back && self.stale.is_none() {
            self.look_back(who);
        }
        match operation {
            Operation::Insert { recognise_own } => self.insert(who, *recognise_own),
            Operation::Read => self.read(who),
            Operation::Checkpoint { at } => self.checkpoint(who, *at as u8),
            Operation::Sweep => self.sweep(who),
            Operation::FindAbandoned => self.find_abandoned(who),
            Operation::Load => self.load(who),
            Operation::Acquire => self.acquire(who),
            Operation::RenewLock => self.renew_lock(who),
            Operation::Unlock { fenced } => self.unlock(who, *fenced),
            Operation::Ack => self.ack(who),
            Operation::Nack => self.nack(who),
            Operation::Extend => self.extend(who),
            Operation::NextRow { claim } => self.next_row(who, *claim),
            Operation::Publish => self.publish(who),
            Operation::Mark => self.mark(who),
            Operation::Write => self.write(who),
            Operation::TakeOver { recognise_own } => self.take_over(who, *recognise_own),
            Operation::Renew => self.renew(who),
            Operation::Record { outcome, fenced, recognise_own } => {
                self.record(who, *outcome, *fenced, *recognise_own);
            }
            Operation::Release { fenced } => self.release(who, *fenced),
            Operation::Commit { writes, at, if_unchanged } => self.commit(who, writes, *at, *if_unchanged),
            Operation::LeaseCheck => self.lease_check(who),
            Operation::Call { .. } => self.send_call(who),
            Operation::Query { token } => self.query(who, *token),
            Operation::Observe { fresh } => self.observe(who, *fresh),
            Operation::Act | Operation::Undo => self.begin_action(who),
            Operation::Admit => self.admit(who),
            Operation::Report { success } => self.report(who, *success),
            Operation::Approve => self.approve(who),
            Operation::Page => self.page(who),
            Operation::Wait(_) => {
                let wait = system.table[attempt.at as usize].wait.unwrap_or(0);
                let draft = self.draft().when(at_least(attempt.clock, wait));
                self.go(who, Outcome::Elapsed, draft);
            }
        }
    }

    /// The operation is done with this outcome: follow the table.
    pub(super) fn go(&mut self, who: Who, outcome: Outcome, draft: Draft) {
        self.go_as(who, Action::Operate { outcome }, outcome, draft);
    }

    pub(super) fn go_as(&mut self, who: Who, action: Action, outcome: Outcome, mut draft: Draft) {
        let at = self.before.attempt(who).at;
        match self.system.table[at as usize].next[outcome as usize] {
            Next::State(state) => {
                let system = self.system;
                let attempt = draft.world.attempt_mut(who);
                attempt.at = state;
                attempt.clock = Slot::NONE;
                attempt.clock = Slot::started(system.needs_clock(attempt));
                self.emit(actor(who), action, at, None, draft);
            }
            Next::Resume => {
                let system = self.system;
                let key = draft.world.attempt(who).key as usize;
                let receipt = draft.world.keys[key].receipt;
                let attempt = draft.world.attempt_mut(who);
                if receipt.checkpoint > 0 {
                    attempt.known = receipt.known;
                }
                let first = system.resume.unwrap_or(system.first);
                attempt.at = receipt.checkpoint.checked_sub(1).unwrap_or(first);
                attempt.clock = Slot::NONE;
                attempt.clock = Slot::started(system.needs_clock(attempt));
                self.emit(actor(who), action, at, None, draft);
            }
            Next::Respond(answer) => self.answer(who, action, at, answer, draft),
            // Fail closed, where the model does not say what else to do.
            Next::Nowhere if outcome == Outcome::Unavailable => {
                self.answer(who, action, at, crate::model::Answer::Error, draft);
            }
            Next::End => self.end(who, action, at, draft),
            Next::Nowhere => debug_assert!(false, "the reader maps every outcome"),
        }
    }

    /// The write of this draft happened but the caller saw an error: it will repeat the operation.
    pub(super) fn ack_lost(&mut self, who: Who, outcome: Outcome, draft: &Draft) {
        if self.before.budget.ambiguous_acks == 0 {
            return;
        }
        let mut draft = draft.clone();
        draft.world.budget.ambiguous_acks -= 1;
        let system = self.system;
        // Who has sent its record or release is done with the claim, whatever it hears.
        let done = matches!(outcome, Outcome::Recorded | Outcome::Released);
        let before = *self.before.attempt(who);
        let attempt = draft.world.attempt_mut(who);
        attempt.owns = before.owns && !done;
        let session = outcome == Outcome::Acquired && system.lock.session && attempt.lock == Grip::Holds;
        attempt.lock = match before.lock {
            _ if done => Grip::None,
            _ if session => Grip::Unaware,
            grip => grip,
        };
        attempt.row = before.row;
        attempt.held = if done { Slot::NONE } else { before.held };
        attempt.clock = Slot::started(system.needs_clock(attempt));
        let at = attempt.at;
        self.emit(actor(who), Action::AckLost { outcome }, at, None, draft);
    }

    /// A dead attempt is run again: nobody said how soon, but no later than a retry would come.
    fn restart(&mut self, who: Who) {
        let latest = self.system.times.within.and_then(|within| at_most(self.before.horizon, within));
        let mut draft = self.draft().when(latest);
        let system = self.system;
        let attempt = draft.world.attempt_mut(who);
        attempt.down = false;
        attempt.clock = Slot::started(system.needs_clock(attempt));
        let at = attempt.at;
        self.emit(actor(who), Action::Restart, at, None, draft);
    }

    fn crash(&mut self, who: Who) {
        let at = self.before.attempt(who).at;
        for (restart, noticed) in DEATHS {
            let Some(draft) = self.death(who, None, restart, noticed) else { continue };
            if self.system.remedy.is_some() {
                // What it had been admitted for is counted with its action, or forgotten with it.
                let aim = self.before.attempt(who).aim;
                let counted = aim.counted && !self.system.is_acting(self.before.attempt(who));
                for draft in self.after_run(Aim { counted, ..aim }, draft) {
                    self.emit(actor(who), Action::Crash { restart, noticed }, at, None, draft);
                }
                continue;
            }
            self.emit(actor(who), Action::Crash { restart, noticed }, at, None, draft);
        }
    }

    /// Somebody waits for this attempt's acknowledgement: a broker, or a client.
    fn is_delivery(&self, who: Who) -> bool {
        matches!(who, Who::Client(index) if self.before.clients[index].role == 0)
    }

    /// An attempt dies, now or `after` its last operation; none where it can't die that way.
    pub(super) fn death(
        &self,
        who: Who,
        after: Option<&Draft>,
        restart: bool,
        noticed: bool,
    ) -> Option<Draft> {
        if self.before.budget.crashes == 0 || restart && !self.system.restart {
            return None;
        }
        if noticed && !self.system.notices && self.is_delivery(who) {
            return None;
        }
        let remedy = &self.system.remedy;
        match who {
            // The next run is its restart, and nobody has to notice.
            Who::Client(index) if self.before.clients[index].role > 0 || remedy.is_some() => {
                if restart || !noticed {
                    return None;
                }
            }
            Who::Client(index) => {
                // Unnoticed is like an endless stall, so it matters only where stalls have an end.
                let stalls = self.before.clients[index].retries == 0 || self.system.times.pause.is_none();
                if !noticed && stalls && self.system.notices {
                    return None;
                }
            }
            Who::Zombie(_) if !noticed => return None,
            Who::Zombie(_) => {}
        }
        let spent = self.system.lean.deaths && !self.retries(who);
        if spent && self.system.lean.deaths_seen {
            return None;
        }
        let dying = *self.before.attempt(who);
        let mut draft = after.cloned().unwrap_or_else(|| self.draft());
        draft.world.budget.crashes -= 1;
        draft.spent = spent;
        self.system.drop_open_call(&mut draft, who);
        if let Some(rules) = remedy {
            self.system.drop_action(&mut draft, who, true);
            rules.forget(&mut draft.world, dying.aim.part);
        }
        self.system.end_session(&mut draft.world, &dying);
        match who {
            Who::Client(index) => {
                draft.world.clients[index].attempt = None;
                let client = &self.before.clients[index];
                let asks = client.role == 0 && remedy.is_none();
                if asks && noticed && client.phase == Phase::Waiting {
                    let listens =
                        self.system.times.client_timeout.and_then(|most| at_most(client.clock, most));
                    draft = draft.when(listens.filter(|_| client.retries > 0));
                    draft.world.clients[index].phase = Phase::Between;
                    draft.world.clients[index].clock = Slot::ZERO;
                }
            }
            Who::Zombie(index) => {
                draft.world.zombies.remove(index);
            }
        }
        if restart {
            let world = &mut draft.world;
            let fresh = self.system.restart_splits;
            let key = if fresh { self.system.key_of_new_attempt(world) } else { dying.key };
            let mut again = self.system.new_attempt(dying.class, key, dying.name);
            again.down = true;
            again.clock = Slot::NONE;
            world.zombies.push(again);
        }
        Some(draft)
    }
}

/// The attempt as the actor of a step.
pub(super) fn actor(who: Who) -> Actor {
    match who {
        Who::Client(index) => Actor::Attempt(index as u8),
        Who::Zombie(index) => Actor::Zombie(index as u8),
    }
}

impl super::System {
    /// The caller of an open call is gone or has given up: the call goes on without it.
    pub(super) fn drop_open_call(&self, draft: &mut Draft, who: Who) {
        let world = &mut draft.world;
        let attempt = *world.attempt(who);
        if attempt.call != Call::Pending {
            return;
        }
        let Operation::Call { key, token } = self.table[attempt.at as usize].operation else {
            return;
        };
        let bounded = self.times.land_at_most.is_some();
        let flight = Flight {
            class: attempt.class,
            key: attempt.key,
            keyed: key && self.native_key,
            token: if token { attempt.token } else { 0 },
            grant: attempt.token,
            given_up: false,
            clock: match bounded {
                // It need not have been sent before now.
                true if self.lean.calls => Slot::ZERO,
                true => attempt.clock,
                false => Slot::NONE,
            },
            name: (0, 0),
        };
        // Of calls that are alike and have no clock, two show all that any number can do.
        let alike = |other: &&Flight| Flight { name: (0, 0), ..**other } == flight;
        if bounded || world.flights.iter().filter(alike).count() < 2 {
            world.flights.push(Flight { name: attempt.name, ..flight });
        } else {
            draft.fact(facts::FLIGHT_LEFT_OUT, true);
        }
        if draft.world.flights.len() > FLIGHTS_MAX {
            draft.world.flights.pop();
            draft.fact(facts::FLIGHT_LIMIT, true);
        }
    }
}
