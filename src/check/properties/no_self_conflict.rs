//! `no-self-conflict`. A client library that repeats its own insert meets itself.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::NoSelfConflict,
    holds_when: "an attempt never takes its own claim for somebody else's",
    what: "With `[faults] ambiguous_acks` a write of the store may happen although the caller sees an error \
           and repeats it. The property breaks when the repeated step meets the attempt's own first write and \
           reports it as another's: `in_progress`, `lost` or `expired`.",
    why: "Nobody works on the operation, everyone waits for the one that gave up. The key answers `in \
           flight` until the lease or the TTL runs out.",
    example: "\
attempt 1.1   store.insert      written, and the acknowledgement is lost
attempt 1.1   store.insert again: in_progress, its own claim
attempt 1.1   answers in_flight
client 1      sends attempt 2
attempt 1.2   store.insert      in_progress: nobody is at work",
    cures: "Store an owner id with the claim and set `recognise_own = true` on `store.insert`, \
           `store.take_over` and `store.record`.",
    number: None,
};
