//! Reports made by hand: one of each kind of result.

use idemcheck::check::baseline::{BaselineResult, Stale};
use idemcheck::check::property::Property;
use idemcheck::check::verdict::*;
use idemcheck::check::weigh::{WaiverResult, WaiverState};

pub fn scope() -> Scope {
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

pub fn search() -> SearchStats {
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

pub fn policy(name: &str, properties: Vec<PropertyResult>) -> PolicyResult {
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
        waivers: Vec::new(),
        untaken: Vec::new(),
        margins: None,
        proofs: Vec::new(),
        warnings: Vec::new(),
    }
}

pub fn result(property: Property, verdict: Verdict) -> PropertyResult {
    PropertyResult::new(property, verdict)
}

pub fn number(name: &str, value: &str, exact: Option<i64>) -> Option<Number> {
    Some(Number { name: name.to_owned(), value: value.to_owned(), exact })
}

pub fn step(at_ms: i64, who: &str, does: &str, sees: &str, changes: &[(&str, &str, &str)]) -> Step {
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

pub fn twice() -> Counterexample {
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

pub fn violated() -> PropertyResult {
    PropertyResult {
        reason: "the call of attempt 1.1 lands after its caller gave up and released the key".to_owned(),
        number: number("most effects", "2", Some(2)),
        counterexample: Some(twice()),
        ..result(Property::SingleExecution, Verdict::Violated)
    }
}

pub fn lasso() -> PropertyResult {
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

pub fn holding() -> Vec<PropertyResult> {
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

pub fn waiver(state: WaiverState, days_left: i64) -> WaiverResult {
    WaiverResult {
        property: Property::NoStuckKey,
        reason: "swept by hand until the sweeper ships".to_owned(),
        until: "2027-01-31".to_owned(),
        owner: Some("payments".to_owned()),
        ticket: Some("PAY-1234".to_owned()),
        state,
        days_left,
    }
}

pub fn report(policies: Vec<PolicyResult>) -> Report {
    Report { tool: "[VERSION]".to_owned(), ..Report::new(policies, Vec::new(), 0, 1.84) }
}

/// One of each kind.
pub fn sample() -> Report {
    let mut unfinished = policy("unfinished", vec![result(Property::SingleExecution, Verdict::Inconclusive)]);
    unfinished.properties[0].reason = "the search was stopped".to_owned();
    unfinished.search.complete = false;
    unfinished.search.stopped_by = Some("the limit of 48,000 zones".to_owned());
    let mut loops = policy("lasso", vec![lasso()]);
    loops.loops = Some(SearchStats { visited: 1_203, states: 800, ..search() });
    let mut warned = policy("holds", holding());
    warned.warnings = vec!["`steal` never saw `lost`".to_owned()];
    let mut waived = policy(
        "waived",
        vec![PropertyResult { waived: Some("swept by hand until the sweeper ships".to_owned()), ..lasso() }],
    );
    waived.waivers = vec![waiver(WaiverState::Expiring, 12), waiver(WaiverState::Unused, 400)];
    let lapsed = "its waiver (payments) expired on 2026-01-31: swept by hand until the sweeper ships";
    let mut expired = policy("expired", vec![PropertyResult { lapsed: Some(lapsed.to_owned()), ..lasso() }]);
    expired.waivers = vec![waiver(WaiverState::Expired, -3)];
    let known = policy("known", vec![PropertyResult { baselined: true, ..violated() }]);
    let mut report = report(vec![
        warned,
        policy("violated", vec![violated()]),
        loops,
        unfinished,
        policy("expected", vec![PropertyResult { expected: Some(Verdict::Violated), ..violated() }]),
        waived,
        expired,
        known,
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
    ]);
    report.baseline = Some(BaselineResult {
        path: "known.json".to_owned(),
        known: 1,
        stale: vec![Stale {
            policy: "holds".to_owned(),
            property: Property::SingleExecution,
            why: "it holds".to_owned(),
        }],
    });
    report
}
