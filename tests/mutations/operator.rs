//! What a mutation operator is, and where it applies.

use idemcheck::check::property::Property;
use idemcheck::model::StateId;
use idemcheck::policy::Policy;

use super::mutant::Mutant;

/// A mistake that people make, made on purpose.
pub struct Operator {
    pub name: &'static str,
    /// The real mistake that it stands for.
    pub mistake: &'static str,
    /// The properties that it is meant to break, the gravest first. Where the first one that applies
    /// does not hold there is nothing to lose.
    pub against: &'static [Property],
    /// What both the policy and its mutants face, where the policy declares none: a fault, another
    /// payload.
    pub given: Option<fn(&mut Policy)>,
    pub edit: Edit,
}

/// How it spoils a policy; none: it does not apply here.
#[derive(Clone, Copy)]
pub enum Edit {
    /// One mutant for each live state that it applies to.
    State(fn(&mut Mutant, StateId) -> Option<()>),
    /// One mutant of the policy's promises.
    Promise(fn(&mut Mutant) -> Option<()>),
}

impl Operator {
    /// An operator on the protocol.
    pub const fn state(
        name: &'static str,
        mistake: &'static str,
        against: &'static [Property],
        edit: fn(&mut Mutant, StateId) -> Option<()>,
    ) -> Operator {
        Operator { name, mistake, against, given: None, edit: Edit::State(edit) }
    }

    /// An operator on what the policy promises.
    pub const fn promise(
        name: &'static str,
        mistake: &'static str,
        against: &'static [Property],
        edit: fn(&mut Mutant) -> Option<()>,
    ) -> Operator {
        Operator { name, mistake, against, given: None, edit: Edit::Promise(edit) }
    }

    /// The same where this can occur.
    pub const fn given(mut self, fault: fn(&mut Policy)) -> Operator {
        self.given = Some(fault);
        self
    }

    /// Every mutant of a policy, with its place.
    pub fn mutants(&self, original: &Mutant) -> Vec<(String, Mutant)> {
        match self.edit {
            Edit::Promise(edit) => {
                let mut mutant = original.clone();
                let done = edit(&mut mutant);
                done.map(|()| (String::new(), mutant)).into_iter().collect()
            }
            Edit::State(edit) => {
                let at_state = |at: StateId| {
                    let mut mutant = original.clone();
                    edit(&mut mutant, at)?;
                    Some((original.protocol.states[at].name.clone(), mutant))
                };
                original.live().into_iter().filter_map(at_state).collect()
            }
        }
    }
}
