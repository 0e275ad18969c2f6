//! Receipts on real stores: what the checker's store component does, on memory, SQLite, PostgreSQL, Redis or,
//! in builds that have it, DynamoDB.
//!
//! A store knows nothing of protocols. It keeps a receipt per key and does two things in one atomic step
//! each: `read`, and `swap`, which writes only if the receipt is still the one that was seen. What to write
//! is decided in one place for all of them, [`decide`]; [`operation`] puts the two together. Time is the
//! store's own clock, where it has one ([`Store::keeps_time`]), in milliseconds since the Unix epoch.

pub mod decide;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod memory;
pub mod operation;
pub mod postgres;
pub mod redis;
mod row;
pub mod sqlite;
pub mod url;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch.
pub type Millis = i64;

/// A key is no longer than this, in bytes: what an index of PostgreSQL takes, with room to spare.
pub const KEY_BYTES_MAX: usize = 2048;

/// No time from now is longer than this (142,000 years), so that sums of moments are exact everywhere.
const FAR: Millis = 1 << 52;

/// What a store promises to answer.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A receipt's name: a JSON list of texts, so that no two lists of attributes read the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// The key of these parts: the policy, the attributes of its scope, what the client sent.
    pub fn new<S: AsRef<str>>(parts: &[S]) -> Key {
        let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        Key(serde_json::to_string(&parts).unwrap_or_default())
    }

    /// A key as a store gave it back.
    pub fn from_stored(text: String) -> Key {
        Key(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the texts of a policy's keys begin with, and no other policy's.
    pub fn beginning(policy: &str) -> String {
        let mut text = serde_json::to_string(&[policy]).unwrap_or_default();
        // What follows its name is a comma or the end.
        text.pop();
        text
    }

    /// The parts it was made of; none where the text is not a key.
    pub fn parts(&self) -> Option<Vec<String>> {
        serde_json::from_str(&self.0).ok()
    }

    /// Whether a store can keep it.
    ///
    /// # Errors
    /// It is too long.
    pub fn fits(&self) -> Result<(), StoreError> {
        if self.0.len() <= KEY_BYTES_MAX {
            return Ok(());
        }
        Err(StoreError::Refused(format!("a key of {} bytes; the longest has {KEY_BYTES_MAX}", self.0.len())))
    }

    /// What logs say in its place: twelve hexadecimal digits of its SHA-256.
    pub fn hash(&self) -> String {
        use sha2::{Digest, Sha256};
        hex(&Sha256::digest(self.0.as_bytes())[..6])
    }
}

/// Who holds a claim: drawn at random for each attempt, so that an attempt whose acknowledgement was lost
/// recognises its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner([u8; 16]);

impl Owner {
    /// # Errors
    /// The system has no randomness to give.
    pub fn random() -> Result<Owner, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Owner(bytes))
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Owner {
        Owner(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({self})")
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    InProgress,
    Succeeded,
    Failed,
}

impl Status {
    pub const ALL: [Status; 3] = [Status::InProgress, Status::Succeeded, Status::Failed];

    pub fn name(self) -> &'static str {
        match self {
            Status::InProgress => "in_progress",
            Status::Succeeded => "succeeded",
            Status::Failed => "failed",
        }
    }

    pub fn from_name(name: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A recorded answer: what is replayed, to the byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    pub status: u16,
    /// In their order; values are bytes, as HTTP has it.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The same with the number of its effect in its place.
    pub fn numbered(&self, effect: u64) -> Response {
        const PLACE: &[u8] = b"{effect}";
        let mut response = self.clone();
        if let Some(start) = response.body.windows(PLACE.len()).position(|part| part == PLACE) {
            response.body.splice(start..start + PLACE.len(), effect.to_string().into_bytes());
        }
        response
    }
}

/// What is known of an operation, under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub status: Status,
    pub owner: Owner,
    /// Rises with every grant, over all keys of a store that keeps time itself, and under each key of any.
    pub token: u64,
    /// Another one after every write of the key, never the same again.
    pub revision: u64,
    /// Of the payload the key was first used with.
    pub fingerprint: Vec<u8>,
    /// The state where `resume` goes on.
    pub checkpoint: Option<String>,
    /// Of a final receipt, and what a checkpoint knows so far.
    pub response: Option<Response>,
    /// What was asked, so that another worker can go on with it; empty once the receipt is final.
    pub request: Vec<u8>,
    /// From then on another attempt may take the claim over. None: never.
    pub lease_until: Option<Millis>,
    /// From then on the receipt is gone. None: kept.
    pub expires_at: Option<Millis>,
    /// When the key was claimed last.
    pub claimed_at: Millis,
}

impl Receipt {
    /// As it is, to be written again; `swept` as in [`Draft::swept`].
    pub fn draft(&self, swept: bool) -> Draft {
        Draft {
            status: self.status,
            owner: self.owner,
            token: Some(self.token),
            fingerprint: self.fingerprint.clone(),
            checkpoint: self.checkpoint.clone(),
            response: self.response.clone(),
            request: self.request.clone(),
            lease: Stamp::from_at(self.lease_until),
            expiry: Stamp::from_at(self.expires_at),
            claimed_at: Some(self.claimed_at),
            swept,
        }
    }
}

/// A look at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub receipt: Option<Receipt>,
    /// The store's clock at that moment; the caller's, where the store keeps no time.
    pub now: Millis,
}

/// When something ends, by the clock of the store at the moment of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    Never,
    At(Millis),
    In(Millis),
}

impl Stamp {
    pub fn from_at(at: Option<Millis>) -> Stamp {
        at.map_or(Stamp::Never, Stamp::At)
    }

    pub fn from_in(after: Option<Millis>) -> Stamp {
        after.map_or(Stamp::Never, Stamp::In)
    }

    /// The moment, for a store that knows its clock.
    pub fn at(self, now: Millis) -> Option<Millis> {
        let (at, after) = self.halves();
        at.or_else(|| after.map(|after| now.saturating_add(after)))
    }

    /// The two halves that a statement can add up: a moment, and a time from now.
    pub fn halves(self) -> (Option<Millis>, Option<Millis>) {
        match self {
            Stamp::Never => (None, None),
            Stamp::At(at) => (Some(at.clamp(-2 * FAR, 2 * FAR)), None),
            Stamp::In(after) => (None, Some(after.clamp(-FAR, FAR))),
        }
    }
}

/// A receipt to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub status: Status,
    pub owner: Owner,
    /// None: the next token, a new grant.
    pub token: Option<u64>,
    pub fingerprint: Vec<u8>,
    pub checkpoint: Option<String>,
    pub response: Option<Response>,
    pub request: Vec<u8>,
    pub lease: Stamp,
    pub expiry: Stamp,
    /// None: now.
    pub claimed_at: Option<Millis>,
    /// Over its TTL it stays, and is seen, until somebody sweeps it.
    pub swept: bool,
}

impl Draft {
    /// The same with the number of the effect that is written with it.
    pub fn numbered(&self, effect: u64) -> Draft {
        let response = self.response.as_ref().map(|response| response.numbered(effect));
        Draft { response, ..self.clone() }
    }

    /// The receipt that this becomes, with the number of its write.
    pub fn receipt(&self, granted: u64, now: Millis) -> Receipt {
        Receipt {
            status: self.status,
            owner: self.owner,
            token: self.token.unwrap_or(granted),
            revision: granted,
            fingerprint: self.fingerprint.clone(),
            checkpoint: self.checkpoint.clone(),
            response: self.response.clone(),
            request: self.request.clone(),
            lease_until: self.lease.at(now),
            expires_at: self.expiry.at(now),
            claimed_at: self.claimed_at.unwrap_or(now),
        }
    }
}

/// What the key must hold for a [`Swap`] to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Absent,
    Revision {
        revision: u64,
        /// And its TTL has not run out.
        alive: bool,
    },
    /// Nothing is asked of the receipt.
    Anything,
}

impl Expected {
    /// Whether it is there.
    pub fn met(self, receipt: Option<&Receipt>, now: Millis) -> bool {
        match self {
            Expected::Anything => true,
            Expected::Absent => receipt.is_none(),
            Expected::Revision { revision, alive } => receipt.is_some_and(|receipt| {
                let over = receipt.expires_at.is_some_and(|at| at <= now);
                receipt.revision == revision && !(alive && over)
            }),
        }
    }
}

/// A write that is done whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    pub key: Key,
    pub expected: Expected,
    pub write: Write,
    /// An effect in the service's own database, in the same transaction.
    pub effect: Option<Entry>,
    /// Only while this many effects are in the ledger under the effect's operation.
    pub unchanged: Option<u64>,
    /// Kept in the audit table, in the same transaction.
    pub audit: Option<Audit>,
}

impl Swap {
    pub fn new(key: Key, expected: Expected, write: Write) -> Swap {
        Swap { key, expected, write, effect: None, unchanged: None, audit: None }
    }

    /// Whether a store can keep its keys.
    ///
    /// # Errors
    /// One is too long.
    pub fn fits(&self) -> Result<(), StoreError> {
        self.key.fits()?;
        self.effect.as_ref().map_or(Ok(()), |entry| entry.operation.fits())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    Put(Box<Draft>),
    Delete,
    /// The receipt stays as it is.
    Nothing,
}

/// What became of a swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// Written; what the key holds now, and the effect as the ledger has it.
    Done { seen: Seen, effect: Option<Effect> },
    /// The key holds something else; nothing was written.
    Conflict(Seen),
    /// The ledger has grown; nothing was written.
    Changed,
}

/// An effect, for the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The logical operation whose effect it is.
    pub operation: Key,
    pub fingerprint: Vec<u8>,
    /// The grant under which it was asked for; 0: none.
    pub token: u64,
    /// What the caller hears of it; the first `{effect}` in the body stands for its number.
    pub response: Response,
}

impl Entry {
    /// The row that this becomes.
    pub fn effect(&self, number: u64, at: Millis) -> Effect {
        Effect {
            number,
            fingerprint: self.fingerprint.clone(),
            token: self.token,
            response: self.response.numbered(number),
            at,
        }
    }
}

/// A call of the ledger, when that is the downstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerCall {
    pub entry: Entry,
    /// The idempotency key that the downstream is given.
    pub native: Option<Native>,
    /// A token lower than the highest seen under the operation is refused.
    pub fencing: bool,
}

impl LedgerCall {
    /// Whether a store can keep its keys.
    ///
    /// # Errors
    /// One is too long.
    pub fn fits(&self) -> Result<(), StoreError> {
        self.entry.operation.fits()?;
        self.native.as_ref().map_or(Ok(()), |native| native.key.fits())
    }
}

/// A key that the downstream deduplicates by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Native {
    pub key: Key,
    /// Forgotten this long after its first use. None: never.
    pub ttl: Option<Millis>,
    /// A known key that comes with another payload is refused.
    pub compares: bool,
}

impl Native {
    /// Whether a key that was used first then is known still.
    pub fn remembers(&self, first: Millis, now: Millis) -> bool {
        self.ttl.is_none_or(|ttl| now < first.saturating_add(ttl))
    }

    /// What a call under a known key comes to: the first effect's answer, or no.
    pub fn known(&self, entry: &Entry, effect: Effect) -> Landing {
        if self.compares && effect.fingerprint != entry.fingerprint {
            Landing::Refused
        } else {
            Landing::Deduplicated(effect)
        }
    }
}

/// How a call of the ledger was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landing {
    Applied(Effect),
    /// The native key is known: the first effect's answer again.
    Deduplicated(Effect),
    /// An older token than one that was seen, or a known key with another payload.
    Refused,
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Rises over all effects of the store.
    pub number: u64,
    pub fingerprint: Vec<u8>,
    pub token: u64,
    pub response: Response,
    pub at: Millis,
}

/// What an operator did to a key, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// `release`, `reconcile`, `rebind`.
    pub action: String,
    pub reason: String,
    /// Who says so.
    pub by: String,
    /// The receipt as it was, for people.
    pub before: String,
}

/// A row of the audit table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    pub key: Key,
    pub at: Millis,
    pub audit: Audit,
}

/// Which receipts a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    /// Claims that are not final.
    InProgress,
    /// Claims whose lease ran out.
    Abandoned,
}

/// A page of a list: keys in the store's order, each with its receipt or why it can't be read.
#[derive(Debug)]
pub struct Listed {
    pub receipts: Vec<(Key, Result<Receipt, StoreError>)>,
    pub now: Millis,
}

/// Why a store gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// It was not done: the store could not be reached.
    Unreachable(String),
    /// It may have been done: the connection broke, or the answer took too long.
    Unknown(String),
    /// It was rolled back, and may be tried again: a deadlock, say.
    Aborted(String),
    /// The row of this key does not read as a receipt.
    Corrupt(String),
    /// The store refused it: a setting, a right, a full disk.
    Refused(String),
}

impl StoreError {
    /// A second try may go better.
    pub fn passes(&self) -> bool {
        matches!(self, StoreError::Unreachable(_) | StoreError::Unknown(_) | StoreError::Aborted(_))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Unreachable(what) => write!(f, "the store could not be reached: {what}"),
            StoreError::Unknown(what) => write!(f, "the store did not say whether it was done: {what}"),
            StoreError::Aborted(what) => write!(f, "the store rolled it back: {what}"),
            StoreError::Corrupt(what) => write!(f, "the stored receipt can't be read: {what}"),
            StoreError::Refused(what) => write!(f, "the store refused: {what}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// A place for receipts. Each method is one atomic step.
///
/// A swap with an effect writes the effect's number into the receipt's response, too ([`Draft::numbered`]).
pub trait Store: Send + Sync {
    /// The receipt of a key, newest state.
    fn read<'a>(&'a self, key: &'a Key) -> Answer<'a, Seen>;

    /// Writes if the key holds what is expected.
    fn swap<'a>(&'a self, swap: &'a Swap) -> Answer<'a, Swapped>;

    /// A call of the ledger: the effect happens, or not, as its keys and tokens say.
    fn land<'a>(&'a self, call: &'a LedgerCall) -> Answer<'a, Landing>;

    /// Shows the ledger a fencing token, without an effect: lower ones are refused from then on.
    fn fence<'a>(&'a self, operation: &'a Key, token: u64) -> Answer<'a, ()>;

    /// The effects of an operation, oldest first.
    fn effects<'a>(&'a self, operation: &'a Key) -> Answer<'a, Vec<Effect>>;

    /// All effects in the ledger.
    fn counted(&self) -> Answer<'_, u64>;

    /// Receipts after a key, in the store's own order, at most `limit`: that of the keys, but in DynamoDB.
    fn list<'a>(&'a self, which: Which, after: Option<&'a Key>, limit: u32) -> Answer<'a, Listed>;

    /// Deletes receipts whose TTL ran out, at most `limit`; how many. `of`: only those of this policy, as others
    /// may share the store and count on a sweeper of their own.
    fn sweep<'a>(&'a self, of: Option<&'a str>, limit: u32) -> Answer<'a, u64>;

    /// What operators did, newest first, at most `limit`.
    fn audited(&self, limit: u32) -> Answer<'_, Vec<Audited>>;

    /// Whether the store answers.
    fn check(&self) -> Answer<'_, ()>;

    /// It takes away by itself what is over its TTL, and a look at all receipts costs as much as reading them.
    fn is_for_lookups(&self) -> bool {
        false
    }

    /// Time is the store's own: one clock for all who ask. False: it is that of whoever asks.
    fn keeps_time(&self) -> bool {
        true
    }

    /// Bytes of one receipt that are left for what was asked and what was answered, together.
    fn room(&self) -> usize {
        usize::MAX
    }
}

/// Why a store with tables of a later version is not opened.
fn newer_schema(found: i64, ours: i64) -> StoreError {
    StoreError::Refused(format!(
        "its tables are of version {found}, made by a later idemcheck; this one knows version {ours}: \
         use the later one, or a database of its own"
    ))
}

/// A list, page by page: no more than one is held.
pub struct Pages<'a> {
    store: &'a dyn Store,
    which: Which,
    size: u32,
    after: Option<Key>,
    over: bool,
}

impl<'a> Pages<'a> {
    /// `size`: receipts of one page.
    pub fn new(store: &'a dyn Store, which: Which, size: u32) -> Pages<'a> {
        Pages { store, which, size, after: None, over: false }
    }

    /// None after the last one.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn next(&mut self) -> Result<Option<Listed>, StoreError> {
        if self.over {
            return Ok(None);
        }
        let page = self.store.list(self.which, self.after.as_ref(), self.size).await?;
        self.over = page.receipts.len() < self.size as usize;
        self.after = page.receipts.last().map(|(key, _)| key.clone());
        Ok(Some(page))
    }
}

/// A store that many attempts share.
pub type SharedStore = Arc<dyn Store>;
