//! Probes that break something on purpose: processes, connections, the store, the downstream.

use std::time::Duration;

use super::{Tried, skipped, whole_but_for};
use crate::load::Places;
use crate::load::fault::Injected;
use crate::load::lab::{Halt, Lab, Shot, Via};
use crate::load::proxy::{Between, Fault, Faulty, Weather};
use crate::load::run::Plan;
use crate::load::sink::Does;
use crate::policy::Errors;

/// When the service is killed, as parts of the time that an operation takes.
const PARTS: [f64; 3] = [0.25, 0.5, 0.75];
/// Between the letting go of a request and its being at work.
const ARRIVAL_TIME: Duration = Duration::from_millis(3);
/// How long the store is away.
const STORE_DOWN_TIME: Duration = Duration::from_millis(600);

/// P7.
pub(super) async fn crash(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    if lab.services.is_empty() {
        return skipped("the service was not started by this run (--command)");
    }
    let (time, shot) = at_work(lab);
    let holds = lab.downstream.is_some() || lab.effects.sink().is_some();
    let mut number = 0;
    for _ in 0..plan.rounds.min(2) {
        for part in PARTS {
            killed(lab, number, shot, Kill::After(ARRIVAL_TIME + time.mul_f64(part))).await?;
            number += 1;
        }
        killed(lab, number, shot, Kill::EffectSeen).await?;
        number += 1;
        if holds {
            killed(lab, number, shot, Kill::AnswerHeld).await?;
            number += 1;
        }
    }
    let mut untried = Vec::new();
    if !holds {
        untried.push(
            "neither a sink nor --downstream-proxy, so the kill between effect and record is by looking for the effect",
        );
    }
    if let Some(why) = frozen(lab, number).await? {
        untried.push(why);
    }
    Ok(whole_but_for(untried))
}

/// The request that is longest at work, and for how long.
fn at_work(lab: &Lab<'_>) -> (Duration, Shot) {
    match lab.slow_time() {
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
    let values = &lab.load.values;
    let trips = lab.downstream.as_ref().map_or(0, Between::trips);
    let downstream = lab.downstream.take();
    let mut shot = shot;
    // A sink knows the call; a proxy takes the first answer.
    match (when, effects.sink(), &downstream) {
        (Kill::AnswerHeld, Some(_), _) => shot.downstream = Some(Does::Hold),
        (Kill::AnswerHeld, None, Some(downstream)) => downstream.set(Weather::Trap),
        _ => {}
    }
    let moment = async {
        match (when, effects.sink(), &downstream) {
            (Kill::After(after), ..) => tokio::time::sleep(after).await,
            (Kill::AnswerHeld, Some(sink), _) => {
                while sink.counted(&key).await.is_ok_and(|counted| counted.held == 0) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            (Kill::AnswerHeld, None, Some(downstream)) => downstream.tripped(trips).await,
            (Kill::EffectSeen | Kill::AnswerHeld, ..) => {
                let places = Places { key: &key, n: 0, random, values };
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
    lab.inject(Injected::Killed);
    lab.settle(&key, Shot::default(), true).await?;
    lab.over(&key).await
}

/// Of two processes, the one at work stands still until the other has taken over. None: it was tried.
async fn frozen(lab: &mut Lab<'_>, number: u64) -> Result<Option<&'static str>, Halt> {
    let lease = lab.lease();
    let (Some(lease), Some(time)) = (lease, lab.slow_time()) else {
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
    lab.inject(Injected::Frozen);
    lab.settle(&key, slow, true).await?;
    lab.over(&key).await?;
    Ok(None)
}

/// P10.
pub(super) async fn cut(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
    let why = cut_before(lab, plan).await?;
    let behind = cut_behind(lab, plan).await?;
    Ok(match (why, behind) {
        (None, _) => Tried::Whole,
        (Some(why), true) => Tried::Partly(format!("only behind the service: {why}")),
        (Some(why), false) => Tried::Skipped(why.to_owned()),
    })
}

/// Between the client and the service. None: it was tried.
async fn cut_before(lab: &mut Lab<'_>, plan: &Plan) -> Result<Option<&'static str>, Halt> {
    if lab.target().is_encrypted() {
        return Ok(Some("the connection is encrypted: where a message ends can't be seen from outside"));
    }
    let faulty = Faulty::start(lab.target().authority())?;
    let (time, shot) = at_work(lab);
    let patience = ARRIVAL_TIME + time + Duration::from_millis(100);
    let key = lab.key(u64::from(u32::MAX));
    if lab.burst(&Via::Faulty(&faulty, patience), &key, &[shot]).await?[0].0.answer.is_err() {
        return Ok(Some("nothing comes back over HTTP/1.1, which this probe needs"));
    }
    let mut faults = vec![
        (Fault::LoseRequest, Injected::RequestLost),
        (Fault::CutRequest, Injected::RequestCut),
        (Fault::LoseAnswer, Injected::AnswerLost),
        (Fault::Late(patience + Duration::from_millis(200)), Injected::AnswerLate),
    ];
    faults.extend(PARTS.map(|part| (Fault::CutAfter(time.mul_f64(part)), Injected::ConnectionCut)));
    let mut number = 0;
    for _ in 0..plan.rounds.min(2) {
        for (fault, injected) in &faults {
            let key = lab.key(number);
            number += 1;
            faulty.next(*fault);
            lab.burst(&Via::Faulty(&faulty, patience), &key, &[shot]).await?;
            lab.inject(*injected);
            lab.burst(&Via::First, &key, &[Shot::default(); 2]).await?;
            lab.settle(&key, Shot::default(), true).await?;
            lab.over(&key).await?;
        }
    }
    Ok(None)
}

/// Between the service and what it calls, where that is a sink: what the policy says may happen there. Whether it
/// was tried.
async fn cut_behind(lab: &mut Lab<'_>, plan: &Plan) -> Result<bool, Halt> {
    let (Some(_), Some(downstream)) = (lab.effects.sink(), lab.policy.downstream.as_ref()) else {
        return Ok(false);
    };
    let mut faults = Vec::new();
    if let Some(timeout) = downstream.timeout {
        let timeout = u64::try_from(timeout).unwrap_or(0);
        faults.extend([Does::Drop, Does::Late(timeout + timeout / 4 + 50)]);
    }
    if downstream.errors == Errors::Ambiguous {
        faults.push(Does::Fail);
    }
    // Where nobody may go on, a key that has met them stays as it is.
    let promised = lab.policy.choices.get("unknown").is_none_or(|choice| choice != "hold");
    let mut number = u64::from(u32::MAX) + 1;
    for _ in 0..plan.rounds.min(2) {
        for does in &faults {
            let key = lab.key(number);
            number += 1;
            lab.one(&key, Shot { downstream: Some(*does), ..Shot::default() }).await?;
            lab.burst(&Via::First, &key, &[Shot::default(); 2]).await?;
            lab.settle(&key, Shot::default(), promised).await?;
            lab.over(&key).await?;
        }
    }
    Ok(!faults.is_empty())
}

/// P13.
pub(super) async fn store_down(lab: &mut Lab<'_>, plan: &Plan) -> Result<Tried, Halt> {
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
            lab.inject(if weather == Weather::Down { Injected::StoreDown } else { Injected::StoreStill });
            lab.settle(&key, shot, true).await?;
            lab.over(&key).await?;
        }
    }
    Ok(Tried::Whole)
}
