//! The formats of a report, and where each goes.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use idemcheck::check::proof::Proof;
use idemcheck::check::verdict::PolicyResult;
use idemcheck::policy::load::{Loaded, LoadedPolicy};
use idemcheck::report::human::{self, Options};
use idemcheck::report::markdown::{self, COMMENT_BYTES, SUMMARY_BYTES};
use idemcheck::report::origin::Origins;
use idemcheck::report::proof::{PROOF_VERSION, ProofFile};
use idemcheck::report::trace::TraceFile;
use idemcheck::report::{github, json, junit, sarif};

use crate::output;
use crate::search::Searched;

/// How to write a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// For machines: see `idemcheck schema report`.
    Json,
    /// For code scanning and editors: SARIF 2.1.0.
    Sarif,
    /// For whatever shows test results.
    Junit,
    /// Annotations of a GitHub workflow.
    Github,
    /// A comment on a pull request.
    Markdown,
    /// The same with more room, for the summary of a job.
    Summary,
}

/// What goes to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// What would go to stdout.
    Stdout,
    Also(Format),
    /// Pages: a folder.
    Html,
}

/// `--output [FORMAT=]PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub what: What,
    pub path: PathBuf,
}

impl Destination {
    /// Fails as writing would, before there is anything to write.
    pub fn check(&self) -> anyhow::Result<()> {
        match self.what {
            What::Html => output::check_folder(&self.path),
            What::Stdout if is_stdout(&self.path) => Ok(()),
            _ => output::check_file(&self.path),
        }
    }
}

/// Reads the value of `--output`.
pub fn parse_destination(text: &str) -> Result<Destination, String> {
    let named = text.split_once('=').filter(|(name, _)| {
        // A path can have `=` in it; with a dot or a slash before that, it is no format.
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    });
    let Some((name, path)) = named else {
        return Ok(Destination { what: What::Stdout, path: PathBuf::from(text) });
    };
    let what = match name {
        HTML => What::Html,
        name => What::Also(Format::from_str(name, false).map_err(|_| {
            let values = Format::value_variants().iter().filter_map(Format::to_possible_value);
            let names: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
            let names = names.join(", ");
            format!("no format is called `{name}`: {names}, {HTML}; a file of that name is ./{text}")
        })?),
    };
    match (path, what) {
        ("", _) => Err(format!("where to? {name}=PATH")),
        ("-", What::Html) => Err("pages need a folder: html=reports/".to_owned()),
        ("-", _) => Err(format!("to write {name} to stdout, say --format {name}")),
        (path, what) => Ok(Destination { what, path: PathBuf::from(path) }),
    }
}

/// The file that takes the place of stdout.
///
/// # Errors
/// There are two.
pub fn instead_of_stdout(destinations: &[Destination]) -> anyhow::Result<Option<&Path>> {
    let plain: Vec<&Path> =
        destinations.iter().filter(|to| to.what == What::Stdout).map(|to| to.path.as_path()).collect();
    match plain[..] {
        [] => Ok(None),
        [path] => Ok(Some(path).filter(|path| !is_stdout(path))),
        _ => bail!(
            "--output FILE takes the place of stdout, and is given {} times; \
                    say FORMAT=FILE for further files",
            plain.len()
        ),
    }
}

/// The name of [`What::Html`].
const HTML: &str = "html";

fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Writes the report in a format, to a file or to stdout.
pub fn write(
    format: Format,
    path: Option<&Path>,
    searched: &Searched,
    options: &Options,
) -> anyhow::Result<()> {
    let root = std::env::current_dir().context("cannot tell which folder this is")?;
    let origins = Origins::new(&searched.loaded, &root);
    let report = &searched.report;
    let write = |out: &mut dyn std::io::Write| match format {
        Format::Human => human::render(report, options, out),
        Format::Json => json::render(report, out),
        Format::Sarif => sarif::render(report, &origins, out),
        Format::Junit => junit::render(report, out),
        Format::Github => github::render(report, &origins, out),
        Format::Markdown => markdown::render(report, COMMENT_BYTES, out),
        Format::Summary => markdown::render(report, SUMMARY_BYTES, out),
    };
    match path {
        Some(path) => output::to_file(path, write),
        None => output::to_stdout(write),
    }
}

/// The counterexample files of a result.
pub fn traces_of(loaded: &Loaded, result: &PolicyResult) -> Vec<TraceFile> {
    let is_its = |source: &&LoadedPolicy| source.policy.path.display().to_string() == result.path;
    let Some(source) = loaded.policies.iter().find(is_its) else { return Vec::new() };
    let (policy, model) = loaded.texts(source);
    TraceFile::of(result, policy, model, &loaded.member_texts(source))
}

/// Proofs as files, with the texts that they are about.
pub fn proof_files(loaded: &Loaded, source: &LoadedPolicy, proofs: Vec<Proof>) -> Vec<ProofFile> {
    let (policy, model) = loaded.texts(source);
    let file = |proof| ProofFile {
        version: PROOF_VERSION,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        policy_path: source.policy.path.display().to_string(),
        policy_text: policy.to_owned(),
        model_text: model.to_owned(),
        members: loaded.member_texts(source),
        proof,
    };
    proofs.into_iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_names_its_format_or_none() {
        let parsed = |text: &str| parse_destination(text).map(|to| (to.what, to.path));
        assert_eq!(parsed("x.txt"), Ok((What::Stdout, "x.txt".into())));
        assert_eq!(parsed("sarif=x.sarif"), Ok((What::Also(Format::Sarif), "x.sarif".into())));
        assert_eq!(parsed("./a=b"), Ok((What::Stdout, "./a=b".into())));
        assert_eq!(parsed("html=out/"), Ok((What::Html, "out/".into())));
        assert!(parsed("sarf=x").is_err_and(|error| error.contains("sarif")));
        assert!(parsed("json=-").is_err());
        assert!(parsed("json=").is_err());
    }
}
