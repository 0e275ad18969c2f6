//! The properties by name. What breaks each and how it is explained is in its own file under
//! `check/properties/`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A property of a policy. The names are what users see and write in `[expect]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Property {
    SingleExecution,
    NoFalseDedup,
    NoLostEffect,
    ReplayFidelity,
    NoCrossPayload,
    ClaimExclusive,
    OwnerOnlyRecord,
    NoStuckKey,
    NoSelfConflict,
    ReserveBeforeEffect,
    TruthfulConflict,
    NoStaleOverwrite,
    TtlCoversRetries,
    NoLostMessage,
    EffectivelyOnce,
    OutboxAtomic,
    SingleFlight,
    ActsOnlyWhenDiverged,
    BoundedActions,
    NoOscillation,
    CapacityFloor,
    Quiesces,
    Escalates,
    BacksOut,
    LockSafe,
    LockLive,
}

impl Property {
    /// In the order in which people see them.
    pub const ALL: [Property; 26] = [
        Property::SingleExecution,
        Property::NoFalseDedup,
        Property::NoLostEffect,
        Property::ReplayFidelity,
        Property::NoCrossPayload,
        Property::ClaimExclusive,
        Property::OwnerOnlyRecord,
        Property::NoStuckKey,
        Property::NoSelfConflict,
        Property::ReserveBeforeEffect,
        Property::TruthfulConflict,
        Property::NoStaleOverwrite,
        Property::TtlCoversRetries,
        Property::NoLostMessage,
        Property::EffectivelyOnce,
        Property::OutboxAtomic,
        Property::SingleFlight,
        Property::ActsOnlyWhenDiverged,
        Property::BoundedActions,
        Property::NoOscillation,
        Property::CapacityFloor,
        Property::Quiesces,
        Property::Escalates,
        Property::BacksOut,
        Property::LockSafe,
        Property::LockLive,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Property::SingleExecution => "single-execution",
            Property::NoFalseDedup => "no-false-dedup",
            Property::NoLostEffect => "no-lost-effect",
            Property::ReplayFidelity => "replay-fidelity",
            Property::NoCrossPayload => "no-cross-payload",
            Property::ClaimExclusive => "claim-exclusive",
            Property::OwnerOnlyRecord => "owner-only-record",
            Property::NoStuckKey => "no-stuck-key",
            Property::NoSelfConflict => "no-self-conflict",
            Property::ReserveBeforeEffect => "reserve-before-effect",
            Property::TruthfulConflict => "truthful-conflict",
            Property::NoStaleOverwrite => "no-stale-overwrite",
            Property::TtlCoversRetries => "ttl-covers-retries",
            Property::NoLostMessage => "no-lost-message",
            Property::EffectivelyOnce => "effectively-once",
            Property::OutboxAtomic => "outbox-atomic",
            Property::SingleFlight => "single-flight",
            Property::ActsOnlyWhenDiverged => "acts-only-when-diverged",
            Property::BoundedActions => "bounded-actions",
            Property::NoOscillation => "no-oscillation",
            Property::CapacityFloor => "capacity-floor",
            Property::Quiesces => "quiesces",
            Property::Escalates => "escalates",
            Property::BacksOut => "backs-out",
            Property::LockSafe => "lock-safe",
            Property::LockLive => "lock-live",
        }
    }

    pub fn from_name(name: &str) -> Option<Property> {
        Property::ALL.into_iter().find(|property| property.name() == name)
    }
}

impl std::fmt::Display for Property {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
