//! A diagnostic as plain data, for the formats that machines read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Diagnostic;
use crate::source::{FileId, Files, Span};

/// A diagnostic with its places resolved; lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlainDiagnostic {
    /// `IDM010`.
    pub code: String,
    /// `unknown-key`.
    pub name: String,
    /// `error` or `warning`.
    pub severity: String,
    pub message: String,
    pub place: Place,
    pub label: String,
    pub related: Vec<Related>,
    pub help: Option<String>,
    pub paste: Option<String>,
}

/// A place in a file as editors name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// As the user named it.
    pub path: String,
    /// None where the file as a whole is meant.
    pub range: Option<Range>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Range {
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Related {
    pub place: Place,
    pub label: String,
}

impl Place {
    pub fn new(file: FileId, span: Option<Span>, files: &Files) -> Place {
        let source = files.get(file);
        let range = span.map(|span| {
            let span = source.clamp(span);
            let (start, end) = (source.position(span.start), source.position(span.end));
            Range { line: start.line, column: start.column, end_line: end.line, end_column: end.column }
        });
        Place { path: source.path.to_string_lossy().into_owned(), range }
    }
}

impl PlainDiagnostic {
    pub fn new(diagnostic: &Diagnostic, files: &Files) -> PlainDiagnostic {
        let related = |label: &super::Label| Related {
            place: Place::new(label.file, Some(label.span), files),
            label: label.text.clone(),
        };
        PlainDiagnostic {
            code: diagnostic.code.id().to_owned(),
            name: diagnostic.code.name().to_owned(),
            severity: diagnostic.severity.name().to_owned(),
            message: diagnostic.message.clone(),
            place: Place::new(diagnostic.file, diagnostic.span, files),
            label: diagnostic.label.clone(),
            related: diagnostic.secondary.iter().map(related).collect(),
            help: diagnostic.help.clone(),
            paste: diagnostic.paste.clone(),
        }
    }
}
