//! `grace-below-boot`. A wait after the action that is over before the target shows what came of it.

use super::bound::{Inequality, covers};
use super::{Find, Lint};
use crate::check::property::Property;
use crate::model::graph::Uses;
use crate::policy::Policy;

pub static LINT: Lint = Lint {
    name: "grace-below-boot",
    brief: "the wait after an action is shorter than what it waits for",
    why: "The look that follows sees a target that is still coming up, and calls a good action a failure. Let the wait be \
          longer than the settling and the lag together.",
    source: "AWS Auto Scaling HealthCheckGracePeriod (0 through the API, 300 in the console); eks-anywhere#4709",
    shown_by: &[Property::ActsOnlyWhenDiverged, Property::SingleFlight],
    find: Find::Compared(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<Inequality> {
    let remedy = policy.remedy.as_ref().filter(|_| uses.target)?;
    let waits = ["settle", "grace"].into_iter().find_map(|name| policy.waits.get_key_value(name));
    // One millisecond stands for a wait that the choices leave out.
    let (name, wait) = waits.filter(|(_, wait)| **wait > 1)?;
    let target = &remedy.target;
    let named = if name == "settle" { "waits.settle" } else { "waits.grace" };
    Some(covers((named, *wait), &[("target.settle", Some(target.settle)), ("target.lag", target.lag)]))
}
