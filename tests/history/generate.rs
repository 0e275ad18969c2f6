//! Small random histories: some of nothing but chance, some of a service that keeps its promises, and some of those
//! with one thing changed.

use idemcheck::history::key::{Counted, KeyHistory, Kind, Mark, NEVER, NONE, Op, Seen};
use idemcheck::history::record::{Failure, Span, Terms, TtlFrom};

/// xorshift64*, so that a seed is all there is to say.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn from(&mut self, least: i64, most: i64) -> i64 {
        least + self.below((most - least + 1) as u64) as i64
    }
}

/// What a run of tests is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// One life, nothing releases the key.
    Base,
    /// Failed attempts release it.
    Release,
    Ttl,
    Lease,
    /// All of it at once.
    Mixed,
}

pub fn terms(class: Class, random: &mut Random) -> Terms {
    let span = |random: &mut Random| {
        let min = random.below(6) + 1;
        let max = (!random.one_in(8)).then(|| min + random.below(3));
        Some(Span { min, max })
    };
    let mut terms = Terms {
        failure: if random.one_in(2) { Failure::Replay } else { Failure::Hold },
        marked: random.one_in(4),
        in_flight_compares: random.one_in(3),
        effects_recorded: random.one_in(4),
        ..Terms::default()
    };
    let mixed = class == Class::Mixed;
    if class == Class::Release || (mixed && random.one_in(2)) {
        terms.failure = Failure::Release;
    }
    if class == Class::Ttl || (mixed && !random.one_in(3)) {
        terms.ttl = span(random);
        terms.ttl_from = if random.one_in(2) { TtlFrom::Claim } else { TtlFrom::Record };
    }
    if class == Class::Lease || (mixed && !random.one_in(3)) {
        terms.lease = span(random);
        terms.recovery = random.one_in(3);
    }
    terms
}

/// The answers below 2 are successes, 2 is a recorded failure.
fn kind_of(answer: u32) -> Kind {
    if answer < 2 { Kind::Success } else { Kind::Failure }
}

fn chance_op(terms: &Terms, random: &mut Random) -> Op {
    let start = random.from(0, 8);
    let end = start + random.from(0, 5);
    let answer = [0, 0, 0, 0, 1, 2][random.below(6) as usize];
    let kind = match random.below(9) {
        0..=2 => kind_of(answer),
        3 | 4 => Kind::InFlight,
        5 => Kind::Mismatch,
        6 if terms.failure == Failure::Release => Kind::Released,
        _ => Kind::Unknown,
    };
    let mark = [Mark::Untold, Mark::New, Mark::Replayed][random.below(3) as usize];
    let body = u32::from(random.one_in(5));
    finished(Op { start, end, body, answer, kind, mark })
}

/// What a record of that kind has.
fn finished(op: Op) -> Op {
    let answered = op.kind.is_final();
    Op {
        end: if op.kind == Kind::Unknown { NEVER } else { op.end },
        answer: if answered { op.answer } else { NONE },
        mark: if answered { op.mark } else { Mark::Untold },
        ..op
    }
}

/// Requests, counts and effects of nothing but chance.
pub fn chance(terms: &Terms, random: &mut Random) -> KeyHistory {
    let ops = (0..random.from(1, 5)).map(|_| chance_op(terms, random)).collect();
    let mut history = KeyHistory { ops, ..KeyHistory::default() };
    chance_effects(&mut history, random);
    history
}

fn chance_effects(history: &mut KeyHistory, random: &mut Random) {
    if random.one_in(3) {
        let start = random.from(0, 14);
        let effects = [0, 1, 1, 2][random.below(4) as usize];
        history.counts.push(Counted { effects, start, end: start + random.from(0, 3) });
    }
    if random.one_in(4) {
        let earliest = random.from(0, 12);
        let body = if random.one_in(2) { NONE } else { u32::from(random.one_in(5)) };
        history.effects.push(Seen { earliest, latest: earliest + random.from(0, 2), body });
    }
}

#[derive(Clone, Copy)]
struct Claimed {
    by: usize,
    at: i64,
    body: u32,
}

/// A service that keeps its promises, with random timing, as its clients see it.
pub fn honest(terms: &Terms, random: &mut Random) -> KeyHistory {
    let long = terms.ttl.is_some() || terms.lease.is_some();
    let count = random.from(2, 5) as usize;
    // When each is sent, is looked at, and how long it works if it claims.
    let mut plans: Vec<(i64, i64, i64, u32)> = (0..count)
        .map(|_| {
            let sent = random.from(0, if long { 12 } else { 6 });
            let looked = sent + random.from(0, 2);
            (looked, sent, random.from(0, if long { 8 } else { 4 }), u32::from(random.one_in(7)))
        })
        .collect();
    plans.sort_unstable();
    let mut ops: Vec<Op> = Vec::new();
    let mut effects: Vec<(i64, u32)> = Vec::new();
    let mut owner: Option<Claimed> = None;
    let mut done: Option<(i64, i64, u32, u32)> = None; // claimed, done, body, answer
    let mut effected = false;
    let mut ends: Vec<(i64, usize)> = Vec::new(); // when owners finish
    for now in 0..40 {
        // Owners that finish now.
        for (_, index) in ends.iter().copied().filter(|(at, _)| *at == now).collect::<Vec<_>>() {
            let op = ops[index];
            let mine = owner.is_some_and(|claimed| claimed.by == index);
            let gone = op.kind == Kind::Unknown && random.one_in(3);
            if !mine || gone {
                // It lost its claim, or died: nobody hears of it.
                ops[index] = Op { kind: Kind::Unknown, ..op };
                continue;
            }
            let claimed = owner.map_or(now, |claimed| claimed.at);
            if terms.failure == Failure::Release && random.one_in(3) {
                owner = None;
                if op.kind != Kind::Unknown {
                    ops[index] = Op { kind: Kind::Released, end: now + random.from(0, 2), ..op };
                }
                continue;
            }
            let answer = if random.one_in(6) { 2 } else { 0 };
            if answer != 2 && !effected {
                effects.push((random.from(claimed, now), op.body));
                effected = true;
            }
            owner = None;
            done = Some((claimed, now, op.body, answer));
            if op.kind != Kind::Unknown {
                let end = now + random.from(0, 2);
                ops[index] = Op { kind: kind_of(answer), answer, end, mark: Mark::New, ..op };
            }
        }
        for (_, sent, work, body) in plans.iter().copied().filter(|plan| plan.0 == now) {
            let index = ops.len();
            let mut op = Op {
                start: sent,
                end: now + random.from(0, 2),
                body,
                answer: NONE,
                kind: Kind::InFlight,
                mark: Mark::Untold,
            };
            let over =
                |since: i64, span: Option<Span>| span.is_some_and(|span| now >= since + span.min as i64);
            if let Some((claimed, at, ..)) = done {
                let from = if terms.ttl_from == TtlFrom::Claim { claimed } else { at };
                if over(from, terms.ttl) {
                    (done, effected) = (None, false);
                }
            }
            if let Some(claimed) = owner {
                if over(claimed.at, terms.lease) {
                    owner = None;
                } else if over(claimed.at, terms.ttl) {
                    (owner, effected) = (None, false);
                }
            }
            match (owner, done) {
                (_, Some((_, _, owned, answer))) if owned == body => {
                    op = Op { kind: kind_of(answer), answer, mark: Mark::Replayed, ..op };
                }
                (_, Some(_)) => op.kind = Kind::Mismatch,
                (Some(claimed), None) if claimed.body == body => {}
                (Some(_), None) => op.kind = Kind::Mismatch,
                (None, None) => {
                    owner = Some(Claimed { by: index, at: now, body });
                    ends.push((now + work, index));
                    op.kind = if random.one_in(4) { Kind::Unknown } else { Kind::Success };
                    // Finishing in this very tick comes too late to be seen above.
                    if work == 0 {
                        ends.pop();
                        ends.push((now + 1, index));
                    }
                }
            }
            ops.push(op);
        }
    }
    let mut history = KeyHistory { ops: ops.into_iter().map(finished).collect(), ..KeyHistory::default() };
    match random.below(4) {
        0 => history.counts.push(Counted { effects: effects.len() as u64, start: 50, end: 51 }),
        1 => {
            history.effects = effects
                .iter()
                .map(|(at, body)| Seen {
                    earliest: *at,
                    latest: *at,
                    body: if random.one_in(2) { NONE } else { *body },
                })
                .collect();
        }
        _ if terms.effects_recorded => {
            let seen = |(at, _): &(i64, u32)| Seen { earliest: *at, latest: *at, body: NONE };
            history.effects = effects.iter().map(seen).collect();
        }
        _ => {}
    }
    history
}

/// Changes one thing.
pub fn mutate(history: &mut KeyHistory, terms: &Terms, random: &mut Random) {
    if history.ops.is_empty() {
        return;
    }
    let index = random.below(history.ops.len() as u64) as usize;
    let op = &mut history.ops[index];
    match random.below(8) {
        0 => op.body ^= 1,
        1 if op.kind.is_final() => {
            op.answer = random.below(3) as u32;
            op.kind = kind_of(op.answer);
        }
        2 => {
            let by = random.from(-4, 4);
            op.start += by;
            op.end = if op.end == NEVER { NEVER } else { op.end + by };
        }
        3 => {
            let answer = random.below(3) as u32;
            let end = if op.end == NEVER { op.start + random.from(0, 4) } else { op.end };
            *op = finished(Op { kind: kind_of(answer), answer, end, ..*op });
        }
        4 => {
            let end = if op.end == NEVER { op.start + random.from(0, 4) } else { op.end };
            *op = finished(Op { kind: Kind::InFlight, end, ..*op });
        }
        5 => {
            let new = chance_op(terms, random);
            history.ops.push(new);
        }
        6 => {
            let again = history.ops[index];
            history.ops.push(again);
        }
        _ => chance_effects(history, random),
    }
}

/// One of the three sorts.
pub fn history(terms: &Terms, random: &mut Random) -> KeyHistory {
    match random.below(3) {
        0 => chance(terms, random),
        1 => honest(terms, random),
        _ => {
            let mut history = honest(terms, random);
            mutate(&mut history, terms, random);
            history
        }
    }
}
