//! Texts in, `CODE line:column` out.

use std::path::{Path, PathBuf};

use idemcheck::diag::Diagnostic;
use idemcheck::policy::{Loaded, load, load_texts};

/// A sound model with a choice, a named wait, a take-over and a query.
pub const MODEL: &str = r#"model = "receipt"
title = "Claim, call, record"
start = "claim"

[choice.in_flight]
reject = "respond.in_flight"
wait   = "poll"

[choice.unknown]
reconcile = "query"
give_up   = "respond.unknown"

[state.claim]
do          = "store.insert"
inserted    = "call"
in_progress = "?in_flight"
expired     = "steal"
succeeded   = "respond.replay"
failed      = "respond.failed"
mismatch    = "respond.mismatch"

[state.steal]
do    = "store.take_over"
taken = "?unknown"
lost  = "claim"

[state.poll]
do      = "wait"
for     = "?poll"
elapsed = "claim"

[state.call]
do      = "downstream.call"
ok      = "record"
error   = "?unknown"
timeout = "?unknown"

[state.query]
do      = "downstream.query"
applied = "record"
absent  = "call"
unknown = "end.paged"

[state.record]
do       = "store.record"
as       = "succeeded"
fenced   = true
recorded = "respond.success"
lost     = "respond.unknown"
"#;

/// A sound policy for [`MODEL`].
pub const POLICY: &str = r#"policy  = "charge-card"
summary = "Charge a card once per order"
model   = "receipt"

[operation]
effect   = "create"
identity = ["tenant", "order_id"]

[key]
from        = ["tenant", "order_id"]
fingerprint = ["body"]
supplied_by = "client"

[trigger]
kind     = "http"
requests = 2
retries  = 1
timeout  = "10s"
backoff  = "1s"
within   = "1h"

[store]
kind  = "postgres"
lease = "30s"
ttl   = "24h"

[downstream]
latency = ["20ms", "8s"]
timeout = "9s"
late    = "60s"
query   = true

[choices]
in_flight = "wait"
unknown   = "reconcile"

[waits]
poll = "1s"

[faults]
crashes = 1
pause   = "5s"

[expect]
single-execution = "violated"

[[waiver]]
property = "no-stuck-key"
reason   = "swept by hand"
until    = 2027-01-31
"#;

/// `text` with one passage replaced; it must be there once.
pub fn with(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "`{from}` is not there once");
    text.replacen(from, to, 1)
}

pub fn policy_and_model(policy: &str, model: &str) -> Loaded {
    load_texts((Path::new("p.toml"), policy), (Path::new("m.toml"), model))
}

/// Code, name of the file and place of each diagnostic.
pub fn lines(loaded: &Loaded) -> Vec<String> {
    loaded.diagnostics.iter().map(|diagnostic| line(loaded, diagnostic)).collect()
}

fn line(loaded: &Loaded, diagnostic: &Diagnostic) -> String {
    let file = loaded.files.get(diagnostic.file);
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    match diagnostic.span {
        Some(span) => {
            let at = file.position(span.start);
            format!("{} {name} {}:{}", diagnostic.code.id(), at.line, at.column)
        }
        None => format!("{} {name}", diagnostic.code.id()),
    }
}

/// A folder with the given files.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a scratch folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    folder
}

pub fn load_folder(folder: &Path) -> Loaded {
    load(&[PathBuf::from(folder)], None)
}
