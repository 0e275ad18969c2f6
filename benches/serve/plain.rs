//! One plain statement of the same driver: what a claim is measured against.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

pub type Done<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// One plain statement that inserts a row if it is absent.
pub trait Plain: Send + Sync {
    fn insert<'a>(&'a self, key: &'a str) -> Done<'a>;
}

struct PlainPostgres(Vec<(tokio_postgres::Client, tokio_postgres::Statement)>, AtomicU64);

impl PlainPostgres {
    async fn open(url: &str) -> PlainPostgres {
        let mut clients = Vec::new();
        // As many connections as the store's pool has.
        for _ in 0..8 {
            let (client, connection) =
                tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("PostgreSQL");
            tokio::spawn(connection);
            if clients.is_empty() {
                let table = "CREATE TABLE IF NOT EXISTS plain_claims (key text PRIMARY KEY, body bytea)";
                client.batch_execute(table).await.expect("a table");
            }
            let text = "INSERT INTO plain_claims VALUES ($1, $2) ON CONFLICT DO NOTHING";
            let statement = client.prepare(text).await.expect("a statement");
            clients.push((client, statement));
        }
        PlainPostgres(clients, AtomicU64::new(0))
    }
}

impl Plain for PlainPostgres {
    fn insert<'a>(&'a self, key: &'a str) -> Done<'a> {
        Box::pin(async move {
            let turn = self.1.fetch_add(1, Ordering::Relaxed) as usize % self.0.len();
            let (client, statement) = &self.0[turn];
            client.execute(statement, &[&key, &b"claim".as_slice()]).await.expect("an insert");
        })
    }
}

struct PlainRedis(redis::aio::ConnectionManager);

impl Plain for PlainRedis {
    fn insert<'a>(&'a self, key: &'a str) -> Done<'a> {
        Box::pin(async move {
            let mut connection = self.0.clone();
            let mut command = redis::cmd("SET");
            command.arg(format!("plain:{key}")).arg("claim").arg("NX").arg("EX").arg(600);
            let _: Option<String> = command.query_async(&mut connection).await.expect("a SET");
        })
    }
}

struct PlainSqlite(Arc<std::sync::Mutex<rusqlite::Connection>>);

impl Plain for PlainSqlite {
    fn insert<'a>(&'a self, key: &'a str) -> Done<'a> {
        let (connection, key) = (self.0.clone(), key.to_owned());
        Box::pin(async move {
            let insert = move || {
                let connection = connection.lock().expect("the connection");
                let mut statement = connection
                    .prepare_cached("INSERT OR IGNORE INTO plain_claims VALUES (?1, ?2)")
                    .expect("a statement");
                statement.execute((&key, "claim")).expect("an insert");
            };
            tokio::task::spawn_blocking(insert).await.expect("a thread");
        })
    }
}

struct PlainMemory(Mutex<std::collections::BTreeMap<String, String>>);

impl Plain for PlainMemory {
    fn insert<'a>(&'a self, key: &'a str) -> Done<'a> {
        Box::pin(async move {
            self.0.lock().await.entry(key.to_owned()).or_insert_with(|| "claim".to_owned());
        })
    }
}

pub async fn open(name: &str, url: &str, folder: &Path) -> Arc<dyn Plain> {
    match name {
        "postgres" => Arc::new(PlainPostgres::open(url).await),
        "redis" => {
            let client = redis::Client::open(url).expect("an address");
            Arc::new(PlainRedis(redis::aio::ConnectionManager::new(client).await.expect("Redis")))
        }
        "sqlite" => {
            let connection = rusqlite::Connection::open(folder.join("plain.db")).expect("a file");
            let settings = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
                            CREATE TABLE plain_claims (key TEXT PRIMARY KEY, body TEXT)";
            connection.execute_batch(settings).expect("a table");
            Arc::new(PlainSqlite(Arc::new(std::sync::Mutex::new(connection))))
        }
        _ => Arc::new(PlainMemory(Mutex::default())),
    }
}
