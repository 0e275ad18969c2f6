//! Whatever the bytes: diagnostics or a policy, never a panic, and every diagnostic can be shown.

use proptest::prelude::*;

use super::support::{MODEL, POLICY, policy_and_model};

fn survives(policy: &str, model: &str) {
    let loaded = policy_and_model(policy, model);
    idemcheck::diag::render_all(&loaded.diagnostics, &loaded.files, true);
    assert_eq!(loaded.policies.is_empty(), loaded.failed(), "a policy, or the reason why not");
}

/// A text with a few bytes changed, or cut short.
fn mutated(text: &'static str) -> impl Strategy<Value = String> {
    let change = (0..3u8, any::<prop::sample::Index>(), prop::collection::vec(piece(), 1..4));
    prop::collection::vec(change, 1..5).prop_map(move |changes| {
        let mut bytes = text.as_bytes().to_vec();
        for (kind, at, pieces) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = pieces[0].as_bytes()[0],
                1 => drop(bytes.splice(at..at, pieces.concat().bytes())),
                _ => drop(bytes.splice(at..(at + pieces.len() * 4).min(bytes.len()), [])),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// What breaks TOML, and what it is made of.
fn piece() -> impl Strategy<Value = String> {
    let known = [
        "[",
        "]",
        "{",
        "}",
        "[[",
        "\"",
        "'",
        "\"\"\"",
        "=",
        ".",
        ",",
        "\n",
        "\r",
        "#",
        "\\",
        "?",
        "ä",
        "\u{0}",
        "[state.claim]",
        "[[state]]",
        "[operation]",
        "a.b = 1\n",
        "2027-01-31",
        "true",
        "-1",
        "1e400",
        "\u{feff}",
    ];
    prop_oneof![
        proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_policies_are_survived(text in mutated(POLICY)) {
        survives(&text, MODEL);
    }

    #[test]
    fn mutated_models_are_survived(text in mutated(MODEL)) {
        survives(POLICY, &text);
    }

    #[test]
    fn truncated_files_are_survived(at in 0..POLICY.len(), of_model in 0..MODEL.len()) {
        survives(&POLICY[..at], MODEL);
        survives(POLICY, &MODEL[..of_model]);
    }

    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        survives(&text, &text);
    }

    #[test]
    fn random_toml_is_survived(pieces in prop::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        survives(&text, &text);
    }
}
