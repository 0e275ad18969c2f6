//! The downstream: a ledger of effects, its own record of native keys, calls in flight.
//!
//! A call takes effect at most once, at any moment while its caller waits, or, if the caller gave
//! up or died, until `late` after the timeout (for ever, when that is not declared). `latency`
//! bounds the calls that answer; any call may instead stay unanswered until the timeout.

use super::worker::actor;
use super::world::{Attempt, CLASS_MERGED, Call, EFFECTS_MAX, Known, Slot, Status, Who};
use super::{Action, Actor, Draft, Landing, Steps, at_least, at_most, facts};
use crate::model::{Answer, Operation, Outcome};
use crate::policy::{Errors, Replay};

/// What a call carries to the downstream.
#[derive(Clone, Copy)]
struct Cargo {
    class: u8,
    key: u8,
    keyed: bool,
    token: u8,
    grant: u8,
}

impl Steps<'_> {
    pub(super) fn send_call(&mut self, who: Who) {
        let attempt = *self.before.attempt(who);
        let mut draft = self.draft();
        draft.fact(facts::UNRESERVED_EFFECT, !attempt.owns && self.system.uses_store);
        draft.fact(facts::ENDLESS_CALL, self.system.times.call_timeout.is_none());
        let system = self.system;
        let calling = draft.world.attempt_mut(who);
        calling.call = Call::Pending;
        calling.clock = Slot::started(system.needs_clock(calling));
        self.emit(actor(who), Action::Call, attempt.at, None, draft);
    }

    /// What can become of the call that the attempt waits for.
    pub(super) fn open_call(&mut self, who: Who) {
        let attempt = *self.before.attempt(who);
        let operation = &self.system.table[attempt.at as usize].operation;
        if operation.acts() {
            return self.open_action(who);
        }
        let Operation::Call { key, token } = *operation else {
            return self.open_query(who);
        };
        let times = &self.system.times;
        let not_before =
            (times.latency_min > 0).then(|| at_least(attempt.clock, times.latency_min)).flatten();
        // The moment of sending is not fixed where stalls have no end: see `lean`.
        let not_after = times.latency_max.filter(|_| !self.system.lean.calls);
        let not_after = not_after.and_then(|latency| at_most(attempt.clock, latency));
        let errors = self.system.errors;

        if attempt.call == Call::Pending {
            let cargo = Cargo {
                class: attempt.class,
                key: attempt.key,
                keyed: key && self.system.native_key,
                token: if token { attempt.token } else { 0 },
                grant: attempt.token,
            };
            for (landing, known, draft) in self.landings(cargo, self.draft()) {
                let mut draft = draft;
                draft.world.attempt_mut(who).call = match landing {
                    Landing::Refused => Call::Refused,
                    _ => Call::Landed(known),
                };
                self.emit(actor(who), Action::Land(landing), attempt.at, None, draft);
            }
        }
        if let Call::Landed(known) = attempt.call
            && let Some(next) = self.system.goes_on_to(attempt.at)
        {
            self.operate_beyond(who, next, known, not_before);
        } else if let Call::Landed(known) = attempt.call {
            let mut draft = self.closed(who).when(not_before).when(not_after);
            draft.world.attempt_mut(who).known = known;
            self.go(who, Outcome::Ok, draft);
        }
        let may_fail = match attempt.call {
            Call::Pending => errors != Errors::Never,
            Call::Landed(_) => errors == Errors::Ambiguous,
            _ => true,
        };
        if may_fail {
            // A refusal may come at once; a definite one that comes before the effect prevents it.
            let draft = self.closed(who).when(not_after);
            self.go(who, Outcome::Error, draft);
        }
        if attempt.call == Call::Pending && errors == Errors::Ambiguous {
            // A gateway's error, while the call goes on behind it.
            let mut draft = self.draft().when(not_after);
            self.system.drop_open_call(&mut draft, who);
            draft.world.attempt_mut(who).call = Call::None;
            self.go(who, Outcome::Error, draft);
        }
        if let Some(timeout) = times.call_timeout {
            let mut draft = self.draft().when(at_least(attempt.clock, timeout));
            let flights = draft.world.flights.len();
            self.system.drop_open_call(&mut draft, who);
            for flight in &mut draft.world.flights[flights..] {
                flight.given_up = self.system.lean.calls && flight.clock.present();
            }
            draft.world.attempt_mut(who).call = Call::None;
            self.go(who, Outcome::Timeout, draft);
        }
    }

    fn closed(&self, who: Who) -> Draft {
        let mut draft = self.draft();
        draft.world.attempt_mut(who).call = Call::None;
        draft
    }

    /// A call that nobody waits for takes effect after all.
    pub(super) fn late_flight(&mut self, index: usize) {
        let flight = self.before.flights[index];
        if index > 0 && self.system.symmetry && !self.system.splits && !flight.clock.present() {
            let before = super::world::Flight { name: flight.name, ..self.before.flights[index - 1] };
            if before == flight {
                return;
            }
        }
        let in_time = self.system.lands_until(&flight).and_then(|most| at_most(flight.clock, most));
        let mut draft = self.draft().when(in_time);
        draft.world.flights.remove(index);
        let cargo = Cargo {
            class: flight.class,
            key: flight.key,
            keyed: flight.keyed,
            token: flight.token,
            grant: flight.grant,
        };
        for (landing, _, draft) in self.landings(cargo, draft) {
            self.emit(Actor::Flight(index as u8), Action::Land(landing), 0, None, draft);
        }
    }

    /// The ways in which a call can be taken by the downstream.
    fn landings(&self, cargo: Cargo, draft: Draft) -> Vec<(Landing, Known, Draft)> {
        let system = self.system;
        if system.fencing && cargo.token != 0 && cargo.token < draft.world.fence {
            return vec![(Landing::Refused, Known::Nothing, draft)];
        }
        let native = draft.world.keys[system.native_of(cargo.key)].native;
        let mut out = Vec::with_capacity(2);
        if cargo.keyed && native.used {
            let mut known = draft.clone();
            let other_operation = (native.class == CLASS_MERGED) != (cargo.class == CLASS_MERGED);
            known.fact(facts::FOREIGN_OPERATION, other_operation);
            let other_payload = native.class != cargo.class;
            if other_payload && system.native_compares != Some(false) {
                out.push((Landing::Refused, Known::Nothing, known.clone()));
            }
            if !other_payload || system.native_compares != Some(true) {
                let result = Known::Done { class: native.class, version: native.version };
                out.push((Landing::Deduplicated, result, known));
            }
            let Some(ttl) = system.times.native_ttl else { return out };
            let mut fresh = draft.when(at_least(native.clock, ttl));
            fresh.fact(facts::EXPIRED_NATIVE_KEY, native.class == cargo.class);
            out.push(self.apply(cargo, fresh));
        } else {
            out.push(self.apply(cargo, draft));
        }
        out
    }

    fn apply(&self, cargo: Cargo, mut draft: Draft) -> (Landing, Known, Draft) {
        let version = self.system.apply_effect(&mut draft, cargo.class, cargo.grant);
        if self.system.fencing {
            draft.world.fence = draft.world.fence.max(cargo.token);
        }
        if cargo.keyed {
            let native = &mut draft.world.keys[self.system.native_of(cargo.key)].native;
            native.used = true;
            native.class = cargo.class;
            native.version = version;
            native.clock = Slot::ZERO;
        }
        (Landing::Applied, Known::Done { class: cargo.class, version }, draft)
    }

    /// The downstream is asked, and looks at once; its answer takes as long as a call's.
    pub(super) fn query(&mut self, who: Who, token: bool) {
        let attempt = *self.before.attempt(who);
        self.go(who, Outcome::Unknown, self.draft());
        let mut draft = self.draft();
        if token && self.system.fencing {
            draft.world.fence = draft.world.fence.max(attempt.token);
        }
        let version = draft.world.latest[attempt.class as usize];
        let applied = draft.world.effects[attempt.class as usize] > 0;
        let known = Known::Done { class: attempt.class, version };
        let system = self.system;
        if system.times.pause.is_some() {
            let asking = draft.world.attempt_mut(who);
            asking.call = if applied { Call::Landed(known) } else { Call::Refused };
            asking.clock = Slot::started(system.needs_clock(asking));
            self.emit(actor(who), Action::Call, attempt.at, None, draft);
        } else if applied {
            // A stall of any length hides the time that the answer takes.
            draft.world.attempt_mut(who).known = known;
            self.go(who, Outcome::Applied, draft);
        } else {
            self.go(who, Outcome::Absent, draft);
        }
    }

    fn open_query(&mut self, who: Who) {
        let attempt = *self.before.attempt(who);
        self.go(who, Outcome::Unknown, self.closed(who));
        let mut draft = self.closed(who);
        if let Call::Landed(known) = attempt.call {
            draft.world.attempt_mut(who).known = known;
            self.go(who, Outcome::Applied, draft);
        } else {
            self.go(who, Outcome::Absent, draft);
        }
    }

    /// What an answer that is heard says, and whether it is so.
    pub(super) fn judge_answer(&self, draft: &mut Draft, attempt: &Attempt, action: Action, answer: Answer) {
        let receipt = draft.world.keys[attempt.key as usize].receipt;
        // A conflict is judged by what was there when the attempt looked.
        let met = match &self.stale {
            Some((real, _)) => *real,
            None => self.before.keys[attempt.key as usize].receipt,
        };
        match answer {
            Answer::Success | Answer::Replay | Answer::Failed => {
                let known = match (answer, attempt.known) {
                    (Answer::Failed, _) => Known::Failed { class: attempt.class },
                    (_, known) => known,
                };
                let (success, class) = match known {
                    Known::Failed { class } => (false, class),
                    Known::Done { class, .. } => (true, class),
                    Known::Nothing => (true, attempt.class),
                };
                draft.fact(facts::FOREIGN_ANSWER, class != attempt.class);
                if success {
                    let effects = draft.world.effects_of_operation(attempt.class);
                    draft.fact(facts::SUCCESS_WITHOUT_EFFECT, effects == 0);
                    let unrecorded = (self.system.records || self.system.claims) && !receipt.was_recorded;
                    draft.fact(facts::SUCCESS_WITHOUT_RECEIPT, unrecorded && !self.system.lean.recorded);
                }
                let first = &mut draft.world.keys[attempt.key as usize].receipt.first_answer;
                if *first == Known::Nothing {
                    *first = known;
                } else {
                    let outcome = |known: Known| match known {
                        Known::Nothing => None,
                        Known::Failed { class } => Some((false, class)),
                        Known::Done { class, .. } => Some((true, class)),
                    };
                    let differs = match self.system.replay {
                        Replay::Bytes => *first != known,
                        Replay::Semantic => outcome(*first) != outcome(known),
                        Replay::Latest => match known {
                            Known::Done { class, version } => version != draft.world.latest[class as usize],
                            _ => outcome(*first) != outcome(known),
                        },
                    };
                    draft.fact(facts::DIFFERENT_ANSWER, differs);
                }
            }
            Answer::InFlight => {
                let over = action == Action::Operate { outcome: Outcome::Expired };
                let locked = self.before.locks[self.before.lock_of(attempt.aim.target)].held;
                draft.fact(facts::FALSE_IN_FLIGHT, (over || met.status != Status::InProgress) && !locked);
            }
            Answer::Mismatch => {
                let same = met.status == Status::Absent || met.class == attempt.class;
                draft.fact(facts::FALSE_MISMATCH, same);
            }
            Answer::Error | Answer::Unknown => {}
        }
    }
}

impl super::System {
    /// Where the downstream's record of a key is kept: the store's processes do not matter to it.
    pub(super) fn native_of(&self, key: u8) -> usize {
        if self.native_shared { 0 } else { key as usize }
    }

    /// The effect happens: counts it and says which one it is.
    pub(super) fn apply_effect(&self, draft: &mut Draft, class: u8, grant: u8) -> u8 {
        let world = &mut draft.world;
        // An absolute write of the same payload changes nothing.
        let shows = !self.idempotent_effect || world.effects[class as usize] == 0;
        let repeated = shows && world.effects_of_operation(class) > 0;
        if shows {
            world.effects[class as usize] = (world.effects[class as usize] + 1).min(EFFECTS_MAX);
            world.latest[class as usize] = world.fresh_version(class);
        }
        let version = world.latest[class as usize];
        let stale = grant != 0 && grant < world.seen;
        let alone = self.idempotent_effect && world.effects.iter().filter(|n| **n > 0).count() == 1;
        world.seen = world.seen.max(grant);
        draft.fact(facts::REPEATED_EFFECT, repeated);
        draft.fact(facts::STALE_EFFECT, stale && !alone);
        version
    }
}
