//! A receipt as a row: the columns that the stores with tables have, and back.

use super::{Effect, Millis, Owner, Receipt, Response, Status, StoreError};

/// The columns of a receipt beside its key, in the order of [`Row`]'s fields.
pub(super) const RECEIPT: &str = "status, owner, token, revision, fingerprint, checkpoint, answer_status, \
     answer_headers, answer_body, request, lease_until, expires_at, claimed_at";

/// The columns of an effect beside its operation, in the order of [`EffectRow`]'s fields.
pub(super) const EFFECT: &str =
    "number, fingerprint, token, answer_status, answer_headers, answer_body, landed_at";

/// A receipt as it is stored.
pub(super) struct Row {
    pub status: String,
    pub owner: Vec<u8>,
    pub token: i64,
    pub revision: i64,
    pub fingerprint: Vec<u8>,
    pub checkpoint: Option<String>,
    pub answer: AnswerRow,
    pub request: Vec<u8>,
    pub lease_until: Option<Millis>,
    pub expires_at: Option<Millis>,
    pub claimed_at: Millis,
}

/// A response as it is stored: all of its columns, or none.
#[derive(Default)]
pub(super) struct AnswerRow {
    pub status: Option<i64>,
    pub headers: Option<String>,
    pub body: Option<Vec<u8>>,
}

/// An effect as it is stored.
pub(super) struct EffectRow {
    pub number: i64,
    pub fingerprint: Vec<u8>,
    pub token: i64,
    pub answer: AnswerRow,
    pub at: Millis,
}

impl Row {
    pub fn receipt(self) -> Result<Receipt, StoreError> {
        let status = Status::from_name(&self.status)
            .ok_or_else(|| corrupt(format!("`{}` is no status", self.status.escape_debug())))?;
        let owner: [u8; 16] = self
            .owner
            .try_into()
            .map_err(|owner: Vec<u8>| corrupt(format!("an owner of {} bytes", owner.len())))?;
        Ok(Receipt {
            status,
            owner: Owner::from_bytes(owner),
            token: unsigned("token", self.token)?,
            revision: unsigned("revision", self.revision)?,
            fingerprint: self.fingerprint,
            checkpoint: self.checkpoint,
            response: self.answer.response()?,
            request: self.request,
            lease_until: self.lease_until,
            expires_at: self.expires_at,
            claimed_at: self.claimed_at,
        })
    }
}

impl AnswerRow {
    pub fn new(response: Option<&Response>) -> AnswerRow {
        response.map_or_else(AnswerRow::default, |response| AnswerRow {
            status: Some(response.status.into()),
            headers: Some(headers_text(&response.headers)),
            body: Some(response.body.clone()),
        })
    }

    pub fn response(self) -> Result<Option<Response>, StoreError> {
        let (status, headers, body) = match (self.status, self.headers, self.body) {
            (Some(status), Some(headers), Some(body)) => (status, headers, body),
            (None, None, None) => return Ok(None),
            _ => return Err(corrupt("half a response".to_owned())),
        };
        let status =
            u16::try_from(status).map_err(|_| corrupt(format!("a response's status of {status}")))?;
        Ok(Some(Response { status, headers: read_headers(&headers)?, body }))
    }
}

impl EffectRow {
    pub fn effect(self) -> Result<Effect, StoreError> {
        Ok(Effect {
            number: unsigned("number", self.number)?,
            fingerprint: self.fingerprint,
            token: unsigned("token", self.token)?,
            response: self
                .answer
                .response()?
                .ok_or_else(|| corrupt("an effect without a response".into()))?,
            at: self.at,
        })
    }
}

/// A JSON list of pairs. A value's bytes are its characters' numbers, so that any bytes are text.
pub(super) fn headers_text(headers: &[(String, Vec<u8>)]) -> String {
    let texts = |(name, value): &(String, Vec<u8>)| {
        (name.clone(), value.iter().map(|byte| char::from(*byte)).collect::<String>())
    };
    serde_json::to_string(&headers.iter().map(texts).collect::<Vec<_>>()).unwrap_or_default()
}

pub(super) fn read_headers(text: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let fault = || corrupt("headers that are no list of pairs".to_owned());
    let pairs: Vec<(String, String)> = serde_json::from_str(text).map_err(|_| fault())?;
    let bytes = |(name, value): (String, String)| {
        let value: Result<Vec<u8>, _> = value.chars().map(u8::try_from).collect();
        value.map(|value| (name, value)).map_err(|_| fault())
    };
    pairs.into_iter().map(bytes).collect()
}

pub(super) fn corrupt(what: String) -> StoreError {
    StoreError::Corrupt(what)
}

/// A number that only grows, as it is stored.
pub(super) fn signed(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Refused(format!("{number} is no token of this store")))
}

fn unsigned(name: &str, number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| corrupt(format!("a {name} of {number}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_any_bytes_come_back() {
        let headers =
            vec![("x-ü\"\n".to_owned(), (0..=255).collect::<Vec<u8>>()), (String::new(), Vec::new())];
        assert_eq!(read_headers(&headers_text(&headers)), Ok(headers));
        for text in ["", "{}", "[[\"a\"]]", "[[\"a\",\"\u{100}\"]]"] {
            assert!(matches!(read_headers(text), Err(StoreError::Corrupt(_))), "{text}");
        }
    }
}
