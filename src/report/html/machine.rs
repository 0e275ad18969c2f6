//! The state diagram: a box for each state that the choices leave, with a line for each of its outcomes.

use std::collections::VecDeque;

use maud::{Markup, html};

use crate::model::{Operation, Protocol, Target};
use crate::policy::Policy;

const WIDE: usize = 240;
/// Between two ways back.
const APART: usize = 6;
const GAP: usize = 56;
const LINE: usize = 19;
const HEAD: usize = 42;

/// Where an outcome leads under a policy's choices, and the choice that says so.
pub fn chosen<'a>(
    protocol: &'a Protocol,
    policy: &Policy,
    target: &'a Target,
) -> (&'a Target, Option<String>) {
    let Target::Choice(choice) = target else { return (target, None) };
    let choice = &protocol.choices[*choice];
    let option = policy.choices.get(&choice.name);
    let found = choice.options.iter().find(|(name, _)| Some(name) == option);
    match found {
        Some((name, target)) => (target, Some(format!("{} = {name}", choice.name))),
        None => (target, None),
    }
}

/// A target in words.
pub fn target_text(protocol: &Protocol, target: &Target) -> String {
    match target {
        Target::State(state) => protocol.states[*state].name.clone(),
        Target::Choice(choice) => format!("?{}", protocol.choices[*choice].name),
        Target::Respond(answer) => format!("answers {answer}"),
        Target::Resume => "resumes".to_owned(),
        Target::End(name) => format!("ends: {name}"),
    }
}

/// What a state does.
pub fn operation_text(operation: &Operation) -> String {
    match operation {
        Operation::Record { outcome, .. } => format!("{} {}", operation.name(), outcome.name()),
        _ => operation.name().to_owned(),
    }
}

/// States that the choices leave reachable.
pub fn live(protocol: &Protocol, policy: &Policy) -> Vec<bool> {
    protocol.uses(|choice| policy.choices.get(choice).map(String::as_str)).live
}

/// The diagram, the `number`th of its page. `untaken` are outcomes that no run took, as `state: outcome`.
pub fn drawing(number: usize, protocol: &Protocol, policy: &Policy, untaken: &[String]) -> Markup {
    let mut places = places(protocol, policy);
    // Those that lead back need room above.
    let top = 14 + APART * ways_back(&places, protocol, policy);
    places.iter_mut().flatten().for_each(|(_, y)| *y += top);
    let size = |state: usize| HEAD + protocol.states[state].next.len() * LINE + 8;
    let width = places.iter().flatten().map(|(x, _)| x + WIDE).max().unwrap_or(0) + GAP;
    let height = (0..places.len()).filter_map(|state| places[state].map(|(_, y)| y + size(state))).max();
    let height = height.unwrap_or(0) + 30;
    let (mut edges, mut back_count) = (Vec::new(), 0);
    for (state, place) in places.iter().enumerate() {
        let Some((x, y)) = place else { continue };
        for (row, (outcome, target)) in protocol.states[state].next.iter().enumerate() {
            let (Target::State(next), _) = chosen(protocol, policy, target) else { continue };
            let Some((to_x, to_y)) = places[*next] else { continue };
            let never = untaken.contains(&format!("{}: {outcome}", protocol.states[state].name));
            let (from_x, from_y) = (x + WIDE, y + HEAD + row * LINE + 8);
            let way = if to_x > from_x {
                forward((from_x, from_y), (to_x, to_y + 20))
            } else {
                back_count += 1;
                back((from_x, from_y), (to_x, to_y), back_count - 1)
            };
            edges.push((way, never));
        }
    }
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height)
            role="img" aria-label="State diagram; the tables below say the same" {
            defs { marker #{ "tip-" (number) } viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto" {
                path.tip d="M 0 0 L 8 4 L 0 8 z" {} } }
            @for (path, never) in &edges {
                path.edge.never[*never] d=(path) marker-end={ "url(#tip-" (number) ")" } {}
            }
            @for (state, place) in places.iter().enumerate() {
                @if let Some((x, y)) = place {
                    @let known = &protocol.states[state];
                    rect.box x=(x) y=(y) width=(WIDE) height=(size(state)) rx="7" {}
                    text.title x=(x + 10) y=(y + 18) { @if state == protocol.start { "▶ " } (known.name) }
                    text.soft x=(x + 10) y=(y + 34) { (operation_text(&known.operation)) }
                    @for (row, (outcome, target)) in known.next.iter().enumerate() {
                        @let never = untaken.contains(&format!("{}: {outcome}", known.name));
                        @let (to, _) = chosen(protocol, policy, target);
                        g.never[never] {
                            text x=(x + 10) y=(y + HEAD + row * LINE + 12) { (outcome) }
                            text.soft x=(x + WIDE - 10) y=(y + HEAD + row * LINE + 12) text-anchor="end" { "→ " (target_text(protocol, to)) }
                        }
                    }
                }
            }
        }
    }
}

/// In columns by the number of steps from the start.
fn places(protocol: &Protocol, policy: &Policy) -> Vec<Option<(usize, usize)>> {
    let live = live(protocol, policy);
    let mut column: Vec<Option<usize>> = vec![None; protocol.states.len()];
    let starts = [protocol.start].into_iter().chain(protocol.roles.iter().map(|role| role.start));
    let mut pending: VecDeque<(usize, usize)> = starts.map(|state| (state, 0)).collect();
    let mut order = Vec::new();
    while let Some((state, depth)) = pending.pop_front() {
        if !live[state] || column[state].is_some() {
            continue;
        }
        column[state] = Some(depth);
        order.push(state);
        for (_, target) in &protocol.states[state].next {
            if let (Target::State(next), _) = chosen(protocol, policy, target) {
                pending.push_back((*next, depth + 1));
            }
        }
    }
    // Recovery points are entered by no outcome.
    for state in (0..protocol.states.len()).filter(|state| live[*state]) {
        if column[state].is_none() {
            column[state] = Some(0);
            order.push(state);
        }
    }
    let mut next_y = vec![0; protocol.states.len() + 1];
    let mut places = vec![None; protocol.states.len()];
    for state in order {
        let Some(depth) = column[state] else { continue };
        let y = next_y[depth];
        next_y[depth] += HEAD + protocol.states[state].next.len() * LINE + 8 + 26;
        places[state] = Some((10 + depth * (WIDE + GAP), y));
    }
    places
}

/// How many outcomes lead to their own column or to one further left.
fn ways_back(places: &[Option<(usize, usize)>], protocol: &Protocol, policy: &Policy) -> usize {
    let mut count = 0;
    for (state, place) in places.iter().enumerate() {
        let Some((x, _)) = place else { continue };
        for (_, target) in &protocol.states[state].next {
            let (Target::State(next), _) = chosen(protocol, policy, target) else { continue };
            count += usize::from(places[*next].is_some_and(|(to_x, _)| to_x <= x + WIDE));
        }
    }
    count
}

/// From the right of a line to the left of a box further right.
fn forward((x, y): (usize, usize), (to_x, to_y): (usize, usize)) -> String {
    let half = (to_x - x) / 2;
    format!("M {x} {y} C {} {y} {} {to_y} {to_x} {to_y}", x + half, to_x - half)
}

/// Round the right side of its own column, over the boxes, and into the top of one. Each way back has a height of
/// its own, so that two can be told apart.
fn back((x, y): (usize, usize), (to_x, box_top): (usize, usize), number: usize) -> String {
    let out = x + 10 + (number % 8) * 5;
    let top = 4 + number * APART;
    let into = to_x + WIDE - 20 - (number % 12) * 16;
    format!("M {x} {y} H {out} V {top} H {into} V {box_top}")
}
