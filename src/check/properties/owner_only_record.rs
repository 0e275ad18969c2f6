//! `owner-only-record`. What is in the receipt must come from who holds it.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::OwnerOnlyRecord,
    holds_when: "only the owner records, renews or releases a claim, and only an executed result is recorded as \
           success",
    what: "A record, renewal or release that hits a claim of another attempt breaks the property, and so does \
           a recorded success of an attempt that neither saw its own effect succeed nor found it by a query.",
    why: "A slow attempt deletes the claim of its successor, and a third one starts. Or a refusal is stored \
           as the operation's result and replayed until the receipt expires.",
    example: "\
attempt 1.1   store.insert      inserted, then stalls past its lease
attempt 1.2   store.take_over   taken
attempt 1.1   wakes up, store.release   released: the claim of 1.2
client 1      sends attempt 3
attempt 1.3   store.insert      inserted, while 1.2 is still at work",
    cures: "Set `fenced = true` on `store.record` and `store.release`: they then act only while the stored \
           token is mine. Lead `lost` to a state that reads the receipt again.",
    number: None,
};
