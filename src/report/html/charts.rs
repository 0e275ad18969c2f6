//! Charts as SVG: from plain data to a figure with a title, units, and the numbers as a table behind it.
//!
//! Colours are those of the page, so that a chart is dark where the page is, and in print as the print is. A shape
//! says what a colour says. Labels are cut to the room there is; the table has them whole.

use maud::{Markup, PreEscaped, html};
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;

use crate::check::verdict::format_ms;

/// What the numbers of an axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// On a logarithmic axis; 0 stands at its left end.
    Milliseconds,
    /// The same.
    Microseconds,
    /// From zero on.
    Count,
    /// Milliseconds from zero on.
    Moment,
}

/// What a shape means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A filled circle.
    Here,
    /// A small circle.
    Step,
    /// A cross: where something changes, or breaks.
    Edge,
    /// A triangle.
    Notable,
}

/// A line of a chart.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub label: String,
    /// Bars, each from one number to another.
    pub spans: Vec<(f64, f64)>,
    pub marks: Vec<(f64, Mark)>,
}

/// A chart of rows over one axis, and the table behind it.
pub struct Chart<'a> {
    /// Unique on its page.
    pub id: &'a str,
    pub title: &'a str,
    /// What the shapes mean.
    pub about: &'a str,
    pub axis: &'a str,
    pub unit: Unit,
    pub rows: &'a [Row],
    pub head: &'a [&'a str],
    pub table: Vec<Vec<Markup>>,
}

/// A curve, with the point that this run is.
pub struct Curve<'a> {
    pub id: &'a str,
    pub title: &'a str,
    pub about: &'a str,
    pub axis: &'a str,
    pub up: &'a str,
    /// In the order of their first number; both greater than zero, both logarithmic.
    pub points: &'a [(f64, f64)],
    pub here: (f64, f64),
    pub head: &'a [&'a str],
    pub table: Vec<Vec<Markup>>,
}

/// Colours that stand for those of the page.
const INK: [(RGBColor, &str, &str); 6] = [
    (FG, "#010101", "var(--fg)"),
    (LINE, "#020202", "var(--line)"),
    (SPAN, "#030303", "var(--good)"),
    (EDGE, "#040404", "var(--bad)"),
    (HERE, "#050505", "var(--link)"),
    (SOFT, "#060606", "var(--soft)"),
];
const FG: RGBColor = RGBColor(1, 1, 1);
const LINE: RGBColor = RGBColor(2, 2, 2);
const SPAN: RGBColor = RGBColor(3, 3, 3);
const EDGE: RGBColor = RGBColor(4, 4, 4);
const HERE: RGBColor = RGBColor(5, 5, 5);
const SOFT: RGBColor = RGBColor(6, 6, 6);

const WIDE: u32 = 860;
const ROW: u32 = 26;
const LABELS: u32 = 260;
const LABEL_CHARS: usize = 36;
/// Room for a letter of a mark on an axis, in pixels.
const LETTER: f64 = 7.0;
/// More rows than this are in the table only.
pub const ROWS_MAX: usize = 60;

/// A chart as a figure; nothing where there are no rows.
pub fn chart(chart: Chart) -> Markup {
    let rows = &chart.rows[..chart.rows.len().min(ROWS_MAX)];
    let left_out = chart.rows.len() - rows.len();
    let about = match left_out {
        0 => chart.about.to_owned(),
        more => format!("{} {more} more rows are in the table only.", chart.about),
    };
    let Some(drawn) = drawn(chart.unit, chart.axis, rows) else { return html! {} };
    figure(chart.id, chart.title, &about, &drawn, chart.head, chart.table)
}

/// A chart as a file of its own, light or dark as whoever looks at it has it; none where there are no rows.
pub fn standalone(title: &str, axis: &str, unit: Unit, rows: &[Row]) -> Option<String> {
    let drawing = drawn(unit, axis, &rows[..rows.len().min(ROWS_MAX)])?;
    let (start, inner) = drawing.split_once('>')?;
    let title = html! { title { (title) } }.into_string();
    Some(format!("{start} role=\"img\">{title}{STANDALONE}{inner}"))
}

/// The colours of a page, for a chart that is on none.
const STANDALONE: &str = "<style>\
    svg{--fg:#1f2328;--line:#d0d7de;--good:#1a7f37;--bad:#cf222e;--link:#0969da;--soft:#59636e;background:#fff}\
    @media(prefers-color-scheme:dark){svg{--fg:#f0f6fc;--line:#3d444d;--good:#3fb950;--bad:#f85149;--link:#4493f8;\
    --soft:#9198a1;background:#0d1117}}</style>";

/// A curve as a figure; nothing where there are no points.
pub fn curve(curve: Curve) -> Markup {
    let Some(drawn) = drawn_curve(&curve) else { return html! {} };
    figure(curve.id, curve.title, curve.about, &drawn, curve.head, curve.table)
}

/// The drawing with its title, what it means, and the table.
fn figure(
    id: &str,
    title: &str,
    about: &str,
    drawing: &str,
    head: &[&str],
    rows: Vec<Vec<Markup>>,
) -> Markup {
    // The drawing begins with its `svg`: that gets a name that can be read out.
    let inner = drawing.split_once('>').map_or("", |(_, inner)| inner);
    let start = drawing.split_once('>').map_or("", |(start, _)| start);
    html! {
        figure.chart #(id) {
            figcaption { strong { (title) } " " span.soft { (about) } }
            div.wide tabindex="0" role="region" aria-label=(title) {
                (PreEscaped(format!("{start} role=\"img\" aria-labelledby=\"{id}-title {id}-about\">")))
                title #{ (id) "-title" } { (title) }
                desc #{ (id) "-about" } { (about) " The table below has the same numbers." }
                (PreEscaped(inner))
            }
            details { summary { "The numbers: " (title) } (super::table(title, head, rows)) }
        }
    }
}

/// Where a number stands on an axis.
fn place(unit: Unit, value: f64) -> f64 {
    match unit {
        Unit::Milliseconds | Unit::Microseconds => value.max(1.0).log10(),
        Unit::Count | Unit::Moment => value.max(0.0),
    }
}

/// Marks of an axis between two numbers, with their texts.
fn ticks(unit: Unit, least: f64, most: f64) -> Vec<(f64, String)> {
    const TIMES: [i64; 15] = [
        1,
        10,
        100,
        1_000,
        10_000,
        60_000,
        600_000,
        3_600_000,
        21_600_000,
        86_400_000,
        864_000_000,
        8_640_000_000,
        34_560_000_000,
        345_600_000_000,
        3_456_000_000_000,
    ];
    const STEPS: [i64; 31] = [
        1,
        2,
        5,
        10,
        20,
        50,
        100,
        200,
        500,
        1_000,
        2_000,
        5_000,
        10_000,
        15_000,
        30_000,
        60_000,
        120_000,
        300_000,
        600_000,
        900_000,
        1_800_000,
        3_600_000,
        7_200_000,
        10_800_000,
        21_600_000,
        43_200_000,
        86_400_000,
        172_800_000,
        604_800_000,
        2_592_000_000,
        8_640_000_000,
    ];
    let inside = |place: f64| (least..=most).contains(&place);
    match unit {
        Unit::Milliseconds => {
            let all = TIMES.iter().map(|ms| ((*ms as f64).log10(), format_ms(*ms)));
            all.filter(|(place, _)| inside(*place)).collect()
        }
        Unit::Microseconds => {
            let text = |power: i32| match power {
                0..=2 => format!("{} µs", 10_i64.pow(power as u32)),
                3..=5 => format!("{} ms", 10_i64.pow(power as u32 - 3)),
                _ => format_ms(10_i64.pow(power as u32 - 3)),
            };
            (0..=12)
                .map(|power| (f64::from(power), text(power)))
                .filter(|(place, _)| inside(*place))
                .collect()
        }
        Unit::Count | Unit::Moment => {
            let rough = ((most - least) / 6.0).max(f64::MIN_POSITIVE);
            let power = 10_f64.powf(rough.log10().floor());
            let nice = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|n| *n >= rough);
            let step = match unit {
                Unit::Moment => {
                    STEPS.into_iter().map(|ms| ms as f64).find(|ms| *ms >= rough).unwrap_or(rough)
                }
                _ => nice.unwrap_or(rough).max(1.0),
            };
            let text = |value: f64| match unit {
                Unit::Moment => format_ms(value.round() as i64),
                _ => format!("{value:.0}"),
            };
            (0..=8)
                .map(|n| f64::from(n) * step)
                .filter(|place| inside(*place))
                .map(|v| (v, text(v)))
                .collect()
        }
    }
}

/// Marks whose texts have room: the last, and each that is far enough from the one behind it. `wide` is the axis
/// in its own numbers.
fn apart(ticks: Vec<(f64, String)>, wide: f64) -> Vec<(f64, String)> {
    let pixels = f64::from(WIDE - LABELS - 30) / wide;
    let mut kept: Vec<(f64, String)> = Vec::new();
    for tick in ticks.into_iter().rev() {
        let has_room = kept.last().is_none_or(|(place, text)| {
            let letters = (text.chars().count() + tick.1.chars().count()) as f64 / 2.0;
            (place - tick.0) * pixels >= (letters + 1.0) * LETTER
        });
        if has_room {
            kept.push(tick);
        }
    }
    kept.reverse();
    kept
}

/// An axis with marks where we want them.
struct Marked {
    from: f64,
    to: f64,
    at: Vec<f64>,
}

impl Ranged for Marked {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let part = (value - self.from) / (self.to - self.from);
        limit.0 + (part * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.at.clone()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.from..self.to
    }
}

/// Rows over an axis.
fn drawn(unit: Unit, axis: &str, rows: &[Row]) -> Option<String> {
    let numbers = rows.iter().flat_map(|row| {
        let spans = row.spans.iter().flat_map(|(from, to)| [*from, *to]);
        spans.chain(row.marks.iter().map(|(at, _)| *at))
    });
    let places: Vec<f64> = numbers.filter(|n| n.is_finite()).map(|n| place(unit, n)).collect();
    if rows.is_empty() || places.is_empty() {
        return None;
    }
    let logarithmic = matches!(unit, Unit::Milliseconds | Unit::Microseconds);
    let least = if logarithmic { places.iter().copied().fold(f64::MAX, f64::min).floor() } else { 0.0 };
    let most = places.iter().copied().fold(f64::MIN, f64::max);
    // One point, or none apart from zero, needs an axis as well.
    let most = if logarithmic { most.max(least + 1.0) } else { most.max(1.0) };
    let slack = (most - least) * 0.03;
    let (left, right) = (least - if logarithmic { slack } else { 0.0 }, most + slack);
    let ticks = apart(ticks(unit, left, right), right - left);
    let count = rows.len();
    let mut out = String::new();
    {
        let root = SVGBackend::with_string(&mut out, (WIDE, count as u32 * ROW + 70)).into_drawing_area();
        let mut builder = ChartBuilder::on(&root);
        builder.margin_right(30).margin_top(6).x_label_area_size(48).y_label_area_size(LABELS);
        // From the first segment to the last one.
        let down = (0..count - 1).into_segmented();
        let across = Marked { from: left, to: right, at: ticks.iter().map(|(place, _)| *place).collect() };
        // Drawing into a string can fail only in the drawing itself.
        let mut chart = builder.build_cartesian_2d(across, down).ok()?;
        let text = |place: &f64| {
            ticks.iter().find(|(tick, _)| tick == place).map_or(String::new(), |(_, text)| text.clone())
        };
        let label = |at: &SegmentValue<usize>| match at {
            SegmentValue::CenterOf(row) => {
                let row = count.checked_sub(row + 1).and_then(|index| rows.get(index));
                row.map_or_else(String::new, |row| cut(&row.label))
            }
            _ => String::new(),
        };
        let font = ("system-ui, sans-serif", 15).into_font().color(&FG);
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(LINE)
            .bold_line_style(LINE)
            .axis_style(SOFT)
            .label_style(font)
            .x_desc(plain(axis))
            .y_labels(count)
            .x_label_formatter(&text)
            .y_label_formatter(&label)
            .draw()
            .ok()?;
        for (index, row) in rows.iter().enumerate() {
            let y = SegmentValue::CenterOf(count - 1 - index);
            for (from, to) in &row.spans {
                let at = |value: f64| (place(unit, value), y.clone());
                let bar = EmptyElement::at(at(*from))
                    + Rectangle::new(
                        [(0, -6), (width_px(unit, *from, *to, left, right), 6)],
                        SPAN.mix(0.45).filled(),
                    );
                chart.draw_series([bar]).ok()?;
                let ends = [*from, *to].map(|end| {
                    EmptyElement::at(at(end)) + PathElement::new([(0, -8), (0, 8)], SPAN.stroke_width(2))
                });
                chart.draw_series(ends).ok()?;
            }
            for (value, mark) in row.marks.iter().filter(|(value, _)| value.is_finite()) {
                let at = (place(unit, *value), y.clone());
                match mark {
                    Mark::Here => chart.draw_series([Circle::new(at, 6, HERE.filled())]).map(drop),
                    Mark::Step => chart.draw_series([Circle::new(at, 3, SOFT.filled())]).map(drop),
                    Mark::Edge => chart.draw_series([Cross::new(at, 6, EDGE.stroke_width(3))]).map(drop),
                    Mark::Notable => chart.draw_series([TriangleMarker::new(at, 8, HERE.filled())]).map(drop),
                }
                .ok()?;
            }
        }
        root.present().ok()?;
    }
    Some(inked(out))
}

/// How many pixels a bar is wide.
fn width_px(unit: Unit, from: f64, to: f64, left: f64, right: f64) -> i32 {
    let room = f64::from(WIDE - LABELS - 30);
    ((place(unit, to) - place(unit, from)) / (right - left) * room).round().max(1.0) as i32
}

fn drawn_curve(curve: &Curve) -> Option<String> {
    let log = |(x, y): (f64, f64)| (x.max(f64::MIN_POSITIVE).log10(), y.max(f64::MIN_POSITIVE).log10());
    let points: Vec<(f64, f64)> = curve.points.iter().copied().map(log).collect();
    let here = log(curve.here);
    let all = || points.iter().copied().chain([here]).filter(|(x, y)| x.is_finite() && y.is_finite());
    if points.is_empty() || all().count() < 2 {
        return None;
    }
    let span = |get: fn((f64, f64)) -> f64| {
        let least = all().map(get).fold(f64::MAX, f64::min).floor();
        let most = all().map(get).fold(f64::MIN, f64::max).ceil();
        (least, most.max(least + 1.0))
    };
    let ((left, right), (low, high)) = (span(|p| p.0), span(|p| p.1));
    let whole = |from: f64, to: f64| (from as i32..=to as i32).map(f64::from).collect::<Vec<f64>>();
    let mut out = String::new();
    {
        let root = SVGBackend::with_string(&mut out, (WIDE, 340)).into_drawing_area();
        let mut builder = ChartBuilder::on(&root);
        builder.margin_right(30).margin_top(10).x_label_area_size(48).y_label_area_size(90);
        let across = Marked { from: left, to: right, at: whole(left, right) };
        let up = Marked { from: low, to: high, at: whole(low, high) };
        let mut chart = builder.build_cartesian_2d(across, up).ok()?;
        let font = ("system-ui, sans-serif", 15).into_font().color(&FG);
        let number = |power: f64| {
            let digits = (-power).max(0.0) as usize;
            format!("{:.digits$}", 10_f64.powf(power))
        };
        let count = |power: &f64| number(*power);
        let percent = |power: &f64| format!("{} %", number(*power + 2.0));
        chart
            .configure_mesh()
            .light_line_style(LINE)
            .bold_line_style(LINE)
            .axis_style(SOFT)
            .label_style(font)
            .x_desc(plain(curve.axis))
            .y_desc(plain(curve.up))
            .x_label_formatter(&count)
            .y_label_formatter(&percent)
            .draw()
            .ok()?;
        chart.draw_series([PathElement::new(points, SPAN.stroke_width(2))]).ok()?;
        chart.draw_series([Circle::new(here, 6, HERE.filled())]).ok()?;
        root.present().ok()?;
    }
    Some(inked(out))
}

/// With the page's colours. A text of the data can't look like an attribute: its quotes are escaped.
fn inked(mut svg: String) -> String {
    for (_, colour, ink) in INK {
        svg = svg.replace(&format!("=\"{colour}\""), &format!("=\"{ink}\""));
    }
    svg
}

/// Without what no page can show.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn cut(label: &str) -> String {
    let label = plain(label);
    if label.chars().count() <= LABEL_CHARS {
        return label;
    }
    let short: String = label.chars().take(LABEL_CHARS - 1).collect();
    format!("{short}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(unit: Unit, rows: &[Row]) -> String {
        let table = rows.iter().map(|row| vec![html! { (row.label) }]).collect();
        chart(Chart {
            id: "c",
            title: "A <title>",
            about: "What \"it\" is.",
            axis: "time & more",
            unit,
            rows,
            head: &["row"],
            table,
        })
        .into_string()
    }

    #[test]
    fn marks_of_an_axis_do_not_touch() {
        let right = (400.0 * 86_400_000.0_f64).log10() + 0.3;
        let kept = apart(ticks(Unit::Milliseconds, 0.0, right), right);
        let texts: Vec<&str> = kept.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts[texts.len() - 5..], ["1h", "6h", "24h", "10d", "400d"]);
        assert_eq!((texts[0], texts.len()), ("1ms", 12));
    }

    fn row(label: &str, spans: &[(f64, f64)], marks: &[(f64, Mark)]) -> Row {
        Row { label: label.to_owned(), spans: spans.to_vec(), marks: marks.to_vec() }
    }

    /// The drawing as a tree: it must be well-formed, and it must hold nothing but what a drawing has.
    fn checked(page: &str) {
        let svg = &page[page.find("<svg").unwrap()..page.find("</svg>").unwrap() + 6];
        let mut open: Vec<&str> = Vec::new();
        let mut rest = svg;
        while let Some(at) = rest.find('<') {
            let end = at + rest[at..].find('>').unwrap();
            let tag = &rest[at + 1..end];
            let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap();
            let known = ["svg", "title", "desc", "line", "rect", "text", "polyline", "polygon", "circle"];
            assert!(known.contains(&name), "{name}");
            match (tag.starts_with('/'), tag.ends_with('/')) {
                (true, _) => assert_eq!(open.pop(), Some(name)),
                (false, true) => {}
                (false, false) => open.push(name),
            }
            rest = &rest[end + 1..];
        }
        assert!(open.is_empty(), "{open:?}");
        assert!(svg.contains("role=\"img\"") && svg.contains("aria-labelledby=\"c-title c-about\""));
        assert!(!svg.contains("NaN") && !svg.contains("#0"), "{svg}");
    }

    #[test]
    fn nothing_is_no_chart() {
        assert_eq!(of(Unit::Count, &[]), "");
        assert_eq!(of(Unit::Count, &[row("a", &[], &[])]), "");
        assert_eq!(of(Unit::Count, &[row("a", &[], &[(f64::NAN, Mark::Here)])]), "");
    }

    #[test]
    fn what_others_wrote_is_text() {
        let label = "</text><script>alert(1)</script> \"#010101\" & '\u{1}";
        let page = of(Unit::Count, &[row(label, &[(1.0, 2.0)], &[(1.0, Mark::Here)])]);
        checked(&page);
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
        assert!(page.contains("A &lt;title&gt;") && page.contains("time &amp; more"));
    }

    #[test]
    fn from_a_millisecond_to_the_longest_duration() {
        let days = 400.0 * 86_400_000.0;
        let page =
            of(Unit::Milliseconds, &[row("a", &[(1.0, days)], &[(0.0, Mark::Here), (days, Mark::Edge)])]);
        checked(&page);
        for tick in ["1ms", "1s", "1h", "24h", "400d"] {
            assert!(page.contains(&format!(">\n{tick}\n<")), "{tick}");
        }
    }

    #[test]
    fn one_point_has_an_axis() {
        for unit in [Unit::Milliseconds, Unit::Microseconds, Unit::Count, Unit::Moment] {
            for at in [0.0, 1.0, 7.0, 1e12] {
                checked(&of(unit, &[row("a", &[], &[(at, Mark::Notable)])]));
            }
        }
    }

    #[test]
    fn all_shapes_and_too_many_rows() {
        let marks = [(1.0, Mark::Here), (2.0, Mark::Step), (3.0, Mark::Edge), (4.0, Mark::Notable)];
        let rows: Vec<Row> = (0..ROWS_MAX + 5).map(|n| row(&n.to_string(), &[(1.0, 4.0)], &marks)).collect();
        let page = of(Unit::Moment, &rows);
        checked(&page);
        assert!(page.contains("5 more rows are in the table only") && page.contains("The numbers"));
    }

    #[test]
    fn a_curve_with_its_point() {
        let of = |points: &[(f64, f64)], here| {
            curve(Curve {
                id: "c",
                title: "t",
                about: "a",
                axis: "bursts",
                up: "rate",
                points,
                here,
                head: &["n"],
                table: Vec::new(),
            })
            .into_string()
        };
        assert_eq!(of(&[], (1.0, 1.0)), "");
        checked(&of(&[(1.0, 0.95), (100.0, 0.03), (10_000.0, 0.0003)], (200.0, 0.015)));
        checked(&of(&[(1.0, 1.0)], (0.0, 0.0)));
    }
}
