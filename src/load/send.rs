//! Requests that reach the service at the same moment.
//!
//! Each is sent but for the last byte of its body; then all last bytes go out together: over HTTP/2 as the last
//! frames of all streams in one write ("single packet"), over HTTP/1.1 one connection after the other
//! ("last-byte sync"). What delays the way there is over by then. What other clients do is there to be compared with:
//! whole requests over connections that are open already, all let go at once ("barrier").
//!
//! Everything runs on the one thread of a runtime of its own: on several, the first frame now and then leaves
//! before the others are there.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Frame;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::serve::body;

/// A connection that takes longer than this is given up.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Whoever does not say within this that it speaks HTTP/2 does not.
const SETTINGS_TIME: Duration = Duration::from_secs(1);
/// What of an answer's body is kept; a longer one breaks off.
pub const ANSWER_MAX: usize = 8 << 20;
/// Between the first bytes of the last request and the last bytes of all: the first ones arrive meanwhile.
const PRIME_TIME: Duration = Duration::from_millis(2);
/// Streams of one HTTP/2 connection: fewer than any server allows by itself.
const STREAMS_MAX: usize = 100;

/// How requests go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Technique {
    /// HTTP/1.1, a connection for each request, the last byte held back.
    LastByte,
    /// HTTP/1.1, a connection for each request, nothing held back.
    Barrier,
    /// HTTP/2, with TLS or without, over this many connections, the last frame held back.
    SinglePacket { connections: usize },
}

impl Technique {
    fn is_http2(self) -> bool {
        matches!(self, Technique::SinglePacket { .. })
    }

    /// For people and reports.
    pub fn name(self) -> String {
        match self {
            Technique::LastByte => "h1-last-byte".to_owned(),
            Technique::Barrier => "h1-barrier".to_owned(),
            Technique::SinglePacket { connections: 1 } => "h2-single-packet".to_owned(),
            Technique::SinglePacket { connections } => {
                format!("h2-single-packet over {connections} connections")
            }
        }
    }
}

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub method: &'static str,
    /// Of the target's authority: path and query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// So long after the others, as a whole.
    pub late: Duration,
}

/// Where requests go.
#[derive(Clone, Debug)]
pub struct Target {
    /// `host:port`, as a request names it.
    authority: String,
    /// `host:port` to connect to.
    connect: String,
    tls: Option<Arc<rustls::ClientConfig>>,
}

/// Who is believed to be whom, with TLS.
#[derive(Clone, Debug)]
pub struct Trust {
    roots: Arc<rustls::RootCertStore>,
}

impl Trust {
    /// What this machine trusts, and further certificates.
    ///
    /// # Errors
    /// One of them is none.
    pub fn new(further: Vec<CertificateDer<'static>>) -> Result<Trust, String> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for certificate in further {
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        Ok(Trust { roots: Arc::new(roots) })
    }

    /// For a protocol that both sides have to agree on.
    pub(super) fn config(&self, protocol: Option<&[u8]>) -> Result<rustls::ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let mut config = config.with_root_certificates(self.roots.clone()).with_no_client_auth();
        config.alpn_protocols.extend(protocol.map(<[u8]>::to_vec));
        Ok(config)
    }
}

impl Target {
    /// `url`: of a request, perhaps a template.
    ///
    /// # Errors
    /// It names no host.
    pub fn new(url: &str, technique: Technique, trust: &Trust) -> Result<Target, String> {
        let uri: http::Uri =
            url.split("{{").next().unwrap_or(url).parse().map_err(|error| format!("{url}: {error}"))?;
        let host = uri.host().ok_or_else(|| format!("{url} names no host"))?;
        let secure = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(if secure { 443 } else { 80 }));
        let protocol: &[u8] = if technique.is_http2() { b"h2" } else { b"http/1.1" };
        let tls = if secure { Some(Arc::new(trust.config(Some(protocol))?)) } else { None };
        Ok(Target { connect: authority.clone(), authority, tls })
    }

    /// The same by way of somebody else.
    #[must_use]
    pub fn through(&self, address: std::net::SocketAddr) -> Target {
        Target { connect: address.to_string(), ..self.clone() }
    }

    /// `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether HTTP/2 is understood there, for a target of that technique: with TLS it is agreed on, without it the
    /// first frame of the server says so.
    pub async fn speaks_http2(&self) -> bool {
        let asked = async {
            let mut stream = self.connect(Technique::SinglePacket { connections: 1 }).await.ok()?;
            if self.is_encrypted() {
                return Some(true);
            }
            // The preface, and settings without any.
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.ok()?;
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.ok()?;
            Some(head[3] == 4 && head[5..] == [0; 4])
        };
        tokio::time::timeout(SETTINGS_TIME, asked).await.ok().flatten().unwrap_or(false)
    }

    async fn connect(&self, technique: Technique) -> Result<Box<dyn Io>, String> {
        let stream = TcpStream::connect(&self.connect).await;
        let stream = stream.map_err(|error| format!("{}: {error}", self.connect))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some(config) = &self.tls else { return Ok(Box::new(stream)) };
        let host = self.authority.rsplit_once(':').map_or(self.authority.as_str(), |(host, _)| host);
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
        let name = name.map_err(|error| format!("{host}: {error}"))?;
        let connector = tokio_rustls::TlsConnector::from(config.clone());
        let stream = connector.connect(name, stream).await;
        let stream = stream.map_err(|error| format!("{}: {error}", self.authority))?;
        if technique.is_http2() && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(format!("{} does not speak HTTP/2 (ALPN)", self.authority));
        }
        Ok(Box::new(stream))
    }
}

/// A connection, encrypted or not.
trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
}

/// A request with its moments and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// When its last byte was to leave.
    pub due: Instant,
    /// Before its first byte.
    pub began: Instant,
    /// When its last byte was handed on; None: it never was.
    pub fired: Option<Instant>,
    /// When its answer was there.
    pub ended: Option<Instant>,
    /// Why there is none.
    pub answer: Result<Answer, String>,
}

/// Holds last bytes back.
#[derive(Default)]
struct Gate {
    open: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
    /// Bodies that have come to their last byte.
    there: Cell<usize>,
    arrived: tokio::sync::Notify,
}

impl Gate {
    fn open(&self) {
        self.open.set(true);
        for waker in self.waiting.take() {
            waker.wake();
        }
    }

    /// Waits until it is open. `counted`: whether this one was counted as there.
    fn poll(&self, counted: &mut bool, context: &mut Context<'_>) -> Poll<()> {
        if !*counted {
            *counted = true;
            self.there.set(self.there.get() + 1);
            self.arrived.notify_one();
        }
        if self.open.get() {
            return Poll::Ready(());
        }
        self.waiting.borrow_mut().push(context.waker().clone());
        Poll::Pending
    }
}

/// A body whose last byte waits at a gate.
struct Held {
    first: Option<Bytes>,
    last: Option<Bytes>,
    gate: Rc<Gate>,
    counted: bool,
    fired: Rc<Cell<Option<Instant>>>,
}

impl Held {
    fn new(body: &Bytes, gate: Rc<Gate>) -> Held {
        let split = body.len().saturating_sub(1);
        let first = Some(body.slice(..split)).filter(|first| !first.is_empty());
        Held { first, last: Some(body.slice(split..)), gate, counted: false, fired: Rc::default() }
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let held = self.get_mut();
        if let Some(first) = held.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if held.last.is_none() {
            return Poll::Ready(None);
        }
        if held.gate.poll(&mut held.counted, context).is_pending() {
            return Poll::Pending;
        }
        held.fired.set(Some(Instant::now()));
        Poll::Ready(held.last.take().map(|last| Ok(Frame::data(last))))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.last.is_none()
    }
}

/// An executor for what belongs to this thread.
#[derive(Clone)]
struct Here;

impl<F: Future + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// An open connection.
enum Line {
    One(http1::SendRequest<Held>),
    Two(http2::SendRequest<Held>),
}

impl Line {
    async fn open(target: &Target, technique: Technique) -> Result<Line, String> {
        let connected = tokio::time::timeout(CONNECT_TIME, target.connect(technique)).await;
        let stream =
            connected.map_err(|_| format!("{}: no connection within {CONNECT_TIME:?}", target.connect))??;
        let io = TokioIo::new(stream);
        Ok(match technique {
            Technique::LastByte | Technique::Barrier => {
                let (send, connection) = http1::handshake(io).await.map_err(|error| error.to_string())?;
                tokio::task::spawn_local(connection);
                Line::One(send)
            }
            Technique::SinglePacket { .. } => {
                let (send, connection) =
                    http2::handshake(Here, io).await.map_err(|error| error.to_string())?;
                tokio::task::spawn_local(connection);
                Line::Two(send)
            }
        })
    }

    fn is_closed(&self) -> bool {
        match self {
            Line::One(send) => send.is_closed(),
            Line::Two(send) => send.is_closed(),
        }
    }

    async fn ready(&mut self) -> hyper::Result<()> {
        match self {
            Line::One(send) => send.ready().await,
            Line::Two(send) => send.ready().await,
        }
    }

    /// One exchange, from the first byte to the whole answer.
    async fn exchange(&mut self, request: http::Request<Held>) -> Result<Answer, String> {
        let response = match self {
            Line::One(send) => send.send_request(request).await,
            Line::Two(send) => send.send_request(request).await,
        };
        let (head, incoming) = response.map_err(|error| error.to_string())?.into_parts();
        let bytes = body::read(incoming, ANSWER_MAX, Duration::MAX).await;
        Ok(Answer {
            status: head.status.as_u16(),
            headers: crate::serve::request::end_to_end(&head.headers),
            body: bytes.map_err(|error| format!("the answer broke off: {error:?}"))?,
        })
    }
}

/// Connections that stay open from burst to burst.
pub struct Sender {
    technique: Technique,
    /// Replicas; requests take turns.
    targets: Vec<Target>,
    timeout: Duration,
    lines: Vec<Option<Line>>,
}

impl Sender {
    /// `targets`: at least one. `timeout`: how long an answer is waited for.
    pub fn new(technique: Technique, targets: Vec<Target>, timeout: Duration) -> Sender {
        Sender { technique, targets, timeout, lines: Vec::new() }
    }

    /// Requests that arrive together, but for those that are late. To be called within a
    /// [`tokio::task::LocalSet`] of a runtime with one thread.
    ///
    /// # Errors
    /// There is no connection: nothing was sent.
    pub async fn burst(&mut self, requests: &[Outgoing]) -> Result<Vec<Exchange>, String> {
        let gate = Rc::new(Gate::default());
        let mut lines = self.connect(requests.len()).await?;
        let mut under_way = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            let target = self.targets[index % self.targets.len()].clone();
            let (late, gate) = (request.late, gate.clone());
            let held = Held::new(&request.body, gate.clone());
            let fired = held.fired.clone();
            let request = build(request, &target, self.technique, held)?;
            let place = self.place(index);
            let (technique, timeout) = (self.technique, self.timeout);
            let Some(mut line) = lines[place].take() else {
                return Err("a connection is missing".to_owned());
            };
            // Over HTTP/2 the next stream takes the same connection.
            if let Line::Two(send) = &line {
                lines[place] = Some(Line::Two(send.clone()));
            }
            under_way.push(tokio::task::spawn_local(async move {
                if !late.is_zero() || technique == Technique::Barrier {
                    let mut counted = false;
                    std::future::poll_fn(|context| gate.poll(&mut counted, context)).await;
                    if !late.is_zero() {
                        tokio::time::sleep(late).await;
                    }
                    // What waited for long may have been closed meanwhile.
                    if line.is_closed()
                        && let Ok(open) = Line::open(&target, technique).await
                    {
                        line = open;
                    }
                }
                let began = Instant::now();
                let answer = tokio::time::timeout(timeout, line.exchange(request)).await;
                let answered = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
                let ended = answered.is_ok().then(Instant::now);
                let line = Some(line).filter(|_| answered.is_ok());
                (Exchange { due: began, began, fired: fired.get(), ended, answer: answered }, place, line)
            }));
        }
        let all_there = async {
            while gate.there.get() < requests.len() {
                gate.arrived.notified().await;
            }
        };
        // Who does not come this far fails by itself.
        let _ = tokio::time::timeout(self.timeout.min(CONNECT_TIME), all_there).await;
        tokio::time::sleep(PRIME_TIME).await;
        let opened = Instant::now();
        gate.open();
        let mut exchanges = Vec::with_capacity(requests.len());
        for (task, request) in under_way.into_iter().zip(requests) {
            let (mut exchange, place, line) = task.await.map_err(|error| error.to_string())?;
            exchange.due = opened + request.late;
            exchanges.push(exchange);
            if line.is_some() {
                lines[place] = line;
            } else if !self.technique.is_http2() {
                lines[place] = None;
            }
        }
        self.lines = lines;
        Ok(exchanges)
    }

    /// Which connection a request takes.
    fn place(&self, index: usize) -> usize {
        match self.technique {
            Technique::LastByte | Technique::Barrier => index,
            Technique::SinglePacket { connections } => index % (connections * self.targets.len()),
        }
    }

    /// All connections that a burst takes, those of the last burst where they are still open.
    async fn connect(&mut self, requests: usize) -> Result<Vec<Option<Line>>, String> {
        let needed = match self.technique {
            Technique::LastByte | Technique::Barrier => requests,
            Technique::SinglePacket { connections } => {
                let connections = connections * self.targets.len();
                if requests > connections * STREAMS_MAX {
                    return Err(format!("{requests} requests need more connections than {connections}"));
                }
                connections
            }
        };
        let mut lines = std::mem::take(&mut self.lines);
        lines.resize_with(needed.max(lines.len()), || None);
        for (place, line) in lines.iter_mut().enumerate().take(needed) {
            if let Some(open) = line
                && !open.is_closed()
                && tokio::time::timeout(CONNECT_TIME, open.ready()).await.is_ok_and(|ready| ready.is_ok())
            {
                continue;
            }
            let target = &self.targets[place % self.targets.len()];
            *line = Some(Line::open(target, self.technique).await?);
        }
        Ok(lines)
    }
}

fn build(
    request: &Outgoing,
    target: &Target,
    technique: Technique,
    held: Held,
) -> Result<http::Request<Held>, String> {
    let uri = if technique.is_http2() {
        let scheme = if target.is_encrypted() { "https" } else { "http" };
        format!("{scheme}://{}{}", target.authority, request.path)
    } else {
        request.path.clone()
    };
    let mut built = http::Request::builder().method(request.method).uri(uri);
    if !technique.is_http2() {
        built = built.header(http::header::HOST, &target.authority);
    }
    built = built.header(http::header::CONTENT_LENGTH, request.body.len());
    for (name, value) in &request.headers {
        built = built.header(name, value);
    }
    built.body(held).map_err(|error| error.to_string())
}

/// How far apart the last bytes left, and whether all requests were under way at one moment.
pub fn overlap(exchanges: &[Exchange]) -> Option<(Duration, bool)> {
    let fired: Vec<Instant> = exchanges.iter().filter_map(|exchange| exchange.fired).collect();
    let (first, last) = (fired.iter().min()?, fired.iter().max()?);
    let ended = exchanges.iter().filter_map(|exchange| exchange.ended).min();
    let together = fired.len() == exchanges.len() && ended.is_none_or(|ended| *last < ended);
    Some((last.duration_since(*first), together))
}
