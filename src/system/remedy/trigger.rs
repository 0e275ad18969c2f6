//! What begins runs: alerts, schedules and loops, again and again.

use super::{Aim, Remedy, Rules, Saw};
use crate::policy::TriggerKind;
use crate::system::world::{Client, Phase, Slot, World};
use crate::system::{Action, Actor, Draft, Sending, Steps, at_least, at_most};
use crate::time::Constraint;

impl Steps<'_> {
    /// The trigger of client `index` begins a run, if it may.
    pub(in crate::system) fn begin_run(&mut self, index: usize) {
        let client = &self.before.clients[index];
        let rules = self.rules();
        let (part, of) = (client.source >> 4, client.source & 15);
        let rule = &rules.parts[usize::from(part)];
        if client.phase == Phase::Done || rules.is_full(self.before, part) {
            return;
        }
        let waits = rule.spacing();
        // Alike until the first of them has sent: let that be the first.
        let alike = |other: &Client| {
            let fresh = |c: &Client| c.phase == Phase::Idle && c.attempt.is_none();
            other.source == client.source && fresh(other) && fresh(client)
        };
        if self.system.symmetry && index > 0 && alike(&self.before.clients[index - 1]) {
            return;
        }
        let due = matches!(client.phase, Phase::Idle | Phase::Between);
        let earliest = if due { None } else { at_least(client.clock, waits) };
        let targets = if rule.trigger == TriggerKind::Alert { of..of + 1 } else { 0..rules.size() as u8 };
        for target in targets {
            // An alert is a look at the target, by somebody else.
            let looks = if rule.trigger == TriggerKind::Alert {
                self.sights(part, target).into_iter().filter(|look| look.saw == Saw::Diverged).collect()
            } else {
                vec![super::target::Look::none()]
            };
            for look in looks {
                let mut draft = self.draft().when(earliest);
                draft.guard.extend(look.when.iter().copied());
                let world = &mut draft.world;
                let client = &mut world.clients[index];
                client.sent = client.sent.wrapping_add(1);
                let once = rule.trigger == TriggerKind::Alert && rule.repeat.is_none();
                client.phase = if once { Phase::Done } else { Phase::Waiting };
                let spaced = waits > 0 || rule.delay.is_some();
                client.clock = Slot::started(!once && rule.trigger != TriggerKind::Loop && spaced);
                let name = (client.name, client.sent);
                let left = client.attempt.take();
                let mut attempt = self.system.new_attempt(0, 0, name);
                attempt.at = rule.first;
                let (saw, fresh, current) = (look.saw, look.fresh, look.current);
                attempt.aim = Aim { part, target, saw, fresh, current, counted: false };
                attempt.clock = Slot::started(self.system.needs_clock(&attempt));
                client.attempt = Some(attempt);
                if look.saw == Saw::Diverged {
                    rules.watched(world, part, target, true);
                }
                world.zombies.extend(left);
                self.emit(Actor::Client(index as u8), Action::Send(Sending::Arrives), 0, None, draft);
            }
        }
    }
}

impl Rules {
    /// As many runs of this part are under way as may be.
    fn is_full(&self, world: &World, part: u8) -> bool {
        let running = world.live().filter(|(_, attempt)| attempt.aim.part == part).count();
        let rule = &self.parts[usize::from(part)];
        running >= if rule.trigger == TriggerKind::Loop { 1 } else { usize::from(rule.overlapping) }
    }

    /// What the clocks must satisfy for time to pass: a run that is due comes before its delay is over.
    pub(in crate::system) fn due(&self, world: &World, remedy: &Remedy, out: &mut Vec<Constraint>) {
        for client in &world.clients {
            let (part, target) = (client.source >> 4, client.source & 15);
            let rule = &self.parts[usize::from(part)];
            let (Some(delay), Some(clock)) = (rule.delay, client.clock.clock()) else { continue };
            let state = &remedy.targets[usize::from(target)];
            // An alert has to come only while there is what it is about.
            let silent = state.paged && self.silences;
            let idle = rule.trigger == TriggerKind::Alert && (!state.faulty || silent);
            if client.phase == Phase::Done || idle || self.is_full(world, part) {
                continue;
            }
            let due = if client.phase == Phase::Waiting { rule.spacing() } else { 0 };
            out.push(Constraint::at_most(clock, due + delay));
        }
    }

    /// The target fails: alerts about it are due from now on.
    pub(super) fn alarms(&self, world: &mut World, target: u8) {
        for client in &mut world.clients {
            let rule = &self.parts[usize::from(client.source >> 4)];
            if rule.trigger == TriggerKind::Alert && client.source & 15 == target {
                client.phase = Phase::Idle;
                client.clock = Slot::started(rule.delay.is_some());
            }
        }
    }
}

impl Steps<'_> {
    /// A run of this part is over: what has waited for it is due. One draft for each way in which the
    /// clocks can stand.
    pub(in crate::system) fn after_run(&self, aim: Aim, mut draft: Draft) -> Vec<Draft> {
        let (rules, part) = (self.rules(), aim.part);
        if aim.counted {
            // Admitted, and never acted.
            rules.release(&mut draft.world, aim.part, aim.target, false);
        }
        let rule = &rules.parts[usize::from(part)];
        let was_full = rules.is_full(self.before, part);
        let mut out = vec![draft];
        for index in 0..self.before.clients.len() {
            if self.before.clients[index].source >> 4 != part
                || self.before.clients[index].phase == Phase::Done
            {
                continue;
            }
            if rule.trigger == TriggerKind::Loop {
                for draft in &mut out {
                    let client = &mut draft.world.clients[index];
                    client.clock = Slot::started(rule.every > 0 || rule.delay.is_some());
                }
                continue;
            }
            let Client { clock, phase, .. } = self.before.clients[index];
            if !was_full || rule.delay.is_none() {
                continue;
            }
            if phase != Phase::Waiting {
                // It was due all the time, and could not come.
                out.iter_mut().for_each(|draft| draft.world.clients[index].clock = Slot::ZERO);
                continue;
            }
            let mut both = Vec::new();
            for draft in out {
                both.push(draft.clone().when(at_most(clock, rule.spacing())));
                let mut due = draft.when(at_least(clock, rule.spacing()));
                let client = &mut due.world.clients[index];
                (client.phase, client.clock) = (Phase::Between, Slot::ZERO);
                both.push(due);
            }
            out = both;
        }
        out
    }
}
