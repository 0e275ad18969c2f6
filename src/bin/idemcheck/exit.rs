//! Exit codes: what a pipeline sees of a run.

use std::process::ExitCode;

use idemcheck::check::verdict::{Report, Standing};
use idemcheck::load::report::LoadVerdict;

/// Everything holds, or is violated exactly where the policy says so; or nothing was asked that
/// could fail.
pub const HOLDS: u8 = 0;
/// A property is violated without `[expect]` or waiver, or an expectation is not met.
pub const VIOLATED: u8 = 1;
/// Wrong arguments, a file that can't be read, a faulty policy. Also what clap exits with.
pub const COULD_NOT_RUN: u8 = 2;
/// A limit, a timeout or Ctrl-C ended a search: neither proof nor counterexample.
pub const INCONCLUSIVE: u8 = 3;
/// The paths name no policy: a gate that checks nothing must not be green.
pub const NOTHING_SELECTED: u8 = 4;
/// The second Ctrl-C: 128 and the number of SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// The codes for `--help`.
pub const HELP: &str = "Exit codes: 0 all hold, or as expected; 1 violated, or an expectation not met; \
     2 could not run; 3 inconclusive; 4 nothing selected. Of several, 2 outranks 1, and 1 outranks 3.";

/// How a run ended. The greater one wins where several meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    Holds,
    NothingSelected,
    Inconclusive,
    Violated,
    CouldNotRun,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Holds => HOLDS,
            Exit::Violated => VIOLATED,
            Exit::CouldNotRun => COULD_NOT_RUN,
            Exit::Inconclusive => INCONCLUSIVE,
            Exit::NothingSelected => NOTHING_SELECTED,
        }
    }

    /// What a race came to.
    pub fn of_load(verdict: LoadVerdict) -> Exit {
        match verdict {
            LoadVerdict::Violated => Exit::Violated,
            LoadVerdict::NothingFound => Exit::Holds,
            LoadVerdict::Inconclusive => Exit::Inconclusive,
        }
    }

    /// What a report amounts to.
    pub fn of(report: &Report) -> Exit {
        let one = |standing| match standing {
            Standing::NotApplicable
            | Standing::Met
            | Standing::MetViolated
            | Standing::Waived
            | Standing::Baselined => Exit::Holds,
            Standing::Inconclusive => Exit::Inconclusive,
            Standing::Unexpected => Exit::Violated,
        };
        // Each property for itself: a violation outranks the unfinished search beside it.
        let properties = report.policies.iter().flat_map(|policy| &policy.properties);
        let worst = properties.map(|property| one(property.standing())).max().unwrap_or(Exit::Holds);
        if report.failures.is_empty() { worst } else { Exit::CouldNotRun }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_outranks_a_violation_outranks_an_unfinished_search() {
        let ranked =
            [Exit::Holds, Exit::NothingSelected, Exit::Inconclusive, Exit::Violated, Exit::CouldNotRun];
        assert!(ranked.is_sorted());
        assert_eq!(ranked.map(Exit::code), [0, 4, 3, 1, 2]);
    }
}
