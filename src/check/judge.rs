//! Which facts break which property, and where a property has no meaning.

use super::property::Property;
use crate::policy::Policy;
use crate::system::System;
use crate::system::facts::*;

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
    }
}

/// Why the property says nothing about this policy; none: it applies.
pub fn not_applicable(property: Property, policy: &Policy, system: &System) -> Option<&'static str> {
    let no_receipts = (!system.uses_store).then_some("the model keeps no receipts");
    let no_claims = (!system.claims).then_some("the model makes no claims");
    let no_grants = no_claims.filter(|_| !system.uses_lock);
    let unasked = system.queue.then_some("a message has no answer");
    match property {
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
