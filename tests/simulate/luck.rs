//! The same for any number of threads, and less spread under the same luck.

use idemcheck::simulate::compare::compare;
use idemcheck::simulate::many::sample;

use crate::support::{Ready, options};

#[test]
fn threads_change_nothing() {
    for path in ["policies/write-path/lease-36s.toml", "policies/remediation/restart-on-alert.toml"] {
        let ready = Ready::shipped(path);
        let one = sample(&ready.system, &ready.around, &options(3, 300, 1));
        assert_eq!(one.runs, 300);
        for threads in [2, 5] {
            assert_eq!(one, sample(&ready.system, &ready.around, &options(3, 300, threads)));
        }
        assert_ne!(one, sample(&ready.system, &ready.around, &options(4, 300, 2)));
    }
}

#[test]
fn the_same_luck_tells_more_than_two_lucks() {
    let this = Ready::shipped("policies/write-path/lease-12s.toml");
    let other = Ready::shipped("policies/write-path/lease-36s.toml");
    let pair = ((&this.system, &this.around), (&other.system, &other.around));
    let (runs, paired) = compare(pair.0, pair.1, true, &options(3, 2_000, 2));
    let (_, apart) = compare(pair.0, pair.1, false, &options(3, 2_000, 2));
    assert_eq!(runs, 2_000);
    let answers = |all: &[idemcheck::simulate::compare::Difference]| {
        all.iter().find(|one| one.of == "time to the answer").cloned().unwrap()
    };
    let (paired, apart) = (answers(&paired), answers(&apart));
    let wide = |one: &idemcheck::simulate::compare::Difference| one.high - one.low;
    assert!(wide(&paired) < wide(&apart) * 0.9, "{paired:?}\n{apart:?}");
    assert!(paired.worth.unwrap() > 1.2, "{paired:?}");
    // Two lucks tell no more than that.
    assert!((0.8..1.25).contains(&apart.worth.unwrap()), "{apart:?}");
    // Both find the same difference.
    assert!(paired.low <= apart.high && apart.low <= paired.high, "{paired:?}\n{apart:?}");
}

#[test]
fn a_policy_beside_itself_differs_in_nothing() {
    let ready = Ready::shipped("policies/write-path/lease-12s.toml");
    let one = (&ready.system, &ready.around);
    let (_, same) = compare(one, one, true, &options(3, 500, 2));
    assert!(same.len() > 20);
    for one in same {
        assert!(one.difference == 0.0 && one.worth.is_none(), "{one:?}");
    }
}
