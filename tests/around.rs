//! What stands around the tool: completions, manual pages, the hooks for pre-commit and the GitHub action.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn idemcheck(args: &[&str]) -> (i32, String, String) {
    let output = assert_cmd::Command::cargo_bin("idemcheck").unwrap().args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The subcommands of the help.
fn commands() -> Vec<String> {
    let help = idemcheck(&["--help"]).1;
    let part = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = part.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

fn there_is(tool: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().unwrap();
    if !found.status.success() {
        eprintln!("skipped: there is no {tool}");
    }
    found.status.success()
}

#[test]
fn every_shell_has_a_script_with_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, script, stderr) = idemcheck(&["completions", shell]);
        assert_eq!(code, 0, "{stderr}");
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
        assert!(script.contains("--max-memory") || script.contains("max-memory"), "{shell}");
    }
    assert_eq!(idemcheck(&["completions", "tcsh"]).0, 2);
}

#[test]
fn bash_completes_commands_options_and_values() {
    if !there_is("bash") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("idemcheck.bash");
    fs::write(&script, idemcheck(&["completions", "bash"]).1).unwrap();
    let completed = |words: &[&str]| {
        let typed = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        let asked = format!(
            "source '{}'; COMP_WORDS=({typed}); COMP_CWORD={}; _idemcheck idemcheck '{last}' '{before}'; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.display(),
            words.len() - 1
        );
        let output = Command::new("bash").args(["--norc", "-c", &asked]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(completed(&["idemcheck", "ver"]), ["verify"]);
    assert_eq!(completed(&["idemcheck", "verify", "--fail-f"]), ["--fail-fast"]);
    assert!(completed(&["idemcheck", "verify", "--format", "s"]).contains(&"sarif".to_owned()));
}

fn manual() -> (tempfile::TempDir, BTreeMap<String, PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("man/man1");
    let (code, stdout, stderr) = idemcheck(&["man", "--to", to.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    let name = |path: &str| Path::new(path).file_name().unwrap().to_str().unwrap().to_owned();
    let pages = stdout.lines().map(|path| (name(path), PathBuf::from(path))).collect();
    (folder, pages)
}

#[test]
fn every_command_has_a_manual_page() {
    let (_folder, pages) = manual();
    assert!(pages.contains_key("idemcheck.1"));
    for command in commands() {
        let page = fs::read_to_string(&pages[&format!("idemcheck-{command}.1")]).unwrap();
        assert!(page.contains(&format!(".TH idemcheck-{command} 1")), "{command}");
        assert!(page.contains(&format!("idemcheck {command}").replace('-', "\\-")), "{command}");
    }
    // Commands of commands, too.
    assert!(pages.contains_key("idemcheck-receipts-list.1"), "{:?}", pages.keys());
    assert!(fs::read_to_string(&pages["idemcheck.1"]).unwrap().contains("nothing selected"));
}

#[test]
fn manual_pages_are_rendered_without_a_warning() {
    if !there_is("groff") {
        return;
    }
    let (_folder, pages) = manual();
    for (name, path) in &pages {
        let output = Command::new("groff")
            .args(["-man", "-Kutf8", "-Tutf8", "-ww", "-rLL=100n", "-P-cbou"])
            .arg(path)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("SYNOPSIS") && text.contains("OPTIONS"), "{name}: {text}");
    }
}

/// A YAML file of this repository.
fn document(name: &str) -> Value {
    yaml(&fs::read_to_string(Path::new(ROOT).join(name)).unwrap())
}

/// The document in a text; all scalars but `true` and `false` are texts.
fn yaml(text: &str) -> Value {
    let mut open: Vec<(bool, Vec<Value>)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let done = match event.unwrap().0 {
            Event::Scalar(text, style, ..) => match (&*text, style) {
                ("true", ScalarStyle::Plain) => Value::Bool(true),
                ("false", ScalarStyle::Plain) => Value::Bool(false),
                (text, _) => Value::String(text.to_owned()),
            },
            Event::SequenceStart(..) => {
                open.push((false, Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push((true, Vec::new()));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop().unwrap() {
                (false, list) => Value::Array(list),
                (true, list) => {
                    let pairs =
                        list.chunks(2).map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].clone()));
                    Value::Object(pairs.collect::<Map<_, _>>())
                }
            },
            _ => continue,
        };
        match open.last_mut() {
            Some((_, outer)) => outer.push(done),
            None => return done,
        }
    }
    panic!("no document: {text}")
}

#[test]
fn the_hooks_run_what_the_tool_takes() {
    let hooks = document(".pre-commit-hooks.yaml");
    let hooks = hooks.as_array().unwrap();
    assert!(hooks.len() >= 2);
    for hook in hooks {
        let text = |key: &str| hook[key].as_str().unwrap_or_else(|| panic!("{hook}: {key}"));
        assert!(text("id").starts_with("idemcheck-") && !text("description").is_empty());
        assert_eq!((text("language"), &hook["pass_filenames"]), ("system", &serde_json::json!(false)));
        let mut words: Vec<&str> = text("entry").split(' ').collect();
        assert_eq!(words.remove(0), "idemcheck");
        words.extend(hook["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()));
        words.push("--help");
        let (code, _, stderr) = idemcheck(&words);
        assert_eq!(code, 0, "{stderr}");
    }
}

/// A folder with five policies, of which one is violated.
fn five() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(Path::new(ROOT).join("policies/write-path/lease-12s.toml")).unwrap();
    let broken = text.split("[expect]").next().unwrap();
    fs::create_dir(folder.path().join("my policies")).unwrap();
    for number in 0..5 {
        let lease = if number == 3 { "12s" } else { "36s" };
        let policy = broken.replace("policy  = \"lease-12s\"", &format!("policy = \"p{number}\""));
        assert_ne!(policy, broken);
        let policy = policy.replace("lease = \"12s\"", &format!("lease = \"{lease}\""));
        fs::write(folder.path().join(format!("my policies/{number}.toml")), policy).unwrap();
    }
    folder
}

/// Runs a script in a folder, with the tool on the PATH.
fn sh(folder: &Path, script: &str, env: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::new("sh");
    let binary = assert_cmd::cargo::cargo_bin("idemcheck");
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    command.args(["-ec", script]).env("PATH", path).envs(env.iter().copied()).current_dir(folder);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What the parts come to is what one run says, but for times.
fn is_the_whole(folder: &Path, merged: (i32, String, String)) {
    let (code, stdout, stderr) = merged;
    assert_eq!(code, 1, "{stdout}{stderr}");
    let one = sh(folder, "idemcheck verify 'my policies' --format json --output one.json", &[]);
    assert_eq!(one.0, 1);
    let merged = sh(folder, "idemcheck merge parts/*.json --format json --output all.json", &[]);
    assert_eq!(merged.0, 1, "{}", merged.2);
    let verdicts = |name: &str| {
        let report: Value = serde_json::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap();
        let policies = report["policies"].as_array().unwrap().clone();
        let said = |policy: &Value| {
            let of = policy["properties"].as_array().unwrap().iter();
            (policy["policy"].clone(), of.map(|found| found["verdict"].clone()).collect::<Vec<_>>())
        };
        policies.iter().map(said).collect::<Vec<_>>()
    };
    assert_eq!(verdicts("one.json").len(), 5);
    assert_eq!(verdicts("one.json"), verdicts("all.json"));
}

#[test]
fn the_workflow_for_many_machines_comes_to_what_one_run_says() {
    let (code, text, stderr) = idemcheck(&[
        "verify",
        "my policies",
        "--emit",
        "github",
        "--parts=3",
        "--install",
        "true",
        "--timeout",
        "10m",
    ]);
    assert_eq!(code, 0, "{stderr}");
    let workflow = yaml(&text);
    let jobs = &workflow["jobs"];
    assert_eq!(workflow["permissions"], serde_json::json!({ "contents": "read" }));
    assert_eq!(jobs["part"]["strategy"]["matrix"]["part"], serde_json::json!(["1", "2", "3"]));
    let script = |job: &str, name: &str| {
        let steps = jobs[job]["steps"].as_array().unwrap().iter();
        let mut named = steps.filter(|step| step["name"] == name);
        named.next().unwrap()["run"].as_str().unwrap().to_owned()
    };
    assert_eq!(script("part", "Install").trim(), "true");
    let folder = five();
    let parts = folder.path().join("parts");
    fs::create_dir(&parts).unwrap();
    for part in ["1", "2", "3"] {
        // A violation does not keep the part from being handed on.
        let (code, stdout, stderr) = sh(folder.path(), &script("part", "Verify"), &[("PART", part)]);
        assert_eq!(code, 0, "{stdout}{stderr}");
        let name = format!("part-{part}.json");
        fs::rename(folder.path().join(&name), parts.join(&name)).unwrap();
    }
    let summary = folder.path().join("summary");
    let env = [("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    let merged = sh(folder.path(), &script("merge", "Merge"), &env);
    assert!(merged.1.contains("::error"), "{}", merged.1);
    assert!(fs::read_to_string(&summary).unwrap().contains("p3"));
    is_the_whole(folder.path(), merged);
    // A part that is missing is not green.
    fs::remove_file(parts.join("part-2.json")).unwrap();
    assert_eq!(sh(folder.path(), &script("merge", "Merge"), &env).0, 2);
}

#[test]
fn the_jobs_for_many_machines_come_to_what_one_run_says() {
    let (code, text, stderr) = idemcheck(&[
        "verify",
        "my policies",
        "--emit=kubernetes",
        "--parts",
        "3",
        "--image",
        "registry/idemcheck:1",
    ]);
    assert_eq!(code, 0, "{stderr}");
    let jobs: Vec<Value> = text.split("---\n").map(yaml).collect();
    let [verify, merge] = &jobs[..] else { panic!("{text}") };
    let spec = &verify["spec"];
    assert_eq!((&spec["completions"], &spec["completionMode"]), (&"3".into(), &"Indexed".into()));
    let script = |job: &Value| {
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], "registry/idemcheck:1");
        assert_eq!(container["command"][0], "sh");
        container["command"][2].as_str().unwrap().to_owned()
    };
    // Kubernetes would read it.
    assert!(!script(verify).contains("$("));
    let folder = five();
    for index in ["2", "0", "1"] {
        let (code, stdout, stderr) = sh(folder.path(), &script(verify), &[("JOB_COMPLETION_INDEX", index)]);
        assert_eq!(code, 0, "{stdout}{stderr}");
    }
    is_the_whole(folder.path(), sh(folder.path(), &script(merge), &[]));
    assert!(folder.path().join("report/index.html").exists());
}

#[test]
fn what_is_emitted_holds_nothing_that_another_program_evaluates() {
    let said = |args: &[&str], wanted: &str| {
        let (code, stdout, stderr) = idemcheck(&[&["verify"], args].concat());
        assert_eq!((code, &*stdout), (2, ""), "{args:?}");
        assert!(stderr.contains(wanted), "{stderr}");
    };
    said(&["--emit", "github"], "--install");
    said(&["--emit", "kubernetes"], "--image");
    said(&["--emit", "github", "--install", "a\nb"], "one line");
    said(&["--emit", "github", "--install", "true", "${{ secrets.X }}"], "evaluates");
    said(&["--emit", "kubernetes", "--image", "a: b"], "no name");
    said(&["--emit", "github", "--install", "true", "a\nb"], "control character");
    said(&["--emit", "github", "--install", "true", "--parts", "1"], "2..=1000");
    said(&["--emit", "github", "--watch"], "cannot be used");
    said(&["--parts", "3"], "--emit");
    #[cfg(unix)]
    {
        let odd = std::os::unix::ffi::OsStrExt::from_bytes(b"policies-\xff");
        let odd: &std::ffi::OsStr = odd;
        let mut command = assert_cmd::Command::cargo_bin("idemcheck").unwrap();
        let output =
            command.args(["verify", "--emit", "kubernetes", "--image", "i"]).arg(odd).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        assert!(String::from_utf8_lossy(&output.stderr).contains("not Unicode"));
    }
    // A name is a word for the shell, whatever is in it; and Kubernetes leaves it alone.
    let args = ["verify", "x; touch $(y)", "--emit", "kubernetes", "--image", "i"];
    let (_, text, _) = idemcheck(&args);
    assert!(text.contains("idemcheck verify 'x; touch $$(y)' --partition"), "{text}");
}

/// A step of the action, run as a runner does: what it is given, and what is on the PATH.
fn run_step(
    name: &str,
    folder: &Path,
    inputs: &[(&str, &str)],
    source: &Path,
    path: &str,
) -> (i32, String, String) {
    let action = document("action.yml");
    let mut steps = action["runs"]["steps"].as_array().unwrap().iter();
    let step = steps.find(|step| step["name"] == name).unwrap();
    let runner = folder.join("runner temp");
    fs::create_dir_all(&runner).unwrap();
    let script = runner.join("step.sh");
    fs::write(&script, step["run"].as_str().unwrap()).unwrap();
    let mut command = Command::new("bash");
    // As runners have it for `shell: bash`.
    command.args(["--noprofile", "--norc", "-eo", "pipefail"]).arg(script);
    for (name, value) in step["env"].as_object().unwrap() {
        let expression = value.as_str().unwrap().trim_start_matches("${{ ").trim_end_matches(" }}");
        if expression == "github.action_path" {
            command.env(name, source);
            continue;
        }
        let input = expression.strip_prefix("inputs.").unwrap();
        let default = action["inputs"][input]["default"].as_str().unwrap();
        let given = inputs.iter().find(|(name, _)| *name == input).map_or(default, |(_, value)| value);
        command.env(name, given);
    }
    command.env("PATH", path).env("RUNNER_TEMP", &runner).current_dir(folder);
    for (name, file) in
        [("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary"), ("GITHUB_PATH", "path")]
    {
        command.env(name, folder.join(file));
    }
    // What runs the tests says where Cargo builds, and where idemcheck keeps results; a runner does not.
    command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTUP_TOOLCHAIN");
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The action's last step with the tool on the PATH.
fn run_action(folder: &Path, inputs: &[(&str, &str)]) -> (i32, String, String) {
    let binary = assert_cmd::cargo::cargo_bin("idemcheck");
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    run_step("Verify", folder, inputs, Path::new(ROOT), &path)
}

/// The steps one after the other, by Cargo itself. To build all of the tool would take minutes: what is
/// installed is a package of the same shape that hands on to it.
#[test]
fn the_action_installs_itself_whatever_the_workspace_says_of_cargo() {
    if !there_is("bash") || !there_is("cargo") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("an action");
    fs::create_dir_all(source.join("src")).unwrap();
    // `--locked` wants a lock, and a package that is one.
    assert!(Path::new(ROOT).join("Cargo.lock").exists());
    let package = "[package]\nname = \"idemcheck\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    assert!(fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap().contains("name = \"idemcheck\""));
    fs::write(source.join("Cargo.toml"), format!("{package}\n[workspace]\n")).unwrap();
    let lock = "version = 4\n\n[[package]]\nname = \"idemcheck\"\nversion = \"0.1.0\"\n";
    fs::write(source.join("Cargo.lock"), lock).unwrap();
    let binary = assert_cmd::cargo::cargo_bin("idemcheck");
    let program = format!(
        "fn main() {{ let all = std::env::args_os().skip(1); let status = \
         std::process::Command::new({:?}).args(all).status().unwrap(); \
         std::process::exit(status.code().unwrap()) }}",
        binary.to_str().unwrap()
    );
    fs::write(source.join("src/main.rs"), program).unwrap();

    let workspace = folder.path().join("work space");
    fs::create_dir_all(workspace.join("my-policies")).unwrap();
    fs::create_dir_all(workspace.join(".cargo")).unwrap();
    fs::write(workspace.join(".cargo/config.toml"), "[build]\ntarget = \"no-such-target\"\n").unwrap();
    fs::write(workspace.join("rust-toolchain.toml"), "[toolchain]\nchannel = \"1.0.0\"\n").unwrap();
    let text = fs::read_to_string(Path::new(ROOT).join("policies/write-path/lease-12s.toml")).unwrap();
    fs::write(workspace.join("my-policies/charge.toml"), text.split("[expect]").next().unwrap()).unwrap();

    let path = std::env::var("PATH").unwrap();
    let (code, _, stderr) = run_step("Install", &workspace, &[], &source, &path);
    assert_eq!(code, 0, "{stderr}");
    let added = fs::read_to_string(workspace.join("path")).unwrap();
    let [bin] = added.lines().collect::<Vec<_>>()[..] else { panic!("{added}") };
    assert!(Path::new(bin).join("idemcheck").exists(), "{bin}");
    // A runner puts what is in that file before the PATH of the steps that follow.
    let (code, stdout, stderr) =
        run_step("Verify", &workspace, &[("paths", "my-policies/")], &source, &format!("{bin}:{path}"));
    assert_eq!(code, 1, "{stdout}{stderr}");
    assert!(stdout.contains("::error"), "{stdout}");
}

#[test]
fn the_action_installs_nothing_where_it_is_told_not_to() {
    let action = document("action.yml");
    let steps = action["runs"]["steps"].as_array().unwrap();
    let names: Vec<&str> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Install", "Verify"]);
    assert_eq!(steps[0]["if"], "inputs.install == 'true'");
    assert_eq!(action["inputs"]["install"]["default"], "true");
    assert!(steps[1].get("if").is_none());
}

/// Lists of several lines, as YAML has them with `|`: no path and no argument is dropped without a word.
#[test]
fn the_action_reads_every_line_of_its_inputs() {
    if !there_is("bash") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(Path::new(ROOT).join("policies/write-path/lease-12s.toml")).unwrap();
    let broken = text.split("[expect]").next().unwrap();
    fs::create_dir(folder.path().join("good")).unwrap();
    fs::create_dir(folder.path().join("bad")).unwrap();
    let good = broken.replace("lease = \"12s\"", "lease = \"36s\"");
    fs::write(folder.path().join("good/charge.toml"), good.replace("\"lease-12s\"", "\"good\"")).unwrap();
    fs::write(folder.path().join("bad/charge.toml"), broken).unwrap();
    assert_eq!(run_action(folder.path(), &[("paths", "good\n")]).0, 0);
    assert_eq!(run_action(folder.path(), &[("paths", "good\nbad\n")]).0, 1);
    let args = [("paths", "good"), ("args", "--timeout 10m\n--max-states 3\n")];
    assert_eq!(run_action(folder.path(), &args).0, 3);
}

#[test]
fn the_action_hands_on_the_exit_code_and_writes_every_format() {
    if !there_is("bash") {
        return;
    }
    let broken = fs::read_to_string(Path::new(ROOT).join("policies/write-path/lease-12s.toml")).unwrap();
    let broken = broken.split("[expect]").next().unwrap();
    for (policy, args, wanted) in [
        (broken.to_owned(), "", 1),
        (broken.replace("lease = \"12s\"", "lease = \"36s\""), "", 0),
        (broken.replace("lease = ", "leese = "), "", 2),
        (broken.to_owned(), "--max-states 3", 3),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/charge.toml"), policy).unwrap();
        let (code, stdout, stderr) = run_action(folder.path(), &[("args", args)]);
        assert_eq!(code, wanted, "{stdout}{stderr}");
        let outputs = fs::read_to_string(folder.path().join("output")).unwrap();
        assert_eq!(outputs.lines().count(), 4);
        for (name, path) in outputs.lines().map(|line| line.split_once('=').unwrap()) {
            assert!(folder.path().join(path).exists(), "{name}: {path}");
        }
        assert!(fs::read_to_string(folder.path().join("summary")).unwrap().contains("## idemcheck"));
        assert_eq!(stdout.contains("::error"), wanted == 1 || wanted == 2, "{stdout}");
    }
    // Nothing selected is not green.
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    assert_eq!(run_action(folder.path(), &[]).0, 4);
    // Inputs are no commands.
    let (code, ..) = run_action(folder.path(), &[("args", "; touch broken $(touch broken) `touch broken`")]);
    assert_eq!(code, 2);
    assert!(!folder.path().join("broken").exists());
}

#[test]
fn the_action_is_thin() {
    let action = document("action.yml");
    assert_eq!(action["runs"]["using"], "composite");
    for step in action["runs"]["steps"].as_array().unwrap() {
        let run = step["run"].as_str().unwrap();
        // It never looks at an exit code, and no input is part of a script.
        for word in ["$?", "||", "set +e", "continue-on-error", "${{"] {
            assert!(!run.contains(word), "{word}: {run}");
        }
        assert!(step.get("continue-on-error").is_none());
    }
    for (name, input) in action["inputs"].as_object().unwrap() {
        assert!(input["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        assert!(input["default"].is_string(), "{name}");
    }
}
