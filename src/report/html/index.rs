//! The index: a matrix of policies by properties.

use maud::{Markup, html};

use super::{class, figures};
use crate::check::property::Property;
use crate::check::verdict::{PolicyResult, Report, Standing, Verdict, grouped};
use crate::check::weigh::WaiverState;
use crate::load::report::LoadReport;
use crate::report::words;

pub fn page(report: &Report, stems: &[String], unmatched: &[&LoadReport]) -> Markup {
    let judged = |property: &Property| {
        report
            .policies
            .iter()
            .flat_map(|policy| &policy.properties)
            .any(|result| result.property == *property && result.standing() != Standing::NotApplicable)
    };
    let columns: Vec<Property> = Property::ALL.into_iter().filter(judged).collect();
    html! {
        header {
            h1 { "idemcheck: " (grouped(report.policies.len() as u64)) " policies" }
            p { (summary(report)) }
        }
        main #main {
            @if !report.failures.is_empty() {
                h2 { "Not checked" }
                ul { @for failure in &report.failures {
                    li { span.bad { "✗ " (failure.policy) } " (" (failure.path) "): " (failure.message) }
                } }
            }
            @if !unmatched.is_empty() {
                h2 { "Races without a policy" }
                ul { @for load in unmatched {
                    li { (load.policy) ": no policy of this name is in the report" }
                } }
            }
            h2 { "Policies by properties" }
            form.tools #filters role="search" aria-label="Filters" hidden onsubmit="return false" {
                label { "Find " input #find type="search" placeholder="name, path, model, lint" autocomplete="off"; }
                label { "Property " select #property {
                    option value="" { "the policy as a whole" }
                    @for property in &columns { option value=(property) { (property) } }
                } }
                label { "Verdict " select #verdict {
                    option value="" { "all" }
                    @for (value, word) in VERDICTS { option value=(value) { (word) } }
                } }
                label { input #linted type="checkbox"; " with lints" }
                button #reset type="reset" { "reset" }
                output #count for="find property verdict linted" {}
            }
            p.soft { "✓ holds · (✗) violated, as expected · ✗ violated, or not as expected · ? inconclusive · ! waived · (!) in the baseline · "
                "– not applicable. Each verdict is for the scope in the last column." }
            div.wide tabindex="0" role="group" aria-label="Policies by properties" {
                table.matrix {
                    thead { tr {
                        th.name scope="col" { "policy" }
                        th scope="col" { "verdict" }
                        th scope="col" { "lints" }
                        @for property in &columns { th.p scope="col" data-property=(property) { span { (property) } } }
                        th.scope scope="col" { "scope" }
                    } }
                    tbody {
                        @for (policy, stem) in report.policies.iter().zip(stems) { (row(policy, stem, &columns)) }
                    }
                }
            }
            (waivers(report, stems))
            (lints(report, stems))
            (figures::worst(&report.policies))
        }
        footer { p.soft { "idemcheck " (report.tool) } }
    }
}

/// The values of the filter, and their words.
const VERDICTS: [(&str, &str); 6] = [
    ("bad", "violated, or not as expected"),
    ("open", "inconclusive"),
    ("waived", "waived"),
    ("baselined", "in the baseline"),
    ("expected", "violated, as expected"),
    ("holds", "holds"),
];

fn kind(standing: Standing) -> &'static str {
    match standing {
        Standing::Unexpected => "bad",
        Standing::Inconclusive => "open",
        Standing::Waived => "waived",
        Standing::Baselined => "baselined",
        Standing::MetViolated => "expected",
        Standing::Met | Standing::NotApplicable => "holds",
    }
}

/// A cell has no words beside its mark, and what is violated must not look as if it held.
fn mark(standing: Standing) -> &'static str {
    match standing {
        Standing::MetViolated => "(✗)",
        Standing::Baselined => "(!)",
        other => words::mark(other),
    }
}

fn summary(report: &Report) -> String {
    let count = |key: &str| report.summary.get(key).copied().unwrap_or(0);
    let words = [
        ("unexpected", "unexpected"),
        ("failed", "not checked"),
        ("inconclusive", "inconclusive"),
        ("waived", "waived"),
        ("baselined", "in the baseline"),
        ("violated-as-expected", "violated as expected"),
        ("holds", "hold"),
    ];
    words.map(|(key, word)| format!("{} {word}", grouped(count(key)))).join(", ")
}

fn row(policy: &PolicyResult, stem: &str, columns: &[Property]) -> Markup {
    let standing = policy.standing();
    let lints: Vec<&str> = policy.lints.iter().map(|lint| lint.name.as_str()).collect();
    let text =
        format!("{} {} {} {}", policy.policy, policy.path, policy.model, lints.join(" ")).to_lowercase();
    html! {
        tr data-text=(text) data-verdict=(kind(standing)) {
            th.name scope="row" { a href={ "policies/" (stem) ".html" } { (policy.policy) } }
            td class={ "verdict " (class(standing)) } { (words::mark(standing)) " " (words::policy(policy)) }
            td.num { @if !lints.is_empty() { (lints.len()) } }
            @for column in columns {
                @match policy.properties.iter().find(|result| result.property == *column) {
                    Some(result) if result.standing() != Standing::NotApplicable => {
                        td class={ "v " (class(result.standing())) } {
                            // What holds needs no way to it: a thousand policies have many such cells.
                            @if (result.standing(), result.verdict) == (Standing::Met, Verdict::Holds) { (mark(result.standing())) }
                            @else { a href={ "policies/" (stem) ".html#" (column) } aria-label=(words::verdict(result)) { (mark(result.standing())) } }
                            @if let Some(number) = &result.number { " " small { (words::grouped_value(&number.value)) } }
                        }
                    }
                    Some(_) => td.v.off { "–" },
                    None => td.v {},
                }
            }
            td.scope { (words::scope(policy)) }
        }
    }
}

fn waivers(report: &Report, stems: &[String]) -> Markup {
    let all = report.policies.iter().zip(stems);
    let all: Vec<_> = all
        .flat_map(|(policy, stem)| policy.waivers.iter().map(move |waiver| (policy, stem, waiver)))
        .collect();
    html! {
        @if !all.is_empty() {
            h2 { "Waivers: " (words::waivers(report)) }
            ul { @for (policy, stem, waiver) in all {
                li {
                    a href={ "policies/" (stem) ".html" } { (policy.policy) ", " (waiver.property) }
                    ": " span class=(if waiver.state == WaiverState::Active { "soft" } else { "warn" }) { (waiver.state.name()) }
                    ": " (words::waiver(waiver))
                }
            } }
        }
        @if let Some(baseline) = &report.baseline {
            h2 { "Baseline " (words::baseline(baseline)) }
            ul { @for stale in &baseline.stale { li { span.warn { "stale" } ": " (words::stale(stale)) } } }
        }
    }
}

fn lints(report: &Report, stems: &[String]) -> Markup {
    let all: Vec<_> = report
        .policies
        .iter()
        .zip(stems)
        .flat_map(|(policy, stem)| policy.lints.iter().map(move |lint| (policy, stem, lint)))
        .collect();
    html! {
        @if !all.is_empty() {
            h2 { "Lints" }
            ul { @for (policy, stem, lint) in all {
                li {
                    a href={ "policies/" (stem) ".html#lints" } { (policy.policy) } ", " (lint.name) ": " (lint.says)
                    span.soft { " (" (lint.confirmation)
                        @if let Some(reason) = &lint.silenced { "; silenced: " (reason) } ")" }
                }
            } }
        }
    }
}
