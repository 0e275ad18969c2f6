//! The result of checking one policy, as plain data: every renderer works from this, and it is
//! what `--format json` writes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::baseline::BaselineResult;
use super::margins::Margins;
use super::partition::Partition;
use super::property::Property;
use super::weigh::{WaiverResult, WaiverState};

/// What is known of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Holds for any number of requests, attempts and crashes: an invariant excludes every violation.
    Proved,
    /// Holds in the declared scope; the search was complete.
    Holds,
    /// There is a run that breaks it, and it is shown.
    Violated,
    /// A limit was reached before the search was complete.
    Inconclusive,
    /// The property has no meaning for this policy: the reason is given.
    NotApplicable,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Proved => "proved",
            Verdict::Holds => "holds",
            Verdict::Violated => "violated",
            Verdict::Inconclusive => "inconclusive",
            Verdict::NotApplicable => "not-applicable",
        }
    }
}

/// How far the adversary and the clients go in this check: a verdict means nothing without it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scope {
    /// Requests of the operation under one key.
    pub requests: u32,
    /// Further requests with the same key and another payload.
    pub conflicting: u32,
    /// Requests of another operation that the key derivation gives the same key.
    pub merged: u32,
    /// Attempts each request may make, the first included.
    pub attempts_each: u32,
    pub crashes: u32,
    pub lost_requests: u32,
    pub lost_responses: u32,
    pub ambiguous_acks: u32,
    pub aborts: u32,
    pub failovers: u32,
    pub store_errors: u32,
    pub lock_losses: u32,
    pub duplicate_requests: u32,
    pub late_requests: u32,
    pub redeliveries: u32,
    /// How much a worker's clock may differ from the store's, in milliseconds.
    pub clock_skew_ms: i64,
    /// Requests are messages, attempts deliveries.
    pub queue: bool,
    /// Of a remediation: its target, its fault, and what begins its runs. Counts of requests mean nothing then.
    pub target: Vec<String>,
    /// Instances and runs of each role: `relay 2 x 3`.
    pub roles: Vec<String>,
    /// Whether anything is called that could take effect late.
    pub calls: bool,
    /// Whether a crashed attempt may be run again from its start.
    pub restart: bool,
    /// Longest stall between two steps of a worker, in milliseconds; none: unbounded.
    pub pause_ms: Option<i64>,
    /// How long after its timeout a call may still take effect, in milliseconds; none: unbounded.
    pub late_ms: Option<i64>,
    /// Latest moment at which a retry or a replay arrives, in milliseconds; none: unbounded.
    pub within_ms: Option<i64>,
}

/// A lint that a policy does not meet, and what the check makes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LintResult {
    /// `idemcheck explain NAME` tells more.
    pub name: String,
    /// The inequality, with the policy's numbers.
    pub says: String,
    /// Where the rule comes from.
    pub source: String,
    /// The property whose counterexample bears it out.
    pub confirmed_by: Option<Property>,
    /// The same as a sentence, or why no run bears it out.
    pub confirmation: String,
    /// Why the policy accepts it (`[[silence]]`).
    pub silenced: Option<String>,
}

/// How the search went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchStats {
    /// Zones expanded.
    pub visited: u64,
    /// Zones kept at the end.
    pub stored: u64,
    /// Zones found inside another one.
    pub covered: u64,
    pub transitions: u64,
    /// Discrete states seen.
    pub states: u64,
    /// Steps of the longest shortest path.
    pub depth: u32,
    pub seconds: f64,
    /// False when a limit ended the search.
    pub complete: bool,
    /// The limit that ended it.
    pub stopped_by: Option<String>,
}

/// A number that goes with a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Number {
    /// `most effects`, `worst stuck time`.
    pub name: String,
    /// The value as people read it: `2`, `30s`, `unbounded`.
    pub value: String,
    /// The value for machines: a count, or milliseconds. None where there is no bound.
    pub exact: Option<i64>,
}

impl Number {
    /// Whether it may be worse than it says: the search did not see all, or counts no further.
    pub fn is_open(&self) -> bool {
        self.value.ends_with(" or more") || self.value.ends_with(" or less")
    }

    /// Whether it is worse than another one of the same kind: more, or less of what should be much. `7 or more`
    /// is worse than `7`.
    pub fn is_worse_than(&self, other: &Number) -> bool {
        let rank = |number: &Number| {
            let exact = number.exact.unwrap_or(i64::MAX);
            let bad = if number.name.starts_with("lowest") { -exact } else { exact };
            (bad, number.is_open())
        };
        rank(self) > rank(other)
    }
}

/// One property of one policy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PropertyResult {
    pub property: Property,
    pub verdict: Verdict,
    /// From the policy's `[expect]`.
    pub expected: Option<Verdict>,
    /// The reason of the waiver that covers this violation.
    pub waived: Option<String>,
    /// Of a violation that a waiver covered: since when it does not, and the waiver's reason.
    pub lapsed: Option<String>,
    /// The baseline has this violation, with this very counterexample.
    pub baselined: bool,
    /// One sentence: what happens in the counterexample, which limit, why not applicable; for how many of
    /// what it is proved, or why it holds in its scope only.
    pub reason: String,
    pub number: Option<Number>,
    pub counterexample: Option<Counterexample>,
}

impl PropertyResult {
    /// A verdict, and nothing said of it yet.
    pub fn new(property: Property, verdict: Verdict) -> PropertyResult {
        PropertyResult {
            property,
            verdict,
            expected: None,
            waived: None,
            lapsed: None,
            baselined: false,
            reason: String::new(),
            number: None,
            counterexample: None,
        }
    }

    /// Whether this result is what the policy's author said it would be.
    pub fn as_expected(&self) -> bool {
        match self.standing() {
            Standing::Met
            | Standing::MetViolated
            | Standing::Waived
            | Standing::Baselined
            | Standing::NotApplicable => true,
            Standing::Inconclusive => self.expected.is_none(),
            Standing::Unexpected => false,
        }
    }

    /// The verdict seen against the expectation, the waiver and the baseline.
    pub fn standing(&self) -> Standing {
        match (self.verdict, self.expected) {
            (Verdict::Violated, Some(Verdict::Violated)) => Standing::MetViolated,
            (Verdict::Violated, _) if self.waived.is_some() => Standing::Waived,
            (Verdict::Violated, _) if self.baselined => Standing::Baselined,
            (Verdict::NotApplicable, None | Some(Verdict::NotApplicable)) => Standing::NotApplicable,
            // A proof is more than what was asked for.
            (Verdict::Proved, Some(Verdict::Holds)) => Standing::Met,
            (verdict, Some(expected)) if verdict == expected => Standing::Met,
            (Verdict::Inconclusive, _) => Standing::Inconclusive,
            (Verdict::Holds | Verdict::Proved, None) => Standing::Met,
            _ => Standing::Unexpected,
        }
    }
}

/// A verdict seen against what the policy's author expects: this decides the exit code. The
/// greater one wins where several meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The property has no meaning for this policy, and no one said otherwise.
    NotApplicable,
    /// Holds, or another verdict that was expected.
    Met,
    /// Violated, and the policy says so: it is a test case.
    MetViolated,
    /// Violated, and a reviewed waiver covers it.
    Waived,
    /// Violated as it was when the baseline was written.
    Baselined,
    /// A limit ended the search before it could say.
    Inconclusive,
    /// Violated without a word about it, or an expectation that is not met.
    Unexpected,
}

/// A run that breaks a property: every step with its moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counterexample {
    pub property: Property,
    pub steps: Vec<Step>,
    /// For a run without end: the index into `steps` of the first step that repeats.
    pub repeats_from: Option<usize>,
    /// How long one round takes, in milliseconds.
    pub round_ms: Option<i64>,
}

impl Counterexample {
    /// What goes wrong, in one sentence.
    pub fn headline(&self) -> String {
        let last = self.steps.last();
        match (self.repeats_from, last) {
            (Some(from), _) => {
                let round = self.round_ms.map(format_ms).unwrap_or_default();
                format!("from step {} the run repeats for ever, every {round}", from + 1)
            }
            (None, Some(step)) => {
                let breaks = step.breaks.as_deref().unwrap_or_default();
                format!("after {}, {} {breaks}", format_moment(step.at_ms), step.who)
            }
            (None, None) => String::new(),
        }
    }
}

/// One step of a counterexample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Milliseconds since the run began.
    pub at_ms: i64,
    /// `client 1`, `attempt 1.2`, `downstream`.
    pub who: String,
    /// What it does: `store.insert`, `sends attempt 2`.
    pub does: String,
    /// What it sees: `inserted`, `timeout`.
    pub sees: String,
    /// State that this step changed.
    pub changes: Vec<Change>,
    /// The edge taken, for replay: its number among the edges of the state.
    pub edge: u32,
    /// Set on the step that breaks the property: what went wrong.
    pub breaks: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// `receipt`, `effects`, `lease`.
    pub what: String,
    pub from: String,
    pub to: String,
}

/// Everything that was found out about one policy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PolicyResult {
    pub policy: String,
    pub summary: String,
    /// As the user named it.
    pub path: String,
    pub model: String,
    /// What is at stake, as `[operation] severity` says.
    pub severity: Option<String>,
    pub engine: String,
    pub scope: Scope,
    /// The scope in one line, for people.
    pub scope_line: String,
    pub search: SearchStats,
    /// A second search, for runs without end; none where the model has no loop.
    pub loops: Option<SearchStats>,
    pub properties: Vec<PropertyResult>,
    /// The policy's waivers, in its order.
    pub waivers: Vec<WaiverResult>,
    /// Proofs for any number of attempts; there only where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<ProofSummary>,
    /// Outcomes and transitions that no run ever took, and other remarks.
    pub warnings: Vec<String>,
    /// Rules of thumb that the policy does not meet.
    pub lints: Vec<LintResult>,
    /// Every outcome that the model maps and no run of this policy saw, as `state: outcome`. Empty
    /// where the search was not complete.
    pub untaken: Vec<String>,
    /// How far each declaration is from changing a verdict, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margins: Option<Margins>,
}

impl PolicyResult {
    /// The gravest standing among the properties.
    pub fn standing(&self) -> Standing {
        self.properties.iter().map(PropertyResult::standing).max().unwrap_or(Standing::NotApplicable)
    }

    /// Whether every search that was needed came to its end.
    pub fn complete(&self) -> bool {
        self.search.complete && self.loops.as_ref().is_none_or(|loops| loops.complete)
    }
}

/// A proof, and how much of it there is; `verify --proofs` writes the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProofSummary {
    pub properties: Vec<Property>,
    /// For how many of what it is a proof.
    pub scope: String,
    /// It is about clocks; else any timer may fire at any moment.
    pub timed: bool,
    /// How many pieces its invariant has.
    pub pieces: u64,
}

/// A policy that could be read and not be checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckFailure {
    pub policy: String,
    /// As the user named it.
    pub path: String,
    /// What stands in the way.
    pub message: String,
}

/// The whole report of one `verify`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this format.
    pub version: u32,
    /// Version of idemcheck.
    pub tool: String,
    pub policies: Vec<PolicyResult>,
    /// Policies without a result. The exit code is 2 then, whatever the others say.
    pub failures: Vec<CheckFailure>,
    /// Policies per standing, after `[expect]`, waivers and baseline: `holds`, `violated-as-expected`,
    /// `waived`, `baselined`, `inconclusive`, `unexpected`, and `failed` for those that could not be read
    /// or checked. Always all seven.
    pub summary: BTreeMap<String, u64>,
    /// Waivers per state: `active`, `expiring`, `expired`, `unused`. Always all four.
    pub waivers: BTreeMap<String, u64>,
    /// What the baseline came to, where there is one.
    pub baseline: Option<BaselineResult>,
    /// Of which part of a run this is the report; none: of all of it.
    pub partition: Option<Partition>,
    /// How long the whole run took.
    pub seconds: f64,
}

/// The version of [`Report`] that this build writes.
pub const REPORT_VERSION: u32 = 1;

impl Report {
    /// Outcomes of models that several policies use and that no run of any of them saw: a proof says
    /// nothing of what follows from them.
    pub fn never_taken(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut users: BTreeMap<&str, Vec<&PolicyResult>> = BTreeMap::new();
        for result in self.policies.iter().filter(|result| result.complete()) {
            users.entry(&result.model).or_default().push(result);
        }
        users.retain(|_, results| results.len() > 1);
        fn common<'a>(results: &[&'a PolicyResult]) -> Vec<&'a str> {
            let everywhere = |name: &&String| results.iter().all(|result| result.untaken.contains(name));
            results[0].untaken.iter().filter(everywhere).map(String::as_str).collect()
        }
        let all = users.into_iter().map(|(model, results)| (model, common(&results)));
        all.filter(|(_, outcomes)| !outcomes.is_empty()).collect()
    }

    /// How many policies have a fault in their files.
    pub fn unread(&self) -> u64 {
        let failed = self.summary.get("failed").copied().unwrap_or(0);
        failed.saturating_sub(self.failures.len() as u64)
    }

    /// The report with its policies counted again, after their results have changed.
    #[must_use]
    pub fn counted_again(self) -> Report {
        let unread = self.unread();
        let Report { policies, failures, baseline, partition, seconds, .. } = self;
        Report { baseline, partition, ..Report::new(policies, failures, unread, seconds) }
    }

    /// A report with its summary counted. `unread` says how many further policies were asked for
    /// and have a fault in their files.
    pub fn new(
        policies: Vec<PolicyResult>,
        failures: Vec<CheckFailure>,
        unread: u64,
        seconds: f64,
    ) -> Report {
        let count = |standing: &[Standing]| {
            policies.iter().filter(|policy| standing.contains(&policy.standing())).count() as u64
        };
        let summary = BTreeMap::from([
            ("holds".to_owned(), count(&[Standing::Met, Standing::NotApplicable])),
            ("violated-as-expected".to_owned(), count(&[Standing::MetViolated])),
            ("waived".to_owned(), count(&[Standing::Waived])),
            ("baselined".to_owned(), count(&[Standing::Baselined])),
            ("inconclusive".to_owned(), count(&[Standing::Inconclusive])),
            ("unexpected".to_owned(), count(&[Standing::Unexpected])),
            ("failed".to_owned(), failures.len() as u64 + unread),
        ]);
        let in_state = |state: WaiverState| {
            let all = policies.iter().flat_map(|policy| &policy.waivers);
            all.filter(|waiver| waiver.state == state).count() as u64
        };
        let waivers =
            WaiverState::ALL.into_iter().map(|state| (state.name().to_owned(), in_state(state))).collect();
        let (version, tool) = (REPORT_VERSION, env!("CARGO_PKG_VERSION").to_owned());
        Report {
            version,
            tool,
            policies,
            failures,
            summary,
            waivers,
            baseline: None,
            partition: None,
            seconds,
        }
    }
}

impl Scope {
    /// The scope in one line: what [`PolicyResult::scope_line`] holds.
    pub fn line(&self) -> String {
        let (one, many) = if self.queue { ("message", "messages") } else { ("request", "requests") };
        let requests = u32::from(self.target.is_empty());
        let mut parts = self.target.clone();
        parts.extend((requests > 0).then(|| counted(self.requests, one, many)));
        let mut optional = |count: u32, one: &str, many: &str| {
            if count > 0 {
                parts.push(counted(count, one, many));
            }
        };
        optional(self.conflicting, "request with another payload", "requests with another payload");
        optional(self.merged, "request of another operation", "requests of another operation");
        let (one, many) = match self.queue {
            true => ("delivery each", "deliveries each"),
            false => ("attempt each", "attempts each"),
        };
        optional(self.attempts_each * requests, one, many);
        let (one, many) = match self.restart {
            true => ("crash with restart", "crashes with restart"),
            false => ("crash", "crashes"),
        };
        optional(self.crashes, one, many);
        optional(self.lost_requests, "lost request", "lost requests");
        optional(self.lost_responses, "lost response", "lost responses");
        optional(self.ambiguous_acks, "ambiguous ack", "ambiguous acks");
        optional(self.aborts, "abort", "aborts");
        optional(self.failovers, "failover", "failovers");
        optional(self.store_errors, "store error", "store errors");
        optional(self.lock_losses, "lost lock", "lost locks");
        optional(self.duplicate_requests, "duplicated request", "duplicated requests");
        optional(self.late_requests, "late request", "late requests");
        optional(self.redeliveries, "redelivery", "redeliveries");
        parts.extend(self.roles.iter().map(|role| format!("runs of {role}")));
        if self.clock_skew_ms > 0 {
            parts.push(format!("clock skew <= {}", format_ms(self.clock_skew_ms)));
        }
        let mut bounds = vec![("pause", self.pause_ms)];
        if self.calls {
            bounds.push(("late effects", self.late_ms));
        }
        if requests > 0 {
            bounds.push((if self.queue { "deliveries" } else { "retries" }, self.within_ms));
        }
        for (name, bound) in bounds {
            parts.push(match bound {
                Some(ms) => format!("{name} <= {}", format_ms(ms)),
                None => format!("{name} unbounded"),
            });
        }
        parts.join(", ")
    }
}

fn counted(count: u32, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A count with separators: `48,211`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A duration in the units in which people write one, exact: `250ms`, `1.5s`, `1m 30s`, `24h`, `30d`.
pub fn format_ms(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let mut rest = ms.unsigned_abs();
    if rest == 0 {
        return "0s".to_owned();
    }
    if rest < SECOND {
        return format!("{sign}{rest}ms");
    }
    let mut parts = Vec::new();
    // A day is `24h` to most people; from two on they count days.
    if rest >= 2 * DAY {
        parts.push(format!("{}d", rest / DAY));
        rest %= DAY;
    }
    for (unit, name) in [(HOUR, "h"), (MINUTE, "m")] {
        if rest >= unit {
            parts.push(format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if rest > 0 {
        parts.push(seconds(rest));
    }
    format!("{sign}{}", parts.join(" "))
}

/// A moment of a run: seconds as long as they are easy to compare, then as [`format_ms`].
pub fn format_moment(ms: i64) -> String {
    if (0..2 * MINUTE as i64).contains(&ms) { seconds(ms.unsigned_abs()) } else { format_ms(ms) }
}

fn seconds(ms: u64) -> String {
    let decimals = format!("{}.{:03}", ms / SECOND, ms % SECOND);
    format!("{}s", decimals.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        let minute = 60_000;
        for (ms, text) in [
            (0, "0s"),
            (250, "250ms"),
            (1500, "1.5s"),
            (90_000, "1m 30s"),
            (30 * minute, "30m"),
            (60 * minute + 500, "1h 0.5s"),
            (24 * 60 * minute, "24h"),
            (30 * 24 * 60 * minute, "30d"),
            (49 * 60 * minute, "2d 1h"),
            (-1500, "-1.5s"),
        ] {
            assert_eq!(format_ms(ms), text);
        }
        assert_eq!(format_ms(i64::MIN).chars().next(), Some('-'));
    }

    #[test]
    fn counts_have_separators() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(48_211), "48,211");
        assert_eq!(grouped(1_000_000), "1,000,000");
    }

    #[test]
    fn moments_stay_in_seconds_for_two_minutes() {
        assert_eq!(format_moment(0), "0s");
        assert_eq!(format_moment(16_020), "16.02s");
        assert_eq!(format_moment(119_999), "119.999s");
        assert_eq!(format_moment(86_400_500), "24h 0.5s");
    }

    #[test]
    fn a_standing_weighs_the_verdict_against_the_expectation() {
        use Verdict::*;
        let standing = |verdict, expected, waived: bool| {
            let waived = waived.then(|| "reviewed".to_owned());
            let result = PropertyResult::new(Property::SingleExecution, verdict);
            PropertyResult { expected, waived, ..result }.standing()
        };
        assert_eq!(standing(Holds, None, false), Standing::Met);
        assert_eq!(standing(Proved, Some(Holds), false), Standing::Met);
        assert_eq!(standing(Violated, None, false), Standing::Unexpected);
        assert_eq!(standing(Violated, None, true), Standing::Waived);
        assert_eq!(standing(Violated, Some(Violated), false), Standing::MetViolated);
        assert_eq!(standing(Holds, Some(Violated), false), Standing::Unexpected);
        assert_eq!(standing(NotApplicable, Some(Violated), false), Standing::Unexpected);
        assert_eq!(standing(Inconclusive, Some(Violated), false), Standing::Inconclusive);
        assert_eq!(standing(Inconclusive, Some(Holds), false), Standing::Inconclusive);
        assert_eq!(standing(NotApplicable, None, false), Standing::NotApplicable);
        let known = |verdict, expected| {
            let result = PropertyResult::new(Property::SingleExecution, verdict);
            PropertyResult { expected, baselined: true, ..result }.standing()
        };
        assert_eq!(known(Violated, None), Standing::Baselined);
        assert_eq!(known(Violated, Some(Violated)), Standing::MetViolated);
        assert_eq!(known(Holds, None), Standing::Met);
    }
}
