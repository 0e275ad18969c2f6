//! `native-key-below-ttl`. A downstream that forgets first.

use super::bound::{Inequality, covers};
use super::{Find, Lint};
use crate::check::property::Property;
use crate::model::graph::Uses;
use crate::policy::Policy;

pub static LINT: Lint = Lint {
    name: "native-key-below-ttl",
    brief: "the downstream forgets its native key before our receipt ends",
    why: "While our receipt says that the call may be repeated under its key, the downstream may know the key no more, \
          and does it again. Its TTL must cover ours and the late calls, or the retries where we keep nothing.",
    source: "brandur/rocket-rides-atomic (reaps at 72 h) against Stripe v1 (prunes at 24 h)",
    shown_by: &[Property::TtlCoversRetries, Property::SingleExecution],
    find: Find::Compared(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<Inequality> {
    let native = policy.downstream.as_ref()?.native_key.filter(|_| uses.key)?.ttl?;
    let ours = policy.store.as_ref().filter(|_| uses.receipts).and_then(|store| store.ttl);
    let horizon = match ours {
        Some(ttl) => ("store.ttl", Some(ttl)),
        None => ("trigger.within", policy.trigger.within),
    };
    Some(covers(("downstream.native_key.ttl", native), &[horizon]))
}
