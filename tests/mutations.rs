//! Every shipped policy is weakened on purpose, the way people weaken theirs by mistake: some
//! property that held must turn. A mutant that survives has a reason in `mutations/survivors.toml`,
//! or it is a finding.

mod mutations {
    pub mod calls;
    pub mod claims;
    pub mod delivery;
    pub mod explained;
    pub mod mutant;
    pub mod operator;
    pub mod promises;
    pub mod run;
}

use std::collections::BTreeSet;

use mutations::explained::Explained;
use mutations::operator::Operator;
use mutations::run::{survivors, table, trials};
use mutations::{calls, claims, delivery, promises};

macro_rules! snapshot {
    ($name:literal, $text:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true,
                                snapshot_path => "mutations" },
            { insta::assert_snapshot!($name, $text) })
    };
}

fn operators() -> Vec<&'static Operator> {
    let all = [claims::OPERATORS, calls::OPERATORS, delivery::OPERATORS, promises::OPERATORS];
    all.into_iter().flatten().collect()
}

#[test]
fn mistakes_are_noticed_and_survivors_explained() {
    let operators = operators();
    let names: BTreeSet<&str> = operators.iter().map(|operator| operator.name).collect();
    assert_eq!(names.len(), operators.len(), "two operators have one name");
    let (trials, left_out) = trials(&operators);
    snapshot!("table", table(&operators, &trials, &left_out));
    snapshot!("survivors", survivors(&trials));
    let faults = Explained::read().faults(&trials, &names);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
