//! `idemcheck load`: races the endpoint that a policy names.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use idemcheck::load::calibrate::{self, Calibration};
use idemcheck::load::emit::{self, Tool};
use idemcheck::load::lab::Caps;
use idemcheck::load::power::bursts_for;
use idemcheck::load::probe::Probe;
use idemcheck::load::report::LoadReport;
use idemcheck::load::run::{Around, BURSTS_MAX, Plan, Run, SIZE_MAX, Told};
use idemcheck::load::send::{Technique, Trust};
use idemcheck::report::{calibration, load};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::arguments::parse_duration;
use crate::exit::Exit;
use crate::{input, output};

/// After it no burst is begun.
const TIMEOUT: Duration = Duration::from_secs(60);
const CALIBRATE_TIMEOUT: Duration = Duration::from_secs(300);

#[derive(clap::Args)]
pub struct Args {
    /// The policy, with a [load] section.
    #[arg(required_unless_present = "calibrate")]
    policy: Option<PathBuf>,
    /// Instead of an endpoint, race a server with known windows, and one without a race: what this machine finds.
    /// --size, --bursts (of each kind), --batches, --seed and --timeout say how.
    #[arg(long, conflicts_with_all = ["policy", "url", "only", "technique", "command", "store_proxy", "downstream_proxy", "history"])]
    calibrate: bool,
    /// Instead of sending anything, write a script that does, for the tool that a team runs already: bursts of --size,
    /// as many as --bursts, and --patience. check-history judges what it records.
    #[arg(long, value_enum, value_name = "TOOL", conflicts_with_all = ["calibrate", "only", "technique", "stagger", "command", "store_proxy", "downstream_proxy", "history", "output", "format", "power", "ca"])]
    emit: Option<Emit>,
    /// A folder of models that come before the shipped ones.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Race this address instead of the policy's; repeat it for replicas.
    #[arg(long, value_name = "URL")]
    url: Vec<String>,
    /// A host that is neither of this machine nor in the policy may be sent requests.
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
    /// Requests under one key at the same moment.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=SIZE_MAX as u64))]
    size: u64,
    /// Bursts, each under a key of its own.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=BURSTS_MAX))]
    bursts: u64,
    /// Instead of --bursts: as many as find a race with this chance, if a burst shows it at the rate --p-min.
    #[arg(long, value_name = "CHANCE", value_parser = chance, requires = "p_min", conflicts_with = "bursts")]
    power: Option<f64>,
    /// See --power.
    #[arg(long, value_name = "RATE", value_parser = chance, requires = "power")]
    p_min: Option<f64>,
    /// Into how many batches the bursts are divided: races come in clusters.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    batches: u64,
    /// How requests go out; of several, batches take turns. [default: h2 and h1 where the service speaks HTTP/2, else h1]
    #[arg(long, value_enum, value_delimiter = ',')]
    technique: Vec<Chosen>,
    /// Connections of h2; of several numbers, batches take turns.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 2], requires = "technique", value_parser = clap::value_parser!(u64).range(1..=16))]
    connections: Vec<u64>,
    /// Between the starts of two requests of a burst. Without it every second batch is spread over the time of the
    /// handler, which finds locks that are taken without looking again.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    stagger: Option<Duration>,
    /// Probes to try, such as P1,P3; without it, all that the policy and the arguments make possible.
    #[arg(long, value_name = "PROBES", value_delimiter = ',')]
    only: Vec<Probe>,
    /// How often each probe but P1 is repeated.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
    /// Starts the service, without a shell, for each address; {{port}} stands for its port. Probes that kill it need
    /// this. It is ended with the run.
    #[arg(long, value_name = "WORDS")]
    command: Option<String>,
    /// Stands between the service and its store: listens on the one, passes on to the other.
    #[arg(long, value_name = "LISTEN=HOST:PORT", value_parser = between)]
    store_proxy: Option<(SocketAddr, String)>,
    /// The same between the service and what it calls.
    #[arg(long, value_name = "LISTEN=HOST:PORT", value_parser = between)]
    downstream_proxy: Option<(SocketAddr, String)>,
    /// Certificates to be trusted beside those of this machine (PEM).
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A probe that had to wait longer for a lease or a time to live is skipped.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    longest_wait: Duration,
    /// Requests of the whole run.
    #[arg(long, value_name = "N", default_value_t = 250_000)]
    max_requests: u64,
    /// Bytes of payloads of the whole run.
    #[arg(long, value_name = "N", default_value_t = 256 << 20)]
    max_bytes: u64,
    /// How long an answer is waited for.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    patience: Duration,
    /// After it no burst is begun. [default: 60s; with --calibrate 5m]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Keys and random numbers come from it; without it, from the clock.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Where to write the history, for check-history.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// How to write what was found.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write it to a file, too, in this format; may be repeated.
    #[arg(long, value_name = "FORMAT=PATH", value_parser = destination)]
    output: Vec<(Format, PathBuf)>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Emit {
    /// JavaScript for k6, with thresholds.
    K6,
    /// Python for Locust, with or without workers.
    Locust,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Chosen {
    /// HTTP/1.1: a connection for each request, the last byte of each held back.
    H1,
    /// HTTP/2: the last frames of all requests in one write.
    H2,
    /// HTTP/1.1: whole requests, over connections that are open already, let go at once.
    Barrier,
}

/// In the order in which they were named.
fn techniques(args: &Args) -> Vec<Technique> {
    let packet = |connections: &u64| Technique::SinglePacket {
        connections: usize::try_from(*connections).unwrap_or(1),
    };
    let of = |chosen: &Chosen| match chosen {
        Chosen::H1 => vec![Technique::LastByte],
        Chosen::H2 => args.connections.iter().map(packet).collect(),
        Chosen::Barrier => vec![Technique::Barrier],
    };
    args.technique.iter().flat_map(of).collect()
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Human,
    /// For machines: see `idemcheck schema load-report`.
    Json,
    /// For whatever shows test results.
    Junit,
}

impl Format {
    fn write(self, report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Format::Human => load::human(report, out),
            Format::Json => load::json(report, out),
            Format::Junit => load::junit(report, out),
        }
    }
}

fn destination(text: &str) -> Result<(Format, PathBuf), String> {
    let wrong = || "a format and a file, such as junit=load.xml; formats are human, json, junit".to_owned();
    let (name, path) = text.split_once('=').filter(|(_, path)| !path.is_empty()).ok_or_else(wrong)?;
    Ok((Format::from_str(name, false).map_err(|_| wrong())?, PathBuf::from(path)))
}

fn chance(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "a number between 0 and 1, such as 0.95".to_owned())?;
    if value > 0.0 && value < 1.0 { Ok(value) } else { Err("it must lie between 0 and 1".to_owned()) }
}

fn between(text: &str) -> Result<(SocketAddr, String), String> {
    let wrong =
        || "an address to listen on and one to pass on to, such as 127.0.0.1:7000=127.0.0.1:6379".to_owned();
    let (listen, to) = text.split_once('=').ok_or_else(wrong)?;
    let listen: SocketAddr = listen.parse().map_err(|_| wrong())?;
    if !listen.ip().is_loopback() {
        return Err("it listens on this machine only: 127.0.0.1 or [::1]".to_owned());
    }
    if to.rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err()) {
        return Err(wrong());
    }
    Ok((listen, to.to_owned()))
}

fn trust(further: Option<&Path>) -> anyhow::Result<Trust> {
    let mut certificates = Vec::new();
    if let Some(path) = further {
        let failed = || format!("{} is no certificate", path.display());
        for certificate in CertificateDer::pem_file_iter(path).with_context(failed)? {
            certificates.push(certificate.with_context(failed)?);
        }
        if certificates.is_empty() {
            bail!("{} has no certificate", path.display());
        }
    }
    Trust::new(certificates).map_err(anyhow::Error::msg)
}

/// Exits well if nothing was found.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(policy) = args.policy.as_ref().filter(|_| !args.calibrate) else { return calibrated(args) };
    let Some(source) = input::one("load", policy, args.models.as_deref())? else {
        return Ok(Exit::CouldNotRun);
    };
    let Some(mut load) = source.policy.load.clone() else {
        bail!(
            "{} has no [load] section; it says where requests go and where their effects are counted \
             (`idemcheck explain IDM252`)",
            policy.display()
        );
    };
    if !args.url.is_empty() {
        load.urls.clone_from(&args.url);
    }
    for url in &load.urls {
        allowed(url, &source.policy.load_hosts(), &args.allow_host)?;
    }
    let bursts = match args.power.zip(args.p_min) {
        Some((power, rate)) => bursts_for(power, rate),
        None => args.bursts,
    };
    if bursts > BURSTS_MAX {
        bail!("{bursts} bursts are needed for that, and {BURSTS_MAX} are the most of one run");
    }
    let size = usize::try_from(args.size).unwrap_or(SIZE_MAX);
    if let Some(tool) = args.emit {
        let tool = match tool {
            Emit::K6 => Tool::K6,
            Emit::Locust => Tool::Locust,
        };
        let asked = emit::Asked { size, bursts, patience: args.patience };
        let script = emit::script(tool, &source.policy, &source.protocol, &load, asked);
        let script = script.map_err(anyhow::Error::msg)?;
        output::to_stdout(|out| out.write_all(script.as_bytes()))?;
        return Ok(Exit::Holds);
    }
    let plan = Plan {
        size,
        bursts,
        batches: args.batches,
        rest: Duration::from_millis(100),
        techniques: techniques(args),
        stagger: args.stagger,
        timeout: args.patience,
        rounds: args.rounds,
        caps: Caps {
            requests: args.max_requests,
            bytes: args.max_bytes,
            time: args.timeout.unwrap_or(TIMEOUT),
            wait: args.longest_wait,
        },
        probes: if args.only.is_empty() { Probe::ALL.to_vec() } else { args.only.clone() },
        seed: args.seed.unwrap_or_else(by_the_clock),
    };
    let around = Around {
        trust: trust(args.ca.as_deref())?,
        command: match &args.command {
            None => Vec::new(),
            Some(text) => shlex::split(text).context("--command has a quote that does not end")?,
        },
        store: args.store_proxy.clone(),
        downstream: args.downstream_proxy.clone(),
    };
    // Better now than when all is done.
    for path in args.output.iter().map(|(_, path)| path).chain(&args.history) {
        output::check_file(path)?;
    }
    let interrupted = interrupted()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let local = tokio::task::LocalSet::new();
    let done = local.block_on(&runtime, async {
        let stop = || interrupted.load(Ordering::SeqCst);
        let run = Run::new(&source.policy, &source.protocol, &load, plan, around, &stop).await?;
        let mut tell = |told: Told<'_>| match told {
            Told::Batch(number, batch) => anstream::eprintln!("{}", load::batch_line(number, batch)),
            Told::Probe(probe) => anstream::eprintln!("{}", load::probe_line(probe)),
        };
        run.go(&mut tell).await
    });
    let (report, records) = done.map_err(anyhow::Error::msg)?;
    if let Some(path) = &args.history {
        output::to_file(path, |out| {
            for record in &records {
                serde_json::to_writer(&mut *out, record)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        })?;
    }
    for (format, path) in &args.output {
        output::to_file(path, |out| format.write(&report, out))?;
    }
    output::to_stdout(|out| args.format.write(&report, out))?;
    Ok(Exit::of_load(report.verdict))
}

/// Whether Ctrl-C was pressed.
fn interrupted() -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let told = interrupted.clone();
    ctrlc::set_handler(move || told.store(true, Ordering::SeqCst)).context("no handler for Ctrl-C")?;
    Ok(interrupted)
}

/// What this machine finds.
fn calibrated(args: &Args) -> anyhow::Result<Exit> {
    let asked = calibrate::Asked {
        size: usize::try_from(args.size).unwrap_or(SIZE_MAX),
        bursts: args.bursts,
        batches: args.batches,
        seed: args.seed.unwrap_or_else(by_the_clock),
        time: args.timeout.unwrap_or(CALIBRATE_TIMEOUT),
    };
    let write = |format: Format, out: &mut dyn Write, found: &Calibration| match format {
        Format::Json => calibration::json(found, out),
        Format::Human | Format::Junit => calibration::human(found, out),
    };
    if args
        .output
        .iter()
        .map(|(format, _)| format)
        .chain([&args.format])
        .any(|format| *format == Format::Junit)
    {
        bail!("what a machine finds is no test, and is not written as JUnit");
    }
    for (_, path) in &args.output {
        output::check_file(path)?;
    }
    let trust = trust(args.ca.as_deref())?;
    let interrupted = interrupted()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let local = tokio::task::LocalSet::new();
    let done = local.block_on(&runtime, async {
        let stop = || interrupted.load(Ordering::SeqCst);
        let mut tell = |batch, batches| anstream::eprintln!("batch {batch} of {batches}");
        calibrate::calibrate(asked, &trust, &stop, &mut tell).await
    });
    let found = done.map_err(anyhow::Error::msg)?;
    for (format, path) in &args.output {
        output::to_file(path, |out| write(*format, out, &found))?;
    }
    output::to_stdout(|out| write(args.format, out, &found))?;
    Ok(if found.cut_short.is_some() { Exit::Inconclusive } else { Exit::Holds })
}

fn by_the_clock() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_nanos() as u64)
}

/// Refuses to send anything where nobody said it may be sent.
fn allowed(url: &str, named: &[&str], allowed: &[String]) -> anyhow::Result<()> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))
        .with_context(|| format!("`{url}` is no address such as http://127.0.0.1:8080/pay"))?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let bare = host.trim_matches(['[', ']']);
    let local =
        bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if local || named.contains(&authority) || allowed.iter().any(|name| name == host) {
        return Ok(());
    }
    bail!("requests go to this machine, or where the policy says; for {host} say --allow-host {host}")
}
