//! Requests that no client would send: the server answers or hangs up, and goes on.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::harness::{Server, policy, raw};

/// A good request, to be spoiled.
const GOOD: &[u8] = b"POST /pay?x=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nIdempotency-Key: \"fuzz\"\r\nX-Tenant: acme\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"amount\": 1}";

/// What is put somewhere into it.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..8),
        prop_oneof![
            Just("\r\n\r\n"),
            Just("\r"),
            Just("\0"),
            Just("\r\nTransfer-Encoding: chunked"),
            Just("\r\nContent-Length: 99999999999999999999"),
            Just("\r\nContent-Length: -1"),
            Just("\r\nIdempotency-Key: "),
            Just("\r\nX-Tenant: \u{ffff}"),
            Just("\r\nExpect: 100-continue"),
            Just("\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings"),
            Just("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            Just("GET http://[::1 HTTP/1.1"),
            Just("\\\"\\"),
        ]
        .prop_map(|text| text.as_bytes().to_vec()),
        (1..3000usize).prop_map(|length| vec![b'a'; length]),
    ]
}

#[test]
fn spoiled_requests_harm_nobody() {
    let server = Server::start(&policy("lease"), &["--max-body", "2KiB"]);
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let spoils = proptest::collection::vec((any::<proptest::sample::Index>(), 0..12usize, pieces()), 1..4);
    let tried = TestRunner::new(config).run(&spoils, |spoils| {
        let mut request = GOOD.to_vec();
        for (at, cut, piece) in spoils {
            let at = at.index(request.len());
            let end = (at + cut).min(request.len());
            request.splice(at..end, piece);
        }
        // Half a request must not keep us waiting for the server's patience.
        request.extend_from_slice(b"\r\n\r\n");
        if let Some(reply) = crate::harness::brief(server.address, &request) {
            prop_assert!((100..600).contains(&reply.status), "{reply:?}");
        }
        Ok(())
    });
    tried.unwrap();
    assert_eq!(server.post("after", "{}").status, 201);
    assert!(server.effects("fuzz") <= 1);
    assert!(!server.logged("panicked"), "{}", server.log.lock().unwrap());
}

#[test]
fn frames_that_are_none_harm_nobody() {
    let server = Server::start(&policy("lease"), &[]);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    let frames = proptest::collection::vec(any::<u8>(), 0..200);
    let tried = TestRunner::new(config).run(&frames, |frames| {
        let mut bytes = preface.to_vec();
        bytes.extend(frames);
        crate::harness::brief(server.address, &bytes);
        Ok(())
    });
    tried.unwrap();
    assert_eq!(server.post("after", "{}").status, 201);
    assert!(!server.logged("panicked"), "{}", server.log.lock().unwrap());
    // A body in chunks is a body.
    let chunked = b"POST /pay HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIdempotency-Key: after\r\nX-Tenant: acme\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n";
    assert!(raw(server.address, chunked).is_some_and(|reply| reply.replayed()));
}
