//! What was found, seen against what the policy's author and its reviewers say: expectations, waivers,
//! silenced lints. What was found can be kept; this is done anew each day.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::property::Property;
use super::remarks::trusted;
use super::verdict::{PolicyResult, Verdict};
use crate::policy::{Policy, Waiver};

/// A waiver of a policy, and what it comes to today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaiverResult {
    pub property: Property,
    pub reason: String,
    /// `YYYY-MM-DD`: the last day on which it holds.
    pub until: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where it is followed up.
    pub ticket: Option<String>,
    pub state: WaiverState,
    /// From today to its last day; negative once that is over.
    pub days_left: i64,
}

/// What a waiver comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverState {
    /// It covers a violation, or nobody knows yet whether it has to.
    Active,
    /// The same, and its last day comes within [`WaiverState::SOON_DAYS`].
    Expiring,
    /// Its last day is over: it covers nothing.
    Expired,
    /// What it is for is not violated, or is expected to be.
    Unused,
}

impl WaiverState {
    /// So many days before its last one, a waiver is about to expire.
    pub const SOON_DAYS: i64 = 30;
    pub const ALL: [WaiverState; 4] =
        [WaiverState::Active, WaiverState::Expiring, WaiverState::Expired, WaiverState::Unused];

    pub fn name(self) -> &'static str {
        match self {
            WaiverState::Active => "active",
            WaiverState::Expiring => "expiring",
            WaiverState::Expired => "expired",
            WaiverState::Unused => "unused",
        }
    }
}

/// Weighs what was found of a policy. `waivers` are those that govern: the policy's own, as a rule.
/// `today` is `YYYY-MM-DD`; a waiver holds up to and including its day.
pub fn weigh(policy: &Policy, waivers: &[Waiver], result: &mut PolicyResult, today: &str) {
    result.policy.clone_from(&policy.name);
    result.summary.clone_from(&policy.summary);
    result.path = policy.path.display().to_string();
    result.severity.clone_from(&policy.operation.severity);
    for lint in &mut result.lints {
        lint.silenced = policy.silenced.get(&lint.name).cloned();
    }
    for found in &mut result.properties {
        let violated = found.verdict == Verdict::Violated;
        let waiver = waivers.iter().find(|waiver| waiver.property == found.property && violated);
        let over = waiver.is_some_and(|waiver| waiver.is_expired(today));
        found.expected = policy.expect.get(&found.property).copied();
        found.waived = waiver.filter(|_| !over).map(|waiver| waiver.reason.clone());
        found.lapsed = waiver.filter(|_| over).map(|waiver| {
            let owner = waiver.owner.as_ref().map(|owner| format!(" ({owner})")).unwrap_or_default();
            format!("its waiver{owner} expired on {}: {}", waiver.until, waiver.reason)
        });
    }
    let weighed = waivers.iter().map(|waiver| weighed(waiver, result, today));
    result.waivers = weighed.collect();
    let warnings = trusted(policy, &result.properties);
    result.warnings.splice(0..0, warnings);
}

fn weighed(waiver: &Waiver, result: &PolicyResult, today: &str) -> WaiverResult {
    let found = result.properties.iter().find(|found| found.property == waiver.property);
    let days_left = days_between(today, &waiver.until);
    // A property that nobody asked for, or of which nothing is known, may be violated.
    let needed = found.is_none_or(|found| match found.verdict {
        Verdict::Violated => found.expected != Some(Verdict::Violated),
        verdict => verdict == Verdict::Inconclusive,
    });
    let state = match days_left {
        ..0 => WaiverState::Expired,
        _ if !needed => WaiverState::Unused,
        0..=WaiverState::SOON_DAYS => WaiverState::Expiring,
        _ => WaiverState::Active,
    };
    WaiverResult {
        property: waiver.property,
        reason: waiver.reason.clone(),
        until: waiver.until.clone(),
        owner: waiver.owner.clone(),
        ticket: waiver.ticket.clone(),
        state,
        days_left,
    }
}

/// Days from one `YYYY-MM-DD` to another. What is no date, which the reader refuses, is over.
fn days_between(from: &str, to: &str) -> i64 {
    let date = |text: &str| text.parse::<jiff::civil::Date>().ok();
    let days = date(from).zip(date(to)).and_then(|(from, to)| from.until(to).ok());
    days.map_or(-1, |span| span.get_days().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_months_and_backwards() {
        assert_eq!(days_between("2026-11-30", "2026-11-30"), 0);
        assert_eq!(days_between("2026-11-30", "2027-01-31"), 62);
        assert_eq!(days_between("2026-03-01", "2026-02-28"), -1);
        assert_eq!(days_between("2026-03-01", "2126-02-28"), 36_523);
    }
}
