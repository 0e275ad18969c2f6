//! A store of each kind for one test alone, and what only a test may do to it.

use std::env;
use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use idemcheck::store::memory::{Clock, Memory};
use idemcheck::store::postgres::Postgres;
use idemcheck::store::redis::Redis;
use idemcheck::store::sqlite::Sqlite;
use idemcheck::store::{Key, Millis, SharedStore};
use tokio_postgres::NoTls;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Memory,
    Sqlite,
    Postgres,
    Redis,
    #[cfg(feature = "dynamodb")]
    DynamoDb,
}

/// A test for each kind of store: a module of each name with one test per function.
macro_rules! on_each_store {
    ($($case:ident),+ $(,)?) => {
        $crate::place::on_each_store!(@ memory Memory $($case)+);
        $crate::place::on_each_store!(@ sqlite Sqlite $($case)+);
        $crate::place::on_each_store!(@ postgres Postgres $($case)+);
        $crate::place::on_each_store!(@ redis Redis $($case)+);
        #[cfg(feature = "dynamodb")]
        $crate::place::on_each_store!(@ dynamodb DynamoDb $($case)+);
    };
    (@ $module:ident $kind:ident $($case:ident)+) => {
        mod $module {
            $(
                #[test]
                fn $case() {
                    $crate::place::on($crate::place::Kind::$kind, super::$case);
                }
            )+
        }
    };
}
pub(crate) use on_each_store;

/// A store's database.
pub struct Place {
    pub kind: Kind,
    /// One handle; [`Place::another`] gives more.
    pub store: SharedStore,
    clock: Arc<AtomicI64>,
    folder: tempfile::TempDir,
    /// Of the schema, the prefix, or the table.
    pub name: String,
}

static PLACES: AtomicU32 = AtomicU32::new(0);

fn now() -> Millis {
    Clock::System.now()
}

/// The URL of a server, if the test is to use it.
pub fn server(kind: Kind) -> Option<String> {
    let name = match kind {
        Kind::Postgres => "IDEMCHECK_TEST_POSTGRES",
        Kind::Redis => "IDEMCHECK_TEST_REDIS",
        #[cfg(feature = "dynamodb")]
        Kind::DynamoDb => "IDEMCHECK_TEST_DYNAMODB",
        Kind::Memory | Kind::Sqlite => return Some(String::new()),
    };
    let url = env::var(name).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        assert!(env::var("IDEMCHECK_TEST_SERVERS").as_deref() != Ok("required"), "{name} is not set");
        // Past the test harness, which would keep it to itself.
        let _ = writeln!(std::io::stderr(), "NOT RUN: {name} is not set");
    }
    url
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs a test on a new place of this kind.
pub fn on<F: Future<Output = ()>>(kind: Kind, test: impl FnOnce(Arc<Place>) -> F) {
    if server(kind).is_none() {
        return;
    }
    runtime().block_on(async {
        let place = Arc::new(Place::new(kind).await);
        test(place.clone()).await;
        place.clear().await;
    });
}

impl Place {
    pub async fn new(kind: Kind) -> Place {
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", process::id());
        let clock = Arc::new(AtomicI64::new(now()));
        let folder = tempfile::tempdir().unwrap();
        if kind == Kind::Postgres {
            admin().await.batch_execute(&format!("CREATE SCHEMA {name}")).await.unwrap();
        }
        let store: SharedStore =
            Arc::new(Memory::<std::sync::Mutex<_>>::with_clock(Clock::Manual(clock.clone())));
        let mut place = Place { kind, store, clock, folder, name };
        place.store = place.another().await;
        place
    }

    /// Another handle on the same database, with connections of its own.
    pub async fn another(&self) -> SharedStore {
        match self.kind {
            Kind::Memory => self.store.clone(),
            Kind::Sqlite => Arc::new(Sqlite::open(&self.file()).await.unwrap()),
            Kind::Postgres => Arc::new(Postgres::open(&self.url()).await.unwrap()),
            Kind::Redis => {
                Arc::new(Redis::with_prefix(&server(Kind::Redis).unwrap(), &self.prefix()).await.unwrap())
            }
            #[cfg(feature = "dynamodb")]
            Kind::DynamoDb => idemcheck::store::url::open(&self.table_url()).await.unwrap(),
        }
    }

    pub fn file(&self) -> std::path::PathBuf {
        Path::new(self.folder.path()).join("receipts.db")
    }

    /// Of PostgreSQL, with a schema of its own.
    pub fn url(&self) -> String {
        let url = server(Kind::Postgres).unwrap();
        let mark = if url.contains('?') { '&' } else { '?' };
        format!("{url}{mark}options=-csearch_path%3D{}", self.name)
    }

    pub fn prefix(&self) -> String {
        format!("{}:", self.name)
    }

    pub async fn clear(&self) {
        match self.kind {
            Kind::Memory | Kind::Sqlite => {}
            Kind::Postgres => {
                let sql = format!("DROP SCHEMA {} CASCADE", self.name);
                admin().await.batch_execute(&sql).await.unwrap();
            }
            Kind::Redis => {
                let script = "for _, name in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
                        redis.call('DEL', name) end";
                self.script(script, &[]).await;
            }
            #[cfg(feature = "dynamodb")]
            Kind::DynamoDb => self.drop_table().await,
        }
    }

    /// Time passes, for all that is stored: its deadlines move back.
    pub async fn pass(&self, time: Millis) {
        match self.kind {
            Kind::Memory => drop(self.clock.fetch_add(time, Ordering::SeqCst)),
            Kind::Sqlite => {
                let connection = rusqlite::Connection::open(self.file()).unwrap();
                connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
                connection.execute_batch(&earlier(time)).unwrap();
            }
            Kind::Postgres => self.sql(&earlier(time)).await,
            Kind::Redis => {
                let script = "
                    for _, name in ipairs(redis.call('KEYS', ARGV[1] .. 'receipt:*')) do
                        local value = redis.call('GET', name)
                        for _, from in ipairs({43, 63, 83}) do
                            local at = tonumber(string.sub(value, from + 1, from + 20))
                            if at then
                                redis.call('SETRANGE', name, from, string.format('%20.0f', at - ARGV[2]))
                            end
                        end
                    end
                    for _, index in ipairs({'expiries', 'sweepable'}) do
                        local keys = redis.call('ZRANGE', ARGV[1] .. index, 0, -1)
                        for _, key in ipairs(keys) do
                            local at = redis.call('ZINCRBY', ARGV[1] .. index, -ARGV[2], key)
                            if index == 'expiries' then
                                at = string.format('%.0f', tonumber(at))
                                redis.call('PEXPIREAT', ARGV[1] .. 'receipt:' .. key, at)
                            end
                        end
                    end
                    for _, name in ipairs(redis.call('KEYS', ARGV[1] .. 'native:*')) do
                        redis.call('HINCRBY', name, 'first', -ARGV[2])
                    end";
                self.script(script, &[&time.to_string()]).await;
            }
            #[cfg(feature = "dynamodb")]
            Kind::DynamoDb => {
                self.shift(&["lease_until", "expires_at", "claimed_at", "first_at"], -time).await;
            }
        }
    }

    /// Every receipt gets another revision: what moved its deadlines was no write, and who knows a receipt by
    /// its revision would put the old ones back. In memory it is the clock that moved.
    pub async fn renumber(&self) {
        let sql = "UPDATE idemcheck_receipts SET revision = revision + 1000000000000";
        match self.kind {
            Kind::Memory => {}
            Kind::Sqlite => {
                let connection = rusqlite::Connection::open(self.file()).unwrap();
                connection.execute_batch(sql).unwrap();
            }
            Kind::Postgres => self.sql(sql).await,
            Kind::Redis => {
                let script = "for _, name in ipairs(redis.call('KEYS', ARGV[1] .. 'receipt:*')) do
                        local at = redis.call('GETRANGE', name, 23, 42) + 1000000000000
                        redis.call('SETRANGE', name, 23, string.format('%20.0f', at)) end";
                self.script(script, &[]).await;
            }
            #[cfg(feature = "dynamodb")]
            Kind::DynamoDb => self.shift(&["revision"], 1_000_000_000_000).await,
        }
    }

    /// Spoils the stored receipt of a key by the back door. Not for memory, which has none.
    pub async fn spoil(&self, key: &Key) {
        match self.kind {
            Kind::Memory => unreachable!("memory has no back door"),
            Kind::Sqlite => {
                let connection = rusqlite::Connection::open(self.file()).unwrap();
                let sql = "UPDATE idemcheck_receipts SET owner = x'00' WHERE key = ?1";
                assert_eq!(connection.execute(sql, [key.as_str()]).unwrap(), 1);
            }
            Kind::Postgres => {
                let client = connect(&self.url()).await;
                let sql = "UPDATE idemcheck_receipts SET owner = '\\x00' WHERE key = $1";
                assert_eq!(client.execute(sql, &[&key.as_str()]).await.unwrap(), 1);
            }
            Kind::Redis => {
                // More of a payload than there is.
                let script = "return redis.call('SETRANGE', ARGV[1] .. 'receipt:' .. ARGV[2], 125, '\\255')";
                self.script(script, &[key.as_str()]).await;
            }
            #[cfg(feature = "dynamodb")]
            Kind::DynamoDb => self.break_owner(key).await,
        }
    }

    /// Lists go by the keys.
    pub fn is_sorted(&self) -> bool {
        #[cfg(feature = "dynamodb")]
        return self.kind != Kind::DynamoDb;
        #[cfg(not(feature = "dynamodb"))]
        true
    }

    /// Bytes of a body that are a lot for this store.
    pub fn large(&self) -> u32 {
        if self.store.room() < 4 << 20 { 150 << 10 } else { 1 << 20 }
    }

    /// Statements on PostgreSQL.
    pub async fn sql(&self, sql: &str) {
        connect(&self.url()).await.batch_execute(sql).await.unwrap();
    }

    /// A script on Redis; the prefix is its first argument.
    pub async fn script(&self, script: &str, args: &[&str]) -> redis::Value {
        let client = redis::Client::open(server(Kind::Redis).unwrap()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let script = redis::Script::new(script);
        let mut call = script.prepare_invoke();
        call.arg(self.prefix());
        for arg in args {
            call.arg(*arg);
        }
        call.invoke_async(&mut connection).await.unwrap()
    }
}

fn earlier(time: Millis) -> String {
    format!(
        "UPDATE idemcheck_receipts SET lease_until = lease_until - {time}, \
             expires_at = expires_at - {time}, claimed_at = claimed_at - {time}; \
         UPDATE idemcheck_natives SET first_at = first_at - {time};"
    )
}

/// A connection of the test's own.
pub async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub async fn admin() -> tokio_postgres::Client {
    connect(&server(Kind::Postgres).unwrap()).await
}
