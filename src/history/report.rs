//! What is said of a history: plain data for people and machines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actions::{self, Said};
use super::book::{Acted, Book, Entry, Place};
use super::judge::judge;
use super::key::{Judgement, Kind, NEVER, Party};
use super::record::Terms;
use super::rule::Rule;
use super::{book, read, search};
use crate::check::property::Property;
use crate::policy::Policy;

/// Findings that are kept: the rest is counted.
pub const FINDINGS_MAX: usize = 1_000;

/// What the checker says of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryReport {
    /// Of this format: 1.
    pub version: u32,
    pub files: Vec<String>,
    /// Whose terms they are, where that is known.
    pub policy: Option<String>,
    pub terms: Terms,
    pub limits: Limits,
    /// Requests, effects, counts and actions that were read.
    pub records: u64,
    pub keys: Tally,
    pub targets: Tally,
    /// Of all keys and targets: the worst.
    pub verdict: Verdict,
    /// What was rejected, then what is unknown.
    pub findings: Vec<Finding>,
    /// Findings beyond those that are kept.
    pub more_findings: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A service that keeps its promises can have answered so.
    Accepted,
    /// Neither is shown.
    Unknown,
    /// None can have.
    Rejected,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    pub accepted: u64,
    pub rejected: u64,
    pub unknown: u64,
}

/// What is not gone beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    pub records_max: u64,
    pub records_per_key_max: u64,
    pub line_bytes_max: u64,
    /// Requests of a key that is searched.
    pub search_ops_max: u64,
    pub search_steps_max: u64,
}

impl Limits {
    pub const ALL: Limits = Limits {
        records_max: book::RECORDS_MAX as u64,
        records_per_key_max: book::RECORDS_PER_KEY_MAX as u64,
        line_bytes_max: read::LINE_BYTES_MAX as u64,
        search_ops_max: search::OPS_MAX as u64,
        search_steps_max: search::STEPS_MAX as u64,
    };
}

/// One thing that is wrong, or that is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The key; of actions, the target, or `*` for all of them.
    pub subject: String,
    pub verdict: Verdict,
    pub rule: Option<Rule>,
    pub property: Option<Property>,
    /// Of actions: which guard it is about.
    pub guard: Option<String>,
    /// What is wrong, with its moments; or why nothing is known.
    pub message: String,
    /// The records that prove it: what is wrong, and then why.
    pub proof: Vec<Proof>,
}

/// A record that is part of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// `request 7`, `effect`, `count`, `action 3`.
    pub record: String,
    pub file: Option<String>,
    pub line: Option<u32>,
    /// As recorded, widened by what its clock may be off. None: no bound.
    pub start: Option<i64>,
    pub end: Option<i64>,
    /// What it says, in a few words.
    pub says: String,
}

impl HistoryReport {
    /// Judges everything in a book. The policy is that of its actions.
    pub fn new(book: &Book, policy: Option<&Policy>) -> HistoryReport {
        let mut report = HistoryReport {
            version: 1,
            files: book.files.clone(),
            policy: policy.map(|policy| policy.name.clone()).or(book.policy.clone()),
            terms: book.terms,
            limits: Limits::ALL,
            records: book.records as u64,
            keys: Tally::default(),
            targets: Tally::default(),
            verdict: Verdict::Accepted,
            findings: Vec::new(),
            more_findings: 0,
        };
        let origin = book.first.unwrap_or(0);
        for entry in &book.entries {
            let judgement = match entry.left_out {
                0 => judge(&entry.history, &book.terms),
                _ => Judgement::Unknown("it has more records than are kept of one key"),
            };
            let finding = finding(entry, &judgement, &book.files, origin);
            report.keys.note(finding.as_ref().map_or(Verdict::Accepted, |finding| finding.verdict));
            report.push(finding);
        }
        let remedy = policy.and_then(|policy| policy.remedy.as_ref());
        let crashes = policy.is_some_and(|policy| policy.faults.crashes > 0);
        for (target, said) in actions::judge(&book.actions, remedy, crashes) {
            let subject = target.clone().unwrap_or_else(|| "*".to_owned());
            let mut worst = Verdict::Accepted;
            for said in said {
                let finding = acted(&subject, said, &book.actions, &book.files, origin);
                worst = worst.max(finding.verdict);
                report.push(Some(finding));
            }
            // What is said of the fleet is said of no target.
            if target.is_some() || worst != Verdict::Accepted {
                report.targets.note(worst);
            }
        }
        report.findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
        report
    }

    /// Nothing was there to be judged.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    fn push(&mut self, finding: Option<Finding>) {
        let Some(finding) = finding else { return };
        self.verdict = self.verdict.max(finding.verdict);
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.more_findings += 1;
            // A rejection must not be lost behind what is unknown.
            let unknown = self.findings.iter().position(|kept| kept.verdict < finding.verdict);
            if let Some(unknown) = unknown {
                self.findings[unknown] = finding;
            }
        }
    }
}

impl Tally {
    fn note(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Accepted => self.accepted += 1,
            Verdict::Rejected => self.rejected += 1,
            Verdict::Unknown => self.unknown += 1,
        }
    }

    pub fn total(&self) -> u64 {
        self.accepted + self.rejected + self.unknown
    }
}

/// Nanoseconds since the first record, as `1.250ms`.
pub fn moment(at: i64, origin: i64) -> String {
    match at {
        NEVER | i64::MIN => "?".to_owned(),
        at => {
            let micros = (at - origin).div_euclid(1_000);
            let sign = if micros < 0 { "-" } else { "" };
            format!("{sign}{}.{:03}ms", micros.unsigned_abs() / 1_000, micros.unsigned_abs() % 1_000)
        }
    }
}

fn interval(start: i64, end: i64, origin: i64) -> String {
    if start == end {
        moment(start, origin)
    } else {
        format!("[{}, {}]", moment(start, origin), moment(end, origin))
    }
}

fn proof(record: String, place: &Place, files: &[String], (start, end): (i64, i64), says: String) -> Proof {
    let told = |at: i64| (at != NEVER && at != i64::MIN).then_some(at);
    let file = files.get(place.file as usize).filter(|_| place.line > 0).cloned();
    let line = (place.line > 0).then_some(place.line);
    Proof { record, file, line, start: told(start), end: told(end), says }
}

/// A record of a key as part of a proof, and its interval.
fn of_key(entry: &Entry, party: Party, files: &[String], origin: i64) -> Proof {
    let place = entry.place(party);
    match party {
        Party::Op(index) => {
            let (op, named) = (&entry.history.ops[index], &entry.names[index]);
            let status = named.status.map(|status| format!(" ({status})")).unwrap_or_default();
            let said = match op.kind {
                Kind::Success | Kind::Failure => "got a final answer",
                Kind::InFlight => "was refused as in flight",
                Kind::Mismatch => "was refused as another payload",
                Kind::Released => "was answered as failed",
                Kind::Unknown => "was sent, and its outcome is not known",
            };
            let when = if op.end == NEVER {
                format!("at {}", moment(op.start, origin))
            } else {
                format!("at {}", interval(op.start, op.end, origin))
            };
            let says = format!("{said}{status} {when}");
            proof(format!("request {}", named.id), &place, files, (op.start, op.end), says)
        }
        Party::Effect(index) => {
            let effect = &entry.history.effects[index];
            let says = format!("happened at {}", interval(effect.earliest, effect.latest, origin));
            proof("effect".to_owned(), &place, files, (effect.earliest, effect.latest), says)
        }
        Party::Count(index) => {
            let count = &entry.history.counts[index];
            let s = if count.effects == 1 { "" } else { "s" };
            let when = interval(count.start, count.end, origin);
            let says = format!("found {} effect{s} at {when}", count.effects);
            proof("count".to_owned(), &place, files, (count.start, count.end), says)
        }
    }
}

fn finding(entry: &Entry, judgement: &Judgement, files: &[String], origin: i64) -> Option<Finding> {
    let subject = entry.key.clone();
    match judgement {
        Judgement::Accepted => None,
        Judgement::Unknown(why) => Some(Finding {
            subject,
            verdict: Verdict::Unknown,
            rule: None,
            property: None,
            guard: None,
            message: (*why).to_owned(),
            proof: Vec::new(),
        }),
        Judgement::Rejected(fault) => {
            let proof: Vec<Proof> =
                fault.parties.iter().map(|party| of_key(entry, *party, files, origin)).collect();
            Some(Finding {
                subject,
                verdict: Verdict::Rejected,
                rule: Some(fault.rule),
                property: fault.rule.property(),
                guard: None,
                message: sentence(entry, fault.rule, &fault.parties, &proof, origin),
                proof,
            })
        }
    }
}

/// What is wrong, in one sentence with its moments.
fn sentence(entry: &Entry, rule: Rule, parties: &[Party], proof: &[Proof], origin: i64) -> String {
    let Some(first) = proof.first() else { return rule.brief().to_owned() };
    let first = format!("{} {}", first.record, first.says);
    let Some(second) = proof.get(1) else { return format!("{first}: {}", rule.brief()) };
    let joined = match (rule, parties.get(1)) {
        (Rule::InFlightAfterAnswer | Rule::InFlightAfterFailure, Some(Party::Op(index))) => {
            let (op, named) = (&entry.history.ops[*index], &entry.names[*index]);
            let answer = named.status.map_or("answer".to_owned(), |status| status.to_string());
            format!(
                "{first}, after request {}'s {answer} had been answered at {}",
                named.id,
                moment(op.end, origin)
            )
        }
        (
            Rule::InFlightOfNothing | Rule::MismatchOfNothing | Rule::ReplayOfNothing,
            Some(Party::Op(index)),
        ) => {
            let (op, named) = (&entry.history.ops[*index], &entry.names[*index]);
            format!(
                "{first}, and the first request that may have claimed, {}, was sent at {}",
                named.id,
                moment(op.start, origin)
            )
        }
        _ => format!("{}: {first}, and {} {}", rule.brief(), second.record, second.says),
    };
    match proof.len() {
        0..=2 => joined,
        more => format!("{joined}; and {} more", more - 2),
    }
}

fn acted(subject: &str, said: Said, log: &[Acted], files: &[String], origin: i64) -> Finding {
    let finding = |verdict, rule: Option<Rule>, guard, message, proof| Finding {
        subject: subject.to_owned(),
        verdict,
        rule,
        property: rule.and_then(Rule::property),
        guard,
        message,
        proof,
    };
    match said {
        Said::Unknown { guard, why } => {
            let message = match &guard {
                Some(guard) => format!("guard {guard}: {why}"),
                None => why,
            };
            finding(Verdict::Unknown, None, guard, message, Vec::new())
        }
        Said::Rejected { rule, guard, actions } => {
            let of = |index: &usize| {
                let Acted { action, place, .. } = &log[*index];
                let end = action.end.unwrap_or(NEVER);
                let says = format!(
                    "({}) on {} at {}",
                    action.action,
                    action.target,
                    interval(action.start, end, origin)
                );
                proof(format!("action {}", action.id), place, files, (action.start, end), says)
            };
            let proof: Vec<Proof> = actions.iter().map(of).collect();
            let named = |index: usize| proof.get(index).map(|one| format!("{} {}", one.record, one.says));
            let by = guard.as_ref().map(|guard| format!("guard {guard}: ")).unwrap_or_default();
            let message = match (named(0), named(1)) {
                (Some(first), Some(second)) => format!("{by}{first} came after {second}: {}", rule.brief()),
                (Some(first), None) => format!("{by}{first}: {}", rule.brief()),
                _ => rule.brief().to_owned(),
            };
            finding(Verdict::Rejected, Some(rule), guard, message, proof)
        }
    }
}

/// The JSON Schema of one line of a history file.
pub fn record_schema() -> schemars::Schema {
    schemars::schema_for!(super::record::Record)
}

/// The JSON Schema of a [`HistoryReport`].
pub fn report_schema() -> schemars::Schema {
    schemars::schema_for!(HistoryReport)
}
