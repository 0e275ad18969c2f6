//! `outbox-atomic`. The effect and its message, both or neither.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::OutboxAtomic,
    holds_when: "every effect's message is published in the end, and none without its effect",
    what: "A message must not be published before its effect exists. And when nobody is at work any more, every \
           effect must have its message: published, or in a row of the outbox that a relay will still pick.",
    why: "Two writes to two systems are not one: whoever dies in between leaves an order that nobody ships, or a \
           shipment that nobody ordered.",
    example: "\
attempt 1.1   store.commit     committed: the effect
attempt 1.1   crashes before outbox.publish
nobody        will ever publish the message",
    cures: "Write the message as a row in the transaction of the effect, and let a relay publish rows and mark them \
           afterwards. Never mark a row before its message is out.",
    number: None,
};
