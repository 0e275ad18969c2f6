//! What a machine finds, for people and for machines.

use std::io::{self, Write};

use crate::load::calibrate::{Calibration, Row};

/// One JSON document with a newline at its end.
pub fn json(calibration: &Calibration, out: &mut dyn Write) -> io::Result<()> {
    super::json::document(calibration, out)
}

/// Of [`json`].
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Calibration)
}

/// A table, and how to read it.
pub fn human(calibration: &Calibration, out: &mut dyn Write) -> io::Result<()> {
    let Calibration { processors, size, seed, batches, .. } = calibration;
    writeln!(
        out,
        "{processors} processors; bursts of {size} in {batches} batches, seed {seed}; times in µs\n\n\
         {:<18} {:>7} {:>7}  {:<36} {:>14} {:>8} {:>22} {:>10}",
        "window", "real", "jitter", "technique", "found", "effects", "spread 10/50/90 %", "for 95 %"
    )?;
    let mut before: Option<&Row> = None;
    for row in &calibration.rows {
        if before.is_some_and(|before| before.jitter_us != row.jitter_us) {
            writeln!(out)?;
        }
        before = Some(row);
        let percent = 100.0 * row.found as f64 / row.bursts as f64;
        let [low, median, high] = row.spread_us;
        writeln!(
            out,
            "{:<18} {:>7} {:>7}  {:<36} {:>14} {:>8.1} {:>22} {:>10}",
            row.window,
            row.window_us,
            row.jitter_us,
            row.technique,
            format!("{}/{} {percent:5.1} %", row.found, row.bursts),
            row.mean_effects,
            format!("{low}/{median}/{high}"),
            row.bursts_needed.map_or_else(|| "-".to_owned(), |bursts| bursts.to_string()),
        )?;
    }
    if let Some(why) = &calibration.cut_short {
        writeln!(out, "cut short: {why}")?;
    }
    writeln!(
        out,
        "\nfound: bursts with more than one effect, of all; effects: of a burst, in the mean; spread: between the first and\n\
         the last arrival at the server; for 95 %: bursts that find such a race with that chance, if bursts were\n\
         independent. Where the window is none, a race is hardly ever found, and only `verify` can say that there is none."
    )
}
