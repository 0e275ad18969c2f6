//! `idemcheck report`: pages to look at.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use idemcheck::load::report::LoadReport;
use idemcheck::report::html;
use idemcheck::report::origin::Origins;

use crate::exit::Exit;
use crate::search::{self, Searched};
use crate::{cluster, formats, output, prove};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    search: search::Args,
    /// What `load --format json` has written; may be given several times.
    #[arg(long, value_name = "RESULT")]
    load: Vec<PathBuf>,
    /// Try to prove what holds for any number of requests, attempts and crashes.
    #[arg(long)]
    prove: bool,
    /// The folder to write into.
    #[arg(long, value_name = "DIR", default_value = "reports/")]
    to: PathBuf,
}

/// Checks as `verify` does, and writes what was found as pages.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let loads = args.load.iter().map(|path| race(path)).collect::<anyhow::Result<Vec<LoadReport>>>()?;
    let ready = || output::check_folder(&args.to);
    let began = Instant::now();
    let Some(mut searched) = search::run(&args.search, &cluster::Args::default(), false, None, ready)? else {
        return Ok(Exit::NothingSelected);
    };
    if args.prove {
        searched = prove::prove(&args.search, searched, began, None)?;
    }
    let index = write(&searched, &loads, &args.to)?;
    output::to_stdout(|out| writeln!(out, "{}", index.display()))?;
    Ok(searched.exit())
}

fn race(path: &Path) -> anyhow::Result<LoadReport> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is not what `idemcheck load --format json` writes", path.display()))
}

/// Writes the pages; gives the path of the index.
pub fn write(searched: &Searched, loads: &[LoadReport], folder: &Path) -> anyhow::Result<PathBuf> {
    let root = std::env::current_dir().context("cannot tell which folder this is")?;
    let origins = Origins::new(&searched.loaded, &root);
    let results = searched.report.policies.iter();
    let traces: Vec<_> = results.map(|result| formats::traces_of(&searched.loaded, result)).collect();
    for file in html::files(&searched.report, &traces, loads, &origins) {
        output::to_file(&folder.join(&file.path), |out| out.write_all(file.text.as_bytes()))?;
    }
    Ok(folder.join("index.html"))
}
