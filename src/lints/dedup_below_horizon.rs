//! `dedup-below-horizon`. A broker that forgets before the producer gives up.

use super::bound::{Inequality, covers};
use super::{Find, Lint};
use crate::check::property::Property;
use crate::model::graph::Uses;
use crate::policy::Policy;

pub static LINT: Lint = Lint {
    name: "dedup-below-horizon",
    brief: "a message can be published again after the broker forgot it",
    why: "The copy is a new message then. Make the window longer than the producer can be cut off, or let consumers \
          drop copies by an id of their own.",
    source: "AWS SQS FIFO (5 min); Azure Service Bus (10 min); NATS (2 min)",
    shown_by: &[Property::EffectivelyOnce, Property::SingleExecution],
    find: Find::Compared(find),
};

fn find(policy: &Policy, _: &Uses) -> Option<Inequality> {
    let dedup = policy.queue.as_ref()?.dedup?;
    Some(covers(("queue.dedup", dedup), &[("trigger.within", policy.trigger.within)]))
}
