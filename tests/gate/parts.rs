//! Parts of a run, and how they come together.

use serde_json::Value;

use super::support::*;

fn part(folder: &Folder, part: &str, file: &str, more: &[&str]) -> Said {
    let partition = format!("hash:{part}");
    let said = folder.run(&[&["verify", "--partition", &partition, "--format", "json"], more].concat());
    folder.write(file, &said.stdout);
    said
}

/// Seven policies, of which one is violated.
fn seven() -> Folder {
    let folder = Folder::with(LEASE_12S);
    for number in 0..6 {
        folder.write(
            &format!("policies/{number}.toml"),
            &sound().replace("\"charge\"", &format!("\"sound-{number}\"")),
        );
    }
    folder
}

#[test]
fn parts_come_to_what_the_whole_comes_to() {
    let folder = seven();
    let whole = folder.run(&["verify", "--format", "json"]).exits(1);
    let mut files = Vec::new();
    let mut selected = 0;
    let mut codes = Vec::new();
    for number in 1..=3 {
        let file = format!("{number}.json");
        let said = part(&folder, &format!("{number}/3"), &file, &[]);
        let partition = said.json()["partition"].clone();
        assert_eq!(partition["total"], 7);
        selected += partition["selected"].as_u64().unwrap();
        codes.push(said.code);
        files.push(file);
    }
    assert_eq!(selected, 7);
    codes.sort_unstable();
    assert_eq!(codes, [0, 0, 1]);
    files.reverse();
    let args: Vec<&str> =
        [&["merge", "--format", "json"][..], &files.iter().map(String::as_str).collect::<Vec<_>>()].concat();
    let merged = folder.run(&args).exits(1);
    assert_eq!(without_seconds(merged.json()), without_seconds(whole.json()));
    // The same in the other formats, lines included.
    for format in ["sarif", "github", "markdown"] {
        let args: Vec<&str> =
            [&["merge", "--format", format][..], &files.iter().map(String::as_str).collect::<Vec<_>>()]
                .concat();
        assert_eq!(
            folder.run(&args).exits(1).stdout,
            folder.run(&["verify", "--format", format]).stdout,
            "{format}"
        );
    }
    // People see how much it was.
    let said = folder.run(&["verify", "--partition", "hash:1/3"]);
    assert!(said.stdout.contains(" of 7 policies"), "{}", said.stdout);
}

#[test]
fn the_shipped_corpus_comes_together() {
    let root = std::path::Path::new(ROOT);
    let folder = Folder::new();
    let run = |args: &[&str]| {
        let mut command = folder.command(args);
        Said::of(command.current_dir(root).output().unwrap())
    };
    let kept = folder.path("kept").display().to_string();
    let whole = run(&["verify", "policies/", "--format", "json", "--cache", &kept]);
    let mut args = vec!["merge".to_owned(), "--format".to_owned(), "json".to_owned()];
    for number in 1..=4 {
        let said = run(&[
            "verify",
            "policies/",
            "--format",
            "json",
            "--cache",
            &kept,
            "--partition",
            &format!("hash:{number}/4"),
        ]);
        let file = format!("{number}.json");
        folder.write(&file, &said.stdout);
        args.push(folder.path(&file).display().to_string());
    }
    let merged = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(merged.code, whole.code);
    assert_eq!(without_seconds(merged.json()), without_seconds(whole.json()));
}

#[test]
fn what_is_no_whole_is_refused() {
    let folder = seven();
    for number in 1..=2 {
        part(&folder, &format!("{number}/2"), &format!("{number}.json"), &[]);
    }
    folder.run(&["merge", "1.json", "2.json"]).exits(1);
    let refused = |files: &[&str], says: &str| {
        let said = folder.run(&[&["merge"], files].concat()).exits(2);
        assert!(said.stderr.contains(says), "{files:?}: {}", said.stderr);
        assert_eq!(said.stdout, "");
    };
    refused(&["1.json"], "of 2 parts, these are missing: 2");
    refused(&["1.json", "1.json"], "1.json and 1.json are both part 1/2");
    refused(&["1.json", "2.json", "1.json"], "both part 1/2");
    part(&folder, "3/3", "third.json", &[]);
    refused(&["1.json", "third.json"], "are of runs in 2 and in 3 parts");
    folder.write("whole.json", &folder.run(&["verify", "--format", "json"]).stdout);
    refused(&["whole.json"], "is no part of a run");
    let changed = |from: &str, to: &str| {
        let text = folder.read("2.json");
        assert!(text.contains(from), "{from}");
        folder.write("changed.json", &text.replace(from, to));
    };
    changed(idemcheck::BUILD, "0000000000000000");
    refused(&["1.json", "changed.json"], "different versions of idemcheck");
    changed(&format!("\"tool\": \"{}\"", env!("CARGO_PKG_VERSION")), "\"tool\": \"9.9.9\"");
    refused(&["1.json", "changed.json"], "different versions of idemcheck");
    changed("\"version\": 1", "\"version\": 7");
    refused(&["1.json", "changed.json"], "format version 7");
    part(&folder, "2/2", "other.json", &["--max-states", "100000"]);
    refused(&["1.json", "other.json"], "are of different runs");
    folder.write("policies/6.toml", &sound().replace("\"charge\"", "\"sound-6\""));
    part(&folder, "2/2", "more.json", &[]);
    refused(&["1.json", "more.json"], "are of different runs");
    folder.write("nonsense.json", "{}");
    refused(&["1.json", "nonsense.json"], "nonsense.json is not what");
    for wrong in ["1/2", "hash:0/2", "hash:3/2", "slice:1/2"] {
        folder.run(&["verify", "--partition", wrong]).exits(2);
    }
}

#[test]
fn a_fault_and_a_baseline_come_through() {
    let folder = seven();
    folder.run(&["verify", "--write-baseline", "known.json"]).exits(0);
    let known = ["--baseline", "known.json"];
    let text = folder
        .read("known.json")
        .replace("\"property\": \"claim-exclusive\"", "\"property\": \"no-stuck-key\"");
    folder.write("known.json", &text);
    let whole = folder.run(&["verify", "--format", "json", "--baseline", "known.json"]).exits(1);
    for number in 1..=2 {
        part(&folder, &format!("{number}/2"), &format!("{number}.json"), &known);
    }
    let merged = folder.run(&["merge", "--format", "json", "1.json", "2.json"]).exits(1);
    assert_eq!(without_seconds(merged.json()), without_seconds(whole.json()));
    let stale = |value: &Value| value["baseline"]["stale"].as_array().unwrap().len();
    assert_eq!(stale(&merged.json()), 1);
    part(&folder, "2/2", "2.json", &[]);
    folder.run(&["merge", "1.json", "2.json"]).exits(2);
    folder.write("policies/broken.toml", "policy = ");
    for number in 1..=2 {
        part(&folder, &format!("{number}/2"), &format!("{number}.json"), &[]).exits(2);
    }
    let merged = folder.run(&["merge", "--format", "json", "1.json", "2.json"]).exits(2);
    assert_eq!(merged.json()["summary"]["failed"], 1);
}

/// Every kind of fault that `verify` exits with 2 for.
#[test]
fn what_could_not_be_read_comes_through() {
    type Fault = (&'static str, fn(&Folder), &'static [&'static str], &'static str);
    let faults: [Fault; 6] = [
        (
            "not UTF-8",
            |folder| std::fs::write(folder.path("policies/z.toml"), b"\xff").unwrap(),
            &[],
            "policies/z.toml",
        ),
        (
            "too large",
            |folder| folder.write("policies/z.toml", &"#\n".repeat(600_000)),
            &[],
            "policies/z.toml",
        ),
        ("not there", |_| {}, &["policies/", "polices-typo/"], "polices-typo"),
        (
            "neither policy nor model",
            |folder| folder.write("policies/z.toml", "a = 1\n"),
            &[],
            "policies/z.toml",
        ),
        (
            "a model that nobody uses",
            |folder| folder.write("policies/z.toml", "model = \"z\"\nstart = \"a\"\n[state.a]\n"),
            &[],
            "policies/z.toml",
        ),
        (
            "a second model of one name",
            |folder| {
                let model = std::fs::read_to_string(shipped("models/receipt.toml")).unwrap();
                folder.write("policies/y.toml", &model);
                folder.write("policies/z.toml", &model);
            },
            &[],
            "policies/z.toml",
        ),
    ];
    for (name, fault, paths, says) in faults {
        let folder = Folder::with(&sound());
        fault(&folder);
        folder.run(&[&["verify"], paths].concat()).exits(2);
        for number in 1..=2 {
            part(&folder, &format!("{number}/2"), &format!("{number}.json"), paths).exits(2);
        }
        let merged = folder.run(&["merge", "1.json", "2.json"]);
        assert_eq!(merged.code, 2, "{name}: {}", merged.stderr);
        assert!(merged.stderr.contains(says), "{name}: {}", merged.stderr);
    }
}

#[test]
fn a_part_that_was_cut_down_is_refused() {
    let folder = Folder::with(LEASE_12S);
    part(&folder, "1/1", "1.json", &[]).exits(1);
    let mut value: Value = serde_json::from_str(&folder.read("1.json")).unwrap();
    value["policies"].as_array_mut().unwrap().clear();
    folder.write("1.json", &value.to_string());
    let said = folder.run(&["merge", "1.json"]).exits(2);
    assert!(said.stderr.contains("does not have the results of its own policies"), "{}", said.stderr);
}
