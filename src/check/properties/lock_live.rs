//! `lock-live`.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::LockLive,
    holds_when: "a holder that is gone keeps the lock for a bounded time only",
    what: "Broken when a lock without a lease, and without a session that ends with its holder, is \
           left behind.",
    why: "A reboot lock whose holder never came back stops all reboots until somebody notices.",
    example: "\
run 1.1       lock.acquire      acquired: the lock has no lease
run 1.1       crashes
run 1.2       lock.acquire      busy, and so for every later run",
    cures: "Declare a lease, or a session that ends with its process; mind `lock-safe` then.",
    number: None,
};
