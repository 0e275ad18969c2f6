//! What an operator sees of a store, and may do to it.

use std::time::Duration;

use crate::harness::{Server, durable, fresh, policy, request, until};

fn receipts(url: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = assert_cmd::Command::cargo_bin("idemcheck")
        .unwrap()
        .args(["receipts", "--store", url])
        .args(arguments)
        .timeout(Duration::from_secs(30))
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A server that was killed at the moment, with the key's row in the list.
fn killed(url: &str, moment: &str, key: &str) {
    let pause = format!("{moment}=forever");
    let server = Server::start(&policy("lease"), &["--store", url, "--pause", &pause, "--no-recovery"]);
    let (address, asked) = (server.address, key.to_owned());
    let client = std::thread::spawn(move || {
        let headers = [("Idempotency-Key", asked.as_str()), ("X-Tenant", "acme")];
        request(address, "POST", "/pay", &headers, "secret-body")
    });
    server.until_logged(moment);
    server.kill();
    client.join().unwrap();
}

#[test]
fn stuck_claims_are_seen_and_settled() {
    let folder = tempfile::tempdir().unwrap();
    for (name, url) in durable(folder.path()) {
        let (claimed, called) = (fresh("claimed"), fresh("called"));
        killed(&url, "after:claim", &claimed);
        killed(&url, "after:call", &called);
        let row = |text: &str, key: &str| text.lines().find(|line| line.contains(key)).map(str::to_owned);
        until("both to be stuck", || {
            let (_, out, _) = receipts(&url, &["list", "--which", "stuck"]);
            row(&out, &claimed).is_some() && row(&out, &called).is_some()
        });
        let (_, out, _) = receipts(&url, &["list", "--which", "stuck", "--json"]);
        let line = row(&out, &called).unwrap();
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["status"], "in_progress", "{name}");
        let hash = json["hash"].as_str().unwrap();
        let (code, out, _) = receipts(&url, &["show", hash]);
        assert!(code == 0 && out.contains("in_progress") && !out.contains("secret"), "{name}: {out}");

        let file = policy("lease");
        let policy_file = file.to_str().unwrap();
        let (code, _, err) = receipts(&url, &["reconcile", hash, "--policy", policy_file, "--reason", "  "]);
        assert!(code == 2 && err.contains("blank"), "{name}: {err}");
        let settle = ["reconcile", hash, "--policy", policy_file, "--reason", "crashed on Monday"];
        let (code, out, err) = receipts(&url, &settle);
        assert!(code == 0 && out.contains("recorded as succeeded"), "{name}: {out}{err}");
        assert_eq!(receipts(&url, &settle).0, 2, "{name}: it is final now");

        let of_claimed = {
            let (_, out, _) = receipts(&url, &["list", "--which", "stuck", "--json"]);
            let json: serde_json::Value = serde_json::from_str(&row(&out, &claimed).unwrap()).unwrap();
            json["key"].as_str().unwrap().to_owned()
        };
        let ask = ["reconcile", &of_claimed, "--policy", policy_file, "--reason", "is it there?"];
        let (code, out, _) = receipts(&url, &ask);
        assert!(code == 0 && out.contains("does not exist; nothing was changed"), "{name}: {out}");
        assert_eq!(receipts(&url, &["release", &of_claimed]).0, 2, "{name}: a reason is needed");
        let (code, out, err) = receipts(&url, &["release", &of_claimed, "--reason", "nothing was called"]);
        assert!(code == 0 && out.contains("released"), "{name}: {out}{err}");
        assert!(err.contains("native_key") && err.contains("still knows it"), "{name}: {err}");
        let (code, _, err) = receipts(&url, &["release", hash, "--reason", "again"]);
        assert!(code == 2 && err.contains("is final"), "{name}: {err}");
        let (_, out, _) = receipts(&url, &["audit"]);
        let at = |text: &str| {
            out.lines().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{name}: {out}"))
        };
        assert!(at("nothing was called") < at("crashed on Monday"), "newest first");

        let server = Server::start(&policy("lease"), &["--store", &url]);
        let reply = server.post(&called, "secret-body");
        assert!(reply.status == 201 && reply.replayed(), "{name}: {reply:?}");
        let reply = server.post(&claimed, "another body");
        assert!(reply.status == 201 && !reply.replayed(), "{name}: the key was freed for any payload");
        assert_eq!((server.effects(&called), server.effects(&claimed)), (1, 1), "{name}");
    }
}

#[test]
fn what_names_nothing_is_said_to() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("empty.db").display());
    for (arguments, says) in
        [(&["show", "abcdef"][..], "no key of this store"), (&["show", "[\"a\",\"b\"]"], "no receipt under")]
    {
        let (code, _, err) = receipts(&url, arguments);
        assert!(code == 2 && err.contains(says), "{err}");
    }
    assert_eq!(receipts("memory:", &["list"]).0, 2);
    assert_eq!(receipts(&url, &["list"]), (0, String::new(), String::new()));
    assert_eq!(receipts(&url, &["sweep"]).0, 0);
}

/// The key as the list has it.
fn listed(url: &str, key: &str) -> serde_json::Value {
    let (_, out, _) = receipts(url, &["list", "--json"]);
    let line = out.lines().find(|line| line.contains(key)).unwrap_or_else(|| panic!("{key}: {out}"));
    serde_json::from_str(line).unwrap()
}

#[test]
fn another_payload_is_bound_only_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("body");
    std::fs::write(&body, "second").unwrap();
    for (name, url) in durable(folder.path()) {
        let (file, key, killed_key) = (policy("lease"), fresh("done"), fresh("killed"));
        let server = Server::start(&file, &["--store", &url]);
        let first = server.post(&key, "first");
        assert_eq!((first.status, server.post(&key, "second").status), (201, 422), "{name}");
        let hash = listed(&url, &key)["hash"].as_str().unwrap().to_owned();
        let rebind = |hash: &str| {
            let mut arguments = vec!["rebind", hash, "--policy", file.to_str().unwrap(), "--body"];
            arguments.extend([body.to_str().unwrap(), "--reason", "the client's serializer changed"]);
            arguments.extend(["--method", "post", "--target", "/pay"]);
            receipts(&url, &arguments)
        };
        let (code, out, err) = rebind(&hash);
        assert!(code == 0 && out.contains("rebound"), "{name}: {err}");
        let (code, _, err) = rebind(&hash);
        assert!(code == 2 && err.contains("already"), "{name}: {err}");
        let second = server.post(&key, "second");
        assert!((second.status, second.replayed()) == (201, true) && second.body == first.body, "{name}");
        assert_eq!((server.post(&key, "first").status, server.effects(&key)), (422, 1), "{name}");
        let (_, out, _) = receipts(&url, &["audit"]);
        assert!(out.contains("rebind by") && out.contains("serializer changed"), "{name}: {out}");

        // What was asked with the first payload may still be done.
        killed(&url, "after:claim", &killed_key);
        let hash = listed(&url, &killed_key)["hash"].as_str().unwrap().to_owned();
        let (code, _, err) = rebind(&hash);
        assert!(code == 2 && err.contains("is not final"), "{name}: {err}");

        let fenced = policy("fenced");
        let arguments = ["reconcile", &hash, "--policy", fenced.to_str().unwrap(), "--reason", "wrong one"];
        let (code, _, err) = receipts(&url, &arguments);
        assert!(code == 2 && err.contains("is no key of the policy"), "{name}: {err}");
    }
}

/// Makes the stored receipt one that does not read.
fn spoil(name: &str, url: &str, key: &str) {
    match name {
        "sqlite" => {
            let connection = rusqlite::Connection::open(url.strip_prefix("sqlite:").unwrap()).unwrap();
            let sql = "UPDATE idemcheck_receipts SET owner = x'00' WHERE key = ?1";
            assert_eq!(connection.execute(sql, [key]).unwrap(), 1);
        }
        "postgres" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                let sql = "UPDATE idemcheck_receipts SET owner = '\\x00' WHERE key = $1";
                assert_eq!(client.execute(sql, &[&key]).await.unwrap(), 1);
            });
        }
        "redis" => {
            let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
            let row = format!("idemcheck:receipt:{key}");
            let length: u32 = redis::cmd("STRLEN").arg(&row).query(&mut connection).unwrap();
            // The length of the fingerprint: nothing is that long.
            let new: u32 = redis::cmd("SETRANGE")
                .arg(&row)
                .arg(125)
                .arg(&b"\xfe\xfe\xfe\xfe"[..])
                .query(&mut connection)
                .unwrap();
            assert_eq!(new, length);
        }
        _ => panic!("no way into {name}"),
    }
}

#[test]
fn a_spoilt_receipt_is_an_error_of_its_key_only() {
    let folder = tempfile::tempdir().unwrap();
    for (name, url) in durable(folder.path()) {
        let (spoilt, other) = (fresh("spoilt"), fresh("other"));
        let server = Server::start(&policy("lease"), &["--store", &url]);
        assert_eq!((server.post(&spoilt, "{}").status, server.post(&other, "{}").status), (201, 201));
        let key = listed(&url, &spoilt)["key"].as_str().unwrap().to_owned();
        spoil(name, &url, &key);
        for _ in 0..2 {
            let reply = server.post(&spoilt, "{}");
            assert_eq!(reply.status, 503, "{name}: {reply:?}");
        }
        let reply = server.post(&other, "{}");
        assert!((reply.status, reply.replayed()) == (201, true), "{name}: {reply:?}");
        assert_eq!((server.post(&fresh("new"), "{}").status, server.effects(&spoilt)), (201, 1), "{name}");
        let ready = request(server.address, "GET", "/readyz", &[], "").unwrap();
        assert_eq!(ready.status, 200, "{name}");

        // A restart meets it among the others.
        drop(server);
        let server = Server::start(&policy("lease"), &["--store", &url]);
        assert_eq!(
            (server.post(&spoilt, "{}").status, server.post(&other, "{}").status),
            (503, 201),
            "{name}"
        );

        assert!(listed(&url, &spoilt)["error"].as_str().unwrap().contains("can't be read"), "{name}");
        let (code, _, err) = receipts(&url, &["release", &key, "--reason", "a disk fault"]);
        assert!(code == 2 && err.contains("can't be read"), "{name}: {err}");
        let (code, _, err) = receipts(&url, &["release", &key, "--reason", "a disk fault", "--force"]);
        assert_eq!(code, 0, "{name}: {err}");
        assert_eq!(server.post(&spoilt, "{}").status, 201, "{name}: as the operator wanted");
        let (_, out, _) = receipts(&url, &["audit"]);
        assert!(out.contains("a disk fault"), "{name}: {out}");
    }
}

#[test]
fn a_key_that_is_released_is_not_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    for (name, url) in durable(folder.path()) {
        let key = fresh("cancelled");
        killed(&url, "after:claim", &key);
        let server = Server::start(&policy("lease"), &["--store", &url]);
        server.until_logged("half-finished operation");
        let of_claim = listed(&url, &key)["key"].as_str().unwrap().to_owned();
        // Recovery waits for the end of the lease, which is a second, or has just begun.
        let release = ["release", &of_claim, "--reason", "the order was cancelled", "--force"];
        let (code, _, err) = receipts(&url, &release);
        std::thread::sleep(Duration::from_millis(1500));
        let effects = server.effects(&key);
        assert!(code != 0 || effects == 0, "{name}: {err}: done after it was cancelled");
    }
}
