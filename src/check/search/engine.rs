//! The search itself: the table of nodes, what is known of each state, and the loop.

#[cfg(feature = "cluster")]
pub(in crate::check) mod shard;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::step::Stepper;
use super::tables::{Interner, UNKNOWN, ZonePools, push};
use super::{Observer, SearchError, SearchOptions, Starts, Subsumption};
use crate::check::verdict::SearchStats;
use crate::check::{Limits, Progress};
use crate::time::zone::{self, Scalar, View, Weights};
use crate::time::{Edge, Guard, Surplus, TimedSystem};

/// No parent, or no zone any more.
const NONE: u32 = u32::MAX;
/// In [`Node::edge`]: covered, but kept in the queue.
const COVERED: u32 = 1 << 31;
/// How many nodes are expanded between two looks at the limits.
const LOOK: u64 = 64;
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// How many states' edges are kept at hand: up to a hundred megabytes, and no more than an eighth of the memory
/// that there is.
const RECENT: usize = 1 << 15;
const RECENT_BYTES: u64 = 4 << 10;
/// So many states without clocks have the targets of their edges looked up together.
const AHEAD: usize = 8;

/// The edges of a state, and what is known of the target of each.
struct Outgoing<S: TimedSystem, K> {
    of: Option<u32>,
    edges: Vec<Edge<S::State, S::Label>>,
    /// Of each, its number among all edges of the state.
    numbers: Vec<u32>,
    targets: Vec<K>,
    /// The guards of the edges that are left out: the zones so far don't allow them.
    left_out: Vec<Guard>,
}

impl<S: TimedSystem, K> Default for Outgoing<S, K> {
    fn default() -> Self {
        Self { of: None, edges: Vec::new(), numbers: Vec::new(), targets: Vec::new(), left_out: Vec::new() }
    }
}

impl<S: TimedSystem, K> Outgoing<S, K> {
    fn memory(&self) -> u64 {
        let edges = self.edges.capacity() * size_of::<Edge<S::State, S::Label>>();
        let numbers = self.numbers.capacity() * size_of::<u32>() + self.targets.capacity() * size_of::<K>();
        (edges + numbers + self.left_out.capacity() * size_of::<Guard>()) as u64
    }
}

/// The edges of states that were met lately: zones of one state come close together, and its edges need not be
/// made for each.
struct Recent<S: TimedSystem, K> {
    list: Vec<Outgoing<S, K>>,
    places: usize,
}

impl<S: TimedSystem, K> Recent<S, K> {
    fn new(memory_max: Option<u64>) -> Self {
        let room = memory_max.map_or(RECENT, |most| (most / 8 / RECENT_BYTES) as usize);
        Self { list: Vec::new(), places: room.clamp(1, RECENT) }
    }

    /// Where a state's edges are, if they are at hand.
    fn at(&mut self, state: u32) -> &mut Outgoing<S, K> {
        let place = state as usize % self.places;
        if self.list.len() <= place {
            self.list.resize_with(place + 1, Outgoing::default);
        }
        &mut self.list[place]
    }
}

/// Nodes are numbered in the order found, which is the order of expansion.
struct Node {
    state: u32,
    /// Where its zone is.
    slot: u32,
    parent: u32,
    /// The number of the edge from the parent, among all edges of its state.
    edge: u32,
}

/// A node as its state knows it. The sums of the matrix (see [`zone::weights`]), or its hash where
/// only equality counts, keep most comparisons away from the matrix.
struct Known {
    key: Weights,
    surplus: Surplus,
    node: u32,
    slot: u32,
}

#[derive(Clone, Copy)]
struct StateInfo {
    profile: u32,
    /// Of a state without clocks that is alone in its family: its node, or [`NONE`]. Of any other, with
    /// [`LISTED`]: the number of its entry in the lists.
    known: u32,
}

/// In [`StateInfo::known`].
const LISTED: u32 = 1 << 31;

impl StateInfo {
    /// Whether it has no clocks, and is compared with no other state.
    fn is_alone(self) -> bool {
        self.known == NONE || self.known & LISTED == 0
    }
}

struct Listed {
    /// The list that its zones are in: that of the state that is the same without surplus.
    family: usize,
    surplus: Surplus,
    /// Some run reaches it: it may have a number only because an edge names it.
    reached: bool,
    /// The zones of the family.
    known: SmallVec<[Known; 1]>,
}

/// Is told of every transition with the numbers of its two nodes.
pub(in crate::check) trait Arcs<L> {
    fn arc(&mut self, _from: usize, _to: usize, _number: u32, _label: &L) {}

    fn memory(&self) -> u64 {
        0
    }
}

impl<L> Arcs<L> for () {}

pub(super) struct Engine<'s, S: TimedSystem, T: Scalar> {
    pub(super) system: &'s S,
    pub(super) stepper: Stepper<T>,
    states: Interner<S::State>,
    infos: Vec<StateInfo>,
    lists: Vec<Listed>,
    zones: ZonePools<T>,
    found_targets: Vec<u32>,
    nodes: Vec<Node>,
    /// For each fact, the node and the number of the edge that first showed it.
    found: [Option<(u32, u32)>; 64],
    pub facts: u64,
    pub stats: SearchStats,
    subsumption: Subsumption,
    compares_surplus: bool,
    keep_shortest: bool,
    /// The next node to expand, and the first one of the next layer.
    cursor: usize,
    layer_end: usize,
    /// Entries of lists of known nodes that did not fit inside.
    spilled: u64,
    /// What the states hold on the heap.
    heap: u64,
    /// What the edges hold that are kept at hand.
    at_hand: u64,
}

impl<'s, S: TimedSystem, T: Scalar> Engine<'s, S, T> {
    pub fn new(system: &'s S, options: &SearchOptions) -> Self {
        Self {
            system,
            stepper: Stepper::new(system, options.extrapolation, options.symmetry),
            states: Interner::new(),
            infos: Vec::new(),
            lists: Vec::new(),
            zones: ZonePools::new(),
            found_targets: Vec::new(),
            nodes: Vec::new(),
            found: [None; 64],
            facts: 0,
            stats: SearchStats::default(),
            subsumption: options.subsumption,
            compares_surplus: options.surplus && options.subsumption == Subsumption::Inclusion,
            keep_shortest: options.keep_shortest,
            cursor: 0,
            layer_end: 0,
            spilled: 0,
            heap: 0,
            at_hand: 0,
        }
    }

    /// Adds the nodes to start from, and gives their numbers.
    pub fn start(&mut self, starts: Starts<S>) -> Result<Vec<usize>, SearchError> {
        let mut numbers = Vec::new();
        match starts {
            Starts::Initial => {
                for state in self.system.initial() {
                    let state = self.state_number(&state)?;
                    if self.stepper.first(self.infos[state as usize].profile)? {
                        numbers.push(self.insert(state, NONE, 0)? as usize);
                    }
                }
            }
            Starts::At(nodes) => {
                for (state, zone) in nodes {
                    let state = self.state_number(&state)?;
                    self.stepper.next.clear();
                    for entry in zone.entries() {
                        self.stepper.next.push(match entry.decode() {
                            Some((bound, _)) if bound.abs() > T::CEILING => {
                                return Err(SearchError::Diverged);
                            }
                            Some((bound, strict)) => T::encode(bound, strict),
                            None => T::INFINITY,
                        });
                    }
                    let n = self.stepper.n(self.infos[state as usize].profile);
                    assert_eq!(self.stepper.next.len(), n * n, "the zone has the clocks of the state");
                    numbers.push(self.insert(state, NONE, 0)? as usize);
                }
            }
        }
        self.layer_end = self.nodes.len();
        Ok(numbers)
    }

    /// Explores along the edges to keep, until nothing is left or a limit is reached.
    pub fn run(
        &mut self,
        options: &SearchOptions,
        observer: &mut impl Observer<S>,
        arcs: &mut impl Arcs<S::Label>,
        mut keep: impl FnMut(&Edge<S::State, S::Label>) -> bool,
    ) -> Result<(), SearchError> {
        let began = Instant::now();
        self.stats.stopped_by = None;
        let mut reported = began;
        let mut recent = Recent::new(options.limits.memory_max);
        let mut ahead: Vec<Outgoing<S, u32>> = Vec::new();
        let mut parent = Vec::new();
        let mut looked = 0;
        while self.cursor < self.nodes.len() {
            if self.cursor == self.layer_end {
                if options.depth_max.is_some_and(|most| self.stats.depth + 1 >= most) {
                    self.stats.stopped_by = Some("the limit of depth".to_owned());
                    break;
                }
                self.stats.depth += 1;
                self.layer_end = self.nodes.len();
            }
            let Node { state, slot, .. } = self.nodes[self.cursor];
            if slot == NONE {
                self.cursor += 1;
                continue;
            }
            if self.stats.visited >= looked {
                looked = self.stats.visited + LOOK;
                let now = Instant::now();
                if now - reported >= PROGRESS_EVERY {
                    reported = now;
                    (options.progress)(&self.progress(arcs));
                }
                if let Some(limit) = self.exhausted(options, now - began, arcs) {
                    self.stats.stopped_by = Some(limit);
                    break;
                }
            }
            if let Some(most) = options.limits.states_max.filter(|most| self.stats.stored > *most) {
                self.stats.stopped_by = Some(Limits::of_count(most, "zones"));
                break;
            }
            self.stats.visited += 1;
            let profile = self.infos[state as usize].profile;
            let n = self.stepper.n(profile);
            parent.clear();
            parent.extend_from_slice(self.zones.get(n, slot));
            if self.nodes[self.cursor].edge & COVERED != 0 {
                self.drop_zone(self.cursor, n);
            }
            observer.state(self.states.get(state), &View::new(n, &parent));
            let outgoing = if n == 1 {
                if ahead.first().is_none_or(|outgoing| outgoing.of != Some(state)) {
                    self.look_ahead(&mut ahead)?;
                }
                assert_eq!(ahead[0].of, Some(state), "these are the edges of this state");
                &mut ahead[0]
            } else {
                let outgoing = recent.at(state);
                self.bring(state, &parent, outgoing, UNKNOWN)?;
                outgoing
            };
            for (index, edge) in outgoing.edges.iter().enumerate() {
                let number = outgoing.numbers[index];
                if !keep(edge) || n > 1 && !self.stepper.enable(profile, &parent, &edge.guard) {
                    continue;
                }
                if outgoing.targets[index] == UNKNOWN {
                    outgoing.targets[index] = self.state_number(&edge.target)?;
                }
                let target = outgoing.targets[index];
                let info = self.infos[target as usize];
                // Between states without clocks there is nothing to compute.
                let free = n == 1 && edge.guard.is_empty() && info.profile == profile && info.is_alone();
                if !free
                    && (n == 1 && !self.stepper.enable(profile, &parent, &edge.guard)
                        || !self.stepper.step(profile, &edge.clocks, info.profile)?)
                {
                    continue;
                }
                self.stats.transitions += 1;
                let enabled = if free { &parent } else { &self.stepper.enabled };
                observer.edge(self.states.get(state), edge, &View::new(n, enabled));
                self.note_facts(edge.facts, number);
                let to = self.insert(target, self.cursor as u32, number)?;
                arcs.arc(self.cursor, to as usize, number, &edge.label);
            }
            if n == 1 {
                // Its room is used again.
                ahead.rotate_left(1);
                ahead.last_mut().expect("it was there").of = None;
            }
            self.cursor += 1;
            if options.stop_at & self.facts != 0 {
                self.stats.stopped_by = Some("the first violation".to_owned());
                break;
            }
        }
        self.at_hand = 0;
        self.stats.complete = self.cursor == self.nodes.len();
        self.stats.states = self.states().count() as u64;
        self.stats.seconds += began.elapsed().as_secs_f64();
        Ok(())
    }

    /// Lists the edges of the state at the cursor, and of those next to it as far as they have no clocks
    /// either; and looks their targets up.
    fn look_ahead(&mut self, ahead: &mut Vec<Outgoing<S, u32>>) -> Result<(), SearchError> {
        ahead.resize_with(AHEAD, Outgoing::default);
        let mut count = 0;
        for node in self.cursor..self.nodes.len().min(self.cursor + AHEAD) {
            let Node { state, slot, .. } = self.nodes[node];
            // That at the cursor may have been covered meanwhile, and is expanded all the same.
            let covered = slot == NONE && node > self.cursor;
            if covered || self.stepper.n(self.infos[state as usize].profile) > 1 {
                break;
            }
            self.list_edges(state, None, &mut ahead[count])?;
            count += 1;
        }
        let targets =
            ahead[..count].iter().flat_map(|outgoing| outgoing.edges.iter().map(|edge| &edge.target));
        self.states.find_all(targets, &mut self.found_targets);
        let mut found = &self.found_targets[..];
        for outgoing in &mut ahead[..count] {
            let (here, rest) = found.split_at(outgoing.edges.len());
            outgoing.targets.extend_from_slice(here);
            found = rest;
        }
        Ok(())
    }

    /// Sees to it that the edges of a state are at hand that a zone may allow. `unknown`: what is known of the target
    /// of a new one.
    fn bring<K: Clone>(
        &mut self,
        state: u32,
        zone: &[T],
        outgoing: &mut Outgoing<S, K>,
        unknown: K,
    ) -> Result<(), SearchError> {
        let before = outgoing.memory();
        let profile = self.infos[state as usize].profile;
        let lacks = |guard: &Guard| self.stepper.may_enable(profile, zone, guard);
        if outgoing.of != Some(state) {
            self.list_edges(state, Some(zone), outgoing)?;
        } else if outgoing.left_out.iter().any(lacks) {
            self.list_edges(state, None, outgoing)?;
        }
        outgoing.targets.resize(outgoing.edges.len(), unknown);
        self.at_hand += outgoing.memory() - before;
        Ok(())
    }

    /// The edges of a state that a zone may allow, or all where none is given; their targets are still to be
    /// found.
    fn list_edges<K>(
        &self,
        state: u32,
        zone: Option<&[T]>,
        outgoing: &mut Outgoing<S, K>,
    ) -> Result<(), SearchError> {
        let Outgoing { of, edges, numbers, targets, left_out } = outgoing;
        *of = Some(state);
        edges.clear();
        numbers.clear();
        targets.clear();
        left_out.clear();
        let profile = self.infos[state as usize].profile;
        if let Some(zone) = zone {
            let mut number = 0;
            let mut possible = |guard: &Guard| {
                let possible = self.stepper.may_enable(profile, zone, guard);
                if possible {
                    numbers.push(number);
                } else {
                    left_out.push(guard.clone());
                }
                number += 1;
                possible
            };
            self.system.possible_edges(self.states.get(state), &mut possible, edges);
        } else {
            self.system.edges(self.states.get(state), edges);
            numbers.extend(0..edges.len() as u32);
        }
        for guard in edges.iter().map(|edge| &edge.guard).chain(left_out.iter()) {
            self.stepper.check_guard(profile, guard)?;
        }
        if edges.len() + left_out.len() >= COVERED as usize {
            return Err(SearchError::TooMany);
        }
        Ok(())
    }

    fn state_number(&mut self, state: &S::State) -> Result<u32, SearchError> {
        let (id, new) = self.states.intern(state);
        if !new {
            return Ok(id);
        }
        self.add_info(state, id)?;
        if self.compares_surplus {
            let (without, surplus) = self.system.without_surplus(state);
            if without != *state {
                let (family, new) = self.states.intern(&without);
                if new {
                    self.add_info(&without, family)?;
                }
                let list = self.list_of(id);
                self.lists[list].surplus = surplus;
                // Zones over other clocks, or of other bounds, are none to compare with.
                if self.infos[family as usize].profile == self.infos[id as usize].profile {
                    self.lists[list].family = self.list_of(family);
                }
            }
        }
        Ok(id)
    }

    fn add_info(&mut self, state: &S::State, id: u32) -> Result<(), SearchError> {
        self.heap += self.system.heap_size(state) as u64;
        let profile = self.stepper.profile(self.system, state)?;
        push(&mut self.infos, StateInfo { profile, known: NONE });
        if self.stepper.n(profile) > 1 {
            self.list_of(id);
        }
        Ok(())
    }

    /// The number of the list of a state; it has one from now on.
    fn list_of(&mut self, state: u32) -> usize {
        let known = self.infos[state as usize].known;
        if !self.infos[state as usize].is_alone() {
            return (known & !LISTED) as usize;
        }
        let mut list = SmallVec::new();
        if known != NONE {
            let slot = self.nodes[known as usize].slot;
            let key = self.key(self.zones.get(1, slot));
            list.push(Known { key, surplus: Surplus::default(), node: known, slot });
        }
        let number = self.lists.len();
        self.infos[state as usize].known = LISTED | number as u32;
        let surplus = Surplus::default();
        push(&mut self.lists, Listed { family: number, surplus, reached: known != NONE, known: list });
        number
    }

    /// What tells most zones apart from another one, or from those that might hold it.
    fn key(&self, zone: &[T]) -> Weights {
        match self.subsumption {
            Subsumption::Equality => [hash(zone), 0, 0, 0],
            Subsumption::Inclusion => zone::weights(zone),
        }
    }

    /// Adds the zone in `stepper.next`, unless it is known; gives the node that stands for it.
    fn insert(&mut self, state: u32, parent: u32, edge: u32) -> Result<u32, SearchError> {
        let StateInfo { profile, known } = self.infos[state as usize];
        if known == NONE {
            let node = self.add_node(state, 1, parent, edge)?;
            self.infos[state as usize].known = node;
            return Ok(node);
        }
        if known & LISTED == 0 {
            self.stats.covered += 1;
            return Ok(known);
        }
        let number = (known & !LISTED) as usize;
        let Listed { family, surplus, .. } = self.lists[number];
        let n = self.stepper.n(profile);
        let zone = &self.stepper.next[..];
        // Without a way out after each number the compiler compares several at once.
        let no_less = |a: &Surplus, b: &Surplus| a.iter().zip(b).fold(true, |all, (a, b)| all & (a >= b));
        // The last that held another one holds most.
        if self.subsumption == Subsumption::Inclusion
            && let Some(known) = self.lists[family].known.first()
            && no_less(&known.surplus, &surplus)
            && zone::included(zone, self.zones.get(n, known.slot))
        {
            self.stats.covered += 1;
            return Ok(known.node);
        }
        let key = self.key(zone);
        let list = &mut self.lists[family].known;
        let before = list.len();
        match self.subsumption {
            Subsumption::Equality => {
                let same = |known: &&Known| known.key == key && self.zones.get(n, known.slot) == zone;
                if let Some(known) = list.iter().find(same) {
                    self.stats.covered += 1;
                    return Ok(known.node);
                }
            }
            Subsumption::Inclusion => {
                let no_more =
                    |a: &Weights, b: &Weights| a.iter().zip(b).fold(true, |all, (a, b)| all & (a <= b));
                let mut at = 0;
                while let Some(known) = list.get(at) {
                    if no_more(&key, &known.key)
                        && no_less(&known.surplus, &surplus)
                        && zone::included(zone, self.zones.get(n, known.slot))
                    {
                        self.stats.covered += 1;
                        let node = known.node;
                        list.swap(at, 0);
                        return Ok(node);
                    }
                    if no_more(&known.key, &key)
                        && no_less(&surplus, &known.surplus)
                        && zone::included(self.zones.get(n, known.slot), zone)
                    {
                        self.stats.covered += 1;
                        self.stats.stored -= 1;
                        let known = list.swap_remove(at);
                        let node = &mut self.nodes[known.node as usize];
                        // Still waiting, in the layer that is being expanded: fewer steps away.
                        let waits = (self.cursor + 1..self.layer_end).contains(&(known.node as usize));
                        if self.keep_shortest && waits {
                            node.edge |= COVERED;
                        } else {
                            self.zones.remove(n, node.slot);
                            node.slot = NONE;
                        }
                        continue;
                    }
                    at += 1;
                }
            }
        }
        let node = self.add_node(state, n, parent, edge)?;
        let list = &mut self.lists[family].known;
        list.push(Known { key, surplus, node, slot: self.nodes[node as usize].slot });
        if list.len() > before && list.spilled() {
            self.spilled += 1;
        }
        self.lists[number].reached = true;
        Ok(node)
    }

    /// Adds a node with the zone in `stepper.next`.
    fn add_node(&mut self, state: u32, n: usize, parent: u32, edge: u32) -> Result<u32, SearchError> {
        if self.nodes.len() >= LISTED as usize {
            return Err(SearchError::TooMany);
        }
        let node = self.nodes.len() as u32;
        let zone = if n == 1 { &[T::ZERO] } else { &self.stepper.next[..] };
        let slot = self.zones.insert(n, zone);
        push(&mut self.nodes, Node { state, slot, parent, edge });
        self.stats.stored += 1;
        Ok(node)
    }

    fn drop_zone(&mut self, node: usize, n: usize) {
        let node = &mut self.nodes[node];
        self.zones.remove(n, node.slot);
        node.slot = NONE;
    }

    fn note_facts(&mut self, facts: u64, number: u32) {
        let mut new = facts & !self.facts;
        self.facts |= facts;
        while new != 0 {
            self.found[new.trailing_zeros() as usize] = Some((self.cursor as u32, number));
            new &= new - 1;
        }
    }

    fn progress(&self, arcs: &impl Arcs<S::Label>) -> Progress {
        Progress {
            visited: self.stats.visited,
            queue: (self.nodes.len() - self.cursor) as u64,
            depth: self.stats.depth,
            memory: self.memory() + arcs.memory(),
        }
    }

    /// The limit that is reached, other than the number of states.
    fn exhausted(
        &self,
        options: &SearchOptions,
        spent: Duration,
        arcs: &impl Arcs<S::Label>,
    ) -> Option<String> {
        if options.cancel.load(Ordering::Relaxed) {
            return Some(Limits::INTERRUPT.to_owned());
        }
        let limits = options.limits;
        if limits.time_max.is_some_and(|most| spent > most) {
            return Some(Limits::OF_TIME.to_owned());
        }
        let memory = self.memory() + arcs.memory();
        limits.memory_max.filter(|most| memory > *most).map(Limits::of_memory)
    }

    /// Bytes held by the tables.
    pub fn memory(&self) -> u64 {
        let nodes =
            self.nodes.capacity() * size_of::<Node>() + self.infos.capacity() * size_of::<StateInfo>();
        let lists = (self.lists.capacity() * size_of::<Listed>()) as u64;
        // A list that grows holds up to twice what is in it.
        let lists = lists + self.spilled * 2 * size_of::<Known>() as u64;
        let states = self.heap + self.states.memory();
        nodes as u64 + lists + states + self.zones.memory() + self.stepper.memory() + self.at_hand
    }

    /// The states that were reached.
    pub fn states(&self) -> impl Iterator<Item = &S::State> {
        let reached = |known| match known {
            NONE => false,
            _ if known & LISTED != 0 => self.lists[(known & !LISTED) as usize].reached,
            _ => true,
        };
        self.states.all().iter().zip(&self.infos).filter(move |(_, info)| reached(info.known)).map(|(s, _)| s)
    }

    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// State and zone of a node; none when it was covered later.
    pub fn stored(&self, node: usize) -> Option<(&S::State, usize, &[T])> {
        let Node { state, slot, edge, .. } = self.nodes[node];
        if slot == NONE || edge & COVERED != 0 {
            return None;
        }
        let n = self.stepper.n(self.infos[state as usize].profile);
        Some((self.states.get(state), n, self.zones.get(n, slot)))
    }

    /// The steps to the edge that first showed a fact: states, and edge numbers.
    pub(super) fn path(&self, bit: u32) -> Option<Vec<(&S::State, u32)>> {
        let (node, number) = (*self.found.get(bit as usize)?)?;
        Some(self.path_through(node, number))
    }

    /// The steps to a node, and then along this edge of it.
    pub(super) fn path_through(&self, mut node: u32, mut number: u32) -> Vec<(&S::State, u32)> {
        let mut steps = Vec::new();
        while node != NONE {
            let Node { state, parent, edge, .. } = self.nodes[node as usize];
            steps.push((self.states.get(state), number));
            (node, number) = (parent, edge & !COVERED);
        }
        steps.reverse();
        steps
    }

    /// The steps to a node. None for a node that is not there.
    pub(super) fn path_to_node(&self, node: usize) -> Option<Vec<(&S::State, u32)>> {
        let Node { parent, edge, .. } = *self.nodes.get(node)?;
        Some(if parent == NONE { Vec::new() } else { self.path_through(parent, edge & !COVERED) })
    }
}

fn hash<T: Scalar>(zone: &[T]) -> i64 {
    let step =
        |hash: u64, entry: &T| (hash.rotate_left(5) ^ entry.bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    zone.iter().fold(0, step) as i64
}
