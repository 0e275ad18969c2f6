//! Twenty servers with a bug each: `idemcheck load` finds it with the probe that is meant for it, and has nothing to
//! say of the fixed twin with any probe.
//!
//! Those in Python and Node take part where these are installed. With IDEMCHECK_TEST_SERVERS=required a missing one is
//! a failure.

#[path = "rust/mod.rs"]
mod servers;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use servers::common::Settings;

/// In milliseconds.
#[derive(Clone, Copy)]
struct Times {
    lease: u64,
    ttl: u64,
    slow: u64,
}

/// Receipts outlive every probe but the one that waits for their end.
const LONG: Times = Times { lease: 500, ttl: 30_000, slow: 750 };
const SHORT: Times = Times { ttl: 800, ..LONG };

/// How a server is had.
#[derive(Clone, Copy)]
enum Kind {
    Python,
    Node,
    Rust(fn(bool, Settings) -> axum::Router),
}

/// What runs it, or None if that is missing and may be.
fn program(kind: Kind) -> Option<&'static str> {
    let program = match kind {
        Kind::Python => "python3",
        Kind::Node => "node",
        Kind::Rust(_) => return Some(""),
    };
    let ran = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if ran.is_ok_and(|status| status.success()) {
        return Some(program);
    }
    assert!(std::env::var("IDEMCHECK_TEST_SERVERS").as_deref() != Ok("required"), "{program} is missing");
    eprintln!("skipped: there is no {program}");
    None
}

/// A server under test, ended with it.
enum Running {
    Process(Child),
    Here(#[expect(dead_code, reason = "its tasks end with it")] tokio::runtime::Runtime),
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Running::Process(child) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn words(kind: Kind, name: &str, fixed: bool, times: Times) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeded");
    let file = match kind {
        Kind::Python => folder.join("python").join(format!("{name}.py")),
        _ => folder.join("node").join(format!("{name}.mjs")),
    };
    let mut words = vec![file.to_str().unwrap().to_owned()];
    words.extend(["--lease".to_owned(), times.lease.to_string(), "--ttl".to_owned(), times.ttl.to_string()]);
    words.extend(fixed.then(|| "--fixed".to_owned()));
    words
}

fn spawn(program: &str, words: &[String]) -> (Running, u16) {
    let child = Command::new(program).args(words).args(["--port", "0"]).stdout(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
    (Running::Process(child), port.unwrap_or_else(|| panic!("{words:?} said {line:?}")))
}

fn start(kind: Kind, name: &str, fixed: bool, times: Times) -> (Running, u16) {
    let Kind::Rust(router) = kind else {
        return spawn(program(kind).unwrap(), &words(kind, name, fixed, times));
    };
    let settings = Settings {
        lease: Duration::from_millis(times.lease),
        ttl: Duration::from_millis(times.ttl),
        ..Settings::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move { axum::serve(listener, router(fixed, settings)).await });
    (Running::Here(runtime), port)
}

/// Ports that were free a moment ago.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn policy(folder: &Path, port: u16, times: Times) -> PathBuf {
    let text = include_str!("policy.toml")
        .replace("{port}", &port.to_string())
        .replace("{lease}", &times.lease.to_string())
        .replace("{ttl}", &times.ttl.to_string())
        .replace("{slow}", &times.slow.to_string());
    let path = folder.join("seeded.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// The exit code, the report, and the output of a run.
fn load(policy: &Path, arguments: &[&str]) -> (i32, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_idemcheck"))
        .arg("load")
        .arg(policy)
        .args(["--bursts", "20", "--batches", "2", "--rounds", "2", "--timeout", "120s", "--format", "json"])
        .args(arguments)
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let both =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), report, both)
}

fn outcome<'r>(report: &'r Value, probe: &str) -> &'r str {
    let probes = report["probes"].as_array().unwrap();
    probes.iter().find(|found| found["probe"] == probe).unwrap()["outcome"].as_str().unwrap()
}

#[track_caller]
fn is_found(done: (i32, Value, String), probe: &str) {
    let (code, report, output) = done;
    assert!(code == 1 && outcome(&report, probe) == "violated", "{probe}: {output}");
    // Each finding comes with what repeats it.
    let tried = report["probes"].as_array().unwrap().iter().find(|found| found["probe"] == probe).unwrap();
    assert!(tried["repeat"][0].as_str().unwrap().contains("curl"), "{output}");
}

#[track_caller]
fn is_not_accused(done: (i32, Value, String), probe: &str) {
    let (code, report, output) = done;
    assert!(code == 0 && outcome(&report, probe) == "nothing_found", "{probe}: {output}");
}

/// One server, on one port.
fn alone(kind: Kind, name: &str, probe: &str) {
    if program(kind).is_none() {
        return;
    }
    let raced = |fixed: bool, times: Times, arguments: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let (_server, port) = start(kind, name, fixed, times);
        load(&policy(folder.path(), port, times), arguments)
    };
    let expires = probe == "P8";
    // They mostly wait.
    std::thread::scope(|scope| {
        scope.spawn(|| is_found(raced(false, if expires { SHORT } else { LONG }, &["--only", probe]), probe));
        scope.spawn(|| is_not_accused(raced(true, LONG, &[]), if expires { "P1" } else { probe }));
        scope.spawn(|| is_not_accused(raced(true, SHORT, &["--only", "P8"]), "P8"));
    });
}

macro_rules! seeded {
    ($($test:ident: $kind:expr, $name:literal, $probe:literal;)*) => {
        $(#[test]
        fn $test() {
            alone($kind, $name, $probe);
        })*
    };
}

seeded! {
    no_claim: Kind::Python, "no-claim", "P2";
    claim_after_execute: Kind::Python, "claim-after-execute", "P1";
    check_then_act: Kind::Python, "check-then-act", "P1";
    lock_no_recheck: Kind::Python, "lock-no-recheck", "P1";
    lease_shorter_than_handler: Kind::Python, "lease-shorter-than-handler", "P6";
    foreign_release: Kind::Python, "foreign-release", "P6";
    conflict_stored: Kind::Node, "conflict-stored", "P1";
    stuck_after_exception: Kind::Node, "stuck-after-exception", "P5";
    stuck_after_cut: Kind::Node, "stuck-after-cut", "P10";
    body_differs: Kind::Node, "body-differs", "P2";
    headers_lost: Kind::Node, "headers-lost", "P2";
    replayed_5xx: Kind::Node, "replayed-5xx", "P5";
    effect_after_answer: Kind::Node, "effect-after-answer", "P2";
    mismatch_poisons: Kind::Rust(servers::mismatch_poisons::router), "mismatch-poisons", "P3";
    stuck_after_ttl: Kind::Rust(servers::stuck_after_ttl::router), "stuck-after-ttl", "P8";
    cross_payload_replay: Kind::Rust(servers::cross_payload_replay::router), "cross-payload-replay", "P3";
    cross_tenant_replay: Kind::Rust(servers::cross_tenant_replay::router), "cross-tenant-replay", "P9";
    oversized_bypass: Kind::Rust(servers::oversized_bypass::router), "oversized-bypass", "P11";
}

/// `idemcheck load` starts it.
fn command(kind: Kind, name: &str, fixed: bool, further: &str) -> String {
    format!(
        "{} {} --port {{{{port}}}} {further}",
        program(kind).unwrap(),
        words(kind, name, fixed, LONG).join(" ")
    )
}

#[test]
fn process_local_lock() {
    if program(Kind::Python).is_none() {
        return;
    }
    for fixed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = free_ports();
        let file = folder.path().join("receipts.db");
        let started =
            command(Kind::Python, "process-local-lock", fixed, &format!("--store {}", file.display()));
        let policy = policy(folder.path(), first, LONG);
        let urls = [first, second].map(|port| format!("http://127.0.0.1:{port}/pay"));
        let mut arguments = vec!["--command", &started, "--url", &urls[0], "--url", &urls[1]];
        if fixed {
            is_not_accused(load(&policy, &arguments), "P12");
        } else {
            arguments.extend(["--only", "P12"]);
            is_found(load(&policy, &arguments), "P12");
        }
    }
}

#[test]
fn fail_open() {
    if program(Kind::Python).is_none() {
        return;
    }
    for fixed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let [port, proxy] = free_ports();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeded/python/store.py");
        let (_store, store) = spawn("python3", &[script.to_str().unwrap().to_owned()]);
        let file = folder.path().join("effects.db");
        let further = format!("--store-address 127.0.0.1:{proxy} --store {}", file.display());
        let started = command(Kind::Python, "fail-open", fixed, &further);
        let policy = policy(folder.path(), port, LONG);
        let between = format!("127.0.0.1:{proxy}=127.0.0.1:{store}");
        let mut arguments = vec!["--command", &started, "--store-proxy", &between];
        if fixed {
            is_not_accused(load(&policy, &arguments), "P13");
        } else {
            arguments.extend(["--only", "P13"]);
            is_found(load(&policy, &arguments), "P13");
        }
    }
}
