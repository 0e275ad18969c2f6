//! From lines to runs: a run is all that is told of one key.

use std::collections::HashMap;
use std::io::{self, BufRead};

use serde_json::Value;

use super::map::{self, Map};
use super::told::{ATTEMPTS_MAX, Attempt, CLASSES, Record, Run};
use crate::history::read::{LINE_BYTES_MAX, next_line};
use crate::model::Outcome;
use crate::source::suggest::{closest, list, short};
use crate::system::System;
use crate::system::compile::Next;
use crate::system::world::Class;

/// Steps that are read at most.
pub const RECORDS_MAX: usize = 2_000_000;
/// Faults that are kept; the rest is counted.
pub const FAULTS_MAX: usize = 100;
/// The longest name of a key or an attempt, in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// All names of keys and attempts together, in bytes.
const NAMES_BYTES_MAX: usize = 256 << 20;

/// A fault of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub file: u32,
    /// From 1.
    pub line: u32,
    /// From 1, where it is known.
    pub column: Option<usize>,
    pub message: String,
    pub help: String,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Log {
    pub files: Vec<String>,
    /// In the order in which their keys came.
    pub runs: Vec<Run>,
    /// For each, why it can't be judged, if it can't.
    pub unfit: Vec<Option<String>>,
    pub records: usize,
    /// Lines that are no steps, and lines of other policies.
    pub passed_over: u64,
    pub of_others: u64,
    pub faults: Vec<Fault>,
    pub more_faults: u64,
}

/// Reads logs of one policy.
pub struct Reader<'a> {
    policy: &'a str,
    system: &'a System,
    map: &'a Map,
    /// Milliseconds by which a record's time may be wrong, either way.
    tolerance: i64,
    keys: HashMap<String, usize>,
    open: Vec<Open>,
    names: usize,
    log: Log,
}

/// A run that is being read.
#[derive(Default)]
struct Open {
    attempts: HashMap<String, usize>,
    /// Of each attempt, the end of its last record, in microseconds.
    last: Vec<i64>,
    payloads: Vec<String>,
    run: Run,
    unfit: Option<String>,
}

type Wrong = (Option<usize>, String, String);

fn wrong(message: impl Into<String>, help: impl Into<String>) -> Wrong {
    (None, message.into(), help.into())
}

impl<'a> Reader<'a> {
    pub fn new(policy: &'a str, system: &'a System, map: &'a Map, tolerance: i64) -> Reader<'a> {
        let (keys, open, log) = (HashMap::new(), Vec::new(), Log::default());
        Reader { policy, system, map, tolerance, keys, open, names: 0, log }
    }

    /// Reads a file to its end.
    ///
    /// # Errors
    /// It could not be read.
    pub fn read(&mut self, name: &str, mut from: impl BufRead) -> io::Result<()> {
        let file = self.log.files.len() as u32;
        self.log.files.push(name.to_owned());
        let (mut line, mut number) = (Vec::new(), 0_u32);
        loop {
            line.clear();
            if !next_line(&mut from, &mut line)? && line.is_empty() {
                return Ok(());
            }
            number = number.saturating_add(1);
            let added = if line.len() > LINE_BYTES_MAX {
                let message = format!("the line is longer than {LINE_BYTES_MAX} bytes");
                Err(wrong(message, "leave out bodies and answers"))
            } else if line.iter().all(u8::is_ascii_whitespace) {
                Ok(())
            } else {
                self.line(&line, file, number)
            };
            let Err((column, message, help)) = added else { continue };
            if self.log.faults.len() < FAULTS_MAX {
                self.log.faults.push(Fault { file, line: number, column, message, help });
            } else {
                self.log.more_faults += 1;
            }
            if self.is_full() {
                return Ok(());
            }
        }
    }

    fn is_full(&self) -> bool {
        self.log.records >= RECORDS_MAX || self.names >= NAMES_BYTES_MAX
    }

    fn line(&mut self, line: &[u8], file: u32, number: u32) -> Result<(), Wrong> {
        let line: Value = serde_json::from_slice(line).map_err(|error| {
            let help = "write one JSON object a line; the server does with `--log json`";
            (Some(error.column().max(1)), "the line is not JSON".to_owned(), help.to_owned())
        })?;
        let map = self.map;
        let begins = !map.begins.is_empty() && map::has(&line, &map.begins);
        if !begins && !map::has(&line, &map.only) {
            self.log.passed_over += 1;
            return Ok(());
        }
        if let Some(policy) = map.policy.as_ref().and_then(|name| map::field(&line, name))
            && map::text_of(policy).as_deref() != Some(self.policy)
        {
            self.log.of_others += 1;
            return Ok(());
        }
        if self.is_full() {
            let message =
                format!("more than {RECORDS_MAX} steps, or than {} MiB of names", NAMES_BYTES_MAX >> 20);
            return Err(wrong(message, "judge the log in parts: all lines of one key in one part"));
        }
        let text = |name: &str, what: &str| {
            let value = map::field(&line, name).and_then(map::text_of);
            let missing =
                || wrong(format!("`{name}`, {what}, is missing"), format!("each step needs `{name}`"));
            value.ok_or_else(missing)
        };
        let named = |name: &str, what: &str| {
            let value = text(name, what)?;
            if value.len() <= NAME_BYTES_MAX {
                return Ok(value);
            }
            let message = format!("`{name}` is longer than {NAME_BYTES_MAX} bytes");
            Err(wrong(message, "write a digest of it"))
        };
        let time = |name: &str| {
            let value = map::field(&line, name);
            let value = value
                .ok_or_else(|| wrong(format!("`{name}`, the time, is missing"), "each step needs one"))?;
            let said = || format!("`{name}` is {}", short(&value.to_string()));
            map.time(value).map_err(|wanted| wrong(said(), format!("write {wanted}")))
        };
        let (key, attempt) = (named(&map.key, "the key")?, named(&map.attempt, "the attempt")?);
        let done = time(&map.time)?;
        let began = match &map.began {
            Some(name) if map::field(&line, name).is_some() => Some(time(name)?),
            _ => None,
        };
        if began.is_some_and(|began| began > done) {
            return Err(wrong("the step is over before it began", "look at the fields of its times"));
        }
        let payload = map.payload.as_ref().and_then(|name| map::field(&line, name)).and_then(map::text_of);
        let step = match begins {
            true => None,
            false => {
                let state = self.state(&text(&map.state, "the state")?)?;
                Some((state, self.outcome(state, &text(&map.outcome, "the outcome")?)?))
            }
        };
        let open = match self.keys.get(&key) {
            Some(index) => &mut self.open[*index],
            None => {
                self.names += key.len();
                self.keys.insert(key.clone(), self.open.len());
                self.open.push(Open { run: Run { key, ..Run::default() }, ..Open::default() });
                self.open.last_mut().expect("it was just put there")
            }
        };
        let index = match open.attempts.get(&attempt) {
            Some(index) => *index,
            None if open.run.attempts.len() >= ATTEMPTS_MAX => {
                let message = format!("a key has more than {ATTEMPTS_MAX} attempts");
                return Err(wrong(message, "look at `attempt`: is it one for each delivery of a request?"));
            }
            None => {
                self.names += attempt.len();
                let class = open.class(payload);
                let index = open.run.attempts.len();
                let seen = began.unwrap_or(done);
                open.run.attempts.push(Attempt { name: attempt.clone(), class, seen, records: Vec::new() });
                open.attempts.insert(attempt, index);
                open.last.push(i64::MIN);
                index
            }
        };
        if done < open.last[index] {
            let message = format!("time goes back in attempt `{}`", short(&open.run.attempts[index].name));
            return Err(wrong(message, "an attempt's steps come in the order of their times"));
        }
        open.last[index] = done;
        let Some((state, outcome)) = step else { return Ok(()) };
        self.log.records += 1;
        open.run.records.push(Record {
            attempt: index,
            state,
            outcome,
            from: began.unwrap_or(done),
            to: done,
            began: began.is_some(),
            shown: 0,
            file,
            line: number,
        });
        Ok(())
    }

    fn state(&self, said: &str) -> Result<u8, Wrong> {
        let name = self.map.states.get(said).map_or(said, String::as_str);
        let used = self.system.used();
        let names = || used.iter().map(|at| self.system.table[*at].name.as_str());
        let found = used.iter().find(|at| self.system.table[**at].name == name);
        found.map(|at| *at as u8).ok_or_else(|| {
            let help = match closest(name, names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the states are {}; `--map` can translate", list(names())),
            };
            wrong(format!("the policy's model has no state `{}` that is used", short(name)), help)
        })
    }

    fn outcome(&self, state: u8, said: &str) -> Result<Outcome, Wrong> {
        let row = &self.system.table[usize::from(state)];
        let translated = self.map.outcomes.get(&format!("{}.{said}", row.name));
        let name = translated.or_else(|| self.map.outcomes.get(said)).map_or(said, String::as_str);
        let possible = |outcome: &Outcome| {
            let down = *outcome == Outcome::Unavailable && row.operation.may_be_unavailable();
            row.next[*outcome as usize] != Next::Nowhere || down
        };
        let outcomes: Vec<Outcome> = Outcome::ALL.into_iter().filter(possible).collect();
        outcomes.iter().copied().find(|outcome| outcome.name() == name).ok_or_else(|| {
            let names = || outcomes.iter().map(|outcome| outcome.name());
            let help = match closest(name, names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("its outcomes are {}; `--map` can translate", list(names())),
            };
            let operation = row.operation.name();
            wrong(format!("`{}`, which does {operation}, has no outcome `{}`", row.name, short(name)), help)
        })
    }

    /// All that was read, as runs.
    pub fn finish(self) -> Log {
        let Reader { system, tolerance, open, mut log, .. } = self;
        let early = system.begins_before();
        for Open { mut run, unfit, .. } in open {
            settle(&mut run, tolerance, early);
            log.runs.push(run);
            log.unfit.push(unfit);
        }
        log
    }
}

impl Open {
    fn class(&mut self, payload: Option<String>) -> Class {
        let Some(payload) = payload else { return CLASSES[0] };
        let known = self.payloads.iter().position(|known| *known == payload);
        let index = known.unwrap_or(self.payloads.len());
        if known.is_none() {
            self.payloads.push(payload);
        }
        CLASSES.get(index).copied().unwrap_or_else(|| {
            self.unfit = Some("more than two payloads came under the key".to_owned());
            CLASSES[1]
        })
    }
}

/// Puts records into the order of their ends, and times, so far in microseconds, into milliseconds since the
/// first one, each wider by the tolerance. The run's clock begins `early` and the tolerance before that.
fn settle(run: &mut Run, tolerance: i64, early: i64) {
    const MS: i64 = 1_000;
    run.records.sort_by_key(|record| record.to);
    for (index, record) in run.records.iter().enumerate() {
        run.attempts[record.attempt].records.push(index);
    }
    let all = run.records.iter().map(|record| record.from).chain(run.attempts.iter().map(|a| a.seen));
    let first = all.min().unwrap_or(0).div_euclid(MS);
    // Microseconds are cut, so that the next one is the end.
    let ceil = |micros: i64| (micros + MS - 1).div_euclid(MS);
    for record in &mut run.records {
        record.shown = ceil(record.to) - first;
        record.from = early + record.from.div_euclid(MS) - first;
        record.to = early + record.shown + 2 * tolerance;
    }
    for attempt in &mut run.attempts {
        attempt.seen = early + attempt.seen.div_euclid(MS) - first;
    }
}
