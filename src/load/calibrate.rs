//! What this machine finds: the senders of `load` against a server whose race is known.
//!
//! Every kind of burst has its turn in every batch, so that what else the machine does meanwhile falls on all alike.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::power::bursts_for;
use super::proxy::Jitter;
use super::racy::{KEY, Racy, Seen, Window};
use super::send::{Outgoing, Sender, Target, Technique, Trust};

/// What is measured: techniques, and the windows without and with a way that varies.
const TECHNIQUES: [Technique; 4] = [
    Technique::SinglePacket { connections: 1 },
    Technique::SinglePacket { connections: 2 },
    Technique::LastByte,
    Technique::Barrier,
];
const WINDOWS: [Window; 6] = [
    Window::Atomic,
    Window::Steps,
    Window::Yield,
    Window::Wait(Duration::from_micros(10)),
    Window::Wait(Duration::from_micros(100)),
    Window::Wait(Duration::from_micros(1000)),
];
const JITTERED: [Window; 2] =
    [Window::Wait(Duration::from_micros(100)), Window::Wait(Duration::from_micros(1000))];
/// How late every part is that goes through the proxy, and the mean of what is drawn beyond.
const BASE: Duration = Duration::from_millis(5);
const MEAN: Duration = Duration::from_millis(2);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two batches.
const REST: Duration = Duration::from_millis(100);
/// The chance for which bursts are planned.
const POWER: f64 = 0.95;

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Requests of a burst.
    pub size: usize,
    /// Bursts of each kind.
    pub bursts: u64,
    pub batches: u64,
    pub seed: u64,
    /// After it no round of bursts is begun.
    pub time: Duration,
}

/// What was measured.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// Of this format: 1.
    pub version: u32,
    /// Processors that this process may use.
    pub processors: u64,
    /// Requests of a burst.
    pub size: u64,
    pub seed: u64,
    pub batches: u64,
    /// It ended before everything was measured, and why.
    pub cut_short: Option<String>,
    pub rows: Vec<Row>,
}

/// Bursts of one kind.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// As a load report has it.
    pub technique: String,
    /// Between the look at a key and its claim: `none, one step`, `none, two steps`, `a yield`, or what is waited for.
    pub window: String,
    /// How long that was, in microseconds: the median of all requests that met it.
    pub window_us: u64,
    /// The mean by which the way varies, in microseconds; 0: a plain connection.
    pub jitter_us: u64,
    pub bursts: u64,
    /// Those with more than one effect.
    pub found: u64,
    /// The same by batch: hits come in clusters.
    pub found_by_batch: Vec<u64>,
    /// Effects of a burst.
    pub mean_effects: f64,
    /// Between the first and the last arrival of a burst at the server, in microseconds: of ten bursts the first, the
    /// median, and of ten the last.
    pub spread_us: [u64; 3],
    /// How many bursts find such a race with a chance of 95 %, at the rate that was seen. None: it never was.
    pub bursts_needed: Option<u64>,
}

/// Bursts of one kind, while they are counted.
struct Cell {
    technique: usize,
    window: Window,
    jittered: bool,
    found_by_batch: Vec<u64>,
    bursts: u64,
    effects: u64,
    spreads: Vec<u64>,
    windows: Vec<u64>,
}

/// Measures. `tell` hears of each batch. To be called within a [`tokio::task::LocalSet`] of a runtime with one thread.
///
/// # Errors
/// There is no port, a connection breaks, or the control without a race shows one.
pub async fn calibrate(
    asked: Asked,
    trust: &Trust,
    stop: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(u64, u64),
) -> Result<Calibration, String> {
    let began = Instant::now();
    let racy = Racy::start()?;
    let jitter = Jitter::start(racy.address, BASE, MEAN, asked.seed)?;
    let senders = |address: SocketAddr| {
        let sender = |technique: &Technique| {
            let target = Target::new(&format!("http://{address}/"), *technique, trust)?;
            Ok::<_, String>(Sender::new(*technique, vec![target], PATIENCE))
        };
        TECHNIQUES.iter().map(sender).collect::<Result<Vec<_>, _>>()
    };
    let (mut plain, mut varying) = (senders(racy.address)?, senders(jitter.address())?);
    let kinds =
        WINDOWS.map(|window| (window, false)).into_iter().chain(JITTERED.map(|window| (window, true)));
    let mut cells: Vec<Cell> = kinds
        .flat_map(|(window, jittered)| {
            (0..TECHNIQUES.len()).map(move |technique| Cell::new(technique, window, jittered))
        })
        .collect();
    let batches = asked.batches.clamp(1, asked.bursts.max(1));
    let mut cut_short = None;
    let mut number = 0_u64;
    'measuring: for batch in 0..batches {
        let bursts = asked.bursts * (batch + 1) / batches - asked.bursts * batch / batches;
        for cell in &mut cells {
            cell.found_by_batch.push(0);
            let senders = if cell.jittered { &mut varying } else { &mut plain };
            for _ in 0..bursts {
                if stop() {
                    cut_short = Some("it was interrupted".to_owned());
                } else if began.elapsed() >= asked.time {
                    cut_short = Some(format!("the limit of {:?} was reached (--timeout)", asked.time));
                }
                if cut_short.is_some() {
                    break 'measuring;
                }
                let key = format!("idemcheck-{:016x}-{number}", asked.seed);
                number += 1;
                let requests = vec![request(cell.window, &key); asked.size];
                let exchanges = senders[cell.technique].burst(&requests).await?;
                for exchange in exchanges {
                    let why = match exchange.answer {
                        Ok(answer) if answer.status < 500 => continue,
                        Ok(answer) => answer.status.to_string(),
                        Err(why) => why,
                    };
                    let technique = TECHNIQUES[cell.technique].name();
                    return Err(format!(
                        "the server that is raced failed ({technique}, {:?}): {why}",
                        cell.window
                    ));
                }
                cell.add(&racy.take(&key))?;
            }
        }
        tell(batch + 1, batches);
        tokio::time::sleep(REST).await;
    }
    Ok(Calibration {
        version: 1,
        processors: std::thread::available_parallelism().map_or(1, |count| count.get() as u64),
        size: asked.size as u64,
        seed: asked.seed,
        batches,
        cut_short,
        rows: cells.into_iter().filter(|cell| cell.bursts > 0).map(Cell::row).collect(),
    })
}

fn request(window: Window, key: &str) -> Outgoing {
    Outgoing {
        method: "POST",
        path: window.path(),
        headers: vec![
            (KEY.to_owned(), key.to_owned()),
            ("content-type".to_owned(), "application/json".to_owned()),
        ],
        body: Bytes::from_static(b"{\"amount\": 1}"),
        late: Duration::ZERO,
    }
}

impl Cell {
    fn new(technique: usize, window: Window, jittered: bool) -> Cell {
        Cell {
            technique,
            window,
            jittered,
            found_by_batch: Vec::new(),
            bursts: 0,
            effects: 0,
            spreads: Vec::new(),
            windows: Vec::new(),
        }
    }

    /// One burst.
    fn add(&mut self, seen: &Seen) -> Result<(), String> {
        if self.window == Window::Atomic && seen.effects != 1 {
            return Err(format!(
                "the control without a race had {} effects: a fault of idemcheck itself, please report it",
                seen.effects
            ));
        }
        self.bursts += 1;
        self.effects += seen.effects;
        if let Some(found) = self.found_by_batch.last_mut().filter(|_| seen.effects > 1) {
            *found += 1;
        }
        if let (Some(first), Some(last)) = (seen.arrivals.iter().min(), seen.arrivals.iter().max()) {
            self.spreads.push(last.duration_since(*first).as_micros() as u64);
        }
        self.windows.extend(seen.windows.iter().map(|window| window.as_micros() as u64));
        Ok(())
    }

    fn row(mut self) -> Row {
        self.spreads.sort_unstable();
        self.windows.sort_unstable();
        let at = |sorted: &[u64], tenths: usize| {
            sorted.get((sorted.len() * tenths / 10).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
        };
        let found: u64 = self.found_by_batch.iter().sum();
        Row {
            technique: TECHNIQUES[self.technique].name(),
            window: match self.window {
                Window::Atomic => "none, one step".to_owned(),
                Window::Steps => "none, two steps".to_owned(),
                Window::Yield => "a yield".to_owned(),
                Window::Wait(time) => format!("{time:?} awaited"),
            },
            window_us: at(&self.windows, 5),
            jitter_us: if self.jittered { MEAN.as_micros() as u64 } else { 0 },
            bursts: self.bursts,
            found,
            found_by_batch: self.found_by_batch,
            mean_effects: self.effects as f64 / self.bursts as f64,
            spread_us: [1, 5, 9].map(|tenths| at(&self.spreads, tenths)),
            bursts_needed: (found > 0).then(|| bursts_for(POWER, found as f64 / self.bursts as f64)),
        }
    }
}
