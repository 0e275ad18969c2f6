//! Where a line of a log has what is asked of it: the server's own way, or as a file says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Which field of a line is what. A name that begins with `/` is a JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Map {
    /// Whose log the line is; lines of other policies are passed over.
    pub policy: Option<String>,
    /// The idempotency key, or anything that stands for it.
    pub key: String,
    /// The attempt: one delivery of a request, from its first step to its last.
    pub attempt: String,
    /// When the step was done.
    pub time: String,
    /// When it began.
    pub began: Option<String>,
    #[serde(default)]
    pub unit: Unit,
    /// The state of the model.
    pub state: String,
    /// What its operation came to.
    pub outcome: String,
    /// Anything that tells two payloads apart, such as a digest.
    pub payload: Option<String>,
    /// Fields and the values that lines of steps have; other lines are passed over.
    #[serde(default)]
    pub only: BTreeMap<String, String>,
    /// The same of lines that tell that an attempt begins.
    #[serde(default)]
    pub begins: BTreeMap<String, String>,
    /// What the log calls a state, and the model's name of it.
    #[serde(default)]
    pub states: BTreeMap<String, String>,
    /// What the log calls an outcome, or `STATE.OUTCOME` with the model's state, and the model's name of it.
    #[serde(default)]
    pub outcomes: BTreeMap<String, String>,
}

/// What a number in the field of a time counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    S,
    #[default]
    Ms,
    Us,
    Ns,
    /// Text such as `2026-01-31T12:00:00.123Z`.
    Rfc3339,
}

/// Times are whole microseconds of at most this size.
const TIME_MAX: i64 = 1 << 53;

impl Map {
    /// The way in which `idemcheck serve --log json --log-level debug` writes.
    pub fn of_server() -> Map {
        let field = |name: &str| name.to_owned();
        let says = |text: &str| BTreeMap::from([("message".to_owned(), text.to_owned())]);
        Map {
            policy: Some(field("policy")),
            key: field("key"),
            attempt: field("attempt"),
            time: field("at_ms"),
            began: Some(field("from_ms")),
            unit: Unit::Ms,
            state: field("state"),
            outcome: field("outcome"),
            payload: Some(field("payload")),
            only: says("step"),
            begins: says("attempt begins"),
            states: BTreeMap::new(),
            outcomes: BTreeMap::new(),
        }
    }

    /// Reads a mapping.
    ///
    /// # Errors
    /// Its line and column, from 1, and what is wrong there.
    pub fn parse(text: &str) -> Result<Map, (usize, usize, String)> {
        toml::from_str(text).map_err(|error| {
            let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            (line, column, error.message().to_owned())
        })
    }

    /// The time in a field, in microseconds.
    ///
    /// # Errors
    /// What it should be.
    pub fn time(&self, value: &Value) -> Result<i64, String> {
        if self.unit == Unit::Rfc3339 {
            let text = value.as_str().ok_or("a text such as \"2026-01-31T12:00:00.123Z\"")?;
            let time: Timestamp =
                text.parse().map_err(|_| "a time with its zone, such as \"2026-01-31T12:00:00.123Z\"")?;
            return Ok(time.as_microsecond());
        }
        let (per, divided) = match self.unit {
            Unit::S => (1_000_000, 1),
            Unit::Us => (1, 1),
            Unit::Ns => (1, 1_000),
            Unit::Ms | Unit::Rfc3339 => (1_000, 1),
        };
        let wrong = || "a number of a sensible size".to_owned();
        let micros = if let Some(whole) = value.as_i64() {
            whole.checked_mul(per).map(|time| time.div_euclid(divided)).ok_or_else(wrong)?
        } else {
            let number = value.as_f64().ok_or_else(|| "a number".to_owned())?;
            // Out of range, it ends up at the greatest number, and is refused.
            (number * per as f64 / divided as f64).floor() as i64
        };
        if micros.abs() > TIME_MAX { Err(wrong()) } else { Ok(micros) }
    }
}

/// What a field of a line holds.
pub fn field<'v>(line: &'v Value, name: &str) -> Option<&'v Value> {
    if name.starts_with('/') { line.pointer(name) } else { line.get(name) }
}

/// Whether a line has these values.
pub fn has(line: &Value, wanted: &BTreeMap<String, String>) -> bool {
    wanted
        .iter()
        .all(|(name, value)| field(line, name).is_some_and(|found| text_of(found).as_deref() == Some(value)))
}

/// A text, a number or a truth value as text.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}
