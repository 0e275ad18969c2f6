//! A pause that is counted from the start of an action.

use super::{Answer, Edge, Guard, Pace};

/// Starts are at least a cooldown apart. An action that takes longer than the cooldown overlaps the next one.
///
/// orchestrator's block period, `once_within` of Event-Driven Ansible, draino's drain buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CooldownFromStart {
    cooldown_ms: i64,
    edge: Edge,
    last_ms: Option<i64>,
}

impl CooldownFromStart {
    pub fn new(cooldown_ms: i64, edge: Edge) -> Self {
        Self { cooldown_ms, edge, last_ms: None }
    }

    /// `RecoveryPeriodBlockSeconds`, per cluster. A recovery blocks until it is older than the period, whether
    /// it has ended or not; only an acknowledgement lifts the block sooner.
    pub fn orchestrator(block_s: i64) -> Self {
        Self::new(block_s.saturating_mul(1000), Edge::Exceeded)
    }
}

impl Guard for CooldownFromStart {
    fn ask(&self, now_ms: i64) -> Answer {
        match self.last_ms {
            Some(last) if !self.edge.is_over(last, now_ms, self.cooldown_ms) => {
                Answer::Cooling { from_ms: Some(self.edge.over_from(last, self.cooldown_ms)) }
            }
            _ => Answer::Admitted,
        }
    }

    fn admit(&mut self, now_ms: i64) -> Answer {
        let answer = self.ask(now_ms);
        if answer.is_admitted() {
            self.last_ms = Some(now_ms);
        }
        answer
    }

    fn admissions_max(&self, span_ms: i64, pace: &Pace) -> Option<u64> {
        pace.cap(span_ms, self.edge.most(span_ms, self.cooldown_ms))
    }

    fn is_dead(&self, pace: &Pace) -> bool {
        self.edge.is_over(0, pace.spacing_ms, self.cooldown_ms) || !pace.exceeds(1)
    }
}
