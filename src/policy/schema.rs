//! The JSON Schema of policy files.

use serde_json::Value;

use super::keys::POLICY;
use crate::source::schema;

/// JSON Schema (draft 2020-12) of a policy file.
pub fn policy_schema() -> Value {
    schema::root("idemcheck policy", &POLICY)
}
