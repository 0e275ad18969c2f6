//! From what was counted and measured to estimates with their intervals, all at 95%.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, DiscreteCDF as _};

/// The 97.5th percentile of the standard normal distribution.
pub const Z: f64 = 1.959_963_984_540_054;

/// How many of so many, with the interval of Wilson.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    pub count: u64,
    pub of: u64,
    /// From 0 to 1.
    pub share: f64,
    pub low: f64,
    pub high: f64,
}

impl Rate {
    pub fn new(count: u64, of: u64) -> Rate {
        if of == 0 {
            return Rate { count, of, share: 0.0, low: 0.0, high: 1.0 };
        }
        let (n, p) = (of as f64, count as f64 / of as f64);
        let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        // At the ends the interval ends there, whatever rounding says.
        let low = if count == 0 { 0.0 } else { (middle - half).max(0.0) };
        let high = if count == of { 1.0 } else { (middle + half).min(1.0) };
        Rate { count, of, share: p, low, high }
    }
}

/// A mean with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mean {
    pub count: u64,
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

/// Sums from which means and variances follow, whatever the order in which they came, for whole numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    pub count: u64,
    pub sum: f64,
    pub squares: f64,
}

impl Sums {
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.squares += value * value;
    }

    pub fn merge(&mut self, other: &Sums) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }

    /// Of one value.
    pub fn variance(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        let n = self.count as f64;
        ((self.squares - self.sum * self.sum / n) / (n - 1.0)).max(0.0)
    }

    pub fn interval(&self) -> Mean {
        let half = if self.count == 0 { 0.0 } else { Z * (self.variance() / self.count as f64).sqrt() };
        let mean = self.mean();
        Mean { count: self.count, mean, low: mean - half, high: mean + half }
    }
}

/// Times that were measured, some of which were not over when their run was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Those that were over, in the order of their runs.
    pub values: Vec<i64>,
    pub open: u64,
    /// Runs that any of them are of.
    pub runs: u64,
}

impl Times {
    /// Adds those of one run.
    pub fn add(&mut self, values: impl IntoIterator<Item = i64>, open: u64) {
        let before = self.values.len();
        self.values.extend(values);
        self.open += open;
        self.runs += u64::from(open > 0 || self.values.len() > before);
    }

    pub fn merge(&mut self, other: Times) {
        self.values.extend(other.values);
        self.open += other.open;
        self.runs += other.runs;
    }

    /// None where nothing was measured.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let count = self.values.len() as u64 + self.open;
        if count == 0 {
            return None;
        }
        let mut sorted = self.values.clone();
        sorted.sort_unstable();
        let of = |p: f64| quantile(&sorted, count, self.runs, p);
        Some(Quantiles {
            count,
            open: self.open,
            runs: self.runs,
            p50: of(0.5),
            p90: of(0.9),
            p99: of(0.99),
            most_ms: sorted.last().copied(),
        })
    }
}

/// Times in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quantiles {
    pub count: u64,
    /// Of these, how many were not over when their run was: they are longer than any that is known.
    pub open: u64,
    /// Runs that they are of.
    pub runs: u64,
    pub p50: Quantile,
    pub p90: Quantile,
    pub p99: Quantile,
    /// The longest that was over.
    pub most_ms: Option<i64>,
}

/// A quantile with its interval, by the order of what was measured and no other assumption.
///
/// Times of one run may hang together, so the interval is that of as many measurements as there are runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quantile {
    /// None: it is among those that were not over.
    pub ms: Option<i64>,
    pub low_ms: Option<i64>,
    /// None: nothing that was measured bounds it.
    pub high_ms: Option<i64>,
}

/// Of sorted values, of which some more are longer than all: `count` in all.
fn quantile(sorted: &[i64], count: u64, runs: u64, p: f64) -> Quantile {
    let at = |rank: u64| sorted.get(rank.saturating_sub(1) as usize).copied();
    let rank = ((p * count as f64).ceil() as u64).clamp(1, count);
    let Ok(binomial) = Binomial::new(p, runs.max(1)) else {
        return Quantile { ms: at(rank), low_ms: None, high_ms: None };
    };
    // So many of independent measurements are below the quantile, at the least and at the most.
    let (least, most) = (binomial.inverse_cdf(0.025), binomial.inverse_cdf(0.975) + 1);
    let scaled = |n: u64| (n as f64 / runs.max(1) as f64 * count as f64).ceil() as u64;
    let low = sorted.first().copied();
    Quantile {
        ms: at(rank),
        low_ms: if least == 0 { low } else { at(scaled(least).min(rank)) },
        high_ms: if most > runs { None } else { at(scaled(most).max(rank)) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_as_in_the_books() {
        // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (count, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let rate = Rate::new(count, of);
            assert!((rate.low - low).abs() < 5e-5 && (rate.high - high).abs() < 5e-5, "{rate:?}");
        }
    }

    #[test]
    fn a_quantile_lies_in_its_interval_as_often_as_it_says() {
        // Of so many samples of a uniform distribution, whose median is known.
        let mut missed = 0;
        let mut state = 1_u64;
        for _ in 0..400 {
            let mut times = Times::default();
            for _ in 0..101 {
                // Knuth's MMIX generator: any will do here.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                times.add([(state >> 33) as i64 % 1_000_000], 0);
            }
            let median = times.quantiles().unwrap().p50;
            let inside = median.low_ms.unwrap()..=median.high_ms.unwrap();
            missed += u32::from(!inside.contains(&500_000));
        }
        assert!((4..=36).contains(&missed), "{missed} of 400, and 5% are 20");
    }

    #[test]
    fn what_is_not_over_is_longer_than_all() {
        let mut times = Times::default();
        times.add([1, 2, 3], 0);
        times.add([], 3);
        let found = times.quantiles().unwrap();
        assert_eq!((found.count, found.runs, found.p50.ms, found.p90.ms), (6, 2, Some(3), None));
        assert_eq!(Times::default().quantiles(), None);
    }
}
