//! The same behaviour before any tower service.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http_body_util::BodyExt;
use idemcheck::policy;
use idemcheck::serve::layer::Idempotency;
use idemcheck::store::memory::Memory;
use tower_service::Service;

fn layer(name: &str) -> Result<Idempotency, String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let loaded = policy::load(&[path], None);
    let source = loaded.policies.first().expect("the policy reads");
    Idempotency::new(&source.policy, &source.protocol, Arc::new(Memory::new()))
        .map_err(|error| error.to_string())
}

#[derive(Clone)]
struct Caller(&'static str);

async fn pay(
    State(count): State<Arc<AtomicU32>>,
    Extension(caller): Extension<Caller>,
    body: String,
) -> impl IntoResponse {
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let number = count.fetch_add(1, Ordering::SeqCst) + 1;
    let status = if body == "fail" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::CREATED };
    (status, [("x-number", number.to_string())], format!("{} paid {body}", caller.0))
}

async fn ask(app: &Router, method: &str, key: Option<&str>, body: &'static str) -> (u16, bool, String) {
    let mut request = Request::builder().method(method).uri("/pay").extension(Caller("alice"));
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let response = app.clone().call(request.body(Body::from(body)).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (head.status.as_u16(), head.headers.contains_key("idempotent-replayed"), text)
}

#[tokio::test]
async fn a_service_behind_the_layer_runs_once() {
    let count = Arc::new(AtomicU32::new(0));
    let app = Router::new()
        .route("/pay", post(pay))
        .route("/pay", get(|| async { "look" }))
        .layer(layer("policies/write-path/atomic-receipt.toml").unwrap())
        .with_state(count.clone());
    let burst: Vec<_> = (0..32)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { ask(&app, "POST", Some("k"), "10").await })
        })
        .collect();
    for reply in burst {
        let (status, _, _) = reply.await.unwrap();
        assert!(matches!(status, 201 | 409), "{status}");
    }
    let (status, replayed, text) = ask(&app, "POST", Some("k"), "10").await;
    assert_eq!((status, replayed, text.as_str()), (201, true, "alice paid 10"));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert_eq!(ask(&app, "POST", Some("k"), "11").await.0, 422);
    assert_eq!(ask(&app, "POST", None, "10").await.0, 400);
    assert_eq!(ask(&app, "GET", None, "").await, (200, false, "look".to_owned()));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_cut_the_service_off() {
    let count = Arc::new(AtomicU32::new(0));
    let app = Router::new()
        .route("/pay", post(pay))
        .layer(layer("policies/write-path/atomic-receipt.toml").unwrap())
        .with_state(count.clone());
    let cut =
        tokio::time::timeout(std::time::Duration::from_millis(5), ask(&app, "POST", Some("k"), "10")).await;
    assert!(cut.is_err());
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert!(ask(&app, "POST", Some("k"), "10").await.1, "the first attempt recorded its answer");
}

#[test]
fn what_cannot_stand_before_a_service_is_refused() {
    let refused = |name: &str| layer(name).err().expect("refused");
    assert!(refused("policies/write-path/transactional-receipt.toml").contains("own database"));
    assert!(refused("policies/write-path/lease-16s.toml").contains("asks whether the effect exists"));
    assert!(refused("policies/operations/inventory-inbox.toml").contains("over HTTP"));
}
