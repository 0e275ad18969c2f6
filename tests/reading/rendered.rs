//! What people see.

use idemcheck::diag::{SHOWN_PER_FILE_MAX, render_all};

use super::support::{MODEL, policy_and_model};

fn rendered(policy: &str, model: &str) -> String {
    let loaded = policy_and_model(policy, model);
    render_all(&loaded.diagnostics, &loaded.files, false)
}

#[test]
fn seven_mistakes_in_one_run() {
    let policy = r#"policy  = "charge-card"
model   = "receipt"

[operation]
effect   = "create"
identity = ["tenant", "order_id"]

[key]
from        = ["tenant", "order_id", "sent_at"]
suplied_by  = "client"

[trigger]
requests = 2
retries  = 9
timeout  = 10

[store]
kind  = "postgres"
lease = "30s"
ttl   = "20s"

[downstream]
latency = ["20ms", "8s"]
timeout = "9s"
query   = true
fencing = "yes"

[choices]
in_flight = "wiat"
unknown   = "reconcile"

[waits]
poll = "1s"

[expect]
single-execution = "violated"

[[waiver]]
property = "no-stuck-key"
reason   = "swept by hand"
until    = "2027-01-31"
"#;
    let loaded = policy_and_model(policy, MODEL);
    let distinct: std::collections::BTreeSet<_> = loaded.diagnostics.iter().map(|one| one.code).collect();
    assert_eq!((loaded.diagnostics.len(), distinct.len()), (7, 7));
    insta::assert_snapshot!(render_all(&loaded.diagnostics, &loaded.files, false));
}

#[test]
fn mistakes_in_a_model() {
    let model = r#"model = "naive"
start = "look"

[choice.stale]
drop = "end.dropped"

[state.look]
do          = "store.read"
absent      = "call"
in_progress = "?in_flight"
succeeded   = "respond.replay"
failed      = "respond.failure"
mismatch    = "respond.mismatch"

[state.call]
do      = "downstream.call"
ok      = "respond.success"
error   = "look"
error   = "call"
timeout = "lok"

[state.idle]
do      = "wait"
for     = 5
elapsed = "idle"
"#;
    let policy = "policy = \"p\"\nmodel = \"naive\"\noperation = { effect = \"set\", identity = [\"id\"] }\n";
    insta::assert_snapshot!(rendered(policy, model));
}

#[test]
fn colours_change_nothing_but_colours() {
    let loaded = policy_and_model("policy = 3\n", MODEL);
    let coloured = render_all(&loaded.diagnostics, &loaded.files, true);
    assert!(coloured.contains("\u{1b}["));
    assert_eq!(
        anstream::adapter::strip_str(&coloured).to_string(),
        render_all(&loaded.diagnostics, &loaded.files, false)
    );
}

#[test]
fn a_flood_is_counted_not_shown() {
    let policy: String = (0..500).map(|n| format!("key{n} = 1\n")).collect();
    let text = rendered(&policy, MODEL);
    assert_eq!(text.matches("error[").count(), SHOWN_PER_FILE_MAX);
    assert!(text.contains("p.toml: and 407 more"), "{}", &text[text.len() - 60..]);
}
