//! Many attempts on one key at once, over two handles: one winner each time.

use std::sync::Arc;
use std::sync::Mutex;

use idemcheck::model::{Operation, Outcome, RecordAs};
use idemcheck::policy::TtlFrom;
use idemcheck::store::decide::{Me, Rules};
use idemcheck::store::operation::{Hold, Retry};
use idemcheck::store::{
    Entry, Expected, Key, Landing, LedgerCall, Native, Owner, SharedStore, Status, Swap, Swapped, Write,
};
use tokio::task::JoinSet;

use crate::contract::{HOUR, key, response};
use crate::place::{Place, on_each_store};

on_each_store!(one_of_many_wins, nobody_holds_what_another_holds, effects_land_one_after_the_other);

const TASKS: u8 = 12;
const INSERT: Operation = Operation::Insert { recognise_own: true };
const TAKE_OVER: Operation = Operation::TakeOver { recognise_own: true };
const RECORD: Operation =
    Operation::Record { outcome: RecordAs::Succeeded, fenced: true, recognise_own: true };

pub const RULES: Rules = Rules {
    lease: Some(HOUR),
    ttl: None,
    ttl_from: TtlFrom::Claim,
    compares: true,
    swept: false,
    client_clock: false,
};

pub fn hold(store: &SharedStore, key: &Key) -> Hold {
    let me = Me {
        owner: Owner::random().unwrap(),
        fingerprint: vec![1],
        request: b"asked".to_vec(),
        token: 0,
        owns: false,
        known: Some(response(b"answer")),
    };
    Hold::new(store.clone(), key.clone(), me, RULES, Retry::default())
}

pub async fn operate(hold: &mut Hold, operation: &Operation) -> Outcome {
    hold.operate(operation, None, &|_| "state".to_owned()).await.unwrap()
}

/// Every hold does the operation, all at once.
async fn all(holds: Vec<Hold>, operation: &Operation) -> (Vec<Hold>, Vec<Outcome>) {
    let start = Arc::new(tokio::sync::Barrier::new(holds.len()));
    let mut tasks = JoinSet::new();
    for (number, mut hold) in holds.into_iter().enumerate() {
        let (start, operation) = (start.clone(), operation.clone());
        tasks.spawn(async move {
            start.wait().await;
            let outcome = operate(&mut hold, &operation).await;
            (number, hold, outcome)
        });
    }
    let mut done = tasks.join_all().await;
    done.sort_by_key(|(number, ..)| *number);
    done.into_iter().map(|(_, hold, outcome)| (hold, outcome)).unzip()
}

fn only(outcomes: &[Outcome], wanted: Outcome) -> usize {
    let found: Vec<usize> = (0..outcomes.len()).filter(|at| outcomes[*at] == wanted).collect();
    assert_eq!(found.len(), 1, "{outcomes:?}");
    found[0]
}

async fn one_of_many_wins(place: Arc<Place>) {
    let other = place.another().await;
    let mut last = 0;
    for round in 0..4 {
        let key = key(&round.to_string());
        let holds = (0..TASKS).map(|task| hold(if task % 2 == 0 { &place.store } else { &other }, &key));
        let (holds, outcomes) = all(holds.collect(), &INSERT).await;
        let first = only(&outcomes, Outcome::Inserted);
        assert_eq!(
            outcomes.iter().filter(|one| **one == Outcome::InProgress).count(),
            usize::from(TASKS) - 1
        );
        let claimed = holds[first].me.token;
        assert!(claimed > last);

        // Nobody can take what is not over.
        let (holds, outcomes) = all(holds, &TAKE_OVER).await;
        assert_eq!(only(&outcomes, Outcome::Taken), first);
        place.pass(2 * HOUR).await;
        let others = holds.into_iter().enumerate().filter(|(at, _)| *at != first);
        let (holds, outcomes) = all(others.map(|(_, hold)| hold).collect(), &TAKE_OVER).await;
        let second = only(&outcomes, Outcome::Taken);
        assert!(holds[second].me.token > claimed);
        assert!(holds.iter().enumerate().all(|(at, hold)| hold.me.owns == (at == second)));

        let owner = holds[second].me.owner;
        let (holds, outcomes) = all(holds, &RECORD).await;
        assert_eq!(only(&outcomes, Outcome::Recorded), second);
        let receipt = place.read(&key).await.unwrap();
        assert_eq!((receipt.owner, receipt.status), (owner, Status::Succeeded));
        assert_eq!(receipt.token, holds[second].me.token);
        assert_eq!(receipt.response, Some(response(b"answer")));
        last = receipt.token;
    }
}

/// Who claims, holds alone until it lets go; and every grant has a higher token than the one before.
async fn nobody_holds_what_another_holds(place: Arc<Place>) {
    let other = place.another().await;
    let key = key("k");
    // Who holds the key now, and the highest token.
    let held = Arc::new(Mutex::new((None, 0)));
    let mut tasks = JoinSet::new();
    for task in 0..6 {
        let store = if task % 2 == 0 { place.store.clone() } else { other.clone() };
        let (key, held) = (key.clone(), held.clone());
        tasks.spawn(async move {
            let mut grants: u32 = 0;
            while grants < 10 {
                let mut hold = hold(&store, &key);
                if operate(&mut hold, &INSERT).await != Outcome::Inserted {
                    tokio::task::yield_now().await;
                    continue;
                }
                grants += 1;
                {
                    let mut held = held.lock().unwrap();
                    assert_eq!(held.0.replace(task), None);
                    assert!(hold.me.token > held.1, "{} after {}", hold.me.token, held.1);
                    held.1 = hold.me.token;
                }
                tokio::task::yield_now().await;
                assert_eq!(operate(&mut hold, &Operation::Renew).await, Outcome::Renewed);
                assert_eq!(held.lock().unwrap().0.take(), Some(task));
                let release = Operation::Release { fenced: true };
                assert_eq!(operate(&mut hold, &release).await, Outcome::Released);
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(place.read(&key).await, None);
}

/// Many calls of one operation at once: each effect in a place of its own, one effect per native key, and one
/// transaction that finds the ledger as it expects.
async fn effects_land_one_after_the_other(place: Arc<Place>) {
    let other = place.another().await;
    let entry = |operation: &Key| Entry {
        operation: operation.clone(),
        fingerprint: vec![1],
        token: 0,
        response: response(b"{effect}"),
    };
    let (plain, keyed, counted) = (key("plain"), key("keyed"), key("counted"));
    let mut calls = JoinSet::new();
    for task in 0..6 {
        let store = if task % 2 == 0 { place.store.clone() } else { other.clone() };
        let native = Native { key: key("native"), ttl: None, compares: false };
        let calls_of_task = [
            LedgerCall { entry: entry(&plain), native: None, fencing: false },
            LedgerCall { entry: entry(&keyed), native: Some(native), fencing: false },
        ];
        // Of keys of their own: only the ledger is shared.
        let mut swap = Swap::new(key(&task.to_string()), Expected::Anything, Write::Nothing);
        (swap.effect, swap.unchanged) = (Some(entry(&counted)), Some(0));
        calls.spawn(async move {
            store.land(&calls_of_task[0]).await.unwrap();
            let landing = store.land(&calls_of_task[1]).await.unwrap();
            let swapped = store.swap(&swap).await.unwrap();
            (landing, matches!(swapped, Swapped::Done { .. }))
        });
    }
    let done = calls.join_all().await;
    let effects = place.store.effects(&plain).await.unwrap();
    assert_eq!(effects.len(), 6);
    assert!(effects.is_sorted_by(|one, next| one.number < next.number), "{effects:?}");
    let first = place.store.effects(&keyed).await.unwrap();
    assert_eq!(first.len(), 1);
    let applied = done.iter().filter(|(landing, _)| matches!(landing, Landing::Applied(_))).count();
    assert_eq!(applied, 1);
    for (landing, _) in &done {
        let (Landing::Applied(effect) | Landing::Deduplicated(effect)) = landing else {
            panic!("{landing:?}")
        };
        assert_eq!(effect, &first[0]);
    }
    assert_eq!(done.iter().filter(|(_, swapped)| *swapped).count(), 1);
    assert_eq!(place.store.effects(&counted).await.unwrap().len(), 1);
}
