//! Carrier sense, multiple access with collision detection: stations on one bus.

use idemcheck::time::{ClockFrom, ClockMap, Constraint, Edge, Guard, NO_BOUND, TimedSystem};

use super::processes::{Clocks, Kinds, Part, Parts, assemble, clocks_of};

/// How long a frame takes, and how long a signal takes to reach everyone.
const FRAME: i64 = 808;
const SIGNAL: i64 = 26;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bus {
    Idle,
    Active,
    Collision,
    /// Tells the stations of the collision, one after the other, in no time: the next one.
    Telling(u8),
}

/// Stations: not sending, sending, about to try again.
const WAIT: u8 = 0;
const SENDING: u8 = 1;
const RETRY: u8 = 2;

pub struct CsmaCd {
    pub stations: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    bus: Bus,
    stations: Kinds,
}

impl State {
    /// Clocks of the bus: one since its last change; one more that forbids delay while it tells.
    fn bus_clocks(&self) -> u8 {
        match self.bus {
            Bus::Idle => 0,
            Bus::Active | Bus::Collision => 1,
            Bus::Telling(_) => 2,
        }
    }

    fn station_clocks(&self) -> Clocks {
        clocks_of(&self.stations, self.bus_clocks() + 1, |kind| kind != WAIT)
    }
}

impl TimedSystem for CsmaCd {
    type State = State;
    type Label = &'static str;

    fn initial(&self) -> Vec<State> {
        vec![State { bus: Bus::Idle, stations: Kinds::from_elem(WAIT, self.stations) }]
    }

    fn clock_count(&self, state: &State) -> usize {
        usize::from(state.bus_clocks()) + state.stations.iter().filter(|kind| **kind != WAIT).count()
    }

    fn invariant(&self, state: &State, out: &mut Vec<Constraint>) {
        match state.bus {
            Bus::Collision => out.push(Constraint::below(1, SIGNAL)),
            Bus::Telling(_) => out.push(Constraint::at_most(2, 0)),
            _ => {}
        }
        for (&kind, clock) in state.stations.iter().zip(state.station_clocks()) {
            match kind {
                SENDING => out.push(Constraint::at_most(clock.unwrap(), FRAME)),
                RETRY => out.push(Constraint::below(clock.unwrap(), 2 * SIGNAL)),
                _ => {}
            }
        }
    }

    fn edges(&self, state: &State, out: &mut Vec<Edge<State, Self::Label>>) {
        let clocks = state.station_clocks();
        // `moved` is a station and where it goes; it starts its clock there.
        let mut add = |label, bus: Bus, reset: bool, moved: Option<(usize, u8)>, guard: &[Constraint]| {
            let mut map = ClockMap::new();
            if bus != Bus::Idle {
                map.push(if reset { ClockFrom::Zero } else { ClockFrom::Old(1) });
            }
            if matches!(bus, Bus::Telling(_)) {
                map.push(ClockFrom::Zero);
            }
            let mut parts: Parts = (state.stations.iter().zip(&clocks))
                .map(|(&kind, clock)| Part { kind, clock: clock.map(ClockFrom::Old) })
                .collect();
            if let Some((station, kind)) = moved {
                parts[station] = Part { kind, clock: (kind != WAIT).then_some(ClockFrom::Zero) };
            }
            let stations = assemble(&mut parts, false, &mut map);
            let (guard, target) = (Guard::from_slice(guard), State { bus, stations });
            out.push(Edge { label, guard, clocks: map, target, facts: 0 });
        };
        if state.bus == Bus::Collision {
            add("collide", Bus::Telling(0), false, None, &[Constraint::below(1, SIGNAL)]);
        }
        for (station, &kind) in state.stations.iter().enumerate() {
            let clock = || clocks[station].unwrap();
            let early = || Constraint::below(clock(), 2 * SIGNAL);
            match (state.bus, kind) {
                (Bus::Idle, WAIT) => add("begin", Bus::Active, true, Some((station, SENDING)), &[]),
                (Bus::Idle, RETRY) => add("begin", Bus::Active, true, Some((station, SENDING)), &[early()]),
                (Bus::Active, WAIT) => {
                    let (silent, heard) = (Constraint::below(1, SIGNAL), Constraint::at_least(1, SIGNAL));
                    add("begin", Bus::Collision, true, Some((station, SENDING)), &[silent]);
                    add("busy", Bus::Active, false, Some((station, RETRY)), &[heard]);
                }
                (Bus::Active, RETRY) => {
                    let (silent, heard) = (Constraint::below(1, SIGNAL), Constraint::at_least(1, SIGNAL));
                    add("begin", Bus::Collision, true, Some((station, SENDING)), &[silent, early()]);
                    add("busy", Bus::Active, false, Some((station, RETRY)), &[heard, early()]);
                }
                (Bus::Active, SENDING) => {
                    let done = [Constraint::at_least(clock(), FRAME), Constraint::at_most(clock(), FRAME)];
                    add("end", Bus::Idle, true, Some((station, WAIT)), &done);
                }
                (Bus::Telling(next), _) if usize::from(next) == station => {
                    let bus = Bus::Telling(next + 1);
                    match kind {
                        WAIT => {
                            add("told", bus, false, Some((station, WAIT)), &[]);
                            add("told", bus, false, Some((station, RETRY)), &[]);
                        }
                        SENDING => {
                            let guard = [Constraint::below(clock(), SIGNAL)];
                            add("told", bus, false, Some((station, RETRY)), &guard);
                        }
                        _ => add("told", bus, false, Some((station, RETRY)), &[early()]),
                    }
                }
                _ => {}
            }
        }
        if state.bus == Bus::Telling(self.stations as u8) {
            add("clear", Bus::Idle, true, None, &[Constraint::below(1, SIGNAL)]);
        }
    }

    fn bounds(&self, state: &State, lower: &mut [i64], upper: &mut [i64]) {
        match state.bus {
            Bus::Idle => {}
            Bus::Active => (lower[1], upper[1]) = (SIGNAL, SIGNAL),
            Bus::Collision => upper[1] = SIGNAL,
            Bus::Telling(_) => (upper[1], upper[2]) = (SIGNAL, 0),
        }
        for (&kind, clock) in state.stations.iter().zip(state.station_clocks()) {
            let Some(clock) = clock.map(usize::from) else { continue };
            (lower[clock], upper[clock]) =
                if kind == SENDING { (FRAME, FRAME) } else { (NO_BOUND, 2 * SIGNAL) };
        }
    }

    fn greatest_constant(&self) -> i64 {
        FRAME
    }

    fn clocks_max(&self) -> usize {
        self.stations + 2
    }
}
