//! `idemcheck audit`, as people and pipelines see it.

use std::fs;
use std::process::{Command, Output};

fn audit(folder: &std::path::Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_idemcheck"));
    command.arg("audit").arg(".").args(more).current_dir(folder).env("NO_COLOR", "1");
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A remediation that acts as soon as the alert fires.
fn naive(name: &str, kind: &str) -> String {
    format!(
        "policy = \"{name}\"\nmodel = \"act-on-alert\"\n[operation]\neffect = \"restart\"\nidentity = [\"host\"]\n\
         [trigger]\nkind = \"alert\"\nrepeat = \"5m\"\n\
         [target]\nkind = \"instance\"\nact = [\"10s\", \"1m\"]\nlag = \"15s\"\nfault = \"curable\"\n\
         [action]\nkind = \"{kind}\"\n"
    )
}

#[test]
fn what_is_unsafe_to_repeat_needs_more_than_an_alert() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("failover.toml"), naive("fail-over", "failover")).unwrap();
    let found = audit(folder.path(), &[]);
    assert_eq!(found.status.code(), Some(1));
    let text = text(&found);
    assert!(text.contains("failover is unsafe to repeat"), "{text}");
    assert!(text.contains("LACKS:     a single-flight lock, an approval, a back-out"), "{text}");
    assert!(text.contains("split brain"), "{text}");
}

#[test]
fn what_is_safe_by_nature_passes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("restart.toml"), naive("restart", "restart")).unwrap();
    let found = audit(folder.path(), &[]);
    assert_eq!(found.status.code(), Some(0), "{}", text(&found));
    assert!(text(&found).contains("1 policy audited, 0 lacking"));
    // What nobody classified does not.
    fs::write(folder.path().join("other.toml"), naive("other", "other")).unwrap();
    assert_eq!(audit(folder.path(), &[]).status.code(), Some(1));
    let only = text(&audit(folder.path(), &["--lacking"]));
    assert!(only.contains("other is unsafe") && !only.contains("restart is"), "{only}");
}

#[test]
fn machines_read_the_same() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rotate.toml"), naive("rotate", "rotate")).unwrap();
    let found = audit(folder.path(), &["--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["findings"][0]["class"], "unsafe-to-repeat");
    assert_eq!(json["findings"][0]["lacks"].as_array().unwrap().len(), 3);
}

#[test]
fn a_folder_without_policies_is_not_green() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(audit(folder.path(), &[]).status.code(), Some(4));
    fs::write(folder.path().join("p.toml"), "policy = 3\n").unwrap();
    assert_eq!(audit(folder.path(), &[]).status.code(), Some(2));
}

#[test]
fn every_shipped_policy_can_be_audited() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let found = audit(folder.as_ref(), &["--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    let all = json["findings"].as_array().unwrap();
    assert!(all.len() > 300, "{}", all.len());
    assert!(all.iter().all(|finding| finding["twice"].as_str().is_some_and(|twice| !twice.is_empty())));
}
