//! What is known of one key, small enough to judge millions.

use super::record::{Failure, Outcome, Replay, Request, Terms};
use super::rule::Rule;

/// A body, an answer or a fingerprint that was not told.
pub const NONE: u32 = u32::MAX;
/// Later than any moment that is told.
pub const NEVER: i64 = i64::MAX;

/// What a request means to the checker, by its outcome and the terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A final answer that says that the effect is there.
    Success,
    /// A final answer that says nothing of the effect: a recorded failure.
    Failure,
    InFlight,
    Mismatch,
    /// It failed, and the key was free by then.
    Released,
    /// It may have done anything, at any time after it was sent.
    Unknown,
}

impl Kind {
    /// None: it executes nothing, and says nothing of the key.
    pub fn new(outcome: Outcome, status: Option<u16>, terms: &Terms) -> Option<Kind> {
        Some(match (outcome, terms.failure) {
            (Outcome::Final, _) if status.is_some_and(|status| status >= 400) => Kind::Failure,
            (Outcome::Final, _) => Kind::Success,
            (Outcome::InFlight, _) => Kind::InFlight,
            (Outcome::Mismatch, _) => Kind::Mismatch,
            (Outcome::Failed, Failure::Replay) => Kind::Failure,
            (Outcome::Failed, Failure::Release) => Kind::Released,
            (Outcome::Failed, Failure::Hold) | (Outcome::Unknown, _) => Kind::Unknown,
            (Outcome::Unavailable, _) => return None,
        })
    }

    pub fn is_final(self) -> bool {
        matches!(self, Kind::Success | Kind::Failure)
    }
}

/// Whether an answer says that it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    Untold,
    New,
    Replayed,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// In nanoseconds, widened by what its clock may be off.
    pub start: i64,
    /// [`NEVER`] where it is unknown.
    pub end: i64,
    pub body: u32,
    /// What is compared of a final answer.
    pub answer: u32,
    pub kind: Kind,
    pub mark: Mark,
}

/// An effect that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub earliest: i64,
    pub latest: i64,
    pub body: u32,
}

/// A count of effects, at some moment of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub effects: u64,
    pub start: i64,
    pub end: i64,
}

/// All that is known of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyHistory {
    pub ops: Vec<Op>,
    pub effects: Vec<Seen>,
    pub counts: Vec<Counted>,
}

/// One of a key's records, by its place in [`KeyHistory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Party {
    Op(usize),
    Effect(usize),
    Count(usize),
}

/// Why a key's history is rejected, and the records that prove it: what is wrong first, then why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub rule: Rule,
    pub parties: Vec<Party>,
}

impl Fault {
    pub fn new(rule: Rule, parties: impl IntoIterator<Item = Party>) -> Fault {
        Fault { rule, parties: parties.into_iter().collect() }
    }
}

/// What the checker says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    Accepted,
    Rejected(Fault),
    /// Neither, and why not.
    Unknown(&'static str),
}

/// What of a final answer is compared with others, as text that is equal where the answers are.
pub(super) fn comparable(request: &Request, kind: Kind, terms: &Terms, into: &mut String) {
    use std::fmt::Write as _;
    into.clear();
    into.push_str(if kind == Kind::Success { "+" } else { "-" });
    let response = request.response.as_deref().unwrap_or_default();
    match terms.replay {
        Replay::Bytes => {
            // Writing to a string does not fail.
            let _ = write!(into, "{} {response}", request.status.unwrap_or(0));
        }
        Replay::Semantic => into.push_str(response),
        Replay::Latest => into.clear(),
    }
}

/// What the effects of a key come to, where it has one life only.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ledger {
    /// An effect is known to have happened.
    pub any: Option<Party>,
    /// The lower bound of its moment, and what says so.
    pub after: Option<(i64, Party)>,
    /// The upper one.
    pub before: Option<(i64, Party)>,
    /// What it executed.
    pub body: Option<(u32, usize)>,
}

impl KeyHistory {
    /// The bounds of the one effect; or the fault that there are several.
    pub(super) fn ledger(&self) -> Result<Ledger, Fault> {
        let mut ledger = Ledger::default();
        if self.effects.len() > 1 {
            return Err(Fault::new(Rule::SecondEffect, [Party::Effect(1), Party::Effect(0)]));
        }
        if let Some(seen) = self.effects.first() {
            let party = Party::Effect(0);
            ledger.any = Some(party);
            ledger.after = Some((seen.earliest, party));
            ledger.before = Some((seen.latest, party));
            ledger.body = (seen.body != NONE).then_some((seen.body, 0));
        }
        for (index, count) in self.counts.iter().enumerate() {
            let party = Party::Count(index);
            match count.effects {
                0 if ledger.after.is_none_or(|(at, _)| count.start > at) => {
                    ledger.after = Some((count.start, party));
                }
                0 => {}
                1 => {
                    ledger.any = ledger.any.or(Some(party));
                    if ledger.before.is_none_or(|(at, _)| count.end < at) {
                        ledger.before = Some((count.end, party));
                    }
                }
                _ => return Err(Fault::new(Rule::SecondEffect, [party])),
            }
        }
        Ok(ledger)
    }

    /// There was certainly no effect.
    pub(super) fn has_no_effect(&self, terms: &Terms) -> bool {
        terms.effects_recorded
            && self.effects.is_empty()
            && self.counts.iter().all(|count| count.effects == 0)
    }
}
