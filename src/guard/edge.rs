//! What is exactly as old as a span: over already, or not yet.

/// How a guard compares an age with a span. One millisecond, and the difference between a limit
/// that trips and one that never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Over as soon as the age reaches the span (`>=`).
    Reached,
    /// Over once the age exceeds the span (`>`).
    Exceeded,
}

impl Edge {
    /// Whether a span that began at `since_ms` is over now.
    pub fn is_over(self, since_ms: i64, now_ms: i64, span_ms: i64) -> bool {
        now_ms >= self.over_from(since_ms, span_ms)
    }

    /// The first millisecond at which a span that began at `since_ms` is over.
    pub fn over_from(self, since_ms: i64, span_ms: i64) -> i64 {
        let end = since_ms.saturating_add(span_ms);
        match self {
            Self::Reached => end,
            Self::Exceeded => end.saturating_add(1),
        }
    }

    /// The most moments in a window of `window_ms`, both ends included, of which each is a span that
    /// is over after the one before. In dense time; None: any number.
    pub fn most(self, window_ms: i64, span_ms: i64) -> Option<u64> {
        if span_ms <= 0 {
            return None;
        }
        let window_ms = window_ms.max(0);
        let further = match self {
            Self::Reached => window_ms / span_ms,
            // The last one must come strictly before the end that closed spans would allow.
            Self::Exceeded => (window_ms - 1).div_euclid(span_ms).max(0),
        };
        Some(further.unsigned_abs() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_millisecond_tells_the_edges_apart() {
        assert!(Edge::Reached.is_over(5, 15, 10));
        assert!(!Edge::Exceeded.is_over(5, 15, 10));
        assert!(Edge::Exceeded.is_over(5, 16, 10));
    }

    #[test]
    fn moments_in_a_window() {
        assert_eq!(Edge::Reached.most(10, 10), Some(2));
        assert_eq!(Edge::Exceeded.most(10, 10), Some(1));
        assert_eq!(Edge::Exceeded.most(11, 10), Some(2));
        assert_eq!(Edge::Exceeded.most(0, 10), Some(1));
        assert_eq!(Edge::Reached.most(0, 0), None);
    }
}
