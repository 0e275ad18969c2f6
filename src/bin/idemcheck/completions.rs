//! `idemcheck completions`: what a shell needs to complete commands, options and values.

use clap_complete::Shell;

use crate::exit::Exit;
use crate::output;

#[derive(clap::Args)]
pub struct Args {
    /// Which shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script for a shell.
pub fn run(args: &Args, mut command: clap::Command) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "idemcheck", &mut script);
    output::to_stdout(|out| out.write_all(&script))?;
    Ok(Exit::Holds)
}
