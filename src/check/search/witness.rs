//! Runs that show a fact.

use super::engine::Engine;
use crate::time::zone::Scalar;
use crate::time::{Clock, ClockFrom, Edge, TimedSystem};

/// A run, from an initial state up to and including the edge that shows the fact.
pub struct Witness<S: TimedSystem> {
    pub steps: Vec<WitnessStep<S>>,
}

pub struct WitnessStep<S: TimedSystem> {
    pub state: S::State,
    /// The number of the edge among all edges of the state.
    pub number: u32,
    /// The edge, its clock map adjusted to the order that the clocks have in the next step: maps
    /// applied one after the other follow every clock through the run.
    pub edge: Edge<S::State, S::Label>,
    /// How symmetry then exchanged the clocks of the target: its clock `i` was the clock
    /// `moved[i - 1]` of the edge as the system gives it. Empty when nothing moved.
    pub moved: Vec<Clock>,
}

impl<S: TimedSystem, T: Scalar> Engine<'_, S, T> {
    pub(super) fn witness(&self, bit: u32) -> Option<Witness<S>> {
        Some(self.walk(self.path(bit)?))
    }

    pub(super) fn path_to(&self, node: usize) -> Option<Witness<S>> {
        Some(self.walk(self.path_to_node(node)?))
    }

    pub(super) fn walk(&self, path: Vec<(&S::State, u32)>) -> Witness<S> {
        if path.is_empty() {
            return Witness { steps: Vec::new() };
        }
        // The zones of the path may be gone: step through it again.
        let mut stepper = self.stepper.afresh(self.system);
        let fault = "a path that was walked once can be walked again";
        let mut profile = stepper.profile(self.system, path[0].0).expect(fault);
        assert!(stepper.first(profile).expect(fault), "{fault}");
        let mut edges = Vec::new();
        let mut steps = Vec::with_capacity(path.len());
        for (state, number) in path {
            edges.clear();
            self.system.edges(state, &mut edges);
            let mut edge = edges.swap_remove(number as usize);
            let parent = stepper.next.clone();
            let target = stepper.profile(self.system, &edge.target).expect(fault);
            let enabled = stepper.enable(profile, &parent, &edge.guard);
            assert!(enabled && stepper.step(profile, &edge.clocks, target).expect(fault), "{fault}");
            profile = target;
            let moved = stepper.order.clone();
            if !moved.is_empty() {
                let clocks = |&from: &Clock| -> ClockFrom { edge.clocks[usize::from(from) - 1] };
                edge.clocks = moved.iter().map(clocks).collect();
            }
            steps.push(WitnessStep { state: state.clone(), number, edge, moved });
        }
        Witness { steps }
    }
}
