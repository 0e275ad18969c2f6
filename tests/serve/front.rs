//! What the endpoint says to good and to bad requests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::{Server, fresh, policy, raw, request, until};

fn lease() -> Server {
    Server::start(&policy("lease"), &[])
}

/// A server whose calls take so long that others come meanwhile, on however busy a machine.
fn slow(more: &[&str]) -> Server {
    let policy =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/write-path/atomic-receipt.toml");
    Server::start(&policy, &[&["--delay", "1500ms"], more].concat())
}

#[test]
fn the_second_answer_is_the_first_one_marked() {
    let server = lease();
    let first = server.post("k", "{}");
    let second = server.post("k", "{}");
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(first.body, second.body);
    assert!(!first.replayed() && second.replayed());
    assert_eq!(first.header("content-type"), second.header("content-type"));
    assert_eq!(server.effects("k"), 1);
    // A string of structured fields and the bare text are one key.
    assert!(server.post("\"k\"", "{}").replayed());
}

#[test]
fn a_key_is_of_one_payload() {
    let server = lease();
    assert_eq!(server.post("k", "a").status, 201);
    let other = server.post("k", "b");
    assert_eq!((other.status, other.problem().as_str()), (422, "mismatch"));
    assert_eq!(other.header("content-type"), Some("application/problem+json"));
    // The mismatch changed nothing.
    assert!(server.post("k", "a").replayed());
    let elsewhere = server.send("POST", "/refund", &[("Idempotency-Key", "k"), ("X-Tenant", "acme")], "a");
    assert_eq!(elsewhere.status, 422);
    assert_eq!(server.effects("k"), 1);
}

#[test]
fn tenants_do_not_see_each_other() {
    let server = lease();
    let of =
        |tenant: &str| server.send("POST", "/pay", &[("Idempotency-Key", "k"), ("X-Tenant", tenant)], "{}");
    let (acme, other) = (of("acme"), of("other"));
    assert_eq!((acme.status, other.status), (201, 201));
    assert!(!other.replayed());
    assert_ne!(acme.body, other.body);
    // Attributes are parts of their own: one that holds the other's separator is still another.
    assert!(!of("acme\",\"k").replayed());
    let nobody = server.send("POST", "/pay", &[("Idempotency-Key", "k")], "{}");
    assert_eq!((nobody.status, nobody.problem().as_str()), (400, "missing-attribute"));
}

#[test]
fn keys_that_are_none_are_refused() {
    let server = lease();
    let long = "k".repeat(256);
    let cases = [
        ("", "malformed-key"),
        (long.as_str(), "malformed-key"),
        ("\"open", "malformed-key"),
        ("\"a\"b", "malformed-key"),
        ("sch\u{f6}n", "malformed-key"),
    ];
    for (key, problem) in cases {
        let reply = server.post(key, "{}");
        assert_eq!((reply.status, reply.problem().as_str()), (400, problem), "{key}");
    }
    let without = server.send("POST", "/pay", &[("X-Tenant", "acme")], "{}");
    assert_eq!((without.status, without.problem().as_str()), (400, "missing-key"));
    let twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b"), ("X-Tenant", "acme")];
    assert_eq!(server.send("POST", "/pay", &twice, "{}").status, 400);
    assert_eq!(server.post(&"k".repeat(255), "{}").status, 201);
    assert_eq!(server.send("GET", "/pay", &[], "").status, 405);
}

#[test]
fn what_is_under_way_is_a_conflict() {
    let server = slow(&[]);
    let address = server.address;
    let headers = [("Idempotency-Key", "k"), ("X-Tenant", "acme")];
    let first = std::thread::spawn(move || request(address, "POST", "/pay", &headers, "{}"));
    std::thread::sleep(Duration::from_millis(400));
    let second = server.post("k", "{}");
    assert_eq!((second.status, second.problem().as_str()), (409, "in-flight"));
    assert!(second.header("retry-after").is_some());
    // Another payload is told so even now.
    assert_eq!(server.post("k", "other").status, 422);
    assert_eq!(first.join().unwrap().unwrap().status, 201);
    assert!(server.post("k", "{}").replayed());
}

#[test]
fn a_client_that_goes_away_changes_nothing() {
    let server = Server::start(&policy("lease"), &["--delay", "200ms"]);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = "POST /pay HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nX-Tenant: acme\r\nContent-Length: 2\r\n\r\n{}";
    stream.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    drop(stream);
    until("the effect", || server.effects("k") == 1);
    until("the record", || server.post("k", "{}").replayed());
    assert_eq!(server.effects("k"), 1);
}

#[test]
fn too_much_is_refused_and_costs_nobody_else() {
    let server = Server::start(&policy("lease"), &["--max-body", "1KiB", "--max-connections", "40"]);
    let reply = server.post("k", &"x".repeat(1025));
    assert_eq!((reply.status, reply.problem().as_str()), (413, "too-large"));
    // A head without end.
    let flood = format!("POST / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(100_000));
    assert!(raw(server.address, flood.as_bytes()).is_none_or(|reply| reply.status == 431));
    for nonsense in ["\0\0\0\0", "GET\r\n\r\n", "POST / HTTP/9.9\r\n\r\n", "POST /\r\nx\r\n\r\n"] {
        let reply = raw(server.address, nonsense.as_bytes());
        assert!(reply.is_none_or(|reply| reply.status >= 400), "{nonsense:?}");
    }
    // Connections that say nothing.
    let silent: Vec<TcpStream> = (0..30).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    assert_eq!(server.post("k", "{}").status, 201);
    drop(silent);
    assert_eq!(server.effects("k"), 1);
}

#[test]
fn two_lengths_are_no_request() {
    // Request smuggling begins with a message that two readers take for different ones.
    let server = lease();
    let headers = "Host: x\r\nIdempotency-Key: k\r\nX-Tenant: acme\r\n";
    let cases = [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2, 3\r\n",
        "Content-Length: +2\r\n",
        "Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
    ];
    for lengths in cases {
        let text = format!("POST /pay HTTP/1.1\r\n{headers}{lengths}\r\n{{}}");
        let reply = raw(server.address, text.as_bytes());
        assert!(reply.as_ref().is_none_or(|reply| reply.status >= 400), "{lengths}: {reply:?}");
    }
    assert_eq!(server.effects("k"), 0);
}

#[test]
fn the_server_can_be_watched() {
    let server = Server::start(&policy("lease"), &["--log-level", "info", "--log", "json"]);
    server.post("secret-key", "secret-body");
    server.post("secret-key", "secret-body");
    server.post("secret-key", "other");
    let text = server.send("GET", "/metrics", &[], "").text();
    for line in [
        "idemcheck_executions_total{policy=\"served-lease\"} 1",
        "idemcheck_replays_total{policy=\"served-lease\"} 1",
        "idemcheck_mismatches_total{policy=\"served-lease\"} 1",
        "answer=\"replay\"",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert_eq!(server.send("GET", "/healthz", &[], "").status, 200);
    assert_eq!(server.send("GET", "/readyz", &[], "").status, 200);
    server.until_logged("\"answer\":\"mismatch\"");
    let log = server.log.lock().unwrap().clone();
    assert!(!log.contains("secret"), "{log}");
    let lines = log.lines().filter(|line| line.starts_with('{'));
    let answered = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    assert_eq!(answered.filter(|line| line["message"] == "answered").count(), 3);
}

#[test]
fn a_server_that_is_told_to_stop_finishes_what_it_began() {
    let mut server = slow(&[]);
    let address = server.address;
    let headers = [("Idempotency-Key", "k"), ("X-Tenant", "acme")];
    let under_way = std::thread::spawn(move || request(address, "POST", "/pay", &headers, "{}"));
    std::thread::sleep(Duration::from_millis(400));
    let began = Instant::now();
    assert_eq!(server.stop().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(15));
    assert_eq!(under_way.join().unwrap().expect("an answer").status, 201);
    assert!(server.logged("every attempt came to its end"));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn attempts_have_a_limit() {
    let server = slow(&["--max-attempts", "2"]);
    let address = server.address;
    let ask = move |key: String| {
        let headers = [("Idempotency-Key", key.as_str()), ("X-Tenant", "acme")];
        request(address, "POST", "/pay", &headers, "{}").unwrap()
    };
    let several: Vec<_> = (0..6).map(|n| std::thread::spawn(move || ask(format!("k{n}")))).collect();
    let replies: Vec<_> = several.into_iter().map(|one| one.join().unwrap()).collect();
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 2);
    assert_eq!(replies.iter().filter(|reply| reply.problem() == "busy").count(), 4);
    assert_eq!(server.post(&fresh("after"), "{}").status, 201);
}

#[test]
fn what_cannot_be_served_is_said_at_once() {
    let run = |policy: &str, more: &[&str]| {
        let output = assert_cmd::Command::cargo_bin("idemcheck")
            .unwrap()
            .args(["serve", policy, "--listen", "127.0.0.1:0"])
            .args(more)
            .timeout(Duration::from_secs(20))
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let cases: [(&str, &[&str], &str); 6] = [
        ("policies/operations/inventory-inbox.toml", &[], "over HTTP"),
        ("policies/operations/order-outbox.toml", &[], "no counterpart"),
        (
            "policies/write-path/transactional-receipt.toml",
            &["--upstream", "http://127.0.0.1:1"],
            "own database",
        ),
        ("policies/write-path/atomic-receipt.toml", &["--pause", "after:nowhere=1s"], "its states are"),
        ("policies/write-path/atomic-receipt.toml", &["--upstream", "ftp://x"], "is no address"),
        ("policies/write-path/atomic-receipt.toml", &["--store", "mongo://x"], "no store's address"),
    ];
    for (policy, more, says) in cases {
        let (code, stderr) = run(policy, more);
        assert!(code == Some(2) && stderr.contains(says), "{policy} {more:?}: {code:?}\n{stderr}");
    }
}

#[test]
fn half_a_request_is_given_up() {
    let server = lease();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"POST /pay HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nX-Tenant: acme\r\nContent-Length: 10\r\n\r\nab").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains(" 201 "));
    assert_eq!(server.effects("k"), 0);
}

#[tokio::test]
async fn http_2_is_spoken_too() {
    use http_body_util::{BodyExt, Full};
    let server = Server::start(&policy("lease"), &[]);
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .http2_only(true)
        .build_http::<Full<bytes::Bytes>>();
    let ask = || {
        let request = http::Request::post(format!("http://{}/pay", server.address))
            .header("Idempotency-Key", "k")
            .header("X-Tenant", "acme")
            .body(Full::from("{}"))
            .unwrap();
        let client = client.clone();
        async move {
            let response = client.request(request).await.unwrap();
            let replayed = response.headers().contains_key("idempotent-replayed");
            (response.status().as_u16(), replayed, response.into_body().collect().await.unwrap().to_bytes())
        }
    };
    let (first, second) = (ask().await, ask().await);
    assert_eq!((first.0, first.1, second.0, second.1), (201, false, 201, true));
    assert_eq!(first.2, second.2);
}

#[test]
fn alerts_ask_for_numbers_that_there_are() {
    let output = assert_cmd::Command::cargo_bin("idemcheck")
        .unwrap()
        .arg("alerts")
        .arg(policy("lease"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let rules = String::from_utf8(output.stdout).unwrap();
    let server = lease();
    server.post("k", "{}");
    let numbers = server.send("GET", "/metrics", &[], "").text();
    let asked: std::collections::BTreeSet<&str> = rules
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("idemcheck_"))
        .collect();
    assert!(asked.len() >= 6, "{asked:?}");
    for name in asked {
        assert!(
            numbers.contains(&format!("\n{name}{{policy=\"served-lease\"")),
            "{name} is not in\n{numbers}"
        );
    }
    assert_eq!(rules.matches("- alert: ").count(), rules.matches("expr: ").count());
}

/// The policy with the tenant somewhere else.
fn with_tenant(folder: &std::path::Path, place: &str) -> Server {
    let text = std::fs::read_to_string(policy("lease")).unwrap();
    let path = folder.join("policy.toml");
    std::fs::write(&path, text.replace("header:X-Tenant", place)).unwrap();
    Server::start(&path, &[])
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_tenant(folder.path(), "query:tenant");
    let to = |path: &str| server.send("POST", path, &[("Idempotency-Key", "k")], "{}");
    for path in ["/pay?tenant=a&tenant=b", "/pay?tenant=a&ten%61nt=b", "/pay", "/pay?tenant=%ff"] {
        let reply = to(path);
        assert_eq!((reply.status, reply.problem().as_str()), (400, "missing-attribute"), "{path}");
    }
    assert_eq!(to("/pay?tenant=a").status, 201);

    let server = with_tenant(folder.path(), "json:/tenant");
    let of = |body: &str| server.send("POST", "/pay", &[("Idempotency-Key", "k")], body);
    for body in ["{\"tenant\":1,\"tenant\":2}", "{\"tenant\":null}", "{\"tenant\":1", "[]", ""] {
        let reply = of(body);
        assert_eq!((reply.status, reply.problem().as_str()), (400, "missing-attribute"), "{body}");
    }
    // Beyond what fits into a floating-point number.
    for digit in 1..=3 {
        let reply = of(&format!("{{\"tenant\":10000000000000000000000{digit}}}"));
        assert!(reply.status == 201 && !reply.replayed(), "{reply:?}");
    }

    let server = lease();
    for byte in [0xe8, 0xe9] {
        let mut text = b"POST /pay HTTP/1.1\r\nHost: h\r\nIdempotency-Key: k\r\nX-Tenant: caf".to_vec();
        text.push(byte);
        text.extend(b"\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}");
        let reply = raw(server.address, &text).unwrap();
        assert_eq!((reply.status, reply.problem().as_str()), (400, "missing-attribute"));
    }
    // However many attributes: one that no store keeps is the client's to shorten.
    let long = "\\\"".repeat(127);
    let headers = [("Idempotency-Key", long.as_str()), ("X-Tenant", long.as_str())];
    assert!(matches!(server.send("POST", "/pay", &headers, "{}").status, 201 | 400));
}

#[test]
fn connections_that_say_nothing_keep_nobody_out_for_long() {
    let server = slow(&["--max-connections", "2"]);
    let silent: Vec<_> = [&b""[..], b"PRI * HTT"]
        .into_iter()
        .map(|begin| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.write_all(begin).unwrap();
            stream
        })
        .collect();
    let began = Instant::now();
    assert_eq!(request(server.address, "GET", "/healthz", &[], "").unwrap().status, 200);
    assert!(began.elapsed() > Duration::from_secs(1), "they did not keep the place, so nothing is shown");
    drop(silent);
}

#[test]
fn bodies_share_a_bound() {
    let server = slow(&["--max-body", "100KiB", "--max-bodies", "150KiB"]);
    let head = "POST /pay HTTP/1.1\r\nHost: h\r\nIdempotency-Key: held\r\nContent-Length: 100000\r\n\r\n";
    let mut held = None;
    until("the bound", || {
        // Whoever comes first has the room.
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&[b'x'; 1000]).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        held = Some(stream);
        let reply = server.post(&fresh("other"), &"x".repeat(90_000));
        reply.status == 503 && reply.problem() == "busy"
    });
    assert_eq!(server.post(&fresh("small"), "{}").status, 201);
    drop(held);
    until("room again", || server.post(&fresh("other"), &"x".repeat(90_000)).status == 201);
}
