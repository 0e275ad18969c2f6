//! A counter of attempts that a quiet time resets.

use super::{Answer, Edge, Event, Guard, Pace};

/// From which moment of an attempt a time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    /// Nothing is admitted while an action runs.
    Completion,
}

/// Waits between attempts: each twice the one before, up to a cap. Over as soon as they are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first_ms: i64,
    pub max_ms: i64,
}

impl Backoff {
    pub const NONE: Backoff = Backoff { first_ms: 0, max_ms: 0 };

    /// The wait after so many attempts.
    pub fn after(self, attempts: u64) -> i64 {
        let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 1_i64.checked_shl(doublings.min(62)).unwrap_or(i64::MAX);
        if attempts == 0 { 0 } else { self.first_ms.saturating_mul(factor).min(self.max_ms) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietResetRules {
    /// None: any number, and only the waits grow.
    pub attempts: Option<u64>,
    /// After this long without an attempt, everything is as in the beginning.
    pub quiet_ms: i64,
    pub edge: Edge,
    pub backoff: Backoff,
    /// What the quiet time and the waits are counted from.
    pub anchor: Anchor,
}

/// N attempts; a quiet time gives them back.
///
/// Refusals do not disturb the quiet: a fault that persists is acted upon again when the time is over, and
/// one that recurs more slowly than that is never counted at all. Cluster API's control plane, kubelet's
/// crash loop back-off, cluster-autoscaler's node group back-off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuietReset {
    rules: QuietResetRules,
    attempts: u64,
    /// The anchor of the last attempt. None: it runs still, or there was none.
    since_ms: Option<i64>,
    running_since_ms: Option<i64>,
}

impl QuietReset {
    pub fn new(rules: QuietResetRules) -> Self {
        Self { rules, attempts: 0, since_ms: None, running_since_ms: None }
    }

    /// The remediation strategy of Cluster API's kubeadm control plane. `max_retry` counts what comes after the
    /// first attempt; the count starts anew once the last remediation is `min_healthy_ms` old, to the moment.
    pub fn cluster_api(max_retry: Option<u64>, retry_period_ms: i64, min_healthy_ms: i64) -> Self {
        Self::new(QuietResetRules {
            attempts: max_retry.map(|retries| retries.saturating_add(1)),
            quiet_ms: min_healthy_ms,
            edge: Edge::Reached,
            backoff: Backoff { first_ms: retry_period_ms, max_ms: retry_period_ms },
            anchor: Anchor::Start,
        })
    }

    /// kubelet's CrashLoopBackOff: 10 s, doubled up to 5 minutes, forgotten after more than 10 minutes.
    pub fn crash_loop() -> Self {
        Self::new(QuietResetRules {
            attempts: None,
            quiet_ms: 600_000,
            edge: Edge::Exceeded,
            backoff: Backoff { first_ms: 10_000, max_ms: 300_000 },
            anchor: Anchor::Completion,
        })
    }

    fn is_quiet(&self, now_ms: i64) -> bool {
        self.since_ms.is_some_and(|since| self.rules.edge.is_over(since, now_ms, self.rules.quiet_ms))
    }
}

impl Guard for QuietReset {
    fn ask(&self, now_ms: i64) -> Answer {
        if self.rules.attempts == Some(0) {
            return Answer::Exhausted { from_ms: None };
        }
        if self.running_since_ms.is_some() {
            return Answer::Cooling { from_ms: None };
        }
        let Some(since) = self.since_ms.filter(|_| !self.is_quiet(now_ms)) else { return Answer::Admitted };
        let quiet_from = self.rules.edge.over_from(since, self.rules.quiet_ms);
        if self.rules.attempts.is_some_and(|most| self.attempts >= most) {
            return Answer::Exhausted { from_ms: Some(quiet_from) };
        }
        let from = since.saturating_add(self.rules.backoff.after(self.attempts)).min(quiet_from);
        if now_ms < from { Answer::Cooling { from_ms: Some(from) } } else { Answer::Admitted }
    }

    fn admit(&mut self, now_ms: i64) -> Answer {
        let answer = self.ask(now_ms);
        if answer.is_admitted() {
            self.attempts = if self.is_quiet(now_ms) { 1 } else { self.attempts.saturating_add(1) };
            match self.rules.anchor {
                Anchor::Start => self.since_ms = Some(now_ms),
                Anchor::Completion => self.running_since_ms = Some(now_ms),
            }
        }
        answer
    }

    fn tell(&mut self, now_ms: i64, event: Event) {
        if let Event::Ended { began_ms } = event
            && self.running_since_ms == Some(began_ms)
        {
            self.running_since_ms = None;
            self.since_ms = Some(now_ms);
        }
    }

    fn admissions_max(&self, span_ms: i64, pace: &Pace) -> Option<u64> {
        let QuietResetRules { attempts, quiet_ms, edge, backoff, .. } = self.rules;
        // The shortest action takes no time: then both anchors are the same.
        let counted = match attempts {
            Some(0) => Some(0),
            Some(most) => edge.most(span_ms, quiet_ms).map(|bursts| bursts.saturating_mul(most)),
            None => None,
        };
        let waited = Edge::Reached.most(span_ms, backoff.after(1).min(quiet_ms));
        pace.cap(span_ms, [counted, waited].into_iter().flatten().min())
    }

    fn is_dead(&self, pace: &Pace) -> bool {
        let QuietResetRules { attempts, quiet_ms, edge, backoff, anchor } = self.rules;
        if attempts == Some(0) {
            return false;
        }
        let gap_ms = match (anchor, pace.duration_ms_max) {
            (Anchor::Start, _) => pace.spacing_ms,
            (Anchor::Completion, Some(most)) if most < pace.spacing_ms => pace.spacing_ms - most,
            // An attempt can meet one that runs still.
            (Anchor::Completion, _) => return !pace.exceeds(1),
        };
        let last = pace.attempts_max.map_or(u64::MAX, |most| most.saturating_sub(1));
        let waits = backoff.after(last) > gap_ms;
        let counts = attempts.is_some_and(|most| pace.exceeds(most));
        edge.is_over(0, gap_ms, quiet_ms) || !(waits || counts)
    }
}
