//! `idemcheck man`: manual pages, one for the tool and one for each of its commands.

use std::path::PathBuf;

use clap_mangen::Man;

use crate::exit::Exit;
use crate::output;

#[derive(clap::Args)]
pub struct Args {
    /// The folder to write into.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// Writes `idemcheck.1` and `idemcheck-COMMAND.1`; prints their paths.
pub fn run(args: &Args, command: clap::Command) -> anyhow::Result<Exit> {
    output::check_folder(&args.to)?;
    let mut paths = Vec::new();
    for (name, page) in pages(command)? {
        let path = args.to.join(name);
        output::to_file(&path, |out| out.write_all(&page))?;
        paths.push(path);
    }
    output::to_stdout(|out| paths.iter().try_for_each(|path| writeln!(out, "{}", path.display())))?;
    Ok(Exit::Holds)
}

fn pages(command: clap::Command) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    // Its own name and version are part of every page.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    let mut pending = vec![(String::from("idemcheck"), command)];
    while let Some((name, command)) = pending.pop() {
        let below = command.get_subcommands().filter(|sub| !sub.is_hide_set());
        pending.extend(below.map(|sub| (format!("{name}-{}", sub.get_name()), sub.clone())));
        let mut page = Vec::new();
        let titled = command.display_name(name.clone());
        Man::new(titled).render(&mut page)?;
        pages.push((format!("{name}.1"), page));
    }
    pages.sort();
    Ok(pages)
}
