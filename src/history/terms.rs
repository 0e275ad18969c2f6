//! What a policy promises, as the terms of a history.

use super::record::{Failure, InFlight, Replay, Span, Terms, TtlFrom};
use crate::model::Protocol;
use crate::policy::{self, Policy};

/// Nanoseconds; a negative time is none.
fn ns(ms: i64) -> u64 {
    ms.max(0).unsigned_abs().saturating_mul(1_000_000)
}

impl Terms {
    /// The terms of a policy. Where it leaves something open, they promise less, so that nobody is accused of what was
    /// never promised.
    pub fn of(policy: &Policy, protocol: &Protocol) -> Terms {
        let store = policy.store.clone().unwrap_or_default();
        let does = |name: &str| protocol.states.iter().any(|state| state.operation.name() == name);
        let skew = if store.client_clock { policy.faults.clock_skew } else { 0 };
        let span = |ms: i64, longer: Option<i64>| Span {
            min: ns(ms.saturating_sub(skew)),
            max: longer.map(|longer| ns(ms.saturating_add(skew).saturating_add(longer))),
        };
        let chosen = |choice: &str| policy.choices.get(choice).map(String::as_str);
        let failure = match (chosen("failed"), chosen("unknown")) {
            (_, Some("release")) => Failure::Release,
            (Some("replay"), _) => Failure::Replay,
            (Some("retry" | "release"), _) => Failure::Release,
            _ if does("store.release") => Failure::Release,
            _ => Failure::Hold,
        };
        Terms {
            // A sweeper clears away when it comes round.
            ttl: store.ttl.map(|ttl| span(ttl, (!does("store.sweep")).then_some(store.ttl_lag))),
            ttl_from: match store.ttl_from {
                policy::TtlFrom::Claim => TtlFrom::Claim,
                policy::TtlFrom::Record => TtlFrom::Record,
            },
            // Who renews may hold its claim for as long as it lives.
            lease: store.lease.map(|lease| span(lease, (!does("store.renew")).then_some(0))),
            recovery: store.lease.is_some(),
            in_flight: if chosen("in_flight") == Some("wait") { InFlight::Wait } else { InFlight::Reject },
            failure,
            replay: match policy.key.replay {
                policy::Replay::Bytes => Replay::Bytes,
                policy::Replay::Semantic => Replay::Semantic,
                policy::Replay::Latest => Replay::Latest,
            },
            ..Terms::default()
        }
    }
}
