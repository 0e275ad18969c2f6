//! What a policy asks of those who run it: tables to make, signals to watch, tests to run.

use maud::{Markup, html};

use super::{table, text};
use crate::check::verdict::{PolicyResult, format_ms};
use crate::model::graph::Uses;
use crate::policy::remedy::TargetKind;
use crate::policy::{Policy, TriggerKind};
use crate::report::words::shell_word;
use crate::serve::alerts;
use crate::store::{postgres, redis, sqlite};

pub fn receipts(policy: &Policy) -> Markup {
    let kind = policy.store.as_ref().map(|store| store.kind.as_str()).unwrap_or_default();
    html! {
        p { "What " code { "idemcheck serve" } " makes and uses." @if !kind.is_empty() { " The policy's store is " code { (kind) } "." } }
        details open[kind == "postgres"] { summary { "PostgreSQL" } pre tabindex="0" { code { (statements(postgres::tables())) } } }
        details open[kind == "sqlite"] { summary { "SQLite" } pre tabindex="0" { code { (statements(sqlite::tables())) } } }
        details open[kind == "redis"] { summary { "Redis" }
            p { "A receipt is the string " code { (redis::PREFIX) "receipt:KEY" } ": a version, the status, five numbers of "
                "20 characters (token, revision, claimed, end of the lease, expiry), then owner, payload and answer. "
                "Every write is this script:" }
            pre tabindex="0" { code { (redis::claim_script()) } }
        }
        details open[kind == "dynamodb"] { summary { "DynamoDB" } pre tabindex="0" { code { (DYNAMODB_TABLE) } } }
    }
}

/// The table that the store for DynamoDB makes, as the command that would make it.
pub const DYNAMODB_TABLE: &str = "\
aws dynamodb create-table --table-name TABLE \\
    --attribute-definitions AttributeName=pk,AttributeType=S \\
    --key-schema AttributeName=pk,KeyType=HASH \\
    --billing-mode PAY_PER_REQUEST";

/// Without the indent that they have in the source.
fn statements(statements: &[&str]) -> String {
    let lines = statements.iter().flat_map(|text| text.lines());
    let lines: Vec<&str> = lines.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    lines.join("\n").trim().to_owned()
}

/// What to watch, and when to be woken: the rules of `alerts` where receipts are served, and what the policy's
/// own bounds say of the rest.
pub fn monitoring(policy: &Policy, uses: &Uses) -> Markup {
    let rows = signals(policy, uses);
    let there = !rows.is_empty();
    let rows = rows
        .into_iter()
        .map(|(signal, when, then, why)| vec![text(signal), text(when), text(then), text(why)]);
    html! {
        @if uses.receipts {
            p { "The rules that " code { "idemcheck alerts " (shell_word(&policy.path.display().to_string())) } " writes, for the metrics of " code { "serve" } ":" }
            pre tabindex="0" { code { (alerts::rules(policy)) } }
        }
        @if there {
            p { "What the policy's own bounds say is to be watched; the signals are those of whatever runs it:" }
            (table("Signals", &["signal", "alert when", "then", "since"], rows))
        }
        @if !there && !uses.receipts { p { "The policy declares no bound that could be watched." } }
    }
}

type Signal = (String, String, &'static str, &'static str);

fn signals(policy: &Policy, uses: &Uses) -> Vec<Signal> {
    let mut rows: Vec<Signal> = Vec::new();
    let mut watch = |signal: &str, when: String, then, why| rows.push((signal.to_owned(), when, then, why));
    if let Some(remedy) = &policy.remedy {
        let target = &remedy.target;
        if let Some((most, per)) = target.limit {
            let when = format!("more than {most} in {}", format_ms(per));
            watch("actions on one target", when, "stop the automation, page", "bounded-actions");
        }
        if let Some(within) = remedy.human.within {
            let when = format!("{} without a page or an approval", format_ms(within));
            watch("age of a fault that lasts", when, "page", "escalates");
        }
        for guard in &remedy.guards {
            let when =
                format!("refuses, and the target is still ill after {}", format_ms(guard.span.max(60_000)));
            watch(&format!("guard {}", guard.name), when, "page: the remedy is blocked", "escalates");
        }
        if let Some(longest) = target.act_max {
            let when = format!("longer than {}", format_ms(longest));
            watch("time of an action", when, "ticket: the declared bound does not hold", "single-flight");
        }
        if let Some(lag) = target.lag.filter(|lag| *lag > 0) {
            let when = format!("older than {}", format_ms(lag));
            watch(
                "age of what is observed",
                when,
                "ticket: it acts on stale looks",
                "acts-only-when-diverged",
            );
        }
        if let TargetKind::Members { floor, size } = target.kind
            && size > 1
        {
            watch(
                "members that serve",
                format!("fewer than {floor}"),
                "stop the automation, page",
                "capacity-floor",
            );
        }
    }
    if let Some(lease) = policy.lock.as_ref().filter(|_| uses.lock).and_then(|lock| lock.lease) {
        watch(
            "age of a lock",
            format!("over its lease of {}", format_ms(lease)),
            "page: its holder died",
            "lock-live",
        );
    }
    if let Some(visibility) = policy.queue.as_ref().filter(|_| uses.queue).and_then(|queue| queue.visibility)
    {
        let all = visibility.saturating_mul(i64::from(policy.trigger.retries) + 1);
        watch(
            "age of a message",
            format!("over {}: all its deliveries", format_ms(all)),
            "page",
            "no-lost-message",
        );
    }
    if uses.queue {
        watch("dead letters", "any".to_owned(), "ticket: look before they are sent again", "no-lost-message");
    }
    if uses.publish {
        let lease = policy.store.as_ref().and_then(|store| store.lease).unwrap_or(60_000);
        let every = policy.roles.iter().map(|role| role.every).max().unwrap_or(0);
        let when = format!("over {}: a run and a lease, twice", format_ms((lease + every).saturating_mul(2)));
        watch("age of a row that is not published", when, "page", "outbox-atomic");
    }
    if let Some(pause) = policy.faults.pause.filter(|pause| *pause > 0) {
        let when = format!("over {}", format_ms(pause));
        watch("stalls of a worker", when, "ticket: the proof rests on this bound", "faults.pause");
    }
    if let Some(late) =
        policy.downstream.as_ref().filter(|_| uses.call).and_then(|downstream| downstream.late)
    {
        let when = format!("more than {} after the timeout", format_ms(late));
        watch(
            "effects of calls that timed out",
            when,
            "page: the proof rests on this bound",
            "downstream.late",
        );
    }
    rows
}

pub fn plan(policy: &Policy, result: &PolicyResult, uses: &Uses) -> Markup {
    let path = shell_word(&result.path);
    let proof = |property: &str| format!("idemcheck verify {path} --property {property}");
    let with = |proof: String, race: &str| if race.is_empty() { proof } else { format!("{proof}\n{race}") };
    let race = match (&policy.load, uses.receipts) {
        (Some(_), _) => format!("idemcheck load {path} --bursts 60 --batches 3"),
        (None, true) => "needs a [load] section: idemcheck explain load".to_owned(),
        (None, false) => String::new(),
    };
    let conflicting = match policy.load.as_ref().map(|load| load.conflicting.is_some()) {
        Some(false) => "needs `conflicting` in [load]".to_owned(),
        _ => race.clone(),
    };
    let (requests, retries) = (policy.trigger.requests, policy.trigger.retries);
    let mut rows: Vec<(&str, String, String, String)> = Vec::new();
    if policy.remedy.is_some() {
        rows.push((
            "runs at the same time",
            match policy.trigger.kind {
                TriggerKind::Loop => "one run after the other, whoever else acts on the target".to_owned(),
                _ => format!("up to {} runs", policy.trigger.overlapping),
            },
            "at most one action in progress per target".to_owned(),
            proof("single-flight"),
        ));
        rows.push((
            "a fault that lasts",
            "the fault stays, or comes again".to_owned(),
            "finitely many actions, and a person hears of it".to_owned(),
            proof("quiesces"),
        ));
        rows.push((
            "a half-done action",
            format!("{} crashes", policy.faults.crashes),
            "ends complete or backed out".to_owned(),
            proof("backs-out"),
        ));
    } else if policy.trigger.kind == TriggerKind::Queue {
        rows.push((
            "duplicate",
            format!("one message, delivered {} times", retries + 1),
            "one effect; later deliveries only acknowledge".to_owned(),
            proof("effectively-once"),
        ));
        rows.push((
            "concurrent",
            format!(
                "{requests} copies of the message at the same moment, {} redeliveries",
                policy.faults.redeliveries
            ),
            "one effect".to_owned(),
            proof("single-execution"),
        ));
        rows.push((
            "crash",
            format!("{} crashes, between any two steps", policy.faults.crashes),
            "the message comes again, or its effect is there".to_owned(),
            proof("no-lost-message"),
        ));
    } else {
        rows.push((
            "duplicate",
            format!("one request, {retries} retries under its key"),
            "one effect; the recorded answer again".to_owned(),
            with(proof("replay-fidelity"), &race),
        ));
        rows.push((
            "concurrent",
            format!("{requests} requests under one key at the same moment"),
            "one effect; in flight, or the recorded answer".to_owned(),
            with(proof("single-execution"), &race),
        ));
        rows.push((
            "conflicting body",
            format!("{} requests under the same key with another payload", policy.trigger.conflicting),
            format!("{}; nothing changes", policy.http.mismatch),
            with(proof("no-cross-payload"), &conflicting),
        ));
        rows.push((
            "crash",
            format!("{} crashes, between any two steps", policy.faults.crashes),
            "the key is final or claimable again".to_owned(),
            proof("no-stuck-key"),
        ));
    }
    let rows = rows.into_iter().map(|(name, does, wanted, command)| {
        vec![text(name), text(does), text(wanted), html! { pre tabindex="0" { code { (command) } } }]
    });
    table("Test plan", &["case", "what is done", "what is to be seen", "command"], rows)
}
