//! The probes by name: what each tries, and which properties that tests.

use crate::check::property::Property;

macro_rules! probes {
    ($($probe:ident = $name:literal, $title:literal, $properties:expr;)*) => {
        /// What can be tried on an endpoint. The names are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Probe {
            $(#[doc = $title] $probe,)*
        }

        impl Probe {
            /// In the order of their numbers.
            pub const ALL: &[Probe] = &[$(Probe::$probe),*];

            /// `P1` to `P13`.
            pub fn name(self) -> &'static str {
                match self { $(Probe::$probe => $name),* }
            }

            /// What it tries, in one clause.
            pub fn title(self) -> &'static str {
                match self { $(Probe::$probe => $title),* }
            }

            /// What it tests.
            pub fn properties(self) -> &'static [Property] {
                match self { $(Probe::$probe => &$properties),* }
            }
        }
    };
}

use Property::{
    ClaimExclusive, NoCrossPayload, NoFalseDedup, NoLostEffect, NoSelfConflict, NoStuckKey, OwnerOnlyRecord,
    ReplayFidelity, ReserveBeforeEffect, SingleExecution, TruthfulConflict, TtlCoversRetries,
};

probes! {
    Burst = "P1", "many requests of one key at the same moment",
        [SingleExecution, ClaimExclusive, TruthfulConflict, NoStuckKey];
    Replay = "P2", "the same request again, one after the other", [ReplayFidelity, NoLostEffect];
    OtherPayload = "P3", "another payload under the key, then the first one again",
        [NoCrossPayload, OwnerOnlyRecord, ReplayFidelity];
    OtherInFlight = "P4", "another payload while the first one is under way", [NoCrossPayload, TruthfulConflict];
    Failure = "P5", "an operation that fails three times, then succeeds", [ReplayFidelity, NoStuckKey];
    Slow = "P6", "an operation slower than its claim, and duplicates meanwhile",
        [SingleExecution, OwnerOnlyRecord, ReplayFidelity];
    Crash = "P7", "the service killed or frozen at work", [NoStuckKey, NoLostEffect, SingleExecution];
    Expiry = "P8", "the key again after its time to live", [TtlCoversRetries, NoStuckKey];
    OtherScope = "P9", "the same key of somebody else", [NoFalseDedup, NoLostEffect];
    Cut = "P10", "connections broken on the way, then the request again",
        [SingleExecution, NoSelfConflict, NoStuckKey];
    Malformed = "P11", "no key, keys and payloads that are too long", [ReserveBeforeEffect, SingleExecution];
    Replicas = "P12", "one burst over several processes of the service", [SingleExecution, ClaimExclusive];
    StoreDown = "P13", "the service's store away, and back", [ReserveBeforeEffect, SingleExecution, NoStuckKey];
}

impl std::str::FromStr for Probe {
    type Err = String;

    fn from_str(text: &str) -> Result<Probe, String> {
        let found = Probe::ALL.iter().find(|probe| probe.name().eq_ignore_ascii_case(text.trim()));
        found.copied().ok_or_else(|| format!("`{text}` is no probe; they are P1 to P{}", Probe::ALL.len()))
    }
}
