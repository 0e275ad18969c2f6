//! Every duration and count that a policy declares, or that its presets say in its place: what each is now, and
//! the policy's text with another value there.

use toml::de::{DeTable, DeValue};

use super::keys::{NATIVE_KEY, POLICY};
use super::presets::{self, Fills};
use crate::source::duration::{self, DURATION_DAYS_MAX};
use crate::source::edit;
use crate::source::keys::{Kind, Section};
use crate::source::reader;

/// Tables that say how a policy is run, not what is checked.
const NOT_CHECKED: [&str; 3] = ["http", "load", "simulate"];

/// One duration or count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Tables and key: `["store", "lease"]`.
    pub path: Vec<String>,
    /// Of a range: 0 is the shortest, 1 the longest.
    pub end: Option<usize>,
    /// As it is written, without quotes.
    pub written: String,
    /// Counts, or milliseconds.
    pub value: i64,
    pub what: What,
    /// The preset that says it, where the file does not.
    pub preset: Option<&'static str>,
    /// Of a value that is not in the file: what stands around it when it is put there.
    around: Option<(String, String)>,
}

/// How a value moves, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// By the smallest unit that is written, in milliseconds: `1m30s` moves in seconds.
    Duration {
        step_ms: i64,
        zero: bool,
    },
    Count {
        min: i64,
        max: i64,
    },
}

impl Declared {
    /// `store.lease`, `downstream.latency (longest)`.
    pub fn name(&self) -> String {
        let name = self.path.join(".");
        match self.end {
            None => name,
            Some(0) => format!("{name} (shortest)"),
            Some(_) => format!("{name} (longest)"),
        }
    }

    /// What it moves by: milliseconds, or 1.
    pub fn step(&self) -> i64 {
        match self.what {
            What::Duration { step_ms, .. } => step_ms,
            What::Count { .. } => 1,
        }
    }

    /// The least and the greatest value that can be written, in whole steps.
    pub fn range(&self) -> (i64, i64) {
        match self.what {
            What::Duration { step_ms, zero } => {
                let least = if zero { 0 } else { step_ms };
                (least, DURATION_DAYS_MAX * 86_400_000 / step_ms * step_ms)
            }
            What::Count { min, max } => (min, max),
        }
    }

    /// A value as people write it: in the unit of the one that is there.
    pub fn show(&self, value: i64) -> String {
        match self.what {
            What::Count { .. } => value.to_string(),
            What::Duration { step_ms, .. } => match single_unit(&self.written) {
                Some(unit) => format!("{}{unit}", value / step_ms),
                None => duration::show(value),
            },
        }
    }

    /// A value as TOML.
    pub fn toml(&self, value: i64) -> String {
        match self.what {
            What::Count { .. } => value.to_string(),
            What::Duration { .. } => format!("\"{}\"", self.show(value)),
        }
    }

    /// The text with another value here.
    pub fn write(&self, text: &str, value: i64) -> Option<String> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let value = self.toml(value);
        match (&self.around, self.end) {
            (Some((before, after)), _) => {
                // What a preset says of a table within one is put there with all of it.
                let path = &path[..path.len().min(2)];
                edit::set(text, path, &format!("{before}{value}{after}"))
            }
            (None, Some(end)) => edit::set_item(text, &path, end, &value),
            (None, None) => edit::set(text, &path, &value),
        }
    }
}

/// The unit of a duration that is written with one only.
fn single_unit(written: &str) -> Option<&str> {
    let unit = written.trim_start_matches(|c: char| c.is_ascii_digit());
    unit.chars().all(char::is_alphabetic).then_some(unit)
}

/// The smallest unit of a duration, in milliseconds.
fn step_ms(written: &str) -> i64 {
    let unit = written.rsplit(|c: char| c.is_ascii_digit()).next().unwrap_or_default();
    duration::parse(&format!("1{unit}")).unwrap_or(1)
}

/// Everything declared in a policy's text, in its order; then what its presets say, table by table.
pub fn declared(text: &str) -> Vec<Declared> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Vec::new();
    }
    let mut out = Vec::new();
    section(&POLICY, document.get_ref(), &mut Vec::new(), &mut out);
    for fills in Fills::ALL {
        let table = document.get_ref().get(fills.name()).and_then(|table| table.get_ref().as_table());
        out.extend(table.into_iter().flat_map(|table| from_preset(table, fills)));
    }
    out
}

fn section(section: &Section, table: &DeTable<'_>, path: &mut Vec<String>, out: &mut Vec<Declared>) {
    for (key, value) in table {
        let Some(key) = section.key(key.get_ref()).filter(|key| !NOT_CHECKED.contains(&key.name)) else {
            continue;
        };
        path.push(key.name.to_owned());
        entry(&key.kind, value.get_ref(), path, out);
        path.pop();
    }
}

fn entry(kind: &Kind, value: &DeValue<'_>, path: &mut Vec<String>, out: &mut Vec<Declared>) {
    let one = |what, end, written: &str, value| Declared {
        path: path.clone(),
        end,
        written: written.to_owned(),
        value,
        what,
        preset: None,
        around: None,
    };
    let duration = |value: &DeValue<'_>, zero, end| {
        let written = value.as_str()?;
        let ms = duration::parse(written).ok()?;
        Some(one(What::Duration { step_ms: step_ms(written), zero }, end, written, ms))
    };
    match (*kind, value) {
        (Kind::Duration { zero }, value) => out.extend(duration(value, zero, None)),
        (Kind::DurationRange, DeValue::Array(items)) => {
            let items = items.iter().take(2).enumerate();
            let ends = items.filter_map(|(end, item)| duration(item.get_ref(), end == 0, Some(end)));
            out.extend(ends);
        }
        (Kind::Count { min, max }, DeValue::Integer(integer)) => {
            if let Ok(number) = i64::from_str_radix(integer.as_str(), integer.radix()) {
                let what = What::Count { min: min.into(), max: max.into() };
                out.push(one(what, None, &number.to_string(), number));
            }
        }
        (Kind::NativeKey, DeValue::Table(inner)) => section(&NATIVE_KEY, inner, path, out),
        (Kind::Table(inner), DeValue::Table(table)) => section(inner, table, path, out),
        (Kind::NamedTables(inner), DeValue::Table(tables)) => {
            for (name, table) in tables {
                if let DeValue::Table(table) = table.get_ref() {
                    path.push(name.get_ref().to_string());
                    section(inner, table, path, out);
                    path.pop();
                }
            }
        }
        (Kind::Map(None, kind), DeValue::Table(entries)) => {
            for (name, value) in entries {
                path.push(name.get_ref().to_string());
                entry(kind, value.get_ref(), path, out);
                path.pop();
            }
        }
        _ => {}
    }
}

/// What the preset that a table names as its `kind` says and the table does not.
fn from_preset(table: &DeTable<'_>, fills: Fills) -> Vec<Declared> {
    let kind = table.get("kind").and_then(|kind| kind.get_ref().as_str());
    let name = kind.and_then(|kind| presets::names(fills).into_iter().find(|name| *name == kind));
    let Some((name, text)) = name.and_then(|name| Some((name, presets::text(fills, name)?))) else {
        return Vec::new();
    };
    let (document, _) = DeTable::parse_recoverable(text);
    let Some(DeValue::Table(facts)) = document.get_ref().get(fills.name()).map(|facts| facts.get_ref())
    else {
        return Vec::new();
    };
    let given = reader::given(fills.section(), table);
    let mut out = Vec::new();
    for (key, value) in facts {
        let Some(key) = fills.section().key(key.get_ref()).filter(|key| !given.contains(key.name)) else {
            continue;
        };
        let mut found = Vec::new();
        entry(
            &key.kind,
            value.get_ref(),
            &mut vec![fills.name().to_owned(), key.name.to_owned()],
            &mut found,
        );
        let whole = &text[value.span()];
        for mut one in found {
            let quoted = one.toml(one.value);
            // The first of two ends that are alike is the shortest.
            let at = if one.end == Some(1) { whole.rfind(&quoted) } else { whole.find(&quoted) };
            let Some(at) = at else { continue };
            one.preset = Some(name);
            one.around = Some((whole[..at].to_owned(), whole[at + quoted.len()..].to_owned()));
            out.push(one);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<(String, String, Option<&'static str>)> {
        declared(text).into_iter().map(|one| (one.name(), one.written, one.preset)).collect()
    }

    #[test]
    fn durations_and_counts_are_found_with_those_of_presets() {
        let text = "policy = \"a\"\n[trigger]\nrequests = 2\nwithin = \"1h30m\"\n[store]\nkind = \"sqlite\"\n\
            [downstream]\nkind = \"stripe-v1\"\nlatency = [\"20ms\", \"8s\"]\n[guards.slow]\nspan = \"10m\"\n\
            [waits]\npoll = \"1s\"\n[load]\nbursts = 3\n[simulate]\nuntil = \"1h\"\n[queue]\nkind = \"sqs-fifo\"\nvisibility = \"1m\"\n";
        let own = |name: &str, written: &str| (name.to_owned(), written.to_owned(), None);
        assert_eq!(
            named(text),
            [
                own("trigger.requests", "2"),
                own("trigger.within", "1h30m"),
                own("downstream.latency (shortest)", "20ms"),
                own("downstream.latency (longest)", "8s"),
                own("guards.slow.span", "10m"),
                own("waits.poll", "1s"),
                own("queue.visibility", "1m"),
                ("downstream.native_key.ttl".to_owned(), "24h".to_owned(), Some("stripe-v1")),
                ("queue.dedup".to_owned(), "5m".to_owned(), Some("sqs-fifo")),
            ]
        );
    }

    #[test]
    fn a_value_moves_by_its_smallest_unit() {
        let all =
            declared("[store]\nlease = \"1h30m\"\nttl = \"250ms\"\n[faults]\npause = \"0s\"\ncrashes = 1\n");
        let steps: Vec<i64> = all.iter().map(Declared::step).collect();
        assert_eq!(steps, [60_000, 1, 1_000, 1]);
        assert_eq!(all[0].show(5_460_000), "1h31m");
        assert_eq!(all[1].show(2_000), "2000ms");
        assert_eq!(all.iter().map(|one| one.range().0).collect::<Vec<_>>(), [60_000, 1, 0, 0]);
    }

    #[test]
    fn what_a_preset_says_is_written_beside_its_kind() {
        let text = "[downstream]\nkind = \"stripe-v1\"\n";
        let [one] = &declared(text)[..] else { panic!("one") };
        let written = one.write(text, 25 * 3_600_000).unwrap();
        assert_eq!(written, format!("{text}native_key = {{ ttl = \"25h\", compares = true }}\n"));
        let [again] = &declared(&written)[..] else { panic!("one") };
        assert_eq!((again.written.as_str(), again.preset), ("25h", None));
        assert_eq!(again.write(&written, 86_400_000).unwrap(), written.replace("25h", "24h"));
    }

    #[test]
    fn every_value_of_a_shipped_policy_can_be_written_back() {
        let loaded = crate::policy::load(&["policies".into()], None);
        for policy in &loaded.policies {
            let text = loaded.texts(policy).0;
            for one in declared(text) {
                let same = one.write(text, one.value).unwrap_or_else(|| panic!("{}", one.name()));
                assert!(one.preset.is_some() || same == text, "{}", one.name());
                assert!(
                    declared(&same)
                        .iter()
                        .any(|other| (other.name(), other.value) == (one.name(), one.value))
                );
                let (least, greatest) = one.range();
                assert!((least..=greatest).contains(&one.value), "{}", one.name());
            }
        }
    }
}
