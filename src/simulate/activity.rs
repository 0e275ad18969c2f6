//! Which activity a step ends: what a duration is sampled for, and what can then come of it.

use crate::model::{Operation, Outcome};
use crate::policy::simulate::Chance;
use crate::system::remedy::{Effected, Event};
use crate::system::world::{Phase, World};
use crate::system::{Action, Actor, Ending, Label, Sending, Step, System};

/// What goes on, and ends with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A client's first attempt, or a message's publication, is to come.
    Arrive,
    /// The next attempt is.
    Retry,
    /// Another delivery beside the one under way is.
    Again,
    /// A dead letter is delivered again.
    Redrive,
    /// A run of a role begins.
    Role,
    /// A run of a remediation begins.
    Trigger,
    /// An attempt comes to its next operation.
    Work,
    /// A call takes effect while its caller waits.
    Land,
    /// The answer of a call, a query or an action comes.
    Reply,
    /// An attempt that is not there yet, or is dead, is run.
    Restart,
    /// A call takes effect that nobody waits for.
    Flight,
    /// An action ends that nobody waits for.
    Job,
    Fails,
    Recovers,
    Repaired,
    Overdue,
}

/// An activity of somebody. `turn` tells apart what begins anew though its owner does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Activity {
    pub kind: Kind,
    pub who: (u8, u8),
    pub turn: u16,
}

/// Owners that are no attempts have names that no attempt has.
const CLIENT: u8 = 0;
const TARGET: u8 = 255;

impl Activity {
    /// The activity that a step out of `before` ends. None: it is no activity's own, but comes beside others: the
    /// store's faults and deaths.
    pub fn of(system: &System, before: &World, label: &Label) -> Option<Activity> {
        let of_attempt = |kind, name| Some(Activity { kind, who: name, turn: 0 });
        match (label.actor, label.action) {
            (_, Action::Crash { .. }) | (Actor::Store, _) => None,
            (Actor::Client(index), action) => {
                let client = &before.clients[usize::from(index)];
                let kind = match action {
                    _ if client.role > 0 => Kind::Role,
                    _ if system.remedy.is_some() => Kind::Trigger,
                    Action::Send(Sending::Again) => Kind::Again,
                    Action::Send(Sending::Redriven) => Kind::Redrive,
                    _ if client.phase == Phase::Idle => Kind::Arrive,
                    _ => Kind::Retry,
                };
                let turn = u16::from(client.sent) << 8 | client.phase as u16;
                Some(Activity { kind, who: (CLIENT, client_name(system, before, index)), turn })
            }
            (Actor::Attempt(_) | Actor::Zombie(_), action) => {
                let attempt = before.acting(label.actor)?;
                let kind = match action {
                    Action::Restart => Kind::Restart,
                    Action::Land(_) => Kind::Land,
                    _ if attempt.call != crate::system::world::Call::None => Kind::Reply,
                    _ => Kind::Work,
                };
                of_attempt(kind, attempt.name)
            }
            (Actor::Flight(index), _) => {
                let name = before.flights[usize::from(index)].name;
                let before = before.flights[..usize::from(index)].iter().filter(|one| one.name == name);
                Some(Activity { kind: Kind::Flight, who: name, turn: before.count() as u16 })
            }
            (Actor::Job(index), _) => {
                let jobs = &before.remedy().jobs;
                let name = jobs[usize::from(index)].name;
                let before = jobs[..usize::from(index)].iter().filter(|one| one.name == name);
                Some(Activity { kind: Kind::Job, who: name, turn: before.count() as u16 })
            }
            (Actor::Target(index), Action::Happens(event)) => {
                let kind = match event {
                    Event::Fails => Kind::Fails,
                    Event::Recovers => Kind::Recovers,
                    Event::Repaired => Kind::Repaired,
                    Event::Overdue => Kind::Overdue,
                };
                Some(Activity { kind, who: (TARGET, index), turn: 0 })
            }
            (Actor::Target(_), _) => None,
        }
    }

    /// Whether this belongs to an attempt of that name.
    pub fn is_of_attempt(self, name: (u8, u8)) -> bool {
        self.who == name && matches!(self.kind, Kind::Work | Kind::Land | Kind::Reply | Kind::Restart)
    }
}

/// A client has its name, and what begins runs has its number.
fn client_name(system: &System, before: &World, index: u8) -> u8 {
    if system.remedy.is_some() { index } else { before.clients[usize::from(index)].name }
}

/// The chance with which a step comes where others can come; none: it is what usually comes.
pub fn chance(system: &System, before: &World, step: &Step) -> Option<Chance> {
    let label = &step.label;
    match label.ending {
        Some(Ending::Died { .. }) => return Some(Chance::Crash),
        Some(Ending::AnswerLost(_)) => return Some(Chance::LostResponse),
        Some(Ending::AnswerLate(_)) => return Some(Chance::Stall),
        _ => {}
    }
    let operation =
        before.acting(label.actor).map(|attempt| &system.table[usize::from(attempt.at)].operation);
    match label.action {
        Action::Send(Sending::Lost) => Some(Chance::LostRequest),
        Action::Send(Sending::Late) => Some(Chance::LateRequest),
        Action::Send(Sending::Twice) => Some(Chance::DuplicateRequest),
        Action::Send(_) => (system.shows_truly(before, step) == Some(false)).then_some(Chance::Stale),
        Action::AckLost { .. } => Some(Chance::AmbiguousAck),
        Action::Unheard { .. } | Action::Effect(Effected::Unheard) => Some(Chance::LostResponse),
        Action::Crash { .. } => Some(Chance::Crash),
        Action::Failover => Some(Chance::Failover),
        Action::LockLost => Some(Chance::LockLoss),
        Action::Effect(Effected::Broken | Effected::Failed) => {
            let Actor::Job(index) = label.actor else { return Some(Chance::ActionError) };
            let breaks = before.remedy().jobs[usize::from(index)].breaks;
            Some(if breaks { Chance::BreaksOff } else { Chance::ActionError })
        }
        Action::Operate { outcome } => match (operation, outcome) {
            (_, Outcome::Aborted) => Some(Chance::Abort),
            (_, Outcome::Unavailable) => Some(Chance::StoreError),
            (Some(Operation::Commit { .. }), Outcome::Unknown) => Some(Chance::AmbiguousAck),
            (_, Outcome::Unknown) => Some(Chance::Unknown),
            (Some(Operation::Act | Operation::Undo), Outcome::Error) => Some(Chance::ActionError),
            (_, Outcome::Denied) => Some(Chance::Denied),
            _ if unheard(before, step) => Some(Chance::LostResponse),
            _ => (system.shows_truly(before, step) == Some(false)).then_some(Chance::Stale),
        },
        _ => None,
    }
}

/// It spends a lost response, whatever else it is: an acknowledgement of which the broker does not hear.
fn unheard(before: &World, step: &Step) -> bool {
    step.world.budget.lost_responses < before.budget.lost_responses
        && before.budget.lost_responses - step.world.budget.lost_responses == 1
        && matches!(step.label.action, Action::Operate { outcome: Outcome::Acked })
        && step.label.ending.is_none_or(|ending| ending == Ending::Ended)
}
