//! The built binary from outside: exit codes, and what goes to stdout and to stderr.

use std::process::Output;

use assert_cmd::Command;
use idemcheck::check::property::Property;

fn idemcheck(args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("idemcheck").unwrap();
    for name in ["NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(name);
    }
    command.args(args).output().unwrap()
}

/// Exit code, stdout and stderr, without what changes from build to build.
fn shown(args: &[&str]) -> String {
    let output = idemcheck(args);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!(
        "$ idemcheck {}\nexit code {}\n--- stdout\n{}--- stderr\n{}",
        args.join(" "),
        output.status.code().unwrap(),
        text(&output.stdout).replace(env!("CARGO_PKG_VERSION"), "[VERSION]"),
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
fn help() {
    snapshot!("help", &["--help"]);
    snapshot!("help_verify", &["verify", "--help"]);
}

#[test]
fn version() {
    snapshot!("version", &["--version"]);
}

#[test]
fn explain_a_property() {
    snapshot!("explain_single_execution", &["explain", "single-execution"]);
}

#[test]
fn explain_an_operation() {
    snapshot!("explain_store_insert", &["explain", "store.insert"]);
}

#[test]
fn explain_lists_everything() {
    let output = idemcheck(&["explain"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for property in Property::ALL {
        assert!(text.contains(property.name()));
    }
    for name in ["store.take_over", "downstream.call", "ambiguous_acks", "pause", "inconclusive"] {
        assert!(text.contains(name), "{name}");
    }
    // A pipe is no terminal.
    assert!(!text.contains('\x1b'));
}

#[test]
fn explain_knows_every_name_it_lists() {
    let list = String::from_utf8(idemcheck(&["explain"]).stdout).unwrap();
    for name in list.lines().filter_map(|line| line.strip_prefix("  ")?.split("  ").next()) {
        let output = idemcheck(&["explain", name]);
        assert_eq!(output.status.code(), Some(0), "{name}");
        assert!(output.stdout.len() > 80, "{name}");
    }
}

#[test]
fn explain_suggests_the_name_that_was_meant() {
    snapshot!("explain_misspelt", &["explain", "single-excution"]);
    snapshot!("explain_in_part", &["explain", "stuck"]);
    snapshot!("explain_beginning", &["explain", "stripe"]);
    snapshot!("explain_unknown", &["explain", "xylophone"]);
}

#[test]
fn presets_are_listed_and_shown() {
    snapshot!("presets_qonto", &["presets", "qonto"]);
    snapshot!("presets_misspelt", &["presets", "strpie-v1"]);
    let list = String::from_utf8(idemcheck(&["presets"]).stdout).unwrap();
    let json = idemcheck(&["presets", "--format", "json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let presets = json["presets"].as_array().unwrap();
    assert!(json["version"] == 1 && presets.len() >= 40);
    for preset in presets {
        let name = preset["name"].as_str().unwrap();
        assert!(list.contains(&format!("\n  {name}  {}\n", preset["title"].as_str().unwrap())), "{name}");
        assert_eq!(idemcheck(&["presets", name]).status.code(), Some(0), "{name}");
    }
    let one = idemcheck(&["presets", "qonto", "--format", "json"]).stdout;
    let one: serde_json::Value = serde_json::from_slice(&one).unwrap();
    assert_eq!(one["presets"][0]["facts"]["native_key"]["compares"], false);
}

#[test]
fn models_are_listed_and_shown() {
    snapshot!("models_receipt", &["models", "receipt"]);
    snapshot!("models_in_part", &["models", "outb"]);
    let list = String::from_utf8(idemcheck(&["models"]).stdout).unwrap();
    let json: serde_json::Value =
        serde_json::from_slice(&idemcheck(&["models", "--format", "json"]).stdout).unwrap();
    let models = json["models"].as_array().unwrap();
    assert!(json["version"] == 1 && models.len() >= 18);
    for model in models {
        let name = model["name"].as_str().unwrap();
        assert!(list.contains(&format!("{name}  {}\n", model["title"].as_str().unwrap())), "{name}");
        let file = idemcheck(&["models", name, "--format", "toml"]).stdout;
        let path = format!("{}/models/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(file, std::fs::read(path).unwrap(), "{name}");
    }
    assert_eq!(idemcheck(&["models", "--format", "toml"]).status.code(), Some(2));
}

#[test]
fn explain_knows_keys_targets_presets_and_models() {
    snapshot!("explain_timeout", &["explain", "timeout"]);
    snapshot!("explain_waiver", &["explain", "waiver"]);
    snapshot!("explain_respond", &["explain", "respond.replay"]);
    for name in ["retries", "lease", "choices", "latency", "respond", "end.page", "stripe-v1", "receipt"] {
        let output = idemcheck(&["explain", name]);
        assert_eq!(output.status.code(), Some(0), "{name}");
        assert!(output.stdout.len() > 80, "{name}");
    }
    let check = String::from_utf8(idemcheck(&["explain", "lease.check"]).stdout).unwrap();
    assert!(check.contains("run out?\n"), "{check}");
    // One table's key only.
    let lease = String::from_utf8(idemcheck(&["explain", "lock.lease"]).stdout).unwrap();
    assert!(lease.contains("In [lock]") && !lease.contains("In [store]"), "{lease}");
}

#[test]
fn schemas_are_json_schemas() {
    for format in ["policy", "model", "report"] {
        let output = idemcheck(&["schema", format]);
        assert_eq!(output.status.code(), Some(0));
        let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        jsonschema::meta::validate(&schema).unwrap();
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn wrong_arguments_exit_with_2() {
    for args in [
        &["verify", "--no-such-flag"][..],
        &["verify", "--property", "no-such-property"],
        &["verify", "--timeout", "90"],
        &["verify", "--max-memory", "1024"],
        &["verify", "--jobs", "0"],
        &["verify", "--quiet", "--verbose"],
        &["schema", "poem"],
        &["replay"],
        &[],
    ] {
        let output = idemcheck(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_misspelt_property_gets_a_suggestion() {
    snapshot!("property_misspelt", &["verify", "--property", "no-stuck-keys"]);
}

#[test]
fn a_folder_without_policies_is_not_green() {
    let folder = tempfile::tempdir().unwrap();
    let output = idemcheck(&["verify", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("nothing selected"));
}

#[test]
fn a_path_that_is_not_there_could_not_run() {
    let output = idemcheck(&["verify", "no/such/policy.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("no/such/policy.toml"), "{stderr}");
}

#[test]
fn replay_says_what_is_wrong_with_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    for (text, complaint) in [
        ("not json", "not a counterexample file"),
        ("{}", "not a counterexample file"),
        (r#"{"version": 99}"#, "format version 99"),
    ] {
        std::fs::write(&path, text).unwrap();
        let output = idemcheck(&["replay", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("idemcheck failed\n  Cause: "), "{stderr}");
        assert!(stderr.contains(complaint), "{stderr}");
    }
}

#[test]
fn the_explorer_is_for_this_machine_only() {
    snapshot!("explore_elsewhere", &["explore", "policy.toml", "--listen", "0.0.0.0:3000"]);
}

#[test]
fn colour_can_be_forced_and_forbidden() {
    let coloured = |color: &str, variable: Option<(&str, &str)>| {
        let mut command = Command::cargo_bin("idemcheck").unwrap();
        command.env_remove("NO_COLOR").env_remove("FORCE_COLOR").args(["explain", "pause", "--color", color]);
        if let Some((name, value)) = variable {
            command.env(name, value);
        }
        command.output().unwrap().stdout.contains(&0x1b)
    };
    assert!(coloured("always", None));
    assert!(coloured("always", Some(("NO_COLOR", "1"))));
    assert!(!coloured("never", Some(("FORCE_COLOR", "1"))));
    assert!(!coloured("auto", None));
    assert!(coloured("auto", Some(("FORCE_COLOR", "1"))));
    assert!(!coloured("auto", Some(("NO_COLOR", "1"))));
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("idemcheck"))
        .arg("explain")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
