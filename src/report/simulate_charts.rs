//! Charts of sampled runs, each a file of its own: how often, how long, how many, and one run of each violation.

use crate::check::verdict::{Counterexample, format_ms};
use crate::report::html::charts::{Mark, Row, Unit, standalone};
use crate::report::html::figures::timeline_rows;
use crate::simulate::estimate::{Quantiles, Rate};
use crate::simulate::report::SimulateReport;

/// The charts that there is something to draw for: the name of each file, and what is in it.
pub fn charts(report: &SimulateReport, runs: &[Counterexample]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut add = |name: &str, title: String, axis: &str, unit: Unit, rows: &[Row]| {
        out.extend(standalone(&title, axis, unit, rows).map(|text| (format!("{name}.svg"), text)));
    };
    let rates = report.properties.iter().filter(|one| !one.endless);
    let rates: Vec<Row> = rates.map(|one| rate(one.property.name(), &one.rate)).collect();
    let of = format!("runs of {} that violate a property, with the interval", report.runs);
    add("rates", format!("{}: {of}", report.policy), &of, Unit::Count, &rates);
    let times = times(report);
    let rows: Vec<Row> = times.iter().map(|(label, times)| spread(label, times)).collect();
    let about = "the bar goes from 50% to 99%, the circle is 50%, the cross 99%, the triangle the longest";
    add("times", format!("{}: {about}", report.policy), about, Unit::Milliseconds, &rows);
    for (label, times) in &times {
        let rows: Vec<Row> = times
            .classes
            .iter()
            .map(|class| Row {
                label: format!("{} to {}", format_ms(class.from_ms), format_ms(class.to_ms)),
                spans: vec![(0.0, class.count as f64)],
                marks: Vec::new(),
            })
            .collect();
        let name = format!("histogram-{}", label.replace(' ', "-"));
        add(&name, format!("{}: {label}", report.policy), "how many", Unit::Count, &rows);
    }
    if let Some(remediation) = &report.remediation {
        let bars = |what: &str, counts: Vec<(u64, u64)>| -> Vec<Row> {
            let row = |(count, runs): (u64, u64)| Row {
                label: format!("{count} {what}"),
                spans: vec![(0.0, runs as f64)],
                marks: Vec::new(),
            };
            counts.into_iter().map(row).collect()
        };
        let actions = remediation.actions.iter().map(|(n, runs)| (u64::from(*n), *runs)).collect();
        let rows = bars("actions", actions);
        add("actions", format!("{}: actions of an episode", report.policy), "episodes", Unit::Count, &rows);
        let busiest = remediation.busiest.iter().map(|(n, runs)| (u64::from(*n), *runs)).collect();
        let rows = bars("at once", busiest);
        add("at-once", format!("{}: the most actions at once", report.policy), "runs", Unit::Count, &rows);
        let capacity = remediation.capacity.iter().map(|(n, runs)| (u64::from(*n), *runs)).collect();
        let rows = bars("serve", capacity);
        add("capacity", format!("{}: the least capacity", report.policy), "runs", Unit::Count, &rows);
    }
    for run in runs {
        let title = format!("{}: a run that violates {}", report.policy, run.property);
        let axis = "from the beginning of the run; the cross is what breaks the property";
        add(&format!("run-{}", run.property), title, axis, Unit::Moment, &timeline_rows(run));
    }
    out
}

fn rate(label: &str, rate: &Rate) -> Row {
    let of = rate.of as f64;
    Row {
        label: label.to_owned(),
        spans: vec![(rate.low * of, rate.high * of)],
        marks: vec![(rate.count as f64, if rate.count > 0 { Mark::Edge } else { Mark::Step })],
    }
}

/// Every time that was measured, by its name.
fn times(report: &SimulateReport) -> Vec<(&'static str, &Quantiles)> {
    let requests = report.requests.iter();
    let requests =
        requests.flat_map(|of| [("answered", of.answers.as_ref()), ("stuck for", of.stuck_for.as_ref())]);
    let remediation = report.remediation.iter();
    let remediation = remediation
        .flat_map(|of| [("until well", of.converged.as_ref()), ("until told", of.told_after.as_ref())]);
    requests.chain(remediation).filter_map(|(label, times)| Some((label, times?))).collect()
}

fn spread(label: &str, times: &Quantiles) -> Row {
    let at = |ms: Option<i64>| ms.map(|ms| ms as f64);
    let end = at(times.p99.ms).or(at(times.most_ms));
    let marks =
        [(at(times.p50.ms), Mark::Here), (at(times.p99.ms), Mark::Edge), (at(times.most_ms), Mark::Notable)];
    Row {
        label: label.to_owned(),
        spans: at(times.p50.ms).zip(end).into_iter().collect(),
        marks: marks.into_iter().filter_map(|(at, mark)| Some((at?, mark))).collect(),
    }
}
