//! Margins in words, for people at a terminal and for pages.

use std::io::{self, Write};

use super::human::{CYAN, DIM, PLAIN, YELLOW};
use crate::check::margins::{End, Inside, Margin, MarginUnit, Margins, Side, VerdictChange};
use crate::check::verdict::{format_ms, grouped};

/// What was searched, and how far: one line.
pub fn summary(margins: &Margins) -> String {
    let count = margins.declarations.len();
    let noun = if count == 1 { "declaration" } else { "declarations" };
    let (probes, zones) = (grouped(margins.probes), grouped(margins.limits.zones));
    let mut line = format!(
        "{count} {noun}, {probes} checks, {:.1} s; limits: {:.0} s, {} checks a declaration, {zones} zones and {:.0} s \
         a check",
        margins.seconds, margins.limits.seconds, margins.limits.probes, margins.limits.check_seconds
    );
    if let Some(limit) = &margins.stopped_by {
        line.push_str(&format!("; stopped by {limit}"));
    }
    line
}

/// The declaration with where it comes from, where that is not the policy itself.
pub fn name(margin: &Margin) -> String {
    let member = margin.member.as_ref().map_or(String::new(), |member| format!("{member}: "));
    let preset = margin.preset.as_ref().map_or(String::new(), |preset| format!(" (preset {preset})"));
    format!("{member}{}{preset}", margin.declaration)
}

/// The span in which every verdict stays as it is.
pub fn interval(margin: &Margin) -> String {
    let open = |side: &Side| matches!(side.end, End::Open { .. });
    let (below, above) = (&margin.below, &margin.above);
    if open(below) && open(above) && below.safe == above.safe {
        return "not known".to_owned();
    }
    let shown = |side: &Side| match margin.unit {
        // Far from what is written, another unit reads better.
        MarginUnit::Milliseconds if side.safe / margin.step >= 1_000 => format_ms(side.safe),
        _ => side.safe_written.clone(),
    };
    let least = if open(below) { "≤ " } else { "" };
    let most = if open(above) { "≥ " } else { "" };
    if below.safe == above.safe && !open(below) && !open(above) {
        return format!("{} only", shown(below));
    }
    let to = match above.end {
        End::EndOfRange => format!("{} (the most)", shown(above)),
        _ => shown(above),
    };
    format!("{least}{} to {most}{to}", shown(below))
}

/// A margin in one line: `store.lease is 12s: no other verdict from 1s to 15s; at 16s, 4s away, violated → holds: …`.
pub fn line(margin: &Margin) -> String {
    let ends = [&margin.below, &margin.above].into_iter().filter_map(|side| end(margin, side));
    let parts =
        [format!("{} is {}: every verdict stays, {}", name(margin), margin.written, interval(margin))];
    let parts: Vec<String> = parts.into_iter().chain(ends).chain(inside(margin)).collect();
    parts.join("; ")
}

/// A distance in the unit of the declaration.
pub fn amount(margin: &Margin, distance: i64) -> String {
    match margin.unit {
        MarginUnit::Count => distance.to_string(),
        MarginUnit::Milliseconds => format_ms(distance),
    }
}

/// What comes after a side's last safe value; none: no value does.
pub fn end(margin: &Margin, side: &Side) -> Option<String> {
    match &side.end {
        End::Flips { at, at_written, changes } => {
            let away = amount(margin, (at - margin.value).abs());
            Some(format!("{at_written}, {away} away: {}", changed(changes)))
        }
        End::NotAllowed { at_written, why, .. } => Some(format!("{at_written} is not allowed: {why}")),
        End::EndOfRange => None,
        End::Open { why } => Some(format!("open beyond {}: {why}", side.safe_written)),
    }
}

/// What was tried between the value and its two edges; none: every value.
pub fn inside(margin: &Margin) -> Option<String> {
    let count = |side: &Side| match side.inside {
        Inside::EveryValue => None,
        Inside::Critical { tried, known } => Some((tried, known)),
    };
    let (tried, known) = match (count(&margin.below), count(&margin.above)) {
        (None, None) => return None,
        (Some(one), None) | (None, Some(one)) => one,
        (Some(below), Some(above)) => (below.0 + above.0, below.1 + above.1),
    };
    Some(format!("inside, {} of {} critical values tried", grouped(tried), grouped(known)))
}

/// `violated → holds: single-execution, claim-exclusive`.
pub fn changed(changes: &[VerdictChange]) -> String {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for change in changes {
        let kind = format!("{} → {}", change.from.name(), change.to.name());
        match groups.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, names)) => names.push(change.property.name()),
            None => groups.push((kind, vec![change.property.name()])),
        }
    }
    let groups: Vec<String> =
        groups.into_iter().map(|(kind, names)| format!("{kind}: {}", names.join(", "))).collect();
    groups.join("; ")
}

/// A row for each declaration, and below it what comes after its span.
pub fn human(margins: &Margins, out: &mut dyn Write) -> io::Result<()> {
    if let Some(why) = &margins.open {
        return writeln!(out, "  {YELLOW}margins: none:{PLAIN} {why}");
    }
    writeln!(
        out,
        "  {DIM}margins: every verdict stays as it is while one value moves within its span{PLAIN}"
    )?;
    let rows: Vec<[String; 3]> = margins
        .declarations
        .iter()
        .map(|margin| [name(margin), margin.written.clone(), interval(margin)])
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (names, now, span) = (width(0).max(11), width(1).max(3), width(2));
    writeln!(out, "    {DIM}{:names$}  {:>now$}  every verdict stays{PLAIN}", "declaration", "now")?;
    for (row, margin) in rows.iter().zip(&margins.declarations) {
        let inside = inside(margin).map(|inside| format!("{DIM}({inside}){PLAIN}")).unwrap_or_default();
        let line = format!("    {:names$}  {:>now$}  {:span$}  {inside}", row[0], row[1], row[2]);
        writeln!(out, "{}", line.trim_end())?;
        for (mark, side) in [("↓", &margin.below), ("↑", &margin.above)] {
            let Some(end) = end(margin, side) else { continue };
            let colour = if matches!(side.end, End::Flips { .. }) { CYAN } else { YELLOW };
            writeln!(out, "    {:names$}  {:now$}  {colour}{mark}{PLAIN} {end}", "", "")?;
        }
    }
    writeln!(out, "  {DIM}{}{PLAIN}", summary(margins))
}
