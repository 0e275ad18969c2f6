//! What a policy file may hold: the reader and the JSON Schema both work from these tables.

use super::Effect;
use super::endpoint::LOAD;
use super::http::HTTP;
use super::presets::{Fills, names};
use super::remedy::keys as remedy;
use super::simulate::SIMULATE;
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
pub const LATER_TRIGGERS: &[&str] = &[];
/// Instances of one role.
pub const REPLICAS_MAX: u32 = 3;
/// Runs of each.
pub const RUNS_MAX: u32 = 4;

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

const SIMULATE_EXAMPLE: &str =
    "[simulate.durations]\nlatency = { lognormal = [\"120ms\", \"2s\"] }\n[simulate.chances]\ncrash = 0.001";
const SIMULATE_DOC: &str = "How long things take and how often they go wrong, for `simulate`.";

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
            "queue",
            Kind::Table(&QUEUE),
            "[queue]\nvisibility = \"30s\"",
            "How messages are delivered.",
        ),
        Key::new("lock", Kind::Table(&LOCK), "[lock]\nlease = \"30s\"", "The lock of `lock.acquire`."),
        Key::new(
            "outbox",
            Kind::Table(&OUTBOX),
            "[outbox]\ndedup = \"5m\"",
            "Where `outbox.publish` publishes.",
        ),
        Key::new(
            "http",
            Kind::Table(&HTTP),
            "[http]\nkey_header = \"Idempotency-Key\"",
            "How the operation is asked for over HTTP, for `serve`.",
        ),
        Key::new(
            "load",
            Kind::Table(&LOAD),
            "[load]\nurls = [\"http://127.0.0.1:8080/pay\"]\n[load.effects]\nurl = \"http://127.0.0.1:8080/ledger?key={{key}}\"\npointer = \"/effects\"",
            "The endpoint that `load` races, and where its effects are counted.",
        ),
        Key::new(
            "role",
            Kind::NamedTables(&ROLE),
            "[role.relay]\nreplicas = 2",
            "How many instances of the model's roles run, and how often.",
        ),
        Key::new(
            "choices",
            Kind::Map(None, &Kind::Identifier),
            "[choices]\nin_flight = \"reject\"",
            "The option of each of the model's choices.",
        ),
        Key::new(
            "waits",
            Kind::Map(None, &POSITIVE),
            "[waits]",
            "How long each of the model's named waits takes.",
        ),
        Key::new(
            "target",
            Kind::Table(&remedy::TARGET),
            "[target]\nkind  = \"instance\"\nact   = [\"10s\", \"2m\"]\nlag   = \"15s\"\nfault = \"curable\"",
            "What a remediation acts on.",
        ),
        Key::new(
            "action",
            Kind::Table(&remedy::ACTION),
            "[action]\nkind = \"restart\"",
            "What is done to the target.",
        ),
        Key::new(
            "guards",
            Kind::NamedTables(&remedy::GUARD),
            "[guards.cooldown]\nkind = \"cooldown\"\nspan = \"10m\"",
            "What is asked before an action.",
        ),
        Key::new(
            "human",
            Kind::Table(&remedy::HUMAN),
            "[human]\nwithin = \"30m\"",
            "Who is asked, and who hears of a fault that lasts.",
        ),
        Key::new("faults", Kind::Table(&FAULTS), "[faults]", "The adversary's budget."),
        Key::new("simulate", Kind::Table(&SIMULATE), SIMULATE_EXAMPLE, SIMULATE_DOC),
        Key::new(
            "expect",
            Kind::Map(Some(properties), &Kind::OneOf(verdicts)),
            "[expect]",
            "What the check must find: this policy is a test case, too.",
        ),
        Key::new(
            "waiver",
            Kind::Tables(&WAIVER),
            "[[waiver]]\nproperty = \"no-stuck-key\"\nreason   = \"keys are swept by hand until the sweeper ships\"\nuntil    = 2027-01-31",
            "Reviewed overrides, each with its end.",
        ),
        Key::new(
            "silence",
            Kind::Tables(&SILENCE),
            "[[silence]]\nlint   = \"dead-guard\"\nreason = \"the limit is only a backstop\"",
            "Lints that are known and accepted.",
        ),
    ],
    later: &[],
};

/// A file with a `[system]`: policies that touch the same target, checked together.
pub static SYSTEM_FILE: Section = Section {
    doc: "Several policies that touch the same target, checked together.",
    keys: &[
        Key::new("policy", Kind::Name, "policy = \"web-together\"", "The system's name, unique in a run.")
            .required(),
        Key::new("summary", Kind::Text, "summary = \"Autoscaler and deployment\"", "One line for people."),
        Key::new(
            "system",
            Kind::Table(&SYSTEM),
            "[system]\nmembers = [\"sync.toml\", \"autoscale.toml\"]",
            "Which policies.",
        )
        .required(),
        Key::new("faults", Kind::Table(&FAULTS), "[faults]", "The adversary's budget.")
            .default("of each kind the greatest of the members'"),
        Key::new("simulate", Kind::Table(&SIMULATE), SIMULATE_EXAMPLE, SIMULATE_DOC)
            .default("the first member's"),
        Key::new(
            "expect",
            Kind::Map(Some(properties), &Kind::OneOf(verdicts)),
            "[expect]",
            "What the check must find: this system is a test case, too.",
        ),
        Key::new("waiver", Kind::Tables(&WAIVER), "[[waiver]]", "Reviewed overrides, each with its end."),
        Key::new("silence", Kind::Tables(&SILENCE), "[[silence]]", "Lints that are known and accepted."),
    ],
    later: &[],
};

pub static SYSTEM: Section = Section {
    doc: "The policies that are checked together.",
    keys: &[Key::new(
        "members",
        Kind::Texts,
        "members = [\"sync.toml\", \"autoscale.toml\"]",
        "Policy files, relative to this one, or names of policies of the same run.",
    )
    .required()],
    later: &[],
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
        Key::new(
            "replay",
            Kind::OneOf(|| vec!["bytes", "semantic", "latest"]),
            "replay = \"bytes\"",
            "What the contract promises of a second answer: the same bytes, the same meaning, or the latest state.",
        )
        .default("bytes"),
    ],
    later: &[],
};

pub static TRIGGER: Section = Section {
    doc: "Who asks, how often, and how patiently.",
    keys: &[
        Key::new(
            "kind",
            Kind::OneOf(|| vec!["http", "queue", "alert", "schedule", "loop"]),
            "kind = \"queue\"",
            "What starts an attempt.",
        )
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
        Key::new(
            "every",
            ANY,
            "every = \"1m\"",
            "Of a schedule, from the start of a run to the next one, of a loop from the end of a run; at least.",
        )
        .default("at any moment"),
        Key::new(
            "delay",
            ANY,
            "delay = \"30s\"",
            "Of an alert, a schedule or a loop: it comes at the latest this long after it is due.",
        )
        .default("at any later moment"),
        Key::new(
            "repeat",
            POSITIVE,
            "repeat = \"5m\"",
            "Of an alert: it fires again after this time, while the target looks faulty.",
        )
        .default("once per fault"),
        Key::new(
            "notifiers",
            Kind::Count { min: 1, max: 2 },
            "notifiers = 2",
            "Of an alert: how many send it, each on its own: a pair for high availability sends twice.",
        )
        .default("1"),
        Key::new(
            "overlapping",
            Kind::Count { min: 1, max: remedy::OVERLAPPING_MAX },
            "overlapping = 3",
            "Of an alert or a schedule: the most runs that are under way at the same time.",
        )
        .default("2"),
    ],
    later: &[],
};

pub static STORE: Section = Section {
    doc: "Where receipts are kept.",
    keys: &[
        Key::new(
            "kind",
            Kind::OneOf(|| names(Fills::Store)),
            "kind = \"postgres\"",
            "Which store: its preset says what the other keys do not.",
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
        Key::new(
            "ttl_lag",
            ANY,
            "ttl_lag = \"48h\"",
            "An expired receipt may still be seen this much longer.",
        )
        .default("none: whoever looks compares the time itself"),
        Key::new(
            "loses_writes",
            Kind::Bool,
            "loses_writes = true",
            "Whether a failover can lose the last acknowledged writes.",
        )
        .default("false"),
        Key::new(
            "stale_reads",
            Kind::Bool,
            "stale_reads = true",
            "Whether `store.read` may be answered by a replica that lags.",
        )
        .default("false"),
        Key::new(
            "staleness",
            POSITIVE,
            "staleness = \"1s\"",
            "How far a replica can lag: the age of what a stale read shows and of what a failover loses.",
        )
        .default("unbounded"),
        Key::new(
            "conditional",
            Kind::Bool,
            "conditional = false",
            "Whether insert and take-over are decided on the newest state, in one step.",
        )
        .default("true"),
        Key::new(
            "per_process",
            Kind::Bool,
            "per_process = true",
            "Whether every process has a store of its own, gone when it stops.",
        )
        .default("false"),
        Key::new(
            "clock",
            Kind::OneOf(|| vec!["store", "client"]),
            "clock = \"client\"",
            "Whose clock decides whether a lease or a TTL has run out.",
        )
        .default("store"),
    ],
    later: &[],
};

pub static QUEUE: Section = Section {
    doc: "How messages are delivered: at least once.",
    keys: &[
        Key::new(
            "kind",
            Kind::OneOf(|| names(Fills::Queue)),
            "kind = \"sqs-standard\"",
            "Which broker: its preset says what the other keys do not.",
        )
        .default("none that is known"),
        Key::new(
            "visibility",
            POSITIVE,
            "visibility = \"30s\"",
            "A message that is not acknowledged is delivered again after this time.",
        )
        .default("at any moment"),
        Key::new(
            "dedup",
            POSITIVE,
            "dedup = \"5m\"",
            "A message published again within this time is dropped; what was published is delivered at any later moment.",
        )
        .default("never dropped"),
        Key::new(
            "notices_crashes",
            Kind::Bool,
            "notices_crashes = true",
            "Whether the broker sees a consumer's connection break and delivers again at once.",
        )
        .default("true without a visibility timeout, false with one"),
        Key::new(
            "duplicates",
            Kind::Bool,
            "duplicates = true",
            "Whether the broker may deliver a message twice though nobody was slow: `faults.redeliveries` says how often.",
        )
        .default("false"),
        Key::new(
            "redrives",
            Kind::Count { min: 0, max: 2 },
            "redrives = 1",
            "How often a message is taken back from the dead letters, with all its deliveries anew.",
        )
        .default("0"),
    ],
    later: &[],
};

pub static OUTBOX: Section = Section {
    doc: "The broker that `outbox.publish` publishes to.",
    keys: &[Key::new(
        "dedup",
        POSITIVE,
        "dedup = \"5m\"",
        "A copy of a message published within this time after the first is dropped.",
    )
    .default("never dropped")],
    later: &[],
};

pub static LOCK: Section = Section {
    doc: "The lock that `lock.acquire` takes.",
    keys: &[
        Key::new(
            "kind",
            Kind::OneOf(|| names(Fills::Lock)),
            "kind = \"redis-setnx\"",
            "Which lock: its preset says what the other keys do not.",
        )
        .default("none that is known"),
        Key::new("lease", POSITIVE, "lease = \"30s\"", "A lock older than this can be taken by others.")
            .default("it never ends"),
        Key::new(
            "session",
            Kind::Bool,
            "session = true",
            "Whether the lock is freed when its holder's process stops.",
        )
        .default("false"),
        Key::new(
            "per_process",
            Kind::Bool,
            "per_process = true",
            "Whether every process has a lock of its own: it keeps out nobody else.",
        )
        .default("false"),
        Key::new(
            "dead_grants",
            Kind::Bool,
            "dead_grants = true",
            "Whether a waiter can be granted the lock on a lease that has ended.",
        )
        .default("false"),
        Key::new(
            "pooled",
            Kind::Bool,
            "pooled = true",
            "Whether acquire and release may meet different sessions behind a connection pooler.",
        )
        .default("false"),
        Key::new(
            "per",
            Kind::OneOf(|| vec!["target", "fleet"]),
            "per = \"target\"",
            "One lock for each member of a fleet, or one for all.",
        )
        .default("fleet"),
    ],
    later: &[],
};

pub static ROLE: Section = Section {
    doc: "How many instances of a role run, and how often.",
    keys: &[
        Key::new("replicas", Kind::Count { min: 1, max: REPLICAS_MAX }, "replicas = 2", "Instances.")
            .default("1"),
        Key::new("runs", Kind::Count { min: 1, max: RUNS_MAX }, "runs = 2", "Runs of each instance.")
            .default("2"),
        Key::new(
            "every",
            ANY,
            "every = \"5m\"",
            "At least this long from the start of a run to the next one.",
        )
        .default("what the model says"),
    ],
    later: &[],
};

pub static DOWNSTREAM: Section = Section {
    doc: "The far side of `downstream.call`.",
    keys: &[
        Key::new(
            "kind",
            Kind::OneOf(|| names(Fills::Downstream)),
            "kind = \"stripe-v1\"",
            "Which provider: its preset says what the other keys do not.",
        )
        .default("none that is known"),
        Key::new(
            "latency",
            Kind::DurationRange,
            "latency = [\"20ms\", \"8s\"]",
            "The shortest and the longest time to an answer. A refusal, or a gateway's error, may come at once: only the longest bounds it.",
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
        count(
            "failovers",
            FAULTS_MAX,
            "0",
            "failovers = 1",
            "Failovers of a store that loses its last writes then.",
        ),
        count(
            "store_errors",
            FAULTS_MAX,
            "0",
            "store_errors = 1",
            "Operations that find the store or the lock out of reach.",
        ),
        count(
            "lock_losses",
            FAULTS_MAX,
            "0",
            "lock_losses = 1",
            "Locks that are taken from their holder, which does not notice.",
        ),
        count(
            "duplicate_requests",
            FAULTS_MAX,
            "0",
            "duplicate_requests = 1",
            "Requests that the network delivers a second time, at any later moment.",
        ),
        count(
            "late_requests",
            FAULTS_MAX,
            "0",
            "late_requests = 1",
            "Requests that arrive late, most likely after their client gave up.",
        ),
        count(
            "redeliveries",
            FAULTS_MAX,
            "0",
            "redeliveries = 1",
            "Messages that are delivered again though nobody was slow: rebalances, failovers of the broker.",
        ),
        Key::new(
            "clock_skew",
            ANY,
            "clock_skew = \"2s\"",
            "How much a worker's clock may differ from the store's.",
        )
        .default("0s"),
        Key::new("pause", ANY, "pause = \"5s\"", "The longest stall between two steps of a worker.")
            .default("it may stall for ever"),
    ],
    later: &[],
};

pub static SILENCE: Section = Section {
    doc: "A lint that is known and accepted: shown as such in every report.",
    keys: &[
        Key::new("lint", Kind::OneOf(lints), "lint = \"dead-guard\"", "The lint.").required(),
        Key::new(
            "reason",
            Kind::Text,
            "reason = \"the limit is only a backstop\"",
            "Why, for those who read the report.",
        )
        .required(),
    ],
    later: &[],
};

fn lints() -> Vec<&'static str> {
    crate::lints::LINTS.into_iter().map(|lint| lint.name).collect()
}

pub static WAIVER: Section = Section {
    doc: "A reviewed override: shown in every report, whatever it comes to. Past its day the violation counts again.",
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
        Key::new("owner", Kind::Text, "owner = \"payments\"", "Who answers for it."),
        Key::new("ticket", Kind::Text, "ticket = \"PAY-1234\"", "Where it is followed up."),
    ],
    later: &[],
};
