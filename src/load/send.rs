//! Requests that reach the service at the same moment.
//!
//! Each is sent but for the last byte of its body; then all last bytes go out together: over HTTP/2 as the last
//! frames of all streams in one write ("single packet"), over HTTP/1.1 one connection after the other
//! ("last-byte sync"). What delays the way there is over by then.
//!
//! Everything runs on the one thread of a runtime of its own: on several, the first frame now and then leaves
//! before the others are there.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Frame;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::serve::body;

/// A connection that takes longer than this is given up.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);
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
    /// HTTP/2 without TLS, over this many connections, the last frame held back.
    SinglePacket { connections: usize },
}

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub method: &'static str,
    /// Of the target's authority: path and query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

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
}

/// A body whose last byte waits at a gate.
struct Held {
    first: Option<Bytes>,
    last: Option<Bytes>,
    /// How long it waits after the gate is open.
    late: Duration,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    gate: Rc<Gate>,
    counted: bool,
    fired: Rc<Cell<Option<Instant>>>,
}

impl Held {
    fn new(body: &Bytes, late: Duration, gate: Rc<Gate>) -> Held {
        let split = body.len().saturating_sub(1);
        let first = Some(body.slice(..split)).filter(|first| !first.is_empty());
        let last = Some(body.slice(split..));
        Held { first, last, late, sleep: None, gate, counted: false, fired: Rc::default() }
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
        if !held.counted {
            held.counted = true;
            held.gate.there.set(held.gate.there.get() + 1);
            held.gate.arrived.notify_one();
        }
        if !held.gate.open.get() {
            held.gate.waiting.borrow_mut().push(context.waker().clone());
            return Poll::Pending;
        }
        if !held.late.is_zero() {
            let late = held.late;
            let sleep = held.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(late)));
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
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
    async fn open(authority: &str, technique: Technique) -> Result<Line, String> {
        let connected = tokio::time::timeout(CONNECT_TIME, TcpStream::connect(authority)).await;
        let stream = connected.map_err(|_| format!("no connection within {CONNECT_TIME:?}"))?;
        let stream = stream.map_err(|error| format!("{authority}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let io = TokioIo::new(stream);
        Ok(match technique {
            Technique::LastByte => {
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
    /// `host:port` of each replica; requests take turns.
    authorities: Vec<String>,
    timeout: Duration,
    lines: Vec<Option<Line>>,
}

impl Sender {
    /// `authorities`: host and port of each replica, at least one. `timeout`: how long an answer is waited for.
    pub fn new(technique: Technique, authorities: Vec<String>, timeout: Duration) -> Sender {
        Sender { technique, authorities, timeout, lines: Vec::new() }
    }

    /// Requests that arrive together, each `stagger` after the one before. To be called within a
    /// [`tokio::task::LocalSet`] of a runtime with one thread.
    ///
    /// # Errors
    /// There is no connection: nothing was sent.
    pub async fn burst(&mut self, requests: &[Outgoing], stagger: Duration) -> Result<Vec<Exchange>, String> {
        let gate = Rc::new(Gate::default());
        let mut lines = self.connect(requests.len()).await?;
        let mut under_way = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            let authority = &self.authorities[index % self.authorities.len()];
            let late = stagger.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX));
            let held = Held::new(&request.body, late, gate.clone());
            let fired = held.fired.clone();
            let request = build(request, authority, self.technique, held)?;
            let place = self.place(index);
            let (line, timeout) = (lines[place].take(), self.timeout + late);
            let Some(mut line) = line else { return Err("a connection is missing".to_owned()) };
            // Over HTTP/2 the next stream takes the same connection.
            if let Line::Two(send) = &line {
                lines[place] = Some(Line::Two(send.clone()));
            }
            under_way.push(tokio::task::spawn_local(async move {
                let began = Instant::now();
                let answer = tokio::time::timeout(timeout, line.exchange(request)).await;
                let answered = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
                let ended = answered.is_ok().then(Instant::now);
                let line = Some(line).filter(|_| answered.is_ok());
                (Exchange { began, fired: fired.get(), ended, answer: answered }, place, line)
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
        gate.open();
        let mut exchanges = Vec::with_capacity(requests.len());
        for task in under_way {
            let (exchange, place, line) = task.await.map_err(|error| error.to_string())?;
            exchanges.push(exchange);
            if line.is_some() {
                lines[place] = line;
            } else if matches!(self.technique, Technique::LastByte) {
                lines[place] = None;
            }
        }
        self.lines = lines;
        Ok(exchanges)
    }

    /// Which connection a request takes.
    fn place(&self, index: usize) -> usize {
        match self.technique {
            Technique::LastByte => index,
            Technique::SinglePacket { connections } => index % (connections * self.authorities.len()),
        }
    }

    /// All connections that a burst takes, those of the last burst where they are still open.
    async fn connect(&mut self, requests: usize) -> Result<Vec<Option<Line>>, String> {
        let needed = match self.technique {
            Technique::LastByte => requests,
            Technique::SinglePacket { connections } => {
                let connections = connections * self.authorities.len();
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
                && open.ready().await.is_ok()
            {
                continue;
            }
            let authority = &self.authorities[place % self.authorities.len()];
            *line = Some(Line::open(authority, self.technique).await?);
        }
        Ok(lines)
    }
}

fn build(
    request: &Outgoing,
    authority: &str,
    technique: Technique,
    held: Held,
) -> Result<http::Request<Held>, String> {
    let uri = match technique {
        Technique::LastByte => request.path.clone(),
        Technique::SinglePacket { .. } => format!("http://{authority}{}", request.path),
    };
    let mut built = http::Request::builder().method(request.method).uri(uri);
    if technique == Technique::LastByte {
        built = built.header(http::header::HOST, authority);
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
