//! What a result says beside its verdicts: lints, trust that is not earned, branches that no
//! run took.

use std::collections::BTreeSet;

use super::property::Property;
use super::verdict::{LintResult, PropertyResult, Standing, Verdict};
use super::verify::Findings;
use crate::lints::Lint;
use crate::model::{Operation, Outcome, Protocol};
use crate::policy::Policy;
use crate::system::System;
use crate::system::compile::Next;
use crate::system::describe::LATE_CALL;

/// The lints that the policy does not meet, each with what the check found of it.
pub(super) fn lints(policy: &Policy, protocol: &Protocol, properties: &[PropertyResult]) -> Vec<LintResult> {
    let verdict =
        |property: Property| properties.iter().find(|result| result.property == property).map(|r| r.verdict);
    let result = |(lint, says): (&'static Lint, String)| {
        let with = |wanted| lint.shown_by.iter().copied().find(|property| verdict(*property) == Some(wanted));
        let confirmed_by = with(Verdict::Violated);
        let confirmation = match (confirmed_by, with(Verdict::Inconclusive), with(Verdict::Holds)) {
            (Some(property), ..) => format!("borne out: {property} is violated"),
            (None, Some(property), _) => format!("open: {property} is inconclusive"),
            (None, None, Some(property)) => format!("no run in this scope bears it out: {property} holds"),
            (None, None, None) if lint.shown_by.is_empty() => "outside of what is checked".to_owned(),
            (None, None, None) => "not checked: no property applies".to_owned(),
        };
        let (name, source) = (lint.name.to_owned(), lint.source.to_owned());
        LintResult { name, says, source, confirmed_by, confirmation, silenced: None }
    };
    crate::lints::findings(policy, protocol).into_iter().map(result).collect()
}

/// Surroundings that are trusted more than they promise.
pub(super) fn trusted(policy: &Policy, properties: &[PropertyResult]) -> Vec<String> {
    let mut out = Vec::new();
    if policy.faults.failovers == 0 && policy.store.as_ref().is_some_and(|store| store.loses_writes) {
        let what = "the store can lose its last writes, and no failover is budgeted (`faults.failovers`)";
        out.push(format!("{what}: not tested"));
    }
    if policy.faults.redeliveries == 0 && policy.queue.as_ref().is_some_and(|queue| queue.duplicates) {
        let what = "the queue may deliver a message twice at any moment, and no redelivery is budgeted";
        out.push(format!("{what} (`faults.redeliveries`): not tested"));
    }
    if policy.downstream.as_ref().is_some_and(|downstream| downstream.late.is_none()) {
        let unexpected = |result: &&PropertyResult| result.standing() == Standing::Unexpected;
        let lands_late = |result: &&PropertyResult| {
            let steps = result.counterexample.iter().flat_map(|run| &run.steps);
            steps.into_iter().any(|step| step.who.starts_with(LATE_CALL))
        };
        let names: Vec<&str> = properties
            .iter()
            .filter(unexpected)
            .filter(lands_late)
            .map(|result| result.property.name())
            .collect();
        if !names.is_empty() {
            let names = names.join(", ");
            out.push(format!(
                "the run against {names} has a call that lands after its caller gave up, and nothing bounds how \
                 late: if something does, declare it (`downstream.late`); else no lease is long enough"
            ));
        }
    }
    out
}

/// Every outcome that the model maps and no run saw, as `state: outcome`.
pub(super) fn untaken(system: &System, findings: &Findings) -> Vec<String> {
    if !findings.search.complete {
        return Vec::new();
    }
    let rows = (0_u8..).zip(&system.table);
    let mapped = rows.flat_map(|(at, row)| {
        let outcomes =
            Outcome::ALL.into_iter().filter(|outcome| row.next[*outcome as usize] != Next::Nowhere);
        outcomes.map(move |outcome| (at, row, outcome))
    });
    mapped
        .filter(|(at, _, outcome)| !findings.taken.contains(&(*at, *outcome)))
        .map(|(_, row, outcome)| format!("{}: {outcome}", row.name))
        .collect()
}

/// What no run ever did: a proof about a dead branch is vacuous.
pub(super) fn warnings(policy: &Policy, system: &System, findings: &Findings) -> Vec<String> {
    let mut out = Vec::new();
    if !findings.search.complete {
        return out;
    }
    let visited: BTreeSet<u8> = findings.taken.iter().map(|(at, _)| *at).collect();
    for (at, row) in system.table.iter().enumerate() {
        let at = at as u8;
        if !visited.contains(&at) {
            continue;
        }
        let never = (0..row.next.len()).filter(|index| row.next[*index] != Next::Nowhere);
        let never: Vec<&str> = Outcome::ALL
            .into_iter()
            .filter(|outcome| never.clone().any(|index| index == *outcome as usize))
            .filter(|outcome| !findings.taken.contains(&(at, *outcome)) && !excused(system, row, *outcome))
            .map(Outcome::name)
            .collect();
        if !never.is_empty() {
            let name = &row.name;
            out.push(format!("`{name}` never sees {}: what follows from it is not tested", never.join(", ")));
        }
    }
    let declared = [
        ("crashes", policy.faults.crashes),
        ("lost_requests", policy.faults.lost_requests),
        ("ambiguous_acks", policy.faults.ambiguous_acks),
        ("aborts", policy.faults.aborts),
        ("failovers", policy.faults.failovers),
        ("store_errors", policy.faults.store_errors),
        ("lock_losses", policy.faults.lock_losses),
        ("duplicate_requests", policy.faults.duplicate_requests),
        ("late_requests", policy.faults.late_requests),
        ("redeliveries", policy.faults.redeliveries),
    ];
    for (name, count) in declared {
        if count > 0 && !findings.faults.contains(name) {
            out.push(format!("the budget `faults.{name}` is never used"));
        }
    }
    out
}

/// Outcomes that a declaration rules out: that they never come is no surprise.
fn excused(system: &System, row: &crate::system::compile::Row, outcome: Outcome) -> bool {
    let t = &system.times;
    match outcome {
        Outcome::Expired => t.lease.is_none(),
        Outcome::Mismatch | Outcome::Unavailable => true,
        Outcome::Timeout => t.call_timeout.is_none(),
        Outcome::Aborted | Outcome::Unknown if matches!(row.operation, Operation::Commit { .. }) => true,
        _ => false,
    }
}
