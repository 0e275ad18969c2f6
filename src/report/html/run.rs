//! A counterexample to look at: a sequence diagram on an axis of time, and its steps one by one.

use maud::{Markup, html};

use super::class;
use crate::check::verdict::{Counterexample, PropertyResult, Step, format_moment, format_ms, grouped};
use crate::report::lanes::{self, Diagram, Hop};
use crate::report::words;

/// Steps at each end of a run that are shown.
const SHOWN: usize = 100;
const GUTTER: usize = 92;
const LANE: usize = 184;
const HEAD: usize = 44;
const LINE: usize = 17;
const PAD: usize = 22;
/// After so many steps the lanes are named again: the first heads are out of sight by then.
const NAMED_AGAIN: usize = 12;

/// The run behind a verdict; `trace` is its counterexample file. On the `first` of a page `#step-7` is short for
/// the run's own name of a step.
pub fn section(
    property: &PropertyResult,
    run: &Counterexample,
    trace: Option<&str>,
    path: &str,
    first: bool,
) -> Markup {
    let name = run.property;
    let count = run.steps.len();
    let left_out = SHOWN..count.saturating_sub(SHOWN).max(SHOWN);
    let shown: Vec<usize> = (0..count).filter(|index| !left_out.contains(index)).collect();
    let diagram = lanes::diagram(run);
    html! {
        section.run #{ "run-" (name) } tabindex="-1" aria-label={ "Run that breaks " (name) } data-steps=(count) {
            h3 { (name) " is broken by this run" }
            p { span class=(class(property.standing())) { (words::mark(property.standing())) " " (words::finding(property)) } }
            @if let Some(from) = run.repeats_from {
                p { "↻ From step " (from + 1) " on the run repeats for ever"
                    @if let Some(round) = run.round_ms { "; one round takes " (format_ms(round)) } "." }
            }
            @match trace {
                Some(file) => p { "Again, in the folder of the index: " code.command { "idemcheck replay " (words::shell_word(&format!("traces/{file}"))) }
                    " (" a href={ "../traces/" (file) } { "the file" } ")" },
                None => p { "Again: " code.command { "idemcheck verify " (words::shell_word(path)) " --property " (name) " --verbose" } },
            }
            @if !left_out.is_empty() {
                p.warn { "Of " (grouped(count as u64)) " steps, " (grouped(left_out.len() as u64))
                    " in the middle are left out here; the file has all." }
            }
            div.controls.tools hidden {
                button.previous type="button" aria-keyshortcuts="ArrowLeft P" { "← previous" }
                button.next type="button" aria-keyshortcuts="ArrowRight N" { "next →" }
                label { input.lean-switch type="checkbox"; " hide unchanged" }
            }
            div.state aria-live="polite" {}
            div.wide tabindex="0" role="group" aria-label={ "Diagram of the run that breaks " (name) } {
                (drawn(run, &diagram, &shown))
            }
            (steps(run, &shown, first))
        }
    }
}

fn steps(run: &Counterexample, shown: &[usize], first: bool) -> Markup {
    let name = run.property;
    html! {
        div.wide tabindex="0" role="group" aria-label={ "Steps of the run that breaks " (name) } {
            table {
                thead { tr { @for head in ["#", "moment", "who", "does", "sees", "changes"] { th scope="col" { (head) } } } }
                tbody { @for index in shown {
                    @let step = &run.steps[*index];
                    @let quiet = step.changes.is_empty() && step.breaks.is_none();
                    @let again = run.repeats_from.is_some_and(|from| *index >= from);
                    tr.same[quiet].again[again] id=[first.then(|| format!("step-{}", index + 1))]
                        data-step=(index + 1) data-says=(said(step)) {
                        th scope="row" { a href={ "#" (name) "-step-" (index + 1) } {
                            @if run.repeats_from == Some(*index) { "↻ " } (index + 1) } }
                        td.num { (format_moment(step.at_ms)) }
                        td { (step.who) } td { (step.does) } td { (step.sees) }
                        td {
                            @for change in &step.changes {
                                div data-what=(change.what) data-to=(change.to) { (change.what) ": " (change.from) " → " mark { (change.to) } }
                            }
                            @if let Some(breaks) = &step.breaks { div.bad { "✗ breaks " (name) ": " (breaks) } }
                        }
                    }
                } }
            }
        }
    }
}

fn said(step: &Step) -> String {
    let mut text = format!("{} {} {}", format_moment(step.at_ms), step.who, step.does);
    for part in [Some(&step.sees), step.breaks.as_ref()].into_iter().flatten().filter(|part| !part.is_empty())
    {
        text.push_str(&format!(": {part}"));
    }
    text
}

/// Where each step stands: time runs downwards, and a long wait takes little more room than a short one.
fn heights(run: &Counterexample, shown: &[usize]) -> Vec<(usize, usize)> {
    let mut y = HEAD + 12;
    let mut before: Option<usize> = None;
    let mut places = Vec::with_capacity(shown.len());
    for &index in shown {
        let step = &run.steps[index];
        let passed = before.map_or(0, |before| step.at_ms - run.steps[before].at_ms).max(0);
        let wait = if passed > 0 { 8 + 5 * (passed as f64).log10().ceil() as usize } else { 0 };
        let gap = before.is_some_and(|before| before + 1 != index);
        y += wait + if gap { 30 } else { 0 };
        if named_again(places.len()) {
            y += HEAD;
        }
        let lines = 2 + step.changes.len() + usize::from(step.breaks.is_some());
        places.push((y, lines * LINE + PAD));
        y += lines * LINE + PAD;
        before = Some(index);
    }
    places
}

/// Whether the lanes are named again above the step in this place.
fn named_again(place: usize) -> bool {
    place > 0 && place.is_multiple_of(NAMED_AGAIN)
}

fn x(lane: usize) -> usize {
    GUTTER + lane * LANE + LANE / 2
}

fn drawn(run: &Counterexample, diagram: &Diagram, shown: &[usize]) -> Markup {
    let places = heights(run, shown);
    let (last, tall) = places.last().copied().unwrap_or((HEAD, 0));
    let height = last + tall + 24;
    let width = GUTTER + diagram.lanes.len() * LANE + 60;
    let name = run.property;
    let again =
        places.iter().enumerate().filter(|(place, _)| named_again(*place)).map(|(_, (top, _))| top - 36);
    let heads: Vec<usize> = [6].into_iter().chain(again).collect();
    let repeats = run.repeats_from.and_then(|from| shown.iter().position(|index| *index >= from));
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height)
            role="img" aria-label={ "Sequence diagram of the run; the table below says the same" } {
            @for (index, lane) in diagram.lanes.iter().enumerate() {
                line.lane x1=(x(index)) x2=(x(index)) y1=(HEAD - 8) y2=(height - 12) {}
                @for top in heads.iter() {
                    rect.box x=(x(index) - 87) y=(top) width="174" height="28" rx="6" {}
                    text.title x=(x(index)) y=(top + 19) text-anchor="middle" {
                        (short(&lane.name, 24)) @if lane.name.chars().count() > 24 { title { (lane.name) } } }
                }
            }
            @for (place, &index) in shown.iter().enumerate() {
                @let before = place.checked_sub(1).map(|before| run.steps[shown[before]].at_ms);
                @let step = &run.steps[index];
                @let quiet = step.changes.is_empty() && step.breaks.is_none();
                g #{ (name) "-step-" (index + 1) } class=[quiet.then_some("same")] {
                    (hop(index, &run.steps[index], &diagram.hops[index], places[place], width, before, run))
                }
            }
            @if let Some(first) = repeats {
                @let (top, bottom) = (places[first].0, last + tall - 6);
                @let right = width - 40;
                path.loop d={ "M " (right) " " (bottom) " h 14 V " (top) " h -14 m 6 -5 l -6 5 l 6 5" } {}
                text x=(right + 26) y=(usize::midpoint(top, bottom)) text-anchor="middle"
                    transform={ "rotate(90 " (right + 22) " " (usize::midpoint(top, bottom)) ")" } {
                    "repeats" @if let Some(round) = run.round_ms { ", every " (format_ms(round)) }
                }
            }
        }
    }
}

fn hop(
    index: usize,
    step: &Step,
    hop: &Hop,
    (top, tall): (usize, usize),
    width: usize,
    before: Option<i64>,
    run: &Counterexample,
) -> Markup {
    let (from, to) = (x(hop.from), x(hop.to));
    let (left, right) = (from.min(to), from.max(to));
    let line = top + LINE + 6;
    let middle = usize::midpoint(left, right);
    let side = if hop.from == hop.to { from + 10 } else { middle };
    let anchor = if hop.from == hop.to { "start" } else { "middle" };
    let room = if hop.from == hop.to { 30 } else { ((right - left).saturating_sub(16) / 7).max(21) };
    html! {
        rect.wash x="0" y=(top) width=(width - 44) height=(tall) rx="4" {}
        @if before != Some(step.at_ms) { text.soft x="6" y=(top + LINE) { (format_moment(step.at_ms)) } }
        text.soft x=(GUTTER) y=(top + LINE) text-anchor="end" {
            @if run.repeats_from == Some(index) { "↻" } (index + 1) }
        @if hop.from == hop.to {
            circle.tip cx=(from) cy=(top + LINE - 4) r="4" {}
        } @else {
            line.edge x1=(from) x2=(to) y1=(line) y2=(line) {}
            (tip(from, to, line))
        }
        (halo(side, top + LINE, anchor, &short(&hop.says, room), "", &hop.says))
        @if let Some(back) = &hop.back {
            line.edge.back x1=(from) x2=(to) y1=(line + LINE + 5) y2=(line + LINE + 5) {}
            (tip(to, from, line + LINE + 5))
            (halo(middle, line + LINE + 1, "middle", &short(back, room), "", back))
        }
        @if let Some((client, says)) = &hop.answer {
            @let client = x(*client);
            @let below = line + LINE + 8;
            line.edge.back x1=(from) x2=(client) y1=(below) y2=(below) {}
            (tip(from, client, below))
            (halo(usize::midpoint(from, client), below - 3, "middle", &short(says, 30), "", says))
        }
        @for (number, change) in step.changes.iter().enumerate() {
            @let says = format!("{}: {} → {}", change.what, change.from, change.to);
            (hit(GUTTER + 12, line + (number + 2) * LINE + 8, &says, width))
        }
        @if let Some(breaks) = &step.breaks {
            text.bad x=(GUTTER + 12) y=(line + (step.changes.len() + 2) * LINE + 8) { "✗ breaks " (run.property) ": " (breaks) }
        }
    }
}

/// Text that a line may run behind.
fn halo(x: usize, y: usize, anchor: &str, says: &str, class: &str, whole: &str) -> Markup {
    let wide = says.chars().count() * 7 + 6;
    let left = if anchor == "start" { x.saturating_sub(3) } else { x.saturating_sub(wide / 2) };
    html! {
        rect.fade x=(left) y=(y.saturating_sub(12)) width=(wide) height="16" {}
        text class=(class) x=(x) y=(y) text-anchor=(anchor) {
            (says) @if says != whole { title { (whole) } } }
    }
}

/// What a step changed, marked.
fn hit(x: usize, y: usize, says: &str, width: usize) -> Markup {
    let most = (width - x - 60) / 7;
    let cut = short(says, most);
    html! {
        rect.hit x=(x - 4) y=(y - 13) width=(cut.chars().count() * 7 + 8) height="17" rx="3" {}
        text x=(x) y=(y) { (cut) }
    }
}

fn tip(from: usize, to: usize, y: usize) -> Markup {
    let back = if to > from { -8 } else { 8 };
    html! { path.tip d={ "M " (to) " " (y) " l " (back) " -4 v 8 z" } {} }
}

fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
