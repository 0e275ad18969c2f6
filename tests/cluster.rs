//! One state space on several workers and processes: the same as on one thread.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_idemcheck"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Every sixth in the gate; all of them with `IDEMCHECK_CLUSTER=all`.
fn policies() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("policies")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.extension().is_some_and(|end| end == "toml") => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    if std::env::var("IDEMCHECK_CLUSTER").is_ok_and(|which| which == "all") {
        return found;
    }
    let chosen: Vec<PathBuf> = found.iter().step_by(6).cloned().collect();
    assert!(chosen.len() >= 5, "{found:?}");
    chosen
}

fn native(paths: &[PathBuf], more: &[&str]) -> Output {
    let mut command = command();
    command.args(["verify", "--no-cache", "--format", "json"]).args(more).args(paths);
    command.output().unwrap()
}

/// Starts a process for each of these, with the policies that it is given.
fn start(each: &[&[PathBuf]], more: &[&str]) -> (Vec<Child>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    let listeners: Vec<_> = each.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let mut file = std::fs::File::create(&hosts).unwrap();
    for listener in &listeners {
        writeln!(file, "{}", listener.local_addr().unwrap()).unwrap();
    }
    drop(listeners);
    let start = |(process, paths): (usize, &&[PathBuf])| {
        let mut command = command();
        command.args(["verify", "--format", "json", "--hosts"]).arg(&hosts);
        command.args(["--process", &process.to_string()]).args(more).args(*paths);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    (each.iter().enumerate().map(start).collect(), folder)
}

/// One that takes seconds.
fn large(folder: &Path) -> PathBuf {
    let text = std::fs::read_to_string("benches/receipt.toml").unwrap();
    let changed = text.replacen("requests = 2", "requests = 3", 1);
    assert_ne!(text, changed);
    let path = folder.join("large.toml");
    std::fs::write(&path, changed).unwrap();
    path
}

fn ended((children, _folder): (Vec<Child>, tempfile::TempDir)) -> Vec<Output> {
    let wait = |child: Child| std::thread::spawn(|| child.wait_with_output().unwrap());
    let waiting: Vec<_> = children.into_iter().map(wait).collect();
    waiting.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn together(count: usize, paths: &[PathBuf], more: &[&str]) -> Vec<Output> {
    ended(start(&vec![paths; count], more))
}

/// The report without what no two runs have in common.
fn said(output: &Output) -> Value {
    fn forget(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("seconds");
                fields.values_mut().for_each(forget);
            }
            Value::Array(items) => items.iter_mut().for_each(forget),
            _ => {}
        }
    }
    let error = String::from_utf8_lossy(&output.stderr);
    let mut report = serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {error}"));
    forget(&mut report);
    report
}

#[track_caller]
fn assert_same(native: &Output, other: &Output, what: &str) {
    let (native_report, report) = (said(native), said(other));
    let all = |report: &Value| report["policies"].as_array().unwrap().clone();
    assert_eq!(all(&native_report).len(), all(&report).len(), "{what}");
    for (native, found) in all(&native_report).iter().zip(&all(&report)) {
        assert_eq!(native, found, "{what}");
    }
    assert_eq!(native.status.code(), other.status.code(), "{what}");
}

#[test]
fn any_number_of_processes_finds_the_same() {
    let paths = policies();
    let alone = native(&paths, &[]);
    assert!(said(&alone)["policies"].as_array().unwrap().len() >= 5);
    for count in [1, 2, 4] {
        let outputs = together(count, &paths, &[]);
        assert_same(&alone, &outputs[0], &format!("{count} processes"));
        for (number, output) in outputs.iter().enumerate().skip(1) {
            assert_eq!(output.status.code(), alone.status.code(), "process {number}");
            assert!(output.stdout.is_empty(), "process {number}");
        }
    }
}

#[test]
fn threads_of_one_process_find_the_same() {
    let paths = policies();
    let mut command = command();
    let threads =
        command.args(["verify", "--format", "json", "--workers", "3"]).args(&paths).output().unwrap();
    assert_same(&native(&paths, &[]), &threads, "3 threads");
}

#[test]
fn a_search_that_fails_fast_ends_at_the_same_step() {
    let paths = policies();
    let outputs = together(2, &paths, &["--fail-fast", "--workers", "2"]);
    assert_same(&native(&paths, &["--fail-fast"]), &outputs[0], "fail fast");
}

#[test]
fn a_limit_ends_all() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [large(folder.path())];
    for output in together(3, &paths, &["--max-states", "20000", "--property", "no-false-dedup"]) {
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn other_policies_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("receipt.toml");
    let text = std::fs::read_to_string("benches/receipt.toml").unwrap();
    let changed = text.replacen("lease = \"30s\"", "lease = \"31s\"", 1);
    assert_ne!(text, changed);
    std::fs::write(&other, changed).unwrap();
    let outputs = ended(start(&[&[PathBuf::from("benches/receipt.toml")], &[other]], &[]));
    let said: Vec<_> = outputs.iter().map(|output| String::from_utf8_lossy(&output.stderr)).collect();
    assert!(outputs.iter().all(|output| output.status.code() == Some(2)), "{said:?}");
    assert!(said.iter().any(|said| said.contains("checks other policies")), "{said:?}");
}

#[test]
fn a_process_that_dies_ends_the_others_without_a_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [large(folder.path())];
    let (mut children, _folder) = start(&[&paths[..]; 3], &[]);
    std::thread::sleep(Duration::from_millis(400));
    let mut killed = children.pop().unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    let since = Instant::now();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    }
    assert!(since.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_hosts_file_is_read_with_care() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    let told = |text: &str, process: &str| {
        std::fs::write(&hosts, text).unwrap();
        let mut command = command();
        command.args(["verify", "benches/receipt.toml", "--process", process, "--hosts"]).arg(&hosts);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = told("here\n127.0.0.1:7001\n\n# nothing\n127.0.0.1:7001\n", "0");
    assert!(said.contains("hosts:1: `here` is no address"), "{said}");
    assert!(said.contains("hosts:5: `127.0.0.1:7001` is there twice"), "{said}");
    let said = told("127.0.0.1:7001\n127.0.0.1:7002\n", "2");
    assert!(said.contains("--process 2") && said.contains("0 to 1"), "{said}");
    assert!(told("# none\n", "0").contains("no address"));
}
