//! The command line: arguments in, exit code out. Everything else is in the library.

mod alerts;
mod arguments;
mod audit;
mod base;
mod cache;
mod check_history;
mod check_proof;
mod cluster;
mod completions;
mod concepts;
mod conform;
mod diff;
mod docs;
mod emit;
mod exit;
mod explain;
mod explore;
mod formats;
mod glossary;
mod import;
mod init;
mod input;
mod load;
mod man;
mod margins;
mod merge;
mod models;
mod output;
mod presets;
mod progress;
mod prove;
mod receipts;
mod replay;
mod report;
mod schema;
mod search;
mod serve;
mod simulate;
mod sink;
mod suggest;
mod topics;
mod verify;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use exit::Exit;
use output::Color;

/// Proves, or refutes with a timed counterexample, that a retried operation executes once and that a
/// remediation does not thrash.
#[derive(Parser)]
#[command(name = "idemcheck", version, max_term_width = 100, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Colour in what is written to the terminal; NO_COLOR and FORCE_COLOR are honoured.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
}

#[derive(Subcommand)]
enum Command {
    /// Check policies over every interleaving of retries, crashes, timeouts and expiries.
    Verify(Box<verify::Args>),
    /// Write alert rules for Prometheus, for a policy that is served.
    Alerts(alerts::Args),
    /// Say of each action what running it twice does, and what keeps it from happening.
    Audit(audit::Args),
    /// Judge recorded histories of requests, and logs of remediation, against what is promised.
    CheckHistory(check_history::Args),
    /// Check a proof file that `verify --proofs` wrote, without trust in what wrote it.
    CheckProof(check_proof::Args),
    /// Print a script by which a shell completes commands, options and values.
    Completions(completions::Args),
    /// Hold logs of real runs against a policy: each is allowed, or its first step that is not is shown.
    Conform(conform::Args),
    /// Say what a change means: verdicts gained and lost, and what is possible now that was not before.
    Diff(Box<diff::Args>),
    /// Say what a property, a concept, an operation, a key, a fault, a format or a diagnostic code means.
    Explain(explain::Args),
    /// Browse the state space of one policy in the browser.
    Explore(explore::Args),
    /// Write a policy from what already runs: unit files, health checks, autoscalers.
    Import(import::Args),
    /// Write a policy to begin with, with every key it could have explained in it.
    Init(init::Args),
    /// Race the endpoint that a policy names: bursts under one key, effects counted, histories judged.
    Load(Box<load::Args>),
    /// Put the reports of the parts of one run together.
    Merge(merge::Args),
    /// Write manual pages.
    Man(man::Args),
    /// List the protocols that ship: where each is used, and what a policy has to decide.
    Models(models::Args),
    /// List what is known of stores, providers, brokers and locks, each with its source.
    Presets(presets::Args),
    /// Look at the receipts of a store: what is stuck, whose it is; sweep, reconcile, release.
    Receipts(receipts::Args),
    /// Run a counterexample file again, step by step.
    Replay(replay::Args),
    /// Check policies, and write what was found as pages to look at.
    Report(report::Args),
    /// Print the JSON Schema of a file format.
    Schema(schema::Args),
    /// Run a policy's own machine on a real store: a reference endpoint, or a gateway.
    Serve(serve::Args),
    /// Sample runs of a policy: how often it breaks what it promises, how long things take, with intervals.
    Simulate(Box<simulate::Args>),
    /// Stand for the downstream of a service under test: count effects, delay, fail, drop and hold calls.
    Sink(sink::Args),
    /// Look for the smallest changes that make every property of a policy hold, each as a patch.
    Suggest(suggest::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    output::set_color(cli.color);
    let exit = match cli.command {
        Command::Verify(args) => verify::run(&args),
        Command::Alerts(args) => alerts::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::CheckHistory(args) => check_history::run(&args),
        Command::Conform(args) => conform::run(&args),
        Command::CheckProof(args) => check_proof::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Explain(args) => explain::run(&args),
        Command::Explore(args) => explore::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Man(args) => man::run(&args, Cli::command()),
        Command::Models(args) => models::run(&args),
        Command::Presets(args) => presets::run(&args),
        Command::Receipts(args) => receipts::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Sink(args) => sink::run(&args),
        Command::Suggest(args) => suggest::run(&args),
    };
    exit.unwrap_or_else(|error| report_failure(&error)).into()
}

/// Says that the tool failed, so that it can't be mistaken for a finding.
fn report_failure(error: &anyhow::Error) -> Exit {
    // A reader that has seen enough, `head` say, is no failure. Rust ignores SIGPIPE, so it
    // comes to us as an error.
    let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(broken_pipe) {
        return Exit::Holds;
    }
    anstream::eprintln!("\x1b[1;31midemcheck failed\x1b[0m");
    for cause in error.chain() {
        anstream::eprintln!("  Cause: {cause}");
    }
    Exit::CouldNotRun
}
