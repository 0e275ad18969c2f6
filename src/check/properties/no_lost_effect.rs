//! `no-lost-effect`. What a client that was told "done" may rely on.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::NoLostEffect,
    holds_when: "a success answer means that the effect exists and, where the model records at all, that a success \
           was recorded before",
    what: "When an attempt answers success or replays one, the effect must exist at that moment. If the model \
           claims keys or records receipts, a success must have been recorded under the key by then as well.",
    why: "A client that got its success does not try again, so a missing effect stays missing. A missing \
           receipt lets the next duplicate run the operation anew.",
    example: "\
attempt 1.1   store.insert      inserted
attempt 1.1   store.record      recorded as succeeded, before the call
attempt 1.1   crashes
client 1      sends attempt 2
attempt 1.2   store.insert      succeeded
attempt 1.2   answers replay: there is no effect",
    cures: "Record after the effect and answer after the record. Better still, write effect and receipt in one \
           `store.commit`. When `store.record` says `lost`, do not answer success from memory: read what was \
           recorded.",
    number: None,
};
