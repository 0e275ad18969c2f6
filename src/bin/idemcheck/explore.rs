//! `idemcheck explore`: the state space of one policy, in the browser.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use idemcheck::check;

use crate::exit::Exit;
use crate::input;

#[derive(clap::Args)]
pub struct Args {
    /// The policy file.
    policy: PathBuf,
    /// A folder of models that come before the shipped ones.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Where to serve; this machine only.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
}

/// Serves until it is interrupted.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    if !args.listen.ip().is_loopback() {
        bail!(
            "{} can be reached from elsewhere, and the explorer asks nobody who they are; \
               use 127.0.0.1 or [::1]",
            args.listen
        );
    }
    let Some(source) = input::one("explore", &args.policy, args.models.as_deref())? else {
        return Ok(Exit::CouldNotRun);
    };
    // The server behind this panics on a port in use, so ask first.
    drop(TcpListener::bind(args.listen).with_context(|| format!("cannot listen on {}", args.listen))?);
    eprintln!("exploring {} on http://{} (Ctrl-C ends it)", source.policy.name, args.listen);
    check::explore(&source.policy, &source.protocol, args.listen)?;
    Ok(Exit::Holds)
}
