//! A policy as written: typed and with its places, not yet held against its model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::endpoint::Load;
use super::http::Http;
use super::remedy::{Action, GuardRule, Human, Target};
use super::simulate::Simulate;
use super::{
    Effect, Errors, Faults, Lock, NativeKey, Queue, Replay, SuppliedBy, TriggerKind, TtlFrom, Waiver,
};
use crate::check::{property::Property, verdict::Verdict};
use crate::source::{FileId, Located, Span};

/// What could be read of a policy file; None where a key is absent or wrong.
#[derive(Debug)]
pub struct Draft {
    pub file: FileId,
    pub path: PathBuf,
    pub name: Option<Located<String>>,
    pub summary: Option<Located<String>>,
    pub model: Option<Located<String>>,
    pub operation: Option<OperationDraft>,
    pub key: Option<KeyDraft>,
    pub trigger: TriggerDraft,
    pub store: Option<StoreDraft>,
    pub downstream: Option<DownstreamDraft>,
    pub queue: Option<Located<Queue>>,
    pub lock: Option<Located<Lock>>,
    pub outbox: Option<Located<Option<i64>>>,
    pub http: Option<Located<Http>>,
    pub load: Option<Located<Load>>,
    pub simulate: Simulate,
    pub roles: Vec<RoleDraft>,
    pub target: Option<Located<Target>>,
    pub action: Option<Located<Action>>,
    /// With the place of the first one.
    pub guards: Option<Located<Vec<GuardRule>>>,
    pub human: Option<Located<Human>>,
    /// Each name with its place, and its option; None where the value was wrong.
    pub choices: Vec<(Located<String>, Option<Located<String>>)>,
    pub choices_header: Option<Span>,
    pub waits: Vec<(Located<String>, Option<Located<i64>>)>,
    pub waits_header: Option<Span>,
    pub faults: Faults,
    /// Where each key of `[faults]` is given.
    pub fault_spans: BTreeMap<String, Span>,
    pub expect: BTreeMap<Property, Verdict>,
    pub waivers: Vec<Waiver>,
    pub silenced: BTreeMap<String, String>,
    /// The top-level keys that are there, whatever their values.
    pub given: BTreeSet<String>,
    /// Each `kind` that names a preset, with its place.
    pub kinds: Vec<Located<&'static str>>,
}

#[derive(Debug)]
pub struct OperationDraft {
    pub header: Span,
    pub effect: Option<Effect>,
    pub identity: Option<Located<Vec<Located<String>>>>,
    pub stable: Option<Located<Vec<Located<String>>>>,
    pub severity: Option<String>,
    pub given: BTreeSet<String>,
}

#[derive(Debug)]
pub struct KeyDraft {
    pub header: Span,
    pub from: Option<Located<Vec<Located<String>>>>,
    pub fingerprint: Vec<String>,
    pub supplied_by: Option<Located<SuppliedBy>>,
    pub replay: Replay,
    pub given: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub struct TriggerDraft {
    pub header: Option<Span>,
    pub kind: Option<Located<TriggerKind>>,
    /// There is a `kind`, and it is none that exists.
    pub misnamed: bool,
    pub requests: Option<Located<u32>>,
    pub conflicting: Option<Located<u32>>,
    pub retries: Option<Located<u32>>,
    pub timeout: Option<Located<i64>>,
    pub backoff: Option<Located<i64>>,
    pub within: Option<Located<i64>>,
    pub every: Option<Located<i64>>,
    pub delay: Option<Located<i64>>,
    pub repeat: Option<Located<i64>>,
    pub notifiers: Option<Located<u32>>,
    pub overlapping: Option<Located<u32>>,
}

#[derive(Debug)]
pub struct StoreDraft {
    pub header: Span,
    pub kind: Option<&'static str>,
    pub lease: Option<Located<i64>>,
    pub ttl: Option<Located<i64>>,
    pub ttl_from: TtlFrom,
    pub ttl_lag: i64,
    pub loses_writes: bool,
    pub stale_reads: bool,
    pub staleness: Option<i64>,
    pub conditional: bool,
    pub per_process: bool,
    pub client_clock: bool,
    pub given: BTreeSet<String>,
}

#[derive(Debug)]
pub struct RoleDraft {
    pub name: Located<String>,
    pub replicas: u32,
    pub runs: u32,
    pub every: Option<i64>,
}

#[derive(Debug)]
pub struct DownstreamDraft {
    pub header: Span,
    pub latency: Option<[Located<i64>; 2]>,
    pub timeout: Option<Located<i64>>,
    pub late: Option<Located<i64>>,
    pub native_key: Option<Located<NativeKey>>,
    pub query: Option<Located<bool>>,
    pub fencing: Option<Located<bool>>,
    pub errors: Errors,
    pub given: BTreeSet<String>,
}
