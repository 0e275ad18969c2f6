//! `single-flight`.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::SingleFlight,
    holds_when: "at most one action is under way on a target at any time, over all policies that touch it",
    what: "An action is under way from its start to its effect, whatever its caller thinks: a \
           timeout, a crash or a cooldown that ends early does not end it. The property is broken \
           when an action begins on a target on which another one is under way.",
    why: "Two recoveries of one cluster promote two different replicas: split brain. Two restarts \
           at once are an outage of their own.",
    example: "\
alert 1       fires and begins run 1.1
run 1.1       target.act        begins; it can take 2h
alert 1       fires again, an hour later
run 1.2       guard.admit       admitted: the cooldown counts from the start
run 1.2       target.act        a second action on the same target",
    cures: "Hold a lock, with a lease longer than the action, from before the action until it \
           settled. Or count the cooldown from completion.",
    number: None,
};
