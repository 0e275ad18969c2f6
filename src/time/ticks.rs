//! Integer time: the same edges, read with a whole number in each clock.
//!
//! For closed constraints (`<=`, `>=`) integer time reaches the same discrete states as dense time
//! does, which makes it an exact oracle. It is also how a counterexample is replayed: with given
//! moments instead of single ticks.

use smallvec::SmallVec;

use super::{ClockFrom, Constraint, TimedSystem};

/// One value for each clock of a state, in the system's unit.
pub type Values = SmallVec<[i64; 16]>;

/// A discrete state with the values of its clocks.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Timed<S> {
    pub state: S,
    pub clocks: Values,
}

/// Whether the values meet every constraint.
pub fn allow(constraints: &[Constraint], clocks: &[i64]) -> bool {
    let value = |clock: u8| if clock == 0 { 0 } else { clocks[clock as usize - 1] };
    constraints.iter().all(|c| {
        let difference = value(c.left) - value(c.right);
        if c.strict { difference < c.bound } else { difference <= c.bound }
    })
}

/// The clocks after an edge.
pub fn follow(map: &[ClockFrom], clocks: &[i64]) -> Values {
    let from = |source: &ClockFrom| match source {
        ClockFrom::Zero => 0,
        ClockFrom::Old(clock) => clocks[*clock as usize - 1],
    };
    map.iter().map(from).collect()
}

/// The clocks `delay` later. `cap` bounds them: beyond the greatest constant, more is the same.
pub fn later(clocks: &[i64], delay: i64, cap: i64) -> Values {
    clocks.iter().map(|value| (value + delay).min(cap)).collect()
}

/// The initial states, clocks at zero.
pub fn initial<S: TimedSystem>(system: &S) -> Vec<Timed<S::State>> {
    let start = |state: S::State| {
        let clocks = SmallVec::from_elem(0, system.clock_count(&state));
        Timed { state, clocks }
    };
    system.initial().into_iter().map(start).collect()
}

/// One tick later, if the invariant allows it.
pub fn tick<S: TimedSystem>(system: &S, from: &Timed<S::State>) -> Option<Timed<S::State>> {
    let mut invariant = Vec::new();
    system.invariant(&from.state, &mut invariant);
    let clocks = later(&from.clocks, 1, system.greatest_constant() + 1);
    allow(&invariant, &clocks).then(|| Timed { state: from.state.clone(), clocks })
}
