//! A third reading of the step relation: integer time, breadth first by steps, nothing left out. It
//! shares the steps with the engines and no search, no zone and no symmetry.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;

use idemcheck::check::search::{Observer, SearchError, SearchOptions, explore};
use idemcheck::system::world::{Packed, World};
use idemcheck::system::{Label, System};
use idemcheck::time::ticks::{self, Timed};
use idemcheck::time::zone::ZoneView;
use idemcheck::time::{Edge, Surplus, TimedSystem};

/// What a whole exploration found out.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// For each fact that some run shows, the fewest steps to it.
    pub facts: Vec<(u32, usize)>,
    /// The most effects of one operation.
    pub effects: u8,
    /// The longest time that a claim without an owner cannot be taken.
    pub stuck: Option<i64>,
    /// Every discrete state that is reached.
    pub states: BTreeSet<Reached>,
}

fn effects(state: &Packed) -> u8 {
    World::unpack(state).effects_most()
}

type Edges = Rc<Vec<Edge<Packed, Label>>>;

/// Everything that integer time reaches; none where that is more than `most` timed states.
pub fn tick_by_tick(system: &System, most: usize) -> Option<Found> {
    let sorted = system.clone().with_symmetry(true);
    let plain = system.clone().with_symmetry(false);
    let mut numbers: HashMap<Timed<Packed>, usize> = HashMap::new();
    let mut nodes: Vec<(Timed<Packed>, usize)> = Vec::new();
    let mut done: Vec<bool> = Vec::new();
    let mut queue = VecDeque::new();
    let mut edges_of: HashMap<Packed, Edges> = HashMap::new();
    let mut facts = [None; 64];
    let mut stuck: Option<i64> = None;
    for timed in ticks::initial(&plain) {
        numbers.insert(timed.clone(), nodes.len());
        queue.push_back(nodes.len());
        nodes.push((timed, 0));
        done.push(false);
    }
    let mut successors = Vec::new();
    while let Some(node) = queue.pop_front() {
        if std::mem::replace(&mut done[node], true) {
            continue;
        }
        let (from, steps) = nodes[node].clone();
        successors.clear();
        // Waiting is no step: such a successor goes to the head of the queue.
        successors.extend(ticks::tick(&plain, &from).map(|later| (later, 0)));
        let edges = edges_of.entry(from.state.clone()).or_insert_with(|| {
            let mut edges = Vec::new();
            plain.edges(&from.state, &mut edges);
            Rc::new(edges)
        });
        for edge in edges.iter().filter(|edge| ticks::allow(&edge.guard, &from.clocks)) {
            let clocks = ticks::follow(&edge.clocks, &from.clocks);
            let mut invariant = Vec::new();
            plain.invariant(&edge.target, &mut invariant);
            if !ticks::allow(&invariant, &clocks) {
                continue;
            }
            for bit in (0..64).filter(|bit| edge.facts >> bit & 1 != 0) {
                facts[bit as usize].get_or_insert((bit, steps + 1));
            }
            if let (Some(clock), Some(after)) = (edge.label.orphans, plain.claimable_after) {
                let age = if clock == 0 { 0 } else { from.clocks[usize::from(clock) - 1] };
                stuck = stuck.max(Some((after - age).max(0)));
            }
            successors.push((Timed { state: edge.target.clone(), clocks }, 1));
        }
        for (timed, cost) in successors.drain(..) {
            let fresh = nodes.len();
            let number = *numbers.entry(timed.clone()).or_insert(fresh);
            if number == fresh {
                if nodes.len() >= most {
                    return None;
                }
                nodes.push((timed, usize::MAX));
                done.push(false);
            }
            if nodes[number].1 > steps + cost {
                nodes[number].1 = steps + cost;
                if cost == 0 {
                    queue.push_front(number);
                } else {
                    queue.push_back(number);
                }
            }
        }
    }
    let states = edges_of.keys();
    Some(Found {
        facts: facts.into_iter().flatten().collect(),
        effects: states.clone().map(effects).max().unwrap_or(0),
        stuck,
        states: states.map(|state| reached(&sorted, state)).collect(),
    })
}

/// A state that was reached, in normal form: without its surplus, and that.
pub type Reached = (Vec<u8>, Surplus);

fn reached(sorted: &System, state: &Packed) -> Reached {
    let (without, surplus) = sorted.without_surplus(&sorted.canonical(&World::unpack(state)));
    (without.bytes().to_vec(), surplus)
}

impl Found {
    /// The same states; or, `with_surplus`, so many of them that each of the other's has one that stands for it.
    pub fn stands_for(&self, other: &Found, with_surplus: bool) -> bool {
        let no_less = |a: &Surplus, b: &Surplus| a.iter().zip(b).all(|(a, b)| a >= b);
        let family = |core: &Vec<u8>| self.states.range((core.clone(), Surplus::default())..);
        let has_one = |(core, surplus): &Reached| {
            family(core).take_while(|(of, _)| of == core).any(|(_, more)| no_less(more, surplus))
        };
        if with_surplus {
            self.states.is_subset(&other.states) && other.states.iter().all(has_one)
        } else {
            self.states == other.states
        }
    }
}

#[derive(Default)]
struct Stuck {
    after: Option<i64>,
    most: Option<i64>,
}

impl Observer<System> for Stuck {
    fn edge(&mut self, _: &Packed, edge: &Edge<Packed, Label>, zone: &dyn ZoneView) {
        if let (Some(clock), Some(after)) = (edge.label.orphans, self.after) {
            let age = if clock == 0 { 0 } else { zone.lower(clock) };
            self.most = self.most.max(Some((after - age).max(0)));
        }
    }
}

/// The same from the search over zones; none where a limit ended it.
pub fn by_zones(system: &System, options: &SearchOptions) -> Result<Option<Found>, SearchError> {
    let sorted = system.clone().with_symmetry(true);
    let system = &system.clone().with_symmetry(options.symmetry);
    let mut observer = Stuck { after: system.claimable_after, most: None };
    let exploration = explore(system, options, &mut observer)?;
    if !exploration.stats().complete {
        return Ok(None);
    }
    let steps = |bit: u32| {
        let witness = exploration.witness(bit);
        (bit, witness.expect("a fact that is known has a witness").steps.len())
    };
    let facts = exploration.facts();
    let states = exploration.nodes().map(|(state, _)| reached(&sorted, state)).collect();
    Ok(Some(Found {
        facts: (0..64).filter(|bit| facts >> bit & 1 != 0).map(steps).collect(),
        effects: exploration.nodes().map(|(state, _)| effects(state)).max().unwrap_or(0),
        stuck: observer.most,
        states,
    }))
}
