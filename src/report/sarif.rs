//! SARIF 2.1.0: what editors and code scanning show beside the lines of a policy.
//!
//! A violation without a word about it is a result, with its run as a code flow; one that is waived, or in
//! the baseline, is a result that is suppressed. What holds, and what is violated as the policy says, is no result.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::origin::{Origins, Place};
use super::{margins, words};
use crate::check::margins::Margin;
use crate::check::properties;
use crate::check::verdict::{
    Counterexample, LintResult, PolicyResult, PropertyResult, Report, Standing, format_moment,
};
use crate::check::weigh::{WaiverResult, WaiverState};
use crate::diag::{Diagnostic, Severity};
use crate::lints::LINTS;
use crate::source::digest;

/// Steps at each end of a run that are told. Code scanning shows a thousand and refuses ten thousand.
const STEPS_AT_EACH_END: usize = 500;

/// Writes one run of the tool.
pub fn render(report: &Report, origins: &Origins, out: &mut dyn Write) -> io::Result<()> {
    let mut rules = Rules::default();
    let mut results: Vec<Value> = Vec::new();
    for diagnostic in origins.diagnostics() {
        results.push(of_diagnostic(diagnostic, origins, &mut rules));
    }
    for policy in &report.policies {
        for property in &policy.properties {
            results.extend(of_property(policy, property, origins, &mut rules));
        }
        let waivers = policy.waivers.iter();
        results.extend(waivers.filter_map(|waiver| of_waiver(policy, waiver, origins, &mut rules)));
        let margins = policy.margins.iter().flat_map(|margins| &margins.declarations);
        results.extend(margins.map(|margin| of_margin(policy, margin, origins, &mut rules)));
        results.extend(policy.lints.iter().map(|lint| of_lint(policy, lint, origins, &mut rules)));
    }
    let mut notifications: Vec<Value> = report
        .failures
        .iter()
        .map(|failure| {
            json!({
                "level": "error",
                "message": { "text": format!("{} could not be checked: {}", failure.policy, failure.message) },
                "locations": [location(&origins.of_policy(&failure.path))],
            })
        })
        .collect();
    let stale = report.baseline.iter().flat_map(|baseline| &baseline.stale);
    notifications.extend(stale.map(|stale| {
        json!({ "level": "warning", "message": { "text": format!("stale in the baseline: {}", words::stale(stale)) } })
    }));
    let failed = report.summary.get("failed").copied().unwrap_or(0);
    let document = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "idemcheck",
                "version": report.tool,
                "rules": rules.list,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": failed == 0,
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    });
    super::json::document(&document, out)
}

/// The rules that results name, in the order in which they are first named.
#[derive(Default)]
struct Rules {
    list: Vec<Value>,
    places: BTreeMap<String, usize>,
}

impl Rules {
    /// The index of a rule, which is described once.
    fn index(&mut self, id: &str, describe: impl FnOnce() -> Text) -> usize {
        if let Some(place) = self.places.get(id) {
            return *place;
        }
        let text = describe();
        self.list.push(json!({
            "id": id,
            "shortDescription": { "text": sentence(&text.brief) },
            "fullDescription": { "text": sentence(&text.what) },
            "help": { "text": text.help, "markdown": text.markdown },
            "defaultConfiguration": { "level": text.level },
        }));
        self.places.insert(id.to_owned(), self.list.len() - 1);
        self.list.len() - 1
    }
}

/// A rule in words: what `idemcheck explain` says of it.
struct Text {
    brief: String,
    what: String,
    help: String,
    markdown: String,
    level: &'static str,
}

fn of_property(
    policy: &PolicyResult,
    property: &PropertyResult,
    origins: &Origins,
    rules: &mut Rules,
) -> Option<Value> {
    let (kind, level) = match property.standing() {
        Standing::Unexpected | Standing::Waived | Standing::Baselined => ("fail", "error"),
        // Neither proved nor refuted: the standard has a kind for it, and wants no level then.
        Standing::Inconclusive => ("open", "none"),
        Standing::NotApplicable | Standing::Met | Standing::MetViolated => return None,
    };
    let id = property.property.name();
    let index = rules.index(id, || {
        let info = properties::info(property.property);
        Text {
            brief: format!("{id} holds when {}", info.holds_when),
            what: info.what.to_owned(),
            help: format!("{}\n\nHow it breaks:\n{}\n\nWhat helps: {}", info.why, info.example, info.cures),
            markdown: format!(
                "{}\n\n**How it breaks**\n\n```text\n{}\n```\n\n**What helps**\n\n{}",
                info.why,
                info.example.trim_end(),
                info.cures
            ),
            level: "error",
        }
    });
    let says = format!(
        "{}: {id} is {}. Checked for {}.",
        policy.policy,
        words::finding(property),
        words::scope(policy)
    );
    let place = origins.of_property(&policy.path, property.property);
    let mut result = json!({
        "ruleId": id,
        "ruleIndex": index,
        "kind": kind,
        "level": level,
        "message": { "text": says },
        "locations": [location(&place)],
        "partialFingerprints": { "counterexample/v1": property.fingerprint(&policy.policy) },
    });
    // Rules of thumb that foretold it point at the declarations to change.
    let foretold = policy.lints.iter().filter(|lint| lint.confirmed_by == Some(property.property));
    let related: Vec<Value> = (0..)
        .zip(foretold)
        .map(|(id, lint)| {
            let mut place = location(&origins.of_lint(&policy.path, &lint.says));
            place["id"] = json!(id);
            place["message"] = json!({ "text": format!("{}: {}", lint.name, lint.says) });
            place
        })
        .collect();
    if !related.is_empty() {
        result["relatedLocations"] = json!(related);
    }
    if let Some(run) = &property.counterexample {
        result["codeFlows"] = json!([code_flow(&policy.path, run, origins)]);
    }
    if let (Standing::Waived, Some(reason)) = (property.standing(), &property.waived) {
        let place = origins.of_waiver(&policy.path, property.property);
        result["suppressions"] = json!([suppression(reason, place.as_ref())]);
    }
    if property.standing() == Standing::Baselined {
        let known = "the baseline has it";
        result["suppressions"] =
            json!([{ "kind": "external", "status": "accepted", "justification": known }]);
        result["baselineState"] = json!("unchanged");
    }
    Some(result)
}

/// A waiver that somebody has to look after. One that is active is seen where it suppresses.
fn of_waiver(
    policy: &PolicyResult,
    waiver: &WaiverResult,
    origins: &Origins,
    rules: &mut Rules,
) -> Option<Value> {
    let level = match waiver.state {
        WaiverState::Active => return None,
        WaiverState::Expiring => "note",
        WaiverState::Expired | WaiverState::Unused => "warning",
    };
    let index = rules.index("waiver", || {
        let what = "a waiver is about to expire, has expired, or is not needed";
        let help = "Look at the reason again: renew it with a new day, or take the waiver out.".to_owned();
        Text { brief: what.to_owned(), what: what.to_owned(), markdown: help.clone(), help, level: "warning" }
    });
    let place = origins.of_waiver(&policy.path, waiver.property);
    let place = place.unwrap_or_else(|| origins.of_policy(&policy.path));
    let fingerprint = digest(&[&policy.policy, waiver.property.name(), &waiver.until]);
    Some(json!({
        "ruleId": "waiver",
        "ruleIndex": index,
        "kind": "fail",
        "level": level,
        "message": { "text": format!("{}: {}", policy.policy, words::waiver(waiver)) },
        "locations": [location(&place)],
        "partialFingerprints": { "waiver/v1": fingerprint },
    }))
}

/// How far a declaration is from another verdict, at the line that declares it: nothing to mend, so a note.
fn of_margin(policy: &PolicyResult, margin: &Margin, origins: &Origins, rules: &mut Rules) -> Value {
    let index = rules.index("margin", || {
        let what = "how far a declared value can go, by itself, with every verdict as it is";
        let help =
            "Look at values that are near an edge: a small change of theirs is another verdict.".to_owned();
        Text { brief: what.to_owned(), what: what.to_owned(), markdown: help.clone(), help, level: "note" }
    });
    let place = origins.of_declaration(&policy.path, margin.member.as_deref(), &margin.declaration);
    json!({
        "ruleId": "margin",
        "ruleIndex": index,
        // Another kind would have no level, and so be shown as nothing in particular.
        "kind": "fail",
        "level": "note",
        "message": { "text": format!("{}: {}", policy.policy, margins::line(margin)) },
        "locations": [location(&place)],
        "partialFingerprints": { "margin/v1": digest(&[&policy.policy, &margins::name(margin)]) },
    })
}

fn of_lint(policy: &PolicyResult, lint: &LintResult, origins: &Origins, rules: &mut Rules) -> Value {
    let index = rules.index(&lint.name, || {
        let known = LINTS.iter().find(|known| known.name == lint.name);
        let (brief, why) = known.map_or(("", ""), |known| (known.brief, known.why));
        let help = format!("{why}\n\nSource: {}", lint.source);
        Text { brief: brief.to_owned(), what: why.to_owned(), markdown: help.clone(), help, level: "note" }
    });
    let place = origins.of_lint(&policy.path, &lint.says);
    let mut result = json!({
        "ruleId": lint.name,
        "ruleIndex": index,
        "kind": "fail",
        "level": if lint.confirmed_by.is_some() { "warning" } else { "note" },
        "message": { "text": format!("{}: {} ({})", policy.policy, lint.says, lint.confirmation) },
        "locations": [location(&place)],
        "partialFingerprints": { "lint/v1": digest(&[&policy.policy, &lint.name, &lint.says]) },
    });
    if let Some(reason) = &lint.silenced {
        result["suppressions"] = json!([suppression(reason, None)]);
    }
    result
}

fn of_diagnostic(diagnostic: &Diagnostic, origins: &Origins, rules: &mut Rules) -> Value {
    let code = diagnostic.code;
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let index = rules.index(code.id(), || {
        let (help, markdown) =
            (code.explanation().to_owned(), format!("```text\n{}\n```", code.explanation()));
        Text {
            brief: code.description().to_owned(),
            what: code.description().to_owned(),
            help,
            markdown,
            level,
        }
    });
    let help = diagnostic.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    json!({
        "ruleId": code.id(),
        "ruleIndex": index,
        "kind": "fail",
        "level": level,
        "message": { "text": format!("{}{help}", diagnostic.message) },
        "locations": [location(&origins.of_diagnostic(diagnostic))],
    })
}

fn location(place: &Place) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": place.uri() } });
    if let Some((start, end)) = place.region {
        physical["region"] = json!({
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        });
    }
    json!({ "physicalLocation": physical })
}

fn suppression(reason: &str, place: Option<&Place>) -> Value {
    let mut value = json!({ "kind": "inSource", "status": "accepted", "justification": reason });
    if let Some(place) = place {
        value["location"] = location(place);
    }
    value
}

fn code_flow(path: &str, run: &Counterexample, origins: &Origins) -> Value {
    let count = run.steps.len();
    let left_out = STEPS_AT_EACH_END..count.saturating_sub(STEPS_AT_EACH_END).max(STEPS_AT_EACH_END);
    // The states of a model are few, and a run can be long.
    let mut places: BTreeMap<&str, Value> = BTreeMap::new();
    let mut locations = Vec::new();
    for (index, step) in run.steps.iter().enumerate().filter(|(index, _)| !left_out.contains(index)) {
        let place = places.entry(&step.does).or_insert_with(|| location(&origins.of_step(path, &step.does)));
        let mut place = place.clone();
        let mut says = format!("{} {} {}", format_moment(step.at_ms), step.who, step.does);
        if !step.sees.is_empty() {
            says.push_str(&format!(": {}", step.sees));
        }
        if let Some(breaks) = &step.breaks {
            says.push_str(&format!("; breaks {}: {breaks}", run.property));
        }
        if run.repeats_from == Some(index) {
            says.push_str("; from here the run repeats for ever");
        }
        place["message"] = json!({ "text": says });
        let state: BTreeMap<&str, Value> = step
            .changes
            .iter()
            .map(|change| {
                (change.what.as_str(), json!({ "text": format!("{} → {}", change.from, change.to) }))
            })
            .collect();
        let importance = match (&step.breaks, step.changes.is_empty()) {
            (Some(_), _) => "essential",
            (None, false) => "important",
            (None, true) => "unimportant",
        };
        let mut entry = json!({ "location": place, "executionOrder": index + 1, "importance": importance });
        if !state.is_empty() {
            entry["state"] = json!(state);
        }
        locations.push(entry);
    }
    let mut says = run.headline();
    if !left_out.is_empty() {
        says.push_str(&format!("; {} steps in the middle are left out", left_out.len()));
    }
    json!({ "message": { "text": says }, "threadFlows": [{ "locations": locations }] })
}

/// With a capital and a full stop, as code scanning shows it.
fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut chars = text.chars();
    let begun = chars.next().map(|first| first.to_uppercase().chain(chars).collect::<String>());
    let begun = begun.unwrap_or_default();
    if begun.ends_with(['.', '!', '?']) || begun.is_empty() { begun } else { format!("{begun}.") }
}
