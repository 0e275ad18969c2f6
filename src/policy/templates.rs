//! Templates of policies: what `init` writes.

use include_dir::{Dir, include_dir};

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The template where none is named.
pub const DEFAULT: &str = "payment-charge";
/// The schema that the first line of a template names, beside the policy.
pub const SCHEMA_FILE: &str = "policy.schema.json";

/// A policy to begin with: it verifies as it is, and has every key that it could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// Also the name of its policy.
    pub name: &'static str,
    /// What its policy says of itself.
    pub summary: &'static str,
    pub model: &'static str,
    pub text: &'static str,
}

/// Every template, by name.
pub fn all() -> Vec<Template> {
    let files = TEMPLATES.files().filter(|file| file.path().extension().is_some_and(|end| end == "toml"));
    // A test reads every one of them: none is left out here.
    let mut all: Vec<Template> = files.filter_map(|file| describe(file.contents_utf8()?)).collect();
    all.sort_by_key(|template| template.name);
    all
}

fn describe(text: &'static str) -> Option<Template> {
    let value = |key: &str| {
        let line = text.lines().find(|line| line.split_once('=').is_some_and(|(name, _)| name.trim() == key));
        line?.split('"').nth(1)
    };
    Some(Template { name: value("policy")?, summary: value("summary")?, model: value("model")?, text })
}

impl Template {
    /// Its text for a policy of another name.
    pub fn named(&self, name: &str) -> String {
        let (line, new) = (format!("policy  = \"{}\"", self.name), format!("policy  = \"{name}\""));
        self.text.replacen(&line, &new, 1)
    }
}
