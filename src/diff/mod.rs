//! What a change to policies and models means: verdicts gained and lost, numbers that moved, and the
//! shortest behaviour that is possible now and was not before.

pub mod behaviour;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::property::Property;
use crate::check::verdict::{
    CheckFailure, Counterexample, Number, PolicyResult, PropertyResult, Standing, Verdict,
};
use crate::check::weigh::WaiverResult;
use crate::policy::Policy;
use crate::policy::load::{Loaded, LoadedPolicy};
use crate::source::canonical::{declarations, said};
use behaviour::Behaviour;

/// The version of [`DiffReport`] that this build writes.
pub const DIFF_VERSION: u32 = 1;

/// What a change means, policy by policy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DiffReport {
    /// Version of this format.
    pub version: u32,
    /// Version of idemcheck.
    pub tool: String,
    /// What the change is against: a revision with its commit, or a folder.
    pub base: String,
    /// Whether waivers that the change adds count, too. Else only those of the base do.
    pub new_waivers: bool,
    /// Policies that say something else than before, or rely on a model that does; in order of their names.
    pub policies: Vec<PolicyDiff>,
    /// Policies that say the same as before. They are not checked.
    pub same: u64,
    /// Policies without a result, on either side. The exit code is 2 where one is of the head.
    pub failures: Vec<CheckFailure>,
    /// Policies per kind of change, `newly-violated` properties, those that held and are
    /// `no-longer-applicable`, and `inconclusive` ones of the head.
    pub summary: BTreeMap<String, u64>,
    pub seconds: f64,
}

/// What became of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Added,
    Removed,
    /// It behaves otherwise, or may.
    Changed,
    /// It says something else that makes no difference to what can happen: an expectation, a waiver, the
    /// name of a state.
    SameBehaviour,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Added, Kind::Removed, Kind::Changed, Kind::SameBehaviour];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Added => "added",
            Kind::Removed => "removed",
            Kind::Changed => "changed",
            Kind::SameBehaviour => "same-behaviour",
        }
    }
}

/// One policy before and after.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PolicyDiff {
    pub policy: String,
    /// Where it stands now, or stood before.
    pub path: String,
    pub kind: Kind,
    /// What its files declare otherwise.
    pub declared: Vec<Declared>,
    /// Properties with another verdict, standing or number; of a policy that was added or removed, all that
    /// apply.
    pub properties: Vec<PropertyDiff>,
    /// The waivers that govern, with what they come to.
    pub waivers: Vec<WaiverResult>,
    /// Properties whose waiver the change adds or renews; it does not count.
    pub not_governing: Vec<Property>,
    /// Properties of which the change newly expects anything but `holds`; it does not count.
    pub expectations_not_governing: Vec<Property>,
    /// What is possible now and was not before. Of a changed policy only.
    pub possible_now: Option<Behaviour>,
    /// What was possible before and is not now.
    pub possible_before: Option<Behaviour>,
    /// What keeps the comparison from being complete.
    pub notes: Vec<String>,
}

/// A declaration that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Declared {
    /// `policy`, `model`, or the name of a member with either.
    pub file: String,
    /// `store.lease`.
    pub key: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// A property before and after.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PropertyDiff {
    pub property: Property,
    /// None: the policy was not there, or could not be read.
    pub before: Option<Side>,
    pub after: Option<Side>,
    /// Violated now, and neither expected nor covered by a waiver that governs; and that was not so before. The
    /// same of what is expected to hold, and has no meaning any more.
    pub newly_violated: bool,
    /// The run that breaks it now, where that is new.
    pub counterexample: Option<Counterexample>,
}

/// What is known of a property on one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    pub verdict: Verdict,
    pub expected: Option<Verdict>,
    pub waived: Option<String>,
    pub lapsed: Option<String>,
    pub number: Option<Number>,
    pub reason: String,
}

impl Side {
    fn of(found: &PropertyResult) -> Side {
        Side {
            verdict: found.verdict,
            expected: found.expected,
            waived: found.waived.clone(),
            lapsed: found.lapsed.clone(),
            number: found.number.clone(),
            reason: found.reason.clone(),
        }
    }

    /// The same as a result, so that it is put into words as results are.
    pub fn result(&self, property: Property) -> PropertyResult {
        PropertyResult {
            expected: self.expected,
            waived: self.waived.clone(),
            lapsed: self.lapsed.clone(),
            number: self.number.clone(),
            reason: self.reason.clone(),
            ..PropertyResult::new(property, self.verdict)
        }
    }
}

impl PropertyDiff {
    /// Whether less is guaranteed than before, expected or not.
    pub fn got_worse(&self) -> bool {
        let holds = |side: &Side| matches!(side.verdict, Verdict::Holds | Verdict::Proved);
        match (&self.before, &self.after) {
            (None, _) => false,
            (Some(was), None) => was.verdict != Verdict::NotApplicable,
            (Some(was), Some(is)) => {
                let number = is.number.as_ref().zip(was.number.as_ref());
                let more = number.is_some_and(|(is, was)| is.is_worse_than(was));
                !holds(is) && (holds(was) || more)
            }
        }
    }

    /// Whether it held, and has no meaning any more.
    fn lost_its_meaning(&self) -> bool {
        let verdict = |side: &Option<Side>| side.as_ref().map(|side| side.verdict);
        matches!(verdict(&self.before), Some(Verdict::Holds | Verdict::Proved))
            && verdict(&self.after) == Some(Verdict::NotApplicable)
    }
}

/// The expectations that govern a policy which is on both sides. A change may expect more than the base, so
/// that it holds; anything less counts only where the base expects the same.
pub fn governing(
    base: &BTreeMap<Property, Verdict>,
    own: &BTreeMap<Property, Verdict>,
) -> BTreeMap<Property, Verdict> {
    let holds = |verdict: Option<Verdict>| matches!(verdict, Some(Verdict::Holds | Verdict::Proved));
    let of = |property: Property| {
        let (base, own) = (base.get(&property).copied(), own.get(&property).copied());
        match own {
            _ if holds(own) => own,
            None if !holds(base) => None,
            _ => base,
        }
    };
    Property::ALL.into_iter().filter_map(|property| Some((property, of(property)?))).collect()
}

/// A violation that nobody expects and nothing covers, or an expectation to hold that means nothing any more.
fn is_open(found: &PropertyResult) -> bool {
    let holds = matches!(found.expected, Some(Verdict::Holds | Verdict::Proved));
    let broken = found.verdict == Verdict::Violated || found.verdict == Verdict::NotApplicable && holds;
    broken && found.standing() == Standing::Unexpected
}

/// The properties that differ between two results. Of a policy that is on one side only, all that apply.
pub fn properties(before: Option<&PolicyResult>, after: Option<&PolicyResult>) -> Vec<PropertyDiff> {
    let of = |result: Option<&PolicyResult>, property| -> Option<PropertyResult> {
        result?.properties.iter().find(|found| found.property == property).cloned()
    };
    let mut out = Vec::new();
    for property in Property::ALL {
        let (was, is) = (of(before, property), of(after, property));
        let seen = |found: &Option<PropertyResult>| {
            found
                .as_ref()
                .map(|found| (found.verdict, found.standing(), found.number.clone(), found.lapsed.clone()))
        };
        let applies = |found: &Option<PropertyResult>| {
            found.as_ref().is_some_and(|found| found.standing() != Standing::NotApplicable)
        };
        // What is not known is said, though nothing was known before either.
        let open = is.as_ref().is_some_and(|is| is.verdict == Verdict::Inconclusive);
        if !open && seen(&was) == seen(&is) || !(applies(&was) || applies(&is)) {
            continue;
        }
        let newly_violated = is.as_ref().is_some_and(is_open) && !was.as_ref().is_some_and(is_open);
        let counterexample = is.as_ref().filter(|_| newly_violated).and_then(|is| is.counterexample.clone());
        out.push(PropertyDiff {
            property,
            before: was.as_ref().map(Side::of),
            after: is.as_ref().map(Side::of),
            newly_violated,
            counterexample,
        });
    }
    out
}

/// Everything that a policy was read from, by what it says: the same text for policies that say the same.
pub fn content(loaded: &Loaded, policy: &LoadedPolicy) -> String {
    let texts = files(loaded, policy);
    texts.into_iter().map(|(name, text)| format!("{name}\n{}\n", said(text, &[]))).collect()
}

/// The files of a policy, by what they are to it.
fn files<'a>(loaded: &'a Loaded, policy: &LoadedPolicy) -> Vec<(String, &'a str)> {
    let text = |file| loaded.files.text(file);
    let mut out = vec![("policy".to_owned(), text(policy.policy_file))];
    if policy.member_files.is_empty() {
        out.push(("model".to_owned(), text(policy.model_file)));
    }
    let members = &policy.policy.members;
    for (index, ((member, _), (own, model))) in members.iter().zip(&policy.member_files).enumerate() {
        // Members that are given by path may have one name.
        let alike =
            |members: &[_]| members.iter().filter(|(m, _): &&(Policy, _)| m.name == member.name).count();
        let number =
            if alike(members) > 1 { format!(" {}", alike(&members[..=index])) } else { String::new() };
        out.push((format!("policy of {}{number}", member.name), text(*own)));
        out.push((format!("model of {}{number}", member.name), text(*model)));
    }
    out
}

/// What the files of a policy declare otherwise than before.
pub fn declared(before: (&Loaded, &LoadedPolicy), after: (&Loaded, &LoadedPolicy)) -> Vec<Declared> {
    let texts = |(loaded, policy): (&Loaded, &LoadedPolicy)| -> BTreeMap<String, BTreeMap<String, String>> {
        let files = files(loaded, policy).into_iter();
        files
            .map(|(name, text)| (name, declarations(text).unwrap_or_default().into_iter().collect()))
            .collect()
    };
    let (was, is) = (texts(before), texts(after));
    let mut names: Vec<&String> = was.keys().chain(is.keys()).collect();
    // The policy's own file comes first.
    names.sort_by_key(|name| (*name != "policy", *name));
    names.dedup();
    let mut out = Vec::new();
    for name in names {
        let none = BTreeMap::new();
        let (was, is) = (was.get(name).unwrap_or(&none), is.get(name).unwrap_or(&none));
        let mut keys: Vec<&String> = was.keys().chain(is.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys.into_iter().filter(|key| was.get(*key) != is.get(*key)) {
            let (before, after) = (was.get(key).cloned(), is.get(key).cloned());
            out.push(Declared { file: name.clone(), key: key.clone(), before, after });
        }
    }
    out
}

impl DiffReport {
    /// A report with its summary counted.
    pub fn new(
        base: String,
        new_waivers: bool,
        mut policies: Vec<PolicyDiff>,
        same: u64,
        failures: Vec<CheckFailure>,
        seconds: f64,
    ) -> DiffReport {
        policies.sort_by(|a, b| a.policy.cmp(&b.policy));
        let of = |kind: Kind| policies.iter().filter(|policy| policy.kind == kind).count() as u64;
        let mut summary: BTreeMap<String, u64> =
            Kind::ALL.into_iter().map(|kind| (kind.name().to_owned(), of(kind))).collect();
        let all = || policies.iter().flat_map(|policy| &policy.properties);
        let newly = all().filter(|property| property.newly_violated).count() as u64;
        let open =
            |side: &Option<Side>| side.as_ref().is_some_and(|side| side.verdict == Verdict::Inconclusive);
        let inconclusive = all().filter(|property| open(&property.after)).count() as u64;
        summary.insert("newly-violated".to_owned(), newly);
        let lost = all().filter(|property| property.lost_its_meaning()).count() as u64;
        summary.insert("no-longer-applicable".to_owned(), lost);
        summary.insert("inconclusive".to_owned(), inconclusive);
        summary.insert("failed".to_owned(), failures.len() as u64);
        let tool = env!("CARGO_PKG_VERSION").to_owned();
        DiffReport {
            version: DIFF_VERSION,
            tool,
            base,
            new_waivers,
            policies,
            same,
            failures,
            summary,
            seconds,
        }
    }
}

/// The JSON Schema of a report.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(DiffReport)
}
