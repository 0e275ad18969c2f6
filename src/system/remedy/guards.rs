//! Guards in dense time: what each says now, under which constraint, and what it remembers then.
//!
//! The same kinds as [`crate::guard`], which are plain values and hold the vectors of real systems;
//! here their moments are clocks. At the edge of a span both readings are allowed, unless the policy
//! says which one is right.

use smallvec::{SmallVec, smallvec};

use super::{GuardState, Rules};
use crate::guard::Flap;
use crate::model::Outcome;
use crate::policy::remedy::{Boundary, GuardKind, GuardRule};
use crate::system::world::{Slot, Who, World};
use crate::system::{Draft, Steps};
use crate::time::{Constraint, Guard};

/// One way in which a guard can answer.
struct Answer {
    /// None: it admits.
    refuses: Option<Outcome>,
    when: Guard,
    after: GuardState,
}

/// States of a breaker, which begins closed.
const OPEN: u8 = 1;
const HALF_OPEN: u8 = 2;

/// The clock may read as within the span.
fn within(clock: Slot, rule: &GuardRule) -> Guard {
    let constraint = clock.clock().map(|clock| match rule.edge {
        Boundary::Reached => Constraint::below(clock, rule.span),
        Boundary::Either | Boundary::Exceeded => Constraint::at_most(clock, rule.span),
    });
    constraint.into_iter().collect()
}

/// The clock may read as beyond the span.
fn over(clock: Slot, rule: &GuardRule) -> Guard {
    let constraint = clock.clock().map(|clock| match rule.edge {
        Boundary::Exceeded => Constraint::above(clock, rule.span),
        Boundary::Either | Boundary::Reached => Constraint::at_least(clock, rule.span),
    });
    constraint.into_iter().collect()
}

fn admits(when: Guard, after: GuardState) -> Answer {
    Answer { refuses: None, when, after }
}

fn refuses(outcome: Outcome, when: Guard, state: &GuardState) -> Answer {
    Answer { refuses: Some(outcome), when, after: state.clone() }
}

/// Every answer of a guard; `busy` is how many actions are under way, `unwell` how many members are
/// not well, both as far as they concern it.
fn answers(rule: &GuardRule, state: &GuardState, busy: u8, unwell: u8) -> SmallVec<[Answer; 3]> {
    let limit = rule.limit as u8;
    let first = state.clocks.first().copied();
    let started = |count: u8| GuardState { count, clocks: smallvec![Slot::ZERO], ..state.clone() };
    match rule.kind {
        GuardKind::Cooldown => match first {
            None => smallvec![admits(Guard::new(), started(0))],
            Some(clock) => smallvec![
                admits(over(clock, rule), started(0)),
                refuses(Outcome::Cooling, within(clock, rule), state),
            ],
        },
        GuardKind::CooldownFromCompletion | GuardKind::Stabilization => match first {
            _ if busy > 0 && rule.kind == GuardKind::CooldownFromCompletion => {
                smallvec![refuses(Outcome::Cooling, Guard::new(), state)]
            }
            None => smallvec![admits(Guard::new(), state.clone())],
            Some(clock) => smallvec![
                admits(over(clock, rule), state.clone()),
                refuses(Outcome::Cooling, within(clock, rule), state),
            ],
        },
        GuardKind::Tumbling => match first {
            _ if limit == 0 => smallvec![refuses(Outcome::Limited, Guard::new(), state)],
            None => smallvec![admits(Guard::new(), started(1))],
            Some(clock) if state.count < limit => smallvec![
                admits(within(clock, rule), GuardState { count: state.count + 1, ..state.clone() }),
                admits(over(clock, rule), started(1)),
            ],
            Some(clock) => smallvec![
                admits(over(clock, rule), started(1)),
                refuses(Outcome::Limited, within(clock, rule), state),
            ],
        },
        GuardKind::Sliding => {
            let mut after = state.clone();
            after.clocks.push(Slot::ZERO);
            if state.clocks.len() < usize::from(limit) {
                return smallvec![admits(Guard::new(), after)];
            }
            let Some(oldest) = first else {
                return smallvec![refuses(Outcome::Limited, Guard::new(), state)];
            };
            after.clocks.remove(0);
            smallvec![
                admits(over(oldest, rule), after),
                refuses(Outcome::Limited, within(oldest, rule), state),
            ]
        }
        GuardKind::QuietReset => match first {
            _ if limit == 0 => smallvec![refuses(Outcome::Exhausted, Guard::new(), state)],
            None => smallvec![admits(Guard::new(), started(1))],
            Some(clock) => {
                let again = if state.count < limit {
                    admits(within(clock, rule), started(state.count + 1))
                } else {
                    refuses(Outcome::Exhausted, within(clock, rule), state)
                };
                smallvec![admits(over(clock, rule), started(1)), again]
            }
        },
        GuardKind::InFlight if busy < limit => smallvec![admits(Guard::new(), state.clone())],
        GuardKind::Population if unwell <= limit => smallvec![admits(Guard::new(), state.clone())],
        GuardKind::InFlight | GuardKind::Population => {
            smallvec![refuses(Outcome::Limited, Guard::new(), state)]
        }
        GuardKind::Flap if state.mode == 0 => smallvec![admits(Guard::new(), state.clone())],
        GuardKind::Flap => smallvec![refuses(Outcome::Flapping, Guard::new(), state)],
        GuardKind::Breaker => match (state.mode, first) {
            (OPEN, Some(clock)) => {
                let trying = GuardState { mode: HALF_OPEN, count: 1, ..GuardState::default() };
                smallvec![
                    admits(over(clock, rule), trying),
                    refuses(Outcome::Open, within(clock, rule), state),
                ]
            }
            (HALF_OPEN, _) if state.count < rule.trials as u8 => {
                smallvec![admits(Guard::new(), GuardState { count: state.count + 1, ..state.clone() })]
            }
            (HALF_OPEN, _) => smallvec![refuses(Outcome::Open, Guard::new(), state)],
            _ => smallvec![admits(Guard::new(), state.clone())],
        },
    }
}

/// A breaker hears how an action went.
fn report(rule: &GuardRule, state: &GuardState, success: bool) -> GuardState {
    let opened = || GuardState { mode: OPEN, clocks: smallvec![Slot::ZERO], ..GuardState::default() };
    match state.mode {
        // A late result of a call from before counts as nobody's.
        OPEN => state.clone(),
        HALF_OPEN if success => {
            // Above the trials: how many went well.
            let bits = state.bits + 1;
            if bits >= rule.trials { GuardState::default() } else { GuardState { bits, ..state.clone() } }
        }
        HALF_OPEN => opened(),
        _ => {
            let calls = rule.minimum_calls.min(crate::policy::remedy::keys::CALLS_MAX);
            let kept = (1_u32 << calls) - 1;
            let bits = (state.bits << 1 | u32::from(!success)) & kept;
            let count = (u32::from(state.count) + 1).min(calls);
            let failures = bits.count_ones();
            if count == calls && failures * 100 >= rule.failure_percent * count {
                opened()
            } else {
                GuardState { bits, count: count as u8, ..state.clone() }
            }
        }
    }
}

/// A flap detector sees a state.
fn watch(rule: &GuardRule, state: &GuardState, unwell: bool) -> GuardState {
    let (algorithm, low, high) = rule.flap;
    let mut flap = Flap::with_past(algorithm, low, high, state.bits, state.count, state.mode != 0);
    flap.observe(u8::from(unwell));
    let (bits, count, flapping) = flap.past();
    GuardState { mode: u8::from(flapping), count, bits, clocks: SmallVec::new() }
}

impl Steps<'_> {
    /// `guard.admit`: all guards of the attempt's policy, in one step.
    pub(in crate::system) fn admit(&mut self, who: Who) {
        let rules = self.rules();
        let aim = self.before.attempt(who).aim;
        let world = self.before;
        // Who was admitted so far, and what must hold for it.
        let mut admitted = vec![self.draft()];
        for (place, rule) in rules.guards_of(aim.part, aim.target) {
            let target = rule.per_target.then_some(aim.target);
            let busy = self.system.busy(world, Some(aim.part), target);
            let unwell = self.system.unwell(world);
            let mut next = Vec::new();
            for answer in answers(rule, &world.remedy().guards[place], busy, unwell) {
                for draft in &admitted {
                    let mut draft = draft.clone();
                    draft.guard.extend(answer.when.iter().copied());
                    if let Some(outcome) = answer.refuses {
                        // Nobody counts what was refused.
                        let refused = Draft { world: world.clone(), ..draft };
                        self.go(who, outcome, refused);
                    } else {
                        draft.world.remedy_mut().guards[place] = answer.after.clone();
                        next.push(draft);
                    }
                }
            }
            admitted = next;
        }
        for draft in admitted {
            self.go(who, Outcome::Admitted, draft);
        }
    }

    /// `guard.success`, `guard.failure`.
    pub(in crate::system) fn report(&mut self, who: Who, success: bool) {
        let aim = self.before.attempt(who).aim;
        let mut draft = self.draft();
        for (place, rule) in self.rules().guards_of(aim.part, aim.target) {
            if rule.kind == GuardKind::Breaker {
                let state = &mut draft.world.remedy_mut().guards[place];
                *state = report(rule, state, success);
            }
        }
        self.go(who, Outcome::Done, draft);
    }
}

impl Rules {
    /// The guards that watch see what a run of their policy saw.
    pub(super) fn watched(&self, world: &mut World, part: u8, target: u8, diverged: bool) {
        for (place, rule) in self.guards_of(part, target) {
            let state = &mut world.remedy_mut().guards[place];
            match rule.kind {
                GuardKind::Flap => *state = watch(rule, state, diverged),
                GuardKind::Stabilization if !diverged => state.clocks = smallvec![Slot::ZERO],
                _ => {}
            }
        }
    }

    /// An action of this policy on this target is over.
    pub(super) fn completed(&self, world: &mut World, part: u8, target: u8) {
        for (place, rule) in self.guards_of(part, target) {
            if rule.kind == GuardKind::CooldownFromCompletion {
                world.remedy_mut().guards[place].clocks = smallvec![Slot::ZERO];
            }
        }
    }

    /// The worker's memory is gone, and with it what its guards counted there.
    pub(in crate::system) fn forget(&self, world: &mut World, part: u8) {
        let part = &self.parts[usize::from(part)];
        let mut from = part.guards_from;
        for rule in &part.guards {
            let to = from + self.places(rule);
            if !rule.durable {
                world.remedy_mut().guards[from..to].fill(GuardState::default());
            }
            from = to;
        }
    }
}
