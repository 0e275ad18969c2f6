//! The renderers over reports made by hand: what people and machines see of each kind of result.

use std::io::Write as _;

use idemcheck::check::property::Property;
use idemcheck::check::verdict::*;
use idemcheck::report::human::{self, Detail, Options};
use idemcheck::report::json;
use idemcheck::report::trace::{self, TraceFile};

fn scope() -> Scope {
    Scope {
        requests: 2,
        conflicting: 1,
        merged: 0,
        attempts_each: 3,
        crashes: 1,
        lost_requests: 0,
        lost_responses: 1,
        ambiguous_acks: 0,
        aborts: 0,
        calls: true,
        restart: false,
        pause_ms: Some(5_000),
        late_ms: None,
        within_ms: Some(3_600_000),
        ..Scope::default()
    }
}

fn search() -> SearchStats {
    SearchStats {
        visited: 48_211,
        stored: 31_000,
        covered: 9_120,
        transitions: 160_322,
        states: 12_034,
        depth: 31,
        seconds: 0.4,
        complete: true,
        stopped_by: None,
    }
}

fn policy(name: &str, properties: Vec<PropertyResult>) -> PolicyResult {
    PolicyResult {
        policy: name.to_owned(),
        summary: "Charge a card once per order".to_owned(),
        path: format!("policies/shop/{name}.toml"),
        model: "receipt".to_owned(),
        severity: Some("money".to_owned()),
        engine: "zones".to_owned(),
        scope: scope(),
        scope_line: scope().line(),
        search: search(),
        loops: None,
        properties,
        lints: Vec::new(),
        untaken: Vec::new(),
        warnings: Vec::new(),
    }
}

fn result(property: Property, verdict: Verdict) -> PropertyResult {
    PropertyResult {
        property,
        verdict,
        expected: None,
        waived: None,
        reason: String::new(),
        number: None,
        counterexample: None,
    }
}

fn number(name: &str, value: &str, exact: Option<i64>) -> Option<Number> {
    Some(Number { name: name.to_owned(), value: value.to_owned(), exact })
}

fn step(at_ms: i64, who: &str, does: &str, sees: &str, changes: &[(&str, &str, &str)]) -> Step {
    let change = |(what, from, to): &(&str, &str, &str)| Change {
        what: (*what).into(),
        from: (*from).into(),
        to: (*to).into(),
    };
    Step {
        at_ms,
        who: who.to_owned(),
        does: does.to_owned(),
        sees: sees.to_owned(),
        changes: changes.iter().map(change).collect(),
        edge: 0,
        breaks: None,
    }
}

fn twice() -> Counterexample {
    let mut last = step(16_020, "downstream", "late effect lands", "", &[("effects", "1", "2")]);
    last.breaks = Some("applies the effect a second time".to_owned());
    Counterexample {
        property: Property::SingleExecution,
        steps: vec![
            step(0, "client 1", "sends attempt 1", "", &[]),
            step(
                0,
                "attempt 1.1",
                "store.insert",
                "inserted",
                &[("receipt", "absent", "in progress (attempt 1.1)")],
            ),
            step(9_000, "attempt 1.1", "downstream.call", "timeout", &[("in flight", "0", "1")]),
            step(9_000, "attempt 1.1", "store.release", "released", &[("receipt", "in progress", "absent")]),
            step(10_000, "client 1", "sends attempt 2", "", &[]),
            step(
                10_000,
                "attempt 1.2",
                "downstream.call",
                "ok",
                &[("effects", "0", "1"), ("receipt", "in progress", "succeeded")],
            ),
            last,
        ],
        repeats_from: None,
        round_ms: None,
    }
}

fn violated() -> PropertyResult {
    PropertyResult {
        reason: "the call of attempt 1.1 lands after its caller gave up and released the key".to_owned(),
        number: number("most effects", "2", Some(2)),
        counterexample: Some(twice()),
        ..result(Property::SingleExecution, Verdict::Violated)
    }
}

fn lasso() -> PropertyResult {
    PropertyResult {
        reason: "attempt 1.2 polls for ever".to_owned(),
        number: number("worst stuck time", "unbounded", None),
        counterexample: Some(Counterexample {
            property: Property::NoStuckKey,
            steps: vec![
                step(0, "attempt 1.1", "crashes", "", &[]),
                step(1_000, "attempt 1.2", "store.insert", "in_progress", &[]),
                step(2_000, "attempt 1.2", "wait", "elapsed", &[]),
            ],
            repeats_from: Some(1),
            round_ms: Some(1_000),
        }),
        ..result(Property::NoStuckKey, Verdict::Violated)
    }
}

fn holding() -> Vec<PropertyResult> {
    vec![
        PropertyResult {
            number: number("most effects", "1", Some(1)),
            ..result(Property::SingleExecution, Verdict::Holds)
        },
        PropertyResult {
            number: number("worst stuck time", "30s", Some(30_000)),
            ..result(Property::NoStuckKey, Verdict::Holds)
        },
        PropertyResult {
            reason: "the key covers the identity: no operations are merged".to_owned(),
            ..result(Property::NoFalseDedup, Verdict::NotApplicable)
        },
        PropertyResult {
            reason: "no request with another payload is declared".to_owned(),
            ..result(Property::NoCrossPayload, Verdict::NotApplicable)
        },
    ]
}

fn report(policies: Vec<PolicyResult>) -> Report {
    Report { tool: "[VERSION]".to_owned(), ..Report::new(policies, Vec::new(), 0, 1.84) }
}

/// One of each kind.
fn sample() -> Report {
    let mut unfinished = policy("unfinished", vec![result(Property::SingleExecution, Verdict::Inconclusive)]);
    unfinished.properties[0].reason = "the search was stopped".to_owned();
    unfinished.search.complete = false;
    unfinished.search.stopped_by = Some("the limit of 48,000 zones".to_owned());
    let mut loops = policy("lasso", vec![lasso()]);
    loops.loops = Some(SearchStats { visited: 1_203, states: 800, ..search() });
    let mut warned = policy("holds", holding());
    warned.warnings = vec!["`steal` never saw `lost`".to_owned()];
    report(vec![
        warned,
        policy("violated", vec![violated()]),
        loops,
        unfinished,
        policy("expected", vec![PropertyResult { expected: Some(Verdict::Violated), ..violated() }]),
        policy(
            "waived",
            vec![PropertyResult {
                waived: Some("swept by hand until the sweeper ships".to_owned()),
                ..lasso()
            }],
        ),
        policy(
            "not-met",
            vec![PropertyResult {
                expected: Some(Verdict::Violated),
                ..result(Property::SingleExecution, Verdict::Holds)
            }],
        ),
        policy(
            "unsure",
            vec![PropertyResult {
                expected: Some(Verdict::Holds),
                reason: "the search was stopped".to_owned(),
                ..result(Property::SingleExecution, Verdict::Inconclusive)
            }],
        ),
    ])
}

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
    assert_eq!(of("unexpected"), 3);
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
