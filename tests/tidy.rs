//! Habits that matter are tests.

use std::fs;
use std::path::{Path, PathBuf};

use idemcheck::check::properties;
use idemcheck::check::property::Property;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// A file longer than this has more than one subject.
const LINES_MAX: usize = 900;

/// Every file below a folder of the project with one of these extensions.
fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(ROOT).join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let extension = path.extension().and_then(|extension| extension.to_str());
            if path.is_dir() {
                folders.push(path);
            } else if extension.is_some_and(|extension| extensions.contains(&extension)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(ROOT).unwrap_or(path).display().to_string()
}

#[test]
fn source_files_have_one_subject() {
    for path in files("src", &["rs"]) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", shown(&path));
    }
}

#[test]
fn source_files_begin_with_their_purpose() {
    for path in files("src", &["rs"]) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} does not say what it is for", shown(&path));
    }
}

#[test]
fn nothing_is_left_over() {
    // Put together here so that this file does not find itself.
    let words = ["todo", "unimplemented", "dbg"].map(|word| format!("{word}!("));
    for path in ["src", "tests", "benches"].iter().flat_map(|folder| files(folder, &["rs"])) {
        let text = fs::read_to_string(&path).unwrap();
        for word in &words {
            assert!(!text.contains(word.as_str()), "{} has {word}", shown(&path));
        }
    }
}

#[test]
fn no_file_knows_a_machine() {
    let folders = ["work", "home", "root", "Users"].map(|folder| format!("/{folder}/"));
    let mut paths: Vec<PathBuf> =
        ["src", "tests", "benches", "models", "policies", "schemas", "templates", "docs", ".ci"]
            .iter()
            .flat_map(|folder| files(folder, &["rs", "toml", "json", "md", "snap", "sh"]))
            .collect();
    paths.extend(
        ["README.md", "ARCHITECTURE.md", "Cargo.toml", ".ci/run"].map(|name| Path::new(ROOT).join(name)),
    );
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        for folder in &folders {
            assert!(!text.contains(folder.as_str()), "{} names {folder}", shown(&path));
        }
    }
}

#[test]
fn every_property_is_explained() {
    for property in Property::ALL {
        let info = properties::info(property);
        assert_eq!(info.property, property);
        let texts = [info.holds_when, info.what, info.why, info.example, info.cures];
        assert!(texts.iter().all(|text| text.len() > 20), "{property}");
        let file = format!("src/check/properties/{}.rs", property.name().replace('-', "_"));
        assert!(Path::new(ROOT).join(&file).exists(), "{file}");
    }
}

#[test]
fn the_readme_mentions_every_subcommand() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let help = assert_cmd::Command::cargo_bin("idemcheck").unwrap().arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .collect();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        assert!(readme.contains(&format!("idemcheck {name}")), "README.md does not mention `{name}`");
    }
}

#[test]
fn the_code_map_knows_the_rooms() {
    let map = fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).unwrap();
    for entry in fs::read_dir(Path::new(ROOT).join("src")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            assert!(map.contains(&format!("`src/{name}")), "ARCHITECTURE.md does not mention src/{name}");
        }
    }
}
