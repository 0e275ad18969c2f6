//! The shipped policies are tests: each is as its `[expect]` says, and together they show every
//! property broken and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use idemcheck::check::property::Property;
use idemcheck::check::verdict::{PolicyResult, Verdict};
use idemcheck::check::{Engine, Limits, VerifyOptions, replay, verify};
use idemcheck::policy::load::load;

#[test]
fn every_policy_is_as_expected_and_every_property_is_shown_both_ways() {
    let loaded = load(&[PathBuf::from("policies")], None);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    assert!(loaded.policies.len() >= 24, "only {} policies", loaded.policies.len());
    let (cancel, mut broken, mut kept) = (AtomicBool::new(false), BTreeSet::new(), BTreeSet::new());
    let mut verdicts = BTreeMap::new();
    for source in &loaded.policies {
        let options = VerifyOptions {
            properties: &[],
            fail_fast: &[],
            engine: Engine::Zones,
            limits: Limits { states_max: Some(5_000_000), memory_max: None, time_max: None },
            // Waivers are not what this test is about.
            today: "2000-01-01",
            cancel: &cancel,
            progress: &|_| (),
        };
        let result = verify(&source.policy, &source.protocol, &options)
            .unwrap_or_else(|error| panic!("{}: {error}", source.policy.name));
        assert!(result.complete(), "{}: not complete", source.policy.name);
        let names =
            result.properties.iter().filter(|p| p.verdict == Verdict::Violated).map(|p| p.property.name());
        let names: Vec<&str> = names.collect();
        let verdict = match names.is_empty() {
            true => format!("holds{}", proved(&result)),
            false => format!("violated: {}", names.join(", ")),
        };
        verdicts.insert(source.policy.path.clone(), (verdict, source.policy.summary.clone()));
        for property in &result.properties {
            assert!(property.as_expected(), "{}: {property:?}", source.policy.name);
            match property.verdict {
                Verdict::Holds | Verdict::Proved => kept.insert(property.property),
                Verdict::Violated => broken.insert(property.property),
                _ => false,
            };
            if let Some(run) = &property.counterexample {
                replay(&source.policy, &source.protocol, run)
                    .unwrap_or_else(|error| panic!("{}, {}: {error}", source.policy.name, property.property));
            }
        }
    }
    let all: BTreeSet<Property> = Property::ALL.into_iter().collect();
    assert_eq!(broken, all, "each property is broken by some policy");
    assert_eq!(kept, all, "each property holds in some policy");
    index(&verdicts);
}

/// What of a policy that holds is proved for any number of attempts.
fn proved(result: &PolicyResult) -> String {
    let names = |verdict: Verdict| {
        let of_verdict = result.properties.iter().filter(|property| property.verdict == verdict);
        of_verdict.map(|property| property.property.name()).collect::<Vec<_>>()
    };
    let (proved, open) = (names(Verdict::Proved), names(Verdict::Holds));
    match (proved.len(), open.len()) {
        (0, _) => String::new(),
        (_, 0) => "; all proved".to_owned(),
        (some, few) if few < some => format!("; proved but for {}", open.join(", ")),
        _ => format!("; proved: {}", proved.join(", ")),
    }
}

/// `policies/README.md` has a row for every policy, with its verdict as found here and a reason.
/// `IDEMCHECK_UPDATE=1` writes the verdicts, and rows that are missing with their summary.
fn index(verdicts: &BTreeMap<PathBuf, (String, String)>) {
    let readme = Path::new("policies/README.md");
    let found = fs::read_to_string(readme).unwrap();
    let mut missing = verdicts.clone();
    let mut lines: Vec<String> = Vec::new();
    for line in found.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let target = line.split_once("](").and_then(|(_, rest)| rest.split_once(".toml)"));
        let ([_, link, _, why, _], Some((target, _))) = (&cells[..], target) else {
            lines.push(line.to_owned());
            continue;
        };
        let path = Path::new("policies").join(format!("{target}.toml"));
        let (verdict, _) =
            missing.remove(&path).unwrap_or_else(|| panic!("{target} is not there, or listed twice"));
        assert!(!why.is_empty(), "{target} has no reason");
        lines.push(format!("| {link} | {verdict} | {why} |"));
    }
    for (path, (verdict, summary)) in missing {
        let target = path.strip_prefix("policies").unwrap().display().to_string();
        let name = path.file_stem().unwrap().to_string_lossy();
        lines.push(format!("| [{name}]({target}) | {verdict} | {summary} |"));
    }
    let expected = lines.join("\n") + "\n";
    if std::env::var_os("IDEMCHECK_UPDATE").is_some() {
        fs::write(readme, expected).unwrap();
    } else {
        assert!(
            found == expected,
            "policies/README.md is out of date: IDEMCHECK_UPDATE=1 cargo test --test corpus"
        );
    }
}
