//! Disagreements that were found, each as small as it could be made.

use idemcheck::check::property::Property;
use idemcheck::check::verdict::{Counterexample, Verdict};
use idemcheck::check::{Engine, replay};
use idemcheck::model::shipped::shipped;
use idemcheck::policy::{SuppliedBy, load_texts};

use crate::agree::{Course, ask, compare};
use crate::cases::Case;

/// A case from the text of a model and of the tables that its policy needs beside the usual ones.
pub fn case(model: &str, tables: &str) -> Case {
    let policy = format!(
        "policy = \"case\"\nsummary = \"A case\"\nmodel = \"m\"\n\n[operation]\neffect = \"create\"\n\
         identity = [\"order\"]\n\n[key]\nfrom = [\"order\"]\nsupplied_by = \"client\"\n\n{tables}"
    );
    let loaded = load_texts(("policy.toml".as_ref(), &policy), ("model.toml".as_ref(), model));
    assert!(!loaded.failed(), "{:?}", loaded.diagnostics);
    let found = &loaded.policies[0];
    Case { protocol: found.protocol.as_ref().clone(), policy: found.policy.clone() }
}

/// The verdict of both engines, which is the same.
pub fn verdict(case: &Case, property: Property) -> (Verdict, Option<Counterexample>) {
    assert_eq!(compare(case).expect("the engines agree"), Course::Agreed);
    let result = ask(case, Engine::Zones, idemcheck::check::Reductions::ALL).expect("it can be checked");
    let of = result.properties.into_iter().find(|p| p.property == property).expect("every property is there");
    (of.verdict, of.counterexample)
}

pub const ONE: &str = "[trigger]\nkind = \"http\"\nrequests = 1\nretries = 0\n\n";

/// The attempt goes round each time the receipt is forgotten. No `wait` is on the loop; time passes
/// all the same, and nobody is ever answered.
#[test]
fn a_loop_may_take_its_time_without_a_wait() {
    let model = r#"
        model = "m"
        title = "Claims, records, claims again"
        start = "claim"
        [state.claim]
        do = "store.insert"
        inserted = "record"
        in_progress = "respond.in_flight"
        expired = "respond.in_flight"
        succeeded = "respond.replay"
        failed = "respond.replay"
        mismatch = "respond.mismatch"
        [state.record]
        do = "store.record"
        as = "succeeded"
        fenced = true
        recorded = "claim"
        lost = "respond.unknown"
    "#;
    let tables = format!("{ONE}[store]\nkind = \"redis\"\nttl = \"1s\"\n[faults]\ncrashes = 0\n");
    let (verdict, run) = verdict(&case(model, &tables), Property::NoStuckKey);
    assert_eq!(verdict, Verdict::Violated);
    assert_eq!(run.and_then(|run| run.round_ms), Some(1000));
}

/// A step that breaks a property in two ways says so, as its replay does.
#[test]
fn the_last_step_says_all_that_it_breaks() {
    let model = r#"
        model = "m"
        title = "Takes an unknown commit for done"
        start = "commit"
        [state.commit]
        do = "store.commit"
        writes = ["effect", "receipt"]
        committed = "respond.success"
        lost = "respond.error"
        aborted = "respond.error"
        unknown = "respond.success"
    "#;
    let tables = format!("{ONE}[store]\nkind = \"redis\"\n[faults]\nambiguous_acks = 1\ncrashes = 0\n");
    let case = case(model, &tables);
    let (verdict, run) = verdict(&case, Property::NoLostEffect);
    assert_eq!(verdict, Verdict::Violated);
    let run = run.expect("a violation has a run");
    let breaks = run.steps.last().and_then(|step| step.breaks.clone()).unwrap_or_default();
    assert!(
        breaks.contains("the effect does not exist") && breaks.contains("before any receipt"),
        "{breaks}"
    );
    assert_eq!(replay(&case.policy, &case.protocol, &run).expect("it replays"), run.steps);
}

/// A transaction that writes no receipt neither finds one expired nor removes it.
#[test]
fn a_transaction_without_a_receipt_looks_at_none() {
    let model = r#"
        model = "m"
        title = "Claims, then writes the effect alone"
        start = "claim"
        [state.claim]
        do = "store.insert"
        inserted = "commit"
        in_progress = "respond.in_flight"
        expired = "respond.in_flight"
        succeeded = "respond.replay"
        failed = "respond.replay"
        mismatch = "respond.mismatch"
        [state.commit]
        do = "store.commit"
        writes = ["effect"]
        committed = "record"
        lost = "respond.error"
        aborted = "respond.error"
        unknown = "respond.error"
        [state.record]
        do = "store.record"
        as = "succeeded"
        fenced = true
        recorded = "respond.success"
        lost = "respond.unknown"
    "#;
    let faults = "[faults]\ncrashes = 0\nlost_responses = 0\npause = \"2s\"\n";
    let tables = format!("{ONE}[store]\nkind = \"redis\"\nttl = \"5s\"\n{faults}");
    let (verdict, _) = verdict(&case(model, &tables), Property::TtlCoversRetries);
    assert_eq!(verdict, Verdict::Holds);
}

/// The first round of a run without end needs other moments than those that can go on for ever.
#[test]
fn a_round_that_is_shown_goes_on_for_ever() {
    let model = r#"
        model = "m"
        title = "Claims until the key is free, and waits"
        start = "s0"
        [state.s0]
        do = "store.insert"
        inserted = "s2"
        in_progress = "respond.in_flight"
        expired = "s2"
        succeeded = "s1"
        failed = "s1"
        mismatch = "respond.mismatch"
        [state.s1]
        do = "store.insert"
        inserted = "s2"
        in_progress = "s2"
        expired = "s2"
        succeeded = "s2"
        failed = "s2"
        mismatch = "respond.mismatch"
        [state.s2]
        do = "wait"
        for = "1ms"
        elapsed = "s0"
    "#;
    let tables = "[trigger]\nkind = \"http\"\nrequests = 1\nretries = 1\n\n\
                  [store]\nkind = \"postgres\"\nlease = \"1ms\"\nttl = \"1ms\"\n[faults]\ncrashes = 0\n";
    let (verdict, run) = verdict(&case(model, tables), Property::NoStuckKey);
    assert_eq!(verdict, Verdict::Violated);
    assert!(run.and_then(|run| run.round_ms).is_some_and(|ms| ms > 0));
}

/// Two steps that look alike, one of which starts the receipt anew: at its TTL the attempt meets its
/// own claim, or finds none and claims again. Only the second can be gone round with for ever.
#[test]
fn a_round_takes_the_right_one_of_two_steps_that_look_alike() {
    let model = r#"
        model = "m"
        title = "Claims its own claim again and again"
        start = "claim"
        [state.claim]
        do = "store.insert"
        recognise_own = true
        inserted = "pause"
        in_progress = "pause"
        expired = "pause"
        succeeded = "respond.replay"
        failed = "respond.replay"
        mismatch = "respond.mismatch"
        [state.pause]
        do = "wait"
        for = "1ms"
        elapsed = "claim"
    "#;
    for ttl in [1, 3] {
        let store = format!("[store]\nkind = \"postgres\"\nlease = \"1ms\"\nttl = \"{ttl}ms\"\n");
        let tables = format!("{ONE}{store}[faults]\ncrashes = 0\n");
        let (verdict, _) = verdict(&case(model, &tables), Property::NoStuckKey);
        assert_eq!(verdict, Verdict::Violated, "ttl {ttl}");
    }
}

/// A round in integer time has a tick in it, whoever acts.
#[test]
fn a_round_takes_time() {
    let model = r#"
        model = "m"
        title = "Calls for ever"
        start = "call"
        [state.call]
        do = "downstream.call"
        ok = "call"
        error = "wait"
        timeout = "respond.unknown"
        [state.wait]
        do = "wait"
        for = "1ms"
        elapsed = "call"
    "#;
    let tables = format!(
        "{ONE}[downstream]\nlatency = [\"1ms\", \"2ms\"]\ntimeout = \"2ms\"\n[faults]\ncrashes = 0\n"
    );
    let (verdict, run) = verdict(&case(model, &tables), Property::NoStuckKey);
    assert_eq!(verdict, Verdict::Violated);
    assert!(run.and_then(|run| run.round_ms).is_some_and(|ms| ms > 0));
}

/// An owner that meets its claim knows it, be the lease good or over: two steps that look alike, and
/// only the second can be taken for ever.
#[test]
fn an_owner_claims_again_for_ever() {
    let model = r#"
        model = "m"
        title = "Claims again after an error"
        start = "claim"
        [state.claim]
        do = "store.insert"
        recognise_own = true
        inserted = "call"
        in_progress = "respond.in_flight"
        expired = "steal"
        succeeded = "respond.replay"
        failed = "respond.replay"
        mismatch = "respond.mismatch"
        [state.steal]
        do = "store.take_over"
        taken = "call"
        lost = "claim"
        [state.call]
        do = "downstream.call"
        ok = "respond.success"
        error = "claim"
        timeout = "respond.unknown"
    "#;
    let tables = format!(
        "{ONE}[store]\nkind = \"postgres\"\nlease = \"1ms\"\n\
         [downstream]\ntimeout = \"1ms\"\nerrors = \"definite\"\n[faults]\ncrashes = 0\n"
    );
    let (verdict, _) = verdict(&case(model, &tables), Property::NoStuckKey);
    assert_eq!(verdict, Verdict::Violated);
}

/// Two attempts go round, each with a receipt of its own, and are alike: a round is one in which
/// both act, not one of them twice.
#[test]
fn attempts_that_are_alike_take_turns_in_a_round() {
    let model = r#"
        model = "m"
        title = "Records for ever"
        start = "claim"
        [state.claim]
        do = "store.insert"
        inserted = "record"
        in_progress = "record"
        expired = "record"
        succeeded = "record"
        failed = "record"
        mismatch = "respond.mismatch"
        [state.record]
        do = "store.record"
        as = "succeeded"
        fenced = true
        recognise_own = true
        recorded = "record"
        lost = "respond.error"
    "#;
    let tables = "[trigger]\nkind = \"http\"\nrequests = 1\nretries = 1\nbackoff = \"1ms\"\n\n\
                  [store]\nkind = \"postgres\"\n[faults]\ncrashes = 0\npause = \"4ms\"\n";
    let mut case = case(model, tables);
    case.policy.key.from.clear();
    case.policy.key.supplied_by = SuppliedBy::Nobody;
    let (verdict, _) = verdict(&case, Property::NoStuckKey);
    assert_eq!(verdict, Verdict::Violated);
}

/// A session that a pooler shares may take its lock again, or another one once the lease is over: the run
/// says which.
#[test]
fn a_shared_session_reads_otherwise_than_a_lease_that_ended() {
    let model = r#"
        model = "m"
        title = "Takes the lock again and again"
        start = "first"
        [state.first]
        do = "lock.acquire"
        acquired = "second"
        busy = "respond.error"
        [state.second]
        do = "lock.acquire"
        acquired = "third"
        busy = "third"
        [state.third]
        do = "lock.acquire"
        acquired = "respond.success"
        busy = "respond.error"
    "#;
    let tables = "[trigger]\nkind = \"http\"\nrequests = 1\nretries = 1\ntimeout = \"4ms\"\n\n\
        [lock]\nlease = \"2ms\"\npooled = true\n\n[faults]\ncrashes = 0\n";
    let (verdict, _) = verdict(&case(model, tables), Property::ClaimExclusive);
    assert_eq!(verdict, Verdict::Violated);
}

/// A remediation by a shipped model.
fn remediation(model: &str, tables: &str) -> Case {
    let path = format!("models/{model}.toml");
    let (_, text) = shipped().into_iter().find(|(name, _)| *name == path).expect("it is shipped");
    remediation_by(model, text, tables)
}

/// A remediation by the model of this name and text.
fn remediation_by(model: &str, text: &str, tables: &str) -> Case {
    let policy = format!(
        "policy = \"case\"\nsummary = \"A case\"\nmodel = \"{model}\"\n\n[operation]\neffect = \"restart\"\n\
         identity = [\"node\"]\n\n{tables}"
    );
    let loaded = load_texts(("policy.toml".as_ref(), &policy), ("model.toml".as_ref(), text));
    assert!(!loaded.failed(), "{:?}", loaded.diagnostics);
    let found = &loaded.policies[0];
    Case { protocol: found.protocol.as_ref().clone(), policy: found.policy.clone() }
}

/// The alert comes again before the action ends, for ever: there is always an older run, or an older action,
/// which lives on while others come and go.
#[test]
fn older_runs_that_never_all_end_are_no_end() {
    for timeout in ["", "timeout = \"3m\"\n"] {
        let tables = format!(
            "[trigger]\nkind = \"alert\"\nrepeat = \"4m\"\ndelay = \"0s\"\noverlapping = 4\n\n\
             [target]\nkind = \"instance\"\nact = [\"9m\", \"10m\"]\n{timeout}lag = \"0s\"\nunknown = false\n\
             errors = \"never\"\nfault = \"persistent\"\n\n[action]\nkind = \"restart\"\n\n\
             [faults]\ncrashes = 0\nlost_responses = 0\npause = \"0s\"\n"
        );
        let case = remediation("act-on-alert", &tables);
        for property in [Property::Quiesces, Property::Escalates] {
            assert_eq!(verdict(&case, property).0, Verdict::Violated, "{property} with {timeout:?}");
        }
    }
}

/// Two members of a fleet under one lock: the second holder acts while the first one's action is under way.
#[test]
fn one_lock_for_a_fleet_is_one_for_all_its_members() {
    for (per, safe) in [("fleet", Verdict::Violated), ("target", Verdict::Holds)] {
        let tables = format!(
            "[trigger]\nkind = \"alert\"\noverlapping = 2\n\n[target]\nkind = \"fleet\"\nsize = 2\n\
             act = [\"2m\", \"4m\"]\nlag = \"0s\"\nunknown = false\nerrors = \"never\"\nfault = \"apparent\"\nfaulty = 2\n\n\
             [action]\nkind = \"reboot\"\n\n[guards.down]\nkind = \"in-flight\"\nlimit = 1\nper = \"target\"\n\n\
             [lock]\nlease = \"1m\"\nper = \"{per}\"\n\n[choices]\nbusy = \"later\"\nrefused = \"page\"\ndone = \"page\"\n\n\
             [faults]\ncrashes = 0\nlost_responses = 0\npause = \"0s\"\n"
        );
        assert_eq!(verdict(&remediation("locked-action", &tables), Property::LockSafe).0, safe, "{per}");
    }
}

/// Three runs go round, and the guard lets them in one after the other: a round is one in which all of them
/// act, though nobody waits for two of them.
#[test]
fn runs_that_nobody_waits_for_take_turns_in_a_round() {
    let model = r#"
        model = "m"
        title = "Asks the guard for ever"
        start = "ask"
        [state.ask]
        do = "guard.admit"
        admitted = "wait"
        cooling = "respond.error"
        limited = "look"
        open = "wait"
        flapping = "wait"
        exhausted = "wait"
        [state.wait]
        do = "wait"
        for = "1ms"
        elapsed = "ask"
        [state.look]
        do = "target.observe"
        converged = "respond.success"
        diverged = "respond.error"
        unknown = "respond.unknown"
    "#;
    let tables = "[trigger]\nkind = \"schedule\"\nevery = \"1ms\"\ndelay = \"0s\"\noverlapping = 3\n\n\
                  [target]\nkind = \"instance\"\nlag = \"0s\"\nunknown = false\nerrors = \"never\"\n\n\
                  [action]\nkind = \"restart\"\n\n[guards.g]\nkind = \"cooldown\"\nspan = \"1ms\"\n\n\
                  [faults]\ncrashes = 0\nlost_responses = 0\n";
    let (verdict, run) = verdict(&remediation_by("m", model, tables), Property::NoStuckKey);
    assert_eq!(verdict, Verdict::Violated);
    assert!(run.and_then(|run| run.round_ms).is_some_and(|ms| ms > 0));
}

/// Each run is overtaken by the next one before its first step: nobody waits for any run that acts, and all
/// of them act.
#[test]
fn runs_that_are_overtaken_before_they_act_take_part() {
    let looks = "do = \"target.observe\"\nconverged = \"end.done\"\ndiverged = \"end.failed\"\nunknown = \"end.failed\"";
    let acts = "do = \"target.act\"\nok = \"end.done\"\nerror = \"end.failed\"\ntimeout = \"end.gave_up\"";
    let breaks_off = "partial = true\nerrors = \"definite\"\nfault = \"persistent\"";
    for (then, target, property) in [
        (looks, "errors = \"never\"\nfault = \"curable\"", Property::Escalates),
        (acts, "errors = \"never\"\nfault = \"persistent\"", Property::Escalates),
        (acts, breaks_off, Property::BacksOut),
    ] {
        let model = format!(
            "model = \"m\"\ntitle = \"Waits first\"\nstart = \"wait\"\n\n[state.wait]\ndo = \"wait\"\n\
             for = \"2ms\"\nelapsed = \"then\"\n\n[state.then]\n{then}\n"
        );
        let tables = format!(
            "[trigger]\nkind = \"schedule\"\nevery = \"1ms\"\ndelay = \"0s\"\noverlapping = 2\n\n\
             [target]\nkind = \"instance\"\nact = [\"0s\", \"0s\"]\nlag = \"0s\"\nunknown = false\n\
             {target}\n\n[action]\nkind = \"restart\"\n\n\
             [faults]\ncrashes = 0\nlost_responses = 0\npause = \"0s\"\n"
        );
        let (verdict, run) = verdict(&remediation_by("m", &model, &tables), property);
        assert_eq!(verdict, Verdict::Violated, "{property}: {then}");
        assert!(run.is_some_and(|run| run.repeats_from.is_some()), "{property}: {then}");
    }
}

/// A claim that came back: what an old attempt commits after the receipt's TTL is not the own record of
/// another old attempt, however alike the two were to the resource.
#[test]
fn old_attempts_do_not_own_what_one_of_them_commits() {
    let model = r#"
        model = "m"
        title = "Calls, then commits the receipt; records where that is lost"
        start = "claim"
        [state.claim]
        do = "store.insert"
        recognise_own = true
        inserted = "call"
        in_progress = "respond.in_flight"
        expired = "steal"
        succeeded = "respond.replay"
        failed = "respond.replay"
        mismatch = "respond.mismatch"
        [state.steal]
        do = "store.take_over"
        recognise_own = true
        taken = "call"
        lost = "respond.in_flight"
        [state.call]
        do = "downstream.call"
        ok = "commit"
        error = "respond.error"
        timeout = "respond.unknown"
        [state.commit]
        do = "store.commit"
        writes = ["receipt"]
        committed = "respond.success"
        lost = "record"
        aborted = "call"
        unknown = "respond.unknown"
        [state.record]
        do = "store.record"
        as = "succeeded"
        fenced = true
        recorded = "respond.success"
        lost = "respond.unknown"
    "#;
    let tables = "[trigger]\nkind = \"http\"\nrequests = 3\nretries = 0\n\n\
                  [store]\nkind = \"postgres\"\nlease = \"1ms\"\nttl = \"2ms\"\n\n\
                  [downstream]\nlatency = [\"0s\", \"1ms\"]\ntimeout = \"2ms\"\nlate = \"0s\"\nerrors = \"never\"\n\n\
                  [faults]\ncrashes = 0\nlost_responses = 0\npause = \"8ms\"\n";
    // Three attempts are too many for integer time. What is forgotten of tokens must make no difference.
    let all = idemcheck::check::Reductions::ALL;
    let found = [true, false].map(|tokens| {
        let result = ask(&case(model, tables), Engine::Zones, idemcheck::check::Reductions { tokens, ..all });
        let found = result.expect("it can be checked").properties;
        found.iter().map(|found| (found.property, found.verdict)).collect::<Vec<_>>()
    });
    assert_eq!(found[0], found[1]);
    assert!(found[0].contains(&(Property::NoSelfConflict, Verdict::Holds)), "{found:?}");
}
