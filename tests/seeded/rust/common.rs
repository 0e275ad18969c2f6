//! What the seeded servers share: HTTP, the order of a request's steps, the ledger of effects, the answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

const BODY_MAX: usize = 1024 * 1024;
/// A body that is refused is still read up to here, so that its client sees the answer and not a reset.
const DRAIN_MAX: usize = 64 * 1024 * 1024;
const KEY_MAX: usize = 255;

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub lease: Duration,
    pub ttl: Duration,
    pub work: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let [lease, ttl, work] = [1000, 1500, 5].map(Duration::from_millis);
        Self { lease, ttl, work }
    }
}

/// One attempt.
pub struct Request {
    /// No other request has it: the token of its claim.
    pub owner: u64,
    pub tenant: String,
    pub key: String,
    pub body: Vec<u8>,
    pub fingerprint: [u8; 32],
    work: Duration,
    fails: bool,
}

#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    fn problem(status: u16, title: &str) -> Self {
        let headers = vec![("content-type", "application/problem+json".to_owned())];
        Self { status, headers, body: format!(r#"{{"title":"{title}","status":{status}}}"#) }
    }

    pub fn conflict() -> Self {
        Self::problem(409, "a request with this key is in flight")
    }

    pub fn mismatch() -> Self {
        Self::problem(422, "this key was used with another body")
    }

    pub fn replayed(&self) -> Self {
        let mut answer = self.clone();
        answer.headers.push(("idempotency-replayed", "true".to_owned()));
        answer
    }

    fn json(status: u16, body: String) -> Self {
        Self { status, headers: vec![("content-type", "application/json".to_owned())], body }
    }

    fn payment(request: &Request) -> Self {
        let id = format!("{:016x}", getrandom::u64().unwrap_or(request.owner));
        let body: Option<serde_json::Value> = serde_json::from_slice(&request.body).ok();
        let amount =
            body.and_then(|body| body.get("amount")?.as_i64()).map_or("null".into(), |n| n.to_string());
        let mut answer = Self::json(201, format!(r#"{{"payment":"{id}","amount":{amount}}}"#));
        answer.headers.push(("location", format!("/payments/{id}")));
        answer.headers.push(("x-payment-id", id));
        answer
    }
}

impl From<Answer> for Response<Body> {
    fn from(answer: Answer) -> Self {
        let mut response = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        response.body(answer.body.into()).unwrap_or_default()
    }
}

/// How many effects each key of each tenant has had.
#[derive(Default)]
pub struct Ledger(Mutex<HashMap<(String, String), u64>>);

impl Ledger {
    fn add(&self, request: &Request) {
        let mut effects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *effects.entry((request.tenant.clone(), request.key.clone())).or_default() += 1;
    }

    fn count(&self, tenant: String, key: String) -> u64 {
        let effects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        effects.get(&(tenant, key)).copied().unwrap_or_default()
    }
}

/// The protocol of the receipts, where the bugs are.
pub trait Layer: Send + Sync + 'static {
    /// Claims the key for this request, or gives the answer that it gets without executing.
    fn claim(&self, request: &Request) -> Result<(), Answer>;
    /// Runs the effect and keeps its answer, both or neither, or says what a late owner is answered.
    fn complete(&self, request: &Request, effect: impl FnOnce() -> Answer) -> Answer;
    /// Gives the claim back.
    fn release(&self, request: &Request);
}

struct Service<L> {
    layer: L,
    ledger: Ledger,
    settings: Settings,
    owners: AtomicU64,
}

pub fn serve<L: Layer>(layer: L, settings: Settings) -> Router {
    let service = Service { layer, ledger: Ledger::default(), settings, owners: AtomicU64::new(0) };
    Router::new()
        .route("/pay", post(pay::<L>))
        .route("/effects", get(effects::<L>))
        .with_state(Arc::new(service))
}

async fn pay<L: Layer>(
    State(service): State<Arc<Service<L>>>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let body = match read(body).await {
        Ok(body) => body,
        Err(refusal) => return refusal.into(),
    };
    let key = unquoted(text(&headers, "idempotency-key"));
    if key.is_empty() || key.chars().count() > KEY_MAX {
        return Answer::problem(400, "an Idempotency-Key of 1 to 255 characters is needed").into();
    }
    let slow = text(&headers, "x-slow").parse().ok().map(Duration::from_millis);
    let request = Request {
        owner: service.owners.fetch_add(1, Ordering::Relaxed),
        tenant: text(&headers, "x-tenant"),
        key,
        fingerprint: Sha256::digest(&body).into(),
        body,
        work: slow.unwrap_or(service.settings.work),
        fails: text(&headers, "x-fail") == "1",
    };
    // A task of its own, since the connection takes its handler along when the client cuts it.
    let answer = tokio::spawn(async move { attempt(&service, &request).await });
    answer.await.unwrap_or_else(|_| Answer::problem(500, "internal error")).into()
}

async fn attempt<L: Layer>(service: &Service<L>, request: &Request) -> Answer {
    if let Err(answer) = service.layer.claim(request) {
        return answer;
    }
    tokio::time::sleep(request.work).await;
    if request.fails {
        service.layer.release(request);
        return Answer::problem(500, "the provider is down");
    }
    service.layer.complete(request, || {
        service.ledger.add(request);
        Answer::payment(request)
    })
}

async fn effects<L: Layer>(
    State(service): State<Arc<Service<L>>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response<Body> {
    let query = query.unwrap_or_default();
    let key = query.split('&').find_map(|pair| pair.strip_prefix("key=")).unwrap_or_default();
    let key = percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned();
    let count = service.ledger.count(text(&headers, "x-tenant"), unquoted(key));
    Answer::json(200, format!(r#"{{"effects":{count}}}"#)).into()
}

async fn read(mut body: Body) -> Result<Vec<u8>, Answer> {
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        // The client has gone: nobody reads this.
        let frame = frame.map_err(|_| Answer::problem(400, "the body is cut"))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > DRAIN_MAX {
            break;
        }
        if length <= BODY_MAX {
            bytes.extend_from_slice(&data);
        }
    }
    if length > BODY_MAX { Err(Answer::problem(413, "the body is larger than 1 MiB")) } else { Ok(bytes) }
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

fn unquoted(key: String) -> String {
    let inner = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
    inner.map(str::to_owned).unwrap_or(key)
}
