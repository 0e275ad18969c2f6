//! Results that were found before, so that a policy which says the same is not searched again.
//!
//! An entry is known by what the policy, its model and its members say, by the build, and by the limits.
//! It holds what was found; expectations, waivers and the day are weighed anew each time. Only complete
//! results are kept. An entry that is damaged, or of somebody else, is no entry.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use idemcheck::BUILD;
use idemcheck::check::verdict::{PolicyResult, Verdict};
use idemcheck::policy::load::{Loaded, LoadedPolicy};
use idemcheck::source::FileId;
use idemcheck::source::canonical::{digest, said};
use serde::{Deserialize, Serialize};

/// The version of an entry's form.
const VERSION: u32 = 1;
/// An entry larger than this is not read: the longest runs that are known take a tenth of it.
const BYTES_MAX: u64 = 64 << 20;
/// What other builds left is taken away when it was not used for so long.
const STALE: Duration = Duration::from_secs(14 * 86_400);
/// The folder of a build begins so: the folder around it may be anybody's.
const PREFIX: &str = "idemcheck-";

/// A folder of results of this build.
pub struct Cache {
    folder: PathBuf,
    complained: AtomicBool,
}

/// The first line of an entry.
#[derive(Serialize, Deserialize, PartialEq)]
struct Head {
    idemcheck_cache: u32,
    build: String,
    key: String,
    /// Of what follows.
    digest: String,
}

impl Cache {
    /// In this folder, or in the user's own.
    ///
    /// The default is outside of the project on purpose: what a change brings along must not say that the
    /// change is sound. None where there is no such folder, or none is wanted.
    pub fn open(folder: Option<&Path>) -> Option<Cache> {
        let folder = folder.map(Path::to_owned).or_else(default_folder)?;
        Some(Cache { folder: folder.join(format!("{PREFIX}{BUILD}")), complained: AtomicBool::new(false) })
    }

    /// The result that is kept under a key, if it is whole.
    pub fn get(&self, key: &str) -> Option<PolicyResult> {
        let file = fs::File::open(self.path(key)).ok()?;
        let mut text = String::new();
        file.take(BYTES_MAX + 1).read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once('\n')?;
        let expected = Head::of(key, body);
        (serde_json::from_str::<Head>(head).ok()? == expected).then_some(())?;
        serde_json::from_str(body).ok()
    }

    /// Keeps a result that is complete. Whoever reads at the same time sees the old entry or the new one.
    pub fn put(&self, key: &str, result: &PolicyResult) {
        let open = result.properties.iter().any(|found| found.verdict == Verdict::Inconclusive);
        if open || !result.complete() {
            return;
        }
        // A check must not fail because it could not be remembered.
        if let Err(error) = self.write(key, result)
            && !self.complained.swap(true, Ordering::Relaxed)
        {
            eprintln!("note: results are not kept: cannot write to {}: {error}", self.folder.display());
        }
    }

    fn write(&self, key: &str, result: &PolicyResult) -> std::io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let body = serde_json::to_string(result)?;
        let head = serde_json::to_string(&Head::of(key, &body))?;
        if !self.folder.exists() {
            fs::create_dir_all(&self.folder)?;
            self.tidy();
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let scratch = self.folder.join(format!(".{}.{number}.tmp", std::process::id()));
        let written = (|| {
            let mut file = fs::File::create(&scratch)?;
            file.write_all(format!("{head}\n{body}").as_bytes())?;
            fs::rename(&scratch, self.path(key))
        })();
        if written.is_err() {
            let _ = fs::remove_file(&scratch);
        }
        written
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    /// Makes the folder one of its own, and takes away what builds left that nobody uses any more. Around it may
    /// be what is no cache: whatever does not look as this writes it stays.
    fn tidy(&self) {
        // Git leaves it alone, wherever it is.
        let _ = fs::write(self.folder.join(".gitignore"), "*\n");
        let Some(root) = self.folder.parent() else { return };
        let old = |path: &Path| {
            let changed = fs::metadata(path).and_then(|metadata| metadata.modified());
            changed.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > STALE))
        };
        let is_build = |path: &Path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let build = name.strip_prefix(PREFIX).unwrap_or_default();
            path.is_dir() && build.len() == BUILD.len() && build.bytes().all(|b| b.is_ascii_hexdigit())
        };
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let path = entry.path();
            if path == self.folder || path.is_symlink() || !is_build(&path) || !old(&path) {
                continue;
            }
            for file in fs::read_dir(&path).into_iter().flatten().flatten().map(|file| file.path()) {
                let is_ours = file.extension().is_some_and(|kind| kind == "json" || kind == "tmp");
                if is_ours || file.ends_with(".gitignore") {
                    let _ = fs::remove_file(file);
                }
            }
            // Not where something else is in it.
            let _ = fs::remove_dir(path);
        }
    }
}

impl Head {
    fn of(key: &str, body: &str) -> Head {
        Head {
            idemcheck_cache: VERSION,
            build: BUILD.to_owned(),
            key: key.to_owned(),
            digest: digest(&[body]),
        }
    }
}

/// Keys of results. Many policies share a model: what one says is made out once.
#[derive(Default)]
pub struct Keys {
    models: Mutex<HashMap<(usize, FileId), Arc<str>>>,
}

impl Keys {
    /// What a result depends on: the same for policies of which the same is found. `limits` says how it is
    /// searched, and how far.
    pub fn of(&self, loaded: &Loaded, policy: &LoadedPolicy, limits: &str) -> String {
        let mut said = vec![Cow::Borrowed(limits), loaded.said(policy.policy_file)];
        let mut models = Vec::new();
        if policy.member_files.is_empty() {
            models.push(self.model(loaded, policy.model_file));
        }
        for (own, model) in &policy.member_files {
            said.push(loaded.said(*own));
            models.push(self.model(loaded, *model));
        }
        let parts = said.iter().map(|said| &**said).chain(models.iter().map(|said| &**said));
        digest(&parts.collect::<Vec<_>>())
    }

    fn model(&self, loaded: &Loaded, file: FileId) -> Arc<str> {
        let of_file = (std::ptr::from_ref(loaded).addr(), file);
        let known = || self.models.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(said) = known().get(&of_file) {
            return said.clone();
        }
        let said: Arc<str> = said(loaded.files.text(file), &[]).into();
        known().insert(of_file, Arc::clone(&said));
        said
    }
}

/// `IDEMCHECK_CACHE` names it, or says `off`; else it is where programs of the user keep such things.
fn default_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(named) = set("IDEMCHECK_CACHE") {
        return (named != Path::new("off")).then_some(named);
    }
    let user = if cfg!(target_os = "macos") {
        set("HOME").map(|home| home.join("Library/Caches"))
    } else if cfg!(windows) {
        set("LOCALAPPDATA")
    } else {
        set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))
    };
    user.filter(|folder| folder.is_absolute()).map(|folder| folder.join("idemcheck"))
}
