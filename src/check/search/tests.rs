//! The search on a small system, its limits and its faults. (Counts and agreement with integer
//! time are under `tests/textbook`.)

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::*;
use crate::time::{ClockFrom, Constraint, Guard, NO_BOUND, Surplus};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::check) enum Room {
    Dark,
    Dim,
    Bright,
    Broken,
}

/// A light: a press makes it dim; a second one within 10 makes it bright, a later one dark. Bright for
/// longer than 50 it may break.
#[derive(Clone, Debug)]
pub(in crate::check) struct Light {
    /// The limits of the declared constants, and what they are declared to be.
    pub constants: [i64; 2],
    pub declared: i64,
    pub clocks_max: usize,
    pub diagonal: bool,
}

impl Default for Light {
    fn default() -> Self {
        Self { constants: [10, 50], declared: 50, clocks_max: 1, diagonal: false }
    }
}

impl TimedSystem for Light {
    type State = Room;
    type Label = &'static str;

    fn initial(&self) -> Vec<Room> {
        vec![Room::Dark]
    }

    fn clock_count(&self, state: &Room) -> usize {
        usize::from(matches!(state, Room::Dim | Room::Bright))
    }

    fn invariant(&self, _: &Room, _: &mut Vec<Constraint>) {}

    fn edges(&self, state: &Room, out: &mut Vec<Edge<Room, &'static str>>) {
        let [soon, long] = self.constants;
        let mut add = |label, guard: &[Constraint], from: Option<ClockFrom>, target, facts| {
            let clocks = from.into_iter().collect();
            out.push(Edge { label, guard: Guard::from_slice(guard), clocks, target, facts });
        };
        match state {
            Room::Dark => add("on", &[], Some(ClockFrom::Zero), Room::Dim, 1),
            Room::Dim => {
                add("off", &[Constraint::above(1, soon)], None, Room::Dark, 2);
                add("more", &[Constraint::at_most(1, soon)], Some(ClockFrom::Zero), Room::Bright, 4);
            }
            Room::Bright => {
                add("off", &[], None, Room::Dark, 2);
                let mut guard = vec![Constraint::at_least(1, long)];
                if self.diagonal {
                    guard.push(Constraint { left: 1, right: 1, bound: 0, strict: false });
                }
                add("break", &guard, None, Room::Broken, 8);
            }
            Room::Broken => {}
        }
    }

    fn bounds(&self, state: &Room, lower: &mut [i64], upper: &mut [i64]) {
        match state {
            Room::Dim => (lower[1], upper[1]) = (self.constants[0], self.constants[0]),
            Room::Bright => (lower[1], upper[1]) = (self.constants[1], NO_BOUND),
            _ => {}
        }
    }

    fn greatest_constant(&self) -> i64 {
        self.declared
    }

    fn clocks_max(&self) -> usize {
        self.clocks_max
    }
}

#[derive(Default)]
struct Notes {
    states: Vec<(Room, Zone)>,
    edges: Vec<(Room, &'static str, i64, Option<i64>)>,
}

impl Observer<Light> for Notes {
    fn state(&mut self, state: &Room, zone: &dyn ZoneView) {
        self.states.push((*state, zone.to_zone()));
    }

    fn edge(&mut self, from: &Room, edge: &Edge<Room, &'static str>, zone: &dyn ZoneView) {
        let (low, high) = if zone.clock_count() == 1 { (zone.lower(1), zone.upper(1)) } else { (0, None) };
        self.edges.push((*from, edge.label, low, high));
    }
}

#[test]
fn observers_see_every_node_and_transition() {
    let mut notes = Notes::default();
    let light = Light::default();
    let exploration = explore(&light, &SearchOptions::default(), &mut notes).unwrap();
    let stats = exploration.stats();
    assert!(stats.complete && stats.stopped_by.is_none());
    assert_eq!((stats.visited, stats.stored, stats.states, stats.depth), (4, 4, 4, 3));
    assert_eq!((stats.transitions, stats.covered), (5, 2));
    let stored: Vec<(Room, Zone)> = exploration.nodes().map(|(state, zone)| (*state, zone)).collect();
    assert_eq!(notes.states, stored);
    let expected = [
        (Room::Dark, "on", 0, None),
        (Room::Dim, "off", 10, None),
        (Room::Dim, "more", 0, Some(10)),
        (Room::Bright, "off", 0, None),
        (Room::Bright, "break", 50, None),
    ];
    assert_eq!(notes.edges, expected);
    assert_eq!(exploration.facts(), 15);
    assert!(exploration.memory() > 0);
}

#[test]
fn witnesses_give_the_steps() {
    let light = Light::default();
    let exploration = explore(&light, &SearchOptions::default(), &mut ()).unwrap();
    let witness = exploration.witness(3).unwrap();
    let steps: Vec<(Room, u32, &str)> =
        witness.steps.iter().map(|step| (step.state, step.number, step.edge.label)).collect();
    assert_eq!(steps, [(Room::Dark, 0, "on"), (Room::Dim, 1, "more"), (Room::Bright, 1, "break")]);
    assert!(witness.steps.iter().all(|step| step.moved.is_empty()));
    assert!(exploration.witness(4).is_none());
    assert!(exploration.witness(64).is_none());
}

#[test]
fn both_widths_agree() {
    let wide = Light { constants: [10 << 40, 50 << 40], declared: 50 << 40, ..Light::default() };
    let exploration = explore(&wide, &SearchOptions::default(), &mut ()).unwrap();
    assert!(matches!(exploration.engine, Width::Wide(_)));
    assert_eq!(exploration.stats().visited, 4);
    let narrow = Light::default();
    let exploration = explore(&narrow, &SearchOptions::default(), &mut ()).unwrap();
    assert!(matches!(exploration.engine, Width::Narrow(_)));
}

#[test]
fn what_was_not_declared_is_an_error() {
    let fault = |light: Light| explore(&light, &SearchOptions::default(), &mut ()).err();
    assert_eq!(fault(Light { declared: 9, ..Light::default() }), Some(SearchError::ConstantNotDeclared(10)));
    assert_eq!(fault(Light { clocks_max: 0, ..Light::default() }), Some(SearchError::ClocksNotDeclared(1)));
    assert_eq!(fault(Light { diagonal: true, ..Light::default() }), Some(SearchError::Diagonal));
    let large = 1 << 50;
    assert_eq!(
        fault(Light { declared: large, ..Light::default() }),
        Some(SearchError::ConstantTooLarge(large, GREATEST_CONSTANT))
    );
    assert_eq!(
        fault(Light { declared: i64::MIN, ..Light::default() }),
        Some(SearchError::ConstantTooLarge(i64::MIN, GREATEST_CONSTANT))
    );
}

/// Counts for ever, so that only a limit ends it.
struct Counter {
    keeps_time: bool,
}

impl TimedSystem for Counter {
    type State = u64;
    type Label = ();

    fn initial(&self) -> Vec<u64> {
        vec![0]
    }

    fn clock_count(&self, _: &u64) -> usize {
        if self.keeps_time { 2 } else { 0 }
    }

    fn invariant(&self, _: &u64, out: &mut Vec<Constraint>) {
        if self.keeps_time {
            out.push(Constraint::at_most(1, GREATEST_CONSTANT));
        }
    }

    fn edges(&self, state: &u64, out: &mut Vec<Edge<u64, ()>>) {
        let (clocks, guard, target) = if self.keeps_time {
            let full = Constraint::at_least(1, GREATEST_CONSTANT);
            ([ClockFrom::Zero, ClockFrom::Old(2)].into_iter().collect(), Guard::from_slice(&[full]), 0)
        } else {
            (Default::default(), Guard::new(), state + 1)
        };
        out.push(Edge { label: (), guard, clocks, target, facts: 1 << (state % 64) });
    }

    fn bounds(&self, _: &u64, lower: &mut [i64], upper: &mut [i64]) {
        if self.keeps_time {
            (lower[1], upper[1]) = (GREATEST_CONSTANT, GREATEST_CONSTANT);
        }
    }

    fn greatest_constant(&self) -> i64 {
        if self.keeps_time { GREATEST_CONSTANT } else { 0 }
    }
}

fn stopped_by(limits: Limits, cancel: bool) -> (SearchStats, u32) {
    let (cancel, calls) = (AtomicBool::new(cancel), std::sync::atomic::AtomicU32::new(0));
    let count = |_: &Progress| {
        calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    let options =
        SearchOptions { limits: &limits, cancel: &cancel, progress: &count, ..SearchOptions::default() };
    let exploration = explore(&Counter { keeps_time: false }, &options, &mut ()).unwrap();
    assert!(!exploration.stats().complete);
    (exploration.stats().clone(), calls.into_inner())
}

#[test]
fn limits_end_the_search() {
    let none = || Limits { states_max: None, memory_max: None, time_max: None };
    let (stats, _) = stopped_by(Limits { states_max: Some(1000), ..none() }, false);
    assert_eq!(stats.stopped_by.as_deref(), Some("the limit of 1,000 zones held"));
    assert_eq!(stats.stored, 1001);
    let (stats, _) = stopped_by(Limits { memory_max: Some(1 << 20), ..none() }, false);
    assert_eq!(stats.stopped_by.as_deref(), Some("the limit of 1 MiB of memory"));
    assert!(stats.stored > 1000 && stats.stored < 1 << 17);
    let (stats, calls) = stopped_by(Limits { time_max: Some(Duration::from_millis(350)), ..none() }, false);
    assert_eq!(stats.stopped_by.as_deref(), Some("the limit of time"));
    // A busy machine looks at the clock late.
    assert!((1..=10).contains(&calls), "{calls}");
    let (stats, _) = stopped_by(none(), true);
    assert_eq!(stats.stopped_by.as_deref(), Some("an interrupt"));
    assert_eq!(stats.visited, 0);
}

#[test]
fn stops_when_a_fact_is_known() {
    let options = SearchOptions { stop_at: 0b1000, ..SearchOptions::default() };
    let exploration = explore(&Counter { keeps_time: false }, &options, &mut ()).unwrap();
    assert_eq!(exploration.stats().visited, 4);
    assert!(!exploration.stats().complete && exploration.stats().stopped_by.is_some());
    assert_eq!(exploration.witness(3).unwrap().steps.len(), 4);
}

/// The second clock is a greatest constant further away in each round: extrapolation forgets that, and
/// without it the search ends with an error, not with a wrapped number.
#[test]
fn without_extrapolation_growth_is_an_error() {
    let counter = Counter { keeps_time: true };
    let forgetful = explore(&counter, &SearchOptions::default(), &mut ()).unwrap();
    assert!(forgetful.stats().complete);
    let options = SearchOptions { extrapolation: Extrapolation::None, ..SearchOptions::default() };
    assert_eq!(explore(&counter, &options, &mut ()).err(), Some(SearchError::Diverged));
}

/// A short way to state 2 with a small zone, and a longer one with a larger zone, which is found while the
/// small one waits.
struct Detour;

impl TimedSystem for Detour {
    type State = u8;
    type Label = ();

    fn initial(&self) -> Vec<u8> {
        vec![0]
    }

    fn clock_count(&self, _: &u8) -> usize {
        1
    }

    fn invariant(&self, _: &u8, _: &mut Vec<Constraint>) {}

    fn edges(&self, state: &u8, out: &mut Vec<Edge<u8, ()>>) {
        let mut add = |guard: &[Constraint], from, target, facts| {
            let (guard, clocks) = (Guard::from_slice(guard), [from].into_iter().collect());
            out.push(Edge { label: (), guard, clocks, target, facts });
        };
        match state {
            0 => {
                add(&[], ClockFrom::Zero, 1, 0);
                add(&[Constraint::at_least(1, 4)], ClockFrom::Old(1), 2, 0);
            }
            1 => add(&[], ClockFrom::Zero, 2, 0),
            2 => add(&[], ClockFrom::Zero, 3, 1),
            _ => {}
        }
    }

    fn bounds(&self, _: &u8, lower: &mut [i64], upper: &mut [i64]) {
        (lower[1], upper[1]) = (4, 4);
    }

    fn greatest_constant(&self) -> i64 {
        4
    }
}

#[test]
fn shortest_way_survives_a_larger_zone() {
    for (keep_shortest, steps, visited) in [(true, 2, 5), (false, 3, 4)] {
        let options = SearchOptions { keep_shortest, ..SearchOptions::default() };
        let exploration = explore(&Detour, &options, &mut ()).unwrap();
        assert_eq!(exploration.witness(0).unwrap().steps.len(), steps);
        assert_eq!(exploration.stats().visited, visited);
        assert_eq!(exploration.nodes().count() as u64, exploration.stats().stored);
        assert_eq!(exploration.stats().stored, 4);
    }
}

/// A job goes from place 0 to place 1 and may fail up to twice, which shows in place 1 only.
struct Failing;

impl TimedSystem for Failing {
    /// Where it is, and how many failures are left.
    type State = (u8, u8);
    type Label = ();

    fn initial(&self) -> Vec<(u8, u8)> {
        vec![(0, 2)]
    }

    fn clock_count(&self, _: &(u8, u8)) -> usize {
        1
    }

    fn invariant(&self, _: &(u8, u8), _: &mut Vec<Constraint>) {}

    fn edges(&self, &(place, left): &(u8, u8), out: &mut Vec<Edge<(u8, u8), ()>>) {
        let mut add = |guard: &[Constraint], target, facts| {
            let (guard, clocks) = (Guard::from_slice(guard), [ClockFrom::Old(1)].into_iter().collect());
            out.push(Edge { label: (), guard, clocks, target, facts });
        };
        if place == 0 {
            add(&[Constraint::at_most(1, 4)], (1, left), 0);
        }
        if left > 0 {
            add(&[], (place, left - 1), u64::from(place));
        }
    }

    fn bounds(&self, _: &(u8, u8), lower: &mut [i64], upper: &mut [i64]) {
        (lower[1], upper[1]) = (4, 4);
    }

    fn greatest_constant(&self) -> i64 {
        4
    }

    fn without_surplus(&self, &(place, left): &(u8, u8)) -> ((u8, u8), Surplus) {
        let mut surplus = Surplus::default();
        surplus[3] = left;
        ((place, 0), surplus)
    }
}

#[test]
fn more_left_stands_for_less() {
    for (surplus, states) in [(true, 2), (false, 6)] {
        let options = SearchOptions { surplus, ..SearchOptions::default() };
        let exploration = explore(&Failing, &options, &mut ()).unwrap();
        assert_eq!(exploration.states().count(), states);
        assert_eq!(exploration.stats().stored, states as u64);
        assert_eq!(exploration.witness(0).unwrap().steps.len(), 2);
    }
}

/// Two workers start one after the other; either may leave once it has worked for 5, and then the
/// other must not have worked for more than 2. The workers are alike.
struct Workers;

impl TimedSystem for Workers {
    type State = u8;
    type Label = u8;

    fn initial(&self) -> Vec<u8> {
        vec![0]
    }

    fn clock_count(&self, state: &u8) -> usize {
        [0, 1, 2, 1, 0][usize::from(*state)]
    }

    fn invariant(&self, _: &u8, _: &mut Vec<Constraint>) {}

    fn edges(&self, state: &u8, out: &mut Vec<Edge<u8, u8>>) {
        let mut add = |label, guard: &[Constraint], clocks: &[ClockFrom], facts| {
            let (guard, clocks) = (Guard::from_slice(guard), clocks.iter().copied().collect());
            out.push(Edge { label, guard, clocks, target: state + 1, facts });
        };
        match state {
            0 => add(0, &[], &[ClockFrom::Zero], 0),
            1 => add(0, &[Constraint::at_least(1, 1)], &[ClockFrom::Old(1), ClockFrom::Zero], 0),
            2 => {
                add(1, &[Constraint::at_least(1, 5)], &[ClockFrom::Old(2)], 0);
                add(2, &[Constraint::at_least(2, 5)], &[ClockFrom::Old(1)], 0);
            }
            3 => add(0, &[Constraint::at_most(1, 2)], &[], 1),
            _ => {}
        }
    }

    fn bounds(&self, state: &u8, lower: &mut [i64], upper: &mut [i64]) {
        match state {
            1 => (lower[1], upper[1]) = (5, 2),
            2 => (1..3).for_each(|clock| (lower[clock], upper[clock]) = (5, 2)),
            3 => upper[1] = 2,
            _ => {}
        }
    }

    fn interchangeable(&self, state: &u8) -> Vec<crate::time::Interchangeable> {
        let member = |clock: u8| [clock].into_iter().collect();
        if *state == 2 { vec![vec![member(1), member(2)]] } else { Vec::new() }
    }

    fn greatest_constant(&self) -> i64 {
        5
    }
}

#[test]
fn witnesses_follow_the_exchange_of_clocks() {
    let exploration = explore(&Workers, &SearchOptions::default(), &mut ()).unwrap();
    let witness = exploration.witness(0).unwrap();
    // The younger worker comes first in order, so the older one becomes clock 2, and leaves.
    let start = &witness.steps[1];
    assert_eq!(start.moved, [2, 1]);
    assert_eq!(start.edge.clocks[..], [ClockFrom::Zero, ClockFrom::Old(1)]);
    assert_eq!(witness.steps[2].edge.label, 2);
    // The maps, one after the other, make a run.
    let mut zone = Zone::zero(0);
    for step in &witness.steps {
        zone.elapse();
        assert!(zone.constrain_all(&step.edge.guard));
        zone = zone.map(&step.edge.clocks);
    }
}
