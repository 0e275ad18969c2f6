//! The report for machines. Its schema is `schemas/report.schema.json`.

use std::io::{self, Write};

use crate::check::verdict::Report;

/// Writes the report as one JSON document with a newline at its end.
pub fn render(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    document(report, out)
}

/// Anything as one JSON document with a newline at its end.
pub fn document(value: &impl serde::Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// The JSON Schema of what [`render`] writes.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Report)
}
