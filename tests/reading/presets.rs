//! Presets: every one is read by the readers of policies, and stands in only for what a policy leaves out.

use std::collections::BTreeSet;
use std::path::PathBuf;

use idemcheck::diag::render_all;
use idemcheck::policy::load;
use idemcheck::policy::presets::{Fills, all, names, read, shipped};
use idemcheck::source::{FileId, Files, SourceFile};

use super::support::{MODEL, POLICY, lines, policy_and_model, with};

#[test]
fn every_preset_is_sound_and_named_for_its_file() {
    let mut seen = BTreeSet::new();
    for table in Fills::ALL {
        for (path, text) in shipped(table) {
            let mut files = Files::default();
            let file = files.add(SourceFile::new(&path, text));
            let (preset, diagnostics) = read(file, text);
            assert_eq!(diagnostics, [], "{}", render_all(&diagnostics, &files, false));
            let preset = preset.expect("a preset");
            assert_eq!(path, format!("presets/{}/{}.toml", table.name(), preset.name));
            assert_eq!(preset.table, table, "{path} is in the wrong folder");
            assert!(seen.insert(preset.name.clone()), "two presets are called {}", preset.name);
        }
        assert!(names(table).len() >= 9, "{} presets of {}", names(table).len(), table.name());
    }
    assert_eq!(all().len(), seen.len());
}

/// Changes to a sound preset, with what is then reported.
const CHANGES: &[(&str, &str, &[&str])] = &[
    ("native_key = { ttl = \"24h\" }", "native_kye = { ttl = \"24h\" }", &["IDM010 7:1"]),
    ("native_key = { ttl = \"24h\" }", "native_key = { tll = \"24h\" }", &["IDM010 7:16"]),
    ("native_key = { ttl = \"24h\" }", "native_key = \"24h\"", &["IDM012 7:14"]),
    ("native_key = { ttl = \"24h\" }", "native_key = { ttl = 24 }", &["IDM017 7:22"]),
    ("native_key = { ttl = \"24h\" }", "loses_writes = true", &["IDM010 7:1"]),
    ("native_key = { ttl = \"24h\" }", "kind = \"qonto\"", &["IDM010 7:1"]),
    ("source  = [\"https://example.org\"]\n", "", &["IDM011 1:1"]),
    ("source  = [\"https://example.org\"]", "source  = []", &["IDM012 3:11"]),
    ("source  = [\"https://example.org\"]", "source  = [\" \"]", &["IDM012 3:11"]),
    ("checked = \"read\"", "checked = \"hearsay\"", &["IDM014 5:11"]),
    ("[downstream]", "[trigger]", &["IDM010 6:2", "IDM011 1:1"]),
    ("[downstream]", "[store]\n[downstream]", &["IDM011 1:1"]),
];

const PRESET: &str = r#"preset  = "qonto"
title   = "Acme payments"
source  = ["https://example.org"]
hazard  = "A retry after a day."
checked = "read"
[downstream]
native_key = { ttl = "24h" }
"#;

#[test]
fn a_preset_states_what_its_table_has_and_nothing_else() {
    assert_eq!(read(FileId(0), PRESET).1, []);
    for (from, to, expected) in CHANGES {
        let text = with(PRESET, from, to);
        let (preset, diagnostics) = read(FileId(0), &text);
        let source = SourceFile::new("acme.toml", text);
        let found: Vec<String> = diagnostics
            .iter()
            .map(|one| {
                let at = source.position(one.span.map_or(0, |span| span.start));
                format!("{} {}:{}", one.code.id(), at.line, at.column)
            })
            .collect();
        assert_eq!(found, *expected, "{to}");
        assert!(preset.is_none(), "{to}");
    }
}

#[test]
fn an_unknown_kind_is_an_error_with_the_one_that_was_meant() {
    let queue = with(POLICY, "kind     = \"http\"", "kind     = \"queue\"");
    let places = [
        (POLICY, "kind  = \"postgres\"", "kind  = \"postgress\"", "IDM014 p.toml 23:9", "\"postgres\""),
        (POLICY, "[downstream]", "[downstream]\nkind = \"stripe_v3\"", "IDM014 p.toml 28:8", "\"stripe-v1\""),
        (
            &queue,
            "[downstream]",
            "[queue]\nkind = \"sqs\"\n[downstream]",
            "IDM014 p.toml 28:8",
            "\"sqs-fifo\"",
        ),
        (
            POLICY,
            "[downstream]",
            "[lock]\nkind = \"redlok\"\n[downstream]",
            "IDM014 p.toml 28:8",
            "\"redlock\"",
        ),
    ];
    for (policy, from, to, line, meant) in places {
        let loaded = policy_and_model(&with(policy, from, to), MODEL);
        assert!(lines(&loaded).contains(&line.to_owned()), "{to}: {:?}", lines(&loaded));
        let one = loaded.diagnostics.iter().find(|one| one.code.id() == "IDM014").expect("a diagnostic");
        assert!(one.help.as_deref().is_some_and(|help| help.contains(meant)), "{:?}", one.help);
        assert!(loaded.policies.is_empty());
    }
}

#[test]
fn the_policys_own_key_overrides_the_preset() {
    let store = |text: &str| {
        let loaded = policy_and_model(&with(POLICY, "kind  = \"postgres\"", text), MODEL);
        assert_eq!(lines(&loaded), [""; 0]);
        loaded.policies[0].policy.store.clone().expect("a store")
    };
    let plain = store("kind  = \"dynamodb\"");
    assert_eq!((plain.ttl_lag, plain.stale_reads, plain.loses_writes), (48 * 3_600_000, true, false));
    assert_eq!((plain.kind.as_str(), plain.lease), ("dynamodb", Some(30_000)));
    let own = store("kind  = \"dynamodb\"\nttl_lag = \"0s\"\nstale_reads = false\nloses_writes = true");
    assert_eq!((own.ttl_lag, own.stale_reads, own.loses_writes), (0, false, true));

    let model = with(MODEL, "do      = \"downstream.call\"", "do      = \"downstream.call\"\nkey = true");
    let native = |text: &str| {
        let loaded = policy_and_model(&with(POLICY, "[downstream]", text), &model);
        assert_eq!(lines(&loaded), [""; 0]);
        loaded.policies[0].policy.downstream.as_ref().expect("a downstream").native_key
    };
    let known = native("[downstream]\nkind = \"qonto\"").expect("a native key");
    assert_eq!((known.ttl, known.compares), (Some(1_800_000), Some(false)));
    // A key is overridden whole: what is not said again is not promised.
    let own = native("[downstream]\nkind = \"qonto\"\nnative_key = { ttl = \"1h\" }").expect("a native key");
    assert_eq!((own.ttl, own.compares), (Some(3_600_000), None));
    assert_eq!(native("[downstream]\nkind = \"qonto\"\nnative_key = false"), None);
}

#[test]
fn a_misspelt_key_is_not_replaced_in_silence() {
    let loaded = policy_and_model(
        &with(POLICY, "kind  = \"postgres\"", "kind  = \"dynamodb\"\nttl_lagg = \"1h\""),
        MODEL,
    );
    assert_eq!(lines(&loaded), ["IDM010 p.toml 24:1"]);
}

#[test]
fn a_diagnostic_about_a_presets_value_points_at_the_kind_and_says_so() {
    let loaded = policy_and_model(&with(POLICY, "[downstream]", "[downstream]\nkind = \"stripe-v1\""), MODEL);
    insta::assert_snapshot!(render_all(&loaded.diagnostics, &loaded.files, false));
}

#[test]
fn a_kind_of_another_type_has_no_preset() {
    let loaded = policy_and_model(&with(POLICY, "[downstream]", "[downstream]\nkind = 3"), MODEL);
    assert_eq!(lines(&loaded), ["IDM012 p.toml 28:8"]);
}

#[test]
fn every_preset_is_used_by_a_shipped_policy() {
    let loaded = load(&[PathBuf::from("policies/providers")], None);
    let texts: Vec<&str> = loaded.policies.iter().map(|policy| loaded.texts(policy).0).collect();
    for preset in all() {
        // Keys are aligned, so that there may be more than one space.
        let kind = format!("= \"{}\"\n", preset.name);
        let used = texts.iter().any(|text| {
            text.lines().any(|line| line.starts_with("kind ") && format!("{line}\n").ends_with(&kind))
        });
        assert!(used, "no policy below policies/providers has the kind `{}`", preset.name);
    }
}
