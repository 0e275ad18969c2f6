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
use crate::system::{Draft, Steps, at_least, at_most};
use crate::time::Guard;

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
    // Real guards count in whole units of their clock: below a span is one unit less.
    at_most(clock, rule.span - i64::from(rule.edge == Boundary::Reached)).into_iter().collect()
}

/// The clock may read as beyond the span.
fn over(clock: Slot, rule: &GuardRule) -> Guard {
    at_least(clock, rule.span + i64::from(rule.edge == Boundary::Exceeded)).into_iter().collect()
}

fn admits(when: Guard, after: GuardState) -> Answer {
    Answer { refuses: None, when, after }
}

fn refuses(outcome: Outcome, when: Guard, state: &GuardState) -> Answer {
    Answer { refuses: Some(outcome), when, after: state.clone() }
}

/// Every answer of a guard. `again`: the run has been admitted before and is counted. `unwell` gives
/// each number of members that can be seen not to be well, and what must hold for it.
fn answers(
    rule: &GuardRule,
    state: &GuardState,
    again: bool,
    unwell: &[(u8, Guard)],
) -> SmallVec<[Answer; 3]> {
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
        GuardKind::CooldownFromCompletion | GuardKind::Stabilization => {
            let counts = rule.kind == GuardKind::CooldownFromCompletion;
            let taken = GuardState { count: state.count + u8::from(counts && !again), ..state.clone() };
            match first {
                _ if state.count > u8::from(again) => {
                    smallvec![refuses(Outcome::Cooling, Guard::new(), state)]
                }
                None => smallvec![admits(Guard::new(), taken)],
                Some(clock) => smallvec![
                    admits(over(clock, rule), taken),
                    refuses(Outcome::Cooling, within(clock, rule), state),
                ],
            }
        }
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
        GuardKind::InFlight if again => smallvec![admits(Guard::new(), state.clone())],
        GuardKind::InFlight if state.count < limit => {
            smallvec![admits(Guard::new(), GuardState { count: state.count + 1, ..state.clone() })]
        }
        GuardKind::InFlight => smallvec![refuses(Outcome::Limited, Guard::new(), state)],
        GuardKind::Population => {
            let answer = |(seen, when): &(u8, Guard)| match *seen <= limit {
                true => admits(when.clone(), state.clone()),
                false => refuses(Outcome::Limited, when.clone(), state),
            };
            unwell.iter().map(answer).collect()
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
        HALF_OPEN => {
            // The trials are judged together: the lower half counts failures, the upper one results.
            let bits = state.bits + (1 << 16) + u32::from(!success);
            let (results, failures) = (bits >> 16, bits & 0xffff);
            if results < rule.trials.min(rule.minimum_calls) {
                GuardState { bits, ..state.clone() }
            } else if failures * 100 >= rule.failure_percent * results {
                opened()
            } else {
                GuardState::default()
            }
        }
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
            let unwell = match rule.kind {
                GuardKind::Population => {
                    self.system.seen_unwell(world, rules.parts[usize::from(aim.part)].lag)
                }
                _ => Vec::new(),
            };
            let mut next = Vec::new();
            for answer in answers(rule, &world.remedy().guards[place], aim.counted, &unwell) {
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
        for mut draft in admitted {
            draft.world.attempt_mut(who).aim.counted = rules.counts_actions(aim.part);
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

    /// Some guard of this policy counts who was admitted and is not done.
    fn counts_actions(&self, part: u8) -> bool {
        let rules = &self.parts[usize::from(part)].guards;
        rules.iter().any(|r| matches!(r.kind, GuardKind::InFlight | GuardKind::CooldownFromCompletion))
    }

    /// Who was admitted is done: its action is over (`acted`), or will never begin.
    pub(super) fn release(&self, world: &mut World, part: u8, target: u8, acted: bool) {
        for (place, rule) in self.guards_of(part, target) {
            let state = &mut world.remedy_mut().guards[place];
            match rule.kind {
                GuardKind::InFlight => state.count = state.count.saturating_sub(1),
                GuardKind::CooldownFromCompletion => {
                    state.count = state.count.saturating_sub(1);
                    if acted {
                        state.clocks = smallvec![Slot::ZERO];
                    }
                }
                _ => {}
            }
        }
    }

    /// The worker's memory is gone, and with it what its guards counted there.
    pub(in crate::system) fn forget(&self, world: &mut World, part: u8) {
        let rule_of = &self.parts[usize::from(part)];
        let mut from = rule_of.guards_from;
        for rule in &rule_of.guards {
            let to = from + self.places(rule);
            if !rule.durable {
                world.remedy_mut().guards[from..to].fill(GuardState::default());
            }
            from = to;
        }
        // What was counted there is counted no more, and ends without a trace.
        let kept = |rule: &GuardRule| {
            rule.durable && matches!(rule.kind, GuardKind::InFlight | GuardKind::CooldownFromCompletion)
        };
        if !rule_of.guards.iter().any(kept) {
            world.uncount(part);
        }
    }
}
