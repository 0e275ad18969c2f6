//! Receipts in the memory of one process: gone with it, and nobody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    Answer, Audited, Draft, Effect, Entry, Key, Landing, LedgerCall, Listed, Millis, Receipt, Seen, Status,
    Store, StoreError, Swap, Swapped, Which, Write,
};

/// One thread at a time; a trait, so that loom can put its own in the place.
pub trait Guarded<T>: Send + Sync {
    fn new(value: T) -> Self;
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R;
}

impl<T: Send> Guarded<T> for Mutex<T> {
    fn new(value: T) -> Self {
        Mutex::new(value)
    }

    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // Every change below is whole before anything can panic.
        f(&mut self.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What time it is.
#[derive(Clone, Debug)]
pub enum Clock {
    System,
    /// For tests: stands still until it is set.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    pub fn now(&self) -> Millis {
        match self {
            Clock::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            Clock::Manual(now) => now.load(Ordering::SeqCst),
        }
    }
}

/// How many expired receipts a write clears away, so that memory stays as large as what is alive.
const SWEPT_PER_WRITE: u32 = 4;

/// The store; `G` guards its tables.
pub struct Memory<G = Mutex<Tables>> {
    tables: G,
    clock: Clock,
}

impl Memory {
    pub fn new() -> Memory {
        Memory::with_clock(Clock::System)
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new()
    }
}

impl<G: Guarded<Tables>> Memory<G> {
    pub fn with_clock(clock: Clock) -> Memory<G> {
        Memory { tables: G::new(Tables::default()), clock }
    }

    fn now_and<R>(&self, f: impl FnOnce(&mut Tables, Millis) -> R) -> R {
        self.tables.with(|tables| f(tables, self.clock.now()))
    }
}

/// What the store holds.
#[derive(Default)]
pub struct Tables {
    /// Of revisions and tokens.
    granted: u64,
    receipts: BTreeMap<Key, Receipt>,
    /// Receipts that expire by themselves, by when.
    expiries: BTreeSet<(Millis, Key)>,
    effects: BTreeMap<Key, Vec<Effect>>,
    landed: u64,
    /// Native keys: when first used, and the operation and place of the effect.
    natives: BTreeMap<Key, (Millis, Effect)>,
    /// The highest token seen under an operation.
    fences: BTreeMap<Key, u64>,
    audits: Vec<Audited>,
}

impl Tables {
    fn seen(&self, key: &Key, now: Millis) -> Seen {
        Seen { receipt: self.receipts.get(key).cloned(), now }
    }

    fn swap(&mut self, swap: &Swap, now: Millis) -> Swapped {
        if !swap.expected.met(self.receipts.get(&swap.key), now) {
            return Swapped::Conflict(self.seen(&swap.key, now));
        }
        if let (Some(unchanged), Some(entry)) = (swap.unchanged, &swap.effect)
            && self.effects.get(&entry.operation).map_or(0, Vec::len) as u64 != unchanged
        {
            return Swapped::Changed;
        }
        let effect = swap.effect.as_ref().map(|entry| self.apply(entry, now));
        match (&swap.write, &effect) {
            (Write::Nothing, _) => {}
            (Write::Delete, _) => self.delete(&swap.key),
            (Write::Put(draft), None) => self.put(&swap.key, draft, now),
            (Write::Put(draft), Some(effect)) => self.put(&swap.key, &draft.numbered(effect.number), now),
        }
        if let Some(audit) = &swap.audit {
            self.audits.push(Audited { key: swap.key.clone(), at: now, audit: audit.clone() });
        }
        let seen = self.seen(&swap.key, now);
        self.sweep(None, SWEPT_PER_WRITE, now, true);
        Swapped::Done { seen, effect }
    }

    fn put(&mut self, key: &Key, draft: &Draft, now: Millis) {
        self.delete(key);
        self.granted += 1;
        let receipt = draft.receipt(self.granted, now);
        if let Some(at) = receipt.expires_at.filter(|_| !draft.swept) {
            self.expiries.insert((at, key.clone()));
        }
        self.receipts.insert(key.clone(), receipt);
    }

    fn delete(&mut self, key: &Key) {
        if let Some(at) = self.receipts.remove(key).and_then(|receipt| receipt.expires_at) {
            self.expiries.remove(&(at, key.clone()));
        }
    }

    fn apply(&mut self, entry: &Entry, now: Millis) -> Effect {
        self.landed += 1;
        let effect = entry.effect(self.landed, now);
        self.effects.entry(entry.operation.clone()).or_default().push(effect.clone());
        effect
    }

    fn land(&mut self, call: &LedgerCall, now: Millis) -> Landing {
        let entry = &call.entry;
        let fence = self.fences.get(&entry.operation).copied().unwrap_or(0);
        if call.fencing && entry.token != 0 && entry.token < fence {
            return Landing::Refused;
        }
        if let Some(native) = &call.native
            && let Some((first, effect)) = self.natives.get(&native.key)
            && native.remembers(*first, now)
        {
            return native.known(entry, effect.clone());
        }
        let effect = self.apply(entry, now);
        if call.fencing {
            self.fences.insert(entry.operation.clone(), fence.max(entry.token));
        }
        if let Some(native) = &call.native {
            self.natives.insert(native.key.clone(), (now, effect.clone()));
        }
        Landing::Applied(effect)
    }

    /// `by_itself`: only what need not wait for a sweeper.
    fn sweep(&mut self, of: Option<&str>, limit: u32, now: Millis, by_itself: bool) -> u64 {
        let over = |receipt: &Receipt| receipt.expires_at.is_some_and(|at| at <= now);
        let beginning = of.map(Key::beginning).unwrap_or_default();
        let keys: Vec<Key> = if by_itself {
            let due = self.expiries.iter().take_while(|(at, _)| *at <= now);
            due.take(limit as usize).map(|(_, key)| key.clone()).collect()
        } else {
            let ours = |key: &Key| key.as_str().starts_with(&beginning);
            let due = self.receipts.iter().filter(|(key, receipt)| over(receipt) && ours(key));
            due.take(limit as usize).map(|(key, _)| key.clone()).collect()
        };
        for key in &keys {
            self.delete(key);
        }
        keys.len() as u64
    }

    fn list(&self, which: Which, after: Option<&Key>, limit: u32, now: Millis) -> Listed {
        use std::ops::Bound::{Excluded, Unbounded};
        let wanted = |receipt: &Receipt| match which {
            Which::All => true,
            Which::InProgress => receipt.status == Status::InProgress,
            Which::Abandoned => {
                receipt.status == Status::InProgress && receipt.lease_until.is_some_and(|at| at <= now)
            }
        };
        let rest = self.receipts.range((after.map_or(Unbounded, Excluded), Unbounded));
        let found = rest.filter(|(_, receipt)| wanted(receipt)).take(limit as usize);
        Listed { receipts: found.map(|(key, receipt)| (key.clone(), Ok(receipt.clone()))).collect(), now }
    }
}

impl<G: Guarded<Tables>> Store for Memory<G> {
    fn read<'a>(&'a self, key: &'a Key) -> Answer<'a, Seen> {
        Box::pin(ready(Ok(self.now_and(|tables, now| tables.seen(key, now)))))
    }

    fn swap<'a>(&'a self, swap: &'a Swap) -> Answer<'a, Swapped> {
        Box::pin(ready(swap.fits().map(|()| self.now_and(|tables, now| tables.swap(swap, now)))))
    }

    fn land<'a>(&'a self, call: &'a LedgerCall) -> Answer<'a, Landing> {
        Box::pin(ready(call.fits().map(|()| self.now_and(|tables, now| tables.land(call, now)))))
    }

    fn fence<'a>(&'a self, operation: &'a Key, token: u64) -> Answer<'a, ()> {
        let fence = || {
            self.now_and(|tables, _| {
                let fence = tables.fences.entry(operation.clone()).or_default();
                *fence = token.max(*fence);
            });
        };
        Box::pin(ready(operation.fits().map(|()| fence())))
    }

    fn effects<'a>(&'a self, operation: &'a Key) -> Answer<'a, Vec<Effect>> {
        let effects = self.now_and(|tables, _| tables.effects.get(operation).cloned());
        Box::pin(ready(Ok(effects.unwrap_or_default())))
    }

    fn counted(&self) -> Answer<'_, u64> {
        Box::pin(ready(Ok(self.now_and(|tables, _| tables.landed))))
    }

    fn list<'a>(&'a self, which: Which, after: Option<&'a Key>, limit: u32) -> Answer<'a, Listed> {
        Box::pin(ready(Ok(self.now_and(|tables, now| tables.list(which, after, limit, now)))))
    }

    fn sweep<'a>(&'a self, of: Option<&'a str>, limit: u32) -> Answer<'a, u64> {
        Box::pin(ready(Ok(self.now_and(|tables, now| tables.sweep(of, limit, now, false)))))
    }

    fn audited(&self, limit: u32) -> Answer<'_, Vec<Audited>> {
        let audits = self.now_and(|tables, _| tables.audits.clone());
        Box::pin(ready(Ok(audits.into_iter().rev().take(limit as usize).collect())))
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(ready(Ok::<(), StoreError>(())))
    }
}
