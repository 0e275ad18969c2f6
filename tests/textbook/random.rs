//! Small random systems, all constraints closed.

use idemcheck::time::{Clock, ClockFrom, ClockMap, Constraint, Edge, Guard, Interchangeable};
use idemcheck::time::{NO_BOUND, TimedSystem};
use proptest::collection::vec;
use proptest::prelude::*;

use super::processes::{Kinds, Part, Parts, assemble, clocks_of, groups};

const MOST: i64 = 4;

#[derive(Clone, Debug)]
struct Arrow {
    from: usize,
    to: usize,
    guard: Vec<Constraint>,
    clocks: Vec<ClockFrom>,
}

/// An automaton whose locations have clocks of their own.
#[derive(Clone, Debug)]
pub struct Automaton {
    /// For each location, how many clocks it has, and its invariant.
    locations: Vec<(usize, Vec<Constraint>)>,
    arrows: Vec<Arrow>,
}

/// A clock, a constant, and whether it bounds from below.
type Comparison = (usize, i64, bool);

fn constraint() -> impl Strategy<Value = Comparison> {
    (0_usize..3, 0..=MOST, any::<bool>())
}

/// Most locations have two or three clocks.
pub fn automaton() -> impl Strategy<Value = Automaton> {
    let location =
        (prop_oneof![1 => Just(0_usize), 2 => Just(1), 4 => Just(2), 3 => Just(3)], vec(constraint(), 0..2));
    let arrow = (0_usize..5, 0_usize..5, vec(constraint(), 0..3), vec(0_usize..5, 3));
    (vec(location, 3..=5), vec(arrow, 3..=10)).prop_map(|(locations, arrows)| {
        // A comparison of a clock that the location has.
        let limit = |clocks: usize, (clock, bound, below): Comparison| {
            let (has, clock) = (clock < clocks, clock as Clock + 1);
            has.then(|| {
                if below { Constraint::at_least(clock, bound) } else { Constraint::at_most(clock, bound) }
            })
        };
        let location = |(clocks, invariant): (usize, Vec<Comparison>)| {
            (clocks, invariant.into_iter().filter_map(|c| limit(clocks, c)).collect())
        };
        let locations: Vec<(usize, Vec<Constraint>)> = locations.into_iter().map(location).collect();
        let arrow = |(from, to, guard, clocks): (usize, usize, Vec<Comparison>, Vec<usize>)| {
            let (from, to) = (from % locations.len(), to % locations.len());
            // Most clocks go on as they are; some start anew, some as a copy of another.
            let source = |(at, choice): (usize, usize)| match choice {
                0 => ClockFrom::Zero,
                1 if locations[from].0 > 0 => ClockFrom::Old(1),
                _ if at < locations[from].0 => ClockFrom::Old(at as Clock + 1),
                _ => ClockFrom::Zero,
            };
            Arrow {
                from,
                to,
                guard: guard.into_iter().filter_map(|c| limit(locations[from].0, c)).collect(),
                clocks: clocks.into_iter().enumerate().take(locations[to].0).map(source).collect(),
            }
        };
        let arrows = arrows.into_iter().map(arrow).collect();
        Automaton { locations, arrows }
    })
}

/// Lower and upper constants of the clocks of a location.
type Constants = [Vec<i64>; 2];

impl Automaton {
    /// For every location: what its clocks are compared with there, and further on.
    fn constants(&self) -> Vec<[Vec<i64>; 2]> {
        let mut all: Vec<[Vec<i64>; 2]> = self
            .locations
            .iter()
            .map(|(clocks, _)| [vec![NO_BOUND; clocks + 1], vec![NO_BOUND; clocks + 1]])
            .collect();
        let raise = |all: &mut [Constants], location: usize, c: &Constraint| {
            let (side, clock, bound) =
                if c.left == 0 { (0, c.right, -c.bound) } else { (1, c.left, c.bound) };
            let entry = &mut all[location][side][usize::from(clock)];
            *entry = (*entry).max(bound);
        };
        for (location, (_, invariant)) in self.locations.iter().enumerate() {
            invariant.iter().for_each(|c| raise(&mut all, location, c));
        }
        for arrow in &self.arrows {
            arrow.guard.iter().for_each(|c| raise(&mut all, arrow.from, c));
        }
        loop {
            let before = all.clone();
            for arrow in &self.arrows {
                for (clock, from) in (1..).zip(&arrow.clocks) {
                    if let ClockFrom::Old(old) = from {
                        let later = all[arrow.to].clone();
                        for (side, later) in all[arrow.from].iter_mut().zip(later) {
                            let entry = &mut side[usize::from(*old)];
                            *entry = later[clock].max(*entry);
                        }
                    }
                }
            }
            if before == all {
                return all;
            }
        }
    }
}

impl TimedSystem for Automaton {
    type State = usize;
    type Label = usize;

    fn initial(&self) -> Vec<usize> {
        vec![0]
    }

    fn clock_count(&self, state: &usize) -> usize {
        self.locations[*state].0
    }

    fn invariant(&self, state: &usize, out: &mut Vec<Constraint>) {
        out.extend_from_slice(&self.locations[*state].1);
    }

    fn edges(&self, state: &usize, out: &mut Vec<Edge<usize, usize>>) {
        for (label, arrow) in self.arrows.iter().enumerate().filter(|(_, arrow)| arrow.from == *state) {
            out.push(Edge {
                label,
                guard: Guard::from_slice(&arrow.guard),
                clocks: arrow.clocks.iter().copied().collect(),
                target: arrow.to,
                facts: 1 << arrow.to,
            });
        }
    }

    fn bounds(&self, state: &usize, lower: &mut [i64], upper: &mut [i64]) {
        let constants = &self.constants()[*state];
        lower[1..].copy_from_slice(&constants[0][1..]);
        upper[1..].copy_from_slice(&constants[1][1..]);
    }

    fn greatest_constant(&self) -> i64 {
        MOST
    }

    fn clocks_max(&self) -> usize {
        3
    }
}

/// Copies of one automaton with a single clock each, that read and write one shared variable.
#[derive(Clone, Debug)]
pub struct Crowd {
    pub automaton: Automaton,
    /// For each arrow, the value of the variable that it needs, and the one that it leaves.
    pub shared: Vec<(u8, u8)>,
    pub processes: usize,
    pub sorted: bool,
}

/// Makes a constraint speak of this clock instead.
fn of_clock(clock: Clock) -> impl Fn(&mut Constraint) {
    move |c| (c.left, c.right) = (c.left.min(1) * clock, c.right.min(1) * clock)
}

pub fn crowd() -> impl Strategy<Value = Crowd> {
    let single = automaton().prop_map(|mut automaton| {
        for (clocks, invariant) in &mut automaton.locations {
            *clocks = 1;
            invariant.iter_mut().for_each(of_clock(1));
        }
        for arrow in &mut automaton.arrows {
            arrow.guard.iter_mut().for_each(of_clock(1));
            arrow.clocks.truncate(1);
            arrow.clocks.resize(1, ClockFrom::Zero);
            if arrow.clocks[0] != ClockFrom::Zero {
                arrow.clocks[0] = ClockFrom::Old(1);
            }
        }
        automaton
    });
    (single, vec((0_u8..2, 0_u8..2), 10), 2_usize..4).prop_map(|(automaton, shared, processes)| Crowd {
        automaton,
        shared,
        processes,
        sorted: false,
    })
}

impl TimedSystem for Crowd {
    type State = (u8, Kinds);
    type Label = (usize, usize);

    fn initial(&self) -> Vec<Self::State> {
        vec![(0, Kinds::from_elem(0, self.processes))]
    }

    fn clock_count(&self, _: &Self::State) -> usize {
        self.processes
    }

    fn invariant(&self, (_, kinds): &Self::State, out: &mut Vec<Constraint>) {
        for (clock, &kind) in (1..).zip(kinds) {
            let first = out.len();
            out.extend_from_slice(&self.automaton.locations[usize::from(kind)].1);
            out[first..].iter_mut().for_each(of_clock(clock));
        }
    }

    fn edges(&self, (value, kinds): &Self::State, out: &mut Vec<Edge<Self::State, Self::Label>>) {
        for (process, &kind) in kinds.iter().enumerate() {
            let arrows = self.automaton.arrows.iter().zip(&self.shared).enumerate();
            for (arrow, (Arrow { to, guard, clocks, .. }, shared)) in
                arrows.filter(|(_, (arrow, shared))| arrow.from == usize::from(kind) && shared.0 == *value)
            {
                let clock = process as Clock + 1;
                let mut parts: Parts = (1..)
                    .zip(kinds)
                    .map(|(clock, &kind)| Part { kind, clock: Some(ClockFrom::Old(clock)) })
                    .collect();
                parts[process].kind = *to as u8;
                if clocks[0] == ClockFrom::Zero {
                    parts[process].clock = Some(ClockFrom::Zero);
                }
                let mut map = ClockMap::new();
                let target = (shared.1, assemble(&mut parts, self.sorted, &mut map));
                let mut guard = Guard::from_slice(guard);
                guard.iter_mut().for_each(of_clock(clock));
                out.push(Edge { label: (process, arrow), guard, clocks: map, target, facts: 1 << to });
            }
        }
    }

    fn bounds(&self, (_, kinds): &Self::State, lower: &mut [i64], upper: &mut [i64]) {
        let constants = self.automaton.constants();
        for (clock, &kind) in (1..).zip(kinds) {
            lower[clock] = constants[usize::from(kind)][0][1];
            upper[clock] = constants[usize::from(kind)][1][1];
        }
    }

    fn interchangeable(&self, (_, kinds): &Self::State) -> Vec<Interchangeable> {
        if self.sorted { groups(kinds, &clocks_of(kinds, 1, |_| true)) } else { Vec::new() }
    }

    fn greatest_constant(&self) -> i64 {
        MOST
    }

    fn clocks_max(&self) -> usize {
        self.processes
    }
}
