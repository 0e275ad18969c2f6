//! Where the search keeps things: states once each, zones packed by size.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

const VACANT: u32 = u32::MAX;
/// No value has this number.
pub(super) const UNKNOWN: u32 = VACANT;

/// Gives each distinct value a number, counted from 0.
pub(super) struct Interner<V> {
    values: Vec<V>,
    /// Open addressing, at most four fifths full. Entries stand in the order of their hashes, but for those
    /// that met another one: so that growing goes through memory from its beginning to its end.
    table: Vec<Entry>,
}

/// A number, with the hash of its value: so that most others are passed over, and the table grows,
/// without a look at the value.
#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    id: u32,
}

const EMPTY: Entry = Entry { hash: 0, id: VACANT };

impl<V: Eq + Hash> Interner<V> {
    pub fn new() -> Self {
        Self { values: Vec::new(), table: vec![EMPTY; 64] }
    }

    /// The number of the value, and whether it is new.
    pub fn intern(&mut self, value: &V) -> (u32, bool)
    where
        V: Clone,
    {
        let hash = hash(value);
        let mut slot = self.home(hash);
        while self.table[slot].id != VACANT {
            let entry = self.table[slot];
            if entry.hash == hash && self.values[entry.id as usize] == *value {
                return (entry.id, false);
            }
            slot = self.after(slot);
        }
        let id = self.values.len() as u32;
        self.table[slot] = Entry { hash, id };
        push(&mut self.values, value.clone());
        if 5 * self.values.len() > 4 * self.table.len() {
            self.grow();
        }
        (id, true)
    }

    /// The numbers of those values that are known; [`UNKNOWN`] for the others. Looks that need not
    /// wait for each other are taken together: most of the time goes by in waiting for memory.
    pub fn find_all<'v>(&self, values: impl Iterator<Item = &'v V> + Clone, found: &mut Vec<u32>)
    where
        V: 'v,
    {
        found.clear();
        found.extend(values.clone().map(hash));
        // Nothing follows from these looks but that the entries are at hand in the next loop.
        let looks = found.iter().fold(0, |all, hash| all ^ self.table[self.home(*hash)].id);
        std::hint::black_box(looks);
        for hash in &mut *found {
            let mut slot = self.home(*hash);
            while self.table[slot].id != VACANT && self.table[slot].hash != *hash {
                slot = self.after(slot);
            }
            *hash = self.table[slot].id;
        }
        for (id, value) in found.iter_mut().zip(values) {
            // One that only shares the hash is looked for once more when it is interned.
            if *id != VACANT && self.values[*id as usize] != *value {
                *id = UNKNOWN;
            }
        }
    }

    /// Where a hash is looked for first.
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.table.len() as u64) >> 32) as usize
    }

    fn after(&self, slot: usize) -> usize {
        if slot + 1 == self.table.len() { 0 } else { slot + 1 }
    }

    fn grow(&mut self) {
        let larger = self.table.len() / 2 * 3;
        let old = std::mem::replace(&mut self.table, vec![EMPTY; larger]);
        for entry in old.into_iter().filter(|entry| entry.id != VACANT) {
            let mut slot = self.home(entry.hash);
            while self.table[slot].id != VACANT {
                slot = self.after(slot);
            }
            self.table[slot] = entry;
        }
    }

    pub fn get(&self, id: u32) -> &V {
        &self.values[id as usize]
    }

    pub fn all(&self) -> &[V] {
        &self.values
    }

    /// Without what the values own on the heap.
    pub fn memory(&self) -> u64 {
        (self.values.capacity() * size_of::<V>() + self.table.capacity() * size_of::<Entry>()) as u64
    }
}

/// The hasher ends with a product whose lower bits know little of the value's upper ones. Once more, and
/// the upper half of it: so that packed states spread over tables of any size.
fn hash<V: Hash>(value: &V) -> u32 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    (hasher.finish().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// Appends to a list that may become very long: it grows by an eighth then, so that little lies idle.
pub(super) fn push<V>(list: &mut Vec<V>, value: V) {
    if list.len() == list.capacity() {
        list.reserve_exact(if list.len() < 1 << 14 { list.len().max(64) } else { list.len() / 8 });
    }
    list.push(value);
}

/// Zones in one chunk of a pool: enough to make chunks rare, few enough not to waste memory.
const CHUNK: usize = 256;

/// Matrices of one size, in chunks that never move.
struct Pool<T> {
    chunks: Vec<Vec<T>>,
    used: u32,
    free: Vec<u32>,
}

/// Matrices of any size, each named by its size and its slot.
pub(super) struct ZonePools<T> {
    pools: Vec<Pool<T>>,
    bytes: u64,
}

impl<T: Copy> ZonePools<T> {
    pub fn new() -> Self {
        Self { pools: Vec::new(), bytes: 0 }
    }

    /// Stores an `n * n` matrix, and gives its slot. Without clocks there is only one, stored once.
    pub fn insert(&mut self, n: usize, zone: &[T]) -> u32 {
        debug_assert_eq!(zone.len(), n * n);
        while self.pools.len() <= n {
            self.pools.push(Pool { chunks: Vec::new(), used: 0, free: Vec::new() });
        }
        let pool = &mut self.pools[n];
        if n == 1 && pool.used > 0 {
            return 0;
        }
        if let Some(slot) = pool.free.pop() {
            let (chunk, at) = place(n, slot);
            pool.chunks[chunk][at..at + n * n].copy_from_slice(zone);
            return slot;
        }
        let slot = pool.used;
        let (chunk, _) = place(n, slot);
        if chunk == pool.chunks.len() {
            pool.chunks.push(Vec::with_capacity(CHUNK * n * n));
        }
        pool.chunks[chunk].extend_from_slice(zone);
        pool.used += 1;
        self.bytes += size_of_val(zone) as u64;
        slot
    }

    #[inline]
    pub fn get(&self, n: usize, slot: u32) -> &[T] {
        let (chunk, at) = place(n, slot);
        &self.pools[n].chunks[chunk][at..at + n * n]
    }

    /// The slot may be used again.
    pub fn remove(&mut self, n: usize, slot: u32) {
        if n > 1 {
            self.pools[n].free.push(slot);
        }
    }

    pub fn memory(&self) -> u64 {
        let free: usize = self.pools.iter().map(|pool| pool.free.capacity()).sum();
        self.bytes + (free * size_of::<u32>()) as u64
    }
}

#[inline]
fn place(n: usize, slot: u32) -> (usize, usize) {
    let slot = slot as usize;
    (slot / CHUNK, slot % CHUNK * n * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interns_each_value_once() {
        let mut interner = Interner::new();
        for round in 0..2 {
            for value in 0..5000_u64 {
                assert_eq!(interner.intern(&(value * 977)), (value as u32, round == 0));
            }
        }
        assert_eq!(interner.all().len(), 5000);
        assert_eq!(*interner.get(7), 7 * 977);
        let mut found = Vec::new();
        interner.find_all([977, 978, 4999 * 977, 0].iter(), &mut found);
        assert_eq!(found, [1, UNKNOWN, 4999, 0]);
    }

    #[test]
    fn values_spread_wherever_they_differ() {
        for shift in [0, 8, 16, 24, 32, 40, 48, 52] {
            let mut interner = Interner::new();
            (0..4096_u64).for_each(|value| _ = interner.intern(&(value << shift)));
            let slots = interner.table.len();
            let occupied = interner.table.iter().enumerate().filter(|(_, entry)| entry.id != VACANT);
            let steps = occupied.map(|(slot, entry)| (slot + slots - interner.home(entry.hash)) % slots);
            let farthest = steps.max();
            assert!(farthest < Some(80), "{farthest:?} steps away with values shifted by {shift}");
        }
    }

    #[test]
    fn pools_keep_sizes_apart_and_reuse_slots() {
        let mut pools = ZonePools::new();
        let slots: Vec<u32> = (0..1000).map(|k| pools.insert(2, &[k, k, k, k + 1])).collect();
        let other = pools.insert(1, &[7]);
        assert_eq!(pools.get(2, slots[999]), [999, 999, 999, 1000]);
        assert_eq!(pools.get(1, other), [7]);
        let before = pools.memory();
        pools.remove(2, slots[300]);
        assert_eq!(pools.insert(2, &[1, 2, 3, 4]), slots[300]);
        assert_eq!(pools.get(2, slots[300]), [1, 2, 3, 4]);
        assert_eq!(pools.get(2, slots[301]), [301, 301, 301, 302]);
        assert!(pools.memory() >= before);
    }
}
