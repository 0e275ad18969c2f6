//! What is said of logs of real runs, for people and for machines.

use std::io::{self, Write};

use super::human::{BOLD, DIM, GREEN, PLAIN, PLAIN_RED as RED, YELLOW};
use crate::check::verdict::{format_ms, grouped};
use crate::conform::judge::Possible;
use crate::conform::report::{ConformReport, Finding, Told, Verdict};
use crate::source::suggest::short;

/// Findings that people are shown.
const SHOWN_MAX: usize = 20;
/// Steps that could have come instead, as people are shown them.
const INSTEAD_MAX: usize = 8;

/// One JSON document with a newline at its end.
pub fn json(report: &ConformReport, out: &mut dyn Write) -> io::Result<()> {
    super::json::document(report, out)
}

/// What is not allowed, with what would have been, and a few lines that sum up.
pub fn human(report: &ConformReport, out: &mut dyn Write) -> io::Result<()> {
    for finding in report.findings.iter().take(SHOWN_MAX) {
        show(finding, report, out)?;
    }
    let hidden = report.findings.len().saturating_sub(SHOWN_MAX) as u64 + report.more_findings;
    if hidden > 0 {
        writeln!(
            out,
            "and {hidden} more; --format json has up to {}\n",
            crate::conform::report::FINDINGS_MAX
        )?;
    }
    let keys = report.keys;
    let total = keys.allowed + keys.not_allowed + keys.unknown;
    let color = match report.verdict {
        Verdict::Allowed => GREEN,
        Verdict::Unknown => YELLOW,
        Verdict::NotAllowed => RED,
    };
    let s = if total == 1 { "" } else { "s" };
    writeln!(
        out,
        "{color}{total} key{s}{PLAIN} by {BOLD}{}{PLAIN}: {} allowed, {} not allowed, {} unknown",
        report.policy, keys.allowed, keys.not_allowed, keys.unknown
    )?;
    let scope = &report.scope;
    writeln!(
        out,
        "  {} steps, each up to {} earlier or later than logged; {} zones",
        grouped(report.records as u64),
        format_ms(report.tolerance_ms),
        grouped(scope.zones)
    )?;
    writeln!(
        out,
        "  scope: up to {} attempts of a key, {} without an end; any number of {}",
        scope.attempts,
        scope.unfinished,
        scope.faults.join(", ")
    )?;
    if report.passed_over + report.of_other_policies > 0 {
        writeln!(
            out,
            "  {DIM}passed over: {} lines that are no steps, {} of other policies{PLAIN}",
            grouped(report.passed_over),
            grouped(report.of_other_policies)
        )?;
    }
    Ok(())
}

fn show(finding: &Finding, report: &ConformReport, out: &mut dyn Write) -> io::Result<()> {
    let key = short(&finding.key);
    let Some(step) = &finding.step else {
        let reason = finding.reason.as_deref().unwrap_or("it is not known why");
        writeln!(out, "{YELLOW}unknown{PLAIN}  key {BOLD}{key}{PLAIN}: {reason}")?;
        return writeln!(out, "  {} of {} steps are allowed\n", finding.allowed, finding.records);
    };
    writeln!(
        out,
        "{RED}not allowed{PLAIN}  key {BOLD}{key}{PLAIN}, {}:{}, step {} of {}",
        step.file,
        step.line,
        finding.allowed + 1,
        finding.records
    )?;
    for before in &finding.before {
        writeln!(out, "    {DIM}{}{PLAIN}", line(before))?;
    }
    writeln!(out, "  {RED}>{PLAIN} {}", line(step))?;
    let attempt = short(&step.attempt);
    if let Some(held) = &finding.held_up {
        let who = held.by.iter().map(|(who, state)| {
            format!("`{}` has to leave `{state}` by +{}", short(who), format_ms(held.until_ms))
        });
        writeln!(out, "  no run goes on for so long: {}", who.collect::<Vec<_>>().join(", or "))?;
    }
    if finding.over {
        writeln!(out, "  allowed there: nothing; `{attempt}` is over by then")?;
    } else if finding.late {
        writeln!(out, "  allowed there: nothing; no attempt begins so late, says `within` in [trigger]")?;
    } else if finding.instead.is_empty() {
        writeln!(out, "  allowed there: nothing that `{attempt}` does")?;
    } else {
        writeln!(out, "  allowed there:")?;
        for possible in finding.instead.iter().take(INSTEAD_MAX) {
            writeln!(
                out,
                "    {} -> {}  {}",
                possible.state,
                possible.outcome,
                when(possible, step, report)
            )?;
        }
        if finding.instead.len() > INSTEAD_MAX {
            writeln!(out, "    and {} more", finding.instead.len() - INSTEAD_MAX)?;
        }
    }
    writeln!(out)
}

fn line(step: &Told) -> String {
    let at = format!("+{}", format_ms(step.at_ms));
    format!(
        "{at:>9}  {}: {} -> {}  {DIM}line {}{PLAIN}",
        short(&step.attempt),
        step.state,
        step.outcome,
        step.line
    )
}

/// When a step would have been allowed, as far as that says something.
fn when(possible: &Possible, step: &Told, report: &ConformReport) -> String {
    let from = (possible.from_ms > step.at_ms + report.tolerance_ms || possible.to_ms.is_none())
        .then(|| format!("from +{}", format_ms(possible.from_ms)));
    let to = possible.to_ms.map(|to| format!("until +{}", format_ms(to)));
    let both: Vec<String> = from.into_iter().chain(to).collect();
    format!("{DIM}{}{PLAIN}", both.join(" "))
}
