//! `truthful-conflict`. Clients act upon the code of a refusal.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::TruthfulConflict,
    holds_when: "`in flight` is only answered while a receipt is in progress, and `mismatch` only if the payload \
           differs",
    what: "At the moment of the answer, `respond.in_flight` needs a receipt in progress under the key, and \
           `respond.mismatch` needs a request whose payload is not the one the receipt was made for.",
    why: "On `in flight` a client waits and tries again; on `mismatch` it gives up for good. The wrong one \
           makes it wait for nothing, or drop an operation that was never executed.",
    example: "\
attempt 1.1   store.insert      inserted
attempt 1.2   store.insert      in_progress
attempt 1.1   store.record      recorded as succeeded
attempt 1.2   stalls, then answers in_flight: nothing is in flight",
    cures: "Lead each outcome to the answer that says what it is. If an answer can be late, read the receipt \
           again before giving it. Often it is right to accept this one with a waiver: the client's next try \
           gets the truth.",
    number: None,
};
