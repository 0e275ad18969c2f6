//! Margins: how far each declared duration and count is from changing a verdict.
//!
//! Around the value that is declared, the search finds the nearest value on each side at which some verdict is
//! another one, or which the reader refuses. What is certain, and what is not:
//!
//! - An edge is exact: the full check was made of the last value that keeps the verdicts and of the next one.
//! - Values between the declared one and an edge were tried where a verdict can change, at sums and differences of
//!   the other durations, the simplest first, and one step further; all of them where they are few. Verdicts need
//!   not change once only, so a span whose inside was not tried at every value may hide a change in it: [`Inside`]
//!   says what was tried.
//! - A search that a limit ended decides nothing: the side is open, and says how far it got.

pub mod base;
pub mod critical;
mod measure;
mod walk;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::property::Property;
use super::verdict::Verdict;

pub use measure::{MarginOptions, measure};

/// Spans of no more values than this are tried value by value.
pub const VALUES_FEW: i64 = 16;
/// A probe may hold this many zones, and so many times those of the policy itself.
pub const ZONES_MORE: (u64, u64) = (20_000, 8);

/// A check may take so many times as long as the policy's own searches took, and a second or a sixtieth of
/// all the time at the least.
pub const SECONDS_MORE: f64 = 20.0;
/// How many times as long a full check of an edge may take.
pub const FULL_MORE: u32 = 3;

/// The margins of one policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Margins {
    /// In the order of the policy's file; then those of presets, and of a system's members.
    pub declarations: Vec<Margin>,
    /// Why there are none.
    pub open: Option<String>,
    /// Checks made.
    pub probes: u64,
    pub seconds: f64,
    pub limits: MarginLimits,
    /// The limit that was reached.
    pub stopped_by: Option<String>,
}

/// Where the search for margins gives up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MarginLimits {
    /// For a policy.
    pub seconds: f64,
    /// For a declaration.
    pub probes: u64,
    /// For a check: zones held.
    pub zones: u64,
    /// For a check; a full one has [`FULL_MORE`] times as long, and is not limited in zones by this.
    pub check_seconds: f64,
}

/// One declaration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Margin {
    /// `store.lease`, `downstream.latency (longest)`.
    pub declaration: String,
    /// Of a system: the member that declares it.
    pub member: Option<String>,
    /// The preset that says it, where the policy does not.
    pub preset: Option<String>,
    pub unit: MarginUnit,
    /// What it was moved by: the smallest unit that is written.
    pub step: i64,
    pub value: i64,
    pub written: String,
    pub below: Side,
    pub above: Side,
}

/// What the numbers of a [`Margin`] count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MarginUnit {
    Milliseconds,
    Count,
}

/// One side of a declared value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// The last value at which every verdict is as it is now.
    pub safe: i64,
    pub safe_written: String,
    pub end: End,
    pub inside: Inside,
}

/// What comes after the last safe value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum End {
    /// At the next value these verdicts are others.
    Flips { at: i64, at_written: String, changes: Vec<VerdictChange> },
    /// The next value is refused.
    NotAllowed { at: i64, at_written: String, why: String },
    /// There is no further value that can be written.
    EndOfRange,
    /// It is not known: how far it got is the safe value.
    Open { why: String },
}

/// A verdict that is another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerdictChange {
    pub property: Property,
    pub from: Verdict,
    pub to: Verdict,
}

/// What was tried between the declared value and the last safe one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Inside {
    /// Every value.
    EveryValue,
    /// So many of the values at and next to those where a verdict can change.
    Critical { tried: u64, known: u64 },
}

impl Margin {
    /// From the last safe value below to the last one above.
    pub fn interval(&self) -> (i64, i64) {
        (self.below.safe, self.above.safe)
    }

    /// How far the nearest value is at which a verdict is another one; none: there is none that is known, or one
    /// that is not known may be nearer.
    pub fn distance(&self) -> Option<i64> {
        let sides = [&self.below, &self.above];
        let flips = |side: &Side| match side.end {
            End::Flips { at, .. } => Some((at - self.value).abs()),
            _ => None,
        };
        let nearest = sides.into_iter().filter_map(flips).min()?;
        let is_open_before = |side: &Side| {
            matches!(side.end, End::Open { .. }) && (side.safe - self.value).abs() + self.step < nearest
        };
        (!sides.into_iter().any(is_open_before)).then_some(nearest)
    }
}

impl Side {
    /// Whether more could have been tried.
    pub fn is_open(&self) -> bool {
        let unsure = matches!(self.inside, Inside::Critical { tried, known } if tried < known);
        unsure || matches!(self.end, End::Open { .. })
    }
}
