//! Before a service that has no idempotency of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idemcheck::serve::body::whole;
use idemcheck::serve::proxy::{PIECE_MAX, Proxy};

use crate::harness::{Server, policy, raw, request};

/// A service that counts: each connection is one request, and its bytes are kept.
pub struct Upstream {
    pub address: SocketAddr,
    calls: Arc<AtomicU32>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    pub fn start(answer: impl Fn(&str, u32) -> Option<String> + Send + Sync + 'static) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (calls, requests) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, kept, answer) = (calls.clone(), requests.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (count, kept, answer) = (count.clone(), kept.clone(), answer.clone());
                std::thread::spawn(move || {
                    let Some(text) = whole_request(&stream) else { return };
                    let effect = !text.starts_with("GET ");
                    let number = if effect { count.fetch_add(1, Ordering::SeqCst) + 1 } else { 0 };
                    kept.lock().unwrap().push(text.clone());
                    if let Some(answer) = answer(&text, number) {
                        let _ = (&stream).write_all(answer.as_bytes());
                    }
                });
            }
        });
        Upstream { address, calls, requests }
    }

    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

fn whole_request(mut stream: &TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase().split("content-length: ").nth(1).map_or(0, |rest| {
                rest.split("\r\n").next().and_then(|number| number.trim().parse::<usize>().ok()).unwrap_or(0)
            });
            if body.len() >= length {
                return Some(text);
            }
        }
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
    }
}

pub fn plain(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn gateway(upstream: &Upstream, more: &[&str]) -> Server {
    let url = format!("http://{}", upstream.address);
    let query = format!("{url}/effects/{{key}}");
    let mut arguments = vec!["--upstream", url.as_str(), "--query-url", query.as_str()];
    arguments.extend(more);
    Server::start(&policy("lease"), &arguments)
}

#[test]
fn the_service_is_called_once_and_its_answer_kept_to_the_byte() {
    let upstream = Upstream::start(|_, number| {
        let headers = "X-Order: 7\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Hop: 1\r\nConnection: X-Hop\r\n";
        Some(plain("202 Accepted", headers, &format!("done \u{0}{number}")))
    });
    let server = gateway(&upstream, &[]);
    let headers =
        [("Idempotency-Key", "k"), ("X-Tenant", "acme"), ("X-Secret", "1"), ("Connection", "X-Secret")];
    let first = server.send("POST", "/orders?x=1", &headers, "{}");
    let second = server.send("POST", "/orders?x=1", &headers, "{}");
    assert_eq!((first.status, second.status, upstream.calls()), (202, 202, 1));
    assert_eq!(first.body, b"done \x001");
    assert_eq!(first.body, second.body);
    assert!(!first.replayed() && second.replayed());
    for reply in [&first, &second] {
        let cookies = reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        assert_eq!(cookies.count(), 2);
        assert_eq!((reply.header("x-order"), reply.header("x-hop")), (Some("7"), None));
    }
    let sent = upstream.requests.lock().unwrap()[0].to_ascii_lowercase();
    assert!(sent.starts_with("post /orders?x=1 http/1.1"), "{sent}");
    // What is of the client's connection, or our key, does not go on.
    assert!(!sent.contains("x-secret") && !sent.contains("idempotency-key: k"), "{sent}");
    assert!(sent.contains("x-tenant: acme") && sent.contains("x-request-id: "), "{sent}");
    assert!(sent.contains(&format!("host: {}", upstream.address)), "{sent}");
}

#[test]
fn what_needs_no_key_passes() {
    let upstream = Upstream::start(|text, _| Some(plain("200 OK", "", &text.to_ascii_uppercase()[..3])));
    let server = gateway(&upstream, &[]);
    let reply = server.send("GET", "/metrics", &[], "");
    assert_eq!((reply.status, reply.text().as_str()), (200, "GET"), "the path is the service's own");
    assert_eq!(server.send("PUT", "/x", &[], "body").status, 200);
}

#[tokio::test]
async fn what_passes_is_held_in_small_pieces() {
    use http_body_util::BodyExt;
    let upstream = Upstream::start(|_, _| Some(plain("200 OK", "", &"x".repeat(8 << 20))));
    let loaded = idemcheck::policy::load(&[policy("lease")], None);
    let proxy =
        Proxy::new(&format!("http://{}", upstream.address), None, &loaded.policies[0].policy, 1024).unwrap();
    let (head, ()) = http::Request::get("/large").body(()).unwrap().into_parts();
    let mut body = proxy.pass(head, whole(bytes::Bytes::new())).await.unwrap().into_body();
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        let piece = frame.unwrap().into_data().unwrap();
        assert!(piece.len() <= PIECE_MAX, "{} bytes at once", piece.len());
        count += piece.len();
        if count < 1 << 20 {
            // A slow reader lets more come together.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(count, 8 << 20);
}

#[test]
fn failures_are_told_apart() {
    let upstream = Upstream::start(|text, number| match () {
        () if text.starts_with("GET ") => Some(plain("404 Not Found", "", "")),
        () if text.contains("refuse") => Some(plain("503 Service Unavailable", "X-Why: busy\r\n", "later")),
        // No answer at all, the first time.
        () if text.contains("silent") && number == 1 => None,
        () => Some(plain("201 Created", "", "made")),
    });
    let server = gateway(&upstream, &[]);
    // A definite error releases the claim, as the policy says, and the client hears the service's own words.
    let refused = server.post("a", "refuse");
    assert_eq!(
        (refused.status, refused.text().as_str(), refused.header("x-why")),
        (503, "later", Some("busy"))
    );
    assert!(!server.post("a", "refuse").replayed());
    let (before, silent) = (upstream.calls(), Upstream::start(|_, _| None));
    assert_eq!(before, 2);
    // Cut off in the middle: nobody knows, so it is asked for, and the claim is kept until then.
    let server = gateway(&silent, &[]);
    let unknown = server.post("b", "silent");
    assert_eq!((unknown.status, unknown.problem().as_str()), (504, "unknown"));
    assert_eq!(server.post("b", "silent").status, 409);
    assert_eq!(silent.calls(), 1);
}

#[test]
fn a_service_that_is_not_there_is_said_to_be() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{gone}");
    let query = format!("{url}/{{key}}");
    let server = Server::start(
        &policy("lease"),
        &["--upstream", &url, "--query-url", &query, "--admin", "127.0.0.1:0"],
    );
    let reply = server.post("a", "{}");
    assert_eq!((reply.status, reply.problem().as_str()), (502, "not-done"));
    assert_eq!(server.send("GET", "/", &[], "").status, 502);
}

#[test]
fn answers_too_large_to_keep_are_executed_once_all_the_same() {
    let upstream = Upstream::start(|_, _| Some(plain("200 OK", "", &"x".repeat(5000))));
    let server = gateway(&upstream, &["--max-response", "1KiB"]);
    let (first, second) = (server.post("k", "{}"), server.post("k", "{}"));
    assert_eq!((first.status, first.problem().as_str()), (502, "too-large"));
    assert_eq!((second.status, second.replayed(), upstream.calls()), (502, true, 1));
}

#[test]
fn clients_that_do_not_read_share_a_bound() {
    let upstream = Upstream::start(|text, _| {
        let large = text.contains("large");
        Some(plain("200 OK", "", &"x".repeat(if large { 16 << 20 } else { 10 })))
    });
    let server = gateway(&upstream, &["--max-response", "20MiB", "--max-answers", "40MiB"]);
    let first = server.post("k", "large");
    assert_eq!((first.status, first.body.len()), (200, 16 << 20));
    let text = "POST /pay HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nX-Tenant: acme\r\nContent-Length: 5\r\n\r\nlarge";
    // More than what the system keeps for a connection; and more of them than there is room for, as the first
    // answer may still hold some of it.
    let asleep: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            stream
        })
        .collect();
    crate::harness::until("the bound", || server.post("k", "large").problem() == "busy");
    // Small answers need no room.
    assert_eq!(server.post("small", "{}").status, 200);
    drop(asleep);
    crate::harness::until("room again", || server.post("k", "large").body == first.body);
    assert_eq!(upstream.calls(), 2);
}

#[test]
fn nothing_is_smuggled_through() {
    let upstream = Upstream::start(|_, _| Some(plain("200 OK", "", "ok")));
    let server = gateway(&upstream, &[]);
    let heads = [
        // Two readers, two lengths.
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Content-Length: 0\r\nContent-Length: 44\r\n",
        "Transfer-Encoding : chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
    ];
    for head in heads {
        for method in ["POST", "PUT"] {
            let hidden = "0\r\n\r\nPOST /hidden HTTP/1.1\r\nHost: x\r\n\r\n";
            let text = format!(
                "{method} /open HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIdempotency-Key: k\r\nX-Tenant: t\r\n{head}\r\n{hidden}"
            );
            raw(server.address, text.as_bytes());
        }
    }
    let header = "POST /open HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIdempotency-Key: k2\r\nX-Tenant: t\r\nX: a\rX-Evil: 1\r\nContent-Length: 0\r\n\r\n";
    raw(server.address, header.as_bytes());
    std::thread::sleep(Duration::from_millis(200));
    for sent in upstream.requests.lock().unwrap().iter() {
        assert!(
            !sent.contains("/hidden HTTP") || sent.starts_with("PUT /open") || sent.starts_with("POST /open")
        );
        assert!(!sent.starts_with("POST /hidden"), "{sent}");
        assert!(!sent.to_ascii_lowercase().contains("transfer-encoding: identity"), "{sent}");
    }
    // Every body that reached the service has the length that its head says.
    for sent in upstream.requests.lock().unwrap().iter() {
        let (head, body) = sent.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).map(|rest| rest.split("\r\n").next().unwrap());
        if let Some(length) = length {
            assert_eq!(length.parse::<usize>().unwrap(), body.len(), "{sent}");
        }
    }
}

#[test]
fn pauses_of_the_service_are_no_second_effect() {
    // Longer than the caller waits: the effect comes late, and is found when it is asked for.
    let upstream = Upstream::start(|text, _| {
        if text.starts_with("GET ") {
            return Some(plain("200 OK", "", "found"));
        }
        std::thread::sleep(Duration::from_millis(900));
        Some(plain("201 Created", "", "made"))
    });
    let server = gateway(&upstream, &[]);
    let first = server.post("k", "{}");
    assert_eq!((first.status, first.text().as_str()), (200, "found"), "reconciled");
    let again = server.post("k", "{}");
    assert!(again.replayed());
    assert_eq!((again.text().as_str(), upstream.calls()), ("found", 1));
    let _ = request(server.address, "GET", "/", &[], "");
}

#[test]
fn nobody_is_told_that_it_was_not_done_where_it_may_have_been() {
    let upstream = Upstream::start(|_, _| {
        std::thread::sleep(Duration::from_secs(3));
        None
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("release.toml");
    let text = std::fs::read_to_string(policy("lease")).unwrap();
    std::fs::write(&path, text.replace("unknown   = \"reconcile\"", "unknown   = \"release\"")).unwrap();
    let url = format!("http://{}", upstream.address);
    let query = format!("{url}/{{key}}");
    let server = Server::start(&path, &["--upstream", &url, "--query-url", &query]);
    let reply = server.post("k", "{}");
    assert_eq!((reply.status, reply.problem().as_str()), (504, "unknown"), "{reply:?}");
}

#[test]
fn only_our_own_marker_counts() {
    let upstream = Upstream::start(|_, _| Some(plain("201 Created", "Idempotent-Replayed: true\r\n", "{}")));
    let server = gateway(&upstream, &[]);
    let (first, second) = (server.post("k", "{}"), server.post("k", "{}"));
    assert!(first.status == 201 && !first.replayed(), "{first:?}");
    assert!(second.replayed() && second.headers.iter().filter(|(_, value)| value == "true").count() == 1);
}
