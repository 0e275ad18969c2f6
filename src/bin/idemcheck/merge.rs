//! `idemcheck merge`: the reports of the parts of one run, as the report of the whole.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use idemcheck::check::partition::{Merged, merge};
use idemcheck::check::verdict::Report;
use idemcheck::policy::load;
use idemcheck::report::human::Options;

use crate::exit::Exit;
use crate::formats::{self, Destination, Format, What};
use crate::report;
use crate::search::Searched;

#[derive(clap::Args)]
pub struct Args {
    /// What `verify --partition hash:1/4 --format json` and its like have written: all parts of one run.
    #[arg(required = true)]
    reports: Vec<PathBuf>,
    /// A folder of models, as for `verify`: only for the lines that SARIF and GitHub point at.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// How to write the report.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write the report to this file instead of stdout, or, with the name of a format before it, that format
    /// as well. May be given several times.
    #[arg(long, value_name = "[FORMAT=]PATH", value_parser = formats::parse_destination)]
    output: Vec<Destination>,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let instead = formats::instead_of_stdout(&args.output)?;
    for destination in &args.output {
        destination.check()?;
    }
    let parts = args.reports.iter().map(read).collect::<anyhow::Result<Vec<(String, Report)>>>()?;
    let Merged { report, faults } = merge(parts).map_err(|fault| anyhow!("{fault}"))?;
    let paths: Vec<PathBuf> = report.policies.iter().map(|result| PathBuf::from(&result.path)).collect();
    let there: Vec<PathBuf> = paths.into_iter().filter(|path| path.exists()).collect();
    // Read for their lines only: the parts have said what is wrong with them.
    let mut loaded = load::load(&there, args.models.as_deref());
    loaded.diagnostics.clear();
    let unread = report.unread() > 0 || !faults.is_empty();
    for fault in &faults {
        eprintln!("in the parts: {fault}");
    }
    let searched = Searched { loaded, report };
    let options = Options::default();
    for Destination { what, path } in &args.output {
        match what {
            What::Stdout => {}
            What::Also(format) => formats::write(*format, Some(path), &searched, &options)?,
            What::Html => {
                report::write(&searched, &[], path)?;
            }
        }
    }
    formats::write(args.format, instead, &searched, &options)?;
    let exit = searched.exit();
    Ok(if unread { exit.max(Exit::CouldNotRun) } else { exit })
}

fn read(path: &PathBuf) -> anyhow::Result<(String, Report)> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let report = serde_json::from_str(&text).with_context(|| {
        format!("{shown} is not what this version's `idemcheck verify --format json` writes")
    })?;
    Ok((shown, report))
}
