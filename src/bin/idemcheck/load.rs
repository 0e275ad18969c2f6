//! `idemcheck load`: races the endpoint that a policy names.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use idemcheck::load::power::bursts_for;
use idemcheck::load::run::{BURSTS_MAX, Plan, Run, SIZE_MAX};
use idemcheck::load::send::Technique;
use idemcheck::report::load;

use crate::arguments::parse_duration;
use crate::exit::Exit;
use crate::{input, output};

#[derive(clap::Args)]
pub struct Args {
    /// The policy, with a [load] section.
    policy: PathBuf,
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
    /// How requests go out.
    #[arg(long, value_enum, default_value_t)]
    technique: Chosen,
    /// Connections of h2.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=16))]
    connections: u64,
    /// Between the starts of two requests of a burst; spread over the time of the handler it finds locks that are
    /// taken without looking again.
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = parse_duration)]
    stagger: Duration,
    /// How long an answer is waited for.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    patience: Duration,
    /// After it no burst is begun.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    timeout: Duration,
    /// Keys and random numbers come from it; without it, from the clock.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Where to write the history, for check-history.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// How to write what was found.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Chosen {
    /// HTTP/1.1: a connection for each request, the last byte of each held back.
    #[default]
    H1,
    /// HTTP/2 without TLS: the last frames of all requests in one write.
    H2,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Human,
    /// For machines.
    Json,
}

fn chance(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "a number between 0 and 1, such as 0.95".to_owned())?;
    if value > 0.0 && value < 1.0 { Ok(value) } else { Err("it must lie between 0 and 1".to_owned()) }
}

/// Exits well if nothing was found.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(source) = input::one("load", &args.policy, args.models.as_deref())? else {
        return Ok(Exit::CouldNotRun);
    };
    let Some(mut load) = source.policy.load.clone() else {
        bail!(
            "{} has no [load] section; it says where requests go and where their effects are counted \
             (`idemcheck explain IDM252`)",
            args.policy.display()
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
    let plan = Plan {
        size: usize::try_from(args.size).unwrap_or(SIZE_MAX),
        bursts,
        batches: args.batches,
        rest: Duration::from_millis(100),
        technique: match args.technique {
            Chosen::H1 => Technique::LastByte,
            Chosen::H2 => {
                Technique::SinglePacket { connections: usize::try_from(args.connections).unwrap_or(1) }
            }
        },
        stagger: args.stagger,
        timeout: args.patience,
        limit: args.timeout,
        seed: args.seed.unwrap_or_else(by_the_clock),
    };
    let interrupted = Arc::new(AtomicBool::new(false));
    let told = interrupted.clone();
    ctrlc::set_handler(move || told.store(true, Ordering::SeqCst)).context("no handler for Ctrl-C")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let local = tokio::task::LocalSet::new();
    let done = local.block_on(&runtime, async {
        let run = Run::new(&source.policy, &source.protocol, &load, plan).await?;
        let mut tell = |number, batch: &_| anstream::eprintln!("{}", load::batch_line(number, batch));
        run.go(&|| interrupted.load(Ordering::SeqCst), &mut tell).await
    });
    let (report, records) = done.map_err(anyhow::Error::msg)?;
    if let Some(path) = &args.history {
        let failed = || format!("{} can't be written", path.display());
        output::to_file(path, |out| {
            for record in &records {
                serde_json::to_writer(&mut *out, record)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        })
        .with_context(failed)?;
    }
    output::to_stdout(|out| match args.format {
        Format::Human => load::human(&report, out),
        Format::Json => load::json(&report, out),
    })?;
    Ok(Exit::of_load(report.verdict))
}

fn by_the_clock() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_nanos() as u64)
}

/// Refuses to send anything where nobody said it may be sent.
fn allowed(url: &str, named: &[&str], allowed: &[String]) -> anyhow::Result<()> {
    let rest = url
        .strip_prefix("http://")
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
