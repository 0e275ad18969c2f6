//! What each property means, why it matters and what cures a violation: one property per file.
//!
//! `idemcheck explain` prints these texts; there is no second copy of them.

mod acts_only_when_diverged;
mod backs_out;
mod bounded_actions;
mod capacity_floor;
mod claim_exclusive;
mod effectively_once;
mod escalates;
mod lock_live;
mod lock_safe;
mod no_cross_payload;
mod no_false_dedup;
mod no_lost_effect;
mod no_lost_message;
mod no_oscillation;
mod no_self_conflict;
mod no_stale_overwrite;
mod no_stuck_key;
mod outbox_atomic;
mod owner_only_record;
mod quiesces;
mod replay_fidelity;
mod reserve_before_effect;
mod single_execution;
mod single_flight;
mod truthful_conflict;
mod ttl_covers_retries;

pub use super::property::Property;

/// A property in words.
#[derive(Debug)]
pub struct Info {
    pub property: Property,
    /// One clause: completes "holds when".
    pub holds_when: &'static str,
    /// The definition, as this engine judges it.
    pub what: &'static str,
    /// What happens to people whose policy breaks it.
    pub why: &'static str,
    /// An interleaving that breaks it, a line per step.
    pub example: &'static str,
    /// What to declare, or which mechanism to use.
    pub cures: &'static str,
    /// The number that is reported with the verdict.
    pub number: Option<&'static str>,
}

/// The texts of a property.
pub fn info(property: Property) -> &'static Info {
    match property {
        Property::SingleExecution => &single_execution::INFO,
        Property::NoFalseDedup => &no_false_dedup::INFO,
        Property::NoLostEffect => &no_lost_effect::INFO,
        Property::ReplayFidelity => &replay_fidelity::INFO,
        Property::NoCrossPayload => &no_cross_payload::INFO,
        Property::ClaimExclusive => &claim_exclusive::INFO,
        Property::OwnerOnlyRecord => &owner_only_record::INFO,
        Property::NoStuckKey => &no_stuck_key::INFO,
        Property::NoSelfConflict => &no_self_conflict::INFO,
        Property::ReserveBeforeEffect => &reserve_before_effect::INFO,
        Property::TruthfulConflict => &truthful_conflict::INFO,
        Property::NoStaleOverwrite => &no_stale_overwrite::INFO,
        Property::TtlCoversRetries => &ttl_covers_retries::INFO,
        Property::NoLostMessage => &no_lost_message::INFO,
        Property::EffectivelyOnce => &effectively_once::INFO,
        Property::OutboxAtomic => &outbox_atomic::INFO,
        Property::SingleFlight => &single_flight::INFO,
        Property::ActsOnlyWhenDiverged => &acts_only_when_diverged::INFO,
        Property::BoundedActions => &bounded_actions::INFO,
        Property::NoOscillation => &no_oscillation::INFO,
        Property::CapacityFloor => &capacity_floor::INFO,
        Property::Quiesces => &quiesces::INFO,
        Property::Escalates => &escalates::INFO,
        Property::BacksOut => &backs_out::INFO,
        Property::LockSafe => &lock_safe::INFO,
        Property::LockLive => &lock_live::INFO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_belongs_to_its_property_and_its_example_is_short() {
        for property in Property::ALL {
            let info = info(property);
            assert_eq!(info.property, property);
            let steps = info.example.lines().count();
            assert!((3..=8).contains(&steps), "{property}: the example has {steps} lines");
            for text in [info.what, info.why, info.cures] {
                assert!(text.ends_with('.'), "{property}: {text:?} is no sentence");
            }
        }
    }
}
