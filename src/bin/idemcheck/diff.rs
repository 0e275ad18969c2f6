//! `idemcheck diff`: what a change to policies and models means.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use idemcheck::check::verdict::{CheckFailure, PolicyResult};
use idemcheck::check::{Limits, weigh};
use idemcheck::diag::{self, Severity};
use idemcheck::diff::behaviour::{Behaviour, new_behaviour};
use idemcheck::diff::{self, DiffReport, Kind, PolicyDiff};
use idemcheck::policy::Waiver;
use idemcheck::policy::load::{Loaded, LoadedPolicy};
use idemcheck::report::{diff as render, json};
use idemcheck::system::System;
use idemcheck::threads::on_threads;

use crate::base::Base;
use crate::exit::Exit;
use crate::search::{self, Finder};
use crate::{input, output};

#[derive(clap::Args)]
pub struct Args {
    /// What to compare with: a revision of the repository that holds the policies, or a folder. A folder is
    /// another checkout where it has the PATHS, too; else it stands in the place of the only path.
    #[arg(long, value_name = "REV|DIR")]
    base: String,
    #[command(flatten)]
    common: search::Common,
    /// Let waivers and expectations that the change adds or renews count, too, and not only those of the base.
    #[arg(long)]
    allow_new_waivers: bool,
    /// Give up on looking for behaviour that is new when the search holds more than this many zones and
    /// pairs of them; 0: do not look.
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    max_pairs: u64,
    /// How to write the report.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write the report to this file instead of stdout.
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Show no progress.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Human,
    /// For machines: see `idemcheck schema diff-report`.
    Json,
    /// A comment on a pull request.
    Markdown,
}

/// A policy on both sides, as far as it is there.
struct Pair<'a> {
    name: &'a str,
    before: Option<&'a LoadedPolicy>,
    after: Option<&'a LoadedPolicy>,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let finder = Finder::new(&args.common, &[], args.quiet)?;
    if let Some(path) = &args.output {
        output::check_file(path)?;
    }
    let base = Base::find(&args.base, &args.common.paths, args.common.models.as_deref())?;
    let before = base.read();
    complain_of_base(&before);
    // What is gone from here was in the base; what is in neither is a mistake.
    let paths = args.common.paths.iter();
    let there: Vec<PathBuf> =
        paths.filter(|path| path.exists() || base.missing.contains(path)).cloned().collect();
    let after = input::read(&there, args.common.models.as_deref());
    if before.selected + after.selected == 0 && !after.failed() {
        eprintln!(
            "nothing selected: no policy found in {}, now or in the base",
            search::shown_paths(&args.common.paths)
        );
        return Ok(Exit::NothingSelected);
    }
    let report = compare(&finder, args, &base, &before, &after);
    let write = |out: &mut dyn std::io::Write| match args.format {
        Format::Human => render::human(&report, out),
        Format::Markdown => render::markdown(&report, out),
        Format::Json => json::document(&report, out),
    };
    match &args.output {
        Some(path) => output::to_file(path, write)?,
        None => output::to_stdout(write)?,
    }
    let count = |key: &str| report.summary.get(key).copied().unwrap_or(0) > 0;
    Ok(
        match (after.failed() || !report.failures.is_empty(), count("newly-violated"), count("inconclusive"))
        {
            (true, ..) => Exit::CouldNotRun,
            (_, true, _) => Exit::Violated,
            (_, _, true) => Exit::Inconclusive,
            _ => Exit::Holds,
        },
    )
}

/// Says what is wrong with the base; that keeps nobody from mending it.
fn complain_of_base(before: &Loaded) {
    let errors: Vec<_> =
        before.diagnostics.iter().filter(|d| d.severity == Severity::Error).cloned().collect();
    if !errors.is_empty() {
        eprintln!("in the base:");
        anstream::eprint!("{}", diag::render_all(&errors, &before.files, true));
    }
}

fn compare(finder: &Finder, args: &Args, base: &Base, before: &Loaded, after: &Loaded) -> DiffReport {
    let by_name = |loaded: &'_ Loaded| -> BTreeMap<String, usize> {
        loaded.policies.iter().enumerate().map(|(at, source)| (source.policy.name.clone(), at)).collect()
    };
    let (was, is) = (by_name(before), by_name(after));
    let mut names: Vec<&String> = was.keys().chain(is.keys()).collect();
    names.sort();
    names.dedup();
    let mut same = 0;
    let mut pairs = Vec::new();
    for name in names {
        let pair = Pair {
            name,
            before: was.get(name).map(|at| &before.policies[*at]),
            after: is.get(name).map(|at| &after.policies[*at]),
        };
        let declares = pair.before.zip(pair.after);
        if declares.is_some_and(|(was, is)| diff::declared((before, was), (after, is)).is_empty()) {
            same += 1;
            continue;
        }
        pairs.push(pair);
    }
    let systems: Vec<_> = pairs.iter().map(systems).collect();
    let mut wanted = Vec::new();
    for (pair, systems) in pairs.iter().zip(&systems) {
        // What behaves the same is searched once.
        let once = systems.as_ref().is_some_and(|(was, is)| was.behaviour() == is.behaviour());
        wanted.extend(pair.after.map(|source| (after, source)));
        wanted.extend(pair.before.filter(|_| !once).map(|source| (before, source)));
    }
    let mut found = finder.find_all(&wanted).into_iter();
    let mut failures = Vec::new();
    let mut policies = Vec::new();
    let mut changed = Vec::new();
    for (index, (pair, systems)) in pairs.iter().zip(&systems).enumerate() {
        let once = systems.as_ref().is_some_and(|(was, is)| was.behaviour() == is.behaviour());
        let is = pair.after.and_then(|_| found.next());
        let was = if once { is.clone() } else { pair.before.and_then(|_| found.next()) };
        if !once && systems.is_some() {
            changed.push((policies.len(), index));
        }
        policies.push(weighed(finder, args, pair, (before, after), (was, is), once, &mut failures));
    }
    let ways: Vec<(usize, usize, bool)> =
        changed.iter().flat_map(|(at, index)| [(*at, *index, true), (*at, *index, false)]).collect();
    if args.max_pairs > 0 {
        let jobs = finder.jobs(ways.len());
        let limits = Limits { states_max: Some(args.max_pairs), ..finder.limits(jobs) };
        let behaviours = on_threads(jobs, ways.len(), |way| {
            let (_, index, now) = ways[way];
            let (was, is) = systems[index].as_ref()?;
            let (of, over) = if now { (is, was) } else { (was, is) };
            Some(new_behaviour(of, over, &limits, finder.cancel()))
        });
        for ((at, _, now), behaviour) in ways.iter().zip(behaviours) {
            note(&mut policies[*at], *now, behaviour);
        }
    }
    DiffReport::new(base.shown.clone(), args.allow_new_waivers, policies, same, failures, finder.seconds())
}

/// The systems of a policy that is on both sides; none where there is nothing to compare.
fn systems(pair: &Pair) -> Option<(System, System)> {
    let of = |source: &LoadedPolicy| System::new(&source.policy, &source.protocol).ok();
    let system =
        |source: Option<&LoadedPolicy>| of(source?).filter(|system| system.loop_without_time().is_none());
    Some((system(pair.before)?, system(pair.after)?))
}

fn note(policy: &mut PolicyDiff, now: bool, behaviour: Option<Result<Behaviour, String>>) {
    let behaviour = match behaviour {
        None => return,
        Some(Ok(behaviour)) => behaviour,
        Some(Err(fault)) => return policy.notes.push(fault),
    };
    let place = if now { &mut policy.possible_now } else { &mut policy.possible_before };
    *place = Some(behaviour);
}

type Found = Option<Result<PolicyResult, CheckFailure>>;

/// Weighs both sides of a policy, each with the waivers that govern it.
fn weighed(
    finder: &Finder,
    args: &Args,
    pair: &Pair,
    (before, after): (&Loaded, &Loaded),
    (was, is): (Found, Found),
    once: bool,
    failures: &mut Vec<CheckFailure>,
) -> PolicyDiff {
    let waivers = |source: Option<&LoadedPolicy>| -> Vec<Waiver> {
        source.map(|source| source.policy.waivers.clone()).unwrap_or_default()
    };
    let (old, new) = (waivers(pair.before), waivers(pair.after));
    let governing = if args.allow_new_waivers { &new } else { &old };
    let mut notes = Vec::new();
    let mut weighed =
        |found: Found, source: Option<&LoadedPolicy>, waivers: &[Waiver], now: bool| match (found, source) {
            (Some(Ok(mut result)), Some(source)) => {
                let mut policy = source.policy.clone();
                if let (true, false, Some(before)) = (now, args.allow_new_waivers, pair.before) {
                    policy.expect = diff::governing(&before.policy.expect, &policy.expect);
                }
                weigh(&policy, waivers, &mut result, finder.today());
                Some(result)
            }
            (Some(Err(failure)), _) if now => {
                failures.push(failure);
                None
            }
            (Some(Err(failure)), _) => {
                notes.push(format!("before, it could not be checked: {}", failure.message));
                None
            }
            _ => None,
        };
    let was = weighed(was, pair.before, &old, false);
    let is = weighed(is, pair.after, governing, true);
    if pair.before.is_none() && before.failed() {
        notes.push("some files of the base could not be read: it may have been in one of them".to_owned());
    }
    if pair.after.is_none() && after.failed() {
        notes.push("some files could not be read: it may be in one of them".to_owned());
    }
    let unlike = |waiver: &&Waiver| {
        let same = |other: &Waiver| (other.property, &other.until) == (waiver.property, &waiver.until);
        !args.allow_new_waivers && !old.iter().any(same)
    };
    let path = pair.after.or(pair.before).map(|source| source.policy.path.display().to_string());
    PolicyDiff {
        policy: pair.name.to_owned(),
        path: path.unwrap_or_default(),
        kind: match (pair.before, pair.after) {
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
            _ if once => Kind::SameBehaviour,
            _ => Kind::Changed,
        },
        declared: match (pair.before, pair.after) {
            (Some(was), Some(is)) => diff::declared((before, was), (after, is)),
            _ => Vec::new(),
        },
        properties: diff::properties(was.as_ref(), is.as_ref()),
        waivers: is.or(was).map(|result| result.waivers).unwrap_or_default(),
        not_governing: new.iter().filter(unlike).map(|waiver| waiver.property).collect(),
        expectations_not_governing: match (pair.before, pair.after) {
            (Some(was), Some(is)) if !args.allow_new_waivers => {
                let governing = diff::governing(&was.policy.expect, &is.policy.expect);
                let own = is.policy.expect.iter();
                let dead = own.filter(|(property, expected)| governing.get(*property) != Some(*expected));
                dead.map(|(property, _)| *property).collect()
            }
            _ => Vec::new(),
        },
        possible_now: None,
        possible_before: None,
        notes,
    }
}
