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
