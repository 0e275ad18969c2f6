//! Annotations of a GitHub workflow, within what a step may have of them.
//!
//! GitHub shows ten of a level for each step and drops the rest without a word, so the worst come first
//! and the last one says how many more there are.

use std::io::{self, Write};

use super::origin::{Origins, Place};
use super::words;
use crate::check::verdict::{PolicyResult, PropertyResult, Report, Standing};
use crate::check::weigh::WaiverState;
use crate::diag::Severity;

/// Annotations of one level that are shown for a step.
pub const SHOWN_MAX: usize = 10;
/// Characters of a title that are kept.
const TITLE_MAX: usize = 250;
/// Characters of a message; GitHub keeps 64 KB of it.
const MESSAGE_MAX: usize = 4_000;

#[derive(Clone, Copy)]
enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    const ALL: [Level; 3] = [Level::Error, Level::Warning, Level::Notice];

    fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Notice => "notice",
        }
    }
}

struct Annotation {
    place: Option<Place>,
    title: String,
    message: String,
}

/// Writes workflow commands, a line each.
pub fn render(report: &Report, origins: &Origins, out: &mut dyn Write) -> io::Result<()> {
    for level in Level::ALL {
        let mut found = annotations(level, report, origins);
        if found.len() > SHOWN_MAX {
            let more = found.len() - (SHOWN_MAX - 1);
            found.truncate(SHOWN_MAX - 1);
            found.push(Annotation {
                place: None,
                title: format!("{more} more"),
                message: format!(
                    "{more} more findings of level {} are not shown here: GitHub shows {SHOWN_MAX} for a step. \
                     All are in the report.",
                    level.name()
                ),
            });
        }
        for annotation in &found {
            writeln!(out, "{}", command(level, annotation))?;
        }
    }
    Ok(())
}

/// Of one level, the worst first.
fn annotations(level: Level, report: &Report, origins: &Origins) -> Vec<Annotation> {
    let mut found = Vec::new();
    let severity = match level {
        Level::Error => Some(Severity::Error),
        Level::Warning => Some(Severity::Warning),
        Level::Notice => None,
    };
    for diagnostic in origins.diagnostics().iter().filter(|found| Some(found.severity) == severity) {
        let help = diagnostic.help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
        found.push(Annotation {
            place: Some(origins.of_diagnostic(diagnostic)),
            title: format!("{}: {}", diagnostic.code.id(), diagnostic.code.name()),
            message: format!("{}{help}", diagnostic.message),
        });
    }
    if let Level::Error = level {
        for failure in &report.failures {
            found.push(Annotation {
                place: Some(origins.of_policy(&failure.path)),
                title: format!("{}: not checked", failure.policy),
                message: failure.message.clone(),
            });
        }
    }
    for policy in &report.policies {
        for property in &policy.properties {
            let wanted = matches!(
                (property.standing(), level),
                (Standing::Unexpected, Level::Error)
                    | (Standing::Inconclusive, Level::Warning)
                    | (Standing::Waived | Standing::Baselined, Level::Notice)
            );
            if wanted {
                found.push(of_property(policy, property, origins));
            }
        }
        for waiver in &policy.waivers {
            let wanted = match waiver.state {
                // Beside the violation that it covers.
                WaiverState::Active => continue,
                WaiverState::Expiring => matches!(level, Level::Notice),
                WaiverState::Expired | WaiverState::Unused => matches!(level, Level::Warning),
            };
            if wanted {
                let place = origins.of_waiver(&policy.path, waiver.property);
                found.push(Annotation {
                    place: Some(place.unwrap_or_else(|| origins.of_policy(&policy.path))),
                    title: format!("{}: waiver {}", policy.policy, waiver.state.name()),
                    message: words::waiver(waiver),
                });
            }
        }
        if let Level::Notice = level {
            for lint in policy.lints.iter().filter(|lint| lint.silenced.is_none()) {
                found.push(Annotation {
                    place: Some(origins.of_lint(&policy.path, &lint.says)),
                    title: format!("{}: {}", policy.policy, lint.name),
                    message: format!("{} ({})", lint.says, lint.confirmation),
                });
            }
        }
    }
    if let (Level::Warning, Some(baseline)) = (level, &report.baseline) {
        found.extend(baseline.stale.iter().map(|stale| Annotation {
            place: None,
            title: "stale in the baseline".to_owned(),
            message: words::stale(stale),
        }));
    }
    found
}

fn of_property(policy: &PolicyResult, property: &PropertyResult, origins: &Origins) -> Annotation {
    let waived = property.waived.as_ref().map(|reason| format!("\nwaived: {reason}")).unwrap_or_default();
    Annotation {
        place: Some(origins.of_property(&policy.path, property.property)),
        title: format!("{}: {}", policy.policy, property.property),
        message: format!("{}{waived}\nscope: {}", words::finding(property), words::scope(policy)),
    }
}

fn command(level: Level, annotation: &Annotation) -> String {
    let mut properties = Vec::new();
    if let Some(place) = &annotation.place {
        properties.push(format!("file={}", value(&place.path)));
        properties.push(format!("line={}", place.line()));
        if let Some((start, end)) = place.region {
            properties.push(format!("endLine={}", end.line));
            // Columns mean something to GitHub only within one line.
            if start.line == end.line {
                properties.push(format!("col={},endColumn={}", start.column, end.column));
            }
        }
    }
    properties.push(format!("title={}", value(&shortened(&annotation.title, TITLE_MAX))));
    format!(
        "::{} {}::{}",
        level.name(),
        properties.join(","),
        data(&shortened(&annotation.message, MESSAGE_MAX))
    )
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What a workflow command escapes; other control characters have no business in a log.
fn data(text: &str) -> String {
    let plain = |c: char| if c.is_control() && !"\r\n\t".contains(c) { '\u{fffd}' } else { c };
    let text: String = text.chars().map(plain).collect();
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn value(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
