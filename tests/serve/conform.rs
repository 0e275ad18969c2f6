//! The server's own log, held against the policy that it served, and against a stricter one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Server, durable, fresh, policy, until};

/// The exit code, and the report.
fn conform(policy: &Path, log: &Path, more: &[&str]) -> (Option<i32>, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_idemcheck"))
        .arg("conform")
        .args([policy, log])
        .args(["--format", "json", "--timeout", "60s"])
        .args(more)
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), report, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn kept(server: &Server, folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(format!("{name}.jsonl"));
    let log = server.log.lock().unwrap().clone();
    // The last line but one is for people.
    std::fs::write(&path, log.lines().filter(|line| line.starts_with('{')).collect::<Vec<_>>().join("\n"))
        .unwrap();
    path
}

/// The log of a server that is told to stop, whole.
fn stopped(mut server: Server, folder: &Path, name: &str) -> PathBuf {
    server.stop();
    server.until_logged("stopped");
    kept(&server, folder, name)
}

const LOGS: [&str; 4] = ["--log", "json", "--log-level", "debug"];

fn burst(server: &Server, key: &str, count: usize) {
    let barrier = Arc::new(Barrier::new(count));
    std::thread::scope(|scope| {
        for number in 0..count {
            let barrier = barrier.clone();
            scope.spawn(move || {
                barrier.wait();
                // One in four says something else under the same key.
                let body = if number % 4 == 3 { "{\"other\": 1}" } else { "{}" };
                server.post(key, body);
            });
        }
    });
}

#[test]
fn what_the_server_did_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = vec![("memory", "memory:".to_owned())];
    stores.extend(durable(folder.path()).into_iter().filter(|(name, _)| *name != "dynamodb"));
    for (name, url) in stores {
        let arguments = [&["--store", &url, "--delay", "2ms"][..], &LOGS].concat();
        let server = Server::start(&policy("lease"), &arguments);
        let keys: Vec<String> = (0..6).map(|_| fresh("conform")).collect();
        for key in &keys {
            burst(&server, key, 6);
            burst(&server, key, 3);
        }
        let log = stopped(server, folder.path(), name);
        let (code, report, said) = conform(&policy("lease"), &log, &[]);
        assert_eq!(code, Some(0), "{name}: {said}{report:#}");
        assert_eq!(report["keys"]["allowed"], 6, "{name}: {report:#}");
        assert_eq!(report["scope"]["attempts"], 9, "{name}: {report:#}");
        // It is another policy's log.
        assert_eq!(conform(&policy("fenced"), &log, &[]).0, Some(4), "{name}");
    }
}

#[test]
fn an_attempt_that_was_killed_may_have_done_more_than_it_told() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("killed.db").display());
    let paused = [&["--store", &url, "--no-recovery", "--pause", "after:call=forever"][..], &LOGS].concat();
    let server = Server::start(&policy("lease"), &paused);
    let (key, address) = (fresh("killed"), server.address);
    let sent = key.clone();
    let client = std::thread::spawn(move || {
        let headers = [("Idempotency-Key", sent.as_str()), ("X-Tenant", "acme")];
        crate::harness::request(address, "POST", "/pay", &headers, "{}")
    });
    until("the call", || server.logged("\"state\":\"call\""));
    let first = kept(&server, folder.path(), "first");
    server.kill();
    let _ = client.join();
    let server = Server::start(&policy("lease"), &[&["--store", &url, "--no-recovery"][..], &LOGS].concat());
    server.post(&key, "{}");
    std::thread::sleep(Duration::from_millis(1200));
    server.post(&key, "{}");
    let second = stopped(server, folder.path(), "second");
    let (code, report, said) = conform(&policy("lease"), &first, &[second.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}{report:#}");
    assert_eq!((&report["scope"]["unfinished"], &report["scope"]["attempts"]), (&1.into(), &3.into()));
}

#[test]
fn a_server_with_a_shorter_lease_is_refused_where_it_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(policy("lease")).unwrap();
    let strict = folder.path().join("strict.toml");
    std::fs::write(&strict, text.replace("lease = \"1s\"", "lease = \"5s\"")).unwrap();
    let server =
        Server::start(&policy("lease"), &[&["--pause", "before:record=forever"][..], &LOGS].concat());
    let (key, address) = (fresh("short"), server.address);
    std::thread::scope(|scope| {
        for wait in [0, 1300] {
            let key = key.clone();
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(wait));
                let headers = [("Idempotency-Key", key.as_str()), ("X-Tenant", "acme")];
                let _ = crate::harness::brief_request(address, "/pay", &headers, "{}");
            });
        }
    });
    server.until_logged("\"outcome\":\"expired\"");
    let log = kept(&server, folder.path(), "short");
    server.kill();
    assert_eq!(conform(&policy("lease"), &log, &[]).0, Some(0));
    let (code, report, said) = conform(&strict, &log, &[]);
    assert_eq!(code, Some(1), "{said}{report:#}");
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["step"]["state"], &finding["step"]["outcome"]),
        (&"claim".into(), &"expired".into())
    );
    let instead = finding["instead"].as_array().unwrap();
    let until = |outcome: &str| instead.iter().find(|it| it["outcome"] == outcome).unwrap();
    // The other claim is good for 5 s, and only then over.
    assert!((4990..=5400).contains(&until("in_progress")["to_ms"].as_i64().unwrap()), "{finding:#}");
    assert!((4900..=5100).contains(&until("expired")["from_ms"].as_i64().unwrap()), "{finding:#}");
}

#[test]
fn a_server_that_records_unfenced_is_refused_where_it_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    std::fs::create_dir(&models).unwrap();
    let receipt = include_str!("../../models/receipt.toml");
    let record = "as            = \"succeeded\"\nfenced        = true";
    assert!(receipt.contains(record));
    let unfenced = receipt.replace(record, &record.replace("true", "false"));
    std::fs::write(models.join("receipt.toml"), unfenced).unwrap();
    let models = models.display().to_string();
    let lax = ["--models", models.as_str(), "--pause", "before:record=1500ms"];
    let server = Server::start(&policy("lease"), &[&lax[..], &LOGS].concat());
    let key = fresh("unfenced");
    std::thread::scope(|scope| {
        for wait in [0, 1200] {
            let (key, server) = (&key, &server);
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(wait));
                server.post(key, "{}");
            });
        }
    });
    let log = stopped(server, folder.path(), "unfenced");
    assert_eq!(conform(&policy("lease"), &log, &lax[..2]).0, Some(0));
    let (code, report, said) = conform(&policy("lease"), &log, &[]);
    assert_eq!(code, Some(1), "{said}{report:#}");
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["step"]["state"], &finding["step"]["outcome"]),
        (&"record".into(), &"recorded".into())
    );
    let instead = finding["instead"].as_array().unwrap();
    assert!(instead.iter().any(|it| it["outcome"] == "lost"), "{finding:#}");
    assert!(instead.iter().all(|it| it["outcome"] != "recorded"), "{finding:#}");
}
