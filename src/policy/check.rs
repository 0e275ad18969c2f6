//! [`Draft`] × [`Protocol`] → [`Policy`]: the rules, then the checked value.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::endpoint;
use super::http;
use super::remedy::{Action, ActionKind, Change, Form, Remedy};
use super::rules::{choices, delivery, downstream, key, remedy, store, trigger};
use super::{
    Downstream, Key, LogicalOperation, Policy, Queue, Replay, RoleScope, Store, SuppliedBy, Trigger,
    TriggerKind,
};
use crate::diag::{Code, Diagnostic};
use crate::model::Protocol;
use crate::model::graph::Uses;
use crate::source::Located;

/// Applies every rule. Without a model, those that need none; and there is no policy then. The
/// caller must drop the policy if `draft` came with errors of its own.
pub fn check(draft: &Draft, model: Option<&Protocol>) -> (Option<Policy>, Vec<Diagnostic>) {
    let (policy, mut out) = apply(draft, model);
    if draft.trigger.misnamed {
        // What fits the trigger is known once its kind is.
        out.retain(|diagnostic| diagnostic.code != Code::TriggerMismatch);
    }
    (policy, out)
}

fn apply(draft: &Draft, model: Option<&Protocol>) -> (Option<Policy>, Vec<Diagnostic>) {
    let mut out = Vec::new();
    trigger::attempts(draft, &mut out);
    trigger::horizon(draft, &mut out);
    store::times(draft, &mut out);
    downstream::times(draft, &mut out);
    delivery::trigger(draft, &mut out);
    http::rules(draft, &mut out);
    endpoint::rules(draft, &mut out);
    remedy::trigger(draft, &mut out);
    remedy::parts(draft, &mut out);
    key::supply(draft, &mut out);
    key::per_attempt(draft, &mut out);
    let Some(model) = model else { return (None, out) };

    choices::choices(draft, model, &mut out);
    let option = |name: &str| {
        let (_, option) = draft.choices.iter().find(|(choice, _)| choice.value == name)?;
        option.as_ref().map(|option| option.value.as_str())
    };
    let uses = model.uses(option);
    let mut found = against(draft, model, &uses);
    // While a choice is open, only what is so whatever is chosen.
    let whatever = against(draft, model, &model.surely_uses(option));
    let what = |one: &Diagnostic| (one.code, one.span.map(|span| span.start), one.message.clone());
    let whatever: BTreeSet<_> = whatever.iter().map(what).collect();
    found.retain(|diagnostic| whatever.contains(&what(diagnostic)));
    out.extend(found);
    delivery::faults(draft, &mut out);
    if crate::diag::any_error(&out) {
        return (None, out);
    }
    let policy = policy(draft, model);
    if let Some(policy) = &policy {
        delivery::together(draft, policy, model, &uses, &mut out);
    }
    if crate::diag::any_error(&out) {
        return (None, out);
    }
    (policy, out)
}

/// The action of a policy that never acts.
const UNNAMED: Action =
    Action { kind: ActionKind::Other, form: Form::Plain, change: Change::None, wants: (0, 15) };

/// What the policy says against what the model uses.
fn against(draft: &Draft, model: &Protocol, uses: &Uses) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    choices::waits(draft, model, &uses.live, &mut out);
    store::promises(draft, &model.name, uses, &mut out);
    downstream::promises(draft, &model.name, uses, &mut out);
    delivery::model(draft, model, uses, &mut out);
    remedy::model(draft, &model.name, !model.roles.is_empty(), uses, &mut out);
    key::needed(draft, &model.name, uses, &mut out);
    out
}

fn policy(draft: &Draft, model: &Protocol) -> Option<Policy> {
    let operation = draft.operation.as_ref()?;
    let name = draft.name.as_ref()?.value.clone();
    let chosen =
        draft.choices.iter().map(|(name, option)| Some((name.value.clone(), option.as_ref()?.value.clone())));
    let mut waits = BTreeMap::new();
    for (name, ms) in &draft.waits {
        waits.insert(name.value.clone(), ms.as_ref()?.value);
    }
    for (_, name) in choices::named_waits(model) {
        // Only waits that the choices leave unreachable are still open; their length is no matter.
        waits.entry(name.to_owned()).or_insert(1);
    }
    let trigger = &draft.trigger;
    let kind = trigger.kind.map_or(TriggerKind::Http, |kind| kind.value);
    let queue = draft.queue.as_ref().map(|queue| queue.value.clone());
    let queue = queue.unwrap_or(Queue { notices: true, ..Queue::default() });
    let roles = model.roles.iter().map(|role| {
        let scope = draft.roles.iter().find(|scope| scope.name.value == role.name);
        RoleScope {
            replicas: scope.map_or(1, |scope| scope.replicas),
            runs: scope.map_or(2, |scope| scope.runs),
            every: scope.and_then(|scope| scope.every).unwrap_or(role.every),
        }
    });
    let ms = |place: &Option<Located<i64>>| place.map(|place| place.value);
    Some(Policy {
        summary: draft.summary.as_ref().map_or_else(|| name.clone(), |summary| summary.value.clone()),
        name,
        path: draft.path.clone(),
        model: draft.model.as_ref()?.value.clone(),
        operation: LogicalOperation {
            effect: operation.effect?,
            identity: plain(operation.identity.as_ref()?),
            stable: operation.stable.as_ref().map(plain).unwrap_or_default(),
            severity: operation.severity.clone(),
        },
        key: key_of(draft)?,
        trigger: Trigger {
            kind,
            requests: trigger.requests.map_or(trigger::REQUESTS, |count| count.value),
            conflicting: trigger.conflicting.map_or(0, |count| count.value),
            retries: trigger.retries.map_or(trigger::RETRIES, |count| count.value),
            timeout: ms(&trigger.timeout),
            backoff: ms(&trigger.backoff),
            within: ms(&trigger.within),
            every: ms(&trigger.every).unwrap_or(0),
            delay: ms(&trigger.delay),
            repeat: ms(&trigger.repeat),
            notifiers: trigger.notifiers.map_or(1, |count| count.value),
            overlapping: trigger.overlapping.map_or(2, |count| count.value),
        },
        store: match &draft.store {
            Some(store) => {
                let (lease, ttl) = (ms(&store.lease), ms(&store.ttl));
                Some(Store {
                    kind: store.kind?.to_owned(),
                    lease,
                    ttl,
                    ttl_from: store.ttl_from,
                    ttl_lag: store.ttl_lag,
                    loses_writes: store.loses_writes,
                    stale_reads: store.stale_reads,
                    staleness: store.staleness,
                    conditional: store.conditional,
                    per_process: store.per_process,
                    client_clock: store.client_clock,
                })
            }
            None => None,
        },
        downstream: draft.downstream.as_ref().map(|downstream| Downstream {
            latency_min: downstream.latency.map_or(0, |[shortest, _]| shortest.value),
            latency_max: downstream.latency.map(|[_, longest]| longest.value),
            timeout: ms(&downstream.timeout),
            late: ms(&downstream.late),
            native_key: downstream.native_key.map(|native| native.value),
            query: downstream.query.is_some_and(|flag| flag.value),
            fencing: downstream.fencing.is_some_and(|flag| flag.value),
            errors: downstream.errors,
        }),
        queue: (kind == TriggerKind::Queue).then_some(queue),
        lock: draft.lock.as_ref().map(|lock| lock.value.clone()),
        outbox_dedup: draft.outbox.as_ref().and_then(|outbox| outbox.value),
        http: draft.http.as_ref().map(|http| http.value.clone()).unwrap_or_default(),
        simulate: draft.simulate.clone(),
        load: draft.load.as_ref().map(|load| load.value.clone()),
        roles: roles.collect(),
        remedy: draft.target.as_ref().map(|target| Remedy {
            target: target.value.clone(),
            action: draft.action.as_ref().map_or(UNNAMED, |action| action.value.clone()),
            guards: draft.guards.as_ref().map(|guards| guards.value.clone()).unwrap_or_default(),
            human: draft.human.as_ref().map(|human| human.value).unwrap_or_default(),
        }),
        choices: chosen.collect::<Option<_>>()?,
        waits,
        faults: draft.faults.clone(),
        expect: draft.expect.clone(),
        waivers: draft.waivers.clone(),
        silenced: draft.silenced.clone(),
        members: Vec::new(),
    })
}

fn key_of(draft: &Draft) -> Option<Key> {
    let Some(key) = &draft.key else {
        return Some(Key {
            from: Vec::new(),
            fingerprint: Vec::new(),
            supplied_by: SuppliedBy::Nobody,
            replay: Replay::Bytes,
        });
    };
    Some(Key {
        from: key.from.as_ref().map(plain).unwrap_or_default(),
        fingerprint: key.fingerprint.clone(),
        supplied_by: key.supplied_by.as_ref()?.value,
        replay: key.replay,
    })
}

fn plain(fields: &Located<Vec<Located<String>>>) -> Vec<String> {
    fields.value.iter().map(|field| field.value.clone()).collect()
}
