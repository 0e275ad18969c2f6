//! Stored receipts with something else in them: an error of their key, and of nothing else.

use std::sync::Arc;

use idemcheck::model::{Operation, RecordAs};
use idemcheck::store::{Expected, Key, StoreError, Swap, Swapped, Which, Write};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::contract::{claim, key, put};
use crate::place::{Kind, Place, connect, on};
use crate::races::hold;

const COLUMNS: [&str; 13] = [
    "status",
    "owner",
    "token",
    "revision",
    "fingerprint",
    "checkpoint",
    "answer_status",
    "answer_headers",
    "answer_body",
    "request",
    "lease_until",
    "expires_at",
    "claimed_at",
];

/// Where a column stands in a value of Redis, and how many bytes it has: of those that vary, their length.
const PLACES: [(usize, usize); 13] = [
    (1, 1),
    (103, 16),
    (3, 20),
    (23, 20),
    (125, 4),
    (121, 4),
    (119, 2),
    (129, 4),
    (137, 8),
    (133, 4),
    (63, 20),
    (83, 20),
    (43, 20),
];

/// What a column is set to.
#[derive(Clone, Debug)]
enum Value {
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
    Nothing,
}

fn values() -> impl Strategy<Value = Value> {
    let texts = prop_oneof![
        Just(String::new()),
        Just("succeeded".to_owned()),
        Just("[[\"a\",\"b\"]]".to_owned()),
        Just("[[\"a\",\"\u{100}\"]]".to_owned()),
        Just("[".repeat(200)),
        Just("9".repeat(40)),
        Just("-0x1p9".to_owned()),
        "[ -~]{0,12}",
    ];
    let numbers = prop_oneof![Just(0), Just(-1), Just(i64::MIN), Just(i64::MAX), Just(70_000), any::<i64>(),];
    prop_oneof![
        numbers.prop_map(Value::Number),
        texts.prop_map(Value::Text),
        proptest::collection::vec(any::<u8>(), 0..24).prop_map(Value::Bytes),
        Just(Value::Nothing),
    ]
}

/// By the back door; a value that the store itself does not let into the column changes nothing.
async fn set(place: &Place, key: &Key, column: &str, value: &Value) {
    match place.kind {
        Kind::Sqlite => {
            let connection = rusqlite::Connection::open(place.file()).unwrap();
            let sql = format!("UPDATE idemcheck_receipts SET {column} = ?2 WHERE key = ?1");
            let done = match value {
                Value::Number(number) => connection.execute(&sql, (key.as_str(), number)),
                Value::Text(text) => connection.execute(&sql, (key.as_str(), text)),
                Value::Bytes(bytes) => connection.execute(&sql, (key.as_str(), bytes)),
                Value::Nothing => connection.execute(&sql, (key.as_str(), None::<i64>)),
            };
            assert!(done.is_ok_and(|count| count == 1) || connection.is_autocommit());
        }
        Kind::Postgres => {
            let client = connect(&place.url()).await;
            let value = match value {
                Value::Number(number) => number.to_string(),
                Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
                Value::Bytes(bytes) => {
                    format!("'\\x{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
                }
                Value::Nothing => "NULL".to_owned(),
            };
            let key = key.as_str().replace('\'', "''");
            let sql = format!("UPDATE idemcheck_receipts SET {column} = {value} WHERE key = '{key}'");
            let _ = client.batch_execute(&sql).await;
        }
        Kind::Redis => {
            let server = crate::place::server(Kind::Redis).unwrap();
            let client = redis::Client::open(server).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let name = format!("{}receipt:{}", place.prefix(), key.as_str());
            let (from, width) = PLACES[COLUMNS.iter().position(|one| *one == column).unwrap()];
            let mut stored: Vec<u8> =
                redis::cmd("GET").arg(&name).query_async(&mut connection).await.unwrap();
            let bytes = match value {
                Value::Number(number) if width == 20 => format!("{number:>20}").into_bytes(),
                Value::Number(number) => number.to_be_bytes()[8 - width.min(8)..].to_vec(),
                Value::Text(text) => text.clone().into_bytes(),
                Value::Bytes(bytes) => bytes.clone(),
                Value::Nothing => Vec::new(),
            };
            let from = from.min(stored.len());
            match value {
                // Nothing comes after it.
                Value::Nothing => stored.truncate(from),
                _ => drop(stored.splice(from..(from + width).min(stored.len()), bytes)),
            }
            let _: () = redis::cmd("SET").arg(&name).arg(stored).query_async(&mut connection).await.unwrap();
        }
        _ => unreachable!("no back door"),
    }
}

/// It reads, or it says that it does not: nothing else is a store's answer to what is stored.
fn told<T>(what: &str, answer: Result<T, StoreError>) -> Result<Option<T>, TestCaseError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(StoreError::Corrupt(_)) => Ok(None),
        Err(error) => Err(TestCaseError::fail(format!("{what}: {error:?}"))),
    }
}

async fn damaged(place: &Place, damage: &[(usize, Value)]) -> Result<(), TestCaseError> {
    let (before, spoilt, after) = (key("a"), key("b"), key("c"));
    for key in [&before, &spoilt, &after] {
        place.done(&Swap::new(key.clone(), Expected::Anything, Write::Delete)).await;
        place.done(&put(key, Expected::Absent, claim(1))).await;
    }
    for (column, value) in damage {
        set(place, &spoilt, COLUMNS[*column], value).await;
    }
    let read = told("read", place.store.read(&spoilt).await)?;
    // What reads can be there or be gone, and a swap says the same of it.
    let swapped = told("swap", place.store.swap(&put(&spoilt, Expected::Absent, claim(2))).await)?;
    if let Some(Swapped::Conflict(seen)) = &swapped {
        prop_assert!(read.is_some(), "a swap read what a look could not: {seen:?}");
    }
    for which in [Which::All, Which::InProgress, Which::Abandoned] {
        let listed = place.store.list(which, None, 9).await;
        let listed = listed.map_err(|error| TestCaseError::fail(format!("list: {error}")))?;
        let others: Vec<&Key> =
            listed.receipts.iter().map(|(key, _)| key).filter(|key| **key != spoilt).collect();
        let expected = if which == Which::Abandoned { vec![] } else { vec![&before, &after] };
        prop_assert_eq!(others, expected);
    }
    // Every kind of attempt comes to an outcome or to an error, whatever it finds.
    for operation in [
        Operation::Insert { recognise_own: true },
        Operation::TakeOver { recognise_own: true },
        Operation::Record { outcome: RecordAs::Succeeded, fenced: true, recognise_own: true },
        Operation::Release { fenced: true },
    ] {
        let mut hold = hold(&place.store, &spoilt);
        let outcome = hold.operate(&operation, None, &|_| "state".to_owned()).await;
        // A number that no store counts on from is refused.
        if !matches!(outcome, Err(StoreError::Refused(_))) {
            told("operate", outcome)?;
        }
    }
    let mut hold = hold(&place.store, &after);
    let found = hold.operate(&Operation::Read, None, &|_| String::new()).await;
    prop_assert!(found.is_ok(), "{found:?}");
    // The way out that an operator has.
    place.done(&Swap::new(spoilt.clone(), Expected::Anything, Write::Delete)).await;
    prop_assert!(place.read(&spoilt).await.is_none());
    Ok(())
}

fn harms_nothing_else(kind: Kind) {
    on(kind, async |place: Arc<Place>| {
        let config = Config { cases: 80, failure_persistence: None, ..Config::default() };
        let damage = proptest::collection::vec((0..COLUMNS.len(), values()), 1..4);
        let handle = tokio::runtime::Handle::current();
        let tried = tokio::task::block_in_place(|| {
            TestRunner::new(config).run(&damage, |damage| handle.block_on(damaged(&place, &damage)))
        });
        tried.unwrap();
    });
}

#[test]
fn damage_in_sqlite_is_of_its_key_only() {
    harms_nothing_else(Kind::Sqlite);
}

#[test]
fn damage_in_postgres_is_of_its_key_only() {
    harms_nothing_else(Kind::Postgres);
}

#[test]
fn damage_in_redis_is_of_its_key_only() {
    harms_nothing_else(Kind::Redis);
}
