//! What is wrong with a file, where, and what to write instead.
//!
//! User faults are collected, never the first only; each has a [`Code`] that `idemcheck explain`
//! knows. Faults of the environment that concern a named path are diagnostics as well.

pub mod code;
mod codes;
pub mod plain;
pub mod render;

pub use code::{Code, Severity};
pub use render::{render, render_all};

use crate::source::{FileId, Span};

/// Diagnostics shown per file; the rest is counted.
pub const SHOWN_PER_FILE_MAX: usize = 100;

/// One finding about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    pub file: FileId,
    /// None where the file as a whole is meant.
    pub span: Option<Span>,
    /// Stands beside the caret.
    pub label: String,
    pub secondary: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// The corrected text.
    pub paste: Option<String>,
}

/// Another place that a diagnostic points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub file: FileId,
    pub span: Span,
    pub text: String,
}

impl Diagnostic {
    pub fn new(code: Code, file: FileId, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            severity: code.severity(),
            message: message.into(),
            file,
            span: None,
            label: String::new(),
            secondary: Vec::new(),
            help: None,
            paste: None,
        }
    }

    #[must_use = "a diagnostic says nothing until it is pushed onto the list"]
    pub fn at(mut self, span: impl Into<Span>, label: impl Into<String>) -> Diagnostic {
        self.span = Some(span.into());
        self.label = label.into();
        self
    }

    /// Another place in the same file.
    #[must_use = "a diagnostic says nothing until it is pushed onto the list"]
    pub fn also(self, span: impl Into<Span>, text: impl Into<String>) -> Diagnostic {
        let file = self.file;
        self.also_in(file, span, text)
    }

    #[must_use = "a diagnostic says nothing until it is pushed onto the list"]
    pub fn also_in(mut self, file: FileId, span: impl Into<Span>, text: impl Into<String>) -> Diagnostic {
        self.secondary.push(Label { file, span: span.into(), text: text.into() });
        self
    }

    #[must_use = "a diagnostic says nothing until it is pushed onto the list"]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    #[must_use = "a diagnostic says nothing until it is pushed onto the list"]
    pub fn paste(mut self, paste: impl Into<String>) -> Diagnostic {
        self.paste = Some(paste.into());
        self
    }
}

/// Whether something on the list keeps a run from being done.
pub fn any_error(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// By file, then by place, then by code.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|diagnostic| {
        let start = diagnostic.span.map_or(0, |span| span.start);
        (diagnostic.file, start, diagnostic.code)
    });
}
