//! A policy with its protocol, and the tools to spoil them.

use idemcheck::model::{Operation, Outcome, Protocol, State, StateId, Target, WaitFor, WriteKind};
use idemcheck::policy::{Policy, SuppliedBy};

/// A policy and its protocol, to be spoilt in one place.
#[derive(Clone)]
pub struct Mutant {
    pub policy: Policy,
    pub protocol: Protocol,
}

impl Mutant {
    /// The states that the policy's choices leave reachable.
    pub fn live(&self) -> Vec<StateId> {
        let uses = self.protocol.uses(|choice| self.policy.choices.get(choice).map(String::as_str));
        (0..self.protocol.states.len()).filter(|at| uses.live[*at]).collect()
    }

    /// Whether some live state does this.
    pub fn does(&self, test: impl Fn(&Operation) -> bool) -> bool {
        self.live().into_iter().any(|at| test(self.operation(at)))
    }

    /// Whether attempts claim a receipt.
    pub fn claims(&self) -> bool {
        self.does(|op| matches!(op, Operation::Insert { .. } | Operation::Write | Operation::TakeOver { .. }))
    }

    /// Whether the policy's key is one that all attempts of an operation share.
    pub fn has_key(&self) -> bool {
        let policy = &self.policy;
        let used = self.does(|op| op.uses_receipts() || matches!(op, Operation::Call { key: true, .. }));
        used && policy.key.supplied_by != SuppliedBy::Nobody && policy.splitting_fields().is_empty()
    }

    pub fn operation(&self, at: StateId) -> &Operation {
        &self.protocol.states[at].operation
    }

    pub fn operation_mut(&mut self, at: StateId) -> &mut Operation {
        &mut self.protocol.states[at].operation
    }

    /// The writes of a commit.
    pub fn writes_mut(&mut self, at: StateId) -> Option<&mut Vec<WriteKind>> {
        match self.operation_mut(at) {
            Operation::Commit { writes, .. } => Some(writes),
            _ => None,
        }
    }

    /// Where an outcome leads, with the policy's choice made.
    pub fn leads(&self, at: StateId, outcome: Outcome) -> Option<Target> {
        let next = &self.protocol.states[at].next;
        let target = next.iter().find(|(known, _)| *known == outcome).map(|(_, target)| target)?;
        let Target::Choice(choice) = target else { return Some(target.clone()) };
        let choice = &self.protocol.choices[*choice];
        let chosen = self.policy.choices.get(&choice.name)?;
        choice.options.iter().find(|(name, _)| name == chosen).map(|(_, target)| target.clone())
    }

    /// The state that an outcome leads to.
    pub fn leads_to_state(&self, at: StateId, outcome: Outcome) -> Option<StateId> {
        match self.leads(at, outcome)? {
            Target::State(state) => Some(state),
            _ => None,
        }
    }

    /// Makes an outcome lead elsewhere; none: it led there before.
    pub fn lead(&mut self, at: StateId, outcome: Outcome, to: Target) -> Option<()> {
        if self.leads(at, outcome).as_ref() == Some(&to) {
            return None;
        }
        let next = &mut self.protocol.states[at].next;
        next.retain(|(known, _)| *known != outcome);
        next.push((outcome, to));
        Some(())
    }

    /// Makes one outcome lead where another one leads: the difference is not seen.
    pub fn take_for(&mut self, at: StateId, outcome: Outcome, other: Outcome) -> Option<()> {
        self.leads(at, outcome)?;
        let to = self.leads(at, other)?;
        self.lead(at, outcome, to)
    }

    /// A further state, named after the one that it comes of.
    pub fn add(&mut self, like: StateId, operation: Operation, next: Vec<(Outcome, Target)>) -> StateId {
        let State { name, span, .. } = self.protocol.states[like].clone();
        let name = format!("{name}'");
        self.protocol.states.push(State { name, operation, next, span });
        self.protocol.states.len() - 1
    }

    /// Whatever led to a state leads elsewhere.
    pub fn enter(&mut self, at: StateId, to: &Target) {
        let protocol = &mut self.protocol;
        let points = protocol.states.iter().filter_map(|state| state.operation.recovery_point());
        let roles = protocol.roles.iter().map(|role| role.start);
        let begins = [protocol.start].into_iter().chain(roles).chain(protocol.resume).chain(points);
        if begins.into_iter().any(|start| start == at) {
            // What begins here has to begin somewhere: with nothing.
            let state = &mut protocol.states[at];
            state.operation = Operation::Wait(WaitFor::Fixed(0));
            state.next = vec![(Outcome::Elapsed, to.clone())];
            return;
        }
        let nexts = protocol.states.iter_mut().flat_map(|state| &mut state.next).map(|(_, target)| target);
        let options = protocol.choices.iter_mut().flat_map(|choice| &mut choice.options);
        for target in nexts.chain(options.map(|(_, target)| target)) {
            if *target == Target::State(at) {
                *target = to.clone();
            }
        }
    }

    /// A state is left out, as if its operation always ended like this.
    pub fn skip(&mut self, at: StateId, outcome: Outcome) -> Option<()> {
        let to = self.leads(at, outcome)?;
        if to == Target::State(at) {
            return None;
        }
        self.enter(at, &to);
        Some(())
    }

    /// The state's own work comes before that of the one before it.
    pub fn swap(&mut self, first: StateId, then: Outcome, second: StateId, done: Outcome) -> Option<()> {
        let after = self.leads(second, done)?;
        let State { operation, mut next, .. } = self.protocol.states[second].clone();
        next.retain(|(outcome, _)| *outcome != done);
        let early = self.add(second, operation, next);
        self.enter(first, &Target::State(early));
        self.lead(early, done, Target::State(first));
        self.lead(first, then, after)
    }
}
