//! One file, from the disk to text, within limits.

use std::io::Read;
use std::path::Path;

use super::{FileId, Files, SourceFile, Span};
use crate::diag::{Code, Diagnostic};

/// A file larger than this is refused unread.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a file into `files`. A file that can't be read is there too, empty, so that its
/// diagnostic has a path; the flag says whether its text is real.
pub fn open(path: &Path, files: &mut Files) -> (FileId, Result<(), Diagnostic>) {
    let refuse = |files: &mut Files, text: String, code, message: String, span: Option<Span>| {
        let id = files.add(SourceFile::new(path, text));
        let mut diagnostic = Diagnostic::new(code, id, message);
        if let Some(span) = span {
            diagnostic = diagnostic.at(span, "not UTF-8 from here");
        }
        (id, Err(diagnostic))
    };
    let bytes = match bounded(path, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(Refusal::Missing) => {
            let message = "no such file or folder".to_owned();
            return refuse(files, String::new(), Code::FileNotFound, message, None);
        }
        Err(Refusal::Special) => {
            let message = "neither a file nor a folder: pipes, sockets and devices are not read".to_owned();
            return refuse(files, String::new(), Code::NotARegularFile, message, None);
        }
        Err(Refusal::TooLarge) => {
            let message = format!("larger than {} KiB, the most that is read", FILE_BYTES_MAX / 1024);
            return refuse(files, String::new(), Code::FileTooLarge, message, None);
        }
        Err(Refusal::Failed(error)) => {
            let message = format!("can't be read: {error}");
            return refuse(files, String::new(), Code::FileUnreadable, message, None);
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => (files.add(SourceFile::new(path, text)), Ok(())),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let byte = error.as_bytes()[at];
            let message = format!("not UTF-8: byte 0x{byte:02x} at offset {at}; save the file as UTF-8");
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            refuse(files, text, Code::NotUtf8, message, Some(Span { start: at, end: at + 1 }))
        }
    }
}

enum Refusal {
    Missing,
    Special,
    TooLarge,
    Failed(std::io::Error),
}

/// The text of a file that has no diagnostics of its own; or why it can't be had.
pub fn text_of(path: &Path, bytes_max: u64) -> Result<String, String> {
    let bytes = bounded(path, bytes_max).map_err(|refusal| match refusal {
        Refusal::Missing => "no such file".to_owned(),
        Refusal::Special => "not a file".to_owned(),
        Refusal::TooLarge => format!("larger than {} KiB, the most that is read", bytes_max / 1024),
        Refusal::Failed(error) => error.to_string(),
    })?;
    String::from_utf8(bytes)
        .map_err(|error| format!("not UTF-8 at offset {}", error.utf8_error().valid_up_to()))
}

fn bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Refusal> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Refusal::Missing,
        _ => Refusal::Failed(error),
    };
    // Asked before opening: opening a pipe waits for its writer.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Refusal::Special);
    }
    if metadata.len() > bytes_max {
        return Err(Refusal::TooLarge);
    }
    // Bounded again: a file may grow, and some report no size at all.
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(Refusal::TooLarge);
    }
    Ok(bytes)
}
