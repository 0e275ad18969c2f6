//! `lock-below-handler`. A lock that ends under its holder.

use super::bound::{Inequality, covers};
use super::{Find, Lint, handler};
use crate::check::property::Property;
use crate::model::graph::Uses;
use crate::policy::Policy;

pub static LINT: Lint = Lint {
    name: "lock-below-handler",
    brief: "the lock can end while its holder is still at work",
    why: "A lock with a lease is not mutual exclusion: a holder that stalls past it goes on. Make the lease longer than \
          the work, or let the resource compare fencing tokens.",
    source: "redis.io distributed locks; etcd.io learning/why",
    shown_by: &[Property::ClaimExclusive, Property::SingleExecution],
    find: Find::Compared(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<Inequality> {
    let lease = policy.lock.as_ref()?.lease.filter(|_| uses.lock)?;
    Some(covers(("lock.lease", lease), &handler(policy)))
}
