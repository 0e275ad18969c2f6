//! `--margins`: how far each declaration is from changing a verdict.

use std::num::NonZero;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use idemcheck::check::Limits;
use idemcheck::check::margins::{MarginOptions, measure};
use idemcheck::check::verdict::PolicyResult;
use idemcheck::policy::load::Loaded;

use crate::arguments::parse_duration;
use crate::progress;

#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Find, for each duration and count of a policy, the span in which every verdict stays as it is; with names
    /// (`--margins=store.lease,faults.pause`), for these only.
    #[arg(long, value_name = "NAMES", num_args = 0..=1, require_equals = true, value_delimiter = ',',
          default_missing_value = "", conflicts_with_all = ["fail_fast", "engine"])]
    margins: Option<Vec<String>>,
    /// Give up on a policy's margins after this long.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration, requires = "margins")]
    margin_time: Duration,
    /// Give up on a declaration's margin after so many checks.
    #[arg(long, value_name = "N", default_value = "80", requires = "margins")]
    margin_probes: NonZero<u64>,
}

impl Args {
    /// Adds the margins to the results, where they are asked for. `limits` says what is left for the next
    /// policy's.
    pub fn measure(
        &self,
        loaded: &Loaded,
        results: &mut [PolicyResult],
        limits: impl Fn() -> Limits,
        jobs: usize,
        quiet: bool,
        cancel: &AtomicBool,
    ) {
        let Some(names) = &self.margins else { return };
        let only: Vec<String> = names.iter().filter(|name| !name.is_empty()).cloned().collect();
        let today = jiff::Zoned::now().date().to_string();
        let line = progress::Line::new(results.len(), !quiet);
        for (index, result) in results.iter_mut().enumerate() {
            let source =
                loaded.policies.iter().find(|one| one.policy.path.display().to_string() == result.path);
            let Some(source) = source else { continue };
            line.begin(index, &format!("margins of {}", result.policy));
            let limits = limits();
            let options = MarginOptions {
                time_max: limits.time_max.map_or(self.margin_time, |left| left.min(self.margin_time)),
                limits,
                only: &only,
                probes_max: self.margin_probes.get(),
                jobs,
                today: &today,
                cancel,
            };
            result.margins = Some(measure(loaded, source, result, &options));
            line.end(index);
        }
        line.clear();
    }
}
