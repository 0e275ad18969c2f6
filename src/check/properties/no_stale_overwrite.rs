//! `no-stale-overwrite`. Old work that lands after new work.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::NoStaleOverwrite,
    holds_when: "no effect or record of an older claim lands after that of a newer one",
    what: "Each claim has a fencing token that grows with every grant. The property breaks when an effect \
           arrives, or a record is written, under a lower token than one that came before it.",
    why: "A stalled worker wakes up and sets the old value again: the last state is the one nobody wanted, \
           and all receipts say success.",
    example: "\
attempt 1.1   store.insert      inserted, token 1
attempt 1.1   downstream.call   on its way, slowly
attempt 1.2   store.take_over   taken, token 2
attempt 1.2   downstream.call   ok under token 2
downstream    the call of 1.1 lands under token 1",
    cures: "Send the token with the call (`token = true`) and let the resource refuse lower ones \
           (`[downstream] fencing = true`); query with the token before a takeover acts. Fence \
           `store.record`.",
    number: None,
};
