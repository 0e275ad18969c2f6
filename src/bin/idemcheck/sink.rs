//! `idemcheck sink`: stands for the downstream of a service under test, and counts effects.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use idemcheck::load::sink::{Behaviour, CONTROL, Does, Native, Settings, Sink};
use idemcheck::policy::FieldSource;
use tokio::net::TcpListener;

use crate::arguments::parse_duration;
use crate::exit::Exit;
use crate::output;

#[derive(clap::Args)]
pub struct Args {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9100")]
    listen: SocketAddr,
    /// Where a call's key stands, by which effects are counted: header:NAME, json:/POINTER or query:NAME.
    #[arg(long, value_name = "PLACE", default_value = "header:Idempotency-Key", value_parser = place)]
    key: FieldSource,
    /// A call whose value of this header has come before has no second effect, and is answered as the first.
    #[arg(long, value_name = "HEADER")]
    native_header: Option<String>,
    /// A native key is forgotten after this. [default: never]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "native_header")]
    native_ttl: Option<Duration>,
    /// A known native key with another body is refused, with 422.
    #[arg(long, requires = "native_header")]
    native_compares: bool,
    /// A call with a lower number in this header than an earlier one of its key is refused, with 409.
    #[arg(long, value_name = "HEADER")]
    token_header: Option<String>,
    #[command(flatten)]
    does: DoesArgs,
    /// Do so to every Nth call only.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
}

#[derive(clap::Args)]
#[group(multiple = false)]
struct DoesArgs {
    /// Calls have their effect after this, whoever still waits.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    delay: Option<Duration>,
    /// Calls have their effect at once, and are answered after this.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    late: Option<Duration>,
    /// Calls have no effect, and are answered 500.
    #[arg(long)]
    fail: bool,
    /// Calls have their effect, and their connection breaks instead of an answer.
    #[arg(long)]
    drop_answers: bool,
    /// Calls have their effect, and are answered when the sink is told to do something else.
    #[arg(long)]
    hold: bool,
}

fn place(text: &str) -> Result<FieldSource, String> {
    match FieldSource::parse(text)? {
        place @ (FieldSource::Header(_) | FieldSource::Json(_) | FieldSource::Query(_)) => Ok(place),
        _ => Err("a key stands in a header, a JSON body or a query".to_owned()),
    }
}

impl DoesArgs {
    fn does(&self) -> Does {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        match self {
            DoesArgs { delay: Some(time), .. } => Does::Delay(ms(*time)),
            DoesArgs { late: Some(time), .. } => Does::Late(ms(*time)),
            DoesArgs { fail: true, .. } => Does::Fail,
            DoesArgs { drop_answers: true, .. } => Does::Drop,
            DoesArgs { hold: true, .. } => Does::Hold,
            _ => Does::Answer,
        }
    }
}

/// Counts until SIGTERM or Ctrl-C, then says what came.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let native = args.native_header.clone().map(|header| Native {
        header,
        ttl: args.native_ttl,
        compares: args.native_compares,
    });
    let settings = Settings { key: args.key.clone(), native, token: args.token_header.clone() };
    let sink = Arc::new(Sink::new(settings));
    sink.tell(Behaviour { does: args.does.does(), key: None, every: args.every });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
        let address = listener.local_addr()?;
        output::to_stdout(|out| writeln!(out, "counting calls on http://{address}"))?;
        eprintln!("counts at {CONTROL}effects?key=KEY; told what to do at {CONTROL}behaviour");
        tokio::select! {
            () = sink.clone().run(listener) => {}
            () = crate::serve::asked_to_stop() => {}
        }
        anyhow::Ok(())
    })?;
    runtime.shutdown_background();
    let totals = sink.totals();
    output::to_stdout(|out| {
        writeln!(
            out,
            "{} calls, {} effects under {} keys ({} without a key); {} keys with more than one",
            totals.counted.calls, totals.counted.effects, totals.keys, totals.without_key, totals.duplicated
        )
    })?;
    Ok(Exit::Holds)
}
