//! Exact sizes of searches: a change of the engine or of the step relation shows here. Whoever makes
//! such a change on purpose updates the numbers, and says in the commit why they moved.

use idemcheck::check::search::{Extrapolation, SearchOptions, Subsumption, explore};
use idemcheck::model::shipped::shipped;
use idemcheck::system::System;

use crate::regressions::case;

const TRIGGER: &str =
    "[trigger]\nkind = \"http\"\nrequests = 1\nretries = 1\ntimeout = \"4s\"\nbackoff = \"1s\"\n";
const STORE: &str = "[store]\nkind = \"postgres\"\nlease = \"3s\"\nttl = \"9s\"\n";
const CALL: &str = "[downstream]\nlatency = [\"0s\", \"2s\"]\ntimeout = \"2s\"\nlate = \"3s\"\n";
const CHOICES: &str = "[choices]\nin_flight = \"reject\"\nfailed = \"retry\"\nunknown = \"hold\"\n";

fn system(model: &str, tables: &[&str]) -> System {
    let path = format!("models/{model}.toml");
    let (_, text) = shipped().into_iter().find(|(name, _)| *name == path).expect("it is shipped");
    let case = case(text, &tables.concat());
    System::new(&case.policy, &case.protocol).expect("it compiles")
}

/// Visited, stored, covered, transitions: with all reductions, without inclusion, with one constant
/// per clock, without symmetry.
fn sizes(system: &System) -> [[u64; 4]; 4] {
    let options = SearchOptions::default;
    let one = |options: SearchOptions| {
        let system = system.clone().with_symmetry(options.symmetry);
        let exploration = explore(&system, &options, &mut ()).expect("it can be searched");
        let stats = exploration.stats();
        assert!(stats.complete);
        [stats.visited, stats.stored, stats.covered, stats.transitions]
    };
    [
        one(options()),
        one(SearchOptions { subsumption: Subsumption::Equality, ..options() }),
        one(SearchOptions { extrapolation: Extrapolation::M, ..options() }),
        one(SearchOptions { symmetry: false, ..options() }),
    ]
}

#[test]
fn check_then_act() {
    let system = system("check-then-act", &[TRIGGER, STORE, CALL, "native_key = false\n"]);
    assert_eq!(
        sizes(&system),
        [[714, 714, 1825, 2538], [1066, 1066, 2628, 3693], [761, 761, 1964, 2724], [717, 717, 1828, 2544]]
    );
}

#[test]
fn execute_then_save() {
    let faults = "[faults]\ncrashes = 1\nlost_responses = 1\npause = \"5s\"\n";
    let system =
        system("execute-then-save", &[TRIGGER, STORE, CALL, "native_key = { ttl = \"9s\" }\n", faults]);
    assert_eq!(
        sizes(&system),
        [[222, 210, 402, 611], [485, 485, 876, 1360], [308, 300, 594, 893], [223, 211, 403, 613]]
    );
}

#[test]
fn atomic_receipt() {
    let trigger = TRIGGER.replace("retries = 1", "retries = 0\nconflicting = 1");
    let tables = [&trigger, STORE, CALL, "native_key = false\n", CHOICES, "[waits]\npoll = \"1s\"\n"];
    assert_eq!(
        sizes(&system("atomic-receipt", &tables)),
        [[494, 494, 1347, 1840], [742, 742, 1955, 2696], [548, 548, 1493, 2040], [500, 500, 1353, 1852]]
    );
}

#[test]
fn transactional_receipt() {
    let faults = "[faults]\ncrashes = 1\nambiguous_acks = 1\naborts = 1\n";
    let trigger = TRIGGER.replace("requests = 1", "requests = 2");
    let tables = [&trigger, STORE, "[choices]\nunknown = \"again\"\n", faults];
    assert_eq!(
        sizes(&system("transactional-receipt", &tables)),
        [
            [5923, 5889, 20495, 26383],
            [9559, 9559, 34851, 44409],
            [5963, 5931, 19843, 25773],
            [7651, 7611, 31120, 38730]
        ]
    );
}

#[test]
fn receipt() {
    let call = "native_key = false\nfencing = true\nquery = true\n";
    let choices = [CHOICES, "take_over = \"reconcile\"\n", "[waits]\npoll = \"1s\"\n"].concat();
    assert_eq!(
        sizes(&system("receipt", &[TRIGGER, STORE, CALL, call, &choices])),
        [[904, 901, 2628, 3528], [1588, 1588, 4547, 6134], [990, 987, 2870, 3856], [910, 907, 2634, 3540]]
    );
}
