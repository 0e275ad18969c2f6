//! Changes of files as a patch, which `git apply` and `patch -p1` take.

use std::fs;
use std::path::{Path, PathBuf};

use similar::TextDiff;

/// A file as it is called, as it was and as it is to be.
pub struct Changed<'a> {
    pub path: &'a Path,
    pub old: &'a str,
    pub new: &'a str,
}

/// The patch of these files. Its names are below the current folder; where one is not, below the repository or
/// folder that has all of them, which the first line says.
pub fn patch(files: &[Changed]) -> String {
    let paths: Vec<&Path> = files.iter().map(|file| file.path).collect();
    let (folder, names) = names(&paths);
    let mut out = folder.map_or(String::new(), |folder| format!("Apply in {}:\n", folder.display()));
    for (file, name) in files.iter().zip(names) {
        // Behind a tab is no name any more: without one, a name ends at its first blank.
        let end = if name.contains(' ') { "\t" } else { "" };
        let (old, new) = (format!("a/{name}{end}"), format!("b/{name}{end}"));
        let diff = TextDiff::from_lines(file.old, file.new);
        out.push_str(&diff.unified_diff().context_radius(3).header(&old, &new).to_string());
    }
    out
}

/// The folder that the names start from, unless it is the current one, and the names.
fn names(paths: &[&Path]) -> (Option<PathBuf>, Vec<String>) {
    let real = |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    let whole: Vec<PathBuf> =
        paths.iter().map(|path| real(path).unwrap_or_else(|_| path.to_path_buf())).collect();
    let below = |folder: &Path| -> Option<Vec<String>> {
        let names = whole.iter().map(|path| Some(path.strip_prefix(folder).ok()?.display().to_string()));
        names.collect()
    };
    if let Some(names) = real(Path::new(".")).ok().as_deref().and_then(below) {
        return (None, names);
    }
    let folders = || whole.iter().flat_map(|path| path.ancestors().skip(1));
    let repository = folders().filter(|folder| folder.join(".git").exists());
    let found = repository.chain(folders()).find_map(|folder| Some((folder.to_owned(), below(folder)?)));
    found.map_or_else(
        || (None, paths.iter().map(|path| path.display().to_string()).collect()),
        |(folder, names)| (Some(folder), names),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_below_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        for name in ["repo/.git/HEAD", "repo/one/a b.toml", "repo/two/c.toml", "other/d.toml"] {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), "").unwrap();
        }
        let names_of = |paths: &[&str]| {
            let paths: Vec<PathBuf> = paths.iter().map(|path| root.join(path)).collect();
            names(&paths.iter().map(PathBuf::as_path).collect::<Vec<_>>())
        };
        let (one, two) = ("repo/two/../one/a b.toml", "repo/two/c.toml");
        let wanted = vec!["one/a b.toml".to_owned(), "two/c.toml".to_owned()];
        assert_eq!(names_of(&[one, two]), (Some(root.join("repo")), wanted));
        assert_eq!(names_of(&["other/d.toml"]), (Some(root.join("other")), vec!["d.toml".to_owned()]));
        let all = vec!["repo/two/c.toml".to_owned(), "other/d.toml".to_owned()];
        assert_eq!(names_of(&[two, "other/d.toml"]), (Some(root.clone()), all));
        let here = names(&[Path::new("./src/../Cargo.toml")]);
        assert_eq!(here, (None, vec!["Cargo.toml".to_owned()]));
    }
}
