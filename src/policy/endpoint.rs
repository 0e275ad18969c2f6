//! `[load]`: the endpoint that `load` races, and where its effects are counted.
//!
//! The checker has no use for it.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::http::is_header;
use super::read::map;
use super::{Policy, TriggerKind};
use crate::diag::{Code, Diagnostic};
use crate::source::Located;
use crate::source::keys::{Key, Kind, Section};
use crate::source::reader::{Reader, Table};
use crate::source::suggest::short;

pub static LOAD: Section = Section {
    doc: "The endpoint that `load` races. `{{key}}` stands for the key of a burst, `{{n}}` for the number of a \
          request, `{{random}}` for a number that is drawn for each key.",
    keys: &[
        Key::new(
            "urls",
            Kind::Texts,
            "urls = [\"http://127.0.0.1:8080/pay\"]",
            "Where requests go; several are replicas of one service, and take turns.",
        )
        .required(),
        Key::new("method", Kind::OneOf(|| METHODS.to_vec()), "method = \"POST\"", "The method of a request.")
            .default("POST"),
        Key::new(
            "body",
            Kind::Text,
            "body = '{\"order\": \"{{key}}\"}'",
            "The payload of every request of a burst.",
        )
        .default("{}"),
        Key::new(
            "conflicting",
            Kind::Text,
            "conflicting = '{\"order\": \"{{key}}\", \"amount\": 2}'",
            "Another payload, to be refused under the same key.",
        )
        .default("it is not tried"),
        Key::new(
            "headers",
            Kind::Map(None, &Kind::Text),
            "[load.headers]\nContent-Type = \"application/json\"",
            "Headers of every request; the key's own is `[http] key_header`.",
        ),
        Key::new(
            "ignore",
            Kind::Texts,
            "ignore = [\"x-served-by\"]",
            "Headers that may differ between an answer and its replay, besides those that always may.",
        ),
        Key::new(
            "settle",
            Kind::Duration { zero: true },
            "settle = \"500ms\"",
            "How long effects may still land after the last answer: then they are counted.",
        )
        .default("500ms"),
        Key::new(
            "effects",
            Kind::Table(&EFFECTS),
            "[load.effects]\nurl     = \"http://127.0.0.1:8080/ledger?key={{key}}\"\npointer = \"/effects\"",
            "Where the effects of a key are counted: answers alone prove nothing.",
        )
        .required(),
    ],
    later: &[],
};

static EFFECTS: Section = Section {
    doc: "Where the effects of a key are counted: one of `url`, `sql`, `redis` and `command`.",
    keys: &[
        Key::new(
            "url",
            Kind::Text,
            "url = \"http://127.0.0.1:8080/ledger?key={{key}}\"",
            "An address that answers with the count.",
        ),
        Key::new(
            "pointer",
            Kind::Text,
            "pointer = \"/effects\"",
            "Where in its JSON the count stands: a number, or a list of effects. Without it, the body is a number.",
        ),
        Key::new(
            "sql",
            Kind::Text,
            "sql = \"SELECT count(*) FROM charges WHERE key = $1\"",
            "A statement whose first value is the count; its one parameter is the key.",
        ),
        Key::new(
            "redis",
            Kind::Texts,
            "redis = [\"LLEN\", \"charges:{{key}}\"]",
            "A command that gives the count.",
        ),
        Key::new(
            "store",
            Kind::Text,
            "store = \"postgres://127.0.0.1/shop\"",
            "Where `sql` or `redis` is asked: sqlite:FILE, postgres://… or redis://…",
        ),
        Key::new(
            "command",
            Kind::Texts,
            "command = [\"./count\", \"{{key}}\"]",
            "A program, without a shell, that prints the count.",
        ),
    ],
    later: &[],
};

const METHODS: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];
const SETTLE_MS: i64 = 500;

/// `[load]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    pub urls: Vec<String>,
    pub method: &'static str,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub conflicting: Option<String>,
    /// In lower case.
    pub ignore: Vec<String>,
    /// In milliseconds.
    pub settle: i64,
    pub effects: Effects,
}

/// Where the effects of a key are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effects {
    Url { url: String, pointer: Option<String> },
    Sql { store: String, statement: String },
    Redis { store: String, command: Vec<String> },
    Command(Vec<String>),
}

/// What `{{…}}` may stand for.
const PLACES: [&str; 3] = ["key", "n", "random"];

/// The first `{{…}}` of a text that stands for nothing.
fn unknown_place(text: &str) -> Option<&str> {
    text.split("{{").skip(1).find_map(|rest| {
        let (name, _) = rest.split_once("}}")?;
        (!PLACES.contains(&name.trim())).then_some(name)
    })
}

pub(super) fn read(table: &Table<'_>, reader: &mut Reader) -> Option<Load> {
    let urls = reader.located_texts(table, "urls");
    for url in &urls {
        let wrong = match url.value.split_once("://") {
            Some(("http", rest)) if !rest.is_empty() && !rest.starts_with('/') => continue,
            Some(("https", _)) => "requests are sent over plain HTTP; put a proxy that speaks TLS between",
            _ => "it is no address such as http://127.0.0.1:8080/pay",
        };
        let message = format!("`{}` can't be raced: {wrong}", short(&url.value));
        let diagnostic = reader.fault(Code::LoadSource, message).at(url.span, "");
        reader.push(diagnostic.help("write").paste("urls = [\"http://127.0.0.1:8080/pay\"]"));
    }
    let mut templates: Vec<_> = urls.clone();
    let body = reader.text(table, "body");
    let conflicting = reader.text(table, "conflicting");
    templates.extend(body.iter().chain(&conflicting).cloned());
    let mut headers = BTreeMap::new();
    for (name, value) in map(table, "headers", reader).map(|map| map.entries).unwrap_or_default() {
        let text =
            value.get_ref().as_str().filter(|text| text.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        match text.filter(|_| is_header(&name.value)) {
            Some(text) => {
                templates.push(Located::new(text.to_owned(), value.span()));
                headers.insert(name.value, text.to_owned());
            }
            None => {
                let message = format!("the header `{}` can't be sent", short(&name.value));
                let diagnostic = reader.fault(Code::LoadSource, message).at(value.span(), "");
                reader.push(
                    diagnostic
                        .help("a name of letters, digits and hyphens, and visible ASCII text: for example")
                        .paste("Content-Type = \"application/json\""),
                );
            }
        }
    }
    let method = reader.word(table, "method", &[]).map(|word| word.value);
    let ignore = reader.texts(table, "ignore").unwrap_or_default();
    let settle = reader.duration(table, "settle");
    let effects =
        reader.table(table, "effects").and_then(|effects| read_effects(&effects, reader, &mut templates));
    for text in &templates {
        if let Some(place) = unknown_place(&text.value) {
            let message = format!("`{{{{{}}}}}` stands for nothing", short(place));
            let diagnostic = reader.fault(Code::LoadSource, message).at(text.span, "");
            reader.push(diagnostic.help("write `{{key}}`, `{{n}}` or `{{random}}`"));
        }
    }
    if let (Some(body), Some(other)) = (&body, &conflicting)
        && body.value == other.value
    {
        let message = "the conflicting payload is the payload itself".to_owned();
        let diagnostic = reader.fault(Code::LoadSource, message).at(other.span, "");
        reader.push(diagnostic.help("change what the fingerprint compares, such as an amount"));
    }
    Some(Load {
        urls: urls.into_iter().map(|url| url.value).collect(),
        method: method.unwrap_or("POST"),
        headers,
        body: body.map_or_else(|| "{}".to_owned(), |body| body.value),
        conflicting: conflicting.map(|body| body.value),
        ignore: ignore.iter().map(|name| name.to_ascii_lowercase()).collect(),
        settle: settle.map_or(SETTLE_MS, |settle| settle.value),
        effects: effects?,
    })
}

type Texts = Vec<Located<String>>;

fn read_effects(table: &Table<'_>, reader: &mut Reader, templates: &mut Texts) -> Option<Effects> {
    let url = reader.text(table, "url");
    let pointer = reader.text(table, "pointer");
    let sql = reader.text(table, "sql");
    let redis = reader.located_texts(table, "redis");
    let store = reader.text(table, "store");
    let command = reader.located_texts(table, "command");
    templates.extend(url.iter().chain(&redis).chain(&command).cloned());
    let mut fault = |message: &str, help: &str, paste: &str| {
        let diagnostic = reader.fault(Code::LoadSource, message).at(table.header, "");
        reader.push(diagnostic.help(help).paste(paste));
    };
    let ways = [url.is_some(), sql.is_some(), !redis.is_empty(), !command.is_empty()];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        fault(
            "effects are counted in one way",
            "give one of `url`, `sql`, `redis` and `command`, such as",
            "url = \"http://127.0.0.1:8080/ledger?key={{key}}\"",
        );
        return None;
    }
    if pointer.as_ref().is_some_and(|pointer| url.is_none() || !pointer.value.starts_with('/')) {
        fault("the pointer leads nowhere", "it begins with `/`, and is of a `url`", "pointer = \"/effects\"");
    }
    if let Some(url) = url {
        return Some(Effects::Url { url: url.value, pointer: pointer.map(|pointer| pointer.value) });
    }
    if !command.is_empty() {
        return Some(Effects::Command(command.into_iter().map(|word| word.value).collect()));
    }
    let fits = store.as_ref().is_some_and(|store| {
        let scheme = store.value.split(':').next().unwrap_or_default();
        let of_redis = matches!(scheme, "redis" | "rediss");
        if redis.is_empty() { matches!(scheme, "sqlite" | "postgres" | "postgresql") } else { of_redis }
    });
    let Some(store) = store.filter(|_| fits) else {
        fault(
            "it does not say where the effects are counted",
            "name the database: sqlite:FILE or postgres://… for `sql`, redis://… for `redis`",
            "store = \"postgres://127.0.0.1/shop\"",
        );
        return None;
    };
    Some(match sql {
        Some(statement) => Effects::Sql { store: store.value, statement: statement.value },
        None => {
            Effects::Redis { store: store.value, command: redis.into_iter().map(|word| word.value).collect() }
        }
    })
}

/// `[load]` against the rest of the policy.
pub(super) fn rules(draft: &Draft, out: &mut Vec<Diagnostic>) {
    let Some(load) = &draft.load else { return };
    let kind = draft.trigger.kind.map_or(TriggerKind::Http, |kind| kind.value);
    if kind != TriggerKind::Http {
        let message = "`[load]` races requests, and the trigger is none";
        out.push(
            Diagnostic::new(Code::TriggerMismatch, draft.file, message)
                .at(load.span, "")
                .help("remove the table, or say so in `[trigger]`")
                .paste("kind = \"http\""),
        );
    }
}

impl Policy {
    /// The hosts that the policy itself names for `load`.
    pub fn load_hosts(&self) -> Vec<&str> {
        let Some(load) = &self.load else { return Vec::new() };
        let mut urls: Vec<&str> = load.urls.iter().map(String::as_str).collect();
        if let Effects::Url { url, .. } = &load.effects {
            urls.push(url);
        }
        urls.into_iter().filter_map(|url| url.split_once("://")?.1.split(['/', '?']).next()).collect()
    }
}
