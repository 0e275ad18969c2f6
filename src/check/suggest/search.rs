//! The search for suggestions.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::changes::{self, Change, Kind};
use super::patch::{Changed, patch};
use super::{Edit, Suggestion, Suggestions, Tried};
use crate::check::margins::ZONES_MORE;
use crate::check::margins::base::Base;
use crate::check::margins::critical::{critical, others};
use crate::check::property::Property;
use crate::check::verdict::{PolicyResult, Standing, Verdict};
use crate::check::{Engine, Limits, VerifyOptions, verdicts, verify};
use crate::model::{Operation, Protocol, WriteKind, read, shipped};
use crate::policy::declared::{Declared, What};
use crate::policy::load::{Loaded, LoadedPolicy};
use crate::source::{FileId, edit};
use crate::threads::found_on_threads;

/// How suggestions are searched for.
pub struct SuggestOptions<'a> {
    pub limits: Limits,
    pub time_max: Duration,
    /// Suggestions to find at the most.
    pub most: usize,
    /// Changes in one suggestion: 1 or 2.
    pub changes_max: usize,
    pub jobs: usize,
    pub today: &'a str,
    pub cancel: &'a AtomicBool,
}

/// Values of one declaration that are tried in each direction.
const VALUES_MAX: usize = 40;
/// What the full checks of suggestions may take, all together, where no time is left.
const FULL_CHECK: Duration = Duration::from_secs(10);
/// Values of one declaration that are tried together with another change.
const VALUES_OF_PAIR: usize = 8;
/// Pairs of changes that are held, each in eight bytes.
const PAIRS_MAX: usize = 1_000_000;

/// Looks for the smallest changes that make the violated properties hold. `result` is that of the policy as it is;
/// with `wanted`, only these are to hold, and the others not to get worse.
pub fn suggest(
    loaded: &Loaded,
    source: &LoadedPolicy,
    result: &PolicyResult,
    wanted: &[Property],
    options: &SuggestOptions,
) -> Suggestions {
    let began = Instant::now();
    let before: BTreeMap<Property, Verdict> =
        result.properties.iter().map(|property| (property.property, property.verdict)).collect();
    let is_wanted = |property: &Property| wanted.is_empty() || wanted.contains(property);
    let violated: Vec<Property> = before
        .iter()
        .filter(|(property, verdict)| is_wanted(property) && **verdict == Verdict::Violated)
        .map(|(property, _)| *property)
        .collect();
    let zones = ZONES_MORE.0 + ZONES_MORE.1 * result.search.visited;
    let mut out = Suggestions {
        version: 1,
        policy: result.policy.clone(),
        path: result.path.clone(),
        violated: violated.clone(),
        suggestions: Vec::new(),
        tried: Tried {
            seconds_max: options.time_max.as_secs_f64(),
            zones_max: zones.min(options.limits.states_max.unwrap_or(u64::MAX)),
            ..Tried::default()
        },
        open: None,
    };
    if let Some(property) = before.iter().find(|(_, verdict)| **verdict == Verdict::Inconclusive) {
        out.open = Some(format!("{} is inconclusive: nothing can be judged against it", property.0));
        return out;
    }
    if violated.is_empty() {
        return out;
    }
    let base = Base::new(loaded, source);
    // What has to hold: what is violated and wanted, and what holds.
    let held = |(property, verdict): (&Property, &Verdict)| {
        (*verdict == Verdict::Holds || violated.contains(property)).then_some(*property)
    };
    let search = Search {
        must: before.iter().filter_map(held).collect(),
        base: &base,
        before: &before,
        result,
        options,
        end: began.checked_add(options.time_max),
        zones: out.tried.zones_max,
        checks: AtomicU64::new(0),
        undecided: AtomicU64::new(0),
        out_of_time: AtomicBool::new(false),
    };
    let mut found = search.singles(&mut out.tried);
    let ours = found.iter().any(|candidate| candidate.kind() == Kind::Protocol);
    if !ours && options.changes_max > 1 {
        let pairs = search.pairs(&found, &mut out.tried);
        found.extend(pairs);
    }
    found.sort_by(|a, b| {
        let key = |one: &Candidate| (one.changes.len(), one.kind());
        key(a).cmp(&key(b)).then(a.distance().total_cmp(&b.distance()))
    });
    for candidate in &found {
        if out.suggestions.len() == options.most {
            break;
        }
        out.suggestions.extend(search.finish(candidate));
    }
    out.tried.checks = search.checks.load(Ordering::Relaxed);
    out.tried.undecided = search.undecided.load(Ordering::Relaxed);
    out.tried.stopped_by = search.stopped_by();
    out.tried.seconds = began.elapsed().as_secs_f64();
    out
}

/// Changes to be judged.
#[derive(Clone)]
struct Candidate {
    changes: Vec<Change>,
    /// The model, where that is one of the changes.
    model: Option<Arc<Protocol>>,
}

impl Candidate {
    fn of(change: Change) -> Candidate {
        Candidate { changes: vec![change], model: None }
    }

    fn kind(&self) -> Kind {
        self.changes.iter().map(|change| change.kind).max().unwrap_or(Kind::Protocol)
    }

    fn distance(&self) -> f64 {
        self.changes.iter().map(Change::distance).sum()
    }

    fn texts(&self, base: &Base) -> Option<Vec<String>> {
        let mut texts = base.texts().to_vec();
        for change in &self.changes {
            texts[change.file] = change.make(&texts[change.file])?;
        }
        Some(texts)
    }

    /// Whether both are about the same thing.
    fn is_about(&self, other: &Candidate) -> bool {
        let is_same = |one: &Change, other: &Change| one.file == other.file && one.name == other.name;
        self.changes.iter().any(|one| other.changes.iter().any(|change| is_same(one, change)))
    }

    /// The two together; none where they are about the same thing.
    fn with(&self, other: &Candidate) -> Option<Candidate> {
        if self.is_about(other) {
            return None;
        }
        let changes = [self.changes.clone(), other.changes.clone()].concat();
        Some(Candidate { changes, model: self.model.clone().or_else(|| other.model.clone()) })
    }
}

struct Search<'a> {
    base: &'a Base<'a>,
    before: &'a BTreeMap<Property, Verdict>,
    result: &'a PolicyResult,
    must: Vec<Property>,
    options: &'a SuggestOptions<'a>,
    end: Option<Instant>,
    zones: u64,
    checks: AtomicU64,
    undecided: AtomicU64,
    out_of_time: AtomicBool,
}

impl Search<'_> {
    fn stopped_by(&self) -> Option<String> {
        if self.options.cancel.load(Ordering::Relaxed) {
            return Some(Limits::INTERRUPT.to_owned());
        }
        self.out_of_time.load(Ordering::Relaxed).then(|| Limits::OF_TIME.to_owned())
    }

    fn left(&self) -> Option<Duration> {
        let left = self.end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            self.out_of_time.store(true, Ordering::Relaxed);
        }
        (!left.is_zero() && !self.options.cancel.load(Ordering::Relaxed)).then_some(left)
    }

    fn verify_options(&self, states_max: Option<u64>, time_max: Option<Duration>) -> VerifyOptions<'_> {
        VerifyOptions {
            engine: Engine::Zones,
            limits: Limits { states_max, time_max, ..self.options.limits.clone() },
            properties: &[],
            fail_fast: &[],
            today: self.options.today,
            cancel: self.options.cancel,
            progress: &|_| (),
        }
    }

    /// Whether everything that must hold does, without runs: the first violation ends the search.
    fn works(&self, candidate: &Candidate) -> bool {
        let Some(left) = self.left() else { return false };
        let Some(texts) = candidate.texts(self.base) else { return false };
        let Ok(source) = self.base.read(&texts, candidate.model.as_ref()) else { return false };
        self.checks.fetch_add(1, Ordering::Relaxed);
        let options = self.verify_options(Some(self.zones), Some(left));
        let Ok(found) = verdicts(&source.policy, &source.protocol, &options, &self.must) else {
            return false;
        };
        let holds = |property: &Property| found.of.get(property) == Some(&Verdict::Holds);
        let broken = |property: &Property| {
            matches!(found.of.get(property), Some(Verdict::Violated | Verdict::NotApplicable) | None)
        };
        if self.must.iter().all(holds) {
            return self.no_worse(|property| found.of.get(&property).copied());
        }
        if !self.must.iter().any(broken) {
            self.undecided.fetch_add(1, Ordering::Relaxed);
        }
        false
    }

    /// What said nothing before may not be violated now.
    fn no_worse(&self, verdict: impl Fn(Property) -> Option<Verdict>) -> bool {
        self.before.iter().all(|(property, before)| {
            *before != Verdict::NotApplicable
                || matches!(verdict(*property), Some(Verdict::NotApplicable | Verdict::Holds))
        })
    }

    /// Every change by itself.
    fn singles(&self, tried: &mut Tried) -> Vec<Candidate> {
        let switches = changes::switches(self.base).into_iter().map(Candidate::of);
        let switches: Vec<Candidate> = switches.chain(self.models()).collect();
        let missing = changes::missing(self.base);
        let movable = self.movable();
        tried.singles = (switches.len() + missing.len() + movable.len()) as u64;
        let mut found = self.each(&switches, |one| self.works(one).then(|| one.clone()));
        found.extend(self.each(&missing, |values| {
            values.iter().map(|change| Candidate::of(change.clone())).find(|one| self.works(one))
        }));
        let durations = self.base.durations();
        found.extend(self.each(&movable, |(file, one)| self.nearest(*file, one, &durations)));
        found
    }

    fn movable(&self) -> Vec<(usize, Declared)> {
        self.base.declared().into_iter().filter(|(_, one)| changes::may_move(one)).collect()
    }

    /// Other models that ship, where the policy's own is one of them, and their names stand for them here.
    fn models(&self) -> Vec<Candidate> {
        let own = self.base.protocol(0);
        let mut out = Vec::new();
        if self.base.texts().len() > 1 {
            return out;
        }
        let parsed = shipped::shipped().into_iter().filter_map(|(_, text)| read::read(FileId(0), text).0);
        let protocols: Vec<Protocol> = parsed.collect();
        if !protocols.iter().any(|one| one.name == own.name && one.states.len() == own.states.len()) {
            return out;
        }
        let fits = |one: &Protocol| {
            one.name != own.name && acts_by(one) == acts_by(own) && !self.base.is_own_model(&one.name)
        };
        for protocol in protocols.into_iter().filter(fits) {
            let change = Change {
                file: 0,
                path: vec!["model".to_owned()],
                name: "model".to_owned(),
                from: Some(format!("\"{}\"", self.base.source.policy.model)),
                to: format!("\"{}\"", protocol.name),
                kind: Kind::Protocol,
                keeper: None,
                declared: None,
            };
            out.push(Candidate { changes: vec![change], model: Some(Arc::new(protocol)) });
        }
        out
    }

    /// The nearest value of a declaration with which everything holds, of those that were tried.
    fn nearest(&self, file: usize, one: &Declared, durations: &[i64]) -> Option<Candidate> {
        let at = |value: i64| Candidate::of(changes::moved(file, one, value));
        let mut best: Option<Candidate> = None;
        for up in [false, true] {
            let mut fails = one.value;
            for value in values(one, durations, up).into_iter().take(VALUES_MAX) {
                let candidate = at(value);
                if best.as_ref().is_some_and(|best| best.distance() <= candidate.distance()) {
                    break;
                }
                if self.works(&candidate) {
                    best = Some(at(self.halved(fails, value, one.step(), |value| self.works(&at(value)))));
                    break;
                }
                fails = value;
            }
        }
        best
    }

    /// From a value that fails towards one that works, the nearest that works.
    fn halved(&self, mut fails: i64, mut works: i64, step: i64, test: impl Fn(i64) -> bool) -> i64 {
        while (works - fails).abs() > step && self.left().is_some() {
            let middle = fails + (works - fails) / step / 2 * step;
            if test(middle) {
                works = middle;
            } else {
                fails = middle;
            }
        }
        works
    }

    /// Two changes together, of which neither is enough.
    fn pairs(&self, enough: &[Candidate], tried: &mut Tried) -> Vec<Candidate> {
        let is_enough = |change: &Change| {
            enough.iter().any(|one| one.changes[0].file == change.file && one.changes[0].name == change.name)
        };
        let durations = self.base.durations();
        let mut atoms: Vec<Candidate> = changes::switches(self.base).into_iter().map(Candidate::of).collect();
        atoms.extend(self.models());
        for values in changes::missing(self.base) {
            atoms.extend(values.into_iter().step_by(4).map(Candidate::of));
        }
        for (file, one) in self.movable() {
            for up in [false, true] {
                let values = values(&one, &durations, up);
                // Near, far, and between.
                let stride = (values.len() / (VALUES_OF_PAIR / 2)).max(1);
                let some = values.iter().rev().step_by(stride);
                atoms.extend(some.map(|value| Candidate::of(changes::moved(file, &one, *value))));
            }
        }
        atoms.retain(|atom| !is_enough(&atom.changes[0]));
        let pairs = pairs_of(&atoms, PAIRS_MAX);
        tried.pairs = pairs.len() as u64;
        let place = |one: &Candidate| -> Vec<(usize, String)> {
            one.changes.iter().map(|change| (change.file, change.name.clone())).collect()
        };
        // One value of the same two is enough to begin with.
        let places = Mutex::new(BTreeSet::new());
        let most = self.options.most * 2;
        let done = |one: &Candidate| {
            let Ok(places) = places.lock() else { return true };
            places.len() >= most || places.contains(&place(one))
        };
        let found = self.each(&pairs, |(first, second)| {
            let one = atoms[*first as usize].with(&atoms[*second as usize])?;
            if done(&one) || !self.works(&one) {
                return None;
            }
            places.lock().ok()?.insert(place(&one)).then_some(one)
        });
        found.into_iter().map(|one| self.nearer(one)).collect()
    }

    /// Each value of a pair as near to the declared one as it can be, with the other as it is.
    fn nearer(&self, mut candidate: Candidate) -> Candidate {
        for index in 0..candidate.changes.len() {
            let change = candidate.changes[index].clone();
            let Some((one, value)) = &change.declared else { continue };
            let with = |value: i64| {
                let mut other = candidate.clone();
                other.changes[index] = changes::moved(change.file, one, value);
                other
            };
            let value = self.halved(one.value, *value, one.step(), |value| self.works(&with(value)));
            candidate = with(value);
        }
        candidate
    }

    /// Does something with each, several at a time; what comes of it in the order of the list.
    fn each<T: Sync>(&self, list: &[T], work: impl Fn(&T) -> Option<Candidate> + Sync) -> Vec<Candidate> {
        found_on_threads(self.options.jobs, list.len(), |index| match self.left() {
            Some(_) => ControlFlow::Continue(work(&list[index])),
            None => ControlFlow::Break(()),
        })
    }

    /// The full check. There is some time for it even where the search has none left, once for all of them.
    fn check(&self, texts: &[String], candidate: &Candidate) -> Option<PolicyResult> {
        let source = self.base.read(texts, candidate.model.as_ref()).ok()?;
        let end = self.end.and_then(|end| end.checked_add(FULL_CHECK));
        let time_max = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        if time_max.is_zero() {
            self.undecided.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.checks.fetch_add(1, Ordering::Relaxed);
        let options = self.verify_options(self.options.limits.states_max, Some(time_max));
        verify(&source.policy, &source.protocol, &options).ok()
    }

    /// The suggestion, once the full check of its own text agrees.
    fn finish(&self, candidate: &Candidate) -> Option<Suggestion> {
        let mut texts = candidate.texts(self.base)?;
        if let Some(model) = &candidate.model
            && self.base.warnings(&texts, Some(model)) > self.base.warnings(self.base.texts(), None)
        {
            // What the policy says of the outside would mean nothing any more.
            return None;
        }
        let mut result = self.check(&texts, candidate)?;
        let mut expectations = Vec::new();
        for found in result.properties.iter().filter(|one| one.expected == Some(Verdict::Violated)) {
            let path = ["expect", found.property.name()];
            // In `expect = { … }` nothing has a line of its own, and the word is turned round.
            let without =
                || edit::remove(&texts[0], &path).or_else(|| edit::set(&texts[0], &path, "\"holds\""));
            if found.verdict == Verdict::Holds
                && let Some(text) = without()
            {
                texts[0] = text;
                expectations.push(found.property);
            }
        }
        if !expectations.is_empty() {
            // What is shown is what was checked.
            result = self.check(&texts, candidate)?;
        }
        let of = |property: Property| {
            result.properties.iter().find(|one| one.property == property).map(|one| one.verdict)
        };
        let holds = self.must.iter().all(|property| of(*property) == Some(Verdict::Holds));
        let met = result
            .properties
            .iter()
            .all(|property| !self.must.contains(&property.property) || property.standing() <= Standing::Met);
        if !holds || !met || !self.no_worse(of) || !acts_still(self.result, &result) {
            return None;
        }
        let edit = |change: &Change| Edit {
            path: self.base.path(change.file).display().to_string(),
            name: change.name.clone(),
            from: change.from.clone(),
            to: change.to.clone(),
            kind: change.kind,
            keeper: change.keeper.map(str::to_owned),
        };
        let files = self.base.texts().iter().zip(&texts).enumerate();
        let changed = files.filter(|(_, (old, new))| old != new).map(|(file, (old, new))| Changed {
            path: self.base.path(file),
            old,
            new,
        });
        Some(Suggestion {
            changes: candidate.changes.iter().map(edit).collect(),
            kind: candidate.kind(),
            distance: candidate.distance(),
            expectations,
            patch: patch(&changed.collect::<Vec<_>>()),
        })
    }
}

/// Every two of these that can go together, by their places: those that promise least first, then the smallest;
/// no more than `most`, of which the smallest single changes are.
fn pairs_of(atoms: &[Candidate], most: usize) -> Vec<(u32, u32)> {
    let mut sizes: Vec<(u32, Kind, f64)> =
        (0..).zip(atoms).map(|(index, one)| (index, one.kind(), one.distance())).collect();
    sizes.sort_by(|a, b| a.1.cmp(&b.1).then(a.2.total_cmp(&b.2)));
    let mut pairs = Vec::new();
    'all: for (place, second) in sizes.iter().enumerate() {
        for first in &sizes[..place] {
            if !atoms[first.0 as usize].is_about(&atoms[second.0 as usize]) {
                if pairs.len() == most {
                    break 'all;
                }
                pairs.push((first.0.min(second.0), first.0.max(second.0)));
            }
        }
    }
    let mut by_index = sizes;
    by_index.sort_by_key(|(index, ..)| *index);
    let size = |(first, second): &(u32, u32)| {
        let (first, second) = (&by_index[*first as usize], &by_index[*second as usize]);
        (first.1.max(second.1), first.2 + second.2)
    };
    pairs.sort_by(|a, b| {
        let ((kind, distance), (other_kind, other)) = (size(a), size(b));
        kind.cmp(&other_kind).then(distance.total_cmp(&other)).then(a.cmp(b))
    });
    pairs
}

/// Whether a model calls, and whether its effect is a write of its own store. That a call can become a write
/// is nothing that a model can promise.
fn acts_by(protocol: &Protocol) -> (bool, bool) {
    let any = |test: &dyn Fn(&Operation) -> bool| protocol.states.iter().any(|state| test(&state.operation));
    let writes = |op: &Operation| matches!(op, Operation::Commit { writes, .. } if writes.contains(&WriteKind::Effect));
    (any(&|op| matches!(op, Operation::Call { .. })), any(&writes))
}

/// What was done before is done still: what never happens breaks nothing.
fn acts_still(before: &PolicyResult, after: &PolicyResult) -> bool {
    let done = |result: &PolicyResult| {
        let numbers = result.properties.iter().filter_map(|property| property.number.as_ref());
        let effects =
            numbers.filter(|one| one.name == "most effects" || one.name.starts_with("most actions"));
        effects.filter_map(|number| number.exact).max().unwrap_or(0)
    };
    done(before) == 0 || done(after) > 0
}

/// Values of a declaration on one side of what it is now, the nearest first: where verdicts can change and one step
/// further, and ever greater steps.
fn values(one: &Declared, durations: &[i64], up: bool) -> Vec<i64> {
    let (least, greatest) = one.range();
    let step = one.step();
    let mut out = BTreeSet::new();
    match one.what {
        What::Count { .. } => out.extend((least..=greatest).take(101)),
        What::Duration { .. } => {
            let within = if up { one.value + 1..=greatest } else { 1..=one.value };
            let places = critical(&others(durations, one.value), within, VALUES_MAX / 3).into_iter();
            out.extend(places.flat_map(|place| [place / step * step, place / step * step + step]));
            let mut far = one.value.max(step);
            for _ in 0..VALUES_MAX / 3 {
                far = if up { far.saturating_mul(2) } else { far / 2 / step * step };
                out.insert(far.clamp(least, greatest));
            }
        }
    }
    let out = out.into_iter().filter(|value| (least..=greatest).contains(value));
    let mut out: Vec<i64> = out.filter(|value| *value != one.value && (*value > one.value) == up).collect();
    if !up {
        out.reverse();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(name: String, kind: Kind) -> Candidate {
        let (path, to) = (vec![name.clone()], "1".to_owned());
        Candidate::of(Change { file: 0, path, name, from: None, to, kind, keeper: None, declared: None })
    }

    #[test]
    fn pairs_are_in_order_and_few() {
        let kind = |number: usize| if number.is_multiple_of(2) { Kind::Promise } else { Kind::Protocol };
        let atoms: Vec<Candidate> = (0..9).map(|n| atom(format!("name {}", n / 2), kind(n))).collect();
        let all = pairs_of(&atoms, PAIRS_MAX);
        // 36, without the four that are two values of one thing.
        assert_eq!(all.len(), 32);
        let once: BTreeSet<_> = all.iter().collect();
        assert_eq!(once.len(), all.len());
        let of = |(a, b): &(u32, u32)| atoms[*a as usize].with(&atoms[*b as usize]).unwrap().kind();
        assert!(all.is_sorted_by_key(of));
        assert_eq!(all.iter().filter(|pair| of(pair) == Kind::Protocol).count(), 6);
        let few = pairs_of(&atoms, 6);
        assert!(few.len() == 6 && few.iter().all(|pair| of(pair) == Kind::Protocol));
        // As many as three members of a system have.
        let many: Vec<Candidate> = (0..3_000).map(|n| atom(n.to_string(), Kind::Protocol)).collect();
        assert_eq!(pairs_of(&many, PAIRS_MAX).len(), PAIRS_MAX);
    }
}
