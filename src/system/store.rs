//! The receipt store: every operation is one atomic step on the receipt of the attempt's key.
//!
//! Expiry is read off the receipt's clock when somebody looks: at exactly the lease or the TTL,
//! both readings are possible.

use super::world::{CLASS_MERGED, Known, Receipt, Slot, Status, Who};
use super::{Draft, Guard, Steps, at_least, at_most, facts};
use crate::model::{Operation, Outcome, RecordAs, WriteKind};

/// What a look at the receipt finds, before it is put into an outcome.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Absent,
    /// There was one, and its TTL ran out.
    Gone,
    /// A claim whose lease, if it has one, is good.
    Claimed,
    /// A claim whose lease ran out.
    Expired,
    /// A recorded outcome.
    Final,
}

impl Steps<'_> {
    fn receipt(&self, who: Who) -> &Receipt {
        &self.before.keys[self.before.attempt(who).key as usize].receipt
    }

    /// Whether the receipt was written under this attempt's own grant.
    fn is_mine(&self, who: Who) -> bool {
        let token = self.before.attempt(who).token;
        token != 0 && token == self.receipt(who).token
    }

    fn looks(&self, who: Who) -> smallvec::SmallVec<[(Found, Guard); 3]> {
        let receipt = self.receipt(who);
        let times = &self.system.times;
        let mut out = smallvec::SmallVec::new();
        if receipt.status == Status::Absent {
            out.push((Found::Absent, Guard::new()));
            return out;
        }
        let age = if self.system.ttl_from_claim { receipt.born } else { receipt.clock };
        let ttl = times.ttl.filter(|_| !self.system.swept);
        let seen_until = ttl.map(|ttl| ttl + times.ttl_lag + times.skew);
        let still_there: Guard = seen_until.and_then(|most| at_most(age, most)).into_iter().collect();
        if receipt.status != Status::InProgress {
            out.push((Found::Final, still_there));
        } else if let Some(lease) = times.lease {
            let mut good = still_there.clone();
            good.extend(at_most(receipt.clock, lease + times.skew));
            out.push((Found::Claimed, good));
            let mut over = still_there;
            over.extend(at_least(receipt.clock, (lease - times.skew).max(0)));
            out.push((Found::Expired, over));
        } else {
            out.push((Found::Claimed, still_there));
        }
        if let Some(ttl) = ttl {
            out.push((Found::Gone, at_least(age, (ttl - times.skew).max(0)).into_iter().collect()));
        }
        out
    }

    /// What every look at a receipt brings to light.
    fn look(&self, who: Who, found: Found, guard: Guard) -> Draft {
        let (attempt, receipt) = (self.before.attempt(who), self.receipt(who));
        let mut draft = self.draft();
        draft.guard = guard;
        if found != Found::Absent {
            let other_operation = (receipt.class == CLASS_MERGED) != (attempt.class == CLASS_MERGED);
            draft.fact(facts::FOREIGN_OPERATION, other_operation && found != Found::Gone);
        }
        let gone = found == Found::Gone || found == Found::Absent && receipt.swept;
        draft.fact(facts::EXPIRED_RECEIPT, gone && receipt.class == attempt.class);
        if found == Found::Gone {
            self.erase(&mut draft, who);
        }
        draft
    }

    /// The row is no more. What was recorded and answered under the key stays known to the judge.
    fn erase(&self, draft: &mut Draft, who: Who) {
        let key = draft.world.attempt(who).key as usize;
        let receipt = &mut draft.world.keys[key].receipt;
        let (was_recorded, first_answer) = (receipt.was_recorded, receipt.first_answer);
        // Where records overwrite blindly, the age of the last one still tells.
        let token = if self.system.unfenced_records { receipt.token } else { 0 };
        *receipt = Receipt { was_recorded, first_answer, token, ..self.system.fresh_key().receipt };
    }

    /// Whether the payload comparison may fail, and whether it may pass.
    fn comparison(&self, who: Who) -> (bool, bool) {
        let (mine, theirs) = (self.before.attempt(who).class, self.receipt(who).class);
        if !self.system.compares_payload || mine == theirs {
            (false, true)
        } else {
            // Two operations may carry the same payload, unless the fingerprint has what the key lacks.
            let merged = mine == CLASS_MERGED || theirs == CLASS_MERGED;
            (true, merged && !self.system.tells_merged)
        }
    }

    /// Writes a claim of this attempt under a new token.
    fn claim(&self, draft: &mut Draft, who: Who) {
        let key = self.before.attempt(who).key;
        let receipt = &mut draft.world.keys[key as usize].receipt;
        (receipt.checkpoint, receipt.known, receipt.swept) = (0, Known::Nothing, false);
        self.seize(draft, who);
    }

    /// The same with what the last owner got done.
    fn seize(&self, draft: &mut Draft, who: Who) {
        let key = self.before.attempt(who).key;
        let two = draft.world.live().any(|(other, a)| other != who && a.key == key && a.owns);
        draft.fact(facts::TWO_OWNERS, two);
        draft.world.granted += 1;
        let token = draft.world.granted;
        let holder_looks = self.system.holder_looks;
        let attempt = draft.world.attempt_mut(who);
        attempt.token = token;
        attempt.owns = true;
        attempt.held = Slot::started(holder_looks);
        let (class, name) = (attempt.class, attempt.name);
        let receipt = &mut draft.world.keys[key as usize].receipt;
        receipt.status = Status::InProgress;
        receipt.name = name;
        receipt.class = class;
        receipt.token = token;
        receipt.clock = Slot::ZERO;
        receipt.born = Slot::started(self.system.ttl_from_claim && self.system.times.ttl.is_some());
    }

    fn learn(&self, draft: &mut Draft, who: Who) {
        draft.world.attempt_mut(who).known = self.receipt(who).known;
    }

    fn final_outcome(&self, who: Who) -> Outcome {
        if self.receipt(who).status == Status::Succeeded { Outcome::Succeeded } else { Outcome::Failed }
    }

    pub(super) fn insert(&mut self, who: Who, recognise_own: bool) {
        for (found, guard) in self.looks(who) {
            let mut draft = self.look(who, found, guard);
            match found {
                Found::Absent | Found::Gone => {
                    self.claim(&mut draft, who);
                    self.ack_lost(who, Outcome::Inserted, &draft);
                    self.go(who, Outcome::Inserted, draft);
                }
                Found::Claimed | Found::Expired if self.is_mine(who) => {
                    if recognise_own {
                        self.regain(&mut draft, who);
                        self.go(who, Outcome::Inserted, draft);
                    } else {
                        // An owner that knows its claim only looks at it again.
                        let unaware = !self.before.attempt(who).owns;
                        draft.fact(facts::SELF_CONFLICT, unaware && found == Found::Claimed);
                        self.go(who, self.claim_outcome(found), draft);
                    }
                }
                _ => self.seen(who, found, draft),
            }
        }
    }

    /// A look that found somebody's receipt, or one's own final one.
    fn seen(&mut self, who: Who, found: Found, mut draft: Draft) {
        let (fails, passes) = self.comparison(who);
        if !self.is_mine(who) {
            self.disown(&mut draft, who);
        }
        if fails {
            self.go(who, Outcome::Mismatch, draft.clone());
        }
        if passes && found == Found::Final {
            self.learn(&mut draft, who);
            self.go(who, self.final_outcome(who), draft);
        } else if passes {
            self.go(who, self.claim_outcome(found), draft);
        }
    }

    fn claim_outcome(&self, found: Found) -> Outcome {
        if found == Found::Expired { Outcome::Expired } else { Outcome::InProgress }
    }

    /// The attempt meets the claim it wrote itself and knows it for its own.
    fn regain(&self, draft: &mut Draft, who: Who) {
        let key = self.before.attempt(who).key;
        let two = draft.world.live().any(|(other, a)| other != who && a.key == key && a.owns);
        draft.fact(facts::TWO_OWNERS, two);
        let holder_looks = self.system.holder_looks;
        let attempt = draft.world.attempt_mut(who);
        attempt.owns = true;
        if !attempt.held.present() {
            attempt.held = Slot::started(holder_looks);
        }
    }

    pub(super) fn read(&mut self, who: Who) {
        for (found, guard) in self.looks(who) {
            let mut draft = self.look(who, found, guard);
            if matches!(found, Found::Absent | Found::Gone) {
                self.disown(&mut draft, who);
                self.go(who, Outcome::Absent, draft);
                continue;
            }
            let unaware = self.is_mine(who) && !self.before.attempt(who).owns;
            draft.fact(facts::SELF_CONFLICT, unaware && found == Found::Claimed);
            self.seen(who, found, draft);
        }
    }

    pub(super) fn write(&mut self, who: Who) {
        for (found, guard) in self.looks(who) {
            let mut draft = self.look(who, found, guard);
            let there = !matches!(found, Found::Absent | Found::Gone);
            let foreign = there && self.receipt(who).class != self.before.attempt(who).class;
            draft.fact(facts::FOREIGN_CHANGE, foreign);
            self.claim(&mut draft, who);
            self.ack_lost(who, Outcome::Written, &draft);
            self.go(who, Outcome::Written, draft);
        }
    }

    pub(super) fn take_over(&mut self, who: Who, recognise_own: bool) {
        for (found, guard) in self.looks(who) {
            let mut draft = self.look(who, found, guard);
            if matches!(found, Found::Claimed | Found::Expired) && self.is_mine(who) && recognise_own {
                self.regain(&mut draft, who);
                self.go(who, Outcome::Taken, draft);
            } else if found == Found::Expired {
                let foreign = self.receipt(who).class != self.before.attempt(who).class;
                draft.fact(facts::FOREIGN_CHANGE, foreign);
                self.seize(&mut draft, who);
                self.ack_lost(who, Outcome::Taken, &draft);
                self.go(who, Outcome::Taken, draft);
            } else {
                // Only a claim whose grant this attempt was never told of is a conflict with itself.
                let unaware = !self.before.attempt(who).owns;
                let unknown_own = unaware && found == Found::Claimed && self.is_mine(who);
                draft.fact(facts::SELF_CONFLICT, unknown_own);
                self.disown(&mut draft, who);
                self.go(who, Outcome::Lost, draft);
            }
        }
    }

    /// The attempt learns, or decides, that the claim is not its own.
    fn disown(&self, draft: &mut Draft, who: Who) {
        let attempt = draft.world.attempt_mut(who);
        attempt.owns = false;
        attempt.held = Slot::NONE;
    }

    pub(super) fn renew(&mut self, who: Who) {
        for (found, guard) in self.looks(who) {
            let mut draft = self.look(who, found, guard);
            if matches!(found, Found::Claimed | Found::Expired) && self.is_mine(who) {
                let key = self.before.attempt(who).key as usize;
                draft.world.keys[key].receipt.clock = Slot::ZERO;
                self.regain(&mut draft, who);
                draft.world.attempt_mut(who).held = Slot::started(self.system.holder_looks);
                self.ack_lost(who, Outcome::Renewed, &draft);
                self.go(who, Outcome::Renewed, draft);
            } else {
                self.disown(&mut draft, who);
                self.go(who, Outcome::Lost, draft);
            }
        }
    }

    pub(super) fn record(&mut self, who: Who, outcome: RecordAs, fenced: bool, recognise_own: bool) {
        for (found, guard) in self.looks(who) {
            let mut draft = self.look(who, found, guard);
            let mine = self.is_mine(who) && !matches!(found, Found::Absent | Found::Gone);
            let already = mine && found == Found::Final;
            if already && recognise_own {
                self.disown(&mut draft, who);
                self.go(who, Outcome::Recorded, draft);
            } else if fenced && (!mine || already) {
                draft.fact(facts::SELF_CONFLICT, already);
                self.disown(&mut draft, who);
                self.go(who, Outcome::Lost, draft);
            } else {
                self.judge_overwrite(&mut draft, who, found);
                self.write_final(&mut draft, who, outcome);
                self.ack_lost(who, Outcome::Recorded, &draft);
                self.disown(&mut draft, who);
                self.go(who, Outcome::Recorded, draft);
            }
        }
    }

    /// An unfenced write hits whatever is there.
    fn judge_overwrite(&self, draft: &mut Draft, who: Who, found: Found) {
        let (attempt, receipt) = (self.before.attempt(who), self.receipt(who));
        draft.fact(facts::STALE_RECORD, attempt.token != 0 && attempt.token < receipt.token);
        if matches!(found, Found::Absent | Found::Gone) || self.is_mine(who) {
            return;
        }
        draft.fact(facts::FOREIGN_RECORD, true);
        draft.fact(facts::FOREIGN_CHANGE, receipt.class != attempt.class);
    }

    fn write_final(&self, draft: &mut Draft, who: Who, outcome: RecordAs) {
        let attempt = *draft.world.attempt(who);
        if attempt.token == 0 {
            // A protocol without claims: the record is its first grant.
            draft.world.granted += 1;
            draft.world.attempt_mut(who).token = draft.world.granted;
        }
        let token = draft.world.attempt(who).token;
        let new = self.receipt(who).status == Status::Absent;
        let ages = self.system.ttl_from_claim && self.system.times.ttl.is_some();
        let receipt = &mut draft.world.keys[attempt.key as usize].receipt;
        receipt.class = attempt.class;
        receipt.name = attempt.name;
        receipt.token = token;
        receipt.clock = Slot::ZERO;
        (receipt.checkpoint, receipt.swept) = (0, false);
        if new || receipt.status == Status::Absent {
            receipt.born = Slot::started(ages);
        }
        match outcome {
            RecordAs::Succeeded => {
                receipt.status = Status::Succeeded;
                receipt.known = attempt.known;
                receipt.was_recorded = true;
                draft.fact(facts::UNEXECUTED_RECORD, !matches!(attempt.known, Known::Done { .. }));
            }
            RecordAs::Failed => {
                receipt.status = Status::Failed;
                receipt.known = Known::Failed { class: attempt.class };
            }
        }
        if outcome == RecordAs::Failed {
            draft.world.attempt_mut(who).known = Known::Failed { class: attempt.class };
        }
    }

    pub(super) fn release(&mut self, who: Who, fenced: bool) {
        for (found, guard) in self.looks(who) {
            let mut draft = self.look(who, found, guard);
            let present = !matches!(found, Found::Absent | Found::Gone);
            let claim_is_mine = self.is_mine(who) && matches!(found, Found::Claimed | Found::Expired);
            if fenced && !claim_is_mine {
                self.disown(&mut draft, who);
                self.go(who, Outcome::Lost, draft);
                continue;
            }
            if present {
                draft.fact(facts::FOREIGN_RELEASE, !self.is_mine(who));
                draft.fact(facts::FOREIGN_CHANGE, self.receipt(who).class != self.before.attempt(who).class);
                self.erase(&mut draft, who);
                self.ack_lost(who, Outcome::Released, &draft);
            }
            self.disown(&mut draft, who);
            self.go(who, Outcome::Released, draft);
        }
    }

    pub(super) fn commit(
        &mut self,
        who: Who,
        writes: &[WriteKind],
        at: Option<crate::model::StateId>,
        if_unchanged: bool,
    ) {
        let budget = self.before.budget;
        if budget.aborts > 0 {
            let mut draft = self.draft();
            draft.world.budget.aborts -= 1;
            self.go(who, Outcome::Aborted, draft);
        }
        let with_receipt = writes.contains(&WriteKind::Receipt);
        // A transaction that writes nothing into a receipt does not look at one either.
        let unseen = || smallvec::smallvec![(Found::Absent, Guard::new())];
        for (found, guard) in if with_receipt || at.is_some() { self.looks(who) } else { unseen() } {
            let claim_is_mine = self.is_mine(who) && matches!(found, Found::Claimed | Found::Expired);
            let free = matches!(found, Found::Absent | Found::Gone) || claim_is_mine;
            let mut draft = self.look(who, found, guard);
            let loaded = self.before.attempt(who).loaded;
            let changed = if_unchanged && loaded != self.version_now();
            if with_receipt && !free || changed || at.is_some() && !claim_is_mine {
                self.disown(&mut draft, who);
                self.go(who, Outcome::Lost, draft);
                continue;
            }
            if budget.ambiguous_acks > 0 {
                let mut rolled_back = draft.clone();
                rolled_back.world.budget.ambiguous_acks -= 1;
                self.go(who, Outcome::Unknown, rolled_back);
            }
            if writes.contains(&WriteKind::Effect) {
                let owns = self.before.attempt(who).owns;
                draft.fact(facts::UNRESERVED_EFFECT, !owns && !with_receipt && self.system.uses_store);
                let attempt = *self.before.attempt(who);
                let version = self.system.apply_effect(&mut draft, attempt.class, attempt.token);
                draft.world.attempt_mut(who).known = Known::Done { class: attempt.class, version };
            }
            if writes.contains(&WriteKind::Outbox) {
                self.add_row(&mut draft);
            }
            if with_receipt {
                self.write_final(&mut draft, who, RecordAs::Succeeded);
            }
            if let Some(at) = at {
                self.write_checkpoint(&mut draft, who, at as u8);
            }
            if budget.ambiguous_acks > 0 {
                let mut unseen = draft.clone();
                unseen.world.budget.ambiguous_acks -= 1;
                let before = *self.before.attempt(who);
                let attempt = unseen.world.attempt_mut(who);
                (attempt.known, attempt.owns, attempt.held) = (before.known, before.owns, before.held);
                self.go(who, Outcome::Unknown, unseen);
            }
            if with_receipt || at.is_none() {
                self.disown(&mut draft, who);
            }
            self.go(who, Outcome::Committed, draft);
        }
    }

    /// The state of the last recovery point, and the result so far.
    fn write_checkpoint(&self, draft: &mut Draft, who: Who, at: u8) {
        let attempt = *draft.world.attempt(who);
        let receipt = &mut draft.world.keys[attempt.key as usize].receipt;
        (receipt.checkpoint, receipt.known) = (at + 1, attempt.known);
    }

    pub(super) fn checkpoint(&mut self, who: Who, at: u8) {
        for (found, guard) in self.looks(who) {
            let mut draft = self.look(who, found, guard);
            if matches!(found, Found::Claimed | Found::Expired) && self.is_mine(who) {
                self.write_checkpoint(&mut draft, who, at);
                self.ack_lost(who, Outcome::Recorded, &draft);
                self.go(who, Outcome::Recorded, draft);
            } else {
                self.disown(&mut draft, who);
                self.go(who, Outcome::Lost, draft);
            }
        }
    }

    /// A sweeper deletes what is over its TTL.
    pub(super) fn sweep(&mut self, who: Who) {
        let receipt = *self.receipt(who);
        let age = if self.system.ttl_from_claim { receipt.born } else { receipt.clock };
        let ttl = self.system.times.ttl.filter(|_| receipt.status != Status::Absent);
        let Some(ttl) = ttl else { return self.go(who, Outcome::None, self.draft()) };
        self.go(who, Outcome::None, self.draft().when(at_most(age, ttl)));
        let (class, mut draft) = (receipt.class, self.draft().when(at_least(age, ttl)));
        self.erase(&mut draft, who);
        let key = draft.world.attempt(who).key as usize;
        let receipt = &mut draft.world.keys[key].receipt;
        (receipt.swept, receipt.class) = (true, class);
        self.go(who, Outcome::Swept, draft);
    }

    /// A completer makes an expired claim its own, and goes on with that operation.
    pub(super) fn find_abandoned(&mut self, who: Who) {
        for (found, guard) in self.looks(who) {
            // It looks for anybody's claim, so none is foreign or missed.
            let mut draft = self.draft();
            draft.guard = guard;
            if found == Found::Gone {
                self.erase(&mut draft, who);
            }
            if found == Found::Expired {
                draft.world.attempt_mut(who).class = self.receipt(who).class;
                self.seize(&mut draft, who);
                self.go(who, Outcome::Found, draft);
            } else {
                self.go(who, Outcome::None, draft);
            }
        }
    }

    /// The version of the local state, as `state.load` remembers it.
    fn version_now(&self) -> u8 {
        1 + self.before.effects.iter().sum::<u8>().min(14)
    }

    pub(super) fn load(&mut self, who: Who) {
        let class = self.before.attempt(who).class;
        let mut draft = self.draft();
        let (applied, version) =
            (draft.world.effects[class as usize] > 0, draft.world.latest[class as usize]);
        let attempt = draft.world.attempt_mut(who);
        attempt.loaded = if self.system.asks_version { self.version_now() } else { 0 };
        if applied {
            attempt.known = Known::Done { class, version };
            self.go(who, Outcome::Applied, draft);
        } else {
            self.go(who, Outcome::Absent, draft);
        }
    }

    /// The same operation, decided on what a replica that lags still shows.
    pub(super) fn look_back(&mut self, who: Who) {
        let Some(past) = &self.before.past else { return };
        if self.before.attempt(who).key != 0 {
            return;
        }
        let guard = self.system.times.staleness.and_then(|most| at_most(past.clock, most));
        let real = self.before.keys[0].receipt;
        let mut shown = self.before.clone();
        let (was_recorded, first_answer) = (real.was_recorded, real.first_answer);
        shown.keys[0].receipt = Receipt { was_recorded, first_answer, ..past.receipt };
        let stale = Some((real, guard.into_iter().collect()));
        let mut steps =
            Steps { system: self.system, before: &shown, out: &mut *self.out, stale, besides: self.besides };
        match &self.system.table[shown.attempt(who).at as usize].operation {
            Operation::Insert { recognise_own } => steps.insert(who, *recognise_own),
            Operation::TakeOver { recognise_own } => steps.take_over(who, *recognise_own),
            _ => steps.read(who),
        }
    }

    /// What can happen to the store, and to the lock's, by themselves.
    pub(super) fn store_faults(&mut self) {
        let budget = self.before.budget;
        if let (Some(past), true) = (&self.before.past, budget.failovers > 0) {
            let guard = self.system.times.staleness.and_then(|most| at_most(past.clock, most));
            let mut draft = self.draft().when(guard);
            let world = &mut draft.world;
            world.budget.failovers -= 1;
            world.past = None;
            let receipt = &mut world.keys[0].receipt;
            let (was_recorded, first_answer) = (receipt.was_recorded, receipt.first_answer);
            *receipt = Receipt { was_recorded, first_answer, ..past.receipt };
            let out = world.rows.iter().filter(|row| row.published).count();
            // A message that is out stays out, whatever becomes of its row.
            let mut unfounded = world.lose_rows(past.rows, past.marked);
            if self.system.local_effects {
                let exist = |effects: &[u8]| effects.iter().sum::<u8>() as usize;
                let (before, after) = (exist(&world.effects), exist(&past.effects));
                unfounded = after < before && (unfounded || out > after);
                (world.effects, world.latest) = (past.effects, past.latest);
                let told =
                    matches!(first_answer, Known::Done { class, .. } if world.effects[class as usize] == 0);
                draft.fact(facts::SUCCESS_UNDONE, told);
                draft.fact(facts::UNFOUNDED_MESSAGE, unfounded);
            }
            self.emit(super::Actor::Store, super::Action::Failover, 0, None, draft);
        }
        let held = (0..self.before.locks.len()).filter(|index| self.before.locks[*index].held);
        for index in held.filter(|_| budget.lock_losses > 0) {
            let mut draft = self.draft();
            draft.world.budget.lock_losses -= 1;
            draft.world.free_lock(index);
            self.emit(super::Actor::Store, super::Action::LockLost, 0, None, draft);
        }
    }

    /// The holder's own clock, not the store's.
    pub(super) fn lease_check(&mut self, who: Who) {
        let attempt = *self.before.attempt(who);
        let (lease, skew) = (self.system.times.lease, self.system.times.holder_skew);
        if attempt.owns {
            let held = lease.and_then(|lease| at_most(attempt.held, lease + skew));
            self.go(who, Outcome::Held, self.draft().when(held));
        }
        if !attempt.owns || lease.is_some() {
            let over = lease.and_then(|lease| at_least(attempt.held, (lease - skew).max(0)));
            let mut draft = self.draft().when(over);
            self.disown(&mut draft, who);
            self.go(who, Outcome::Expired, draft);
        }
    }
}
