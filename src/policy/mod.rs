//! A policy: which model, and the promises of its surroundings, checked.
//!
//! All durations are milliseconds. `None` is an undeclared bound: unbounded.

pub mod check;
pub mod composed;
pub mod declared;
pub mod draft;
pub mod endpoint;
pub mod http;
pub mod keys;
pub mod load;
pub mod presets;
pub mod read;
pub mod remedy;
mod rules;
pub mod schema;
pub mod simulate;
pub mod templates;

pub use endpoint::{Effects, Headers, Load, Other, Values};
pub use http::{FieldSource, Http};
pub use load::{Loaded, LoadedPolicy, load, load_texts};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::check::{property::Property, verdict::Verdict};
use crate::model::Protocol;
use crate::source::Span;
use remedy::Remedy;
use simulate::Simulate;

/// A policy file that passed every check that needs no model, and those that do.
#[derive(Clone, Debug)]
pub struct Policy {
    pub name: String,
    pub summary: String,
    /// As the user named it.
    pub path: PathBuf,
    /// The text of `model`: a shipped name, a name from `--models`, or a path relative to the file.
    pub model: String,
    pub operation: LogicalOperation,
    pub key: Key,
    pub trigger: Trigger,
    /// None where the model does no store operation and the policy has no `[store]`.
    pub store: Option<Store>,
    /// None where the model makes no call and the policy has no `[downstream]`.
    pub downstream: Option<Downstream>,
    /// `[queue]`, or its defaults, where the trigger is a queue.
    pub queue: Option<Queue>,
    /// None where the model takes no lock.
    pub lock: Option<Lock>,
    /// `[outbox] dedup`: a copy published within this time is dropped. None: never.
    pub outbox_dedup: Option<i64>,
    /// `[http]`, or its defaults.
    pub http: Http,
    /// `[load]`.
    pub load: Option<Load>,
    /// `[simulate]`.
    pub simulate: Simulate,
    /// One for each of the model's roles, in its order.
    pub roles: Vec<RoleScope>,
    /// None where the model touches no target.
    pub remedy: Option<Remedy>,
    /// Choice name to option name; every choice of the model is here.
    pub choices: BTreeMap<String, String>,
    /// Wait name to milliseconds; every named wait of the model is here.
    pub waits: BTreeMap<String, i64>,
    pub faults: Faults,
    pub expect: BTreeMap<Property, Verdict>,
    pub waivers: Vec<Waiver>,
    /// Lints that are known and accepted, by name, each with the reason.
    pub silenced: BTreeMap<String, String>,
    /// Of a `[system]`: the policies that are checked together. Empty for a policy on its own.
    pub members: Vec<(Policy, Arc<Protocol>)>,
}

/// `[operation]`.
#[derive(Clone, Debug)]
pub struct LogicalOperation {
    pub effect: Effect,
    /// What makes two requests the same logical operation.
    pub identity: Vec<String>,
    /// Fields that are the same on every attempt of an operation though not part of its identity.
    pub stable: Vec<String>,
    pub severity: Option<String>,
}

/// What the effect does when it is applied again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Absolute: applying it again changes nothing.
    Set,
    Delta,
    Create,
    /// By id: applying it again changes nothing.
    Delete,
    Restart,
    Toggle,
    Notify,
}

impl Effect {
    /// A second application leaves the world as the first one did.
    pub fn naturally_idempotent(self) -> bool {
        matches!(self, Effect::Set | Effect::Delete)
    }
}

/// `[key]`.
#[derive(Clone, Debug)]
pub struct Key {
    /// `from`: the fields the key is computed from.
    pub from: Vec<String>,
    /// Whether the payload is compared (`fingerprint` is not empty).
    pub fingerprint: Vec<String>,
    pub supplied_by: SuppliedBy,
    pub replay: Replay,
}

/// What the contract promises of a second final answer under one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replay {
    /// The recorded one, to the byte.
    #[default]
    Bytes,
    /// The same outcome and payload.
    Semantic,
    /// The outcome of the newest effect.
    Latest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuppliedBy {
    Client,
    Server,
    /// `"none"`: no key travels with the request; every attempt is on its own.
    Nobody,
}

impl Policy {
    /// Fields of the key that may differ between two attempts of one operation: they split it.
    /// A field is known to be the same when it is in `identity` or declared in `stable`.
    pub fn splitting_fields(&self) -> Vec<&str> {
        let known =
            |field: &String| self.operation.identity.contains(field) || self.operation.stable.contains(field);
        self.key.from.iter().filter(|field| !known(field)).map(String::as_str).collect()
    }

    /// Identity fields that the key leaves out: operations that differ only there are merged.
    pub fn merging_fields(&self) -> Vec<&str> {
        let missing = |field: &&String| !self.key.from.contains(field);
        self.operation.identity.iter().filter(missing).map(String::as_str).collect()
    }
}

/// `[trigger]`. With kind `queue` a request is a message, an attempt a delivery.
#[derive(Clone, Debug)]
pub struct Trigger {
    pub kind: TriggerKind,
    /// Simultaneous requests under one key, at least 1.
    pub requests: u32,
    /// Further requests: same key, other payload.
    pub conflicting: u32,
    /// Attempts after the first, per request.
    pub retries: u32,
    /// The client's: it gives up on an attempt exactly then. None: at any moment.
    pub timeout: Option<i64>,
    /// At least this long between giving up (or a retryable answer) and the next attempt.
    pub backoff: Option<i64>,
    /// No attempt is sent later than this after the operation's first one.
    pub within: Option<i64>,
    /// From the start of a run to the next one, of a loop from the end of the last one; at least.
    pub every: i64,
    /// A run begins at the latest this long after it is due. None: at any later moment.
    pub delay: Option<i64>,
    /// An alert fires again after this time. None: once per fault.
    pub repeat: Option<i64>,
    /// Who sends an alert, each on its own.
    pub notifiers: u32,
    /// Runs under way at the same time, at most.
    pub overlapping: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TriggerKind {
    #[default]
    Http,
    Queue,
    /// Fires while the target looks faulty; runs may overlap.
    Alert,
    /// Begins a run again and again; runs may overlap.
    Schedule,
    /// Level-triggered: one run after the other.
    Loop,
}

impl TriggerKind {
    /// It begins runs again and again, and nobody waits for their answers.
    pub fn is_endless(self) -> bool {
        matches!(self, TriggerKind::Alert | TriggerKind::Schedule | TriggerKind::Loop)
    }
}

/// `[queue]`.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// A message that is not acknowledged comes again after this long. None: at any moment.
    pub visibility: Option<i64>,
    /// A message published again within this time is dropped. None: never.
    pub dedup: Option<i64>,
    /// The broker may deliver a message twice for no reason of ours.
    pub duplicates: bool,
    /// How often the message is taken back from the dead letters.
    pub redrives: u32,
    /// The broker sees a consumer's connection break, and delivers again at once.
    pub notices: bool,
}

/// `[lock]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// None: it never ends by itself.
    pub lease: Option<i64>,
    pub session: bool,
    pub per_process: bool,
    pub dead_grants: bool,
    pub pooled: bool,
    /// Each member of a fleet has one of its own; else there is one for all.
    pub per_target: bool,
}

impl Lock {
    /// The keys in which another description says something else.
    pub fn unlike(&self, other: &Lock) -> Vec<&'static str> {
        let Lock { lease, session, per_process, dead_grants, pooled, per_target } = self;
        let keys = [
            ("lease", *lease == other.lease),
            ("session", *session == other.session),
            ("per_process", *per_process == other.per_process),
            ("dead_grants", *dead_grants == other.dead_grants),
            ("pooled", *pooled == other.pooled),
            ("per", *per_target == other.per_target),
        ];
        keys.into_iter().filter_map(|(key, same)| (!same).then_some(key)).collect()
    }
}

/// `[role.NAME]`: how much of a role is explored.
#[derive(Clone, Copy, Debug)]
pub struct RoleScope {
    pub replicas: u32,
    pub runs: u32,
    /// From the start of a run to the start of the next, at least.
    pub every: i64,
}

/// `[store]`.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// `memory`, `sqlite`, `postgres`…: the preset; what it can do is said by the other keys.
    pub kind: String,
    /// A claim older than this reads as `expired`. None: a claim never expires by itself.
    pub lease: Option<i64>,
    /// A receipt older than this is gone. None: kept.
    pub ttl: Option<i64>,
    /// From when its age counts.
    pub ttl_from: TtlFrom,
    /// An expired receipt may still be seen this much longer.
    pub ttl_lag: i64,
    pub loses_writes: bool,
    pub stale_reads: bool,
    /// How far a replica can lag. None: any time.
    pub staleness: Option<i64>,
    /// Insert and take-over are decided on the newest state.
    pub conditional: bool,
    pub per_process: bool,
    /// Leases and TTLs are judged by the worker's clock.
    pub client_clock: bool,
}

/// What a receipt's TTL counts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TtlFrom {
    /// The claim (insert, write or takeover). The cautious default.
    #[default]
    Claim,
    /// The record, which starts it anew; a claim that is not recorded counts from itself.
    Record,
}

/// `[downstream]`.
#[derive(Clone, Debug)]
pub struct Downstream {
    /// A call that answers does so after at least this long.
    pub latency_min: i64,
    /// And at most this long. None: any time later.
    pub latency_max: Option<i64>,
    /// The caller's. None: it waits for ever.
    pub timeout: Option<i64>,
    /// A timed-out call may still take effect this long after its timeout. None: at any later moment.
    pub late: Option<i64>,
    pub native_key: Option<NativeKey>,
    /// The effect can be looked up.
    pub query: bool,
    /// The resource refuses a token lower than the highest it has seen.
    pub fencing: bool,
    pub errors: Errors,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeKey {
    /// The downstream forgets a key this long after its first use, or later. None: never forgets.
    pub ttl: Option<i64>,
    /// Whether the downstream refuses a known key that comes with another payload. None: it may,
    /// or it may give the first result again.
    pub compares: Option<bool>,
}

/// What an error answer of the downstream says about the effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// The downstream never answers with an error.
    Never,
    /// An error means that the effect did not happen and never will.
    Definite,
    /// An error may come after the effect. The cautious default.
    Ambiguous,
}

/// `[faults]`: the adversary's budget.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Default 1.
    pub crashes: u32,
    /// Whether a crashed attempt may be run again from its start, by a supervisor or a proxy. Default false.
    pub restart: bool,
    /// Requests that never reach the service. Default 0.
    pub lost_requests: u32,
    /// Answers that never reach the client. Default 1.
    pub lost_responses: u32,
    /// Store writes that happen though the caller sees an error and repeats them. Default 0.
    pub ambiguous_acks: u32,
    /// Transactions that the store rolls back (deadlock, serialization failure). Default 0.
    pub aborts: u32,
    /// Failovers that lose the store's last writes. Default 0.
    pub failovers: u32,
    /// Operations that find the store or the lock out of reach. Default 0.
    pub store_errors: u32,
    /// Locks taken from their holder. Default 0.
    pub lock_losses: u32,
    /// Requests that the network delivers twice. Default 0.
    pub duplicate_requests: u32,
    /// Requests that arrive late. Default 0.
    pub late_requests: u32,
    /// Messages delivered again for no reason of ours. Default 0.
    pub redeliveries: u32,
    /// How much a worker's clock may differ from the store's. Default 0.
    pub clock_skew: i64,
    /// Longest stall between two steps of a worker. None: it may stall for ever.
    pub pause: Option<i64>,
}

impl Faults {
    /// The greater budget of each kind, and the longer stall.
    pub fn most(self, other: &Faults) -> Faults {
        Faults {
            crashes: self.crashes.max(other.crashes),
            restart: self.restart || other.restart,
            lost_requests: self.lost_requests.max(other.lost_requests),
            lost_responses: self.lost_responses.max(other.lost_responses),
            ambiguous_acks: self.ambiguous_acks.max(other.ambiguous_acks),
            aborts: self.aborts.max(other.aborts),
            failovers: self.failovers.max(other.failovers),
            store_errors: self.store_errors.max(other.store_errors),
            lock_losses: self.lock_losses.max(other.lock_losses),
            duplicate_requests: self.duplicate_requests.max(other.duplicate_requests),
            late_requests: self.late_requests.max(other.late_requests),
            redeliveries: self.redeliveries.max(other.redeliveries),
            clock_skew: self.clock_skew.max(other.clock_skew),
            pause: self.pause.zip(other.pause).map(|(a, b)| a.max(b)),
        }
    }
}

/// `[[waiver]]`: a reviewed override.
#[derive(Clone, Debug)]
pub struct Waiver {
    pub property: Property,
    pub reason: String,
    /// `YYYY-MM-DD`; the waiver holds up to and including this day.
    pub until: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where it is followed up.
    pub ticket: Option<String>,
    pub span: Span,
}

impl Waiver {
    /// Whether the waiver's last day is before `today`, as `YYYY-MM-DD`.
    pub fn is_expired(&self, today: &str) -> bool {
        self.until.as_str() < today
    }
}

impl Effect {
    /// The words of `effect`, in the order of the variants.
    pub const NAMES: [&str; 7] = ["set", "delta", "create", "delete", "restart", "toggle", "notify"];

    pub fn name(self) -> &'static str {
        Effect::NAMES[self as usize]
    }

    pub fn from_name(name: &str) -> Option<Effect> {
        let all = [
            Effect::Set,
            Effect::Delta,
            Effect::Create,
            Effect::Delete,
            Effect::Restart,
            Effect::Toggle,
            Effect::Notify,
        ];
        all.into_iter().find(|effect| effect.name() == name)
    }
}

impl SuppliedBy {
    pub fn name(self) -> &'static str {
        match self {
            SuppliedBy::Client => "client",
            SuppliedBy::Server => "server",
            SuppliedBy::Nobody => "none",
        }
    }
}

impl Errors {
    pub fn name(self) -> &'static str {
        match self {
            Errors::Never => "never",
            Errors::Definite => "definite",
            Errors::Ambiguous => "ambiguous",
        }
    }
}
