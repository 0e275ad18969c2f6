//! The mutation operators, for the other tests that use them.

pub mod calls;
pub mod claims;
pub mod delivery;
pub mod mutant;
pub mod operator;
pub mod promises;
