//! `escalates`.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::Escalates,
    holds_when: "a fault that lasts reaches a person in time, and is left alone by the automation then",
    what: "Three things break it: a fault that is there for longer than [human] within and nobody \
           was paged; a fault that a guard or a crash made the automation drop, with nothing to \
           come that would take it up or page; an action on a target that a person has in hand.",
    why: "Blocked is not handled: the cooldown after one failover hid the failure of the next.",
    example: "\
alert 1       fires once and begins run 1.1
run 1.1       guard.admit       cooling
run 1.1       ends; no alert comes again, nobody was told",
    cures: "Lead every refusal to a retry or to `human.page`; let the alert repeat; declare the \
           deadline.",
    number: Some("worst time to a person"),
};
