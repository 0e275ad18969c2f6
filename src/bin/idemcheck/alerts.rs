//! `idemcheck alerts`: rules for Prometheus, from a policy.

use std::io::Write as _;
use std::path::PathBuf;

use idemcheck::serve::alerts;

use crate::exit::Exit;
use crate::input;

#[derive(clap::Args)]
pub struct Args {
    /// The policy file.
    policy: PathBuf,
    /// A folder of models that come before the shipped ones.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
}

/// Prints the rule file.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(source) = input::one("alerts", &args.policy, args.models.as_deref())? else {
        return Ok(Exit::CouldNotRun);
    };
    std::io::stdout().lock().write_all(alerts::rules(&source.policy).as_bytes())?;
    Ok(Exit::Holds)
}
