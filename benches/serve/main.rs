//! What a claim costs: a new key, a replay and a conflict on each store, against plain statements of the same
//! driver, in turns of one run; the same behind HTTP against the bare service; and memory over a million keys.
//!
//! `cargo bench --bench serve [-- stores gateway flat STORE…]`; all of it but `flat` on other stores than memory
//! where nothing is named. PostgreSQL and Redis where IDEMCHECK_TEST_POSTGRES and IDEMCHECK_TEST_REDIS are.
//!
//! Ratios are paired: every round does one operation of each case, a turn has many rounds, and a turn's ratio is
//! that of its medians. What is printed is the median over all turns, with the first and third quartile.

mod flat;
mod gateway;
mod plain;
mod stores;

use std::sync::Arc;
use std::time::Duration;

use idemcheck::policy::{self, LoadedPolicy};
use idemcheck::serve::downstream::{Downstream, Found, Heard, Outgoing, Reply};
use idemcheck::serve::machine::{Bounds, Machine, Parts};
use idemcheck::serve::watch::Watch;
use idemcheck::store::{Response, SharedStore, url};

/// The policy that is measured: claim, call, record.
const POLICY: &str = "policies/write-path/atomic-receipt.toml";
/// Clients at a time where rates are measured.
const CLIENTS: usize = 32;

/// A service that answers at once, so that only the store is measured.
struct AtOnce;

impl Downstream for AtOnce {
    fn call<'a>(&'a self, call: &'a Outgoing) -> Reply<'a, Heard> {
        // A conflict needs somebody who is at it.
        let waits = call.request.target == "/slow";
        Box::pin(async move {
            if waits {
                std::future::pending::<()>().await;
            }
            Heard::Ok(Response { status: 201, headers: Vec::new(), body: b"{\"paid\":true}".to_vec() })
        })
    }

    fn query<'a>(&'a self, _: &'a Outgoing) -> Reply<'a, Found> {
        Box::pin(async { Found::Unknown })
    }
}

fn machine(source: &LoadedPolicy, store: SharedStore, downstream: Arc<dyn Downstream>) -> Arc<Machine> {
    let parts = Parts {
        store,
        downstream,
        watch: Arc::new(Watch::new("bench")),
        pauses: Default::default(),
        bounds: Bounds { attempt: Duration::from_secs(600), calls: 4096, retry: Default::default() },
        keeps_requests: true,
    };
    Arc::new(Machine::new(&source.policy, &source.protocol, parts).expect("it runs"))
}

fn source() -> LoadedPolicy {
    policy::load(&[POLICY.into()], None).policies.into_iter().next().expect("the policy reads")
}

async fn open(address: &str) -> SharedStore {
    url::open(address).await.expect("the store")
}

/// A name that no other run has used.
fn run() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    since.as_nanos().to_string()
}

/// The value below which this share of all lies.
fn at(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() as f64 - 1.0) * share).round() as usize]
}

/// Times of one case, in microseconds, turn by turn.
#[derive(Default)]
struct Times {
    turns: Vec<Vec<f64>>,
}

impl Times {
    fn begin(&mut self) {
        self.turns.push(Vec::new());
    }

    fn push(&mut self, took: Duration) {
        self.turns.last_mut().expect("a turn").push(took.as_secs_f64() * 1e6);
    }

    fn all(&self, share: f64) -> f64 {
        at(&mut self.turns.concat(), share)
    }

    /// Turn by turn: how much longer than the other.
    fn against(&self, other: &Times) -> String {
        let median = |turn: &Vec<f64>| at(&mut turn.clone(), 0.5);
        let mut ratios: Vec<f64> =
            self.turns.iter().zip(&other.turns).map(|(ours, theirs)| median(ours) / median(theirs)).collect();
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|share| at(&mut ratios, share));
        format!("{middle:.2} ({low:.2} to {high:.2})")
    }
}

fn line(store: &str, case: &str, times: &Times, rate: f64, ratio: &str) {
    let (middle, high) = (times.all(0.5), times.all(0.99));
    println!("{store:<9} {case:<22} p50 {middle:>8.1} µs  p99 {high:>9.1} µs  {rate:>8.0} /s  {ratio}");
}

fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_named = |name: &str| names.iter().any(|named| named == name);
    let part = |name: &str| is_named(name) || !["stores", "gateway", "flat"].into_iter().any(is_named);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = vec![
        ("memory", "memory:".to_owned()),
        ("sqlite", format!("sqlite:{}", folder.path().join("receipts.db").display())),
    ];
    for (name, variable) in [("postgres", "IDEMCHECK_TEST_POSTGRES"), ("redis", "IDEMCHECK_TEST_REDIS")] {
        match std::env::var(variable) {
            Ok(address) => all.push((name, address)),
            Err(_) => eprintln!("not measured on {name}: {variable} is not set"),
        }
    }
    let chosen: Vec<_> = all.iter().filter(|(name, _)| is_named(name)).cloned().collect();
    let chosen = if chosen.is_empty() { all } else { chosen };
    for (name, address) in &chosen {
        if part("stores") {
            runtime.block_on(stores::measure(name, address, folder.path()));
        }
        if part("gateway") {
            runtime.block_on(gateway::measure(name, address));
        }
    }
    for (name, address) in &chosen {
        // Minutes on a store that is asked over a connection: only where that is wanted.
        if is_named("flat") || part("flat") && *name == "memory" {
            runtime.block_on(flat::measure(name, address));
        }
    }
}
