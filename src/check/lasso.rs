//! Which cycles of zones can be gone round for ever while time goes on.
//!
//! A cycle of zones need not take any time. Time can go on without end on an infinite path exactly
//! where every clock that is held below a bound again and again also starts anew again and again
//! (Herbreteau, Srivathsan, Walukiewicz: Efficient emptiness check for timed Büchi automata). So
//! arcs that bound a clock which their component never starts anew are taken out, until none is left.

use super::endless::Turns;
use super::graph::{Arc, Components, Graph};
use super::trace::Patience;
use crate::system::world::{Slot, World};
use crate::system::{Label, System};
use crate::time::{ClockFrom, Constraint, TimedSystem};

/// Sets of clocks by what they belong to: their numbers differ from state to state, but in a cycle
/// without faults and requests nobody comes or goes.
pub(super) type Roles = u128;

/// The roles of the clocks of a world, in the order that numbers them.
fn roles(world: &World) -> Vec<Roles> {
    if world.remedy.is_some() {
        return roles_of_remedy(world);
    }
    let mut out = Vec::new();
    let mut next = 0;
    world.clone().each_place(|slot| {
        if slot.present() {
            out.push(1 << next);
        }
        next += 1;
    });
    out
}

/// The role of clocks beyond those that are told apart: taken to start anew with every step, so that they
/// never rule a cycle out. Whether a run goes on is seen when it is taken again.
const SHIFTING: Roles = 1 << 127;

/// In a remediation runs come and go within a cycle; targets, guards and triggers stay. The clocks of a list
/// have one role: where none starts anew or comes from elsewhere, none can have gone either on a way round,
/// and each is where it was.
fn roles_of_remedy(world: &World) -> Vec<Roles> {
    let mut out = Vec::new();
    let mut next = 0;
    let mut list = |slots: &[Slot]| {
        let role = if next < 127 { 1 << next } else { SHIFTING };
        next += 1;
        out.extend(slots.iter().filter(|slot| slot.present()).map(|_| role));
    };
    list(&[world.horizon]);
    for key in &world.keys {
        [key.receipt.clock, key.receipt.born, key.native.clock].iter().for_each(|slot| list(&[*slot]));
    }
    world.locks.iter().for_each(|lock| list(&[lock.clock]));
    let remedy = world.remedy();
    for target in &remedy.targets {
        let own = [target.changed, target.went, target.over, target.since, target.undone];
        own.iter().for_each(|slot| list(&[*slot]));
        list(&target.starts);
    }
    list(&remedy.jobs.iter().map(|job| job.clock).collect::<Vec<_>>());
    remedy.guards.iter().for_each(|guard| list(&guard.clocks));
    for client in &world.clients {
        let inner = client.attempt.as_ref().map_or([Slot::NONE; 2], |attempt| [attempt.clock, attempt.held]);
        [client.clock, inner[0], inner[1]].iter().for_each(|slot| list(&[*slot]));
    }
    list(&world.zombies.iter().flat_map(|attempt| [attempt.clock, attempt.held]).collect::<Vec<_>>());
    out
}

/// What a step or a state does to the clocks.
#[derive(Clone, Copy, Default)]
pub(super) struct Flow {
    /// Held below a bound.
    pub bounded: Roles,
    /// Started anew, or no more.
    pub reset: Roles,
    /// Some bound is zero: no time can have passed.
    at_once: bool,
}

impl Flow {
    fn bound(&mut self, constraints: &[Constraint], roles: &[Roles]) {
        for constraint in constraints.iter().filter(|c| c.right == 0) {
            self.bounded |= roles[usize::from(constraint.left) - 1];
            self.at_once |= constraint.bound <= 0;
        }
    }
}

/// The arcs on which time can go on for ever: whether each is left, and their components.
pub(super) struct Lasso {
    pub kept: Vec<bool>,
    pub flows: Vec<Flow>,
    pub components: Components,
}

impl Lasso {
    /// None: patience ended.
    pub fn find(system: &System, graph: &Graph<Turns>, patience: &Patience) -> Option<Lasso> {
        let flows = flows(system, graph, patience)?;
        let arcs = graph.arcs();
        let mut kept = vec![true; arcs.len()];
        let mut first = Vec::with_capacity(graph.node_count());
        for node in 0..graph.node_count() {
            let before = first.last().map_or(0, |(_, end)| *end);
            first.push((before, before + graph.arcs_from(node).len()));
        }
        loop {
            if patience.is_over() {
                return None;
            }
            let next = |node: usize, at: usize| {
                let (begin, end) = first[node];
                let found = (begin + at..end).find(|arc| kept[*arc])?;
                Some((arcs[found].to, found - begin + 1))
            };
            let components = Components::find(graph.node_count(), next);
            let inside = |arc: &Arc<Label>| components.of[arc.from] == components.of[arc.to];
            let mut total = vec![Flow::default(); components.count];
            // Whether some step of the component need not come at once.
            let mut slow = vec![false; components.count];
            for (index, arc) in arcs.iter().enumerate().filter(|(index, arc)| kept[*index] && inside(arc)) {
                let all = &mut total[components.of[arc.from]];
                all.bounded |= flows[index].bounded;
                all.reset |= flows[index].reset;
                slow[components.of[arc.from]] |= !flows[index].at_once;
            }
            let mut changed = false;
            for (index, arc) in arcs.iter().enumerate() {
                let component = components.of[arc.from];
                let blocking = total[component].bounded & !total[component].reset;
                let stays = inside(arc) && flows[index].bounded & blocking == 0 && slow[component];
                changed |= kept[index] && !stays;
                kept[index] &= stays;
            }
            if !changed {
                return Some(Lasso { kept, flows, components });
            }
        }
    }
}

/// For each arc: what its step and the state before it do. None: patience ended.
fn flows(system: &System, graph: &Graph<Turns>, patience: &Patience) -> Option<Vec<Flow>> {
    let mut flows = Vec::with_capacity(graph.arcs().len());
    for node in 0..graph.node_count() {
        if patience.is_over() {
            return None;
        }
        let arcs = graph.arcs_from(node);
        if arcs.is_empty() {
            continue;
        }
        let state = &graph.node(node).0.world;
        let before = roles(&World::unpack(state));
        let mut stay = Flow::default();
        let mut invariant = Vec::new();
        system.invariant(state, &mut invariant);
        stay.bound(&invariant, &before);
        let mut edges = Vec::new();
        system.edges(state, &mut edges);
        for arc in arcs {
            let edge = &edges[arc.number as usize];
            let mut flow = stay;
            flow.bound(&edge.guard, &before);
            let after = roles(&World::unpack(&edge.target));
            let goes_on = |(role, from): (&Roles, &ClockFrom)| match from {
                ClockFrom::Old(clock) if before[usize::from(*clock) - 1] == *role => *role,
                _ => 0,
            };
            let on = after.iter().zip(&edge.clocks).map(goes_on).fold(0, |all, role| all | role);
            let comes = |(role, from): &(&Roles, &ClockFrom)| match from {
                ClockFrom::Old(clock) => before[usize::from(*clock) - 1] != **role,
                ClockFrom::Zero => true,
            };
            let new = after.iter().zip(&edge.clocks).filter(comes).fold(0, |all, (role, _)| all | role);
            flow.reset = before.iter().chain(&after).fold(0, |all, role| all | role) & !on | new | SHIFTING;
            flows.push(flow);
        }
    }
    Some(flows)
}
