//! Loops of the table: which states can repeat, and which could repeat in no time at all.

use std::collections::BTreeSet;

use super::System;
use super::compile::Next;
use crate::model::{Operation, Outcome, RecordAs, WriteKind};

/// What an attempt may find in a store that nobody else changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
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

const VIEWS: [View; 7] =
    [View::Absent, View::Claimed, View::Expired, View::Mine, View::Succeeded, View::Failed, View::Mismatch];

impl System {
    /// States that an attempt can come back to for ever though no fault happens: those on a loop
    /// of the table that needs no timeout, no unknown outcome and no abort.
    ///
    /// Where nobody in such a state changes the store, what an attempt finds there is the same in
    /// every round, once leases and TTLs have ended: loops that need it to change are left out.
    pub fn repeating_states(&self) -> BTreeSet<u8> {
        let all = 0..self.table.len() as u8;
        let on_loop = |at: &u8| self.successors(*at).any(|next| self.reaches(next, *at));
        let states: BTreeSet<u8> = all.filter(on_loop).collect();
        // Now the replica answers, now the store itself: what an attempt finds changes by itself. And so
        // does a target.
        if self.stale_reads || !self.conditional || self.remedy.is_some() {
            return states;
        }
        let changes = |at: u8| VIEWS.into_iter().any(|view| !self.rounds(at, view, &states).1);
        if states.iter().any(|at| changes(*at)) {
            return states;
        }
        let mut out = BTreeSet::new();
        for view in VIEWS.into_iter().filter(|view| !self.passes(*view)) {
            for at in &states {
                let mut seen = BTreeSet::new();
                let mut todo = self.rounds(*at, view, &states).0;
                while let Some(next) = todo.pop() {
                    if seen.insert(next) {
                        todo.extend(self.rounds(next, view, &states).0);
                    }
                }
                if seen.contains(at) {
                    out.insert(*at);
                }
            }
        }
        out
    }

    /// Where an attempt that finds this can go next among these states, and whether it leaves the
    /// store as it is.
    fn rounds(&self, at: u8, view: View, among: &BTreeSet<u8>) -> (Vec<u8>, bool) {
        let same = |outcome| (outcome, view);
        let outcomes = match &self.table[at as usize].operation {
            Operation::Wait(_) => vec![same(Outcome::Elapsed)],
            Operation::Call { .. } => vec![same(Outcome::Ok), same(Outcome::Error)],
            Operation::Publish => vec![same(Outcome::Ok)],
            // Somebody else may have been faster, again and again.
            Operation::Commit { at: point, if_unchanged, .. } if point.is_some() || *if_unchanged => {
                let mut outcomes = self.at_once(at, view);
                outcomes.push(same(Outcome::Lost));
                outcomes
            }
            // One's own claim may have run out, too.
            Operation::Insert { .. } | Operation::Read if view == View::Mine => {
                vec![same(Outcome::Inserted), same(Outcome::InProgress), same(Outcome::Expired)]
            }
            _ => self.at_once(at, view),
        };
        let (mut next, mut keeps) = (Vec::new(), true);
        for (outcome, after) in outcomes {
            for state in self.onward(at, outcome).into_iter().filter(|state| among.contains(state)) {
                next.push(state);
                // Renewing changes only when the lease ends, and that is a change as well.
                keeps &= after == view && outcome != Outcome::Renewed;
            }
        }
        (next, keeps)
    }

    /// Whether what an attempt finds ends by itself, if nobody changes the store.
    fn passes(&self, view: View) -> bool {
        // A sweeper does not come for ever.
        let forgotten = self.times.ttl.is_some() && !self.swept;
        match view {
            View::Absent => false,
            View::Claimed => self.times.lease.is_some() || forgotten,
            _ => forgotten,
        }
    }

    fn successors(&self, at: u8) -> impl Iterator<Item = u8> + '_ {
        let faultless = |outcome: &Outcome| !outcome.is_fault();
        Outcome::ALL.into_iter().filter(faultless).flat_map(move |outcome| self.onward(at, outcome))
    }

    /// The states that an outcome can lead to.
    fn onward(&self, at: u8, outcome: Outcome) -> Vec<u8> {
        match self.table[at as usize].next[outcome as usize] {
            Next::State(state) => vec![state],
            Next::Resume => self.resumable(),
            _ => Vec::new(),
        }
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
        let mut done = BTreeSet::new();
        let states = || 0..self.table.len() as u8;
        let all = VIEWS.into_iter().flat_map(|view| states().map(move |at| (at, view)));
        all.into_iter().find_map(|node| self.timeless(node, &mut Vec::new(), &mut done))
    }

    fn timeless(
        &self,
        node: (u8, View),
        path: &mut Vec<(u8, View)>,
        done: &mut BTreeSet<(u8, View)>,
    ) -> Option<Vec<String>> {
        if let Some(from) = path.iter().position(|other| *other == node) {
            return Some(path[from..].iter().map(|(at, _)| self.table[*at as usize].name.clone()).collect());
        }
        if !done.insert(node) {
            return None;
        }
        path.push(node);
        for (outcome, view) in self.at_once(node.0, node.1) {
            let mut onward = self.onward(node.0, outcome).into_iter();
            if let Some(found) = onward.find_map(|next| self.timeless((next, view), path, done)) {
                return Some(found);
            }
        }
        path.pop();
        None
    }

    /// What an attempt that is alone with the store can see at once, and what it leaves there.
    fn at_once(&self, at: u8, view: View) -> Vec<(Outcome, View)> {
        let look = match view {
            View::Absent => Outcome::Absent,
            View::Claimed | View::Mine => Outcome::InProgress,
            View::Expired => Outcome::Expired,
            View::Succeeded => Outcome::Succeeded,
            View::Failed => Outcome::Failed,
            View::Mismatch => Outcome::Mismatch,
        };
        let one = |outcome, view| vec![(outcome, view)];
        match &self.table[at as usize].operation {
            Operation::Insert { .. } if view == View::Absent => one(Outcome::Inserted, View::Mine),
            Operation::Insert { recognise_own: true } if view == View::Mine => one(Outcome::Inserted, view),
            Operation::Insert { .. } | Operation::Read => one(look, view),
            Operation::Write => one(Outcome::Written, View::Mine),
            Operation::TakeOver { .. } if view == View::Expired => one(Outcome::Taken, View::Mine),
            Operation::TakeOver { recognise_own: true } if view == View::Mine => one(Outcome::Taken, view),
            Operation::TakeOver { .. } => one(Outcome::Lost, view),
            Operation::Renew if view == View::Mine => one(Outcome::Renewed, view),
            Operation::Renew => one(Outcome::Lost, view),
            Operation::Record { fenced: true, .. } if view != View::Mine => one(Outcome::Lost, view),
            Operation::Record { outcome: RecordAs::Succeeded, .. } => one(Outcome::Recorded, View::Succeeded),
            Operation::Record { outcome: RecordAs::Failed, .. } => one(Outcome::Recorded, View::Failed),
            Operation::Release { fenced: true } if view != View::Mine => one(Outcome::Lost, view),
            Operation::Release { .. } => one(Outcome::Released, View::Absent),
            Operation::Commit { writes, .. } if writes.contains(&WriteKind::Receipt) => match view {
                View::Absent | View::Mine => one(Outcome::Committed, View::Succeeded),
                _ => one(Outcome::Lost, view),
            },
            Operation::Commit { .. } => one(Outcome::Committed, view),
            Operation::Checkpoint { .. } if view == View::Mine => one(Outcome::Recorded, view),
            Operation::Checkpoint { .. } => one(Outcome::Lost, view),
            Operation::Sweep => vec![(Outcome::None, view), (Outcome::Swept, View::Absent)],
            Operation::FindAbandoned if view == View::Expired => one(Outcome::Found, View::Mine),
            Operation::FindAbandoned => one(Outcome::None, view),
            Operation::Load => vec![(Outcome::Applied, view), (Outcome::Absent, view)],
            Operation::Acquire => vec![(Outcome::Acquired, view), (Outcome::Busy, view)],
            Operation::RenewLock => vec![(Outcome::Renewed, view), (Outcome::Lost, view)],
            Operation::Unlock { .. } => vec![(Outcome::Released, view), (Outcome::Lost, view)],
            Operation::Ack => vec![(Outcome::Acked, view), (Outcome::Lost, view)],
            Operation::Nack => vec![(Outcome::Requeued, view), (Outcome::Lost, view)],
            Operation::Extend => vec![(Outcome::Extended, view), (Outcome::Lost, view)],
            Operation::NextRow { .. } => vec![(Outcome::Message, view), (Outcome::Empty, view)],
            Operation::Mark => vec![(Outcome::Marked, view), (Outcome::Lost, view)],
            // A message may take time to be sent, and rows come to an end.
            Operation::Publish => vec![],
            Operation::LeaseCheck => vec![(Outcome::Held, view), (Outcome::Expired, view)],
            // A call may take time, and a `wait` does.
            Operation::Call { .. } if self.times.latency_max != Some(0) => vec![],
            Operation::Call { .. } => vec![(Outcome::Ok, view), (Outcome::Error, view)],
            Operation::Query { .. } => {
                vec![(Outcome::Applied, view), (Outcome::Absent, view), (Outcome::Unknown, view)]
            }
            // A look, a guard and a person's answer can be anything, at once; a run that goes round them has
            // to have a `wait` in it.
            Operation::Observe { .. } => {
                vec![(Outcome::Converged, view), (Outcome::Diverged, view), (Outcome::Unknown, view)]
            }
            Operation::Admit => {
                let row = &self.table[at as usize];
                let mapped = |outcome: &Outcome| row.next[*outcome as usize] != Next::Nowhere;
                Outcome::ALL.into_iter().filter(mapped).map(|outcome| (outcome, view)).collect()
            }
            Operation::Report { .. } => one(Outcome::Done, view),
            Operation::Page => one(Outcome::Paged, view),
            Operation::Approve => vec![(Outcome::Approved, view), (Outcome::Denied, view)],
            Operation::Act | Operation::Undo => match self.act_min_least() {
                0 => vec![(Outcome::Ok, view), (Outcome::Error, view)],
                _ if self.acts_fail() => vec![(Outcome::Error, view)],
                _ => vec![],
            },
            Operation::Wait(_) => vec![],
        }
    }
}
