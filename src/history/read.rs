//! History files: JSON Lines, read as a stream, with every fault at its line.

use std::io::{self, BufRead};

use serde_json::Value;

use super::book::{Book, Place, Wrong};
use super::record::{Action, Count, Effect, Header, Record, Request};
use crate::source::suggest::{closest, list, short};

/// A longer line is no record.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Faults that are kept of one file; the rest is counted.
pub const FAULTS_MAX: usize = 100;

/// A fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFault {
    /// From 1.
    pub line: u32,
    pub wrong: Wrong,
}

/// What was wrong with a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub shown: Vec<LineFault>,
    /// Those beyond [`FAULTS_MAX`].
    pub more: u64,
}

impl Faults {
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    fn push(&mut self, line: u32, wrong: Wrong) {
        if self.shown.len() < FAULTS_MAX {
            self.shown.push(LineFault { line, wrong });
        } else {
            self.more += 1;
        }
    }
}

/// Reads a file to its end into the book; blank lines are skipped.
///
/// # Errors
/// The file could not be read.
pub fn read(name: &str, mut from: impl BufRead, book: &mut Book) -> io::Result<Faults> {
    let mut faults = Faults::default();
    let file = u32::try_from(book.files.len()).unwrap_or(u32::MAX);
    book.files.push(name.to_owned());
    let mut line = Vec::new();
    let mut number = 0_u32;
    loop {
        line.clear();
        let more = next_line(&mut from, &mut line)?;
        if !more && line.is_empty() {
            return Ok(faults);
        }
        number = number.saturating_add(1);
        if line.len() > LINE_BYTES_MAX {
            let message = format!("the line is longer than {LINE_BYTES_MAX} bytes");
            faults.push(
                number,
                Wrong::new(message, "write digests of bodies and answers, and one record a line"),
            );
            continue;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let added = parse(&line).and_then(|record| book.add(record, Place { file, line: number }));
        if let Err(wrong) = added {
            faults.push(number, wrong);
        }
    }
}

/// Appends a line without its end; of one that is too long, the beginning. False at the end of the file.
pub(crate) fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let bytes = match from.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if bytes.is_empty() {
            return Ok(false);
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(bytes.len(), |end| end + 1);
        let room = (LINE_BYTES_MAX + 1).saturating_sub(line.len());
        line.extend_from_slice(&bytes[..end.unwrap_or(bytes.len()).min(room)]);
        from.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// One line as a record.
///
/// # Errors
/// What is wrong, and what to write instead.
pub fn parse(line: &[u8]) -> Result<Record, Wrong> {
    serde_json::from_slice(line).map_err(|error| explain(line, &error))
}

/// The schema of a line, where the fields of each type are.
fn known_fields(of: &str) -> Option<Vec<String>> {
    let schema = match of {
        "header" => schemars::schema_for!(Header),
        "request" => schemars::schema_for!(Request),
        "effect" => schemars::schema_for!(Effect),
        "count" => schemars::schema_for!(Count),
        "action" => schemars::schema_for!(Action),
        _ => return None,
    };
    let properties = schema.as_value().get("properties").and_then(Value::as_object);
    Some(properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default())
}

/// What is wrong with a line that is no record.
fn explain(line: &[u8], error: &serde_json::Error) -> Wrong {
    const TYPES: [&str; 5] = ["header", "request", "effect", "count", "action"];
    let Ok(value) = serde_json::from_slice::<Value>(line) else {
        let at = error.column();
        let message = format!("the line is not JSON (column {at})");
        return Wrong::new(message, "write one object a line, without line breaks in it");
    };
    let Some(object) = value.as_object() else {
        return Wrong::new("the line is no object", "write {\"type\": \"request\", …}");
    };
    let kind = match object.get("type").map(|kind| kind.as_str()) {
        None => return Wrong::new("`type` is missing", format!("write one of {}", list(TYPES))),
        Some(None) => return Wrong::new("`type` is no string", format!("write one of {}", list(TYPES))),
        Some(Some(kind)) => kind,
    };
    let Some(known) = known_fields(kind) else {
        let message = format!("there is no type `{}`", short(kind));
        return Wrong::new(message, did_you_mean(kind, TYPES));
    };
    for field in object.keys().filter(|field| *field != "type") {
        if !known.iter().any(|known| known == field) {
            let message = format!("a {kind} has no field `{}`", short(field));
            return Wrong::new(message, did_you_mean(field, known.iter().map(String::as_str)));
        }
    }
    // What serde says ends with a place in the line, which is not a place in the file.
    let said = error.to_string();
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    Wrong::new(format!("not a {kind}: {said}"), "`idemcheck schema history` has the types of all fields")
}

fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match closest(word, known.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("write one of {}", list(known)),
    }
}
