//! HTTP in, attempts through, HTTP out: which key a request has, and what each answer looks like.
//!
//! Codes and headers are those of the IETF draft on the Idempotency-Key header, or the policy's own.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::Unread;
use super::downstream::Downstream;
use super::json;
use super::machine::{Asked, Machine, Said};
use super::request::{Repeated, Request};
use crate::model::Answer;
use crate::policy::{FieldSource, Http, Policy, SuppliedBy};
use crate::store::{Key, Response};

/// A key that a client supplies is at most this long, in bytes.
pub const KEY_MAX: usize = 255;
/// An attribute of the scope is at most this long, in bytes.
pub const SCOPE_MAX: usize = 255;

/// The machine behind HTTP.
#[derive(Clone)]
pub struct Front {
    machine: Arc<Machine>,
    places: Arc<Places>,
}

/// Where a request has what the policy speaks of.
struct Places {
    http: Http,
    supplied_by: SuppliedBy,
    scope: Vec<(String, FieldSource)>,
    fingerprint: Vec<FieldSource>,
}

/// What a client hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub response: Response,
    /// It is the recorded one.
    pub replayed: bool,
}

impl Front {
    /// # Errors
    /// Fields that the key or the fingerprint is computed from have no place in a request, with the text to
    /// paste.
    pub fn new(machine: Arc<Machine>) -> Result<Front, String> {
        let policy = machine.policy();
        let scope = policy.scope_fields().map_err(|missing| unplaced(&missing, "key"))?;
        let scope = scope.into_iter().map(|(name, place)| (name.to_owned(), place)).collect();
        let fingerprint = policy.fingerprint_fields().map_err(|missing| unplaced(&missing, "fingerprint"))?;
        let (http, supplied_by) = (policy.http.clone(), policy.key.supplied_by);
        Ok(Front { machine, places: Arc::new(Places { http, supplied_by, scope, fingerprint }) })
    }

    /// The same before another downstream.
    pub fn before(&self, downstream: Arc<dyn Downstream>) -> Front {
        Front { machine: Arc::new(self.machine.before(downstream)), places: self.places.clone() }
    }

    pub fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    /// The fields of the key that the client's own key stands for: `[http.fields]` does not place them.
    pub fn unscoped(policy: &Policy) -> Vec<&str> {
        let placed = policy.scope_fields().unwrap_or_default();
        let is_placed = |field: &&String| placed.iter().any(|(name, _)| name == field);
        policy.key.from.iter().filter(|field| !is_placed(field)).map(String::as_str).collect()
    }

    /// Whether requests of this method need a key.
    pub fn guards(&self, method: &str) -> bool {
        self.places.http.methods.contains(&method)
    }

    pub fn http(&self) -> &Http {
        &self.places.http
    }

    /// What the request asks for, or the answer that says why that can't be told.
    ///
    /// # Errors
    /// No key, or a malformed one; a missing attribute of the scope.
    pub fn identify(&self, request: &Request, correlation: String) -> Result<Asked, Box<Reply>> {
        let mut parts = vec![self.machine.policy().name.clone()];
        for (name, place) in &self.places.scope {
            let value = field(request, place).ok().flatten();
            let value = value.filter(|value| !value.is_empty() && value.len() <= SCOPE_MAX);
            // Made readable, two texts could become one.
            let value = value.and_then(|value| String::from_utf8(value).ok()).ok_or_else(|| {
                let detail = format!(
                    "the request does not say, once and in at most {SCOPE_MAX} bytes of UTF-8, what `{name}` is"
                );
                Box::new(self.malformed("missing-attribute", &detail))
            })?;
            parts.push(value);
        }
        match self.places.supplied_by {
            SuppliedBy::Server => {}
            SuppliedBy::Client => parts.push(self.supplied(request)?),
            // Every attempt is on its own.
            SuppliedBy::Nobody => parts.push(random_name()),
        }
        let key = Key::new(&parts);
        if key.fits().is_err() {
            return Err(Box::new(self.malformed("malformed-key", "the key with its scope is too long")));
        }
        let fingerprint = digest(&self.places.fingerprint, request).map_err(|Repeated| {
            let detail = "what the payload is compared by is there twice, or the body is no JSON";
            Box::new(self.malformed("malformed-body", detail))
        })?;
        Ok(Asked { key, fingerprint, request: request.clone(), correlation })
    }

    /// What the policy compares of a payload; empty where it compares nothing.
    ///
    /// # Errors
    /// As of [`Front::new`].
    pub fn fingerprint(policy: &Policy, request: &Request) -> Result<Vec<u8>, String> {
        let places = policy.fingerprint_fields().map_err(|missing| unplaced(&missing, "fingerprint"))?;
        digest(&places, request)
            .map_err(|Repeated| "what is compared is there twice, or the body is no JSON".to_owned())
    }

    /// The key in its header: a string of structured fields, or the same without its quotes.
    fn supplied(&self, request: &Request) -> Result<String, Box<Reply>> {
        let header = &self.places.http.key_header;
        let refuse =
            |what: &str| Box::new(self.malformed("malformed-key", &format!("the header {header} {what}")));
        let value = match request.header(header) {
            Err(Repeated) => return Err(refuse("is there more than once")),
            Ok(None) => {
                let detail =
                    format!("this operation needs the header {header}: one value for all of its retries");
                return Err(Box::new(self.malformed("missing-key", &detail)));
            }
            Ok(Some(value)) => value,
        };
        let visible = |byte: &u8| (0x20..0x7f).contains(byte);
        let text =
            std::str::from_utf8(value).ok().map(str::trim).filter(|text| text.bytes().all(|b| visible(&b)));
        let text = text.ok_or_else(|| refuse("has other than visible ASCII characters"))?;
        let key = match text.strip_prefix('"') {
            None => text.to_owned(),
            Some(rest) => {
                unquoted(rest).ok_or_else(|| refuse("is no string: a quote or a backslash is amiss"))?
            }
        };
        if key.is_empty() {
            return Err(refuse("is empty"));
        }
        if key.len() > KEY_MAX {
            return Err(refuse(&format!("is longer than {KEY_MAX} bytes")));
        }
        Ok(key)
    }

    /// One attempt, to its answer. The attempt goes on if the caller goes away.
    /// `permits` are given back at its end.
    async fn handle(&self, asked: Asked, permits: (OwnedSemaphorePermit, OwnedSemaphorePermit)) -> Reply {
        let machine = self.machine.clone();
        let attempt = tokio::spawn(async move {
            let said = machine.attempt(&asked).await;
            drop((asked, permits));
            said
        });
        match attempt.await {
            Ok(said) => self.reply(said),
            Err(_) => {
                problem(503, "unavailable", "the attempt broke off; ask again under the same key", Some(1))
            }
        }
    }

    /// An answer of the model as HTTP.
    pub fn reply(&self, said: Said) -> Reply {
        let fresh = |response| Reply { response, replayed: false };
        match said {
            Said::Answer(Answer::Success, known) => fresh(self.unmarked(known)),
            Said::Answer(Answer::Replay, known) => {
                let mut response = self.unmarked(known);
                response
                    .headers
                    .push((self.places.http.replay_marker.to_ascii_lowercase(), b"true".to_vec()));
                Reply { response, replayed: true }
            }
            Said::Answer(Answer::Failed, Some(known)) => fresh(known),
            Said::Answer(Answer::Failed, None) => problem(502, "failed", "the operation failed", None),
            // What the downstream said of it helps more than what we could.
            Said::Answer(Answer::Error, Some(known)) if known.status >= 400 => fresh(known),
            Said::Answer(Answer::Error, _) => {
                problem(503, "not-done", "it was not done; ask again under the same key", Some(1))
            }
            Said::Answer(Answer::Unknown, _) => {
                let detail = "nobody knows yet whether it was done; ask again under the same key";
                problem(504, "unknown", detail, Some(1))
            }
            Said::Answer(Answer::InFlight, _) => {
                let detail = "another attempt is at it; ask again under the same key";
                problem(self.places.http.in_flight, "in-flight", detail, Some(1))
            }
            Said::Answer(Answer::Mismatch, _) => {
                let detail = "this key was used with another payload; a new operation needs a new key";
                problem(self.places.http.mismatch, "mismatch", detail, None)
            }
            Said::Ended => problem(500, "handed-over", "a person has to look at this operation", None),
            Said::GaveUp(_) => problem(
                503,
                "unavailable",
                "the operation could not be looked up; ask again under the same key",
                Some(1),
            ),
        }
    }

    /// An answer of the service without a marker of its own: ours is the one that is believed.
    fn unmarked(&self, known: Option<Response>) -> Response {
        let mut response = known.unwrap_or(Response { status: 200, ..Response::default() });
        response.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(&self.places.http.replay_marker));
        response
    }

    fn malformed(&self, kind: &str, detail: &str) -> Reply {
        problem(self.places.http.missing_key, kind, detail, None)
    }
}

/// One digest of all that is compared; empty where nothing is.
///
/// # Errors
/// A field is there more than once.
fn digest(places: &[FieldSource], request: &Request) -> Result<Vec<u8>, Repeated> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let mut digest = Sha256::new();
    for place in places {
        let value = field(request, place)?.unwrap_or_default();
        digest.update((value.len() as u64).to_be_bytes());
        digest.update(&value);
    }
    Ok(digest.finalize().to_vec())
}

/// A problem document (RFC 9457).
pub fn problem(status: u16, kind: &str, detail: &str, retry_after_s: Option<u32>) -> Reply {
    let title = match kind {
        "missing-key" => "Idempotency-Key is missing",
        "malformed-body" => "The payload can't be compared",
        "malformed-key" => "Idempotency-Key is malformed",
        "missing-attribute" => "An attribute of the key's scope is missing",
        "in-flight" => "A request is outstanding for this Idempotency-Key",
        "mismatch" => "Idempotency-Key is already used",
        "not-done" => "Not done",
        "unknown" => "Unknown outcome",
        "failed" => "Failed",
        "handed-over" => "Handed over",
        "too-large" => "Too large",
        "not-found" => "Not found",
        _ => "Unavailable",
    };
    let body = serde_json::json!({
        "type": format!("urn:idemcheck:problem:{kind}"),
        "title": title,
        "status": status,
        "detail": detail,
    });
    let mut headers = vec![("content-type".to_owned(), b"application/problem+json".to_vec())];
    headers.extend(retry_after_s.map(|after| ("retry-after".to_owned(), after.to_string().into_bytes())));
    let body = format!("{body}\n").into_bytes();
    Reply { response: Response { status, headers, body }, replayed: false }
}

/// Says why a body was not read.
pub(super) fn unread(why: Unread) -> Reply {
    match why {
        Unread::TooLarge => problem(413, "too-large", "the body is larger than what is read", None),
        Unread::TooSlow => problem(408, "too-slow", "the body did not arrive in time", None),
        Unread::Busy => {
            problem(503, "busy", "too many bodies are on their way; ask again under the same key", Some(1))
        }
        Unread::Broken => problem(400, "broken-off", "the body broke off", None),
    }
}

/// One request that needs a key: identified, bounded, attempted.
///
/// `held`: what is given back once the request is no longer in memory.
pub(super) async fn answer(
    front: &Front,
    permits: &Arc<Semaphore>,
    request: Request,
    held: OwnedSemaphorePermit,
) -> Reply {
    let watch = front.machine().watch();
    let asked = match front.identify(&request, correlation(&request)) {
        Ok(asked) => asked,
        Err(reply) => {
            watch.refused();
            return *reply;
        }
    };
    let Ok(permit) = permits.clone().try_acquire_owned() else {
        watch.refused();
        return problem(
            503,
            "busy",
            "too many operations are under way; ask again under the same key",
            Some(1),
        );
    };
    drop(request);
    front.handle(asked, (permit, held)).await
}

/// What the client calls the request, if that fits into a log; else a name of our own.
fn correlation(request: &Request) -> String {
    let given =
        request.header("x-request-id").ok().flatten().and_then(|value| std::str::from_utf8(value).ok());
    let plain = |text: &&str| {
        !text.is_empty()
            && text.len() <= 64
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
    };
    match given.filter(plain) {
        Some(given) => given.to_owned(),
        None => crate::store::Owner::random().map(|name| name.to_string()).unwrap_or_default(),
    }
}

/// A reply for any kind of body.
pub(super) fn http_response<B: From<Bytes>>(reply: Reply) -> http::Response<B> {
    let Response { status, headers, body } = reply.response;
    let mut response = http::Response::new(B::from(Bytes::from(body)));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    for (name, value) in &headers {
        let name = http::HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, http::HeaderValue::from_bytes(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn unplaced(missing: &[&str], what: &str) -> String {
    let lines: Vec<String> = missing.iter().map(|field| format!("{field} = \"json:/{field}\"")).collect();
    format!(
        "the {what} is computed from fields whose place in a request nobody declared; say where they stand:\n\n\
         [http.fields]\n{}\n",
        lines.join("\n")
    )
}

/// What stands between the quotes of a string of structured fields (RFC 8941); None where it is none.
fn unquoted(rest: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(out),
            '\\' => out.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => out.push(c),
        }
    }
}

fn random_name() -> String {
    crate::store::Owner::random().map(|owner| owner.to_string()).unwrap_or_default()
}

/// A field's value; none where the request has none.
///
/// # Errors
/// It has more than one, or can't be read.
pub(crate) fn field(request: &Request, place: &FieldSource) -> Result<Option<Vec<u8>>, Repeated> {
    Ok(match place {
        FieldSource::Header(name) => request.header(name)?.map(<[u8]>::to_vec),
        FieldSource::Query(name) => request.query(name)?,
        FieldSource::Method => Some(request.method.clone().into_bytes()),
        FieldSource::Path => Some(request.path().as_bytes().to_vec()),
        FieldSource::Body => Some(request.body.to_vec()),
        FieldSource::Json(pointer) => json::at(&request.body, pointer).map_err(|json::Unclear| Repeated)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_with_quotes_or_without() {
        assert_eq!(unquoted("a b\""), Some("a b".to_owned()));
        assert_eq!(unquoted("a\\\"b\\\\\""), Some("a\"b\\".to_owned()));
        for wrong in ["a", "a\"b", "a\\x\"", "\\"] {
            assert_eq!(unquoted(wrong), None, "{wrong}");
        }
    }
}
