//! `over-tight-guard`. A guard that lets nothing through.

use super::{Find, Lint};
use crate::check::property::Property;
use crate::check::verdict::format_ms;
use crate::model::graph::Uses;
use crate::policy::Policy;
use crate::policy::remedy::{GuardKind, TargetKind};

pub static LINT: Lint = Lint {
    name: "over-tight-guard",
    brief: "the guard refuses what it is there to admit",
    why: "A percentage of a small fleet that is rounded down to nothing, or a gate that is shut by the very fault that calls \
          for the remedy: the remediation is there and never acts. Round up, or count in members.",
    source: "Cluster API rounds unhealthyLessThanOrEqualTo down; karpenter#2321 (20 % of small pools)",
    shown_by: &[Property::Escalates],
    find: Find::Broken(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<String> {
    let remedy = policy.remedy.as_ref().filter(|_| uses.guards)?;
    remedy.guards.iter().find_map(|rule| {
        let name = &rule.name;
        let counts = !matches!(
            rule.kind,
            GuardKind::Cooldown
                | GuardKind::CooldownFromCompletion
                | GuardKind::Stabilization
                | GuardKind::Flap
                | GuardKind::Breaker
        );
        if counts && rule.limit == 0 {
            let of = match remedy.target.kind {
                TargetKind::Members { size, .. } => format!(" of {size} members"),
                TargetKind::Value { .. } => String::new(),
            };
            return Some(format!("guard {name}: its limit is 0{of}"));
        }
        let within = policy.remedy.as_ref()?.human.within?;
        let cools = matches!(rule.kind, GuardKind::Cooldown | GuardKind::CooldownFromCompletion);
        (cools && rule.span > within).then(|| {
            format!("guard {name}: span {} > human.within {}", format_ms(rule.span), format_ms(within))
        })
    })
}
