//! Items of the table, and what they stand for.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::super::row::{AnswerRow, EffectRow, Row, corrupt, signed};
use super::super::{Audit, Audited, Effect, Key, Millis, Receipt, Seen, StoreError, hex, newer_schema};
use super::{ITEM_BYTES_MAX, KEPT_PAST_END, SCHEMA};

pub(super) type Item = HashMap<String, AttributeValue>;
pub(super) type Values = HashMap<String, AttributeValue>;

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn bytes(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// The name of a key's item: keys are longer, and of any text.
pub(super) fn named(kind: char, key: &Key) -> String {
    use sha2::{Digest, Sha256};
    format!("{kind}#{}", hex(&Sha256::digest(key.as_str().as_bytes())))
}

/// An item of this name.
pub(super) fn item(name: &str) -> Item {
    Item::from([("pk".to_owned(), text(name))])
}

/// The attributes of an item, read one by one.
pub(super) struct Fields<'a>(pub(super) &'a Item);

impl Fields<'_> {
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, StoreError> {
        let wrong = |_: &AttributeValue| corrupt(format!("a {name} that is no text"));
        self.0.get(name).map(|value| value.as_s().cloned().map_err(wrong)).transpose()
    }

    fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let wrong = |_: &AttributeValue| corrupt(format!("a {name} that is no bytes"));
        let blob = self.0.get(name).map(|value| value.as_b().cloned().map_err(wrong)).transpose()?;
        Ok(blob.map(Blob::into_inner))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let wrong = || corrupt(format!("a {name} that is no number"));
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let value = value.as_n().map_err(|_| wrong())?;
        value.parse().map(Some).map_err(|_| wrong())
    }

    /// A number that only grows; 0 where there is none yet.
    pub(super) fn count(&self, name: &str) -> Result<u64, StoreError> {
        let number = self.number(name)?.unwrap_or(0);
        u64::try_from(number).map_err(|_| corrupt(format!("a {name} of {number}")))
    }

    pub(super) fn answer(&self) -> Result<AnswerRow, StoreError> {
        Ok(AnswerRow {
            status: self.number("answer_status")?,
            headers: self.text("answer_headers")?,
            body: self.bytes("answer_body")?,
        })
    }
}

pub(super) fn needed<T>(name: &str, value: Option<T>) -> Result<T, StoreError> {
    value.ok_or_else(|| corrupt(format!("no {name}")))
}

pub(super) fn receipt_from(item: &Item) -> Result<Receipt, StoreError> {
    let fields = Fields(item);
    let row = Row {
        status: fields.text("status")?.unwrap_or_default(),
        owner: needed("owner", fields.bytes("owner")?)?,
        token: needed("token", fields.number("token")?)?,
        revision: needed("revision", fields.number("revision")?)?,
        fingerprint: needed("fingerprint", fields.bytes("fingerprint")?)?,
        checkpoint: fields.text("checkpoint")?,
        answer: fields.answer()?,
        request: needed("request", fields.bytes("request")?)?,
        lease_until: fields.number("lease_until")?,
        expires_at: fields.number("expires_at")?,
        claimed_at: needed("claimed_at", fields.number("claimed_at")?)?,
    };
    row.receipt()
}

fn add_answer(item: &mut Item, answer: AnswerRow) {
    let AnswerRow { status: Some(status), headers: Some(headers), body: Some(body) } = answer else { return };
    item.insert("answer_status".to_owned(), number(status));
    item.insert("answer_headers".to_owned(), text(&headers));
    item.insert("answer_body".to_owned(), bytes(&body));
}

/// When DynamoDB may take something away that is over at this moment, in its seconds.
fn taken_away(over: Millis) -> AttributeValue {
    let kept = i64::try_from(KEPT_PAST_END.as_secs()).unwrap_or(i64::MAX);
    number((over / 1000).saturating_add(kept))
}

/// `swept`: a sweeper is to see it, so DynamoDB must not take it away.
pub(super) fn receipt_item(key: &Key, receipt: &Receipt, swept: bool) -> Result<Item, StoreError> {
    let mut item = item(&named('r', key));
    let mut add = |name: &str, value| drop(item.insert(name.to_owned(), value));
    add("key", text(key.as_str()));
    add("status", text(receipt.status.name()));
    add("owner", bytes(receipt.owner.as_bytes()));
    add("token", number(signed(receipt.token)?));
    add("revision", number(signed(receipt.revision)?));
    add("fingerprint", bytes(&receipt.fingerprint));
    add("request", bytes(&receipt.request));
    add("claimed_at", number(receipt.claimed_at));
    if let Some(checkpoint) = &receipt.checkpoint {
        add("checkpoint", text(checkpoint));
    }
    if let Some(at) = receipt.lease_until {
        add("lease_until", number(at));
    }
    if let Some(at) = receipt.expires_at {
        add("expires_at", number(at));
        if !swept {
            add("ttl", taken_away(at));
        }
    }
    add_answer(&mut item, AnswerRow::new(receipt.response.as_ref()));
    Ok(item)
}

/// What a key that was deleted leaves behind: a number that no later grant may have.
pub(super) fn tombstone(key: &Key, granted: u64, now: Millis) -> Result<Item, StoreError> {
    let mut item = item(&named('r', key));
    item.insert("key".to_owned(), text(key.as_str()));
    item.insert("gone".to_owned(), number(signed(granted)?));
    item.insert("ttl".to_owned(), taken_away(now));
    Ok(item)
}

pub(super) fn effect_item(name: &str, effect: &Effect) -> Result<Item, StoreError> {
    let mut item = item(name);
    item.insert("number".to_owned(), number(signed(effect.number)?));
    item.insert("fingerprint".to_owned(), bytes(&effect.fingerprint));
    item.insert("token".to_owned(), number(signed(effect.token)?));
    item.insert("landed_at".to_owned(), number(effect.at));
    add_answer(&mut item, AnswerRow::new(Some(&effect.response)));
    Ok(item)
}

pub(super) fn effect_from(item: &Item) -> Result<Effect, StoreError> {
    let fields = Fields(item);
    let row = EffectRow {
        number: needed("number", fields.number("number")?)?,
        fingerprint: needed("fingerprint", fields.bytes("fingerprint")?)?,
        token: needed("token", fields.number("token")?)?,
        answer: fields.answer()?,
        at: needed("moment", fields.number("landed_at")?)?,
    };
    row.effect()
}

pub(super) fn audit_item(name: &str, key: &Key, audit: &Audit, at: Millis) -> Item {
    let mut item = item(name);
    let Audit { action, reason, by, before } = audit;
    item.insert("noted_at".to_owned(), number(at));
    for (name, value) in
        [("key", key.as_str()), ("action", action), ("reason", reason), ("said_by", by), ("before", before)]
    {
        item.insert(name.to_owned(), text(value));
    }
    item
}

pub(super) fn audit_from(item: &Item) -> Result<Audited, StoreError> {
    let fields = Fields(item);
    let text = |name: &str| fields.text(name).and_then(|value| needed(name, value));
    Ok(Audited {
        key: Key::from_stored(text("key")?),
        at: needed("moment", fields.number("noted_at")?)?,
        audit: Audit {
            action: text("action")?,
            reason: text("reason")?,
            by: text("said_by")?,
            before: text("before")?,
        },
    })
}

/// What a key's item says.
pub(super) enum Found {
    /// No receipt; the number that the last one left behind, or 0.
    Absent(u64),
    There(Result<Receipt, StoreError>),
}

pub(super) fn found(item: Option<&Item>) -> Found {
    let Some(item) = item else { return Found::Absent(0) };
    if !item.contains_key("gone") {
        return Found::There(receipt_from(item));
    }
    match Fields(item).count("gone") {
        Ok(gone) => Found::Absent(gone),
        Err(error) => Found::There(Err(error)),
    }
}

/// The receipt of an item, and why it can't be read.
pub(super) fn seen(item: Option<&Item>, now: Millis) -> Result<Seen, StoreError> {
    match found(item) {
        Found::Absent(_) => Ok(Seen { receipt: None, now }),
        Found::There(receipt) => receipt.map(|receipt| Seen { receipt: Some(receipt), now }),
    }
}

/// Whether an item is small enough, counted as DynamoDB counts.
pub(super) fn fits(item: &Item) -> Result<(), StoreError> {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        // Half a byte for each digit, and one more.
        AttributeValue::N(number) => number.len() / 2 + 2,
        _ => 0,
    };
    let size: usize = item.iter().map(|(name, one)| name.len() + value(one)).sum();
    if size <= ITEM_BYTES_MAX {
        return Ok(());
    }
    Err(StoreError::Refused(format!("{size} bytes for one item; DynamoDB keeps at most {ITEM_BYTES_MAX}")))
}

/// Whether the items are ours to read.
pub(super) fn known(schema: &Item) -> Result<(), StoreError> {
    let version = needed("version", Fields(schema).number("version")?)?;
    if version > SCHEMA { Err(newer_schema(version, SCHEMA)) } else { Ok(()) }
}
