//! The history checker against whoever else can judge: a state machine that tries everything, tick by tick, and
//! stateright's tester of linearizability. And what must hold of any checker.
//!
//! `IDEMCHECK_HISTORIES=1000000 cargo test --test history` tries more histories, from a fresh seed that it prints;
//! `IDEMCHECK_SEED=N` takes up that seed again.

mod actions;
mod agree;
mod generate;
mod large;
mod linearizable;
mod metamorphic;
mod oracle;
