//! Lints: inequalities between what a policy declares, one per file, each with its source. A lint
//! proves nothing; the check that runs beside it says whether a run bears it out.

mod approval_above_deadline;
mod bound;
mod cooldown_below_action;
mod cooldown_below_settle;
mod dead_guard;
mod dedup_below_horizon;
mod grace_below_boot;
mod identity_left_out;
mod key_per_attempt;
mod lease_below_handler;
mod lock_below_action;
mod lock_below_handler;
mod native_key_below_ttl;
mod over_tight_guard;
mod quiet_reset_evaded;
mod remedy_changes_nothing;
mod stable_beside_identity;
mod ttl_below_horizon;
mod two_writers;
mod visibility_below_handler;

use crate::check::property::Property;
use crate::model::Protocol;
use crate::model::graph::Uses;
use crate::policy::Policy;

pub use bound::Inequality;

/// A rule of thumb about a policy's numbers.
#[derive(Debug)]
pub struct Lint {
    pub name: &'static str,
    /// What it finds, in one clause.
    pub brief: &'static str,
    /// Why it matters and what to do.
    pub why: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
    /// The properties that a run breaks where the lint is right; none: it is about what no run here shows.
    pub shown_by: &'static [Property],
    find: Find,
}

/// How a lint looks at a policy; none: the lint is about nothing that is there.
#[derive(Debug)]
enum Find {
    /// The inequality with the policy's numbers, met or not.
    Compared(fn(&Policy, &Uses) -> Option<Inequality>),
    /// What is wrong, where something is.
    Broken(fn(&Policy, &Uses) -> Option<String>),
}

impl Lint {
    fn find(&self, policy: &Policy, uses: &Uses) -> Option<Inequality> {
        match self.find {
            Find::Compared(find) => find(policy, uses),
            Find::Broken(find) => find(policy, uses).map(Inequality::broken),
        }
    }
}

/// Every lint, in the order in which people see them.
pub static LINTS: [&Lint; 19] = [
    &key_per_attempt::LINT,
    &identity_left_out::LINT,
    &stable_beside_identity::LINT,
    &ttl_below_horizon::LINT,
    &lease_below_handler::LINT,
    &lock_below_handler::LINT,
    &native_key_below_ttl::LINT,
    &visibility_below_handler::LINT,
    &dedup_below_horizon::LINT,
    &dead_guard::LINT,
    &over_tight_guard::LINT,
    &cooldown_below_action::LINT,
    &cooldown_below_settle::LINT,
    &lock_below_action::LINT,
    &remedy_changes_nothing::LINT,
    &quiet_reset_evaded::LINT,
    &grace_below_boot::LINT,
    &approval_above_deadline::LINT,
    &two_writers::LINT,
];

/// The lints that a policy does not meet, each with the inequality.
pub fn findings(policy: &Policy, protocol: &Protocol) -> Vec<(&'static Lint, String)> {
    let found = inequalities(policy, protocol).into_iter();
    found.filter(|(_, found)| !found.met).map(|(lint, found)| (lint, found.says)).collect()
}

/// What the lints compare in a policy, and how it stands; of a system, its members' with their names.
pub fn inequalities(policy: &Policy, protocol: &Protocol) -> Vec<(&'static Lint, Inequality)> {
    let alone = |policy: &Policy, protocol: &Protocol| -> Vec<(&'static Lint, Inequality)> {
        let uses = protocol.uses(|choice| policy.choices.get(choice).map(String::as_str));
        LINTS.into_iter().filter_map(|lint| Some((lint, lint.find(policy, &uses)?))).collect()
    };
    if policy.members.is_empty() {
        return alone(policy, protocol);
    }
    let of_members = policy.members.iter().flat_map(|(member, protocol)| {
        let named =
            |found: Inequality| Inequality { says: format!("{}: {}", member.name, found.says), ..found };
        alone(member, protocol).into_iter().map(move |(lint, found)| (lint, named(found)))
    });
    let together = two_writers::LINT.find(policy, &Uses::default());
    together.map(|found| (&two_writers::LINT, found)).into_iter().chain(of_members).collect()
}

/// The longest that an attempt can be at work between its claim and its record, call included.
fn handler(policy: &Policy) -> Vec<(&'static str, Option<i64>)> {
    let call = policy.downstream.as_ref().map(|downstream| match downstream.timeout {
        Some(timeout) => ("downstream.timeout", Some(timeout)),
        None => ("downstream.latency", downstream.latency_max),
    });
    call.into_iter().chain([("faults.pause", policy.faults.pause)]).collect()
}
