//! What must hold of two histories of which one says less than the other.

use idemcheck::history::judge;
use idemcheck::history::key::{Judgement, KeyHistory, NEVER};
use idemcheck::history::record::Terms;

use super::agree::plan;
use super::generate::{Class, Random, history, terms};

const CLASSES: [Class; 5] = [Class::Base, Class::Release, Class::Ttl, Class::Lease, Class::Mixed];

/// Whatever is accepted stays accepted when it says less.
fn stays_accepted(less: impl Fn(&mut KeyHistory, &mut Terms, &mut Random)) {
    let (count, seed) = plan(1500);
    for class in CLASSES {
        for case in 0..count {
            let mut random = Random::new(seed.wrapping_add(case));
            let mut terms = terms(class, &mut random);
            let mut history = history(&terms, &mut random);
            if judge(&history, &terms) != Judgement::Accepted {
                continue;
            }
            let before = history.clone();
            less(&mut history, &mut terms, &mut random);
            let said = judge(&history, &terms);
            assert!(
                !matches!(said, Judgement::Rejected(_)),
                "{class:?}, IDEMCHECK_SEED={}: {said:?}\n{terms:?}\n{before:?}\n{history:?}",
                seed.wrapping_add(case)
            );
        }
    }
}

#[test]
fn a_wider_interval_says_less() {
    stays_accepted(|history, _, random| {
        for op in &mut history.ops {
            op.start -= random.below(3) as i64;
            op.end = if op.end == NEVER { NEVER } else { op.end + random.below(3) as i64 };
        }
        for effect in &mut history.effects {
            // All by the same: their order stays what it is.
            effect.earliest -= 1;
            effect.latest += 1;
        }
        for count in &mut history.counts {
            count.start -= random.below(3) as i64;
            count.end += random.below(3) as i64;
        }
    });
}

#[test]
fn an_answer_that_was_lost_says_less() {
    stays_accepted(|history, _, random| {
        use idemcheck::history::key::{Kind, Mark, NONE};
        for op in &mut history.ops {
            if op.kind != Kind::InFlight && op.kind != Kind::Mismatch && random.one_in(2) {
                (op.kind, op.end, op.answer, op.mark) = (Kind::Unknown, NEVER, NONE, Mark::Untold);
            }
        }
    });
}

#[test]
fn a_refusal_that_was_not_recorded_says_less() {
    stays_accepted(|history, terms, random| {
        use idemcheck::history::key::Kind;
        if terms.lease.is_none() && terms.ttl.is_none() {
            history.ops.retain(|op| !matches!(op.kind, Kind::InFlight | Kind::Mismatch) || random.one_in(2));
        }
        if !terms.effects_recorded {
            history.counts.clear();
        }
    });
}

#[test]
fn looser_terms_say_less() {
    stays_accepted(|_, terms, random| {
        for span in [&mut terms.ttl, &mut terms.lease].into_iter().flatten() {
            span.min -= random.below(span.min.min(2) + 1);
            span.max = span.max.map(|max| max + random.below(3));
        }
        terms.marked = false;
        terms.in_flight_compares = false;
    });
}

#[test]
fn the_order_of_records_says_nothing() {
    let (count, seed) = plan(1500);
    for class in CLASSES {
        for case in 0..count {
            let mut random = Random::new(seed.wrapping_add(case));
            let terms = terms(class, &mut random);
            let mut history = history(&terms, &mut random);
            let name = |said: Judgement| match said {
                Judgement::Accepted => 'a',
                Judgement::Rejected(_) => 'r',
                Judgement::Unknown(_) => 'u',
            };
            let before = name(judge(&history, &terms));
            history.ops.reverse();
            history.counts.reverse();
            let after = name(judge(&history, &terms));
            assert_eq!(before, after, "IDEMCHECK_SEED={}: {history:?}", seed.wrapping_add(case));
        }
    }
}
