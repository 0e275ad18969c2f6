//! Names the build by what decides its results, so that no result of another build is taken for its own.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

/// The rooms between a file and a verdict, what ships, and the versions of what they use. The rest only
/// shows results, and may change without making them others.
const DECIDES: [&str; 12] = [
    "src/source",
    "src/model",
    "src/policy",
    "src/lints",
    "src/guard",
    "src/system",
    "src/time",
    "src/check",
    "models",
    "presets",
    "Cargo.lock",
    "build.rs",
];

fn main() {
    let mut files = BTreeMap::new();
    for path in DECIDES {
        println!("cargo:rerun-if-changed={path}");
        collect(Path::new(path), &mut files);
    }
    let mut hash = DefaultHasher::new();
    for (path, bytes) in files {
        path.hash(&mut hash);
        bytes.hash(&mut hash);
    }
    std::env::var("CARGO_PKG_VERSION").unwrap_or_default().hash(&mut hash);
    println!("cargo:rustc-env=IDEMCHECK_BUILD={:016x}", hash.finish());
}

fn collect(path: &Path, out: &mut BTreeMap<PathBuf, Vec<u8>>) {
    if let Ok(entries) = fs::read_dir(path) {
        entries.flatten().for_each(|entry| collect(&entry.path(), out));
    } else if let Ok(bytes) = fs::read(path) {
        out.insert(path.to_owned(), bytes);
    }
}
