//! What can be seen of a running machine: counters, latencies, and a line in the log for each answer.
//!
//! Keys and payloads are never shown; a key's hash tells attempts of one operation together.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::machine::Said;
use crate::model::{Answer, Operation, Outcome, WriteKind};
use crate::store::{Key, StoreError};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    answer: String,
}

/// An attempt, as logs tell it from others.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    pub key: &'a Key,
    pub correlation: &'a str,
    /// Drawn at random: the same for all steps of one attempt, and for nothing else.
    pub attempt: &'a str,
    /// The same for the same payload under the same key.
    pub payload: &'a str,
}

/// The counters of one machine.
pub struct Watch {
    policy: String,
    /// One moment by both clocks: between two steps, the wall's may be set.
    began: (Instant, SystemTime),
    registry: Mutex<Registry>,
    answers: Family<Kind, Histogram>,
    executions: Counter,
    calls: Counter,
    replays: Counter,
    conflicts: Counter,
    mismatches: Counter,
    takeovers: Counter,
    lost_claims: Counter,
    duplicates: Counter,
    store_errors: Counter,
    recovered: Counter,
    refused: Counter,
    pub under_way: Gauge,
    /// Claims whose lease ran out and that nobody finished, at the last look.
    pub stuck: Gauge,
}

/// From half a millisecond to half a minute.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

impl Watch {
    /// For a policy, whose name is a label of every number.
    pub fn new(policy: &str) -> Watch {
        let labels = [("policy".into(), policy.to_owned().into())].into_iter();
        let mut registry = Registry::with_prefix_and_labels("idemcheck", labels);
        let answers = Family::<Kind, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register("answer_seconds", "From the request to each kind of answer", answers.clone());
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let executions = counter("executions", "Calls and transactions that went well");
        let calls = counter("calls", "Calls sent downstream");
        let replays = counter("replays", "Recorded answers given again");
        let conflicts = counter("conflicts", "Requests told that another attempt is at it");
        let mismatches = counter("mismatches", "Keys that came with another payload");
        let takeovers = counter("takeovers", "Claims taken over after their lease");
        let lost_claims = counter("lost_claims", "Attempts that found their claim gone");
        let duplicates =
            counter("duplicates", "Effects of an operation that already had one, as far as can be told");
        let store_errors = counter("store_errors", "Operations that the store did not answer");
        let recovered = counter("recovered", "Half-finished operations taken up after a restart");
        let refused = counter("refused", "Requests refused before an attempt began");
        let (under_way, stuck) = (Gauge::default(), Gauge::default());
        registry.register("attempts_under_way", "Attempts that have not answered yet", under_way.clone());
        registry.register("stuck_claims", "Claims over their lease at the last look", stuck.clone());
        Watch {
            policy: policy.to_owned(),
            began: (Instant::now(), SystemTime::now()),
            registry: Mutex::new(registry),
            answers,
            executions,
            calls,
            replays,
            conflicts,
            mismatches,
            takeovers,
            lost_claims,
            duplicates,
            store_errors,
            recovered,
            refused,
            under_way,
            stuck,
        }
    }

    /// All numbers, in the exposition format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Writing into a string does not fail.
        let _ = encode(&mut out, &registry);
        out
    }

    pub(super) fn called(&self) {
        self.calls.inc();
    }

    /// Microseconds since 1970 at this moment, by a clock that is never set back.
    fn micros(&self, at: Instant) -> u64 {
        let now = self.began.1 + at.saturating_duration_since(self.began.0);
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    /// An attempt is there. What it does is told step by step: `idemcheck conform` reads it.
    pub(super) fn begins(&self, who: Who) {
        let Who { key, correlation, attempt, payload } = who;
        let at_ms = self.micros(Instant::now()) / 1_000;
        tracing::debug!(target: "idemcheck", policy = self.policy, key = %key.hash(), correlation, attempt, payload, at_ms, "attempt begins");
    }

    /// An attempt's operation, begun at `asked`, is done.
    pub(super) fn step(
        &self,
        who: Who,
        asked: Instant,
        state: &str,
        operation: &Operation,
        outcome: Outcome,
    ) {
        let Who { key, correlation, attempt, payload } = who;
        // Whatever it did, it did it between these.
        let (from_ms, at_ms) = (self.micros(asked) / 1_000, self.micros(Instant::now()).div_ceil(1_000));
        tracing::debug!(target: "idemcheck", policy = self.policy, key = %key.hash(), correlation, attempt, payload, from_ms, at_ms, state, operation = operation.name(), outcome = outcome.name(), "step");
        let local =
            matches!(operation, Operation::Commit { writes, .. } if writes.contains(&WriteKind::Effect));
        match (operation, outcome) {
            (Operation::Call { .. }, Outcome::Ok) => _ = self.executions.inc(),
            (_, Outcome::Committed) if local => _ = self.executions.inc(),
            (_, Outcome::Taken | Outcome::Found) => _ = self.takeovers.inc(),
            (operation, Outcome::Lost) if operation.uses_receipts() => _ = self.lost_claims.inc(),
            _ => {}
        }
    }

    /// The operation had an effect before, or somebody else had its claim by the time it was executed.
    pub(super) fn duplicated(&self, key: &Key, correlation: &str) {
        self.duplicates.inc();
        tracing::error!(target: "idemcheck", key = %key.hash(), correlation, "executed more than once");
    }

    pub(super) fn store_error(&self, key: &Key, correlation: &str, error: &StoreError) {
        self.store_errors.inc();
        tracing::warn!(target: "idemcheck", key = %key.hash(), correlation, %error, "store error");
    }

    pub(super) fn answered(&self, key: &Key, correlation: &str, said: &Said, took: Duration) {
        let (name, status) = match said {
            Said::Answer(answer, known) => (answer.name(), known.as_ref().map(|known| known.status)),
            Said::Ended => ("ended", None),
            Said::GaveUp(_) => ("gave_up", None),
        };
        match said {
            Said::Answer(Answer::Replay, _) => _ = self.replays.inc(),
            Said::Answer(Answer::InFlight, _) => _ = self.conflicts.inc(),
            Said::Answer(Answer::Mismatch, _) => _ = self.mismatches.inc(),
            Said::GaveUp(why) => {
                tracing::error!(target: "idemcheck", key = %key.hash(), correlation, why, "gave up");
            }
            _ => {}
        }
        self.answers.get_or_create(&Kind { answer: name.to_owned() }).observe(took.as_secs_f64());
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(target: "idemcheck", key = %key.hash(), correlation, answer = name, status, ms, "answered");
    }

    pub(super) fn recovered(&self) {
        self.recovered.inc();
    }

    /// A request that no attempt was begun for.
    pub fn refused(&self) {
        self.refused.inc();
    }
}
