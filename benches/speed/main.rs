//! How fast the search is beside others, and what more of a scope costs. Writes `benches/speed.md` with the figures
//! of this machine, and `benches/cost.svg`.
//!
//! `cargo bench --bench speed`

#[allow(dead_code)]
#[path = "../../tests/textbook/claim.rs"]
mod claim;
mod cost;
#[allow(dead_code)]
#[path = "../../tests/textbook/fischer.rs"]
mod fischer;
mod peers;
#[path = "../../tests/textbook/processes.rs"]
mod processes;

use std::fmt::Write as _;
use std::time::Instant;

use idemcheck::policy::load::{Loaded, load_texts};

/// A receipt with takeover, late effects, TTL and one crash.
const RECEIPT: [&str; 2] = [include_str!("../receipt.toml"), include_str!("../../models/receipt.toml")];

/// A policy, with parts of its text replaced.
fn policy([policy, model]: [&str; 2], changes: &[(&str, &str)]) -> Loaded {
    let mut text = policy.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let loaded = load_texts(("policy.toml".as_ref(), &text), ("models/model.toml".as_ref(), model));
    assert!(!loaded.policies.is_empty(), "it reads");
    loaded
}

fn seconds<R>(run: impl FnOnce() -> R) -> (f64, R) {
    let began = Instant::now();
    let result = run();
    (began.elapsed().as_secs_f64(), result)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn main() {
    let mut page = String::new();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    writeln!(
        page,
        "<!-- Written by `cargo bench --bench speed`. -->\n\n# Speed\n\nMeasured on a machine of {processors} \
         processors. All searches here run on one thread. What is on record was measured by others' tools or by \
         prototypes, earlier, on a quiet machine of two processors.\n"
    )
    .expect("a string takes it");
    peers::measure(&mut page);
    cost::measure(&mut page);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("benches");
    std::fs::write(folder.join("speed.md"), &page).expect("the folder is there");
    print!("{page}");
}
