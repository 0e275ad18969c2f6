//! `remedy-changes-nothing`. An action after which what called for it still does.

use super::{Find, Lint};
use crate::check::property::Property;
use crate::model::graph::Uses;
use crate::policy::Policy;
use crate::policy::remedy::{Change, Fault, Harm, TargetKind};

pub static LINT: Lint = Lint {
    name: "remedy-changes-nothing",
    brief: "no action changes what calls for it",
    why: "The loop is then guaranteed: act, look, act. Bound the attempts with a guard that no quiet time resets, and lead \
          its refusal to a person.",
    source: "actionability: vitessio/vitess#19775; logfire-helm-chart#245",
    shown_by: &[Property::Quiesces, Property::Escalates],
    find: Find::Broken(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<String> {
    let remedy = policy.remedy.as_ref().filter(|_| uses.target)?;
    let (target, action) = (&remedy.target, &remedy.action);
    if let TargetKind::Value { .. } = target.kind {
        let Change::Sets(value) = action.change else { return None };
        let (low, high) = action.wants;
        return (!(low..=high).contains(&value))
            .then(|| format!("action sets {value}, and wants {low} to {high}"));
    }
    match (target.fault, target.harm) {
        (Fault::Persistent, _) => Some("the fault is persistent: the action does not cure it".to_owned()),
        (Fault::Apparent, _) => {
            Some("the fault is apparent: the action does not change the signal".to_owned())
        }
        (_, Harm::Relapses) => Some("the action brings the fault back (harm = relapses)".to_owned()),
        _ => None,
    }
}
