//! From paths to policies that can be checked. Faults of the files go to stderr, all of them.

use std::path::{Path, PathBuf};

use idemcheck::check::shim::{self, LoadedPolicy};

/// What the paths gave.
pub struct Input {
    /// Policies without a fault, in the order of the paths.
    pub policies: Vec<LoadedPolicy>,
    /// Whether a file had an error: the run can't end well then.
    pub errors: bool,
    /// How many policy files the paths name, the faulty ones included.
    pub selected: usize,
}

/// Reads policies and their models, and prints what is wrong with them.
pub fn read(paths: &[PathBuf], models: Option<&Path>) -> anyhow::Result<Input> {
    let loaded = shim::load(paths, models)?;
    for diagnostic in &loaded.diagnostics {
        anstream::eprintln!("{diagnostic}");
    }
    Ok(Input { policies: loaded.policies, errors: loaded.errors, selected: loaded.selected })
}

/// The same from texts, for a counterexample file that brings its own.
pub fn read_texts(path: &Path, policy_text: &str, model_text: &str) -> anyhow::Result<LoadedPolicy> {
    shim::load_texts(path, policy_text, model_text)
}
