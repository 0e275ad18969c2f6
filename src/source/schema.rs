//! JSON Schema from the tables of keys.

use serde_json::{Map, Value, json};

use super::duration::DURATION_PATTERN;
use super::keys::{FIELD_PATTERN, IDENTIFIER_PATTERN, Key, Kind, NAME_PATTERN, Section};

/// A whole schema: the section with its title.
pub fn root(title: &str, section: &Section) -> Value {
    let mut schema = table(section);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(title);
    schema
}

/// The schema of a table with fixed keys.
pub fn table(section: &Section) -> Value {
    let properties: Map<String, Value> =
        section.keys.iter().map(|entry| (entry.name.to_owned(), key(entry))).collect();
    let required: Vec<&str> = section.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({
        "type": "object",
        "description": section.doc,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// The schema of one key's value, with its documentation.
pub fn key(key: &Key) -> Value {
    let mut schema = kind(&key.kind);
    let mut doc = key.doc.to_owned();
    if !key.default.is_empty() {
        doc.push_str(&format!(" Default: {}.", key.default));
    }
    schema["description"] = json!(doc);
    schema
}

/// The schema of a kind of value.
pub fn kind(of: &Kind) -> Value {
    match of {
        Kind::Text => json!({ "type": "string", "pattern": "\\S" }),
        Kind::Identifier => json!({ "type": "string", "pattern": IDENTIFIER_PATTERN }),
        Kind::Name => json!({ "type": "string", "pattern": NAME_PATTERN }),
        Kind::NameOrPath => json!({ "type": "string", "minLength": 1 }),
        Kind::Fields { empty } => json!({
            "type": "array",
            "items": { "type": "string", "pattern": FIELD_PATTERN },
            "uniqueItems": true,
            "minItems": u32::from(!empty),
        }),
        Kind::Texts => json!({
            "type": "array",
            "items": { "type": "string", "pattern": "\\S" },
            "minItems": 1,
        }),
        Kind::OneOf(words) => json!({ "enum": words() }),
        Kind::Several(words) => json!({
            "type": "array",
            "items": { "enum": words() },
            "uniqueItems": true,
            "minItems": 1,
        }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Share => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Kind::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Duration { .. } => json!({ "type": "string", "pattern": DURATION_PATTERN }),
        Kind::DurationRange => json!({
            "type": "array",
            "items": { "type": "string", "pattern": DURATION_PATTERN },
            "minItems": 2,
            "maxItems": 2,
        }),
        Kind::Wait => json!({ "anyOf": [
            { "type": "string", "pattern": DURATION_PATTERN },
            { "type": "string", "pattern": "^\\?[a-z0-9_]{1,64}$" },
        ] }),
        Kind::NativeKey => json!({ "anyOf": [
            { "type": "boolean" },
            {
                "type": "object",
                "properties": {
                    "ttl": { "type": "string", "pattern": DURATION_PATTERN },
                    "compares": { "type": "boolean" },
                },
                "additionalProperties": false,
            },
        ] }),
        // Editors' TOML servers hand dates over as strings.
        Kind::Date => json!({ "type": "string", "format": "date" }),
        Kind::Target => json!({ "type": "string", "minLength": 1 }),
        Kind::Table(section) => table(section),
        Kind::Tables(section) => json!({ "type": "array", "items": table(section) }),
        Kind::Map(words, value) => {
            let mut schema = json!({ "type": "object", "additionalProperties": kind(value) });
            schema["propertyNames"] = match words {
                Some(words) => json!({ "enum": words() }),
                None => json!({ "pattern": IDENTIFIER_PATTERN }),
            };
            schema
        }
        Kind::NamedTables(section) => json!({
            "type": "object",
            "propertyNames": { "pattern": IDENTIFIER_PATTERN },
            "additionalProperties": table(section),
        }),
        Kind::Named => json!({ "type": "object", "propertyNames": { "pattern": IDENTIFIER_PATTERN } }),
    }
}
