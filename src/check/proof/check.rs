//! The checker of proofs: it shares nothing with the search for them but the step relation.
//!
//! A proof lists pieces: worlds with what is shared and at most two parts, and a zone of each. It stands
//! for all worlds, of any size, of which every part occurs in a piece of what is shared and that part, and
//! every two parts that bear something occur in a piece of both, with clocks in the zones. Checked is, by
//! trying them all, that the start is such a world, that each step of such a world leads to such a world,
//! and that no step shows what is excluded. A step changes its mover, what is shared, and what others have
//! to do with that; so worlds of a mover with two others are enough.
//!
//! What a fault of would deceive both the search and this checker, and what looks after it:
//!
//! - The step relation, and what it says of the rest of the world ([`crate::system::open`]): who may come, what is
//!   forgotten, which tokens are too old to do harm. Which steps there are is the meaning of the policy, and
//!   `tests/proofs/local.rs` compares it with the steps of declared scopes. That a step is local is why two
//!   others are enough.
//! - Zones ([`crate::time::zone`]), on which the search in a declared scope rests as well.
//! - That a part which bears nothing needs no company: what others know of it they know from what is shared.
//!
//! Cutting worlds up, naming tokens and results, putting worlds together, and which steps to take is written
//! twice. No step is left out here for what it changes.

mod cut;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rustc_hash::FxHashMap;

use self::cut::{
    add, arrange, form, is_marked, mark, movers, only, results_of, token_of, tokens, unnumbered,
};
use super::file::{Proof, hex};
use crate::check::judge::broken_by;
use crate::system::open::{Mover, Open};
use crate::system::world::{Call, Grip, Known, Packed, World};
use crate::system::{System, facts};
use crate::time::zone::Zone;
use crate::time::{Clock, ClockFrom, Constraint};

/// Small worlds that are tried before a proof is refused as too large.
pub const TRIED_MAX: u64 = 2_000_000;

/// Why a proof is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is of another version of this format.
    Version(u32),
    /// The policy has no such proof at all: why.
    NotFor(String),
    /// The properties that it lists are none that can be proved so.
    Property(String),
    /// This piece is no world of this policy: its number, counted from 1.
    Piece(usize),
    /// The start is not among the pieces.
    NotInitial,
    /// A step leads out of the pieces: who does what.
    NotInductive(String),
    /// A step shows what is said to be excluded.
    Broken(String),
    TooLarge,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Version(version) => write!(f, "the file has version {version} of the format"),
            Refused::NotFor(why) => write!(f, "this policy has no such proof: {why}"),
            Refused::Property(name) => write!(f, "{name} is not proved by an invariant"),
            Refused::Piece(number) => write!(f, "piece {number} is no world of this policy"),
            Refused::NotInitial => write!(f, "the start is not among the pieces"),
            Refused::NotInductive(step) => write!(f, "not inductive: {step} leads out of the pieces"),
            Refused::Broken(step) => write!(f, "not excluded: {step}"),
            Refused::TooLarge => write!(f, "too large to be checked"),
        }
    }
}

impl std::error::Error for Refused {}

/// What a check looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    pub pieces: usize,
    /// Small worlds that were stepped.
    pub worlds: u64,
    pub steps: u64,
}

/// Checks a proof against a system.
///
/// # Errors
/// The first reason to refuse it.
pub fn check(system: &System, proof: &Proof) -> Result<Checked, Refused> {
    if proof.version != super::file::VERSION {
        return Err(Refused::Version(proof.version));
    }
    let open = system.open(proof.timed, proof.ordered).map_err(|why| Refused::NotFor(why.to_owned()))?;
    let mut excluded = 0;
    for property in &proof.properties {
        if !super::EXPRESSIBLE.contains(property) {
            return Err(Refused::Property(property.to_string()));
        }
        // The order of claims is kept only where it is asked for.
        if *property == crate::check::property::Property::NoStaleOverwrite && !proof.ordered {
            return Err(Refused::Property(property.to_string()));
        }
        excluded |= broken_by(*property);
    }
    let invariant = Invariant::read(&open, proof)?;
    let start = open.start();
    let mut numbered = start.clone();
    let clocks = numbered.number_clocks().len();
    let mut checked = Checked { pieces: proof.pieces.len(), ..Checked::default() };
    if invariant.lacks(&numbered, &Zone::zero(clocks)) {
        return Err(Refused::NotInitial);
    }
    for shared in invariant.singles.keys() {
        invariant.step_all(shared, excluded, &mut checked)?;
    }
    Ok(checked)
}

/// The pieces, each by its own form.
pub struct Invariant<'a> {
    open: &'a Open,
    /// Every piece, and its zone.
    zones: FxHashMap<Vec<u8>, Zone>,
    /// For what is shared, the pieces with one part more.
    singles: BTreeMap<Vec<u8>, Vec<World>>,
    shared: BTreeMap<Vec<u8>, World>,
}

impl<'a> Invariant<'a> {
    /// Reads the pieces of a proof.
    ///
    /// # Errors
    /// The first piece that is none.
    pub fn read(open: &'a Open, proof: &Proof) -> Result<Self, Refused> {
        let (zones, singles, shared) = Default::default();
        let mut out = Invariant { open, zones, singles, shared };
        for (index, piece) in proof.pieces.iter().enumerate() {
            let refused = || Refused::Piece(index + 1);
            let bytes = hex::read(&piece.world).ok_or_else(refused)?;
            let packed = Packed::from_bytes(&bytes).ok_or_else(refused)?;
            let world = World::unpack(&packed);
            let count = world.clone().clock_count();
            if !open.knows(&world) || movers(&world).len() > 2 || count > 0 && !proof.timed {
                return Err(refused());
            }
            let mut zone = Zone::all(count);
            // No clock is below zero, whatever the file says.
            for [left, right, bound, strict] in &piece.clocks {
                let clock =
                    |clock: &i64| Clock::try_from(*clock).ok().filter(|clock| usize::from(*clock) <= count);
                let (left, right) = clock(left).zip(clock(right)).ok_or_else(refused)?;
                let fits = bound.unsigned_abs() < crate::time::zone::GREATEST_CONSTANT.unsigned_abs();
                let constraint = Constraint { left, right, bound: *bound, strict: *strict == 1 };
                if left == right || !fits || !(0..=1).contains(strict) || !zone.constrain(&constraint) {
                    return Err(refused());
                }
            }
            let parts = movers(&world);
            // Two parts that need not occur together say nothing by doing so.
            if parts.len() == 2 && !parts.iter().all(|part| out.bears(&world, *part)) {
                return Err(refused());
            }
            let (form, orders) = form(&world);
            // Of two forms that are the same either will do, as a smaller invariant is refused elsewhere.
            let zone = zone.map(&orders[0]);
            match parts.len() {
                0 => drop(out.shared.insert(form.clone(), unnumbered(&world))),
                1 => {
                    let (shared, _) = self::form(&only(&world, &[]));
                    out.singles.entry(shared).or_default().push(unnumbered(&world));
                }
                _ => {}
            }
            // Said twice, of two parts in either order: both.
            match out.zones.entry(form) {
                Entry::Occupied(mut known) => {
                    known.get_mut().join(&zone);
                }
                Entry::Vacant(place) => {
                    place.insert(zone);
                }
            }
        }
        // What is shared may occur with nobody there.
        for shared in out.shared.keys() {
            out.singles.entry(shared.clone()).or_default();
        }
        out.singles.retain(|shared, _| out.shared.contains_key(shared));
        Ok(out)
    }

    /// Whether the pieces stand for this world, whatever its clocks show.
    pub fn covers(&self, world: &World) -> bool {
        self.pieces(world).into_iter().all(|parts| self.zones.contains_key(&form(&only(world, &parts)).0))
    }

    /// What a world is to be cut into.
    fn pieces(&self, world: &World) -> Vec<Vec<Mover>> {
        let parts = movers(world);
        let mut pieces: Vec<Vec<Mover>> = vec![Vec::new()];
        pieces.extend(parts.iter().map(|part| vec![*part]));
        let bearing: Vec<Mover> = parts.into_iter().filter(|part| self.bears(world, *part)).collect();
        for (index, other) in bearing.iter().enumerate() {
            pieces.extend(bearing[..index].iter().map(|one| vec![*one, *other]));
        }
        pieces
    }

    /// Whether the pieces stand for a world, its clocks numbered, with these values of them and whatever
    /// they come to while time passes.
    pub fn has(&self, world: &World, zone: &Zone) -> bool {
        !self.lacks(world, zone)
    }

    /// The contrary.
    fn lacks(&self, world: &World, zone: &Zone) -> bool {
        self.pieces(world).iter().any(|parts| self.lacks_piece(world, zone, parts))
    }

    fn lacks_piece(&self, world: &World, zone: &Zone, parts: &[Mover]) -> bool {
        let piece = only(world, parts);
        let (form, orders) = form(&piece);
        let Some(known) = self.zones.get(&form) else { return true };
        if orders[0].is_empty() {
            return false;
        }
        // Time passes while nobody there has to act.
        orders.iter().any(|order| {
            let mut reached = zone.map(order);
            let mut numbered = piece.clone();
            // In the order of the form, which is that of the zone now.
            arrange(&mut numbered, order);
            let mut invariant = Vec::new();
            self.open.invariant(&numbered, &mut invariant);
            if !reached.constrain_all(&invariant) {
                return false;
            }
            reached.elapse();
            reached.constrain_all(&invariant) && !reached.is_inside(known)
        })
    }

    /// Whether a part has something of which what is shared does not tell who else can have it.
    fn bears(&self, world: &World, part: Mover) -> bool {
        let attempt = match part {
            Mover::Client(index) => world.clients[index].attempt,
            Mover::Zombie(index) => Some(world.zombies[index]),
            Mover::Flight(index) => {
                let grant = world.flights[index].grant;
                return grant != 0 && !self.open.is_old(world, grant);
            }
            Mover::Store | Mover::Newcomer => None,
        };
        let Some(attempt) = attempt else { return false };
        let mut shared = BTreeSet::new();
        only(world, &[]).each_version(|class, version| {
            shared.insert((class, *version));
        });
        let foreign = |known: Known| matches!(known, Known::Done { class, version } if version > 0 && !shared.contains(&(class, version)));
        attempt.lock != Grip::None
            || attempt.token != 0 && !self.open.is_old(world, attempt.token)
            || foreign(attempt.known)
            || matches!(attempt.call, Call::Landed(known) if foreign(known))
    }

    /// Every step of every world with what is shared, a mover, and one or two others. None is left out for
    /// what it does or does not change: the search for a proof does so, and this is what it is checked by.
    fn step_all(&self, shared: &[u8], excluded: u64, checked: &mut Checked) -> Result<(), Refused> {
        let singles = &self.singles[shared];
        let mut movers_of: Vec<(&World, Mover)> = Vec::new();
        movers_of.extend([Mover::Store, Mover::Newcomer].map(|mover| (&self.shared[shared], mover)));
        movers_of.extend(singles.iter().map(|single| (single, movers(single)[0])));
        for (world, mover) in movers_of {
            self.try_world(world, mover, None, excluded, checked)?;
            // Two others have to fit each other only where both bear something afterwards.
            let mut bearing = Vec::new();
            for beside in singles {
                let mut bears = false;
                for (both, added) in self.with(world, beside) {
                    bears |= self.try_world(&both, mover, Some(added), excluded, checked)?;
                }
                if bears {
                    bearing.push(beside);
                }
            }
            for (index, one) in bearing.iter().enumerate() {
                for (both, _) in self.with(world, one) {
                    for other in &bearing[..=index] {
                        for (all, _) in self.with(&both, other) {
                            self.try_world(&all, mover, None, excluded, checked)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes the steps of a mover. Tells whether the part beside it bears something after any of them.
    fn try_world(
        &self,
        world: &World,
        mover: Mover,
        beside: Option<Mover>,
        excluded: u64,
        checked: &mut Checked,
    ) -> Result<bool, Refused> {
        let mut world = world.clone();
        if let Some(beside) = beside {
            mark(&mut world, beside);
        }
        let count = world.number_clocks().len();
        let Some(zone) = self.zone(&world, count) else { return Ok(false) };
        checked.worlds += 1;
        if checked.worlds > TRIED_MAX {
            return Err(Refused::TooLarge);
        }
        let mut result = Ok(false);
        self.open.steps(&world, mover, &mut |mut step| {
            let Ok(bears) = &mut result else { return };
            checked.steps += 1;
            let map = step.world.number_clocks();
            let mut after = zone.clone();
            if count > 0 && !after.constrain_all(&step.guard) {
                return;
            }
            let after = after.map(&map);
            if beside.is_some() {
                let marked = movers(&step.world).into_iter().find(|part| is_marked(&step.world, *part));
                *bears |= marked.is_none_or(|part| self.bears(&step.world, part));
            }
            let says = || {
                let state = &self.open.system().table[usize::from(step.label.at)].name;
                format!("{:?} of {:?} at `{state}`", step.label.action, step.label.actor)
            };
            if step.facts & excluded != 0 {
                let shown = facts::ALL.iter().find(|fact| fact.bit & step.facts & excluded != 0);
                result = Err(Refused::Broken(format!("{} {}", says(), shown.map_or("", |fact| fact.says))));
            } else if self.open.overflows(&step.world) || self.lacks(&step.world, &after) {
                result = Err(Refused::NotInductive(says()));
            }
        });
        result
    }

    /// The values that the clocks of a small world can have; none: none at all.
    fn zone(&self, world: &World, count: usize) -> Option<Zone> {
        let mut zone = Zone::all(count);
        if count == 0 {
            return Some(zone);
        }
        // Only what is required of a world may be relied on.
        for piece in self.pieces(world) {
            let (form, orders) = form(&only(world, &piece));
            let Some(known) = self.zones.get(&form) else { continue };
            // What is required of a world in either order may be relied on in either.
            for order in &orders {
                let at = order.iter().map(|from| match from {
                    ClockFrom::Old(clock) => *clock,
                    ClockFrom::Zero => 0,
                });
                if !zone.meet(known, &at.collect::<Vec<Clock>>()) {
                    return None;
                }
            }
        }
        Some(zone)
    }

    /// The worlds in which the part of this piece is beside all that is there: in every order of claims and
    /// with every result that it may share with others.
    fn with(&self, world: &World, piece: &World) -> Vec<(World, Mover)> {
        // Tokens of the world with room between and below them.
        let mut base = world.clone();
        base.each_token(|token| *token *= 4);
        let shared = tokens(&only(&base, &[]));
        let own = tokens(&only(piece, &[]));
        let all = tokens(&base);
        let mut out = Vec::new();
        let part = movers(piece)[0];
        let token = token_of(piece, part);
        let places: Vec<u8> = match own.iter().position(|known| *known == token) {
            Some(place) => vec![shared[place]],
            None => {
                let above = own.iter().filter(|known| **known < token).count();
                let (low, high) = (shared[above - 1], shared[above]);
                let within = all.iter().copied().filter(|known| *known > low && *known < high);
                let gaps = within.clone().flat_map(|known| [known, known + 1]).chain([low + 1]);
                gaps.collect()
            }
        };
        // Results: shared ones by what they are there; others may be anybody's.
        let names = |world: &World| {
            let mut names = Vec::new();
            only(world, &[]).each_version(|class, version| names.push((class, *version)));
            names
        };
        let (mine, theirs) = (names(piece), names(&base));
        let mut candidates = vec![(base.clone(), Vec::<((u8, u8), u8)>::new())];
        for result in results_of(piece, part) {
            let mut next = Vec::new();
            for (world, named) in candidates {
                if named.iter().any(|(known, _)| *known == result) {
                    next.push((world, named));
                    continue;
                }
                let shared = mine.iter().position(|known| *known == result).map(|place| theirs[place].1);
                let mut others: BTreeSet<u8> = BTreeSet::new();
                match shared {
                    Some(version) => {
                        others.insert(version);
                    }
                    None => {
                        let mut most = 0;
                        world.clone().each_version(|class, version| {
                            if class == result.0 {
                                most = most.max(*version);
                                if !theirs.contains(&(class, *version)) {
                                    others.insert(*version);
                                }
                            }
                        });
                        most = named
                            .iter()
                            .filter(|((of, _), _)| *of == result.0)
                            .fold(most, |m, (_, v)| m.max(*v));
                        others.insert(most + 1);
                        // Its own results differ from each other.
                        others
                            .retain(|v| !named.iter().any(|((of, _), known)| *of == result.0 && known == v));
                    }
                }
                for version in others {
                    let mut named = named.clone();
                    named.push((result, version));
                    next.push((world.clone(), named));
                }
            }
            candidates = next;
        }
        for place in places {
            for (world, named) in &candidates {
                let mut whole = world.clone();
                let added = add(&mut whole, piece, part, place, named);
                whole.rank_tokens();
                let bearing = self.bears(&whole, added);
                let fits = |other: &Mover| {
                    *other == added
                        || !bearing
                        || !self.bears(&whole, *other)
                        || self.zones.contains_key(&form(&only(&whole, &[*other, added])).0)
                };
                if movers(&whole).iter().all(fits) {
                    out.push((whole, added));
                }
            }
        }
        out
    }
}
