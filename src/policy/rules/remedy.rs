//! `[target]`, `[action]`, `[guards]`, `[human]` and their triggers, against one another and the model.

use crate::diag::{Code, Diagnostic};
use crate::model::graph::Uses;
use crate::policy::TriggerKind;
use crate::policy::draft::Draft;
use crate::policy::remedy::{Change, Fault, Form, Target, TargetKind};
use crate::source::{Located, Span};

fn is_endless(draft: &Draft) -> bool {
    draft.trigger.kind.is_some_and(|kind| kind.value.is_endless())
}

/// What belongs to triggers of requests, and what to those of remediations.
pub fn trigger(draft: &Draft, out: &mut Vec<Diagnostic>) {
    let trigger = &draft.trigger;
    let mut misfit = |span: Option<Span>, name: &str, of: &str| {
        if let Some(span) = span {
            let message = format!("`{name}` belongs to a trigger of kind {of}");
            out.push(
                Diagnostic::new(Code::TriggerMismatch, draft.file, message)
                    .at(span, "")
                    .help("remove it, or choose that kind"),
            );
        }
    };
    let kind = trigger.kind.map_or(TriggerKind::Http, |kind| kind.value);
    let count = |place: &Option<Located<u32>>| place.map(|place| place.span);
    let time = |place: &Option<Located<i64>>| place.map(|place| place.span);
    if kind.is_endless() {
        for (span, name) in [
            (count(&trigger.requests), "requests"),
            (count(&trigger.conflicting), "conflicting"),
            (count(&trigger.retries), "retries"),
            (time(&trigger.timeout), "timeout"),
            (time(&trigger.backoff), "backoff"),
            (time(&trigger.within), "within"),
        ] {
            misfit(span, name, "`http` or `queue`");
        }
    }
    if !kind.is_endless() {
        misfit(time(&trigger.delay), "delay", "`alert`, `schedule` or `loop`");
    }
    if kind != TriggerKind::Alert {
        misfit(time(&trigger.repeat), "repeat", "`alert`");
        misfit(count(&trigger.notifiers), "notifiers", "`alert`");
    }
    if !matches!(kind, TriggerKind::Schedule | TriggerKind::Loop) {
        misfit(time(&trigger.every), "every", "`schedule` or `loop`");
    }
    if !matches!(kind, TriggerKind::Alert | TriggerKind::Schedule) {
        misfit(count(&trigger.overlapping), "overlapping", "`alert` or `schedule`");
    }
}

/// The target and its action.
pub fn parts(draft: &Draft, out: &mut Vec<Diagnostic>) {
    let kind = draft.target.as_ref().map(|target| target.value.kind);
    let fleet = matches!(kind, Some(TargetKind::Members { size: 2.., .. }));
    if let Some(lock) = draft.lock.as_ref().filter(|lock| lock.value.per_target && !fleet) {
        let message = "there is no fleet whose members could have a lock each";
        let diagnostic = Diagnostic::new(Code::TargetMismatch, draft.file, message).at(lock.span, "");
        out.push(diagnostic.help("remove `per`, or let the target be a fleet"));
    }
    let Some(target) = &draft.target else { return };
    let Located { value: Target { kind, fault, .. }, span } = target;
    let value = matches!(kind, TargetKind::Value { .. });
    let mut misfit = |span: Span, message: &str, help: &str, paste: &str| {
        let diagnostic = Diagnostic::new(Code::TargetMismatch, draft.file, message).at(span, "").help(help);
        out.push(if paste.is_empty() { diagnostic } else { diagnostic.paste(paste) });
    };
    if let Some(action) = &draft.action {
        match (value, action.value.change) {
            (true, Change::None) => misfit(
                action.span,
                "the action does nothing to the value",
                "say which value it sets, or how much it adds or removes",
                "sets = 1",
            ),
            (false, Change::Sets(_) | Change::Adds(_) | Change::Removes(_)) => misfit(
                action.span,
                "only a value can be set, added to or taken from",
                "let the target be a value",
                "kind = \"value\"",
            ),
            _ => {}
        }
        if value && action.value.form == Form::Keyed {
            misfit(
                action.span,
                "a value has no episodes that an action could be keyed by",
                "compare with what was seen instead",
                "form = \"compare-and-set\"",
            );
        }
    }
    if value && *fault != Fault::None {
        misfit(*span, "a value has no `fault`: it is what somebody set it to", "remove the line", "");
    }
}

/// The model's operations on a target.
pub fn model(draft: &Draft, model: &str, roles: bool, uses: &Uses, out: &mut Vec<Diagnostic>) {
    let at = draft.model.as_ref().map(|model| model.span).unwrap_or_default();
    if uses.target && !draft.given.contains("target") {
        out.push(
            Diagnostic::new(
                Code::TargetMissing,
                draft.file,
                format!("the model `{model}` works on a target, and there is no `[target]`"),
            )
            .at(at, "")
            .help("describe it; what is not declared is not promised")
            .paste("[target]\nkind  = \"instance\"\nact   = [\"10s\", \"2m\"]\nlag   = \"15s\"\nfault = \"curable\""),
        );
    }
    if uses.target && !draft.given.contains("action") {
        out.push(
            Diagnostic::new(
                Code::TargetMissing,
                draft.file,
                format!("the model `{model}` acts, and there is no `[action]`"),
            )
            .at(at, "")
            .help("say what is done; what a second application does depends on it")
            .paste("[action]\nkind = \"restart\""),
        );
    }
    if uses.guards && draft.guards.is_none() {
        out.push(
            Diagnostic::new(
                Code::TargetMissing,
                draft.file,
                format!("the model `{model}` asks guards, and there are no `[guards]`"),
            )
            .at(at, "")
            .help("declare at least one; they are asked all in one step")
            .paste("[guards.cooldown]\nkind = \"cooldown\"\nspan = \"10m\""),
        );
    }
    if is_endless(draft) && !uses.target {
        out.push(
            Diagnostic::new(
                Code::TriggerMismatch,
                draft.file,
                format!("the model `{model}` works on no target"),
            )
            .at(
                draft.trigger.kind.map_or(at, |kind| kind.span),
                "alerts, schedules and loops start remediations",
            )
            .help("choose `http` or `queue`, or a model with `target.act`"),
        );
    }
    if uses.target && !is_endless(draft) {
        out.push(
            Diagnostic::new(
                Code::TriggerMismatch,
                draft.file,
                format!("the model `{model}` works on a target, and nothing calls for it"),
            )
            .at(draft.trigger.header.unwrap_or(at), "")
            .help("say what starts it: an alert, a schedule, or a loop")
            .paste("[trigger]\nkind   = \"alert\"\nrepeat = \"5m\""),
        );
    }
    if uses.target && draft.faults.restart {
        out.push(
            Diagnostic::new(
                Code::TargetMismatch,
                draft.file,
                "`faults.restart` has no meaning for a remediation",
            )
            .at(at, "the next run of its trigger is its restart")
            .help("remove `restart` from `[faults]`"),
        );
    }
    if uses.target && roles {
        out.push(
            Diagnostic::new(
                Code::TargetMismatch,
                draft.file,
                format!("the model `{model}` works on a target and has roles"),
            )
            .at(at, "")
            .help("give what runs beside it a policy of its own, and put both into a `[system]`"),
        );
    }
    let keeps_receipts = uses.store || uses.receipts || uses.call || uses.publish;
    if let (true, true, Some(target)) = (keeps_receipts, uses.target, &draft.target) {
        out.push(
            Diagnostic::new(
                Code::TargetMismatch,
                draft.file,
                format!("the model `{model}` works on a target and on a store, a downstream or an outbox"),
            )
            .at(target.span, "")
            .help("check them apart: a policy of the action, and one of its receipts"),
        );
    }
    let mut unused = |span: Option<Span>, what: &str| {
        if let Some(span) = span {
            out.push(
                Diagnostic::new(Code::TargetUnused, draft.file, format!("the model `{model}` {what}"))
                    .at(span, "has no effect")
                    .help("remove the table, or choose a model that uses it"),
            );
        }
    };
    if !uses.target {
        unused(draft.target.as_ref().map(|part| part.span), "works on no target");
        unused(draft.action.as_ref().map(|part| part.span), "does nothing to a target");
    }
    if !uses.guards {
        unused(draft.guards.as_ref().map(|part| part.span), "asks no guards");
    }
    if !uses.approve && !uses.page {
        unused(
            draft.human.as_ref().filter(|human| human.value.within.is_none()).map(|part| part.span),
            "calls nobody",
        );
    }
}
