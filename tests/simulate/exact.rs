//! Small cases whose probabilities can be worked out: every draw of a run whose durations are fixed is tried with
//! each of its results.

use idemcheck::check::judge::broken_by;
use idemcheck::check::property::Property;
use idemcheck::simulate::many::sample;
use idemcheck::simulate::rare::{Guide, estimate};
use idemcheck::simulate::{Draw, Purpose, Run, Stream};

use crate::support::{Ready, options};

/// Luck that is tried through: the results so far, how many there were to choose from, and how likely each was.
#[derive(Default)]
struct Through {
    path: Vec<(usize, Vec<f64>)>,
    at: usize,
}

impl Draw for Through {
    fn unit(&mut self, _: Purpose) -> f64 {
        // Durations are fixed, so that no number matters.
        0.5
    }

    fn choose(&mut self, _: Purpose, weights: &[f64]) -> usize {
        if weights.len() < 2 {
            return 0;
        }
        if self.at == self.path.len() {
            let sum: f64 = weights.iter().sum();
            self.path.push((0, weights.iter().map(|weight| weight / sum).collect()));
        }
        self.at += 1;
        self.path[self.at - 1].0
    }
}

/// The probability that a run breaks a property, and how many runs there are.
fn exact(ready: &Ready, bits: u64) -> (f64, u64) {
    let mut through = Through::default();
    let (mut broken, mut all, mut count) = (0.0, 0.0, 0);
    loop {
        through.at = 0;
        let mut run = Run::new(&ready.system, &ready.around);
        run.finish(&mut through);
        let likely: f64 = through.path.iter().map(|(at, weights)| weights[*at]).product();
        all += likely;
        count += 1;
        if run.facts & bits != 0 {
            broken += likely;
        }
        assert!(count < 2_000_000, "too many runs");
        // The next: the last draw that has a result left.
        while through.path.last().is_some_and(|(at, weights)| at + 1 == weights.len()) {
            through.path.pop();
        }
        match through.path.last_mut() {
            Some((at, _)) => *at += 1,
            None => break,
        }
    }
    assert!((all - 1.0_f64).abs() < 1e-9, "{all}");
    (broken, count)
}

const MODEL: &str = include_str!("../../models/native-key.toml");

/// One request, which is tried again where its answer is lost or it comes to an error.
fn policy(retries: u32, lost: f64, error: f64, crash: f64) -> String {
    format!(
        "policy = \"p\"\nmodel = \"native-key\"\n[operation]\neffect = \"create\"\nidentity = [\"id\"]\n\
         [key]\nfrom = [\"id\"]\nsupplied_by = \"client\"\n[trigger]\nrequests = 1\nretries = {retries}\n\
         timeout = \"10s\"\nbackoff = \"1s\"\n[downstream]\nlatency = [\"0s\", \"5s\"]\ntimeout = \"9s\"\n\
         late = \"1s\"\nerrors = \"definite\"\n[faults]\ncrashes = 1\nlost_responses = 2\npause = \"3s\"\n\
         [simulate.durations]\narrival = {{ fixed = \"0s\" }}\nwork = {{ fixed = \"10ms\" }}\n\
         stall = {{ fixed = \"1s\" }}\nlatency = {{ fixed = \"1ms\" }}\nlate = {{ fixed = \"9500ms\" }}\n\
         backoff = {{ fixed = \"0s\" }}\n[simulate.chances]\nstall = 0\nlost_response = {lost}\n\
         call_error = {error}\ncall_hang = {error}\ncall_lost = 0.25\ncrash = {crash}\n"
    )
}

#[test]
fn shares_are_those_that_can_be_worked_out() {
    let bits = broken_by(Property::SingleExecution);
    // An answer that is lost, and a second attempt: nothing else can go wrong.
    let ready = Ready::text(&policy(1, 0.2, 0.0, 0.0), MODEL);
    let (share, _) = exact(&ready, bits);
    assert!((share - 0.2).abs() < 1e-12, "{share}");
    for (retries, lost, error, crash) in [(1, 0.2, 0.1, 0.1), (2, 0.1, 0.2, 0.05)] {
        let ready = Ready::text(&policy(retries, lost, error, crash), MODEL);
        let (share, count) = exact(&ready, bits);
        assert!(count > 10 && (0.01..0.99).contains(&share), "{share} in {count}");
        let runs = 12_000;
        let tally = sample(&ready.system, &ready.around, &options(5, runs, 2));
        let seen = tally.broken.get(&Property::SingleExecution).map_or(0, |(count, _)| *count) as f64;
        let spread = (share * (1.0 - share) / runs as f64).sqrt();
        let off = (seen / runs as f64 - share) / spread;
        assert!(off.abs() < 4.0, "{seen} of {runs}, and {share} is right: {off} standard deviations");
    }
}

#[test]
fn splitting_estimates_what_is_rare_and_is_not_biased() {
    let bits = broken_by(Property::SingleExecution);
    let ready = Ready::text(&policy(2, 0.002, 0.002, 0.001), MODEL);
    let (share, _) = exact(&ready, bits);
    assert!((1e-4..0.02).contains(&share), "{share}");
    let run = ready.counterexample(Property::SingleExecution).unwrap();
    let guide = Guide::of(&ready.system, &run, bits);
    let rare =
        estimate(&ready.system, &ready.around, &guide, Property::SingleExecution, &options(5, 3_000, 2));
    assert!(rare.factors.iter().any(|factor| *factor > 1), "{rare:?}");
    assert!(rare.reached > 0);
    let spread = (rare.high - rare.low) / 2.0 / 1.96;
    let off = (rare.share - share) / spread;
    assert!(off.abs() < 4.0, "{} and {share} is right: {off} standard deviations; {rare:?}", rare.share);
}

#[test]
fn splitting_with_other_luck_is_right_on_average() {
    let bits = broken_by(Property::SingleExecution);
    let ready = Ready::text(&policy(2, 0.01, 0.01, 0.01), MODEL);
    let (share, _) = exact(&ready, bits);
    let run = ready.counterexample(Property::SingleExecution).unwrap();
    let guide = Guide::of(&ready.system, &run, bits);
    let mut covered = 0;
    for seed in 0..20 {
        let rare =
            estimate(&ready.system, &ready.around, &guide, Property::SingleExecution, &options(seed, 300, 2));
        covered += u32::from((rare.low..=rare.high).contains(&share));
    }
    // 19 of 20 on average.
    assert!(covered >= 15, "{covered} of 20 intervals have {share} in them");
}

#[test]
fn luck_is_spread_evenly_and_found_by_its_purpose() {
    let mut stream = Stream::new(1, 2, 0);
    let count = 100_000;
    let mut classes = [0_u32; 100];
    for turn in 0..count {
        let u = stream.unit(Purpose { what: 3, who: (1, 1), turn });
        assert!((0.0..1.0).contains(&u));
        classes[(u * 100.0) as usize] += 1;
    }
    let expected = f64::from(count) / 100.0;
    let chi: f64 = classes.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
    // 99 degrees of freedom: one in a thousand is above 149.
    assert!(chi < 149.0, "{chi}");
    let at =
        |seed, run, branch, what, who, turn| Stream::new(seed, run, branch).unit(Purpose { what, who, turn });
    let one = at(1, 2, 0, 3, (1, 1), 0);
    assert_eq!(one, at(1, 2, 0, 3, (1, 1), 0));
    for other in [
        at(2, 2, 0, 3, (1, 1), 0),
        at(1, 3, 0, 3, (1, 1), 0),
        at(1, 2, 1, 3, (1, 1), 0),
        at(1, 2, 0, 4, (1, 1), 0),
        at(1, 2, 0, 3, (2, 1), 0),
        at(1, 2, 0, 3, (1, 2), 0),
        at(1, 2, 0, 3, (1, 1), 1),
    ] {
        assert_ne!(one, other);
    }
    let mut chosen = [0_u32; 3];
    for turn in 0..30_000 {
        chosen[stream.choose(Purpose { what: 9, who: (0, 0), turn }, &[1.0, 0.0, 2.0])] += 1;
    }
    assert!(chosen[1] == 0 && (chosen[0] as i32 - 10_000).abs() < 400, "{chosen:?}");
}
