//! `docs/`: the texts of `explain` as pages of Markdown, with an index.

use std::collections::BTreeMap;

use idemcheck::source::keys::{Key, Kind, Section};

use crate::explain::sentence;
use crate::glossary;
use crate::topics::{Text, Topic};

/// The first line of every page.
const MADE: &str =
    "<!-- Made from the texts of `idemcheck explain`: IDEMCHECK_UPDATE=1 cargo test --test docs -->";

/// A page for each topic but keys, which stand on the page of their file; and the index. Paths are below `docs/`.
pub fn pages(topics: &[Topic]) -> Vec<(String, String)> {
    let links = Links::of(topics);
    let mut pages = vec![("README.md".to_owned(), index(topics))];
    for topic in topics {
        if let Some(path) = path(topic) {
            pages.push((path, page(topic, &links)));
        }
    }
    pages
}

/// Where a topic's page is.
fn path(topic: &Topic) -> Option<String> {
    let folder = match topic.kind {
        "property" => "properties",
        "concept" => "concepts",
        "format" => "formats",
        "lint" => "lints",
        "rule" => "rules",
        "operation" => "operations",
        "fault" => "faults",
        "verdict" => "verdicts",
        "target" => "targets",
        "diagnostic" => "codes",
        _ => return None,
    };
    let name = topic.name.trim_end_matches(".*");
    Some(format!("{folder}/{name}.md"))
}

fn index(topics: &[Topic]) -> String {
    let mut out = format!(
        "{MADE}\n\n# What the words mean\n\nA page for each concept, property, operation, lint, rule, fault, verdict, format and \
         diagnostic code. `idemcheck explain NAME` prints the same. Keys of policies and models stand on the page of \
         their [file](formats/policy-file.md); stores, providers, brokers and locks are listed by `idemcheck presets`, \
         protocols by `idemcheck models`.\n"
    );
    let mut kind = "";
    for topic in topics {
        let Some(path) = path(topic) else { continue };
        if topic.kind != kind {
            kind = topic.kind;
            out.push_str(&format!("\n## {}\n\n| name | what it is |\n|---|---|\n", glossary::heading(kind)));
        }
        out.push_str(&format!("| [{}]({path}) | {} |\n", escaped(topic.name), cell(&topic.brief)));
    }
    out
}

/// Pages by the names that texts call them.
struct Links<'t>(BTreeMap<&'t str, String>);

impl<'t> Links<'t> {
    fn of(topics: &'t [Topic]) -> Links<'t> {
        let known = topics.iter().filter_map(|topic| Some((topic.name, path(topic)?)));
        Links(known.collect())
    }

    fn to(&self, name: &str, from: &Topic) -> Option<&str> {
        let path = self.0.get(name)?;
        (name != from.name).then_some(path)
    }

    /// Prose in which names lead to their pages. A word is a name only where it cannot be an ordinary word.
    fn prose(&self, text: &str, from: &Topic) -> String {
        let mut out = String::new();
        for (number, part) in text.split('`').enumerate() {
            if number % 2 == 1 {
                match self.to(part, from) {
                    Some(path) => out.push_str(&format!("[`{part}`](../{path})")),
                    None => out.push_str(&format!("`{part}`")),
                }
                continue;
            }
            for word in part.split_inclusive(char::is_whitespace) {
                let core = word.trim_matches(|c: char| c.is_whitespace() || ",.;:()".contains(c));
                let special = core.contains(['-', '.', '_']) || core.starts_with("IDM");
                match self.to(core, from).filter(|_| special) {
                    Some(path) => {
                        out.push_str(&word.replacen(core, &format!("[{}](../{path})", escaped(core)), 1))
                    }
                    None => out.push_str(&escaped(word)),
                }
            }
        }
        out
    }
}

fn page(topic: &Topic, links: &Links) -> String {
    let prose = |text: &str| links.prose(text, topic);
    let mut out = format!("{MADE}\n\n# {}\n\n*{}*", escaped(topic.name), topic.kind);
    if let Some(alias) = topic.alias.filter(|alias| topic.name.trim_end_matches(".*") != *alias) {
        out.push_str(&format!(" · {alias}"));
    }
    let mut say = |text: &str| out.push_str(&format!("\n\n{text}"));
    match &topic.text {
        Text::Property(info) => {
            say(&format!("Holds when {}.", prose(info.holds_when)));
            say(&format!("## What it means\n\n{}", prose(info.what)));
            say(&format!("## Why it matters\n\n{}", prose(info.why)));
            say(&format!("## Example of a violation\n\n{}", fenced("text", info.example)));
            say(&format!("## What cures it\n\n{}", prose(info.cures)));
            if let Some(number) = info.number {
                say(&format!("## Number\n\nReported with the verdict: {}.", prose(number)));
            }
            let expect = format!("[expect]\n{} = \"violated\"", info.property);
            say(&format!(
                "## Expecting it\n\nThis makes a violation a test case:\n\n{}",
                fenced("toml", &expect)
            ));
        }
        Text::Lint(lint) => {
            say(&prose(&capital(&topic.brief)));
            say(&prose(lint.why));
            let names: Vec<&str> = lint.shown_by.iter().map(|property| property.name()).collect();
            say(&match names[..] {
                [] => "No run bears it out: it is about what is not checked.".to_owned(),
                _ => prose(&format!("Borne out where a run breaks {}.", names.join(" or "))),
            });
            say(&format!("Source: {}.", escaped(lint.source)));
            let silence = format!("[[silence]]\nlint   = \"{}\"\nreason = \"why it is accepted\"", lint.name);
            say(&format!("Known and accepted, it is silenced:\n\n{}", fenced("toml", &silence)));
        }
        Text::Rule(rule) => {
            say(&prose(&capital(&topic.brief)));
            say(&prose(rule.explanation()));
            if let Some(property) = rule.property() {
                say(&prose(&format!("It breaks {property}.")));
            }
        }
        Text::Operation(spec) => {
            say(&prose(&sentence(&topic.brief)));
            say(&prose(spec.more));
            let outcomes: Vec<String> =
                spec.outcomes.iter().map(|outcome| format!("`{}`", outcome.name())).collect();
            say(&format!("## Outcomes\n\n{}", outcomes.join(", ")));
            if spec.may_be_unavailable() {
                say("A state may also map `unavailable`; where it does not, the attempt fails closed.");
            }
            if !spec.options.keys.is_empty() {
                say(&format!("## Options\n\n{}", keys(spec.options.keys, &prose)));
            }
        }
        Text::Prose(text) => {
            say(&prose(&capital(&topic.brief)));
            say(&prose(text));
        }
        Text::Lines(text) => {
            say(&prose(&sentence(&topic.brief)));
            say(&lines(text, &prose));
        }
        Text::Page(page) => {
            say(&prose(&capital(&topic.brief)));
            say(&prose(page.text));
            if !page.example.is_empty() {
                let language = if page.example.starts_with("idemcheck ") { "sh" } else { "toml" };
                say(&fenced(language, page.example));
            }
            if let Some(section) = page.section {
                say(&format!("## Keys\n\n{}", keys(section.keys, &prose)));
                tables(section, "", &prose, &mut say);
            }
        }
        Text::Keys(_) => {}
    }
    out.push('\n');
    out
}

/// A heading for each table within, with its keys.
fn tables(section: &Section, above: &str, prose: &dyn Fn(&str) -> String, say: &mut dyn FnMut(&str)) {
    for key in section.keys {
        let name = format!("{above}{}", key.name);
        let (inner, header) = match key.kind {
            Kind::Table(inner) => (inner, format!("[{name}]")),
            Kind::Tables(inner) => (inner, format!("[[{name}]]")),
            Kind::NamedTables(inner) => (inner, format!("[{name}.NAME]")),
            _ => continue,
        };
        say(&format!("### `{header}`\n\n{}\n\n{}", prose(&sentence(inner.doc)), keys(inner.keys, prose)));
        tables(inner, &format!("{name}."), prose, say);
    }
}

fn keys(keys: &[Key], prose: &dyn Fn(&str) -> String) -> String {
    let mut out = "| key | what it is | value | without it |\n|---|---|---|---|".to_owned();
    for key in keys {
        let without = match (key.required, key.default) {
            (true, _) => "required",
            (false, "") => "",
            (false, default) => default,
        };
        let of = |text: &str| prose(text).replace('|', "\\|");
        let value = of(&key.kind.expected());
        out.push_str(&format!("\n| `{}` | {} | {value} | {} |", key.name, of(key.doc), of(without)));
    }
    out
}

/// Lines of which those that are indented are an example.
fn lines(text: &str, prose: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut inside = false;
    for line in text.lines() {
        let example = line.starts_with("    ") || (inside && line.is_empty());
        if example && !inside {
            out = out.trim_end().to_owned() + "\n\n```toml\n";
        } else if inside && !example {
            out = out.trim_end().to_owned() + "\n```\n\n";
        }
        inside = example;
        match line.strip_prefix("    ") {
            Some(line) if example => out.push_str(line),
            _ => out.push_str(&prose(line)),
        }
        out.push('\n');
    }
    let out = out.trim_end().to_owned();
    if inside { out + "\n```" } else { out }
}

fn fenced(language: &str, text: &str) -> String {
    format!("```{language}\n{}\n```", text.trim_end())
}

/// A clause as a sentence.
fn capital(brief: &str) -> String {
    let text = sentence(brief);
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// One line of a table.
fn cell(text: &str) -> String {
    escaped(text).replace('|', "\\|")
}

/// Text in which nothing is markup, code in backticks apart.
fn escaped(text: &str) -> String {
    let part = |(number, part): (usize, &str)| match number % 2 {
        0 => part.replace('<', "&lt;").replace('*', "\\*").replace('[', "\\["),
        _ => part.to_owned(),
    };
    text.split('`').enumerate().map(part).collect::<Vec<_>>().join("`")
}
