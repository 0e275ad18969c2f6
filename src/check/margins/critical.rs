//! Where a verdict can change: at sums and differences of the other durations.
//!
//! A run is possible or not by how sums of declared durations compare. A duration's verdict can therefore change
//! only where it, or a few times it, meets such a sum. Long sums are left out, so this is where to look, and not
//! a proof that there is nothing elsewhere.

use std::collections::BTreeSet;

/// Further multiples of a duration, for what a guard counts.
const TIMES_MAX: i64 = 8;

/// The durations without one of this length: without the one that moves. Others may be as long.
pub fn others(durations: &[i64], own: i64) -> Vec<i64> {
    let mut others = durations.to_vec();
    if let Some(place) = others.iter().position(|ms| *ms == own) {
        others.swap_remove(place);
    }
    others
}

/// Sums of few of the durations, up to `most`, each once: the simplest first. Zero is none of them.
pub fn critical(durations: &[i64], most: i64) -> Vec<i64> {
    let base: BTreeSet<i64> = durations.iter().copied().filter(|ms| *ms > 0).collect();
    let base: Vec<i64> = base.into_iter().collect();
    let (mut seen, mut out) = (BTreeSet::new(), Vec::new());
    let mut add = |level: BTreeSet<i64>| {
        let fresh = level.into_iter().filter(|ms| (1..=most).contains(ms));
        out.extend(fresh.filter(|ms| seen.insert(*ms)));
    };
    add(base.iter().copied().collect());
    let pairs: BTreeSet<i64> =
        base.iter().flat_map(|a| base.iter().flat_map(move |b| [a + b, a - b])).collect();
    add(pairs.iter().copied().chain(base.iter().map(|a| a / 2)).collect());
    let times = base.iter().flat_map(|a| (3..=TIMES_MAX).flat_map(move |n| [a * n, a / n]));
    add(times.collect());
    add(pairs.iter().flat_map(|pair| base.iter().flat_map(move |c| [pair + c, pair - c])).collect());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simplest_come_first() {
        let found = critical(&[10_000, 5_000, 0, 10_000], 100_000);
        assert_eq!(found[..2], [5_000, 10_000]);
        assert_eq!(found[2..5], [2_500, 15_000, 20_000]);
        assert!(found.contains(&50_000) && found.contains(&25_000));
        assert!(found.iter().all(|ms| (1..=100_000).contains(ms)));
        let once: BTreeSet<_> = found.iter().collect();
        assert_eq!(once.len(), found.len());
        assert!(critical(&[], 9).is_empty());
    }
}
