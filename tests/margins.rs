//! Margins and suggestions over shipped policies: edges that were worked out by hand, verdicts on both sides of
//! each, and patches that mend what they say.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use idemcheck::check::margins::{End, Inside, Margin, MarginOptions, Margins, Side, measure};
use idemcheck::check::property::Property;
use idemcheck::check::suggest::{Kind, SuggestOptions, Suggestions, suggest};
use idemcheck::check::verdict::{PolicyResult, Standing, Verdict};
use idemcheck::check::{Engine, Limits, VerifyOptions, verdicts, verify};
use idemcheck::policy::declared::declared;
use idemcheck::policy::load::{Loaded, LoadedPolicy, load, load_with};
use idemcheck::report::{margins as words, suggest as render};

static CANCEL: AtomicBool = AtomicBool::new(false);
const LIMITS: Limits = Limits { states_max: None, memory_max: None, time_max: None };
const TODAY: &str = "2000-01-01";

fn read(path: &str) -> Loaded {
    let loaded = load(&[PathBuf::from(path)], None);
    assert!(!loaded.failed(), "{:?}", loaded.diagnostics);
    loaded
}

fn options() -> VerifyOptions<'static> {
    VerifyOptions {
        engine: Engine::Zones,
        limits: LIMITS,
        properties: &[],
        fail_fast: &[],
        today: TODAY,
        cancel: &CANCEL,
        progress: &|_| (),
    }
}

fn checked(source: &LoadedPolicy) -> PolicyResult {
    verify(&source.policy, &source.protocol, &options()).unwrap()
}

/// The margins of these declarations; without names, of all.
fn measured(loaded: &Loaded, only: &[&str]) -> Margins {
    let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
    measured_within(loaded, &only, 60)
}

fn measured_within(loaded: &Loaded, only: &[String], probes_max: u64) -> Margins {
    let source = &loaded.policies[0];
    let options = MarginOptions {
        limits: LIMITS,
        only,
        time_max: Duration::from_secs(600),
        probes_max,
        jobs: 1,
        today: TODAY,
        cancel: &CANCEL,
    };
    measure(loaded, source, &checked(source), &options)
}

fn of<'m>(margins: &'m Margins, name: &str) -> &'m Margin {
    margins.declarations.iter().find(|margin| margin.declaration == name).unwrap_or_else(|| panic!("{name}"))
}

/// Where a side ends: the last safe value, the next one, and what holds or is violated there.
fn edge(side: &Side) -> (String, String, Vec<(Property, Verdict)>) {
    let End::Flips { at_written, changes, .. } = &side.end else { panic!("no edge: {side:?}") };
    let changes = changes.iter().map(|change| (change.property, change.to)).collect();
    (side.safe_written.clone(), at_written.clone(), changes)
}

/// The verdicts of a policy with another value in one place.
fn verdicts_at(loaded: &Loaded, name: &str, value: i64) -> Vec<(Property, Verdict)> {
    let source = &loaded.policies[0];
    let (text, _) = loaded.texts(source);
    let one = declared(text).into_iter().find(|one| one.name() == name).unwrap();
    let text = one.write(text, value).unwrap();
    let changed = load_with((&source.policy.path, &text), &source.protocol);
    assert!(!changed.failed(), "{name} = {value}: {:?}", changed.diagnostics);
    checked(&changed.policies[0]).properties.iter().map(|one| (one.property, one.verdict)).collect()
}

/// Both sides of every edge, by checks of our own.
fn agrees(loaded: &Loaded, margins: &Margins) {
    let now = checked(&loaded.policies[0]);
    let now: Vec<(Property, Verdict)> =
        now.properties.iter().map(|one| (one.property, one.verdict)).collect();
    for margin in &margins.declarations {
        for side in [&margin.below, &margin.above] {
            let name = &margin.declaration;
            assert_eq!(verdicts_at(loaded, name, side.safe), now, "{name} = {}", side.safe_written);
            if let End::Flips { at, at_written, changes } = &side.end {
                assert_eq!((at - side.safe).abs(), margin.step, "{name}");
                let there = verdicts_at(loaded, name, *at);
                let differ = there.iter().zip(&now).filter(|(there, now)| there != now);
                let differ: Vec<_> = differ.map(|(there, now)| (there.0, now.1, there.1)).collect();
                let said: Vec<_> = changes.iter().map(|one| (one.property, one.from, one.to)).collect();
                assert_eq!(said, differ, "{name} = {at_written}");
            }
        }
    }
}

#[test]
fn the_edges_of_a_lease_are_the_sums_around_it() {
    use Property::{ClaimExclusive, NoStaleOverwrite, SingleExecution};
    // A stall of 5 s and a call of 10 s: at 15 s the next owner can still be first, at 16 s no more.
    let loaded = read("policies/write-path/lease-12s.toml");
    let margins = measured(&loaded, &["store.lease", "faults.pause", "downstream.timeout"]);
    let holds = vec![(SingleExecution, Verdict::Holds), (NoStaleOverwrite, Verdict::Holds)];
    let lease = of(&margins, "store.lease");
    assert_eq!(edge(&lease.above), ("15s".to_owned(), "16s".to_owned(), holds));
    assert_eq!((lease.distance(), &lease.below.end), (Some(4_000), &End::EndOfRange));
    assert_eq!((lease.below.inside, lease.above.inside), (Inside::EveryValue, Inside::EveryValue));
    // 12 s <= 10 s + pause, and 12 s <= timeout + 5 s.
    let pause = edge(&of(&margins, "faults.pause").below);
    assert_eq!((pause.0.as_str(), pause.1.as_str()), ("2s", "1s"));
    let timeout = edge(&of(&margins, "downstream.timeout").below);
    assert_eq!((timeout.0.as_str(), timeout.1.as_str()), ("7s", "6s"));
    agrees(&loaded, &margins);

    // The same inequality from the other side; and a claim is held for a stall, the call and a stall: 20 s.
    let loaded = read("policies/write-path/lease-16s.toml");
    let margins = measured(&loaded, &["store.lease", "downstream.latency"]);
    let lease = of(&margins, "store.lease");
    let broken = vec![(SingleExecution, Verdict::Violated), (NoStaleOverwrite, Verdict::Violated)];
    assert_eq!(edge(&lease.below), ("16s".to_owned(), "15s".to_owned(), broken));
    let exclusive = vec![(ClaimExclusive, Verdict::Holds)];
    assert_eq!(edge(&lease.above), ("20s".to_owned(), "21s".to_owned(), exclusive));
    // Longer than the longest is no latency: the edge is of another kind.
    let shortest = of(&margins, "downstream.latency (shortest)");
    assert_eq!(shortest.above.safe_written, "10000ms");
    let End::NotAllowed { at, why, .. } = &shortest.above.end else { panic!("{shortest:?}") };
    assert_eq!((*at, why.as_str()), (10_001, "the shortest latency is longer than the longest"));
    agrees(&loaded, &margins);
}

#[test]
fn the_edges_around_a_key_that_a_provider_forgets() {
    // The provider knows a key for 24 h; the last retry leaves after 23 h, stalls for 10 s, and lands within
    // 30 s and 5 min: 23 h 5 min 40 s.
    let loaded = read("policies/providers/stripe-v1-in-time.toml");
    let names = [
        "trigger.within",
        "downstream.timeout",
        "downstream.late",
        "faults.pause",
        "downstream.native_key.ttl",
    ];
    let margins = measured(&loaded, &names);
    let above = |name: &str| {
        let (safe, next, changes) = edge(&of(&margins, name).above);
        assert!(changes.contains(&(Property::SingleExecution, Verdict::Violated)), "{name}");
        (safe, next)
    };
    let pair = |safe: &str, next: &str| (safe.to_owned(), next.to_owned());
    assert_eq!(above("trigger.within"), pair("23h", "24h"));
    assert_eq!(above("downstream.timeout"), pair("3289s", "3290s"));
    assert_eq!(above("downstream.late"), pair("59m", "60m"));
    assert_eq!(above("faults.pause"), pair("3269s", "3270s"));
    let ttl = of(&margins, "downstream.native_key.ttl");
    assert_eq!(ttl.preset.as_deref(), Some("stripe-v1"));
    assert_eq!((ttl.below.safe_written.as_str(), edge(&ttl.below).1.as_str()), ("24h", "23h"));
    agrees(&loaded, &margins);
}

#[test]
fn the_edges_of_guards_and_of_what_they_guard() {
    use Property::{ActsOnlyWhenDiverged, BoundedActions};
    // Two in a window of ten minutes are three in eight (2N - 1), unless they are four minutes apart, or three are
    // allowed, or one in a window. What is a minute old may be from before the last action.
    let loaded = read("policies/remediation/tumbling-window.toml");
    let names = ["trigger.every", "target.actions_max", "guards.rate.limit", "target.lag"];
    let margins = measured(&loaded, &names);
    let holds = vec![(BoundedActions, Verdict::Holds)];
    let pair = |safe: &str, next: &str, changes| (safe.to_owned(), next.to_owned(), changes);
    assert_eq!(edge(&of(&margins, "trigger.every").above), pair("3m", "4m", holds.clone()));
    assert_eq!(edge(&of(&margins, "target.actions_max").above), pair("2", "3", holds.clone()));
    assert_eq!(edge(&of(&margins, "guards.rate.limit").below), pair("2", "1", holds));
    let diverged = vec![(ActsOnlyWhenDiverged, Verdict::Violated)];
    assert_eq!(edge(&of(&margins, "target.lag").above), pair("59s", "60s", diverged));
    assert_eq!(of(&margins, "guards.rate.limit").above.end, End::EndOfRange);
    agrees(&loaded, &margins);

    // A cooldown of 15 min from the start, and a stall of half a minute: an action of 14 min is over by then.
    let loaded = read("policies/remediation/cooldown-from-start.toml");
    let margins = measured(&loaded, &["target.act"]);
    let (safe, next, changes) = edge(&of(&margins, "target.act (longest)").below);
    assert_eq!((safe.as_str(), next.as_str()), ("15m", "14m"));
    assert!(changes.contains(&(Property::SingleFlight, Verdict::Holds)));
    assert!(changes.contains(&(Property::Quiesces, Verdict::Holds)));
}

#[test]
fn what_a_limit_ended_is_open() {
    let loaded = read("policies/write-path/lease-12s.toml");
    let lease = [String::from("store.lease")];
    let margins = measured_within(&loaded, &lease, 1);
    let above = &margins.declarations[0].above;
    assert!(
        above.is_open() && matches!(&above.end, End::Open { why } if why.contains("1 checks")),
        "{above:?}"
    );
    let source = &loaded.policies[0];
    let mut result = checked(source);
    let at_once = MarginOptions {
        limits: LIMITS,
        only: &lease,
        time_max: Duration::ZERO,
        probes_max: 60,
        jobs: 2,
        today: TODAY,
        cancel: &CANCEL,
    };
    let margins = measure(&loaded, source, &result, &at_once);
    assert_eq!(margins.stopped_by.as_deref(), Some("the limit of time"));
    assert!(margins.declarations[0].below.is_open());
    result.properties[0].verdict = Verdict::Inconclusive;
    assert!(measure(&loaded, source, &result, &at_once).open.is_some());
    assert!(measured(&loaded, &["store.leese"]).open.is_some());
}

/// What margins and suggestions ask of, against the full check.
#[test]
fn verdicts_without_runs_are_those_with_runs() {
    let loaded = read("policies");
    for source in loaded.policies.iter().step_by(9) {
        let full = checked(source);
        let quick = verdicts(&source.policy, &source.protocol, &options(), &[]).unwrap();
        let full: Vec<_> = full.properties.iter().map(|one| (one.property, one.verdict)).collect();
        assert_eq!(quick.of.into_iter().collect::<Vec<_>>(), full, "{}", source.policy.name);
        // Stopped at the first violation, it knows of one.
        let stopped = verdicts(&source.policy, &source.protocol, &options(), &Property::ALL).unwrap();
        let violated =
            |of: &[(Property, Verdict)]| of.iter().any(|(_, verdict)| *verdict == Verdict::Violated);
        let found: Vec<_> = stopped.of.into_iter().collect();
        assert_eq!(violated(&found), violated(&full), "{}", source.policy.name);
    }
}

fn suggested(loaded: &Loaded, wanted: &[Property]) -> Suggestions {
    let source = &loaded.policies[0];
    let options = SuggestOptions {
        limits: LIMITS,
        time_max: Duration::from_secs(600),
        most: 5,
        changes_max: 2,
        jobs: 1,
        today: TODAY,
        cancel: &CANCEL,
    };
    suggest(loaded, source, &checked(source), wanted, &options)
}

/// Applies a patch to the text that it is for, and minds every line of it.
fn patched(text: &str, patch: &str) -> String {
    let old: Vec<&str> = text.split_inclusive('\n').collect();
    let (mut out, mut at) = (String::new(), 0);
    for line in patch.split_inclusive('\n').skip(2) {
        if let Some(header) = line.strip_prefix("@@ -") {
            let first: usize = header.split([',', ' ']).next().unwrap().parse().unwrap();
            out.extend(old[at..first - 1].iter().copied());
            at = first - 1;
            continue;
        }
        let (mark, rest) = line.split_at(1);
        if mark != "+" {
            assert_eq!(old[at], rest);
            at += 1;
        }
        if mark != "-" {
            out.push_str(rest);
        }
    }
    out.extend(old[at..].iter().copied());
    out
}

/// Each suggestion by a check of our own, from the patched text.
fn mends(loaded: &Loaded, found: &Suggestions) {
    let folder = tempfile::tempdir().unwrap();
    let source = &loaded.policies[0];
    for one in &found.suggestions {
        let text = patched(loaded.texts(source).0, &one.patch);
        let path = folder.path().join("policy.toml");
        std::fs::write(&path, &text).unwrap();
        let changed = load(&[path], Some(Path::new("policies")));
        assert!(!changed.failed(), "{:?}\n{text}", changed.diagnostics);
        let result = checked(&changed.policies[0]);
        for property in &result.properties {
            let name = property.property;
            assert!(
                property.verdict != Verdict::Violated || !found.violated.contains(&name),
                "{name}\n{text}"
            );
            assert!(property.standing() <= Standing::MetViolated, "{name}\n{text}");
        }
        let kept = one.changes.iter().any(|change| change.keeper.is_some());
        assert_eq!(one.kind == Kind::Promise, kept, "{:?}", one.changes);
        assert!(one.changes.iter().all(|change| (change.kind == Kind::Promise) == change.keeper.is_some()));
    }
    let keys: Vec<(usize, Kind)> =
        found.suggestions.iter().map(|one| (one.changes.len(), one.kind)).collect();
    assert!(keys.is_sorted());
}

#[test]
fn a_lease_is_made_long_enough() {
    let loaded = read("policies/write-path/lease-12s.toml");
    let mut found = suggested(&loaded, &[]);
    mends(&loaded, &found);
    // A stall, the call, a stall, and one more second: the edge that the margins find.
    assert_eq!(found.suggestions[0].changes[0].line(), "store.lease \"12s\" → \"21s\"");
    assert_eq!(found.suggestions[0].expectations.len(), 3);
    // For single-execution alone, less is enough, and the others are left as they are.
    let single = suggested(&loaded, &[Property::SingleExecution]);
    assert_eq!(single.suggestions[0].changes[0].line(), "store.lease \"12s\" → \"16s\"");
    mends(&loaded, &single);
    found.tried.seconds = 0.0;
    let mut out = anstream::StripStream::new(Vec::new());
    render::human(&found, &mut out).unwrap();
    snapshot("suggestions", String::from_utf8(out.into_inner()).unwrap());
}

#[test]
fn suggestions_mend_what_they_say() {
    let mut kinds = Vec::new();
    for path in [
        "policies/remediation/guard-in-memory.toml",
        "policies/remediation/cooldown-from-start.toml",
        "policies/receipt-store/unknown-release.toml",
    ] {
        let loaded = read(path);
        let found = suggested(&loaded, &[]);
        assert!(!found.suggestions.is_empty(), "{path}");
        mends(&loaded, &found);
        kinds.extend(found.suggestions.iter().map(|one| one.kind));
    }
    assert!(kinds.contains(&Kind::Protocol) && kinds.contains(&Kind::Promise));
}

#[test]
fn where_nothing_helps_nothing_is_suggested() {
    // Every attempt is an order of its own: there is no key, and no declaration makes one.
    let found = suggested(&read("policies/operations/order-without-key.toml"), &[]);
    assert!(found.suggestions.is_empty() && !found.violated.is_empty());
    assert!(found.tried.singles > 10 && found.tried.pairs > 100 && found.tried.stopped_by.is_none());
    // And where everything holds, there is nothing to do.
    let found = suggested(&read("policies/write-path/lease-36s.toml"), &[]);
    assert_eq!((found.violated.len(), found.suggestions.len(), found.tried.checks), (0, 0, 0));
}

fn snapshot(name: &str, text: String) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "cli" },
        { insta::assert_snapshot!(name, text) });
}

#[test]
fn margins_in_words() {
    let loaded = read("policies/write-path/lease-16s.toml");
    let mut margins =
        measured(&loaded, &["store.lease", "downstream.latency", "faults.pause", "faults.crashes"]);
    // Times are this machine's.
    margins.seconds = 0.0;
    margins.limits.check_seconds = 1.0;
    let mut out = anstream::StripStream::new(Vec::new());
    words::human(&margins, &mut out).unwrap();
    snapshot("margins", String::from_utf8(out.into_inner()).unwrap());

    // The same in a report for machines.
    let mut result = checked(&loaded.policies[0]);
    result.margins = Some(margins);
    let report = idemcheck::check::verdict::Report::new(vec![result], Vec::new(), 0, 0.0);
    let value = serde_json::to_value(&report).unwrap();
    let schema = serde_json::to_value(idemcheck::report::json::schema()).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&value));
    let above = &value["policies"][0]["margins"]["declarations"][0]["above"]["end"];
    assert_eq!((above["kind"].as_str(), above["at"].as_i64()), (Some("flips"), Some(21_000)));
    let back: idemcheck::check::verdict::Report = serde_json::from_value(value).unwrap();
    assert_eq!(back.policies[0].margins, report.policies[0].margins);
}

#[test]
fn the_schema_of_suggestions_is_committed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/suggestions.schema.json");
    let schema = serde_json::to_value(render::schema()).unwrap();
    let fresh = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("IDEMCHECK_UPDATE").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == fresh,
        "schemas/suggestions.schema.json is out of date: IDEMCHECK_UPDATE=1 cargo test --test margins"
    );
    let found = suggested(&read("policies/write-path/lease-12s.toml"), &[Property::SingleExecution]);
    let mut text = Vec::new();
    render::json(&found, &mut text).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&value));
    assert_eq!(value["suggestions"][0]["changes"][0]["to"], "\"16s\"");
}

/// Code, stdout, stderr.
fn idemcheck(args: &[&str]) -> (i32, String, String) {
    let mut command = assert_cmd::Command::cargo_bin("idemcheck").unwrap();
    command.env_remove("FORCE_COLOR").env_remove("CLICOLOR_FORCE").args(args);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn from_the_command_line() {
    let lease = "policies/write-path/lease-12s.toml";
    let (code, out, _) = idemcheck(&["verify", lease, "--margins=store.lease"]);
    assert_eq!(code, 0);
    assert!(out.contains("16s, 4s away: violated → holds: single-execution, no-stale-overwrite"), "{out}");
    assert!(!out.contains("faults.pause  "), "{out}");
    let (code, out, _) = idemcheck(&["suggest", lease, "--property", "single-execution", "--patch", "1"]);
    assert_eq!(code, 0);
    let text = patched(&std::fs::read_to_string(lease).unwrap(), &out);
    assert!(
        text.contains("lease = \"16s\"") && !text.contains("single-execution   = \"violated\""),
        "{text}"
    );
    let (code, out, _) = idemcheck(&["suggest", "policies/write-path/lease-36s.toml"]);
    assert_eq!((code, out.contains("nothing is violated")), (0, true));
    let (code, out, _) =
        idemcheck(&["suggest", "policies/operations/order-without-key.toml", "--changes", "1"]);
    assert_eq!((code, out.contains("no change that was tried")), (1, true), "{out}");
    let (code, _, err) = idemcheck(&["suggest", "policies/write-path"]);
    assert_eq!((code, err.contains("exactly one policy")), (2, true), "{err}");
    assert_eq!(idemcheck(&["verify", lease, "--margins", "--engine", "stateright"]).0, 2);
}

/// As a note at the line that declares it, and as a row of a comment.
#[test]
fn margins_stand_in_every_format() {
    let path = "policies/write-path/lease-12s.toml";
    let said = |format: &str| {
        let args =
            ["verify", path, "--margins=store.lease,downstream.latency", "--no-cache", "--format", format];
        let (code, out, err) = idemcheck(&args);
        assert_eq!(code, 0, "{err}");
        out
    };
    let sarif: serde_json::Value = serde_json::from_str(&said("sarif")).unwrap();
    let run = &sarif["runs"][0];
    let notes: Vec<_> =
        run["results"].as_array().unwrap().iter().filter(|one| one["ruleId"] == "margin").collect();
    assert_eq!(notes.len(), 3);
    let text = std::fs::read_to_string(path).unwrap();
    for note in &notes {
        assert_eq!(
            run["tool"]["driver"]["rules"][note["ruleIndex"].as_u64().unwrap() as usize]["id"],
            "margin"
        );
        assert_eq!((&note["kind"], &note["level"]), (&"fail".into(), &"note".into()));
        let line = note["locations"][0]["physicalLocation"]["region"]["startLine"].as_u64().unwrap() as usize;
        let message = note["message"]["text"].as_str().unwrap();
        let key = if message.contains("store.lease") { "lease " } else { "latency " };
        assert!(text.lines().nth(line - 1).unwrap().starts_with(key), "{line}: {message}");
    }
    let lease =
        notes.iter().find_map(|one| one["message"]["text"].as_str().filter(|text| text.contains("lease is")));
    let lease = lease.unwrap();
    assert!(
        lease.contains("store.lease is 12s: every verdict stays, 1s to 15s; 16s, 4s away: violated → holds"),
        "{lease}"
    );
    let comment = said("markdown");
    assert!(
        comment.contains("| store.lease | 12s | 1s to 15s | 4s | 16s, 4s away: violated → holds: "),
        "{comment}"
    );
}

/// What the README shows of margins and suggestions is what is printed, apart from times.
#[test]
fn the_readme_shows_what_is_printed() {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let section =
        readme.split("\n## Margins and suggestions\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let without_times = |text: &str| -> Vec<String> {
        // How long a check may take goes by how long the policy's own took, too.
        let is_time = |next: Option<&&str>| next.is_some_and(|next| ["s", "s,", "s;"].contains(next));
        let line = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let shown = |(at, word): (usize, &&str)| {
                if is_time(words.get(at + 1)) { "TIME".to_owned() } else { (*word).to_owned() }
            };
            words.iter().enumerate().map(shown).collect::<Vec<String>>().join(" ")
        };
        text.trim_matches('\n').lines().map(line).collect()
    };
    let mut commands = 0;
    for part in section.split("\n    idemcheck ").skip(1) {
        let (command, rest) = part.split_once('\n').unwrap();
        let shown = rest.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
        let args: Vec<&str> = command.split(' ').collect();
        let (code, out, err) = idemcheck(&args);
        assert_eq!(code, 0, "{command}: {err}");
        let (shown, out) = (without_times(shown), without_times(&out));
        let is_there = out.windows(shown.len()).any(|lines| lines == shown);
        assert!(is_there, "{command} prints\n{}\nand the README shows\n{}", out.join("\n"), shown.join("\n"));
        commands += 1;
    }
    assert_eq!(commands, 2);
}
