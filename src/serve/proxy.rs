//! A service behind us: requests are sent on to it, and its answers come back whole.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::body::{self, Stream, Unread, whole};
use super::downstream::{Downstream, Found, Heard, Outgoing, Reply};
use super::front::problem;
use super::request::end_to_end;
use crate::policy::Policy;
use crate::store::Response;

/// A connection that takes longer than this is given up: nothing was sent.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);
/// What a call may take where the policy declares no timeout; and how long it goes on after the declared one.
pub const CALL_TIME: Duration = Duration::from_secs(300);

/// Bytes of an answer that are held at a time while it passes through, and of its head.
pub const PIECE_MAX: usize = 64 << 10;

/// Sends requests on.
pub struct Proxy {
    client: Client<HttpConnector, Stream>,
    upstream: String,
    /// Where to ask whether an effect exists; `{key}` stands for the native key.
    query: Option<String>,
    key_header: String,
    native_header: String,
    token_header: String,
    response_max: usize,
}

impl Proxy {
    /// `upstream`: scheme, host and port, and perhaps a path that comes before each request's.
    ///
    /// # Errors
    /// An address that is no `http://` one; a model that asks for effects without a place to ask.
    pub fn new(
        upstream: &str,
        query: Option<&str>,
        policy: &Policy,
        response_max: usize,
    ) -> Result<Proxy, String> {
        let upstream = address(upstream)?;
        if let Some(query) = query {
            address(&query.replace("{key}", "0"))?;
            if !query.contains("{key}") {
                return Err(
                    "the address for queries has no {key} in it: every operation would find the same"
                        .to_owned(),
                );
            }
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIME));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(PIECE_MAX)
            // A request that met a closing connection may have been read: that is for the model to say.
            .retry_canceled_requests(false)
            .build(connector);
        Ok(Proxy {
            client,
            upstream,
            query: query.map(str::to_owned),
            key_header: policy.http.key_header.to_ascii_lowercase(),
            native_header: policy.http.native_header.to_ascii_lowercase(),
            token_header: policy.http.token_header.to_ascii_lowercase(),
            response_max,
        })
    }

    /// A request that needs no key, on its way through: nothing is kept of it.
    ///
    /// # Errors
    /// The upstream can't be reached, or the request can't be sent on.
    pub async fn pass(
        &self,
        head: http::request::Parts,
        body: Stream,
    ) -> Result<http::Response<Stream>, String> {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let headers = end_to_end(&head.headers);
        let request = self.request(head.method.as_str(), target, &headers, body)?;
        let answered = tokio::time::timeout(CALL_TIME, self.client.request(request)).await;
        let response = answered.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())?;
        let (mut parts, body) = response.into_parts();
        let kept = end_to_end(&parts.headers);
        parts.headers.clear();
        for (name, value) in kept {
            append(&mut parts.headers, &name, &value);
        }
        use http_body_util::BodyExt;
        Ok(http::Response::from_parts(parts, body.map_err(Into::into).boxed()))
    }

    fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, Vec<u8>)],
        body: Stream,
    ) -> Result<http::Request<Stream>, String> {
        let uri: Uri = format!("{}{target}", self.upstream).parse().map_err(|_| "no address".to_owned())?;
        let mut request = http::Request::builder().method(method).uri(uri);
        if let Some(to) = request.headers_mut() {
            // The length is the body's own to say, and the host is the upstream's.
            let ours = ["host", "content-length"];
            for (name, value) in headers.iter().filter(|(name, _)| !ours.contains(&name.as_str())) {
                append(to, name, value);
            }
        }
        request.body(body).map_err(|error| error.to_string())
    }

    async fn send(&self, call: &Outgoing) -> Heard {
        let asked = &call.request;
        // Our key is ours: the downstream gets its own, or none.
        let mut headers: Vec<(String, Vec<u8>)> = asked.headers.clone();
        headers.retain(|(name, _)| {
            *name != self.key_header && *name != self.native_header && *name != self.token_header
        });
        if call.native {
            headers.push((self.native_header.clone(), call.native_key().into_bytes()));
        }
        if call.token != 0 {
            headers.push((self.token_header.clone(), call.token.to_string().into_bytes()));
        }
        if !headers.iter().any(|(name, _)| name == "x-request-id") {
            headers.push(("x-request-id".to_owned(), call.correlation.clone().into_bytes()));
        }
        let request = match self.request(&asked.method, &asked.target, &headers, whole(asked.body.clone())) {
            Ok(request) => request,
            Err(what) => return Heard::Error(problem(502, "not-done", &what, None).response),
        };
        match tokio::time::timeout(CALL_TIME, self.exchange(request)).await {
            Ok(heard) => heard,
            Err(_) => Heard::Timeout,
        }
    }

    async fn exchange(&self, request: http::Request<Stream>) -> Heard {
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                return Heard::Error(
                    problem(502, "not-done", "the service behind can't be reached", Some(1)).response,
                );
            }
            Err(_) => return Heard::Timeout,
        };
        match self.whole(response).await {
            Ok(response) if response.status < 400 => Heard::Ok(response),
            Ok(response) => Heard::Error(response),
            // It was done, and every attempt is told the same.
            Err(Unread::TooLarge) => {
                let detail = "it was done, and the answer is larger than what is kept";
                Heard::Ok(problem(502, "too-large", detail, None).response)
            }
            Err(_) => Heard::Timeout,
        }
    }

    async fn whole(&self, response: http::Response<hyper::body::Incoming>) -> Result<Response, Unread> {
        let (parts, body) = response.into_parts();
        let body = body::read(body, self.response_max, CALL_TIME).await?;
        let mut headers = end_to_end(&parts.headers);
        headers.retain(|(name, _)| name != "content-length");
        Ok(Response { status: parts.status.as_u16(), headers, body: body.to_vec() })
    }

    async fn look(&self, call: &Outgoing) -> Found {
        let Some(query) = &self.query else { return Found::Unknown };
        let uri = query.replace("{key}", &call.native_key());
        let Ok(request) = http::Request::get(uri).body(whole(Bytes::new())) else { return Found::Unknown };
        let asked = tokio::time::timeout(CALL_TIME, self.client.request(request)).await;
        let Ok(Ok(response)) = asked else { return Found::Unknown };
        match response.status().as_u16() {
            404 => Found::Absent,
            200..300 => self.whole(response).await.map_or(Found::Unknown, Found::Applied),
            _ => Found::Unknown,
        }
    }
}

/// An address without a slash at its end.
fn address(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|error| format!("`{text}` is no address: {error}"))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(_)) => Ok(text.trim_end_matches('/').to_owned()),
        (Some("https"), Some(_)) => Err(format!(
            "`{text}`: services behind are reached over plain HTTP; put a proxy that speaks TLS between"
        )),
        _ => Err(format!("`{text}` is no address such as http://127.0.0.1:3000")),
    }
}

fn append(to: &mut http::HeaderMap, name: &str, value: &[u8]) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
        to.append(name, value);
    }
}

impl Downstream for Proxy {
    fn call<'a>(&'a self, call: &'a Outgoing) -> Reply<'a, Heard> {
        Box::pin(self.send(call))
    }

    fn query<'a>(&'a self, call: &'a Outgoing) -> Reply<'a, Found> {
        Box::pin(self.look(call))
    }
}
