//! What could be changed about a policy: each change with who has to bring it about.

use serde::{Deserialize, Serialize};

use schemars::JsonSchema;
use toml::de::DeTable;

use crate::check::margins::base::Base;
use crate::policy::declared::Declared;
use crate::source::edit;

/// Who has to bring a change about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What we build or configure ourselves.
    Protocol,
    /// What somebody else has to keep: with this the policy only says that they do.
    Promise,
}

/// One value in the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// See [`Base::texts`].
    pub file: usize,
    pub path: Vec<String>,
    /// `store.lease`.
    pub name: String,
    /// As TOML; none: it was not there.
    pub from: Option<String>,
    pub to: String,
    pub kind: Kind,
    /// Of a promise: who has to keep it.
    pub keeper: Option<&'static str>,
    /// The ends of a range, and what presets say, are written in their own way.
    pub declared: Option<(Declared, i64)>,
}

impl Change {
    /// The text with the change made.
    pub fn make(&self, text: &str) -> Option<String> {
        if let Some((declared, value)) = &self.declared {
            return declared.write(text, *value);
        }
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        edit::set(text, &path, &self.to)
    }

    /// How far it goes: doublings of a duration; any other change counts as one.
    pub fn distance(&self) -> f64 {
        let Some((declared, value)) = &self.declared else { return 1.0 };
        let (from, to) = ((declared.value.max(1)) as f64, ((*value).max(1)) as f64);
        (to / from).log2().abs()
    }
}

const PROVIDER: &str = "whoever runs the downstream";
const CLIENTS: &str = "the clients";
const WORKERS: &str = "whoever runs the workers";
const STORE: &str = "whoever runs the store";
const BROKER: &str = "whoever runs the broker";
const TARGET: &str = "the target";
const LOCK: &str = "whoever runs the lock";
const ALERTING: &str = "whoever runs the alerting";

/// Who keeps a declaration; none: it is ours. An outer none: it says what is asked for, or how strong the
/// adversary is, and is not changed in order to please the check. What is not named here is not changed.
fn keeper(path: &[&str]) -> Option<Option<&'static str>> {
    Some(match path {
        ["faults", "pause" | "clock_skew"] => Some(WORKERS),
        ["faults", ..] => return None,
        ["downstream", "timeout"] => None,
        ["downstream", ..] => Some(PROVIDER),
        ["store", "lease" | "ttl" | "ttl_from"] => None,
        ["store", ..] => Some(STORE),
        ["trigger", "within" | "timeout" | "backoff"] => Some(CLIENTS),
        ["trigger", "delay"] => Some("whoever runs the trigger"),
        ["trigger", "every" | "repeat" | "overlapping"] => None,
        ["trigger", ..] => return None,
        ["queue", "visibility"] => None,
        ["queue", "redrives"] => return None,
        ["queue" | "outbox", ..] => Some(BROKER),
        ["lock", "lease" | "per"] => None,
        ["lock", ..] => Some(LOCK),
        ["target", "timeout"] => None,
        ["target", "act" | "lag" | "settle" | "period"] => Some(TARGET),
        ["target", ..] => return None,
        ["human", "silences"] => Some(ALERTING),
        ["human", "approval"] => None,
        ["role", _, "every"] => None,
        ["role", ..] => return None,
        // The target has to know what was done before, or compare.
        ["action", "form"] => Some(TARGET),
        // Of a key that clients compute.
        ["key", "from"] => Some(CLIENTS),
        ["key", "fingerprint"] | ["choices" | "waits" | "guards", ..] => None,
        _ => return None,
    })
}

fn kind(keeper: Option<&'static str>) -> Kind {
    if keeper.is_some() { Kind::Promise } else { Kind::Protocol }
}

/// Whether a declared duration or count may be moved at all.
pub fn may_move(one: &Declared) -> bool {
    let path: Vec<&str> = one.path.iter().map(String::as_str).collect();
    keeper(&path).is_some()
}

/// A declared duration or count with another value.
pub fn moved(file: usize, one: &Declared, value: i64) -> Change {
    let path: Vec<&str> = one.path.iter().map(String::as_str).collect();
    let keeper = keeper(&path).flatten();
    Change {
        file,
        path: one.path.clone(),
        name: one.name(),
        from: Some(one.toml(one.value)),
        to: one.toml(value),
        kind: kind(keeper),
        keeper,
        declared: Some((one.clone(), value)),
    }
}

/// Switches and words that may help, and the values to try. Where the table is not there, nothing is added.
const WORDS: &[(&str, &str, &[&str])] = &[
    ("downstream", "native_key", &["true"]),
    ("downstream", "query", &["true"]),
    ("downstream", "fencing", &["true"]),
    ("downstream", "errors", &["\"definite\""]),
    ("store", "ttl_from", &["\"record\"", "\"claim\""]),
    ("key", "fingerprint", &["[\"method\", \"path\", \"body\"]"]),
    ("lock", "session", &["true"]),
    ("lock", "per", &["\"target\"", "\"fleet\""]),
    ("action", "form", &["\"compare-and-set\"", "\"keyed\""]),
    ("human", "silences", &["true", "false"]),
];

/// The same of each guard.
const OF_GUARDS: &[(&str, &[&str])] = &[("memory", &["\"durable\""]), ("per", &["\"target\"", "\"fleet\""])];

/// Durations that may be missing, and so without a bound.
const MISSING: &[(&str, &str)] = &[
    ("store", "lease"),
    ("store", "ttl"),
    ("downstream", "timeout"),
    ("downstream", "late"),
    ("faults", "pause"),
    ("lock", "lease"),
    ("trigger", "within"),
    ("trigger", "timeout"),
    ("queue", "visibility"),
    ("target", "timeout"),
    ("target", "lag"),
];

/// Round values for them.
pub const ROUND: &[&str] = &["1s", "5s", "15s", "30s", "1m", "5m", "15m", "1h", "6h", "24h", "7d", "30d"];

/// Choices with their other options, and switches with their other values.
pub fn switches(base: &Base) -> Vec<Change> {
    let mut out = Vec::new();
    for (file, text) in base.texts().iter().enumerate() {
        let (document, _) = DeTable::parse_recoverable(text);
        let document = document.get_ref();
        let table = |name: &str| document.get(name).and_then(|value| value.get_ref().as_table());
        let supplied_by = table("key").and_then(|key| key.get("supplied_by"));
        let by_clients = supplied_by.is_none_or(|by| by.get_ref().as_str() == Some("client"));
        let mut add = |path: &[&str], to: &str| {
            let found = path.iter().try_fold((document, None), |(table, _), key| {
                let value = table.get(*key)?;
                Some((value.get_ref().as_table().unwrap_or(table), Some(&text[value.span()])))
            });
            let from = found.and_then(|(_, written)| written).map(str::to_owned);
            let keeper = match keeper(path) {
                Some(Some(CLIENTS)) if path == ["key", "from"] && !by_clients => Some(None),
                keeper => keeper,
            };
            if let (true, Some(keeper)) = (from.as_deref() != Some(to), keeper) {
                let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
                let (name, kind, to) = (path.join("."), kind(keeper), to.to_owned());
                out.push(Change { file, path, name, from, to, kind, keeper, declared: None });
            }
        };
        if table("choices").is_some() {
            for choice in &base.protocol(file).choices {
                for (option, _) in &choice.options {
                    add(&["choices", &choice.name], &format!("\"{option}\""));
                }
            }
        }
        for (name, key, values) in WORDS.iter().filter(|(name, ..)| table(name).is_some()) {
            values.iter().for_each(|value| add(&[name, key], value));
        }
        for (name, _) in table("guards").into_iter().flat_map(|guards| guards.iter()) {
            for (key, values) in OF_GUARDS {
                values.iter().for_each(|value| add(&["guards", name.get_ref(), key], value));
            }
        }
        let identity = table("operation").and_then(|operation| operation.get("identity"));
        if let (Some(identity), true) = (identity, table("key").is_some()) {
            add(&["key", "from"], &text[identity.span()]);
        }
    }
    out
}

/// Bounds that are not declared, each with its values in the order in which to try them: of a promise the weakest
/// first, of what we set ourselves the shortest.
pub fn missing(base: &Base) -> Vec<Vec<Change>> {
    let mut out = Vec::new();
    for (file, text) in base.texts().iter().enumerate() {
        let (document, _) = DeTable::parse_recoverable(text);
        let document = document.get_ref();
        let given: Vec<Vec<String>> =
            crate::policy::declared::declared(text).into_iter().map(|one| one.path).collect();
        for (name, key) in MISSING {
            let there = document.contains_key(*name) || *name == "faults";
            let path = vec![(*name).to_owned(), (*key).to_owned()];
            if !there || given.contains(&path) || document.contains_key("system") {
                continue;
            }
            let keeper = keeper(&[name, key]).flatten();
            let mut values: Vec<&str> = ROUND.to_vec();
            if keeper.is_some() {
                values.reverse();
            }
            let change = |value: &&str| Change {
                file,
                path: path.clone(),
                name: path.join("."),
                from: None,
                to: format!("\"{value}\""),
                kind: kind(keeper),
                keeper,
                declared: None,
            };
            out.push(values.iter().map(change).collect());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_to_keep_is_a_promise() {
        assert_eq!(keeper(&["action", "form"]), Some(Some(TARGET)));
        assert_eq!(keeper(&["human", "silences"]), Some(Some(ALERTING)));
        assert_eq!(keeper(&["key", "from"]), Some(Some(CLIENTS)));
        assert_eq!(keeper(&["guards", "cooldown", "span"]), Some(None));
        // What nobody thought of is not changed.
        for key in ["operation", "http", "expect", "model", "nonsense"] {
            assert_eq!(keeper(&[key, "any"]), None, "{key}");
        }
    }
}
