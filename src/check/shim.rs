//! TO BE DELETED: stands in for rooms that are built elsewhere, so that the command line compiles.
//! Each item carries the path from which it is expected once those rooms are there.

use std::path::{Path, PathBuf};

use crate::model::Protocol;
use crate::policy::Policy;

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
