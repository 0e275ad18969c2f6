//! What a check explores, as its result says it.

use super::verdict::Scope;
use crate::model::Protocol;
use crate::policy::remedy::{Fault, TargetKind};
use crate::policy::{Faults, Policy, TriggerKind};
use crate::system::System;
use crate::system::remedy::Rules;

pub(super) fn scope(policy: &Policy, system: &System) -> Scope {
    let Faults {
        crashes,
        lost_requests,
        lost_responses,
        ambiguous_acks,
        aborts,
        failovers,
        store_errors,
        lock_losses,
        duplicate_requests,
        late_requests,
        redeliveries,
        clock_skew,
        restart,
        pause,
    } = policy.faults;
    let roles = system.roles.iter().zip(&policy.roles);
    Scope {
        failovers,
        store_errors,
        lock_losses,
        duplicate_requests,
        late_requests,
        redeliveries,
        clock_skew_ms: clock_skew,
        queue: system.queue,
        target: system.remedy.as_ref().map(scope_of_target).unwrap_or_default(),
        roles: roles
            .map(|(role, scope)| format!("{} {} x {}", role.name, scope.replicas, scope.runs))
            .collect(),
        calls: policy.downstream.is_some(),
        requests: policy.trigger.requests,
        conflicting: policy.trigger.conflicting,
        merged: system.merged,
        attempts_each: policy.trigger.retries + 1,
        crashes,
        lost_requests,
        lost_responses,
        ambiguous_acks,
        aborts,
        restart,
        pause_ms: pause,
        late_ms: policy.downstream.as_ref().and_then(|d| d.late),
        within_ms: policy.trigger.within,
    }
}

/// The model, or those of a system's members.
pub(super) fn models(policy: &Policy, protocol: &Protocol) -> String {
    let mut names: Vec<&str> = policy.members.iter().map(|(_, model)| model.name.as_str()).collect();
    names.dedup();
    if names.is_empty() { protocol.name.clone() } else { names.join(" and ") }
}

/// What is explored of a remediation.
fn scope_of_target(rules: &Rules) -> Vec<String> {
    let mut out = vec![match rules.kind {
        TargetKind::Members { size: 1, .. } => "1 instance".to_owned(),
        TargetKind::Members { size, .. } => format!("{size} members"),
        TargetKind::Value { start, .. } => format!("a value from {start} on"),
    }];
    let fault = match rules.fault {
        Fault::None => None,
        Fault::Curable => Some("curable"),
        Fault::Transient => Some("transient"),
        Fault::Persistent => Some("persistent"),
        Fault::Recurring => Some("recurring"),
        Fault::Flapping => Some("flapping"),
        Fault::Apparent => Some("apparent"),
    };
    let at_once =
        if rules.faulty > 1 { format!(", {} at the same time", rules.faulty) } else { String::new() };
    out.extend(fault.map(|fault| {
        let article = if fault.starts_with('a') { "an" } else { "a" };
        format!("{article} {fault} fault{at_once}")
    }));
    for part in &rules.parts {
        let what = match part.trigger {
            TriggerKind::Alert if part.notifiers > 1 => format!("{} notifiers", part.notifiers),
            TriggerKind::Alert => "an alert".to_owned(),
            TriggerKind::Schedule => "a schedule".to_owned(),
            _ => "a loop".to_owned(),
        };
        let whose = if rules.parts.len() > 1 { format!(" of {}", part.name) } else { String::new() };
        let most = if part.trigger == TriggerKind::Loop { 1 } else { part.overlapping };
        out.push(format!(
            "{what}{whose} with up to {most} {} at a time",
            if most == 1 { "run" } else { "runs" }
        ));
    }
    out
}
