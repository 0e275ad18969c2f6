//! A receipt as one value. One string costs a script a third of what the fields of a hash do, and a look at it
//! is a plain `GET`.
//!
//! | bytes | |
//! |---|---|
//! | 1 | the version of this layout, `1` |
//! | 1 | the status: `i`, `s` or `f` |
//! | 1 | `s`: kept until it is swept; `-`: it expires by itself |
//! | 5 of 20 each | token, revision, claimed_at, lease_until, expires_at: decimal, blank in front; all blank: none |
//! | 16 | owner |
//! | 2 | the answer's status |
//! | 4 of 4 each | lengths of checkpoint (all ones: none), fingerprint, the answer's headers (0: there is no answer), request |
//! | | these four, then the answer's body |
//!
//! What a script reads and writes stands in front, in fixed places and as text; the other numbers are big-endian.

use super::super::row::{AnswerRow, Row, corrupt, headers_text};
use super::super::{Draft, Receipt, Status, StoreError};

const VERSION: u8 = b'1';
/// What is before the owner.
const NUMBERS: usize = 5;
const NUMBER: usize = 20;
/// A checkpoint's length, where there is none.
const NONE: u32 = u32::MAX;

fn letter(status: Status) -> u8 {
    match status {
        Status::InProgress => b'i',
        Status::Succeeded => b's',
        Status::Failed => b'f',
    }
}

/// A number as it stands in front.
pub(super) fn column(number: impl std::fmt::Display) -> Vec<u8> {
    format!("{number:>NUMBER$}").into_bytes()
}

/// The first three bytes.
pub(super) fn first(draft: &Draft) -> Vec<u8> {
    vec![VERSION, letter(draft.status), if draft.swept { b's' } else { b'-' }]
}

/// What comes after the numbers in front, but the body.
pub(super) fn rest(draft: &Draft) -> Result<Vec<u8>, StoreError> {
    let headers = draft.response.as_ref().map(|response| headers_text(&response.headers)).unwrap_or_default();
    let parts = [
        draft.checkpoint.as_deref().unwrap_or_default().as_bytes(),
        &draft.fingerprint,
        headers.as_bytes(),
        &draft.request,
    ];
    let mut rest = draft.owner.as_bytes().to_vec();
    rest.extend(draft.response.as_ref().map_or(0, |response| response.status).to_be_bytes());
    for (at, part) in parts.iter().enumerate() {
        let length = u32::try_from(part.len()).ok().filter(|length| *length != NONE);
        let length = length.ok_or_else(|| StoreError::Refused(format!("a part of {} bytes", part.len())))?;
        let absent = at == 0 && draft.checkpoint.is_none();
        rest.extend(if absent { NONE } else { length }.to_be_bytes());
    }
    parts.iter().for_each(|part| rest.extend_from_slice(part));
    Ok(rest)
}

/// The receipt that a value is.
pub(super) fn receipt_from(value: Vec<u8>) -> Result<Receipt, StoreError> {
    let mut left = value.as_slice();
    let [version, status, _] = take(&mut left)?;
    if version != VERSION {
        return Err(corrupt("a value of a layout that is not known".to_owned()));
    }
    let status = Status::ALL.into_iter().find(|known| letter(*known) == status);
    let status = status.map(|status| status.name().to_owned()).unwrap_or_default();
    let mut numbers = [None; NUMBERS];
    for number in &mut numbers {
        let text: [u8; NUMBER] = take(&mut left)?;
        let text = text.trim_ascii_start();
        if !text.is_empty() {
            let read = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            *number = Some(read.ok_or_else(|| corrupt("a number that does not read".to_owned()))?);
        }
    }
    let [token, revision, claimed_at, lease_until, expires_at] = numbers;
    let needed = |name: &str, number: Option<i64>| number.ok_or_else(|| corrupt(format!("no {name}")));
    let owner: [u8; 16] = take(&mut left)?;
    let answered = u16::from_be_bytes(take(&mut left)?);
    let mut lengths = [0; 4];
    for length in &mut lengths {
        *length = u32::from_be_bytes(take(&mut left)?);
    }
    let mut part = |length: u32| {
        let (part, after) = left.split_at_checked(length as usize).ok_or_else(short)?;
        left = after;
        Ok::<_, StoreError>(part.to_vec())
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| corrupt("bytes for a text".to_owned()));
    let checkpoint = if lengths[0] == NONE { None } else { Some(text(part(lengths[0])?)?) };
    let (fingerprint, headers, request) = (part(lengths[1])?, part(lengths[2])?, part(lengths[3])?);
    let body = left.to_vec();
    let answer = if !headers.is_empty() {
        AnswerRow { status: Some(answered.into()), headers: Some(text(headers)?), body: Some(body) }
    } else if answered == 0 && body.is_empty() {
        AnswerRow::default()
    } else {
        return Err(corrupt("half a response".to_owned()));
    };
    let row = Row {
        status,
        owner: owner.to_vec(),
        token: needed("token", token)?,
        revision: needed("revision", revision)?,
        fingerprint,
        checkpoint,
        answer,
        request,
        lease_until,
        expires_at,
        claimed_at: needed("claimed_at", claimed_at)?,
    };
    row.receipt()
}

fn take<const N: usize>(left: &mut &[u8]) -> Result<[u8; N], StoreError> {
    let (taken, after) = left.split_first_chunk::<N>().ok_or_else(short)?;
    *left = after;
    Ok(*taken)
}

fn short() -> StoreError {
    corrupt("a value that ends too early".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::super::{Owner, Response, Stamp};
    use super::*;

    fn value(draft: &Draft, numbers: [Option<i64>; NUMBERS]) -> Vec<u8> {
        let mut value = first(draft);
        for number in numbers {
            value.extend(number.map_or_else(|| column(""), column));
        }
        value.extend(rest(draft).unwrap());
        value.extend(draft.response.as_ref().map_or(&[][..], |response| &response.body));
        value
    }

    fn draft() -> Draft {
        Draft {
            status: Status::Failed,
            owner: Owner::from_bytes([255; 16]),
            token: Some(7),
            fingerprint: vec![0, 255],
            checkpoint: Some("s1".to_owned()),
            response: Some(Response {
                status: 502,
                headers: vec![("a".to_owned(), vec![255])],
                body: b"{effect}\0".to_vec(),
            }),
            request: b"asked".to_vec(),
            lease: Stamp::At(-5),
            expiry: Stamp::Never,
            claimed_at: Some(3),
            swept: true,
        }
    }

    #[test]
    fn a_receipt_comes_back_and_half_of_one_is_told() {
        let plain = Draft { checkpoint: None, response: None, request: Vec::new(), ..draft() };
        for draft in [draft(), plain] {
            let whole = value(&draft, [Some(7), Some(9), Some(3), Some(-5), None]);
            assert_eq!(receipt_from(whole.clone()), Ok(draft.receipt(9, 0)));
            let body = draft.response.as_ref().map_or(0, |response| response.body.len());
            for length in 0..whole.len() - body {
                let cut = receipt_from(whole[..length].to_vec());
                assert!(matches!(cut, Err(StoreError::Corrupt(_))), "{length}: {cut:?}");
            }
        }
    }
}
