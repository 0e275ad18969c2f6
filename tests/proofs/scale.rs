//! What is proved for any number is explored for some: ever larger scopes show no violation.

use std::collections::BTreeMap;

use idemcheck::policy::Policy;

use crate::support::{of_each, search, shipped, violated};

/// Requests, retries of each, and crashes: two to five requests, and as many attempts and more.
const SCOPES: [(u32, u32, u32); 7] =
    [(1, 1, 2), (2, 0, 1), (2, 1, 2), (3, 0, 1), (3, 1, 1), (4, 0, 2), (5, 0, 1)];

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
    let most = std::env::var("IDEMCHECK_ZONES").map_or(500, |text| text.parse().expect("a number"));
    let explored = of_each(shipped(), |shipped| {
        let (proved, source) = (shipped.proved(), &shipped.source);
        let mut explored = Vec::new();
        if proved.is_empty() {
            return explored;
        }
        for (requests, retries, crashes) in SCOPES {
            let larger = scaled(&source.policy, requests, retries, crashes);
            let Ok(result) = search(&larger, &source.protocol, most) else { continue };
            explored.push(((requests, retries, crashes), result.search.complete));
            for broken in violated(&result) {
                let scope = &result.scope_line;
                assert!(!proved.contains(&broken), "{}: {broken} is proved; {scope}", source.policy.name);
            }
        }
        explored
    });
    let mut counts: BTreeMap<(u32, u32, u32), [u32; 2]> = BTreeMap::new();
    for (scope, complete) in explored.into_iter().flatten() {
        let count = counts.entry(scope).or_default();
        *count = [count[0] + u32::from(complete), count[1] + 1];
    }
    for ((requests, retries, crashes), [complete, all]) in &counts {
        println!(
            "{requests} requests, {} attempts, {crashes} crashes: {complete} of {all} searched to the end, \
             the others up to {most} zones",
            requests * (retries + 1)
        );
    }
    let complete: u32 = counts.values().map(|[complete, _]| complete).sum();
    assert!(complete > 100, "only {complete} searches came to their end");
}
