//! Where results go: stdout with or without colour, or files that are written whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anstream::{AutoStream, ColorChoice, StripStream};
use anyhow::Context as _;
use clap::ValueEnum;

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set; FORCE_COLOR turns it on elsewhere.
    #[default]
    Auto,
    Always,
    Never,
}

/// Makes stdout and stderr of this process follow `--color`.
pub fn set_color(color: Color) {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match color {
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
        Color::Auto if set("NO_COLOR").is_some() => ColorChoice::Never,
        // anstream looks after NO_COLOR and CLICOLOR_FORCE, not after this one.
        Color::Auto if set("FORCE_COLOR").is_some_and(|value| value != "0") => ColorChoice::Always,
        Color::Auto => ColorChoice::Auto,
    }
    .write_global();
}

/// Runs `write` on stdout.
pub fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut out = AutoStream::auto(io::stdout()).lock();
    write(&mut out)?;
    out.flush()?;
    Ok(())
}

/// Runs `write` on a new file without colours. A reader sees the old file or the new one.
pub fn to_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(failed)?;
    let mut name = OsString::from(".");
    name.push(path.file_name().with_context(failed)?);
    name.push(format!(".{}.tmp", std::process::id()));
    // In the same folder: a rename is atomic within one file system only.
    let scratch = folder.join(name);
    let mut text = StripStream::new(Vec::new());
    write(&mut text).with_context(failed)?;
    let written = (|| {
        let mut file = File::create(&scratch)?;
        file.write_all(&text.into_inner())?;
        file.sync_all()?;
        fs::rename(&scratch, path)
    })();
    if written.is_err() {
        // Whatever went wrong is the news; a leftover is not.
        let _ = fs::remove_file(&scratch);
    }
    written.with_context(failed)
}
