//! From paths to a report: what `verify` and `report` have in common.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use idemcheck::check::property::Property;
use idemcheck::check::verdict::{CheckFailure, PolicyResult, Report};
use idemcheck::check::{self, Engine, Limits, VerifyOptions};
use idemcheck::policy::load::{Loaded, LoadedPolicy};

use crate::arguments::{parse_duration, parse_size};
use crate::exit::{Exit, INTERRUPTED};
use crate::{input, progress};

/// What is searched, and how far.
#[derive(clap::Args)]
// The group would have the name of the one that it is flattened into.
#[group(skip)]
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
    /// Give up on a policy when its search holds more than this many zones (a zone is a state with a
    /// range of clock values; under --engine stateright, states).
    #[arg(long, value_name = "N")]
    max_states: Option<u64>,
    /// Give up on a policy when the searches together hold this much, for instance 512MiB.
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = parse_size)]
    max_memory: u64,
    /// Give up on the whole run after this long, for instance 90s or 10m.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Report only this property; may be given several times.
    #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = property_parser())]
    property: Vec<Property>,
    /// How many policies to check at a time. [default: the number of processors]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Stop a policy's search at its first violation that is neither expected nor waived.
    #[arg(long)]
    fail_fast: bool,
}

impl Args {
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

/// What was read, and what was found of it.
pub struct Searched {
    pub loaded: Loaded,
    pub report: Report,
}

impl Searched {
    /// What the run amounts to.
    pub fn exit(&self) -> Exit {
        let exit = Exit::of(&self.report);
        if self.loaded.failed() { exit.max(Exit::CouldNotRun) } else { exit }
    }
}

/// Reads and checks, with a line of progress unless it is to be `quiet`. `ready` is asked between the two, so that nothing is searched in vain; none where no
/// policy was selected, which has been said then.
pub fn run(
    args: &Args,
    quiet: bool,
    ready: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Option<Searched>> {
    let began = Instant::now();
    let cancel = cancel_on_interrupt()?;
    let loaded = input::read(&args.paths, args.models.as_deref());
    if loaded.selected == 0 && !loaded.failed() {
        eprintln!("nothing selected: no policy found in {}", shown_paths(&args.paths));
        return Ok(None);
    }
    ready()?;
    let (mut results, mut failures) = (Vec::new(), Vec::new());
    for checked in check_all(&loaded.policies, args, quiet, began, cancel) {
        match checked {
            Ok(result) => results.push(result),
            Err(failure) => failures.push(failure),
        }
    }
    let unread = loaded.selected.saturating_sub(loaded.policies.len()) as u64;
    let report = Report::new(results, failures, unread, began.elapsed().as_secs_f64());
    Ok(Some(Searched { loaded, report }))
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
    quiet: bool,
    began: Instant,
    cancel: &AtomicBool,
) -> Vec<Result<PolicyResult, CheckFailure>> {
    let wanted = args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let jobs = wanted.min(policies.len()).max(1);
    let line = progress::Line::new(policies.len(), !quiet);
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

fn shown_paths(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}

fn property_parser() -> impl TypedValueParser<Value = Property> {
    PossibleValuesParser::new(Property::ALL.map(Property::name))
        .try_map(|name| Property::from_name(&name).ok_or("no such property"))
}
