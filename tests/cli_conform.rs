//! `idemcheck conform`, as people and pipelines see it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use idemcheck::conform::map::Map;
use idemcheck::conform::report::{ConformReport, schema};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const POLICY: &str = "tests/conform/files/charge.toml";

/// Its workers never stall for as long as the lease.
const PROMPT: &str = "tests/conform/files/prompt.toml";

fn conform(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_idemcheck"));
    let policy = if args[0].contains("held-up") { PROMPT } else { POLICY };
    command.args(["conform", policy]).args(args).current_dir(ROOT).env("NO_COLOR", "1").output().unwrap()
}

fn on_stdin(text: &[u8], args: &[&str]) -> (Option<i32>, String, String) {
    by(POLICY, text, args)
}

fn by(policy: &str, text: &[u8], args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_idemcheck"));
    command.args(["conform", policy, "-"]).args(args).current_dir(ROOT).env("NO_COLOR", "1");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_vec();
    // It may stop reading early.
    let writes = std::thread::spawn(move || stdin.write_all(&text));
    let output = child.wait_with_output().unwrap();
    let _ = writes.join().unwrap();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), shown(&output.stdout), shown(&output.stderr))
}

fn shown(args: &[&str]) -> String {
    let output = conform(args);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!(
        "$ idemcheck conform {} {}\nexit code {}\n--- stdout\n{}--- stderr\n{}",
        if args[0].contains("held-up") { PROMPT } else { POLICY },
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

const MAP: &str = "tests/conform/files/payments.map.toml";

#[test]
fn a_step_that_is_not_allowed() {
    snapshot!("conform_overwritten", &["tests/conform/files/overwritten.jsonl"]);
}

#[test]
fn somebody_elses_log_by_a_mapping() {
    snapshot!("conform_mapped", &["tests/conform/files/payments.jsonl", "--map", MAP]);
}

#[test]
fn faulty_logs() {
    snapshot!("conform_faulty", &["tests/conform/files/faulty.jsonl"]);
}

#[test]
fn a_step_comes_too_late_for_somebody_elses_sake() {
    snapshot!("conform_held_up", &["tests/conform/files/held-up.jsonl"]);
}

#[test]
fn a_limit_leaves_it_open() {
    snapshot!("conform_unknown", &["tests/conform/files/overwritten.jsonl", "--max-states", "5"]);
}

#[test]
fn nothing_of_this_policy() {
    let (code, out, err) = on_stdin(b"{\"message\":\"answered\"}\n\n", &[]);
    assert_eq!((code, out.as_str()), (Some(4), ""));
    assert!(err.contains("nothing to judge: no step of `charge` in stdin (1 lines passed over"), "{err}");
    let other = conform(&["tests/conform/files/payments.jsonl"]);
    assert_eq!(other.status.code(), Some(4));
}

#[test]
fn more_tolerance_allows_more() {
    // The lease is over 1 s after a claim that may be 3 ms old: 401 ms are missing.
    let log = "tests/conform/files/payments.jsonl";
    let code = |tolerance: &str| conform(&[log, "--map", MAP, "--tolerance", tolerance]).status.code();
    assert_eq!(["200ms", "201ms"].map(code), [Some(1), Some(0)]);
}

#[test]
fn a_policy_without_such_logs_is_said_to_be_one() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_idemcheck"));
    let policy = "policies/remediation/systemd-start-limit-60.toml";
    let output = command.args(["conform", policy, "x.jsonl"]).current_dir(ROOT).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("it is about a target: `idemcheck check-history --policy`"), "{said}");
}

#[test]
fn faults_of_a_mapping_have_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let map = folder.path().join("m.toml");
    let text = std::fs::read_to_string(Path::new(ROOT).join(MAP)).unwrap();
    for (from, to, said) in [
        ("unit    =", "unti    =", ":6:1: unknown field `unti`"),
        ("\"rfc3339\"", "\"weeks\"", ":6:11: unknown variant `weeks`"),
        ("key     =", "# key   =", "missing field `key`"),
        ("[only]", "[only", "error: "),
    ] {
        std::fs::write(&map, text.replace(from, to)).unwrap();
        let output = conform(&["tests/conform/files/payments.jsonl", "--map", map.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains(said), "{said}: {stderr}");
    }
}

/// Whatever a log has in it, nothing panics, and all its faults are said, up to a number.
#[test]
fn hostile_logs() {
    let step = |at: &str| {
        format!(
            r#"{{"message":"step","key":"k","attempt":"a","at_ms":{at},"state":"claim","outcome":"inserted"}}"#
        )
    };
    let long = format!("{{\"message\":\"{}\"}}", "x".repeat(100_000));
    let deep = "[".repeat(50_000);
    let name = step("1").replace("\"k\"", &format!("\"{}\"", "k".repeat(300)));
    let odd = [
        step("1e300"),
        step("-9223372036854775808"),
        step("null"),
        step("{}"),
        long,
        deep,
        name,
        "\u{0}\u{1b}[31m".to_owned(),
        "[]".replace("[]", "{\"message\":\"step\"}"),
    ];
    for line in &odd {
        let (code, out, err) = on_stdin(line.as_bytes(), &[]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert!(
            err.contains("stdin:1") && !err.contains("panicked") && !err.contains("\u{1b}[31m\n"),
            "{err}"
        );
    }
    let (code, _, err) = on_stdin(&[0xff, 0xfe, b'\n'], &[]);
    assert_eq!(code, Some(2), "{err}");
    let (code, _, err) = on_stdin("nonsense\n".repeat(5000).as_bytes(), &[]);
    assert_eq!((code, err.matches("is not JSON").count()), (Some(2), 100));
    assert!(err.contains("and 4900 more"), "{err}");
    // Times that are far apart, and steps that come all at once.
    let far = format!("{}\n{}\n", step("0"), step("9000000000000").replace("\"a\"", "\"b\""));
    let (code, out, err) = on_stdin(far.as_bytes(), &[]);
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, out, err) =
        by(PROMPT, far.replace("\"step\"", "\"step\",\"policy\":\"charge\"").as_bytes(), &[]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("no attempt begins so late, says `within` in [trigger]"), "{out}");
    let crowd: String = (0..60).map(|n| step("5").replace("\"a\"", &format!("\"a{n}\"")) + "\n").collect();
    let (code, out, err) = on_stdin(crowd.as_bytes(), &["--max-states", "20000"]);
    assert!(matches!(code, Some(1 | 3)), "{out}{err}");
}

#[test]
fn json_is_the_report_and_meets_its_schema() {
    for log in ["overwritten", "held-up"] {
        let output = conform(&[&format!("tests/conform/files/{log}.jsonl"), "--format", "json"]);
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let validator = jsonschema::validator_for(&schema().to_value()).unwrap();
        let faults: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?}");
        let report: ConformReport = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((report.version, report.keys.not_allowed), (1, 1));
    }
}

#[test]
fn the_schemas_are_committed() {
    for (name, schema) in [("conform-report", schema()), ("conform-map", schemars::schema_for!(Map))] {
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
