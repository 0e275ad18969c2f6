//! What is measured of a run.

use smallvec::SmallVec;

use crate::model::{Answer, Operation, Outcome};
use crate::system::world::World;
use crate::system::{Action, Actor, Ending, Step, System, facts};

/// What a run came to, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Effects that came again.
    pub duplicates: u32,
    /// From each request's first attempt to its final answer.
    pub answered: SmallVec<[i64; 2]>,
    /// Requests that were sent.
    pub requests: SmallVec<[(u8, i64); 2]>,
    /// How long keys stay stuck whose owner is gone; none: for ever.
    pub stuck: SmallVec<[Option<i64>; 2]>,
    pub episodes: Vec<Episode>,
    /// Actions on a target that never had a fault.
    pub needless: u32,
    pub actions: u32,
    /// The most actions at once.
    pub busiest: u8,
    /// The fewest members that served, or the lowest value.
    pub capacity: Option<u8>,
    /// When an action last began, and when the surroundings last did something.
    pub acted: i64,
    pub disturbed: i64,
}

/// A fault of a target, until it is well again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    pub target: u8,
    pub began: i64,
    /// Actions begun because of it, also after it was well.
    pub actions: u32,
    /// How long until the target was well.
    pub well: Option<i64>,
    /// How long until a person was told.
    pub told: Option<i64>,
}

impl Measured {
    pub fn new(system: &System, world: &World) -> Measured {
        Measured { capacity: system.capacity(world), ..Measured::default() }
    }

    /// Whether it still acts at its end though the surroundings have been quiet for half of it.
    pub fn is_restless(&self, now: i64) -> bool {
        self.actions > 0 && self.acted > now - now / 8 && self.disturbed < now / 2
    }

    /// Adds what a step out of `before` came to, at this moment, at which the clocks read so.
    pub(super) fn note(
        &mut self,
        system: &System,
        before: &World,
        step: &Step,
        facts: u64,
        clocks: &[i64],
        now: i64,
    ) {
        self.duplicates += u32::from(facts & facts::REPEATED_EFFECT != 0);
        if let (Actor::Client(index), Action::Send(_) | Action::Publish) =
            (step.label.actor, step.label.action)
        {
            let client = &before.clients[usize::from(index)];
            let known = self.requests.iter().any(|(name, _)| *name == client.name);
            if client.role == 0 && system.remedy.is_none() && !known {
                self.requests.push((client.name, now));
            }
        }
        if let (Actor::Attempt(index), Some(Ending::Answered(answer))) = (step.label.actor, step.label.ending)
            && matches!(answer, Answer::Success | Answer::Replay | Answer::Failed | Answer::Mismatch)
        {
            let name = before.clients[usize::from(index)].name;
            let sent = self.requests.iter().find(|(request, _)| *request == name);
            self.answered.extend(sent.map(|(_, sent)| now - sent));
        }
        if let Some(clock) = step.label.orphans {
            let age = if clock == 0 { 0 } else { clocks[usize::from(clock) - 1] };
            self.stuck.push(system.claimable_after.map(|after| (after - age).max(0)));
        }
        if before.remedy.is_some() {
            self.note_target(system, before, step, now);
        }
    }

    fn note_target(&mut self, system: &System, before: &World, step: &Step, now: i64) {
        let after = &step.world;
        if matches!(step.label.action, Action::Happens(_)) {
            self.disturbed = now;
        }
        for (index, (was, is)) in (0_u8..).zip(before.remedy().targets.iter().zip(&after.remedy().targets)) {
            if !was.faulty && is.faulty {
                let open = self.episodes.iter().rev().find(|episode| episode.target == index);
                // What an action breaks while the last fault is not over belongs to that.
                if open.is_none_or(|episode| episode.well.is_some()) {
                    let episode = Episode { target: index, began: now, actions: 0, well: None, told: None };
                    self.episodes.push(episode);
                }
            }
            if let Some(episode) = self.episodes.iter_mut().rev().find(|episode| episode.target == index) {
                if is.is_well() && episode.well.is_none() {
                    episode.well = Some(now - episode.began);
                }
                let told = step.label.action == Action::Operate { outcome: Outcome::Paged };
                if told && is.paged && !was.paged && episode.told.is_none() {
                    episode.told = Some(now - episode.began);
                }
            }
        }
        let operation = &system.table[usize::from(step.label.at)].operation;
        if step.label.action == Action::Call
            && *operation == Operation::Act
            && let Some(attempt) = before.acting(step.label.actor)
        {
            self.actions += 1;
            self.acted = now;
            let of = |episode: &&mut Episode| episode.target == attempt.aim.target;
            match self.episodes.iter_mut().rev().find(of) {
                Some(episode) => episode.actions += 1,
                None => self.needless += 1,
            }
        }
        self.busiest = self.busiest.max(system.under_way(after, None));
        self.capacity = self.capacity.into_iter().chain(system.capacity(after)).min();
    }
}
