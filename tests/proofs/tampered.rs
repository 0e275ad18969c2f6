//! A proof that was changed is refused.

use idemcheck::check::proof::check::Invariant;
use idemcheck::check::proof::file::hex;
use idemcheck::check::proof::{Piece, Proof, Refused, check};
use idemcheck::check::property::Property;
use idemcheck::system::System;
use idemcheck::system::world::{Packed, World};

use crate::dice::Dice;
use crate::support::{Shipped, one, policy};

fn proof_of(name: &str) -> (System, Proof) {
    let shipped = one(name);
    (shipped.system.clone(), shipped.tried.proofs.first().expect("a proof").clone())
}

#[test]
fn without_any_one_of_its_pieces_a_proof_is_refused() {
    for name in ["transactional-receipt", "kafka-rebalance-inbox"] {
        let (system, proof) = proof_of(name);
        assert!(check(&system, &proof).is_ok());
        for gone in 0..proof.pieces.len() {
            let mut less = proof.clone();
            less.pieces.remove(gone);
            let refused = check(&system, &less);
            assert!(
                matches!(refused, Err(Refused::NotInitial | Refused::NotInductive(_))),
                "{name} without {:?}: {refused:?}",
                proof.pieces[gone].says
            );
        }
    }
}

#[test]
fn with_a_piece_changed_a_proof_is_refused() {
    let (system, proof) = proof_of("transactional-receipt");
    let open = system.open(proof.timed, proof.ordered).unwrap();
    let mut dice = Dice(1);
    for _ in 0..300 {
        let mut other = proof.clone();
        let number = dice.below(other.pieces.len());
        let world = &mut other.pieces[number].world;
        let at = dice.below(world.len());
        let digit = char::from_digit(dice.below(16) as u32, 16).unwrap().to_string();
        if world[at..=at] == digit {
            continue;
        }
        world.replace_range(at..=at, &digit);
        // The same with other numbers for its tokens and results is the same piece: all cover it, and not
        // without it.
        let mut less = proof.clone();
        less.pieces.remove(number);
        let covers = |pieces: &Proof| {
            let packed = Packed::from_bytes(&hex::read(&other.pieces[number].world)?)?;
            let world = World::unpack(&packed);
            let invariant = Invariant::read(&open, pieces).ok()?;
            open.knows(&world).then(|| invariant.covers(&world))
        };
        if covers(&proof) == Some(true) && covers(&less) == Some(false) {
            continue;
        }
        assert!(check(&system, &other).is_err(), "{}: {at} {digit}", proof.pieces[number].world);
    }
}

#[test]
fn a_proof_of_something_else_is_refused() {
    let (system, proof) = proof_of("transactional-receipt");
    // It says more than its pieces do.
    let more = Proof { properties: vec![Property::NoStuckKey], ..proof.clone() };
    assert_eq!(check(&system, &more), Err(Refused::Property("no-stuck-key".to_owned())));
    let later = Proof { version: 99, ..proof.clone() };
    assert_eq!(check(&system, &later), Err(Refused::Version(99)));
    let empty = Proof { pieces: Vec::new(), ..proof.clone() };
    assert_eq!(check(&system, &empty), Err(Refused::NotInitial));
    // Of another policy: effect and receipt in two transactions.
    let twin = policy("two-transactions");
    let twin = System::new(&twin.policy, &twin.protocol).unwrap();
    assert!(check(&twin, &proof).is_err());
}

#[test]
fn a_violation_cannot_be_listed_away() {
    // All that the pieces of one property's proof allow, and another property that they do not exclude.
    for name in ["lease-16s", "no-fingerprint", "delete-on-exception"] {
        let Shipped { system, tried, .. } = one(name);
        for proof in &tried.proofs {
            for (property, _) in &tried.unproved {
                let mut more = proof.clone();
                more.properties.push(*property);
                assert!(check(system, &more).is_err(), "{name}: {property}");
            }
        }
    }
}

#[test]
fn parts_that_need_not_meet_say_nothing_by_meeting() {
    // Else a piece of two such parts, with clocks that no moment fits, would make every company of them vain.
    let (system, proof) = proof_of("transactional-receipt");
    let read = |piece: &idemcheck::check::proof::Piece| {
        World::unpack(&Packed::from_bytes(&hex::read(&piece.world).unwrap()).unwrap())
    };
    let single =
        |world: &World| world.clients.len() == 1 && world.zombies.is_empty() && world.flights.is_empty();
    let mut world = proof.pieces.iter().map(read).find(single).expect("a client alone");
    world.clients.push(world.clients[0]);
    let mut forged = proof.clone();
    let world = hex::write(world.pack().bytes());
    forged.pieces.push(Piece { says: Vec::new(), world, clocks: Vec::new() });
    assert_eq!(check(&system, &forged), Err(Refused::Piece(forged.pieces.len())));
}
