//! Many things at once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Does so many things on several threads; what comes of them is in their order.
pub fn on_threads<R: Send>(jobs: usize, count: usize, one: impl Fn(usize) -> R + Sync) -> Vec<R> {
    found_on_threads(jobs, count, |index| ControlFlow::Continue(Some(one(index))))
}

/// The same where something comes of some of them only; none is begun after one that says so.
pub fn found_on_threads<R: Send>(
    jobs: usize,
    count: usize,
    one: impl Fn(usize) -> ControlFlow<(), Option<R>> + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            let ControlFlow::Continue(result) = one(index) else {
                next.store(count, Ordering::Relaxed);
                break;
            };
            // Poisoned only if a worker panicked, and the scope passes that on anyway.
            if let (Some(result), Ok(mut results)) = (result, results.lock()) {
                results.insert(index, result);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.min(count) {
            scope.spawn(work);
        }
        work();
    });
    results.into_inner().unwrap_or_default().into_values().collect()
}
