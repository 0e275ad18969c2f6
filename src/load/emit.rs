//! Scripts for the tools that a team runs already: what `[load]` asks for, in k6 and in Locust.
//!
//! A script is the same for all policies; what it does stands in the plan at its head, which is JSON in ASCII, so
//! that no text of a policy can be more than a text in the language of the script. What it records is a history.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::Places;
use super::lab::VOLATILE;
use super::sink::{CONTROL, NAME};
use crate::history::Terms;
use crate::history::record::{Header, Record, VERSION};
use crate::model::Protocol;
use crate::policy::{Effects, Headers, Load, Policy, Values};
use crate::serve::front::Front;
use crate::serve::request::Request;

const LOCUST: &str = include_str!("emit/locust.py");
const K6: &str = include_str!("emit/k6.js");
/// Where the plan goes.
const PLAN: &str = "IDEMCHECK_PLAN";
/// Between two bursts at least. Effects land four times in between, and half of it is for what comes after a burst.
const PERIOD_MIN: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    K6,
    Locust,
}

/// How much is sent.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Requests of a burst: users, of whom each sends one.
    pub size: usize,
    /// Each under a key of its own.
    pub bursts: u64,
    /// How long an answer is waited for.
    pub patience: Duration,
}

/// What a script does.
#[derive(Serialize)]
struct Plan<'a> {
    policy: &'a str,
    /// The first line of the history.
    header: Record,
    urls: &'a [String],
    method: &'a str,
    /// None: it stands in the payload.
    key_header: Option<&'a str>,
    everybody: Side<'a>,
    other: Option<Side<'a>>,
    payload: Payload<'a>,
    conflicting: Option<Payload<'a>>,
    in_flight: u16,
    mismatch: u16,
    missing_key: u16,
    replay_marker: String,
    /// Headers that may differ between an answer and its replay.
    ignore: Vec<String>,
    effects: Counter<'a>,
    size: usize,
    bursts: u64,
    period_ms: u64,
    settle_ms: u64,
    patience_ms: u64,
}

/// Who asks.
#[derive(Serialize)]
struct Side<'a> {
    /// In lower case, sorted.
    headers: Vec<(String, &'a str)>,
    values: Vec<(&'a str, &'a str)>,
}

#[derive(Serialize)]
struct Payload<'a> {
    body: &'a str,
    /// What it is called in the history: the same for payloads that the service takes for the same.
    name: &'static str,
    /// Every request of a burst has another one.
    each: bool,
}

/// Where effects are counted.
#[derive(Serialize)]
struct Counter<'a> {
    url: Option<String>,
    pointer: Option<&'a str>,
    command: Option<&'a [String]>,
    /// The headers of requests are those of the count.
    with_headers: bool,
    /// What is asked says so in this header.
    server: Option<(&'a str, &'a str)>,
}

/// # Errors
/// The tool can't count the effects of this policy, or its payloads can't be compared.
pub fn script(
    tool: Tool,
    policy: &Policy,
    protocol: &Protocol,
    load: &Load,
    asked: Asked,
) -> Result<String, String> {
    let plain = fingerprints(policy, load, &load.body)?;
    let conflicting = match &load.conflicting {
        None => None,
        Some(body) => {
            let prints = fingerprints(policy, load, body)?;
            let same = prints[0] == plain[0];
            let name = if same { "payload" } else { "conflicting" };
            Some(Payload { body, name, each: prints[0] != prints[1] })
        }
    };
    let ms = |ms: i64| u64::try_from(ms).unwrap_or(0);
    let settle_ms = ms(load.settle);
    let marker = policy.http.replay_marker.to_ascii_lowercase();
    let ignore = VOLATILE.iter().map(|name| (*name).to_owned()).chain(load.ignore.iter().cloned());
    let plan = Plan {
        policy: &policy.name,
        header: Record::Header(Header {
            version: VERSION,
            policy: Some(policy.name.clone()),
            terms: Terms::of(policy, protocol),
            sources: Vec::new(),
        }),
        urls: &load.urls,
        method: load.method,
        key_header: (!load.key_in_body).then_some(policy.http.key_header.as_str()),
        everybody: Side { headers: headers(load, None), values: pairs(&load.values) },
        other: load
            .other
            .as_ref()
            .map(|other| Side { headers: headers(load, Some(&other.headers)), values: pairs(&other.values) }),
        payload: Payload { body: &load.body, name: "payload", each: plain[0] != plain[1] },
        conflicting,
        in_flight: policy.http.in_flight,
        mismatch: policy.http.mismatch,
        missing_key: policy.http.missing_key,
        ignore: ignore.chain([marker.clone()]).collect(),
        replay_marker: marker,
        effects: counter(tool, &load.effects)?,
        size: asked.size,
        bursts: asked.bursts,
        period_ms: (PERIOD_MIN.as_millis() as u64).max(4 * settle_ms),
        settle_ms,
        patience_ms: asked.patience.as_millis() as u64,
    };
    let plan = serde_json::to_string_pretty(&plan).map_err(|error| error.to_string())?;
    let template = match tool {
        Tool::K6 => K6,
        Tool::Locust => LOCUST,
    };
    Ok(template.replacen(PLAN, &ascii(&plan), 1))
}

/// Those of all requests, and further ones beside or instead of them.
fn headers<'a>(load: &'a Load, further: Option<&'a Headers>) -> Vec<(String, &'a str)> {
    let all = load.headers.iter().chain(further.into_iter().flatten());
    let lower: BTreeMap<String, &str> =
        all.map(|(name, value)| (name.to_ascii_lowercase(), value.as_str())).collect();
    lower.into_iter().collect()
}

fn pairs(values: &Values) -> Vec<(&str, &str)> {
    values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// What the policy compares of the payloads of the first two requests of a burst.
fn fingerprints(policy: &Policy, load: &Load, body: &str) -> Result<[Vec<u8>; 2], String> {
    let print = |n: usize| {
        let places = Places { key: "key", n, random: 0, values: &load.values };
        let headers = load.headers.iter();
        let asked = Request {
            method: load.method.to_owned(),
            target: super::lab::path(&places.fill(&load.urls[0])),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), places.fill(value).into_bytes()))
                .collect(),
            body: Bytes::from(places.fill(body)),
        };
        Front::fingerprint(policy, &asked)
    };
    Ok([print(0)?, print(1)?])
}

fn counter(tool: Tool, effects: &Effects) -> Result<Counter<'_>, String> {
    let none = Counter { url: None, pointer: None, command: None, with_headers: false, server: None };
    match (effects, tool) {
        (Effects::Url { url, pointer }, _) => Ok(Counter {
            url: Some(url.clone()),
            pointer: pointer.as_deref(),
            with_headers: true,
            ..none
        }),
        (Effects::Sink { url, .. }, _) => Ok(Counter {
            url: Some(format!("{}{CONTROL}effects?key={{{{key}}}}", url.trim_end_matches('/'))),
            pointer: Some("/effects"),
            server: Some(NAME),
            ..none
        }),
        (Effects::Command(words), Tool::Locust) => Ok(Counter { command: Some(words), ..none }),
        (Effects::Command(_), Tool::K6) => {
            Err("k6 starts no programs: let it count effects by `url` or `sink`".to_owned())
        }
        (Effects::Sql { .. } | Effects::Redis { .. }, _) => Err(
            "the script has no client of a database: let it count effects by `url` or `sink`, or, with Locust, \
             by a `command` that asks the database"
                .to_owned(),
        ),
    }
}

/// JSON whose texts hold nothing that another language could end them with: no quote but those of JSON itself, and
/// no character beyond ASCII, such as one that ends a line or turns the order of letters.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\n' | ' '..='&' | '('..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_another_one() {
        for text in [
            "'''",
            "\"\"\"",
            "\u{2028}\u{2029}\u{85}\u{7f}\u{0}",
            "\u{202e}",
            "\\'",
            "\u{1f600}",
            "</script>",
        ] {
            let out = ascii(&serde_json::to_string(text).unwrap());
            assert!(out.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'\''), "{out}");
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn there_is_one_place_for_the_plan() {
        for template in [LOCUST, K6] {
            assert_eq!(template.matches(PLAN).count(), 1);
        }
    }
}
