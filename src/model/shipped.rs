//! The models that ship with the tool.

use include_dir::{Dir, include_dir};

static MODELS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/models");

/// Path and text of every shipped model, sorted; the path begins with `models/`.
pub fn shipped() -> Vec<(String, &'static str)> {
    let files = MODELS.files().filter(|file| file.path().extension().is_some_and(|end| end == "toml"));
    let mut all: Vec<_> = files
        .filter_map(|file| Some((format!("models/{}", file.path().display()), file.contents_utf8()?)))
        .collect();
    all.sort();
    all
}
