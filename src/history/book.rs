//! Records as they come, put together by key.

use std::collections::HashMap;

use super::key::{Counted, KeyHistory, Kind, Mark, NEVER, NONE, Op, Party, Seen, comparable};
use super::record::{Action, Count, Effect, Header, Outcome, Record, Request, Terms, VERSION};

/// Records of one key: what comes after them is counted only, and the key is not judged.
pub const RECORDS_PER_KEY_MAX: usize = 1_000_000;
/// Records of one book.
pub const RECORDS_MAX: usize = 20_000_000;
/// Moments are less than this, in nanoseconds: a hundred years, so that sums of them stay moments.
const MOMENT_MAX: i64 = 100 * 366 * 86_400 * 1_000_000_000;

/// Where a record is from, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// In [`Book::files`].
    pub file: u32,
    /// From 1; 0 where there is no file.
    pub line: u32,
}

/// What a report says of a request beside what is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub id: Box<str>,
    pub status: Option<u16>,
    pub place: Place,
}

/// A key with all that is known of it.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub key: String,
    pub history: KeyHistory,
    /// Of each request of the history.
    pub names: Vec<Named>,
    pub effects: Vec<Place>,
    pub counts: Vec<Place>,
    /// Requests that were refused and say nothing of the key.
    pub unavailable: u64,
    /// Records that were left out over [`RECORDS_PER_KEY_MAX`].
    pub left_out: u64,
}

/// An action with its place.
#[derive(Clone, Debug)]
pub struct Acted {
    pub action: Action,
    /// How far its clock may be off, in nanoseconds.
    pub uncertainty: i64,
    pub place: Place,
}

/// Everything of one history.
#[derive(Debug, Default)]
pub struct Book {
    pub terms: Terms,
    /// As the header names it.
    pub policy: Option<String>,
    pub files: Vec<String>,
    pub entries: Vec<Entry>,
    pub actions: Vec<Acted>,
    pub records: usize,
    /// The first and the last moment that was told.
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// Terms that were given from outside come before those of headers.
    fixed: bool,
    sources: HashMap<String, i64>,
    keys: HashMap<String, usize>,
    bodies: HashMap<String, u32>,
    answers: HashMap<String, u32>,
    scratch: String,
}

/// What is wrong with a record, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub message: String,
    pub help: String,
}

impl Wrong {
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Wrong {
        Wrong { message: message.into(), help: help.into() }
    }
}

fn intern(known: &mut HashMap<String, u32>, text: &str) -> u32 {
    if let Some(number) = known.get(text) {
        return *number;
    }
    // Two numbers have a meaning of their own; so many texts do not fit into a book.
    let number = u32::try_from(known.len()).unwrap_or(NONE).min(NONE - 2);
    known.insert(text.to_owned(), number);
    number
}

impl Book {
    /// An empty one, judged by these terms whatever a header says.
    pub fn with_terms(terms: Terms) -> Book {
        Book { terms, fixed: true, ..Book::default() }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// What is wrong with it; the book is as before.
    pub fn add(&mut self, record: Record, place: Place) -> Result<(), Wrong> {
        if self.records >= RECORDS_MAX {
            let message = format!("there are more than {RECORDS_MAX} records");
            return Err(Wrong::new(message, "split the history by key, and judge the parts"));
        }
        match record {
            Record::Header(header) => return self.header(header),
            Record::Request(request) => self.request(&request, place)?,
            Record::Effect(effect) => self.effect(&effect, place)?,
            Record::Count(count) => self.count(&count, place)?,
            Record::Action(action) => self.action(action, place)?,
        }
        self.records += 1;
        Ok(())
    }

    fn header(&mut self, header: Header) -> Result<(), Wrong> {
        if header.version != VERSION {
            let message = format!("version {} is not known", header.version);
            return Err(Wrong::new(message, format!("write \"version\": {VERSION}")));
        }
        if self.records > 0 && !self.fixed && header.terms != self.terms {
            let message = "the terms change after records that were read under others";
            return Err(Wrong::new(
                message,
                "write the header first, and judge other terms in a run of their own",
            ));
        }
        for (name, span) in [("ttl", header.terms.ttl), ("lease", header.terms.lease)] {
            if let Some(span) = span
                && span.max.is_some_and(|max| max < span.min)
            {
                let message = format!("the longest {name} is shorter than the shortest");
                return Err(Wrong::new(
                    message,
                    format!("write \"{name}\": {{\"min\": …, \"max\": …}}, max not below min"),
                ));
            }
        }
        if !self.fixed {
            self.terms = header.terms;
        }
        self.policy = header.policy.or(self.policy.take());
        for source in header.sources {
            let uncertainty = i64::try_from(source.uncertainty).unwrap_or(MOMENT_MAX).min(MOMENT_MAX);
            self.sources.insert(source.name, uncertainty);
        }
        Ok(())
    }

    fn uncertainty(&self, source: Option<&str>) -> Result<i64, Wrong> {
        let Some(source) = source else { return Ok(0) };
        self.sources.get(source).copied().ok_or_else(|| {
            let message = format!("the header has no source `{source}`");
            Wrong::new(
                message,
                "write \"sources\": [{\"name\": …, \"uncertainty\": nanoseconds}] in the header",
            )
        })
    }

    /// The moments of a record, in their order.
    fn interval(&mut self, start: i64, end: Option<i64>, off: i64) -> Result<(i64, i64), Wrong> {
        for at in [Some(start), end].into_iter().flatten() {
            if !(-MOMENT_MAX..=MOMENT_MAX).contains(&at) {
                return Err(Wrong::new(
                    format!("{at} is no moment: it is more than a hundred years away"),
                    "write nanoseconds of one monotonic clock",
                ));
            }
        }
        if end.is_some_and(|end| end < start) {
            return Err(Wrong::new(
                "it ends before it starts",
                "write start and end of one clock, in that order",
            ));
        }
        let known_end = end.unwrap_or(start);
        self.first = Some(self.first.map_or(start, |first| first.min(start)));
        self.last = Some(self.last.map_or(known_end + off, |last| last.max(known_end + off)));
        Ok((start - off, end.map_or(NEVER, |end| end + off)))
    }

    /// The entry of a key; none where it is full.
    fn entry(&mut self, key: &str) -> Option<&mut Entry> {
        let index = match self.keys.get(key) {
            Some(index) => *index,
            None => {
                self.keys.insert(key.to_owned(), self.entries.len());
                self.entries.push(Entry { key: key.to_owned(), ..Entry::default() });
                self.entries.len() - 1
            }
        };
        let entry = &mut self.entries[index];
        let KeyHistory { ops, effects, counts } = &entry.history;
        if ops.len() + effects.len() + counts.len() >= RECORDS_PER_KEY_MAX {
            entry.left_out += 1;
            return None;
        }
        Some(entry)
    }

    fn request(&mut self, request: &Request, place: Place) -> Result<(), Wrong> {
        let off = self.uncertainty(request.source.as_deref())?;
        if request.end.is_none() && request.outcome != Outcome::Unknown {
            let message = format!("`{}` without an end", request.outcome.name());
            return Err(Wrong::new(message, "an answer that never came is \"outcome\": \"unknown\""));
        }
        if request.outcome == Outcome::Final && request.response.is_none() {
            return Err(Wrong::new(
                "a final answer without `response`",
                "write a digest of what is compared of it: \"response\": \"sha256:…\"",
            ));
        }
        let (start, end) = self.interval(request.start, request.end, off)?;
        let Some(kind) = Kind::new(request.outcome, request.status, &self.terms) else {
            if let Some(entry) = self.entry(&request.key) {
                entry.unavailable += 1;
            }
            return Ok(());
        };
        let body = intern(&mut self.bodies, &request.body);
        let answer = if kind.is_final() {
            comparable(request, kind, &self.terms, &mut self.scratch);
            intern(&mut self.answers, &self.scratch)
        } else {
            NONE
        };
        let mark = match request.replayed {
            None => Mark::Untold,
            Some(false) => Mark::New,
            Some(true) => Mark::Replayed,
        };
        // A client that gave up says nothing of when its request is done.
        let end = if kind == Kind::Unknown { NEVER } else { end };
        let named = Named { id: request.id.as_str().into(), status: request.status, place };
        if let Some(entry) = self.entry(&request.key) {
            entry.history.ops.push(Op { start, end, body, answer, kind, mark });
            entry.names.push(named);
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, place: Place) -> Result<(), Wrong> {
        let off = self.uncertainty(effect.source.as_deref())?;
        let (earliest, latest) = match effect.at {
            Some(at) => self.interval(at, Some(at), off)?,
            // Before the history ends; see `finish`.
            None => (i64::MIN, NEVER),
        };
        let body = effect.body.as_deref().map_or(NONE, |body| intern(&mut self.bodies, body));
        if let Some(entry) = self.entry(&effect.key) {
            entry.history.effects.push(Seen { earliest, latest, body });
            entry.effects.push(place);
        }
        Ok(())
    }

    fn count(&mut self, count: &Count, place: Place) -> Result<(), Wrong> {
        let off = self.uncertainty(count.source.as_deref())?;
        let (start, end) = self.interval(count.start, Some(count.end), off)?;
        if let Some(entry) = self.entry(&count.key) {
            entry.history.counts.push(Counted { effects: count.effects, start, end });
            entry.counts.push(place);
        }
        Ok(())
    }

    fn action(&mut self, action: Action, place: Place) -> Result<(), Wrong> {
        let uncertainty = self.uncertainty(action.source.as_deref())?;
        self.interval(action.start, action.end, uncertainty)?;
        self.actions.push(Acted { action, uncertainty, place });
        Ok(())
    }

    /// Says that there are no more records: effects without a moment came before this one.
    pub fn finish(&mut self) {
        let last = self.last.unwrap_or(0);
        for entry in &mut self.entries {
            for effect in entry.history.effects.iter_mut().filter(|effect| effect.latest == NEVER) {
                effect.latest = last;
            }
        }
    }
}

impl Entry {
    /// Where a record of the key is from.
    pub fn place(&self, party: Party) -> Place {
        let place = match party {
            Party::Op(index) => self.names.get(index).map(|named| &named.place),
            Party::Effect(index) => self.effects.get(index),
            Party::Count(index) => self.counts.get(index),
        };
        place.cloned().unwrap_or_default()
    }
}
