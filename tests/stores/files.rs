//! SQLite: what a file and several processes on it make of the store.

use std::path::Path;
use std::sync::Arc;

use idemcheck::store::sqlite::Sqlite;
use idemcheck::store::{Expected, SharedStore, StoreError, Which};
use tokio::task::JoinSet;

use crate::contract::{claim, key, put};
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
