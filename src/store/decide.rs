//! What an operation does to the receipt it finds: the checker's store component, for one real receipt.
//!
//! Nothing here asks a store or a clock. At exactly the end of a lease or a TTL the checker allows both
//! readings; here it is over.

use super::{Draft, Millis, Owner, Receipt, Response, Seen, Stamp, Status, Write};
use crate::model::{Operation, Outcome, RecordAs, WriteKind};
use crate::policy::{Policy, TtlFrom};

/// What a policy says of its receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    pub lease: Option<Millis>,
    pub ttl: Option<Millis>,
    pub ttl_from: TtlFrom,
    /// Whether payloads are compared.
    pub compares: bool,
    /// Nothing expires by itself: there is a sweeper.
    pub swept: bool,
    /// Leases and TTLs are judged by the worker's clock.
    pub client_clock: bool,
}

impl Rules {
    /// Of a policy; `swept` where its model sweeps.
    pub fn new(policy: &Policy, swept: bool) -> Rules {
        let store = policy.store.clone().unwrap_or_default();
        Rules {
            lease: store.lease,
            ttl: store.ttl,
            ttl_from: store.ttl_from,
            compares: !policy.key.fingerprint.is_empty(),
            swept,
            client_clock: store.client_clock,
        }
    }
}

/// An attempt, as far as its receipt goes.
#[derive(Clone, Debug)]
pub struct Me {
    pub owner: Owner,
    pub fingerprint: Vec<u8>,
    /// What somebody else would need to go on with the operation.
    pub request: Vec<u8>,
    /// The token of my grant; 0: none.
    pub token: u64,
    /// I take the claim for mine.
    pub owns: bool,
    /// What I know of the result.
    pub known: Option<Response>,
}

/// What an operation comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub outcome: Outcome,
    pub write: Write,
    /// It counts on the receipt's TTL not having run out at the moment of writing.
    pub alive: bool,
    /// Whether I own the claim from now on.
    pub owns: bool,
    /// The token I have from now on, where nothing is granted; 0: none.
    pub token: u64,
    /// The recorded answer, where it was looked up.
    pub learned: Option<Response>,
}

/// What a look finds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Absent,
    /// There was one, and its TTL ran out.
    Gone,
    Claimed,
    /// A claim whose lease ran out.
    Expired,
    Final,
}

/// What the operation does to what was seen. `state_name` names the state of a recovery point.
///
/// Operations that do not concern a receipt come to nothing: [`Outcome::Unknown`], no write.
pub fn decide(
    operation: &Operation,
    me: &Me,
    seen: &Seen,
    rules: &Rules,
    state_name: &dyn Fn(usize) -> String,
) -> Decision {
    let look = Look { me, seen, rules, found: found(seen, rules) };
    match operation {
        Operation::Insert { recognise_own } => look.insert(*recognise_own),
        Operation::Read => look.read(),
        Operation::Write => look.done(Outcome::Written, look.claim()).granted(),
        Operation::TakeOver { recognise_own } => look.take_over(*recognise_own),
        Operation::Renew => look.renew(),
        Operation::Record { outcome, fenced, recognise_own } => {
            look.record(*outcome, *fenced, *recognise_own)
        }
        Operation::Release { fenced } => look.release(*fenced),
        Operation::Checkpoint { at } => look.checkpoint(state_name(*at)),
        Operation::Commit { writes, at, .. } => look.commit(writes, at.map(state_name)),
        Operation::FindAbandoned => look.find_abandoned(),
        Operation::Acquire => look.acquire(),
        Operation::RenewLock => look.renew(),
        Operation::Unlock { fenced } => look.release(*fenced),
        _ => look.nothing(Outcome::Unknown),
    }
}

fn found(seen: &Seen, rules: &Rules) -> Found {
    let Some(receipt) = &seen.receipt else { return Found::Absent };
    let over = |at: Option<Millis>| at.is_some_and(|at| at <= seen.now);
    if !rules.swept && over(receipt.expires_at) {
        Found::Gone
    } else if receipt.status != Status::InProgress {
        Found::Final
    } else if over(receipt.lease_until) {
        Found::Expired
    } else {
        Found::Claimed
    }
}

struct Look<'a> {
    me: &'a Me,
    seen: &'a Seen,
    rules: &'a Rules,
    found: Found,
}

impl Look<'_> {
    fn receipt(&self) -> Option<&Receipt> {
        self.seen.receipt.as_ref()
    }

    fn is_mine(&self) -> bool {
        self.receipt().is_some_and(|receipt| receipt.owner == self.me.owner)
    }

    fn there(&self) -> bool {
        !matches!(self.found, Found::Absent | Found::Gone)
    }

    fn claim_is_mine(&self) -> bool {
        self.is_mine() && matches!(self.found, Found::Claimed | Found::Expired)
    }

    /// Nothing is written, nothing changes for me.
    fn nothing(&self, outcome: Outcome) -> Decision {
        Decision {
            outcome,
            write: Write::Nothing,
            alive: false,
            owns: self.me.owns,
            token: self.me.token,
            learned: None,
        }
    }

    fn done(&self, outcome: Outcome, write: Write) -> Decision {
        let expires = self.receipt().is_some_and(|receipt| receipt.expires_at.is_some());
        let alive = self.there() && expires && !self.rules.swept && write != Write::Nothing;
        Decision { write, alive, ..self.nothing(outcome) }
    }

    fn lost(&self, outcome: Outcome) -> Decision {
        Decision { owns: false, ..self.nothing(outcome) }
    }

    fn claim_outcome(&self) -> Outcome {
        if self.found == Found::Expired { Outcome::Expired } else { Outcome::InProgress }
    }

    fn own(&self, outcome: Outcome) -> Decision {
        let token = self.receipt().map_or(self.me.token, |receipt| receipt.token);
        Decision { owns: true, token, ..self.nothing(outcome) }
    }

    fn stamp(&self, after: Option<Millis>) -> Stamp {
        match after {
            // `now` is the worker's own clock then.
            Some(after) if self.rules.client_clock => Stamp::At(self.seen.now.saturating_add(after)),
            after => Stamp::from_in(after),
        }
    }

    /// My claim, from nothing.
    fn claim(&self) -> Write {
        Write::Put(Box::new(Draft {
            status: Status::InProgress,
            owner: self.me.owner,
            token: None,
            fingerprint: self.me.fingerprint.clone(),
            checkpoint: None,
            response: None,
            request: self.me.request.clone(),
            lease: self.stamp(self.rules.lease),
            expiry: self.stamp(self.rules.ttl),
            claimed_at: None,
            swept: self.rules.swept,
        }))
    }

    /// The receipt that is there, to be changed.
    fn kept(&self, receipt: &Receipt) -> Draft {
        receipt.draft(self.rules.swept)
    }

    /// From when the TTL counts after a write that starts the receipt's clock anew, but not its life.
    fn expiry(&self, receipt: &Receipt) -> Stamp {
        match self.rules.ttl_from {
            TtlFrom::Claim => Stamp::from_at(receipt.expires_at),
            TtlFrom::Record => self.stamp(self.rules.ttl),
        }
    }

    fn insert(&self, recognise_own: bool) -> Decision {
        match self.found {
            Found::Absent | Found::Gone => self.done(Outcome::Inserted, self.claim()).granted(),
            Found::Claimed | Found::Expired if self.is_mine() => {
                if recognise_own {
                    self.own(Outcome::Inserted)
                } else {
                    self.nothing(self.claim_outcome())
                }
            }
            _ => self.look(),
        }
    }

    /// A look that found somebody's receipt, or one's own final one.
    fn look(&self) -> Decision {
        let Some(receipt) = self.receipt() else { return self.lost(Outcome::Absent) };
        let owns = self.me.owns && self.is_mine();
        if self.rules.compares && receipt.fingerprint != self.me.fingerprint {
            return Decision { owns, ..self.nothing(Outcome::Mismatch) };
        }
        let outcome = match receipt.status {
            Status::InProgress => self.claim_outcome(),
            Status::Succeeded => Outcome::Succeeded,
            Status::Failed => Outcome::Failed,
        };
        let learned = receipt.response.clone().filter(|_| self.found == Found::Final);
        Decision { owns, learned, ..self.nothing(outcome) }
    }

    fn read(&self) -> Decision {
        if self.there() { self.look() } else { self.lost(Outcome::Absent) }
    }

    /// The claim becomes mine, with what its last owner got done.
    fn seize(&self, receipt: &Receipt) -> Draft {
        Draft {
            owner: self.me.owner,
            token: None,
            fingerprint: self.me.fingerprint.clone(),
            lease: self.stamp(self.rules.lease),
            expiry: self.stamp(self.rules.ttl),
            claimed_at: None,
            ..self.kept(receipt)
        }
    }

    fn take_over(&self, recognise_own: bool) -> Decision {
        match self.receipt() {
            Some(_) if recognise_own && self.claim_is_mine() => self.own(Outcome::Taken),
            Some(receipt) if self.found == Found::Expired => {
                self.done(Outcome::Taken, Write::Put(Box::new(self.seize(receipt)))).granted()
            }
            _ => self.lost(Outcome::Lost),
        }
    }

    fn find_abandoned(&self) -> Decision {
        match self.receipt() {
            Some(receipt) if self.found == Found::Expired => {
                let draft = Draft { fingerprint: receipt.fingerprint.clone(), ..self.seize(receipt) };
                self.done(Outcome::Found, Write::Put(Box::new(draft))).granted()
            }
            _ => self.nothing(Outcome::None),
        }
    }

    fn renew(&self) -> Decision {
        match self.receipt() {
            Some(receipt) if self.claim_is_mine() => {
                let lease = self.stamp(self.rules.lease);
                let draft = Draft { lease, expiry: self.expiry(receipt), ..self.kept(receipt) };
                let decision = self.done(Outcome::Renewed, Write::Put(Box::new(draft)));
                Decision { owns: true, token: receipt.token, ..decision }
            }
            _ => self.lost(Outcome::Lost),
        }
    }

    fn record(&self, outcome: RecordAs, fenced: bool, recognise_own: bool) -> Decision {
        let mine = self.is_mine() && self.there();
        let already = mine && self.found == Found::Final;
        if already && recognise_own {
            self.lost(Outcome::Recorded)
        } else if fenced && (!mine || already) {
            self.lost(Outcome::Lost)
        } else {
            let decision = self.done(Outcome::Recorded, Write::Put(Box::new(self.final_receipt(outcome))));
            Decision { owns: false, ..decision }
        }
    }

    fn final_receipt(&self, outcome: RecordAs) -> Draft {
        let there = self.receipt().filter(|_| self.there());
        Draft {
            status: match outcome {
                RecordAs::Succeeded => Status::Succeeded,
                RecordAs::Failed => Status::Failed,
            },
            owner: self.me.owner,
            // A protocol without claims: the record is its first grant.
            token: Some(self.me.token).filter(|token| *token != 0),
            fingerprint: self.me.fingerprint.clone(),
            checkpoint: None,
            response: self.me.known.clone(),
            request: Vec::new(),
            lease: Stamp::Never,
            expiry: there.map_or_else(|| self.stamp(self.rules.ttl), |receipt| self.expiry(receipt)),
            claimed_at: there.map(|receipt| receipt.claimed_at),
            swept: self.rules.swept,
        }
    }

    fn release(&self, fenced: bool) -> Decision {
        if fenced && !self.claim_is_mine() {
            return self.lost(Outcome::Lost);
        }
        let write = if self.there() { Write::Delete } else { Write::Nothing };
        Decision { owns: false, ..self.done(Outcome::Released, write) }
    }

    fn checkpoint(&self, at: String) -> Decision {
        match self.receipt() {
            Some(receipt) if self.claim_is_mine() => {
                self.done(Outcome::Recorded, Write::Put(Box::new(self.recovery_point(receipt, at))))
            }
            _ => self.lost(Outcome::Lost),
        }
    }

    fn recovery_point(&self, receipt: &Receipt, at: String) -> Draft {
        Draft { checkpoint: Some(at), response: self.me.known.clone(), ..self.kept(receipt) }
    }

    /// The receipt's part of a transaction; the effect is the caller's to add.
    fn commit(&self, writes: &[WriteKind], at: Option<String>) -> Decision {
        let with_receipt = writes.contains(&WriteKind::Receipt);
        let claimed = self.receipt().filter(|_| self.claim_is_mine());
        let free = !self.there() || self.claim_is_mine();
        if with_receipt && !free || at.is_some() && claimed.is_none() {
            return self.lost(Outcome::Lost);
        }
        let write = match (with_receipt, at, claimed) {
            (true, _, _) => Write::Put(Box::new(self.final_receipt(RecordAs::Succeeded))),
            (false, Some(at), Some(receipt)) => Write::Put(Box::new(self.recovery_point(receipt, at))),
            _ => Write::Nothing,
        };
        let keeps = !with_receipt && matches!(write, Write::Put(_));
        Decision { owns: keeps && self.me.owns, ..self.done(Outcome::Committed, write) }
    }

    /// A lock is a receipt that is never final: free, or claimed until its lease ends.
    fn acquire(&self) -> Decision {
        match self.found {
            Found::Claimed if self.is_mine() => self.own(Outcome::Acquired),
            Found::Claimed => self.lost(Outcome::Busy),
            _ => self.done(Outcome::Acquired, self.claim()).granted(),
        }
    }
}

impl Decision {
    /// The write is a grant: its token is known once it is done.
    fn granted(mut self) -> Decision {
        self.owns = true;
        self.token = 0;
        self
    }
}
