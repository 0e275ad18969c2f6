//! Inequalities over durations, as a person would write them.

use crate::check::verdict::format_ms;

/// A declared duration by its key; none: not declared, so unbounded.
pub type Term = (&'static str, Option<i64>);

/// What a rule says of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inequality {
    pub met: bool,
    /// With the policy's numbers, as it stands: `lease 12s < timeout 10s + pause 5s = 15s`.
    pub says: String,
}

impl Inequality {
    pub fn broken(says: String) -> Inequality {
        Inequality { met: false, says }
    }
}

/// `left >= right[0] + right[1] + …`, or that it is not so.
pub fn covers(left: (&'static str, i64), right: &[Term]) -> Inequality {
    let sum = right.iter().map(|(_, ms)| *ms).sum::<Option<i64>>();
    let met = sum.is_some_and(|sum| left.1 >= sum);
    let term = |(name, ms): &Term| match ms {
        Some(ms) => format!("{name} {}", format_ms(*ms)),
        None => format!("{name} (unbounded)"),
    };
    let mut terms: Vec<String> = right.iter().filter(|(_, ms)| *ms != Some(0)).map(term).collect();
    if terms.is_empty() {
        terms.extend(right.first().map(term));
    }
    let total = match sum {
        Some(sum) if terms.len() > 1 => format!(" = {}", format_ms(sum)),
        _ => String::new(),
    };
    let than = if met { ">=" } else { "<" };
    Inequality { met, says: format!("{} {} {than} {}{total}", left.0, format_ms(left.1), terms.join(" + ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_it_stands() {
        let broken = |says: &str| Inequality::broken(says.to_owned());
        assert_eq!(
            covers(
                ("lease", 12_000),
                &[("timeout", Some(10_000)), ("skew", Some(0)), ("pause", Some(5_000))]
            ),
            broken("lease 12s < timeout 10s + pause 5s = 15s")
        );
        assert_eq!(covers(("ttl", 1), &[("within", None)]), broken("ttl 1ms < within (unbounded)"));
        let met = covers(("lease", 15_000), &[("timeout", Some(10_000)), ("pause", Some(5_000))]);
        assert_eq!(
            met,
            Inequality { met: true, says: "lease 15s >= timeout 10s + pause 5s = 15s".to_owned() }
        );
        let nothing = covers(("cooldown", 1_000), &[("lag", Some(0)), ("settle", Some(0))]);
        assert_eq!(nothing, Inequality { met: true, says: "cooldown 1s >= lag 0s".to_owned() });
    }
}
