//! Named moments at which an attempt can be made to stand still, for tests: none unless asked for.

use std::time::Duration;

use super::machine::CannotRun;
use crate::system::System;

/// On which side of a state's operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Before,
    After,
}

impl When {
    pub fn name(self) -> &'static str {
        match self {
            When::Before => "before",
            When::After => "after",
        }
    }
}

/// `after:call=2s`: how long an attempt stands still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub when: When,
    pub state: String,
    /// None: for ever, so that the process can be killed there.
    pub time: Option<Duration>,
}

impl Pause {
    /// # Errors
    /// What is wrong with the text, and what it should look like.
    pub fn parse(text: &str) -> Result<Pause, String> {
        let form =
            "write it as before:STATE=TIME or after:STATE=TIME, with a time such as 200ms, or `forever`";
        let (place, time) = text.split_once('=').ok_or(form)?;
        let (when, state) = place.split_once(':').ok_or(form)?;
        let when = match when {
            "before" => When::Before,
            "after" => When::After,
            _ => return Err(form.to_owned()),
        };
        let time = match time {
            "forever" => None,
            time => {
                let ms = crate::source::duration::parse(time).map_err(|_| form)?;
                Some(Duration::from_millis(u64::try_from(ms).map_err(|_| form)?))
            }
        };
        Ok(Pause { when, state: state.to_owned(), time })
    }
}

/// All of a run.
#[derive(Clone, Debug, Default)]
pub struct Pauses(pub Vec<Pause>);

impl Pauses {
    /// # Errors
    /// A pause names a state that the model does not have.
    pub fn check(&self, system: &System) -> Result<(), CannotRun> {
        let names = || system.table.iter().map(|row| row.name.as_str());
        for pause in &self.0 {
            if !names().any(|name| name == pause.state) {
                let states: Vec<&str> = names().collect();
                let what =
                    format!("the model has no state `{}`; its states are {}", pause.state, states.join(", "));
                return Err(CannotRun(what));
            }
        }
        Ok(())
    }

    pub(super) async fn at(&self, when: When, state: &str) {
        for pause in self.0.iter().filter(|pause| pause.when == when && pause.state == state) {
            tracing::warn!(target: "idemcheck", pause = %format_args!("{}:{state}", when.name()), "paused");
            match pause.time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        }
    }
}
