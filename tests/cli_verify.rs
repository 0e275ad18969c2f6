//! `idemcheck verify` from outside, on policies that people write: limits, runs, files, remarks.

use std::path::Path;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use serde_json::Value;

/// A refund through an eventually consistent receipt store: its search for runs without end is long.
const REFUND: &str = r#"
policy  = "refund"
summary = "A refund through an eventually consistent receipt store"
model   = "receipt"

[operation]
effect   = "create"
identity = ["tenant", "refund_id"]
severity = "money"

[key]
from        = ["tenant", "refund_id"]
supplied_by = "client"

[trigger]
requests = 1
retries  = 1
timeout  = "10s"

[store]
kind  = "eventual-kv"
lease = "30s"

[downstream]
kind    = "stripe-v1"
latency = ["50ms", "10s"]
timeout = "10s"
query   = true
fencing = false

[choices]
in_flight = "reject"
take_over = "reconcile"
failed    = "replay"
unknown   = "hold"

[faults]
pause = "5s"
"#;

struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

fn run(folder: &Path, args: &[&str]) -> Said {
    let mut command = Command::cargo_bin("idemcheck").unwrap();
    command.env_remove("FORCE_COLOR").env_remove("CLICOLOR_FORCE").current_dir(folder).args(args);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// `verify policy.toml` in a folder of its own.
fn verify(policy: &str, args: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.toml"), policy).unwrap();
    run(folder.path(), &[&["verify", "policy.toml"], args].concat())
}

/// A property of the only policy.
fn property<'a>(report: &'a Value, name: &str) -> &'a Value {
    let properties = report["policies"][0]["properties"].as_array().unwrap();
    properties.iter().find(|property| property["property"] == name).unwrap()
}

/// The cells of a column in a property's run.
fn column(report: &Value, name: &str, column: &str) -> Vec<String> {
    let steps = property(report, name)["counterexample"]["steps"].as_array().unwrap();
    steps.iter().map(|step| step[column].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_search_for_a_run_without_end_heeds_the_limit_of_time() {
    let began = Instant::now();
    let said = verify(REFUND, &["--timeout", "1s", "--format", "json"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // What was found before is shown all the same.
    let report = said.json();
    assert_eq!(said.code, 1);
    assert_eq!(property(&report, "single-execution")["verdict"], "violated");
    assert_eq!(property(&report, "no-stuck-key")["verdict"], "inconclusive");
    assert_eq!(said.stderr, "");
}

#[test]
fn what_is_not_asked_for_is_not_sought() {
    let began = Instant::now();
    let said = verify(REFUND, &["--property", "single-execution", "--format", "json"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let report = said.json();
    assert_eq!(report["policies"][0]["properties"].as_array().unwrap().len(), 1);
    assert_eq!(report["policies"][0]["loops"], Value::Null);
    // What was not asked for bears a lint out nevertheless.
    assert_eq!(report["policies"][0]["lints"][0]["confirmed_by"], "ttl-covers-retries");
}

#[test]
fn a_run_has_no_fault_that_it_does_not_need() {
    let names = ["no-self-conflict", "truthful-conflict"];
    let args = names.map(|name| ["--property", name]).concat();
    let report = verify(REFUND, &[&args[..], &["--format", "json"]].concat()).json();
    for name in names {
        let sees = column(&report, name, "sees").concat() + &column(&report, name, "does").concat();
        assert!(!sees.contains("(fault)"), "{name}: {sees}");
    }
}
