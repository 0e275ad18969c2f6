//! `idemcheck serve`: the policy's own machine on a real store.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use idemcheck::model::Protocol;
use idemcheck::policy::Policy;
use idemcheck::serve::background;
use idemcheck::serve::downstream::{Downstream, Ledger};
use idemcheck::serve::front::Front;
use idemcheck::serve::machine::{Bounds, Machine, Parts};
use idemcheck::serve::pause::{Pause, Pauses};
use idemcheck::serve::proxy::Proxy;
use idemcheck::serve::server::{Limits, Server};
use idemcheck::serve::watch::Watch;
use idemcheck::store::SharedStore;
use idemcheck::store::operation::Retry;
use idemcheck::store::url;
use tokio::net::TcpListener;

use crate::arguments::{parse_duration, parse_size};
use crate::exit::Exit;
use crate::input;

#[derive(clap::Args)]
pub struct Args {
    /// The policy file.
    policy: PathBuf,
    /// A folder of models that come before the shipped ones.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Where receipts are kept: memory:, sqlite:FILE, postgres://…, redis://… or, in a build that
    /// has it, dynamodb://…
    #[arg(long, value_name = "URL", default_value = "memory:")]
    store: String,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The service to stand before, such as http://127.0.0.1:3000. Without it, effects are rows of a ledger
    /// in the store, to be read at /ledger.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Where to ask the service whether an effect exists: 2xx it does, 404 it does not. {key} stands for the
    /// key that the call was sent with.
    #[arg(long, value_name = "URL", requires = "upstream")]
    query_url: Option<String>,
    /// Serve /healthz, /readyz, /metrics and /ledger here. [default: with the rest, or with --upstream nowhere]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// How long a call of the ledger takes before its effect.
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = parse_duration, conflicts_with = "upstream")]
    delay: Duration,
    /// Let attempts stand still before or after a state of the model: before:STATE=TIME, after:STATE=forever.
    #[arg(long, value_name = "PLACE=TIME", value_parser = Pause::parse)]
    pause: Vec<Pause>,
    /// Longest body of a request that needs a key.
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_size)]
    max_body: u64,
    /// All bodies that are held at a time; further requests are told to come back.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = parse_size)]
    max_bodies: u64,
    /// Longest answer that is kept.
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = parse_size)]
    max_response: u64,
    /// All longer answers that are on their way to clients; further ones are told to come back.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = parse_size)]
    max_answers: u64,
    /// Connections at a time.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    max_connections: usize,
    /// Attempts at a time; further requests are told to come back.
    #[arg(long, value_name = "N", default_value_t = Limits::default().attempts)]
    max_attempts: usize,
    /// How long attempts under way may take once the server is told to stop.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    drain: Duration,
    /// Do not keep what was asked in the claim, and do not take up half-finished operations at the start.
    #[arg(long)]
    no_recovery: bool,
    /// How to write the log on stderr.
    #[arg(long, value_enum, default_value_t)]
    log: LogFormat,
    /// What to log: error, warn, info or debug (every step).
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log_level: tracing_subscriber::filter::LevelFilter,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Serves until SIGTERM or Ctrl-C.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(source) = input::one("serve", &args.policy, args.models.as_deref())? else {
        return Ok(Exit::CouldNotRun);
    };
    log(args);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let exit = runtime.block_on(serve(args, &source.policy, &source.protocol));
    // Attempts that were cut off are not waited for: their claims are taken up on the next start.
    runtime.shutdown_background();
    exit
}

fn log(args: &Args) {
    let builder = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .with_max_level(args.log_level);
    match args.log {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}

async fn serve(args: &Args, policy: &Policy, protocol: &Protocol) -> anyhow::Result<Exit> {
    let store = url::open(&args.store).await.map_err(anyhow::Error::msg)?;
    let asked = Limits {
        body: usize::try_from(args.max_body)?,
        bodies: usize::try_from(args.max_bodies)?,
        response: usize::try_from(args.max_response)?,
        answers: usize::try_from(args.max_answers)?,
        connections: args.max_connections.max(1),
        attempts: args.max_attempts.max(1),
        drain: args.drain,
        ..Limits::default()
    };
    let limits = asked.within(store.room());
    if (limits.body, limits.response) != (asked.body, asked.response) {
        let (body, response) = (limits.body >> 10, limits.response >> 10);
        eprintln!(
            "bodies of up to {body} KiB and answers of up to {response} KiB: more is not kept in this store"
        );
    }
    let (machine, upstream) = machine(args, policy, protocol, store, limits)?;
    let front = Front::new(machine.clone()).map_err(anyhow::Error::msg)?;
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
    let watching = match args.admin {
        Some(address) => {
            Some(TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?)
        }
        None => None,
    };
    let elsewhere = watching.is_some() || upstream.is_some();
    let server = Arc::new(Server::new(front, upstream, limits, elsewhere));
    greet(args, policy, &listener, watching.as_ref())?;
    if !args.no_recovery {
        tokio::spawn(recover(machine.clone(), server.permits.clone()));
    }
    background::roles(&machine, &server.permits);
    background::housekeeping(&machine);
    let drained = server.run(listener, watching, stop()).await;
    match drained.cut_off {
        0 => eprintln!("stopped; every attempt came to its end"),
        count => eprintln!("stopped; {count} attempts were cut off, and are taken up on the next start"),
    }
    Ok(Exit::Holds)
}

/// Looks for half-finished operations until the store has said which there are.
async fn recover(machine: Arc<Machine>, permits: Arc<tokio::sync::Semaphore>) {
    let found = loop {
        match background::recover(&machine, &permits).await {
            Ok(found) => break found,
            Err(error) => tracing::warn!(%error, "looking for half-finished operations"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    if found != background::Recovery::default() {
        eprintln!(
            "{} half-finished operation{} to take up once the lease is over, {} left for a person",
            found.taken_up,
            if found.taken_up == 1 { "" } else { "s" },
            found.left
        );
    }
}

/// What brings effects about, and the machine before it.
fn machine(
    args: &Args,
    policy: &Policy,
    protocol: &Protocol,
    store: SharedStore,
    limits: Limits,
) -> anyhow::Result<(Arc<Machine>, Option<Arc<Proxy>>)> {
    let proxy = match &args.upstream {
        Some(upstream) => {
            let proxy = Proxy::new(upstream, args.query_url.as_deref(), policy, limits.response);
            Some(Arc::new(proxy.map_err(anyhow::Error::msg)?))
        }
        None => None,
    };
    let downstream: Arc<dyn Downstream> = match &proxy {
        Some(proxy) => proxy.clone(),
        None => Arc::new(Ledger::new(store.clone(), policy, args.delay)),
    };
    let parts = Parts {
        store,
        downstream,
        watch: Arc::new(Watch::new(&policy.name)),
        pauses: Pauses(args.pause.clone()),
        bounds: Bounds { attempt: limits.attempt_time, calls: 2 * limits.attempts, retry: Retry::default() },
        keeps_requests: !args.no_recovery,
    };
    let machine = Machine::new(policy, protocol, parts)?;
    if machine.asks_for_effects() && args.upstream.is_some() && args.query_url.is_none() {
        bail!(
            "the model asks the service whether an effect exists, and nobody said where: add \
             --query-url http://…/{{key}}, or choose otherwise in [choices]"
        );
    }
    Ok((Arc::new(machine), proxy))
}

/// The one line on stdout, for whoever waits for the server; the rest is for people.
fn greet(
    args: &Args,
    policy: &Policy,
    listener: &TcpListener,
    watching: Option<&TcpListener>,
) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut text = format!("serving {} on http://{}\n", policy.name, listener.local_addr()?);
    if let Some(watching) = watching {
        text.push_str(&format!("watching on http://{}\n", watching.local_addr()?));
    }
    // Whoever has read the address may close the pipe: all of it goes in one write.
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    eprintln!(
        "receipts in {}; effects {}",
        url::shown(&args.store),
        match &args.upstream {
            Some(upstream) => format!("behind {upstream}"),
            None => "in the store's ledger, at /ledger".to_owned(),
        }
    );
    let inside = Front::unscoped(policy);
    if !inside.is_empty() {
        eprintln!(
            "{} of the key: what the client sends in {} stands for {}; [http.fields] can say where each stands",
            inside.join(", "),
            policy.http.key_header,
            if inside.len() == 1 { "it" } else { "them" },
        );
    }
    Ok(())
}

/// SIGTERM, or Ctrl-C.
async fn stop() {
    asked_to_stop().await;
    eprintln!("stopping: attempts under way come to their end first");
}

/// SIGTERM, or Ctrl-C.
pub async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut term), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
