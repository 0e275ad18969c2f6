//! Runs without end: which of them break a property, and what they may have in their endless part.

use std::collections::BTreeSet;

use super::property::Property;
use crate::model::Outcome;
use crate::system::world::{Attempt, Packed, World};
use crate::system::{Action, Label, Step, System};
use crate::time::{Constraint, Edge, TimedSystem, Timing};

/// What a run without end can break.
pub(super) const PROPERTIES: [Property; 4] =
    [Property::NoStuckKey, Property::Quiesces, Property::Escalates, Property::BacksOut];

/// What the endless part of a run has to be for the run to break a property.
pub(super) struct Endless {
    pub property: Property,
    /// States of the model that can repeat within one attempt.
    repeating: BTreeSet<u8>,
}

impl Endless {
    /// The properties that a run without end can break, in this system.
    pub fn of(system: &System) -> Vec<Endless> {
        let mut all = Vec::new();
        let repeating = system.repeating_states();
        if !repeating.is_empty() {
            all.push(Endless { property: Property::NoStuckKey, repeating });
        }
        if system.remedy.is_some() {
            for property in [Property::Quiesces, Property::Escalates, Property::BacksOut] {
                all.push(Endless { property, repeating: BTreeSet::new() });
            }
        }
        all
    }

    /// The one of a property; none: only a last step can break it.
    pub fn named(property: Property, system: &System) -> Option<Endless> {
        Endless::of(system).into_iter().find(|endless| endless.property == property)
    }

    /// The one that concerns attempts, whatever the model's states can repeat.
    pub fn of_attempts(property: Property) -> Option<Endless> {
        (property == Property::NoStuckKey).then(|| Endless { property, repeating: BTreeSet::new() })
    }

    /// As [`Endless::stays`], for a search that knows nothing of the table's loops.
    pub fn stays_anyhow(&self, system: &System, world: &World) -> bool {
        self.property == Property::NoStuckKey || self.stays(system, world)
    }

    /// The endless part may be one in which nobody is at work at times.
    pub fn needs_nobody(&self) -> bool {
        self.property != Property::NoStuckKey
    }

    /// The endless part may begin here.
    pub fn begins(&self, system: &System, world: &World) -> bool {
        self.stays(system, world) && (self.property != Property::NoStuckKey || world.live().next().is_some())
    }

    /// The endless part may go on to here.
    pub fn stays(&self, system: &System, world: &World) -> bool {
        match self.property {
            Property::NoStuckKey => world.live().all(|(_, a)| self.repeating.contains(&a.at)),
            Property::Escalates => system.has_unattended_fault(world),
            Property::BacksOut => system.has_unattended_half(world),
            _ => true,
        }
    }

    /// A step that the endless part does not have: a fault, and where requests come to an end, a request.
    pub fn excludes(&self, label: &Label) -> bool {
        // What comes without a budget can come for ever: an action that takes too long, a look that
        // tells nothing.
        let endless =
            matches!(label.action, Action::Operate { outcome: Outcome::Timeout | Outcome::Unknown });
        match self.property {
            Property::NoStuckKey => label.is_fault_or_send(),
            _ => label.is_fault() && !endless,
        }
    }

    /// Its endless part has such a step.
    pub fn wants(&self, system: &System, before: &World, label: &Label) -> bool {
        let actor = before.acting(label.actor);
        match self.property {
            Property::Quiesces => {
                label.action == Action::Call && system.table[label.at as usize].operation.acts()
            }
            // Who goes round looking after others only is not fair to this one.
            Property::Escalates | Property::BacksOut => {
                actor.is_some_and(|attempt| system.is_neglected(before, attempt.aim.target))
            }
            _ => true,
        }
    }

    /// Everybody who is at work takes part: one that only stalls is a fault that has not stopped.
    pub fn everybody_acts(&self) -> bool {
        self.property != Property::Quiesces
    }

    /// Attempts come and go in it, and change places, so that who took part is known only by going along:
    /// see [`Turns`].
    pub fn takes_turns(&self) -> bool {
        matches!(self.property, Property::Escalates | Property::BacksOut)
    }

    /// It may take no part in what goes on for ever: it waits for an action that need never end.
    pub fn excuses(&self, system: &System, attempt: &Attempt) -> bool {
        self.property != Property::NoStuckKey && system.may_hang(attempt)
    }
}

/// A system in which each state tells who has yet to act, where that is not to be seen from a cycle's steps.
pub(super) struct Turns<'s> {
    /// Without symmetry.
    pub system: &'s System,
    pub endless: &'s Endless,
}

/// A state of [`Turns`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Turn {
    pub world: Packed,
    /// Those at work who have neither acted nor gone since this was last 0, as bits in their order. A cycle on
    /// which it is 0 is one on which everybody acts.
    pub waiting: u16,
}

impl Turns<'_> {
    /// Everybody who has to act before all have acted again.
    fn all(&self, world: &World) -> u16 {
        let busy = world.live().enumerate().filter(|(_, (_, a))| !self.endless.excuses(self.system, a));
        busy.fold(0, |bits, (place, _)| bits | 1 << place)
    }
}

impl TimedSystem for Turns<'_> {
    type State = Turn;
    type Label = Label;

    fn initial(&self) -> Vec<Turn> {
        self.system.initial().into_iter().map(|world| Turn { world, waiting: 0 }).collect()
    }

    fn clock_count(&self, state: &Turn) -> usize {
        self.system.clock_count(&state.world)
    }

    fn invariant(&self, state: &Turn, out: &mut Vec<Constraint>) {
        self.system.invariant(&state.world, out);
    }

    fn edges(&self, state: &Turn, out: &mut Vec<Edge<Turn, Label>>) {
        if !self.endless.takes_turns() {
            let mut edges = Vec::new();
            self.system.edges(&state.world, &mut edges);
            out.extend(edges.into_iter().map(|edge| {
                let Edge { label, guard, clocks, target: world, facts } = edge;
                Edge { label, guard, clocks, target: Turn { world, waiting: 0 }, facts }
            }));
            return;
        }
        let mut world = World::unpack(&state.world);
        let waiting = if state.waiting == 0 { self.all(&world) } else { state.waiting };
        // Who is who after a step is told by names, which are not part of the state.
        for (place, attempt) in world.live_mut().enumerate() {
            attempt.name = (u8::MAX, place as u8);
        }
        let mut steps = Vec::new();
        self.system.steps(&world, &mut steps);
        out.extend(steps.into_iter().map(|step| {
            let Step { label, guard, facts, world: mut after } = step;
            let acting = world.acting(label.actor).map(|attempt| attempt.name);
            let waits = |attempt: &Attempt| {
                let (whose, place) = attempt.name;
                whose == u8::MAX && waiting >> place & 1 != 0 && Some(attempt.name) != acting
            };
            let waiting = after.live().enumerate().filter(|(_, (_, attempt))| waits(attempt));
            let waiting = waiting.fold(0, |bits, (place, _)| bits | 1 << place);
            let clocks = after.number_clocks();
            Edge { label, guard, clocks, target: Turn { world: after.pack(), waiting }, facts }
        }));
    }

    fn bounds(&self, state: &Turn, lower: &mut [i64], upper: &mut [i64]) {
        self.system.bounds(&state.world, lower, upper);
    }

    fn timing(&self, state: &Turn, out: &mut Timing) {
        self.system.timing(&state.world, out);
    }

    fn greatest_constant(&self) -> i64 {
        self.system.greatest_constant()
    }

    fn heap_size(&self, state: &Turn) -> usize {
        self.system.heap_size(&state.world)
    }

    fn clocks_max(&self) -> usize {
        self.system.clocks_max()
    }
}
