//! `ttl-covers-retries`. An inequality between several parties, checked along every run.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::TtlCoversRetries,
    holds_when: "no attempt finds that the receipt of its operation has expired",
    what: "The property breaks when an attempt reaches a store that has already dropped the receipt of the \
           same operation, or a downstream that has already forgotten its native key. Both forget by age; a \
           retry may come as late as `[trigger] within` allows, and without that bound at any time.",
    why: "A forgotten receipt is no receipt: the late retry runs the operation once more.",
    example: "\
attempt 1.1   store.insert      inserted
attempt 1.1   downstream.call   ok
attempt 1.1   store.record      recorded, TTL 24h; the response is lost
store         24h later the receipt is gone
client 1      sends attempt 2, 25h after the first
attempt 1.2   store.insert      inserted: the receipt expired",
    cures: "Declare how late a retry may come (`[trigger] within`), and make `[store] ttl` longer than that \
           plus the longest handling time. The TTL of a downstream's native key has to cover the same span, \
           counted from the first call.",
    number: None,
};
