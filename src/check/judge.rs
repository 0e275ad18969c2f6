//! Which facts break which property, and where a property has no meaning.

use super::property::Property;
use crate::policy::Policy;
use crate::policy::remedy::Fault;
use crate::system::System;
use crate::system::facts::*;
use crate::system::remedy::Rules;

/// The facts that break a property: any of them on a possible step is a violation.
pub fn broken_by(property: Property) -> u64 {
    match property {
        Property::SingleExecution => REPEATED_EFFECT,
        Property::NoFalseDedup => FOREIGN_OPERATION,
        Property::NoLostEffect => SUCCESS_WITHOUT_EFFECT | SUCCESS_WITHOUT_RECEIPT | SUCCESS_UNDONE,
        Property::ReplayFidelity => DIFFERENT_ANSWER,
        Property::NoCrossPayload => FOREIGN_ANSWER | FOREIGN_CHANGE,
        Property::ClaimExclusive => TWO_OWNERS,
        Property::OwnerOnlyRecord => FOREIGN_RECORD | FOREIGN_RELEASE | UNEXECUTED_RECORD,
        Property::NoStuckKey => DEAD_KEY | ENDLESS_CALL,
        Property::NoSelfConflict => SELF_CONFLICT,
        Property::ReserveBeforeEffect => UNRESERVED_EFFECT,
        Property::TruthfulConflict => FALSE_IN_FLIGHT | FALSE_MISMATCH,
        Property::NoStaleOverwrite => STALE_EFFECT | STALE_RECORD,
        Property::TtlCoversRetries => EXPIRED_RECEIPT | EXPIRED_NATIVE_KEY,
        Property::NoLostMessage => LOST_MESSAGE | SUCCESS_UNDONE,
        Property::EffectivelyOnce => REPEATED_EFFECT | REPEATED_MESSAGE,
        Property::OutboxAtomic => MISSING_MESSAGE | UNFOUNDED_MESSAGE,
        Property::SingleFlight => OVERLAP,
        Property::ActsOnlyWhenDiverged => UNFOUNDED_ACTION,
        Property::BoundedActions => TOO_MANY_ACTIONS,
        Property::NoOscillation => WENT_BACK,
        Property::CapacityFloor => UNDER_FLOOR,
        // Only a run without end breaks it.
        Property::Quiesces => 0,
        Property::Escalates => LATE_PAGE | ACTED_AFTER_PAGE | DROPPED_FAULT,
        Property::BacksOut => LEFT_HALF | ACTED_ON_HOLD,
        Property::LockSafe => LOCK_OVERLAP,
        Property::LockLive => DEAD_LOCK,
    }
}

/// Why the property says nothing about this policy; none: it applies.
pub fn not_applicable(property: Property, policy: &Policy, system: &System) -> Option<&'static str> {
    let no_receipts = (!system.uses_store).then_some("the model keeps no receipts");
    let no_claims = (!system.claims).then_some("the model makes no claims");
    let no_grants = no_claims.filter(|_| !system.uses_lock);
    let unasked = system.queue.then_some("a message has no answer");
    let unasked = unasked.or(system.remedy.as_ref().map(|_| "nobody waits for an answer"));
    let untargeted = system.remedy.is_none().then_some("the model acts on no target");
    let unlocked = untargeted.or((!system.uses_lock).then_some("the model takes no lock"));
    match property {
        Property::NoFalseDedup | Property::NoStaleOverwrite if system.remedy.is_some() => {
            Some("the policy is about a target, not about receipts")
        }
        Property::NoCrossPayload if system.remedy.is_some() => unasked,
        Property::SingleFlight | Property::ActsOnlyWhenDiverged | Property::Quiesces => untargeted,
        Property::LockSafe | Property::LockLive => unlocked,
        Property::BoundedActions
        | Property::NoOscillation
        | Property::CapacityFloor
        | Property::Escalates
        | Property::BacksOut => untargeted.or_else(|| undeclared(property, system.remedy.as_ref()?)),
        Property::NoFalseDedup => {
            (system.splits).then_some("every attempt has a key of its own: nothing can be shared")
        }
        Property::NoCrossPayload => (policy.trigger.conflicting == 0 && system.merged == 0)
            .then_some("no request with another payload is declared (`trigger.conflicting`)"),
        Property::ClaimExclusive => no_grants,
        Property::NoSelfConflict => no_claims,
        Property::OwnerOnlyRecord => no_receipts.filter(|_| !system.uses_lock),
        Property::TruthfulConflict => no_receipts.or(unasked),
        Property::ReserveBeforeEffect => no_receipts,
        Property::NoStaleOverwrite => no_receipts.filter(|_| !system.uses_lock),
        Property::NoLostMessage => (!system.queue).then_some("the trigger is no queue"),
        Property::EffectivelyOnce => {
            (!system.queue && !system.uses_outbox).then_some("no messages are consumed or published")
        }
        Property::OutboxAtomic => (!system.uses_outbox).then_some("no messages are published"),
        Property::NoLostEffect | Property::ReplayFidelity => unasked,
        Property::TtlCoversRetries => (system.times.ttl.is_none() && system.times.native_ttl.is_none())
            .then_some("no TTL is declared: nothing is ever forgotten"),
        Property::SingleExecution | Property::NoStuckKey => None,
    }
}

/// Why a property of a target says nothing about this one.
fn undeclared(property: Property, rules: &Rules) -> Option<&'static str> {
    let partial = rules.parts.iter().any(|part| part.partial);
    let (says_something, why) = match property {
        Property::BoundedActions => (rules.limit.is_some(), "no bound is declared (`target.actions_max`)"),
        Property::NoOscillation => (rules.is_value(), "the target has no value that could go back"),
        Property::CapacityFloor => (rules.floor() > 0, "no floor is declared (`target.floor`)"),
        Property::Escalates => (rules.fault != Fault::None, "the target has no fault of its own"),
        Property::BacksOut => {
            (partial || rules.hold.is_some(), "no action is left half-done, and no hold is declared")
        }
        _ => (true, ""),
    };
    (!says_something).then_some(why)
}
