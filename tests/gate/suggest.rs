//! Suggestions at the command line: patches apply from wherever they are asked for, and limits end the search.

use std::process::Command;

use super::support::*;

/// In a folder below, with a blank in a name; named from elsewhere, from the root and through `..`.
#[test]
fn patches_apply_wherever_the_policy_is_named_from() {
    for text in [LEASE_12S.to_owned(), LEASE_12S.replace('\n', "\r\n")] {
        let folder = Folder::new();
        folder.write("repo/a b/charge.toml", &text);
        folder.write("repo/other/empty", "");
        let real = std::fs::canonicalize(folder.path("repo")).unwrap();
        folder.git(&["init", "--quiet", "repo"]);
        let absolute = real.join("a b/charge.toml").display().to_string();
        for (from, named) in [
            ("repo", "a b/charge.toml"),
            ("repo/a b", "charge.toml"),
            ("repo/other", "../a b/charge.toml"),
            ("repo", absolute.as_str()),
            (".", absolute.as_str()),
        ] {
            let args = ["suggest", named, "--property", "claim-exclusive", "--patch", "1"];
            let output = folder.command(&args).current_dir(folder.path(from)).output().unwrap();
            let patch = Said::of(output).exits(0).stdout;
            let at = match patch.strip_prefix("Apply in ") {
                Some(rest) => rest.split_once(":\n").unwrap().0.into(),
                None => folder.path(from),
            };
            folder.write("a.patch", &patch);
            let path = folder.path("a.patch");
            let tools = [
                ("git", vec!["apply".into(), path.clone()]),
                ("patch", vec!["-p1".into(), "--batch".into(), "--binary".into(), "-i".into(), path]),
            ];
            for (tool, args) in tools {
                if tool == "patch" && Command::new("patch").arg("--version").output().is_err() {
                    continue;
                }
                let output = Command::new(tool).args(&args).current_dir(&at).output().unwrap();
                let said = Said::of(output);
                assert_eq!(
                    said.code, 0,
                    "{tool} of {named} from {from}: {}{}\n{patch}",
                    said.stdout, said.stderr
                );
                assert_ne!(folder.read("repo/a b/charge.toml"), text, "{tool} of {named} from {from}");
                let verified = ["verify", "--property", "claim-exclusive", "repo/a b"];
                folder.run(&verified).exits(0);
                folder.write("repo/a b/charge.toml", &text);
            }
        }
    }
}

#[test]
fn expectations_on_one_line_are_turned_round() {
    let names = ["single-execution", "claim-exclusive", "no-stale-overwrite"];
    let names = names.map(|name| format!("{name} = \"violated\"")).join(", ");
    let text = format!("expect = {{ {names} }}\n{LEASE_12S}");
    let folder = Folder::with(&text);
    folder.run(&["verify"]).exits(0);
    let found = folder.run(&["suggest", "policies/charge.toml", "--format", "json"]).exits(0).json();
    let one = &found["suggestions"][0];
    assert_eq!(one["expectations"].as_array().map(Vec::len), Some(3), "{found:#}");
    let patch = one["patch"].as_str().unwrap();
    assert!(patch.contains("+expect = {") && patch.contains("single-execution = \"holds\""), "{patch}");
}

#[test]
fn limits_end_the_search_and_are_said() {
    let folder = Folder::with(LEASE_12S);
    let out_of_time =
        folder.run(&["suggest", "policies/charge.toml", "--timeout", "0ms", "--format", "json"]);
    // Small as it is, the policy may be through before the clock is looked at; nothing else is.
    let found = out_of_time.exits(3).json();
    assert!(found["open"].is_string() || found["tried"]["stopped_by"] == "the limit of time", "{found:#}");
    assert_eq!(found["suggestions"].as_array().map(Vec::len), Some(0), "{found:#}");
    let few = ["suggest", "policies/charge.toml", "--max-states", "5", "--format", "json"];
    assert!(folder.run(&few).exits(3).json()["open"].is_string());
    // Results from the cache take no time, and margins have none.
    folder.run(&["verify", "--cache", "kept"]).exits(1);
    let margins = ["verify", "--cache", "kept", "--margins", "--timeout", "0ms", "--format", "json"];
    let report = folder.run(&margins).exits(1).json();
    let margins = &report["policies"][0]["margins"];
    assert_eq!(
        (&margins["stopped_by"], &margins["probes"]),
        (&"the limit of time".into(), &0.into()),
        "{margins:#}"
    );
    assert_eq!(margins["limits"]["seconds"], 0.0);
    assert!(margins["declarations"][0]["above"]["end"]["kind"] == "open", "{margins:#}");
}
