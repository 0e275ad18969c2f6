//! The constants that clocks are compared with: what a zone may forget beyond.

use super::System;
use super::world::{Call, Phase, Slot, Status, World};
use crate::model::Operation;
use crate::time::NO_BOUND;

impl System {
    /// Records the constants that each clock is compared with before its next reset.
    pub(super) fn world_bounds(&self, world: &World, lower: &mut [i64], upper: &mut [i64]) {
        lower.fill(NO_BOUND);
        upper.fill(NO_BOUND);
        lower[0] = 0;
        upper[0] = 0;
        let t = &self.times;
        let mut set = |slot: Slot, low: Option<i64>, up: Option<i64>| {
            if let Some(clock) = slot.clock() {
                lower[clock as usize] = low.unwrap_or(NO_BOUND);
                upper[clock as usize] = up.unwrap_or(NO_BOUND);
            }
        };
        set(world.horizon, t.dedup, t.within.max(t.dedup));
        let (lease, ttl) = (t.lease.map(|lease| lease + t.skew), t.ttl.map(|ttl| ttl + t.ttl_lag + t.skew));
        world.locks.iter().for_each(|lock| set(lock.clock, t.lock_lease, t.lock_lease));
        for row in &world.rows {
            set(row.clock, lease, lease);
            set(row.since, t.outbox_dedup, t.outbox_dedup);
        }
        if let Some(past) = &world.past {
            let both = lease.max(ttl);
            set(past.receipt.clock, both, both);
            set(past.receipt.born, ttl, ttl);
            set(past.clock, None, t.staleness);
        }
        for key in &world.keys {
            let both = match key.receipt.status {
                // How long a claim stays stuck is counted from its age, however late it is taken.
                Status::InProgress if self.ttl_from_claim => lease.max(self.claimable_after),
                Status::InProgress => lease.max(ttl).max(self.claimable_after),
                _ => ttl,
            };
            set(key.receipt.clock, both, both);
            let born = ttl.max(self.claimable_after.filter(|_| self.claimable_by_ttl));
            set(key.receipt.born, born, born);
            set(key.native.clock, t.native_ttl, None);
        }
        if let (Some(rules), Some(remedy)) = (&self.remedy, &world.remedy) {
            rules.bounds(remedy, &mut set);
            for client in &world.clients {
                let part = &rules.parts[usize::from(client.source >> 4)];
                set(client.clock, Some(part.spacing()), part.delay.map(|delay| part.spacing() + delay));
            }
        }
        for client in world.clients.iter().filter(|_| self.remedy.is_none()) {
            let (low, up) = match client.phase {
                _ if client.role > 0 => (self.roles[client.role as usize - 1].every, None),
                Phase::Between if client.attempt.is_none() => (t.backoff, None),
                _ => (t.client_timeout.unwrap_or(0) + t.backoff, t.client_timeout),
            };
            let low = (client.retries > 0 || self.queue || self.acknowledges).then_some(low);
            set(client.clock, low, up);
        }
        for (_, attempt) in world.live() {
            let (low, up) = match attempt.call {
                Call::None => {
                    let wait = self.table[attempt.at as usize].wait;
                    let most = self.stay_at_most(attempt);
                    let approves = self.table[attempt.at as usize].operation == Operation::Approve;
                    (if approves { most } else { wait }, most)
                }
                _ if self.table[attempt.at as usize].operation.acts() => {
                    let part = self.remedy.as_ref().map(|rules| &rules.parts[usize::from(attempt.aim.part)]);
                    let times = part
                        .map(|part| (Some(part.act_min).max(part.timeout), part.act_max.max(part.timeout)));
                    times.unwrap_or((None, None))
                }
                _ if self.asking(attempt) => (None, t.ask_at_most()),
                _ if self.lean.calls => (Some(t.latency_min).max(t.call_timeout), None),
                _ => {
                    let low = Some(t.latency_min).max(t.call_timeout);
                    (low, t.latency_max.max(t.call_timeout).max(t.land_at_most))
                }
            };
            set(attempt.clock, low, up);
            let held = t.lease.map(|lease| lease + t.holder_skew);
            set(attempt.held, held, held);
        }
        for flight in &world.flights {
            set(flight.clock, None, self.lands_until(flight));
        }
    }
}
