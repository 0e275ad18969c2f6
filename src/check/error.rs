//! Why a check could not be made.

use std::fmt;

use super::property::Property;
use super::search::SearchError;
use crate::system::CompileError;

/// Why a policy could not be checked at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckError {
    Compile(CompileError),
    Search(SearchError),
    /// The model can go round these states for ever without any time passing.
    LoopWithoutTime(Vec<String>),
    /// Another process of the search is gone.
    Cluster(String),
    /// A run that the search found could not be taken again: a fault of this program.
    Unreplayable(Property, String),
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckError::Compile(error) => error.fmt(f),
            CheckError::Search(error) => error.fmt(f),
            CheckError::Cluster(why) => f.write_str(why),
            CheckError::LoopWithoutTime(states) => {
                let round = states.join(" → ");
                write!(
                    f,
                    "a loop that takes no time: {round} → {}; put a `wait` into it, or leave it",
                    states[0]
                )
            }
            CheckError::Unreplayable(property, why) => {
                write!(f, "the run found against {property} cannot be replayed ({why}): please report this")
            }
        }
    }
}

impl std::error::Error for CheckError {}

impl From<SearchError> for CheckError {
    fn from(error: SearchError) -> Self {
        CheckError::Search(error)
    }
}
