//! A service that this run starts, stops and kills: nothing else is.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// A service must listen within this.
const START_TIME: Duration = Duration::from_secs(30);

/// A process, and what it started.
pub struct Service {
    words: Vec<String>,
    authority: String,
    child: Child,
}

impl Service {
    /// Starts a program, without a shell, and waits until it listens.
    ///
    /// # Errors
    /// It does not start, or does not listen; or somebody else listens there.
    pub async fn start(words: &[String], authority: &str) -> Result<Service, String> {
        if tokio::net::TcpStream::connect(authority).await.is_ok() {
            return Err(format!(
                "something listens on {authority} already: what --command starts would not be tested"
            ));
        }
        let child = spawn(words)?;
        let mut service = Service { words: words.to_vec(), authority: authority.to_owned(), child };
        service.until_it_listens().await?;
        Ok(service)
    }

    async fn until_it_listens(&mut self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let listens = tokio::net::TcpStream::connect(&self.authority).await.is_ok();
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("`{}` ended: {status}", self.words.join(" ")));
            }
            if listens {
                return Ok(());
            }
            if began.elapsed() > START_TIME {
                return Err(format!(
                    "`{}` does not listen on {} after {START_TIME:?}",
                    self.words.join(" "),
                    self.authority
                ));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    /// It stands still until [`Service::thaw`].
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
    }

    /// After it was killed.
    ///
    /// # Errors
    /// As [`Service::start`].
    pub async fn restart(&mut self) -> Result<(), String> {
        self.child = spawn(&self.words)?;
        self.until_it_listens().await
    }

    fn signal(&mut self, signal: Signal) {
        // Once it was waited for, its id may be somebody else's.
        let lives = matches!(self.child.try_wait(), Ok(None));
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).filter(|_| lives) {
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(words: &[String]) -> Result<Child, String> {
    use std::os::unix::process::CommandExt;

    let (program, arguments) = words.split_first().ok_or("the command has no words")?;
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        // A group of its own, so that what it starts ends with it.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("`{program}` does not start: {error}"))
}
