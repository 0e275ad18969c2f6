//! A new key, a replay and a conflict, from the machine down.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use idemcheck::serve::machine::{Asked, Machine, Said};
use idemcheck::serve::request::Request;
use idemcheck::store::Key;

use crate::plain::{self, Plain};
use crate::{AtOnce, CLIENTS, Times, line, machine, open, run, source};

/// Turns, and rounds of one turn.
const TURNS: usize = 40;
const ROUNDS: usize = 50;
/// Operations of each client where rates are measured.
const EACH: usize = 60;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    /// Two of them, as a new key needs two writes.
    PlainNew,
    PlainKnown,
    New,
    Replay,
    Conflict,
}

impl Case {
    const ALL: [Case; 5] = [Case::PlainNew, Case::PlainKnown, Case::New, Case::Replay, Case::Conflict];

    fn name(self) -> &'static str {
        match self {
            Case::PlainNew => "two plain, new keys",
            Case::PlainKnown => "one plain, known key",
            Case::New => "new key",
            Case::Replay => "replay",
            Case::Conflict => "in-flight conflict",
        }
    }
}

struct Bench {
    machine: Arc<Machine>,
    plain: Arc<dyn Plain>,
    run: String,
    count: AtomicU64,
    replayed: String,
    held: String,
}

impl Bench {
    fn fresh(&self) -> String {
        format!("{}-{}", self.run, self.count.fetch_add(1, Ordering::Relaxed))
    }

    async fn attempt(&self, key: &str, target: &str) -> Said {
        let request = Request { method: "POST".to_owned(), target: target.to_owned(), ..Request::default() };
        let asked = Asked {
            key: Key::new(&[self.machine.policy().name.as_str(), key]),
            fingerprint: vec![7; 32],
            request,
            correlation: String::new(),
        };
        self.machine.attempt(&asked).await
    }

    async fn one(&self, case: Case) {
        match case {
            Case::PlainNew => {
                self.plain.insert(&self.fresh()).await;
                self.plain.insert(&self.fresh()).await;
            }
            Case::PlainKnown => self.plain.insert(&self.replayed).await,
            Case::New => _ = black_box(self.attempt(&self.fresh(), "/").await),
            Case::Replay => _ = black_box(self.attempt(&self.replayed, "/").await),
            Case::Conflict => _ = black_box(self.attempt(&self.held, "/").await),
        }
    }

    /// Operations a second.
    async fn rate(self: &Arc<Bench>, case: Case) -> f64 {
        let began = Instant::now();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let bench = self.clone();
                tokio::spawn(async move {
                    for _ in 0..EACH {
                        bench.one(case).await;
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.expect("a client");
        }
        (CLIENTS * EACH) as f64 / began.elapsed().as_secs_f64()
    }
}

pub async fn measure(name: &str, address: &str, folder: &Path) {
    let machine = machine(&source(), open(address).await, Arc::new(AtOnce));
    let (plain, run) = (plain::open(name, address, folder).await, run());
    let (replayed, held) = (format!("{run}-replayed"), format!("{run}-held"));
    let bench = Arc::new(Bench { machine, plain, run, count: AtomicU64::new(0), replayed, held });
    bench.one(Case::Replay).await;
    bench.one(Case::PlainKnown).await;
    let holding = bench.clone();
    let holder = tokio::spawn(async move { holding.attempt(&holding.held, "/slow").await });
    tokio::time::sleep(Duration::from_millis(100)).await;

    let mut times: [Times; Case::ALL.len()] = Default::default();
    // The first turn is for caches and for files that grow.
    for turn in 0..=TURNS {
        if turn <= 1 {
            times.iter_mut().for_each(|times| times.turns.clear());
        }
        times.iter_mut().for_each(Times::begin);
        for _ in 0..ROUNDS {
            for (case, times) in Case::ALL.into_iter().zip(&mut times) {
                let began = Instant::now();
                bench.one(case).await;
                times.push(began.elapsed());
            }
        }
    }
    let [new, known, ..] = &times;
    for (case, times) in Case::ALL.into_iter().zip(&times) {
        let rate = bench.rate(case).await;
        let ratio = match case {
            Case::PlainNew | Case::PlainKnown => String::new(),
            Case::New => format!("{} of two plain statements", times.against(new)),
            Case::Replay | Case::Conflict => format!("{} of one plain statement", times.against(known)),
        };
        line(name, case.name(), times, rate, &ratio);
    }
    holder.abort();
}
