//! The search for an invariant: the pieces that some world of any size can be cut into.
//!
//! A world is thought to be possible when each of its parts occurs with what is shared, and each two of
//! its parts that bear something (see [`Part::bears`]) occur together. Every step of such a world changes
//! what is shared, its mover, and what others have to do with what is shared; so whatever pieces come of
//! it come already of the mover with at most two others beside it. These small worlds are made, stepped,
//! and cut up, until nothing new comes. That ends: pieces are finitely many, and each is kept with one
//! zone that only grows, and by leaps.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::views::{Apart, Part, Piece, Relation, Whole, put_together, take_apart};
use crate::system::open::{Mover, Open, OpenStep};
use crate::system::world::{Packed, World};
use crate::time::zone::Zone;
use crate::time::{Clock, ClockFrom, ClockMap, NO_BOUND};

/// Small worlds that are stepped before the search gives up.
pub const WORLDS_MAX: usize = 60_000;
/// How often a zone may grow before it is widened.
const GROWS_MAX: u32 = 6;

/// What is known of the clocks of a piece.
#[derive(Clone)]
pub struct Timed {
    pub zone: Zone,
    /// How often it has grown.
    grown: u32,
}

pub struct Single {
    pub part: Part,
    pub timed: Timed,
    bears: bool,
    /// What it can do makes a difference to others.
    moves: bool,
    /// How many bearing parts there are after each of its steps, when it is alone.
    alone: Option<Vec<usize>>,
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
    index: FxHashMap<Part, usize>,
    pub pairs: Vec<Pair>,
    by_parts: FxHashMap<(usize, usize), SmallVec<[usize; 2]>>,
    /// The store by itself, and newcomers: as for singles.
    outside: [(bool, Option<Vec<usize>>); 2],
    /// Movers and parts that begin to bear something when they move.
    wakes: FxHashSet<(usize, usize)>,
    /// How much had grown when these were stepped.
    done: FxHashMap<Company, u32>,
    dirty: bool,
}

/// A mover and who is beside it, with the pairs that relate them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Company {
    mover: usize,
    beside: [Option<usize>; 2],
    pairs: [Option<usize>; 3],
}

/// Movers before the singles: the store and newcomers.
const OUTSIDE: usize = 2;

/// A search for an invariant.
pub struct Prover<'a> {
    pub open: &'a Open,
    pub places: Vec<Place>,
    index: FxHashMap<Packed, usize>,
    todo: Vec<usize>,
    /// Facts that some small world shows, with the step that does.
    pub shown: Vec<(u64, OpenStep)>,
    pub facts: u64,
    pub worlds: usize,
}

/// Why no invariant was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stuck {
    /// All that was asked for is broken.
    Broken,
    TooLarge,
    /// Something is counted that has no end.
    Counts,
    /// A step depends on who else is there: a fault of this program.
    NotLocal,
    Cancelled,
}

impl<'a> Prover<'a> {
    pub fn new(open: &'a Open) -> Self {
        let (places, shown) = (Vec::new(), Vec::new());
        Self { open, places, index: FxHashMap::default(), todo: Vec::new(), shown, facts: 0, worlds: 0 }
    }

    /// Looks for an invariant; what it excludes is all but [`Prover::facts`]. Ends early once every group
    /// of facts in `open` is broken.
    pub fn run(&mut self, groups: &[u64], stop: &dyn Fn() -> bool) -> Result<(), Stuck> {
        let start = self.open.start();
        let mut numbered = start.clone();
        let map = numbered.number_clocks();
        let zone = Zone::zero(map.len());
        self.add(&numbered, &zone, &[])?;
        while let Some(place) = self.todo.pop() {
            self.places[place].dirty = false;
            self.expand(place, groups, stop)?;
        }
        Ok(())
    }

    fn expand(&mut self, at: usize, groups: &[u64], stop: &dyn Fn() -> bool) -> Result<(), Stuck> {
        let mut mover = 0;
        while mover < OUTSIDE + self.places[at].singles.len() {
            let alone = Company { mover, beside: [None; 2], pairs: [None; 3] };
            self.step(at, alone, groups)?;
            let (moves, bears) = self.places[at].of(mover);
            let mut beside = 0;
            while beside < self.places[at].singles.len() {
                let other = self.places[at].singles[beside].bears;
                if bears && other {
                    let mut number = 0;
                    while let Some(pair) = self.places[at].pair(mover - OUTSIDE, beside, number) {
                        let pairs = [Some(pair), None, None];
                        self.step(at, Company { mover, beside: [Some(beside), None], pairs }, groups)?;
                        number += 1;
                    }
                } else if moves {
                    let company = Company { mover, beside: [Some(beside), None], pairs: [None; 3] };
                    self.step(at, company, groups)?;
                }
                beside += 1;
            }
            if moves {
                self.with_two(at, mover, bears, groups)?;
            }
            if stop() {
                return Err(Stuck::Cancelled);
            }
            mover += 1;
        }
        Ok(())
    }

    /// A mover and two others that bear something, or come to do so by its step.
    fn with_two(&mut self, at: usize, mover: usize, bears: bool, groups: &[u64]) -> Result<(), Stuck> {
        let mut number = 0;
        while number < self.places[at].pairs.len() {
            let (one, other) = (self.places[at].pairs[number].one, self.places[at].pairs[number].other);
            self.triple(at, mover, bears, [one, other], Some(number), groups)?;
            number += 1;
        }
        let mut woken: Vec<usize> = Vec::new();
        woken.extend(self.places[at].wakes.iter().filter(|(by, _)| *by == mover).map(|(_, part)| *part));
        woken.sort_unstable();
        for one in woken {
            let mut other = 0;
            while other < self.places[at].singles.len() {
                self.triple(at, mover, bears, [one, other], None, groups)?;
                other += 1;
            }
        }
        Ok(())
    }

    fn triple(
        &mut self,
        at: usize,
        mover: usize,
        bears: bool,
        [one, other]: [usize; 2],
        pair: Option<usize>,
        groups: &[u64],
    ) -> Result<(), Stuck> {
        let related = |place: &Place, beside: usize, number: usize| match bears && place.singles[beside].bears {
            true => place.pair(mover - OUTSIDE, beside, number).map(Some),
            false => (number == 0).then_some(None),
        };
        let mut first = 0;
        while let Some(with_one) = related(&self.places[at], one, first) {
            let mut second = 0;
            while let Some(with_other) = related(&self.places[at], other, second) {
                let pairs = [with_one, with_other, pair];
                self.step(at, Company { mover, beside: [Some(one), Some(other)], pairs }, groups)?;
                second += 1;
            }
            first += 1;
        }
        Ok(())
    }

    /// Takes every step of the mover in this company, unless that was done and nothing has grown.
    fn step(&mut self, at: usize, company: Company, groups: &[u64]) -> Result<(), Stuck> {
        let place = &self.places[at];
        let stamp = place.stamp(&company);
        if place.done.get(&company) == Some(&stamp) {
            return Ok(());
        }
        let Some((whole, zone)) = place.company(&company) else {
            self.places[at].done.insert(company, stamp);
            return Ok(());
        };
        self.worlds += 1;
        if self.worlds > WORLDS_MAX {
            return Err(Stuck::TooLarge);
        }
        self.places[at].done.insert(company, stamp);
        let mover = match company.mover.checked_sub(OUTSIDE) {
            None if company.mover == 0 => Mover::Store,
            None => Mover::Newcomer,
            Some(single) => match place_of(&self.places[at].singles[single].part, whole.places[0]) {
                Some(mover) => mover,
                None => return Ok(()),
            },
        };
        let mut steps = Vec::new();
        self.open.steps(&whole.world, mover, &mut |step| steps.push(step));
        let (was_bearing, held) = match company.mover.checked_sub(OUTSIDE) {
            Some(single) => {
                let single = &self.places[at].singles[single];
                (single.bears, single.part.holds())
            }
            None => (false, (false, false)),
        };
        let beside: Vec<usize> = company.beside.into_iter().flatten().collect();
        let asleep = beside.iter().any(|part| !self.places[at].singles[*part].bears);
        let (mut moves, mut bearing) = (false, Vec::with_capacity(steps.len()));
        for mut step in steps {
            let map = step.world.number_clocks();
            let apart = take_apart(&step.world);
            let bears = apart.parts.iter().filter(|piece| piece.part.bears(self.open, &apart.shared)).count();
            bearing.push(bears);
            if beside.is_empty() {
                let gained = |piece: &Piece| {
                    let (owns, lock) = piece.part.holds();
                    owns && !held.0 || lock && !held.1
                };
                let restarts = |(number, from): (usize, &ClockFrom)| *from != ClockFrom::Old(number as u8 + 1);
                moves |= apart.shared != self.places[at].shared
                    || map.iter().take(apart.clocks.len()).enumerate().any(restarts)
                    || bears > usize::from(was_bearing)
                    || apart.parts.iter().any(gained);
            }
            let mut after = zone.clone();
            if !step.guard.is_empty() && self.is_timed(&whole) && !after.constrain_all(&step.guard) {
                continue;
            }
            let after = after.map(&map);
            if self.open.overflows(&step.world) {
                return Err(Stuck::Counts);
            }
            let new = step.facts & !self.facts;
            if new != 0 {
                self.facts |= new;
                let world = step.world.clone();
                self.shown.push((new, OpenStep { world, ..step.clone() }));
                if groups.iter().all(|group| group & self.facts != 0) {
                    return Err(Stuck::Broken);
                }
            }
            self.add_apart(&apart, &after, &map)?;
        }
        let place = &mut self.places[at];
        match (company.beside, company.mover) {
            ([None, None], mover) => match mover.checked_sub(OUTSIDE) {
                Some(single) => {
                    place.singles[single].moves |= moves;
                    place.singles[single].alone = Some(bearing);
                }
                None => {
                    place.outside[mover].0 |= moves;
                    place.outside[mover].1 = Some(bearing);
                }
            },
            (_, mover) => {
                let alone = match mover.checked_sub(OUTSIDE) {
                    Some(single) => &place.singles[single].alone,
                    None => &place.outside[mover].1,
                };
                let alone = alone.as_ref().ok_or(Stuck::NotLocal)?;
                if alone.len() != bearing.len() {
                    return Err(Stuck::NotLocal);
                }
                let [Some(part), None] = company.beside else { return Ok(()) };
                if asleep && alone.iter().zip(&bearing).any(|(alone, bearing)| bearing > alone) {
                    place.wakes.insert((mover, part));
                }
            }
        }
        Ok(())
    }

    fn is_timed(&self, whole: &Whole) -> bool {
        whole.shared_clocks > 0 || whole.clocks.iter().any(|clocks| !clocks.is_empty())
    }

    fn add(&mut self, world: &World, zone: &Zone, _: &[Clock]) -> Result<(), Stuck> {
        let apart = take_apart(world);
        self.add_apart(&apart, zone, &ClockMap::new())
    }

    /// Adds every piece of a world whose clocks are in this zone.
    fn add_apart(&mut self, apart: &Apart, zone: &Zone, _: &ClockMap) -> Result<(), Stuck> {
        let key = apart.shared.pack();
        let shared = |slot: &crate::system::world::Slot| slot.clock().map(ClockFrom::Old);
        let base: ClockMap = apart.clocks.iter().filter_map(shared).collect();
        let at = match self.index.get(&key) {
            Some(at) => *at,
            None => {
                let at = self.places.len();
                self.places.push(Place::new(apart.shared.clone()));
                self.index.insert(key, at);
                at
            }
        };
        let open = self.open;
        let mut grown = self.places[at].grow_shared(open, zone, &base);
        let mut numbers: SmallVec<[usize; 6]> = SmallVec::new();
        for piece in &apart.parts {
            let mut clocks = base.clone();
            clocks.extend(piece.clocks.iter().filter_map(shared));
            let (number, more) = self.places[at].grow_single(open, piece.part, zone, &clocks);
            grown |= more;
            numbers.push(number);
        }
        for (second, other) in apart.parts.iter().enumerate() {
            for (first, one) in apart.parts.iter().enumerate().take(second) {
                let place = &mut self.places[at];
                if !(place.singles[numbers[first]].bears && place.singles[numbers[second]].bears) {
                    continue;
                }
                let mut clocks = base.clone();
                // In one order, whoever comes first here.
                let (a, b, x, y) = match numbers[first] <= numbers[second] {
                    true => (numbers[first], numbers[second], one, other),
                    false => (numbers[second], numbers[first], other, one),
                };
                clocks.extend(x.clocks.iter().chain(&y.clocks).filter_map(shared));
                grown |= place.grow_pair(open, a, b, x.relation(y), zone, &clocks);
                if a == b {
                    let mut clocks = base.clone();
                    clocks.extend(y.clocks.iter().chain(&x.clocks).filter_map(shared));
                    grown |= place.grow_pair(open, a, b, y.relation(x), zone, &clocks);
                }
            }
        }
        if grown && !self.places[at].dirty {
            self.places[at].dirty = true;
            self.todo.push(at);
        }
        Ok(())
    }
}

fn place_of(part: &Part, place: usize) -> Option<Mover> {
    Some(match part {
        Part::Client(_) => Mover::Client(place),
        Part::Zombie(_) => Mover::Zombie(place),
        Part::Flight(_) => Mover::Flight(place),
    })
}

impl Place {
    fn new(shared: World) -> Place {
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
        }
    }

    /// Whether a mover makes a difference to others, and whether it bears something.
    fn of(&self, mover: usize) -> (bool, bool) {
        match mover.checked_sub(OUTSIDE) {
            Some(single) => (self.singles[single].moves, self.singles[single].bears),
            None => (self.outside[mover].0, false),
        }
    }

    /// The pairs of these two parts, in whatever order.
    fn pair(&self, one: usize, other: usize, number: usize) -> Option<usize> {
        self.by_parts.get(&(one.min(other), one.max(other)))?.get(number).copied()
    }

    /// How part `one` relates to part `other`, by this pair.
    fn relation(&self, pair: usize, one: usize) -> Relation {
        let pair = &self.pairs[pair];
        if pair.one == one { pair.relation } else { pair.relation.flipped() }
    }

    fn stamp(&self, company: &Company) -> u32 {
        let single = |single: usize| self.singles[single].timed.grown;
        let mover = company.mover.checked_sub(OUTSIDE).map_or(0, single);
        let beside = company.beside.into_iter().flatten().map(single).sum::<u32>();
        let pairs = company.pairs.into_iter().flatten().map(|pair| self.pairs[pair].timed.grown).sum::<u32>();
        self.timed.grown + mover + beside + pairs
    }

    /// The world of this company, and what is known of its clocks; none where there is no such world.
    fn company(&self, company: &Company) -> Option<(Whole, Zone)> {
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
        let relation =
            |i: usize, j: usize| pair_of(i, j).map(|pair| self.relation(pair, members[i]));
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

    fn grow_shared(&mut self, open: &Open, zone: &Zone, clocks: &ClockMap) -> bool {
        let mut timed = std::mem::replace(&mut self.timed, Timed { zone: Zone::zero(0), grown: 0 });
        let grown = timed.grow(|| put_together(&self.shared, &[], |_, _| None), open, zone, clocks);
        self.timed = timed;
        grown
    }

    fn grow_single(&mut self, open: &Open, part: Part, zone: &Zone, clocks: &ClockMap) -> (usize, bool) {
        let known = self.index.get(&part).copied();
        let number = known.unwrap_or_else(|| {
            let bears = part.bears(open, &self.shared);
            let timed = Timed { zone: Zone::zero(0), grown: 0 };
            self.singles.push(Single { part, timed, bears, moves: false, alone: None });
            self.index.insert(part, self.singles.len() - 1);
            self.singles.len() - 1
        });
        let shared = &self.shared;
        let whole = || put_together(shared, &[part], |_, _| None);
        (number, self.singles[number].timed.grow(whole, open, zone, clocks))
    }

    fn grow_pair(
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
            self.by_parts.entry((one, other)).or_default().push(number);
            number
        });
        let parts = [self.singles[one].part, self.singles[other].part];
        let shared = &self.shared;
        let whole = || put_together(shared, &parts, |_, _| Some(relation));
        self.pairs[number].timed.grow(whole, open, zone, clocks)
    }
}

impl Timed {
    /// Some step leads there at some moment.
    pub fn is_reached(&self) -> bool {
        self.grown > 0
    }

    /// Takes in what a step leads to: `clocks` tells which of the zone's clocks these are. Lets time pass.
    fn grow(
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
            return true;
        }
        let before = self.zone.clone();
        if !self.zone.join(&reached) {
            return false;
        }
        self.grown += 1;
        if self.grown > GROWS_MAX {
            self.zone.widen(&before);
        }
        true
    }
}
