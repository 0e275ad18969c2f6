//! Counting effects where they land.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use tokio_postgres::types::Type;

use super::Places;
use super::send::Trust;
use super::sink::{self, Behaviour, Counted};
use crate::policy::{Effects, Headers, Load};
use crate::serve::body;

/// A count takes at most this long.
pub const COUNT_TIME: Duration = Duration::from_secs(10);
/// An answer with a count is at most this large.
const ANSWER_MAX: usize = 1 << 20;

/// Where effects are counted, ready to be asked.
pub enum Probe {
    /// Asked with the headers of the requests.
    Url {
        client: Box<Http>,
        url: String,
        pointer: Option<String>,
        headers: Headers,
    },
    Postgres {
        client: tokio_postgres::Client,
        statement: String,
    },
    Sqlite {
        file: String,
        statement: String,
    },
    Redis {
        client: redis::Client,
        command: Vec<String>,
    },
    Command(Vec<String>),
    /// A sink, here or elsewhere.
    Sink(Sink),
}

type Http = Client<HttpsConnector<HttpConnector>, body::Stream>;

fn http_client(trust: &Trust) -> Result<Http, String> {
    let connector = HttpsConnectorBuilder::new().with_tls_config(trust.config(None)?);
    let connector = connector.https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// A sink, as it is asked and told.
pub struct Sink {
    client: Box<Http>,
    /// Without a slash at its end.
    pub url: String,
}

impl Sink {
    /// # Errors
    /// TLS can't be set up.
    pub fn new(url: &str, trust: &Trust) -> Result<Sink, String> {
        let url = url.trim_end_matches('/').to_owned();
        Ok(Sink { client: Box::new(http_client(trust)?), url })
    }

    /// Whether it is one. None: nobody listens there.
    ///
    /// # Errors
    /// Somebody else does.
    pub async fn is_there(&self) -> Result<Option<()>, String> {
        let request = self.request("GET", "effects", Bytes::new())?;
        let response = match within(self.client.request(request)).await? {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Ok(None),
            Err(error) => return Err(format!("{}: {error}", self.url)),
        };
        let name = response.headers().get(sink::NAME.0).map(http::HeaderValue::as_bytes);
        if name == Some(sink::NAME.1.as_bytes()) {
            return Ok(Some(()));
        }
        Err(format!("what listens on {} is no `idemcheck sink`", self.url))
    }

    /// # Errors
    /// It did not say.
    pub async fn counted(&self, key: &str) -> Result<Counted, String> {
        let key = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
        self.ask("GET", &format!("effects?key={key}"), Bytes::new()).await
    }

    /// What becomes of calls with a key from now on.
    ///
    /// # Errors
    /// It did not hear of it.
    pub async fn tell(&self, behaviour: &Behaviour) -> Result<(), String> {
        let body = serde_json::to_vec(behaviour).map_err(|error| error.to_string())?;
        let _: Behaviour = self.ask("PUT", "behaviour", body.into()).await?;
        Ok(())
    }

    fn request(&self, method: &str, what: &str, body: Bytes) -> Result<http::Request<body::Stream>, String> {
        let uri = format!("{}{}{what}", self.url, sink::CONTROL);
        let request = http::Request::builder().method(method).uri(&uri).body(body::whole(body));
        request.map_err(|error| format!("{uri}: {error}"))
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: &str,
        what: &str,
        body: Bytes,
    ) -> Result<T, String> {
        let failed = |error: &dyn std::fmt::Display| format!("the sink on {}: {error}", self.url);
        let request = self.request(method, what, body)?;
        let response = within(self.client.request(request)).await?.map_err(|error| failed(&error))?;
        let status = response.status();
        let bytes = body::read(response.into_body(), ANSWER_MAX, COUNT_TIME).await;
        let bytes = bytes.map_err(|error| failed(&format_args!("{error:?}")))?;
        if !status.is_success() {
            return Err(failed(&status));
        }
        serde_json::from_slice(&bytes).map_err(|error| failed(&error))
    }
}

impl Probe {
    /// # Errors
    /// What it is asked of can't be reached.
    pub async fn open(load: &Load, trust: &Trust) -> Result<Probe, String> {
        Ok(match &load.effects {
            Effects::Url { url, pointer } => Probe::Url {
                client: Box::new(http_client(trust)?),
                url: url.clone(),
                pointer: pointer.clone(),
                headers: load.headers.clone(),
            },
            Effects::Sql { store, statement } => match store.strip_prefix("sqlite:") {
                Some(file) => Probe::Sqlite { file: file.to_owned(), statement: statement.clone() },
                None => {
                    let connected = tokio_postgres::connect(store, tokio_postgres::NoTls);
                    let (client, connection) = within(connected).await?.map_err(|error| error.to_string())?;
                    tokio::spawn(connection);
                    Probe::Postgres { client, statement: statement.clone() }
                }
            },
            Effects::Redis { store, command } => Probe::Redis {
                client: redis::Client::open(store.as_str()).map_err(|error| error.to_string())?,
                command: command.clone(),
            },
            Effects::Command(words) => Probe::Command(words.clone()),
            Effects::Sink { url, .. } => Probe::Sink(Sink::new(url, trust)?),
        })
    }

    /// Where effects are counted by a sink.
    pub fn sink(&self) -> Option<&Sink> {
        match self {
            Probe::Sink(sink) => Some(sink),
            _ => None,
        }
    }

    /// How many effects there are of a key, now. `further`: headers beside, or instead of, those of all requests.
    ///
    /// # Errors
    /// It did not say.
    pub async fn count(&self, places: &Places<'_>, further: Option<&Headers>) -> Result<u64, String> {
        within(self.ask(places, further)).await?.map_err(|error| format!("effects can't be counted: {error}"))
    }

    async fn ask(&self, places: &Places<'_>, further: Option<&Headers>) -> Result<u64, String> {
        match self {
            Probe::Url { client, url, pointer, headers } => {
                let uri = places.fill(url);
                let mut request = http::Request::get(&uri);
                let further = further.into_iter().flatten();
                let all: BTreeMap<String, &String> = headers
                    .iter()
                    .chain(further)
                    .map(|(name, value)| (name.to_ascii_lowercase(), value))
                    .collect();
                for (name, value) in all {
                    request = request.header(name, places.fill(value));
                }
                let request =
                    request.body(body::whole(Bytes::new())).map_err(|error| format!("{uri}: {error}"))?;
                let response = client.request(request).await.map_err(|error| format!("{uri}: {error}"))?;
                let status = response.status();
                let read = body::read(response.into_body(), ANSWER_MAX, COUNT_TIME).await;
                let bytes = read.map_err(|error| format!("{uri}: {error:?}"))?;
                if !status.is_success() {
                    return Err(format!("{uri} answered {status}"));
                }
                match pointer {
                    None => number(&String::from_utf8_lossy(&bytes)),
                    Some(pointer) => {
                        let json: serde_json::Value =
                            serde_json::from_slice(&bytes).map_err(|error| format!("{uri}: {error}"))?;
                        let found = json.pointer(pointer).ok_or(format!("{uri} has nothing at {pointer}"))?;
                        let list = found.as_array().map(|list| list.len() as u64);
                        list.or(found.as_u64()).ok_or(format!("{uri}: {found} at {pointer} is no count"))
                    }
                }
            }
            Probe::Postgres { client, statement } => {
                let key = (&places.key as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT);
                let parameters: &[_] = if statement.contains("$1") { &[key] } else { &[] };
                let rows =
                    client.query_typed(statement, parameters).await.map_err(|error| error.to_string())?;
                let row = rows.first().ok_or("the statement gives no row")?;
                let count: Result<i64, _> = row.try_get(0);
                let count = count.or_else(|_| row.try_get::<_, i32>(0).map(i64::from));
                let count = count.map_err(|error| error.to_string())?;
                u64::try_from(count).map_err(|_| format!("{count} is no count"))
            }
            Probe::Sqlite { file, statement } => {
                let (file, statement, key) = (file.clone(), statement.clone(), places.key.to_owned());
                let asked = tokio::task::spawn_blocking(move || {
                    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
                    let connection = rusqlite::Connection::open_with_flags(file, flags)?;
                    connection.busy_timeout(COUNT_TIME)?;
                    let mut statement = connection.prepare(&statement)?;
                    let parameters: &[&dyn rusqlite::ToSql] =
                        if statement.parameter_count() == 0 { &[] } else { &[&key] };
                    statement.query_row(parameters, |row| row.get::<_, i64>(0))
                });
                let count =
                    asked.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
                u64::try_from(count).map_err(|_| format!("{count} is no count"))
            }
            Probe::Redis { client, command } => {
                let mut connection =
                    client.get_multiplexed_async_connection().await.map_err(|error| error.to_string())?;
                let mut words = command.iter().map(|word| places.fill(word));
                let mut asked = redis::cmd(&words.next().unwrap_or_default());
                words.for_each(|word| _ = asked.arg(word));
                let count: Option<u64> =
                    asked.query_async(&mut connection).await.map_err(|e| e.to_string())?;
                Ok(count.unwrap_or(0))
            }
            Probe::Sink(sink) => Ok(sink.counted(places.key).await?.effects),
            Probe::Command(words) => {
                let mut words = words.iter().map(|word| places.fill(word));
                let program = words.next().unwrap_or_default();
                let output = tokio::process::Command::new(&program)
                    .args(words)
                    .stdin(Stdio::null())
                    .kill_on_drop(true)
                    .output()
                    .await
                    .map_err(|error| format!("{program}: {error}"))?;
                if !output.status.success() {
                    return Err(format!("{program}: {}", output.status));
                }
                number(&String::from_utf8_lossy(&output.stdout))
            }
        }
    }
}

async fn within<T>(asked: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(COUNT_TIME, asked).await.map_err(|_| format!("no count within {COUNT_TIME:?}"))
}

fn number(text: &str) -> Result<u64, String> {
    let text = text.trim();
    text.parse().map_err(|_| format!("`{}` is no count", text.chars().take(40).collect::<String>()))
}
