//! Worlds cut up and put together again, for the checker alone: the search for proofs has its own way in
//! [`super::super::views`].

use std::collections::BTreeSet;

use crate::system::open::Mover;
use crate::system::world::{Attempt, Call, Known, Slot, World};
use crate::time::{ClockFrom, ClockMap};

/// The parts of a world.
pub(super) fn movers(world: &World) -> Vec<Mover> {
    let clients = (0..world.clients.len()).map(Mover::Client);
    let zombies = (0..world.zombies.len()).map(Mover::Zombie);
    clients.chain(zombies).chain((0..world.flights.len()).map(Mover::Flight)).collect()
}

/// A name, which is no part of the state, to find a part again by.
const MARK: u8 = 200;

pub(super) fn mark(world: &mut World, part: Mover) {
    match part {
        Mover::Client(index) => world.clients[index].name = MARK,
        Mover::Zombie(index) => world.zombies[index].name = (MARK, MARK),
        Mover::Flight(index) => world.flights[index].name = (MARK, MARK),
        Mover::Store | Mover::Newcomer => {}
    }
}

pub(super) fn is_marked(world: &World, part: Mover) -> bool {
    match part {
        Mover::Client(index) => world.clients[index].name == MARK,
        Mover::Zombie(index) => world.zombies[index].name == (MARK, MARK),
        Mover::Flight(index) => world.flights[index].name == (MARK, MARK),
        Mover::Store | Mover::Newcomer => false,
    }
}

/// The world with only these of its parts, in their order.
pub(super) fn only(world: &World, parts: &[Mover]) -> World {
    let mut out = world.clone();
    out.clients.clear();
    out.zombies.clear();
    out.flights.clear();
    for part in parts {
        match part {
            Mover::Client(index) => out.clients.push(world.clients[*index]),
            Mover::Zombie(index) => out.zombies.push(world.zombies[*index]),
            Mover::Flight(index) => out.flights.push(world.flights[*index]),
            Mover::Store | Mover::Newcomer => {}
        }
    }
    out
}

/// The form that a piece has wherever it was cut out, and the clocks of the world in its order. Two orders
/// where its two parts are alike.
pub(super) fn form(world: &World) -> (Vec<u8>, Vec<ClockMap>) {
    let mut best: Option<(Vec<u8>, Vec<ClockMap>)> = None;
    let alike = [world.clients.len(), world.zombies.len(), world.flights.len()].contains(&2);
    for swap in [false, true] {
        if swap && !alike {
            continue;
        }
        let mut piece = world.clone();
        if swap {
            piece.clients.reverse();
            piece.zombies.reverse();
            piece.flights.reverse();
        }
        piece.rank_tokens();
        let mut names: Vec<(u8, u8)> = Vec::new();
        piece.each_version(|class, version| {
            if !names.contains(&(class, *version)) {
                names.push((class, *version));
            }
            let of = names.iter().filter(|(of, _)| *of == class);
            *version = of.clone().position(|(_, known)| known == version).map_or(0, |at| at as u8 + 1);
        });
        let mut order = ClockMap::new();
        piece.each_slot(|slot| order.push(slot.clock().map_or(ClockFrom::Zero, ClockFrom::Old)));
        let bytes = piece.pack().bytes().to_vec();
        match &mut best {
            Some((known, _)) if *known < bytes => {}
            Some((known, orders)) if *known == bytes => orders.push(order),
            _ => best = Some((bytes, vec![order])),
        }
    }
    best.unwrap_or_default()
}

/// Puts the parts in the order that these clocks are in, and numbers the clocks.
pub(super) fn arrange(world: &mut World, order: &ClockMap) {
    let mut now = ClockMap::new();
    world.each_slot(|slot| now.push(slot.clock().map_or(ClockFrom::Zero, ClockFrom::Old)));
    if now != *order {
        world.clients.reverse();
        world.zombies.reverse();
        world.flights.reverse();
    }
    world.number_clocks();
}

pub(super) fn unnumbered(world: &World) -> World {
    let mut world = world.clone();
    world.each_slot(|slot| *slot = Slot::ZERO);
    world
}

/// Its tokens in order, with 0.
pub(super) fn tokens(world: &World) -> Vec<u8> {
    let mut out = BTreeSet::from([0]);
    world.clone().each_token(|token| {
        out.insert(*token);
    });
    out.into_iter().collect()
}

pub(super) fn token_of(world: &World, part: Mover) -> u8 {
    match part {
        Mover::Client(index) => world.clients[index].attempt.map_or(0, |attempt| attempt.token),
        Mover::Zombie(index) => world.zombies[index].token,
        Mover::Flight(index) => world.flights[index].grant,
        Mover::Store | Mover::Newcomer => 0,
    }
}

pub(super) fn attempt_of(world: &World, part: Mover) -> Option<Attempt> {
    match part {
        Mover::Client(index) => world.clients[index].attempt,
        Mover::Zombie(index) => Some(world.zombies[index]),
        _ => None,
    }
}

/// The results that a part knows.
pub(super) fn results_of(world: &World, part: Mover) -> Vec<(u8, u8)> {
    let Some(attempt) = attempt_of(world, part) else { return Vec::new() };
    let landed = match attempt.call {
        Call::Landed(known) => known,
        _ => Known::Nothing,
    };
    let result = |known: Known| match known {
        Known::Done { class, version } => Some((class, version)),
        _ => None,
    };
    [attempt.known, landed].into_iter().filter_map(result).collect()
}

/// Adds the part of a piece, with this token and these names of its results.
pub(super) fn add(
    world: &mut World,
    piece: &World,
    part: Mover,
    token: u8,
    named: &[((u8, u8), u8)],
) -> Mover {
    let rename = |attempt: &mut Attempt| {
        attempt.token = token;
        let name = |known: &mut Known| {
            if let Known::Done { class, version } = known
                && let Some((_, new)) = named.iter().find(|(old, _)| *old == (*class, *version))
            {
                *version = *new;
            }
        };
        name(&mut attempt.known);
        if let Call::Landed(known) = &mut attempt.call {
            name(known);
        }
    };
    match part {
        Mover::Client(index) => {
            let mut client = piece.clients[index];
            client.attempt.iter_mut().for_each(rename);
            world.clients.push(client);
            Mover::Client(world.clients.len() - 1)
        }
        Mover::Zombie(index) => {
            let mut attempt = piece.zombies[index];
            rename(&mut attempt);
            world.zombies.push(attempt);
            Mover::Zombie(world.zombies.len() - 1)
        }
        Mover::Flight(index) => {
            let mut flight = piece.flights[index];
            flight.grant = token;
            flight.token = if flight.token == 0 { 0 } else { token };
            world.flights.push(flight);
            Mover::Flight(world.flights.len() - 1)
        }
        Mover::Store | Mover::Newcomer => part,
    }
}
