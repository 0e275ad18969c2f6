//! What a number of bursts can show.

/// The highest rate of bad bursts that a run with none is still compatible with, at 95 %: the exact bound of
/// a binomial, the "rule of three" where bursts are many. As if bursts were independent, which they are not
/// quite: hits come in clusters, so bursts are spread over separated batches.
///
/// With `hits` of `bursts` it is the upper end of the one-sided interval (Clopper and Pearson).
pub fn upper_bound(hits: u64, bursts: u64) -> f64 {
    if bursts == 0 || hits >= bursts {
        return 1.0;
    }
    // The rate at which as few hits as these have a chance of 5 %.
    let (mut low, mut high) = (hits as f64 / bursts as f64, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if at_most(hits, bursts, middle) > 0.05 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The chance of at most `hits` of `bursts` at a rate.
fn at_most(hits: u64, bursts: u64, rate: f64) -> f64 {
    if rate <= 0.0 {
        return 1.0;
    }
    if rate >= 1.0 {
        return 0.0;
    }
    let (log_hit, log_miss) = (rate.ln(), (-rate).ln_1p());
    let mut log_choose = 0.0;
    let mut sum = 0.0;
    for hit in 0..=hits {
        if hit > 0 {
            log_choose += ((bursts - hit + 1) as f64).ln() - (hit as f64).ln();
        }
        sum += (log_choose + hit as f64 * log_hit + (bursts - hit) as f64 * log_miss).exp();
    }
    sum.min(1.0)
}

/// How many bursts find, with the chance `power`, a race that a burst shows at the rate `rate`; both between 0
/// and 1.
pub fn bursts_for(power: f64, rate: f64) -> u64 {
    let needed = (1.0 - power).ln() / (-rate).ln_1p();
    if needed.is_finite() { needed.ceil().max(1.0) as u64 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_books() {
        for (hits, bursts, bound) in
            [(0, 200, 0.01487), (0, 2000, 0.001497), (0, 1, 0.95), (1, 100, 0.04656), (5, 50, 0.1995)]
        {
            let found = upper_bound(hits, bursts);
            assert!((found - bound).abs() < bound * 0.01, "{hits} of {bursts}: {found}");
        }
        assert_eq!((upper_bound(3, 3), upper_bound(0, 0)), (1.0, 1.0));
        // Far from where it could overflow.
        assert!(upper_bound(0, u64::MAX) < 1e-15);
    }

    #[test]
    fn plans_are_those_of_the_books() {
        assert_eq!(bursts_for(0.95, 0.01), 299);
        assert_eq!(bursts_for(0.95, 1e-4), 29_956);
        assert_eq!(bursts_for(0.5, 1.0), 1);
        for (power, rate) in [(0.9, 0.02), (0.99, 0.001)] {
            let bursts = bursts_for(power, rate);
            assert!(at_most(0, bursts, rate) <= 1.0 - power && at_most(0, bursts - 1, rate) > 1.0 - power);
        }
    }
}
