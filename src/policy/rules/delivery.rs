//! `[trigger] kind`, `[queue]`, `[lock]`, `[role]` and their faults, against one another and the model.

use crate::diag::{Code, Diagnostic};
use crate::model::Protocol;
use crate::model::graph::Uses;
use crate::policy::draft::Draft;
use crate::policy::{Policy, TriggerKind};
use crate::source::suggest::{closest, list, short};

fn is_queue(draft: &Draft) -> bool {
    draft.trigger.kind.is_some_and(|kind| kind.value == TriggerKind::Queue)
}

/// What belongs to the one kind of trigger and not to the other.
pub fn trigger(draft: &Draft, out: &mut Vec<Diagnostic>) {
    if let (true, Some(timeout)) = (is_queue(draft), &draft.trigger.timeout) {
        out.push(
            Diagnostic::new(Code::TriggerMismatch, draft.file, "a broker has no `timeout`")
                .at(timeout.span, "")
                .help("say when a message is delivered again")
                .paste("[queue]\nvisibility = \"30s\""),
        );
    }
    if let (false, Some(queue)) = (is_queue(draft), &draft.queue) {
        let message = "`[queue]` describes deliveries, and the trigger is no queue";
        out.push(
            Diagnostic::new(Code::TriggerMismatch, draft.file, message)
                .at(queue.span, "")
                .help("say so in `[trigger]`, or remove the table")
                .paste("kind = \"queue\""),
        );
    }
}

/// The model's deliveries, locks and roles.
pub fn model(draft: &Draft, model: &Protocol, uses: &Uses, out: &mut Vec<Diagnostic>) {
    let at = draft.model.as_ref().map(|model| model.span).unwrap_or_default();
    if uses.queue && !is_queue(draft) {
        let message =
            format!("the model `{}` acknowledges messages, and the trigger is no queue", model.name);
        let place = draft.trigger.header.unwrap_or(at);
        out.push(
            Diagnostic::new(Code::TriggerMismatch, draft.file, message)
                .at(place, "")
                .help("say so in `[trigger]`")
                .paste("kind = \"queue\""),
        );
    }
    if is_queue(draft) && !uses.queue {
        let message = format!("the model `{}` never acknowledges a message", model.name);
        out.push(
            Diagnostic::new(Code::TriggerMismatch, draft.file, message)
                .at(at, "every delivery is followed by the next one")
                .help("choose a model with `queue.ack`"),
        );
    }
    if uses.lock && draft.lock.is_none() && !draft.given.contains("lock") {
        let message = format!("the model `{}` takes a lock, and there is no `[lock]`", model.name);
        out.push(
            Diagnostic::new(Code::LockMissing, draft.file, message)
                .at(at, "")
                .help("describe it; what is not declared is not promised")
                .paste("[lock]\nlease = \"30s\""),
        );
    }
    if let (false, Some(lock)) = (uses.lock, &draft.lock) {
        let message = format!("the model `{}` takes no lock", model.name);
        out.push(
            Diagnostic::new(Code::LockUnused, draft.file, message)
                .at(lock.span, "has no effect")
                .help("remove the table, or choose a model that locks"),
        );
    }
    if let (false, Some(outbox)) = (uses.publish, &draft.outbox) {
        let message = format!("the model `{}` publishes nothing", model.name);
        out.push(
            Diagnostic::new(Code::OutboxUnused, draft.file, message)
                .at(outbox.span, "has no effect")
                .help("remove the table, or choose a model with `outbox.publish`"),
        );
    }
    for role in &draft.roles {
        let names = || model.roles.iter().map(|role| role.name.as_str());
        if names().any(|name| name == role.name.value) {
            continue;
        }
        let message = format!("the model `{}` has no role `{}`", model.name, short(&role.name.value));
        let diagnostic = Diagnostic::new(Code::RoleNotInModel, draft.file, message).at(role.name.span, "");
        out.push(match closest(&role.name.value, names()) {
            Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
            None if model.roles.is_empty() => diagnostic.help("it has none; remove the table"),
            None => diagnostic.help(format!("its roles are {}", list(names()))),
        });
    }
}

/// Budgets that nothing can spend.
pub fn faults(draft: &Draft, out: &mut Vec<Diagnostic>) {
    let faults = &draft.faults;
    let mut idle = |name: &str, why: &str| {
        let at = draft.fault_spans.get(name).copied().unwrap_or_default();
        out.push(
            Diagnostic::new(Code::FaultIdle, draft.file, format!("`faults.{name}` can do nothing: {why}"))
                .at(at, "never spent")
                .help("remove it, or declare what it needs"),
        );
    };
    if faults.failovers > 0 && !draft.store.as_ref().is_some_and(|store| store.loses_writes) {
        idle("failovers", "the store loses no writes (`store.loses_writes`)");
    }
    if faults.redeliveries > 0 && !is_queue(draft) {
        idle("redeliveries", "the trigger is no queue");
    }
    if faults.lock_losses > 0 && draft.lock.is_none() {
        idle("lock_losses", "there is no lock");
    }
}

/// What cannot be checked together.
pub fn together(draft: &Draft, policy: &Policy, model: &Protocol, uses: &Uses, out: &mut Vec<Diagnostic>) {
    let at = draft.model.as_ref().map(|model| model.span).unwrap_or_default();
    let per_process = policy.store.as_ref().is_some_and(|store| store.per_process);
    let splits = !policy.splitting_fields().is_empty() || per_process || policy.key.from.is_empty();
    let looks = |role: &&crate::model::Role| model.looks_at_receipts(role.start);
    if let (true, Some(role)) = (splits, model.roles.iter().find(looks)) {
        let message =
            format!("the role `{}` looks for receipts, and every attempt has a key of its own", role.name);
        out.push(
            Diagnostic::new(Code::RoleOverSplitKeys, draft.file, message)
                .at(at, "")
                .help("give the attempts one key, or choose a model without roles"),
        );
    }
    if uses.call && uses.commits_effect && policy.faults.failovers > 0 {
        let message = format!("the model `{}` has effects of its own and effects of calls", model.name);
        out.push(
            Diagnostic::new(Code::MixedEffects, draft.file, message)
                .at(at, "a failover loses the one kind and not the other")
                .help("check them apart: a policy with the calls, and one with the local writes"),
        );
    }
}
