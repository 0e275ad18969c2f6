//! `idemcheck replay`: a counterexample file, run again.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use idemcheck::check;
use idemcheck::check::verdict::Counterexample;
use idemcheck::report::human;
use idemcheck::report::trace::TraceFile;

use crate::exit::Exit;
use crate::{input, output};

#[derive(clap::Args)]
pub struct Args {
    /// A file that `verify --traces` wrote.
    file: PathBuf,
}

/// Exits well if the run is possible step by step and breaks the property, as the file says.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let shown = args.file.display();
    let text = std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {shown}"))?;
    let file = TraceFile::from_json(&text).map_err(|fault| anyhow!("{shown}: {fault}"))?;
    let model_path = format!("{}.toml", file.model);
    let members: Vec<_> = file
        .members
        .iter()
        .map(|member| (member.path.as_ref(), member.policy_text.as_str(), member.model_text.as_str()))
        .collect();
    let loaded = input::read_texts(
        (file.policy_path.as_ref(), &file.policy_text),
        (model_path.as_ref(), &file.model_text),
        &members,
    );
    let [source] = loaded.policies.as_slice() else {
        bail!("this idemcheck can't read the policy in {shown} (written by idemcheck {})", file.tool);
    };
    let steps = check::replay(&source.policy, &source.protocol, &file.counterexample)
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| format!("{shown} does not run as recorded (written by idemcheck {})", file.tool))?;
    let same = steps == file.counterexample.steps;
    let run = Counterexample { steps, ..file.counterexample };
    output::to_stdout(|out| {
        writeln!(out, "{} ({}): {}", file.policy, file.policy_path, file.reason)?;
        human::timeline(&run, out)
    })?;
    if !same {
        eprintln!("note: the run is possible, yet some step reads differently than in the file");
    }
    Ok(Exit::Holds)
}
