//! What a change is compared with: a revision of the repository, or a folder.
//!
//! A revision is read from Git's objects, past the working tree, into a folder of its own that is gone at
//! the end. Only files that end in `.toml` are taken.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow, bail, ensure};
use idemcheck::policy::load::{self, Loaded};
use idemcheck::source::open::FILE_BYTES_MAX;
use idemcheck::source::walk::FILES_MAX;
use tempfile::TempDir;

/// Where the files of the base are.
pub struct Base {
    /// For people: the revision with its commit, or the folder.
    pub shown: String,
    paths: Vec<PathBuf>,
    /// Of the paths as the user named them, those that have no counterpart.
    pub missing: Vec<PathBuf>,
    models: Option<PathBuf>,
    /// The files of a revision, and what it is called.
    taken: Option<(TempDir, String)>,
}

impl Base {
    /// Finds what `name` is, for policies and models at these paths.
    ///
    /// # Errors
    /// It is neither a revision nor a folder, or both; Git can't be run; a path is outside of the repository.
    pub fn find(name: &str, paths: &[PathBuf], models: Option<&Path>) -> anyhow::Result<Base> {
        let folder = Path::new(name);
        let is_path = name.contains(['/', '\\']) || name == "." || name == "..";
        let commit = || commit(name, paths);
        match (folder.is_dir(), is_path) {
            // A branch can have a slash in its name, too.
            (true, true) => Base::of_folder(name, paths, models),
            (true, false) if commit().is_ok() => {
                bail!(
                    "`{name}` is a revision and a folder: say ./{name} for the folder, refs/heads/{name} for a branch"
                )
            }
            (true, false) => Base::of_folder(name, paths, models),
            (false, _) => {
                let (root, commit) = commit()?;
                Base::of_commit(name, &root, &commit, paths, models)
            }
        }
    }

    /// Another checkout, in which the paths are as they are here; or, where it has none of them, what stands
    /// in the place of the only one.
    fn of_folder(name: &str, paths: &[PathBuf], models: Option<&Path>) -> anyhow::Result<Base> {
        let folder = Path::new(name);
        // What a path is in this checkout it is in the other; one from elsewhere has no counterpart.
        let here = existing(Path::new("."))?;
        let there = |path: &Path| -> Option<PathBuf> {
            let is_below = path.is_relative() && !path.components().any(|part| part == Component::ParentDir);
            let below = if is_below { path.to_owned() } else { inside(path, &here).ok()? };
            Some(folder.join(below))
        };
        let is_there = |path: &PathBuf| there(path).filter(|there| there.exists());
        let in_place = paths.len() == 1 && is_there(&paths[0]).is_none();
        if let Some(outside) = paths.iter().find(|path| !in_place && there(path).is_none()) {
            bail!(
                "{} is not below the current folder, so {name} can't have it, too: go to the root of the checkout",
                outside.display()
            );
        }
        let shown = if in_place { format!("the folder {name}") } else { format!("the checkout {name}") };
        let within: Vec<PathBuf> =
            if in_place { vec![folder.to_owned()] } else { paths.iter().filter_map(is_there).collect() };
        for path in paths {
            let other = if in_place { Some(folder.to_owned()) } else { there(path) };
            if other.is_some_and(|other| is_same(path, &other)) {
                bail!("{} would be compared with itself: {name} is no other folder", path.display());
            }
        }
        let missing = paths.iter().filter(|path| in_place || is_there(path).is_none()).cloned().collect();
        let own = match models {
            // Models that are part of what is compared.
            Some(models) if in_place => {
                inside(models, &existing(&paths[0])?).ok().map(|own| folder.join(own))
            }
            Some(models) => there(models),
            None => None,
        };
        let models = models.and_then(|models| own_models(models, own, name));
        Ok(Base { shown, paths: within, missing, models, taken: None })
    }

    fn of_commit(
        name: &str,
        root: &Path,
        commit: &str,
        paths: &[PathBuf],
        models: Option<&Path>,
    ) -> anyhow::Result<Base> {
        let within: Vec<PathBuf> =
            paths.iter().map(|path| inside(path, root)).collect::<anyhow::Result<_>>()?;
        let own = models.map(|models| (models, inside(models, root).ok()));
        let mut wanted = within.clone();
        wanted.extend(own.iter().filter_map(|(_, own)| own.clone()));
        let target = tempfile::Builder::new().prefix("idemcheck-base-").tempdir();
        let target = target.context("cannot make a folder for the files of the base")?;
        let files = listed(root, commit, &wanted)?;
        take(root, &files, target.path())?;
        let here = |path: &PathBuf| target.path().join(path);
        let models =
            own.and_then(|(given, own)| own_models(given, own.map(|own| here(&own)), &format!("`{name}`")));
        let missing = paths.iter().zip(&within).filter(|(_, own)| !here(own).exists());
        Ok(Base {
            missing: missing.map(|(path, _)| path.clone()).collect(),
            shown: format!("{name} ({})", &commit[..commit.len().min(12)]),
            paths: within.iter().map(here).filter(|path| path.exists()).collect(),
            models,
            taken: Some((target, name.to_owned())),
        })
    }

    /// Reads its policies. Their paths are called as people call them: `main:policies/a.toml`.
    pub fn read(&self) -> Loaded {
        let mut loaded = load::load(&self.paths, self.models.as_deref());
        if let Some((folder, name)) = &self.taken {
            loaded.call_paths(|path| {
                let inside = path.strip_prefix(folder.path()).ok()?;
                Some(PathBuf::from(format!("{name}:{}", inside.display())))
            });
        }
        loaded
    }
}

/// The models of a base: its own, where it could have some. Those of the change would hide that it changes them.
fn own_models(given: &Path, own: Option<PathBuf>, base: &str) -> Option<PathBuf> {
    let shown = given.display();
    match own {
        Some(own) if own.is_dir() && !is_same(given, &own) => Some(own),
        Some(own) if !own.is_dir() => {
            eprintln!(
                "note: {base} has no models in {shown}; it is read with those that it has, and with the shipped ones"
            );
            None
        }
        _ => {
            eprintln!("note: {shown} is no part of {base}: both sides are read with its models");
            Some(given.to_owned())
        }
    }
}

/// Whether both are there, and are one.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    real(one).is_some_and(|one| real(other) == Some(one))
}

/// Git, in a folder. It must neither ask nor wait, nor change anything.
fn git(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(args).stdin(Stdio::null());
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
    // A clone without all objects is not filled from the network.
    command.env("GIT_NO_LAZY_FETCH", "1");
    // A hook has them set for the repository that it runs in; this one is told by the folder.
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_PREFIX",
        "GIT_COMMON_DIR",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    ] {
        command.env_remove(name);
    }
    command
}

fn said(mut command: Command) -> anyhow::Result<Vec<u8>> {
    let output = command.output().context("cannot run git")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git: {}", complaint.trim());
    Ok(output.stdout)
}

/// The root of the repository that holds the paths, and the commit that a name stands for in it.
fn commit(name: &str, paths: &[PathBuf]) -> anyhow::Result<(PathBuf, String)> {
    ensure!(!name.starts_with('-') && !name.is_empty(), "`{name}` is no revision and no folder");
    let first = paths.first().map_or(Path::new("."), PathBuf::as_path);
    let folder = existing(first)?;
    let folder = if folder.is_dir() { folder } else { folder.parent().unwrap_or(Path::new("/")).to_owned() };
    let root = said(git(&folder, &["rev-parse", "--show-toplevel"]))
        .with_context(|| format!("{} is in no repository, and `{name}` is no folder", first.display()))?;
    let root =
        PathBuf::from(String::from_utf8(root).context("git gave no path")?.trim_end_matches(['\n', '\r']));
    let wanted = format!("{name}^{{commit}}");
    let commit = said(git(&root, &["rev-parse", "--verify", "--quiet", &wanted])).map_err(|_| {
        let shallow = said(git(&root, &["rev-parse", "--is-shallow-repository"]))
            .is_ok_and(|says| says.starts_with(b"true"));
        let hint = if shallow { "; the clone is shallow, fetch it first" } else { "" };
        anyhow!("`{name}` is neither a revision of {} nor a folder{hint}", root.display())
    })?;
    let commit = String::from_utf8(commit).context("git gave no commit")?.trim().to_owned();
    Ok((fs::canonicalize(&root).unwrap_or(root), commit))
}

/// The path itself, or what is there of it, without links.
fn existing(path: &Path) -> anyhow::Result<PathBuf> {
    let whole = std::path::absolute(path).with_context(|| format!("cannot find {}", path.display()))?;
    let there = whole.ancestors().find_map(|part| fs::canonicalize(part).ok());
    there.with_context(|| format!("cannot find {}", path.display()))
}

/// A path by where it is in the repository. It need not be there now.
fn inside(path: &Path, root: &Path) -> anyhow::Result<PathBuf> {
    let whole = std::path::absolute(path).with_context(|| format!("cannot find {}", path.display()))?;
    let found = whole.ancestors().find_map(|part| Some((part, fs::canonicalize(part).ok()?)));
    let (part, real) = found.with_context(|| format!("cannot find {}", path.display()))?;
    let whole = real.join(whole.strip_prefix(part).unwrap_or(Path::new("")));
    let inside = whole.strip_prefix(root);
    let inside =
        inside.map_err(|_| anyhow!("{} is not in the repository {}", path.display(), root.display()))?;
    Ok(inside.components().filter(|part| matches!(part, Component::Normal(_))).collect())
}

/// A file of a commit.
struct Listed {
    object: String,
    path: PathBuf,
}

/// The `.toml` files of a commit. Models and members may be anywhere; where there are too many, only those
/// below the wanted paths are taken.
fn listed(root: &Path, commit: &str, wanted: &[PathBuf]) -> anyhow::Result<Vec<Listed>> {
    let listing = said(git(root, &["ls-tree", "-r", "-z", "--full-tree", commit]))?;
    let mut files = Vec::new();
    for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let line = std::str::from_utf8(line).ok();
        let Some((head, path)) = line.and_then(|line| line.split_once('\t')) else { continue };
        let path = PathBuf::from(path);
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let below = wanted.iter().any(|wanted| path.starts_with(wanted));
        match head.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            ["120000", ..] if below => {
                eprintln!("note: {} is a link in the base, and is not followed", path.display())
            }
            [mode, "blob", object] if mode.starts_with("100") => {
                files.push((below, Listed { object: object.to_owned(), path }));
            }
            _ => {}
        }
    }
    if files.len() > FILES_MAX {
        files.retain(|(below, _)| *below);
        eprintln!("note: the base has more than {FILES_MAX} files; only those below the paths are read");
    }
    ensure!(files.len() <= FILES_MAX, "the base has more than {FILES_MAX} files below the paths");
    Ok(files.into_iter().map(|(_, file)| file).collect())
}

/// Writes the files of a commit into a folder, each from Git's objects.
fn take(root: &Path, files: &[Listed], target: &Path) -> anyhow::Result<()> {
    let create = |path: &Path| {
        let path = target.join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::File::create(path)
    };
    let mut command = git(root, &["cat-file", "--batch"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("cannot run git")?;
    let (Some(mut asks), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
        bail!("cannot speak to git")
    };
    let objects: String = files.iter().map(|file| format!("{}\n", file.object)).collect();
    // Git answers while it is asked: one of both has to be done elsewhere.
    let asking = std::thread::spawn(move || asks.write_all(objects.as_bytes()));
    let mut answers = BufReader::new(answers);
    for file in files {
        let mut head = String::new();
        answers.read_line(&mut head).context("cannot read from git")?;
        let size = match head.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            [_, "blob", size] => size.parse::<u64>().ok(),
            _ => None,
        };
        let size = size.with_context(|| {
            let (path, object) = (file.path.display(), &file.object);
            format!("git has no object for {path} here: a partial clone must fetch it first (git cat-file -e {object})")
        })?;
        let mut made = create(&file.path).context("cannot write the base")?;
        // What the reader refuses it refuses when it has a byte too many.
        let kept = size.min(FILE_BYTES_MAX + 1);
        let written = io::copy(&mut (&mut answers).take(kept), &mut made).context("cannot write the base")?;
        let rest = io::copy(&mut (&mut answers).take(size - kept + 1), &mut io::sink());
        let rest = rest.context("cannot read from git")?;
        ensure!(written + rest == size + 1, "git ended early");
    }
    drop(answers);
    asking.join().map_err(|_| anyhow!("cannot speak to git"))?.context("cannot speak to git")?;
    child.wait().context("cannot wait for git")?;
    Ok(())
}
