//! Killed at every moment, started again: exactly one effect, and the same bytes for everybody.

use std::time::Duration;

use crate::harness::{Reply, Server, durable, fresh, policy, request, until};

/// Every moment of an attempt that claims, calls and records.
const MOMENTS: [&str; 6] =
    ["before:claim", "after:claim", "before:call", "after:call", "before:record", "after:record"];

/// Kills a server at the moment, starts another one, and asks until there is a final answer.
fn crash(policy_name: &str, url: &str, moment: &str, key: &str, recovery: bool) -> (Server, Reply) {
    let pause = format!("{moment}=forever");
    let mut arguments = vec!["--store", url, "--pause", &pause];
    arguments.extend((!recovery).then_some("--no-recovery"));
    let server = Server::start(&policy(policy_name), &arguments);
    let (address, asked) = (server.address, key.to_owned());
    let client = std::thread::spawn(move || {
        let headers = [("Idempotency-Key", asked.as_str()), ("X-Tenant", "acme")];
        request(address, "POST", "/pay", &headers, "{}")
    });
    server.until_logged(moment);
    server.kill();
    assert_eq!(client.join().unwrap(), None, "{moment}: no answer can have come");
    let mut arguments = vec!["--store", url];
    arguments.extend((!recovery).then_some("--no-recovery"));
    let server = Server::start(&policy(policy_name), &arguments);
    let mut last = server.post(key, "{}");
    until("a final answer", || {
        if last.status != 201 {
            last = server.post(key, "{}");
        }
        last.status == 201
    });
    (server, last)
}

#[test]
fn one_effect_and_the_same_bytes_after_a_crash_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    for (name, url) in durable(folder.path()) {
        for recovery in [true, false] {
            for moment in MOMENTS {
                let key = fresh("crash");
                let (server, reply) = crash("lease", &url, moment, &key, recovery);
                assert_eq!(server.effects(&key), 1, "{name}: {moment}, recovery {recovery}");
                for _ in 0..3 {
                    let again = server.post(&key, "{}");
                    assert_eq!((again.status, &again.body), (201, &reply.body), "{name}: {moment}");
                    assert!(again.replayed());
                }
            }
        }
    }
}

#[test]
fn calling_first_and_saving_later_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    for (name, url) in durable(folder.path()) {
        let key = fresh("late");
        let (server, _) = crash("late", &url, "after:call", &key, true);
        assert_eq!(server.effects(&key), 2, "{name}: the test above must be able to fail");
    }
}

#[test]
fn what_nobody_asks_for_again_is_finished_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for (name, url) in durable(folder.path()) {
        let key = fresh("alone");
        let server = Server::start(&policy("lease"), &["--store", &url, "--pause", "after:claim=forever"]);
        let (address, asked) = (server.address, key.clone());
        let client = std::thread::spawn(move || {
            let headers = [("Idempotency-Key", asked.as_str()), ("X-Tenant", "acme")];
            request(address, "POST", "/pay", &headers, "{}")
        });
        server.until_logged("after:claim");
        server.kill();
        client.join().unwrap();
        let server = Server::start(&policy("lease"), &["--store", &url]);
        server.until_logged("half-finished operation");
        until("the effect", || server.effects(&key) == 1);
        std::thread::sleep(Duration::from_millis(50));
        let reply = server.post(&key, "{}");
        assert!(reply.replayed(), "{name}: {reply:?}");
        assert_eq!(server.effects(&key), 1, "{name}");
    }
}
