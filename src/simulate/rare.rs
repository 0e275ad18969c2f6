//! What happens too seldom to be counted: multilevel splitting.
//!
//! The checker's shortest run to a violation shows what has to come together. How far a run has come is how many
//! of its steps it has taken, in their order. Whenever a run comes further than it was, it is continued several
//! times over, with luck of its own each time, and each copy counts for its share. The sum of the shares of the
//! copies that get there is an unbiased estimate whatever the numbers of copies are, as long as they are fixed
//! beforehand: they are chosen by pilot runs that are not counted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::around::Around;
use super::draw::Stream;
use super::estimate::{Sums, Z};
use super::many::Options;
use super::run::{Run, Went};
use crate::check::verdict::Counterexample;
use crate::system::{Action, Ending, System};

/// Copies at one level, at most.
const COPIES_MAX: u64 = 30;
/// Pilot runs of each round, and rounds.
const PILOTS: u64 = 400;
const ROUNDS: usize = 8;
/// Luck of pilot runs is not that of those that are counted.
const PILOT_SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// One step on the way to a violation, whoever takes it.
type Mark = (Action, u8, Option<Ending>);

/// What has to come together, in its order.
#[derive(Clone, Debug)]
pub struct Guide {
    marks: Vec<Mark>,
    /// The facts, any of which is the violation.
    pub bits: u64,
}

impl Guide {
    /// From the checker's run. `system` is the one that is sampled.
    pub fn of(system: &System, run: &Counterexample, bits: u64) -> Guide {
        let mut world = system.initial_world();
        let mut marks = Vec::new();
        for step in &run.steps {
            let mut steps = Vec::new();
            system.steps(&world, &mut steps);
            let Some(mut taken) = steps.into_iter().nth(step.edge as usize) else { break };
            marks.push((taken.label.action, taken.label.at, taken.label.ending));
            taken.world.number_clocks();
            world = taken.world;
        }
        Guide { marks, bits }
    }

    /// How many levels there are.
    pub fn levels(&self) -> usize {
        self.marks.len()
    }
}

/// How often what is rare happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RareEstimate {
    pub property: crate::check::property::Property,
    /// The share of runs that break it: unbiased, with an interval at 95% by the spread between first runs.
    pub share: f64,
    pub low: f64,
    pub high: f64,
    /// First runs, and of how many some copy got there.
    pub roots: u64,
    pub reached: u64,
    /// All copies that were run, and their steps.
    pub copies: u64,
    pub steps: u64,
    /// How often a run is continued where it comes to each level.
    pub factors: Vec<u64>,
    /// So many plain runs would tell as much; none where nothing got there.
    pub worth: Option<f64>,
}

/// What came of one first run.
#[derive(Clone, Debug, Default)]
struct Root {
    share: f64,
    copies: u64,
    steps: u64,
    /// How many copies came to each level, and of what share.
    came: Vec<f64>,
}

fn root(system: &System, around: &Around, guide: &Guide, factors: &[u64], seed: u64, number: u64) -> Root {
    let levels = guide.levels();
    let mut out = Root { came: vec![0.0; levels + 1], ..Root::default() };
    let mut branches = 0..;
    let mut luck = || Stream::new(seed, number, branches.next().unwrap_or(u64::MAX));
    let mut waiting = vec![(Run::new(system, around), 0_usize, 1.0_f64)];
    while let Some((mut run, mut level, mut share)) = waiting.pop() {
        let mut stream = luck();
        out.copies += 1;
        let begun = run.steps;
        while let Went::On(taken) = run.go(&mut stream) {
            if run.facts & guide.bits != 0 {
                out.share += share;
                break;
            }
            let label = taken.step.label;
            if level < levels && guide.marks[level] == (label.action, label.at, label.ending) {
                out.came[level] += share;
                let copies = factors.get(level).copied().unwrap_or(1).max(1);
                level += 1;
                share /= copies as f64;
                for _ in 1..copies {
                    waiting.push((run.clone(), level, share));
                }
                if copies > 1 {
                    stream = luck();
                }
            }
        }
        out.steps += u64::from(run.steps - begun);
    }
    out
}

/// Chooses how often to continue at each level, by pilot runs: as often as it takes for one to get further.
fn factors(system: &System, around: &Around, guide: &Guide, options: &Options) -> Vec<u64> {
    let mut factors = vec![1_u64; guide.levels()];
    for round in 0..ROUNDS as u64 {
        let seed = options.seed ^ PILOT_SEED.wrapping_add(round);
        let found = options.batches(PILOTS, |range| {
            let mut came = vec![0.0; guide.levels() + 1];
            for number in range {
                let root = root(system, around, guide, &factors, seed, number);
                came.iter_mut().zip(&root.came).for_each(|(sum, one)| *sum += one);
            }
            (came, 0)
        });
        let mut came = vec![0.0; guide.levels() + 1];
        found.iter().for_each(|batch| came.iter_mut().zip(batch).for_each(|(sum, one)| *sum += one));
        let mut better = vec![1_u64; guide.levels()];
        let mut last = PILOTS as f64;
        let mut reached = 0;
        for level in 0..guide.levels() {
            if came[level] <= 0.0 {
                break;
            }
            reached = level + 1;
            // What is lost on the way to this level is made up for at it.
            better[level] = ((last / came[level]).round() as u64).clamp(1, COPIES_MAX);
            last = came[level];
        }
        let done = reached == guide.levels();
        factors = better;
        if done || options.is_over() {
            break;
        }
    }
    factors
}

/// Estimates how often a violation comes, by so many first runs.
pub fn estimate(
    system: &System,
    around: &Around,
    guide: &Guide,
    property: crate::check::property::Property,
    options: &Options,
) -> RareEstimate {
    let factors = factors(system, around, guide, options);
    let found = options.batches(options.runs, |range| {
        let (mut sums, mut reached, mut copies, mut steps) = (Sums::default(), 0, 0, 0);
        for number in range {
            let root = root(system, around, guide, &factors, options.seed, number);
            sums.add(root.share);
            reached += u64::from(root.share > 0.0);
            copies += root.copies;
            steps += root.steps;
        }
        ((sums, reached, copies, steps), reached)
    });
    let (mut sums, mut reached, mut copies, mut steps) = (Sums::default(), 0, 0, 0);
    for (batch, more, copied, stepped) in found {
        sums.merge(&batch);
        reached += more;
        copies += copied;
        steps += stepped;
    }
    let share = sums.mean();
    let variance = sums.variance() / sums.count.max(1) as f64;
    let half = Z * variance.sqrt();
    RareEstimate {
        property,
        share,
        low: (share - half).max(0.0),
        high: (share + half).min(1.0),
        roots: sums.count,
        reached,
        copies,
        steps,
        factors,
        worth: (variance > 0.0).then(|| share * (1.0 - share) / variance),
    }
}
