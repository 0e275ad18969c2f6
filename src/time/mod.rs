//! Time: what a timed transition system is, and the two readings of it.
//!
//! A [`TimedSystem`] describes its discrete states, the clocks each of them has, and the edges
//! between them with clock constraints. [`zone`] reads it in dense time with difference-bound
//! matrices; [`ticks`] reads the very same edges in integer time. Nothing here knows of receipts.

use std::hash::Hash;

use smallvec::SmallVec;

pub mod ticks;
pub mod zone;

/// The number of a clock in one discrete state: 1 for the first. 0 is the constant zero.
pub type Clock = u8;

/// The bound of a clock that is never compared: see [`TimedSystem::bounds`].
pub const NO_BOUND: i64 = i64::MIN;

/// `left - right <= bound`, or `<` when strict. Either side may be clock 0.
///
/// Policies use closed constraints only; the textbook models in the tests need strict ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Constraint {
    pub left: Clock,
    pub right: Clock,
    /// In the system's unit of time.
    pub bound: i64,
    pub strict: bool,
}

impl Constraint {
    /// `clock <= bound`.
    pub fn at_most(clock: Clock, bound: i64) -> Self {
        Self { left: clock, right: 0, bound, strict: false }
    }

    /// `clock >= bound`.
    pub fn at_least(clock: Clock, bound: i64) -> Self {
        Self { left: 0, right: clock, bound: -bound, strict: false }
    }

    /// `clock < bound`.
    pub fn below(clock: Clock, bound: i64) -> Self {
        Self { left: clock, right: 0, bound, strict: true }
    }

    /// `clock > bound`.
    pub fn above(clock: Clock, bound: i64) -> Self {
        Self { left: 0, right: clock, bound: -bound, strict: true }
    }
}

/// Where a clock of the target state takes its value from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClockFrom {
    /// It starts now.
    Zero,
    /// It goes on as this clock of the source state.
    Old(Clock),
}

pub type Guard = SmallVec<[Constraint; 4]>;
pub type ClockMap = SmallVec<[ClockFrom; 16]>;

/// One discrete step: possible while the guard holds, at once.
#[derive(Clone, Debug)]
pub struct Edge<S, L> {
    pub label: L,
    pub guard: Guard,
    /// One entry for each clock of the target state: entry `i` is clock `i + 1`.
    pub clocks: ClockMap,
    pub target: S,
    /// What this step brings to light, as a set of bits: the search keeps a shortest witness of
    /// each bit. Their meaning is the system's.
    pub facts: u64,
}

/// A group of parts of a state that are alike in everything but their clocks: the members may be
/// exchanged. Each member lists its clocks, in the same order as the others.
pub type Interchangeable = Vec<SmallVec<[Clock; 4]>>;

/// All that the zones of a state depend on: see [`TimedSystem::timing`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timing {
    pub invariant: Vec<Constraint>,
    /// As [`TimedSystem::bounds`] fills them: one entry more than the state has clocks.
    pub lower: Vec<i64>,
    pub upper: Vec<i64>,
    pub groups: Vec<Interchangeable>,
}

impl Timing {
    /// Nothing said yet of a state with so many clocks.
    pub fn clear(&mut self, clocks: usize) {
        self.invariant.clear();
        self.groups.clear();
        for bounds in [&mut self.lower, &mut self.upper] {
            bounds.clear();
            bounds.resize(clocks + 1, NO_BOUND);
            bounds[0] = 0;
        }
    }
}

/// Amounts of which more only adds to what a state can do: see [`TimedSystem::without_surplus`].
pub type Surplus = [u8; 16];

/// A network of clocks and discrete states, given by its steps. Deterministic: the same state
/// gives the same edges in the same order.
pub trait TimedSystem {
    type State: Clone + Eq + Hash + std::fmt::Debug;
    type Label: Clone + std::fmt::Debug;

    /// Where every run begins, all clocks at zero.
    fn initial(&self) -> Vec<Self::State>;

    /// How many clocks this state has.
    fn clock_count(&self, state: &Self::State) -> usize;

    /// Appends what the clocks must satisfy for time to pass in this state.
    fn invariant(&self, state: &Self::State, out: &mut Vec<Constraint>);

    /// Appends every step out of this state, whether or not its guard can be met.
    fn edges(&self, state: &Self::State, out: &mut Vec<Edge<Self::State, Self::Label>>);

    /// The same without those that a clock forbids: `possible` is asked once for the guard of each step, in
    /// their order, and what it refuses is left out. For systems that spare work with a step they know will not
    /// be taken.
    fn possible_edges(
        &self,
        state: &Self::State,
        possible: &mut dyn FnMut(&Guard) -> bool,
        out: &mut Vec<Edge<Self::State, Self::Label>>,
    ) {
        let mut before = out.len();
        self.edges(state, out);
        out.retain(|edge| {
            let old = before > 0;
            before -= usize::from(old);
            old || possible(&edge.guard)
        });
    }

    /// For each clock `c` of the state, the greatest constant `k` that it is compared with before
    /// its next reset: `lower[c]` over comparisons `c >= k` and `c > k`, `upper[c]` over
    /// `c <= k` and `c < k`, invariants included; [`NO_BOUND`] where there is none. Both slices have
    /// `clock_count + 1` entries; entry 0 stays 0.
    fn bounds(&self, state: &Self::State, lower: &mut [i64], upper: &mut [i64]);

    /// Groups whose members may be exchanged. Two members belong to one group only if exchanging
    /// all their clocks maps the state to itself.
    fn interchangeable(&self, _state: &Self::State) -> Vec<Interchangeable> {
        Vec::new()
    }

    /// Clocks, invariant, bounds and groups of a state at once: for systems where that is less work than one
    /// by one. Replaces what `out` held.
    fn timing(&self, state: &Self::State, out: &mut Timing) {
        out.clear(self.clock_count(state));
        self.invariant(state, &mut out.invariant);
        self.bounds(state, &mut out.lower, &mut out.upper);
        out.groups = self.interchangeable(state);
    }

    /// The state without what only adds to what it can do, and how much of that it has. A state with at
    /// least as much of each, and otherwise the same, can do at the same moments all that another can, with
    /// the same facts, and this goes on to be true after each step. The state itself, if there is no such thing.
    fn without_surplus(&self, state: &Self::State) -> (Self::State, Surplus) {
        (state.clone(), Surplus::default())
    }

    /// The largest constant in any guard, invariant or bound: decides how wide numbers must be.
    fn greatest_constant(&self) -> i64;

    /// Bytes that a state holds on the heap: counted towards the limit of memory.
    fn heap_size(&self, _state: &Self::State) -> usize {
        0
    }

    /// No state has more clocks than this: a small number here may let the numbers be narrow.
    fn clocks_max(&self) -> usize {
        Clock::MAX.into()
    }
}
