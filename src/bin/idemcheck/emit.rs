//! `verify --emit`: the same run on many machines, as a workflow for GitHub or as Jobs for Kubernetes. It runs
//! nothing here. Each machine checks its part (`--partition`), and the last step puts the parts together.

use std::ffi::OsString;

use anyhow::{Context as _, anyhow, bail};
use clap::ValueEnum;
use idemcheck::check::partition::PARTS_MAX;

use crate::exit::Exit;
use crate::output;

#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Check nothing: write what runs these checks on many machines at once, and puts the parts together.
    #[arg(long, value_enum, value_name = "WHERE", conflicts_with_all = ["format", "output", "traces", "baseline", "write_baseline", "partition", "fail_fast", "margins", "watch"])]
    pub emit: Option<Target>,
    /// With --emit: on how many machines.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "emit", value_parser = clap::value_parser!(u32).range(2..=PARTS_MAX as i64))]
    parts: u32,
    /// With --emit github: the command that puts idemcheck on the PATH of a runner.
    #[arg(long, value_name = "COMMAND", requires = "emit")]
    install: Option<String>,
    /// With --emit kubernetes: the image that has idemcheck and a shell.
    #[arg(long, value_name = "IMAGE", requires = "emit")]
    image: Option<String>,
    /// With --emit kubernetes: the volume claim that has the policies. Parts and report are written there.
    #[arg(long, value_name = "NAME", default_value = "idemcheck", requires = "emit")]
    claim: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Target {
    /// A workflow with a matrix of parts.
    Github,
    /// An Indexed Job with a part for each index, and a Job that merges.
    Kubernetes,
}

/// Writes it to stdout. `words` are the arguments of `verify` as they were given.
pub fn run(target: Target, args: &Args, words: &[OsString]) -> anyhow::Result<Exit> {
    let checks = checked_words(words)?;
    let text = match target {
        Target::Github => {
            let install = args.install.as_deref().ok_or_else(|| {
                anyhow!("--emit github needs to know how idemcheck comes to a runner: add --install 'cargo install --locked --git URL idemcheck'")
            })?;
            if let Some(word) = checks.iter().find(|word| word.contains("${{")) {
                bail!("`{word}` has `${{{{` in it, which GitHub evaluates");
            }
            github(&quoted(&checks)?, args.parts, one_line(install, "--install")?)
        }
        Target::Kubernetes => {
            let image = args.image.as_deref().ok_or_else(|| {
                anyhow!("--emit kubernetes needs an image that has idemcheck and a shell: add --image REGISTRY/IDEMCHECK:TAG")
            })?;
            // Kubernetes reads `$(NAME)` itself, and `$$` as one dollar.
            let checks = quoted(&checks)?.replace("$(", "$$(");
            kubernetes(&checks, args.parts, &scalar(image, "--image")?, &scalar(&args.claim, "--claim")?)
        }
    };
    output::to_stdout(|out| out.write_all(text.as_bytes()))?;
    Ok(Exit::Holds)
}

/// What is to be checked, and how: all but the options of this module.
fn checked_words(words: &[OsString]) -> anyhow::Result<Vec<&str>> {
    const OWN: [&str; 5] = ["--emit", "--parts", "--install", "--image", "--claim"];
    let mut checks = Vec::new();
    let texts = words.iter().map(|word| {
        word.to_str().with_context(|| format!("{} is not Unicode, which YAML has to be", word.display()))
    });
    let mut words = texts.collect::<anyhow::Result<Vec<&str>>>()?.into_iter();
    while let Some(word) = words.next() {
        let name = word.split('=').next().unwrap_or(word);
        if !OWN.contains(&name) {
            checks.push(word);
        } else if name == word {
            words.next();
        }
    }
    if let Some(word) = checks.iter().find(|word| word.chars().any(char::is_control)) {
        bail!("{word:?} has a control character, which no file that is written here can hold");
    }
    Ok(checks)
}

/// For a shell, one space before each.
fn quoted(words: &[&str]) -> anyhow::Result<String> {
    let quoted = words.iter().map(|word| {
        let word = shlex::try_quote(word).map_err(|error| anyhow!("`{word}`: {error}"))?;
        Ok(format!(" {word}"))
    });
    quoted.collect()
}

fn one_line<'a>(command: &'a str, option: &str) -> anyhow::Result<&'a str> {
    if command.trim().is_empty() || command.chars().any(char::is_control) {
        bail!("{option} is one line");
    }
    Ok(command.trim())
}

/// A name that YAML takes for text without quotes.
fn scalar(name: &str, option: &str) -> anyhow::Result<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts || !name.chars().all(part) || name.ends_with(':') {
        bail!("{option} `{name}` is no name: letters, digits and any of ._-/:@ in it");
    }
    // Quoted: `1`, `true` and `null` would be something else.
    Ok(format!("\"{name}\""))
}

/// That something is violated, undecided or wrong is for the merge to say: it is in the part. Anything else,
/// an end by a signal, say, leaves a part that the merge refuses.
const GOES_ON: &str = "|| [ $? -le 4 ]";

fn github(checks: &str, parts: u32, install: &str) -> String {
    let numbers = (1..=parts).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    format!(
        r#"# Written by idemcheck: verify{checks} --emit github --parts {parts}
name: idemcheck
on:
  pull_request:
  push:
    branches: [main]
permissions:
  contents: read
jobs:
  part:
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix:
        part: [{numbers}]
    steps:
      - uses: actions/checkout@v4
      - name: Install
        run: |
          {install}
      - name: Verify
        env:
          PART: ${{{{ matrix.part }}}}
        run: |
          idemcheck verify{checks} --partition "hash:$PART/{parts}" --format json --output "part-$PART.json" {GOES_ON}
      - uses: actions/upload-artifact@v4
        with:
          name: idemcheck-part-${{{{ matrix.part }}}}
          path: part-${{{{ matrix.part }}}}.json
          if-no-files-found: error
  merge:
    needs: part
    if: ${{{{ !cancelled() }}}}
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - name: Install
        run: |
          {install}
      - uses: actions/download-artifact@v4
        with:
          pattern: idemcheck-part-*
          merge-multiple: true
          path: parts
      # Its exit code is that of one run over everything.
      - name: Merge
        run: |
          idemcheck merge parts/*.json --format github --output "summary=$GITHUB_STEP_SUMMARY" --output sarif=idemcheck.sarif
"#
    )
}

fn kubernetes(checks: &str, parts: u32, image: &str, claim: &str) -> String {
    let job = |step: &str, spec: &str, script: &str| {
        format!(
            r#"apiVersion: batch/v1
kind: Job
metadata:
  name: idemcheck-{step}
  labels:
    step: {step}
spec:
{spec}  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: idemcheck
          image: {image}
          workingDir: /work
          command:
            - sh
            - -c
            - |
{script}
          volumeMounts:
            - name: work
              mountPath: /work
      volumes:
        - name: work
          persistentVolumeClaim:
            claimName: {claim}
"#
        )
    };
    let spec = format!("  completions: {parts}\n  parallelism: {parts}\n  completionMode: Indexed\n");
    // Backquotes, as Kubernetes reads `$(` itself.
    let part = format!(
        r#"              mkdir -p parts
              part=`expr "$JOB_COMPLETION_INDEX" + 1`
              idemcheck verify{checks} --partition "hash:$part/{parts}" --format json --output "parts/$part.json" {GOES_ON}"#
    );
    let merge = "              idemcheck merge parts/*.json --output html=report --output sarif=report/idemcheck.sarif";
    let (verify, merge) = (job("verify", &spec, &part), job("merge", "", merge));
    format!(
        r#"# Written by idemcheck: verify{checks} --emit kubernetes --parts {parts}
# The volume of the claim has the policies, as seen from /work, and takes the parts and the report. Then:
#
#   kubectl apply -l step=verify -f FILE
#   kubectl wait --for=condition=complete job/idemcheck-verify
#   kubectl apply -l step=merge -f FILE
#   kubectl logs -f job/idemcheck-merge
{verify}---
{merge}"#
    )
}
