//! What runs beside the requests: recovery after a restart, the model's roles, clearing away, counting.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::machine::{Machine, Said, Unfinished};
use crate::model::Answer;
use crate::store::StoreError;

/// Half-finished operations that are taken up at the same time.
pub const RECOVERED_AT_A_TIME: usize = 8;
/// How often a claim is tried to be taken up, where store or service are out of reach; after that the next
/// request under its key does it, or the next start.
pub const RECOVERY_TRIES: u32 = 8;
/// Before the second try; doubled before each further one.
pub const RECOVERY_PAUSE: Duration = Duration::from_secs(1);
/// Between two looks for what is over its TTL or its lease.
pub const LOOK_EVERY: Duration = Duration::from_secs(15);
/// The same where each look reads the whole store: what is stuck is seen as late as that.
pub const LOOK_RARELY: Duration = Duration::from_secs(15 * 60);
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
    for Unfinished { key, token, left, told } in machine.unfinished().await? {
        let (Some(left), true) = (left, told) else {
            found.left += 1;
            let why = if left.is_none() { "it has no lease" } else { "what was asked is not kept" };
            tracing::warn!(target: "idemcheck", key = %key.hash(), why, "half-finished, and left alone");
            continue;
        };
        found.taken_up += 1;
        // A little later than the store's clock says, so that the first look finds it over.
        let mut wait = Duration::from_millis(u64::try_from(left.saturating_add(5)).unwrap_or(0));
        let (machine, permits, at_a_time) = (machine.clone(), permits.clone(), at_a_time.clone());
        let correlation = format!("recovery-{}", key.hash());
        tokio::spawn(async move {
            for _ in 0..RECOVERY_TRIES {
                tokio::time::sleep(wait).await;
                let (Ok(_turn), Ok(_permit)) = (at_a_time.acquire().await, permits.acquire().await) else {
                    return;
                };
                machine.watch().recovered();
                match machine.take_up(&key, token, &correlation).await {
                    // What was out of reach may have come back.
                    Some(Said::GaveUp(_) | Said::Answer(Answer::Error | Answer::InFlight, _)) => {}
                    _ => return,
                }
                wait = wait.clamp(RECOVERY_PAUSE, RECOVERY_PAUSE * 64) * 2;
            }
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
    let pause = if machine.store().is_for_lookups() { LOOK_RARELY } else { LOOK_EVERY };
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(pause).await;
            if let Err(error) = look(&machine).await {
                tracing::warn!(target: "idemcheck", %error, "housekeeping");
            }
        }
    });
}

async fn look(machine: &Machine) -> Result<(), StoreError> {
    if !machine.is_swept() && !machine.store().is_for_lookups() {
        for _ in 0..SWEEP_BATCHES {
            if machine.clear_away(SWEEP_BATCH).await? < u64::from(SWEEP_BATCH) {
                break;
            }
        }
    }
    machine.watch().stuck.set(i64::try_from(machine.abandoned().await?).unwrap_or(i64::MAX));
    Ok(())
}
