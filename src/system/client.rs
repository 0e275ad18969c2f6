//! Clients: they send, give up, back off and try again.
//!
//! A client gives up on an attempt exactly `timeout` after sending it and sends the next one at
//! least `backoff` later; the attempt it gave up on keeps running (a zombie). An undeclared
//! timeout means that it may give up at any moment.

use super::remedy::Aim;
use super::worker::{DEATHS, actor};
use super::world::{Attempt, Call, Grip, Known, Phase, Slot, Who, World};
use super::{Action, Actor, Draft, Ending, Sending, Steps, at_least, at_most};
use crate::model::Answer;

impl Steps<'_> {
    /// Sending: the first attempt or the next one.
    pub(super) fn client(&mut self, index: usize) {
        let client = &self.before.clients[index];
        if client.role > 0 {
            return self.run_role(index);
        }
        if self.system.remedy.is_some() {
            return self.begin_run(index);
        }
        if client.phase == Phase::Done {
            return;
        }
        // Clients that have sent nothing are alike: let the first of them go first.
        if self.system.symmetry && index > 0 && client.phase == Phase::Idle {
            let before = &self.before.clients[index - 1];
            let alike = before.class == client.class && before.retries == client.retries && before.role == 0;
            if before.phase == Phase::Idle && alike {
                return;
            }
        }
        let (times, budget) = (&self.system.times, self.before.budget);
        let again = client.phase != Phase::Idle;
        let dead_letter = again && client.retries == 0;
        if dead_letter && !(self.system.queue && budget.redrives > 0) {
            return;
        }
        let earliest = match client.phase {
            Phase::Idle if times.dedup.is_some() => return self.publish_message(index),
            Phase::Idle => None,
            Phase::Waiting => at_least(client.clock, times.client_timeout.unwrap_or(0) + times.backoff),
            _ => at_least(client.clock, times.backoff),
        };
        let latest = times.within.and_then(|within| at_most(self.before.horizon, within));
        if dead_letter {
            // Somebody takes it from the dead letters once its last delivery is over: no backoff.
            let listens = times.client_timeout.filter(|_| client.phase == Phase::Waiting);
            let over = listens.and_then(|most| at_least(client.clock, most));
            return self.send(index, Sending::Redriven, self.draft().when(over).when(latest));
        }
        let plain = self.draft().when(earliest).when(latest);
        self.send(index, Sending::Arrives, plain.clone());
        for (sending, left) in [
            (Sending::Lost, budget.lost_requests),
            (Sending::Late, budget.late_requests),
            (Sending::Twice, budget.duplicate_requests),
        ] {
            if left > 0 {
                self.send(index, sending, plain.clone());
            }
        }
        if budget.redeliveries > 0 && client.phase == Phase::Waiting && client.attempt.is_some() {
            self.send(index, Sending::Again, self.draft().when(latest));
        }
    }

    fn send(&mut self, index: usize, sending: Sending, mut draft: Draft) {
        let world = &mut draft.world;
        if !world.started {
            world.started = true;
            world.horizon = Slot::ZERO;
        }
        let client = &mut world.clients[index];
        match sending {
            Sending::Redriven => client.retries = self.system.retries,
            _ => client.retries -= u8::from(client.phase != Phase::Idle),
        }
        client.sent += 1;
        client.phase = Phase::Waiting;
        client.clock = Slot::ZERO;
        let name = (client.name, client.sent);
        let class = client.class;
        if let Some(left) = client.attempt.take() {
            world.zombies.push(left);
        }
        let budget = &mut world.budget;
        match sending {
            Sending::Arrives => {}
            Sending::Lost => budget.lost_requests -= 1,
            Sending::Late => budget.late_requests -= 1,
            Sending::Twice => budget.duplicate_requests -= 1,
            Sending::Again => budget.redeliveries -= 1,
            Sending::Redriven => budget.redrives -= 1,
        }
        if sending != Sending::Lost {
            let key = self.system.key_of_new_attempt(world);
            let attempt = self.system.new_attempt(class, key, name);
            let on_its_way = Attempt { down: true, clock: Slot::NONE, ..attempt };
            if sending != Sending::Late {
                world.clients[index].attempt = Some(attempt);
            } else {
                world.zombies.push(on_its_way);
            }
            if sending == Sending::Twice {
                // Whoever computes the key on arrival computes it twice.
                let key =
                    if self.system.restart_splits { self.system.key_of_new_attempt(world) } else { key };
                let client = &mut world.clients[index];
                client.sent += 1;
                let name = (client.name, client.sent);
                world.zombies.push(Attempt { key, name, ..on_its_way });
            }
        }
        self.emit(Actor::Client(index as u8), Action::Send(sending), 0, None, draft);
    }

    /// An instance of a role begins a run: after the last one, and not before there is anything to do.
    fn run_role(&mut self, index: usize) {
        let client = &self.before.clients[index];
        let again = client.phase != Phase::Idle;
        if client.attempt.is_some() || again && client.retries == 0 || !self.before.started {
            return;
        }
        // Instances that have not run yet are alike.
        if self.system.symmetry && index > 0 && !again {
            let before = &self.before.clients[index - 1];
            if before.role == client.role && before.phase == Phase::Idle {
                return;
            }
        }
        let role = &self.system.roles[client.role as usize - 1];
        let mut draft = self.draft().when(at_least(client.clock, role.every));
        let key = self.system.key_of_new_attempt(&mut draft.world);
        let client = &mut draft.world.clients[index];
        client.retries -= u8::from(again);
        client.sent += 1;
        client.phase = Phase::Waiting;
        client.clock = Slot::ZERO;
        let mut attempt = self.system.new_attempt(client.class, key, (client.name, client.sent));
        attempt.at = role.start;
        attempt.clock = Slot::started(self.system.needs_clock(&attempt));
        client.attempt = Some(attempt);
        self.emit(Actor::Client(index as u8), Action::Send(Sending::Arrives), 0, None, draft);
    }

    /// Whether anybody waits for this attempt's answer, as clients do and brokers don't.
    fn is_asked(&self, who: Who) -> bool {
        match who {
            _ if self.system.remedy.is_some() => false,
            Who::Client(index) => !self.system.queue && self.before.clients[index].role == 0,
            Who::Zombie(_) => true,
        }
    }

    /// An attempt is done and answers: emits the step once for each way the answer can go.
    pub(super) fn answer(&mut self, who: Who, action: Action, at: u8, answer: Answer, mut draft: Draft) {
        if !self.is_asked(who) {
            return self.end(who, action, at, draft);
        }
        let attempt = *draft.world.attempt(who);
        self.system.drop_open_call(&mut draft, who);
        // The worker may die after its last operation and before its answer.
        for (restart, noticed) in DEATHS {
            let Some(dead) = self.death(who, Some(&draft), restart, noticed) else { continue };
            self.emit(actor(who), action, at, Some(Ending::Died { restart, noticed }), dead);
        }
        let index = match who {
            Who::Zombie(index) => {
                draft.world.zombies.remove(index);
                let actor = Actor::Zombie(index as u8);
                self.emit(actor, action, at, Some(Ending::Unheard(answer)), draft);
                return;
            }
            Who::Client(index) => index,
        };
        let actor = Actor::Attempt(index as u8);
        draft.world.clients[index].attempt = None;
        let (times, before) = (&self.system.times, &self.before.clients[index]);
        let final_answer =
            matches!(answer, Answer::Success | Answer::Replay | Answer::Failed | Answer::Mismatch);

        let in_time = times.client_timeout.and_then(|timeout| at_most(before.clock, timeout));
        let mut heard = draft.clone().when(in_time);
        self.judge_answer(&mut heard, &attempt, action, answer);
        let client = &mut heard.world.clients[index];
        if final_answer {
            client.retries = 0;
        }
        client.phase = Phase::Between;
        client.clock = Slot::ZERO;
        self.emit(actor, action, at, Some(Ending::Answered(answer)), heard);

        // Between the last operation and the answer the worker may stall until the client gave up.
        // Without a timeout a client may give up at any moment.
        if times.client_timeout.is_some() || before.retries > 0 {
            // Nothing follows from a last answer that is not heard, so its moment need not be told.
            let stall = times.client_timeout.zip(times.pause).filter(|_| before.retries > 0);
            let stall = stall.map(|(timeout, pause)| at_least(before.clock, (timeout - pause).max(0)));
            let late = draft.clone().when(stall.flatten());
            self.emit(actor, action, at, Some(Ending::AnswerLate(answer)), late);
        }
        if before.retries == 0 {
            return;
        }
        // With no bound on a stall, a late answer and a lost one leave the same world.
        let late_covers_lost = times.client_timeout.is_none() || times.pause.is_none();
        if self.before.budget.lost_responses > 0 && !late_covers_lost {
            draft.world.budget.lost_responses -= 1;
            self.emit(actor, action, at, Some(Ending::AnswerLost(answer)), draft);
        }
    }

    /// `end.*`: the attempt is over and its client hears nothing.
    pub(super) fn end(&mut self, who: Who, action: Action, at: u8, mut draft: Draft) {
        self.system.drop_open_call(&mut draft, who);
        let aim = draft.world.attempt(who).aim;
        let actor = match who {
            Who::Client(index) => {
                draft.world.clients[index].attempt = None;
                Actor::Attempt(index as u8)
            }
            Who::Zombie(index) => {
                draft.world.zombies.remove(index);
                Actor::Zombie(index as u8)
            }
        };
        if self.system.remedy.is_some() {
            for draft in self.after_run(aim, draft) {
                self.emit(actor, action, at, Some(Ending::Ended), draft);
            }
            return;
        }
        self.emit(actor, action, at, Some(Ending::Ended), draft);
    }
}

impl super::System {
    /// The key a new attempt works under: the shared one, or one of its own when the key splits.
    pub(super) fn key_of_new_attempt(&self, world: &mut World) -> u8 {
        if !self.splits {
            return 0;
        }
        world.keys.push(self.fresh_key());
        world.keys.len() as u8 - 1
    }

    pub(super) fn new_attempt(&self, class: u8, key: u8, name: (u8, u8)) -> Attempt {
        let mut attempt = Attempt {
            at: self.first,
            class,
            key,
            owns: false,
            token: 0,
            lock: Grip::None,
            row: 0,
            loaded: 0,
            known: Known::Nothing,
            call: Call::None,
            clock: Slot::NONE,
            held: Slot::NONE,
            down: false,
            aim: Aim::default(),
            name,
        };
        attempt.clock = Slot::started(self.needs_clock(&attempt));
        attempt
    }
}
