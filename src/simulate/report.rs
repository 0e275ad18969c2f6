//! What is said of sampled runs: plain data for people and machines.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::around::Around;
use super::compare::Difference;
use super::estimate::{Mean, Quantiles, Rate};
use super::many::Tally;
use super::rare::RareEstimate;
use crate::check::judge::not_applicable;
use crate::check::property::Property;
use crate::check::verdict::Verdict;
use crate::policy::Policy;
use crate::system::System;

/// What `simulate` says of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SimulateReport {
    /// Of this format: 1.
    pub version: u32,
    pub policy: String,
    /// The policy's file.
    pub path: String,
    pub seed: u64,
    /// Runs that were sampled, and that were asked for.
    pub runs: u64,
    pub asked: u64,
    /// What came before all of them were; none: nothing.
    pub stopped_by: Option<String>,
    /// A run was looked at for so long.
    pub until_ms: i64,
    /// Steps of all runs.
    pub steps: u64,
    pub ends: Ends,
    /// What the policy does not declare, and what was taken instead.
    pub assumptions: Vec<String>,
    /// What it declares, and was cut to the bounds that it declares, too.
    pub cut: Vec<String>,
    /// Properties that say something of the policy.
    pub properties: Vec<PropertyRate>,
    /// Effects that came again.
    pub duplicates: Duplicates,
    /// Where the policy is about requests.
    pub requests: Option<Requests>,
    /// Where it is about a target.
    pub remediation: Option<Remediation>,
    pub rare: Option<RareEstimate>,
    pub compared: Option<Compared>,
}

/// How many runs ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ends {
    /// Nothing more was to come.
    pub quiet: u64,
    /// The time was over.
    pub time: u64,
    /// They had as many steps as a run may have: what came later is not counted.
    pub steps: u64,
    /// No step was possible in time, as the policy's bounds have it.
    pub stuck: u64,
    /// More calls or actions were under way than the system can hold: these runs are not whole.
    pub left_out: u64,
}

/// How often a property was broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PropertyRate {
    pub property: Property,
    /// Runs that broke it.
    pub rate: Rate,
    /// The first of them.
    pub first_run: Option<u64>,
    /// The policy's `[expect]`, or a waiver, says that it can be.
    pub expected: bool,
    /// Only a run without end breaks it, which no sample is.
    pub endless: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Duplicates {
    /// Runs with any.
    pub runs: Rate,
    /// Of a thousand runs.
    pub per_thousand: Mean,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Requests {
    /// From a request's first attempt to its final answer.
    pub answers: Option<Quantiles>,
    /// Runs in which a key was left stuck by its owner, and for how long.
    pub stuck: Rate,
    pub stuck_for: Option<Quantiles>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Remediation {
    pub episodes: u64,
    /// How many episodes had so many actions.
    pub actions: BTreeMap<u32, u64>,
    /// From a fault to the target's being well.
    pub converged: Option<Quantiles>,
    /// Episodes of which a person was told, and how soon.
    pub told: Rate,
    pub told_after: Option<Quantiles>,
    /// Runs with actions on a target that had no fault.
    pub needless: Rate,
    /// Runs that still acted at their end, though their surroundings had been quiet for half of it.
    pub restless: Rate,
    /// How many runs had so many actions at once, at the most.
    pub busiest: BTreeMap<u8, u64>,
    /// How many runs went down to so many members that serve, or so low a value.
    pub capacity: BTreeMap<u8, u64>,
}

/// Another policy under the same luck.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    pub policy: String,
    pub path: String,
    pub assumptions: Vec<String>,
    /// Pairs of runs.
    pub runs: u64,
    pub differences: Vec<Difference>,
}

impl SimulateReport {
    pub fn new(
        policy: &Policy,
        system: &System,
        around: &Around,
        seed: u64,
        asked: u64,
        today: &str,
        tally: &Tally,
    ) -> Self {
        let expected = |property: Property| {
            policy.expect.get(&property) == Some(&Verdict::Violated)
                || policy
                    .waivers
                    .iter()
                    .any(|waiver| waiver.property == property && !waiver.is_expired(today))
        };
        let applies = |property: &Property| not_applicable(*property, policy, system).is_none();
        let properties = Property::ALL.into_iter().filter(applies).map(|property| {
            let found = tally.broken.get(&property);
            PropertyRate {
                property,
                rate: Rate::new(found.map_or(0, |(count, _)| *count), tally.runs),
                first_run: found.map(|(_, first)| *first),
                expected: expected(property),
                endless: crate::check::judge::broken_by(property) == 0,
            }
        });
        let duplicates = tally.duplicates.interval();
        let [quiet, time, steps, stuck] = tally.ends;
        SimulateReport {
            version: 1,
            policy: policy.name.clone(),
            path: policy.path.display().to_string(),
            seed,
            runs: tally.runs,
            asked,
            stopped_by: None,
            until_ms: around.until,
            steps: tally.steps,
            ends: Ends { quiet, time, steps, stuck, left_out: tally.left_out },
            assumptions: around.assumed.clone(),
            cut: around.cut.clone(),
            properties: properties.collect(),
            duplicates: Duplicates {
                runs: Rate::new(tally.duplicated, tally.runs),
                per_thousand: Mean {
                    count: duplicates.count,
                    mean: duplicates.mean * 1e3,
                    low: (duplicates.low * 1e3).max(0.0),
                    high: duplicates.high * 1e3,
                },
            },
            requests: system.remedy.is_none().then(|| Requests {
                answers: if system.queue { None } else { tally.answered.quantiles() },
                stuck: Rate::new(tally.stuck_runs, tally.runs),
                stuck_for: tally.stuck.quantiles(),
            }),
            remediation: system.remedy.is_some().then(|| Remediation {
                episodes: tally.episodes,
                actions: tally.actions.clone(),
                converged: tally.well.quantiles(),
                told: Rate::new(tally.told.values.len() as u64, tally.episodes),
                told_after: tally.told.quantiles(),
                needless: Rate::new(tally.needless, tally.runs),
                restless: Rate::new(tally.restless, tally.runs),
                busiest: tally.busiest.clone(),
                capacity: tally.capacity.clone(),
            }),
            rare: None,
            compared: None,
        }
    }

    /// Properties that were seen broken, though nobody expects it.
    pub fn unexpected(&self) -> impl Iterator<Item = &PropertyRate> {
        self.properties.iter().filter(|one| one.rate.count > 0 && !one.expected)
    }
}

/// JSON Schema (draft 2020-12) of [`SimulateReport`].
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(SimulateReport)
}
