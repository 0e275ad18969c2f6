//! Durations with a unit: `250ms`, `30s`, `1h30m`.

/// No declared duration is longer than this; sums of a few of them stay far from an overflow.
pub const DURATION_DAYS_MAX: i64 = 400;
const DURATION_MS_MAX: i64 = DURATION_DAYS_MAX * 86_400_000;

/// From the longest unit to the shortest: compound durations go in this order.
const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The JSON Schema pattern of what [`parse`] accepts, limits aside.
pub const DURATION_PATTERN: &str = "^(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadDuration {
    /// A number without a unit.
    NoUnit,
    Negative,
    TooLong,
    UnknownUnit(String),
    /// Not numbers and units at all, or in the wrong order.
    Malformed,
}

/// Milliseconds of a duration text; never negative, never above the limit.
pub fn parse(text: &str) -> Result<i64, BadDuration> {
    if text.starts_with('-') && text[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return Err(BadDuration::Negative);
    }
    let mut rest = text;
    let mut total: i64 = 0;
    let mut units_left = &UNITS[..];
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return Err(BadDuration::Malformed);
        }
        let (number, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        if unit.is_empty() {
            let bare = parts == 0 && after.is_empty();
            return Err(if bare { BadDuration::NoUnit } else { BadDuration::Malformed });
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(BadDuration::UnknownUnit(unit.to_owned()));
        }
        let Some(index) = units_left.iter().position(|(name, _)| *name == unit) else {
            return Err(BadDuration::Malformed);
        };
        let factor = units_left[index].1;
        units_left = &units_left[index + 1..];
        // A number too big for the type is a duration that is too long.
        let number: i64 = number.parse().map_err(|_| BadDuration::TooLong)?;
        total = number
            .checked_mul(factor)
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= DURATION_MS_MAX)
            .ok_or(BadDuration::TooLong)?;
        parts += 1;
        rest = after;
    }
    if parts == 0 { Err(BadDuration::Malformed) } else { Ok(total) }
}

/// A duration as people write it: `90000` is `1m30s`.
pub fn show(ms: i64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut out = if ms < 0 { "-".to_owned() } else { String::new() };
    let mut rest = ms.unsigned_abs();
    for (name, factor) in UNITS {
        let count = rest / factor.unsigned_abs();
        rest %= factor.unsigned_abs();
        if count > 0 {
            out.push_str(&format!("{count}{name}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_compounds() {
        assert_eq!(parse("250ms"), Ok(250));
        assert_eq!(parse("1h30m"), Ok(5_400_000));
        assert_eq!(parse("1m1ms"), Ok(60_001));
        assert_eq!(parse("0s"), Ok(0));
        assert_eq!(parse("400d"), Ok(DURATION_MS_MAX));
    }

    #[test]
    fn everything_else_is_refused() {
        assert_eq!(parse("10"), Err(BadDuration::NoUnit));
        assert_eq!(parse("-1s"), Err(BadDuration::Negative));
        assert_eq!(parse("401d"), Err(BadDuration::TooLong));
        assert_eq!(parse("400d1ms"), Err(BadDuration::TooLong));
        assert_eq!(parse("9223372036854775807ms"), Err(BadDuration::TooLong));
        assert_eq!(parse("9223372036854775807d"), Err(BadDuration::TooLong));
        assert_eq!(parse(&format!("1{}s", "0".repeat(30))), Err(BadDuration::TooLong));
        assert_eq!(parse("5 s"), Err(BadDuration::Malformed));
        assert_eq!(parse("1.5s"), Err(BadDuration::Malformed));
        assert_eq!(parse("1m1h"), Err(BadDuration::Malformed));
        assert_eq!(parse("1s1"), Err(BadDuration::Malformed));
        assert_eq!(parse(""), Err(BadDuration::Malformed));
        assert_eq!(parse("5min"), Err(BadDuration::UnknownUnit("min".to_owned())));
    }

    #[test]
    fn what_is_shown_is_what_is_read() {
        for ms in [1, 999, 1_000, 61_001, 5_400_000, DURATION_MS_MAX] {
            assert_eq!(parse(&show(ms)), Ok(ms));
        }
        assert_eq!(show(90_000), "1m30s");
        assert_eq!(show(0), "0s");
        assert_eq!(show(i64::MIN).chars().next(), Some('-'));
    }
}
