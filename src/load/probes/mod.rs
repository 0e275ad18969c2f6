//! What each probe does.

mod broken;

use std::ops::Range;
use std::time::Duration;

use crate::check::property::Property;
use crate::history::record::{Failure, Outcome};
use crate::load::fault::Injected;
use crate::load::lab::{Halt, Lab, Shot, Via};
use crate::load::probe::Probe;
use crate::load::proxy::Weather;
use crate::load::report::Batch;
use crate::load::run::Plan;
use crate::load::send::overlap;
use crate::load::sink::{Behaviour, Does};

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
/// What a store takes longer in some batches.
const SLOWER: Duration = Duration::from_millis(2);

/// Every probe but P1.
pub(in crate::load) async fn go(lab: &mut Lab<'_>, probe: Probe, plan: &Plan) -> Result<Tried, Halt> {
    match probe {
        Probe::Burst => Ok(Tried::Whole),
        Probe::Replay => replay(lab, plan).await,
        Probe::OtherPayload => other_payload(lab, plan).await,
        Probe::OtherInFlight => other_in_flight(lab, plan).await,
        Probe::Failure => failure(lab, plan).await,
        Probe::Slow => slow(lab, plan).await,
        Probe::Crash => broken::crash(lab, plan).await,
        Probe::Expiry => expiry(lab).await,
        Probe::OtherScope => other_scope(lab, plan).await,
        Probe::Cut => broken::cut(lab, plan).await,
        Probe::Malformed => malformed(lab).await,
        Probe::Replicas => replicas(lab, plan).await,
        Probe::StoreDown => broken::store_down(lab, plan).await,
    }
}

fn skipped(why: impl Into<String>) -> Result<Tried, Halt> {
    Ok(Tried::Skipped(why.into()))
}

/// P1, one batch: what came of it, and why it ended early.
pub(in crate::load) async fn batch(
    lab: &mut Lab<'_>,
    plan: &Plan,
    number: u64,
    bursts: Range<u64>,
) -> (Batch, Result<(), Halt>) {
    let spread_out = number % 2 == 1;
    let over_the_handler = lab.handler / u32::try_from(plan.size).unwrap_or(1);
    let stagger = plan.stagger.unwrap_or(if spread_out { over_the_handler } else { Duration::ZERO });
    // Each way of sending has its turn with both.
    lab.turn = (number / 2) as usize % lab.senders.len();
    let technique = plan.techniques.get(lab.turn).map(|technique| technique.name()).unwrap_or_default();
    let mut batch = Batch { technique, stagger_us: stagger.as_micros() as u64, ..Batch::default() };
    let mut halted = if spread_out { slower(lab, true).await } else { Ok(()) };
    let mut spreads = Vec::new();
    for number in bursts {
        if halted.is_err() {
            break;
        }
        if let Err(halt) = one_burst(lab, plan, number, stagger, &mut batch, &mut spreads).await {
            halted = Err(halt);
        }
    }
    let counted = lab.count_all().await;
    batch.duplicated += std::mem::take(&mut lab.duplicated);
    spreads.sort_unstable();
    batch.spread_us = spreads.get(spreads.len() / 2).copied().unwrap_or(0);
    let calm = if spread_out { slower(lab, false).await } else { Ok(()) };
    lab.turn = 0;
    (batch, halted.and(counted).and(calm))
}

/// The window of a race grows with what the service waits for: its store, or its downstream.
async fn slower(lab: &mut Lab<'_>, slower: bool) -> Result<(), Halt> {
    if let Some(store) = &lab.store {
        store.set(Weather::Fair(if slower { SLOWER } else { Duration::ZERO }));
        if slower {
            lab.inject(Injected::StoreSlow);
        }
    }
    let ms = SLOWER.as_millis() as u64;
    let allowed = lab.policy.downstream.as_ref().is_some_and(|downstream| {
        downstream.latency_max.is_none_or(|most| u64::try_from(most).is_ok_and(|most| most > ms))
    });
    if let Some(sink) = lab.effects.sink().filter(|_| allowed) {
        let does = if slower { Does::Delay(ms) } else { Does::Answer };
        sink.tell(&Behaviour { does, ..Behaviour::default() }).await?;
        if slower {
            lab.inject(Injected::CallSlow);
        }
    }
    Ok(())
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
pub(in crate::load) async fn measure(lab: &mut Lab<'_>) -> Result<(), Halt> {
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

const CONFLICTING: Shot = Shot {
    conflicting: true,
    padding: 0,
    slow: false,
    failing: false,
    other: false,
    late: Duration::ZERO,
    downstream: None,
};

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
    let slow = lab.slow_time().is_some();
    for round in 0..plan.rounds {
        let key = lab.key(round);
        let mixed: Vec<Shot> =
            (0..plan.size.min(8)).map(|n| Shot { conflicting: n % 2 == 1, ..Shot::default() }).collect();
        lab.burst(&Via::First, &key, &mixed).await?;
        for shot in [Shot::default(), CONFLICTING] {
            lab.one(&key, shot).await?;
        }
        lab.over(&key).await?;
        if let Some(time) = lab.slow_time().filter(|_| round == 0) {
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
        Tried::Partly(
            "without [load.slow] or a sink, the other payload only came at the same moment".to_owned(),
        )
    })
}

/// P5.
async fn failure(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    if !lab.can_fail() {
        return skipped("no [load.failing] in the policy, nor a sink whose errors are definite");
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
    Ok(if failed { Tried::Whole } else { Tried::Partly("what was to fail did not".to_owned()) })
}

/// P6.
async fn slow(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    let Some(time) = lab.slow_time() else {
        return skipped("no [load.slow] in the policy, nor a sink that may be slow");
    };
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
        doubts.push(format!("what was to be slow took {quickest:.0?}, not {time:?}"));
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
        lab.wait(wait).await?;
        lab.burst(&Via::First, &key, &[Shot::default(); 3]).await?;
        lab.settle(&key, Shot::default(), true).await?;
    }
    lab.count(&key).await?;
    Ok(Tried::Whole)
}

/// P9.
async fn other_scope(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    if lab.load.other.is_none() {
        return skipped("no [load.other] in the policy");
    }
    let payloads = if lab.load.conflicting.is_some() { 2 } else { 1 };
    let mut understood = false;
    for round in 0..plan.rounds {
        let key = lab.key(round);
        lab.one(&key, Shot::default()).await?;
        lab.let_effects_land().await;
        let (before, ..) = lab.ask(&key, true).await?;
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
            if [first, second].contains(&Outcome::Final) || lab.ask(&key, false).await.is_ok() {
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
    if lab.senders[0].targets.len() < 2 {
        return skipped("there is one address; give another process of the service a second one");
    }
    for round in 0..plan.rounds * 10 {
        let key = lab.key(round);
        lab.turn = round as usize % lab.senders.len();
        lab.burst(&Via::All, &key, &vec![Shot::default(); plan.size]).await?;
        lab.turn = 0;
        lab.settle(&key, Shot::default(), true).await?;
        lab.burst(&Via::Second, &key, &[Shot::default()]).await?;
        lab.over(&key).await?;
    }
    Ok(Tried::Whole)
}
