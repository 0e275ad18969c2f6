//! The stores: one contract for all of them, races, faults, and the checker's own store beside each.
//!
//! PostgreSQL and Redis take part where IDEMCHECK_TEST_POSTGRES and IDEMCHECK_TEST_REDIS hold their
//! URLs (`.ci/servers` starts both). With IDEMCHECK_TEST_SERVERS=required a missing one is a failure.

mod addresses;
mod checker;
mod contract;
mod faults;
mod files;
mod place;
mod races;
mod threads;
