//! Verdicts without the runs that show them: for those who ask about many policies that differ in little.

use std::collections::BTreeMap;
use std::time::Instant;

use super::VerifyOptions;
use super::error::CheckError;
use super::judge::{broken_by, not_applicable};
use super::property::Property;
use super::reductions::Reductions;
use super::trace::Patience;
use super::verdict::Verdict;
use super::verify::{judge, search_zones};
use crate::model::Protocol;
use crate::policy::Policy;
use crate::system::System;

/// What is known of each property that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdicts {
    pub of: BTreeMap<Property, Verdict>,
    /// Zones expanded.
    pub zones: u64,
    /// The limit that ended the search.
    pub stopped_by: Option<String>,
}

/// The verdicts that [`super::verify`] gives, by the zone engine; but what only a run without end breaks is violated
/// where there is such a run, whether or not a round of it could be shown. Once a step breaks one of the properties in
/// `stop`, the search ends, and what it has not found by then is inconclusive.
///
/// # Errors
/// As [`super::verify`].
pub fn verdicts(
    policy: &Policy,
    protocol: &Protocol,
    options: &VerifyOptions,
    stop: &[Property],
) -> Result<Verdicts, CheckError> {
    let system = System::new(policy, protocol).map_err(CheckError::Compile)?;
    if let Some(states) = system.loop_without_time() {
        return Err(CheckError::LoopWithoutTime(states));
    }
    let end = options.limits.time_max.and_then(|most| Instant::now().checked_add(most));
    let patience = Patience::to_tell(options.cancel, end);
    let applies = |property: &&Property| not_applicable(**property, policy, &system).is_none();
    let stop_at = stop.iter().filter(applies).fold(0, |bits, property| bits | broken_by(*property));
    let mut findings = search_zones(&system, options, Reductions::ALL, stop_at, &patience, false)?;
    let mut of = BTreeMap::new();
    for property in Property::ALL.into_iter().filter(|property| options.wants(*property)) {
        let verdict = if not_applicable(property, policy, &system).is_some() {
            Verdict::NotApplicable
        } else if findings.facts & broken_by(property) != 0 || findings.endless_untold.contains(&property) {
            Verdict::Violated
        } else {
            judge(property, policy, &system, &mut findings, options).verdict
        };
        of.insert(property, verdict);
    }
    let loops = findings.loops.as_ref().and_then(|loops| loops.stopped_by.clone());
    let stopped_by = findings.search.stopped_by.clone().or(loops);
    Ok(Verdicts { of, zones: findings.search.visited, stopped_by })
}
