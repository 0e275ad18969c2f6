//! Pages to look at: an index of policies by properties, and a page for each policy.
//!
//! Every page stands for itself: no page asks the network for anything, and what others have written is text.

pub(super) mod charts;
mod design;
pub(super) mod figures;
mod index;
mod machine;
mod operate;
mod policy;
mod run;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::origin::Origins;
use super::trace::{self, TraceFile};
use crate::check::verdict::{Report, Standing};
use crate::load::report::LoadReport;

/// A file of the report, by its path below the report's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub path: String,
    pub text: String,
}

/// All files of a report, the index last: it leads to nothing that is not there yet.
pub fn files(
    report: &Report,
    traces: &[Vec<TraceFile>],
    loads: &[LoadReport],
    origins: &Origins,
) -> Vec<File> {
    let stems = trace::stems(report);
    let names = trace::file_names(report);
    let mut files = Vec::new();
    for (index, (result, stem)) in report.policies.iter().zip(&stems).enumerate() {
        for file in traces.get(index).into_iter().flatten() {
            if let Some(name) = names.get(&(index, file.property)) {
                files.push(File { path: format!("traces/{name}"), text: file.to_json() });
            }
        }
        let races: Vec<&LoadReport> = loads.iter().filter(|load| load.policy == result.policy).collect();
        let trace = |property| names.get(&(index, property)).map(String::as_str);
        let body = policy::page(result, origins.source(&result.path), &races, &trace);
        let text = page(&format!("{} · idemcheck", result.policy), &body);
        files.push(File { path: format!("policies/{stem}.html"), text });
    }
    let unmatched: Vec<&LoadReport> = loads
        .iter()
        .filter(|load| !report.policies.iter().any(|result| result.policy == load.policy))
        .collect();
    let text = page("idemcheck", &index::page(report, &stems, &unmatched));
    files.push(File { path: "index.html".to_owned(), text });
    files
}

/// A page around its contents.
fn page(title: &str, body: &Markup) -> String {
    // The policy of the page forbids what a report has no need of: the network, above all.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy);
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                a.skip href="#main" { "Skip to the contents" }
                (body)
                script { (PreEscaped(include_str!("script.js"))) }
            }
        }
    }
    .into_string()
}

/// The class of a standing: its colour repeats its mark and word.
fn class(standing: Standing) -> &'static str {
    match standing {
        Standing::NotApplicable => "off",
        Standing::Met | Standing::MetViolated => "good",
        Standing::Waived | Standing::Baselined | Standing::Inconclusive => "warn",
        Standing::Unexpected => "bad",
    }
}

/// A table that scrolls by itself on a narrow screen, also by keyboard.
fn table(label: &str, head: &[&str], rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
    html! {
        // A group: as regions, all of them would be landmarks.
        div.wide tabindex="0" role="group" aria-label=(label) {
            table {
                thead { tr { @for name in head { th scope="col" { (name) } } } }
                tbody {
                    @for row in rows {
                        tr { @for (place, cell) in row.iter().enumerate() {
                            @if place == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                        } }
                    }
                }
            }
        }
    }
}

/// Plain text as a cell.
fn text(text: impl AsRef<str>) -> Markup {
    html! { (text.as_ref()) }
}
