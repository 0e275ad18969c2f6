//! From the paths on the command line to policies with their models, or everything that is wrong.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::de::DeTable;

use super::composed::SystemDraft;
use super::draft::Draft;
use super::{Policy, check, composed, presets, read};
use crate::diag::{Code, Diagnostic, Severity, any_error};
use crate::model::{self, Protocol};
use crate::source::canonical::{canonical_of, said};
use crate::source::suggest::{closest, list, short};
use crate::source::walk::{self, WalkFault, walk};
use crate::source::{FileId, Files, Located, SourceFile, document, nesting, open::open};
use crate::threads::on_threads;

/// Keys at the top of a policy that make no difference to what is found.
pub const WEIGHED: [&str; 6] = ["summary", "expect", "waiver", "silence", "load", "simulate"];

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
    /// Names of models among the paths and in the folder of models.
    pub own_models: BTreeSet<String>,
    /// What policies say, in its canonical form, but for [`WEIGHED`]: as far as it was made out.
    said: BTreeMap<FileId, String>,
}

/// A policy, the model it names, and the files of both.
#[derive(Clone, Debug)]
pub struct LoadedPolicy {
    pub policy: Policy,
    pub protocol: Arc<Protocol>,
    pub policy_file: FileId,
    pub model_file: FileId,
    /// Of a system: the files of each member and of its model.
    pub member_files: Vec<(FileId, FileId)>,
}

/// What a member of a system was read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberTexts {
    pub path: String,
    pub policy_text: String,
    pub model_text: String,
}

impl Loaded {
    /// What a policy's file says, in its canonical form, but for [`WEIGHED`]; its text, if that is no TOML.
    pub fn said(&self, policy_file: FileId) -> Cow<'_, str> {
        let text = self.files.text(policy_file);
        match self.said.get(&policy_file) {
            Some(said) => said.into(),
            None => said(text, &WEIGHED),
        }
    }

    /// Whether something keeps the run from being done.
    pub fn failed(&self) -> bool {
        any_error(&self.diagnostics)
    }

    /// What keeps the run from being done, each in one line with its file.
    pub fn faults(&self) -> Vec<String> {
        let errors = self.diagnostics.iter().filter(|one| one.severity == Severity::Error);
        errors.map(|one| format!("{}: {}", self.files.path(one.file).display(), one.message)).collect()
    }

    /// Calls files by other names: those for which there is one.
    pub fn call_paths(&mut self, name: impl Fn(&Path) -> Option<PathBuf>) {
        let policies = self.policies.iter_mut().map(|source| &mut source.policy.path);
        for path in self.files.paths_mut().chain(policies) {
            if let Some(other) = name(path) {
                *path = other;
            }
        }
    }

    /// The texts that were read for a policy: its own and its model's.
    pub fn texts(&self, policy: &LoadedPolicy) -> (&str, &str) {
        (self.files.text(policy.policy_file), self.files.text(policy.model_file))
    }

    /// Of a system: the path and the text of each member, and the text of its model.
    pub fn member_texts(&self, policy: &LoadedPolicy) -> Vec<MemberTexts> {
        let texts = |(policy, model): &(FileId, FileId)| MemberTexts {
            path: self.files.path(*policy).display().to_string(),
            policy_text: self.files.text(*policy).to_owned(),
            model_text: self.files.text(*model).to_owned(),
        };
        policy.member_files.iter().map(texts).collect()
    }
}

/// Reads every policy below `paths`. Models come from the shipped ones, from `models_dir`, from the
/// paths themselves, from the folder `models` beside a policy, and from paths in policies; later ones replace shipped ones of the same name.
pub fn load(paths: &[PathBuf], models_dir: Option<&Path>) -> Loaded {
    let mut loader = Loader::default();
    if let Some(folder) = models_dir {
        for path in loader.walked(&[folder.to_owned()]) {
            let Some(file) = loader.open(&path) else { continue };
            match loader.parsed(file).0 {
                Sort::Model => loader.add_model(file),
                // Models may live beside the policies that use them.
                Sort::Policy | Sort::System => {}
                Sort::Neither => loader.refuse(file),
            }
        }
    }
    let walked = loader.walked(paths);
    let opened: Vec<FileId> = walked.iter().filter_map(|path| loader.open(path)).collect();
    let (mut policies, mut systems) = (Vec::new(), Vec::new());
    for (file, (sort, read)) in opened.iter().copied().zip(loader.sorted(&opened)) {
        if let Some(Read { draft, said }) = read {
            loader.drafts.insert(file, draft);
            loader.loaded.said.extend(said.map(|said| (file, said)));
        }
        match sort {
            Sort::System => systems.push(file),
            Sort::Policy => policies.push(file),
            Sort::Model => loader.add_model(file),
            Sort::Neither => loader.refuse(file),
        }
    }
    loader.loaded.selected = policies.len() + systems.len();
    for file in policies {
        loader.policy(file, None);
    }
    for file in systems {
        loader.system(file);
    }
    loader.loaded.diagnostics.extend(composed::shared_targets(&loader.loaded.policies));
    loader.finish()
}

/// Reads a policy and its model from texts, whatever the policy calls its model: a counterexample
/// file carries both.
pub fn load_texts(policy: (&Path, &str), model: (&Path, &str)) -> Loaded {
    load_texts_with(policy, model, &[])
}

/// The same with a model that was read before.
pub fn load_with(policy: (&Path, &str), protocol: &Arc<Protocol>) -> Loaded {
    let mut loader = Loader::default();
    let model_file = loader.loaded.files.add(SourceFile::new("model.toml", ""));
    let policy_file = loader.loaded.files.add(SourceFile::new(policy.0, policy.1));
    loader.loaded.selected = 1;
    loader.policy(policy_file, Some((model_file, Some(protocol.clone()))));
    loader.finish()
}

/// The same for a system: with the texts of its members and of their models, in its order.
pub fn load_texts_with(
    policy: (&Path, &str),
    model: (&Path, &str),
    members: &[(&Path, &str, &str)],
) -> Loaded {
    let mut loader = Loader::default();
    for (path, policy, model) in members {
        let model_file = loader.loaded.files.add(SourceFile::new("model.toml", *model));
        let file = loader.loaded.files.add(SourceFile::new(path, *policy));
        let protocol = loader.read_model(model_file);
        let member = loader.read_policy(file, Some((model_file, protocol)), false);
        loader.given.extend(member);
    }
    let model_file = loader.loaded.files.add(SourceFile::new(model.0, model.1));
    let policy_file = loader.loaded.files.add(SourceFile::new(policy.0, policy.1));
    loader.loaded.selected = 1;
    if !members.is_empty() {
        loader.system(policy_file);
        return loader.finish();
    }
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
    System,
    Model,
    Neither,
}

/// By the keys at the top; a file that is no TOML at all is told so by the policy reader.
fn what_is(document: Option<&DeTable<'_>>, is_faulty: bool) -> Sort {
    let Some(document) = document else { return Sort::Policy };
    let has = |key: &str| document.contains_key(key);
    let of_policy = ["policy", "operation", "key", "trigger", "store", "downstream", "choices", "expect"];
    if has("system") {
        Sort::System
    } else if has("policy") {
        Sort::Policy
    } else if has("state") || has("start") || has("choice") {
        Sort::Model
    } else if of_policy.into_iter().any(has) || is_faulty {
        Sort::Policy
    } else {
        Sort::Neither
    }
}

/// What there is to a policy without its model, and what is wrong with it.
type Drafted = (Option<Draft>, Vec<Diagnostic>);

/// What was made out of a policy's file.
struct Read {
    draft: Drafted,
    /// See [`Loaded::said`].
    said: Option<String>,
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
    /// What was read of policies whose turn comes.
    drafts: BTreeMap<FileId, Drafted>,
    /// Members of a system that come as texts, in its order.
    given: Vec<LoadedPolicy>,
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

    /// What each of these files is, and what policies say: parsed once.
    fn sorted(&self, files: &[FileId]) -> Vec<(Sort, Option<Read>)> {
        let jobs = std::thread::available_parallelism().map_or(1, NonZero::get);
        on_threads(jobs, files.len(), |index| {
            let file = files[index];
            let (sort, document, faults) = self.parsed(file);
            if !matches!(sort, Sort::Policy) {
                return (sort, None);
            }
            let Some(document) = document else {
                return (sort, Some(Read { draft: (None, faults), said: None }));
            };
            let said = faults.is_empty().then(|| canonical_of(&document, &WEIGHED));
            let path = self.loaded.files.path(file);
            (sort, Some(Read { draft: read::read_document(file, path, &document, faults), said }))
        })
    }

    /// What a file is, with its document, where it has one, and what is wrong with that.
    fn parsed(&self, file: FileId) -> (Sort, Option<DeTable<'_>>, Vec<Diagnostic>) {
        let mut faults = Vec::new();
        let document = document::parse(file, self.loaded.files.text(file), &mut faults);
        (what_is(document.as_ref(), !faults.is_empty()), document, faults)
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
        self.loaded.own_models.insert(name.clone());
        self.models.insert(name, (file, protocol));
    }

    /// The model in the folder `models` beside the policy, where the policy was named and its folder was not.
    fn beside(&mut self, policy: &Path, name: &str) -> Option<Entry> {
        let path = policy.parent()?.join("models").join(format!("{name}.toml"));
        if !path.is_file() {
            return None;
        }
        let file = self.open(&path)?;
        if !matches!(self.parsed(file).0, Sort::Model) {
            return None;
        }
        let protocol = self.read_model(file);
        let called = protocol.as_ref().is_none_or(|protocol| protocol.name == name);
        called.then_some((file, protocol))
    }

    /// The text, unless it is too deep to be parsed.
    fn safe_text(&self, file: FileId) -> &str {
        let text = self.loaded.files.text(file);
        if nesting::scan(text).is_ok() { text } else { "" }
    }

    fn policy(&mut self, file: FileId, model: Option<Entry>) {
        let policy = self.read_policy(file, model, true);
        self.loaded.policies.extend(policy);
    }

    /// A policy; `claims` its name in this run, or is only a member of a system.
    fn read_policy(&mut self, file: FileId, model: Option<Entry>, claims: bool) -> Option<LoadedPolicy> {
        let text = self.loaded.files.text(file).to_owned();
        let path = self.loaded.files.path(file).to_owned();
        let read = self.drafts.remove(&file);
        let (draft, mut diagnostics) = read.unwrap_or_else(|| read::read(file, &path, &text));
        let Some(draft) = draft else {
            self.loaded.diagnostics.extend(diagnostics);
            return None;
        };
        let model = model.or_else(|| self.find_model(&draft, &mut diagnostics));
        let protocol = model.as_ref().and_then(|(_, protocol)| protocol.clone());
        let (policy, more) = check::check(&draft, protocol.as_deref());
        diagnostics.extend(more);
        presets::name_origins(&draft.kinds, &mut diagnostics);
        if claims {
            self.claim_name(draft.file, draft.name.as_ref(), &mut diagnostics);
        }
        document::drop_echoes(&text, &mut diagnostics);
        let sound = !diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        self.loaded.diagnostics.extend(diagnostics);
        let (policy, (model_file, _), protocol) = (policy?, model?, protocol?);
        let member_files = Vec::new();
        sound.then_some(LoadedPolicy { policy, protocol, policy_file: file, model_file, member_files })
    }

    /// A file with a `[system]`, once the policies of the run are there.
    fn system(&mut self, file: FileId) {
        let text = self.loaded.files.text(file).to_owned();
        let path = self.loaded.files.path(file).to_owned();
        let (draft, mut diagnostics) = composed::read(file, &path, &text);
        if let Some(draft) = &draft {
            self.claim_name(draft.file, draft.name.as_ref(), &mut diagnostics);
        }
        document::drop_echoes(&text, &mut diagnostics);
        let mut sound = !any_error(&diagnostics);
        self.loaded.diagnostics.extend(diagnostics);
        let Some(draft) = draft else { return };
        let mut members = std::mem::take(&mut self.given);
        let named = if members.is_empty() { &draft.members[..] } else { &[] };
        for member in named {
            let found = self.member(&draft, member);
            sound &= found.is_some();
            members.extend(found);
        }
        if !sound {
            return;
        }
        let mut diagnostics = Vec::new();
        let policy = composed::compose(&draft, &members, &mut diagnostics);
        self.loaded.diagnostics.extend(diagnostics);
        if let Some(policy) = policy {
            self.loaded.policies.push(LoadedPolicy {
                policy,
                protocol: members[0].protocol.clone(),
                policy_file: file,
                model_file: members[0].model_file,
                member_files: members.iter().map(|m| (m.policy_file, m.model_file)).collect(),
            });
        }
    }

    /// A member by its path, or by its name among the policies of this run.
    fn member(&mut self, draft: &SystemDraft, member: &Located<String>) -> Option<LoadedPolicy> {
        let unknown =
            |message: String| Diagnostic::new(Code::SystemMismatch, draft.file, message).at(member.span, "");
        if member.value.ends_with(".toml") || member.value.contains('/') {
            let path = draft.path.parent().unwrap_or(Path::new("")).join(&member.value);
            if !path.exists() {
                let message = format!("there is no file `{}`", short(&member.value));
                self.loaded.diagnostics.push(unknown(message).help("the path is relative to this file"));
                return None;
            }
            let file = self.open(&path)?;
            if let Some(known) = self.loaded.policies.iter().find(|policy| policy.policy_file == file) {
                return Some(known.clone());
            }
            if matches!(self.parsed(file).0, Sort::System) {
                let message = format!("`{}` is a system itself", short(&member.value));
                self.loaded.diagnostics.push(unknown(message).help("name its members"));
                return None;
            }
            return self.read_policy(file, None, false);
        }
        let known = self.loaded.policies.iter().find(|policy| policy.policy.name == member.value);
        if known.is_none() {
            let names = || self.loaded.policies.iter().map(|policy| policy.policy.name.as_str());
            let diagnostic = unknown(format!("there is no policy `{}` in this run", short(&member.value)));
            let diagnostic = match closest(&member.value, names()) {
                Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
                None => diagnostic.help("give the path of its file"),
            };
            self.loaded.diagnostics.push(diagnostic);
        }
        known.cloned()
    }

    fn claim_name(
        &mut self,
        file: FileId,
        name: Option<&Located<String>>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let Some(name) = name else { return };
        match self.names.get(&name.value) {
            None => {
                self.names.insert(name.value.clone(), (file, name.span));
            }
            Some((first, span)) => diagnostics.push(
                Diagnostic::new(Code::PolicyNameTaken, file, format!("a second policy `{}`", name.value))
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
        if let Some(entry) = self.beside(&draft.path, &name.value) {
            return Some(entry);
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
