//! The search along one value: outward until something changes, halving to the edge, then inward where verdicts
//! can change. What a value does is asked of whoever calls; this knows only the order in which to ask.

use std::collections::{BTreeMap, BTreeSet};

use super::critical::{critical, others};
use super::{Inside, VALUES_FEW};
use crate::policy::declared::{Declared, What};

/// What a value does to the verdicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Same,
    Differs,
    Refused(String),
    /// It could not be decided.
    Open(String),
}

/// One side of the declared value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The last value that was found to keep every verdict, nearer than any that was found not to.
    pub safe: i64,
    /// What is one step further; none: nothing is.
    pub next: Option<Outcome>,
    pub inside: Inside,
}

/// One declaration with what is known of its values.
pub struct Walk {
    value: i64,
    step: i64,
    range: (i64, i64),
    is_count: bool,
    known: BTreeMap<i64, Outcome>,
    probes_max: u64,
    spent: u64,
}

impl Walk {
    pub fn new(one: &Declared, probes_max: u64) -> Walk {
        Walk {
            value: one.value,
            step: one.step(),
            range: one.range(),
            is_count: matches!(one.what, What::Count { .. }),
            known: BTreeMap::from([(one.value, Outcome::Same)]),
            probes_max,
            spent: 0,
        }
    }

    fn at(&mut self, value: i64, probe: &impl Fn(i64) -> Outcome) -> Outcome {
        if let Some(known) = self.known.get(&value) {
            return known.clone();
        }
        if self.spent >= self.probes_max {
            return Outcome::Open(format!("the limit of {} checks a declaration", self.probes_max));
        }
        self.spent += 1;
        let outcome = probe(value);
        self.known.insert(value, outcome.clone());
        outcome
    }

    /// From the declared value to the nearest one that was found to do something else.
    pub fn outward(&mut self, up: bool, probe: &impl Fn(i64) -> Outcome) -> Edge {
        let (least, greatest) = self.range;
        let last = if up { greatest } else { least };
        let step = if up { self.step } else { -self.step };
        let edge = |safe, next| Edge { safe, next, inside: Inside::EveryValue };
        let mut keep = self.value;
        if (last - keep) / step <= VALUES_FEW {
            while keep != last {
                match self.at(keep + step, probe) {
                    Outcome::Same => keep += step,
                    other => return edge(keep, Some(other)),
                }
            }
            return edge(keep, None);
        }
        if self.at(last, probe) == Outcome::Same {
            return edge(last, None);
        }
        let mut steps = 1;
        loop {
            let value = self.value.saturating_add(step.saturating_mul(steps)).clamp(least, greatest);
            match self.at(value, probe) {
                Outcome::Same => keep = value,
                Outcome::Open(why) => return edge(keep, Some(Outcome::Open(why))),
                other => return self.halved(keep, value, other, probe),
            }
            steps *= 4;
        }
    }

    /// The edge between a value that keeps the verdicts and one that does not.
    fn halved(
        &mut self,
        mut keep: i64,
        mut other: i64,
        mut outcome: Outcome,
        probe: &impl Fn(i64) -> Outcome,
    ) -> Edge {
        while (other - keep).abs() > self.step {
            let middle = keep + (other - keep) / self.step / 2 * self.step;
            match self.at(middle, probe) {
                Outcome::Same => keep = middle,
                open @ Outcome::Open(_) => {
                    outcome = open;
                    break;
                }
                found => (other, outcome) = (middle, found),
            }
        }
        Edge { safe: keep, next: Some(outcome), inside: Inside::EveryValue }
    }

    /// Looks for changes between the declared value and an edge; gives the nearest edge, and what was tried.
    /// `durations` are all that the check knows.
    pub fn inward(&mut self, mut edge: Edge, durations: &[i64], probe: &impl Fn(i64) -> Outcome) -> Edge {
        let from = self.value;
        let few = (edge.safe - from).abs() / self.step <= VALUES_FEW;
        let points = if few { self.between(edge.safe) } else { self.near_critical(edge.safe, durations) };
        for value in &points {
            // What is beyond a nearer edge does not matter any more.
            if !inside(from, edge.safe, *value) {
                continue;
            }
            match self.at(*value, probe) {
                Outcome::Same => {}
                Outcome::Open(_) => break,
                other => {
                    let kept = self.known.iter().filter(|(known, outcome)| {
                        **outcome == Outcome::Same && inside(from, *value, **known)
                    });
                    let kept = kept.map(|(known, _)| *known).max_by_key(|known| (known - from).abs());
                    edge = self.halved(kept.unwrap_or(from), *value, other, probe);
                }
            }
        }
        let every = self.between(edge.safe);
        let every = every.len() as i64 <= VALUES_FEW
            && every.iter().all(|value| self.known.get(value) == Some(&Outcome::Same));
        let points = points.iter().filter(|value| inside(from, edge.safe, **value));
        let known = points.clone().count() as u64;
        let tried = points.filter(|value| self.known.get(value) == Some(&Outcome::Same)).count() as u64;
        edge.inside = if every { Inside::EveryValue } else { Inside::Critical { tried, known } };
        edge
    }

    /// Every value between the declared one and another, where they are few; else one too many.
    fn between(&self, safe: i64) -> Vec<i64> {
        let step = if safe < self.value { -self.step } else { self.step };
        let count = ((safe - self.value) / step - 1).clamp(0, VALUES_FEW + 1);
        (1..=count).map(|steps| self.value + steps * step).collect()
    }

    /// Values between the declared one and another where a verdict can change, and one step after: the simplest
    /// sums first.
    fn near_critical(&self, safe: i64, durations: &[i64]) -> Vec<i64> {
        let durations: Vec<i64> = match self.is_count {
            false => others(durations, self.value),
            // A count is no sum of anything: powers of two.
            true => (0..8).map(|power| 1 << power).collect(),
        };
        let mut seen = BTreeSet::new();
        let mut out = Vec::new();
        // More than can be asked about, so that what was left out is not taken for tried.
        let enough =
            usize::try_from(self.probes_max).unwrap_or(usize::MAX).saturating_mul(4).clamp(1_000, 100_000);
        let within = (self.value.min(safe) - self.step)..=self.value.max(safe);
        for place in critical(&durations, within, enough) {
            let below = place / self.step * self.step;
            for point in [below, below + self.step] {
                if point != safe && inside(self.value, safe, point) && seen.insert(point) {
                    out.push(point);
                }
            }
        }
        out
    }
}

/// Whether a value is between two others, or the second of the two.
fn inside(one: i64, other: i64, value: i64) -> bool {
    (one.min(other)..=one.max(other)).contains(&value) && value != one
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::declared::declared;

    /// Both sides of `store.lease`, written so, where `probe` says what each value in milliseconds does.
    fn walked(written: &str, durations: &[i64], probes: u64, probe: impl Fn(i64) -> Outcome) -> [Edge; 2] {
        let [one] = &declared(&format!("[store]\nlease = \"{written}\"\n"))[..] else { panic!("one") };
        let mut walk = Walk::new(one, probes);
        [false, true].map(|up| {
            let edge = walk.outward(up, &probe);
            walk.inward(edge, durations, &probe)
        })
    }

    fn same(keeps: bool) -> Outcome {
        if keeps { Outcome::Same } else { Outcome::Differs }
    }

    #[test]
    fn edges_are_exact_to_the_unit_written() {
        let probe = |ms: i64| same((3_500..=15_000).contains(&ms));
        let [below, above] = walked("12s", &[], 100, probe);
        assert_eq!((below.safe, below.next), (4_000, Some(Outcome::Differs)));
        assert_eq!((above.safe, above.next), (15_000, Some(Outcome::Differs)));
        assert_eq!((below.inside, above.inside), (Inside::EveryValue, Inside::EveryValue));
        let [below, above] = walked("12000ms", &[], 100, probe);
        assert_eq!((below.safe, above.safe), (3_500, 15_000));
        assert_eq!(below.inside, Inside::Critical { tried: 0, known: 0 });
    }

    #[test]
    fn a_change_inside_is_found_where_sums_meet() {
        // Another verdict in a narrow band around 5 min 20 s, the sum of two others, and far away.
        let probe = |ms: i64| same(!(320_000..=321_000).contains(&ms) && ms < 9_000_000);
        let [_, above] = walked("12s", &[300_000, 20_000], 200, probe);
        assert_eq!((above.safe, above.next), (319_000, Some(Outcome::Differs)));
        // Nobody knows of the sum: the band is not seen, and this says what was tried.
        let [_, above] = walked("12s", &[7_000], 200, probe);
        assert_eq!(above.safe, 8_999_000);
        assert!(matches!(above.inside, Inside::Critical { tried, known } if tried == known && known > 0));
    }

    #[test]
    fn a_change_just_behind_a_sum_is_found() {
        let probe = |ms: i64| same(ms != 61_000);
        let [_, above] = walked("12s", &[60_000], 200, probe);
        assert_eq!((above.safe, above.next), (60_000, Some(Outcome::Differs)));
    }

    #[test]
    fn the_ends_of_the_range_are_said() {
        let [below, above] = walked("12s", &[], 100, |_| Outcome::Same);
        assert_eq!((below.safe, below.next), (1_000, None));
        assert_eq!((above.safe, above.next), (400 * 86_400_000, None));
    }

    #[test]
    fn what_is_refused_is_an_edge() {
        let refused = |ms: i64| match ms {
            10_000.. => Outcome::Same,
            _ => Outcome::Refused("shorter than the timeout".to_owned()),
        };
        let [below, _] = walked("12s", &[], 100, refused);
        assert_eq!((below.safe, below.next), (10_000, Some(refused(9_000))));
    }

    #[test]
    fn a_value_that_is_open_is_not_one_that_was_tried() {
        let probe = |ms: i64| match ms {
            15_000 => Outcome::Open("a limit".to_owned()),
            17_000.. => Outcome::Differs,
            _ => Outcome::Same,
        };
        let [_, above] = walked("12s", &[], 100, probe);
        assert_eq!(above.safe, 16_000);
        assert!(matches!(above.inside, Inside::Critical { .. }), "{above:?}");
    }

    #[test]
    fn another_duration_of_the_same_length_is_another() {
        // The lease of 100 s, a timeout of 100 s, and a pause of 53 s: their sum is 153 s.
        let probe = |ms: i64| same(ms != 153_000 && ms < 9_000_000);
        let [_, above] = walked("100s", &[100_000, 100_000, 53_000], 200, probe);
        assert_eq!((above.safe, above.next), (152_000, Some(Outcome::Differs)));
    }

    #[test]
    fn limits_leave_a_side_open() {
        let probe = |ms: i64| if ms <= 20_000 { Outcome::Same } else { Outcome::Open("a limit".to_owned()) };
        let [_, above] = walked("12s", &[], 100, probe);
        assert_eq!((above.safe, above.next), (16_000, Some(Outcome::Open("a limit".to_owned()))));
        let [_, above] = walked("12s", &[300_000, 20_000], 3, |ms| same(ms < 9_000_000));
        assert!(matches!(above.next, Some(Outcome::Open(_))), "{above:?}");
    }
}
