//! From paths to a report: what `verify`, `report` and `diff` have in common.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use idemcheck::check::baseline::Baseline;
use idemcheck::check::cluster::Cluster;
use idemcheck::check::partition::{Part, Partition};
use idemcheck::check::property::Property;
use idemcheck::check::verdict::{CheckFailure, PolicyResult, Report};
use idemcheck::check::{self, Engine, Limits, Progress, VerifyOptions, weigh};
use idemcheck::diff;
use idemcheck::policy::load::{Loaded, LoadedPolicy};
use idemcheck::source::digest;
use idemcheck::threads::on_threads;

use crate::arguments::{parse_duration, parse_size};
use crate::cache::{Cache, Keys};
use crate::exit::{Exit, INTERRUPTED};
use crate::{cluster, input, margins, progress};

/// What is searched, and how far.
#[derive(clap::Args)]
// The group would have the name of the one that it is flattened into.
#[group(skip)]
pub struct Common {
    /// Policy files, or folders to search for them.
    #[arg(default_value = "policies/")]
    pub paths: Vec<PathBuf>,
    /// A folder of models that come before the shipped ones.
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
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
    /// Keep results in this folder, and take them from there. [default: IDEMCHECK_CACHE, or idemcheck in
    /// the user's folder for caches]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Search everything anew, and keep nothing.
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
}

impl Common {
    /// How many of so many things are done at a time.
    pub fn jobs(&self, count: usize) -> usize {
        let wanted = self.jobs.or_else(|| std::thread::available_parallelism().ok());
        wanted.map_or(1, NonZero::get).min(count).max(1)
    }
}

/// The same, with what a gate needs beside it.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// Stop a policy's search at its first violation that is neither expected nor waived.
    #[arg(long, conflicts_with = "baseline")]
    fail_fast: bool,
    /// Accept the violations in this file, which `verify --write-baseline` wrote: the same run against the
    /// same property of the same policy. Each is shown as such.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    #[command(flatten)]
    margins: margins::Args,
}

impl Args {
    /// The properties whose violation ends a search.
    fn stops_at(&self) -> &[Property] {
        match (self.fail_fast, self.common.property.is_empty()) {
            (false, _) => &[],
            (true, true) => &Property::ALL,
            (true, false) => &self.common.property,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
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
    cluster: &cluster::Args,
    quiet: bool,
    part: Option<Part>,
    ready: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Option<Searched>> {
    let mut finder = Finder::new(&args.common, args.stops_at(), quiet || !cluster.reports())?;
    let baseline = args.baseline.as_deref().map(read_baseline).transpose()?;
    let loaded = input::read(&args.common.paths, args.common.models.as_deref());
    if loaded.selected == 0 && !loaded.failed() {
        eprintln!("nothing selected: no policy found in {}", shown_paths(&args.common.paths));
        return Ok(None);
    }
    ready()?;
    if cluster.asked() {
        finder.join(cluster, &loaded, part)?;
    }
    let mut report = finder.report(&loaded, part);
    finder.leave();
    if let (Some((baseline, text)), Some(path)) = (&baseline, &args.baseline) {
        if let Some(partition) = &mut report.partition {
            partition.run = digest(&[&partition.run, text]);
        }
        report = report.against(baseline, &path.display().to_string(), is_elsewhere(&loaded));
    }
    let jobs = finder.jobs(usize::MAX);
    args.margins.measure(&loaded, &mut report.policies, || finder.limits(jobs), jobs, quiet, finder.cancel());
    Ok(Some(Searched { loaded, report }))
}

/// Whether a policy was there though a report has no result for it: it is in another part, or could not be
/// read or checked.
pub fn is_elsewhere(loaded: &Loaded) -> impl Fn(&str) -> bool {
    |name| loaded.failed() || loaded.policies.iter().any(|source| source.policy.name == name)
}

/// A baseline, and its text.
fn read_baseline(path: &Path) -> anyhow::Result<(Baseline, String)> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let baseline = Baseline::from_json(&text).map_err(|fault| anyhow::anyhow!("{shown}: {fault}"))?;
    Ok((baseline, text))
}

/// The first Ctrl-C ends the searches, and what is known is reported; the second ends the process.
pub fn cancel_on_interrupt() -> anyhow::Result<&'static AtomicBool> {
    static CANCEL: AtomicBool = AtomicBool::new(false);
    static SET: OnceLock<()> = OnceLock::new();
    if SET.set(()).is_ok() {
        ctrlc::set_handler(|| {
            if CANCEL.swap(true, Ordering::Relaxed) {
                std::process::exit(INTERRUPTED.into());
            }
            eprintln!("\nstopping; once more to quit at once");
        })
        .context("cannot listen for Ctrl-C")?;
    }
    Ok(&CANCEL)
}

/// Finds out about policies, on several threads.
pub struct Finder<'a> {
    common: &'a Common,
    fail_fast: &'a [Property],
    quiet: bool,
    began: Instant,
    cancel: &'static AtomicBool,
    cache: Option<Cache>,
    today: String,
    /// Results of this process, by the same keys; for runs that come again and again.
    kept: Option<Mutex<HashMap<String, PolicyResult>>>,
    /// The workers that search together, where one policy is spread over several.
    cluster: Option<Cluster>,
}

impl<'a> Finder<'a> {
    pub fn new(common: &'a Common, fail_fast: &'a [Property], quiet: bool) -> anyhow::Result<Finder<'a>> {
        // A search that stops early finds less, and what it stops at is not part of a key.
        let caches = !common.no_cache && fail_fast.is_empty();
        Ok(Finder {
            common,
            fail_fast,
            quiet,
            began: Instant::now(),
            cancel: cancel_on_interrupt()?,
            cache: if caches { Cache::open(common.cache.as_deref()) } else { None },
            today: jiff::Zoned::now().date().to_string(),
            kept: None,
            cluster: None,
        })
    }

    /// Keeps results in memory, too.
    pub fn keeping(self) -> Finder<'a> {
        Finder { kept: Some(Mutex::default()), ..self }
    }

    /// Searches together with other processes. What only this one has kept would part them: nothing is.
    fn join(&mut self, args: &cluster::Args, loaded: &Loaded, part: Option<Part>) -> anyhow::Result<()> {
        anyhow::ensure!(
            matches!(self.common.engine, EngineName::Zones),
            "--engine stateright searches with one thread: leave out --workers and --hosts"
        );
        let Partition { run, build, of, number, .. } =
            self.partition(part.unwrap_or(Part { number: 1, of: 1 }), loaded);
        let stops: Vec<&str> = self.fail_fast.iter().map(|property| property.name()).collect();
        let timeout = format!("{:?}", self.common.timeout);
        let same =
            [run, build, of.to_string(), number.to_string(), stops.join(","), timeout, self.today.clone()];
        let same: Vec<&str> = same.iter().map(String::as_str).collect();
        self.cluster = Some(args.join(&digest(&same))?);
        self.cache = None;
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(cluster) = self.cluster.take() {
            cluster::leave(cluster, !self.quiet);
        }
    }

    /// The clock that limits of time count from, and the day, begin anew.
    pub fn begin(&mut self) {
        self.began = Instant::now();
        self.today = jiff::Zoned::now().date().to_string();
    }

    pub fn today(&self) -> &str {
        &self.today
    }

    pub fn cancel(&self) -> &'static AtomicBool {
        self.cancel
    }

    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// What one of so many searches may use.
    pub fn limits(&self, jobs: usize) -> Limits {
        Limits {
            states_max: self.common.max_states,
            memory_max: Some(self.common.max_memory / jobs as u64),
            // After the deadline each further search ends as it begins, inconclusive.
            time_max: self.common.timeout.map(|timeout| timeout.saturating_sub(self.began.elapsed())),
        }
    }

    /// How it is searched and how far, as part of a key. Time is no part: a search that it ended is not kept.
    fn asked(&self) -> String {
        let Common { engine, max_states, max_memory, property, .. } = self.common;
        let mut names: Vec<&str> = property.iter().map(|property| property.name()).collect();
        names.sort_unstable();
        names.dedup();
        format!("{engine:?} {max_states:?} {max_memory} {}", names.join(","))
    }

    /// Checks all policies, or a part of them, and weighs what is found.
    pub fn report(&self, loaded: &Loaded, part: Option<Part>) -> Report {
        let all = loaded.policies.iter();
        let chosen: Vec<&LoadedPolicy> =
            all.filter(|source| part.is_none_or(|part| part.has(&source.policy.name))).collect();
        let sources: Vec<_> = chosen.iter().map(|source| (loaded, *source)).collect();
        let (mut results, mut failures) = (Vec::new(), Vec::new());
        for (found, source) in self.find_all(&sources).into_iter().zip(&chosen) {
            match found {
                Ok(mut result) => {
                    weigh(&source.policy, &source.policy.waivers, &mut result, &self.today);
                    results.push(result);
                }
                Err(failure) => failures.push(failure),
            }
        }
        let unread = loaded.selected.saturating_sub(loaded.policies.len()) as u64;
        let mut report = Report::new(results, failures, unread, self.seconds());
        report.partition = part.map(|part| self.partition(part, loaded));
        report
    }

    fn partition(&self, part: Part, loaded: &Loaded) -> Partition {
        let asked = self.asked();
        let of_policy = |source: &LoadedPolicy| diff::content(loaded, source);
        let contents: Vec<String> = loaded.policies.iter().map(of_policy).collect();
        let named =
            || (0_u64..).zip(&loaded.policies).map(|(place, source)| (source.policy.name.clone(), place));
        let places: BTreeMap<String, u64> = named().filter(|(name, _)| part.has(name)).collect();
        let said: Vec<&str> =
            [asked.as_str()].into_iter().chain(contents.iter().map(String::as_str)).collect();
        Partition {
            number: part.number,
            of: part.of,
            total: loaded.policies.len() as u64,
            selected: places.len() as u64,
            build: idemcheck::BUILD.to_owned(),
            run: digest(&said),
            places,
            faults: loaded.faults(),
        }
    }

    /// Finds out about each of these, in their order; nothing is weighed yet.
    pub fn find_all(&self, sources: &[(&Loaded, &LoadedPolicy)]) -> Vec<Result<PolicyResult, CheckFailure>> {
        let line = progress::Line::new(sources.len(), !self.quiet);
        let keeps = self.cache.is_some() || self.kept.is_some();
        let (keys, asked) = (Keys::default(), self.asked());
        let jobs = self.jobs(sources.len());
        let found = on_threads(jobs, sources.len(), |index| {
            let (loaded, source) = sources[index];
            line.begin(index, &source.policy.name);
            let key = keeps.then(|| keys.of(loaded, source, &asked));
            let found = self.find(source, key.as_ref(), jobs, &|glimpse| line.glimpse(index, glimpse));
            line.end(index);
            found
        });
        line.clear();
        found
    }

    /// How many of so many things are done at a time.
    pub fn jobs(&self, count: usize) -> usize {
        if self.cluster.is_some() {
            return 1;
        }
        self.common.jobs(count)
    }

    fn find(
        &self,
        source: &LoadedPolicy,
        key: Option<&String>,
        jobs: usize,
        progress: &(dyn Fn(&Progress) + Sync),
    ) -> Result<PolicyResult, CheckFailure> {
        let kept = || self.kept.as_ref()?.lock().ok()?.get(key?).cloned();
        if let Some(known) = kept().or_else(|| self.cache.as_ref()?.get(key?)) {
            return Ok(known);
        }
        let options = VerifyOptions {
            properties: &self.common.property,
            fail_fast: self.fail_fast,
            engine: match self.common.engine {
                EngineName::Zones => Engine::Zones,
                EngineName::Stateright => Engine::Stateright,
            },
            limits: self.limits(jobs),
            today: &self.today,
            cancel: self.cancel,
            progress,
        };
        let found = match &self.cluster {
            Some(cluster) => check::find_on(cluster, &source.policy, &source.protocol, &options),
            None => check::find(&source.policy, &source.protocol, &options),
        };
        let found = found.map_err(|error| CheckFailure {
            policy: source.policy.name.clone(),
            path: source.policy.path.display().to_string(),
            message: error.to_string(),
        })?;
        // Near a limit of time, runs may be less simple than they could be.
        let in_time = self.common.timeout.is_none_or(|timeout| self.began.elapsed() < timeout);
        if in_time
            && !self.cancel.load(Ordering::Relaxed)
            && let Some(key) = key
        {
            if let Some(cache) = &self.cache {
                cache.put(key, &found);
            }
            if let Some(Ok(mut kept)) = self.kept.as_ref().map(Mutex::lock) {
                kept.insert(key.clone(), found.clone());
            }
        }
        Ok(found)
    }
}

pub fn shown_paths(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}

/// A property by its name.
pub fn property_parser() -> impl TypedValueParser<Value = Property> {
    PossibleValuesParser::new(Property::ALL.map(Property::name))
        .try_map(|name| Property::from_name(&name).ok_or("no such property"))
}
