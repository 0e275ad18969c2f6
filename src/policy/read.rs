//! TOML → [`Draft`]: every key by its kind; nothing is compared with anything yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::draft::{DownstreamDraft, Draft, KeyDraft, OperationDraft, RoleDraft, StoreDraft, TriggerDraft};
use super::endpoint;
use super::http;
use super::keys::{self, LATER_TRIGGERS, NATIVE_KEY, POLICY, ROLE};
use super::presets::{self, Fills, names};
use super::remedy::keys::GUARD;
use super::remedy::{GuardRule, TargetKind, read as remedy};
use super::simulate;
use super::{
    Effect, Errors, Faults, Lock, NativeKey, Queue, Replay, SuppliedBy, TriggerKind, TtlFrom, Waiver,
};
use crate::check::{property::Property, verdict::Verdict};
use crate::diag::{Code, Diagnostic};
use crate::source::keys::{Key, Kind, Section, is_identifier};
use crate::source::reader::{self, Reader, Table, header_span};
use crate::source::suggest::{closest, list, short};
use crate::source::{FileId, Located, Span, document};

/// Reads a policy; the draft is there even where diagnostics are errors, so that more can be found.
pub fn read(file: FileId, path: &Path, text: &str) -> (Option<Draft>, Vec<Diagnostic>) {
    let mut out = Vec::new();
    match document::parse(file, text, &mut out) {
        Some(document) => read_document(file, path, &document, out),
        None => (None, out),
    }
}

/// The same of a document that was parsed, with what was wrong with it.
pub fn read_document(
    file: FileId,
    path: &Path,
    document: &DeTable<'_>,
    out: Vec<Diagnostic>,
) -> (Option<Draft>, Vec<Diagnostic>) {
    let mut reader = Reader { file, out };
    let root = reader.root(&POLICY, document);
    let (choices, choices_header) = choices(&root, &mut reader);
    let (waits, waits_header) = waits(&root, &mut reader);
    let mut kinds = Vec::new();
    let name = reader.text(&root, "policy");
    let called = name.as_ref().map_or("", |name| name.value.as_str()).to_owned();
    let target = reader.table(&root, "target").and_then(|table| remedy::target(&table, &called, &mut reader));
    let size = match target.as_ref().map(|target| target.value.kind) {
        Some(TargetKind::Members { size, .. }) => size,
        _ => 1,
    };
    let draft = Draft {
        file,
        path: path.to_owned(),
        name,
        summary: reader.text(&root, "summary"),
        model: reader.text(&root, "model"),
        operation: reader.table(&root, "operation").map(|table| operation(&table, &mut reader)),
        key: reader.table(&root, "key").map(|table| key(&table, &mut reader)),
        trigger: reader
            .table(&root, "trigger")
            .map_or_else(TriggerDraft::default, |table| trigger(&table, &mut reader)),
        store: known(&root, Fills::Store, store, &mut kinds, &mut reader),
        downstream: known(&root, Fills::Downstream, downstream, &mut kinds, &mut reader),
        queue: known(&root, Fills::Queue, queue, &mut kinds, &mut reader),
        lock: known(&root, Fills::Lock, lock, &mut kinds, &mut reader),
        outbox: reader
            .table(&root, "outbox")
            .map(|table| Located::new(reader.duration(&table, "dedup").map(|time| time.value), table.header)),
        http: reader
            .table(&root, "http")
            .map(|table| Located::new(http::read(&table, &mut reader), table.header)),
        load: reader.table(&root, "load").and_then(|table| {
            endpoint::read(&table, &mut reader).map(|load| Located::new(load, table.header))
        }),
        simulate: reader
            .table(&root, "simulate")
            .map(|table| simulate::read(&table, &mut reader))
            .unwrap_or_default(),
        roles: roles(&root, &mut reader),
        target,
        action: reader.table(&root, "action").and_then(|table| remedy::action(&table, &mut reader)),
        guards: guards(&root, size, &mut reader),
        human: reader
            .table(&root, "human")
            .map(|table| Located::new(remedy::human(&table, &mut reader), table.header)),
        choices,
        choices_header,
        waits,
        waits_header,
        faults: faults(reader.table(&root, "faults"), &mut reader),
        fault_spans: fault_spans(&root),
        expect: expect(&root, &mut reader),
        waivers: waivers(&root, &mut reader),
        silenced: silenced(&root, &mut reader),
        given: given(&root),
        kinds,
    };
    (Some(draft), reader.out)
}

/// A table that its preset completes.
fn known<T>(
    root: &Table<'_>,
    fills: Fills,
    read: fn(&Table<'_>, &mut Reader) -> T,
    kinds: &mut Vec<Located<&'static str>>,
    reader: &mut Reader,
) -> Option<T> {
    let table = reader.table(root, fills.name())?;
    let kind = table.table.get("kind").and_then(|value| {
        let found = names(fills).into_iter().find(|name| value.get_ref().as_str() == Some(name))?;
        Some(Located::new(found, value.span()))
    });
    kinds.extend(kind);
    let whole = presets::filled(&table, fills, kind);
    Some(read(&Table { table: &whole, ..table }, reader))
}

fn given(table: &Table<'_>) -> BTreeSet<String> {
    reader::given(table.section, table.table)
}

fn operation(table: &Table<'_>, reader: &mut Reader) -> OperationDraft {
    OperationDraft {
        header: table.header,
        effect: reader.word(table, "effect", &[]).and_then(|word| Effect::from_name(word.value)),
        identity: reader.names(table, "identity", &[]),
        stable: reader.names(table, "stable", &[]),
        severity: reader.text(table, "severity").map(|text| text.value),
        given: given(table),
    }
}

fn key(table: &Table<'_>, reader: &mut Reader) -> KeyDraft {
    let supplied_by = reader.word(table, "supplied_by", &[]).map(|word| {
        let value = match word.value {
            "client" => SuppliedBy::Client,
            "server" => SuppliedBy::Server,
            _ => SuppliedBy::Nobody,
        };
        Located::new(value, word.span)
    });
    let fingerprint = reader.names(table, "fingerprint", &[]);
    KeyDraft {
        header: table.header,
        from: reader.names(table, "from", &[]),
        fingerprint: fingerprint
            .map_or_else(Vec::new, |list| list.value.into_iter().map(|field| field.value).collect()),
        supplied_by,
        replay: match reader.word(table, "replay", &[]).map(|word| word.value) {
            Some("semantic") => Replay::Semantic,
            Some("latest") => Replay::Latest,
            _ => Replay::Bytes,
        },
        given: given(table),
    }
}

fn trigger(table: &Table<'_>, reader: &mut Reader) -> TriggerDraft {
    let kind = reader.word(table, "kind", LATER_TRIGGERS).map(|word| {
        let kind = match word.value {
            "queue" => TriggerKind::Queue,
            "alert" => TriggerKind::Alert,
            "schedule" => TriggerKind::Schedule,
            "loop" => TriggerKind::Loop,
            _ => TriggerKind::Http,
        };
        Located::new(kind, word.span)
    });
    TriggerDraft {
        header: Some(table.header),
        misnamed: kind.is_none() && table.entry("kind").is_some(),
        kind,
        requests: reader.count(table, "requests"),
        conflicting: reader.count(table, "conflicting"),
        retries: reader.count(table, "retries"),
        timeout: reader.duration(table, "timeout"),
        backoff: reader.duration(table, "backoff"),
        within: reader.duration(table, "within"),
        every: reader.duration(table, "every"),
        delay: reader.duration(table, "delay"),
        repeat: reader.duration(table, "repeat"),
        notifiers: reader.count(table, "notifiers"),
        overlapping: reader.count(table, "overlapping"),
    }
}

pub(super) fn store(table: &Table<'_>, reader: &mut Reader) -> StoreDraft {
    StoreDraft {
        header: table.header,
        kind: reader.word(table, "kind", &[]).map(|word| word.value),
        lease: reader.duration(table, "lease"),
        ttl: reader.duration(table, "ttl"),
        ttl_from: match reader.word(table, "ttl_from", &[]).map(|word| word.value) {
            Some("record") => TtlFrom::Record,
            _ => TtlFrom::Claim,
        },
        ttl_lag: reader.duration(table, "ttl_lag").map_or(0, |lag| lag.value),
        loses_writes: flag(table, "loses_writes", false, reader),
        stale_reads: flag(table, "stale_reads", false, reader),
        staleness: reader.duration(table, "staleness").map(|most| most.value),
        conditional: flag(table, "conditional", true, reader),
        per_process: flag(table, "per_process", false, reader),
        client_clock: reader.word(table, "clock", &[]).is_some_and(|word| word.value == "client"),
        given: given(table),
    }
}

fn flag(table: &Table<'_>, name: &str, default: bool, reader: &mut Reader) -> bool {
    reader.flag(table, name).map_or(default, |flag| flag.value)
}

pub(super) fn queue(table: &Table<'_>, reader: &mut Reader) -> Located<Queue> {
    reader.word(table, "kind", &[]);
    let visibility = reader.duration(table, "visibility").map(|time| time.value);
    let queue = Queue {
        visibility,
        // Without a visibility timeout a message can come again at any moment anyway.
        notices: flag(table, "notices_crashes", visibility.is_none(), reader),
        dedup: reader.duration(table, "dedup").map(|time| time.value),
        duplicates: flag(table, "duplicates", false, reader),
        redrives: reader.count(table, "redrives").map_or(0, |count| count.value),
    };
    Located::new(queue, table.header)
}

pub(super) fn lock(table: &Table<'_>, reader: &mut Reader) -> Located<Lock> {
    reader.word(table, "kind", &[]);
    let per = reader.word(table, "per", &[]);
    let lock = Lock {
        lease: reader.duration(table, "lease").map(|time| time.value),
        session: flag(table, "session", false, reader),
        per_process: flag(table, "per_process", false, reader),
        dead_grants: flag(table, "dead_grants", false, reader),
        pooled: flag(table, "pooled", false, reader),
        per_target: per.is_some_and(|word| word.value == "target"),
    };
    Located::new(lock, table.header)
}

/// The tables of a table of tables, with their names.
fn nested_all<'t>(
    root: &Table<'t>,
    what: &str,
    section: &'static Section,
    reader: &mut Reader,
) -> Vec<(Located<String>, Table<'t>)> {
    let Some(map) = map(root, what, reader) else { return Vec::new() };
    let mut out = Vec::new();
    for (name, value) in map.entries {
        let DeValue::Table(table) = value.get_ref() else {
            let message = format!("`{what}.{}` must be a table", short(&name.value));
            reader.push(reader.fault(Code::WrongType, message).at(value.span(), ""));
            continue;
        };
        let header = header_span(name.span, value);
        let table = reader.nested(section, &format!("{what}.{}", short(&name.value)), header, table);
        out.push((name, table));
    }
    out
}

fn roles(root: &Table<'_>, reader: &mut Reader) -> Vec<RoleDraft> {
    let tables = nested_all(root, "role", &ROLE, reader);
    let mut role = |(name, table): (Located<String>, Table<'_>)| RoleDraft {
        replicas: reader.count(&table, "replicas").map_or(1, |count| count.value),
        runs: reader.count(&table, "runs").map_or(2, |count| count.value),
        every: reader.duration(&table, "every").map(|time| time.value),
        name,
    };
    tables.into_iter().map(&mut role).collect()
}

fn guards(root: &Table<'_>, size: u32, reader: &mut Reader) -> Option<Located<Vec<GuardRule>>> {
    let span = root.key_span("guards")?;
    let tables = nested_all(root, "guards", &GUARD, reader);
    Some(Located::new(remedy::guards(tables, size, reader), span))
}

pub(super) fn downstream(table: &Table<'_>, reader: &mut Reader) -> DownstreamDraft {
    let errors = match reader.word(table, "errors", &[]).map(|word| word.value) {
        Some("never") => Errors::Never,
        Some("definite") => Errors::Definite,
        _ => Errors::Ambiguous,
    };
    reader.word(table, "kind", &[]);
    DownstreamDraft {
        header: table.header,
        latency: reader.duration_range(table, "latency", false),
        timeout: reader.duration(table, "timeout"),
        late: reader.duration(table, "late"),
        native_key: native_key(table, reader),
        query: reader.flag(table, "query"),
        fencing: reader.flag(table, "fencing"),
        errors,
        given: given(table),
    }
}

fn native_key(table: &Table<'_>, reader: &mut Reader) -> Option<Located<NativeKey>> {
    let (spec, value) = table.entry("native_key")?;
    let span = table.key_span("native_key")?;
    match value.get_ref() {
        DeValue::Boolean(true) => Some(Located::new(NativeKey { ttl: None, compares: None }, span)),
        DeValue::Boolean(false) => None,
        DeValue::Table(inner) => {
            let inner = reader.nested(&NATIVE_KEY, "downstream.native_key", header_span(span, value), inner);
            let ttl = reader.duration(&inner, "ttl").map(|ttl| ttl.value);
            let compares = reader.flag(&inner, "compares").map(|flag| flag.value);
            Some(Located::new(NativeKey { ttl, compares }, span))
        }
        _ => {
            reader.wrong_type(spec, value);
            None
        }
    }
}

pub(super) fn faults(table: Option<Table<'_>>, reader: &mut Reader) -> Faults {
    let mut faults = Faults {
        crashes: 1,
        restart: false,
        lost_requests: 0,
        lost_responses: 1,
        ambiguous_acks: 0,
        aborts: 0,
        failovers: 0,
        store_errors: 0,
        lock_losses: 0,
        duplicate_requests: 0,
        late_requests: 0,
        redeliveries: 0,
        clock_skew: 0,
        pause: None,
    };
    let Some(table) = table else { return faults };
    let mut count = |name, field: &mut u32| {
        if let Some(given) = reader.count(&table, name) {
            *field = given.value;
        }
    };
    count("crashes", &mut faults.crashes);
    count("lost_requests", &mut faults.lost_requests);
    count("lost_responses", &mut faults.lost_responses);
    count("ambiguous_acks", &mut faults.ambiguous_acks);
    count("aborts", &mut faults.aborts);
    count("failovers", &mut faults.failovers);
    count("store_errors", &mut faults.store_errors);
    count("lock_losses", &mut faults.lock_losses);
    count("duplicate_requests", &mut faults.duplicate_requests);
    count("late_requests", &mut faults.late_requests);
    count("redeliveries", &mut faults.redeliveries);
    faults.clock_skew = reader.duration(&table, "clock_skew").map_or(0, |skew| skew.value);
    faults.restart = reader.flag(&table, "restart").is_some_and(|flag| flag.value);
    faults.pause = reader.duration(&table, "pause").map(|pause| pause.value);
    faults
}

fn fault_spans(root: &Table<'_>) -> BTreeMap<String, Span> {
    let table = root.entry("faults").and_then(|(_, value)| value.get_ref().as_table());
    let entries = table.into_iter().flat_map(|table| table.iter());
    entries.map(|(key, _)| (key.get_ref().to_string(), key.span().into())).collect()
}

/// A table whose keys are the author's: each key with its place, and its value as TOML.
pub(super) struct Map<'t> {
    header: Span,
    pub(super) entries: Vec<(Located<String>, &'t toml::Spanned<DeValue<'t>>)>,
}

pub(super) fn map<'t>(root: &Table<'t>, name: &str, reader: &mut Reader) -> Option<Map<'t>> {
    let (spec, value) = root.entry(name)?;
    let DeValue::Table(table) = value.get_ref() else {
        reader.wrong_type(spec, value);
        return None;
    };
    let header = header_span(root.key_span(name)?, value);
    let entry = |(key, value): (&toml::Spanned<std::borrow::Cow<'t, str>>, &'t _)| {
        (Located::new(key.get_ref().to_string(), key.span()), value)
    };
    Some(Map { header, entries: table.iter().map(entry).collect() })
}

type Choices = Vec<(Located<String>, Option<Located<String>>)>;

fn choices(root: &Table<'_>, reader: &mut Reader) -> (Choices, Option<Span>) {
    let Some(map) = map(root, "choices", reader) else { return (Vec::new(), None) };
    let mut out = Vec::new();
    for (name, value) in map.entries {
        let option = match value.get_ref().as_str() {
            Some(text) => Some(Located::new(text.to_owned(), value.span())),
            None => {
                let message = format!("the choice `{}` must be the name of an option", short(&name.value));
                reader.push(reader.fault(Code::WrongType, message).at(value.span(), ""));
                None
            }
        };
        out.push((name, option));
    }
    (out, Some(map.header))
}

type Waits = Vec<(Located<String>, Option<Located<i64>>)>;

fn waits(root: &Table<'_>, reader: &mut Reader) -> (Waits, Option<Span>) {
    let Some(map) = map(root, "waits", reader) else { return (Vec::new(), None) };
    let mut out = Vec::new();
    for (name, value) in map.entries {
        if !is_identifier(&name.value) {
            let diagnostic = reader.bad_name(&name.value, Kind::Identifier).at(name.span, "");
            reader.push(diagnostic);
        }
        let ms = reader.duration_as(&name.value, false, value);
        out.push((name, ms));
    }
    (out, Some(map.header))
}

pub(super) fn expect(root: &Table<'_>, reader: &mut Reader) -> BTreeMap<Property, Verdict> {
    let mut out = BTreeMap::new();
    let Some(map) = map(root, "expect", reader) else { return out };
    let Some(Kind::Map(_, Kind::OneOf(verdicts))) = POLICY.key("expect").map(|key| key.kind) else {
        return out;
    };
    for (name, value) in map.entries {
        let property = property(&name, reader);
        let text = value.get_ref().as_str();
        let verdict = match text {
            Some(text) => reader.one_of(&short(&name.value), text, value.span().into(), &verdicts()),
            None => {
                let message = format!("`{}` must be the name of a verdict", short(&name.value));
                let diagnostic =
                    reader.fault(Code::WrongType, message).at(value.span(), "").help("for example");
                reader.push(diagnostic.paste(format!("{} = \"violated\"", short(&name.value))));
                None
            }
        };
        let verdict = verdict.and_then(|verdict| keys::verdict(verdict.value));
        if let (Some(property), Some(verdict)) = (property, verdict) {
            out.insert(property, verdict);
        }
    }
    out
}

fn property(name: &Located<String>, reader: &mut Reader) -> Option<Property> {
    let found = Property::from_name(&name.value);
    if found.is_none() {
        let names = || Property::ALL.into_iter().map(Property::name);
        let message = format!("there is no property `{}`", short(&name.value));
        let diagnostic = reader.fault(Code::PropertyUnknown, message).at(name.span, "");
        reader.push(match closest(&name.value, names()) {
            Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
            None => diagnostic.help(format!("the properties are {}", list(names()))),
        });
    }
    found
}

pub(super) fn waivers(root: &Table<'_>, reader: &mut Reader) -> Vec<Waiver> {
    let mut out: Vec<Waiver> = Vec::new();
    let mut places: Vec<(Property, Span)> = Vec::new();
    for table in reader.tables(root, "waiver") {
        let property = waived(&table, reader);
        let reason = reader.text(&table, "reason");
        let until = reader.date(&table, "until");
        let mut trimmed = |name: &str| reader.text(&table, name).map(|text| text.value.trim().to_owned());
        let (owner, ticket) = (trimmed("owner"), trimmed("ticket"));
        let Some(property) = property else { continue };
        if let Some((_, first)) = places.iter().find(|(earlier, _)| *earlier == property.value) {
            let message = format!("a second waiver for `{}`", property.value);
            reader.push(
                reader
                    .fault(Code::WaiverTwice, message)
                    .at(property.span, "again here")
                    .also(*first, "first here")
                    .help("keep the one that was reviewed last"),
            );
            continue;
        }
        places.push((property.value, property.span));
        if let (Some(reason), Some(until)) = (reason, until) {
            let reason = reason.value.trim().to_owned();
            let (property, until, span) = (property.value, until.value, table.header);
            out.push(Waiver { property, reason, until, owner, ticket, span });
        }
    }
    out
}

pub(super) fn silenced(root: &Table<'_>, reader: &mut Reader) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for table in reader.tables(root, "silence") {
        let lint = reader.word(&table, "lint", &[]).map(|word| word.value.to_owned());
        let reason = reader.text(&table, "reason").map(|reason| reason.value.trim().to_owned());
        out.extend(lint.zip(reason));
    }
    out
}

fn waived(table: &Table<'_>, reader: &mut Reader) -> Option<Located<Property>> {
    let (spec, value): (&Key, _) = table.entry("property")?;
    let Some(text) = value.get_ref().as_str() else {
        reader.wrong_type(spec, value);
        return None;
    };
    let text = Located::new(text.to_owned(), value.span());
    property(&text, reader).map(|property| Located::new(property, text.span))
}
