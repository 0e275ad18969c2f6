//! What a change means: for people at a terminal, and for a comment on a pull request.

use std::io::{self, Write};

use super::human::{self, BOLD, CYAN, DIM, GREEN, PLAIN, RED, YELLOW};
use super::markdown::{self, COMMENT_BYTES, Page, code, plain};
use super::words;
use crate::check::property::Property;
use crate::check::verdict::{Counterexample, Standing, Step, grouped};
use crate::diff::behaviour::Behaviour;
use crate::diff::{Declared, DiffReport, Kind, PolicyDiff, PropertyDiff, Side};

/// The first line of a comment, by which the next run finds it and writes over it.
const MARKER: &str = "<!-- idemcheck diff -->";

/// Writes the report for people. As [`human::render`], it always writes ANSI colours.
pub fn human(report: &DiffReport, out: &mut dyn Write) -> io::Result<()> {
    for policy in &report.policies {
        let (colour, word) = (colour(policy), word(policy));
        writeln!(
            out,
            "{BOLD}{}{PLAIN}  {}  {colour}{}{PLAIN}",
            policy.path,
            policy.policy,
            word.to_uppercase()
        )?;
        for change in &policy.declared {
            writeln!(out, "  {DIM}declares{PLAIN} {}", declared(change))?;
        }
        let width =
            policy.properties.iter().map(|property| property.property.name().len()).max().unwrap_or(0);
        for property in &policy.properties {
            let (colour, mark) = match property {
                PropertyDiff { newly_violated: true, .. } => (RED, "✗"),
                _ => match standing(&property.after, property.property) {
                    Some(Standing::Inconclusive) => (YELLOW, "?"),
                    Some(Standing::Unexpected | Standing::Waived | Standing::Baselined) => (YELLOW, "!"),
                    // Expected or not: what got worse is looked at.
                    _ if property.got_worse() => (YELLOW, "!"),
                    _ => (GREEN, "✓"),
                },
            };
            let name = property.property.name();
            writeln!(out, "  {colour}{mark}{PLAIN} {name:width$}  {}", moved(property))?;
            if let Some(lapsed) = property.after.as_ref().and_then(|side| side.lapsed.as_ref()) {
                writeln!(out, "    {:width$}  {RED}{lapsed}{PLAIN}", "")?;
            }
        }
        for waiver in &policy.waivers {
            writeln!(out, "  {YELLOW}! waiver:{PLAIN} {}", words::waiver(waiver))?;
        }
        for property in &policy.not_governing {
            writeln!(out, "  {YELLOW}! waiver:{PLAIN} {}", not_governing(*property))?;
        }
        for property in &policy.expectations_not_governing {
            writeln!(out, "  {YELLOW}! expectation:{PLAIN} {}", not_governing(*property))?;
        }
        for note in &policy.notes {
            writeln!(out, "  {YELLOW}! note:{PLAIN} {note}")?;
        }
        for property in &policy.properties {
            if let Some(run) = &property.counterexample {
                writeln!(out, "\n  {BOLD}{}{PLAIN} is broken by this run:", property.property)?;
                human::timeline(run, out)?;
            }
        }
        for (now, found) in behaviours(policy) {
            writeln!(out, "\n  {CYAN}{}{PLAIN}", behaviour(now, found))?;
            if let Behaviour::New { steps } = found {
                human::steps(steps, out)?;
            }
        }
        writeln!(out)?;
    }
    for failure in &report.failures {
        writeln!(out, "{BOLD}{}{PLAIN}  {}  {RED}NOT CHECKED{PLAIN}", failure.path, failure.policy)?;
        writeln!(out, "  {}\n", failure.message)?;
    }
    let says = headline(report).join(", ");
    writeln!(out, "{BOLD}against {}{PLAIN}: {says}; {:.1} s", report.base, report.seconds)
}

/// Writes the report for a comment.
pub fn markdown(report: &DiffReport, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(COMMENT_BYTES);
    page.text.push_str(&format!("{MARKER}\n## idemcheck diff: {}\n\n", headline(report).join(", ")));
    page.text.push_str(&format!("Against {}.\n", plain(&report.base)));
    let failures: Vec<String> = report
        .failures
        .iter()
        .map(|f| {
            format!("- {} {} could not be checked: {}\n", code(&f.path), code(&f.policy), plain(&f.message))
        })
        .collect();
    page.add_all(failures.into_iter(), "policies without a result");
    let mut policies: Vec<&PolicyDiff> = report.policies.iter().collect();
    policies.sort_by_key(|policy| !policy.properties.iter().any(|property| property.newly_violated));
    let parts: Vec<String> = policies.into_iter().map(of_policy).collect();
    page.add_all(parts.into_iter(), "policies");
    out.write_all(page.text.as_bytes())
}

fn of_policy(policy: &PolicyDiff) -> String {
    let mut text = format!("\n### {} {}\n\n{}\n\n", code(&policy.policy), word(policy), code(&policy.path));
    for change in &policy.declared {
        text.push_str(&format!("- declares {}\n", plain(&declared(change))));
    }
    for property in &policy.properties {
        let mark = match property {
            PropertyDiff { newly_violated: true, .. } => "✗ ",
            _ if property.got_worse() => "! ",
            _ => "",
        };
        text.push_str(&format!("- {mark}**{}** {}\n", property.property, plain(&moved(property))));
        if let Some(lapsed) = property.after.as_ref().and_then(|side| side.lapsed.as_ref()) {
            text.push_str(&format!("  {}\n", plain(lapsed)));
        }
    }
    text.extend(
        policy.waivers.iter().map(|waiver| format!("- ! waiver: {}\n", plain(&words::waiver(waiver)))),
    );
    text.extend(policy.not_governing.iter().map(|p| format!("- ! waiver: {}\n", plain(&not_governing(*p)))));
    let expectations = policy.expectations_not_governing.iter();
    text.extend(expectations.map(|p| format!("- ! expectation: {}\n", plain(&not_governing(*p)))));
    text.extend(policy.notes.iter().map(|note| format!("- ! note: {}\n", plain(note))));
    for property in &policy.properties {
        if let Some(run) = &property.counterexample {
            text.push_str(&format!(
                "\n**{}** is broken by this run.\n{}",
                property.property,
                markdown::run(run)
            ));
        }
    }
    for (now, found) in behaviours(policy) {
        text.push_str(&format!("\n{}\n", plain(&behaviour(now, found))));
        if let Behaviour::New { steps } = found {
            text.push_str(&markdown::run(&as_run(steps)));
        }
    }
    text
}

/// No step of it breaks anything, so its property is not told.
fn as_run(steps: &[Step]) -> Counterexample {
    let (property, steps) = (Property::SingleExecution, steps.to_vec());
    Counterexample { property, steps, repeats_from: None, round_ms: None }
}

fn colour(policy: &PolicyDiff) -> &'static str {
    match policy.properties.iter().any(|property| property.newly_violated) {
        true => RED,
        false if policy.kind == Kind::SameBehaviour => DIM,
        false => CYAN,
    }
}

fn word(policy: &PolicyDiff) -> &'static str {
    match policy.kind {
        Kind::Added => "added",
        Kind::Removed => "removed",
        Kind::Changed => "changed",
        Kind::SameBehaviour => "says something else, behaves the same",
    }
}

fn standing(side: &Option<Side>, property: Property) -> Option<Standing> {
    side.as_ref().map(|side| side.result(property).standing())
}

/// `holds → violated: why`, with the numbers.
fn moved(property: &PropertyDiff) -> String {
    let verdict = |side: &Option<Side>| match side {
        None => "not there".to_owned(),
        Some(side) => words::verdict(&side.result(property.property)),
    };
    let (was, is) = (verdict(&property.before), verdict(&property.after));
    let mut text = match (&property.before, &property.after) {
        (None, Some(_)) => is,
        (Some(_), None) => format!("{was}, and is not checked any more"),
        _ if was == is => is,
        _ => format!("{was} → {is}"),
    };
    let number = |side: &Option<Side>| side.as_ref().and_then(|side| side.number.clone());
    let value = |value: &str| words::grouped_value(value);
    match (number(&property.before), number(&property.after)) {
        (Some(was), Some(is)) if was != is => {
            text.push_str(&format!("; {} {} → {}", is.name, value(&was.value), value(&is.value)));
        }
        (_, Some(is)) => text.push_str(&format!("; {} {}", is.name, value(&is.value))),
        (Some(was), None) => text.push_str(&format!("; {} was {}", was.name, value(&was.value))),
        (None, None) => {}
    }
    let after = property
        .after
        .as_ref()
        .filter(|_| !matches!(standing(&property.after, property.property), Some(Standing::Met) | None));
    if let Some(side) = after.filter(|side| !side.reason.is_empty()) {
        text.push_str(&format!(": {}", side.reason));
    }
    text
}

fn declared(change: &Declared) -> String {
    let file = if change.file == "policy" { String::new() } else { format!("{}: ", change.file) };
    let key = &change.key;
    match (&change.before, &change.after) {
        (Some(was), Some(is)) => format!("{file}{key}: {was} → {is}"),
        (None, Some(is)) => format!("{file}{key}: new, {is}"),
        (Some(was), None) => format!("{file}{key}: gone, was {was}"),
        (None, None) => format!("{file}{key}"),
    }
}

fn not_governing(property: Property) -> String {
    format!("the one for {property} is of this change and does not count: --allow-new-waivers makes it count")
}

/// Each direction that was looked at; whether it is what is possible now.
fn behaviours(policy: &PolicyDiff) -> impl Iterator<Item = (bool, &Behaviour)> {
    let now = policy.possible_now.iter().map(|found| (true, found));
    now.chain(policy.possible_before.iter().map(|found| (false, found)))
}

fn behaviour(now: bool, found: &Behaviour) -> String {
    let (when, other) = if now { ("now", "was not before") } else { ("before", "is not now") };
    match found {
        Behaviour::New { steps } => {
            let (what, count) = (if now { "new" } else { "gone" }, steps.len());
            format!("possible {when}, and {other}; shortest, {count} events, the last one is what is {what}:")
        }
        Behaviour::Nothing => match now {
            true => "nothing is possible now that was not before".to_owned(),
            false => "everything that was possible before still is".to_owned(),
        },
        Behaviour::Unknown { up_to, stopped_by } => format!(
            "nothing of up to {up_to} events is possible {when} that {other}; beyond that it is not known: \
             {stopped_by} came first"
        ),
    }
}

fn headline(report: &DiffReport) -> Vec<String> {
    let count = |key: &str| report.summary.get(key).copied().unwrap_or(0);
    let mut parts = Vec::new();
    for (key, word) in [
        ("newly-violated", "newly violated"),
        ("failed", "not checked"),
        ("inconclusive", "inconclusive"),
        ("no-longer-applicable", "no longer applicable"),
        ("changed", "changed"),
        ("added", "added"),
        ("removed", "removed"),
        ("same-behaviour", "with the same behaviour"),
    ] {
        if count(key) > 0 || key == "newly-violated" {
            parts.push(format!("{} {word}", grouped(count(key))));
        }
    }
    parts.push(format!("{} unchanged", grouped(report.same)));
    if report.policies.is_empty() && report.failures.is_empty() {
        return vec![format!(
            "no change in {} {}",
            grouped(report.same),
            if report.same == 1 { "policy" } else { "policies" }
        )];
    }
    parts
}
