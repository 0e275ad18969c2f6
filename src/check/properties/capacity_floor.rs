//! `capacity-floor`.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::CapacityFloor,
    holds_when: "no action takes the target under its floor",
    what: "A member serves while it is well and no action is under way on it; one with an apparent \
           fault serves, too. Broken when an action begins, or harms, and fewer than `floor` serve \
           then; of a value, when an action sets it below.",
    why: "Remediation that drains the fleet is the outage: many sick at once are more often one \
           wrong signal than many faults.",
    example: "\
member 1      fails
member 2      fails
alert 1       fires and begins run 1.1
run 1.1       target.act        on a member that serves
alert 2       run 2.1 acts too  one member is left",
    cures: "Cap the actions in flight, gate on the population, and mind which way a percentage of a \
           small fleet is rounded.",
    number: Some("lowest capacity"),
};
