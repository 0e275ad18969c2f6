//! Conformance: whether runs that really happened are runs of the policy's [`System`].
//!
//! A log tells of each attempt the steps that it took, with the time in which each happened. What else
//! happens, it does not tell: when calls are sent and take effect, faults of the store, when somebody dies.
//! So a run is allowed where *some* run of the system shows every step that the log tells, each attempt's in
//! their order and each within its time, and no other step of these attempts. Steps of two attempts whose
//! times overlap may have come in either order. Only the last step of an attempt may be missing: it died, or
//! the log ends, before it could be told.
//!
//! [`told`] puts the system and the log together as one timed system with one clock more, for the time of the
//! log; what is searched is whether the log's end can be reached ([`judge`]).
//!
//! [`System`]: crate::system::System

pub mod judge;
pub mod map;
pub mod read;
pub mod report;
pub mod told;

pub use judge::{Judged, Possible, Verdict, judge};
pub use read::{Log, Reader};
pub use report::ConformReport;
pub use told::{Attempt, Record, Run};

use crate::policy::{Policy, TriggerKind};
use crate::system::System;

/// Why runs of a policy can't be judged by logs; none: they can.
pub fn unfit(policy: &Policy, system: &System) -> Option<String> {
    let why = if policy.remedy.is_some() || !policy.members.is_empty() {
        "it is about a target: `idemcheck check-history --policy` judges logs of remediation"
    } else if policy.trigger.kind != TriggerKind::Http {
        "its trigger is not `http`: how a broker delivers is no part of a log of attempts"
    } else if !system.roles.is_empty() {
        "its model has roles, whose steps belong to no attempt of a key"
    } else if system.splits {
        "its key differs from attempt to attempt, so that no two of them belong to one run"
    } else {
        return None;
    };
    Some(why.to_owned())
}
