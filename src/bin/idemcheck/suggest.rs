//! `idemcheck suggest`: what to change so that a policy holds.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::ValueEnum;
use idemcheck::check::property::Property;
use idemcheck::check::suggest::{SuggestOptions, suggest};
use idemcheck::check::{self, Engine, Limits, VerifyOptions};
use idemcheck::report::suggest as render;

use crate::arguments::{parse_duration, parse_size};
use crate::exit::Exit;
use crate::{input, output, search};

#[derive(clap::Args)]
pub struct Args {
    /// The policy.
    policy: PathBuf,
    /// Make only this property hold, without breaking another; may be given several times.
    #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = search::property_parser())]
    property: Vec<Property>,
    /// Changes in one suggestion, at the most; two only where one of our own is not enough.
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u8).range(1..=2))]
    changes: u8,
    /// Suggestions to show, at the most.
    #[arg(long, value_name = "N", default_value = "5")]
    most: NonZero<usize>,
    /// Write only the patch of the suggestion with this number, for `git apply` or `patch -p1`.
    #[arg(long, value_name = "N", conflicts_with = "format")]
    patch: Option<NonZero<usize>>,
    /// How to write them.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Stop looking after this long.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    timeout: Duration,
    /// Give up on a check that holds more zones than this.
    #[arg(long, value_name = "N")]
    max_states: Option<u64>,
    /// Give up when the checks together hold this much, for instance 512MiB.
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = parse_size)]
    max_memory: u64,
    /// How many changes to check at a time. [default: the number of processors]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// A folder of models that come before the shipped ones.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Human,
    /// For machines: see `idemcheck schema suggestions`.
    Json,
}

/// Checks the policy, looks for changes, and writes what was found. 0: there is something to change, or no need to.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let (began, cancel) = (Instant::now(), search::cancel_on_interrupt()?);
    let loaded = input::read(std::slice::from_ref(&args.policy), args.models.as_deref());
    if loaded.failed() {
        return Ok(Exit::CouldNotRun);
    }
    let [source] = &loaded.policies[..] else {
        let count = loaded.policies.len();
        bail!("suggest needs exactly one policy, and {} names {count}", args.policy.display());
    };
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let today = jiff::Zoned::now().date().to_string();
    let limits = |jobs: usize| Limits {
        states_max: args.max_states,
        memory_max: Some(args.max_memory / jobs as u64),
        time_max: None,
    };
    let options = VerifyOptions {
        engine: Engine::Zones,
        limits: Limits { time_max: Some(args.timeout), ..limits(1) },
        properties: &[],
        fail_fast: &[],
        today: &today,
        cancel,
        progress: &|_| (),
    };
    let result = check::verify(&source.policy, &source.protocol, &options)?;
    let options = SuggestOptions {
        limits: limits(jobs),
        time_max: args.timeout.saturating_sub(began.elapsed()),
        most: args.most.get().max(args.patch.map_or(0, NonZero::get)),
        changes_max: args.changes.into(),
        jobs,
        today: &today,
        cancel,
    };
    let found = suggest(&loaded, source, &result, &args.property, &options);
    match (args.patch, args.format) {
        (Some(number), _) => match found.suggestions.get(number.get() - 1) {
            Some(one) => output::to_stdout(|out| out.write_all(one.patch.as_bytes()))?,
            None => {
                bail!("there are {} suggestions, and none has the number {number}", found.suggestions.len())
            }
        },
        (None, Format::Human) => output::to_stdout(|out| render::human(&found, out))?,
        (None, Format::Json) => output::to_stdout(|out| render::json(&found, out))?,
    }
    Ok(match (found.open.is_some(), found.violated.is_empty() || !found.suggestions.is_empty()) {
        (true, _) => Exit::Inconclusive,
        (false, true) => Exit::Holds,
        (false, false) if found.tried.stopped_by.is_some() => Exit::Inconclusive,
        (false, false) => Exit::Violated,
    })
}
