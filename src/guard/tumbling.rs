//! A window that opens with an event, and is forgotten whole when it is over.

use super::{Answer, Edge, Guard, Pace, Quota};

/// What an attempt meets that finds the window's quota used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spent {
    /// No, until the next window.
    Refuse,
    /// No, for good.
    Stop,
    /// It acts at the end of the window, without asking again, and counts to no window.
    Defer,
}

/// What a Nomad task does when its restarts are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NomadMode {
    /// It stays dead.
    Fail,
    /// It waits for the end of the interval, and goes on: nothing ever stops it.
    Delay,
}

/// At most N per window, and so up to 2N-1 in a span of that length that lies across two of them; 2N where the window
/// is over as soon as its end is reached.
///
/// The first attempt opens the window; the first attempt after it is over opens the next one.
/// systemd's start limit, Nomad's restart stanza.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tumbling {
    quota: Quota,
    spent: Spent,
    opened_ms: Option<i64>,
    used: u64,
    stopped: bool,
    /// Who was refused last acts at this moment.
    deferred_ms: Option<i64>,
}

impl Tumbling {
    pub fn new(quota: Quota) -> Self {
        Self { quota, spent: Spent::Refuse, opened_ms: None, used: 0, stopped: false, deferred_ms: None }
    }

    /// The first refusal is the last answer: nothing is admitted from then on.
    pub fn stopping(self) -> Self {
        Self { spent: Spent::Stop, ..self }
    }

    /// The first window opens at this moment, not with the first attempt.
    pub fn opened_at(self, opened_ms: i64) -> Self {
        Self { opened_ms: Some(opened_ms), ..self }
    }

    /// `StartLimitBurst` and `StartLimitIntervalSec`; a zero in either turns the limit off. The window is
    /// over once its age exceeds the interval. A unit that was refused stays failed, but a start by hand
    /// asks again, and is admitted when the window is over: hence a refusal, and no stop.
    pub fn systemd(burst: u64, interval_ms: i64) -> Self {
        let limit = (burst > 0 && interval_ms > 0).then_some(burst);
        Self::new(Quota { limit, span_ms: interval_ms, edge: Edge::Exceeded })
    }

    /// The restart stanza of a task whose tracker was made at `created_ms`. No attempts at all stop the
    /// task in either mode. The jitter of 25 % belongs to the delay, and so to the pace.
    pub fn nomad(attempts: u64, interval_ms: i64, mode: NomadMode, created_ms: i64) -> Self {
        let spent = match mode {
            NomadMode::Fail => Spent::Stop,
            NomadMode::Delay => Spent::Defer,
        };
        let quota = Quota { limit: Some(attempts), span_ms: interval_ms, edge: Edge::Exceeded };
        Self { spent, ..Self::new(quota).opened_at(created_ms) }
    }

    fn is_open(&self, now_ms: i64) -> bool {
        self.opened_ms.is_some_and(|opened| !self.quota.edge.is_over(opened, now_ms, self.quota.span_ms))
    }

    /// The last moment of a window that opened at `opened_ms`: where deferred attempts act.
    fn end(&self, opened_ms: i64) -> i64 {
        opened_ms.saturating_add(self.quota.span_ms)
    }
}

impl Guard for Tumbling {
    fn ask(&self, now_ms: i64) -> Answer {
        let Some(limit) = self.quota.limit else { return Answer::Admitted };
        if self.stopped || limit == 0 {
            return Answer::Exhausted { from_ms: None };
        }
        if let Some(at) = self.deferred_ms {
            return if now_ms >= at { Answer::Admitted } else { Answer::Cooling { from_ms: Some(at) } };
        }
        let Some(opened) = self.opened_ms.filter(|_| self.is_open(now_ms) && self.used >= limit) else {
            return Answer::Admitted;
        };
        match self.spent {
            Spent::Refuse => {
                Answer::Limited { from_ms: Some(self.quota.edge.over_from(opened, self.quota.span_ms)) }
            }
            Spent::Stop => Answer::Exhausted { from_ms: None },
            Spent::Defer => Answer::Cooling { from_ms: Some(self.end(opened)) },
        }
    }

    fn admit(&mut self, now_ms: i64) -> Answer {
        let answer = self.ask(now_ms);
        if !answer.is_admitted() {
            self.stopped |= self.spent == Spent::Stop;
            if self.spent == Spent::Defer {
                self.deferred_ms = answer.from_ms();
            }
        } else if self.deferred_ms.take().is_none() {
            if !self.is_open(now_ms) {
                self.opened_ms = Some(now_ms);
                self.used = 0;
            }
            self.used += 1;
        }
        answer
    }

    fn admissions_max(&self, span_ms: i64, pace: &Pace) -> Option<u64> {
        let deferred = u64::from(self.spent == Spent::Defer);
        // At the end of a window, attempts that take no time are deferred to that same moment.
        let at_once = deferred == 1 && pace.spacing_ms <= 0 && self.quota.edge == Edge::Exceeded;
        let bound = match self.quota.limit {
            None => None,
            Some(0) => Some(0),
            Some(_) if at_once || self.quota.span_ms <= 0 => None,
            Some(limit) => {
                let per_window = limit + deferred;
                // The span begins with a window, or just as one ends: all but the attempt that opened it.
                let from_opening = self.quota.edge.most(span_ms, self.quota.span_ms)? * per_window;
                let reach = span_ms.max(0).saturating_add(self.quota.span_ms);
                let whole = Edge::Exceeded.most(reach, self.quota.span_ms)? - 1;
                Some(from_opening.max(whole * per_window + per_window - 1))
            }
        };
        pace.cap(span_ms, bound)
    }

    fn is_dead(&self, pace: &Pace) -> bool {
        let Some(limit) = self.quota.limit else { return true };
        let burst_ms = i64::try_from(limit).unwrap_or(i64::MAX).saturating_mul(pace.spacing_ms);
        let trips = !self.quota.edge.is_over(0, burst_ms, self.quota.span_ms);
        limit > 0 && !(trips && pace.exceeds(limit))
    }
}
