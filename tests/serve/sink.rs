//! `idemcheck load` with a sink as the service's downstream: it counts, and brings about what the policy says may happen
//! there, without any help of the service.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{Server, policy, request};

/// Where nobody listens; the ports were free a moment ago.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A policy that calls a sink, for a service there. `changes`: of its text.
fn with_sink(
    folder: &Path,
    name: &str,
    service: SocketAddr,
    sink: SocketAddr,
    changes: &[(&str, &str)],
) -> PathBuf {
    let mut text = std::fs::read_to_string(policy(name)).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    let section = format!(
        "\n[load]\nurls = [\"http://{service}/pay\"]\nbody = '{{\"order\":\"{{{{key}}}}\"}}'\nsettle = \"100ms\"\n\
         [load.headers]\nX-Tenant = \"acme\"\n[load.effects]\nsink = \"http://{sink}\"\nkey = \"json:/order\"\n\n[expect]"
    );
    let path = folder.join(format!("{name}.toml"));
    std::fs::write(&path, text.replace("\n[expect]", &section)).unwrap();
    path
}

/// The same for a service that is started here, before the sink.
fn served(
    folder: &Path,
    name: &str,
    sink: SocketAddr,
    changes: &[(&str, &str)],
    more: &[&str],
) -> (Server, PathBuf) {
    let upstream = format!("http://{sink}");
    let arguments: Vec<&str> = ["--upstream", &upstream].into_iter().chain(more.iter().copied()).collect();
    let server = Server::start(&with_sink(folder, name, sink, sink, changes), &arguments);
    let file = with_sink(folder, name, server.address, sink, changes);
    (server, file)
}

/// The exit code, stdout and stderr.
fn load(policy: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = assert_cmd::Command::cargo_bin("idemcheck")
        .unwrap()
        .arg("load")
        .arg(policy)
        .args(arguments)
        .timeout(Duration::from_secs(90))
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Whether a script for what P7 or P10 found has a text.
fn repeats(report: &str, text: &str) -> bool {
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    let probes = report["probes"].as_array().unwrap().iter();
    let scripts = probes.flat_map(|probe| probe["repeat"].as_array().unwrap());
    scripts.into_iter().any(|script| script.as_str().unwrap().contains(text))
}

/// Calls of the downstream take native keys, and can be looked up.
const KEYED: (&str, &str) = ("query   = true", "query   = true\nnative_key = true");

#[test]
fn what_is_right_is_not_accused_whatever_the_sink_does() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sink) = (free_address(), free_address());
    // A lease that no stall of this machine outlasts, but the sink's slowness may.
    let file = with_sink(
        folder.path(),
        "lease",
        service,
        sink,
        &[KEYED, ("[\"0ms\", \"200ms\"]", "[\"0ms\", \"300ms\"]")],
    );
    let store = folder.path().join("receipts.db");
    let command = format!(
        "{} serve {} --listen 127.0.0.1:{{{{port}}}} --store sqlite:{} --upstream http://{sink} \
         --query-url http://{sink}/_sink/exists?native={{key}}",
        env!("CARGO_BIN_EXE_idemcheck"),
        file.display(),
        store.display()
    );
    let (code, out, err) =
        load(&file, &["--command", &command, "--bursts", "12", "--batches", "6", "--rounds", "1"]);
    assert!(code == 0 && out.contains("nothing found"), "{out}{err}");
    // What needed the service's help is tried without it.
    for tried in ["P5  nothing found", "P6  nothing found", "P7  nothing found", "P10 nothing found"] {
        assert!(out.contains(tried), "{tried}: {out}{err}");
    }
    for fault in [
        "downstream slower (downstream.latency)",
        "downstream failing (downstream.errors)",
        "downstream's answer lost (downstream.timeout)",
        "downstream's answer after the timeout (downstream.timeout)",
        "process killed (faults.crashes)",
        "answer lost (faults.lost_responses)",
        "request lost (faults.lost_requests, not in this policy)",
    ] {
        assert!(out.contains(fault), "{fault}: {out}{err}");
    }
    // It speaks HTTP/2, and each way of sending has its turn.
    for technique in ["h2-single-packet)", "h2-single-packet over 2 connections)", "h1-last-byte)"] {
        assert!(err.contains(technique), "{technique}: {err}");
    }
}

#[test]
fn an_answer_that_the_service_never_hears_of_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, file) = served(folder.path(), "naive", free_address(), &[], &[]);
    let (code, out, err) = load(&file, &["--only", "P10", "--rounds", "1", "--format", "json"]);
    assert!(code == 1 && out.contains("second-effect"), "{out}{err}");
    // What is to be tried by hand tells the sink first.
    assert!(repeats(&out, "curl -sS -X PUT -d '{\"does\":\"drop\",\"key\":\"idemcheck-"), "{out}");
    assert!(out.contains("downstream's answer lost"), "{out}");
}

#[test]
fn a_lease_that_the_downstream_outlasts_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let changes = [
        ("lease = \"1s\"", "lease = \"300ms\""),
        ("\"200ms\"]", "\"1s\"]"),
        ("timeout = \"400ms\"", "timeout = \"1500ms\""),
    ];
    let (_server, file) = served(folder.path(), "naive", free_address(), &changes, &[]);
    let (code, out, err) = load(&file, &["--only", "P6", "--rounds", "1"]);
    assert!(code == 1 && out.contains("P6  violated"), "{out}{err}");
    assert!(out.contains("\"does\":\"delay\",\"ms\":450"), "half as long again as the lease: {out}");
}

#[test]
fn a_kill_between_the_effect_and_its_record_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, service) = (free_address(), free_address());
    // Without a slow call no other kill comes so close.
    let file = with_sink(folder.path(), "naive", service, sink, &[("\"200ms\"]", "\"10ms\"]")]);
    let store = folder.path().join("receipts.db");
    let command = format!(
        "{} serve {} --listen 127.0.0.1:{{{{port}}}} --store sqlite:{} --upstream http://{sink}",
        env!("CARGO_BIN_EXE_idemcheck"),
        file.display(),
        store.display()
    );
    let arguments = ["--command", &command, "--only", "P7", "--rounds", "1", "--format", "json"];
    let (code, out, err) = load(&file, &arguments);
    assert!(code == 1 && repeats(&out, "\"does\":\"hold\""), "{out}{err}");
}

/// A process that ends with the test, however that ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_sink_that_runs_already_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Command::new(env!("CARGO_BIN_EXE_idemcheck"))
        .args([
            "sink",
            "--listen",
            "127.0.0.1:0",
            "--key",
            "json:/order",
            "--native-header",
            "Idempotency-Key",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut sink = Ended(sink);
    let mut said = BufReader::new(sink.0.stdout.take().unwrap());
    let mut first = String::new();
    said.read_line(&mut first).unwrap();
    let address: SocketAddr = first.trim().rsplit("http://").next().unwrap().parse().unwrap();
    let query = format!("http://{address}/_sink/exists?native={{key}}");
    let changes = [KEYED, ("lease = \"1s\"", "lease = \"1h\"")];
    let (_server, file) = served(folder.path(), "lease", address, &changes, &["--query-url", &query]);
    let (code, out, err) =
        load(&file, &["--only", "P1,P2", "--bursts", "5", "--batches", "1", "--rounds", "1"]);
    assert!(code == 0, "{out}{err}");
    // What waits elsewhere is no sink.
    let none = Server::start(&policy("naive"), &[]);
    let other = with_sink(folder.path(), "naive", none.address, none.address, &[]);
    let (code, _, err) = load(&other, &["--only", "P2"]);
    assert!(code == 2 && err.contains("is no `idemcheck sink`"), "{err}");
    let effects = request(address, "GET", "/_sink/effects", &[], "").unwrap();
    assert!(effects.text().contains("\"duplicated\":0"), "{}", effects.text());
    assert!(Command::new("kill").args(["-TERM", &sink.0.id().to_string()]).status().unwrap().success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    // Three to measure, five bursts and one of P2.
    assert_eq!(rest, "9 calls, 9 effects under 9 keys (0 without a key); 0 keys with more than one\n");
    assert!(sink.0.wait().unwrap().success());
}
