//! `idemcheck init`: a policy to begin with.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use idemcheck::policy::schema::policy_schema;
use idemcheck::policy::templates::{self, SCHEMA_FILE, Template};
use idemcheck::report::words::shell_word;
use idemcheck::source::keys::is_name;

use crate::exit::Exit;
use crate::explain::suggest;
use crate::output;

#[derive(clap::Args)]
pub struct Args {
    /// The policy's name; its file is NAME.toml. [default: the template's]
    name: Option<String>,
    /// What to begin with: see --list.
    #[arg(long, value_name = "TEMPLATE", default_value = templates::DEFAULT)]
    template: String,
    /// The folder of the new file.
    #[arg(long, value_name = "DIR", default_value = "policies/")]
    to: PathBuf,
    /// List the templates, and write nothing.
    #[arg(long, conflicts_with_all = ["name", "template", "to"])]
    list: bool,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let all = templates::all();
    if args.list {
        output::to_stdout(|out| list(&all, out))?;
        return Ok(Exit::Holds);
    }
    let Some(template) = all.iter().find(|template| template.name == args.template) else {
        eprintln!("there is no template `{}`", args.template);
        let names: Vec<&str> = all.iter().map(|template| template.name).collect();
        suggest(&args.template, &names, "`idemcheck init --list` lists all of them");
        return Ok(Exit::CouldNotRun);
    };
    let name = args.name.as_deref().unwrap_or(template.name);
    if !is_name(name) {
        bail!(
            "`{name}` is no name of a policy: lowercase letters, digits, hyphens and underscores, 64 at most"
        );
    }
    let path = args.to.join(format!("{name}.toml"));
    write_new(&path, template.named(name).as_bytes())?;
    // What the first line of the policy points at; one that is there stays as it is.
    let schema = args.to.join(SCHEMA_FILE);
    if !schema.exists() {
        let text = serde_json::to_string_pretty(&policy_schema())? + "\n";
        output::to_file(&schema, |out| out.write_all(text.as_bytes()))?;
    }
    output::to_stdout(|out| writeln!(out, "{}", path.display()))?;
    eprintln!("next: idemcheck verify {}", shell_word(&path.display().to_string()));
    Ok(Exit::Holds)
}

/// Whatever is there already stays there.
fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if path.symlink_metadata().is_ok() {
        bail!("{} is there already, and nothing is overwritten: take another name", path.display());
    }
    output::to_file(path, |out| out.write_all(bytes))
}

fn list(all: &[Template], out: &mut dyn Write) -> io::Result<()> {
    let width = all.iter().map(|template| template.name.len()).max().unwrap_or(0);
    for template in all {
        let default = if template.name == templates::DEFAULT { " (default)" } else { "" };
        let Template { name, summary, model, .. } = template;
        writeln!(out, "\x1b[1m{name:width$}\x1b[0m  {summary} (model {model}){default}")?;
    }
    Ok(())
}
