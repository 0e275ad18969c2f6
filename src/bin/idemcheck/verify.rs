//! `idemcheck verify`: the gate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use idemcheck::check::property::Property;
use idemcheck::check::verdict::format_ms;
use idemcheck::report::human::{Detail, Options};
use idemcheck::report::{proof, trace};

use crate::exit::Exit;
use crate::formats::{self, Destination, Format, What};
use crate::search::{self, Searched};
use crate::{output, report};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    search: search::Args,
    /// How to write the report.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write the report to this file instead of stdout (`-` is stdout), or, with the name of a format
    /// before it, that format as well: `--output sarif=x.sarif`. May be given several times.
    #[arg(long, value_name = "[FORMAT=]PATH", value_parser = formats::parse_destination)]
    output: Vec<Destination>,
    /// Write every counterexample to this folder, as POLICY.PROPERTY.json.
    #[arg(long, value_name = "DIR")]
    traces: Option<PathBuf>,
    /// Write every proof for any number of attempts to this folder, as POLICY.proof.json.
    #[arg(long, value_name = "DIR")]
    proofs: Option<PathBuf>,
    /// Show only policies that need attention.
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
    /// Show every run that was found, also of violations that are expected or waived.
    #[arg(long, short, alias = "show-all")]
    verbose: bool,
}

/// Load, check, write traces, render: the whole run.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let instead = formats::instead_of_stdout(&args.output)?;
    let ready = || {
        for destination in &args.output {
            destination.check()?;
        }
        let folders = args.traces.iter().chain(&args.proofs);
        folders.map(|folder| output::check_folder(folder)).collect()
    };
    let Some(searched) = search::run(&args.search, args.quiet, ready)? else {
        return Ok(Exit::NothingSelected);
    };
    let traces = match &args.traces {
        Some(folder) => write_traces(&searched, folder)?,
        None => BTreeMap::new(),
    };
    if let Some(folder) = &args.proofs {
        write_proofs(&searched, folder)?;
    }
    let options = options(&args, &traces);
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
    Ok(searched.exit())
}

fn options<'a>(args: &Args, traces: &'a BTreeMap<(usize, Property), String>) -> Options<'a> {
    let detail = match (args.quiet, args.verbose) {
        (true, _) => Detail::Quiet,
        (_, true) => Detail::All,
        _ => Detail::Normal,
    };
    let traces = traces.iter().map(|(key, path)| (*key, path.as_str())).collect();
    let timeout =
        args.search.timeout.map(|timeout| format_ms(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)));
    Options { detail, timeout, traces }
}

/// Writes the counterexamples; gives their paths, by index of the policy.
fn write_traces(searched: &Searched, folder: &Path) -> anyhow::Result<BTreeMap<(usize, Property), String>> {
    let Searched { loaded, report } = searched;
    let names = trace::file_names(report);
    let mut paths = BTreeMap::new();
    for (index, result) in report.policies.iter().enumerate() {
        for file in formats::traces_of(loaded, result) {
            let Some(name) = names.get(&(index, file.property)) else { continue };
            let path = folder.join(name);
            output::to_file(&path, |out| out.write_all(file.to_json().as_bytes()))?;
            paths.insert((index, file.property), path.display().to_string());
        }
    }
    Ok(paths)
}

/// Writes the proofs: those of the result, made again.
fn write_proofs(searched: &Searched, folder: &Path) -> anyhow::Result<()> {
    let names = proof::file_names(&searched.report);
    for (index, result) in searched.report.policies.iter().enumerate() {
        for (number, file) in formats::proofs_of(&searched.loaded, result).into_iter().enumerate() {
            let Some(name) = names.get(&(index, number)) else { continue };
            output::to_file(&folder.join(name), |out| out.write_all(file.to_json().as_bytes()))?;
        }
    }
    Ok(())
}
