//! `idemcheck import`: what already runs, as a policy.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use clap::builder::PossibleValue;
use idemcheck::diag;
use idemcheck::import::{self, KINDS, Kind, Page, Takes};
use idemcheck::model::shipped;
use idemcheck::policy::load;
use idemcheck::source::Files;

use crate::exit::Exit;
use crate::output::{self, wrapped};

#[derive(clap::Args)]
pub struct Args {
    /// What the file is.
    #[arg(value_parser = kinds(), required_unless_present = "list")]
    kind: Option<String>,
    /// The file to read.
    #[arg(required_unless_present = "list")]
    file: Option<PathBuf>,
    /// Write the policy to a file instead of stdout.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there.
    #[arg(long, requires = "output")]
    force: bool,
    /// Say what the file does not say; may be given several times. `--list` has the names of each kind.
    #[arg(long, value_name = "NAME=VALUE")]
    assume: Vec<String>,
    /// List the kinds: what each reads, what it assumes, and where its defaults are from.
    #[arg(long, exclusive = true)]
    list: bool,
}

fn kinds() -> Vec<PossibleValue> {
    KINDS.iter().map(|kind| PossibleValue::new(kind.name).help(kind.reads)).collect()
}

/// The policy goes to stdout or to a file; what had to be assumed goes to stderr as well.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    if args.list {
        output::to_stdout(list)?;
        return Ok(Exit::Holds);
    }
    let (Some(name), Some(file)) = (&args.kind, &args.file) else { bail!("no file to import") };
    let kind = Kind::named(name).ok_or_else(|| anyhow!("there is no kind `{name}`"))?;
    let mut given = Vec::new();
    for text in &args.assume {
        match kind.assumption(text) {
            Ok(assumption) => given.push(assumption),
            Err(fault) => bail!("--assume: {fault}"),
        }
    }
    if let Some(path) = args.output.as_deref().filter(|path| path.is_file() && !args.force) {
        bail!("{} is there already; --force replaces it", path.display());
    }
    let mut files = Files::default();
    let page = match import::import(kind, file, &given, &mut files) {
        Ok(page) => page,
        Err(diagnostics) => {
            anstream::eprint!("{}", diag::render_all(&diagnostics, &files, true));
            return Ok(Exit::CouldNotRun);
        }
    };
    let text = page.render(kind.name);
    if !is_sound(&page, &text, args.output.as_deref()) {
        return Ok(Exit::CouldNotRun);
    }
    match &args.output {
        Some(path) => output::to_file(path, |out| out.write_all(text.as_bytes()))?,
        None => output::to_stdout(|out| out.write_all(text.as_bytes()))?,
    }
    summary(&page);
    Ok(Exit::Holds)
}

/// The policy is read as `verify` would read it: nothing is written that it would refuse.
fn is_sound(page: &Page, text: &str, path: Option<&Path>) -> bool {
    let path = path.map_or_else(|| PathBuf::from(format!("{}.toml", page.name)), Path::to_owned);
    let named = |(path, _): &(String, &str)| *path == format!("models/{}.toml", page.model());
    let (model_path, model) = shipped::shipped().into_iter().find(named).expect("kinds name shipped models");
    let loaded = load::load_texts((&path, text), (Path::new(&model_path), model));
    if loaded.failed() {
        anstream::eprint!("{}", diag::render_all(&loaded.diagnostics, &loaded.files, true));
        eprintln!("what the file and the assumptions say together makes no policy; nothing was written");
    }
    !loaded.failed()
}

fn summary(page: &Page) {
    let assumed = page.assumed();
    if !assumed.is_empty() {
        let width = assumed.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        eprintln!("assumed, with --assume NAME=VALUE to change it:");
        for (name, value, about) in assumed {
            eprintln!("  {name:width$}  {}  {about}", value.replace('"', ""));
        }
    }
    for note in &page.notes {
        eprintln!("note: {note}");
    }
    if let Some(unknown) = page.strange() {
        eprintln!("note: unknown to the import: {unknown}");
    }
}

fn list(out: &mut dyn Write) -> io::Result<()> {
    for kind in KINDS {
        writeln!(out, "\x1b[1m{}\x1b[0m  {}", kind.name, kind.reads)?;
        for assumption in kind.assumes {
            let takes = match assumption.takes {
                Takes::Span | Takes::Name => String::new(),
                Takes::Count(least, most) => format!(" ({least} to {most})"),
                Takes::Word(words) => format!(" ({})", words.join(", ")),
            };
            let default = if assumption.default.is_empty() { "the first" } else { assumption.default };
            writeln!(out, "  --assume {}={default}", assumption.name)?;
            wrapped(&format!("    {}{takes}", assumption.about), out)?;
        }
        wrapped(&format!("Defaults: {}.", kind.source), out)?;
        writeln!(out)?;
    }
    writeln!(out, "`idemcheck import KIND FILE` prints the policy; `--output FILE` writes it.")
}
