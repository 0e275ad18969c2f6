//! One operation of an attempt, on a real store: decide on what the key holds, write if it still holds it.
//!
//! The first guess saves a look: an insert takes the key for absent, an owner takes its claim for the one it
//! wrote. A wrong guess writes nothing and shows what is there, so the operation is one atomic step either
//! way: the swap that is done, or the look after which nothing is written.

use std::time::Duration;

use super::decide::{Decision, Me, Rules, decide};
use super::memory::Clock;
use super::{Entry, Expected, Key, Receipt, Seen, SharedStore, StoreError, Swap, Swapped, Write};
use crate::model::{Operation, Outcome};

/// A swap that finds the key changed is decided again at most this often: then the store is given up on.
pub const SWAPS_MAX: u32 = 64;

/// How a store that gives no answer is asked again.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// After the first time.
    pub times: u32,
    /// Before the first repeat; doubled before each further one.
    pub backoff: Duration,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { times: 3, backoff: Duration::from_millis(20) }
    }
}

/// An attempt's hold on its key.
pub struct Hold {
    store: SharedStore,
    pub key: Key,
    pub me: Me,
    rules: Rules,
    retry: Retry,
    /// My claim as I wrote it last.
    mine: Option<Receipt>,
    /// The receipt that was seen last.
    pub seen: Option<Receipt>,
    /// How often the store gave no answer.
    pub errors: u32,
    /// Only the claim with this token is gone on with, and what I make of it.
    only: Option<u64>,
    /// It is gone: nothing was done.
    pub gone: bool,
}

/// An effect in the same database, for a transaction.
#[derive(Clone, Debug)]
pub struct Local {
    pub entry: Entry,
    /// How many effects the attempt saw, where it counts on that.
    pub unchanged: Option<u64>,
}

impl Hold {
    pub fn new(store: SharedStore, key: Key, me: Me, rules: Rules, retry: Retry) -> Hold {
        Hold { store, key, me, rules, retry, mine: None, seen: None, errors: 0, only: None, gone: false }
    }

    /// The same for an attempt that takes up the claim with this token, and never makes a new one: an operation
    /// that finds the key without it is refused.
    pub fn taking_up(self, token: Option<u64>) -> Hold {
        Hold { only: token, ..self }
    }

    /// Does the operation. An answer that is lost is asked for again, where that can't do harm twice:
    /// the owner id in the claim tells an attempt what it did itself.
    ///
    /// # Errors
    /// The store gave no answer, or none that reads, as often as it was asked. A transaction whose outcome
    /// nobody knows is not repeated: the model says what to do then.
    pub async fn operate(
        &mut self,
        operation: &Operation,
        local: Option<&Local>,
        state_name: &(dyn Fn(usize) -> String + Sync),
    ) -> Result<Outcome, StoreError> {
        let commits = matches!(operation, Operation::Commit { .. });
        let mut guess = self.guess(operation);
        let mut backoff = self.retry.backoff;
        let mut tries = 0;
        loop {
            match self.once(operation, local, state_name, guess.take()).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => {
                    self.errors += 1;
                    if commits || !error.passes() || tries >= self.retry.times {
                        return Err(error);
                    }
                }
            }
            tries += 1;
            tokio::time::sleep(backoff).await;
            backoff = backoff.saturating_mul(2);
        }
    }

    /// What the key most likely holds, so that no look is needed.
    fn guess(&self, operation: &Operation) -> Option<Seen> {
        match operation {
            _ if self.only.is_some() => None,
            Operation::Insert { .. } | Operation::Acquire if self.mine.is_none() => {
                Some(Seen { receipt: None, now: 0 })
            }
            Operation::Record { .. }
            | Operation::Renew
            | Operation::Release { .. }
            | Operation::Checkpoint { .. }
            | Operation::RenewLock
            | Operation::Unlock { .. } => self.mine.is_some().then(|| self.as_left()),
            Operation::Commit { .. } => Some(self.as_left()),
            _ => None,
        }
    }

    /// My claim as I wrote it last; no receipt, where I wrote none.
    fn as_left(&self) -> Seen {
        Seen { receipt: self.mine.clone(), now: self.mine.as_ref().map_or(0, |mine| mine.claimed_at) }
    }

    async fn once(
        &mut self,
        operation: &Operation,
        local: Option<&Local>,
        state_name: &(dyn Fn(usize) -> String + Sync),
        guess: Option<Seen>,
    ) -> Result<Outcome, StoreError> {
        let mut me = self.me.clone();
        if let Some(local) = local {
            me.known = Some(local.entry.response.clone());
        }
        let mut guessed = guess.is_some();
        let mut seen = match guess {
            Some(guess) => guess,
            None => self.look().await?,
        };
        for _ in 0..SWAPS_MAX {
            if self.rules.client_clock {
                seen.now = Clock::System.now();
            }
            let there = |token| {
                let known = |receipt: &Receipt| receipt.token == token || receipt.owner == me.owner;
                seen.receipt.as_ref().is_some_and(known)
            };
            if self.only.is_some_and(|token| !there(token)) {
                self.gone = true;
                return Err(StoreError::Refused("the claim that was to be taken up is gone".to_owned()));
            }
            let decision = decide(operation, &me, &seen, &self.rules, state_name);
            let effect = local.filter(|_| decision.outcome == Outcome::Committed);
            if decision.write == Write::Nothing && effect.is_none() {
                if guessed {
                    // What is not written must be known.
                    guessed = false;
                    seen = self.look().await?;
                    continue;
                }
                return Ok(self.settle(&decision, seen.receipt));
            }
            let swap = self.swap(operation, &decision, &seen, effect);
            match self.store.swap(&swap).await? {
                Swapped::Done { seen: now, effect } => {
                    self.me.known = effect.map(|effect| effect.response).or(self.me.known.take());
                    return Ok(self.settle(&decision, now.receipt));
                }
                Swapped::Changed => {
                    self.me.owns = false;
                    return Ok(Outcome::Lost);
                }
                Swapped::Conflict(there) => {
                    guessed = false;
                    seen = there;
                }
            }
        }
        Err(StoreError::Aborted(format!("the key changed {SWAPS_MAX} times under one operation")))
    }

    async fn look(&self) -> Result<Seen, StoreError> {
        self.store.read(&self.key).await
    }

    fn swap(&self, operation: &Operation, decision: &Decision, seen: &Seen, local: Option<&Local>) -> Swap {
        // A blind write asks nothing, nor does a transaction that leaves the receipt alone.
        let blind = *operation == Operation::Write || decision.write == Write::Nothing;
        let expected = match &seen.receipt {
            _ if blind => Expected::Anything,
            None => Expected::Absent,
            Some(receipt) => Expected::Revision {
                revision: receipt.revision,
                alive: decision.alive && !self.rules.client_clock,
            },
        };
        let mut swap = Swap::new(self.key.clone(), expected, decision.write.clone());
        swap.effect = local.map(|local| local.entry.clone());
        swap.unchanged = local.and_then(|local| local.unchanged);
        swap
    }

    /// The operation is done: what it means for me.
    fn settle(&mut self, decision: &Decision, receipt: Option<Receipt>) -> Outcome {
        self.me.owns = decision.owns;
        let mine = receipt.as_ref().filter(|receipt| receipt.owner == self.me.owner);
        self.me.token = match mine {
            Some(mine) if decision.write != Write::Nothing => mine.token,
            _ => decision.token,
        };
        if let Some(learned) = &decision.learned {
            self.me.known = Some(learned.clone());
        }
        self.mine = mine.filter(|_| decision.owns).cloned();
        self.seen = receipt;
        decision.outcome
    }

    /// Takes up a claim that was found: what was asked, and what is known so far.
    pub fn adopt(&mut self, receipt: &Receipt) {
        self.me.fingerprint.clone_from(&receipt.fingerprint);
        self.me.request.clone_from(&receipt.request);
    }
}
