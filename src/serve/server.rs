//! The reference endpoint and the gateway: connections in, within declared limits.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use super::body::{self, BoxError, Stream};
use super::front::{Front, Reply, answer, http_response, problem, unread};
use super::proxy::Proxy;
use super::request::{Request, read_request};

/// Bytes of an answer that always has room.
const SMALL_ANSWER: usize = 4 << 10;

/// What the server takes at the most. Every limit ends in an answer that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body that needs a key; longer ones get 413.
    pub body: usize,
    /// Bytes of all bodies that are held at a time; further requests get 503.
    pub bodies: usize,
    /// Bytes of an answer that is kept.
    pub response: usize,
    /// Bytes of all larger answers that are on their way to clients; further ones get 503, and the same answer later.
    pub answers: usize,
    /// Bytes of a request's head; longer ones get 431.
    pub head: usize,
    /// Connections at a time; further ones wait to be accepted.
    pub connections: usize,
    /// Streams of one HTTP/2 connection.
    pub streams: u32,
    /// Attempts at a time; further ones get 503.
    pub attempts: usize,
    /// For a request's head to arrive.
    pub head_time: Duration,
    /// For a request's body to arrive.
    pub body_time: Duration,
    /// For the other side to take some bytes of an answer.
    pub write_time: Duration,
    /// For an attempt to come to its answer.
    pub attempt_time: Duration,
    /// For attempts under way, once the server is told to stop.
    pub drain: Duration,
}

impl Limits {
    /// The same for a store with room for so many bytes of a receipt: a half for the answer, a quarter for the
    /// body, and the rest for their heads.
    pub fn within(self, room: usize) -> Limits {
        Limits { body: self.body.min(room / 4), response: self.response.min(room / 2), ..self }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body: 1 << 20,
            bodies: 256 << 20,
            response: 4 << 20,
            answers: 256 << 20,
            head: 16 << 10,
            connections: 1024,
            streams: 128,
            attempts: 512,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            attempt_time: Duration::from_secs(15 * 60),
            drain: Duration::from_secs(30),
        }
    }
}

/// What a server answers with.
pub struct Server {
    front: Front,
    /// Requests that need no key go there.
    upstream: Option<Arc<Proxy>>,
    limits: Limits,
    /// Bytes of bodies that may come.
    bodies: Arc<Semaphore>,
    /// Bytes of answers that may be on their way.
    answers: Arc<Semaphore>,
    /// Attempts that may begin.
    pub permits: Arc<Semaphore>,
    /// Watching is on an address of its own, or else on the same.
    watched_elsewhere: bool,
    draining: std::sync::atomic::AtomicBool,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Attempts that were cut off in the middle.
    pub cut_off: usize,
}

impl Server {
    pub fn new(
        front: Front,
        upstream: Option<Arc<Proxy>>,
        limits: Limits,
        watched_elsewhere: bool,
    ) -> Server {
        Server {
            front,
            upstream,
            limits,
            bodies: body::budget(limits.bodies, limits.body),
            answers: body::budget(limits.answers, limits.response),
            permits: Arc::new(Semaphore::new(limits.attempts)),
            watched_elsewhere,
            draining: std::sync::atomic::AtomicBool::new(false),
        }
    }

    /// Serves until `stop` resolves, then lets attempts that are under way come to their end.
    pub async fn run(
        self: Arc<Server>,
        listener: TcpListener,
        watching: Option<TcpListener>,
        stop: impl Future<Output = ()>,
    ) -> Drained {
        let connections = Arc::new(Semaphore::new(self.limits.connections));
        let graceful = GracefulShutdown::new();
        let watcher = watching.map(|listener| tokio::spawn(self.clone().watch(listener)));
        tokio::pin!(stop);
        loop {
            // No connection is taken that could not be kept.
            let permit = tokio::select! {
                permit = connections.clone().acquire_owned() => permit,
                () = &mut stop => break,
            };
            let Ok(permit) = permit else { break };
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    // Out of descriptors, most often: taking the next at once would spin.
                    Err(_) => { tokio::time::sleep(Duration::from_millis(50)).await; continue }
                },
                () = &mut stop => break,
            };
            let server = self.clone();
            let service = service_fn(move |request| {
                let server = server.clone();
                async move { Ok::<_, std::convert::Infallible>(server.handle(request).await) }
            });
            let (server, watcher) = (self.clone(), graceful.watcher());
            tokio::spawn(async move {
                if server.speaks(&stream).await {
                    let connection =
                        server.builder().serve_connection(server.io(stream), service).into_owned();
                    // A connection that breaks is its client's affair.
                    let _ = watcher.watch(connection).await;
                }
                drop(permit);
            });
        }
        self.draining.store(true, std::sync::atomic::Ordering::SeqCst);
        drop(listener);
        let drained = self.drain(graceful).await;
        if let Some(watcher) = watcher {
            watcher.abort();
        }
        drained
    }

    async fn drain(&self, graceful: GracefulShutdown) -> Drained {
        let all = u32::try_from(self.limits.attempts).unwrap_or(u32::MAX);
        let done = async {
            // Connections first: what they have begun may still begin an attempt.
            graceful.shutdown().await;
            let _ = self.permits.acquire_many(all).await;
        };
        let _ = tokio::time::timeout(self.limits.drain, done).await;
        Drained { cut_off: self.limits.attempts - self.permits.available_permits().min(self.limits.attempts) }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_time)
            .max_buf_size(self.limits.head.max(8192));
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams)
            .max_header_list_size(u32::try_from(self.limits.head).unwrap_or(u32::MAX))
            .keep_alive_interval(self.limits.head_time)
            .keep_alive_timeout(self.limits.head_time);
        builder
    }

    /// Whether the other side begins to speak in time. Before it has said which HTTP it speaks, nothing else
    /// waits with a limit.
    async fn speaks(&self, stream: &TcpStream) -> bool {
        const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let begun = async {
            let mut begin = [0; PREFACE.len()];
            loop {
                match stream.peek(&mut begin).await {
                    Ok(0) | Err(_) => return false,
                    Ok(count) if count == PREFACE.len() || !PREFACE.starts_with(&begin[..count]) => {
                        return true;
                    }
                    // There is no telling when more is there.
                    Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(self.limits.head_time, begun).await.unwrap_or(false)
    }

    fn io(&self, stream: TcpStream) -> TokioIo<std::pin::Pin<Box<TimeoutStream<TcpStream>>>> {
        // Without it a burst's answers wait for one another.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.write_time));
        TokioIo::new(Box::pin(stream))
    }

    async fn watch(self: Arc<Server>, listener: TcpListener) {
        // Few look; a bound all the same.
        let connections = Arc::new(Semaphore::new(64));
        loop {
            let Ok(permit) = connections.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let (server, io) = (self.clone(), self.io(stream));
            tokio::spawn(async move {
                let service = service_fn(|request: http::Request<Incoming>| {
                    let server = server.clone();
                    async move {
                        let (head, _) = request.into_parts();
                        let reply = match server.watched(&head).await {
                            Some(response) => response,
                            None => http_response_stream(problem(404, "not-found", "nothing is here", None)),
                        };
                        Ok::<_, std::convert::Infallible>(reply)
                    }
                });
                let _ = server.builder().serve_connection(io, service).await;
                drop(permit);
            });
        }
    }

    async fn handle(&self, request: http::Request<Incoming>) -> http::Response<Stream> {
        let (head, body) = request.into_parts();
        if !self.front.guards(head.method.as_str()) {
            return self.unguarded(head, body).await;
        }
        let (body, held) = match body::read_within(body, &self.limits, &self.bodies).await {
            Ok(read) => read,
            Err(why) => {
                self.front.machine().watch().refused();
                return http_response_stream(unread(why));
            }
        };
        self.sent(answer(&self.front, &self.permits, read_request(&head, body), held).await)
    }

    /// An answer on its way: a client that is slow to read it takes up room.
    fn sent(&self, reply: Reply) -> http::Response<Stream> {
        let length = reply.response.body.len();
        if length <= SMALL_ANSWER {
            return http_response_stream(reply);
        }
        let bytes = u32::try_from(length).unwrap_or(u32::MAX);
        let Ok(held) = self.answers.clone().try_acquire_many_owned(bytes) else {
            self.front.machine().watch().refused();
            let detail = "too many answers are on their way; ask again under the same key";
            return http_response_stream(problem(503, "busy", detail, Some(1)));
        };
        http_response::<bytes::Bytes>(reply).map(|body| body::held(body, held))
    }

    /// Needs no key: on to the service behind, or what there is to see here.
    async fn unguarded(&self, head: http::request::Parts, body: Incoming) -> http::Response<Stream> {
        if !self.watched_elsewhere
            && let Some(response) = self.watched(&head).await
        {
            return response;
        }
        let Some(upstream) = &self.upstream else {
            let methods = self.front.http().methods.join(", ");
            let detail = format!("operations are asked for with {methods}, under any path");
            let mut reply = problem(405, "not-found", &detail, None);
            reply.response.headers.push(("allow".to_owned(), methods.into_bytes()));
            return http_response_stream(reply);
        };
        match upstream.pass(head, body.map_err(Into::<BoxError>::into).boxed()).await {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!(target: "idemcheck", error, "the service behind");
                http_response_stream(problem(
                    502,
                    "unavailable",
                    "the service behind can't be reached",
                    Some(1),
                ))
            }
        }
    }

    /// `/healthz`, `/readyz`, `/metrics`, and the ledger, where that is ours.
    async fn watched(&self, head: &http::request::Parts) -> Option<http::Response<Stream>> {
        if head.method != http::Method::GET {
            return None;
        }
        let text = |status: u16, kind: &str, body: String| {
            let headers = vec![("content-type".to_owned(), kind.as_bytes().to_vec())];
            let response = crate::store::Response { status, headers, body: body.into_bytes() };
            http_response_stream(Reply { response, replayed: false })
        };
        let machine = self.front.machine();
        match head.uri.path() {
            "/healthz" => Some(text(200, "text/plain", "ok\n".to_owned())),
            "/readyz" => {
                let draining = self.draining.load(std::sync::atomic::Ordering::SeqCst);
                Some(match machine.store().check().await {
                    Ok(()) if !draining => text(200, "text/plain", "ready\n".to_owned()),
                    Ok(()) => text(503, "text/plain", "draining\n".to_owned()),
                    Err(error) => text(503, "text/plain", format!("{error}\n")),
                })
            }
            "/metrics" => {
                let under_way = self.limits.attempts.saturating_sub(self.permits.available_permits());
                machine.watch().under_way.set(i64::try_from(under_way).unwrap_or(i64::MAX));
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                Some(text(200, kind, machine.watch().text()))
            }
            "/ledger" if self.upstream.is_none() => {
                let request = read_request(head, bytes::Bytes::new());
                Some(match self.ledger(request).await {
                    Ok(json) => text(200, "application/json", format!("{json}\n")),
                    Err(reply) => http_response_stream(*reply),
                })
            }
            _ => None,
        }
    }

    /// Effects of one key, where the request names one, or of all.
    async fn ledger(&self, mut request: Request) -> Result<serde_json::Value, Box<Reply>> {
        let (store, http) = (self.front.machine().store(), self.front.http());
        let failed = |error: crate::store::StoreError| {
            Box::new(problem(503, "unavailable", &error.to_string(), Some(1)))
        };
        if let Ok(Some(key)) = request.query("key") {
            request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(&http.key_header));
            request.headers.push((http.key_header.to_ascii_lowercase(), key));
        } else if matches!(request.header(&http.key_header), Ok(None)) {
            return Ok(serde_json::json!({ "effects": store.counted().await.map_err(failed)? }));
        }
        let asked = self.front.identify(&request, String::new())?;
        let effects = store.effects(&asked.key).await.map_err(failed)?;
        let list: Vec<serde_json::Value> = effects
            .iter()
            .map(|effect| serde_json::json!({ "effect": effect.number, "token": effect.token, "at": effect.at }))
            .collect();
        Ok(serde_json::json!({ "effects": list.len(), "list": list }))
    }
}

fn http_response_stream(reply: Reply) -> http::Response<Stream> {
    http_response::<bytes::Bytes>(reply).map(body::whole)
}
