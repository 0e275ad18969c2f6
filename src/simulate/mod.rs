//! Sampled runs of the system that the checker explores: how often, how long, how many.
//!
//! The checker says what can happen; this says how likely it is, under the durations and chances that the policy
//! declares in `[simulate]`, or that are assumed and told. A run is a sequence of the system's own steps at
//! moments that its clocks allow ([`run`]), so that whatever a run shows, the checker allows. How long something
//! takes is drawn from its distribution, cut to the bounds that the policy declares: by the share of what is
//! within them, not by moving what is outside to the edge.

pub mod activity;
pub mod around;
pub mod compare;
pub mod distribution;
pub mod draw;
pub mod estimate;
pub mod many;
pub mod measure;
pub mod rare;
pub mod report;
pub mod run;

pub use around::Around;
pub use draw::{Draw, Purpose, Stream};
pub use run::{End, Run};
