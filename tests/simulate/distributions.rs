//! What is drawn has the distribution that it says, and nothing else.

use std::sync::Arc;

use idemcheck::policy::simulate::Shape;
use idemcheck::simulate::{Draw as _, Purpose, Stream};
use idemcheck::source::{Located, Span};

fn shapes() -> Vec<Shape> {
    let file = Located::new("m.txt".to_owned(), Span { start: 0, end: 0 });
    vec![
        Shape::Uniform(1_000, 9_000),
        Shape::Exponential { mean: 5_000 },
        Shape::LogNormal { median: 2_000, p99: 30_000 },
        Shape::Measured { file, values: Arc::from((1..=1_000).map(|n| n * n / 20).collect::<Vec<i64>>()) },
    ]
}

/// The greatest distance of a sample from a distribution that is cut to bounds (Kolmogorov and Smirnov).
fn distance(shape: &Shape, low: i64, high: Option<i64>, bend: fn(f64) -> f64) -> f64 {
    let mut luck = Stream::new(11, 0, 0);
    let count = 20_000_u32;
    let mut sample: Vec<i64> = (0..count)
        .map(|turn| shape.within(bend(luck.unit(Purpose { what: 1, who: (1, 1), turn })), low, high))
        .collect();
    sample.sort_unstable();
    let below = shape.cdf(low as f64 - 0.5);
    let all = high.map_or(1.0, |high| shape.cdf(high as f64 + 0.5)) - below;
    let mut worst = 0.0_f64;
    for at in (0..sample.len()).step_by(50) {
        let value = sample[at];
        let seen = sample.partition_point(|one| *one <= value) as f64 / f64::from(count);
        worst = worst.max((seen - (shape.cdf(value as f64 + 0.5) - below) / all).abs());
    }
    worst
}

#[test]
fn samples_have_their_distribution_also_where_it_is_cut() {
    for shape in shapes() {
        for (low, high) in [(0, None), (1_500, None), (0, Some(4_000)), (1_500, Some(6_000))] {
            let worst = distance(&shape, low, high, |u| u);
            // One in a thousand samples of this size is 0.0138 away.
            assert!(worst < 0.0138, "{shape:?} from {low} to {high:?}: {worst}");
            // A sampler that prefers short ones, a little, is found out.
            let bent = distance(&shape, low, high, |u| u.powf(1.06));
            assert!(bent > 0.0138, "{shape:?} from {low} to {high:?}: {bent}");
        }
    }
}

#[test]
fn more_luck_is_never_less_time_and_bounds_are_kept() {
    for shape in shapes().into_iter().chain([Shape::Fixed(3_000)]) {
        for (low, high) in [(0, None), (100, Some(100)), (2_500, Some(3_500)), (50_000_000, Some(60_000_000))]
        {
            let values: Vec<i64> =
                (0..1_000).map(|n| shape.within(f64::from(n) / 1_000.0, low, high)).collect();
            assert!(values.is_sorted(), "{shape:?}");
            assert!(values.iter().all(|ms| *ms >= low && high.is_none_or(|high| *ms <= high)), "{shape:?}");
        }
    }
}

#[test]
fn quantiles_are_as_declared() {
    let lognormal = Shape::LogNormal { median: 120, p99: 2_000 };
    assert_eq!((lognormal.within(0.5, 0, None), lognormal.within(0.99, 0, None)), (120, 2_000));
    let exponential = Shape::Exponential { mean: 10_000 };
    assert_eq!(exponential.within(0.5, 0, None), 6_931);
    assert_eq!(Shape::Uniform(0, 9).within(0.999, 0, None), 9);
}

#[test]
fn the_widest_distributions_stay_within_numbers() {
    let widest = Shape::LogNormal { median: 1, p99: 400 * 86_400_000 };
    let longest = widest.within(1.0 - f64::EPSILON / 2.0, 0, None);
    assert!(longest > 400 * 86_400_000 && longest.checked_mul(100).is_some(), "{longest}");
}
