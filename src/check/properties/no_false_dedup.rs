//! `no-false-dedup`. The opposite fault of a duplicate: work that silently never happens.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::NoFalseDedup,
    holds_when: "two different operations never share a receipt",
    what: "Operations that differ in a field of `identity` which the key leaves out get the same key. The \
           property breaks when an attempt meets a receipt, or a downstream's key record, that was made by \
           another operation.",
    why: "The second operation is answered with the first one's result and never runs. Nobody sees an error: \
           an invoice is missing, a tenant reads another tenant's response.",
    example: "\
client 1      sends attempt 1 for tenant A, order 7
attempt 1.1   store.insert      inserted
attempt 1.1   store.record      recorded
client 2      sends attempt 1 for tenant B, order 7
attempt 2.1   store.insert      succeeded: the receipt of tenant A",
    cures: "Put every field of `[operation] identity` into `[key] from`: the tenant, the endpoint and the \
           intent are the ones that are forgotten. A fingerprint turns the silent loss into a mismatch \
           answer; it does not make the second operation run.",
    number: None,
};
