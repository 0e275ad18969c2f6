//! `docs/`: that it is what `explain` says, that its links lead somewhere, and that its examples are sound.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use idemcheck::check::property::Property;
use idemcheck::diag::Code;
use idemcheck::history::Rule;
use idemcheck::lints::LINTS;
use idemcheck::model::OPERATIONS;
use idemcheck::policy::schema::{policy_schema, system_schema};
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn idemcheck(args: &[&str]) -> (i32, String, String) {
    let output = assert_cmd::Command::cargo_bin("idemcheck").unwrap().args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn tree(folder: &Path) -> BTreeMap<String, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

fn docs() -> PathBuf {
    Path::new(ROOT).join("docs")
}

#[test]
fn the_pages_are_what_explain_says() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().display().to_string();
    let (code, stdout, stderr) = idemcheck(&["explain", "--write", &to]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    let fresh = tree(folder.path());
    if std::env::var_os("IDEMCHECK_UPDATE").is_some() {
        let _ = fs::remove_dir_all(docs());
        for (name, text) in &fresh {
            fs::create_dir_all(docs().join(name).parent().unwrap()).unwrap();
            fs::write(docs().join(name), text).unwrap();
        }
    }
    let committed = tree(&docs());
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&fresh), names(&committed), "IDEMCHECK_UPDATE=1 cargo test --test docs");
    for (name, text) in &fresh {
        assert!(*text == committed[name], "docs/{name} is out of date: IDEMCHECK_UPDATE=1");
    }
}

#[test]
fn everything_has_a_page() {
    let pages = tree(&docs());
    let mut wanted: Vec<String> = Property::ALL.map(|one| format!("properties/{}.md", one.name())).into();
    wanted.extend(OPERATIONS.iter().map(|one| format!("operations/{}.md", one.name)));
    wanted.extend(LINTS.iter().map(|one| format!("lints/{}.md", one.name)));
    wanted.extend(Rule::ALL.iter().map(|one| format!("rules/{}.md", one.name())));
    wanted.extend(Code::ALL.iter().map(|one| format!("codes/{}.md", one.id())));
    wanted.extend(
        ["policy-file", "model-file", "sarif", "junit", "html"].map(|one| format!("formats/{one}.md")),
    );
    wanted.push("concepts/fencing-token.md".to_owned());
    for page in wanted {
        assert!(pages.contains_key(&page), "docs/{page} is missing");
        assert!(pages["README.md"].contains(&format!("]({page})")), "the index does not lead to {page}");
    }
    // And what has a page has a name that `explain` knows.
    for page in pages.keys().filter(|page| page.contains('/')) {
        let name = Path::new(page).file_stem().unwrap().to_str().unwrap();
        let (code, stdout, _) = idemcheck(&["explain", name]);
        assert!(code == 0 && stdout.len() > 80, "{name}");
    }
}

#[test]
fn links_lead_to_pages() {
    let pages = tree(&docs());
    let mut count = 0;
    for (name, text) in &pages {
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let target = match link.strip_prefix("../") {
                Some(target) => target,
                None => link,
            };
            assert!(pages.contains_key(target), "docs/{name} links to {link}");
            count += 1;
        }
    }
    assert!(count > 300, "{count}");
}

/// Fenced blocks of a language, with their pages.
fn blocks(language: &str) -> Vec<(String, String)> {
    let fence = format!("```{language}\n");
    let of = |(name, text): (String, String)| {
        let parts: Vec<String> =
            text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect();
        parts.into_iter().map(move |part| (name.clone(), part))
    };
    tree(&docs()).into_iter().flat_map(of).collect()
}

/// A schema that lets a part of a file pass.
fn of_parts(mut schema: Value) -> Value {
    fn loosen(value: &mut Value) {
        match value {
            Value::Object(map) => {
                if map.get("required").is_some_and(Value::is_array) {
                    map.remove("required");
                }
                map.values_mut().for_each(loosen);
            }
            Value::Array(list) => list.iter_mut().for_each(loosen),
            _ => {}
        }
    }
    loosen(&mut schema);
    schema
}

/// Dates as texts, which is how a schema has them.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(list) => list.into_iter().map(json).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(key, value)| (key, json(value))).collect())
        }
        other => serde_json::to_value(other).unwrap(),
    }
}

#[test]
fn examples_are_parts_of_policies() {
    let schemas = [policy_schema(), system_schema()].map(of_parts);
    let validators = schemas.map(|schema| jsonschema::validator_for(&schema).unwrap());
    let mut count = 0;
    // The page of a code shows what is wrong as well.
    for (page, text) in blocks("toml").into_iter().filter(|(page, _)| !page.starts_with("codes/")) {
        let table: toml::Table =
            toml::from_str(&text).unwrap_or_else(|error| panic!("docs/{page}: {error}\n{text}"));
        let value = json(toml::Value::Table(table));
        let errors = validators.each_ref().map(|validator| {
            validator.iter_errors(&value).map(|error| error.to_string()).collect::<Vec<_>>()
        });
        assert!(errors.iter().any(Vec::is_empty), "docs/{page}: {errors:?}\n{text}");
        count += 1;
    }
    assert!(count > 50, "{count}");
    // The schema without its requirements still refuses what is wrong.
    let broken = serde_json::json!({ "store": { "leese": "30s" } });
    assert!(validators.iter().all(|validator| !validator.is_valid(&broken)));
}

#[test]
fn commands_are_taken_by_the_tool() {
    let mut seen = BTreeSet::new();
    for (page, text) in blocks("sh") {
        for line in text.lines() {
            let mut args: Vec<&str> = line.split(' ').collect();
            assert_eq!(args.remove(0), "idemcheck", "docs/{page}: {line}");
            seen.insert(args[0].to_owned());
            // Arguments are read from left to right: what comes before is refused before this is heard.
            args.push("--help");
            let (code, stdout, stderr) = idemcheck(&args);
            assert!(code == 0 && stdout.contains("Usage: idemcheck"), "docs/{page}: {line}: {stderr}");
        }
    }
    assert!(seen.len() >= 6, "{seen:?}");
    assert_eq!(idemcheck(&["verify", "--ouput", "x", "--help"]).0, 2);
}
