//! TO BE DELETED: stands in for rooms that are built elsewhere, so that the command line compiles.
//! Each item carries the path from which it is expected once those rooms are there.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// Expected as `policy::LoadedPolicy`.
pub struct LoadedPolicy {
    pub policy: Policy,
    pub protocol: Arc<Protocol>,
}

/// Expected as `policy::Loaded`.
pub struct Loaded {
    pub policies: Vec<LoadedPolicy>,
    pub diagnostics: Vec<String>,
    pub selected: usize,
}

impl Loaded {
    pub fn failed(&self) -> bool {
        !self.diagnostics.is_empty()
    }

    pub fn texts(&self, _: &LoadedPolicy) -> (&str, &str) {
        ("", "")
    }
}

/// Expected as `policy::load`.
pub fn load(paths: &[PathBuf], _models: Option<&Path>) -> Loaded {
    let missing = paths.iter().filter(|path| !path.exists());
    let diagnostics = missing.map(|path| format!("error: {} names nothing", path.display())).collect();
    Loaded { policies: Vec::new(), diagnostics, selected: 0 }
}

/// Expected as `policy::load_texts`.
pub fn load_texts(_policy: (&Path, &str), _model: (&Path, &str)) -> Loaded {
    Loaded { policies: Vec::new(), diagnostics: vec!["error: no reader yet".to_owned()], selected: 1 }
}

/// Expected as `diag::render_all(&loaded.diagnostics, &loaded.files, coloured)`.
pub fn render_all(diagnostics: &[String], _coloured: bool) -> String {
    diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n\n")).collect()
}

/// Expected as `policy::schema::policy_schema`.
pub fn policy_schema() -> serde_json::Value {
    serde_json::json!({ "type": "object" })
}

/// Expected as `model::schema::model_schema`.
pub fn model_schema() -> serde_json::Value {
    serde_json::json!({ "type": "object" })
}

/// Expected as `diag::Code`.
#[derive(Clone, Copy)]
pub enum Code {}

impl Code {
    pub const ALL: &[Code] = &[];

    pub fn id(self) -> &'static str {
        match self {}
    }

    pub fn name(self) -> &'static str {
        match self {}
    }

    pub fn description(self) -> &'static str {
        match self {}
    }

    pub fn explanation(self) -> &'static str {
        match self {}
    }
}
