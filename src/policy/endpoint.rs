//! `[load]`: the endpoint that `load` races, and where its effects are counted.
//!
//! The checker has no use for it.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::http::{FieldSource, is_header};
use super::read::map;
use super::{Policy, TriggerKind};
use crate::diag::{Code, Diagnostic};
use crate::source::Located;
use crate::source::keys::{Key, Kind, Section};
use crate::source::reader::{Reader, Table};
use crate::source::suggest::short;

pub static LOAD: Section = Section {
    doc: "The endpoint that `load` races. `{{key}}` stands for the key of a burst, `{{n}}` for the number of a \
          request, `{{random}}` for a number that is drawn for each key, `{{NAME}}` for a value of `[load.values]`.",
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
            "key_in_body",
            Kind::Bool,
            "key_in_body = true",
            "The service takes its key from the payload, where `{{key}}` stands, and no header has it.",
        )
        .default("false"),
        Key::new(
            "headers",
            Kind::Map(None, &Kind::Text),
            "[load.headers]\nContent-Type = \"application/json\"",
            "Headers of every request; the key's own is `[http] key_header`.",
        ),
        Key::new(
            "values",
            Kind::Map(None, &Kind::Text),
            "[load.values]\ntenant = \"acme\"",
            "Texts by name: `{{tenant}}` stands for one in paths, queries, headers and payloads, and where effects are \
             counted. `[load.other.values]` has those of somebody else.",
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
            "late",
            Kind::Bool,
            "late = true",
            "Effects may land after the answer; otherwise a success whose effect is not there yet is a finding.",
        )
        .default("false"),
        Key::new(
            "slow",
            Kind::Table(&SLOW),
            "[load.slow]\ntime = \"1500ms\"\n[load.slow.headers]\nX-Slow = \"1500\"",
            "How to ask for an operation that takes long: probes of what happens meanwhile need it.",
        )
        .default("they are skipped"),
        Key::new(
            "failing",
            Kind::Table(&VARIANT),
            "[load.failing.headers]\nX-Fail = \"1\"",
            "How to ask for an operation that fails before it has an effect.",
        )
        .default("failures are not tried"),
        Key::new(
            "other",
            Kind::Table(&OTHER),
            "[load.other.headers]\nX-Tenant = \"globex\"",
            "How to ask as somebody else: the same key is then another operation.",
        )
        .default("it is not tried"),
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

static OTHER: Section = Section {
    doc: "What is different where somebody else asks.",
    keys: &[
        Key::new(
            "headers",
            Kind::Map(None, &Kind::Text),
            "[load.other.headers]\nX-Tenant = \"globex\"",
            "Sent beside, or instead of, those of `[load.headers]`.",
        ),
        Key::new(
            "values",
            Kind::Map(None, &Kind::Text),
            "[load.other.values]\ntenant = \"globex\"",
            "Instead of those of `[load.values]`: where the scope of the key stands in a path, a query or a payload.",
        ),
    ],
    later: &[],
};

/// Of `[load.failing]`.
static VARIANT: Section =
    Section { doc: "What is different from the ordinary request.", keys: &[VARIANT_HEADERS], later: &[] };

static SLOW: Section = Section {
    doc: "How to ask for an operation that takes long.",
    keys: &[
        Key::new("time", Kind::Duration { zero: false }, "time = \"1500ms\"", "About how long it takes.")
            .required(),
        VARIANT_HEADERS,
    ],
    later: &[],
};

const VARIANT_HEADERS: Key = Key::new(
    "headers",
    Kind::Map(None, &Kind::Text),
    "headers = { X-Slow = \"1500\" }",
    "Sent beside, or instead of, those of `[load.headers]`.",
)
.required();

static EFFECTS: Section = Section {
    doc: "Where the effects of a key are counted: one of `url`, `sql`, `redis`, `command` and `sink`.",
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
        Key::new(
            "sink",
            Kind::Text,
            "sink = \"http://127.0.0.1:9100\"",
            "What the service calls instead of its downstream: `idemcheck sink`, or, where nobody listens on this \
             machine, one that `load` starts there. It also delays, fails, drops and holds calls.",
        ),
        Key::new(
            "key",
            Kind::Text,
            "key = \"json:/order\"",
            "Where `{{key}}` stands in a call to the sink: `header:NAME`, `json:/POINTER` or `query:NAME`.",
        )
        .default("header:Idempotency-Key"),
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
    pub headers: Headers,
    pub body: String,
    pub conflicting: Option<String>,
    /// The key stands in the payload only.
    pub key_in_body: bool,
    /// In lower case.
    pub ignore: Vec<String>,
    /// In milliseconds.
    pub settle: i64,
    /// Effects may land after the answer.
    pub late: bool,
    /// Headers that make an operation slow, and about how many milliseconds it then takes.
    pub slow: Option<(Headers, i64)>,
    /// Headers that make an operation fail before it has an effect.
    pub failing: Option<Headers>,
    /// What `{{NAME}}` stands for.
    pub values: Values,
    /// Somebody else, to whom the same key is another one.
    pub other: Option<Other>,
    pub effects: Effects,
}

/// Names and templates of values.
pub type Headers = BTreeMap<String, String>;

/// Texts by the names that stand for them.
pub type Values = BTreeMap<String, String>;

/// `[load.other]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Other {
    /// Beside, or instead of, those of all requests.
    pub headers: Headers,
    /// All values, as they are for somebody else.
    pub values: Values,
}

/// Where the effects of a key are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effects {
    Url {
        url: String,
        pointer: Option<String>,
    },
    Sql {
        store: String,
        statement: String,
    },
    Redis {
        store: String,
        command: Vec<String>,
    },
    Command(Vec<String>),
    /// What stands for the downstream counts them.
    Sink {
        url: String,
        /// Where the key stands in a call.
        key: FieldSource,
    },
}

/// What `{{…}}` may stand for beside values.
const PLACES: [&str; 3] = ["key", "n", "random"];

/// What stands between `{{` and `}}` in a text.
fn places(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0))
}

/// The first `{{…}}` of a text that stands for nothing.
fn unknown_place<'t>(text: &'t str, values: &Values) -> Option<&'t str> {
    places(text).find(|name| !PLACES.contains(&name.trim()) && !values.contains_key(name.trim()))
}

pub(super) fn read(table: &Table<'_>, reader: &mut Reader) -> Option<Load> {
    let urls = reader.located_texts(table, "urls");
    for url in &urls {
        let wrong = match url.value.split_once("://") {
            Some(("http" | "https", rest)) if !rest.is_empty() && !rest.starts_with('/') => continue,
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
    let headers = read_headers(table, reader, &mut templates);
    let late = reader.flag(table, "late");
    let in_body = reader.flag(table, "key_in_body").filter(|flag| flag.value);
    let payloads = || body.iter().chain(&conflicting);
    if let Some(flag) = &in_body
        && (body.is_none() || payloads().any(|payload| !payload.value.contains("{{key}}")))
    {
        let message = "the key is to be in the payload, and no `{{key}}` stands there".to_owned();
        let diagnostic = reader.fault(Code::LoadSource, message).at(flag.span, "");
        reader.push(diagnostic.help("write, for example").paste("body = '{\"key\": \"{{key}}\"}'"));
    }
    let slow = reader.table(table, "slow").and_then(|slow| {
        let time = reader.duration(&slow, "time");
        Some((read_headers(&slow, reader, &mut templates), time?.value))
    });
    let mut variant = |name: &str| {
        let table = reader.table(table, name)?;
        Some(read_headers(&table, reader, &mut templates))
    };
    let failing = variant("failing");
    let values = read_values(table, reader, None);
    let other = reader.table(table, "other").map(|table| Other {
        headers: read_headers(&table, reader, &mut templates),
        values: read_values(&table, reader, Some(&values)),
    });
    if let Some(other) = &other
        && other.values == values
        && other.headers.iter().all(|(name, value)| headers.get(name) == Some(value))
    {
        let span = table.key_span("other").unwrap_or(table.header);
        let diagnostic =
            reader.fault(Code::LoadSource, "somebody else asks for the same".to_owned()).at(span, "");
        let help = "give a header or a value that scopes the key, such as";
        reader.push(diagnostic.help(help).paste("[load.other.headers]\nX-Tenant = \"globex\""));
    }
    let method = reader.word(table, "method", &[]).map(|word| word.value);
    let ignore = reader.texts(table, "ignore").unwrap_or_default();
    let settle = reader.duration(table, "settle");
    let effects =
        reader.table(table, "effects").and_then(|effects| read_effects(&effects, reader, &mut templates));
    for text in &templates {
        if let Some(place) = unknown_place(&text.value, &values) {
            let message = format!("`{{{{{}}}}}` stands for nothing", short(place));
            let diagnostic = reader.fault(Code::LoadSource, message).at(text.span, "");
            reader.push(
                diagnostic.help("write `{{key}}`, `{{n}}`, `{{random}}`, or a name of `[load.values]`"),
            );
        }
    }
    for name in values.keys() {
        let stands = |text: &str| places(text).any(|place| place.trim() == name);
        if !templates.iter().any(|text| stands(&text.value)) {
            let span = table.key_span("values").unwrap_or(table.header);
            let message = format!("the value `{name}` stands nowhere");
            let diagnostic = reader.fault(Code::LoadSource, message).at(span, "");
            reader.push(
                diagnostic.help(format!("write `{{{{{name}}}}}` in an address, a header or a payload")),
            );
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
        key_in_body: in_body.is_some(),
        ignore: ignore.iter().map(|name| name.to_ascii_lowercase()).collect(),
        settle: settle.map_or(SETTLE_MS, |settle| settle.value),
        late: late.is_some_and(|late| late.value),
        slow,
        failing,
        values,
        other,
        effects: effects?,
    })
}

type Texts = Vec<Located<String>>;

/// The values of a table over those that it has without it: of these alone there may be others.
fn read_values(table: &Table<'_>, reader: &mut Reader, base: Option<&Values>) -> Values {
    let mut values = base.cloned().unwrap_or_default();
    for (name, value) in map(table, "values", reader).map(|map| map.entries).unwrap_or_default() {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let named = (1..=64).contains(&name.value.len()) && name.value.bytes().all(letter);
        let text =
            value.get_ref().as_str().filter(|text| text.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        let (wrong, help) = match text {
            _ if !named || PLACES.contains(&name.value.as_str()) => (
                "is no name of a value",
                "lower-case letters, digits and `_`, and none of `key`, `n` and `random`: such as",
            ),
            _ if base.is_some_and(|base| !base.contains_key(&name.value)) => {
                ("is no value of `[load.values]`", "say there what it is for everybody else, such as")
            }
            None => ("is no text that can be sent", "visible ASCII, such as"),
            Some(text) => {
                values.insert(name.value, text.to_owned());
                continue;
            }
        };
        let message = format!("`{}` {wrong}", short(&name.value));
        let diagnostic = reader.fault(Code::LoadSource, message).at(value.span(), "");
        reader.push(diagnostic.help(help).paste("tenant = \"acme\""));
    }
    values
}

/// The headers of a table; what can't be sent is told.
fn read_headers(table: &Table<'_>, reader: &mut Reader, templates: &mut Texts) -> Headers {
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
    headers
}

fn read_effects(table: &Table<'_>, reader: &mut Reader, templates: &mut Texts) -> Option<Effects> {
    let url = reader.text(table, "url");
    let pointer = reader.text(table, "pointer");
    let sql = reader.text(table, "sql");
    let redis = reader.located_texts(table, "redis");
    let store = reader.text(table, "store");
    let command = reader.located_texts(table, "command");
    let sink = reader.text(table, "sink");
    let key = reader.text(table, "key");
    templates.extend(url.iter().chain(&redis).chain(&command).cloned());
    let mut fault = |message: &str, help: &str, paste: &str| {
        let diagnostic = reader.fault(Code::LoadSource, message).at(table.header, "");
        reader.push(diagnostic.help(help).paste(paste));
    };
    let ways = [url.is_some(), sql.is_some(), !redis.is_empty(), !command.is_empty(), sink.is_some()];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        fault(
            "effects are counted in one way",
            "give one of `url`, `sql`, `redis`, `command` and `sink`, such as",
            "url = \"http://127.0.0.1:8080/ledger?key={{key}}\"",
        );
        return None;
    }
    if pointer.as_ref().is_some_and(|pointer| url.is_none() || !pointer.value.starts_with('/')) {
        fault("the pointer leads nowhere", "it begins with `/`, and is of a `url`", "pointer = \"/effects\"");
    }
    let source = key.as_ref().map_or_else(
        || Ok(FieldSource::Header("Idempotency-Key".to_owned())),
        |key| FieldSource::parse(&key.value),
    );
    let source = source.ok().filter(|source| {
        matches!(source, FieldSource::Header(_) | FieldSource::Json(_) | FieldSource::Query(_))
    });
    let Some(source) = source.filter(|_| key.is_none() || sink.is_some()) else {
        fault(
            "the key of a call to the sink is nowhere",
            "it stands in a header, a query or a JSON body, and is of a `sink`",
            "key = \"json:/order\"",
        );
        return None;
    };
    if let Some(sink) = sink {
        let plain = sink.value.strip_prefix("http://").or_else(|| sink.value.strip_prefix("https://"));
        let plain = plain.map(|rest| rest.trim_end_matches('/'));
        if plain.is_none_or(|rest| rest.is_empty() || rest.contains(['/', '?', '#', '{'])) {
            fault(
                "the sink is nowhere",
                "give its address, without a path",
                "sink = \"http://127.0.0.1:9100\"",
            );
            return None;
        }
        return Some(Effects::Sink { url: sink.value, key: source });
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
        if let Effects::Url { url, .. } | Effects::Sink { url, .. } = &load.effects {
            urls.push(url);
        }
        urls.into_iter().filter_map(|url| url.split_once("://")?.1.split(['/', '?']).next()).collect()
    }
}
