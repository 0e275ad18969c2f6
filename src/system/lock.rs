//! The lock: one, for the target that all attempts act on, or one for each target of a fleet.

use super::world::{Attempt, Grip, LockState, Slot, Who, World};
use super::{Draft, Steps, at_least, at_most, facts};
use crate::model::Outcome;
use crate::time::Constraint;

impl Steps<'_> {
    fn holds_lock(&self, who: Who) -> bool {
        matches!(self.before.attempt(who).lock, Grip::Holds | Grip::Unaware)
    }

    fn lock_index(&self, who: Who) -> usize {
        self.before.lock_of(self.before.attempt(who).aim.target)
    }

    /// Another live attempt believes that the lock is its own.
    fn lock_is_believed_held(&self, draft: &Draft, who: Who) -> bool {
        draft
            .world
            .live()
            .filter(|(other, attempt)| {
                *other != who && draft.world.lock_of(attempt.aim.target) == self.lock_index(who)
            })
            .any(|(_, attempt)| matches!(attempt.lock, Grip::Holds | Grip::Believes))
    }

    /// A grant: `stored` unless the store gives it away at once.
    fn grant(&self, draft: &mut Draft, who: Who, stored: bool) {
        let two = self.lock_is_believed_held(draft, who);
        draft.fact(facts::TWO_OWNERS, two);
        // Locks of different processes have no common order, and so no token that is worth anything.
        if !self.system.claims && !self.system.lock.per_process {
            draft.world.granted += 1;
            draft.world.attempt_mut(who).token = draft.world.granted;
        }
        if stored {
            let index = self.lock_index(who);
            draft.world.free_lock(index);
            draft.world.locks[index] = LockState { held: true, clock: Slot::ZERO };
        }
        draft.world.attempt_mut(who).lock = if stored { Grip::Holds } else { Grip::Believes };
    }

    pub(super) fn acquire(&mut self, who: Who) {
        let (rules, lock) = (&self.system.lock, self.before.locks[self.lock_index(who)]);
        if rules.per_process {
            let mut draft = self.draft();
            self.grant(&mut draft, who, false);
            return self.go(who, Outcome::Acquired, draft);
        }
        let lease = self.system.times.lock_lease;
        if !lock.held || self.holds_lock(who) {
            let mut draft = self.draft();
            self.grant(&mut draft, who, true);
            self.ack_lost(who, Outcome::Acquired, &draft);
            self.go(who, Outcome::Acquired, draft);
        } else {
            let busy = lease.and_then(|lease| at_most(lock.clock, lease));
            self.go(who, Outcome::Busy, self.draft().when(busy));
            if let Some(lease) = lease {
                let mut draft = self.draft().when(at_least(lock.clock, lease));
                self.grant(&mut draft, who, true);
                self.go(who, Outcome::Acquired, draft);
            }
            if rules.pooled {
                // The pooler gave both the same session, and a session may take its lock again.
                let mut draft = self.draft();
                let two = self.lock_is_believed_held(&draft, who);
                draft.fact(facts::TWO_OWNERS, two);
                draft.world.attempt_mut(who).lock = Grip::Holds;
                self.go(who, Outcome::Acquired, draft);
            }
        }
        if rules.dead_grants {
            // The lease ended while it waited, and nobody looked again.
            let mut draft = self.draft();
            self.grant(&mut draft, who, false);
            self.go(who, Outcome::Acquired, draft);
        }
    }

    /// The lock is the attempt's own, as its store sees it, and not ended: what must hold, and what
    /// must hold for the contrary. None: it is not its own.
    fn own_lock(&self, who: Who) -> Option<(Option<Constraint>, Option<Draft>)> {
        if self.system.lock.per_process {
            return Some((None, None));
        }
        if !self.holds_lock(who) {
            return None;
        }
        let Some(lease) = self.system.times.lock_lease else { return Some((None, None)) };
        let index = self.lock_index(who);
        let clock = self.before.locks[index].clock;
        let mut ended = self.draft().when(at_least(clock, lease));
        ended.world.free_lock(index);
        ended.world.attempt_mut(who).lock = Grip::None;
        Some((at_most(clock, lease), Some(ended)))
    }

    pub(super) fn renew_lock(&mut self, who: Who) {
        let Some((good, ended)) = self.own_lock(who) else {
            let mut draft = self.draft();
            draft.world.attempt_mut(who).lock = Grip::None;
            return self.go(who, Outcome::Lost, draft);
        };
        let mut draft = self.draft().when(good);
        draft.world.locks[self.lock_index(who)].clock = Slot::ZERO;
        self.go(who, Outcome::Renewed, draft);
        if let Some(ended) = ended {
            self.go(who, Outcome::Lost, ended);
        }
    }

    pub(super) fn unlock(&mut self, who: Who, fenced: bool) {
        let own = self.own_lock(who);
        let mine = own.is_some();
        let (good, ended) = own.unwrap_or((None, None));
        let mut draft = self.draft();
        draft.world.attempt_mut(who).lock = Grip::None;
        if fenced && !mine {
            return self.go(who, Outcome::Lost, draft);
        }
        if fenced {
            draft = draft.when(good);
            if let Some(ended) = ended {
                self.go(who, Outcome::Lost, ended);
            }
        }
        if self.system.lock.pooled {
            // Released on a session that does not hold it.
            self.go(who, Outcome::Released, draft.clone());
        }
        let index = self.lock_index(who);
        draft.fact(facts::FOREIGN_RELEASE, !mine && self.before.locks[index].held);
        draft.world.free_lock(index);
        self.ack_lost(who, Outcome::Released, &draft);
        self.go(who, Outcome::Released, draft);
    }
}

impl World {
    /// Who held the lock may believe so still.
    pub(super) fn free_lock(&mut self, index: usize) {
        self.locks[index].held = false;
        let one = self.locks.len() == 1;
        for attempt in self.live_mut().filter(|attempt| one || usize::from(attempt.aim.target) == index) {
            attempt.lock = match attempt.lock {
                Grip::Holds => Grip::Believes,
                Grip::Unaware => Grip::None,
                grip => grip,
            };
        }
    }
}

impl super::System {
    /// A worker is gone: with its session goes its lock.
    pub(super) fn end_session(&self, world: &mut World, dying: &Attempt) {
        if self.lock.session && matches!(dying.lock, Grip::Holds | Grip::Unaware) {
            world.free_lock(world.lock_of(dying.aim.target));
        }
    }
}
