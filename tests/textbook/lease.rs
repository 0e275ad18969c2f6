//! A lease on one key: a claim may be taken over once it is old, which is safe only if its owner
//! is surely done by then.

use idemcheck::time::{ClockFrom, ClockMap, Constraint, Edge, Guard, Interchangeable, NO_BOUND, TimedSystem};

use super::processes::{Clocks, Kinds, Part, Parts, assemble, clocks_of, groups};

/// Ready to claim, asking whether the effect exists, calling, recording, crashed, finished.
const START: u8 = 0;
const QUERY: u8 = 1;
const CALL: u8 = 2;
const RECORD: u8 = 3;
const CRASHED: u8 = 4;
const DONE: u8 = 5;
/// Owns the key.
const OWNER: u8 = 8;

/// The effect was applied twice.
pub const BAD: u64 = 1;

pub struct Lease {
    pub processes: usize,
    pub crashes: u8,
    /// A claim older than this may be taken over.
    pub lease: i64,
    /// How long each step takes at most.
    pub step: i64,
    pub sorted: bool,
    /// Forget the age of the claim while nobody owns the key.
    pub forget: bool,
    /// Take over at `>=` instead of `>`.
    pub closed: bool,
}

impl Lease {
    pub fn new(processes: usize, crashes: u8, lease: i64, step: i64) -> Self {
        Self { processes, crashes, lease, step, sorted: false, forget: true, closed: false }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    effect: bool,
    /// The outcome is recorded: who starts now replays it.
    recorded: bool,
    bad: bool,
    crashes: u8,
    processes: Kinds,
}

fn place(kind: u8) -> u8 {
    kind & !OWNER
}

fn has_clock(kind: u8) -> bool {
    matches!(place(kind), QUERY | CALL | RECORD)
}

impl Lease {
    /// Whether clock 1 is the age of the claim.
    fn has_age(&self, processes: &[u8]) -> bool {
        !self.forget || processes.iter().any(|kind| kind & OWNER != 0)
    }

    fn process_clocks(&self, state: &State) -> Clocks {
        clocks_of(&state.processes, 1 + u8::from(self.has_age(&state.processes)), has_clock)
    }
}

impl TimedSystem for Lease {
    type State = State;
    type Label = (&'static str, usize);

    fn initial(&self) -> Vec<State> {
        let processes = Kinds::from_elem(START, self.processes);
        vec![State { effect: false, recorded: false, bad: false, crashes: 0, processes }]
    }

    fn clock_count(&self, state: &State) -> usize {
        let own = state.processes.iter().filter(|kind| has_clock(**kind)).count();
        own + usize::from(self.has_age(&state.processes))
    }

    fn invariant(&self, state: &State, out: &mut Vec<Constraint>) {
        out.extend(
            self.process_clocks(state).iter().flatten().map(|&clock| Constraint::at_most(clock, self.step)),
        );
    }

    fn edges(&self, state: &State, out: &mut Vec<Edge<State, Self::Label>>) {
        let clocks = self.process_clocks(state);
        let owned = state.processes.iter().any(|kind| kind & OWNER != 0);
        let mut add =
            |process: usize, name, to: u8, claim: bool, change: &dyn Fn(&mut State), guard: Guard| {
                let mut parts: Parts = (state.processes.iter().zip(&clocks))
                    .map(|(&kind, clock)| Part { kind, clock: clock.map(ClockFrom::Old) })
                    .collect();
                if claim || name == "record" {
                    parts.iter_mut().for_each(|part| part.kind &= !OWNER);
                }
                parts[process] = Part { kind: to, clock: has_clock(to).then_some(ClockFrom::Zero) };
                let kinds: Kinds = parts.iter().map(|part| part.kind).collect();
                let mut map = ClockMap::new();
                if self.has_age(&kinds) {
                    map.push(if claim { ClockFrom::Zero } else { ClockFrom::Old(1) });
                }
                let mut target = state.clone();
                change(&mut target);
                target.processes = assemble(&mut parts, self.sorted, &mut map);
                let facts = if target.bad && !state.bad { BAD } else { 0 };
                out.push(Edge { label: (name, process), guard, clocks: map, target, facts });
            };
        for (process, &kind) in state.processes.iter().enumerate() {
            let owner = kind & OWNER;
            match place(kind) {
                START => {
                    if state.recorded {
                        add(process, "replay", DONE, false, &|_| (), Guard::new());
                    } else if owned {
                        let old = Constraint { strict: !self.closed, ..Constraint::above(1, self.lease) };
                        add(process, "take over", QUERY | OWNER, true, &|_| (), Guard::from_slice(&[old]));
                    } else {
                        add(process, "claim", QUERY | OWNER, true, &|_| (), Guard::new());
                    }
                }
                QUERY => {
                    let to = if state.effect { RECORD } else { CALL };
                    add(process, "query", to | owner, false, &|_| (), Guard::new());
                }
                CALL => {
                    let apply = |state: &mut State| {
                        state.bad |= state.effect;
                        state.effect = true;
                    };
                    add(process, "call", RECORD | owner, false, &apply, Guard::new());
                }
                RECORD => add(process, "record", DONE, false, &|state| state.recorded = true, Guard::new()),
                CRASHED => add(process, "restart", START | owner, false, &|_| (), Guard::new()),
                _ => {}
            }
            if has_clock(kind) && state.crashes < self.crashes {
                add(process, "crash", CRASHED | owner, false, &|state| state.crashes += 1, Guard::new());
            }
        }
    }

    fn bounds(&self, state: &State, lower: &mut [i64], upper: &mut [i64]) {
        if self.has_age(&state.processes) {
            (lower[1], upper[1]) = (self.lease, NO_BOUND);
        }
        for clock in self.process_clocks(state).into_iter().flatten().map(usize::from) {
            (lower[clock], upper[clock]) = (NO_BOUND, self.step);
        }
    }

    fn interchangeable(&self, state: &State) -> Vec<Interchangeable> {
        if self.sorted { groups(&state.processes, &self.process_clocks(state)) } else { Vec::new() }
    }

    fn greatest_constant(&self) -> i64 {
        self.lease.max(self.step)
    }

    fn clocks_max(&self) -> usize {
        self.processes + 1
    }
}
