//! `idemcheck simulate`, as people and pipelines see it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use idemcheck::simulate::report::{SimulateReport, schema};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn simulate(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_idemcheck"));
    command.arg("simulate").args(args).current_dir(ROOT).env("NO_COLOR", "1").output().unwrap()
}

fn shown(args: &[&str]) -> String {
    let output = simulate(args);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!(
        "$ idemcheck simulate {}\nexit code {}\n--- stdout\n{}--- stderr\n{}",
        args.join(" "),
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

macro_rules! snapshot {
    ($name:literal, $args:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true,
                                snapshot_path => "../cli" },
            { insta::assert_snapshot!($name, shown($args)) })
    };
}

#[test]
fn people_see_rates_times_and_what_they_rest_on() {
    snapshot!("simulate_remediation", &["policies/remediation/restart-on-alert.toml", "--runs", "2000"]);
    snapshot!("simulate_requests", &["tests/simulate/files/declared.toml", "--runs", "2000"]);
    snapshot!(
        "simulate_compared",
        &[
            "policies/write-path/lease-12s.toml",
            "--compare",
            "policies/write-path/lease-36s.toml",
            "--runs",
            "1000"
        ]
    );
    snapshot!(
        "simulate_rare",
        &["tests/simulate/files/declared.toml", "--rare", "single-execution", "--runs", "1000"]
    );
}

#[test]
fn faults_of_the_file_are_told_at_their_place() {
    snapshot!("simulate_outside", &["tests/simulate/files/outside.toml"]);
    snapshot!("simulate_measured", &["tests/simulate/files/measured.toml"]);
}

#[test]
fn exit_codes_say_what_was_found() {
    let code = |args: &[&str]| simulate(args).status.code().unwrap();
    assert_eq!(code(&["policies/write-path/atomic-receipt.toml", "--runs", "50"]), 0);
    // Violated, as its `[expect]` says.
    assert_eq!(code(&["policies/remediation/restart-on-alert.toml", "--runs", "50"]), 0);
    let folder = tempfile::tempdir().unwrap();
    let unexpected = folder.path().join("p.toml");
    let text =
        fs::read_to_string(Path::new(ROOT).join("policies/remediation/restart-on-alert.toml")).unwrap();
    let text = text
        .split("[expect]")
        .next()
        .unwrap()
        .replace("models/", &format!("{ROOT}/policies/remediation/models/"));
    fs::write(&unexpected, text).unwrap();
    assert_eq!(code(&[unexpected.to_str().unwrap(), "--runs", "50"]), 1);
    assert_eq!(
        code(&["policies/remediation/restart-on-alert.toml", "--runs", "1000000", "--timeout", "100ms"]),
        3
    );
    assert_eq!(code(&["policies/remediation", "--runs", "50"]), 2);
    assert_eq!(code(&["policies/remediation/restart-on-alert.toml", "--runs", "0"]), 2);
}

#[test]
fn json_is_the_report_whatever_the_threads_and_meets_its_schema() {
    let validator = jsonschema::validator_for(&schema().to_value()).unwrap();
    for path in ["policies/remediation/restart-on-alert.toml", "tests/simulate/files/declared.toml"] {
        let args = |threads| [path, "--runs", "500", "--format", "json", "--threads", threads];
        let (one, two) = (simulate(&args("1")), simulate(&args("3")));
        assert_eq!(one.stdout, two.stdout);
        let report: SimulateReport = serde_json::from_slice(&one.stdout).unwrap();
        assert_eq!((report.version, report.runs), (1, 500));
        validator.validate(&serde_json::from_slice(&one.stdout).unwrap()).unwrap();
    }
}

#[test]
fn the_schema_is_committed() {
    let path = Path::new(ROOT).join("schemas/simulate-report.schema.json");
    let fresh = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("IDEMCHECK_UPDATE").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == fresh,
        "schemas/simulate-report.schema.json is out of date: IDEMCHECK_UPDATE=1 cargo test"
    );
}

#[test]
fn charts_are_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();
    let output = simulate(&["policies/remediation/restart-on-alert.toml", "--runs", "300", "--svg", to]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mut names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in [
        "actions.svg",
        "capacity.svg",
        "histogram-until-well.svg",
        "rates.svg",
        "run-single-flight.svg",
        "times.svg",
    ] {
        assert!(names.iter().any(|one| one == name), "{name} is not among {names:?}");
    }
    for name in names {
        let text = fs::read_to_string(folder.path().join(&name)).unwrap();
        assert!(text.starts_with("<svg ") && text.trim_end().ends_with("</svg>"), "{name}");
        assert!(text.contains("<title>") && text.contains("--fg:"), "{name}");
    }
}
