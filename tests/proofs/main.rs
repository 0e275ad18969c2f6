//! Proofs for any number of attempts: what is proved of the shipped policies and what never is, every proof
//! against the checker and against searches of ever larger scopes, and the one thing that all rests on:
//! that a step of a large world is a step of each small one in it.

#[path = "../mutations/mod.rs"]
#[allow(dead_code)]
mod mutations;

mod corpus;
mod dice;
mod local;
mod mutants;
mod regressions;
mod scale;
mod support;
mod tampered;
mod walk;
