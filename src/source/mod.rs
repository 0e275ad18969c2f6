//! Files, spans, and walking the paths a user names.

/// A place in a source file: byte offsets, the end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}
