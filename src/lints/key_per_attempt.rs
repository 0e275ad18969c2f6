//! `key-per-attempt`. A retry that nobody recognises.

use super::{Find, Lint};
use crate::check::property::Property;
use crate::model::graph::Uses;
use crate::policy::Policy;

pub static LINT: Lint = Lint {
    name: "key-per-attempt",
    brief: "a field of the key may differ between two attempts of one operation",
    why: "A timestamp, a request id or a fresh random value in the key gives every attempt a receipt of its own. \
          Compute the key from what makes the operation the same, or declare the field in `operation.stable`.",
    source: "IETF draft Idempotency-Key, section 2; square/square-mcp-server#31",
    shown_by: &[Property::SingleExecution],
    find: Find::Broken(find),
};

fn find(policy: &Policy, _: &Uses) -> Option<String> {
    let fields = policy.splitting_fields();
    (!fields.is_empty()).then(|| format!("key.from has {}, which the identity has not", fields.join(", ")))
}
