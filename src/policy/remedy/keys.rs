//! What the tables of a remediation may hold.

use super::{ActionKind, GuardKind};
use crate::source::keys::{Key, Kind, Section};

/// Members of one target: more are not told apart by anything that is checked.
pub const SIZE_MAX: u32 = 6;
/// The greatest value of a target.
pub const VALUE_MAX: u32 = 15;
/// Admissions that a guard counts.
pub const LIMIT_MAX: u32 = 8;
/// Actions that a breaker remembers.
pub const CALLS_MAX: u32 = 15;
/// Guards of one policy.
pub const GUARDS_MAX: usize = 6;
/// Runs of one trigger at the same time.
pub const OVERLAPPING_MAX: u32 = 4;

const POSITIVE: Kind = Kind::Duration { zero: false };
const ANY: Kind = Kind::Duration { zero: true };
const VALUE: Kind = Kind::Count { min: 0, max: VALUE_MAX };

pub static TARGET: Section = Section {
    doc: "What the remediation acts on.",
    keys: &[
        Key::new(
            "name",
            Kind::Name,
            "name = \"web\"",
            "Policies that name the same target touch the same thing.",
        )
        .default("the policy's own"),
        Key::new(
            "kind",
            Kind::OneOf(|| vec!["instance", "fleet", "value"]),
            "kind = \"instance\"",
            "One member, several alike, or a number that several may write.",
        )
        .required(),
        Key::new("size", Kind::Count { min: 1, max: SIZE_MAX }, "size = 3", "Members of a fleet.")
            .default("1"),
        Key::new(
            "floor",
            VALUE,
            "floor = 2",
            "`capacity-floor`: the fewest members that serve, or the lowest value.",
        )
        .default("0"),
        Key::new("start", VALUE, "start = 2", "The value to begin with.").default("0"),
        Key::new(
            "act",
            Kind::DurationRange,
            "act = [\"10s\", \"2m\"]",
            "From the start of an action to its effect.",
        )
        .default("any time"),
        Key::new(
            "timeout",
            POSITIVE,
            "timeout = \"1m\"",
            "When the action's caller gives up; the action goes on.",
        )
        .default("it waits for ever"),
        Key::new(
            "settle",
            ANY,
            "settle = \"30s\"",
            "After an effect, for so long, what the target shows means nothing.",
        )
        .default("0s"),
        Key::new("lag", ANY, "lag = \"15s\"", "What is seen can be this old: scrape, evaluation, transport.")
            .default("of any age"),
        Key::new("unknown", Kind::Bool, "unknown = false", "Whether a look may tell nothing.")
            .default("true"),
        Key::new(
            "errors",
            Kind::OneOf(|| vec!["never", "definite", "ambiguous"]),
            "errors = \"definite\"",
            "What an error of the action says: nothing was done, or it may still be done.",
        )
        .default("ambiguous"),
        Key::new(
            "partial",
            Kind::Bool,
            "partial = true",
            "Whether an action that fails, or whose worker dies, may leave the target half-done.",
        )
        .default("false"),
        Key::new(
            "fault",
            Kind::OneOf(|| {
                vec!["none", "curable", "transient", "persistent", "recurring", "flapping", "apparent"]
            }),
            "fault = \"curable\"",
            "What calls for the remedy, and whether it helps.",
        )
        .default("curable; of a value, none"),
        Key::new(
            "period",
            POSITIVE,
            "period = \"1h\"",
            "A recurring fault comes again this long after it went, or later.",
        )
        .default("at any moment"),
        Key::new(
            "faulty",
            Kind::Count { min: 1, max: SIZE_MAX },
            "faulty = 2",
            "Members with a fault at the same time, at most.",
        )
        .default("1"),
        Key::new(
            "harm",
            Kind::OneOf(|| vec!["none", "spreads", "relapses"]),
            "harm = \"spreads\"",
            "Whether the action brings the fault to another member, or back to the same one.",
        )
        .default("none"),
        Key::new(
            "actions_max",
            Kind::Count { min: 1, max: LIMIT_MAX },
            "actions_max = 3",
            "`bounded-actions`: never more actions on one target in any time of `per`.",
        )
        .default("not judged"),
        Key::new("per", POSITIVE, "per = \"1h\"", "The time of `actions_max`.").default("not judged"),
        Key::new(
            "hold",
            POSITIVE,
            "hold = \"1h\"",
            "`backs-out`: what was backed out is not done again for so long.",
        )
        .default("not judged"),
        Key::new(
            "reversals",
            Kind::Count { min: 0, max: 3 },
            "reversals = 1",
            "`no-oscillation`: how often an action may put back a value while nothing else changes.",
        )
        .default("0"),
    ],
    later: &[],
};

pub static ACTION: Section = Section {
    doc: "What is done to the target.",
    keys: &[
        Key::new(
            "kind",
            Kind::OneOf(ActionKind::names),
            "kind = \"restart\"",
            "Which action of the catalogue: what a second application does is known of each.",
        )
        .required(),
        Key::new(
            "form",
            Kind::OneOf(|| vec!["plain", "compare-and-set", "keyed"]),
            "form = \"compare-and-set\"",
            "What keeps a late or repeated action from doing harm.",
        )
        .default("plain"),
        Key::new("sets", VALUE, "sets = 1", "The value that it sets.").default("it sets none"),
        Key::new("adds", VALUE, "adds = 1", "How much it adds to the value.").default("nothing"),
        Key::new("removes", VALUE, "removes = 1", "How much it takes from the value.").default("nothing"),
        Key::new("wants_min", VALUE, "wants_min = 2", "The lowest value that needs no action.").default("0"),
        Key::new("wants_max", VALUE, "wants_max = 10", "The highest value that needs no action.")
            .default("15"),
    ],
    later: &[],
};

pub static GUARD: Section = Section {
    doc: "A guard: what is asked before an action.",
    keys: &[
        Key::new("kind", Kind::OneOf(GuardKind::names), "kind = \"cooldown\"", "Which guard: they differ.")
            .required(),
        Key::new(
            "limit",
            Kind::Count { min: 0, max: LIMIT_MAX },
            "limit = 3",
            "How many: admissions in the window, attempts, actions in flight, members not well, failures.",
        )
        .default("1"),
        Key::new(
            "percent",
            Kind::Count { min: 0, max: 100 },
            "percent = 20",
            "The limit as a portion of the fleet; of a breaker, the rate of failures that opens it.",
        )
        .default("as `limit` says; of a breaker 50"),
        Key::new(
            "rounding",
            Kind::OneOf(|| vec!["down", "up"]),
            "rounding = \"up\"",
            "Which way `percent` of the fleet goes to a whole number.",
        )
        .default("down"),
        Key::new(
            "span",
            POSITIVE,
            "span = \"10m\"",
            "The cooldown, the window, the quiet time, the time that a breaker stays open.",
        )
        .default("none: needed by all kinds that count time"),
        Key::new(
            "edge",
            Kind::OneOf(|| vec!["either", "reached", "exceeded"]),
            "edge = \"exceeded\"",
            "What is exactly as old as the span: over, not yet, or, cautiously, either.",
        )
        .default("either"),
        Key::new(
            "per",
            Kind::OneOf(|| vec!["target", "fleet"]),
            "per = \"fleet\"",
            "One for each target, or one for all.",
        )
        .default("target"),
        Key::new(
            "memory",
            Kind::OneOf(|| vec!["process", "durable"]),
            "memory = \"durable\"",
            "Whether what it counted outlives the worker.",
        )
        .default("process: a crash forgets it"),
        Key::new(
            "minimum_calls",
            Kind::Count { min: 1, max: CALLS_MAX },
            "minimum_calls = 5",
            "Of a breaker: fewer actions than this are not judged.",
        )
        .default("the limit"),
        Key::new(
            "trials",
            Kind::Count { min: 1, max: LIMIT_MAX },
            "trials = 1",
            "Of a breaker: how many actions are let through when its time is over.",
        )
        .default("1"),
        Key::new(
            "algorithm",
            Kind::OneOf(|| vec!["icinga2", "nagios"]),
            "algorithm = \"icinga2\"",
            "Whose arithmetic of flapping.",
        )
        .default("icinga2"),
        Key::new(
            "low",
            Kind::Count { min: 0, max: 100 },
            "low = 25",
            "At or below this percentage it no longer flaps.",
        )
        .default("25, of nagios 20"),
        Key::new(
            "high",
            Kind::Count { min: 0, max: 100 },
            "high = 30",
            "Above this percentage it flaps; of nagios, at it.",
        )
        .default("30"),
    ],
    later: &[],
};

pub static HUMAN: Section = Section {
    doc: "Who is asked, and who hears of a fault that lasts.",
    keys: &[
        Key::new("approval", POSITIVE, "approval = \"15m\"", "A request for approval lapses after so long.")
            .default("it waits for ever"),
        Key::new("within", POSITIVE, "within = \"30m\"", "`escalates`: a fault that lasts reaches a person within this time.")
            .default("no deadline"),
        Key::new(
            "silences",
            Kind::Bool,
            "silences = true",
            "Whether a page takes the target out of the automation's sight: no alert about it, and no look tells anything.",
        )
        .default("false"),
    ],
    later: &[],
};
