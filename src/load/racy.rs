//! A server with a race of a known window, and a control without one: what bursts find is measured against them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::proxy::listen;

/// Threads that serve.
const WORKERS: usize = 2;
/// Where the key stands.
pub const KEY: &str = "idempotency-key";

/// What lies between the look at a key and its claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// No time: it is claimed in one step.
    Atomic,
    /// Two steps, one right after the other.
    Steps,
    /// The scheduler may take another task in between.
    Yield,
    /// Something is waited for: so long, or a little longer.
    Wait(Duration),
}

impl Window {
    /// As a path.
    pub fn path(self) -> String {
        match self {
            Window::Atomic => "/atomic".to_owned(),
            Window::Steps => "/steps".to_owned(),
            Window::Yield => "/yield".to_owned(),
            Window::Wait(time) => format!("/wait/{}", time.as_micros()),
        }
    }

    fn of(path: &str) -> Option<Window> {
        Some(match path {
            "/atomic" => Window::Atomic,
            "/steps" => Window::Steps,
            "/yield" => Window::Yield,
            path => Window::Wait(Duration::from_micros(path.strip_prefix("/wait/")?.parse().ok()?)),
        })
    }
}

/// What the server saw of a key.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    claimed: bool,
    pub effects: u64,
    /// When each request was there, with its body.
    pub arrivals: Vec<Instant>,
    /// How long each that looked in vain took to its claim.
    pub windows: Vec<Duration>,
}

type Keys = Mutex<HashMap<String, Seen>>;

/// The server, which ends with this.
pub struct Racy {
    pub address: SocketAddr,
    keys: Arc<Keys>,
    clock: Arc<Clock>,
    runtime: Option<tokio::runtime::Runtime>,
}

/// Wakes tasks to the microsecond, which the runtime's own clock, of milliseconds, does not. One thread waits for all: a
/// thread for each task would take the processors from the requests that are yet to arrive.
#[derive(Default)]
struct Clock {
    due: Mutex<Due>,
    changed: Condvar,
}

#[derive(Default)]
struct Due {
    /// Moments, the next one at the top, and whom to wake then.
    next: BinaryHeap<Reverse<(Instant, u64)>>,
    sleepers: HashMap<u64, Arc<Notify>>,
    number: u64,
    ended: bool,
}

impl Clock {
    fn start() -> Result<Arc<Clock>, String> {
        let clock: Arc<Clock> = Arc::default();
        let own = clock.clone();
        let thread = std::thread::Builder::new().name("clock".to_owned());
        thread.spawn(move || own.run()).map_err(|error| error.to_string())?;
        Ok(clock)
    }

    fn run(&self) {
        sleep_exactly();
        let mut due = lock(&self.due);
        while !due.ended {
            let Some(Reverse((moment, number))) = due.next.peek().copied() else {
                due = self.changed.wait(due).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = moment.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                due = self.changed.wait_timeout(due, left).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            due.next.pop();
            if let Some(sleeper) = due.sleepers.remove(&number) {
                sleeper.notify_one();
            }
        }
    }

    async fn sleep(&self, time: Duration) {
        let sleeper = Arc::new(Notify::new());
        {
            let mut due = lock(&self.due);
            due.number += 1;
            let entry = (Instant::now() + time, due.number);
            due.sleepers.insert(entry.1, sleeper.clone());
            due.next.push(Reverse(entry));
            if due.next.peek() == Some(&Reverse(entry)) {
                self.changed.notify_one();
            }
        }
        sleeper.notified().await;
    }

    fn end(&self) {
        lock(&self.due).ended = true;
        self.changed.notify_one();
    }
}

impl Racy {
    /// On a free port of this machine.
    ///
    /// # Errors
    /// There is no port, or no thread.
    pub fn start() -> Result<Racy, String> {
        let (listener, address) = listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let keys: Arc<Keys> = Arc::default();
        let clock = Clock::start()?;
        runtime.spawn(serve(listener, keys.clone(), clock.clone()));
        Ok(Racy { address, keys, clock, runtime: Some(runtime) })
    }

    /// What was seen of a key so far; it is forgotten.
    pub fn take(&self, key: &str) -> Seen {
        lock(&self.keys).remove(key).unwrap_or_default()
    }
}

impl Drop for Racy {
    fn drop(&mut self) {
        // Within a runtime it can't be waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.clock.end();
    }
}

/// Linux lets sleepers oversleep by 50 µs, to wake several at once: half of a window of 100 µs.
fn sleep_exactly() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: std::net::TcpListener, keys: Arc<Keys>, clock: Arc<Clock>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (keys, clock) = (keys.clone(), clock.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, keys.clone(), clock.clone()));
            let builder = Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: http::Request<Incoming>,
    keys: Arc<Keys>,
    clock: Arc<Clock>,
) -> Result<http::Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    body.collect().await?;
    let arrived = Instant::now();
    let key = head.headers.get(KEY).and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
    let Some(window) = Window::of(head.uri.path()) else { return Ok(status(404)) };
    {
        let mut keys = lock(&keys);
        let seen = keys.entry(key.clone()).or_default();
        seen.arrivals.push(arrived);
        if seen.claimed {
            return Ok(status(409));
        }
        if window == Window::Atomic {
            seen.claimed = true;
        }
    }
    let looked = Instant::now();
    match window {
        Window::Atomic | Window::Steps => {}
        Window::Yield => tokio::task::yield_now().await,
        Window::Wait(time) => clock.sleep(time).await,
    }
    let mut keys = lock(&keys);
    let seen = keys.entry(key).or_default();
    seen.claimed = true;
    seen.effects += 1;
    seen.windows.push(looked.elapsed());
    Ok(status(201))
}

fn status(status: u16) -> http::Response<Full<Bytes>> {
    let mut response = http::Response::new(Full::new(Bytes::from_static(b"{}")));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_paths() {
        for window in [Window::Atomic, Window::Steps, Window::Yield, Window::Wait(Duration::from_micros(100))]
        {
            assert_eq!(Window::of(&window.path()), Some(window));
        }
        for wrong in ["/", "/wait/", "/wait/x", "/other"] {
            assert_eq!(Window::of(wrong), None, "{wrong}");
        }
    }
}
