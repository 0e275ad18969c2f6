//! A run: batches of bursts, each under a key of its own, and what they come to.

use std::time::{Duration, Instant};

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Places;
use super::effects::Probe;
use super::power::upper_bound;
use super::send::{Answer, Exchange, Outgoing, Sender, Technique, overlap};
use crate::history::book::Place;
use crate::history::record::{Count, Header, Outcome, Record, Request, VERSION};
use crate::history::{Book, HistoryReport, Terms, Verdict};
use crate::model::Protocol;
use crate::policy::{Http, Load, Policy};
use crate::serve::front::Front;
use crate::serve::request;

/// Requests of a burst.
pub const SIZE_MAX: usize = 100;
/// Bursts of a run.
pub const BURSTS_MAX: u64 = 100_000;
/// Headers that may always differ between an answer and its replay.
const VOLATILE: [&str; 10] = [
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

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Requests of a burst, 2 to [`SIZE_MAX`].
    pub size: usize,
    /// Bursts in all, up to [`BURSTS_MAX`].
    pub bursts: u64,
    pub batches: u64,
    /// Between two batches: hits come in clusters.
    pub rest: Duration,
    pub technique: Technique,
    /// Between the starts of two requests of a burst.
    pub stagger: Duration,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// After it no burst is begun.
    pub limit: Duration,
    /// Keys and random numbers come from it.
    pub seed: u64,
}

/// What came of a run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LoadReport {
    /// Of this format: 1.
    pub version: u32,
    pub policy: String,
    pub urls: Vec<String>,
    /// `h1-last-byte` or `h2-single-packet`.
    pub technique: String,
    /// Requests of a burst.
    pub size: u64,
    pub seed: u64,
    /// The run ended before all bursts were sent, and why.
    pub cut_short: Option<String>,
    pub batches: Vec<Batch>,
    pub bursts: u64,
    /// Bursts with more than one effect.
    pub duplicated: u64,
    /// Bursts all of whose requests were under way at one moment, by the client's clock.
    pub overlapped: u64,
    /// The rate of bad bursts that so few are still compatible with, at 95 %, if bursts were independent.
    pub upper_bound: f64,
    /// Answers by status; 0 stands for none.
    pub answers: std::collections::BTreeMap<u16, u64>,
    /// What was not tried, and why.
    pub skipped: Vec<String>,
    pub verdict: LoadVerdict,
    pub history: HistoryReport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadVerdict {
    /// Some history breaks a rule.
    Violated,
    /// No burst showed anything; see `upper_bound` for what that is worth.
    NothingFound,
    /// Too little overlapped, or something could not be judged.
    Inconclusive,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Batch {
    pub bursts: u64,
    pub duplicated: u64,
    pub overlapped: u64,
    /// Between the first and the last request's last byte leaving, in microseconds: the median of the bursts.
    pub spread_us: u64,
}

/// A run under way.
pub struct Run<'a> {
    policy: &'a Policy,
    load: &'a Load,
    plan: Plan,
    sender: Sender,
    probe: Probe,
    conflicts: bool,
    origin: Instant,
    /// What is known so far, to be written to a file, too.
    pub records: Vec<Record>,
    book: Book,
    report: LoadReport,
}

impl<'a> Run<'a> {
    /// Connects to where effects are counted. `urls`: instead of the policy's.
    ///
    /// # Errors
    /// Effects can't be counted, or an address can't be read.
    pub async fn new(
        policy: &'a Policy,
        protocol: &Protocol,
        load: &'a Load,
        plan: Plan,
    ) -> Result<Run<'a>, String> {
        let authorities: Vec<String> =
            load.urls.iter().map(|url| authority(url)).collect::<Result<_, _>>()?;
        let terms = Terms::of(policy, protocol);
        let mut skipped = Vec::new();
        let conflicts = match &load.conflicting {
            None => Err("no `conflicting` payload in [load]"),
            Some(_) if policy.key.fingerprint.is_empty() => Err("the policy compares no payloads"),
            Some(_) => Ok(()),
        };
        if let Err(why) = conflicts {
            skipped.push(format!("another payload under the same key: {why}"));
        }
        let report = LoadReport {
            version: 1,
            policy: policy.name.clone(),
            urls: load.urls.clone(),
            technique: match plan.technique {
                Technique::LastByte => "h1-last-byte".to_owned(),
                Technique::SinglePacket { .. } => "h2-single-packet".to_owned(),
            },
            size: plan.size as u64,
            seed: plan.seed,
            cut_short: None,
            batches: Vec::new(),
            bursts: 0,
            duplicated: 0,
            overlapped: 0,
            upper_bound: 1.0,
            answers: std::collections::BTreeMap::new(),
            skipped,
            verdict: LoadVerdict::Inconclusive,
            history: HistoryReport::new(&Book::with_terms(terms), None),
        };
        let header =
            Header { version: VERSION, policy: Some(policy.name.clone()), terms, sources: Vec::new() };
        Ok(Run {
            sender: Sender::new(plan.technique, authorities, plan.timeout),
            probe: Probe::open(load).await?,
            conflicts: conflicts.is_ok(),
            policy,
            load,
            plan,
            origin: Instant::now(),
            records: vec![Record::Header(header)],
            book: Book::with_terms(terms),
            report,
        })
    }

    /// All batches; `told` hears of each. `stop` ends the run with what is known.
    ///
    /// # Errors
    /// The endpoint or the counter can't be reached.
    pub async fn go(
        mut self,
        stop: &dyn Fn() -> bool,
        told: &mut dyn FnMut(u64, &Batch),
    ) -> Result<(LoadReport, Vec<Record>), String> {
        let batches = self.plan.batches.clamp(1, self.plan.bursts.max(1));
        for batch in 0..batches {
            if batch > 0 {
                tokio::time::sleep(self.plan.rest).await;
            }
            let from = self.plan.bursts * batch / batches;
            let to = self.plan.bursts * (batch + 1) / batches;
            let done = self.batch(from..to, stop).await?;
            if done.bursts > 0 {
                told(batch + 1, &done);
                self.report.batches.push(done);
            }
            if self.report.cut_short.is_some() {
                break;
            }
        }
        Ok(self.finish())
    }

    async fn batch(
        &mut self,
        numbers: std::ops::Range<u64>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Batch, String> {
        let (mut batch, mut spreads, mut keys) = (Batch::default(), Vec::new(), Vec::new());
        for number in numbers {
            if stop() {
                self.report.cut_short = Some("it was interrupted".to_owned());
                break;
            }
            if self.origin.elapsed() >= self.plan.limit {
                self.report.cut_short = Some(format!("the limit of {:?} was reached", self.plan.limit));
                break;
            }
            let key = format!("idemcheck-{:016x}-{number}", self.plan.seed);
            let exchanges = self.burst(&key, number, self.plan.size, false).await?;
            if let Some((spread, together)) = overlap(&exchanges) {
                spreads.push(spread.as_micros() as u64);
                batch.overlapped += u64::from(together);
            }
            batch.bursts += 1;
            // One after the other: a replay, another payload, and whether that left anything behind.
            self.burst(&key, number, 1, false).await?;
            if self.conflicts {
                self.burst(&key, number, 1, true).await?;
                self.burst(&key, number, 1, false).await?;
            }
            keys.push((key, number));
        }
        // Duplicates often land after the answers.
        tokio::time::sleep(Duration::from_millis(u64::try_from(self.load.settle).unwrap_or(0))).await;
        for (key, number) in keys {
            let start = self.now();
            let effects = self.probe.count(&Places { key: &key, n: 0, random: self.random(number) }).await?;
            let count = Count { key, effects, start, end: self.now(), source: None };
            batch.duplicated += u64::from(effects > 1);
            self.note(Record::Count(count))?;
        }
        spreads.sort_unstable();
        batch.spread_us = spreads.get(spreads.len() / 2).copied().unwrap_or(0);
        self.report.bursts += batch.bursts;
        self.report.duplicated += batch.duplicated;
        self.report.overlapped += batch.overlapped;
        Ok(batch)
    }

    /// Requests under one key, all at once, and their records.
    async fn burst(
        &mut self,
        key: &str,
        number: u64,
        size: usize,
        conflicting: bool,
    ) -> Result<Vec<Exchange>, String> {
        let outgoing: Vec<Outgoing> = (0..size)
            .map(|n| self.outgoing(&Places { key, n, random: self.random(number) }, conflicting))
            .collect();
        let exchanges = self.sender.burst(&outgoing, self.plan.stagger).await?;
        for (n, (exchange, sent)) in exchanges.iter().zip(&outgoing).enumerate() {
            let status = exchange.answer.as_ref().map_or(0, |answer| answer.status);
            *self.report.answers.entry(status).or_default() += 1;
            let id = format!("{number}.{}.{n}", self.records.len());
            let record = self.record(key, id, exchange, sent);
            self.note(Record::Request(record))?;
        }
        Ok(exchanges)
    }

    fn note(&mut self, record: Record) -> Result<(), String> {
        self.book.add(record.clone(), Place::default()).map_err(|wrong| wrong.message)?;
        self.records.push(record);
        Ok(())
    }

    fn now(&self) -> i64 {
        self.moment(Instant::now())
    }

    fn moment(&self, at: Instant) -> i64 {
        i64::try_from(at.duration_since(self.origin).as_nanos()).unwrap_or(i64::MAX)
    }

    fn random(&self, number: u64) -> u64 {
        let digest = Sha256::digest(format!("{} {number}", self.plan.seed));
        u64::from_be_bytes(digest[..8].try_into().unwrap_or_default()) >> 11
    }

    fn outgoing(&self, places: &Places<'_>, conflicting: bool) -> Outgoing {
        let url = places.fill(&self.load.urls[places.n % self.load.urls.len()]);
        let body = self.load.conflicting.as_ref().filter(|_| conflicting).unwrap_or(&self.load.body);
        let mut headers: Vec<(String, String)> = self
            .load
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), places.fill(value)))
            .collect();
        headers.push((self.policy.http.key_header.to_ascii_lowercase(), format!("\"{}\"", places.key)));
        Outgoing { method: self.load.method, path: path(&url), headers, body: Bytes::from(places.fill(body)) }
    }

    fn record(&self, key: &str, id: String, exchange: &Exchange, sent: &Outgoing) -> Request {
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
        let outcome = answer.map_or(Outcome::Unknown, |answer| outcome(answer.status, &self.policy.http));
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

    fn finish(mut self) -> (LoadReport, Vec<Record>) {
        self.book.finish();
        let report = &mut self.report;
        report.history = HistoryReport::new(&self.book, None);
        report.history.policy = Some(report.policy.clone());
        report.upper_bound = upper_bound(report.duplicated, report.bursts);
        report.verdict = if report.history.verdict == Verdict::Rejected {
            LoadVerdict::Violated
        } else if report.history.verdict == Verdict::Unknown || report.overlapped * 2 <= report.bursts {
            LoadVerdict::Inconclusive
        } else {
            LoadVerdict::NothingFound
        };
        (self.report, self.records)
    }
}

/// The class of an answer, as the policy has its codes. What may have been executed counts as unknown, so that
/// nobody is accused of what was never said.
pub fn outcome(status: u16, http: &Http) -> Outcome {
    match status {
        200..300 => Outcome::Final,
        _ if status == http.in_flight => Outcome::InFlight,
        _ if status == http.mismatch => Outcome::Mismatch,
        _ if status == http.missing_key => Outcome::Unavailable,
        429 => Outcome::Unavailable,
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

/// Host and port of an address.
fn authority(url: &str) -> Result<String, String> {
    let uri: http::Uri =
        url.split("{{").next().unwrap_or(url).parse().map_err(|error| format!("{url}: {error}"))?;
    let host = uri.host().ok_or_else(|| format!("{url} names no host"))?;
    Ok(format!("{host}:{}", uri.port_u16().unwrap_or(80)))
}

/// Path and query of an address.
fn path(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.find(['/', '?']) {
        Some(at) if rest[at..].starts_with('/') => rest[at..].to_owned(),
        Some(at) => format!("/{}", &rest[at..]),
        None => "/".to_owned(),
    }
}
