//! Verdicts in words and marks, for every format that people read.

use crate::check::baseline::{BaselineResult, Stale};
use crate::check::partition::Partition;
use crate::check::verdict::{PolicyResult, PropertyResult, Report, SearchStats, Standing, Verdict, grouped};
use crate::check::weigh::{WaiverResult, WaiverState};

/// The mark of a standing: colour never says anything alone.
pub fn mark(standing: Standing) -> &'static str {
    match standing {
        Standing::NotApplicable => "–",
        Standing::Met | Standing::MetViolated => "✓",
        Standing::Waived | Standing::Baselined => "!",
        Standing::Inconclusive => "?",
        Standing::Unexpected => "✗",
    }
}

/// A standing in a word or two, also where it stands for a policy's verdict.
pub fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::NotApplicable | Standing::Met => "holds",
        Standing::MetViolated => "violated, as expected",
        Standing::Waived => "violated, waived",
        Standing::Baselined => "violated, in the baseline",
        Standing::Inconclusive => "inconclusive",
        Standing::Unexpected => "violated",
    }
}

/// What a policy amounts to.
pub fn policy(result: &PolicyResult) -> &'static str {
    let violated = |property: &PropertyResult| {
        property.standing() == Standing::Unexpected && property.verdict == Verdict::Violated
    };
    match result.standing() {
        Standing::Unexpected if !result.properties.iter().any(violated) => "expectation not met",
        Standing::Met => match how_proved(result) {
            Proved::No => standing(Standing::Met),
            Proved::InPart => "holds, proved in part",
            Proved::Whole => "proved",
        },
        other => standing(other),
    }
}

/// How much of a policy is proved for any number of attempts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proved {
    No,
    InPart,
    Whole,
}

fn how_proved(result: &PolicyResult) -> Proved {
    let judged = || result.properties.iter().filter(|found| found.verdict != Verdict::NotApplicable);
    let is_proved = |found: &PropertyResult| found.verdict == Verdict::Proved;
    match (judged().any(is_proved), judged().all(is_proved)) {
        (false, _) => Proved::No,
        (true, false) => Proved::InPart,
        (true, true) => Proved::Whole,
    }
}

/// How many of the policies that hold are proved, in brackets; empty where none is.
pub fn proved(report: &Report) -> String {
    let count = |how: Proved| {
        let of = report.policies.iter().filter(|policy| policy.standing() == Standing::Met);
        of.filter(|policy| how_proved(policy) == how).count() as u64
    };
    let counts = [(count(Proved::Whole), "proved"), (count(Proved::InPart), "proved in part")];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", grouped(*count)))
        .collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// A verdict against the expectation.
pub fn verdict(property: &PropertyResult) -> String {
    let is = match property.verdict {
        Verdict::NotApplicable => "not applicable",
        other => other.name(),
    };
    match (property.standing(), property.expected) {
        (Standing::MetViolated, _) => "violated, as expected".to_owned(),
        (Standing::Waived, _) => "violated, waived".to_owned(),
        (Standing::Baselined, _) => "violated, in the baseline".to_owned(),
        (Standing::Unexpected, Some(Verdict::Violated))
            if matches!(property.verdict, Verdict::Holds | Verdict::Proved) =>
        {
            "expected violated, but it holds".to_owned()
        }
        (Standing::Unexpected, Some(Verdict::Proved)) if property.verdict == Verdict::Holds => {
            match property.reason.is_empty() {
                true => "expected proved, and only `verify --prove` tries that".to_owned(),
                false => "expected proved, but it holds in this scope only".to_owned(),
            }
        }
        (Standing::Unexpected | Standing::Inconclusive, Some(expected)) => {
            format!("expected {}, but it is {is}", expected.name().replace('-', " "))
        }
        (Standing::Met, Some(Verdict::Inconclusive)) => "inconclusive, as expected".to_owned(),
        _ => is.to_owned(),
    }
}

/// A property's result as one sentence: verdict, number, reason.
pub fn finding(property: &PropertyResult) -> String {
    let mut line = verdict(property);
    if let Some(number) = &property.number {
        line.push_str(&format!("; {} {}", number.name, grouped_value(&number.value)));
    }
    if !property.reason.is_empty() && property.standing() != Standing::Met {
        line.push_str(&format!(": {}", property.reason));
    }
    if let Some(lapsed) = &property.lapsed {
        line.push_str(&format!("; {lapsed}"));
    }
    line
}

/// A waiver in one line: whose it is, and what it comes to.
pub fn waiver(waiver: &WaiverResult) -> String {
    let days = |days: i64| if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
    let state = match (waiver.state, waiver.days_left) {
        (WaiverState::Active, left) => format!("active, {} left", days(left)),
        (WaiverState::Expiring, 0) => "expires today".to_owned(),
        (WaiverState::Expiring, left) => format!("expires in {}", days(left)),
        (WaiverState::Expired, left) => format!("expired {} ago", days(-left)),
        (WaiverState::Unused, _) => {
            "not needed: what it is for is not violated, or expected to be".to_owned()
        }
    };
    let owner = waiver.owner.as_ref().map(|owner| format!(", owner {owner}")).unwrap_or_default();
    let ticket = waiver.ticket.as_ref().map(|ticket| format!(", ticket {ticket}")).unwrap_or_default();
    format!("{} until {}{owner}{ticket}: {state}: {}", waiver.property, waiver.until, waiver.reason)
}

/// How many waivers there are of each state; empty where there are none.
pub fn waivers(report: &Report) -> String {
    let counts =
        WaiverState::ALL.map(|state| (state, report.waivers.get(state.name()).copied().unwrap_or(0)));
    let parts = counts.iter().filter(|(_, count)| *count > 0);
    let parts: Vec<String> =
        parts.map(|(state, count)| format!("{} {}", grouped(*count), state.name())).collect();
    parts.join(", ")
}

/// What a baseline came to, in one line.
pub fn baseline(baseline: &BaselineResult) -> String {
    let count = |count: u64, what: &str| format!("{} {what}", grouped(count));
    let (known, stale) = (count(baseline.known, "known"), count(baseline.stale.len() as u64, "stale"));
    format!("{}: {known}, {stale}", baseline.path)
}

/// An entry of a baseline that nothing needs any more.
pub fn stale(stale: &Stale) -> String {
    format!("{}, {}: {}", stale.policy, stale.property, stale.why)
}

/// Which part of a run a report is of.
pub fn partition(partition: &Partition) -> String {
    format!(
        "part {}/{}: {} of {} policies",
        partition.number,
        partition.of,
        grouped(partition.selected),
        grouped(partition.total)
    )
}

/// The scope and whether it was searched to the end: a verdict means nothing without both.
pub fn scope(result: &PolicyResult) -> String {
    scope_with(result, "complete", "NOT COMPLETE")
}

/// The same with other words, coloured ones say, for how a search ended.
pub fn scope_with(result: &PolicyResult, complete: &str, unfinished: &str) -> String {
    let mut line = format!("{}; {}", result.scope_line, searched(&result.search, complete, unfinished));
    if let Some(loops) = &result.loops {
        line.push_str(&format!("; loops: {}", searched(loops, complete, unfinished)));
    }
    if result.engine != "zones" {
        line.push_str(&format!("; engine {}", result.engine));
    }
    line
}

fn searched(search: &SearchStats, complete: &str, unfinished: &str) -> String {
    let end = match (&search.stopped_by, search.complete) {
        (_, true) => complete.to_owned(),
        (Some(limit), false) => format!("{unfinished}, stopped by {limit} at depth {}", search.depth),
        (None, false) => format!("{unfinished}, stopped at depth {}", search.depth),
    };
    let counted = |count: u64, what: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{} {what}{plural}", grouped(count))
    };
    format!("{}, {}, {end}", counted(search.visited, "zone"), counted(search.states, "state"))
}

/// A plain count gets separators, `30s` and `unbounded` stay as they are.
pub fn grouped_value(value: &str) -> String {
    value.parse().map_or_else(|_| value.to_owned(), grouped)
}

/// A word that can be pasted into a shell.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@=:,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_counts_have_separators() {
        assert_eq!(grouped_value("12034"), "12,034");
        assert_eq!(grouped_value("30s"), "30s");
    }

    #[test]
    fn paths_survive_a_shell() {
        assert_eq!(shell_word("traces/a.json"), "traces/a.json");
        assert_eq!(shell_word("my traces/it's.json"), r"'my traces/it'\''s.json'");
    }
}
