//! Loops of the table: which states can repeat, and which could repeat in no time at all.

use std::collections::BTreeSet;

use super::compile::Next;
use super::System;
use crate::model::{Operation, Outcome, WriteKind};

/// What an attempt may find in a store that nobody else changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum View {
    Absent,
    /// Somebody else's claim, good or run out.
    Claimed,
    Expired,
    /// My own claim.
    Mine,
    Succeeded,
    Failed,
    Mismatch,
}

const VIEWS: [View; 7] = [
    View::Absent,
    View::Claimed,
    View::Expired,
    View::Mine,
    View::Succeeded,
    View::Failed,
    View::Mismatch,
];

impl System {
    /// States that an attempt can come back to for ever though no fault happens: those on a loop
    /// of the table that needs no timeout, no unknown outcome and no abort.
    pub fn repeating_states(&self) -> BTreeSet<u8> {
        let all = 0..self.table.len() as u8;
        all.filter(|at| self.successors(*at).any(|next| self.reaches(next, *at))).collect()
    }

    fn successors(&self, at: u8) -> impl Iterator<Item = u8> + '_ {
        let faultless = |outcome: &Outcome| !outcome.is_fault();
        let next = &self.table[at as usize].next;
        Outcome::ALL.into_iter().filter(faultless).filter_map(|outcome| match next[outcome as usize] {
            Next::State(state) => Some(state),
            _ => None,
        })
    }

    fn reaches(&self, from: u8, goal: u8) -> bool {
        let mut seen = BTreeSet::from([from]);
        let mut todo = vec![from];
        while let Some(at) = todo.pop() {
            if at == goal {
                return true;
            }
            todo.extend(self.successors(at).filter(|next| seen.insert(*next)));
        }
        false
    }

    /// The names of the states of a loop that an attempt can go round for ever without any time
    /// passing and without anybody else doing anything: a mistake in the model.
    pub fn loop_without_time(&self) -> Option<Vec<String>> {
        VIEWS.into_iter().find_map(|view| {
            let mut done = BTreeSet::new();
            (0..self.table.len() as u8).find_map(|at| self.timeless(at, view, &mut Vec::new(), &mut done))
        })
    }

    fn timeless(&self, at: u8, view: View, path: &mut Vec<u8>, done: &mut BTreeSet<u8>) -> Option<Vec<String>> {
        if let Some(from) = path.iter().position(|state| *state == at) {
            return Some(path[from..].iter().map(|at| self.table[*at as usize].name.clone()).collect());
        }
        if !done.insert(at) {
            return None;
        }
        path.push(at);
        for outcome in self.repeatable(at, view) {
            if let Next::State(next) = self.table[at as usize].next[outcome as usize]
                && let Some(found) = self.timeless(next, view, path, done)
            {
                return Some(found);
            }
        }
        path.pop();
        None
    }

    /// The outcomes that can come again and again, at once, while the store stays as it is.
    fn repeatable(&self, at: u8, view: View) -> Vec<Outcome> {
        let look = match view {
            View::Absent => Outcome::Absent,
            View::Claimed | View::Mine => Outcome::InProgress,
            View::Expired => Outcome::Expired,
            View::Succeeded => Outcome::Succeeded,
            View::Failed => Outcome::Failed,
            View::Mismatch => Outcome::Mismatch,
        };
        match &self.table[at as usize].operation {
            Operation::Insert { .. } if view == View::Absent => vec![],
            Operation::Insert { recognise_own: true } if view == View::Mine => vec![Outcome::Inserted],
            Operation::Insert { .. } | Operation::Read => vec![look],
            Operation::Write => vec![],
            Operation::TakeOver { .. } if view == View::Expired => vec![],
            Operation::TakeOver { recognise_own: true } if view == View::Mine => vec![Outcome::Taken],
            Operation::TakeOver { .. } => vec![Outcome::Lost],
            Operation::Renew if view == View::Mine => vec![Outcome::Renewed],
            Operation::Renew => vec![Outcome::Lost],
            Operation::Record { fenced: true, .. } if view == View::Mine => vec![],
            Operation::Record { fenced: true, .. } => vec![Outcome::Lost],
            Operation::Record { .. } => vec![Outcome::Recorded],
            Operation::Release { fenced: true } if view == View::Mine => vec![],
            Operation::Release { fenced: true } => vec![Outcome::Lost],
            Operation::Release { .. } => vec![Outcome::Released],
            Operation::Commit { writes } if writes.contains(&WriteKind::Receipt) => match view {
                View::Absent | View::Mine => vec![],
                _ => vec![Outcome::Lost],
            },
            Operation::Commit { .. } => vec![Outcome::Committed],
            Operation::LeaseCheck => vec![Outcome::Held, Outcome::Expired],
            // A timeout takes its time; an answer may come at once unless a latency is declared.
            Operation::Call { .. } if self.times.latency_min > 0 => vec![],
            Operation::Call { .. } => vec![Outcome::Ok, Outcome::Error],
            Operation::Query { .. } => vec![Outcome::Applied, Outcome::Absent, Outcome::Unknown],
            Operation::Wait(_) => vec![],
        }
    }
}
