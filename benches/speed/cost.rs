//! What one more of everything costs: zones, time and memory as a scope grows, with the rate of growth fitted.

use std::fmt::Write as _;
use std::time::Duration;

use idemcheck::check::Limits;
use idemcheck::check::search::{SearchOptions, explore};
use idemcheck::system::System;
use plotters::prelude::*;

use crate::{RECEIPT, policy, seconds};

/// A fleet whose nodes are drained one at a time.
const FLEET: [&str; 2] = [
    include_str!("../../policies/remediation/drain-one-node.toml"),
    include_str!("../../models/guarded-convergence.toml"),
];
const LIMITS: Limits = Limits {
    states_max: Some(3_000_000),
    memory_max: Some(4 << 30),
    time_max: Some(Duration::from_secs(60)),
};

struct Point {
    /// How many there are.
    of: usize,
    zones: u64,
    states: u64,
    seconds: f64,
    bytes: u64,
}

struct Line {
    /// What grows.
    what: &'static str,
    points: Vec<Point>,
    /// The count that the limits ended.
    ended_at: Option<usize>,
}

pub fn measure(page: &mut String) {
    let requests = |of: usize| {
        policy(RECEIPT, &[("requests = 2", &format!("requests = {of}")), ("retries = 1", "retries = 0")])
    };
    let attempts = |of: usize| policy(RECEIPT, &[("retries = 1", &format!("retries = {}", of - 1))]);
    let crashes = |of: usize| policy(RECEIPT, &[("crashes = 1", &format!("crashes = {of}"))]);
    let targets = |of: usize| {
        policy(FLEET, &[("size    = 2", &format!("size = {of}")), ("faulty  = 2", &format!("faulty = {of}"))])
    };
    let lines = [
        line("requests (1 attempt each)", 1..=5, requests),
        line("attempts (2 requests)", 1..=4, attempts),
        line("crashes (2 requests x 2 attempts)", 0..=4, crashes),
        line("targets (one drain at a time)", 1..=4, targets),
    ];
    page.push_str(
        "\n## What more costs\n\nThe receipt of `benches/receipt.toml` and the fleet of \
         `policies/remediation/drain-one-node.toml`, searched whole; each search ends at 3,000,000 zones, 4 GiB or a \
         minute. `growth` is fitted: each more multiplies the zones by so much.\n\n![zones over counts](cost.svg)\n\n\
         | what grows | how many | zones | states | seconds | MiB |\n|---|---|---|---|---|---|\n",
    );
    for line in &lines {
        for Point { of, zones, states, seconds, bytes } in &line.points {
            let mib = *bytes as f64 / f64::from(1 << 20);
            writeln!(page, "| {} | {of} | {zones} | {states} | {seconds:.3} | {mib:.1} |", line.what)
                .expect("a string takes it");
        }
        if let Some(of) = line.ended_at {
            writeln!(page, "| {} | {of} | ended by a limit | | | |", line.what).expect("a string takes it");
        }
    }
    page.push_str(
        "\n| what grows | growth | r² | seconds grow with zones to the power of |\n|---|---|---|---|\n",
    );
    for line in &lines {
        let per_count = |p: &Point| (p.of as f64, (p.zones as f64).ln());
        let (slope, fit) = fitted(line.points.iter().map(per_count));
        let per_zone = |p: &Point| ((p.zones as f64).ln(), p.seconds.ln());
        let (power, _) = fitted(line.points.iter().filter(|p| p.zones > 100).map(per_zone));
        writeln!(page, "| {} | {:.1} | {fit:.3} | {power:.2} |", line.what, slope.exp())
            .expect("a string takes it");
    }
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/cost.svg");
    std::fs::write(file, drawn(&lines)).expect("the folder is there");
}

fn line(
    what: &'static str,
    counts: std::ops::RangeInclusive<usize>,
    policy: impl Fn(usize) -> idemcheck::policy::load::Loaded,
) -> Line {
    let mut line = Line { what, points: Vec::new(), ended_at: None };
    for of in counts {
        let loaded = policy(of);
        let source = &loaded.policies[0];
        let system = System::new(&source.policy, &source.protocol).expect("it compiles");
        let options = SearchOptions { limits: &LIMITS, ..SearchOptions::default() };
        let (seconds, found) = seconds(|| explore(&system, &options, &mut ()).expect("it can be searched"));
        let stats = found.stats();
        if !stats.complete {
            line.ended_at = Some(of);
            break;
        }
        line.points.push(Point {
            of,
            zones: stats.visited,
            states: stats.states,
            seconds,
            bytes: found.memory(),
        });
    }
    line
}

/// Slope and r² of the straight line through points with the least squares.
fn fitted(points: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let points: Vec<_> = points.collect();
    let count = points.len() as f64;
    let mean = |get: fn(&(f64, f64)) -> f64| points.iter().map(get).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let sum = |f: &dyn Fn(f64, f64) -> f64| points.iter().map(|p| f(p.0 - x, p.1 - y)).sum::<f64>();
    let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    (xy / xx, xy * xy / (xx * yy))
}

fn drawn(lines: &[Line]) -> String {
    let counts = || lines.iter().flat_map(|line| line.points.iter().map(|p| p.of as f64));
    let zones = || lines.iter().flat_map(|line| line.points.iter().map(|p| p.zones as f64));
    let (left, right) = (counts().fold(f64::MAX, f64::min), counts().fold(f64::MIN, f64::max));
    let (low, high) = (zones().fold(f64::MAX, f64::min), zones().fold(f64::MIN, f64::max));
    let colours = [BLUE, RED, RGBColor(0, 120, 60), RGBColor(150, 90, 0)];
    let font = ("system-ui, sans-serif", 15).into_font();
    let mut out = String::new();
    let root = SVGBackend::with_string(&mut out, (860, 420)).into_drawing_area();
    let fault = "a string takes it";
    root.fill(&WHITE).expect(fault);
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(80)
        .build_cartesian_2d(left..right, (low / 2.0..high * 2.0).log_scale())
        .expect(fault);
    let (count, power) = (|of: &f64| format!("{of:.0}"), |zones: &f64| format!("{zones:.0}"));
    chart
        .configure_mesh()
        .max_light_lines(1)
        .x_labels((right - left) as usize + 1)
        .x_label_formatter(&count)
        .y_label_formatter(&power)
        .x_desc("how many")
        .y_desc("zones")
        .label_style(font.clone())
        .draw()
        .expect(fault);
    for (line, colour) in lines.iter().zip(colours) {
        let points: Vec<(f64, f64)> = line.points.iter().map(|p| (p.of as f64, p.zones as f64)).collect();
        chart.draw_series(points.iter().map(|at| Circle::new(*at, 4, colour.filled()))).expect(fault);
        let series = [PathElement::new(points, colour.stroke_width(2))];
        let key = move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2));
        chart.draw_series(series).expect(fault).label(line.what).legend(key);
    }
    let place = SeriesLabelPosition::UpperLeft;
    chart.configure_series_labels().position(place).label_font(font).border_style(BLACK).draw().expect(fault);
    root.present().expect(fault);
    drop(chart);
    drop(root);
    out
}
