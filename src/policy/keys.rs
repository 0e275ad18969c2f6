//! What a policy file may hold: the reader and the JSON Schema both work from these tables.

use super::Effect;
use crate::check::{property::Property, verdict::Verdict};
use crate::source::keys::{Key, Kind, Section};

/// Simultaneous requests under one key.
pub const REQUESTS_MAX: u32 = 5;
/// Requests with the same key and another payload.
pub const CONFLICTING_MAX: u32 = 3;
/// Attempts after the first, per request.
pub const RETRIES_MAX: u32 = 5;
/// Faults of one kind.
pub const FAULTS_MAX: u32 = 8;
/// (requests + conflicting) × (1 + retries).
pub const ATTEMPTS_MAX: u32 = 12;
/// Waivers of one policy; there is one per property.
pub const WAIVERS_MAX: usize = Property::ALL.len();

/// Kinds of trigger that this version can't check.
pub const LATER_TRIGGERS: &[&str] = &["queue", "schedule", "alert"];

/// The labels of `[store] kind`.
pub const STORES: [&str; 9] =
    ["memory", "sqlite", "postgres", "mysql", "redis", "dynamodb", "etcd", "zookeeper", "consul"];

const VERDICTS: [Verdict; 5] =
    [Verdict::Proved, Verdict::Holds, Verdict::Violated, Verdict::Inconclusive, Verdict::NotApplicable];

fn properties() -> Vec<&'static str> {
    Property::ALL.into_iter().map(Property::name).collect()
}

fn verdicts() -> Vec<&'static str> {
    VERDICTS.into_iter().map(Verdict::name).collect()
}

/// A verdict by its name.
pub fn verdict(name: &str) -> Option<Verdict> {
    VERDICTS.into_iter().find(|verdict| verdict.name() == name)
}

const fn count(
    name: &'static str,
    max: u32,
    default: &'static str,
    example: &'static str,
    doc: &'static str,
) -> Key {
    Key::new(name, Kind::Count { min: 0, max }, example, doc).default(default)
}

const POSITIVE: Kind = Kind::Duration { zero: false };
const ANY: Kind = Kind::Duration { zero: true };

/// The whole file.
pub static POLICY: Section = Section {
    doc: "A policy: a model, and the promises of its surroundings.",
    keys: &[
        Key::new("policy", Kind::Name, "policy = \"charge-card\"", "The policy's name, unique in a run.")
            .required(),
        Key::new("summary", Kind::Text, "summary = \"Charge a card once per order\"", "One line for people."),
        Key::new(
            "model",
            Kind::NameOrPath,
            "model = \"atomic-receipt\"",
            "A model's name, or a path relative to this file.",
        )
        .required(),
        Key::new(
            "operation",
            Kind::Table(&OPERATION),
            "[operation]\neffect   = \"create\"\nidentity = [\"tenant\", \"order_id\"]",
            "What is done, and what makes two requests the same.",
        )
        .required(),
        Key::new(
            "key",
            Kind::Table(&KEY),
            "[key]\nfrom        = [\"tenant\", \"order_id\"]\nsupplied_by = \"client\"",
            "The key that attempts share.",
        ),
        Key::new("trigger", Kind::Table(&TRIGGER), "[trigger]", "Who asks, how often, and how patiently."),
        Key::new(
            "store",
            Kind::Table(&STORE),
            "[store]\nkind  = \"postgres\"\nlease = \"30s\"\nttl   = \"24h\"",
            "Where receipts are kept.",
        ),
        Key::new(
            "downstream",
            Kind::Table(&DOWNSTREAM),
            "[downstream]\nlatency = [\"20ms\", \"8s\"]\ntimeout = \"9s\"\nlate    = \"60s\"",
            "The far side of `downstream.call`.",
        ),
        Key::new(
            "choices",
            Kind::Map(None, &Kind::Identifier),
            "[choices]",
            "The option of each of the model's choices.",
        ),
        Key::new(
            "waits",
            Kind::Map(None, &POSITIVE),
            "[waits]",
            "How long each of the model's named waits takes.",
        ),
        Key::new("faults", Kind::Table(&FAULTS), "[faults]", "The adversary's budget."),
        Key::new(
            "expect",
            Kind::Map(Some(properties), &Kind::OneOf(verdicts)),
            "[expect]",
            "What the check must find: this policy is a test case, too.",
        ),
        Key::new("waiver", Kind::Tables(&WAIVER), "[[waiver]]", "Reviewed overrides, each with its end."),
    ],
    later: &[
        ("target", "remediation of a target"),
        ("lock", "leases per target"),
        ("guards", "guards against thrash"),
        ("human", "approval and escalation"),
        ("queue", "message delivery"),
        ("load", "races against a real endpoint"),
        ("system", "several policies on one target"),
        ("outbox", "the relay of an outbox"),
        ("role", "background roles"),
    ],
};

pub static OPERATION: Section = Section {
    doc: "The logical operation.",
    keys: &[
        Key::new(
            "effect",
            Kind::OneOf(|| Effect::NAMES.to_vec()),
            "effect = \"create\"",
            "What applying it again would do.",
        )
        .required(),
        Key::new(
            "identity",
            Kind::Fields { empty: false },
            "identity = [\"tenant\", \"order_id\"]",
            "The fields that make two requests the same operation.",
        )
        .required(),
        Key::new(
            "stable",
            Kind::Fields { empty: true },
            "stable = [\"intent\"]",
            "Fields that are the same on every attempt though not part of the identity.",
        )
        .default("[]"),
        Key::new("severity", Kind::Text, "severity = \"money\"", "What is at stake: a label for reports."),
    ],
    later: &[],
};

pub static KEY: Section = Section {
    doc: "The idempotency key.",
    keys: &[
        Key::new(
            "from",
            Kind::Fields { empty: true },
            "from = [\"tenant\", \"order_id\"]",
            "The fields that the key is computed from.",
        )
        .default("[]"),
        Key::new(
            "fingerprint",
            Kind::Fields { empty: true },
            "fingerprint = [\"method\", \"path\", \"body\"]",
            "What is compared when a key comes again.",
        )
        .default("[], the payload is not compared"),
        Key::new(
            "supplied_by",
            Kind::OneOf(|| vec!["client", "server", "none"]),
            "supplied_by = \"client\"",
            "Who computes the key; none: every attempt is on its own.",
        )
        .required(),
    ],
    later: &[],
};

pub static TRIGGER: Section = Section {
    doc: "Who asks, how often, and how patiently.",
    keys: &[
        Key::new("kind", Kind::OneOf(|| vec!["http"]), "kind = \"http\"", "What starts an attempt.")
            .default("http"),
        Key::new(
            "requests",
            Kind::Count { min: 1, max: REQUESTS_MAX },
            "requests = 2",
            "Simultaneous requests under one key.",
        )
        .default("2"),
        count(
            "conflicting",
            CONFLICTING_MAX,
            "0",
            "conflicting = 1",
            "Further requests: same key, other payload.",
        ),
        count("retries", RETRIES_MAX, "1", "retries = 1", "Attempts after the first, per request."),
        Key::new(
            "timeout",
            POSITIVE,
            "timeout = \"10s\"",
            "When the client gives up on an attempt; the attempt keeps running.",
        )
        .default("at any moment"),
        Key::new(
            "backoff",
            ANY,
            "backoff = \"1s\"",
            "At least this long between giving up and the next attempt.",
        )
        .default("none"),
        Key::new(
            "within",
            POSITIVE,
            "within = \"1h\"",
            "No attempt is sent later than this after the first.",
        )
        .default("unbounded"),
    ],
    later: &[("duplicates", "requests that the network duplicates"), ("every", "schedules")],
};

pub static STORE: Section = Section {
    doc: "Where receipts are kept.",
    keys: &[
        Key::new(
            "kind",
            Kind::OneOf(|| STORES.to_vec()),
            "kind = \"postgres\"",
            "Which store: in this version a label; all are linearizable and durable.",
        )
        .required(),
        Key::new("lease", POSITIVE, "lease = \"30s\"", "A claim older than this reads as expired.")
            .default("a claim never expires"),
        Key::new("ttl", POSITIVE, "ttl = \"24h\"", "A receipt older than this is gone.")
            .default("kept for ever"),
        Key::new(
            "ttl_from",
            Kind::OneOf(|| vec!["claim", "record"]),
            "ttl_from = \"record\"",
            "Whether the TTL counts from the claim, or starts anew with the record.",
        )
        .default("claim"),
    ],
    later: &[
        ("consistency", "stores that are not linearizable"),
        ("durable", "stores that lose acknowledged writes"),
        ("ttl_lag", "expiry that lags"),
        ("staleness", "stale replica reads"),
        ("clock_skew", "clocks that differ"),
    ],
};

pub static DOWNSTREAM: Section = Section {
    doc: "The far side of `downstream.call`.",
    keys: &[
        Key::new(
            "latency",
            Kind::DurationRange,
            "latency = [\"20ms\", \"8s\"]",
            "The shortest and the longest time to an answer.",
        )
        .default("any time"),
        Key::new("timeout", POSITIVE, "timeout = \"9s\"", "When the caller gives up.")
            .default("it waits for ever"),
        Key::new(
            "late",
            ANY,
            "late = \"60s\"",
            "A timed-out call may still take effect this long after its timeout.",
        )
        .default("at any later moment"),
        Key::new(
            "native_key",
            Kind::NativeKey,
            "native_key = { ttl = \"24h\" }",
            "Whether the downstream deduplicates by key, and how long it remembers.",
        )
        .default("false"),
        Key::new("query", Kind::Bool, "query = true", "Whether the effect can be looked up.")
            .default("false"),
        Key::new(
            "fencing",
            Kind::Bool,
            "fencing = true",
            "Whether it refuses a token lower than the highest it has seen.",
        )
        .default("false"),
        Key::new(
            "errors",
            Kind::OneOf(|| vec!["never", "definite", "ambiguous"]),
            "errors = \"definite\"",
            "What an error says about the effect.",
        )
        .default("ambiguous"),
    ],
    later: &[("lag", "queries that lag behind")],
};

/// `native_key = { ttl = … }`.
pub static NATIVE_KEY: Section = Section {
    doc: "How long the downstream remembers a key.",
    keys: &[
        Key::new("ttl", POSITIVE, "ttl = \"24h\"", "How long after its first use a key is remembered.")
            .default("for ever"),
        Key::new(
            "compares",
            Kind::Bool,
            "compares = true",
            "Whether a known key with another payload is refused, or answered with the first result.",
        )
        .default("either may happen"),
    ],
    later: &[],
};

pub static FAULTS: Section = Section {
    doc: "The adversary's budget.",
    keys: &[
        count("crashes", FAULTS_MAX, "1", "crashes = 1", "Workers that stop between two steps."),
        Key::new(
            "restart",
            Kind::Bool,
            "restart = true",
            "Whether a crashed attempt may be run again from its start.",
        )
        .default("false"),
        count(
            "lost_requests",
            FAULTS_MAX,
            "0",
            "lost_requests = 1",
            "Requests that never reach the service.",
        ),
        count(
            "lost_responses",
            FAULTS_MAX,
            "1",
            "lost_responses = 1",
            "Answers that never reach the client.",
        ),
        count(
            "ambiguous_acks",
            FAULTS_MAX,
            "0",
            "ambiguous_acks = 1",
            "Store writes that happen though the caller sees an error and repeats them.",
        ),
        count("aborts", FAULTS_MAX, "0", "aborts = 1", "Transactions that the store rolls back."),
        Key::new("pause", ANY, "pause = \"5s\"", "The longest stall between two steps of a worker.")
            .default("it may stall for ever"),
    ],
    later: &[
        ("failovers", "failovers that lose acknowledged writes"),
        ("duplicated_requests", "requests that the network duplicates"),
        ("late_requests", "requests that arrive late"),
        ("rebalances", "message delivery"),
        ("redeliveries", "message delivery"),
        ("stale_reads", "stale replica reads"),
        ("clock_skew", "clocks that differ"),
    ],
};

pub static WAIVER: Section = Section {
    doc: "A reviewed override: shown in every report, and an error once past its day.",
    keys: &[
        Key::new(
            "property",
            Kind::OneOf(properties),
            "property = \"no-stuck-key\"",
            "The property whose violation is accepted.",
        )
        .required(),
        Key::new(
            "reason",
            Kind::Text,
            "reason = \"keys are swept by hand until the sweeper ships\"",
            "Why, for those who read the report.",
        )
        .required(),
        Key::new("until", Kind::Date, "until = 2027-01-31", "The last day on which the waiver holds.")
            .required(),
    ],
    later: &[],
};
