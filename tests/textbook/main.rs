//! Textbook systems, whose exact numbers of zones are on record from other tools; and agreement
//! with integer time.

mod claim;
mod csmacd;
mod fischer;
mod lease;
mod processes;
mod random;
mod ticks;

use std::collections::HashSet;
use std::fmt::Debug;

use claim::Claim;
use csmacd::CsmaCd;
use fischer::Fischer;
use idemcheck::check::search::{Exploration, Extrapolation, SearchOptions, Subsumption, Witness, explore};
use idemcheck::time::TimedSystem;
use idemcheck::time::zone::Zone;
use lease::Lease;
use proptest::prelude::*;
use random::{Crowd, automaton, crowd};

/// As TChecker's `covreach` searches.
fn covreach() -> SearchOptions<'static> {
    SearchOptions { symmetry: false, keep_shortest: false, ..SearchOptions::default() }
}

/// As TChecker's `reach` searches.
fn reach() -> SearchOptions<'static> {
    SearchOptions { subsumption: Subsumption::Equality, ..covreach() }
}

fn symmetric() -> SearchOptions<'static> {
    SearchOptions { symmetry: true, ..covreach() }
}

fn run<'s, S: TimedSystem>(system: &'s S, options: &SearchOptions) -> Exploration<'s, S> {
    let exploration = explore(system, options, &mut ()).unwrap();
    assert!(exploration.stats().complete);
    exploration
}

fn visited<S: TimedSystem>(system: &S, options: &SearchOptions) -> u64 {
    run(system, options).stats().visited
}

/// Visited, stored, covered, transitions.
fn counts<S: TimedSystem>(system: &S, options: &SearchOptions) -> [u64; 4] {
    let exploration = run(system, options);
    let stats = exploration.stats();
    [stats.visited, stats.stored, stats.covered, stats.transitions]
}

#[test]
fn fischer_with_inclusion() {
    assert_eq!(counts(&Fischer::new(7), &covreach()), [11_951, 7_737, 27_530, 35_266]);
    assert_eq!(counts(&Fischer::new(8), &covreach()), [40_536, 25_080, 107_513, 132_592]);
    assert_eq!(counts(&Fischer::new(9), &covreach()), [135_485, 81_035, 406_424, 487_458]);
}

#[test]
fn fischer_with_equality() {
    assert_eq!(counts(&Fischer::new(5), &reach()), [1_277, 1_277, 1_374, 2_650]);
    assert_eq!(visited(&Fischer::new(7), &reach()), 26_651);
    assert_eq!(visited(&Fischer::new(8), &reach()), 122_184);
}

#[test]
fn csma_cd() {
    assert_eq!(visited(&CsmaCd { stations: 6 }, &covreach()), 2_594);
    assert_eq!(visited(&CsmaCd { stations: 8 }, &covreach()), 20_738);
    assert_eq!(visited(&CsmaCd { stations: 10 }, &covreach()), 144_898);
    assert_eq!(visited(&CsmaCd { stations: 6 }, &reach()), 34_098);
}

#[test]
fn lease_counts() {
    assert_eq!(visited(&Lease::new(3, 1, 20, 10), &covreach()), 177);
    assert_eq!(visited(&Lease::new(4, 2, 20, 10), &covreach()), 1_012);
    assert_eq!(counts(&Lease::new(8, 2, 20, 10), &covreach()), [40_938, 40_938, 167_271, 208_208]);
    for (forget, expected) in [(false, [3_989, 10_657, 72_154]), (true, [3_394, 8_779, 56_842])] {
        for (processes, expected) in [5, 6, 8].into_iter().zip(expected) {
            let lease = Lease { forget, ..Lease::new(processes, 2, 20, 10) };
            assert_eq!(visited(&lease, &reach()), expected, "{processes} {forget}");
        }
    }
}

/// Zones do not depend on the size of the constants.
#[test]
fn lease_with_long_times() {
    assert_eq!(visited(&Lease::new(4, 2, 200, 100), &covreach()), 1_012);
    let days = Lease::new(4, 2, 2 * 86_400_000, 86_400_000);
    assert_eq!(visited(&days, &covreach()), 1_012, "wide numbers");
}

#[test]
fn lease_is_safe_iff_it_covers_two_steps() {
    for processes in [3, 5] {
        for (lease, safe) in [(20, true), (19, false), (21, true), (1, false)] {
            for sorted in [false, true] {
                let system = Lease { sorted, ..Lease::new(processes, 1, lease, 10) };
                let exploration = run(&system, &SearchOptions::default());
                assert_eq!(exploration.facts() & lease::BAD == 0, safe, "{processes} {lease} {sorted}");
                if let Some(witness) = exploration.witness(0) {
                    replay(&system, &witness);
                }
            }
        }
    }
}

#[test]
fn fischer_is_safe_with_a_strict_wait() {
    assert_eq!(run(&Fischer::new(4), &covreach()).facts() & fischer::BAD, 0);
    for sorted in [false, true] {
        let closed = Fischer { closed: true, sorted, ..Fischer::new(3) };
        let exploration = run(&closed, &SearchOptions::default());
        let witness = exploration.witness(0).expect("it breaks with a closed wait");
        assert_eq!(witness.steps.len(), 6, "two requests, a write, an entry, a write, an entry");
        replay(&closed, &witness);
    }
}

/// Symmetry leaves one state of each orbit. (Zones are visited that larger ones cover later.)
#[test]
fn symmetric_counts() {
    for (processes, stored) in [(6, 54), (8, 88)] {
        assert_eq!(counts(&Fischer::sorted(processes), &symmetric())[1], stored);
    }
    for (processes, expected) in [(9, 136), (12, 235)] {
        assert_eq!(visited(&Fischer::sorted(processes), &symmetric()), expected);
    }
    for (processes, expected) in [(5, 120), (6, 138)] {
        let lease = Lease { sorted: true, ..Lease::new(processes, 2, 20, 10) };
        assert_eq!(visited(&lease, &symmetric()), expected);
    }
}

/// States, transitions and layers, as other checkers count them.
fn untimed_counts(claim: &Claim) -> [u64; 3] {
    let exploration = run(claim, &covreach());
    let stats = exploration.stats();
    assert_eq!(exploration.facts() & claim::BAD, 0);
    assert_eq!([stats.states, stats.stored], [stats.visited; 2], "one zone for each state");
    [stats.visited, stats.transitions, u64::from(stats.depth) + 1]
}

#[test]
fn claim_counts() {
    assert_eq!(untimed_counts(&Claim::new(2, 1, 1)), [2_096, 8_920, 16]);
    assert_eq!(untimed_counts(&Claim::new(3, 1, 1)), [37_032, 224_664, 21]);
    assert_eq!(untimed_counts(&Claim::new(3, 1, 2)), [78_902, 553_986, 23]);
    for (requests, states, layers) in [(3, 14_450, 23), (4, 81_224, 28)] {
        let [visited, _, depth] = untimed_counts(&Claim::sorted(requests, 1, 2));
        assert_eq!([visited, depth], [states, layers]);
    }
}

#[test]
fn claim_breaks_without_a_query() {
    for sorted in [false, true] {
        let buggy = Claim { buggy: true, sorted, ..Claim::new(3, 1, 1) };
        let exploration = run(&buggy, &SearchOptions::default());
        let witness = exploration.witness(0).expect("it calls twice");
        let names: Vec<_> = witness.steps.iter().map(|step| step.edge.label.0).collect();
        assert_eq!(names, ["claim", "call", "crash", "claim", "call"]);
        replay(&buggy, &witness);
    }
}

/// The symmetric search visits as many zones as there are orbits among those of the full search.
#[test]
fn orbits_of_the_full_search() {
    let full = Fischer::new(6);
    let orbits: HashSet<_> = run(&full, &covreach())
        .states()
        .map(|state| {
            let mut sorted = state.clone();
            sorted.sort();
            sorted
        })
        .collect();
    assert_eq!(orbits.len(), 54);
}

/// Steps through a witness with exact zones: it is a run.
fn replay<S: TimedSystem>(system: &S, witness: &Witness<S>) {
    let first = &witness.steps[0].state;
    assert!(system.initial().contains(first));
    let mut zone = Zone::zero(system.clock_count(first));
    let mut invariant = Vec::new();
    for (at, step) in witness.steps.iter().enumerate() {
        system.invariant(&step.state, &mut invariant);
        assert!(zone.constrain_all(&invariant));
        zone.elapse();
        assert!(zone.constrain_all(&invariant) && zone.constrain_all(&step.edge.guard));
        zone = zone.map(&step.edge.clocks);
        invariant.clear();
        if let Some(next) = witness.steps.get(at + 1) {
            assert_eq!(step.edge.target, next.state);
        }
    }
    system.invariant(&witness.steps.last().unwrap().edge.target, &mut invariant);
    assert!(zone.constrain_all(&invariant));
}

/// All ways to search that must not change what is reachable.
fn all_options(symmetry: bool) -> Vec<SearchOptions<'static>> {
    let mut all = Vec::new();
    for subsumption in [Subsumption::Inclusion, Subsumption::Equality] {
        for extrapolation in [Extrapolation::Lu, Extrapolation::M] {
            for keep_shortest in [true, false] {
                let options =
                    SearchOptions { subsumption, extrapolation, symmetry, keep_shortest, ..covreach() };
                all.push(options);
            }
        }
    }
    all
}

/// The reachable discrete states are those of integer time, whatever the reductions.
fn agrees_with_ticks<S: TimedSystem<State: Debug>>(system: &S, symmetry: bool) {
    let expected = ticks::reachable(system);
    for options in all_options(symmetry) {
        let exploration = run(system, &options);
        let states: HashSet<&S::State> = exploration.states().collect();
        assert_eq!(states, expected.keys().collect(), "{:?}", options.extrapolation);
        assert_eq!(exploration.stats().states, expected.len() as u64);
        let stored: HashSet<&S::State> = exploration.nodes().map(|(state, _)| state).collect();
        assert_eq!(states, stored);
    }
}

#[test]
fn closed_textbook_systems_agree_with_ticks() {
    for sorted in [false, true] {
        agrees_with_ticks(&Fischer { closed: true, sorted, delay: 2, ..Fischer::new(3) }, sorted);
        for lease in [3, 4, 5] {
            let system = Lease { closed: true, sorted, ..Lease::new(3, 1, lease, 2) };
            agrees_with_ticks(&system, sorted);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_systems_agree_with_ticks(system in automaton()) {
        agrees_with_ticks(&system, false);
    }

    /// A shortest witness has as many edges as the shortest way in integer time, and is a run.
    #[test]
    fn random_witnesses_are_shortest(system in automaton()) {
        let steps = ticks::reachable(&system);
        for subsumption in [Subsumption::Inclusion, Subsumption::Equality] {
            let exploration = run(&system, &SearchOptions { subsumption, ..SearchOptions::default() });
            for (&state, &edges) in steps.iter().filter(|(_, edges)| **edges > 0) {
                let witness = exploration.witness(state as u32).expect("reachable");
                prop_assert_eq!(witness.steps.len(), edges);
                replay(&system, &witness);
            }
        }
    }

    #[test]
    fn random_crowds_agree_with_ticks(system in crowd()) {
        agrees_with_ticks(&system, false);
        let sorted = Crowd { sorted: true, ..system };
        agrees_with_ticks(&sorted, true);
        let exploration = run(&sorted, &SearchOptions::default());
        for bit in (0..5).filter(|bit| exploration.facts() & 1 << bit != 0) {
            replay(&sorted, &exploration.witness(bit).expect("a fact has a witness"));
        }
    }
}
