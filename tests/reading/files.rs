//! Paths, folders, and models from several places.

use std::path::{Path, PathBuf};

use idemcheck::policy::load;

use super::support::{MODEL, POLICY, folder, lines, load_folder, with};

#[test]
fn a_folder_is_walked_and_models_in_it_are_models() {
    let other = with(POLICY, "charge-card", "refund");
    let other = with(&other, "model   = \"receipt\"", "model = \"../shared/receipt.toml\"");
    let shared = with(MODEL, "model = \"receipt\"", "model = \"shared\"");
    let scratch = folder(&[
        ("policies/a.toml", POLICY),
        ("policies/deep/b.toml", &with(&other, "../shared", "../../shared")),
        ("policies/receipt.toml", MODEL),
        ("policies/notes.txt", "not read"),
        ("shared/receipt.toml", &shared),
    ]);
    let loaded = load_folder(&scratch.path().join("policies"));
    assert_eq!(lines(&loaded), [""; 0]);
    let found: Vec<_> =
        loaded.policies.iter().map(|one| (one.policy.name.as_str(), one.protocol.name.as_str())).collect();
    assert_eq!(found, [("charge-card", "receipt"), ("refund", "shared")]);
    assert_eq!(loaded.selected, 2);
    let (policy, model) = loaded.texts(&loaded.policies[0]);
    assert_eq!((policy, model), (POLICY, MODEL));
}

#[test]
fn a_models_folder_replaces_shipped_models() {
    let scratch = folder(&[("p/a.toml", POLICY), ("m/one.toml", MODEL)]);
    let loaded = load(&[scratch.path().join("p")], Some(&scratch.path().join("m")));
    assert_eq!((lines(&loaded).len(), loaded.policies.len()), (0, 1));
    let loaded = load(&[scratch.path().join("p")], Some(&scratch.path().join("nowhere")));
    assert!(lines(&loaded).contains(&"IDM001 nowhere".to_owned()));
}

#[test]
fn a_broken_model_is_reported_once() {
    let broken = with(MODEL, "lost  = \"claim\"", "lost  = \"nowhere\"");
    let scratch = folder(&[
        ("a.toml", POLICY),
        ("b.toml", &with(POLICY, "charge-card", "refund")),
        ("m.toml", &broken),
    ]);
    let loaded = load_folder(scratch.path());
    assert_eq!(lines(&loaded), ["IDM105 m.toml 25:9"]);
    assert_eq!((loaded.selected, loaded.policies.len()), (2, 0));
}

#[test]
fn names_are_used_once() {
    let scratch = folder(&[("a.toml", POLICY), ("b.toml", POLICY), ("m.toml", MODEL), ("n.toml", MODEL)]);
    assert_eq!(lines(&load_folder(scratch.path())), ["IDM200 b.toml 1:11", "IDM115 n.toml 1:9"]);
}

#[test]
fn a_model_that_is_not_there_is_named() {
    let scratch = folder(&[
        ("a.toml", &with(POLICY, "model   = \"receipt\"", "model = \"receit\"")),
        ("b.toml", &with(&with(POLICY, "charge-card", "b"), "model   = \"receipt\"", "model = \"x/y.toml\"")),
        ("m.toml", MODEL),
    ]);
    let loaded = load_folder(scratch.path());
    assert_eq!(lines(&loaded), ["IDM201 a.toml 3:9", "IDM201 b.toml 3:9"]);
    assert_eq!(loaded.diagnostics[0].paste.as_deref(), Some("model = \"receipt\""));
}

#[test]
fn nothing_selected_is_no_error() {
    let scratch = folder(&[("m.toml", MODEL), ("notes.md", "")]);
    let loaded = load_folder(scratch.path());
    assert_eq!((loaded.selected, loaded.failed(), loaded.files.len()), (0, false, 1));
}

#[test]
fn a_file_is_read_once_however_often_it_is_named() {
    let scratch = folder(&[("a.toml", POLICY), ("m.toml", MODEL)]);
    let paths = [scratch.path().to_owned(), scratch.path().join("a.toml"), scratch.path().join("./a.toml")];
    for models in [None, Some(scratch.path())] {
        let loaded = load(&paths, models);
        assert_eq!((lines(&loaded).len(), loaded.policies.len(), loaded.selected), (0, 1, 1));
    }
}

#[test]
fn other_files_are_refused() {
    let scratch = folder(&[("cargo.toml", "[package]\nname = \"x\"\n"), ("empty.toml", "")]);
    assert_eq!(lines(&load_folder(scratch.path())), ["IDM020 cargo.toml 1:1", "IDM020 empty.toml 1:1"]);
    let missing = load(&[PathBuf::from("nowhere-at-all")], None);
    assert_eq!(lines(&missing), ["IDM001 nowhere-at-all"]);
    assert!(missing.failed());
}

#[test]
fn shipped_models_are_sound_and_named_for_their_files() {
    for (path, text) in idemcheck::model::shipped::shipped() {
        let mut files = idemcheck::source::Files::default();
        let file = files.add(idemcheck::source::SourceFile::new(&path, text));
        let (protocol, diagnostics) = idemcheck::model::read::read(file, text);
        assert_eq!(diagnostics, [], "{}", idemcheck::diag::render_all(&diagnostics, &files, false));
        let name = Path::new(&path).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        assert_eq!(protocol.map(|protocol| protocol.name), name);
    }
}
