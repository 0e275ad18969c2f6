//! idemcheck proves, or refutes with a timed counterexample, that a retried operation executes once and
//! that a remediation does not thrash.

pub mod audit;
pub mod check;
pub mod conform;
pub mod diag;
pub mod diff;
pub mod guard;
pub mod history;
pub mod import;
pub mod lints;
pub mod load;
pub mod model;
pub mod policy;
pub mod report;
pub mod serve;
pub mod simulate;
pub mod source;
pub mod store;
pub mod system;
pub mod threads;
pub mod time;

/// The build, by what decides its results: those of another one may be others.
pub const BUILD: &str = env!("IDEMCHECK_BUILD");
