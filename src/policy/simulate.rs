//! `[simulate]`: how long things take and how often they go wrong, for sampled runs.
//!
//! The checker has no use for it: what can happen at all is said by the rest of the policy.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeValue;

use crate::diag::{Code, Diagnostic};
use crate::source::duration;
use crate::source::keys::{Key, Kind, Section};
use crate::source::open::text_of;
use crate::source::reader::{Reader, Table, describe};
use crate::source::suggest::short;
use crate::source::{FileId, Files, Located, Span as Place};

/// Values that a file of measured durations holds, at most.
pub const MEASURED_MAX: usize = 1_000_000;
/// The longest such file, in bytes.
pub const MEASURED_BYTES_MAX: u64 = 16 << 20;

/// How long something takes. In milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Fixed(i64),
    Uniform(i64, i64),
    Exponential {
        mean: i64,
    },
    LogNormal {
        median: i64,
        p99: i64,
    },
    /// As it was measured. The file is read by [`Simulate::measure`]: until then there are no values.
    Measured {
        file: Located<String>,
        values: Arc<[i64]>,
    },
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$each])* $variant,)* }

        impl $name {
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// As policies write it.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            pub fn from_name(name: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

named! {
    /// What takes time.
    Span {
        Arrival = "arrival",
        Work = "work",
        Stall = "stall",
        Latency = "latency",
        Late = "late",
        Patience = "patience",
        Backoff = "backoff",
        Redelivery = "redelivery",
        Redrive = "redrive",
        Restart = "restart",
        Role = "role",
        Fault = "fault",
        Recovery = "recovery",
        Repair = "repair",
        Trigger = "trigger",
        Action = "action",
        Approval = "approval",
    }
}

named! {
    /// What goes wrong, or the other way, now and then: with a chance at each opportunity.
    Chance {
        Stall = "stall",
        Crash = "crash",
        LostRequest = "lost_request",
        LateRequest = "late_request",
        DuplicateRequest = "duplicate_request",
        LostResponse = "lost_response",
        Redelivery = "redelivery",
        Redrive = "redrive",
        AmbiguousAck = "ambiguous_ack",
        Abort = "abort",
        StoreError = "store_error",
        Failover = "failover",
        LockLoss = "lock_loss",
        CallError = "call_error",
        CallHang = "call_hang",
        CallLost = "call_lost",
        Unknown = "unknown",
        Stale = "stale",
        ActionError = "action_error",
        BreaksOff = "breaks_off",
        Denied = "denied",
    }
}

/// `[simulate]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Simulate {
    /// Whose table it is: measured durations are beside this file.
    pub file: Option<FileId>,
    /// A run is looked at for so long.
    pub until: Option<i64>,
    pub spans: BTreeMap<Span, Shape>,
    /// Where each is declared.
    pub places: BTreeMap<Span, Place>,
    pub chances: BTreeMap<Chance, f64>,
}

const fn span(name: &'static str, example: &'static str, doc: &'static str, default: &'static str) -> Key {
    Key::new(name, Kind::Table(&DISTRIBUTION), example, doc).default(default)
}

const fn chance(name: &'static str, example: &'static str, doc: &'static str, default: &'static str) -> Key {
    Key::new(name, Kind::Share, example, doc).default(default)
}

pub static SIMULATE: Section = Section {
    doc: "How long things take and how often they go wrong, for `simulate`; the checker does not look at it.",
    keys: &[
        Key::new("until", Kind::Duration { zero: false }, "until = \"1h\"", "How long a run is looked at.")
            .default("four times the longest duration that the policy declares, from 10m to 24h"),
        Key::new(
            "durations",
            Kind::Table(&DURATIONS),
            "[simulate.durations]\nlatency = { lognormal = [\"120ms\", \"2s\"] }",
            "How long things take: each with a distribution, cut to the bounds that the policy declares.",
        ),
        Key::new(
            "chances",
            Kind::Table(&CHANCES),
            "[simulate.chances]\ncrash = 0.001",
            "How often things go wrong: each from 0 to 1, at each opportunity, while `[faults]` has some left.",
        ),
    ],
    later: &[],
};

pub static DURATIONS: Section = Section {
    doc: "How long things take: each with one of `fixed`, `uniform`, `exponential`, `lognormal` and `file`.",
    keys: &[
        span(
            "arrival",
            "arrival = { exponential = \"100ms\" }",
            "From the start of a run to a request's first attempt.",
            "exponential, mean 100ms",
        ),
        span(
            "work",
            "work = { exponential = \"5ms\" }",
            "From one operation of an attempt to its next.",
            "exponential, mean 5ms",
        ),
        span(
            "stall",
            "stall = { uniform = [\"0s\", \"5s\"] }",
            "A stall before an operation, where there is one (`chances.stall`).",
            "uniform up to `faults.pause`; where that is not declared, exponential, mean 30s",
        ),
        span(
            "latency",
            "latency = { lognormal = [\"120ms\", \"2s\"] }",
            "From a call, or a query, to its answer.",
            "uniform within `downstream.latency`; where no longest is declared, exponential, mean 200ms",
        ),
        span(
            "late",
            "late = { exponential = \"10s\" }",
            "From a call that is not answered to its effect.",
            "uniform within timeout and `downstream.late`; where that is not declared, exponential, mean 10s",
        ),
        span(
            "patience",
            "patience = { exponential = \"30s\" }",
            "From an attempt to its client's giving up, where no `trigger.timeout` is declared.",
            "exponential, mean 30s",
        ),
        span(
            "backoff",
            "backoff = { uniform = [\"0s\", \"1s\"] }",
            "How much later than `trigger.backoff` a client tries again.",
            "exponential, mean 1s",
        ),
        span(
            "redelivery",
            "redelivery = { exponential = \"5s\" }",
            "From a delivery to one that comes beside it.",
            "exponential, mean 5s",
        ),
        span(
            "redrive",
            "redrive = { exponential = \"1m\" }",
            "How long a message stays among the dead letters.",
            "exponential, mean 1m",
        ),
        span(
            "restart",
            "restart = { exponential = \"1s\" }",
            "From a crash to its attempt's being run again, and how late a late request is.",
            "exponential, mean 1s",
        ),
        span(
            "role",
            "role = { exponential = \"1s\" }",
            "How much later than it may a run of a role begins.",
            "exponential, mean 1s",
        ),
        span(
            "fault",
            "fault = { exponential = \"5m\" }",
            "From the start, or from when it may come again, to a target's fault.",
            "exponential, mean 5m",
        ),
        span(
            "recovery",
            "recovery = { exponential = \"2m\" }",
            "From a fault to its going by itself, where it does.",
            "exponential, mean 2m",
        ),
        span(
            "repair",
            "repair = { exponential = \"30m\" }",
            "From a page to the person's repair.",
            "exponential, mean 30m",
        ),
        span(
            "trigger",
            "trigger = { exponential = \"10s\" }",
            "How much later than it may a run of a remediation begins.",
            "uniform within `trigger.delay`; where that is not declared, exponential, mean 10s",
        ),
        span(
            "action",
            "action = { lognormal = [\"30s\", \"5m\"] }",
            "From the start of an action to its end.",
            "uniform within `target.duration`; where no longest is declared, exponential, mean 30s",
        ),
        span(
            "approval",
            "approval = { exponential = \"5m\" }",
            "From asking a person to the answer.",
            "exponential, mean 5m",
        ),
    ],
    later: &[],
};

pub static CHANCES: Section = Section {
    doc: "How often things go wrong, each from 0 to 1. What `[faults]` does not allow does not come, whatever its chance.",
    keys: &[
        chance("stall", "stall = 0.01", "An attempt stalls, at each of its operations.", "0.01"),
        chance("crash", "crash = 0.001", "A worker dies, at each operation.", "0.01"),
        chance("lost_request", "lost_request = 0.01", "An attempt never arrives.", "0.01"),
        chance("late_request", "late_request = 0.01", "An attempt arrives late.", "0.01"),
        chance("duplicate_request", "duplicate_request = 0.01", "An attempt arrives twice.", "0.01"),
        chance(
            "lost_response",
            "lost_response = 0.01",
            "An answer, or an acknowledgement, is lost on its way.",
            "0.01",
        ),
        chance("redelivery", "redelivery = 0.01", "A delivery is made again while it is under way.", "0.01"),
        chance("redrive", "redrive = 0.5", "A dead letter is delivered again.", "0.5"),
        chance(
            "ambiguous_ack",
            "ambiguous_ack = 0.01",
            "A write is done, and its caller sees an error.",
            "0.01",
        ),
        chance("abort", "abort = 0.01", "A transaction is aborted.", "0.01"),
        chance(
            "store_error",
            "store_error = 0.01",
            "The store is not there, at each operation on it.",
            "0.01",
        ),
        chance(
            "failover",
            "failover = 0.001",
            "The store fails over, at each operation of an attempt.",
            "0.01",
        ),
        chance(
            "lock_loss",
            "lock_loss = 0.001",
            "The lock is lost, at each operation of an attempt.",
            "0.01",
        ),
        chance("call_error", "call_error = 0.01", "A call is answered with an error.", "0.01"),
        chance("call_hang", "call_hang = 0.01", "A call is not answered in time.", "0.01"),
        chance("call_lost", "call_lost = 0.5", "A call that is not answered never takes effect.", "0.5"),
        chance("unknown", "unknown = 0.01", "A look, or a query, shows nothing.", "0.01"),
        chance("stale", "stale = 0.1", "A look, or an alert, shows what is not so, where it can.", "0.1"),
        chance("action_error", "action_error = 0.01", "An action fails.", "0.01"),
        chance("breaks_off", "breaks_off = 0.5", "An action ends with its worker.", "0.5"),
        chance("denied", "denied = 0.1", "A person says no.", "0.1"),
    ],
    later: &[],
};

pub static DISTRIBUTION: Section = Section {
    doc: "A distribution of durations: one of these keys.",
    keys: &[
        Key::new("fixed", Kind::Duration { zero: true }, "fixed = \"3s\"", "Always as long."),
        Key::new(
            "uniform",
            Kind::DurationRange,
            "uniform = [\"1s\", \"5s\"]",
            "Any from the shortest to the longest, each as likely.",
        ),
        Key::new("exponential", Kind::Duration { zero: false }, "exponential = \"5s\"", "By its mean."),
        Key::new(
            "lognormal",
            Kind::DurationRange,
            "lognormal = [\"120ms\", \"2s\"]",
            "By its median and its 99th percentile, as latencies are.",
        ),
        Key::new(
            "file",
            Kind::Text,
            "file = \"latencies.txt\"",
            "As measured: a file beside the policy, with a duration, or a number of milliseconds, on each line.",
        ),
    ],
    later: &[],
};

/// Reads the table.
pub fn read(table: &Table<'_>, reader: &mut Reader) -> Simulate {
    let until = reader.duration(table, "until").map(|until| until.value);
    let mut out = Simulate { file: Some(reader.file), until, ..Simulate::default() };
    if let Some(table) = reader.table(table, "durations") {
        for span in Span::ALL {
            if let Some(table) = reader.table(&table, span.name())
                && let Some(shape) = shape(&table, reader)
            {
                out.places.insert(*span, table.header);
                out.spans.insert(*span, shape);
            }
        }
    }
    if let Some(table) = reader.table(table, "chances") {
        for chance in Chance::ALL {
            if let Some(share) = share(&table, chance.name(), reader) {
                out.chances.insert(*chance, share);
            }
        }
    }
    out
}

/// A number from 0 to 1.
fn share(table: &Table<'_>, name: &str, reader: &mut Reader) -> Option<f64> {
    let (key, value) = table.entry(name)?;
    let number: Option<f64> = match value.get_ref() {
        DeValue::Float(float) => float.as_str().replace('_', "").parse().ok(),
        DeValue::Integer(integer) => integer.as_str().parse().ok(),
        _ => None,
    };
    let fits = number.filter(|number| (0.0..=1.0).contains(number));
    if fits.is_none() {
        let what = match number {
            Some(number) => format!("{number}"),
            None => describe(value.get_ref()),
        };
        let message = format!("`{name}` must be {}, not {what}", key.kind.expected());
        let help = "one in a hundred is";
        reader.push(
            reader
                .fault(Code::Distribution, message)
                .at(value.span(), "")
                .help(help)
                .paste(format!("{name} = 0.01")),
        );
    }
    fits
}

fn shape(table: &Table<'_>, reader: &mut Reader) -> Option<Shape> {
    let given: Vec<&'static str> = DISTRIBUTION.names().filter(|name| table.entry(name).is_some()).collect();
    let fault = |reader: &mut Reader, at, message: String, help: &str, paste: &str| {
        let diagnostic: Diagnostic = reader.fault(Code::Distribution, message).at(at, "");
        reader.push(diagnostic.help(help).paste(paste));
    };
    let [one] = given[..] else {
        let says = if given.is_empty() { "says nothing" } else { "says more than one thing" };
        let help = "give one of `fixed`, `uniform`, `exponential`, `lognormal` and `file`, such as";
        fault(reader, table.header, format!("a distribution that {says}"), help, "exponential = \"5s\"");
        return None;
    };
    match one {
        "fixed" => Some(Shape::Fixed(reader.duration(table, "fixed")?.value)),
        "exponential" => Some(Shape::Exponential { mean: reader.duration(table, "exponential")?.value }),
        "uniform" => {
            let [shortest, longest] = reader.duration_range(table, "uniform", true)?;
            if shortest.value > longest.value {
                let (low, high) = (duration::show(longest.value), duration::show(shortest.value));
                let message = "the shortest is longer than the longest".to_owned();
                let paste = format!("uniform = [\"{low}\", \"{high}\"]");
                fault(reader, shortest.span, message, "the shortest comes first", &paste);
                return None;
            }
            Some(Shape::Uniform(shortest.value, longest.value))
        }
        "lognormal" => {
            let [median, p99] = reader.duration_range(table, "lognormal", false)?;
            if median.value == 0 || median.value >= p99.value {
                let message =
                    "the median must be more than nothing, and less than the 99th percentile".to_owned();
                let help = "the median comes first, such as";
                fault(reader, median.span, message, help, "lognormal = [\"120ms\", \"2s\"]");
                return None;
            }
            Some(Shape::LogNormal { median: median.value, p99: p99.value })
        }
        _ => Some(Shape::Measured { file: reader.text(table, "file")?, values: Arc::new([]) }),
    }
}

impl Simulate {
    /// Reads the files of what was measured, which are beside the policy's. The rest of a policy needs none
    /// of them, so that they are read where runs are sampled, and only there.
    pub fn measure(&mut self, files: &Files) -> Vec<Diagnostic> {
        let mut out = Vec::new();
        let Some(policy) = self.file else { return out };
        let folder = files.path(policy).parent().unwrap_or(Path::new("")).to_owned();
        for shape in self.spans.values_mut() {
            let Shape::Measured { file, values } = shape else { continue };
            match measured(&folder.join(&file.value), &file.value) {
                Ok(read) => *values = read.into(),
                Err((message, help)) => out
                    .push(Diagnostic::new(Code::Distribution, policy, message).at(file.span, "").help(help)),
            }
        }
        out
    }
}

impl Simulate {
    /// What is wrong with distributions that are wholly outside of what the policy declares, each by its name with
    /// what is said of it.
    pub fn outside(&self, outside: &[(Span, String)]) -> Vec<Diagnostic> {
        let Some(file) = self.file else { return Vec::new() };
        let one = |(span, message): &(Span, String)| {
            let diagnostic = Diagnostic::new(Code::Distribution, file, message.clone());
            let diagnostic = diagnostic.help("change it, or what bounds it");
            match self.places.get(span) {
                Some(place) => diagnostic.at(*place, ""),
                None => diagnostic,
            }
        };
        outside.iter().map(one).collect()
    }
}

/// The values of a file, sorted. It is the user's: everything in it can be wrong.
fn measured(path: &Path, name: &str) -> Result<Vec<i64>, (String, &'static str)> {
    let shown = short(name);
    let each = "each line has a duration, such as 250ms, or a number of milliseconds";
    let text = text_of(path, MEASURED_BYTES_MAX)
        .map_err(|why| (format!("`{shown}` can't be read: {why}"), "its path is relative to the policy"))?;
    let mut values = Vec::new();
    for (line, number) in text.lines().zip(1_usize..) {
        let entry = line.trim();
        if entry.is_empty() || entry.starts_with('#') {
            continue;
        }
        let ms = duration::parse(entry).ok().or_else(|| {
            let number: f64 = entry.parse().ok()?;
            let most = (duration::DURATION_DAYS_MAX * 86_400_000) as f64;
            (0.0..=most).contains(&number).then(|| number.round() as i64)
        });
        let Some(ms) = ms else {
            return Err((format!("`{shown}`, line {number}: `{}` is no duration", short(entry)), each));
        };
        if values.len() == MEASURED_MAX {
            return Err((format!("`{shown}` has more than {MEASURED_MAX} values"), "take a sample of them"));
        }
        values.push(ms);
    }
    if values.is_empty() {
        return Err((format!("`{shown}` has no values"), each));
    }
    values.sort_unstable();
    Ok(values)
}
