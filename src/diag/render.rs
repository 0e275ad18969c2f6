//! Diagnostics for people: source lines with carets.

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, SHOWN_PER_FILE_MAX, Severity};
use crate::source::{FileId, Files, Span};

/// A line longer than this is named, not shown.
const SHOWN_LINE_BYTES_MAX: usize = 1_000;

/// One diagnostic, plain or with ANSI colours.
pub fn render(diagnostic: &Diagnostic, files: &Files, coloured: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut report = Group::with_title(level.primary_title(&diagnostic.message).id(diagnostic.code.id()));
    for place in places(diagnostic, files) {
        report = report.element(place);
    }
    let advice = match (&diagnostic.help, &diagnostic.paste) {
        (Some(help), Some(paste)) => Some(format!("{help}:\n{}", indent(paste))),
        (Some(help), None) => Some(help.clone()),
        (None, Some(paste)) => Some(format!("write:\n{}", indent(paste))),
        (None, None) => None,
    };
    if let Some(advice) = advice {
        report = report.element(Level::HELP.message(advice));
    }
    let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[report])
}

/// All of them, sorted by file and place, with a count of those left out.
pub fn render_all(diagnostics: &[Diagnostic], files: &Files, coloured: bool) -> String {
    let mut sorted = diagnostics.to_vec();
    super::sort(&mut sorted);
    let mut out = String::new();
    for of_file in sorted.chunk_by(|a, b| a.file == b.file) {
        for diagnostic in of_file.iter().take(SHOWN_PER_FILE_MAX) {
            out.push_str(&render(diagnostic, files, coloured));
            out.push_str("\n\n");
        }
        let hidden = of_file.len().saturating_sub(SHOWN_PER_FILE_MAX);
        if hidden > 0 {
            let path = files.path(of_file[0].file).display();
            out.push_str(&format!("{path}: and {hidden} more\n\n"));
        }
    }
    out
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// One element per file that the diagnostic points into, its own first.
fn places<'a>(diagnostic: &'a Diagnostic, files: &'a Files) -> Vec<Element<'a>> {
    let own = diagnostic.file;
    let Some(span) = diagnostic.span else {
        return vec![Origin::path(files.path(own).to_string_lossy()).into()];
    };
    let mut out = Vec::new();
    let mut order = vec![own];
    for label in &diagnostic.secondary {
        if !order.contains(&label.file) {
            order.push(label.file);
        }
    }
    for file in order {
        let mut marks = Vec::new();
        if file == own {
            marks.push((AnnotationKind::Primary, span, diagnostic.label.as_str()));
        }
        let others = diagnostic.secondary.iter().filter(|label| label.file == file);
        marks.extend(others.map(|label| (AnnotationKind::Context, label.span, label.text.as_str())));
        out.push(place(file, &marks, files));
    }
    out
}

fn place<'a>(file: FileId, marks: &[(AnnotationKind, Span, &'a str)], files: &'a Files) -> Element<'a> {
    let source = files.get(file);
    let path = source.path.to_string_lossy();
    let lines = |span: Span| source.position(span.start).line..=source.position(span.end).line;
    let readable = |span: Span| {
        let mut lines = lines(span);
        lines.all(|line| source.line(line).len() <= SHOWN_LINE_BYTES_MAX)
    };
    if !marks.iter().all(|(_, span, _)| readable(*span)) {
        let at = source.position(marks[0].1.start);
        return Origin::path(path).line(at.line).char_column(at.column).into();
    }
    // The lines in question only: drawing costs time by the length of its source.
    let first = marks.iter().map(|(_, span, _)| source.position(span.start).line).min().unwrap_or(1);
    let last = marks.iter().map(|(_, span, _)| source.position(span.end).line).max().unwrap_or(1);
    let window = source.lines(first, last);
    let annotations = marks.iter().map(|(kind, span, label)| {
        let span = source.clamp(*span);
        let label = (!label.is_empty()).then_some(*label);
        kind.span(span.start - window.start..span.end - window.start).label(label)
    });
    let text = &source.text[window.start..window.end];
    Snippet::source(text).line_start(first).path(path).annotations(annotations).into()
}
