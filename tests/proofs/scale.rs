//! What is proved for any number is explored for some: ever larger scopes show no violation.

use idemcheck::policy::Policy;

use crate::support::{policies, proved, search, violated};

/// The policy with so many requests, attempts and crashes; none: that is more than the reader allows.
fn scaled(policy: &Policy, requests: u32, retries: u32, crashes: u32) -> Policy {
    let mut policy = policy.clone();
    policy.trigger.requests = requests;
    policy.trigger.retries = retries;
    policy.faults.crashes = crashes;
    policy
}

#[test]
fn larger_scopes_show_nothing_that_is_proved_away() {
    // `IDEMCHECK_ZONES=100000` looks further.
    let most = std::env::var("IDEMCHECK_ZONES").map_or(1_000, |text| text.parse().expect("a number"));
    let (mut finished, mut begun) = (0, 0);
    for source in policies() {
        let (_, tried) = proved(&source.policy, &source.protocol);
        let proved: Vec<_> = tried.proofs.iter().flat_map(|proof| proof.properties.clone()).collect();
        if proved.is_empty() {
            continue;
        }
        for (requests, retries, crashes) in [(2, 1, 2), (3, 0, 1), (3, 1, 1), (4, 0, 2), (5, 0, 1)] {
            let larger = scaled(&source.policy, requests, retries, crashes);
            let Ok(result) = search(&larger, &source.protocol, most) else { continue };
            begun += 1;
            finished += u32::from(result.search.complete);
            for broken in violated(&result) {
                let scope = &result.scope_line;
                assert!(!proved.contains(&broken), "{}: {broken} is proved; {scope}", source.policy.name);
            }
        }
    }
    println!("{finished} of {begun} searches came to their end");
    assert!(finished > 50, "only {finished} searches came to their end");
}
