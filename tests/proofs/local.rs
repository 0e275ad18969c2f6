//! That a step of a large world is one of each smaller world with its mover, and changes whoever else is
//! there alike; and that whatever a search of a declared scope comes to is made of the pieces of a proof.

use std::collections::BTreeSet;

use idemcheck::check::judge::broken_by;
use idemcheck::check::proof::EXPRESSIBLE;
use idemcheck::check::proof::check::Invariant;
use idemcheck::system::open::{Mover, Open, OpenStep};
use idemcheck::system::world::{Packed, World};

use crate::dice::Dice;
use crate::support::{Shipped, of_each, one, shipped};
use crate::walk::walks;

/// Parts of a world before some are taken out again.
const PARTS_MAX: usize = 6;

fn parts(world: &World) -> Vec<Mover> {
    let clients = (0..world.clients.len()).map(Mover::Client);
    let zombies = (0..world.zombies.len()).map(Mover::Zombie);
    clients.chain(zombies).chain((0..world.flights.len()).map(Mover::Flight)).collect()
}

/// Names the parts by their number, to find them again.
fn name(world: &mut World) {
    for (number, part) in parts(world).into_iter().enumerate() {
        let name = number as u8 + 100;
        match part {
            Mover::Client(index) => world.clients[index].name = name,
            Mover::Zombie(index) => world.zombies[index].name = (name, name),
            Mover::Flight(index) => world.flights[index].name = (name, name),
            _ => {}
        }
    }
}

/// The world without the parts that have one of these names.
fn without(world: &World, names: &[u8]) -> World {
    let mut world = world.clone();
    world.clients.retain(|client| !names.contains(&client.name));
    world.zombies.retain(|attempt| !names.contains(&attempt.name.1) || attempt.name.0 != attempt.name.1);
    world.flights.retain(|flight| !names.contains(&flight.name.1) || flight.name.0 != flight.name.1);
    world
}

/// What a world is, whatever the numbers of its tokens, results and clocks.
fn form(world: &World) -> Vec<u8> {
    let mut world = world.clone();
    world.rank_tokens();
    world.rank_versions();
    world.pack().bytes().to_vec()
}

fn steps(open: &Open, world: &World, mover: Mover) -> Vec<OpenStep> {
    let mut numbered = world.clone();
    numbered.number_clocks();
    let mut out = Vec::new();
    open.steps(&numbered, mover, &mut |step| out.push(step));
    out
}

/// The place of the mover once others are gone.
fn moved(mover: Mover, gone: &[Mover]) -> Mover {
    let before = |index: usize, kind: fn(usize) -> Mover| {
        let earlier = (0..index).filter(|earlier| gone.contains(&kind(*earlier))).count();
        kind(index - earlier)
    };
    match mover {
        Mover::Client(index) => before(index, Mover::Client),
        Mover::Zombie(index) => before(index, Mover::Zombie),
        Mover::Flight(index) => before(index, Mover::Flight),
        outside => outside,
    }
}

/// Compares every step of a mover in a world with the same step where only some of the others are there.
fn compare(open: &Open, world: &World, mover: Mover, what: &str) -> usize {
    let judged = EXPRESSIBLE.into_iter().fold(0, |bits, property| bits | broken_by(property));
    let large = steps(open, world, mover);
    let all = parts(world);
    let others: Vec<usize> = (0..all.len()).filter(|index| all[*index] != mover).collect();
    let mut facts = vec![0; large.len()];
    let mut companies: Vec<Vec<usize>> = vec![Vec::new()];
    for (index, one) in others.iter().enumerate() {
        companies.push(vec![*one]);
        companies.extend(others[..index].iter().map(|other| vec![*other, *one]));
    }
    for company in &companies {
        let gone: Vec<usize> = others.iter().copied().filter(|other| !company.contains(other)).collect();
        let names: Vec<u8> = gone.iter().map(|index| *index as u8 + 100).collect();
        let movers: Vec<Mover> = gone.iter().map(|index| all[*index]).collect();
        let small = steps(open, &without(world, &names), moved(mover, &movers));
        assert_eq!(small.len(), large.len(), "{what}: {mover:?} can do something else among fewer");
        for ((small, large), facts) in small.iter().zip(&large).zip(&mut facts) {
            // Of calls that are alike a third is left out, as two show all that any number can do.
            if large.facts & idemcheck::system::facts::FLIGHT_LEFT_OUT != 0 {
                *facts = large.facts & judged;
                continue;
            }
            assert_eq!(small.label.action, large.label.action, "{what}");
            assert_eq!(small.label.ending, large.label.ending, "{what}");
            *facts |= small.facts & judged;
            assert_eq!(
                small.facts & judged & !large.facts,
                0,
                "{what}: a fact only among fewer: {:?}",
                small.label
            );
            let rest = without(&large.world, &names);
            assert_eq!(
                form(&small.world),
                form(&rest),
                "{what}: {:?}\n{:#?}\n{:#?}",
                small.label,
                small.world,
                rest
            );
        }
    }
    for (large, facts) in large.iter().zip(&facts) {
        assert_eq!(large.facts & judged, *facts, "{what}: a fact takes more than two: {:?}", large.label);
    }
    companies.len() * large.len()
}

/// A walk among the worlds of an open system, in which every step is compared.
pub fn walk(open: &Open, length: usize, seed: u64, what: &str) -> usize {
    let mut dice = Dice(seed);
    let (mut world, mut compared) = (open.start(), 0);
    for _ in 0..length {
        name(&mut world);
        let movers = open.movers(&world);
        let mover = movers[dice.below(movers.len())];
        compared += compare(open, &world, mover, what);
        let mut next = steps(open, &world, mover);
        if next.is_empty() {
            continue;
        }
        world = next.swap_remove(dice.below(next.len())).world;
        while parts(&world).len() > PARTS_MAX {
            let all = parts(&world);
            name(&mut world);
            world = without(&world, &[dice.below(all.len()) as u8 + 100]);
        }
        if open.overflows(&world) {
            world = open.start();
        }
    }
    compared
}

#[test]
fn a_step_of_a_large_world_is_one_of_each_smaller_world_in_it() {
    let compared = of_each(shipped(), |shipped| {
        let name = &shipped.source.policy.name;
        let mut compared = 0;
        for timed in [false, true] {
            let Ok(open) = shipped.system.open(timed, true) else { continue };
            for seed in 0..2 {
                compared += walk(&open, 60, seed + 1000 * name.len() as u64, name);
            }
        }
        compared
    });
    let compared: usize = compared.iter().sum();
    println!("{compared} steps compared");
    assert!(compared > 100_000, "only {compared} steps compared");
}

/// Every world that the declared scope leads to, clocks aside, is made of pieces of the proof.
fn is_covered(Shipped { source, system, tried }: &Shipped, most: usize) -> usize {
    let name = &source.policy.name;
    let mut seen_in_all = 0;
    for proof in tried.proofs.iter().filter(|proof| !proof.timed) {
        let open = system.open(false, proof.ordered).unwrap();
        let invariant = Invariant::read(&open, proof).unwrap();
        let excluded = proof.properties.iter().fold(0, |bits, property| bits | broken_by(*property));
        let bounded = open.bounded(system);
        let mut todo: Vec<World> = vec![bounded.initial_world()];
        let mut seen: BTreeSet<Vec<u8>> = todo.iter().map(|world| world.pack().bytes().to_vec()).collect();
        while let Some(world) = todo.pop() {
            assert!(invariant.covers(&open.cut(&world)), "{name}: {world:#?}");
            let mut steps = Vec::new();
            bounded.steps(&world, &mut steps);
            for step in steps {
                assert_eq!(step.facts & excluded, 0, "{name}: {:?}", step.label);
                let packed = step.world.pack();
                if seen.len() < most && seen.insert(packed.bytes().to_vec()) {
                    todo.push(World::unpack(&packed));
                }
            }
        }
        seen_in_all += seen.len();
    }
    seen_in_all
}

#[test]
fn every_world_of_a_declared_scope_is_made_of_pieces() {
    let worlds = of_each(shipped(), |shipped| {
        // What a failover or a late replica shows of the past is forgotten where nobody is left to see it.
        let policy = &shipped.source.policy;
        let store = policy.store.clone().unwrap_or_default();
        let forgets = policy.faults.failovers > 0 || store.stale_reads || !store.conditional;
        if forgets { 0 } else { is_covered(shipped, 3_000) }
    });
    let worlds: usize = worlds.iter().sum();
    println!("{worlds} worlds");
    assert!(worlds > 10_000, "only {worlds} worlds");
}

/// The same of walks through larger scopes, with their clocks.
#[test]
fn walks_through_larger_scopes_stay_within_the_pieces() {
    let worlds = of_each(shipped(), |shipped| {
        let (policy, protocol) = (&shipped.source.policy, &shipped.source.protocol);
        let mut worlds = [0, 0];
        for proof in &shipped.tried.proofs {
            let came_to = walks(policy, protocol, proof, (20, 60));
            worlds[usize::from(proof.timed)] +=
                came_to.unwrap_or_else(|said| panic!("{}: {said}", policy.name));
        }
        worlds
    });
    let [untimed, timed] = worlds.into_iter().fold([0, 0], |[a, b], [x, y]| [a + x, b + y]);
    println!("{untimed} worlds of proofs without clocks, {timed} of proofs with clocks");
    assert!(untimed.min(timed) > 1_000, "only {untimed} and {timed} worlds");
}

#[test]
fn foreign_bytes_are_no_world_and_no_panic() {
    let Shipped { system, tried, .. } = one("transactional-receipt");
    let open = system.open(false, false).unwrap();
    let mut dice = Dice(7);
    for piece in tried.proofs.iter().flat_map(|proof| &proof.pieces) {
        let bytes = idemcheck::check::proof::file::hex::read(&piece.world).unwrap();
        assert!(Packed::from_bytes(&bytes).is_some_and(|packed| open.knows(&World::unpack(&packed))));
        for _ in 0..200 {
            let mut other = bytes.clone();
            for _ in 0..=dice.below(3) {
                let at = dice.below(other.len());
                other[at] = dice.below(256) as u8;
            }
            other.truncate(dice.below(2) * 1000 + dice.below(other.len() + 1));
            if let Some(packed) = Packed::from_bytes(&other) {
                let world = World::unpack(&packed);
                if open.knows(&world) {
                    for mover in open.movers(&world) {
                        steps(&open, &world, mover);
                    }
                }
            }
        }
    }
}
