//! A gate on the health of the whole fleet: many sick at once are more likely one cause than many faults.

use super::{Answer, Event, Guard, Pace, Population, Portion, Rounding};

/// When the fleet is well enough to act on its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PopulationRule {
    UnhealthyAtMost {
        most: Portion,
        rounding: Rounding,
    },
    HealthyAtLeast {
        least: Portion,
        rounding: Rounding,
    },
    /// Both ends included.
    UnhealthyInRange {
        low: u64,
        high: u64,
    },
}

impl PopulationRule {
    fn holds(self, population: Population) -> bool {
        let Population { total, healthy } = population;
        let unhealthy = population.unhealthy();
        match self {
            Self::UnhealthyAtMost { most, rounding } => unhealthy <= most.of(total, rounding),
            Self::HealthyAtLeast { least, rounding } => healthy >= least.of(total, rounding),
            Self::UnhealthyInRange { low, high } => (low..=high).contains(&unhealthy),
        }
    }
}

/// Acts only while the last count of the fleet satisfies a rule. Bounds no number of actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PopulationGate {
    /// None: nobody could read the rule, and nothing is admitted.
    rule: Option<PopulationRule>,
    population: Option<Population>,
}

impl PopulationGate {
    pub fn new(rule: PopulationRule) -> Self {
        Self { rule: Some(rule), population: None }
    }

    /// `maxUnhealthy` of Cluster API's MachineHealthCheck, by now `unhealthyLessThanOrEqualTo`: rounds down, and
    /// a text that can't be read admits nothing.
    pub fn machine_health_check(max_unhealthy: &str) -> Self {
        let most = Portion::parse(max_unhealthy).ok();
        let rule = most.map(|most| PopulationRule::UnhealthyAtMost { most, rounding: Rounding::Down });
        Self { rule, population: None }
    }

    /// `minHealthy` of Medik8s' NodeHealthCheck: rounds up.
    pub fn node_health_check(least: Portion) -> Self {
        Self::new(PopulationRule::HealthyAtLeast { least, rounding: Rounding::Up })
    }
}

impl Guard for PopulationGate {
    fn ask(&self, _now_ms: i64) -> Answer {
        match (self.rule, self.population) {
            (Some(rule), Some(population)) if rule.holds(population) => Answer::Admitted,
            _ => Answer::Limited { from_ms: None },
        }
    }

    fn admit(&mut self, now_ms: i64) -> Answer {
        self.ask(now_ms)
    }

    fn tell(&mut self, _now_ms: i64, event: Event) {
        if let Event::Counted(population) = event {
            self.population = Some(population);
        }
    }

    fn admissions_max(&self, span_ms: i64, pace: &Pace) -> Option<u64> {
        pace.cap(span_ms, self.rule.map_or(Some(0), |_| None))
    }

    /// Taken that the fleet is counted before anything acts.
    fn is_dead(&self, pace: &Pace) -> bool {
        let Some(rule) = self.rule else { return false };
        match pace.population {
            // Every rule holds for a range: what holds for none and for all holds between.
            Some(total) => [0, total].into_iter().all(|healthy| rule.holds(Population { total, healthy })),
            None => match rule {
                PopulationRule::UnhealthyAtMost { most: Portion::Percent(percent), .. } => percent >= 100,
                PopulationRule::HealthyAtLeast { least, .. } => {
                    matches!(least, Portion::Count(0) | Portion::Percent(0))
                }
                _ => false,
            },
        }
    }
}
