//! From a path of abstract states to a run with moments, and back: a run is shown only after the
//! concrete semantics took every step of it.
//!
//! The search works on states in which interchangeable parts are sorted and zones are widened. The
//! path it finds is walked again with names, without symmetry; the moments are the least solution
//! of the differences that guards and invariants demand, which owes nothing to the zones.

use std::cell::Cell;
use std::collections::HashSet;
use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::Limits;
use super::endless::Endless;
use super::judge::broken_by;
use super::moments::Moments;
use super::property::Property;
use super::verdict::{Change, Counterexample, Step};
use crate::system::world::{Attempt, Packed, Who, World};
use crate::system::{CompileError, Label, Step as SystemStep, System, facts};
use crate::time::ticks::{self, Values};
use crate::time::{ClockFrom, Constraint, TimedSystem as _};

/// One step of an abstract path.
#[derive(Clone)]
pub struct PathStep {
    pub label: Label,
    /// The canonical state it leads to.
    pub state: Packed,
    /// Facts it must carry.
    pub facts: u64,
    /// Its moment in units, where that is known; else the least that fits is found.
    pub at: Option<i64>,
}

/// A walk along an abstract path, with names and with the event that started each clock.
struct Walk<'a> {
    system: &'a System,
    canonical: &'a System,
    path: &'a [PathStep],
    property: Property,
    repeats_from: Option<usize>,
    moments: Moments,
    /// A run whose round can be taken for ever, once it is found.
    endless: Option<Counterexample>,
    taken: Vec<(u32, World, SystemStep)>,
    /// Steps that may still be tried: the search for the right names is bounded.
    tries: u32,
    /// And so is the search for a round that can be taken for ever.
    patience: &'a Patience<'a>,
}

/// Steps that may be taken in all until no round is believed to be there.
const STEPS_MAX: u64 = 1_000_000;
/// What is known when a limit ends a search is still told: that may take so much longer.
const GRACE: Duration = Duration::from_secs(1);

/// What may be spent on making runs out of paths: steps, and time as far as the limits allow.
pub struct Patience<'a> {
    steps: Cell<u64>,
    cancel: &'a AtomicBool,
    /// When the limit of time comes.
    end: Option<Instant>,
    grace: Duration,
    /// Why the limits ended it, and when that was first seen.
    stopped: Cell<Option<(&'static str, Instant)>>,
}

impl<'a> Patience<'a> {
    /// For runs that a search has found: the search may have used all the time there is.
    pub fn to_tell(cancel: &'a AtomicBool, end: Option<Instant>) -> Patience<'a> {
        Patience { steps: Cell::new(u64::MAX), cancel, end, grace: GRACE, stopped: Cell::new(None) }
    }

    /// For rounds that are yet to be found, under the same limits.
    pub fn to_seek(&self) -> Patience<'a> {
        let steps = Cell::new(STEPS_MAX);
        Patience { steps, grace: Duration::ZERO, ..Patience::to_tell(self.cancel, self.end) }
    }

    /// The time that is left, if it is limited.
    pub fn left(&self) -> Option<Duration> {
        self.end.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// One step more; false when none is left.
    fn spend(&self) -> bool {
        let left = self.steps.get();
        self.steps.set(left.saturating_sub(1));
        left > 0 && !self.is_over()
    }

    /// Whether a limit, or an interrupt, has come.
    pub fn is_over(&self) -> bool {
        if self.stopped.get().is_none() {
            if self.cancel.load(Ordering::Relaxed) {
                self.stopped.set(Some((Limits::INTERRUPT, Instant::now())));
            } else if self.end.is_some_and(|end| Instant::now() > end) {
                self.stopped.set(Some((Limits::OF_TIME, Instant::now())));
            }
        }
        self.stopped.get().is_some_and(|(_, since)| since.elapsed() >= self.grace)
    }

    /// What ended it, if something did.
    pub fn stopped_by(&self) -> Option<&'static str> {
        self.stopped.get().filter(|_| self.is_over()).map(|(by, _)| by)
    }
}

/// Where a walk stands: a world, and the steps out of it that were not tried.
struct Stand {
    world: World,
    /// For each clock, the event that started it.
    started: Vec<usize>,
    left: std::vec::IntoIter<(u32, SystemStep)>,
    /// What was demanded before the step that led here.
    mark: usize,
}

impl Walk<'_> {
    /// Goes on until the path ends well, or nothing is left to try. Paths can be long: no recursion.
    fn go(&mut self, start: World) -> bool {
        // Clocks that are there from the start began with it.
        let started = vec![0; start.clone().clock_count()];
        let mut stands = vec![self.stand(start, started, 0)];
        while !stands.is_empty() {
            let arrived = self.taken.len() == self.path.len();
            let round = self.repeats_from.filter(|_| arrived);
            let clocks = round.zip(stands.last()).map(|(from, last)| (&stands[from].started, &last.started));
            if arrived && clocks.is_none_or(|(begins, ends)| self.goes_on(begins, ends)) {
                return true;
            }
            let Some(stand) = stands.last_mut() else { break };
            let next = if arrived { None } else { stand.left.next() };
            let Some((edge, step)) = next else {
                let mark = stand.mark;
                stands.pop();
                if self.taken.pop().is_some() {
                    self.moments.back_to(mark);
                }
                continue;
            };
            if self.tries == 0 || !self.patience.spend() {
                return false;
            }
            self.tries -= 1;
            let mark = self.moments.mark();
            let (world, started) = (stand.world.clone(), stand.started.clone());
            match self.take(edge, &world, step, &started) {
                Some((after, now)) => stands.push(self.stand(after, now, mark)),
                None => self.moments.back_to(mark),
            }
        }
        false
    }

    /// The steps out of a world that look like the next one of the path.
    fn stand(&self, world: World, started: Vec<usize>, mark: usize) -> Stand {
        let mut steps = Vec::new();
        if let Some(wanted) = self.path.get(self.taken.len()) {
            self.system.steps(&world, &mut steps);
            let alike = |step: &SystemStep| {
                step.label.action == wanted.label.action
                    && step.label.ending == wanted.label.ending
                    && step.facts & wanted.facts == wanted.facts
                    && self.canonical.canonical(&step.world) == wanted.state
            };
            let numbered = (0_u32..).zip(steps).filter(|(_, step)| alike(step));
            let left: Vec<(u32, SystemStep)> = numbered.collect();
            return Stand { world, started, left: left.into_iter(), mark };
        }
        Stand { world, started, left: Vec::new().into_iter(), mark }
    }

    /// Takes a step, if some moments allow it: the world after it, and what started its clocks.
    fn take(
        &mut self,
        edge: u32,
        world: &World,
        mut step: SystemStep,
        started: &[usize],
    ) -> Option<(World, Vec<usize>)> {
        let event = self.taken.len() + 1;
        self.moments.demand(event - 1, event, 0);
        if let Some(at) = self.path.get(event - 1).and_then(|step| step.at) {
            self.moments.demand(event, 0, at);
            self.moments.demand(0, event, -at);
        }
        let mut invariant = Vec::new();
        self.system.world_invariant(world, &mut invariant);
        for constraint in invariant.iter().chain(&step.guard) {
            self.demand(constraint, event, started);
        }
        let map = step.world.number_clocks();
        let now = map.iter().map(|from| match from {
            ClockFrom::Zero => event,
            ClockFrom::Old(clock) => started[*clock as usize - 1],
        });
        let now: Vec<usize> = now.collect();
        let mut invariant = Vec::new();
        self.system.world_invariant(&step.world, &mut invariant);
        for constraint in &invariant {
            self.demand(constraint, event, &now);
        }
        if !self.moments.possible() {
            return None;
        }
        let after = step.world.clone();
        self.taken.push((edge, world.clone(), step));
        Some((after, now))
    }

    /// What repeats has to take some time, or it is no run at all.
    fn round_takes_time(&mut self) -> bool {
        let Some(from) = self.repeats_from else { return true };
        let mark = self.moments.mark();
        self.moments.demand(from, self.taken.len(), -1);
        let takes = self.moments.possible();
        if !takes {
            self.moments.back_to(mark);
        }
        takes
    }

    /// Whether the round can be taken for ever: each time as long as the last, with every clock as it was
    /// when it begins again; or else with the least moments. Steps that look alike may start other clocks,
    /// or be another's, so the run is taken again before that is believed.
    fn goes_on(&mut self, begins: &[usize], ends: &[usize]) -> bool {
        let from = self.repeats_from.unwrap_or_default();
        let restarted = begins.iter().copied().zip(ends.iter().copied()).filter(|(one, other)| one != other);
        let pairs: Vec<(usize, usize)> = iter::once((from, self.taken.len())).chain(restarted).collect();
        let alike = begins.len() == ends.len();
        let periodic = alike.then(|| self.moments.periodic(&pairs, || self.patience.is_over())).flatten();
        let goes_on = |walk: &Walk, moments: &[i64]| {
            let run = walk.told(moments);
            replay_within(walk.canonical, &run, 0, walk.patience).is_ok().then_some(run)
        };
        self.endless = periodic.and_then(|moments| goes_on(self, &moments));
        if self.endless.is_none() && self.round_takes_time() {
            self.endless = goes_on(self, &self.least());
        }
        self.endless.is_some()
    }

    fn least(&self) -> Vec<i64> {
        self.moments.least(self.taken.len() + 1)
    }

    /// The steps taken, with these moments.
    fn told(&self, moments: &[i64]) -> Counterexample {
        let property = self.property;
        let unit = self.system.times.unit_ms;
        let mut steps: Vec<Step> = Vec::with_capacity(self.taken.len());
        for (index, (edge, before, step)) in self.taken.iter().enumerate() {
            steps.push(shown(self.system, before, step, *edge, moments[index + 1] * unit));
        }
        if self.repeats_from.is_none()
            && let (Some(last), Some((.., step))) = (steps.last_mut(), self.taken.last())
        {
            last.breaks = Some(breaks(step.facts & broken_by(property)));
        }
        let round_ms = self.repeats_from.map(|from| {
            let begins = if from == 0 { 0 } else { moments[from] };
            (moments[self.taken.len()] - begins) * unit
        });
        Counterexample { property, steps, repeats_from: self.repeats_from, round_ms }
    }

    /// A constraint on clocks at the moment of `event`, as a difference of two events.
    fn demand(&mut self, c: &Constraint, event: usize, started: &[usize]) {
        let (later, earlier) = match c.right {
            0 => (event, started[c.left as usize - 1]),
            _ => (started[c.right as usize - 1], event),
        };
        // Moments are whole: less than so much is so much less one, at the most.
        self.moments.demand(later, earlier, c.bound - i64::from(c.strict));
    }
}

/// Makes a run with names and moments of an abstract path.
///
/// `repeats_from` is the first step of the part that repeats, if the run has no end. None: the
/// path has no concrete run, which is a fault of the search, or patience ended.
pub fn concretize(
    system: &System,
    property: Property,
    path: &[PathStep],
    repeats_from: Option<usize>,
    patience: &Patience,
) -> Option<Counterexample> {
    let plain = system.clone().with_symmetry(false);
    let start = plain.initial_world();
    let mut walk = Walk {
        system: &plain,
        canonical: system,
        path,
        property,
        repeats_from,
        moments: Moments::default(),
        endless: None,
        taken: Vec::new(),
        tries: 100_000,
        patience,
    };
    let found = walk.go(start);
    found.then(|| walk.endless.take().unwrap_or_else(|| walk.told(&walk.least())))
}

/// Makes a run with names and moments of the numbers of its edges; none: no moments fit.
pub fn tell(system: &System, edges: &[u32]) -> Option<Vec<Step>> {
    let (go, property) = (AtomicBool::new(false), Property::SingleExecution);
    let patience = Patience::to_tell(&go, None);
    let mut walk = Walk {
        system,
        canonical: system,
        path: &[],
        property,
        repeats_from: None,
        moments: Moments::default(),
        endless: None,
        taken: Vec::new(),
        tries: 0,
        patience: &patience,
    };
    let mut world = system.initial_world();
    let mut started = vec![0; world.clone().clock_count()];
    for edge in edges {
        let mut steps = Vec::new();
        system.steps(&world, &mut steps);
        let step = steps.into_iter().nth(*edge as usize)?;
        (world, started) = walk.take(*edge, &world, step, &started)?;
    }
    let mut steps = walk.told(&walk.least()).steps;
    // It is shown for what happens, not for what it breaks.
    steps.iter_mut().for_each(|step| step.breaks = None);
    Some(steps)
}

/// Takes the steps that [`tell`] gave again, with whole numbers for clocks.
///
/// # Errors
/// The first step that is not possible as written.
pub fn take_again(system: &System, steps: &[Step]) -> Result<(), ReplayError> {
    let mut run = Run::new(system);
    steps.iter().enumerate().try_for_each(|(index, step)| run.take(index, step).map(|_| ()))
}

/// Takes the steps of a run again that has no words: the number of each among those of its state, and its
/// moment. What they bring to light.
///
/// # Errors
/// The first step that is not possible as written.
pub fn retake(system: &System, run: &[(u32, i64)]) -> Result<u64, ReplayError> {
    let mut again = Run::new(system);
    run.iter()
        .enumerate()
        .try_fold(0, |facts, (index, (edge, at_ms))| Ok(facts | again.advance(index, *edge, *at_ms)?.facts))
}

/// The same in words, up to the first step that shows one of the facts.
///
/// # Errors
/// As [`retake`].
pub fn retell(system: &System, run: &[(u32, i64)], bits: u64) -> Result<Vec<Step>, ReplayError> {
    let (mut again, mut out) = (Run::new(system), Vec::with_capacity(run.len()));
    for (index, (edge, at_ms)) in run.iter().enumerate() {
        let before = again.world.clone();
        let taken = again.advance(index, *edge, *at_ms)?;
        let mut step = shown(system, &before, &taken, *edge, *at_ms);
        step.breaks = (taken.facts & bits != 0).then(|| breaks(taken.facts & bits));
        let over = step.breaks.is_some();
        out.push(step);
        if over {
            break;
        }
    }
    Ok(out)
}

/// Rounds that are put before the one that is shown to repeat, at most.
const ROUNDS_BEFORE: usize = 4;

/// Makes a run without end of a way and a round. The first rounds may need other moments than those
/// that can go on for ever; none: no fixed round was found.
pub fn repeat(
    system: &System,
    property: Property,
    stem: &[PathStep],
    round: &[PathStep],
    patience: &Patience,
) -> Option<Counterexample> {
    let mut path = stem.to_vec();
    (0..ROUNDS_BEFORE).find_map(|_| {
        let repeats_from = path.len();
        path.extend_from_slice(round);
        concretize(system, property, &path, Some(repeats_from), patience)
    })
}

/// The facts of the last step, as the end of a sentence.
pub fn breaks(bits: u64) -> String {
    let says = facts::ALL.iter().filter(|fact| fact.bit & bits != 0).map(|fact| fact.says);
    says.collect::<Vec<_>>().join("; ")
}

fn shown(system: &System, before: &World, step: &SystemStep, edge: u32, at_ms: i64) -> Step {
    let described = system.describe(before, step);
    let changes = described.changes.into_iter().map(|(what, from, to)| Change { what, from, to }).collect();
    Step {
        at_ms,
        who: described.who,
        does: described.does,
        sees: described.sees,
        changes,
        edge,
        breaks: None,
    }
}

/// Why a run could not be taken again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// The policy itself cannot be run.
    Compile(CompileError),
    /// The moment is not a multiple of the policy's unit of time, or goes back.
    Moment { step: usize },
    /// The state has no step with this number.
    NoSuchStep { step: usize },
    /// Time cannot pass that far before the step.
    TooLate { step: usize },
    /// The clocks do not allow the step at its moment.
    NotAllowed { step: usize },
    /// The step is possible but is another one than the file says.
    Different { step: usize, is: String },
    /// Every step is possible, but the last one does not break the property.
    BreaksNothing,
    /// The repeating part does not lead back to where it began.
    NoLoop,
    /// A limit came first.
    Stopped,
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReplayError::Compile(error) => error.fmt(f),
            ReplayError::Moment { step } => write!(f, "step {}: no run has this moment here", step + 1),
            ReplayError::NoSuchStep { step } => write!(f, "step {}: there is no such step", step + 1),
            ReplayError::TooLate { step } => {
                write!(f, "step {}: something else has to happen before this moment", step + 1)
            }
            ReplayError::NotAllowed { step } => {
                write!(f, "step {}: not possible at this moment", step + 1)
            }
            ReplayError::Different { step, is } => {
                write!(f, "step {}: the policy does something else there: {is}", step + 1)
            }
            ReplayError::BreaksNothing => f.write_str("the run is possible, but breaks nothing"),
            ReplayError::NoLoop => f.write_str("the run is possible, but does not repeat"),
            ReplayError::Stopped => f.write_str("a limit ended the replay"),
        }
    }
}

impl std::error::Error for ReplayError {}

/// Takes a counterexample's steps again, one by one, with whole numbers for clocks, and says what
/// each did.
///
/// # Errors
/// The first step that is not possible as written, or a run that breaks nothing.
pub fn replay(
    system: &System,
    counterexample: &Counterexample,
    broken_by: u64,
) -> Result<Vec<Step>, ReplayError> {
    replay_within(system, counterexample, broken_by, &Patience::to_tell(&AtomicBool::new(false), None))
}

/// The same, as long as patience lasts.
///
/// # Errors
/// As [`replay`], and [`ReplayError::Stopped`].
pub fn replay_within(
    system: &System,
    counterexample: &Counterexample,
    broken_by: u64,
    patience: &Patience,
) -> Result<Vec<Step>, ReplayError> {
    let uncounted;
    let system = if counterexample.repeats_from.is_some() {
        uncounted = system.clone().without_counts();
        &uncounted
    } else {
        system
    };
    let plain = system.clone().with_symmetry(false);
    let mut run = Run::new(&plain);
    let mut out = Vec::new();
    let mut facts_seen = 0;
    let mut round = None;
    let last = counterexample.steps.len();
    for (index, step) in counterexample.steps.iter().enumerate() {
        if counterexample.repeats_from == Some(index) {
            round = Some((system.canonical(&run.world), index, run.now));
        }
        if !patience.spend() {
            return Err(ReplayError::Stopped);
        }
        let (mut shown, taken) = run.take(index, step)?;
        facts_seen = taken.facts & broken_by;
        if facts_seen != 0 && index + 1 == last {
            shown.breaks = Some(breaks(facts_seen));
        }
        out.push(shown);
    }
    match round {
        Some((state, from, began)) => {
            let endless = Endless::named(counterexample.property, system).ok_or(ReplayError::NoLoop)?;
            if state != system.canonical(&run.world) {
                return Err(ReplayError::NoLoop);
            }
            run.goes_on(&counterexample.steps[from..], began, system, &endless, patience)?;
        }
        None if counterexample.repeats_from.is_some() => return Err(ReplayError::NoLoop),
        None if facts_seen == 0 => return Err(ReplayError::BreaksNothing),
        None => {}
    }
    Ok(out)
}

/// A run that is taken step by step, with whole numbers for clocks.
struct Run<'a> {
    system: &'a System,
    world: World,
    clocks: Values,
    /// In milliseconds.
    now: i64,
}

/// Rounds that are tried at most before an endless run is believed.
const ROUNDS_MAX: u32 = 100_000;

impl<'a> Run<'a> {
    fn new(system: &'a System) -> Run<'a> {
        let mut world = system.initial_world();
        let clocks = SmallVec::from_elem(0, world.clock_count());
        Run { system, world, clocks, now: 0 }
    }

    /// Takes a step at its moment, which must read as the file says.
    fn take(&mut self, index: usize, step: &Step) -> Result<(Step, SystemStep), ReplayError> {
        let before = self.world.clone();
        let taken = self.advance(index, step.edge, step.at_ms)?;
        let shown = shown(self.system, &before, &taken, step.edge, step.at_ms);
        if (&shown.who, &shown.does, &shown.sees) != (&step.who, &step.does, &step.sees) {
            let is = format!("{} {} {}", shown.who, shown.does, shown.sees);
            return Err(ReplayError::Different { step: index, is });
        }
        Ok((shown, taken))
    }

    /// Takes the step with this number.
    fn advance(&mut self, index: usize, edge: u32, at_ms: i64) -> Result<SystemStep, ReplayError> {
        let unit = self.system.times.unit_ms;
        let delay = at_ms.checked_sub(self.now).filter(|d| *d >= 0 && d % unit == 0);
        let delay = delay.ok_or(ReplayError::Moment { step: index })? / unit;
        let clocks = ticks::later(&self.clocks, delay, i64::MAX);
        let mut invariant = Vec::new();
        self.system.world_invariant(&self.world, &mut invariant);
        if !ticks::allow(&invariant, &clocks) {
            return Err(ReplayError::TooLate { step: index });
        }
        let mut steps = Vec::new();
        self.system.steps(&self.world, &mut steps);
        let taken = steps.into_iter().nth(edge as usize);
        let mut taken = taken.ok_or(ReplayError::NoSuchStep { step: index })?;
        if !ticks::allow(&taken.guard, &clocks) {
            return Err(ReplayError::NotAllowed { step: index });
        }
        let map = taken.world.number_clocks();
        self.clocks = ticks::follow(&map, &clocks);
        self.world = taken.world.clone();
        self.now = at_ms;
        Ok(taken)
    }

    /// Goes round until the clocks, as far as they matter, are as they were once before: then the
    /// round can be taken for ever. It must take time, have no fault in it, and be no mere stall.
    fn goes_on(
        mut self,
        round: &[Step],
        began: i64,
        canonical: &System,
        endless: &Endless,
        patience: &Patience,
    ) -> Result<(), ReplayError> {
        let length = self.now - began;
        if length <= 0 {
            return Err(ReplayError::NoLoop);
        }
        let busy = |(_, attempt): &(Who, &Attempt)| !endless.excuses(self.system, attempt);
        let mut idle: Vec<_> = self.world.live().filter(busy).map(|(_, attempt)| attempt.name).collect();
        let (mut wanted, mut waited) = (false, idle.len());
        let cap = canonical.greatest_constant() + 1;
        let mut known = HashSet::new();
        let mut shift = length;
        for _ in 0..ROUNDS_MAX {
            let clocks: Values = self.clocks.iter().map(|clock| (*clock).min(cap)).collect();
            let here = (self.world.pack(), clocks);
            if !known.insert(here.clone()) {
                let all_act = idle.is_empty() || !endless.everybody_acts();
                if all_act && wanted {
                    return Ok(());
                }
                // Those who are at work may each have become the next one in line.
                if !wanted || idle.len() >= waited {
                    return Err(ReplayError::NoLoop);
                }
                waited = idle.len();
                known = HashSet::from([here]);
            }
            for step in round {
                if !patience.spend() {
                    return Err(ReplayError::Stopped);
                }
                let at_ms = step.at_ms.checked_add(shift).ok_or(ReplayError::NoLoop)?;
                let before = self.world.clone();
                let taken = self.advance(0, step.edge, at_ms).map_err(|_| ReplayError::NoLoop)?;
                if endless.excludes(&taken.label) || !endless.stays(self.system, &self.world) {
                    return Err(ReplayError::NoLoop);
                }
                wanted |= endless.wants(self.system, &before, &taken.label);
                let acting = before.acting(taken.label.actor).map(|attempt| attempt.name);
                idle.retain(|name| Some(*name) != acting);
            }
            shift += length;
        }
        Err(ReplayError::NoLoop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::load_texts;

    const POLICY: &str = "policy = \"p\"\nmodel = \"native-key\"\n[operation]\neffect = \"create\"\n\
        identity = [\"id\"]\n[key]\nfrom = [\"id\"]\nsupplied_by = \"client\"\n[trigger]\nrequests = 1\n\
        retries = 0\n[downstream]\ntimeout = \"9s\"\nnative_key = true\n";

    #[test]
    fn limits_are_heeded_while_a_run_is_made() {
        let model = include_str!("../../models/native-key.toml");
        let loaded = load_texts(("p.toml".as_ref(), POLICY), ("m.toml".as_ref(), model));
        let [source] = &loaded.policies[..] else { panic!("{:?}", loaded.diagnostics) };
        let system = System::new(&source.policy, &source.protocol).unwrap().with_symmetry(false);
        let mut steps = Vec::new();
        system.steps(&system.initial_world(), &mut steps);
        let SystemStep { label, mut world, .. } = steps.swap_remove(0);
        world.number_clocks();
        let path = [PathStep { label, state: system.canonical(&world), facts: 0, at: None }];
        let made = |patience: &Patience| {
            concretize(&system, Property::SingleExecution, &path, None, patience).is_some()
        };
        let (go, stop) = (AtomicBool::new(false), AtomicBool::new(true));
        let (past, future) = (Instant::now(), Instant::now() + Duration::from_secs(3600));
        for (cancel, end, stopped_by) in [
            (&go, Some(future), None),
            (&go, Some(past), Some(Limits::OF_TIME)),
            (&stop, None, Some(Limits::INTERRUPT)),
        ] {
            let patience = Patience::to_tell(cancel, end);
            // What a search has found is told though its time is over.
            assert!(made(&patience));
            let seeking = patience.to_seek();
            assert_eq!(made(&seeking), stopped_by.is_none());
            assert_eq!(seeking.stopped_by(), stopped_by);
        }
    }
}
