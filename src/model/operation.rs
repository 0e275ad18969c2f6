//! The operations a state can do, their outcomes, and the answers an attempt can give.
//!
//! An operation is atomic; anything may happen between two of them.

use super::StateId;

/// What a state does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `store.insert`: insert my in-progress claim if the key is absent.
    Insert {
        /// `recognise_own = true`: on meeting a claim that carries my own owner id (my first
        /// acknowledgement was lost) the outcome is `inserted`, not `in_progress`.
        recognise_own: bool,
    },
    /// `store.read`: a plain read.
    Read,
    /// `store.write`: blind write of my in-progress claim.
    Write,
    /// `store.take_over`: compare-and-set an expired claim to mine, next fencing token.
    TakeOver { recognise_own: bool },
    /// `store.renew`: extend my lease, only while the claim is mine.
    Renew,
    /// `store.record`: store outcome and response.
    Record {
        outcome: RecordAs,
        /// Only while the claim is mine; unfenced: whatever is there.
        fenced: bool,
        /// As with `Insert`: a repeat after a lost acknowledgement is `recorded`, not `lost`.
        recognise_own: bool,
    },
    /// `store.release`: remove my claim (unfenced: whatever claim is there).
    Release { fenced: bool },
    /// `store.checkpoint`: a recovery point in my claim, only while it is mine.
    Checkpoint {
        /// Where `resume` leads from now on.
        at: StateId,
    },
    /// `store.commit`: several local writes in one transaction.
    Commit {
        writes: Vec<WriteKind>,
        /// The recovery point, if that is among the writes.
        at: Option<StateId>,
        /// Only while no effect was committed since my `state.load`: optimistic concurrency.
        if_unchanged: bool,
    },
    /// `store.sweep`: deletes a receipt whose TTL ran out.
    Sweep,
    /// `store.find_abandoned`: picks up a claim whose lease ran out, and makes it mine.
    FindAbandoned,
    /// `state.load`: reads the local state: is the effect there? Remembers its version.
    Load,
    /// `lock.acquire`: takes the lock if it is free or its lease ran out, with a fencing token.
    Acquire,
    /// `lock.renew`: extends the lock's lease, only while it is mine.
    RenewLock,
    /// `lock.release`: frees the lock (unfenced: whoever holds it).
    Unlock { fenced: bool },
    /// `queue.ack`: the message is done.
    Ack,
    /// `queue.nack`: the message may be delivered again at once.
    Nack,
    /// `queue.extend`: the message stays invisible for another visibility timeout.
    Extend,
    /// `outbox.next`: a row of the outbox that is not marked.
    NextRow {
        /// The row is claimed for as long as the lease.
        claim: bool,
    },
    /// `outbox.publish`: sends the message of the row, or of the attempt's own effect where it has none.
    Publish,
    /// `outbox.mark`: the row is done.
    Mark,
    /// `lease.check`: the holder looks at its own clock: has my lease run out?
    LeaseCheck,
    /// `downstream.call`: sends the effect; after a timeout it may still land.
    Call {
        /// Sends a native idempotency key, derived from ours.
        key: bool,
        /// Sends the fencing token of my claim.
        token: bool,
    },
    /// `downstream.query`: asks whether the effect exists.
    Query {
        /// Sends my fencing token: a resource that checks tokens refuses older ones from then on.
        token: bool,
    },
    /// `target.observe`: looks at the target, as its signals show it.
    Observe {
        /// Only a sample from after the last action settled counts; an older one reads `unknown`.
        fresh: bool,
    },
    /// `target.act`: the remedy.
    Act,
    /// `target.undo`: backs out what an action did, or half did.
    Undo,
    /// `guard.admit`: asks the policy's guards, all in one atomic step.
    Admit,
    /// `guard.success`, `guard.failure`: tells them how the action went.
    Report { success: bool },
    /// `human.approve`: waits for a person's word.
    Approve,
    /// `human.page`: hands the target over to a person.
    Page,
    /// `wait`: backoff, poll or settle time.
    Wait(WaitFor),
}

/// How long a `wait` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// `for = "1s"`, in milliseconds.
    Fixed(i64),
    /// `for = "?poll"`: the policy's `[waits] poll = "1s"` says.
    Named(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordAs {
    Succeeded,
    Failed,
}

/// A part of a local transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WriteKind {
    Effect,
    Receipt,
    Outbox,
    Checkpoint,
}

/// What a state sees when its operation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "cluster", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum Outcome {
    Inserted,
    InProgress,
    Expired,
    Succeeded,
    Failed,
    Mismatch,
    Absent,
    Written,
    Taken,
    Lost,
    Renewed,
    Recorded,
    Released,
    Committed,
    Aborted,
    Unknown,
    Held,
    Ok,
    Error,
    Timeout,
    Applied,
    Elapsed,
    Acquired,
    Busy,
    Acked,
    Requeued,
    Extended,
    Message,
    Empty,
    Marked,
    Swept,
    Found,
    None,
    Converged,
    Diverged,
    Admitted,
    Cooling,
    Limited,
    Open,
    Flapping,
    Exhausted,
    Done,
    Approved,
    Denied,
    Paged,
    /// Of any operation on the store or a lock: it could not be reached. May be left out: the attempt
    /// then gives up with an error.
    Unavailable,
}

/// The final answers: `respond.NAME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Answer {
    /// The result of my own execution (or of the effect that a query found). Final for the client.
    Success,
    /// The recorded response of an earlier attempt. Final.
    Replay,
    /// A recorded failure of my own execution. Final.
    Failed,
    /// Not done, try again: nothing is recorded. The client retries.
    Error,
    /// Nobody knows whether it was done. The client retries.
    Unknown,
    /// Another attempt is at it (409). The client retries.
    InFlight,
    /// The key was used with another payload (422). Final.
    Mismatch,
}

impl Outcome {
    /// Comes of a fault, of somebody else's at times: it does not come for ever.
    pub fn is_fault(self) -> bool {
        matches!(self, Outcome::Timeout | Outcome::Unknown | Outcome::Aborted | Outcome::Unavailable)
    }

    /// Every outcome, in the order of its number.
    pub const ALL: [Outcome; 46] = [
        Outcome::Inserted,
        Outcome::InProgress,
        Outcome::Expired,
        Outcome::Succeeded,
        Outcome::Failed,
        Outcome::Mismatch,
        Outcome::Absent,
        Outcome::Written,
        Outcome::Taken,
        Outcome::Lost,
        Outcome::Renewed,
        Outcome::Recorded,
        Outcome::Released,
        Outcome::Committed,
        Outcome::Aborted,
        Outcome::Unknown,
        Outcome::Held,
        Outcome::Ok,
        Outcome::Error,
        Outcome::Timeout,
        Outcome::Applied,
        Outcome::Elapsed,
        Outcome::Acquired,
        Outcome::Busy,
        Outcome::Acked,
        Outcome::Requeued,
        Outcome::Extended,
        Outcome::Message,
        Outcome::Empty,
        Outcome::Marked,
        Outcome::Swept,
        Outcome::Found,
        Outcome::None,
        Outcome::Converged,
        Outcome::Diverged,
        Outcome::Admitted,
        Outcome::Cooling,
        Outcome::Limited,
        Outcome::Open,
        Outcome::Flapping,
        Outcome::Exhausted,
        Outcome::Done,
        Outcome::Approved,
        Outcome::Denied,
        Outcome::Paged,
        Outcome::Unavailable,
    ];

    /// As model files write it.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Inserted => "inserted",
            Outcome::InProgress => "in_progress",
            Outcome::Expired => "expired",
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Mismatch => "mismatch",
            Outcome::Absent => "absent",
            Outcome::Written => "written",
            Outcome::Taken => "taken",
            Outcome::Lost => "lost",
            Outcome::Renewed => "renewed",
            Outcome::Recorded => "recorded",
            Outcome::Released => "released",
            Outcome::Committed => "committed",
            Outcome::Aborted => "aborted",
            Outcome::Unknown => "unknown",
            Outcome::Held => "held",
            Outcome::Ok => "ok",
            Outcome::Error => "error",
            Outcome::Timeout => "timeout",
            Outcome::Applied => "applied",
            Outcome::Elapsed => "elapsed",
            Outcome::Acquired => "acquired",
            Outcome::Busy => "busy",
            Outcome::Acked => "acked",
            Outcome::Requeued => "requeued",
            Outcome::Extended => "extended",
            Outcome::Message => "message",
            Outcome::Empty => "empty",
            Outcome::Marked => "marked",
            Outcome::Swept => "swept",
            Outcome::Found => "found",
            Outcome::None => "none",
            Outcome::Converged => "converged",
            Outcome::Diverged => "diverged",
            Outcome::Admitted => "admitted",
            Outcome::Cooling => "cooling",
            Outcome::Limited => "limited",
            Outcome::Open => "open",
            Outcome::Flapping => "flapping",
            Outcome::Exhausted => "exhausted",
            Outcome::Done => "done",
            Outcome::Approved => "approved",
            Outcome::Denied => "denied",
            Outcome::Paged => "paged",
            Outcome::Unavailable => "unavailable",
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Answer {
    pub const ALL: [Answer; 7] = [
        Answer::Success,
        Answer::Replay,
        Answer::Failed,
        Answer::Error,
        Answer::Unknown,
        Answer::InFlight,
        Answer::Mismatch,
    ];

    /// What follows `respond.`.
    pub fn name(self) -> &'static str {
        match self {
            Answer::Success => "success",
            Answer::Replay => "replay",
            Answer::Failed => "failed",
            Answer::Error => "error",
            Answer::Unknown => "unknown",
            Answer::InFlight => "in_flight",
            Answer::Mismatch => "mismatch",
        }
    }

    pub fn from_name(name: &str) -> Option<Answer> {
        Answer::ALL.into_iter().find(|answer| answer.name() == name)
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl RecordAs {
    pub fn name(self) -> &'static str {
        match self {
            RecordAs::Succeeded => "succeeded",
            RecordAs::Failed => "failed",
        }
    }
}

impl WriteKind {
    pub fn name(self) -> &'static str {
        match self {
            WriteKind::Effect => "effect",
            WriteKind::Receipt => "receipt",
            WriteKind::Outbox => "outbox",
            WriteKind::Checkpoint => "checkpoint",
        }
    }
}

impl Operation {
    /// What `do` says.
    pub fn name(&self) -> &'static str {
        match self {
            Operation::Insert { .. } => "store.insert",
            Operation::Read => "store.read",
            Operation::Write => "store.write",
            Operation::TakeOver { .. } => "store.take_over",
            Operation::Renew => "store.renew",
            Operation::Record { .. } => "store.record",
            Operation::Release { .. } => "store.release",
            Operation::Checkpoint { .. } => "store.checkpoint",
            Operation::Commit { .. } => "store.commit",
            Operation::Sweep => "store.sweep",
            Operation::FindAbandoned => "store.find_abandoned",
            Operation::Load => "state.load",
            Operation::Acquire => "lock.acquire",
            Operation::RenewLock => "lock.renew",
            Operation::Unlock { .. } => "lock.release",
            Operation::Ack => "queue.ack",
            Operation::Nack => "queue.nack",
            Operation::Extend => "queue.extend",
            Operation::NextRow { .. } => "outbox.next",
            Operation::Publish => "outbox.publish",
            Operation::Mark => "outbox.mark",
            Operation::LeaseCheck => "lease.check",
            Operation::Call { .. } => "downstream.call",
            Operation::Query { .. } => "downstream.query",
            Operation::Observe { .. } => "target.observe",
            Operation::Act => "target.act",
            Operation::Undo => "target.undo",
            Operation::Admit => "guard.admit",
            Operation::Report { success: true } => "guard.success",
            Operation::Report { success: false } => "guard.failure",
            Operation::Approve => "human.approve",
            Operation::Page => "human.page",
            Operation::Wait(_) => "wait",
        }
    }

    /// Whether the policy must describe a store.
    pub fn uses_store(&self) -> bool {
        let writes = matches!(
            self,
            Operation::Commit { .. } | Operation::Load | Operation::NextRow { .. } | Operation::Mark
        );
        self.uses_receipts() || writes
    }

    /// Whether it looks at receipts or writes them.
    pub fn uses_receipts(&self) -> bool {
        match self {
            Operation::Insert { .. }
            | Operation::Read
            | Operation::Write
            | Operation::TakeOver { .. }
            | Operation::Renew
            | Operation::Record { .. }
            | Operation::Release { .. }
            | Operation::Checkpoint { .. }
            | Operation::Sweep
            | Operation::FindAbandoned
            | Operation::LeaseCheck => true,
            Operation::Commit { writes, at, .. } => writes.contains(&WriteKind::Receipt) || at.is_some(),
            Operation::Load
            | Operation::NextRow { .. }
            | Operation::Mark
            | Operation::Publish
            | Operation::Acquire
            | Operation::RenewLock
            | Operation::Unlock { .. }
            | Operation::Ack
            | Operation::Nack
            | Operation::Extend
            | Operation::Call { .. }
            | Operation::Query { .. }
            | Operation::Observe { .. }
            | Operation::Act
            | Operation::Undo
            | Operation::Admit
            | Operation::Report { .. }
            | Operation::Approve
            | Operation::Page
            | Operation::Wait(_) => false,
        }
    }

    /// The state that this operation makes the one to resume at.
    pub fn recovery_point(&self) -> Option<StateId> {
        match self {
            Operation::Checkpoint { at } => Some(*at),
            Operation::Commit { at, .. } => *at,
            _ => None,
        }
    }

    /// Whether the policy must describe a lock.
    pub fn uses_lock(&self) -> bool {
        matches!(self, Operation::Acquire | Operation::RenewLock | Operation::Unlock { .. })
    }

    /// Whether it belongs to a message's delivery.
    pub fn uses_queue(&self) -> bool {
        matches!(self, Operation::Ack | Operation::Nack | Operation::Extend)
    }

    /// Whether the policy must describe a downstream.
    pub fn uses_downstream(&self) -> bool {
        matches!(self, Operation::Call { .. } | Operation::Query { .. })
    }

    /// Whether the policy must describe a target.
    pub fn uses_target(&self) -> bool {
        matches!(self, Operation::Observe { .. }) || self.acts() || self.uses_guards() || self.uses_human()
    }

    /// Whether it changes the target.
    pub fn acts(&self) -> bool {
        matches!(self, Operation::Act | Operation::Undo)
    }

    /// Whether the policy must describe guards.
    pub fn uses_guards(&self) -> bool {
        matches!(self, Operation::Admit | Operation::Report { .. })
    }

    /// Whether a person takes part.
    pub fn uses_human(&self) -> bool {
        matches!(self, Operation::Approve | Operation::Page)
    }

    /// Whether it can find its store or its lock out of reach.
    pub fn may_be_unavailable(&self) -> bool {
        self.uses_store() && *self != Operation::LeaseCheck || self.uses_lock()
    }
}
