//! Breadth-first exploration of the zone graph of a timed system. It knows no domain: what an edge
//! means is told by its label and its facts.
//!
//! A node is a discrete state with a zone. The first zone of a run is the point zero, elapsed
//! within the invariant; the zone after an edge is the parent's, cut by the guard, mapped to the
//! clocks of the target, cut by its invariant, elapsed within it, extrapolated. An edge whose zone is
//! empty is not a transition.

mod engine;
mod step;
mod symmetry;
mod tables;
#[cfg(test)]
pub(super) mod tests;
mod unfold;
mod witness;

use std::fmt;
use std::sync::atomic::AtomicBool;

use super::verdict::SearchStats;
use super::{Limits, Progress};
use crate::time::zone::{GREATEST_CONSTANT, Scalar, View, Zone, ZoneView};
use crate::time::{Edge, TimedSystem};

pub(super) use engine::Arcs;
use engine::Engine;
#[cfg(feature = "cluster")]
pub(super) use engine::shard;
pub use unfold::Unfolding;
pub use witness::{Witness, WitnessStep};

/// When a new zone need not be explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subsumption {
    /// When it lies inside a known one of the same state. Keeps reachability, not cycles.
    Inclusion,
    /// Only when it equals a known one.
    Equality,
}

/// What is forgotten of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extrapolation {
    /// Extra+LU: lower and upper comparisons have constants of their own.
    Lu,
    /// Extra+M: one constant per clock.
    M,
    /// Nothing; the search need not end.
    None,
}

/// How to search. Every reduction can be switched off, so that tests can compare.
pub struct SearchOptions<'a> {
    pub subsumption: Subsumption,
    pub extrapolation: Extrapolation,
    /// Whether members of [`TimedSystem::interchangeable`] groups are put in order.
    pub symmetry: bool,
    /// Whether a state stands for those that have less left of what [`TimedSystem::without_surplus`] takes
    /// away, too. Under [`Subsumption::Inclusion`] only.
    pub surplus: bool,
    /// A zone that waits is not dropped for a larger one that is more steps away: so every
    /// witness has the fewest steps possible.
    pub keep_shortest: bool,
    pub limits: &'a Limits,
    /// Set from outside: the search stops soon after.
    pub cancel: &'a AtomicBool,
    /// Called about ten times a second.
    pub progress: &'a (dyn Fn(&Progress) + Sync),
    /// The search stops, incomplete, once any of these facts has a witness. 0: it never does.
    pub stop_at: u64,
    /// It stops, incomplete, before it expands what is so many steps away.
    pub depth_max: Option<u32>,
}

static NEVER: AtomicBool = AtomicBool::new(false);
static NO_LIMITS: Limits = Limits { states_max: None, memory_max: None, time_max: None };

impl Default for SearchOptions<'_> {
    /// All reductions, shortest witnesses, no limits, silent.
    fn default() -> Self {
        Self {
            subsumption: Subsumption::Inclusion,
            extrapolation: Extrapolation::Lu,
            symmetry: true,
            surplus: true,
            keep_shortest: true,
            limits: &NO_LIMITS,
            cancel: &NEVER,
            progress: &|_| (),
            stop_at: 0,
            depth_max: None,
        }
    }
}

/// Why a system can't be searched at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cluster", derive(serde::Serialize, serde::Deserialize))]
pub enum SearchError {
    /// A constant is beyond what the numbers of a zone can hold: the constant, and the greatest allowed.
    ConstantTooLarge(i64, i64),
    /// A guard, invariant or bound has a constant above [`TimedSystem::greatest_constant`].
    ConstantNotDeclared(i64),
    /// A state has more clocks than [`TimedSystem::clocks_max`].
    ClocksNotDeclared(usize),
    /// A constraint compares two clocks; extrapolation would not be sound.
    Diagonal,
    /// Without extrapolation a clock difference grew beyond what the numbers can hold.
    Diverged,
    /// More than 2^31 nodes or edges of one state.
    TooMany,
}

impl fmt::Display for SearchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConstantTooLarge(constant, most) => {
                write!(f, "the time constant {constant} is too large: at most {most} is possible")
            }
            Self::ConstantNotDeclared(constant) => {
                write!(f, "the time constant {constant} is above the greatest one declared")
            }
            Self::ClocksNotDeclared(clocks) => {
                write!(f, "a state has {clocks} clocks, more than were declared")
            }
            Self::Diagonal => {
                write!(f, "a constraint compares two clocks, which extrapolation does not allow")
            }
            Self::Diverged => write!(f, "without extrapolation the zones grew beyond the numbers"),
            Self::TooMany => write!(f, "more zones or edges than can be numbered"),
        }
    }
}

impl std::error::Error for SearchError {}

/// Looks on while a search runs.
pub trait Observer<S: TimedSystem> {
    /// A node is expanded.
    fn state(&mut self, _state: &S::State, _zone: &dyn ZoneView) {}

    /// A transition is possible. The zone is over the clocks of `from`: when it can be taken.
    fn edge(&mut self, _from: &S::State, _edge: &Edge<S::State, S::Label>, _zone: &dyn ZoneView) {}
}

impl<S: TimedSystem> Observer<S> for () {}

/// Explores everything reachable, or as much as the limits allow.
pub fn explore<'s, S: TimedSystem>(
    system: &'s S,
    options: &SearchOptions,
    observer: &mut impl Observer<S>,
) -> Result<Exploration<'s, S>, SearchError> {
    let starts = Starts::Initial;
    let (exploration, _) = explore_from(system, options, starts, observer, &mut (), |_| true)?;
    Ok(exploration)
}

/// Where a search begins.
pub(super) enum Starts<S: TimedSystem> {
    /// Where the system does.
    Initial,
    /// At these nodes, their zones as they are.
    At(Vec<(S::State, Zone)>),
}

/// The general form: from any nodes, along some edges, with the arcs reported by node number. Gives
/// the numbers of the nodes that it started from, too.
pub(super) fn explore_from<'s, S: TimedSystem>(
    system: &'s S,
    options: &SearchOptions,
    starts: Starts<S>,
    observer: &mut impl Observer<S>,
    arcs: &mut impl Arcs<S::Label>,
    keep: impl FnMut(&Edge<S::State, S::Label>) -> bool,
) -> Result<(Exploration<'s, S>, Vec<usize>), SearchError> {
    let (engine, starts) = if is_narrow(system, options)? {
        let mut engine = Engine::new(system, options);
        let starts = engine.start(starts)?;
        engine.run(options, observer, arcs, keep)?;
        (Width::Narrow(engine), starts)
    } else {
        let mut engine = Engine::new(system, options);
        let starts = engine.start(starts)?;
        engine.run(options, observer, arcs, keep)?;
        (Width::Wide(engine), starts)
    };
    Ok((Exploration { engine }, starts))
}

/// Whether 32 bits hold every number that can come up; an error if 64 do not.
pub(super) fn is_narrow<S: TimedSystem>(system: &S, options: &SearchOptions) -> Result<bool, SearchError> {
    let constant = system.greatest_constant();
    if constant.unsigned_abs() > GREATEST_CONSTANT as u64 {
        return Err(SearchError::ConstantTooLarge(constant, GREATEST_CONSTANT));
    }
    // Without extrapolation no bound follows from the constants: take the wide form, and watch it.
    Ok(options.extrapolation != Extrapolation::None && i32::fits(constant, system.clocks_max()))
}

enum Width<'s, S: TimedSystem> {
    Narrow(Engine<'s, S, i32>),
    Wide(Engine<'s, S, i64>),
}

/// What a search found.
pub struct Exploration<'s, S: TimedSystem> {
    engine: Width<'s, S>,
}

macro_rules! either {
    ($self:ident, $engine:ident => $body:expr) => {
        match &$self.engine {
            Width::Narrow($engine) => $body,
            Width::Wide($engine) => $body,
        }
    };
}

impl<S: TimedSystem> Exploration<'_, S> {
    pub fn stats(&self) -> &SearchStats {
        either!(self, engine => &engine.stats)
    }

    /// Takes up a search that a limit ended.
    pub fn go_on(
        &mut self,
        options: &SearchOptions,
        observer: &mut impl Observer<S>,
    ) -> Result<(), SearchError> {
        match &mut self.engine {
            Width::Narrow(engine) => engine.run(options, observer, &mut (), |_| true),
            Width::Wide(engine) => engine.run(options, observer, &mut (), |_| true),
        }
    }

    /// The facts that some transition brought to light.
    pub fn facts(&self) -> u64 {
        either!(self, engine => engine.facts)
    }

    /// The run to the first transition found with this fact: one with the fewest steps, given
    /// [`SearchOptions::keep_shortest`]. Bits count from 0.
    pub fn witness(&self, bit: u32) -> Option<Witness<S>> {
        either!(self, engine => engine.witness(bit))
    }

    /// The zones stored at the end, in the order in which they were found.
    pub fn nodes(&self) -> impl Iterator<Item = (&S::State, Zone)> + '_ {
        let count = either!(self, engine => engine.node_count());
        (0..count).filter_map(|node| self.node(node))
    }

    /// The same with the number of each.
    pub fn numbered_nodes(&self) -> impl Iterator<Item = (usize, (&S::State, Zone))> + '_ {
        let count = either!(self, engine => engine.node_count());
        (0..count).filter_map(|number| self.node(number).map(|node| (number, node)))
    }

    /// A run to a node, by its number.
    pub fn path_to(&self, node: usize) -> Option<Witness<S>> {
        either!(self, engine => engine.path_to(node))
    }

    /// How many steps [`Exploration::path_to`] has.
    pub fn steps_to(&self, node: usize) -> Option<usize> {
        either!(self, engine => engine.path_to_node(node).map(|path| path.len()))
    }

    /// A node by its number, if it is stored.
    pub(super) fn node(&self, node: usize) -> Option<(&S::State, Zone)> {
        either!(self, engine => {
            let (state, n, entries) = engine.stored(node)?;
            Some((state, View::new(n, entries).to_zone()))
        })
    }

    /// The discrete states reached, each once.
    pub fn states(&self) -> Box<dyn Iterator<Item = &S::State> + '_> {
        either!(self, engine => Box::new(engine.states()))
    }

    /// Bytes held by the tables of the search.
    pub fn memory(&self) -> u64 {
        either!(self, engine => engine.memory())
    }
}
