//! The target: looking at it, acting on it, and what its surroundings do to it.
//!
//! An action is under way from its start to its effect, whatever its caller thinks. What a look shows
//! can be as old as the lag; a sample from while an action is under way, or from the time in which it
//! settles, can show anything.

use smallvec::SmallVec;

use super::{ACTIONS_MAX, Aim, Effected, Event, JOBS_MAX, Job, Rules, Saw, TargetState};
use crate::model::{Operation, Outcome};
use crate::policy::TriggerKind;
use crate::policy::remedy::{ActErrors, ActionKind, Change, Fault, Form, Harm};
use crate::system::worker::actor;
use crate::system::world::{Attempt, Call, Grip, Known, Phase, Slot, Who, World};
use crate::system::{Action, Actor, Draft, Label, Step, Steps, System, at_least, at_most, facts};
use crate::time::{Clock, Guard};

/// One thing that a look can show.
pub(super) struct Look {
    pub saw: Saw,
    pub fresh: bool,
    /// Nothing took effect since the sample.
    pub current: bool,
    pub when: Guard,
}

impl Look {
    /// Nobody looked.
    pub fn none() -> Look {
        Look { saw: Saw::Nothing, fresh: false, current: true, when: Guard::new() }
    }
}

/// An action that takes effect.
#[derive(Clone, Copy)]
struct Strike {
    part: u8,
    target: u8,
    undo: bool,
    /// Nothing else took effect on the target since its sender looked.
    current: bool,
    /// The guards have it in their count.
    counted: bool,
}

impl System {
    /// Whether the attempt has an action under way on its target.
    pub(in crate::system) fn is_acting(&self, attempt: &Attempt) -> bool {
        attempt.call == Call::Pending && self.table[attempt.at as usize].operation.acts()
    }

    /// Actions under way on a target, or on all; whoever began them.
    pub fn under_way(&self, world: &World, target: Option<u8>) -> u8 {
        let meant = |on: u8| target.is_none_or(|target| target == on);
        let acting = world.live().filter(|(_, a)| self.is_acting(a) && meant(a.aim.target));
        let left = world.remedy().jobs.iter().filter(|job| meant(job.target));
        (acting.count() + left.count()) as u8
    }

    /// How many members can be seen not to be well, or to have an action under way, and what must hold
    /// for each number: what came within the lag may not have been seen yet.
    pub(super) fn seen_unwell(&self, world: &World, lag: Option<i64>) -> Vec<(u8, Guard)> {
        let mut out = vec![(0, Guard::new())];
        for (index, state) in (0..).zip(&world.remedy().targets) {
            let busy = self.under_way(world, Some(index)) > 0;
            if state.is_well() && !busy {
                continue;
            }
            let recent = lag.and_then(|lag| at_most(state.changed, lag));
            let hides = lag != Some(0) && (state.changed.present() || state.is_well());
            let mut next = Vec::new();
            for (count, when) in out {
                next.push((count + 1, when.clone()));
                if hides {
                    let mut when: Guard = when;
                    when.extend(recent);
                    next.push((count, when));
                }
            }
            out = next;
        }
        out
    }

    /// Members that serve, or the value.
    pub fn capacity(&self, world: &World) -> Option<u8> {
        let remedy = world.remedy.as_ref()?;
        let rules = self.remedy.as_ref()?;
        if rules.is_value() {
            return remedy.targets.first().map(|target| target.value);
        }
        let targets = (0..).zip(&remedy.targets);
        let serves =
            |(t, state): &(u8, &TargetState)| rules.serves(state) && self.under_way(world, Some(*t)) == 0;
        Some(targets.filter(serves).count() as u8)
    }
}

impl TargetState {
    pub fn is_well(&self) -> bool {
        !self.faulty && !self.half
    }
}

impl Rules {
    fn serves(&self, state: &TargetState) -> bool {
        (!state.faulty || self.fault == Fault::Apparent) && !state.half
    }

    /// Somebody will still look after this target.
    fn is_to_come(&self, world: &World, target: u8) -> bool {
        world.clients.iter().any(|client| {
            let part = &self.parts[usize::from(client.source >> 4)];
            let fires = part.repeat.is_some() || client.phase != Phase::Done;
            part.trigger != TriggerKind::Alert || fires && client.source & 15 == target
        })
    }

    /// What the target is, to the eyes of this policy.
    pub(super) fn diverged(&self, part: u8, state: &TargetState) -> bool {
        let (low, high) = self.parts[usize::from(part)].action.wants;
        let off = self.is_value() && !(low..=high).contains(&u32::from(state.value));
        off || !state.is_well()
    }

    /// Nobody is told, and something is wrong for good.
    fn is_unattended(&self, state: &TargetState) -> bool {
        !state.is_well() && !state.paged && !matches!(self.fault, Fault::Transient | Fault::Flapping)
    }
}

/// Applied a second time, the action leaves the target as the first time did.
fn is_idempotent(kind: ActionKind, change: Change) -> bool {
    match change {
        Change::Adds(_) | Change::Removes(_) | Change::Toggles => false,
        // What the catalogue does not know to be safe is not.
        Change::Sets(_) | Change::None => matches!(
            kind,
            ActionKind::Restart
                | ActionKind::Reboot
                | ActionKind::ScaleTo
                | ActionKind::Delete
                | ActionKind::DeleteBySelector
                | ActionKind::Drain
                | ActionKind::Cordon
                | ActionKind::Reconfigure
                | ActionKind::Rollback
                | ActionKind::SwitchDns
                | ActionKind::ClearCache
                | ActionKind::Pause
        ),
    }
}

impl<'a> Steps<'a> {
    pub(super) fn rules(&self) -> &'a Rules {
        self.system.remedy.as_ref().expect("only systems with a target come here")
    }

    fn state(&self, target: u8) -> &'a TargetState {
        &self.before.remedy().targets[usize::from(target)]
    }

    /// Everything that a look at the target can show to this policy now.
    pub(super) fn sights(&self, part: u8, target: u8) -> Vec<Look> {
        let rules = self.rules();
        let rule = &rules.parts[usize::from(part)];
        let state = self.state(target);
        let diverged = rules.diverged(part, state);
        let reading = |diverged| if diverged { Saw::Diverged } else { Saw::Converged };
        let mut out = Vec::new();
        if state.paged && rules.silences {
            // Under maintenance: it shows nothing, and no alert is about it.
            out.push(Look { saw: Saw::Unknown, fresh: false, current: true, when: Guard::new() });
            return out;
        }
        let under_way = self.system.under_way(self.before, Some(target)) > 0;
        if !under_way {
            // A sample from after the last action settled.
            let settled: Guard = at_least(state.over, rule.settle).into_iter().collect();
            out.push(Look { saw: reading(diverged), fresh: true, current: true, when: settled.clone() });
            if rule.lag != Some(0) && state.changed.present() {
                // From before the last change, which is no older than the lag.
                let mut when = settled;
                when.extend(rule.lag.and_then(|lag| at_most(state.changed, lag)));
                out.push(Look { saw: reading(!diverged), fresh: true, current: true, when });
            }
        }
        let unsettled = state.over.present() && (rule.lag != Some(0) || rule.settle > 0);
        if under_way || unsettled {
            let recent =
                rule.lag.filter(|_| !under_way).and_then(|lag| at_most(state.over, lag + rule.settle));
            // From before an effect, for all that is known, where one came within the lag.
            let matters = rule.action.form == Form::CompareAndSet
                || !is_idempotent(rule.action.kind, rule.action.change);
            let outdated = matters && state.over.present();
            for saw in [Saw::Diverged, Saw::Converged] {
                out.push(Look { saw, fresh: false, current: true, when: recent.into_iter().collect() });
                if outdated {
                    out.push(Look { saw, fresh: false, current: false, when: recent.into_iter().collect() });
                }
            }
        }
        if rule.unknown {
            out.push(Look { saw: Saw::Unknown, fresh: false, current: true, when: Guard::new() });
        }
        out
    }

    /// `target.observe`.
    pub(in crate::system) fn observe(&mut self, who: Who, fresh_only: bool) {
        let aim = self.before.attempt(who).aim;
        for mut look in self.sights(aim.part, aim.target) {
            if fresh_only && !look.fresh {
                look.saw = Saw::Unknown;
            }
            let mut draft = self.draft();
            draft.guard.extend(look.when);
            let attempt = draft.world.attempt_mut(who);
            let diverged = look.saw == Saw::Diverged;
            (attempt.aim.saw, attempt.aim.fresh) = (look.saw, look.fresh && diverged);
            attempt.aim.current = look.current && diverged;
            let outcome = match look.saw {
                Saw::Diverged => Outcome::Diverged,
                Saw::Converged => Outcome::Converged,
                Saw::Unknown | Saw::Nothing => Outcome::Unknown,
            };
            if look.saw != Saw::Unknown {
                let diverged = look.saw == Saw::Diverged;
                self.rules().watched(&mut draft.world, aim.part, aim.target, diverged);
            }
            self.go(who, outcome, draft);
        }
    }

    /// `target.act`, `target.undo`: the action begins.
    pub(in crate::system) fn begin_action(&mut self, who: Who) {
        let attempt = *self.before.attempt(who);
        let (rules, aim) = (self.rules(), attempt.aim);
        let undo = self.system.table[attempt.at as usize].operation == Operation::Undo;
        let before = self.state(aim.target);
        let mut draft = self.draft();
        let rule = &rules.parts[usize::from(aim.part)];
        draft.fact(facts::ENDLESS_CALL, rule.act_max.is_none() && rule.timeout.is_none());
        let others = self.system.under_way(self.before, Some(aim.target));
        draft.fact(facts::OVERLAP, others > 0);
        let locked = matches!(attempt.lock, Grip::Holds | Grip::Believes);
        let same_lock = |target: u8| self.before.lock_of(target) == self.before.lock_of(aim.target);
        let other_locks = self.before.live().any(|(other, a)| {
            other != who && self.system.is_acting(a) && same_lock(a.aim.target) && a.lock != Grip::None
        });
        let left_locks = self.before.remedy().jobs.iter().any(|job| same_lock(job.target) && job.locked);
        // To back out one's own action is no overlap of two holders.
        draft.fact(facts::LOCK_OVERLAP, locked && !undo && (other_locks || left_locks));
        let founded = aim.saw == Saw::Diverged && aim.fresh;
        draft.fact(facts::UNFOUNDED_ACTION, !undo && !founded);
        draft.fact(facts::ACTED_AFTER_PAGE, before.paged && !undo);
        let system = self.system;
        // Whoever looked before this has seen what is no more.
        draft.world.outdate(aim.target, |aim| aim.fresh = false);
        let acting = draft.world.attempt_mut(who);
        // Who never looked knows only what it meets.
        acting.aim.current = aim.current || undo || aim.saw != Saw::Diverged;
        (acting.aim.saw, acting.aim.fresh) = (Saw::Nothing, false);
        acting.call = Call::Pending;
        acting.clock = Slot::started(system.needs_clock(acting));
        let most = rules.limit.map_or(0, |(most, _)| usize::from(most));
        let target = &mut draft.world.remedy_mut().targets[usize::from(aim.target)];
        let oldest = target.starts.first().copied().filter(|_| most > 0 && target.starts.len() == most);
        if !undo {
            target.actions = (target.actions + 1).min(ACTIONS_MAX);
            if most > 0 {
                if oldest.is_some() {
                    target.starts.remove(0);
                }
                target.starts.push(Slot::ZERO);
            }
        }
        if !rules.is_value() && rules.serves(before) {
            let serving = self.system.capacity(&draft.world).unwrap_or(0);
            draft.fact(facts::UNDER_FLOOR, serving < rules.floor());
        }
        let mut judged = Vec::new();
        if !undo {
            if let (Some(oldest), Some((_, per))) = (oldest, rules.limit) {
                judged.push((facts::TOO_MANY_ACTIONS, at_most(oldest, per - 1)));
            }
            if let (true, Some(hold)) = (before.undone.present(), rules.hold) {
                judged.push((facts::ACTED_ON_HOLD, at_most(before.undone, hold - 1)));
            }
        }
        for (fact, when) in judged {
            let mut broken = draft.clone().when(when);
            broken.fact(fact, true);
            self.emit(actor(who), Action::Call, attempt.at, None, broken);
        }
        self.emit(actor(who), Action::Call, attempt.at, None, draft);
    }

    /// What can become of an action that its run waits for.
    pub(in crate::system) fn open_action(&mut self, who: Who) {
        let attempt = *self.before.attempt(who);
        let rule = &self.rules().parts[usize::from(attempt.aim.part)];
        let not_before = (rule.act_min > 0).then(|| at_least(attempt.clock, rule.act_min)).flatten();
        let not_after = rule.act_max.and_then(|most| at_most(attempt.clock, most));
        let undo = self.system.table[attempt.at as usize].operation == Operation::Undo;
        let aim = attempt.aim;
        let Aim { part, target, current, counted, .. } = aim;
        let strike = Strike { part, target, undo, current, counted };
        if attempt.call == Call::Pending {
            for (effected, draft) in self.strikes(strike, self.closed_action(who)) {
                let draft = draft.when(not_before).when(not_after);
                let outcome = if effected == Effected::Refused { Outcome::Error } else { Outcome::Ok };
                if self.before.budget.lost_responses > 0 && rule.timeout.is_some() {
                    let mut unheard = draft.clone();
                    unheard.world.budget.lost_responses -= 1;
                    let waiting = unheard.world.attempt_mut(who);
                    waiting.call = Call::Landed(Known::Nothing);
                    waiting.clock = attempt.clock;
                    self.emit(actor(who), Action::Effect(Effected::Unheard), attempt.at, None, unheard);
                }
                self.go(who, outcome, draft);
            }
            if rule.errors != ActErrors::Never {
                let mut draft = self.closed_action(who).when(not_after);
                self.over(&mut draft.world, strike);
                if rule.partial {
                    let mut half = draft.clone();
                    half.world.remedy_mut().targets[usize::from(aim.target)].half = true;
                    self.go(who, Outcome::Error, half);
                }
                self.go(who, Outcome::Error, draft);
            }
            if rule.errors == ActErrors::Ambiguous {
                let mut draft = self.draft().when(not_after);
                self.system.drop_action(&mut draft, who, false);
                self.go(who, Outcome::Error, draft);
            }
        }
        if let Some(timeout) = rule.timeout {
            let mut draft = self.draft().when(at_least(attempt.clock, timeout));
            self.system.drop_action(&mut draft, who, false);
            draft.world.attempt_mut(who).call = Call::None;
            self.go(who, Outcome::Timeout, draft);
        }
    }

    fn closed_action(&self, who: Who) -> Draft {
        let mut draft = self.draft();
        let attempt = draft.world.attempt_mut(who);
        (attempt.call, attempt.aim.counted) = (Call::None, false);
        draft
    }

    /// An action that nobody waits for takes effect after all, or breaks off.
    pub(in crate::system) fn job(&mut self, index: usize) {
        let job = self.before.remedy().jobs[index];
        let rule = &self.rules().parts[usize::from(job.part)];
        let not_before = (rule.act_min > 0).then(|| at_least(job.clock, rule.act_min)).flatten();
        let mut draft = self.draft();
        draft.world.remedy_mut().jobs.remove(index);
        let Job { part, target, undo, current, counted, .. } = job;
        let strike = Strike { part, target, undo, current, counted };
        for (effected, draft) in self.strikes(strike, draft.clone()) {
            let draft = draft.when(not_before);
            self.emit(Actor::Job(index as u8), Action::Effect(effected), 0, None, draft);
        }
        // It may fail with nobody to hear of it, or end with its worker.
        if job.breaks || rule.errors != ActErrors::Never {
            self.over(&mut draft.world, strike);
            if rule.partial {
                let mut half = draft.clone();
                half.world.remedy_mut().targets[usize::from(target)].half = true;
                self.emit(Actor::Job(index as u8), Action::Effect(Effected::Broken), 0, None, half);
            }
            self.emit(Actor::Job(index as u8), Action::Effect(Effected::Failed), 0, None, draft);
        }
    }

    /// The action is over, whatever came of it.
    fn over(&self, world: &mut World, Strike { part, target, counted, .. }: Strike) {
        let rules = self.rules();
        let looks = rules.parts.iter().any(|part| part.settle > 0 || part.lag != Some(0));
        world.remedy_mut().targets[usize::from(target)].over = Slot::started(looks);
        if counted {
            rules.release(world, part, target, true);
        }
    }

    /// The ways in which an action can take effect.
    fn strikes(&self, strike: Strike, mut draft: Draft) -> Vec<(Effected, Draft)> {
        let Strike { part, target, undo, current, .. } = strike;
        let rules = self.rules();
        let action = &rules.parts[usize::from(part)].action;
        self.over(&mut draft.world, strike);
        let state = self.state(target);
        if !undo && action.form == Form::CompareAndSet && !current {
            return vec![(Effected::Refused, draft)];
        }
        if !undo && action.form == Form::Keyed && state.acted {
            return vec![(Effected::Deduplicated, draft)];
        }
        let idempotent = is_idempotent(action.kind, action.change);
        draft.fact(facts::REPEATED_EFFECT, !undo && !current && state.acted && !idempotent);
        let system = self.system;
        // Whoever acts or looked does so on what is no more.
        draft.world.outdate(target, |aim| (aim.fresh, aim.current) = (false, false));
        for job in &mut draft.world.remedy_mut().jobs {
            job.current &= job.target != target || job.undo;
        }
        if rules.is_value() {
            self.change_value(strike, &mut draft);
            return vec![(Effected::Done, draft)];
        }
        let now = &mut draft.world.remedy_mut().targets[usize::from(target)];
        let was_faulty = now.faulty;
        now.half = false;
        let curable =
            matches!(rules.fault, Fault::Curable | Fault::Transient | Fault::Recurring | Fault::Flapping);
        let mut struck: SmallVec<[u8; 3]> = SmallVec::new();
        if undo {
            now.undone = Slot::started(rules.hold.is_some());
            if std::mem::take(&mut now.cured) {
                struck.push(target);
            }
        } else {
            now.acted = true;
            if curable {
                now.cured = now.faulty;
                now.faulty = false;
            }
        }
        let nothing_faulty = self.before.remedy().targets.iter().all(|target| !target.faulty);
        match rules.harm {
            _ if undo => {}
            Harm::None => {}
            Harm::Spreads => struck.push((target + 1) % rules.size() as u8),
            Harm::Relapses => struck.push(target),
        }
        if action.kind == ActionKind::DeleteBySelector
            && action.form == Form::Plain
            && nothing_faulty
            && !undo
        {
            // The set is empty by now, and an empty selector means everything.
            struck.extend(0..rules.size() as u8);
            draft.fact(facts::REPEATED_EFFECT, true);
        }
        let mut harmed = false;
        for index in struck {
            if !draft.world.remedy().targets[usize::from(index)].faulty {
                draft.world.fails(rules, index);
                // Only what surroundings do shows late: this is part of the action.
                draft.world.remedy_mut().targets[usize::from(index)].changed = Slot::NONE;
                harmed |= !undo;
            }
        }
        if harmed {
            let serving = system.capacity(&draft.world).unwrap_or(0);
            draft.fact(facts::UNDER_FLOOR, serving < rules.floor());
        }
        let now = &mut draft.world.remedy_mut().targets[usize::from(target)];
        // A sample from after it settled shows what came of it, whatever was there before.
        now.changed = Slot::NONE;
        now.calm(rules, was_faulty);
        vec![(Effected::Done, draft)]
    }

    /// An action writes the value.
    fn change_value(&self, strike: Strike, draft: &mut Draft) {
        let rules = self.rules();
        let action = &rules.parts[usize::from(strike.part)].action;
        let now = &mut draft.world.remedy_mut().targets[0];
        let old = now.value;
        now.half = false;
        now.acted = true;
        let most = crate::policy::remedy::keys::VALUE_MAX as u8;
        let new = match action.change {
            _ if strike.undo => now.was.unwrap_or(old),
            Change::Sets(value) => value as u8,
            Change::Adds(by) => old.saturating_add(by as u8).min(most),
            Change::Removes(by) => old.saturating_sub(by as u8),
            Change::Toggles => u8::from(old == 0),
            Change::None => old,
        };
        if strike.undo {
            now.undone = Slot::started(rules.hold.is_some());
            now.was = None;
        }
        if new == old {
            return;
        }
        let back = !strike.undo && now.was == Some(new);
        if !strike.undo {
            now.was = Some(old);
        }
        now.value = new;
        let reversals = now.reversals + u8::from(back);
        now.reversals = reversals.min(rules.reversals);
        draft.fact(facts::WENT_BACK, reversals > rules.reversals);
        draft.fact(facts::UNDER_FLOOR, new < old && new < rules.floor());
    }

    /// What the surroundings can do to the targets.
    pub(in crate::system) fn surroundings(&mut self) {
        let rules = self.rules();
        let remedy = self.before.remedy();
        let faulty = remedy.targets.iter().filter(|target| target.faulty).count();
        let again = matches!(rules.fault, Fault::Recurring | Fault::Flapping);
        for (index, target) in (0_u8..).zip(&remedy.targets) {
            let draft = self.draft();
            let at = usize::from(index);
            let due = !target.faulty && faulty < usize::from(rules.faulty);
            if rules.fault != Fault::None && due && (again || remedy.episodes > 0) {
                let period = at_least(target.went, rules.period);
                let mut draft = draft.clone().when(period);
                let world = &mut draft.world;
                if !again {
                    world.remedy_mut().episodes -= 1;
                }
                world.fails(rules, index);
                let now = &mut world.remedy_mut().targets[at];
                (now.was, now.reversals, now.actions) = (None, 0, 0);
                self.happens(index, Event::Fails, draft);
            }
            if target.faulty && matches!(rules.fault, Fault::Transient | Fault::Flapping) {
                let mut draft = draft.clone();
                let now = &mut draft.world.remedy_mut().targets[at];
                now.faulty = false;
                now.changed = rules.change_clock();
                now.calm(rules, true);
                self.happens(index, Event::Recovers, draft);
            }
            if target.paged {
                let mut draft = draft.clone();
                let now = &mut draft.world.remedy_mut().targets[at];
                (now.faulty, now.half, now.paged) = (false, false, false);
                (now.was, now.reversals) = (None, 0);
                if !target.is_well() {
                    now.changed = rules.change_clock();
                }
                now.calm(rules, target.faulty);
                self.happens(index, Event::Repaired, draft);
            }
            if let (Some(within), false, false, true) =
                (rules.within, target.paged, target.overdue, target.since.present())
            {
                let mut draft = draft.clone().when(at_least(target.since, within + 1));
                draft.world.remedy_mut().targets[at].overdue = true;
                draft.fact(facts::LATE_PAGE, true);
                self.happens(index, Event::Overdue, draft);
            }
        }
    }

    fn happens(&mut self, target: u8, event: Event, draft: Draft) {
        self.emit(Actor::Target(target), Action::Happens(event), 0, None, draft);
    }

    /// `human.page`.
    pub(in crate::system) fn page(&mut self, who: Who) {
        let target = self.before.attempt(who).aim.target;
        let mut draft = self.draft();
        draft.world.remedy_mut().targets[usize::from(target)].paged = true;
        self.go(who, Outcome::Paged, draft);
    }

    /// `human.approve`.
    pub(in crate::system) fn approve(&mut self, who: Who) {
        let attempt = self.before.attempt(who);
        let approval = self.rules().parts[usize::from(attempt.aim.part)].approval;
        self.go(who, Outcome::Approved, self.draft());
        self.go(who, Outcome::Denied, self.draft());
        if let Some(most) = approval {
            let draft = self.draft().when(at_least(attempt.clock, most));
            self.go(who, Outcome::Expired, draft);
        }
    }
}

impl World {
    /// The target has the fault from now on.
    fn fails(&mut self, rules: &Rules, target: u8) {
        rules.alarms(self, target);
        let now = &mut self.remedy_mut().targets[usize::from(target)];
        now.faulty = true;
        now.went = Slot::NONE;
        (now.acted, now.cured, now.overdue) = (false, false, false);
        now.changed = rules.change_clock();
        if !now.since.present() {
            now.since = Slot::started(rules.within.is_some());
        }
    }
}

impl TargetState {
    /// It may be well again; `was_faulty`: it was not before.
    fn calm(&mut self, rules: &Rules, was_faulty: bool) {
        if was_faulty && !self.faulty {
            self.went = Slot::started(rules.fault == Fault::Recurring && rules.period > 0);
        }
        if self.is_well() {
            self.since = Slot::NONE;
            self.overdue = false;
        }
    }
}

impl Rules {
    /// A clock for the age of a change, where somebody asks for it.
    fn change_clock(&self) -> Slot {
        Slot::started(self.parts.iter().any(|part| part.lag != Some(0)))
    }
}

impl World {
    /// Those who looked at the target know less of what it is like.
    fn outdate(&mut self, target: u8, mut forget: impl FnMut(&mut Aim)) {
        for attempt in self.live_mut().filter(|attempt| attempt.aim.target == target) {
            forget(&mut attempt.aim);
        }
    }

    /// No guard of this part counts anybody any more.
    pub(super) fn uncount(&mut self, part: u8) {
        for attempt in self.live_mut().filter(|attempt| attempt.aim.part == part) {
            attempt.aim.counted = false;
        }
        for job in self.remedy_mut().jobs.iter_mut().filter(|job| job.part == part) {
            job.counted = false;
        }
    }
}

impl System {
    /// The caller of an action is gone or has given up: the action goes on without it.
    pub(in crate::system) fn drop_action(&self, draft: &mut Draft, who: Who, dies: bool) {
        let attempt = *draft.world.attempt(who);
        if !self.is_acting(&attempt) {
            return;
        }
        let Some(rules) = &self.remedy else { return };
        let rule = &rules.parts[usize::from(attempt.aim.part)];
        let job = Job {
            part: attempt.aim.part,
            target: attempt.aim.target,
            undo: self.table[attempt.at as usize].operation == Operation::Undo,
            current: attempt.aim.current,
            counted: attempt.aim.counted,
            locked: matches!(attempt.lock, Grip::Holds | Grip::Believes),
            breaks: dies,
            clock: if rule.act_min > 0 || rule.act_max.is_some() { attempt.clock } else { Slot::NONE },
            name: attempt.name,
        };
        let caller = draft.world.attempt_mut(who);
        (caller.call, caller.aim.counted) = (Call::None, false);
        let jobs = &mut draft.world.remedy_mut().jobs;
        // Of actions that are alike and have no clock, two show all that any number can do.
        let alike = |other: &&Job| Job { name: job.name, ..**other } == job;
        if job.clock.present() || job.counted || jobs.iter().filter(alike).count() < 2 {
            jobs.push(job);
        }
        if jobs.len() > JOBS_MAX {
            jobs.pop();
            draft.fact(facts::JOB_LIMIT, true);
        }
    }

    /// The clock of a fault of which a person is told with this step, and of which nobody was told before.
    pub fn tells_of(&self, before: &World, label: &Label) -> Option<Clock> {
        if label.action != (Action::Operate { outcome: Outcome::Paged }) {
            return None;
        }
        let attempt = before.acting(label.actor)?;
        let target = &before.remedy().targets[usize::from(attempt.aim.target)];
        target.since.clock().filter(|_| !target.paged)
    }

    /// A fault that lasts, of which nobody was told.
    pub fn has_unattended_fault(&self, world: &World) -> bool {
        let (Some(rules), Some(remedy)) = (&self.remedy, &world.remedy) else { return false };
        remedy.targets.iter().any(|target| rules.is_unattended(target))
    }

    /// A fault is there, nobody is at work on it, nobody will be, and nobody was told.
    pub(in crate::system) fn drops_a_fault(&self, world: &World) -> bool {
        let (Some(rules), Some(remedy)) = (&self.remedy, &world.remedy) else { return false };
        let mut left = (0..).zip(&remedy.targets).filter(|(_, target)| rules.is_unattended(target));
        self.is_idle(world) && left.any(|(index, _)| !rules.is_to_come(world, index))
    }

    fn is_idle(&self, world: &World) -> bool {
        world.live().next().is_none() && world.remedy().jobs.is_empty()
    }

    /// An action was broken off or backed out half-way, nobody is at work on it, and nobody was told.
    pub(in crate::system) fn leaves_half(&self, world: &World) -> bool {
        let (Some(rules), Some(remedy)) = (&self.remedy, &world.remedy) else { return false };
        let mut left = (0..).zip(&remedy.targets).filter(|(_, target)| target.half && !target.paged);
        self.is_idle(world) && left.any(|(index, _)| !rules.is_to_come(world, index))
    }

    /// Whether what a run sees of its target, with this step, is so; none: the step is no look.
    pub fn shows_truly(&self, before: &World, step: &Step) -> Option<bool> {
        let (rules, remedy) = (self.remedy.as_ref()?, before.remedy.as_ref()?);
        let (aim, saw) = match (step.label.actor, step.label.action) {
            (Actor::Client(index), Action::Send(_)) => {
                let aim = step.world.clients.get(usize::from(index))?.attempt?.aim;
                (aim.saw == Saw::Diverged).then_some((aim, true))?
            }
            (actor, Action::Operate { outcome: outcome @ (Outcome::Diverged | Outcome::Converged) }) => {
                (before.acting(actor)?.aim, outcome == Outcome::Diverged)
            }
            _ => return None,
        };
        let state = remedy.targets.get(usize::from(aim.target))?;
        Some(rules.diverged(aim.part, state) == saw)
    }

    /// Whether a target has a fault that lasts, or is half-done, and nobody was told.
    pub fn is_neglected(&self, world: &World, target: u8) -> bool {
        let (Some(rules), Some(remedy)) = (&self.remedy, &world.remedy) else { return false };
        let state = &remedy.targets[usize::from(target)];
        rules.is_unattended(state) || state.half && !state.paged
    }

    /// A target is half-done, and nobody was told.
    pub fn has_unattended_half(&self, world: &World) -> bool {
        world.remedy.iter().flat_map(|remedy| &remedy.targets).any(|target| target.half && !target.paged)
    }

    /// Whether the attempt waits for an action that need never end.
    pub fn may_hang(&self, attempt: &Attempt) -> bool {
        self.is_acting(attempt) && self.stay_at_most(attempt).is_none()
    }
}
