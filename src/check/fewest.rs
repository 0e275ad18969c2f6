//! Of the shortest runs to a violation, one with the fewest faults, and then the fewest attempts: a
//! fault that is not needed tells a wrong story.

use std::cell::Cell;

use super::Limits;
use super::search::{Exploration, SearchOptions, Witness, WitnessStep, explore};
use super::trace::{PathStep, Patience};
use crate::system::world::{Packed, World};
use crate::system::{Action, Label, Sending, System};
use crate::time::{Constraint, Edge, Interchangeable, TimedSystem};

/// Zones that all searches for simpler runs of a policy may visit together, or a part of those that its
/// own search took: after that the runs that are known will do.
pub(super) fn budget(visited: u64) -> Cell<u64> {
    const ZONES: u64 = 20_000;
    const PART: u64 = 8;
    Cell::new(ZONES.max(visited / PART))
}

/// What happened on the way to a state. The order is that of preference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Spent {
    faults: u8,
    attempts: u8,
}

impl Spent {
    fn on<'l>(labels: impl Iterator<Item = &'l Label>) -> Spent {
        labels.fold(Spent::default(), |spent, label| spent.and(label))
    }

    fn and(self, label: &Label) -> Spent {
        let sends = match label.action {
            Action::Send(Sending::Twice) => 2,
            Action::Send(_) => 1,
            _ => 0,
        };
        let faults = u8::from(label.is_fault());
        let (faults, attempts) = (self.faults.saturating_add(faults), self.attempts.saturating_add(sends));
        Spent { faults, attempts }
    }

    fn within(self, most: Spent) -> bool {
        self.faults <= most.faults && self.attempts <= most.attempts
    }
}

/// The system, with a count in each state, as far as no more is spent than may be.
struct Frugal<'s> {
    system: &'s System,
    most: Spent,
}

/// A simpler run than this one to one of the same facts, with as many steps, if there is one.
///
/// Few faults make few states: to try with none, with one and so on costs less than the search that
/// found the run.
pub(super) fn simpler(
    system: &System,
    path: &[PathStep],
    bits: u64,
    search: &SearchOptions,
    patience: &Patience,
    budget: &Cell<u64>,
) -> Option<Vec<PathStep>> {
    let within = |faults, attempts| {
        let limits = Limits {
            states_max: Some(budget.get()),
            time_max: patience.left(),
            memory_max: search.limits.memory_max,
        };
        let search = SearchOptions {
            limits: &limits,
            stop_at: bits,
            depth_max: u32::try_from(path.len()).ok(),
            progress: &|_| (),
            ..*search
        };
        let frugal = Frugal { system, most: Spent { faults, attempts } };
        let found = explore(&frugal, &search, &mut ()).ok()?;
        budget.set(budget.get().saturating_sub(found.stats().visited));
        path_to(system, &found, bits, |state| &state.0)
    };
    let spent = |path: &[PathStep]| Spent::on(path.iter().map(|step| &step.label));
    let mut most = spent(path);
    let mut best = (0..most.faults).find_map(|faults| within(faults, u8::MAX));
    if let Some(path) = &best {
        most = spent(path);
    }
    if let Some(path) = (1..most.attempts).find_map(|attempts| within(most.faults, attempts)) {
        best = Some(path);
    }
    best
}

/// The shortest of the runs that show one of these facts, as an abstract path.
pub(super) fn path_to<S: TimedSystem<Label = Label>>(
    system: &System,
    exploration: &Exploration<S>,
    bits: u64,
    packed: impl Fn(&S::State) -> &Packed,
) -> Option<Vec<PathStep>> {
    let known = exploration.facts() & bits;
    let each = (0..u64::BITS).filter(|bit| known >> bit & 1 != 0);
    let witnesses = each.filter_map(|bit| exploration.witness(bit).map(|w| (1 << bit, w)));
    // Of equally short ones the first.
    let (bit, witness) = witnesses.min_by_key(|(_, witness)| witness.steps.len())?;
    Some(abstract_path(system, &witness, bit, packed))
}

/// A run of the search, without zones; its last step carries the facts.
pub(super) fn abstract_path<S: TimedSystem<Label = Label>>(
    system: &System,
    witness: &Witness<S>,
    last: u64,
    packed: impl Fn(&S::State) -> &Packed,
) -> Vec<PathStep> {
    let step = |step: &WitnessStep<S>| PathStep {
        label: step.edge.label,
        state: system.canonical(&World::unpack(packed(&step.edge.target))),
        facts: 0,
        at: None,
    };
    let mut path: Vec<PathStep> = witness.steps.iter().map(step).collect();
    if let Some(end) = path.last_mut() {
        end.facts = last;
    }
    path
}

impl TimedSystem for Frugal<'_> {
    type State = (Packed, Spent);
    type Label = Label;

    fn initial(&self) -> Vec<Self::State> {
        self.system.initial().into_iter().map(|state| (state, Spent::default())).collect()
    }

    fn clock_count(&self, state: &Self::State) -> usize {
        self.system.clock_count(&state.0)
    }

    fn invariant(&self, state: &Self::State, out: &mut Vec<Constraint>) {
        self.system.invariant(&state.0, out);
    }

    fn edges(&self, state: &Self::State, out: &mut Vec<Edge<Self::State, Label>>) {
        let mut edges = Vec::new();
        self.system.edges(&state.0, &mut edges);
        out.extend(edges.into_iter().filter_map(|edge| {
            let Edge { label, guard, clocks, target, facts } = edge;
            let spent = state.1.and(&label);
            spent.within(self.most).then_some(Edge { label, guard, clocks, target: (target, spent), facts })
        }));
    }

    fn bounds(&self, state: &Self::State, lower: &mut [i64], upper: &mut [i64]) {
        self.system.bounds(&state.0, lower, upper);
    }

    fn interchangeable(&self, state: &Self::State) -> Vec<Interchangeable> {
        self.system.interchangeable(&state.0)
    }

    fn greatest_constant(&self) -> i64 {
        self.system.greatest_constant()
    }

    fn heap_size(&self, state: &Self::State) -> usize {
        self.system.heap_size(&state.0)
    }

    fn clocks_max(&self) -> usize {
        self.system.clocks_max()
    }
}
