//! Receipts in PostgreSQL, 12 or later.
//!
//! A look, and a write of a receipt alone, is one statement and one round trip. A write with an effect or
//! an audit is one transaction. Time is the server's clock.
//!
//! Every write of a key holds the key's advisory lock while it draws its number. Without it an insert
//! could draw a token, wait, and land after a later grant came and went, with the lower token.
//!
//! Isolation is READ COMMITTED, where a statement that waited for a row looks at it again. What a
//! statement shows of a key that it did not write is as old as its beginning; where that contradicts what
//! it did, the key is read afresh.
//!
//! What the server was told to promise, it promises: with asynchronous replicas a failover loses the last
//! writes, receipts as well as effects. `synchronous_commit = off` is the one setting that is overruled.
//! A pooler between must keep sessions together.

use std::future::Future;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use deadpool_postgres::{
    Client, GenericClient, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod,
    Runtime, TimeoutType,
};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{Config, Error, NoTls, Row as SqlRow};

use super::row::{AnswerRow, EFFECT, EffectRow, RECEIPT, Row, corrupt, signed};
use super::{
    Answer, Audit, Audited, Draft, Effect, Entry, Expected, Key, Landing, LedgerCall, Listed, Millis, Owner,
    Receipt, Seen, Stamp, Status, Store, StoreError, Swap, Swapped, Which, Write,
};

/// Connections that a store has open at the most.
pub const POOL_SIZE: usize = 16;
/// How long a call waits for a connection that others use.
pub const POOL_WAIT: Duration = Duration::from_secs(2);
/// How long one address may take to be connected to.
pub const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// How long it may take to have a new connection ready, over all addresses.
pub const READY_WAIT: Duration = Duration::from_secs(6);
/// When the server gives up a statement, or an open transaction that nothing more comes from.
pub const STATEMENT_WAIT: Duration = Duration::from_secs(4);
/// How long a caller waits for the answer to a statement. Longer than [`STATEMENT_WAIT`]: what its caller
/// gave up on does not land later.
pub const ANSWER_WAIT: Duration = Duration::from_secs(6);
/// How long all migrations may take, and the wait for those of another process.
pub const MIGRATION_WAIT: Duration = Duration::from_secs(60);
/// Receipts that one statement sweeps: each of them takes a place in the server's table of locks.
const SWEPT_AT_ONCE: u32 = 256;

/// Of the advisory lock under which the tables are brought up to date.
const MIGRATION_LOCK: i64 = 0x6964_656d_6368_6563;
/// Tells the advisory locks of keys from those of others, who may use the same numbers.
const KEY_SEED: i64 = 0x6964_656d;

/// The version of the tables below; migrations lead up to it one by one.
const VERSION: i64 = MIGRATIONS.len() as i64;
const MIGRATIONS: &[&str] = &[r#"
    CREATE TABLE idemcheck_receipts (
        key text COLLATE "C" PRIMARY KEY,
        status text NOT NULL,
        owner bytea NOT NULL,
        token bigint NOT NULL,
        revision bigint NOT NULL,
        fingerprint bytea NOT NULL,
        checkpoint text,
        answer_status bigint,
        answer_headers text,
        answer_body bytea,
        request bytea NOT NULL,
        lease_until bigint,
        expires_at bigint,
        claimed_at bigint NOT NULL
    );
    CREATE INDEX idemcheck_open ON idemcheck_receipts (key) WHERE status = 'in_progress';
    CREATE INDEX idemcheck_expiries ON idemcheck_receipts (expires_at) WHERE expires_at IS NOT NULL;
    CREATE SEQUENCE idemcheck_granted;
    CREATE TABLE idemcheck_operations (
        operation text COLLATE "C" PRIMARY KEY,
        fence bigint NOT NULL
    );
    CREATE SEQUENCE idemcheck_landed;
    CREATE TABLE idemcheck_effects (
        number bigint PRIMARY KEY,
        operation text COLLATE "C" NOT NULL,
        fingerprint bytea NOT NULL,
        token bigint NOT NULL,
        answer_status bigint NOT NULL,
        answer_headers text NOT NULL,
        answer_body bytea NOT NULL,
        landed_at bigint NOT NULL
    );
    CREATE INDEX idemcheck_effects_of ON idemcheck_effects (operation, number);
    CREATE TABLE idemcheck_natives (
        key text COLLATE "C" PRIMARY KEY,
        first_at bigint NOT NULL,
        effect bigint
    );
    CREATE TABLE idemcheck_audits (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        key text NOT NULL,
        at bigint NOT NULL,
        action text NOT NULL,
        reason text NOT NULL,
        said_by text NOT NULL,
        before text NOT NULL
    );
"#];

/// The statements that make the tables, as they are run.
pub fn tables() -> &'static [&'static str] {
    MIGRATIONS
}

/// When the statement arrived: no later than what it sees, so that nothing seen is judged too late. In double
/// precision, which is exact to the microsecond and a quarter of the cost of `extract`.
const NOW: &str = "floor(date_part('epoch', statement_timestamp()) * 1000)::bigint";
/// This moment, asked again after a wait for a row.
const CLOCK: &str = "floor(date_part('epoch', clock_timestamp()) * 1000)::bigint";

/// The statements that write a receipt: `$1` is its key.
struct Sql {
    read: String,
    put_absent: String,
    put_revision: String,
    put_anything: String,
    delete_revision: String,
    delete_anything: String,
}

static SQL: LazyLock<Sql> = LazyLock::new(|| {
    let lock = format!("pg_advisory_xact_lock(hashtextextended($1::text, {KEY_SEED}))");
    // Fences and subqueries, in this order: the lock, then the number.
    let granted = format!("(SELECT nextval('idemcheck_granted') AS n FROM {lock} OFFSET 0) AS granted");
    // A key that is seen there is a conflict, and costs no lock and no number.
    let granted_if_absent = format!(
        "(SELECT nextval('idemcheck_granted') AS n FROM (SELECT {lock} \
         WHERE NOT EXISTS (SELECT 1 FROM idemcheck_receipts WHERE key = $1) OFFSET 0) AS locked OFFSET 0) AS granted"
    );
    let values = format!(
        "$2::text, $3::bytea, coalesce($4::bigint, n), n, $5::bytea, $6::text, $7::bigint, $8::text, \
         $9::bytea, $10::bytea, coalesce($11::bigint, {NOW} + $12::bigint), \
         coalesce($13::bigint, {NOW} + $14::bigint), coalesce($15::bigint, {NOW})"
    );
    let insert = |granted: &str| {
        format!("INSERT INTO idemcheck_receipts (key, {RECEIPT}) SELECT $1, {values} FROM {granted}")
    };
    let excluded: Vec<String> = RECEIPT.split(", ").map(|column| format!("excluded.{column}")).collect();
    let excluded = excluded.join(", ");
    let alive = |revision: u8, alive: u8| {
        format!(
            "key = $1 AND revision = ${revision}::bigint \
             AND (NOT ${alive}::boolean OR expires_at IS NULL OR expires_at > {CLOCK})"
        )
    };
    // What is written, or else what is there.
    let whole = |done: &str| {
        format!(
            "WITH done AS ({done} RETURNING revision) \
             SELECT {NOW}, (SELECT revision FROM done), {RECEIPT} FROM (VALUES (1)) AS one \
             LEFT JOIN idemcheck_receipts ON key = $1 AND NOT EXISTS (SELECT 1 FROM done)"
        )
    };
    let locked = format!("(SELECT 1 FROM {lock} OFFSET 0) AS locked");
    Sql {
        read: format!(
            "SELECT {NOW}, NULL::bigint, {RECEIPT} FROM (VALUES (1)) AS one \
             LEFT JOIN idemcheck_receipts ON key = $1"
        ),
        put_absent: whole(&format!("{} ON CONFLICT (key) DO NOTHING", insert(&granted_if_absent))),
        put_anything: whole(&format!(
            "{} ON CONFLICT (key) DO UPDATE SET ({RECEIPT}) = ROW ({excluded})",
            insert(&granted)
        )),
        // Whoever holds a claim finds it as it was, so what is there instead is a question of its own.
        put_revision: format!(
            "UPDATE idemcheck_receipts SET ({RECEIPT}) = ROW ({values}) FROM {granted} WHERE {} \
             RETURNING {NOW}, revision",
            alive(16, 17)
        ),
        delete_revision: whole(&format!(
            "DELETE FROM idemcheck_receipts USING {locked} WHERE {}",
            alive(2, 3)
        )),
        delete_anything: whole(&format!("DELETE FROM idemcheck_receipts USING {locked} WHERE key = $1")),
    }
});

/// The store: a pool of connections.
pub struct Postgres {
    pool: Pool,
}

/// A write of a receipt alone.
enum Written {
    Done(Seen),
    Conflict(Seen),
}

/// Whether a transaction's writes stay.
enum Outcome<T> {
    Commit(T),
    Leave(T),
}

impl Postgres {
    /// Connects, and brings the tables up to date.
    ///
    /// # Errors
    /// The URL does not read, the server can't be reached or refuses, or its tables are of a later version.
    pub async fn open(url: &str) -> Result<Postgres, StoreError> {
        let mut config = Config::from_str(url).map_err(|error| StoreError::Refused(chain(&error)))?;
        config
            .connect_timeout(CONNECT_WAIT)
            .tcp_user_timeout(ANSWER_WAIT)
            .keepalives_idle(Duration::from_secs(30))
            // Of several hosts, the one that takes writes.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_application_name().is_none() {
            config.application_name("idemcheck");
        }
        let manager =
            Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(POOL_SIZE)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(POOL_WAIT))
            .create_timeout(Some(READY_WAIT))
            .post_create(Hook::async_fn(|client, _| {
                Box::pin(async move {
                    let ready = client.batch_execute(&SETTINGS);
                    match tokio::time::timeout(READY_WAIT, ready).await {
                        Ok(done) => done.map_err(HookError::Backend),
                        Err(_) => Err(HookError::message("no answer to the first settings")),
                    }
                })
            }))
            .build()
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        let store = Postgres { pool };
        let mut client = store.client().await?;
        let migrated = migrate(&mut client).await;
        store.over(client, migrated)?;
        Ok(store)
    }

    async fn client(&self) -> Result<Client, StoreError> {
        self.pool.get().await.map_err(|error| {
            let text = chain(&error);
            match error {
                PoolError::Timeout(TimeoutType::Wait) => StoreError::Unreachable(format!(
                    "all {POOL_SIZE} connections were at work for {} s",
                    POOL_WAIT.as_secs()
                )),
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                    match error.code().map(|code| &code.code()[..2]) {
                        // A wrong password, a database that does not exist.
                        Some("28" | "3D") => StoreError::Refused(text),
                        _ => StoreError::Unreachable(text),
                    }
                }
                _ => StoreError::Unreachable(text),
            }
        })
    }

    /// A connection that gave no answer is not used again.
    fn over<T>(&self, client: Client, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Unknown(_) | StoreError::Unreachable(_)) = &result {
            drop(Object::take(client));
        }
        result
    }

    async fn ask(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<SqlRow>, StoreError> {
        let client = self.client().await?;
        let answer = ask(&client, sql, params).await;
        self.over(client, answer)
    }
}

/// What every connection is told first.
static SETTINGS: LazyLock<String> = LazyLock::new(|| {
    let most = STATEMENT_WAIT.as_millis();
    format!(
        "SET statement_timeout = {most}; SET idle_in_transaction_session_timeout = {most}; \
         SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; \
         SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit') = 'off'"
    )
});

type Param<'a> = &'a (dyn ToSql + Sync);

/// One statement, prepared once for each connection.
async fn ask(
    client: &impl GenericClient,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Vec<SqlRow>, StoreError> {
    let statement = within(ANSWER_WAIT, client.prepare_cached(sql)).await?;
    within(ANSWER_WAIT, client.query(&statement, params)).await
}

async fn ask_one(client: &impl GenericClient, sql: &str, params: &[Param<'_>]) -> Result<SqlRow, StoreError> {
    let row = ask(client, sql, params).await?.pop();
    row.ok_or_else(|| StoreError::Refused("a statement that gives one row gave none".to_owned()))
}

async fn within<T>(most: Duration, asked: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(most, asked).await {
        Ok(answer) => answer.map_err(|error| fault(&error)),
        Err(_) => Err(StoreError::Unknown(format!("no answer within {} s", most.as_secs()))),
    }
}

fn fault(error: &Error) -> StoreError {
    let text = chain(error);
    let Some(code) = error.code() else {
        // Not the server's word: the connection is gone, or a value would not go into its type.
        let ours = std::error::Error::source(error).is_some_and(|cause| !cause.is::<std::io::Error>());
        return if ours && !error.is_closed() {
            StoreError::Refused(text)
        } else {
            StoreError::Unknown(text)
        };
    };
    match code.code() {
        // Serialization failure, deadlock, a lock that was not free, a statement that took too long: each of
        // them undoes the statement.
        "40001" | "40P01" | "55P03" | "57014" => StoreError::Aborted(text),
        // Nothing is taken here now: a standby, a start, too many connections.
        "25006" | "57P03" | "53300" => StoreError::Unreachable(text),
        // The session ends.
        "57P01" | "57P02" | "57P05" | "25P03" => StoreError::Unknown(text),
        code if code.starts_with("08") => StoreError::Unknown(text),
        _ => StoreError::Refused(text),
    }
}

/// An error with its causes; none of them says a password.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Brings the tables up to date under a lock: others wait, and find it done.
async fn migrate(client: &mut Client) -> Result<(), StoreError> {
    let transaction = within(ANSWER_WAIT, client.transaction()).await?;
    let wait = MIGRATION_WAIT.as_millis();
    let begin =
        format!("SET LOCAL statement_timeout = {wait}; SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
    within(MIGRATION_WAIT + ANSWER_WAIT, transaction.batch_execute(&begin)).await?;
    let sql = "SELECT current_setting('server_encoding'), to_regclass('idemcheck_schema') IS NOT NULL";
    let row = ask_one(&transaction, sql, &[]).await?;
    let encoding: String = column(&row, 0)?;
    if encoding != "UTF8" {
        return Err(StoreError::Refused(format!("the database's encoding is {encoding}; UTF8 is needed")));
    }
    if !column::<bool>(&row, 1)? {
        let sql = "CREATE TABLE idemcheck_schema (version bigint PRIMARY KEY)";
        within(ANSWER_WAIT, transaction.batch_execute(sql)).await?;
    }
    let sql = "SELECT coalesce(max(version), 0) FROM idemcheck_schema";
    let version: i64 = column(&ask_one(&transaction, sql, &[]).await?, 0)?;
    if version > VERSION {
        return Err(super::newer_schema(version, VERSION));
    }
    for (migration, version) in MIGRATIONS.iter().zip(1_i64..).filter(|(_, after)| *after > version) {
        within(MIGRATION_WAIT + ANSWER_WAIT, transaction.batch_execute(migration)).await?;
        ask(&transaction, "INSERT INTO idemcheck_schema VALUES ($1)", &[&version]).await?;
    }
    within(ANSWER_WAIT, transaction.commit()).await
}

/// A column; another type than it should have is a fault of what is stored.
fn column<'a, T: FromSql<'a>>(row: &'a SqlRow, at: usize) -> Result<T, StoreError> {
    row.try_get(at).map_err(|error| corrupt(chain(&error)))
}

fn answer_from(row: &SqlRow, at: usize) -> Result<AnswerRow, StoreError> {
    Ok(AnswerRow { status: column(row, at)?, headers: column(row, at + 1)?, body: column(row, at + 2)? })
}

/// The receipt whose columns begin at `at`, if there is one.
fn receipt_from(row: &SqlRow, at: usize) -> Result<Option<Receipt>, StoreError> {
    let Some(status) = column(row, at)? else { return Ok(None) };
    let row = Row {
        status,
        owner: column(row, at + 1)?,
        token: column(row, at + 2)?,
        revision: column(row, at + 3)?,
        fingerprint: column(row, at + 4)?,
        checkpoint: column(row, at + 5)?,
        answer: answer_from(row, at + 6)?,
        request: column(row, at + 9)?,
        lease_until: column(row, at + 10)?,
        expires_at: column(row, at + 11)?,
        claimed_at: column(row, at + 12)?,
    };
    row.receipt().map(Some)
}

fn effect_from(row: &SqlRow) -> Result<Effect, StoreError> {
    let row = EffectRow {
        number: column(row, 0)?,
        fingerprint: column(row, 1)?,
        token: column(row, 2)?,
        answer: answer_from(row, 3)?,
        at: column(row, 6)?,
    };
    row.effect()
}

async fn look(client: &impl GenericClient, key: &Key) -> Result<Seen, StoreError> {
    let row = ask_one(client, &SQL.read, &[&key.as_str()]).await?;
    Ok(Seen { now: column(&row, 0)?, receipt: receipt_from(&row, 2)? })
}

/// One statement that writes a receipt, if it is as expected.
async fn write(
    client: &impl GenericClient,
    key: &Key,
    expected: Expected,
    write: &Write,
) -> Result<Written, StoreError> {
    let name = key.as_str();
    let (revision, alive) = match expected {
        // A revision that no column holds is none that is there.
        Expected::Revision { revision, alive } => (i64::try_from(revision).unwrap_or(-1), alive),
        Expected::Absent | Expected::Anything => (0, false),
    };
    let row = match (write, expected) {
        (Write::Put(draft), _) => {
            let owner = draft.owner.as_bytes().as_slice();
            let token = draft.token.map(signed).transpose()?;
            let answer = AnswerRow::new(draft.response.as_ref());
            let (lease_at, lease_in) = draft.lease.halves();
            let (expiry_at, expiry_in) = draft.expiry.halves();
            let status = draft.status.name();
            let mut params: Vec<Param<'_>> = vec![
                &name,
                &status,
                &owner,
                &token,
                &draft.fingerprint,
                &draft.checkpoint,
                &answer.status,
                &answer.headers,
                &answer.body,
                &draft.request,
                &lease_at,
                &lease_in,
                &expiry_at,
                &expiry_in,
                &draft.claimed_at,
            ];
            match expected {
                Expected::Absent => ask_one(client, &SQL.put_absent, &params).await?,
                Expected::Anything => ask_one(client, &SQL.put_anything, &params).await?,
                Expected::Revision { .. } => {
                    params.extend([&revision as Param<'_>, &alive]);
                    match ask(client, &SQL.put_revision, &params).await?.pop() {
                        Some(row) => row,
                        None => return Ok(Written::Conflict(look(client, key).await?)),
                    }
                }
            }
        }
        (Write::Delete, Expected::Anything) => ask_one(client, &SQL.delete_anything, &[&name]).await?,
        (Write::Delete, Expected::Revision { .. }) => {
            ask_one(client, &SQL.delete_revision, &[&name, &revision, &alive]).await?
        }
        (Write::Delete, Expected::Absent) | (Write::Nothing, _) => {
            let seen = look(client, key).await?;
            let met = expected.met(seen.receipt.as_ref(), seen.now);
            return Ok(if met { Written::Done(seen) } else { Written::Conflict(seen) });
        }
    };
    let now: Millis = column(&row, 0)?;
    let written: Option<i64> = column(&row, 1)?;
    match (written, write) {
        (Some(granted), Write::Put(draft)) => {
            let granted = u64::try_from(granted).map_err(|_| corrupt(format!("a revision of {granted}")))?;
            return Ok(Written::Done(Seen { receipt: Some(draft.receipt(granted, now)), now }));
        }
        (Some(_), _) => return Ok(Written::Done(Seen { receipt: None, now })),
        (None, _) if expected == Expected::Anything => {
            return Ok(Written::Done(Seen { receipt: None, now }));
        }
        (None, _) => {}
    }
    let seen = Seen { receipt: receipt_from(&row, 2)?, now };
    // Nothing was written, and yet it seems to be as expected: this is older than what was met.
    let stale = expected.met(seen.receipt.as_ref(), now);
    Ok(Written::Conflict(if stale { look(client, key).await? } else { seen }))
}

/// What is done to a receipt in a transaction: the receipt stays as it was found until the end.
async fn write_held(
    transaction: &deadpool_postgres::Transaction<'_>,
    key: &Key,
    expected: Expected,
    wanted: &Write,
) -> Result<Written, StoreError> {
    match (wanted, expected) {
        (Write::Nothing, Expected::Revision { .. }) => {
            let sql = "SELECT 1 FROM idemcheck_receipts WHERE key = $1 FOR UPDATE";
            ask(transaction, sql, &[&key.as_str()]).await?;
            write(transaction, key, expected, wanted).await
        }
        (Write::Nothing | Write::Delete, Expected::Absent) => {
            // What is not there can't be locked; a row that comes and goes in between keeps others out.
            let place = Write::Put(Box::new(placeholder()));
            match write(transaction, key, expected, &place).await? {
                Written::Done(_) => write(transaction, key, Expected::Anything, &Write::Delete).await,
                conflict => Ok(conflict),
            }
        }
        _ => write(transaction, key, expected, wanted).await,
    }
}

fn placeholder() -> Draft {
    Draft {
        status: Status::InProgress,
        owner: Owner::from_bytes([0; 16]),
        token: None,
        fingerprint: Vec::new(),
        checkpoint: None,
        response: None,
        request: Vec::new(),
        lease: Stamp::Never,
        expiry: Stamp::Never,
        claimed_at: None,
        swept: false,
    }
}

/// Locks the operation until the end of the transaction: its fence.
async fn lock_operation(client: &impl GenericClient, operation: &Key) -> Result<i64, StoreError> {
    let sql = "INSERT INTO idemcheck_operations AS o (operation, fence) VALUES ($1, 0) \
               ON CONFLICT (operation) DO UPDATE SET fence = o.fence RETURNING fence";
    column(&ask_one(client, sql, &[&operation.as_str()]).await?, 0)
}

async fn raise_fence(client: &impl GenericClient, operation: &Key, token: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO idemcheck_operations AS o (operation, fence) VALUES ($1, $2) \
               ON CONFLICT (operation) DO UPDATE SET fence = greatest(o.fence, excluded.fence)";
    ask(client, sql, &[&operation.as_str(), &token]).await.map(drop)
}

/// Puts an effect into the ledger; its operation is locked.
async fn apply(client: &impl GenericClient, entry: &Entry) -> Result<Effect, StoreError> {
    let sql = format!("SELECT nextval('idemcheck_landed'), {NOW}");
    let row = ask_one(client, &sql, &[]).await?;
    let (number, now): (i64, Millis) = (column(&row, 0)?, column(&row, 1)?);
    let effect = entry.effect(u64::try_from(number).unwrap_or(0), now);
    let token = signed(effect.token)?;
    let answer = AnswerRow::new(Some(&effect.response));
    let sql = format!(
        "INSERT INTO idemcheck_effects (operation, {EFFECT}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
    );
    let params: [Param<'_>; 8] = [
        &entry.operation.as_str(),
        &number,
        &effect.fingerprint,
        &token,
        &answer.status,
        &answer.headers,
        &answer.body,
        &now,
    ];
    ask(client, &sql, &params).await?;
    Ok(effect)
}

/// A write with what belongs to it.
async fn swap_whole(
    transaction: &deadpool_postgres::Transaction<'_>,
    swap: &Swap,
) -> Result<Outcome<Swapped>, StoreError> {
    let mut effect = None;
    if let Some(entry) = &swap.effect {
        lock_operation(transaction, &entry.operation).await?;
        let sql = "SELECT count(*) FROM idemcheck_effects WHERE operation = $1";
        let count: i64 = column(&ask_one(transaction, sql, &[&entry.operation.as_str()]).await?, 0)?;
        let unchanged = swap.unchanged.is_none_or(|unchanged| u64::try_from(count) == Ok(unchanged));
        if unchanged {
            effect = Some(apply(transaction, entry).await?);
        }
    }
    let numbered = match (&swap.write, &effect) {
        (Write::Put(draft), Some(effect)) => Write::Put(Box::new(draft.numbered(effect.number))),
        _ => swap.write.clone(),
    };
    let seen = match write_held(transaction, &swap.key, swap.expected, &numbered).await? {
        Written::Done(seen) => seen,
        Written::Conflict(seen) => return Ok(Outcome::Leave(Swapped::Conflict(seen))),
    };
    if swap.effect.is_some() && effect.is_none() {
        return Ok(Outcome::Leave(Swapped::Changed));
    }
    if let Some(audit) = &swap.audit {
        let sql = "INSERT INTO idemcheck_audits (key, at, action, reason, said_by, before) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let params: [Param<'_>; 6] =
            [&swap.key.as_str(), &seen.now, &audit.action, &audit.reason, &audit.by, &audit.before];
        ask(transaction, sql, &params).await?;
    }
    Ok(Outcome::Commit(Swapped::Done { seen, effect }))
}

async fn land(
    transaction: &deadpool_postgres::Transaction<'_>,
    call: &LedgerCall,
) -> Result<Outcome<Landing>, StoreError> {
    let entry = &call.entry;
    let token = signed(entry.token)?;
    let fence = lock_operation(transaction, &entry.operation).await?;
    if call.fencing && token != 0 && token < fence {
        return Ok(Outcome::Leave(Landing::Refused));
    }
    if let Some(native) = &call.native {
        let sql = format!(
            "INSERT INTO idemcheck_natives AS n (key, first_at) VALUES ($1, 0) \
             ON CONFLICT (key) DO UPDATE SET first_at = n.first_at RETURNING first_at, effect, {NOW}"
        );
        let row = ask_one(transaction, &sql, &[&native.key.as_str()]).await?;
        let (first, number, now): (Millis, Option<i64>, Millis) =
            (column(&row, 0)?, column(&row, 1)?, column(&row, 2)?);
        if let Some(number) = number
            && native.remembers(first, now)
        {
            let sql = format!("SELECT {EFFECT} FROM idemcheck_effects WHERE number = $1");
            let rows = ask(transaction, &sql, &[&number]).await?;
            let row = rows.first().ok_or_else(|| corrupt(format!("no effect of the number {number}")))?;
            return Ok(Outcome::Leave(native.known(entry, effect_from(row)?)));
        }
    }
    let effect = apply(transaction, entry).await?;
    if call.fencing {
        raise_fence(transaction, &entry.operation, token).await?;
    }
    if let Some(native) = &call.native {
        let sql = "UPDATE idemcheck_natives SET first_at = $2, effect = $3 WHERE key = $1";
        let number = signed(effect.number)?;
        ask(transaction, sql, &[&native.key.as_str(), &effect.at, &number]).await?;
    }
    Ok(Outcome::Commit(Landing::Applied(effect)))
}

/// Ends a transaction. Whatever broke before its commit was sent, it was not done.
async fn ended<T>(
    transaction: deadpool_postgres::Transaction<'_>,
    outcome: Result<Outcome<T>, StoreError>,
) -> Result<T, StoreError> {
    match outcome {
        Ok(Outcome::Commit(value)) => within(ANSWER_WAIT, transaction.commit()).await.map(|()| value),
        Ok(Outcome::Leave(value)) => {
            within(ANSWER_WAIT, transaction.rollback()).await.map_err(undone).map(|()| value)
        }
        // Dropped, it is rolled back.
        Err(error) => Err(undone(error)),
    }
}

fn undone(error: StoreError) -> StoreError {
    match error {
        StoreError::Unknown(text) => StoreError::Unreachable(text),
        error => error,
    }
}

async fn list(store: &Postgres, which: Which, after: Option<&Key>, limit: u32) -> Result<Listed, StoreError> {
    let wanted = match which {
        Which::All => "true".to_owned(),
        Which::InProgress => "status = 'in_progress'".to_owned(),
        Which::Abandoned => format!("status = 'in_progress' AND lease_until <= {NOW}"),
    };
    let sql = format!(
        "SELECT {NOW}, key, {RECEIPT} FROM (VALUES (1)) AS one LEFT JOIN \
         (SELECT * FROM idemcheck_receipts WHERE ($1::text IS NULL OR key > $1) AND {wanted} \
         ORDER BY key LIMIT $2) AS page ON true ORDER BY key"
    );
    let rows = store.ask(&sql, &[&after.map(Key::as_str), &i64::from(limit)]).await?;
    let mut listed = Listed { receipts: Vec::with_capacity(rows.len()), now: 0 };
    for row in &rows {
        listed.now = column(row, 0)?;
        let Some(key) = column(row, 1)? else { continue };
        let receipt = match receipt_from(row, 2) {
            Ok(Some(receipt)) => Ok(receipt),
            Ok(None) => Err(corrupt("no status".to_owned())),
            Err(error) => Err(error),
        };
        listed.receipts.push((Key::from_stored(key), receipt));
    }
    Ok(listed)
}

/// In portions. What is being written, or has its key locked, is left for the next time.
async fn sweep(store: &Postgres, of: Option<&str>, limit: u32) -> Result<u64, StoreError> {
    let beginning = of.map(Key::beginning).unwrap_or_default();
    let sql = format!(
        "WITH due AS MATERIALIZED (SELECT key FROM idemcheck_receipts WHERE expires_at <= {NOW} \
         AND starts_with(key, $2) ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED), \
         free AS MATERIALIZED (SELECT key FROM due \
         WHERE pg_try_advisory_xact_lock(hashtextextended(key, {KEY_SEED}))) \
         DELETE FROM idemcheck_receipts r USING free WHERE r.key = free.key RETURNING 1"
    );
    let mut swept = 0;
    loop {
        let portion = SWEPT_AT_ONCE.min(limit - swept);
        let gone = store.ask(&sql, &[&i64::from(portion), &beginning]).await?.len();
        swept += u32::try_from(gone).unwrap_or(portion).min(portion);
        if swept >= limit || gone < portion as usize {
            return Ok(swept.into());
        }
    }
}

fn audit_from(row: &SqlRow) -> Result<Audited, StoreError> {
    Ok(Audited {
        key: Key::from_stored(column(row, 0)?),
        at: column(row, 1)?,
        audit: Audit {
            action: column(row, 2)?,
            reason: column(row, 3)?,
            by: column(row, 4)?,
            before: column(row, 5)?,
        },
    })
}

impl Store for Postgres {
    fn read<'a>(&'a self, key: &'a Key) -> Answer<'a, Seen> {
        Box::pin(async move {
            let client = self.client().await?;
            let seen = look(&client, key).await;
            self.over(client, seen)
        })
    }

    fn swap<'a>(&'a self, swap: &'a Swap) -> Answer<'a, Swapped> {
        Box::pin(async move {
            swap.fits()?;
            let mut client = self.client().await?;
            let swapped = if swap.effect.is_none() && swap.audit.is_none() {
                let written = write(&client, &swap.key, swap.expected, &swap.write).await;
                written.map(|written| match written {
                    Written::Done(seen) => Swapped::Done { seen, effect: None },
                    Written::Conflict(seen) => Swapped::Conflict(seen),
                })
            } else {
                match within(ANSWER_WAIT, client.transaction()).await {
                    Ok(transaction) => {
                        let outcome = swap_whole(&transaction, swap).await;
                        ended(transaction, outcome).await
                    }
                    Err(error) => Err(undone(error)),
                }
            };
            self.over(client, swapped)
        })
    }

    fn land<'a>(&'a self, call: &'a LedgerCall) -> Answer<'a, Landing> {
        Box::pin(async move {
            call.fits()?;
            let mut client = self.client().await?;
            let landed = match within(ANSWER_WAIT, client.transaction()).await {
                Ok(transaction) => {
                    let outcome = land(&transaction, call).await;
                    ended(transaction, outcome).await
                }
                Err(error) => Err(undone(error)),
            };
            self.over(client, landed)
        })
    }

    fn fence<'a>(&'a self, operation: &'a Key, token: u64) -> Answer<'a, ()> {
        Box::pin(async move {
            operation.fits()?;
            let token = signed(token)?;
            let client = self.client().await?;
            let raised = raise_fence(&client, operation, token).await;
            self.over(client, raised)
        })
    }

    fn effects<'a>(&'a self, operation: &'a Key) -> Answer<'a, Vec<Effect>> {
        Box::pin(async move {
            let sql = format!("SELECT {EFFECT} FROM idemcheck_effects WHERE operation = $1 ORDER BY number");
            self.ask(&sql, &[&operation.as_str()]).await?.iter().map(effect_from).collect()
        })
    }

    fn counted(&self) -> Answer<'_, u64> {
        Box::pin(async move {
            let rows = self.ask("SELECT count(*) FROM idemcheck_effects", &[]).await?;
            let count = rows.first().and_then(|row| row.try_get::<_, i64>(0).ok());
            Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
        })
    }

    fn list<'a>(&'a self, which: Which, after: Option<&'a Key>, limit: u32) -> Answer<'a, Listed> {
        Box::pin(list(self, which, after, limit))
    }

    fn sweep<'a>(&'a self, of: Option<&'a str>, limit: u32) -> Answer<'a, u64> {
        Box::pin(sweep(self, of, limit))
    }

    fn audited(&self, limit: u32) -> Answer<'_, Vec<Audited>> {
        Box::pin(async move {
            let sql = "SELECT key, at, action, reason, said_by, before FROM idemcheck_audits \
                       ORDER BY id DESC LIMIT $1";
            self.ask(sql, &[&i64::from(limit)]).await?.iter().map(audit_from).collect()
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let sql = "SELECT current_setting('transaction_read_only') FROM idemcheck_schema LIMIT 1";
            let rows = self.ask(sql, &[]).await?;
            match rows.first().map(|row| column::<String>(row, 0)).transpose()?.as_deref() {
                Some("off") => Ok(()),
                Some(_) => Err(StoreError::Unreachable("the server takes no writes".to_owned())),
                None => Err(StoreError::Refused("its tables are gone".to_owned())),
            }
        })
    }
}
