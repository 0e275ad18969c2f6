//! New behaviour against an oracle of its own: integer time, sets on both sides, nothing left out.
//!
//! For closed constraints integer time has the same sequences of events as dense time. The oracle follows
//! each sequence of events through the sets of all timed states in which either system can be, so it knows
//! the length of the shortest one that is new, or that there is none up to some length.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::AtomicBool;

use idemcheck::check::Limits;
use idemcheck::diff::behaviour::{Behaviour, new_behaviour};
use idemcheck::policy::load_texts;
use idemcheck::system::System;
use idemcheck::system::world::{Packed, World};
use idemcheck::time::TimedSystem as _;
use idemcheck::time::ticks::{self, Values};

const MODEL: &str = include_str!("../../models/receipt.toml");

/// Small times: their quotients are what matters.
const POLICY: &str = r#"
policy = "p"
model  = "receipt"
[operation]
effect   = "create"
identity = ["id"]
[key]
from        = ["id"]
supplied_by = "client"
[trigger]
requests = 2
retries  = 0
[store]
kind  = "postgres"
lease = "4s"
[downstream]
latency    = ["1s", "2s"]
timeout    = "2s"
late       = "0s"
native_key = false
query      = true
fencing    = false
[choices]
in_flight = "reject"
take_over = "reconcile"
failed    = "replay"
unknown   = "hold"
[faults]
crashes        = 0
lost_responses = 0
pause          = "1s"
"#;

/// Changes of the policy, each a base or a head of the others.
const VARIANTS: [&[(&str, &str)]; 12] = [
    &[],
    &[("lease = \"4s\"", "lease = \"3s\"")],
    &[("lease = \"4s\"", "lease = \"2s\"")],
    &[("lease = \"4s\"", "lease = \"9s\"")],
    &[("crashes        = 0", "crashes        = 1")],
    &[("take_over = \"reconcile\"", "take_over = \"call\"")],
    &[("unknown   = \"hold\"", "unknown   = \"release\"")],
    &[("pause          = \"1s\"", "pause          = \"0s\"")],
    &[("latency    = [\"1s\", \"2s\"]", "latency    = [\"0s\", \"2s\"]")],
    &[("retries  = 0", "retries  = 1\ntimeout  = \"3s\"")],
    &[("requests = 2", "requests = 1\nconflicting = 1")],
    &[("requests = 2", "requests = 1")],
];

fn system(changes: &[(&str, &str)]) -> System {
    let mut text = POLICY.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let loaded = load_texts(("p.toml".as_ref(), &text), ("receipt.toml".as_ref(), MODEL));
    let source = loaded.policies.first().unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    System::new(&source.policy, &source.protocol).unwrap()
}

/// A world, whose its parts are, and its clocks.
type State = (Packed, Vec<u8>, Values);

/// States by their bytes, so that equal sets are equal.
type Set = BTreeMap<Vec<u8>, State>;

fn bytes(state: &State) -> Vec<u8> {
    let clocks = state.2.iter().flat_map(|clock| clock.to_le_bytes());
    state.0.bytes().iter().chain(&[255]).chain(&state.1).copied().chain(clocks).collect()
}

struct Side {
    system: System,
    cap: i64,
}

impl Side {
    fn new(system: System) -> Side {
        let cap = system.greatest_constant() + 1;
        Side { system, cap }
    }

    fn world(state: &State) -> World {
        let mut world = World::unpack(&state.0);
        world.set_requests(&state.1);
        world
    }

    fn allowed(&self, world: &World, clocks: &[i64]) -> bool {
        let mut invariant = Vec::new();
        self.system.world_invariant(world, &mut invariant);
        ticks::allow(&invariant, clocks)
    }

    /// With everything that a wait leads to.
    fn add(&self, state: State, set: &mut Set) {
        let world = Side::world(&state);
        let (packed, requests, mut clocks) = state;
        while self.allowed(&world, &clocks) {
            let state = (packed.clone(), requests.clone(), clocks.clone());
            if set.insert(bytes(&state), state).is_some() {
                return;
            }
            let later = ticks::later(&clocks, 1, self.cap);
            if later == clocks {
                return;
            }
            clocks = later;
        }
    }

    fn start(&self) -> Set {
        let mut world = self.system.initial_world();
        let clocks = vec![0; world.clock_count()].into();
        let mut set = Set::new();
        self.add((world.pack(), world.requests().to_vec(), clocks), &mut set);
        set
    }

    /// Where each event leads.
    fn after(&self, set: &Set) -> BTreeMap<String, Set> {
        let mut out: BTreeMap<String, Set> = BTreeMap::new();
        for state in set.values() {
            let world = Side::world(state);
            let mut steps = Vec::new();
            self.system.steps(&world, &mut steps);
            for mut step in steps.into_iter().filter(|step| ticks::allow(&step.guard, &state.2)) {
                let event = self.system.event(&world, &step);
                let clocks = ticks::follow(&step.world.number_clocks(), &state.2);
                let next = (step.world.pack(), step.world.requests().to_vec(), clocks);
                self.add(next, out.entry(event).or_default());
            }
        }
        out.retain(|_, set| !set.is_empty());
        out
    }
}

/// Events of the shortest sequence that `this` has and `that` has not; none: none of up to so many.
fn shortest(this: System, that: System, most: usize) -> Option<usize> {
    let names = std::array::from_fn(|class| this.requests()[class].max(that.requests()[class]));
    let named = |system: System| Side::new(system.without_counts().with_names_for(names));
    let (this, that) = (named(this), named(that));
    let key = |set: &Set| set.keys().cloned().collect::<Vec<_>>();
    let mut seen = BTreeSet::new();
    let mut known: HashMap<Vec<Vec<u8>>, BTreeMap<String, Set>> = HashMap::new();
    let mut queue = VecDeque::from([(this.start(), that.start(), 0)]);
    while let Some((own, other, length)) = queue.pop_front() {
        if length == most {
            continue;
        }
        let others = known.entry(key(&other)).or_insert_with(|| that.after(&other)).clone();
        for (event, next) in this.after(&own) {
            let Some(there) = others.get(&event) else { return Some(length + 1) };
            if seen.insert((key(&next), key(there))) {
                queue.push_back((next, there.clone(), length + 1));
            }
        }
    }
    None
}

#[test]
fn the_shortest_new_behaviour_is_what_integer_time_says() {
    const MOST: usize = 7;
    let limits = Limits { states_max: Some(60_000), memory_max: None, time_max: None };
    let (mut new, mut none) = (0, 0);
    for (this, of) in VARIANTS.iter().enumerate() {
        // The first one against all, and each against its neighbour.
        for that in [0, (this + 1) % VARIANTS.len()].into_iter().filter(|that| *that != this) {
            for (a, b) in [(*of, VARIANTS[that]), (VARIANTS[that], *of)] {
                let found = new_behaviour(&system(a), &system(b), &limits, &AtomicBool::new(false)).unwrap();
                let oracle = shortest(system(a), system(b), MOST);
                let agrees = match (&found, oracle) {
                    (Behaviour::New { steps }, Some(length)) => steps.len() == length,
                    (Behaviour::New { steps }, None) => steps.len() > MOST,
                    (Behaviour::Nothing, oracle) => oracle.is_none(),
                    (Behaviour::Unknown { up_to, .. }, oracle) => {
                        oracle.is_none_or(|length| length > *up_to as usize)
                    }
                };
                assert!(agrees, "{a:?} against {b:?}: {found:#?}, and integer time says {oracle:?}");
                new += usize::from(oracle.is_some());
                none += usize::from(matches!(found, Behaviour::Nothing));
            }
        }
    }
    assert!(new >= 10 && none >= 5, "{new} new, {none} with nothing new: the cases show too little");
}

#[test]
fn a_system_can_do_nothing_that_it_cannot_do() {
    let limits = Limits { states_max: Some(500_000), memory_max: None, time_max: None };
    for changes in [VARIANTS[0], VARIANTS[4], VARIANTS[11]] {
        let found = new_behaviour(&system(changes), &system(changes), &limits, &AtomicBool::new(false));
        assert_eq!(found, Ok(Behaviour::Nothing));
    }
}
