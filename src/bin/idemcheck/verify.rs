//! `idemcheck verify`: the gate.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use idemcheck::check::property::Property;
use idemcheck::check::verdict::{CheckFailure, PolicyResult, Report, format_ms};
use idemcheck::check::{self, Engine, Limits, VerifyOptions};
use idemcheck::policy::load::LoadedPolicy;
use idemcheck::policy::load::MemberTexts;
use idemcheck::report::human::{Detail, Options};
use idemcheck::report::trace::{self, TraceFile};
use idemcheck::report::{human, json};

use crate::arguments::{parse_duration, parse_size};
use crate::exit::{Exit, INTERRUPTED};
use crate::{input, output, progress};

#[derive(clap::Args)]
pub struct Args {
    /// Policy files, or folders to search for them.
    #[arg(default_value = "policies/")]
    paths: Vec<PathBuf>,
    /// A folder of models that come before the shipped ones.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// How to search.
    #[arg(long, value_enum, default_value_t)]
    engine: EngineName,
    /// How to write the report.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write the report to this file instead of stdout; `-` is stdout.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write every counterexample to this folder, as POLICY.PROPERTY.json.
    #[arg(long, value_name = "DIR")]
    traces: Option<PathBuf>,
    /// Give up on a policy when its search holds more than this many zones (a zone is a state with a
    /// range of clock values; under --engine stateright, states).
    #[arg(long, value_name = "N")]
    max_states: Option<u64>,
    /// Give up on a policy when the searches together hold this much, for instance 512MiB.
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = parse_size)]
    max_memory: u64,
    /// Give up on the whole run after this long, for instance 90s or 10m.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Report only this property; may be given several times.
    #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = property_parser())]
    property: Vec<Property>,
    /// How many policies to check at a time. [default: the number of processors]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Stop a policy's search at its first violation that is neither expected nor waived.
    #[arg(long)]
    fail_fast: bool,
    /// Show only policies that need attention.
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
    /// Show every run that was found, also of violations that are expected or waived.
    #[arg(long, short, alias = "show-all")]
    verbose: bool,
}

impl Args {
    /// Where the report goes; none: stdout.
    fn output_file(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// The properties whose violation ends a search.
    fn stops_at(&self) -> &[Property] {
        match (self.fail_fast, self.property.is_empty()) {
            (false, _) => &[],
            (true, true) => &Property::ALL,
            (true, false) => &self.property,
        }
    }
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum EngineName {
    /// Dense time, exact.
    #[default]
    Zones,
    /// Integer time: slower, for comparison.
    Stateright,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Human,
    /// For machines: see `idemcheck schema report`.
    Json,
}

/// Load, check, write traces, render: the whole run.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let cancel = cancel_on_interrupt()?;
    let loaded = input::read(&args.paths, args.models.as_deref());
    if loaded.policies.is_empty() && loaded.failed() {
        return Ok(Exit::CouldNotRun);
    }
    if loaded.selected == 0 {
        eprintln!("nothing selected: no policy found in {}", shown_paths(&args.paths));
        return Ok(Exit::NothingSelected);
    }
    if let Some(path) = args.output_file() {
        output::check_file(path)?;
    }
    if let Some(folder) = &args.traces {
        output::check_folder(folder)?;
    }
    let checked = check_all(&loaded.policies, &args, began, cancel);
    let (mut results, mut texts, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for (checked, source) in checked.into_iter().zip(&loaded.policies) {
        match checked {
            Ok(result) => {
                results.push(result);
                let (policy, model) = loaded.texts(source);
                texts.push((policy, model, loaded.member_texts(source)));
            }
            Err(failure) => failures.push(failure),
        }
    }
    let unread = loaded.selected.saturating_sub(loaded.policies.len()) as u64;
    let report = Report::new(results, failures, unread, began.elapsed().as_secs_f64());
    let traces = match &args.traces {
        Some(folder) => write_traces(&report, &texts, folder)?,
        None => BTreeMap::new(),
    };
    write_report(&report, &traces, &args)?;
    let exit = Exit::of(&report);
    Ok(if loaded.failed() { exit.max(Exit::CouldNotRun) } else { exit })
}

/// The first Ctrl-C ends the searches, and what is known is reported; the second ends the process.
fn cancel_on_interrupt() -> anyhow::Result<&'static AtomicBool> {
    static CANCEL: AtomicBool = AtomicBool::new(false);
    ctrlc::set_handler(|| {
        if CANCEL.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
        eprintln!("\nstopping; once more to quit at once");
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(&CANCEL)
}

/// Checks the policies on several threads; the results are in the order of the policies.
fn check_all(
    policies: &[LoadedPolicy],
    args: &Args,
    began: Instant,
    cancel: &AtomicBool,
) -> Vec<Result<PolicyResult, CheckFailure>> {
    let wanted = args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let jobs = wanted.min(policies.len()).max(1);
    let line = progress::Line::new(policies.len(), !args.quiet);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    let today = jiff::Zoned::now().date().to_string();
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(source) = policies.get(index) else { break };
            line.begin(index, &source.policy.name);
            let options = VerifyOptions {
                properties: &args.property,
                fail_fast: args.stops_at(),
                engine: match args.engine {
                    EngineName::Zones => Engine::Zones,
                    EngineName::Stateright => Engine::Stateright,
                },
                limits: Limits {
                    states_max: args.max_states,
                    memory_max: Some(args.max_memory / jobs as u64),
                    // After the deadline each further search ends as it begins, inconclusive.
                    time_max: args.timeout.map(|timeout| timeout.saturating_sub(began.elapsed())),
                },
                today: &today,
                cancel,
                progress: &|glimpse| line.glimpse(index, glimpse),
            };
            let result =
                check::verify(&source.policy, &source.protocol, &options).map_err(|error| CheckFailure {
                    policy: source.policy.name.clone(),
                    path: source.policy.path.display().to_string(),
                    message: error.to_string(),
                });
            line.end(index);
            // Poisoned only if a worker panicked, and the scope passes that on anyway.
            if let Ok(mut results) = results.lock() {
                results.insert(index, result);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs {
            scope.spawn(work);
        }
        work();
    });
    line.clear();
    results.into_inner().unwrap_or_default().into_values().collect()
}

/// Writes the counterexamples; gives their paths, by index of the policy.
fn write_traces(
    report: &Report,
    texts: &[(&str, &str, Vec<MemberTexts>)],
    folder: &Path,
) -> anyhow::Result<BTreeMap<(usize, Property), String>> {
    let names = trace::file_names(report);
    let mut paths = BTreeMap::new();
    for (index, (result, (policy_text, model_text, members))) in report.policies.iter().zip(texts).enumerate()
    {
        for file in TraceFile::of(result, policy_text, model_text, members) {
            let Some(name) = names.get(&(index, file.property)) else { continue };
            let path = folder.join(name);
            output::to_file(&path, |out| out.write_all(file.to_json().as_bytes()))?;
            paths.insert((index, file.property), path.display().to_string());
        }
    }
    Ok(paths)
}

fn write_report(
    report: &Report,
    traces: &BTreeMap<(usize, Property), String>,
    args: &Args,
) -> anyhow::Result<()> {
    let detail = match (args.quiet, args.verbose) {
        (true, _) => Detail::Quiet,
        (_, true) => Detail::All,
        _ => Detail::Normal,
    };
    let traces = traces.iter().map(|(key, path)| (*key, path.as_str())).collect();
    let timeout =
        args.timeout.map(|timeout| format_ms(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)));
    let options = Options { detail, timeout, traces };
    let write = |out: &mut dyn std::io::Write| match args.format {
        Format::Human => human::render(report, &options, out),
        Format::Json => json::render(report, out),
    };
    match args.output_file() {
        Some(path) => output::to_file(path, write),
        None => output::to_stdout(write),
    }
}

fn shown_paths(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}

fn property_parser() -> impl TypedValueParser<Value = Property> {
    PossibleValuesParser::new(Property::ALL.map(Property::name))
        .try_map(|name| Property::from_name(&name).ok_or("no such property"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_carry_a_unit() {
        assert_eq!(parse_size("1GiB"), Ok(1 << 30));
        assert_eq!(parse_size("512 MiB"), Ok(512 << 20));
        assert!(parse_size("1024").is_err());
        assert!(parse_size("99999999999999GiB").is_err());
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert!(parse_duration("90").is_err());
        assert!(parse_duration("-1s").is_err());
    }
}
