//! `[trigger]`: how many attempts, and whether they can arrive.

use crate::diag::{Code, Diagnostic};
use crate::policy::draft::Draft;
use crate::policy::keys::ATTEMPTS_MAX;
use crate::source::Span;
use crate::source::duration::show;

/// Requests when none are given.
pub const REQUESTS: u32 = 2;
/// Retries when none are given.
pub const RETRIES: u32 = 1;

/// The attempts of all requests together.
pub fn attempts(draft: &Draft, out: &mut Vec<Diagnostic>) {
    let trigger = &draft.trigger;
    if trigger.kind.is_some_and(|kind| kind.value.is_endless()) {
        return;
    }
    let requests = trigger.requests.map_or(REQUESTS, |count| count.value);
    let conflicting = trigger.conflicting.map_or(0, |count| count.value);
    let retries = trigger.retries.map_or(RETRIES, |count| count.value);
    let redrives = draft.queue.as_ref().map_or(0, |queue| queue.value.redrives);
    let more = draft.faults.duplicate_requests + draft.faults.late_requests;
    let each = retries.saturating_add(1) * (redrives + 1);
    let attempts = requests.saturating_add(conflicting).saturating_mul(each) + more;
    if attempts <= ATTEMPTS_MAX {
        return;
    }
    let spans: Vec<Span> = [trigger.requests, trigger.conflicting, trigger.retries]
        .iter()
        .flatten()
        .map(|count| count.span)
        .collect();
    let first = spans.first().copied().or(trigger.header).unwrap_or_default();
    let redriven = if redrives > 0 { format!(" x (1 + {redrives})") } else { String::new() };
    let copies = if more > 0 { format!(" + {more}") } else { String::new() };
    let message = format!(
        "({requests} + {conflicting}) x (1 + {retries}){redriven}{copies} = {attempts} attempts, and the most \
         that are explored is {ATTEMPTS_MAX}"
    );
    let mut diagnostic = Diagnostic::new(Code::TooManyAttempts, draft.file, message)
        .at(first, "")
        .help("two requests with two retries already show what three can do to each other")
        .paste("requests = 2\nretries  = 2");
    for span in spans.iter().skip(1) {
        diagnostic = diagnostic.also(*span, "");
    }
    out.push(diagnostic);
}

/// A retry after a timeout comes before the horizon.
pub fn horizon(draft: &Draft, out: &mut Vec<Diagnostic>) {
    let trigger = &draft.trigger;
    let retries = trigger.retries.map_or(RETRIES, |count| count.value);
    let Some(within) = trigger.within.filter(|_| retries > 0) else { return };
    let timeout = trigger.timeout.map_or(0, |timeout| timeout.value);
    let backoff = trigger.backoff.map_or(0, |backoff| backoff.value);
    let earliest = timeout + backoff;
    if within.value >= earliest {
        return;
    }
    let mut diagnostic = Diagnostic::new(
        Code::RetriesTooLate,
        draft.file,
        format!("a retry after a timeout comes {} after the first attempt at the earliest", show(earliest)),
    )
    .at(within.span, format!("but nothing is sent after {}", show(within.value)))
    .help("make `within` longer than the timeout and the backoff together");
    for (place, what) in
        [(trigger.timeout, "the client waits this long"), (trigger.backoff, "and then this long")]
    {
        if let Some(place) = place {
            diagnostic = diagnostic.also(place.span, what);
        }
    }
    out.push(diagnostic);
}
