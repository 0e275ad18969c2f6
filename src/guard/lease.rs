//! A lock with a time to live, as a guard: who holds it acts.

use super::{Answer, Edge, Event, Guard, Pace};

/// One holder at a time, until it lets go or its time is over. Who held it then may act on.
///
/// kured's node lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// None: a holder that never lets go blocks for ever.
    ttl_ms: Option<i64>,
    held_since_ms: Option<i64>,
}

impl Lease {
    pub fn new(ttl_ms: Option<i64>) -> Self {
        Self { ttl_ms, held_since_ms: None }
    }

    /// `--lock-ttl` of kured: over as soon as it is reached, and 0 is never.
    pub fn kured(ttl_ms: i64) -> Self {
        Self::new((ttl_ms > 0).then_some(ttl_ms))
    }

    /// Whether a lock that was taken `age_ms` ago is anybody's.
    pub fn is_expired(&self, age_ms: i64) -> bool {
        self.ttl_ms.is_some_and(|ttl| Edge::Reached.is_over(0, age_ms, ttl))
    }
}

impl Guard for Lease {
    fn ask(&self, now_ms: i64) -> Answer {
        match self.held_since_ms {
            Some(since) if !self.is_expired(now_ms.saturating_sub(since)) => {
                Answer::Limited { from_ms: self.ttl_ms.map(|ttl| Edge::Reached.over_from(since, ttl)) }
            }
            _ => Answer::Admitted,
        }
    }

    fn admit(&mut self, now_ms: i64) -> Answer {
        let answer = self.ask(now_ms);
        if answer.is_admitted() {
            self.held_since_ms = Some(now_ms);
        }
        answer
    }

    /// Only the holder lets go: one whose time was over finds the lock another's.
    fn tell(&mut self, _now_ms: i64, event: Event) {
        if let Event::Ended { began_ms } = event
            && self.held_since_ms == Some(began_ms)
        {
            self.held_since_ms = None;
        }
    }

    fn admissions_max(&self, span_ms: i64, pace: &Pace) -> Option<u64> {
        pace.cap(span_ms, None)
    }

    fn is_dead(&self, pace: &Pace) -> bool {
        let let_go = pace.duration_ms_max.is_some_and(|most| most < pace.spacing_ms);
        let_go || self.is_expired(pace.spacing_ms) || !pace.exceeds(1)
    }
}
