//! What a race came to, for people and for machines.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use crate::history::Verdict;
use crate::load::fault::FaultCount;
use crate::load::report::{Batch, LoadReport, LoadVerdict, ProbeOutcome, ProbeReport};

/// One JSON document with a newline at its end.
pub fn json(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    super::json::document(report, out)
}

/// Of [`json`].
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(LoadReport)
}

/// One suite; a test case for each probe, with what it found, and how to try it by hand.
pub fn junit(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    let mut suite = TestSuite::new(&report.policy);
    suite.add_property(("urls", report.urls.join(" ").as_str()));
    suite.add_property(("technique", report.technique.as_str()));
    suite.add_property(("seed", report.seed.to_string().as_str()));
    suite.add_test_cases(report.probes.iter().map(|probe| {
        let mut status = match probe.outcome {
            ProbeOutcome::NothingFound => TestCaseStatus::success(),
            ProbeOutcome::Skipped => TestCaseStatus::skipped(),
            ProbeOutcome::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
            ProbeOutcome::Violated => TestCaseStatus::non_success(NonSuccessKind::Failure),
        };
        let mut text = anstream::StripStream::new(Vec::new());
        // Nothing can fail in memory.
        let _ = findings(probe, &mut text);
        let text = String::from_utf8_lossy(&text.into_inner()).into_owned();
        let bad = matches!(probe.outcome, ProbeOutcome::Inconclusive | ProbeOutcome::Violated);
        let why = probe.why.clone().or_else(|| bad.then(|| probe.title.clone()));
        if let Some(why) = why.filter(|_| probe.outcome != ProbeOutcome::NothingFound) {
            status.set_message(why);
        }
        if bad {
            status.set_type(name(probe.outcome)).set_description(text);
        }
        let mut case = TestCase::new(format!("{} {}", probe.probe, probe.title), status);
        case.set_classname(&report.policy);
        case
    }));
    let mut document = quick_junit::Report::new("idemcheck load");
    document.add_test_suite(suite);
    super::junit::write(document, out)
}

fn name(outcome: ProbeOutcome) -> &'static str {
    match outcome {
        ProbeOutcome::NothingFound => "nothing found",
        ProbeOutcome::Violated => "violated",
        ProbeOutcome::Inconclusive => "inconclusive",
        ProbeOutcome::Skipped => "skipped",
    }
}

/// A batch as it ends.
pub fn batch_line(number: u64, batch: &Batch) -> String {
    let how = match batch.stagger_us {
        0 => format!("{} overlapped", batch.overlapped),
        stagger => format!("{stagger} µs apart"),
    };
    format!(
        "batch {number} ({}): {} bursts, {} with more than one effect; {how}, spread {} µs (median)",
        batch.technique, batch.bursts, batch.duplicated, batch.spread_us
    )
}

/// A probe as it ends.
pub fn probe_line(probe: &ProbeReport) -> String {
    let (outcome, why) = (coloured(probe.outcome), probe.why.as_deref());
    let why = why.map_or_else(String::new, |why| format!(" ({why})"));
    format!("{:3} {outcome} {}{why}", probe.probe, probe.title)
}

/// In a column of its own.
fn coloured(outcome: ProbeOutcome) -> String {
    let code = match outcome {
        ProbeOutcome::NothingFound => "32",
        ProbeOutcome::Violated => "1;31",
        ProbeOutcome::Inconclusive => "33",
        ProbeOutcome::Skipped => "2",
    };
    format!("\x1b[{code}m{:13}\x1b[0m", name(outcome))
}

/// What was found, and what a run without a finding is worth.
pub fn human(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    for probe in &report.probes {
        findings(probe, out)?;
    }
    writeln!(out, "probes:")?;
    for probe in &report.probes {
        writeln!(out, "  {}", probe_line(probe))?;
    }
    let answers = report.answers.iter().map(|(status, count)| match status {
        0 => format!("{count} without answer"),
        status => format!("{count} × {status}"),
    });
    writeln!(out, "answers: {}", answers.collect::<Vec<_>>().join(", "))?;
    latencies(report, out)?;
    if !report.faults.is_empty() {
        let fault = |fault: &FaultCount| {
            let beyond = if fault.allowed { "" } else { ", not in this policy" };
            format!("{} × {} ({}{beyond})", fault.times, fault.fault, fault.model)
        };
        writeln!(out, "faults: {}", report.faults.iter().map(fault).collect::<Vec<_>>().join(", "))?;
    }
    if let Some(why) = &report.cut_short {
        writeln!(out, "cut short: {why}")?;
    }
    let LoadReport { bursts, size, duplicated, overlapped, simultaneous, .. } = report;
    if *bursts > 0 {
        writeln!(
            out,
            "\n{bursts} bursts of {size} in {} batches ({}, seed {}): {duplicated} with more than one effect, \
             {overlapped} of the {simultaneous} that were not staggered with all requests under way at once",
            report.batches.len(),
            report.technique,
            report.seed,
        )?;
    }
    match report.verdict {
        LoadVerdict::Violated => writeln!(out, "\x1b[1;31mVIOLATED\x1b[0m {}", report.policy),
        LoadVerdict::NothingFound if *bursts == 0 => writeln!(
            out,
            "\x1b[1;32mnothing found\x1b[0m: bursts were not tried; what cannot happen at all, only `verify` can say"
        ),
        LoadVerdict::NothingFound => writeln!(
            out,
            "\x1b[1;32mnothing found\x1b[0m: {duplicated} of {bursts} bursts in {} batches: a race is below {} a \
             burst at 95 %, if bursts were independent; what cannot happen at all, only `verify` can say",
            report.batches.len(),
            percent(report.upper_bound)
        ),
        LoadVerdict::Inconclusive if report.cut_short.is_some() => {
            writeln!(
                out,
                "\x1b[1;33minconclusive\x1b[0m: the run was cut short; what was tried found nothing"
            )
        }
        LoadVerdict::Inconclusive if report.overlaps_too_little() => writeln!(
            out,
            "\x1b[1;33minconclusive\x1b[0m: too few requests were under way at once; a slower handler, or a larger \
             --size, widens the window"
        ),
        LoadVerdict::Inconclusive => {
            writeln!(
                out,
                "\x1b[1;33minconclusive\x1b[0m: some keys could not be judged, or nothing was tried"
            )
        }
    }
}

/// A row for each class of answers, and what the numbers are.
fn latencies(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    if report.latencies.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "latency in µs, from when a request was due: what held it back counts, too (corrected for coordinated"
    )?;
    writeln!(out, "omission); in brackets from when its last byte left")?;
    writeln!(out, "  {:20} {:>16} {:>16} {:>16} {:>16}", "", "p50", "p90", "p99", "max")?;
    for (class, latency) in &report.latencies {
        let sent = latency.uncorrected;
        let both = |due: u64, sent: Option<u64>| match sent {
            Some(sent) => format!("{due} ({sent})"),
            None => due.to_string(),
        };
        writeln!(
            out,
            "  {:>7} {class:<12} {:>16} {:>16} {:>16} {:>16}",
            latency.count,
            both(latency.p50_us, sent.map(|sent| sent.p50_us)),
            both(latency.p90_us, sent.map(|sent| sent.p90_us)),
            both(latency.p99_us, sent.map(|sent| sent.p99_us)),
            both(latency.max_us, sent.map(|sent| sent.max_us)),
        )?;
    }
    Ok(())
}

/// What one probe found, and how to try it by hand.
fn findings(probe: &ProbeReport, out: &mut dyn Write) -> io::Result<()> {
    let judged = probe.history.as_ref().filter(|history| history.verdict != Verdict::Accepted);
    if judged.is_none() && probe.findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "{} {}", probe.probe, probe.title)?;
    for found in &probe.findings {
        writeln!(out, "\x1b[1;31mVIOLATED\x1b[0m {} ({}): {}", found.key, found.rule, found.message)?;
        writeln!(out, "  breaks {}", found.property.name())?;
    }
    if let Some(history) = judged {
        super::history::human(history, out)?;
    }
    if let Some(script) = probe.repeat.first() {
        writeln!(out, "to try it by hand:")?;
        for line in script.lines() {
            writeln!(out, "  {line}")?;
        }
    }
    writeln!(out)
}

/// With two digits that count.
fn percent(rate: f64) -> String {
    let percent = rate * 100.0;
    let digits = if percent >= 10.0 { 0 } else { (1.0 - percent.log10().floor()).clamp(0.0, 9.0) as usize };
    format!("{percent:.digits$} %")
}
