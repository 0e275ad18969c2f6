//! The discrete part of a state: who is where, what the store holds, what is in flight.
//!
//! Two forms. [`World`] is what a step works on: small, `Copy` parts, each clock named by a
//! [`Slot`]. [`Packed`] is what the search stores: the same, as bytes, without the clocks' numbers,
//! which follow from the order of the walk. Packing sorts what is interchangeable, so that two
//! worlds that differ only in who is who are one.

mod packed;

pub use packed::Packed;
use packed::{Record, attempt_record, client_record, flight_record};
use smallvec::SmallVec;

use super::Actor;
use super::remedy::{Aim, Remedy};
use crate::time::{Clock, ClockFrom, ClockMap, Interchangeable};

/// More attempts than this are never alive at once; the policy reader sees to it.
pub const ATTEMPTS_MAX: usize = 12;
/// More calls than this are not kept in flight without a caller; beyond, the verdict is inconclusive.
pub const FLIGHTS_MAX: usize = 12;
/// Messages are told apart up to here; beyond, the verdict is inconclusive.
pub const ROWS_MAX: usize = 6;
/// Effects are counted up to here; more read as "this many or more".
pub const EFFECTS_MAX: u8 = 7;

/// A clock of a part of the world: none, one that starts with this step, or clock `n` of the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Slot(u8);

impl Slot {
    pub const NONE: Slot = Slot(255);
    pub const ZERO: Slot = Slot(254);

    /// A clock that starts now, if it is needed.
    pub fn started(needed: bool) -> Slot {
        if needed { Slot::ZERO } else { Slot::NONE }
    }

    pub fn present(self) -> bool {
        self != Slot::NONE
    }

    /// The number of the clock in the state before the step.
    pub fn clock(self) -> Option<Clock> {
        (self.0 < 254).then_some(self.0)
    }

    fn source(self) -> ClockFrom {
        if self == Slot::ZERO { ClockFrom::Zero } else { ClockFrom::Old(self.0) }
    }
}

/// Which logical operation and payload: what an effect is counted under.
pub type Class = u8;
/// The operation that the policy is about, with the payload it has.
pub const CLASS_MAIN: Class = 0;
/// The same key with another payload.
pub const CLASS_CONFLICTING: Class = 1;
/// Another operation that the key derivation gives the same key.
pub const CLASS_MERGED: Class = 2;
pub const CLASSES: usize = 3;

/// What an attempt knows of the outcome, or a receipt holds: none, a failure, or a success with
/// the number of the effect it came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Known {
    Nothing,
    Failed { class: Class },
    Done { class: Class, version: u8 },
}

impl Known {
    pub fn to_byte(self) -> u8 {
        match self {
            Known::Nothing => 0,
            Known::Failed { class } => 1 + class,
            Known::Done { class, version } => 16 + class * 16 + version,
        }
    }

    fn from_byte(byte: u8) -> Known {
        match byte {
            0 => Known::Nothing,
            1..16 => Known::Failed { class: byte - 1 },
            _ => Known::Done { class: byte / 16 - 1, version: byte % 16 },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Status {
    Absent,
    InProgress,
    Succeeded,
    Failed,
}

impl Status {
    fn from_bits(byte: u8) -> Status {
        match byte & 3 {
            0 => Status::Absent,
            1 => Status::InProgress,
            2 => Status::Succeeded,
            _ => Status::Failed,
        }
    }
}

/// The receipt of one key, as the store holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    pub status: Status,
    /// Whose payload (the fingerprint).
    pub class: Class,
    /// The fencing token of the grant that wrote it: also says who the owner is.
    pub token: u8,
    pub known: Known,
    /// Since the claim, its renewal or the record: lease and TTL are read from it.
    pub clock: Slot,
    /// Since the claim, where the TTL counts from there.
    pub born: Slot,
    /// The state to resume at, counted from 1; 0: no recovery point.
    pub checkpoint: u8,
    /// A sweeper deleted it: what it said of its payload is all that is left, for the judge.
    pub swept: bool,
    /// A success was recorded at some time.
    pub was_recorded: bool,
    /// The first final answer that went out under this key.
    pub first_answer: Known,
    /// For people: who wrote it. Not part of the state.
    pub name: (u8, u8),
}

/// The downstream's own record of a native key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Native {
    pub used: bool,
    pub class: Class,
    pub version: u8,
    pub clock: Slot,
}

/// One key with everything that is kept under it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    pub receipt: Receipt,
    pub native: Native,
}

/// Where a call stands while its caller waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Call {
    /// No call is open.
    None,
    Pending,
    /// It took effect (or met its native key's record): this is the answer on its way.
    Landed(Known),
    /// The resource refused its token.
    Refused,
}

/// One delivery of a request, at work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Attempt {
    /// The state of the model it is in.
    pub at: u8,
    pub class: Class,
    /// The key it works under: an index into [`World::keys`].
    pub key: u8,
    /// Believes that the claim is its own.
    pub owns: bool,
    /// The token of its last grant; 0: none.
    pub token: u8,
    pub lock: Grip,
    /// The row of the outbox that it works on, counted from 1; 0: none.
    pub row: u8,
    /// The effects it saw when it last loaded the state, plus 1; 0: never.
    pub loaded: u8,
    pub known: Known,
    pub call: Call,
    /// Since it entered its state, or since it sent its open call.
    pub clock: Slot,
    /// Since it claimed or renewed, by its own clock.
    pub held: Slot,
    /// Died, and waits to be run again.
    pub down: bool,
    /// Of a run of a remediation: whose it is and what it is about.
    pub aim: Aim,
    /// For people: the request and the number of the attempt. Not part of the state.
    pub name: (u8, u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Phase {
    /// Has not sent anything yet.
    Idle,
    /// Sent an attempt and has no answer.
    Waiting,
    /// Got an answer that asks for another try, or saw its connection break.
    Between,
    /// Of a message: acknowledged.
    Done,
}

/// A client with one request; gone once it is answered for good or can do nothing more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Client {
    pub class: Class,
    /// 0: a client, or a message; else an instance of a role, which counts from 1.
    pub role: u8,
    /// Of a trigger of a remediation: its part in the upper half, its target in the lower.
    pub source: u8,
    pub phase: Phase,
    /// Attempts it may still send after the current one.
    pub retries: u8,
    /// Since it sent its attempt, or since it saw that fail.
    pub clock: Slot,
    /// The attempt it waits for, while that runs.
    pub attempt: Option<Attempt>,
    /// For people. Not part of the state.
    pub name: u8,
    /// Attempts sent so far, for people. Not part of the state.
    pub sent: u8,
}

/// A call that nobody waits for any more and that may still take effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Flight {
    pub class: Class,
    pub key: u8,
    pub keyed: bool,
    /// The token it carries; 0: none.
    pub token: u8,
    /// The token of its sender's claim: how old it is.
    pub grant: u8,
    /// Its clock runs since the timeout of its sender, not since it was sent.
    pub given_up: bool,
    /// Since it was sent.
    pub clock: Slot,
    /// For people: its sender. Not part of the state.
    pub name: (u8, u8),
}

/// What is left of the adversary's budget.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Budget {
    pub crashes: u8,
    pub lost_requests: u8,
    pub lost_responses: u8,
    pub ambiguous_acks: u8,
    pub aborts: u8,
    pub failovers: u8,
    pub store_errors: u8,
    pub lock_losses: u8,
    pub duplicate_requests: u8,
    pub late_requests: u8,
    pub redeliveries: u8,
    pub redrives: u8,
}

/// What an attempt has of the lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Grip {
    None,
    /// It holds the lock, and knows it.
    Holds,
    /// It believes that it holds the lock, and the lock's store does not.
    Believes,
    /// Its session holds the lock, and it does not know: the acknowledgement was lost.
    Unaware,
}

/// The lock, as its store sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LockState {
    /// By the attempt that [`Grip::Holds`] it, or by one that is gone.
    pub held: bool,
    /// Since it was taken or renewed.
    pub clock: Slot,
}

impl LockState {
    pub const FREE: LockState = LockState { held: false, clock: Slot::NONE };
}

/// A row of the outbox, or a message that was published without one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// A relay works on it, or died over it.
    pub claimed: bool,
    /// Marked: no relay will pick it again.
    pub done: bool,
    /// A copy of the message is out.
    pub published: bool,
    /// It was published without a row in the store: no failover takes it back.
    pub direct: bool,
    /// Since it was claimed.
    pub clock: Slot,
    /// Since the first copy was published.
    pub since: Slot,
}

/// What the store held before one of its writes: what a lagging replica still shows, and what a
/// failover goes back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Past {
    pub receipt: Receipt,
    pub effects: [u8; CLASSES],
    pub latest: [u8; CLASSES],
    /// How many rows there were, and which of them were marked, as bits.
    pub rows: u8,
    pub marked: u8,
    /// Since that write.
    pub clock: Slot,
}

/// The discrete part of a state, unpacked.
#[derive(Debug, PartialEq, Eq)]
pub struct World {
    pub budget: Budget,
    /// Since the first attempt was sent; absent before, and when nobody needs it.
    pub horizon: Slot,
    pub started: bool,
    pub keys: SmallVec<[Key; 1]>,
    /// One; or, where each target of a remediation has its own, one for each.
    pub locks: SmallVec<[LockState; 1]>,
    pub rows: SmallVec<[Row; 2]>,
    pub past: Option<Box<Past>>,
    /// Where the policy is about a target.
    pub remedy: Option<Box<Remedy>>,
    /// Effects that exist, by class.
    pub effects: [u8; CLASSES],
    /// Messages that were acknowledged, or dropped, before their effect existed, by class.
    pub lost: [u8; CLASSES],
    /// The version of the latest effect, by class; 0 where no step will ask for it.
    pub latest: [u8; CLASSES],
    /// The token of the newest claim whose effect landed.
    pub seen: u8,
    /// The highest token that the resource was shown, where it looks at tokens.
    pub fence: u8,
    /// The highest token that was granted.
    pub granted: u8,
    pub clients: SmallVec<[Client; 4]>,
    /// Attempts whose client no longer listens.
    pub zombies: SmallVec<[Attempt; 4]>,
    pub flights: SmallVec<[Flight; 4]>,
}

/// Which work attempts live on: with its client, or among the zombies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    Client(usize),
    Zombie(usize),
}

/// A list of plain values, most often a short one.
fn copy<T: Copy, const N: usize>(list: &SmallVec<[T; N]>) -> SmallVec<[T; N]> {
    let mut out = SmallVec::new();
    match list[..] {
        [] => {}
        [one] => out.push(one),
        _ => out.extend_from_slice(list),
    }
    out
}

impl Clone for World {
    /// As derived, but for lists of plain values, which can be copied whole.
    fn clone(&self) -> World {
        World {
            keys: copy(&self.keys),
            locks: copy(&self.locks),
            rows: copy(&self.rows),
            past: self.past.clone(),
            remedy: self.remedy.clone(),
            clients: copy(&self.clients),
            zombies: copy(&self.zombies),
            flights: copy(&self.flights),
            ..*self
        }
    }
}

impl World {
    pub fn attempt(&self, who: Who) -> &Attempt {
        match who {
            Who::Client(i) => self.clients[i].attempt.as_ref().expect("the caller saw an attempt there"),
            Who::Zombie(i) => &self.zombies[i],
        }
    }

    pub fn attempt_mut(&mut self, who: Who) -> &mut Attempt {
        match who {
            Who::Client(i) => self.clients[i].attempt.as_mut().expect("the caller saw an attempt there"),
            Who::Zombie(i) => &mut self.zombies[i],
        }
    }

    /// Which lock is taken for a target.
    pub fn lock_of(&self, target: u8) -> usize {
        if self.locks.len() > 1 { target.into() } else { 0 }
    }

    /// Effects of the logical operation that this class belongs to, whatever their payload.
    pub fn effects_of_operation(&self, class: Class) -> u8 {
        let merged = self.effects[CLASS_MERGED as usize];
        let own = self.effects[CLASS_MAIN as usize] + self.effects[CLASS_CONFLICTING as usize];
        if class == CLASS_MERGED { merged } else { own }
    }

    /// Messages that nobody will deliver again and whose effect does not exist.
    pub fn messages_lost(&self) -> u8 {
        if self.live().any(|(_, attempt)| !attempt.down) || !self.flights.is_empty() {
            return 0;
        }
        self.lost.iter().zip(&self.effects).filter(|(_, effects)| **effects == 0).map(|(lost, _)| lost).sum()
    }

    /// The most effects of any one logical operation.
    pub fn effects_most(&self) -> u8 {
        self.effects_of_operation(CLASS_MAIN).max(self.effects_of_operation(CLASS_MERGED))
    }

    /// Every attempt that runs.
    pub fn live(&self) -> impl Iterator<Item = (Who, &Attempt)> {
        let with_client = self.clients.iter().enumerate();
        let with_client = with_client.filter_map(|(i, c)| c.attempt.as_ref().map(|a| (Who::Client(i), a)));
        with_client.chain(self.zombies.iter().enumerate().map(|(i, a)| (Who::Zombie(i), a)))
    }

    pub fn live_mut(&mut self) -> impl Iterator<Item = &mut Attempt> {
        let with_client = self.clients.iter_mut().filter_map(|client| client.attempt.as_mut());
        with_client.chain(&mut self.zombies)
    }

    /// The attempt that takes a step, if an attempt does.
    pub fn acting(&self, actor: Actor) -> Option<&Attempt> {
        match actor {
            Actor::Attempt(index) => self.clients.get(usize::from(index))?.attempt.as_ref(),
            Actor::Zombie(index) => self.zombies.get(usize::from(index)),
            _ => None,
        }
    }

    /// Whether any client may still send an attempt, or a dead one be run again.
    pub fn more_to_come(&self) -> bool {
        let sends = |c: &Client| c.role == 0 && (c.phase == Phase::Idle || c.retries > 0);
        self.clients.iter().any(|c| sends(c) || self.budget.redrives > 0 && c.role == 0)
            || self.zombies.iter().any(|a| a.down)
    }

    /// Replaces versions by their rank within their class: only which are equal matters.
    pub fn rank_versions(&mut self) {
        // Which versions there are, as bits.
        let mut used = [0_u64; CLASSES];
        self.each_version(|class, version| used[usize::from(class)] |= 1 << *version);
        // Most often they are 1, 2, 3 and so on: ranks already.
        if used.iter().all(|used| used & 1 == 0 && (used >> 1) & ((used >> 1) + 1) == 0) {
            return;
        }
        self.each_version(|class, version| {
            *version = (used[usize::from(class)] & (u64::MAX >> (63 - *version))).count_ones() as u8;
        });
    }

    /// A version of this class that nothing refers to yet.
    pub fn fresh_version(&mut self, class: Class) -> u8 {
        let mut most = 0;
        self.each_version(|of, version| most = if of == class { most.max(*version) } else { most });
        most + 1
    }

    pub(crate) fn each_version(&mut self, mut f: impl FnMut(Class, &mut u8)) {
        for (class, version) in self.latest.iter_mut().enumerate().filter(|(_, version)| **version > 0) {
            f(class as Class, version);
        }
        let mut visit = |known: &mut Known| {
            if let Known::Done { class, version } = known {
                f(*class, version);
            }
        };
        for key in &mut self.keys {
            visit(&mut key.receipt.known);
            visit(&mut key.receipt.first_answer);
            if key.native.used {
                let mut known = Known::Done { class: key.native.class, version: key.native.version };
                visit(&mut known);
                if let Known::Done { version, .. } = known {
                    key.native.version = version;
                }
            }
        }
        if let Some(past) = &mut self.past {
            visit(&mut past.receipt.known);
            visit(&mut past.receipt.first_answer);
            for (class, version) in past.latest.iter_mut().enumerate().filter(|(_, version)| **version > 0) {
                let mut known = Known::Done { class: class as Class, version: *version };
                visit(&mut known);
                if let Known::Done { version: new, .. } = known {
                    *version = new;
                }
            }
        }
        for attempt in self.live_mut() {
            visit(&mut attempt.known);
            if let Call::Landed(known) = &mut attempt.call {
                visit(known);
            }
        }
    }

    /// Replaces tokens by their rank: only their order matters.
    pub fn rank_tokens(&mut self) {
        // Which tokens there are, as bits; 0 stays 0.
        let mut used = 1_u128;
        self.each_token(|token| used |= 1 << *token);
        if used & used.wrapping_add(1) == 0 {
            return;
        }
        self.each_token(|token| *token = (used & ((1 << *token) - 1)).count_ones() as u8);
    }

    /// The next token only has to be higher than those that are still there.
    pub fn forget_grants(&mut self) {
        self.granted = 0;
        let mut most = 0;
        self.each_token(|token| most = most.max(*token));
        self.granted = most;
    }

    pub(crate) fn each_token(&mut self, mut f: impl FnMut(&mut u8)) {
        f(&mut self.seen);
        f(&mut self.fence);
        f(&mut self.granted);
        self.keys.iter_mut().for_each(|key| f(&mut key.receipt.token));
        if let Some(past) = &mut self.past {
            f(&mut past.receipt.token);
        }
        for attempt in self.live_mut() {
            f(&mut attempt.token);
        }
        for flight in &mut self.flights {
            f(&mut flight.token);
            f(&mut flight.grant);
        }
    }

    /// Every clock that exists, in the order that numbers them.
    pub fn each_slot(&mut self, mut f: impl FnMut(&mut Slot)) {
        self.each_place(|slot| {
            if slot.present() {
                f(slot);
            }
        });
    }

    /// Every place that a clock can have, taken or not, in the same order.
    pub fn each_place(&mut self, mut visit: impl FnMut(&mut Slot)) {
        visit(&mut self.horizon);
        for key in &mut self.keys {
            visit(&mut key.receipt.clock);
            visit(&mut key.receipt.born);
            visit(&mut key.native.clock);
        }
        self.locks.iter_mut().for_each(|lock| visit(&mut lock.clock));
        for row in &mut self.rows {
            visit(&mut row.clock);
            visit(&mut row.since);
        }
        if let Some(past) = &mut self.past {
            visit(&mut past.receipt.clock);
            visit(&mut past.receipt.born);
            visit(&mut past.clock);
        }
        if let Some(remedy) = &mut self.remedy {
            remedy.each_place(&mut visit);
        }
        for client in &mut self.clients {
            visit(&mut client.clock);
            if let Some(attempt) = &mut client.attempt {
                visit(&mut attempt.clock);
                visit(&mut attempt.held);
            }
        }
        for attempt in &mut self.zombies {
            visit(&mut attempt.clock);
            visit(&mut attempt.held);
        }
        for flight in &mut self.flights {
            visit(&mut flight.clock);
        }
    }

    /// Every name that the world's parts have for people: the request, or the client, with the number of
    /// the attempt, or how many were sent.
    fn each_name(&mut self, mut visit: impl FnMut(&mut u8, &mut u8)) {
        let mut name = |name: &mut (u8, u8)| visit(&mut name.0, &mut name.1);
        self.keys.iter_mut().for_each(|key| name(&mut key.receipt.name));
        self.past.iter_mut().for_each(|past| name(&mut past.receipt.name));
        self.remedy.iter_mut().flat_map(|remedy| &mut remedy.jobs).for_each(|job| name(&mut job.name));
        self.live_mut().for_each(|attempt| name(&mut attempt.name));
        self.flights.iter_mut().for_each(|flight| name(&mut flight.name));
        self.clients.iter_mut().for_each(|client| visit(&mut client.name, &mut client.sent));
    }

    /// Whose each part is: what the packed form leaves out, but for the numbers of attempts.
    pub fn requests(&mut self) -> SmallVec<[u8; 16]> {
        let mut out = SmallVec::new();
        self.each_name(|request, _| out.push(*request));
        out
    }

    /// Says of a world that comes out of its packed form whose each part is.
    pub fn set_requests(&mut self, requests: &[u8]) {
        let mut requests = requests.iter();
        self.each_name(|request, number| {
            *request = requests.next().copied().unwrap_or(0);
            *number = 0;
        });
    }

    /// Numbers the clocks in the order of the walk and says where each comes from.
    pub fn number_clocks(&mut self) -> ClockMap {
        let mut map = ClockMap::new();
        self.each_slot(|slot| {
            map.push(slot.source());
            *slot = Slot(map.len() as u8);
        });
        map
    }

    /// Groups of clients, zombies and flights that differ in nothing but their clocks' values.
    pub fn interchangeable(&self) -> Vec<Interchangeable> {
        let mut groups = Vec::new();
        let clocks_of = |attempt: &Attempt| [attempt.clock.clock(), attempt.held.clock()];
        collect_groups(&mut groups, &self.clients, client_record, |client| {
            let inner = client.attempt.as_ref().map_or([None, None], clocks_of);
            [client.clock.clock(), inner[0], inner[1]].into_iter().flatten().collect()
        });
        collect_groups(&mut groups, &self.zombies, attempt_record, |a| {
            clocks_of(a).into_iter().flatten().collect()
        });
        collect_groups(&mut groups, &self.flights, flight_record, |f| f.clock.clock().into_iter().collect());
        groups
    }

    /// How many clocks a packed world has, without unpacking all of it.
    pub fn clock_count(&mut self) -> usize {
        let mut count = 0;
        self.each_slot(|_| count += 1);
        count
    }
}

fn collect_groups<T>(
    groups: &mut Vec<Interchangeable>,
    parts: &[T],
    record: impl Fn(&T) -> Record,
    clocks: impl Fn(&T) -> SmallVec<[Clock; 4]>,
) {
    if parts.len() < 2 {
        return;
    }
    let mut start = 0;
    while start < parts.len() {
        let first = record(&parts[start]);
        let alike = 1 + parts[start + 1..].iter().take_while(|part| record(part) == first).count();
        if alike > 1 && !clocks(&parts[start]).is_empty() {
            groups.push(parts[start..start + alike].iter().map(&clocks).collect());
        }
        start += alike;
    }
}
