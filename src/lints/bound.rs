//! Inequalities over durations, as a person would write them.

use crate::check::verdict::format_ms;

/// A declared duration by its key; none: not declared, so unbounded.
pub type Term = (&'static str, Option<i64>);

/// `left >= right[0] + right[1] + …`: the text of it, where it is not met.
pub fn below(left: (&'static str, i64), right: &[Term]) -> Option<String> {
    let sum = right.iter().map(|(_, ms)| *ms).sum::<Option<i64>>();
    if sum.is_some_and(|sum| left.1 >= sum) {
        return None;
    }
    let term = |(name, ms): &Term| match ms {
        Some(ms) => format!("{name} {}", format_ms(*ms)),
        None => format!("{name} (unbounded)"),
    };
    let terms: Vec<String> = right.iter().filter(|(_, ms)| *ms != Some(0)).map(term).collect();
    let total = match sum {
        Some(sum) if terms.len() > 1 => format!(" = {}", format_ms(sum)),
        _ => String::new(),
    };
    Some(format!("{} {} < {}{total}", left.0, format_ms(left.1), terms.join(" + ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_not_met() {
        assert_eq!(below(("lease", 15_000), &[("timeout", Some(10_000)), ("pause", Some(5_000))]), None);
        assert_eq!(
            below(("lease", 12_000), &[("timeout", Some(10_000)), ("skew", Some(0)), ("pause", Some(5_000))]),
            Some("lease 12s < timeout 10s + pause 5s = 15s".to_owned())
        );
        assert_eq!(below(("ttl", 1), &[("within", None)]), Some("ttl 1ms < within (unbounded)".to_owned()));
    }
}
