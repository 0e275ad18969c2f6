//! Behaviours: the sequences of events that one system can show and another one cannot.
//!
//! An event is a row of a run: who does what and sees what, without its moment, without the name of the
//! model's state, and with an attempt known by its request only. Every step is an event, none is hidden.
//! Times decide what is possible; they are no part of what is compared.
//!
//! A sequence is new where no run of the other system shows it, whatever its moments. So the one system
//! is searched together with the set of all places in which the other one can be after the same events
//! (a subset construction, on the fly, over zones): where that set becomes empty, the events so far are a
//! shortest sequence that is new. What is found is told with moments, taken again by the concrete
//! semantics, and then sought in the other system by the ordinary search, which must not find it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::check::search::{SearchError, SearchOptions, Unfolding, explore};
use crate::check::verdict::{Step, grouped};
use crate::check::{Limits, trace};
use crate::system::world::{Packed, World};
use crate::system::{System, facts};
use crate::time::{Constraint, Edge, Interchangeable, TimedSystem, Timing};

/// What one system can do that another one cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "found")]
pub enum Behaviour {
    /// Nothing: every sequence of events of the one is one of the other.
    Nothing,
    /// A shortest sequence of events that the other one has no run for, as a run of this one. Its last step
    /// is what makes it new.
    New { steps: Vec<Step> },
    /// A limit came first. No sequence of up to so many events is new.
    Unknown { up_to: u32, stopped_by: String },
}

/// What can happen in `system` and not in `other`.
///
/// # Errors
/// One of them can't be searched; or what was found is possible in the other after all, or can't be taken
/// again, which is a fault of this program and said so.
pub fn new_behaviour(
    system: &System,
    other: &System,
    limits: &Limits,
    cancel: &AtomicBool,
) -> Result<Behaviour, String> {
    let most: Vec<u8> = system.requests().iter().zip(other.requests()).map(|(a, b)| b.max(*a)).collect();
    let most = [most[0], most[1], most[2]];
    let named = |system: &System| system.clone().without_counts().with_names_for(most);
    let (system, other) = (named(system), named(other));
    let events = RefCell::new(Events::default());
    let (this, that) =
        (Visible { system: &system, events: &events }, Visible { system: &other, events: &events });
    let deadline = limits.time_max.and_then(|most| Instant::now().checked_add(most));
    let stopped = |error: SearchError| error.to_string();
    let mut race = Race::new(&this, &that).map_err(stopped)?;
    let path = match race.run(limits, deadline, cancel).map_err(stopped)? {
        End::Found(path) => path,
        End::Nothing => return Ok(Behaviour::Nothing),
        End::Stopped { up_to, by } => return Ok(Behaviour::Unknown { up_to, stopped_by: by }),
    };
    let up_to = path.len() as u32 - 1;
    drop(race);
    let edges: Vec<u32> = path.iter().map(|(_, number)| *number).collect();
    let Some(steps) = trace::tell(&system, &edges) else {
        return Err("the new behaviour that was found has no moments: please report this".to_owned());
    };
    trace::take_again(&system, &steps).map_err(|error| {
        format!("the new behaviour that was found cannot be taken again ({error}): please report this")
    })?;
    let word: Vec<u32> = path.iter().map(|(event, _)| *event).collect();
    let left = Limits {
        time_max: deadline.map(|end| end.saturating_duration_since(Instant::now())),
        ..limits.clone()
    };
    let options =
        SearchOptions { symmetry: false, surplus: false, limits: &left, cancel, ..SearchOptions::default() };
    let reading = Reading { visible: &that, word: &word };
    let read = explore(&reading, &options, &mut ()).map_err(stopped)?;
    if read.facts() != 0 {
        return Err("the new behaviour that was found was possible before: please report this".to_owned());
    }
    if let Some(by) = &read.stats().stopped_by {
        return Ok(Behaviour::Unknown { up_to, stopped_by: by.clone() });
    }
    Ok(Behaviour::New { steps })
}

/// Events by their texts, each with a number.
#[derive(Default)]
struct Events(FxHashMap<String, u32>);

impl Events {
    fn number(&mut self, text: String) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(text).or_insert(next)
    }
}

/// A world as it is stored, with whose each part is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Named {
    packed: Packed,
    requests: SmallVec<[u8; 16]>,
}

impl Named {
    fn of(world: &mut World) -> Named {
        Named { packed: world.pack(), requests: world.requests() }
    }

    fn world(&self) -> World {
        let mut world = World::unpack(&self.packed);
        world.set_requests(&self.requests);
        world
    }
}

/// What is seen of a step.
#[derive(Clone, Copy, Debug)]
struct Seen {
    event: u32,
    fault: bool,
}

/// A system whose steps are events.
struct Visible<'s> {
    system: &'s System,
    events: &'s RefCell<Events>,
}

impl TimedSystem for Visible<'_> {
    type State = Named;
    type Label = Seen;

    fn initial(&self) -> Vec<Named> {
        vec![Named::of(&mut self.system.initial_world())]
    }

    fn clock_count(&self, state: &Named) -> usize {
        self.system.clock_count(&state.packed)
    }

    fn invariant(&self, state: &Named, out: &mut Vec<Constraint>) {
        self.system.invariant(&state.packed, out);
    }

    fn edges(&self, state: &Named, out: &mut Vec<Edge<Named, Seen>>) {
        let world = state.world();
        let mut steps = Vec::new();
        self.system.steps(&world, &mut steps);
        for mut step in steps {
            let event = self.events.borrow_mut().number(self.system.event(&world, &step));
            let label = Seen { event, fault: step.label.is_fault() };
            let clocks = step.world.number_clocks();
            let (guard, facts, target) = (step.guard, step.facts, Named::of(&mut step.world));
            out.push(Edge { label, guard, clocks, target, facts });
        }
    }

    fn bounds(&self, state: &Named, lower: &mut [i64], upper: &mut [i64]) {
        self.system.bounds(&state.packed, lower, upper);
    }

    /// Parts that have names are not alike.
    fn interchangeable(&self, _state: &Named) -> Vec<Interchangeable> {
        Vec::new()
    }

    fn timing(&self, state: &Named, out: &mut Timing) {
        self.system.timing(&state.packed, out);
        out.groups.clear();
    }

    fn greatest_constant(&self) -> i64 {
        self.system.greatest_constant()
    }

    fn heap_size(&self, state: &Named) -> usize {
        self.system.heap_size(&state.packed)
    }

    fn clocks_max(&self) -> usize {
        self.system.clocks_max()
    }
}

/// A system that does what a sequence of events says, and nothing else.
struct Reading<'a, 's> {
    visible: &'a Visible<'s>,
    word: &'a [u32],
}

impl TimedSystem for Reading<'_, '_> {
    type State = (Named, u32);
    type Label = Seen;

    fn initial(&self) -> Vec<Self::State> {
        self.visible.initial().into_iter().map(|state| (state, 0)).collect()
    }

    fn clock_count(&self, state: &Self::State) -> usize {
        self.visible.clock_count(&state.0)
    }

    fn invariant(&self, state: &Self::State, out: &mut Vec<Constraint>) {
        self.visible.invariant(&state.0, out);
    }

    /// The last event is the fact that the search is to find.
    fn edges(&self, state: &Self::State, out: &mut Vec<Edge<Self::State, Seen>>) {
        let Some(wanted) = self.word.get(state.1 as usize) else { return };
        let mut edges = Vec::new();
        self.visible.edges(&state.0, &mut edges);
        let read = state.1 + 1;
        let facts = u64::from(read as usize == self.word.len());
        out.extend(edges.into_iter().filter(|edge| edge.label.event == *wanted).map(|edge| {
            let Edge { label, guard, clocks, target, .. } = edge;
            Edge { label, guard, clocks, target: (target, read), facts }
        }));
    }

    fn bounds(&self, state: &Self::State, lower: &mut [i64], upper: &mut [i64]) {
        self.visible.bounds(&state.0, lower, upper);
    }

    fn greatest_constant(&self) -> i64 {
        self.visible.greatest_constant()
    }

    fn heap_size(&self, state: &Self::State) -> usize {
        self.visible.heap_size(&state.0)
    }

    fn clocks_max(&self) -> usize {
        self.visible.clocks_max()
    }
}

/// A node of the one system, and where the other one can be after the same events.
struct Pair {
    node: u32,
    set: u32,
    parent: u32,
    /// The number of the edge that led here, and its event.
    number: u32,
    event: u32,
    depth: u32,
    faults: u32,
}

/// How the search ended.
enum End {
    /// Event and number of the edge of each step.
    Found(Vec<(u32, u32)>),
    Nothing,
    Stopped {
        up_to: u32,
        by: String,
    },
}

/// What a search can't hold it leaves out: then there are behaviours that it does not know.
const LEFT_OUT: u64 = facts::FLIGHT_LIMIT | facts::FLIGHT_LEFT_OUT | facts::JOB_LIMIT;
/// What ends a search that left something out.
const TOO_MANY: &str = "more calls or actions under way than the search can hold";
/// How many pairs are expanded between two looks at the limits.
const LOOK: usize = 16;
const NONE: u32 = u32::MAX;

/// The two systems, event by event.
struct Race<'a, 's> {
    this: Unfolding<'a, Visible<'s>>,
    that: Unfolding<'a, Visible<'s>>,
    /// Sets of nodes of `that`, sorted; the first is the empty one.
    sets: Vec<Rc<[u32]>>,
    numbers: FxHashMap<Rc<[u32]>, u32>,
    /// Where an event leads from a set.
    leads: FxHashMap<(u32, u32), u32>,
    pairs: Vec<Pair>,
    /// For each state of `this`, the pairs that were met: no pair makes another one superfluous.
    met: FxHashMap<u32, Vec<(u32, u32)>>,
    bytes: u64,
}

impl<'a, 's> Race<'a, 's> {
    fn new(this: &'a Visible<'s>, that: &'a Visible<'s>) -> Result<Self, SearchError> {
        let mut race = Race {
            this: Unfolding::new(this)?,
            that: Unfolding::new(that)?,
            sets: Vec::new(),
            numbers: FxHashMap::default(),
            leads: FxHashMap::default(),
            pairs: Vec::new(),
            met: FxHashMap::default(),
            bytes: 0,
        };
        race.set(Vec::new());
        let starts = race.that.starts()?;
        let set = race.set(starts);
        for node in race.this.starts()? {
            race.meet(Pair { node, set, parent: NONE, number: 0, event: 0, depth: 0, faults: 0 });
        }
        Ok(race)
    }

    /// The number of a set, without what lies inside something else of it.
    fn set(&mut self, mut nodes: Vec<u32>) -> u32 {
        nodes.sort_unstable();
        nodes.dedup();
        // Only nodes of one state can be inside one another.
        let mut of_state: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for node in &nodes {
            of_state.entry(self.that.state(*node)).or_default().push(*node);
        }
        let inside = |node: &u32| {
            let others = &of_state[&self.that.state(*node)];
            others.iter().any(|other| other != node && self.that.is_inside(*node, *other))
        };
        let kept: Rc<[u32]> = nodes.iter().copied().filter(|node| !inside(node)).collect();
        if let Some(number) = self.numbers.get(&kept) {
            return *number;
        }
        let number = self.sets.len() as u32;
        self.bytes += size_of_val(&kept[..]) as u64 + 96;
        self.sets.push(kept.clone());
        self.numbers.insert(kept, number);
        number
    }

    fn after(&mut self, set: u32, event: u32) -> Result<u32, SearchError> {
        if let Some(known) = self.leads.get(&(set, event)) {
            return Ok(*known);
        }
        let mut nodes = Vec::new();
        for node in self.sets[set as usize].clone().iter() {
            let arcs = self.that.arcs(*node)?;
            nodes.extend(arcs.iter().filter(|arc| arc.label.event == event).map(|arc| arc.to));
        }
        let after = self.set(nodes);
        self.bytes += 32;
        self.leads.insert((set, event), after);
        Ok(after)
    }

    /// Notes a pair, unless one that is known shows all that it can show: it can do as much, and the other
    /// system no more.
    fn meet(&mut self, pair: Pair) {
        let fewer = |less: &[u32], more: &[u32]| {
            let mut more = more.iter();
            less.iter().all(|node| more.by_ref().any(|other| other == node))
        };
        let met = self.met.entry(self.this.state(pair.node)).or_default();
        let superfluous = met.iter().any(|(node, set)| {
            (*node == pair.node || self.this.is_inside(pair.node, *node))
                && (*set == pair.set || fewer(&self.sets[*set as usize], &self.sets[pair.set as usize]))
        });
        if !superfluous {
            met.push((pair.node, pair.set));
            self.bytes += size_of::<Pair>() as u64 + 16;
            self.pairs.push(pair);
        }
    }

    fn run(
        &mut self,
        limits: &Limits,
        deadline: Option<Instant>,
        cancel: &AtomicBool,
    ) -> Result<End, SearchError> {
        // Of the shortest sequences, the one with the fewest faults.
        let mut best: Option<(u32, usize, u32, u32)> = None;
        // Of sequences longer than this, some may be left out.
        let mut whole_up_to = u32::MAX;
        let mut at = 0;
        while at < self.pairs.len() {
            let Pair { node, set, depth, faults, .. } = self.pairs[at];
            if best.is_some_and(|(_, parent, ..)| self.pairs[parent].depth < depth) {
                break;
            }
            if at % LOOK == 0
                && let Some(by) = self.limit(limits, deadline, cancel)
            {
                // What was found is as short as any; another one might have fewer faults.
                if best.is_some() {
                    break;
                }
                return Ok(End::Stopped { up_to: depth.min(whole_up_to), by });
            }
            let arcs = self.this.arcs(node)?;
            if self.this.facts & LEFT_OUT != 0 {
                whole_up_to = whole_up_to.min(depth);
            }
            for arc in arcs.iter() {
                let Seen { event, fault } = arc.label;
                let faults = faults + u32::from(fault);
                let after = self.after(set, event)?;
                if after != 0 {
                    let (parent, number, depth) = (at as u32, arc.number, depth + 1);
                    self.meet(Pair { node: arc.to, set: after, parent, number, event, depth, faults });
                } else if best.is_none_or(|(fewest, ..)| faults < fewest) {
                    best = Some((faults, at, arc.number, event));
                }
            }
            at += 1;
        }
        let Some((_, parent, number, event)) = best else {
            return Ok(match whole_up_to {
                u32::MAX => End::Nothing,
                up_to => End::Stopped { up_to, by: TOO_MANY.to_owned() },
            });
        };
        let up_to = self.pairs[parent].depth;
        if self.that.facts & LEFT_OUT != 0 || whole_up_to < up_to {
            return Ok(End::Stopped { up_to: up_to.min(whole_up_to), by: TOO_MANY.to_owned() });
        }
        let mut path = vec![(event, number)];
        let mut pair = &self.pairs[parent];
        while pair.parent != NONE {
            path.push((pair.event, pair.number));
            pair = &self.pairs[pair.parent as usize];
        }
        path.reverse();
        Ok(End::Found(path))
    }

    /// The limit that has come, if one has.
    fn limit(&self, limits: &Limits, deadline: Option<Instant>, cancel: &AtomicBool) -> Option<String> {
        let held = (self.pairs.len() + self.this.node_count() + self.that.node_count()) as u64;
        if cancel.load(Ordering::Relaxed) {
            return Some("an interrupt".to_owned());
        }
        if let Some(most) = limits.states_max.filter(|most| held > *most) {
            return Some(format!("the limit of {} zones and pairs held", grouped(most)));
        }
        let bytes = self.bytes + self.this.memory() + self.that.memory();
        if let Some(most) = limits.memory_max.filter(|most| bytes > *most) {
            return Some(format!("the limit of {} MiB of memory", grouped(most >> 20)));
        }
        deadline.filter(|end| Instant::now() > *end).map(|_| "the limit of time".to_owned())
    }
}
