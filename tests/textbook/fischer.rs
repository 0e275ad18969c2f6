//! Fischer's mutual exclusion: a process that waits longer than any write takes may trust what it
//! reads.

use idemcheck::time::{Clock, ClockFrom, Constraint, Edge, Guard, Interchangeable, NO_BOUND, TimedSystem};

use super::processes::{Kinds, Part, Parts, assemble, clocks_of, groups};

pub const AWAY: u8 = 0;
pub const REQUEST: u8 = 1;
pub const WAIT: u8 = 2;
pub const CRITICAL: u8 = 3;
/// The shared variable names this process.
pub const NAMED: u8 = 4;

pub struct Fischer {
    pub processes: usize,
    pub delay: i64,
    /// Keep the processes sorted.
    pub sorted: bool,
    /// Only closed constraints, so that integer time is exact. Not safe then.
    pub closed: bool,
}

impl Fischer {
    pub fn new(processes: usize) -> Self {
        Self { processes, delay: 10, sorted: false, closed: false }
    }

    pub fn sorted(processes: usize) -> Self {
        Self { sorted: true, ..Self::new(processes) }
    }
}

fn place(kind: u8) -> u8 {
    kind & !NAMED
}

/// A clock is looked at only while requesting and waiting.
fn has_clock(kind: u8) -> bool {
    matches!(place(kind), REQUEST | WAIT)
}

/// Two processes in the critical section.
pub const BAD: u64 = 1;

impl TimedSystem for Fischer {
    type State = Kinds;
    type Label = (&'static str, usize);

    fn initial(&self) -> Vec<Kinds> {
        vec![Kinds::from_elem(AWAY, self.processes)]
    }

    fn clock_count(&self, state: &Kinds) -> usize {
        state.iter().filter(|&&kind| has_clock(kind)).count()
    }

    fn invariant(&self, state: &Kinds, out: &mut Vec<Constraint>) {
        for (&kind, clock) in state.iter().zip(clocks_of(state, 1, has_clock)) {
            if place(kind) == REQUEST {
                out.push(Constraint::at_most(clock.unwrap(), self.delay));
            }
        }
    }

    fn edges(&self, state: &Kinds, out: &mut Vec<Edge<Kinds, Self::Label>>) {
        let clocks = clocks_of(state, 1, has_clock);
        let free = state.iter().all(|kind| kind & NAMED == 0);
        let mut add = |process: usize, name, to: u8, reset: bool, free_after: bool, guard: Guard| {
            let mut parts: Parts = (state.iter().zip(&clocks))
                .map(|(&kind, clock)| Part { kind, clock: clock.map(ClockFrom::Old) })
                .collect();
            if to & NAMED != 0 || free_after {
                parts.iter_mut().for_each(|part| part.kind &= !NAMED);
            }
            let clock = if reset { Some(ClockFrom::Zero) } else { parts[process].clock };
            parts[process] = Part { kind: to, clock: clock.filter(|_| has_clock(to)) };
            let mut map = Default::default();
            let target = assemble(&mut parts, self.sorted, &mut map);
            let critical = target.iter().filter(|kind| place(**kind) == CRITICAL).count();
            let facts = if critical > 1 { BAD } else { 0 };
            out.push(Edge { label: (name, process), guard, clocks: map, target, facts });
        };
        for (process, &kind) in state.iter().enumerate() {
            let clock = || clocks[process].unwrap();
            let named = kind & NAMED;
            match place(kind) {
                AWAY if free => add(process, "request", REQUEST | named, true, false, Guard::new()),
                REQUEST => {
                    let guard = Guard::from_slice(&[Constraint::at_most(clock(), self.delay)]);
                    add(process, "write", WAIT | NAMED, true, false, guard);
                }
                WAIT => {
                    if free {
                        add(process, "retry", REQUEST, true, false, Guard::new());
                    }
                    if named != 0 {
                        let long =
                            Constraint { strict: !self.closed, ..Constraint::above(clock(), self.delay) };
                        add(process, "enter", CRITICAL | NAMED, false, false, Guard::from_slice(&[long]));
                    }
                }
                CRITICAL => add(process, "leave", AWAY, false, true, Guard::new()),
                _ => {}
            }
        }
    }

    fn bounds(&self, state: &Kinds, lower: &mut [i64], upper: &mut [i64]) {
        for (&kind, clock) in state.iter().zip(clocks_of(state, 1, has_clock)) {
            let Some(clock) = clock.map(usize::from) else { continue };
            let waits = place(kind) == WAIT;
            lower[clock] = if waits { self.delay } else { NO_BOUND };
            upper[clock] = if waits { NO_BOUND } else { self.delay };
        }
    }

    fn interchangeable(&self, state: &Kinds) -> Vec<Interchangeable> {
        if self.sorted { groups(state, &clocks_of(state, 1, has_clock)) } else { Vec::new() }
    }

    fn greatest_constant(&self) -> i64 {
        self.delay
    }

    fn clocks_max(&self) -> usize {
        self.processes.min(Clock::MAX.into())
    }
}
