//! What the parts of a policy must be to one another and to its model: one file per subject.

pub mod choices;
pub mod delivery;
pub mod downstream;
pub mod key;
pub mod remedy;
pub mod store;
pub mod trigger;
