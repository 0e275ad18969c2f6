//! Every interleaving of a few attempts on the memory store, under loom.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::task::{Context, Poll, Waker};

use idemcheck::model::{Operation, Outcome, RecordAs};
use idemcheck::store::decide::{Me, Rules};
use idemcheck::store::memory::{Clock, Guarded, Memory, Tables};
use idemcheck::store::operation::{Hold, Retry};
use idemcheck::store::{Owner, SharedStore, Status};
use loom::thread;

use crate::contract::{HOUR, key, put, response};
use crate::races::RULES;

const INSERT: Operation = Operation::Insert { recognise_own: true };
const TAKE_OVER: Operation = Operation::TakeOver { recognise_own: true };
const RECORD: Operation =
    Operation::Record { outcome: RecordAs::Succeeded, fenced: true, recognise_own: true };

struct Loom<T>(loom::sync::Mutex<T>);

impl<T: Send> Guarded<T> for Loom<T> {
    fn new(value: T) -> Self {
        Loom(loom::sync::Mutex::new(value))
    }

    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.lock().unwrap())
    }
}

/// What memory answers is ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("memory waits for nothing"),
    }
}

fn store(clock: i64) -> SharedStore {
    let clock = Clock::Manual(Arc::new(AtomicI64::new(clock)));
    Arc::new(Memory::<Loom<Tables>>::with_clock(clock))
}

fn hold(store: &SharedStore, number: u8, rules: Rules) -> Hold {
    let me = Me {
        owner: Owner::from_bytes([number; 16]),
        fingerprint: vec![1],
        request: Vec::new(),
        token: 0,
        owns: false,
        known: Some(response(&[number])),
    };
    Hold::new(store.clone(), key("k"), me, rules, Retry::default())
}

fn operate(hold: &mut Hold, operation: &Operation) -> Outcome {
    now(hold.operate(operation, None, &|_| "state".to_owned())).unwrap()
}

/// Claim or take over, then record what is one's own.
fn attempt(mut hold: Hold) -> (Hold, bool) {
    let got = match operate(&mut hold, &INSERT) {
        Outcome::Inserted => true,
        Outcome::Expired => operate(&mut hold, &TAKE_OVER) == Outcome::Taken,
        Outcome::InProgress | Outcome::Succeeded => false,
        other => panic!("{other:?}"),
    };
    assert_eq!(hold.me.owns, got);
    if got {
        assert_eq!(operate(&mut hold, &RECORD), Outcome::Recorded);
    }
    (hold, got)
}

/// Each of them on a thread of its own, in every order.
fn together(holds: Vec<Hold>) -> Vec<(Hold, bool)> {
    let threads: Vec<_> = holds.into_iter().map(|hold| thread::spawn(move || attempt(hold))).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn explore(test: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(test);
}

#[test]
fn one_of_three_claims_and_records() {
    explore(|| {
        let store = store(0);
        let done = together((1..=3).map(|number| hold(&store, number, RULES)).collect());
        let winners: Vec<&Hold> = done.iter().filter(|(_, got)| *got).map(|(hold, _)| hold).collect();
        assert_eq!(winners.len(), 1);
        let receipt = now(store.read(&key("k"))).unwrap().receipt.unwrap();
        assert_eq!((receipt.owner, receipt.token), (winners[0].me.owner, winners[0].me.token));
        assert_eq!((receipt.status, receipt.response), (Status::Succeeded, winners[0].me.known.clone()));
    });
}

#[test]
fn one_of_two_takes_over_and_the_old_owner_is_shut_out() {
    explore(|| {
        let store = store(2 * HOUR);
        let mut old = hold(&store, 9, RULES);
        assert_eq!(operate(&mut old, &INSERT), Outcome::Inserted);
        // Its lease ended long ago.
        let receipt = now(store.read(&key("k"))).unwrap().receipt.unwrap();
        let expired =
            idemcheck::store::Draft { lease: idemcheck::store::Stamp::At(HOUR), ..receipt.draft(false) };
        now(store.swap(&put(&key("k"), idemcheck::store::Expected::Anything, expired))).unwrap();
        let first = old.me.token;
        let late = thread::spawn(move || operate(&mut old, &RECORD));
        let done = together((1..=2).map(|number| hold(&store, number, RULES)).collect());
        let late = late.join().unwrap();
        let winners: Vec<&Hold> = done.iter().filter(|(_, got)| *got).map(|(hold, _)| hold).collect();
        let receipt = now(store.read(&key("k"))).unwrap().receipt.unwrap();
        assert_eq!(receipt.status, Status::Succeeded);
        match winners.as_slice() {
            [winner] => {
                assert_eq!(late, Outcome::Lost);
                assert_eq!((receipt.owner, receipt.token), (winner.me.owner, winner.me.token));
                assert!(receipt.token > first);
            }
            [] => {
                assert_eq!(late, Outcome::Recorded);
                assert_eq!((receipt.owner, receipt.token), (Owner::from_bytes([9; 16]), first));
            }
            _ => panic!("two owners"),
        }
    });
}

#[test]
fn one_of_two_claims_what_expired() {
    explore(|| {
        let clock = Arc::new(AtomicI64::new(0));
        let store: SharedStore = Arc::new(Memory::<Loom<Tables>>::with_clock(Clock::Manual(clock.clone())));
        let rules = Rules { ttl: Some(HOUR), ..RULES };
        let mut old = hold(&store, 9, rules);
        assert_eq!(operate(&mut old, &INSERT), Outcome::Inserted);
        clock.store(2 * HOUR, std::sync::atomic::Ordering::SeqCst);
        let first = old.me.token;
        let late = thread::spawn(move || operate(&mut old, &RECORD));
        let done = together((1..=2).map(|number| hold(&store, number, rules)).collect());
        assert_eq!(late.join().unwrap(), Outcome::Lost);
        let winners: Vec<&Hold> = done.iter().filter(|(_, got)| *got).map(|(hold, _)| hold).collect();
        assert_eq!(winners.len(), 1);
        assert!(winners[0].me.token > first);
        let receipt = now(store.read(&key("k"))).unwrap().receipt.unwrap();
        assert_eq!(receipt.owner, winners[0].me.owner);
    });
}
