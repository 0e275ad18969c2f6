//! The stores: one contract for all of them, races, faults, and the checker's own store beside each.
//!
//! PostgreSQL, Redis and, with the feature `dynamodb`, DynamoDB take part where IDEMCHECK_TEST_POSTGRES,
//! IDEMCHECK_TEST_REDIS and IDEMCHECK_TEST_DYNAMODB hold their URLs (`.ci/servers` starts all three). With
//! IDEMCHECK_TEST_SERVERS=required a missing one is a failure.

mod addresses;
mod checker;
mod contract;
mod damage;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod faults;
mod files;
mod place;
mod races;
mod threads;
