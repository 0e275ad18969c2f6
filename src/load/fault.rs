//! What a run breaks on purpose, and what the model calls it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{Errors, Policy};

macro_rules! faults {
    ($($fault:ident = $name:literal, $model:literal;)*) => {
        /// What a run breaks on purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Injected {
            $(#[doc = $name] $fault,)*
        }

        impl Injected {
            pub const ALL: &[Injected] = &[$(Injected::$fault),*];

            /// For people.
            pub fn name(self) -> &'static str {
                match self { $(Injected::$fault => $name),* }
            }

            /// The key of a policy that lets the checker do the same.
            pub fn model(self) -> &'static str {
                match self { $(Injected::$fault => $model),* }
            }
        }
    };
}

faults! {
    RequestLost = "request lost", "faults.lost_requests";
    RequestCut = "request broken off in its body", "faults.lost_requests";
    ConnectionCut = "connection cut after the request", "faults.lost_responses";
    AnswerLost = "answer lost", "faults.lost_responses";
    AnswerLate = "answer after the client's timeout", "trigger.timeout";
    StoreSlow = "store slower", "faults.pause";
    StoreDown = "store out of reach", "faults.store_errors";
    StoreStill = "store standing still", "faults.pause";
    Frozen = "process frozen", "faults.pause";
    Killed = "process killed", "faults.crashes";
    CallSlow = "downstream slower", "downstream.latency";
    CallFails = "downstream failing", "downstream.errors";
    CallLost = "downstream's answer lost", "downstream.timeout";
    CallLate = "downstream's answer after the timeout", "downstream.timeout";
}

impl Injected {
    /// Whether the policy says that this happens: then what it promises, it promises in spite of it.
    pub fn is_allowed(self, policy: &Policy) -> bool {
        let (faults, downstream) = (&policy.faults, policy.downstream.as_ref());
        match self {
            Injected::RequestLost | Injected::RequestCut => faults.lost_requests > 0,
            Injected::ConnectionCut | Injected::AnswerLost => faults.lost_responses > 0,
            // Who waits may give up; who stands still may be a store, or a process.
            Injected::AnswerLate | Injected::StoreSlow => true,
            Injected::StoreDown => faults.store_errors > 0,
            Injected::StoreStill | Injected::Frozen => faults.pause.is_none(),
            Injected::Killed => faults.crashes > 0,
            Injected::CallSlow => downstream.is_some(),
            Injected::CallFails => downstream.is_some_and(|downstream| downstream.errors != Errors::Never),
            Injected::CallLost | Injected::CallLate => {
                downstream.is_some_and(|downstream| downstream.timeout.is_some())
            }
        }
    }
}

/// A fault, and how often it was brought about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultCount {
    pub fault: String,
    /// The key of a policy that lets the checker do the same.
    pub model: String,
    pub times: u64,
    /// The policy says that it happens. Otherwise what was found may be beyond what it promises.
    pub allowed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_one_that_a_policy_can_name() {
        let schema = crate::policy::schema::policy_schema();
        for fault in Injected::ALL {
            let (table, key) = fault.model().split_once('.').unwrap();
            let text = serde_json::to_string(&schema["properties"][table]).unwrap();
            assert!(text.contains(&format!("\"{key}\"")), "[{table}] has no {key}: {}", fault.name());
        }
    }
}
