//! `effectively-once`. At-least-once delivery and an effect that shows once.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::EffectivelyOnce,
    holds_when: "no redelivery, rebalance or second relay makes an effect or a message show twice",
    what: "However often a message is delivered, and by however many consumers at once, its effect shows once; \
           and a relay publishes the message of an effect once, or within the window in which the broker drops \
           copies of it.",
    why: "A delivery that outlives its visibility timeout is delivered to somebody else while the first consumer \
           still works. A broker's flag or window tells most duplicates and not all.",
    example: "\
broker         delivers 1.1
consumer 1.1   stalls past the visibility timeout
broker         delivers 1.2
consumer 1.2   store.commit   committed: first effect
consumer 1.2   queue.ack      acked
consumer 1.1   store.commit   committed: second effect",
    cures: "Write the processed message's id in the transaction of the effect (an inbox), so that the second commit \
           is lost. For an effect elsewhere, send a native key that outlives every redelivery. A relay claims its \
           rows, and still needs consumers that drop copies or a dedup window longer than its own outage.",
    number: None,
};
