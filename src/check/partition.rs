//! A part of a run, and how parts come together again.
//!
//! A policy is in the part that the digest of its name says, whatever other policies there are: a new
//! policy moves none of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::baseline::{BaselineResult, Stale};
use super::verdict::{CheckFailure, PolicyResult, REPORT_VERSION, Report};
use crate::source::digest;

/// Parts that a run can be split into.
pub const PARTS_MAX: u32 = 1_000;

/// `hash:1/4`: the first of four parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: u32,
    pub of: u32,
}

impl Part {
    /// Whether a policy of this name is in it.
    pub fn has(self, policy: &str) -> bool {
        // The first digits are as good as all.
        let place = u64::from_str_radix(&digest(&[policy])[..15], 16).unwrap_or(0);
        place % u64::from(self.of) + 1 == u64::from(self.number)
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Part, String> {
        let wrong = || format!("`{text}` is no part: hash:1/4 is the first of four");
        let (number, of) =
            text.strip_prefix("hash:").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
        let whole =
            |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        let (number, of) = whole(number).zip(whole(of)).ok_or_else(wrong)?;
        if of == 0 || of > PARTS_MAX {
            return Err(format!("{of} parts: 1 to {PARTS_MAX} are possible"));
        }
        if number == 0 || number > of {
            return Err(format!("there is no part {number} of {of}: they count from 1"));
        }
        Ok(Part { number, of })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// What a report is a part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Partition {
    /// From 1.
    pub number: u32,
    pub of: u32,
    /// Policies of the whole run, and of this part.
    pub total: u64,
    pub selected: u64,
    /// The build that checked it. Parts of different builds make no whole.
    pub build: String,
    /// The same in all parts of one run: a digest of its policies, models and limits.
    pub run: String,
    /// The place of each policy of this part in the whole run, by name.
    pub places: BTreeMap<String, u64>,
    /// What kept the whole run from being done: what could not be read, and why. The exit code is 2 then.
    pub faults: Vec<String>,
}

/// The parts of one run, put together.
pub struct Merged {
    pub report: Report,
    /// What could not be read in any of them.
    pub faults: Vec<String>,
}

/// Puts the parts of one run together. `parts` are reports with the names of their files. The standing of
/// each finding stays as its part says.
///
/// # Errors
/// They are not the parts of one run, each once; says which, and why.
pub fn merge(parts: Vec<(String, Report)>) -> Result<Merged, String> {
    let mut known: Vec<(&str, &Report, &Partition)> = Vec::new();
    for (file, report) in &parts {
        if report.version != REPORT_VERSION {
            return Err(format!(
                "{file} has format version {}; this idemcheck reads version {REPORT_VERSION}",
                report.version
            ));
        }
        let Some(partition) = &report.partition else {
            return Err(format!("{file} is no part of a run: write it with `verify --partition hash:1/4`"));
        };
        known.push((file, report, partition));
    }
    let (first_file, first_report, first) = *known.first().ok_or("nothing to merge")?;
    let mut numbers: BTreeMap<u32, &str> = BTreeMap::new();
    for (file, report, partition) in &known {
        let differs = |what: &str| Err(format!("{first_file} and {file} {what}"));
        if report.tool != first_report.tool || partition.build != first.build {
            return differs("were written by different versions of idemcheck");
        }
        if partition.of != first.of {
            return differs(&format!("are of runs in {} and in {} parts", first.of, partition.of));
        }
        if partition.run != first.run || partition.total != first.total {
            return differs("are of different runs: other policies, models, properties or limits");
        }
        if report.baseline.as_ref().map(|b| &b.path) != first_report.baseline.as_ref().map(|b| &b.path) {
            return differs("were judged by different baselines");
        }
        if let Some(other) = numbers.insert(partition.number, file) {
            return Err(format!("{other} and {file} are both part {}/{}", partition.number, partition.of));
        }
    }
    let missing: Vec<String> = (1..=first.of)
        .filter(|number| !numbers.contains_key(number))
        .map(|number| number.to_string())
        .collect();
    if !missing.is_empty() {
        return Err(format!("of {} parts, these are missing: {}", first.of, missing.join(", ")));
    }
    let mut places: BTreeMap<String, u64> = BTreeMap::new();
    for (file, report, partition) in &known {
        // A part that was cut down is no part.
        let mut found: Vec<&String> = report.policies.iter().map(|result| &result.policy).collect();
        found.extend(report.failures.iter().map(|failure| &failure.policy));
        found.sort();
        if !found.iter().copied().eq(partition.places.keys()) {
            return Err(format!("{file} does not have the results of its own policies: it was changed"));
        }
        for (policy, place) in &partition.places {
            if places.insert(policy.clone(), *place).is_some() {
                return Err(format!("{file} has the policy {policy}, which another part has, too"));
            }
        }
    }
    if places.len() as u64 != first.total {
        return Err(format!(
            "the parts have {} policies together, and the run had {}",
            places.len(),
            first.total
        ));
    }
    let faults: BTreeSet<String> =
        known.iter().flat_map(|(_, _, partition)| partition.faults.iter().cloned()).collect();
    // Each part found the same files unreadable.
    let unread = first_report.unread();
    let (mut policies, mut failures): (Vec<PolicyResult>, Vec<CheckFailure>) = (Vec::new(), Vec::new());
    let (mut seconds, mut baseline): (f64, Option<BaselineResult>) = (0.0, None);
    for (_, report) in parts {
        policies.extend(report.policies);
        failures.extend(report.failures);
        seconds += report.seconds;
        baseline = match (baseline, report.baseline) {
            (Some(all), Some(more)) => Some(together(all, more)),
            (all, more) => all.or(more),
        };
    }
    let place = |policy: &str| places.get(policy).copied().unwrap_or(u64::MAX);
    policies.sort_by_key(|result| place(&result.policy));
    failures.sort_by_key(|failure| place(&failure.policy));
    let mut report = Report::new(policies, failures, unread, seconds);
    report.baseline = baseline;
    Ok(Merged { report, faults: faults.into_iter().collect() })
}

/// What a baseline came to in two parts: an entry is stale in the part that its policy is in, or in all.
fn together(mut all: BaselineResult, more: BaselineResult) -> BaselineResult {
    let key = |stale: &Stale| (stale.policy.clone(), stale.property);
    let known: BTreeSet<_> = all.stale.iter().map(key).collect();
    all.known += more.known;
    all.stale.extend(more.stale.into_iter().filter(|stale| !known.contains(&key(stale))));
    all.stale.sort_by_key(key);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_written() {
        assert_eq!("hash:2/4".parse(), Ok(Part { number: 2, of: 4 }));
        for wrong in
            ["2/4", "hash:0/4", "hash:5/4", "hash:1/0", "hash:1", "hash:+1/4", "hash:1/1001", "slice:1/2"]
        {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_policy_is_in_one_part_and_stays_there() {
        let all = (0..1000).map(|number| format!("policy-{number}"));
        let mut sizes = [0; 4];
        for name in all {
            let parts: Vec<u32> =
                (1..=4).filter(|number| Part { number: *number, of: 4 }.has(&name)).collect();
            assert_eq!(parts.len(), 1, "{name}");
            sizes[parts[0] as usize - 1] += 1;
        }
        assert!(sizes.iter().all(|size| (200..300).contains(size)), "{sizes:?}");
        // What CI has split by is not to move with a new version.
        assert!(Part { number: 1, of: 4 }.has("policy-0"));
    }
}
