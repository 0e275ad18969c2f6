//! Deliveries: a message is a client whose timeout is the visibility timeout, and whose attempts are
//! deliveries. What a consumer tells the broker counts only for the newest delivery.

use super::world::{Known, Phase, Slot, Who};
use super::{Action, Actor, Steps, at_least, at_most, facts};
use crate::model::Outcome;
use crate::time::Constraint;

impl Steps<'_> {
    /// The message that this attempt is the newest delivery of. A role's run is nobody's delivery.
    fn newest_delivery(&self, who: Who) -> Option<usize> {
        let Who::Client(index) = who else { return None };
        let client = &self.before.clients[index];
        (client.role == 0 && client.phase == Phase::Waiting).then_some(index)
    }

    /// The message was delivered again meanwhile, given back or acknowledged, or its visibility ended.
    fn stale_delivery(&mut self, who: Who) {
        let mut draft = self.draft();
        if let Some(index) = self.newest_delivery(who) {
            // Without a declared visibility the broker may have given up on the delivery.
            let most = self.system.times.client_timeout;
            draft = draft.when(most.and_then(|most| at_least(self.before.clients[index].clock, most)));
        }
        self.go(who, Outcome::Lost, draft);
    }

    pub(super) fn ack(&mut self, who: Who) {
        if let Some(index) = self.newest_delivery(who) {
            let attempt = *self.before.attempt(who);
            let mut draft = self.draft();
            let nothing_done = self.before.effects[attempt.class as usize] == 0;
            let refused = matches!(attempt.known, Known::Failed { .. });
            if nothing_done && !refused {
                draft.fact(facts::LOST_MESSAGE, true);
                draft.world.lost[attempt.class as usize] += 1;
            }
            if self.before.budget.lost_responses > 0 {
                // The consumer believes that it is done, and the broker never hears of it.
                let mut unheard = self.draft();
                unheard.world.budget.lost_responses -= 1;
                self.go_as(who, Action::Unheard { outcome: Outcome::Acked }, Outcome::Acked, unheard);
            }
            if self.system.keeps_past && self.system.local_effects && !nothing_done {
                // For a failover that takes the effect back.
                let told = Known::Done { class: attempt.class, version: 1 };
                draft.world.keys[attempt.key as usize].receipt.first_answer = told;
            }
            let client = &mut draft.world.clients[index];
            client.phase = Phase::Done;
            client.retries = 0;
            self.go(who, Outcome::Acked, draft);
        }
        self.stale_delivery(who);
    }

    pub(super) fn nack(&mut self, who: Who) {
        if let Some(index) = self.newest_delivery(who) {
            let mut draft = self.draft();
            let client = &mut draft.world.clients[index];
            client.phase = Phase::Between;
            client.clock = Slot::ZERO;
            self.go(who, Outcome::Requeued, draft);
        }
        self.stale_delivery(who);
    }

    pub(super) fn extend(&mut self, who: Who) {
        if let Some(index) = self.newest_delivery(who) {
            let clock = self.before.clients[index].clock;
            let in_time = self.system.times.client_timeout.and_then(|most| at_most(clock, most));
            let mut draft = self.draft().when(in_time);
            draft.world.clients[index].clock = Slot::ZERO;
            self.go(who, Outcome::Extended, draft);
        }
        self.stale_delivery(who);
    }

    /// Where the broker remembers ids, a message is published first and delivered later: the window
    /// counts from there.
    pub(super) fn publish_message(&mut self, index: usize) {
        let again = self.published_again(index);
        let in_time = self.system.times.within.and_then(|within| at_most(self.before.horizon, within));
        let mut draft = self.draft().when(again).when(in_time);
        let world = &mut draft.world;
        if !world.started {
            world.started = true;
            world.horizon = Slot::ZERO;
        }
        let client = &mut world.clients[index];
        client.phase = Phase::Between;
        // The first delivery is none of the further ones.
        client.retries += 1;
        self.emit(Actor::Client(index as u8), Action::Publish, 0, None, draft);
    }

    /// A second message of the operation gets into the queue only once the broker forgot the first.
    fn published_again(&mut self, index: usize) -> Option<Constraint> {
        let dedup = self.system.times.dedup.filter(|_| self.before.started)?;
        let class = self.before.clients[index].class;
        let mut draft = self.draft().when(at_most(self.before.horizon, dedup));
        draft.world.clients.remove(index);
        // Only the id was compared: what it said goes with it.
        if class != super::world::CLASS_MAIN {
            draft.fact(facts::LOST_MESSAGE, true);
            draft.world.lost[class as usize] += 1;
        }
        self.emit(Actor::Client(index as u8), Action::Drop, 0, None, draft);
        at_least(self.before.horizon, dedup)
    }
}
