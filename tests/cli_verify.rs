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

#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_search_and_what_is_known_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.toml"), REFUND).unwrap();
    let child = std::process::Command::new(assert_cmd::cargo::cargo_bin("idemcheck"))
        .args(["verify", "policy.toml"])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let began = Instant::now();
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout.contains("stopped by an interrupt"), "{stdout}");
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

/// A message that is consumed twice without anybody noticing.
const QUEUE: &str = r#"
policy = "consumer"
model  = "consumer"

[operation]
effect   = "create"
identity = ["order_id"]

[trigger]
kind     = "queue"
requests = 1
retries  = 1

[queue]
kind = "sqs-standard"

[store]
kind = "postgres"

[choices]
unknown = "again"

[faults]
pause = "40s"
"#;

#[test]
fn a_step_that_leaves_its_client_waiting_says_no_more() {
    let report = verify(REFUND, &["--property", "truthful-conflict", "--format", "json"]).json();
    let sees = column(&report, "truthful-conflict", "sees").join("\n");
    assert!(sees.contains("its client gives up before it hears `failed`"), "{sees}");
}

#[test]
fn what_ran_out_is_seen_in_what_changed() {
    let changes = |policy: &str, name: &str| {
        let report = verify(policy, &["--property", name, "--format", "json"]).json();
        property(&report, name)["counterexample"]["steps"].to_string()
    };
    let native = changes(REFUND, "single-execution");
    assert!(native.contains(r#""from":"known, expired","to":"known""#), "{native}");
    let atomic = REFUND.replace("eventual-kv", "postgres").replace("lease = \"30s\"", "ttl = \"1h\"");
    let atomic =
        atomic.replace("\"receipt\"", "\"atomic-receipt\"").replace("take_over = \"reconcile\"\n", "");
    let receipt = changes(&atomic, "ttl-covers-retries");
    assert!(receipt.contains(", expired\""), "{receipt}");
    let leased = REFUND.replace("eventual-kv", "postgres").replace("lease = \"30s\"", "lease = \"1s\"");
    let lease = changes(&leased, "claim-exclusive");
    assert!(lease.contains("in progress (attempt 1.1), lease over"), "{lease}");
}

#[test]
fn a_queue_speaks_of_messages_and_brokers() {
    let said = verify(QUEUE, &["--format", "json"]);
    let report = said.json();
    let does = column(&report, "effectively-once", "does").join("\n");
    assert!(does.contains("is delivered to consumer 1.1"), "{does}");
    assert!(!said.stdout.contains("its client"), "{does}");
    let warnings = report["policies"][0]["warnings"].to_string();
    assert!(warnings.contains("may deliver a message twice"), "{warnings}");
    let budgeted = QUEUE.replace("[faults]", "[faults]\nredeliveries = 1");
    let report = verify(&budgeted, &["--format", "json"]).json();
    let warnings = report["policies"][0]["warnings"].to_string();
    assert!(!warnings.contains("may deliver a message twice"), "{warnings}");
}

#[test]
fn files_that_cannot_be_written_are_found_before_the_search() {
    for (args, complaint) in [
        (["--output", "."], "it is a folder, not a file"),
        (["--traces", "policy.toml"], "it is a file, not a folder"),
        (["--output", "policy.toml/report.json"], "cannot write policy.toml/report.json"),
        (["--traces", "policy.toml/traces"], "cannot write policy.toml/traces"),
    ] {
        let began = Instant::now();
        let said = verify(REFUND, &args);
        assert!(began.elapsed() < Duration::from_secs(10), "{args:?}");
        assert_eq!(said.code, 2, "{args:?}");
        assert!(said.stderr.contains(complaint), "{args:?}: {}", said.stderr);
        assert_eq!(said.stdout, "");
    }
}

#[test]
fn a_dash_is_stdout() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.toml"), QUEUE).unwrap();
    let said = run(folder.path(), &["verify", "policy.toml", "--output", "-", "--traces", "traces"]);
    assert!(said.stdout.contains("1 policy"), "{}", said.stderr);
    assert!(!folder.path().join("-").exists());
    let left: Vec<_> = std::fs::read_dir(folder.path().join("traces")).unwrap().collect();
    assert!(
        left.iter().all(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "json"))
    );
}

#[test]
fn a_limit_is_named_with_its_value_and_what_to_do() {
    for (args, limit, advice) in [
        (["--max-states", "500"], "the limit of 500 zones held", "raise --max-states"),
        (["--max-memory", "1MiB"], "the limit of 1 MiB of memory", "raise --max-memory"),
        (["--timeout", "500ms"], "the limit of time", "raise --timeout (now 500ms)"),
    ] {
        let said = verify(REFUND, &args);
        assert!(said.stdout.contains(&format!("stopped by {limit}")), "{}", said.stdout);
        assert!(said.stdout.contains(&format!("hint: {advice}")), "{}", said.stdout);
        assert!(said.stdout.contains("worst stuck time 30s or more: stopped by"), "{}", said.stdout);
    }
}

/// The most memory that the process ever had, in bytes.
#[cfg(target_os = "linux")]
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

/// What the process takes beside the search, some 20 MB, is not part of the limit.
#[cfg(target_os = "linux")]
#[test]
fn the_limit_of_memory_is_kept_to_within_a_tenth() {
    let folder = tempfile::tempdir().unwrap();
    let policy = include_str!("../benches/receipt.toml").replace("requests = 2", "requests = 3");
    std::fs::write(folder.path().join("policy.toml"), policy.replace("pause = \"5s\"", "")).unwrap();
    let limit: u64 = 256 << 20;
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("idemcheck"))
        .args(["verify", "policy.toml", "--max-memory", "256MiB", "--no-cache", "--output", "report.txt"])
        .current_dir(folder.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = most.max(peak(child.id()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    let report = std::fs::read_to_string(folder.path().join("report.txt")).unwrap();
    assert!(report.contains("stopped by the limit of 256 MiB of memory"), "{report}");
    let mib = most >> 20;
    assert!(most < limit + limit / 10 + (20 << 20), "{mib} MiB, more than the limit allows");
    assert!(most > limit - limit / 5, "{mib} MiB: it gave up far too early");
}

#[test]
fn what_is_at_stake_is_in_every_report() {
    let said = verify(REFUND, &["--property", "single-execution"]);
    assert!(said.stdout.contains("(model receipt, severity money)"), "{}", said.stdout);
    let report = verify(REFUND, &["--property", "single-execution", "--format", "json"]).json();
    assert_eq!(report["policies"][0]["severity"], "money");
}

#[test]
fn an_effect_without_a_bound_on_its_lateness_gets_a_hint() {
    let warnings = |policy: &str| {
        let report = verify(policy, &["--property", "no-stale-overwrite", "--format", "json"]).json();
        report["policies"][0]["warnings"].to_string()
    };
    assert!(warnings(REFUND).contains("declare it (`downstream.late`)"), "{}", warnings(REFUND));
    let bounded = REFUND.replace("query   = true", "query   = true\nlate    = \"60s\"");
    assert!(!warnings(&bounded).contains("downstream.late"), "{}", warnings(&bounded));
}

#[test]
fn a_stable_field_beside_the_identity_gets_a_lint() {
    let stable = REFUND.replace("severity = \"money\"", "stable   = [\"intent\"]").replace(
        "from        = [\"tenant\", \"refund_id\"]",
        "from        = [\"tenant\", \"refund_id\", \"intent\"]",
    );
    let report = verify(&stable, &["--property", "single-execution", "--format", "json"]).json();
    let lints = report["policies"][0]["lints"].to_string();
    assert!(lints.contains("stable-beside-identity"), "{lints}");
}

#[test]
fn what_no_policy_of_a_model_sees_is_for_those_who_ask() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        let text = QUEUE.replace("\"consumer\"\nmodel", &format!("\"{name}\"\nmodel"));
        std::fs::write(folder.path().join(format!("{name}.toml")), text.replace("40s", "1s")).unwrap();
    }
    let never = "no policy that uses the model";
    assert!(!run(folder.path(), &["verify", "."]).stdout.contains(never));
    let all = run(folder.path(), &["verify", ".", "-v"]).stdout;
    assert!(all.contains(never), "{all}");
}

/// A policy named by itself finds the model that lies in `models` beside it, as its whole folder does.
#[test]
fn a_policy_finds_the_models_beside_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let said = run(root, &["verify", "policies/incidents/argocd-vs-hpa.toml"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
}
