//! The records of a history: what is written to a file, and what a sender keeps in memory.
//!
//! All moments are nanoseconds of one monotonic clock; only differences count.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the format that this idemcheck reads.
pub const VERSION: u32 = 1;

/// One line of a history file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// What the records mean; the first line, or none.
    Header(Header),
    Request(Request),
    Effect(Effect),
    Count(Count),
    Action(Action),
}

/// The first line: what the service promises, and how far clocks can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Of the format: 1.
    pub version: u32,
    /// The name of the policy that the service follows, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What the service promises. A policy on the command line comes before it.
    #[serde(default)]
    pub terms: Terms,
    /// The agents that took the times, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
}

/// An agent with a clock of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub name: String,
    /// How far its clock may be from the common one, in nanoseconds: its intervals are widened by it, on both sides.
    pub uncertainty: u64,
}

/// What a service promises of its keys. Nothing is promised that is not declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// How long a receipt is kept. None: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Span>,
    /// From when its age counts.
    #[serde(default)]
    pub ttl_from: TtlFrom,
    /// How long a claim without a result shuts others out. None: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Span>,
    /// The service itself takes over claims whose lease is over.
    #[serde(default)]
    pub recovery: bool,
    /// What a request meets while another one is at work.
    #[serde(default)]
    pub in_flight: InFlight,
    /// What becomes of a key whose attempt failed.
    #[serde(default)]
    pub failure: Failure,
    /// What two final answers have in common.
    #[serde(default)]
    pub replay: Replay,
    /// A recorded answer is always marked as such, and no other is.
    #[serde(default)]
    pub marked: bool,
    /// Payloads are compared before anything else: `in_flight` is only said to the payload that is in flight.
    #[serde(default)]
    pub in_flight_compares: bool,
    /// Every effect has a record: keys without one had none.
    #[serde(default)]
    pub effects_recorded: bool,
}

/// The shortest and the longest time that something may last, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Span {
    pub min: u64,
    /// None: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// From when a receipt's time counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TtlFrom {
    #[default]
    Claim,
    Record,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InFlight {
    /// An answer that says so, at once or after a while.
    #[default]
    Reject,
    /// It waits for the result, and is never refused.
    Wait,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The failure is recorded: it is the final answer of the key.
    Replay,
    /// The key is free before the failure is answered.
    #[default]
    Release,
    /// Nothing is promised: the key may stay claimed.
    Hold,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Replay {
    /// The same status and the same `response`.
    #[default]
    Bytes,
    /// The same `response`: a digest of what it means, the same where only form differs.
    Semantic,
    /// What is true now: answers may differ.
    Latest,
}

/// A request with an idempotency key, and what its client saw of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The key with its scope: `tenant/key`.
    pub key: String,
    /// Names this request in reports.
    pub id: String,
    /// Just before its first byte that matters was sent.
    pub start: i64,
    /// Just after its answer had come. None: it never came, or the client gave up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// Whose clock it was; see `sources` of the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// A digest of the payload, as far as the service compares it.
    pub body: String,
    pub outcome: Outcome,
    /// Of HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A digest of what is compared of the answer; needed where it is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// Whether the answer was marked as a recorded one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed: Option<bool>,
}

/// The class of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The result, or its replay. A status from 400 on is a recorded failure.
    Final,
    /// Another attempt is at work (409).
    InFlight,
    /// The key came with another payload before (422).
    Mismatch,
    /// The service says that the attempt failed (500). The terms say what becomes of the key.
    Failed,
    /// Refused before it claimed the key, and so not executed (503, 429, 400). One that claimed and gave up is `failed`.
    Unavailable,
    /// No answer, a broken connection, or an answer that promises nothing (502, 504).
    Unknown,
}

impl Outcome {
    pub const ALL: [Outcome; 6] = [
        Outcome::Final,
        Outcome::InFlight,
        Outcome::Mismatch,
        Outcome::Failed,
        Outcome::Unavailable,
        Outcome::Unknown,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Outcome::Final => "final",
            Outcome::InFlight => "in_flight",
            Outcome::Mismatch => "mismatch",
            Outcome::Failed => "failed",
            Outcome::Unavailable => "unavailable",
            Outcome::Unknown => "unknown",
        }
    }
}

/// A side effect that was seen, where it lands. A key that has one has all of its effects recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    pub key: String,
    /// When it happened. None: it is only known that it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// A digest of the payload that was executed, made as that of requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// How many effects of a key a probe found at one moment between `start` and `end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Count {
    pub key: String,
    pub effects: u64,
    pub start: i64,
    pub end: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Something that a remediation did to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    pub target: String,
    /// What was done: `restart`.
    pub action: String,
    /// Names this action in reports.
    pub id: String,
    /// When its guards had admitted it and it began.
    pub start: i64,
    /// When it was over. None: nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    pub result: ActionResult,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionResult {
    Succeeded,
    Failed,
    Unknown,
}
