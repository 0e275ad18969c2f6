//! `lease-below-handler`. A lease that ends under its owner.

use super::bound::{Inequality, covers};
use super::{Find, Lint, handler};
use crate::check::property::Property;
use crate::model::graph::Uses;
use crate::policy::Policy;

pub static LINT: Lint = Lint {
    name: "lease-below-handler",
    brief: "the lease can end while its owner is still at work",
    why: "Another attempt takes the claim over then, and two are at work. Make the lease longer than the call and the \
          longest stall together, renew it, or let the resource check fencing tokens.",
    source: "Kleppmann, How to do distributed locking (2016); aws-powertools/powertools-lambda-python#8049",
    shown_by: &[Property::ClaimExclusive, Property::SingleExecution],
    find: Find::Compared(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<Inequality> {
    let lease = policy.store.as_ref()?.lease.filter(|_| uses.receipts && uses.expiry)?;
    Some(covers(("store.lease", lease), &handler(policy)))
}
