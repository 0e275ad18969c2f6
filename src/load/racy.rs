//! A server with a race of a known window, and a control without one: what bursts find is measured against them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;

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
    runtime: Option<tokio::runtime::Runtime>,
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
            .on_thread_start(sleep_exactly)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let keys: Arc<Keys> = Arc::default();
        runtime.spawn(serve(listener, keys.clone()));
        Ok(Racy { address, keys, runtime: Some(runtime) })
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
    }
}

/// Linux lets sleepers oversleep by 50 µs, to wake several at once: half of a window of 100 µs.
fn sleep_exactly() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

fn lock(keys: &Keys) -> MutexGuard<'_, HashMap<String, Seen>> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: std::net::TcpListener, keys: Arc<Keys>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let keys = keys.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, keys.clone()));
            let builder = Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: http::Request<Incoming>,
    keys: Arc<Keys>,
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
        // The runtime's own clock counts in milliseconds.
        Window::Wait(time) => {
            let _ = tokio::task::spawn_blocking(move || std::thread::sleep(time)).await;
        }
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
