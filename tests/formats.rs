//! The formats for machines and for reviews: over reports made by hand, against their schemas, and for
//! what their lines mean on policies that people write.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use idemcheck::check::property::Property;
use idemcheck::check::verdict::*;
use idemcheck::policy::load::Loaded;
use idemcheck::report::markdown::{COMMENT_BYTES, SUMMARY_BYTES};
use idemcheck::report::origin::Origins;
use idemcheck::report::trace::TraceFile;
use idemcheck::report::{github, json, junit, markdown, sarif};
use serde_json::Value;

#[path = "cli/by_hand.rs"]
mod by_hand;
use by_hand::*;

macro_rules! snapshot {
    ($name:literal, $text:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true,
                                snapshot_path => "cli" },
            { insta::assert_snapshot!($name, $text) })
    };
}

fn written(write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// With nothing behind it but the paths in the report.
fn in_format(report: &Report, format: &str) -> String {
    let nothing = Loaded::default();
    let origins = Origins::new(&nothing, Path::new("/repo"));
    match format {
        "sarif" => written(|out| sarif::render(report, &origins, out)),
        "github" => written(|out| github::render(report, &origins, out)),
        "junit" => written(|out| junit::render(report, out)),
        "markdown" => written(|out| markdown::render(report, COMMENT_BYTES, out)),
        "summary" => written(|out| markdown::render(report, SUMMARY_BYTES, out)),
        "json" => written(|out| json::render(report, out)),
        "counterexample" => {
            TraceFile::of(&report.policies[1], "policy = \"charge\"", "model = \"receipt\"", &[])[0].to_json()
        }
        other => panic!("{other}"),
    }
}

/// Everything in it that others may have chosen tries to be more than text.
fn hostile() -> Report {
    let nasty =
        "<script>alert(1)</script> ]]> \u{1}\u{1b}[31m `a|b` %0A::error:: @everyone #1 \"quoted\"\nend";
    let mut property = violated();
    property.reason = nasty.to_owned();
    property.waived = None;
    let run = property.counterexample.as_mut().unwrap();
    run.steps[1].sees = nasty.to_owned();
    run.steps[1].changes[0].to = nasty.to_owned();
    let mut bad = policy(nasty, vec![property, PropertyResult { waived: Some(nasty.to_owned()), ..lasso() }]);
    bad.path = format!("policies/{}.toml", nasty.replace('/', " "));
    let mut waiver = waiver(idemcheck::check::weigh::WaiverState::Expiring, 3);
    (waiver.reason, waiver.owner, waiver.ticket) = (nasty.into(), Some(nasty.into()), Some(nasty.into()));
    bad.waivers = vec![waiver];
    bad.lints.push(LintResult {
        name: "lease-below-handler".to_owned(),
        says: nasty.to_owned(),
        source: nasty.to_owned(),
        confirmed_by: None,
        confirmation: nasty.to_owned(),
        silenced: Some(nasty.to_owned()),
    });
    let failure =
        CheckFailure { policy: nasty.to_owned(), path: nasty.to_owned(), message: nasty.to_owned() };
    Report { tool: "[VERSION]".to_owned(), ..Report::new(vec![bad], vec![failure], 1, 0.0) }
}

#[test]
fn every_format_has_a_shape() {
    snapshot!("format_sarif", in_format(&sample(), "sarif"));
    snapshot!("format_junit", in_format(&sample(), "junit"));
    snapshot!("format_github", in_format(&sample(), "github"));
    snapshot!("format_markdown", in_format(&sample(), "markdown"));
    snapshot!("format_json", in_format(&sample(), "json"));
    snapshot!("format_counterexample", in_format(&sample(), "counterexample"));
    // With room for everything the two are one.
    assert_eq!(in_format(&sample(), "summary"), in_format(&sample(), "markdown"));
}

/// A format that is added has to be looked at here.
#[test]
fn every_format_of_the_command_line_is_tested() {
    let help = idemcheck(Path::new(env!("CARGO_MANIFEST_DIR")), &["verify", "--help"]).stdout;
    let part = help.split("--format <FORMAT>").nth(1).unwrap().split("--output").next().unwrap();
    let names: Vec<&str> =
        part.lines().filter_map(|line| line.trim().strip_prefix("- ")?.split(':').next()).collect();
    // `human` has its snapshots in cli_report.rs, and the pages are in html.rs.
    assert_eq!(names, ["human", "json", "sarif", "junit", "github", "markdown", "summary"]);
    for name in &names[1..] {
        assert!(!in_format(&sample(), name).is_empty());
    }
}

// SARIF

fn sarif_errors(document: &Value) -> Vec<String> {
    let schema = include_str!("data/sarif-schema-2.1.0.json");
    // A bracket that nothing opens: to some readers of patterns it is a fault.
    let schema = schema.replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$");
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn sarif_is_valid() {
    for report in [sample(), hostile(), Report::new(Vec::new(), Vec::new(), 3, 0.0)] {
        let document: Value = serde_json::from_str(&in_format(&report, "sarif")).unwrap();
        assert_eq!(sarif_errors(&document), Vec::<String>::new());
    }
    let mut broken: Value = serde_json::from_str(&in_format(&sample(), "sarif")).unwrap();
    broken["runs"][0]["results"][0]["level"] = "grave".into();
    assert!(!sarif_errors(&broken).is_empty());
}

/// `lease-12s` with a model of its own, with expectations of which one is not met, and a waiver.
const POLICY: &str = r#"
policy  = "charge"
summary = "A lease of 12 s around a call of 10 s"
model   = "ours"

[operation]
effect   = "create"
identity = ["order_id"]

[key]
from        = ["order_id"]
supplied_by = "client"

[trigger]
requests = 2
retries  = 0

[store]
kind  = "postgres"
lease = "12s"

[downstream]
latency    = ["50ms", "10s"]
timeout    = "10s"
late       = "0s"
native_key = false
query      = true
fencing    = false

[choices]
in_flight = "reject"
take_over = "reconcile"
failed    = "replay"
unknown   = "hold"

[faults]
crashes        = 1
lost_responses = 0
pause          = "5s"

[expect]
single-execution = "holds"

[[waiver]]
property = "claim-exclusive"
reason   = "the new lease ships on Monday"
until    = 2999-12-31
"#;

struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

fn idemcheck(folder: &Path, args: &[&str]) -> Said {
    let mut command = assert_cmd::Command::cargo_bin("idemcheck").unwrap();
    command.env_remove("FORCE_COLOR").env_remove("CLICOLOR_FORCE").current_dir(folder).args(args);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A folder with the policy and its model.
fn shop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("policies/models")).unwrap();
    let model = include_str!("../models/receipt.toml").replace("model = \"receipt\"", "model = \"ours\"");
    assert!(model.contains("\"ours\""));
    fs::write(folder.path().join("policies/models/ours.toml"), model).unwrap();
    fs::write(folder.path().join("policies/charge.toml"), POLICY).unwrap();
    folder
}

/// The lines that a location covers.
fn covered(folder: &Path, location: &Value) -> String {
    let physical = &location["physicalLocation"];
    let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
    assert!(!uri.starts_with(['/', '.']) && !uri.contains(':'), "{uri}");
    let text = fs::read_to_string(folder.join(uri)).unwrap();
    let region = &physical["region"];
    let number = |name: &str| usize::try_from(region[name].as_u64().unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(region["startLine"], region["endLine"]);
    let line: Vec<char> = lines[number("startLine") - 1].chars().collect();
    line[number("startColumn") - 1..number("endColumn") - 1].iter().collect()
}

#[test]
fn sarif_points_at_the_lines_it_means() {
    let folder = shop();
    let said = idemcheck(folder.path(), &["verify", "./policies", "--format", "sarif"]);
    assert_eq!(said.code, 1, "{}", said.stderr);
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(sarif_errors(&document), Vec::<String>::new());
    let run = &document["runs"][0];
    let results = run["results"].as_array().unwrap();
    let by_rule: BTreeMap<&str, &Value> =
        results.iter().map(|result| (result["ruleId"].as_str().unwrap(), result)).collect();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
    }
    // A promise that is not kept; and what the author said nothing of.
    let at = |result: &Value| covered(folder.path(), &result["locations"][0]);
    assert_eq!(at(by_rule["single-execution"]), "single-execution = \"holds\"");
    assert_eq!(at(by_rule["no-stale-overwrite"]), "policy  = \"charge\"");
    assert_eq!(at(by_rule["lease-below-handler"]), "lease = \"12s\"");
    // What is waived is suppressed, by the waiver.
    let waived = by_rule["claim-exclusive"];
    assert_eq!(waived["suppressions"][0]["justification"], "the new lease ships on Monday");
    assert_eq!(waived["suppressions"][0]["kind"], "inSource");
    assert_eq!(covered(folder.path(), &waived["relatedLocations"][0]), "lease = \"12s\"");
    assert!(by_rule["single-execution"].get("suppressions").is_none());
    // The steps are those of the run, in its order, each at its state of the model.
    let steps =
        by_rule["single-execution"]["codeFlows"][0]["threadFlows"][0]["locations"].as_array().unwrap();
    let report = idemcheck(folder.path(), &["verify", "./policies", "--format", "json"]).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let properties = report["policies"][0]["properties"].as_array().unwrap();
    let told = properties.iter().find(|property| property["property"] == "single-execution").unwrap();
    let told = told["counterexample"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), told.len());
    for (number, (step, told)) in steps.iter().zip(told).enumerate() {
        assert_eq!(step["executionOrder"], number + 1);
        let text = step["location"]["message"]["text"].as_str().unwrap();
        let does = told["does"].as_str().unwrap();
        assert!(text.contains(does), "{text}");
        let physical = &step["location"]["physicalLocation"];
        match does.split_once(": ") {
            Some((state, _)) => {
                assert_eq!(physical["artifactLocation"]["uri"], "policies/models/ours.toml");
                let line = usize::try_from(physical["region"]["startLine"].as_u64().unwrap()).unwrap();
                let model = fs::read_to_string(folder.path().join("policies/models/ours.toml")).unwrap();
                assert!(
                    model.lines().nth(line - 1).unwrap().contains(state),
                    "{state} is not in line {line}"
                );
            }
            None => assert_eq!(covered(folder.path(), &step["location"]), "model   = \"ours\""),
        }
    }
    assert_eq!(steps.last().unwrap()["importance"], "essential");
    // Found again, it is the same finding.
    let again = idemcheck(folder.path(), &["verify", "policies/charge.toml", "--format", "sarif"]).stdout;
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["runs"][0]["results"], run["results"]);
}

#[test]
fn a_faulty_file_is_a_result_at_its_line() {
    let folder = shop();
    fs::write(
        folder.path().join("policies/charge.toml"),
        POLICY.replace("lease = \"12s\"", "leese = \"12s\""),
    )
    .unwrap();
    let said = idemcheck(
        folder.path(),
        &[
            "verify",
            "policies",
            "--format",
            "github",
            "--output",
            "sarif=out/x.sarif",
            "--output",
            "junit=x.xml",
        ],
    );
    assert_eq!(said.code, 2);
    let document = fs::read_to_string(folder.path().join("out/x.sarif")).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(sarif_errors(&document), Vec::<String>::new());
    let results = document["runs"][0]["results"].as_array().unwrap();
    assert!(results.iter().any(|result| covered(folder.path(), &result["locations"][0]).contains("leese")));
    assert_eq!(document["runs"][0]["invocations"][0]["executionSuccessful"], false);
    let line = POLICY.lines().position(|line| line.starts_with("lease")).unwrap() + 1;
    let wanted = format!("::error file=policies/charge.toml,line={line},");
    assert!(said.stdout.contains(&wanted), "{}", said.stdout);
    assert!(fs::read_to_string(folder.path().join("x.xml")).unwrap().contains("1 policy could not be read"));
}

#[test]
fn a_long_run_keeps_within_what_code_scanning_takes() {
    let mut property = violated();
    let run = property.counterexample.as_mut().unwrap();
    let one = run.steps[0].clone();
    run.steps = vec![one; 16_570];
    let document: Value =
        serde_json::from_str(&in_format(&report(vec![policy("long", vec![property])]), "sarif")).unwrap();
    let flow = &document["runs"][0]["results"][0]["codeFlows"][0];
    assert_eq!(flow["threadFlows"][0]["locations"].as_array().unwrap().len(), 1000);
    assert!(flow["message"]["text"].as_str().unwrap().contains("15570 steps in the middle are left out"));
}

// JUnit

#[test]
fn junit_has_a_case_for_each_property_and_fails_where_it_should() {
    let text = in_format(&sample(), "junit");
    let policies = sample().policies;
    // And one for what is stale in the baseline.
    let stale = sample().baseline.map_or(0, |baseline| baseline.stale.len());
    assert_eq!(text.matches("<testsuite ").count(), policies.len() + 1);
    let properties = policies.iter().map(|p| p.properties.len()).sum::<usize>();
    assert_eq!(text.matches("<testcase ").count(), properties + stale);
    let count = |standing: Standing| {
        let all = policies.iter().flat_map(|policy| &policy.properties);
        all.filter(|property| property.standing() == standing).count()
    };
    assert_eq!(text.matches("<failure ").count(), count(Standing::Unexpected));
    assert_eq!(text.matches("<error ").count(), count(Standing::Inconclusive));
    let skipped = [Standing::Waived, Standing::Baselined, Standing::NotApplicable].map(count);
    assert_eq!(text.matches("<skipped ").count(), skipped.iter().sum::<usize>() + stale);
    // Nothing that could not be checked is green.
    let unread = in_format(&Report::new(Vec::new(), Vec::new(), 2, 0.0), "junit");
    assert!(unread.contains("errors=\"1\"") && unread.contains("2 policies could not be read"));
}

#[test]
fn junit_holds_only_what_xml_can() {
    let text = in_format(&hostile(), "junit");
    assert!(!text.contains("<script>") && text.contains("&lt;script&gt;"));
    assert!(text.chars().all(|c| !c.is_control() || "\n\t\r".contains(c)));
    // Well-formed, as far as a reader of tags can tell: all that is opened is closed.
    let mut open = Vec::new();
    for tag in text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        match tag {
            tag if tag.starts_with(['?', '!']) || tag.ends_with('/') => {}
            tag if tag.starts_with('/') => assert_eq!(open.pop(), Some(&tag[1..])),
            tag => open.push(tag.split([' ', '\n']).next().unwrap()),
        }
    }
    assert!(open.is_empty());
}

/// What xmllint objects to in a JUnit file; nothing where there is none, which is said.
fn junit_errors(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("junit.xml");
    fs::write(&path, text).unwrap();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/junit.rng");
    let output = std::process::Command::new("xmllint")
        .args(["--noout", "--nonet", "--huge", "--relaxng", schema])
        .arg(&path)
        .output();
    match output {
        Ok(output) if output.status.success() => String::new(),
        Ok(output) => String::from_utf8(output.stderr).unwrap(),
        Err(error) => {
            let required = std::env::var("IDEMCHECK_TEST_SERVERS").is_ok_and(|value| value == "required");
            assert!(!required, "xmllint: {error}");
            eprintln!("skipped: xmllint: {error}");
            String::new()
        }
    }
}

#[test]
fn junit_is_valid() {
    let there = std::process::Command::new("xmllint").arg("--version").output().is_ok();
    for report in [sample(), hostile(), Report::new(Vec::new(), Vec::new(), 2, 0.0), report(Vec::new())] {
        assert_eq!(junit_errors(&in_format(&report, "junit")), "");
    }
    let text = in_format(&sample(), "junit");
    for (from, to) in [
        ("<failure ", "<failed "),
        (" tests=\"", " test=\""),
        ("</testsuites>", ""),
        // Jenkins' xUnit plugin rejects a file for it.
        ("<testsuites ", "<testsuites skipped=\"0\" "),
        (" classname=\"holds\"", ""),
        (" classname=\"holds\" time=\"0.000\"", " classname=\"holds\""),
        (" time=\"0.400\"", " time=\"1,000.400\""),
        (" type=\"violated\"", ""),
        (" tests=\"1\"", " tests=\"4294967296\""),
        ("</failure>", "</failure><skipped/>"),
        ("<property name=\"model\"", "<property name=\" \""),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(!there || !junit_errors(&text.replace(from, to)).is_empty(), "{from}");
    }
}

/// What is written of all suites is what they come to.
#[test]
fn junit_counts_add_up() {
    for report in [sample(), hostile(), report(Vec::new())] {
        let text = in_format(&report, "junit");
        let counts = |element: &str, name: &str| -> Vec<u64> {
            let (start, name) = (format!("<{element} "), format!(" {name}=\""));
            let heads = text.split(&start).skip(1).map(|rest| rest.split_once('>').unwrap().0);
            let value = heads.filter_map(|head| head.split_once(&name));
            value.map(|(_, rest)| rest.split_once('"').unwrap().0.parse().unwrap()).collect()
        };
        for (name, element) in [("tests", "testcase"), ("failures", "failure"), ("errors", "error")] {
            let there = text.matches(&format!("<{element} ")).count() as u64;
            assert_eq!(counts("testsuites", name), [there], "{name}");
            assert_eq!(counts("testsuite", name).iter().sum::<u64>(), there, "{name}");
        }
        let skipped = text.matches("<skipped").count() as u64;
        assert_eq!(counts("testsuite", "skipped").iter().sum::<u64>(), skipped);
        assert!(counts("testsuites", "skipped").is_empty());
    }
}

// GitHub

#[test]
fn annotations_stay_within_ten_of_a_level() {
    let many = |count: usize| {
        let policies = (0..count).map(|number| policy(&format!("p{number}"), vec![violated()])).collect();
        in_format(&report(policies), "github")
    };
    assert_eq!(many(10).lines().count(), 10);
    let text = many(37);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 10);
    assert!(lines[9].contains("28 more"), "{}", lines[9]);
}

#[test]
fn annotations_are_one_command_each() {
    for line in in_format(&hostile(), "github").lines() {
        assert!(
            ["::error ", "::warning ", "::notice "].iter().any(|start| line.starts_with(start)),
            "{line}"
        );
        let (properties, message) = line[2..].split_once("::").unwrap();
        assert!(!message.contains("%0A::error::") || message.contains("%250A::error::"), "{message}");
        let names: Vec<&str> =
            properties.split_once(' ').unwrap().1.split(',').map(|p| p.split('=').next().unwrap()).collect();
        let known = ["file", "line", "endLine", "col", "endColumn", "title"];
        assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
        assert!(!line.chars().any(char::is_control));
        // GitHub keeps 64 KB of a message and 255 characters of a title.
        assert!(message.len() < 64 * 1024 && properties.len() < 8 * 1024);
    }
}

#[test]
fn annotations_of_every_size_stay_within_what_github_keeps() {
    let mut one = policy(&"name-".repeat(200), vec![violated()]);
    one.properties[0].reason = "because ".repeat(40_000);
    let text = in_format(&report(vec![one]), "github");
    let line = text.lines().next().unwrap();
    let title = line.split("title=").nth(1).unwrap().split("::").next().unwrap();
    assert!(title.chars().count() <= 255, "{}", title.chars().count());
    assert!(line.len() < 64 * 1024, "{}", line.len());
}

// Markdown

#[test]
fn a_comment_stays_within_its_bytes_and_counts_what_it_leaves_out() {
    let policies: Vec<_> = (0..1000).map(|number| policy(&format!("p{number}"), vec![violated()])).collect();
    let all = report(policies);
    for bytes in [2_000, COMMENT_BYTES, SUMMARY_BYTES] {
        let text = written(|out| markdown::render(&all, bytes, out));
        assert!(text.len() <= bytes, "{} of {bytes}", text.len());
        assert!(text.contains("left out: no room"));
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        assert_eq!(text.matches("```").count() % 2, 0);
    }
    assert!(!in_format(&sample(), "markdown").contains("no room"));
}

/// Without what stands between equally many backticks.
fn without_code(text: &str) -> String {
    let (mut prose, mut rest) = (String::new(), text);
    while let Some(start) = rest.find('`') {
        // An escaped one begins nothing.
        if rest[..start].ends_with('\\') {
            prose.push_str(&rest[..=start]);
            rest = &rest[start + 1..];
            continue;
        }
        prose.push_str(&rest[..start]);
        let inside = rest[start..].trim_start_matches('`');
        let fence = &rest[start..rest.len() - inside.len()];
        let mut from = 0;
        let end = loop {
            let at = from + inside[from..].find(fence).expect("code that does not end");
            let run = inside[at..].len() - inside[at..].trim_start_matches('`').len();
            if run == fence.len() {
                break at;
            }
            from = at + run;
        };
        rest = &inside[end + fence.len()..];
    }
    prose + rest
}

#[test]
fn a_comment_mentions_nobody_and_has_no_markup_of_others() {
    let text = in_format(&hostile(), "markdown");
    let prose = without_code(&text);
    assert!(!prose.contains("<script") && !prose.contains("@everyone"), "{prose}");
    assert!(!text.contains("\u{1b}"));
    // In a diagram `end` alone on a line would end it, and a `;` a statement.
    let diagram = text.split("```mermaid").nth(1).unwrap().split("```").next().unwrap();
    assert!(!diagram.contains("<script"));
    assert!(diagram.lines().skip(2).all(|line| line.starts_with("    ")), "{diagram}");
    let entities = |line: &str| line.split(';').rev().skip(1).all(|part| part.rsplit_once('#').is_some());
    assert!(diagram.lines().all(entities), "{diagram}");
    // Within a table, a bar of others does not begin a cell.
    let rows = text.lines().filter(|line| line.starts_with("| 2 |"));
    assert!(rows.clone().count() > 0);
    for row in rows {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 7, "{row}");
    }
}

// Several at once

#[test]
fn several_formats_come_from_one_run() {
    let folder = shop();
    let said = idemcheck(
        folder.path(),
        &[
            "verify",
            "policies",
            "--output",
            "sarif=a/x.sarif",
            "--output",
            "markdown=b.md",
            "--output",
            "json=r.json",
        ],
    );
    assert_eq!(said.code, 1);
    assert!(said.stdout.contains("VIOLATED"), "{}", said.stdout);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("a/x.sarif").contains("\"version\": \"2.1.0\""));
    assert!(read("b.md").starts_with("<!-- idemcheck -->"));
    let report: Report = serde_json::from_str(&read("r.json")).unwrap();
    let single = report.policies[0].properties.iter().find(|p| p.property == Property::SingleExecution);
    assert_eq!(single.unwrap().standing(), Standing::Unexpected);
}

#[test]
fn a_format_that_does_not_exist_is_an_error() {
    let folder = shop();
    for (args, says) in [
        (["--output", "sarf=x"], "no format is called `sarf`"),
        (["--output", "json=-"], "--format json"),
        (["--output=a", "--output=b"], "given 2 times"),
    ] {
        let said = idemcheck(folder.path(), &[&["verify", "policies"], &args[..]].concat());
        assert_eq!(said.code, 2, "{args:?}");
        assert!(said.stderr.contains(says), "{}", said.stderr);
        assert_eq!(said.stdout, "");
    }
}
