//! `backs-out`.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::BacksOut,
    holds_when: "a half-done action is completed or backed out, and what was backed out stays on hold",
    what: "An action that breaks off leaves its target half-done. Broken when that stays so with \
           nobody at work and nobody told, or when the action is begun again within `hold` after it \
           was backed out.",
    why: "A machine that is powered off and never on again; a rollback that the next sync \
           re-applies.",
    example: "\
run 1.1       target.act        error: half-done
run 1.1       target.undo       ok
alert 1       fires again
run 1.2       target.act        does again what was backed out",
    cures: "Lead errors of `target.act` to `target.undo` or to a second, idempotent try; hold the \
           trigger after a back-out.",
    number: None,
};
