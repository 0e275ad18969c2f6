//! Whole policies: the reader, the corpus, the four sizes that the engine is measured by, and a warm run of the corpus.
//!
//! `cargo bench --bench policies`

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use idemcheck::check::margins::{MarginOptions, measure};
use idemcheck::check::search::{SearchOptions, explore};
use idemcheck::check::{Engine, Limits, VerifyOptions, verify};
use idemcheck::policy::load::{load, load_texts};
use idemcheck::simulate::{Around, many::finish};
use idemcheck::system::System;

/// A receipt with takeover, late effects, TTL and one crash.
const POLICY: &str = include_str!("receipt.toml");
const MODEL: &str = include_str!("../models/receipt.toml");

fn system(changes: &[(&str, &str)]) -> System {
    let mut text = POLICY.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let loaded = load_texts(("receipt.toml".as_ref(), &text), ("models/receipt.toml".as_ref(), MODEL));
    let source = loaded.policies.first().expect("it reads");
    System::new(&source.policy, &source.protocol).expect("it compiles")
}

fn policies(c: &mut Criterion) {
    let mut group = c.benchmark_group("receipt");
    group.sample_size(10);
    let unbounded = ("pause = \"5s\"\n", "");
    let native = ("native_key = false", "native_key = { ttl = \"24h\" }");
    let reconcile = ("take_over = \"call\"", "take_over = \"reconcile\"");
    let cases: [(&str, &[(&str, &str)]); 4] = [
        ("2x2", &[]),
        ("3x2", &[("requests = 2", "requests = 3")]),
        ("2x2 unbounded, native key", &[unbounded, native]),
        ("2x2 unbounded, reconcile", &[unbounded, reconcile]),
    ];
    for (name, changes) in cases {
        let system = system(changes);
        group.bench_function(name, |b| {
            b.iter(|| explore(&system, &SearchOptions::default(), &mut ()).expect("it can be searched"));
        });
    }
    group.finish();
    let mut group = c.benchmark_group("a thousand sampled runs");
    group.sample_size(10);
    for name in ["write-path/lease-12s", "remediation/restart-on-alert", "incidents/vtorc-cascade-fixed"] {
        let loaded = load(&[PathBuf::from(format!("policies/{name}.toml"))], None);
        let source = loaded.policies.first().expect("it reads");
        let system = System::new(&source.policy, &source.protocol).expect("it compiles");
        let system = system.with_symmetry(false).in_milliseconds();
        let around = Around::new(&source.policy, &system).expect("its distributions fit");
        group.bench_function(name, |b| {
            b.iter(|| (0..1_000).map(|run| finish(&system, &around, 1, run).steps).sum::<u32>());
        });
    }
    group.finish();
    let loaded = load(&[PathBuf::from("policies/write-path/lease-12s.toml")], None);
    let source = loaded.policies.first().expect("it reads");
    let cancel = AtomicBool::new(false);
    let limits = Limits { states_max: None, memory_max: None, time_max: None };
    let options = VerifyOptions {
        engine: Engine::Zones,
        limits: limits.clone(),
        properties: &[],
        fail_fast: &[],
        today: "2000-01-01",
        cancel: &cancel,
        progress: &|_| (),
    };
    let result = verify(&source.policy, &source.protocol, &options).expect("it can be checked");
    let only = ["store.lease".to_owned()];
    let options = MarginOptions {
        limits,
        only: &only,
        time_max: Duration::from_secs(60),
        probes_max: 80,
        jobs: 1,
        today: "2000-01-01",
        cancel: &cancel,
    };
    c.bench_function("margins of a lease", |b| b.iter(|| measure(&loaded, source, &result, &options)));
    c.bench_function("read the corpus", |b| b.iter(|| load(&[PathBuf::from("policies")], None)));
}

/// The whole program on the corpus, with every result kept from the run before: what an editor or a hook
/// waits for.
fn warm(c: &mut Criterion) {
    let folder = std::cell::OnceCell::new();
    let mut group = c.benchmark_group("verify the corpus");
    group.sample_size(20);
    group.bench_function("warm", |b| {
        let folder: &tempfile::TempDir = folder.get_or_init(|| tempfile::tempdir().expect("a folder"));
        let run = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_idemcheck"));
            command.args(["verify", "policies", "--quiet", "--cache"]).arg(folder.path());
            command.output().expect("it runs")
        };
        assert!(run().status.success(), "the corpus is as expected");
        b.iter(run);
    });
    group.finish();
}

criterion_group!(benches, policies, warm);
criterion_main!(benches);
