//! What a service may do with one key, as a state machine: absent, in flight, done. Every order of its steps is
//! tried at every tick. It shares nothing with the checker but the types.

use idemcheck::history::key::{KeyHistory, Kind, Mark, NONE, Op};
use idemcheck::history::record::{Failure, InFlight, Terms, TtlFrom};
use rustc_hash::FxHashSet;

const RECOVERY: usize = 31;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// Since when it was claimed that was released.
    Absent {
        since: Option<i64>,
    },
    Flying {
        owner: usize,
        body: u32,
        since: i64,
    },
    Done {
        body: u32,
        answer: u32,
        by: usize,
        claimed: i64,
        since: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct World {
    now: i64,
    key: Key,
    /// Who has decided, who has claimed, which effect records and counts have come about.
    decided: u32,
    claimed: u32,
    seen: u32,
    counted: u32,
    effects: u64,
    effected: bool,
}

struct Oracle<'a> {
    history: &'a KeyHistory,
    terms: &'a Terms,
    end: i64,
    met: FxHashSet<World>,
    worlds: usize,
}

fn beyond(since: i64, now: i64, span: Option<u64>) -> bool {
    span.is_some_and(|span| now > since + span as i64)
}

/// Whether a service that keeps its promises can have answered so. Moments are small.
pub fn possible(history: &KeyHistory, terms: &Terms) -> bool {
    possible_within(history, terms, usize::MAX).expect("no limit")
}

/// The same; none where more worlds are met than that.
pub fn possible_within(history: &KeyHistory, terms: &Terms, worlds: usize) -> Option<bool> {
    let known = |at: i64| (at != i64::MAX && at != i64::MIN).then_some(at);
    let moments = history.ops.iter().flat_map(|op| [known(op.start), known(op.end)]);
    let effects = history.effects.iter().flat_map(|effect| [known(effect.earliest), known(effect.latest)]);
    let counts = history.counts.iter().flat_map(|count| [Some(count.start), Some(count.end)]);
    let all: Vec<i64> = moments.chain(effects).chain(counts).flatten().collect();
    let (first, last) = (all.iter().min().copied().unwrap_or(0), all.iter().max().copied().unwrap_or(0));
    let silent = |op: &Op| matches!(op.kind, Kind::Released | Kind::Unknown);
    let decided = (0..history.ops.len()).filter(|index| silent(&history.ops[*index]));
    let world = World {
        now: first,
        key: Key::Absent { since: None },
        decided: decided.fold(0, |bits, index| bits | 1 << index),
        claimed: 0,
        seen: 0,
        counted: 0,
        effects: 0,
        effected: false,
    };
    let mut oracle = Oracle { history, terms, end: last, met: FxHashSet::default(), worlds };
    let found = oracle.try_from(world);
    (found || oracle.met.len() < worlds).then_some(found)
}

impl Oracle<'_> {
    fn try_from(&mut self, world: World) -> bool {
        if self.met.len() >= self.worlds || !self.met.insert(world) {
            return false;
        }
        let full = |count: usize| (1_u32 << count) - 1;
        let all = world.decided == full(self.history.ops.len())
            && world.seen == full(self.history.effects.len())
            && world.counted == full(self.history.counts.len())
            && !self.owes(&world);
        all || self.steps(world).into_iter().any(|next| self.try_from(next))
    }

    /// Somebody has claimed, and was answered as it is only after its claim is gone.
    fn owes(&self, world: &World) -> bool {
        let Key::Flying { owner, .. } = world.key else { return false };
        self.history.ops.get(owner).is_some_and(|op| op.kind == Kind::InFlight)
    }

    fn steps(&self, world: World) -> Vec<World> {
        let (now, terms) = (world.now, self.terms);
        let mut out = Vec::new();
        for (index, op) in self.history.ops.iter().enumerate() {
            let bit = 1 << index;
            let here = op.start <= now && now <= op.end;
            if here && world.decided & bit == 0 && self.answers(&world, index, op) {
                out.push(World { decided: world.decided | bit, ..world });
            }
            let claims = match op.kind {
                Kind::Success | Kind::Failure | Kind::Released => true,
                Kind::Unknown => now >= op.start,
                Kind::InFlight => terms.lease.is_some() || terms.ttl.is_some(),
                Kind::Mismatch => false,
            };
            // Whoever has been answered does nothing any more.
            let busy = matches!(op.kind, Kind::Released | Kind::Unknown) || world.decided & bit == 0;
            let within = here || (op.kind == Kind::Unknown && now >= op.start);
            if claims && busy && within && world.claimed & bit == 0 {
                let key = Key::Flying { owner: index, body: op.body, since: now };
                self.claim(&world, key, &mut out, world.claimed | bit);
            }
        }
        if let Key::Flying { owner, body, since } = world.key {
            let op = self.history.ops.get(owner);
            if terms.recovery && terms.lease.is_some_and(|lease| now >= since + lease.min as i64) {
                out.push(World { key: Key::Flying { owner: RECOVERY, body, since: now }, ..world });
            }
            let silent = op.is_none_or(|op| matches!(op.kind, Kind::Released | Kind::Unknown));
            if silent && terms.failure == Failure::Release {
                out.push(World { key: Key::Absent { since: Some(since) }, ..world });
            }
            self.effect(&world, body, &mut out);
            self.record(&world, owner, body, since, &mut out);
        }
        for (index, count) in self.history.counts.iter().enumerate() {
            let here = count.start <= now && now <= count.end && count.effects == world.effects;
            if here {
                out.push(World { counted: world.counted | 1 << index, ..world });
            }
        }
        // Time goes on unless somebody would miss their moment.
        let missed = self.history.ops.iter().enumerate().any(|(index, op)| {
            let owner = matches!(world.key, Key::Flying { owner, .. } if owner == index);
            let late = op.end == now && world.decided & 1 << index == 0;
            late || (op.kind == Kind::Released && op.end == now && owner)
        });
        if now <= self.end && !missed {
            out.push(World { now: now + 1, ..world });
        }
        out
    }

    /// Whether the request can decide on its answer now.
    fn answers(&self, world: &World, index: usize, op: &Op) -> bool {
        let (now, terms) = (world.now, self.terms);
        let ttl = terms.ttl.and_then(|ttl| ttl.max);
        match (op.kind, world.key) {
            (Kind::InFlight, Key::Flying { owner, body, since }) => {
                terms.in_flight == InFlight::Reject
                    && owner != index
                    && (!terms.in_flight_compares || body == op.body)
                    && !beyond(since, now, terms.lease.and_then(|lease| lease.max))
                    && !beyond(since, now, ttl)
            }
            (Kind::Mismatch, Key::Flying { body, since, .. }) => body != op.body && !beyond(since, now, ttl),
            (Kind::Mismatch, Key::Done { body, .. }) => body != op.body && !self.forgotten(world),
            (Kind::Success | Kind::Failure, Key::Done { body, answer, by, .. }) => {
                let mark = !terms.marked || op.mark != Mark::New || by == index;
                body == op.body && answer == op.answer && mark && !self.forgotten(world)
            }
            _ => false,
        }
    }

    fn kept_from(&self, world: &World) -> i64 {
        match (world.key, self.terms.ttl_from) {
            (Key::Done { claimed, .. }, TtlFrom::Claim) => claimed,
            (Key::Done { since, .. }, TtlFrom::Record) => since,
            (Key::Flying { since, .. }, _) => since,
            (Key::Absent { since }, _) => since.unwrap_or(i64::MAX / 2),
        }
    }

    fn forgotten(&self, world: &World) -> bool {
        beyond(self.kept_from(world), world.now, self.terms.ttl.and_then(|ttl| ttl.max))
    }

    fn claim(&self, world: &World, key: Key, out: &mut Vec<World>, claimed: u32) {
        let over = |from: i64, span: Option<u64>| span.is_some_and(|span| world.now >= from + span as i64);
        let expired = over(self.kept_from(world), self.terms.ttl.map(|ttl| ttl.min));
        let fresh = World { key, claimed, effected: false, ..*world };
        let same = World { key, claimed, ..*world };
        match world.key {
            // After a release it is the same life of the key, until that would have been over.
            Key::Absent { .. } => {
                out.push(same);
                if expired {
                    out.push(fresh);
                }
            }
            Key::Flying { since, .. } => {
                // One that was answered as in flight waits to lose its claim.
                if over(since, self.terms.lease.map(|lease| lease.min)) {
                    out.push(same);
                }
                if expired {
                    out.push(fresh);
                }
            }
            Key::Done { .. } if expired => out.push(fresh),
            Key::Done { .. } => {}
        }
    }

    fn effect(&self, world: &World, body: u32, out: &mut Vec<World>) {
        if world.effected {
            return;
        }
        let next = World { effects: world.effects + 1, effected: true, ..*world };
        if self.history.effects.is_empty() && !self.terms.effects_recorded {
            out.push(next);
        }
        for (index, effect) in self.history.effects.iter().enumerate() {
            let here = effect.earliest <= world.now && world.now <= effect.latest;
            if world.seen & 1 << index == 0 && here && (effect.body == NONE || effect.body == body) {
                out.push(World { seen: world.seen | 1 << index, ..next });
            }
        }
        // Counted, though it has no record: the ledger is not complete.
        let counted = self.history.counts.iter().map(|count| count.effects).max().unwrap_or(0);
        if self.history.effects.is_empty() && self.terms.effects_recorded && world.effects < counted {
            out.push(next);
        }
    }

    fn record(&self, world: &World, owner: usize, body: u32, since: i64, out: &mut Vec<World>) {
        let done = |answer: u32| Key::Done { body, answer, by: owner, claimed: since, since: world.now };
        let op = self.history.ops.get(owner);
        match op {
            Some(op) if op.kind.is_final() => {
                let allowed = !self.terms.marked || op.mark != Mark::Replayed;
                let backed = op.kind == Kind::Failure || world.effected;
                if allowed && backed && world.now <= op.end {
                    out.push(World { key: done(op.answer), decided: world.decided | 1 << owner, ..*world });
                }
            }
            Some(op) if op.kind != Kind::Unknown => {}
            _ => {
                for other in self.history.ops.iter().filter(|op| op.kind.is_final()) {
                    if other.kind == Kind::Failure || world.effected {
                        out.push(World { key: done(other.answer), ..*world });
                    }
                }
                out.push(World { key: done(NONE), ..*world });
            }
        }
    }
}
