//! What is drawn on which page, from results that are there.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::charts::{Chart, Curve, Mark, Row, Unit, chart, curve};
use super::text;
use crate::check::margins::{End, Margin, MarginUnit, Margins, Side};
use crate::check::verdict::{Counterexample, Number, PolicyResult, format_moment, format_ms};
use crate::load::power::upper_bound;
use crate::load::report::LoadReport;
use crate::policy::load::LoadedPolicy;
use crate::report::margins as words;

/// The margins, as a section; nothing where they were not measured.
pub fn margins(result: &PolicyResult) -> Markup {
    let Some(margins) = &result.margins else { return html! {} };
    html! {
        section aria-labelledby="margins" {
            h2 #margins { "Margins" }
            @if let Some(why) = &margins.open {
                p { "None: " (why) "." }
            } @else {
                p { "How far each declared value can go, by itself, with every verdict as it is now." }
                (of_unit(margins, MarginUnit::Milliseconds))
                (of_unit(margins, MarginUnit::Count))
                p.soft { (words::summary(margins)) ". An edge was checked in full on both sides. Where not every value between was tried, "
                    "those were at which a verdict can change, and the table says how many." }
            }
        }
    }
}

fn of_unit(margins: &Margins, unit: MarginUnit) -> Markup {
    let of_unit: Vec<&Margin> = margins.declarations.iter().filter(|margin| margin.unit == unit).collect();
    let rows: Vec<Row> = of_unit.iter().map(|margin| margin_row(margin)).collect();
    let table = of_unit.iter().map(|margin| {
        let ends = [("below", &margin.below), ("above", &margin.above)];
        let ends = ends.into_iter().filter_map(|(_, side)| words::end(margin, side));
        vec![
            text(words::name(margin)),
            text(&margin.written),
            text(words::interval(margin)),
            text(margin.distance().map_or_else(|| "none found".to_owned(), |far| words::amount(margin, far))),
            html! { @for end in ends { div { (end) } } },
            text(words::inside(margin).unwrap_or_else(|| "every value tried".to_owned())),
        ]
    });
    let (id, title, axis, scale) = match unit {
        MarginUnit::Milliseconds => {
            ("chart-durations", "Margins of durations", "time, logarithmic", Unit::Milliseconds)
        }
        MarginUnit::Count => ("chart-counts", "Margins of counts", "count", Unit::Count),
    };
    chart(Chart {
        id,
        title,
        about: "Circle: the value now. Bar: no other verdict was found. Cross: a verdict is another one. Triangle: \
                not allowed. Small circle: the search came no further. A bar without any goes as far as a value can.",
        axis,
        unit: scale,
        rows: &rows,
        head: &["declaration", "now", "every verdict stays", "to the nearest edge", "then", "between"],
        table: table.collect(),
    })
}

fn margin_row(margin: &Margin) -> Row {
    let mark = |side: &Side| match side.end {
        End::Flips { at, .. } => Some((at as f64, Mark::Edge)),
        End::NotAllowed { at, .. } => Some((at.max(0) as f64, Mark::Notable)),
        End::Open { .. } => Some((side.safe as f64, Mark::Step)),
        End::EndOfRange => None,
    };
    let (least, most) = margin.interval();
    let marks = mark(&margin.below).into_iter().chain(mark(&margin.above));
    Row {
        label: words::name(margin),
        spans: vec![(least as f64, most as f64)],
        // What comes later lies above: an end that is not known is seen on the value, too.
        marks: [(margin.value as f64, Mark::Here)].into_iter().chain(marks).collect(),
    }
}

/// What a race showed: how close together requests left, how long answers took, and what so many bursts can show.
pub fn race(race: &LoadReport, number: usize) -> Markup {
    let batch = |(index, batch): (usize, &crate::load::report::Batch)| Row {
        label: format!("batch {}", index + 1),
        spans: Vec::new(),
        marks: vec![(batch.spread_us as f64, Mark::Here), (batch.stagger_us as f64, Mark::Step)],
    };
    let batches: Vec<Row> = race.batches.iter().enumerate().map(batch).collect();
    let batch_table = race.batches.iter().enumerate().map(|(index, batch)| {
        let numbers = [batch.bursts, batch.spread_us, batch.stagger_us, batch.overlapped, batch.duplicated];
        [text((index + 1).to_string())].into_iter().chain(numbers.map(|one| text(one.to_string()))).collect()
    });
    let latency = |(class, one): (&String, &crate::load::report::Latency)| Row {
        label: class.clone(),
        spans: vec![(one.p50_us as f64, one.max_us as f64)],
        marks: vec![
            (one.p50_us as f64, Mark::Here),
            (one.p90_us as f64, Mark::Step),
            (one.p99_us as f64, Mark::Notable),
        ],
    };
    let latencies: Vec<Row> = race.latencies.iter().map(latency).collect();
    let latency_table = race.latencies.iter().map(|(class, one)| {
        let numbers = [one.count, one.p50_us, one.p90_us, one.p99_us, one.max_us];
        [text(class)].into_iter().chain(numbers.map(|number| text(number.to_string()))).collect()
    });
    html! {
        (chart(Chart {
            id: &format!("chart-arrival-{number}"),
            title: "Arrival spread",
            about: "Circle: between the first and the last request's last byte leaving, the median of the batch's \
                    bursts. Small circle: the stagger that was asked for.",
            axis: "microseconds and up, logarithmic",
            unit: Unit::Microseconds,
            rows: &batches,
            head: &["batch", "bursts", "spread, µs", "stagger, µs", "overlapped", "more than one effect"],
            table: batch_table.collect(),
        }))
        (chart(Chart {
            id: &format!("chart-latency-{number}"),
            title: "Latency by answer",
            about: "Circle: median. Small circle: 90 %. Triangle: 99 %. Bar: from the median to the longest.",
            axis: "from when a request was due, logarithmic",
            unit: Unit::Microseconds,
            rows: &latencies,
            head: &["answer", "requests", "median, µs", "90 %, µs", "99 %, µs", "longest, µs"],
            table: latency_table.collect(),
        }))
        (power(race, number))
    }
}

/// The rate of bad bursts that so many bursts still leave possible.
fn power(race: &LoadReport, number: usize) -> Markup {
    if race.bursts == 0 {
        return html! {};
    }
    let counts = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000];
    let points: Vec<(f64, f64)> = counts.iter().map(|n| (*n as f64, upper_bound(0, *n))).collect();
    let percent = |rate: f64| format!("{:.3} %", rate * 100.0);
    let mut table: Vec<Vec<Markup>> = points
        .iter()
        .map(|(bursts, rate)| vec![text(format!("{bursts:.0}")), text(percent(*rate)), text("0")])
        .collect();
    table.push(vec![
        html! { strong { "this run: " (race.bursts) } },
        text(percent(race.upper_bound)),
        text(race.duplicated.to_string()),
    ]);
    curve(Curve {
        id: &format!("chart-power-{number}"),
        title: "Detection power",
        about: "Line: the highest rate at which a race can show that so many bursts without a finding leave possible, \
                at 95 %. Circle: this run.",
        axis: "bursts, logarithmic",
        up: "bad bursts, at most",
        points: &points,
        here: (race.bursts as f64, race.upper_bound),
        head: &["bursts", "at most so many are bad", "found"],
        table,
    })
}

/// A counterexample of a remediation on an axis of time; nothing for other policies.
pub fn timeline(source: Option<&LoadedPolicy>, run: &Counterexample) -> Markup {
    if source.is_none_or(|source| source.policy.remedy.is_none()) {
        return html! {};
    }
    let rows = timeline_rows(run);
    let steps = run.steps.iter().enumerate().map(|(index, step)| {
        vec![
            text((index + 1).to_string()),
            text(format_moment(step.at_ms)),
            text(&step.who),
            text(&step.does),
            text(&step.sees),
        ]
    });
    chart(Chart {
        id: &format!("chart-run-{}", run.property),
        title: &format!("Timeline: {}", run.property),
        about: "Bar: an action is under way, or the target is not well. Small circle: a step. Triangle: a person is \
                told. Cross: what breaks the property.",
        axis: "from the beginning of the run",
        unit: Unit::Moment,
        rows: &rows,
        head: &["step", "moment", "who", "does", "sees"],
        table: steps.collect(),
    })
}

/// Who does something when, and when a target is not well.
pub fn timeline_rows(run: &Counterexample) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let end = run.steps.last().map_or(0, |step| step.at_ms);
    let row = |rows: &mut Vec<Row>, label: &str| {
        rows.iter().position(|row| row.label == label).unwrap_or_else(|| {
            rows.push(Row { label: label.to_owned(), ..Row::default() });
            rows.len() - 1
        })
    };
    // Since when something is so, by row.
    let mut since: BTreeMap<usize, i64> = BTreeMap::new();
    for step in &run.steps {
        let own = step.who.strip_prefix("action of ");
        let at = row(&mut rows, own.unwrap_or(&step.who));
        let acts = step.does.ends_with("target.act") || step.does.ends_with("target.undo");
        let over = acts && ["ok", "error"].iter().any(|end| step.sees.starts_with(end));
        if acts && step.sees.starts_with("begins") {
            since.entry(at).or_insert(step.at_ms);
        } else if (own.is_some() || over)
            && let Some(from) = since.remove(&at)
        {
            rows[at].spans.push((from as f64, step.at_ms as f64));
        }
        let mark = match &step.breaks {
            Some(_) => Mark::Edge,
            None if step.does.ends_with("human.page") => Mark::Notable,
            None => Mark::Step,
        };
        rows[at].marks.push((step.at_ms as f64, mark));
        for change in step.changes.iter().filter(|change| change.what.starts_with("target")) {
            let at = row(&mut rows, &change.what);
            if change.from == "well" {
                since.entry(at).or_insert(step.at_ms);
            }
            if change.to == "well"
                && let Some(from) = since.remove(&at)
            {
                rows[at].spans.push((from as f64, step.at_ms as f64));
            }
        }
    }
    for (at, from) in since {
        rows[at].spans.push((from as f64, end as f64));
    }
    rows
}

/// The worst numbers of all policies: actions of one episode, and the time to a person.
pub fn worst(results: &[PolicyResult]) -> Markup {
    html! {
        (numbers(results, "chart-actions", "Most actions in one episode", Unit::Count, "actions"))
        (numbers(results, "chart-person", "Worst time to a person", Unit::Milliseconds, "time, logarithmic"))
    }
}

fn numbers(results: &[PolicyResult], id: &str, title: &str, unit: Unit, axis: &str) -> Markup {
    let mut found: Vec<(&str, i64, &Number)> = Vec::new();
    for result in results {
        let numbers = result.properties.iter().filter_map(|property| property.number.as_ref());
        let number = numbers.filter(|number| number.name == title.to_lowercase()).max_by_key(|n| n.exact);
        if let Some((number, exact)) = number.and_then(|number| Some((number, number.exact?))) {
            found.push((&result.policy, exact, number));
        }
    }
    // The worst first: those are drawn where not all can be.
    found.sort_by_key(|(_, exact, _)| std::cmp::Reverse(*exact));
    let row = |(policy, exact, number): &(&str, i64, &Number)| Row {
        label: (*policy).to_owned(),
        spans: vec![(0.0, *exact as f64)],
        marks: vec![(*exact as f64, if number.is_open() { Mark::Notable } else { Mark::Here })],
    };
    let rows: Vec<Row> = found.iter().map(row).collect();
    let shown = |exact: i64| if unit == Unit::Count { exact.to_string() } else { format_ms(exact) };
    let table = found.iter().map(|(policy, exact, number)| {
        let value = if number.value.is_empty() { shown(*exact) } else { number.value.clone() };
        vec![text(policy), text(value)]
    });
    chart(Chart {
        id,
        title,
        about: "Circle: the worst that the check found of each policy, in its scope. Triangle: it may be more.",
        axis,
        unit,
        rows: &rows,
        head: &["policy", "number"],
        table: table.collect(),
    })
}
