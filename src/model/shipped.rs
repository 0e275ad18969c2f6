//! The models that ship with the tool.

use include_dir::{Dir, include_dir};
use serde::Serialize;

use super::operation::{Operation, WaitFor};
use super::read;
use crate::source::FileId;

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

/// A shipped model, for people who look for one.
#[derive(Clone, Debug, Serialize)]
pub struct Shipped {
    pub name: String,
    pub title: String,
    /// What it does, and where it goes wrong.
    pub about: String,
    pub used: String,
    pub choices: Vec<ShippedChoice>,
    /// Waits that a policy may have to set.
    pub waits: Vec<String>,
    /// The operations of its states, each once, in the order of the file.
    pub operations: Vec<&'static str>,
    pub roles: Vec<String>,
    /// The file.
    pub text: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub struct ShippedChoice {
    pub name: String,
    pub options: Vec<String>,
}

/// Every shipped model.
pub fn all() -> Vec<Shipped> {
    // A test reads every one of them: none is left out here.
    shipped().into_iter().filter_map(|(_, text)| describe(text)).collect()
}

fn describe(text: &'static str) -> Option<Shipped> {
    let protocol = read::read(FileId(0), text).0?;
    let comment =
        text.lines().skip_while(|line| line.starts_with("#:")).map_while(|line| line.strip_prefix('#'));
    let comment = comment.map(str::trim).collect::<Vec<_>>().join(" ");
    let (about, used) = comment.split_once("Where it is used: ").unwrap_or((&comment, ""));
    let (mut waits, mut operations) = (Vec::new(), Vec::new());
    for state in &protocol.states {
        if let Operation::Wait(WaitFor::Named(name)) = &state.operation {
            waits.push(name.clone());
        }
        operations.push(state.operation.name());
    }
    let mut seen = std::collections::HashSet::new();
    operations.retain(|name| seen.insert(*name));
    let choice = |choice: &super::Choice| ShippedChoice {
        name: choice.name.clone(),
        options: choice.options.iter().map(|(name, _)| name.clone()).collect(),
    };
    Some(Shipped {
        about: about.trim().to_owned(),
        used: used.to_owned(),
        choices: protocol.choices.iter().map(choice).collect(),
        waits,
        operations,
        roles: protocol.roles.iter().map(|role| role.name.clone()).collect(),
        name: protocol.name,
        title: protocol.title,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_says_what_it_is_and_where_it_is_used() {
        assert_eq!(all().len(), shipped().len());
        for model in all() {
            assert!(!model.about.is_empty() && !model.used.is_empty(), "{}", model.name);
            assert!(!model.used.contains("Where it is used"), "{}", model.name);
        }
    }
}
