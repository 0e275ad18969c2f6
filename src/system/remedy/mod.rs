//! Remediation: a target with its fault, the actions under way on it, guards, and who is paged.
//!
//! An attempt is a run of the remediation: an alert, a schedule or a loop begins it, again and again.
//! Its operations on the target are in [`target`], the guards in [`guards`], what begins runs in
//! [`trigger`].

mod compile;
mod guards;
mod packed;
mod target;
mod trigger;

pub use compile::{Part, Rules};

use smallvec::SmallVec;

use super::world::{Slot, World};
use crate::policy::remedy::TargetKind;

/// Actions in one episode are counted up to here; more read as "this many or more".
pub const ACTIONS_MAX: u8 = 7;
/// More actions than this are not kept under way without a caller; beyond, the verdict is inconclusive.
pub const JOBS_MAX: usize = 6;

/// What a run took its target to be when it last looked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[repr(u8)]
pub enum Saw {
    #[default]
    Nothing,
    Converged,
    Diverged,
    Unknown,
}

/// What a run is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Aim {
    /// Whose run: an index into [`Rules::parts`].
    pub part: u8,
    /// An index into [`Remedy::targets`].
    pub target: u8,
    pub saw: Saw,
    /// The look is from after the last action settled.
    pub fresh: bool,
    /// Nothing took effect on the target since that look.
    pub current: bool,
    /// The guards admitted it, and its action is not over.
    pub counted: bool,
}

/// An action under way that nobody waits for any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Job {
    pub part: u8,
    pub target: u8,
    pub undo: bool,
    /// As in [`Aim`].
    pub current: bool,
    pub counted: bool,
    /// It was begun under a lock.
    pub locked: bool,
    /// Its worker died: it may break off.
    pub breaks: bool,
    /// Since it began.
    pub clock: Slot,
    /// For people: its sender. Not part of the state.
    pub name: (u8, u8),
}

/// One member, or the value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetState {
    pub faulty: bool,
    /// An action was broken off.
    pub half: bool,
    /// A person has it.
    pub paged: bool,
    /// Nobody was told in time.
    pub overdue: bool,
    /// An action took effect in this episode.
    pub acted: bool,
    /// The last action cured it: backed out, the fault is back.
    pub cured: bool,
    pub value: u8,
    /// The value before the last action changed it, while nothing else did.
    pub was: Option<u8>,
    /// How often an action put a value back.
    pub reversals: u8,
    /// Actions begun in this episode.
    pub actions: u8,
    /// Since what it shows changed by itself.
    pub changed: Slot,
    /// Since its last fault went, where the next one comes a time after that.
    pub went: Slot,
    /// Since the last action on it was over.
    pub over: Slot,
    /// Since its fault.
    pub since: Slot,
    /// Since an action was backed out.
    pub undone: Slot,
    /// Since the last actions began, the oldest first.
    pub starts: SmallVec<[Slot; 2]>,
}

/// What a guard remembers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GuardState {
    pub mode: u8,
    pub count: u8,
    pub bits: u32,
    pub clocks: SmallVec<[Slot; 2]>,
}

/// The part of a world that a remediation is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remedy {
    pub targets: SmallVec<[TargetState; 3]>,
    pub jobs: SmallVec<[Job; 3]>,
    /// As [`Rules::guards`] lays them out.
    pub guards: SmallVec<[GuardState; 4]>,
    /// Faults that may still arise.
    pub episodes: u8,
}

/// What the surroundings do to a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    Fails,
    Recovers,
    /// The person who was paged repairs it.
    Repaired,
    /// The deadline for telling a person is over.
    Overdue,
}

/// How an action under way ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effected {
    Done,
    /// The target was not as it was when it was looked at.
    Refused,
    /// It was done before in this episode.
    Deduplicated,
    /// It broke off half-way.
    Broken,
    /// It failed, and nobody hears of it.
    Failed,
    /// It was done, and its caller never hears of it.
    Unheard,
}

impl Remedy {
    pub(super) fn new(rules: &Rules) -> Remedy {
        let value = match rules.kind {
            TargetKind::Value { start, .. } => start as u8,
            TargetKind::Members { .. } => 0,
        };
        let target = TargetState {
            faulty: false,
            half: false,
            paged: false,
            overdue: false,
            acted: false,
            cured: false,
            value,
            was: None,
            reversals: 0,
            actions: 0,
            changed: Slot::NONE,
            went: Slot::NONE,
            over: Slot::NONE,
            since: Slot::NONE,
            undone: Slot::NONE,
            starts: SmallVec::new(),
        };
        Remedy {
            targets: (0..rules.size()).map(|_| target.clone()).collect(),
            jobs: SmallVec::new(),
            guards: (0..rules.guard_places()).map(|_| GuardState::default()).collect(),
            episodes: rules.episodes,
        }
    }

    /// Every place that a clock can have, in the order that numbers them.
    pub fn each_place(&mut self, mut visit: impl FnMut(&mut Slot)) {
        for target in &mut self.targets {
            visit(&mut target.changed);
            visit(&mut target.went);
            visit(&mut target.over);
            visit(&mut target.since);
            visit(&mut target.undone);
            target.starts.iter_mut().for_each(&mut visit);
        }
        for job in &mut self.jobs {
            visit(&mut job.clock);
        }
        for guard in &mut self.guards {
            guard.clocks.iter_mut().for_each(&mut visit);
        }
    }
}

impl World {
    /// The remediation's part; only for systems that have one.
    pub fn remedy(&self) -> &Remedy {
        self.remedy.as_ref().expect("the system has a target")
    }

    pub(super) fn remedy_mut(&mut self) -> &mut Remedy {
        self.remedy.as_mut().expect("the system has a target")
    }

    /// What only a number in the report needs.
    pub(super) fn forget_counts(&mut self) {
        let targets = self.remedy.iter_mut().flat_map(|remedy| &mut remedy.targets);
        targets.for_each(|target| target.actions = 0);
    }

    /// The most actions begun on one target in one episode.
    pub fn actions_most(&self) -> u8 {
        let targets = self.remedy.iter().flat_map(|remedy| &remedy.targets);
        targets.map(|target| target.actions).max().unwrap_or(0)
    }
}
