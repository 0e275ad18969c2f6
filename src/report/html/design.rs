//! What a design review asks for, derived from the model and the policy.

use maud::{Markup, html};

use super::machine::{self, chosen, live, operation_text, target_text};
use super::{operate, table, text};
use crate::audit::audit;
use crate::check::verdict::{PolicyResult, format_ms};
use crate::lints::{self, LINTS};
use crate::model::graph::Uses;
use crate::model::{Answer, Operation, Outcome, Protocol, Target};
use crate::policy::http::FieldSource;
use crate::policy::load::LoadedPolicy;
use crate::policy::remedy::{Boundary, Form, Remedy, TargetKind};
use crate::policy::{Policy, Replay, SuppliedBy, TriggerKind, TtlFrom};

/// Sections by title; what a policy has nothing of has no section.
pub fn sections(source: &LoadedPolicy, result: &PolicyResult) -> Vec<(String, Markup)> {
    let (policy, protocol) = (&source.policy, &*source.protocol);
    if !policy.members.is_empty() {
        return of_members(source, result);
    }
    let uses = protocol.uses(|choice| policy.choices.get(choice).map(String::as_str));
    let mut out = Vec::new();
    let mut add = |title: &str, there: bool, body: &dyn Fn() -> Markup| {
        if there {
            out.push((title.to_owned(), body()));
        }
    };
    let remedy = policy.remedy.as_ref();
    add("Key derivation", remedy.is_none(), &|| key(policy));
    add("Idempotency of the action", true, &|| classification(source));
    add("State diagram", true, &|| diagram(source, result));
    add("Conflict resolution", true, &|| cases(protocol, policy, is_conflict));
    add("Failure semantics", true, &|| failures(protocol, policy));
    add("Time and concurrency", true, &|| times(source, result));
    add("Guards and target", remedy.is_some(), &|| remedy.map(guards).unwrap_or_default());
    add("Locking and recovery", true, &|| locking(policy, protocol, &uses));
    add("Back-out and escalation", remedy.is_some(), &|| {
        remedy.map(|remedy| escalation(remedy, policy, protocol)).unwrap_or_default()
    });
    add("Receipt schema", uses.receipts, &|| operate::receipts(policy));
    add("Monitoring and alerts", true, &|| operate::monitoring(policy, &uses));
    add("Concurrency test plan", true, &|| operate::plan(policy, result, &uses));
    out
}

/// A system is its members; the design of each is on its own page.
fn of_members(source: &LoadedPolicy, result: &PolicyResult) -> Vec<(String, Markup)> {
    let rows = source.policy.members.iter().map(|(member, protocol)| {
        vec![
            text(&member.name),
            text(&member.summary),
            text(&protocol.name),
            text(member.path.display().to_string()),
        ]
    });
    let members = table("Members", &["policy", "summary", "model", "file"], rows);
    let diagrams = html! { @for (number, (member, protocol)) in source.policy.members.iter().enumerate() {
        h3 { (member.name) }
        (scrolled("State diagram", &machine::drawing(number, protocol, member, &[])))
    } };
    vec![
        ("Members".to_owned(), members),
        ("Idempotency of the action".to_owned(), classification(source)),
        ("State diagram".to_owned(), diagrams),
        ("Time and concurrency".to_owned(), inequalities(source, result)),
    ]
}

/// A drawing that scrolls by itself on a narrow screen, also by keyboard.
fn scrolled(label: &str, body: &Markup) -> Markup {
    html! { div.wide tabindex="0" role="group" aria-label=(label) { (body) } }
}

pub fn facts(rows: Vec<(&str, String)>) -> Markup {
    html! { dl.facts { @for (name, value) in rows { dt { (name) } dd { (value) } } } }
}

pub fn bound(ms: Option<i64>) -> String {
    ms.map_or("unbounded".to_owned(), format_ms)
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn key(policy: &Policy) -> Markup {
    let key = &policy.key;
    let supplied = match key.supplied_by {
        SuppliedBy::Client => format!("the client, in the header {}", policy.http.key_header),
        SuppliedBy::Server => "the server, from the fields".to_owned(),
        SuppliedBy::Nobody => "nobody: every attempt is on its own".to_owned(),
    };
    let replay = match key.replay {
        Replay::Bytes => "the recorded answer, to the byte",
        Replay::Semantic => "the same outcome and payload",
        Replay::Latest => "the outcome of the newest effect",
    };
    let place = |source: &FieldSource| match source {
        FieldSource::Header(name) => format!("header {name}"),
        FieldSource::Json(pointer) => format!("body, at {pointer}"),
        FieldSource::Query(name) => format!("query parameter {name}"),
        FieldSource::Method => "method".to_owned(),
        FieldSource::Path => "path".to_owned(),
        FieldSource::Body => "body".to_owned(),
    };
    let rule = match (key.supplied_by, policy.scope_fields()) {
        (SuppliedBy::Nobody, _) => "there is no key: no attempt knows of another".to_owned(),
        (SuppliedBy::Server, _) => {
            "two requests have one key exactly when all of these fields are equal".to_owned()
        }
        (SuppliedBy::Client, Ok(placed)) if !placed.is_empty() => {
            let within: Vec<String> =
                placed.iter().map(|(field, source)| format!("{field} ({})", place(source))).collect();
            format!("the header's value, within {}: elsewhere it is another key", within.join(" and "))
        }
        (SuppliedBy::Client, _) => "the header's value as it is".to_owned(),
    };
    let none = |fields: Vec<&str>| if fields.is_empty() { "none".to_owned() } else { fields.join(", ") };
    let fields = policy.http.fields.iter().map(|(field, source)| vec![text(field), text(place(source))]);
    html! {
        (facts(vec![
            ("one operation is", none(policy.operation.identity.iter().map(String::as_str).collect())),
            ("key", none(key.from.iter().map(String::as_str).collect())),
            ("supplied by", supplied),
            ("rule", rule),
            ("payload compared", none(key.fingerprint.iter().map(String::as_str).collect())),
            ("a replay is", replay.to_owned()),
            ("fields that split an operation", none(policy.splitting_fields())),
            ("identity that the key leaves out", none(policy.merging_fields())),
            ("effect", policy.operation.effect.name().to_owned()),
        ]))
        @if !policy.http.fields.is_empty() { (table("Fields over HTTP", &["field", "where it stands"], fields)) }
    }
}

fn classification(source: &LoadedPolicy) -> Markup {
    let list = |items: &[String]| if items.is_empty() { "nothing".to_owned() } else { items.join(", ") };
    let rows = audit(&source.policy, &source.protocol).into_iter().map(|finding| {
        vec![
            html! { (finding.policy) ": " (finding.action) },
            html! { (finding.class.name()) @if finding.class != finding.by_nature { " (by nature " (finding.by_nature.name()) ")" } },
            text(&finding.twice),
            html! { (finding.safe_form) span.soft { " (" (finding.evidence) ")" } },
            text(list(&finding.has)),
            html! { span class=[(!finding.lacks.is_empty()).then_some("bad")] { (list(&finding.lacks)) } },
        ]
    });
    table(
        "Idempotency",
        &["action", "is", "what happens twice", "safe form", "has", "lacks for a retry"],
        rows,
    )
}

fn diagram(source: &LoadedPolicy, result: &PolicyResult) -> Markup {
    let drawing = machine::drawing(0, &source.protocol, &source.policy, &result.untaken);
    let choices: Vec<String> =
        source.policy.choices.iter().map(|(name, option)| format!("{name} = {option}")).collect();
    html! {
        p { "Under the policy's choices" @if !choices.is_empty() { " (" (choices.join(", ")) ")" } "."
            @if !result.complete() { " The search was not complete: which outcomes no run takes is not known." }
            @else if !result.untaken.is_empty() { " Faint: what no run in the scope ever took, so what follows from it is not tested." } }
        (scrolled("State diagram", &drawing))
        details { summary { "Every transition, as a table" } (transitions(&source.protocol, &source.policy, result)) }
    }
}

/// What the diagram shows, in words.
fn transitions(protocol: &Protocol, policy: &Policy, result: &PolicyResult) -> Markup {
    let states = protocol.states.iter().zip(live(protocol, policy)).filter(|(_, live)| *live);
    let rows = states.flat_map(|(state, _)| {
        state.next.iter().map(move |(outcome, target)| {
            let (to, choice) = chosen(protocol, policy, target);
            let never = result.untaken.contains(&format!("{}: {outcome}", state.name));
            let taken = match (never, result.complete()) {
                (true, true) => "by no run",
                (true, false) => "by no run so far",
                (false, _) => "yes",
            };
            vec![
                html! { (state.name) ": " (outcome) },
                text(operation_text(&state.operation)),
                text(answered(protocol, policy, to)),
                text(choice.unwrap_or_else(|| "the model".to_owned())),
                html! { span class=[never.then_some("warn")] { (taken) } },
            ]
        })
    });
    table("Transitions", &["state and outcome", "does", "then", "decided by", "taken"], rows)
}

fn is_conflict(operation: &Operation, outcome: Outcome) -> bool {
    use Outcome::{
        Busy, Cooling, Expired, Failed, Flapping, InProgress, Limited, Lost, Mismatch, Open, Succeeded, Taken,
    };
    matches!(
        (operation, outcome),
        (_, InProgress | Expired | Mismatch | Lost | Busy | Cooling | Limited | Flapping | Open | Taken)
            | (Operation::Insert { .. } | Operation::Read, Succeeded | Failed)
    )
}

fn is_failure(_: &Operation, outcome: Outcome) -> bool {
    use Outcome::{Aborted, Denied, Error, Exhausted, Timeout, Unavailable, Unknown};
    matches!(outcome, Error | Timeout | Unknown | Unavailable | Aborted | Exhausted | Denied)
}

/// What the table says of some outcomes, a row each.
fn cases(protocol: &Protocol, policy: &Policy, wanted: fn(&Operation, Outcome) -> bool) -> Markup {
    let live = live(protocol, policy);
    let states = protocol.states.iter().zip(live).filter(|(_, live)| *live).map(|(state, _)| state);
    let rows: Vec<Vec<Markup>> = states
        .flat_map(|state| state.next.iter().map(move |(outcome, target)| (state, *outcome, target)))
        .filter(|(state, outcome, _)| wanted(&state.operation, *outcome))
        .map(|(state, outcome, target)| {
            let (to, choice) = chosen(protocol, policy, target);
            vec![
                html! { (operation_text(&state.operation)) " says " strong { (outcome) } },
                text(&state.name),
                text(answered(protocol, policy, to)),
                text(choice.unwrap_or_else(|| "the model".to_owned())),
            ]
        })
        .collect();
    if rows.is_empty() {
        return html! { p { "The model has no such outcome." } };
    }
    table("Cases", &["when", "in state", "then", "decided by"], rows)
}

/// A target, with the status that HTTP has for it.
fn answered(protocol: &Protocol, policy: &Policy, target: &Target) -> String {
    let says = target_text(protocol, target);
    match target {
        Target::State(_) => format!("goes on at {says}"),
        Target::Respond(Answer::InFlight) => format!("{says} ({})", policy.http.in_flight),
        Target::Respond(Answer::Mismatch) => format!("{says} ({})", policy.http.mismatch),
        Target::Respond(Answer::Replay) => format!("{says}, marked by {}", policy.http.replay_marker),
        _ => says,
    }
}

fn failures(protocol: &Protocol, policy: &Policy) -> Markup {
    let faults = &policy.faults;
    let counts = [
        ("crashes", faults.crashes),
        ("lost requests", faults.lost_requests),
        ("lost responses", faults.lost_responses),
        ("ambiguous acks", faults.ambiguous_acks),
        ("aborts", faults.aborts),
        ("failovers", faults.failovers),
        ("store errors", faults.store_errors),
        ("lost locks", faults.lock_losses),
        ("duplicated requests", faults.duplicate_requests),
        ("late requests", faults.late_requests),
        ("redeliveries", faults.redeliveries),
    ];
    let taken: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    let without: Vec<&str> = counts.iter().filter(|(_, count)| *count == 0).map(|(name, _)| *name).collect();
    html! {
        (facts(vec![
            ("tried", if taken.is_empty() { "no faults".to_owned() } else { taken.join(", ") }),
            ("not tried", without.join(", ")),
            ("a worker stalls for at most", bound(faults.pause)),
            ("a crashed attempt is run again", yes(faults.restart)),
        ]))
        (cases(protocol, policy, is_failure))
    }
}

fn times(source: &LoadedPolicy, result: &PolicyResult) -> Markup {
    let policy = &source.policy;
    let mut rows: Vec<(&str, String, &str)> = vec![
        ("trigger.requests", policy.trigger.requests.to_string(), "simultaneous requests under one key"),
        ("trigger.retries", policy.trigger.retries.to_string(), "further attempts of each"),
        ("trigger.timeout", bound(policy.trigger.timeout), "the client gives up on an attempt"),
        ("trigger.within", bound(policy.trigger.within), "the last attempt is sent"),
        ("faults.pause", bound(policy.faults.pause), "the longest stall of a worker"),
    ];
    if policy.remedy.is_some() {
        rows.drain(..4);
        rows.push(("trigger.every", format_ms(policy.trigger.every), "between two runs, at least"));
        if policy.trigger.kind != TriggerKind::Loop {
            rows.push((
                "trigger.overlapping",
                policy.trigger.overlapping.to_string(),
                "runs at the same time, at most",
            ));
        }
    }
    if let Some(store) = &policy.store {
        let from = match store.ttl_from {
            TtlFrom::Claim => "a receipt is kept, from the claim",
            TtlFrom::Record => "a receipt is kept, from the record",
        };
        rows.push(("store.lease", bound(store.lease), "a claim can be taken over after it"));
        rows.push(("store.ttl", store.ttl.map_or("kept for ever".to_owned(), format_ms), from));
        rows.push((
            "faults.clock_skew",
            format_ms(policy.faults.clock_skew),
            "between a worker and the store",
        ));
    }
    if let Some(downstream) = &policy.downstream {
        rows.push(("downstream.timeout", bound(downstream.timeout), "a call is given up"));
        rows.push(("downstream.late", bound(downstream.late), "it may still take effect, after that"));
        if let Some(native) = downstream.native_key {
            rows.push(("downstream.native_key.ttl", bound(native.ttl), "the downstream forgets a key"));
        }
    }
    if let Some(lock) = &policy.lock {
        rows.push(("lock.lease", bound(lock.lease), "the lock ends by itself"));
    }
    rows.extend(policy.waits.iter().map(|(name, ms)| (name.as_str(), format_ms(*ms), "a wait of the model")));
    let rows =
        rows.into_iter().map(|(key, value, says)| vec![html! { code { (key) } }, text(value), text(says)]);
    html! {
        (table("Times and counts", &["declaration", "value", "what it says"], rows))
        (inequalities(source, result))
    }
}

/// Every inequality, met or not.
fn inequalities(source: &LoadedPolicy, result: &PolicyResult) -> Markup {
    let found = lints::inequalities(&source.policy, &source.protocol);
    let idle: Vec<&str> = LINTS
        .iter()
        .filter(|lint| !found.iter().any(|(known, _)| known.name == lint.name))
        .map(|lint| lint.name)
        .collect();
    let rows = found.iter().map(|(lint, inequality)| {
        let silenced = result.lints.iter().find(|found| found.name == lint.name && found.silenced.is_some());
        let (class, word) = match (inequality.met, silenced) {
            (true, _) => ("good", "✓ met"),
            (false, Some(_)) => ("warn", "! not met, accepted"),
            (false, None) => ("bad", "✗ not met"),
        };
        vec![
            html! { code { (inequality.says) } },
            html! { span class=(class) { (word) } },
            html! { (lint.name) ": " (if inequality.met { lint.source } else { lint.brief }) },
        ]
    });
    html! {
        @if !found.is_empty() { (table("Inequalities", &["inequality", "it is", "rule"], rows)) }
        @if !idle.is_empty() { p.soft { "Rules with nothing to compare, or nothing to object to, here: " (idle.join(", ")) "." } }
    }
}

fn guards(remedy: &Remedy) -> Markup {
    let target = &remedy.target;
    let what = match target.kind {
        TargetKind::Members { size, floor } => format!("{size} members, {floor} of which must serve"),
        TargetKind::Value { start, floor } => format!("a value, {start} at first, never below {floor}"),
    };
    let rows = remedy.guards.iter().map(|guard| {
        let edge = match guard.edge {
            Boundary::Either => "either reading",
            Boundary::Reached => "over",
            Boundary::Exceeded => "not yet over",
        };
        vec![
            text(&guard.name),
            text(guard.kind.name()),
            text(guard.limit.to_string()),
            text(format_ms(guard.span)),
            text(edge),
            text(if guard.per_target { "each target" } else { "all" }),
            text(if guard.durable { "survives a restart" } else { "is lost with the process" }),
        ]
    });
    html! {
        (facts(vec![
            ("target", format!("{}: {what}", target.name)),
            ("action", remedy.action.kind.name().to_owned()),
            ("an action takes", format!("{} to {}", format_ms(target.act_min), bound(target.act_max))),
            ("its caller gives up after", bound(target.timeout)),
            ("what is seen is as old as", bound(target.lag)),
            ("settles for", format_ms(target.settle)),
        ]))
        @if remedy.guards.is_empty() { p.warn { "Nothing holds the action back: there are no guards." } }
        @else { (table("Guards", &["guard", "kind", "limit", "span", "at exactly the span it is", "counts for", "its memory"], rows)) }
    }
}

fn locking(policy: &Policy, protocol: &Protocol, uses: &Uses) -> Markup {
    let mut rows = Vec::new();
    if let Some(lock) = policy.lock.as_ref().filter(|_| uses.lock) {
        rows.push(("lock", if lock.per_target { "one for each target" } else { "one" }.to_owned()));
        rows.push(("it ends by itself after", bound(lock.lease)));
        rows.push(("it ends with its session", yes(lock.session)));
        rows.push(("it keeps out other processes", yes(!lock.per_process)));
    } else {
        rows.push(("lock", "none".to_owned()));
    }
    if let Some(store) = policy.store.as_ref().filter(|_| uses.receipts) {
        rows.push((
            "claims are taken over",
            match store.lease {
                Some(lease) if uses.expiry => format!("after {}", format_ms(lease)),
                _ => "never".to_owned(),
            },
        ));
        rows.push((
            "a stale owner is fenced off downstream",
            yes(uses.token && policy.downstream.as_ref().is_some_and(|downstream| downstream.fencing)),
        ));
    }
    if let Some(remedy) = &policy.remedy {
        let form = match remedy.action.form {
            Form::Plain => "no: it is applied whenever it arrives",
            Form::CompareAndSet => "only while the target is as it was seen",
            Form::Keyed => "once per episode of the fault",
        };
        rows.push(("a late or doubled action is kept off", form.to_owned()));
    }
    for (role, scope) in protocol.roles.iter().zip(&policy.roles) {
        rows.push((
            "recovered by",
            format!("{}: {} at a time, every {}", role.name, scope.replicas, format_ms(scope.every)),
        ));
    }
    facts(rows)
}

fn escalation(remedy: &Remedy, policy: &Policy, protocol: &Protocol) -> Markup {
    let live = live(protocol, policy);
    let does = |test: fn(&Operation) -> bool| {
        let states =
            protocol.states.iter().zip(&live).filter(|(state, live)| **live && test(&state.operation));
        states.map(|(state, _)| state.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let or = |states: String, none: &str| if states.is_empty() { none.to_owned() } else { states };
    let human = &remedy.human;
    facts(vec![
        (
            "backs out in",
            or(does(|operation| matches!(operation, Operation::Undo)), "no state: what is half-done stays"),
        ),
        ("after a back-out it holds for", remedy.target.hold.map_or("no time".to_owned(), format_ms)),
        ("asks for approval in", or(does(|operation| matches!(operation, Operation::Approve)), "no state")),
        ("a request for approval lapses after", bound(human.approval)),
        ("pages a person in", or(does(|operation| matches!(operation, Operation::Page)), "no state")),
        (
            "a lasting fault reaches a person within",
            human.within.map_or("no declared time".to_owned(), format_ms),
        ),
        ("a page silences the automation", yes(human.silences)),
    ])
}
