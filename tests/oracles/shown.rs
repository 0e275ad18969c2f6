//! A case as the two files that a person would write: to read a failure, and to try it by hand.

use std::fmt::{Display, Write as _};

use idemcheck::model::{Operation, Protocol, Target, WaitFor};
use idemcheck::policy::Policy;

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
            | Operation::Mark => {}
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

pub fn policy(policy: &Policy) -> String {
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
    let trigger = &policy.trigger;
    line(out, "\n[trigger]\nkind", "\"http\"");
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
    }
    if let Some(downstream) = &policy.downstream {
        out.push_str("\n[downstream]\n");
        if let Some(most) = downstream.latency_max {
            line(out, "latency", format!("[\"{}ms\", \"{most}ms\"]", downstream.latency_min));
        }
        time(out, "timeout", downstream.timeout);
        time(out, "late", downstream.late);
        match downstream.native_key.map(|native| native.ttl) {
            None => line(out, "native_key", false),
            Some(None) => line(out, "native_key", "{}"),
            Some(Some(ttl)) => line(out, "native_key", format!("{{ ttl = \"{ttl}ms\" }}")),
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
    time(out, "pause", faults.pause);
    std::mem::take(out)
}
