//! `lock-safe`.

use super::{Info, Property};

pub const INFO: Info = Info {
    property: Property::LockSafe,
    holds_when: "the actions of two holders of the lock never overlap",
    what: "An action goes on when its caller's lease ends, when it times out and when its worker \
           dies. Broken when the next holder begins an action while the last one's is under way.",
    why: "A lock that ends before the work it protects protects nothing.",
    example: "\
run 1.1       lock.acquire      acquired
run 1.1       target.act        begins; it can take longer than the lease
run 1.2       lock.acquire      acquired: the lease ran out
run 1.2       target.act        both are under way",
    cures: "A lease longer than the longest action and the pauses, renewed or not; hold the lock \
           until the action settled, also after a timeout.",
    number: None,
};
