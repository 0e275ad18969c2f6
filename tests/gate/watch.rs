//! `verify --watch`: only what changed is checked again, and Ctrl-C ends it.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::support::*;

/// Far more than it takes, and an end to a test that would wait for ever.
const PATIENCE: Duration = Duration::from_secs(60);

struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn begin(folder: &Folder) -> Watching {
        let mut command = folder.command(&["verify", "--watch"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Watching { child, lines }
    }

    /// What it says up to the next time that it waits.
    #[track_caller]
    fn says(&self) -> String {
        let mut said = String::new();
        loop {
            let line =
                self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it says no more: {said}"));
            if line.starts_with("waiting for changes") {
                return said;
            }
            said += &line;
            said.push('\n');
        }
    }

    fn interrupt(mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap()
    }
}

#[test]
fn what_changes_is_checked_again_and_nothing_else() {
    let folder = Folder::with(&sound());
    folder.write(
        "policies/other.toml",
        &LEASE_12S.replace("\"charge\"", "\"other\"").replace("\"receipt\"", "\"ours\""),
    );
    let model = std::fs::read_to_string(shipped("models/receipt.toml")).unwrap().replacen(
        "\"receipt\"",
        "\"ours\"",
        1,
    );
    folder.write("policies/models/ours.toml", &model);
    let watching = Watching::begin(&folder);
    let first = watching.says();
    assert!(first.contains("charge") && first.contains("other") && first.contains("2 policies"), "{first}");
    // A policy.
    folder.write("policies/charge.toml", LEASE_12S);
    let said = watching.says();
    assert!(said.contains("policies/charge.toml") && said.contains("VIOLATED"), "{said}");
    assert!(!said.contains("policies/other.toml"), "{said}");
    assert!(said.contains("all 2: ") && said.contains("2 unexpected"), "{said}");
    // The model of the other one.
    folder.write(
        "policies/models/ours.toml",
        &model.replace("absent  = \"call\"", "absent  = \"respond.unknown\""),
    );
    let said = watching.says();
    assert!(said.contains("policies/other.toml") && !said.contains("policies/charge.toml"), "{said}");
    // A new one, with a fault at first.
    folder.write("policies/new.toml", "policy = ");
    let said = watching.says();
    assert!(said.contains("1 failed"), "{said}");
    folder.write("policies/new.toml", &sound().replace("\"charge\"", "\"new\""));
    let said = watching.says();
    assert!(said.contains("policies/new.toml") && said.contains("HOLDS"), "{said}");
    // One that goes.
    std::fs::remove_file(folder.path("policies/new.toml")).unwrap();
    let said = watching.says();
    assert!(said.contains("all 2: "), "{said}");
    assert_eq!(watching.interrupt(), 1);
}

#[test]
fn an_end_says_how_things_stand() {
    let folder = Folder::with(&sound());
    let watching = Watching::begin(&folder);
    watching.says();
    assert_eq!(watching.interrupt(), 0);
    for args in [["--watch", "--partition=hash:1/2"], ["--watch", "--format=json"], ["--watch", "--traces=x"]]
    {
        folder.run(&[&["verify"], &args[..]].concat()).exits(2);
    }
}
