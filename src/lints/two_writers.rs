//! `two-writers`. Policies that no value of their target suits together.

use super::{Find, Lint};
use crate::check::property::Property;
use crate::model::graph::Uses;
use crate::policy::Policy;
use crate::policy::remedy::TargetKind;

pub static LINT: Lint = Lint {
    name: "two-writers",
    brief: "two policies write one value, and no value suits both",
    why: "Each undoes what the other one did, for ever. Give the field one owner, or let what they accept overlap.",
    source: "argoproj/argo-cd#5105; createmod#1097",
    shown_by: &[Property::NoOscillation, Property::Quiesces],
    find: Find::Broken(find),
};

fn find(policy: &Policy, _: &Uses) -> Option<String> {
    let members = policy.members.iter().filter_map(|(member, _)| Some((member, member.remedy.as_ref()?)));
    let wants: Vec<(&str, (u32, u32))> = members
        .filter(|(_, remedy)| matches!(remedy.target.kind, TargetKind::Value { .. }))
        .map(|(member, remedy)| (member.name.as_str(), remedy.action.wants))
        .collect();
    let low = wants.iter().map(|(_, (low, _))| *low).max()?;
    let high = wants.iter().map(|(_, (_, high))| *high).min()?;
    (low > high).then(|| {
        let each = wants.iter().map(|(name, (low, high))| format!("{name} wants {low} to {high}"));
        each.collect::<Vec<_>>().join(", ")
    })
}
