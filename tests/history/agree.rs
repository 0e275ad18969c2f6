//! The checker and the state machine say the same.

use idemcheck::history::judge;
use idemcheck::history::key::{Judgement, KeyHistory};
use idemcheck::history::record::Terms;

use super::generate::{Class, Random, history, honest, terms};
use super::oracle;

/// How many histories of each class, and the seed of the first.
pub fn plan(by_default: u64) -> (u64, u64) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect(name));
    let count = number("IDEMCHECK_HISTORIES");
    let fresh = || std::time::UNIX_EPOCH.elapsed().map_or(1, |age| age.as_nanos() as u64 >> 10);
    let seed = number("IDEMCHECK_SEED").unwrap_or_else(|| if count.is_some() { fresh() } else { 2026 });
    (count.unwrap_or(by_default), seed)
}

#[derive(Debug, Default)]
struct Tally {
    accepted: u64,
    rejected: u64,
    unknown: u64,
}

fn shown(history: &KeyHistory, terms: &Terms) -> String {
    let mut out = format!("{terms:?}\n");
    for op in &history.ops {
        out += &format!("  {op:?}\n");
    }
    for effect in &history.effects {
        out += &format!("  {effect:?}\n");
    }
    for count in &history.counts {
        out += &format!("  {count:?}\n");
    }
    out
}

/// Judges random histories in both ways. Of those that are decided, at least a fifth must go each way.
fn agree(class: Class, by_default: u64) {
    let (count, seed) = plan(by_default);
    let mut tally = Tally::default();
    for case in 0..count {
        let mut random = Random::new(seed.wrapping_add(case));
        let terms = terms(class, &mut random);
        let history = history(&terms, &mut random);
        let expected = oracle::possible(&history, &terms);
        let said = judge(&history, &terms);
        let place =
            || format!("{class:?}, IDEMCHECK_SEED={}:\n{}", seed.wrapping_add(case), shown(&history, &terms));
        match &said {
            Judgement::Accepted => {
                assert!(expected, "accepted, and there is no course; {}", place());
                tally.accepted += 1;
            }
            Judgement::Rejected(fault) => {
                assert!(!expected, "rejected by {fault:?}, and there is a course; {}", place());
                assert!(!fault.parties.is_empty(), "nobody is named; {}", place());
                tally.rejected += 1;
            }
            Judgement::Unknown(why) => {
                assert!(class != Class::Base, "unknown: {why}; {}", place());
                tally.unknown += 1;
            }
        }
    }
    println!("{class:?}: {count} histories from seed {seed}: {tally:?}");
    let fifth = count / 5;
    assert!(tally.accepted >= fifth && tally.rejected >= fifth && tally.unknown <= count / 20, "{tally:?}");
}

#[test]
fn agree_on_one_life() {
    agree(Class::Base, 4000);
}

#[test]
fn agree_on_releases() {
    agree(Class::Release, 3000);
}

#[test]
fn agree_on_expiry() {
    agree(Class::Ttl, 2000);
}

#[test]
fn agree_on_leases() {
    agree(Class::Lease, 2000);
}

#[test]
fn agree_on_everything_at_once() {
    agree(Class::Mixed, 2000);
}

/// What the generator takes for honest is: else near-valid histories would be neither.
#[test]
fn an_honest_service_is_accepted() {
    for class in [Class::Base, Class::Release, Class::Ttl, Class::Lease, Class::Mixed] {
        let (count, seed) = plan(2000);
        for case in 0..count {
            let mut random = Random::new(seed.wrapping_add(case));
            let terms = terms(class, &mut random);
            let history = honest(&terms, &mut random);
            let said = judge(&history, &terms);
            assert!(
                !matches!(said, Judgement::Rejected(_)),
                "{class:?}, IDEMCHECK_SEED={}: {said:?}\n{}",
                seed.wrapping_add(case),
                shown(&history, &terms)
            );
        }
    }
}
