//! JUnit: a suite for each policy, a test case for each of its properties.
//!
//! A failure is a verdict that the policy does not expect, an error what has none. What is waived, in the
//! baseline, or has no meaning for the policy, is skipped with its reason; each waiver is a property of its suite.
//!
//! There is no standard. What is written is valid by the schema that Jenkins' xUnit plugin rejects files with
//! (`junit-10.xsd`), and keeps to that of Ant's output (windyroad's `JUnit.xsd`) but for what says when and where
//! a test was run, which no result depends on.

use std::io::{self, Write};
use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::human;
use super::words;
use crate::check::verdict::{CheckFailure, PolicyResult, PropertyResult, Report, Standing, Verdict};

/// Writes the suites of a report.
pub fn render(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut document = quick_junit::Report::new("idemcheck");
    document.set_time(seconds(report.seconds));
    document.add_test_suites(report.policies.iter().map(of_policy));
    document.add_test_suites(report.failures.iter().map(of_failure));
    if let Some(baseline) = report.baseline.as_ref().filter(|baseline| !baseline.stale.is_empty()) {
        // Nothing failed, so each is a test that was left out.
        let mut suite = TestSuite::new("baseline");
        suite.add_test_cases(baseline.stale.iter().map(|stale| {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("stale: {}", words::stale(stale)));
            TestCase::new(format!("{}: {}", stale.policy, stale.property), status)
        }));
        document.add_test_suite(suite);
    }
    let unread = report.unread();
    if unread > 0 {
        let says = match unread {
            1 => "1 policy could not be read".to_owned(),
            count => format!("{count} policies could not be read"),
        };
        document.add_test_suite(suite("files", error("read", &says)));
    }
    write(document, out)
}

/// Writes a document as the schemas want it.
///
/// # Errors
/// Whatever writing comes to.
pub(super) fn write(mut document: quick_junit::Report, out: &mut dyn Write) -> io::Result<()> {
    for suite in &mut document.test_suites {
        suite.time.get_or_insert_default();
        for case in &mut suite.test_cases {
            case.classname.get_or_insert_with(|| suite.name.clone());
            // One search decides all properties, so that none takes time of its own.
            case.time.get_or_insert_default();
        }
    }
    let text = document.to_string().map_err(io::Error::other)?;
    // No schema knows `skipped` of all suites, and Jenkins' xUnit plugin rejects a file for it.
    let (before, root) = text.split_once("<testsuites ").unwrap_or(("", &text));
    let (root, suites) = root.split_once('>').unwrap_or((root, ""));
    let kept = root.split_once(" skipped=\"").and_then(|(first, rest)| {
        let (_count, last) = rest.split_once('"')?;
        Some(format!("{first}{last}"))
    });
    write!(out, "{before}<testsuites {}>{suites}", kept.as_deref().unwrap_or(root))?;
    out.flush()
}

fn of_policy(policy: &PolicyResult) -> TestSuite {
    let mut suite = TestSuite::new(&policy.policy);
    let loops = policy.loops.as_ref().map_or(0.0, |loops| loops.seconds);
    suite.set_time(seconds(policy.search.seconds + loops));
    suite.extra.insert("file".into(), policy.path.as_str().into());
    suite.add_property(("model", policy.model.as_str()));
    suite.add_property(("scope", words::scope(policy).as_str()));
    for proof in &policy.proofs {
        suite.add_property(("proved for", proof.scope.as_str()));
    }
    for waiver in &policy.waivers {
        suite.add_property(("waiver", words::waiver(waiver).as_str()));
    }
    for property in &policy.properties {
        suite.add_test_case(of_property(policy, property));
    }
    suite
}

fn of_property(policy: &PolicyResult, property: &PropertyResult) -> TestCase {
    let mut status = match property.standing() {
        Standing::Met | Standing::MetViolated => TestCaseStatus::success(),
        Standing::NotApplicable | Standing::Waived | Standing::Baselined => TestCaseStatus::skipped(),
        Standing::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
        Standing::Unexpected => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    match property.standing() {
        Standing::Met | Standing::MetViolated => {}
        Standing::NotApplicable => {
            status.set_message(&property.reason);
        }
        Standing::Waived => {
            status.set_message(format!("waived: {}", property.waived.as_deref().unwrap_or_default()));
        }
        Standing::Baselined => {
            status.set_message(format!("in the baseline: {}", property.reason));
        }
        Standing::Inconclusive | Standing::Unexpected => {
            status.set_message(words::finding(property)).set_type(property.verdict.name());
            status.set_description(description(policy, property));
        }
    }
    let mut case = TestCase::new(property.property.name(), status);
    case.set_classname(&policy.policy);
    if property.standing() == Standing::MetViolated || property.verdict == Verdict::Proved {
        case.set_system_out(words::finding(property));
    }
    case
}

/// The scope and the run, as people see them at a terminal.
fn description(policy: &PolicyResult, property: &PropertyResult) -> String {
    let mut text = format!("scope: {}\n", words::scope(policy));
    if let Some(run) = &property.counterexample {
        let mut coloured = anstream::StripStream::new(Vec::new());
        // Nothing can fail in memory.
        if human::timeline(run, &mut coloured).is_ok() {
            text.push_str(&String::from_utf8_lossy(&coloured.into_inner()));
        }
    }
    text
}

fn of_failure(failure: &CheckFailure) -> TestSuite {
    let mut suite = suite(&failure.policy, error("check", &failure.message));
    suite.extra.insert("file".into(), failure.path.as_str().into());
    suite
}

fn suite(name: &str, case: TestCase) -> TestSuite {
    let mut suite = TestSuite::new(name);
    suite.add_test_case(case);
    suite
}

fn error(name: &str, says: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(says).set_type("could-not-run");
    TestCase::new(name, status)
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
