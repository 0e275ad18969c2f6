//! `verify --proofs` and `check-proof` from outside.

use std::fs;
use std::path::Path;

use assert_cmd::Command;

const POLICY: &str = "policies/write-path/transactional-receipt.toml";

fn idemcheck(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("idemcheck").unwrap().args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn written(folder: &Path) -> String {
    let (code, stdout, stderr) = idemcheck(&["verify", POLICY, "--proofs", folder.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("proved for: any number of requests, attempts, crashes with and without restart, ambiguous acks and aborts; no other faults"), "{stdout}");
    assert!(stdout.contains("single-execution     proved"), "{stdout}");
    folder.join("transactional-receipt.proof.json").display().to_string()
}

#[test]
fn a_proof_is_written_checked_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path());
    let (code, stdout, stderr) = idemcheck(&["check-proof", &file]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("proved for any number of requests, attempts, crashes"), "{stdout}");
    assert!(stdout.contains("single-execution") && stdout.contains("pieces"), "{stdout}");
    // Against the policy as it is now, and in words.
    let (code, stdout, _) = idemcheck(&["check-proof", &file, POLICY, "--show"]);
    assert_eq!(code, 0);
    assert!(
        stdout.contains("no receipt, no effect\n  - a client waits for an attempt at `commit`"),
        "{stdout}"
    );
    // Of its twin with two transactions it proves nothing.
    let (code, stdout, stderr) =
        idemcheck(&["check-proof", &file, "policies/write-path/two-transactions.toml"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("proves nothing of two-transactions"), "{stderr}");
}

#[test]
fn a_proof_that_was_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path());
    let text = fs::read_to_string(&file).unwrap();
    let refused = |text: &str, says: &str| {
        let changed = folder.path().join("changed.json");
        fs::write(&changed, text).unwrap();
        let (code, stdout, stderr) = idemcheck(&["check-proof", changed.to_str().unwrap()]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(says), "{says}: {stderr}");
    };
    let pieces: Vec<&str> = text.lines().filter(|line| line.contains("\"says\"")).collect();
    assert!(pieces.len() > 20, "{}", pieces.len());
    // The last one has a comma before it.
    refused(&text.replace(&format!(",\n{}", pieces[pieces.len() - 1]), ""), "not inductive");
    refused(&text.replace(&format!("{}\n", pieces[0]), ""), "not among the pieces");
    refused(
        &text.replace("\"no-lost-effect\"", "\"no-stuck-key\""),
        "no-stuck-key is not proved by an invariant",
    );
    refused(&text.replace("\"world\":\"", "\"world\":\"0"), "piece 1 is no world of this policy");
    refused(&text.replace("\"version\": 1", "\"version\": 7"), "version 7");
    refused("{}", "not a proof file");
    refused("", "not a proof file");
}

#[test]
fn an_expectation_can_ask_for_a_proof() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(POLICY).unwrap();
    let check = |expectation: &str| {
        let path = folder.path().join("policy.toml");
        let text = text.replace("single-execution = \"holds\"", expectation);
        assert!(text.contains(expectation));
        fs::write(&path, text).unwrap();
        idemcheck(&["verify", path.to_str().unwrap()])
    };
    assert_eq!(check("single-execution = \"proved\"").0, 0);
    assert_eq!(check("single-execution = \"holds\"").0, 0);
    let (code, stdout, _) = check("no-stuck-key = \"proved\"");
    assert_eq!(code, 1);
    assert!(stdout.contains("expected proved, but it holds in this scope only"), "{stdout}");
    assert_eq!(check("single-execution = \"violated\"").0, 1);
}
