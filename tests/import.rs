//! Files of real systems, imported: the policy as text, what the check says of it, and what is refused.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use assert_cmd::Command;
use idemcheck::check::verdict::Verdict;
use idemcheck::check::{Engine, Limits, VerifyOptions, verify};
use idemcheck::diag;
use idemcheck::import::{self, KINDS, Kind, Page};
use idemcheck::model::shipped::shipped;
use idemcheck::policy::load::{Loaded, load_texts};
use idemcheck::source::Files;
use proptest::prelude::*;

const FIXTURES: &str = "tests/import";

fn imported(kind: &str, path: &Path, assumed: &[&str]) -> Result<Page, String> {
    let kind = Kind::named(kind).unwrap();
    let given: Vec<_> = assumed.iter().map(|given| kind.assumption(given).unwrap()).collect();
    let mut files = Files::default();
    import::import(kind, path, &given, &mut files).map_err(|wrong| diag::render_all(&wrong, &files, false))
}

fn loaded(page: &Page, text: &str) -> Loaded {
    let path = format!("models/{}.toml", page.model());
    let model = shipped().into_iter().find(|(known, _)| *known == path).unwrap().1;
    load_texts((Path::new("p.toml"), text), (Path::new(&path), model))
}

/// The properties that are violated.
fn verdict(loaded: &Loaded) -> Vec<&'static str> {
    let source = &loaded.policies[0];
    let cancel = AtomicBool::new(false);
    let options = VerifyOptions {
        properties: &[],
        fail_fast: &[],
        engine: Engine::Zones,
        limits: Limits { states_max: Some(1_000_000), memory_max: None, time_max: None },
        today: "2000-01-01",
        cancel: &cancel,
        progress: &|_| (),
    };
    let result = verify(&source.policy, &source.protocol, &options).unwrap();
    assert!(result.complete(), "{}: not complete", source.policy.name);
    let violated = result.properties.iter().filter(|property| property.verdict == Verdict::Violated);
    violated.map(|property| property.property.name()).collect()
}

/// Kind, file, assumptions, and what is violated.
const CASES: &[(&str, &str, &[&str], &[&str])] = &[
    // 5 starts, 5 s apart, take 25 s: the window of 20 s is over before, and the limit never reached.
    ("systemd", "endless.service", &[], &["quiesces", "escalates"]),
    ("systemd", "limited.service", &[], &[]),
    // 3 * (5 s + run time) against 60 s: the very edge belongs to the window.
    ("systemd", "three.service", &["run_time=15s"], &["no-stuck-key", "escalates"]),
    ("systemd", "three.service", &["run_time=15001ms"], &["quiesces", "escalates"]),
    // The interval stands in the wrong section, and the default of 10 s counts.
    ("systemd", "misplaced.service", &[], &["quiesces", "escalates"]),
    ("systemd", "old-names.service", &[], &["no-stuck-key", "escalates"]),
    ("systemd", "web.service", &[], &["quiesces", "escalates"]),
    ("systemd", "growing.service", &[], &["quiesces", "escalates"]),
    ("systemd", "endless.service", &["fault=curable"], &[]),
    // A lock without an end, and a holder that is gone.
    ("kured", "kured.flags", &[], &["no-stuck-key", "escalates", "lock-live"]),
    ("kured", "kured-daemonset.yaml", &[], &[]),
    (
        "kured",
        "kured-daemonset.yaml",
        &["reboot_max=1h"],
        &[
            "claim-exclusive",
            "single-flight",
            "acts-only-when-diverged",
            "quiesces",
            "escalates",
            "lock-safe",
        ],
    ),
    ("kured", "kured-two.yaml", &[], &[]),
    // 40 % of 3: one unhealthy machine where it is rounded down, two where it is rounded up.
    ("machine-health-check", "machines.yaml", &[], &["escalates"]),
    ("machine-health-check", "machines.yaml", &["fault=apparent"], &["quiesces", "escalates"]),
    ("node-health-check", "nodes.yaml", &["fault=apparent"], &["capacity-floor", "quiesces", "escalates"]),
    ("machine-health-check", "machines-range.yaml", &[], &["escalates"]),
    ("machine-health-check", "machines-open.yaml", &[], &[]),
    ("node-health-check", "nodes.yaml", &[], &["escalates"]),
    ("node-health-check", "nodes-ladder.yaml", &[], &["escalates"]),
    // A failure after the quiet time begins anew: the retries are counted, and never end.
    ("control-plane", "control-plane.yaml", &[], &["quiesces", "escalates"]),
    ("control-plane", "control-plane.yaml", &["fault=curable"], &[]),
    ("control-plane", "control-plane-forever.yaml", &[], &["quiesces", "escalates"]),
    // 10 + 2 * 10 <= 30 is tight, and holds; a stall that no watchdog bounds is too much.
    ("patroni", "patroni.yml", &[], &[]),
    (
        "patroni",
        "patroni.yml",
        &["pause=1s"],
        &["claim-exclusive", "single-flight", "acts-only-when-diverged", "quiesces", "lock-safe"],
    ),
    ("patroni", "patroni-broken.yml", &[], &[]),
    ("nomad", "nomad.json", &[], &["no-stuck-key", "escalates"]),
    ("nomad", "nomad-delay.json", &[], &["quiesces", "escalates"]),
    ("nomad", "nomad-defaults.json", &[], &["quiesces", "escalates"]),
    ("nomad", "nomad-defaults.json", &["stanza=reschedule"], &["no-stuck-key", "escalates"]),
    ("karpenter", "karpenter.yaml", &[], &[]),
    // A recovery that outlasts the block.
    ("orchestrator", "orchestrator.conf.json", &[], &[]),
    (
        "orchestrator",
        "orchestrator.conf.json",
        &["recovery_max=20m"],
        &["single-execution", "single-flight", "acts-only-when-diverged", "quiesces"],
    ),
    // Both members of a cluster send.
    ("alertmanager", "alertmanager.yml", &[], &["single-flight", "acts-only-when-diverged"]),
    ("alertmanager", "alertmanager.yml", &["receiver=restarter", "notifiers=1"], &[]),
    ("autoscaler", "autoscaler.yaml", &[], &[]),
    ("autoscaler", "autoscaler.yaml", &["direction=up"], &[]),
    // 5 + 2 * 3 s of grace against 30 s to start.
    ("probes", "deployment.yaml", &[], &["acts-only-when-diverged", "quiesces"]),
    ("probes", "deployment.yaml", &["startup=5s"], &[]),
    ("probes", "deployment-startup.yaml", &[], &[]),
];

#[test]
fn every_import_is_read_and_has_its_verdict() {
    let mut wrong = Vec::new();
    for (kind, file, assumed, expected) in CASES {
        let page = imported(kind, &Path::new(FIXTURES).join(file), assumed).unwrap();
        let text = page.render(kind);
        let loaded = loaded(&page, &text);
        assert!(!loaded.failed(), "{}\n{text}", diag::render_all(&loaded.diagnostics, &loaded.files, false));
        let found: BTreeSet<&str> = verdict(&loaded).into_iter().collect();
        if found != expected.iter().copied().collect() {
            wrong.push(format!("{kind} {file} {assumed:?}: {found:?}"));
        }
        let mut name = vec![*kind, file];
        name.extend(*assumed);
        let name = name.join(" ").replace(['/', '=', ' ', '.'], "-");
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true,
                                snapshot_path => "import/snapshots" },
            { insta::assert_snapshot!(name, text) });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_kind_and_every_fixture_is_tested() {
    let kinds: BTreeSet<&str> = CASES.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, KINDS.iter().map(|kind| kind.name).collect());
    let tested: BTreeSet<PathBuf> =
        CASES.iter().map(|(_, file, ..)| Path::new(FIXTURES).join(file)).collect();
    let files = fs::read_dir(FIXTURES).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(tested, files.filter(|path| path.is_file()).collect());
    for kind in KINDS {
        for assumption in kind.assumes {
            let given = format!("{}={}", assumption.name, assumption.default);
            assert!(kind.assumption(&given).is_ok(), "{} {given}", kind.name);
        }
    }
}

/// Drop-ins count in the order of their names; an empty list takes back what was there, an empty time
/// does nothing.
#[test]
fn drop_ins_override() {
    let text = imported("systemd", &Path::new(FIXTURES).join("web.service"), &[]).unwrap().render("systemd");
    for line in [
        "every = \"20s\"  # RestartSec=20",
        "limit  = 8  # StartLimitBurst=20",
        "span   = \"24s\"",
        "refused = \"leave\"",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

fn written(name: &str, text: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn what_cannot_be_imported_is_said_with_its_place() {
    let service = |lines: &str| format!("[Service]\nExecStart=/bin/x\n{lines}\n");
    let hpa = "kind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec:\n  maxReplicas: 3\n";
    let mhc = "kind: MachineHealthCheck\nmetadata: {name: a}\nspec:\n  maxUnhealthy: ";
    let group = |rest: &str| format!("{{\"TaskGroups\": [{{\"Name\": \"a\", {rest}}}]}}");
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("systemd", service(""), &["no `Restart=`"]),
        ("systemd", service("Restart=no"), &["restarts nothing", ":3:1"]),
        ("systemd", service("Restart=sometimes"), &["Restart=sometimes", "on-failure"]),
        ("systemd", service("Type=oneshot\nRestart=always"), &["oneshot"]),
        ("systemd", service("Restart=always\nRestartSec=5 parsecs"), &["not a time span", ":4:1"]),
        ("systemd", service("Restart=always\nRestartSec=infinity"), &["never comes"]),
        ("systemd", service("Restart=always\nStartLimitBurst=-1"), &["not a whole number"]),
        ("systemd", "[Service\nRestart=always\n".into(), &["`]`", ":1:1"]),
        ("systemd", "Restart=always\n".into(), &["before the first section"]),
        ("systemd", "[Service]\nRestart\n".into(), &[":2:1"]),
        ("systemd", "[Timer]\nOnCalendar=daily\n".into(), &["no [Service], but [Timer]"]),
        ("systemd", String::new(), &["masked"]),
        ("kured", "--period=soon".into(), &["--period", "soon"]),
        ("kured", "--concurrency=0".into(), &["--concurrency"]),
        ("kured", "--period=1h\nperiod 1h".into(), &["not a flag", ":2:1"]),
        (
            "kured",
            "kind: Deployment\nmetadata: {name: kured}\n".into(),
            &["no DaemonSet", "`Deployment kured`"],
        ),
        ("machine-health-check", format!("{mhc}abcdef"), &["spec.maxUnhealthy", "`abcdef`", ":4:17"]),
        ("machine-health-check", format!("{mhc}120%"), &["more than 100 %"]),
        ("machine-health-check", format!("{mhc}[1]"), &["a list is not a text"]),
        (
            "machine-health-check",
            "kind: Pod\n---\nkind: Service\nmetadata: {name: b}\n".into(),
            &["there is `Pod` and `Service b`"],
        ),
        ("machine-health-check", format!("{mhc}1\n---\n{mhc}2\n"), &["2 of kind", "--assume name=NAME"]),
        (
            "machine-health-check",
            "kind: MachineHealthCheck\nspec:\n  unhealthyRange: \"[5-3]\"\n".into(),
            &["[3-5]"],
        ),
        (
            "node-health-check",
            "kind: NodeHealthCheck\nspec: {minHealthy: 1, maxUnhealthy: 1}\n".into(),
            &["exclude"],
        ),
        (
            "control-plane",
            "kind: KubeadmControlPlane\nspec: {replicas: three}\n".into(),
            &["spec.replicas", "whole number"],
        ),
        ("patroni", "scope: a\n".into(), &["bootstrap.dcs"]),
        ("patroni", "ttl: -5\n".into(), &["ttl", "`-5`", ":1:6"]),
        ("patroni", "ttl: 99999999999\n".into(), &["30 days"]),
        ("patroni", "ttl: [\n".into(), &["not YAML"]),
        ("patroni", "ttl: 30\nttl: 40\n".into(), &["twice", ":2:1"]),
        ("nomad", "{\"Job\": {}}".into(), &["TaskGroups"]),
        ("nomad", "{\"Job\": {\n\"ID\": }}".into(), &["not JSON", ":2:7"]),
        ("nomad", group("\"RestartPolicy\": {\"Delay\": \"soon\"}"), &["TaskGroups[0].RestartPolicy.Delay"]),
        ("nomad", group("\"RestartPolicy\": {\"Mode\": \"stop\"}"), &["neither fail nor delay"]),
        (
            "nomad",
            "{\"TaskGroups\": [{\"Name\": \"a\"}, {\"Name\": \"b\"}]}".into(),
            &["2 task groups: `a` and `b`", "group=NAME"],
        ),
        (
            "karpenter",
            "kind: NodePool\nspec: {disruption: {budgets: [{nodes: some}]}}\n".into(),
            &["budgets[0].nodes"],
        ),
        ("orchestrator", "{}".into(), &["recovers no master by itself"]),
        ("orchestrator", "[]".into(), &["a list is not a mapping"]),
        ("alertmanager", "receivers: []\n".into(), &["no `route:`"]),
        (
            "alertmanager",
            "route: {receiver: a, group_interval: 5}\n".into(),
            &["route.group_interval", "`5`"],
        ),
        ("alertmanager", "route: {receiver: a, repeat_interval: 0s}\n".into(), &["can't be 0"]),
        ("autoscaler", hpa.replace("3", "0"), &["below minReplicas"]),
        (
            "autoscaler",
            format!("{hpa}  behavior: {{scaleDown: {{selectPolicy: Disabled}}}}\n"),
            &["Disabled"],
        ),
        (
            "autoscaler",
            format!(
                "{hpa}  behavior: {{scaleDown: {{policies: [{{type: Pods, value: 1, periodSeconds: 9999}}]}}}}\n"
            ),
            &["1800"],
        ),
        (
            "probes",
            "kind: Pod\nspec: {containers: [{name: a, readinessProbe: {}}]}\n".into(),
            &["no liveness probe", "`a`"],
        ),
    ];
    let mut wrong = Vec::new();
    for (kind, text, expected) in cases {
        let (_folder, path) = written("input.service", &text);
        match imported(kind, &path, &[]) {
            Ok(_) => wrong.push(format!("{kind} imports\n{text}")),
            Err(error) => {
                let missing = expected.iter().chain(&["IDM260"]).filter(|part| !error.contains(**part));
                wrong.extend(missing.map(|part| format!("{kind}: `{part}` is not in\n{error}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever the file is: an error, soon, and within bounds.
#[test]
fn hostile_files_are_refused() {
    let bomb: String = (0..30).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        format!("{text}a{}: &a{} [{}]\n", level + 1, level + 1, [format!("*a{level}").as_str(); 9].join(", "))
    });
    let texts: Vec<Vec<u8>> = vec![
        bomb.into_bytes(),
        "[".repeat(500_000).into_bytes(),
        "{a: ".repeat(200_000).into_bytes(),
        "- ".repeat(500_000).into_bytes(),
        "{\"a\":".repeat(150_000).into_bytes(),
        format!("[{}]", "[],".repeat(300_000)).into_bytes(),
        "? ".repeat(300_000).into_bytes(),
        "[Service]\n".repeat(90_000).into_bytes(),
        vec![b'a'; 2 * 1024 * 1024],
        vec![0xff, 0xfe, 0x00, 0x41],
        vec![0; 1000],
        "ttl: &a 30\nloop_wait: *a\n".into(),
    ];
    for kind in KINDS {
        for text in &texts {
            let (_folder, path) = written("input.yaml", text);
            let started = std::time::Instant::now();
            assert!(
                imported(kind.name, &path, &[]).is_err(),
                "{}: {:?}",
                kind.name,
                &text[..20.min(text.len())]
            );
            assert!(started.elapsed().as_secs() < 20, "{}", kind.name);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        assert!(imported(kind.name, folder.path(), &[]).is_err(), "a folder");
        assert!(imported(kind.name, &folder.path().join("none"), &[]).is_err(), "no file");
    }
}

/// Fields without number cost no more than reading them.
#[test]
fn many_fields_are_read_soon() {
    let fields: String = (0..60_000).map(|number| format!("Restarts{number}=1\n")).collect();
    let (_folder, path) = written("many.service", format!("[Service]\nRestart=always\n{fields}"));
    let started = std::time::Instant::now();
    let page = imported("systemd", &path, &[]).unwrap();
    let text = page.render("systemd");
    assert!(text.contains("more.") && text.len() < 10_000, "{}", text.len());
    assert!(started.elapsed().as_secs() < 10);
}

/// Every value of every fixture, replaced by values of other types: an error or a policy that is read.
#[test]
fn wrong_types_everywhere() {
    const ODD: &[&str] = &[
        "[]",
        "{}",
        "\"\"",
        "-1",
        "1e99",
        "true",
        "null",
        "99999999999999999999",
        "[[1]]",
        "\"\\\"\\n[x]\\n\"",
    ];
    for (kind, file, ..) in CASES {
        let path = Path::new(FIXTURES).join(file);
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let Some(at) = line.find(": ").or(line.find('=')) else { continue };
            for odd in ODD {
                let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
                let comma = if line.ends_with(',') { "," } else { "" };
                changed[index] =
                    format!("{}{odd}{comma}", &line[..at + if line[at..].starts_with('=') { 1 } else { 2 }]);
                sound(kind, changed.join("\n"));
            }
        }
    }
}

fn sound(kind: &str, text: impl AsRef<[u8]>) {
    let (_folder, path) = written("input", text);
    if let Ok(page) = imported(kind, &path, &[]) {
        let text = page.render(kind);
        let loaded = loaded(&page, &text);
        assert!(
            !loaded.failed(),
            "{kind}\n{}\n{text}",
            diag::render_all(&loaded.diagnostics, &loaded.files, false)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Bytes put into a fixture, or taken out: never a panic, and what is imported is a policy.
    #[test]
    fn damaged_files(case in 0..CASES.len(), at in any::<prop::sample::Index>(), cut in 0..20_usize, put in "[ -~\\n\"{}\\[\\]:&*]{0,8}") {
        let (kind, file, ..) = CASES[case];
        let mut bytes = fs::read(Path::new(FIXTURES).join(file)).unwrap();
        let from = at.index(bytes.len());
        let to = (from + cut).min(bytes.len());
        bytes.splice(from..to, put.bytes());
        sound(kind, bytes);
    }
}

fn idemcheck(args: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("idemcheck").unwrap().args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_policy_goes_to_stdout_and_what_was_assumed_to_stderr() {
    let (code, out, err) = idemcheck(&["import", "systemd", "tests/import/misplaced.service"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("# Imported from misplaced.service"), "{out}");
    assert!(!out.contains('\x1b'));
    for part in ["run_time", "WATCH OUT", "StartLimitIntervalSec=60", "did you mean RestartSec?"] {
        assert!(err.contains(part), "{part}\n{err}");
    }
}

#[test]
fn a_file_is_written_once_and_never_half() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    let path = path.to_str().unwrap();
    let good = ["import", "patroni", "tests/import/patroni.yml", "--output", path];
    assert_eq!(idemcheck(&good).0, 0);
    let first = fs::read_to_string(path).unwrap();
    let (code, _, err) = idemcheck(&good);
    assert!(code == 2 && err.contains("--force"), "{err}");
    let (code, _, err) =
        idemcheck(&["import", "patroni", "tests/import/nomad.json", "--output", path, "--force"]);
    assert!(code == 2 && err.contains("IDM260"), "{err}");
    assert_eq!(fs::read_to_string(path).unwrap(), first);
    let again: Vec<&str> = good.iter().copied().chain(["--force", "--assume", "pause=2s"]).collect();
    assert_eq!(idemcheck(&again).0, 0);
    assert_ne!(fs::read_to_string(path).unwrap(), first);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(
        idemcheck(&["verify", path, "--property", "single-flight"]).0,
        1,
        "a stall of 2 s is too much"
    );
}

#[test]
fn wrong_arguments_are_said() {
    for (args, expected) in [
        (&["import"][..], "required"),
        (&["import", "cron", "x"], "systemd"),
        (&["import", "systemd", "tests/import/none.service"], "no such file"),
        (
            &["import", "systemd", "tests/import/web.service", "--assume", "run_tim=1s"],
            "did you mean `run_time`?",
        ),
        (&["import", "systemd", "tests/import/web.service", "--assume", "run_time=soon"], "a duration"),
        (&["import", "systemd", "tests/import/web.service", "--assume", "fault=odd"], "persistent"),
        (&["import", "kured", "tests/import/kured.flags", "--assume", "nodes=7"], "1 to 6"),
    ] {
        let (code, out, err) = idemcheck(args);
        assert!(code == 2 && out.is_empty() && err.contains(expected), "{args:?}\n{err}");
    }
    let (code, out, _) = idemcheck(&["import", "--list"]);
    assert_eq!(code, 0);
    for kind in KINDS {
        assert!(out.contains(kind.name) && out.contains(kind.reads), "{}", kind.name);
    }
}
