//! Putting interchangeable clocks in order, so that zones that differ only by an exchange become one.
//!
//! Any order is sound, as every exchange maps the state to itself. A good order depends on nothing
//! but the zone up to exchange, and follows the clocks' values, so that inclusion is still seen.

use std::cmp::Ordering;

use crate::time::zone::Scalar;
use crate::time::{Clock, Interchangeable};

/// One member of one group.
struct Member {
    group: usize,
    /// Its place in the group as the state gives it.
    place: usize,
    /// Members not told apart yet have the same rank, and stand side by side.
    rank: usize,
    /// What may tell it apart from members of the same rank.
    hint: u64,
}

/// Working memory.
#[derive(Default)]
pub(super) struct Scratch {
    members: Vec<Member>,
    /// For each clock, whether it belongs to a member.
    moves: Vec<bool>,
}

/// Writes the order of the clocks: the new clock `i` is the old clock `order[i - 1]`. False when
/// that is the order they have.
pub(super) fn order<T: Scalar>(
    n: usize,
    zone: &[T],
    groups: &[Interchangeable],
    scratch: &mut Scratch,
    order: &mut Vec<Clock>,
) -> bool {
    let members = &mut scratch.members;
    members.clear();
    for (group, all) in groups.iter().enumerate() {
        members.extend((0..all.len()).map(|place| Member { group, place, rank: 0, hint: 0 }));
    }
    let table = Table { n, zone, groups };
    members.sort_unstable_by(|a, b| table.by_range(a, b).then(a.place.cmp(&b.place)));
    let mut tied = false;
    for at in 0..members.len() {
        let same = at > 0 && table.by_range(&members[at - 1], &members[at]).is_eq();
        members[at].rank = if same { members[at - 1].rank } else { at };
        tied |= same;
    }
    if tied {
        table.hint_by_duels(members);
        // Where an exchange changes nothing at all, nothing is left to decide.
        tied = split(members) && !table.all_twins(members);
    }
    if tied {
        scratch.moves.clear();
        scratch.moves.resize(n, false);
        for &clock in groups.iter().flatten().flatten() {
            scratch.moves[usize::from(clock)] = true;
        }
    }
    while tied {
        let classes = class_count(members);
        table.hint_by_neighbours(members, &scratch.moves);
        tied = split(members);
        if tied && class_count(members) == classes {
            // Alike in every respect that was looked at: most likely it does not matter who is first.
            tied = part(members);
        }
    }
    order.clear();
    order.extend(1..n as Clock);
    let mut place = 0;
    for (at, member) in members.iter().enumerate() {
        place = if at > 0 && members[at - 1].group == member.group { place + 1 } else { 0 };
        for (&to, &from) in groups[member.group][place].iter().zip(table.clocks(member)) {
            order[usize::from(to) - 1] = from;
        }
    }
    order.iter().zip(1..).any(|(&from, to)| from != to)
}

/// Sorts by rank and hint, and gives new ranks. True when some are still equal.
fn split(members: &mut [Member]) -> bool {
    members.sort_unstable_by_key(|member| (member.rank, member.hint, member.place));
    let mut tied = false;
    let mut last = (usize::MAX, 0);
    for at in 0..members.len() {
        let key = (members[at].rank, members[at].hint);
        let same = key == last;
        members[at].rank = if same { members[at - 1].rank } else { at };
        tied |= same;
        last = key;
    }
    tied
}

/// Puts the first member of the first tied class before the rest of it. True when ties are left.
fn part(members: &mut [Member]) -> bool {
    if let Some(at) = (1..members.len()).find(|&at| members[at].rank == members[at - 1].rank) {
        let class = members[at].rank;
        for member in members[at..].iter_mut().take_while(|member| member.rank == class) {
            member.rank = at;
        }
    }
    members.windows(2).any(|pair| pair[0].rank == pair[1].rank)
}

fn class_count(members: &[Member]) -> usize {
    members.iter().enumerate().filter(|(at, member)| member.rank == *at).count()
}

/// The zone as the members see it.
struct Table<'a, T> {
    n: usize,
    zone: &'a [T],
    groups: &'a [Interchangeable],
}

impl<T: Scalar> Table<'_, T> {
    fn clocks(&self, member: &Member) -> &[Clock] {
        &self.groups[member.group][member.place]
    }

    fn entry(&self, i: Clock, j: Clock) -> T {
        self.zone[usize::from(i) * self.n + usize::from(j)]
    }

    /// By group, then by the upper and lower bound of each clock.
    fn by_range(&self, a: &Member, b: &Member) -> Ordering {
        let ranges = self.clocks(a).iter().zip(self.clocks(b)).map(|(&a, &b)| {
            self.entry(a, 0).cmp(&self.entry(b, 0)).then(self.entry(0, b).cmp(&self.entry(0, a)))
        });
        ranges.fold(a.group.cmp(&b.group), Ordering::then)
    }

    /// Counts the members of the same group that are rather smaller than this one.
    fn hint_by_duels(&self, members: &mut [Member]) {
        for at in 0..members.len() {
            let beats = |other: &&Member| {
                let duels = self.clocks(&members[at]).iter().zip(self.clocks(other));
                duels
                    .map(|(&a, &b)| self.entry(b, a).cmp(&self.entry(a, b)))
                    .fold(Ordering::Equal, Ordering::then)
                    == Ordering::Less
            };
            let group = members[at].group;
            members[at].hint = members.iter().filter(|m| m.group == group).filter(beats).count() as u64;
        }
    }

    /// Whether members of equal rank can be exchanged without changing the zone. It is enough to
    /// look at neighbours: their exchanges make up all others.
    fn all_twins(&self, members: &[Member]) -> bool {
        members.windows(2).filter(|pair| pair[0].rank == pair[1].rank).all(|pair| {
            let (these, those) = (self.clocks(&pair[0]), self.clocks(&pair[1]));
            let exchange = |clock: Clock| {
                let at = |list: &[Clock]| list.iter().position(|&other| other == clock);
                match (at(these), at(those)) {
                    (Some(at), _) => those[at],
                    (_, Some(at)) => these[at],
                    _ => clock,
                }
            };
            these.iter().chain(those).all(|&i| {
                (0..self.n as Clock).all(|j| {
                    let (k, l) = (exchange(i), exchange(j));
                    self.entry(i, j) == self.entry(k, l) && self.entry(j, i) == self.entry(l, k)
                })
            })
        })
    }

    /// A hash of how a member's clocks stand to each other, to the clocks that stay, and to every
    /// other member by its rank.
    fn hint_by_neighbours(&self, members: &mut [Member], moves: &[bool]) {
        for at in 0..members.len() {
            let own = self.clocks(&members[at]);
            let fixed = (0..self.n as Clock).filter(|&clock| !moves[usize::from(clock)]);
            let mut hint = mix(1, self.between(own, own));
            for clock in fixed {
                hint = hint.wrapping_add(mix(2 + u64::from(clock), self.between(own, &[clock])));
            }
            // A sum, as the order of the neighbours must not matter.
            for (_, other) in members.iter().enumerate().filter(|(index, _)| *index != at) {
                let relation = self.between(own, self.clocks(other));
                hint = hint.wrapping_add(mix(1 << 32 | other.rank as u64, relation));
            }
            members[at].hint = hint;
        }
    }

    fn between(&self, these: &[Clock], those: &[Clock]) -> u64 {
        let mut hash = 0;
        for &i in these {
            for &j in those {
                hash = mix(mix(hash, self.entry(i, j).bits()), self.entry(j, i).bits());
            }
        }
        hash
    }
}

fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}
