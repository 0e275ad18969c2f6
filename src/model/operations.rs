//! The table of operations: the reader, `explain` and the JSON Schema all work from it.

use super::Outcome;
use super::Outcome::*;
use crate::source::keys::{Key, Kind, Section};

/// One operation as model files name it.
#[derive(Debug)]
pub struct OperationSpec {
    /// `store.insert`.
    pub name: &'static str,
    pub doc: &'static str,
    /// The keys beside `do` and the outcomes.
    pub options: Section,
    /// Each must be mapped exactly once, in this order in [`State::next`](super::State::next).
    pub outcomes: &'static [Outcome],
}

impl OperationSpec {
    pub fn named(name: &str) -> Option<&'static OperationSpec> {
        OPERATIONS.iter().find(|spec| spec.name == name)
    }
}

/// Words that begin an operation which other versions have, with what it is.
pub const LATER: &[(&str, &str)] = &[
    ("store.checkpoint", "recovery points"),
    ("store.sweep", "background roles"),
    ("store.find_abandoned", "background roles"),
    ("lock.", "leases per target"),
    ("target.", "remediation of a target"),
    ("guard.", "guards against thrash"),
    ("human.", "approval and escalation"),
    ("queue.", "message delivery"),
    ("outbox.", "the relay of an outbox"),
];

/// `writes` that other versions have.
pub const LATER_WRITES: &[&str] = &["outbox", "checkpoint"];

const RECOGNISE_OWN: Key = Key::new(
    "recognise_own",
    Kind::Bool,
    "recognise_own = true",
    "A repeat after a lost acknowledgement is recognised by the owner id in the claim.",
)
.default("false");
const FENCED: Key =
    Key::new("fenced", Kind::Bool, "fenced = true", "Only while the claim is mine.").default("false");
const TOKEN: Key =
    Key::new("token", Kind::Bool, "token = true", "Sends the fencing token of my claim.").default("false");
const AS: Key = Key::new(
    "as",
    Kind::OneOf(|| vec!["succeeded", "failed"]),
    "as = \"succeeded\"",
    "Which outcome is recorded.",
)
.required();
const WRITES: Key = Key::new(
    "writes",
    Kind::Several(|| vec!["effect", "receipt"]),
    "writes = [\"effect\", \"receipt\"]",
    "What the transaction writes.",
)
.required();
const KEY: Key =
    Key::new("key", Kind::Bool, "key = true", "Sends a native idempotency key, derived from ours.")
        .default("false");
const FOR: Key =
    Key::new("for", Kind::Wait, "for = \"1s\"", "How long, or the name of a wait that the policy sets.")
        .required();

const fn operation(
    name: &'static str,
    doc: &'static str,
    keys: &'static [Key],
    outcomes: &'static [Outcome],
) -> OperationSpec {
    OperationSpec { name, doc, options: Section { doc, keys, later: &[] }, outcomes }
}

/// Every operation of this version.
pub static OPERATIONS: &[OperationSpec] = &[
    operation(
        "store.insert",
        "Inserts my in-progress claim if the key is absent, in one atomic step.",
        &[RECOGNISE_OWN],
        &[Inserted, InProgress, Expired, Succeeded, Failed, Mismatch],
    ),
    operation(
        "store.read",
        "A plain read of the receipt; nothing is claimed.",
        &[],
        &[Absent, InProgress, Expired, Succeeded, Failed, Mismatch],
    ),
    operation(
        "store.write",
        "A blind write of my in-progress claim: the naive half of check-then-act.",
        &[],
        &[Written],
    ),
    operation(
        "store.take_over",
        "Turns an expired claim into mine by compare-and-set, with the next fencing token.",
        &[RECOGNISE_OWN],
        &[Taken, Lost],
    ),
    operation("store.renew", "Extends my lease, only while the claim is mine.", &[], &[Renewed, Lost]),
    operation(
        "store.record",
        "Stores the outcome and the response.",
        &[AS, FENCED, RECOGNISE_OWN],
        &[Recorded, Lost],
    ),
    operation("store.release", "Removes my claim.", &[FENCED], &[Released, Lost]),
    operation(
        "store.commit",
        "Several local writes in one transaction.",
        &[WRITES],
        &[Committed, Lost, Aborted, Unknown],
    ),
    operation(
        "lease.check",
        "The holder looks at its own clock: has my lease run out?",
        &[],
        &[Held, Expired],
    ),
    operation(
        "downstream.call",
        "Sends the effect; after a timeout it may still land.",
        &[KEY, TOKEN],
        &[Ok, Error, Timeout],
    ),
    operation(
        "downstream.query",
        "Asks whether the effect exists: reconciliation.",
        &[TOKEN],
        &[Applied, Absent, Unknown],
    ),
    operation("wait", "Backoff, poll or settle time.", &[FOR], &[Elapsed]),
];
