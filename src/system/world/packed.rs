//! Worlds as the search stores them: bytes, without the numbers of the clocks.

use smallvec::SmallVec;

use crate::system::remedy::{Aim, Remedy, Saw};

use super::{
    Attempt, Budget, CLASSES, Call, Client, Flight, Grip, Key, Known, LockState, Native, Past, Phase,
    Receipt, Row, Slot, Status, World,
};

/// The stored form of a [`World`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Packed(SmallVec<[u8; 56]>);

impl Packed {
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes beyond those of the value itself.
    pub fn heap_size(&self) -> usize {
        if self.0.spilled() { self.0.capacity() } else { 0 }
    }
}

/// A part of the world that is packed as one record, so that alike ones can be told.
pub(super) type Record = SmallVec<[u8; 12]>;

impl World {
    pub fn pack(&self) -> Packed {
        let mut out = SmallVec::new();
        let b = &self.budget;
        out.push(b.crashes << 4 | b.lost_requests);
        out.push(b.lost_responses << 4 | b.ambiguous_acks);
        // Most policies have none of these.
        let rare = [
            b.failovers << 4 | b.store_errors,
            b.lock_losses << 4 | b.duplicate_requests,
            b.late_requests << 4 | b.redeliveries,
            b.redrives << 4 | self.rows.len() as u8,
            self.lost[0] | self.lost[1] << 3 | self.lost[2] << 6,
            lock_bits(&self.locks[0])
                | u8::from(self.past.is_some())
                | u8::from(self.remedy.is_some()) << 3
                | (self.locks.len() as u8 - 1) << 4,
        ];
        let has_rare = rare != [0; 6];
        let flags = u8::from(has_rare) << 2 | u8::from(self.started) << 1 | u8::from(self.horizon.present());
        out.push(b.aborts << 3 | flags);
        if has_rare {
            out.extend_from_slice(&rare);
        }
        for (count, latest) in self.effects.iter().zip(&self.latest) {
            out.push(count << 4 | latest);
        }
        out.push(self.seen);
        out.push(self.fence);
        out.push(self.granted);
        out.push(self.keys.len() as u8);
        for key in &self.keys {
            let r = &key.receipt;
            out.push(
                r.status as u8
                    | r.class << 2
                    | u8::from(r.clock.present()) << 4
                    | u8::from(r.was_recorded) << 5
                    | u8::from(key.native.used) << 6
                    | u8::from(key.native.clock.present()) << 7,
            );
            out.push(r.token << 1 | u8::from(r.born.present()));
            out.extend_from_slice(&[
                r.known.to_byte(),
                r.first_answer.to_byte(),
                u8::from(r.swept) << 7 | r.checkpoint,
            ]);
            if key.native.used {
                out.push(key.native.class << 4 | key.native.version);
            }
        }
        out.extend(self.locks[1..].iter().map(lock_bits));
        for row in &self.rows {
            out.push(
                u8::from(row.claimed)
                    | u8::from(row.done) << 1
                    | u8::from(row.published) << 2
                    | u8::from(row.clock.present()) << 3
                    | u8::from(row.since.present()) << 4
                    | u8::from(row.direct) << 5,
            );
        }
        if let Some(past) = &self.past {
            let r = &past.receipt;
            out.push(
                r.status as u8
                    | r.class << 2
                    | u8::from(r.clock.present()) << 4
                    | u8::from(r.was_recorded) << 5
                    | u8::from(r.born.present()) << 6
                    | u8::from(past.clock.present()) << 7,
            );
            let flags = u8::from(r.swept) << 7 | r.checkpoint;
            out.extend_from_slice(&[r.token, r.known.to_byte(), r.first_answer.to_byte(), flags]);
            out.extend_from_slice(&[past.rows, past.marked]);
            for (count, latest) in past.effects.iter().zip(&past.latest) {
                out.push(count << 4 | latest);
            }
        }
        if let Some(remedy) = &self.remedy {
            remedy.pack(&mut |byte| out.push(byte));
        }
        let counts = [&self.clients.len(), &self.zombies.len(), &self.flights.len()];
        out.extend(counts.map(|count| *count as u8));
        self.clients.iter().for_each(|c| out.extend_from_slice(&client_record(c)));
        self.zombies.iter().for_each(|a| out.extend_from_slice(&attempt_record(a)));
        self.flights.iter().for_each(|f| out.extend_from_slice(&flight_record(f)));
        Packed(out)
    }

    /// The inverse of [`World::pack`], with the clocks numbered.
    pub fn unpack(packed: &Packed) -> World {
        let mut bytes = Reader { bytes: &packed.0, clocks: 0 };
        let (a, b, c) = (bytes.next(), bytes.next(), bytes.next());
        let budget = Budget {
            crashes: a >> 4,
            lost_requests: a & 15,
            lost_responses: b >> 4,
            ambiguous_acks: b & 15,
            aborts: c >> 3,
            ..Budget::default()
        };
        let rare: [u8; 6] = if c & 4 != 0 { std::array::from_fn(|_| bytes.next()) } else { [0; 6] };
        let budget = Budget {
            failovers: rare[0] >> 4,
            store_errors: rare[0] & 15,
            lock_losses: rare[1] >> 4,
            duplicate_requests: rare[1] & 15,
            late_requests: rare[2] >> 4,
            redeliveries: rare[2] & 15,
            redrives: rare[3] >> 4,
            ..budget
        };
        let horizon = bytes.slot(c & 1 != 0);
        let started = c & 2 != 0;
        let counts = [bytes.next(), bytes.next(), bytes.next()];
        let (effects, latest) = (counts.map(|byte| byte >> 4), counts.map(|byte| byte & 15));
        let (seen, fence, granted) = (bytes.next(), bytes.next(), bytes.next());
        let keys = (0..bytes.next()).map(|_| bytes.key()).collect();
        let mut locks: SmallVec<[LockState; 1]> = SmallVec::new();
        locks.push(bytes.lock(rare[5]));
        for _ in 0..rare[5] >> 4 {
            let bits = bytes.next();
            locks.push(bytes.lock(bits));
        }
        let rows = (0..rare[3] & 15).map(|_| bytes.row()).collect();
        let past = (rare[5] & 1 != 0).then(|| Box::new(bytes.past()));
        let remedy = (rare[5] & 8 != 0).then(|| {
            let bytes = std::cell::RefCell::new(&mut bytes);
            Box::new(Remedy::unpack(|| bytes.borrow_mut().next(), |present| bytes.borrow_mut().slot(present)))
        });
        let [clients, zombies, flights] = std::array::from_fn(|_| bytes.next());
        let clients = (0..clients).map(|_| bytes.client()).collect();
        let zombies = (0..zombies).map(|_| bytes.attempt()).collect();
        let flights = (0..flights).map(|_| bytes.flight()).collect();
        World {
            budget,
            horizon,
            started,
            keys,
            locks,
            rows,
            past,
            remedy,
            lost: [rare[4] & 7, rare[4] >> 3 & 7, rare[4] >> 6],
            effects,
            latest,
            seen,
            fence,
            granted,
            clients,
            zombies,
            flights,
        }
    }
}

fn lock_bits(lock: &LockState) -> u8 {
    u8::from(lock.held) << 2 | u8::from(lock.clock.present()) << 1
}

pub(super) fn client_record(client: &Client) -> Record {
    let mut out = Record::new();
    out.push(
        client.class
            | (client.phase as u8) << 2
            | u8::from(client.clock.present()) << 4
            | u8::from(client.attempt.is_some()) << 5
            | u8::from(client.source != 0) << 6,
    );
    out.push(client.role << 4 | client.retries);
    if client.source != 0 {
        out.push(client.source);
    }
    if let Some(attempt) = &client.attempt {
        out.extend_from_slice(&attempt_record(attempt));
    }
    out
}

pub(super) fn attempt_record(attempt: &Attempt) -> Record {
    let call = match attempt.call {
        Call::None => 0,
        Call::Pending => 1,
        Call::Landed(_) => 2,
        Call::Refused => 3,
    };
    let mut out = Record::new();
    let aimed = attempt.aim != Aim::default();
    let more = attempt.lock != Grip::None || attempt.row != 0 || attempt.loaded != 0 || aimed;
    out.push(attempt.at | u8::from(more) << 7);
    out.push(
        attempt.class
            | call << 2
            | u8::from(attempt.owns) << 4
            | u8::from(attempt.clock.present()) << 5
            | u8::from(attempt.held.present()) << 6
            | u8::from(attempt.down) << 7,
    );
    out.push(attempt.token);
    out.push(attempt.known.to_byte());
    out.push(attempt.key);
    if let Call::Landed(known) = attempt.call {
        out.push(known.to_byte());
    }
    if more {
        out.extend_from_slice(&[
            attempt.lock as u8 | u8::from(aimed) << 2,
            attempt.row << 4 | attempt.loaded,
        ]);
    }
    if aimed {
        let Aim { part, target, saw, fresh, current, counted } = attempt.aim;
        let flags = u8::from(fresh) << 2 | u8::from(current) << 3 | u8::from(counted) << 4;
        out.extend_from_slice(&[part << 4 | target, saw as u8 | flags]);
    }
    out
}

pub(super) fn flight_record(flight: &Flight) -> Record {
    let head = flight.class
        | u8::from(flight.keyed) << 2
        | u8::from(flight.clock.present()) << 3
        | u8::from(flight.given_up) << 4;
    Record::from_slice(&[head, flight.key, flight.token, flight.grant])
}

struct Reader<'a> {
    bytes: &'a [u8],
    clocks: u8,
}

impl Reader<'_> {
    fn next(&mut self) -> u8 {
        let (first, rest) = self.bytes.split_first().expect("packed by World::pack");
        self.bytes = rest;
        *first
    }

    fn slot(&mut self, present: bool) -> Slot {
        if !present {
            return Slot::NONE;
        }
        self.clocks += 1;
        Slot(self.clocks)
    }

    fn key(&mut self) -> Key {
        let head = self.next();
        let status = Status::from_bits(head);
        let clock = self.slot(head >> 4 & 1 != 0);
        let token = self.next();
        let born = self.slot(token & 1 != 0);
        let receipt = Receipt {
            status,
            class: head >> 2 & 3,
            clock,
            born,
            was_recorded: head >> 5 & 1 != 0,
            token: token >> 1,
            known: Known::from_byte(self.next()),
            first_answer: Known::from_byte(self.next()),
            swept: self.bytes.first().is_some_and(|byte| byte >> 7 != 0),
            checkpoint: self.next() & 127,
            name: (0, 0),
        };
        let mut native = Native { used: head >> 6 & 1 != 0, class: 0, version: 0, clock: Slot::NONE };
        native.clock = self.slot(head >> 7 != 0);
        if native.used {
            let byte = self.next();
            (native.class, native.version) = (byte >> 4, byte & 15);
        }
        Key { receipt, native }
    }

    fn lock(&mut self, bits: u8) -> LockState {
        LockState { held: bits & 4 != 0, clock: self.slot(bits & 2 != 0) }
    }

    fn row(&mut self) -> Row {
        let byte = self.next();
        Row {
            claimed: byte & 1 != 0,
            done: byte & 2 != 0,
            published: byte & 4 != 0,
            direct: byte & 32 != 0,
            clock: self.slot(byte & 8 != 0),
            since: self.slot(byte & 16 != 0),
        }
    }

    fn past(&mut self) -> Past {
        let head = self.next();
        let receipt = Receipt {
            status: Status::from_bits(head),
            class: head >> 2 & 3,
            clock: self.slot(head >> 4 & 1 != 0),
            born: self.slot(head >> 6 & 1 != 0),
            was_recorded: head >> 5 & 1 != 0,
            token: self.next(),
            known: Known::from_byte(self.next()),
            first_answer: Known::from_byte(self.next()),
            swept: self.bytes.first().is_some_and(|byte| byte >> 7 != 0),
            checkpoint: self.next() & 127,
            name: (0, 0),
        };
        let (rows, marked) = (self.next(), self.next());
        let counts: [u8; CLASSES] = std::array::from_fn(|_| self.next());
        let (effects, latest) = (counts.map(|byte| byte >> 4), counts.map(|byte| byte & 15));
        Past { receipt, effects, latest, rows, marked, clock: self.slot(head >> 7 != 0) }
    }

    fn client(&mut self) -> Client {
        let head = self.next();
        let phase = match head >> 2 & 3 {
            0 => Phase::Idle,
            1 => Phase::Waiting,
            2 => Phase::Between,
            _ => Phase::Done,
        };
        let rest = self.next();
        let (role, retries) = (rest >> 4, rest & 15);
        let source = if head & 64 != 0 { self.next() } else { 0 };
        let clock = self.slot(head >> 4 & 1 != 0);
        let attempt = (head >> 5 & 1 != 0).then(|| self.attempt());
        Client { class: head & 3, role, source, phase, retries, clock, attempt, name: 0, sent: 0 }
    }

    fn attempt(&mut self) -> Attempt {
        let first = self.next();
        let (at, more) = (first & 127, first >> 7 != 0);
        let head = self.next();
        let (token, known, key) = (self.next(), Known::from_byte(self.next()), self.next());
        let call = match head >> 2 & 3 {
            0 => Call::None,
            1 => Call::Pending,
            2 => Call::Landed(Known::from_byte(self.next())),
            _ => Call::Refused,
        };
        let (lock, rest) = if more { (self.next(), self.next()) } else { (0, 0) };
        let aim = if lock & 4 != 0 {
            let (place, look) = (self.next(), self.next());
            let saw = match look & 3 {
                0 => Saw::Nothing,
                1 => Saw::Converged,
                2 => Saw::Diverged,
                _ => Saw::Unknown,
            };
            let (fresh, current, counted) = (look & 4 != 0, look & 8 != 0, look & 16 != 0);
            Aim { part: place >> 4, target: place & 15, saw, fresh, current, counted }
        } else {
            Aim::default()
        };
        Attempt {
            aim,
            lock: match lock & 3 {
                0 => Grip::None,
                1 => Grip::Holds,
                2 => Grip::Believes,
                _ => Grip::Unaware,
            },
            row: rest >> 4,
            loaded: rest & 15,
            at,
            class: head & 3,
            key,
            owns: head >> 4 & 1 != 0,
            token,
            known,
            call,
            clock: self.slot(head >> 5 & 1 != 0),
            held: self.slot(head >> 6 & 1 != 0),
            down: head >> 7 != 0,
            name: (0, 0),
        }
    }

    fn flight(&mut self) -> Flight {
        let head = self.next();
        Flight {
            class: head & 3,
            keyed: head >> 2 & 1 != 0,
            key: self.next(),
            token: self.next(),
            grant: self.next(),
            given_up: head >> 4 & 1 != 0,
            clock: self.slot(head >> 3 & 1 != 0),
            name: (0, 0),
        }
    }
}
