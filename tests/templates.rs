//! Templates of policies: that each verifies as it is, explains every key that it could have, and is written
//! by `init` where nothing is yet.

use std::fs;
use std::path::Path;

use idemcheck::model::shipped;
use idemcheck::policy::keys::POLICY;
use idemcheck::policy::load_texts;
use idemcheck::policy::templates::{self, Template};
use idemcheck::source::keys::{Key, Kind, Section};

#[path = "templates/annotate.rs"]
mod annotate;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn idemcheck(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = assert_cmd::Command::cargo_bin("idemcheck").unwrap();
    command.env_remove("FORCE_COLOR").env_remove("CLICOLOR_FORCE").current_dir(folder).args(args);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What is wrong with a policy over the shipped models.
fn complaints(text: &str, model: &str) -> Vec<String> {
    let model = shipped::all().into_iter().find(|known| known.name == model).expect("a shipped model");
    let loaded = load_texts((Path::new("p.toml"), text), (Path::new("m.toml"), model.text));
    loaded.diagnostics.iter().map(|found| found.message.clone()).collect()
}

#[test]
fn every_template_has_every_key_that_it_could_have() {
    let folder = Path::new(ROOT).join("templates");
    let files = fs::read_dir(&folder).unwrap().count();
    assert_eq!(templates::all().len(), files, "a template without policy, summary or model");
    for template in templates::all() {
        let fresh = annotate::annotated(template.text, &|text| complaints(text, template.model).is_empty());
        let path = folder.join(format!("{}.toml", template.name));
        if std::env::var_os("IDEMCHECK_UPDATE").is_some() {
            fs::write(&path, &fresh).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap();
        assert!(committed == fresh, "{} is out of date: IDEMCHECK_UPDATE=1", path.display());
        assert!(committed.starts_with("#:schema ./policy.schema.json\n# "), "{}", template.name);
    }
}

#[test]
fn a_template_explains_what_it_offers() {
    let payment = template("payment-charge");
    // Keys that are set, keys that could be, sections that could be, and those that could not.
    for shown in ["## The fields that make two", "\n#timeout = \"10s\"\n", "\n#[http]\n", "\n#[[waiver]]\n"] {
        assert!(payment.text.contains(shown), "{shown}");
    }
    for other in ["[guards", "[target]", "visibility", "every ="] {
        assert!(!payment.text.contains(other), "{other}");
    }
    assert!(template("outbox").text.contains("\n[role.relay]\n"));
    assert!(template("lock").text.contains("\n#session = true\n"));
}

/// Keys that are commented out, each with its `#` taken away alone, are no fault; nor is the section they are in.
#[test]
fn what_is_commented_out_can_be_used() {
    for template in templates::all() {
        let mut tried = 0;
        for (at, line) in template.text.lines().enumerate() {
            let is_key = line.starts_with('#') && line.contains(" = ") && !line.starts_with("# ");
            if !is_key || line.starts_with("##") {
                continue;
            }
            let lines: Vec<&str> = template.text.lines().collect();
            let text = uncommented(&lines, at);
            let found = complaints(&text, template.model);
            assert_eq!(found, Vec::<String>::new(), "{}: {line}", template.name);
            tried += 1;
        }
        assert!(tried > 20, "{}: {tried}", template.name);
    }
}

/// With one line taken in: with the lines that go with it, and, in a section that is commented out, with what
/// that section begins with.
fn uncommented(lines: &[&str], at: usize) -> String {
    let part = |ends: fn(&str) -> bool| {
        let first = (0..at).rev().take_while(|line| !ends(lines[*line])).last().unwrap_or(at);
        let last = (at + 1..lines.len()).take_while(|line| !ends(lines[*line])).last().unwrap_or(at);
        first..=last
    };
    let group = part(|line| line.is_empty() || line.starts_with("## "));
    let region = part(str::is_empty);
    let header = lines[region.clone()].iter().find(|line| line.starts_with("#["));
    let declared = lines[region.clone()].iter().any(|line| line.starts_with('['));
    let root = header.filter(|_| !declared).and_then(|header| section_of(&header[1..]));
    let whole = lines.iter().enumerate().map(|(number, line)| {
        let text = line.strip_prefix('#').unwrap_or(line);
        let begins = root.is_some_and(|(key, _)| annotate::base(key).lines().any(|line| line == text));
        match group.contains(&number) || (begins && region.contains(&number)) {
            true => text,
            false => line,
        }
    });
    whole.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn every_template_verifies_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for template in templates::all() {
        let (code, stdout, stderr) = idemcheck(folder.path(), &["init", "--template", template.name]);
        assert_eq!((code, stdout), (0, format!("policies/{}.toml\n", template.name)), "{stderr}");
        let path = format!("policies/{}.toml", template.name);
        let (code, stdout, stderr) = idemcheck(folder.path(), &["verify", &path]);
        assert_eq!(code, 0, "{}: {stdout}{stderr}", template.name);
        assert!(!stderr.contains("warning"), "{stderr}");
    }
}

#[test]
fn a_new_policy_has_its_name_and_a_schema_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) =
        idemcheck(folder.path(), &["init", "refund", "--template", "local-write", "--to", "flows"]);
    assert_eq!((code, stdout.as_str()), (0, "flows/refund.toml\n"), "{stderr}");
    assert!(stderr.contains("next: idemcheck verify flows/refund.toml"), "{stderr}");
    let text = fs::read_to_string(folder.path().join("flows/refund.toml")).unwrap();
    assert!(text.contains("\npolicy  = \"refund\"\n"));
    // What the first line names is there, and is the schema of policies.
    let named = text.lines().next().unwrap().strip_prefix("#:schema ").unwrap();
    let schema = fs::read_to_string(folder.path().join("flows").join(named)).unwrap();
    assert_eq!(schema, fs::read_to_string(Path::new(ROOT).join("schemas/policy.schema.json")).unwrap());
    let document: toml::Table = toml::from_str(&text).unwrap();
    let value = serde_json::to_value(document).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    for name in ["refund.toml", "policy.schema.json"] {
        fs::write(folder.path().join("policies").join(name), "mine").unwrap();
    }
    let (code, stdout, stderr) = idemcheck(folder.path(), &["init", "refund"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("policies/refund.toml is there already"), "{stderr}");
    let (code, ..) = idemcheck(folder.path(), &["init", "charge"]);
    assert_eq!(code, 0);
    for name in ["refund.toml", "policy.schema.json"] {
        assert_eq!(fs::read_to_string(folder.path().join("policies").join(name)).unwrap(), "mine");
    }
}

#[test]
fn what_cannot_be_begun_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (args, says) in [
        (&["init", "--template", "payment-chrage"][..], "did you mean `payment-charge`?"),
        (&["init", "--template", "zzz"][..], "`idemcheck init --list` lists all of them"),
        (&["init", "Refund It"][..], "is no name of a policy"),
        (&["init", "../refund"][..], "is no name of a policy"),
        (&["init", "refund", "--list"][..], "cannot be used with"),
    ] {
        let (code, stdout, stderr) = idemcheck(folder.path(), args);
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}");
        assert!(stderr.contains(says), "{stderr}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_list_has_every_template() {
    let (code, stdout, _) = idemcheck(Path::new(ROOT), &["init", "--list"]);
    assert_eq!(code, 0);
    for Template { name, summary, model, .. } in templates::all() {
        assert!(stdout.lines().any(|line| line.starts_with(name) && line.contains(summary)), "{name}");
        assert!(shipped::all().iter().any(|known| known.name == model), "{model}");
    }
    assert_eq!(stdout.matches("(default)").count(), 1);
}

fn template(name: &str) -> Template {
    templates::all().into_iter().find(|template| template.name == name).unwrap()
}

/// The section of a policy's table, by the name in its header.
fn section_of(header: &str) -> Option<(&'static Key, Option<&'static Section>)> {
    let name = header.trim_matches(['[', ']']);
    let root = name.split('.').next()?;
    let key = POLICY.key(root)?;
    let section = match key.kind {
        Kind::Table(section) | Kind::Tables(section) if root == name => Some(section),
        Kind::NamedTables(section) if root != name => Some(section),
        _ => None,
    };
    Some((key, section))
}
