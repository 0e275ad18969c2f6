//! Small servers with one bug each, and their fixed twins: `router(fixed, settings)` of each module.

pub mod common;

#[path = "cross-payload-replay.rs"]
pub mod cross_payload_replay;
#[path = "cross-tenant-replay.rs"]
pub mod cross_tenant_replay;
#[path = "mismatch-poisons.rs"]
pub mod mismatch_poisons;
#[path = "oversized-bypass.rs"]
pub mod oversized_bypass;
#[path = "stuck-after-ttl.rs"]
pub mod stuck_after_ttl;
