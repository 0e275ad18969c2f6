//! The same over HTTP: the bare service, and behind the gateway.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use idemcheck::serve::front::Front;
use idemcheck::serve::proxy::Proxy;
use idemcheck::serve::server::{Limits, Server};

use crate::{CLIENTS, Times, line, machine, open, run, source};

/// Turns, and rounds of one turn.
const TURNS: usize = 30;
const ROUNDS: usize = 50;

/// A service that answers every request with a few bytes.
async fn upstream() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let service =
                    hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                        use http_body_util::BodyExt;
                        let _ = request.into_body().collect().await;
                        let body = http_body_util::Full::new(bytes::Bytes::from_static(b"{\"paid\":true}"));
                        Ok::<_, std::convert::Infallible>(http::Response::new(body))
                    });
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
            });
        }
    });
    address
}

/// Over HTTP: the bare service, and the same behind the gateway.
pub async fn measure(name: &str, address: &str) {
    let source = source();
    let service = upstream().await;
    let limits = Limits::default();
    let proxy =
        Proxy::new(&format!("http://{service}"), None, &source.policy, limits.response).expect("an address");
    let proxy = Arc::new(proxy);
    let machine = machine(&source, open(address).await, proxy.clone());
    let front = Front::new(machine).expect("its fields have places");
    let server = Arc::new(Server::new(front, Some(proxy), limits, true));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let front_address = listener.local_addr().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(listener, None, async { _ = stopped.await }));
    let mut connector = hyper_util::client::legacy::connect::HttpConnector::new();
    connector.set_nodelay(true);
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build::<_, http_body_util::Full<bytes::Bytes>>(connector);
    let run = run();
    let count = AtomicU64::new(0);
    let ask = |case: &'static str| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let (to, key) = match case {
            "bare service" => (service, String::new()),
            "gateway, replay" => (front_address, format!("{run}-known")),
            _ => (front_address, format!("{run}-{number}")),
        };
        let request = http::Request::post(format!("http://{to}/pay"))
            .header("Idempotency-Key", key)
            .body(http_body_util::Full::new(bytes::Bytes::from_static(b"{}")))
            .expect("a request");
        let client = client.clone();
        async move {
            use http_body_util::BodyExt;
            let response = client.request(request).await.expect("an answer");
            assert!(response.status().is_success(), "{}", response.status());
            black_box(response.into_body().collect().await.expect("a body"));
        }
    };
    let cases = ["bare service", "gateway, new key", "gateway, replay"];
    let mut times: [Times; 3] = Default::default();
    for _ in 0..TURNS {
        times.iter_mut().for_each(Times::begin);
        for _ in 0..ROUNDS {
            for (case, times) in cases.into_iter().zip(&mut times) {
                let began = Instant::now();
                ask(case).await;
                times.push(began.elapsed());
            }
        }
    }
    let [bare, ..] = &times;
    for (case, times) in cases.into_iter().zip(&times) {
        let began = Instant::now();
        let all = futures_util::future::join_all((0..CLIENTS).map(|_| async {
            for _ in 0..60 {
                ask(case).await;
            }
        }));
        all.await;
        let rate = (CLIENTS * 60) as f64 / began.elapsed().as_secs_f64();
        let is_bare = case == "bare service";
        let ratio =
            if is_bare { String::new() } else { format!("{} of the bare service", times.against(bare)) };
        line(name, case, times, rate, &ratio);
    }
    let _ = stop.send(());
    let _ = running.await;
}
