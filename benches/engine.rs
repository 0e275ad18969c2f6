//! The search engine: zone operations, and whole explorations of textbook systems.
//! Throughput is in zones visited per second.

#[allow(dead_code)]
#[path = "../tests/textbook/claim.rs"]
mod claim;
#[path = "../tests/textbook/csmacd.rs"]
mod csmacd;
#[allow(dead_code)]
#[path = "../tests/textbook/fischer.rs"]
mod fischer;
#[allow(dead_code)]
#[path = "../tests/textbook/lease.rs"]
mod lease;
#[path = "../tests/textbook/processes.rs"]
mod processes;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use idemcheck::check::search::{SearchOptions, explore};
use idemcheck::time::zone::{self, Scalar, Thresholds};
use idemcheck::time::{ClockFrom, NO_BOUND, TimedSystem};

/// A zone over nine clocks that were reset one after the other, with at least a unit in between.
fn ladder<T: Scalar>() -> (usize, Vec<T>) {
    let n = 10;
    let mut zone = vec![T::ZERO; n * n];
    zone::elapse(n, &mut zone);
    for clock in 1..n - 1 {
        assert!(zone::constrain(n, &mut zone, 0, clock, T::encode(-(clock as i64), false)));
        let clocks: Vec<ClockFrom> =
            (1..n).map(|c| if c == clock { ClockFrom::Zero } else { ClockFrom::Old(c as u8) }).collect();
        let mut next = zone.clone();
        zone::map(n, &zone, &clocks, &mut next);
        zone::elapse(n, &mut next);
        zone = next;
    }
    (n, zone)
}

fn operations<T: Scalar>(c: &mut Criterion, width: &str) {
    let (n, zone) = ladder::<T>();
    let mut group = c.benchmark_group(format!("zone/{width}"));
    let fresh = || zone.clone();
    group.bench_function("constrain", |b| {
        let work = |mut z: Vec<T>| {
            assert!(zone::constrain(n, &mut z, 4, 0, T::encode(10, false)));
            z
        };
        b.iter_batched(fresh, work, BatchSize::SmallInput)
    });
    group.bench_function("extrapolate", |b| {
        let thresholds = Thresholds::new(&vec![5; n], &vec![NO_BOUND; n]);
        let work = |mut z: Vec<T>| {
            thresholds.extrapolate(&mut z);
            z
        };
        b.iter_batched(fresh, work, BatchSize::SmallInput)
    });
    group.bench_function("included", |b| b.iter(|| zone::included(black_box(&zone), black_box(&zone))));
    group.finish();
}

fn exploration<S: TimedSystem>(c: &mut Criterion, name: &str, system: &S, symmetry: bool) {
    let options = SearchOptions { symmetry, keep_shortest: false, ..SearchOptions::default() };
    let once = explore(system, &options, &mut ()).unwrap();
    let visited = once.stats().visited;
    eprintln!("explore/{name}: {visited} visited, {} bytes each", once.memory() / visited);
    drop(once);
    let mut group = c.benchmark_group("explore");
    group.sample_size(10).throughput(Throughput::Elements(visited));
    group.bench_function(name, |b| b.iter(|| explore(system, &options, &mut ()).unwrap().stats().stored));
    group.finish();
}

fn engine(c: &mut Criterion) {
    operations::<i32>(c, "i32");
    operations::<i64>(c, "i64");
    exploration(c, "fischer 9", &fischer::Fischer::new(9), false);
    let wide = fischer::Fischer { delay: 1 << 40, ..fischer::Fischer::new(9) };
    exploration(c, "fischer 9 in 64 bits", &wide, false);
    exploration(c, "fischer 12 sorted", &fischer::Fischer::sorted(12), true);
    exploration(c, "csmacd 8", &csmacd::CsmaCd { stations: 8 }, false);
    exploration(c, "lease 8 2 20 10", &lease::Lease::new(8, 2, 20, 10), false);
    // Without clocks: 1,575,896 states and 14,017,008 transitions, on one thread. On record for the same
    // protocol, on a quiet machine of two cores: hard-coded Rust 0.24 s in 38 MB, stateright 0.31 depth
    // first 0.65 s in 22 MB (fingerprints, no traces), Spin 2.9 s in 192 MB, TLC 48.9 s (busy machine)
    // in 3.1 GB. In order, 81,224 states are left: hard-coded Rust 0.02 s, stateright 0.04 s, TLC 8.7 s.
    exploration(c, "common claim 4 1 2", &claim::Claim::new(4, 1, 2), false);
    exploration(c, "common claim 4 1 2 sorted", &claim::Claim::sorted(4, 1, 2), false);
}

fn short() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = short(); targets = engine }
criterion_main!(benches);
