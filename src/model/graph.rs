//! Which states an attempt can reach, and from which it can end.

use super::{Operation, Outcome, Protocol, State, StateId, Target, WriteKind};

impl Protocol {
    /// The targets behind a target: a choice stands for all of its options.
    pub fn resolved<'a>(&'a self, target: &'a Target) -> Vec<&'a Target> {
        match target {
            Target::Choice(choice) => self.choices[*choice].options.iter().map(|(_, to)| to).collect(),
            other => vec![other],
        }
    }

    /// Where attempts and roles begin, and where an abandoned attempt resumes at first.
    fn starts(&self) -> Vec<StateId> {
        let roles = self.roles.iter().map(|role| role.start);
        [self.start].into_iter().chain(roles).chain(self.resume).collect()
    }

    /// Per state: whether some path from the start enters it.
    pub fn reachable(&self) -> Vec<bool> {
        let mut seen = vec![false; self.states.len()];
        let mut pending = self.starts();
        while let Some(state) = pending.pop() {
            if std::mem::replace(&mut seen[state], true) {
                continue;
            }
            pending.extend(self.states[state].operation.recovery_point());
            for target in self.states[state].next.iter().flat_map(|(_, target)| self.resolved(target)) {
                if let Target::State(next) = target {
                    pending.push(*next);
                }
            }
        }
        seen
    }

    /// Whether some path from this state looks at a receipt or writes one.
    pub fn looks_at_receipts(&self, from: StateId) -> bool {
        let mut seen = vec![false; self.states.len()];
        let mut pending = vec![from];
        while let Some(state) = pending.pop() {
            if std::mem::replace(&mut seen[state], true) {
                continue;
            }
            if self.states[state].operation.uses_receipts() {
                return true;
            }
            for target in self.states[state].next.iter().flat_map(|(_, target)| self.resolved(target)) {
                match target {
                    Target::State(next) => pending.push(*next),
                    Target::Resume => return true,
                    _ => {}
                }
            }
        }
        false
    }

    /// Per state: whether some path from it ends.
    pub fn ends(&self) -> Vec<bool> {
        let mut ends = vec![false; self.states.len()];
        // At most one round per state; models are small.
        loop {
            let before = ends.clone();
            for (id, state) in self.states.iter().enumerate() {
                let mut targets = state.next.iter().flat_map(|(_, target)| self.resolved(target));
                ends[id] = ends[id]
                    || targets.any(|target| match target {
                        Target::State(next) => ends[*next],
                        _ => true,
                    });
            }
            if ends == before {
                return ends;
            }
        }
    }
}

/// What the states that a policy's choices leave reachable do.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    /// Per state: entered on some path, given the choices.
    pub live: Vec<bool>,
    pub store: bool,
    /// Receipts are looked at or written.
    pub receipts: bool,
    pub lock: bool,
    /// Deliveries are acknowledged, given back or extended.
    pub queue: bool,
    /// Messages are published.
    pub publish: bool,
    pub call: bool,
    /// Some transaction writes the effect.
    pub commits_effect: bool,
    pub query: bool,
    /// Some call sends a native key.
    pub key: bool,
    /// Some call or query sends a fencing token.
    pub token: bool,
    /// Expired claims are treated otherwise than claims in progress.
    pub expiry: bool,
    /// Something is done to a target, or asked about it.
    pub target: bool,
    pub guards: bool,
    pub approve: bool,
    pub page: bool,
}

impl Protocol {
    /// `option` gives the option chosen for a choice; where it does not, or names one that is not
    /// there, all options count.
    pub fn uses<'a>(&self, option: impl Fn(&str) -> Option<&'a str>) -> Uses {
        self.uses_with(option, true)
    }

    /// The same, where a choice without an option leads nowhere: what is used whatever is chosen.
    pub fn surely_uses<'a>(&self, option: impl Fn(&str) -> Option<&'a str>) -> Uses {
        self.uses_with(option, false)
    }

    fn uses_with<'a>(&self, option: impl Fn(&str) -> Option<&'a str>, open: bool) -> Uses {
        let mut uses = Uses { live: vec![false; self.states.len()], ..Uses::default() };
        let mut pending = self.starts();
        while let Some(id) = pending.pop() {
            if std::mem::replace(&mut uses.live[id], true) {
                continue;
            }
            let state = &self.states[id];
            uses.note(state);
            pending.extend(state.operation.recovery_point());
            for (_, target) in &state.next {
                let targets: Vec<&Target> = match target {
                    Target::Choice(choice) => {
                        let choice = &self.choices[*choice];
                        let chosen = option(&choice.name);
                        let one = choice.options.iter().find(|(name, _)| Some(name.as_str()) == chosen);
                        match one {
                            Some((_, target)) => vec![target],
                            None if open => choice.options.iter().map(|(_, target)| target).collect(),
                            None => Vec::new(),
                        }
                    }
                    other => vec![other],
                };
                pending.extend(targets.iter().filter_map(|target| match target {
                    Target::State(next) => Some(*next),
                    _ => None,
                }));
            }
        }
        uses
    }
}

impl Uses {
    fn note(&mut self, state: &State) {
        self.store |= state.operation.uses_store();
        self.receipts |= state.operation.uses_receipts();
        self.lock |= state.operation.uses_lock();
        self.queue |= state.operation.uses_queue();
        self.publish |= state.operation == Operation::Publish;
        self.target |= state.operation.uses_target();
        self.guards |= state.operation.uses_guards();
        self.approve |= state.operation == Operation::Approve;
        self.page |= state.operation == Operation::Page;
        match &state.operation {
            Operation::Call { key, token } => {
                self.call = true;
                self.key |= key;
                self.token |= token;
            }
            Operation::Commit { writes, .. } => self.commits_effect |= writes.contains(&WriteKind::Effect),
            Operation::Query { token } => {
                self.query = true;
                self.token |= token;
            }
            Operation::TakeOver { .. }
            | Operation::Renew
            | Operation::LeaseCheck
            | Operation::FindAbandoned
            | Operation::NextRow { claim: true } => self.expiry = true,
            _ => {}
        }
        let to = |wanted| state.next.iter().find(|(outcome, _)| *outcome == wanted).map(|(_, target)| target);
        if let (Some(expired), Some(in_progress)) = (to(Outcome::Expired), to(Outcome::InProgress)) {
            self.expiry |= expired != in_progress;
        }
    }
}
