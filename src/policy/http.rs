//! `[http]`: how the operation is asked for over HTTP, for those who run it: `serve` and the layer.
//!
//! The checker has no use for it: a key is a key, wherever it stands in a request.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::read::map;
use super::{Policy, SuppliedBy, TriggerKind};
use crate::diag::{Code, Diagnostic};
use crate::source::keys::{Key, Kind, Section};
use crate::source::reader::{Reader, Table};
use crate::source::suggest::{closest, list, short};

const STATUS: Kind = Kind::Count { min: 400, max: 599 };

pub static HTTP: Section = Section {
    doc: "How the operation is asked for over HTTP.",
    keys: &[
        Key::new(
            "key_header",
            Kind::Text,
            "key_header = \"Idempotency-Key\"",
            "The header in which a client supplies its key.",
        )
        .default("Idempotency-Key"),
        Key::new(
            "methods",
            Kind::Several(|| METHODS.to_vec()),
            "methods = [\"POST\", \"PATCH\"]",
            "The methods that need a key; others pass.",
        )
        .default("[\"POST\", \"PATCH\"]"),
        Key::new(
            "fields",
            Kind::Map(None, &Kind::Text),
            "[http.fields]\ntenant = \"header:X-Tenant\"",
            "Where the fields of `[key]` stand: `header:NAME`, `json:/POINTER`, `query:NAME`, `method`, `path` or `body`.",
        )
        .default("method, path and body by their names"),
        Key::new("in_flight", STATUS, "in_flight = 409", "The status that says that another attempt is at it.")
            .default("409"),
        Key::new("mismatch", STATUS, "mismatch = 422", "The status that says that the key came with another payload.")
            .default("422"),
        Key::new("missing_key", STATUS, "missing_key = 400", "The status that says that there is no key, or a malformed one.")
            .default("400"),
        Key::new(
            "replay_marker",
            Kind::Text,
            "replay_marker = \"Idempotent-Replayed\"",
            "The header that marks a recorded answer.",
        )
        .default("Idempotent-Replayed"),
        Key::new(
            "native_header",
            Kind::Text,
            "native_header = \"Idempotency-Key\"",
            "The header in which the downstream takes a native key.",
        )
        .default("Idempotency-Key"),
        Key::new(
            "token_header",
            Kind::Text,
            "token_header = \"Fencing-Token\"",
            "The header in which the downstream takes a fencing token.",
        )
        .default("Fencing-Token"),
    ],
    later: &[],
};

const METHODS: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// `[http]`, with its defaults: those of the IETF draft on the Idempotency-Key header, where it has any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    pub key_header: String,
    pub methods: Vec<&'static str>,
    /// By the name of the field in `[key]`.
    pub fields: BTreeMap<String, FieldSource>,
    pub in_flight: u16,
    pub mismatch: u16,
    pub missing_key: u16,
    pub replay_marker: String,
    pub native_header: String,
    pub token_header: String,
}

impl Default for Http {
    fn default() -> Http {
        Http {
            key_header: "Idempotency-Key".to_owned(),
            methods: vec!["POST", "PATCH"],
            fields: BTreeMap::new(),
            in_flight: 409,
            mismatch: 422,
            missing_key: 400,
            replay_marker: "Idempotent-Replayed".to_owned(),
            native_header: "Idempotency-Key".to_owned(),
            token_header: "Fencing-Token".to_owned(),
        }
    }
}

/// Where a field stands in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldSource {
    Header(String),
    /// A JSON pointer into the body.
    Json(String),
    Query(String),
    Method,
    Path,
    Body,
}

impl FieldSource {
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<FieldSource, String> {
        let named = |name: &str| !name.is_empty() && name.len() <= 255;
        match text.split_once(':') {
            Some(("header", name)) if is_header(name) => Ok(FieldSource::Header(name.to_owned())),
            Some(("header", name)) => Err(format!("`{}` is no name of a header", short(name))),
            Some(("query", name)) if named(name) => Ok(FieldSource::Query(name.to_owned())),
            Some(("json", pointer)) if pointer.starts_with('/') && named(pointer) => {
                Ok(FieldSource::Json(pointer.to_owned()))
            }
            Some(("json", _)) => Err("a JSON pointer begins with `/`".to_owned()),
            None => FieldSource::by_name(text).ok_or_else(|| "it names no place in a request".to_owned()),
            Some(_) => Err("it names no place in a request".to_owned()),
        }
    }

    /// The places that need no declaration.
    fn by_name(name: &str) -> Option<FieldSource> {
        match name {
            "method" => Some(FieldSource::Method),
            "path" => Some(FieldSource::Path),
            "body" => Some(FieldSource::Body),
            _ => None,
        }
    }
}

/// A token of RFC 9110, which is what header names are.
pub(super) fn is_header(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= 100 && name.bytes().all(token)
}

pub(super) fn read(table: &Table<'_>, reader: &mut Reader) -> Http {
    let mut http = Http::default();
    let headers = [
        ("key_header", &mut http.key_header),
        ("replay_marker", &mut http.replay_marker),
        ("native_header", &mut http.native_header),
        ("token_header", &mut http.token_header),
    ];
    for (name, to) in headers {
        let Some(text) = reader.text(table, name) else { continue };
        if is_header(&text.value) {
            *to = text.value;
        } else {
            let message = format!("`{}` is no name of a header", short(&text.value));
            let diagnostic = reader.fault(Code::HttpSource, message).at(text.span, "");
            reader.push(
                diagnostic
                    .help("letters, digits and hyphens: for example")
                    .paste(format!("{name} = \"{to}\"")),
            );
        }
    }
    let codes = [
        ("in_flight", &mut http.in_flight),
        ("mismatch", &mut http.mismatch),
        ("missing_key", &mut http.missing_key),
    ];
    for (name, to) in codes {
        if let Some(code) = reader.count(table, name) {
            *to = u16::try_from(code.value).unwrap_or(*to);
        }
    }
    if let Some(methods) = methods(table, reader) {
        http.methods = methods;
    }
    for (name, value) in map(table, "fields", reader).map(|map| map.entries).unwrap_or_default() {
        let source = match value.get_ref().as_str() {
            Some(text) => FieldSource::parse(text),
            None => Err("it is no string".to_owned()),
        };
        match source {
            Ok(source) => {
                http.fields.insert(name.value, source);
            }
            Err(why) => {
                let message = format!("the place of `{}` can't be read: {why}", short(&name.value));
                let diagnostic = reader.fault(Code::HttpSource, message).at(value.span(), "");
                let help = "write `header:NAME`, `json:/POINTER`, `query:NAME`, `method`, `path` or `body`";
                reader.push(
                    diagnostic.help(help).paste(format!("{} = \"header:X-Tenant\"", short(&name.value))),
                );
            }
        }
    }
    http
}

fn methods(table: &Table<'_>, reader: &mut Reader) -> Option<Vec<&'static str>> {
    let given = reader.names(table, "methods", &[])?.value;
    let given = |method: &&str| given.iter().any(|name| name.value == **method);
    Some(METHODS.into_iter().filter(given).collect())
}

/// `[http]` against the rest of the policy.
pub(super) fn rules(draft: &Draft, out: &mut Vec<Diagnostic>) {
    let Some(http) = &draft.http else { return };
    let kind = draft.trigger.kind.map_or(TriggerKind::Http, |kind| kind.value);
    if kind != TriggerKind::Http {
        out.push(
            Diagnostic::new(
                Code::TriggerMismatch,
                draft.file,
                "`[http]` describes requests, and the trigger is none",
            )
            .at(http.span, "")
            .help("remove the table, or say so in `[trigger]`")
            .paste("kind = \"http\""),
        );
    }
    let Some(key) = &draft.key else { return };
    let from = key.from.iter().flat_map(|from| from.value.iter().map(|field| field.value.as_str()));
    let known: Vec<&str> = from.chain(key.fingerprint.iter().map(String::as_str)).collect();
    for field in http.value.fields.keys().filter(|field| !known.contains(&field.as_str())) {
        let message = format!("`[key]` has no field `{}`", short(field));
        let diagnostic =
            Diagnostic::new(Code::HttpFieldUnused, draft.file, message).at(http.span, "says where it stands");
        out.push(match closest(field, known.iter().copied()) {
            Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
            None if known.is_empty() => diagnostic.help("its `from` and `fingerprint` are empty"),
            None => diagnostic.help(format!("its fields are {}", list(known.iter().copied()))),
        });
    }
}

impl Policy {
    /// Where the fields stand that scope the key, in the order of `[key] from`: those that `[http.fields]`
    /// places. What a client supplies stands for the others.
    ///
    /// # Errors
    /// The fields that have no place, though the server must compute the key from them.
    pub fn scope_fields(&self) -> Result<Vec<(&str, FieldSource)>, Vec<&str>> {
        let place =
            |field: &str| self.http.fields.get(field).cloned().or_else(|| FieldSource::by_name(field));
        let (placed, missing): (Vec<_>, Vec<_>) = self
            .key
            .from
            .iter()
            .map(|field| (field.as_str(), place(field)))
            .partition(|(_, place)| place.is_some());
        let missing: Vec<&str> = missing.into_iter().map(|(field, _)| field).collect();
        if self.key.supplied_by == SuppliedBy::Server && !missing.is_empty() {
            return Err(missing);
        }
        Ok(placed.into_iter().filter_map(|(field, place)| Some((field, place?))).collect())
    }

    /// Where the fields of the fingerprint stand.
    ///
    /// # Errors
    /// The fields that have no place.
    pub fn fingerprint_fields(&self) -> Result<Vec<FieldSource>, Vec<&str>> {
        let place =
            |field: &str| self.http.fields.get(field).cloned().or_else(|| FieldSource::by_name(field));
        let missing = |field: &&String| place(field).is_none();
        let missing: Vec<&str> = self.key.fingerprint.iter().filter(missing).map(String::as_str).collect();
        if missing.is_empty() {
            Ok(self.key.fingerprint.iter().filter_map(|field| place(field)).collect())
        } else {
            Err(missing)
        }
    }
}
