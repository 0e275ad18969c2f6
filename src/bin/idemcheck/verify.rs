//! `idemcheck verify`: the gate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use idemcheck::check::baseline::Baseline;
use idemcheck::check::partition::Part;
use idemcheck::check::property::Property;
use idemcheck::check::verdict::{Standing, format_ms};
use idemcheck::report::human::{Detail, Options};
use idemcheck::report::trace;

use crate::exit::Exit;
use crate::formats::{self, Destination, Format, What};
use crate::search::{self, Finder, Searched};
use crate::{cluster, emit, output, prove, report, watch};

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
    /// Write the violations that are neither expected nor waived to this file, as a baseline for `--baseline`,
    /// and judge the run by it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["baseline", "property", "partition", "fail_fast"])]
    write_baseline: Option<PathBuf>,
    /// Check only a part of the policies, `hash:1/4` for the first of four: a policy's name says which one it
    /// is in. `idemcheck merge` puts the parts together.
    #[arg(long, value_name = "hash:N/M")]
    partition: Option<Part>,
    /// Stay, and check again what changes.
    #[arg(long, conflicts_with_all = ["format", "output", "traces", "baseline", "write_baseline", "partition", "fail_fast", "margins", "prove"])]
    watch: bool,
    /// Try to prove what holds for any number of requests, attempts and crashes.
    #[arg(long)]
    prove: bool,
    /// Write every proof to this folder, as POLICY.proof.json.
    #[arg(long, value_name = "DIR", requires = "prove")]
    proofs: Option<PathBuf>,
    /// Show only policies that need attention.
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
    /// Show every run that was found, also of violations that are expected or waived.
    #[arg(long, short, alias = "show-all")]
    verbose: bool,
    #[command(flatten)]
    cluster: cluster::Args,
    #[command(flatten)]
    emit: emit::Args,
}

/// Load, check, write traces, render: the whole run.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    if let Some(target) = args.emit.emit {
        let words: Vec<_> = std::env::args_os().skip(1).skip_while(|word| word != "verify").skip(1).collect();
        return emit::run(target, &args.emit, &words);
    }
    if args.watch {
        let finder = Finder::new(&args.search.common, &[], args.quiet)?;
        return watch::run(&args.search.common, finder, &options(args, &BTreeMap::new()));
    }
    let instead = formats::instead_of_stdout(&args.output)?;
    let ready = || {
        if !args.cluster.reports() {
            return Ok(());
        }
        for destination in &args.output {
            destination.check()?;
        }
        args.write_baseline.as_deref().map_or(Ok(()), output::check_file)?;
        let mut folders = args.traces.iter().chain(&args.proofs);
        folders.try_for_each(|folder| output::check_folder(folder))
    };
    let began = Instant::now();
    let Some(mut searched) = search::run(&args.search, &args.cluster, args.quiet, args.partition, ready)?
    else {
        return Ok(Exit::NothingSelected);
    };
    if !args.cluster.reports() {
        searched
            .report
            .failures
            .iter()
            .for_each(|failure| eprintln!("{}: {}", failure.path, failure.message));
        return Ok(searched.exit());
    }
    if args.prove {
        searched = prove::prove(&args.search, searched, began, args.proofs.as_deref())?;
    }
    if let Some(path) = &args.write_baseline {
        searched = write_baseline(searched, path)?;
    }
    let traces = match &args.traces {
        Some(folder) => write_traces(&searched, folder)?,
        None => BTreeMap::new(),
    };
    let options = options(args, &traces);
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

/// Writes what is open as a baseline, and judges by it; unless something is not known.
fn write_baseline(searched: Searched, path: &Path) -> anyhow::Result<Searched> {
    if searched.exit() == Exit::CouldNotRun {
        eprintln!("no baseline is written: some policies could not be read or checked");
        return Ok(searched);
    }
    let Searched { loaded, report } = searched;
    let baseline = Baseline::of(&report.policies);
    let all = report.policies.iter().flat_map(|policy| &policy.properties);
    let lapsed =
        all.filter(|found| found.lapsed.is_some() && found.standing() == Standing::Unexpected).count();
    if lapsed > 0 {
        eprintln!("not in the baseline, because their waivers are over: {lapsed}");
    }
    output::to_file(path, |out| out.write_all(baseline.to_json().as_bytes()))?;
    let report = report.against(&baseline, &path.display().to_string(), search::is_elsewhere(&loaded));
    Ok(Searched { loaded, report })
}

fn options<'a>(args: &Args, traces: &'a BTreeMap<(usize, Property), String>) -> Options<'a> {
    let detail = match (args.quiet, args.verbose) {
        (true, _) => Detail::Quiet,
        (_, true) => Detail::All,
        _ => Detail::Normal,
    };
    let traces = traces.iter().map(|(key, path)| (*key, path.as_str())).collect();
    let timeout = args
        .search
        .common
        .timeout
        .map(|timeout| format_ms(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)));
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
