//! `stable-beside-identity`. Two requests for one operation, each under a key of its own.

use super::{Find, Lint};
use crate::model::graph::Uses;
use crate::policy::Policy;

pub static LINT: Lint = Lint {
    name: "stable-beside-identity",
    brief: "a field of the key is the same for all attempts of a request, and not part of the identity",
    why: "Declared stable, the field does not split a request from its retries. But two requests for the same \
          operation, two tabs or two producers, may differ there: then each has a receipt of its own, and this check \
          looks only at requests that share one. If a different value means a different operation, name the field in \
          `operation.identity`; if not, leave it out of the key.",
    source: "IETF draft Idempotency-Key, section 2",
    shown_by: &[],
    find: Find::Broken(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<String> {
    let operation = &policy.operation;
    let beside = |field: &&String| operation.stable.contains(field) && !operation.identity.contains(field);
    let fields: Vec<&str> = policy.key.from.iter().filter(beside).map(String::as_str).collect();
    let shared = uses.receipts || uses.key;
    (shared && !fields.is_empty()).then(|| {
        let fields = fields.join(", ");
        format!("key.from has {fields}, which is in operation.stable and not in the identity")
    })
}
