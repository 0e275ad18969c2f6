//! Proof files: an invariant with the texts of what it is about, to be checked with no other file at hand.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::trace::stems;
use crate::check::proof::Proof;
use crate::check::verdict::Report;
use crate::policy::load::MemberTexts;
use crate::source::versioned;

/// The version of [`ProofFile`] that this build writes and reads.
pub const PROOF_VERSION: u32 = 1;

/// A proof with the texts it was found in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProofFile {
    /// Version of this format.
    pub version: u32,
    /// Version of idemcheck that found it.
    pub tool: String,
    /// Where the policy stood, as the user named it. It need not be there any more.
    pub policy_path: String,
    pub policy_text: String,
    pub model_text: String,
    /// Of a system: what its members were read from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberTexts>,
    pub proof: Proof,
}

impl ProofFile {
    /// Reads a file that [`ProofFile::to_json`] wrote.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn from_json(text: &str) -> Result<ProofFile, String> {
        versioned::read(text, PROOF_VERSION, "a proof file")
    }

    /// A line for each piece of the invariant, so that a reader finds them and a diff shows them.
    pub fn to_json(&self) -> String {
        let mut bare = self.clone();
        let pieces = std::mem::take(&mut bare.proof.pieces);
        let text = serde_json::to_string_pretty(&bare).unwrap_or_default();
        let lines: Vec<String> = pieces
            .iter()
            .map(|piece| format!("      {}", serde_json::to_string(piece).unwrap_or_default()))
            .collect();
        let list = format!("\"pieces\": [\n{}\n    ]", lines.join(",\n"));
        // The last of the file: nothing that was read stands behind it.
        let (before, after) = text.rsplit_once("\"pieces\": []").unwrap_or((&text, ""));
        format!("{before}{list}{after}\n")
    }
}

/// `POLICY.proof.json` for the proofs of every policy that has some, `POLICY.proof-2.json` for a second one:
/// by index of the policy and of its proof.
pub fn file_names(report: &Report) -> BTreeMap<(usize, usize), String> {
    let mut names = BTreeMap::new();
    for (index, (result, stem)) in report.policies.iter().zip(stems(report)).enumerate() {
        for number in 0..result.proofs.len() {
            let which = if number == 0 { String::new() } else { format!("-{}", number + 1) };
            names.insert((index, number), format!("{stem}.proof{which}.json"));
        }
    }
    names
}
