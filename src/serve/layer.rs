//! A policy's behaviour for any tower service: requests come through the machine, and the service is its
//! downstream.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use idemcheck::serve::layer::Idempotency;
//! use idemcheck::store::memory::Memory;
//!
//! let loaded = idemcheck::policy::load(&["policies/write-path/atomic-receipt.toml".into()], None);
//! let policy = &loaded.policies[0];
//! let layer = Idempotency::new(&policy.policy, &policy.protocol, std::sync::Arc::new(Memory::new()))?;
//! let app: axum::Router = axum::Router::new().route("/pay", axum::routing::post(|| async { "paid" })).layer(layer);
//! # let _ = app; Ok(()) }
//! ```

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{self, BoxError};
use super::downstream::{Downstream, Found, Heard, Outgoing, Reply as Promise};
use super::front::{Front, answer, http_response, problem, unread};
use super::machine::{Bounds, CannotRun, Machine, Parts};
use super::pause::Pauses;
use super::request::{end_to_end, read_request};
use super::server::Limits;
use super::watch::Watch;
use crate::model::Protocol;
use crate::policy::Policy;
use crate::store::{Response, SharedStore};

/// Puts a policy before a service.
#[derive(Clone)]
pub struct Idempotency {
    front: Front,
    limits: Limits,
    /// Bytes of bodies that may come.
    bodies: Arc<Semaphore>,
    permits: Arc<Semaphore>,
}

impl Idempotency {
    /// # Errors
    /// The policy can't be run before a service: its model writes the effect in its own transaction, asks
    /// for effects, or is no model of requests; or its key has fields without a place.
    pub fn new(policy: &Policy, protocol: &Protocol, store: SharedStore) -> Result<Idempotency, CannotRun> {
        Idempotency::with_limits(policy, protocol, store, Limits::default())
    }

    /// # Errors
    /// As [`Idempotency::new`].
    pub fn with_limits(
        policy: &Policy,
        protocol: &Protocol,
        store: SharedStore,
        limits: Limits,
    ) -> Result<Idempotency, CannotRun> {
        let limits = limits.within(store.room());
        let parts = Parts {
            store,
            downstream: Arc::new(Nobody),
            watch: Arc::new(Watch::new(&policy.name)),
            pauses: Pauses::default(),
            bounds: Bounds {
                attempt: limits.attempt_time,
                calls: 2 * limits.attempts,
                retry: Default::default(),
            },
            keeps_requests: false,
        };
        let machine = Arc::new(Machine::new(policy, protocol, parts)?);
        if machine.asks_for_effects() {
            let what =
                "the model asks whether the effect exists, and a service that is called cannot be asked";
            return Err(CannotRun(what.to_owned()));
        }
        let front = Front::new(machine).map_err(CannotRun)?;
        let permits = Arc::new(Semaphore::new(limits.attempts));
        Ok(Idempotency { front, limits, bodies: body::budget(limits.bodies, limits.body), permits })
    }

    /// The numbers of all services under this layer.
    pub fn watch(&self) -> &Arc<Watch> {
        self.front.machine().watch()
    }
}

/// Stands in the place of the service until there is one.
struct Nobody;

impl Downstream for Nobody {
    fn call<'a>(&'a self, _: &'a Outgoing) -> Promise<'a, Heard> {
        Box::pin(async { Heard::Timeout })
    }

    fn query<'a>(&'a self, _: &'a Outgoing) -> Promise<'a, Found> {
        Box::pin(async { Found::Unknown })
    }
}

impl<S> Layer<S> for Idempotency {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { layer: self.clone(), inner }
    }
}

/// A service behind a policy.
#[derive(Clone)]
pub struct Guarded<S> {
    layer: Idempotency,
    inner: S,
}

type Promised<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl<S, ReqBody, ResBody> Service<http::Request<ReqBody>> for Guarded<S>
where
    S: Service<http::Request<ReqBody>, Response = http::Response<ResBody>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    ReqBody: http_body::Body + From<Bytes> + Send + 'static,
    ReqBody::Data: Send,
    ReqBody::Error: Into<BoxError>,
    ResBody: http_body::Body + From<Bytes> + Send + 'static,
    ResBody::Data: Send,
    ResBody::Error: Into<BoxError>,
{
    type Response = http::Response<ResBody>;
    type Error = S::Error;
    type Future = Promised<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<ReqBody>) -> Self::Future {
        // The one that is ready goes; the clone that stays is asked again.
        let inner = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, inner.clone());
        if !self.layer.front.guards(request.method().as_str()) {
            return Box::pin(ready.call(request));
        }
        let limits = self.layer.limits;
        let (permits, bodies) = (self.layer.permits.clone(), self.layer.bodies.clone());
        let front = self.layer.front.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            // What outer layers and the router know of the request goes on with it.
            let extensions = head.extensions.clone();
            let front = front.before(Arc::new(Around {
                ready: Mutex::new(Some(ready)),
                inner,
                limits,
                extensions,
                marker: PhantomData,
            }));
            let (body, held) = match body::read_within(body, &limits, &bodies).await {
                Ok(read) => read,
                Err(why) => return Ok(http_response(unread(why))),
            };
            Ok(http_response(answer(&front, &permits, read_request(&head, body), held).await))
        })
    }
}

/// The inner service as a downstream.
struct Around<S, ReqBody, ResBody> {
    /// It may hold what a clone would wait for.
    ready: Mutex<Option<S>>,
    inner: S,
    limits: Limits,
    extensions: http::Extensions,
    marker: PhantomData<fn(ReqBody) -> ResBody>,
}

impl<S, ReqBody, ResBody> Downstream for Around<S, ReqBody, ResBody>
where
    S: Service<http::Request<ReqBody>, Response = http::Response<ResBody>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    ReqBody: From<Bytes> + Send + 'static,
    ResBody: http_body::Body + Send + 'static,
    ResBody::Data: Send,
    ResBody::Error: Into<BoxError>,
{
    fn call<'a>(&'a self, call: &'a Outgoing) -> Promise<'a, Heard> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (is_ready, mut inner) = (ready.is_some(), ready.unwrap_or_else(|| self.inner.clone()));
        let limits = self.limits;
        Box::pin(async move {
            let asked = &call.request;
            let mut request =
                http::Request::builder().method(asked.method.as_str()).uri(asked.target.as_str());
            for (name, value) in &asked.headers {
                request = request.header(name, value.as_slice());
            }
            let Ok(mut request) = request.body(ReqBody::from(asked.body.clone())) else {
                return Heard::Timeout;
            };
            *request.extensions_mut() = self.extensions.clone();
            if !is_ready && std::future::poll_fn(|context| inner.poll_ready(context)).await.is_err() {
                return Heard::Error(problem(503, "not-done", "the service is not ready", Some(1)).response);
            }
            let Some(response) = inner.call(request).await.ok() else { return Heard::Timeout };
            let (parts, body) = response.into_parts();
            let Ok(body) = body::read(body, limits.response, limits.attempt_time).await else {
                let detail = "it was done, and the answer could not be kept";
                return Heard::Ok(problem(502, "too-large", detail, None).response);
            };
            let mut headers = end_to_end(&parts.headers);
            headers.retain(|(name, _)| name != "content-length");
            let response = Response { status: parts.status.as_u16(), headers, body: body.to_vec() };
            if response.status < 400 { Heard::Ok(response) } else { Heard::Error(response) }
        })
    }

    fn query<'a>(&'a self, _: &'a Outgoing) -> Promise<'a, Found> {
        Box::pin(async { Found::Unknown })
    }
}
