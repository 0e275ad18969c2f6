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
            classes: classes(&sorted),
        })
    }
}

/// Times in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Those that were over, in classes of growing width, without empty ones.
    pub classes: Vec<Class>,
}

/// How many times lie within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Class {
    pub from_ms: i64,
    /// Itself not within.
    pub to_ms: i64,
    pub count: u64,
}

/// Classes 1, 2, 5, 10 and so on: few, and the same for whatever is compared.
fn classes(sorted: &[i64]) -> Vec<Class> {
    let mut out = Vec::new();
    let mut from = 0;
    let steps = (0..13).flat_map(|power| [1, 2, 5].map(|step| step * 10_i64.pow(power)));
    for to in steps {
        let count = sorted.partition_point(|ms| *ms < to) - sorted.partition_point(|ms| *ms < from);
        if count > 0 {
            out.push(Class { from_ms: from, to_ms: to, count: count as u64 });
        }
        from = to;
    }
    out
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
