//! Suggestions, for people and for machines.

use std::io::{self, Write};

use super::human::{BOLD, CYAN, DIM, GREEN, PLAIN, PLAIN_RED as RED, YELLOW};
use crate::check::suggest::{Edit, Kind, Suggestion, Suggestions};
use crate::check::verdict::grouped;

/// One JSON document with a newline at its end.
pub fn json(suggestions: &Suggestions, out: &mut dyn Write) -> io::Result<()> {
    super::json::document(suggestions, out)
}

/// Of [`json`].
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Suggestions)
}

/// What is violated, what would mend it, with a patch for each, and what was tried.
pub fn human(found: &Suggestions, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{BOLD}{}{PLAIN}  {}", found.path, found.policy)?;
    if let Some(why) = &found.open {
        return writeln!(out, "  {YELLOW}no suggestions:{PLAIN} {why}");
    }
    if found.violated.is_empty() {
        return writeln!(out, "  {GREEN}nothing is violated{PLAIN}: there is nothing to change");
    }
    let violated: Vec<&str> = found.violated.iter().map(|property| property.name()).collect();
    writeln!(out, "  violated: {}", violated.join(", "))?;
    for (kind, title) in [
        (Kind::Protocol, "Change the protocol"),
        (Kind::Promise, "Promise more: somebody else has to keep what is promised"),
    ] {
        let of_kind = found.suggestions.iter().enumerate().filter(|(_, one)| one.kind == kind);
        let mut of_kind = of_kind.peekable();
        if of_kind.peek().is_some() {
            writeln!(out, "\n{BOLD}{title}{PLAIN}")?;
        }
        for (index, one) in of_kind {
            suggestion(index + 1, one, out)?;
        }
    }
    if found.suggestions.is_empty() {
        writeln!(out, "  {YELLOW}no change that was tried makes them hold{PLAIN}")?;
    }
    writeln!(out, "\n{DIM}{}{PLAIN}", tried(found))
}

fn suggestion(number: usize, one: &Suggestion, out: &mut dyn Write) -> io::Result<()> {
    let lines: Vec<String> = one.changes.iter().map(Edit::line).collect();
    writeln!(out, "\n{number}. {CYAN}{}{PLAIN}", lines.join("; "))?;
    for change in &one.changes {
        if let Some(keeper) = &change.keeper {
            writeln!(out, "   {} is for {keeper} to keep", change.name)?;
        }
    }
    if !one.expectations.is_empty() {
        let names: Vec<&str> = one.expectations.iter().map(|property| property.name()).collect();
        writeln!(out, "   no longer violated, and so no longer expected: {}", names.join(", "))?;
    }
    for line in one.patch.lines() {
        let colour = match line.as_bytes().first() {
            Some(b'+') => GREEN,
            Some(b'-') => RED,
            Some(b'@') => CYAN,
            _ => "",
        };
        let plain = if colour.is_empty() { "" } else { PLAIN };
        writeln!(out, "{colour}{line}{plain}")?;
    }
    Ok(())
}

/// What was tried, and what was not.
fn tried(found: &Suggestions) -> String {
    let tried = &found.tried;
    let (singles, pairs, checks) = (grouped(tried.singles), grouped(tried.pairs), grouped(tried.checks));
    let mut line = format!("tried: {singles} single changes");
    if tried.pairs > 0 {
        line.push_str(&format!(", {pairs} pairs"));
    }
    line.push_str(&format!(
        "; {checks} checks, {:.1} s; limits: {:.0} s, {} zones a check",
        tried.seconds,
        tried.seconds_max,
        grouped(tried.zones_max)
    ));
    if tried.undecided > 0 {
        line.push_str(&format!("; {} not decided within them", grouped(tried.undecided)));
    }
    if let Some(limit) = &tried.stopped_by {
        line.push_str(&format!("; stopped by {limit}, and there may be more"));
    }
    line
}
