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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use smallvec::SmallVec;

    use super::*;
    use crate::time::{ClockFrom, zone};

    /// A zone over six clocks: lower and upper bounds, resets in some order.
    fn any_zone() -> impl Strategy<Value = Vec<i32>> {
        let step = prop_oneof![
            3 => (1_usize..7).prop_map(|clock| (clock, 0, 0)),
            2 => (0_usize..7, 0_usize..7, 0_i64..3).prop_filter("two clocks", |(i, j, _)| i != j),
        ];
        prop::collection::vec(step, 0..12).prop_map(|steps| {
            let mut zone = vec![i32::ZERO; 49];
            for (i, j, bound) in steps {
                if j == 0 && bound == 0 {
                    // Only clock i starts anew; then time passes.
                    let kept =
                        (1..7).map(|c| if c == i { ClockFrom::Zero } else { ClockFrom::Old(c as Clock) });
                    let before = zone.clone();
                    zone::map(7, &before, &kept.collect::<Vec<_>>(), &mut zone);
                    zone::elapse(7, &mut zone);
                } else {
                    let before = zone.clone();
                    if !zone::constrain(7, &mut zone, i, j, i32::encode(bound, false)) {
                        zone = before;
                    }
                }
            }
            zone
        })
    }

    fn sorted(zone: &[i32], groups: &[Interchangeable]) -> Vec<i32> {
        let (mut clocks, mut result) = (Vec::new(), zone.to_vec());
        if order(7, zone, groups, &mut Scratch::default(), &mut clocks) {
            zone::permute(7, zone, &clocks, &mut result);
        }
        let mut seen = clocks.clone();
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
        result
    }

    fn group(members: &[&[Clock]]) -> Interchangeable {
        members.iter().map(|clocks| SmallVec::from_slice(clocks)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Zones that differ by an exchange of members become one and the same.
        #[test]
        fn exchanges_make_no_difference(zone in any_zone(), a in 0_usize..6, b in 0_usize..6) {
            let singles = [group(&[&[1], &[2], &[3], &[4], &[5], &[6]])];
            let pairs = [group(&[&[1, 2], &[3, 4], &[5, 6]])];
            let mixed = [group(&[&[2], &[4], &[5]]), group(&[&[1], &[3]])];
            for groups in [&singles[..], &pairs, &mixed] {
                let members = &groups[0];
                let (a, b) = (&members[a % members.len()], &members[b % members.len()]);
                let mut exchanged = zone.clone();
                for (&a, &b) in a.iter().zip(b) {
                    zone::swap(7, &mut exchanged, a.into(), b.into());
                }
                prop_assert_eq!(sorted(&zone, groups), sorted(&exchanged, groups));
            }
        }
    }
}
