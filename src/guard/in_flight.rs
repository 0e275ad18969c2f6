//! A cap on what runs at the same time.

use super::{Answer, Event, Guard, Pace, Population, Portion, Rounding};

/// At most K actions at once; over time, any number.
///
/// A slot is free again only when the end of its action is told: a dead holder keeps it. kured's concurrency,
/// Karpenter's budgets, `maxInFlight` of Cluster API, StackStorm's `action.concurrency`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    cap: Portion,
    rounding: Rounding,
    population: Option<Population>,
    running: u64,
}

impl InFlight {
    pub fn new(cap: Portion, rounding: Rounding) -> Self {
        Self { cap, rounding, population: None, running: 0 }
    }

    /// A percentage of a fleet that nobody has counted yet permits nothing.
    fn limit(&self, total: Option<u64>) -> u64 {
        match self.cap {
            Portion::Count(count) => count,
            Portion::Percent(_) => self.cap.of(total.unwrap_or(0), self.rounding),
        }
    }
}

impl Guard for InFlight {
    fn ask(&self, _now_ms: i64) -> Answer {
        if self.running < self.limit(self.population.map(|population| population.total)) {
            Answer::Admitted
        } else {
            Answer::Limited { from_ms: None }
        }
    }

    fn admit(&mut self, now_ms: i64) -> Answer {
        let answer = self.ask(now_ms);
        self.running += u64::from(answer.is_admitted());
        answer
    }

    fn tell(&mut self, _now_ms: i64, event: Event) {
        match event {
            Event::Ended { .. } => self.running = self.running.saturating_sub(1),
            Event::Counted(population) => self.population = Some(population),
            _ => {}
        }
    }

    fn admissions_max(&self, span_ms: i64, pace: &Pace) -> Option<u64> {
        pace.cap(span_ms, None)
    }

    fn is_dead(&self, pace: &Pace) -> bool {
        let unknown = pace.population.is_none() && matches!(self.cap, Portion::Percent(_));
        let limit = self.limit(pace.population);
        // The first of K+1 attempts is over before the last one comes.
        let first_to_last = i64::try_from(limit).unwrap_or(i64::MAX).saturating_mul(pace.spacing_ms);
        let never_full = pace.duration_ms_max.is_some_and(|most| most < first_to_last);
        !unknown && limit > 0 && (never_full || !pace.exceeds(limit))
    }
}
