//! The general case: every possible course of one key, within a limit.
//!
//! A course is a sequence of claims. Each has a moment, perhaps a result with its moment, perhaps an effect, and
//! lasts until the next claim, or as long as its lease or the receipt's time to live lets it. Whatever bounds a moment
//! from below is a moment of a record, or such a moment and a span of the terms; so it is enough to try each of them,
//! the earliest that is possible among them. A claim that lasts as long as it can explains the most.

use rustc_hash::FxHashSet;

use super::key::{KeyHistory, Kind, Mark, NEVER, NONE, Op, Party};
use super::record::{Failure, Terms, TtlFrom};

/// Requests that must be explained, and requests that may have claimed: more are not searched.
pub const OPS_MAX: usize = 16;
/// Steps of one search.
pub const STEPS_MAX: usize = 200_000;
/// Claims of one course.
const CLAIMS_MAX: usize = 24;

/// The service itself.
const RECOVERY: usize = usize::MAX;
/// A result that nobody was told.
const UNTOLD: u32 = NONE - 1;

/// An answer that must be explained.
#[derive(Clone, Copy, Debug)]
struct Must {
    op: Op,
    /// Its place in the history.
    index: usize,
    /// Who claimed, if it did.
    own: usize,
}

/// Somebody who may have claimed.
#[derive(Clone, Copy, Debug)]
struct May {
    op: Op,
    /// It stands for several: it may claim again.
    again: bool,
    /// Its own answer is explained by its claim, or by what comes after.
    told: bool,
}

/// Bounds of the n-th effect.
#[derive(Clone, Copy, Debug)]
struct Window {
    earliest: i64,
    latest: i64,
    body: u32,
}

/// What is searched for a course.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    terms: Terms,
    must: Vec<Must>,
    may: Vec<May>,
    windows: Vec<Window>,
    /// Of every effect beyond `windows`; none: there are no more.
    further: Option<i64>,
}

/// Why a history is not searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsuited(pub &'static str);

fn plus(moment: i64, span: u64) -> i64 {
    moment.saturating_add(i64::try_from(span).unwrap_or(NEVER))
}

fn minus(moment: i64, span: u64) -> i64 {
    moment.saturating_sub(i64::try_from(span).unwrap_or(NEVER))
}

/// The bounds of each effect, and of those beyond.
fn windows(history: &KeyHistory, terms: &Terms) -> Result<(Vec<Window>, Option<i64>), Unsuited> {
    let counted = history.counts.iter().map(|count| count.effects).max().unwrap_or(0);
    let counted = usize::try_from(counted).unwrap_or(usize::MAX);
    let mut seen = history.effects.clone();
    let recorded = terms.effects_recorded || !seen.is_empty();
    let need = counted.max(seen.len());
    if need > CLAIMS_MAX {
        return Err(Unsuited("it has more effects than a search follows"));
    }
    if !seen.is_empty() && seen.len() < counted {
        return Err(Unsuited("more effects were counted than have records"));
    }
    seen.sort_unstable_by_key(|effect| (effect.earliest, effect.latest));
    // Two that may have come in either order are told apart by their payload.
    let either = |(place, effect): (usize, &super::key::Seen)| {
        seen[..place].iter().any(|before| before.latest >= effect.earliest && before.body != effect.body)
    };
    if !seen.is_sorted_by_key(|effect| effect.latest) || seen.iter().enumerate().any(either) {
        return Err(Unsuited("the order of its effects is not known"));
    }
    let bounds = |index: usize| {
        let mut window =
            seen.get(index).map_or(Window { earliest: i64::MIN, latest: NEVER, body: NONE }, |effect| {
                Window { earliest: effect.earliest, latest: effect.latest, body: effect.body }
            });
        for count in &history.counts {
            if usize::try_from(count.effects).unwrap_or(usize::MAX) > index {
                window.latest = window.latest.min(count.end);
            } else {
                window.earliest = window.earliest.max(count.start);
            }
        }
        window
    };
    let further = (!recorded).then(|| bounds(need).earliest);
    Ok(((0..need).map(bounds).collect(), further))
}

/// Whether the terms let a request of this kind have claimed.
fn may_claim(op: &Op, terms: &Terms) -> bool {
    match op.kind {
        Kind::Success | Kind::Failure | Kind::Released | Kind::Unknown => true,
        // One that lost its claim to another, and is told so: it was at work for longer than its claim.
        Kind::InFlight => {
            let shortest = [terms.lease, terms.ttl].into_iter().flatten().map(|span| span.min).min();
            shortest.is_some_and(|shortest| op.end >= plus(op.start, shortest))
        }
        Kind::Mismatch => false,
    }
}

impl Problem {
    /// All records as they are.
    pub(super) fn exact(history: &KeyHistory, terms: &Terms) -> Result<Problem, Unsuited> {
        let (windows, further) = windows(history, terms)?;
        let mut problem = Problem { terms: *terms, must: Vec::new(), may: Vec::new(), windows, further };
        for (index, op) in history.ops.iter().enumerate() {
            let own = problem.may.len();
            let claims = may_claim(op, terms);
            if claims {
                problem.may.push(May { op: *op, again: false, told: true });
            }
            if !matches!(op.kind, Kind::Released | Kind::Unknown) {
                problem.must.push(Must { op: *op, index, own: if claims { own } else { RECOVERY } });
            }
        }
        Ok(problem)
    }

    pub(super) fn is_small(&self) -> bool {
        self.must.len() <= OPS_MAX && self.may.len() <= OPS_MAX
    }

    /// Harder than the truth: a course that explains this explains everything.
    ///
    /// Answers of one sort that are not further apart than `gap` must rest on one claim, and only some may have claimed.
    pub(super) fn harder(mut self, gap: i64) -> Problem {
        let class = |op: &Op| (op.kind as u8, op.body, op.answer, op.mark as u8);
        self.must.sort_by_key(|must| (class(&must.op), must.op.start, must.op.end));
        let mut merged: Vec<Must> = Vec::new();
        for must in &self.must {
            let apart = self.terms.marked && must.op.mark == Mark::New;
            match merged.last_mut() {
                Some(last)
                    if !apart
                        && class(&last.op) == class(&must.op)
                        && must.op.start <= last.op.end.saturating_add(gap) =>
                {
                    // What lasts from the least end to the greatest start meets all of them.
                    last.op.start = last.op.start.max(must.op.start);
                    last.op.end = last.op.end.min(must.op.end);
                    for own in [last.own, must.own].into_iter().filter(|own| *own != RECOVERY) {
                        self.may[own].told = false;
                    }
                    last.own = RECOVERY;
                }
                _ => merged.push(*must),
            }
        }
        self.must = merged;
        // Who lost its claim must be told from the others it was merged with; most courses need none such.
        for may in &mut self.may {
            may.op.end = if may.op.kind == Kind::InFlight { i64::MIN } else { may.op.end };
        }
        if self.may.len() > OPS_MAX {
            // The first of each sort and the last: most courses need few claims.
            let mut order: Vec<usize> = (0..self.may.len()).collect();
            order.sort_by_key(|index| (class(&self.may[*index].op), self.may[*index].op.start));
            let mut kept: Vec<usize> = Vec::new();
            for group in order.chunk_by(|a, b| class(&self.may[*a].op) == class(&self.may[*b].op)) {
                kept.extend([group.first(), group.get(group.len() / 2), group.last()].into_iter().flatten());
            }
            kept.dedup();
            // Those that must explain themselves come first.
            kept.sort_by_key(|index| self.may[*index].op.kind == Kind::InFlight);
            kept.truncate(OPS_MAX);
            for must in &mut self.must {
                must.own = kept.iter().position(|index| *index == must.own).unwrap_or(RECOVERY);
            }
            self.may = kept.iter().map(|index| self.may[*index]).collect();
        }
        self
    }

    /// Easier than the truth: what does not explain this explains nothing.
    ///
    /// A few answers of each sort must be explained, and those who may have claimed may do it again and again.
    pub(super) fn easier(mut self) -> Problem {
        let class = |op: &Op| (op.kind as u8, op.body, op.answer);
        let sort = |must: &Must| class(&must.op);
        self.must.sort_by_key(|must| (sort(must), must.op.end));
        let mut kept: Vec<Must> = Vec::new();
        for group in self.must.chunk_by(|a, b| sort(a) == sort(b)) {
            kept.extend(group.first());
            let last = group.iter().max_by_key(|must| must.op.start);
            kept.extend(last.filter(|last| group.first().is_some_and(|first| first.op != last.op)));
        }
        kept.truncate(OPS_MAX);
        let mut may: Vec<May> = Vec::new();
        let mut place = vec![RECOVERY; self.may.len()];
        let mut order: Vec<usize> = (0..self.may.len()).collect();
        order.sort_by_key(|index| class(&self.may[*index].op));
        for index in order {
            let one = self.may[index];
            match may.last_mut() {
                Some(last) if class(&last.op) == class(&one.op) => {
                    last.again = true;
                    last.op.start = last.op.start.min(one.op.start);
                    last.op.end = last.op.end.max(one.op.end);
                    last.op.mark = if last.op.mark == one.op.mark { one.op.mark } else { Mark::Untold };
                }
                _ => may.push(one),
            }
            place[index] = may.len() - 1;
        }
        for must in &mut kept {
            must.own = if must.own == RECOVERY { RECOVERY } else { place[must.own] };
        }
        self.must = kept;
        self.may = may;
        self
    }

    /// Whether some course explains all; none: the limit came first.
    pub(super) fn solve(&self) -> Option<bool> {
        if self.must.len() > 32 || self.may.len() > 32 {
            return None;
        }
        if self.must.is_empty() && self.windows.is_empty() {
            return Some(true);
        }
        let mut search = Search { problem: self, steps: 0, cut: false, seen: FxHashSet::default() };
        let found = search.next(None, Past::default(), 0);
        if found { Some(true) } else { (!search.cut).then_some(false) }
    }

    /// The records without which there would be a course; empty where the limit comes first.
    pub(super) fn core(&self, history: &KeyHistory) -> Vec<Party> {
        let mut core = self.clone();
        let mut parties = Vec::new();
        let mut index = 0;
        while index < core.must.len() {
            let mut without = core.clone();
            without.must.remove(index);
            match without.solve() {
                Some(false) => core = without,
                _ => index += 1,
            }
        }
        let without = Problem { windows: Vec::new(), further: Some(i64::MIN), ..core.clone() };
        if without.solve() != Some(false) {
            // The answer is what is named first; effects come before it.
            parties.extend((0..history.effects.len()).map(Party::Effect));
            parties.extend((0..history.counts.len()).map(Party::Count));
        }
        let mut ops: Vec<usize> = core.must.iter().map(|must| must.index).collect();
        ops.sort_by_key(|index| std::cmp::Reverse(history.ops[*index].start));
        ops.into_iter().map(Party::Op).chain(parties).collect()
    }
}

/// A claim that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Claim {
    who: usize,
    at: i64,
    body: u32,
    done: Option<(i64, u32)>,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Past {
    /// The answers that are explained, and those who have claimed.
    explained: u32,
    claimed: u32,
    effects: usize,
    /// This life of the key has its effect.
    effected: bool,
    /// Nothing more happens before this moment.
    since: Option<i64>,
}

struct Search<'a> {
    problem: &'a Problem,
    steps: usize,
    cut: bool,
    seen: FxHashSet<(Option<Claim>, Past)>,
}

impl Search<'_> {
    fn terms(&self) -> &Terms {
        &self.problem.terms
    }

    fn op(&self, who: usize) -> Option<&Op> {
        self.problem.may.get(who).map(|may| &may.op)
    }

    /// What is explained once this claim has lasted until the next one.
    fn explained(&self, claim: &Claim, before: u32, next: i64) -> u32 {
        let terms = self.terms();
        let lived = |from: i64| terms.ttl.and_then(|ttl| ttl.max).map_or(NEVER, |max| plus(from, max));
        let leased = terms.lease.and_then(|lease| lease.max).map_or(NEVER, |max| plus(claim.at, max));
        let kind = self.op(claim.who).map(|op| (op.kind, op.end));
        let released = match kind {
            Some((Kind::Released, end)) => end,
            _ => NEVER,
        };
        let done_at = claim.done.map_or(NEVER, |(at, _)| at);
        // As a claim, as whoever's key it is, and as a result.
        let there = next.min(lived(claim.at)).min(released);
        let flying = there.min(done_at).min(leased);
        let kept = match terms.ttl_from {
            TtlFrom::Claim => lived(claim.at),
            TtlFrom::Record => lived(done_at),
        };
        let kept = next.min(kept);
        let owned = if claim.done.is_some() { kept.max(there.min(done_at)) } else { there };
        let mut explained = before;
        for (index, must) in self.problem.must.iter().enumerate() {
            let op = &must.op;
            // Those that stand for several may start after they end: then it is all in between that is met.
            let meets = |from: i64, to: i64| from <= op.end && op.start <= to && from <= to;
            let own = must.own == claim.who && claim.who != RECOVERY;
            let alone = own && !self.problem.may[claim.who].again;
            let is = match op.kind {
                Kind::InFlight => {
                    let compared = !terms.in_flight_compares || op.body == claim.body;
                    compared && !alone && meets(claim.at, flying)
                }
                Kind::Mismatch => op.body != claim.body && meets(claim.at, owned),
                _ => claim.done.is_some_and(|(at, answer)| {
                    let same = op.body == claim.body && op.answer == answer;
                    let new = terms.marked && op.mark == Mark::New;
                    same && ((own && at <= op.end && at >= op.start) || (!new && meets(at, kept)))
                }),
            };
            explained |= u32::from(is) << index;
        }
        explained
    }

    /// Goes on after a claim, or from the beginning: ends here, or claims again.
    fn next(&mut self, claim: Option<Claim>, past: Past, depth: usize) -> bool {
        if !self.seen.insert((claim, past)) {
            return false;
        }
        self.steps += 1;
        if self.steps > STEPS_MAX || depth > CLAIMS_MAX {
            self.cut = true;
            return false;
        }
        let all = u32::try_from((1_u64 << self.problem.must.len()) - 1).unwrap_or(u32::MAX);
        if let Some(claim) = &claim {
            let lost = self.op(claim.who).is_some_and(|op| op.kind == Kind::InFlight);
            if !lost
                && past.effects >= self.problem.windows.len()
                && self.explained(claim, past.explained, NEVER) == all
            {
                return true;
            }
        }
        for (from, fresh) in self.ends(claim.as_ref()) {
            let recovery = claim.is_some() && !fresh && self.terms().recovery && self.terms().lease.is_some();
            for who in (0..self.problem.may.len()).chain(recovery.then_some(RECOVERY)) {
                // What the key was left with by a release is nothing that a recovery finds.
                if who == RECOVERY && !self.overtakes(claim.as_ref(), from) {
                    continue;
                }
                if self.claim_by(who, from, fresh, claim, past, depth) {
                    return true;
                }
            }
        }
        false
    }

    /// From when on somebody else can claim, and whether the key has a new life then.
    fn ends(&self, claim: Option<&Claim>) -> Vec<(i64, bool)> {
        let Some(claim) = claim else { return vec![(i64::MIN, true)] };
        let terms = self.terms();
        let mut ends = Vec::new();
        if let Some((at, _)) = claim.done {
            let from = if terms.ttl_from == TtlFrom::Claim { claim.at } else { at };
            ends.extend(terms.ttl.map(|ttl| (plus(from, ttl.min).max(at), true)));
            return ends;
        }
        ends.extend(terms.lease.map(|lease| (plus(claim.at, lease.min), false)));
        ends.extend(terms.ttl.map(|ttl| (plus(claim.at, ttl.min), true)));
        let kind = self.op(claim.who).map(|op| op.kind);
        if terms.failure == Failure::Release && matches!(kind, Some(Kind::Released | Kind::Unknown) | None) {
            ends.push((claim.at, false));
        }
        ends
    }

    fn overtakes(&self, claim: Option<&Claim>, from: i64) -> bool {
        let lease = self.terms().lease;
        claim.zip(lease).is_some_and(|(claim, lease)| from >= plus(claim.at, lease.min))
    }

    fn claim_by(
        &mut self,
        who: usize,
        from: i64,
        fresh: bool,
        claim: Option<Claim>,
        past: Past,
        depth: usize,
    ) -> bool {
        let problem = self.problem;
        let bit = if who == RECOVERY { 0 } else { 1_u32 << who };
        if past.claimed & bit != 0 {
            return false;
        }
        let (body, start, end) = match (self.op(who), &claim) {
            (Some(op), _) => (op.body, op.start, if op.kind == Kind::Unknown { NEVER } else { op.end }),
            (None, Some(claim)) => (claim.body, i64::MIN, NEVER),
            (None, None) => return false,
        };
        let again = problem.may.get(who).is_some_and(|may| may.again);
        let first = from.max(start).max(past.since.unwrap_or(i64::MIN));
        // Who lost its claim and says so lost it before it answered.
        let lost = claim.and_then(|claim| self.op(claim.who));
        let lost = lost.filter(|op| op.kind == Kind::InFlight).map_or(NEVER, |op| op.end);
        // A recovery finds what was abandoned, and nothing once the key was released.
        let freed = claim.and_then(|claim| self.op(claim.who));
        let freed =
            freed.filter(|op| who == RECOVERY && op.kind == Kind::Released).map_or(NEVER, |op| op.end);
        let last = end.min(lost).min(freed);
        for at in self.moments(first, last, past.explained, true) {
            let explained = match &claim {
                Some(before) => self.explained(before, past.explained, at),
                None => past.explained,
            };
            let missed = |(index, must): (usize, &Must)| explained & 1 << index == 0 && must.op.end < at;
            if problem.must.iter().enumerate().any(missed) {
                continue;
            }
            let claimed = past.claimed | if again { 0 } else { bit };
            let effected = past.effected && !fresh;
            // A request does one thing: who claims was answered by nothing that came before.
            let asks = |must: &&Must| bit != 0 && !again && must.own == who;
            let own = problem.must.iter().position(|must| asks(&must)).map_or(0, |own| 1_u32 << own);
            let past = Past { explained: explained & !own, claimed, effected, since: Some(at), ..past };
            let claim = Claim { who, at, body, done: None };
            if self.with_effect(claim, past, depth) {
                return true;
            }
        }
        false
    }

    /// The claim without an effect, and with one.
    fn with_effect(&mut self, claim: Claim, past: Past, depth: usize) -> bool {
        if self.with_result(claim, past, depth) {
            return true;
        }
        if past.effected {
            return false;
        }
        let window = match (self.problem.windows.get(past.effects), self.problem.further) {
            (Some(window), _) => *window,
            (None, Some(earliest)) => Window { earliest, latest: NEVER, body: NONE },
            (None, None) => return false,
        };
        let at = claim.at.max(window.earliest);
        let released = self.op(claim.who).filter(|op| op.kind == Kind::Released).map_or(NEVER, |op| op.end);
        if at > window.latest.min(released) || (window.body != NONE && window.body != claim.body) {
            return false;
        }
        let past = Past { effects: past.effects + 1, effected: true, since: Some(at), ..past };
        self.with_result(claim, past, depth)
    }

    /// The claim without a result, and with each that it can have.
    fn with_result(&mut self, claim: Claim, past: Past, depth: usize) -> bool {
        let must_record =
            self.problem.may.get(claim.who).is_some_and(|may| !may.told && may.op.kind.is_final());
        if !must_record && self.next(Some(claim), past, depth + 1) {
            return true;
        }
        let marked = self.terms().marked;
        let (results, last) = match self.op(claim.who) {
            Some(op) if op.kind.is_final() => {
                let recorded = !(marked && op.mark == Mark::Replayed);
                let result = recorded.then_some((op.answer, self.succeeds(claim.body, op.answer)));
                (result.into_iter().collect(), op.end)
            }
            Some(op) if op.kind != Kind::Unknown => (Vec::new(), NEVER),
            // Of an answer that never came, any that somebody else got.
            _ => {
                let got = self.problem.must.iter().filter(|must| {
                    must.op.kind.is_final()
                        && must.op.body == claim.body
                        && !(marked && must.op.mark == Mark::New)
                });
                let mut results: Vec<(u32, bool)> =
                    got.map(|must| (must.op.answer, self.succeeds(claim.body, must.op.answer))).collect();
                results.push((UNTOLD, false));
                results.sort_unstable();
                results.dedup();
                (results, NEVER)
            }
        };
        let first = past.since.unwrap_or(claim.at);
        for (answer, success) in results {
            if success && !past.effected {
                continue;
            }
            for at in self.moments(first, last, past.explained, false) {
                let claim = Claim { done: Some((at, answer)), ..claim };
                let past = Past { since: Some(at), ..past };
                if self.next(Some(claim), past, depth + 1) {
                    return true;
                }
            }
        }
        false
    }

    /// Whether somebody was told that this is a success.
    fn succeeds(&self, body: u32, answer: u32) -> bool {
        let told = |op: &Op| op.kind == Kind::Success && op.body == body && op.answer == answer;
        self.problem.may.iter().any(|may| told(&may.op))
    }

    /// The moments that are worth a try, the earliest first.
    fn moments(&self, first: i64, last: i64, explained: u32, claims: bool) -> Vec<i64> {
        let terms = self.terms();
        let mut moments = vec![first];
        for (index, must) in self.problem.must.iter().enumerate() {
            if explained & 1 << index != 0 {
                continue;
            }
            let start = must.op.start;
            moments.push(start);
            let spans = [terms.ttl, terms.lease.filter(|_| claims)];
            moments
                .extend(spans.into_iter().flatten().filter_map(|span| span.max).map(|max| minus(start, max)));
        }
        // A result comes after its effect, and is only found while the receipt lives.
        let effects = self.problem.windows.iter().map(|window| window.earliest).chain(self.problem.further);
        if let Some(max) = terms.ttl.and_then(|ttl| ttl.max).filter(|_| claims) {
            moments.extend(effects.map(|earliest| minus(earliest, max)));
        }
        moments.retain(|at| *at >= first && *at <= last);
        moments.sort_unstable();
        moments.dedup();
        moments
    }
}
