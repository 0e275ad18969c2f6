//! Disagreements, and steps that no engine took, about deliveries, roles, replicas and outboxes.

use std::sync::atomic::AtomicBool;

use idemcheck::check::property::Property;
use idemcheck::check::verdict::{PolicyResult, Verdict};
use idemcheck::check::{Engine, Limits, VerifyOptions};

use crate::agree::{Course, ask, compare};
use crate::regressions::{ONE, case, verdict};

const QUIET: &str = "[faults]\ncrashes = 0\nlost_responses = 0\n";

/// Polls until the receipt says something else, which it never will: the sweeper has had its run.
#[test]
fn a_receipt_that_is_not_swept_stays() {
    let model = r#"
        model = "m"
        title = "Records, then polls; a sweeper deletes"
        start = "record"
        [role.sweeper]
        start = "sweep"
        [state.record]
        do = "store.record"
        as = "failed"
        recorded = "poll"
        lost = "respond.unknown"
        [state.poll]
        do = "store.read"
        absent = "respond.error"
        in_progress = "respond.error"
        expired = "respond.error"
        succeeded = "respond.replay"
        failed = "pause"
        mismatch = "respond.mismatch"
        [state.pause]
        do = "wait"
        for = "1ms"
        elapsed = "poll"
        [state.sweep]
        do = "store.sweep"
        swept = "end.done"
        none = "end.done"
    "#;
    let tables =
        format!("{ONE}[store]\nkind = \"postgres\"\nttl = \"2ms\"\n[role.sweeper]\nruns = 1\n{QUIET}");
    let (verdict, _) = verdict(&case(model, &tables), Property::NoStuckKey);
    assert_eq!(verdict, Verdict::Violated);
}

/// One read is answered by the replica and the next one by the store, round after round.
#[test]
fn reads_take_turns_between_the_replica_and_the_store() {
    let model = r#"
        model = "m"
        title = "Records, then looks for nothing and for something in turn"
        start = "record"
        [state.record]
        do = "store.record"
        as = "succeeded"
        recorded = "look"
        lost = "respond.unknown"
        [state.look]
        do = "store.read"
        absent = "again"
        in_progress = "respond.error"
        expired = "respond.error"
        succeeded = "respond.replay"
        failed = "respond.error"
        mismatch = "respond.mismatch"
        [state.again]
        do = "store.read"
        absent = "respond.error"
        in_progress = "respond.error"
        expired = "respond.error"
        succeeded = "pause"
        failed = "respond.error"
        mismatch = "respond.mismatch"
        [state.pause]
        do = "wait"
        for = "1ms"
        elapsed = "look"
    "#;
    let tables = format!("{ONE}[store]\nkind = \"postgres\"\nstale_reads = true\n{QUIET}");
    let (verdict, _) = verdict(&case(model, &tables), Property::NoStuckKey);
    assert_eq!(verdict, Verdict::Violated);
}

/// A claim is given up late, when its lease is over, and picked up later still by a completer.
#[test]
fn a_claim_stays_stuck_until_the_completer_comes() {
    let model = r#"
        model = "m"
        title = "Claims, waits, gives up"
        start = "claim"
        [role.completer]
        start = "find"
        [state.claim]
        do = "store.insert"
        inserted = "pause"
        in_progress = "respond.in_flight"
        expired = "respond.in_flight"
        succeeded = "respond.replay"
        failed = "respond.replay"
        mismatch = "respond.mismatch"
        [state.pause]
        do = "wait"
        for = "3ms"
        elapsed = "respond.error"
        [state.find]
        do = "store.find_abandoned"
        found = "free"
        none = "end.idle"
        [state.free]
        do = "store.release"
        released = "end.done"
        lost = "end.done"
    "#;
    let store = "[store]\nkind = \"postgres\"\nlease = \"1ms\"\n";
    let tables = format!("{ONE}{store}[role.completer]\nruns = 1\nevery = \"4ms\"\n{QUIET}");
    let case = case(model, &tables);
    let result = ask(&case, Engine::Zones, idemcheck::check::Reductions::ALL).expect("it can be checked");
    let number =
        result.properties.iter().find(|p| p.property == Property::NoStuckKey).unwrap().number.clone();
    assert_eq!(number.and_then(|number| number.exact), Some(2));
    assert_eq!(compare(&case).expect("the engines agree"), Course::Agreed);
}

/// A role that runs over the attempts' states has no message to acknowledge.
#[test]
fn a_run_of_a_role_is_no_delivery() {
    let model = r#"
        model = "m"
        title = "Acknowledges, and lets a role do so, too"
        start = "work"
        [role.helper]
        start = "ack"
        every = "1ms"
        [state.work]
        do = "store.commit"
        writes = ["effect"]
        committed = "ack"
        lost = "end.redeliver"
        aborted = "end.redeliver"
        unknown = "end.redeliver"
        [state.ack]
        do = "queue.ack"
        acked = "end.done"
        lost = "end.done"
    "#;
    let trigger = "[trigger]\nkind = \"queue\"\nrequests = 1\nretries = 0\n[queue]\nvisibility = \"3ms\"\n";
    let tables = format!("{trigger}[store]\nkind = \"postgres\"\n{QUIET}");
    let (verdict, _) = verdict(&case(model, &tables), Property::NoLostMessage);
    assert_eq!(verdict, Verdict::Holds);
}

/// The broker does not hear of an acknowledgement: that step reads otherwise than one that it hears of.
#[test]
fn an_acknowledgement_that_nobody_hears_of_says_so() {
    let model = r#"
        model = "m"
        title = "Acknowledges first"
        start = "ack"
        [state.ack]
        do = "queue.ack"
        acked = "work"
        lost = "end.redeliver"
        [state.work]
        do = "store.commit"
        writes = ["effect"]
        committed = "end.done"
        lost = "end.given_up"
        aborted = "end.given_up"
        unknown = "end.given_up"
    "#;
    let trigger = "[trigger]\nkind = \"queue\"\nrequests = 2\nretries = 0\n";
    let faults = "[faults]\ncrashes = 0\nlost_responses = 1\n";
    let tables = format!("{trigger}[store]\nkind = \"postgres\"\n{faults}");
    let (verdict, _) = verdict(&case(model, &tables), Property::SingleExecution);
    assert_eq!(verdict, Verdict::Violated);
}

/// A request and its copy are told apart.
#[test]
fn a_copy_of_a_request_has_a_name_of_its_own() {
    let model = r#"
        model = "m"
        title = "Writes, then claims"
        start = "write"
        [state.write]
        do = "store.commit"
        writes = ["effect"]
        committed = "claim"
        lost = "claim"
        aborted = "write"
        unknown = "claim"
        [state.claim]
        do = "store.insert"
        inserted = "respond.success"
        in_progress = "respond.in_flight"
        expired = "respond.in_flight"
        succeeded = "respond.replay"
        failed = "respond.replay"
        mismatch = "respond.mismatch"
    "#;
    let faults = "[faults]\ncrashes = 0\nlost_responses = 0\nduplicate_requests = 1\n";
    let tables = format!("{ONE}[store]\nkind = \"postgres\"\n{faults}");
    let (verdict, _) = verdict(&case(model, &tables), Property::SingleExecution);
    assert_eq!(verdict, Verdict::Violated);
}

const DUAL: &str = r#"
    model = "m"
    title = "Writes, looks again later, publishes, records"
    start = "write"
    [state.write]
    do = "store.commit"
    writes = ["effect"]
    committed = "settle"
    lost = "respond.error"
    aborted = "respond.error"
    unknown = "respond.error"
    [state.settle]
    do = "wait"
    for = "3ms"
    elapsed = "look"
    [state.look]
    do = "state.load"
    applied = "publish"
    absent = "respond.error"
    [state.publish]
    do = "outbox.publish"
    ok = "record"
    timeout = "publish"
    [state.record]
    do = "store.record"
    as = "succeeded"
    recorded = "respond.success"
    lost = "respond.unknown"
"#;

/// The failover undoes the last write only, and the message's effect is an older one: the message
/// went out with good reason, and stays out.
#[test]
fn a_failover_takes_back_no_message_that_went_straight_to_the_broker() {
    let store = "[store]\nkind = \"postgres\"\nloses_writes = true\nstaleness = \"1ms\"\n";
    let faults = "[faults]\ncrashes = 0\nlost_responses = 0\nfailovers = 1\n";
    let (verdict, _) = verdict(&case(DUAL, &format!("{ONE}{store}{faults}")), Property::OutboxAtomic);
    assert_eq!(verdict, Verdict::Holds);
}

/// With a replica that lags longer the effect is undone, too, and the message is out.
#[test]
fn a_failover_may_take_back_the_effect_of_a_message_that_is_out() {
    let store = "[store]\nkind = \"postgres\"\nloses_writes = true\n";
    let faults = "[faults]\ncrashes = 0\nlost_responses = 0\nfailovers = 1\n";
    let (verdict, _) = verdict(&case(DUAL, &format!("{ONE}{store}{faults}")), Property::OutboxAtomic);
    assert_eq!(verdict, Verdict::Violated);
}

/// A message is gone for good once it is acknowledged, and a failover can still undo what it did.
#[test]
fn a_failover_can_undo_what_was_acknowledged() {
    let model = r#"
        model = "m"
        title = "Works, then acknowledges"
        start = "work"
        [state.work]
        do = "store.commit"
        writes = ["effect"]
        committed = "ack"
        lost = "end.redeliver"
        aborted = "end.redeliver"
        unknown = "end.redeliver"
        [state.ack]
        do = "queue.ack"
        acked = "end.done"
        lost = "end.done"
    "#;
    let trigger = "[trigger]\nkind = \"queue\"\nrequests = 1\nretries = 0\n";
    let faults = "[faults]\ncrashes = 0\nlost_responses = 0\nfailovers = 1\n";
    let tables = format!("{trigger}[store]\nkind = \"postgres\"\nloses_writes = true\n{faults}");
    let (verdict, _) = verdict(&case(model, &tables), Property::NoLostMessage);
    assert_eq!(verdict, Verdict::Violated);
}

/// The relay dies between two steps, whatever the broker of the messages notices of its consumers.
#[test]
fn a_relay_dies_though_the_broker_notices_nothing() {
    let model = r#"
        model = "m"
        title = "A consumer with an outbox, and a relay that marks first"
        start = "work"
        [role.relay]
        start = "next"
        [state.work]
        do = "store.commit"
        writes = ["effect", "receipt", "outbox"]
        committed = "ack"
        lost = "ack"
        aborted = "end.redeliver"
        unknown = "end.redeliver"
        [state.ack]
        do = "queue.ack"
        acked = "end.done"
        lost = "end.done"
        [state.next]
        do = "outbox.next"
        message = "mark"
        empty = "end.idle"
        [state.mark]
        do = "outbox.mark"
        marked = "publish"
        lost = "end.done"
        [state.publish]
        do = "outbox.publish"
        ok = "end.done"
        timeout = "publish"
    "#;
    let queue = "[queue]\nvisibility = \"3ms\"\nnotices_crashes = false\n";
    let trigger = format!("[trigger]\nkind = \"queue\"\nrequests = 1\nretries = 0\n{queue}");
    let faults = "[faults]\ncrashes = 1\nlost_responses = 0\n";
    let tables = format!("{trigger}[store]\nkind = \"postgres\"\n[role.relay]\nruns = 1\n{faults}");
    let (verdict, _) = verdict(&case(model, &tables), Property::OutboxAtomic);
    assert_eq!(verdict, Verdict::Violated);
}

/// When the claim of one row ends, a relay may find that row or the next: it says which.
#[test]
fn a_relay_says_which_row_it_picked() {
    let model = r#"
        model = "m"
        title = "Rows without an effect, and a relay that never marks"
        start = "write"
        [role.relay]
        start = "next"
        [state.write]
        do = "store.commit"
        writes = ["outbox"]
        committed = "respond.success"
        lost = "respond.error"
        aborted = "respond.error"
        unknown = "respond.error"
        [state.next]
        do = "outbox.next"
        claim = true
        message = "publish"
        empty = "publish"
        [state.publish]
        do = "outbox.publish"
        ok = "end.done"
        timeout = "end.done"
    "#;
    let trigger = "[trigger]\nkind = \"http\"\nrequests = 2\nretries = 0\n";
    let store = "[store]\nkind = \"postgres\"\nlease = \"1ms\"\n";
    let tables = format!("{trigger}{store}[role.relay]\nruns = 2\nevery = \"1ms\"\n{QUIET}");
    let (verdict, _) = verdict(&case(model, &tables), Property::OutboxAtomic);
    assert_eq!(verdict, Verdict::Violated);
}

/// Two messages of two operations under one id: the second is dropped, late in the search. With room
/// for every state the search is whole, however often it comes to them; with less it says so.
#[test]
fn a_limit_on_states_ends_no_search_in_silence() {
    let model = r#"
        model = "m"
        title = "Calls, then acknowledges"
        start = "call"
        [state.call]
        do = "downstream.call"
        ok = "ack"
        error = "nack"
        timeout = "nack"
        [state.ack]
        do = "queue.ack"
        acked = "end.done"
        lost = "end.done"
        [state.nack]
        do = "queue.nack"
        requeued = "end.redeliver"
        lost = "end.redeliver"
    "#;
    let queue = "[queue]\nvisibility = \"3ms\"\ndedup = \"3ms\"\n";
    let trigger = format!("[trigger]\nkind = \"queue\"\nrequests = 2\nretries = 0\n{queue}");
    let mut case = case(model, &format!("{trigger}[downstream]\nerrors = \"ambiguous\"\n{QUIET}"));
    case.policy.operation.identity.push("tenant".to_owned());
    let check = |states_max| {
        let limits = Limits { states_max, memory_max: None, time_max: None };
        let (engine, cancel) = (Engine::Stateright, &AtomicBool::new(false));
        let options = VerifyOptions {
            engine,
            limits,
            today: "2026-01-01",
            cancel,
            progress: &|_| (),
            properties: &[],
            fail_fast: &[],
        };
        idemcheck::check::verify(&case.policy, &case.protocol, &options).expect("it can be checked")
    };
    let verdicts = |result: &PolicyResult| -> Vec<Verdict> {
        result.properties.iter().map(|property| property.verdict).collect()
    };
    let whole = check(None);
    let room = check(Some(whole.search.visited + whole.loops.as_ref().map_or(0, |loops| loops.visited) + 1));
    assert!(whole.complete() && room.complete());
    assert_eq!(verdicts(&room), verdicts(&whole));
    assert!(!check(Some(whole.search.visited / 4)).complete());
    assert!(!verdicts(&check(Some(whole.search.visited / 4))).contains(&Verdict::Holds));
}
