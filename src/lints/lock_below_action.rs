//! `lock-below-action`. A lock that ends under a running action.

use super::bound::{Inequality, covers};
use super::{Find, Lint};
use crate::check::property::Property;
use crate::model::graph::Uses;
use crate::policy::Policy;

pub static LINT: Lint = Lint {
    name: "lock-below-action",
    brief: "the lock can end while its holder's action is still under way",
    why: "The next holder acts on a target that is being acted on. Make the lease longer than the longest action and the \
          longest stall together, or renew it.",
    source: "client-go leader election: lease duration above renew deadline; kured --lock-ttl",
    shown_by: &[Property::LockSafe, Property::SingleFlight],
    find: Find::Compared(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<Inequality> {
    let remedy = policy.remedy.as_ref().filter(|_| uses.lock)?;
    let lease = policy.lock.as_ref()?.lease?;
    Some(covers(
        ("lock.lease", lease),
        &[("target.act", remedy.target.act_max), ("faults.pause", policy.faults.pause)],
    ))
}
