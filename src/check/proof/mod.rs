//! Proofs for any number of requests, attempts and crashes.
//!
//! A search in a declared scope says nothing of a scope that is larger by one. Here the number is left
//! open ([`crate::system::open`]), and an invariant is sought ([`prove`]) of how any two parts of a world
//! can stand beside what all share. It is written out as a [`Proof`], and [`check()`] takes it apart again
//! without anything that the search for it uses but the step relation.
//!
//! First without clocks, so that any timer may fire at any moment; then, for what that leaves open, with
//! the clocks of what is shared and of the parts looked at. An invariant that is found proves what it
//! excludes. One that excludes less than is asked for proves nothing against it: whole worlds may be
//! impossible of which all the pieces occur. So there is no `violated` from here.

pub mod check;
pub mod file;
mod place;
pub mod prove;
mod views;
mod words;

pub use check::{Checked, Refused, check};
pub use file::{Piece, Proof};

use super::judge::broken_by;
use super::property::Property;
use super::verdict::grouped;
use crate::system::open::OpenStep;
use crate::system::{Actor, System, facts};
use prove::{Prover, Stuck};

/// The properties that a step breaks by itself, or not at all: what an invariant can exclude. Others are of
/// runs without end, of what is left when all is over, or of targets.
pub const EXPRESSIBLE: [Property; 14] = [
    Property::SingleExecution,
    Property::NoFalseDedup,
    Property::NoLostEffect,
    Property::ReplayFidelity,
    Property::NoCrossPayload,
    Property::ClaimExclusive,
    Property::OwnerOnlyRecord,
    Property::NoSelfConflict,
    Property::ReserveBeforeEffect,
    Property::TruthfulConflict,
    Property::NoStaleOverwrite,
    Property::TtlCoversRetries,
    Property::NoLostMessage,
    Property::EffectivelyOnce,
];

/// What came of trying to prove some properties.
#[derive(Clone, Debug, Default)]
pub struct Attempted {
    pub proofs: Vec<Proof>,
    /// What is not proved, and why not.
    pub unproved: Vec<(Property, String)>,
    /// Small worlds that were stepped.
    pub worlds: usize,
}

/// Tries to prove these properties of a system, `stop` being asked now and then whether to give up. `names`
/// are those of the policy and of its model.
pub fn prove(system: &System, names: [&str; 2], goals: &[Property], stop: &dyn Fn() -> bool) -> Attempted {
    prove_within(WORLDS_MAX, system, names, goals, stop)
}

/// The same in searches that step at most so many small worlds each.
pub fn prove_within(
    worlds_max: usize,
    system: &System,
    names: [&str; 2],
    goals: &[Property],
    stop: &dyn Fn() -> bool,
) -> Attempted {
    let mut out = Attempted::default();
    let (mut goals, never): (Vec<Property>, Vec<Property>) =
        goals.iter().partition(|goal| EXPRESSIBLE.contains(goal));
    let why = "no single step breaks it, so no invariant of steps excludes it";
    out.unproved.extend(never.into_iter().map(|goal| (goal, why.to_owned())));
    // Without clocks first, which is over soon where it proves all; then with them; where that is too large,
    // without them for whatever that excludes.
    for (timed, most, all_or_none) in
        [(false, FIRST_MAX.min(worlds_max), true), (true, worlds_max, false), (false, worlds_max, false)]
    {
        let ordered = goals.contains(&Property::NoStaleOverwrite);
        let open = match system.open(timed, ordered) {
            Ok(open) => open,
            Err(why) => {
                out.unproved.extend(goals.iter().map(|goal| (*goal, why.to_owned())));
                return out;
            }
        };
        let mut prover = Prover::new(&open, most);
        let each = goals.iter().map(|goal| broken_by(*goal));
        let groups: Vec<u64> = match all_or_none {
            true => vec![each.fold(0, |all, bits| all | bits)],
            false => each.collect(),
        };
        let stuck = prover.run(&groups, stop).err();
        out.worlds += prover.worlds;
        let broken = |goal: &Property| prover.facts & broken_by(*goal) != 0;
        let unfinished = stuck.is_some_and(|stuck| stuck != Stuck::Broken) || stuck.is_some() && all_or_none;
        let (left, properties): (Vec<Property>, Vec<Property>) =
            goals.iter().partition(|goal| unfinished || broken(goal));
        if !properties.is_empty() {
            let [policy, model] = names.map(str::to_owned);
            let (scope, pieces) = (scope(system, timed), file::pieces(&prover));
            let version = file::VERSION;
            let proof = Proof { version, policy, model, properties, scope, timed, ordered, pieces };
            // The search is not believed: what the checker refuses is none.
            match check(system, &proof) {
                Ok(_) => out.proofs.push(proof),
                Err(refused) => {
                    let why = match refused {
                        Refused::TooLarge => {
                            "an invariant was found that is too large to be checked".to_owned()
                        }
                        _ => format!("the checker refuses what was found ({refused}): please report this"),
                    };
                    out.unproved.extend(proof.properties.iter().map(|property| (*property, why.clone())));
                }
            }
        }
        let again = all_or_none || timed && stuck == Some(Stuck::TooLarge);
        if !left.is_empty() && (!again || stuck == Some(Stuck::Cancelled)) {
            let why = |goal: &Property| why_not(system, &prover, (stuck, most), *goal);
            out.unproved.extend(left.iter().map(|goal| (*goal, why(goal))));
        }
        goals = left;
        if goals.is_empty() || !again || stuck == Some(Stuck::Cancelled) {
            break;
        }
    }
    out
}

/// Small worlds that a search for an invariant steps before it gives up.
pub const WORLDS_MAX: usize = 8_000;
/// The same of the first one.
const FIRST_MAX: usize = 3_000;

/// Why an invariant does not exclude what breaks this property.
fn why_not(
    system: &System,
    prover: &Prover,
    (stuck, most): (Option<Stuck>, usize),
    goal: Property,
) -> String {
    let shown = prover.shown.iter().find(|(new, _)| new & broken_by(goal) != 0);
    match (shown, stuck) {
        (Some((new, step)), _) => {
            let new = facts::ALL.iter().find(|fact| fact.bit & new & broken_by(goal) != 0);
            let says = new.map_or("", |fact| fact.says);
            format!("no invariant of two attempts at a time excludes that {} {says}", who(system, step))
        }
        (None, Some(Stuck::TooLarge)) => {
            format!("an invariant takes more than {} small worlds", grouped(most as u64))
        }
        (None, Some(Stuck::Counts)) => "effects are counted, and there is no end to them".to_owned(),
        (None, Some(Stuck::NotLocal)) => "a step depends on who else is there: please report this".to_owned(),
        (None, Some(Stuck::Cancelled)) => "there was no time for it".to_owned(),
        (None, Some(Stuck::Broken) | None) => "no invariant was found".to_owned(),
    }
}

fn who(system: &System, step: &OpenStep) -> String {
    let state = &system.table[usize::from(step.label.at)].name;
    match step.label.actor {
        Actor::Attempt(_) | Actor::Zombie(_) => format!("an attempt at `{state}`"),
        Actor::Flight(_) => "a call that nobody waits for".to_owned(),
        Actor::Client(_) => "a client".to_owned(),
        _ => "the store".to_owned(),
    }
}

/// For how many of what a proof is one, in a line.
pub fn scope(system: &System, timed: bool) -> String {
    let (what, more) = if system.queue { ("messages", "deliveries") } else { ("requests", "attempts") };
    let crashes =
        if system.restarts() { "crashes with and without restart" } else { "crashes without restart" };
    let kinds = system.open_kinds().join(", ");
    let mut parts = vec![format!("any number of {what} ({kinds})"), more.to_owned(), crashes.to_owned()];
    parts.extend(system.open_faults().into_iter().map(str::to_owned));
    let last = parts.pop().unwrap_or_default();
    let times = if timed { "times as declared" } else { "at any moment" };
    format!("{} and {last}; no other faults; {times}", parts.join(", "))
}
