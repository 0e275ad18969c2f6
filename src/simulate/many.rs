//! Many runs, and what they come to together: the same for any number of threads.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::around::Around;
use super::draw::Stream;
use super::estimate::{Sums, Times};
use super::measure::Measured;
use super::run::{End, Run};
use crate::check::judge::broken_by;
use crate::check::property::Property;
use crate::system::{System, facts};
use crate::threads;

/// Runs that are asked for, at most.
pub const RUNS_MAX: u64 = 10_000_000;
/// Runs that a thread does before it gives what it has.
const BATCH: u64 = 64;
/// The facts that say that the system could not hold all there was.
const LEFT_OUT: u64 = facts::JOB_LIMIT | facts::FLIGHT_LIMIT | facts::FLIGHT_LEFT_OUT;

/// One run, over.
#[derive(Clone, Debug)]
pub struct Finished {
    pub end: End,
    pub facts: u64,
    pub steps: u32,
    pub ms: i64,
    pub measured: Measured,
}

/// What steers many runs.
pub struct Options<'a> {
    pub seed: u64,
    pub runs: u64,
    pub threads: usize,
    pub cancel: &'a AtomicBool,
    /// When to stop with what is known.
    pub end: Option<Instant>,
    /// Told after each batch: how many runs are over, and of how many something was broken.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

impl Options<'_> {
    pub(super) fn is_over(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.end.is_some_and(|end| Instant::now() >= end)
    }

    /// Does batches of runs on threads, as many as there is time for; in their order, without a gap.
    pub(super) fn batches<R: Send>(
        &self,
        runs: u64,
        one: impl Fn(std::ops::Range<u64>) -> (R, u64) + Sync,
    ) -> Vec<R> {
        let (done, broken) = (AtomicU64::new(0), AtomicU64::new(0));
        let batches = runs.div_ceil(BATCH) as usize;
        let found = threads::found_on_threads(self.threads.max(1), batches, |index| {
            if self.is_over() {
                return ControlFlow::Break(());
            }
            let from = index as u64 * BATCH;
            let range = from..(from + BATCH).min(runs);
            let count = range.end - range.start;
            let (result, bad) = one(range);
            let done = done.fetch_add(count, Ordering::Relaxed) + count;
            (self.progress)(done, broken.fetch_add(bad, Ordering::Relaxed) + bad);
            ControlFlow::Continue(Some((index, result)))
        });
        // An interrupt may have left a batch out whose successor was done: what follows a gap is not told.
        let whole = found.into_iter().enumerate().take_while(|(at, (index, _))| at == index);
        whole.map(|(_, (_, result))| result).collect()
    }
}

/// Runs number `number` to its end.
pub fn finish(system: &System, around: &Around, seed: u64, number: u64) -> Finished {
    let mut run = Run::new(system, around);
    let end = run.finish(&mut Stream::new(seed, number, 0));
    Finished { end, facts: run.facts, steps: run.steps, ms: run.now, measured: run.measured }
}

/// What many runs came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    pub runs: u64,
    pub steps: u64,
    /// How many runs came to each end: quiet, time, steps, stuck.
    pub ends: [u64; 4],
    /// Runs in which a property was broken, and the first of them.
    pub broken: BTreeMap<Property, (u64, u64)>,
    pub left_out: u64,
    pub duplicates: Sums,
    pub duplicated: u64,
    pub answered: Times,
    pub stuck: Times,
    pub stuck_runs: u64,
    pub episodes: u64,
    /// How many episodes had so many actions.
    pub actions: BTreeMap<u32, u64>,
    pub well: Times,
    pub told: Times,
    pub needless: u64,
    pub restless: u64,
    /// How many runs had so many actions at once, and so little capacity.
    pub busiest: BTreeMap<u8, u64>,
    pub capacity: BTreeMap<u8, u64>,
}

impl Tally {
    fn add(&mut self, number: u64, run: &Finished) {
        self.runs += 1;
        self.steps += u64::from(run.steps);
        self.ends[run.end as usize] += 1;
        for property in Property::ALL {
            if run.facts & broken_by(property) != 0 {
                self.broken.entry(property).or_insert((0, number)).0 += 1;
            }
        }
        self.left_out += u64::from(run.facts & LEFT_OUT != 0);
        let m = &run.measured;
        self.duplicates.add(f64::from(m.duplicates));
        self.duplicated += u64::from(m.duplicates > 0);
        let unanswered = m.requests.len().saturating_sub(m.answered.len());
        self.answered.add(m.answered.iter().copied(), unanswered as u64);
        let for_ever = m.stuck.iter().filter(|stuck| stuck.is_none()).count();
        self.stuck.add(m.stuck.iter().copied().flatten(), for_ever as u64);
        self.stuck_runs += u64::from(!m.stuck.is_empty());
        self.episodes += m.episodes.len() as u64;
        for episode in &m.episodes {
            *self.actions.entry(episode.actions).or_default() += 1;
        }
        let not_well = m.episodes.iter().filter(|episode| episode.well.is_none()).count();
        self.well.add(m.episodes.iter().filter_map(|episode| episode.well), not_well as u64);
        self.told.add(m.episodes.iter().filter_map(|episode| episode.told), 0);
        self.needless += u64::from(m.needless > 0);
        self.restless += u64::from(run.end != End::Quiet && m.is_restless(run.ms));
        if let Some(capacity) = m.capacity {
            *self.busiest.entry(m.busiest).or_default() += 1;
            *self.capacity.entry(capacity).or_default() += 1;
        }
    }

    fn merge(&mut self, other: Tally) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.ends.iter_mut().zip(other.ends).for_each(|(one, more)| *one += more);
        for (property, (count, first)) in other.broken {
            self.broken.entry(property).or_insert((0, first)).0 += count;
        }
        self.left_out += other.left_out;
        self.duplicates.merge(&other.duplicates);
        self.duplicated += other.duplicated;
        self.answered.merge(other.answered);
        self.stuck.merge(other.stuck);
        self.stuck_runs += other.stuck_runs;
        self.episodes += other.episodes;
        for (count, more) in other.actions {
            *self.actions.entry(count).or_default() += more;
        }
        self.well.merge(other.well);
        self.told.merge(other.told);
        self.needless += other.needless;
        self.restless += other.restless;
        for (into, from) in [(&mut self.busiest, other.busiest), (&mut self.capacity, other.capacity)] {
            for (count, more) in from {
                *into.entry(count).or_default() += more;
            }
        }
    }
}

/// Runs as many as are asked for, or as there is time for.
pub fn sample(system: &System, around: &Around, options: &Options) -> Tally {
    let batch = |range: std::ops::Range<u64>| {
        let (mut tally, mut bad) = (Tally::default(), 0);
        for number in range {
            let run = finish(system, around, options.seed, number);
            bad += u64::from(Property::ALL.iter().any(|property| run.facts & broken_by(*property) != 0));
            tally.add(number, &run);
        }
        (tally, bad)
    };
    let mut all = Tally::default();
    options.batches(options.runs, batch).into_iter().for_each(|tally| all.merge(tally));
    all
}
