//! `cooldown-below-action`. A cooldown that ends before the action does.

use super::bound::{Inequality, covers};
use super::{Find, Lint};
use crate::check::property::Property;
use crate::model::graph::Uses;
use crate::policy::Policy;
use crate::policy::remedy::GuardKind;

pub static LINT: Lint = Lint {
    name: "cooldown-below-action",
    brief: "a cooldown from the start can end while the action is still under way",
    why: "The next action then overlaps the last one: two recoveries at once. Make the cooldown longer than the longest \
          action, count it from completion, or hold a lock until the action settled.",
    source: "openark/orchestrator#1217 (RecoveryPeriodBlockSeconds)",
    shown_by: &[Property::SingleFlight],
    find: Find::Compared(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<Inequality> {
    let remedy = policy.remedy.as_ref().filter(|_| uses.guards && !uses.lock)?;
    let rule = remedy.guards.iter().find(|rule| rule.kind == GuardKind::Cooldown)?;
    Some(covers(("cooldown", rule.span), &[("target.act", remedy.target.act_max)]))
}
