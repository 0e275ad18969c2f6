//! `idemcheck conform`: logs of real runs, held against the policy.

use std::fs::File;
use std::io::BufReader;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use idemcheck::check::Limits;
use idemcheck::conform::map::Map;
use idemcheck::conform::report::{ConformReport, Found, Verdict};
use idemcheck::conform::{Log, Reader, judge, unfit};
use idemcheck::report::conform;
use idemcheck::system::System;
use idemcheck::threads;

use crate::arguments::{parse_duration, parse_size};
use crate::exit::Exit;
use crate::{input, output, search};

#[derive(clap::Args)]
pub struct Args {
    /// The policy file.
    policy: PathBuf,
    /// Logs, JSON Lines; several are one log. `-` is stdin. Each key's has to begin with its first attempt.
    #[arg(required = true, value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// A folder of models that come before the shipped ones.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Which field of a line is what, in TOML, for logs that `idemcheck serve` did not write.
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// How much earlier or later than its line says a step can have happened: rounding, and clocks that differ.
    #[arg(long, value_name = "DURATION", default_value = "2ms", value_parser = parse_duration)]
    tolerance: Duration,
    /// How to write what was found.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Stop the search of a key, inconclusive, after so many zones.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    max_states: u64,
    /// Stop the search of a key, inconclusive, when the searches together hold this much.
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = parse_size)]
    max_memory: u64,
    /// Stop the whole, inconclusive, after so much time.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// How many keys to judge at a time. [default: the number of processors]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// For machines.
    Json,
}

/// A tolerance beyond this says nothing.
const TOLERANCE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Exits well if the run of every key is allowed.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(source) = input::one("conform", &args.policy, args.models.as_deref())? else {
        return Ok(Exit::CouldNotRun);
    };
    let (policy, path) = (&source.policy, args.policy.display().to_string());
    let system = System::new(policy, &source.protocol).map_err(|error| anyhow::anyhow!("{error}"))?;
    if let Some(why) = unfit(policy, &system) {
        bail!("logs can't be held against `{}`: {why}", policy.name);
    }
    if args.tolerance > TOLERANCE_MAX {
        bail!("a tolerance of more than a day says nothing");
    }
    let system = system.for_logs();
    let tolerance = i64::try_from(args.tolerance.as_millis())?;
    let Some(map) = mapping(args)? else { return Ok(Exit::CouldNotRun) };
    let Some(log) = read(args, &policy.name, &system, &map, tolerance)? else {
        return Ok(Exit::CouldNotRun);
    };
    if log.runs.is_empty() {
        eprintln!(
            "nothing to judge: no step of `{}` in {} ({} lines passed over, {} steps of other policies)",
            policy.name,
            log.files.join(", "),
            log.passed_over,
            log.of_others
        );
        return Ok(Exit::NothingSelected);
    }
    let found = judge_all(args, &system, &log)?;
    let report = ConformReport::new(&policy.name, &path, &system, tolerance, &found);
    output::to_stdout(|out| match args.format {
        Format::Human => conform::human(&report, out),
        Format::Json => conform::json(&report, out),
    })?;
    Ok(match report.verdict {
        Verdict::Allowed => Exit::Holds,
        Verdict::NotAllowed => Exit::Violated,
        Verdict::Unknown => Exit::Inconclusive,
    })
}

/// The mapping that was asked for; none: it has a fault, which has been said.
fn mapping(args: &Args) -> anyhow::Result<Option<Map>> {
    let Some(path) = &args.map else { return Ok(Some(Map::of_server())) };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Map::parse(&text)
        .map_err(|(line, column, message)| {
            let help = "`idemcheck explain conform-map` says what a mapping has";
            complain(&format!("{}:{line}:{column}", path.display()), &message, help);
        })
        .ok())
}

fn complain(place: &str, message: &str, help: &str) {
    anstream::eprintln!("\x1b[1;31merror\x1b[0m: {place}: {message}\n  help: {help}");
}

/// All logs; none: they have faults, which have been said.
fn read(
    args: &Args,
    policy: &str,
    system: &System,
    map: &Map,
    tolerance: i64,
) -> anyhow::Result<Option<Log>> {
    let mut reader = Reader::new(policy, system, map, tolerance);
    for path in &args.logs {
        let shown = path.display().to_string();
        let failed = || format!("cannot read {shown}");
        if shown == "-" {
            reader.read("stdin", std::io::stdin().lock()).with_context(failed)?;
        } else {
            let file = File::open(path).with_context(failed)?;
            reader.read(&shown, BufReader::with_capacity(1 << 16, file)).with_context(failed)?;
        }
    }
    let log = reader.finish();
    for fault in &log.faults {
        let column = fault.column.map(|column| format!(":{column}")).unwrap_or_default();
        let place = format!("{}:{}{column}", log.files[fault.file as usize], fault.line);
        complain(&place, &fault.message, &fault.help);
    }
    if log.more_faults > 0 {
        eprintln!("and {} more", log.more_faults);
    }
    Ok(log.faults.is_empty().then_some(log))
}

fn judge_all<'a>(args: &Args, system: &System, log: &'a Log) -> anyhow::Result<Found<'a>> {
    let cancel = search::cancel_on_interrupt()?;
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let failed = Mutex::new(None);
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let jobs = jobs.min(log.runs.len()).max(1);
    let memory_max = Some(args.max_memory / jobs as u64);
    let judged = threads::found_on_threads(jobs, log.runs.len(), |index| {
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        if log.unfit[index].is_some()
            || left.is_some_and(|left| left.is_zero())
            || cancel.load(Ordering::Relaxed)
        {
            return ControlFlow::Continue(Some(None));
        }
        let limits = Limits { states_max: Some(args.max_states), memory_max, time_max: left };
        match judge(system, &log.runs[index], &limits, cancel) {
            Ok(judged) => ControlFlow::Continue(Some(Some(judged))),
            Err(error) => {
                let mut failed = failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *failed = Some((log.runs[index].key.clone(), error));
                ControlFlow::Break(())
            }
        }
    });
    if let Some((key, error)) = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        bail!("the run of key {key} can't be searched: {error}");
    }
    let stopped_by = match cancel.load(Ordering::Relaxed) {
        true => "an interrupt",
        false => "the limit of time",
    };
    Ok(Found { log, judged, stopped_by: Some(stopped_by.to_owned()) })
}
