//! `no-cross-payload`. A reused key with another body is a bug of the client; the answer must not hide it.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::NoCrossPayload,
    holds_when: "no answer is built from the result of another payload, and a mismatching attempt never changes a \
           live receipt",
    what: "Requests with the same key and another payload are part of the scope when `[trigger] conflicting` \
           is at least 1. The property breaks when one payload is answered with the result of the other, and \
           when an attempt with one payload overwrites, renews or removes the live receipt of the other.",
    why: "A transfer of 100 is confirmed with the receipt of a transfer of 10. Or the mismatching request is \
           refused, and its refusal replaces the good receipt, so that the true owner's retry fails as well.",
    example: "\
client 1      sends attempt 1 with payload A
attempt 1.1   store.insert      inserted
attempt 1.1   store.record      recorded
client 2      sends attempt 1 with payload B under the same key
attempt 2.1   store.insert      succeeded: payloads are not compared
attempt 2.1   answers replay: the result of payload A",
    cures: "Declare what identifies the payload in `[key] fingerprint`, and lead `mismatch` to \
           `respond.mismatch` without touching the store.",
    number: None,
};
