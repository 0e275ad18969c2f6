//! `replay-fidelity`. A retry must not be able to tell that it was one.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::ReplayFidelity,
    holds_when: "every final response that a waiting client gets under a key is the same as the first",
    what: "The first final answer (success, replay or recorded failure) that reaches a client who still waits \
           for it is remembered per key. Every later final answer that reaches a client must carry the same \
           result: the same outcome, from the same effect. Answers that ask for another try (`in_flight`, \
           `error`, `unknown`) are not final.",
    why: "Two copies of a request book two different ids, or one shows success and one failure. The client \
           then acts on both.",
    example: "\
attempt 1.1   downstream.call   ok: effect 1
attempt 1.2   downstream.call   ok: effect 2
attempt 1.1   store.record      recorded
attempt 1.1   answers success with effect 1
attempt 1.2   store.record      lost
attempt 1.2   answers success with effect 2",
    cures: "Answer from the recorded receipt, never from memory, when the record step says `lost`. Record \
           failures only if they are to be replayed as failures; else release and let the next attempt run.",
    number: None,
};
