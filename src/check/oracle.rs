//! Integer time, as a second opinion: the same edges under another time semantics and another
//! search, stateright's.
//!
//! stateright 0.31 has limits that this adapter works around: its limit on states counts repeats and
//! does not show afterwards; one property a run (a later bad
//! state would overwrite the first one found), depth first (its breadth-first search keeps the path
//! of every queued state), conditions that capture nothing (what is bad travels in the state). It
//! cannot see cycles, so runs without end are sought by a small search of our own over ticks.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use stateright::{Checker as _, Model, Property as Always};

use super::endless::{self, Endless};
use super::error::CheckError;
use super::graph::Components;
use super::judge::broken_by;
use super::property::Property;
use super::trace::{PathStep, Patience, breaks, concretize};
use super::verdict::SearchStats;
use super::verify::{Broken, Findings};
use super::{Limits, Progress, VerifyOptions};
use crate::model::Protocol;
use crate::policy::Policy;
use crate::system::world::{Attempt, Packed, Who, World};
use crate::system::{Label, Step, System};
use crate::time::ticks::{self, Timed};
use crate::time::{Edge, TimedSystem};

/// Ticks explored when no limit is set: beyond, integer time is the wrong tool.
const TICK_STATES_MAX: u64 = 20_000_000;

/// A state under stateright: where the system is, and what the last step brought to light.
#[derive(Clone)]
struct TickState {
    timed: Timed<Packed>,
    /// The facts of the last step that break the property of this run.
    bad: u64,
    /// For the explorer's eyes: the world in words. Not part of the identity.
    shown: Option<Box<[String]>>,
}

impl std::fmt::Debug for TickState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in self.shown.iter().flatten() {
            writeln!(f, "{line}")?;
        }
        write!(f, "clocks: {:?}", self.timed.clocks)
    }
}

impl PartialEq for TickState {
    fn eq(&self, other: &Self) -> bool {
        self.timed == other.timed && self.bad == other.bad
    }
}

impl Hash for TickState {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.timed.hash(state);
        self.bad.hash(state);
    }
}

/// One step under stateright.
#[derive(Clone, Debug, PartialEq)]
enum TickAction {
    /// A unit of time passes.
    Tick,
    /// The edge with this number.
    Step(u32),
}

/// The system as stateright explores it.
struct Ticking {
    system: System,
    /// The facts that the property of this run must never show.
    watched: u64,
    /// Whether states carry what the explorer shows.
    shows: bool,
    /// Set when the search has to end: stateright keeps its model for itself, so this is shared.
    stop: Arc<AtomicBool>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    findings: Findings,
    transitions: u64,
}

impl Ticking {
    fn edges(&self, state: &Packed) -> Vec<Edge<Packed, Label>> {
        let mut edges = Vec::new();
        self.system.edges(state, &mut edges);
        edges
    }

    fn follow(&self, from: &Timed<Packed>, edge: &Edge<Packed, Label>) -> Option<Timed<Packed>> {
        if !ticks::allow(&edge.guard, &from.clocks) {
            return None;
        }
        let clocks = ticks::follow(&edge.clocks, &from.clocks);
        let mut invariant = Vec::new();
        self.system.invariant(&edge.target, &mut invariant);
        ticks::allow(&invariant, &clocks).then(|| Timed { state: edge.target.clone(), clocks })
    }

    fn state(&self, timed: Timed<Packed>, facts: u64) -> TickState {
        let shown = self.shows.then(|| self.system.world_text(&World::unpack(&timed.state)).into());
        TickState { timed, bad: facts & self.watched, shown }
    }

    fn note(&self, from: &Timed<Packed>, edge: &Edge<Packed, Label>) {
        let Ok(mut seen) = self.seen.lock() else { return };
        seen.transitions += 1;
        let findings = &mut seen.findings;
        findings.facts |= edge.facts;
        findings.note(edge.label);
        let effects = World::unpack(&edge.target).effects_most();
        findings.effects_most = findings.effects_most.max(effects);
        let lost = World::unpack(&edge.target).messages_lost();
        findings.lost_most = findings.lost_most.max(lost);
        findings.note_target(&self.system, &World::unpack(&edge.target));
        if let Some(clock) = self.system.tells_of(&World::unpack(&from.state), &edge.label) {
            findings.note_told(Some(from.clocks[usize::from(clock) - 1]));
        }
        if let (Some(clock), Some(after)) = (edge.label.orphans, self.system.claimable_after) {
            let age = if clock == 0 { 0 } else { from.clocks[clock as usize - 1] };
            findings.note_stuck(after - age);
        }
    }
}

impl Model for Ticking {
    type State = TickState;
    type Action = TickAction;

    fn init_states(&self) -> Vec<TickState> {
        ticks::initial(&self.system).into_iter().map(|timed| self.state(timed, 0)).collect()
    }

    fn actions(&self, state: &TickState, actions: &mut Vec<TickAction>) {
        if state.bad != 0 {
            return;
        }
        if ticks::tick(&self.system, &state.timed).is_some() {
            actions.push(TickAction::Tick);
        }
        for (number, edge) in self.edges(&state.timed.state).iter().enumerate() {
            if self.follow(&state.timed, edge).is_some() {
                self.note(&state.timed, edge);
                actions.push(TickAction::Step(number as u32));
            }
        }
    }

    fn next_state(&self, state: &TickState, action: TickAction) -> Option<TickState> {
        match action {
            TickAction::Tick => ticks::tick(&self.system, &state.timed).map(|timed| self.state(timed, 0)),
            TickAction::Step(number) => {
                let edges = self.edges(&state.timed.state);
                let edge = edges.get(number as usize)?;
                Some(self.state(self.follow(&state.timed, edge)?, edge.facts))
            }
        }
    }

    fn properties(&self) -> Vec<Always<Self>> {
        vec![Always::<Self>::always("the property holds", |_, state| state.bad == 0)]
    }

    fn within_boundary(&self, _: &TickState) -> bool {
        // The way out: with one thread stateright itself looks at no clock, and never at a flag.
        !self.stop.load(Ordering::Relaxed)
    }

    fn format_action(&self, action: &TickAction) -> String {
        match action {
            TickAction::Tick => "time passes".to_owned(),
            TickAction::Step(number) => format!("step {number}"),
        }
    }

    fn format_step(&self, state: &TickState, action: TickAction) -> Option<String> {
        let TickAction::Step(number) = action else {
            let unit = self.system.times.unit_ms;
            return Some(format!("{} pass", super::verdict::format_ms(unit)));
        };
        let world = World::unpack(&state.timed.state);
        let mut steps = Vec::new();
        self.system.steps(&world, &mut steps);
        let step = steps.into_iter().nth(number as usize)?;
        let said = self.system.describe(&world, &step);
        let mut text = format!("{} {} {}\n", said.who, said.does, said.sees);
        for (what, from, to) in said.changes {
            text += &format!("{what}: {from} → {to}\n");
        }
        if step.facts != 0 {
            text += &format!("! {}\n", breaks(step.facts));
        }
        Some(text)
    }
}

/// Checks every property in integer time. A first run that nothing stops tells facts and numbers;
/// then one run for each property that these facts break, to its violation.
///
/// # Errors
/// A run that was found cannot be taken with names and moments: a fault of this program.
pub(super) fn search(
    system: &System,
    options: &VerifyOptions,
    patience: &Patience,
) -> Result<Findings, CheckError> {
    let began = Instant::now();
    let states_max = options.limits.states_max.unwrap_or(TICK_STATES_MAX);
    let whole = run(system, options, states_max, began, 0);
    let mut findings = whole.findings;
    findings.search = whole.stats;
    findings.note_target(system, &system.initial_world());
    for property in Property::ALL {
        if !options.wants(property) || findings.facts & broken_by(property) == 0 {
            continue;
        }
        let Some(path) = run(system, options, states_max, began, broken_by(property)).bad else {
            // The same search sees the same states, unless it was stopped in between.
            findings.search.complete = false;
            continue;
        };
        match concretize(system, property, &path, None, patience) {
            Some(counterexample) => findings.broken.push(Broken { property, counterexample }),
            None if patience.is_over() => break,
            None => return Err(CheckError::Unreplayable(property, "no moments fit".to_owned())),
        }
    }
    for property in endless::PROPERTIES {
        let sought = options.wants(property) && findings.broken.iter().all(|b| b.property != property);
        // Runs without end are sought even where the search over zones sees from the table that there
        // can be none: of attempts that go round, that is, as remedies are another matter.
        let kind = Endless::named(property, system).or_else(|| Endless::of_attempts(property));
        if let (true, Some(kind)) = (sought, kind) {
            let (stats, broken) = endless_run(system, &kind, states_max, &patience.to_seek())?;
            findings.loops = Some(match findings.loops.take() {
                Some(before) if !before.complete => before,
                _ => stats,
            });
            findings.broken.extend(broken);
        }
    }
    findings.search.seconds = began.elapsed().as_secs_f64();
    Ok(findings)
}

/// What one run under stateright gave.
struct Run {
    stats: SearchStats,
    findings: Findings,
    /// The way to the first step found that shows one of the watched facts.
    bad: Option<Vec<PathStep>>,
}

fn run(system: &System, options: &VerifyOptions, states_max: u64, began: Instant, watched: u64) -> Run {
    let stop = Arc::new(AtomicBool::new(false));
    let model = Ticking {
        system: system.clone(),
        watched,
        shows: false,
        stop: Arc::clone(&stop),
        seen: Mutex::default(),
    };
    // Not its own limit: that counts a state as often as it is generated, and stops without a word.
    let checker = model.checker().threads(1).spawn_dfs();
    let mut late = false;
    while !checker.is_done() {
        std::thread::sleep(Duration::from_millis(1));
        late = options.limits.time_max.is_some_and(|most| began.elapsed() > most);
        let visited = checker.unique_state_count() as u64;
        if late || visited >= states_max || options.cancel.load(Ordering::Relaxed) {
            stop.store(true, Ordering::Relaxed);
        }
        (options.progress)(&Progress { visited, ..Progress::default() });
    }
    let checker = checker.join();
    let visited = checker.unique_state_count() as u64;
    let mut stats = SearchStats { visited, states: visited, stored: visited, ..SearchStats::default() };
    stats.depth = checker.max_depth() as u32;
    let bad = checker.discovery("the property holds").map(|path| without_ticks(system, &path.into_vec()));
    let over = visited >= states_max;
    stats.complete = bad.is_some() || !(over || stop.load(Ordering::Relaxed));
    stats.stopped_by = (!stats.complete).then(|| stop_reason(over.then_some(states_max), late));
    let seen = checker.model().seen.lock().map(|mut seen| std::mem::take(&mut *seen)).unwrap_or_default();
    stats.transitions = seen.transitions;
    Run { stats, findings: seen.findings, bad }
}

fn stop_reason(states_max: Option<u64>, late: bool) -> String {
    match (states_max, late) {
        (Some(most), _) => Limits::of_count(most, "states"),
        (None, true) => Limits::OF_TIME.to_owned(),
        (None, false) => Limits::INTERRUPT.to_owned(),
    }
}

/// The steps of a path, without the ticks between them.
fn without_ticks(system: &System, path: &[(TickState, Option<TickAction>)]) -> Vec<PathStep> {
    let mut out = Vec::new();
    for pair in path.windows(2) {
        let Some(TickAction::Step(number)) = pair[0].1 else { continue };
        let mut edges = Vec::new();
        system.edges(&pair[0].0.timed.state, &mut edges);
        let Edge { label, target, .. } = edges.swap_remove(number as usize);
        out.push(PathStep { label, state: target, facts: pair[1].0.bad, at: None });
    }
    out
}

/// A state with how it was first reached.
struct Node {
    timed: Timed<Packed>,
    /// From where, and by which step; none: by a tick.
    parent: Option<(usize, Option<Label>)>,
}

/// An arc that may lie on an endless run.
struct TickArc {
    to: usize,
    /// None: a tick.
    label: Option<Label>,
    /// For each attempt at work before it, its place after it; [`DONE`]: it has acted, or is gone.
    places: SmallVec<[u8; 8]>,
}

const DONE: u8 = u8::MAX;

/// Looks for a run without end over ticks, with nothing shared with the search over zones: all
/// states, an explicit graph, cycles in which time passes and every live attempt acts.
///
/// # Errors
/// As [`search`].
fn endless_run(
    system: &System,
    kind: &Endless,
    states_max: u64,
    patience: &Patience,
) -> Result<(SearchStats, Option<Broken>), CheckError> {
    let system = &system.clone().without_counts();
    let plain = system.clone().with_symmetry(false);
    let mut numbers: FxHashMap<Timed<Packed>, usize> = FxHashMap::default();
    let mut nodes: Vec<Node> = Vec::new();
    let mut arcs: Vec<Vec<TickArc>> = Vec::new();
    let mut stats = SearchStats { complete: true, ..SearchStats::default() };
    for timed in ticks::initial(&plain) {
        numbers.insert(timed.clone(), nodes.len());
        nodes.push(Node { timed, parent: None });
    }
    let mut next = 0;
    while next < nodes.len() {
        if nodes.len() as u64 >= states_max {
            stats.complete = false;
            stats.stopped_by = Some(Limits::of_count(states_max, "states"));
            break;
        }
        if patience.is_over() {
            stats.complete = false;
            stats.stopped_by = patience.stopped_by().map(str::to_owned);
            break;
        }
        let from = nodes[next].timed.clone();
        let mut out = Vec::new();
        let mut reach = |timed: Timed<Packed>, by: Option<Label>| {
            let fresh = nodes.len();
            let number = *numbers.entry(timed.clone()).or_insert(fresh);
            if number == fresh {
                nodes.push(Node { timed, parent: Some((next, by)) });
            }
            number
        };
        // Where the endless part can't be, its arcs are no matter.
        let stays = |world: &World| kind.stays_anyhow(&plain, world);
        let mut world = World::unpack(&from.state);
        let here = stays(&world);
        if let Some(later) = ticks::tick(&plain, &from) {
            let to = reach(later, None);
            let places = (0..world.live().count() as u8).collect();
            out.extend(here.then_some(TickArc { to, label: None, places }));
        }
        // Who is who after a step is told by their names.
        for (place, attempt) in world.live_mut().enumerate() {
            attempt.name = (u8::MAX, place as u8);
        }
        let mut steps = Vec::new();
        plain.steps(&world, &mut steps);
        for Step { label, guard, world: mut after, .. } in steps {
            if !ticks::allow(&guard, &from.clocks) {
                continue;
            }
            let clocks = ticks::follow(&after.number_clocks(), &from.clocks);
            let state = after.pack();
            let mut invariant = Vec::new();
            plain.invariant(&state, &mut invariant);
            if !ticks::allow(&invariant, &clocks) {
                continue;
            }
            let to = reach(Timed { state, clocks }, Some(label));
            stats.transitions += 1;
            if here && !kind.excludes(&label) && stays(&after) {
                let acting = world.acting(label.actor).map(|attempt| attempt.name);
                let place = |(_, before): (Who, &Attempt)| {
                    let place = after.live().position(|(_, attempt)| attempt.name == before.name);
                    place.filter(|_| Some(before.name) != acting).map_or(DONE, |place| place as u8)
                };
                out.push(TickArc { to, label: Some(label), places: world.live().map(place).collect() });
            }
        }
        arcs.push(out);
        next += 1;
    }
    arcs.resize_with(nodes.len(), Vec::new);
    stats.visited = next as u64;
    stats.stored = nodes.len() as u64;
    stats.states = nodes.len() as u64;
    let Some(round) = fair_round(&plain, kind, &nodes, &arcs, patience) else {
        if patience.is_over() {
            stats.complete = false;
            stats.stopped_by = patience.stopped_by().map(str::to_owned);
        }
        return Ok((stats, None));
    };
    let mut way = Vec::new();
    let mut at = round.last().map_or(0, |(node, _)| *node);
    while let Some((parent, by)) = nodes[at].parent {
        way.push((at, by));
        at = parent;
    }
    way.reverse();
    // Once round first: a round is from a last step to the next one, ticks between them included.
    way.extend_from_slice(&round);
    let stem = way.iter().filter(|(_, by)| by.is_some()).count();
    way.extend(round);
    // The ticks tell the moments.
    let (mut now, mut path) = (0, Vec::new());
    for (at, by) in way {
        match by {
            None => now += 1,
            Some(label) => {
                let state = system.canonical(&World::unpack(&nodes[at].timed.state));
                path.push(PathStep { label, state, facts: 0, at: Some(now) });
            }
        }
    }
    let property = kind.property;
    match concretize(system, property, &path, Some(stem), patience) {
        Some(counterexample) => Ok((stats, Some(Broken { property, counterexample }))),
        None if patience.is_over() => {
            stats.complete = false;
            stats.stopped_by = patience.stopped_by().map(str::to_owned);
            Ok((stats, None))
        }
        None => Err(CheckError::Unreplayable(property, "no moments fit the round".to_owned())),
    }
}

/// What can happen on a round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// All who were at work when this last happened have acted since, or are gone.
    AllActed,
    /// A step without which the run breaks nothing.
    Wanted,
    Tick,
    Home,
}

/// From a stand to another one.
struct Way {
    to: usize,
    by: Option<Label>,
    all_acted: bool,
    wanted: bool,
}

impl Way {
    fn meets(&self, goal: Goal) -> bool {
        match goal {
            Goal::AllActed => self.all_acted,
            Goal::Wanted => self.wanted,
            Goal::Tick => self.by.is_none(),
            Goal::Home => false,
        }
    }
}

/// A round that breaks the property when it is gone for ever: each node that it comes to, the last is where
/// it began, and by which step, none for a tick.
///
/// Attempts come and go, and change places: so states are told apart by who has yet to act, too.
fn fair_round(
    system: &System,
    kind: &Endless,
    nodes: &[Node],
    arcs: &[Vec<TickArc>],
    patience: &Patience,
) -> Option<Vec<(usize, Option<Label>)>> {
    let all = |node: usize| {
        let world = World::unpack(&nodes[node].timed.state);
        let bit = |(place, (_, attempt)): (usize, (Who, &Attempt))| {
            u16::from(kind.everybody_acts() && !kind.excuses(system, attempt)) << place
        };
        world.live().enumerate().map(bit).sum::<u16>()
    };
    let begins =
        |node: usize| kind.needs_nobody() || World::unpack(&nodes[node].timed.state).live().next().is_some();
    let components = Components::find(nodes.len(), |node, at| arcs[node].get(at).map(|arc| (arc.to, at + 1)));
    let inside = |node: usize, arc: &TickArc| components.of[node] == components.of[arc.to];
    // A node, with those who have yet to act, as bits: 0 when all have acted, and begin again.
    let on_cycle = |node: &usize| begins(*node) && arcs[*node].iter().any(|arc| inside(*node, arc));
    let mut stands: Vec<(usize, u16)> = (0..nodes.len()).filter(on_cycle).map(|node| (node, 0)).collect();
    let first = stands.len();
    let mut numbers: FxHashMap<(usize, u16), usize> = stands.iter().copied().zip(0..).collect();
    let mut ways: Vec<Vec<Way>> = Vec::new();
    while let Some(&(node, waiting)) = stands.get(ways.len()) {
        if patience.is_over() {
            return None;
        }
        let waiting = if waiting == 0 { all(node) } else { waiting };
        let waits = |(place, to): &(usize, &u8)| waiting >> place & 1 != 0 && **to != DONE;
        let mut out = Vec::new();
        for arc in arcs[node].iter().filter(|arc| inside(node, arc)) {
            let still = arc.places.iter().enumerate().filter(waits);
            let still = still.fold(0, |bits, (_, to)| bits | 1 << to);
            let stand = (arc.to, still);
            let to = *numbers.entry(stand).or_insert(stands.len());
            if to == stands.len() {
                stands.push(stand);
            }
            let wants = |label: &Label| kind.wants(system, &World::unpack(&nodes[node].timed.state), label);
            let wanted = arc.label.as_ref().is_some_and(wants);
            out.push(Way { to, by: arc.label, all_acted: still == 0, wanted });
        }
        ways.push(out);
    }
    let components =
        Components::find(stands.len(), |stand, at| ways[stand].get(at).map(|way| (way.to, at + 1)));
    let goals = [Goal::AllActed, Goal::Wanted, Goal::Tick];
    let mut met = vec![[false; 3]; components.count];
    for (stand, ways) in ways.iter().enumerate() {
        let component = components.of[stand];
        for way in ways.iter().filter(|way| components.of[way.to] == component) {
            for (met, goal) in met[component].iter_mut().zip(goals) {
                *met |= way.meets(goal);
            }
        }
    }
    // The first stands are those where all have acted.
    let start = (0..first).find(|stand| met[components.of[*stand]] == [true; 3])?;
    let round = cycle(start, &ways, &components);
    Some(round.into_iter().map(|(stand, by)| (stands[stand].0, by)).collect())
}

/// A round from `start` back to it on which all goals are met: each stand that it comes to, and
/// by which step, none for a tick.
fn cycle(start: usize, ways: &[Vec<Way>], components: &Components) -> Vec<(usize, Option<Label>)> {
    let mut round = Vec::new();
    let mut at = start;
    // One goal after the other, the nearest way of each; at the end, the way home.
    for goal in [Goal::AllActed, Goal::Wanted, Goal::Tick, Goal::Home] {
        let mut from: FxHashMap<usize, (usize, Option<Label>)> = FxHashMap::default();
        let mut queue = VecDeque::from([at]);
        let mut last = None;
        'search: while let Some(stand) = queue.pop_front() {
            if goal == Goal::Home && stand == start {
                last = Some((stand, None));
                break;
            }
            for way in ways[stand].iter().filter(|way| components.of[way.to] == components.of[start]) {
                if way.meets(goal) {
                    last = Some((stand, Some((way.to, way.by))));
                    break 'search;
                }
                if way.to != at && !from.contains_key(&way.to) {
                    from.insert(way.to, (stand, way.by));
                    queue.push_back(way.to);
                }
            }
        }
        let Some((end, beyond)) = last else { continue };
        let mut there = Vec::new();
        let mut back = end;
        while back != at {
            let (parent, by) = from[&back];
            there.push((back, by));
            back = parent;
        }
        round.extend(there.into_iter().rev());
        round.extend(beyond);
        at = beyond.map_or(end, |(to, _)| to);
    }
    round
}

/// Serves stateright's Explorer for a policy, in integer time. Returns only on an error.
///
/// # Errors
/// The address is not on loopback or not free, or the policy cannot be compiled.
pub fn explore(policy: &Policy, protocol: &Protocol, address: SocketAddr) -> anyhow::Result<()> {
    if !address.ip().is_loopback() {
        bail!("{address} is not on this machine: the explorer listens on loopback only, say 127.0.0.1:3000");
    }
    // stateright panics on a taken port; look first.
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    let system = System::new(policy, protocol).context("cannot compile the policy")?.with_symmetry(false);
    let watched = Property::ALL.into_iter().fold(0, |bits, property| bits | broken_by(property));
    let model = Ticking { system, watched, shows: true, stop: Arc::default(), seen: Mutex::default() };
    model.checker().serve(address);
    Ok(())
}
