//! A zone graph that is unfolded node by node, as far as somebody asks.
//!
//! For questions about sequences of steps, which a search that meets each node once does not answer. Zones
//! are told apart by equality. They are extrapolated, which adds no sequence of steps: what a widened zone
//! can do, some point of the zone it came from can do, too.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::step::Stepper;
use super::tables::Interner;
use super::{Extrapolation, SearchError};
use crate::time::zone::{self, GREATEST_CONSTANT};
use crate::time::{Edge, TimedSystem};

/// A step that some point of a node's zone allows.
pub struct Arc<L> {
    /// The number of the edge among all edges of the state.
    pub number: u32,
    pub label: L,
    pub facts: u64,
    pub to: u32,
}

struct Node<L> {
    state: u32,
    profile: u32,
    zone: Rc<[i64]>,
    arcs: Option<Rc<[Arc<L>]>>,
}

pub struct Unfolding<'s, S: TimedSystem> {
    system: &'s S,
    stepper: Stepper<i64>,
    states: Interner<S::State>,
    nodes: Vec<Node<S::Label>>,
    known: FxHashMap<(u32, Rc<[i64]>), u32>,
    edges: Vec<Edge<S::State, S::Label>>,
    /// Of every arc that was asked for.
    pub facts: u64,
    bytes: u64,
}

impl<'s, S: TimedSystem> Unfolding<'s, S> {
    /// # Errors
    /// The system can't be searched.
    pub fn new(system: &'s S) -> Result<Self, SearchError> {
        let constant = system.greatest_constant();
        if constant.unsigned_abs() > GREATEST_CONSTANT as u64 {
            return Err(SearchError::ConstantTooLarge(constant, GREATEST_CONSTANT));
        }
        Ok(Self {
            system,
            stepper: Stepper::new(system, Extrapolation::Lu, false),
            states: Interner::new(),
            nodes: Vec::new(),
            known: FxHashMap::default(),
            edges: Vec::new(),
            facts: 0,
            bytes: 0,
        })
    }

    /// The nodes that runs begin with.
    ///
    /// # Errors
    /// The system can't be searched.
    pub fn starts(&mut self) -> Result<Vec<u32>, SearchError> {
        let mut starts = Vec::new();
        for state in self.system.initial() {
            let profile = self.stepper.profile(self.system, &state)?;
            if self.stepper.first(profile)? {
                starts.push(self.intern(&state, profile));
            }
        }
        Ok(starts)
    }

    /// The steps out of a node.
    ///
    /// # Errors
    /// The system can't be searched.
    pub fn arcs(&mut self, node: u32) -> Result<Rc<[Arc<S::Label>]>, SearchError> {
        if let Some(arcs) = &self.nodes[node as usize].arcs {
            return Ok(arcs.clone());
        }
        let Node { state, profile, ref zone, .. } = self.nodes[node as usize];
        let zone = zone.clone();
        let mut edges = std::mem::take(&mut self.edges);
        edges.clear();
        self.system.edges(self.states.get(state), &mut edges);
        let mut arcs = Vec::new();
        for (number, edge) in (0..).zip(edges.drain(..)) {
            self.stepper.check_guard(profile, &edge.guard)?;
            if !self.stepper.enable(profile, &zone, &edge.guard) {
                continue;
            }
            let target = self.stepper.profile(self.system, &edge.target)?;
            if self.stepper.step(profile, &edge.clocks, target)? {
                let to = self.intern(&edge.target, target);
                self.facts |= edge.facts;
                arcs.push(Arc { number, label: edge.label, facts: edge.facts, to });
            }
        }
        self.edges = edges;
        let arcs: Rc<[_]> = arcs.into();
        self.bytes += size_of_val(&arcs[..]) as u64;
        self.nodes[node as usize].arcs = Some(arcs.clone());
        Ok(arcs)
    }

    fn intern(&mut self, state: &S::State, profile: u32) -> u32 {
        let (number, new) = self.states.intern(state);
        if new {
            self.bytes += (size_of::<S::State>() + self.system.heap_size(state)) as u64;
        }
        let key = (number, Rc::from(&self.stepper.next[..]));
        if let Some(node) = self.known.get(&key) {
            return *node;
        }
        let node = self.nodes.len() as u32;
        self.bytes += (size_of_val(&self.stepper.next[..]) + size_of::<Node<S::Label>>() + 64) as u64;
        self.nodes.push(Node { state: number, profile, zone: key.1.clone(), arcs: None });
        self.known.insert(key, node);
        node
    }

    /// The number of a node's state.
    pub fn state(&self, node: u32) -> u32 {
        self.nodes[node as usize].state
    }

    /// Whether both have the same state, and every point of the one is one of the other.
    pub fn is_inside(&self, inner: u32, outer: u32) -> bool {
        let (inner, outer) = (&self.nodes[inner as usize], &self.nodes[outer as usize]);
        inner.state == outer.state && zone::included(&inner.zone, &outer.zone)
    }

    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Bytes held, estimated.
    pub fn memory(&self) -> u64 {
        self.bytes + self.stepper.memory()
    }
}
