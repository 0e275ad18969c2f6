//! Time made visible in a graph of zones: a cycle of zones need not take any time, but one with a
//! beat in it does.

use crate::system::world::Packed;
use crate::system::{Label, System};
use crate::time::{ClockFrom, ClockMap, Constraint, Edge, TimedSystem};

/// A system with one clock more, the last, and a step of nobody's: the beat, possible whenever the
/// clock shows a unit or more since the last one. Time goes on without end exactly where beats do.
pub(super) struct Beating<'a>(pub &'a System);

impl Beating<'_> {
    /// The clocks of a state, all going on, and the beat's from zero.
    pub fn clocks_from(&self, state: &Packed) -> ClockMap {
        let clocks = self.0.clock_count(state) as u8;
        (1..=clocks).map(ClockFrom::Old).chain([ClockFrom::Zero]).collect()
    }
}

impl TimedSystem for Beating<'_> {
    type State = Packed;
    /// None: the beat.
    type Label = Option<Label>;

    fn initial(&self) -> Vec<Packed> {
        self.0.initial()
    }

    fn clock_count(&self, state: &Packed) -> usize {
        self.0.clock_count(state) + 1
    }

    fn invariant(&self, state: &Packed, out: &mut Vec<Constraint>) {
        self.0.invariant(state, out);
    }

    fn edges(&self, state: &Packed, out: &mut Vec<Edge<Packed, Option<Label>>>) {
        let mut edges = Vec::new();
        self.0.edges(state, &mut edges);
        let beat = self.clock_count(state) as u8;
        out.extend(edges.into_iter().map(|edge| {
            let Edge { label, guard, mut clocks, target, facts } = edge;
            clocks.push(ClockFrom::Old(beat));
            Edge { label: Some(label), guard, clocks, target, facts }
        }));
        let guard = [Constraint::at_least(beat, 1)].into_iter().collect();
        out.push(Edge {
            label: None,
            guard,
            clocks: self.clocks_from(state),
            target: state.clone(),
            facts: 0,
        });
    }

    fn bounds(&self, state: &Packed, lower: &mut [i64], upper: &mut [i64]) {
        let beat = lower.len() - 1;
        self.0.bounds(state, &mut lower[..beat], &mut upper[..beat]);
        lower[beat] = 1;
        upper[beat] = crate::time::NO_BOUND;
    }

    fn greatest_constant(&self) -> i64 {
        self.0.greatest_constant().max(1)
    }
}
