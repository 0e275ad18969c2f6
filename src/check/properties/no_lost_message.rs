//! `no-lost-message`. At least once, seen from the effect.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::NoLostMessage,
    holds_when: "no message is acknowledged before its effect is durable",
    what: "When a consumer acknowledges a message, its effect must exist, or the downstream must have refused it \
           for good. A message that the broker drops because of its id counts too, where it said something else \
           than the first one under that id; and so does a failover that takes the effect of an acknowledged \
           message back.",
    why: "After the acknowledgement nobody delivers the message again. If the consumer dies then, what the \
           message asked for never happens, and no queue, no log of failures and no alert shows it.",
    example: "\
consumer 1.1   queue.ack      acked
consumer 1.1   crashes before downstream.call
broker         has no such message any more",
    cures: "Acknowledge last. Where the effect is in your own database, commit it with the processed message's id \
           (an inbox) and acknowledge after the commit; a redelivery then finds the id.",
    number: Some("most messages lost"),
};
