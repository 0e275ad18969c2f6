//! From a policy to its verdicts: compile, search, look for runs without end, judge, show.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::cluster::Cluster;
use super::endless::{self, Endless, Turn, Turns};
use super::error::CheckError;
use super::fewest::{self, abstract_path, path_to, simpler};
use super::graph::Graph;
use super::judge::{broken_by, not_applicable};
use super::lasso::{Flow, Lasso, Roles};
use super::proof::{self, Attempted, Proof};
use super::property::Property;
use super::reductions::Reductions;
use super::remarks::{lints, untaken, warnings};
use super::scope::{models, scope};
use super::search::{Exploration, Extrapolation, Observer, SearchOptions, Subsumption, explore};
use super::trace::{self, PathStep, Patience, ReplayError, concretize, repeat};
use super::verdict::{
    Counterexample, Number, PolicyResult, ProofSummary, PropertyResult, SearchStats, Step, Verdict,
    format_ms, grouped,
};
use super::weigh::weigh;
use super::{Engine, Limits, VerifyOptions, oracle};
use crate::model::{Outcome, Protocol};
use crate::policy::{Policy, Waiver};
use crate::system::remedy::ACTIONS_MAX;
use crate::system::world::{Attempt, EFFECTS_MAX, Packed, Who, World};
use crate::system::{Action, Actor, Label, Seen, Sending, System, facts};
use crate::time::Edge;
use crate::time::zone::ZoneView;

/// Checks every property of a policy.
///
/// # Errors
/// See [`CheckError`]: the policy could not be checked; never a verdict.
pub fn verify(
    policy: &Policy,
    protocol: &Protocol,
    options: &VerifyOptions,
) -> Result<PolicyResult, CheckError> {
    verify_with(policy, protocol, options, Reductions::ALL)
}

/// Tries to prove what holds in the scope for any scope, and says so in the result: what is proved, what is
/// not and why. Gives the proofs, each of them checked. `stop` is asked now and then whether to give up.
///
/// What was found can be kept without this, which adds to it and takes nothing away.
pub fn prove(
    policy: &Policy,
    protocol: &Protocol,
    result: &mut PolicyResult,
    stop: &dyn Fn() -> bool,
) -> Vec<Proof> {
    // What cannot be compiled has no result.
    let Ok(system) = System::new(policy, protocol) else { return Vec::new() };
    let holds: Vec<Property> = result
        .properties
        .iter()
        .filter(|found| found.verdict == Verdict::Holds)
        .map(|found| found.property)
        .collect();
    // A policy with a violation is to be mended first: what else is true of it helps nobody.
    let mend = result.properties.iter().any(|found| found.verdict == Verdict::Violated);
    let tried = match mend {
        true => {
            let why = "a policy with a violation is mended first".to_owned();
            let unproved = holds.iter().map(|property| (*property, why.clone())).collect();
            Attempted { unproved, ..Attempted::default() }
        }
        false => proof::prove(&system, [&policy.name, &protocol.name], &holds, stop),
    };
    for property in &mut result.properties {
        let by = tried.proofs.iter().find(|proof| proof.properties.contains(&property.property));
        let why = tried.unproved.iter().find(|(unproved, _)| *unproved == property.property);
        if let Some(proof) = by {
            property.verdict = Verdict::Proved;
            property.reason.clone_from(&proof.scope);
        } else if let Some((_, why)) = why {
            property.reason = format!("in this scope; not proved for more: {why}");
        }
    }
    let summary = |proof: &Proof| ProofSummary {
        properties: proof.properties.clone(),
        scope: proof.scope.clone(),
        timed: proof.timed,
        pieces: proof.pieces.len() as u64,
    };
    result.proofs = tried.proofs.iter().map(summary).collect();
    tried.proofs
}

/// As [`verify`], with some reductions off.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(
    policy: &Policy,
    protocol: &Protocol,
    options: &VerifyOptions,
    reductions: Reductions,
) -> Result<PolicyResult, CheckError> {
    let mut result = find_with(policy, protocol, options, reductions, None)?;
    weigh(policy, &policy.waivers, &mut result, options.today);
    Ok(result)
}

/// As [`verify`], but for what expectations and waivers say of it (see [`weigh`]): depends on no day, and
/// on neither of them unless the search is to fail fast.
///
/// # Errors
/// As [`verify`].
pub fn find(
    policy: &Policy,
    protocol: &Protocol,
    options: &VerifyOptions,
) -> Result<PolicyResult, CheckError> {
    find_with(policy, protocol, options, Reductions::ALL, None)
}

/// As [`find`], the zones spread over the workers of a cluster; every process of it has to ask the same.
///
/// # Errors
/// As [`verify`].
pub fn find_on(
    cluster: &Cluster,
    policy: &Policy,
    protocol: &Protocol,
    options: &VerifyOptions,
) -> Result<PolicyResult, CheckError> {
    find_with(policy, protocol, options, Reductions::ALL, Some(cluster))
}

fn find_with(
    policy: &Policy,
    protocol: &Protocol,
    options: &VerifyOptions,
    reductions: Reductions,
    cluster: Option<&Cluster>,
) -> Result<PolicyResult, CheckError> {
    let system = System::new(policy, protocol).map_err(CheckError::Compile)?;
    let system = system.with_symmetry(reductions.symmetry);
    let system = if reductions.tokens { system } else { system.keeping_tokens() };
    if let Some(states) = system.loop_without_time() {
        return Err(CheckError::LoopWithoutTime(states));
    }
    let end = options.limits.time_max.and_then(|most| Instant::now().checked_add(most));
    let patience = Patience::to_tell(options.cancel, end);
    let mut findings = match options.engine {
        Engine::Zones => {
            let stop_at = stop_at(policy, &system, options);
            match cluster {
                Some(cluster) => {
                    cluster.search_zones(&policy.name, &system, options, reductions, stop_at, &patience)?
                }
                None => search_zones(&system, options, reductions, stop_at, &patience, true)?,
            }
        }
        Engine::Stateright => oracle::search(&system, options, &patience)?,
    };
    let mut replayed = Vec::with_capacity(findings.broken.len());
    for found in std::mem::take(&mut findings.broken) {
        match trace::replay_within(&system, &found.counterexample, broken_by(found.property), &patience) {
            Ok(_) => replayed.push(found),
            Err(ReplayError::Stopped) => {
                if found.counterexample.repeats_from.is_some() {
                    findings.endless_untold.insert(found.property);
                }
            }
            Err(error) => return Err(CheckError::Unreplayable(found.property, error.to_string())),
        }
    }
    findings.broken = replayed;
    findings.untold_by = findings.untold_by.or(patience.stopped_by());
    let mut properties = Property::ALL
        .into_iter()
        .map(|p| judge(p, policy, &system, &mut findings, options))
        .collect::<Vec<_>>();
    let scope = scope(policy, &system);
    let warnings = warnings(policy, &system, &findings);
    // A lint may be borne out by a property that nobody asked for.
    let lints = lints(policy, protocol, &properties);
    properties.retain(|result| options.wants(result.property));
    Ok(PolicyResult {
        policy: policy.name.clone(),
        summary: policy.summary.clone(),
        path: policy.path.display().to_string(),
        model: models(policy, protocol),
        severity: policy.operation.severity.clone(),
        engine: match options.engine {
            Engine::Zones => "zones".to_owned(),
            Engine::Stateright => "stateright".to_owned(),
        },
        scope_line: scope.line(),
        scope,
        waivers: Vec::new(),
        warnings,
        lints,
        untaken: untaken(&system, &findings),
        search: findings.search,
        loops: findings.loops,
        properties,
        margins: None,
        proofs: Vec::new(),
    })
}

/// Takes the steps of a counterexample again, one by one, and says what each does.
///
/// # Errors
/// The first step that is not possible, or a run that breaks nothing.
pub fn replay(
    policy: &Policy,
    protocol: &Protocol,
    counterexample: &Counterexample,
) -> Result<Vec<Step>, ReplayError> {
    let system = System::new(policy, protocol).map_err(ReplayError::Compile)?;
    trace::replay(&system, counterexample, broken_by(counterexample.property))
}

/// A property that does not hold, with the run that shows it.
pub(super) struct Broken {
    pub property: Property,
    pub counterexample: Counterexample,
}

/// What an engine found out about a system.
#[derive(Default)]
pub(super) struct Findings {
    pub search: SearchStats,
    pub loops: Option<SearchStats>,
    pub broken: Vec<Broken>,
    /// The limit that ended the search for the runs that show what is known to be possible.
    pub untold: Option<String>,
    /// There are runs without end, of which none could be shown.
    pub endless_untold: BTreeSet<Property>,
    /// The limit that came before every run was told.
    pub untold_by: Option<&'static str>,
    /// All facts that some run shows.
    pub facts: u64,
    pub effects_most: u8,
    pub lost_most: u8,
    /// The most actions begun on one target in one episode, and the lowest capacity, of a remediation.
    pub actions_most: u8,
    /// The longest time, in units, from a fault to a person's hearing of it; `Some(None)`: no bound.
    pub told_most: Option<Option<i64>>,
    pub capacity_least: Option<u8>,
    /// The longest time, in units, that a claim whose owner is gone cannot be taken.
    pub stuck_most: Option<i64>,
    /// State and outcome of every operation that some run did.
    pub taken: BTreeSet<(u8, Outcome)>,
    /// Faults of the budget that some run used: crash, request, response, acknowledgement, abort.
    pub faults: BTreeSet<&'static str>,
}

/// Collects what the numbers and the warnings need while the search runs.
pub(super) struct Watch<'a> {
    pub system: &'a System,
    pub findings: &'a mut Findings,
}

impl Observer<System> for Watch<'_> {
    fn edge(&mut self, state: &Packed, edge: &Edge<Packed, Label>, zone: &dyn ZoneView) {
        self.findings.note(edge.label);
        let pages = edge.label.action == Action::Operate { outcome: Outcome::Paged };
        if pages && let Some(clock) = self.system.tells_of(&World::unpack(state), &edge.label) {
            self.findings.note_told(zone.upper(clock));
        }
        if self.system.will_be_answered(edge.label) {
            self.findings.taken.insert((edge.label.at, Outcome::Ok));
        }
        if let (Some(clock), Some(after)) = (edge.label.orphans, self.system.claimable_after) {
            let age = if clock == 0 { 0 } else { zone.lower(clock) };
            self.findings.note_stuck(after - age);
        }
    }
}

impl Findings {
    /// What a possible step tells.
    pub fn note(&mut self, label: Label) {
        use crate::system::Ending;
        match label.action {
            Action::Operate { outcome } => {
                self.taken.insert((label.at, outcome));
                match outcome {
                    Outcome::Aborted => self.faults.insert("aborts"),
                    Outcome::Unavailable => self.faults.insert("store_errors"),
                    // Only a commit's `unknown` spends this budget; a query's is free.
                    Outcome::Unknown => self.faults.insert("ambiguous_acks"),
                    _ => false,
                };
            }
            Action::AckLost { .. } => {
                self.faults.insert("ambiguous_acks");
            }
            Action::Pick { .. } => {
                self.taken.insert((label.at, Outcome::Message));
            }
            Action::Unheard { outcome } => {
                self.taken.insert((label.at, outcome));
                self.faults.insert("lost_responses");
            }
            Action::Crash { .. } => {
                self.faults.insert("crashes");
            }
            Action::Send(sending) => {
                let fault = match sending {
                    Sending::Lost => "lost_requests",
                    Sending::Late => "late_requests",
                    Sending::Twice => "duplicate_requests",
                    Sending::Again => "redeliveries",
                    Sending::Arrives | Sending::Redriven => return,
                };
                self.faults.insert(fault);
            }
            Action::Failover => {
                self.faults.insert("failovers");
            }
            Action::LockLost => {
                self.faults.insert("lock_losses");
            }
            _ => {}
        }
        if matches!(label.ending, Some(Ending::Died { .. })) {
            self.faults.insert("crashes");
        }
        if matches!(label.ending, Some(Ending::AnswerLost(_) | Ending::AnswerLate(_))) {
            self.faults.insert("lost_responses");
        }
    }

    /// What a state tells of its target.
    pub fn note_target(&mut self, system: &System, world: &World) {
        self.actions_most = self.actions_most.max(world.actions_most());
        let capacity = system.capacity(world);
        self.capacity_least = self.capacity_least.into_iter().chain(capacity).min();
    }

    /// What the end of a search tells.
    fn take(&mut self, exploration: &Exploration<System>) {
        self.take_stats(exploration.stats(), exploration.facts());
        for state in exploration.states() {
            self.note_world(&World::unpack(state));
        }
    }

    /// Of two searches, the second is the one that need not end.
    pub fn take_stats(&mut self, stats: &SearchStats, facts: u64) {
        if self.search.complete {
            self.search.visited += stats.visited;
            self.search.stored += stats.stored;
            self.search.covered += stats.covered;
            self.search.transitions += stats.transitions;
            self.search.seconds += stats.seconds;
        } else {
            self.search = stats.clone();
        }
        self.facts |= facts;
    }

    /// What a state tells of effects and messages.
    pub fn note_world(&mut self, world: &World) {
        self.effects_most = self.effects_most.max(world.effects_most());
        self.lost_most = self.lost_most.max(world.messages_lost());
    }

    pub fn note_told(&mut self, after: Option<i64>) {
        let most = match self.told_most {
            None => after,
            Some(most) => most.zip(after).map(|(most, after)| most.max(after)),
        };
        self.told_most = Some(most);
    }

    pub fn note_stuck(&mut self, units: i64) {
        self.stuck_most = Some(self.stuck_most.unwrap_or(0).max(units.max(0)));
    }
}

/// The facts that nobody expects: what a search that is to fail fast stops at.
fn stop_at(policy: &Policy, system: &System, options: &VerifyOptions) -> u64 {
    let accepted = |property: &Property| {
        let waived = |w: &Waiver| w.property == *property && !w.is_expired(options.today);
        policy.expect.get(property) == Some(&Verdict::Violated)
            || policy.waivers.iter().any(waived)
            || not_applicable(*property, policy, system).is_some()
    };
    let properties = options.fail_fast.iter().filter(|property| !accepted(property));
    properties.fold(0, |bits, property| bits | broken_by(*property))
}

/// The search over zones. Without `show`, no runs are made: what breaks is told by [`Findings::facts`] and
/// [`Findings::endless_untold`].
pub(super) fn search_zones(
    system: &System,
    options: &VerifyOptions,
    reductions: Reductions,
    stop_at: u64,
    patience: &Patience,
    show: bool,
) -> Result<Findings, CheckError> {
    let mut findings = Findings::default();
    let search = search_options(options, reductions, stop_at);
    let endless = Endless::of(system);
    // What goes round for ever is looked for among the states of the plain system.
    let lean_after = reductions.lean_after.filter(|_| endless.is_empty());
    let exploration = match lean_after {
        Some(after) => search_lean(system, after, &search, patience, &mut findings, show)?,
        None => explore(system, &search, &mut Watch { system, findings: &mut findings })?,
    };
    findings.take(&exploration);
    if system.remedy.is_some() {
        for state in exploration.states() {
            findings.note_target(system, &World::unpack(state));
        }
    }
    if show {
        let path = |bits| path_to(system, &exploration, bits, |state| state);
        show_broken(system, options, &search, patience, path, &mut findings)?;
    }
    let stopped = stop_at != 0 && findings.facts & stop_at != 0;
    for endless in endless {
        let sought = options.wants(endless.property)
            && findings.broken.iter().all(|broken| broken.property != endless.property);
        if stopped || !sought {
            continue;
        }
        let limits = remaining(&options.limits, patience);
        let search = SearchOptions { limits: &limits, symmetry: false, ..search };
        let patience = patience.to_seek();
        find_endless(system, &exploration, &search, &endless, &patience, &mut findings, show)?;
        findings.untold_by = findings.untold_by.or(patience.stopped_by());
    }
    Ok(findings)
}

pub(super) fn search_options<'a>(
    options: &'a VerifyOptions,
    reductions: Reductions,
    stop_at: u64,
) -> SearchOptions<'a> {
    SearchOptions {
        subsumption: if reductions.inclusion { Subsumption::Inclusion } else { Subsumption::Equality },
        extrapolation: if reductions.lower_upper { Extrapolation::Lu } else { Extrapolation::M },
        symmetry: reductions.symmetry,
        surplus: reductions.surplus,
        keep_shortest: true,
        limits: &options.limits,
        cancel: options.cancel,
        progress: options.progress,
        stop_at,
        depth_max: None,
    }
}

/// Makes a counterexample of the path to a step that breaks a property, for each that has one.
pub(super) fn show_broken(
    system: &System,
    options: &VerifyOptions,
    search: &SearchOptions,
    patience: &Patience,
    path_to: impl Fn(u64) -> Option<Vec<PathStep>>,
    findings: &mut Findings,
) -> Result<(), CheckError> {
    let budget = fewest::budget(findings.search.visited);
    for property in Property::ALL.into_iter().filter(|property| options.wants(*property)) {
        let bits = broken_by(property);
        if let Some(path) = path_to(bits) {
            let path = simpler(system, &path, bits, search, patience, &budget).unwrap_or(path);
            match concretize(system, property, &path, None, patience) {
                Some(counterexample) => findings.broken.push(Broken { property, counterexample }),
                None if patience.is_over() => break,
                None => return Err(CheckError::Unreplayable(property, "no moments fit".to_owned())),
            }
        }
    }
    Ok(())
}

/// What is left of the limits.
pub(super) fn remaining(limits: &Limits, patience: &Patience) -> Limits {
    Limits { time_max: patience.left(), ..limits.clone() }
}

/// How many zones are searched before anything is said of a leaner system.
pub(super) fn first_zones(after: u64, search: &SearchOptions) -> u64 {
    search.limits.states_max.map_or(after, |most| most.min(after))
}

/// Whether the first zones leave something to search.
pub(super) fn goes_on(plain: &Exploration<System>, after: u64, search: &SearchOptions) -> bool {
    let stats = plain.stats();
    let too_many = search.limits.states_max.is_some_and(|most| stats.stored > most);
    !stats.complete && stats.stored > after && !too_many && plain.facts() & search.stop_at == 0
}

/// The system that is leaner by what the first zones have shown already.
pub(super) fn leaner(system: &System, plain: &Exploration<System>, findings: &Findings) -> System {
    let deaths = findings.faults.contains("crashes") && findings.stuck_most >= system.claimable_after;
    system.lean(Seen { facts: plain.facts(), deaths })
}

/// Searches the lean system for what there is to find, and the plain one for shortest runs that
/// show it. A search that ends early anyway is the plain one's alone.
fn search_lean<'s>(
    system: &'s System,
    after: u64,
    search: &SearchOptions,
    patience: &Patience,
    findings: &mut Findings,
    show: bool,
) -> Result<Exploration<'s, System>, CheckError> {
    let first = Limits { states_max: Some(first_zones(after, search)), ..search.limits.clone() };
    let first = SearchOptions { limits: &first, ..*search };
    let mut plain = explore(system, &first, &mut Watch { system, findings })?;
    if !goes_on(&plain, after, search) {
        return Ok(plain);
    }
    let lean = &leaner(system, &plain, findings);
    if !lean.is_much_leaner() && after > 0 {
        let limits = remaining(search.limits, patience);
        let options = SearchOptions { limits: &limits, ..*search };
        plain.go_on(&options, &mut Watch { system, findings })?;
        return Ok(plain);
    }
    let mut limits = remaining(search.limits, patience);
    // If it does not end in time, the plain search has as much.
    limits.time_max = limits.time_max.map(|most| most / 2);
    limits.memory_max = limits.memory_max.map(|most| most.saturating_sub(plain.memory()));
    let options = SearchOptions { limits: &limits, ..*search };
    let there = explore(lean, &options, &mut Watch { system: lean, findings })?;
    let decided = there.stats().complete;
    let facts = there.facts() | plain.facts();
    let enough = !show && facts & search.stop_at != 0;
    if decided || enough {
        findings.take(&there);
    }
    drop(there);
    if enough || decided && !show {
        return Ok(plain);
    }
    let mut watch = Watch { system, findings };
    let limits = remaining(search.limits, patience);
    if !decided {
        // Too large, or to end at a violation: the plain search says how far it got.
        plain.go_on(&SearchOptions { limits: &limits, ..*search }, &mut watch)?;
        return Ok(plain);
    }
    for property in Property::ALL {
        let shows = facts & broken_by(property);
        let open = |plain: &Exploration<System>| shows != 0 && plain.facts() & broken_by(property) == 0;
        if open(&plain) {
            plain.go_on(&SearchOptions { limits: &limits, stop_at: shows, ..*search }, &mut watch)?;
        }
        if open(&plain) {
            watch.findings.untold.clone_from(&plain.stats().stopped_by);
        }
    }
    Ok(plain)
}

/// Looks for a run without end: an attempt goes round and round though faults have stopped.
///
/// Such a run ends up where every live attempt is in a state that can repeat and where nothing
/// but the attempts' own steps happen. Inclusion would lose cycles and symmetry would mix up who
/// goes round, so this graph uses neither. A cycle counts if time can go on in it (see [`Lasso`])
/// and every live attempt takes part (see [`Turns`], too): one that only stalls is a fault that has
/// not stopped.
fn find_endless(
    system: &System,
    exploration: &Exploration<System>,
    search: &SearchOptions,
    endless: &Endless,
    patience: &Patience,
    findings: &mut Findings,
    show: bool,
) -> Result<(), CheckError> {
    let system = &system.clone().without_counts();
    let plain = system.clone().with_symmetry(false);
    let mut starts = Vec::new();
    let mut origins = Vec::new();
    for (number, (state, zone)) in exploration.numbered_nodes() {
        if endless.begins(system, &World::unpack(state)) {
            starts.push((Turn { world: plain.canonical(&World::unpack(state)), waiting: 0 }, zone));
            origins.push(number);
        }
    }
    let inside = |state: &Turn| endless.stays(system, &World::unpack(&state.world));
    let keep = |edge: &Edge<Turn, Label>| !endless.excludes(&edge.label) && inside(&edge.target);
    let turns = Turns { system: &plain, endless };
    let graph = Graph::build(&turns, search, starts, keep)?;
    findings.loops = Some(match findings.loops.take() {
        // The first that did not get to its end says how far it got.
        Some(before) if !before.complete => before,
        _ => graph.stats().clone(),
    });
    let Some(Lasso { kept, flows, components }) = Lasso::find(&plain, &graph, patience) else {
        if let Some(loops) = &mut findings.loops {
            loops.complete = false;
            loops.stopped_by = patience.stopped_by().map(str::to_owned);
        }
        return Ok(());
    };
    let kept = || graph.arcs().iter().zip(&flows).zip(&kept).filter_map(|(arc, kept)| kept.then_some(arc));
    let turn = |node: usize| graph.node(node).0;
    let all_acted: Vec<bool> = (0..graph.node_count()).map(|node| turn(node).waiting == 0).collect();
    let mut actors = vec![BTreeSet::new(); components.count];
    let mut turns_end = vec![false; components.count];
    for (arc, _) in kept() {
        actors[components.of[arc.from]].insert(actor_key(arc.label.actor));
        turns_end[components.of[arc.from]] |= all_acted[arc.to];
    }
    // Every live attempt takes part in this component.
    let all_act = |(arc, _): &(&Arc, &Flow)| {
        let world = World::unpack(&turn(arc.from).world);
        let component = components.of[arc.from];
        let acts = |(who, _): (Who, &Attempt)| actors[component].contains(&actor_key(who.into()));
        let all = match endless.everybody_acts() {
            true if endless.takes_turns() => turns_end[component],
            true => world.live().all(acts),
            false => true,
        };
        all && endless.wants(system, &world, &arc.label)
    };
    if !show {
        if kept().any(|arc| all_act(&arc)) {
            findings.endless_untold.insert(endless.property);
        }
        return Ok(());
    }
    let mut within = (usize::MAX, BTreeMap::new());
    for (first, _) in kept().filter(all_act).take(ROUNDS_TRIED) {
        if patience.is_over() {
            findings.endless_untold.insert(endless.property);
            break;
        }
        let component = components.of[first.from];
        if within.0 != component {
            let inside = kept().filter(|(arc, _)| components.of[arc.from] == component);
            within = (component, inside.map(|(arc, flow)| (key(arc), *flow)).collect());
        }
        let mut goals = Vec::new();
        if endless.takes_turns() {
            goals.push(Goal::AllActed);
        } else if endless.everybody_acts() {
            goals.extend(actors[component].iter().map(|actor| Goal::Acts(*actor)));
        }
        let round = round(&graph, first, goals, &all_acted, &within.1, patience);
        let found = round.and_then(|round| {
            endless_run(system, endless.property, exploration, &graph, &origins, &round, patience)
        });
        if let Some(counterexample) = found {
            findings.endless_untold.remove(&endless.property);
            findings.broken.push(Broken { property: endless.property, counterexample });
            return Ok(());
        }
        // There is an endless run, but this round of it has no fixed moments: say so, pass nothing.
        findings.endless_untold.insert(endless.property);
    }
    Ok(())
}

type Arc = super::graph::Arc<Label>;

fn key(arc: &Arc) -> (usize, u32) {
    (arc.from, arc.number)
}

/// A round with this arc in it on which these goals are met and every clock that is held below a bound
/// starts anew. It begins where all have acted, so that each of those at work then acts before it ends.
fn round<'g>(
    graph: &'g Graph<Turns>,
    first: &'g Arc,
    goals: Vec<Goal>,
    all_acted: &[bool],
    within: &BTreeMap<(usize, u32), Flow>,
    patience: &Patience,
) -> Option<Vec<&'g Arc>> {
    let inside = |arc: &Arc| within.contains_key(&key(arc));
    let bounded = within.values().fold(0, |all: Roles, flow| all | flow.bounded);
    let starting = (0..Roles::BITS).map(|bit| 1 << bit).filter(|role| bounded & role != 0).map(Goal::Starts);
    let mut round = vec![first];
    for goal in goals.into_iter().chain(starting) {
        let met = |arc: &Arc| match goal {
            Goal::Acts(actor) => actor_key(arc.label.actor) == actor,
            Goal::AllActed => all_acted[arc.to],
            Goal::Starts(role) => within[&key(arc)].reset & role != 0,
        };
        if round.iter().any(|arc| met(arc)) {
            continue;
        }
        if patience.is_over() {
            return None;
        }
        let ways = graph.ways(round.last().map_or(first.to, |arc| arc.to), inside);
        let goals = graph.arcs().iter().filter(|arc| inside(arc) && met(arc));
        let goals = goals.filter_map(|goal| ways.steps(goal.from).map(|steps| (steps, goal)));
        let (_, goal) = goals.min_by_key(|(steps, _)| *steps)?;
        round.extend(ways.way(goal.from)?);
        round.push(goal);
    }
    let at = round.last().map_or(first.to, |arc| arc.to);
    round.extend(graph.shortest_way(at, first.from, inside)?);
    let begin = round.iter().position(|arc| all_acted[arc.from])?;
    round.rotate_left(begin);
    Some(round)
}

/// What a round must have.
#[derive(Clone, Copy)]
enum Goal {
    /// A step of this actor.
    Acts((u8, u8)),
    /// All who were at work when this last happened have acted since, or are gone.
    AllActed,
    /// A step that starts this clock.
    Starts(Roles),
}

/// Who acts, where nobody comes or goes.
fn actor_key(actor: Actor) -> (u8, u8) {
    match actor {
        Actor::Client(index) => (0, index),
        Actor::Attempt(index) => (1, index),
        Actor::Zombie(index) => (2, index),
        Actor::Flight(index) => (3, index),
        Actor::Store => (4, 0),
        Actor::Job(index) => (5, index),
        Actor::Target(index) => (6, index),
    }
}

/// A run to the cycle and once round it, with moments.
fn endless_run(
    system: &System,
    property: Property,
    exploration: &Exploration<System>,
    graph: &Graph<Turns>,
    origins: &[usize],
    cycle: &[&Arc],
    patience: &Patience,
) -> Option<Counterexample> {
    let entry = cycle.first()?.from;
    let steps = graph.steps_to(entry);
    let ways = graph.starts().iter().zip(origins).filter_map(|(start, origin)| {
        let length = steps[*start]? + exploration.steps_to(*origin)?;
        Some((length, *start, *origin))
    });
    let (_, start, origin) = ways.min_by_key(|(length, ..)| *length)?;
    let way = graph.shortest_way(start, entry, |_| true)?;
    let stem = abstract_path(system, &exploration.path_to(origin)?, 0, |state| state);
    let steps = |arcs: &[&Arc]| {
        let step = |arc: &&Arc| {
            let state = system.canonical(&World::unpack(&graph.node(arc.to).0.world));
            PathStep { label: arc.label, state, facts: 0, at: None }
        };
        arcs.iter().map(step).collect::<Vec<_>>()
    };
    let way = steps(&way);
    let round = steps(cycle);
    repeat(system, property, &[stem, way].concat(), &round, patience)
}

/// Rounds that are tried before none is shown.
const ROUNDS_TRIED: usize = 50;

pub(super) fn judge(
    property: Property,
    policy: &Policy,
    system: &System,
    findings: &mut Findings,
    options: &VerifyOptions,
) -> PropertyResult {
    let mut result = PropertyResult {
        number: number(property, system, findings),
        ..PropertyResult::new(property, Verdict::Holds)
    };
    if let Some(reason) = not_applicable(property, policy, system) {
        result.verdict = Verdict::NotApplicable;
        result.reason = reason.to_owned();
        result.number = None;
        return result;
    }
    let broken = findings.broken.iter().position(|b| b.property == property);
    if let Some(index) = broken {
        let found = findings.broken.swap_remove(index).counterexample;
        result.verdict = Verdict::Violated;
        result.reason = found.headline();
        result.counterexample = Some(found);
        return result;
    }
    if findings.facts & broken_by(property) != 0 {
        // A search that saw it and has no run to show must not pass.
        result.verdict = Verdict::Inconclusive;
        result.reason = match findings.untold.as_deref().or(findings.untold_by) {
            Some(limit) => format!("a step breaks it, but {limit} came before its run was made"),
            None => "a step breaks it, but no run to it could be made: please report this".to_owned(),
        };
        if !options.wants(property) {
            // No run was made, as none is shown.
            result.verdict = Verdict::Violated;
        }
        return result;
    }
    let endless = endless::PROPERTIES.contains(&property);
    if endless && !options.wants(property) {
        // Nobody looked for runs without end.
        result.verdict = Verdict::Inconclusive;
        return result;
    }
    let unfinished = [Some(&findings.search), findings.loops.as_ref().filter(|_| endless)];
    let stopped = unfinished.into_iter().flatten().find(|stats| !stats.complete);
    if let Some(stats) = stopped {
        result.verdict = Verdict::Inconclusive;
        let limit = stats.stopped_by.as_deref().unwrap_or("a limit");
        let what = if options.engine == Engine::Zones { "zones" } else { "states" };
        let (zones, depth) = (format!("{} {what}", grouped(stats.visited)), stats.depth);
        result.reason = format!("stopped by {limit}, after {zones} explored, {depth} steps deep");
    } else if findings.endless_untold.contains(&property) {
        result.verdict = Verdict::Inconclusive;
        result.reason = match findings.untold_by {
            Some(limit) => {
                format!("a run goes round for ever, but {limit} came before a round of it was made")
            }
            None => "a run goes round for ever, but no round of it with fixed moments was found".to_owned(),
        };
    } else if findings.facts & facts::FLIGHT_LIMIT != 0 {
        result.verdict = Verdict::Inconclusive;
        result.reason = "more calls in flight than the search can hold".to_owned();
    } else if findings.facts & facts::JOB_LIMIT != 0 {
        result.verdict = Verdict::Inconclusive;
        result.reason = "more actions under way than the search can hold".to_owned();
    }
    result
}

fn number(property: Property, system: &System, findings: &Findings) -> Option<Number> {
    match property {
        Property::SingleExecution if system.remedy.is_none() => {
            let most = findings.effects_most;
            let left_out = findings.facts & (facts::FLIGHT_LEFT_OUT | facts::FLIGHT_LIMIT) != 0 && most > 1;
            let at_least = most >= EFFECTS_MAX || !findings.search.complete || left_out;
            let value = if at_least { format!("{most} or more") } else { most.to_string() };
            Some(Number { name: "most effects".to_owned(), value, exact: Some(most.into()) })
        }
        Property::BoundedActions | Property::Quiesces => {
            let most = findings.actions_most;
            let at_least = most >= ACTIONS_MAX || !findings.search.complete;
            let value = if at_least { format!("{most} or more") } else { most.to_string() };
            let name = "most actions in one episode".to_owned();
            Some(Number { name, value, exact: Some(most.into()) })
        }
        Property::Escalates => {
            let within = system.remedy.as_ref()?.within?;
            let most = findings.told_most.flatten().filter(|most| *most <= within);
            let value = match (findings.told_most, most) {
                (None, _) => "nobody is told".to_owned(),
                (_, Some(most)) if findings.search.complete => format_ms(most * system.times.unit_ms),
                (_, Some(most)) => format!("{} or more", format_ms(most * system.times.unit_ms)),
                (_, None) => format!("more than {}", format_ms(within * system.times.unit_ms)),
            };
            let exact = most.map(|most| most * system.times.unit_ms);
            Some(Number { name: "worst time to a person".to_owned(), value, exact })
        }
        Property::CapacityFloor => {
            let least = findings.capacity_least?;
            let value = if findings.search.complete { least.to_string() } else { format!("{least} or less") };
            Some(Number { name: "lowest capacity".to_owned(), value, exact: Some(least.into()) })
        }
        Property::NoLostMessage => {
            let most = findings.lost_most;
            let value = if findings.search.complete { most.to_string() } else { format!("{most} or more") };
            Some(Number { name: "most messages lost".to_owned(), value, exact: Some(most.into()) })
        }
        Property::NoStuckKey if system.claims => {
            let unbounded = findings.facts & (facts::DEAD_KEY | facts::ENDLESS_CALL) != 0
                || findings.broken.iter().any(|b| b.property == Property::NoStuckKey);
            let worst = findings.stuck_most.map_or(0, |units| units * system.times.unit_ms);
            let unfinished = !findings.search.complete
                || findings.loops.as_ref().is_some_and(|loops| !loops.complete)
                || findings.endless_untold.contains(&Property::NoStuckKey);
            let (value, exact) = match (unbounded, unfinished) {
                (true, _) => ("unbounded".to_owned(), None),
                (false, true) => (format!("{} or more", format_ms(worst)), Some(worst)),
                (false, false) => (format_ms(worst), Some(worst)),
            };
            Some(Number { name: "worst stuck time".to_owned(), value, exact })
        }
        _ => None,
    }
}
