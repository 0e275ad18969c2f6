//! Intervals against what is in the books, and against samples of what is known.

use idemcheck::simulate::estimate::{Rate, Times};

#[test]
fn wilson_as_in_the_books() {
    // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for (count, of, low, high) in
        [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
    {
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
