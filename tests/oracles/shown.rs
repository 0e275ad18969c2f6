//! A case as the two files that a person would write: to read a failure, and to try it by hand.

use std::fmt::{Display, Write as _};

use idemcheck::model::{Operation, Protocol, Target, WaitFor};
use idemcheck::policy::{Policy, Replay, TriggerKind, TtlFrom};

pub fn model(protocol: &Protocol) -> String {
    let target = |target: &Target| match target {
        Target::State(state) => protocol.states[*state].name.clone(),
        Target::Choice(choice) => format!("?{}", protocol.choices[*choice].name),
        Target::Respond(answer) => format!("respond.{answer}"),
        Target::Resume => "resume".to_owned(),
        Target::End(name) => format!("end.{name}"),
    };
    let mut out = format!(
        "model = {:?}\ntitle = {:?}\nstart = {:?}\n",
        protocol.name, protocol.title, protocol.states[protocol.start].name
    );
    if let Some(resume) = protocol.resume {
        let _ = writeln!(out, "resume = {:?}", protocol.states[resume].name);
    }
    for role in &protocol.roles {
        let start = &protocol.states[role.start].name;
        let _ = writeln!(out, "\n[role.{}]\nstart = {start:?}\nevery = \"{}ms\"", role.name, role.every);
    }
    for choice in &protocol.choices {
        let _ = writeln!(out, "\n[choice.{}]", choice.name);
        for (name, to) in &choice.options {
            let _ = writeln!(out, "{name} = {:?}", target(to));
        }
    }
    for state in &protocol.states {
        let _ = writeln!(out, "\n[state.{}]\ndo = {:?}", state.name, state.operation.name());
        match &state.operation {
            Operation::Insert { recognise_own } | Operation::TakeOver { recognise_own } => {
                let _ = writeln!(out, "recognise_own = {recognise_own}");
            }
            Operation::Record { outcome, fenced, recognise_own } => {
                let name = outcome.name();
                let _ = writeln!(out, "as = {name:?}\nfenced = {fenced}\nrecognise_own = {recognise_own}");
            }
            Operation::Checkpoint { at } => {
                let _ = writeln!(out, "at = {:?}", protocol.states[*at].name);
            }
            Operation::NextRow { claim } => {
                let _ = writeln!(out, "claim = {claim}");
            }
            Operation::Release { fenced } | Operation::Unlock { fenced } => {
                let _ = writeln!(out, "fenced = {fenced}");
            }
            Operation::Observe { fresh } => {
                let _ = writeln!(out, "fresh = {fresh}");
            }
            Operation::Commit { writes, at, if_unchanged } => {
                let writes: Vec<&str> = writes.iter().map(|write| write.name()).collect();
                let _ = writeln!(out, "writes = {writes:?}\nif_unchanged = {if_unchanged}");
                if let Some(at) = at {
                    let _ = writeln!(out, "at = {:?}", protocol.states[*at].name);
                }
            }
            Operation::Call { key, token } => {
                let _ = writeln!(out, "key = {key}\ntoken = {token}");
            }
            Operation::Query { token } => {
                let _ = writeln!(out, "token = {token}");
            }
            Operation::Wait(WaitFor::Fixed(ms)) => {
                let _ = writeln!(out, "for = \"{ms}ms\"");
            }
            Operation::Wait(WaitFor::Named(name)) => {
                let _ = writeln!(out, "for = \"?{name}\"");
            }
            Operation::Read
            | Operation::Write
            | Operation::Renew
            | Operation::LeaseCheck
            | Operation::Sweep
            | Operation::FindAbandoned
            | Operation::Load
            | Operation::Acquire
            | Operation::RenewLock
            | Operation::Ack
            | Operation::Nack
            | Operation::Extend
            | Operation::Publish
            | Operation::Mark
            | Operation::Act
            | Operation::Undo
            | Operation::Admit
            | Operation::Report { .. }
            | Operation::Approve
            | Operation::Page => {}
        }
        for (outcome, to) in &state.next {
            let _ = writeln!(out, "{outcome} = {:?}", target(to));
        }
    }
    out
}

fn line(out: &mut String, key: &str, value: impl Display) {
    let _ = writeln!(out, "{key} = {value}");
}

fn time(out: &mut String, key: &str, ms: Option<i64>) {
    if let Some(ms) = ms {
        line(out, key, format!("\"{ms}ms\""));
    }
}

pub fn policy(policy: &Policy, protocol: &Protocol) -> String {
    if let Some(remedy) = &policy.remedy {
        return format!("{:#?}\n{remedy:#?}\n{:#?}\n{:#?}", policy.trigger, policy.lock, policy.faults);
    }
    let mut out = format!("policy = {:?}\nsummary = {:?}\n", policy.name, policy.summary);
    let out = &mut out;
    line(out, "model", format!("{:?}", policy.model));
    let operation = &policy.operation;
    line(out, "\n[operation]\neffect", format!("{:?}", operation.effect.name()));
    line(out, "identity", format!("{:?}", operation.identity));
    line(out, "\n[key]\nsupplied_by", format!("{:?}", policy.key.supplied_by.name()));
    if !policy.key.from.is_empty() {
        line(out, "from", format!("{:?}", policy.key.from));
    }
    line(out, "fingerprint", format!("{:?}", policy.key.fingerprint));
    let replay = match policy.key.replay {
        Replay::Bytes => "bytes",
        Replay::Semantic => "semantic",
        Replay::Latest => "latest",
    };
    line(out, "replay", format!("{replay:?}"));
    let trigger = &policy.trigger;
    let kind = if trigger.kind == TriggerKind::Queue { "queue" } else { "http" };
    line(out, "\n[trigger]\nkind", format!("{kind:?}"));
    line(out, "requests", trigger.requests);
    line(out, "conflicting", trigger.conflicting);
    line(out, "retries", trigger.retries);
    time(out, "timeout", trigger.timeout);
    time(out, "backoff", trigger.backoff);
    time(out, "within", trigger.within);
    if let Some(store) = &policy.store {
        line(out, "\n[store]\nkind", format!("{:?}", store.kind));
        time(out, "lease", store.lease);
        time(out, "ttl", store.ttl);
        let from = if store.ttl_from == TtlFrom::Claim { "claim" } else { "record" };
        line(out, "ttl_from", format!("{from:?}"));
        time(out, "ttl_lag", Some(store.ttl_lag).filter(|lag| *lag > 0));
        line(out, "loses_writes", store.loses_writes);
        line(out, "stale_reads", store.stale_reads);
        time(out, "staleness", store.staleness);
        line(out, "conditional", store.conditional);
        line(out, "per_process", store.per_process);
        line(out, "clock", if store.client_clock { "\"client\"" } else { "\"store\"" });
    }
    delivery(policy, protocol, out);
    if let Some(downstream) = &policy.downstream {
        out.push_str("\n[downstream]\n");
        if let Some(most) = downstream.latency_max {
            line(out, "latency", format!("[\"{}ms\", \"{most}ms\"]", downstream.latency_min));
        }
        time(out, "timeout", downstream.timeout);
        time(out, "late", downstream.late);
        match downstream.native_key {
            None => line(out, "native_key", false),
            Some(native) => {
                let ttl = native.ttl.map(|ttl| format!("ttl = \"{ttl}ms\""));
                let compares = native.compares.map(|compares| format!("compares = {compares}"));
                let said: Vec<String> = ttl.into_iter().chain(compares).collect();
                line(out, "native_key", format!("{{ {} }}", said.join(", ")));
            }
        }
        line(out, "query", downstream.query);
        line(out, "fencing", downstream.fencing);
        line(out, "errors", format!("{:?}", downstream.errors.name()));
    }
    let choices = policy.choices.iter().map(|(name, option)| format!("{name} = {option:?}\n"));
    let _ = write!(out, "\n[choices]\n{}", choices.collect::<String>());
    let waits = policy.waits.iter().map(|(name, ms)| format!("{name} = \"{ms}ms\"\n"));
    let _ = write!(out, "\n[waits]\n{}", waits.collect::<String>());
    let faults = &policy.faults;
    line(out, "\n[faults]\ncrashes", faults.crashes);
    line(out, "restart", faults.restart);
    line(out, "lost_requests", faults.lost_requests);
    line(out, "lost_responses", faults.lost_responses);
    line(out, "ambiguous_acks", faults.ambiguous_acks);
    line(out, "aborts", faults.aborts);
    line(out, "failovers", faults.failovers);
    line(out, "store_errors", faults.store_errors);
    line(out, "lock_losses", faults.lock_losses);
    line(out, "duplicate_requests", faults.duplicate_requests);
    line(out, "late_requests", faults.late_requests);
    line(out, "redeliveries", faults.redeliveries);
    time(out, "clock_skew", Some(faults.clock_skew));
    time(out, "pause", faults.pause);
    std::mem::take(out)
}

/// Queue, lock, outbox and roles.
fn delivery(policy: &Policy, protocol: &Protocol, out: &mut String) {
    if let Some(queue) = &policy.queue {
        line(out, "\n[queue]\nredrives", queue.redrives);
        time(out, "visibility", queue.visibility);
        time(out, "dedup", queue.dedup);
        line(out, "notices_crashes", queue.notices);
    }
    if let Some(lock) = &policy.lock {
        line(out, "\n[lock]\nsession", lock.session);
        time(out, "lease", lock.lease);
        line(out, "per_process", lock.per_process);
        line(out, "dead_grants", lock.dead_grants);
        line(out, "pooled", lock.pooled);
    }
    if policy.outbox_dedup.is_some() {
        out.push_str("\n[outbox]\n");
        time(out, "dedup", policy.outbox_dedup);
    }
    for (role, scope) in protocol.roles.iter().zip(&policy.roles) {
        line(out, &format!("\n[role.{}]\nreplicas", role.name), scope.replicas);
        line(out, "runs", scope.runs);
        time(out, "every", Some(scope.every));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::TestCaseError;

    use super::*;
    use crate::cases::{self, Case};
    use idemcheck::policy::load_texts;
    use idemcheck::source::Span;

    /// Without places, which a case that was drawn does not have.
    fn bare(protocol: &Protocol) -> String {
        let mut protocol = protocol.clone();
        protocol.states.iter_mut().for_each(|state| state.span = Span::default());
        protocol.choices.iter_mut().for_each(|choice| choice.span = Span::default());
        protocol.roles.iter_mut().for_each(|role| role.span = Span::default());
        format!("{protocol:#?}")
    }

    fn loads(case: &Case) -> Result<(), TestCaseError> {
        let (model, policy) = (model(&case.protocol), policy(&case.policy, &case.protocol));
        let loaded = load_texts(("case.toml".as_ref(), &policy), ("model.toml".as_ref(), &model));
        let messages: Vec<&str> = loaded.diagnostics.iter().map(|d| d.message.as_str()).collect();
        prop_assert!(!loaded.failed(), "{messages:?}\n{model}\n{policy}");
        let found = &loaded.policies[0];
        prop_assert_eq!(bare(&found.protocol), bare(&case.protocol));
        prop_assert_eq!(format!("{:#?}", found.policy), format!("{:#?}", case.policy));
        Ok(())
    }

    #[test]
    fn what_is_shown_is_the_case() {
        let cases = prop_oneof![cases::random_tables(), cases::mutated_models(), cases::crowds()];
        if let Err(error) = cases::runner(3000).run(&cases, |case| loads(&case)) {
            panic!("{error}");
        }
    }
}
