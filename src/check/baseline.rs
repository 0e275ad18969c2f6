//! A baseline: the violations that there were when a tool came to old policies, by what happens in them.
//!
//! A violation is known by policy, property and the steps of its shortest run without their moments, so that
//! lines, comments and small changes of time do not make it another one; another shortest run does, and so
//! does a number that got worse.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::property::Property;
use super::verdict::{Number, PolicyResult, PropertyResult, Report, Standing, Verdict};
use crate::source::versioned;

/// The version of [`Baseline`] that this build writes and reads.
pub const BASELINE_VERSION: u32 = 1;

/// A baseline file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Version of this format.
    pub version: u32,
    /// Version of idemcheck that wrote it.
    pub tool: String,
    /// In the order of policies and properties; each pair of both once.
    pub entries: Vec<Entry>,
}

/// A violation that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub policy: String,
    pub property: Property,
    /// [`PropertyResult::fingerprint`].
    pub counterexample: String,
    /// How bad it was. What is worse is not known.
    pub number: Option<Number>,
    /// For people: how many steps the run has, and the last of them. Not part of its identity.
    pub steps: usize,
    pub ends: String,
}

/// What a baseline came to in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineResult {
    /// As the user named it.
    pub path: String,
    /// Violations of this run that it knows.
    pub known: u64,
    /// Entries that no violation of this run is.
    pub stale: Vec<Stale>,
}

/// An entry that the baseline no longer needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stale {
    pub policy: String,
    pub property: Property,
    /// `it holds`, `another run breaks it`, `worse than the baseline: most effects 2 → 3`.
    pub why: String,
}

impl Baseline {
    /// All violations that nobody expects, and that no waiver covers or did cover: a date that is over is not
    /// to be made one without end.
    pub fn of(results: &[PolicyResult]) -> Baseline {
        let mut entries = BTreeMap::new();
        for (policy, found) in
            results.iter().flat_map(|policy| policy.properties.iter().map(move |p| (policy, p)))
        {
            let open = matches!(found.standing(), Standing::Unexpected | Standing::Baselined);
            if found.verdict != Verdict::Violated || !open || found.lapsed.is_some() {
                continue;
            }
            let run = found.counterexample.iter().flat_map(|run| &run.steps);
            let last = run.clone().last();
            let ends = last.map(|step| format!("{} {} {}", step.who, step.does, step.sees));
            let entry = Entry {
                policy: policy.policy.clone(),
                property: found.property,
                counterexample: found.fingerprint(&policy.policy),
                number: found.number.clone(),
                steps: run.count(),
                ends: ends.unwrap_or_default().trim_end().to_owned(),
            };
            entries.insert((policy.policy.clone(), found.property), entry);
        }
        let tool = env!("CARGO_PKG_VERSION").to_owned();
        Baseline { version: BASELINE_VERSION, tool, entries: entries.into_values().collect() }
    }

    /// Reads a file that [`Baseline::to_json`] wrote.
    ///
    /// # Errors
    /// Not such a file, of another version, or with two entries for one property of a policy.
    pub fn from_json(text: &str) -> Result<Baseline, String> {
        let baseline: Baseline = versioned::read(text, BASELINE_VERSION, "a baseline")?;
        let mut names = std::collections::BTreeSet::new();
        match baseline.entries.iter().find(|entry| !names.insert((&entry.policy, entry.property))) {
            Some(twice) => Err(format!("two entries for {} of {}", twice.property, twice.policy)),
            None => Ok(baseline),
        }
    }

    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Marks the violations that it knows. `elsewhere` says of a policy without a result that it was
    /// there, though not checked by this run.
    pub fn apply(
        &self,
        path: &str,
        results: &mut [PolicyResult],
        elsewhere: impl Fn(&str) -> bool,
    ) -> BaselineResult {
        let mut out = BaselineResult { path: path.to_owned(), known: 0, stale: Vec::new() };
        for entry in &self.entries {
            let result = results.iter_mut().find(|result| result.policy == entry.policy);
            let why = match result {
                Some(result) => match entry.mark(result) {
                    Ok(()) => {
                        out.known += 1;
                        continue;
                    }
                    Err(None) => continue,
                    Err(Some(why)) => why,
                },
                None if elsewhere(&entry.policy) => continue,
                None => "there is no such policy in this run".to_owned(),
            };
            let (policy, property) = (entry.policy.clone(), entry.property);
            out.stale.push(Stale { policy, property, why });
        }
        out.stale.sort_by(|a, b| (&a.policy, a.property).cmp(&(&b.policy, b.property)));
        out
    }
}

impl Entry {
    /// Marks what it knows. An error says why there is nothing; none: this run can't tell.
    fn mark(&self, result: &mut PolicyResult) -> Result<(), Option<String>> {
        let found = result.properties.iter_mut().find(|found| found.property == self.property).ok_or(None)?;
        let why = match found.verdict {
            Verdict::Inconclusive => return Err(None),
            Verdict::NotApplicable => "it does not apply",
            Verdict::Holds | Verdict::Proved => "it holds",
            Verdict::Violated if found.expected == Some(Verdict::Violated) => "it is expected to be violated",
            Verdict::Violated if found.waived.is_some() => "a waiver covers it",
            // What was accepted up to a day is not accepted without one after it.
            Verdict::Violated if found.lapsed.is_some() => "its waiver is over",
            Verdict::Violated if found.counterexample.is_none() => "no run shows it",
            Verdict::Violated if found.fingerprint(&self.policy) != self.counterexample => {
                "another run breaks it"
            }
            Verdict::Violated => match (&self.number, &found.number) {
                (Some(was), Some(is)) if is.is_worse_than(was) => {
                    let why = format!("worse than the baseline: {} {} → {}", is.name, was.value, is.value);
                    return Err(Some(why));
                }
                (None, Some(_)) => "the baseline does not say how bad it was",
                _ => {
                    found.baselined = true;
                    return Ok(());
                }
            },
        };
        Err(Some(why.to_owned()))
    }
}

impl PropertyResult {
    /// The same finding has it in every run: the policy, the property and what is done, without moments.
    pub fn fingerprint(&self, policy: &str) -> String {
        let mut parts = vec![policy, self.property.name(), self.verdict.name()];
        if let Some(run) = &self.counterexample {
            for step in &run.steps {
                parts.extend([step.who.as_str(), &step.does, &step.sees]);
            }
        }
        let round = self.counterexample.as_ref().and_then(|run| run.repeats_from);
        let round = round.map(|from| format!("repeats from {from}"));
        parts.extend(round.as_deref());
        crate::source::digest(&parts)
    }
}

impl Report {
    /// The report, with what a baseline knows marked as such: see [`Baseline::apply`].
    pub fn against(mut self, baseline: &Baseline, path: &str, elsewhere: impl Fn(&str) -> bool) -> Report {
        let result = baseline.apply(path, &mut self.policies, elsewhere);
        Report { baseline: Some(result), ..self }.counted_again()
    }
}

/// The JSON Schema of a baseline file.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Baseline)
}
