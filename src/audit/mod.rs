//! The audit: what running an operation or an action twice does, and what keeps it from happening.
//!
//! Computed from what the action is and from the mechanisms around it, without a search. The rule:
//! what is not known to be safe to repeat is unsafe, and needs a single-flight lock, a person's approval
//! where much is at stake, and a back-out before anything repeats it by itself.

mod catalogue;

pub use catalogue::{Entry, entry};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::graph::Uses;
use crate::model::{Operation, Protocol};
use crate::policy::remedy::{Change, Form, Remedy, TargetKind};
use crate::policy::{Effect, Policy};

/// How safe it is to do it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Again, and nothing changes.
    NaturallyIdempotent,
    /// Safe while a condition holds.
    Conditionally,
    UnsafeToRepeat,
}

impl Class {
    pub fn name(self) -> &'static str {
        match self {
            Class::NaturallyIdempotent => "naturally idempotent",
            Class::Conditionally => "conditionally",
            Class::UnsafeToRepeat => "unsafe to repeat",
        }
    }
}

/// One policy's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub policy: String,
    pub path: String,
    /// What is done: the catalogue's word, or the operation's effect.
    pub action: String,
    /// What it is by itself.
    pub by_nature: Class,
    /// What it is with the mechanisms around it.
    pub class: Class,
    /// What happens when it runs twice.
    pub twice: String,
    /// The form in which it would be safe.
    pub safe_form: String,
    /// Where that is known from.
    pub evidence: String,
    /// Mechanisms that are there.
    pub has: Vec<String>,
    /// What an automatic retry needs, and is not there. Empty: the policy passes.
    pub lacks: Vec<String>,
}

/// Audits a policy. A system is audited member by member.
pub fn audit(policy: &Policy, protocol: &Protocol) -> Vec<Finding> {
    if policy.members.is_empty() {
        return vec![alone(policy, protocol)];
    }
    policy.members.iter().map(|(member, protocol)| alone(member, protocol)).collect()
}

fn alone(policy: &Policy, protocol: &Protocol) -> Finding {
    let uses = protocol.uses(|choice| policy.choices.get(choice).map(String::as_str));
    match &policy.remedy {
        Some(remedy) => of_action(policy, protocol, remedy, &uses),
        None => of_effect(policy, protocol, &uses),
    }
}

/// Whether a state that the choices leave in the model does this.
fn does(protocol: &Protocol, uses: &Uses, test: impl Fn(&Operation) -> bool) -> bool {
    protocol.states.iter().zip(&uses.live).any(|(state, live)| *live && test(&state.operation))
}

fn of_action(policy: &Policy, protocol: &Protocol, remedy: &Remedy, uses: &Uses) -> Finding {
    let (action, entry) = (&remedy.action, entry(remedy.action.kind));
    let mut has = Vec::new();
    let lock = policy.lock.as_ref().filter(|lock| uses.lock && !lock.per_process && !lock.pooled);
    has.extend(lock.map(|_| "single-flight lock".to_owned()));
    let form = match action.form {
        Form::Plain => None,
        Form::CompareAndSet => Some("compare-and-set"),
        Form::Keyed => Some("a key for each episode"),
    };
    has.extend(form.map(str::to_owned));
    has.extend(uses.approve.then(|| "approval".to_owned()));
    let undo = does(protocol, uses, |operation| *operation == Operation::Undo);
    has.extend(undo.then(|| "back-out".to_owned()));
    let fresh = does(protocol, uses, |operation| *operation == Operation::Observe { fresh: true });
    has.extend(fresh.then(|| "a fresh look".to_owned()));
    has.extend(uses.guards.then(|| "guards".to_owned()));
    has.extend(uses.page.then(|| "a page".to_owned()));
    let by_nature = match action.change {
        Change::Adds(_) | Change::Removes(_) | Change::Toggles => Class::UnsafeToRepeat,
        _ => entry.class,
    };
    let class = match by_nature {
        Class::NaturallyIdempotent => by_nature,
        // Its condition is kept by nothing.
        Class::Conditionally if form.is_none() && lock.is_none() => Class::UnsafeToRepeat,
        Class::UnsafeToRepeat if form.is_none() => by_nature,
        _ => Class::Conditionally,
    };
    let many = matches!(remedy.target.kind, TargetKind::Members { size, .. } if size > 1);
    let warrants = entry.blast || many || policy.operation.severity.is_some();
    let mut lacks = Vec::new();
    if class == Class::UnsafeToRepeat {
        lacks.extend(lock.is_none().then(|| "a single-flight lock".to_owned()));
        lacks.extend((warrants && !uses.approve).then(|| "an approval".to_owned()));
        lacks.extend((!undo).then(|| "a back-out".to_owned()));
    }
    Finding {
        policy: policy.name.clone(),
        path: policy.path.display().to_string(),
        action: action.kind.name().to_owned(),
        by_nature,
        class,
        twice: entry.twice.to_owned(),
        safe_form: entry.safe_form.to_owned(),
        evidence: entry.evidence.to_owned(),
        has,
        lacks,
    }
}

fn of_effect(policy: &Policy, protocol: &Protocol, uses: &Uses) -> Finding {
    let effect = policy.operation.effect;
    let (by_nature, twice) = match effect {
        Effect::Set => (Class::NaturallyIdempotent, "the same value again; a stale one overwrites a newer"),
        Effect::Delete => (Class::NaturallyIdempotent, "nothing is left to delete"),
        Effect::Delta => (Class::UnsafeToRepeat, "the amount is added twice"),
        Effect::Create => (Class::UnsafeToRepeat, "there are two of them"),
        Effect::Restart => (Class::UnsafeToRepeat, "a second outage, most likely while it comes up"),
        Effect::Toggle => (Class::UnsafeToRepeat, "it is back where it was"),
        Effect::Notify => (Class::UnsafeToRepeat, "people are told twice"),
    };
    let shared = policy.splitting_fields().is_empty() && !policy.key.from.is_empty();
    let claims = does(protocol, uses, |operation| {
        matches!(operation, Operation::Insert { .. } | Operation::TakeOver { .. })
    });
    let commits = does(protocol, uses, |operation| match operation {
        Operation::Commit { writes, if_unchanged, .. } => {
            *if_unchanged || writes.contains(&crate::model::WriteKind::Receipt)
        }
        _ => false,
    });
    let native = policy.downstream.as_ref().is_some_and(|downstream| downstream.native_key.is_some());
    let fencing = policy.downstream.as_ref().is_some_and(|downstream| downstream.fencing);
    let mut has = Vec::new();
    has.extend((claims && shared).then(|| "a claimed receipt".to_owned()));
    has.extend((commits && shared).then(|| "a receipt in the effect's transaction".to_owned()));
    has.extend((native && uses.key && shared).then(|| "a native key".to_owned()));
    has.extend((fencing && uses.token).then(|| "fencing tokens".to_owned()));
    has.extend(uses.lock.then(|| "a lock".to_owned()));
    has.extend(uses.query.then(|| "a query before it is done again".to_owned()));
    let keyed = (claims || commits || native && uses.key) && shared;
    let class = match by_nature {
        Class::UnsafeToRepeat if keyed => Class::Conditionally,
        class => class,
    };
    let mut lacks = Vec::new();
    if class == Class::UnsafeToRepeat {
        lacks.push("a key that all attempts share, and a receipt or a native key under it".to_owned());
    }
    Finding {
        policy: policy.name.clone(),
        path: policy.path.display().to_string(),
        action: effect.name().to_owned(),
        by_nature,
        class,
        twice: twice.to_owned(),
        safe_form: "a receipt reserved before the effect, or the downstream's own key".to_owned(),
        evidence: "draft-ietf-httpapi-idempotency-key-header; Stripe, idempotent requests".to_owned(),
        has,
        lacks,
    }
}
