//! SQLite: what a file and several processes on it make of the store.

use std::path::Path;
use std::sync::Arc;

use idemcheck::store::sqlite::{BUSY_WAIT, Sqlite};
use idemcheck::store::{Entry, Expected, SharedStore, StoreError, Swapped, Which};
use tokio::task::JoinSet;

use crate::contract::{claim, key, put, response};
use crate::place::runtime;

async fn open(path: &Path) -> SharedStore {
    Arc::new(Sqlite::open(path).await.unwrap())
}

#[test]
fn receipts_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.db");
    let written = runtime().block_on(async {
        let store = open(&path).await;
        store.swap(&put(&key("k"), Expected::Absent, claim(1))).await.unwrap();
        store.read(&key("k")).await.unwrap().receipt
    });
    assert!(written.is_some());
    let found = runtime().block_on(async { open(&path).await.read(&key("k")).await.unwrap().receipt });
    assert_eq!(found, written);
}

#[test]
fn many_open_a_new_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.db");
    runtime().block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..8 {
            let path = path.clone();
            tasks.spawn(async move {
                let store = open(&path).await;
                store.swap(&put(&key(&number.to_string()), Expected::Absent, claim(number))).await.unwrap();
            });
        }
        tasks.join_all().await;
        assert_eq!(open(&path).await.list(Which::All, None, 99).await.unwrap().receipts.len(), 8);
    });
}

#[test]
fn a_later_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.db");
    runtime().block_on(async {
        drop(open(&path).await);
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute("INSERT INTO idemcheck_schema VALUES (99)", []).unwrap();
        let error = Sqlite::open(&path).await.err().unwrap();
        assert!(matches!(&error, StoreError::Refused(text) if text.contains("version 99")), "{error}");
    });
}

#[test]
fn a_lock_that_is_never_free_is_given_up_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.db");
    runtime().block_on(async {
        let store = open(&path).await;
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let swap = put(&key("k"), Expected::Absent, claim(1));
        let write = store.swap(&swap);
        // Looks go on meanwhile.
        let (written, read) = tokio::join!(write, async { store.read(&key("k")).await });
        assert_eq!(read.unwrap().receipt, None);
        assert!(matches!(written, Err(StoreError::Aborted(_))), "{written:?}");
        other.execute_batch("ROLLBACK").unwrap();
        store.swap(&put(&key("k"), Expected::Absent, claim(1))).await.unwrap();
    });
}

#[test]
fn what_is_there_is_answered_while_a_write_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.db");
    runtime().block_on(async {
        let store = open(&path).await;
        store.swap(&put(&key("there"), Expected::Absent, claim(1))).await.unwrap();
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let waits = tokio::spawn({
            let store = store.clone();
            async move { store.swap(&put(&key("new"), Expected::Absent, claim(1))).await }
        });
        let again = put(&key("there"), Expected::Absent, claim(2));
        // Until the other write is under way, this one may come before it.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let began = std::time::Instant::now();
        assert!(matches!(store.swap(&again).await, Ok(Swapped::Conflict(seen)) if seen.receipt.is_some()));
        assert!(began.elapsed() < BUSY_WAIT / 2, "a replay waited for somebody else's write");
        other.execute_batch("ROLLBACK").unwrap();
        waits.await.unwrap().unwrap();
    });
}

#[test]
fn writes_that_share_a_transaction_are_each_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.db");
    runtime().block_on(async {
        let store = open(&path).await;
        let other = rusqlite::Connection::open(&path).unwrap();
        // Some keys can't be written, and only half of what belongs to them would be.
        let refuses = "CREATE TRIGGER refuses AFTER INSERT ON idemcheck_receipts
            WHEN instr(new.key, 'bad') BEGIN SELECT raise(ABORT, 'bad'); END";
        other.execute_batch(refuses).unwrap();
        store.swap(&put(&key("taken"), Expected::Absent, claim(1))).await.unwrap();
        // While somebody else writes they come together.
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut tasks = JoinSet::new();
        for number in 0..150_u32 {
            let store = store.clone();
            tasks.spawn(async move {
                let name = match number % 3 {
                    0 => format!("good-{number}"),
                    1 => format!("bad-{number}"),
                    _ => "taken".to_owned(),
                };
                let mut swap = put(&key(&name), Expected::Absent, claim(1));
                swap.effect = Some(Entry {
                    operation: key(&format!("operation-{number}")),
                    fingerprint: Vec::new(),
                    token: 0,
                    response: response(b"{effect}"),
                });
                (number, store.swap(&swap).await)
            });
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        other.execute_batch("ROLLBACK").unwrap();
        let (mut effects, mut done) = (0, tasks.join_all().await);
        done.sort_by_key(|(number, _)| *number);
        for (number, swapped) in done {
            let landed = store.effects(&key(&format!("operation-{number}"))).await.unwrap().len();
            match number % 3 {
                0 => {
                    assert!(matches!(swapped, Ok(Swapped::Done { .. })), "{number}: {swapped:?}");
                    assert_eq!(landed, 1);
                    effects += 1;
                }
                1 => {
                    assert!(matches!(swapped, Err(StoreError::Refused(_))), "{number}: {swapped:?}");
                    assert_eq!(landed, 0, "{number}: half of it stayed");
                }
                _ => {
                    assert!(matches!(swapped, Ok(Swapped::Conflict(_))), "{number}: {swapped:?}");
                    assert_eq!(landed, 0, "{number}");
                }
            }
        }
        assert_eq!(store.counted().await.unwrap(), effects);
        // What was answered is what another process finds, with numbers that no other has.
        let fresh = open(&path).await;
        let listed = fresh.list(Which::All, None, 1000).await.unwrap();
        assert_eq!(listed.receipts.len() as u64, effects + 1);
        let revisions: std::collections::BTreeSet<u64> =
            listed.receipts.into_iter().map(|(_, receipt)| receipt.unwrap().revision).collect();
        assert_eq!(revisions.len() as u64, effects + 1);
    });
}
