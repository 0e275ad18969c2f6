//! Verdicts in words and marks, for every format that people read.

use crate::check::verdict::{PolicyResult, PropertyResult, SearchStats, Standing, Verdict, grouped};

/// The mark of a standing: colour never says anything alone.
pub fn mark(standing: Standing) -> &'static str {
    match standing {
        Standing::NotApplicable => "–",
        Standing::Met | Standing::MetViolated => "✓",
        Standing::Waived => "!",
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
        other => standing(other),
    }
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
        (Standing::Unexpected, Some(Verdict::Violated))
            if matches!(property.verdict, Verdict::Holds | Verdict::Proved) =>
        {
            "expected violated, but it holds".to_owned()
        }
        (Standing::Unexpected, Some(Verdict::Proved)) if property.verdict == Verdict::Holds => {
            "expected proved, but it holds in this scope only".to_owned()
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
    line
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
