//! From the paths on the command line to policies with their models, or everything that is wrong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use super::draft::Draft;
use super::{Policy, check, presets, read};
use crate::diag::{Code, Diagnostic, Severity, any_error};
use crate::model::{self, Protocol};
use crate::source::suggest::{closest, list, short};
use crate::source::walk::{self, WalkFault, walk};
use crate::source::{FileId, Files, SourceFile, document, nesting, open::open};

/// Everything that was read.
#[derive(Debug, Default)]
pub struct Loaded {
    pub files: Files,
    /// Those without errors, in the order of their files.
    pub policies: Vec<LoadedPolicy>,
    /// Sorted by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// Policy files that were found, sound or not. Zero means that nothing was selected.
    pub selected: usize,
}

/// A policy, the model it names, and the files of both.
#[derive(Clone, Debug)]
pub struct LoadedPolicy {
    pub policy: Policy,
    pub protocol: Arc<Protocol>,
    pub policy_file: FileId,
    pub model_file: FileId,
}

impl Loaded {
    /// Whether something keeps the run from being done.
    pub fn failed(&self) -> bool {
        any_error(&self.diagnostics)
    }

    /// The texts that were read for a policy: its own and its model's.
    pub fn texts(&self, policy: &LoadedPolicy) -> (&str, &str) {
        (self.files.text(policy.policy_file), self.files.text(policy.model_file))
    }
}

/// Reads every policy below `paths`. Models come from the shipped ones, from `models_dir`, from the
/// paths themselves, and from paths in policies; later ones replace shipped ones of the same name.
pub fn load(paths: &[PathBuf], models_dir: Option<&Path>) -> Loaded {
    let mut loader = Loader::default();
    if let Some(folder) = models_dir {
        for path in loader.walked(&[folder.to_owned()]) {
            let Some(file) = loader.open(&path) else { continue };
            match what_is(loader.loaded.files.text(file)) {
                Sort::Model => loader.add_model(file),
                // Models may live beside the policies that use them.
                Sort::Policy => {}
                Sort::Neither => loader.refuse(file),
            }
        }
    }
    let mut policies = Vec::new();
    for path in loader.walked(paths) {
        let Some(file) = loader.open(&path) else { continue };
        match what_is(loader.loaded.files.text(file)) {
            Sort::Policy => policies.push(file),
            Sort::Model => loader.add_model(file),
            Sort::Neither => loader.refuse(file),
        }
    }
    loader.loaded.selected = policies.len();
    for file in policies {
        loader.policy(file, None);
    }
    loader.finish()
}

/// Reads a policy and its model from texts, whatever the policy calls its model: a counterexample
/// file carries both.
pub fn load_texts(policy: (&Path, &str), model: (&Path, &str)) -> Loaded {
    let mut loader = Loader::default();
    let model_file = loader.loaded.files.add(SourceFile::new(model.0, model.1));
    let policy_file = loader.loaded.files.add(SourceFile::new(policy.0, policy.1));
    loader.loaded.selected = 1;
    let protocol = loader.read_model(model_file);
    loader.policy(policy_file, Some((model_file, protocol)));
    loader.finish()
}

/// Names of the shipped models, sorted. A shipped file is named for its model.
pub fn shipped_names() -> Vec<String> {
    let name = |path: &str| path.trim_start_matches("models/").trim_end_matches(".toml").to_owned();
    model::shipped::shipped().iter().map(|(path, _)| name(path)).collect()
}

enum Sort {
    Policy,
    Model,
    Neither,
}

/// By the keys at the top; a file that is no TOML at all is told so by the policy reader.
fn what_is(text: &str) -> Sort {
    if nesting::scan(text).is_err() {
        return Sort::Policy;
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    let has = |key: &str| document.get_ref().contains_key(key);
    let of_policy = ["policy", "operation", "key", "trigger", "store", "downstream", "choices", "expect"];
    if has("policy") {
        Sort::Policy
    } else if has("state") || has("start") || has("choice") {
        Sort::Model
    } else if of_policy.into_iter().any(has) || !errors.is_empty() {
        Sort::Policy
    } else {
        Sort::Neither
    }
}

/// A model by file, read at most once.
type Entry = (FileId, Option<Arc<Protocol>>);

#[derive(Default)]
struct Loader {
    loaded: Loaded,
    /// Files already open, by canonical path.
    opened: BTreeMap<PathBuf, Option<FileId>>,
    /// Models already read.
    read: BTreeMap<FileId, Option<Arc<Protocol>>>,
    /// Models by name, shipped ones only once they are used.
    models: BTreeMap<String, Entry>,
    /// Policies by name.
    names: BTreeMap<String, (FileId, crate::source::Span)>,
}

impl Loader {
    fn finish(mut self) -> Loaded {
        crate::diag::sort(&mut self.loaded.diagnostics);
        self.loaded.policies.sort_by_key(|policy| policy.policy_file);
        self.loaded
    }

    fn walked(&mut self, paths: &[PathBuf]) -> Vec<PathBuf> {
        let selection = walk(paths);
        for fault in selection.faults {
            let (path, code, message) = match fault {
                WalkFault::NotFound(path) => (path, Code::FileNotFound, "no such file or folder".to_owned()),
                WalkFault::Unreadable(path, error) => {
                    (path, Code::FileUnreadable, format!("can't be read: {error}"))
                }
                WalkFault::TooManyFiles(path) => {
                    let message = format!(
                        "more than {} files or {} entries; the rest was not read",
                        walk::FILES_MAX,
                        walk::ENTRIES_MAX
                    );
                    (path, Code::TooManyFiles, message)
                }
                WalkFault::TooDeep(path) => {
                    let message =
                        format!("folders more than {} deep are not entered", walk::FOLDER_DEPTH_MAX);
                    (path, Code::TooDeep, message)
                }
            };
            let file = self.loaded.files.add(SourceFile::new(path, ""));
            self.loaded.diagnostics.push(Diagnostic::new(code, file, message));
        }
        selection.files
    }

    /// The file, if it can be read; once however often it is named.
    fn open(&mut self, path: &Path) -> Option<FileId> {
        let identity = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Some(known) = self.opened.get(&identity) {
            return *known;
        }
        let (file, result) = open(path, &mut self.loaded.files);
        let file = match result {
            Ok(()) => Some(file),
            Err(diagnostic) => {
                self.loaded.diagnostics.push(diagnostic);
                None
            }
        };
        self.opened.insert(identity, file);
        file
    }

    fn refuse(&mut self, file: FileId) {
        self.loaded.diagnostics.push(
            Diagnostic::new(Code::NeitherPolicyNorModel, file, "neither a policy nor a model")
                .at(0..0, "no key `policy`, and no `[state.NAME]`")
                .help("a policy begins with")
                .paste("policy = \"charge-card\"\nmodel  = \"atomic-receipt\""),
        );
    }

    fn read_model(&mut self, file: FileId) -> Option<Arc<Protocol>> {
        if let Some(known) = self.read.get(&file) {
            return known.clone();
        }
        let (protocol, diagnostics) = model::read::read(file, self.loaded.files.text(file));
        self.loaded.diagnostics.extend(diagnostics);
        let protocol = protocol.map(Arc::new);
        self.read.insert(file, protocol.clone());
        protocol
    }

    fn add_model(&mut self, file: FileId) {
        let protocol = self.read_model(file);
        let name = match &protocol {
            Some(protocol) => protocol.name.clone(),
            // A broken model still answers to its name, so that policies are not told it is missing.
            None => match DeTable::parse_recoverable(self.safe_text(file)).0.get_ref().get("model") {
                Some(name) => name.get_ref().as_str().unwrap_or_default().to_owned(),
                None => return,
            },
        };
        if let Some((first, _)) = self.models.get(&name) {
            if *first == file {
                return;
            }
            let span = name_span(self.safe_text(file), "model");
            let other = name_span(self.safe_text(*first), "model");
            let message = format!("a second model `{}`", short(&name));
            self.loaded.diagnostics.push(
                Diagnostic::new(Code::ModelNameTaken, file, message)
                    .at(span, "again here")
                    .also_in(*first, other, "first here")
                    .help("give one of them another name"),
            );
            return;
        }
        self.models.insert(name, (file, protocol));
    }

    /// The text, unless it is too deep to be parsed.
    fn safe_text(&self, file: FileId) -> &str {
        let text = self.loaded.files.text(file);
        if nesting::scan(text).is_ok() { text } else { "" }
    }

    fn policy(&mut self, file: FileId, model: Option<Entry>) {
        let text = self.loaded.files.text(file).to_owned();
        let path = self.loaded.files.path(file).to_owned();
        let (draft, mut diagnostics) = read::read(file, &path, &text);
        let Some(draft) = draft else {
            self.loaded.diagnostics.extend(diagnostics);
            return;
        };
        let model = model.or_else(|| self.find_model(&draft, &mut diagnostics));
        let protocol = model.as_ref().and_then(|(_, protocol)| protocol.clone());
        let (policy, more) = check::check(&draft, protocol.as_deref());
        diagnostics.extend(more);
        presets::name_origins(&draft.kinds, &mut diagnostics);
        self.claim_name(&draft, &mut diagnostics);
        document::drop_echoes(&text, &mut diagnostics);
        let sound = !diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        self.loaded.diagnostics.extend(diagnostics);
        if let (Some(policy), Some((model_file, _)), Some(protocol), true) = (policy, model, protocol, sound)
        {
            self.loaded.policies.push(LoadedPolicy { policy, protocol, policy_file: file, model_file });
        }
    }

    fn claim_name(&mut self, draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
        let Some(name) = &draft.name else { return };
        match self.names.get(&name.value) {
            None => {
                self.names.insert(name.value.clone(), (draft.file, name.span));
            }
            Some((first, span)) => diagnostics.push(
                Diagnostic::new(
                    Code::PolicyNameTaken,
                    draft.file,
                    format!("a second policy `{}`", name.value),
                )
                .at(name.span, "again here")
                .also_in(*first, *span, "first here")
                .help("give one of them another name: reports and waivers go by it"),
            ),
        }
    }

    fn find_model(&mut self, draft: &Draft, diagnostics: &mut Vec<Diagnostic>) -> Option<Entry> {
        let name = draft.model.as_ref()?;
        let unknown =
            |message: String| Diagnostic::new(Code::ModelUnknown, draft.file, message).at(name.span, "");
        if name.value.ends_with(".toml") || name.value.contains('/') {
            let path = draft.path.parent().unwrap_or(Path::new("")).join(&name.value);
            if !path.exists() {
                let message = format!("there is no file `{}`", short(&name.value));
                diagnostics.push(unknown(message).help("the path is relative to the policy file"));
                return None;
            }
            let file = self.open(&path)?;
            return Some((file, self.read_model(file)));
        }
        if let Some(entry) = self.models.get(&name.value) {
            return Some(entry.clone());
        }
        let path = format!("models/{}.toml", name.value);
        if let Some((path, text)) = model::shipped::shipped().into_iter().find(|(known, _)| *known == path) {
            let file = self.loaded.files.add(SourceFile::new(path, text));
            let protocol = self.read_model(file);
            self.models.insert(name.value.clone(), (file, protocol.clone()));
            return Some((file, protocol));
        }
        let mut known = shipped_names();
        known.extend(self.models.keys().cloned());
        known.sort();
        known.dedup();
        let names = || known.iter().map(String::as_str);
        let diagnostic = unknown(format!("there is no model `{}`", short(&name.value)));
        diagnostics.push(match closest(&name.value, names()) {
            Some(meant) => diagnostic.help("did you mean").paste(format!("model = \"{meant}\"")),
            None => diagnostic.help(format!("the models are {}", list(names()))),
        });
        None
    }
}

/// Where the value of a top-level key stands.
fn name_span(text: &str, key: &str) -> std::ops::Range<usize> {
    let (document, _) = DeTable::parse_recoverable(text);
    document.get_ref().get(key).map_or(0..0, |value| value.span())
}
