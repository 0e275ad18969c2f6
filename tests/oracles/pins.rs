//! Exact sizes of searches: a change of the engine or of the step relation shows here. Whoever makes
//! such a change on purpose updates the numbers, and says in the commit why they moved.

use idemcheck::check::search::{Extrapolation, SearchOptions, Subsumption, explore};
use idemcheck::model::shipped::shipped;
use idemcheck::system::{Seen, System};

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
/// per clock, without symmetry, without surplus.
fn sizes(system: &System) -> [[u64; 4]; 5] {
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
        one(SearchOptions { surplus: false, ..options() }),
    ]
}

#[test]
fn check_then_act() {
    let system = system("check-then-act", &[TRIGGER, STORE, CALL, "native_key = false\n"]);
    assert_eq!(
        sizes(&system),
        [
            [1303, 1167, 7060, 8226],
            [7485, 7485, 33684, 41168],
            [1790, 1546, 10256, 11801],
            [1352, 1208, 7345, 8552],
            [1749, 1709, 7815, 9523]
        ]
    );
}

#[test]
fn execute_then_save() {
    let faults = "[faults]\ncrashes = 1\nlost_responses = 1\npause = \"5s\"\n";
    let system =
        system("execute-then-save", &[TRIGGER, STORE, CALL, "native_key = { ttl = \"9s\" }\n", faults]);
    assert_eq!(
        sizes(&system),
        [
            [146, 122, 709, 830],
            [991, 991, 3497, 4487],
            [240, 217, 1369, 1585],
            [146, 122, 709, 830],
            [264, 254, 911, 1164]
        ]
    );
}

#[test]
fn atomic_receipt() {
    let trigger = TRIGGER.replace("retries = 1", "retries = 0\nconflicting = 1");
    let tables = [&trigger, STORE, CALL, "native_key = false\n", CHOICES, "[waits]\npoll = \"1s\"\n"];
    assert_eq!(
        sizes(&system("atomic-receipt", &tables)),
        [
            [669, 621, 3668, 4288],
            [4264, 4264, 20945, 25208],
            [1366, 1202, 9019, 10220],
            [707, 645, 3866, 4510],
            [870, 834, 3945, 4778]
        ]
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
            [1354, 1236, 11252, 12487],
            [23255, 23255, 153189, 176443],
            [2465, 2281, 23171, 25451],
            [1966, 1839, 18561, 20399],
            [6923, 6871, 39720, 46590]
        ]
    );
}

#[test]
fn receipt() {
    let call = "native_key = false\nfencing = true\nquery = true\n";
    let choices = [CHOICES, "take_over = \"reconcile\"\n", "[waits]\npoll = \"1s\"\n"].concat();
    assert_eq!(
        sizes(&system("receipt", &[TRIGGER, STORE, CALL, call, &choices])),
        [
            [1065, 919, 6085, 7003],
            [6229, 6229, 31289, 37517],
            [1716, 1413, 10722, 12134],
            [1119, 957, 6414, 7370],
            [1333, 1254, 6440, 7693]
        ]
    );
}

#[test]
fn stalls_without_end() {
    let faults = "[faults]\ncrashes = 1\n";
    let system =
        system("execute-then-save", &[TRIGGER, STORE, CALL, "native_key = { ttl = \"9s\" }\n", faults]);
    assert_eq!(
        sizes(&system),
        [
            [171, 147, 775, 921],
            [708, 708, 2784, 3491],
            [249, 225, 1345, 1569],
            [171, 147, 775, 921],
            [251, 245, 892, 1136]
        ]
    );
    assert_eq!(
        sizes(&system.lean(Seen::default())),
        [
            [165, 148, 764, 911],
            [488, 488, 2243, 2730],
            [243, 226, 1334, 1559],
            [165, 148, 764, 911],
            [199, 194, 803, 996]
        ]
    );
}
