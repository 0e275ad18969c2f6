//! A policy as text, to be read again with something changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::Severity;
use crate::model::operation::WaitFor;
use crate::model::{Operation, Protocol};
use crate::policy::declared::{Declared, What, declared};
use crate::policy::load::{Loaded, LoadedPolicy, MemberTexts, load_texts_with, load_with};

/// The texts of a policy, or of a system and its members.
pub struct Base<'a> {
    pub source: &'a LoadedPolicy,
    /// The policy's own, then those of a system's members.
    texts: Vec<String>,
    /// The same, as they were named.
    paths: Vec<PathBuf>,
    model_text: String,
    members: Vec<MemberTexts>,
    /// Names of models that come before those that ship.
    own_models: BTreeSet<String>,
}

impl<'a> Base<'a> {
    pub fn new(loaded: &Loaded, source: &'a LoadedPolicy) -> Base<'a> {
        let (text, model_text) = loaded.texts(source);
        let members = loaded.member_texts(source);
        let own = (text.to_owned(), source.policy.path.clone());
        let texts = members.iter().map(|one| (one.policy_text.clone(), PathBuf::from(&one.path)));
        let (texts, paths) = [own].into_iter().chain(texts).unzip();
        Base {
            source,
            texts,
            paths,
            model_text: model_text.to_owned(),
            members,
            own_models: loaded.own_models.clone(),
        }
    }

    /// As they were read: the policy's own, then those of a system's members.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    pub fn path(&self, file: usize) -> &Path {
        &self.paths[file]
    }

    /// The texts with one of them in another form.
    pub fn with(&self, file: usize, text: String) -> Vec<String> {
        let mut texts = self.texts.clone();
        texts[file] = text;
        texts
    }

    /// The protocol that a file's policy goes by.
    pub fn protocol(&self, file: usize) -> &Protocol {
        let member = file.checked_sub(1).and_then(|member| self.source.policy.members.get(member));
        member.map_or(self.source.protocol.as_ref(), |(_, protocol)| protocol.as_ref())
    }

    /// Whose declarations a file has; none: the policy's own.
    pub fn member(&self, file: usize) -> Option<&str> {
        let (policy, _) = self.source.policy.members.get(file.checked_sub(1)?)?;
        Some(&policy.name)
    }

    /// Every duration and count, with its file.
    pub fn declared(&self) -> Vec<(usize, Declared)> {
        let files = self.texts.iter().enumerate();
        files.flat_map(|(file, text)| declared(text).into_iter().map(move |one| (file, one))).collect()
    }

    /// Every duration that the check knows, in milliseconds: those declared, and the models'.
    pub fn durations(&self) -> Vec<i64> {
        let declared =
            self.declared().into_iter().filter(|(_, one)| matches!(one.what, What::Duration { .. }));
        let members = self.source.policy.members.iter().map(|(_, protocol)| protocol.as_ref());
        let protocols: Vec<&Protocol> = [self.source.protocol.as_ref()].into_iter().chain(members).collect();
        let waits = protocols.iter().flat_map(|protocol| &protocol.states);
        let waits = waits.filter_map(|state| match &state.operation {
            Operation::Wait(WaitFor::Fixed(ms)) => Some(*ms),
            _ => None,
        });
        let roles = protocols.iter().flat_map(|protocol| protocol.roles.iter().map(|role| role.every));
        declared.map(|(_, one)| one.value).chain(waits).chain(roles).collect()
    }

    /// Reads the policy from these texts, under another model where one is given; that is not for systems.
    ///
    /// # Errors
    /// What is wrong with them: the first complaint.
    pub fn read(&self, texts: &[String], model: Option<&Arc<Protocol>>) -> Result<LoadedPolicy, String> {
        let mut loaded = self.load(texts, model);
        let error = loaded.diagnostics.iter().find(|one| one.severity == Severity::Error);
        if let Some(error) = error {
            return Err(error.message.clone());
        }
        loaded.policies.pop().ok_or_else(|| "it can't be read".to_owned())
    }

    fn load(&self, texts: &[String], model: Option<&Arc<Protocol>>) -> Loaded {
        let path = self.path(0);
        if self.members.is_empty() {
            load_with((path, &texts[0]), model.unwrap_or(&self.source.protocol))
        } else {
            let members = self.members.iter().zip(&texts[1..]);
            let members: Vec<(&Path, &str, &str)> = members
                .map(|(member, text)| (Path::new(&member.path), text.as_str(), member.model_text.as_str()))
                .collect();
            load_texts_with((path, &texts[0]), (Path::new("model.toml"), &self.model_text), &members)
        }
    }

    /// How many warnings the texts come with.
    pub fn warnings(&self, texts: &[String], model: Option<&Arc<Protocol>>) -> usize {
        let loaded = self.load(texts, model);
        loaded.diagnostics.iter().filter(|one| one.severity == Severity::Warning).count()
    }

    /// Whether the name stands for a model of the user's here, and not for the one that ships.
    pub fn is_own_model(&self, name: &str) -> bool {
        self.own_models.contains(name)
            || self.paths[0]
                .parent()
                .is_some_and(|folder| folder.join(format!("models/{name}.toml")).exists())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::load::load;

    #[test]
    fn names_of_shipped_models_may_be_taken() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        let copy = |from: &str, to: &str| {
            let to = folder.path().join(to);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(root.join(from), to).unwrap();
        };
        copy("policies/write-path/lease-12s.toml", "a/policy.toml");
        copy("models/phases.toml", "a/models/phases.toml");
        copy("models/native-key.toml", "given/other.toml");
        let loaded = load(&[folder.path().join("a/policy.toml")], Some(&folder.path().join("given")));
        assert!(!loaded.failed(), "{:?}", loaded.diagnostics);
        let base = Base::new(&loaded, &loaded.policies[0]);
        let own = ["phases", "native-key", "check-then-act"].map(|name| base.is_own_model(name));
        assert_eq!(own, [true, true, false]);
    }
}
