//! `dead-guard`. A limit that cannot be reached.

use super::{Find, Lint};
use crate::check::property::Property;
use crate::check::verdict::format_ms;
use crate::model::graph::Uses;
use crate::policy::Policy;
use crate::policy::remedy::{GuardKind, Remedy, TargetKind};

pub static LINT: Lint = Lint {
    name: "dead-guard",
    brief: "the guard can never refuse anything",
    why: "The most common real defect is not a missing guard but a dead one: so many actions take longer than the window \
          in which they are counted. Make the window longer than that many actions with their delays, or the limit \
          smaller.",
    source: "systemd StartLimitBurst and StartLimitIntervalSec; Erlang/OTP supervisors; puppetlabs-docker#615",
    shown_by: &[Property::Quiesces, Property::BoundedActions],
    find: Find::Broken(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<String> {
    let remedy = policy.remedy.as_ref().filter(|_| uses.guards)?;
    let spacing = spacing(policy, remedy);
    remedy.guards.iter().find_map(|rule| {
        let limit = i64::from(rule.limit);
        let (name, span) = (&rule.name, rule.span);
        match rule.kind {
            GuardKind::Tumbling | GuardKind::Sliding if limit > 0 && limit * spacing > span => Some(format!(
                "guard {name}: {limit} actions, at least {} apart, take {} > span {}",
                format_ms(spacing),
                format_ms(limit * spacing),
                format_ms(span)
            )),
            GuardKind::QuietReset if limit > 0 && spacing > span => Some(format!(
                "guard {name}: actions are at least {} apart > span {}, and every one of them is the first",
                format_ms(spacing),
                format_ms(span)
            )),
            GuardKind::Population => match remedy.target.kind {
                TargetKind::Members { size, .. } if limit >= i64::from(size) => {
                    Some(format!("guard {name}: limit {limit} >= size {size}"))
                }
                _ => None,
            },
            GuardKind::Breaker => {
                let (most, per) = remedy.target.limit?;
                (rule.minimum_calls > most).then(|| {
                    format!(
                        "guard {name}: minimum_calls {} > {most} actions in {}",
                        rule.minimum_calls,
                        format_ms(per)
                    )
                })
            }
            _ => None,
        }
    })
}

/// From one action to the next, at least.
fn spacing(policy: &Policy, remedy: &Remedy) -> i64 {
    use crate::policy::TriggerKind::{Alert, Loop};
    let trigger = &policy.trigger;
    match trigger.kind {
        Loop => trigger.every + remedy.target.act_min,
        Alert => trigger.repeat.unwrap_or(0),
        _ => trigger.every,
    }
}
