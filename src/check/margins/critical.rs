//! Where a verdict can change: at sums and differences of the other durations.
//!
//! A run is possible or not by how sums of declared durations compare. A duration's verdict can therefore change
//! only where it, or a few times it, meets such a sum. Long sums are left out, so this is where to look, and not
//! a proof that there is nothing elsewhere.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

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

/// Sums of few of the durations within a span, each once: the simplest first, and of these the least. There are
/// no more than `enough` of them, however many durations there are. Zero is none of them.
pub fn critical(durations: &[i64], within: RangeInclusive<i64>, enough: usize) -> Vec<i64> {
    let base: BTreeSet<i64> = durations.iter().copied().filter(|ms| *ms > 0).collect();
    let base: Vec<i64> = base.into_iter().collect();
    let (least, most) = (*within.start().max(&1), *within.end());
    let (mut seen, mut out) = (BTreeSet::new(), Vec::new());
    // The least that are new, so many as there is room for.
    let mut add = |level: &mut dyn Iterator<Item = i64>| {
        let room = enough - out.len();
        let mut fresh = BTreeSet::new();
        for ms in level.filter(|ms| (least..=most).contains(ms)) {
            let is_late = fresh.len() >= room && fresh.last().is_none_or(|last| ms >= *last);
            if !is_late && !seen.contains(&ms) && fresh.insert(ms) && fresh.len() > room {
                fresh.pop_last();
            }
        }
        seen.extend(fresh.iter().copied());
        out.extend(fresh);
        out.len() < enough
    };
    let pairs = || base.iter().flat_map(|a| base.iter().flat_map(move |b| [a + b, a - b]));
    let times = || base.iter().flat_map(|a| (3..=TIMES_MAX).flat_map(move |n| [a * n, a / n]));
    if !add(&mut base.iter().copied())
        || !add(&mut pairs().chain(base.iter().map(|a| a / 2)))
        || !add(&mut times())
    {
        return out;
    }
    let pairs: BTreeSet<i64> = pairs().collect();
    // What a third one can bring into the span, and no other: with many durations that is the most of the work.
    add(&mut pairs.iter().flat_map(|pair| {
        let reaching = |low: i64, high: i64| {
            let from = base.partition_point(|ms| *ms < low);
            let to = base.partition_point(|ms| *ms <= high);
            base[from..to.max(from)].iter()
        };
        let more = reaching(least.saturating_sub(*pair), most.saturating_sub(*pair)).map(move |c| pair + c);
        let less = reaching(pair.saturating_sub(most), pair.saturating_sub(least)).map(move |c| pair - c);
        more.chain(less)
    }));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simplest_come_first() {
        let found = critical(&[10_000, 5_000, 0, 10_000], 1..=100_000, 1_000);
        assert_eq!(found[..2], [5_000, 10_000]);
        assert_eq!(found[2..5], [2_500, 15_000, 20_000]);
        assert!(found.contains(&50_000) && found.contains(&25_000));
        assert!(found.iter().all(|ms| (1..=100_000).contains(ms)));
        let once: BTreeSet<_> = found.iter().collect();
        assert_eq!(once.len(), found.len());
        assert!(critical(&[], 1..=9, 1_000).is_empty());
        // A span takes its own of them, and a few are the first of all.
        let within: Vec<i64> = found.iter().copied().filter(|ms| (6_000..=20_000).contains(ms)).collect();
        assert_eq!(critical(&[10_000, 5_000], 6_000..=20_000, 1_000), within);
        for few in 0..=within.len() {
            assert_eq!(critical(&[10_000, 5_000], 6_000..=20_000, few), within[..few]);
        }
    }

    /// Sums by the definition.
    fn by_hand(base: &[i64]) -> BTreeSet<i64> {
        let mut all = BTreeSet::new();
        for a in base {
            all.extend((1..=TIMES_MAX).flat_map(|n| [a * n, a / n]));
            for b in base {
                all.extend([a + b, a - b]);
                all.extend(base.iter().flat_map(|c| [a + b + c, a + b - c, a - b + c, a - b - c]));
            }
        }
        all.into_iter().filter(|ms| *ms > 0).collect()
    }

    #[test]
    fn none_is_left_out_and_many_durations_stay_few_sums() {
        let base = [1_000, 2_500, 7_000, 60_000, 86_400_000];
        let found: BTreeSet<i64> = critical(&base, 1..=i64::MAX, usize::MAX).into_iter().collect();
        assert_eq!(found, by_hand(&base));
        let many: Vec<i64> = (1..200).map(|n| n * n * 977).collect();
        assert_eq!(critical(&many, 1..=i64::MAX, 500).len(), 500);
    }
}
