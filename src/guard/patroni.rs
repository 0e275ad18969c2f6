//! Patroni's rule for its three times, and how it mends what breaks it.

/// The least values that Patroni takes, in seconds.
const TTL_S_MIN: i64 = 20;
const LOOP_WAIT_S_MIN: i64 = 1;
const RETRY_TIMEOUT_S_MIN: i64 = 3;

/// The dynamic configuration of a Patroni cluster, in the whole seconds that it is kept in.
///
/// A leader must be able to fail twice to renew its lease before the lease is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatroniTimings {
    pub ttl_s: i64,
    pub loop_wait_s: i64,
    pub retry_timeout_s: i64,
}

impl PatroniTimings {
    /// No minimum is undercut, and `loop_wait + 2 * retry_timeout <= ttl`.
    pub fn holds(self) -> bool {
        self == self.adjusted()
    }

    /// What Patroni runs with instead: minima first, then a shorter loop, then a shorter retry.
    ///
    /// It tells its log only; a cluster may run for years with other times than its file says.
    pub fn adjusted(self) -> Self {
        let ttl_s = self.ttl_s.max(TTL_S_MIN);
        let loop_wait_s = self.loop_wait_s.max(LOOP_WAIT_S_MIN);
        let retry_timeout_s = self.retry_timeout_s.max(RETRY_TIMEOUT_S_MIN);
        let room_s = ttl_s.saturating_sub(retry_timeout_s.saturating_mul(2));
        if room_s < LOOP_WAIT_S_MIN {
            let retry_timeout_s = (ttl_s - LOOP_WAIT_S_MIN) / 2;
            Self { ttl_s, loop_wait_s: LOOP_WAIT_S_MIN, retry_timeout_s }
        } else {
            Self { ttl_s, loop_wait_s: loop_wait_s.min(room_s), retry_timeout_s }
        }
    }
}
