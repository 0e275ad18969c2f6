//! `ttl-below-horizon`. A receipt that is gone when the retry comes.

use super::bound::{Inequality, covers};
use super::{Find, Lint};
use crate::check::property::Property;
use crate::model::graph::Uses;
use crate::policy::Policy;

pub static LINT: Lint = Lint {
    name: "ttl-below-horizon",
    brief: "the receipt can be gone before the last retry arrives",
    why: "A retry that finds nothing runs the operation anew. Keep receipts longer than retries, redeliveries and \
          replays can arrive, and declare with `trigger.within` how long that is.",
    source: "docs.stripe.com/api/idempotent_requests (keys pruned after 24 h); AWS builders library, safe retries",
    shown_by: &[Property::TtlCoversRetries, Property::SingleExecution],
    find: Find::Compared(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<Inequality> {
    let ttl = policy.store.as_ref()?.ttl.filter(|_| uses.receipts)?;
    Some(covers(
        ("store.ttl", ttl),
        &[("trigger.within", policy.trigger.within), ("faults.clock_skew", Some(policy.faults.clock_skew))],
    ))
}
