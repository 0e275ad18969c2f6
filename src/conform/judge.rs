//! Whether a run is allowed; and where it is not, up to where it is, and what could have come there.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::told::{ALL_MET, At, LEFT_OUT, Run, Told, name_of};
use crate::check::Limits;
use crate::check::search::{Exploration, SearchError, SearchOptions, explore};
use crate::model::Outcome;
use crate::system::{Action, System};
use crate::time::TimedSystem as _;
use crate::time::zone::{Zone, ZoneView as _};

/// What is said of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// No run of the system gets past this record, an index into [`Run::records`].
    NotAllowed {
        at: usize,
        /// What its attempt could have done instead.
        possible: Vec<Possible>,
        /// No run gets to the record's time: the latest moment that one gets to, and whoever has to act by then.
        held_up: Option<(i64, Vec<(usize, u8)>)>,
        /// Its attempt is over by then in every run.
        over: bool,
        /// It begins later than attempts do.
        late: bool,
    },
    /// A limit came first. So many records can be met.
    Unknown {
        met: usize,
        stopped_by: String,
    },
}

/// A run with what is said of it, and what that took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub verdict: Verdict,
    pub zones: u64,
}

/// A step that could have come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Possible {
    pub state: String,
    pub outcome: String,
    /// In milliseconds since the run's first record.
    pub from_ms: i64,
    /// None: at any time after.
    pub to_ms: Option<i64>,
}

/// Judges one run. `system` is one [`System::for_logs`].
///
/// # Errors
/// The system can't be searched.
pub fn judge(
    system: &System,
    run: &Run,
    limits: &Limits,
    cancel: &AtomicBool,
) -> Result<Judged, SearchError> {
    let told = Told::new(system, run);
    let options = SearchOptions {
        symmetry: false,
        surplus: false,
        keep_shortest: false,
        limits,
        cancel,
        stop_at: ALL_MET,
        ..SearchOptions::default()
    };
    if run.records.is_empty() {
        return Ok(Judged { verdict: Verdict::Allowed, zones: 0 });
    }
    let found = explore(&told, &options, &mut ())?;
    let zones = found.stats().visited;
    let verdict = if found.facts() & ALL_MET != 0 {
        Verdict::Allowed
    } else {
        let met = found.states().map(|at| at.low as usize).max().unwrap_or(0);
        match &found.stats().stopped_by {
            Some(by) => Verdict::Unknown { met, stopped_by: by.clone() },
            None if found.facts() & LEFT_OUT != 0 => Verdict::Unknown {
                met,
                stopped_by: "more attempts or calls under way at a time than the search can hold".to_owned(),
            },
            None => refusal(&told, run, met, &found),
        }
    };
    Ok(Judged { verdict, zones })
}

/// What can come of an attempt, by state and outcome: the earliest and the latest moment.
type Ways = BTreeMap<(u8, Outcome), (i64, Option<i64>)>;

/// What could have come where a record can't.
fn refusal(told: &Told, run: &Run, at: usize, found: &Exploration<Told>) -> Verdict {
    let record = &run.records[at];
    let name = record.attempt as u16 + 1;
    let mut ways = Ways::new();
    let mut latest: Option<(i64, Vec<(usize, u8)>)> = None;
    let (mut alive, mut begun) = (false, false);
    for (state, zone) in found.nodes().filter(|(state, _)| state.low as usize == at && state.urgent == 0) {
        let world = told.world(state);
        let waits =
            told.next_of(state, record.attempt) == run.attempts[record.attempt].records.first().copied();
        let is_there = world.live().any(|(_, attempt)| name_of(attempt.name) == name);
        alive |= waits || is_there;
        begun |= !waits || is_there;
        let reaches = zone.upper(told.now(state)).unwrap_or(i64::MAX);
        if latest.as_ref().is_none_or(|(latest, _)| *latest < reaches) {
            let who = world
                .live()
                .map(|(_, attempt)| attempt)
                .filter(|attempt| name_of(attempt.name) > 0 && told.system.leaves_within(attempt).is_some());
            let who = who.map(|attempt| (usize::from(name_of(attempt.name)) - 1, attempt.at));
            latest = Some((reaches, who.collect()));
        }
        let Some(zone) = later(told, state, zone) else { continue };
        if is_there {
            add(told, state, &zone, name, &mut ways);
            continue;
        }
        // It is sent, and does something at once.
        let mut edges = Vec::new();
        told.edges(state, &mut edges);
        for edge in edges.into_iter().filter(|edge| edge.target.urgent == name) {
            let mut sent = zone.clone();
            if sent.constrain_all(&edge.guard) {
                add(told, &edge.target, &sent.map(&edge.clocks), name, &mut ways);
            }
        }
    }
    let held_up = latest.filter(|(latest, _)| *latest < record.from);
    let row = |at: u8| told.system.table[usize::from(at)].name.clone();
    let possible = ways.into_iter().map(|((state, outcome), (from_ms, to_ms))| Possible {
        state: row(state),
        outcome: outcome.name().to_owned(),
        from_ms,
        to_ms,
    });
    let possible: Vec<Possible> = possible.collect();
    let late = !begun && possible.is_empty() && held_up.is_none() && told.system.times.within.is_some();
    Verdict::NotAllowed { at, possible, held_up, over: !alive, late }
}

/// Adds what an attempt can do in a state, within a zone.
fn add(told: &Told, state: &At, zone: &Zone, name: u16, ways: &mut Ways) {
    let (now, world) = (told.now(state), told.world(state));
    let mut steps = Vec::new();
    told.system.steps(&world, &mut steps);
    for step in steps {
        let acts = world.acting(step.label.actor).is_some_and(|attempt| name_of(attempt.name) == name);
        let Action::Operate { outcome } = step.label.action else { continue };
        let mut when = zone.clone();
        if !acts || !when.constrain_all(&step.guard) {
            continue;
        }
        let (from, to) = (when.lower(now), when.upper(now));
        let way = ways.entry((step.label.at, outcome)).or_insert((from, to));
        *way = (way.0.min(from), way.1.zip(to).map(|(one, other)| one.max(other)));
    }
}

/// The zone with what comes later than the record allows; none: nothing does.
fn later(told: &Told, state: &At, mut zone: Zone) -> Option<Zone> {
    zone.elapse();
    let mut invariant = Vec::new();
    told.system.world_invariant(&told.world(state), &mut invariant);
    zone.constrain_all(&invariant).then_some(zone)
}
