//! `idemcheck check-proof`: a proof file, checked without trust in what wrote it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use idemcheck::check::proof::{self, Proof};
use idemcheck::check::verdict::grouped;
use idemcheck::policy::load::LoadedPolicy;
use idemcheck::report::proof::ProofFile;
use idemcheck::system::System;

use crate::exit::Exit;
use crate::{input, output};

#[derive(clap::Args)]
pub struct Args {
    /// A file that `verify --proofs` wrote.
    file: PathBuf,
    /// The policy to check it against. [default: the one that the file brings]
    #[arg(value_name = "POLICY")]
    policy: Option<PathBuf>,
    /// A folder of models that come before the shipped ones, for POLICY.
    #[arg(long, value_name = "DIR", requires = "policy")]
    models: Option<PathBuf>,
    /// Print the invariant in words.
    #[arg(long)]
    show: bool,
}

/// Exits well if the invariant holds at the start, is kept by every step, and excludes what it says.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let shown = args.file.display();
    let text = std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {shown}"))?;
    let file = ProofFile::from_json(&text).map_err(|fault| anyhow!("{shown}: {fault}"))?;
    let source = match &args.policy {
        Some(path) => input::one("check-proof", path, args.models.as_deref())?,
        None => own_policy(&file, &shown)?,
    };
    let Some(source) = source else { return Ok(Exit::CouldNotRun) };
    let system = System::new(&source.policy, &source.protocol).map_err(|error| anyhow!("{error}"))?;
    let checked = proof::check(&system, &file.proof)
        .map_err(|refused| anyhow!("{refused}"))
        .with_context(|| format!("{shown} proves nothing of {}", source.policy.name))?;
    output::to_stdout(|out| {
        let names: Vec<&str> = file.proof.properties.iter().map(|property| property.name()).collect();
        writeln!(out, "{} ({}): {}", source.policy.name, source.policy.path.display(), names.join(", "))?;
        // In its own words, whatever the file says.
        writeln!(out, "  proved for {}", proof::scope(&system, file.proof.timed))?;
        if args.policy.is_none() {
            writeln!(out, "  of the policy as the file has it; name the policy to check it as it is now")?;
        }
        writeln!(
            out,
            "  checked: {} pieces, {} small worlds, {} steps",
            grouped(checked.pieces as u64),
            grouped(checked.worlds),
            grouped(checked.steps)
        )?;
        if args.show { show(&file.proof, out) } else { Ok(()) }
    })?;
    Ok(Exit::Holds)
}

/// The policy that the file brings.
fn own_policy(file: &ProofFile, shown: &impl std::fmt::Display) -> anyhow::Result<Option<LoadedPolicy>> {
    let model_path = format!("{}.toml", file.proof.model);
    let member = |member: &'_ idemcheck::policy::load::MemberTexts| {
        (PathBuf::from(&member.path), member.policy_text.clone(), member.model_text.clone())
    };
    let members: Vec<_> = file.members.iter().map(member).collect();
    let members: Vec<(&Path, &str, &str)> = members
        .iter()
        .map(|(path, policy, model)| (path.as_path(), policy.as_str(), model.as_str()))
        .collect();
    let mut loaded = input::read_texts(
        (file.policy_path.as_ref(), &file.policy_text),
        (model_path.as_ref(), &file.model_text),
        &members,
    );
    let count = loaded.policies.len();
    match loaded.policies.pop() {
        Some(policy) if count == 1 => Ok(Some(policy)),
        _ => bail!("this idemcheck can't read the policy in {shown} (written by idemcheck {})", file.tool),
    }
}

/// What is shared, and below it what occurs beside it.
fn show(proof: &Proof, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    let mut last = None;
    for piece in &proof.pieces {
        let Some((shared, rest)) = piece.says.split_first() else { continue };
        if last != Some(shared) {
            writeln!(out, "\n{shared}")?;
            last = Some(shared);
        }
        let (relations, parts): (Vec<&String>, Vec<&String>) =
            rest.iter().partition(|line| line.starts_with("where "));
        let parts: Vec<&str> = parts.into_iter().map(String::as_str).collect();
        if !parts.is_empty() {
            writeln!(out, "  - {}", parts.join("; beside "))?;
        }
        for relation in relations {
            writeln!(out, "    {relation}")?;
        }
    }
    Ok(())
}
