//! Every code, by a text that provokes it, and where it is reported.

use std::collections::BTreeSet;

use idemcheck::diag::Code;

use super::support::{MODEL, POLICY, lines, policy_and_model, with};

#[test]
fn sound_files_have_nothing_to_report() {
    let loaded = policy_and_model(POLICY, MODEL);
    assert_eq!(lines(&loaded), [""; 0]);
    let policy = &loaded.policies[0].policy;
    assert_eq!(policy.trigger.timeout, Some(10_000));
    assert_eq!(policy.waivers[0].until, "2027-01-31");
    assert!(policy.waivers[0].is_expired("2027-02-01") && !policy.waivers[0].is_expired("2027-01-31"));
    let loaded = policy_and_model(MINIMAL, CALL);
    assert_eq!(lines(&loaded), [""; 0]);
    let policy = &loaded.policies[0].policy;
    assert_eq!((policy.trigger.requests, policy.trigger.retries, policy.faults.lost_responses), (2, 1, 1));
    assert!(policy.store.is_none() && policy.key.from.is_empty());
}

/// Changes to the sound model, with what is then reported.
const MODELS: &[(&str, &str, &[&str])] = &[
    ("fenced   = true", "fenced   = \"true\"", &["IDM012 m.toml 47:12"]),
    ("title = \"Claim, call, record\"", "title = \" \"", &["IDM022 m.toml 2:9"]),
    ("title = ", "titel = ", &["IDM010 m.toml 2:1"]),
    ("title = ", "role = ", &["IDM012 m.toml 2:8"]),
    ("title = \"Claim, call, record\"", "role.relay.every = \"1s\"", &["IDM011 m.toml 2:6"]),
    ("title = \"Claim, call, record\"", "role.relay.start = \"clam\"", &["IDM107 m.toml 2:20"]),
    ("title = \"Claim, call, record\"", "resume = \"clam\"", &["IDM107 m.toml 2:10"]),
    ("lost  = \"claim\"", "lost  = \"resume\"", &["IDM105 m.toml 25:9"]),
    ("model = \"receipt\"\n", "", &["IDM011 m.toml 1:1"]),
    ("\"receipt\"", "\"Receipt 1\"", &["IDM015 m.toml 1:9"]),
    ("do    = \"store.take_over\"\n", "", &["IDM011 m.toml 22:1"]),
    ("\"store.take_over\"", "\"store.takeover\"", &["IDM101 m.toml 23:9"]),
    (
        "\"store.take_over\"",
        "\"target.act\"",
        &["IDM102 m.toml 22:1", "IDM103 m.toml 24:1", "IDM103 m.toml 25:1"],
    ),
    ("lost  = \"claim\"\n", "", &["IDM102 m.toml 22:1"]),
    ("lost  = \"claim\"", "lost  = \"claim\"\nfailed = \"call\"", &["IDM103 m.toml 26:1"]),
    ("lost  = \"claim\"", "lost  = \"claim\"\nlost = \"call\"", &["IDM104 m.toml 26:1"]),
    ("lost  = \"claim\"", "lost  = \"clam\"", &["IDM105 m.toml 25:9"]),
    ("lost  = \"claim\"", "lost  = 3", &["IDM012 m.toml 25:9"]),
    ("\"respond.mismatch\"", "\"respond.nope\"", &["IDM106 m.toml 20:15"]),
    ("\"end.paged\"", "\"end.Paged\"", &["IDM015 m.toml 42:11"]),
    ("start = \"claim\"", "start = \"clam\"", &["IDM107 m.toml 3:9"]),
    (
        "start = \"claim\"",
        "start = \"record\"",
        &[
            "IDM108 m.toml 13:1",
            "IDM108 m.toml 22:1",
            "IDM108 m.toml 27:1",
            "IDM108 m.toml 32:1",
            "IDM108 m.toml 38:1",
        ],
    ),
    ("expired     = \"steal\"", "expired     = \"call\"", &["IDM108 m.toml 22:1"]),
    (
        "recorded = \"respond.success\"\nlost     = \"respond.unknown\"",
        "recorded = \"record\"\nlost     = \"record\"",
        &["IDM109 m.toml 44:1"],
    ),
    ("\"?in_flight\"", "\"?in_fligth\"", &["IDM110 m.toml 16:15"]),
    ("\"?in_flight\"", "\"poll\"", &["IDM111 m.toml 5:1"]),
    ("give_up   = \"respond.unknown\"", "give_up   = \"?in_flight\"", &["IDM112 m.toml 11:13"]),
    ("reconcile = \"query\"\ngive_up   = \"respond.unknown\"\n", "", &["IDM113 m.toml 9:1"]),
    (
        "[choice.unknown]",
        "[choice.Un]",
        &["IDM015 m.toml 9:9", "IDM110 m.toml 24:9", "IDM110 m.toml 35:11", "IDM110 m.toml 36:11"],
    ),
    ("for     = \"?poll\"", "for     = \"?Poll\"", &["IDM015 m.toml 29:11"]),
    ("for     = \"?poll\"", "for     = \"0s\"", &["IDM017 m.toml 29:11"]),
    ("for     = \"?poll\"", "for     = 5", &["IDM017 m.toml 29:11"]),
    ("as       = \"succeeded\"\n", "", &["IDM011 m.toml 44:1"]),
    ("as       = \"succeeded\"", "as       = \"succeded\"", &["IDM014 m.toml 46:12"]),
    ("[state.query]", "[state.call]", &["IDM009 m.toml 38:8"]),
    ("title = \"Claim, call, record\"", "title = Claim", &["IDM008 m.toml 2:9"]),
];

/// Changes to the sound policy, with what is then reported.
const POLICIES: &[(&str, &str, &[&str])] = &[
    ("kind  = \"postgres\"", "kind  = postgres", &["IDM008 p.toml 23:9"]),
    ("lease = \"30s\"", "lease = \"30s\"\nlease = \"31s\"", &["IDM009 p.toml 25:1"]),
    ("lease = \"30s\"", "leese = \"30s\"", &["IDM010 p.toml 24:1"]),
    ("effect   = \"create\"\n", "", &["IDM011 p.toml 5:1"]),
    ("requests = 2", "requests = \"2\"", &["IDM012 p.toml 16:12"]),
    ("query   = true", "query   = true\nlag     = \"1s\"", &["IDM013 p.toml 32:1"]),
    ("[faults]", "[simulate.durations]\nwork = {}\n[faults]", &["IDM253 p.toml 41:1"]),
    (
        "[faults]",
        "[simulate.durations]\nwork = { fixed = \"1s\", file = \"a\" }\n[faults]",
        &["IDM253 p.toml 41:1"],
    ),
    (
        "[faults]",
        "[simulate.durations]\nwork = { uniform = [\"2s\", \"1s\"] }\n[faults]",
        &["IDM253 p.toml 41:21"],
    ),
    (
        "[faults]",
        "[simulate.durations]\nwork = { lognormal = [\"2s\", \"2s\"] }\n[faults]",
        &["IDM253 p.toml 41:23"],
    ),
    (
        "[faults]",
        "[simulate.chances]\ncrash = 1.5\nabort = \"1%\"\n[faults]",
        &["IDM253 p.toml 41:9", "IDM253 p.toml 42:9"],
    ),
    ("kind     = \"http\"", "kind     = \"queue\"", &["IDM230 p.toml 3:11", "IDM230 p.toml 18:12"]),
    ("[expect]", "[queue]\nvisibility = \"1s\"\n\n[expect]", &["IDM230 p.toml 44:1"]),
    ("pause   = \"5s\"", "failovers = 1", &["IDM234 p.toml 42:1"]),
    ("[expect]", "[lock]\nlease = \"1s\"\n\n[expect]", &["IDM232 p.toml 44:1"]),
    ("[expect]", "[outbox]\ndedup = \"1s\"\n\n[expect]", &["IDM237 p.toml 44:1"]),
    (
        "[expect]",
        "[http]\nkey_header = \"no header\"\n[http.fields]\norder_id = \"body:/x\"\n\n[expect]",
        &["IDM250 p.toml 45:14", "IDM250 p.toml 47:12"],
    ),
    ("[expect]", "[http.fields]\nordre_id = \"json:/x\"\n\n[expect]", &["IDM251 p.toml 44:2"]),
    (
        "[expect]",
        "[load]\nurls = [\"ftp://h\", \"http://h/{{kee}}\"]\nbody = \"{}\"\nconflicting = \"{}\"\n[load.headers]\n\"a b\" = \"c\"\n[load.effects]\npointer = \"x\"\n\n[expect]",
        &[
            "IDM252 p.toml 45:9",
            "IDM252 p.toml 45:20",
            "IDM252 p.toml 47:15",
            "IDM252 p.toml 49:9",
            "IDM252 p.toml 50:1",
        ],
    ),
    (
        "[expect]",
        "[load]\nurls = [\"http://h\"]\nbody = \"{}\"\nkey_in_body = true\n[load.effects]\ncommand = [\"x\"]\n\n[expect]",
        &["IDM252 p.toml 47:15"],
    ),
    (
        "[expect]",
        "[load]\nurls = [\"http://h\"]\n[load.effects]\nsink = \"http://h/path\"\n\n[expect]",
        &["IDM252 p.toml 46:1"],
    ),
    (
        "[expect]",
        "[load]\nurls = [\"http://h\"]\n[load.effects]\nsink = \"http://h\"\nkey = \"body\"\n\n[expect]",
        &["IDM252 p.toml 46:1"],
    ),
    (
        "[expect]",
        "[load]\nurls = [\"http://h\"]\n[load.effects]\ncommand = [\"x\"]\nkey = \"json:/order\"\n\n[expect]",
        &["IDM252 p.toml 46:1"],
    ),
    (
        "[expect]",
        "[load]\nurls = [\"http://h/{{a}}\"]\n[load.values]\na = \"x\"\nb = \"x\"\nn = \"x\"\n[load.other.values]\nc = \"y\"\n[load.effects]\ncommand = [\"x\"]\n\n[expect]",
        &["IDM252 p.toml 46:7", "IDM252 p.toml 49:5", "IDM252 p.toml 50:7", "IDM252 p.toml 51:5"],
    ),
    ("[expect]", "[role.relay]\nruns = 1\n\n[expect]", &["IDM233 p.toml 44:7"]),
    ("pause   = \"5s\"", "duplicate_requests = 8\nlate_requests = 3", &["IDM203 p.toml 16:12"]),
    ("effect   = \"create\"", "effect   = \"creat\"", &["IDM014 p.toml 6:12"]),
    ("\"charge-card\"", "\"Charge card\"", &["IDM015 p.toml 1:11"]),
    ("requests = 2", "requests = 6", &["IDM016 p.toml 16:12"]),
    ("requests = 2", "requests = -1", &["IDM016 p.toml 16:12"]),
    ("requests = 2", "requests = 99999999999999999999", &["IDM016 p.toml 16:12"]),
    ("requests = 2", "requests = 9223372036854775807", &["IDM016 p.toml 16:12"]),
    ("timeout  = \"10s\"", "timeout  = 10", &["IDM017 p.toml 18:12"]),
    ("timeout  = \"10s\"", "timeout  = \"0s\"", &["IDM017 p.toml 18:12"]),
    ("timeout  = \"10s\"", "timeout  = \"9223372036854775807ms\"", &["IDM017 p.toml 18:12"]),
    ("backoff  = \"1s\"", "backoff  = \"-1s\"", &["IDM017 p.toml 19:12"]),
    ("poll = \"1s\"", "poll = \"1 s\"", &["IDM017 p.toml 38:8"]),
    ("identity = [\"tenant\", \"order_id\"]", "identity = [\"tenant\", \"tenant\"]", &["IDM018 p.toml 7:23"]),
    ("until    = 2027-01-31", "until    = \"2027-01-31\"", &["IDM019 p.toml 50:12"]),
    ("until    = 2027-01-31", "until    = 2027-01-31T10:00:00Z", &["IDM019 p.toml 50:12"]),
    ("identity = [\"tenant\", \"order_id\"]", "identity = []", &["IDM021 p.toml 7:12"]),
    ("reason   = \"swept by hand\"", "reason   = \" \"", &["IDM022 p.toml 49:12"]),
    ("reason   = \"swept by hand\"\n", "", &["IDM011 p.toml 47:1"]),
    ("requests = 2", "requests = 5\nconflicting = 2", &["IDM203 p.toml 16:12"]),
    ("[\"20ms\", \"8s\"]", "[\"8s\", \"20ms\"]", &["IDM204 p.toml 28:12"]),
    ("[\"20ms\", \"8s\"]", "[\"10s\", \"20s\"]", &["IDM229 p.toml 29:11"]),
    ("timeout = \"9s\"\n", "", &["IDM205 p.toml 29:11"]),
    (
        "[downstream]\nlatency = [\"20ms\", \"8s\"]\ntimeout = \"9s\"\nlate    = \"60s\"\nquery   = true\n",
        "",
        &["IDM206 p.toml 3:11"],
    ),
    ("[store]\nkind  = \"postgres\"\nlease = \"30s\"\nttl   = \"24h\"\n", "", &["IDM207 p.toml 3:11"]),
    ("query   = true\n", "", &["IDM210 p.toml 27:1"]),
    ("query   = true", "query   = false", &["IDM210 p.toml 31:11"]),
    ("query   = true", "query   = true\nnative_key = true", &["IDM212 p.toml 32:1"]),
    ("query   = true", "query   = true\nfencing = true", &["IDM214 p.toml 32:11"]),
    ("lease = \"30s\"\n", "", &["IDM215 p.toml 22:1"]),
    ("ttl   = \"24h\"", "ttl   = \"20s\"", &["IDM216 p.toml 24:9"]),
    ("within   = \"1h\"", "within   = \"10s\"", &["IDM217 p.toml 20:12"]),
    ("in_flight = \"wait\"\n", "", &["IDM218 p.toml 33:1"]),
    ("in_flight = \"wait\"", "in_fligth = \"wait\"", &["IDM219 p.toml 34:1"]),
    ("unknown   = \"reconcile\"", "unknown   = \"reconcil\"", &["IDM220 p.toml 35:13"]),
    ("[waits]\npoll = \"1s\"\n", "", &["IDM221 p.toml 3:11"]),
    ("poll = \"1s\"", "pull = \"1s\"", &["IDM222 p.toml 38:1"]),
    ("single-execution =", "single-executoin =", &["IDM223 p.toml 45:1"]),
    ("= \"violated\"", "= \"broken\"", &["IDM014 p.toml 45:20"]),
    ("property = \"no-stuck-key\"", "property = \"no-stuck\"", &["IDM223 p.toml 48:12"]),
    (
        "[[waiver]]",
        "[[waiver]]\nproperty = \"no-stuck-key\"\nreason = \"x\"\nuntil = 2027-01-01\n\n[[waiver]]",
        &["IDM225 p.toml 53:12"],
    ),
    ("supplied_by = \"client\"", "supplied_by = \"none\"", &["IDM226 p.toml 10:15"]),
    (
        "from        = [\"tenant\", \"order_id\"]\nfingerprint = [\"body\"]",
        "fingerprint = [\"body\"]",
        &["IDM021 p.toml 9:1"],
    ),
    (
        "[key]\nfrom        = [\"tenant\", \"order_id\"]\nfingerprint = [\"body\"]\n\
         supplied_by = \"client\"\n",
        "",
        &["IDM227 p.toml 3:11"],
    ),
    ("[[waiver]]", "[waiver]", &["IDM012 p.toml 47:1"]),
];

/// Codes that need other models than the sound one, or files.
const ELSEWHERE: &[&str] = &[
    "IDM001", "IDM002", "IDM003", "IDM004", "IDM005", "IDM006", "IDM007", "IDM020", "IDM100", "IDM114",
    "IDM115", "IDM200", "IDM201", "IDM208", "IDM209", "IDM211", "IDM213", "IDM228", "IDM231", "IDM235",
    "IDM236", "IDM240", "IDM241", "IDM242", "IDM243", "IDM244", "IDM260",
];

#[test]
fn each_change_has_its_diagnostics() {
    let mut wrong = Vec::new();
    let mut check = |policy: &str, model: &str, to: &str, expected: &[&str]| {
        let found = lines(&policy_and_model(policy, model));
        if found != expected {
            wrong.push(format!("{to}\n  expected {expected:?}\n  found    {found:?}"));
        }
    };
    for (from, to, expected) in MODELS {
        // Only the model's: a policy may rightly complain as well.
        let model = with(MODEL, from, to);
        let policy = "policy = \"p\"\nmodel = \"m\"\n[operation]\neffect = \"set\"\nidentity = [\"id\"]\n";
        let loaded = policy_and_model(policy, &model);
        let found: Vec<_> = lines(&loaded).into_iter().filter(|line| line.contains("m.toml")).collect();
        if found != *expected {
            check(policy, &model, to, expected);
        }
    }
    for (from, to, expected) in POLICIES {
        check(&with(POLICY, from, to), MODEL, to, expected);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn while_choices_are_open_nothing_is_said_that_depends_on_them() {
    let mut policy = POLICY.to_owned();
    for line in [
        "[choices]\n",
        "in_flight = \"wait\"\n",
        "unknown   = \"reconcile\"\n",
        "[waits]\n",
        "poll = \"1s\"\n",
    ] {
        policy = with(&policy, line, "");
    }
    // Whether anybody waits or asks is what the choices decide.
    let policy = with(&policy, "query   = true\n", "");
    let loaded = policy_and_model(&policy, MODEL);
    assert_eq!(lines(&loaded), ["IDM218 p.toml 3:11"]);
    let paste = loaded.diagnostics[0].paste.as_deref();
    let block =
        "[choices]\nin_flight = \"reject\"   # or \"wait\"\nunknown   = \"reconcile\"   # or \"give_up\"";
    assert_eq!(paste, Some(block));
    // What is so whatever is chosen is said at once.
    let unleased = with(&policy, "lease = \"30s\"\n", "");
    assert_eq!(lines(&policy_and_model(&unleased, MODEL)).len(), 2);
}

#[test]
fn no_code_is_without_a_test() {
    let rows = MODELS.iter().chain(POLICIES).flat_map(|(_, _, expected)| *expected);
    let mut tested: BTreeSet<&str> = rows.map(|line| &line[..6]).collect();
    tested.extend(ELSEWHERE);
    let untested: Vec<&str> =
        Code::ALL.iter().map(|code| code.id()).filter(|id| !tested.contains(id)).collect();
    assert_eq!(untested, [""; 0]);
}

const MINIMAL: &str = r#"policy = "p"
model = "m"
operation = { effect = "set", identity = ["id"] }
[downstream]
"#;

const CALL: &str = r#"model = "m"
start = "a"
[state.a]
do = "downstream.call"
ok = "respond.success"
error = "respond.error"
timeout = "respond.unknown"
"#;

#[test]
fn promises_that_nobody_uses_are_warnings() {
    let policy = with(
        POLICY,
        "[choices]\nin_flight = \"wait\"\nunknown   = \"reconcile\"\n\n[waits]\npoll = \"1s\"\n",
        "",
    );
    let loaded = policy_and_model(&policy, CALL);
    assert_eq!(lines(&loaded), ["IDM209 p.toml 22:1"]);
    assert_eq!(loaded.policies.len(), 1, "a warning keeps nobody from checking");
    let wait =
        "model = \"m\"\nstart = \"a\"\n[state.a]\ndo = \"wait\"\nfor = \"1s\"\nelapsed = \"end.done\"\n";
    assert_eq!(lines(&policy_and_model(&policy, wait)), ["IDM209 p.toml 22:1", "IDM208 p.toml 27:1"]);
}

#[test]
fn keys_and_tokens_that_are_ignored_are_warnings() {
    let model = with(
        MODEL,
        "do      = \"downstream.call\"",
        "do      = \"downstream.call\"\nkey = true\ntoken = true",
    );
    assert_eq!(lines(&policy_and_model(POLICY, &model)), ["IDM211 p.toml 27:1", "IDM213 p.toml 27:1"]);
    let said = with(POLICY, "query   = true", "query   = true\nnative_key = false\nfencing = false");
    assert_eq!(lines(&policy_and_model(&said, &model)), [""; 0]);
    let honoured =
        with(POLICY, "query   = true", "query = true\nnative_key = { ttl = \"1h\" }\nfencing = true");
    let loaded = policy_and_model(&honoured, &model);
    assert_eq!(lines(&loaded), [""; 0]);
    let downstream = loaded.policies[0].policy.downstream.as_ref().expect("a downstream");
    assert_eq!(downstream.native_key.and_then(|native| native.ttl), Some(3_600_000));
}

#[test]
fn a_field_that_changes_per_attempt_is_a_warning() {
    let policy = with(POLICY, "from        = [\"tenant\", \"order_id\"]", "from = [\"tenant\", \"sent_at\"]");
    assert_eq!(lines(&policy_and_model(&policy, MODEL)), [""; 0], "the policy expects a violation");
    let policy = with(&policy, "[expect]\nsingle-execution = \"violated\"\n", "");
    assert_eq!(lines(&policy_and_model(&policy, MODEL)), ["IDM228 p.toml 10:19"]);
    let policy = with(&policy, "effect   = \"create\"", "effect = \"create\"\nstable = [\"sent_at\"]");
    assert_eq!(lines(&policy_and_model(&policy, MODEL)), [""; 0]);
}

#[test]
fn what_the_choices_leave_out_needs_no_promise() {
    let policy = with(POLICY, "in_flight = \"wait\"", "in_flight = \"reject\"");
    let policy = with(&policy, "unknown   = \"reconcile\"", "unknown = \"give_up\"");
    let policy = with(&policy, "query   = true\n", "");
    let policy = with(&policy, "[waits]\npoll = \"1s\"\n", "");
    let loaded = policy_and_model(&policy, MODEL);
    assert_eq!(lines(&loaded), [""; 0]);
    assert!(loaded.policies[0].policy.waits.contains_key("poll"), "every named wait has a length");
}

#[test]
fn models_have_states_and_not_too_many() {
    let policy = MINIMAL;
    let none = "model = \"m\"\nstart = \"a\"\n";
    assert_eq!(lines(&policy_and_model(policy, none)), ["IDM100 m.toml 1:1"]);
    let mut many = CALL.to_owned();
    for number in 0..60 {
        many.push_str(&format!("[state.s{number}]\ndo = \"wait\"\nfor = \"1s\"\nelapsed = \"end.x\"\n"));
    }
    assert_eq!(lines(&policy_and_model(policy, &many)), ["IDM114 m.toml 244:1"]);
}

#[test]
fn a_commit_writes_something_that_is_known() {
    let policy = MINIMAL.replace("[downstream]", "[store]\nkind = \"memory\"\n[key]\nsupplied_by = \"none\"");
    let policy = policy.as_str();
    let model = |writes: &str| {
        format!(
            r#"model = "m"
start = "a"
[state.a]
do = "store.commit"
writes = {writes}
committed = "respond.success"
lost = "respond.error"
aborted = "a"
unknown = "respond.unknown"
"#
        )
    };
    let found = |writes: &str| lines(&policy_and_model(policy, &model(writes)));
    assert_eq!(found("[\"receipt\", \"effect\"]"), [""; 0]);
    assert_eq!(found("[\"effect\", \"outbox\"]"), [""; 0]);
    assert_eq!(found("[\"effect\", \"checkpoint\"]"), ["IDM011 m.toml 5:10"]);
    assert_eq!(found("[]"), ["IDM021 m.toml 5:10"]);
    assert_eq!(found("[\"efect\"]"), ["IDM014 m.toml 5:11"]);
}

#[test]
fn deliveries_and_locks_belong_to_models_that_use_them() {
    let model = |operation: &str, outcomes: [&str; 2]| {
        let [good, bad] = outcomes;
        format!(
            "model = \"m\"\nstart = \"a\"\n[state.a]\ndo = \"{operation}\"\n{good} = \"end.done\"\n{bad} = \"end.not\"\n"
        )
    };
    let policy = |more: &str| {
        format!("policy = \"p\"\nmodel = \"m\"\n[operation]\neffect = \"set\"\nidentity = [\"id\"]\n{more}")
    };
    let found = |model: &str, more: &str| lines(&policy_and_model(&policy(more), model));
    let (ack, lock) = (model("queue.ack", ["acked", "lost"]), model("lock.acquire", ["acquired", "busy"]));
    assert_eq!(found(&ack, ""), ["IDM230 p.toml 2:9"]);
    assert_eq!(found(&ack, "[trigger]\nkind = \"http\"\n"), ["IDM230 p.toml 6:1"]);
    assert_eq!(found(&ack, "[trigger]\nkind = \"queue\"\n"), [""; 0]);
    assert_eq!(found(&lock, ""), ["IDM231 p.toml 2:9"]);
    assert_eq!(found(&lock, "[lock]\nlease = \"1s\"\n"), [""; 0]);
    let unreachable = lock.replace("busy = ", "unavailable = \"respond.error\"\nbusy = ");
    assert_eq!(found(&unreachable, "[lock]\nlease = \"1s\"\n"), [""; 0]);
    let nonsense = ack.replace("lost = ", "unavailable = \"respond.error\"\nlost = ");
    assert_eq!(found(&nonsense, "[trigger]\nkind = \"queue\"\n"), ["IDM103 m.toml 6:1"]);
}

#[test]
fn what_cannot_be_checked_together_is_refused() {
    let model = "model = \"m\"\nstart = \"a\"\n[role.completer]\nstart = \"find\"\n\
         [state.a]\ndo = \"downstream.call\"\nok = \"b\"\nerror = \"end.a\"\ntimeout = \"end.a\"\n\
         [state.b]\ndo = \"store.commit\"\nwrites = [\"effect\", \"receipt\"]\n\
         committed = \"end.a\"\nlost = \"end.a\"\naborted = \"end.a\"\nunknown = \"end.a\"\n\
         [state.find]\ndo = \"store.find_abandoned\"\nfound = \"a\"\nnone = \"end.a\"\n";
    let policy = "policy = \"p\"\nmodel = \"m\"\n[operation]\neffect = \"set\"\nidentity = [\"id\"]\n\
         [key]\nfrom = [\"id\", \"at\"]\nsupplied_by = \"client\"\n[downstream]\ntimeout = \"1s\"\n\
         [store]\nkind = \"redis\"\nlease = \"1s\"\nloses_writes = true\n[faults]\nfailovers = 1\n\
         [expect]\nsingle-execution = \"violated\"\n";
    assert_eq!(lines(&policy_and_model(policy, model)), ["IDM235 p.toml 2:9", "IDM236 p.toml 2:9"]);
}
