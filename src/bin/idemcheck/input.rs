//! From paths to policies that can be checked. Faults of the files go to stderr, all of them.

use std::path::{Path, PathBuf};

use anyhow::bail;
use idemcheck::diag;
use idemcheck::policy::load::{self, Loaded, LoadedPolicy};

/// Reads policies and their models, and prints what is wrong with them.
pub fn read(paths: &[PathBuf], models: Option<&Path>) -> Loaded {
    complained(load::load(paths, models))
}

/// The one policy that the path names; none where it can't be read, which has been said then.
///
/// # Errors
/// The path names several, or none.
pub fn one(command: &str, path: &Path, models: Option<&Path>) -> anyhow::Result<Option<LoadedPolicy>> {
    only(command, path, &mut read(&[path.to_owned()], models))
}

/// The same of what was read already.
///
/// # Errors
/// As [`one`].
pub fn only(command: &str, path: &Path, loaded: &mut Loaded) -> anyhow::Result<Option<LoadedPolicy>> {
    if loaded.failed() {
        return Ok(None);
    }
    let count = loaded.policies.len();
    match loaded.policies.pop() {
        Some(policy) if count == 1 => Ok(Some(policy)),
        _ => bail!("{command} needs exactly one policy, and {} names {count}", path.display()),
    }
}

/// The same from texts, each with the path it had: for a counterexample file that brings its own.
pub fn read_texts(policy: (&Path, &str), model: (&Path, &str), members: &[(&Path, &str, &str)]) -> Loaded {
    complained(load::load_texts_with(policy, model, members))
}

fn complained(loaded: Loaded) -> Loaded {
    // anstream takes the colours out where they are not wanted.
    anstream::eprint!("{}", diag::render_all(&loaded.diagnostics, &loaded.files, true));
    loaded
}
