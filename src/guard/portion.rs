//! A number, or a percentage of a fleet, and which way it is rounded.

/// Which way a percentage of a fleet goes to a whole number.
///
/// Cluster API's health checks round down; Medik8s' node health checks and Karpenter round up, which on a
/// small fleet permits one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    Down,
    Up,
}

/// So many, or so many percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Portion {
    Count(u64),
    Percent(u64),
}

/// A text that is neither a number nor a percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPortion;

impl Portion {
    /// `3` or `40%`.
    pub fn parse(text: &str) -> Result<Self, BadPortion> {
        let (digits, portion): (_, fn(u64) -> Self) = match text.strip_suffix('%') {
            Some(digits) => (digits, Self::Percent),
            None => (text, Self::Count),
        };
        // A sign is no digit.
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadPortion);
        }
        digits.parse().map(portion).map_err(|_| BadPortion)
    }

    /// How many that is of `total`.
    pub fn of(self, total: u64, rounding: Rounding) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let hundredths = u128::from(total) * u128::from(percent);
                let rounded = match rounding {
                    Rounding::Down => hundredths / 100,
                    Rounding::Up => hundredths.div_ceil(100),
                };
                u64::try_from(rounded).unwrap_or(u64::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rounding_decides_on_small_fleets() {
        let portion = Portion::parse("40%").unwrap();
        assert_eq!(portion.of(6, Rounding::Down), 2);
        assert_eq!(portion.of(6, Rounding::Up), 3);
        assert_eq!(Portion::Percent(20).of(3, Rounding::Down), 0);
        assert_eq!(Portion::Percent(20).of(3, Rounding::Up), 1);
        assert_eq!(Portion::Percent(40).of(5, Rounding::Up), 2);
    }

    #[test]
    fn what_is_no_portion() {
        for text in ["abcdef", "", "%", "-1", "+1", "1.5%", "1 %"] {
            assert_eq!(Portion::parse(text), Err(BadPortion), "{text}");
        }
    }
}
