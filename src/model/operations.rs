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
    /// Whether a state may map `unavailable`, too.
    pub fn may_be_unavailable(&self) -> bool {
        let stored = self.name.starts_with("store.") || self.name == "state.load";
        let outbox = matches!(self.name, "outbox.next" | "outbox.mark");
        stored || outbox || self.name.starts_with("lock.")
    }

    pub fn named(name: &str) -> Option<&'static OperationSpec> {
        OPERATIONS.iter().find(|spec| spec.name == name)
    }
}

/// Words that begin an operation which other versions have, with what it is.
pub const LATER: &[(&str, &str)] = &[
    ("target.", "remediation of a target"),
    ("guard.", "guards against thrash"),
    ("human.", "approval and escalation"),
];

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
    Kind::Several(|| vec!["effect", "receipt", "outbox", "checkpoint"]),
    "writes = [\"effect\", \"receipt\"]",
    "What the transaction writes.",
)
.required();
const KEY: Key =
    Key::new("key", Kind::Bool, "key = true", "Sends a native idempotency key, derived from ours.")
        .default("false");
const AT: Key = Key::new("at", Kind::Identifier, "at = \"charged\"", "The state where `resume` goes on.");
const IF_UNCHANGED: Key = Key::new(
    "if_unchanged",
    Kind::Bool,
    "if_unchanged = true",
    "Only while no effect was committed since my `state.load`.",
)
.default("false");
const CLAIM: Key =
    Key::new("claim", Kind::Bool, "claim = true", "The row is claimed, for as long as the store's lease.")
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

/// What any operation on the store or a lock may map besides its own outcomes.
pub const OPTIONAL: Outcome = Unavailable;

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
        &[WRITES, AT, IF_UNCHANGED],
        &[Committed, Lost, Aborted, Unknown],
    ),
    operation(
        "store.checkpoint",
        "Persists a recovery point in my claim, only while it is mine.",
        &[AT.required()],
        &[Recorded, Lost],
    ),
    operation("store.sweep", "Deletes a receipt whose TTL ran out.", &[], &[Swept, None]),
    operation(
        "store.find_abandoned",
        "Picks up a claim whose lease ran out and makes it mine, with the next fencing token.",
        &[],
        &[Found, None],
    ),
    operation(
        "state.load",
        "Reads the local state: is the effect there? Remembers its version.",
        &[],
        &[Applied, Absent],
    ),
    operation(
        "lock.acquire",
        "Takes the lock if it is free or its lease ran out, with the next fencing token.",
        &[],
        &[Acquired, Busy],
    ),
    operation("lock.renew", "Extends the lock's lease, only while it is mine.", &[], &[Renewed, Lost]),
    operation("lock.release", "Frees the lock.", &[FENCED], &[Released, Lost]),
    operation("queue.ack", "Tells the broker that the message is done.", &[], &[Acked, Lost]),
    operation("queue.nack", "Gives the message back: it may be delivered again.", &[], &[Requeued, Lost]),
    operation("queue.extend", "Starts the visibility timeout anew.", &[], &[Extended, Lost]),
    operation(
        "outbox.next",
        "Picks a row of the outbox that is not marked yet.",
        &[CLAIM],
        &[Message, Empty],
    ),
    operation(
        "outbox.publish",
        "Publishes the row's message, or the message of the attempt's own effect.",
        &[],
        &[Ok, Timeout],
    ),
    operation("outbox.mark", "Marks the row as published.", &[], &[Marked, Lost]),
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
