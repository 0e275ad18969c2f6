//! What is said of sampled runs, for people and for machines.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::human::{BOLD, DIM, GREEN, PLAIN, PLAIN_RED as RED, YELLOW};
use crate::check::verdict::{format_ms, grouped};
use crate::simulate::compare::{Difference, Measure};
use crate::simulate::estimate::{Quantile, Quantiles, Rate};
use crate::simulate::rare::RareEstimate;
use crate::simulate::report::{Compared, PropertyRate, Remediation, Requests, SimulateReport};

/// One JSON document with a newline at its end.
pub fn json(report: &SimulateReport, out: &mut dyn Write) -> io::Result<()> {
    super::json::document(report, out)
}

/// Rates, times and numbers, and what they rest on.
pub fn human(report: &SimulateReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{BOLD}{}{PLAIN}: {} runs with seed {}, each looked at for {}",
        report.policy,
        grouped(report.runs),
        report.seed,
        format_ms(report.until_ms)
    )?;
    if let Some(why) = &report.stopped_by {
        writeln!(out, "  {YELLOW}{why} came before all {} runs were sampled{PLAIN}", grouped(report.asked))?;
    }
    let ends = report.ends;
    for (count, what) in [
        (ends.steps, "were cut, as they had as many steps as a run may have"),
        (ends.stuck, "came to where the policy's own bounds let nothing happen in time"),
        (ends.left_out, "had more under way than the system can hold: they are not whole"),
    ] {
        if count > 0 {
            writeln!(out, "  {YELLOW}{} of them {what}{PLAIN}", grouped(count))?;
        }
    }
    write_properties(report, out)?;
    let duplicates = &report.duplicates;
    if duplicates.runs.count > 0 {
        let mean = duplicates.per_thousand;
        writeln!(
            out,
            "  duplicate effects                {}; {:.2} of a thousand runs ({:.2} to {:.2})",
            rate(&duplicates.runs),
            mean.mean,
            mean.low,
            mean.high
        )?;
    }
    if let Some(requests) = &report.requests {
        write_requests(requests, out)?;
    }
    if let Some(remediation) = &report.remediation {
        write_remediation(remediation, out)?;
    }
    if let Some(rare) = &report.rare {
        write_rare(rare, out)?;
    }
    if let Some(compared) = &report.compared {
        write_compared(report, compared, out)?;
    }
    for (title, lines) in [("assumed, as [simulate] does not say", &report.assumptions), ("cut", &report.cut)]
    {
        if lines.is_empty() {
            continue;
        }
        writeln!(out, "  {DIM}{title}:{PLAIN}")?;
        for line in lines {
            writeln!(out, "    {DIM}{line}{PLAIN}")?;
        }
    }
    Ok(())
}

/// Those that were violated, each with its rate, and the others together.
fn write_properties(report: &SimulateReport, out: &mut dyn Write) -> io::Result<()> {
    for one in report.properties.iter().filter(|one| one.rate.count > 0) {
        let (color, expected) = if one.expected { (YELLOW, "expected; ") } else { (RED, "") };
        let (first, name) = (one.first_run.unwrap_or(0), one.property.name());
        let rate = rate(&one.rate);
        writeln!(out, "  {color}violated{PLAIN} {name:23} {rate}; {expected}first in run {first}")?;
    }
    let names = |test: &dyn Fn(&PropertyRate) -> bool| -> Vec<&str> {
        let unseen = report.properties.iter().filter(|one| one.rate.count == 0);
        unseen.filter(|one| test(one)).map(|one| one.property.name()).collect()
    };
    let most = percentage(Rate::new(0, report.runs).high);
    for (names, color, what) in [
        (
            names(&|one| !one.expected && !one.endless),
            GREEN,
            format!("violated in no run (each in {most} at most)"),
        ),
        (
            names(&|one| one.expected && !one.endless),
            YELLOW,
            "expected to be violated, and not seen (try --rare)".to_owned(),
        ),
        (names(&|one| one.endless), DIM, "a matter of runs without end, see `still acting`".to_owned()),
    ] {
        if !names.is_empty() {
            writeln!(out, "  {color}{what}{PLAIN}: {}", names.join(", "))?;
        }
    }
    Ok(())
}

fn write_requests(requests: &Requests, out: &mut dyn Write) -> io::Result<()> {
    if let Some(answers) = &requests.answers {
        writeln!(out, "  answered                         {}", times(answers, "without an answer"))?;
    }
    if requests.stuck.count > 0 {
        writeln!(out, "  a key left stuck                 {}", rate(&requests.stuck))?;
        if let Some(stuck) = &requests.stuck_for {
            writeln!(out, "    for                            {}", times(stuck, "for ever"))?;
        }
    }
    Ok(())
}

fn write_remediation(remediation: &Remediation, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  fault episodes                   {}", grouped(remediation.episodes))?;
    if remediation.episodes > 0 {
        writeln!(out, "    actions in each                {}", counts(&remediation.actions))?;
        if let Some(converged) = &remediation.converged {
            writeln!(out, "    until well                     {}", times(converged, "not by the end"))?;
        }
        writeln!(out, "    a person is told               {}", rate(&remediation.told))?;
        if let Some(told) = &remediation.told_after {
            writeln!(out, "      after                        {}", times(told, "not by the end"))?;
        }
    }
    writeln!(out, "  acts without a fault             {}", rate(&remediation.needless))?;
    writeln!(out, "  still acting                     {}", rate(&remediation.restless))?;
    writeln!(out, "  actions at once, most            {}", counts(&remediation.busiest))?;
    writeln!(out, "  capacity, least                  {}", counts(&remediation.capacity))
}

fn write_rare(rare: &RareEstimate, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  {BOLD}{}{PLAIN}, by splitting", rare.property)?;
    if rare.reached == 0 {
        writeln!(
            out,
            "    {YELLOW}none of {} first runs got there, in {} copies: more runs, or greater chances, are needed{PLAIN}",
            grouped(rare.roots),
            grouped(rare.copies)
        )?;
        return Ok(());
    }
    writeln!(
        out,
        "    {:.3e} of runs ({:.3e} to {:.3e}), from {} first runs, {} of which got there",
        rare.share,
        rare.low,
        rare.high,
        grouped(rare.roots),
        grouped(rare.reached)
    )?;
    if rare.reached < 30 {
        writeln!(out, "    {YELLOW}few got there: the interval is rough{PLAIN}")?;
    }
    if let Some(worth) = rare.worth {
        writeln!(
            out,
            "    {DIM}{} copies with {} steps; plain runs that tell as much: {}{PLAIN}",
            grouped(rare.copies),
            grouped(rare.steps),
            grouped(worth as u64)
        )?;
    }
    Ok(())
}

fn write_compared(report: &SimulateReport, compared: &Compared, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "  {BOLD}{}{PLAIN} beside {BOLD}{}{PLAIN}, {} pairs of runs under the same luck",
        report.policy,
        compared.policy,
        grouped(compared.runs)
    )?;
    let told = |one: &&Difference| one.this != 0.0 || one.other != 0.0;
    for one in compared.differences.iter().filter(told) {
        let show = |value: f64| show(value, one.unit);
        let color = match (one.low > 0.0, one.high < 0.0) {
            (true, _) => RED,
            (_, true) => GREEN,
            _ => DIM,
        };
        let worth =
            one.worth.map(|worth| format!("; worth {worth:.1} times as many apart")).unwrap_or_default();
        writeln!(
            out,
            "    {:35} {:>12} {:>12}  {color}{} ({} to {}){PLAIN}{DIM}{worth}{PLAIN}",
            one.of,
            show(one.this),
            show(one.other),
            signed(one.difference, one.unit),
            signed(one.low, one.unit),
            signed(one.high, one.unit)
        )?;
    }
    Ok(())
}

fn show(value: f64, unit: Measure) -> String {
    match unit {
        Measure::Share => percentage(value),
        Measure::Count => format!("{value:.4}"),
        Measure::Milliseconds => format_ms(value.round() as i64),
    }
}

fn signed(value: f64, unit: Measure) -> String {
    let sign = if value < 0.0 { "-" } else { "+" };
    format!("{sign}{}", show(value.abs(), unit))
}

/// `0.53% (0.41% to 0.69%)`.
fn rate(rate: &Rate) -> String {
    format!("{} ({} to {})", percentage(rate.share), percentage(rate.low), percentage(rate.high))
}

/// With three digits: `45.4%`, `0.531%`.
fn percentage(share: f64) -> String {
    let value = share * 100.0;
    let digits = if value > 0.0 { (2 - value.log10().floor() as i32).clamp(0, 6) as usize } else { 0 };
    format!("{value:.digits$}%")
}

/// `0: 12%, 1: 80%, 3 or more: 8%`.
fn counts<N: std::fmt::Display + Copy>(counts: &BTreeMap<N, u64>) -> String {
    let all: u64 = counts.values().sum();
    let shown: Vec<String> = counts
        .iter()
        .take(COUNTS_SHOWN)
        .map(|(count, runs)| format!("{count}: {}", percentage(*runs as f64 / all.max(1) as f64)))
        .collect();
    let rest = counts.len().saturating_sub(COUNTS_SHOWN);
    let more =
        counts.keys().last().filter(|_| rest > 0).map(|most| format!(", up to {most}")).unwrap_or_default();
    format!("{}{more}", shown.join(", "))
}

const COUNTS_SHOWN: usize = 8;

fn times(times: &Quantiles, open: &str) -> String {
    let one = |name: &str, quantile: &Quantile| {
        let ms = |ms: Option<i64>| ms.map_or_else(|| "?".to_owned(), format_ms);
        let at = quantile.ms?;
        Some(format!("{name} {} ({} to {})", format_ms(at), ms(quantile.low_ms), ms(quantile.high_ms)))
    };
    let parts = [one("50%", &times.p50), one("90%", &times.p90), one("99%", &times.p99)];
    let mut parts: Vec<String> = parts.into_iter().flatten().collect();
    if let Some(most) = times.most_ms {
        parts.push(format!("longest {}", format_ms(most)));
    }
    if times.open > 0 {
        parts.push(format!("{open}: {} of {}", grouped(times.open), grouped(times.count)));
    }
    parts.join(", ")
}
