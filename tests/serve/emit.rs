//! `idemcheck load --emit`: the scripts, run, record histories that `check-history` judges.
//!
//! Locust is run itself, with a master and two workers (IDEMCHECK_TEST_LOCUST names it). k6 is stood in for by Node:
//! `k6/run.mjs` has as much of its modules as the script uses, and sends real requests.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Server, policy};

/// A folder with a policy whose `[load]` has a server there.
fn with_load(folder: &Path, name: &str, server: &Server) -> PathBuf {
    let text = std::fs::read_to_string(policy(name)).unwrap();
    // No stall of this machine outlasts the lease.
    let text = text.replace("lease = \"1s\"", "lease = \"1h\"");
    let address = server.address;
    let section = format!(
        "\n[load]\nurls = [\"http://{address}/pay\"]\nbody = '{{\"order\":\"{{{{key}}}}\"}}'\n\
         conflicting = '{{\"order\":\"{{{{key}}}}\",\"more\":\"{{{{random}}}}\"}}'\nsettle = \"200ms\"\n\
         [load.headers]\nX-Tenant = \"{{{{tenant}}}}\"\n[load.values]\ntenant = \"acme\"\n\
         [load.other.values]\ntenant = \"globex\"\n\
         [load.effects]\nurl = \"http://{address}/ledger?key={{{{key}}}}\"\npointer = \"/effects\"\n\n[expect]"
    );
    let path = folder.join(format!("{name}.toml"));
    std::fs::write(&path, text.replace("\n[expect]", &section)).unwrap();
    path
}

fn idemcheck(arguments: &[&str]) -> Output {
    assert_cmd::Command::cargo_bin("idemcheck").unwrap().args(arguments).output().unwrap()
}

fn emitted(policy: &Path, tool: &str, size: u64, bursts: u64) -> String {
    let (size, bursts) = (size.to_string(), bursts.to_string());
    let path = policy.to_str().unwrap();
    let output = idemcheck(&["load", path, "--emit", tool, "--size", &size, "--bursts", &bursts]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What is judged of a history, and how it exits.
fn judged(history: &Path) -> (i32, serde_json::Value) {
    let output = idemcheck(&["check-history", history.to_str().unwrap(), "--format", "json"]);
    let json = serde_json::from_slice(&output.stdout);
    let json = json.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), json)
}

/// What is right, and what has two effects where it looks before it claims.
fn servers(folder: &Path) -> [(Server, PathBuf, bool); 2] {
    let naive = Server::start(&patient(folder, "naive"), &["--pause", "after:look=20ms"]);
    let fenced = Server::start(&patient(folder, "fenced"), &["--delay", "5ms"]);
    let (naive_load, fenced_load) =
        (with_load(folder, "naive", &naive), with_load(folder, "fenced", &fenced));
    [(naive, naive_load, true), (fenced, fenced_load, false)]
}

fn patient(folder: &Path, name: &str) -> PathBuf {
    let text = std::fs::read_to_string(policy(name)).unwrap();
    let path = folder.join(format!("served-{name}.toml"));
    std::fs::write(&path, text.replace("lease = \"1s\"", "lease = \"1h\"")).unwrap();
    path
}

/// A history of a server that is broken, or is not, is judged so; nobody is missing in it.
fn judge_it(history: &Path, broken: bool, size: usize, bursts: usize) {
    let text = std::fs::read_to_string(history).unwrap();
    let records: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| records.iter().filter(|record| record["type"] == kind).collect::<Vec<_>>();
    assert_eq!(records[0]["type"], "header");
    let requests = of("request");
    assert!(requests.len() >= size * bursts / 2, "{} requests", requests.len());
    assert!(of("count").len() >= bursts - 1, "{} counts", of("count").len());
    let others = |record: &&&serde_json::Value| record["key"].as_str().unwrap().ends_with("of somebody else");
    assert!(requests.iter().filter(others).count() >= size / 2, "nobody else asked");
    assert!(requests.iter().any(|request| request["body"] == "conflicting"), "no other payload was sent");
    let (code, json) = judged(history);
    if broken {
        assert_eq!(code, 1, "{json}");
        assert!(
            of("count").iter().any(|count| count["effects"].as_u64() > Some(1)),
            "one effect each: {json}"
        );
    } else {
        assert_eq!(code, 0, "{json}");
        assert!(requests.iter().any(|request| request["replayed"] == true), "nothing was replayed");
        assert!(requests.iter().any(|request| request["outcome"] == "mismatch"), "nothing was refused");
    }
}

/// A program that some machines lack; here that may be a failure.
fn is_missing(what: &str) -> bool {
    assert!(std::env::var("IDEMCHECK_TEST_SERVERS").as_deref() != Ok("required"), "{what} is missing");
    eprintln!("not run: {what} is missing");
    true
}

#[test]
fn the_script_for_k6_does_what_is_asked() {
    let node = Command::new("node").arg("--version").output();
    if !node.is_ok_and(|output| output.status.success()) && is_missing("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (_server, policy, broken) in servers(folder.path()) {
        let script = folder.path().join("burst.mjs");
        std::fs::write(&script, emitted(&policy, "k6", 8, 8)).unwrap();
        let checked = Command::new("node").arg("--check").arg(&script).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/k6/run.mjs");
        let output = assert_cmd::Command::new("node")
            .arg(run)
            .arg(&script)
            .timeout(Duration::from_secs(120))
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        // k6's code for a threshold that is not met.
        assert_eq!(output.status.code(), Some(if broken { 99 } else { 0 }), "{error}");
        assert_eq!(error.contains("idemcheck_duplicated_keys"), broken, "{error}");
        let history = folder.path().join(format!("k6-{broken}.jsonl"));
        std::fs::write(&history, output.stdout).unwrap();
        judge_it(&history, broken, 8, 8);
    }
}

/// Ended with the test.
struct Locust(Child);

impl Drop for Locust {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Locust {
    fn start(script: &Path, history: &Path, arguments: &[&str], log: &Path) -> Option<Locust> {
        let program = std::env::var_os("IDEMCHECK_TEST_LOCUST")?;
        let log = std::fs::File::create(log).unwrap();
        let child = Command::new(program)
            .arg("-f")
            .arg(script)
            .args(arguments)
            .env("IDEMCHECK_HISTORY", history)
            .current_dir(script.parent().unwrap())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Some(Locust(child))
    }

    /// Its exit code.
    fn end(&mut self, log: &Path) -> i32 {
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            let log = || std::fs::read_to_string(log).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(180), "Locust does not end: {}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn the_script_for_locust_does_what_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    for (_server, policy, broken) in servers(folder.path()) {
        let script = folder.path().join(format!("burst_{broken}.py"));
        std::fs::write(&script, emitted(&policy, "locust", 10, 8)).unwrap();
        let history = folder.path().join(format!("locust-{broken}.jsonl"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let master = [
            "--headless",
            "-u",
            "10",
            "-r",
            "10",
            "--master",
            "--expect-workers",
            "2",
            "--master-bind-host",
            "127.0.0.1",
            "--master-bind-port",
            &port,
        ];
        let worker = ["--worker", "--master-host", "127.0.0.1", "--master-port", &port];
        let log = |name: &str| folder.path().join(format!("{name}-{broken}.log"));
        let start = |name: &str, arguments: &[&str]| Locust::start(&script, &history, arguments, &log(name));
        let Some(mut conductor) = start("master", &master) else {
            is_missing("IDEMCHECK_TEST_LOCUST");
            return;
        };
        let mut workers = ["one", "two"].map(|name| (name, start(name, &worker).unwrap()));
        let code = conductor.end(&log("master"));
        let said = std::fs::read_to_string(log("master")).unwrap();
        assert!(code == 0, "{code}: {said}");
        for (name, worker) in &mut workers {
            worker.end(&log(name));
        }
        judge_it(&history, broken, 10, 8);
        // Both took part.
        let text = std::fs::read_to_string(&history).unwrap();
        for name in ["worker-0", "worker-1"] {
            let source = format!("\"source\": \"{name}\"");
            assert!(text.contains(&source), "{name} sent nothing: {said}");
        }
    }
}

/// A policy whose texts are as bad as a policy may have them, on a port that is always the same.
fn awkward(folder: &Path) -> PathBuf {
    let section = "\n[load]\nurls = [\"http://127.0.0.1:8080/{{tenant}}/pay\", \"http://127.0.0.1:8081/pay?t={{tenant}}\"]\n\
         body = \"\"\"{\"order\":\"{{key}}\",\"text\":\"it's '''\\\\\\\"\\\\\\\"\\\\\\\" \\\\\\\\ </script> ${1} \u{2028}\u{202e} \\\\u0027\"}\"\"\"\n\
         conflicting = '{\"order\":\"{{key}}\",\"n\":{{n}}}'\nignore = [\"X-Served-By\"]\n\
         [load.headers]\nX-Quote = \"'''); import os #\"\n[load.values]\ntenant = \"acme\"\n\
         [load.other]\nheaders = { __proto__ = \"globex\" }\nvalues = { tenant = \"globex\" }\n\
         [load.effects]\nsink = \"http://127.0.0.1:9100\"\n\n[expect]";
    let text = std::fs::read_to_string(policy("fenced")).unwrap();
    let path = folder.join("awkward.toml");
    std::fs::write(&path, text.replace("\n[expect]", section)).unwrap();
    path
}

#[test]
fn scripts_are_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = awkward(folder.path());
    for (tool, name) in [("k6", "emitted.js"), ("locust", "emitted.py")] {
        let script = emitted(&path, tool, 20, 200);
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/emitted").join(name);
        if std::env::var_os("IDEMCHECK_UPDATE").is_some() {
            std::fs::write(&kept, &script).unwrap();
        }
        let committed = std::fs::read_to_string(&kept).unwrap_or_default();
        assert!(
            committed == script,
            "{name} is out of date: IDEMCHECK_UPDATE=1 cargo test --test serve emit"
        );
        assert!(script.is_ascii(), "{name}");
    }
}

/// What a policy says is what the scripts have, letter by letter, in the languages themselves.
#[test]
fn no_text_of_a_policy_is_code() {
    let folder = tempfile::tempdir().unwrap();
    let path = awkward(folder.path());
    let text = std::fs::read_to_string(&path).unwrap();
    let load: toml::Table = toml::from_str(&text).unwrap();
    let body = load["load"]["body"].as_str().unwrap();
    let plan_of = |script: &str, begin: &str, end: &str| {
        let from = script.find(begin).unwrap() + begin.len();
        script[from..from + script[from..].find(end).unwrap()].to_owned()
    };
    let python = plan_of(&emitted(&path, "locust", 2, 1), "PLAN = ", "\n\nHISTORY");
    let python = format!("import json\nPLAN = {python}\nprint(json.dumps(PLAN))");
    let node = plan_of(&emitted(&path, "k6", 2, 1), "const PLAN = ", ";\n\n// Between");
    let node = format!("const PLAN = {node};\nconsole.log(JSON.stringify(PLAN))");
    for (program, flag, code) in [("python3", "-c", python), ("node", "-e", node)] {
        let Ok(output) = Command::new(program).arg(flag).arg(code).output() else {
            is_missing(program);
            continue;
        };
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(plan["payload"]["body"], body, "{program}");
        assert_eq!(plan["everybody"]["headers"], serde_json::json!([["x-quote", "'''); import os #"]]));
        let others = serde_json::json!([["__proto__", "globex"], ["x-quote", "'''); import os #"]]);
        assert_eq!(plan["other"]["headers"], others, "{program}");
        // Each request has a payload of its own, where that is what is compared.
        assert_eq!((&plan["payload"]["each"], &plan["conflicting"]["each"]), (&false.into(), &true.into()));
    }
}

#[test]
fn what_a_script_can_not_do_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = awkward(folder.path());
    let text = std::fs::read_to_string(&path).unwrap();
    let with = |effects: &str| {
        let changed = text.replace("sink = \"http://127.0.0.1:9100\"", effects);
        std::fs::write(&path, changed).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let sql = "sql = \"SELECT 1\"\nstore = \"sqlite:a.db\"";
    for (effects, tool, says) in [
        (sql, "k6", "no client of a database"),
        (sql, "locust", "or, with Locust, by a `command`"),
        ("command = [\"./count\"]", "k6", "k6 starts no programs"),
    ] {
        let output = idemcheck(&["load", &with(effects), "--emit", tool]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && output.stdout.is_empty(), "{error}");
        assert!(error.contains(says), "{error}");
    }
    let path = with("command = [\"./count\"]");
    assert!(idemcheck(&["load", &path, "--emit", "locust"]).status.success());
    let elsewhere = idemcheck(&["load", &path, "--emit", "k6", "--url", "http://example.com/pay"]);
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("--allow-host example.com"));
    for argument in
        [&["--calibrate"][..], &["--only", "P1"], &["--history", "a.jsonl"], &["--format", "json"]]
    {
        let output = idemcheck(&[&["load", &path, "--emit", "k6"], argument].concat());
        assert_eq!(output.status.code(), Some(2), "{argument:?}");
    }
}
