//! What YAML and JSON have in common: a tree with places, and which of its keys somebody asked for.

use std::cell::Cell;

use super::Fault;
use crate::source::suggest::short;

/// Collections inside one another.
pub const DEPTH_MAX: usize = 64;
/// Scalars, sequences and mappings of one file.
pub const NODES_MAX: usize = 50_000;

/// A line and a column, from 1. None: the format does not tell.
pub type Place = Option<(usize, usize)>;

#[derive(Clone, Debug)]
pub struct Node {
    pub place: Place,
    pub value: Value,
    /// Somebody read it.
    used: Cell<bool>,
}

#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    /// As written; a quoted text is never one.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub fn new(place: Place, value: Value) -> Node {
        Node { place, value, used: Cell::new(false) }
    }

    /// What it is, for an error.
    fn what(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(text) | Value::Text(text) => format!("`{}`", short(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// A node and how it is reached from the top of its document.
#[derive(Clone, Debug)]
pub struct At<'a> {
    pub node: &'a Node,
    pub path: String,
}

impl<'a> At<'a> {
    pub fn top(node: &'a Node) -> At<'a> {
        At { node, path: String::new() }
    }

    pub fn fault(&self, message: impl std::fmt::Display) -> Fault {
        let path = if self.path.is_empty() { "the document" } else { &self.path };
        Fault::at(self.node.place, format!("{path}: {message}"))
    }

    fn misfit<T>(&self, wanted: &str) -> Result<T, Fault> {
        Err(self.fault(format!("{} is not {wanted}", self.node.what())))
    }

    /// The entries of a mapping.
    pub fn map(&self) -> Result<&'a [(String, Node)], Fault> {
        match &self.node.value {
            Value::Map(entries) => Ok(entries),
            _ => self.misfit("a mapping"),
        }
    }

    /// An entry; none where it is absent, or empty as in `key:`.
    pub fn get(&self, key: &str) -> Result<Option<At<'a>>, Fault> {
        let found = self.map()?.iter().find(|(name, _)| name == key);
        Ok(found.map(|(_, node)| self.step(key, node)).filter(|at| !matches!(at.node.value, Value::Null)))
    }

    fn step(&self, key: &str, node: &'a Node) -> At<'a> {
        node.used.set(true);
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        At { node, path }
    }

    /// The entry at `a.b.c`.
    pub fn find(&self, path: &str) -> Result<Option<At<'a>>, Fault> {
        let mut at = self.clone();
        for key in path.split('.') {
            match at.get(key)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    pub fn list(&self) -> Result<Vec<At<'a>>, Fault> {
        let Value::List(items) = &self.node.value else { return self.misfit("a list") };
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, node)| {
                node.used.set(true);
                At { node, path: format!("{}[{index}]", self.path) }
            })
            .collect())
    }

    /// A text; a number counts as the text that it is written as.
    pub fn text(&self) -> Result<&'a str, Fault> {
        match &self.node.value {
            Value::Text(text) | Value::Number(text) => Ok(text),
            _ => self.misfit("a text"),
        }
    }

    /// A whole number that is not negative.
    pub fn count(&self) -> Result<u64, Fault> {
        match &self.node.value {
            Value::Number(text) => match text.parse() {
                Ok(number) => Ok(number),
                Err(_) => self.misfit("a whole number from 0 on"),
            },
            _ => self.misfit("a whole number"),
        }
    }

    pub fn flag(&self) -> Result<bool, Fault> {
        match self.node.value {
            Value::Bool(flag) => Ok(flag),
            _ => self.misfit("true or false"),
        }
    }

    /// Everything below that nobody asked for, as far down as somebody did: `spec.selector`.
    pub fn unused(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect(&self, found: &mut Vec<String>) {
        let below: Vec<At<'a>> = match &self.node.value {
            Value::Map(entries) => {
                let path = |key: &str| match self.path.as_str() {
                    "" => short(key),
                    path => format!("{path}.{}", short(key)),
                };
                entries.iter().map(|(key, node)| At { node, path: path(key) }).collect()
            }
            Value::List(items) => {
                let at = |(index, node)| At { node, path: format!("{}[{index}]", self.path) };
                items.iter().enumerate().map(at).collect()
            }
            _ => return,
        };
        for at in below {
            if at.node.used.get() { at.collect(found) } else { found.push(at.path) }
        }
    }

    /// Some entries say nothing here, and are known.
    pub fn node_mark(&self, keys: &[&str]) -> Result<(), Fault> {
        for key in keys {
            if let Some(at) = self.get(key)? {
                at.mark();
            }
        }
        Ok(())
    }

    /// Reads nothing of what is below, and says that it was seen.
    pub fn mark(&self) {
        self.node.used.set(true);
        match &self.node.value {
            Value::Map(entries) => {
                entries.iter().for_each(|(_, node)| At { node, path: String::new() }.mark())
            }
            Value::List(items) => items.iter().for_each(|node| At { node, path: String::new() }.mark()),
            _ => {}
        }
    }
}
