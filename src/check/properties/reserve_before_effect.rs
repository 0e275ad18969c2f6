//! `reserve-before-effect`. First the claim, then the effect: an unclaimed effect is beyond all other checks.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::ReserveBeforeEffect,
    holds_when: "no effect is sent by an attempt that does not hold the claim",
    what: "An attempt that starts a downstream call, or commits a local effect outside the transaction of its \
           receipt, must have claimed the key and not have learnt since that the claim is gone. Whether \
           somebody has taken the claim over meanwhile is for `claim-exclusive` to say. Locks and memory of \
           the process do not count as a claim.",
    why: "An effect without a claim cannot be found by anyone else: a crash after it leaves nothing that \
           tells a retry not to run it again.",
    example: "\
attempt 1.1   store.read        absent
attempt 1.2   store.read        absent
attempt 1.1   downstream.call   ok: nothing was claimed
attempt 1.2   downstream.call   ok: a second effect
attempt 1.1   store.write       written, too late",
    cures: "Begin with `store.insert` and call only from `inserted` or `taken`. Check the lease (`lease.check` \
           or `store.renew`) right before the call, and declare `pause`, so that the gap in between is \
           bounded. An error of the store must end the attempt; it must not fall through to the call.",
    number: None,
};
