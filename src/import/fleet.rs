//! What remediations of nodes have in common: a fleet, its faults, and a gate on how many are unhealthy.

use super::page::{self, From, Page};
use super::spans::Length;
use super::{Assumption, FAULTS, Fault, Import, Takes, assume};
use crate::guard::Portion;
use crate::policy::remedy::keys::SIZE_MAX;

pub const SIZE: Assumption =
    assume("size", Takes::Count(1, SIZE_MAX), "3", "how many there are, or as many as are checked");
pub const FAULTY: Assumption =
    assume("faulty", Takes::Count(1, SIZE_MAX), "3", "how many look faulty at the same time, at most");
pub const FLOOR: Assumption = assume("floor", Takes::Count(0, SIZE_MAX), "2", "how many must serve");
pub const FAULT: Assumption = assume("fault", FAULTS, "curable", "whether the remedy helps");
pub const NAME: Assumption = assume("name", Takes::Name, "", "which of several in the file");

/// Runs at the same time that are checked: fewer than members only in a large fleet.
const TOGETHER_MAX: u32 = 2;

/// How the members of a fleet are acted on.
pub struct Fleet<'a> {
    pub action: &'static str,
    /// From the start of the action to its end.
    pub act: (Length, Length, From),
    /// Until it looks again at a member that still looks faulty.
    pub repeat: (Length, From),
    /// It begins an action and goes on to the next member; else it waits.
    pub together: bool,
    /// The number of members, where the file knows it.
    pub size: Option<(u32, From)>,
    pub lag: (&'a str, From),
}

/// Writes trigger, target and action; gives the size.
pub fn write(import: &Import<'_>, page: &mut Page, fleet: Fleet<'_>) -> Result<u32, Fault> {
    let (size, size_from) = fleet.size.unwrap_or_else(|| import.count("size"));
    page.table("trigger");
    page.word("kind", "alert", From::Kind);
    page.shorter("repeat", fleet.repeat.0, fleet.repeat.1);
    let (together, said) = match fleet.together {
        true => (size.min(TOGETHER_MAX), "it begins an action and goes on"),
        false => (1, "one remediation at a time"),
    };
    page.put("overlapping", together.to_string(), From::File(said.to_owned()));
    page.table("target");
    page.word("kind", "fleet", From::Kind);
    page.put("size", size.to_string(), size_from);
    let (floor, from) = import.count("floor");
    page.put("floor", floor.min(size).to_string(), from);
    let (shortest, longest) = (fleet.act.0.down(), fleet.act.1.up());
    page.put("act", page::range(shortest.min(longest), longest), fleet.act.2);
    page.put("lag", page::text(fleet.lag.0), fleet.lag.1);
    page.put("unknown", "false".to_owned(), From::granted("a look always tells something"));
    page.word(
        "errors",
        "never",
        From::File("what goes wrong takes longer, and is seen as a fault".to_owned()),
    );
    let (fault, from) = import.assumed("fault");
    page.word("fault", &fault, from);
    let (faulty, from) = import.count("faulty");
    page.put("faulty", faulty.min(size).to_string(), from);
    page.table("action");
    page.word("kind", fleet.action, From::Kind);
    if fleet.together {
        // Nothing else keeps two runs from asking before either acts.
        page.table("guards.serial");
        page.word(
            "kind",
            "cooldown",
            From::File("one controller decides, one thing after the other".to_owned()),
        );
        page.word("span", "1s", From::Kind);
        page.word("per", "fleet", From::Kind);
        page.word("memory", "durable", From::Kind);
    }
    Ok(size)
}

/// The gate: act only while at most so many are unhealthy.
pub fn gate(page: &mut Page, name: &str, portion: Portion, up: bool, size: u32, from: From) {
    page.table(&format!("guards.{name}"));
    page.word("kind", "population", From::Kind);
    match portion {
        Portion::Percent(percent) => {
            page.put("percent", percent.to_string(), from);
            let way = if up { "up" } else { "down" };
            page.word("rounding", way, From::File(format!("of {size}: {}", of(portion, size, up))));
        }
        Portion::Count(count) => {
            if count >= u64::from(size) {
                page.note(format!(
                    "A limit of {count} unhealthy ones is no limit for the {size} that are checked."
                ));
            }
            page.put("limit", count.min(u64::from(size)).to_string(), from);
        }
    }
    page.word("per", "fleet", From::Kind);
    page.word("memory", "durable", From::File("it counts anew each time".to_owned()));
}

fn of(portion: Portion, size: u32, up: bool) -> u64 {
    let way = if up { crate::guard::Rounding::Up } else { crate::guard::Rounding::Down };
    portion.of(size.into(), way)
}
