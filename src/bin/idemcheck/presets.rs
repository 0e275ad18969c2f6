//! `idemcheck presets`: what is known of stores, providers, brokers and locks.

use std::io::{self, Write};

use clap::ValueEnum;
use idemcheck::policy::presets::{self, Fills, Preset};
use serde_json::json;

use crate::exit::Exit;
use crate::explain::suggest;
use crate::output::{self, wrapped};

#[derive(clap::Args)]
pub struct Args {
    /// A preset; without it, all of them.
    name: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Format {
    /// Text for people.
    #[default]
    Human,
    /// One JSON object with a list of presets.
    Json,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let all = presets::all();
    let Some(name) = args.name.as_deref().map(str::trim) else {
        match args.format {
            Format::Human => output::to_stdout(|out| list(&all, out))?,
            Format::Json => as_json(&all)?,
        }
        return Ok(Exit::Holds);
    };
    let Some(preset) = all.iter().find(|preset| preset.name.eq_ignore_ascii_case(name)) else {
        eprintln!("there is no preset `{name}`");
        let names: Vec<&str> = all.iter().map(|preset| preset.name.as_str()).collect();
        suggest(name, &names, "`idemcheck presets` lists all of them");
        return Ok(Exit::CouldNotRun);
    };
    match args.format {
        Format::Human => output::to_stdout(|out| show(preset, out))?,
        Format::Json => as_json(std::slice::from_ref(preset))?,
    }
    Ok(Exit::Holds)
}

fn as_json(presets: &[Preset]) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&json!({ "version": 1, "presets": presets }))?;
    output::to_stdout(|out| writeln!(out, "{text}"))
}

fn list(all: &[Preset], out: &mut dyn Write) -> io::Result<()> {
    for table in Fills::ALL {
        writeln!(out, "\x1b[1m[{}] kind\x1b[0m", table.name())?;
        for preset in all.iter().filter(|preset| preset.table == table) {
            writeln!(out, "\n  \x1b[1m{}\x1b[0m  {}", preset.name, preset.title)?;
            wrapped(&preset.hazard, out)?;
        }
        writeln!(out)?;
    }
    writeln!(out, "`idemcheck presets NAME` prints the facts of one and their sources.")
}

pub fn show(preset: &Preset, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\x1b[1m{}\x1b[0m  {}\n", preset.name, preset.title)?;
    writeln!(out, "\x1b[1mKnown hazard\x1b[0m")?;
    wrapped(&preset.hazard, out)?;
    writeln!(out, "\n\x1b[1mStands in for\x1b[0m")?;
    writeln!(out, "  [{}]", preset.table.name())?;
    writeln!(out, "  kind = \"{}\"", preset.name)?;
    for (key, value) in &preset.facts {
        writeln!(out, "  {key} = {value}")?;
    }
    if preset.facts.is_empty() {
        writeln!(out, "  # nothing else: the defaults of the table are what is known")?;
    }
    if !preset.not_promised.is_empty() {
        writeln!(out, "\n\x1b[1mNot promised\x1b[0m")?;
        preset.not_promised.iter().try_for_each(|text| wrapped(&format!("- {text}"), out))?;
    }
    writeln!(out, "\n\x1b[1mSource\x1b[0m ({})", checked(preset.checked))?;
    preset.source.iter().try_for_each(|source| writeln!(out, "  {source}"))
}

fn checked(how: &str) -> &str {
    match how {
        "read" => "read there",
        "reproduced" => "reproduced by running it",
        "quoted" => "quoted by another document, not read there",
        _ => "common knowledge, not checked again",
    }
}
