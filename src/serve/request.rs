//! A request, read whole: what is compared, kept and sent on.

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// Read whole, within the limits of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// In their order, names in lower case; none that is of the connection only.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
}

/// A header or a parameter that must be there once is there more often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

/// All but the body.
#[derive(Serialize, Deserialize)]
struct Head {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// The one value of a header.
    ///
    /// # Errors
    /// See [`Repeated`].
    pub fn header(&self, name: &str) -> Result<Option<&[u8]>, Repeated> {
        let mut values = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        let first = values.next().map(|(_, value)| value.as_slice());
        if values.next().is_some() { Err(Repeated) } else { Ok(first) }
    }

    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The value of a query parameter, without its percent escapes.
    ///
    /// # Errors
    /// See [`Repeated`].
    pub fn query(&self, name: &str) -> Result<Option<Vec<u8>>, Repeated> {
        let Some((_, query)) = self.target.split_once('?') else { return Ok(None) };
        let mut found = None;
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if percent_decode_str(key).eq(name.bytes()) {
                if found.is_some() {
                    return Err(Repeated);
                }
                found = Some(percent_decode_str(value).collect());
            }
        }
        Ok(found)
    }

    /// As claims keep it: the length of the head, the head as JSON, the body.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head =
            Head { method: self.method.clone(), target: self.target.clone(), headers: self.headers.clone() };
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let mut out = Vec::with_capacity(4 + head.len() + self.body.len());
        out.extend(u32::try_from(head.len()).unwrap_or(0).to_be_bytes());
        out.extend(head);
        out.extend_from_slice(&self.body);
        out
    }

    /// None where the bytes are no request.
    pub fn from_bytes(bytes: &[u8]) -> Option<Request> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (head, body) = rest.split_at_checked(length)?;
        let Head { method, target, headers } = serde_json::from_slice(head).ok()?;
        Some(Request { method, target, headers, body: Bytes::copy_from_slice(body) })
    }
}

/// Headers that are of one connection, not of the message (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers of a message that go on with it: none that are of the connection, or that it names as such.
pub fn end_to_end(headers: &http::HeaderMap) -> Vec<(String, Vec<u8>)> {
    let named: Vec<String> = headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(|name| name.trim().to_ascii_lowercase()))
        .collect();
    let goes_on = |name: &str| !HOP_BY_HOP.contains(&name) && !named.iter().any(|other| other == name);
    let kept = headers.iter().filter(|(name, _)| goes_on(name.as_str()));
    kept.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

/// A request as it came, read whole.
pub fn read_request(head: &http::request::Parts, body: Bytes) -> Request {
    Request {
        method: head.method.as_str().to_owned(),
        target: head.uri.path_and_query().map_or_else(|| "/".to_owned(), |target| target.as_str().to_owned()),
        headers: end_to_end(&head.headers),
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_kept_as_it_was() {
        let request = Request {
            method: "POST".to_owned(),
            target: "/pay?x=1".to_owned(),
            headers: vec![("x".to_owned(), vec![0xff, b'"'])],
            body: Bytes::from_static(b"\0\xffbody"),
        };
        assert_eq!(Request::from_bytes(&request.to_bytes()), Some(request.clone()));
        for length in 0..request.to_bytes().len() - request.body.len() {
            assert_eq!(Request::from_bytes(&request.to_bytes()[..length]), None, "{length}");
        }
        assert_eq!(Request::from_bytes(&[0xff; 40]), None);
    }

    #[test]
    fn parameters_are_there_once() {
        let of = |target: &str| {
            let request = Request { target: target.to_owned(), ..Request::default() };
            request.query("tenant")
        };
        assert_eq!(of("/pay"), Ok(None));
        assert_eq!(of("/pay?x=tenant"), Ok(None));
        assert_eq!(of("/pay?tenant=a&x=1"), Ok(Some(b"a".to_vec())));
        assert_eq!(of("/pay?ten%61nt=%61%ff"), Ok(Some(b"a\xff".to_vec())));
        assert_eq!(of("/pay?tenant"), Ok(Some(Vec::new())));
        assert_eq!(of("/pay?tenant=a&%74enant=a"), Err(Repeated));
    }

    #[test]
    fn headers_of_the_connection_stay_behind() {
        let mut headers = http::HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("transfer-encoding", "chunked"),
            ("content-type", "text/plain"),
        ] {
            headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        assert_eq!(end_to_end(&headers), [("content-type".to_owned(), b"text/plain".to_vec())]);
    }
}
