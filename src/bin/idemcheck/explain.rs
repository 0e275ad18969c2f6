//! `idemcheck explain`: what a name means, in prose.

use std::io::{self, Write};
use std::path::PathBuf;

use idemcheck::model::shipped;
use idemcheck::policy::presets;
use idemcheck::source::keys::Kind;
use idemcheck::source::suggest::meant;

use crate::exit::Exit;
use crate::output::{self, wrapped};
use crate::topics::{Text, Topic, topics};
use crate::{docs, glossary};

#[derive(clap::Args)]
pub struct Args {
    /// A property, concept, lint, rule, operation, key, fault, verdict, format, diagnostic code, preset or model;
    /// without it, all names but presets and models, which `presets` and `models` list.
    name: Option<String>,
    /// Write a page for each name into this folder, as Markdown, and an index.
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    write: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let topics = topics();
    if let Some(folder) = &args.write {
        for (path, text) in docs::pages(&topics) {
            output::to_file(&folder.join(path), |out| out.write_all(text.as_bytes()))?;
        }
        return Ok(Exit::Holds);
    }
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
        Text::Page(page) => {
            writeln!(out, "  {}\n", sentence(&topic.brief))?;
            wrapped(page.text, out)?;
            if !page.example.is_empty() {
                writeln!(out)?;
                page.example.lines().try_for_each(|line| writeln!(out, "      {line}"))?;
            }
            if let Some(section) = page.section {
                writeln!(out)?;
                let names: Vec<&str> = section.names().collect();
                wrapped(&format!("Its keys: {}.", names.join(", ")), out)?;
            }
            Ok(())
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
pub fn sentence(brief: &str) -> String {
    if brief.ends_with(['?', '!', '.']) { brief.to_owned() } else { format!("{brief}.") }
}

fn section(heading: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\x1b[1m{heading}\x1b[0m")?;
    wrapped(text, out)?;
    writeln!(out)
}
