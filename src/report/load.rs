//! What a race came to, for people and for machines.

use std::io::{self, Write};

use crate::load::run::{Batch, LoadReport, LoadVerdict};

/// One JSON document with a newline at its end.
pub fn json(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

/// A batch as it ends.
pub fn batch_line(number: u64, batch: &Batch) -> String {
    format!(
        "batch {number}: {} bursts, {} with more than one effect; {} overlapped, spread {} µs (median)",
        batch.bursts, batch.duplicated, batch.overlapped, batch.spread_us
    )
}

/// What was found, and what a run without a finding is worth.
pub fn human(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    super::history::human(&report.history, out)?;
    let answers = report.answers.iter().map(|(status, count)| match status {
        0 => format!("{count} without answer"),
        status => format!("{count} × {status}"),
    });
    writeln!(out, "answers: {}", answers.collect::<Vec<_>>().join(", "))?;
    for skipped in &report.skipped {
        writeln!(out, "not tried: {skipped}")?;
    }
    if let Some(why) = &report.cut_short {
        writeln!(out, "cut short: {why}")?;
    }
    let LoadReport { bursts, size, duplicated, overlapped, .. } = report;
    writeln!(
        out,
        "\n{bursts} bursts of {size} in {} batches ({}, seed {}): {duplicated} with more than one effect, \
         {overlapped} with all requests under way at once",
        report.batches.len(),
        report.technique,
        report.seed,
    )?;
    match report.verdict {
        LoadVerdict::Violated => writeln!(out, "\x1b[1;31mVIOLATED\x1b[0m {}", report.policy),
        LoadVerdict::NothingFound => writeln!(
            out,
            "\x1b[1;32mnothing found\x1b[0m: a race shows in less than {} of bursts, at 95 %, if bursts were \
             independent; what cannot happen at all, only `verify` can say",
            percent(report.upper_bound)
        ),
        LoadVerdict::Inconclusive if overlapped * 2 <= *bursts => writeln!(
            out,
            "\x1b[1;33minconclusive\x1b[0m: too few requests were under way at once; a slower handler, or a larger \
             --size, widens the window"
        ),
        LoadVerdict::Inconclusive => {
            writeln!(out, "\x1b[1;33minconclusive\x1b[0m: some keys could not be judged")
        }
    }
}

/// With two digits that count.
fn percent(rate: f64) -> String {
    let percent = rate * 100.0;
    let digits = if percent >= 10.0 { 0 } else { (1.0 - percent.log10().floor()).clamp(0.0, 9.0) as usize };
    format!("{percent:.digits$} %")
}
