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
    /// What `explain` says beyond `doc` and the outcomes.
    pub more: &'static str,
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
pub const LATER: &[(&str, &str)] = &[];

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
const FRESH: Key = Key::new(
    "fresh",
    Kind::Bool,
    "fresh = true",
    "Only a sample from after the last action settled counts; an older one reads `unknown`.",
)
.default("false");
const FOR: Key =
    Key::new("for", Kind::Wait, "for = \"1s\"", "How long, or the name of a wait that the policy sets.")
        .required();

const fn operation(
    name: &'static str,
    doc: &'static str,
    keys: &'static [Key],
    outcomes: &'static [Outcome],
    more: &'static str,
) -> OperationSpec {
    OperationSpec { name, doc, options: Section { doc, keys, later: &[] }, outcomes, more }
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
        "All but the first leave the receipt alone and say what is there; `expired` is a claim whose lease ran out, `mismatch` a receipt with another fingerprint. With recognise_own = true a repeat that meets its own claim, because the first acknowledgement was lost, reads as inserted.",
    ),
    operation(
        "store.read",
        "A plain read of the receipt; nothing is claimed.",
        &[],
        &[Absent, InProgress, Expired, Succeeded, Failed, Mismatch],
        "What it saw may be out of date by the next step: a read followed by a write is no claim.",
    ),
    operation(
        "store.write",
        "A blind write of my in-progress claim: the naive half of check-then-act.",
        &[],
        &[Written],
        "The second half of check-then-act. It is here so that the fault can be modelled; use store.insert to claim.",
    ),
    operation(
        "store.take_over",
        "Turns an expired claim into mine by compare-and-set, with the next fencing token.",
        &[RECOGNISE_OWN],
        &[Taken, Lost],
        "A compare-and-set: it succeeds only if the claim is still expired and still the one that was seen. Of several attempts one wins.",
    ),
    operation(
        "store.renew",
        "Extends my lease, only while the claim is mine.",
        &[],
        &[Renewed, Lost],
        "`lost` says that the claim was taken over or removed: the attempt must not go on to the effect.",
    ),
    operation(
        "store.record",
        "Stores the outcome and the response.",
        &[AS, FENCED, RECOGNISE_OWN],
        &[Recorded, Lost],
        "`as` is \"succeeded\" or \"failed\". With fenced = true it acts only while the claim is mine; without, it writes over whatever is there, and `lost` cannot occur.",
    ),
    operation(
        "store.release",
        "Removes my claim.",
        &[FENCED],
        &[Released, Lost],
        "With fenced = true it acts only while the claim is mine. Releasing after an unknown outcome invites a second effect.",
    ),
    operation(
        "store.commit",
        "Several local writes in one transaction.",
        &[WRITES, AT, IF_UNCHANGED],
        &[Committed, Lost, Aborted, Unknown],
        "`writes` lists \"effect\" and \"receipt\". Either all of it happens or none; there is no moment in between. After `unknown` only a look at the store can tell.",
    ),
    operation(
        "store.checkpoint",
        "Persists a recovery point in my claim, only while it is mine.",
        &[AT.required()],
        &[Recorded, Lost],
        "The target `resume` leads to the state named by `at` from then on, for whoever takes the claim over; what the attempt knows of the result is kept with it.",
    ),
    operation(
        "store.sweep",
        "Deletes a receipt whose TTL ran out.",
        &[],
        &[Swept, None],
        "For a role. In a model with a sweeper nothing expires by itself: a receipt over its TTL stays, and is seen, until a sweep deletes it.",
    ),
    operation(
        "store.find_abandoned",
        "Picks up a claim whose lease ran out and makes it mine, with the next fencing token.",
        &[],
        &[Found, None],
        "For a role. The completer goes on with the operation of the claim it found; a claim whose lease is good is left alone.",
    ),
    operation(
        "state.load",
        "Reads the local state: is the effect there? Remembers its version.",
        &[],
        &[Applied, Absent],
        "A local read in the service's own database, not a question to a downstream. With if_unchanged = true a later commit is lost if any effect was committed in between.",
    ),
    operation(
        "lock.acquire",
        "Takes the lock if it is free or its lease ran out, with the next fencing token.",
        &[],
        &[Acquired, Busy],
        "There is one lock, for the target that all attempts act on. What it is worth is declared in [lock]: its lease, whether it ends with its holder's session, whether it keeps out other processes at all.",
    ),
    operation(
        "lock.renew",
        "Extends the lock's lease, only while it is mine.",
        &[],
        &[Renewed, Lost],
        "`lost` where the lease ended or the lock was taken: the attempt must not go on to the effect.",
    ),
    operation(
        "lock.release",
        "Frees the lock.",
        &[FENCED],
        &[Released, Lost],
        "With fenced = true only while it is mine; without, whoever holds it loses it.",
    ),
    operation(
        "queue.ack",
        "Tells the broker that the message is done.",
        &[],
        &[Acked, Lost],
        "It counts only for the newest delivery. A broker that does not hear of it, out of the budget of lost responses, delivers again.",
    ),
    operation(
        "queue.nack",
        "Gives the message back: it may be delivered again.",
        &[],
        &[Requeued, Lost],
        "The delivery is over for the broker; the next one comes after `trigger.backoff`.",
    ),
    operation(
        "queue.extend",
        "Starts the visibility timeout anew.",
        &[],
        &[Extended, Lost],
        "`lost` where the visibility ended first, or the message was delivered again.",
    ),
    operation(
        "outbox.next",
        "Picks a row of the outbox that is not marked yet.",
        &[CLAIM],
        &[Message, Empty],
        "For a relay. With claim = true the row is left alone by other relays for as long as the store's lease, or for ever where there is none; without, two relays pick the same row.",
    ),
    operation(
        "outbox.publish",
        "Publishes the row's message, or the message of the attempt's own effect.",
        &[],
        &[Ok, Timeout],
        "After `timeout` the message may be out or not. An attempt that has no row publishes the message of its own effect: a dual write. Copies within the window of [outbox] dedup are dropped.",
    ),
    operation(
        "outbox.mark",
        "Marks the row as published.",
        &[],
        &[Marked, Lost],
        "A marked row is never picked again: mark it only after its message is out.",
    ),
    operation(
        "lease.check",
        "The holder looks at its own clock: has my lease run out?",
        &[],
        &[Held, Expired],
        "It asks nobody, so the answer is only as good as the bound on the pause that may follow it.",
    ),
    operation(
        "downstream.call",
        "Sends the effect; after a timeout it may still land.",
        &[KEY, TOKEN],
        &[Ok, Error, Timeout],
        "After a timeout, and after an error unless errors = \"definite\", the effect may have happened or may still happen, up to `late` afterwards. key = true sends a native idempotency key, token = true the fencing token of my claim.",
    ),
    operation(
        "downstream.query",
        "Asks whether the effect exists: reconciliation.",
        &[TOKEN],
        &[Applied, Absent, Unknown],
        "`absent` says nothing about a call that is still on its way, unless it carries a fencing token and the resource refuses older ones from then on.",
    ),
    operation(
        "target.observe",
        "Looks at the target, as its signals show it.",
        &[FRESH],
        &[Converged, Diverged, Unknown],
        "What it sees can be as old as the target's `lag`, and means nothing while an action is under way or settles. With fresh = true a sample that may be from before that reads as unknown: then no number is needed. `unknown` is neither converged nor diverged.",
    ),
    operation(
        "target.act",
        "Applies the remedy to the target.",
        &[],
        &[Ok, Error, Timeout],
        "What it does, and how long it takes, is declared in [action] and [target]. After a timeout, or the death of its worker, the action goes on.",
    ),
    operation(
        "target.undo",
        "Backs out what an action did, or half did.",
        &[],
        &[Ok, Error, Timeout],
        "Takes as long as the action. Leaves the target as it was before its last action, whole again.",
    ),
    operation(
        "guard.admit",
        "Asks the policy's guards whether to act now: all of them, in one atomic step.",
        &[],
        &[Admitted, Cooling, Limited, Open, Flapping, Exhausted],
        "If all admit, each counts the action. Else the first that refuses says why, and none counts it: `cooling` too soon, `limited` too many, `open` a breaker, `flapping` the target changes too often, `exhausted` the attempts are used up.",
    ),
    operation(
        "guard.success",
        "Tells the guards that the action did what it was for.",
        &[],
        &[Done],
        "Feeds breakers and counters of attempts.",
    ),
    operation(
        "guard.failure",
        "Tells the guards that the action did not do what it was for.",
        &[],
        &[Done],
        "Feeds breakers and counters of attempts.",
    ),
    operation(
        "human.approve",
        "Waits for a person's word.",
        &[],
        &[Approved, Denied, Expired],
        "`expired` comes when [human] approval is over. Whatever else happens in the meantime happens: look again before you act.",
    ),
    operation(
        "human.page",
        "Hands the target over to a person.",
        &[],
        &[Paged],
        "From then on no automatic action may touch the target.",
    ),
    operation(
        "wait",
        "Backoff, poll or settle time.",
        &[FOR],
        &[Elapsed],
        "`for` is a duration, or \"?name\" for one that the policy gives under [waits].",
    ),
];
