//! `single-execution`. Counts effects, not answers: a layer can give every client the same answer and still run twice.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::SingleExecution,
    holds_when: "at most one effect shows per logical operation, however often it is tried",
    what: "Every effect that lands downstream, or in a committed transaction, is counted under the logical \
           operation it belongs to. A second one breaks the property, at whatever moment it lands: a call \
           that its caller gave up on counts when it takes effect. An effect of kind `set` or `delete` that \
           is applied again changes nothing and is not counted.",
    why: "The customer is charged twice, the host is restarted twice, the mail goes out twice. Answers do \
           not show it: all callers may well get one and the same response.",
    example: "\
attempt 1.1   store.insert      inserted
attempt 1.1   downstream.call   timeout: the call is still on its way
attempt 1.1   store.release     released
client 1      sends attempt 2
attempt 1.2   store.insert      inserted
attempt 1.2   downstream.call   ok: first effect
downstream    the late call lands: second effect",
    cures: "After an unknown outcome, ask (`downstream.query`) or hold the key; do not release it. Send a \
           native key whose TTL outlives the retries, or a fencing token that the resource checks. Where the \
           effect is in your own database, commit it in one transaction with the receipt. A lease alone is \
           not enough for an effect that nothing fences: it then takes declared bounds on `pause` and `late` \
           that together stay under the lease.",
    number: Some("most effects"),
};
