//! Waivers: what each comes to is shown in every format, and counted; none lapses or applies in silence.

use serde_json::Value;

use super::support::*;

const NAMES: [&str; 3] = ["single-execution", "claim-exclusive", "no-stale-overwrite"];

/// A day so many days from now.
fn day(from_now: i64) -> String {
    let today = jiff::Zoned::now().date();
    today.checked_add(jiff::Span::new().days(from_now)).unwrap().to_string()
}

fn waiver(property: &str, until: &str) -> String {
    format!(
        "[[waiver]]\nproperty = \"{property}\"\nreason = \"known <b>\"\nuntil = {until}\nowner = \"payments\"\n\
         ticket = \"PAY-7\"\n"
    )
}

/// One of each state: active, about to expire, expired, not needed.
fn all_states() -> String {
    let waivers = [
        waiver("single-execution", &day(400)),
        waiver("claim-exclusive", &day(3)),
        waiver("no-stale-overwrite", &day(-2)),
        waiver("no-false-dedup", &day(400)),
    ];
    format!("{LEASE_12S}{}", waivers.concat())
}

fn states(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let waivers = report["policies"][0]["waivers"].as_array().unwrap();
    waivers.iter().map(|waiver| (text(&waiver["property"]), text(&waiver["state"]))).collect()
}

#[test]
fn each_is_in_a_state_and_counted() {
    let folder = Folder::with(&all_states());
    let report = folder.run(&["verify", "--format", "json"]).exits(1).json();
    let expected = [NAMES[0], NAMES[1], NAMES[2], "no-false-dedup"].map(str::to_owned);
    let expected: Vec<_> =
        expected.into_iter().zip(["active", "expiring", "expired", "unused"].map(str::to_owned)).collect();
    assert_eq!(states(&report), expected);
    for state in ["active", "expiring", "expired", "unused"] {
        assert_eq!(report["waivers"][state], 1, "{state}");
    }
    assert_eq!(report["policies"][0]["waivers"][1]["days_left"], 3);
    let of = |name: &str| {
        let all = report["policies"][0]["properties"].as_array().unwrap();
        all.iter().find(|property| property["property"] == name).unwrap().clone()
    };
    assert_eq!(of(NAMES[0])["waived"], "known <b>");
    assert_eq!(of(NAMES[2])["waived"], Value::Null);
    assert!(of(NAMES[2])["lapsed"].as_str().unwrap().contains(&format!("(payments) expired on {}", day(-2))));
}

#[test]
fn every_format_shows_all_of_them() {
    let folder = Folder::with(&all_states());
    let in_format = |format: &str| folder.run(&["verify", "--format", format]).exits(1).stdout;
    let lines = ["active, 400 days left", "expires in 3 days", "expired 2 days ago", "not needed"];
    for format in ["human", "markdown", "junit", "summary"] {
        let text = in_format(format);
        for line in lines {
            assert!(text.contains(line), "{format} has no `{line}`: {text}");
        }
        assert!(text.contains("payments") && text.contains("PAY"), "{format}: {text}");
        assert!(text.contains("expired on "), "{format}: the finding does not name its waiver: {text}");
    }
    let human = in_format("human");
    assert!(human.contains("waivers: 1 active, 1 expiring, 1 expired, 1 unused"), "{human}");
    // Quiet or not: it does not lapse in silence.
    let folder_of_one = Folder::with(&format!("{}{}", sound(), waiver("no-stuck-key", &day(400))));
    let quiet = folder_of_one.run(&["verify", "-q"]).exits(0).stdout;
    assert!(quiet.contains("not needed"), "{quiet}");
    // GitHub: beside what is covered, or a warning.
    let github = in_format("github");
    assert!(github.contains("::warning ") && github.contains("waiver expired"), "{github}");
    assert!(github.contains("waiver unused") && github.contains("waiver expiring"), "{github}");
    assert!(github.contains("waived: known"), "{github}");
    // SARIF: suppressed only as long as the waiver holds.
    let sarif: Value = serde_json::from_str(&in_format("sarif")).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let of = |id: &str| results.iter().find(|result| result["ruleId"] == id).unwrap();
    assert_eq!(of(NAMES[0])["suppressions"][0]["justification"], "known <b>");
    assert_eq!(of(NAMES[1])["suppressions"][0]["status"], "accepted");
    assert_eq!(of(NAMES[2])["suppressions"], Value::Null);
    let levels: Vec<_> =
        results.iter().filter(|result| result["ruleId"] == "waiver").map(|result| &result["level"]).collect();
    assert_eq!(levels, ["note", "warning", "warning"]);
    let line = of("waiver")["locations"][0]["physicalLocation"]["region"]["startLine"].as_u64().unwrap();
    let text = folder.read("policies/charge.toml");
    assert_eq!(text.lines().nth(line as usize - 1), Some("[[waiver]]"));
    let at = |line: usize| text.lines().nth(line).unwrap();
    assert!(at(line as usize).contains("claim-exclusive"), "{line}");
    // The index.
    folder.run(&["report"]).exits(1);
    let index = folder.read("reports/index.html");
    for line in lines {
        assert!(index.contains(line), "{line}");
    }
    assert!(index.contains("known &lt;b&gt;") && !index.contains("known <b>"));
}

#[test]
fn the_last_day_counts_and_the_day_after_does_not() {
    let verify = |until: &str| {
        let folder = Folder::with(&format!("{LEASE_12S}{}", NAMES.map(|name| waiver(name, until)).concat()));
        folder.run(&["verify"])
    };
    let today = verify(&day(0)).exits(0);
    assert!(today.stdout.contains("expires today"), "{}", today.stdout);
    verify(&day(-1)).exits(1);
}

#[test]
fn what_nobody_asks_for_is_not_called_unused() {
    let folder = Folder::with(&all_states());
    let report = folder.run(&["verify", "--property", "no-stuck-key", "--format", "json"]).exits(0).json();
    let states: Vec<String> = states(&report).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["active", "expiring", "expired", "active"]);
}

#[test]
fn a_malformed_one_keeps_the_run_from_being_done() {
    let good = waiver("single-execution", "2999-01-01");
    for (from, to, code) in [
        ("reason = \"known <b>\"\n", "", "reason"),
        ("reason = \"known <b>\"", "reason = \"  \"", "is blank"),
        ("until = 2999-01-01\n", "", "until"),
        ("until = 2999-01-01", "until = \"soon\"", "until"),
        ("until = 2999-01-01", "until = 2999-02-30", "2999-02-30"),
        ("owner = \"payments\"", "owner = \"\"", "is blank"),
        ("owner = \"payments\"", "owner = 7", "owner"),
        ("ticket", "tiket", "did you mean"),
        ("single-execution", "single-executions", "did you mean"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good, "{from}");
        let folder = Folder::with(&format!("{LEASE_12S}{bad}"));
        let said = folder.run(&["verify"]).exits(2);
        assert!(said.stderr.contains(code), "{to}: {}", said.stderr);
        assert!(said.stderr.contains("policies/charge.toml:"), "{to}: {}", said.stderr);
    }
}
