//! `no-stuck-key`. The liveness side: safe is easy if nothing ever moves.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::NoStuckKey,
    holds_when: "once faults stop, every attempt ends, and a claim whose owner is gone can be taken again",
    what: "Three things break it. A loop that an attempt can go round for ever although no fault occurs any \
           more, such as a poll for a claim that nobody will finish. A call that may wait for ever, because \
           no timeout is declared. An in-progress receipt whose owner has died and that no later attempt is \
           able to claim. Loops are shown as a run with a part that repeats, and the time one round takes.",
    why: "The customer cannot pay until somebody deletes a row by hand. Support sees `in progress` for a \
           day.",
    example: "\
attempt 1.1   store.insert      inserted: the store has no lease
attempt 1.1   crashes
client 1      sends attempt 2
attempt 1.2   store.insert      in_progress
attempt 1.2   answers in_flight, and so will every later attempt",
    cures: "Declare `[store] lease` and lead `expired` to `store.take_over`. Declare timeouts for calls. Bound \
           a poll loop by giving it a way out to `respond.in_flight`.",
    number: Some("worst stuck time"),
};
