//! What a search has found beside one state of what is shared: parts alone and in pairs, each with a zone of
//! its clocks that only grows.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::views::{Part, Piece, Relation, Whole, put_together};
use crate::system::open::Open;
use crate::system::world::World;
use crate::time::zone::Zone;
use crate::time::{Clock, ClockMap, NO_BOUND};

/// How often a zone may grow before it is widened.
const GROWS_MAX: u32 = 6;

/// What is known of the clocks of a piece.
#[derive(Clone)]
pub struct Timed {
    pub zone: Zone,
    /// How often it has grown.
    pub(super) grown: u32,
}

pub struct Single {
    pub part: Part,
    pub timed: Timed,
    pub(super) bears: bool,
    /// The pairs that it is in.
    pub(super) pairs: Vec<usize>,
    /// What it can do makes a difference to others.
    pub(super) moves: bool,
    /// What its steps do when it is alone.
    pub(super) alone: Option<Alone>,
}

/// What the steps of a mover do when nobody is beside it.
#[derive(Clone, Default)]
pub(super) struct Alone {
    /// How many parts bear something after each.
    pub(super) bearing: Vec<usize>,
    /// By the number of the step: it makes a difference to others.
    pub(super) touches: Vec<bool>,
}

pub struct Pair {
    pub one: usize,
    pub other: usize,
    pub relation: Relation,
    pub timed: Timed,
}

/// What is shared, with all that occurs beside it.
pub struct Place {
    pub shared: World,
    pub timed: Timed,
    pub singles: Vec<Single>,
    pub(super) index: FxHashMap<Part, usize>,
    pub pairs: Vec<Pair>,
    pub(super) by_parts: FxHashMap<(usize, usize), SmallVec<[usize; 2]>>,
    /// The store by itself, and newcomers: as for singles.
    pub(super) outside: [(bool, Option<Alone>); 2],
    /// Movers and parts that begin to bear something when they move.
    pub(super) wakes: FxHashSet<(usize, usize)>,
    /// How much had grown when these were stepped.
    pub(super) done: FxHashMap<Company, u32>,
    pub(super) dirty: bool,
    pub(super) fresh: Fresh,
}

/// What is new or has grown since a place was last expanded.
#[derive(Default)]
pub(super) struct Fresh {
    pub(super) shared: bool,
    pub(super) singles: Vec<usize>,
    pub(super) pairs: Vec<usize>,
}

/// A mover and who is beside it, with the pairs that relate them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Company {
    pub(super) mover: usize,
    pub(super) beside: [Option<usize>; 2],
    pub(super) pairs: [Option<usize>; 3],
}

/// Movers before the singles: the store and newcomers.
pub(super) const OUTSIDE: usize = 2;

impl Place {
    pub(super) fn new(shared: World) -> Place {
        Place {
            shared,
            timed: Timed { zone: Zone::zero(0), grown: 0 },
            singles: Vec::new(),
            index: FxHashMap::default(),
            pairs: Vec::new(),
            by_parts: FxHashMap::default(),
            outside: [(false, None), (false, None)],
            wakes: FxHashSet::default(),
            done: FxHashMap::default(),
            dirty: false,
            fresh: Fresh::default(),
        }
    }

    /// Whether a mover makes a difference to others, and whether it bears something.
    pub(super) fn of(&self, mover: usize) -> (bool, bool) {
        match mover.checked_sub(OUTSIDE) {
            Some(single) => (self.singles[single].moves, self.singles[single].bears),
            None => (self.outside[mover].0, false),
        }
    }

    pub(super) fn parts(&self, pair: usize) -> [usize; 2] {
        [self.pairs[pair].one, self.pairs[pair].other]
    }

    /// The parts that begin to bear something by a step of this mover.
    pub(super) fn woken(&self, mover: usize) -> Vec<usize> {
        let mut woken: Vec<usize> = Vec::new();
        woken.extend(self.wakes.iter().filter(|(by, _)| *by == mover).map(|(_, part)| *part));
        woken.sort_unstable();
        woken
    }

    /// The pairs of these two parts, in whatever order.
    pub(super) fn pair(&self, one: usize, other: usize, number: usize) -> Option<usize> {
        self.by_parts.get(&(one.min(other), one.max(other)))?.get(number).copied()
    }

    /// How part `one` relates to part `other`, by this pair.
    pub(super) fn relation(&self, pair: usize, one: usize) -> Relation {
        let pair = &self.pairs[pair];
        if pair.one == one { pair.relation } else { pair.relation.flipped() }
    }

    pub(super) fn stamp(&self, company: &Company) -> u32 {
        let single = |single: usize| self.singles[single].timed.grown;
        let mover = company.mover.checked_sub(OUTSIDE).map_or(0, single);
        let beside = company.beside.into_iter().flatten().map(single).sum::<u32>();
        let pairs = company.pairs.into_iter().flatten().map(|pair| self.pairs[pair].timed.grown).sum::<u32>();
        self.timed.grown + mover + beside + pairs
    }

    /// The world of this company, and what is known of its clocks; none where there is no such world.
    pub(super) fn company(&self, company: &Company) -> Option<(Whole, Zone)> {
        let mover = company.mover.checked_sub(OUTSIDE);
        let members: SmallVec<[usize; 3]> =
            mover.into_iter().chain(company.beside.into_iter().flatten()).collect();
        let related = company.pairs.into_iter().flatten();
        // Some step leads there, but no moment fits.
        if members.iter().any(|member| self.singles[*member].timed.grown == 0)
            || related.into_iter().any(|pair| self.pairs[pair].timed.grown == 0)
            || self.timed.grown == 0
        {
            return None;
        }
        let parts: SmallVec<[Part; 3]> = members.iter().map(|member| self.singles[*member].part).collect();
        let shift = usize::from(mover.is_none());
        let pair_of = |i: usize, j: usize| match (i + shift, j + shift) {
            (0, 1) => company.pairs[0],
            (0, 2) => company.pairs[1],
            _ => company.pairs[2],
        };
        let relation = |i: usize, j: usize| pair_of(i, j).map(|pair| self.relation(pair, members[i]));
        let whole = put_together(&self.shared, &parts, relation)?;
        let count = whole.shared_clocks + whole.clocks.iter().map(SmallVec::len).sum::<usize>();
        let mut zone = Zone::all(count);
        if count == 0 {
            return Some((whole, zone));
        }
        let base: SmallVec<[Clock; 16]> = (1..=whole.shared_clocks as Clock).collect();
        if !zone.meet(&self.timed.zone, &base) {
            return None;
        }
        for (place, member) in members.iter().enumerate() {
            let mut at = base.clone();
            at.extend(whole.clocks[place].iter().copied());
            if !zone.meet(&self.singles[*member].timed.zone, &at) {
                return None;
            }
        }
        for i in 0..members.len() {
            for j in i + 1..members.len() {
                let Some(pair) = pair_of(i, j) else { continue };
                let (first, second) = if self.pairs[pair].one == members[i] { (i, j) } else { (j, i) };
                let mut at = base.clone();
                at.extend(whole.clocks[first].iter().chain(&whole.clocks[second]).copied());
                if !zone.meet(&self.pairs[pair].timed.zone, &at) {
                    return None;
                }
            }
        }
        Some((whole, zone))
    }

    pub(super) fn grow_shared(&mut self, open: &Open, zone: &Zone, clocks: &ClockMap) -> bool {
        let mut timed = std::mem::replace(&mut self.timed, Timed { zone: Zone::zero(0), grown: 0 });
        let grown = timed.grow(|| put_together(&self.shared, &[], |_, _| None), open, zone, clocks);
        self.timed = timed;
        self.fresh.shared |= grown;
        grown
    }

    pub(super) fn grow_single(
        &mut self,
        open: &Open,
        piece: &Piece,
        zone: &Zone,
        clocks: &ClockMap,
    ) -> (usize, bool) {
        let part = piece.part;
        let known = self.index.get(&part).copied();
        let number = known.unwrap_or_else(|| {
            let bears = piece.bears(open, &self.shared);
            let timed = Timed { zone: Zone::zero(0), grown: 0 };
            self.singles.push(Single { part, timed, bears, pairs: Vec::new(), moves: false, alone: None });
            self.index.insert(part, self.singles.len() - 1);
            self.singles.len() - 1
        });
        let shared = &self.shared;
        let whole = || put_together(shared, &[part], |_, _| None);
        let grown = self.singles[number].timed.grow(whole, open, zone, clocks);
        if grown {
            self.fresh.singles.push(number);
        }
        (number, grown)
    }

    pub(super) fn grow_pair(
        &mut self,
        open: &Open,
        one: usize,
        other: usize,
        relation: Relation,
        zone: &Zone,
        clocks: &ClockMap,
    ) -> bool {
        let known = self.by_parts.get(&(one, other)).and_then(|numbers| {
            numbers.iter().copied().find(|number| self.pairs[*number].relation == relation)
        });
        let number = known.unwrap_or_else(|| {
            let timed = Timed { zone: Zone::zero(0), grown: 0 };
            self.pairs.push(Pair { one, other, relation, timed });
            let number = self.pairs.len() - 1;
            self.singles[one].pairs.push(number);
            if one != other {
                self.singles[other].pairs.push(number);
            }
            self.by_parts.entry((one, other)).or_default().push(number);
            number
        });
        let parts = [self.singles[one].part, self.singles[other].part];
        let shared = &self.shared;
        let whole = || put_together(shared, &parts, |_, _| Some(relation));
        let grown = self.pairs[number].timed.grow(whole, open, zone, clocks);
        if grown {
            self.fresh.pairs.push(number);
        }
        grown
    }
}

impl Timed {
    /// Some step leads there at some moment.
    pub fn is_reached(&self) -> bool {
        self.grown > 0
    }

    /// Takes in what a step leads to: `clocks` tells which of the zone's clocks these are. Lets time pass.
    pub(super) fn grow(
        &mut self,
        whole: impl Fn() -> Option<Whole>,
        open: &Open,
        zone: &Zone,
        clocks: &ClockMap,
    ) -> bool {
        if clocks.is_empty() {
            return std::mem::replace(&mut self.grown, 1) == 0;
        }
        let mut reached = zone.map(clocks);
        let Some(whole) = whole() else { return false };
        // The clocks of the piece in its own order, as the world numbers them.
        let shared = 1..=whole.shared_clocks as Clock;
        let numbers: SmallVec<[Clock; 16]> = shared.chain(whole.clocks.iter().flatten().copied()).collect();
        let own = |number: Clock| match numbers.iter().position(|own| *own == number) {
            Some(place) => place as Clock + 1,
            None => 0,
        };
        let mut invariant = Vec::new();
        open.invariant(&whole.world, &mut invariant);
        for constraint in &mut invariant {
            (constraint.left, constraint.right) = (own(constraint.left), own(constraint.right));
        }
        if !reached.constrain_all(&invariant) {
            return false;
        }
        reached.elapse();
        if !reached.constrain_all(&invariant) {
            return false;
        }
        let (mut lower, mut upper) = (vec![NO_BOUND; clocks.len() + 1], vec![NO_BOUND; clocks.len() + 1]);
        open.bounds(&whole.world, &mut lower, &mut upper);
        let of = |bounds: &[i64]| -> Vec<i64> {
            let each = numbers.iter().map(|number| bounds[usize::from(*number)]);
            [0].into_iter().chain(each).collect()
        };
        reached.extrapolate(&of(&lower), &of(&upper));
        if self.grown == 0 {
            *self = Timed { zone: reached, grown: 1 };
        } else {
            let before = self.zone.clone();
            if !self.zone.join(&reached) {
                return false;
            }
            self.grown += 1;
            if self.grown > GROWS_MAX {
                self.zone.widen(&before);
            }
        }
        // What was forgotten of one clock may let more time pass than another now tells. So that it does:
        // a step that changes nothing here leads to no new moment, then, however much time passes after it.
        for _ in 0..GROWS_MAX {
            let mut later = self.zone.clone();
            if !later.constrain_all(&invariant) {
                break;
            }
            later.elapse();
            if !later.constrain_all(&invariant) || !self.zone.join(&later) {
                break;
            }
        }
        true
    }
}
