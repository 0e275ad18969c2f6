//! A server under test, and the least of a client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A process that is ended with the test.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// What it wrote to stderr so far.
    pub log: Arc<Mutex<String>>,
}

pub fn policy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/policies").join(format!("{name}.toml"))
}

/// The policy for a store that has no clock of its own.
fn timed_by_workers(policy: &Path) -> PathBuf {
    let text = std::fs::read_to_string(policy).unwrap();
    let name = policy.file_stem().unwrap().to_str().unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.toml", fresh(name)));
    std::fs::write(&path, text.replace("[store]\n", "[store]\nclock = \"client\"\n")).unwrap();
    path
}

impl Server {
    pub fn start(policy: &Path, arguments: &[&str]) -> Server {
        let no_clock = arguments.iter().any(|argument| argument.starts_with("dynamodb:"));
        let policy = if no_clock { timed_by_workers(policy) } else { policy.to_owned() };
        let mut child = Command::new(env!("CARGO_BIN_EXE_idemcheck"))
            .arg("serve")
            .arg(policy)
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut first).unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let to = log.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                to.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let address = first.trim().rsplit("http://").next().and_then(|address| address.parse().ok());
        let Some(address) = address else {
            let _ = child.wait();
            std::thread::sleep(Duration::from_millis(100));
            panic!("the server did not start: {first}{}", log.lock().unwrap());
        };
        Server { child, address, log }
    }

    /// As `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        let done = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
        self.child.wait().unwrap()
    }

    pub fn logged(&self, text: &str) -> bool {
        self.log.lock().unwrap().contains(text)
    }

    /// Waits until the log has a text.
    pub fn until_logged(&self, text: &str) {
        until(&format!("`{text}` in the log"), || self.logged(text));
    }

    pub fn post(&self, key: &str, body: &str) -> Reply {
        self.send("POST", "/pay", &[("Idempotency-Key", key), ("X-Tenant", "acme")], body)
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        request(self.address, method, path, headers, body).expect("an answer")
    }

    /// Effects under a key.
    pub fn effects(&self, key: &str) -> u64 {
        let reply = self.send("GET", "/ledger", &[("Idempotency-Key", key), ("X-Tenant", "acme")], "");
        assert_eq!(reply.status, 200, "{reply:?}");
        let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        json["effects"].as_u64().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log.lock().unwrap());
        }
    }
}

/// Waits for something that comes soon.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "still waiting for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The problem's name.
    pub fn problem(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let kind = json["type"].as_str().unwrap_or_default();
        kind.rsplit(':').next().unwrap_or_default().to_owned()
    }

    pub fn replayed(&self) -> bool {
        self.header("Idempotent-Replayed") == Some("true")
    }
}

/// One request over a connection of its own; none where the connection broke.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Reply> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    raw(address, text.as_bytes())
}

/// A POST whose answer is not waited for.
pub fn brief_request(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Option<Reply> {
    let mut text = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    brief(address, format!("{text}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
}

/// Bytes as they are, and the one answer to them.
pub fn raw(address: SocketAddr, bytes: &[u8]) -> Option<Reply> {
    exchange(address, bytes, Duration::from_secs(20))
}

/// The same with little patience: what is not answered soon waits for more bytes.
pub fn brief(address: SocketAddr, bytes: &[u8]) -> Option<Reply> {
    exchange(address, bytes, Duration::from_millis(30))
}

fn exchange(address: SocketAddr, bytes: &[u8], patience: Duration) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(patience)).unwrap();
    // A server that refuses early may close before all is written.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    parse(&answer)
}

fn parse(answer: &[u8]) -> Option<Reply> {
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Some(Reply { status, headers, body: answer[end + 4..].to_vec() })
}

/// The stores that a process can come back to: SQLite in a folder, and PostgreSQL, Redis and DynamoDB where they
/// are; only the one that IDEMCHECK_TEST_STORES names, where it names one.
/// Each test has a database of its own: servers take up what they find half-finished.
pub fn durable(folder: &Path) -> Vec<(&'static str, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let only = std::env::var("IDEMCHECK_TEST_STORES").ok();
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let mut out = Vec::new();
    if wanted("sqlite") {
        out.push(("sqlite", format!("sqlite:{}", folder.join("receipts.db").display())));
    }
    let servers = [
        ("postgres", "IDEMCHECK_TEST_POSTGRES"),
        ("redis", "IDEMCHECK_TEST_REDIS"),
        #[cfg(feature = "dynamodb")]
        ("dynamodb", "IDEMCHECK_TEST_DYNAMODB"),
    ];
    for (name, variable) in servers.into_iter().filter(|(name, _)| wanted(name)) {
        match std::env::var(variable) {
            Ok(url) if name == "dynamodb" => out.push((name, url.replacen("test", &fresh("serve"), 1))),
            Ok(url) if name == "redis" => out.push((name, runtime.block_on(own_redis(&url)))),
            Ok(url) => out.push((name, runtime.block_on(own_postgres(&url)))),
            Err(_) if std::env::var("IDEMCHECK_TEST_SERVERS").as_deref() == Ok("required") => {
                panic!("{variable} is not set")
            }
            Err(_) => eprintln!("not run on {name}: {variable} is not set"),
        }
    }
    out
}

async fn own_postgres(url: &str) -> String {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let name = fresh("serve").replace('-', "_");
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    drop(client);
    let _ = connection.await;
    format!("{}/{name}", url.rsplit_once('/').unwrap().0)
}

/// So many databases the Redis of `.ci/servers` has; the first is the store tests'.
const REDIS_DATABASES: u32 = 64;

async fn own_redis(url: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    assert!(number < REDIS_DATABASES, "more than {REDIS_DATABASES} databases: `.ci/servers` says how many");
    let url = format!("{}/{number}", url.rsplit_once('/').unwrap().0);
    let mut connection =
        redis::Client::open(url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHDB").exec_async(&mut connection).await.unwrap();
    url
}

/// A key that no other test, and no earlier run, has used.
pub fn fresh(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    format!("{name}-{now}-{}", COUNT.fetch_add(1, Ordering::SeqCst))
}
