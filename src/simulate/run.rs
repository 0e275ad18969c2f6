//! One sampled run: the system's own steps, at moments that are drawn.
//!
//! Whoever can do something has an activity that goes on until a drawn moment: an attempt works, a call is on its
//! way, a client waits. The earliest activity ends first, and what comes of it is drawn among the steps that the
//! clocks allow there. So each step is one of the system's, at a moment that it allows: a drawn duration is one
//! of those within the bounds, by the share that they have of its distribution.

use smallvec::SmallVec;

use super::activity::{Activity, Kind, chance};
use super::around::Around;
use super::draw::{Draw, Purpose};
use super::measure::Measured;
use crate::model::{Operation, Outcome};
use crate::policy::simulate::{Chance, Span};
use crate::system::remedy::Effected;
use crate::system::world::{Attempt, Call, World};
use crate::system::{Action, Actor, Ending, Step, System};
use crate::time::ticks::{self, Values};
use crate::time::{Clock, Constraint};

/// Steps of one run, at most: it is cut there, which is told.
pub const STEPS_MAX: u32 = 5_000;
/// Moments at which an activity could have ended and nothing came of it, in one run, at most.
const IDLE_MAX: u32 = 50_000;

/// Why a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing more is to come.
    Quiet,
    /// It was looked at for as long as it is to be.
    Time,
    /// It has as many steps as it may have.
    Steps,
    /// No step is allowed in time: the policy's bounds contradict each other here.
    Stuck,
}

/// How an answer will turn out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intent {
    Usual,
    Error,
    Timeout,
    /// A person who is asked does not answer.
    Expired,
}

/// Until when an activity goes on.
#[derive(Clone, Copy, Debug)]
struct Plan {
    activity: Activity,
    /// None: it does not end by itself.
    at: Option<i64>,
    intent: Intent,
    /// When an action will be over, though its caller may not wait so long.
    over: Option<i64>,
}

/// A run that goes on.
#[derive(Clone)]
pub struct Run<'a> {
    pub system: &'a System,
    around: &'a Around,
    world: World,
    clocks: Values,
    /// Milliseconds since the start.
    pub now: i64,
    plans: Vec<Plan>,
    /// How often a number was drawn for a purpose.
    turns: Vec<(u8, (u8, u8), u32)>,
    pub facts: u64,
    pub measured: Measured,
    pub steps: u32,
    idle: u32,
    /// The number of each step among those of its world, and its moment, where somebody asks for it.
    pub log: Option<Vec<(u32, i64)>>,
}

/// What a number is drawn for: beside the kinds of activities, which take the first numbers.
const TIE: u8 = 100;
const STALLS: u8 = 102;
const STALL: u8 = 103;
const INTENT: u8 = 104;
const LAND: u8 = 105;
const LOST: u8 = 106;
const COMES: u8 = 107;
/// With the kind of the activity added.
const BRANCH: u8 = 128;

/// From when to when, counted from now, a step is allowed; none: at no time from now.
fn window(guard: &[Constraint], clocks: &[i64]) -> Option<(i64, Option<i64>)> {
    let value = |clock: Clock| if clock == 0 { 0 } else { clocks[usize::from(clock) - 1] };
    let (mut low, mut high) = (0_i64, None::<i64>);
    for one in guard {
        let bound = one.bound - i64::from(one.strict);
        match (one.left, one.right) {
            (left, 0) => {
                let most = bound - value(left);
                high = Some(high.map_or(most, |high| high.min(most)));
            }
            (0, right) => low = low.max(-bound - value(right)),
            (left, right) if value(left) - value(right) > bound => return None,
            _ => {}
        }
    }
    high.is_none_or(|high| low <= high).then_some((low, high))
}

/// What the run of an activity's owner came to with a step.
pub enum Went {
    /// A step was taken: its number, and the step itself, whose world is the run's now.
    On(Box<Taken>),
    Over(End),
}

/// A step that was taken.
pub struct Taken {
    pub before: World,
    pub step: Step,
}

impl<'a> Run<'a> {
    /// At its start. `system` is in milliseconds and without symmetry: names are needed.
    pub fn new(system: &'a System, around: &'a Around) -> Run<'a> {
        let mut world = system.initial_world();
        let clocks = SmallVec::from_elem(0, world.clock_count());
        Run {
            system,
            around,
            measured: Measured::new(system, &world),
            world,
            clocks,
            now: 0,
            plans: Vec::new(),
            turns: Vec::new(),
            facts: 0,
            steps: 0,
            idle: 0,
            log: None,
        }
    }

    /// Goes on to the end.
    pub fn finish(&mut self, draw: &mut impl Draw) -> End {
        loop {
            if let Went::Over(end) = self.go(draw) {
                return end;
            }
        }
    }

    pub fn world(&self) -> &World {
        &self.world
    }

    /// A number for a purpose, each time another.
    fn purpose(&mut self, what: u8, who: (u8, u8)) -> Purpose {
        let known = self.turns.iter_mut().find(|(of, whose, _)| *of == what && *whose == who);
        let turn = match known {
            Some((_, _, turn)) => {
                *turn += 1;
                *turn
            }
            None => {
                self.turns.push((what, who, 0));
                0
            }
        };
        Purpose { what, who, turn }
    }

    fn happens(&mut self, chance: Chance, what: u8, who: (u8, u8), draw: &mut impl Draw) -> bool {
        let chance = self.around.chance(chance);
        if chance <= 0.0 {
            return false;
        }
        let purpose = self.purpose(what, who);
        draw.choose(purpose, &[1.0 - chance, chance]) == 1
    }

    fn sample(
        &mut self,
        span: Span,
        what: u8,
        who: (u8, u8),
        (low, high): (i64, Option<i64>),
        draw: &mut impl Draw,
    ) -> i64 {
        if self.around.is_nothing(span) || high.is_some_and(|high| high <= low) {
            return low;
        }
        let purpose = self.purpose(what, who);
        let u = draw.unit(purpose);
        self.around.span(span, u, low, high)
    }

    /// The next step, or the end.
    pub fn go(&mut self, draw: &mut impl Draw) -> Went {
        if self.steps >= STEPS_MAX {
            return Went::Over(End::Steps);
        }
        let mut steps = Vec::new();
        self.system.steps(&self.world, &mut steps);
        let mut invariant = Vec::new();
        self.system.world_invariant(&self.world, &mut invariant);
        let whose: Vec<Option<Activity>> =
            steps.iter().map(|step| Activity::of(self.system, &self.world, &step.label)).collect();
        self.plan(&steps, &whose, &invariant, draw);
        let deadline = window(&invariant, &self.clocks).map_or(Some(0), |(_, high)| high);
        let deadline = deadline.map(|left| self.now + left.max(0));
        loop {
            let first = self.plans.iter().filter_map(|plan| plan.at).min();
            let due = first.filter(|first| deadline.is_none_or(|deadline| *first <= deadline));
            let Some(at) = due.or(deadline) else { return Went::Over(End::Quiet) };
            if at > self.around.until {
                return Went::Over(End::Time);
            }
            if self.idle > IDLE_MAX {
                return Went::Over(End::Steps);
            }
            self.pass(at);
            let Some(plan) = due.and_then(|at| self.first_at(at, draw)) else {
                // Nothing is planned until something has to happen: then it does.
                return match self.forced(&steps, &invariant, draw) {
                    Some(index) => self.take(steps, index),
                    None => Went::Over(End::Stuck),
                };
            };
            match self.outcome(&plan, &steps, &whose, draw) {
                Some(index) => return self.take(steps, index),
                None => self.idle += 1,
            }
        }
    }

    fn pass(&mut self, at: i64) {
        self.clocks = ticks::later(&self.clocks, at - self.now, i64::MAX);
        self.now = at;
    }

    /// Plans what has begun, and forgets what is over.
    fn plan(
        &mut self,
        steps: &[Step],
        whose: &[Option<Activity>],
        invariant: &[Constraint],
        draw: &mut impl Draw,
    ) {
        let left = std::mem::take(&mut self.plans);
        for (step, activity) in steps.iter().zip(whose) {
            let Some(activity) = *activity else { continue };
            if self.plans.iter().any(|plan| plan.activity == activity) {
                continue;
            }
            if let Some(known) = left.iter().find(|plan| plan.activity == activity) {
                self.plans.push(*known);
                continue;
            }
            // What its caller waited for goes on without it.
            let heir = match activity.kind {
                Kind::Flight => Some(Kind::Land),
                Kind::Job => Some(Kind::Reply),
                _ => None,
            };
            let of = left
                .iter()
                .find(|plan| Some(plan.activity.kind) == heir && plan.activity.who == activity.who);
            if let Some(of) = of {
                let at = if activity.kind == Kind::Job { of.over.or(of.at) } else { of.at };
                let at = at.map(|at| at.max(self.now));
                self.plans.push(Plan { activity, at, intent: Intent::Usual, over: None });
                continue;
            }
            if activity.kind == Kind::Land || activity.kind == Kind::Reply {
                self.plan_answer(activity.who, &step.label.actor, invariant, draw);
                continue;
            }
            let (at, intent) = self.moment(activity, steps, whose, invariant, draw);
            self.plans.push(Plan { activity, at, intent, over: None });
        }
    }

    /// From when to when, counted from now, some step of an activity is allowed.
    fn span_of(
        &self,
        activity: Activity,
        steps: &[Step],
        whose: &[Option<Activity>],
    ) -> Option<(i64, Option<i64>)> {
        let own = steps.iter().zip(whose).filter(|(_, of)| **of == Some(activity));
        let windows = own.filter_map(|(step, _)| window(&step.guard, &self.clocks));
        let open = windows.filter(|(_, high)| high.is_none_or(|high| high >= 0));
        open.reduce(|one, other| (one.0.min(other.0), one.1.zip(other.1).map(|(a, b)| a.max(b))))
    }

    /// What is left of the time that an owner's clock has.
    fn left(&self, clock: Option<Clock>, invariant: &[Constraint]) -> Option<i64> {
        let clock = clock?;
        let own = invariant.iter().filter(|one| one.left == clock && one.right == 0);
        own.map(|one| (one.bound - self.clocks[usize::from(clock) - 1]).max(0)).min()
    }

    /// When an activity that begins now ends.
    fn moment(
        &mut self,
        activity: Activity,
        steps: &[Step],
        whose: &[Option<Activity>],
        invariant: &[Constraint],
        draw: &mut impl Draw,
    ) -> (Option<i64>, Intent) {
        const NEVER: (Option<i64>, Intent) = (None, Intent::Usual);
        let Some((low, high)) = self.span_of(activity, steps, whose) else { return NEVER };
        let who = activity.who;
        let what = activity.kind as u8;
        let mut owned = steps.iter().zip(whose).filter(|(_, of)| **of == Some(activity));
        let Some((own, _)) = owned.next() else { return NEVER };
        let left = self.left(self.clock_of(own.label.actor), invariant);
        let high = high.into_iter().chain(left).min();
        let beyond = |run: &mut Self, span: Span, draw: &mut _| {
            let most = high.map(|high| (high - low).max(0));
            low + run.sample(span, what, who, (0, most), draw)
        };
        let delay = match activity.kind {
            Kind::Arrive => beyond(self, Span::Arrival, draw),
            Kind::Retry => {
                let patient = self.system.times.client_timeout.is_none() && activity.turn & 255 == 1;
                beyond(self, if patient { Span::Patience } else { Span::Backoff }, draw)
            }
            Kind::Again => match self.happens(Chance::Redelivery, COMES, who, draw) {
                true => beyond(self, Span::Redelivery, draw),
                false => return NEVER,
            },
            Kind::Redrive => match self.happens(Chance::Redrive, COMES, who, draw) {
                true => beyond(self, Span::Redrive, draw),
                false => return NEVER,
            },
            Kind::Role => beyond(self, Span::Role, draw),
            Kind::Trigger => beyond(self, Span::Trigger, draw),
            Kind::Restart => beyond(self, Span::Restart, draw),
            Kind::Flight => self.sample(Span::Late, what, who, (low, high), draw),
            Kind::Job => self.sample(Span::Action, what, who, (low, high), draw),
            Kind::Fails => beyond(self, Span::Fault, draw),
            Kind::Recovers => beyond(self, Span::Recovery, draw),
            Kind::Repaired => beyond(self, Span::Repair, draw),
            Kind::Overdue => low,
            Kind::Work => {
                let at = self.world.acting(own.label.actor).map_or(0, |attempt| attempt.at);
                let asks = self.system.table[usize::from(at)].operation == Operation::Approve;
                if asks {
                    // Like a call, it is not answered in time, or it is.
                    let takes = self.sample(Span::Approval, what, who, (0, None), draw);
                    let expires = high.is_some_and(|high| high <= takes);
                    let intent = if expires { Intent::Expired } else { Intent::Usual };
                    let after = if expires { high.unwrap_or(takes) } else { takes };
                    return (Some(self.now.saturating_add(after)), intent);
                }
                let works = self.sample(Span::Work, what, who, (low, high), draw);
                let may_stall = high.is_none_or(|high| high > low);
                if may_stall && self.happens(Chance::Stall, STALLS, who, draw) {
                    self.sample(Span::Stall, STALL, who, (works, high), draw)
                } else {
                    works
                }
            }
            Kind::Land | Kind::Reply => return NEVER,
        };
        (Some(self.now.saturating_add(delay)), Intent::Usual)
    }

    /// When a call, a query or an action that begins now is answered and takes effect, and how it turns out.
    fn plan_answer(&mut self, who: (u8, u8), actor: &Actor, invariant: &[Constraint], draw: &mut impl Draw) {
        let Some(attempt) = self.world.acting(*actor).copied() else { return };
        let left = self.left(attempt.clock.clock(), invariant);
        let t = &self.system.times;
        let operation = &self.system.table[usize::from(attempt.at)].operation;
        let land = Activity { kind: Kind::Land, who, turn: 0 };
        let reply = Activity { kind: Kind::Reply, who, turn: 0 };
        let what = Kind::Reply as u8;
        if operation.acts() {
            let Some(rules) = &self.system.remedy else { return };
            let part = &rules.parts[usize::from(attempt.aim.part)];
            let (low, high, timeout) = (part.act_min, part.act_max, part.timeout);
            let takes = self.sample(Span::Action, what, who, (low, high), draw);
            let over = Some(self.now + takes);
            let plan = match timeout.filter(|timeout| *timeout <= takes) {
                Some(timeout) => {
                    Plan { activity: reply, at: Some(self.now + timeout), intent: Intent::Timeout, over }
                }
                None => Plan { activity: reply, at: over, intent: Intent::Usual, over },
            };
            self.plans.push(plan);
            return;
        }
        let (low, high, timeout, lands) = (t.latency_min, t.latency_max, t.call_timeout, t.land_at_most);
        let calls = matches!(operation, Operation::Call { .. });
        let mut takes = self.sample(Span::Latency, what, who, (low, high), draw);
        if !calls {
            takes = left.map_or(takes, |left| takes.min(left));
            self.plans.push(Plan {
                activity: reply,
                at: Some(self.now + takes),
                intent: Intent::Usual,
                over: None,
            });
            return;
        }
        let hangs = self.around.chance(Chance::CallHang);
        let fails = if self.system.calls_fail() { self.around.chance(Chance::CallError) } else { 0.0 };
        let purpose = self.purpose(INTENT, who);
        let turn = draw.choose(purpose, &[(1.0 - hangs - fails).max(0.0), fails, hangs]);
        let late = timeout.is_some_and(|timeout| takes >= timeout);
        let intent = match turn {
            1 if !late => Intent::Error,
            0 if !late => Intent::Usual,
            _ => Intent::Timeout,
        };
        let lands_at = match intent {
            Intent::Usual => {
                let purpose = self.purpose(LAND, who);
                Some((draw.unit(purpose) * takes as f64) as i64)
            }
            // It may have been done all the same, or not.
            Intent::Error if self.system.errors_prevent() => None,
            Intent::Error if self.happens(Chance::CallLost, LOST, who, draw) => None,
            Intent::Error => {
                let purpose = self.purpose(LAND, who);
                Some((draw.unit(purpose) * takes as f64) as i64)
            }
            Intent::Timeout if turn == 0 => Some(takes),
            Intent::Timeout if self.happens(Chance::CallLost, LOST, who, draw) => None,
            Intent::Timeout | Intent::Expired => Some(self.sample(Span::Late, LAND, who, (0, lands), draw)),
        };
        let answered = match intent {
            Intent::Timeout => timeout,
            _ => Some(takes),
        };
        let plan = |activity, after: Option<i64>| Plan {
            activity,
            at: after.map(|after| self.now + after),
            intent,
            over: None,
        };
        let plans = [plan(land, lands_at), plan(reply, answered)];
        self.plans.extend(plans);
    }

    /// One of the activities that end at this moment: what takes effect comes before its answer, else any.
    fn first_at(&mut self, at: i64, draw: &mut impl Draw) -> Option<Plan> {
        let mut due: SmallVec<[Plan; 4]> =
            self.plans.iter().filter(|plan| plan.at == Some(at)).copied().collect();
        if due.iter().any(|plan| plan.activity.kind == Kind::Land) {
            due.retain(|plan| plan.activity.kind == Kind::Land);
        }
        if due.len() < 2 {
            return due.first().copied();
        }
        let purpose = self.purpose(TIE, (0, 0));
        let weights: SmallVec<[f64; 4]> = due.iter().map(|_| 1.0).collect();
        Some(due[draw.choose(purpose, &weights)])
    }

    /// Which step ends an activity that is due. None: none does now, and it goes on.
    fn outcome(
        &mut self,
        plan: &Plan,
        steps: &[Step],
        whose: &[Option<Activity>],
        draw: &mut impl Draw,
    ) -> Option<usize> {
        let Plan { activity, intent, .. } = *plan;
        let allowed = |step: &Step| ticks::allow(&step.guard, &self.clocks);
        let of_attempt = matches!(activity.kind, Kind::Work | Kind::Land | Kind::Reply);
        let beside = |step: &Step| {
            let dies =
                self.world.acting(step.label.actor).is_some_and(|one| activity.is_of_attempt(one.name));
            of_attempt && (dies || step.label.actor == Actor::Store)
        };
        let mut own: SmallVec<[usize; 8]> = SmallVec::new();
        let mut others: SmallVec<[usize; 8]> = SmallVec::new();
        for (index, (step, of)) in steps.iter().zip(whose).enumerate() {
            if *of == Some(activity) {
                if allowed(step) {
                    own.push(index);
                }
            } else if of.is_none() && beside(step) && allowed(step) {
                others.push(index);
            }
        }
        merge(&mut own, steps);
        if intent != Intent::Usual || activity.kind == Kind::Reply {
            self.by_intent(&mut own, steps, intent);
        }
        let chances: SmallVec<[Option<Chance>; 8]> =
            own.iter().map(|index| chance(self.system, &self.world, &steps[*index])).collect();
        // An answer that comes when its client is gone is late, whatever the chance of that.
        let heard = own.iter().any(|index| matches!(steps[*index].label.ending, Some(Ending::Answered(_))));
        let usual = |index: usize, chance: &Option<Chance>| match steps[index].label.ending {
            Some(Ending::AnswerLate(_)) => !heard,
            _ => chance.is_none(),
        };
        let usuals = own.iter().zip(&chances).filter(|(index, chance)| usual(**index, chance)).count();
        // Faults come by their chance, each kind by its own; what usually comes has the rest.
        let mut weights: SmallVec<[f64; 12]> = SmallVec::new();
        let mut sum = 0.0;
        let all: SmallVec<[(usize, Option<Chance>); 12]> = own
            .iter()
            .zip(&chances)
            .map(|(index, chance)| (*index, if usual(*index, chance) { None } else { *chance }))
            .chain(others.iter().map(|index| (*index, chance(self.system, &self.world, &steps[*index]))))
            .collect();
        for (_, chance) in &all {
            let weight = chance.map_or(0.0, |chance| {
                let alike = all.iter().filter(|(_, other)| *other == Some(chance)).count();
                self.around.chance(chance) / alike as f64
            });
            sum += weight;
            weights.push(weight);
        }
        let rest = (1.0 - sum).max(0.0);
        for (weight, (_, chance)) in weights.iter_mut().zip(&all) {
            if chance.is_none() {
                *weight = rest / usuals as f64;
            }
        }
        // Where nothing usual can come, an attempt does what it can; whatever else waits for another moment.
        let waits = usuals == 0 && !(of_attempt && activity.kind != Kind::Land && !own.is_empty());
        if waits {
            weights.push(rest);
        }
        let none = all.is_empty() || weights.iter().all(|weight| *weight <= 0.0);
        if !none {
            let purpose = self.purpose(BRANCH + activity.kind as u8, activity.who);
            let chosen = draw.choose(purpose, &weights);
            if let Some((index, _)) = all.get(chosen) {
                return Some(*index);
            }
        }
        self.postpone(activity, steps, whose, draw);
        None
    }

    /// Of the answers that can come, those that are meant to, where there are any.
    fn by_intent(&self, own: &mut SmallVec<[usize; 8]>, steps: &[Step], intent: Intent) {
        let is = |index: usize, outcome: Outcome| steps[index].label.action == Action::Operate { outcome };
        let keeps: &dyn Fn(usize) -> bool = match intent {
            Intent::Timeout => &|index| is(index, Outcome::Timeout),
            Intent::Error => &|index| is(index, Outcome::Error),
            Intent::Expired => &|index| is(index, Outcome::Expired),
            Intent::Usual => {
                let acts = own.iter().any(|index| {
                    let at = usize::from(steps[*index].label.at);
                    self.system.table[at].operation.acts()
                });
                // An action's error has a chance of its own; a call's was drawn when it was sent.
                &move |index| !is(index, Outcome::Timeout) && (acts || !is(index, Outcome::Error))
            }
        };
        if own.iter().any(|index| keeps(*index)) {
            own.retain(|index| keeps(*index));
        }
    }

    /// An activity of which nothing came goes on: until something can, or for as long again.
    fn postpone(
        &mut self,
        activity: Activity,
        steps: &[Step],
        whose: &[Option<Activity>],
        draw: &mut impl Draw,
    ) {
        let own = steps.iter().zip(whose).filter(|(_, of)| **of == Some(activity));
        let windows = own.filter_map(|(step, _)| window(&step.guard, &self.clocks));
        let open: SmallVec<[(i64, Option<i64>); 8]> =
            windows.filter(|(_, high)| high.is_none_or(|high| high >= 0)).collect();
        let now = open.iter().any(|(low, _)| *low <= 0);
        let next = open.iter().map(|(low, _)| *low).filter(|low| *low > 0).min();
        let at = if now {
            let span = match activity.kind {
                Kind::Trigger => Span::Trigger,
                Kind::Job => Span::Action,
                _ => Span::Work,
            };
            let most = open.iter().map(|(_, high)| *high).try_fold(0, |most, high| Some(most.max(high?)));
            let again =
                self.sample(span, activity.kind as u8, activity.who, (1, most.map(|m| m.max(1))), draw);
            Some(self.now + again.max(1))
        } else {
            next.map(|next| self.now + next)
        };
        if let Some(plan) = self.plans.iter_mut().find(|plan| plan.activity == activity) {
            plan.at = at;
        }
    }

    /// A step at the last moment at which something has to happen, though nothing was planned: of those whose
    /// time is over, and a usual one, where there are such.
    fn forced(&mut self, steps: &[Step], invariant: &[Constraint], draw: &mut impl Draw) -> Option<usize> {
        let mut allowed: SmallVec<[usize; 8]> =
            (0..steps.len()).filter(|index| ticks::allow(&steps[*index].guard, &self.clocks)).collect();
        let over = |index: usize| {
            let clock = self.clock_of(steps[index].label.actor);
            self.left(clock, invariant).is_some_and(|left| left <= 0)
        };
        let usual = |index: usize| chance(self.system, &self.world, &steps[index]).is_none();
        for prefers in [&over as &dyn Fn(usize) -> bool, &usual] {
            if allowed.iter().any(|index| prefers(*index)) {
                allowed.retain(|index| prefers(*index));
            }
        }
        if allowed.is_empty() {
            return None;
        }
        let weights: SmallVec<[f64; 8]> = allowed.iter().map(|_| 1.0).collect();
        let purpose = self.purpose(BRANCH, (u8::MAX, u8::MAX));
        allowed.get(draw.choose(purpose, &weights)).copied()
    }

    /// The clock by which the time of an actor is measured.
    fn clock_of(&self, actor: Actor) -> Option<Clock> {
        match actor {
            Actor::Client(index) => self.world.clients[usize::from(index)].clock.clock(),
            Actor::Job(index) => self.world.remedy().jobs[usize::from(index)].clock.clock(),
            actor => self.world.acting(actor).and_then(|attempt| attempt.clock.clock()),
        }
    }

    /// Takes a step.
    fn take(&mut self, mut steps: Vec<Step>, index: usize) -> Went {
        // What a step shows it shows under whichever of its names the system has it.
        let facts = steps
            .iter()
            .enumerate()
            .filter(|(other, step)| {
                *other == index
                    || step.label == steps[index].label
                        && step.facts != steps[index].facts
                        && ticks::allow(&step.guard, &self.clocks)
                        && step.world == steps[index].world
            })
            .fold(0, |facts, (_, step)| facts | step.facts);
        let mut step = steps.swap_remove(index);
        let map = step.world.number_clocks();
        if let Some(log) = &mut self.log {
            log.push((index as u32, self.now));
        }
        self.facts |= facts;
        self.steps += 1;
        // Whoever acted begins something else.
        let acting: Option<Attempt> = self.world.acting(step.label.actor).copied();
        let done = Activity::of(self.system, &self.world, &step.label);
        match (acting, done) {
            (Some(attempt), done) => {
                let unheard = step.label.action == Action::Effect(Effected::Unheard);
                // A call goes on while its caller waits, and may outlive it.
                let lands = unheard || done.is_some_and(|done| done.kind == Kind::Land);
                self.plans.retain(|plan| {
                    !plan.activity.is_of_attempt(attempt.name)
                        || match plan.activity.kind {
                            Kind::Land => !lands,
                            kind => kind == Kind::Reply,
                        }
                });
                if unheard {
                    self.after_unheard(&attempt);
                }
                let waits = |one: &Attempt| one.name == attempt.name && one.call != Call::None;
                if !step.world.live().any(|(_, one)| waits(one)) {
                    self.keep_for_heirs(&step.world, attempt.name);
                }
            }
            (None, Some(done)) => self.plans.retain(|plan| plan.activity != done),
            (None, None) => {}
        }
        self.measured.note(self.system, &self.world, &step, facts, &self.clocks, self.now);
        self.clocks = ticks::follow(&map, &self.clocks);
        let before = std::mem::replace(&mut self.world, step.world.clone());
        Went::On(Box::new(Taken { before, step }))
    }

    /// An action was done and its caller will not hear: only its timeout is left.
    fn after_unheard(&mut self, attempt: &Attempt) {
        let Some(rules) = &self.system.remedy else { return };
        let timeout = rules.parts[usize::from(attempt.aim.part)].timeout;
        let since = attempt.clock.clock().map_or(0, |clock| self.clocks[usize::from(clock) - 1]);
        for plan in self.plans.iter_mut() {
            if plan.activity.kind == Kind::Reply && plan.activity.who == attempt.name {
                plan.at = timeout.map(|timeout| self.now + (timeout - since).max(0));
                plan.intent = Intent::Timeout;
            }
        }
    }

    /// The caller waits no more: its plans go, but for what goes on without it, which [`Run::plan`] takes over.
    fn keep_for_heirs(&mut self, after: &World, name: (u8, u8)) {
        let flies = after.flights.iter().any(|flight| flight.name == name);
        let goes_on = after.remedy.iter().flat_map(|remedy| &remedy.jobs).any(|job| job.name == name);
        self.plans.retain(|plan| {
            plan.activity.who != name
                || match plan.activity.kind {
                    Kind::Land => flies,
                    Kind::Reply => goes_on,
                    Kind::Work | Kind::Restart => false,
                    _ => true,
                }
        });
    }
}

/// Of steps that are the same but for what they show, one is enough: the one that shows the most.
fn merge(own: &mut SmallVec<[usize; 8]>, steps: &[Step]) {
    let mut at = 0;
    while at < own.len() {
        let one = &steps[own[at]];
        let better = own.iter().enumerate().any(|(position, other)| {
            let other = &steps[*other];
            let more = other.facts.count_ones().cmp(&one.facts.count_ones()).then(at.cmp(&position));
            position != at && other.label == one.label && more.is_gt() && other.world == one.world
        });
        if better {
            own.remove(at);
        } else {
            at += 1;
        }
    }
}
