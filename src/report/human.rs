//! The report for people at a terminal.
//!
//! Writes ANSI colours always; whoever owns the stream takes them out where they are not wanted.
//! Every colour repeats what a mark or a word says already.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{margins, words};
use crate::check::property::Property;
use crate::check::verdict::{
    Change, Counterexample, PolicyResult, PropertyResult, Report, Scope, Standing, Step, Verdict,
    format_moment, format_ms, grouped,
};
use crate::check::weigh::WaiverState;

/// What to show beyond the necessary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Only policies that need attention.
    Quiet,
    /// Every policy, the runs of unexpected violations.
    #[default]
    Normal,
    /// Every run that was found, expected or not.
    All,
}

/// What the report does not know by itself.
#[derive(Debug, Default)]
pub struct Options<'a> {
    pub detail: Detail,
    /// `--timeout`, as people write it.
    pub timeout: Option<String>,
    /// Counterexamples that were written to a file, by index of the policy.
    pub traces: BTreeMap<(usize, Property), &'a str>,
}

pub(super) const BOLD: &str = "\x1b[1m";
pub(super) const DIM: &str = "\x1b[2m";
pub(super) const RED: &str = "\x1b[1;31m";
pub(super) const PLAIN_RED: &str = "\x1b[31m";
pub(super) const GREEN: &str = "\x1b[32m";
pub(super) const YELLOW: &str = "\x1b[33m";
pub(super) const CYAN: &str = "\x1b[36m";
pub(super) const PLAIN: &str = "\x1b[0m";

/// Writes the report: a block per policy, then one line that sums up.
pub fn render(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    for (index, result) in report.policies.iter().enumerate() {
        let calm = matches!(
            result.standing(),
            Standing::Met
                | Standing::MetViolated
                | Standing::NotApplicable
                | Standing::Waived
                | Standing::Baselined
        );
        // What lapses does not do so in silence.
        let lapses = result.waivers.iter().any(|waiver| waiver.state != WaiverState::Active);
        if options.detail == Detail::Quiet && calm && !lapses {
            continue;
        }
        policy(index, result, options, out)?;
        writeln!(out)?;
    }
    for failure in &report.failures {
        writeln!(out, "{BOLD}{}{PLAIN}  {}  {RED}NOT CHECKED{PLAIN}", failure.path, failure.policy)?;
        writeln!(out, "  {}\n", failure.message)?;
    }
    // About the models, not about any one policy: for those who write them.
    let never_taken = if options.detail == Detail::All { report.never_taken() } else { BTreeMap::new() };
    for (model, outcomes) in never_taken {
        let list = outcomes.join(", ");
        writeln!(out, "{YELLOW}!{PLAIN} warning: no policy that uses the model `{model}` ever sees {list}")?;
    }
    summary(report, out)
}

fn policy(index: usize, result: &PolicyResult, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let (colour, word) = (colour(result.standing()), words::policy(result));
    let severity =
        result.severity.as_ref().map_or(String::new(), |severity| format!(", severity {severity}"));
    writeln!(
        out,
        "{BOLD}{}{PLAIN}  {} (model {}{severity})  {colour}{}{PLAIN}",
        result.path,
        result.policy,
        result.model,
        word.to_uppercase()
    )?;
    let (complete, unfinished) = (format!("{GREEN}complete{PLAIN}"), format!("{YELLOW}NOT COMPLETE{PLAIN}"));
    writeln!(out, "  {DIM}scope:{PLAIN} {}", words::scope_with(result, &complete, &unfinished))?;
    for proof in &result.proofs {
        let pieces = grouped(proof.pieces);
        writeln!(out, "  {DIM}proved for:{PLAIN} {} ({pieces} pieces, checked)", proof.scope)?;
    }
    let shown = |property: &&PropertyResult| {
        options.detail != Detail::Quiet
            || matches!(property.standing(), Standing::Unexpected | Standing::Inconclusive)
    };
    if let Some(advice) = advice(result, options) {
        writeln!(out, "  {DIM}hint:{PLAIN} {advice}")?;
    }
    let mut not_applicable = Vec::new();
    let width = result.properties.iter().map(|property| property.property.name().len()).max().unwrap_or(0);
    for property in result.properties.iter().filter(shown) {
        if property.standing() == Standing::NotApplicable {
            not_applicable.push(property);
        } else {
            property_line(property, width, out)?;
        }
    }
    if options.detail == Detail::All {
        for property in not_applicable {
            writeln!(
                out,
                "  {DIM}– {:width$}  not applicable: {}{PLAIN}",
                property.property.name(),
                property.reason
            )?;
        }
    } else if !not_applicable.is_empty() {
        let names: Vec<&str> = not_applicable.iter().map(|property| property.property.name()).collect();
        writeln!(out, "  {DIM}– not applicable: {}{PLAIN}", names.join(", "))?;
    }
    for lint in &result.lints {
        let silenced =
            lint.silenced.as_ref().map(|reason| format!("; silenced: {reason}")).unwrap_or_default();
        writeln!(
            out,
            "  {CYAN}~ lint:{PLAIN} {}: {} ({}{silenced})",
            lint.name, lint.says, lint.confirmation
        )?;
    }
    for waiver in &result.waivers {
        writeln!(out, "  {YELLOW}! waiver:{PLAIN} {}", words::waiver(waiver))?;
    }
    for warning in &result.warnings {
        writeln!(out, "  {YELLOW}! warning:{PLAIN} {warning}")?;
    }
    if let Some(measured) = &result.margins {
        margins::human(measured, out)?;
    }
    for property in &result.properties {
        let Some(run) = &property.counterexample else { continue };
        let file = options.traces.get(&(index, property.property));
        if options.detail == Detail::All || property.standing() == Standing::Unexpected {
            writeln!(out, "\n  {BOLD}{}{PLAIN} is broken by this run:", property.property)?;
            timeline(run, out)?;
            if let Some(file) = file {
                writeln!(out, "    {DIM}again:{PLAIN} idemcheck replay {}", words::shell_word(file))?;
            }
        }
    }
    Ok(())
}

fn colour(standing: Standing) -> &'static str {
    match standing {
        Standing::NotApplicable => DIM,
        Standing::Met | Standing::MetViolated => GREEN,
        Standing::Waived | Standing::Baselined | Standing::Inconclusive => YELLOW,
        Standing::Unexpected => RED,
    }
}

/// One property: mark, name, verdict against the expectation, number, reason.
fn property_line(property: &PropertyResult, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let (colour, mark) = (colour(property.standing()), words::mark(property.standing()));
    write!(
        out,
        "  {colour}{mark}{PLAIN} {:width$}  {colour}{}{PLAIN}",
        property.property.name(),
        words::verdict(property)
    )?;
    if let Some(number) = &property.number {
        write!(out, "; {} {BOLD}{}{PLAIN}", number.name, words::grouped_value(&number.value))?;
    }
    // Why it is not proved for more, where that was asked.
    let only_here = property.verdict == Verdict::Holds;
    if !property.reason.is_empty() && (property.standing() != Standing::Met || only_here) {
        write!(out, ": {}", property.reason)?;
    }
    writeln!(out)?;
    // A waiver stays in sight even where the expectation makes it superfluous.
    if let Some(reason) = &property.waived {
        writeln!(out, "    {:width$}  {YELLOW}waived:{PLAIN} {reason}", "")?;
    }
    if let Some(lapsed) = &property.lapsed {
        writeln!(out, "    {:width$}  {RED}{lapsed}{PLAIN}", "")?;
    }
    Ok(())
}

/// What may help a search that a limit ended.
fn advice(result: &PolicyResult, options: &Options) -> Option<String> {
    let searches = [Some(&result.search), result.loops.as_ref()];
    let stopped = searches.into_iter().flatten().find_map(|search| search.stopped_by.as_deref())?;
    let raise = match stopped {
        limit if limit.ends_with("memory") => {
            "raise --max-memory, or lower --jobs, which share it".to_owned()
        }
        limit if limit.ends_with("time") => match &options.timeout {
            Some(timeout) => format!("raise --timeout (now {timeout})"),
            None => "raise --timeout".to_owned(),
        },
        limit if limit.contains("zones") || limit.contains("states") => "raise --max-states".to_owned(),
        _ => return None,
    };
    let Scope { requests, conflicting, attempts_each, .. } = result.scope;
    let mut fewer = Vec::new();
    if requests + conflicting > 1 {
        fewer.push("requests");
    }
    if attempts_each > 1 {
        fewer.push(if result.scope.queue { "deliveries" } else { "retries" });
    }
    fewer.push("faults");
    let fewer = fewer.join(", ");
    Some(format!(
        "{raise}; or declare less: fewer {fewer}; bounds of hours beside steps of milliseconds cost most"
    ))
}

/// Steps at the beginning and at the end of a run that are shown, where it is longer than both.
const SHOWN: usize = 40;

/// A run that breaks nothing, as a numbered timeline.
pub(super) fn steps(steps: &[Step], out: &mut dyn Write) -> io::Result<()> {
    // No step breaks it, so its property is not told.
    let (property, steps) = (Property::SingleExecution, steps.to_vec());
    timeline(&Counterexample { property, steps, repeats_from: None, round_ms: None }, out)
}

/// A run as a numbered timeline; `repeats from` closes one without end. Of a very long one, the two
/// ends: the rest is in the counterexample's file.
pub fn timeline(run: &Counterexample, out: &mut dyn Write) -> io::Result<()> {
    let moments: Vec<String> = run.steps.iter().map(|step| format_moment(step.at_ms)).collect();
    let moment = column(moments.iter().map(String::as_str), "moment");
    let who = column(run.steps.iter().map(|step| step.who.as_str()), "who");
    let does = column(run.steps.iter().map(|step| step.does.as_str()), "does");
    let sees = column(run.steps.iter().map(|step| step.sees.as_str()), "sees");
    let number = run.steps.len().to_string().len();
    let head = format!(
        "    {:>number$}  {:>moment$}  {:who$}  {:does$}  {:sees$}  changes",
        "#", "moment", "who", "does", "sees"
    );
    writeln!(out, "  {DIM}{head}{PLAIN}")?;
    let left_out = SHOWN..run.steps.len().saturating_sub(SHOWN).max(SHOWN);
    for (index, (step, at)) in run.steps.iter().zip(&moments).enumerate() {
        if left_out.contains(&index) {
            if index == left_out.start {
                let count = grouped(left_out.len() as u64);
                writeln!(
                    out,
                    "      {:>number$}  {DIM}{count} steps left out: --traces writes all{PLAIN}",
                    "…"
                )?;
            }
            continue;
        }
        let Step { who: actor, does: act, sees: seen, changes, breaks, .. } = step;
        let mark = match (breaks, run.repeats_from) {
            (Some(_), _) => format!("{RED}✗{PLAIN}"),
            (None, Some(from)) if index == from => format!("{CYAN}↻{PLAIN}"),
            _ => " ".to_owned(),
        };
        let changed: Vec<String> = changes.iter().map(change).collect();
        let row = format!(
            "{:>number$}  {at:>moment$}  {actor:who$}  {act:does$}  {seen:sees$}  {}",
            index + 1,
            changed.join(", ")
        );
        writeln!(out, "    {mark} {}", row.trim_end())?;
        if let Some(breaks) = breaks {
            let indent = 6 + number + 2 + moment + 2;
            writeln!(out, "{:indent$}{RED}└ {}{PLAIN}", "", breaks_text(run.property, breaks))?;
        }
    }
    if let Some(from) = run.repeats_from {
        let round = run.round_ms.map_or(String::new(), |ms| format!(", one round takes {}", format_ms(ms)));
        writeln!(out, "    {CYAN}↻ repeats from step {}{round}{PLAIN}", from + 1)?;
    }
    Ok(())
}

fn breaks_text(property: Property, breaks: &str) -> String {
    format!("breaks {property}: {breaks}")
}

fn change(change: &Change) -> String {
    format!("{}: {CYAN}{} → {}{PLAIN}", change.what, change.from, change.to)
}

/// The width of a column: its widest cell, the heading included.
fn column<'a>(cells: impl Iterator<Item = &'a str>, heading: &str) -> usize {
    cells.map(|cell| cell.chars().count()).chain([heading.len()]).max().unwrap_or(0)
}

fn summary(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let count = |key: &str| report.summary.get(key).copied().unwrap_or(0);
    let total = report.policies.len() as u64 + count("failed");
    let noun = if total == 1 { "policy" } else { "policies" };
    let holding = count("holds");
    let hold = if holding == 1 { "holds" } else { "hold" };
    let mut parts = vec![
        format!("{} {hold}{}", grouped(holding), words::proved(report)),
        format!("{} violated as expected", grouped(count("violated-as-expected"))),
        alarm(count("unexpected"), "unexpected", RED),
        alarm(count("inconclusive"), "inconclusive", YELLOW),
    ];
    if count("waived") > 0 {
        parts.push(alarm(count("waived"), "waived", YELLOW));
    }
    if count("baselined") > 0 {
        parts.push(alarm(count("baselined"), "in the baseline", YELLOW));
    }
    if count("failed") > 0 {
        parts.push(alarm(count("failed"), "not checked", RED));
    }
    if let Some(baseline) = &report.baseline {
        for stale in &baseline.stale {
            writeln!(out, "{YELLOW}!{PLAIN} stale in the baseline: {}", words::stale(stale))?;
        }
        writeln!(out, "{BOLD}baseline{PLAIN} {}", words::baseline(baseline))?;
    }
    let waivers = words::waivers(report);
    if !waivers.is_empty() {
        writeln!(out, "{BOLD}waivers{PLAIN}: {waivers}")?;
    }
    if let Some(partition) = &report.partition {
        writeln!(out, "{BOLD}{}{PLAIN}", words::partition(partition))?;
    }
    writeln!(out, "{BOLD}{}{PLAIN} {noun}: {}; {:.1} s", grouped(total), parts.join(", "), report.seconds)
}

fn alarm(count: u64, what: &str, colour: &str) -> String {
    if count == 0 { format!("0 {what}") } else { format!("{colour}{} {what}{PLAIN}", grouped(count)) }
}
