//! Where results come from: the lines that formats for machines point at.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use toml::de::{DeTable, DeValue};

use crate::check::property::Property;
use crate::diag::Diagnostic;
use crate::model::shipped;
use crate::policy::load::{Loaded, LoadedPolicy};
use crate::source::{Position, SourceFile, Span};

/// What may stand in a relative reference as it is; a colon in its first part would make it a scheme.
const URI: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A place in a file, as people count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Relative to the root where it is below it; with slashes everywhere.
    pub path: String,
    /// The end is exclusive. None: the file as a whole.
    pub region: Option<(Position, Position)>,
}

impl Place {
    /// The path as a URI reference.
    pub fn uri(&self) -> String {
        let encoded = utf8_percent_encode(&self.path, URI);
        if self.path.starts_with('/') { format!("file://{encoded}") } else { encoded.to_string() }
    }

    /// The line, or the first one of the file.
    pub fn line(&self) -> usize {
        self.region.map_or(1, |(start, _)| start.line)
    }
}

/// The files behind a report.
pub struct Origins<'a> {
    loaded: &'a Loaded,
    root: PathBuf,
    by_path: BTreeMap<String, &'a LoadedPolicy>,
}

impl<'a> Origins<'a> {
    /// `root` is what paths are relative to: the folder that the tool was called in.
    pub fn new(loaded: &'a Loaded, root: &Path) -> Origins<'a> {
        let by_path =
            loaded.policies.iter().map(|source| (source.policy.path.display().to_string(), source)).collect();
        Origins { loaded, root: root.to_owned(), by_path }
    }

    /// What was read for a policy, by the path in its result.
    pub fn source(&self, path: &str) -> Option<&'a LoadedPolicy> {
        self.by_path.get(path).copied()
    }

    /// Everything that is wrong with the files.
    pub fn diagnostics(&self) -> &'a [Diagnostic] {
        &self.loaded.diagnostics
    }

    /// The line that names the policy.
    pub fn of_policy(&self, path: &str) -> Place {
        self.of_key(path, &["policy"]).unwrap_or_else(|| self.file(path))
    }

    /// The line in which the policy says what it expects of a property, or the one that names the policy.
    pub fn of_property(&self, path: &str, property: Property) -> Place {
        self.of_key(path, &["expect", property.name()]).unwrap_or_else(|| self.of_policy(path))
    }

    /// The waiver that covers a property.
    pub fn of_waiver(&self, path: &str, property: Property) -> Option<Place> {
        let source = self.source(path)?;
        let waiver = source.policy.waivers.iter().find(|waiver| waiver.property == property)?;
        Some(self.place(self.loaded.files.get(source.policy_file), Some(waiver.span)))
    }

    /// The declaration that a margin is of, `downstream.latency (longest)`; of a member where that was read by
    /// itself, too; else the policy.
    pub fn of_declaration(&self, path: &str, member: Option<&str>, name: &str) -> Place {
        let keys: Vec<&str> = name.split(" (").next().unwrap_or(name).split('.').collect();
        let of_member = |name: &str| {
            let source = self.loaded.policies.iter().find(|source| source.policy.name == name)?;
            self.of_key(&source.policy.path.display().to_string(), &keys)
        };
        let found = member.map_or_else(|| self.of_key(path, &keys), of_member);
        found.unwrap_or_else(|| self.of_policy(path))
    }

    /// The first declaration that an inequality names, `store.lease` or `guard NAME`, or the policy.
    pub fn of_lint(&self, path: &str, says: &str) -> Place {
        let words: Vec<&str> =
            says.split_whitespace().map(|word| word.trim_matches([',', ':', '(', ')'])).collect();
        let declared = words.iter().filter_map(|word| {
            let (table, key) = word.split_once('.')?;
            self.of_key(path, &[table, key])
        });
        let guard = || {
            let named = words.windows(2).filter(|pair| pair[0] == "guard");
            named.filter_map(|pair| self.of_key(path, &["guards", pair[1]])).next()
        };
        declared.into_iter().next().or_else(guard).unwrap_or_else(|| self.of_policy(path))
    }

    /// The state that a step of a run is in; of a model that is part of the tool, the line that names it.
    pub fn of_step(&self, path: &str, does: &str) -> Place {
        let in_model = || {
            let source = self.source(path)?;
            let (state, _) = does.split_once(": ")?;
            let state = source.protocol.states.iter().find(|known| known.name == state)?;
            let file = self.loaded.files.get(source.model_file);
            let part_of_the_tool = shipped::shipped()
                .iter()
                .any(|(path, text)| Path::new(path) == file.path && *text == file.text);
            (!part_of_the_tool).then(|| self.place(file, Some(state.span)))
        };
        in_model().or_else(|| self.of_key(path, &["model"])).unwrap_or_else(|| self.of_policy(path))
    }

    /// Where a diagnostic points.
    pub fn of_diagnostic(&self, diagnostic: &Diagnostic) -> Place {
        self.place(self.loaded.files.get(diagnostic.file), diagnostic.span)
    }

    fn file(&self, path: &str) -> Place {
        Place { path: relative(Path::new(path), &self.root), region: None }
    }

    /// A key of a policy file with its value.
    fn of_key(&self, path: &str, keys: &[&str]) -> Option<Place> {
        let file = self.loaded.files.get(self.source(path)?.policy_file);
        let (document, _) = DeTable::parse_recoverable(&file.text);
        let span = key_span(document.get_ref(), keys)?;
        Some(self.place(file, Some(span)))
    }

    fn place(&self, file: &SourceFile, span: Option<Span>) -> Place {
        let region = span.map(|span| (file.position(span.start), file.position(span.end)));
        Place { path: relative(&file.path, &self.root), region }
    }
}

/// From the key to the end of its value; of a table with a header of its own, the header's key.
fn key_span(table: &DeTable<'_>, keys: &[&str]) -> Option<Span> {
    let (first, rest) = keys.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    let (start, end) = (key.span(), value.span());
    match (rest, value.get_ref()) {
        ([], DeValue::Table(_)) => Some(start.into()),
        ([], _) => Some(Span { start: start.start, end: end.end.max(start.end) }),
        (rest, DeValue::Table(inner)) => key_span(inner, rest),
        _ => None,
    }
}

/// With slashes, without `.` and without detours; absolute only where it is not below the root.
fn relative(path: &Path, root: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    let inside = path.strip_prefix(root).unwrap_or(path);
    for component in inside.components() {
        match component {
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            Component::ParentDir if parts.last().is_some_and(|last| last != "..") => {
                parts.pop();
            }
            other => parts.push(other.as_os_str().to_string_lossy().into_owned()),
        }
    }
    let absolute = if inside.is_absolute() { "/" } else { "" };
    format!("{absolute}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_root() {
        let of = |path: &str| relative(Path::new(path), Path::new("/repo"));
        assert_eq!(of("./policies/../policies/a.toml"), "policies/a.toml");
        assert_eq!(of("/repo/policies/a.toml"), "policies/a.toml");
        assert_eq!(of("/elsewhere/a.toml"), "/elsewhere/a.toml");
        assert_eq!(of("../a.toml"), "../a.toml");
    }

    #[test]
    fn paths_are_encoded_for_uris() {
        let uri = |path: &str| Place { path: path.to_owned(), region: None }.uri();
        assert_eq!(uri("policies/a b%:c.toml"), "policies/a%20b%25%3Ac.toml");
        assert_eq!(uri("/x/ä.toml"), "file:///x/%C3%A4.toml");
    }

    #[test]
    fn keys_are_found_where_they_stand() {
        let text = "policy = \"a\"\n[store]\nlease = \"12s\"\n[guards.slow]\nspan = \"1s\"\n";
        let (document, _) = DeTable::parse_recoverable(text);
        let at = |keys: &[&str]| key_span(document.get_ref(), keys).map(|span| &text[span.start..span.end]);
        assert_eq!(at(&["policy"]), Some("policy = \"a\""));
        assert_eq!(at(&["store", "lease"]), Some("lease = \"12s\""));
        assert_eq!(at(&["guards", "slow"]), Some("slow"));
        assert_eq!(at(&["store", "ttl"]), None);
    }
}
