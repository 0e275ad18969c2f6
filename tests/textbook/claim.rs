//! A claim on an idempotency key, without any clock: the protocol on which other model checkers were
//! measured, with numbers of states, transitions and layers on record.
//!
//! Every request has one slot for the original call and one for each retry. A slot reads the record of
//! the key, claims it, asks whether the effect exists, calls, records the outcome, responds. The
//! prose leaves room; the recorded numbers are those of this reading, and neighbouring readings miss
//! them:
//!
//! - The originals are ready at first, the retries idle. A retry becomes ready while the attempt
//!   before it is neither idle nor done, even where that one has crashed.
//! - A slot is live while it asks, calls or records. Only those hold a claim that others respect; a
//!   crash leaves the key with its owner, and whoever is ready next takes it over.
//! - A slot that finds a live owner waits, and becomes ready again at any time. One that finds the
//!   outcome still has to respond.
//! - Ready, waiting and responding slots crash as well; idle, crashed and done ones do not. All draw
//!   on one budget.
//! - A layer is counted for the initial state, too.

use idemcheck::time::{ClockMap, Constraint, Edge, Guard, TimedSystem};

const IDLE: u64 = 0;
const READY: u64 = 1;
const QUERY: u64 = 2;
const CALL: u64 = 3;
const RECORD: u64 = 4;
const RESPOND: u64 = 5;
const DONE: u64 = 6;
const WAIT: u64 = 7;
const CRASHED: u64 = 8;

/// The effect was applied twice.
pub const BAD: u64 = 1;

pub struct Claim {
    pub requests: usize,
    /// Of each request.
    pub retries: usize,
    /// Of all slots together.
    pub crashes: u64,
    /// Keep the requests of every state in order: they are alike.
    pub sorted: bool,
    /// Call without asking whether the effect exists.
    pub buggy: bool,
}

impl Claim {
    pub fn new(requests: usize, retries: usize, crashes: u64) -> Self {
        let claim = Self { requests, retries, crashes, sorted: false, buggy: false };
        assert!(claim.slots() <= SLOTS_MAX && crashes < 8, "a state fits into 64 bits");
        claim
    }

    pub fn sorted(requests: usize, retries: usize, crashes: u64) -> Self {
        Self { sorted: true, ..Self::new(requests, retries, crashes) }
    }

    fn slots(&self) -> usize {
        self.requests * (1 + self.retries)
    }

    /// The state with its requests in order. A request is its slots and the mark of the owner.
    fn in_order(&self, state: State) -> State {
        let slots = 1 + self.retries;
        let mut requests = [(0, 0); SLOTS_MAX];
        let requests = &mut requests[..self.requests];
        for (request, (places, owner)) in requests.iter_mut().enumerate() {
            let first = request * slots;
            *places = state.0 >> (4 * first) & ((1 << (4 * slots)) - 1);
            *owner = state.owner().filter(|slot| slot / slots == request).map_or(0, |slot| slot - first + 1);
        }
        requests.sort_unstable();
        let mut sorted = state.with_owner(None);
        for (request, &(places, owner)) in requests.iter().enumerate() {
            let first = request * slots;
            let mask = ((1 << (4 * slots)) - 1) << (4 * first);
            sorted.0 = sorted.0 & !mask | places << (4 * first);
            if owner > 0 {
                sorted = sorted.with_owner(Some(first + owner - 1));
            }
        }
        sorted
    }
}

/// Four bits for the place of each slot; the owner, counted from 1; how often the effect was applied,
/// up to twice; whether the outcome is recorded; how many crashes there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State(u64);

const SLOTS_MAX: usize = 12;
const OWNER: u32 = 48;
const EFFECTS: u32 = 52;
const RECORDED: u64 = 1 << 54;
const CRASHES: u32 = 55;

impl State {
    fn place(self, slot: usize) -> u64 {
        self.0 >> (4 * slot) & 15
    }

    fn with_place(self, slot: usize, place: u64) -> Self {
        Self(self.0 & !(15 << (4 * slot)) | place << (4 * slot))
    }

    fn owner(self) -> Option<usize> {
        (self.0 >> OWNER & 15).checked_sub(1).map(|slot| slot as usize)
    }

    fn with_owner(self, slot: Option<usize>) -> Self {
        let owner = slot.map_or(0, |slot| slot as u64 + 1);
        Self(self.0 & !(15 << OWNER) | owner << OWNER)
    }

    fn effects(self) -> u64 {
        self.0 >> EFFECTS & 3
    }

    fn with_one_more_effect(self) -> Self {
        Self(self.0 + (u64::from(self.effects() < 2) << EFFECTS))
    }

    fn crashes(self) -> u64 {
        self.0 >> CRASHES & 7
    }
}

fn live(place: u64) -> bool {
    matches!(place, QUERY | CALL | RECORD)
}

impl TimedSystem for Claim {
    type State = State;
    type Label = (&'static str, usize);

    fn initial(&self) -> Vec<State> {
        let originals = (0..self.slots()).step_by(1 + self.retries);
        vec![originals.fold(State(0), |state, slot| state.with_place(slot, READY))]
    }

    fn clock_count(&self, _: &State) -> usize {
        0
    }

    fn invariant(&self, _: &State, _: &mut Vec<Constraint>) {}

    fn edges(&self, state: &State, out: &mut Vec<Edge<State, Self::Label>>) {
        let mut add = |label, target: State, facts| {
            let target = if self.sorted { self.in_order(target) } else { target };
            out.push(Edge { label, guard: Guard::new(), clocks: ClockMap::new(), target, facts });
        };
        for slot in 0..self.slots() {
            let place = state.place(slot);
            let to = |place| state.with_place(slot, place);
            match place {
                IDLE if matches!(state.place(slot - 1), IDLE | DONE) => {}
                IDLE => add(("retry", slot), to(READY), 0),
                READY => {
                    if state.0 & RECORDED != 0 {
                        add(("replay", slot), to(RESPOND), 0);
                    } else if state.owner().is_some_and(|owner| live(state.place(owner))) {
                        add(("wait", slot), to(WAIT), 0);
                    } else {
                        let next = if self.buggy { CALL } else { QUERY };
                        add(("claim", slot), to(next).with_owner(Some(slot)), 0);
                    }
                }
                QUERY => add(("query", slot), to(if state.effects() > 0 { RECORD } else { CALL }), 0),
                CALL => {
                    let facts = if state.effects() == 1 { BAD } else { 0 };
                    add(("call", slot), to(RECORD).with_one_more_effect(), facts);
                }
                RECORD => add(("record", slot), State(to(RESPOND).with_owner(None).0 | RECORDED), 0),
                RESPOND => add(("respond", slot), to(DONE), 0),
                WAIT => add(("again", slot), to(READY), 0),
                CRASHED => add(("restart", slot), to(READY), 0),
                _ => {}
            }
            if !matches!(place, IDLE | DONE | CRASHED) && state.crashes() < self.crashes {
                add(("crash", slot), State(to(CRASHED).0 + (1 << CRASHES)), 0);
            }
        }
    }

    fn bounds(&self, _: &State, _: &mut [i64], _: &mut [i64]) {}

    fn greatest_constant(&self) -> i64 {
        0
    }

    fn clocks_max(&self) -> usize {
        0
    }
}
