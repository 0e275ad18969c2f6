//! What workers note of a system's steps and states, and how they tell each other.

use serde::{Deserialize, Serialize};

use crate::check::search::Observer;
use crate::check::search::shard::Notes;
use crate::check::verify::{Findings, Watch};
use crate::model::Outcome;
use crate::policy::keys::FAULTS;
use crate::system::world::{Packed, World};
use crate::system::{Label, System};
use crate::time::Edge;
use crate::time::zone::ZoneView;

/// The part of the findings that steps and states tell.
pub(super) struct Noted<'s> {
    pub system: &'s System,
    pub findings: Findings,
}

impl<'s> Noted<'s> {
    pub fn none(system: &'s System) -> Self {
        Self { system, findings: Findings::default() }
    }

    fn take(&mut self, told: Told) {
        let to = &mut self.findings;
        to.effects_most = to.effects_most.max(told.effects_most);
        to.lost_most = to.lost_most.max(told.lost_most);
        to.actions_most = to.actions_most.max(told.actions_most);
        told.told.into_iter().for_each(|after| to.note_told(after));
        to.capacity_least = to.capacity_least.into_iter().chain(told.capacity_least).min();
        to.stuck_most = to.stuck_most.max(told.stuck_most);
        to.taken.extend(told.taken);
        let named = FAULTS.keys.iter().map(|key| key.name);
        to.faults.extend(named.filter(|fault| told.faults.iter().any(|told| told == fault)));
    }
}

/// The same, as it goes from worker to worker.
#[derive(Serialize, Deserialize)]
struct Told {
    effects_most: u8,
    lost_most: u8,
    actions_most: u8,
    /// A list, as JSON knows one kind of nothing only.
    told: Vec<Option<i64>>,
    capacity_least: Option<u8>,
    stuck_most: Option<i64>,
    taken: Vec<(u8, Outcome)>,
    /// By their keys of `[faults]`.
    faults: Vec<String>,
}

impl Told {
    fn of(findings: &Findings) -> Told {
        Told {
            effects_most: findings.effects_most,
            lost_most: findings.lost_most,
            actions_most: findings.actions_most,
            told: findings.told_most.into_iter().collect(),
            capacity_least: findings.capacity_least,
            stuck_most: findings.stuck_most,
            taken: findings.taken.iter().copied().collect(),
            faults: findings.faults.iter().map(|fault| (*fault).to_owned()).collect(),
        }
    }
}

impl Observer<System> for Noted<'_> {
    fn edge(&mut self, state: &Packed, edge: &Edge<Packed, Label>, zone: &dyn ZoneView) {
        Watch { system: self.system, findings: &mut self.findings }.edge(state, edge, zone);
    }
}

impl Notes<System> for Noted<'_> {
    fn reached(&mut self, state: &Packed) {
        let world = World::unpack(state);
        self.findings.note_world(&world);
        if self.system.remedy.is_some() {
            self.findings.note_target(self.system, &world);
        }
    }

    fn merge(&mut self, other: Self) {
        self.take(Told::of(&other.findings));
    }

    fn pack(&self) -> Vec<u8> {
        serde_json::to_vec(&Told::of(&self.findings)).expect("numbers and names can be written")
    }

    fn unpack(&mut self, bytes: &[u8]) {
        self.take(serde_json::from_slice(bytes).expect("what a worker of the same build wrote can be read"));
    }
}
