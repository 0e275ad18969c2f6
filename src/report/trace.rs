//! Counterexample files: everything it takes to run one again, with no other file at hand.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::property::Property;
use crate::check::verdict::{Counterexample, PolicyResult, Report};
use crate::policy::load::MemberTexts;
use crate::source::versioned;

/// The version of [`TraceFile`] that this build writes and reads.
pub const TRACE_VERSION: u32 = 1;

/// A counterexample with the texts it was found in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TraceFile {
    /// Version of this format.
    pub version: u32,
    /// Version of idemcheck that found it.
    pub tool: String,
    pub policy: String,
    /// Where the policy stood, as the user named it. It need not be there any more.
    pub policy_path: String,
    pub policy_text: String,
    pub model: String,
    pub model_text: String,
    /// Of a system: what its members were read from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberTexts>,
    pub property: Property,
    pub reason: String,
    pub counterexample: Counterexample,
}

impl TraceFile {
    /// One file per counterexample of a policy.
    pub fn of(
        result: &PolicyResult,
        policy_text: &str,
        model_text: &str,
        members: &[MemberTexts],
    ) -> Vec<TraceFile> {
        let file = |property: &crate::check::verdict::PropertyResult| {
            Some(TraceFile {
                version: TRACE_VERSION,
                tool: env!("CARGO_PKG_VERSION").to_owned(),
                policy: result.policy.clone(),
                policy_path: result.path.clone(),
                policy_text: policy_text.to_owned(),
                model: result.model.clone(),
                model_text: model_text.to_owned(),
                members: members.to_vec(),
                property: property.property,
                reason: property.reason.clone(),
                counterexample: property.counterexample.clone()?,
            })
        };
        result.properties.iter().filter_map(file).collect()
    }

    /// Reads a file that [`TraceFile::to_json`] wrote.
    pub fn from_json(text: &str) -> Result<TraceFile, String> {
        let file: TraceFile = versioned::read(text, TRACE_VERSION, "a counterexample file")?;
        let Counterexample { steps, repeats_from, .. } = &file.counterexample;
        if repeats_from.is_some_and(|from| from >= steps.len()) {
            return Err("repeats_from points behind the last step".to_owned());
        }
        Ok(file)
    }

    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// A name for the files of each policy of a report, in its order; each once, even if two files name their
/// policies alike.
pub fn stems(report: &Report) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let stem = |result: &PolicyResult| {
        // A policy's name comes from a file: it must not lead out of the folder.
        let safe = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
        let stem: String = result.policy.chars().map(safe).collect();
        let mut unique = stem.clone();
        for number in 2.. {
            if taken.insert(unique.to_lowercase()) {
                break;
            }
            unique = format!("{stem}-{number}");
        }
        unique
    };
    report.policies.iter().map(stem).collect()
}

/// `POLICY.PROPERTY.json` for every counterexample of a report, by index of the policy.
pub fn file_names(report: &Report) -> BTreeMap<(usize, Property), String> {
    let mut names = BTreeMap::new();
    for (index, (result, stem)) in report.policies.iter().zip(stems(report)).enumerate() {
        for property in result.properties.iter().filter(|property| property.counterexample.is_some()) {
            names.insert((index, property.property), format!("{stem}.{}.json", property.property));
        }
    }
    names
}
