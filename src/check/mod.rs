//! The search over a timed system, and what is made of it: verdicts, numbers, counterexamples.

pub mod property;
pub mod verdict;
