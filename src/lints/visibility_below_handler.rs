//! `visibility-below-handler`. A message that comes again while it is worked on.

use super::bound::{Inequality, covers};
use super::{Find, Lint, handler};
use crate::check::property::Property;
use crate::model::graph::Uses;
use crate::policy::Policy;

pub static LINT: Lint = Lint {
    name: "visibility-below-handler",
    brief: "a message is delivered again while its first delivery is still at work",
    why: "Two consumers then work on one message. Make the visibility timeout longer than the work, extend it while \
          working, or make the effect recognise a second delivery.",
    source: "AWS SQS visibility timeout; celery/celery#5935; dusterio/laravel-aws-worker#65",
    shown_by: &[Property::EffectivelyOnce],
    find: Find::Compared(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<Inequality> {
    let visibility = policy.queue.as_ref()?.visibility.filter(|_| uses.queue)?;
    Some(covers(("queue.visibility", visibility), &handler(policy)))
}
