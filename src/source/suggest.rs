//! "Did you mean".

/// The candidate closest to `word`, if it is close enough to be a slip of the pen.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Distances over long words cost more than they tell.
    if word.len() > 80 {
        return None;
    }
    let budget = (word.chars().count() / 3).max(1);
    let fold = |text: &str| text.to_lowercase().replace('-', "_");
    let word = fold(word);
    candidates
        .into_iter()
        // Each letter more or less is a slip of its own; this saves most of the comparisons.
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= budget)
        .map(|candidate| (strsim::osa_distance(&word, &fold(candidate)), candidate))
        .filter(|(distance, _)| *distance <= budget)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What may have been meant: the one that is a slip away, else those that begin so, else those that have
/// it somewhere.
pub fn meant<'a>(word: &str, candidates: &[&'a str]) -> Vec<&'a str> {
    const SHOWN: usize = 5;
    if let Some(one) = closest(word, candidates.iter().copied()) {
        return vec![one];
    }
    let fold = |text: &str| text.to_lowercase().replace('-', "_");
    let word = fold(word);
    let having = |test: &dyn Fn(&str) -> bool| -> Vec<&'a str> {
        candidates.iter().copied().filter(|candidate| test(&fold(candidate))).take(SHOWN).collect()
    };
    let mut out = Vec::new();
    if word.len() >= 2 {
        out = having(&|candidate| candidate.starts_with(&word));
    }
    if out.is_empty() && word.len() >= 3 {
        out = having(&|candidate| candidate.contains(&word));
    }
    out
}

/// `a`, `b` and `c`, each in backquotes.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// `"a", "b" or "c"`, as one writes them in TOML.
pub fn alternatives<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| format!("\"{value}\"")).collect();
    match values.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// Text from a file, fit for one line of a message: control characters escaped, long texts cut.
pub fn short(text: &str) -> String {
    let mut out = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == 60 {
            out.push('…');
            break;
        }
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        assert_eq!(closest("retires", ["retries", "timeout"]), Some("retries"));
        assert_eq!(closest("in-flight", ["in_flight"]), Some("in_flight"));
        assert_eq!(closest("banana", ["retries", "timeout"]), None);
    }

    #[test]
    fn a_beginning_or_a_part_will_do() {
        let names = ["stripe-v1", "stripe-v2", "no-stuck-key", "square"];
        assert_eq!(meant("stripe", &names), ["stripe-v1", "stripe-v2"]);
        assert_eq!(meant("strpie-v1", &names), ["stripe-v1"]);
        assert_eq!(meant("stuck", &names), ["no-stuck-key"]);
        assert_eq!(meant("xylophone", &names), [""; 0]);
        assert_eq!(meant("s", &names), [""; 0]);
    }

    #[test]
    fn lists_read_well() {
        assert_eq!(list([]), "nothing");
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(alternatives(["a", "b"]), "\"a\" or \"b\"");
        assert_eq!(short("a\u{0}b"), "a\\u{0}b");
    }
}
