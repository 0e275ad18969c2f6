//! `no-oscillation`.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::NoOscillation,
    holds_when: "no action puts back a value that an action changed while nothing else did",
    what: "A-B-A on one target while its surroundings are quiet. `reversals` allows so many of \
           them.",
    why: "An autoscaler and a deployment that both write the number of replicas undo each other \
           for ever.",
    example: "\
loop 1        begins run 1.1
run 1.1       target.act        replicas: 1 → 2
loop 2        begins run 2.1
run 2.1       target.act        replicas: 2 → 1
run 1.2       target.act        replicas: 1 → 2 again",
    cures: "Give the field one owner, or let the values that each accepts overlap.",
    number: None,
};
