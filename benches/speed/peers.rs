//! The same searches by this project's engine and by others, in turn: each round measures all of them, so that a busy
//! moment meets them alike.

use std::fmt::Write as _;
use std::sync::atomic::AtomicBool;

use idemcheck::check::search::{SearchOptions, explore};
use idemcheck::check::{Engine, Limits, VerifyOptions, verify};
use idemcheck::system::System;
use idemcheck::time::TimedSystem;
use stateright::{Checker, Model, Property};

use crate::claim::Claim;
use crate::fischer::Fischer;
use crate::{RECEIPT, median, policy, seconds};

const ROUNDS: usize = 5;
const NO_LIMITS: Limits = Limits { states_max: None, memory_max: None, time_max: None };

/// What a search did.
struct Found {
    states: u64,
    /// With all that is needed to show the way to each.
    bytes: Option<f64>,
}

struct Contender<'a> {
    name: &'a str,
    run: &'a dyn Fn() -> Found,
}

pub fn measure(page: &mut String) {
    page.push_str(
        "## Beside others\n\nEach figure is the median of five rounds; `times` is the median of a round's ratio to \
         idemcheck's time.\n\n| search | by | states | seconds | times | bytes a state | on record |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let claim = Claim::new(4, 1, 2);
    let by_us = || engine(&claim, false);
    let contenders = [
        Contender { name: "idemcheck: exact states, traces", run: &by_us },
        Contender {
            name: "stateright 0.31, depth first, fingerprints, steps hard-coded",
            run: &by_stateright,
        },
        Contender { name: "a loop written for it: exact states, no traces, steps hard-coded", run: &by_hand },
    ];
    let record = "stateright 0.65 s, hand-written 0.24 s, Spin 2.9 s in 192 MB, TLC 48.9 s in 3.1 GB";
    rows(page, "common claim 4 1 2, no reduction", &contenders, record);
    let sorted = Claim::sorted(4, 1, 2);
    let by_us = || engine(&sorted, false);
    let record = "hand-written 0.02 s, stateright 0.04 s, TLC 8.7 s";
    rows(page, "the same, requests in order", &[Contender { name: "idemcheck", run: &by_us }], record);
    let fischer = Fischer::new(9);
    let by_us = || engine(&fischer, false);
    let record = "TChecker 6.3 s, a prototype 0.82 s";
    rows(page, "Fischer 9, no symmetry", &[Contender { name: "idemcheck", run: &by_us }], record);
    let unbounded = ("pause = \"5s\"\n", "");
    let native = ("native_key = false", "native_key = { ttl = \"24h\" }");
    let reconcile = ("take_over = \"call\"", "take_over = \"reconcile\"");
    type Receipt<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let receipts: [Receipt; 4] = [
        ("receipt 2 x 2", &[], "a prototype 0.03 s"),
        ("receipt 3 x 2", &[("requests = 2", "requests = 3")], "a prototype 5.3 s"),
        ("receipt 2 x 2, unbounded pause, native key", &[unbounded, native], "a prototype 5.2 s"),
        ("receipt 2 x 2, unbounded pause, reconciliation", &[unbounded, reconcile], "a prototype 33 s"),
    ];
    for (name, changes, record) in receipts {
        let loaded = policy(RECEIPT, changes);
        let source = &loaded.policies[0];
        let system = System::new(&source.policy, &source.protocol).expect("it compiles");
        let bounded = changes.iter().all(|change| *change != unbounded);
        let search = || engine(&system, true);
        let verdicts = || {
            let cancel = AtomicBool::new(false);
            let options = VerifyOptions {
                engine: Engine::Zones,
                limits: NO_LIMITS,
                properties: &[],
                fail_fast: &[],
                today: "2000-01-01",
                cancel: &cancel,
                progress: &|_| (),
            };
            let result = verify(&source.policy, &source.protocol, &options).expect("it can be checked");
            Found { states: result.search.visited, bytes: None }
        };
        let all = Contender { name: "idemcheck: `verify`, all properties", run: &verdicts };
        // Every step of stalls without end takes ten times as long, and is what `verify` spares.
        let one = Contender { name: "idemcheck: the search alone", run: &search };
        rows(page, name, if bounded { std::slice::from_ref(&one) } else { &[] }, record);
        rows(page, name, &[all], record);
    }
}

fn rows(page: &mut String, search: &str, contenders: &[Contender], record: &str) {
    let rounds: Vec<Vec<(f64, Found)>> =
        (0..ROUNDS).map(|_| contenders.iter().map(|contender| seconds(contender.run)).collect()).collect();
    for (index, contender) in contenders.iter().enumerate() {
        let time = median(rounds.iter().map(|round| round[index].0).collect());
        let times = median(rounds.iter().map(|round| round[index].0 / round[0].0).collect());
        let Found { states, bytes } = &rounds[0][index].1;
        let bytes = bytes.map_or("not counted".to_owned(), |bytes| format!("{bytes:.0}"));
        let record = if index == 0 { record } else { "" };
        writeln!(
            page,
            "| {search} | {} | {states} | {time:.3} | {times:.2} | {bytes} | {record} |",
            contender.name
        )
        .expect("a string takes it");
    }
}

fn engine<S: TimedSystem>(system: &S, symmetry: bool) -> Found {
    let options = SearchOptions { symmetry, keep_shortest: symmetry, ..SearchOptions::default() };
    let found = explore(system, &options, &mut ()).expect("it can be searched");
    let states = found.stats().visited;
    Found { states, bytes: Some(found.memory() as f64 / states as f64) }
}

/// The slots of the hard-coded protocol: four requests, each sent twice.
const SLOTS: usize = 8;
const CRASHES: u64 = 2;

/// The steps of [`Claim::new`]`(4, 1, 2)`, on the same packed states, without labels and without a list of edges.
fn steps(state: u64, mut add: impl FnMut(u64)) {
    let place = |slot: usize| state >> (4 * slot) & 15;
    let with = |slot: usize, place: u64| state & !(15 << (4 * slot)) | place << (4 * slot);
    let owned = |state: u64, owner: u64| state & !(15 << 48) | owner << 48;
    let (owner, effects) = (state >> 48 & 15, state >> 52 & 3);
    for slot in 0..SLOTS {
        match place(slot) {
            0 if slot % 2 == 1 && !matches!(place(slot - 1), 0 | 6) => add(with(slot, 1)),
            1 if state >> 54 & 1 != 0 => add(with(slot, 5)),
            1 if owner != 0 && matches!(place(owner as usize - 1), 2..=4) => add(with(slot, 7)),
            1 => add(owned(with(slot, 2), slot as u64 + 1)),
            2 => add(with(slot, if effects > 0 { 4 } else { 3 })),
            3 => add(with(slot, 4) + (u64::from(effects < 2) << 52)),
            4 => add(owned(with(slot, 5), 0) | 1 << 54),
            5 => add(with(slot, 6)),
            7 | 8 => add(with(slot, 1)),
            _ => {}
        }
        if !matches!(place(slot), 0 | 6 | 8) && state >> 55 & 7 < CRASHES {
            add(with(slot, 8) + (1 << 55));
        }
    }
}

/// The requests ready, their retries idle.
const START: u64 = 0x0101_0101;

fn by_hand() -> Found {
    let home = |state: u64| (state.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 42) as usize;
    let mut table = vec![0_u64; 1 << 22];
    table[home(START)] = START;
    let (mut queue, mut at, mut next) = (vec![START], 0, Vec::new());
    while let Some(&state) = queue.get(at) {
        at += 1;
        next.clear();
        steps(state, |target| next.push(target));
        for &target in &next {
            let mut slot = home(target);
            while table[slot] != target && table[slot] != 0 {
                slot = (slot + 1) % table.len();
            }
            if table[slot] == 0 {
                table[slot] = target;
                queue.push(target);
            }
        }
    }
    let states = queue.len() as u64;
    Found { states, bytes: Some((8 * table.len() + 8 * queue.len()) as f64 / states as f64) }
}

struct HardCoded;

impl Model for HardCoded {
    type State = u64;
    type Action = u64;

    fn init_states(&self) -> Vec<u64> {
        vec![START]
    }

    fn actions(&self, state: &u64, out: &mut Vec<u64>) {
        steps(*state, |target| out.push(target));
    }

    fn next_state(&self, _: &u64, target: u64) -> Option<u64> {
        Some(target)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("one effect", |_, state: &u64| state >> 52 & 3 < 2)]
    }
}

fn by_stateright() -> Found {
    let checker = HardCoded.checker().threads(1).spawn_dfs().join();
    Found { states: checker.unique_state_count() as u64, bytes: None }
}
