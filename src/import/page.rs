//! The policy that is written: every value with where it comes from.

use std::fmt::Write as _;

use super::spans::Length;
use crate::source::duration;
use crate::source::keys::is_name;
use crate::source::suggest::short;

/// Where a value comes from: what its comment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// It follows from what is imported; there is nothing to say.
    Kind,
    /// The file says so; the text is what it says, or how it was read.
    File(String),
    /// The system does so where the file says nothing.
    Default(String),
    /// No such file can say it. The name of the assumption, and what it is about.
    Assumed { name: &'static str, about: &'static str, given: bool },
    /// Of a range: its lower end, and its upper one.
    Ends(Box<From>, Box<From>),
}

impl From {
    pub fn ends(lower: From, upper: From) -> From {
        From::Ends(Box::new(lower), Box::new(upper))
    }

    /// What the policy takes for granted though nobody said it, and no assumption of its own.
    pub fn granted(text: &str) -> From {
        From::File(format!("ASSUMED: {text}"))
    }
}

#[derive(Clone, Debug)]
enum Line {
    Table(String),
    Key { key: &'static str, value: String, from: From },
}

/// A policy in the making.
#[derive(Clone, Debug)]
pub struct Page {
    pub name: String,
    pub summary: String,
    model: &'static str,
    /// What was read, as it stands in the first line: `web.service`.
    pub of: String,
    /// Where the defaults are from.
    pub source: &'static str,
    lines: Vec<Line>,
    /// What was rounded, left out or read in a certain way: one text for each.
    pub notes: Vec<String>,
    /// Fields that are there, and say nothing about remediation.
    pub unused: Vec<String>,
    /// Fields that this import does not know.
    pub unknown: Vec<String>,
}

/// A TOML string. Nothing from a file ends it early: what is odd is left out.
pub fn text(text: &str) -> String {
    let plain = short(text).replace(['"', '\\'], "'");
    format!("\"{plain}\"")
}

pub fn span(ms: i64) -> String {
    format!("\"{}\"", duration::show(ms))
}

pub fn range(shortest_ms: i64, longest_ms: i64) -> String {
    format!("[{}, {}]", span(shortest_ms), span(longest_ms))
}

/// A name that a policy can have, from one that a file has.
pub fn name(from: &str) -> String {
    const BYTES: usize = 48;
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    let name: String = from.chars().take(BYTES).map(safe).collect();
    let name = name.trim_matches('-');
    if is_name(name) { name.to_owned() } else { "imported".to_owned() }
}

impl Page {
    pub fn new(of: &str, source: &'static str) -> Page {
        Page {
            name: name(of),
            summary: String::new(),
            model: "",
            of: short(of),
            source,
            lines: Vec::new(),
            notes: Vec::new(),
            unused: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// The head of every policy: the model, and what the action is to those who count effects.
    pub fn begin(
        &mut self,
        model: &'static str,
        summary: String,
        effect: &'static str,
        identity: &'static str,
    ) {
        self.summary = summary;
        self.model = model;
        self.put("model", text(model), From::Kind);
        self.table("operation");
        self.put("effect", text(effect), From::Kind);
        self.put("identity", format!("[\"{identity}\"]"), From::Kind);
    }

    /// The shipped model that it uses.
    pub fn model(&self) -> &'static str {
        self.model
    }

    /// The lines that follow belong to this table.
    pub fn table(&mut self, header: &str) {
        self.lines.push(Line::Table(header.to_owned()));
    }

    pub fn put(&mut self, key: &'static str, value: String, from: From) {
        self.lines.push(Line::Key { key, value, from });
    }

    pub fn word(&mut self, key: &'static str, value: &str, from: From) {
        self.put(key, text(value), from);
    }

    /// What a refusal leads to in `guarded-loop`; `retry` after how long.
    pub fn refused(&mut self, choice: &'static str, retry_ms: i64, from: From) {
        self.table("choices");
        self.word("refused", choice, from);
        self.table("waits");
        self.put("retry", span(retry_ms.max(1)), From::File("where `refused` says retry".to_owned()));
        if choice == "page" {
            self.table("human");
            self.put(
                "silences",
                "true".to_owned(),
                From::File("it stays as it is until a person acts".to_owned()),
            );
        }
    }

    /// A length of time whose cautious reading is the longer one.
    pub fn longer(&mut self, key: &'static str, length: Length, from: From) {
        self.put(key, span(length.up()), length.rounded(from));
    }

    /// A length of time whose cautious reading is the shorter one.
    pub fn shorter(&mut self, key: &'static str, length: Length, from: From) {
        self.put(key, span(length.down().max(1)), length.rounded(from));
    }

    /// Something that a reader has to know before a verdict means anything.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Nothing fails but what the kind is about.
    pub fn no_faults(&mut self, pause: (i64, From)) {
        self.table("faults");
        self.put("crashes", "0".to_owned(), From::granted("the controller itself does not die"));
        self.put("lost_responses", "0".to_owned(), From::Kind);
        self.put("pause", span(pause.0), pause.1);
    }

    /// The values that no file said: name, value, and what it is about.
    pub fn assumed(&self) -> Vec<(&'static str, &str, &'static str)> {
        let mut all = Vec::new();
        for line in &self.lines {
            if let Line::Key { value, from, .. } = line {
                collect(from, value, &mut all);
            }
        }
        all
    }

    /// What the import does not know, as many as one line takes. None: it knows all.
    pub fn strange(&self) -> Option<String> {
        some(&self.unknown)
    }

    /// The policy's text.
    pub fn render(&self, kind: &str) -> String {
        let mut out = String::new();
        wrap(&format!("Imported from {} by `idemcheck import {kind}`.", self.of), &mut out);
        wrap(
            "What is marked ASSUMED is not in that file, and no such file says it: put in your own number, here \
             or with `--assume NAME=VALUE`.",
            &mut out,
        );
        wrap(&format!("Defaults: {}.", self.source), &mut out);
        for note in &self.notes {
            out.push_str("#\n");
            wrap(note, &mut out);
        }
        for (title, fields) in [("Not used", &self.unused), ("Unknown to the import", &self.unknown)] {
            if let Some(fields) = some(fields) {
                out.push_str("#\n");
                wrap(&format!("{title}: {fields}."), &mut out);
            }
        }
        let mut at = 0;
        let head = [("policy", text(&self.name)), ("summary", text(&self.summary))];
        let mut block: Vec<(&str, String, String)> = Vec::new();
        for (key, value) in head {
            block.push((key, value, String::new()));
        }
        loop {
            while let Some(Line::Key { key, value, from }) = self.lines.get(at) {
                block.push((key, value.clone(), comment(from)));
                at += 1;
            }
            let width = block.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
            for (key, value, comment) in block.drain(..) {
                let _ = writeln!(out, "{key:width$} = {value}{comment}");
            }
            let Some(Line::Table(header)) = self.lines.get(at) else { break };
            let _ = writeln!(out, "\n[{header}]");
            at += 1;
        }
        out
    }
}

fn collect<'a>(from: &From, value: &'a str, all: &mut Vec<(&'static str, &'a str, &'static str)>) {
    match from {
        From::Assumed { name, about, given: false } if !all.iter().any(|(known, ..)| known == name) => {
            all.push((name, value, about));
        }
        From::Ends(lower, upper) => {
            collect(lower, value, all);
            collect(upper, value, all);
        }
        _ => {}
    }
}

fn comment(from: &From) -> String {
    match from {
        From::Ends(lower, upper) => {
            let upper = comment(upper);
            format!("{};{}", comment(lower), upper.trim_start().trim_start_matches('#'))
        }
        From::Kind => String::new(),
        From::File(text) => format!("  # {}", short_comment(text)),
        From::Default(text) => format!("  # default: {text}"),
        From::Assumed { name, given: true, .. } => format!("  # ASSUMED: --assume {name} says so"),
        From::Assumed { name, about, given: false } => {
            format!("  # ASSUMED: not in the file; {about} ({name})")
        }
    }
}

fn short_comment(text: &str) -> String {
    let mut out: String = text.chars().filter(|c| !c.is_control()).take(140).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}

/// The first of many, and how many more.
fn some(fields: &[String]) -> Option<String> {
    const SHOWN: usize = 40;
    let shown: Vec<&str> = fields.iter().take(SHOWN).map(String::as_str).collect();
    let more = fields.len().saturating_sub(SHOWN);
    match (shown.is_empty(), more) {
        (true, _) => None,
        (_, 0) => Some(shown.join(", ")),
        _ => Some(format!("{}, and {more} more", shown.join(", "))),
    }
}

/// A paragraph of comment.
fn wrap(text: &str, out: &mut String) {
    const WIDTH: usize = 100;
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() > 1 && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.extend(word.chars().filter(|c| !c.is_control()));
    }
    let _ = writeln!(out, "{line}");
}
