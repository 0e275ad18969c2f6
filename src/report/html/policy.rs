//! A policy's page: what was found, the runs, and what a design review asks for.

use maud::{Markup, html};

use super::{class, design, figures, run, table, text};
use crate::check::property::Property;
use crate::check::verdict::{PolicyResult, PropertyResult, Standing, Verdict};
use crate::load::report::{Latency, LoadReport, LoadVerdict, ProbeOutcome};
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
    for (id, there) in [
        ("lints", !result.lints.is_empty()),
        ("runs", !runs.is_empty()),
        ("races", !races.is_empty()),
        ("margins", result.margins.is_some()),
    ] {
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
                @for proof in &result.proofs { dt { "proved for" } dd { (proof.scope) } }
                dt { "again" } dd { code.command {
                    "idemcheck verify " (words::shell_word(&result.path)) @if !result.proofs.is_empty() { " --prove" }
                } }
            }
            nav.toc aria-label="On this page" { ul { @for (id, title) in &contents { li { a href={ "#" (id) } { (title) } } } } }
        }
        main #main {
            (properties(result))
            (lints(result))
            @if !runs.is_empty() {
                section aria-labelledby="runs" {
                    h2 #runs { (title("runs")) }
                    p.soft { "Shortest runs; each was played through again before it was shown. With a run in focus, the arrow keys (or n and p) go from step to step, Home and End to its ends." }
                    @for (number, property) in runs.into_iter().enumerate() {
                        @if let Some(found) = &property.counterexample {
                            (run::section(property, found, trace(property.property), &result.path, number == 0))
                            (figures::timeline(source, found))
                        }
                    }
                }
            }
            (race_results(races))
            (figures::margins(result))
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
        "margins" => "Margins",
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
                // For how many of what it is proved stands above, once for all.
                @if property.verdict != Verdict::Proved {
                    (property.reason)
                    @if standing == Standing::Met && !property.reason.is_empty() { "; " }
                }
                @if let Some(reason) = &property.waived { div.warn { "waived: " (reason) } }
                @if let Some(lapsed) = &property.lapsed { div.bad { (lapsed) } }
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
            @if !result.waivers.is_empty() {
                h3 { "Waivers" }
                ul { @for waiver in &result.waivers { li { (words::waiver(waiver)) } } }
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
            section aria-labelledby="races" {
                h2 #races { (title("races")) }
                (table("Races", &head, rows))
                @for (number, race) in races.iter().enumerate() { (probes(race)) (latencies(race)) (figures::race(race, number + 1)) }
            }
        }
    }
}

/// What each probe of a race came to, and how to try by hand what it found.
fn probes(race: &LoadReport) -> Markup {
    let rows = race.probes.iter().map(|probe| {
        let (class, word) = match probe.outcome {
            ProbeOutcome::Violated => ("bad", "✗ violated"),
            ProbeOutcome::NothingFound => ("good", "✓ nothing found"),
            ProbeOutcome::Inconclusive => ("warn", "? inconclusive"),
            ProbeOutcome::Skipped => ("soft", "– skipped"),
        };
        let judged = probe.history.iter().flat_map(|history| &history.findings);
        vec![
            text(&probe.probe),
            text(&probe.title),
            html! {
                span class=(class) { (word) }
                @if let Some(why) = &probe.why { div { (why) } }
            },
            text(probe.requests.to_string()),
            html! {
                @for found in &probe.findings { div { (found.key) " (" (found.rule) "): " (found.message) } }
                @for found in judged { div { (found.subject) @if let Some(rule) = found.rule { " (" (rule.name()) ")" } ": " (found.message) } }
                @for script in &probe.repeat {
                    details { summary { "try it by hand" } pre { code { (script) } } }
                }
            },
        ]
    });
    let caption = format!("Probes, seed {}", race.seed);
    table(&caption, &["probe", "what it tries", "outcome", "requests", "what was found"], rows)
}

fn latencies(race: &LoadReport) -> Markup {
    let rows = race.latencies.iter().map(|(class, latency)| {
        let Latency { count, p50_us, p90_us, p99_us, max_us, .. } = latency;
        let numbers = [count, p50_us, p90_us, p99_us, max_us].map(|number| text(number.to_string()));
        [text(class)].into_iter().chain(numbers).collect()
    });
    let caption = format!("Latency in µs, from when a request was due, seed {}", race.seed);
    html! {
        @if !race.latencies.is_empty() {
            (table(&caption, &["answer", "requests", "median", "90 %", "99 %", "most"], rows))
        }
    }
}
