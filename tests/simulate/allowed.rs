//! Every sampled run is a run of the system, and shows nothing that the checker rules out.

use std::path::PathBuf;

use idemcheck::check::judge::{broken_by, not_applicable};
use idemcheck::check::property::Property;
use idemcheck::check::trace::{retake, retell};
use idemcheck::check::verdict::Verdict;
use idemcheck::policy::Policy;
use idemcheck::policy::load::load;
use idemcheck::simulate::{End, Run, Stream};

use crate::support::{Ready, runs};

/// Whether the policy says, as the test of the corpus makes sure, that a property is broken, or says nothing of it.
pub fn may_break(policy: &Policy, ready: &Ready, property: Property) -> bool {
    policy.expect.get(&property) == Some(&Verdict::Violated)
        || not_applicable(property, policy, &ready.system).is_some()
}

#[test]
fn every_run_of_the_corpus_is_allowed_and_contradicts_nothing() {
    let (mut seen, mut all, mut stuck) = (0, 0, 0);
    for source in load(&[PathBuf::from("policies")], None).policies {
        let ready = Ready::of(source);
        let (policy, system) = (&ready.source.policy, &ready.system);
        let mut facts = 0;
        for number in 0..runs(25) {
            let mut run = Run::new(system, &ready.around);
            run.log = Some(Vec::new());
            let end = run.finish(&mut Stream::new(7, number, 0));
            let log = run.log.take().unwrap();
            let again = retake(system, &log)
                .unwrap_or_else(|error| panic!("{}, run {number}: {error}", policy.path.display()));
            assert_eq!(again & !run.facts, 0, "{}", policy.name);
            facts |= run.facts;
            stuck += u32::from(end == End::Stuck);
        }
        for property in Property::ALL {
            let broken = facts & broken_by(property) != 0;
            let may = may_break(policy, &ready, property);
            assert!(!broken || may, "{}: {property} is seen broken, and holds", policy.path.display());
            all += u32::from(policy.expect.get(&property) == Some(&Verdict::Violated));
            seen += u32::from(broken && policy.expect.get(&property) == Some(&Verdict::Violated));
        }
    }
    assert_eq!(stuck, 0, "runs came to where nothing could happen in time");
    // Much of what can be broken is, in a few runs.
    assert!(seen * 3 > all, "{seen} of {all} violations were seen");
}

#[test]
fn a_run_that_is_changed_is_not_allowed() {
    let ready = Ready::shipped("policies/write-path/lease-12s.toml");
    let (mut refused, mut tried) = (0, 0);
    for number in 0..20 {
        let mut run = Run::new(&ready.system, &ready.around);
        run.log = Some(Vec::new());
        run.finish(&mut Stream::new(3, number, 0));
        let log = run.log.take().unwrap();
        assert_eq!(retell(&ready.system, &log, 0).unwrap().len(), log.len());
        for at in 1..log.len() {
            let mut late = log.clone();
            // A stall is five seconds at the most.
            late[at..].iter_mut().for_each(|step| step.1 += 3_600_000);
            tried += 1;
            refused += u32::from(retake(&ready.system, &late).is_err());
        }
    }
    assert!(refused * 2 > tried, "{refused} of {tried}");
}
