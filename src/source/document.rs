//! From text to a TOML tree with spans, and the parser's complaints in our words.

use serde::de::IgnoredAny;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nesting::{self, TooMuch};
use super::{FileId, SourceFile, Span};
use crate::diag::{Code, Diagnostic};

/// Parses what can be parsed. None where the parser was not even asked.
pub fn parse<'t>(file: FileId, text: &'t str, out: &mut Vec<Diagnostic>) -> Option<DeTable<'t>> {
    if let Err(too_much) = nesting::scan(text) {
        out.push(refuse(file, too_much));
        return None;
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    let document = document.into_inner();
    let mut seen = Vec::new();
    let source = SourceFile::new("", text);
    for error in errors {
        let span: Span = error.span().unwrap_or(0..0).into();
        // A header is looked up twice by the parser, and complained about twice.
        let complaint = (span.start, error.message().to_owned());
        if seen.contains(&complaint) {
            continue;
        }
        // Enough to see that a file is no TOML.
        if seen.len() > crate::diag::SHOWN_PER_FILE_MAX {
            break;
        }
        out.push(explain(file, &source, &document, error.message(), span));
        seen.push(complaint);
    }
    Some(document)
}

fn refuse(file: FileId, too_much: TooMuch) -> Diagnostic {
    let (span, message) = match too_much {
        TooMuch::Brackets(span) => {
            (span, format!("more than {} arrays and tables inside one another", nesting::NESTING_MAX))
        }
        TooMuch::KeyParts(span) => (span, format!("a key of more than {} parts", nesting::KEY_PARTS_MAX)),
        TooMuch::Tables(span) => (span, format!("more than {} tables in one file", nesting::TABLES_MAX)),
    };
    Diagnostic::new(Code::TooDeep, file, message)
        .at(span, "too many from here on")
        .help("no policy or model needs this; the file was not read further")
}

fn explain(
    file: FileId,
    source: &SourceFile,
    document: &DeTable<'_>,
    message: &str,
    span: Span,
) -> Diagnostic {
    if message != "duplicate key" {
        return not_toml(file, source, message, span);
    }
    let word = source.slice(span).trim();
    let at = source.position(span.start).line;
    let header = source.line(at).trim_start().starts_with('[');
    let first = if header {
        (1..at)
            .rev()
            .find(|line| source.line(*line).trim() == source.line(at).trim())
            .and_then(|line| nth_line_span(&source.text, line))
    } else {
        earlier_key(document, word.trim_matches(['"', '\'']), span.start)
    };
    let message = match header {
        true => format!("the table `{}` is given twice", super::suggest::short(source.line(at).trim())),
        false => format!("the key `{}` is given twice", super::suggest::short(word)),
    };
    let mut diagnostic = Diagnostic::new(Code::DuplicateKey, file, message)
        .at(span, "again here")
        .help("keep one of the two; which was meant can't be guessed");
    if let Some(first) = first {
        diagnostic = diagnostic.also(first, "first given here");
    }
    diagnostic
}

fn not_toml(file: FileId, source: &SourceFile, message: &str, span: Span) -> Diagnostic {
    let line = source.line(source.position(span.start).line);
    let diagnostic = Diagnostic::new(Code::NotToml, file, format!("not TOML: {message}")).at(span, "");
    if let Some((key, date)) = date(line) {
        return match last_day(date) {
            Some(day) => diagnostic.help("the month ends before that day").paste(format!("{key} = {day}")),
            None => diagnostic.help("there is no such day; a date is year, month and day, as in 2027-01-31"),
        };
    }
    match unquoted(line) {
        Some(fixed) => diagnostic.help("strings are written in quotes").paste(fixed),
        None => diagnostic,
    }
}

/// Key and value of a line whose value has the form of a date.
fn date(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    let value = value.split('#').next()?.trim();
    let digits =
        |text: &str| text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>();
    (digits(value) == "0000-00-00").then_some((key.trim(), value))
}

/// The last day of a date's month, if there is such a month.
fn last_day(date: &str) -> Option<String> {
    let mut parts = date.split('-');
    let (year, month) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let first = jiff::civil::Date::new(year, month, 1).ok()?;
    Some(first.last_of_month().to_string())
}

/// `lease = 30s` with its quotes.
fn unquoted(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    let value = value.split('#').next()?.trim();
    let plain = |c: char| c.is_alphanumeric() || "_-.?".contains(c);
    let toml = format!("v = {value}\n");
    let fits = !value.is_empty() && value.len() < 60 && value.chars().all(plain);
    (fits && toml::from_str::<std::collections::BTreeMap<String, IgnoredAny>>(&toml).is_err())
        .then(|| format!("{} = \"{value}\"", key.trim()))
}

/// The span of the nearest key of that name before `before`: keys of one table stand together.
fn earlier_key(table: &DeTable<'_>, name: &str, before: usize) -> Option<Span> {
    let inner = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
        DeValue::Table(table) => earlier_key(table, name, before),
        DeValue::Array(items) => {
            let tables = items.iter().filter_map(|item| item.get_ref().as_table());
            tables.filter_map(|table| earlier_key(table, name, before)).max_by_key(|span| span.start)
        }
        _ => None,
    };
    let own = table.iter().filter(|(key, _)| *key.get_ref() == name && key.span().start < before);
    let own = own.map(|(key, _)| Span::from(key.span()));
    own.chain(table.iter().filter_map(|(_, value)| inner(value))).max_by_key(|span| span.start)
}

fn nth_line_span(text: &str, number: usize) -> Option<Span> {
    let line = text.split_inclusive('\n').nth(number - 1)?;
    let start = line.as_ptr() as usize - text.as_ptr() as usize;
    let lead = line.len() - line.trim_start().len();
    Some(Span { start: start + lead, end: start + line.trim_end().len().max(lead) })
}

/// Once a line could not be read, or a table was given twice and so became two in one, what the
/// file says is missing or misplaced elsewhere: such echoes are dropped, so that people see causes
/// only.
pub fn drop_echoes(text: &str, out: &mut Vec<Diagnostic>) {
    let source = SourceFile::new("", text);
    let line = |diagnostic: &Diagnostic| diagnostic.span.map(|span| source.position(span.start).line);
    let is_header = |line: usize| source.line(line).trim_start().starts_with('[');
    let lines = text.lines().count();
    // Lines that say something else than they seem to.
    let mut broken: Vec<std::ops::RangeInclusive<usize>> = Vec::new();
    for diagnostic in out.iter() {
        let Some(at) = line(diagnostic) else { continue };
        match diagnostic.code {
            Code::NotToml => broken.push(at..=at),
            Code::DuplicateKey if is_header(at) => {
                let end = (at + 1..=lines).find(|line| is_header(*line)).map_or(lines, |next| next - 1);
                broken.push(at..=end);
            }
            _ => {}
        }
    }
    if broken.is_empty() {
        return;
    }
    let absence = [
        Code::MissingKey,
        Code::OutcomeMissing,
        Code::TargetUnknown,
        Code::StartUnknown,
        Code::StateUnreachable,
        Code::NeverEnds,
        Code::ChoiceUndeclared,
        Code::ChoiceUnused,
        Code::ChoiceEmpty,
        Code::EmptyModel,
        Code::NeitherPolicyNorModel,
        Code::DownstreamMissing,
        Code::StoreMissing,
        Code::KeyMissing,
        Code::QueryNotOffered,
        Code::ChoiceNotMade,
        Code::WaitNotSet,
        Code::KeyFieldPerAttempt,
        Code::KeyIgnored,
        Code::TokenIgnored,
        Code::ExpiryWithoutLease,
        Code::LateWithoutTimeout,
    ];
    out.retain(|diagnostic| {
        let at = line(diagnostic);
        let cause = diagnostic.code == Code::NotToml
            || diagnostic.code == Code::DuplicateKey && at.is_some_and(is_header);
        let inside = at.is_some_and(|at| broken.iter().any(|range| range.contains(&at)));
        cause || !inside && !absence.contains(&diagnostic.code)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnose(text: &str) -> Vec<Diagnostic> {
        let mut out = Vec::new();
        parse(FileId(0), text, &mut out);
        out
    }

    #[test]
    fn a_second_key_points_at_the_first() {
        let text = "[x]\na = 1\n[y]\na = 2\nb = 3\na = 4\n";
        let [one] = &diagnose(text)[..] else { panic!("one diagnostic") };
        assert_eq!(one.code, Code::DuplicateKey);
        assert_eq!(one.span, Some(Span { start: 26, end: 27 }));
        assert_eq!(one.secondary[0].span, Span { start: 14, end: 15 });
    }

    #[test]
    fn a_second_table_points_at_the_first() {
        let [one] = &diagnose("[x.y]\na = 1\n[x.y]\nb = 2\n")[..] else { panic!("one diagnostic") };
        assert_eq!(one.code, Code::DuplicateKey);
        assert_eq!(one.secondary[0].span, Span { start: 0, end: 5 });
    }

    #[test]
    fn a_day_that_is_not_there_is_no_text() {
        let all = diagnose("until = 2026-02-30 # soon\nsince = 2026-13-01\n");
        let said: Vec<_> = all.iter().map(|one| (one.help.as_deref(), one.paste.as_deref())).collect();
        let no_such = "there is no such day; a date is year, month and day, as in 2027-01-31";
        let ends = "the month ends before that day";
        assert_eq!(said, [(Some(ends), Some("until = 2026-02-28")), (Some(no_such), None)]);
    }

    #[test]
    fn a_bare_word_is_shown_with_its_quotes() {
        let all = diagnose("lease = 30s\nkind = postgres # yes\n");
        let pastes: Vec<_> = all.iter().filter_map(|one| one.paste.as_deref()).collect();
        assert_eq!(pastes, ["lease = \"30s\"", "kind = \"postgres\""]);
    }
}
