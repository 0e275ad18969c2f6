//! Help for networks of equal processes: their clocks in the order of the processes, and sorting.

use idemcheck::time::{Clock, ClockFrom, ClockMap};
use smallvec::SmallVec;

/// One process as an edge leaves it: what it is, and where its clock comes from, if it has one.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub kind: u8,
    pub clock: Option<ClockFrom>,
}

/// The processes of a target state. With `sorted`, processes of the same kind stand together, which
/// makes states that differ only by an exchange of processes the same.
pub fn assemble(parts: &mut [Part], sorted: bool, clocks: &mut ClockMap) -> Kinds {
    if sorted {
        parts.sort_by_key(|part| part.kind);
    }
    clocks.extend(parts.iter().filter_map(|part| part.clock));
    parts.iter().map(|part| part.kind).collect()
}

pub type Kinds = SmallVec<[u8; 16]>;
pub type Clocks = SmallVec<[Option<Clock>; 16]>;
pub type Parts = SmallVec<[Part; 16]>;

/// For each process, its clock: they are numbered from `first` on, in order.
pub fn clocks_of(kinds: &[u8], first: Clock, has_clock: impl Fn(u8) -> bool) -> Clocks {
    let mut next = first;
    let number = |&kind: &u8| {
        has_clock(kind).then(|| {
            next += 1;
            next - 1
        })
    };
    kinds.iter().map(number).collect()
}

/// Processes of the same kind that have a clock.
pub fn groups(kinds: &[u8], clocks: &[Option<Clock>]) -> Vec<Vec<SmallVec<[Clock; 4]>>> {
    let mut groups: Vec<(u8, Vec<SmallVec<[Clock; 4]>>)> = Vec::new();
    for (&kind, clock) in kinds.iter().zip(clocks) {
        let Some(clock) = *clock else { continue };
        let member = SmallVec::from_slice(&[clock]);
        match groups.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, members)) => members.push(member),
            None => groups.push((kind, vec![member])),
        }
    }
    groups.into_iter().map(|(_, members)| members).collect()
}
