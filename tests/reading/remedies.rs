//! Remediations and systems: what does not belong together is said where it is.

use std::fs;

use idemcheck::policy::load;

use super::support::{lines, policy_and_model, with};

const MODEL: &str = r#"model = "m"
title = "Ask, look, act"
start = "admit"

[state.admit]
do        = "guard.admit"
admitted  = "look"
cooling   = "end.blocked"
limited   = "end.blocked"
open      = "end.blocked"
flapping  = "end.blocked"
exhausted = "page"

[state.look]
do        = "target.observe"
fresh     = true
converged = "end.well"
diverged  = "act"
unknown   = "page"

[state.act]
do      = "target.act"
ok      = "end.done"
error   = "page"
timeout = "page"

[state.page]
do    = "human.page"
paged = "end.paged"
"#;

const POLICY: &str = r#"policy = "restart-web"
model  = "m"
[operation]
effect   = "restart"
identity = ["host"]
[trigger]
kind   = "alert"
repeat = "5m"
delay  = "30s"
[target]
kind    = "instance"
act     = ["10s", "1m"]
timeout = "2m"
lag     = "15s"
fault   = "curable"
[action]
kind = "restart"
[guards.cooldown]
kind = "cooldown"
span = "10m"
[human]
within = "30m"
[faults]
pause = "5s"
"#;

/// Changes to the sound policy, with what is then reported.
const CHANGES: &[(&str, &str, &[&str])] = &[
    ("repeat = \"5m\"", "retries = 1", &["IDM230 p.toml 8:11"]),
    ("repeat = \"5m\"", "every = \"5m\"", &["IDM230 p.toml 8:9"]),
    ("kind   = \"alert\"\nrepeat = \"5m\"\ndelay  = \"30s\"", "kind = \"http\"", &["IDM230 p.toml 6:1"]),
    (
        "[target]\nkind    = \"instance\"\nact     = [\"10s\", \"1m\"]\ntimeout = \"2m\"\nlag     = \"15s\"\nfault   = \"curable\"\n",
        "",
        &["IDM240 p.toml 2:10"],
    ),
    ("[action]\nkind = \"restart\"\n", "", &["IDM240 p.toml 2:10"]),
    ("[guards.cooldown]\nkind = \"cooldown\"\nspan = \"10m\"\n", "", &["IDM240 p.toml 2:10"]),
    ("\"instance\"", "\"instance\"\nsize = 3", &["IDM242 p.toml 12:8"]),
    ("\"instance\"", "\"fleet\"\nsize = 2\nfloor = 3", &["IDM242 p.toml 13:9"]),
    ("\"instance\"", "\"instance\"\nstart = 3", &["IDM242 p.toml 12:9"]),
    ("\"instance\"", "\"value\"", &["IDM242 p.toml 10:1", "IDM242 p.toml 16:1"]),
    ("\"restart\"\n[guards", "\"restart\"\nsets = 1\n[guards", &["IDM242 p.toml 16:1"]),
    (
        "\"restart\"\n[guards",
        "\"restart\"\nsets = 1\nadds = 1\n[guards",
        &["IDM242 p.toml 16:1", "IDM242 p.toml 19:8"],
    ),
    ("fault   = \"curable\"", "fault   = \"curable\"\nper = \"1h\"", &["IDM242 p.toml 16:7"]),
    ("[faults]", "[faults]\nrestart = true", &["IDM242 p.toml 2:10"]),
    ("span = \"10m\"\n", "", &["IDM011 p.toml 18:1"]),
    ("kind = \"cooldown\"", "kind = \"cooldwon\"", &["IDM014 p.toml 19:8"]),
    ("[\"10s\", \"1m\"]", "[\"2m\", \"10s\"]", &["IDM242 p.toml 12:18"]),
    ("kind = \"restart\"", "kind = \"reboots\"", &["IDM014 p.toml 17:8"]),
    ("\"alert\"", "\"alrt\"", &["IDM014 p.toml 7:10"]),
    ("[human]", "[lock]\nper = \"target\"\n[human]", &["IDM232 p.toml 21:1", "IDM242 p.toml 21:1"]),
];

#[test]
fn each_change_has_its_diagnostics() {
    assert_eq!(lines(&policy_and_model(POLICY, MODEL)), [""; 0]);
    let mut wrong = Vec::new();
    for (from, to, expected) in CHANGES {
        let found = lines(&policy_and_model(&with(POLICY, from, to), MODEL));
        if found != *expected {
            wrong.push(format!("{to}\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_model_has_no_use_for_is_a_warning() {
    let call = "model = \"m\"\ntitle = \"Call\"\nstart = \"call\"\n[state.call]\ndo = \"downstream.call\"\n\
                ok = \"respond.success\"\nerror = \"respond.error\"\ntimeout = \"respond.unknown\"\n";
    let policy = with(POLICY, "kind   = \"alert\"\nrepeat = \"5m\"\ndelay  = \"30s\"", "kind = \"http\"");
    let policy = with(
        &policy,
        "[human]\nwithin = \"30m\"",
        "[human]\napproval = \"5m\"\n[downstream]\ntimeout = \"9s\"",
    );
    let found = lines(&policy_and_model(&policy, call));
    assert_eq!(found.iter().filter(|line| line.starts_with("IDM241")).count(), 4, "{found:?}");
}

#[test]
fn a_target_and_receipts_are_checked_apart() {
    let model = with(MODEL, "ok      = \"end.done\"", "ok      = \"call\"")
        + "
[state.call]
do = \"downstream.call\"
ok = \"end.done\"
error = \"end.done\"
timeout = \"end.done\"
";
    let policy = with(POLICY, "[human]", "[downstream]\ntimeout = \"9s\"\n[human]");
    let found = lines(&policy_and_model(&policy, &model));
    assert!(found.iter().any(|line| line.starts_with("IDM242")), "{found:?}");
}

#[test]
fn members_of_a_system_share_their_target() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    file("m.toml", MODEL);
    let named = |policy: &str, target: &str| {
        let text = with(POLICY, "restart-web", policy);
        with(&text, "[target]\n", &format!("[target]\nname = \"{target}\"\n"))
    };
    file("one.toml", &named("one", "web"));
    file("two.toml", &named("two", "web"));
    file("other.toml", &named("other", "db"));
    let found = |text: &str| {
        file("system.toml", text);
        lines(&load(&[folder.path().to_owned()], None))
    };
    // Two policies touch one target, and nobody looks at both.
    assert_eq!(found("policy = \"s\"\n[system]\nmembers = [\"one.toml\"]\n").len(), 2);
    let system = |members: &str| format!("policy = \"s\"\n[system]\nmembers = [{members}]\n");
    assert_eq!(found(&system("\"one.toml\", \"two.toml\"")), [""; 0]);
    assert_eq!(found(&system("\"one\", \"two\"")), [""; 0]);
    let of_system = |members: &str| {
        let all = found(&system(members));
        all.into_iter().filter(|line| line.starts_with("IDM243")).collect::<Vec<_>>()
    };
    assert_eq!(of_system("\"one.toml\", \"other.toml\""), ["IDM243 system.toml 3:24"]);
    assert_eq!(of_system("\"one\", \"to\""), ["IDM243 system.toml 3:19"]);
    assert_eq!(of_system("\"one\", \"none.toml\""), ["IDM243 system.toml 3:19"]);
    assert_eq!(of_system("\"one\", \"system.toml\""), ["IDM243 system.toml 3:19"]);
    assert_eq!(of_system("\"one\""), ["IDM243 system.toml 2:1"]);
}
