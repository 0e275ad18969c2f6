//! The search for an invariant: the pieces that some world of any size can be cut into.
//!
//! A world is thought to be possible when each of its parts occurs with what is shared, and each two of
//! its parts that bear something (see [`Part::bears`]) occur together. Every step of such a world changes
//! what is shared, its mover, and what others have to do with what is shared; so whatever pieces come of
//! it come already of the mover with at most two others beside it. These small worlds are made, stepped,
//! and cut up, until nothing new comes. That ends: pieces are finitely many, and each is kept with one
//! zone that only grows, and by leaps.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::place::{Alone, Company, OUTSIDE, Place};
use super::views::{Apart, Part, Whole, take_apart};
use crate::system::open::{Mover, Open, OpenStep};
use crate::system::world::Packed;
use crate::time::zone::Zone;
use crate::time::{ClockFrom, ClockMap};

/// A search for an invariant.
pub struct Prover<'a> {
    pub open: &'a Open,
    pub places: Vec<Place>,
    index: FxHashMap<Packed, usize>,
    todo: VecDeque<usize>,
    /// Facts that some small world shows, with the step that does.
    pub shown: Vec<(u64, OpenStep)>,
    pub facts: u64,
    pub worlds: usize,
    most: usize,
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
    /// One that steps at most so many small worlds.
    pub fn new(open: &'a Open, most: usize) -> Self {
        let (places, shown, todo) = (Vec::new(), Vec::new(), VecDeque::new());
        Self { open, places, index: FxHashMap::default(), todo, shown, facts: 0, worlds: 0, most }
    }

    /// Looks for an invariant; what it excludes is all but [`Prover::facts`]. Ends early once every group
    /// of facts in `open` is broken.
    pub fn run(&mut self, groups: &[u64], stop: &dyn Fn() -> bool) -> Result<(), Stuck> {
        let start = self.open.start();
        let mut numbered = start.clone();
        let map = numbered.number_clocks();
        let zone = Zone::zero(map.len());
        self.add(&take_apart(&numbered), &zone)?;
        loop {
            while let Some(place) = self.todo.pop_front() {
                self.places[place].dirty = false;
                self.expand(place, groups, stop)?;
            }
            // Once more all of it: what was stepped as it is now costs only a look.
            for place in 0..self.places.len() {
                self.places[place].fresh.shared = true;
                self.expand(place, groups, stop)?;
            }
            if self.todo.is_empty() {
                return Ok(());
            }
        }
    }

    /// Steps every company of a place with something in it that is new or has grown.
    fn expand(&mut self, at: usize, groups: &[u64], stop: &dyn Fn() -> bool) -> Result<(), Stuck> {
        let fresh = std::mem::take(&mut self.places[at].fresh);
        let (singles, pairs) = (self.places[at].singles.len(), self.places[at].pairs.len());
        let mut is_fresh = vec![fresh.shared; singles];
        fresh.singles.iter().for_each(|single| is_fresh[*single] = true);
        for mover in 0..OUTSIDE + singles {
            let own = mover.checked_sub(OUTSIDE);
            if own.map_or(fresh.shared, |single| is_fresh[single]) {
                self.step(at, Company { mover, beside: [None; 2], pairs: [None; 3] }, groups)?;
                let (moves, bears) = self.places[at].of(mover);
                for beside in 0..singles {
                    self.beside(at, mover, (moves, bears), beside, groups)?;
                }
                if moves {
                    for pair in 0..pairs {
                        self.triple(at, mover, bears, self.places[at].parts(pair), Some(pair), groups)?;
                    }
                    for one in self.places[at].woken(mover) {
                        for other in 0..singles {
                            self.triple(at, mover, bears, [one, other], None, groups)?;
                        }
                    }
                }
            } else {
                let (moves, bears) = self.places[at].of(mover);
                for beside in &fresh.singles {
                    self.beside(at, mover, (moves, bears), *beside, groups)?;
                }
                for pair in &fresh.pairs {
                    let [one, other] = self.places[at].parts(*pair);
                    let partner = match own {
                        Some(single) if single == one => Some(other),
                        Some(single) if single == other => Some(one),
                        _ => None,
                    };
                    if let Some(partner) = partner {
                        self.beside(at, mover, (moves, bears), partner, groups)?;
                    }
                    if !moves {
                        continue;
                    }
                    self.triple(at, mover, bears, [one, other], Some(*pair), groups)?;
                    for with in partner
                        .map(|partner| self.places[at].singles[partner].pairs.clone())
                        .unwrap_or_default()
                    {
                        self.triple(at, mover, bears, self.places[at].parts(with), Some(with), groups)?;
                    }
                }
                if moves {
                    for one in self.places[at].woken(mover) {
                        for other in 0..singles {
                            if is_fresh[one] || is_fresh[other] {
                                self.triple(at, mover, bears, [one, other], None, groups)?;
                            }
                        }
                    }
                }
            }
            if stop() {
                return Err(Stuck::Cancelled);
            }
        }
        Ok(())
    }

    /// A mover with one other beside it.
    fn beside(
        &mut self,
        at: usize,
        mover: usize,
        (moves, bears): (bool, bool),
        beside: usize,
        groups: &[u64],
    ) -> Result<(), Stuck> {
        if bears && self.places[at].singles[beside].bears {
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
        Ok(())
    }

    /// A mover with two others that bear something, or come to do so by its step.
    fn triple(
        &mut self,
        at: usize,
        mover: usize,
        bears: bool,
        [one, other]: [usize; 2],
        pair: Option<usize>,
        groups: &[u64],
    ) -> Result<(), Stuck> {
        let related = |place: &Place, beside: usize, number: usize| match bears && place.singles[beside].bears
        {
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
        if self.worlds > self.most {
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
        let interesting = groups.iter().fold(0, |all, group| all | group) & !self.facts;
        let mut steps = Vec::new();
        let alone = match company.mover.checked_sub(OUTSIDE) {
            Some(single) => self.places[at].singles[single].alone.as_ref(),
            None => self.places[at].outside[company.mover].1.as_ref(),
        };
        let alone = alone.filter(|_| company.beside[0].is_some());
        let mut count = 0;
        let beside: Vec<usize> = company.beside.into_iter().flatten().collect();
        let related = beside.iter().any(|part| self.places[at].singles[*part].bears);
        // A step that makes no difference to others leaves them as they are; only how they relate to what it
        // leaves of its mover is new.
        let mut wanted = |number: usize, _: u64| {
            count = number + 1;
            alone.is_none_or(|alone| {
                alone.touches.get(number) != Some(&false) || related && alone.bearing[number] > 0
            })
        };
        self.open.steps_if(&whole.world, mover, &mut wanted, &mut |step| steps.push(step));
        if alone.is_some_and(|alone| alone.touches.len() != count) {
            return Err(Stuck::NotLocal);
        }
        let was_bearing =
            company.mover.checked_sub(OUTSIDE).is_some_and(|single| self.places[at].singles[single].bears);
        let asleep = beside.iter().any(|part| !self.places[at].singles[*part].bears);
        let (mut moves, mut now) = (false, Alone { bearing: vec![0; count], touches: vec![false; count] });
        for mut step in steps {
            let map = step.world.number_clocks();
            let apart = take_apart(&step.world);
            let bears = apart.parts.iter().filter(|piece| piece.bears(self.open, &apart.shared)).count();
            now.bearing[step.number] = now.bearing[step.number].max(bears);
            if beside.is_empty() {
                now.touches[step.number] |= step.touches;
                moves |= step.touches || bears > usize::from(was_bearing);
            }
            let mut after = zone.clone();
            if !step.guard.is_empty() && self.is_timed(&whole) && !after.constrain_all(&step.guard) {
                continue;
            }
            let after = after.map(&map);
            if self.open.overflows(&step.world) {
                return Err(Stuck::Counts);
            }
            let new = step.facts & interesting;
            if new & !self.facts != 0 {
                self.facts |= new;
                let world = step.world.clone();
                self.shown.push((new, OpenStep { world, ..step.clone() }));
                if groups.iter().all(|group| group & self.facts != 0) {
                    return Err(Stuck::Broken);
                }
            }
            self.add(&apart, &after)?;
        }
        let place = &mut self.places[at];
        let (known, alone) = match company.mover.checked_sub(OUTSIDE) {
            Some(single) => {
                let single = &mut place.singles[single];
                (&mut single.moves, &mut single.alone)
            }
            None => {
                let (known, alone) = &mut place.outside[company.mover];
                (known, alone)
            }
        };
        if beside.is_empty() {
            *known |= moves;
            *alone = Some(now);
            return Ok(());
        }
        let alone = alone.as_ref().ok_or(Stuck::NotLocal)?;
        if let ([Some(part), None], true) = (company.beside, asleep)
            && alone.bearing.iter().zip(&now.bearing).any(|(alone, now)| now > alone)
        {
            place.wakes.insert((company.mover, part));
        }
        Ok(())
    }

    fn is_timed(&self, whole: &Whole) -> bool {
        whole.shared_clocks > 0 || whole.clocks.iter().any(|clocks| !clocks.is_empty())
    }

    /// Adds every piece of a world whose clocks are in this zone.
    fn add(&mut self, apart: &Apart, zone: &Zone) -> Result<(), Stuck> {
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
            let (number, more) = self.places[at].grow_single(open, piece, zone, &clocks);
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
            self.todo.push_back(at);
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
