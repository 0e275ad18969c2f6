//! A search whose states are spread over workers: each keeps the states that are its own by the hash of what is
//! left of them without surplus, and sends what it finds of the others' to their workers.
//!
//! All workers go through one layer after the other. The native search adds zones in the order of (number of the
//! parent, number of the edge), and what it expands in a layer is known when the layer begins. So it is enough that
//! each worker adds what came for it in that order: the same zones are kept and covered, and the same step is the
//! first to show a fact, whatever the number of workers.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustc_hash::FxHasher;
use serde::{Deserialize, Serialize};

use super::super::{Observer, SearchError, SearchOptions, Witness};
use super::{COVERED, Engine, LOOK, NONE, PROGRESS_EVERY, Recent};
use crate::check::verdict::SearchStats;
use crate::check::{Limits, Progress};
use crate::time::TimedSystem;
use crate::time::zone::{Scalar, View};

/// What came in a round, but for how the others stand.
type Mail<S, T> = Vec<Message<S, T, Vec<u8>>>;

/// What workers tell each other.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::check) enum Message<S, T, N> {
    /// A zone found, for the worker that has its state.
    Found(Found<S, T>),
    /// Where a worker stands, for all.
    Status(Status),
    /// A new node, to be given its place in the layer.
    New {
        parent: u64,
        edge: u32,
        node: u32,
        worker: u32,
    },
    /// The place of a node among those that one worker puts in order, and how many those are.
    Place {
        node: u32,
        by: u32,
        place: u64,
    },
    Count {
        by: u32,
        count: u64,
    },
    /// One step back on the way to a fact: state and edge of it; worker, number and edge of its parent.
    Step {
        bit: u32,
        state: S,
        number: u32,
        before: [u32; 3],
    },
    /// What a worker has seen of the whole.
    Seen {
        notes: N,
        states: u64,
    },
}

#[derive(Clone, Serialize, Deserialize)]
pub(in crate::check) struct Found<S, T> {
    /// The parent's place in its layer and the number of the edge: the order of arrival.
    place: u64,
    edge: u32,
    worker: u32,
    parent: u32,
    state: S,
    zone: Vec<T>,
}

/// The first step that shows a fact: layer, place of the node in it, edge; then where the node is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct First {
    layer: u32,
    place: u64,
    edge: u32,
    worker: u32,
    node: u32,
}

#[derive(Clone, Serialize, Deserialize)]
pub(in crate::check) struct Status {
    firsts: BTreeMap<u32, First>,
    stopped: Option<String>,
    failed: Option<SearchError>,
    /// Stored, covered, visited, transitions.
    stats: [u64; 4],
    /// New nodes, not yet expanded.
    waiting: u64,
    /// The place of the last node of the layer.
    last: u64,
    memory: u64,
}

impl Status {
    /// What all of them say together.
    fn and(mut self, other: Status) -> Status {
        for (bit, first) in other.firsts {
            let known = self.firsts.entry(bit).or_insert(first);
            *known = first.min(*known);
        }
        self.stopped = self.stopped.or(other.stopped);
        self.failed = self.failed.or(other.failed);
        self.stats.iter_mut().zip(other.stats).for_each(|(sum, one)| *sum += one);
        self.waiting += other.waiting;
        self.last = self.last.max(other.last);
        self.memory += other.memory;
        self
    }
}

/// How workers speak with each other: all that is sent in a round is there at its end.
pub(in crate::check) trait Wire<M> {
    fn index(&self) -> usize;
    fn peers(&self) -> usize;
    fn send(&mut self, to: usize, message: M);
    /// Lets messages go on their way.
    fn work(&mut self);
    fn round(&mut self) -> Vec<M>;
}

/// What is noted of the steps and states that a worker sees; put together at the end.
pub(in crate::check) trait Notes<S: TimedSystem>: Observer<S> {
    /// Each state reached, at the end.
    fn reached(&mut self, _state: &S::State) {}
    fn merge(&mut self, other: Self);
    /// As bytes, for the way to another worker.
    fn pack(&self) -> Vec<u8>;
    /// Merges what another worker has packed.
    fn unpack(&mut self, bytes: &[u8]);
}

/// What a search on many workers found: the same on all of them.
pub(in crate::check) struct Outcome<S: TimedSystem, N> {
    pub stats: SearchStats,
    pub facts: u64,
    pub witnesses: BTreeMap<u32, Witness<S>>,
    pub notes: N,
}

/// Searches together with the other workers. The search stops, as the native one would, once each set of facts in
/// `stop` has a witness; never, if there is none.
///
/// # Errors
/// What the system declared is wrong: on any worker, then on all.
pub(in crate::check) fn search<S, T, N>(
    system: &S,
    options: &SearchOptions,
    stop: &[u64],
    watch: impl Fn() -> N,
    wire: &mut impl Wire<Message<S::State, T, Vec<u8>>>,
) -> Result<Outcome<S, N>, SearchError>
where
    S: TimedSystem,
    S::State: Send,
    T: Scalar,
    N: Notes<S>,
{
    Shard::new(system, options, wire).run(stop, watch)
}

/// The profile and the worker of an edge's target, as far as known.
type Target = Option<(u32, u32)>;

struct Shard<'a, 's, S: TimedSystem, T: Scalar, W> {
    engine: Engine<'s, S, T>,
    options: &'a SearchOptions<'a>,
    wire: &'a mut W,
    /// The worker of each node's parent.
    parents: Vec<u32>,
    /// The first node that is new, and the places of the parents of all that are.
    new_from: usize,
    new_places: Vec<u64>,
    /// The nodes to expand, in order, with their places among those of all workers.
    layer: Vec<(u64, u32)>,
    /// How many all workers have in this layer.
    width: u64,
    depth: u32,
    firsts: BTreeMap<u32, First>,
    recent: Recent<S, Target>,
    /// Bytes sent in this layer: about what is received in it, and waits for its end.
    sent: u64,
    /// What the others held at the last round.
    elsewhere: u64,
    began: Instant,
    reported: Instant,
}

impl<'a, 's, S, T, W> Shard<'a, 's, S, T, W>
where
    S: TimedSystem,
    T: Scalar,
    W: Wire<Message<S::State, T, Vec<u8>>>,
{
    fn new(system: &'s S, options: &'a SearchOptions<'a>, wire: &'a mut W) -> Self {
        let now = Instant::now();
        let share = options.limits.memory_max.map(|most| most / wire.peers() as u64);
        Self {
            engine: Engine::new(system, options),
            options,
            wire,
            parents: Vec::new(),
            new_from: 0,
            new_places: Vec::new(),
            layer: Vec::new(),
            width: 1,
            depth: 0,
            firsts: BTreeMap::new(),
            recent: Recent::new(share),
            sent: 0,
            elsewhere: 0,
            began: now,
            reported: now,
        }
    }

    fn run<N: Notes<S>>(mut self, stop: &[u64], watch: impl Fn() -> N) -> Result<Outcome<S, N>, SearchError> {
        let mut notes = watch();
        let mut added = self.start();
        let mut end = None;
        let mut last = 0;
        let (all, stopped_by) = loop {
            let new = self.new_nodes();
            for (place, edge, node) in &new {
                let by = self.sorter(*place);
                let message = Message::New { parent: *place, edge: *edge, node: *node, worker: self.me() };
                self.wire.send(by as usize, message);
            }
            let (orders, all) = self.exchange(None, added.err(), new.len() as u64, 0)?;
            if end.is_some() {
                break (all, Some("the first violation".to_owned()));
            }
            if all.waiting == 0 {
                break (all, None);
            }
            if let Some(limit) = self.exceeded(&all) {
                break (all, Some(limit));
            }
            self.put_in_order(orders);
            self.depth += 1;
            let before = self.engine.stats.clone();
            let mut seen = watch();
            let (stopped, failed) = match self.expand(&mut seen, None) {
                Ok(stopped) => (stopped, None),
                Err(error) => (None, Some(error)),
            };
            last = self.layer.last().map_or(0, |(place, _)| *place);
            let (found, all) = self.exchange(stopped, failed, 0, last)?;
            last = all.last;
            self.firsts.clone_from(&all.firsts);
            if let Some(limit) = all.stopped.clone() {
                notes.merge(seen);
                break (all, Some(limit));
            }
            end = self.end(stop);
            match end {
                None => notes.merge(seen),
                // The native search ends in the midst of this layer.
                Some(end) => {
                    let depth = self.depth;
                    self.firsts.retain(|_, first| first.layer < depth || first.place <= end);
                    self.engine.stats = before;
                    self.expand(&mut notes, Some(end))?;
                }
            }
            added = self.add(found, end);
        };
        let complete = match end {
            Some(end) => last <= end && all.waiting == 0,
            None => stopped_by.is_none(),
        };
        let witnesses = self.witnesses();
        for state in self.engine.states() {
            notes.reached(state);
        }
        let states = self.engine.states().count() as u64;
        for to in 0..self.wire.peers() {
            self.wire.send(to, Message::Seen { notes: notes.pack(), states });
        }
        let mut together = watch();
        let mut states_all = 0;
        for message in self.wire.round() {
            if let Message::Seen { notes, states } = message {
                together.unpack(&notes);
                states_all += states;
            }
        }
        let [stored, covered, visited, transitions] = all.stats;
        let stats = SearchStats {
            visited,
            stored,
            covered,
            transitions,
            states: states_all,
            depth: self.depth.saturating_sub(1),
            seconds: self.began.elapsed().as_secs_f64(),
            complete,
            stopped_by,
        };
        let facts = self.firsts.keys().fold(0, |facts, bit| facts | 1 << bit);
        Ok(Outcome { stats, facts, witnesses, notes: together })
    }

    fn me(&self) -> u32 {
        self.wire.index() as u32
    }

    fn owner(&self, state: &S::State) -> u32 {
        let mut hasher = FxHasher::default();
        if self.engine.compares_surplus {
            self.engine.system.without_surplus(state).0.hash(&mut hasher);
        } else {
            state.hash(&mut hasher);
        }
        // As in the interner: the upper bits are the mixed ones. Other ones than there, or all states of a worker
        // would share a part of its table.
        let mixed = hasher.finish().wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(20);
        (mixed % 0xffff_fffb % self.wire.peers() as u64) as u32
    }

    /// Who puts in order what comes from nodes of this place.
    fn sorter(&self, place: u64) -> u32 {
        (u128::from(place) * self.wire.peers() as u128 / u128::from(self.width.max(1))) as u32
    }

    /// The states to begin from, as far as they are this worker's.
    fn start(&mut self) -> Result<(), SearchError> {
        for (number, state) in self.engine.system.initial().into_iter().enumerate() {
            if self.owner(&state) != self.me() {
                continue;
            }
            let state = self.engine.state_number(&state)?;
            if self.engine.stepper.first(self.engine.infos[state as usize].profile)? {
                self.insert(state, (0, number as u32), (NONE, NONE))?;
            }
        }
        Ok(())
    }

    /// Adds the zone in `stepper.next`, unless it is known.
    fn insert(
        &mut self,
        state: u32,
        (place, edge): (u64, u32),
        (worker, parent): (u32, u32),
    ) -> Result<(), SearchError> {
        let known = self.engine.nodes.len();
        self.engine.insert(state, parent, edge)?;
        if self.engine.nodes.len() > known {
            self.parents.push(worker);
            self.new_places.push(place);
        }
        Ok(())
    }

    /// The nodes that are new and not covered by now: parent's place, edge, number.
    fn new_nodes(&self) -> Vec<(u64, u32, u32)> {
        let nodes =
            self.engine.nodes[self.new_from..].iter().zip(&self.new_places).zip(self.new_from as u32..);
        let kept = nodes.filter(|((node, _), _)| node.slot != NONE);
        kept.map(|((node, place), number)| (*place, node.edge & !COVERED, number)).collect()
    }

    /// Tells all where this worker stands. Gives what else came, and what all say together.
    fn exchange(
        &mut self,
        stopped: Option<String>,
        failed: Option<SearchError>,
        waiting: u64,
        last: u64,
    ) -> Result<(Mail<S::State, T>, Status), SearchError> {
        let stats = &self.engine.stats;
        let status = Status {
            firsts: self.firsts.clone(),
            stopped,
            failed,
            stats: [stats.stored, stats.covered, stats.visited, stats.transitions],
            waiting,
            last,
            memory: self.memory(),
        };
        for to in 0..self.wire.peers() {
            self.wire.send(to, Message::Status(status.clone()));
        }
        let own = status.memory;
        let mut all: Option<Status> = None;
        let mut others = self.wire.round();
        let mut rest = Vec::with_capacity(others.len());
        for message in others.drain(..) {
            match message {
                Message::Status(status) => {
                    all = Some(match all.take() {
                        None => status,
                        Some(all) => all.and(status),
                    });
                }
                other => rest.push(other),
            }
        }
        let all = all.unwrap_or(status);
        self.elsewhere = all.memory.saturating_sub(own);
        match all.failed {
            Some(error) => Err(error),
            None => Ok((rest, all)),
        }
    }

    /// Gives each new node its place among those of all workers.
    fn put_in_order(&mut self, orders: Vec<Message<S::State, T, Vec<u8>>>) {
        let mut orders: Vec<(u64, u32, u32, u32)> = orders
            .into_iter()
            .filter_map(|message| match message {
                Message::New { parent, edge, node, worker } => Some((parent, edge, worker, node)),
                _ => None,
            })
            .collect();
        orders.sort_unstable();
        let (by, count) = (self.me(), orders.len() as u64);
        for ((.., worker, node), place) in orders.into_iter().zip(0..) {
            self.wire.send(worker as usize, Message::Place { node, by, place });
        }
        for to in 0..self.wire.peers() {
            self.wire.send(to, Message::Count { by, count });
        }
        let mut first = vec![0; self.wire.peers() + 1];
        let mut placed = Vec::new();
        for message in self.wire.round() {
            match message {
                Message::Place { node, by, place } => placed.push((by, place, node)),
                Message::Count { by, count } => first[by as usize + 1] = count,
                _ => {}
            }
        }
        for by in 1..first.len() {
            first[by] += first[by - 1];
        }
        self.width = first[first.len() - 1];
        self.layer.clear();
        self.layer.extend(placed.into_iter().map(|(by, place, node)| (first[by as usize] + place, node)));
        self.layer.sort_unstable();
    }

    /// Expands the layer, and sends what is found; with an `end`, only what comes before and at it, and nothing is
    /// sent again. Gives the limit that was reached.
    fn expand(
        &mut self,
        observer: &mut impl Observer<S>,
        end: Option<u64>,
    ) -> Result<Option<String>, SearchError> {
        let layer = std::mem::take(&mut self.layer);
        let result = self.expand_all(&layer, observer, end);
        self.layer = layer;
        result
    }

    fn expand_all(
        &mut self,
        layer: &[(u64, u32)],
        observer: &mut impl Observer<S>,
        end: Option<u64>,
    ) -> Result<Option<String>, SearchError> {
        self.sent = 0;
        let mut parent = Vec::new();
        let until = layer.iter().take_while(|(place, _)| end.is_none_or(|end| *place <= end));
        for (&(place, node), looked) in until.zip(0_u64..) {
            if end.is_none() && looked % LOOK == 0 {
                self.wire.work();
                if let Some(limit) = self.look() {
                    return Ok(Some(limit));
                }
            }
            let engine = &mut self.engine;
            let super::Node { state, slot, .. } = engine.nodes[node as usize];
            engine.stats.visited += 1;
            let profile = engine.infos[state as usize].profile;
            let n = engine.stepper.n(profile);
            parent.clear();
            parent.extend_from_slice(engine.zones.get(n, slot));
            observer.state(engine.states.get(state), &View::new(n, &parent));
            let mut outgoing = std::mem::take(self.recent.at(state));
            engine.bring(state, &parent, &mut outgoing, None)?;
            for (index, edge) in outgoing.edges.iter().enumerate() {
                if !self.engine.stepper.enable(profile, &parent, &edge.guard) {
                    continue;
                }
                let (target, owner) = match outgoing.targets[index] {
                    Some(known) => known,
                    None => {
                        let target = self.engine.stepper.profile(self.engine.system, &edge.target)?;
                        *outgoing.targets[index].insert((target, self.owner(&edge.target)))
                    }
                };
                let engine = &mut self.engine;
                if !engine.stepper.step(profile, &edge.clocks, target)? {
                    continue;
                }
                engine.stats.transitions += 1;
                observer.edge(engine.states.get(state), edge, &View::new(n, &engine.stepper.enabled));
                if end.is_some() {
                    continue;
                }
                let (edge_number, worker) = (outgoing.numbers[index], self.me());
                let first = First { layer: self.depth, place, edge: edge_number, worker, node };
                self.note_facts(edge.facts, first);
                let zone = self.engine.stepper.next.clone();
                let size = size_of::<Message<S::State, T, Vec<u8>>>() + size_of_val(&zone[..]);
                self.sent += (size + self.engine.system.heap_size(&edge.target)) as u64;
                let state = edge.target.clone();
                let found = Found { place, edge: edge_number, worker, parent: node, state, zone };
                self.wire.send(owner as usize, Message::Found(found));
            }
            *self.recent.at(state) = outgoing;
        }
        Ok(None)
    }

    fn note_facts(&mut self, facts: u64, first: First) {
        let mut left = facts;
        while left != 0 {
            let known = self.firsts.entry(left.trailing_zeros()).or_insert(first);
            *known = first.min(*known);
            left &= left - 1;
        }
    }

    /// The place at which the native search ends: by then each of the sets has a fact that was shown.
    fn end(&self, stop: &[u64]) -> Option<u64> {
        let first = |set: &u64| {
            let shown = self.firsts.iter().filter(|(bit, _)| set >> **bit & 1 != 0);
            shown.map(|(_, first)| *first).min()
        };
        let firsts: Option<Vec<First>> = stop.iter().map(first).collect();
        firsts?.into_iter().max().map(|first| first.place)
    }

    /// Adds what came, as far as it comes before the end, in the order in which the native search would have
    /// found it.
    fn add(
        &mut self,
        messages: Vec<Message<S::State, T, Vec<u8>>>,
        end: Option<u64>,
    ) -> Result<(), SearchError> {
        let mut found: Vec<Found<S::State, T>> = messages
            .into_iter()
            .filter_map(|message| match message {
                Message::Found(found) if end.is_none_or(|end| found.place <= end) => Some(found),
                _ => None,
            })
            .collect();
        found.sort_unstable_by_key(|found| (found.place, found.edge));
        self.new_from = self.engine.nodes.len();
        self.new_places.clear();
        // The layer before is expanded: none of it waits.
        (self.engine.cursor, self.engine.layer_end) = (self.new_from, self.new_from);
        for Found { place, edge, worker, parent, state, zone } in found {
            let state = self.engine.state_number(&state)?;
            self.engine.stepper.next.clear();
            self.engine.stepper.next.extend_from_slice(&zone);
            self.insert(state, (place, edge), (worker, parent))?;
        }
        self.sent = 0;
        Ok(())
    }

    /// The limit that is reached between two layers.
    fn exceeded(&self, all: &Status) -> Option<String> {
        let limits = self.options.limits;
        if let Some(most) = limits.states_max.filter(|most| all.stats[0] > *most) {
            return Some(Limits::of_count(most, "zones"));
        }
        limits.memory_max.filter(|most| all.memory > *most).map(Limits::of_memory)
    }

    /// The limit that is reached within a layer, as far as this worker knows.
    fn look(&mut self) -> Option<String> {
        let memory = self.memory() + self.elsewhere;
        let now = Instant::now();
        if now - self.reported >= PROGRESS_EVERY {
            self.reported = now;
            let peers = self.wire.peers() as u64;
            let (visited, queue) = (self.engine.stats.visited * peers, self.width);
            (self.options.progress)(&Progress { visited, queue, depth: self.depth, memory });
        }
        if self.options.cancel.load(Ordering::Relaxed) {
            return Some(Limits::INTERRUPT.to_owned());
        }
        let limits = self.options.limits;
        if limits.time_max.is_some_and(|most| now - self.began > most) {
            return Some(Limits::OF_TIME.to_owned());
        }
        limits.memory_max.filter(|most| memory > *most).map(Limits::of_memory)
    }

    fn memory(&self) -> u64 {
        let own = self.parents.capacity() * size_of::<u32>()
            + self.new_places.capacity() * size_of::<u64>()
            + self.layer.capacity() * size_of::<(u64, u32)>();
        self.engine.memory() + own as u64 + self.sent
    }

    /// The run to the first step with each fact. One step back on all of them is one round.
    fn witnesses(&mut self) -> BTreeMap<u32, Witness<S>> {
        let mut at: BTreeMap<u32, (u32, u32, u32)> =
            self.firsts.iter().map(|(bit, first)| (*bit, (first.worker, first.node, first.edge))).collect();
        let mut paths: BTreeMap<u32, Vec<(S::State, u32)>> = BTreeMap::new();
        while !at.is_empty() {
            for (&bit, &(worker, node, number)) in &at {
                if worker != self.me() {
                    continue;
                }
                let super::Node { state, parent, edge, .. } = self.engine.nodes[node as usize];
                let state = self.engine.states.get(state).clone();
                for to in 0..self.wire.peers() {
                    let (state, worker) = (state.clone(), self.parents[node as usize]);
                    let before = [worker, parent, edge & !COVERED];
                    self.wire.send(to, Message::Step { bit, state, number, before });
                }
            }
            for message in self.wire.round() {
                let Message::Step { bit, state, number, before: [worker, node, edge] } = message else {
                    continue;
                };
                paths.entry(bit).or_default().push((state, number));
                if worker == NONE {
                    at.remove(&bit);
                } else {
                    at.insert(bit, (worker, node, edge));
                }
            }
        }
        let witness = |(bit, path): (u32, Vec<(S::State, u32)>)| {
            (bit, self.engine.walk(path.iter().rev().map(|(state, number)| (state, *number)).collect()))
        };
        paths.into_iter().map(witness).collect()
    }
}
