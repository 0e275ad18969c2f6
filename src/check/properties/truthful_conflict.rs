//! `truthful-conflict`. Clients act upon the code of a refusal.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::TruthfulConflict,
    holds_when: "`in flight` is only answered while a receipt is in progress, and `mismatch` only if the payload \
           differs",
    what: "At the moment of the look that the answer rests on, `respond.in_flight` needs a claim under the \
           key that has not run out, and `respond.mismatch` a receipt of another payload. What happens while \
           the answer is on its way does not make it untrue.",
    why: "On `in flight` a client waits and tries again; on `mismatch` it gives up for good. The wrong one \
           makes it wait for nothing, or drop an operation that was never executed.",
    example: "\
attempt 1.1   store.insert      inserted
attempt 1.2   store.insert      expired
attempt 1.1   store.record      recorded as succeeded
attempt 1.2   store.take_over   lost; answers in_flight: nothing is in flight",
    cures: "Lead each outcome to the answer that says what it is. After a lost race, read the receipt again \
           before answering.",
    number: None,
};
