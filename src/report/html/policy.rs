//! A policy's page: what was found, the runs, and what a design review asks for.

use maud::{Markup, html};

use super::{class, design, run, table, text};
use crate::check::property::Property;
use crate::check::verdict::{PolicyResult, PropertyResult, Standing};
use crate::load::report::{LoadReport, LoadVerdict};
use crate::policy::load::LoadedPolicy;
use crate::report::words;

pub fn page<'a>(
    result: &PolicyResult,
    source: Option<&LoadedPolicy>,
    races: &[&LoadReport],
    trace: &impl Fn(Property) -> Option<&'a str>,
) -> Markup {
    let standing = result.standing();
    let design: Vec<(String, Markup)> =
        source.map(|source| design::sections(source, result)).unwrap_or_default();
    let runs: Vec<&PropertyResult> =
        result.properties.iter().filter(|property| property.counterexample.is_some()).collect();
    let mut contents: Vec<(String, String)> = vec![("properties".to_owned(), "Properties".to_owned())];
    for (id, there) in
        [("lints", !result.lints.is_empty()), ("runs", !runs.is_empty()), ("races", !races.is_empty())]
    {
        if there {
            contents.push((id.to_owned(), title(id).to_owned()));
        }
    }
    contents.extend(design.iter().map(|(title, _)| (id(title), title.clone())));
    html! {
        header {
            p { a href="../index.html" { "← all policies" } }
            h1 { (result.policy) ": " span class=(class(standing)) { (words::mark(standing)) " " (words::policy(result)) } }
            p { (result.summary) }
            dl.facts {
                dt { "file" } dd { code { (result.path) } }
                dt { "model" } dd { (result.model) @if let Some(source) = source { ": " (source.protocol.title) } }
                @if let Some(severity) = &result.severity { dt { "severity" } dd { (severity) } }
                dt { "scope" } dd { (words::scope(result)) }
                dt { "again" } dd { code { "idemcheck verify " (words::shell_word(&result.path)) } }
            }
            nav.toc aria-label="On this page" { ul { @for (id, title) in &contents { li { a href={ "#" (id) } { (title) } } } } }
        }
        main #main {
            (properties(result))
            (lints(result))
            @if !runs.is_empty() {
                section aria-labelledby="runs" {
                    h2 #runs { (title("runs")) }
                    p.soft { "Shortest runs; each was played through again before it was shown. With a run in focus, the arrow keys go from step to step." }
                    @for property in runs {
                        @if let Some(found) = &property.counterexample {
                            (run::section(property, found, trace(property.property), &result.path))
                        }
                    }
                }
            }
            (race_results(races))
            @for (title, body) in &design {
                section aria-labelledby=(id(title)) { h2 #(id(title)) { (title) } (body) }
            }
        }
    }
}

fn title(id: &str) -> &'static str {
    match id {
        "lints" => "Lints and warnings",
        "runs" => "Counterexamples",
        _ => "Races against the endpoint",
    }
}

fn id(title: &str) -> String {
    title.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

fn properties(result: &PolicyResult) -> Markup {
    let (idle, judged): (Vec<_>, Vec<_>) =
        result.properties.iter().partition(|property| property.standing() == Standing::NotApplicable);
    let rows = judged.into_iter().map(|property| {
        let standing = property.standing();
        let name = property.property;
        let number = property.number.as_ref();
        vec![
            html! { span #(name) { (name) } },
            html! { span class=(class(standing)) { (words::mark(standing)) " " (words::verdict(property)) } },
            html! { @if let Some(number) = number { (number.name) ": " (words::grouped_value(&number.value)) } },
            html! {
                (property.reason)
                @if let Some(reason) = &property.waived { div.warn { "waived: " (reason) } }
                @if property.counterexample.is_some() { " " a href={ "#run-" (name) } { "the run" } }
                @if standing == Standing::Met { span.soft { "holds when " (crate::check::properties::info(name).holds_when) } }
            },
        ]
    });
    html! {
        section aria-labelledby="properties" {
            h2 #properties { "Properties" }
            (table("Properties", &["property", "verdict", "number", "what was found"], rows))
            @if !idle.is_empty() {
                details {
                    summary { "Not applicable: " (idle.len()) }
                    ul { @for property in idle { li { (property.property) ": " (property.reason) } } }
                }
            }
        }
    }
}

fn lints(result: &PolicyResult) -> Markup {
    let rows = result.lints.iter().map(|lint| {
        vec![
            text(&lint.name),
            text(&lint.says),
            html! { (lint.confirmation) @if let Some(reason) = &lint.silenced { div.warn { "silenced: " (reason) } } },
            text(&lint.source),
        ]
    });
    html! {
        @if !result.lints.is_empty() || !result.warnings.is_empty() {
            section aria-labelledby="lints" {
                h2 #lints { (title("lints")) }
                @if !result.lints.is_empty() {
                    (table("Lints", &["lint", "inequality that is not met", "what the check found of it", "source"], rows))
                }
                @if !result.warnings.is_empty() {
                    ul { @for warning in &result.warnings { li { (warning) } } }
                }
            }
        }
    }
}

fn race_results(races: &[&LoadReport]) -> Markup {
    let rows = races.iter().map(|race| {
        let (class, word) = match race.verdict {
            LoadVerdict::Violated => ("bad", "✗ violated"),
            LoadVerdict::NothingFound => ("good", "✓ nothing found"),
            LoadVerdict::Inconclusive => ("warn", "? inconclusive"),
        };
        vec![
            html! { span class=(class) { (word) } },
            html! { (race.bursts) " of " (race.size) ", " (race.technique) },
            text(race.duplicated.to_string()),
            text(race.overlapped.to_string()),
            text(format!("{:.2} %", race.upper_bound * 100.0)),
            text(
                race.answers
                    .iter()
                    .map(|(status, count)| format!("{count} × {status}"))
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
            text(race.seed.to_string()),
        ]
    });
    let head = [
        "verdict",
        "bursts",
        "with more than one effect",
        "overlapped",
        "a race shows in less than (95 %)",
        "answers × status",
        "seed",
    ];
    html! {
        @if !races.is_empty() {
            section aria-labelledby="races" { h2 #races { (title("races")) } (table("Races", &head, rows)) }
        }
    }
}
