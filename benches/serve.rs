//! What a claim costs: a new key, a replay and a conflict on each store, against one plain statement of the
//! same driver, in turns of one run. Latencies at one client, and rates at 32.
//!
//! `cargo bench --bench serve`; PostgreSQL and Redis where IDEMCHECK_TEST_POSTGRES and IDEMCHECK_TEST_REDIS are.

use std::future::Future;
use std::hint::black_box;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use idemcheck::policy;
use idemcheck::serve::downstream::{Downstream, Found, Heard, Outgoing, Reply};
use idemcheck::serve::front::Front;
use idemcheck::serve::machine::{Asked, Bounds, Machine, Parts, Said};
use idemcheck::serve::proxy::Proxy;
use idemcheck::serve::request::Request;
use idemcheck::serve::server::{Limits, Server};
use idemcheck::serve::watch::Watch;
use idemcheck::store::{Key, Response, url};
use tokio::sync::Mutex;

/// Turns of each kind, and operations of one turn.
const TURNS: usize = 30;
const OPERATIONS: usize = 100;

/// A service that answers at once, so that only the store is measured.
struct AtOnce;

impl Downstream for AtOnce {
    fn call<'a>(&'a self, call: &'a Outgoing) -> Reply<'a, Heard> {
        // A conflict needs somebody who is at it.
        let waits = call.request.target == "/slow";
        Box::pin(async move {
            if waits {
                std::future::pending::<()>().await;
            }
            Heard::Ok(Response { status: 201, headers: Vec::new(), body: b"{\"paid\":true}".to_vec() })
        })
    }

    fn query<'a>(&'a self, _: &'a Outgoing) -> Reply<'a, Found> {
        Box::pin(async { Found::Unknown })
    }
}

type Done<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// One plain statement that inserts a row if it is absent.
trait Plain: Send + Sync {
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

async fn plain(name: &str, url: &str, folder: &Path) -> Arc<dyn Plain> {
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

/// Times of many operations.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn at(&mut self, share: f64) -> f64 {
        self.0.sort();
        let place = ((self.0.len() as f64 - 1.0) * share).round() as usize;
        self.0[place].as_secs_f64() * 1e6
    }
}

struct Bench {
    machine: Arc<Machine>,
    plain: Arc<dyn Plain>,
    run: String,
    count: AtomicU64,
}

impl Bench {
    fn fresh(&self) -> String {
        format!("{}-{}", self.run, self.count.fetch_add(1, Ordering::Relaxed))
    }

    async fn attempt(&self, key: &str, target: &str) -> Said {
        let request = Request { method: "POST".to_owned(), target: target.to_owned(), ..Request::default() };
        let asked = Asked {
            key: Key::new(&[self.machine.policy().name.as_str(), key]),
            fingerprint: vec![7; 32],
            request,
            correlation: String::new(),
        };
        self.machine.attempt(&asked).await
    }

    async fn one(self: &Arc<Bench>, case: &str, known: &str) {
        match case {
            "plain, new key" => self.plain.insert(&self.fresh()).await,
            "plain, known key" => self.plain.insert(known).await,
            "new key" => _ = black_box(self.attempt(&self.fresh(), "/").await),
            _ => _ = black_box(self.attempt(known, "/").await),
        }
    }

    /// Operations a second at 32 clients.
    async fn rate(self: &Arc<Bench>, case: &'static str, known: &str) -> f64 {
        const CLIENTS: usize = 32;
        const EACH: usize = 60;
        let began = Instant::now();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (bench, known) = (self.clone(), known.to_owned());
                tokio::spawn(async move {
                    for _ in 0..EACH {
                        bench.one(case, &known).await;
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.expect("a client");
        }
        (CLIENTS * EACH) as f64 / began.elapsed().as_secs_f64()
    }
}

async fn measure(name: &str, address: &str, folder: &Path) {
    let loaded = policy::load(&["policies/write-path/atomic-receipt.toml".into()], None);
    let source = loaded.policies.first().expect("the policy reads");
    let parts = Parts {
        store: url::open(address).await.expect("the store"),
        downstream: Arc::new(AtOnce),
        watch: Arc::new(Watch::new("bench")),
        pauses: Default::default(),
        bounds: Bounds { attempt: Duration::from_secs(600), calls: 4096, retry: Default::default() },
        keeps_requests: true,
    };
    let machine = Arc::new(Machine::new(&source.policy, &source.protocol, parts).expect("it runs"));
    let run = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_nanos();
    let plain = plain(name, address, folder).await;
    let bench = Arc::new(Bench { machine, plain, run: run.to_string(), count: AtomicU64::new(0) });
    let (replayed, held) = (bench.fresh(), bench.fresh());
    bench.attempt(&replayed, "/").await;
    bench.plain.insert(&replayed).await;
    let holder = bench.clone();
    let holding = held.clone();
    let holder = tokio::spawn(async move { holder.attempt(&holding, "/slow").await });
    tokio::time::sleep(Duration::from_millis(100)).await;

    let cases: [(&'static str, &str); 5] = [
        ("plain, new key", ""),
        ("plain, known key", &replayed),
        ("new key", ""),
        ("replay", &replayed),
        ("conflict", &held),
    ];
    let mut times: [Times; 5] = Default::default();
    for _ in 0..TURNS {
        for ((case, known), times) in cases.iter().zip(&mut times) {
            for _ in 0..OPERATIONS {
                let began = Instant::now();
                bench.one(case, known).await;
                times.0.push(began.elapsed());
            }
        }
    }
    let (new, known) = (times[0].at(0.5), times[1].at(0.5));
    for ((case, key), times) in cases.iter().zip(&mut times) {
        let rate = bench.rate(case, key).await;
        let ratio = match *case {
            "new key" => format!("{:.2} of two plain statements", times.at(0.5) / (2.0 * new)),
            "replay" | "conflict" => format!("{:.2} of one plain statement", times.at(0.5) / known),
            _ => String::new(),
        };
        let (middle, high) = (times.at(0.5), times.at(0.99));
        println!("{name:<9} {case:<17} p50 {middle:>8.1} µs  p99 {high:>9.1} µs  {rate:>9.0} /s  {ratio}");
    }
    holder.abort();
}

/// What the process holds, in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.split_whitespace().next().and_then(|number| number.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// A million keys that expire: memory must not grow with their number.
async fn flat() {
    let text = std::fs::read_to_string("policies/write-path/atomic-receipt.toml").expect("the policy");
    let ttl = text.lines().find(|line| line.starts_with("ttl ")).expect("a TTL").to_owned();
    let text = text.replace(&ttl, "ttl = \"2s\"");
    let model = std::fs::read_to_string("models/atomic-receipt.toml").expect("the model");
    let loaded =
        policy::load_texts(("policy.toml".as_ref(), &text), ("models/atomic-receipt.toml".as_ref(), &model));
    let source = loaded.policies.first().expect("the policy reads");
    let parts = Parts {
        store: url::open("memory:").await.expect("the store"),
        downstream: Arc::new(AtOnce),
        watch: Arc::new(Watch::new("bench")),
        pauses: Default::default(),
        bounds: Bounds { attempt: Duration::from_secs(600), calls: 4096, retry: Default::default() },
        keeps_requests: true,
    };
    let machine = Machine::new(&source.policy, &source.protocol, parts).expect("it runs");
    let began = Instant::now();
    for number in 1..=1_000_000u32 {
        let asked = Asked {
            key: Key::new(&["flat", &number.to_string()]),
            fingerprint: vec![7; 32],
            request: Request { method: "POST".to_owned(), target: "/".to_owned(), ..Request::default() },
            correlation: String::new(),
        };
        black_box(machine.attempt(&asked).await);
        if number.is_power_of_two() && number > 60_000 || number == 1_000_000 {
            let seconds = began.elapsed().as_secs_f64();
            println!(
                "memory    {number:>9} keys, TTL 2 s: {:>6.1} MiB resident after {seconds:.1} s",
                resident()
            );
        }
    }
}

/// A service that answers every request with a few bytes.
async fn upstream() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let service =
                    hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                        use http_body_util::BodyExt;
                        let _ = request.into_body().collect().await;
                        let body = http_body_util::Full::new(bytes::Bytes::from_static(b"{\"paid\":true}"));
                        Ok::<_, std::convert::Infallible>(http::Response::new(body))
                    });
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
            });
        }
    });
    address
}

/// Over HTTP: the bare service, and the same behind the gateway.
async fn gateway(name: &str, address: &str) {
    let loaded = policy::load(&["policies/write-path/atomic-receipt.toml".into()], None);
    let source = loaded.policies.first().expect("the policy reads");
    let service = upstream().await;
    let limits = Limits::default();
    let proxy =
        Proxy::new(&format!("http://{service}"), None, &source.policy, limits.response).expect("an address");
    let proxy = Arc::new(proxy);
    let parts = Parts {
        store: url::open(address).await.expect("the store"),
        downstream: proxy.clone(),
        watch: Arc::new(Watch::new("bench")),
        pauses: Default::default(),
        bounds: Bounds {
            attempt: limits.attempt_time,
            calls: 2 * limits.attempts,
            retry: Default::default(),
        },
        keeps_requests: true,
    };
    let machine = Arc::new(Machine::new(&source.policy, &source.protocol, parts).expect("it runs"));
    let front = Front::new(machine).expect("its fields have places");
    let server = Arc::new(Server::new(front, Some(proxy), limits, true));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let front_address = listener.local_addr().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(listener, None, async { _ = stopped.await }));
    let mut connector = hyper_util::client::legacy::connect::HttpConnector::new();
    connector.set_nodelay(true);
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build::<_, http_body_util::Full<bytes::Bytes>>(connector);
    let run = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_nanos();
    let count = AtomicU64::new(0);
    let ask = |case: &'static str| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let (to, key) = match case {
            "bare service" => (service, String::new()),
            "gateway, replay" => (front_address, format!("{run}-known")),
            _ => (front_address, format!("{run}-{number}")),
        };
        let request = http::Request::post(format!("http://{to}/pay"))
            .header("Idempotency-Key", key)
            .body(http_body_util::Full::new(bytes::Bytes::from_static(b"{}")))
            .expect("a request");
        let client = client.clone();
        async move {
            use http_body_util::BodyExt;
            let response = client.request(request).await.expect("an answer");
            assert!(response.status().is_success(), "{}", response.status());
            black_box(response.into_body().collect().await.expect("a body"));
        }
    };
    let cases = ["bare service", "gateway, new key", "gateway, replay"];
    let mut times: [Times; 3] = Default::default();
    for _ in 0..TURNS {
        for (case, times) in cases.into_iter().zip(&mut times) {
            for _ in 0..OPERATIONS {
                let began = Instant::now();
                ask(case).await;
                times.0.push(began.elapsed());
            }
        }
    }
    let bare = times[0].at(0.5);
    for (case, times) in cases.into_iter().zip(&mut times) {
        const CLIENTS: usize = 32;
        let began = Instant::now();
        let all = futures_util::future::join_all((0..CLIENTS).map(|_| async {
            for _ in 0..60 {
                ask(case).await;
            }
        }));
        all.await;
        let rate = (CLIENTS * 60) as f64 / began.elapsed().as_secs_f64();
        let (middle, high) = (times.at(0.5), times.at(0.99));
        let ratio = if case == "bare service" {
            String::new()
        } else {
            format!("{:.2} of the bare service", middle / bare)
        };
        println!("{name:<9} {case:<17} p50 {middle:>8.1} µs  p99 {high:>9.1} µs  {rate:>9.0} /s  {ratio}");
    }
    let _ = stop.send(());
    let _ = running.await;
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let mut stores = vec![
        ("memory", "memory:".to_owned()),
        ("sqlite", format!("sqlite:{}", folder.path().join("receipts.db").display())),
    ];
    for (name, variable) in [("postgres", "IDEMCHECK_TEST_POSTGRES"), ("redis", "IDEMCHECK_TEST_REDIS")] {
        match std::env::var(variable) {
            Ok(address) => stores.push((name, address)),
            Err(_) => eprintln!("not measured on {name}: {variable} is not set"),
        }
    }
    runtime.block_on(flat());
    for (name, address) in stores {
        runtime.block_on(measure(name, &address, folder.path()));
        runtime.block_on(gateway(name, &address));
    }
}
