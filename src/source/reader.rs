//! Typed access to a TOML table by its [`Section`]: every value read is checked by the kind that the
//! section gives its key, and every fault becomes a diagnostic.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::duration::{self, BadDuration};
use super::keys::{Key, Kind, Section, is_field, is_identifier, is_name};
use super::suggest::{alternatives, closest, list, short};
use super::{FileId, Located, Span};
use crate::diag::{Code, Diagnostic};

/// One file being read.
pub struct Reader {
    pub file: FileId,
    pub out: Vec<Diagnostic>,
}

/// A table with the section that says what it may hold.
#[derive(Clone, Copy)]
pub struct Table<'t> {
    pub section: &'static Section,
    pub header: Span,
    pub table: &'t DeTable<'t>,
}

/// Entries of one list: each is compared with every other.
pub const LIST_MAX: usize = 64;

type Value<'t> = Spanned<DeValue<'t>>;

impl Reader {
    pub fn new(file: FileId) -> Reader {
        Reader { file, out: Vec::new() }
    }

    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.out.push(diagnostic);
    }

    /// A diagnostic about this file, not pushed yet.
    pub fn fault(&self, code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, self.file, message)
    }

    /// The document itself as a table: unknown and missing keys are reported here.
    pub fn root<'t>(&mut self, section: &'static Section, table: &'t DeTable<'t>) -> Table<'t> {
        self.nested(section, "", Span::default(), table)
    }

    /// `[name]` inside `parent`; None where it is absent, or no table.
    pub fn table<'t>(&mut self, parent: &Table<'t>, name: &str) -> Option<Table<'t>> {
        let (key, value) = parent.table.get_key_value(name)?;
        let spec = parent.section.key(name)?;
        let Kind::Table(section) = spec.kind else { return None };
        match value.get_ref() {
            DeValue::Table(table) => {
                let header = header_span(key.span().into(), value);
                Some(self.nested(section, name, header, table))
            }
            _ => {
                self.wrong_type(spec, value);
                None
            }
        }
    }

    /// Every `[[name]]` of `parent`.
    pub fn tables<'t>(&mut self, parent: &Table<'t>, name: &str) -> Vec<Table<'t>> {
        let Some((spec, value)) = parent.entry(name) else { return Vec::new() };
        let Kind::Tables(section) = spec.kind else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.push(
                self.fault(Code::WrongType, format!("`{name}` must be {}", spec.kind.expected()))
                    .at(value.span(), "")
                    .help("write a header with double brackets")
                    .paste(format!("[[{name}]]")),
            );
            return Vec::new();
        };
        let mut out = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => out.push(self.nested(section, name, item.span().into(), table)),
                _ => self.wrong_type(spec, item),
            }
        }
        out
    }

    /// Any table by its section; `name` is how messages call it.
    pub fn nested<'t>(
        &mut self,
        section: &'static Section,
        name: &str,
        header: Span,
        table: &'t DeTable<'t>,
    ) -> Table<'t> {
        let unknown = table.keys().filter(|key| section.key(key.get_ref()).is_none());
        for key in unknown {
            self.unknown_key(section, key.get_ref(), key.span().into());
        }
        // A misspelt key is one mistake, not an unknown one and a missing one.
        let given = given(section, table);
        for key in section.keys.iter().filter(|key| key.required && !given.contains(key.name)) {
            let (what, add) = match key.kind {
                Kind::Table(_) => (format!("the table `[{}]`", key.name), "add the table"),
                _ => (format!("the key `{}`", key.name), "add the line"),
            };
            let at = if name.is_empty() { String::new() } else { format!(" in `[{name}]`") };
            let diagnostic = self
                .fault(Code::MissingKey, format!("{what} is missing{at}"))
                .at(header, aside(key.doc))
                .help(add)
                .paste(key.example);
            self.push(diagnostic);
        }
        Table { section, header, table }
    }

    fn unknown_key(&mut self, section: &Section, name: &str, span: Span) {
        if let Some((_, what)) = section.later.iter().find(|(later, _)| *later == name) {
            let message = format!("`{name}` is not supported in this version: {what}");
            let diagnostic = self.fault(Code::NotSupported, message).at(span, "").help(
                "remove it only if the verdict may leave it out of account; nothing is ignored in silence",
            );
            self.push(diagnostic);
            return;
        }
        let mut diagnostic =
            self.fault(Code::UnknownKey, format!("unknown key `{}`", short(name))).at(span, "");
        diagnostic = match closest(name, section.names()) {
            Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
            None => diagnostic.help(format!("the keys here are {}", list(section.names()))),
        };
        self.push(diagnostic);
    }

    /// A value that is not of its key's kind at all.
    pub fn wrong_type(&mut self, key: &Key, value: &Value<'_>) {
        let found = describe(value.get_ref());
        let message = format!("`{}` must be {}, not {found}", key.name, key.kind.expected());
        let diagnostic = self.fault(Code::WrongType, message).at(value.span(), "");
        let fixed = fix(&key.kind, value.get_ref()).map(|text| format!("{} = {text}", key.name));
        self.push(match fixed {
            Some(fixed) => diagnostic.help("perhaps you mean").paste(fixed),
            None if !key.example.is_empty() => diagnostic.help("for example").paste(key.example),
            None => diagnostic,
        });
    }

    /// A string of any sort; `Text`, `Name`, `Identifier` and `NameOrPath` are checked as such.
    pub fn text(&mut self, table: &Table<'_>, name: &str) -> Option<Located<String>> {
        let (key, value) = table.entry(name)?;
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_type(key, value);
            return None;
        };
        let fits = match key.kind {
            Kind::Identifier => is_identifier(text),
            Kind::Name => is_name(text),
            _ => !text.trim().is_empty(),
        };
        if fits {
            return Some(Located::new(text.to_owned(), value.span()));
        }
        let diagnostic = if text.trim().is_empty() {
            self.fault(Code::Blank, format!("`{name}` is blank")).help("for example").paste(key.example)
        } else {
            self.bad_name(text, key.kind)
        };
        self.push(diagnostic.at(value.span(), ""));
        None
    }

    /// A diagnostic for a name with wrong characters, without its place.
    pub fn bad_name(&self, text: &str, kind: Kind) -> Diagnostic {
        let hyphen = matches!(kind, Kind::Name);
        let allowed = if hyphen {
            "lowercase letters, digits, `_` and `-`"
        } else {
            "lowercase letters, digits and `_`"
        };
        let message = format!("`{}` is not a name: names are up to 64 {allowed}", short(text));
        let diagnostic = self.fault(Code::BadName, message);
        let mut fixed = String::new();
        for c in text.chars().take(64) {
            let c = c.to_ascii_lowercase();
            let keep = c.is_ascii_alphanumeric() || c == '_' || (hyphen && c == '-');
            fixed.push(if keep { c } else { '_' });
        }
        match fixed.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            true => diagnostic.help(format!("for example `{fixed}`")),
            false => diagnostic,
        }
    }

    pub fn flag(&mut self, table: &Table<'_>, name: &str) -> Option<Located<bool>> {
        let (key, value) = table.entry(name)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(Located::new(*flag, value.span())),
            _ => {
                self.wrong_type(key, value);
                None
            }
        }
    }

    pub fn count(&mut self, table: &Table<'_>, name: &str) -> Option<Located<u32>> {
        let (key, value) = table.entry(name)?;
        let Kind::Count { min, max } = key.kind else { return None };
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong_type(key, value);
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.and_then(|number| u32::try_from(number).ok());
        if let Some(number) = number.filter(|number| (min..=max).contains(number)) {
            return Some(Located::new(number, value.span()));
        }
        let found = short(integer.as_str());
        let message = format!("`{name}` must be {}, not {found}", key.kind.expected());
        let near =
            if integer.as_str().starts_with('-') { min } else { number.map_or(max, |n| n.clamp(min, max)) };
        let diagnostic = self
            .fault(Code::OutOfRange, message)
            .at(value.span(), "")
            .help("every unit multiplies the states to explore; the nearest allowed is")
            .paste(format!("{name} = {near}"));
        self.push(diagnostic);
        None
    }

    /// One of a fixed list of words; those of `later` are refused as not supported yet.
    pub fn word(&mut self, table: &Table<'_>, name: &str, later: &[&str]) -> Option<Located<&'static str>> {
        let (key, value) = table.entry(name)?;
        let Kind::OneOf(words) = key.kind else { return None };
        match value.get_ref().as_str() {
            Some(text) if later.contains(&text) => {
                let message = format!("`{name} = \"{text}\"` is not supported in this version");
                let all = alternatives(words());
                self.push(
                    self.fault(Code::NotSupported, message).at(value.span(), "").help(format!("it is {all}")),
                );
                None
            }
            Some(text) => self.one_of(name, text, value.span().into(), &words()),
            None => {
                self.wrong_type(key, value);
                None
            }
        }
    }

    /// `text` among `words`.
    pub fn one_of(
        &mut self,
        name: &str,
        text: &str,
        span: Span,
        words: &[&'static str],
    ) -> Option<Located<&'static str>> {
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Some(Located::new(*word, span));
        }
        let message = format!("`{name}` can't be `{}`", short(text));
        let diagnostic = self.fault(Code::UnknownValue, message).at(span, "");
        let all = alternatives(words.iter().copied());
        self.push(match closest(text, words.iter().copied()) {
            Some(meant) => diagnostic.help(format!("did you mean \"{meant}\"? It is {all}")),
            None => diagnostic.help(format!("it is {all}")),
        });
        None
    }

    /// A list of strings: field names, or words of a fixed list. `later` words are refused as such.
    pub fn names(
        &mut self,
        table: &Table<'_>,
        name: &str,
        later: &[&str],
    ) -> Option<Located<Vec<Located<String>>>> {
        let (key, value) = table.entry(name)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, value);
            return None;
        };
        if items.len() > LIST_MAX {
            let message = format!("`{name}` has {} entries, and the most is {LIST_MAX}", items.len());
            let extra = items[LIST_MAX].span();
            self.push(self.fault(Code::OutOfRange, message).at(extra, "too many from here on"));
            return None;
        }
        let mut out: Vec<Located<String>> = Vec::new();
        let mut sound = true;
        for item in items.iter() {
            let span: Span = item.span().into();
            let Some(text) = item.get_ref().as_str() else {
                let found = describe(item.get_ref());
                let message = format!("`{name}` must be {}, not of {found}", key.kind.expected());
                self.push(self.fault(Code::WrongType, message).at(span, ""));
                sound = false;
                continue;
            };
            if let Some(first) = out.iter().find(|first| first.value == text) {
                let message = format!("`{}` is listed twice in `{name}`", short(text));
                let first = first.span;
                self.push(
                    self.fault(Code::ListedTwice, message).at(span, "again here").also(first, "first here"),
                );
                sound = false;
                continue;
            }
            let fits = match key.kind {
                Kind::Several(_) if later.contains(&text) => {
                    let message = format!("`{text}` in `{name}` is not supported in this version");
                    self.push(self.fault(Code::NotSupported, message).at(span, ""));
                    false
                }
                Kind::Several(words) => self.one_of(name, text, span, &words()).is_some(),
                _ if is_field(text) => true,
                _ => {
                    let message = format!(
                        "`{}` is not the name of a field: letters, digits and _ - . : / [ ] $, up to 64",
                        short(text)
                    );
                    self.push(self.fault(Code::BadName, message).at(span, ""));
                    false
                }
            };
            sound &= fits;
            out.push(Located::new(text.to_owned(), span));
        }
        let may_be_empty = matches!(key.kind, Kind::Fields { empty: true });
        if items.is_empty() && !may_be_empty {
            let diagnostic = self
                .fault(Code::EmptyList, format!("`{name}` is empty"))
                .at(value.span(), aside(key.doc))
                .help("for example")
                .paste(key.example);
            self.push(diagnostic);
            return None;
        }
        sound.then(|| Located::new(out, value.span()))
    }

    /// A list of texts, none of them blank.
    /// The same, each with its place; empty where it is absent or wrong.
    pub fn located_texts(&mut self, table: &Table<'_>, name: &str) -> Vec<Located<String>> {
        let Some(texts) = self.texts(table, name) else { return Vec::new() };
        let items = table.entry(name).and_then(|(_, value)| value.get_ref().as_array());
        let spans = items.into_iter().flat_map(|items| items.iter().map(Spanned::span));
        texts.into_iter().zip(spans).map(|(text, span)| Located::new(text, span)).collect()
    }

    pub fn texts(&mut self, table: &Table<'_>, name: &str) -> Option<Vec<String>> {
        let (key, value) = table.entry(name)?;
        let texts = value.get_ref().as_array().and_then(|items| {
            let text = |item: &Value<'_>| item.get_ref().as_str().map(str::to_owned);
            items.iter().map(text).collect::<Option<Vec<String>>>()
        });
        let texts = texts.filter(|texts| !texts.is_empty() && texts.iter().all(|one| !one.trim().is_empty()));
        if texts.is_none() {
            self.wrong_type(key, value);
        }
        texts
    }

    pub fn duration(&mut self, table: &Table<'_>, name: &str) -> Option<Located<i64>> {
        let (key, value) = table.entry(name)?;
        let zero = matches!(key.kind, Kind::Duration { zero: true });
        self.duration_value(key, zero, value)
    }

    /// `[SHORTEST, LONGEST]`; the longest may be zero only where that makes sense.
    pub fn duration_range(&mut self, table: &Table<'_>, name: &str, zero: bool) -> Option<[Located<i64>; 2]> {
        let (key, value) = table.entry(name)?;
        match value.get_ref() {
            DeValue::Array(items) if items.len() == 2 => {
                let shortest = self.duration_value(key, true, &items[0]);
                let longest = self.duration_value(key, zero, &items[1]);
                Some([shortest?, longest?])
            }
            _ => {
                self.wrong_type(key, value);
                None
            }
        }
    }

    /// Reads one value as a duration, in the name of `key`.
    pub fn duration_value(&mut self, key: &Key, zero: bool, value: &Value<'_>) -> Option<Located<i64>> {
        if matches!(value.get_ref(), DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_)) {
            let whole = matches!(key.kind, Kind::Duration { .. } | Kind::Wait);
            return self.duration_named(key.name, whole, zero, value);
        }
        self.wrong_type(key, value);
        None
    }

    /// Reads a value under a key that is the author's.
    pub fn duration_as(&mut self, name: &str, zero: bool, value: &Value<'_>) -> Option<Located<i64>> {
        self.duration_named(&short(name), true, zero, value)
    }

    fn duration_named(
        &mut self,
        name: &str,
        whole: bool,
        zero: bool,
        value: &Value<'_>,
    ) -> Option<Located<i64>> {
        let written = |text: &str| if whole { format!("{name} = \"{text}\"") } else { format!("\"{text}\"") };
        let (found, fault) = match value.get_ref() {
            DeValue::String(text) => match duration::parse(text) {
                Ok(0) if !zero => {
                    let message = format!("`{name}` must be longer than nothing");
                    self.push(self.fault(Code::BadDuration, message).at(value.span(), ""));
                    return None;
                }
                Ok(ms) => return Some(Located::new(ms, value.span())),
                Err(fault) => (text.to_string(), fault),
            },
            DeValue::Integer(integer) if integer.as_str().starts_with('-') => {
                (integer.as_str().to_owned(), BadDuration::Negative)
            }
            DeValue::Integer(integer) => (integer.as_str().to_owned(), BadDuration::NoUnit),
            DeValue::Float(float) => (float.as_str().to_owned(), BadDuration::Malformed),
            other => {
                let message =
                    format!("`{name}` must be a duration, such as \"30s\", not {}", describe(other));
                self.push(self.fault(Code::WrongType, message).at(value.span(), ""));
                return None;
            }
        };
        let shown = short(&found);
        let units = "units are ms, s, m, h and d";
        let (message, help, paste) = match fault {
            BadDuration::NoUnit => {
                let digits = found.trim_start_matches('0');
                let guess = match digits.len() {
                    0 => Some("0s".to_owned()),
                    1..=3 => Some(format!("{digits}s")),
                    4..=9 => Some(format!("{digits}ms")),
                    _ => None,
                };
                let help = match guess {
                    Some(_) => format!("{units}; perhaps you mean"),
                    None => units.to_owned(),
                };
                (format!("`{name}` has no unit"), help, guess.map(|guess| written(&guess)))
            }
            BadDuration::Negative => {
                (format!("`{name}` is negative"), "a duration is never less than nothing".into(), None)
            }
            BadDuration::TooLong => {
                let most = format!("the longest is {} days", duration::DURATION_DAYS_MAX);
                (format!("`{name}` is too long: {most}"), "leave it out if there is no bound".into(), None)
            }
            BadDuration::UnknownUnit(unit) => {
                let letter = unit.chars().next().map(|c| c.to_ascii_lowercase());
                let guess = match unit.as_str() {
                    "millis" | "msec" => Some("ms"),
                    _ => ["s", "m", "h", "d"].into_iter().find(|known| known.chars().next() == letter),
                };
                let paste = guess.map(|guess| found.replacen(&unit, guess, 1));
                let paste = paste.filter(|text| duration::parse(text).is_ok());
                (
                    format!("`{}` is no unit of time", short(&unit)),
                    units.into(),
                    paste.map(|text| written(&text)),
                )
            }
            BadDuration::Malformed => {
                let help = "write numbers with units, the longest first";
                (format!("`{shown}` is not a duration"), help.into(), Some(written("1h30m")))
            }
        };
        let diagnostic = self.fault(Code::BadDuration, message).at(value.span(), "").help(help);
        self.push(match paste {
            Some(paste) => diagnostic.paste(paste),
            None => diagnostic,
        });
        None
    }

    /// `YYYY-MM-DD` of a TOML local date.
    pub fn date(&mut self, table: &Table<'_>, name: &str) -> Option<Located<String>> {
        let (key, value) = table.entry(name)?;
        if let DeValue::Datetime(moment) = value.get_ref()
            && let (Some(date), None, None) = (moment.date, moment.time, moment.offset)
        {
            return Some(Located::new(date.to_string(), value.span()));
        }
        let message = format!("`{name}` must be {}, not {}", key.kind.expected(), describe(value.get_ref()));
        let diagnostic = self.fault(Code::BadDate, message).at(value.span(), "").help("for example");
        let quoted = value
            .get_ref()
            .as_str()
            .filter(|text| text.len() == 10 && text.parse::<toml::value::Datetime>().is_ok());
        self.push(match quoted {
            Some(date) => diagnostic.paste(format!("{name} = {date}")),
            None => diagnostic.paste(key.example),
        });
        None
    }
}

impl<'t> Table<'t> {
    /// A key's specification and value; None where the table does not have it.
    pub fn entry(&self, name: &str) -> Option<(&'static Key, &'t Value<'t>)> {
        let key = self.section.key(name);
        debug_assert!(key.is_some(), "`{name}` is in no section");
        Some((key?, self.table.get(name)?))
    }

    /// The span of the key itself.
    pub fn key_span(&self, name: &str) -> Option<Span> {
        self.table.get_key_value(name).map(|(key, _)| key.span().into())
    }
}

/// The keys that a table has, a misspelt one counting as the one that was meant.
pub fn given(section: &Section, table: &DeTable<'_>) -> BTreeSet<String> {
    // So many unknown keys are no slips of the pen.
    let slips = table.len() <= 2 * LIST_MAX;
    let meant = |key: &str| match section.key(key) {
        Some(known) => Some(known.name.to_owned()),
        None if slips => closest(key, section.names()).map(str::to_owned),
        None => None,
    };
    table.keys().filter_map(|key| meant(key.get_ref())).collect()
}

/// A documentation sentence as a label: a lowercase fragment.
pub fn aside(doc: &str) -> String {
    let mut chars = doc.trim_end_matches('.').chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// Where a table is announced: its header, or its key where it is written inline.
pub fn header_span(key: Span, value: &Value<'_>) -> Span {
    let span: Span = value.span().into();
    if span.start <= key.start && key.end <= span.end { span } else { key }
}

/// "an integer", "a string": what a value is.
pub fn describe(value: &DeValue<'_>) -> String {
    let name = value.type_str();
    let article = if name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {name}")
}

/// The value that was most likely meant, as TOML.
fn fix(kind: &Kind, value: &DeValue<'_>) -> Option<String> {
    let text = value.as_str().filter(|text| text.len() <= 60);
    match kind {
        Kind::Bool => text.filter(|text| ["true", "false"].contains(text)).map(str::to_owned),
        Kind::Count { min, max } => {
            let number: u32 = text?.parse().ok()?;
            (*min..=*max).contains(&number).then(|| number.to_string())
        }
        Kind::Fields { .. } => text.filter(|text| is_field(text)).map(|text| format!("[\"{text}\"]")),
        Kind::Several(words) => {
            text.filter(|text| words().contains(text)).map(|text| format!("[\"{text}\"]"))
        }
        Kind::NativeKey => {
            text.and_then(|text| duration::parse(text).ok().map(|_| format!("{{ ttl = \"{text}\" }}")))
        }
        Kind::DurationRange => {
            text.and_then(|text| duration::parse(text).ok().map(|_| format!("[\"0s\", \"{text}\"]")))
        }
        _ => None,
    }
}
