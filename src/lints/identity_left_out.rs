//! `identity-left-out`. Two operations under one key.

use super::{Find, Lint};
use crate::check::property::Property;
use crate::model::graph::Uses;
use crate::policy::Policy;

pub static LINT: Lint = Lint {
    name: "identity-left-out",
    brief: "the key leaves out a field that tells two operations apart",
    why: "Two tenants, endpoints or orders that differ only there share a receipt, and one gets the answer of the \
          other. Put the field into `key.from`, or, where the store scopes it by itself, say so by naming it there.",
    source: "paveg/hono-idempotency#126; IETF draft Idempotency-Key, section 5",
    shown_by: &[Property::NoFalseDedup],
    find: Find::Broken(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<String> {
    let fields = policy.merging_fields();
    let shared = uses.receipts || uses.key;
    (shared && !policy.key.from.is_empty() && !fields.is_empty())
        .then(|| format!("key.from lacks {}, which is in the identity", fields.join(", ")))
}
