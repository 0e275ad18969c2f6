//! Reports as pages: that they are whole, escaped, small enough, as accessible as can be told from their
//! text, and, in a browser where there is one, that they do what they are for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use idemcheck::check::property::Property;
use idemcheck::check::verdict::*;
use idemcheck::policy::load::Loaded;
use idemcheck::report::html::{self, File};
use idemcheck::report::origin::Origins;
use idemcheck::store::{postgres, redis, sqlite};

#[path = "html/browser.rs"]
mod browser;
#[path = "cli/by_hand.rs"]
mod by_hand;
#[path = "html/seen.rs"]
mod seen;
use by_hand::*;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What the committed sample shows: a write path, and a remediation without end.
const SAMPLE: [&str; 2] =
    ["policies/write-path/lease-12s.toml", "policies/remediation/systemd-start-limit-20.toml"];

fn idemcheck(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = assert_cmd::Command::cargo_bin("idemcheck").unwrap();
    command.env_remove("FORCE_COLOR").env_remove("CLICOLOR_FORCE").current_dir(folder).args(args);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Every file below a folder, by its path in it.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

fn written(to: &Path) -> BTreeMap<String, String> {
    let to_arg = to.display().to_string();
    let (code, stdout, stderr) =
        idemcheck(Path::new(ROOT), &["report", SAMPLE[0], SAMPLE[1], "--to", &to_arg]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout.trim(), to.join("index.html").display().to_string());
    tree(to)
}

/// Reports made by hand, with nothing behind them.
fn by_hand_files(report: &Report) -> Vec<File> {
    let nothing = Loaded::default();
    html::files(report, &[], &[], &Origins::new(&nothing, Path::new("/repo")))
}

#[test]
fn the_sample_is_what_report_writes() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = written(folder.path());
    let kept = Path::new(ROOT).join("reports/sample");
    if std::env::var_os("IDEMCHECK_UPDATE").is_some() {
        let _ = fs::remove_dir_all(&kept);
        for (name, text) in &fresh {
            fs::create_dir_all(kept.join(name).parent().unwrap()).unwrap();
            fs::write(kept.join(name), text).unwrap();
        }
    }
    let committed = tree(&kept);
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&fresh), names(&committed), "IDEMCHECK_UPDATE=1 cargo test --test html");
    for (name, text) in &fresh {
        assert!(*text == committed[name], "reports/sample/{name} is out of date: IDEMCHECK_UPDATE=1");
    }
}

/// Charts beside what they show: each with a name, and its numbers in a table.
#[test]
fn charts_have_names_and_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().display().to_string();
    let lease = "policies/write-path/lease-12s.toml";
    let drawn = |args: &[&str]| {
        let (code, _, stderr) = idemcheck(Path::new(ROOT), &[&["report", "--to", &to], args].concat());
        assert_eq!(code, 0, "{stderr}");
        let files = tree(folder.path());
        let text = |name: &str| files[name].clone();
        (
            text("index.html"),
            files
                .iter()
                .filter(|(name, _)| name.starts_with("policies/"))
                .map(|(_, t)| t.clone())
                .collect::<String>(),
        )
    };
    let (_, page) = drawn(&[lease, "--margins=store.lease,faults.crashes"]);
    for id in ["chart-durations", "chart-counts"] {
        assert!(page.contains(&format!("aria-labelledby=\"{id}-title {id}-about\"")), "{id}");
        assert!(page.contains(&format!("<title id=\"{id}-title\">")), "{id}");
    }
    assert!(page.contains("The numbers: Margins of durations") && page.contains("16s, 4s away"), "no table");
    fs::remove_dir_all(folder.path().join("policies")).unwrap();
    let (index, page) = drawn(&["policies/remediation/systemd-start-limit-20.toml"]);
    assert!(page.contains("Timeline: bounded-actions") && page.contains("chart-run-quiesces-title"));
    assert!(index.contains("Most actions in one episode"));
    assert!(!page.contains("id=\"margins\""));
}

/// The values of an attribute.
fn attributes<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let start = format!(" {name}=\"");
    text.split(start.as_str()).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn links_lead_somewhere_and_ids_are_unique() {
    // Over every shipped policy: there are systems among them, locks, queues and long runs.
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().display().to_string();
    let (code, _, stderr) = idemcheck(Path::new(ROOT), &["report", "policies", "--to", &to]);
    assert_eq!(code, 0, "{stderr}");
    let files = tree(folder.path());
    assert!(files.len() > 400);
    let ids = |text: &str| attributes(text, "id").into_iter().map(str::to_owned).collect::<Vec<_>>();
    let known: BTreeMap<&String, BTreeSet<String>> =
        files.iter().map(|(name, text)| (name, ids(text).into_iter().collect())).collect();
    for (name, text) in files.iter().filter(|(name, _)| name.ends_with(".html")) {
        let here = ids(text);
        let unique: BTreeSet<&String> = here.iter().collect();
        assert_eq!(unique.len(), here.len(), "{name} has an id twice");
        for link in attributes(text, "href").into_iter().filter(|link| *link != "data:,") {
            let (page, part) = link.split_once('#').unwrap_or((link, ""));
            let base = Path::new(name).parent().unwrap();
            let target = match page {
                "" => name.clone(),
                page => {
                    let joined = match page.strip_prefix("../") {
                        Some(up) => base.parent().unwrap().join(up),
                        None => base.join(page),
                    };
                    joined.display().to_string()
                }
            };
            let there = known.get(&target).unwrap_or_else(|| panic!("{name} links to {link}"));
            assert!(part.is_empty() || there.contains(part), "{name}: {link}");
        }
        for label in attributes(text, "aria-labelledby").into_iter().flat_map(str::split_whitespace) {
            assert!(here.iter().any(|id| id == label), "{name}: {label}");
        }
    }
}

/// Of an attribute that is there twice a browser takes the first, without a word.
#[test]
fn no_element_has_an_attribute_twice() {
    let folder = tempfile::tempdir().unwrap();
    let made = by_hand_files(&sample()).into_iter().map(|file| (file.path, file.text));
    let mut elements = 0;
    for (name, text) in
        written(folder.path()).into_iter().chain(made).filter(|(name, _)| name.ends_with(".html"))
    {
        let text = text.split("<script>").next().unwrap();
        for tag in text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
            // What stands before each value; values hold no quotation marks of their own.
            let names: Vec<&str> = tag
                .split('"')
                .step_by(2)
                .filter_map(|part| part.trim_end().strip_suffix('=')?.split_whitespace().last())
                .collect();
            let unique: BTreeSet<&&str> = names.iter().collect();
            assert_eq!(unique.len(), names.len(), "{name}: <{tag}>");
            elements += 1;
        }
    }
    assert!(elements > 1000, "{elements}");
}

#[test]
fn a_page_asks_the_network_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in written(folder.path()).iter().filter(|(name, _)| name.ends_with(".html")) {
        assert!(text.contains("default-src 'none'"));
        for attribute in ["src", "srcset", "action", "data", "poster"] {
            assert_eq!(attributes(text, attribute), Vec::<&str>::new(), "{name}: {attribute}");
        }
        assert!(!text.contains("@import") && !text.contains("fetch("), "{name}");
        assert!(attributes(text, "href").iter().all(|link| !link.contains("://")), "{name}");
    }
}

#[test]
fn what_others_wrote_stays_text() {
    let nasty = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let mut property = violated();
    property.reason = nasty.to_owned();
    let run = property.counterexample.as_mut().unwrap();
    for step in &mut run.steps {
        (step.who, step.does, step.sees) = (nasty.to_owned(), nasty.to_owned(), nasty.to_owned());
        step.changes.push(Change { what: nasty.to_owned(), from: nasty.to_owned(), to: nasty.to_owned() });
    }
    let waived = PropertyResult { waived: Some(nasty.to_owned()), ..lasso() };
    let mut bad = policy(nasty, vec![property, waived]);
    (bad.summary, bad.model, bad.severity) = (nasty.to_owned(), nasty.to_owned(), Some(nasty.to_owned()));
    bad.warnings.push(nasty.to_owned());
    let mut waiver = waiver(idemcheck::check::weigh::WaiverState::Expiring, 3);
    (waiver.reason, waiver.owner, waiver.ticket) = (nasty.into(), Some(nasty.into()), Some(nasty.into()));
    bad.waivers = vec![waiver];
    bad.lints.push(LintResult {
        name: nasty.to_owned(),
        says: nasty.to_owned(),
        source: nasty.to_owned(),
        confirmed_by: None,
        confirmation: nasty.to_owned(),
        silenced: Some(nasty.to_owned()),
    });
    let failure =
        CheckFailure { policy: nasty.to_owned(), path: nasty.to_owned(), message: nasty.to_owned() };
    let files = by_hand_files(&Report::new(vec![bad], vec![failure], 0, 0.0));
    for file in &files {
        assert_eq!(file.text.matches("<script").count(), 1, "{}", file.path);
        assert!(!file.text.contains("<img"), "{}", file.path);
        assert!(!file.path.contains(['<', '>', '"']), "{}", file.path);
    }
    assert!(files.last().unwrap().text.contains("&lt;script&gt;alert(1)"));
}

/// An index of as many policies as one repository may have.
fn a_thousand() -> String {
    let mut policies = Vec::new();
    for number in 0..250 {
        for (kind, mut one) in sample().policies.into_iter().take(4).enumerate() {
            one.policy = format!("service-{number}-policy-{kind}");
            // Every property has its column, as in a repository with all kinds of policies.
            let there: BTreeSet<Property> = one.properties.iter().map(|found| found.property).collect();
            let others = Property::ALL.into_iter().filter(|property| !there.contains(property));
            one.properties.extend(others.map(|property| result(property, Verdict::Holds)));
            policies.push(one);
        }
    }
    by_hand_files(&report(policies)).pop().unwrap().text
}

#[test]
fn a_thousand_policies_fit_in_an_index() {
    let index = a_thousand();
    assert_eq!(index.matches("data-verdict=").count(), 1000);
    println!("{} bytes", index.len());
    assert!(index.len() < 2_000_000, "{} bytes", index.len());
}

#[test]
fn a_very_long_run_shows_its_two_ends_and_says_so() {
    let mut property = violated();
    let run = property.counterexample.as_mut().unwrap();
    let one = run.steps[0].clone();
    run.steps = vec![one; 16_570];
    let files = by_hand_files(&report(vec![policy("long", vec![property])]));
    assert!(files[0].text.contains("16,370 in the middle are left out"));
    assert!(files[0].text.len() < 500_000, "{}", files[0].text.len());
}

#[test]
fn a_page_shows_the_tables_that_the_stores_make_and_the_rules_that_alerts_writes() {
    let folder = tempfile::tempdir().unwrap();
    let page = &written(folder.path())["policies/lease-12s.html"];
    let unescape = |text: &str| {
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
    };
    let page = unescape(page);
    for line in postgres::tables().iter().chain(sqlite::tables()).flat_map(|text| text.lines()) {
        assert!(page.contains(line.trim()), "{line}");
    }
    assert!(page.contains(&redis::claim_script()));
    let (_, rules, _) = idemcheck(Path::new(ROOT), &["alerts", SAMPLE[0]]);
    assert!(page.contains(rules.trim()));
    // The module is there with its feature only, so its text is asked.
    let source = fs::read_to_string(Path::new(ROOT).join("src/store/dynamodb/mod.rs")).unwrap();
    for (made, shown) in [
        ("attribute_name(\"pk\").key_type(KeyType::Hash)", "AttributeName=pk,KeyType=HASH"),
        ("attribute_name(\"pk\").attribute_type(ScalarAttributeType::S)", "AttributeName=pk,AttributeType=S"),
        ("billing_mode(BillingMode::PayPerRequest)", "--billing-mode PAY_PER_REQUEST"),
    ] {
        assert!(source.contains(made) && page.contains(shown), "{made}");
    }
}

#[test]
fn a_page_has_what_a_review_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().display().to_string();
    let paths = [
        "write-path/lease-36s",
        "operations/payment-reconcile",
        "operations/order-outbox",
        "remediation/drain-one-node",
    ];
    let files = paths.map(|path| format!("policies/{path}.toml"));
    let mut args = vec!["report", "--to", &to];
    args.extend(files.iter().map(String::as_str));
    let (code, _, stderr) = idemcheck(Path::new(ROOT), &args);
    assert_eq!(code, 0, "{stderr}");
    let pages = tree(folder.path());
    let everywhere = [
        "Idempotency of the action",
        "State diagram",
        "Every transition, as a table",
        "Conflict resolution",
        "Failure semantics",
        "Time and concurrency",
        "Locking and recovery",
        "Monitoring and alerts",
        "Concurrency test plan",
    ];
    let wanted: [(&str, &[&str]); 4] = [
        (
            "lease-36s",
            &[
                "Key derivation",
                "the header&#39;s value as it is",
                "store.lease 36s &gt;= downstream.timeout 10s + faults.pause 5s = 15s",
                "✓ met",
                "by no run",
                "PostgreSQL",
                "SQLite",
                "Redis",
                "DynamoDB",
                "effects of calls that timed out",
                "conflicting body",
            ],
        ),
        (
            "payment-reconcile",
            &[
                "one message, delivered 3 times",
                "--property effectively-once",
                "dead letters",
                "queue.visibility 5m &gt;= ",
            ],
        ),
        (
            "order-outbox",
            &["age of a row that is not published", "✗ not met", "&lt; faults.pause (unbounded)"],
        ),
        (
            "drain-one-node",
            &[
                "Guards and target",
                "Back-out and escalation",
                "members that serve",
                "fewer than ",
                "! not met, accepted",
            ],
        ),
    ];
    for (name, parts) in wanted {
        let page = &pages[&format!("policies/{name}.html")];
        let page = page.replace("&#39;", "'");
        for part in everywhere.iter().chain(parts) {
            assert!(page.contains(&part.replace("&#39;", "'")), "{name}: {part}");
        }
    }
}

#[test]
fn the_command_beside_a_run_replays_it() {
    let folder = tempfile::tempdir().unwrap();
    let files = written(folder.path());
    let page = &files["policies/lease-12s.html"];
    let command =
        page.split("<code class=\"command\">idemcheck replay ").nth(1).unwrap().split('<').next().unwrap();
    let (code, stdout, stderr) = idemcheck(folder.path(), &["replay", command]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("single-execution"), "{stdout}");
}

#[test]
fn verify_writes_the_same_pages() {
    let folder = tempfile::tempdir().unwrap();
    let report = written(&folder.path().join("a"));
    let to = format!("html={}", folder.path().join("b").display());
    let (code, ..) = idemcheck(Path::new(ROOT), &["verify", SAMPLE[0], SAMPLE[1], "--output", &to]);
    assert_eq!(code, 0);
    assert_eq!(tree(&folder.path().join("b")), report);
}

#[test]
fn races_are_shown_and_other_files_refused() {
    let folder = tempfile::tempdir().unwrap();
    let race = r#"{"version":1,"policy":"lease-12s","urls":[],"technique":"h1","size":20,"seed":7,
        "cut_short":null,"batches":[],"bursts":60,"duplicated":3,"overlapped":58,"simultaneous":60,
        "upper_bound":0.2,"requests":1200,"answers":{"201":57},"verdict":"violated",
        "latencies":{"final":{"count":57,"p50_us":11,"p90_us":12,"p99_us":13,"max_us":1414}},
        "probes":[{"probe":"P1","title":"many at once","properties":["single-execution"],"outcome":"violated",
            "why":null,"requests":1200,"history":HISTORY,"repeat":["curl -d '<b>' here"],
            "findings":[{"rule":"stuck-key","property":"no-stuck-key","key":"<i>","message":"never free"}]}]}"#;
    let (_, history, _) = idemcheck(
        Path::new(ROOT),
        &["check-history", "tests/history/files/late-conflict.jsonl", "--format", "json"],
    );
    let path = folder.path().join("race.json");
    fs::write(&path, race.replace("HISTORY", &history)).unwrap();
    let to = folder.path().join("out");
    let args = |load: &Path| {
        let text = |path: &Path| path.display().to_string();
        ["report", SAMPLE[0], "--load", &text(load), "--to", &text(&to)].map(str::to_owned)
    };
    let as_text = |args: [String; 6]| idemcheck(Path::new(ROOT), &args.each_ref().map(String::as_str));
    let (code, _, stderr) = as_text(args(&path));
    assert_eq!(code, 0, "{stderr}");
    let page = &tree(&to)["policies/lease-12s.html"];
    for shown in [
        "Races against the endpoint",
        "&lt;i&gt; (stuck-key): never free",
        "(in-flight-after-answer): ",
        "curl -d '&lt;b&gt;' here",
        "<td>1414</td>",
    ] {
        assert!(page.contains(shown), "{shown} is not shown");
    }
    fs::write(&path, "{}").unwrap();
    let (code, stdout, stderr) = as_text(args(&path));
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("is not what `idemcheck load --format json` writes"), "{stderr}");
}

#[test]
fn colours_can_be_read() {
    let style = include_str!("../src/report/html/style.css");
    let schemes: Vec<&str> = style.split(":root {").skip(1).collect();
    // By day, by night, and on paper.
    assert_eq!(schemes.len(), 3);
    for scheme in schemes {
        let colour = |name: &str| {
            let hex = scheme.split(&format!("--{name}: #")).nth(1).unwrap().split(';').next().unwrap();
            let hex =
                if hex.len() == 3 { hex.chars().flat_map(|c| [c, c]).collect() } else { hex.to_owned() };
            let part = |at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            let linear = |v: f64| if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) };
            0.2126 * linear(part(0)) + 0.7152 * linear(part(2)) + 0.0722 * linear(part(4))
        };
        let contrast = |one: f64, other: f64| (one.max(other) + 0.05) / (one.min(other) + 0.05);
        for text in ["fg", "soft", "good", "bad", "warn", "link"] {
            for ground in ["bg", "panel"] {
                let is = contrast(colour(text), colour(ground));
                assert!(is >= 4.5, "{text} on {ground}: {is:.2}");
            }
        }
        assert!(contrast(colour("fg"), colour("mark")) >= 4.5);
        // Lines that carry meaning.
        assert!(contrast(colour("lane"), colour("bg")) >= 3.0);
    }
}
