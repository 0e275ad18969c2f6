//! Along random walks: worlds survive packing, names do not matter, symmetry loses no successor.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use idemcheck::system::System;
use idemcheck::system::world::World;
use idemcheck::time::TimedSystem;

use crate::cases::{self, Case};

/// The world without what is there for people only.
fn nameless(world: &World) -> World {
    let mut world = world.clone();
    world.keys.iter_mut().for_each(|key| key.receipt.name = (0, 0));
    world.past.iter_mut().for_each(|past| past.receipt.name = (0, 0));
    for client in &mut world.clients {
        (client.name, client.sent) = (0, 0);
        client.attempt.iter_mut().for_each(|attempt| attempt.name = (0, 0));
    }
    world.zombies.iter_mut().for_each(|attempt| attempt.name = (0, 0));
    world.flights.iter_mut().for_each(|flight| flight.name = (0, 0));
    world
}

fn looked_at(system: &System, world: &World) -> Result<(), TestCaseError> {
    let packed = world.pack();
    // Equal with the numbers of all clocks: the walk and the reader number alike.
    prop_assert_eq!(&World::unpack(&packed), &nameless(world));
    prop_assert_eq!(system.clock_count(&packed), world.clone().clock_count());
    prop_assert_eq!(World::unpack(&packed).pack(), packed);
    if system.splits {
        return Ok(());
    }
    let canonical = system.canonical(world);
    let mut other = world.clone();
    other.clients.reverse();
    other.zombies.reverse();
    other.flights.reverse();
    prop_assert_eq!(&system.canonical(&other), &canonical);
    if !other.clients.is_empty() {
        other.clients.rotate_left(1);
        prop_assert_eq!(&system.canonical(&other), &canonical);
    }
    prop_assert_eq!(system.canonical(&World::unpack(&canonical)), canonical.clone());

    let plain = system.clone().with_symmetry(false);
    let successors = |of: &System| {
        let mut edges = Vec::new();
        of.edges(&canonical, &mut edges);
        edges
            .into_iter()
            .map(|edge| (system.canonical(&World::unpack(&edge.target)).bytes().to_vec(), edge.facts))
            .collect::<BTreeSet<_>>()
    };
    prop_assert_eq!(successors(system), successors(&plain));
    Ok(())
}

/// Guards are not asked: this reaches more worlds, not fewer.
fn walk(case: &Case, turns: &[u16]) -> Result<(), TestCaseError> {
    let system = System::new(&case.policy, &case.protocol).expect("cases compile");
    let plain = system.clone().with_symmetry(false);
    let mut world = plain.initial_world();
    looked_at(&system, &world)?;
    for turn in turns {
        let mut steps = Vec::new();
        plain.steps(&world, &mut steps);
        if steps.is_empty() {
            break;
        }
        let before = world.clone().clock_count();
        world = steps.swap_remove(usize::from(*turn) % steps.len()).world;
        let map = world.number_clocks();
        for from in &map {
            if let idemcheck::time::ClockFrom::Old(clock) = from {
                prop_assert!((1..=before).contains(&usize::from(*clock)), "no clock {clock} of {before}");
            }
        }
        prop_assert_eq!(map.len(), world.clone().clock_count());
        looked_at(&system, &world)?;
    }
    Ok(())
}

#[test]
fn worlds_survive_packing_and_renaming() {
    let cases = prop_oneof![cases::random_tables(), cases::mutated_models()];
    let turns = prop::collection::vec(any::<u16>(), 30);
    let result = cases::runner(1000).run(&(cases, turns), |(case, turns)| walk(&case, &turns));
    if let Err(error) = result {
        panic!("{error}");
    }
}
