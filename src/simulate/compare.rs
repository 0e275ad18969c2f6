//! Two policies under the same luck: each pair of runs draws the same numbers for the same things, so that what
//! differs between them is the policies, and little else.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::around::Around;
use super::estimate::{Rate, Sums, Z};
use super::many::{Finished, Options, finish};
use crate::check::judge::broken_by;
use crate::check::property::Property;
use crate::system::System;

/// What two policies differ in, on average of a run: the other's value less this one's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// A property's name, or what is measured.
    pub of: String,
    pub unit: Measure,
    /// Pairs of runs in which both have a value.
    pub pairs: u64,
    pub this: f64,
    pub other: f64,
    /// Their difference with its interval, at 95%.
    pub difference: f64,
    pub low: f64,
    pub high: f64,
    /// How many times as many independent runs would be needed to know it as well; none where nothing varies.
    pub worth: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Of runs in which it happens.
    Share,
    Count,
    Milliseconds,
}

/// Sums of pairs.
#[derive(Clone, Copy, Debug, Default)]
struct Pairs {
    this: Sums,
    other: Sums,
    difference: Sums,
    /// Pairs in which it happens to one only.
    only_this: u64,
    only_other: u64,
}

impl Pairs {
    fn add(&mut self, this: f64, other: f64) {
        self.this.add(this);
        self.other.add(other);
        self.difference.add(other - this);
        self.only_this += u64::from(this > other);
        self.only_other += u64::from(other > this);
    }

    fn merge(&mut self, other: &Pairs) {
        self.this.merge(&other.this);
        self.other.merge(&other.other);
        self.difference.merge(&other.difference);
        self.only_this += other.only_this;
        self.only_other += other.only_other;
    }

    fn report(&self, of: String, unit: Measure) -> Difference {
        let (pairs, difference) = (self.this.count, self.difference.mean());
        let (low, high) = if unit == Measure::Share {
            self.shares()
        } else {
            let half = Z * (self.difference.variance() / pairs.max(1) as f64).sqrt();
            (difference - half, difference + half)
        };
        let paired = self.difference.variance();
        let apart = self.this.variance() + self.other.variance();
        Difference {
            of,
            unit,
            pairs,
            this: self.this.mean(),
            other: self.other.mean(),
            difference,
            low,
            high,
            worth: (paired > 0.0).then(|| apart / paired),
        }
    }

    /// The interval of a difference of shares of pairs, from those of the pairs that differ (Newcombe's hybrid
    /// scores): it has a width, too, where no pair differs.
    fn shares(&self) -> (f64, f64) {
        let (more, less) =
            (Rate::new(self.only_other, self.this.count), Rate::new(self.only_this, self.this.count));
        let difference = more.share - less.share;
        let low = ((more.share - more.low).powi(2) + (less.high - less.share).powi(2)).sqrt();
        let high = ((more.high - more.share).powi(2) + (less.share - less.low).powi(2)).sqrt();
        (difference - low, difference + high)
    }
}

/// What is compared of a run: properties first.
fn values(run: &Finished) -> Vec<(usize, f64)> {
    let broken = |property: &Property| f64::from(run.facts & broken_by(*property) != 0);
    let mut out: Vec<(usize, f64)> = Property::ALL.iter().map(broken).enumerate().collect();
    let (m, first) = (&run.measured, Property::ALL.len());
    let mean = |values: &[i64]| values.iter().sum::<i64>() as f64 / values.len() as f64;
    out.push((first, f64::from(m.duplicates)));
    if !m.answered.is_empty() {
        out.push((first + 1, mean(&m.answered)));
    }
    if !m.requests.is_empty() {
        out.push((first + 2, (m.requests.len() - m.answered.len().min(m.requests.len())) as f64));
    }
    if m.capacity.is_some() {
        out.push((first + 3, f64::from(m.actions)));
        let well: Vec<i64> = m.episodes.iter().filter_map(|episode| episode.well).collect();
        if !well.is_empty() {
            out.push((first + 4, mean(&well)));
        }
        out.push((first + 5, m.episodes.iter().filter(|episode| episode.told.is_some()).count() as f64));
    }
    out
}

/// What the numbers beyond the properties are.
const MEASURED: [(&str, Measure); 6] = [
    ("duplicate effects", Measure::Count),
    ("time to the answer", Measure::Milliseconds),
    ("requests without an answer", Measure::Count),
    ("actions", Measure::Count),
    ("time until well", Measure::Milliseconds),
    ("episodes of which a person is told", Measure::Count),
];

/// Runs both policies as often as asked for. `paired`: under the same luck; else each with its own, for tests.
pub fn compare(
    this: (&System, &Around),
    other: (&System, &Around),
    paired: bool,
    options: &Options,
) -> (u64, Vec<Difference>) {
    let other_seed = if paired { options.seed } else { !options.seed };
    let found = options.batches(options.runs, |range| {
        let (mut all, count) = (BTreeMap::<usize, Pairs>::new(), range.end - range.start);
        for number in range {
            let one = values(&finish(this.0, this.1, options.seed, number));
            let two: BTreeMap<usize, f64> =
                values(&finish(other.0, other.1, other_seed, number)).into_iter().collect();
            for (what, value) in one {
                if let Some(against) = two.get(&what) {
                    all.entry(what).or_default().add(value, *against);
                }
            }
        }
        ((all, count), 0)
    });
    let (mut all, mut runs) = (BTreeMap::<usize, Pairs>::new(), 0);
    for (batch, count) in found {
        runs += count;
        for (what, pairs) in batch {
            all.entry(what).or_default().merge(&pairs);
        }
    }
    let report = |(what, pairs): (usize, Pairs)| {
        let (name, unit) = match Property::ALL.get(what) {
            Some(property) => (property.name(), Measure::Share),
            None => MEASURED[what - Property::ALL.len()],
        };
        pairs.report(name.to_owned(), unit)
    };
    (runs, all.into_iter().map(report).collect())
}
