//! Sampled runs against the checker: each is one that it allows, and none shows what it says cannot be.
//!
//! `IDEMCHECK_RUNS=100000 cargo test --test simulate` samples so many runs of each policy instead of a few.

mod allowed;
