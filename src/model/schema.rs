//! The JSON Schema of model files.

use serde_json::{Map, Value, json};

use super::operations::{OPERATIONS, OPTIONAL};
use super::read::{DO, MODEL, TARGET};
use crate::source::keys::IDENTIFIER_PATTERN;
use crate::source::schema;

/// JSON Schema (draft 2020-12) of a model file.
pub fn model_schema() -> Value {
    let mut root = schema::root("idemcheck model", &MODEL);
    let target = schema::kind(&TARGET.kind);
    let choice = json!({
        "type": "object",
        "propertyNames": { "pattern": IDENTIFIER_PATTERN },
        "additionalProperties": target,
        "minProperties": 1,
    });
    root["properties"]["choice"]["additionalProperties"] = choice;
    root["properties"]["state"]["additionalProperties"] = json!({
        "type": "object",
        "required": ["do"],
        "properties": { "do": {
            "description": DO.doc,
            "enum": OPERATIONS.iter().map(|spec| spec.name).collect::<Vec<_>>(),
        } },
        "oneOf": OPERATIONS.iter().map(operation).collect::<Vec<_>>(),
    });
    root["properties"]["state"]["minProperties"] = json!(1);
    root
}

fn operation(spec: &super::OperationSpec) -> Value {
    let mut properties = Map::new();
    properties.insert("do".to_owned(), json!({ "const": spec.name, "description": spec.doc }));
    let mut required = vec!["do"];
    for key in spec.options.keys {
        properties.insert(key.name.to_owned(), schema::key(key));
        if key.required {
            required.push(key.name);
        }
    }
    let optional = spec.may_be_unavailable().then_some(&OPTIONAL);
    for outcome in spec.outcomes.iter().chain(optional) {
        let mut target = schema::kind(&TARGET.kind);
        target["description"] = json!(TARGET.doc);
        properties.insert(outcome.name().to_owned(), target);
        if *outcome != OPTIONAL {
            required.push(outcome.name());
        }
    }
    json!({
        "description": spec.doc,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
