//! Killed at every moment, started again: exactly one effect, and the same bytes for everybody.

use std::path::Path;
use std::time::Duration;

use idemcheck::serve::pause::When;

use crate::gateway::{Upstream, plain};
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

/// Every moment of an attempt that takes over what somebody left, and of one whose own call timed out.
const LATER_MOMENTS: [(&str, &[&str]); 8] = [
    ("before:steal", &[]),
    ("after:steal", &[]),
    ("before:reconcile", &[]),
    ("after:reconcile", &[]),
    ("before:renew", &["--delay", "900ms"]),
    ("after:renew", &["--delay", "900ms"]),
    ("before:reconcile_own", &["--delay", "900ms"]),
    ("after:reconcile_own", &["--delay", "900ms"]),
];

/// A key that was left after the call, or that is new where the call itself is to time out; then a server that is
/// killed at the moment, and a third one that is asked until there is a final answer.
fn crash_again(url: &str, moment: &str, slow: &[&str], key: &str) {
    let ask = |address, key: &str| {
        let headers = [("Idempotency-Key", key), ("X-Tenant", "acme")];
        request(address, "POST", "/pay", &headers, "{}")
    };
    let start = |more: &[&str]| {
        let arguments = [&["--store", url, "--no-recovery"], more].concat();
        Server::start(&policy("lease"), &arguments)
    };
    if slow.is_empty() {
        let server = start(&["--pause", "after:call=forever"]);
        let (address, asked) = (server.address, key.to_owned());
        let client = std::thread::spawn(move || ask(address, &asked));
        server.until_logged("after:call");
        server.kill();
        client.join().unwrap();
    }
    let pause = format!("{moment}=forever");
    let server = start(&[&["--pause", &pause], slow].concat());
    let (address, asked) = (server.address, key.to_owned());
    let client = std::thread::spawn(move || {
        // In flight, until the lease is over and this one is killed.
        while ask(address, &asked).is_some() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    server.until_logged(moment);
    server.kill();
    client.join().unwrap();
    let server = start(&[]);
    let mut last = None;
    until("a final answer", || {
        last = Some(server.post(key, "{}")).filter(|reply| reply.status == 201);
        last.is_some()
    });
    assert_eq!(server.effects(key), 1, "{url}: {moment}");
    let again = server.post(key, "{}");
    assert!(again.replayed(), "{url}: {moment}");
    assert_eq!(Some(again.body), last.map(|reply| reply.body), "{url}: {moment}");
}

#[test]
fn one_effect_after_a_second_crash_at_any_moment_of_what_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    let stores = durable(folder.path());
    std::thread::scope(|scope| {
        for (_, url) in &stores {
            scope.spawn(move || {
                for (moment, slow) in LATER_MOMENTS {
                    crash_again(url, moment, slow, &fresh("again"));
                }
            });
        }
    });
}

/// A service that refuses the first call, without an effect, and does what it is asked for from the second on; what it
/// did can be looked up.
fn moody(refused: usize) -> Upstream {
    let effect = std::sync::Mutex::new(None::<u32>);
    Upstream::start(move |text, number| {
        let mut effect = effect.lock().unwrap();
        let made = |number: u32| plain("201 Created", "", &format!("made by call {number}"));
        Some(match (text.starts_with("GET "), *effect) {
            (true, Some(number)) => made(number),
            (true, None) => plain("404 Not Found", "", ""),
            (false, _) if number as usize <= refused => plain("503 Service Unavailable", "", "busy"),
            // Two effects would have two numbers.
            (false, _) => {
                *effect = Some(number);
                made(number)
            }
        })
    })
}

/// Moments that come only after an error of the service, or after another worker was quicker: the choice that the
/// policy has to make for them, and the first server's own pauses.
const FAILING_MOMENTS: [(&str, &str, &str, &[&str]); 8] = [
    ("before:release", "failed    = \"retry\"", "failed    = \"retry\"", &[]),
    ("after:release", "failed    = \"retry\"", "failed    = \"retry\"", &[]),
    ("before:record_failure", "failed    = \"retry\"", "failed    = \"replay\"", &[]),
    ("after:record_failure", "failed    = \"retry\"", "failed    = \"replay\"", &[]),
    ("before:poll", "in_flight = \"reject\"", "in_flight = \"wait\"", &["--pause", "after:call=2500ms"]),
    ("after:poll", "in_flight = \"reject\"", "in_flight = \"wait\"", &["--pause", "after:call=2500ms"]),
    (
        "before:reread",
        "in_flight = \"reject\"",
        "in_flight = \"reject\"",
        &["--pause", "before:record=2500ms"],
    ),
    (
        "after:reread",
        "in_flight = \"reject\"",
        "in_flight = \"reject\"",
        &["--pause", "before:record=2500ms"],
    ),
];

fn crash_failing(
    url: &str,
    folder: &Path,
    (moment, from, to, first): (&str, &str, &str, &[&str]),
    key: &str,
) {
    let state = moment.split_once(':').unwrap().1;
    let fails = matches!(state, "release" | "record_failure");
    let upstream = moody(usize::from(fails));
    let path = folder.join(format!("{}.toml", fresh("failing")));
    let text = std::fs::read_to_string(policy("lease")).unwrap();
    assert!(text.contains(from));
    std::fs::write(&path, text.replace(from, to)).unwrap();
    let (to, query) =
        (format!("http://{}", upstream.address), format!("http://{}/effects/{{key}}", upstream.address));
    let start = |more: &[&str]| {
        let all = ["--store", url, "--no-recovery", "--upstream", &to, "--query-url", &query];
        Server::start(&path, &[&all, more].concat())
    };
    let ask = |server: &Server| {
        let (address, asked) = (server.address, key.to_owned());
        std::thread::spawn(move || {
            let headers = [("Idempotency-Key", asked.as_str()), ("X-Tenant", "acme")];
            request(address, "POST", "/pay", &headers, "{}")
        })
    };
    let pause = format!("{moment}=forever");
    let killed = start(&[&["--pause", &pause], first].concat());
    let mut clients = vec![ask(&killed)];
    if state == "poll" {
        // A second one that finds the first at work.
        killed.until_logged("after:call");
        clients.push(ask(&killed));
    } else if state == "reread" {
        // Another server takes the claim over, once its lease is over, and records.
        killed.until_logged("before:record");
        let quicker = start(&[]);
        until("a takeover", || quicker.post(key, "{}").status == 201);
    }
    killed.until_logged(moment);
    killed.kill();
    for client in clients {
        client.join().unwrap();
    }
    let server = start(&[]);
    let recorded = state == "record_failure" && moment.starts_with("after");
    let last = if recorded { 503 } else { 201 };
    let mut reply = None;
    until("a final answer", || {
        reply = Some(server.post(key, "{}")).filter(|reply| reply.status == last);
        reply.is_some()
    });
    let (reply, again) = (reply.unwrap(), server.post(key, "{}"));
    assert!(again.replayed(), "{url}: {moment}: {again:?}");
    assert_eq!((again.status, &again.body), (last, &reply.body), "{url}: {moment}");
    // One effect: every call but those that were refused.
    let effects = upstream.calls() - u32::from(fails);
    assert_eq!(effects, u32::from(!recorded), "{url}: {moment}");
}

#[test]
fn one_effect_after_a_crash_at_any_moment_of_what_goes_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let stores = durable(folder.path());
    std::thread::scope(|scope| {
        for (_, url) in &stores {
            let folder = folder.path();
            scope.spawn(move || {
                for case in FAILING_MOMENTS {
                    crash_failing(url, folder, case, &fresh("failing"));
                }
            });
        }
    });
}

/// The list is the model's own: a state that is new is killed before and after, too, or this fails.
#[test]
fn no_moment_is_forgotten() {
    let loaded = idemcheck::policy::load(&[policy("lease")], None);
    let one = &loaded.policies[0];
    let system = idemcheck::system::System::new(&one.policy, &one.protocol).unwrap();
    let mut all: Vec<String> = system
        .table
        .iter()
        .flat_map(|row| [When::Before, When::After].map(|when| format!("{}:{}", when.name(), row.name)))
        .collect();
    let later = LATER_MOMENTS.iter().map(|(moment, _)| *moment);
    let failing = FAILING_MOMENTS.iter().map(|(moment, ..)| *moment);
    let mut killed: Vec<&str> = MOMENTS.into_iter().chain(later).chain(failing).collect();
    all.sort();
    killed.sort();
    assert_eq!(killed, all);
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
