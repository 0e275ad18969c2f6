//! The files of one run, and positions in them as people count.

use std::path::{Path, PathBuf};

use super::Span;

/// The index of a file in [`Files`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub usize);

/// A line and a column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// A file's text with an index of its lines.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// As the user named it; a shipped model is `models/NAME.toml`.
    pub path: PathBuf,
    /// Empty for a file that could not be read.
    pub text: String,
    line_starts: Vec<usize>,
}

impl SourceFile {
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> SourceFile {
        let text = text.into();
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        SourceFile { path: path.into(), text, line_starts }
    }

    /// The position of a byte offset; offsets past the end count as the end.
    pub fn position(&self, offset: usize) -> Position {
        let offset = floor_boundary(&self.text, offset);
        let line = self.line_starts.partition_point(|&start| start <= offset).max(1);
        let start = self.line_starts[line - 1];
        // A byte order mark is no column that an editor shows.
        let column = self.text[start..offset].trim_start_matches('\u{feff}').chars().count() + 1;
        Position { line, column }
    }

    /// The span inside the text and on character boundaries, whatever it was.
    pub fn clamp(&self, span: Span) -> Span {
        let start = floor_boundary(&self.text, span.start);
        let mut end = span.end.clamp(start, self.text.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        Span { start, end }
    }

    /// The text of a line, from 1, without its line end.
    pub fn line(&self, number: usize) -> &str {
        let Some(&start) = number.checked_sub(1).and_then(|index| self.line_starts.get(index)) else {
            return "";
        };
        let end = self.line_starts.get(number).copied().unwrap_or(self.text.len());
        self.text[start..end].trim_end_matches(['\n', '\r'])
    }

    /// The span of the lines from `first` to `last`, both from 1, the last one's end included.
    pub fn lines(&self, first: usize, last: usize) -> Span {
        let start = self.line_starts.get(first.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let end = self.line_starts.get(last).copied().unwrap_or(self.text.len());
        Span { start, end: end.max(start) }
    }

    /// The text that a span covers.
    pub fn slice(&self, span: Span) -> &str {
        let span = self.clamp(span);
        &self.text[span.start..span.end]
    }
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// Every file of a run, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Files {
    files: Vec<SourceFile>,
}

impl Files {
    pub fn add(&mut self, file: SourceFile) -> FileId {
        self.files.push(file);
        FileId(self.files.len() - 1)
    }

    pub fn get(&self, id: FileId) -> &SourceFile {
        &self.files[id.0]
    }

    pub fn text(&self, id: FileId) -> &str {
        &self.get(id).text
    }

    pub fn path(&self, id: FileId) -> &Path {
        &self.get(id).path
    }

    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.files.iter_mut().map(|file| &mut file.path)
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_one_and_in_characters() {
        let file = SourceFile::new("a.toml", "\u{feff}a = 1\r\näö = 2\n");
        assert_eq!(file.position(3), Position { line: 1, column: 1 });
        let at = file.text.find("= 2").unwrap();
        assert_eq!(file.position(at), Position { line: 2, column: 4 });
        assert_eq!(file.position(usize::MAX), Position { line: 3, column: 1 });
        assert_eq!(file.line(1), "\u{feff}a = 1");
        assert_eq!(file.line(2), "äö = 2");
        assert_eq!(file.line(9), "");
    }

    #[test]
    fn spans_are_clamped_to_characters() {
        let file = SourceFile::new("a.toml", "äö");
        assert_eq!(file.clamp(Span { start: 1, end: 3 }), Span { start: 0, end: 4 });
        assert_eq!(file.clamp(Span { start: 9, end: 3 }), Span { start: 4, end: 4 });
    }
}
