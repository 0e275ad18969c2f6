//! JSON → a tree. serde_json itself bounds the depth.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Fault;
use super::tree::{NODES_MAX, Node, Value};

pub fn document(text: &str) -> Result<Node, Fault> {
    // A number of values is bounded by the separators between them.
    if text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{' | b':')).count() > 2 * NODES_MAX {
        return Err(Fault::at(None, format!("more than {NODES_MAX} values, the most that is read")));
    }
    let read: Result<Read, _> = serde_json::from_str(text);
    read.map(|Read(node)| node).map_err(|error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        Fault::at(Some((error.line().max(1), error.column().max(1))), format!("not JSON: {message}"))
    })
}

/// A wrapper: the tree itself knows no format.
struct Read(Node);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reading).map(|value| Read(Node::new(None, value)))
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Read(node)) = items.next_element()? {
            list.push(node);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut seen = std::collections::BTreeSet::new();
        let mut map: Vec<(String, Node)> = Vec::new();
        while let Some((key, Read(node))) = entries.next_entry::<String, Read>()? {
            if !seen.insert(key.clone()) {
                let key = crate::source::suggest::short(&key);
                return Err(A::Error::custom(format!("the key `{key}` is there twice")));
            }
            map.push((key, node));
        }
        Ok(Value::Map(map))
    }
}
