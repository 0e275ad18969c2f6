//! One step of the zone graph: from a state and a zone, through an edge, to the next zone.

use super::symmetry::{self, Scratch};
use super::tables::Interner;
use super::{Extrapolation, SearchError};
use crate::time::zone::{self, Scalar, Thresholds};
use crate::time::{Clock, ClockFrom, Constraint, Interchangeable, NO_BOUND, TimedSystem, Timing};

/// What the zones of a state need to know of it. Many states share one.
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
    /// Each different timing, and the profile made from it: by the same number.
    timings: Interner<Timing>,
    profiles: Vec<Profile<T>>,
    /// What both hold beyond the table of the interner.
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
    timing: Timing,
    /// How the clocks of the last zone were put in order; empty when they stayed.
    pub order: Vec<Clock>,
}

impl<T: Scalar> Stepper<T> {
    pub fn new<S: TimedSystem>(system: &S, extrapolation: Extrapolation, symmetry: bool) -> Self {
        Self {
            timings: Interner::new(),
            profiles: Vec::new(),
            profile_bytes: 0,
            extrapolation,
            symmetry,
            greatest: system.greatest_constant(),
            clocks_max: system.clocks_max(),
            enabled: Vec::new(),
            next: Vec::new(),
            spare: Vec::new(),
            scratch: Scratch::default(),
            timing: Timing::default(),
            order: Vec::new(),
        }
    }

    /// A stepper that works alike and has seen nothing yet.
    pub fn afresh<S: TimedSystem>(&self, system: &S) -> Self {
        Self::new(system, self.extrapolation, self.symmetry)
    }

    /// Asks the system about a state, and checks what it declared.
    pub fn profile<S: TimedSystem>(&mut self, system: &S, state: &S::State) -> Result<u32, SearchError> {
        let timing = &mut self.timing;
        system.timing(state, timing);
        let clocks = timing.lower.len() - 1;
        if clocks > self.clocks_max || clocks > Clock::MAX.into() {
            return Err(SearchError::ClocksNotDeclared(clocks));
        }
        // What makes no difference must not make two profiles of one.
        for (lower, upper) in timing.lower.iter_mut().zip(&mut timing.upper) {
            match self.extrapolation {
                Extrapolation::Lu => {}
                Extrapolation::M => {
                    *lower = (*lower).max(*upper);
                    *upper = *lower;
                }
                Extrapolation::None => (*lower, *upper) = (NO_BOUND, NO_BOUND),
            }
            for bound in [lower, upper] {
                if *bound < 0 {
                    *bound = NO_BOUND;
                }
            }
        }
        if !self.symmetry {
            timing.groups.clear();
        }
        timing.groups.retain(|group| group.len() > 1 && !group[0].is_empty());
        let (id, new) = self.timings.intern(timing);
        if new {
            let profile = self.new_profile(id)?;
            let members: usize =
                profile.groups.iter().map(|group| group.len() * size_of_val(&group[0])).sum();
            let bytes = 3 * size_of::<T>() * profile.n + size_of_val(&profile.caps[..]) + members;
            // The timing that it was made from is kept, too.
            self.profile_bytes +=
                (size_of::<Profile<T>>() + 2 * bytes + 2 * size_of::<i64>() * profile.n) as u64;
            self.profiles.push(profile);
        }
        Ok(id)
    }

    fn new_profile(&self, id: u32) -> Result<Profile<T>, SearchError> {
        let Timing { invariant, lower, upper, groups } = self.timings.get(id);
        if let Some(&bound) = lower.iter().chain(upper).find(|bound| **bound > self.greatest) {
            return Err(SearchError::ConstantNotDeclared(bound));
        }
        let extrapolates = self.extrapolation != Extrapolation::None;
        let thresholds = extrapolates.then(|| Thresholds::new(lower, upper));
        for constraint in invariant {
            self.check(constraint, thresholds.as_ref())?;
        }
        let is_cap = |c: &&Constraint| c.left != 0 && c.right == 0;
        let cap = |c: &Constraint| (c.left, T::encode(c.bound, c.strict));
        Ok(Profile {
            n: lower.len(),
            caps: invariant.iter().filter(is_cap).map(cap).collect(),
            rest: invariant.iter().filter(|c| !is_cap(c)).copied().collect(),
            thresholds,
            groups: groups.clone(),
        })
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
        self.profiles[profile as usize].n
    }

    /// Puts the first zone of an initial state into `next`. False when it is empty.
    pub fn first(&mut self, profile: u32) -> Result<bool, SearchError> {
        let n = self.n(profile);
        self.next.clear();
        self.next.resize(n * n, T::ZERO);
        self.settle(profile)
    }

    /// Whether the search can take a guard out of a state.
    pub fn check_guard(&self, profile: u32, guard: &[Constraint]) -> Result<(), SearchError> {
        let thresholds = self.profiles[profile as usize].thresholds.as_ref();
        guard.iter().try_for_each(|constraint| self.check(constraint, thresholds))
    }

    /// False when a zone forbids one constraint of a guard alone: so it is with most edges that can't be taken.
    pub fn may_enable(&self, profile: u32, zone: &[T], guard: &[Constraint]) -> bool {
        let n = self.n(profile);
        let allowed = |c: &Constraint| {
            let bound = T::encode(c.bound, c.strict);
            zone::admits(n, zone, c.left.into(), c.right.into(), bound)
        };
        guard.iter().all(allowed)
    }

    /// Cuts a zone by a guard that was checked, into `enabled`. False when nothing is left.
    pub fn enable(&mut self, profile: u32, parent: &[T], guard: &[Constraint]) -> bool {
        let n = self.n(profile);
        // No need to copy for those.
        if !self.may_enable(profile, parent, guard) {
            return false;
        }
        self.enabled.clear();
        self.enabled.extend_from_slice(parent);
        cut(n, &mut self.enabled, guard)
    }

    /// Takes `enabled` over to the target state, into `next`. False when it is empty there.
    pub fn step(&mut self, source: u32, clocks: &[ClockFrom], target: u32) -> Result<bool, SearchError> {
        let (n, m) = (self.n(source), self.n(target));
        assert_eq!(clocks.len() + 1, m, "an edge gives every clock of its target a value");
        self.next.resize(m * m, T::ZERO);
        if m == 1 && self.profiles[target as usize].rest.is_empty() {
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
        let Profile { n, caps, rest, thresholds, groups } = &self.profiles[profile as usize];
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
        self.timings.memory() + self.profile_bytes
    }
}

fn cut<T: Scalar>(n: usize, zone: &mut [T], constraints: &[Constraint]) -> bool {
    constraints
        .iter()
        .all(|c| zone::constrain(n, zone, c.left.into(), c.right.into(), T::encode(c.bound, c.strict)))
}
