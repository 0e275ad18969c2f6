//! A protocol: the state machine of one attempt, as a checked table.

pub mod graph;
pub mod operation;
pub mod operations;
pub mod read;
pub mod schema;
pub mod shipped;
pub mod target;

pub use operation::{Answer, Operation, Outcome, RecordAs, WaitFor, WriteKind};
pub use operations::{OPERATIONS, OperationSpec};

use crate::source::Span;

/// The index of a state in [`Protocol::states`].
pub type StateId = usize;
/// The index of a choice in [`Protocol::choices`].
pub type ChoiceId = usize;

/// A model file that passed every check.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// `model = "receipt"`; the name that policies use.
    pub name: String,
    pub title: String,
    pub start: StateId,
    pub states: Vec<State>,
    pub choices: Vec<Choice>,
    /// What runs beside the attempts, over the same states.
    pub roles: Vec<Role>,
    /// Where `resume` leads while no recovery point is recorded.
    pub resume: Option<StateId>,
}

/// A background role: a relay, a completer, a sweeper.
#[derive(Clone, Debug)]
pub struct Role {
    pub name: String,
    pub start: StateId,
    /// At least this long between two of its runs, in milliseconds.
    pub every: i64,
    pub span: Span,
}

/// One state: one atomic operation, and where each of its outcomes leads.
#[derive(Clone, Debug)]
pub struct State {
    pub name: String,
    pub operation: Operation,
    /// Each outcome of the operation exactly once, in the operation's order; `unavailable` at the end,
    /// where it is mapped.
    pub next: Vec<(Outcome, Target)>,
    pub span: Span,
}

/// Where an outcome leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    State(StateId),
    /// `?name`: the policy's choice says.
    Choice(ChoiceId),
    /// `respond.name`: the attempt answers its client and ends.
    Respond(Answer),
    /// `resume`: the state of the last recovery point.
    Resume,
    /// `end.name`: the attempt ends without an answer (a human is paged, say).
    End(String),
}

/// A fork that the policy decides.
#[derive(Clone, Debug)]
pub struct Choice {
    pub name: String,
    /// Option name and where it leads; a target here is never another choice.
    pub options: Vec<(String, Target)>,
    pub span: Span,
}
