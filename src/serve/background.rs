//! What runs beside the requests: recovery after a restart, the model's roles, clearing away, counting.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::machine::{Asked, Machine};
use super::request::Request;
use crate::store::{StoreError, Which};

/// Half-finished operations that are taken up at the same time.
pub const RECOVERED_AT_A_TIME: usize = 8;
/// Between two looks for what is over its TTL or its lease.
pub const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Receipts that one batch clears away.
pub const SWEEP_BATCH: u32 = 1000;
/// Batches of one look: the rest waits for the next.
pub const SWEEP_BATCHES: u32 = 20;

/// What recovery found at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Claims that are taken up once their lease is over.
    pub taken_up: usize,
    /// Claims that never expire by themselves, or that do not say what was asked: for a person.
    pub left: usize,
}

/// Finds every half-finished claim and sends an attempt to each, once its lease is over: from there the model
/// and the policy's choices say what happens.
///
/// # Errors
/// The store does not answer.
pub async fn recover(machine: &Arc<Machine>, permits: &Arc<Semaphore>) -> Result<Recovery, StoreError> {
    let at_a_time = Arc::new(Semaphore::new(RECOVERED_AT_A_TIME));
    let mut found = Recovery::default();
    for (key, receipt, now) in machine.unfinished().await? {
        let request = Request::from_bytes(&receipt.request);
        let (Some(until), Some(request)) = (receipt.lease_until, request) else {
            found.left += 1;
            let why =
                if receipt.lease_until.is_none() { "it has no lease" } else { "what was asked is not kept" };
            tracing::warn!(target: "idemcheck", key = %key.hash(), why, "half-finished, and left alone");
            continue;
        };
        found.taken_up += 1;
        // A little later than the store's clock says, so that the first look finds it over.
        let wait = u64::try_from(until.saturating_sub(now).saturating_add(5)).unwrap_or(0);
        let (machine, permits, at_a_time) = (machine.clone(), permits.clone(), at_a_time.clone());
        let correlation = format!("recovery-{}", key.hash());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let (Ok(_turn), Ok(_permit)) = (at_a_time.acquire().await, permits.acquire().await) else {
                return;
            };
            machine.watch().recovered();
            machine.attempt(&Asked { key, fingerprint: receipt.fingerprint, request, correlation }).await;
        });
    }
    Ok(found)
}

/// Runs the model's roles, each as often as the policy says.
pub fn roles(machine: &Arc<Machine>, permits: &Arc<Semaphore>) {
    for (name, every) in machine.roles() {
        let (machine, permits) = (machine.clone(), permits.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Ok(_permit) = permits.acquire().await else { return };
                machine.role(&name).await;
            }
        });
    }
}

/// Clears away what is over its TTL, unless that is the model's own business, and counts what is stuck.
pub fn housekeeping(machine: &Arc<Machine>) {
    let machine = machine.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(error) = look(&machine).await {
                tracing::warn!(target: "idemcheck", %error, "housekeeping");
            }
        }
    });
}

async fn look(machine: &Machine) -> Result<(), StoreError> {
    if !machine.is_swept() {
        for _ in 0..SWEEP_BATCHES {
            if machine.store().sweep(SWEEP_BATCH).await? < u64::from(SWEEP_BATCH) {
                break;
            }
        }
    }
    let abandoned = machine.store().list(Which::Abandoned, None, SWEEP_BATCH).await?;
    let stuck = abandoned.receipts.iter().filter(|(key, _)| machine.is_ours(key)).count();
    machine.watch().stuck.set(i64::try_from(stuck).unwrap_or(i64::MAX));
    Ok(())
}
