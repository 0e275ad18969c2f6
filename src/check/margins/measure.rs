//! The margins of a policy: a walk along each of its declarations, and a full check on both sides of each edge.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::base::Base;
use super::walk::{Edge, Outcome, Walk};
use super::{
    End, FULL_MORE, Inside, Margin, MarginLimits, MarginUnit, Margins, SECONDS_MORE, Side, VerdictChange,
    ZONES_MORE,
};
use crate::check::property::Property;
use crate::check::verdict::{PolicyResult, Verdict};
use crate::check::{Engine, Limits, VerifyOptions, verdicts, verify};
use crate::policy::declared::{Declared, What};
use crate::policy::load::{Loaded, LoadedPolicy};
use crate::threads::on_threads;

/// How the margins of a policy are searched for.
pub struct MarginOptions<'a> {
    /// As the policy itself was checked.
    pub limits: Limits,
    /// Only these declarations, by name; nothing: all.
    pub only: &'a [String],
    /// For all of the policy's margins together.
    pub time_max: Duration,
    /// For one declaration.
    pub probes_max: u64,
    /// Declarations at the same time.
    pub jobs: usize,
    pub today: &'a str,
    pub cancel: &'a AtomicBool,
}

/// How far each duration and count of a policy can go with every verdict of `result` as it is.
pub fn measure(
    loaded: &Loaded,
    source: &LoadedPolicy,
    result: &PolicyResult,
    options: &MarginOptions,
) -> Margins {
    let began = Instant::now();
    let zones = ZONES_MORE.0 + ZONES_MORE.1 * result.search.visited;
    let own = [Some(&result.search), result.loops.as_ref()];
    let own: f64 = own.into_iter().flatten().map(|search| search.seconds).sum();
    let (least, most) = (options.time_max.as_secs_f64() / 60.0, options.time_max.as_secs_f64() / 10.0);
    let limits = MarginLimits {
        check_seconds: (own * SECONDS_MORE).clamp(least.max(1.0), most.max(1.0)),
        seconds: options.time_max.as_secs_f64(),
        probes: options.probes_max,
        zones: zones.min(options.limits.states_max.unwrap_or(u64::MAX)),
    };
    let mut margins = Margins { limits, ..Margins::default() };
    let before = result.properties.iter().map(|property| (property.property, property.verdict));
    let before: BTreeMap<Property, Verdict> = before.collect();
    let unsure = result.properties.iter().find(|property| property.verdict == Verdict::Inconclusive);
    if let Some(property) = unsure {
        let property = property.property;
        margins.open = Some(format!("{property} is inconclusive: there is no verdict that could change"));
        return margins;
    }
    let base = Base::new(loaded, source);
    let is_wanted = |one: &Declared| {
        options.only.is_empty()
            || options.only.iter().any(|name| *name == one.name() || *name == one.path.join("."))
    };
    let declared: Vec<_> = base.declared().into_iter().filter(|(_, one)| is_wanted(one)).collect();
    if declared.is_empty() {
        margins.open = Some("nothing of the sort is declared".to_owned());
        return margins;
    }
    let prober = Prober {
        base: &base,
        holding: before.iter().filter(|(_, v)| **v == Verdict::Holds).map(|(p, _)| *p).collect(),
        wanted: before.keys().copied().collect(),
        before,
        zones: margins.limits.zones,
        check_time: Duration::from_secs_f64(margins.limits.check_seconds),
        end: began.checked_add(options.time_max),
        probes: AtomicU64::new(0),
        out_of_time: AtomicBool::new(false),
        options,
    };
    let durations = base.durations();
    let mut lines: Vec<Mutex<Line>> = declared
        .into_iter()
        .enumerate()
        .map(|(number, (file, one))| Mutex::new(Line::new(&prober, number, file, one)))
        .collect();
    // Counts multiply the states: what is asked about more comes first.
    lines.sort_by_key(|line| line.lock().is_ok_and(|line| matches!(line.one.what, What::Count { .. })));
    // The edges of all before the inside of any.
    each(&lines, options.jobs, Line::edges);
    each(&lines, options.jobs, |line| line.inside(&durations));
    let lines = lines.into_iter().map(|line| line.into_inner().unwrap_or_else(|stuck| stuck.into_inner()));
    let mut lines: Vec<Line> = lines.collect();
    lines.sort_by_key(|line| line.number);
    margins.declarations = lines.into_iter().map(Line::margin).collect();
    margins.probes = prober.probes.load(Ordering::Relaxed);
    margins.stopped_by = prober.stopped_by();
    margins.seconds = began.elapsed().as_secs_f64();
    margins
}

/// Does something to each line, several at a time.
fn each<'p>(lines: &[Mutex<Line<'p>>], jobs: usize, work: impl Fn(&mut Line<'p>) + Sync) {
    on_threads(jobs, lines.len(), |index| {
        // Nobody else has this line; poisoned only if a worker panicked, which is passed on.
        if let Ok(mut line) = lines[index].lock() {
            work(&mut line);
        }
    });
}

/// Checks the policy with something changed.
struct Prober<'a> {
    base: &'a Base<'a>,
    before: BTreeMap<Property, Verdict>,
    wanted: Vec<Property>,
    holding: Vec<Property>,
    zones: u64,
    check_time: Duration,
    end: Option<Instant>,
    probes: AtomicU64,
    out_of_time: AtomicBool,
    options: &'a MarginOptions<'a>,
}

impl Prober<'_> {
    fn stopped_by(&self) -> Option<String> {
        if self.options.cancel.load(Ordering::Relaxed) {
            return Some(Limits::INTERRUPT.to_owned());
        }
        self.out_of_time.load(Ordering::Relaxed).then(|| Limits::OF_TIME.to_owned())
    }

    /// What is left of the time; none: nothing.
    fn left(&self) -> Option<Duration> {
        let left = self.end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            self.out_of_time.store(true, Ordering::Relaxed);
        }
        (!left.is_zero() && !self.options.cancel.load(Ordering::Relaxed)).then_some(left)
    }

    fn verify_options(&self, states_max: Option<u64>, left: Duration) -> VerifyOptions<'_> {
        let own = &self.options.limits;
        let time_max = own.time_max.map_or(left, |most| most.min(left));
        VerifyOptions {
            engine: Engine::Zones,
            limits: Limits { states_max, memory_max: own.memory_max, time_max: Some(time_max) },
            properties: &self.wanted,
            fail_fast: &[],
            today: self.options.today,
            cancel: self.options.cancel,
            progress: &|_| (),
        }
    }

    /// Without runs, and no further than the first verdict that is another one.
    fn probe(&self, texts: Option<Vec<String>>) -> Outcome {
        let Some(texts) = texts else { return Outcome::Refused("it can't be written here".to_owned()) };
        let Some(left) = self.left() else { return self.stopped() };
        self.probes.fetch_add(1, Ordering::Relaxed);
        let source = match self.base.read(&texts, None) {
            Ok(source) => source,
            Err(why) => return Outcome::Refused(why),
        };
        let options = self.verify_options(Some(self.zones), left.min(self.check_time));
        let found = match verdicts(&source.policy, &source.protocol, &options, &self.holding) {
            Ok(found) => found,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        let differs = |(property, verdict): (&Property, &Verdict)| {
            *verdict != Verdict::Inconclusive && Some(verdict) != self.before.get(property)
        };
        if found.of.iter().any(differs) {
            return Outcome::Differs;
        }
        if found.of.values().any(|verdict| *verdict == Verdict::Inconclusive) {
            // Called once more, so that the time is known to be over.
            self.left();
            return Outcome::Open(found.stopped_by.unwrap_or_else(|| "a verdict is inconclusive".to_owned()));
        }
        Outcome::Same
    }

    /// The full check, runs and all: the verdicts that are others.
    fn confirm(&self, texts: &[String]) -> Result<Vec<VerdictChange>, String> {
        let left = self.left().ok_or_else(|| Limits::OF_TIME.to_owned())?;
        self.probes.fetch_add(1, Ordering::Relaxed);
        let source = self.base.read(texts, None)?;
        let options =
            self.verify_options(self.options.limits.states_max, left.min(self.check_time * FULL_MORE));
        let result = verify(&source.policy, &source.protocol, &options).map_err(|error| error.to_string())?;
        let (mut changes, mut unsure) = (Vec::new(), None);
        for found in &result.properties {
            let (property, to) = (found.property, found.verdict);
            let from = self.before.get(&property).copied().unwrap_or(Verdict::NotApplicable);
            match to {
                Verdict::Inconclusive => unsure = Some(format!("{property}: {}", found.reason)),
                _ if to != from => changes.push(VerdictChange { property, from, to }),
                _ => {}
            }
        }
        // A verdict that is another one is so whatever is not known beside it.
        unsure.filter(|_| changes.is_empty()).map_or(Ok(changes), Err)
    }

    fn stopped(&self) -> Outcome {
        Outcome::Open(self.stopped_by().unwrap_or_else(|| Limits::OF_TIME.to_owned()))
    }
}

/// One declaration.
struct Line<'p> {
    prober: &'p Prober<'p>,
    /// In the order in which they are shown.
    number: usize,
    file: usize,
    one: Declared,
    walk: Walk,
    /// Below and above, each with what the full checks say of it.
    sides: [(Edge, End); 2],
}

impl<'p> Line<'p> {
    fn new(prober: &'p Prober<'p>, number: usize, file: usize, one: Declared) -> Line<'p> {
        let edge = Edge { safe: one.value, next: None, inside: Inside::EveryValue };
        let side = (edge, End::Open { why: Limits::OF_TIME.to_owned() });
        let walk = Walk::new(&one, prober.options.probes_max);
        Line { prober, number, file, walk, sides: [side.clone(), side], one }
    }

    /// The texts with another value here.
    fn changed(&self, value: i64) -> Option<Vec<String>> {
        changed(self.prober.base, self.file, &self.one, value)
    }

    /// Both edges, each checked in full.
    fn edges(&mut self) {
        let (prober, file, one) = (self.prober, self.file, self.one.clone());
        let probe = |value| prober.probe(changed(prober.base, file, &one, value));
        for (index, up) in [(0, false), (1, true)] {
            let edge = self.walk.outward(up, &probe);
            self.sides[index] = self.confirmed(edge, up);
        }
    }

    /// What is between the edges.
    fn inside(&mut self, durations: &[i64]) {
        let (prober, file, one) = (self.prober, self.file, self.one.clone());
        let probe = |value| prober.probe(changed(prober.base, file, &one, value));
        for (index, up) in [(0, false), (1, true)] {
            let before = self.sides[index].0.clone();
            let edge = self.walk.inward(before.clone(), durations, &probe);
            if (edge.safe, &edge.next) == (before.safe, &before.next) {
                self.sides[index].0 = edge;
            } else {
                self.sides[index] = self.confirmed(edge, up);
            }
        }
    }

    /// An edge with what the full checks say of it. Where they don't bear out that its safe value is one, the
    /// declared value is all that is known.
    fn confirmed(&self, mut edge: Edge, up: bool) -> (Edge, End) {
        let (is_safe, end) = self.confirm(&edge, up);
        if !is_safe {
            (edge.safe, edge.inside) = (self.one.value, Inside::EveryValue);
        }
        (edge, end)
    }

    /// The full check on both sides of an edge: whether its safe value is one, and what comes after it.
    fn confirm(&self, edge: &Edge, up: bool) -> (bool, End) {
        let Edge { safe, next, .. } = edge.clone();
        let at = if up { safe + self.one.step() } else { safe - self.one.step() };
        let at_written = || self.one.show(at);
        let kept = match self.changed(safe) {
            _ if safe == self.one.value => Ok(Vec::new()),
            Some(changed) => self.prober.confirm(&changed),
            None => Err("it can't be written here".to_owned()),
        };
        let is_safe = kept.as_ref().is_ok_and(Vec::is_empty);
        let end = match (kept, next) {
            (Err(why), _) => End::Open { why: format!("the full check of {}: {why}", self.one.show(safe)) },
            (Ok(changes), _) if !changes.is_empty() => {
                let shown = self.one.show(safe);
                End::Open { why: format!("the full check of {shown} says otherwise: please report this") }
            }
            (_, None) => End::EndOfRange,
            (_, Some(Outcome::Open(why))) => End::Open { why },
            (_, Some(Outcome::Refused(why))) => End::NotAllowed { at, at_written: at_written(), why },
            (_, Some(Outcome::Same | Outcome::Differs)) => {
                let found = self.changed(at).map_or(Ok(Vec::new()), |changed| self.prober.confirm(&changed));
                match found {
                    Ok(changes) if changes.is_empty() => {
                        let shown = at_written();
                        End::Open {
                            why: format!("the full check of {shown} says otherwise: please report this"),
                        }
                    }
                    Ok(changes) => End::Flips { at, at_written: at_written(), changes },
                    Err(why) => End::Open { why: format!("the full check of {}: {why}", at_written()) },
                }
            }
        };
        (is_safe, end)
    }

    fn margin(self) -> Margin {
        let side = |(edge, end): &(Edge, End)| Side {
            safe: edge.safe,
            safe_written: self.one.show(edge.safe),
            end: end.clone(),
            inside: edge.inside,
        };
        Margin {
            declaration: self.one.name(),
            member: self.prober.base.member(self.file).map(str::to_owned),
            preset: self.one.preset.map(str::to_owned),
            unit: match self.one.what {
                What::Duration { .. } => MarginUnit::Milliseconds,
                What::Count { .. } => MarginUnit::Count,
            },
            step: self.one.step(),
            value: self.one.value,
            written: self.one.written.clone(),
            below: side(&self.sides[0]),
            above: side(&self.sides[1]),
        }
    }
}

/// The texts with another value in one place.
fn changed(base: &Base, file: usize, one: &Declared, value: i64) -> Option<Vec<String>> {
    Some(base.with(file, one.write(&base.texts()[file], value)?))
}
