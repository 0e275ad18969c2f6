//! What a file says, without how it says it: comments and formatting make no difference.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};
use toml::de::{DeTable, DeValue};

use super::nesting;

/// The keys and values of a TOML text, in their order, without those top-level keys; none where it is no
/// TOML. Two texts with the same canonical form mean the same.
pub fn canonical(text: &str, without: &[&str]) -> Option<String> {
    if nesting::scan(text).is_err() {
        return None;
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return None;
    }
    Some(canonical_of(document.get_ref(), without))
}

/// The canonical form of a text; the text, if it is no TOML.
pub fn said<'t>(text: &'t str, without: &[&str]) -> Cow<'t, str> {
    canonical(text, without).map_or(text.into(), Cow::Owned)
}

/// The canonical form of a text that was parsed without an error.
pub fn canonical_of(document: &DeTable<'_>, without: &[&str]) -> String {
    let mut out = String::new();
    for (key, value) in document.iter().filter(|(key, _)| !without.contains(&key.get_ref().as_ref())) {
        out.push_str(&format!("{:?}=", key.get_ref()));
        write(value.get_ref(), &mut out);
    }
    out
}

/// Every value of a TOML text by its path, `store.lease` say, as it would be written; none where it is no
/// TOML. A list of tables counts from 1. Texts with the same declarations mean the same: nothing is left out,
/// not even an empty table, and keys that are not plain are quoted.
pub fn declarations(text: &str) -> Option<Vec<(String, String)>> {
    if nesting::scan(text).is_err() {
        return None;
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut out = Vec::new();
    flatten("", document.get_ref(), &mut out);
    errors.is_empty().then_some(out)
}

fn flatten(path: &str, table: &DeTable<'_>, out: &mut Vec<(String, String)>) {
    for (key, value) in table.iter() {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let key = match key.get_ref() {
            plain if !plain.is_empty() && plain.chars().all(is_plain) => plain.to_string(),
            other => format!("{other:?}"),
        };
        let path = if path.is_empty() { key } else { format!("{path}.{key}") };
        flatten_value(path, value.get_ref(), out);
    }
}

fn flatten_value(path: String, value: &DeValue<'_>, out: &mut Vec<(String, String)>) {
    match value {
        // An empty table can mean something: a fault budget of its own, a key that is kept for ever.
        DeValue::Table(inner) if !inner.is_empty() => flatten(&path, inner, out),
        DeValue::Array(values) if values.iter().any(|value| value.get_ref().is_table()) => {
            for (number, value) in (1..).zip(values.iter()) {
                flatten_value(format!("{path}[{number}]"), value.get_ref(), out);
            }
        }
        value => {
            let mut text = String::new();
            write(value, &mut text);
            out.push((path, text));
        }
    }
}

fn write(value: &DeValue<'_>, out: &mut String) {
    match value {
        DeValue::String(text) => out.push_str(&format!("{text:?}")),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => out.push_str(&number.to_string()),
            Err(_) => out.push_str(&format!("{}:{}", number.radix(), number.as_str())),
        },
        DeValue::Float(number) => out.push_str(number.as_str()),
        DeValue::Boolean(flag) => out.push_str(&flag.to_string()),
        DeValue::Datetime(moment) => out.push_str(&moment.to_string()),
        DeValue::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write(value.get_ref(), out);
            }
            out.push(']');
        }
        DeValue::Table(table) => {
            out.push('{');
            for (index, (key, value)) in table.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                out.push_str(&format!("{:?} = ", key.get_ref()));
                write(value.get_ref(), out);
            }
            out.push('}');
        }
    }
}

/// A digest of several texts, as hexadecimal digits: the same for the same texts.
pub fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // With its length before it, no part runs into the next.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_formatting_make_no_difference() {
        let one = "# a\npolicy = \"p\"\n[store]\nlease = \"1s\" # b\nttl = 0x10\n";
        let other = "policy   =   'p'\nstore = { lease = \"1s\", ttl = 16 }\n";
        assert_eq!(canonical(one, &[]), canonical(other, &[]));
        assert_ne!(canonical(one, &[]), canonical(&one.replace("1s", "2s"), &[]));
        assert_ne!(canonical(one, &[]), canonical(&one.replace("lease", "leas"), &[]));
        assert_eq!(canonical(one, &["policy"]), canonical(&one.replace("\"p\"", "\"q\""), &["policy"]));
        assert_eq!(canonical("a = ", &[]), None);
    }

    #[test]
    fn values_do_not_run_into_one_another() {
        assert_ne!(canonical("a = \"b\"\nc = 1", &[]), canonical("a = 'b\"\"c\"=1'", &[]));
        assert_ne!(canonical("a = 1\n[b]\nc = 2", &[]), canonical("a = 1\nc = 2\n[b]", &[]));
        assert_ne!(digest(&["a", "bc"]), digest(&["ab", "c"]));
    }

    #[test]
    fn declarations_have_paths() {
        let text = "a = 1\n[b.c]\nd = [\"x\", \"y\"]\n[[e]]\nf = true\n[[e]]\nf = 2027-01-31\n";
        let pairs = [("a", "1"), ("b.c.d", "[\"x\", \"y\"]"), ("e[1].f", "true"), ("e[2].f", "2027-01-31")];
        let expected: Vec<_> = pairs.map(|(path, value)| (path.to_owned(), value.to_owned())).into();
        assert_eq!(declarations(text), Some(expected));
    }

    #[test]
    fn declarations_leave_nothing_out() {
        let differ = |one: &str, other: &str| {
            assert_ne!(declarations(one), declarations(other), "{one} and {other}");
        };
        differ("[a]\nb = {}\n", "[a]\n");
        differ("[a]\n", "");
        differ("a = [{}, 1]\n", "a = [{}]\n");
        differ("a = [{}, {}]\n", "a = [{}]\n");
        differ("\"a.b\" = 1\n", "[a]\nb = 1\n");
        differ("a = [{ b = 1 }]\n", "\"a[1]\" = { b = 1 }\n");
        assert_eq!(declarations("[a]\nb = {}\n"), Some(vec![("a.b".to_owned(), "{}".to_owned())]));
    }
}
