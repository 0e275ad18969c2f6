//! Worlds as the search stores them: bytes, without the numbers of the clocks.

use smallvec::SmallVec;

use crate::system::remedy::{Aim, Remedy, Saw};

use super::{
    Attempt, Budget, CLASSES, Call, Client, Flight, Grip, Key, Known, LockState, Native, Past, Phase,
    Receipt, Row, Slot, Status, World,
};

/// The stored form of a [`World`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "cluster", derive(serde::Serialize, serde::Deserialize))]
pub struct Packed(SmallVec<[u8; 56]>);

impl Packed {
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A packed world that somebody else wrote; none where it is none. Whether its numbers mean anything
    /// to a system is for [`super::super::open::Open::knows`] to say.
    pub fn from_bytes(bytes: &[u8]) -> Option<Packed> {
        let packed = Packed(SmallVec::from_slice(bytes));
        let mut reader = Reader { bytes: &packed.0, clocks: 0, short: false, foreign: true };
        let world = World::read(&mut reader);
        let whole = !reader.short && reader.bytes.is_empty();
        (whole && world.pack() == packed).then_some(packed)
    }

    /// Bytes beyond those of the value itself.
    pub fn heap_size(&self) -> usize {
        if self.0.spilled() { self.0.capacity() } else { 0 }
    }
}

/// A part of the world that is packed as one record, so that alike ones can be told. In order as its
/// bytes are: those that are not used are 0.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    /// A client with its attempt takes 13 at the most.
    bytes: [u8; 16],
    len: u8,
}

impl Record {
    fn push(&mut self, byte: u8) {
        self.bytes[usize::from(self.len)] = byte;
        self.len += 1;
    }

    fn extend<const N: usize>(&mut self, bytes: [u8; N]) {
        let at = usize::from(self.len);
        self.bytes[at..at + N].copy_from_slice(&bytes);
        self.len += N as u8;
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl World {
    pub fn pack(&self) -> Packed {
        let mut out = Vec::with_capacity(128);
        self.pack_singles(&mut out);
        pack_list(&self.clients, client_record, &mut out);
        pack_list(&self.zombies, attempt_record, &mut out);
        pack_list(&self.flights, flight_record, &mut out);
        Packed(SmallVec::from_slice(&out))
    }

    /// Puts what is interchangeable into one order, and packs. Ties are equal in all but their clocks.
    /// `out` is working memory.
    pub fn sort_and_pack(&mut self, out: &mut Vec<u8>) -> Packed {
        out.clear();
        self.pack_singles(out);
        sort_and_pack_list(&mut self.clients, client_record, out);
        sort_and_pack_list(&mut self.zombies, attempt_record, out);
        sort_and_pack_list(&mut self.flights, flight_record, out);
        Packed(SmallVec::from_slice(out))
    }

    /// All but the lists of clients, zombies and flights, of which only the lengths.
    fn pack_singles(&self, out: &mut Vec<u8>) {
        let b = &self.budget;
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
        out.extend_from_slice(&[
            b.crashes << 4 | b.lost_requests,
            b.lost_responses << 4 | b.ambiguous_acks,
            b.aborts << 3 | flags,
        ]);
        if has_rare {
            out.extend_from_slice(&rare);
        }
        let count = |class: usize| self.effects[class] << 4 | self.latest[class];
        let counts: [u8; CLASSES] = std::array::from_fn(count);
        out.extend_from_slice(&counts);
        out.extend_from_slice(&[self.seen, self.fence, self.granted, self.keys.len() as u8]);
        for key in &self.keys {
            let r = &key.receipt;
            let head = r.status as u8
                | r.class << 2
                | u8::from(r.clock.present()) << 4
                | u8::from(r.was_recorded) << 5
                | u8::from(key.native.used) << 6
                | u8::from(key.native.clock.present()) << 7;
            out.extend_from_slice(&[
                head,
                r.token << 1 | u8::from(r.born.present()),
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
        out.extend_from_slice(&[
            self.clients.len() as u8,
            self.zombies.len() as u8,
            self.flights.len() as u8,
        ]);
    }

    /// The inverse of [`World::pack`], with the clocks numbered.
    pub fn unpack(packed: &Packed) -> World {
        let mut reader = Reader { bytes: &packed.0, clocks: 0, short: false, foreign: false };
        let world = World::read(&mut reader);
        assert!(!reader.short, "packed by World::pack");
        world
    }

    fn read(bytes: &mut Reader) -> World {
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
        let keys = bytes.next();
        let keys = bytes.list(keys, Reader::key);
        let mut locks: SmallVec<[LockState; 1]> = SmallVec::new();
        locks.push(bytes.lock(rare[5]));
        for _ in 0..rare[5] >> 4 {
            let bits = bytes.next();
            locks.push(bytes.lock(bits));
        }
        let rows = bytes.list(rare[3] & 15, Reader::row);
        let past = (rare[5] & 1 != 0).then(|| Box::new(bytes.past()));
        let targets = rare[5] & 8 != 0;
        bytes.short |= targets && bytes.foreign;
        let remedy = (targets && !bytes.foreign).then(|| {
            let bytes = std::cell::RefCell::new(&mut *bytes);
            Box::new(Remedy::unpack(|| bytes.borrow_mut().next(), |present| bytes.borrow_mut().slot(present)))
        });
        let [clients, zombies, flights] = std::array::from_fn(|_| bytes.next());
        let clients = bytes.list(clients, Reader::client);
        let zombies = bytes.list(zombies, Reader::attempt);
        let flights = bytes.list(flights, Reader::flight);
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

fn pack_list<T>(parts: &[T], record: impl Fn(&T) -> Record, out: &mut Vec<u8>) {
    parts.iter().for_each(|part| out.extend_from_slice(record(part).bytes()));
}

fn sort_and_pack_list<T>(parts: &mut [T], record: impl Fn(&T) -> Record, out: &mut Vec<u8>) {
    let start = out.len();
    let (mut last, mut in_order) = (Record::default(), true);
    for part in &*parts {
        let next = record(part);
        in_order &= last <= next;
        out.extend_from_slice(next.bytes());
        last = next;
    }
    // Most lists are short, and in order already.
    if !in_order {
        parts.sort_by_cached_key(&record);
        out.truncate(start);
        pack_list(parts, record, out);
    }
}

pub(super) fn client_record(client: &Client) -> Record {
    let head = client.class
        | (client.phase as u8) << 2
        | u8::from(client.clock.present()) << 4
        | u8::from(client.attempt.is_some()) << 5
        | u8::from(client.source != 0) << 6;
    let rest = client.role << 4 | client.retries;
    let mut record = Record::default();
    record.extend([head, rest]);
    if client.source != 0 {
        record.push(client.source);
    }
    if let Some(attempt) = &client.attempt {
        write_attempt(attempt, &mut record);
    }
    record
}

pub(super) fn attempt_record(attempt: &Attempt) -> Record {
    let mut record = Record::default();
    write_attempt(attempt, &mut record);
    record
}

fn write_attempt(attempt: &Attempt, out: &mut Record) {
    let call = match attempt.call {
        Call::None => 0,
        Call::Pending => 1,
        Call::Landed(_) => 2,
        Call::Refused => 3,
    };
    let aimed = attempt.aim != Aim::default();
    let more = attempt.lock != Grip::None || attempt.row != 0 || attempt.loaded != 0 || aimed;
    let head = attempt.class
        | call << 2
        | u8::from(attempt.owns) << 4
        | u8::from(attempt.clock.present()) << 5
        | u8::from(attempt.held.present()) << 6
        | u8::from(attempt.down) << 7;
    let at = attempt.at | u8::from(more) << 7;
    out.extend([at, head, attempt.token, attempt.known.to_byte(), attempt.key]);
    if let Call::Landed(known) = attempt.call {
        out.push(known.to_byte());
    }
    if more {
        out.extend([attempt.lock as u8 | u8::from(aimed) << 2, attempt.row << 4 | attempt.loaded]);
    }
    if aimed {
        let Aim { part, target, saw, fresh, current, counted } = attempt.aim;
        let flags = u8::from(fresh) << 2 | u8::from(current) << 3 | u8::from(counted) << 4;
        out.extend([part << 4 | target, saw as u8 | flags]);
    }
}

pub(super) fn flight_record(flight: &Flight) -> Record {
    let head = flight.class
        | u8::from(flight.keyed) << 2
        | u8::from(flight.clock.present()) << 3
        | u8::from(flight.given_up) << 4;
    let mut record = Record::default();
    record.extend([head, flight.key, flight.token, flight.grant]);
    record
}

struct Reader<'a> {
    bytes: &'a [u8],
    clocks: u8,
    /// There were fewer bytes than were asked for, or others than there can be.
    short: bool,
    /// Somebody else wrote them. Such worlds have no targets.
    foreign: bool,
}

impl Reader<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else {
            self.short = true;
            return 0;
        };
        self.bytes = rest;
        *first
    }

    fn list<T, const N: usize>(&mut self, len: u8, one: impl Fn(&mut Self) -> T) -> SmallVec<[T; N]> {
        let mut list = SmallVec::new();
        (0..len).for_each(|_| list.push(one(self)));
        list
    }

    fn slot(&mut self, present: bool) -> Slot {
        if !present {
            return Slot::NONE;
        }
        // More than a byte can number come of no world.
        self.short |= self.clocks == 253;
        self.clocks = self.clocks.saturating_add(1).min(253);
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
