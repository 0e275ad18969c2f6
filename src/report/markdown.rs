//! Markdown for a comment on a pull request, or for the summary of a job, within a number of bytes.
//!
//! What comes first is worth most, and what no longer fits is counted, never cut in its middle.

use std::io::{self, Write};

use super::lanes::{self, Kind};
use super::{margins as margin_words, words};
use crate::check::verdict::{
    Change, Counterexample, PolicyResult, PropertyResult, Report, Standing, Step, format_moment, format_ms,
    grouped,
};

/// What a comment may have: GitHub takes 65,536 characters.
pub const COMMENT_BYTES: usize = 65_000;
/// What the summary of a job's step may have: GitHub takes 1 MiB.
pub const SUMMARY_BYTES: usize = 1_000_000;
/// The first line of a comment, by which the next run finds it and writes over it.
pub const MARKER: &str = "<!-- idemcheck -->";

/// Steps of a run that are drawn; beyond, a diagram is no help.
const DRAWN_MAX: usize = 60;
/// Room for the lines that say what was left out.
const RESERVE: usize = 400;

/// Writes the report in at most `bytes` bytes.
pub fn render(report: &Report, bytes: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(bytes);
    page.text.push_str(&format!("{MARKER}\n## idemcheck: {}\n\n", headline(report)));
    failures(report, &mut page);
    table(report, &mut page);
    findings(report, &mut page);
    waivers(report, &mut page);
    margins(report, &mut page);
    lints(report, &mut page);
    out.write_all(page.text.as_bytes())
}

/// Text that stays within its bounds.
pub(super) struct Page {
    pub(super) text: String,
    room: usize,
}

impl Page {
    pub(super) fn new(bytes: usize) -> Page {
        Page { text: String::new(), room: bytes.saturating_sub(RESERVE) }
    }

    /// Adds a part if it fits, whole.
    pub(super) fn add(&mut self, part: &str) -> bool {
        let fits = self.text.len() + part.len() <= self.room;
        if fits {
            self.text.push_str(part);
        }
        fits
    }

    /// Adds parts until one does not fit; then says how many were left out. Takes its room from the reserve.
    pub(super) fn add_all(&mut self, parts: impl ExactSizeIterator<Item = String>, noun: &str) {
        let count = parts.len();
        for (index, part) in parts.enumerate() {
            if !self.add(&part) {
                self.text.push_str(&format!(
                    "\n*{} more {noun} left out: no room.*\n",
                    grouped((count - index) as u64)
                ));
                return;
            }
        }
    }
}

fn headline(report: &Report) -> String {
    let count = |key: &str| report.summary.get(key).copied().unwrap_or(0);
    let mut parts = Vec::new();
    for (key, word) in [
        ("unexpected", "✗ unexpected"),
        ("failed", "✗ not checked"),
        ("inconclusive", "? inconclusive"),
        ("waived", "! waived"),
        ("baselined", "! in the baseline"),
        ("violated-as-expected", "✓ violated as expected"),
    ] {
        if count(key) > 0 {
            parts.push(format!("{} {word}", grouped(count(key))));
        }
    }
    parts.push(format!("{} ✓ hold{}", grouped(count("holds")), words::proved(report)));
    parts.join(", ")
}

fn failures(report: &Report, page: &mut Page) {
    let lines = report.failures.iter().map(|failure| {
        format!(
            "- {} {} could not be checked: {}\n",
            code(&failure.path),
            code(&failure.policy),
            plain(&failure.message)
        )
    });
    page.add_all(lines, "policies without a result");
}

/// Every policy that is not simply as it should be, the worst first; then the rest.
fn table(report: &Report, page: &mut Page) {
    if report.policies.is_empty() {
        return;
    }
    page.add("| policy | verdict | what was found | scope |\n|---|---|---|---|\n");
    let rows: Vec<String> = by_need(report).into_iter().map(row).collect();
    page.add_all(rows.into_iter(), "policies");
    page.add("\n");
}

fn row(policy: &PolicyResult) -> String {
    let standing = policy.standing();
    let worst = policy
        .properties
        .iter()
        .filter(|property| property.standing() == standing && standing > Standing::Met)
        .map(|property| format!("**{}** {}", property.property, plain(&words::finding(property))));
    let proved = policy.proofs.iter().map(|proof| {
        let names: Vec<&str> = proof.properties.iter().map(|property| property.name()).collect();
        format!("proved for {}: {}", plain(&proof.scope), names.join(", "))
    });
    let found = worst.chain(proved).collect::<Vec<_>>().join("<br>");
    format!(
        "| {} | {} {} | {found} | {} |\n",
        code(&policy.policy).replace('|', "\\|"),
        words::mark(standing),
        words::policy(policy),
        plain(&words::scope(policy))
    )
}

fn by_need(report: &Report) -> Vec<&PolicyResult> {
    let mut policies: Vec<&PolicyResult> = report.policies.iter().collect();
    policies.sort_by_key(|policy| std::cmp::Reverse(policy.standing()));
    policies
}

/// Violations that need attention, each with its run.
fn findings(report: &Report, page: &mut Page) {
    let all: Vec<(&PolicyResult, &PropertyResult)> = by_need(report)
        .into_iter()
        .flat_map(|policy| policy.properties.iter().map(move |property| (policy, property)))
        .filter(|(_, property)| {
            matches!(property.standing(), Standing::Unexpected | Standing::Waived | Standing::Baselined)
        })
        .collect();
    let parts = all.into_iter().map(|(policy, property)| {
        let run = property.counterexample.as_ref().map(run).unwrap_or_default();
        let waived = property
            .waived
            .as_ref()
            .map(|reason| format!("\n\nWaived: {}", plain(reason)))
            .unwrap_or_default();
        format!(
            "\n### {} {}: {}\n\n{}: {}{waived}\n{run}",
            words::mark(property.standing()),
            code(&policy.policy),
            property.property,
            code(&policy.path),
            plain(&words::finding(property))
        )
    });
    page.add_all(parts.collect::<Vec<_>>().into_iter(), "findings");
}

/// Every waiver with its state, and what the baseline no longer needs.
fn waivers(report: &Report, page: &mut Page) {
    let all = report.policies.iter().flat_map(|policy| policy.waivers.iter().map(move |w| (policy, w)));
    let lines: Vec<String> = all
        .map(|(policy, waiver)| format!("- {} {}\n", code(&policy.policy), plain(&words::waiver(waiver))))
        .collect();
    if !lines.is_empty() && page.add(&format!("\n### Waivers: {}\n\n", words::waivers(report))) {
        page.add_all(lines.into_iter(), "waivers");
    }
    let Some(baseline) = &report.baseline else { return };
    if page.add(&format!("\n### Baseline {}\n\n", plain(&words::baseline(baseline)))) {
        let lines: Vec<String> = baseline
            .stale
            .iter()
            .map(|stale| format!("- stale: {}\n", plain(&words::stale(stale))))
            .collect();
        page.add_all(lines.into_iter(), "stale entries");
    }
}

/// The margins of each policy, folded: what is near an edge is for a review to see.
fn margins(report: &Report, page: &mut Page) {
    let mut parts = Vec::new();
    let measured = report.policies.iter().filter_map(|policy| Some((policy, policy.margins.as_ref()?)));
    for (policy, margins) in measured {
        if let Some(why) = &margins.open {
            parts.push(format!("\nMargins of {}: none, because {}\n", code(&policy.policy), plain(why)));
            continue;
        }
        let mut text = format!(
            "\n<details><summary>Margins of {}</summary>\n\n| declaration | now | every verdict stays | to the nearest edge | then |\n\
             |---|---|---|---|---|\n",
            plain(&policy.policy)
        );
        for margin in &margins.declarations {
            let nearest =
                margin.distance().map_or_else(|| "–".to_owned(), |far| margin_words::amount(margin, far));
            let sides = [&margin.below, &margin.above].into_iter();
            let then =
                sides.filter_map(|side| margin_words::end(margin, side)).chain(margin_words::inside(margin));
            let then: Vec<String> = then.map(|text| plain(&text)).collect();
            let cells =
                [margin_words::name(margin), margin.written.clone(), margin_words::interval(margin), nearest];
            let cells = cells.map(|cell| plain(&cell)).join(" | ");
            text.push_str(&format!("| {cells} | {} |\n", then.join("<br>")));
        }
        text.push_str(&format!("\n{}\n\n</details>\n", plain(&margin_words::summary(margins))));
        parts.push(text);
    }
    page.add_all(parts.into_iter(), "policies' margins");
}

fn lints(report: &Report, page: &mut Page) {
    let all = report.policies.iter().flat_map(|policy| policy.lints.iter().map(move |lint| (policy, lint)));
    let lines: Vec<String> = all
        .map(|(policy, lint)| {
            let silenced = lint
                .silenced
                .as_ref()
                .map(|reason| format!("; silenced: {}", plain(reason)))
                .unwrap_or_default();
            format!(
                "- {} {}: {} ({}{silenced})\n",
                code(&policy.policy),
                lint.name,
                plain(&lint.says),
                plain(&lint.confirmation)
            )
        })
        .collect();
    if !lines.is_empty() && page.add("\n### Lints\n\n") {
        page.add_all(lines.into_iter(), "lints");
    }
}

/// A run, folded: a diagram where it can be read as one, and its steps.
pub(super) fn run(run: &Counterexample) -> String {
    let mut text = format!("\n<details><summary>The run, {} steps</summary>\n\n", run.steps.len());
    if run.steps.len() <= DRAWN_MAX {
        text.push_str(&mermaid(run));
        text.push('\n');
    }
    text.push_str("| # | moment | who | does | sees | changes |\n|---|---|---|---|---|---|\n");
    let left_out = DRAWN_MAX..run.steps.len().saturating_sub(DRAWN_MAX).max(DRAWN_MAX);
    for (index, step) in run.steps.iter().enumerate() {
        if left_out.contains(&index) {
            if index == left_out.start {
                text.push_str(&format!(
                    "| … | | | {} steps left out | | |\n",
                    grouped(left_out.len() as u64)
                ));
            }
            continue;
        }
        text.push_str(&step_row(index, step, run));
    }
    if let Some(from) = run.repeats_from {
        let round = run.round_ms.map(|ms| format!(", every {}", format_ms(ms))).unwrap_or_default();
        text.push_str(&format!("\n↻ From step {} the run repeats for ever{round}.\n", from + 1));
    }
    text.push_str("\n</details>\n");
    text
}

fn step_row(index: usize, step: &Step, run: &Counterexample) -> String {
    let mark = match &step.breaks {
        Some(_) => "✗ ",
        None if run.repeats_from == Some(index) => "↻ ",
        None => "",
    };
    let mut changes: Vec<String> = step.changes.iter().map(change).map(|text| plain(&text)).collect();
    changes
        .extend(step.breaks.iter().map(|breaks| format!("**breaks {}**: {}", run.property, plain(breaks))));
    format!(
        "| {mark}{} | {} | {} | {} | {} | {} |\n",
        index + 1,
        format_moment(step.at_ms),
        plain(&step.who),
        plain(&step.does),
        plain(&step.sees),
        changes.join("<br>")
    )
}

fn change(change: &Change) -> String {
    format!("{}: {} → {}", change.what, change.from, change.to)
}

/// A sequence diagram as GitHub draws it.
fn mermaid(run: &Counterexample) -> String {
    let diagram = lanes::diagram(run);
    let mut text = String::from("```mermaid\nsequenceDiagram\n");
    for (index, lane) in diagram.lanes.iter().enumerate() {
        let word = if lane.kind == Kind::Human { "actor" } else { "participant" };
        text.push_str(&format!("    {word} l{index} as {}\n", drawn(&lane.name)));
    }
    for (index, (step, hop)) in run.steps.iter().zip(&diagram.hops).enumerate() {
        if run.repeats_from == Some(index) {
            let round = run.round_ms.map(|ms| format!(", every {}", format_ms(ms))).unwrap_or_default();
            text.push_str(&format!("    loop for ever{round}\n"));
        }
        let number = index + 1;
        let (from, to) = (hop.from, hop.to);
        text.push_str(&format!(
            "    l{from}->>l{to}: {number} · {} · {}\n",
            format_moment(step.at_ms),
            drawn(&hop.says)
        ));
        if let Some(back) = &hop.back {
            text.push_str(&format!("    l{to}-->>l{from}: {}\n", drawn(back)));
        }
        if let Some((client, says)) = &hop.answer {
            text.push_str(&format!("    l{from}-->>l{client}: {}\n", drawn(says)));
        }
        for changed in &step.changes {
            text.push_str(&format!("    Note over l{to}: {}\n", drawn(&change(changed))));
        }
        if let Some(breaks) = &step.breaks {
            text.push_str(&format!("    Note over l{to}: ✗ breaks {}: {}\n", run.property, drawn(breaks)));
        }
    }
    if run.repeats_from.is_some() {
        text.push_str("    end\n");
    }
    text.push_str("```\n");
    text
}

/// Text inside a diagram: what mermaid or HTML read as more than text becomes a numbered entity.
fn drawn(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            c if c.is_control() => " ".to_owned(),
            '#' | ';' | '<' | '>' | '&' | '%' | '"' | '`' | '{' | '}' => format!("#{};", u32::from(c)),
            c => c.to_string(),
        })
        .collect()
}

/// Prose in which nothing is markup, nobody is mentioned and nothing is linked; also within a table.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' => out.extend(['\\', c]),
            // A word joiner: it is not seen, and what follows is no name of a person or of an issue.
            '@' | '#' => out.extend([c, '\u{2060}']),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A name as code, whatever it holds.
pub(super) fn code(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(plain("<b>@all *x* #1"), "&lt;b&gt;@\u{2060}all \\*x\\* #\u{2060}1");
        assert_eq!(drawn("a;b\n<i>"), "a#59;b #60;i#62;");
    }
}
