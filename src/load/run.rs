//! A run: every probe that the policy and the arguments make possible, one after the other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::effects;
use super::fault::{FaultCount, Injected};
use super::lab::{Caps, Halt, Lab, Senders};
use super::power::upper_bound;
use super::probe::Probe;
use super::probes::{self, Tried};
use super::proxy::Between;
use super::report::{Batch, Latency, LoadReport, LoadVerdict, ProbeOutcome, ProbeReport};
use super::reproduce;
use super::send::{Target, Technique, Trust};
use super::service::Service;
use super::sink;
use crate::history::record::{Header, Record, VERSION};
use crate::history::{Book, HistoryReport, Terms};
use crate::model::Protocol;
use crate::policy::{Effects, Load, Policy};

/// Requests of a burst.
pub const SIZE_MAX: usize = 100;
/// Bursts of a run.
pub const BURSTS_MAX: u64 = 100_000;
/// Findings that come with requests to repeat.
const REPRODUCED_MAX: usize = 5;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Requests of a burst, 2 to [`SIZE_MAX`].
    pub size: usize,
    /// Bursts of P1, up to [`BURSTS_MAX`].
    pub bursts: u64,
    pub batches: u64,
    /// Between two batches: hits come in clusters.
    pub rest: Duration,
    /// At least one; batches of P1 take turns, and all else goes the first one's way.
    pub techniques: Vec<Technique>,
    /// Between the starts of two requests of a burst. None: every second batch is spread over the time of the
    /// handler.
    pub stagger: Option<Duration>,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// Of every probe but P1.
    pub rounds: u64,
    pub caps: Caps,
    /// What is tried.
    pub probes: Vec<Probe>,
    /// Keys and random numbers come from it.
    pub seed: u64,
}

/// What a run needs beside the policy.
#[derive(Clone, Debug)]
pub struct Around {
    pub trust: Trust,
    /// The service, in words, to be started for each address; `{{port}}` stands for its port.
    pub command: Vec<String>,
    /// Where the service thinks its store is, and where it is.
    pub store: Option<(SocketAddr, String)>,
    /// The same of what it calls.
    pub downstream: Option<(SocketAddr, String)>,
}

/// A run under way.
pub struct Run<'a> {
    lab: Lab<'a>,
    plan: Plan,
    report: LoadReport,
    /// What the service calls, where this run has started it.
    _sink: Option<sink::Started>,
}

/// The sink that the policy names, started if nobody listens there.
async fn sink(policy: &Policy, load: &Load, trust: &Trust) -> Result<Option<sink::Started>, String> {
    let Effects::Sink { url, key } = &load.effects else { return Ok(None) };
    if effects::Sink::new(url, trust)?.is_there().await?.is_some() {
        return Ok(None);
    }
    let rest =
        url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/').replace("localhost", "127.0.0.1"));
    let address = rest.and_then(|rest| rest.parse::<SocketAddr>().ok());
    let Some(address) = address.filter(|address| address.ip().is_loopback()) else {
        return Err(format!(
            "there is no sink on {url}; on this machine, http://127.0.0.1:PORT, one is started"
        ));
    };
    sink::Started::new(address, sink::Settings::of(policy, key.clone())).map(Some)
}

/// The strongest that the first address understands: HTTP/2 over one connection and over two, which a balancer may
/// send to two processes, and HTTP/1.1.
async fn techniques(urls: &[String], trust: &Trust) -> Result<Vec<Technique>, String> {
    let packet = |connections| Technique::SinglePacket { connections };
    let Some(url) = urls.first() else { return Ok(Vec::new()) };
    Ok(if Target::new(url, packet(1), trust)?.speaks_http2().await {
        vec![packet(1), packet(2), Technique::LastByte]
    } else {
        vec![Technique::LastByte]
    })
}

impl<'a> Run<'a> {
    /// Connects to where effects are counted, and starts what is to be started.
    ///
    /// # Errors
    /// Effects can't be counted, an address can't be read, or the service does not start.
    pub async fn new(
        policy: &'a Policy,
        protocol: &Protocol,
        load: &'a Load,
        plan: Plan,
        around: Around,
        stop: &'a dyn Fn() -> bool,
    ) -> Result<Run<'a>, String> {
        let between = |proxy: &Option<(SocketAddr, String)>| {
            proxy.as_ref().map(|(listen, to)| Between::start(*listen, to)).transpose()
        };
        let (store, downstream) = (between(&around.store)?, between(&around.downstream)?);
        let sink = sink(policy, load, &around.trust).await?;
        let mut plan = plan;
        let mut services = Vec::new();
        if !around.command.is_empty() {
            for url in &load.urls {
                let target = Target::new(url, Technique::LastByte, &around.trust)?;
                let port = target.authority().rsplit_once(':').map_or("", |(_, port)| port);
                let words: Vec<String> =
                    around.command.iter().map(|word| word.replace("{{port}}", port)).collect();
                services.push(Service::start(&words, target.authority()).await?);
            }
        }
        if plan.techniques.is_empty() {
            plan.techniques = techniques(&load.urls, &around.trust).await?;
        }
        let senders = |technique: &Technique| {
            let targets = load.urls.iter().map(|url| Target::new(url, *technique, &around.trust));
            Ok::<_, String>(Senders::new(*technique, targets.collect::<Result<_, _>>()?, plan.timeout))
        };
        let senders = plan.techniques.iter().map(senders).collect::<Result<Vec<_>, _>>()?;
        let terms = Terms::of(policy, protocol);
        let header =
            Header { version: VERSION, policy: Some(policy.name.clone()), terms, sources: Vec::new() };
        let lab = Lab {
            policy,
            load,
            terms,
            caps: plan.caps,
            services,
            store,
            downstream,
            seed: plan.seed,
            records: vec![Record::Header(header)],
            shots: vec![None],
            requests: 0,
            answers: BTreeMap::new(),
            latencies: BTreeMap::new(),
            injected: BTreeMap::new(),
            found: Vec::new(),
            uncounted: Vec::new(),
            duplicated: 0,
            handler: Duration::ZERO,
            book: Book::with_terms(terms),
            probe: Probe::Burst,
            senders,
            turn: 0,
            effects: Rc::new(effects::Probe::open(load, &around.trust).await?),
            origin: Instant::now(),
            bytes: 0,
            stop,
        };
        let report = LoadReport {
            version: 1,
            policy: policy.name.clone(),
            urls: load.urls.clone(),
            technique: plan
                .techniques
                .iter()
                .map(|technique| technique.name())
                .collect::<Vec<_>>()
                .join(", "),
            size: plan.size as u64,
            seed: plan.seed,
            cut_short: None,
            probes: Vec::new(),
            batches: Vec::new(),
            bursts: 0,
            duplicated: 0,
            overlapped: 0,
            simultaneous: 0,
            upper_bound: 1.0,
            requests: 0,
            answers: BTreeMap::new(),
            latencies: BTreeMap::new(),
            faults: Vec::new(),
            verdict: LoadVerdict::Inconclusive,
        };
        Ok(Run { lab, plan, report, _sink: sink })
    }

    /// All probes; `told` hears of each batch of P1 and of each probe.
    ///
    /// # Errors
    /// The endpoint or the counter can't be reached, or the service that was killed does not come back.
    pub async fn go(mut self, told: &mut dyn FnMut(Told<'_>)) -> Result<(LoadReport, Vec<Record>), String> {
        match probes::measure(&mut self.lab).await {
            Ok(()) => {}
            Err(Halt::Cut(why)) => self.report.cut_short = Some(why),
            Err(Halt::Failed(why)) => return Err(why),
        }
        for &probe in Probe::ALL {
            let report = if self.report.cut_short.is_some() {
                ProbeReport::new(probe, Some("the run was cut short".to_owned()), None)
            } else if self.plan.probes.contains(&probe) {
                self.probe(probe, told).await?
            } else {
                ProbeReport::new(probe, Some("it was not asked for".to_owned()), None)
            };
            told(Told::Probe(&report));
            self.report.probes.push(report);
        }
        Ok(self.finish())
    }

    async fn probe(&mut self, probe: Probe, told: &mut dyn FnMut(Told<'_>)) -> Result<ProbeReport, String> {
        let lab = &mut self.lab;
        lab.probe = probe;
        lab.book = Book::with_terms(lab.terms);
        let (before, first) = (lab.requests, lab.records.len());
        let done = match probe {
            Probe::Burst => self.bursts(told).await,
            probe => probes::go(lab, probe, &self.plan).await,
        };
        let done = match done {
            Ok(tried) => self.lab.count_all().await.map(|()| tried),
            Err(halt) => Err(halt),
        };
        let why = match done {
            Ok(Tried::Skipped(why)) => return Ok(ProbeReport::new(probe, Some(why), None)),
            Ok(Tried::Whole) => None,
            Ok(Tried::Partly(why)) => Some(why),
            Err(Halt::Failed(why)) => return Err(why),
            Err(Halt::Cut(why)) => {
                self.report.cut_short = Some(why.clone());
                Some(why)
            }
        };
        let lab = &mut self.lab;
        lab.book.finish();
        let mut history = HistoryReport::new(&lab.book, None);
        history.policy = Some(self.report.policy.clone());
        let mut report = ProbeReport::new(probe, why, Some(history));
        report.requests = lab.requests - before;
        report.findings = std::mem::take(&mut lab.found);
        if !report.findings.is_empty() {
            report.outcome = ProbeOutcome::Violated;
        }
        let keys = report.keys_to_repeat(REPRODUCED_MAX);
        report.repeat = keys.iter().map(|key| reproduce::script(lab, key, first)).collect();
        Ok(report)
    }

    async fn bursts(&mut self, told: &mut dyn FnMut(Told<'_>)) -> Result<Tried, Halt> {
        let batches = self.plan.batches.clamp(1, self.plan.bursts.max(1));
        for batch in 0..batches {
            if batch > 0 {
                tokio::time::sleep(self.plan.rest).await;
            }
            let from = self.plan.bursts * batch / batches;
            let to = self.plan.bursts * (batch + 1) / batches;
            let (done, halted) = probes::batch(&mut self.lab, &self.plan, batch, from..to).await;
            if done.bursts > 0 {
                told(Told::Batch(batch + 1, &done));
                self.report.bursts += done.bursts;
                self.report.duplicated += done.duplicated;
                if done.stagger_us == 0 {
                    self.report.simultaneous += done.bursts;
                    self.report.overlapped += done.overlapped;
                }
                self.report.batches.push(done);
            }
            halted?;
        }
        Ok(Tried::Whole)
    }

    fn finish(self) -> (LoadReport, Vec<Record>) {
        let Run { lab, mut report, .. } = self;
        report.requests = lab.requests;
        report.answers = lab.answers;
        report.latencies =
            lab.latencies.iter().map(|(class, times)| (class.clone(), Latency::of(times))).collect();
        let fault = |(fault, times): (&Injected, &u64)| FaultCount {
            fault: fault.name().to_owned(),
            model: fault.model().to_owned(),
            times: *times,
            allowed: fault.is_allowed(lab.policy),
        };
        report.faults = lab.injected.iter().map(fault).collect();
        report.upper_bound = upper_bound(report.duplicated, report.bursts);
        let any = |outcome| report.probes.iter().any(|probe| probe.outcome == outcome);
        let all_skipped = report.probes.iter().all(|probe| probe.outcome == ProbeOutcome::Skipped);
        report.verdict = if any(ProbeOutcome::Violated) {
            LoadVerdict::Violated
        } else if any(ProbeOutcome::Inconclusive)
            || report.overlaps_too_little()
            || report.cut_short.is_some()
            || all_skipped
        {
            LoadVerdict::Inconclusive
        } else {
            LoadVerdict::NothingFound
        };
        (report, lab.records)
    }
}

/// What happens while a run is under way.
pub enum Told<'a> {
    /// The number of a batch of P1, and what came of it.
    Batch(u64, &'a Batch),
    Probe(&'a ProbeReport),
}
