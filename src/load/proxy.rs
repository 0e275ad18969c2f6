//! What stands between two parties and breaks what goes through.
//!
//! Both run on threads of their own: they must not disturb who sends.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use super::send::CONNECT_TIME;

/// A request that is longer is not waited for.
const REQUEST_MAX: usize = 16 << 20;
/// What is handed on at a time.
const CHUNK: usize = 16 << 10;

/// What happens to a request on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It never arrives.
    LoseRequest,
    /// It arrives in half.
    CutRequest,
    /// It arrives; so long after, its connection is gone, at both ends.
    CutAfter(Duration),
    /// It is answered, and the answer does not come back.
    LoseAnswer,
    /// The answer comes so much later.
    Late(Duration),
}

/// A thread with a runtime, which ends when this is dropped.
pub(super) struct Worker {
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start<F>(work: impl FnOnce() -> F + Send + 'static) -> io::Result<Worker>
    where
        F: Future<Output = ()>,
    {
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().spawn(move || {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async {
                tokio::select! {
                    () = work() => {}
                    _ = ended => {}
                }
            });
        })?;
        Ok(Worker { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(super) fn listen(address: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), String> {
    let open = || {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    open().map_err(|error: io::Error| format!("{address} can't be listened on: {error}"))
}

/// Both ends learn at once that a connection is gone.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

/// Between a client and an HTTP/1.1 service: each connection takes the next fault.
pub struct Faulty {
    address: SocketAddr,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    _worker: Worker,
}

impl Faulty {
    /// On a free port of this machine. `to`: host and port.
    ///
    /// # Errors
    /// There is no port, or no thread.
    pub fn start(to: &str) -> Result<Faulty, String> {
        let (listener, address) = listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let faults: Arc<Mutex<VecDeque<Fault>>> = Arc::default();
        let (next, to) = (faults.clone(), to.to_owned());
        let work = move || async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((client, _)) = listener.accept().await {
                let fault = next.lock().ok().and_then(|mut faults| faults.pop_front());
                let to = to.clone();
                tokio::task::spawn_local(async move {
                    // Whoever breaks off is what this is for.
                    let _ = broken(client, &to, fault).await;
                });
            }
        };
        let worker = Worker::start(work).map_err(|error| error.to_string())?;
        Ok(Faulty { address, faults, _worker: worker })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the next connection meets.
    pub fn next(&self, fault: Fault) {
        if let Ok(mut faults) = self.faults.lock() {
            faults.push_back(fault);
        }
    }
}

async fn broken(mut client: TcpStream, to: &str, fault: Option<Fault>) -> io::Result<()> {
    let request = read_request(&mut client).await?;
    if fault == Some(Fault::LoseRequest) {
        reset(&client);
        return Ok(());
    }
    let mut service = TcpStream::connect(to).await?;
    service.set_nodelay(true)?;
    if fault == Some(Fault::CutRequest) {
        service.write_all(&request[..request.len().saturating_sub(2)]).await?;
        // So that it is there before it breaks.
        tokio::time::sleep(Duration::from_millis(5)).await;
        reset(&service);
        reset(&client);
        return Ok(());
    }
    service.write_all(&request).await?;
    if let Some(Fault::CutAfter(after)) = fault {
        tokio::time::sleep(after).await;
        reset(&service);
        reset(&client);
        return Ok(());
    }
    service.readable().await?;
    match fault {
        Some(Fault::LoseAnswer) => {
            reset(&client);
            return Ok(());
        }
        Some(Fault::Late(late)) => tokio::time::sleep(late).await,
        _ => {}
    }
    tokio::io::copy_bidirectional(&mut client, &mut service).await?;
    Ok(())
}

/// One request with a body of a declared length: this side sends no other.
async fn read_request(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Ok(bytes);
            }
        }
        if bytes.len() > REQUEST_MAX || client.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// How what goes through fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It arrives so much later.
    Fair(Duration),
    /// There is nobody: connections break, and new ones do.
    Down,
    /// It stands still.
    Still,
    /// The first answer is not handed on, and trips.
    Trap,
}

/// Between the service and something it needs: its store, or its downstream. It knows no protocol.
pub struct Between {
    weather: watch::Sender<Weather>,
    tripped: watch::Receiver<u64>,
    _worker: Worker,
}

impl Between {
    /// # Errors
    /// The address can't be listened on.
    pub fn start(listen_on: SocketAddr, to: &str) -> Result<Between, String> {
        let (listener, _) = listen(listen_on)?;
        let (weather, seen) = watch::channel(Weather::Fair(Duration::ZERO));
        let (trip, tripped) = watch::channel(0_u64);
        let (to, trip) = (to.to_owned(), Arc::new(trip));
        let work = move || async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((near, _)) = listener.accept().await {
                let (to, seen, trip) = (to.clone(), seen.clone(), trip.clone());
                tokio::task::spawn_local(async move {
                    let _ = pass(near, &to, seen, trip).await;
                });
            }
        };
        let worker = Worker::start(work).map_err(|error| error.to_string())?;
        Ok(Between { weather, tripped, _worker: worker })
    }

    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Waits until an answer has run into a trap since `before`.
    pub async fn tripped(&self, before: u64) {
        let _ = self.tripped.clone().wait_for(|count| *count > before).await;
    }

    /// How many answers have run into traps.
    pub fn trips(&self) -> u64 {
        *self.tripped.borrow()
    }
}

async fn pass(
    near: TcpStream,
    to: &str,
    mut weather: watch::Receiver<Weather>,
    trip: Arc<watch::Sender<u64>>,
) -> io::Result<()> {
    if *weather.borrow_and_update() == Weather::Down {
        reset(&near);
        return Ok(());
    }
    let far = TcpStream::connect(to).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (down, mut watched) = (weather.clone(), weather.clone());
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = far.into_split();
    let there = carry(&mut near_read, &mut far_write, weather, None);
    let back = carry(&mut far_read, &mut near_write, down, Some(trip));
    let broken = async {
        let _ = watched.wait_for(|weather| *weather == Weather::Down).await;
    };
    let broke = tokio::select! {
        both = async { tokio::try_join!(there, back) } => both.is_err(),
        () = broken => true,
    };
    if broke {
        reset(near_read.as_ref());
        reset(far_read.as_ref());
    }
    Ok(())
}

async fn carry(
    from: &mut tokio::net::tcp::OwnedReadHalf,
    to: &mut tokio::net::tcp::OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    trip: Option<Arc<watch::Sender<u64>>>,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        loop {
            let now = *weather.borrow_and_update();
            match now {
                Weather::Fair(late) if late.is_zero() => break,
                Weather::Fair(late) => {
                    tokio::time::sleep(late).await;
                    break;
                }
                Weather::Trap if trip.is_none() => break,
                Weather::Trap => {
                    if let Some(trip) = &trip {
                        trip.send_modify(|count| *count += 1);
                    }
                }
                Weather::Down | Weather::Still => {}
            }
            weather.changed().await.map_err(io::Error::other)?;
        }
        to.write_all(&chunk[..read]).await?;
    }
}

/// Between a client and a service whose way varies: each part that goes through a connection is `base` late, and as
/// much again as a draw from an exponential distribution; in order within a connection, and independent of the others.
///
/// A thread for each direction of each connection: timers of a runtime count in milliseconds, and would put apart
/// connections back in step.
pub struct Jitter {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Jitter {
    /// On a free port of this machine. `mean`: of what is drawn.
    ///
    /// # Errors
    /// There is no port, or no thread.
    pub fn start(to: SocketAddr, base: Duration, mean: Duration, seed: u64) -> Result<Jitter, String> {
        let failed = |error: io::Error| error.to_string();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        let accept = move || {
            for (number, near) in listener.incoming().map_while(Result::ok).enumerate() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(far) = std::net::TcpStream::connect(to) else { continue };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { continue };
                let seed = seed.wrapping_add(2 * number as u64);
                // They end with their connection.
                std::thread::spawn(move || delayed(near, far, base, mean, seed));
                std::thread::spawn(move || delayed(far_too, near_too, base, mean, seed.wrapping_add(1)));
            }
        };
        let thread = std::thread::Builder::new().spawn(accept).map_err(failed)?;
        Ok(Jitter { address, ended, thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Jitter {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // So that it looks. Where that is not possible, as with no port left, nobody waits for it: it would wait for ever.
        let told = std::net::TcpStream::connect_timeout(&self.address, CONNECT_TIME).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| told) {
            let _ = thread.join();
        }
    }
}

fn delayed(
    mut from: std::net::TcpStream,
    mut to: std::net::TcpStream,
    base: Duration,
    mean: Duration,
    seed: u64,
) {
    use std::io::{Read as _, Write as _};
    let mut chunk = vec![0; CHUNK];
    let mut drawn = seed;
    while let Ok(read) = from.read(&mut chunk) {
        if read == 0 {
            break;
        }
        std::thread::sleep(base + mean.mul_f64(exponential(&mut drawn)));
        if to.write_all(&chunk[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// A draw of mean 1 (SplitMix64, inverted).
fn exponential(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    -((((mixed >> 11) as f64) + 0.5) / (1_u64 << 53) as f64).ln()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody";
    const ANSWER: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    /// How long the service is at work.
    const WORK_TIME: Duration = Duration::from_millis(200);

    /// What the service saw of each connection: its bytes, and whether the client was there when it answered.
    type Saw = Arc<Mutex<Vec<(usize, bool)>>>;

    /// A service that answers each request after a while, unless it hears that nobody waits.
    fn service() -> (SocketAddr, Saw) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Saw::default();
        let kept = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut bytes = vec![0; 1024];
                let mut read = 0;
                while read < REQUEST.len() {
                    match stream.read(&mut bytes[read..]) {
                        Ok(0) | Err(_) => break,
                        Ok(more) => read += more,
                    }
                }
                stream.set_read_timeout(Some(WORK_TIME)).unwrap();
                let waits = read == REQUEST.len()
                    && stream.read(&mut bytes).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
                kept.lock().unwrap().push((read, waits));
                if waits {
                    let _ = stream.write_all(ANSWER);
                }
            }
        });
        (address, seen)
    }

    /// What a client gets within a second, and when.
    fn ask(address: SocketAddr) -> (Vec<u8>, Duration) {
        let began = Instant::now();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        // A connection that is broken at once may be gone before the request is.
        let mut got = Vec::new();
        let _ = stream.write_all(REQUEST).and_then(|()| stream.read_to_end(&mut got));
        (got, began.elapsed())
    }

    #[test]
    fn each_fault_breaks_what_it_says() {
        let (address, seen) = service();
        let faulty = Faulty::start(&address.to_string()).unwrap();
        let whole = REQUEST.len();
        // What the service sees, whether it can answer, and whether the client hears of it.
        for (fault, read, waits, hears) in [
            (None, Some(whole), true, true),
            (Some(Fault::LoseRequest), None, false, false),
            (Some(Fault::CutRequest), Some(whole - 2), false, false),
            (Some(Fault::CutAfter(WORK_TIME / 4)), Some(whole), false, false),
            (Some(Fault::LoseAnswer), Some(whole), true, false),
            (Some(Fault::Late(WORK_TIME)), Some(whole), true, true),
        ] {
            seen.lock().unwrap().clear();
            if let Some(fault) = fault {
                faulty.next(fault);
            }
            let (got, took) = ask(faulty.address());
            assert_eq!(!got.is_empty(), hears, "{fault:?}: {}", String::from_utf8_lossy(&got));
            // The service may learn of it later than the client.
            std::thread::sleep(WORK_TIME * 2);
            let seen = seen.lock().unwrap().clone();
            assert_eq!(seen, read.map(|read| (read, waits)).into_iter().collect::<Vec<_>>(), "{fault:?}");
            if let Some(Fault::Late(_)) = fault {
                assert!(took >= WORK_TIME * 2, "{took:?}");
            }
        }
    }

    #[test]
    fn each_weather_is_felt() {
        let (address, seen) = service();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let between = Between::start(free, &address.to_string()).unwrap();
        assert!(ask(free).0 == ANSWER);

        between.set(Weather::Fair(WORK_TIME));
        let (got, took) = ask(free);
        assert!(got == ANSWER && took >= WORK_TIME * 3, "there and back: {took:?}");

        between.set(Weather::Down);
        let (got, took) = ask(free);
        assert!(got.is_empty() && took < Duration::from_secs(1), "{took:?}");

        let before = seen.lock().unwrap().len();
        between.set(Weather::Still);
        let (got, took) = ask(free);
        assert!(got.is_empty() && took >= Duration::from_secs(1), "nobody says anything: {took:?}");
        assert_eq!(seen.lock().unwrap().len(), before);

        between.set(Weather::Trap);
        let trips = between.trips();
        let (got, _) = ask(free);
        assert!(
            got.is_empty()
                && between.trips() > trips
                && seen.lock().unwrap().last() == Some(&(REQUEST.len(), true))
        );
    }

    #[test]
    fn delays_are_drawn_as_they_are_said_to_be() {
        let mut state = 7;
        let drawn: Vec<f64> = (0..20_000).map(|_| exponential(&mut state)).collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let above = drawn.iter().filter(|draw| **draw > 1.0).count() as f64 / drawn.len() as f64;
        assert!((mean - 1.0).abs() < 0.03 && (above - (-1.0_f64).exp()).abs() < 0.02, "{mean}, {above}");
    }

    #[test]
    fn what_varies_is_late_by_its_base_and_ends_with_its_client() {
        let (address, _) = service();
        let base = Duration::from_millis(30);
        let jitter = Jitter::start(address, base, Duration::from_millis(1), 7).unwrap();
        let (got, took) = ask(jitter.address());
        assert!(got == ANSWER && took >= WORK_TIME + 2 * base, "{took:?}");
    }
}
