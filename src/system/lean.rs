//! Fewer steps where a worker may stall for ever, with the same facts and numbers.
//!
//! Only the search for what there is to find uses a lean system ([`System::lean`]). Runs are shown by
//! the plain one, which the other engine explores, too.
//!
//! **Calls.** With stalls of any length nobody can tell when an attempt sent its call: any moment will
//! do from the one when it came to the call (`came`) to the one when something follows from it. So it
//! counts as sent at once, its clock runs from `came`, and each step is possible when *some* moment of
//! sending allows it:
//!
//! - It may take effect, or fail before that, at any time: just sent.
//! - A call whose caller dies may have been sent at that very moment, and lands the longest after it.
//! - It times out from `came + timeout` on; what is left of it lands at most `late` after that.
//! - An answer leads to a state where the attempt may stall. So what counts is when it acts there: from
//!   `came + latency_min` on, and the state of the answer is left out: its steps are possible at once
//!   (`goes_on_to`).
//! - Of a call that took effect or was refused, an error or a timeout could come no later than so long
//!   after the effect. That limit is dropped where it can't be noticed: where the attempt goes on to a
//!   state in which it may stall; or where it is over, and its client hears nothing but `error` or
//!   `unknown`. Over earlier, and its client told earlier, they leave the same world at that later
//!   moment, as a client's clock then has a least value only; while the attempt is still there, it is
//!   like one that got its answer and stalls. (Hence a refusal must lead to a state.)
//!
//! **Deaths.** An attempt whose client will not try again does nothing dead that it could not do alive,
//! stalling for ever: the death is seen, and what follows from it is not explored. That nobody at all
//! is at work must not matter: no claim that is left for good, no lock, no message. Once such a death
//! can show nothing new, it need not be seen either, and a budget for no other one is none.
//!
//! Whatever the stalls, some of the past only tells what is known already, or can't be:
//!
//! - **Tokens** order effects by the age of their claims; when a stale one was [seen](Seen) and nothing
//!   else compares them, all that is left of a token is whether the receipt is under it.
//! - That a success **was recorded** need not be kept where none is answered but by who just recorded
//!   it or found it recorded.
//! - A **lost answer** makes a difference to a client that tries again. Without one, that budget is none.

use super::compile::Next;
use super::world::{Budget, Call, Flight, Known, Slot, Who, World};
use super::{Action, Actor, Draft, Label, Landing, Steps, System, facts};
use crate::model::{Answer, Operation, Outcome, RecordAs, WriteKind};
use crate::time::Constraint;

/// What is known to be possible, so that it need not be found again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub facts: u64,
    /// A death, and a claim left by one for the longest time there is.
    pub deaths: bool,
}

/// What applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lean {
    pub calls: bool,
    pub deaths: bool,
    /// Deaths that nothing follows from are left out.
    pub deaths_seen: bool,
    pub tokens: bool,
    pub recorded: bool,
    pub lost_answers: bool,
}

impl System {
    /// The same system with fewer steps and states. What it does not find must be among `seen`.
    pub fn lean(&self, seen: Seen) -> System {
        // What a remediation does for ever is looked for among the states of the plain system.
        if self.remedy.is_some() {
            return self.clone();
        }
        let deaths = self.lean_deaths();
        let lean = Lean {
            calls: self.lean_calls(),
            deaths,
            deaths_seen: deaths && seen.deaths,
            tokens: seen.facts & facts::STALE_EFFECT != 0
                && !(self.fencing || self.unfenced_records || self.splits || self.keeps_past),
            recorded: self.answers_what_is_recorded(),
            // A broker's answer can be lost, too.
            lost_answers: !self.queue && !self.acknowledges,
        };
        let mut system = System { lean, ..self.clone() };
        let mut start = self.start.clone();
        system.settle(&mut start);
        system.start = start;
        system
    }

    /// Whether searching anew is likely to pay.
    pub fn is_much_leaner(&self) -> bool {
        self.lean.calls || self.lean.deaths || self.lean.tokens
    }

    /// What can be left out here, for tests that count how often each was compared.
    pub fn leanness(&self) -> Vec<(&'static str, bool)> {
        let Lean { calls, deaths, tokens, recorded, .. } =
            self.lean(Seen { facts: u64::MAX, deaths: true }).lean;
        vec![
            ("lean calls", calls),
            ("lean deaths", deaths),
            ("lean tokens", tokens),
            ("lean records", recorded),
        ]
    }

    fn lean_calls(&self) -> bool {
        let t = &self.times;
        let answered_until = t.latency_max.into_iter().chain(t.call_timeout).min();
        let refuses = self.fencing || self.native_key && self.native_compares != Some(false);
        let hidden = |next: Next| matches!(next, Next::State(to) if self.table[to as usize].wait.is_none());
        let ends = |next: Next| matches!(next, Next::Respond(Answer::Error | Answer::Unknown) | Next::End);
        let mut calls = self.table.iter().filter(|row| matches!(row.operation, Operation::Call { .. }));
        t.pause.is_none()
            && !self.queue
            && answered_until.is_none_or(|most| t.latency_min <= most)
            && calls.clone().next().is_some()
            && calls.all(|row| {
                let next = |outcome: Outcome| row.next[outcome as usize];
                hidden(next(Outcome::Ok))
                    && (hidden(next(Outcome::Error)) || ends(next(Outcome::Error)) && !refuses)
                    && (hidden(next(Outcome::Timeout)) || ends(next(Outcome::Timeout)))
            })
    }

    fn lean_deaths(&self) -> bool {
        self.times.pause.is_none()
            && !self.restart
            && !self.queue
            && self.roles.is_empty()
            && !self.uses_lock
            && !self.uses_outbox
            && (self.abandoned_claimable || !self.claims)
            && self.times.land_at_most.is_some()
    }

    /// Whether a success is answered only where the receipt of one was recorded.
    fn answers_what_is_recorded(&self) -> bool {
        let used = self.used();
        let records_failures = used.iter().any(|at| {
            matches!(self.table[*at].operation, Operation::Record { outcome: RecordAs::Failed, .. })
        });
        let answers = |next: Next| matches!(next, Next::Respond(Answer::Success | Answer::Replay));
        used.iter().map(|at| &self.table[*at]).all(|row| {
            let recorded = match &row.operation {
                // One's own record may be that of a failure.
                Operation::Record { outcome: RecordAs::Succeeded, recognise_own, .. } => {
                    (!(*recognise_own && records_failures)).then_some(Outcome::Recorded)
                }
                Operation::Commit { writes, .. } => {
                    writes.contains(&WriteKind::Receipt).then_some(Outcome::Committed)
                }
                Operation::Insert { .. } | Operation::Read => Some(Outcome::Succeeded),
                _ => None,
            };
            let others = Outcome::ALL.into_iter().filter(|outcome| Some(*outcome) != recorded);
            others.into_iter().all(|outcome| !answers(row.next[outcome as usize]))
        })
    }

    /// Drops what a lean search does not ask about.
    pub(super) fn forget_more(&self, world: &mut World) {
        let Lean { deaths_seen, tokens, recorded, lost_answers, .. } = self.lean;
        let tries = world.clients.iter().any(|client| client.role == 0 && client.retries > 0);
        if lost_answers && !tries {
            world.budget.lost_responses = 0;
        }
        if deaths_seen && !tries {
            world.budget.crashes = 0;
        }
        if recorded {
            world.keys.iter_mut().for_each(|key| key.receipt.was_recorded = false);
        }
        if tokens {
            let receipt = world.keys[0].receipt.token;
            (world.seen, world.fence) = (0, 0);
            world.live_mut().filter(|attempt| attempt.token != receipt).for_each(|attempt| attempt.token = 0);
            world.flights.iter_mut().for_each(|flight| (flight.token, flight.grant) = (0, 0));
            world.forget_grants();
        }
    }

    /// An attempt that comes to a call has sent it.
    pub(super) fn send_at_once(&self, draft: &mut Draft) {
        if !self.lean.calls {
            return;
        }
        for attempt in draft.world.live_mut() {
            let calls = matches!(self.table[attempt.at as usize].operation, Operation::Call { .. });
            if !calls || attempt.down || attempt.call != Call::None {
                continue;
            }
            attempt.call = Call::Pending;
            attempt.clock = Slot::started(self.needs_clock(attempt));
            if !attempt.owns && self.uses_store {
                draft.facts |= facts::UNRESERVED_EFFECT;
            }
            if self.times.call_timeout.is_none() {
                draft.facts |= facts::ENDLESS_CALL;
            }
        }
    }

    /// Until when a call can land.
    pub(super) fn lands_until(&self, flight: &Flight) -> Option<i64> {
        let sent = if flight.given_up { self.times.call_timeout } else { Some(0) };
        Some(self.times.land_at_most? - sent?)
    }

    /// The state that the answer of a call leads to, where that is left out. Another call is not: its
    /// clock starts there.
    pub(super) fn goes_on_to(&self, at: u8) -> Option<u8> {
        let calls = |at: u8| matches!(self.table[at as usize].operation, Operation::Call { .. });
        match self.table[at as usize].next[Outcome::Ok as usize] {
            Next::State(to) if self.lean.calls && !calls(to) => Some(to),
            _ => None,
        }
    }

    /// Whether this step stands for the answer of the call, too.
    pub fn will_be_answered(&self, label: Label) -> bool {
        let by_attempt = matches!(label.actor, Actor::Attempt(_) | Actor::Zombie(_));
        let landed = matches!(label.action, Action::Land(Landing::Applied | Landing::Deduplicated));
        landed && by_attempt && self.goes_on_to(label.at).is_some()
    }

    /// A world that nothing follows from.
    pub(super) fn nowhere(&self) -> World {
        let mut world = self.start.clone();
        world.clients.clear();
        world.budget = Budget::default();
        world
    }
}

impl Steps<'_> {
    /// Whether somebody will try again after this attempt.
    pub(super) fn retries(&self, who: Who) -> bool {
        matches!(who, Who::Client(index) if self.before.clients[index].retries > 0)
    }

    /// What the attempt does in the state that the answer of its call leads to.
    pub(super) fn operate_beyond(&mut self, who: Who, at: u8, known: Known, besides: Option<Constraint>) {
        let mut shown = self.before.clone();
        let attempt = shown.attempt_mut(who);
        (attempt.at, attempt.call, attempt.known, attempt.clock) = (at, Call::None, known, Slot::NONE);
        let stale = self.stale.clone();
        let mut steps = Steps { system: self.system, before: &shown, out: &mut *self.out, stale, besides };
        steps.operate(who);
    }
}
