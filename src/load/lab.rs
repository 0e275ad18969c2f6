//! What every probe does: it sends requests under keys of its own, counts effects, and keeps what it saw.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use sha2::{Digest, Sha256};

use super::Places;
use super::effects;
use super::fault::Injected;
use super::probe::Probe;
use super::proxy::{Between, Faulty};
use super::report::Found;
use super::send::{Answer, Exchange, Outgoing, Sender, Target, Technique};
use super::service::Service;
use super::sink::{Behaviour, Does};
use crate::check::property::Property;
use crate::history::book::Place;
use crate::history::record::{Count, Failure, Outcome, Record, Request};
use crate::history::{Book, Terms};
use crate::policy::{Errors, Http, Load, Policy};
use crate::serve::front::Front;
use crate::serve::request;

/// Headers that may always differ between an answer and its replay.
pub(super) const VOLATILE: [&str; 10] = [
    "date",
    "age",
    "server-timing",
    "x-request-id",
    "request-id",
    "x-correlation-id",
    "traceparent",
    "tracestate",
    "content-length",
    "via",
];
/// Beyond the lease and the time of the handler, until a key must have come to its result.
const RECOVERY_TIME: Duration = Duration::from_secs(3);
/// Between two tries to come to a result, at first and at the most.
const RETRY_TIME: (Duration, Duration) = (Duration::from_millis(40), Duration::from_millis(1280));
/// The rule of a key that does not come to its result.
const STUCK: &str = "stuck-key";
/// So many of them are looked for in one probe.
const STUCK_MAX: usize = 2;

/// How slow a sink makes an operation whose claim has no lease.
const SINK_SLOW_TIME: Duration = Duration::from_millis(500);
/// Less than this is not slow.
const SINK_SLOW_MIN: Duration = Duration::from_millis(20);

/// Where receipts are over sooner, effects are counted key by key.
const BRIEF_LIFE: Duration = Duration::from_secs(10);

/// Why a run ends before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// With what is known.
    Cut(String),
    /// It makes no sense to go on.
    Failed(String),
}

impl From<String> for Halt {
    fn from(error: String) -> Halt {
        Halt::Failed(error)
    }
}

/// A request of a probe.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shot {
    pub conflicting: bool,
    /// Blanks after the payload: more bytes, and no other meaning.
    pub padding: usize,
    pub slow: bool,
    pub failing: bool,
    /// As somebody else.
    pub other: bool,
    /// After the others.
    pub late: Duration,
    /// What a sink does meanwhile with calls under the key.
    pub downstream: Option<Does>,
}

/// Which way a burst takes.
pub enum Via<'a> {
    /// To the first address.
    First,
    /// To all in turns.
    All,
    /// To the second address.
    Second,
    /// Through something that breaks it. A faulty way is not waited for longer than this.
    Faulty(&'a Faulty, Duration),
}

/// What is not gone beyond.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    pub requests: u64,
    /// Sent, without heads.
    pub bytes: u64,
    /// After it nothing is begun.
    pub time: Duration,
    /// A probe that had to wait longer for something is skipped.
    pub wait: Duration,
}

/// One way of sending, to each address and to all.
pub(super) struct Senders {
    pub targets: Vec<Target>,
    pub all: Sender,
    pub alone: Vec<Sender>,
}

impl Senders {
    /// `targets`: made for this technique.
    pub fn new(technique: Technique, targets: Vec<Target>, timeout: Duration) -> Senders {
        let sender = |targets: Vec<Target>| Sender::new(technique, targets, timeout);
        let alone = targets.iter().map(|target| sender(vec![target.clone()])).collect();
        Senders { all: sender(targets.clone()), alone, targets }
    }
}

/// Latencies of answers of one class, in microseconds.
pub struct Times {
    /// From when the request was due.
    pub due: Histogram<u64>,
    /// From when its last byte left.
    pub sent: Histogram<u64>,
}

/// A run under way, for its probes.
pub struct Lab<'a> {
    pub policy: &'a Policy,
    pub load: &'a Load,
    pub terms: Terms,
    pub caps: Caps,
    /// The processes that this run has started, one for each address.
    pub services: Vec<Service>,
    pub store: Option<Between>,
    pub downstream: Option<Between>,
    pub seed: u64,
    pub records: Vec<Record>,
    /// How each of them was sent: its number in its burst, and what it was.
    pub shots: Vec<Option<(usize, Shot)>>,
    /// Keys that are over, and whose effects may still land.
    pub uncounted: Vec<String>,
    /// Counted keys with more than one effect.
    pub duplicated: u64,
    pub requests: u64,
    pub answers: BTreeMap<u16, u64>,
    pub latencies: BTreeMap<String, Times>,
    /// What was broken on purpose, and how often.
    pub injected: BTreeMap<Injected, u64>,
    pub found: Vec<Found>,
    /// About how long an operation takes.
    pub handler: Duration,
    pub book: Book,
    pub probe: Probe,
    /// Ways of sending; batches of P1 take turns.
    pub(super) senders: Vec<Senders>,
    /// Whose turn it is.
    pub(super) turn: usize,
    pub(super) effects: Rc<effects::Probe>,
    pub(super) origin: Instant,
    pub(super) bytes: u64,
    pub(super) stop: &'a dyn Fn() -> bool,
}

impl Lab<'_> {
    /// Whether to go on.
    pub fn may_go_on(&self) -> Result<(), Halt> {
        let cut = |why: String| Err(Halt::Cut(why));
        if (self.stop)() {
            return cut("it was interrupted".to_owned());
        }
        if self.origin.elapsed() >= self.caps.time {
            return cut(format!("the limit of {:?} was reached (--timeout)", self.caps.time));
        }
        if self.requests >= self.caps.requests {
            return cut(format!("{} requests were sent (--max-requests)", self.requests));
        }
        if self.bytes >= self.caps.bytes {
            return cut(format!("{} bytes were sent (--max-bytes)", self.bytes));
        }
        Ok(())
    }

    /// A key that nobody has used.
    pub fn key(&self, number: u64) -> String {
        format!("idemcheck-{:016x}-{}-{number}", self.seed, self.probe.name())
    }

    /// Requests of one key, all at once unless they are late, and what came back.
    pub async fn burst(
        &mut self,
        via: &Via<'_>,
        key: &str,
        shots: &[Shot],
    ) -> Result<Vec<(Exchange, Outcome)>, Halt> {
        self.may_go_on()?;
        let random = self.random(key);
        let outgoing: Vec<Outgoing> = shots
            .iter()
            .enumerate()
            .map(|(n, shot)| self.outgoing(&self.places(key, n, random, shot.other), shot, Some(key)))
            .collect();
        let does = self.downstream_does(shots);
        if let Some(does) = does {
            self.tell(key, does).await?;
        }
        let exchanges = self.send(via, &outgoing).await;
        if does.is_some() {
            self.tell(key, Does::Answer).await?;
        }
        let exchanges = exchanges?;
        let mut seen = Vec::with_capacity(shots.len());
        for (n, ((exchange, sent), shot)) in exchanges.into_iter().zip(&outgoing).zip(shots).enumerate() {
            let id = format!("{}.{}.{n}", self.probe.name(), self.records.len());
            let record = self.record(&subject(key, shot.other), id, &exchange, sent, shot);
            let outcome = record.outcome;
            let class = match &record {
                Request { outcome: Outcome::Final, replayed: Some(true), .. } => "replay",
                record => record.outcome.name(),
            };
            self.time(class, &exchange);
            self.note(Record::Request(record), Some((n, *shot)))?;
            seen.push((exchange, outcome));
        }
        Ok(seen)
    }

    /// One request, and the class of its answer.
    pub async fn one(&mut self, key: &str, shot: Shot) -> Result<Outcome, Halt> {
        Ok(self.burst(&Via::First, key, &[shot]).await?[0].1)
    }

    /// What is in no history: the statuses of requests with any key, or none.
    pub async fn unrecorded(&mut self, key: &str, header: Option<&str>) -> Result<Option<u16>, Halt> {
        self.may_go_on()?;
        let random = self.random(key);
        let written = if self.load.key_in_body { header.unwrap_or_default() } else { key };
        let outgoing = self.outgoing(&self.places(written, 0, random, false), &Shot::default(), header);
        let exchanges = self.send(&Via::First, &[outgoing]).await?;
        Ok(exchanges[0].answer.as_ref().ok().map(|answer| answer.status))
    }

    async fn send(&mut self, via: &Via<'_>, outgoing: &[Outgoing]) -> Result<Vec<Exchange>, Halt> {
        self.requests += outgoing.len() as u64;
        self.bytes += outgoing.iter().map(|request| request.body.len() as u64).sum::<u64>();
        let exchanges = match via {
            Via::First => self.senders[self.turn].alone[0].burst(outgoing).await?,
            Via::Second => self.senders[self.turn].alone[1].burst(outgoing).await?,
            Via::All => self.senders[self.turn].all.burst(outgoing).await?,
            Via::Faulty(faulty, patience) => {
                let target = self.target().through(faulty.address());
                Sender::new(Technique::LastByte, vec![target], *patience).burst(outgoing).await?
            }
        };
        for exchange in &exchanges {
            let status = exchange.answer.as_ref().map_or(0, |answer| answer.status);
            *self.answers.entry(status).or_default() += 1;
        }
        Ok(exchanges)
    }

    /// The first address.
    pub(super) fn target(&self) -> &Target {
        &self.senders[0].targets[0]
    }

    pub fn inject(&mut self, fault: Injected) {
        *self.injected.entry(fault).or_default() += 1;
    }

    /// What a sink has to do for requests that a header can't make slow or failing.
    pub(super) fn downstream_does(&self, shots: &[Shot]) -> Option<Does> {
        self.effects.sink()?;
        let told = shots.iter().find_map(|shot| shot.downstream);
        let fails = self.load.failing.is_none() && shots.iter().any(|shot| shot.failing);
        let slow = self.load.slow.is_none() && shots.iter().any(|shot| shot.slow);
        told.or(fails.then_some(Does::Fail)).or_else(|| {
            let time = self.slow_time().filter(|_| slow)?;
            Some(Does::Delay(time.as_millis() as u64))
        })
    }

    /// Tells a sink what to do with the calls of a key.
    pub async fn tell(&mut self, key: &str, does: Does) -> Result<(), Halt> {
        let Some(sink) = self.effects.sink() else { return Ok(()) };
        sink.tell(&Behaviour { does, key: Some(key.to_owned()), every: 0 }).await?;
        match does {
            Does::Delay(_) => self.inject(Injected::CallSlow),
            Does::Late(_) => self.inject(Injected::CallLate),
            Does::Fail => self.inject(Injected::CallFails),
            Does::Drop => self.inject(Injected::CallLost),
            Does::Answer | Does::Hold => {}
        }
        Ok(())
    }

    /// About how long a slow operation takes: as `[load.slow]` has it, or as a sink makes it, within what the policy
    /// says of its downstream. None: nothing makes one slow.
    pub fn slow_time(&self) -> Option<Duration> {
        let ms = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        if let Some((_, time)) = &self.load.slow {
            return Some(ms(*time));
        }
        self.effects.sink()?;
        let downstream = self.policy.downstream.as_ref()?;
        let wanted = self.lease().map_or(SINK_SLOW_TIME, |lease| lease * 3 / 2);
        let slowest = downstream.latency_max.map_or(wanted, ms);
        let waited_for = downstream.timeout.map_or(wanted, |timeout| ms(timeout) * 9 / 10);
        let time = wanted.min(slowest).min(waited_for).min(self.caps.wait / 4);
        (time >= SINK_SLOW_MIN).then_some(time)
    }

    /// Whether an operation can be made to fail before it has an effect.
    pub fn can_fail(&self) -> bool {
        let definite =
            self.policy.downstream.as_ref().is_some_and(|downstream| downstream.errors == Errors::Definite);
        self.load.failing.is_some() || (definite && self.effects.sink().is_some())
    }

    /// Waits, and hears meanwhile when it is to stop.
    pub async fn wait(&self, time: Duration) -> Result<(), Halt> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            if (self.stop)() {
                return self.may_go_on();
            }
            tokio::time::sleep(left.min(Duration::from_millis(100))).await;
        }
    }

    /// Asks again until there is a result, for as long as that may take; otherwise the key is stuck.
    ///
    /// `promised`: whether the policy says that it comes to one.
    pub async fn settle(&mut self, key: &str, shot: Shot, promised: bool) -> Result<bool, Halt> {
        let began = Instant::now();
        let (mut wait, longest) = RETRY_TIME;
        let stuck = self.found.iter().filter(|found| found.rule == STUCK).count();
        // It has been shown often enough: no more time goes into it.
        let promised = promised && stuck < STUCK_MAX;
        let bound = if stuck < STUCK_MAX { self.bound() } else { Duration::ZERO };
        loop {
            let (exchange, outcome) = self.burst(&Via::First, key, &[shot]).await?.remove(0);
            if outcome == Outcome::Final {
                return Ok(true);
            }
            if began.elapsed() >= bound {
                if promised {
                    let said = match &exchange.answer {
                        Ok(answer) => format!("still answered {}", answer.status),
                        Err(why) => format!("still had no answer ({why})"),
                    };
                    let message =
                        format!("it {said} {:.1} s after its first retry", began.elapsed().as_secs_f64());
                    self.find(STUCK, Property::NoStuckKey, key, message);
                }
                return Ok(false);
            }
            self.wait(wait).await?;
            wait = (wait * 2).min(longest);
        }
    }

    /// How long a key may take to come to a result, once nothing goes wrong any more.
    pub fn bound(&self) -> Duration {
        self.lease().unwrap_or_default() + self.handler + RECOVERY_TIME
    }

    /// How long a claim holds at the most, once nobody renews it any more.
    pub fn lease(&self) -> Option<Duration> {
        self.terms.lease.map(|lease| Duration::from_nanos(lease.max.unwrap_or(lease.min)))
    }

    pub fn find(&mut self, rule: &str, property: Property, key: &str, message: String) {
        self.found.push(Found { rule: rule.to_owned(), property, key: key.to_owned(), message });
    }

    /// Counts the effects of a key, now.
    pub async fn count(&mut self, key: &str) -> Result<u64, Halt> {
        let (effects, start, end) = self.ask(key, false).await?;
        let count = Count { key: key.to_owned(), effects, start, end, source: None };
        self.note(Record::Count(count), None)?;
        Ok(effects)
    }

    /// Nothing more is sent under a key: its effects are counted when they have had time to land.
    pub async fn over(&mut self, key: &str) -> Result<(), Halt> {
        self.uncounted.push(key.to_owned());
        // What is counted in another life of the key says little of this one.
        let brief = self.terms.ttl.is_some_and(|ttl| Duration::from_nanos(ttl.min) < BRIEF_LIFE);
        if brief { self.count_all().await } else { Ok(()) }
    }

    /// Counts the effects of all keys that are over.
    pub async fn count_all(&mut self) -> Result<(), Halt> {
        if self.uncounted.is_empty() {
            return Ok(());
        }
        self.let_effects_land().await;
        for key in std::mem::take(&mut self.uncounted) {
            let effects = self.count(&key).await?;
            self.duplicated += u64::from(effects > 1);
        }
        Ok(())
    }

    /// Counts the effects that somebody else's key has beyond `before`.
    pub async fn count_other(&mut self, key: &str, before: u64) -> Result<(), Halt> {
        let (effects, start, end) = self.ask(key, true).await?;
        let effects = effects.saturating_sub(before);
        let count = Count { key: subject(key, true), effects, start, end, source: None };
        self.note(Record::Count(count), None)
    }

    /// How many effects are counted under a key; `other`: when somebody else asks.
    pub async fn ask(&self, key: &str, other: bool) -> Result<(u64, i64, i64), Halt> {
        let start = self.moment(Instant::now());
        let headers = self.load.other.as_ref().filter(|_| other).map(|other| &other.headers);
        let places = self.places(key, 0, self.random(key), other);
        let effects = self.effects.count(&places, headers).await?;
        Ok((effects, start, self.moment(Instant::now())))
    }

    /// What stands in a request under a key; `other`: of somebody else.
    pub(super) fn places<'p>(&'p self, key: &'p str, n: usize, random: u64, other: bool) -> Places<'p> {
        let other = self.load.other.as_ref().filter(|_| other);
        Places { key, n, random, values: other.map_or(&self.load.values, |other| &other.values) }
    }

    /// Effects often land after the answers.
    pub async fn let_effects_land(&self) {
        tokio::time::sleep(Duration::from_millis(u64::try_from(self.load.settle).unwrap_or(0))).await;
    }

    fn note(&mut self, record: Record, sent: Option<(usize, Shot)>) -> Result<(), Halt> {
        self.book.add(record.clone(), Place::default()).map_err(|wrong| wrong.message)?;
        self.records.push(record);
        self.shots.push(sent);
        Ok(())
    }

    fn moment(&self, at: Instant) -> i64 {
        i64::try_from(at.duration_since(self.origin).as_nanos()).unwrap_or(i64::MAX)
    }

    fn time(&mut self, class: &str, exchange: &Exchange) {
        let Some(ended) = exchange.ended else { return };
        let new =
            || Histogram::new_with_max(3_600_000_000, 3).expect("three digits up to an hour are a histogram");
        let times =
            self.latencies.entry(class.to_owned()).or_insert_with(|| Times { due: new(), sent: new() });
        let since = |began: Instant| ended.saturating_duration_since(began).as_micros() as u64;
        times.due.saturating_record(since(exchange.due));
        if let Some(fired) = exchange.fired {
            times.sent.saturating_record(since(fired));
        }
    }

    /// What stands for `{{random}}` under a key.
    pub fn random(&self, key: &str) -> u64 {
        let digest = Sha256::digest(format!("{} {key}", self.seed));
        u64::from_be_bytes(digest[..8].try_into().unwrap_or_default()) >> 11
    }

    pub(super) fn outgoing(&self, places: &Places<'_>, shot: &Shot, header: Option<&str>) -> Outgoing {
        let load = self.load;
        let url = places.fill(&load.urls[places.n % load.urls.len()]);
        let body = load.conflicting.as_ref().filter(|_| shot.conflicting).unwrap_or(&load.body);
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        let variants = [
            Some(&load.headers),
            load.slow.as_ref().map(|(headers, _)| headers).filter(|_| shot.slow),
            load.failing.as_ref().filter(|_| shot.failing),
            load.other.as_ref().map(|other| &other.headers).filter(|_| shot.other),
        ];
        for (name, value) in variants.into_iter().flatten().flatten() {
            headers.insert(name.to_ascii_lowercase(), places.fill(value));
        }
        let mut headers: Vec<(String, String)> = headers.into_iter().collect();
        if let Some(key) = header.filter(|_| !load.key_in_body) {
            headers.push((self.policy.http.key_header.to_ascii_lowercase(), format!("\"{key}\"")));
        }
        let mut body = places.fill(body).into_bytes();
        body.resize(body.len() + shot.padding, b' ');
        let body = Bytes::from(body);
        Outgoing { method: load.method, path: path(&url), headers, body, late: shot.late }
    }

    fn record(&self, key: &str, id: String, exchange: &Exchange, sent: &Outgoing, shot: &Shot) -> Request {
        let asked = request::Request {
            method: sent.method.to_owned(),
            target: sent.path.clone(),
            headers: sent
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
                .collect(),
            body: sent.body.clone(),
        };
        let compared = Front::fingerprint(self.policy, &asked).unwrap_or_else(|_| sent.body.to_vec());
        let answer = exchange.answer.as_ref().ok();
        let outcome = match answer {
            None => Outcome::Unknown,
            // It is declared to fail before it has an effect.
            Some(answer) if shot.failing && answer.status >= 500 => match self.terms.failure {
                Failure::Replay => Outcome::Final,
                Failure::Release | Failure::Hold => Outcome::Failed,
            },
            Some(answer) => outcome(answer.status, &self.policy.http),
        };
        Request {
            key: key.to_owned(),
            id,
            start: self.moment(exchange.began),
            end: exchange.ended.map(|ended| self.moment(ended)),
            source: None,
            body: digest(&[&compared]),
            outcome,
            status: answer.map(|answer| answer.status),
            response: answer.filter(|_| outcome == Outcome::Final).map(|answer| self.compared(answer)),
            replayed: answer.map(|answer| self.is_marked(answer)),
        }
    }

    fn is_marked(&self, answer: &Answer) -> bool {
        let marker = &self.policy.http.replay_marker;
        answer.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case(marker) && value == b"true")
    }

    /// A digest of what an answer and its replay have in common.
    fn compared(&self, answer: &Answer) -> String {
        let marker = self.policy.http.replay_marker.to_ascii_lowercase();
        let varies = |name: &str| {
            VOLATILE.contains(&name)
                || name == marker
                || self.load.ignore.iter().any(|ignored| ignored == name)
        };
        let mut headers: Vec<&(String, Vec<u8>)> =
            answer.headers.iter().filter(|(name, _)| !varies(name)).collect();
        headers.sort();
        let mut parts: Vec<&[u8]> = Vec::new();
        for (name, value) in headers {
            parts.extend([name.as_bytes(), value]);
        }
        parts.push(&answer.body);
        digest(&parts)
    }
}

/// What a key is called in a history: that of somebody else is another one.
pub(super) fn subject(key: &str, other: bool) -> String {
    if other { format!("{key} of somebody else") } else { key.to_owned() }
}

/// The class of an answer, as the policy has its codes. What may have been executed counts as unknown, so that
/// nobody is accused of what was never said.
pub fn outcome(status: u16, http: &Http) -> Outcome {
    match status {
        200..300 => Outcome::Final,
        _ if status == http.in_flight => Outcome::InFlight,
        _ if status == http.mismatch => Outcome::Mismatch,
        _ if status == http.missing_key => Outcome::Unavailable,
        413 | 414 | 429 | 431 => Outcome::Unavailable,
        400..500 => Outcome::Failed,
        _ => Outcome::Unknown,
    }
}

fn digest(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Path and query of an address.
pub(super) fn path(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.find(['/', '?']) {
        Some(at) if rest[at..].starts_with('/') => rest[at..].to_owned(),
        Some(at) => format!("/{}", &rest[at..]),
        None => "/".to_owned(),
    }
}
