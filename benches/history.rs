//! The history checker: a million operations, two winners among a hundred, reading, and stateright's tester of
//! linearizability on the same histories, in turns.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use idemcheck::history::key::{Counted, Judgement, KeyHistory, Kind, Mark, NEVER, NONE, Op};
use idemcheck::history::record::{Outcome, Record, Request, Terms};
use idemcheck::history::{Book, HistoryReport, judge, read};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

fn op(kind: Kind, start: i64, end: i64, answer: u32) -> Op {
    Op { start, end, body: 0, answer, kind, mark: Mark::Untold }
}

/// One winner, those refused meanwhile, those that came later, and one in a hundred lost; and one effect.
fn burst(count: i64) -> KeyHistory {
    let one = |index: i64| match index % 100 {
        0 => op(Kind::Success, index, 2 * count + index, 0),
        1 => op(Kind::Unknown, index, NEVER, NONE),
        2..=60 => op(Kind::InFlight, index, count + index, NONE),
        _ => op(Kind::Success, count + index, 3 * count + index, 0),
    };
    let counts = vec![Counted { effects: 1, start: 5 * count, end: 5 * count + 1 }];
    KeyHistory { ops: (0..count).map(one).collect(), effects: Vec::new(), counts }
}

/// All at once, all with the result of the first; or the last with one of its own.
fn winners(count: i64, two: bool) -> KeyHistory {
    let ops =
        (0..count).map(|index| op(Kind::Success, index, 1_000 + index, u32::from(two && index == count - 1)));
    KeyHistory { ops: ops.collect(), ..KeyHistory::default() }
}

fn judging(c: &mut Criterion) {
    let terms = Terms::default();
    let mut group = c.benchmark_group("judge");
    let million = burst(1_000_000);
    group.throughput(Throughput::Elements(1_000_000)).sample_size(20);
    group.bench_function("one key, 10^6 requests", |b| {
        b.iter(|| assert_eq!(judge(black_box(&million), &terms), Judgement::Accepted));
    });
    let keys = vec![burst(10); 100_000];
    group.bench_function("10^5 keys, 10 requests each", |b| {
        b.iter(|| keys.iter().for_each(|key| assert_eq!(judge(black_box(key), &terms), Judgement::Accepted)));
    });
    group.throughput(Throughput::Elements(100)).sample_size(100);
    let two = winners(100, true);
    group.bench_function("two winners among 100", |b| {
        b.iter(|| assert!(matches!(judge(black_box(&two), &terms), Judgement::Rejected(_))));
    });
    group.finish();
}

fn reading(c: &mut Criterion) {
    let line = |index: i64| {
        let request = Request {
            key: format!("acme/order-{}", index / 10),
            id: index.to_string(),
            start: 1_000 * index,
            end: Some(1_000 * index + 50_000),
            source: None,
            body: "sha256:0f1e2d3c".to_owned(),
            outcome: Outcome::Final,
            status: Some(201),
            response: Some(format!("sha256:{}", index / 10)),
            replayed: Some(index % 10 != 0),
        };
        serde_json::to_string(&Record::Request(request)).unwrap() + "\n"
    };
    let text: String = (0..100_000).map(line).collect();
    let mut group = c.benchmark_group("read");
    group.throughput(Throughput::Elements(100_000)).sample_size(10);
    group.bench_function("10^5 lines", |b| {
        b.iter(|| {
            let mut book = Book::default();
            assert!(read::read("bench", text.as_bytes(), &mut book).unwrap().is_empty());
            black_box(book.records)
        });
    });
    let mut book = Book::default();
    read::read("bench", text.as_bytes(), &mut book).unwrap();
    book.finish();
    group.bench_function("report of 10^5 requests", |b| {
        b.iter(|| HistoryReport::new(black_box(&book), None).keys.accepted)
    });
    group.finish();
}

/// The first result is kept.
#[derive(Clone, Debug, Default)]
struct Kept(Option<u32>);

impl SequentialSpec for Kept {
    type Op = u32;
    type Ret = u32;

    fn invoke(&mut self, answer: &u32) -> u32 {
        *self.0.get_or_insert(*answer)
    }
}

fn linearizable(history: &KeyHistory) -> bool {
    let mut tester = LinearizabilityTester::new(Kept::default());
    for (index, op) in history.ops.iter().enumerate() {
        tester.on_invoke(index, op.answer).unwrap();
    }
    for (index, op) in history.ops.iter().enumerate() {
        tester.on_return(index, op.answer).unwrap();
    }
    tester.is_consistent()
}

/// The time of one judgement, of enough of them.
fn time(mut judge: impl FnMut() -> bool, expected: bool) -> Duration {
    let mut turns = 1_u32;
    loop {
        let begin = Instant::now();
        for _ in 0..turns {
            assert_eq!(judge(), expected);
        }
        if begin.elapsed() > Duration::from_millis(20) {
            return begin.elapsed() / turns;
        }
        turns *= 4;
    }
}

/// Both on the same history, in turns; the median of the ratios.
fn beside_stateright(_: &mut Criterion) {
    let terms = Terms::default();
    for (count, two) in [(10, false), (100, false), (8, true), (9, true), (10, true)] {
        let history = winners(count, two);
        let mut pairs: Vec<(f64, Duration, Duration)> = (0..7)
            .map(|_| {
                let ours = time(|| judge(black_box(&history), &terms) == Judgement::Accepted, !two);
                let theirs = time(|| linearizable(black_box(&history)), !two);
                (theirs.as_secs_f64() / ours.as_secs_f64(), ours, theirs)
            })
            .collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, ours, theirs) = pairs[pairs.len() / 2];
        let what = if two { "two winners" } else { "one winner" };
        println!("{what} among {count}: {ours:?}, stateright {theirs:?}: {ratio:.0} times as long");
    }
}

criterion_group!(benches, judging, reading, beside_stateright);
criterion_main!(benches);
