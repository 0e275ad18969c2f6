//! Requests that two readers could take for different ones, through the gateway: what the service behind reads is
//! one request for one that was sent, or none.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::harness::{Server, brief, policy};

/// All that came over each connection.
type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

/// A service that keeps every byte, and reads on for a while after a request, as one does that is sent two.
fn service() -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, heard) = (listener.local_addr().unwrap(), Heard::default());
    let keeps = heard.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let keeps = keeps.clone();
            std::thread::spawn(move || serve(stream, &keeps));
        }
    });
    (address, heard)
}

fn serve(mut stream: TcpStream, heard: &Heard) {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    let mut patience = Duration::from_secs(2);
    loop {
        stream.set_read_timeout(Some(patience)).unwrap();
        match stream.read(&mut part) {
            Ok(count @ 1..) => bytes.extend_from_slice(&part[..count]),
            _ => break,
        }
        if !matches!(first_request(&bytes), Ok(None)) {
            patience = Duration::from_millis(20);
        }
    }
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    heard.lock().unwrap().push(bytes);
}

/// Where the first request ends; none while it goes on.
///
/// # Errors
/// It can be read in more than one way, or is not one that was sent.
fn first_request(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    // What has no path of its own (`*`, a host alone) goes on with the path `/`.
    let is_ours =
        first.split(' ').nth(1).is_some_and(|target| target.starts_with('/') && !target.contains("hidden"));
    if !is_ours || first.split(' ').count() != 3 || !first.ends_with(" HTTP/1.1") {
        return Err(format!("not what was sent: {first}"));
    }
    let (mut lengths, mut codings) = (Vec::new(), Vec::new());
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("no header: {line}"))?;
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) || value.contains(['\r', '\n', '\0']) {
            return Err(format!("a header that reads in two ways: {line:?}"));
        }
        match name.to_ascii_lowercase().as_str() {
            "content-length" => lengths.push(value.trim().to_owned()),
            "transfer-encoding" => codings.push(value.trim().to_ascii_lowercase()),
            "x-evil" => return Err(format!("a header that was none: {line:?}")),
            _ => {}
        }
    }
    let body = end + 4;
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(Some(body)),
        ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            let length: usize = length.parse().map_err(|_| format!("a length of {length}"))?;
            Ok(Some(body + length).filter(|end| *end <= bytes.len()))
        }
        ([], [coding]) if coding == "chunked" => chunks(bytes, body),
        _ => Err(format!("two framings: {head}")),
    }
}

fn chunks(bytes: &[u8], mut at: usize) -> Result<Option<usize>, String> {
    loop {
        let Some(line) = bytes[at..].windows(2).position(|part| part == b"\r\n") else { return Ok(None) };
        let size = String::from_utf8_lossy(&bytes[at..at + line]).into_owned();
        let size = usize::from_str_radix(&size, 16).map_err(|_| format!("a chunk of `{size}`"))?;
        at += line + 2;
        if size == 0 {
            // Without trailers.
            return match bytes.get(at..at + 2) {
                Some(b"\r\n") => Ok(Some(at + 2)),
                Some(_) => Err("trailers that nobody sent on".to_owned()),
                None => Ok(None),
            };
        }
        match bytes.get(at + size..at + size + 2) {
            Some(b"\r\n") => at += size + 2,
            Some(_) => return Err("a chunk without its end".to_owned()),
            None => return Ok(None),
        }
    }
}

/// Nothing but whole requests that were sent, one on each connection; or the beginning of one that broke off.
fn check(heard: &Heard) -> Result<usize, String> {
    let heard = heard.lock().unwrap();
    for bytes in heard.iter() {
        let text = || String::from_utf8_lossy(bytes).into_owned();
        match first_request(bytes) {
            Err(why) => return Err(format!("{why}\n{}", text())),
            Ok(Some(end)) if end != bytes.len() => return Err(format!("two requests in one:\n{}", text())),
            Ok(_) => {}
        }
    }
    Ok(heard.len())
}

fn gateway(service: SocketAddr) -> Server {
    let url = format!("http://{service}");
    let query = format!("{url}/open/{{key}}");
    Server::start(&policy("lease"), &["--upstream", &url, "--query-url", &query, "--max-body", "64KiB"])
}

const FRAMINGS: &[&str] = &[
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 05\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: 5 \r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length:\t5\r\n",
    "Content-Length: 0x5\r\n",
    "Content-Length : 5\r\n",
    "Content-Length: 5\n",
    "content-length: 71\r\n",
    "Content_Length: 71\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: Chunked\r\n",
    "Transfer-Encoding:\tchunked\r\n",
    "Transfer-Encoding: chunked, chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: xchunked\r\n",
    "Transfer-Encoding: \u{b}chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    " Transfer-Encoding: chunked\r\n",
    "X: y\r\n Transfer-Encoding: chunked\r\n",
    "X: y\nTransfer-Encoding: chunked\r\n",
    "X: y\rTransfer-Encoding: chunked\r\n",
    "X: y\rX-Evil: 1\r\n",
    // Where a line ends with a line feed alone, one reading is allowed (RFC 9112, section 2.2): ours goes on.
    "X: y\nX-Line: 1\r\n",
    "X: y\0X-Evil: 1\r\n",
    "Connection: Content-Length\r\n",
    "Connection: Transfer-Encoding\r\n",
    "TE: trailers\r\nTrailer: X-Evil\r\n",
    "Expect: 100-continue\r\n",
    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Host: y\r\n",
];

const BODIES: &[&str] = &[
    "",
    "12345",
    "5\r\n12345\r\n0\r\n\r\n",
    "0\r\n\r\n",
    "5;x=y\r\n12345\r\n0\r\n\r\n",
    "5\r\n12345\r\n0\r\nX-Evil: 1\r\n\r\n",
    "0x5\r\n12345\r\n0\r\n\r\n",
    "5 \r\n12345\r\n0\r\n\r\n",
    "-1\r\n12345\r\n0\r\n\r\n",
    "ffffffffffffffff1\r\n12345\r\n0\r\n\r\n",
    "5\n12345\n0\n\n",
    "5\r\n123450\r\n\r\n",
];

/// What a second reader would take for a request of its own. The first one closes the connection, so that it is none.
const HIDDEN: &str = "POST /hidden HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";

const TARGETS: &[&str] = &[
    "/open",
    "/open?x=1",
    "/open#x",
    "/open\tHTTP/1.1\r\nX-Line: 1\r\nX:",
    "/open HTTP/1.1\r\nX-Line: 1\r\nX:",
    "http://elsewhere/open",
    "//elsewhere/open",
    "/open%0d%0aX-Evil:%201",
    "*",
    "elsewhere:80",
];

#[test]
fn one_request_is_one_request_behind_the_gateway() {
    let (address, heard) = service();
    let server = gateway(address);
    // Always the same ones, so that a change is to blame for what fails; others, and more, where there is time.
    let more = std::env::var("IDEMCHECK_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config { cases: more.unwrap_or(250), failure_persistence: None, ..Config::default() };
    let mut runner = match more {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let requests = (
        // Those that need a key are read whole, the others pass as they come.
        prop_oneof![Just("POST"), Just("PUT"), Just("GET"), Just("DELETE")],
        prop_oneof![6 => Just(TARGETS[0]), 1 => proptest::sample::select(TARGETS)],
        proptest::collection::vec(proptest::sample::select(FRAMINGS), 0..4),
        proptest::sample::select(BODIES),
        any::<u32>(),
    );
    let tried = runner.run(&requests, |(method, target, framings, body, key)| {
        let text = format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIdempotency-Key: k{key}\r\nX-Tenant: t\r\n{}\r\n{body}{HIDDEN}",
            framings.concat()
        );
        brief(server.address, text.as_bytes());
        check(&heard).map_err(TestCaseError::fail)?;
        Ok(())
    });
    tried.unwrap();
    // Some of them were requests, or nothing is shown.
    std::thread::sleep(Duration::from_millis(300));
    assert!(check(&heard).unwrap() > 20);
    assert!(!server.logged("panicked"));
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Header fields, each a literal that no table knows.
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            out.push(text.len() as u8);
            out.extend(text.as_bytes());
        }
    }
    out
}

#[test]
fn nothing_of_http_2_becomes_more_than_it_was() {
    let (address, heard) = service();
    let server = gateway(address);
    let hidden = "x\r\nContent-Length: 0\r\n\r\nPOST /hidden HTTP/1.1\r\nHost: y\r\n\r\n";
    let evil: [&[(&str, &str)]; 12] = [
        &[],
        &[("x", "y\r\nX-Evil: 1")],
        &[("x", hidden)],
        &[("x: y\r\nX-Evil", "1")],
        &[("x evil", "1")],
        &[("transfer-encoding", "chunked")],
        &[("content-length", "0")],
        &[("content-length", "99")],
        &[("content-length", "5"), ("content-length", "0")],
        &[("connection", "transfer-encoding")],
        &[("host", "y\r\nX-Evil: 1")],
        &[("X-Upper", "1")],
    ];
    let paths = ["/open", "/open HTTP/1.1\r\nX-Evil: 1\r\nX: ", "/open\r\n\r\nPOST /hidden", "elsewhere", ""];
    let mut number = 0;
    for method in ["POST", "PUT", "GET /hidden HTTP/1.1\r\nX: "] {
        for path in paths {
            for more in evil {
                number += 1;
                let key = format!("k{number}");
                let mut all = vec![
                    (":method", method),
                    (":scheme", "http"),
                    (":path", path),
                    (":authority", "x"),
                    ("idempotency-key", &key),
                    ("x-tenant", "t"),
                ];
                all.extend(more);
                let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
                bytes.extend(frame(4, 0, 0, &[]));
                bytes.extend(frame(1, 4, 1, &fields(&all)));
                bytes.extend(frame(0, 1, 1, b"5\r\n12"));
                brief(server.address, &bytes);
            }
        }
    }
    std::thread::sleep(Duration::from_millis(300));
    let count = check(&heard).unwrap();
    assert!(count >= 2, "{count}: the good ones have to come through");
    assert_eq!(server.send("PUT", "/open", &[], "").status, 200);
}

#[test]
fn oversized_everything_is_refused_or_cut_off() {
    let (address, heard) = service();
    let server = gateway(address);
    let long = "x".repeat(200_000);
    let head = "Host: x\r\nConnection: close\r\nX-Tenant: t\r\n";
    let post = |target: &str, key: &str, more: &str, body: &str| {
        format!("POST {target} HTTP/1.1\r\n{head}Idempotency-Key: {key}\r\n{more}\r\n{body}")
    };
    let many = (0..5000).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    let chunk = format!("{:x}\r\n{long}\r\n", long.len());
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (what, text) in [
        ("target", post(&format!("/open?{long}"), "k", "", "")),
        ("key", post("/open", &long, "", "")),
        ("header", post("/open", "k", &format!("X: {long}\r\n"), "")),
        ("name", post("/open", "k", &format!("{long}: x\r\n"), "")),
        ("headers", post("/open", "k", &many, "")),
        ("method", format!("{long} /open HTTP/1.1\r\n{head}\r\n")),
        ("body", post("/open", "k", "Content-Length: 200000\r\n", &long)),
        ("length", post("/open", "k", "Content-Length: 18446744073709551615\r\n", "x")),
        ("chunk", post("/open", "k", chunked, &format!("{chunk}0\r\n\r\n"))),
        ("chunk size", post("/open", "k", chunked, &format!("{long}\r\n"))),
        ("extension", post("/open", "k", chunked, &format!("1;{long}\r\nx\r\n0\r\n\r\n"))),
        ("trailers", post("/open", "k", chunked, &format!("0\r\n{many}\r\n"))),
        ("chunks", post("/open", "k", chunked, &"1\r\nx\r\n".repeat(100_000))),
    ] {
        let reply = crate::harness::raw(server.address, text.as_bytes());
        assert!(reply.as_ref().is_none_or(|reply| (400..600).contains(&reply.status)), "{what}: {reply:?}");
    }
    // The same in HTTP/2: a head in pieces without end, and a body without one.
    for endless in [frame(9, 0, 1, &[b'x'; 16_000]), frame(0, 0, 1, &[b'x'; 16_000])] {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, 0, &[]));
        let is_head = endless[3] == 9;
        let all = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/open"),
            (":authority", "x"),
            ("idempotency-key", "k2"),
            ("x-tenant", "t"),
        ];
        bytes.extend(frame(1, if is_head { 0 } else { 4 }, 1, &fields(&all)));
        (0..500).for_each(|_| bytes.extend(&endless));
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        let _ = stream.write_all(&bytes);
    }
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(check(&heard), Ok(0), "none of it is the service's business");
    let reply = server.send("POST", "/open", &[("Idempotency-Key", "after"), ("X-Tenant", "t")], "{}");
    assert_eq!(reply.status, 200);
    assert!(!server.logged("panicked"));
}
