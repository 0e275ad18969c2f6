//! Two engines, one semantics: random protocols and policies get the same answers from the search
//! over zones, whatever it leaves out, and from integer time.
//!
//! `IDEMCHECK_CASES=5000 cargo test --test oracles` tries more cases, from a fresh seed that it
//! prints; `IDEMCHECK_SEED=N` takes up that seed again, and `IDEMCHECK_TICKS=500` leaves out what is not small.

mod agree;
mod cases;
mod conform;
#[path = "../proofs/dice.rs"]
mod dice;
mod kinds;
mod pins;
mod policies;
mod proofs;
mod reference;
mod regressions;
mod regressions_delivery;
mod remedies;
mod runs;
mod sampled;
mod shown;
mod tables;
#[path = "../proofs/walk.rs"]
mod walk;
mod worlds;
