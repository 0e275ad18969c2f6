//! The binary in a folder of its own, with a policy that breaks three properties in a moment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Violates single-execution, claim-exclusive and no-stale-overwrite; with a lease of 16 s only
/// no-stale-overwrite is left... of which nothing is expected here.
pub const LEASE_12S: &str = r#"
policy  = "charge"
summary = "A lease of 12 s around a call of 10 s"
model   = "receipt"

[operation]
effect   = "create"
identity = ["order_id"]
severity = "money"

[key]
from        = ["order_id"]
supplied_by = "client"

[trigger]
requests = 2
retries  = 0

[store]
kind  = "postgres"
lease = "12s"

[downstream]
latency    = ["50ms", "10s"]
timeout    = "10s"
late       = "0s"
native_key = false
query      = true
fencing    = false

[choices]
in_flight = "reject"
take_over = "reconcile"
failed    = "replay"
unknown   = "hold"

[faults]
crashes        = 1
lost_responses = 0
pause          = "5s"
"#;

/// The same, and nothing is violated.
pub fn sound() -> String {
    LEASE_12S.replace("lease = \"12s\"", "lease = \"36s\"")
}

pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    pub fn of(output: Output) -> Said {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Said {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        self
    }
}

/// A folder with files, and the binary in it.
pub struct Folder(pub TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    /// With `policies/charge.toml`.
    pub fn with(policy: &str) -> Folder {
        let folder = Folder::new();
        folder.write("policies/charge.toml", policy);
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("idemcheck"));
        command.env_remove("FORCE_COLOR").env_remove("CLICOLOR_FORCE").env("IDEMCHECK_CACHE", "off");
        command.current_dir(self.0.path()).args(args);
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().unwrap())
    }

    /// Git, as nobody in particular.
    #[track_caller]
    pub fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.0.path())
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@example.com")])
            .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@example.com")])
            .output()
            .expect("git is needed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A repository with all files in its first commit.
    pub fn repository(self) -> Folder {
        self.git(&["init", "--quiet", "--initial-branch", "main"]);
        self.commit("first");
        self
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }
}

/// Whatever differs between two runs of the same: times.
pub fn without_seconds(mut value: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("seconds");
                map.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut value);
    value
}

pub fn shipped(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}
