//! What `explain` says of everything that is not a property: operations, faults, verdicts.

/// A name and its text.
pub struct Entry {
    pub kind: &'static str,
    pub name: &'static str,
    /// One clause, without a full stop.
    pub brief: &'static str,
    pub text: &'static str,
}

const fn fault(name: &'static str, brief: &'static str, text: &'static str) -> Entry {
    Entry { kind: "fault", name, brief, text }
}

const fn target(name: &'static str, brief: &'static str, text: &'static str) -> Entry {
    Entry { kind: "target", name, brief, text }
}

const fn verdict(name: &'static str, brief: &'static str, text: &'static str) -> Entry {
    Entry { kind: "verdict", name, brief, text }
}

/// The heading above a kind in the list of all names.
pub fn heading(kind: &str) -> &'static str {
    match kind {
        "property" => "Properties",
        "concept" => "Concepts",
        "format" => "Formats of files and reports",
        "lint" => "Lints",
        "rule" => "Rules that reject a history",
        "operation" => "Operations of a model's state",
        "fault" => "Faults and bounds",
        "verdict" => "Verdicts",
        "target" => "Where an outcome can lead, other than to a state",
        "key" => "Keys of a policy",
        _ => "Diagnostic codes",
    }
}

/// Everything but properties and diagnostic codes, kind by kind.
pub const ALL: &[Entry] = &[
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
        "failovers",
        "how many times the store goes back to what it held before its last writes",
        "Default 0. Only a store with loses_writes = true suffers it, and what it loses is at most `store.staleness` old. What was committed with it, outbox rows included, goes too; messages and calls that are out stay out.",
    ),
    fault(
        "store_errors",
        "how many operations find the store or the lock out of reach",
        "Default 0. The operation did nothing, and its state goes where `unavailable` leads; where a model does not map that, the attempt gives up with an error: it fails closed.",
    ),
    fault(
        "lock_losses",
        "how many locks are taken from a holder that does not notice",
        "Default 0. A session that ends, an operator who frees it, a lock store that restarts.",
    ),
    fault(
        "duplicate_requests",
        "how many requests the network delivers a second time",
        "Default 0. The copy arrives at any later moment within `trigger.within`, and nobody waits for its answer.",
    ),
    fault(
        "late_requests",
        "how many requests arrive late",
        "Default 0. Most likely their client has given up by then and tries again.",
    ),
    fault(
        "redeliveries",
        "how many messages are delivered again though nobody was slow",
        "Default 0. A rebalance, a failover of the broker, at-least-once delivery at its word: the earlier delivery goes on.",
    ),
    fault(
        "clock_skew",
        "how much a worker's clock may differ from the store's",
        "Default 0s. It bears on `lease.check`, and on every lease and TTL where `store.clock = \"client\"`.",
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
    target(
        "respond.*",
        "the attempt answers its client and ends",
        "Final answers, after which a client does not try again: `respond.success`, the result of one's own \
         execution; `respond.replay`, what an earlier attempt recorded; `respond.failed`, a recorded failure; \
         `respond.mismatch`, the key was used with another payload (422).\n\n\
         Answers after which it does: `respond.error`, nothing was done; `respond.unknown`, nobody knows; \
         `respond.in_flight`, another attempt is at it (409).\n\n\
         Every answer that is heard is judged: see no-lost-effect, replay-fidelity and truthful-conflict.",
    ),
    target(
        "end.*",
        "the attempt ends without an answer",
        "The name behind the dot is yours and changes nothing: `end.page`, where a human is called, `end.done`, where \
         a role's run or a consumer's delivery is over. A client that waits for an answer hears nothing, and a broker \
         delivers again unless the message was acknowledged.",
    ),
    verdict(
        "proved",
        "holds for any number of requests, attempts and crashes",
        "`verify --prove` found an invariant that holds at the start, that every step keeps, and that excludes every \
         violation, whatever the number of requests, attempts, crashes and other declared faults; a checker of its own \
         accepted it. `--proofs DIR` writes it out, `check-proof` checks the file. Kinds of faults and of requests that \
         the policy does not declare do not occur, and declared times are kept. Where no invariant is found the verdict \
         is holds, with the reason. [expect] may ask for it; where it asks for holds, a proof meets that.",
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
         [expect] makes a violation a test case, a [[waiver]] with a reason and a date accepts it for a while, a \
         baseline accepts what was there before the tool.",
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
