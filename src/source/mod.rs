//! Files, spans, and walking the paths a user names.
//!
//! Everything here is on guard against what a file may hold: sizes, depths and counts have limits,
//! each a constant that its message prints.

pub mod canonical;
pub mod document;
pub mod duration;
pub mod edit;
pub mod files;
pub mod keys;
pub mod nesting;
pub mod open;
pub mod reader;
pub mod schema;
pub mod suggest;
pub mod versioned;
pub mod walk;

pub use canonical::digest;
pub use files::{FileId, Files, Position, SourceFile};

/// A place in a source file: byte offsets, the end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl From<std::ops::Range<usize>> for Span {
    fn from(range: std::ops::Range<usize>) -> Span {
        Span { start: range.start, end: range.end }
    }
}

/// A value and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Located<T> {
    pub fn new(value: T, span: impl Into<Span>) -> Located<T> {
        Located { value, span: span.into() }
    }
}
