//! What the policies declare of a target, in units of the system's time.

use crate::policy::Policy;
use crate::policy::TriggerKind;
use crate::policy::remedy::{
    ActErrors, Action, Fault, GuardKind, GuardRule, Harm, Remedy as Declared, TargetKind,
};
use crate::system::world::Slot;

/// One policy's share of a system.
#[derive(Clone, Debug)]
pub struct Part {
    pub name: String,
    /// Where its runs begin.
    pub first: u8,
    pub trigger: TriggerKind,
    pub every: i64,
    pub delay: Option<i64>,
    pub repeat: Option<i64>,
    pub notifiers: u8,
    pub overlapping: u8,
    pub action: Action,
    pub act_min: i64,
    pub act_max: Option<i64>,
    pub timeout: Option<i64>,
    pub settle: i64,
    pub lag: Option<i64>,
    pub unknown: bool,
    pub errors: ActErrors,
    pub partial: bool,
    pub approval: Option<i64>,
    pub guards: Vec<GuardRule>,
    /// Where its guards begin in [`super::Remedy::guards`].
    pub(in crate::system) guards_from: usize,
    /// How long a worker of this policy can stall.
    pub pause: Option<i64>,
}

/// What is known of the target, and everybody who touches it.
#[derive(Clone, Debug)]
pub struct Rules {
    pub kind: TargetKind,
    pub fault: Fault,
    pub period: i64,
    pub faulty: u8,
    pub harm: Harm,
    pub limit: Option<(u8, i64)>,
    pub hold: Option<i64>,
    pub reversals: u8,
    /// The deadline for telling a person.
    pub within: Option<i64>,
    /// A page takes the target out of the automation's sight.
    pub silences: bool,
    /// Faults that arise in all; ignored where they come again and again.
    pub episodes: u8,
    pub parts: Vec<Part>,
}

impl Part {
    /// From one run of its trigger to the next, at least.
    pub(in crate::system) fn spacing(&self) -> i64 {
        if self.trigger == TriggerKind::Alert { self.repeat.unwrap_or(0) } else { self.every }
    }
}

impl Rules {
    /// The target's facts are those of the first policy.
    pub(in crate::system) fn new(declared: &[(&Policy, &Declared, u8)], pause: Option<i64>) -> Option<Rules> {
        let (_, Declared { target, .. }, _) = declared.first()?;
        let mut parts = Vec::new();
        let mut guards_from = 0;
        for (policy, Declared { target, action, guards, human }, first) in declared {
            let trigger = &policy.trigger;
            parts.push(Part {
                name: policy.name.clone(),
                first: *first,
                trigger: trigger.kind,
                every: trigger.every,
                delay: trigger.delay,
                repeat: trigger.repeat,
                notifiers: trigger.notifiers as u8,
                overlapping: trigger.overlapping as u8,
                action: action.clone(),
                act_min: target.act_min,
                act_max: target.act_max,
                timeout: target.timeout,
                settle: target.settle,
                lag: target.lag,
                unknown: target.unknown,
                errors: target.errors,
                partial: target.partial,
                approval: human.approval,
                guards: guards.clone(),
                guards_from,
                pause,
            });
            let size = members(target.kind);
            guards_from += guards.iter().map(|rule| if rule.per_target { size } else { 1 }).sum::<usize>();
        }
        let within = declared.iter().filter_map(|(_, declared, _)| declared.human.within).min();
        Some(Rules {
            kind: target.kind,
            fault: target.fault,
            period: target.period,
            faulty: target.faulty as u8,
            harm: target.harm,
            limit: target.limit.map(|(most, per)| (most as u8, per)),
            hold: target.hold,
            reversals: target.reversals as u8,
            within,
            silences: declared.iter().all(|(_, declared, _)| declared.human.silences),
            episodes: if target.fault == Fault::None { 0 } else { target.faulty as u8 },
            parts,
        })
    }

    pub fn size(&self) -> usize {
        members(self.kind)
    }

    /// The fewest members that must serve, or the lowest value.
    pub fn floor(&self) -> u8 {
        match self.kind {
            TargetKind::Members { floor, .. } | TargetKind::Value { floor, .. } => floor as u8,
        }
    }

    pub fn is_value(&self) -> bool {
        matches!(self.kind, TargetKind::Value { .. })
    }

    pub(super) fn guard_places(&self) -> usize {
        self.parts.iter().flat_map(|part| &part.guards).map(|rule| self.places(rule)).sum()
    }

    /// How many states a guard has: one, or one for each target.
    pub(super) fn places(&self, rule: &GuardRule) -> usize {
        if rule.per_target { self.size() } else { 1 }
    }

    /// Where the guards of a part keep what they know of a target.
    pub(super) fn guards_of(&self, part: u8, target: u8) -> impl Iterator<Item = (usize, &GuardRule)> {
        let part = &self.parts[usize::from(part)];
        part.guards.iter().scan(part.guards_from, move |from, rule| {
            let place = *from + if rule.per_target { usize::from(target) } else { 0 };
            *from += self.places(rule);
            Some((place, rule))
        })
    }

    /// Every guard's state with its rule.
    pub(in crate::system) fn guard_rules(&self) -> impl Iterator<Item = &GuardRule> {
        let rules = self.parts.iter().flat_map(|part| &part.guards);
        rules.flat_map(|rule| std::iter::repeat_n(rule, self.places(rule)))
    }

    /// A schedule or a loop has to begin its first run in time.
    pub(in crate::system) fn is_due_at_start(&self, part: u8) -> bool {
        let part = &self.parts[usize::from(part)];
        part.trigger != TriggerKind::Alert && part.delay.is_some()
    }

    /// Who may send runs: part, and target where it is a matter of the target.
    pub(in crate::system) fn sources(&self) -> Vec<(u8, u8)> {
        let mut out = Vec::new();
        for (number, part) in (0..).zip(&self.parts) {
            if part.trigger == TriggerKind::Alert {
                for target in 0..self.size() as u8 {
                    out.extend(std::iter::repeat_n((number, target), part.notifiers.into()));
                }
            } else {
                out.push((number, 0));
            }
        }
        out
    }

    /// Every duration.
    pub(in crate::system) fn each(&mut self, mut f: impl FnMut(&mut i64)) {
        f(&mut self.period);
        self.limit.iter_mut().for_each(|(_, per)| f(per));
        self.hold.iter_mut().for_each(&mut f);
        self.within.iter_mut().for_each(&mut f);
        for part in &mut self.parts {
            f(&mut part.every);
            f(&mut part.act_min);
            f(&mut part.settle);
            for time in [
                &mut part.delay,
                &mut part.repeat,
                &mut part.act_max,
                &mut part.timeout,
                &mut part.lag,
                &mut part.approval,
                &mut part.pause,
            ] {
                time.iter_mut().for_each(&mut f);
            }
            for rule in &mut part.guards {
                f(&mut rule.span);
            }
        }
    }

    /// The constants that each clock is compared with before its next start.
    pub(in crate::system) fn bounds(
        &self,
        remedy: &super::Remedy,
        set: &mut impl FnMut(Slot, Option<i64>, Option<i64>),
    ) {
        let settle = self.parts.iter().map(|part| part.settle).max();
        let seen = self.parts.iter().filter_map(|part| Some(part.settle + part.lag?)).max();
        let lag = self.parts.iter().filter_map(|part| part.lag).max();
        for target in &remedy.targets {
            set(target.changed, None, lag);
            set(target.went, Some(self.period), None);
            set(target.over, settle, seen);
            set(target.since, self.within.map(|within| within + 1), None);
            set(target.undone, None, self.hold.map(|hold| hold - 1));
            for start in &target.starts {
                set(*start, None, self.limit.map(|(_, per)| per - 1));
            }
        }
        for job in &remedy.jobs {
            let part = &self.parts[usize::from(job.part)];
            set(job.clock, Some(part.act_min), part.act_max);
        }
        for (guard, rule) in remedy.guards.iter().zip(self.guard_rules()) {
            for clock in &guard.clocks {
                set(*clock, Some(rule.span + 1), Some(rule.span + 1));
            }
        }
    }

    /// A guard is asked on the millisecond.
    pub(in crate::system) fn is_strict(&self) -> bool {
        use crate::policy::remedy::Boundary;
        self.parts.iter().flat_map(|part| &part.guards).any(|rule| rule.edge != Boundary::Either)
    }

    /// The greatest time that anything is compared with.
    pub(in crate::system) fn greatest(&self) -> i64 {
        let sums = self.parts.iter().map(|part| part.settle + part.lag.unwrap_or(0));
        let due = self.parts.iter().map(|part| part.spacing() + part.delay.unwrap_or(0));
        let mut greatest = sums.chain(due).max().unwrap_or(0).max(self.within.unwrap_or(0) + 1);
        // A guard that is asked on the millisecond compares with one more.
        self.clone().each(|time| greatest = greatest.max(*time + 1));
        greatest
    }

    /// Clocks that a state can have at the most.
    pub(in crate::system) fn clocks_most(&self) -> usize {
        let each = 5 + self.limit.map_or(0, |(most, _)| usize::from(most));
        let guards = self.guard_rules().map(|rule| match rule.kind {
            GuardKind::Sliding => rule.limit as usize,
            _ => 1,
        });
        let runs = self.parts.iter().map(|part| 2 * usize::from(part.overlapping.max(1))).sum::<usize>();
        self.size() * each
            + super::JOBS_MAX
            + guards.sum::<usize>()
            + self.sources().len()
            + runs
            + self.size()
    }
}

fn members(kind: TargetKind) -> usize {
    match kind {
        TargetKind::Members { size, .. } => size as usize,
        TargetKind::Value { .. } => 1,
    }
}
