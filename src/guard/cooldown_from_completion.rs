//! A pause that is counted from the end of an action.

use super::{Answer, Edge, Event, Guard, Pace};

/// One action at a time, and a cooldown after its effect is over.
///
/// An action whose end is never told blocks for ever. node-problem-detector's cooldown, kured's release delay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CooldownFromCompletion {
    cooldown_ms: i64,
    edge: Edge,
    running_since_ms: Option<i64>,
    ended_ms: Option<i64>,
}

impl CooldownFromCompletion {
    pub fn new(cooldown_ms: i64, edge: Edge) -> Self {
        Self { cooldown_ms, edge, running_since_ms: None, ended_ms: None }
    }
}

impl Guard for CooldownFromCompletion {
    fn ask(&self, now_ms: i64) -> Answer {
        if self.running_since_ms.is_some() {
            return Answer::Cooling { from_ms: None };
        }
        match self.ended_ms {
            Some(ended) if !self.edge.is_over(ended, now_ms, self.cooldown_ms) => {
                Answer::Cooling { from_ms: Some(self.edge.over_from(ended, self.cooldown_ms)) }
            }
            _ => Answer::Admitted,
        }
    }

    fn admit(&mut self, now_ms: i64) -> Answer {
        let answer = self.ask(now_ms);
        if answer.is_admitted() {
            self.running_since_ms = Some(now_ms);
        }
        answer
    }

    fn tell(&mut self, now_ms: i64, event: Event) {
        if let Event::Ended { began_ms } = event
            && self.running_since_ms == Some(began_ms)
        {
            self.running_since_ms = None;
            self.ended_ms = Some(now_ms);
        }
    }

    fn admissions_max(&self, span_ms: i64, pace: &Pace) -> Option<u64> {
        // The shortest action takes no time.
        pace.cap(span_ms, self.edge.most(span_ms, self.cooldown_ms))
    }

    fn is_dead(&self, pace: &Pace) -> bool {
        let never_met_running = pace.duration_ms_max.is_some_and(|most| most < pace.spacing_ms);
        let pause_ms = pace.spacing_ms - pace.duration_ms_max.unwrap_or(0);
        (never_met_running && self.edge.is_over(0, pause_ms, self.cooldown_ms)) || !pace.exceeds(1)
    }
}
