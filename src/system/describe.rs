//! A step in words: who, does what, sees what, and what it changed.

use super::compile::ROLE_NAMES;
use super::remedy::{Effected, Event, GuardState, Rules, TargetState};
use super::world::{
    Attempt, CLASS_CONFLICTING, CLASS_MAIN, CLASS_MERGED, Call, Class, Client, Grip, Known, Phase, Receipt,
    Row, Status, World,
};
use super::{Action, Actor, Ending, Landing, Sending, Step, System, facts};
use crate::model::{Operation, Outcome, RecordAs};
use crate::policy::TriggerKind;
use crate::policy::remedy::GuardKind;

/// Who acts where a call takes effect that nobody waits for.
pub const LATE_CALL: &str = "late call of";

/// A step as a person reads it.
pub struct Description {
    pub who: String,
    pub does: String,
    pub sees: String,
    /// What, from, to.
    pub changes: Vec<(String, String, String)>,
}

impl System {
    /// Puts a step out of `before` into words. Both worlds carry names only if symmetry is off.
    pub fn describe(&self, before: &World, step: &Step) -> Description {
        let (who, does, sees) = self.words(before, step);
        Description { who, does, sees, changes: self.changes(before, step) }
    }

    /// A step as an event, by which behaviours of two systems are compared: who does what and sees what,
    /// without the name of the model's state. The world's attempts have the names that it says.
    pub fn event(&self, before: &World, step: &Step) -> String {
        let (who, does, sees) = self.words(before, step);
        let row = &self.table[step.label.at as usize].name;
        let does = does.strip_prefix(row.as_str()).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&does);
        let event = format!("{who} {does}");
        if sees.is_empty() { event } else { format!("{event}: {sees}") }
    }

    fn words(&self, before: &World, step: &Step) -> (String, String, String) {
        let label = &step.label;
        let who = match label.actor {
            Actor::Client(index) => self.client_name(before, index as usize),
            Actor::Attempt(index) => {
                let attempt = before.clients[index as usize].attempt.as_ref();
                attempt.map_or_else(String::new, |a| self.attempt_name(a.name))
            }
            Actor::Zombie(index) => self.attempt_name(before.zombies[index as usize].name),
            Actor::Flight(index) => {
                format!("{LATE_CALL} {}", self.attempt_name(before.flights[index as usize].name))
            }
            Actor::Store => match label.action {
                Action::LockLost => {
                    let lost = |index: &usize| before.locks[*index].held && !step.world.locks[*index].held;
                    let lost = (0..before.locks.len()).find(lost).unwrap_or(0);
                    self.lock_name(before, lost)
                }
                _ => "store".to_owned(),
            },
            Actor::Job(index) => {
                let job = &before.remedy().jobs[index as usize];
                format!("action of {}", self.attempt_name(job.name))
            }
            Actor::Target(index) => self.target_name(index),
        };
        let (does, mut sees) = match label.action {
            Action::Send(sending) => {
                let Actor::Client(index) = label.actor else { unreachable!("only clients send") };
                match &self.remedy {
                    Some(rules) => self.trigger_text(rules, &before.clients[index as usize], step, index),
                    None => self.sending_text(&before.clients[index as usize], sending),
                }
            }
            Action::Publish => ("is published".to_owned(), String::new()),
            Action::Drop => ("is published again".to_owned(), "dropped: the id is known".to_owned()),
            Action::Failover => ("fails over (fault)".to_owned(), "its last writes are lost".to_owned()),
            Action::LockLost => ("is lost (fault)".to_owned(), "its holder does not notice".to_owned()),
            Action::Operate { outcome } if self.remedy.is_some() => {
                (self.operation_text(label.at), self.seen_text(before, step, outcome))
            }
            Action::Operate { outcome } => {
                let seen = outcome_text(self, before, label.actor, outcome.name());
                let unheard = step.world.budget.lost_responses < before.budget.lost_responses;
                let seen = match outcome {
                    Outcome::Acked if unheard && label.ending.is_none_or(|end| end == Ending::Ended) => {
                        format!("{seen}, but the broker never hears of it (fault)")
                    }
                    Outcome::Unavailable => format!("{seen} (fault)"),
                    _ => seen,
                };
                (self.operation_text(label.at), seen)
            }
            Action::AckLost { outcome } => {
                let sees = format!("an error, though it was {} (fault); repeats", outcome.name());
                (self.operation_text(label.at), sees)
            }
            Action::Pick { row } => (self.operation_text(label.at), format!("message (row {row})")),
            Action::Unheard { outcome } => {
                let sees = format!("{}, and nobody hears of it (fault)", outcome.name());
                (self.operation_text(label.at), sees)
            }
            Action::Restart if self.restart => ("is run again".to_owned(), String::new()),
            Action::Restart => ("arrives late (fault)".to_owned(), String::new()),
            Action::Effect(effected) => ("is over".to_owned(), effected_text(effected).to_owned()),
            Action::Happens(event) => event_text(event),
            Action::Call => match self.table[label.at as usize].operation {
                Operation::Act | Operation::Undo => (self.operation_text(label.at), "begins".to_owned()),
                Operation::Query { .. } => {
                    ("sends downstream.query".to_owned(), "answer on its way".to_owned())
                }
                _ => ("sends downstream.call".to_owned(), String::new()),
            },
            Action::Land(landing) => {
                let sees = match landing {
                    Landing::Applied => "applied downstream",
                    Landing::Deduplicated => "native key known: not applied again",
                    Landing::Refused => "refused downstream",
                };
                ("call arrives".to_owned(), sees.to_owned())
            }
            Action::Crash { restart, noticed } => {
                ("crashes (fault)".to_owned(), self.death_text(restart, noticed))
            }
        };
        if step.world.flights.len() > before.flights.len() {
            let call = "the call is still on its way";
            sees = if sees.is_empty() { call.to_owned() } else { format!("{sees}; {call}") };
        }
        if let Some(ending) = label.ending {
            let text = match ending {
                Ending::Answered(answer) => format!("answers `{}`", answer.name()),
                Ending::AnswerLost(answer) => format!("answers `{}`, lost on the way (fault)", answer.name()),
                // The step is the operation: what follows it may stall beyond the client's timeout.
                Ending::AnswerLate(answer) => {
                    format!("its client gives up before it hears `{}`", answer.name())
                }
                Ending::Died { restart, noticed } => {
                    let text =
                        format!("crashes before it answers (fault) {}", self.death_text(restart, noticed));
                    text.trim_end().to_owned()
                }
                Ending::Unheard(answer) => format!("answers `{}`, nobody listens", answer.name()),
                Ending::Ended => "ends without an answer".to_owned(),
            };
            sees = if sees.is_empty() { text } else { format!("{sees}; {text}") };
        }
        (who, does, sees)
    }

    /// A client, a broker or a role begins an attempt.
    fn sending_text(&self, client: &Client, sending: Sending) -> (String, String) {
        let name = self.attempt_name((client.name, client.sent.wrapping_add(1)));
        let verb = match (client.phase, sending) {
            _ if client.role > 0 => return ("begins a run".to_owned(), String::new()),
            (_, Sending::Redriven) => "is taken from the dead letters by",
            (Phase::Between, _) if self.queue && client.sent > 0 => "is delivered again to",
            (Phase::Waiting, Sending::Again) => "is delivered twice (fault), now to",
            (Phase::Waiting, _) if self.queue => "is not acknowledged in time and goes to",
            _ if self.queue => "is delivered to",
            (Phase::Between, _) => "tries again with",
            (Phase::Waiting, _) => "gives up and sends",
            _ => "sends",
        };
        let sees = match sending {
            Sending::Lost => "lost on the way (fault)".to_owned(),
            Sending::Late => "late (fault)".to_owned(),
            Sending::Twice => {
                let copy = self.attempt_name((client.name, client.sent + 2));
                format!("and a copy, {copy}, is on its way (fault)")
            }
            Sending::Arrives | Sending::Again | Sending::Redriven => String::new(),
        };
        (format!("{verb} {name}"), sees)
    }

    /// A world in words, a line for each part. Nobody has a name here: alike parts are exchangeable.
    pub fn world_text(&self, world: &World) -> Vec<String> {
        let mut out = Vec::new();
        for key in &world.keys {
            let receipt = match key.receipt.status {
                Status::Absent => "absent",
                Status::InProgress => "in progress",
                Status::Succeeded => "succeeded",
                Status::Failed => "failed",
            };
            let native = if key.native.used { "; native key known" } else { "" };
            out.push(format!("receipt: {receipt}, token {}{native}", key.receipt.token));
        }
        if self.uses_lock {
            for (index, lock) in world.locks.iter().enumerate() {
                let held = if lock.held { "held" } else { "free" };
                out.push(format!("{}: {held}", self.lock_name(world, index)));
            }
        }
        let rows = world.rows.iter().map(|row| match (row.done, row.published) {
            (true, true) => "published",
            (true, false) => "marked, not published",
            (false, true) => "published, not marked",
            (false, false) => "waiting",
        });
        let rows: Vec<&str> = rows.collect();
        if !rows.is_empty() {
            out.push(format!("outbox: {}", rows.join(", ")));
        }
        if let Some(remedy) = &world.remedy {
            for (index, target) in (0..).zip(&remedy.targets) {
                let mut says = vec![if target.faulty { "faulty" } else { "well" }.to_owned()];
                says.extend(target.half.then(|| "half-done".to_owned()));
                says.extend(target.paged.then(|| "a person has it".to_owned()));
                says.push(format!("value {}", target.value));
                out.push(format!("{}: {}", self.target_name(index), says.join(", ")));
            }
            out.push(format!("actions under way: {}", self.under_way(world, None)));
        }
        out.push(format!("effects: {:?}", world.effects));
        for client in &world.clients {
            let who = match (client.role.checked_sub(1), self.queue) {
                (Some(role), _) => self.roles[role as usize].name.as_str(),
                (None, true) => "message",
                (None, false) => "client",
            };
            let attempt = client.attempt.as_ref().map(|attempt| self.place_text(attempt)).unwrap_or_default();
            let phase = format!("{:?}", client.phase).to_lowercase();
            out.push(format!("{who}: {phase}, {} left{}{attempt}", client.retries, class_text(client.class)));
        }
        out.extend(
            world.zombies.iter().map(|attempt| format!("nobody waits for:{}", self.place_text(attempt))),
        );
        out.extend(world.flights.iter().map(|flight| format!("call on its way, token {}", flight.token)));
        let budget = format!("{:?}", world.budget);
        let left = budget.trim_start_matches("Budget { ").trim_end_matches(" }").split(", ");
        let left: Vec<&str> = left.filter(|part| !part.ends_with(": 0")).collect();
        out.push(format!(
            "faults left: {}",
            if left.is_empty() { "none".to_owned() } else { left.join(", ") }
        ));
        out
    }

    fn place_text(&self, attempt: &Attempt) -> String {
        let at = &self.table[attempt.at as usize].name;
        let call = match attempt.call {
            _ if attempt.down => ", not begun",
            Call::None => "",
            Call::Pending => ", call pending",
            Call::Landed(_) => ", call landed",
            Call::Refused => ", call refused",
        };
        let owns = if attempt.owns { ", owns the claim" } else { "" };
        format!(" attempt at `{at}`{call}{owns}, token {}", attempt.token)
    }

    /// `attempt 1.2`: the second attempt of the first request. `relay 1.2`: the second run of the
    /// first relay.
    pub fn attempt_name(&self, (request, number): (u8, u8)) -> String {
        match request.checked_sub(ROLE_NAMES) {
            Some(role) => {
                let name = &self.roles[role as usize / 8].name;
                format!("{name} {}.{number}", role % 8 + 1)
            }
            None if self.remedy.is_some() => format!("run {request}.{number}"),
            None if self.queue => format!("consumer {request}.{number}"),
            None => format!("attempt {request}.{number}"),
        }
    }

    fn client_name(&self, world: &World, index: usize) -> String {
        let client = &world.clients[index];
        if client.role > 0 {
            return format!(
                "{} {}",
                self.roles[client.role as usize - 1].name,
                (client.name - ROLE_NAMES) % 8 + 1
            );
        }
        if let Some(rules) = &self.remedy {
            return self.trigger_name(rules, client);
        }
        let what = if self.queue { "message" } else { "client" };
        format!("{what} {}{}", client.name, class_text(client.class))
    }

    /// `claim: store.insert`.
    fn operation_text(&self, at: u8) -> String {
        let row = &self.table[at as usize];
        format!("{}: {}", row.name, operation_name(&row.operation))
    }
}

impl System {
    /// An alert, a schedule or a loop begins a run.
    fn trigger_text(&self, rules: &Rules, client: &Client, step: &Step, index: u8) -> (String, String) {
        let name = self.attempt_name((client.name, client.sent.wrapping_add(1)));
        let alert = rules.parts[usize::from(client.source >> 4)].trigger == TriggerKind::Alert;
        let verb = match client.phase {
            Phase::Idle if alert => "fires and begins",
            _ if alert => "fires again and begins",
            _ => "begins",
        };
        let aim = step.world.clients[index as usize].attempt.as_ref().map(|attempt| attempt.aim);
        let on = match aim {
            Some(aim) if rules.size() > 1 => format!(" on {}", self.target_name(aim.target)),
            _ => String::new(),
        };
        let sees = match aim {
            Some(aim) if alert && !aim.current => "diverged (a sample from before the last effect)",
            Some(aim) if alert && !aim.fresh => "diverged (an old sample)",
            _ => "",
        };
        (format!("{verb} {name}{on}"), sees.to_owned())
    }

    fn lock_name(&self, world: &World, index: usize) -> String {
        if world.locks.len() > 1 {
            format!("lock of {}", self.target_name(index as u8))
        } else {
            "lock".to_owned()
        }
    }

    fn target_name(&self, index: u8) -> String {
        match &self.remedy {
            Some(rules) if rules.size() > 1 => format!("member {}", index + 1),
            _ => "target".to_owned(),
        }
    }

    fn trigger_name(&self, rules: &Rules, client: &Client) -> String {
        let part = &rules.parts[usize::from(client.source >> 4)];
        let what = match part.trigger {
            TriggerKind::Alert => "alert",
            TriggerKind::Schedule => "schedule",
            _ => "loop",
        };
        let whose = if rules.parts.len() > 1 { format!(" of {}", part.name) } else { String::new() };
        format!("{what} {}{whose}", client.name)
    }

    /// What a run saw, with what makes it worth little.
    fn seen_text(&self, before: &World, step: &Step, outcome: Outcome) -> String {
        let attempt = step.world.acting(step.label.actor);
        let looks = matches!(self.table[step.label.at as usize].operation, Operation::Observe { .. });
        match attempt {
            Some(attempt) if looks && outcome == Outcome::Diverged && !attempt.aim.fresh => {
                let why = match attempt.aim.current {
                    false => "a sample from before the last effect",
                    true if self.under_way(before, None) > 0 => "an action is under way",
                    true => "an old sample",
                };
                format!("{outcome} ({why})")
            }
            _ => outcome.name().to_owned(),
        }
    }
}

fn effected_text(effected: Effected) -> &'static str {
    match effected {
        Effected::Done => "done",
        Effected::Refused => "refused: the target is not as it was when it was looked at",
        Effected::Deduplicated => "known: done before in this episode",
        Effected::Broken => "breaks off half-way",
        Effected::Failed => "fails: nothing was done",
        Effected::Unheard => "done, and its caller never hears of it (fault)",
    }
}

fn event_text(event: Event) -> (String, String) {
    let (does, sees) = match event {
        Event::Fails => ("fails", ""),
        Event::Recovers => ("recovers by itself", ""),
        Event::Repaired => ("is repaired by the person who was paged", ""),
        Event::Overdue => ("has its fault still", "the time to tell a person is over"),
    };
    (does.to_owned(), sees.to_owned())
}

fn operation_name(operation: &Operation) -> String {
    let name = operation.name();
    match operation {
        Operation::Record { outcome: RecordAs::Succeeded, .. } => format!("{name} succeeded"),
        Operation::Record { outcome: RecordAs::Failed, .. } => format!("{name} failed"),
        _ => name.to_owned(),
    }
}

/// An outcome, with whose claim it met.
fn outcome_text(system: &System, before: &World, actor: Actor, outcome: &str) -> String {
    let attempt = before.acting(actor);
    let Some(attempt) = attempt else { return outcome.to_owned() };
    let row = &system.table[attempt.at as usize];
    let looks = matches!(row.operation, Operation::Insert { .. } | Operation::Read);
    let receipt = &before.keys[attempt.key as usize].receipt;
    if looks && receipt.status != Status::Absent && matches!(outcome, "in_progress" | "expired") {
        let whose = if receipt.token == attempt.token && attempt.token != 0 {
            "its own".to_owned()
        } else {
            format!("by {}", system.attempt_name(receipt.name))
        };
        return format!("{outcome} ({whose})");
    }
    outcome.to_owned()
}

fn known_text(known: Known) -> String {
    match known {
        Known::Nothing => "nothing".to_owned(),
        Known::Failed { .. } => "failure".to_owned(),
        Known::Done { class, .. } => format!("a result{}", class_text(class)),
    }
}

fn class_text(class: Class) -> &'static str {
    match class {
        CLASS_CONFLICTING => " (other payload)",
        CLASS_MERGED => " (other operation)",
        _ => "",
    }
}

impl System {
    fn death_text(&self, restart: bool, noticed: bool) -> String {
        let unnoticed = match self.queue {
            true => "the broker does not notice",
            false => "its client does not notice",
        };
        let run = if restart { "and is to be run again" } else { "" };
        let parts = [run, if noticed { "" } else { unnoticed }];
        parts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
    }

    fn receipt_text(&self, receipt: &Receipt) -> String {
        match receipt.status {
            Status::Absent => "absent".to_owned(),
            Status::InProgress => format!("in progress ({})", self.attempt_name(receipt.name)),
            Status::Succeeded => {
                format!("succeeded ({}, {})", known_text(receipt.known), self.attempt_name(receipt.name))
            }
            Status::Failed => format!("failed ({})", self.attempt_name(receipt.name)),
        }
    }

    /// What ran out for this step to be possible, for each key: the receipt or its lease, and the
    /// downstream's record of the key.
    fn ended(&self, before: &World, step: &Step, key: usize) -> (&'static str, &'static str) {
        let acting = match step.label.actor {
            Actor::Attempt(index) => before.clients[index as usize].attempt.as_ref().map(|a| a.key),
            Actor::Zombie(index) => Some(before.zombies[index as usize].key),
            Actor::Flight(index) => Some(before.flights[index as usize].key),
            Actor::Client(_) | Actor::Store | Actor::Job(_) | Actor::Target(_) => None,
        };
        let Some(acting) = acting else { return ("", "") };
        let receipt = match step.label.action {
            _ if acting as usize != key => "",
            _ if step.facts & facts::EXPIRED_RECEIPT != 0 => ", expired",
            Action::Operate { outcome: Outcome::Taken }
            | Action::AckLost { outcome: Outcome::Taken }
            | Action::Unheard { outcome: Outcome::Taken } => ", lease over",
            _ => "",
        };
        let forgotten = self.native_of(acting) == key && step.facts & facts::EXPIRED_NATIVE_KEY != 0;
        (receipt, if forgotten { ", expired" } else { "" })
    }

    fn changes(&self, before: &World, step: &Step) -> Vec<(String, String, String)> {
        let after = &step.world;
        let mut out = Vec::new();
        let mut note = |what: String, from: String, to: String| {
            if from != to {
                out.push((what, from, to));
            }
        };
        let many = after.keys.len() > 1;
        for (index, key) in after.keys.iter().enumerate() {
            let suffix = if many { format!(" {}", index + 1) } else { String::new() };
            let earlier = before.keys.get(index);
            let (over, forgotten) = self.ended(before, step, index);
            let was = match earlier.map(|key| &key.receipt) {
                // Somebody may take over his own claim.
                Some(was) if was.status != Status::Absent && was.token != key.receipt.token => {
                    self.receipt_text(was) + over
                }
                Some(was) => self.receipt_text(was),
                None => "absent".to_owned(),
            };
            note(format!("receipt{suffix}"), was, self.receipt_text(&key.receipt));
            let native = |used: bool| if used { "known" } else { "unknown" }.to_owned();
            let was = native(earlier.is_some_and(|k| k.native.used)) + forgotten;
            note(format!("native key{suffix}"), was, native(key.native.used));
        }
        if let (Some(rules), Some(was), Some(is)) = (&self.remedy, &before.remedy, &after.remedy) {
            for (index, (was, is)) in (0..).zip(was.targets.iter().zip(&is.targets)) {
                let name = self.target_name(index);
                let health = |target: &TargetState| match (target.faulty, target.half) {
                    (_, true) => "half-done".to_owned(),
                    (true, _) => "faulty".to_owned(),
                    _ if rules.is_value() => target.value.to_string(),
                    _ => "well".to_owned(),
                };
                note(name.clone(), health(was), health(is));
                let hands =
                    |target: &TargetState| if target.paged { "a person" } else { "nobody" }.to_owned();
                note(format!("{name}, in the hands of"), hands(was), hands(is));
            }
            for (place, (rule, (was, is))) in
                rules.guard_rules().zip(was.guards.iter().zip(&is.guards)).enumerate()
            {
                // Those of other members are no matter.
                let state = |guard: &GuardState| match (rule.kind, guard.mode) {
                    (GuardKind::Breaker, 1) => "open".to_owned(),
                    (GuardKind::Breaker, 2) => format!("half open, {} tried", guard.count),
                    (GuardKind::Breaker, _) => format!("closed, {} failed", guard.bits.count_ones()),
                    (GuardKind::Flap, 1) => "flapping".to_owned(),
                    (GuardKind::Flap, _) => "steady".to_owned(),
                    (GuardKind::Sliding, _) => format!("{} counted", guard.clocks.len()),
                    _ => format!("{} counted", guard.count),
                };
                let member = if rules.size() > 1 { format!(" ({})", place + 1) } else { String::new() };
                note(format!("guard {}{member}", rule.name), state(was), state(is));
            }
            for (was, is) in before.clients.iter().zip(&after.clients) {
                let due = |client: &Client| if client.phase == Phase::Between { "due" } else { "waits" };
                note(self.trigger_name(rules, is), due(was).to_owned(), due(is).to_owned());
            }
            let under_way = |world: &World| self.under_way(world, None).to_string();
            note("actions under way".to_owned(), under_way(before), under_way(after));
            if !rules.is_value() && rules.floor() > 0 {
                let serving = |world: &World| self.capacity(world).unwrap_or(0).to_string();
                note("members serving".to_owned(), serving(before), serving(after));
            }
        }
        for index in 0..before.locks.len() {
            let holders = |world: &World| {
                let live = world.live().map(|(_, attempt)| attempt);
                let held = live.filter(|attempt| {
                    world.lock_of(attempt.aim.target) == index
                        && matches!(attempt.lock, Grip::Holds | Grip::Unaware)
                });
                held.map(|attempt| self.attempt_name(attempt.name)).collect::<Vec<_>>()
            };
            let lock = |world: &World| match (world.locks[index].held, &holders(world)[..]) {
                (false, _) => "free".to_owned(),
                (true, []) => "held by nobody alive".to_owned(),
                // A pooler gives several the same session.
                (true, holders) => format!("held by {}", holders.join(" and ")),
            };
            let (mut held, holds) = (lock(before), lock(after));
            let ends = match step.label.action {
                Action::Operate { outcome: Outcome::Acquired } => {
                    let after = holders(after);
                    !holders(before).iter().all(|holder| after.contains(holder))
                }
                Action::Operate { outcome: Outcome::Lost } => !after.locks[index].held,
                _ => false,
            };
            if ends && before.locks[index].held && held != holds && self.times.lock_lease.is_some() {
                held += ", lease over";
            }
            note(self.lock_name(before, index), held, holds);
        }
        let rows = |world: &World, test: fn(&Row) -> bool| world.rows.iter().filter(|row| test(row)).count();
        for (what, test) in [
            ("rows waiting", (|row: &Row| !row.done) as fn(&Row) -> bool),
            ("messages published", |row: &Row| row.published),
        ] {
            note(what.to_owned(), rows(before, test).to_string(), rows(after, test).to_string());
        }
        for class in [CLASS_MAIN, CLASS_CONFLICTING, CLASS_MERGED] {
            let count = |world: &World| world.effects[class as usize].to_string();
            note(format!("effects{}", class_text(class)), count(before), count(after));
        }
        out
    }
}
