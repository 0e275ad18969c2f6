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
    let (code, stdout, stderr) =
        idemcheck(&["verify", POLICY, "--prove", "--proofs", folder.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("proved for: any number of requests (one payload), attempts, crashes with and without restart, lost responses, ambiguous acks and aborts; no other faults"), "{stdout}");
    assert!(stdout.contains("single-execution         proved"), "{stdout}");
    folder.join("transactional-receipt.proof.json").display().to_string()
}

#[test]
fn a_proof_is_written_checked_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path());
    let (code, stdout, stderr) = idemcheck(&["check-proof", &file]);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.contains("proved for any number of requests (one payload), attempts, crashes"),
        "{stdout}"
    );
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
        idemcheck(&["verify", path.to_str().unwrap(), "--prove"])
    };
    assert_eq!(check("single-execution = \"proved\"").0, 0);
    assert_eq!(check("single-execution = \"holds\"").0, 0);
    let (code, stdout, _) = check("no-stuck-key = \"proved\"");
    assert_eq!(code, 1);
    assert!(stdout.contains("expected proved, but it holds in this scope only"), "{stdout}");
    assert_eq!(check("single-execution = \"violated\"").0, 1);
    // Without the option nobody tries, which is said.
    check("single-execution = \"proved\"");
    let (code, stdout, _) = idemcheck(&["verify", folder.path().join("policy.toml").to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(stdout.contains("expected proved, and only `verify --prove` tries that"), "{stdout}");
}

/// A result that was kept says what a search found, whoever asks for more.
#[test]
fn what_is_kept_is_never_taken_for_proved_nor_the_reverse() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().to_str().unwrap();
    let verdict = |more: &[&str]| {
        let arguments: Vec<&str> = ["verify", POLICY, "--cache", cache, "--format", "json"]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        let (code, stdout, stderr) = idemcheck(&arguments);
        assert_eq!(code, 0, "{stderr}");
        let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        let result = &report["policies"][0];
        let of = result["properties"].as_array().unwrap();
        let of = of.iter().find(|of| of["property"] == "single-execution").unwrap();
        (of["verdict"].as_str().unwrap().to_owned(), result.get("proofs").is_some())
    };
    let (holds, proved) = (("holds".to_owned(), false), ("proved".to_owned(), true));
    for _ in 0..2 {
        assert_eq!(verdict(&["--prove"]), proved);
        assert_eq!(verdict(&[]), holds);
        assert!(std::fs::read_dir(cache).unwrap().next().is_some(), "nothing is kept");
    }
}

#[test]
fn every_report_says_what_is_proved() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let outputs: Vec<String> = ["json", "junit", "markdown", "sarif", "human"]
        .iter()
        .flat_map(|format| ["--output".to_owned(), format!("{format}={}", file(format))])
        .collect();
    let mut arguments = vec!["verify", POLICY, "--prove"];
    arguments.extend(outputs.iter().map(String::as_str));
    assert_eq!(idemcheck(&arguments).0, 0);
    assert!(read("human").contains("1 holds (1 proved in part)"), "{}", read("human"));
    let junit = read("junit");
    assert!(junit.contains("<property name=\"proved for\" value=\"any number of requests"), "{junit}");
    assert!(junit.contains("<system-out>proved; most effects 1</system-out>"), "{junit}");
    let markdown = read("markdown");
    assert!(markdown.contains("1 ✓ hold (1 proved in part)"), "{markdown}");
    assert!(markdown.contains("proved for any number of requests"), "{markdown}");
    // Nothing to mend is no result.
    assert!(read("sarif").contains("\"results\": []"));
    let pages = folder.path().join("pages");
    let (code, _, stderr) = idemcheck(&["report", POLICY, "--prove", "--to", pages.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    let page = read("pages/policies/transactional-receipt.html");
    assert!(page.contains("proved for") && page.contains("--prove"), "{page}");
}

/// Parts of a run are proved where they are checked, and say so when they are put together.
#[test]
fn parts_of_a_run_keep_what_is_proved() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<String> = (1..=2)
        .map(|number| {
            let path = folder.path().join(format!("{number}.json")).display().to_string();
            let (part, output) = (format!("hash:{number}/2"), format!("json={path}"));
            let twin = "policies/write-path/release-behind-native-key.toml";
            let arguments = ["verify", POLICY, twin, "--prove", "--partition", &part, "--output", &output];
            let (code, _, stderr) = idemcheck(&arguments);
            assert!(code == 0 || code == 4, "{stderr}");
            path
        })
        .filter(|path| Path::new(path).exists())
        .collect();
    let mut arguments = vec!["merge"];
    arguments.extend(paths.iter().map(String::as_str));
    let (code, stdout, stderr) = idemcheck(&arguments);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("2 hold (2 proved in part)"), "{stdout}");
}

/// Nor is anything else of it.
#[test]
fn a_policy_with_a_violation_is_not_proved() {
    let (code, stdout, _) =
        idemcheck(&["verify", "policies/write-path/two-transactions.toml", "--prove", "--verbose"]);
    assert_eq!(code, 0, "{stdout}");
    assert!(!stdout.contains("  proved"), "{stdout}");
    assert!(stdout.contains("a policy with a violation is mended first"), "{stdout}");
}
