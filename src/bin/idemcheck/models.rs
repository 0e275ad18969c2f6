//! `idemcheck models`: the protocols that ship, as a place to begin.

use std::io::{self, Write};

use clap::ValueEnum;
use idemcheck::model::shipped::{self, Shipped};
use serde_json::json;

use crate::exit::Exit;
use crate::explain::suggest;
use crate::output::{self, wrapped};

#[derive(clap::Args)]
pub struct Args {
    /// A model; without it, all of them.
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
    /// One JSON object with a list of models.
    Json,
    /// The file itself, to copy and change.
    Toml,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let all = shipped::all();
    let chosen = match args.name.as_deref().map(str::trim) {
        None => &all[..],
        Some(name) => {
            let Some(at) = all.iter().position(|model| model.name.eq_ignore_ascii_case(name)) else {
                eprintln!("there is no model `{name}` that ships");
                let names: Vec<&str> = all.iter().map(|model| model.name.as_str()).collect();
                suggest(name, &names, "`idemcheck models` lists all of them");
                return Ok(Exit::CouldNotRun);
            };
            &all[at..=at]
        }
    };
    match (args.format, args.name.is_some()) {
        (Format::Human, true) => {
            output::to_stdout(|out| chosen.iter().try_for_each(|model| show(model, out)))?
        }
        (Format::Human, false) => output::to_stdout(|out| list(chosen, out))?,
        (Format::Json, _) => {
            let text = serde_json::to_string_pretty(&json!({ "version": 1, "models": chosen }))?;
            output::to_stdout(|out| writeln!(out, "{text}"))?;
        }
        (Format::Toml, true) => {
            output::to_stdout(|out| {
                chosen.iter().try_for_each(|model| out.write_all(model.text.as_bytes()))
            })?;
        }
        (Format::Toml, false) => {
            eprintln!("--format toml prints one model: name it");
            return Ok(Exit::CouldNotRun);
        }
    }
    Ok(Exit::Holds)
}

fn list(all: &[Shipped], out: &mut dyn Write) -> io::Result<()> {
    for model in all {
        writeln!(out, "\x1b[1m{}\x1b[0m  {}", model.name, model.title)?;
        wrapped(&format!("Used: {}", model.used), out)?;
        if !model.choices.is_empty() {
            let names: Vec<&str> = model.choices.iter().map(|choice| choice.name.as_str()).collect();
            wrapped(&format!("Choices: {}", names.join(", ")), out)?;
        }
        wrapped(&format!("Operations: {}", model.operations.join(", ")), out)?;
        writeln!(out)?;
    }
    writeln!(out, "`idemcheck models NAME` says more of one; with `--format toml` it prints the file.")
}

/// One model in prose: what a policy has to say to use it.
pub fn show(model: &Shipped, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\x1b[1m{}\x1b[0m  {}\n", model.name, model.title)?;
    wrapped(&model.about, out)?;
    writeln!(out, "\n\x1b[1mWhere it is used\x1b[0m")?;
    wrapped(&model.used, out)?;
    writeln!(out, "\n\x1b[1mIn a policy\x1b[0m")?;
    writeln!(out, "  model = \"{}\"", model.name)?;
    if !model.choices.is_empty() {
        writeln!(out, "\n  [choices]")?;
        let width = model.choices.iter().map(|choice| choice.name.len()).max().unwrap_or(0);
        for choice in &model.choices {
            let options: Vec<String> = choice.options.iter().map(|option| format!("\"{option}\"")).collect();
            let (first, rest) =
                options.split_first().map_or(("", &options[..]), |(first, rest)| (first, rest));
            let rest = if rest.is_empty() { String::new() } else { format!("   # or {}", rest.join(", ")) };
            writeln!(out, "  {:width$} = {first}{rest}", choice.name)?;
        }
    }
    if !model.waits.is_empty() {
        writeln!(out, "\n  [waits]   # where the choices lead there")?;
        model.waits.iter().try_for_each(|wait| writeln!(out, "  {wait} = \"1s\""))?;
    }
    writeln!(out, "\n\x1b[1mOperations\x1b[0m")?;
    wrapped(&model.operations.join(", "), out)?;
    if !model.roles.is_empty() {
        writeln!(out, "\n\x1b[1mRoles beside the attempts\x1b[0m")?;
        wrapped(&model.roles.join(", "), out)?;
    }
    writeln!(out, "\n`idemcheck models {} --format toml` prints the file.", model.name)
}
