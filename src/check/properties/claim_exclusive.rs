//! `claim-exclusive`. Two owners at once: the root of most other violations.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::ClaimExclusive,
    holds_when: "never two live attempts of a key are between claim and record and both believe that they own it",
    what: "An attempt believes that it owns a key from the step that claims it until it records, releases, \
           finds out that the claim is lost, or ends. The property breaks when another attempt obtains the \
           claim in between: it is the belief that counts, because that is what the attempt acts upon.",
    why: "Both owners go on to do the work. Whether that shows depends on the far side alone.",
    example: "\
attempt 1.1   store.insert      inserted, lease 30s
attempt 1.1   stalls for 31s
client 1      sends attempt 2
attempt 1.2   store.insert      expired
attempt 1.2   store.take_over   taken: 1.1 still believes that it owns the key",
    cures: "Claim with one atomic step (`store.insert`), never with a read and a write. Let the lease outlast \
           the longest handling time plus the declared `pause`, or renew it. Where no bound on a stall can be \
           promised, expect this property to break and make the effect safe with a fencing token or a native \
           key instead.",
    number: None,
};
