//! A store that is killed and started again, over and over, in the middle of traffic. Of a server that writes to disk
//! before it answers nothing is lost, so there is one effect for each key, and none is stuck beyond its lease.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::until;
use crate::races::under;

/// A store's server of the test's own.
struct Owned {
    child: Mutex<Child>,
    command: Box<dyn Fn() -> Command + Send + Sync>,
    /// The signal that ends it at once.
    signal: &'static str,
}

impl Owned {
    fn start(command: impl Fn() -> Command + Send + Sync + 'static, signal: &'static str) -> Arc<Owned> {
        let child = Mutex::new(command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        Arc::new(Owned { child, command: Box::new(command), signal })
    }

    fn end(&self, child: &mut Child) {
        let _ = Command::new("kill").args([self.signal, &child.id().to_string()]).status();
        let _ = child.wait();
    }

    /// Gone for a moment, then there again, with what it had on its disk.
    fn restart(&self) {
        let mut child = self.child.lock().unwrap();
        self.end(&mut child);
        std::thread::sleep(Duration::from_millis(300));
        *child = (self.command)().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.end(&mut child);
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A program that is there, or the test is not run.
fn found(program: Option<PathBuf>, name: &str) -> Option<PathBuf> {
    if program.is_none() {
        assert!(
            std::env::var("IDEMCHECK_TEST_SERVERS").as_deref() != Ok("required"),
            "there is no {name} to start"
        );
        eprintln!("not run: there is no {name} to start");
    }
    program
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// PostgreSQL's programs are seldom on the path.
fn postgres_program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut programs: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(name)).collect();
    programs.retain(|program| program.is_file());
    programs.sort();
    programs.pop().or_else(|| on_path(name))
}

/// PostgreSQL does not run as root.
fn as_postgres(program: &Path, is_root: bool) -> Command {
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
    command
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Up for a while, then down and up again.
fn again(server: &Owned, is_up: impl Fn() -> bool) {
    until("the store", &is_up);
    std::thread::sleep(Duration::from_millis(700));
    server.restart();
}

#[test]
fn a_redis_that_is_killed_again_and_again_makes_no_second_effect() {
    let Some(program) = found(on_path("redis-server"), "redis-server") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (address, data) = (free_address(), folder.path().to_owned());
    let command = move || {
        let mut command = Command::new(&program);
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
        command.arg("--port").arg(address.port().to_string()).arg("--dir").arg(&data);
        command
    };
    let server = Owned::start(command, "-KILL");
    let url = format!("redis://{address}/0");
    let asked = url.clone();
    let is_up = move || {
        let connection = redis::Client::open(asked.as_str()).unwrap().get_connection();
        connection.is_ok_and(|mut connection| redis::cmd("PING").exec(&mut connection).is_ok())
    };
    until("Redis", &is_up);
    let harmed = server.clone();
    under("redis", &url, move || again(&harmed, &is_up));
}

#[test]
fn a_postgres_that_is_ended_again_and_again_makes_no_second_effect() {
    let programs = postgres_program("postgres").zip(postgres_program("initdb"));
    let Some(program) = found(programs.as_ref().map(|(postgres, _)| postgres.clone()), "postgres") else {
        return;
    };
    let (_, initdb) = programs.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let id = Command::new("id").arg("-u").output().unwrap();
    let is_root = id.stdout.trim_ascii() == b"0";
    if is_root {
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        succeeds(Command::new("chown").arg("postgres:postgres").arg(&data));
    }
    let mut init = as_postgres(&initdb, is_root);
    succeeds(init.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]));
    let address = free_address();
    let command = move || {
        let mut command = as_postgres(&program, is_root);
        command.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-k", ""]);
        command.arg("-p").arg(address.port().to_string());
        command
    };
    // Without a checkpoint, as a crash is, and with what it began: what is not in the log is gone.
    let server = Owned::start(command, "-QUIT");
    let url = format!("postgres://postgres@{address}/postgres");
    let asked = url.clone();
    let is_up = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(tokio_postgres::connect(&asked, tokio_postgres::NoTls)).is_ok()
    };
    until("PostgreSQL", &is_up);
    let harmed = server.clone();
    under("postgres", &url, move || again(&harmed, &is_up));
}
