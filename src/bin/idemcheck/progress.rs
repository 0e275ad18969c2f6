//! One moving line on a terminal while a search runs, and nothing anywhere else.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use idemcheck::check::Progress;
use idemcheck::check::verdict::grouped;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress of the whole run, fed by all workers.
pub struct Line {
    bar: Option<ProgressBar>,
    total: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    done: usize,
    /// The searches under way: position, name, when it began, its last glimpse.
    running: Vec<(usize, String, Instant, Progress)>,
}

impl Line {
    /// A line for `total` policies; a silent one where nobody watches.
    pub fn new(total: usize, wanted: bool) -> Line {
        let bar = (wanted && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
            bar.set_style(ProgressStyle::default_spinner());
            bar.enable_steady_tick(Duration::from_millis(125));
            bar
        });
        Line { bar, total, state: Mutex::default() }
    }

    pub fn begin(&self, position: usize, name: &str) {
        self.change(|state| {
            state.running.push((position, name.to_owned(), Instant::now(), Progress::default()));
        });
    }

    pub fn glimpse(&self, position: usize, progress: &Progress) {
        if self.bar.is_none() {
            return;
        }
        self.change(|state| {
            if let Some(search) = state.running.iter_mut().find(|search| search.0 == position) {
                search.3 = *progress;
            }
        });
    }

    pub fn end(&self, position: usize) {
        self.change(|state| {
            state.running.retain(|search| search.0 != position);
            state.done += 1;
        });
    }

    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        // The numbers are for show; a worker that panicked does not make them dangerous.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        if let Some(bar) = &self.bar {
            bar.set_message(state.line(self.total));
        }
    }
}

impl State {
    fn line(&self, total: usize) -> String {
        let Some((position, name, began, glimpse)) = self.running.first() else {
            return format!("{}/{total} policies", self.done);
        };
        let seconds = began.elapsed().as_secs_f64().max(0.001);
        let others = match self.running.len() {
            1 => String::new(),
            running => format!(" and {} more", running - 1),
        };
        format!(
            "policy {}/{total} {name}{others}: {} zones, {}/s, queue {}, depth {}, {} MiB",
            position + 1,
            grouped(glimpse.visited),
            grouped((glimpse.visited as f64 / seconds) as u64),
            grouped(glimpse.queue),
            glimpse.depth,
            grouped(glimpse.memory >> 20),
        )
    }
}
