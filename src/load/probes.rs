//! What each probe does.

use std::ops::Range;
use std::time::Duration;

use super::Places;
use super::lab::{Halt, Lab, Shot, Via};
use super::probe::Probe;
use super::proxy::{Fault, Faulty, Weather};
use super::report::Batch;
use super::run::Plan;
use super::send::overlap;
use crate::check::property::Property;
use crate::history::record::{Failure, Outcome};

/// How far a probe got.
pub enum Tried {
    Whole,
    /// Not everything, and why.
    Partly(String),
    /// Nothing, and why.
    Skipped(String),
}

/// Requests that show how long an operation takes.
const MEASURED: u64 = 3;
/// Bytes that are added to payloads.
const PADDINGS: [usize; 2] = [100 << 10, 2 << 20];
/// Characters of keys that are too long for many.
const KEY_LENGTHS: [usize; 2] = [300, 5000];
/// When the service is killed, as parts of the time that an operation takes.
const PARTS: [f64; 3] = [0.25, 0.5, 0.75];
/// Between the letting go of a request and its being at work.
const ARRIVAL_TIME: Duration = Duration::from_millis(3);
/// How long the store is away.
const STORE_DOWN_TIME: Duration = Duration::from_millis(600);
/// What a store takes longer in some batches: the window of a race grows with it.
const STORE_LATENCY: Duration = Duration::from_millis(2);

/// Every probe but P1.
pub(super) async fn go(lab: &mut Lab<'_>, probe: Probe, plan: &Plan) -> Result<Tried, Halt> {
    match probe {
        Probe::Burst => Ok(Tried::Whole),
        Probe::Replay => replay(lab, plan).await,
        Probe::OtherPayload => other_payload(lab, plan).await,
        Probe::OtherInFlight => other_in_flight(lab, plan).await,
        Probe::Failure => failure(lab, plan).await,
        Probe::Slow => slow(lab, plan).await,
        Probe::Crash => crash(lab, plan).await,
        Probe::Expiry => expiry(lab).await,
        Probe::OtherScope => other_scope(lab, plan).await,
        Probe::Cut => cut(lab, plan).await,
        Probe::Malformed => malformed(lab).await,
        Probe::Replicas => replicas(lab, plan).await,
        Probe::StoreDown => store_down(lab, plan).await,
    }
}

fn skipped(why: impl Into<String>) -> Result<Tried, Halt> {
    Ok(Tried::Skipped(why.into()))
}

/// P1, one batch: what came of it, and why it ended early.
pub(super) async fn batch(
    lab: &mut Lab<'_>,
    plan: &Plan,
    number: u64,
    bursts: Range<u64>,
) -> (Batch, Result<(), Halt>) {
    let spread_out = number % 2 == 1;
    let over_the_handler = lab.handler / u32::try_from(plan.size).unwrap_or(1);
    let stagger = plan.stagger.unwrap_or(if spread_out { over_the_handler } else { Duration::ZERO });
    let mut batch = Batch { stagger_us: stagger.as_micros() as u64, ..Batch::default() };
    if let Some(store) = &lab.store {
        store.set(Weather::Fair(if spread_out { STORE_LATENCY } else { Duration::ZERO }));
    }
    let mut spreads = Vec::new();
    let mut halted = Ok(());
    for number in bursts {
        if let Err(halt) = one_burst(lab, plan, number, stagger, &mut batch, &mut spreads).await {
            halted = Err(halt);
            break;
        }
    }
    let counted = lab.count_all().await;
    batch.duplicated += std::mem::take(&mut lab.duplicated);
    spreads.sort_unstable();
    batch.spread_us = spreads.get(spreads.len() / 2).copied().unwrap_or(0);
    if let Some(store) = &lab.store {
        store.set(Weather::Fair(Duration::ZERO));
    }
    (batch, halted.and(counted))
}

async fn one_burst(
    lab: &mut Lab<'_>,
    plan: &Plan,
    number: u64,
    stagger: Duration,
    batch: &mut Batch,
    spreads: &mut Vec<u64>,
) -> Result<(), Halt> {
    let key = lab.key(number);
    let shots: Vec<Shot> = (0..plan.size)
        .map(|n| Shot { late: stagger * u32::try_from(n).unwrap_or(u32::MAX), ..Shot::default() })
        .collect();
    let seen = lab.burst(&Via::First, &key, &shots).await?;
    let exchanges: Vec<_> = seen.into_iter().map(|(exchange, _)| exchange).collect();
    if let Some((spread, together)) = overlap(&exchanges) {
        spreads.push(spread.as_micros() as u64);
        batch.overlapped += u64::from(together);
    }
    batch.bursts += 1;
    lab.settle(&key, Shot::default(), true).await?;
    lab.over(&key).await
}

/// Requests under keys of their own, to see that they succeed, and how long they take.
pub(super) async fn measure(lab: &mut Lab<'_>) -> Result<(), Halt> {
    for number in 0..MEASURED {
        let key = lab.key(u64::MAX - number);
        let (exchange, outcome) = lab.burst(&Via::First, &key, &[Shot::default()]).await?.remove(0);
        match (exchange.ended, outcome) {
            (Some(ended), Outcome::Final) => {
                let time = ended.duration_since(exchange.due);
                lab.handler = if number == 0 { time } else { lab.handler.min(time) };
            }
            _ => {
                let said = match &exchange.answer {
                    Ok(answer) => {
                        let body: String = String::from_utf8_lossy(&answer.body).chars().take(200).collect();
                        format!("{} {body}", answer.status)
                    }
                    Err(why) => why.clone(),
                };
                return Err(Halt::Failed(format!(
                    "a first request did not succeed ({}): [load] has to describe one that does",
                    said.trim()
                )));
            }
        }
    }
    Ok(())
}

/// P2.
async fn replay(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    for round in 0..plan.rounds {
        let key = lab.key(round);
        lab.one(&key, Shot::default()).await?;
        if !lab.load.late {
            lab.count(&key).await?;
        }
        for _ in 0..3 {
            lab.one(&key, Shot::default()).await?;
        }
        lab.over(&key).await?;
    }
    Ok(Tried::Whole)
}

/// Why another payload is not tried.
fn no_other_payload(lab: &Lab<'_>) -> Option<&'static str> {
    match &lab.load.conflicting {
        None => Some("no `conflicting` payload in [load]"),
        Some(_) if lab.policy.key.fingerprint.is_empty() => Some("the policy compares no payloads"),
        Some(_) => None,
    }
}

const CONFLICTING: Shot =
    Shot { conflicting: true, padding: 0, slow: false, failing: false, other: false, late: Duration::ZERO };

/// P3.
async fn other_payload(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    if let Some(why) = no_other_payload(lab) {
        return skipped(why);
    }
    let key = lab.key(plan.rounds);
    if lab.one(&key, CONFLICTING).await? != Outcome::Final {
        return skipped("the `conflicting` payload does not succeed under a key of its own, either");
    }
    lab.over(&key).await?;
    for round in 0..plan.rounds {
        let key = lab.key(round);
        for shot in [Shot::default(), CONFLICTING, Shot::default(), CONFLICTING, Shot::default()] {
            lab.one(&key, shot).await?;
        }
        lab.over(&key).await?;
    }
    Ok(Tried::Whole)
}

/// P4.
async fn other_in_flight(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    if let Some(why) = no_other_payload(lab) {
        return skipped(why);
    }
    let slow = lab.load.slow.is_some();
    for round in 0..plan.rounds {
        let key = lab.key(round);
        let mixed: Vec<Shot> =
            (0..plan.size.min(8)).map(|n| Shot { conflicting: n % 2 == 1, ..Shot::default() }).collect();
        lab.burst(&Via::First, &key, &mixed).await?;
        for shot in [Shot::default(), CONFLICTING] {
            lab.one(&key, shot).await?;
        }
        lab.over(&key).await?;
        if let Some(time) = slow_time(lab).filter(|_| round == 0) {
            let key = lab.key(plan.rounds);
            let first = Shot { slow: true, ..Shot::default() };
            let others = [0.25, 0.5].map(|part| Shot { late: time.mul_f64(part), ..CONFLICTING });
            lab.burst(&Via::First, &key, &[first, others[0], others[1]]).await?;
            lab.settle(&key, Shot::default(), true).await?;
            lab.over(&key).await?;
        }
    }
    Ok(if slow {
        Tried::Whole
    } else {
        Tried::Partly("without [load.slow], the other payload only came at the same moment".to_owned())
    })
}

fn slow_time(lab: &Lab<'_>) -> Option<Duration> {
    let (_, time) = lab.load.slow.as_ref()?;
    Some(Duration::from_millis(u64::try_from(*time).unwrap_or(0)))
}

/// P5.
async fn failure(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    if lab.load.failing.is_none() {
        return skipped("no [load.failing] in the policy");
    }
    let mut failed = false;
    for round in 0..plan.rounds {
        let key = lab.key(round);
        for _ in 0..3 {
            let outcome = lab.one(&key, Shot { failing: true, ..Shot::default() }).await?;
            failed |= outcome != Outcome::Final || lab.terms.failure == Failure::Replay;
        }
        match lab.terms.failure {
            Failure::Release => _ = lab.settle(&key, Shot::default(), true).await?,
            Failure::Hold => _ = lab.one(&key, Shot::default()).await?,
            // The failure is the result.
            Failure::Replay => {}
        }
        lab.over(&key).await?;
    }
    Ok(if failed {
        Tried::Whole
    } else {
        Tried::Partly("what [load.failing] describes did not fail".to_owned())
    })
}

/// P6.
async fn slow(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    let Some(time) = slow_time(lab) else { return skipped("no [load.slow] in the policy") };
    let lease = lab.lease();
    // Early, after the lease, and when the first one has ended and whoever took over is still at it.
    let after_lease = lease.map(|lease| lease + lease / 10).filter(|lease| *lease < time);
    let mut lates = vec![Duration::ZERO, time / 4];
    lates.extend(after_lease.into_iter().flat_map(|late| [late, time + time / 10]));
    let longest = lates.iter().max().copied().unwrap_or_default() + time;
    if longest > lab.caps.wait {
        return skipped(format!("it would take {longest:?}, longer than --longest-wait {:?}", lab.caps.wait));
    }
    let mut quickest = Duration::MAX;
    for round in 0..plan.rounds.min(2) {
        let key = lab.key(round);
        let shots: Vec<Shot> =
            lates.iter().map(|late| Shot { slow: true, late: *late, ..Shot::default() }).collect();
        let seen = lab.burst(&Via::First, &key, &shots).await?;
        let taken = seen[0].0.ended.map(|ended| ended.duration_since(seen[0].0.due));
        quickest = quickest.min(taken.unwrap_or(Duration::MAX));
        lab.settle(&key, Shot { slow: true, ..Shot::default() }, true).await?;
        lab.over(&key).await?;
    }
    let mut doubts = Vec::new();
    if quickest < time.mul_f64(0.9) {
        doubts.push(format!("what [load.slow] describes took {quickest:.0?}, not {time:?}"));
    }
    if after_lease.is_none() {
        doubts.push(match lease {
            None => "the policy has no lease that could end: only an early duplicate".to_owned(),
            Some(lease) => format!("{time:?} is within the lease of {lease:?}: only an early duplicate"),
        });
    }
    if let Some(ttl) = lab.terms.ttl.map(|ttl| Duration::from_nanos(ttl.min)).filter(|ttl| *ttl <= longest) {
        doubts.push(format!(
            "receipts live for {ttl:?} only: a second effect may belong to a next life of the key"
        ));
    }
    Ok(whole_but_for(doubts))
}

fn whole_but_for<S: AsRef<str>>(doubts: Vec<S>) -> Tried {
    let doubts: Vec<&str> = doubts.iter().map(AsRef::as_ref).collect();
    if doubts.is_empty() { Tried::Whole } else { Tried::Partly(doubts.join("; ")) }
}

/// P7.
async fn crash(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    if lab.services.is_empty() {
        return skipped("the service was not started by this run (--command)");
    }
    let (time, shot) = at_work(lab);
    let mut number = 0;
    for _ in 0..plan.rounds.min(2) {
        for part in PARTS {
            killed(lab, number, shot, Kill::After(ARRIVAL_TIME + time.mul_f64(part))).await?;
            number += 1;
        }
        killed(lab, number, shot, Kill::EffectSeen).await?;
        number += 1;
        if lab.downstream.is_some() {
            killed(lab, number, shot, Kill::AnswerHeld).await?;
            number += 1;
        }
    }
    let mut untried = Vec::new();
    if lab.downstream.is_none() {
        untried.push(
            "no --downstream-proxy, so the kill between effect and record is by looking for the effect",
        );
    }
    if let Some(why) = frozen(lab, number).await? {
        untried.push(why);
    }
    Ok(whole_but_for(untried))
}

/// The request that is longest at work, and for how long.
fn at_work(lab: &Lab<'_>) -> (Duration, Shot) {
    match slow_time(lab) {
        Some(time) => (time, Shot { slow: true, ..Shot::default() }),
        None => (lab.handler, Shot::default()),
    }
}

#[derive(Clone, Copy)]
enum Kill {
    After(Duration),
    /// When its effect is counted.
    EffectSeen,
    /// When what it calls has answered, before it hears of it.
    AnswerHeld,
}

async fn killed(lab: &mut Lab<'_>, number: u64, shot: Shot, when: Kill) -> Result<(), Halt> {
    let key = lab.key(number);
    let mut services = std::mem::take(&mut lab.services);
    let (effects, random) = (lab.effects.clone(), lab.random(&key));
    let trips = lab.downstream.as_ref().map_or(0, super::proxy::Between::trips);
    let downstream = lab.downstream.take();
    if let (Kill::AnswerHeld, Some(downstream)) = (when, &downstream) {
        downstream.set(Weather::Trap);
    }
    let moment = async {
        match (when, &downstream) {
            (Kill::After(after), _) => tokio::time::sleep(after).await,
            (Kill::AnswerHeld, Some(downstream)) => downstream.tripped(trips).await,
            (Kill::EffectSeen | Kill::AnswerHeld, _) => {
                let places = Places { key: &key, n: 0, random };
                // What can't be counted now may be later.
                while effects.count(&places, None).await.unwrap_or(0) == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    };
    let answered = tokio::sync::Notify::new();
    let burst = async {
        let seen = lab.burst(&Via::First, &key, &[shot]).await;
        answered.notify_one();
        seen
    };
    let kill = async {
        tokio::select! {
            () = moment => {}
            () = answered.notified() => {}
        }
        services[0].kill();
    };
    let (seen, ()) = tokio::join!(burst, kill);
    if let Some(downstream) = &downstream {
        downstream.set(Weather::Fair(Duration::ZERO));
    }
    let restarted = services[0].restart().await;
    (lab.services, lab.downstream) = (services, downstream);
    restarted?;
    seen?;
    lab.settle(&key, Shot::default(), true).await?;
    lab.over(&key).await
}

/// Of two processes, the one at work stands still until the other has taken over. None: it was tried.
async fn frozen(lab: &mut Lab<'_>, number: u64) -> Result<Option<&'static str>, Halt> {
    let lease = lab.lease();
    let (Some(lease), Some(time)) = (lease, slow_time(lab)) else {
        return Ok(Some("nothing was frozen: that needs a lease and [load.slow]"));
    };
    if lab.services.len() < 2 {
        return Ok(Some("nothing was frozen: that needs a second address"));
    }
    if lease + time * 2 > lab.caps.wait {
        return Ok(Some("nothing was frozen: it would take longer than --longest-wait"));
    }
    let key = lab.key(number);
    let mut services = std::mem::take(&mut lab.services);
    let ice = async {
        tokio::time::sleep(ARRIVAL_TIME + time / 2).await;
        services[0].freeze();
        tokio::time::sleep(lease + time).await;
        services[0].thaw();
    };
    // To the first and the second address in turns.
    let slow = Shot { slow: true, ..Shot::default() };
    let later = Shot { late: lease + lease / 10, ..slow };
    let shots = [slow, later];
    let (seen, ()) = tokio::join!(lab.burst(&Via::All, &key, &shots), ice);
    lab.services = services;
    seen?;
    lab.settle(&key, slow, true).await?;
    lab.over(&key).await?;
    Ok(None)
}

/// P8.
async fn expiry(lab: &mut Lab<'_>) -> Result<Tried, Halt> {
    let Some(ttl) = lab.terms.ttl else { return skipped("the policy keeps receipts for ever") };
    let Some(longest) = ttl.max.map(Duration::from_nanos) else {
        return skipped("nothing says when a receipt is cleared away at the latest");
    };
    let wait = longest + longest / 20 + Duration::from_millis(20);
    if wait > lab.caps.wait {
        return skipped(format!("it would take {wait:?}, longer than --longest-wait {:?}", lab.caps.wait));
    }
    let key = lab.key(0);
    lab.one(&key, Shot::default()).await?;
    lab.one(&key, Shot::default()).await?;
    for _ in 0..2 {
        lab.count(&key).await?;
        tokio::time::sleep(wait).await;
        lab.burst(&Via::First, &key, &[Shot::default(); 3]).await?;
        lab.settle(&key, Shot::default(), true).await?;
    }
    lab.count(&key).await?;
    Ok(Tried::Whole)
}

/// P9.
async fn other_scope(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    let Some(other) = lab.load.other.as_ref() else { return skipped("no [load.other] in the policy") };
    let payloads = if lab.load.conflicting.is_some() { 2 } else { 1 };
    let mut understood = false;
    for round in 0..plan.rounds {
        let key = lab.key(round);
        lab.one(&key, Shot::default()).await?;
        lab.let_effects_land().await;
        let (before, ..) = lab.ask(&key, Some(other)).await?;
        let shot = Shot { other: true, conflicting: round % payloads == 1, ..Shot::default() };
        let outcome = lab.one(&key, shot).await?;
        understood |= matches!(outcome, Outcome::Final | Outcome::Mismatch | Outcome::InFlight);
        lab.one(&key, shot).await?;
        lab.let_effects_land().await;
        lab.count_other(&key, before).await?;
        lab.one(&key, Shot::default()).await?;
    }
    Ok(if understood {
        Tried::Whole
    } else {
        Tried::Partly("what [load.other] describes was never accepted".to_owned())
    })
}

/// P10.
async fn cut(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    if lab.targets[0].is_encrypted() {
        return skipped("the connection is encrypted: where a message ends can't be seen from outside");
    }
    let faulty = Faulty::start(lab.targets[0].authority())?;
    let (time, shot) = at_work(lab);
    let patience = ARRIVAL_TIME + time + Duration::from_millis(100);
    let key = lab.key(u64::from(u32::MAX));
    if lab.burst(&Via::Faulty(&faulty, patience), &key, &[shot]).await?[0].0.answer.is_err() {
        return skipped("nothing comes back over HTTP/1.1, which this probe needs");
    }
    let mut faults = vec![
        Fault::LoseRequest,
        Fault::CutRequest,
        Fault::LoseAnswer,
        Fault::Late(patience + Duration::from_millis(200)),
    ];
    faults.extend(PARTS.map(|part| Fault::CutAfter(time.mul_f64(part))));
    let mut number = 0;
    for _ in 0..plan.rounds.min(2) {
        for fault in &faults {
            let key = lab.key(number);
            number += 1;
            faulty.next(*fault);
            lab.burst(&Via::Faulty(&faulty, patience), &key, &[shot]).await?;
            lab.burst(&Via::First, &key, &[Shot::default(); 2]).await?;
            lab.settle(&key, Shot::default(), true).await?;
            lab.over(&key).await?;
        }
    }
    Ok(Tried::Whole)
}

/// P11.
async fn malformed(lab: &mut Lab<'_>) -> Result<Tried, Halt> {
    let key = lab.key(0);
    let status = lab.unrecorded(&key, None).await?;
    if let Some(status) = status.filter(|status| (200..300).contains(status)) {
        let message = format!(
            "a request without a key was answered {status}: nothing keeps its retry from acting again"
        );
        lab.find("no-key-needed", Property::ReserveBeforeEffect, &key, message);
    }
    for (number, length) in KEY_LENGTHS.into_iter().enumerate() {
        let start = lab.key(number as u64 + 1);
        let long = format!("{start}-{}", "x".repeat(length));
        // Who cuts keys off takes the two for one.
        for end in ["a", "b"] {
            let key = format!("{long}{end}");
            let first = lab.one(&key, Shot::default()).await?;
            let second = lab.one(&key, Shot::default()).await?;
            // A counter, too, may refuse such a key.
            if [first, second].contains(&Outcome::Final) || lab.ask(&key, None).await.is_ok() {
                lab.over(&key).await?;
            }
        }
    }
    if !lab.load.body.trim_start().starts_with(['{', '[']) {
        return Ok(Tried::Partly("the payload is no JSON, which blanks could make longer".to_owned()));
    }
    for (number, padding) in PADDINGS.into_iter().enumerate() {
        let key = lab.key((KEY_LENGTHS.len() + number) as u64 + 1);
        let shot = Shot { padding, ..Shot::default() };
        lab.one(&key, shot).await?;
        lab.one(&key, shot).await?;
        lab.over(&key).await?;
    }
    Ok(Tried::Whole)
}

/// P12.
async fn replicas(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    if lab.targets.len() < 2 {
        return skipped("there is one address; give another process of the service a second one");
    }
    for round in 0..plan.rounds * 10 {
        let key = lab.key(round);
        lab.burst(&Via::All, &key, &vec![Shot::default(); plan.size]).await?;
        lab.settle(&key, Shot::default(), true).await?;
        lab.burst(&Via::Second, &key, &[Shot::default()]).await?;
        lab.over(&key).await?;
    }
    Ok(Tried::Whole)
}

/// P13.
async fn store_down(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    if lab.store.is_none() {
        return skipped("nothing stands between the service and its store (--store-proxy)");
    }
    let (time, shot) = at_work(lab);
    let mut number = 0;
    for _ in 0..plan.rounds.min(2) {
        // Away from the start, away in the middle, and standing still in the middle.
        for (weather, after) in [
            (Weather::Down, Duration::ZERO),
            (Weather::Down, ARRIVAL_TIME + time / 2),
            (Weather::Still, ARRIVAL_TIME + time / 2),
        ] {
            let key = lab.key(number);
            number += 1;
            let Some(store) = lab.store.take() else { break };
            if after.is_zero() {
                store.set(weather);
            }
            let away = async {
                tokio::time::sleep(after).await;
                store.set(weather);
                tokio::time::sleep(STORE_DOWN_TIME).await;
                store.set(Weather::Fair(Duration::ZERO));
            };
            let shots = [shot, shot];
            let (seen, ()) = tokio::join!(lab.burst(&Via::First, &key, &shots), away);
            lab.store = Some(store);
            seen?;
            lab.settle(&key, shot, true).await?;
            lab.over(&key).await?;
        }
    }
    Ok(Tried::Whole)
}
