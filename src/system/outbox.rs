//! The outbox: rows that a transaction wrote, and the messages that a relay makes of them.

use smallvec::SmallVec;

use super::world::{Phase, ROWS_MAX, Row, Slot, Who, World};
use super::{Action, Draft, Steps, at_least, at_most, facts};
use crate::model::{Operation, Outcome};

impl Steps<'_> {
    /// A row comes into being with the transaction that writes it.
    pub(super) fn add_row(&self, draft: &mut Draft) {
        self.push_row(draft, false);
    }

    fn push_row(&self, draft: &mut Draft, direct: bool) {
        if draft.world.rows.len() == ROWS_MAX {
            return draft.fact(facts::FLIGHT_LIMIT, true);
        }
        let since = Slot::started(direct && self.system.times.outbox_dedup.is_some());
        let (done, published) = (direct, direct);
        draft.world.rows.push(Row { claimed: false, done, published, direct, clock: Slot::NONE, since });
    }

    /// The oldest row that is free. A relay that claims leaves alone what another one claimed, until
    /// the lease ends.
    pub(super) fn next_row(&mut self, who: Who, claim: bool) {
        let lease = self.system.times.lease;
        let mut empty = self.draft();
        for (index, row) in self.before.rows.iter().enumerate().filter(|(_, row)| !row.done) {
            let taken = claim && row.claimed;
            if taken && lease.is_none() {
                continue;
            }
            let mut draft = empty.clone();
            if taken && let Some(lease) = lease {
                draft = draft.when(at_least(row.clock, lease));
                empty = empty.when(at_most(row.clock, lease));
            }
            let picked = &mut draft.world.rows[index];
            if claim {
                picked.claimed = true;
                picked.clock = Slot::started(lease.is_some());
            }
            let row = index as u8 + 1;
            draft.world.attempt_mut(who).row = row;
            self.go_as(who, Action::Pick { row }, Outcome::Message, draft);
            if !taken {
                return;
            }
        }
        self.go(who, Outcome::Empty, empty);
    }

    pub(super) fn publish(&mut self, who: Who) {
        // The request may be lost, or only its acknowledgement.
        for draft in self.published(who) {
            self.go(who, Outcome::Ok, draft.clone());
            self.go(who, Outcome::Timeout, draft);
        }
        self.go(who, Outcome::Timeout, self.draft());
    }

    fn published(&self, who: Who) -> Vec<Draft> {
        let row = self.before.attempt(who).row as usize;
        let mut draft = self.draft();
        let exist = self.before.effects.iter().sum::<u8>() as usize;
        let Some(index) = row.checked_sub(1) else {
            // No row: the message of the attempt's own effect, straight to the broker.
            draft.fact(facts::UNFOUNDED_MESSAGE, exist == 0);
            let known = self.before.rows.iter().rposition(|row| row.published);
            if let Some(index) = known.filter(|_| self.before.rows.len() >= exist && exist > 0) {
                return self.copy_published(index, draft);
            }
            self.push_row(&mut draft, true);
            draft.world.attempt_mut(who).row = draft.world.rows.len() as u8;
            return vec![draft];
        };
        let before = self.before.rows[index];
        let dedup = self.system.times.outbox_dedup;
        if !before.published {
            draft.fact(facts::UNFOUNDED_MESSAGE, exist == 0);
            // A second row for the same effect.
            let out = self.before.rows.iter().filter(|row| row.published).count();
            draft.fact(facts::REPEATED_MESSAGE, exist > 0 && out >= exist);
            let row = &mut draft.world.rows[index];
            row.published = true;
            row.since = Slot::started(dedup.is_some());
            return vec![draft];
        }
        self.copy_published(index, draft)
    }

    /// A copy of a message that is out: dropped within the broker's window.
    fn copy_published(&self, index: usize, draft: Draft) -> Vec<Draft> {
        let since = self.before.rows[index].since;
        let mut again = draft.clone();
        again.fact(facts::REPEATED_MESSAGE, true);
        match self.system.times.outbox_dedup {
            Some(dedup) => vec![draft.when(at_most(since, dedup)), again.when(at_least(since, dedup))],
            None => vec![again],
        }
    }

    pub(super) fn mark(&mut self, who: Who) {
        let row = self.before.attempt(who).row as usize;
        let mut draft = self.draft();
        match row.checked_sub(1) {
            Some(index) if !self.before.rows[index].done => {
                draft.world.rows[index].done = true;
                self.ack_lost(who, Outcome::Marked, &draft);
                self.go(who, Outcome::Marked, draft);
            }
            _ => self.go(who, Outcome::Lost, draft),
        }
    }

    /// An effect's message is not out, and nobody is left who would publish it.
    pub(super) fn misses_a_message(&self, after: &World) -> bool {
        if !self.system.uses_outbox {
            return false;
        }
        let works_on = |index: usize| after.live().any(|(_, a)| a.row as usize == index + 1);
        // Nobody picks a row that is marked, or one whose claim never ends.
        let unpicked = |row: &Row| row.done || row.claimed && self.system.times.lease.is_none();
        let dropped = |(index, row): (usize, &Row)| unpicked(row) && !row.published && !works_on(index);
        if after.rows.iter().enumerate().any(dropped) {
            return true;
        }
        // A client need not come again; a broker delivers until it is told that the message is done.
        let comes = |c: &super::world::Client| {
            c.role == 0
                && self.system.queue
                && c.phase != Phase::Done
                && (c.phase == Phase::Idle || c.retries > 0)
        };
        if after.live().next().is_some() || after.clients.iter().any(comes) {
            return false;
        }
        let relays = self.system.table.iter().any(|row| matches!(row.operation, Operation::NextRow { .. }));
        let waiting = after.rows.iter().any(|row| !row.published);
        after.effects.iter().sum::<u8>() as usize > after.rows.len() && after.rows.len() < ROWS_MAX
            || waiting && !relays
    }
}

impl World {
    /// How many rows the store holds, and which of all rows are marked there, as bits.
    pub(super) fn stored_rows(&self) -> (usize, u8) {
        let stored = || self.rows.iter().enumerate().filter(|(_, row)| !row.direct);
        (stored().count(), stored().fold(0, |bits, (index, row)| bits | u8::from(row.done) << index))
    }

    /// The store is back at its first `rows` rows, of which those were marked. Whether a message is
    /// out whose row is gone.
    pub(super) fn lose_rows(&mut self, rows: u8, marked: u8) -> bool {
        let mut kept = 0;
        // What was published without a row stays out.
        let stays = |(index, row): (usize, &Row)| index < rows as usize || row.direct;
        let mut number = |at| {
            kept += u8::from(stays(at));
            if stays(at) { kept } else { 0 }
        };
        let numbers: SmallVec<[u8; ROWS_MAX]> = self.rows.iter().enumerate().map(&mut number).collect();
        for (index, row) in self.rows.iter_mut().enumerate().filter(|(_, row)| !row.direct) {
            row.done &= marked >> index & 1 != 0;
        }
        let unfounded = self.rows.iter().zip(&numbers).any(|(row, number)| *number == 0 && row.published);
        let mut each = numbers.iter();
        self.rows.retain(|_| each.next().is_some_and(|number| *number > 0));
        for attempt in self.live_mut().filter(|attempt| attempt.row > 0) {
            attempt.row = numbers[attempt.row as usize - 1];
        }
        unfounded
    }
}
