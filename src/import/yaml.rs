//! YAML → trees, from the parser's events: what is built is bounded while it is built.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::Fault;
use super::tree::{DEPTH_MAX, NODES_MAX, Node, Place, Value};

/// A collection that is not closed yet.
struct Open {
    place: Place,
    map: bool,
    /// Values; of a mapping, keys and values in turn.
    nodes: Vec<Node>,
}

fn place(span: &Span) -> Place {
    Some((span.start.line().max(1), span.start.col() + 1))
}

/// The documents of a file. Aliases are refused: nothing that is imported needs them, and a few lines of
/// them can stand for more than any memory holds.
pub fn documents(text: &str) -> Result<Vec<Node>, Fault> {
    let (mut documents, mut open, mut nodes) = (Vec::new(), Vec::<Open>::new(), 0_usize);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error: ScanError| {
            let marker = error.marker();
            Fault::at(Some((marker.line().max(1), marker.col() + 1)), format!("not YAML: {}", error.info()))
        })?;
        let at = place(&span);
        nodes += 1;
        if nodes > NODES_MAX {
            return Err(Fault::at(at, format!("more than {NODES_MAX} values, the most that is read")));
        }
        let done = match event {
            Event::Alias(_) => {
                return Err(Fault::at(at, "aliases (`*name`) are not read: write the value out"));
            }
            Event::Scalar(text, style, _, _) => Node::new(
                at,
                if style == ScalarStyle::Plain { plain(&text) } else { Value::Text(text.into()) },
            ),
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if open.len() == DEPTH_MAX {
                    return Err(Fault::at(
                        at,
                        format!("more than {DEPTH_MAX} collections inside one another"),
                    ));
                }
                let map = matches!(event, Event::MappingStart(..));
                open.push(Open { place: at, map, nodes: Vec::new() });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(ended) => close(ended)?,
                None => continue,
            },
            _ => continue,
        };
        match open.last_mut() {
            Some(outer) => outer.nodes.push(done),
            None => documents.push(done),
        }
    }
    Ok(documents)
}

fn close(ended: Open) -> Result<Node, Fault> {
    let Open { place, map, nodes, .. } = ended;
    if !map {
        return Ok(Node::new(place, Value::List(nodes)));
    }
    let mut entries: Vec<(String, Node)> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut nodes = nodes.into_iter();
    while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
        let name = match key.value {
            Value::Text(text) | Value::Number(text) => text,
            Value::Bool(flag) => flag.to_string(),
            Value::Null => "null".to_owned(),
            Value::List(_) | Value::Map(_) => return Err(Fault::at(key.place, "a key that is no text")),
        };
        if !seen.insert(name.clone()) {
            let name = crate::source::suggest::short(&name);
            return Err(Fault::at(key.place, format!("the key `{name}` is there twice")));
        }
        entries.push((name, value));
    }
    Ok(Node::new(place, Value::Map(entries)))
}

/// A plain scalar, as Kubernetes and YAML 1.2 resolve it.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
            && text.parse::<f64>().is_ok() =>
        {
            Value::Number(text.to_owned())
        }
        _ => Value::Text(text.to_owned()),
    }
}
