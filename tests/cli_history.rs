//! `idemcheck check-history`, as people and pipelines see it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use idemcheck::history::report::{record_schema, report_schema};
use idemcheck::history::{HistoryReport, Rule};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const FILES: &str = "tests/history/files";

fn check(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_idemcheck"));
    command.arg("check-history").args(args).current_dir(ROOT).env("NO_COLOR", "1").output().unwrap()
}

fn shown(args: &[&str]) -> String {
    let output = check(args);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!(
        "$ idemcheck check-history {}\nexit code {}\n--- stdout\n{}--- stderr\n{}",
        args.join(" "),
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

macro_rules! snapshot {
    ($name:literal, $args:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true,
                                snapshot_path => "cli" },
            { insta::assert_snapshot!($name, shown($args)) })
    };
}

#[test]
fn accepted() {
    snapshot!("history_accepted", &["tests/history/files/burst.jsonl"]);
}

#[test]
fn rejected() {
    snapshot!("history_rejected", &["tests/history/files/late-conflict.jsonl"]);
}

#[test]
fn unknown() {
    snapshot!("history_unknown", &["tests/history/files/unknown.jsonl"]);
}

#[test]
fn faulty_files() {
    snapshot!("history_faulty", &["tests/history/files/faulty.jsonl"]);
}

#[test]
fn actions() {
    let policy = "policies/remediation/systemd-start-limit-60.toml";
    snapshot!("history_actions", &["tests/history/files/restarts.jsonl", "--policy", policy]);
    let within = check(&["tests/history/files/restarts-within-limit.jsonl", "--policy", policy]);
    assert_eq!(within.status.code(), Some(0), "{}", String::from_utf8_lossy(&within.stdout));
    // Without guards there is nothing to judge them by.
    let bare = check(&["tests/history/files/restarts.jsonl"]);
    assert_eq!(bare.status.code(), Some(3), "{}", String::from_utf8_lossy(&bare.stdout));
}

#[test]
fn machines_read_the_same() {
    let output = check(&["tests/history/files/late-conflict.jsonl", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let validator = jsonschema::validator_for(report_schema().as_value()).unwrap();
    assert!(validator.is_valid(&json), "{:?}", validator.iter_errors(&json).next());
    let report: HistoryReport = serde_json::from_value(json).unwrap();
    assert_eq!((report.keys.accepted, report.keys.rejected, report.keys.unknown), (1, 2, 0));
    assert_eq!(report.findings[0].rule, Some(Rule::InFlightAfterAnswer));
    assert_eq!(report.findings[0].proof[0].line, Some(3));
}

#[test]
fn sound_lines_are_valid_and_unsound_ones_are_not() {
    let validator = jsonschema::validator_for(record_schema().as_value()).unwrap();
    let lines = |name: &str| std::fs::read_to_string(Path::new(ROOT).join(FILES).join(name)).unwrap();
    for name in ["burst.jsonl", "late-conflict.jsonl", "unknown.jsonl", "restarts.jsonl"] {
        for line in lines(name).lines() {
            let json = serde_json::from_str(line).unwrap();
            assert!(validator.is_valid(&json), "{line}");
        }
    }
    for line in [r#"{"type":"request","key":"k"}"#, r#"{"type":"count"}"#] {
        assert!(!validator.is_valid(&serde_json::from_str(line).unwrap()), "{line}");
    }
}

#[test]
fn the_schemas_are_committed() {
    for (name, schema) in [
        ("history", record_schema()),
        ("history-report", report_schema()),
        ("load-report", idemcheck::report::load::schema()),
        ("calibration", idemcheck::report::calibration::schema()),
    ] {
        let path = Path::new(ROOT).join(format!("schemas/{name}.schema.json"));
        let fresh = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("IDEMCHECK_UPDATE").is_some() {
            std::fs::write(&path, &fresh).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == fresh,
            "schemas/{name}.schema.json is out of date: IDEMCHECK_UPDATE=1 cargo test"
        );
    }
}

#[test]
fn a_policy_gives_the_terms() {
    // Nothing frees the key after a failure that is recorded.
    let line = |id: u32, start: u32, end: u32, more: &str| {
        format!(r#"{{"type":"request","key":"k","id":"{id}","start":{start},"end":{end},"body":"b",{more}}}"#)
    };
    let text = [
        line(1, 1, 5, r#""outcome":"failed","status":500"#),
        line(2, 6, 9, r#""outcome":"final","status":201,"response":"r""#),
    ]
    .join("\n");
    let with = |policy: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_idemcheck"));
        command.args(["check-history", "-", "--policy", policy]).current_dir(ROOT);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let replayed = with("policies/write-path/lease-36s.toml");
    let said = String::from_utf8(replayed.stdout).unwrap();
    assert_eq!(replayed.status.code(), Some(1), "{said}");
    assert!(said.contains("answers-differ"), "{said}");
}

#[test]
fn nothing_to_judge_is_not_green() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.jsonl");
    std::fs::write(&path, "\n{\"type\":\"header\",\"version\":1}\n").unwrap();
    assert_eq!(check(&[path.to_str().unwrap()]).status.code(), Some(4));
    assert_eq!(check(&["no-such-file.jsonl"]).status.code(), Some(2));
    assert_eq!(check(&[]).status.code(), Some(2));
}

#[test]
fn hostile_lines_are_faults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.jsonl");
    let nested = "[".repeat(60_000);
    let far = r#"{"type":"count","key":"k","effects":18446744073709551615,"start":-9223372036854775808,"end":9223372036854775807}"#;
    let long = format!("{{\"type\":\"effect\",\"key\":\"{}\"}}", "k".repeat(100_000));
    std::fs::write(&path, [nested.as_str(), far, &long, "\u{0}", "{}"].join("\n")).unwrap();
    let output = check(&[path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    for line in 1..=5 {
        assert!(said.contains(&format!("hostile.jsonl:{line}: ")), "{line}: {said}");
    }
    // Two keys of numbers at their ends are judged all the same.
    let far = r#"{"type":"count","key":"k","effects":18446744073709551615,"start":0,"end":0}"#;
    let lease = r#"{"type":"header","version":1,"terms":{"lease":{"min":18446744073709551615},"ttl":{"min":0,"max":0}}}"#;
    std::fs::write(&path, [lease, far].join("\n")).unwrap();
    assert_ne!(check(&[path.to_str().unwrap()]).status.code(), Some(101));
}
