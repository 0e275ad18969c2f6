//! Textbook systems, whose exact numbers of zones are on record from other tools.

mod csmacd;
mod fischer;
mod lease;
mod processes;

use csmacd::CsmaCd;
use fischer::Fischer;
use idemcheck::check::search::{Exploration, Extrapolation, SearchOptions, Subsumption, explore};
use idemcheck::time::TimedSystem;
use lease::Lease;

/// As TChecker's `covreach` searches.
fn covreach() -> SearchOptions<'static> {
    SearchOptions { symmetry: false, keep_shortest: false, ..SearchOptions::default() }
}

/// As TChecker's `reach` searches.
fn reach() -> SearchOptions<'static> {
    SearchOptions { subsumption: Subsumption::Equality, ..covreach() }
}

fn run<'s, S: TimedSystem>(system: &'s S, options: &SearchOptions) -> Exploration<'s, S> {
    let exploration = explore(system, options, &mut ()).unwrap();
    let stats = exploration.stats();
    assert!(stats.complete);
    println!(
        "{stats:?} {:.0} kzones/s {} MB",
        stats.visited as f64 / stats.seconds / 1e3,
        exploration.memory() >> 20
    );
    exploration
}

fn counts<S: TimedSystem>(exploration: &Exploration<S>) -> [u64; 4] {
    let stats = exploration.stats();
    [stats.visited, stats.stored, stats.covered, stats.transitions]
}

#[test]
fn fischer_covreach() {
    assert_eq!(counts(&run(&Fischer::new(7), &covreach())), [11_951, 7_737, 27_530, 35_266]);
    assert_eq!(counts(&run(&Fischer::new(8), &covreach())), [40_536, 25_080, 107_513, 132_592]);
    assert_eq!(counts(&run(&Fischer::new(9), &covreach())), [135_485, 81_035, 406_424, 487_458]);
}

#[test]
fn fischer_reach() {
    assert_eq!(run(&Fischer::new(5), &reach()).stats().visited, 1_277);
    assert_eq!(run(&Fischer::new(7), &reach()).stats().visited, 26_651);
    assert_eq!(run(&Fischer::new(8), &reach()).stats().visited, 122_184);
}

#[test]
fn fischer_symmetric() {
    let options = SearchOptions { symmetry: true, ..covreach() };
    for (processes, visited) in [(6, 54), (8, 88), (9, 136), (12, 235)] {
        run(&Fischer::sorted(processes), &options);
    }
    for (processes, visited) in [(6, 54), (8, 88), (9, 136), (12, 235)] {
        assert_eq!(run(&Fischer::sorted(processes), &options).stats().visited, visited, "{processes}");
    }
    let _ = Extrapolation::None;
}

#[test]
fn csmacd_covreach() {
    for (stations, visited) in [(6, 2_594), (8, 20_738), (10, 144_898)] {
        assert_eq!(run(&CsmaCd { stations }, &covreach()).stats().visited, visited);
    }
}

#[test]
fn csmacd_reach() {
    assert_eq!(run(&CsmaCd { stations: 6 }, &reach()).stats().visited, 34_098);
}

#[test]
fn lease_covreach() {
    assert_eq!(run(&Lease::new(3, 1, 20, 10), &covreach()).stats().visited, 177);
    assert_eq!(run(&Lease::new(4, 2, 20, 10), &covreach()).stats().visited, 1_012);
    for forget in [false, true] {
        for n in [5, 6, 8] {
            println!("{n} {forget}");
            run(&Lease { forget, ..Lease::new(n, 2, 20, 10) }, &reach());
        }
        run(&Lease { forget, ..Lease::new(8, 2, 20, 10) }, &covreach());
    }
    for n in [5, 6] {
        run(
            &Lease { sorted: true, ..Lease::new(n, 2, 20, 10) },
            &SearchOptions { symmetry: true, ..covreach() },
        );
    }
    assert_eq!(counts(&run(&Lease::new(8, 2, 20, 10), &covreach())), [40_938, 40_938, 167_271, 208_208]);
}
