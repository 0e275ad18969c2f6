//! `idemcheck explain`: what a name means, in prose.

use std::io::{self, Write};

use idemcheck::check::properties::{self, Info};
use idemcheck::check::property::Property;
use idemcheck::diag::Code;
use idemcheck::lints::{LINTS, Lint};
use idemcheck::model::{OPERATIONS, OperationSpec};

use crate::exit::Exit;
use crate::glossary;
use crate::output::{self, wrapped};

#[derive(clap::Args)]
pub struct Args {
    /// A property, lint, operation, fault, verdict or diagnostic code; without it, all names.
    name: Option<String>,
}

/// Something that has a name and a text.
struct Topic {
    kind: &'static str,
    name: &'static str,
    /// Another name for it: a code has a number and a name.
    alias: Option<&'static str>,
    /// One clause, for the list.
    brief: String,
    text: Text,
}

enum Text {
    Property(&'static Info),
    Lint(&'static Lint),
    Operation(&'static OperationSpec),
    Prose(&'static str),
    /// Lines as they are, examples among them.
    Lines(&'static str),
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
    if let Some(topic) =
        topics.iter().find(|topic| topic.names().any(|name| name.eq_ignore_ascii_case(wanted)))
    {
        output::to_stdout(|out| explain(topic, out))?;
        return Ok(Exit::Holds);
    }
    eprintln!("nothing is called `{wanted}`");
    match nearest(wanted, &topics) {
        Some(near) => eprintln!("did you mean `{near}`?"),
        None => eprintln!("`idemcheck explain` lists all names"),
    }
    Ok(Exit::CouldNotRun)
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
        alias: None,
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
    let operations = OPERATIONS.iter().map(|spec| Topic {
        kind: "operation",
        name: spec.name,
        alias: None,
        brief: spec.doc.trim_end_matches('.').to_owned(),
        text: Text::Operation(spec),
    });
    properties.chain(lints).chain(operations).chain(entries).chain(codes).collect()
}

/// The name that was probably meant.
fn nearest(wanted: &str, topics: &[Topic]) -> Option<&'static str> {
    let plain = |name: &str| name.to_lowercase().replace('_', "-");
    let wanted = plain(wanted);
    let names = || topics.iter().flat_map(Topic::names);
    let distance = |name: &str| strsim::damerau_levenshtein(&wanted, &plain(name));
    let best = names().min_by_key(|name| distance(name))?;
    // Beyond a third of the name it is a guess, not a slip.
    if distance(best) <= (best.len() / 3).max(1) {
        return Some(best);
    }
    names().find(|name| wanted.len() >= 3 && plain(name).contains(&wanted))
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
        Text::Prose(text) => {
            writeln!(out, "  {}.\n", topic.brief)?;
            wrapped(text, out)
        }
        Text::Lines(text) => {
            writeln!(out, "  {}.\n", topic.brief)?;
            text.lines().try_for_each(|line| writeln!(out, "  {line}"))
        }
        Text::Operation(spec) => {
            writeln!(out, "  {}.\n", topic.brief)?;
            let outcomes: Vec<&str> = spec.outcomes.iter().map(|outcome| outcome.name()).collect();
            let options: Vec<&str> = spec.options.names().collect();
            let options =
                if options.is_empty() { String::new() } else { format!(" Options: {}.", options.join(", ")) };
            wrapped(&format!("Outcomes: {}.{options} {}", outcomes.join(", "), spec.more), out)
        }
        Text::Lint(lint) => {
            writeln!(out, "  {}.\n", topic.brief)?;
            wrapped(lint.why, out)?;
            let names: Vec<&str> = lint.shown_by.iter().map(|property| property.name()).collect();
            wrapped(
                &format!("Borne out where a run breaks {}. Source: {}.", names.join(" or "), lint.source),
                out,
            )
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

fn section(heading: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\x1b[1m{heading}\x1b[0m")?;
    wrapped(text, out)?;
    writeln!(out)
}
