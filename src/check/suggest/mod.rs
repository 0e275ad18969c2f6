//! Suggestions: the smallest changes to a policy that make every property hold, each checked in full from its own
//! text.
//!
//! First every single change is tried, then pairs, within limits that are said. A property that held must go on to
//! hold, one that applied must go on to apply, and something must still be done: a policy that never acts breaks
//! nothing. What the adversary may do and what the policy asks for (`[faults]` counts, requests, floors, bounds on
//! actions) is left alone. A change of what somebody else has to keep is a promise, and is named as such.

mod changes;
mod patch;
mod search;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::property::Property;

pub use changes::Kind;
pub use search::{SuggestOptions, suggest};

/// What was found for one policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Suggestions {
    /// Of this format: 1.
    pub version: u32,
    pub policy: String,
    /// As the user named it.
    pub path: String,
    /// What does not hold now, and is to.
    pub violated: Vec<Property>,
    /// The fewest changes first; of these, those that promise nothing more, then the smallest.
    pub suggestions: Vec<Suggestion>,
    pub tried: Tried,
    /// Why nothing was tried.
    pub open: Option<String>,
}

/// How much was tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tried {
    /// Single changes: values of one declaration are one.
    pub singles: u64,
    pub pairs: u64,
    /// Checks made for them.
    pub checks: u64,
    pub seconds: f64,
    /// Seconds that it may take.
    pub seconds_max: f64,
    /// For a check: zones held.
    pub zones_max: u64,
    /// The limit that came before everything was tried.
    pub stopped_by: Option<String>,
    /// Changes that a limit kept from being judged.
    pub undecided: u64,
}

/// Changes that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Suggestion {
    pub changes: Vec<Edit>,
    /// Whether somebody else has to keep one of them.
    pub kind: Kind,
    /// Doublings of durations; any other change counts as one.
    pub distance: f64,
    /// Lines of `[expect]` that are no longer true, and are taken out as well.
    pub expectations: Vec<Property>,
    /// For `patch -p1` and `git apply`, in the current folder or in the one that its first line says.
    pub patch: String,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edit {
    /// Of a system: the file of the member.
    pub path: String,
    /// `store.lease`.
    pub name: String,
    /// As TOML; none: it was not there.
    pub from: Option<String>,
    pub to: String,
    pub kind: Kind,
    /// Of a promise: who has to keep it.
    pub keeper: Option<String>,
}

impl Edit {
    /// `store.lease "12s" → "16s"`.
    pub fn line(&self) -> String {
        let from = self.from.as_deref().unwrap_or("not declared");
        format!("{} {from} → {}", self.name, self.to)
    }
}
