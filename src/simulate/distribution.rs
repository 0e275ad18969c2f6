//! Durations, drawn by their quantiles: one number in [0, 1) gives one duration, and a greater number never a
//! shorter one. That is what lets two policies be compared under the same luck.

use statrs::distribution::{ContinuousCDF as _, Normal};

use crate::policy::simulate::Shape;
use crate::source::duration::show;

/// No duration is longer, so that sums of them are numbers: some hundred thousand years.
pub const LONGEST_MS: i64 = 1 << 53;

/// The 99th percentile of the standard normal distribution.
const Z99: f64 = 2.326_347_874_040_841;

impl Shape {
    /// How likely it is to be at most `x`, in milliseconds.
    pub fn cdf(&self, x: f64) -> f64 {
        match self {
            Shape::Fixed(at) => f64::from(x >= *at as f64),
            Shape::Uniform(low, high) if low == high => f64::from(x >= *low as f64),
            Shape::Uniform(low, high) => ((x - *low as f64) / (high - low) as f64).clamp(0.0, 1.0),
            Shape::Exponential { mean } => -(-x.max(0.0) / *mean as f64).exp_m1(),
            Shape::LogNormal { .. } if x <= 0.0 => 0.0,
            Shape::LogNormal { median, p99 } => normal(*median, *p99).cdf(x.ln()),
            Shape::Measured { values, .. } => {
                values.partition_point(|value| (*value as f64) <= x) as f64 / values.len().max(1) as f64
            }
        }
    }

    /// The duration below which the share `u` of those within the bounds are; the nearest bound, where there
    /// are none within them.
    pub fn within(&self, u: f64, low: i64, high: Option<i64>) -> i64 {
        let most = high.unwrap_or(LONGEST_MS).max(low);
        let x = match self {
            Shape::Fixed(at) => *at,
            Shape::Uniform(from, to) => {
                let (from, to) = ((*from).max(low), (*to).min(most));
                // Each whole millisecond is as likely.
                if from >= to { to.max(low) } else { from + (u * (to - from + 1) as f64) as i64 }
            }
            Shape::Exponential { mean } => {
                // What is left of it is like the whole of it.
                let mean = *mean as f64;
                let all = if high.is_some() { -(-((most - low) as f64) / mean).exp_m1() } else { 1.0 };
                let beyond = -mean * (-u * all).ln_1p();
                low.saturating_add(beyond.round() as i64)
            }
            Shape::LogNormal { median, p99 } => {
                let normal = normal(*median, *p99);
                let share = |x: i64| if x <= 0 { 0.0 } else { normal.cdf((x as f64).ln()) };
                let (from, to) = (share(low), high.map_or(1.0, |high| share(high.max(low))));
                if to - from > f64::EPSILON {
                    normal.inverse_cdf(from + u * (to - from)).exp().round() as i64
                } else {
                    // Far out on one side: all that is within is at the bound on the other.
                    if low >= *median { low } else { most }
                }
            }
            Shape::Measured { values, .. } => {
                let from = values.partition_point(|value| *value < low);
                let to = values.partition_point(|value| *value <= most);
                let inside = &values[from..to.max(from)];
                match inside.len() {
                    0 => values.get(from).map_or(low, |_| most),
                    count => inside[((u * count as f64) as usize).min(count - 1)],
                }
            }
        };
        x.clamp(low, most)
    }

    /// How likely it is to be within the bounds.
    pub fn share_within(&self, low: i64, high: Option<i64>) -> f64 {
        // The bounds are within themselves.
        let below = self.cdf(low as f64 - 0.5);
        high.map_or(1.0, |high| self.cdf(high as f64 + 0.5)) - below
    }

    /// For people.
    pub fn says(&self) -> String {
        match self {
            Shape::Fixed(at) => show(*at),
            Shape::Uniform(low, high) => format!("uniform from {} to {}", show(*low), show(*high)),
            Shape::Exponential { mean } => format!("exponential, mean {}", show(*mean)),
            Shape::LogNormal { median, p99 } => {
                format!("log-normal, median {}, 99% within {}", show(*median), show(*p99))
            }
            Shape::Measured { file, values } => {
                format!("as measured in {} ({} values)", file.value, values.len())
            }
        }
    }
}

fn normal(median: i64, p99: i64) -> Normal {
    let (median, p99) = ((median.max(1) as f64).ln(), (p99.max(2) as f64).ln());
    // The reader sees to it that the second is greater.
    Normal::new(median, ((p99 - median) / Z99).max(f64::MIN_POSITIVE)).unwrap_or_else(|_| Normal::standard())
}
