//! What is said of logs: plain data for people and machines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::judge::{Judged, Possible, Verdict as Judgement};
use super::read::Log;
use super::told::Run;
use crate::system::System;

/// Findings that are kept: the rest is counted.
pub const FINDINGS_MAX: usize = 1_000;
/// Steps of a run that are shown before the one that is not allowed.
const BEFORE_MAX: usize = 6;

/// What `conform` says of logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConformReport {
    /// Of this format: 1.
    pub version: u32,
    pub policy: String,
    /// The policy's file.
    pub path: String,
    pub files: Vec<String>,
    /// How much earlier or later than the log says a step can have happened.
    pub tolerance_ms: i64,
    /// Of all keys: the worst.
    pub verdict: Verdict,
    pub scope: Scope,
    /// Steps that were read.
    pub records: usize,
    /// Lines that are no steps, and steps of other policies.
    pub passed_over: u64,
    pub of_other_policies: u64,
    pub keys: Tally,
    /// What is not allowed, then what is unknown.
    pub findings: Vec<Finding>,
    /// Findings beyond those that are kept.
    pub more_findings: u64,
}

/// What the system was built for: what the logs need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scope {
    /// The most attempts of one key.
    pub attempts: usize,
    /// Attempts that the log does not tell the end of: they may have died.
    pub unfinished: usize,
    /// Kinds of fault that the policy speaks of, which may come at any time and any number of times.
    pub faults: Vec<String>,
    /// Zones of all searches.
    pub zones: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every run is one of the policy's system.
    Allowed,
    /// A limit came before some run was judged.
    Unknown,
    /// Some run is none.
    NotAllowed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    pub allowed: u64,
    pub not_allowed: u64,
    pub unknown: u64,
}

/// One key whose run is not known to be allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub key: String,
    pub verdict: Verdict,
    pub attempts: usize,
    /// Steps of the run, and how many of them, from the first, are allowed.
    pub records: usize,
    pub allowed: usize,
    /// The first step that is not allowed.
    pub step: Option<Told>,
    /// What its attempt could have done instead, after all that came before.
    pub instead: Vec<Possible>,
    /// The attempt of that step is over by then, whatever happened.
    pub over: bool,
    /// It begins later than attempts do.
    pub late: bool,
    pub held_up: Option<HeldUp>,
    /// The last steps before that one.
    pub before: Vec<Told>,
    /// Why it is not known.
    pub reason: Option<String>,
}

/// A step of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Told {
    pub file: String,
    pub line: u32,
    /// In milliseconds since the run's first.
    pub at_ms: i64,
    pub attempt: String,
    pub state: String,
    pub outcome: String,
}

/// No run gets to the time of the step: somebody has to act before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldUp {
    pub until_ms: i64,
    /// Attempts that can't stay where they are for longer, and where that is.
    pub by: Vec<(String, String)>,
}

/// The schema of the report.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(ConformReport)
}

/// A log with what was found of each of its runs: none where the search was not begun.
pub struct Found<'a> {
    pub log: &'a Log,
    pub judged: Vec<Option<Judged>>,
    /// What ended the whole, if something did.
    pub stopped_by: Option<String>,
}

impl ConformReport {
    /// `system` is one [`System::for_logs`].
    pub fn new(policy: &str, path: &str, system: &System, tolerance_ms: i64, found: &Found) -> ConformReport {
        let log = found.log;
        let (mut keys, mut findings) = (Tally::default(), Vec::new());
        for (index, run) in log.runs.iter().enumerate() {
            let judged = found.judged.get(index).and_then(Option::as_ref);
            let unfit = log.unfit[index].clone();
            let judgement = match (judged, unfit) {
                (_, Some(why)) => Judgement::Unknown { met: 0, stopped_by: why },
                (Some(judged), None) => judged.verdict.clone(),
                (None, None) => {
                    let by = found.stopped_by.clone().unwrap_or_else(|| "an interrupt".to_owned());
                    Judgement::Unknown { met: 0, stopped_by: by }
                }
            };
            match judgement {
                Judgement::Allowed => keys.allowed += 1,
                Judgement::NotAllowed { .. } => keys.not_allowed += 1,
                Judgement::Unknown { .. } => keys.unknown += 1,
            }
            findings.extend(finding(log, system, run, judgement, tolerance_ms));
        }
        findings.sort_by_key(|finding| finding.verdict != Verdict::NotAllowed);
        let more_findings = findings.len().saturating_sub(FINDINGS_MAX) as u64;
        findings.truncate(FINDINGS_MAX);
        let verdict = match keys {
            Tally { not_allowed: 1.., .. } => Verdict::NotAllowed,
            Tally { unknown: 1.., .. } => Verdict::Unknown,
            _ => Verdict::Allowed,
        };
        ConformReport {
            version: 1,
            policy: policy.to_owned(),
            path: path.to_owned(),
            files: log.files.clone(),
            tolerance_ms,
            verdict,
            scope: Scope {
                attempts: log.runs.iter().map(|run| run.attempts.len()).max().unwrap_or(0),
                unfinished: log.runs.iter().map(|run| unfinished(system, run)).sum(),
                faults: system.faults_of_logs().into_iter().map(str::to_owned).collect(),
                zones: found.judged.iter().flatten().map(|judged| judged.zones).sum(),
            },
            records: log.records,
            passed_over: log.passed_over,
            of_other_policies: log.of_others,
            keys,
            findings,
            more_findings,
        }
    }
}

/// Attempts whose last step leads to another one.
fn unfinished(system: &System, run: &Run) -> usize {
    use crate::system::compile::Next;
    let goes_on = |record: &usize| {
        let record = &run.records[*record];
        let next = system.table[usize::from(record.state)].next[record.outcome as usize];
        matches!(next, Next::State(_) | Next::Resume)
    };
    run.attempts.iter().filter(|attempt| attempt.records.last().is_none_or(goes_on)).count()
}

fn finding(log: &Log, system: &System, run: &Run, judgement: Judgement, tolerance: i64) -> Option<Finding> {
    let name = |attempt: usize| run.attempts[attempt].name.clone();
    let row = |at: u8| system.table[usize::from(at)].name.clone();
    let told = |index: usize| {
        let record = &run.records[index];
        Told {
            file: log.files[record.file as usize].clone(),
            line: record.line,
            at_ms: record.shown,
            attempt: name(record.attempt),
            state: row(record.state),
            outcome: record.outcome.name().to_owned(),
        }
    };
    let mut finding = Finding {
        key: run.key.clone(),
        verdict: Verdict::Unknown,
        attempts: run.attempts.len(),
        records: run.records.len(),
        allowed: 0,
        step: None,
        instead: Vec::new(),
        over: false,
        late: false,
        held_up: None,
        before: Vec::new(),
        reason: None,
    };
    match judgement {
        Judgement::Allowed => return None,
        Judgement::Unknown { met, stopped_by } => {
            (finding.allowed, finding.reason) = (met, Some(stopped_by));
        }
        Judgement::NotAllowed { at, possible, held_up, over, late } => {
            finding.verdict = Verdict::NotAllowed;
            (finding.allowed, finding.step) = (at, Some(told(at)));
            (finding.over, finding.late) = (over, late);
            finding.before = (at.saturating_sub(BEFORE_MAX)..at).map(told).collect();
            // The run's clock begins earlier than the log.
            let early = tolerance + system.begins_before();
            let shown = |ms: i64| (ms - early).max(0);
            finding.instead = possible
                .into_iter()
                .map(|it| Possible { from_ms: shown(it.from_ms), to_ms: it.to_ms.map(shown), ..it })
                .collect();
            finding.held_up = held_up.map(|(until, by)| HeldUp {
                until_ms: shown(until),
                by: by.into_iter().map(|(attempt, at)| (name(attempt), row(at))).collect(),
            });
        }
    }
    Some(finding)
}
