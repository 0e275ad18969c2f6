//! TO BE DELETED: stands in for rooms that are built elsewhere, so that the command line compiles.
//! Each item carries the path from which it is expected once those rooms are there.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::VerifyOptions;
use super::verdict::{Counterexample, PolicyResult, Step};
use crate::model::Protocol;
use crate::policy::Policy;

const ABSENT: &str = "this build has no search yet";

/// Expected from `check`.
#[derive(Debug)]
pub struct CheckError(pub String);

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CheckError {}

/// Expected from `check`.
#[derive(Debug)]
pub struct ReplayError(pub String);

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReplayError {}

/// Expected from `check`.
pub fn verify(_: &Policy, _: &Protocol, _: &VerifyOptions) -> Result<PolicyResult, CheckError> {
    Err(CheckError(ABSENT.to_owned()))
}

/// Expected from `check`.
pub fn replay(_: &Policy, _: &Protocol, _: &Counterexample) -> Result<Vec<Step>, ReplayError> {
    Err(ReplayError(ABSENT.to_owned()))
}

/// Expected from `check`.
pub fn explore(_: &Policy, _: &Protocol, _: SocketAddr) -> anyhow::Result<()> {
    anyhow::bail!(ABSENT)
}

/// Expected from the room that reads files: one policy that passed every check.
pub struct LoadedPolicy {
    pub policy: Policy,
    pub protocol: Protocol,
    pub policy_text: String,
    pub model_text: String,
}

/// Expected from the room that reads files.
pub struct Loaded {
    pub policies: Vec<LoadedPolicy>,
    /// Drawn, ready to print.
    pub diagnostics: Vec<String>,
    /// Whether one of the diagnostics is an error.
    pub errors: bool,
    /// How many policy files the paths name.
    pub selected: usize,
}

/// Expected from the room that reads files.
pub fn load(paths: &[PathBuf], _models: Option<&Path>) -> anyhow::Result<Loaded> {
    use anyhow::Context as _;
    for path in paths {
        std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(Loaded { policies: Vec::new(), diagnostics: Vec::new(), errors: false, selected: 0 })
}

/// Expected from the room that reads files: the same from texts in memory, for `replay`.
pub fn load_texts(_path: &Path, _policy: &str, _model: &str) -> anyhow::Result<LoadedPolicy> {
    anyhow::bail!("this build cannot read policies yet")
}

/// Expected from `policy`.
pub fn policy_schema() -> schemars::Schema {
    schemars::json_schema!({ "type": "object" })
}

/// Expected from `model`.
pub fn model_schema() -> schemars::Schema {
    schemars::json_schema!({ "type": "object" })
}

/// Expected from `diag`: every diagnostic code with its explanation.
pub fn diagnostic_codes() -> Vec<(&'static str, &'static str)> {
    Vec::new()
}
