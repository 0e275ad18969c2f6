//! Where results go: stdout with or without colour, or files that are written whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice, StripStream};
use anyhow::{Context as _, bail};
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

/// Prose at a width that can be read, indented by two.
pub fn wrapped(text: &str, out: &mut dyn Write) -> io::Result<()> {
    const WIDTH: usize = 92;
    for paragraph in text.split("\n\n") {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
                writeln!(out, "  {line}")?;
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}

/// Runs `write` on a new file without colours. A reader sees the old file or the new one.
pub fn to_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let mut text = StripStream::new(Vec::new());
    write(&mut text).with_context(failed)?;
    replace(path, &text.into_inner()).with_context(failed)
}

/// Fails as [`to_file`] would, before there is anything to write.
pub fn check_file(path: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    if path.is_dir() {
        bail!("{}: it is a folder, not a file", failed());
    }
    let path = resolved(path);
    if is_device(&path) {
        File::options().append(true).open(&path).with_context(failed)?;
        return Ok(());
    }
    let scratch = scratch(&path).with_context(failed)?;
    File::create(&scratch).and_then(|_| fs::remove_file(&scratch)).with_context(failed)
}

/// Fails if no files can be written into this folder, and makes it if it is not there.
pub fn check_folder(path: &Path) -> anyhow::Result<()> {
    if path.exists() && !path.is_dir() {
        bail!("cannot write into {}: it is a file, not a folder", path.display());
    }
    check_file(&path.join("run.json"))
}

/// A rename would put a file in the place of a link.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Such as /dev/null.
fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

/// A name for the file while it is written, in a folder that is there.
fn scratch(path: &Path) -> io::Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidFilename)?);
    name.push(format!(".{}.tmp", std::process::id()));
    // In the same folder: a rename is atomic within one file system only.
    Ok(folder.join(name))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = resolved(path);
    if is_device(&path) {
        return fs::write(&path, bytes);
    }
    let scratch = scratch(&path)?;
    let written = (|| {
        let mut file = File::create(&scratch)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&scratch, &path)
    })();
    if written.is_err() {
        // Whatever went wrong is the news; a leftover is not.
        let _ = fs::remove_file(&scratch);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/report.txt");
        to_file(&path, |out| write!(out, "\x1b[1mfirst\x1b[0m")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        let fault = to_file(&path, |out| {
            write!(out, "half")?;
            Err(io::Error::other("full"))
        });
        assert!(fault.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        to_file(&link, |out| write!(out, "new")).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
