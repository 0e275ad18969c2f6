//! The system as whoever reads logs has it: any number of attempts, of which only some steps are seen.

use super::System;
use super::world::{Attempt, Budget, CLASS_CONFLICTING, CLASS_MAIN, Client, Phase, Slot, World};
use crate::time::TimedSystem as _;

impl System {
    /// The same system, whose unit of time is a millisecond. It can do the same things: what is compared as
    /// "less than" elsewhere is compared in whole units, and where the least of a difference is not less than
    /// that, no moments between units make it so.
    #[must_use]
    pub fn in_milliseconds(mut self) -> System {
        let unit = self.times.unit_ms;
        self.times.scale(unit);
        self.table.iter_mut().for_each(|row| row.wait = row.wait.map(|wait| wait * unit));
        self.roles.iter_mut().for_each(|role| role.every *= unit);
        self.claimable_after = self.claimable_after.map(|after| after * unit);
        if let Some(rules) = &mut self.remedy {
            rules.each(|time| *time *= unit);
        }
        self
    }

    /// The longest time that anything is compared with, in units.
    pub fn longest(&self) -> i64 {
        self.greatest_constant()
    }

    /// The same system for logs. Its unit is a millisecond. Each attempt is a request of its own, and is sent
    /// when it first does something: what that leaves out of a client's promises is that retries end, which is
    /// judged by when attempts begin. Faults that the policy speaks of can come as often as they like, and
    /// attempts can die whatever it says: a log can end anywhere.
    #[must_use]
    pub fn for_logs(mut self) -> System {
        self = self.in_milliseconds();
        let times = &mut self.times;
        // What is sent in time may stall before it is first seen; a wait is as long as it says.
        if self.table[usize::from(self.first)].wait.is_none() {
            times.within = times.within.zip(times.pause).map(|(within, pause)| within + pause);
        }
        (times.client_timeout, times.backoff) = (None, 0);
        let Budget { ambiguous_acks, aborts, failovers, store_errors, lock_losses, .. } = self.start.budget;
        let some = |count: u8| count.min(1);
        self.start.budget = Budget {
            crashes: 1,
            ambiguous_acks: some(ambiguous_acks),
            aborts: some(aborts),
            failovers: some(failovers),
            store_errors: some(store_errors),
            lock_losses: some(lock_losses),
            ..Budget::default()
        };
        (self.restart, self.symmetry, self.counts) = (false, false, false);
        let mut start = self.start.clone();
        self.go_on(&mut start);
        self.start = start;
        self
    }

    /// Of a world of logs, after each step: there is always one more attempt to come, and one more fault.
    pub fn go_on(&self, world: &mut World) {
        world.budget = self.start.budget;
        world.clients.retain(|client| client.attempt.is_some());
        world.clients.sort_by_key(|client| client.attempt.map(|attempt| attempt.name));
        let idle = |class| Client {
            class,
            role: 0,
            source: 0,
            phase: Phase::Idle,
            retries: 0,
            clock: Slot::NONE,
            attempt: None,
            name: 0,
            sent: 0,
        };
        world.clients.extend([idle(CLASS_MAIN), idle(CLASS_CONFLICTING)]);
    }

    /// Kinds of fault that a log need not tell of.
    pub fn faults_of_logs(&self) -> Vec<&'static str> {
        let Budget { crashes, ambiguous_acks, aborts, failovers, store_errors, lock_losses, .. } =
            self.start.budget;
        let all = [
            ("crashes", crashes),
            ("ambiguous_acks", ambiguous_acks),
            ("aborts", aborts),
            ("failovers", failovers),
            ("store_errors", store_errors),
            ("lock_losses", lock_losses),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).map(|(name, _)| name).collect()
    }

    /// Until when an attempt has to leave where it is, counted from when it came there, in units.
    pub fn leaves_within(&self, attempt: &Attempt) -> Option<i64> {
        self.stay_at_most(attempt)
    }

    /// How long an attempt waits before it first does something; none: it does something at once.
    pub fn waits_first(&self) -> Option<i64> {
        self.table[usize::from(self.first)].wait
    }

    /// How long before the first step that a log tells the run can have begun, where that matters.
    pub fn begins_before(&self) -> i64 {
        let call = self.call_at_most().unwrap_or(self.times.latency_min);
        let repeats = if self.repeats() { self.times.greatest() } else { 0 };
        self.waits_first().unwrap_or(0).max(call).max(repeats)
    }

    /// An operation may have been done before it was seen to be: its acknowledgement was lost.
    pub fn repeats(&self) -> bool {
        self.start.budget.ambiguous_acks > 0
    }

    /// The longest time that a call can be under way before its caller goes on; none: any.
    pub fn call_at_most(&self) -> Option<i64> {
        self.times.latency_max.into_iter().chain(self.times.call_timeout).min()
    }
}
