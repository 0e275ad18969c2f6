//! `idemcheck serve` as its clients see it: the real binary, real stores, real connections, on loopback only.

mod conform;
mod crashes;
mod effects;
mod emit;
mod front;
mod fuzz;
mod gateway;
mod harness;
mod layer;
mod load;
#[cfg(feature = "dynamodb")]
mod no_clock;
mod operator;
mod races;
mod restarts;
mod sink;
mod smuggling;
