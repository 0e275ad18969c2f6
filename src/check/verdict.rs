//! The result of checking one policy, as plain data: every renderer works from this, and it is
//! what `--format json` writes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::property::Property;

/// What is known of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Holds for any number of concurrent attempts and crashes. No check gives this verdict yet.
    Proved,
    /// Holds in the declared scope; the search was complete.
    Holds,
    /// There is a run that breaks it, and it is shown.
    Violated,
    /// A limit was reached before the search was complete.
    Inconclusive,
    /// The property has no meaning for this policy: the reason is given.
    NotApplicable,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Proved => "proved",
            Verdict::Holds => "holds",
            Verdict::Violated => "violated",
            Verdict::Inconclusive => "inconclusive",
            Verdict::NotApplicable => "not-applicable",
        }
    }
}

/// How far the adversary and the clients go in this check: a verdict means nothing without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scope {
    /// Requests of the operation under one key.
    pub requests: u32,
    /// Further requests with the same key and another payload.
    pub conflicting: u32,
    /// Requests of another operation that the key derivation gives the same key.
    pub merged: u32,
    /// Attempts each request may make, the first included.
    pub attempts_each: u32,
    pub crashes: u32,
    pub lost_requests: u32,
    pub lost_responses: u32,
    pub ambiguous_acks: u32,
    pub aborts: u32,
    /// Whether a crashed attempt may be run again from its start.
    pub restart: bool,
    /// Longest stall between two steps of a worker, in milliseconds; none: unbounded.
    pub pause_ms: Option<i64>,
    /// How long after its timeout a call may still take effect, in milliseconds; none: unbounded.
    pub late_ms: Option<i64>,
    /// Latest moment at which a retry or a replay arrives, in milliseconds; none: unbounded.
    pub within_ms: Option<i64>,
}

/// How the search went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchStats {
    /// Zones expanded.
    pub visited: u64,
    /// Zones kept at the end.
    pub stored: u64,
    /// Zones found inside another one.
    pub covered: u64,
    pub transitions: u64,
    /// Discrete states seen.
    pub states: u64,
    /// Steps of the longest shortest path.
    pub depth: u32,
    pub seconds: f64,
    /// False when a limit ended the search.
    pub complete: bool,
    /// The limit that ended it.
    pub stopped_by: Option<String>,
}

/// A number that goes with a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Number {
    /// `most effects`, `worst stuck time`.
    pub name: String,
    /// The value as people read it: `2`, `30s`, `unbounded`.
    pub value: String,
    /// The value for machines: a count, or milliseconds. None where there is no bound.
    pub exact: Option<i64>,
}

/// One property of one policy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PropertyResult {
    pub property: Property,
    pub verdict: Verdict,
    /// From the policy's `[expect]`.
    pub expected: Option<Verdict>,
    /// The reason of the waiver that covers this violation.
    pub waived: Option<String>,
    /// One sentence: what happens in the counterexample, which limit, why not applicable.
    pub reason: String,
    pub number: Option<Number>,
    pub counterexample: Option<Counterexample>,
}

impl PropertyResult {
    /// Whether this result is what the policy's author said it would be.
    pub fn as_expected(&self) -> bool {
        match self.expected {
            Some(expected) => expected == self.verdict,
            None => self.waived.is_some() || self.verdict != Verdict::Violated,
        }
    }
}

/// A run that breaks a property: every step with its moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counterexample {
    pub property: Property,
    pub steps: Vec<Step>,
    /// For a run without end: the index into `steps` of the first step that repeats.
    pub repeats_from: Option<usize>,
    /// How long one round takes, in milliseconds.
    pub round_ms: Option<i64>,
}

/// One step of a counterexample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Milliseconds since the run began.
    pub at_ms: i64,
    /// `client 1`, `attempt 1.2`, `downstream`.
    pub who: String,
    /// What it does: `store.insert`, `sends attempt 2`.
    pub does: String,
    /// What it sees: `inserted`, `timeout`.
    pub sees: String,
    /// State that this step changed.
    pub changes: Vec<Change>,
    /// The edge taken, for replay: its number among the edges of the state.
    pub edge: u32,
    /// Set on the step that breaks the property: what went wrong.
    pub breaks: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// `receipt`, `effects`, `lease`.
    pub what: String,
    pub from: String,
    pub to: String,
}

/// Everything that was found out about one policy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PolicyResult {
    pub policy: String,
    pub summary: String,
    /// As the user named it.
    pub path: String,
    pub model: String,
    pub engine: String,
    pub scope: Scope,
    /// The scope in one line, for people.
    pub scope_line: String,
    pub search: SearchStats,
    /// A second search, for runs without end; none where the model has no loop.
    pub loops: Option<SearchStats>,
    pub properties: Vec<PropertyResult>,
    /// Outcomes and transitions that no run ever took, and other remarks.
    pub warnings: Vec<String>,
}

/// The whole report of one `verify`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this format.
    pub version: u32,
    /// Version of idemcheck.
    pub tool: String,
    pub policies: Vec<PolicyResult>,
    /// Policies per verdict, after `[expect]` and waivers.
    pub summary: BTreeMap<String, u64>,
}
