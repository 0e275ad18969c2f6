//! Histories that are too large for a search: exact where they can be, and else unknown at the worst.

use idemcheck::history::judge;
use idemcheck::history::key::{Counted, Judgement, KeyHistory, Kind, Mark, NEVER, NONE, Op};
use idemcheck::history::record::{Failure, Span, Terms, TtlFrom};
use idemcheck::history::rule::Rule;

fn op(kind: Kind, start: i64, end: i64) -> Op {
    let answer = if kind.is_final() { 0 } else { NONE };
    Op { start, end, body: 0, answer, kind, mark: Mark::Untold }
}

/// A burst: one wins, some are refused meanwhile, some wait for its result, a few are lost.
fn burst(at: i64, count: i64, answer: u32) -> Vec<Op> {
    let one = |index: i64| match index % 10 {
        0 => Op { answer, ..op(Kind::Success, at + index, at + 600 + index) },
        9 => op(Kind::Unknown, at + index, NEVER),
        1..=5 => op(Kind::InFlight, at + index, at + 300 + index),
        _ => Op { answer, ..op(Kind::Success, at + 700 + index, at + 900 + index) },
    };
    (0..count).map(one).collect()
}

fn rule(said: &Judgement) -> Option<Rule> {
    match said {
        Judgement::Rejected(fault) => Some(fault.rule),
        _ => None,
    }
}

#[test]
fn two_winners_among_many() {
    let mut ops = burst(0, 100, 0);
    let history = KeyHistory { ops: ops.clone(), ..KeyHistory::default() };
    assert_eq!(judge(&history, &Terms::default()), Judgement::Accepted);
    ops[50].answer = 1;
    let history = KeyHistory { ops, ..KeyHistory::default() };
    assert_eq!(rule(&judge(&history, &Terms::default())), Some(Rule::AnswersDiffer));
}

#[test]
fn two_bursts_on_both_sides_of_an_expiry() {
    let day = Some(Span { min: 1_000_000, max: Some(1_000_000) });
    for ttl_from in [TtlFrom::Claim, TtlFrom::Record] {
        let terms = Terms { ttl: day, ttl_from, failure: Failure::Release, ..Terms::default() };
        let mut ops = burst(0, 50, 0);
        ops.extend(burst(1_100_000, 50, 1));
        let mut history = KeyHistory { ops, ..KeyHistory::default() };
        history.counts.push(Counted { effects: 2, start: 1_200_000, end: 1_200_001 });
        assert_eq!(judge(&history, &terms), Judgement::Accepted, "{ttl_from:?}");
        // The second came too early for a life of its own.
        let early = history.ops[50..].iter().map(|op| Op {
            start: op.start - 600_000,
            end: op.end.saturating_sub(600_000),
            ..*op
        });
        let early = early.map(|op| if op.kind == Kind::Unknown { Op { end: NEVER, ..op } } else { op });
        let ops = history.ops[..50].iter().copied().chain(early).collect();
        let history = KeyHistory { ops, ..KeyHistory::default() };
        assert!(rule(&judge(&history, &terms)).is_some(), "{ttl_from:?}: {:?}", judge(&history, &terms));
    }
}

#[test]
fn a_claim_that_outlives_its_lease() {
    let lease = Some(Span { min: 1_000, max: Some(1_000) });
    let terms = Terms { lease, failure: Failure::Hold, ..Terms::default() };
    // The first dies; others are refused until its lease is over, then one takes over.
    let mut ops = vec![op(Kind::Unknown, 0, NEVER)];
    ops.extend((0..40).map(|index| op(Kind::InFlight, 10 + 20 * index, 25 + 20 * index)));
    ops.push(op(Kind::Success, 1_050, 1_200));
    ops.extend((0..20).map(|index| op(Kind::Success, 1_300 + index, 1_310 + index)));
    let history = KeyHistory { ops: ops.clone(), ..KeyHistory::default() };
    assert_eq!(judge(&history, &terms), Judgement::Accepted);
    // Refused long after the lease, and nobody can have taken over.
    ops.truncate(41);
    ops.push(op(Kind::InFlight, 5_000, 5_010));
    let history = KeyHistory { ops, ..KeyHistory::default() };
    assert_eq!(
        rule(&judge(&history, &terms)),
        Some(Rule::InFlightAfterLease),
        "{:?}",
        judge(&history, &terms)
    );
}

#[test]
fn stuck_after_an_exception() {
    let terms = Terms { failure: Failure::Release, ..Terms::default() };
    let ops = vec![op(Kind::Released, 0, 10), op(Kind::InFlight, 20, 21)];
    let history = KeyHistory { ops, ..KeyHistory::default() };
    assert_eq!(rule(&judge(&history, &terms)), Some(Rule::InFlightAfterFailure));
}

#[test]
fn large_and_random_is_never_decided_wrongly() {
    use super::generate::{Class, Random, history, terms};
    use super::oracle;
    // Each request four times: too many for a search, and no more than the state machine can try.
    let (count, seed) = super::agree::plan(100);
    let mut decided = 0;
    for case in 0..count.min(20_000) {
        let mut random = Random::new(seed.wrapping_add(case));
        let class = [Class::Ttl, Class::Lease, Class::Mixed][random.below(3) as usize];
        let terms = terms(class, &mut random);
        let mut history = history(&terms, &mut random);
        history.ops.truncate(3);
        let copies: Vec<Op> = (0..7).flat_map(|_| history.ops.clone()).collect();
        history.ops = copies;
        let said = judge(&history, &terms);
        if matches!(said, Judgement::Unknown(_)) {
            continue;
        }
        let Some(expected) = oracle::possible_within(&history, &terms, 100_000) else { continue };
        decided += 1;
        let same = matches!((&said, expected), (Judgement::Accepted, true) | (Judgement::Rejected(_), false));
        assert!(
            same,
            "IDEMCHECK_SEED={}: {said:?}, {expected}\n{terms:?}\n{history:?}",
            seed.wrapping_add(case)
        );
    }
    println!("large: {decided} of {} decided by both", count.min(20_000));
    assert!(decided >= count.min(20_000) / 4, "{decided}");
}
