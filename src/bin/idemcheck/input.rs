//! From paths to policies that can be checked. Faults of the files go to stderr, all of them.

use std::path::{Path, PathBuf};

use idemcheck::check::shim::{self, Loaded};

/// Reads policies and their models, and prints what is wrong with them.
pub fn read(paths: &[PathBuf], models: Option<&Path>) -> Loaded {
    complained(shim::load(paths, models))
}

/// The same from texts, each with the path it had: for a counterexample file that brings its own.
pub fn read_texts(policy: (&Path, &str), model: (&Path, &str)) -> Loaded {
    complained(shim::load_texts(policy, model))
}

fn complained(loaded: Loaded) -> Loaded {
    // anstream takes the colours out where they are not wanted.
    anstream::eprint!("{}", shim::render_all(&loaded.diagnostics, true));
    loaded
}
