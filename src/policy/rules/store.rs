//! `[store]` within itself, and against what the model asks of it.

use crate::diag::{Code, Diagnostic};
use crate::model::graph::Uses;
use crate::policy::draft::Draft;
use crate::source::duration::show;

/// The lease ends before the receipt does.
pub fn times(draft: &Draft, out: &mut Vec<Diagnostic>) {
    let Some(store) = &draft.store else { return };
    if let (Some(lease), Some(ttl)) = (&store.lease, &store.ttl)
        && lease.value > ttl.value
    {
        out.push(
            Diagnostic::new(
                Code::LeaseLongerThanTtl,
                draft.file,
                "the receipt is gone before its lease ends",
            )
            .at(lease.span, format!("a claim is held for {}", show(lease.value)))
            .also(ttl.span, format!("and forgotten after {}", show(ttl.value)))
            .help("keep the receipt longer than the lease, and longer than retries can arrive")
            .paste("ttl = \"24h\""),
        );
    }
}

/// The promises against what the model needs.
pub fn promises(draft: &Draft, model: &str, uses: &Uses, out: &mut Vec<Diagnostic>) {
    let Some(store) = &draft.store else {
        if uses.store && !draft.given.contains("store") {
            let at = draft.model.as_ref().map(|model| model.span).unwrap_or_default();
            out.push(
                Diagnostic::new(
                    Code::StoreMissing,
                    draft.file,
                    format!("the model `{model}` keeps receipts, and there is no `[store]`"),
                )
                .at(at, "")
                .help("say where they are kept, and for how long")
                .paste("[store]\nkind  = \"postgres\"\nlease = \"30s\"\nttl   = \"24h\""),
            );
        }
        return;
    };
    if !uses.store {
        out.push(
            Diagnostic::new(
                Code::StoreUnused,
                draft.file,
                format!("the model `{model}` never uses the store"),
            )
            .at(store.header, "has no effect")
            .help("remove the table, or choose a model that keeps receipts"),
        );
    } else if uses.expiry && !store.given.contains("lease") {
        out.push(
            Diagnostic::new(
                Code::ExpiryWithoutLease,
                draft.file,
                format!("the model `{model}` treats expired claims, and no claim ever expires"),
            )
            .at(store.header, "no `lease`")
            .help("declare after what time a claim reads as expired")
            .paste("lease = \"30s\""),
        );
    }
}
