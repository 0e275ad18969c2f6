//! What is said of a history, for people and for machines.

use std::io::{self, Write};

use crate::history::report::{Finding, HistoryReport, Tally, Verdict};

/// Findings that people are shown.
const SHOWN_MAX: usize = 20;
/// Records of one proof that people are shown.
const PROOF_MAX: usize = 8;

/// One JSON document with a newline at its end.
pub fn json(report: &HistoryReport, out: &mut dyn Write) -> io::Result<()> {
    super::json::document(report, out)
}

/// The findings with their proofs, and a line that sums up.
pub fn human(report: &HistoryReport, out: &mut dyn Write) -> io::Result<()> {
    for finding in report.findings.iter().take(SHOWN_MAX) {
        show(finding, out)?;
    }
    let hidden = (report.findings.len().saturating_sub(SHOWN_MAX)) as u64 + report.more_findings;
    if hidden > 0 {
        writeln!(
            out,
            "and {hidden} more; --format json has up to {}\n",
            crate::history::report::FINDINGS_MAX
        )?;
    }
    let records = if report.records == 1 { "record" } else { "records" };
    let whose = report.policy.as_ref().map(|policy| format!(" of {policy}")).unwrap_or_default();
    writeln!(out, "{} {records}, judged by the terms{whose}", report.records)?;
    tally("key", report.keys, out)?;
    tally("target", report.targets, out)
}

fn tally(what: &str, tally: Tally, out: &mut dyn Write) -> io::Result<()> {
    let s = if tally.total() == 1 { "" } else { "s" };
    match tally.total() {
        0 => Ok(()),
        total => writeln!(
            out,
            "{total} {what}{s}: {} accepted, {} rejected, {} unknown",
            tally.accepted, tally.rejected, tally.unknown
        ),
    }
}

fn show(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let Finding { subject, rule, property, message, proof, .. } = finding;
    match (finding.verdict, rule) {
        (Verdict::Rejected, Some(rule)) => {
            let breaks = property.map(|property| format!(" (breaks {property})")).unwrap_or_default();
            writeln!(out, "\x1b[1;31mREJECTED\x1b[0m {subject}: {rule}{breaks}")?;
        }
        (verdict, _) => {
            let word = if verdict == Verdict::Unknown { "UNKNOWN" } else { "ACCEPTED" };
            writeln!(out, "\x1b[1;33m{word}\x1b[0m {subject}")?;
        }
    }
    writeln!(out, "  {message}")?;
    for one in proof.iter().take(PROOF_MAX) {
        let place = match (&one.file, one.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            _ => String::new(),
        };
        writeln!(out, "    {place}{} {}", one.record, one.says)?;
    }
    if proof.len() > PROOF_MAX {
        writeln!(out, "    and {} more", proof.len() - PROOF_MAX)?;
    }
    writeln!(out)
}
