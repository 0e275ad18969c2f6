//! Proofs as files: what a reader sees, and what the checker takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::place::{Place, Timed};
use super::prove::Prover;
use super::views::{Part, Relation, Whole, put_together};
use super::words;
use crate::check::property::Property;
use crate::time::Clock;
use crate::time::zone::ZoneView;

/// The version of [`Proof`] that this build writes and reads.
pub const VERSION: u32 = 1;

/// An invariant that holds at the start and after every step, whatever the number of requests, attempts
/// and crashes, and that excludes every violation of some properties.
///
/// A world of any size is within it when each of its parts, with what all share, is one of the pieces,
/// and so are each two of its parts that bear something: a claim that counts, a lock, a result of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    pub version: u32,
    pub policy: String,
    pub model: String,
    pub properties: Vec<Property>,
    /// For how many of what it is a proof.
    pub scope: String,
    /// Clocks are kept; else any timer may fire at any moment.
    pub timed: bool,
    /// Also the order of claims is kept that no longer count.
    pub ordered: bool,
    pub pieces: Vec<Piece>,
}

/// What is shared, with nobody, one part, or two parts beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// The same in words: what is shared, each part, and how they relate and what their clocks satisfy after
    /// `where`. The checker does not look at it.
    pub says: Vec<String>,
    /// The piece, as the search stores worlds, in hexadecimal digits.
    pub world: String,
    /// What its clocks satisfy, each as `[left, right, bound, strict]`: `left - right <= bound`, or `<` where
    /// `strict` is 1. Clocks count from 1 in the order of the piece; 0 is no clock but zero. The unit is the
    /// greatest common divisor of the policy's times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<[i64; 4]>,
}

pub mod hex {
    //! Bytes in hexadecimal digits.

    /// Two digits for each byte.
    pub fn write(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The inverse; none for anything else.
    pub fn read(text: &str) -> Option<Vec<u8>> {
        let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
        Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
    }
}

/// The pieces that a search has found.
pub(super) fn pieces(prover: &Prover) -> Vec<Piece> {
    prover.places.iter().flat_map(|place| of_place(prover, place)).collect()
}

fn of_place(prover: &Prover, place: &Place) -> Vec<Piece> {
    let (open, system) = (prover.open, prover.open.system());
    let mut out = Vec::new();
    let mut add = |parts: &[Part], timed: &Timed, relation: Option<Relation>| {
        let Some(whole) = put_together(&place.shared, parts, |_, _| relation).filter(|_| timed.is_reached())
        else {
            return;
        };
        let mut says = vec![words::shared(system, &place.shared)];
        says.extend(parts.iter().map(|part| words::part(open, &place.shared, part)));
        says.extend(relation.and_then(words::relation));
        says.extend(words::clocks(system, &place.shared, parts, &timed.zone));
        out.push(piece(whole, timed, says));
    };
    add(&[], &place.timed, None);
    for single in &place.singles {
        add(&[single.part], &single.timed, None);
    }
    for pair in &place.pairs {
        let parts = [place.singles[pair.one].part, place.singles[pair.other].part];
        add(&parts, &pair.timed, Some(pair.relation));
    }
    out
}

fn piece(whole: Whole, timed: &Timed, says: Vec<String>) -> Piece {
    let Whole { mut world, shared_clocks, clocks: of_parts, .. } = whole;
    world.rank_tokens();
    world.rank_versions();
    // The zone is in the order of the parts; the world may have its parts in another one.
    let own = (1..=shared_clocks as Clock).chain(of_parts.into_iter().flatten());
    let numbers: Vec<Clock> = [0].into_iter().chain(own).collect();
    let mut clocks = Vec::new();
    for (i, left) in numbers.iter().enumerate() {
        for (j, right) in numbers.iter().enumerate() {
            let bound = timed.zone.difference(i as Clock, j as Clock).filter(|_| i != j && numbers.len() > 1);
            // No clock is below zero.
            if let Some((bound, strict)) = bound.filter(|known| i != 0 || *known != (0, false)) {
                clocks.push([i64::from(*left), i64::from(*right), bound, i64::from(strict)]);
            }
        }
    }
    Piece { says, world: hex::write(world.pack().bytes()), clocks }
}
