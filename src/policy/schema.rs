//! The JSON Schema of policy files.

use serde_json::Value;

use super::keys::{POLICY, SYSTEM_FILE};
use crate::source::schema;

/// JSON Schema (draft 2020-12) of a policy file.
pub fn policy_schema() -> Value {
    schema::root("idemcheck policy", &POLICY)
}

/// JSON Schema of a file with a `[system]`.
pub fn system_schema() -> Value {
    schema::root("idemcheck system", &SYSTEM_FILE)
}
