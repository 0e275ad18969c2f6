//! Flap detection: how much of the recent past is change of state.

use super::{Answer, Event, Guard, Pace};

/// How many changes are weighed: Nagios keeps 21 states for it.
const SLOTS: u32 = 20;

/// Whose arithmetic. Both sum in double precision, oldest first; the order and the roundings are kept here, as
/// they decide where a sum is exactly at a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlapAlgorithm {
    /// Weights 0.80 to 1.18. Flapping above the high threshold; over at the low one or below.
    Icinga2,
    /// Weights 0.75 to 1.25. Flapping at the high threshold or above; over at the low one or below.
    Nagios,
}

/// Refuses while what is watched changes its state too often.
///
/// Both systems only mute their notifications meanwhile; a policy that asks this guard does not act either.
/// Nagios records only [hard states and soft recoveries](Flap::is_recorded).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flap {
    algorithm: FlapAlgorithm,
    low_percent: u32,
    high_percent: u32,
    /// One bit per recorded state, the newest lowest: whether it differed from the one before.
    changes: u32,
    last: u8,
    flapping: bool,
}

impl Flap {
    /// Begins well, with nothing but well behind it.
    pub fn new(algorithm: FlapAlgorithm, low_percent: u32, high_percent: u32) -> Self {
        Self { algorithm, low_percent, high_percent, changes: 0, last: 0, flapping: false }
    }

    /// The defaults of Icinga 2, once it is enabled: 25 and 30.
    pub fn icinga2() -> Self {
        Self::new(FlapAlgorithm::Icinga2, 25, 30)
    }

    /// The defaults of the code of Nagios: 20 and 30. The configuration it ships says 5 and 20.
    pub fn nagios() -> Self {
        Self::new(FlapAlgorithm::Nagios, 20, 30)
    }

    /// Whether Nagios records a state at all.
    pub fn is_recorded(hard: bool, state: u8) -> bool {
        hard || state == 0
    }

    /// One that has recorded these changes, one bit each, the newest lowest, and this state last.
    pub fn with_past(
        algorithm: FlapAlgorithm,
        low_percent: u32,
        high_percent: u32,
        changes: u32,
        last: u8,
        flapping: bool,
    ) -> Self {
        Self { changes, last, flapping, ..Self::new(algorithm, low_percent, high_percent) }
    }

    /// What it has recorded: see [`Flap::with_past`].
    pub fn past(&self) -> (u32, u8, bool) {
        (self.changes, self.last, self.flapping)
    }

    /// A look at what is watched.
    pub fn observe(&mut self, state: u8) {
        self.record(state);
    }

    pub fn is_flapping(&self) -> bool {
        self.flapping
    }

    /// How much of the recent past was change, in weighted percent.
    pub fn percent(&self) -> f64 {
        let changed = |age: u32| self.changes >> (SLOTS - 1 - age) & 1 == 1;
        let ages = (0..SLOTS).filter(|age| changed(*age)).map(f64::from);
        match self.algorithm {
            FlapAlgorithm::Icinga2 => {
                let sum = ages.fold(0.0, |sum, age| sum + (0.8 + 0.02 * age));
                100.0 * sum / 20.0
            }
            FlapAlgorithm::Nagios => {
                let sum = ages.fold(0.0, |sum, age| sum + ((age * (1.25 - 0.75)) / 19.0 + 0.75));
                sum * 100.0 / 20.0
            }
        }
    }

    /// The fewest checks that change their state every time until it is noticed, from quiet. None: never.
    pub fn checks_to_flap(&self) -> Option<u32> {
        let mut flap = Self::new(self.algorithm, self.low_percent, self.high_percent);
        (1..=SLOTS).find(|check| {
            flap.record((check % 2) as u8);
            flap.flapping
        })
    }

    fn record(&mut self, state: u8) {
        self.changes = (self.changes << 1 | u32::from(state != self.last)) & ((1 << SLOTS) - 1);
        self.last = state;
        let percent = self.percent();
        let (low, high) = (f64::from(self.low_percent), f64::from(self.high_percent));
        self.flapping = match self.algorithm {
            FlapAlgorithm::Icinga2 => percent > if self.flapping { low } else { high },
            FlapAlgorithm::Nagios if percent > low && percent < high => self.flapping,
            FlapAlgorithm::Nagios => percent > low,
        };
    }
}

impl Guard for Flap {
    fn ask(&self, _now_ms: i64) -> Answer {
        if self.flapping { Answer::Flapping } else { Answer::Admitted }
    }

    fn admit(&mut self, now_ms: i64) -> Answer {
        self.ask(now_ms)
    }

    fn tell(&mut self, _now_ms: i64, event: Event) {
        if let Event::Observed { state } = event {
            self.record(state);
        }
    }

    fn admissions_max(&self, span_ms: i64, pace: &Pace) -> Option<u64> {
        pace.cap(span_ms, None)
    }

    /// The pace says nothing of observations.
    fn is_dead(&self, _pace: &Pace) -> bool {
        self.checks_to_flap().is_none()
    }
}
