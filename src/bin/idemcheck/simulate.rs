//! `idemcheck simulate`: sampled runs of a policy: how often, how long, how many.

use std::io::IsTerminal as _;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use idemcheck::check::judge::{broken_by, not_applicable};
use idemcheck::check::property::Property;
use idemcheck::check::trace::retell;
use idemcheck::check::verdict::{Counterexample, Verdict, grouped};
use idemcheck::check::{self, Engine, Limits, VerifyOptions};
use idemcheck::diag;
use idemcheck::policy::LoadedPolicy;
use idemcheck::report::simulate as render;
use idemcheck::report::simulate_charts::charts;
use idemcheck::simulate::compare::compare;
use idemcheck::simulate::distribution::LONGEST_MS;
use idemcheck::simulate::many::{Options, RUNS_MAX, sample};
use idemcheck::simulate::rare::{Guide, estimate};
use idemcheck::simulate::report::{Compared, SimulateReport};
use idemcheck::simulate::{Around, Run, Stream};
use idemcheck::system::System;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::arguments::parse_duration;
use crate::exit::Exit;
use crate::{input, output, search};

#[derive(clap::Args)]
#[command(
    after_help = "Exit codes: 0 no run violated a property that `[expect]` and waivers say holds; 1 one did; \
                        2 could not run; 3 a limit or Ctrl-C came before all runs were sampled."
)]
pub struct Args {
    /// The policy file.
    policy: PathBuf,
    /// Runs to sample.
    #[arg(long, value_name = "N", default_value = "10000", value_parser = clap::value_parser!(u64).range(1..=RUNS_MAX))]
    runs: u64,
    /// Where luck comes from: the same seed gives the same runs, on any machine and any number of threads.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many runs to sample at a time. [default: the number of processors]
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Look at each run for so long. [default: the policy's `simulate.until`]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    until: Option<Duration>,
    /// Estimate how often this property is violated, however seldom that is: by splitting, along the shortest run
    /// that the checker finds.
    #[arg(long, value_name = "PROPERTY", hide_possible_values = true, value_parser = search::property_parser())]
    rare: Option<Property>,
    /// Another policy, to be compared with this one under the same luck.
    #[arg(long, value_name = "POLICY")]
    compare: Option<PathBuf>,
    /// Write charts into this folder: rates, times, histograms, and a run of each violation that was seen, as SVG.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// How to write what was found.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Stop after so much time, with what is known.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// A folder of models that come before the shipped ones.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// No progress line.
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Human,
    /// For machines: see `idemcheck schema simulate-report`.
    Json,
}

/// A policy that is ready to be sampled.
struct Ready {
    source: LoadedPolicy,
    system: System,
    around: Around,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let until = args.until.map(|until| until.as_millis().min(LONGEST_MS as u128) as i64);
    let Some(mut this) = ready(&args.policy, args.models.as_deref(), until)? else {
        return Ok(Exit::CouldNotRun);
    };
    let mut other = match &args.compare {
        Some(path) => match ready(path, args.models.as_deref(), until)? {
            Some(other) => Some(other),
            None => return Ok(Exit::CouldNotRun),
        },
        None => None,
    };
    if let Some(other) = &mut other {
        // Both are looked at for as long.
        let until = this.around.until.max(other.around.until);
        (this.around.until, other.around.until) = (until, until);
    }
    if let Some(folder) = &args.svg {
        output::check_folder(folder)?;
    }
    let cancel = search::cancel_on_interrupt()?;
    let end = args.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let guide = match args.rare {
        Some(property) => Some((property, guide(&this, property, cancel, end)?)),
        None => None,
    };
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let line = Line::new(args.runs, !args.quiet);
    let progress = |done: u64, broken: u64| line.at(done, broken);
    let options = Options { seed: args.seed, runs: args.runs, threads, cancel, end, progress: &progress };
    let today = jiff::Zoned::now().date().to_string();
    let tally = sample(&this.system, &this.around, &options);
    let policy = &this.source.policy;
    let mut report =
        SimulateReport::new(policy, &this.system, &this.around, args.seed, args.runs, &today, &tally);
    let mut whole = tally.runs == args.runs;
    if let Some((property, Some(guide))) = &guide {
        line.about("splitting");
        let rare = estimate(&this.system, &this.around, guide, *property, &options);
        whole &= rare.roots == args.runs;
        report.rare = Some(rare);
    }
    if let Some(other) = &other {
        line.about("comparing");
        let pair = ((&this.system, &this.around), (&other.system, &other.around));
        let (runs, differences) = compare(pair.0, pair.1, true, &options);
        whole &= runs == args.runs;
        report.compared = Some(Compared {
            policy: other.source.policy.name.clone(),
            path: other.source.policy.path.display().to_string(),
            assumptions: other.around.assumed.clone(),
            runs,
            differences,
        });
    }
    line.clear();
    if !whole {
        let why = if cancel.load(Ordering::Relaxed) { "an interrupt" } else { "the limit of time" };
        report.stopped_by = Some(why.to_owned());
    }
    if let Some(folder) = &args.svg {
        for (name, text) in charts(&report, &runs_of(&this, &report)?) {
            output::to_file(&folder.join(name), |out| out.write_all(text.as_bytes()))?;
        }
    }
    output::to_stdout(|out| match args.format {
        Format::Human => render::human(&report, out),
        Format::Json => render::json(&report, out),
    })?;
    if let Some((property, None)) = guide {
        eprintln!("{property} holds in the declared scope: no run violates it, however seldom");
    }
    let unexpected = report.unexpected().next().is_some()
        || report.rare.as_ref().is_some_and(|rare| {
            rare.reached > 0
                && report.properties.iter().any(|one| one.property == rare.property && !one.expected)
        });
    Ok(match (unexpected, whole) {
        (true, _) => Exit::Violated,
        (false, false) => Exit::Inconclusive,
        (false, true) => Exit::Holds,
    })
}

/// Reads a policy, what it measured, and what it assumes; none: it has faults, which have been said.
fn ready(path: &Path, models: Option<&Path>, until: Option<i64>) -> anyhow::Result<Option<Ready>> {
    let mut loaded = input::read(&[path.to_owned()], models);
    let Some(mut source) = input::only("simulate", path, &mut loaded)? else { return Ok(None) };
    let faults = source.policy.simulate.measure(&loaded.files);
    if !faults.is_empty() {
        anstream::eprint!("{}", diag::render_all(&faults, &loaded.files, true));
        return Ok(None);
    }
    if until.is_some() {
        source.policy.simulate.until = until;
    }
    let system = System::new(&source.policy, &source.protocol).map_err(|error| anyhow::anyhow!("{error}"))?;
    if let Some(states) = system.loop_without_time() {
        bail!("{}: {}", path.display(), check::CheckError::LoopWithoutTime(states));
    }
    let system = system.with_symmetry(false).in_milliseconds();
    match Around::new(&source.policy, &system) {
        Ok(around) => Ok(Some(Ready { source, system, around })),
        Err(outside) => {
            let faults = source.policy.simulate.outside(&outside);
            anstream::eprint!("{}", diag::render_all(&faults, &loaded.files, true));
            Ok(None)
        }
    }
}

/// The checker's shortest run that violates the property; none: it holds.
///
/// # Errors
/// The property says nothing of the policy, or the check could not be done to its end.
fn guide(
    ready: &Ready,
    property: Property,
    cancel: &AtomicBool,
    end: Option<Instant>,
) -> anyhow::Result<Option<Guide>> {
    let policy = &ready.source.policy;
    if let Some(why) = not_applicable(property, policy, &ready.system) {
        bail!("{property} says nothing of `{}`: {why}", policy.name);
    }
    let left = end.map(|end| end.saturating_duration_since(Instant::now()));
    let options = VerifyOptions {
        engine: Engine::Zones,
        limits: Limits { states_max: None, memory_max: Some(4 << 30), time_max: left },
        properties: &[property],
        fail_fast: &[],
        today: "",
        cancel,
        progress: &|_| (),
    };
    let result = check::find(policy, &ready.source.protocol, &options)?;
    let found = result.properties.iter().find(|one| one.property == property);
    let Some(found) = found else { bail!("{property} was not judged") };
    match (&found.verdict, &found.counterexample) {
        (Verdict::Violated, Some(Counterexample { repeats_from: Some(_), .. })) => {
            bail!("only a run without end violates {property} here, and no sampled run is one")
        }
        (Verdict::Violated, Some(run)) => Ok(Some(Guide::of(&ready.system, run, broken_by(property)))),
        (Verdict::Holds | Verdict::Proved, _) => Ok(None),
        _ => bail!("the check of {property} did not come to its end: nothing to go by"),
    }
}

/// The first run of each violation that was seen, in words, up to what breaks the property.
fn runs_of(ready: &Ready, report: &SimulateReport) -> anyhow::Result<Vec<Counterexample>> {
    let mut out = Vec::new();
    for (property, number) in report.properties.iter().filter_map(|one| Some((one.property, one.first_run?)))
    {
        let mut run = Run::new(&ready.system, &ready.around);
        run.log = Some(Vec::new());
        run.finish(&mut Stream::new(report.seed, number, 0));
        let steps = retell(&ready.system, &run.log.unwrap_or_default(), broken_by(property))
            .with_context(|| format!("run {number} can't be taken again: please report this"))?;
        out.push(Counterexample { property, steps, repeats_from: None, round_ms: None });
    }
    Ok(out)
}

/// One moving line on a terminal while runs are sampled, and nothing anywhere else.
struct Line {
    bar: Option<ProgressBar>,
    began: Instant,
    runs: u64,
}

impl Line {
    fn new(runs: u64, wanted: bool) -> Line {
        let bar = (wanted && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(runs), ProgressDrawTarget::stderr_with_hz(8));
            let style = ProgressStyle::with_template("{prefix:10} {bar:24} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix("sampling");
            bar
        });
        Line { bar, began: Instant::now(), runs }
    }

    fn about(&self, what: &'static str) {
        if let Some(bar) = &self.bar {
            bar.set_prefix(what);
            bar.set_position(0);
        }
    }

    fn at(&self, done: u64, broken: u64) {
        let Some(bar) = &self.bar else { return };
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        bar.set_position(done);
        bar.set_message(format!(
            "{} of {} runs, {}/s, {:.2}% violate something",
            grouped(done),
            grouped(self.runs),
            grouped((done as f64 / seconds) as u64),
            broken as f64 * 100.0 / done.max(1) as f64
        ));
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
