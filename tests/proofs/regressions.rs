//! Policies of which something was once proved that is not so, or could have been: a review found them.

use std::path::Path;

use idemcheck::check::proof::prove;
use idemcheck::check::property::Property::{self, *};
use idemcheck::policy::load::{LoadedPolicy, load_texts_with};
use idemcheck::system::System;

use crate::support::{goals, policy, search, violated};

/// With two requests these are violated; whatever the policy declares, they are proved neither together with
/// others nor alone.
fn is_not_proved(mut source: LoadedPolicy, broken: &[Property]) {
    source.policy.trigger.requests = 2;
    let found = violated(&search(&source.policy, &source.protocol, 100_000).unwrap());
    source.policy.trigger.requests = 1;
    let system = System::new(&source.policy, &source.protocol).unwrap();
    let names = [source.policy.name.as_str(), source.protocol.name.as_str()];
    let all = goals(&source.policy, &system);
    for property in broken {
        assert!(found.contains(property), "{}: {property} holds: {found:?}", source.policy.name);
        let held: Vec<Property> =
            all.iter().copied().filter(|goal| *goal == *property || !found.contains(goal)).collect();
        for goals in [all.clone(), held, vec![*property]] {
            let tried = prove(&system, names, &goals, &|| false);
            for (property, why) in &tried.unproved {
                assert!(!why.contains("please report"), "{property}: {why}");
            }
            let proved: Vec<Property> = tried.proofs.into_iter().flat_map(|proof| proof.properties).collect();
            assert!(!proved.contains(property), "{}: {property} is proved of {goals:?}", source.policy.name);
        }
    }
}

fn read(policy: &str, model: &str, name: &str) -> LoadedPolicy {
    let model_path = format!("{name}.toml");
    let mut loaded =
        load_texts_with((Path::new("policy.toml"), policy), (Path::new(&model_path), model), &[]);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.policies.pop().expect("one policy")
}

/// Who takes over and is gone at once leaves a token that looks like the last one.
#[test]
fn a_claim_that_is_taken_over_by_nobody() {
    let mut source = policy("lease-12s");
    source.policy.trigger.requests = 1;
    source.policy.trigger.retries = 0;
    source.policy.choices.insert("take_over".to_owned(), "refuse".to_owned());
    is_not_proved(source, &[ClaimExclusive]);
}

const CLAIM_COMMIT: &str = r#"
model = "claim-commit"
title = "Claim, then effect and receipt in one transaction"
start = "claim"

[state.claim]
do            = "store.insert"
recognise_own = true
inserted      = "commit"
in_progress   = "respond.in_flight"
expired       = "steal"
succeeded     = "respond.replay"
failed        = "respond.replay"
mismatch      = "respond.mismatch"

[state.steal]
do            = "store.take_over"
recognise_own = true
taken         = "end.page"
lost          = "claim"

[state.commit]
do        = "store.commit"
writes    = ["effect", "receipt"]
committed = "respond.success"
lost      = "respond.success"
aborted   = "respond.error"
unknown   = "respond.unknown"
"#;

#[test]
fn a_success_that_somebody_else_was_to_bring_about() {
    let source = read(
        r#"
policy  = "claim-commit"
summary = "A transaction whose claim is gone answers success"
model   = "claim-commit"

[operation]
effect   = "create"
identity = ["tenant", "order_id"]

[key]
from        = ["tenant", "order_id"]
supplied_by = "client"

[trigger]
requests = 1
retries  = 0

[store]
kind  = "postgres"
lease = "12s"
"#,
        CLAIM_COMMIT,
        "claim-commit",
    );
    is_not_proved(source, &[ClaimExclusive, NoLostEffect]);
}

const CALLS_TWICE: &str = r#"
model = "calls-twice"
title = "Call, call again after a timeout, settle, record"
start = "claim"

[state.claim]
do            = "store.insert"
recognise_own = true
inserted      = "call"
in_progress   = "respond.in_flight"
expired       = "respond.in_flight"
succeeded     = "respond.replay"
failed        = "respond.replay"
mismatch      = "respond.mismatch"

[state.call]
do      = "downstream.call"
ok      = "settle"
error   = "settle"
timeout = "again"

[state.again]
do      = "downstream.call"
ok      = "settle"
error   = "settle"
timeout = "respond.unknown"

[state.settle]
do      = "wait"
for     = "60s"
elapsed = "record"

[state.record]
do            = "store.record"
as            = "succeeded"
fenced        = true
recognise_own = true
recorded      = "respond.success"
lost          = "respond.unknown"
"#;

/// A late effect replaces the latest one by one that looks the same.
#[test]
fn a_latest_result_that_is_replaced() {
    let source = read(
        r#"
policy  = "calls-twice"
summary = "A call that timed out lands after the second one"
model   = "calls-twice"

[operation]
effect   = "create"
identity = ["tenant", "order_id"]

[key]
from        = ["tenant", "order_id"]
supplied_by = "client"
replay      = "latest"

[trigger]
requests = 1
retries  = 0

[store]
kind  = "postgres"
lease = "100s"

[downstream]
latency    = ["1s", "10s"]
timeout    = "10s"
late       = "5s"
native_key = false
errors     = "never"

[faults]
pause = "0s"
"#,
        CALLS_TWICE,
        "calls-twice",
    );
    is_not_proved(source, &[ReplayFidelity]);
}
