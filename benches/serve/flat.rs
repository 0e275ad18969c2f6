//! A million keys that expire: neither the process nor the store grows with their number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use idemcheck::policy;
use idemcheck::serve::machine::Asked;
use idemcheck::serve::request::Request;
use idemcheck::store::Key;

use crate::{AtOnce, CLIENTS, POLICY, machine, open, run};

const KEYS: u32 = 1_000_000;
/// Lines that are printed.
const LINES: u32 = 10;
const TTL: &str = "ttl = \"2s\"";

/// What the process holds, in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.split_whitespace().next().and_then(|number| number.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// What the store holds, in MiB: Redis's memory, PostgreSQL's table with its indexes, SQLite's file.
async fn held(name: &str, address: &str) -> Option<f64> {
    let bytes = match name {
        "redis" => {
            let client = redis::Client::open(address).ok()?;
            let mut connection = client.get_multiplexed_async_connection().await.ok()?;
            let info: String = redis::cmd("INFO").arg("memory").query_async(&mut connection).await.ok()?;
            info.lines().find_map(|line| line.strip_prefix("used_memory:"))?.trim().parse().ok()?
        }
        "postgres" => {
            let (client, connection) = tokio_postgres::connect(address, tokio_postgres::NoTls).await.ok()?;
            tokio::spawn(connection);
            let size = "SELECT pg_total_relation_size('idemcheck_receipts')::float8";
            client.query_one(size, &[]).await.ok()?.get(0)
        }
        "sqlite" => std::fs::metadata(address.strip_prefix("sqlite:")?).ok()?.len() as f64,
        _ => return None,
    };
    Some(bytes / 1024.0 / 1024.0)
}

pub async fn measure(name: &str, address: &str) {
    let text = std::fs::read_to_string(POLICY).expect("the policy");
    let ttl = text.lines().find(|line| line.starts_with("ttl ")).expect("a TTL").to_owned();
    let text = text.replace(&ttl, TTL);
    let model = std::fs::read_to_string("models/atomic-receipt.toml").expect("the model");
    let loaded =
        policy::load_texts(("policy.toml".as_ref(), &text), ("models/atomic-receipt.toml".as_ref(), &model));
    let source = loaded.policies.into_iter().next().expect("the policy reads");
    let machine = machine(&source, open(address).await, Arc::new(AtOnce));
    let policy = machine.policy().name.clone();
    // As the server's housekeeping does, for a TTL this short.
    let clears = machine.clone();
    let clearing = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            while clears.clear_away(1000).await.is_ok_and(|gone| gone == 1000) {}
        }
    });
    let (began, run, next) = (Instant::now(), run(), Arc::new(AtomicU32::new(0)));
    for part in 1..=LINES {
        let most = KEYS / LINES * part;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (machine, next, policy, run) =
                    (machine.clone(), next.clone(), policy.clone(), run.clone());
                tokio::spawn(async move {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= most {
                            return;
                        }
                        let asked = Asked {
                            key: Key::new(&[policy.as_str(), &run, &number.to_string()]),
                            fingerprint: vec![7; 32],
                            request: Request {
                                method: "POST".to_owned(),
                                target: "/".to_owned(),
                                ..Request::default()
                            },
                            correlation: String::new(),
                        };
                        machine.attempt(&asked).await;
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.expect("a client");
        }
        next.store(most, Ordering::Relaxed);
        let store = held(name, address).await;
        let store = store.map_or_else(String::new, |held| format!(", {held:.1} MiB in the store"));
        let (seconds, resident) = (began.elapsed().as_secs_f64(), resident());
        println!(
            "{name:<9} {most:>9} keys of {TTL}: {resident:.1} MiB resident{store}, after {seconds:.0} s"
        );
    }
    clearing.abort();
}
