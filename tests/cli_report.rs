//! The renderers over reports made by hand: what people and machines see of each kind of result.

use std::io::Write as _;

use idemcheck::check::property::Property;
use idemcheck::check::verdict::*;
use idemcheck::report::human::{self, Detail, Options};
use idemcheck::report::json;
use idemcheck::report::trace::{self, TraceFile};

#[path = "cli/by_hand.rs"]
mod by_hand;
use by_hand::*;

fn rendered(report: &Report, options: &Options) -> String {
    let mut out = anstream::StripStream::new(Vec::new());
    human::render(report, options, &mut out).unwrap();
    out.flush().unwrap();
    String::from_utf8(out.into_inner()).unwrap()
}

macro_rules! snapshot {
    ($name:literal, $text:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true,
                                snapshot_path => "cli" },
            { insta::assert_snapshot!($name, $text) })
    };
}

#[test]
fn a_policy_that_holds() {
    snapshot!("human_holds", rendered(&report(vec![policy("charge", holding())]), &Options::default()));
}

#[test]
fn a_violation_is_shown_with_its_run_and_how_to_run_it_again() {
    let traces = [((0, Property::SingleExecution), "traces/charge.single-execution.json")].into();
    let options = Options { traces, ..Options::default() };
    snapshot!("human_violated", rendered(&report(vec![policy("charge", vec![violated()])]), &options));
}

#[test]
fn a_run_without_end_says_where_it_repeats() {
    snapshot!("human_lasso", rendered(&report(vec![policy("charge", vec![lasso()])]), &Options::default()));
}

#[test]
fn every_kind_of_result() {
    snapshot!("human_all_kinds", rendered(&sample(), &Options::default()));
}

#[test]
fn verbose_shows_expected_runs_too() {
    let options = Options { detail: Detail::All, ..Options::default() };
    snapshot!("human_verbose", rendered(&sample(), &options));
}

#[test]
fn quiet_shows_what_needs_attention() {
    let options = Options { detail: Detail::Quiet, ..Options::default() };
    snapshot!("human_quiet", rendered(&sample(), &options));
}

#[test]
fn a_policy_that_could_not_be_checked() {
    let failure = CheckFailure {
        policy: "spin".to_owned(),
        path: "policies/spin.toml".to_owned(),
        message: "the loop poll -> claim takes no time".to_owned(),
    };
    let report = Report::new(Vec::new(), vec![failure], 2, 0.0);
    snapshot!("human_not_checked", rendered(&report, &Options::default()));
}

#[test]
fn colour_repeats_what_a_mark_says() {
    let mut coloured = Vec::new();
    human::render(&sample(), &Options::default(), &mut coloured).unwrap();
    assert!(coloured.contains(&0x1b));
    let text = rendered(&sample(), &Options::default());
    for mark in ["✓", "✗", "?", "!", "VIOLATED", "NOT COMPLETE", "as expected"] {
        assert!(text.contains(mark), "{mark}");
    }
}

#[test]
fn the_report_schema_is_committed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/report.schema.json");
    let fresh = serde_json::to_string_pretty(&json::schema()).unwrap() + "\n";
    if std::env::var_os("IDEMCHECK_UPDATE").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == fresh, "schemas/report.schema.json is out of date: IDEMCHECK_UPDATE=1 cargo test");
}

#[test]
fn a_report_validates_and_reads_back() {
    let mut text = Vec::new();
    json::render(&sample(), &mut text).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let schema = serde_json::to_value(json::schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(value["version"], 1);
    let back: Report = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(&back).unwrap(), value);
    let mut broken = value;
    broken["policies"][0]["properties"][0]["verdict"] = "fine".into();
    assert!(!validator.is_valid(&broken));
}

#[test]
fn the_summary_counts_every_policy_once() {
    let report = sample();
    let of = |key: &str| report.summary[key];
    assert_eq!(of("holds"), 1);
    assert_eq!(of("violated-as-expected"), 1);
    assert_eq!(of("waived"), 1);
    assert_eq!(of("baselined"), 1);
    assert_eq!(of("unexpected"), 4);
    for (state, count) in [("active", 0), ("expiring", 1), ("expired", 1), ("unused", 1)] {
        assert_eq!(report.waivers[state], count, "{state}");
    }
    assert_eq!(of("inconclusive"), 2);
    assert_eq!(report.summary.values().sum::<u64>(), report.policies.len() as u64);
}

#[test]
fn a_counterexample_file_reads_back() {
    let result = policy("charge", vec![violated()]);
    let files = TraceFile::of(&result, "policy = \"charge\"", "model = \"receipt\"", &[]);
    assert_eq!(files.len(), 1);
    assert_eq!(TraceFile::from_json(&files[0].to_json()), Ok(files[0].clone()));
    let mut astray = files[0].clone();
    astray.counterexample.repeats_from = Some(99);
    assert!(TraceFile::from_json(&astray.to_json()).is_err());
}

#[test]
fn counterexample_files_have_safe_names_each_once() {
    let named = |name: &str| policy(name, vec![violated()]);
    let names = trace::file_names(&report(vec![named("charge"), named("charge"), named("../up")]));
    let names: Vec<&str> = names.values().map(String::as_str).collect();
    assert_eq!(
        names,
        ["charge.single-execution.json", "charge-2.single-execution.json", "---up.single-execution.json"]
    );
}

#[test]
fn a_very_long_run_shows_its_two_ends() {
    let step = |at_ms| Step {
        at_ms,
        who: "attempt 1.1".to_owned(),
        does: "poll: wait".to_owned(),
        sees: "elapsed".to_owned(),
        changes: Vec::new(),
        edge: 0,
        breaks: None,
    };
    let run = |steps: i64| Counterexample {
        property: Property::NoStuckKey,
        steps: (0..steps).map(step).collect(),
        repeats_from: None,
        round_ms: None,
    };
    let lines = |steps| {
        let mut out = Vec::new();
        human::timeline(&run(steps), &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(80).len(), 1 + 80);
    let long = lines(16_570);
    assert_eq!(long.len(), 1 + 40 + 1 + 40);
    assert!(long[41].contains("16,490 steps left out"), "{}", long[41]);
    assert!(long[42].contains("16531  "), "{}", long[42]);
}
