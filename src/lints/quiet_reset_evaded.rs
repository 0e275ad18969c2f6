//! `quiet-reset-evaded`. A counter that forgets before the next fault comes.

use super::{Find, Lint};
use crate::check::property::Property;
use crate::check::verdict::format_ms;
use crate::model::graph::Uses;
use crate::policy::Policy;
use crate::policy::remedy::{Fault, GuardKind};

pub static LINT: Lint = Lint {
    name: "quiet-reset-evaded",
    brief: "the fault recurs more slowly than the counter forgets",
    why: "Every recurrence is the first one to the counter: the number of actions has no bound, and nobody hears of it. \
          Let the quiet time be longer than the period, or count for good.",
    source: "Cluster API KubeadmControlPlane minHealthyPeriodSeconds; kubelet CrashLoopBackOff; pfnet/node-operation-controller#31",
    shown_by: &[Property::Quiesces, Property::Escalates, Property::BoundedActions],
    find: Find::Broken(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<String> {
    let remedy = policy.remedy.as_ref().filter(|_| uses.guards)?;
    let target = &remedy.target;
    let rule = remedy.guards.iter().find(|rule| rule.kind == GuardKind::QuietReset)?;
    let evades = target.fault == Fault::Recurring && target.period >= rule.span;
    evades.then(|| {
        let (period, span) = (format_ms(target.period), format_ms(rule.span));
        format!("target.period {period} >= guard {}: span {span}", rule.name)
    })
}
