//! Presets: what is known of stores, providers, brokers and locks, each with its source.
//!
//! A preset is a small TOML file. It stands in for what the table that names it as its `kind` does
//! not say itself, and is read by the same readers as the table.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{keys, read};
use crate::diag::{Code, Diagnostic};
use crate::source::keys::{Key, Kind, Section};
use crate::source::reader::{self, Reader, Table, header_span};
use crate::source::suggest::alternatives;
use crate::source::{FileId, Located, Span, document};

static PRESETS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/presets");

/// The table of a policy that a preset fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fills {
    Store,
    Downstream,
    Queue,
    Lock,
}

impl Fills {
    pub const ALL: [Fills; 4] = [Fills::Store, Fills::Downstream, Fills::Queue, Fills::Lock];

    /// The name of the table, and of the folder that its presets are in.
    pub fn name(self) -> &'static str {
        match self {
            Fills::Store => "store",
            Fills::Downstream => "downstream",
            Fills::Queue => "queue",
            Fills::Lock => "lock",
        }
    }

    pub(super) fn section(self) -> &'static Section {
        match self {
            Fills::Store => &keys::STORE,
            Fills::Downstream => &keys::DOWNSTREAM,
            Fills::Queue => &keys::QUEUE,
            Fills::Lock => &keys::LOCK,
        }
    }
}

/// A preset, for people who ask what it says.
#[derive(Clone, Debug, Serialize)]
pub struct Preset {
    pub name: String,
    pub table: Fills,
    pub title: String,
    /// Where its facts are from.
    pub source: Vec<String>,
    /// The interleaving that it is known for.
    pub hazard: String,
    /// `read`, `reproduced`, `quoted` or `common`: how its facts were checked.
    pub checked: &'static str,
    /// What nobody promises, where one might think so.
    pub not_promised: Vec<String>,
    /// The keys of the table that it states.
    pub facts: toml::Table,
}

const CHECKED: Kind = Kind::OneOf(|| vec!["read", "reproduced", "quoted", "common"]);

/// A preset's file.
static PRESET: Section = Section {
    doc: "What is known of a store, a provider, a broker or a lock.",
    keys: &[
        Key::new("preset", Kind::Name, "preset = \"postgres\"", "The name that `kind` takes.").required(),
        Key::new("title", Kind::Text, "title = \"PostgreSQL\"", "What it is.").required(),
        Key::new("source", Kind::Texts, "source = [\"https://example.org\"]", "Where it is from.").required(),
        Key::new("hazard", Kind::Text, "hazard = \"…\"", "The interleaving that it is known for.").required(),
        Key::new("checked", CHECKED, "checked = \"read\"", "How its facts were checked.").required(),
        Key::new("not_promised", Kind::Texts, "not_promised = [\"…\"]", "What nobody promises."),
        Key::new("store", Kind::Named, "[store]", "Facts of a store."),
        Key::new("downstream", Kind::Named, "[downstream]", "Facts of a downstream."),
        Key::new("queue", Kind::Named, "[queue]", "Facts of a queue."),
        Key::new("lock", Kind::Named, "[lock]", "Facts of a lock."),
    ],
    later: &[],
};

/// Path and text of every shipped preset of a table, sorted; the path begins with `presets/`.
pub fn shipped(table: Fills) -> Vec<(String, &'static str)> {
    let path = |name: &str| format!("presets/{}/{name}.toml", table.name());
    names(table).into_iter().filter_map(|name| Some((path(name), text(table, name)?))).collect()
}

/// The names of a table's presets, sorted.
pub fn names(table: Fills) -> Vec<&'static str> {
    texts(table).map(|(name, _)| name).collect()
}

/// The text of a preset.
pub(super) fn text(table: Fills, name: &str) -> Option<&'static str> {
    texts(table).find(|(known, _)| *known == name).map(|(_, text)| text)
}

/// Names and texts of a table's presets, sorted. Every policy asks.
fn texts(table: Fills) -> impl Iterator<Item = (&'static str, &'static str)> {
    static TEXTS: LazyLock<BTreeMap<(&str, &str), &str>> = LazyLock::new(|| {
        let files = Fills::ALL.into_iter().filter_map(|table| Some((table, PRESETS.get_dir(table.name())?)));
        let files = files.flat_map(|(table, folder)| folder.files().map(move |file| (table, file)));
        let texts = files.filter_map(|(table, file)| {
            let name = file.path().file_name()?.to_str()?.strip_suffix(".toml")?;
            Some(((table.name(), name), file.contents_utf8()?))
        });
        texts.collect()
    });
    let of = table.name();
    TEXTS
        .range((of, "")..)
        .take_while(move |((table, _), _)| *table == of)
        .map(|((_, name), text)| (*name, *text))
}

/// Every shipped preset, table by table.
pub fn all() -> Vec<Preset> {
    let texts = Fills::ALL.into_iter().flat_map(shipped);
    // A test reads every one of them: none is left out here.
    texts.filter_map(|(_, text)| read(FileId(0), text).0).collect()
}

/// Reads a preset by the readers of policies: what a policy may not say, a preset may not either.
pub fn read(file: FileId, text: &str) -> (Option<Preset>, Vec<Diagnostic>) {
    let mut reader = Reader::new(file);
    let Some(document) = document::parse(file, text, &mut reader.out) else {
        return (None, reader.out);
    };
    let root = reader.root(&PRESET, &document);
    let name = reader.text(&root, "preset");
    let title = reader.text(&root, "title");
    let source = reader.texts(&root, "source");
    let hazard = reader.text(&root, "hazard");
    let checked = reader.word(&root, "checked", &[]);
    let not_promised = reader.texts(&root, "not_promised");
    let tables: Vec<Fills> =
        Fills::ALL.into_iter().filter(|table| root.key_span(table.name()).is_some()).collect();
    let [table] = tables[..] else {
        let all = alternatives(Fills::ALL.map(Fills::name));
        let message = format!("a preset is of one table, which is {all}");
        reader.push(reader.fault(Code::MissingKey, message).at(0..0, ""));
        return (None, reader.out);
    };
    let facts = facts(&root, table, text, &mut reader);
    let preset = (|| {
        Some(Preset {
            name: name?.value,
            table,
            title: title?.value,
            source: source?,
            hazard: hazard?.value,
            checked: checked?.value,
            not_promised: not_promised.unwrap_or_default(),
            facts: facts?,
        })
    })();
    (preset.filter(|_| !crate::diag::any_error(&reader.out)), reader.out)
}

/// The keys of the preset's table, once the reader of that table has found nothing to say.
fn facts(root: &Table<'_>, table: Fills, text: &str, reader: &mut Reader) -> Option<toml::Table> {
    let (spec, value) = root.entry(table.name())?;
    let DeValue::Table(said) = value.get_ref() else {
        reader.wrong_type(spec, value);
        return None;
    };
    if let Some((key, _)) = said.get_key_value("kind") {
        let message = "a preset's `kind` is its name";
        reader.push(reader.fault(Code::UnknownKey, message).at(key.span(), ""));
        return None;
    }
    let header = header_span(root.key_span(table.name())?, value);
    let mut whole = said.clone();
    if let Some(name) = root.entry("preset") {
        // A table may require its kind.
        whole.insert(Spanned::new(header.start..header.end, "kind".into()), name.1.clone());
    }
    let whole = reader.nested(table.section(), table.name(), header, &whole);
    match table {
        Fills::Store => drop(read::store(&whole, reader)),
        Fills::Downstream => drop(read::downstream(&whole, reader)),
        Fills::Queue => drop(read::queue(&whole, reader)),
        Fills::Lock => drop(read::lock(&whole, reader)),
    }
    let mut plain: toml::Table = toml::from_str(text).ok()?;
    plain.remove(table.name())?.as_table().cloned()
}

/// The table, and where its preset says what it does not: all of that stands at `kind`.
pub fn filled<'t>(table: &Table<'t>, fills: Fills, kind: Option<Located<&'static str>>) -> DeTable<'t> {
    let mut whole = table.table.clone();
    let Some(kind) = kind else { return whole };
    let Some(text) = text(fills, kind.value) else { return whole };
    let (document, _) = DeTable::parse_recoverable(text);
    let Some(DeValue::Table(said)) = document.get_ref().get(fills.name()).map(Spanned::get_ref) else {
        return whole;
    };
    let given = reader::given(table.section, table.table);
    for (key, value) in said {
        if !given.contains(key.get_ref().as_ref()) {
            whole.insert(Spanned::new(range(kind.span), key.get_ref().clone()), moved(value, kind.span));
        }
    }
    whole
}

fn moved<'t>(value: &Spanned<DeValue<'t>>, to: Span) -> Spanned<DeValue<'t>> {
    let value = match value.get_ref() {
        DeValue::Array(items) => DeValue::Array(items.iter().map(|item| moved(item, to)).collect()),
        DeValue::Table(table) => {
            let entry = |(key, value): (&Spanned<Cow<'t, str>>, &_)| {
                (Spanned::new(range(to), key.get_ref().clone()), moved(value, to))
            };
            DeValue::Table(table.iter().map(entry).collect())
        }
        plain => plain.clone(),
    };
    Spanned::new(range(to), value)
}

fn range(span: Span) -> std::ops::Range<usize> {
    span.start..span.end
}

/// Says of every value that stands at a `kind` that it is the preset's.
pub fn name_origins(kinds: &[Located<&'static str>], diagnostics: &mut [Diagnostic]) {
    let origin = |span: Span, label: &mut String| {
        let Some(kind) = kinds.iter().find(|kind| kind.span == span) else { return };
        let name = kind.value;
        *label = match label.is_empty() {
            true => format!("from the preset `{name}`"),
            false => format!("{label} (from the preset `{name}`)"),
        };
    };
    for diagnostic in diagnostics {
        if let Some(span) = diagnostic.span {
            origin(span, &mut diagnostic.label);
        }
        for other in &mut diagnostic.secondary {
            origin(other.span, &mut other.text);
        }
    }
}
