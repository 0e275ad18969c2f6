//! `idemcheck check-history`: recorded histories, judged.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;
use idemcheck::history::read::{self, Faults};
use idemcheck::history::{Book, HistoryReport, Terms, Verdict};
use idemcheck::report::history;

use crate::exit::Exit;
use crate::{input, output};

#[derive(clap::Args)]
pub struct Args {
    /// History files, JSON Lines; several are one history. `-` is stdin.
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// The policy that the service follows: its terms come before those of the files, and its guards judge actions.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// A folder of models that come before the shipped ones.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,

    /// How to write what was found.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// For machines.
    Json,
}

/// Exits well if every key and every target is accepted.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let policy = match &args.policy {
        None => None,
        Some(path) => match input::one("check-history", path, args.models.as_deref())? {
            None => return Ok(Exit::CouldNotRun),
            policy => policy,
        },
    };
    let mut book = match &policy {
        Some(loaded) => Book::with_terms(Terms::of(&loaded.policy, &loaded.protocol)),
        None => Book::default(),
    };
    let mut faulty = false;
    for path in &args.files {
        let shown = path.display().to_string();
        let failed = || format!("cannot read {shown}");
        let faults = if shown == "-" {
            read::read("stdin", std::io::stdin().lock(), &mut book)
        } else {
            let file = File::open(path).with_context(failed)?;
            read::read(&shown, BufReader::with_capacity(1 << 16, file), &mut book)
        };
        let faults = faults.with_context(failed)?;
        faulty |= !faults.is_empty();
        complain(&shown, &faults);
    }
    if faulty {
        return Ok(Exit::CouldNotRun);
    }
    book.finish();
    let report = HistoryReport::new(&book, policy.as_ref().map(|loaded| &loaded.policy));
    if report.is_empty() {
        let paths: Vec<String> = args.files.iter().map(|path| path.display().to_string()).collect();
        eprintln!("nothing to judge: no record in {}", paths.join(", "));
        return Ok(Exit::NothingSelected);
    }
    output::to_stdout(|out| match args.format {
        Format::Human => history::human(&report, out),
        Format::Json => history::json(&report, out),
    })?;
    Ok(match report.verdict {
        Verdict::Accepted => Exit::Holds,
        Verdict::Rejected => Exit::Violated,
        Verdict::Unknown => Exit::Inconclusive,
    })
}

/// All faults of a file, each with its line and what to write instead.
fn complain(file: &str, faults: &Faults) {
    for fault in &faults.shown {
        let (line, wrong) = (fault.line, &fault.wrong);
        anstream::eprintln!(
            "\x1b[1;31merror\x1b[0m: {file}:{line}: {}\n  help: {}",
            wrong.message,
            wrong.help
        );
    }
    if faults.more > 0 {
        eprintln!("{file}: and {} more", faults.more);
    }
}
