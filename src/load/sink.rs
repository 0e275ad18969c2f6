//! What stands for the downstream of a service under test: it counts effects, and delays, fails, drops and holds calls
//! when it is told to.
//!
//! Any request that is not below [`CONTROL`] is a call with an effect. Below it stand the counts, and what the sink does
//! with the calls that come next. It keeps what the policy promises of the downstream: native keys, fencing tokens, and a
//! look-up of what has happened.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::proxy::{Worker, listen};
use crate::policy::{FieldSource, Policy};
use crate::serve::body;
use crate::serve::front::field;
use crate::serve::request::{Request, read_request};

/// Where the sink itself is asked and told.
pub const CONTROL: &str = "/_sink/";
/// In every answer below [`CONTROL`]: nobody else is taken for a sink.
pub const NAME: (&str, &str) = ("server", "idemcheck-sink");
/// Keys that are counted; calls with further ones are refused.
pub const KEYS_MAX: usize = 1_000_000;
/// Connections at a time; further ones wait.
pub const CONNECTIONS_MAX: usize = 1024;
/// Bytes of a call's body.
pub const BODY_MAX: usize = 1 << 20;
/// For a call's body to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);
/// The longest that a call can be delayed.
pub const DELAY_MAX: Duration = Duration::from_secs(3600);

/// What becomes of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "does", content = "ms")]
pub enum Does {
    /// It has its effect, and is answered.
    #[default]
    Answer,
    /// It has its effect after so many milliseconds, whoever still waits.
    Delay(u64),
    /// It has its effect at once, and is answered so many milliseconds later.
    Late(u64),
    /// It has no effect, and is answered 500.
    Fail,
    /// It has its effect, and its connection breaks instead of an answer.
    Drop,
    /// It has its effect, and is answered when the sink is told to do something else.
    Hold,
}

/// What the sink is told: `PUT /_sink/behaviour`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behaviour {
    #[serde(flatten)]
    pub does: Does,
    /// Of calls with this key only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Of every so manieth call only; 0 and 1: of all.
    #[serde(default, skip_serializing_if = "is_all")]
    pub every: u64,
}

fn is_all(every: &u64) -> bool {
    *every <= 1
}

/// What a sink takes from calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the key stands by which effects are counted.
    pub key: FieldSource,
    /// A call whose value of this header has come before has no second effect, and is answered as the first.
    pub native: Option<Native>,
    /// A call with a lower number in this header than an earlier one of its key is refused, with 409.
    pub token: Option<String>,
}

/// Native keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Native {
    pub header: String,
    /// None: they are never forgotten.
    pub ttl: Option<Duration>,
    /// A known key with another body is refused, with 422.
    pub compares: bool,
}

impl Settings {
    /// What the policy says of its downstream.
    pub fn of(policy: &Policy, key: FieldSource) -> Settings {
        let downstream = policy.downstream.as_ref();
        let native = downstream.and_then(|downstream| downstream.native_key);
        Settings {
            key,
            native: native.map(|native| Native {
                header: policy.http.native_header.clone(),
                ttl: native.ttl.map(|ttl| Duration::from_millis(u64::try_from(ttl).unwrap_or(0))),
                compares: native.compares == Some(true),
            }),
            token: downstream
                .filter(|downstream| downstream.fencing)
                .map(|_| policy.http.token_header.clone()),
        }
    }
}

/// What was counted under a key, or under all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    pub calls: u64,
    pub effects: u64,
    /// Calls that wait for the sink to be told something else.
    pub held: u64,
}

/// What all calls came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    #[serde(flatten)]
    pub counted: Counted,
    pub keys: u64,
    /// Keys with more than one effect.
    pub duplicated: u64,
    /// Effects of calls without a key.
    pub without_key: u64,
}

#[derive(Default)]
struct Ledger {
    /// With the highest token; what came without a key stands under the empty one.
    keys: HashMap<String, (Counted, u64)>,
    /// By native key: when, the body's digest, and the number of the effect.
    native: HashMap<Vec<u8>, (Instant, [u8; 32], u64)>,
    behaviours: BTreeMap<Option<String>, (Behaviour, u64)>,
}

/// A sink, wherever it is asked.
pub struct Sink {
    settings: Settings,
    ledger: Mutex<Ledger>,
    /// Changes with every behaviour.
    told: watch::Sender<u64>,
}

type Answered = http::Response<Full<Bytes>>;

/// A connection breaks instead of an answer.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dropped")
    }
}

impl std::error::Error for Dropped {}

impl Sink {
    pub fn new(settings: Settings) -> Sink {
        Sink { settings, ledger: Mutex::default(), told: watch::channel(0).0 }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on.
    pub fn tell(&self, behaviour: Behaviour) {
        let mut ledger = self.ledger();
        if behaviour.does == Does::Answer {
            ledger.behaviours.remove(&behaviour.key);
        } else {
            ledger.behaviours.insert(behaviour.key.clone(), (behaviour, 0));
        }
        drop(ledger);
        self.told.send_modify(|count| *count += 1);
    }

    pub fn counted(&self, key: &str) -> Counted {
        self.ledger().keys.get(key).map(|(counted, _)| *counted).unwrap_or_default()
    }

    pub fn totals(&self) -> Totals {
        let ledger = self.ledger();
        let mut totals = Totals::default();
        for (key, (counted, _)) in &ledger.keys {
            totals.counted.calls += counted.calls;
            totals.counted.effects += counted.effects;
            totals.counted.held += counted.held;
            if key.is_empty() {
                totals.without_key += counted.effects;
            } else {
                totals.keys += 1;
                totals.duplicated += u64::from(counted.effects > 1);
            }
        }
        totals
    }

    /// Serves until it is dropped.
    pub async fn run(self: Arc<Sink>, listener: TcpListener) {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = connections.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            let sink = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    // What has begun comes to its end, whoever still waits.
                    let done = tokio::spawn(sink.clone().answer(request));
                    async move { done.await.unwrap_or(Err(Dropped)) }
                });
                let mut builder = Builder::new(TokioExecutor::new());
                builder.http1().timer(TokioTimer::new());
                builder.http2().timer(TokioTimer::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                drop(permit);
            });
        }
    }

    async fn answer(self: Arc<Sink>, request: http::Request<Incoming>) -> Result<Answered, Dropped> {
        let (head, incoming) = request.into_parts();
        let Ok(body) = body::read(incoming, BODY_MAX, BODY_TIME).await else {
            return Ok(said(413, &serde_json::json!({ "error": "the body is too large, or broke off" })));
        };
        let request = read_request(&head, body);
        match request.path().strip_prefix(CONTROL) {
            Some(what) => Ok(self.control(what, &request)),
            None => self.call(&request).await,
        }
    }

    /// The key of a call.
    fn key(&self, request: &Request) -> Option<String> {
        let bytes = field(request, &self.settings.key).ok().flatten()?;
        // A key may come in quotes, as structured fields and JSON have it.
        let text = String::from_utf8(bytes).ok()?;
        let bare = serde_json::from_str::<String>(&text).unwrap_or(text);
        Some(bare).filter(|key| !key.is_empty())
    }

    async fn call(&self, request: &Request) -> Result<Answered, Dropped> {
        let key = self.key(request);
        let does = self.ledger().does(key.as_deref());
        match does {
            Does::Fail => {
                if let Some(counted) = self.ledger().counted(key.as_deref()) {
                    counted.calls += 1;
                }
                return Ok(said(500, &serde_json::json!({ "error": "as it was told" })));
            }
            Does::Delay(ms) => tokio::time::sleep(Duration::from_millis(ms).min(DELAY_MAX)).await,
            _ => {}
        }
        // Subscribed first: what is told after the effect was seen is heard.
        let mut told = self.told.subscribe();
        let answer = self.effect(key.as_deref(), request, does == Does::Hold);
        match does {
            Does::Late(ms) => tokio::time::sleep(Duration::from_millis(ms).min(DELAY_MAX)).await,
            Does::Drop => return Err(Dropped),
            Does::Hold => {
                loop {
                    let holds = self.ledger().still_holds(key.as_deref());
                    if !holds || told.changed().await.is_err() {
                        break;
                    }
                }
                if let Some(counted) = self.ledger().counted(key.as_deref()) {
                    counted.held = counted.held.saturating_sub(1);
                }
            }
            _ => {}
        }
        Ok(answer)
    }

    /// The effect, at one moment.
    fn effect(&self, key: Option<&str>, request: &Request, held: bool) -> Answered {
        let refused = |status: u16, why: &str| said(status, &serde_json::json!({ "refused": why }));
        let header = |name: &str| request.header(name).ok().flatten();
        let native = self.settings.native.as_ref();
        let native = native.and_then(|native| Some((native, header(&native.header)?.to_vec())));
        let token = self.settings.token.as_deref().and_then(header);
        let token = token.and_then(|token| std::str::from_utf8(token).ok()?.trim().parse::<u64>().ok());
        let digest: [u8; 32] = Sha256::digest(&request.body).into();
        let mut ledger = self.ledger();
        let Some(counted) = ledger.counted(key) else {
            return refused(503, "no more keys are counted");
        };
        counted.calls += 1;
        counted.held += u64::from(held);
        if let Some(key) = key
            && !ledger.passes(key, token)
        {
            return refused(409, "an older token");
        }
        if let Some((rules, name)) = &native
            && let Some((since, body, number)) = ledger.native.get(name)
            && rules.ttl.is_none_or(|ttl| since.elapsed() < ttl)
        {
            if rules.compares && *body != digest {
                return refused(422, "another body under a native key");
            }
            return said(201, &serde_json::json!({ "effect": number }));
        }
        let Some(counted) = ledger.counted(key) else {
            return refused(503, "no more keys are counted");
        };
        counted.effects += 1;
        let number = counted.effects;
        if let Some((_, name)) = native {
            ledger.native.insert(name, (Instant::now(), digest, number));
        }
        said(201, &serde_json::json!({ "effect": number }))
    }

    fn control(&self, what: &str, request: &Request) -> Answered {
        let asked = |name: &str| request.query(name).ok().flatten();
        let key = asked("key").map(|key| String::from_utf8_lossy(&key).into_owned());
        match (request.method.as_str(), what) {
            ("GET", "effects") => match key {
                Some(key) => said(200, &self.counted(&key)),
                None => said(200, &self.totals()),
            },
            // For a service that asks whether an effect exists.
            ("GET", "exists") => {
                let token = self.settings.token.as_deref().and_then(|name| request.header(name).ok()?);
                let token = token.and_then(|token| std::str::from_utf8(token).ok()?.trim().parse().ok());
                let mut ledger = self.ledger();
                if let Some(key) = &key {
                    // Whoever asks shuts out those before it.
                    ledger.passes(key, token);
                }
                let number = match (&key, asked("native")) {
                    (Some(key), _) => ledger.keys.get(key).map(|(counted, _)| counted.effects),
                    (None, Some(native)) => ledger.native.get(&native).map(|(.., number)| *number),
                    (None, None) => return said(400, &serde_json::json!({ "error": "which key?" })),
                };
                match number.filter(|number| *number > 0) {
                    // As the call was answered.
                    Some(number) => said(201, &serde_json::json!({ "effect": number })),
                    None => said(404, &serde_json::json!({ "effect": null })),
                }
            }
            ("PUT", "behaviour") => match serde_json::from_slice::<Behaviour>(&request.body) {
                Ok(behaviour) => {
                    self.tell(behaviour.clone());
                    said(200, &behaviour)
                }
                Err(error) => said(400, &serde_json::json!({ "error": error.to_string() })),
            },
            _ => said(404, &serde_json::json!({ "error": "there are effects, exists and behaviour" })),
        }
    }
}

impl Ledger {
    /// Where a call is counted. None: there is no room for its key.
    fn counted(&mut self, key: Option<&str>) -> Option<&mut Counted> {
        let name = key.unwrap_or_default();
        if !self.keys.contains_key(name) {
            if self.keys.len() >= KEYS_MAX {
                return None;
            }
            self.keys.insert(name.to_owned(), (Counted::default(), 0));
        }
        self.keys.get_mut(name).map(|(counted, _)| counted)
    }

    /// Whether a token is as high as those before it.
    fn passes(&mut self, key: &str, token: Option<u64>) -> bool {
        let (Some(token), true) = (token, self.counted(Some(key)).is_some()) else { return true };
        let Some((_, highest)) = self.keys.get_mut(key) else { return true };
        *highest = token.max(*highest);
        token == *highest
    }

    /// What becomes of the next call: what was said of its key comes first.
    fn does(&mut self, key: Option<&str>) -> Does {
        let own = key.map(|key| Some(key.to_owned())).filter(|key| self.behaviours.contains_key(key));
        let Some((behaviour, met)) = self.behaviours.get_mut(&own.unwrap_or(None)) else {
            return Does::Answer;
        };
        *met += 1;
        if met.is_multiple_of(behaviour.every.max(1)) { behaviour.does } else { Does::Answer }
    }

    fn still_holds(&self, key: Option<&str>) -> bool {
        let own = key.and_then(|key| self.behaviours.get(&Some(key.to_owned())));
        let behaviour = own.or_else(|| self.behaviours.get(&None));
        behaviour.is_some_and(|(behaviour, _)| behaviour.does == Does::Hold)
    }
}

fn said(status: u16, what: &impl Serialize) -> Answered {
    let mut text = serde_json::to_vec(what).unwrap_or_default();
    text.push(b'\n');
    let mut answer = http::Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    let headers = answer.headers_mut();
    headers.insert("content-type", http::HeaderValue::from_static("application/json"));
    headers.insert(NAME.0, http::HeaderValue::from_static(NAME.1));
    answer
}

/// A sink on a thread of its own, which ends with this.
pub struct Started {
    pub sink: Arc<Sink>,
    pub address: SocketAddr,
    _worker: Worker,
}

impl Started {
    /// # Errors
    /// The address can't be listened on, or there is no thread.
    pub fn new(address: SocketAddr, settings: Settings) -> Result<Started, String> {
        let (listener, address) = listen(address)?;
        let sink = Arc::new(Sink::new(settings));
        let served = sink.clone();
        let work = move || async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            served.run(listener).await;
        };
        let worker = Worker::start(work).map_err(|error| error.to_string())?;
        Ok(Started { sink, address, _worker: worker })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn started(native: Option<Native>, token: bool) -> Started {
        let settings = Settings {
            key: FieldSource::Json("/order".to_owned()),
            native,
            token: token.then(|| "Fencing-Token".to_owned()),
        };
        Started::new(SocketAddr::from(([127, 0, 0, 1], 0)), settings).unwrap()
    }

    /// The status and the body of an answer; none where the connection broke.
    fn ask(sink: &Started, method: &str, path: &str, headers: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(sink.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.trim().to_owned()))
    }

    fn pay(sink: &Started, key: &str) -> Option<u16> {
        ask(sink, "POST", "/pay", "", &format!("{{\"order\":\"{key}\"}}")).map(|(status, _)| status)
    }

    fn tell(sink: &Started, text: &str) {
        assert_eq!(ask(sink, "PUT", "/_sink/behaviour", "", text).unwrap().0, 200, "{text}");
    }

    #[test]
    fn calls_are_counted_by_their_key() {
        let sink = started(None, false);
        for key in ["a", "a", "b"] {
            assert_eq!(pay(&sink, key), Some(201));
        }
        assert_eq!(ask(&sink, "POST", "/pay", "", "{}").unwrap().0, 201);
        let effects = |query: &str| ask(&sink, "GET", &format!("/_sink/effects{query}"), "", "").unwrap().1;
        assert_eq!(effects("?key=a"), r#"{"calls":2,"effects":2,"held":0}"#);
        assert_eq!(effects("?key=none"), r#"{"calls":0,"effects":0,"held":0}"#);
        let totals: Totals = serde_json::from_str(&effects("")).unwrap();
        assert_eq!(
            (totals.counted.effects, totals.keys, totals.duplicated, totals.without_key),
            (4, 2, 1, 1)
        );
        for (query, status) in [("key=a", 201), ("key=none", 404), ("native=x", 404), ("", 400)] {
            let asked = ask(&sink, "GET", &format!("/_sink/exists?{query}"), "", "").unwrap();
            assert_eq!(asked.0, status, "{query}");
        }
        for wrong in ["", "{}", r#"{"does":"dance"}"#, r#"{"does":"delay"}"#] {
            assert_eq!(ask(&sink, "PUT", "/_sink/behaviour", "", wrong).unwrap().0, 400, "{wrong}");
        }
        assert_eq!(ask(&sink, "GET", "/_sink/other", "", "").unwrap().0, 404);
    }

    #[test]
    fn it_does_what_it_is_told() {
        let sink = started(None, false);
        let effects = |key: &str| sink.sink.counted(key).effects;
        tell(&sink, r#"{"does":"fail","key":"f"}"#);
        assert_eq!((pay(&sink, "f"), effects("f")), (Some(500), 0));
        assert_eq!(pay(&sink, "other"), Some(201), "it was said of one key");
        tell(&sink, r#"{"does":"answer","key":"f"}"#);
        assert_eq!((pay(&sink, "f"), effects("f")), (Some(201), 1));

        tell(&sink, r#"{"does":"drop","key":"d"}"#);
        assert_eq!((pay(&sink, "d"), effects("d")), (None, 1));

        for (told, key) in [(r#"{"does":"delay","ms":120}"#, "slow"), (r#"{"does":"late","ms":120}"#, "late")]
        {
            tell(&sink, told);
            let began = Instant::now();
            let (meanwhile, answered) = std::thread::scope(|scope| {
                let paid = scope.spawn(|| pay(&sink, key));
                std::thread::sleep(Duration::from_millis(60));
                (effects(key), paid.join().unwrap())
            });
            assert_eq!((meanwhile, answered, effects(key)), (u64::from(key == "late"), Some(201), 1));
            assert!(began.elapsed() >= Duration::from_millis(120), "{key}");
        }
        tell(&sink, r#"{"does":"fail","every":3}"#);
        let answers: Vec<_> = (0..6).map(|_| pay(&sink, "e").unwrap()).collect();
        assert_eq!(answers, [201, 201, 500, 201, 201, 500]);
    }

    #[test]
    fn a_call_is_held_until_it_is_told_otherwise() {
        let sink = started(None, false);
        tell(&sink, r#"{"does":"hold","key":"h"}"#);
        std::thread::scope(|scope| {
            let held = scope.spawn(|| pay(&sink, "h"));
            while sink.sink.counted("h").held == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(sink.sink.counted("h"), Counted { calls: 1, effects: 1, held: 1 });
            // Something else is told, and it is still held.
            tell(&sink, r#"{"does":"fail","key":"other"}"#);
            std::thread::sleep(Duration::from_millis(30));
            assert_eq!(sink.sink.counted("h").held, 1);
            tell(&sink, r#"{"does":"answer","key":"h"}"#);
            assert_eq!(held.join().unwrap(), Some(201));
        });
        assert_eq!(sink.sink.counted("h").held, 0);
    }

    #[test]
    fn what_a_client_gave_up_has_its_effect_all_the_same() {
        let sink = started(None, false);
        tell(&sink, r#"{"does":"delay","ms":80}"#);
        let mut stream = TcpStream::connect(sink.address).unwrap();
        let body = r#"{"order":"gone"}"#;
        write!(stream, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        drop(stream);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(sink.sink.counted("gone").effects, 1);
    }

    #[test]
    fn it_keeps_native_keys_and_tokens() {
        let native = Native {
            header: "Idempotency-Key".to_owned(),
            ttl: Some(Duration::from_millis(300)),
            compares: true,
        };
        let sink = started(Some(native), true);
        let sent = |headers: &str, more: &str| {
            ask(&sink, "POST", "/pay", headers, &format!("{{\"order\":\"k\"{more}}}")).unwrap()
        };
        let first = sent("Idempotency-Key: n\r\nFencing-Token: 2\r\n", "");
        assert_eq!(first.0, 201);
        assert_eq!(sent("Idempotency-Key: n\r\nFencing-Token: 3\r\n", ""), first);
        assert_eq!(sent("Idempotency-Key: n\r\n", ",\"x\":1").0, 422);
        assert_eq!(sent("Idempotency-Key: m\r\nFencing-Token: 2\r\n", "").0, 409);
        assert_eq!(sink.sink.counted("k").effects, 1);
        // Who asks with a token shuts out those before it.
        let asked = ask(&sink, "GET", "/_sink/exists?key=k", "Fencing-Token: 9\r\n", "").unwrap();
        assert_eq!((asked.0, sent("Fencing-Token: 8\r\n", "").0), (201, 409));
        std::thread::sleep(Duration::from_millis(320));
        assert_eq!(sent("Idempotency-Key: n\r\nFencing-Token: 9\r\n", "").0, 201, "it was forgotten");
        assert_eq!(sink.sink.counted("k").effects, 2);
    }
}
