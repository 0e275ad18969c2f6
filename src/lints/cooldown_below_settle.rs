//! `cooldown-below-settle`. A next look that sees what was before the last action.

use super::bound::{Inequality, covers};
use super::{Find, Lint};
use crate::check::property::Property;
use crate::model::graph::Uses;
use crate::policy::Policy;
use crate::policy::remedy::GuardKind;

pub static LINT: Lint = Lint {
    name: "cooldown-below-settle",
    brief: "after a cooldown the target can still look as it did before the action",
    why: "What is seen is as old as the lag, and means nothing while the action settles. Wait for both, or, better, let \
          target.observe take fresh samples only.",
    source: "facts of autoscalers: HPA initial readiness, ASG warm-up; kubernetes/website#54304",
    shown_by: &[Property::ActsOnlyWhenDiverged],
    find: Find::Compared(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<Inequality> {
    let remedy = policy.remedy.as_ref().filter(|_| uses.guards)?;
    let target = &remedy.target;
    let looks = [("target.settle", Some(target.settle)), ("target.lag", target.lag)];
    let from_start = [("target.act", target.act_max), looks[0], looks[1]];
    let guards = remedy.guards.iter().filter_map(|rule| match rule.kind {
        GuardKind::Cooldown => Some(covers(("cooldown", rule.span), &from_start)),
        GuardKind::CooldownFromCompletion => Some(covers(("cooldown", rule.span), &looks)),
        _ => None,
    });
    // One that is too short says more than one that is not.
    guards.min_by_key(|found| found.met)
}
