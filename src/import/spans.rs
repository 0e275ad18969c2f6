//! Time spans as each system writes them, in microseconds.

use super::page::From;
use crate::source::duration::DURATION_DAYS_MAX;

const US_MAX: f64 = 9.0e15;

/// A length of time that a policy may have to round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length {
    us: i64,
}

impl Length {
    /// What `infinity` is here.
    pub const ENDLESS: Length = Length { us: i64::MAX };

    pub fn ms(ms: i64) -> Length {
        Length { us: ms.saturating_mul(1_000) }
    }

    pub fn seconds(s: u64) -> Length {
        Length::ms(i64::try_from(s).unwrap_or(i64::MAX).saturating_mul(1_000))
    }

    pub fn nanoseconds(ns: u64) -> Length {
        Length { us: i64::try_from(ns.div_ceil(1_000)).unwrap_or(i64::MAX) }
    }

    pub fn is_zero(self) -> bool {
        self.us == 0
    }

    pub fn is_endless(self) -> bool {
        self == Length::ENDLESS
    }

    /// Whole milliseconds, no more than a policy takes: where shorter is the cautious reading.
    pub fn down(self) -> i64 {
        (self.us / 1_000).min(DURATION_DAYS_MAX * 86_400_000)
    }

    /// Whole milliseconds, no more than a policy takes: where longer is the cautious reading.
    pub fn up(self) -> i64 {
        (self.us / 1_000 + i64::from(self.us % 1_000 != 0)).min(DURATION_DAYS_MAX * 86_400_000)
    }

    /// The origin of a value, and that a policy can't say it exactly.
    pub fn rounded(self, from: From) -> From {
        if self.us % 1_000 == 0 && self.us / 1_000 == self.down() {
            return from;
        }
        match from {
            From::File(text) => From::File(format!("{text}, rounded")),
            other => other,
        }
    }

    /// `part` in `of` of it.
    pub fn portion(self, part: u64, of: u64) -> Length {
        Length { us: (i128::from(self.us) * i128::from(part) / i128::from(of.max(1))) as i64 }
    }

    pub fn max_of(self, other: Length) -> Length {
        self.max(other)
    }
}

fn finite(us: f64) -> Option<Length> {
    // A product of decimals is a hair off; a microsecond is the finest that any of them keeps.
    (us.is_finite() && (0.0..=US_MAX).contains(&us)).then(|| Length { us: us.round() as i64 })
}

/// Numbers, each with a unit; spaces are skipped if they may be there.
fn sum(text: &str, spaces: bool, bare: Option<f64>, unit: impl Fn(&str) -> Option<f64>) -> Option<Length> {
    let (mut rest, mut total, mut parts) = (text, 0.0, 0);
    loop {
        if spaces {
            rest = rest.trim_start();
        }
        if rest.is_empty() {
            return if parts == 0 { None } else { finite(total) };
        }
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let (number, after) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let after = if spaces { after.trim_start() } else { after };
        let letters = after.len() - after.trim_start_matches(char::is_alphabetic).len();
        let (name, after) = after.split_at(letters);
        total += number * if name.is_empty() { bare? } else { unit(name)? };
        parts += 1;
        rest = after;
    }
}

/// `5min 20s`, `1.5h`, `30` for seconds, `infinity`: systemd.time(7).
pub fn systemd(text: &str) -> Option<Length> {
    let text = text.trim();
    if text == "infinity" {
        return Some(Length::ENDLESS);
    }
    sum(text, true, Some(1e6), |unit| {
        Some(match unit {
            "us" | "usec" | "µs" | "μs" => 1.0,
            "ms" | "msec" => 1e3,
            "s" | "sec" | "second" | "seconds" => 1e6,
            "m" | "min" | "minute" | "minutes" => 60e6,
            "h" | "hr" | "hour" | "hours" => 3_600e6,
            "d" | "day" | "days" => 86_400e6,
            "w" | "week" | "weeks" => 604_800e6,
            "M" | "month" | "months" => 2_629_800e6,
            "y" | "year" | "years" => 31_557_600e6,
            _ => return None,
        })
    })
}

/// `1h30m`, `1.5h`, `100ms`, `0`: Go's `time.ParseDuration`.
pub fn go(text: &str) -> Option<Length> {
    if text == "0" {
        return Some(Length::ms(0));
    }
    sum(text, false, None, |unit| {
        Some(match unit {
            "ns" => 1e-3,
            "us" | "µs" | "μs" => 1.0,
            "ms" => 1e3,
            "s" => 1e6,
            "m" => 60e6,
            "h" => 3_600e6,
            _ => return None,
        })
    })
}

/// `1d`, `4h`, `1h30m`: whole numbers with units, as Prometheus and Alertmanager write them.
pub fn prometheus(text: &str) -> Option<Length> {
    if text == "0" {
        return Some(Length::ms(0));
    }
    if text.contains('.') {
        return None;
    }
    sum(text, false, None, |unit| {
        Some(match unit {
            "ms" => 1e3,
            "s" => 1e6,
            "m" => 60e6,
            "h" => 3_600e6,
            "d" => 86_400e6,
            "w" => 604_800e6,
            "y" => 31_536_000e6,
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(length: Option<Length>) -> Option<i64> {
        length.map(Length::up)
    }

    #[test]
    fn spans_of_systemd() {
        assert_eq!(ms(systemd("5min 20s")), Some(320_000));
        assert_eq!(ms(systemd("2 h")), Some(7_200_000));
        assert_eq!(
            ms(systemd("1y 12month")),
            Some(63_115_200_000.0 as i64).map(|ms| ms.min(400 * 86_400_000))
        );
        assert_eq!(ms(systemd("55s500ms")), Some(55_500));
        assert_eq!(ms(systemd("300ms20s 5day")), Some(432_020_300));
        assert_eq!(ms(systemd("30")), Some(30_000));
        assert_eq!(ms(systemd("1.5")), Some(1_500));
        assert_eq!(systemd("infinity"), Some(Length::ENDLESS));
        assert_eq!(systemd("100us").map(|length| (length.down(), length.up())), Some((0, 1)));
        for text in ["", "  ", "s", "-1", "5 parsecs", "1..2", "nan", "inf", "5m20q", "1e3"] {
            assert_eq!(systemd(text), None, "{text}");
        }
        assert_eq!(systemd(&"9".repeat(400)), None);
    }

    #[test]
    fn spans_of_go_and_prometheus() {
        assert_eq!(ms(go("1h30m0s")), Some(5_400_000));
        assert_eq!(ms(go("0")), Some(0));
        assert_eq!(ms(go("1.5h")), Some(5_400_000));
        assert_eq!(ms(prometheus("1d")), Some(86_400_000));
        assert_eq!(ms(prometheus("1h30m")), Some(5_400_000));
        for text in ["", "5", "5 m", "1d", "five", "-5m"] {
            assert_eq!(go(text), None, "{text}");
        }
        for text in ["", "5", "1.5h", "5 m"] {
            assert_eq!(prometheus(text), None, "{text}");
        }
    }
}
