//! What came of a run.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::FaultCount;
use super::lab::Times;
use super::probe::Probe;
use crate::check::property::Property;
use crate::history::{HistoryReport, Verdict};

/// What came of a run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LoadReport {
    /// Of this format: 1.
    pub version: u32,
    pub policy: String,
    pub urls: Vec<String>,
    /// `h1-last-byte`, `h1-barrier` or `h2-single-packet`; where there are several, batches take turns.
    pub technique: String,
    /// Requests of a burst.
    pub size: u64,
    pub seed: u64,
    /// The run ended before everything was tried, and why.
    pub cut_short: Option<String>,
    /// Every probe, in the order of its number.
    pub probes: Vec<ProbeReport>,
    /// Those of P1.
    pub batches: Vec<Batch>,
    /// Those of P1.
    pub bursts: u64,
    /// Bursts with more than one effect.
    pub duplicated: u64,
    /// Of the bursts without a stagger, those all of whose requests were under way at one moment, by the client's
    /// clock.
    pub overlapped: u64,
    /// Bursts without a stagger.
    pub simultaneous: u64,
    /// The rate of bad bursts that so few are still compatible with, at 95 %, if bursts were independent.
    pub upper_bound: f64,
    /// Requests in all.
    pub requests: u64,
    /// Answers by status; 0 stands for none.
    pub answers: BTreeMap<u16, u64>,
    /// By what the answer was.
    pub latencies: BTreeMap<String, Latency>,
    /// What was broken on purpose.
    #[serde(default)]
    pub faults: Vec<FaultCount>,
    pub verdict: LoadVerdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadVerdict {
    /// Some probe found something.
    Violated,
    /// No probe found anything; see `upper_bound` for what that is worth.
    NothingFound,
    /// Too little overlapped, something could not be judged, or the run was cut short.
    Inconclusive,
}

/// What came of one probe.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ProbeReport {
    /// `P1` to `P13`.
    pub probe: String,
    pub title: String,
    /// What it tests.
    pub properties: Vec<Property>,
    pub outcome: ProbeOutcome,
    /// Why it was skipped, or why its outcome is not certain.
    pub why: Option<String>,
    pub requests: u64,
    /// What no history shows.
    pub findings: Vec<Found>,
    /// The judgement of its keys; none where it was skipped.
    pub history: Option<HistoryReport>,
    /// For a shell: what was sent under the keys of the first findings, with curl.
    pub repeat: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeOutcome {
    NothingFound,
    Violated,
    Inconclusive,
    Skipped,
}

/// What a probe found beside what its history shows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// `stuck-key`, `no-key-needed`.
    pub rule: String,
    pub property: Property,
    pub key: String,
    pub message: String,
}

/// Bursts that belong together.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Batch {
    #[serde(default)]
    pub technique: String,
    pub bursts: u64,
    pub duplicated: u64,
    pub overlapped: u64,
    /// Between the starts of two requests of a burst, in microseconds.
    pub stagger_us: u64,
    /// Between the first and the last request's last byte leaving, in microseconds: the median of the bursts.
    pub spread_us: u64,
}

/// From the moment when a request was due until its answer was there, in microseconds. A request that could not
/// leave in time counts from when it should have: what is called corrected for coordinated omission.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    pub count: u64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
    /// From when its last byte left: without that correction.
    #[serde(default)]
    pub uncorrected: Option<Quantiles>,
}

/// Of latencies, in microseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Quantiles {
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
}

impl Quantiles {
    fn of(times: &Histogram<u64>) -> Quantiles {
        Quantiles {
            p50_us: times.value_at_quantile(0.5),
            p90_us: times.value_at_quantile(0.9),
            p99_us: times.value_at_quantile(0.99),
            max_us: times.max(),
        }
    }
}

impl Latency {
    pub(super) fn of(times: &Times) -> Latency {
        let Quantiles { p50_us, p90_us, p99_us, max_us } = Quantiles::of(&times.due);
        let uncorrected = Some(Quantiles::of(&times.sent)).filter(|_| !times.sent.is_empty());
        Latency { count: times.due.len(), p50_us, p90_us, p99_us, max_us, uncorrected }
    }
}

impl ProbeReport {
    /// What its findings and its history come to.
    pub(super) fn new(probe: Probe, why: Option<String>, history: Option<HistoryReport>) -> ProbeReport {
        ProbeReport {
            probe: probe.name().to_owned(),
            title: probe.title().to_owned(),
            properties: probe.properties().to_vec(),
            outcome: match history.as_ref().map(|history| history.verdict) {
                None => ProbeOutcome::Skipped,
                Some(Verdict::Rejected) => ProbeOutcome::Violated,
                Some(Verdict::Unknown) => ProbeOutcome::Inconclusive,
                Some(Verdict::Accepted) => ProbeOutcome::NothingFound,
            },
            why,
            requests: 0,
            findings: Vec::new(),
            history,
            repeat: Vec::new(),
        }
    }

    /// Keys of findings, each once.
    pub(super) fn keys_to_repeat(&self, most: usize) -> Vec<String> {
        let rejected = self.history.iter().flat_map(|history| &history.findings);
        let rejected = rejected.filter(|finding| finding.verdict == Verdict::Rejected);
        let mut keys: Vec<String> = Vec::new();
        for key in
            rejected.map(|finding| &finding.subject).chain(self.findings.iter().map(|found| &found.key))
        {
            if keys.len() < most && !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        keys
    }
}

impl LoadReport {
    /// Whether P1 was tried and showed too little at the same moment to be worth something.
    pub fn overlaps_too_little(&self) -> bool {
        self.bursts > 0 && self.overlapped * 2 <= self.simultaneous
    }
}
