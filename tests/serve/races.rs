//! Bursts under one key: one effect, whoever comes first, on one server or two.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use crate::harness::{Reply, Server, durable, fresh, policy, request, until};

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
    // Longer than any machine stalls: nothing here is about takeovers.
    let text = std::fs::read_to_string(policy("lease")).unwrap();
    let patient = folder.path().join("patient.toml");
    std::fs::write(&patient, text.replace("lease = \"1s\"", "lease = \"1h\"")).unwrap();
    for (name, url) in durable(folder.path()) {
        let servers = [(); 2].map(|()| Server::start(&patient, &["--store", &url, "--delay", "2ms"]));
        let addresses = [servers[0].address, servers[1].address];
        // What stands for DynamoDB answers one request after the other.
        let at_once = if name == "dynamodb" { 12 } else { 64 };
        let mut unknown = 0;
        for _ in 0..bursts(20) {
            let key = fresh("burst");
            let replies = burst(&addresses, &key, at_once);
            for reply in &replies {
                // It can stand still for longer than a store is waited for, and the answer says so.
                let stalled = name == "dynamodb" && reply.status == 504;
                assert!(stalled || matches!(reply.status, 201 | 409), "{name}: {reply:?}");
            }
            let bodies: std::collections::BTreeSet<_> =
                replies.iter().filter(|reply| reply.status == 201).map(|reply| reply.body.clone()).collect();
            if replies.iter().any(|reply| reply.status == 504) {
                unknown += 1;
                assert!(bodies.len() <= 1 && servers[0].effects(&key) <= 1, "{name}: more than one of {key}");
                continue;
            }
            assert_eq!(bodies.len(), 1, "{name}: one answer for all");
            assert_eq!(servers[0].effects(&key), 1, "{name}");
        }
        assert!(unknown * 4 <= bursts(20), "{name}: {unknown} bursts were not answered");
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

/// Asks until every key is answered for good.
fn settle(address: SocketAddr, keys: &[String]) -> Vec<Vec<u8>> {
    let settled = keys.iter().map(|key| {
        let headers = [("Idempotency-Key", key.as_str()), ("X-Tenant", "acme")];
        let mut body = None;
        until("a final answer", || {
            let reply = request(address, "POST", "/pay", &headers, "{}").expect("an answer");
            body = (reply.status == 201 && reply.replayed()).then_some(reply.body);
            body.is_some()
        });
        body.unwrap()
    });
    settled.collect()
}

/// Bursts while something is done to the store, again and again; then one effect for each key, and each final.
pub fn under(name: &str, url: &str, harm: impl Fn() + Send + 'static) {
    let servers = [(); 2].map(|()| Server::start(&policy("fenced"), &["--store", url, "--delay", "5ms"]));
    let addresses = [servers[0].address, servers[1].address];
    let (over, times) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (until_then, counted) = (over.clone(), times.clone());
    let harmed = std::thread::spawn(move || {
        while !until_then.load(Ordering::SeqCst) {
            harm();
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let (mut keys, mut felt) = (Vec::new(), 0);
    while keys.len() < bursts(12) || times.load(Ordering::SeqCst) < 2 {
        keys.push(fresh("harmed"));
        let began = Instant::now();
        let replies = burst(&addresses, &keys[keys.len() - 1], 16);
        // Whatever is heard, nothing is made up.
        for reply in &replies {
            assert!(matches!(reply.status, 201 | 409 | 502 | 503 | 504), "{name}: {reply:?}");
        }
        let unheard = replies.iter().any(|reply| reply.status > 409);
        felt += u32::from(unheard || began.elapsed() > Duration::from_millis(500));
    }
    over.store(true, Ordering::SeqCst);
    harmed.join().unwrap();
    assert!(felt > 0, "{name}: the store was never out of reach, so nothing is shown");
    // No key stays stuck beyond its lease, which is a second.
    for (key, body) in keys.iter().zip(settle(addresses[0], &keys)) {
        assert_eq!(servers[0].effects(key), 1, "{name}: {key}");
        let reply = servers[1].post(key, "{}");
        assert_eq!((reply.status, reply.body), (201, body), "{name}: the same bytes from the other server");
    }
}

/// One statement, over a connection of its own.
fn on_postgres(url: &str, statements: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(statements).await.unwrap();
    });
}

/// Cuts the connections to one database; other tests are on the others.
fn cut_redis(url: &str) {
    let database = format!(" db={} ", url.rsplit_once('/').unwrap().1);
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut connection).unwrap();
    for client in clients.lines().filter(|client| client.contains(&database)) {
        let id = client.strip_prefix("id=").unwrap().split(' ').next().unwrap();
        // It may have gone, and the connection that asks is among them.
        let _ = redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).exec(&mut connection);
    }
}

/// Stands between a server and its store, and passes nothing on while it is told to.
fn between(url: &str) -> (String, Arc<AtomicBool>) {
    let host = url.rsplit_once("://").unwrap().1.split('/').next().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let through = url.replace(host, &listener.local_addr().unwrap().to_string());
    let (host, still) = (host.to_owned(), Arc::new(AtomicBool::new(false)));
    let told = still.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, store) = (client.unwrap(), TcpStream::connect(&host).unwrap());
            for (mut from, mut to) in
                [(client.try_clone().unwrap(), store.try_clone().unwrap()), (store, client)]
            {
                let told = told.clone();
                std::thread::spawn(move || {
                    let mut bytes = [0; 65536];
                    while let Ok(count @ 1..) = from.read(&mut bytes) {
                        while told.load(Ordering::SeqCst) {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        if to.write_all(&bytes[..count]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    (through, still)
}

#[test]
fn connections_cut_at_any_moment_make_no_second_effect() {
    let folder = tempfile::tempdir().unwrap();
    for (name, url) in durable(folder.path()) {
        let at = url.clone();
        // Of a file nobody can cut a connection.
        if name == "postgres" {
            under(name, &url, move || {
                let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                           WHERE datname = current_database() AND pid <> pg_backend_pid()";
                on_postgres(&at, cut);
                std::thread::sleep(Duration::from_millis(7));
            });
        } else if name == "redis" {
            under(name, &url, move || {
                cut_redis(&at);
                std::thread::sleep(Duration::from_millis(7));
            });
        }
    }
}

#[test]
fn a_store_that_stands_still_makes_no_second_effect() {
    let folder = tempfile::tempdir().unwrap();
    for (name, url) in durable(folder.path()) {
        let at = url.clone();
        match name {
            // Longer than a call is waited for, and than a lease.
            "postgres" => under(name, &url, move || {
                let stop = "BEGIN; LOCK TABLE idemcheck_receipts, idemcheck_effects IN ACCESS EXCLUSIVE MODE; \
                            SELECT pg_sleep(1.3); COMMIT";
                on_postgres(&at, stop);
                std::thread::sleep(Duration::from_millis(200));
            }),
            "redis" | "dynamodb" => {
                let (through, still) = between(&url);
                under(name, &through, move || {
                    still.store(true, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(1300));
                    still.store(false, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(200));
                });
            }
            _ => {}
        }
    }
}

#[test]
fn what_the_checker_says_of_these_policies_is_what_they_do() {
    let folder = policy("fenced");
    let output = assert_cmd::Command::cargo_bin("idemcheck")
        .unwrap()
        .arg("verify")
        .arg(folder.parent().unwrap())
        .args(["--property", "single-execution"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}
