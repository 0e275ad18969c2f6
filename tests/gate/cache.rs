//! The cache: the same results with it and without, whatever is in it.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::support::*;

fn cached(folder: &Folder, more: &[&str]) -> Said {
    folder.run(&[&["verify", "--cache", "kept"], more].concat())
}

fn entries(folder: &Folder) -> Vec<PathBuf> {
    let builds = fs::read_dir(folder.path("kept")).into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = builds.filter(|path| path.is_dir()).flat_map(|build| fs::read_dir(build).unwrap());
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| !path.ends_with(".gitignore"));
    files.sort();
    files
}

/// Makes the only entry say that everything took a year: whoever uses it shows it.
fn mark(folder: &Folder) {
    let [path] = &entries(folder)[..] else { panic!("{:?}", entries(folder)) };
    let text = fs::read_to_string(path).unwrap();
    let (head, body) = text.split_once('\n').unwrap();
    let mut result: Value = serde_json::from_str(body).unwrap();
    result["search"]["seconds"] = 31_536_000.0.into();
    let body = result.to_string();
    let mut head: Value = serde_json::from_str(head).unwrap();
    head["digest"] = idemcheck::source::digest(&[&body]).into();
    fs::write(path, format!("{head}\n{body}")).unwrap();
}

fn is_hit(said: &Said) -> bool {
    said.json()["policies"][0]["search"]["seconds"] == 31_536_000.0
}

#[test]
fn a_second_run_says_the_same() {
    let folder = Folder::with(LEASE_12S);
    let plain = folder.run(&["verify", "--verbose", "--traces", "plain"]).exits(1);
    let cold = cached(&folder, &["--verbose", "--traces", "cold"]).exits(1);
    assert_eq!(entries(&folder).len(), 1);
    let warm = cached(&folder, &["--verbose", "--traces", "warm"]).exits(1);
    let text = |said: &Said, folder: &str| {
        let text = said.stdout.replace(&format!("{folder}/"), "");
        text.rsplit_once("; ").unwrap().0.to_owned()
    };
    assert_eq!(text(&cold, "cold"), text(&plain, "plain"));
    assert_eq!(text(&warm, "warm"), text(&plain, "plain"));
    let json =
        |args: &[&str]| without_seconds(folder.run(&[&["verify", "--format", "json"], args].concat()).json());
    assert_eq!(json(&["--cache", "kept"]), json(&[]));
    for name in fs::read_dir(folder.path("plain")).unwrap().map(|entry| entry.unwrap().file_name()) {
        let read = |of: &str| fs::read_to_string(folder.path(of).join(&name)).unwrap();
        assert_eq!(read("warm"), read("plain"));
    }
    let build = format!("kept/idemcheck-{}", idemcheck::BUILD);
    assert_eq!(folder.read(&format!("{build}/.gitignore")), "*\n");
    assert!(!folder.path("kept/.gitignore").exists());
}

#[test]
fn what_is_said_decides_and_how_it_is_said_does_not() {
    let folder = Folder::with(LEASE_12S);
    let json = |args: &[&str]| cached(&folder, &[&["--format", "json"], args].concat());
    json(&[]);
    mark(&folder);
    assert!(is_hit(&json(&[])));
    let write = |text: String| folder.write("policies/charge.toml", &text);
    write(format!("# a comment\n{}", LEASE_12S.replace(" = ", "  =  ")));
    assert!(is_hit(&json(&[])));
    write(LEASE_12S.replace("A lease of", "Another lease of"));
    let said = json(&[]);
    assert!(is_hit(&said));
    assert_eq!(said.json()["policies"][0]["summary"], "Another lease of 12 s around a call of 10 s");
    fs::rename(folder.path("policies/charge.toml"), folder.path("policies/other.toml")).unwrap();
    let said = json(&[]);
    assert!(is_hit(&said));
    assert_eq!(said.json()["policies"][0]["path"], "policies/other.toml");
    fs::rename(folder.path("policies/other.toml"), folder.path("policies/charge.toml")).unwrap();
    write(LEASE_12S.replace("12s", "13s"));
    assert!(!is_hit(&json(&[])));
    write(LEASE_12S.to_owned());
    assert!(is_hit(&json(&[])));
    for args in [
        &["--max-states", "1000000"][..],
        &["--property", "no-stuck-key"],
        &["--engine", "stateright", "--max-states", "50"],
        &["--fail-fast"],
        &["--no-cache", "--quiet"],
    ] {
        let args: Vec<&str> = args.to_vec();
        let said = match args.contains(&"--no-cache") {
            true => folder.run(&["verify", "--format", "json", "--no-cache"]),
            false => json(&args),
        };
        assert!(!is_hit(&said), "{args:?}");
    }
    // A model of its own.
    let model = fs::read_to_string(shipped("models/receipt.toml")).unwrap();
    folder.write("policies/models/receipt.toml", &model.replace("\"Claim a receipt", "\"Claim one receipt"));
    assert!(!is_hit(&json(&[])));
}

#[test]
fn expectations_waivers_and_the_day_are_weighed_anew() {
    let folder = Folder::with(LEASE_12S);
    cached(&folder, &[]).exits(1);
    mark(&folder);
    let waivers = |until: &str| {
        let one = |name| format!("[[waiver]]\nproperty = \"{name}\"\nreason = \"r\"\nuntil = {until}\n");
        ["single-execution", "claim-exclusive", "no-stale-overwrite"].map(one).concat()
    };
    for (more, code) in [
        (waivers("2999-01-01"), 0),
        // The same entry, on a day after the last one.
        (waivers("2020-01-01"), 1),
        ("[expect]\nsingle-execution = \"violated\"\nclaim-exclusive = \"violated\"\nno-stale-overwrite = \"violated\"\n".to_owned(), 0),
        ("[expect]\nno-stuck-key = \"violated\"\n".to_owned(), 1),
    ] {
        folder.write("policies/charge.toml", &format!("{LEASE_12S}{more}"));
        let said = cached(&folder, &["--format", "json"]).exits(code);
        assert!(is_hit(&said), "{more}");
    }
    folder.write(
        "policies/charge.toml",
        &format!("{LEASE_12S}[[silence]]\nlint = \"lease-below-handler\"\nreason = \"so be it\"\n"),
    );
    let said = cached(&folder, &["--format", "json"]);
    assert!(is_hit(&said));
    assert_eq!(said.json()["policies"][0]["lints"][0]["silenced"], "so be it");
}

#[test]
fn what_is_damaged_or_of_somebody_else_is_written_anew() {
    let folder = Folder::with(LEASE_12S);
    let plain = without_seconds(folder.run(&["verify", "--format", "json"]).json());
    cached(&folder, &[]).exits(1);
    let path = entries(&folder).remove(0);
    let good = fs::read_to_string(&path).unwrap();
    let (head, body) = good.split_once('\n').unwrap();
    let lie = body.replace("\"verdict\":\"violated\"", "\"verdict\":\"holds\"");
    assert_ne!(lie, body);
    let bad: [Vec<u8>; 8] = [
        Vec::new(),
        b"\xff\xfe\x00".to_vec(),
        good.as_bytes()[..good.len() / 2].to_vec(),
        format!("{head}\n{lie}").into_bytes(),
        format!("{}\n{body}", head.replace(idemcheck::BUILD, "0000000000000000")).into_bytes(),
        format!("{}\n{body}", head.replace("\"idemcheck_cache\":1", "\"idemcheck_cache\":2")).into_bytes(),
        format!("{head}\n{{}}").into_bytes(),
        b"{}\n{}".to_vec(),
    ];
    for bytes in bad {
        fs::write(&path, &bytes).unwrap();
        let said = cached(&folder, &["--format", "json"]).exits(1);
        assert_eq!(without_seconds(said.json()), plain);
        let mended = fs::read_to_string(&path).unwrap();
        assert_ne!(mended.as_bytes(), bytes);
        assert!(mended.starts_with("{\"idemcheck_cache\":1"), "{mended}");
    }
    // A folder where the file should be: nothing is kept, and nothing fails.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let said = cached(&folder, &["--format", "json"]).exits(1);
    assert!(said.stderr.contains("results are not kept"), "{}", said.stderr);
}

#[test]
fn only_what_is_complete_is_kept() {
    let folder = Folder::with(LEASE_12S);
    for args in [&["--max-states", "5"][..], &["--timeout", "0ms"], &["--fail-fast"]] {
        cached(&folder, args);
        assert!(entries(&folder).is_empty(), "{args:?}");
    }
}

#[test]
fn many_at_once_do_not_disturb_each_other() {
    let folder = Folder::new();
    for number in 0..6 {
        let text = LEASE_12S
            .replace("\"charge\"", &format!("\"charge-{number}\""))
            .replace("12s", &format!("{}s", 11 + number));
        folder.write(&format!("policies/{number}.toml"), &text);
    }
    let plain = without_seconds(folder.run(&["verify", "--format", "json"]).json());
    for _ in 0..2 {
        let running: Vec<_> = (0..4)
            .map(|_| {
                let mut command = folder.command(&["verify", "--cache", "kept", "--format", "json"]);
                command
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for child in running {
            let said = Said::of(child.wait_with_output().unwrap());
            assert_eq!(said.stderr, "");
            assert_eq!(without_seconds(said.json()), plain);
        }
    }
    let left = entries(&folder);
    assert_eq!(left.len(), 6, "{left:?}");
}

#[test]
fn the_folder_is_named_by_the_user() {
    let folder = Folder::with(&sound());
    let run = |variables: &[(&str, &str)]| {
        let mut command = folder.command(&["verify"]);
        command.env_remove("IDEMCHECK_CACHE").env_remove("XDG_CACHE_HOME").env_remove("HOME");
        Said::of(command.envs(variables.iter().copied()).output().unwrap()).exits(0);
    };
    run(&[]);
    run(&[("IDEMCHECK_CACHE", "off"), ("HOME", folder.path("home").to_str().unwrap())]);
    assert!(!folder.path("home").exists());
    run(&[("IDEMCHECK_CACHE", folder.path("own").to_str().unwrap())]);
    assert!(folder.path("own").is_dir());
    if cfg!(target_os = "linux") {
        run(&[("HOME", folder.path("home").to_str().unwrap())]);
        assert!(folder.path("home/.cache/idemcheck").is_dir());
        run(&[("XDG_CACHE_HOME", folder.path("xdg").to_str().unwrap())]);
        assert!(folder.path("xdg/idemcheck").is_dir());
    }
    // The project itself holds nothing that says that it is sound.
    let names: Vec<_> =
        fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        names.iter().all(|name| ["policies", "own", "home", "xdg"].iter().any(|known| name == *known)),
        "{names:?}"
    );
}

#[test]
fn what_others_keep_in_the_same_folder_stays() {
    let folder = Folder::with(LEASE_12S);
    let theirs = ["0123456789abcdef/object", "idemcheck-0123456789abcdef/notes.txt"];
    for name in theirs {
        folder.write(&format!("kept/{name}"), "theirs");
    }
    folder.write("kept/idemcheck-fedcba9876543210/key.json", "ours, of an old build");
    for name in ["0123456789abcdef", "idemcheck-0123456789abcdef", "idemcheck-fedcba9876543210"] {
        let path = folder.path(&format!("kept/{name}"));
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(100 * 86_400);
        fs::File::open(path).unwrap().set_modified(long_ago).unwrap();
    }
    cached(&folder, &[]).exits(1);
    for name in theirs {
        assert_eq!(folder.read(&format!("kept/{name}")), "theirs");
    }
    assert!(!folder.path("kept/idemcheck-fedcba9876543210").exists());
}
