//! What `explain` says of everything that is not a property: operations, faults, verdicts.

/// A name and its text.
pub struct Entry {
    pub kind: &'static str,
    pub name: &'static str,
    /// One clause, without a full stop.
    pub brief: &'static str,
    pub text: &'static str,
}

const fn operation(name: &'static str, brief: &'static str, text: &'static str) -> Entry {
    Entry { kind: "operation", name, brief, text }
}

const fn fault(name: &'static str, brief: &'static str, text: &'static str) -> Entry {
    Entry { kind: "fault", name, brief, text }
}

const fn verdict(name: &'static str, brief: &'static str, text: &'static str) -> Entry {
    Entry { kind: "verdict", name, brief, text }
}

/// The heading above a kind in the list of all names.
pub fn heading(kind: &str) -> &'static str {
    match kind {
        "property" => "Properties",
        "lint" => "Lints",
        "operation" => "Operations of a model's state",
        "fault" => "Faults and bounds",
        "verdict" => "Verdicts",
        _ => "Diagnostic codes",
    }
}

/// Everything but properties and diagnostic codes, kind by kind.
pub const ALL: &[Entry] = &[
    operation(
        "store.insert",
        "inserts my in-progress claim if the key is absent, in one atomic step",
        "Outcomes: inserted, in_progress, expired, succeeded, failed, mismatch. All but the first leave the \
         receipt alone and say what is there; `expired` is a claim whose lease ran out, `mismatch` a receipt \
         with another fingerprint. With recognise_own = true a repeat that meets its own claim, because the \
         first acknowledgement was lost, reads as inserted.",
    ),
    operation(
        "store.read",
        "reads the receipt and changes nothing",
        "Outcomes: absent, in_progress, expired, succeeded, failed, mismatch. What it saw may be out of date \
         by the next step: a read followed by a write is no claim.",
    ),
    operation(
        "store.write",
        "writes my in-progress claim over whatever is there",
        "Outcome: written. The second half of check-then-act. It is here so that the fault can be modelled; \
         use store.insert to claim.",
    ),
    operation(
        "store.take_over",
        "makes an expired claim mine and gives it the next fencing token",
        "Outcomes: taken, lost. A compare-and-set: it succeeds only if the claim is still expired and still \
         the one that was seen. Of several attempts one wins.",
    ),
    operation(
        "store.renew",
        "starts my lease anew, only while the claim is mine",
        "Outcomes: renewed, lost. `lost` says that the claim was taken over or removed: the attempt must not \
         go on to the effect.",
    ),
    operation(
        "store.record",
        "stores the outcome and the response in the receipt",
        "Outcomes: recorded, lost. `as` is \"succeeded\" or \"failed\". With fenced = true it acts only while the \
         claim is mine; without, it writes over whatever is there, and `lost` cannot occur.",
    ),
    operation(
        "store.release",
        "removes my claim, so that the next attempt starts anew",
        "Outcomes: released, lost. With fenced = true it acts only while the claim is mine. Releasing after an \
         unknown outcome invites a second effect.",
    ),
    operation(
        "store.commit",
        "does several local writes in one transaction",
        "Outcomes: committed, lost, aborted, unknown. `writes` lists \"effect\" and \"receipt\". Either all of it \
         happens or none; there is no moment in between. After `unknown` only a look at the store can tell.",
    ),
    operation(
        "lease.check",
        "looks at my own clock: has my lease run out?",
        "Outcomes: held, expired. It asks nobody, so the answer is only as good as the bound on the pause that \
         may follow it.",
    ),
    operation(
        "downstream.call",
        "sends the effect to the far side",
        "Outcomes: ok, error, timeout. After a timeout, and after an error unless errors = \"definite\", the \
         effect may have happened or may still happen, up to `late` afterwards. key = true sends a native \
         idempotency key, token = true the fencing token of my claim.",
    ),
    operation(
        "downstream.query",
        "asks the far side whether the effect exists",
        "Outcomes: applied, absent, unknown. `absent` says nothing about a call that is still on its way, \
         unless it carries a fencing token and the resource refuses older ones from then on.",
    ),
    operation(
        "wait",
        "lets time pass: backoff or polling",
        "Outcome: elapsed. `for` is a duration, or \"?name\" for one that the policy gives under [waits].",
    ),
    fault(
        "crashes",
        "how many attempts may die, at any moment between two steps",
        "Default 1. The memory of the attempt is gone; what is in the store, and calls that are on their way, \
         stay.",
    ),
    fault(
        "restart",
        "whether a crashed attempt may be run again from its start",
        "Default false. A supervisor or a proxy that retries on its own does this: the client sees one attempt, \
         the service two.",
    ),
    fault(
        "lost_requests",
        "how many requests never reach the service",
        "Default 0. The client notices by its timeout only.",
    ),
    fault(
        "lost_responses",
        "how many answers never reach the client",
        "Default 1. The operation is done and its client does not know: the ordinary reason for a retry.",
    ),
    fault(
        "ambiguous_acks",
        "how many store writes happen though the caller sees an error and repeats them",
        "Default 0. The repeat meets the first write: see no-self-conflict and recognise_own.",
    ),
    fault(
        "aborts",
        "how many transactions the store rolls back",
        "Default 0. A deadlock or a serialization failure: store.commit ends with `aborted` and nothing happened.",
    ),
    fault(
        "pause",
        "the longest stall of a worker between two steps",
        "Undeclared: it may stall for ever, past every lease. That is the cautious reading, since collectors, \
         schedulers and migrations of virtual machines promise nothing.",
    ),
    fault(
        "late",
        "how long after its timeout a call may still take effect",
        "Under [downstream]. Undeclared: at any later moment, even after the receipt is gone.",
    ),
    fault(
        "within",
        "how late a retry or a replay may arrive",
        "Under [trigger]. Undeclared: at any time, so every TTL is too short for it.",
    ),
    verdict(
        "proved",
        "holds for any number of concurrent attempts and crashes",
        "No check gives this verdict yet.",
    ),
    verdict(
        "holds",
        "holds in the declared scope, and the search was complete",
        "A proof for that scope: so many requests, attempts and faults, and every possible timing of them. The \
         report prints the scope with the verdict, as it means nothing without.",
    ),
    verdict(
        "violated",
        "there is a run that breaks it, and it is shown",
        "The run has a moment for every step and was played through again, step by step, before it was shown. \
         [expect] makes a violation a test case, a [[waiver]] with a reason and a date accepts it for a while.",
    ),
    verdict(
        "inconclusive",
        "a limit was reached before the search was complete",
        "Neither a proof nor a violation; never counted as good. The report says which limit and how far the \
         search got. Raise --max-states, --max-memory or --timeout, or declare a smaller scope.",
    ),
    verdict(
        "not-applicable",
        "the property has no meaning for this policy",
        "The reason is given with it: a model without a store has no receipts to share, for instance.",
    ),
];
