//! `idemcheck explain`: what a name means, in prose.

use std::io::{self, Write};

use idemcheck::check::properties::{self, Info};
use idemcheck::check::property::Property;
use idemcheck::diag::Code;
use idemcheck::history::Rule;
use idemcheck::lints::{LINTS, Lint};
use idemcheck::model::{OPERATIONS, OperationSpec, shipped};
use idemcheck::policy::keys::POLICY;
use idemcheck::policy::presets;
use idemcheck::source::keys::{Key, Kind};
use idemcheck::source::suggest::meant;

use crate::exit::Exit;
use crate::glossary;
use crate::output::{self, wrapped};

#[derive(clap::Args)]
pub struct Args {
    /// A property, lint, rule, operation, key, fault, verdict, diagnostic code, preset or model; without it,
    /// all names but presets and models, which `presets` and `models` list.
    name: Option<String>,
}

/// Something that has a name and a text.
struct Topic {
    kind: &'static str,
    name: &'static str,
    /// Another name for it: a code has a number and a name, `respond.*` no need of its dot.
    alias: Option<&'static str>,
    /// One clause, for the list.
    brief: String,
    text: Text,
}

enum Text {
    Property(&'static Info),
    Lint(&'static Lint),
    Rule(Rule),
    Operation(&'static OperationSpec),
    Prose(&'static str),
    /// Lines as they are, examples among them.
    Lines(&'static str),
    /// A key of a policy, in each table that has it.
    Keys(Vec<(&'static str, &'static Key)>),
}

impl Topic {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.alias)
    }
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let topics = topics();
    let Some(name) = &args.name else {
        output::to_stdout(|out| list(&topics, out))?;
        return Ok(Exit::Holds);
    };
    let wanted = name.trim();
    if let Some(topic) = topics.iter().find(|topic| topic.names().any(|name| is_called(name, wanted))) {
        output::to_stdout(|out| explain(topic, out))?;
        return Ok(Exit::Holds);
    }
    if let Some(topic) = wanted.split_once('.').and_then(|(table, key)| key_of_table(&topics, table, key)) {
        output::to_stdout(|out| explain(&topic, out))?;
        return Ok(Exit::Holds);
    }
    let (presets, models) = (presets::all(), shipped::all());
    if let Some(preset) = presets.iter().find(|preset| preset.name.eq_ignore_ascii_case(wanted)) {
        output::to_stdout(|out| crate::presets::show(preset, out))?;
        return Ok(Exit::Holds);
    }
    if let Some(model) = models.iter().find(|model| model.name.eq_ignore_ascii_case(wanted)) {
        output::to_stdout(|out| crate::models::show(model, out))?;
        return Ok(Exit::Holds);
    }
    eprintln!("nothing is called `{wanted}`");
    let mut names: Vec<&str> = topics.iter().flat_map(Topic::names).collect();
    names.extend(presets.iter().map(|preset| preset.name.as_str()));
    names.extend(models.iter().map(|model| model.name.as_str()));
    suggest(wanted, &names, "`idemcheck explain` lists all names");
    Ok(Exit::CouldNotRun)
}

/// `target.lag`: what the key is in this table.
fn key_of_table(topics: &[Topic], table: &str, key: &str) -> Option<Topic> {
    topics.iter().find_map(|topic| match &topic.text {
        Text::Keys(places) if topic.name == key => {
            let places: Vec<_> = places.iter().copied().filter(|(of, _)| *of == table).collect();
            let found = !places.is_empty();
            found.then(|| Topic { brief: topic.brief.clone(), text: Text::Keys(places), ..*topic })
        }
        _ => None,
    })
}

/// Says on stderr what may have been meant.
pub fn suggest(wanted: &str, names: &[&str], otherwise: &str) {
    match meant(wanted, names).split_last() {
        None => eprintln!("{otherwise}"),
        Some((last, [])) => eprintln!("did you mean `{last}`?"),
        Some((last, rest)) => eprintln!("did you mean `{}` or `{last}`?", rest.join("`, `")),
    }
}

/// `respond.*` is called by each of its names.
fn is_called(name: &str, wanted: &str) -> bool {
    let member = name.strip_suffix('*').is_some_and(|stem| {
        let start = wanted.get(..stem.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(stem)) && wanted.len() > stem.len()
    });
    member || name.eq_ignore_ascii_case(wanted)
}

fn topics() -> Vec<Topic> {
    let properties = Property::ALL.map(properties::info).into_iter().map(|info| Topic {
        kind: "property",
        name: info.property.name(),
        alias: None,
        brief: info.holds_when.to_owned(),
        text: Text::Property(info),
    });
    let entries = glossary::ALL.iter().map(|entry| Topic {
        kind: entry.kind,
        name: entry.name,
        alias: entry.name.strip_suffix(".*"),
        brief: entry.brief.to_owned(),
        text: Text::Prose(entry.text),
    });
    let codes = Code::ALL.iter().map(|code| Topic {
        kind: "diagnostic",
        name: code.id(),
        alias: Some(code.name()),
        brief: format!("{}: {}", code.name(), code.description()),
        text: Text::Lines(code.explanation()),
    });
    let lints = LINTS.iter().map(|lint| Topic {
        kind: "lint",
        name: lint.name,
        alias: None,
        brief: lint.brief.to_owned(),
        text: Text::Lint(lint),
    });
    let rules = Rule::ALL.iter().map(|rule| Topic {
        kind: "rule",
        name: rule.name(),
        alias: None,
        brief: rule.brief().to_owned(),
        text: Text::Rule(*rule),
    });
    let operations = OPERATIONS.iter().map(|spec| Topic {
        kind: "operation",
        name: spec.name,
        alias: None,
        brief: spec.doc.trim_end_matches('.').to_owned(),
        text: Text::Operation(spec),
    });
    let mut topics: Vec<Topic> =
        properties.chain(lints).chain(rules).chain(operations).chain(entries).collect();
    for (name, places) in keys() {
        // A fault's own entry says more.
        if topics.iter().any(|topic| topic.name == name) {
            continue;
        }
        let brief = places.iter().map(|(_, key)| key.doc).next().unwrap_or_default();
        let brief = brief.trim_end_matches('.').to_owned();
        topics.push(Topic { kind: "key", name, alias: None, brief, text: Text::Keys(places) });
    }
    topics.extend(codes);
    topics
}

/// Every key of a policy with the tables that have it; the root's come first.
fn keys() -> Vec<(&'static str, Vec<(&'static str, &'static Key)>)> {
    let mut out: Vec<(&'static str, Vec<_>)> = Vec::new();
    let mut note =
        |table: &'static str, key: &'static Key| match out.iter_mut().find(|(name, _)| *name == key.name) {
            Some((_, places)) => places.push((table, key)),
            None => out.push((key.name, vec![(table, key)])),
        };
    for key in POLICY.keys {
        note("", key);
    }
    for key in POLICY.keys {
        if let Kind::Table(section) | Kind::Tables(section) | Kind::NamedTables(section) = key.kind {
            section.keys.iter().for_each(|inner| note(key.name, inner));
        }
    }
    out
}

fn list(topics: &[Topic], out: &mut dyn Write) -> io::Result<()> {
    let width = topics.iter().map(|topic| topic.name.len()).max().unwrap_or(0);
    let mut kind = "";
    for topic in topics {
        if topic.kind != kind {
            let gap = if kind.is_empty() { "" } else { "\n" };
            kind = topic.kind;
            writeln!(out, "{gap}\x1b[1m{}\x1b[0m", glossary::heading(kind))?;
        }
        writeln!(out, "  {:width$}  {}", topic.name, topic.brief)?;
    }
    Ok(())
}

fn explain(topic: &Topic, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\x1b[1m{}\x1b[0m ({})", topic.name, topic.kind)?;
    match topic.text {
        Text::Keys(ref places) => {
            for (table, key) in places {
                let place = match (*table, key.kind) {
                    ("", _) => "a policy".to_owned(),
                    (table, _) => format!("[{table}]"),
                };
                let default = match (key.required, key.default) {
                    (true, _) => " Required.".to_owned(),
                    (false, "") => String::new(),
                    (false, default) => format!(" Default: {default}."),
                };
                writeln!(out, "\n\x1b[1mIn {place}\x1b[0m")?;
                wrapped(&format!("{} It is {}.{default}", key.doc, key.kind.expected()), out)?;
                key.example.lines().try_for_each(|line| writeln!(out, "      {line}"))?;
                if let Kind::Table(section) | Kind::Tables(section) | Kind::NamedTables(section) = key.kind {
                    let names: Vec<&str> = section.names().collect();
                    wrapped(&format!("Its keys: {}.", names.join(", ")), out)?;
                }
            }
            Ok(())
        }
        Text::Prose(text) => {
            writeln!(out, "  {}\n", sentence(&topic.brief))?;
            wrapped(text, out)
        }
        Text::Lines(text) => {
            writeln!(out, "  {}\n", sentence(&topic.brief))?;
            text.lines().try_for_each(|line| writeln!(out, "  {line}"))
        }
        Text::Rule(rule) => {
            writeln!(out, "  {}\n", sentence(&topic.brief))?;
            wrapped(rule.explanation(), out)?;
            match rule.property() {
                Some(property) => wrapped(&format!("It breaks {property}."), out),
                None => Ok(()),
            }
        }
        Text::Operation(spec) => {
            writeln!(out, "  {}\n", sentence(&topic.brief))?;
            let outcomes: Vec<&str> = spec.outcomes.iter().map(|outcome| outcome.name()).collect();
            let options: Vec<&str> = spec.options.names().collect();
            let options =
                if options.is_empty() { String::new() } else { format!(" Options: {}.", options.join(", ")) };
            wrapped(&format!("Outcomes: {}.{options} {}", outcomes.join(", "), spec.more), out)
        }
        Text::Lint(lint) => {
            writeln!(out, "  {}\n", sentence(&topic.brief))?;
            wrapped(lint.why, out)?;
            let names: Vec<&str> = lint.shown_by.iter().map(|property| property.name()).collect();
            let shown = match names.is_empty() {
                true => "No run bears it out: it is about what is not checked.".to_owned(),
                false => format!("Borne out where a run breaks {}.", names.join(" or ")),
            };
            wrapped(&format!("{shown} Source: {}.", lint.source), out)
        }
        Text::Property(info) => {
            writeln!(out)?;
            section("Holds when", &format!("{}.", info.holds_when), out)?;
            section("What it means", info.what, out)?;
            section("Why it matters", info.why, out)?;
            writeln!(out, "\x1b[1mExample of a violation\x1b[0m")?;
            for line in info.example.lines() {
                writeln!(out, "    {line}")?;
            }
            writeln!(out)?;
            section("What cures it", info.cures, out)?;
            if let Some(number) = info.number {
                section("Number", &format!("Reported with the verdict: {number}."), out)?;
            }
            let name = info.property;
            section(
                "Expecting it",
                &format!("[expect] {name} = \"violated\" makes a violation a test case."),
                out,
            )
        }
    }
}

/// With a full stop, where it does not end with a mark of its own.
fn sentence(brief: &str) -> String {
    if brief.ends_with(['?', '!', '.']) { brief.to_owned() } else { format!("{brief}.") }
}

fn section(heading: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\x1b[1m{heading}\x1b[0m")?;
    wrapped(text, out)?;
    writeln!(out)
}
