//! One step of the zone graph: from a state and a zone, through an edge, to the next zone.

use super::symmetry::{self, Scratch};
use super::tables::Interner;
use super::{Extrapolation, SearchError};
use crate::time::zone::{self, Scalar, Thresholds};
use crate::time::{Clock, ClockFrom, Constraint, Interchangeable, NO_BOUND, TimedSystem};

/// What the zones of a state need to know of it. Many states share one.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Profile<T> {
    /// Clocks and the constant zero.
    n: usize,
    /// The part of the invariant that bounds a clock from above, and the rest.
    caps: Vec<(Clock, T)>,
    rest: Vec<Constraint>,
    /// None without extrapolation.
    thresholds: Option<Thresholds<T>>,
    groups: Vec<Interchangeable>,
}

/// Computes steps; holds the profiles and the working matrices.
pub(super) struct Stepper<T> {
    profiles: Interner<Profile<T>>,
    /// What the profiles hold on the heap.
    profile_bytes: u64,
    extrapolation: Extrapolation,
    symmetry: bool,
    greatest: i64,
    clocks_max: usize,
    /// The parent's zone cut by the guard.
    pub enabled: Vec<T>,
    /// The zone after the step.
    pub next: Vec<T>,
    spare: Vec<T>,
    scratch: Scratch,
    /// How the clocks of the last zone were put in order; empty when they stayed.
    pub order: Vec<Clock>,
}

impl<T: Scalar> Stepper<T> {
    pub fn new<S: TimedSystem>(system: &S, extrapolation: Extrapolation, symmetry: bool) -> Self {
        Self {
            profiles: Interner::new(),
            profile_bytes: 0,
            extrapolation,
            symmetry,
            greatest: system.greatest_constant(),
            clocks_max: system.clocks_max(),
            enabled: Vec::new(),
            next: Vec::new(),
            spare: Vec::new(),
            scratch: Scratch::default(),
            order: Vec::new(),
        }
    }

    /// A stepper that works alike and has seen nothing yet.
    pub fn afresh<S: TimedSystem>(&self, system: &S) -> Self {
        Self::new(system, self.extrapolation, self.symmetry)
    }

    /// Asks the system about a state, and checks what it declared.
    pub fn profile<S: TimedSystem>(&mut self, system: &S, state: &S::State) -> Result<u32, SearchError> {
        let clocks = system.clock_count(state);
        if clocks > self.clocks_max || clocks > Clock::MAX.into() {
            return Err(SearchError::ClocksNotDeclared(clocks));
        }
        let thresholds = match self.extrapolation {
            Extrapolation::None => None,
            _ => Some(self.thresholds(system, state, clocks)?),
        };
        let mut rest = Vec::new();
        system.invariant(state, &mut rest);
        for constraint in &rest {
            self.check(constraint, thresholds.as_ref())?;
        }
        let mut caps = Vec::new();
        rest.retain(|c| {
            let cap = c.left != 0 && c.right == 0;
            if cap {
                caps.push((c.left, T::encode(c.bound, c.strict)));
            }
            !cap
        });
        let mut groups = if self.symmetry { system.interchangeable(state) } else { Vec::new() };
        groups.retain(|group| group.len() > 1 && !group[0].is_empty());
        let profile = Profile { n: clocks + 1, caps, rest, thresholds, groups };
        let (id, new) = self.profiles.intern(&profile);
        if new {
            let members: usize =
                profile.groups.iter().map(|group| group.len() * size_of_val(&group[0])).sum();
            let bytes = 3 * size_of::<T>() * profile.n + size_of_val(&profile.caps[..]) + members;
            self.profile_bytes += bytes as u64;
        }
        Ok(id)
    }

    fn thresholds<S: TimedSystem>(
        &self,
        system: &S,
        state: &S::State,
        clocks: usize,
    ) -> Result<Thresholds<T>, SearchError> {
        let (mut lower, mut upper) = (vec![NO_BOUND; clocks + 1], vec![NO_BOUND; clocks + 1]);
        (lower[0], upper[0]) = (0, 0);
        system.bounds(state, &mut lower, &mut upper);
        if let Some(&bound) = lower.iter().chain(&upper).find(|bound| **bound > self.greatest) {
            return Err(SearchError::ConstantNotDeclared(bound));
        }
        if self.extrapolation == Extrapolation::M {
            for (lower, upper) in lower.iter_mut().zip(&mut upper) {
                *lower = (*lower).max(*upper);
                *upper = *lower;
            }
        }
        Ok(Thresholds::new(&lower, &upper))
    }

    /// Whether a constraint of a state with these thresholds is one that the search can take.
    fn check(&self, c: &Constraint, thresholds: Option<&Thresholds<T>>) -> Result<(), SearchError> {
        if c.bound.unsigned_abs() > self.greatest as u64 {
            return Err(SearchError::ConstantNotDeclared(c.bound));
        }
        let Some(thresholds) = thresholds else { return Ok(()) };
        if c.left != 0 && c.right != 0 {
            return Err(SearchError::Diagonal);
        }
        debug_assert!(thresholds.cover(c), "the bounds of the state do not cover {c:?}");
        Ok(())
    }

    /// Clocks of a profile, and the constant zero.
    pub fn n(&self, profile: u32) -> usize {
        self.profiles.get(profile).n
    }

    /// Puts the first zone of an initial state into `next`. False when it is empty.
    pub fn first(&mut self, profile: u32) -> Result<bool, SearchError> {
        let n = self.n(profile);
        self.next.clear();
        self.next.resize(n * n, T::ZERO);
        self.settle(profile)
    }

    /// Cuts a zone by a guard, into `enabled`. False when nothing is left.
    pub fn enable(&mut self, profile: u32, parent: &[T], guard: &[Constraint]) -> Result<bool, SearchError> {
        let Profile { n, thresholds, .. } = self.profiles.get(profile);
        let n = *n;
        for constraint in guard {
            self.check(constraint, thresholds.as_ref())?;
        }
        // Most edges that can't be taken fail on one constraint alone: no need to copy for those.
        let one_fails = |c: &Constraint| {
            let bound = T::encode(c.bound, c.strict);
            !zone::admits(n, parent, c.left.into(), c.right.into(), bound)
        };
        if guard.iter().any(one_fails) {
            return Ok(false);
        }
        self.enabled.clear();
        self.enabled.extend_from_slice(parent);
        Ok(cut(n, &mut self.enabled, guard))
    }

    /// Takes `enabled` over to the target state, into `next`. False when it is empty there.
    pub fn step(&mut self, source: u32, clocks: &[ClockFrom], target: u32) -> Result<bool, SearchError> {
        let (n, m) = (self.n(source), self.n(target));
        assert_eq!(clocks.len() + 1, m, "an edge gives every clock of its target a value");
        self.next.resize(m * m, T::ZERO);
        if m == 1 && self.profiles.get(target).rest.is_empty() {
            // No clock, no way to be empty.
            self.next[0] = T::ZERO;
            self.order.clear();
            return Ok(true);
        }
        zone::map(n, &self.enabled, clocks, &mut self.next);
        self.settle(target)
    }

    /// Invariant, delay, extrapolation, order.
    fn settle(&mut self, profile: u32) -> Result<bool, SearchError> {
        let Profile { n, caps, rest, thresholds, groups } = self.profiles.get(profile);
        let n = *n;
        // Whoever is under the caps was so before the delay: they need no check of their own there.
        if !cut(n, &mut self.next, rest)
            || !zone::elapse_within(n, &mut self.next, caps)
            || !cut(n, &mut self.next, rest)
        {
            return Ok(false);
        }
        if let Some(thresholds) = thresholds {
            thresholds.extrapolate(&mut self.next);
        } else {
            // The sums of the next step must be possible, too.
            let most = zone::GREATEST_CONSTANT << 8;
            let wide = |entry: &T| entry.decode().is_some_and(|(bound, _)| bound.abs() > most);
            if self.next.iter().any(wide) {
                return Err(SearchError::Diverged);
            }
        }
        self.order.clear();
        if !groups.is_empty() {
            if symmetry::order(n, &self.next, groups, &mut self.scratch, &mut self.order) {
                self.spare.resize(n * n, T::ZERO);
                zone::permute(n, &self.next, &self.order, &mut self.spare);
                std::mem::swap(&mut self.next, &mut self.spare);
            } else {
                self.order.clear();
            }
        }
        Ok(true)
    }

    pub fn memory(&self) -> u64 {
        self.profiles.memory() + self.profile_bytes
    }
}

fn cut<T: Scalar>(n: usize, zone: &mut [T], constraints: &[Constraint]) -> bool {
    constraints
        .iter()
        .all(|c| zone::constrain(n, zone, c.left.into(), c.right.into(), T::encode(c.bound, c.strict)))
}
