//! Baselines: old violations are shown as such, new ones count, and what is mended is reported.

use serde_json::Value;

use super::support::*;

fn written(policy: &str) -> Folder {
    let folder = Folder::with(policy);
    folder.run(&["verify"]).exits(1);
    folder.run(&["verify", "--write-baseline", "known.json"]).exits(0);
    folder
}

fn against(folder: &Folder) -> Said {
    folder.run(&["verify", "--baseline", "known.json", "--format", "json"])
}

fn stale(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let stale = report["baseline"]["stale"].as_array().unwrap();
    stale.iter().map(|entry| (text(&entry["property"]), text(&entry["why"]))).collect()
}

#[test]
fn what_was_there_is_shown_and_does_not_count() {
    let folder = written(LEASE_12S);
    let file: Value = serde_json::from_str(&folder.read("known.json")).unwrap();
    assert_eq!(file["entries"].as_array().unwrap().len(), 3);
    let validator =
        jsonschema::validator_for(&serde_json::to_value(idemcheck::check::baseline::schema()).unwrap())
            .unwrap();
    assert!(validator.is_valid(&file));
    // No moment and no line is in it.
    assert!(!folder.read("known.json").contains("12s"), "{}", folder.read("known.json"));
    let report = against(&folder).exits(0).json();
    assert_eq!(report["baseline"]["known"], 3);
    assert_eq!(report["summary"]["baselined"], 1);
    assert_eq!(report["summary"]["unexpected"], 0);
    assert!(stale(&report).is_empty());
    for (format, says) in [
        ("human", "violated, in the baseline"),
        ("junit", "in the baseline: "),
        ("github", "violated, in the baseline"),
        ("markdown", "violated, in the baseline"),
        ("sarif", "\"baselineState\": \"unchanged\""),
    ] {
        let said = folder.run(&["verify", "--baseline", "known.json", "--format", format]).exits(0);
        assert!(said.stdout.contains(says), "{format}: {}", said.stdout);
        assert!(said.stdout.contains("single-execution"), "{format}: {}", said.stdout);
    }
    folder.run(&["report", "--baseline", "known.json"]).exits(0);
    assert!(folder.read("reports/index.html").contains("Baseline known.json: 3 known, 0 stale"));
}

#[test]
fn times_comments_and_lines_make_no_other_finding() {
    let folder = written(LEASE_12S);
    folder.write("policies/charge.toml", &format!("# moved\n\n{}", LEASE_12S.replace("12s", "11s")));
    let report = against(&folder).exits(0).json();
    assert_eq!(report["baseline"]["known"], 3);
}

#[test]
fn another_run_is_another_finding() {
    let folder = written(LEASE_12S);
    let file = folder.read("known.json");
    let entry: Value = serde_json::from_str(&file).unwrap();
    let known = entry["entries"][0]["counterexample"].as_str().unwrap();
    folder.write("known.json", &file.replace(known, &"0".repeat(known.len())));
    let report = against(&folder).exits(1).json();
    assert_eq!(report["baseline"]["known"], 2);
    assert_eq!(stale(&report), [("single-execution".to_owned(), "another run breaks it".to_owned())]);
    // And so it is when the policy takes another way to it.
    folder.write("known.json", &file);
    folder.write(
        "policies/charge.toml",
        &LEASE_12S.replace("take_over = \"reconcile\"", "take_over = \"call\""),
    );
    let report = against(&folder).exits(1).json();
    assert!(stale(&report).contains(&("single-execution".to_owned(), "another run breaks it".to_owned())));
}

#[test]
fn what_is_mended_is_stale() {
    let folder = written(LEASE_12S);
    folder.write("policies/charge.toml", &sound());
    let report = against(&folder).exits(0).json();
    let whys: Vec<String> = stale(&report).into_iter().map(|(_, why)| why).collect();
    assert_eq!(whys, ["it holds", "it holds", "it holds"]);
    let human = folder.run(&["verify", "--baseline", "known.json"]).exits(0).stdout;
    assert!(human.contains("stale in the baseline: charge, single-execution: it holds"), "{human}");
    for format in ["junit", "github", "markdown", "sarif"] {
        let said = folder.run(&["verify", "--baseline", "known.json", "--format", format]).exits(0);
        assert!(said.stdout.contains("stale"), "{format}: {}", said.stdout);
    }
    // A policy that is gone, and one that is expected or waived to be violated.
    folder.write("policies/charge.toml", &sound().replace("\"charge\"", "\"other\""));
    let report = against(&folder).exits(0).json();
    assert_eq!(stale(&report)[0].1, "there is no such policy in this run");
    let waiver = "[[waiver]]\nproperty = \"claim-exclusive\"\nreason = \"r\"\nuntil = 2999-01-01\n";
    folder.write(
        "policies/charge.toml",
        &format!("{LEASE_12S}[expect]\nsingle-execution = \"violated\"\n{waiver}"),
    );
    let report = against(&folder).exits(0).json();
    let expected =
        [("single-execution", "it is expected to be violated"), ("claim-exclusive", "a waiver covers it")];
    assert_eq!(stale(&report), expected.map(|(property, why)| (property.to_owned(), why.to_owned())));
    assert_eq!(report["baseline"]["known"], 1);
}

#[test]
fn what_is_not_known_is_not_stale() {
    let folder = written(LEASE_12S);
    let said =
        folder.run(&["verify", "--baseline", "known.json", "--format", "json", "--max-states", "5"]).exits(3);
    assert!(stale(&said.json()).is_empty());
    let args = ["verify", "--baseline", "known.json", "--format", "json", "--property", "no-stuck-key"];
    assert!(stale(&folder.run(&args).exits(0).json()).is_empty());
    // A policy with a fault may be the one.
    folder.write("policies/charge.toml", "policy = ");
    let said = folder.run(&["verify", "--baseline", "known.json", "--format", "json"]).exits(2);
    assert!(stale(&said.json()).is_empty());
}

#[test]
fn a_file_that_is_no_baseline_is_refused() {
    let folder = written(LEASE_12S);
    let file = folder.read("known.json");
    let twice = {
        let mut value: Value = serde_json::from_str(&file).unwrap();
        let first = value["entries"][0].clone();
        value["entries"].as_array_mut().unwrap().push(first);
        value.to_string()
    };
    for (text, says) in [
        ("{}".to_owned(), "not a baseline"),
        (file.replace("\"version\": 1", "\"version\": 9"), "format version 9"),
        (file.replace("single-execution", "single-executions"), "not a baseline"),
        (file.replace("\"steps\"", "\"stpes\""), "not a baseline"),
        (twice, "two entries for single-execution of charge"),
    ] {
        assert_ne!(text, file);
        folder.write("known.json", &text);
        let said = folder.run(&["verify", "--baseline", "known.json"]).exits(2);
        assert!(said.stderr.contains(says) && said.stderr.contains("known.json"), "{}", said.stderr);
        assert_eq!(said.stdout, "");
    }
    folder.run(&["verify", "--baseline", "gone.json"]).exits(2);
    folder.run(&["verify", "--baseline", "a", "--write-baseline", "b"]).exits(2);
}

#[test]
fn none_is_written_of_half_a_run() {
    let folder = Folder::with(LEASE_12S);
    folder.write("policies/broken.toml", "policy = ");
    let said = folder.run(&["verify", "--write-baseline", "known.json"]).exits(2);
    assert!(said.stderr.contains("no baseline is written"), "{}", said.stderr);
    assert!(!folder.path("known.json").exists());
}

const LAPSED: &str = "[[waiver]]\nproperty = \"single-execution\"\nreason = \"r\"\nuntil = 2001-01-01\n";

#[test]
fn a_waiver_that_is_over_beats_an_old_entry() {
    let folder = written(LEASE_12S);
    folder.write("policies/charge.toml", &format!("{LEASE_12S}{LAPSED}"));
    let report = against(&folder).exits(1).json();
    assert_eq!(report["baseline"]["known"], 2);
    assert_eq!(stale(&report), [("single-execution".to_owned(), "its waiver is over".to_owned())]);
    // And no new one is made of it.
    let said = folder.run(&["verify", "--write-baseline", "known.json"]).exits(1);
    assert!(
        said.stderr.contains("not in the baseline, because their waivers are over: 1"),
        "{}",
        said.stderr
    );
    assert!(!folder.read("known.json").contains("single-execution"));
}

#[test]
fn what_got_worse_is_not_known() {
    let folder = written(LEASE_12S);
    let file: Value = serde_json::from_str(&folder.read("known.json")).unwrap();
    assert_eq!(file["entries"][0]["property"], "single-execution");
    assert_eq!(file["entries"][0]["number"]["value"], "2");
    let with = |number: Value| {
        let mut changed = file.clone();
        changed["entries"][0]["number"] = number;
        folder.write("known.json", &changed.to_string());
        against(&folder)
    };
    let number = |value: &str, exact: i64| serde_json::json!({ "name": "most effects", "value": value, "exact": exact });
    let report = with(number("1", 1)).exits(1).json();
    let why = "worse than the baseline: most effects 1 → 2".to_owned();
    assert_eq!(stale(&report), [("single-execution".to_owned(), why)]);
    assert_eq!(with(Value::Null).exits(1).json()["baseline"]["known"], 2);
    // What got better is known.
    assert_eq!(with(number("2 or more", 2)).exits(0).json()["baseline"]["known"], 3);
    assert_eq!(with(number("7", 7)).exits(0).json()["baseline"]["known"], 3);
}
