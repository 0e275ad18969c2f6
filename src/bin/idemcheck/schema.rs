//! `idemcheck schema`: the file formats, for editors and validators.

use clap::ValueEnum;
use idemcheck::check::baseline;
use idemcheck::conform::{map::Map, report as conform};
use idemcheck::diff;
use idemcheck::history::report as history;
use idemcheck::model::schema::model_schema;
use idemcheck::policy::schema::{policy_schema, system_schema};
use idemcheck::report::{calibration, json, load, suggest};
use idemcheck::simulate;

use crate::exit::Exit;
use crate::output;

#[derive(clap::Args)]
pub struct Args {
    /// Which format.
    #[arg(value_enum)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// `policies/*.toml`.
    Policy,
    /// Files with a `[system]`.
    System,
    /// `models/*.toml`.
    Model,
    /// What `verify --format json` writes.
    Report,
    /// What `diff --format json` writes.
    DiffReport,
    /// What `verify --write-baseline` writes, and `--baseline` reads.
    Baseline,
    /// A line of what `check-history` reads.
    History,
    /// What `check-history --format json` writes.
    HistoryReport,
    /// What `conform --format json` writes.
    ConformReport,
    /// What `conform --map` reads, as JSON has it.
    ConformMap,
    /// What `load --format json` writes.
    LoadReport,
    /// What `simulate --format json` writes.
    SimulateReport,
    /// What `suggest --format json` writes.
    Suggestions,
    /// What `load --calibrate --format json` writes.
    Calibration,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let schema = match args.format {
        Format::Policy => policy_schema(),
        Format::System => system_schema(),
        Format::Model => model_schema(),
        Format::Report => json::schema().to_value(),
        Format::DiffReport => diff::schema().to_value(),
        Format::Baseline => baseline::schema().to_value(),
        Format::History => history::record_schema().to_value(),
        Format::HistoryReport => history::report_schema().to_value(),
        Format::ConformReport => conform::schema().to_value(),
        Format::ConformMap => schemars::schema_for!(Map).to_value(),
        Format::LoadReport => load::schema().to_value(),
        Format::SimulateReport => simulate::report::schema().to_value(),
        Format::Suggestions => suggest::schema().to_value(),
        Format::Calibration => calibration::schema().to_value(),
    };
    let text = serde_json::to_string_pretty(&schema)?;
    output::to_stdout(|out| writeln!(out, "{text}"))?;
    Ok(Exit::Holds)
}
