//! `quiesces`.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::Quiesces,
    holds_when: "once its surroundings are quiet, the remediation begins finitely many actions",
    what: "Broken by a run without end in which actions begin again and again though nothing fails, \
           recovers or crashes any more. It is shown as a run with a part that repeats, and the \
           time one round takes.",
    why: "Restarting for ever looks like healing on every dashboard.",
    example: "\
run 1.1       target.act        ok, and the fault is still there
alert 1       fires again
run 1.2       guard.admit       admitted: the window is over, its count is lost
run 1.2       target.act        and so on, for ever",
    cures: "Count attempts with a guard that no quiet time resets in reach of the retries, and lead \
           `exhausted` to `human.page`.",
    number: Some("most actions in one episode"),
};
