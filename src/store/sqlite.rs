//! Receipts in a file: SQLite, built in. They survive the process, and several processes of one machine
//! share them.
//!
//! Every write is whole or not at all, and on the disk before it is answered (`synchronous=FULL`). Writes that
//! wait for one another share a transaction, each within a savepoint, so that many of them cost one wait for
//! the disk. Time is the machine's clock, read while the write lock is held. The file belongs on a local disk:
//! the locks of network file systems are not to be relied upon.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Row as SqlRow, Transaction, TransactionBehavior,
    params,
};
use tokio::sync::{mpsc, oneshot};

use super::memory::Clock;
use super::row::{AnswerRow, EFFECT, EffectRow, RECEIPT, Row, signed};
use super::{
    Answer, Audit, Audited, Draft, Effect, Entry, Expected, Key, Landing, LedgerCall, Listed, Millis,
    Receipt, Seen, Store, StoreError, Swap, Swapped, Which, Write,
};

/// How long a write waits for the locks of other processes.
pub const BUSY_WAIT: Duration = Duration::from_secs(4);
/// How long a caller waits for its answer; longer than [`BUSY_WAIT`], so that most know what became of it.
pub const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// So many calls wait for a thread; the next ones wait to be let in, in their order.
pub const QUEUE: usize = 256;
/// Writes that share a transaction at the most: the first of them waits for the others.
const TOGETHER: usize = 64;
/// Opening asks so often for a lock that SQLite does not wait for by itself.
const OPEN_TRIES: u32 = 200;
const OPEN_PAUSE: Duration = Duration::from_millis(20);

/// The version of the tables below; migrations lead up to it one by one.
const VERSION: i64 = MIGRATIONS.len() as i64;
const MIGRATIONS: &[&str] = &["
    CREATE TABLE idemcheck_receipts (
        key TEXT NOT NULL PRIMARY KEY,
        status TEXT NOT NULL,
        owner BLOB NOT NULL,
        token INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        fingerprint BLOB NOT NULL,
        checkpoint TEXT,
        answer_status INTEGER,
        answer_headers TEXT,
        answer_body BLOB,
        request BLOB NOT NULL,
        lease_until INTEGER,
        expires_at INTEGER,
        claimed_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX idemcheck_open ON idemcheck_receipts (key) WHERE status = 'in_progress';
    CREATE INDEX idemcheck_expiries ON idemcheck_receipts (expires_at) WHERE expires_at IS NOT NULL;
    CREATE TABLE idemcheck_counters (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) STRICT;
    INSERT INTO idemcheck_counters VALUES ('granted', 0);
    CREATE TABLE idemcheck_effects (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        operation TEXT NOT NULL,
        fingerprint BLOB NOT NULL,
        token INTEGER NOT NULL,
        answer_status INTEGER NOT NULL,
        answer_headers TEXT NOT NULL,
        answer_body BLOB NOT NULL,
        landed_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX idemcheck_effects_of ON idemcheck_effects (operation);
    CREATE TABLE idemcheck_fences (operation TEXT NOT NULL PRIMARY KEY, token INTEGER NOT NULL) STRICT;
    CREATE TABLE idemcheck_natives (
        key TEXT NOT NULL PRIMARY KEY,
        first_at INTEGER NOT NULL,
        effect INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE idemcheck_audits (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL,
        at INTEGER NOT NULL,
        action TEXT NOT NULL,
        reason TEXT NOT NULL,
        said_by TEXT NOT NULL,
        before TEXT NOT NULL
    ) STRICT;
"];

/// The statements that make the tables, as they are run.
pub fn tables() -> &'static [&'static str] {
    MIGRATIONS
}

/// The store: one thread that writes, one that reads.
pub struct Sqlite {
    writes: Lane<Change>,
    reads: Lane<Look>,
    /// A write waits for the disk, or for another process.
    writing: Arc<AtomicBool>,
}

impl Sqlite {
    /// Opens the file, which is made where it is missing, and brings its tables up to date.
    ///
    /// # Errors
    /// The file can't be opened, is no database, or has tables of a later version.
    pub async fn open(path: &Path) -> Result<Sqlite, StoreError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let mut writer = connect(&path)?;
            migrate(&mut writer)?;
            Ok((writer, connect(&path)?))
        });
        let (mut writer, reader) = opened.await.map_err(|error| StoreError::Refused(error.to_string()))??;
        let writing = Arc::new(AtomicBool::new(false));
        let tells = writing.clone();
        let writes = Lane::new("writes", move |queue| {
            while let Some(first) = queue.blocking_recv() {
                write_together(&mut writer, first, queue, &tells);
            }
        })?;
        let reads = Lane::new("reads", move |queue: &mut mpsc::Receiver<Look>| {
            while let Some(look) = queue.blocking_recv() {
                look(&reader);
            }
        })?;
        Ok(Sqlite { writes, reads, writing })
    }

    async fn ask<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let look = |tell: oneshot::Sender<_>| -> Look {
            Box::new(move |connection| {
                // What nobody waits for any more is not begun.
                if !tell.is_closed() {
                    let _ = tell.send(f(connection));
                }
            })
        };
        self.reads.run(look).await
    }

    async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection, Millis) -> Result<Outcome<T>, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let change = |tell: oneshot::Sender<Result<T, StoreError>>| -> Change {
            Box::new(move |begun| {
                if tell.is_closed() {
                    return Ok(Made::Undone(Box::new(|_| ())));
                }
                let made = match begun {
                    Ok(connection) => f(connection, Clock::System.now()),
                    Err(error) => Err(error),
                };
                match made {
                    Ok(outcome) => Ok(outcome.told_by(tell)),
                    Err(error) => {
                        let _ = tell.send(Err(error.clone()));
                        Err(error)
                    }
                }
            })
        };
        self.writes.run(change).await
    }
}

/// Whether a transaction's writes stay.
enum Outcome<T> {
    Commit(T),
    Leave(T),
}

impl<T: Send + 'static> Outcome<T> {
    fn told_by(self, tell: oneshot::Sender<Result<T, StoreError>>) -> Made {
        let (value, stays) = match self {
            Outcome::Commit(value) => (value, true),
            Outcome::Leave(value) => (value, false),
        };
        let told: Told = Box::new(move |committed| {
            let _ = tell.send(committed.map(|()| value));
        });
        if stays { Made::Kept(told) } else { Made::Undone(told) }
    }
}

/// What a write did; to be told what became of its transaction. One that is undone waits for that, too: it
/// may have seen what others wrote before it.
enum Made {
    Kept(Told),
    Undone(Told),
}

/// A question, and telling its answer.
type Look = Box<dyn FnOnce(&Connection) + Send>;
/// A write, or being told why there is no transaction for it.
type Change = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Result<Made, StoreError> + Send>;
type Told = Box<dyn FnOnce(Result<(), StoreError>)>;

/// One write and those that have come meanwhile, in one transaction.
fn write_together(
    connection: &mut Connection,
    first: Change,
    queue: &mut mpsc::Receiver<Change>,
    writing: &AtomicBool,
) {
    writing.store(true, Ordering::Relaxed);
    let begun = begin(connection);
    writing.store(false, Ordering::Relaxed);
    let mut transaction = match begun {
        Ok(transaction) => transaction,
        Err(error) => {
            let _ = first(Err(error));
            return;
        }
    };
    // Alone in its transaction, it needs no savepoint.
    let mut waiting = match first(Ok(&transaction)) {
        Ok(Made::Kept(told)) => vec![told],
        // Nobody wrote before it.
        Ok(Made::Undone(told)) => return told(Ok(())),
        Err(_) => return,
    };
    while waiting.len() < TOGETHER
        && let Ok(change) = queue.try_recv()
    {
        let made = match transaction.savepoint() {
            Ok(mut savepoint) => match change(Ok(&savepoint)) {
                Ok(Made::Kept(told)) => savepoint.commit().map(|()| Some(told)).map_err(fault),
                Ok(Made::Undone(told)) => savepoint.rollback().map(|()| Some(told)).map_err(fault),
                Err(error) => savepoint.rollback().map(|()| None).map_err(|_| error),
            },
            Err(error) => {
                let _ = change(Err(fault(error)));
                Ok(None)
            }
        };
        match made {
            Ok(told) => waiting.extend(told),
            // A full disk, say, undoes all of it.
            Err(error) => {
                let undone = format!("another write of its transaction failed: {error}");
                for told in waiting {
                    told(Err(StoreError::Aborted(undone.clone())));
                }
                return;
            }
        }
    }
    // What is told of it may be followed by the next question at once.
    writing.store(true, Ordering::Relaxed);
    let committed = transaction.commit().map_err(fault);
    writing.store(false, Ordering::Relaxed);
    for told in waiting {
        told(committed.clone());
    }
}

/// A thread that does one thing after the other.
struct Lane<J> {
    jobs: mpsc::Sender<J>,
}

impl<J: Send + 'static> Lane<J> {
    fn new(
        name: &str,
        mut work: impl FnMut(&mut mpsc::Receiver<J>) + Send + 'static,
    ) -> Result<Lane<J>, StoreError> {
        let (jobs, mut queue) = mpsc::channel(QUEUE);
        thread::Builder::new()
            .name(format!("sqlite-{name}"))
            .spawn(move || work(&mut queue))
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        Ok(Lane { jobs })
    }

    /// Has a job done that tells its result.
    async fn run<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> J,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        let job = job(tell);
        let asked = async {
            self.jobs
                .send(job)
                .await
                .map_err(|_| StoreError::Unreachable("its thread has ended".to_owned()))?;
            told.await.map_err(|_| StoreError::Unknown("its thread has ended".to_owned()))?
        };
        let late = || StoreError::Unknown(format!("no answer within {} s", ANSWER_WAIT.as_secs()));
        tokio::time::timeout(ANSWER_WAIT, asked).await.map_err(|_| late())?
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let unreachable =
        |error: rusqlite::Error| StoreError::Unreachable(format!("{}: {error}", path.display()));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags).map_err(unreachable)?;
    connection.busy_timeout(BUSY_WAIT).map_err(fault)?;
    // To change the journal takes a lock that SQLite does not wait for.
    let mode = patiently(|| {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
        mode.map_err(fault)
    })?;
    if mode != "wal" {
        return Err(StoreError::Refused(format!(
            "{}: no write-ahead log here (journal mode `{mode}`); a file on a local disk has one",
            path.display()
        )));
    }
    connection.execute_batch("PRAGMA synchronous = FULL").map_err(fault)?;
    Ok(connection)
}

fn patiently<T>(mut f: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    for _ in 1..OPEN_TRIES {
        match f() {
            Err(StoreError::Aborted(_)) => thread::sleep(OPEN_PAUSE),
            done => return done,
        }
    }
    f()
}

fn begin(connection: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)
}

/// Brings the tables up to date, under the write lock: others wait, and find it done.
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = begin(connection)?;
    transaction
        .execute_batch("CREATE TABLE IF NOT EXISTS idemcheck_schema (version INTEGER NOT NULL) STRICT")
        .map_err(fault)?;
    let version: Option<i64> = transaction
        .query_row("SELECT max(version) FROM idemcheck_schema", [], |row| row.get(0))
        .map_err(fault)?;
    let version = version.unwrap_or(0);
    if version > VERSION {
        return Err(super::newer_schema(version, VERSION));
    }
    for (migration, version) in MIGRATIONS.iter().zip(1_i64..).filter(|(_, after)| *after > version) {
        transaction.execute_batch(migration).map_err(fault)?;
        transaction.execute("INSERT INTO idemcheck_schema VALUES (?1)", [version]).map_err(fault)?;
    }
    transaction.commit().map_err(fault)
}

fn fault(error: rusqlite::Error) -> StoreError {
    use rusqlite::Error as E;
    let text = error.to_string();
    match &error {
        E::SqliteFailure(cause, _) => match cause.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Aborted(text),
            ErrorCode::CannotOpen => StoreError::Unreachable(text),
            // A commit whose write to the disk failed may be found there after all.
            ErrorCode::SystemIoFailure => StoreError::Unknown(text),
            _ => StoreError::Refused(text),
        },
        E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..) | E::InvalidColumnType(..) => {
            StoreError::Corrupt(text)
        }
        E::Utf8Error(..) => StoreError::Corrupt(text),
        _ => StoreError::Refused(text),
    }
}

fn answer_from(row: &SqlRow<'_>, at: usize) -> rusqlite::Result<AnswerRow> {
    Ok(AnswerRow { status: row.get(at)?, headers: row.get(at + 1)?, body: row.get(at + 2)? })
}

/// The receipt whose columns begin at `at`.
fn receipt_from(row: &SqlRow<'_>, at: usize) -> Result<Receipt, StoreError> {
    let read = || -> rusqlite::Result<Row> {
        Ok(Row {
            status: row.get(at)?,
            owner: row.get(at + 1)?,
            token: row.get(at + 2)?,
            revision: row.get(at + 3)?,
            fingerprint: row.get(at + 4)?,
            checkpoint: row.get(at + 5)?,
            answer: answer_from(row, at + 6)?,
            request: row.get(at + 9)?,
            lease_until: row.get(at + 10)?,
            expires_at: row.get(at + 11)?,
            claimed_at: row.get(at + 12)?,
        })
    };
    read().map_err(fault)?.receipt()
}

fn effect_from(row: &SqlRow<'_>) -> Result<Effect, StoreError> {
    let read = || -> rusqlite::Result<EffectRow> {
        Ok(EffectRow {
            number: row.get(0)?,
            fingerprint: row.get(1)?,
            token: row.get(2)?,
            answer: answer_from(row, 3)?,
            at: row.get(6)?,
        })
    };
    read().map_err(fault)?.effect()
}

/// The rows of a statement, each put through `f`.
fn rows<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    mut f: impl FnMut(&SqlRow<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query(params).map_err(fault)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        out.push(f(row)?);
    }
    Ok(out)
}

fn execute(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(fault)
}

fn seen(connection: &Connection, key: &Key, now: Millis) -> Result<Seen, StoreError> {
    let sql = format!("SELECT {RECEIPT} FROM idemcheck_receipts WHERE key = ?1");
    let receipt = rows(connection, &sql, [key.as_str()], |row| receipt_from(row, 0))?.pop();
    Ok(Seen { receipt, now })
}

fn swap(connection: &Connection, swap: &Swap, now: Millis) -> Result<Outcome<Swapped>, StoreError> {
    if swap.expected != Expected::Anything {
        let there = seen(connection, &swap.key, now)?;
        if !swap.expected.met(there.receipt.as_ref(), now) {
            return Ok(Outcome::Leave(Swapped::Conflict(there)));
        }
    }
    if let (Some(unchanged), Some(entry)) = (swap.unchanged, &swap.effect) {
        let sql = "SELECT count(*) FROM idemcheck_effects WHERE operation = ?1";
        let count =
            rows(connection, sql, [entry.operation.as_str()], |row| row.get::<_, i64>(0).map_err(fault))?;
        if count.first().and_then(|count| u64::try_from(*count).ok()) != Some(unchanged) {
            return Ok(Outcome::Leave(Swapped::Changed));
        }
    }
    let effect = swap.effect.as_ref().map(|entry| apply(connection, entry, now)).transpose()?;
    let receipt = match (&swap.write, &effect) {
        (Write::Put(draft), None) => Some(put(connection, &swap.key, draft, now)?),
        (Write::Put(draft), Some(effect)) => {
            Some(put(connection, &swap.key, &draft.numbered(effect.number), now)?)
        }
        (Write::Delete, _) => {
            execute(connection, "DELETE FROM idemcheck_receipts WHERE key = ?1", [swap.key.as_str()])?;
            None
        }
        (Write::Nothing, _) => seen(connection, &swap.key, now)?.receipt,
    };
    if let Some(audit) = &swap.audit {
        let sql = "INSERT INTO idemcheck_audits (key, at, action, reason, said_by, before) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let row = params![swap.key.as_str(), now, audit.action, audit.reason, audit.by, audit.before];
        execute(connection, sql, row)?;
    }
    Ok(Outcome::Commit(Swapped::Done { seen: Seen { receipt, now }, effect }))
}

fn put(connection: &Connection, key: &Key, draft: &Draft, now: Millis) -> Result<Receipt, StoreError> {
    let sql = "UPDATE idemcheck_counters SET value = value + 1 WHERE name = 'granted' RETURNING value";
    let granted = rows(connection, sql, [], |row| row.get::<_, i64>(0).map_err(fault))?.pop();
    let granted = granted
        .and_then(|granted| u64::try_from(granted).ok())
        .ok_or_else(|| StoreError::Refused("the counter of grants is gone".to_owned()))?;
    let receipt = draft.receipt(granted, now);
    let answer = AnswerRow::new(receipt.response.as_ref());
    let sql = format!(
        "INSERT OR REPLACE INTO idemcheck_receipts (key, {RECEIPT}) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
    );
    let row = params![
        key.as_str(),
        receipt.status.name(),
        receipt.owner.as_bytes().as_slice(),
        signed(receipt.token)?,
        signed(receipt.revision)?,
        receipt.fingerprint,
        receipt.checkpoint,
        answer.status,
        answer.headers,
        answer.body,
        receipt.request,
        receipt.lease_until,
        receipt.expires_at,
        receipt.claimed_at,
    ];
    execute(connection, &sql, row)?;
    Ok(receipt)
}

fn apply(connection: &Connection, entry: &Entry, now: Millis) -> Result<Effect, StoreError> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'idemcheck_effects'";
    let last = rows(connection, sql, [], |row| row.get::<_, i64>(0).map_err(fault))?.pop().unwrap_or(0);
    let number = u64::try_from(last).unwrap_or(0) + 1;
    let effect = entry.effect(number, now);
    let answer = AnswerRow::new(Some(&effect.response));
    let sql = format!(
        "INSERT INTO idemcheck_effects (operation, {EFFECT}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
    );
    let row = params![
        entry.operation.as_str(),
        signed(number)?,
        effect.fingerprint,
        signed(effect.token)?,
        answer.status,
        answer.headers,
        answer.body,
        now,
    ];
    execute(connection, &sql, row)?;
    Ok(effect)
}

fn fence_of(connection: &Connection, operation: &Key) -> Result<i64, StoreError> {
    let sql = "SELECT token FROM idemcheck_fences WHERE operation = ?1";
    let found = rows(connection, sql, [operation.as_str()], |row| row.get::<_, i64>(0).map_err(fault))?;
    Ok(found.first().copied().unwrap_or(0))
}

fn raise_fence(connection: &Connection, operation: &Key, token: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO idemcheck_fences (operation, token) VALUES (?1, ?2) \
               ON CONFLICT (operation) DO UPDATE SET token = max(token, excluded.token)";
    execute(connection, sql, params![operation.as_str(), token]).map(drop)
}

fn land(connection: &Connection, call: &LedgerCall, now: Millis) -> Result<Outcome<Landing>, StoreError> {
    let entry = &call.entry;
    let token = signed(entry.token)?;
    if call.fencing && token != 0 && token < fence_of(connection, &entry.operation)? {
        return Ok(Outcome::Leave(Landing::Refused));
    }
    if let Some(native) = &call.native {
        let sql = "SELECT first_at, effect FROM idemcheck_natives WHERE key = ?1";
        let known = connection
            .query_row(sql, [native.key.as_str()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            .optional()
            .map_err(fault)?;
        if let Some((first, number)) = known
            && native.remembers(first, now)
        {
            let sql = format!("SELECT {EFFECT} FROM idemcheck_effects WHERE number = ?1");
            let effect = rows(connection, &sql, [number], effect_from)?
                .pop()
                .ok_or_else(|| StoreError::Corrupt(format!("no effect of the number {number}")))?;
            return Ok(Outcome::Leave(native.known(entry, effect)));
        }
    }
    let effect = apply(connection, entry, now)?;
    if call.fencing {
        raise_fence(connection, &entry.operation, token)?;
    }
    if let Some(native) = &call.native {
        let sql = "INSERT OR REPLACE INTO idemcheck_natives (key, first_at, effect) VALUES (?1, ?2, ?3)";
        execute(connection, sql, params![native.key.as_str(), now, signed(effect.number)?])?;
    }
    Ok(Outcome::Commit(Landing::Applied(effect)))
}

fn list(
    connection: &Connection,
    which: Which,
    after: Option<&Key>,
    limit: u32,
    now: Millis,
) -> Result<Listed, StoreError> {
    let wanted = match which {
        Which::All => "?3 = ?3",
        Which::InProgress => "status = 'in_progress' AND ?3 = ?3",
        Which::Abandoned => "status = 'in_progress' AND lease_until <= ?3",
    };
    let sql = format!(
        "SELECT key, {RECEIPT} FROM idemcheck_receipts WHERE (?1 IS NULL OR key > ?1) AND {wanted} \
         ORDER BY key LIMIT ?2"
    );
    let receipts = rows(connection, &sql, params![after.map(Key::as_str), limit, now], |row| {
        let key: Value = row.get(0).map_err(fault)?;
        let Value::Text(key) = key else {
            return Err(StoreError::Refused("a receipt's key is no text".to_owned()));
        };
        Ok((Key::from_stored(key), receipt_from(row, 1)))
    })?;
    Ok(Listed { receipts, now })
}

fn sweep(connection: &Connection, beginning: &str, limit: u32, now: Millis) -> Result<u64, StoreError> {
    let sql = "DELETE FROM idemcheck_receipts WHERE rowid IN (SELECT rowid FROM idemcheck_receipts \
               WHERE expires_at <= ?1 AND substr(key, 1, length(?3)) = ?3 ORDER BY expires_at LIMIT ?2)";
    execute(connection, sql, params![now, limit, beginning]).map(|swept| swept as u64)
}

fn audited(connection: &Connection, limit: u32) -> Result<Vec<Audited>, StoreError> {
    let sql = "SELECT key, at, action, reason, said_by, before FROM idemcheck_audits \
               ORDER BY id DESC LIMIT ?1";
    rows(connection, sql, [limit], |row| {
        let read = || -> rusqlite::Result<Audited> {
            Ok(Audited {
                key: Key::from_stored(row.get(0)?),
                at: row.get(1)?,
                audit: Audit {
                    action: row.get(2)?,
                    reason: row.get(3)?,
                    by: row.get(4)?,
                    before: row.get(5)?,
                },
            })
        };
        read().map_err(fault)
    })
}

impl Store for Sqlite {
    fn read<'a>(&'a self, key: &'a Key) -> Answer<'a, Seen> {
        let key = key.clone();
        // The clock first: what is seen is then no older than the moment it is judged by.
        Box::pin(self.ask(move |connection| seen(connection, &key, Clock::System.now())))
    }

    fn swap<'a>(&'a self, wanted: &'a Swap) -> Answer<'a, Swapped> {
        Box::pin(async move {
            wanted.fits()?;
            // A receipt that is there already needs no turn among the writes.
            if wanted.expected == Expected::Absent && self.writing.load(Ordering::Relaxed) {
                let there = self.read(&wanted.key).await?;
                if there.receipt.is_some() {
                    return Ok(Swapped::Conflict(there));
                }
            }
            let wanted = wanted.clone();
            self.write(move |transaction, now| swap(transaction, &wanted, now)).await
        })
    }

    fn land<'a>(&'a self, call: &'a LedgerCall) -> Answer<'a, Landing> {
        Box::pin(async move {
            call.fits()?;
            let call = call.clone();
            self.write(move |transaction, now| land(transaction, &call, now)).await
        })
    }

    fn fence<'a>(&'a self, operation: &'a Key, token: u64) -> Answer<'a, ()> {
        Box::pin(async move {
            operation.fits()?;
            let (operation, token) = (operation.clone(), signed(token)?);
            self.write(move |transaction, _| raise_fence(transaction, &operation, token).map(Outcome::Commit))
                .await
        })
    }

    fn effects<'a>(&'a self, operation: &'a Key) -> Answer<'a, Vec<Effect>> {
        let operation = operation.clone();
        Box::pin(self.ask(move |connection| {
            let sql = format!("SELECT {EFFECT} FROM idemcheck_effects WHERE operation = ?1 ORDER BY number");
            rows(connection, &sql, [operation.as_str()], effect_from)
        }))
    }

    fn counted(&self) -> Answer<'_, u64> {
        Box::pin(self.ask(|connection| {
            let count = "SELECT count(*) FROM idemcheck_effects";
            let count: i64 = connection.query_row(count, [], |row| row.get(0)).map_err(fault)?;
            Ok(count.unsigned_abs())
        }))
    }

    fn list<'a>(&'a self, which: Which, after: Option<&'a Key>, limit: u32) -> Answer<'a, Listed> {
        let after = after.cloned();
        Box::pin(
            self.ask(move |connection| list(connection, which, after.as_ref(), limit, Clock::System.now())),
        )
    }

    fn sweep<'a>(&'a self, of: Option<&'a str>, limit: u32) -> Answer<'a, u64> {
        let beginning = of.map(Key::beginning).unwrap_or_default();
        Box::pin(
            self.write(move |transaction, now| {
                sweep(transaction, &beginning, limit, now).map(Outcome::Commit)
            }),
        )
    }

    fn audited(&self, limit: u32) -> Answer<'_, Vec<Audited>> {
        Box::pin(self.ask(move |connection| audited(connection, limit)))
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(self.write(|transaction, _| {
            let sql = "SELECT 1 FROM idemcheck_counters WHERE name = 'granted'";
            let found = rows(transaction, sql, [], |_| Ok(()))?.pop();
            found.map(Outcome::Leave).ok_or_else(|| StoreError::Refused("its tables are gone".to_owned()))
        }))
    }
}
