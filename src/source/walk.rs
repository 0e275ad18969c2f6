//! From the paths a user names to the files they mean.

use std::path::{Path, PathBuf};

/// Files that one run reads at most.
pub const FILES_MAX: usize = 10_000;
/// Folders inside one another that are walked.
pub const FOLDER_DEPTH_MAX: usize = 32;
/// Entries looked at, whatever they are: a path may name a whole disk.
pub const ENTRIES_MAX: usize = 1_000_000;

/// What the paths mean.
#[derive(Debug, Default)]
pub struct Selection {
    /// Sorted within each path named, each file once.
    pub files: Vec<PathBuf>,
    pub faults: Vec<WalkFault>,
}

/// A path that could not be followed.
#[derive(Debug)]
pub enum WalkFault {
    NotFound(PathBuf),
    Unreadable(PathBuf, std::io::Error),
    /// The walk ended here: [`FILES_MAX`] or [`ENTRIES_MAX`] was reached.
    TooManyFiles(PathBuf),
    /// This folder was not entered: [`FOLDER_DEPTH_MAX`] was reached.
    TooDeep(PathBuf),
}

/// A file is taken as it is; a folder stands for every `*.toml` below it. Links to folders are not
/// followed below a named path, so no loop of links can be entered.
pub fn walk(paths: &[PathBuf]) -> Selection {
    let mut walker =
        Walker { selection: Selection::default(), seen: Default::default(), entries: 0, full: false };
    for path in paths {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => walker.folder(path, 0),
            // A special file is refused where it is opened, with its own message.
            Ok(_) => walker.take(path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                walker.selection.faults.push(WalkFault::NotFound(path.clone()));
            }
            Err(error) => walker.selection.faults.push(WalkFault::Unreadable(path.clone(), error)),
        }
    }
    walker.selection
}

struct Walker {
    selection: Selection,
    /// By canonical path: `verify policies policies/a.toml` reads `a.toml` once.
    seen: std::collections::HashSet<PathBuf>,
    entries: usize,
    full: bool,
}

impl Walker {
    fn take(&mut self, path: &Path) {
        let identity = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if self.full || !self.seen.insert(identity) {
            return;
        }
        if self.selection.files.len() >= FILES_MAX {
            self.stop(path);
            return;
        }
        self.selection.files.push(path.to_owned());
    }

    fn stop(&mut self, path: &Path) {
        self.full = true;
        self.selection.faults.push(WalkFault::TooManyFiles(path.to_owned()));
    }

    fn folder(&mut self, folder: &Path, depth: usize) {
        if self.full {
            return;
        }
        if depth > FOLDER_DEPTH_MAX {
            self.selection.faults.push(WalkFault::TooDeep(folder.to_owned()));
            return;
        }
        let mut entries = Vec::new();
        match std::fs::read_dir(folder) {
            Ok(listing) => {
                for entry in listing {
                    match entry {
                        Ok(entry) => entries.push(entry.path()),
                        Err(error) => {
                            self.selection.faults.push(WalkFault::Unreadable(folder.to_owned(), error));
                            break;
                        }
                    }
                    self.entries += 1;
                    if self.entries > ENTRIES_MAX {
                        self.stop(folder);
                        return;
                    }
                }
            }
            Err(error) => self.selection.faults.push(WalkFault::Unreadable(folder.to_owned(), error)),
        }
        entries.sort();
        for entry in entries {
            let Ok(kind) = std::fs::symlink_metadata(&entry) else { continue };
            if kind.is_dir() {
                self.folder(&entry, depth + 1);
            } else if entry.extension().is_some_and(|extension| extension == "toml") {
                // A link to a folder may be named like a file.
                let folder_link = kind.is_symlink() && std::fs::metadata(&entry).is_ok_and(|to| to.is_dir());
                if !folder_link {
                    self.take(&entry);
                }
            }
        }
    }
}
