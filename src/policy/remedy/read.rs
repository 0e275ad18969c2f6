//! TOML → [`Remedy`]'s parts, and what they must be to one another.

use super::keys::GUARDS_MAX;
use super::{
    ActErrors, Action, ActionKind, Boundary, Change, Fault, FlapAlgorithm, Form, GuardKind, GuardRule, Harm,
    Human, Rounding, Target, TargetKind,
};
use crate::diag::Code;
use crate::guard::Portion;
use crate::source::Located;
use crate::source::reader::{Reader, Table};

fn flag(table: &Table<'_>, name: &str, default: bool, reader: &mut Reader) -> bool {
    reader.flag(table, name).map_or(default, |flag| flag.value)
}

fn number(table: &Table<'_>, name: &str, default: u32, reader: &mut Reader) -> u32 {
    reader.count(table, name).map_or(default, |count| count.value)
}

/// `[target]`; `policy` is the name of the policy, which a target has that names none.
pub fn target(table: &Table<'_>, policy: &str, reader: &mut Reader) -> Option<Located<Target>> {
    let name = reader.text(table, "name").map_or_else(|| policy.to_owned(), |name| name.value);
    let word = reader.word(table, "kind", &[]).map(|word| word.value);
    let size = reader.count(table, "size");
    let floor = reader.count(table, "floor");
    let start = reader.count(table, "start");
    let fits = |given: &Option<Located<u32>>| given.as_ref().map_or(0, |count| count.value);
    let mut misfit = |given: &Option<Located<u32>>, message: &str| {
        if let Some(given) = given {
            reader.push(reader.fault(Code::TargetMismatch, message).at(given.span, "").help("remove it"));
        }
    };
    let kind = match word {
        Some("value") => {
            misfit(&size, "a value has no `size`");
            Some(TargetKind::Value { start: fits(&start), floor: fits(&floor) })
        }
        Some(kind) => {
            misfit(&start, "only a value has a `start`");
            if kind == "instance" {
                misfit(&size, "one instance has no `size`");
            }
            let size = if kind == "instance" { 1 } else { fits(&size).max(1) };
            if let Some(floor) = floor.as_ref().filter(|floor| floor.value > size) {
                let message = format!("a floor of {} in a fleet of {size}", floor.value);
                reader.push(
                    reader
                        .fault(Code::TargetMismatch, message)
                        .at(floor.span, "never met")
                        .help("a floor is the number of members that must serve at all times")
                        .paste(format!("floor = {}", size.saturating_sub(1))),
                );
            }
            Some(TargetKind::Members { size, floor: fits(&floor) })
        }
        None => None,
    };
    let act = reader.duration_range(table, "act", true);
    if let Some([shortest, longest]) = act.filter(|[shortest, longest]| shortest.value > longest.value) {
        reader.push(
            reader
                .fault(Code::TargetMismatch, "an action that takes longer at the least than at the most")
                .at(longest.span, "the longest time")
                .also(shortest.span, "the shortest one")
                .help("exchange them"),
        );
    }
    let limit = reader.count(table, "actions_max");
    let per = reader.duration(table, "per");
    if limit.is_some() != per.is_some() {
        let span = limit.as_ref().map(|l| l.span).or(per.as_ref().map(|p| p.span)).unwrap_or(table.header);
        reader.push(
            reader
                .fault(Code::TargetMismatch, "`actions_max` and `per` belong together")
                .at(span, "")
                .help("say both")
                .paste("actions_max = 3\nper         = \"1h\""),
        );
    }
    let value = matches!(kind, Some(TargetKind::Value { .. }));
    let fault = match reader.word(table, "fault", &[]).map(|word| word.value) {
        Some("none") => Fault::None,
        Some("transient") => Fault::Transient,
        Some("persistent") => Fault::Persistent,
        Some("recurring") => Fault::Recurring,
        Some("flapping") => Fault::Flapping,
        Some("apparent") => Fault::Apparent,
        Some(_) => Fault::Curable,
        None if value => Fault::None,
        None => Fault::Curable,
    };
    let mut target = Target {
        name,
        kind: TargetKind::Members { size: 1, floor: 0 },
        act_min: act.map_or(0, |[shortest, _]| shortest.value),
        act_max: act.map(|[_, longest]| longest.value),
        timeout: reader.duration(table, "timeout").map(|time| time.value),
        settle: reader.duration(table, "settle").map_or(0, |time| time.value),
        lag: reader.duration(table, "lag").map(|time| time.value),
        unknown: flag(table, "unknown", true, reader),
        errors: match reader.word(table, "errors", &[]).map(|word| word.value) {
            Some("never") => ActErrors::Never,
            Some("definite") => ActErrors::Definite,
            _ => ActErrors::Ambiguous,
        },
        partial: flag(table, "partial", false, reader),
        fault,
        period: reader.duration(table, "period").map_or(0, |time| time.value),
        faulty: number(table, "faulty", 1, reader),
        harm: match reader.word(table, "harm", &[]).map(|word| word.value) {
            Some("spreads") => Harm::Spreads,
            Some("relapses") => Harm::Relapses,
            _ => Harm::None,
        },
        limit: limit.zip(per).map(|(limit, per)| (limit.value, per.value)),
        hold: reader.duration(table, "hold").map(|time| time.value),
        reversals: number(table, "reversals", 0, reader),
    };
    target.kind = kind?;
    Some(Located::new(target, table.header))
}

/// `[action]`.
pub fn action(table: &Table<'_>, reader: &mut Reader) -> Option<Located<Action>> {
    let kind = reader.word(table, "kind", &[]).and_then(|word| ActionKind::from_name(word.value));
    let form = match reader.word(table, "form", &[]).map(|word| word.value) {
        Some("compare-and-set") => Form::CompareAndSet,
        Some("keyed") => Form::Keyed,
        _ => Form::Plain,
    };
    let mut count = |name, change: fn(u32) -> Change| {
        reader.count(table, name).map(|count| Located::new(change(count.value), count.span))
    };
    let given = [count("sets", Change::Sets), count("adds", Change::Adds), count("removes", Change::Removes)];
    let given: Vec<Located<Change>> = given.into_iter().flatten().collect();
    if let [_, second, ..] = &given[..] {
        reader.push(
            reader
                .fault(Code::TargetMismatch, "an action sets, adds or removes: one of them")
                .at(second.span, "")
                .help("keep one, and give the other action a policy of its own"),
        );
    }
    let wants = (number(table, "wants_min", 0, reader), number(table, "wants_max", 15, reader));
    let kind = kind?;
    let change = match (given.first(), kind) {
        (Some(change), _) => change.value,
        (None, ActionKind::Failover | ActionKind::FailBack) => Change::Toggles,
        _ => Change::None,
    };
    Some(Located::new(Action { kind, form, change, wants }, table.header))
}

/// One `[guards.NAME]`; `size` is that of the fleet.
pub fn guard(name: &str, table: &Table<'_>, size: u32, reader: &mut Reader) -> Option<GuardRule> {
    let kind = reader.word(table, "kind", &[]).and_then(|word| GuardKind::from_name(word.value));
    let percent = reader.count(table, "percent").map(|count| count.value);
    let rounding = match reader.word(table, "rounding", &[]).map(|word| word.value) {
        Some("up") => Rounding::Up,
        _ => Rounding::Down,
    };
    let limit = reader.count(table, "limit").map(|count| count.value);
    let span = reader.duration(table, "span");
    let nagios = reader.word(table, "algorithm", &[]).is_some_and(|word| word.value == "nagios");
    let low = number(table, "low", if nagios { 20 } else { 25 }, reader);
    let high = number(table, "high", 30, reader);
    let edge = match reader.word(table, "edge", &[]).map(|word| word.value) {
        Some("reached") => Boundary::Reached,
        Some("exceeded") => Boundary::Exceeded,
        _ => Boundary::Either,
    };
    let per_target = reader.word(table, "per", &[]).is_none_or(|word| word.value == "target");
    let durable = reader.word(table, "memory", &[]).is_some_and(|word| word.value == "durable");
    let minimum_calls = reader.count(table, "minimum_calls").map(|count| count.value);
    let trials = number(table, "trials", 1, reader);
    let kind = kind?;
    let timed = !matches!(kind, GuardKind::InFlight | GuardKind::Population | GuardKind::Flap);
    if timed && span.is_none() {
        let message = format!("the guard `{name}` counts time, and has no `span`");
        reader.push(
            reader
                .fault(Code::MissingKey, message)
                .at(table.header, "")
                .help("add the line")
                .paste("span = \"10m\""),
        );
        return None;
    }
    let portion = percent.filter(|_| kind != GuardKind::Breaker);
    let part = portion.map(|percent| Portion::Percent(percent.into()).of(size.into(), rounding) as u32);
    let limit = part.or(limit).unwrap_or(1);
    Some(GuardRule {
        name: name.to_owned(),
        kind,
        limit,
        span: span.map_or(0, |span| span.value),
        edge,
        per_target,
        durable,
        failure_percent: percent.filter(|_| kind == GuardKind::Breaker).unwrap_or(50),
        minimum_calls: minimum_calls.unwrap_or(limit.max(1)),
        trials,
        flap: (if nagios { FlapAlgorithm::Nagios } else { FlapAlgorithm::Icinga2 }, low, high),
    })
}

/// `[guards]`: tables whose names are the author's.
pub fn guards(tables: Vec<(Located<String>, Table<'_>)>, size: u32, reader: &mut Reader) -> Vec<GuardRule> {
    if let Some((name, _)) = tables.get(GUARDS_MAX) {
        let message = format!("{} guards, and the most that can be checked is {GUARDS_MAX}", tables.len());
        reader.push(reader.fault(Code::TooManyStates, message).at(name.span, "too many from here on"));
    }
    let mut rules: Vec<GuardRule> =
        tables.iter().filter_map(|(name, table)| guard(&name.value, table, size, reader)).collect();
    rules.sort_by(|a, b| a.name.cmp(&b.name));
    rules
}

/// `[human]`.
pub fn human(table: &Table<'_>, reader: &mut Reader) -> Human {
    Human {
        approval: reader.duration(table, "approval").map(|time| time.value),
        within: reader.duration(table, "within").map(|time| time.value),
        silences: flag(table, "silences", false, reader),
    }
}
