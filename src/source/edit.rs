//! Small changes to a TOML file's text: everything that is not changed stays as it was written, comments
//! and alignment included.

use toml::de::{DeTable, DeValue};

use super::nesting;
use super::reader::header_span;

/// The text with `value`, which is TOML, at the key that `path` names. A key that is not there is added to its
/// table, a table that is not there to the end of the file. None where the path leads through something that
/// is no table.
pub fn set(text: &str, path: &[&str], value: &str) -> Option<String> {
    let document = document(text)?;
    let (key, tables) = path.split_last()?;
    let mut table = &document;
    // The table's own key and value, to tell how it is written.
    let mut written = None;
    for name in tables {
        let Some((name, inner)) = table.get_key_value(*name) else {
            return Some(appended(text, tables, key, value));
        };
        let DeValue::Table(next) = inner.get_ref() else { return None };
        written = Some((name.span(), inner));
        table = next;
    }
    if let Some(old) = table.get(*key) {
        return Some(replaced(text, old.span(), value));
    }
    let (name, whole) = written?;
    if text[whole.span()].starts_with('{') {
        let at = whole.span().start + 1;
        let more = if table.is_empty() { "" } else { "," };
        let blank = if text[at..].starts_with(' ') { "" } else { " " };
        return Some(replaced(text, at..at, &format!(" {key} = {value}{more}{blank}")));
    }
    let header = header_span(name.clone().into(), whole);
    let under_header = (header.start, header.end) != (name.start, name.end);
    // Tables below it have headers of their own, and come later.
    let last = table.iter().filter(|(key, value)| {
        let (key, value) = (key.span(), value.span());
        key.end <= value.start && value.start <= value.end
    });
    let last = last.max_by_key(|(_, value)| value.span().end);
    let after = last.as_ref().map_or(header.end, |(_, value)| value.span().end);
    let width = last.map(|(key, _)| key_width(text, key.span().start)).filter(|_| under_header);
    let dotted = if under_header { String::new() } else { format!("{}.", tables.join(".")) };
    let key = format!("{dotted}{key}");
    let line = format!("{key:width$} = {value}", width = width.unwrap_or(0));
    Some(inserted_after_line(text, after, &line))
}

/// The text with `value` at a place in the list at `path`.
pub fn set_item(text: &str, path: &[&str], index: usize, value: &str) -> Option<String> {
    let document = document(text)?;
    let (key, tables) = path.split_last()?;
    let mut table = &document;
    for name in tables {
        table = table.get(*name)?.get_ref().as_table()?;
    }
    let item = table.get(*key)?.get_ref().as_array()?.get(index)?;
    Some(replaced(text, item.span(), value))
}

/// The text without the line of a key. None where it is not there, or not on a line of its own.
pub fn remove(text: &str, path: &[&str]) -> Option<String> {
    let document = document(text)?;
    let (key, tables) = path.split_last()?;
    let mut table = &document;
    for name in tables {
        let value = table.get(*name)?;
        if text[value.span()].starts_with('{') {
            return None;
        }
        table = value.get_ref().as_table()?;
    }
    let (key, value) = table.get_key_value(*key)?;
    let start = line_start(text, key.span().start);
    let end = line_end(text, value.span().end.max(key.span().end));
    Some(replaced(text, start..end, ""))
}

fn document(text: &str) -> Option<DeTable<'_>> {
    if nesting::scan(text).is_err() {
        return None;
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    errors.is_empty().then(|| document.into_inner())
}

fn replaced(text: &str, span: std::ops::Range<usize>, with: &str) -> String {
    format!("{}{with}{}", &text[..span.start], &text[span.end..])
}

/// A new table at the end.
fn appended(text: &str, tables: &[&str], key: &str, value: &str) -> String {
    let end = newline(text);
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { end };
    format!("{text}{gap}{end}[{}]{end}{key} = {value}{end}", tables.join("."))
}

fn inserted_after_line(text: &str, at: usize, line: &str) -> String {
    let end = line_end(text, at);
    let newline = newline(text);
    if text[..end].ends_with('\n') {
        format!("{}{line}{newline}{}", &text[..end], &text[end..])
    } else {
        format!("{text}{newline}{line}")
    }
}

/// As the file's first line ends.
fn newline(text: &str) -> &'static str {
    if text.split_once('\n').is_some_and(|(line, _)| line.ends_with('\r')) { "\r\n" } else { "\n" }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Behind the line's end.
fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// How wide a key's column is, so that a new line's `=` stands below the others.
fn key_width(text: &str, key: usize) -> usize {
    let line = &text[key..line_end(text, key)];
    line.find('=').map_or(0, |at| line[..at].chars().count().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "policy = \"a\" # the name\n\n[store]\nkind  = \"postgres\"\nlease = \"12s\" # short\n\n\
        [guards.slow]\nspan = \"1s\"\n\n[key]\n";

    #[test]
    fn a_value_is_replaced_where_it_stands() {
        let text = set(TEXT, &["store", "lease"], "\"16s\"").unwrap();
        assert_eq!(text, TEXT.replace("\"12s\"", "\"16s\""));
        assert_eq!(set(TEXT, &["policy", "lease"], "1"), None);
    }

    #[test]
    fn a_new_key_stands_below_the_others() {
        let text = set(TEXT, &["store", "ttl"], "\"24h\"").unwrap();
        assert_eq!(text, TEXT.replace("# short\n", "# short\nttl   = \"24h\"\n"));
        let text = set(TEXT, &["guards", "slow", "memory"], "\"durable\"").unwrap();
        assert_eq!(text, TEXT.replace("span = \"1s\"\n", "span = \"1s\"\nmemory = \"durable\"\n"));
        let text = set(TEXT, &["key", "from"], "[\"a\"]").unwrap();
        assert_eq!(text, format!("{TEXT}from = [\"a\"]\n"));
    }

    #[test]
    fn a_new_table_stands_at_the_end() {
        assert_eq!(
            set(TEXT, &["lock", "lease"], "\"1s\"").unwrap(),
            format!("{TEXT}\n[lock]\nlease = \"1s\"\n")
        );
        assert_eq!(set("a = 1", &["b", "c"], "2").unwrap(), "a = 1\n\n[b]\nc = 2\n");
    }

    #[test]
    fn tables_in_one_line_and_dotted_keys_stay_what_they_are() {
        let inline = "store = { kind = \"redis\" }\n";
        assert_eq!(set(inline, &["store", "ttl"], "1").unwrap(), "store = { ttl = 1, kind = \"redis\" }\n");
        assert_eq!(set("store = {}\n", &["store", "ttl"], "1").unwrap(), "store = { ttl = 1 }\n");
        let dotted = "store.kind = \"redis\"\n";
        assert_eq!(set(dotted, &["store", "ttl"], "1").unwrap(), "store.kind = \"redis\"\nstore.ttl = 1\n");
    }

    #[test]
    fn carriage_returns_are_kept() {
        let text = "[store]\r\nkind = \"redis\"\r\n";
        assert_eq!(set(text, &["store", "ttl"], "1").unwrap(), format!("{text}ttl  = 1\r\n"));
    }

    #[test]
    fn a_line_is_removed_with_its_comment() {
        assert_eq!(remove(TEXT, &["store", "lease"]).unwrap(), TEXT.replace("lease = \"12s\" # short\n", ""));
        assert_eq!(remove(TEXT, &["store", "ttl"]), None);
        assert_eq!(remove("a = { b = 1 }\n", &["a", "b"]), None);
    }

    #[test]
    fn items_of_a_list() {
        let text = "[d]\nlatency = [\"20ms\", \"8s\"]\n";
        assert_eq!(set_item(text, &["d", "latency"], 1, "\"9s\"").unwrap(), text.replace("8s", "9s"));
        assert_eq!(set_item(text, &["d", "latency"], 2, "\"9s\""), None);
    }
}
