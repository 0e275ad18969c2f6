//! `[downstream]` within itself, and against what the model asks of it.

use crate::diag::{Code, Diagnostic};
use crate::model::graph::Uses;
use crate::policy::draft::{DownstreamDraft, Draft};
use crate::source::duration::show;

/// The times among themselves.
pub fn times(draft: &Draft, out: &mut Vec<Diagnostic>) {
    let Some(downstream) = &draft.downstream else { return };
    if let Some([shortest, longest]) = &downstream.latency
        && shortest.value > longest.value
    {
        let (short, long) = (show(shortest.value), show(longest.value));
        out.push(
            Diagnostic::new(
                Code::LatencyReversed,
                draft.file,
                "the shortest latency is longer than the longest",
            )
            .at(shortest.span, format!("at least {short}"))
            .also(longest.span, format!("at most {long}"))
            .help("the shortest comes first")
            .paste(format!("latency = [\"{long}\", \"{short}\"]")),
        );
    }
    if let Some(late) = &downstream.late
        && !downstream.given.contains("timeout")
    {
        out.push(
            Diagnostic::new(
                Code::LateWithoutTimeout,
                draft.file,
                "`late` counts from a timeout that is not declared",
            )
            .at(late.span, format!("{} after which timeout?", show(late.value)))
            .also(downstream.header, "no `timeout` here")
            .help("declare when the caller gives up")
            .paste("timeout = \"9s\""),
        );
    }
    if let (Some([shortest, _]), Some(timeout)) = (&downstream.latency, &downstream.timeout)
        && timeout.value < shortest.value
    {
        out.push(
            Diagnostic::new(
                Code::TimeoutBelowLatency,
                draft.file,
                "every call times out before it can be answered",
            )
            .at(timeout.span, format!("the caller gives up after {}", show(timeout.value)))
            .also(shortest.span, format!("an answer takes at least {}", show(shortest.value)))
            .help("make the timeout longer than the latency"),
        );
    }
}

/// The promises against what the model needs.
pub fn promises(draft: &Draft, model: &str, uses: &Uses, out: &mut Vec<Diagnostic>) {
    let Some(downstream) = &draft.downstream else {
        if (uses.call || uses.query) && !draft.given.contains("downstream") {
            let at = draft.model.as_ref().map(|model| model.span).unwrap_or_default();
            out.push(
                Diagnostic::new(
                    Code::DownstreamMissing,
                    draft.file,
                    format!("the model `{model}` calls a downstream, and there is no `[downstream]`"),
                )
                .at(at, "")
                .help("describe it; what is not declared is not promised")
                .paste("[downstream]\nlatency = [\"20ms\", \"8s\"]\ntimeout = \"9s\"\nlate    = \"60s\""),
            );
        }
        return;
    };
    if !uses.call && !uses.query {
        out.push(
            Diagnostic::new(
                Code::DownstreamUnused,
                draft.file,
                format!("the model `{model}` never calls the downstream"),
            )
            .at(downstream.header, "has no effect")
            .help("remove the table, or choose a model that calls"),
        );
        return;
    }
    query(draft, downstream, model, uses, out);
    keys_and_tokens(draft, downstream, model, uses, out);
}

fn query(draft: &Draft, downstream: &DownstreamDraft, model: &str, uses: &Uses, out: &mut Vec<Diagnostic>) {
    let offered = match &downstream.query {
        Some(query) => query.value,
        // Given, but wrong: that is another diagnostic.
        None => downstream.given.contains("query"),
    };
    if !uses.query || offered {
        return;
    }
    let at = downstream.query.as_ref().map_or(downstream.header, |query| query.span);
    out.push(
        Diagnostic::new(
            Code::QueryNotOffered,
            draft.file,
            format!("the model `{model}` queries a downstream that can't be queried"),
        )
        .at(at, "no `query = true`")
        .help("if the effect can be looked up, say so; if not, choose another option or model")
        .paste("query = true"),
    );
}

fn keys_and_tokens(
    draft: &Draft,
    downstream: &DownstreamDraft,
    model: &str,
    uses: &Uses,
    out: &mut Vec<Diagnostic>,
) {
    // `native_key = false` says it: the author knows that the key is ignored.
    let said = downstream.given.contains("native_key");
    if uses.key && !said {
        out.push(
            Diagnostic::new(
                Code::KeyIgnored,
                draft.file,
                format!("the model `{model}` sends a native key, and the downstream ignores it"),
            )
            .at(downstream.header, "no `native_key`")
            .help("if the downstream deduplicates by key, say for how long; if not, say so with `false`")
            .paste("native_key = { ttl = \"24h\" }"),
        );
    }
    if let (Some(native), false) = (&downstream.native_key, uses.key) {
        out.push(
            Diagnostic::new(
                Code::NativeKeyUnsent,
                draft.file,
                format!("the model `{model}` never sends a native key"),
            )
            .at(native.span, "protects nothing")
            .help("choose a model whose `downstream.call` has `key = true`, or declare no key")
            .paste("native_key = false"),
        );
    }
    let fencing = downstream.fencing.as_ref();
    if uses.token && !downstream.given.contains("fencing") {
        out.push(
            Diagnostic::new(
                Code::TokenIgnored,
                draft.file,
                format!("the model `{model}` sends a fencing token, and the downstream ignores it"),
            )
            .at(downstream.header, "no `fencing`")
            .help("if the resource compares tokens, say so; if not, say so with `false`")
            .paste("fencing = true"),
        );
    }
    if let Some(fencing) = fencing.filter(|fencing| fencing.value && !uses.token) {
        out.push(
            Diagnostic::new(
                Code::FencingUnsent,
                draft.file,
                format!("the model `{model}` never sends a fencing token"),
            )
            .at(fencing.span, "protects nothing")
            .help("choose a model whose `downstream.call` has `token = true`"),
        );
    }
}
