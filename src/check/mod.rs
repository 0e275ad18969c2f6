//! The search over a timed system, and what is made of it: verdicts, numbers, counterexamples.

pub mod baseline;
pub mod cluster;
mod endless;
mod error;
mod fewest;
pub mod graph;
pub mod judge;
mod lasso;
pub mod margins;
mod moments;
pub mod oracle;
pub mod partition;
pub mod proof;
pub mod properties;
pub mod property;
mod reductions;
mod remarks;
mod scope;
pub mod search;
pub mod suggest;
pub mod trace;
pub mod verdict;
mod verdicts;
mod verify;
pub mod weigh;

pub use error::CheckError;
pub use oracle::explore;
pub use reductions::Reductions;
pub use trace::ReplayError;
pub use verdicts::{Verdicts, verdicts};
pub use verify::{find, find_on, prove, replay, verify, verify_with};
pub use weigh::weigh;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Which of the two engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The native explorer over zones: dense time.
    Zones,
    /// Integer time under stateright.
    Stateright,
}

/// Where a search gives up. Each is printed when it ends a search.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Zones held; states of integer time under stateright.
    pub states_max: Option<u64>,
    /// Bytes held by the search.
    pub memory_max: Option<u64>,
    pub time_max: Option<Duration>,
}

impl Limits {
    /// What a search says of the limit of zones, or of states in integer time, that ended it.
    pub(crate) fn of_count(most: u64, what: &str) -> String {
        format!("the limit of {} {what} held", verdict::grouped(most))
    }

    /// What a search says of the limit of memory that ended it.
    pub(crate) fn of_memory(most: u64) -> String {
        match most >> 20 {
            0 => format!("the limit of {} bytes of memory", verdict::grouped(most)),
            mebibytes => format!("the limit of {} MiB of memory", verdict::grouped(mebibytes)),
        }
    }

    /// The same of time. Its value is the whole run's, which a search does not know.
    pub(crate) const OF_TIME: &str = "the limit of time";
    /// The same of an interrupt.
    pub(crate) const INTERRUPT: &str = "an interrupt";
}

/// Everything that steers a check, apart from the policy.
pub struct VerifyOptions<'a> {
    pub engine: Engine,
    pub limits: Limits,
    /// What is asked for; nothing: every property.
    pub properties: &'a [property::Property],
    /// A policy's search stops at its first violation of one of these that is neither expected nor
    /// waived.
    pub fail_fast: &'a [property::Property],
    /// Today as `YYYY-MM-DD`: a waiver holds up to and including its day.
    pub today: &'a str,
    /// Set from outside (Ctrl-C): the search stops soon after.
    pub cancel: &'a AtomicBool,
    /// Called now and then, at least a few times a second.
    pub progress: &'a (dyn Fn(&Progress) + Sync),
}

impl VerifyOptions<'_> {
    /// Whether the result has to say something of this property.
    pub fn wants(&self, property: property::Property) -> bool {
        self.properties.is_empty() || self.properties.contains(&property)
    }
}

/// A glimpse of a running search.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Zones expanded so far.
    pub visited: u64,
    pub queue: u64,
    pub depth: u32,
    /// Bytes held, estimated.
    pub memory: u64,
}
