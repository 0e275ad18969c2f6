//! Sampled runs against the checker: each is one that it allows, and none shows what it says cannot be; and
//! estimates against what can be worked out.
//!
//! `IDEMCHECK_RUNS=100000 cargo test --test simulate` samples so many runs of each policy instead of a few.

mod allowed;
mod command;
mod distributions;
mod estimates;
mod exact;
mod incidents;
mod luck;
mod support;
