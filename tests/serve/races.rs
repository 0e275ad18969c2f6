//! Bursts under one key: one effect, whoever comes first, on one server or two.

use std::net::SocketAddr;
use std::sync::{Arc, Barrier};

use crate::harness::{Reply, Server, durable, fresh, policy, request};

/// Answers of `count` simultaneous requests under one key, spread over the servers.
fn burst(addresses: &[SocketAddr], key: &str, count: usize) -> Vec<Reply> {
    let barrier = Arc::new(Barrier::new(count));
    let threads: Vec<_> = (0..count)
        .map(|n| {
            let (barrier, address, key) = (barrier.clone(), addresses[n % addresses.len()], key.to_owned());
            std::thread::spawn(move || {
                barrier.wait();
                let headers = [("Idempotency-Key", key.as_str()), ("X-Tenant", "acme")];
                request(address, "POST", "/pay", &headers, "{}").expect("an answer")
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// How many bursts; more where there is time (`IDEMCHECK_BURSTS`).
fn bursts(ordinary: usize) -> usize {
    std::env::var("IDEMCHECK_BURSTS").ok().and_then(|count| count.parse().ok()).unwrap_or(ordinary)
}

#[test]
fn two_servers_on_one_store_have_one_effect_per_key() {
    let folder = tempfile::tempdir().unwrap();
    for (name, url) in durable(folder.path()) {
        let servers = [(); 2].map(|()| Server::start(&policy("lease"), &["--store", &url, "--delay", "2ms"]));
        let addresses = [servers[0].address, servers[1].address];
        for _ in 0..bursts(20) {
            let key = fresh("burst");
            let replies = burst(&addresses, &key, 64);
            for reply in &replies {
                assert!(matches!(reply.status, 201 | 409), "{name}: {reply:?}");
            }
            let bodies: std::collections::BTreeSet<_> =
                replies.iter().filter(|reply| reply.status == 201).map(|reply| reply.body.clone()).collect();
            assert_eq!(bodies.len(), 1, "{name}: one answer for all");
            assert_eq!(servers[0].effects(&key), 1, "{name}");
        }
    }
}

#[test]
fn a_check_before_an_act_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    for (name, url) in durable(folder.path()) {
        let server = Server::start(&policy("naive"), &["--store", &url, "--pause", "after:look=5ms"]);
        let twice = (0..20).any(|_| {
            let key = fresh("naive");
            burst(&[server.address], &key, 16);
            server.effects(&key) > 1
        });
        assert!(twice, "{name}: the race was not seen, so the burst above proves nothing");
    }
}
