//! `[key]` against `[operation]` and the model.

use crate::check::{property::Property, verdict::Verdict};
use crate::diag::{Code, Diagnostic};
use crate::model::graph::Uses;
use crate::policy::SuppliedBy;
use crate::policy::draft::Draft;
use crate::source::Located;
use crate::source::suggest::list;

/// Who supplies the key, and from what.
pub fn supply(draft: &Draft, out: &mut Vec<Diagnostic>) {
    let Some(key) = &draft.key else { return };
    let Some(supplied_by) = &key.supplied_by else { return };
    let from = key.from.as_ref().filter(|from| !from.value.is_empty());
    match (supplied_by.value, from) {
        (SuppliedBy::Nobody, Some(from)) => out.push(
            Diagnostic::new(Code::KeyFromNobody, draft.file, "the key is computed, but nobody supplies it")
                .at(from.span, "from these fields")
                .also(supplied_by.span, "no key travels")
                .help("say who supplies it, or remove `from`")
                .paste("supplied_by = \"client\""),
        ),
        (SuppliedBy::Client | SuppliedBy::Server, None) => {
            // Given, but wrong: that is another diagnostic.
            let empty = key.from.is_some();
            if empty || !key.given.contains("from") {
                let at = key.from.as_ref().map_or(key.header, |from| from.span);
                let identity = draft.operation.as_ref().and_then(|operation| operation.identity.as_ref());
                let fields = identity.map(|identity| quoted(&identity.value));
                let fields = fields.unwrap_or_else(|| "[\"tenant\", \"order_id\"]".to_owned());
                out.push(
                    Diagnostic::new(Code::EmptyList, draft.file, "the key is computed from nothing")
                        .at(at, "all operations would share one key")
                        .help("name the fields that it is computed from")
                        .paste(format!("from = {fields}")),
                );
            }
        }
        _ => {}
    }
}

/// The model needs a key to find receipts by, or to send.
pub fn needed(draft: &Draft, model: &str, uses: &Uses, out: &mut Vec<Diagnostic>) {
    let native = draft.downstream.as_ref().is_some_and(|downstream| downstream.native_key.is_some());
    if draft.key.is_some() || draft.given.contains("key") || !(uses.receipts || native && uses.key) {
        return;
    }
    let what = if uses.receipts { "finds receipts by key" } else { "sends a key to the downstream" };
    let at = draft.model.as_ref().map(|model| model.span).unwrap_or_default();
    let identity = draft.operation.as_ref().and_then(|operation| operation.identity.as_ref());
    let fields = identity.map_or_else(|| "[\"tenant\", \"order_id\"]".to_owned(), |list| quoted(&list.value));
    out.push(
        Diagnostic::new(
            Code::KeyMissing,
            draft.file,
            format!("the model `{model}` {what}, and there is no `[key]`"),
        )
        .at(at, "")
        .help("describe the key")
        .paste(format!("[key]\nfrom        = {fields}\nsupplied_by = \"client\"")),
    );
}

/// A field that may change from attempt to attempt splits the key.
pub fn per_attempt(draft: &Draft, out: &mut Vec<Diagnostic>) {
    // Such a key may be the very point of a policy that is a test case.
    if draft.expect.get(&Property::SingleExecution) == Some(&Verdict::Violated) {
        return;
    }
    let Some(from) = draft.key.as_ref().and_then(|key| key.from.as_ref()) else { return };
    let Some(operation) = &draft.operation else { return };
    let Some(identity) = &operation.identity else { return };
    let stable = match &operation.stable {
        Some(stable) => stable.value.as_slice(),
        None if operation.given.contains("stable") => return,
        None => &[],
    };
    let known = |field: &&Located<String>| {
        identity.value.iter().chain(stable).any(|known| known.value == field.value)
    };
    let unknown: Vec<&Located<String>> = from.value.iter().filter(|field| !known(field)).collect();
    let Some(first) = unknown.first() else { return };
    let names = list(unknown.iter().map(|field| field.value.as_str()));
    let may = if unknown.len() == 1 { "is" } else { "are" };
    let all: Vec<Located<String>> = stable.iter().chain(unknown.iter().copied()).cloned().collect();
    let mut diagnostic = Diagnostic::new(
        Code::KeyFieldPerAttempt,
        draft.file,
        format!("{names} {may} taken to change with every attempt, so no retry finds its receipt"),
    )
    .at(first.span, "in the key")
    .also(identity.span, "not in the identity, and not in `stable`")
    .help("if every attempt carries the same value, say so in `[operation]`; if not, take it out of the key")
    .paste(format!("stable = {}", quoted(&all)));
    for field in &unknown[1..] {
        diagnostic = diagnostic.also(field.span, "in the key");
    }
    out.push(diagnostic);
}

fn quoted(fields: &[Located<String>]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| format!("\"{}\"", field.value)).collect();
    format!("[{}]", fields.join(", "))
}
