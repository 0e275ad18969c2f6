//! `acts-only-when-diverged`.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::ActsOnlyWhenDiverged,
    holds_when: "every action follows a look, from after the last action settled, that said `diverged`",
    what: "What is seen can be as old as the target's `lag`; while an action is under way, and for \
           `settle` after its effect, it means nothing; `unknown` is neither converged nor \
           diverged. The property is broken when an action begins without a look, on an `unknown`, \
           or on a sample that may be from before the last action settled.",
    why: "The second restart hits the process that is just coming up. Scaling on data from before \
           the last step overshoots.",
    example: "\
run 1.1       target.observe    diverged
run 1.1       target.act        ok
run 1.2       target.observe    diverged (an old sample)
run 1.2       target.act        acts on what is no more",
    cures: "Use `target.observe` with `fresh = true`, or wait for `settle` and `lag` together before \
           the next look.",
    number: None,
};
