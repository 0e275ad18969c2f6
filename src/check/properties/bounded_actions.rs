//! `bounded-actions`.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::BoundedActions,
    holds_when: "never more than `actions_max` actions begin on one target in any time of `per`",
    what: "Counted over every stretch of that length, not over windows of a limiter: a tumbling \
           window of N lets 2N - 1 through in some stretch. What the guards keep in the memory of a \
           process is lost with it.",
    why: "A limiter that can't be reached, or forgets, is no limiter: endless restarts hide the \
           cause and eat the fleet.",
    example: "\
run 1.1       target.act        the first
run 1.2       target.act        the second
run 1.3       crashes           and with it what the guard counted
run 1.4       target.act        the third within the hour",
    cures: "Use a sliding window, let its memory be durable, and check that its limit can be reached \
           at all.",
    number: Some("most actions in one episode"),
};
