//! Large worlds in small pieces: what is shared, one part of it, or two, and how the two relate.
//!
//! Numbers that only compare are put so that a piece reads the same wherever it was cut out: the tokens
//! that are shared are 0, 2, 4 and so on; a part's token is one of these, or the odd number between two of
//! them. Versions that are shared count from 1; a part's own ones follow.

use smallvec::SmallVec;

use crate::system::open::Open;
use crate::system::world::{Attempt, CLASSES, Call, Client, Flight, Grip, Known, Slot, World};
use crate::time::Clock;

/// Whatever is not shared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Part {
    /// A client, with the attempt that it waits for.
    Client(Client),
    Zombie(Attempt),
    Flight(Flight),
}

/// How two parts relate beyond what each has to do with what is shared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Relation {
    /// Which of the tokens is lower, where both lie between the same two shared ones.
    pub order: Order,
    /// Which of their own results are the same: bit `2 * i + j` for result `i` of the one and `j` of the other.
    pub same: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Order {
    #[default]
    Unrelated,
    Less,
    Equal,
    Greater,
}

impl Relation {
    pub fn flipped(self) -> Relation {
        let order = match self.order {
            Order::Less => Order::Greater,
            Order::Greater => Order::Less,
            order => order,
        };
        let bit = |i: u8, j: u8| (self.same >> (2 * i + j) & 1) << (2 * j + i);
        Relation { order, same: bit(0, 0) | bit(0, 1) | bit(1, 0) | bit(1, 1) }
    }
}

/// A world taken apart.
pub struct Apart {
    pub shared: World,
    /// The clocks of what is shared, as they are numbered in the world.
    pub clocks: Clocks,
    pub parts: SmallVec<[Piece; 6]>,
}

pub type Clocks = SmallVec<[Slot; 8]>;

pub struct Piece {
    pub part: Part,
    pub clocks: SmallVec<[Slot; 3]>,
    /// As in the world, to compare it with others.
    token: u8,
    own: Own,
}

/// Results that only this part has: class and version.
type Own = SmallVec<[(u8, u8); 2]>;

impl Piece {
    /// Whether it has something of which what is shared does not tell who else can have it: a claim that
    /// still counts, a lock, a result of its own.
    pub fn bears(&self, open: &Open, shared: &World) -> bool {
        let token = self.part.token();
        !self.own.is_empty() || self.part.holds_lock() || token != 0 && !open.is_old(shared, token)
    }

    pub fn relation(&self, other: &Piece) -> Relation {
        let (mine, theirs) = (self.part.token(), other.part.token());
        let order = match self.token.cmp(&other.token) {
            _ if mine != theirs || mine & 1 == 0 => Order::Unrelated,
            std::cmp::Ordering::Less => Order::Less,
            std::cmp::Ordering::Equal => Order::Equal,
            std::cmp::Ordering::Greater => Order::Greater,
        };
        let mut same = 0;
        for (i, one) in self.own.iter().enumerate() {
            for (j, another) in other.own.iter().enumerate() {
                same |= u8::from(one == another) << (2 * i + j);
            }
        }
        Relation { order, same }
    }
}

impl Part {
    fn attempt(&self) -> Option<&Attempt> {
        match self {
            Part::Client(client) => client.attempt.as_ref(),
            Part::Zombie(attempt) => Some(attempt),
            Part::Flight(_) => None,
        }
    }

    fn attempt_mut(&mut self) -> Option<&mut Attempt> {
        match self {
            Part::Client(client) => client.attempt.as_mut(),
            Part::Zombie(attempt) => Some(attempt),
            Part::Flight(_) => None,
        }
    }

    /// Names are for people: without them, parts that are alike are one.
    fn unnamed(mut self) -> Part {
        if let Some(attempt) = self.attempt_mut() {
            attempt.name = (0, 0);
        }
        match &mut self {
            Part::Client(client) => client.name = 0,
            Part::Flight(flight) => flight.name = (0, 0),
            Part::Zombie(_) => {}
        }
        self
    }

    pub fn token(&self) -> u8 {
        match self {
            Part::Flight(flight) => flight.grant,
            _ => self.attempt().map_or(0, |attempt| attempt.token),
        }
    }

    fn set_token(&mut self, token: u8) {
        if let Part::Flight(flight) = self {
            flight.grant = token;
            flight.token = if flight.token == 0 { 0 } else { token };
        } else if let Some(attempt) = self.attempt_mut() {
            attempt.token = token;
        }
    }

    fn holds_lock(&self) -> bool {
        self.attempt().is_some_and(|attempt| attempt.lock != Grip::None)
    }

    fn each_result(&mut self, mut f: impl FnMut(u8, &mut u8)) {
        let Some(attempt) = self.attempt_mut() else { return };
        if let Known::Done { class, version } = &mut attempt.known {
            f(*class, version);
        }
        if let Call::Landed(Known::Done { class, version }) = &mut attempt.call {
            f(*class, version);
        }
    }

    fn each_slot(&mut self, mut f: impl FnMut(&mut Slot)) {
        let (first, attempt) = match self {
            Part::Client(client) => (Some(&mut client.clock), client.attempt.as_mut()),
            Part::Zombie(attempt) => (None, Some(attempt)),
            Part::Flight(flight) => (Some(&mut flight.clock), None),
        };
        let second = attempt.map(|attempt| [&mut attempt.clock, &mut attempt.held]);
        first.into_iter().chain(second.into_iter().flatten()).filter(|slot| slot.present()).for_each(&mut f);
    }
}

/// The shared versions of each class, in order.
fn results(world: &World) -> [SmallVec<[u8; 4]>; CLASSES] {
    let mut out: [SmallVec<[u8; 4]>; CLASSES] = Default::default();
    let mut note = |class: u8, version: u8| {
        let known = &mut out[usize::from(class)];
        if version > 0
            && let Err(place) = known.binary_search(&version)
        {
            known.insert(place, version);
        }
    };
    let shared = |known: Known| match known {
        Known::Done { class, version } => Some((class, version)),
        _ => None,
    };
    for key in &world.keys {
        let native = key.native.used.then_some((key.native.class, key.native.version));
        let all = [shared(key.receipt.known), shared(key.receipt.first_answer), native];
        all.into_iter().flatten().for_each(|(class, version)| note(class, version));
    }
    for (class, version) in (0..).zip(world.latest) {
        note(class, version);
    }
    if let Some(past) = &world.past {
        let all = [shared(past.receipt.known), shared(past.receipt.first_answer)];
        all.into_iter().flatten().for_each(|(class, version)| note(class, version));
        for (class, version) in (0..).zip(past.latest) {
            note(class, version);
        }
    }
    out
}

/// Renames the shared versions.
fn rename_results(world: &mut World, name: impl Fn(u8, u8) -> u8) {
    let rename = |known: &mut Known| {
        if let Known::Done { class, version } = known {
            *version = name(*class, *version);
        }
    };
    for key in &mut world.keys {
        rename(&mut key.receipt.known);
        rename(&mut key.receipt.first_answer);
        if key.native.used {
            key.native.version = name(key.native.class, key.native.version);
        }
    }
    for (class, version) in (0..).zip(&mut world.latest) {
        *version = name(class, *version);
    }
    if let Some(past) = &mut world.past {
        rename(&mut past.receipt.known);
        rename(&mut past.receipt.first_answer);
        for (class, version) in (0..).zip(&mut past.latest) {
            *version = name(class, *version);
        }
    }
}

/// Every token that is shared.
fn each_shared_token(world: &mut World, mut f: impl FnMut(&mut u8)) {
    f(&mut world.seen);
    f(&mut world.fence);
    f(&mut world.granted);
    world.keys.iter_mut().for_each(|key| f(&mut key.receipt.token));
    if let Some(past) = &mut world.past {
        f(&mut past.receipt.token);
    }
}

/// Cuts a world into what is shared and its parts.
pub fn take_apart(world: &World) -> Apart {
    let mut shared = world.clone();
    let clients = std::mem::take(&mut shared.clients);
    let zombies = std::mem::take(&mut shared.zombies);
    let flights = std::mem::take(&mut shared.flights);
    let mut tokens: SmallVec<[u8; 8]> = SmallVec::new();
    tokens.push(0);
    each_shared_token(&mut shared, |token| {
        if let Err(place) = tokens.binary_search(token) {
            tokens.insert(place, *token);
        }
    });
    let code = |token: u8| match tokens.binary_search(&token) {
        Ok(place) => 2 * place as u8,
        Err(place) => 2 * place as u8 - 1,
    };
    each_shared_token(&mut shared, |token| *token = code(*token));
    let results = results(&shared);
    rename_results(&mut shared, |class, version| {
        results[usize::from(class)].iter().position(|known| *known == version).map_or(0, |at| at as u8 + 1)
    });
    let mut clocks = Clocks::new();
    shared.each_slot(|slot| {
        clocks.push(*slot);
        *slot = Slot::ZERO;
    });
    let piece = |mut part: Part| {
        let token = part.token();
        part.set_token(code(token));
        let mut own = Own::new();
        part.each_result(|class, version| {
            let known = &results[usize::from(class)];
            *version = match known.iter().position(|known| known == version) {
                _ if *version == 0 => 0,
                Some(at) => at as u8 + 1,
                None => {
                    if !own.contains(&(class, *version)) {
                        own.push((class, *version));
                    }
                    let before = own.iter().filter(|(of, _)| *of == class);
                    let at = before.clone().position(|(_, own)| own == version).unwrap_or_default();
                    (known.len() + at) as u8 + 1
                }
            };
        });
        let mut clocks = SmallVec::new();
        part.each_slot(|slot| {
            clocks.push(*slot);
            *slot = Slot::ZERO;
        });
        Piece { part: part.unnamed(), clocks, token, own }
    };
    let parts = clients.into_iter().map(Part::Client);
    let parts = parts.chain(zombies.into_iter().map(Part::Zombie));
    let parts = parts.chain(flights.into_iter().map(Part::Flight)).map(piece).collect();
    Apart { shared, clocks, parts }
}

/// A world put together.
pub struct Whole {
    pub world: World,
    /// For each part, in the order in which they were given, where it is: its place in its own list.
    pub places: SmallVec<[usize; 3]>,
    /// The clocks of what is shared: the first so many.
    pub shared_clocks: usize,
    /// For each part the numbers of its clocks.
    pub clocks: SmallVec<[SmallVec<[Clock; 3]>; 3]>,
}

/// Puts a world together. `relation(i, j)` tells how part `i` relates to part `j`, for `i < j`; none: both
/// do not bear anything that could be related. None: no such world.
pub fn put_together(
    shared: &World,
    parts: &[Part],
    relation: impl Fn(usize, usize) -> Option<Relation>,
) -> Option<Whole> {
    let mut world = shared.clone();
    each_shared_token(&mut world, |token| *token *= 4);
    let results = results(shared);
    let mut fresh: [u8; CLASSES] = std::array::from_fn(|class| results[class].len() as u8);
    let mut slots: SmallVec<[u8; 3]> = SmallVec::new();
    let mut owns: SmallVec<[Own; 3]> = SmallVec::new();
    let mut places = SmallVec::new();
    for (index, part) in parts.iter().enumerate() {
        let mut part = *part;
        let token = part.token();
        // Where it lies between two shared tokens.
        let fits = |slot: u8| {
            (0..index).all(|before| {
                let related = relation(before, index).filter(|_| parts[before].token() == token);
                related.is_none_or(|related| match related.order {
                    Order::Unrelated => true,
                    Order::Less => slots[before] < slot,
                    Order::Equal => slots[before] == slot,
                    Order::Greater => slots[before] > slot,
                })
            })
        };
        let slot =
            if token & 1 == 0 { 0 } else { [4, 2, 6, 1, 3, 5, 7].into_iter().find(|slot| fits(*slot))? };
        slots.push(slot);
        part.set_token(if token & 1 == 0 { 4 * token } else { 4 * (token - 1) + slot });
        // Its own results are those of others, or nobody's yet.
        let mut own = Own::new();
        let mut possible = true;
        part.each_result(|class, version| {
            let known = results[usize::from(class)].len() as u8;
            if *version <= known {
                return;
            }
            let before = own.iter().filter(|(of, _)| *of == class);
            if let Some((_, number)) = before.clone().nth(usize::from(*version - known) - 1) {
                *version = *number;
                return;
            }
            let mine = own.len();
            let mut number = None;
            for (other, owned) in owns.iter().enumerate() {
                let Some(related) = relation(other, index) else { continue };
                for (theirs, (of, value)) in owned.iter().enumerate() {
                    if related.same >> (2 * theirs + mine) & 1 != 0 {
                        possible &= *of == class && number.is_none_or(|number| number == *value);
                        number = Some(*value);
                    }
                }
            }
            let number = number.unwrap_or_else(|| {
                fresh[usize::from(class)] += 1;
                fresh[usize::from(class)]
            });
            *version = number;
            own.push((class, number));
        });
        // What is not said to be the same must not be.
        for (other, owned) in owns.iter().enumerate() {
            let Some(related) = relation(other, index) else { continue };
            for (theirs, one) in owned.iter().enumerate() {
                for (mine, another) in own.iter().enumerate() {
                    possible &= (one == another) == (related.same >> (2 * theirs + mine) & 1 != 0);
                }
            }
        }
        if !possible {
            return None;
        }
        owns.push(own);
        places.push(match part {
            Part::Client(client) => {
                world.clients.push(client);
                world.clients.len() - 1
            }
            Part::Zombie(attempt) => {
                world.zombies.push(attempt);
                world.zombies.len() - 1
            }
            Part::Flight(flight) => {
                world.flights.push(flight);
                world.flights.len() - 1
            }
        });
    }
    let mut shared_clocks = 0;
    shared.clone().each_slot(|_| shared_clocks += 1);
    world.number_clocks();
    let numbers = |part: Part| {
        let mut numbers = SmallVec::new();
        let mut part = part;
        part.each_slot(|slot| numbers.extend(slot.clock()));
        numbers
    };
    let clocks = parts.iter().zip(&places).map(|(part, place)| match part {
        Part::Client(_) => numbers(Part::Client(world.clients[*place])),
        Part::Zombie(_) => numbers(Part::Zombie(world.zombies[*place])),
        Part::Flight(_) => numbers(Part::Flight(world.flights[*place])),
    });
    let clocks = clocks.collect();
    Some(Whole { world, places, shared_clocks, clocks })
}
