//! `idemcheck audit`: what running each action twice does, and what keeps it from happening.

use std::path::PathBuf;

use clap::ValueEnum;
use idemcheck::audit::{Finding, audit};
use serde::Serialize;

use crate::exit::Exit;
use crate::{input, output};

#[derive(clap::Args)]
pub struct Args {
    /// Policy files, or folders to search for them.
    #[arg(default_value = "policies/")]
    paths: Vec<PathBuf>,

    /// A folder of models that come before the shipped ones.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,

    /// How to write the table.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    /// Only the policies that lack something.
    #[arg(long)]
    lacking: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// For machines.
    Json,
}

/// The audit as machines read it.
#[derive(Serialize)]
struct Audit<'a> {
    version: u32,
    findings: &'a [Finding],
}

/// Exits well if no policy repeats what is unsafe to repeat without what that needs.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let loaded = input::read(&args.paths, args.models.as_deref());
    if loaded.failed() {
        return Ok(Exit::CouldNotRun);
    }
    let all = loaded.policies.iter().flat_map(|source| audit(&source.policy, &source.protocol));
    let mut findings: Vec<Finding> = all.collect();
    if findings.is_empty() {
        let paths: Vec<String> = args.paths.iter().map(|path| path.display().to_string()).collect();
        eprintln!("nothing selected: no policy found in {}", paths.join(", "));
        return Ok(Exit::NothingSelected);
    }
    // A member of a system is there for itself, too.
    findings.sort_by(|a, b| (&a.path, &a.policy).cmp(&(&b.path, &b.policy)));
    findings.dedup();

    let count = findings.len();
    let lacking = findings.iter().filter(|finding| !finding.lacks.is_empty()).count();
    if args.lacking {
        findings.retain(|finding| !finding.lacks.is_empty());
    }
    output::to_stdout(|out| match args.format {
        Format::Json => {
            writeln!(out, "{}", serde_json::to_string_pretty(&Audit { version: 1, findings: &findings })?)
        }
        Format::Human => {
            for finding in &findings {
                human(finding, out)?;
            }
            let s = if count == 1 { "policy" } else { "policies" };
            writeln!(out, "{count} {s} audited, {lacking} lacking what an automatic retry needs")
        }
    })?;
    Ok(if lacking > 0 { Exit::Violated } else { Exit::Holds })
}

fn human(finding: &Finding, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    let Finding { policy, path, action, by_nature, class, twice, safe_form, evidence, has, lacks } = finding;
    let class = match by_nature == class {
        true => class.name().to_owned(),
        false => format!("{}, by nature {}", class.name(), by_nature.name()),
    };
    writeln!(out, "{path}  {policy}: {action} is {class}")?;
    writeln!(out, "  twice:     {twice}")?;
    writeln!(out, "  safe form: {safe_form} ({evidence})")?;
    if !has.is_empty() {
        writeln!(out, "  has:       {}", has.join(", "))?;
    }
    if !lacks.is_empty() {
        writeln!(out, "  LACKS:     {}", lacks.join(", "))?;
    }
    writeln!(out)
}
